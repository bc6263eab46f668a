// Are the two addresses of a router free, or its own already?
#include "internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <stdbool.h>
#include <string.h>

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

// The first address of the subnet that nobody holds, from .10 on; "" when there is none.
static void free_address(const char *cidr, const json_t *enis, char text[16])
{
    ist_net4 net;
    text[0] = 0;
    if (ist_net4_parse(cidr, &net, NULL) != IST_OK || net.prefix > 28)
        return;
    uint32_t last = net.address | (0xffffffffu >> net.prefix);
    for (uint32_t a = net.address + 11; a < last; a++) {
        json_t *eni, *each;
        size_t i, k;
        bool taken = false;
        ist_ipv4_text(a, text);
        json_array_foreach((json_t *)enis, i, eni)
        {
            json_array_foreach(json_object_get(eni, "privateIpAddressesSet"), k, each)
            {
                taken = taken || strcmp(ist_json_str_or(each, "privateIpAddress", ""), text) == 0;
            }
        }
        if (!taken)
            return;
    }
    text[0] = 0;
}

static int32_t check_address(ist_aws *aws, const char *subnet, const char *address, const char *which,
                             const json_t *seen, ist_error *err)
{
    json_t *params = json_pack("{s[{ss s[s]}]}", "Filter", "Name", "subnet-id", "Value", subnet);
    json_t *enis = NULL, *subnets = NULL, *eni, *each;
    char next[16];
    size_t i, k;
    int32_t rc =
        ist_aws_query_all(aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet", &enis, err);
    if (rc == IST_OK)
        rc = ist_aws_query_all(aws, "ec2", "DescribeSubnets", params, "subnetSet", &subnets, err);
    json_decref(params);
    const char *cidr = rc == IST_OK ? ist_json_str(json_array_get(subnets, 0), "cidrBlock") : NULL;
    ist_net4 net = {0};
    uint32_t ip = 0;
    if (rc == IST_OK && (!cidr || ist_net4_parse(cidr, &net, NULL) != IST_OK))
        rc = ist_fail(err, IST_ERR_NOT_FOUND, which, "there is no subnet %s", subnet);
    if (rc == IST_OK && (ist_ipv4_parse(address, &ip) != IST_OK || !ist_net4_contains(net, ip)))
        rc = ist_fail(err, IST_ERR_INPUT, which, "%s is not in %s, the subnet %s", address, cidr, subnet);
    json_array_foreach(enis, i, eni)
    {
        const char *id = ist_json_str_or(eni, "networkInterfaceId", "?");
        json_array_foreach(json_object_get(eni, "privateIpAddressesSet"), k, each)
        {
            if (rc != IST_OK || strcmp(ist_json_str_or(each, "privateIpAddress", ""), address) != 0 ||
                held_by_stack(seen, eni))
                continue;
            free_address(cidr, enis, next);
            rc = ist_fail(err, IST_ERR_CONFLICT, which, "%s is taken by %s (%s)", address, id,
                          ist_json_str_or(eni, "description", "no description"));
            ist_hint(err, "%s is free: set `%s: %s`", next, which, next);
        }
    }
    json_decref(enis);
    json_decref(subnets);
    return rc;
}

int32_t ist_router_vm_addresses(ist_aws *aws, const ist_router_vm *vm, const json_t *seen, ist_error *err)
{
    int32_t rc = check_address(aws, vm->public_subnet, vm->public_address, "public_address", seen, err);
    if (rc == IST_OK)
        rc = check_address(aws, vm->private_subnet, vm->private_address, "private_address", seen, err);
    return rc;
}
