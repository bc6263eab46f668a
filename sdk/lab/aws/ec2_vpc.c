// VPCs, subnets, internet and NAT gateways.
#include "ec2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *ec2_cidr(struct aws_call *c, const char *text)
{
    uint32_t network;
    int prefix;
    if (!lab_parse_cidr(text, &network, &prefix)) {
        aws_fail(c, 400, "InvalidParameterValue",
                 "Value (%s) for parameter cidrBlock is invalid. This is not a valid "
                 "CIDR block.",
                 text ? text : "");
        return NULL;
    }
    char *ip = lab_ip(network & lab_mask(prefix)), *cidr = lab_format("%s/%d", ip, prefix);
    free(ip);
    return cidr;
}

json_t *ec2_dependency(struct aws_call *c, const char *what, const char *id)
{
    return aws_fail(c, 400, "DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.",
                    what, id);
}

bool ec2_used(const struct aws_call *c, const char *type, const char *key, const char *id)
{
    return aws_first(c, type, key, id) != NULL;
}

bool ec2_state_gone(const json_t *object)
{
    return aws_is(object, "state", "deleted") || aws_is(object, "state", "deleting");
}

const char *ec2_zone(const struct aws_call *c, const char *subnet)
{
    return aws_text(aws_get(c, "subnet", subnet), "availabilityZone");
}

static bool within(const char *inner, const char *outer)
{
    uint32_t a, b;
    int p, q;
    return lab_parse_cidr(inner, &a, &p) && lab_parse_cidr(outer, &b, &q) && p >= q && (a & lab_mask(q)) == b;
}

// ---- VPCs ----

static json_t *create_vpc(struct aws_call *c)
{
    const char *wanted = aws_need(c, "CidrBlock");
    char *cidr = wanted ? ec2_cidr(c, wanted) : NULL;
    uint32_t network;
    int prefix;
    if (!cidr)
        return NULL;
    lab_parse_cidr(cidr, &network, &prefix);
    if (prefix < 16 || prefix > 28) {
        free(cidr);
        return aws_fail(c, 400, "InvalidVpc.Range", "The CIDR '%s' is invalid.", wanted);
    }
    char *association = lab_id("vpc-cidr-assoc-", 17);
    json_t *vpc = aws_add(c, "vpc",
                          json_pack("{ss ss ss ss sb s[{ss ss s{ss}}] sb sb}", "cidrBlock", cidr, "state",
                                    "available", "dhcpOptionsId", "dopt-0a1b2c3d4e5f60718", "instanceTenancy",
                                    "default", "isDefault", 0, "cidrBlockAssociationSet", "cidrBlock", cidr,
                                    "associationId", association, "cidrBlockState", "state", "associated",
                                    "_dnsSupport", 1, "_dnsHostnames", 0));
    free(association);
    free(cidr);
    if (!vpc)
        return NULL;
    json_t *p = json_object();
    struct aws_call inner = *c; // the VPC's tags are not its children's
    inner.p = p;
    ec2_main_table(&inner, aws_text(vpc, "vpcId"));
    ec2_add_group(&inner, aws_text(vpc, "vpcId"), "default", "default VPC security group");
    json_decref(p);
    return json_pack("{sO}", "vpc", vpc);
}

static json_t *describe_vpcs(struct aws_call *c)
{
    return aws_describe(c, "vpc");
}

// What of a VPC is in the way of its deletion: main table and default group go with it.
static bool vpc_in_use(const struct aws_call *c, const char *id)
{
    const char *key;
    json_t *object;
    if (ec2_used(c, "subnet", "vpcId", id) || ec2_used(c, "network-interface", "vpcId", id))
        return true;
    json_object_foreach(aws_all(c, "security-group"), key, object)
    {
        if (aws_is(object, "vpcId", id) && !aws_is(object, "groupName", "default"))
            return true;
    }
    json_object_foreach(aws_all(c, "route-table"), key, object)
    {
        if (aws_is(object, "vpcId", id) && !json_is_true(json_object_get(object, "_main")))
            return true;
    }
    json_object_foreach(aws_all(c, "internet-gateway"), key, object)
    {
        if (aws_is(json_array_get(json_object_get(object, "attachmentSet"), 0), "vpcId", id))
            return true;
    }
    return false;
}

