// The resource types of CloudFormation that the lab has: each is made and deleted by calls of EC2.
#include "cfn.h"
#include "ec2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct type {
    const char *name;
    const char *create, *id; // EC2 action, and where its answer holds the physical id
    const char *remove, *by; // EC2 action, and the parameter that takes the id
    const char *look;        // EC2 action by which CloudFormation sees how it is; NULL: that of another type
    const char *tags;        // resource type of TagSpecifications; NULL: no tags
    const char *properties;  // "Property=Parameter ..."; a bare name means itself, "Name=" is handled apart
    const char *store, *attributes; // where the object is, and "Attribute=path ..." of it
    const char *pair[2];            // it is known by two properties, "a|b", by which it is removed too
};

static const struct type types[] = {
    {.name = "AWS::EC2::NetworkInterface",
     .create = "CreateNetworkInterface",
     .id = "networkInterface.networkInterfaceId",
     .remove = "DeleteNetworkInterface",
     .look = "DescribeNetworkInterfaces",
     .by = "NetworkInterfaceId",
     .tags = "network-interface",
     .properties = "SubnetId GroupSet=SecurityGroupId PrivateIpAddress Description SourceDestCheck= Tags=",
     .store = "network-interface",
     .attributes = "PrimaryPrivateIpAddress=privateIpAddress Id=networkInterfaceId VpcId=vpcId"},
    {.name = "AWS::EC2::SecurityGroup",
     .create = "CreateSecurityGroup",
     .id = "groupId",
     .remove = "DeleteSecurityGroup",
     .look = "DescribeSecurityGroups",
     .by = "GroupId",
     .tags = "security-group",
     .properties = "GroupName GroupDescription VpcId SecurityGroupIngress= SecurityGroupEgress= Tags=",
     .store = "security-group",
     .attributes = "GroupId=groupId VpcId=vpcId Id=groupId"},
    {.name = "AWS::EC2::SecurityGroupIngress",
     .create = "AuthorizeSecurityGroupIngress",
     .id = "securityGroupRuleSet.0.securityGroupRuleId",
     .remove = "RevokeSecurityGroupIngress",
     .look = "DescribeSecurityGroups",
     .by = "SecurityGroupRuleId",
     .properties = "GroupId IpProtocol FromPort ToPort CidrIp SourceSecurityGroupId Description",
     .store = "security-group-rule",
     .attributes = "Id=securityGroupRuleId"},
    {.name = "AWS::EC2::Route",
     .create = "CreateRoute",
     .remove = "DeleteRoute",
     .look = "DescribeRouteTables",
     .pair = {"RouteTableId", "DestinationCidrBlock"},
     .properties = "RouteTableId DestinationCidrBlock NetworkInterfaceId GatewayId NatGatewayId",
     .attributes = ""},
    {.name = "AWS::EC2::Instance",
     .create = "RunInstances",
     .id = "instancesSet.0.instanceId",
     .remove = "TerminateInstances",
     .look = "DescribeInstances",
     .by = "InstanceId",
     .tags = "instance",
     .properties = "ImageId InstanceType KeyName UserData SubnetId SecurityGroupIds=SecurityGroupId "
                   "NetworkInterfaces= PrivateIpAddress Tags=",
     .store = "instance",
     .attributes =
         "PrivateIp=privateIpAddress PublicIp=ipAddress AvailabilityZone=placement.availabilityZone "
         "PrivateDnsName=privateDnsName InstanceId=instanceId"},
    {.name = "AWS::EC2::EIP",
     .create = "AllocateAddress",
     .id = "publicIp",
     .remove = "ReleaseAddress",
     .look = "DescribeAddresses",
     .by = "AllocationId",
     .tags = "elastic-ip",
     .properties = "Domain Tags=",
     .store = "elastic-ip",
     .attributes = "AllocationId=allocationId PublicIp=publicIp"},
    {.name = "AWS::EC2::EIPAssociation",
     .create = "AssociateAddress",
     .id = "associationId",
     .remove = "DisassociateAddress",
     .look = "DescribeAddresses",
     .by = "AssociationId",
     .properties = "AllocationId EIP=PublicIp NetworkInterfaceId InstanceId",
     .store = "elastic-ip",
     .attributes = "Id=associationId"},
    {.name = "AWS::EC2::VPC",
     .create = "CreateVpc",
     .id = "vpc.vpcId",
     .remove = "DeleteVpc",
     .look = "DescribeVpcs",
     .by = "VpcId",
     .tags = "vpc",
     .properties = "CidrBlock EnableDnsSupport= EnableDnsHostnames= Tags=",
     .store = "vpc",
     .attributes = "VpcId=vpcId CidrBlock=cidrBlock"},
    {.name = "AWS::EC2::InternetGateway",
     .create = "CreateInternetGateway",
     .id = "internetGateway.internetGatewayId",
     .remove = "DeleteInternetGateway",
     .look = "DescribeInternetGateways",
     .by = "InternetGatewayId",
     .tags = "internet-gateway",
     .properties = "Tags=",
     .store = "internet-gateway",
     .attributes = "InternetGatewayId=internetGatewayId"},
    {.name = "AWS::EC2::VPCGatewayAttachment",
     .create = "AttachInternetGateway",
     .remove = "DetachInternetGateway",
     .pair = {"InternetGatewayId", "VpcId"},
     .properties = "InternetGatewayId VpcId",
     .attributes = ""},
    {.name = "AWS::EC2::NatGateway",
     .create = "CreateNatGateway",
     .id = "natGateway.natGatewayId",
     .remove = "DeleteNatGateway",
     .look = "DescribeNatGateways",
     .by = "NatGatewayId",
     .tags = "natgateway",
     .properties = "AllocationId SubnetId Tags=",
     .store = "natgateway",
     .attributes = "NatGatewayId=natGatewayId"},
    {.name = "AWS::EC2::RouteTable",
     .create = "CreateRouteTable",
     .id = "routeTable.routeTableId",
     .remove = "DeleteRouteTable",
     .look = "DescribeRouteTables",
     .by = "RouteTableId",
     .tags = "route-table",
     .properties = "VpcId Tags=",
     .store = "route-table",
     .attributes = "RouteTableId=routeTableId"},
    {.name = "AWS::EC2::Subnet",
     .create = "CreateSubnet",
     .id = "subnet.subnetId",
     .remove = "DeleteSubnet",
     .look = "DescribeSubnets",
     .by = "SubnetId",
     .tags = "subnet",
     .properties = "VpcId CidrBlock AvailabilityZone MapPublicIpOnLaunch= Tags=",
     .store = "subnet",
     .attributes = "SubnetId=subnetId AvailabilityZone=availabilityZone CidrBlock=cidrBlock VpcId=vpcId"},
    {.name = "AWS::EC2::SubnetRouteTableAssociation",
     .create = "AssociateRouteTable",
     .id = "associationId",
     .remove = "DisassociateRouteTable",
     .by = "AssociationId",
     .properties = "RouteTableId SubnetId",
     .attributes = ""}};

