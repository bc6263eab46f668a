// Elastic IPs. They are addresses of this lab's own loopback network, so that a router can be reached on its
// one.
#include "ec2.h"
#include "../router/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTA = 5, POOL = 200, PLATFORM_POOL = 201 };

// The lowest free address of the pool; NULL: none.
static char *free_address(const struct aws_call *c, int pool)
{
    for (int host = 1; host < 255; host++) {
        char *text = lab_format("127.%u.%d.%d", c->lab->slot, pool, host);
        if (!aws_first(c, "elastic-ip", "publicIp", text))
            return text;
        free(text);
    }
    return NULL;
}

static json_t *allocate(struct aws_call *c)
{
    int pool = c->aws->in_setup ? PLATFORM_POOL : POOL;
    char *ip = json_object_size(aws_all(c, "elastic-ip")) < QUOTA ? free_address(c, pool) : NULL;
    if (!ip)
        return aws_fail(c, 400, "AddressLimitExceeded", "The maximum number of addresses has been reached.");
    json_t *address = aws_add(c, "elastic-ip",
                              json_pack("{ss ss ss ss}", "publicIp", ip, "domain", "vpc", "publicIpv4Pool",
                                        "amazon", "networkBorderGroup", AWS_REGION));
    free(ip);
    return address ? json_pack("{ss ss ss ss}", "publicIp", aws_text(address, "publicIp"), "allocationId",
                               aws_text(address, "allocationId"), "domain", "vpc", "publicIpv4Pool", "amazon")
                   : NULL;
}

static json_t *describe(struct aws_call *c)
{
    json_t *answer = aws_describe(c, "elastic-ip");
    const json_t *wanted = aws_list(c, "PublicIp");
    size_t i;
    json_t *ip;
    if (!answer || !wanted)
        return answer;
    json_t *found = json_array();
    json_array_foreach(wanted, i, ip)
    {
        json_t *address = aws_first(c, "elastic-ip", "publicIp", json_string_value(ip));
        if (!address) {
            json_decref(found);
            json_decref(answer);
            return aws_fail(c, 400, "InvalidAddress.NotFound", "Address '%s' not found.",
                            json_string_value(ip));
        }
        json_array_append(found, address);
    }
    json_object_set_new(answer, "addressesSet", found);
    return answer;
}

// Tells the router behind an interface what its public address is now (0: none).
static void tell_router(struct aws_call *c, const json_t *eni, const char *ip)
{
    uint32_t address = 0;
    const char *id = aws_text(json_object_get(eni, "attachment"), "instanceId");
    const json_t *instance = aws_get(c, "instance", id);
    if (ip)
        lab_parse_ip(ip, &address);
    if (instance && ec2_is_router(c, instance) && !ec2_instance_gone(instance))
        lab_router_address(c->lab, id, address);
}

static void unlink_address(struct aws_call *c, json_t *address)
{
    static const char *const members[] = {"associationId", "networkInterfaceId", "networkInterfaceOwnerId",
                                          "privateIpAddress", "instanceId"};
    const json_t *eni = aws_get(c, "network-interface", aws_text(address, "networkInterfaceId"));
    if (eni)
        tell_router(c, eni, NULL);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        json_object_del(address, members[i]);
}

// The interface that the call names, itself or by its instance.
static json_t *call_interface(struct aws_call *c)
{
    const char *id = aws_str(c, "NetworkInterfaceId"), *instance = aws_str(c, "InstanceId"), *key;
    json_t *eni;
    if (id)
        return aws_find(c, "network-interface", id);
    if (!instance)
        return aws_fail(c, 400, "MissingParameter",
                        "Either instance ID or network interface id must be specified");
    if (!aws_find(c, "instance", instance))
        return NULL;
    json_object_foreach(aws_all(c, "network-interface"), key, eni)
    {
        json_t *attachment = json_object_get(eni, "attachment");
        if (aws_is(attachment, "instanceId", instance) &&
            json_integer_value(json_object_get(attachment, "deviceIndex")) == 0)
            return eni;
    }
    return aws_fail(c, 400, "InvalidInstanceID", "The instance '%s' has no network interface", instance);
}

static bool has_internet(const struct aws_call *c, const char *vpc)
{
    const char *key;
    json_t *gateway;
    json_object_foreach(aws_all(c, "internet-gateway"), key, gateway)
    {
        if (aws_is(json_array_get(json_object_get(gateway, "attachmentSet"), 0), "vpcId", vpc))
            return true;
    }
    return false;
}

static json_t *associate(struct aws_call *c)
{
    json_t *address = aws_find_arg(c, "elastic-ip", "AllocationId");
    json_t *eni = address ? call_interface(c) : NULL;
    if (!eni)
        return NULL;
    const char *id = aws_text(eni, "networkInterfaceId"), *ip = aws_text(address, "publicIp");
    bool again = aws_bool(c, "AllowReassociation", false);
    json_t *other = ec2_address_of_eni(c, id);
    if (!has_internet(c, aws_text(eni, "vpcId")))
        return aws_fail(c, 400, "Gateway.NotAttached", "Network %s is not attached to any internet gateway",
                        aws_text(eni, "vpcId"));
    if (*aws_text(address, "associationId") && !again)
        return aws_fail(c, 400, "Resource.AlreadyAssociated",
                        "resource %s is already associated with associate-id %s",
                        aws_text(address, "allocationId"), aws_text(address, "associationId"));
    if (other && other != address && !again)
        return aws_fail(c, 400, "Resource.AlreadyAssociated",
                        "resource %s is already associated with associate-id %s", id,
                        aws_text(other, "associationId"));
    if (other)
        unlink_address(c, other);
    unlink_address(c, address);
    char *association = lab_id("eipassoc-", 17);
    const char *instance = aws_text(json_object_get(eni, "attachment"), "instanceId");
    json_object_set_new(address, "associationId", json_string(association));
    json_object_set_new(address, "networkInterfaceId", json_string(id));
    json_object_set_new(address, "networkInterfaceOwnerId", json_string(AWS_ACCOUNT));
    json_object_set_new(address, "privateIpAddress", json_string(aws_text(eni, "privateIpAddress")));
    if (*instance)
        json_object_set_new(address, "instanceId", json_string(instance));
    tell_router(c, eni, ip);
    json_t *answer = json_pack("{sbss}", "return", 1, "associationId", association);
    free(association);
    return answer;
}

static json_t *disassociate(struct aws_call *c)
{
    const char *id = aws_need(c, "AssociationId");
    json_t *address = id ? aws_first(c, "elastic-ip", "associationId", id) : NULL;
    if (!id)
        return NULL;
    if (!address)
        return aws_fail(c, 400, "InvalidAssociationID.NotFound", "The association ID '%s' does not exist",
                        id);
    unlink_address(c, address);
    return aws_true();
}

static json_t *release(struct aws_call *c)
{
    json_t *address = aws_find_arg(c, "elastic-ip", "AllocationId");
    if (!address)
        return NULL;
    if (*aws_text(address, "associationId"))
        return aws_fail(c, 400, "InvalidIPAddress.InUse", "Address %s is in use.",
                        aws_text(address, "publicIp"));
    aws_remove(c, "elastic-ip", aws_str(c, "AllocationId"));
    return aws_true();
}

const struct aws_action aws_address_actions[] = {
    {"AllocateAddress", allocate, true},   {"DescribeAddresses", describe, false},
    {"AssociateAddress", associate, true}, {"DisassociateAddress", disassociate, true},
    {"ReleaseAddress", release, true},     {NULL, NULL, false}};
