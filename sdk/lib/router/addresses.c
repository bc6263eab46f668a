// What EC2 or CloudFormation would refuse half way through a creation, found by reads alone: addresses that somebody
// holds, subnets that do not fit together, an instance type or a key pair that is not there, a template that is too long.
#include "internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>
#include <isthmus/stack.h>

#include <stdbool.h>
#include <string.h>

// One of the router's two interfaces, and the subnet that it is to be in.
struct place {
    const char *input, *subnet, *address;
    json_t *found; // DescribeSubnets' member, borrowed
};

// A stack that is still being made tells no outputs yet: then its tags on the interface do.
static bool held_by_stack(const json_t *seen, const json_t *eni)
{
    const char *id = ist_json_str_or(eni, "networkInterfaceId", "");
    const char *outside = ist_json_str(seen, "outside_eni"), *inside = ist_json_str(seen, "inside_eni");
    const char *stack = ist_json_str(seen, "stack.id"),
               *tag = ist_aws_tag(eni, "aws:cloudformation:stack-id");
    return (outside && strcmp(outside, id) == 0) || (inside && strcmp(inside, id) == 0) ||
           (stack && tag && strcmp(stack, tag) == 0);
}

// Does the interface hold it, be it by a prefix that was delegated to it whole (as nodes of EKS do for their pods)?
static bool holds(const json_t *eni, uint32_t address)
{
    json_t *each;
    size_t i;
    uint32_t own = 0;
    ist_net4 net = {0};
    bool held = false;
    json_array_foreach(json_object_get(eni, "privateIpAddressesSet"), i, each)
    {
        held = held || (ist_ipv4_parse(ist_json_str_or(each, "privateIpAddress", ""), &own) == IST_OK &&
                        own == address);
    }
    json_array_foreach(json_object_get(eni, "ipv4PrefixSet"), i, each)
    {
        held = held || (ist_net4_parse(ist_json_str_or(each, "ipv4Prefix", ""), &net, NULL) == IST_OK &&
                        ist_net4_contains(net, address));
    }
    return held;
}

// Of the subnet's interfaces the one that holds the address. NULL: none.
static const json_t *holder_of(const json_t *enis, const char *subnet, uint32_t address)
{
    json_t *eni;
    size_t i;
    json_array_foreach((json_t *)enis, i, eni)
    {
        if (strcmp(ist_json_str_or(eni, "subnetId", subnet), subnet) == 0 && holds(eni, address))
            return eni;
    }
    return NULL;
}

static uint32_t last_of(ist_net4 net)
{
    return net.address | (net.prefix ? 0xffffffffu >> net.prefix : 0xffffffffu);
}

// AWS keeps the first four addresses of every subnet, and the last.
static bool is_reserved(ist_net4 net, uint32_t address)
{
    return address - net.address < 4 || address == last_of(net);
}

// The first address of the subnet that nobody holds, from .10 on; "" when there is none.
static void free_address(const char *subnet, ist_net4 net, const json_t *enis, char text[16])
{
    text[0] = 0;
    for (uint32_t a = net.address + 11; net.prefix <= 28 && a < last_of(net); a++) {
        if (!holder_of(enis, subnet, a)) {
            ist_ipv4_text(a, text);
            return;
        }
    }
}

static int32_t refuse_taken(const struct place *p, ist_net4 net, const json_t *enis, const json_t *holder,
                            ist_error *err)
{
    char next[16];
    const char *instance = ist_json_str_or(holder, "attachment.instanceId", "");
    free_address(p->subnet, net, enis, next);
    ist_fail(err, IST_ERR_CONFLICT, p->input, "%s is taken by %s (%s)%s%s", p->address,
             ist_json_str_or(holder, "networkInterfaceId", "?"),
             ist_json_str_or(holder, "description", "no description"), *instance ? " of instance " : "",
             instance);
    if (*next)
        ist_hint(err, "%s is free: set `%s: %s`", next, p->input, next);
    else
        ist_hint(err, "no address of the subnet is free");
    return IST_ERR_CONFLICT;
}