static json_t *delete_vpc(struct aws_call *c)
{
    json_t *vpc = aws_find_arg(c, "vpc", "VpcId"), *object;
    const char *key;
    void *next;
    if (!vpc)
        return NULL;
    char *id = lab_strdup(aws_text(vpc, "vpcId"));
    if (vpc_in_use(c, id)) {
        ec2_dependency(c, "vpc", id);
        free(id);
        return NULL;
    }
    json_object_foreach_safe(aws_all(c, "route-table"), next, key, object)
    {
        if (aws_is(object, "vpcId", id))
            aws_remove(c, "route-table", key);
    }
    json_t *group = ec2_first_group(c, id, "default");
    json_object_foreach_safe(aws_all(c, "security-group-rule"), next, key, object)
    {
        if (aws_is(object, "groupId", aws_text(group, "groupId")))
            aws_remove(c, "security-group-rule", key);
    }
    if (group)
        aws_remove(c, "security-group", aws_text(group, "groupId"));
    aws_remove(c, "vpc", id);
    free(id);
    return aws_true();
}

static json_t *modify_vpc_attribute(struct aws_call *c)
{
    json_t *vpc = aws_find_arg(c, "vpc", "VpcId");
    if (!vpc)
        return NULL;
    if (aws_str(c, "EnableDnsSupport.Value"))
        json_object_set_new(vpc, "_dnsSupport", json_boolean(aws_bool(c, "EnableDnsSupport.Value", true)));
    if (aws_str(c, "EnableDnsHostnames.Value"))
        json_object_set_new(vpc, "_dnsHostnames",
                            json_boolean(aws_bool(c, "EnableDnsHostnames.Value", false)));
    return aws_true();
}

static json_t *describe_vpc_attribute(struct aws_call *c)
{
    json_t *vpc = aws_find_arg(c, "vpc", "VpcId");
    const char *attribute = vpc ? aws_need(c, "Attribute") : NULL;
    if (!attribute)
        return NULL;
    char *own = lab_format("_%s", !strcmp(attribute, "enableDnsSupport") ? "dnsSupport" : "dnsHostnames");
    json_t *answer = json_pack("{sss{sb}}", "vpcId", aws_text(vpc, "vpcId"), attribute, "value",
                               json_is_true(json_object_get(vpc, own)));
    free(own);
    return answer;
}

// ---- subnets ----

json_t *ec2_subnet_view(struct aws_call *c, const json_t *object)
{
    json_t *view = json_copy((json_t *)(uintptr_t)object), *eni;
    const char *key;
    uint32_t network;
    int prefix;
    lab_parse_cidr(aws_text(object, "cidrBlock"), &network, &prefix);
    int64_t left = ((int64_t)1 << (32 - prefix)) - 5;
    json_object_foreach(aws_all(c, "network-interface"), key, eni)
    {
        if (aws_is(eni, "subnetId", aws_text(object, "subnetId")))
            left -= (int64_t)json_array_size(json_object_get(eni, "privateIpAddressesSet"));
    }
    json_object_set_new(view, "availableIpAddressCount", json_integer(left));
    return view;
}

static bool subnet_overlaps(const struct aws_call *c, const char *vpc, const char *cidr)
{
    const char *key;
    json_t *other;
    json_object_foreach(aws_all(c, "subnet"), key, other)
    {
        if (aws_is(other, "vpcId", vpc) &&
            (within(cidr, aws_text(other, "cidrBlock")) || within(aws_text(other, "cidrBlock"), cidr)))
            return true;
    }
    return false;
}

static json_t *create_subnet(struct aws_call *c)
{
    json_t *vpc = aws_find_arg(c, "vpc", "VpcId"), *subnet = NULL;
    const char *wanted = vpc ? aws_need(c, "CidrBlock") : NULL, *zone = aws_str(c, "AvailabilityZone");
    char *cidr = wanted ? ec2_cidr(c, wanted) : NULL, *id = NULL;
    if (!cidr)
        return NULL;
    zone = zone ? zone : AWS_REGION "a";
    size_t stem = strlen(AWS_REGION);
    if (!within(cidr, aws_text(vpc, "cidrBlock"))) {
        aws_fail(c, 400, "InvalidSubnet.Range", "The CIDR '%s' is invalid.", wanted);
    } else if (subnet_overlaps(c, aws_text(vpc, "vpcId"), cidr)) {
        aws_fail(c, 400, "InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", wanted);
    } else if (strncmp(zone, AWS_REGION, stem) != 0 || !zone[stem] || !strchr("abcd", zone[stem]) ||
               zone[stem + 1]) {
        aws_fail(c, 400, "InvalidParameterValue",
                 "Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be "
                 "created in the "
                 "following availability zones: us-west-2a, us-west-2b, us-west-2c, us-west-2d.",
                 zone);
    } else {
        id = lab_id("subnet-", 17);
        char *arn = lab_format("arn:aws:ec2:" AWS_REGION ":" AWS_ACCOUNT ":subnet/%s", id);
        char *zone_id = lab_format("usw2-az%d", zone[stem] - 'a' + 1);
        subnet = aws_add(c, "subnet",
                         json_pack("{ss ss ss ss ss ss sb sb ss}", "subnetId", id, "cidrBlock", cidr, "vpcId",
                                   aws_text(vpc, "vpcId"), "state", "available", "availabilityZone", zone,
                                   "availabilityZoneId", zone_id, "mapPublicIpOnLaunch", 0, "defaultForAz", 0,
                                   "subnetArn", arn));
        free(arn);
        free(zone_id);
    }
    free(cidr);
    free(id);
    return subnet ? json_pack("{so}", "subnet", ec2_subnet_view(c, subnet)) : NULL;
}

