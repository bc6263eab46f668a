// A router's stack: what there is of it, whether its addresses are free, making and removing it.
#include "internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>
#include <isthmus/stack.h>

#include <stdbool.h>
#include <string.h>

// ---- observing ----

// Which parts of the template a change set would touch: "Router.InstanceType".
static json_t *differences(const json_t *before, const json_t *after)
{
    json_t *list = json_array(), *resource, *property;
    const char *logical, *name;
    json_object_foreach(json_object_get(after, "Resources"), logical, resource)
    {
        const json_t *old = json_object_get(json_object_get(before, "Resources"), logical);
        json_object_foreach(json_object_get(resource, "Properties"), name, property)
        {
            json_t *was = json_object_get(json_object_get(old, "Properties"), name);
            if (was && json_equal(was, property))
                continue;
            char *path = ist_printf("%s.%s", logical, name);
            json_array_append_new(list, json_pack("{ss sO sO}", "field", path, "before",
                                                  was ? was : json_null(), "after", property));
            ist_free(path);
        }
    }
    return list;
}

int32_t ist_router_vm_compare(const ist_router_vm *vm, json_t *seen, ist_error *err)
{
    json_t *wanted = NULL;
    if (!json_is_object(seen))
        return IST_OK;
    char *text = ist_router_vm_template(vm);
    int32_t rc = ist_json_parse(text, strlen(text), vm->stack, &wanted, err);
    ist_free(text);
    if (rc == IST_OK)
        json_object_set_new(seen, "differs", differences(json_object_get(seen, "template"), wanted));
    json_decref(wanted);
    return rc;
}

static int32_t add_template(ist_aws *aws, const char *id, json_t *seen, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", id), *answer = NULL, *now = NULL;
    int32_t rc = ist_aws_query(aws, "cloudformation", "GetTemplate", params, &answer, err);
    json_decref(params);
    const char *body = rc == IST_OK ? ist_json_str_or(answer, "TemplateBody", "{}") : NULL;
    if (body && ist_json_parse(body, strlen(body), id, &now, NULL) != IST_OK)
        now = json_object(); // not of our making: all of it differs
    if (rc == IST_OK)
        json_object_set_new(seen, "template", now);
    json_decref(answer);
    return rc;
}

static int32_t add_instance(ist_aws *aws, const char *instance, json_t *seen, ist_error *err)
{
    json_t *params = json_pack("{s[s]}", "InstanceId", instance), *answer = NULL;
    ist_error failed = {0};
    int32_t rc = ist_aws_query(aws, "ec2", "DescribeInstances", params, &answer, &failed);
    json_decref(params);
    if (rc != IST_OK && strncmp(ist_aws_error_code(aws), "InvalidInstanceID", 17) == 0)
        rc = IST_OK; // long gone
    const json_t *i = rc == IST_OK ? ist_json_at(answer, "reservationSet[0].instancesSet[0]") : NULL;
    if (rc == IST_OK)
        json_object_set_new(seen, "instance",
                            json_pack("{ss ss ss ss ss}", "id", instance, "state",
                                      ist_json_str_or(i, "instanceState.name", "terminated"), "type",
                                      ist_json_str_or(i, "instanceType", ""), "ami",
                                      ist_json_str_or(i, "imageId", ""), "key",
                                      ist_json_str_or(i, "keyName", "")));
    else if (err)
        *err = failed;
    json_decref(answer);
    return rc;
}

static int32_t read_resources(ist_aws *aws, const char *stack, json_t **resources, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", stack), *answer = NULL;
    int32_t rc = ist_aws_query(aws, "cloudformation", "DescribeStackResources", params, &answer, err);
    json_decref(params);
    if (rc == IST_OK)
        *resources = json_incref(json_object_get(answer, "StackResources"));
    if (rc == IST_OK && !*resources)
        *resources = json_array();
    json_decref(answer);
    return rc;
}

static const char *physical_id(const json_t *resources, const char *logical)
{
    json_t *one;
    size_t i;
    json_array_foreach((json_t *)resources, i, one)
    {
        if (strcmp(ist_json_str_or(one, "LogicalResourceId", ""), logical) == 0)
            return ist_json_str(one, "PhysicalResourceId");
    }
    return NULL;
}

int32_t ist_router_vm_observe(ist_aws *aws, const ist_router_vm *vm, const char *stack_id, json_t **out,
                              ist_error *err)
{
    static const char *const outputs[][3] = {{"OutsideEni", "outside_eni", "Outside"},
                                             {"InsideEni", "inside_eni", "Inside"},
                                             {"SecurityGroup", "security_group", "Group"},
                                             {"PublicIp", "public_ip", "Address"},
                                             {"InstanceId", "instance_id", "Router"}};
    json_t *resources = NULL;
    json_t *stack = NULL, *seen;
    ist_error failed = {0};
    int32_t rc = ist_stack_find(aws, stack_id && *stack_id ? stack_id : vm->stack, &stack, &failed);
    if (rc == IST_ERR_NOT_FOUND) {
        *out = json_null();
        return IST_OK;
    }
    if (rc != IST_OK) {
        if (err)
            *err = failed;
        return rc;
    }
    const char *id = ist_json_str_or(stack, "StackId", vm->stack), *tag;
    seen = json_pack("{s{ss ss ss ss}}", "stack", "name", ist_json_str_or(stack, "StackName", ""), "id", id,
                     "status", ist_json_str_or(stack, "StackStatus", ""), "reason",
                     ist_json_str_or(stack, "StackStatusReason", ""));
    if ((tag = ist_aws_tag(stack, IST_STACK_TOKEN_TAG)))
        json_object_set_new(json_object_get(seen, "stack"), "token", json_string(tag));
    for (size_t i = 0; rc == IST_OK && i < sizeof outputs / sizeof *outputs; i++) {
        const char *value = ist_stack_output(stack, outputs[i][0]);
        // Without outputs the stack's resources tell.
        if (!value && !resources)
            rc = read_resources(aws, id, &resources, err);
        if (!value)
            value = physical_id(resources, outputs[i][2]);
        if (value)
            json_object_set_new(seen, outputs[i][1], json_string(value));
    }
    json_decref(resources);
    const char *instance = ist_json_str(seen, "instance_id");
    if (rc == IST_OK && instance)
        rc = add_instance(aws, instance, seen, err);
    if (rc == IST_OK)
        rc = add_template(aws, id, seen, err);
    if (rc == IST_OK)
        rc = router_vm_drift(aws, vm, seen, err);
    if (rc == IST_OK)
        *out = seen;
    else
        json_decref(seen);
    json_decref(stack);
    return rc;
}

// ---- addresses ----

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

// ---- making and removing ----

int32_t ist_router_vm_apply(const ist_env *env, ist_aws *aws, const ist_router_vm *vm, const char *token,
                            char **stack_id, ist_error *err)
{
    char *body = ist_router_vm_template(vm);
    ist_stack_change change = {
        .size = sizeof change, .name = vm->stack, .template_body = body, .token = token, .tags = vm->tags};
    int32_t rc = ist_stack_apply(env, aws, &change, stack_id, err);
    ist_free(body);
    return rc;
}

int32_t ist_router_vm_destroy(const ist_env *env, ist_aws *aws, const char *stack_id, ist_error *err)
{
    return ist_stack_delete(env, aws, stack_id, 0, err);
}
