// Network interfaces and the private addresses of subnets.
#include "ec2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Addresses that nobody asked for by number begin here, so that a router's .10 is rarely taken by chance.
enum { FIRST_FREE = 100, COOL_DOWN_MS = 30000 };

json_t *aws_eni_of(const struct aws_call *c, uint32_t address)
{
    char *text = lab_ip(address);
    const char *key;
    json_t *eni, *found = NULL, *held;
    size_t i;
    json_object_foreach(aws_all(c, "network-interface"), key, eni)
    {
        json_array_foreach(json_object_get(eni, "privateIpAddressesSet"), i, held)
        {
            if (aws_is(held, "privateIpAddress", text))
                found = eni;
        }
    }
    free(text);
    return found;
}

static bool is_cooling(const struct aws_call *c, uint32_t address)
{
    char *text = lab_ip(address);
    json_t *since = json_object_get(c->aws->cooling, text);
    free(text);
    return since && lab_mono_ms() - json_integer_value(since) < COOL_DOWN_MS;
}

bool aws_take_address(struct aws_call *c, const json_t *subnet, const char *wanted, char **address)
{
    uint32_t network, ip;
    int prefix;
    lab_parse_cidr(aws_text(subnet, "cidrBlock"), &network, &prefix);
    uint32_t size = ~lab_mask(prefix) + 1;
    if (wanted && *wanted) {
        if (!lab_parse_ip(wanted, &ip) || (ip & lab_mask(prefix)) != network) {
            aws_fail(c, 400, "InvalidParameterValue",
                     "Address does not fall within the subnet's address range");
        } else if (ip - network < 4 || ip - network == size - 1) {
            aws_fail(c, 400, "InvalidParameterValue", "Address %s is in subnet's reserved address range",
                     wanted);
        } else if (aws_eni_of(c, ip)) {
            aws_fail(c, 400, "InvalidIPAddress.InUse", "Address %s is in use.", wanted);
        } else {
            *address = lab_strdup(wanted);
            return true;
        }
        return false;
    }
    uint32_t start = size > FIRST_FREE + 16 ? FIRST_FREE : 4;
    for (uint32_t i = 0; i < size; i++) {
        uint32_t host = (start + i) % size;
        if (host < 4 || host == size - 1 || aws_eni_of(c, network + host) || is_cooling(c, network + host))
            continue;
        *address = lab_ip(network + host);
        return true;
    }
    aws_fail(c, 400, "InsufficientFreeAddressesInSubnet",
             "The specified subnet does not have enough free addresses.");
    return false;
}

json_t *ec2_address_of_eni(const struct aws_call *c, const char *eni)
{
    return aws_first(c, "elastic-ip", "networkInterfaceId", eni);
}

// An association of a public address, as interfaces and instances show it; NULL: none.
static json_t *association_of(const struct aws_call *c, const json_t *eni)
{
    const json_t *address = ec2_address_of_eni(c, aws_text(eni, "networkInterfaceId"));
    return address
               ? json_pack("{ss ss ss ss ss}", "publicIp", aws_text(address, "publicIp"), "publicDnsName", "",
                           "ipOwnerId", AWS_ACCOUNT, "allocationId", aws_text(address, "allocationId"),
                           "associationId", aws_text(address, "associationId"))
               : NULL;
}

json_t *ec2_eni_view(struct aws_call *c, const json_t *object)
{
    json_t *view = json_copy((json_t *)(uintptr_t)object), *groups = json_array(), *id, *held;
    json_t *association = association_of(c, object), *addresses = json_array();
    size_t i;
    json_array_foreach(json_object_get(object, "_groups"), i, id)
    {
        const json_t *group = aws_get(c, "security-group", json_string_value(id));
        json_array_append_new(groups,
                              json_pack("{sOss}", "groupId", id, "groupName", aws_text(group, "groupName")));
    }
    json_array_foreach(json_object_get(object, "privateIpAddressesSet"), i, held)
    {
        json_t *shown = json_copy(held);
        if (association && json_is_true(json_object_get(held, "primary")))
            json_object_set(shown, "association", association);
        json_array_append_new(addresses, shown);
    }
    json_object_set_new(view, "groupSet", groups);
    json_object_set_new(view, "privateIpAddressesSet", addresses);
    if (association)
        json_object_set_new(view, "association", association);
    return view;
}

static bool groups_valid(struct aws_call *c, const json_t *groups, const char *vpc)
{
    size_t i;
    json_t *id;
    json_array_foreach(groups, i, id)
    {
        const json_t *group = aws_find(c, "security-group", json_string_value(id));
        if (group && !aws_is(group, "vpcId", vpc))
            aws_fail(c, 400, "InvalidParameterValue",
                     "The security group '%s' belongs to another network than the "
                     "subnet",
                     json_string_value(id));
        if (c->status)
            return false;
    }
    return true;
}