static json_t *describe_subnets(struct aws_call *c)
{
    return aws_describe(c, "subnet");
}

static void forget_associations(struct aws_call *c, const char *subnet)
{
    const char *key;
    json_t *table, *association;
    size_t i;
    json_object_foreach(aws_all(c, "route-table"), key, table)
    {
        json_t *set = json_object_get(table, "associationSet");
        json_array_foreach(set, i, association)
        {
            if (aws_is(association, "subnetId", subnet)) {
                json_array_remove(set, i);
                break;
            }
        }
    }
}

static json_t *delete_subnet(struct aws_call *c)
{
    json_t *subnet = aws_find_arg(c, "subnet", "SubnetId");
    if (!subnet)
        return NULL;
    const char *id = aws_text(subnet, "subnetId");
    if (ec2_used(c, "network-interface", "subnetId", id))
        return ec2_dependency(c, "subnet", id);
    forget_associations(c, id);
    aws_remove(c, "subnet", aws_str(c, "SubnetId"));
    return aws_true();
}

static json_t *modify_subnet_attribute(struct aws_call *c)
{
    json_t *subnet = aws_find_arg(c, "subnet", "SubnetId");
    if (!subnet)
        return NULL;
    if (aws_str(c, "MapPublicIpOnLaunch.Value"))
        json_object_set_new(subnet, "mapPublicIpOnLaunch",
                            json_boolean(aws_bool(c, "MapPublicIpOnLaunch.Value", false)));
    return aws_true();
}

// ---- internet gateways ----

static json_t *create_igw(struct aws_call *c)
{
    json_t *gateway = aws_add(c, "internet-gateway", json_pack("{s[]}", "attachmentSet"));
    return gateway ? json_pack("{sO}", "internetGateway", gateway) : NULL;
}

static json_t *describe_igws(struct aws_call *c)
{
    return aws_describe(c, "internet-gateway");
}

static json_t *attach_igw(struct aws_call *c)
{
    json_t *gateway = aws_find_arg(c, "internet-gateway", "InternetGatewayId"), *other;
    json_t *vpc = gateway ? aws_find_arg(c, "vpc", "VpcId") : NULL;
    const char *key;
    if (!vpc)
        return NULL;
    const char *id = aws_text(vpc, "vpcId");
    json_object_foreach(aws_all(c, "internet-gateway"), key, other)
    {
        json_t *attachment = json_array_get(json_object_get(other, "attachmentSet"), 0);
        if (attachment && (other == gateway || aws_is(attachment, "vpcId", id)))
            return aws_fail(c, 400, "Resource.AlreadyAssociated",
                            "resource %s is already attached to network %s", aws_str(c, "InternetGatewayId"),
                            aws_text(attachment, "vpcId"));
    }
    json_object_set_new(gateway, "attachmentSet", json_pack("[{ssss}]", "vpcId", id, "state", "available"));
    return aws_true();
}

static json_t *detach_igw(struct aws_call *c)
{
    json_t *gateway = aws_find_arg(c, "internet-gateway", "InternetGatewayId"), *address;
    json_t *vpc = gateway ? aws_find_arg(c, "vpc", "VpcId") : NULL;
    const char *key;
    if (!vpc)
        return NULL;
    json_t *attachment = json_array_get(json_object_get(gateway, "attachmentSet"), 0);
    if (!attachment || !aws_is(attachment, "vpcId", aws_text(vpc, "vpcId")))
        return aws_fail(c, 400, "Gateway.NotAttached", "resource %s is not attached to network %s",
                        aws_str(c, "InternetGatewayId"), aws_text(vpc, "vpcId"));
    json_object_foreach(aws_all(c, "elastic-ip"), key, address)
    {
        json_t *eni = aws_get(c, "network-interface", aws_text(address, "networkInterfaceId"));
        if (eni && aws_is(eni, "vpcId", aws_text(vpc, "vpcId")))
            return aws_fail(
                c, 400, "DependencyViolation",
                "Network %s has some mapped public address(es). Please unmap those public address(es) before "
                "detaching the gateway.",
                aws_text(vpc, "vpcId"));
    }
    json_object_set_new(gateway, "attachmentSet", json_array());
    return aws_true();
}