static const struct type *type_of(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!strcmp(types[i].name, name))
            return &types[i];
    }
    return NULL;
}

bool cfn_known(const char *type)
{
    return type_of(type) != NULL;
}

// The word of a table "a=b c d=" that begins with `name`: what follows its "=" (or the name itself), malloc'd.
static char *mapped(const char *table, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *p = table; *p;) {
        size_t len = strcspn(p, " "), key = strcspn(p, "= ");
        if (key == name_len && !strncmp(p, name, key))
            return key == len ? lab_strdup(name) : lab_format("%.*s", (int)(len - key - 1), p + key + 1);
        p += len + (p[len] == ' ');
    }
    return NULL;
}

// A call of EC2 for a stack, in the name of whoever made the stack.
static bool may(struct lab *lab, const char *action, char **why)
{
    char *name = lab_format("EC2:%s", action);
    const struct lab_fault *fault = aws_asks(lab, "CloudFormation", name);
    if (fault && !strcmp(fault->effect, "deny"))
        *why = lab_format("API: ec2:%s You are not authorized to perform this operation.", action);
    else if (fault)
        *why = lab_format("%s: refused by a fault rule", fault->code ? fault->code : "InternalError");
    free(name);
    return !fault;
}

static json_t *do_ec2(struct lab *lab, const char *action, json_t *p, char **why)
{
    // Tags in the same call are a permission of their own.
    if (!may(lab, action, why) || (json_object_get(p, "TagSpecification") && !may(lab, "CreateTags", why))) {
        json_decref(p);
        return NULL;
    }
    return aws_do(lab, action, p, why);
}