json_t *ec2_add_eni(struct aws_call *c, const char *subnet_id, const char *wanted, const json_t *groups,
                    const char *description)
{
    const json_t *subnet = aws_find(c, "subnet", subnet_id);
    char *address = NULL;
    if (!subnet || !groups_valid(c, groups, aws_text(subnet, "vpcId")) ||
        !aws_take_address(c, subnet, wanted, &address))
        return NULL;
    char *hex = lab_id("", 8), *dns = lab_format("ip-%s.%s.compute.internal", address, AWS_REGION);
    char *mac = lab_format("06:%.2s:%.2s:%.2s:%.2s:01", hex, hex + 2, hex + 4, hex + 6);
    for (char *p = dns + 3; *p && (size_t)(p - dns - 3) < strlen(address); p++)
        *p = *p == '.' ? '-' : *p;
    json_t *own = groups ? json_deep_copy(groups) : json_array();
    if (!json_array_size(own))
        json_array_append(
            own, json_object_get(ec2_first_group(c, aws_text(subnet, "vpcId"), "default"), "groupId"));
    struct aws_call inner = *c;
    if (strcmp(c->action, "CreateNetworkInterface") != 0)
        inner.p = NULL; // the tags of the call are another object's
    json_t *eni = aws_add(
        &inner, "network-interface",
        json_pack("{ss ss ss ss ss sb ss ss ss sb ss s[{ss ss sb}] so}", "subnetId", subnet_id, "vpcId",
                  aws_text(subnet, "vpcId"), "availabilityZone", aws_text(subnet, "availabilityZone"),
                  "description", description ? description : "", "interfaceType", "interface",
                  "requesterManaged", 0, "status", "available", "macAddress", mac, "privateIpAddress",
                  address, "sourceDestCheck", 1, "privateDnsName", dns, "privateIpAddressesSet",
                  "privateIpAddress", address, "privateDnsName", dns, "primary", 1, "_groups", own));
    if (eni && !(wanted && *wanted))
        json_object_set_new(eni, "_chosen", json_true()); // by AWS: by chance
    if (!eni)
        aws_fail(c, inner.status, inner.code, "%s", inner.message);
    free(address), free(hex), free(dns), free(mac);
    return eni;
}

void ec2_attach_eni(json_t *eni, const char *instance, int device, bool with_instance)
{
    char *id = lab_id("eni-attach-", 17), *now = lab_now();
    json_object_set_new(eni, "status", json_string("in-use"));
    json_object_set_new(eni, "attachment",
                        json_pack("{ss ss ss si ss ss sb}", "attachmentId", id, "instanceId", instance,
                                  "instanceOwnerId", AWS_ACCOUNT, "deviceIndex", device, "status", "attached",
                                  "attachTime", now, "deleteOnTermination", (int)with_instance));
    free(id);
    free(now);
}

void ec2_detach_eni(json_t *eni)
{
    json_object_del(eni, "attachment");
    json_object_set_new(eni, "status", json_string("available"));
}

static void forget_association(struct aws_call *c, const char *eni)
{
    json_t *address = ec2_address_of_eni(c, eni);
    if (!address)
        return;
    json_object_del(address, "associationId");
    json_object_del(address, "networkInterfaceId");
    json_object_del(address, "networkInterfaceOwnerId");
    json_object_del(address, "privateIpAddress");
    json_object_del(address, "instanceId");
}

void ec2_drop_eni(struct aws_call *c, const char *id)
{
    forget_association(c, id);
    aws_remove(c, "network-interface", id);
}

// ---- calls ----

// Group ids of a call, in either spelling; borrowed.
static const json_t *call_groups(const struct aws_call *c)
{
    const json_t *groups = aws_list(c, "SecurityGroupId");
    return groups ? groups : aws_list(c, "Groups");
}

static json_t *create_eni(struct aws_call *c)
{
    bool done;
    json_t *earlier = aws_token_used(c, &done);
    if (done)
        return earlier;
    const char *subnet = aws_need(c, "SubnetId"), *wanted = aws_str(c, "PrivateIpAddress");
    if (!subnet)
        return NULL;
    if (!wanted)
        wanted = aws_str(c, "PrivateIpAddresses.0.PrivateIpAddress");
    json_t *eni = ec2_add_eni(c, subnet, wanted, call_groups(c), aws_str(c, "Description"));
    if (!eni)
        return NULL;
    json_object_set_new(eni, "_clientToken",
                        json_string(aws_str(c, "ClientToken") ? aws_str(c, "ClientToken") : ""));
    return aws_token_done(c, json_pack("{so}", "networkInterface", ec2_eni_view(c, eni)));
}

