// The template of the stack: VPC, internet gateway, subnets over the zones, one NAT gateway, a route table
// for all public subnets and one for each private subnet, named as the container platform names them.
#include "stack.h"

#include <string.h>

static json_t *ref(const char *name)
{
    return json_pack("{s:s}", "Ref", name);
}

static json_t *attribute(const char *name, const char *of)
{
    return json_pack("{s:[s,s]}", "Fn::GetAtt", name, of);
}

// Takes properties. A Name tag comes with it, and the tags of the inputs.
static void add(json_t *resources, const char *logical, const char *type, json_t *properties)
{
    json_object_set_new(resources, logical, json_pack("{s:s, s:o}", "Type", type, "Properties", properties));
}

static json_t *tags_of(const json_t *inputs, const char *name, const char *role)
{
    json_t *tags = json_pack("[{s:s, s:s}]", "Key", "Name", "Value", name);
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(inputs, "tags"), key, value)
    {
        if (json_is_string(value) && strcmp(key, "Name") != 0)
            json_array_append_new(tags, json_pack("{s:s, s:O}", "Key", key, "Value", value));
    }
    if (role != NULL) // EKS puts load balancers where it finds these
        json_array_append_new(tags, json_pack("{s:s, s:s}", "Key", role, "Value", "1"));
    return tags;
}

static void add_gateways(json_t *resources, const json_t *inputs, const char *name)
{
    char *vpc = ist_printf("%s-vpc", name), *igw = ist_printf("%s-igw", name),
         *nat = ist_printf("%s-nat", name);
    add(resources, "Vpc", "AWS::EC2::VPC",
        json_pack("{s:O, s:b, s:b, s:o}", "CidrBlock", json_object_get(inputs, "cidr"), "EnableDnsSupport", 1,
                  "EnableDnsHostnames", 1, "Tags", tags_of(inputs, vpc, NULL)));
    add(resources, "InternetGateway", "AWS::EC2::InternetGateway",
        json_pack("{s:o}", "Tags", tags_of(inputs, igw, NULL)));
    add(resources, "Attachment", "AWS::EC2::VPCGatewayAttachment",
        json_pack("{s:o, s:o}", "VpcId", ref("Vpc"), "InternetGatewayId", ref("InternetGateway")));
    if (json_array_size(json_object_get(inputs, "public_cidrs")) > 0 &&
        json_array_size(json_object_get(inputs, "private_cidrs")) > 0) {
        json_t *address = json_pack("{s:s, s:s, s:{s:s}}", "Type", "AWS::EC2::EIP", "DependsOn", "Attachment",
                                    "Properties", "Domain", "vpc");
        json_object_set_new(resources, "NatAddress", address);
        add(resources, "Nat", "AWS::EC2::NatGateway",
            json_pack("{s:o, s:o, s:o}", "AllocationId", attribute("NatAddress", "AllocationId"), "SubnetId",
                      ref("Public1"), "Tags", tags_of(inputs, nat, NULL)));
    }
    ist_free(vpc);
    ist_free(igw);
    ist_free(nat);
}

static void add_table(json_t *resources, const json_t *inputs, const char *logical, const char *name)
{
    add(resources, logical, "AWS::EC2::RouteTable",
        json_pack("{s:o, s:o}", "VpcId", ref("Vpc"), "Tags", tags_of(inputs, name, NULL)));
}

// One subnet and what ties it to its table.
static void add_subnet(json_t *resources, const json_t *inputs, const json_t *zones, const char *name,
                       int public, size_t i, json_t *cidr)
{
    const size_t count = json_array_size(zones);
    const char *zone = count > 0 ? json_string_value(json_array_get(zones, i % count)) : NULL;
    char *logical = ist_printf("%s%zu", public ? "Public" : "Private", i + 1);
    char *title = ist_printf("%s-%s-subnet%zu", name, public ? "public" : "private", i + 1);
    char *association = ist_printf("%sAssociation", logical);
    char *table = public ? ist_strdup("PublicTable") : ist_printf("PrivateTable%zu", i + 1);
    const char *role = public ? "kubernetes.io/role/elb" : "kubernetes.io/role/internal-elb";
    add(resources, logical, "AWS::EC2::Subnet",
        json_pack("{s:o, s:O, s:s*, s:b, s:o}", "VpcId", ref("Vpc"), "CidrBlock", cidr, "AvailabilityZone",
                  zone, "MapPublicIpOnLaunch", public, "Tags", tags_of(inputs, title, role)));
    add(resources, association, "AWS::EC2::SubnetRouteTableAssociation",
        json_pack("{s:o, s:o}", "SubnetId", ref(logical), "RouteTableId", ref(table)));
    ist_free(logical);
    ist_free(title);
    ist_free(association);
    ist_free(table);
}

static void add_private_table(json_t *resources, const json_t *inputs, const char *name, size_t i)
{
    char *logical = ist_printf("PrivateTable%zu", i + 1), *route = ist_printf("PrivateDefault%zu", i + 1);
    char *title = ist_printf("%s-private-route-table%zu", name, i + 1);
    add_table(resources, inputs, logical, title);
    if (json_object_get(resources, "Nat") != NULL)
        add(resources, route, "AWS::EC2::Route",
            json_pack("{s:o, s:s, s:o}", "RouteTableId", ref(logical), "DestinationCidrBlock", "0.0.0.0/0",
                      "NatGatewayId", ref("Nat")));
    ist_free(logical);
    ist_free(route);
    ist_free(title);
}

json_t *stack_template(const json_t *inputs, const json_t *zones)
{
    const char *name = ist_json_str_or(inputs, "name", "isthmus");
    json_t *resources = json_object(), *cidr;
    size_t i;
    add_gateways(resources, inputs, name);
    char *public_table = ist_printf("%s-public-route-table", name);
    add_table(resources, inputs, "PublicTable", public_table);
    ist_free(public_table);
    json_t *route = json_pack("{s:s, s:s, s:{s:o, s:s, s:o}}", "Type", "AWS::EC2::Route", "DependsOn",
                              "Attachment", "Properties", "RouteTableId", ref("PublicTable"),
                              "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", ref("InternetGateway"));
    json_object_set_new(resources, "PublicDefault", route);
    json_array_foreach(json_object_get(inputs, "public_cidrs"), i, cidr)
    {
        add_subnet(resources, inputs, zones, name, 1, i, cidr);
    }
    json_array_foreach(json_object_get(inputs, "private_cidrs"), i, cidr)
    {
        add_private_table(resources, inputs, name, i);
        add_subnet(resources, inputs, zones, name, 0, i, cidr);
    }
    return json_pack("{s:s, s:s, s:o, s:{s:{s:o}}}", "AWSTemplateFormatVersion", "2010-09-09", "Description",
                     "The network of a cluster, made by Isthmus", "Resources", resources, "Outputs", "VpcId",
                     "Value", ref("Vpc"));
}