static const char *path_text(const json_t *object, const char *path)
{
    struct aws_call c = {.p = object};
    const char *text = aws_str(&c, path);
    return text ? text : "";
}

// A resource's object in EC2; borrowed, NULL when it is gone.
static json_t *object_of(struct lab *lab, const struct type *type, const char *physical)
{
    struct aws_call c = aws_self(lab);
    if (!type->store)
        return NULL;
    if (!strcmp(type->name, "AWS::EC2::EIP"))
        return aws_first(&c, type->store, "publicIp", physical);
    if (!strcmp(type->name, "AWS::EC2::EIPAssociation"))
        return aws_first(&c, type->store, "associationId", physical);
    return aws_get(&c, type->store, physical);
}

json_t *cfn_attribute(struct lab *lab, const json_t *record, const char *name)
{
    const struct type *type = type_of(aws_text(record, "ResourceType"));
    char *path = mapped(type->attributes, name);
    json_t *object = path ? object_of(lab, type, aws_text(record, "PhysicalResourceId")) : NULL,
           *value = NULL;
    struct aws_call c = aws_self(lab);
    if (object) {
        json_t *view =
            strcmp(type->store, "instance") ? json_incref(object) : aws_view_of(&c, "instance", object);
        value = json_string(path_text(view, path));
        json_decref(view);
    }
    free(path);
    return value;
}

// ---- making ----

static json_t *permissions(const json_t *rules)
{
    json_t *list = json_array(), *rule;
    size_t i;
    json_array_foreach(rules, i, rule)
    {
        json_t *permission = json_object(), *description = json_object_get(rule, "Description");
        json_object_set(permission, "IpProtocol", json_object_get(rule, "IpProtocol"));
        json_object_set(permission, "FromPort", json_object_get(rule, "FromPort"));
        json_object_set(permission, "ToPort", json_object_get(rule, "ToPort"));
        json_t *cidr = json_object_get(rule, "CidrIp"),
               *group = json_object_get(rule, "SourceSecurityGroupId"), *peer;
        if (cidr)
            json_object_set_new(permission, "IpRanges",
                                json_pack("[o]", peer = json_pack("{sO}", "CidrIp", cidr)));
        else if (group)
            json_object_set_new(permission, "Groups",
                                json_pack("[o]", peer = json_pack("{sO}", "GroupId", group)));
        else
            peer = NULL;
        if (peer && description)
            json_object_set(peer, "Description", description);
        json_array_append_new(list, permission);
    }
    return list;
}

static void put_tags(json_t *p, const struct type *type, const json_t *stack, const char *logical,
                     const json_t *props)
{
    json_t *tags =
        json_pack("[{ssss}{ssss}{ssss}]", "Key", "aws:cloudformation:stack-name", "Value",
                  aws_text(stack, "StackName"), "Key", "aws:cloudformation:stack-id", "Value",
                  aws_text(stack, "StackId"), "Key", "aws:cloudformation:logical-id", "Value", logical);
    json_array_extend(tags, json_object_get(stack, "Tags"));
    json_array_extend(tags, json_object_get(props, "Tags"));
    json_object_set_new(p, "TagSpecification",
                        json_pack("[{ssso}]", "ResourceType", type->tags, "Tag", tags));
}