static json_t *describe_enis(struct aws_call *c)
{
    return aws_describe(c, "network-interface");
}

static json_t *delete_eni(struct aws_call *c)
{
    json_t *eni = aws_find_arg(c, "network-interface", "NetworkInterfaceId");
    if (!eni)
        return NULL;
    if (json_object_get(eni, "attachment") || !aws_is(eni, "status", "available"))
        return aws_fail(c, 400, "InvalidParameterValue", "Network interface '%s' is currently in use.",
                        aws_text(eni, "networkInterfaceId"));
    ec2_drop_eni(c, aws_str(c, "NetworkInterfaceId"));
    return aws_true();
}

static json_t *modify_eni(struct aws_call *c)
{
    json_t *eni = aws_find_arg(c, "network-interface", "NetworkInterfaceId");
    const json_t *groups = call_groups(c);
    if (!eni || !groups_valid(c, groups, aws_text(eni, "vpcId")))
        return NULL;
    if (aws_str(c, "SourceDestCheck.Value"))
        json_object_set_new(eni, "sourceDestCheck", json_boolean(aws_bool(c, "SourceDestCheck.Value", true)));
    if (aws_str(c, "Description.Value"))
        json_object_set_new(eni, "description", json_string(aws_str(c, "Description.Value")));
    if (groups)
        json_object_set_new(eni, "_groups", json_deep_copy(groups));
    json_t *attachment = json_object_get(eni, "attachment");
    if (attachment && aws_str(c, "Attachment.DeleteOnTermination"))
        json_object_set_new(attachment, "deleteOnTermination",
                            json_boolean(aws_bool(c, "Attachment.DeleteOnTermination", false)));
    return aws_true();
}

static json_t *describe_eni_attribute(struct aws_call *c)
{
    json_t *eni = aws_find_arg(c, "network-interface", "NetworkInterfaceId");
    const char *attribute = eni ? aws_need(c, "Attribute") : NULL;
    if (!attribute)
        return NULL;
    json_t *view = ec2_eni_view(c, eni), *value = json_object_get(view, attribute);
    json_t *answer = json_pack("{ss}", "networkInterfaceId", aws_text(eni, "networkInterfaceId"));
    if (value)
        json_object_set_new(answer, attribute,
                            json_is_object(value) || json_is_array(value)
                                ? json_incref(value)
                                : json_pack("{sO}", "value", value));
    json_decref(view);
    return answer;
}

static json_t *attach_eni(struct aws_call *c)
{
    json_t *eni = aws_find_arg(c, "network-interface", "NetworkInterfaceId");
    json_t *instance = eni ? aws_find_arg(c, "instance", "InstanceId") : NULL;
    const char *device = instance ? aws_need(c, "DeviceIndex") : NULL;
    if (!device)
        return NULL;
    if (json_object_get(eni, "attachment"))
        return aws_fail(c, 400, "InvalidNetworkInterface.InUse", "Interface: [%s] in use.",
                        aws_text(eni, "networkInterfaceId"));
    ec2_attach_eni(eni, aws_text(instance, "instanceId"), (int)strtol(device, NULL, 10), false);
    return json_pack("{ss}", "attachmentId", aws_text(json_object_get(eni, "attachment"), "attachmentId"));
}

static json_t *detach_eni(struct aws_call *c)
{
    const char *id = aws_need(c, "AttachmentId"), *key;
    json_t *eni;
    if (!id)
        return NULL;
    json_object_foreach(aws_all(c, "network-interface"), key, eni)
    {
        json_t *attachment = json_object_get(eni, "attachment");
        if (!aws_is(attachment, "attachmentId", id))
            continue;
        if (json_integer_value(json_object_get(attachment, "deviceIndex")) == 0)
            return aws_fail(c, 400, "OperationNotPermitted",
                            "The network interface at device index 0 cannot be detached.");
        ec2_detach_eni(eni);
        return aws_true();
    }
    return aws_fail(c, 400, "InvalidAttachmentID.NotFound", "The attachment '%s' does not exist.", id);
}

const struct aws_action aws_eni_actions[] = {
    {"CreateNetworkInterface", create_eni, true},
    {"DescribeNetworkInterfaces", describe_enis, false},
    {"DeleteNetworkInterface", delete_eni, true},
    {"ModifyNetworkInterfaceAttribute", modify_eni, true},
    {"DescribeNetworkInterfaceAttribute", describe_eni_attribute, false},
    {"AttachNetworkInterface", attach_eni, true},
    {"DetachNetworkInterface", detach_eni, true},
    {NULL, NULL, false}};
