// The template of the stack: VPC, internet gateway, subnets over the zones, one NAT gateway, a route table
// for all public subnets and one for each private subnet, named as the container platform names them. What a stack has
// already keeps its logical name and its zone, so that a change adds and removes subnets, and replaces none.
#include "stack.h"

#include <stdlib.h>
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

// nat_subnet: logical name of the subnet that the NAT gateway is in.
static void add_gateways(json_t *resources, const json_t *inputs, const char *name, const char *nat_subnet)
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
                      ref(nat_subnet), "Tags", tags_of(inputs, nat, NULL)));
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

// One subnet and what ties it to its table. i: the number in its names, from 1 on.
static void add_subnet(json_t *resources, const json_t *inputs, const char *zone, const char *name,
                       int public, size_t i, json_t *cidr)
{
    char *logical = ist_printf("%s%zu", public ? "Public" : "Private", i);
    char *title = ist_printf("%s-%s-subnet%zu", name, public ? "public" : "private", i);
    char *association = ist_printf("%sAssociation", logical);
    char *table = public ? ist_strdup("PublicTable") : ist_printf("PrivateTable%zu", i);
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
    char *logical = ist_printf("PrivateTable%zu", i), *route = ist_printf("PrivateDefault%zu", i);
    char *title = ist_printf("%s-private-route-table%zu", name, i);
    add_table(resources, inputs, logical, title);
    if (json_object_get(resources, "Nat") != NULL)
        add(resources, route, "AWS::EC2::Route",
            json_pack("{s:o, s:s, s:o}", "RouteTableId", ref(logical), "DestinationCidrBlock", "0.0.0.0/0",
                      "NatGatewayId", ref("Nat")));
    ist_free(logical);
    ist_free(route);
    ist_free(title);
}

// The number in "Public3", or 0.
static size_t number_of(const char *logical, const char *kind)
{
    const size_t len = strlen(kind);
    char *end;
    if (strncmp(logical, kind, len) != 0)
        return 0;
    const unsigned long number = strtoul(logical + len, &end, 10);
    return *end == '\0' ? number : 0;
}

// Of a stack as it stands: the number of the subnet of this network and (borrowed) its zone; 0: none, and *zone is that of
// one that was deleted by hand, or as it was. *last: the highest number.
static size_t number_in(const json_t *before, const char *kind, const char *cidr, const char **zone,
                        size_t *last)
{
    const char *logical;
    json_t *resource;
    size_t found = 0;
    *last = 0;
    json_object_foreach(json_object_get(before, "Resources"), logical, resource)
    {
        const size_t number = number_of(logical, kind);
        const char *own = ist_json_str_or(resource, "Properties.CidrBlock", "");
        if (number > *last)
            *last = number;
        if (number == 0 || strcmp(*own != '\0' ? own : ist_json_str_or(resource, STACK_GONE, ""), cidr) != 0)
            continue;
        *zone = ist_json_str(resource, "Properties.AvailabilityZone");
        if (*own != '\0')
            found = number;
    }
    return found;
}

// How many of the subnets of this kind are in a zone.
static size_t count_in(const json_t *resources, const char *kind, const char *zone)
{
    const char *logical;
    json_t *resource;
    size_t count = 0;
    json_object_foreach((json_t *)resources, logical, resource)
    {
        count += number_of(logical, kind) > 0 &&
                 strcmp(ist_json_str_or(resource, "Properties.AvailabilityZone", ""), zone) == 0;
    }
    return count;
}

// Where a new subnet goes: back to where it was, else to the first zone of those that have the fewest. Borrowed.
static const char *zone_for(const json_t *resources, const char *kind, const json_t *zones, const char *was)
{
    const char *best = NULL;
    size_t least = 0, i;
    json_t *zone;
    json_array_foreach((json_t *)zones, i, zone)
    {
        const char *name = json_string_value(zone);
        const size_t count = count_in(resources, kind, name);
        if (was != NULL && strcmp(was, name) == 0)
            return name;
        if (best == NULL || count < least) {
            best = name;
            least = count;
        }
    }
    return best;
}

static void add_subnets(json_t *resources, const json_t *inputs, const json_t *zones, const json_t *before,
                        const char *name, int public)
{
    const char *kind = public ? "Public" : "Private";
    const json_t *cidrs = json_object_get(inputs, public ? "public_cidrs" : "private_cidrs");
    json_t *cidr;
    for (int fresh = 0; fresh < 2; fresh++) { // first those that stand: the new ones go beside them
        size_t i, more = 0;
        json_array_foreach((json_t *)cidrs, i, cidr)
        {
            const char *zone = NULL;
            size_t last, number = number_in(before, kind, json_string_value(cidr), &zone, &last);
            if ((number == 0) != fresh)
                continue;
            if (fresh) {
                number = last + ++more;
                zone = zone_for(resources, kind, zones, zone);
            }
            if (!public)
                add_private_table(resources, inputs, name, number);
            add_subnet(resources, inputs, zone, name, public, number, cidr);
        }
    }
}

int stack_needs_zones(const json_t *inputs, const json_t *before)
{
    static const char *const kinds[] = {"Public", "Private"}, *const lists[] = {"public_cidrs",
                                                                                "private_cidrs"};
    json_t *cidr;
    size_t i, last;
    for (size_t k = 0; k < 2; k++) {
        json_array_foreach(json_object_get(inputs, lists[k]), i, cidr)
        {
            const char *zone;
            if (number_in(before, kinds[k], json_string_value(cidr), &zone, &last) == 0)
                return 1;
        }
    }
    return 0;
}

json_t *stack_template(const json_t *inputs, const json_t *zones, const json_t *before)
{
    const char *name = ist_json_str_or(inputs, "name", "isthmus");
    json_t *resources = json_object();
    add_gateways(resources, inputs, name,
                 ist_json_str_or(before, "Resources.Nat.Properties.SubnetId.Ref", "Public1"));
    char *public_table = ist_printf("%s-public-route-table", name);
    add_table(resources, inputs, "PublicTable", public_table);
    ist_free(public_table);
    json_t *route = json_pack("{s:s, s:s, s:{s:o, s:s, s:o}}", "Type", "AWS::EC2::Route", "DependsOn",
                              "Attachment", "Properties", "RouteTableId", ref("PublicTable"),
                              "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", ref("InternetGateway"));
    json_object_set_new(resources, "PublicDefault", route);
    add_subnets(resources, inputs, zones, before, name, 1);
    add_subnets(resources, inputs, zones, before, name, 0);
    return json_pack("{s:s, s:s, s:o, s:{s:{s:o}}}", "AWSTemplateFormatVersion", "2010-09-09", "Description",
                     "The network of a cluster, made by Isthmus", "Resources", resources, "Outputs", "VpcId",
                     "Value", ref("Vpc"));
}