// The parameters of the call that makes a resource; NULL with *why.
static json_t *parameters(const struct type *type, const json_t *stack, const char *logical,
                          const json_t *props, char **why)
{
    json_t *p = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)props, key, value)
    {
        char *name = mapped(type->properties, key);
        if (!name) {
            *why = lab_format("Encountered unsupported property %s", key);
            json_decref(p);
            return NULL;
        }
        if (*name)
            json_object_set(p, name, value);
        free(name);
    }
    if (type->tags)
        put_tags(p, type, stack, logical, props);
    if (!strcmp(type->create, "CreateSecurityGroup") && !json_object_get(p, "GroupName")) {
        char *name = lab_format("%s-%s", aws_text(stack, "StackName"), logical), *unique = lab_id("", 16);
        char *whole = lab_format("%s-%s", name, unique);
        json_object_set_new(p, "GroupName", json_string(whole));
        free(name), free(unique), free(whole);
    }
    if (json_object_get(props, "NetworkInterfaces")) {
        json_t *list = json_deep_copy(json_object_get(props, "NetworkInterfaces")), *one;
        size_t i;
        json_array_foreach(list, i, one)
        {
            if (json_object_get(one, "GroupSet"))
                json_object_set(one, "SecurityGroupId", json_object_get(one, "GroupSet"));
        }
        json_object_set_new(p, "NetworkInterface", list);
    }
    return p;
}

// One attribute that only a call of its own sets: {"Attribute": {"Value": "true"}}.
static void set_attribute(struct lab *lab, const char *action, const char *by, const char *physical,
                          const json_t *props, const char *name, char **why)
{
    if (*why || !*aws_text(props, name))
        return;
    json_t *p = json_pack("{s{ss}}", name, "Value", aws_text(props, name));
    json_object_set_new(p, by, json_string(physical));
    json_decref(do_ec2(lab, action, p, why));
}

// What is done in a second call, once the object is there.
static void finish(struct lab *lab, const char *physical, const json_t *props, char **why)
{
    json_t *in = json_object_get(props, "SecurityGroupIngress"),
           *out = json_object_get(props, "SecurityGroupEgress");
    set_attribute(lab, "ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", physical, props,
                  "SourceDestCheck", why);
    set_attribute(lab, "ModifyVpcAttribute", "VpcId", physical, props, "EnableDnsSupport", why);
    set_attribute(lab, "ModifyVpcAttribute", "VpcId", physical, props, "EnableDnsHostnames", why);
    set_attribute(lab, "ModifySubnetAttribute", "SubnetId", physical, props, "MapPublicIpOnLaunch", why);
    if (!*why && json_array_size(in))
        json_decref(do_ec2(lab, "AuthorizeSecurityGroupIngress",
                           json_pack("{ssso}", "GroupId", physical, "IpPermissions", permissions(in)), why));
    if (!*why && json_array_size(out)) {
        json_decref(do_ec2(lab, "RevokeSecurityGroupEgress",
                           json_pack("{ss s[{ss s[{ss}]}]}", "GroupId", physical, "IpPermissions",
                                     "IpProtocol", "-1", "IpRanges", "CidrIp", "0.0.0.0/0"),
                           why));
        if (!*why)
            json_decref(do_ec2(lab, "AuthorizeSecurityGroupEgress",
                               json_pack("{ssso}", "GroupId", physical, "IpPermissions", permissions(out)),
                               why));
    }
}

char *cfn_create(struct lab *lab, const json_t *stack, const char *logical, const char *type_name,
                 const json_t *props, char **why)
{
    const struct type *type = type_of(type_name);
    json_t *p = parameters(type, stack, logical, props, why);
    json_t *answer = p ? do_ec2(lab, type->create, p, why) : NULL;
    if (!answer)
        return NULL;
    char *physical =
        type->id ? lab_strdup(path_text(answer, type->id))
                 : lab_format("%s|%s", aws_text(props, type->pair[0]), aws_text(props, type->pair[1]));
    json_decref(answer);
    if (!type->look || may(lab, type->look, why))
        finish(lab, physical, props, why);
    return physical;
}