static int32_t check_place(const struct place *p, const char *vpc, const json_t *enis, const json_t *seen,
                           ist_error *err)
{
    const char *cidr = ist_json_str(p->found, "cidrBlock"), *of = ist_json_str_or(p->found, "vpcId", "");
    ist_net4 net = {0};
    uint32_t ip = 0;
    if (!cidr || ist_net4_parse(cidr, &net, NULL) != IST_OK)
        return ist_fail(err, IST_ERR_NOT_FOUND, p->input, "there is no subnet %s", p->subnet);
    if (vpc && *vpc && *of && strcmp(vpc, of) != 0)
        return ist_fail(err, IST_ERR_INPUT, p->input, "subnet %s is in %s, not in %s", p->subnet, of, vpc);
    if (ist_ipv4_parse(p->address, &ip) != IST_OK || !ist_net4_contains(net, ip))
        return ist_fail(err, IST_ERR_INPUT, p->input, "%s is not in %s, the subnet %s", p->address, cidr,
                        p->subnet);
    if (is_reserved(net, ip))
        return ist_fail(err, IST_ERR_INPUT, p->input,
                        "%s is AWS's own: it keeps the first four addresses of %s, and the last", p->address,
                        cidr);
    const json_t *holder = holder_of(enis, p->subnet, ip);
    return holder && !held_by_stack(seen, holder) ? refuse_taken(p, net, enis, holder, err) : IST_OK;
}

// An instance is in one zone, and so are all of its interfaces.
static int32_t check_zones(const struct place *both, ist_error *err)
{
    const char *outside = ist_json_str_or(both[0].found, "availabilityZone", ""),
               *inside = ist_json_str_or(both[1].found, "availabilityZone", "");
    if (!*outside || !*inside || strcmp(outside, inside) == 0)
        return IST_OK;
    ist_fail(err, IST_ERR_INPUT, "private_subnets",
             "the first, %s, is in %s, and the public subnet %s in %s: one instance cannot be in both",
             both[1].subnet, inside, both[0].subnet, outside);
    ist_hint(err, "name a public subnet of %s, or the private one of %s first", inside, outside);
    return IST_ERR_INPUT;
}

static int32_t check_places(ist_aws *aws, const ist_router_vm *vm, const json_t *seen, struct place *both,
                            json_t **subnets, ist_error *err)
{
    json_t *params = json_pack("{s[{ss s[ss]}]}", "Filter", "Name", "subnet-id", "Value", both[0].subnet,
                               both[1].subnet),
           *enis = NULL, *one;
    size_t i;
    int32_t rc =
        ist_aws_query_all(aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet", &enis, err);
    if (rc == IST_OK)
        rc = ist_aws_query_all(aws, "ec2", "DescribeSubnets", params, "subnetSet", subnets, err);
    json_decref(params);
    for (size_t n = 0; n < 2; n++) {
        json_array_foreach(*subnets, i, one)
        {
            if (strcmp(ist_json_str_or(one, "subnetId", ""), both[n].subnet) == 0)
                both[n].found = one;
        }
        if (rc == IST_OK)
            rc = check_place(&both[n], vm->vpc_id, enis, seen, err);
    }
    if (rc == IST_OK)
        rc = check_zones(both, err);
    if (rc == IST_OK && strcmp(both[0].subnet, both[1].subnet) == 0 &&
        strcmp(both[0].address, both[1].address) == 0)
        rc =
            ist_fail(err, IST_ERR_INPUT, both[1].input, "%s is the outside interface's too", both[1].address);
    json_decref(enis);
    return rc;
}

static int32_t check_key_pair(ist_aws *aws, const char *name, ist_error *err)
{
    json_t *params = json_pack("{s[{ss s[s]}]}", "Filter", "Name", "key-name", "Value", name), *pairs = NULL;
    int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeKeyPairs", params, "keySet", &pairs, err);
    json_decref(params);
    if (rc == IST_OK && json_array_size(pairs) == 0) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "ssh_key", "EC2 has no key pair %s in %s", name,
                      ist_aws_region(aws));
        ist_hint(err, "`aws ec2 describe-key-pairs` lists them, `aws ec2 import-key-pair` makes one of a "
                      "public key");
    }
    json_decref(pairs);
    return rc;
}

static int32_t check_template(const ist_router_vm *vm, ist_error *err)
{
    char *text = ist_router_vm_template(vm);
    int32_t rc = ist_stack_check_template(vm->stack, text, err);
    ist_free(text);
    return rc;
}

int32_t ist_router_vm_check(ist_aws *aws, const ist_router_vm *vm, const json_t *seen, ist_error *err)
{
    struct place both[] = {{"public_address", vm->public_subnet, vm->public_address, NULL},
                           {"private_address", vm->private_subnet, vm->private_address, NULL}};
    json_t *subnets = NULL;
    int32_t rc = check_template(vm, err);
    if (rc == IST_OK)
        rc = check_places(aws, vm, seen, both, &subnets, err);
    if (rc == IST_OK)
        rc = ist_aws_check_instance_type(
            aws, vm->instance_type, ist_json_str(both[0].found, "availabilityZone"), "InstanceType", err);
    if (rc == IST_OK && vm->key_name && *vm->key_name)
        rc = check_key_pair(aws, vm->key_name, err);
    json_decref(subnets);
    return rc;
}