static json_t *delete_igw(struct aws_call *c)
{
    json_t *gateway = aws_find_arg(c, "internet-gateway", "InternetGatewayId");
    if (!gateway)
        return NULL;
    if (json_array_size(json_object_get(gateway, "attachmentSet")))
        return ec2_dependency(c, "internetGateway", aws_str(c, "InternetGatewayId"));
    aws_remove(c, "internet-gateway", aws_str(c, "InternetGatewayId"));
    return aws_true();
}

// ---- NAT gateways ----

static void nat_available(struct lab *lab, void *arg)
{
    struct aws_call c = aws_self(lab);
    json_t *gateway = aws_get(&c, "natgateway", arg);
    if (gateway && aws_is(gateway, "state", "pending"))
        json_object_set_new(gateway, "state", json_string("available"));
    free(arg);
}

static json_t *create_nat(struct aws_call *c)
{
    bool done;
    json_t *earlier = aws_token_used(c, &done);
    if (done)
        return earlier;
    json_t *subnet = aws_find_arg(c, "subnet", "SubnetId");
    json_t *address = subnet ? aws_find_arg(c, "elastic-ip", "AllocationId") : NULL;
    if (!address)
        return NULL;
    if (*aws_text(address, "associationId"))
        return aws_fail(c, 400, "InvalidIPAddress.InUse",
                        "The specified Elastic IP address '%s' is already associated.",
                        aws_text(address, "publicIp"));
    json_t *eni = ec2_add_eni(c, aws_text(subnet, "subnetId"), NULL, NULL, "Interface for NAT Gateway");
    if (!eni)
        return NULL;
    char *now = lab_now(), *association = lab_id("eipassoc-", 17);
    json_object_set_new(eni, "interfaceType", json_string("nat_gateway"));
    json_object_set_new(eni, "requesterManaged", json_true());
    json_object_set_new(eni, "status", json_string("in-use"));
    json_object_set_new(address, "associationId", json_string(association));
    json_object_set_new(address, "networkInterfaceId", json_string(aws_text(eni, "networkInterfaceId")));
    json_object_set_new(address, "privateIpAddress", json_string(aws_text(eni, "privateIpAddress")));
    json_t *gateway = aws_add(
        c, "natgateway",
        json_pack("{ss ss ss ss ss s[{ss ss ss ss}]}", "subnetId", aws_text(subnet, "subnetId"), "vpcId",
                  aws_text(subnet, "vpcId"), "state", "pending", "connectivityType", "public", "createTime",
                  now, "natGatewayAddressSet", "allocationId", aws_text(address, "allocationId"), "publicIp",
                  aws_text(address, "publicIp"), "privateIp", aws_text(eni, "privateIpAddress"),
                  "networkInterfaceId", aws_text(eni, "networkInterfaceId")));
    free(now);
    free(association);
    if (!gateway)
        return NULL;
    lab_after(c->lab, 200, nat_available, lab_strdup(aws_text(gateway, "natGatewayId")));
    return aws_token_done(c, json_pack("{sO}", "natGateway", gateway));
}

static json_t *describe_nats(struct aws_call *c)
{
    return aws_describe(c, "natgateway");
}

static json_t *delete_nat(struct aws_call *c)
{
    json_t *gateway = aws_find_arg(c, "natgateway", "NatGatewayId");
    if (!gateway)
        return NULL;
    if (!ec2_state_gone(gateway)) {
        json_t *address = json_array_get(json_object_get(gateway, "natGatewayAddressSet"), 0);
        ec2_drop_eni(c, aws_text(address, "networkInterfaceId"));
        json_object_set_new(gateway, "state", json_string("deleted"));
    }
    return json_pack("{ss}", "natGatewayId", aws_text(gateway, "natGatewayId"));
}

const struct aws_action aws_vpc_actions[] = {{"CreateVpc", create_vpc, true},
                                             {"DescribeVpcs", describe_vpcs, false},
                                             {"DeleteVpc", delete_vpc, true},
                                             {"ModifyVpcAttribute", modify_vpc_attribute, true},
                                             {"DescribeVpcAttribute", describe_vpc_attribute, false},
                                             {"CreateSubnet", create_subnet, true},
                                             {"DescribeSubnets", describe_subnets, false},
                                             {"DeleteSubnet", delete_subnet, true},
                                             {"ModifySubnetAttribute", modify_subnet_attribute, true},
                                             {"CreateInternetGateway", create_igw, true},
                                             {"DescribeInternetGateways", describe_igws, false},
                                             {"AttachInternetGateway", attach_igw, true},
                                             {"DetachInternetGateway", detach_igw, true},
                                             {"DeleteInternetGateway", delete_igw, true},
                                             {"CreateNatGateway", create_nat, true},
                                             {"DescribeNatGateways", describe_nats, false},
                                             {"DeleteNatGateway", delete_nat, true},
                                             {NULL, NULL, false}};