static const char *instance_state(struct lab *lab, const json_t *record)
{
    struct aws_call c = aws_self(lab);
    const json_t *instance = aws_get(&c, "instance", aws_text(record, "PhysicalResourceId"));
    return instance ? aws_text(json_object_get(instance, "instanceState"), "name") : "terminated";
}

bool cfn_created(struct lab *lab, const json_t *record)
{
    return !aws_is(record, "ResourceType", "AWS::EC2::Instance") ||
           strcmp(instance_state(lab, record), "pending") != 0;
}

// ---- changing ----

static bool same_but(const json_t *a, const json_t *b, const char *const *names)
{
    json_t *x = json_copy((json_t *)(uintptr_t)a), *y = json_copy((json_t *)(uintptr_t)b);
    for (; *names; names++) {
        json_object_del(x, *names);
        json_object_del(y, *names);
    }
    bool same = json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

// The tags of the template, new in the place of old; others' and CloudFormation's own stay.
static void retag(json_t *object, const json_t *old, const json_t *fresh)
{
    json_t *tags = json_object_get(object, "tagSet"), *tag, *wanted;
    size_t i, j;
    json_array_foreach(tags, i, tag)
    {
        bool was_ours = false;
        json_array_foreach(old, j, wanted) was_ours = was_ours || aws_is(tag, "key", aws_text(wanted, "Key"));
        if (was_ours)
            json_array_remove(tags, i--);
    }
    json_array_foreach(fresh, j, wanted) json_array_append_new(
        tags, json_pack("{ssss}", "key", aws_text(wanted, "Key"), "value", aws_text(wanted, "Value")));
}

// Rules of a group: the old ones go, the new ones come.
static void update_group(struct lab *lab, const char *physical, const json_t *old, const json_t *props,
                         char **why)
{
    json_t *rules = json_object_get(old, "SecurityGroupIngress"), *bare = json_object();
    if (json_array_size(rules))
        json_decref(do_ec2(lab, "RevokeSecurityGroupIngress",
                           json_pack("{ssso}", "GroupId", physical, "IpPermissions", permissions(rules)),
                           why));
    json_object_set(bare, "SecurityGroupIngress", json_object_get(props, "SecurityGroupIngress"));
    if (!*why)
        finish(lab, physical, bare, why);
    json_decref(bare);
}

static void update_eni(struct lab *lab, const char *physical, const json_t *props, char **why)
{
    json_t *groups = json_object_get(props, "GroupSet"), *description = json_object_get(props, "Description");
    json_t *p = json_pack("{ss}", "NetworkInterfaceId", physical);
    if (groups)
        json_object_set(p, "SecurityGroupId", groups);
    if (description)
        json_object_set_new(p, "Description", json_pack("{sO}", "Value", description));
    json_decref(do_ec2(lab, "ModifyNetworkInterfaceAttribute", p, why));
    if (!*why)
        finish(lab, physical, props, why);
}

// User data and size of an instance: it keeps what it has on its disk, and user data applies at first boot only.
static void update_instance(struct lab *lab, const char *physical, const json_t *props, char **why)
{
    struct aws_call c = aws_self(lab);
    json_t *instance = aws_get(&c, "instance", physical);
    if (!may(lab, "StopInstances", why) || !may(lab, "ModifyInstanceAttribute", why) ||
        !may(lab, "StartInstances", why))
        return;
    if (json_object_get(props, "UserData"))
        json_object_set(instance, "_userData", json_object_get(props, "UserData"));
    if (json_object_get(props, "InstanceType") &&
        !aws_is(instance, "instanceType", aws_text(props, "InstanceType"))) {
        json_object_set(instance, "instanceType", json_object_get(props, "InstanceType"));
        ec2_instance_restart(&c, instance);
    }
}

static const char *const of_group[] = {"SecurityGroupIngress", "Tags", NULL};
static const char *const of_eni[] = {"SourceDestCheck", "GroupSet", "Description", "Tags", NULL};
static const char *const of_instance[] = {"UserData", "InstanceType", "Tags", NULL};
static const char *const of_tagged[] = {"Tags", NULL}; // of all others that have tags

static const char *const *changeable(const struct type *type)
{
    static const char *const none[] = {NULL};
    return !strcmp(type->create, "CreateSecurityGroup")      ? of_group
           : !strcmp(type->create, "CreateNetworkInterface") ? of_eni
           : !strcmp(type->create, "RunInstances")           ? of_instance
           : type->tags                                      ? of_tagged
                                                             : none;
}

bool cfn_replaces(const char *type_name, const char *property)
{
    const struct type *type = type_of(type_name);
    const char *const *p = type ? changeable(type) : NULL;
    while (p && *p && strcmp(*p, property) != 0)
        p++;
    return p && !*p;
}

bool cfn_taggable(const char *type_name)
{
    const struct type *type = type_of(type_name);
    return type && type->tags;
}

void cfn_retag(struct lab *lab, const json_t *record, const json_t *before, const json_t *after)
{
    const struct type *type = type_of(aws_text(record, "ResourceType"));
    json_t *object = type && type->tags ? object_of(lab, type, aws_text(record, "PhysicalResourceId")) : NULL;
    if (object)
        retag(object, before, after);
}

bool cfn_update(struct lab *lab, const json_t *record, const json_t *props, char **why)
{
    const struct type *type = type_of(aws_text(record, "ResourceType"));
    const json_t *old = json_object_get(record, "_props");
    const char *physical = aws_text(record, "PhysicalResourceId");
    json_t *object = object_of(lab, type, physical);
    if (!same_but(old, props, changeable(type)))
        return false;
    if (!strcmp(type->create, "CreateSecurityGroup"))
        update_group(lab, physical, old, props, why);
    else if (!strcmp(type->create, "CreateNetworkInterface"))
        update_eni(lab, physical, props, why);
    else if (!strcmp(type->create, "RunInstances"))
        update_instance(lab, physical, props, why);
    if (object && !*why && json_object_get(props, "Tags"))
        retag(object, json_object_get(old, "Tags"), json_object_get(props, "Tags"));
    return true;
}

// ---- deleting ----

bool cfn_delete(struct lab *lab, const json_t *record, char **why)
{
    const struct type *type = type_of(aws_text(record, "ResourceType"));
    const char *physical = aws_text(record, "PhysicalResourceId"), *bar = strchr(physical, '|');
    const json_t *object = object_of(lab, type, physical);
    json_t *p = json_object();
    if (!*physical || (type->store && !object)) {
        json_decref(p);
        return true; // gone already
    }
    if (bar) {
        json_object_set_new(p, type->pair[0], json_stringn(physical, (size_t)(bar - physical)));
        json_object_set_new(p, type->pair[1], json_string(bar + 1));
    } else if (!strcmp(type->by, "AllocationId")) {
        json_object_set(p, type->by, json_object_get(object, "allocationId"));
    } else if (!strcmp(type->by, "InstanceId") || !strcmp(type->by, "SecurityGroupRuleId")) {
        json_object_set_new(p, type->by, json_pack("[s]", physical));
        if (object && json_object_get(object, "groupId"))
            json_object_set(p, "GroupId", json_object_get(object, "groupId"));
    } else {
        json_object_set_new(p, type->by, json_string(physical));
    }
    json_decref(do_ec2(lab, type->remove, p, why));
    if (*why && strstr(*why, "NotFound")) {
        free(*why);
        *why = NULL;
    }
    return !*why;
}

bool cfn_deleted(struct lab *lab, const json_t *record)
{
    return !aws_is(record, "ResourceType", "AWS::EC2::Instance") ||
           !strcmp(instance_state(lab, record), "terminated");
}
