#include "stack.h"

#include <isthmus/schema.h>
#include <isthmus/stack.h>

#include <string.h>

#define RESOURCE "stack"

static const json_t *record_of(const json_t *recorded)
{
    return json_object_get(recorded, RESOURCE);
}

static int is_unsettled(const json_t *recorded)
{
    return strcmp(ist_json_str_or(record_of(recorded), "status", ""), "intent") == 0;
}

// The stack's id if state knows it, else its name. The caller's.
static char *stack_name(const json_t *inputs, const json_t *recorded)
{
    const char *id = ist_json_str(record_of(recorded), "data.id");
    const char *name = ist_json_str(record_of(recorded), "data.name");
    if (id != NULL || name != NULL)
        return ist_strdup(id != NULL ? id : name);
    return ist_printf("%s-vpc", ist_json_str_or(inputs, "name", ""));
}

static int64_t timeout_of(const json_t *inputs)
{
    return ist_json_int(inputs, "timeout", 20 * 60 * 1000);
}

static int ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

// What the stack made under the name "Vpc": the caller's.
static int32_t vpc_of(ist_aws *aws, const json_t *stack, char **id, ist_error *err)
{
    json_t *params = json_pack("{s:s, s:s}", "StackName", ist_json_str_or(stack, "StackId", ""),
                               "LogicalResourceId", "Vpc");
    json_t *answer = NULL;
    int32_t rc = ist_aws_query(aws, "cloudformation", "DescribeStackResources", params, &answer, err);
    const char *made = ist_json_str(answer, "StackResources[0].PhysicalResourceId");
    if (rc == IST_OK && made == NULL)
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "its stack holds none");
    if (rc == IST_OK)
        *id = ist_strdup(made);
    json_decref(answer);
    json_decref(params);
    return rc;
}

int32_t stack_find_vpc(ist_aws *aws, const json_t *inputs, const json_t *recorded, json_t **vpc,
                       ist_error *err)
{
    json_t *stack = NULL, *answer = NULL;
    char *id = NULL;
    if (record_of(recorded) == NULL)
        return ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "not made yet");
    char *name = stack_name(inputs, recorded);
    int32_t rc = ist_stack_find(aws, name, &stack, err);
    ist_free(name);
    const char *status = ist_json_str_or(stack, "StackStatus", "?");
    if (rc == IST_OK && !ends_with(status, "CREATE_COMPLETE"))
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "its stack is %s", status);
    if (rc == IST_OK)
        rc = vpc_of(aws, stack, &id, err);
    if (rc == IST_OK) {
        json_t *params = json_pack("{s:[s]}", "VpcId", id);
        rc = ist_aws_query(aws, "ec2", "DescribeVpcs", params, &answer, err);
        json_decref(params);
        json_t *found = rc == IST_OK ? ist_json_at(answer, "vpcSet[0]") : NULL;
        if (found != NULL)
            *vpc = json_incref(found);
        else if (rc == IST_OK)
            rc = ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "%s of the stack is gone", id);
    }
    ist_free(id);
    json_decref(answer);
    json_decref(stack);
    return rc;
}

// ---- judging ----

static json_t *cidrs_of(const json_t *subnets)
{
    json_t *cidrs = json_array(), *subnet;
    size_t i;
    json_array_foreach((json_t *)subnets, i, subnet)
    {
        json_array_append(cidrs, json_object_get(subnet, "cidr"));
    }
    return cidrs;
}

// Tells the difference of one setting, when `env` is there; 1 if there is one.
static int differs(const ist_env *env, const char *field, const char *type, json_t *found, json_t *wanted)
{
    const int same = ist_type_equal(type, found, wanted);
    if (!same && env != NULL)
        ist_change_field(env, RESOURCE, field, json_incref(found), json_incref(wanted));
    json_decref(found);
    return !same;
}

static int network_differs(const ist_env *env, const json_t *inputs, const struct network *n)
{
    int different = differs(env, "cidr", "cidr", json_incref(json_object_get(n->vpc, "cidrBlock")),
                            json_object_get(inputs, "cidr"));
    different |= differs(env, "public_cidrs", "set(cidr)", cidrs_of(n->public_subnets),
                         json_object_get(inputs, "public_cidrs"));
    different |= differs(env, "private_cidrs", "set(cidr)", cidrs_of(n->private_subnets),
                         json_object_get(inputs, "private_cidrs"));
    return different;
}

// What has to be done, with the reason (static, or NULL). *stack (may stay NULL) is the caller's.
static int32_t judge(ist_aws *aws, const json_t *inputs, const json_t *recorded,
                     const struct network *network, json_t **stack, uint32_t *action, const char **reason,
                     ist_error *err)
{
    char *name = stack_name(inputs, recorded);
    int32_t rc = ist_stack_find(aws, name, stack, err);
    *reason = NULL;
    *action = IST_CREATE;
    const char *status = ist_json_str_or(*stack, "StackStatus", "");
    if (rc == IST_ERR_NOT_FOUND) {
        rc = IST_OK;
    } else if (rc != IST_OK) {
        // as it is
    } else if (record_of(recorded) == NULL ||
               (is_unsettled(recorded) &&
                !ist_stack_is_of(*stack, ist_json_str(record_of(recorded), "token")))) {
        rc = ist_fail(err, IST_ERR_CONFLICT, name, "a stack of this name exists that Isthmus did not make");
    } else if (strcmp(status, "REVIEW_IN_PROGRESS") == 0) {
        *reason = "an earlier run was interrupted here";
    } else if (ends_with(status, "_IN_PROGRESS")) {
        *reason = "it is under way: wait for it";
    } else if (!ends_with(status, "CREATE_COMPLETE") || network == NULL) {
        *action = IST_REPLACE;
        *reason = network == NULL ? "its VPC is gone" : "it could not be made";
    } else if (network_differs(NULL, inputs, network)) {
        *action = IST_REPLACE;
    } else if (is_unsettled(recorded)) {
        *reason = "it was being made when an earlier run ended";
    } else {
        *action = 0;
    }
    ist_free(name);
    return rc;
}

int32_t stack_plan(const ist_env *env, ist_aws *aws, const json_t *inputs, const json_t *recorded,
                   const struct network *network, uint32_t *action, ist_error *err)
{
    const char *reason;
    json_t *stack = NULL;
    int32_t rc = judge(aws, inputs, recorded, network, &stack, action, &reason, err);
    if (rc == IST_OK && *action != 0) {
        ist_change(env, *action, RESOURCE, reason);
        if (network != NULL && *action == IST_REPLACE) {
            network_differs(env, inputs, network);
        } else {
            static const char *const fields[] = {"name", "cidr", "public_cidrs", "private_cidrs"};
            for (size_t i = 0; i < 4; i++)
                ist_change_field(env, RESOURCE, fields[i], NULL,
                                 json_incref(json_object_get(inputs, fields[i])));
        }
    }
    json_decref(stack);
    return rc;
}

// ---- making and removing ----

static json_t *zones_of(ist_aws *aws, ist_error *err)
{
    json_t *filter = network_filter("state", "available"), *zones = NULL, *zone, *names = NULL;
    size_t i;
    if (ist_aws_query_all(aws, "ec2", "DescribeAvailabilityZones", filter, "availabilityZoneInfo", &zones,
                          err) == IST_OK) {
        names = json_array();
        json_array_foreach(zones, i, zone)
        {
            json_array_append(names, json_object_get(zone, "zoneName"));
        }
    }
    json_decref(zones);
    json_decref(filter);
    return names;
}

// The token marks the stack: a run that takes up where this one ended knows it for its own.
static int32_t make(const ist_env *env, ist_aws *aws, const json_t *inputs, const char *name,
                    const char *token, char **id, ist_error *err)
{
    json_t *zones = zones_of(aws, err);
    if (zones == NULL)
        return err != NULL && err->code != 0 ? err->code : IST_ERR_REMOTE;
    json_t *template = stack_template(inputs, zones);
    char *text = ist_json_text(template);
    const ist_stack_change change = {.size = sizeof(change),
                                     .name = name,
                                     .template_body = text,
                                     .token = token,
                                     .timeout_ms = timeout_of(inputs)};
    const int32_t rc = ist_stack_apply(env, aws, &change, id, err);
    ist_free(text);
    json_decref(template);
    json_decref(zones);
    return rc;
}

// Makes it and tells the journal, and the rest of this operation with it.
static int32_t create(const ist_env *env, ist_aws *aws, const json_t *inputs, json_t *recorded,
                      ist_error *err)
{
    char *name = ist_printf("%s-vpc", ist_json_str_or(inputs, "name", "")), *id = NULL, token[65];
    int32_t rc = ist_intent(env, RESOURCE,
                            json_pack("{s:s, s:s}", "name", name, "region", ist_aws_region(aws)), token, err);
    if (rc == IST_OK)
        rc = make(env, aws, inputs, name, token, &id, err);
    if (rc == IST_OK) {
        json_t *data = json_pack("{s:s, s:s, s:s}", "name", name, "region", ist_aws_region(aws), "id", id);
        json_object_set_new(recorded, RESOURCE, json_pack("{s:s, s:O}", "status", "done", "data", data));
        rc = ist_outcome(env, RESOURCE, data, err);
    }
    ist_free(id);
    ist_free(name);
    return rc;
}

// What is left in the VPC keeps it: whose it is, is said.
static int32_t remove_stack(const ist_env *env, ist_aws *aws, const json_t *inputs, const json_t *stack,
                            ist_error *err)
{
    char *vpc = NULL, *found = NULL;
    ist_error failed = {0};
    const int32_t rc =
        ist_stack_delete(env, aws, ist_json_str_or(stack, "StackId", ""), timeout_of(inputs), &failed);
    if (rc != IST_OK && vpc_of(aws, stack, &vpc, NULL) == IST_OK)
        found = ist_aws_blockers(aws, "vpc-id", vpc, "vpc-id", vpc);
    char *hint = ist_strdup(failed.hint);
    if (found != NULL) // what AWS's own words called for stays
        ist_hint(&failed, "%s%sstill in %s: %s", hint, *hint != '\0' ? "; " : "", vpc, found);
    ist_free(hint);
    if (rc != IST_OK && err != NULL)
        *err = failed;
    ist_free(found);
    ist_free(vpc);
    return rc;
}

int32_t stack_apply(const ist_env *env, ist_aws *aws, const json_t *inputs, json_t *recorded,
                    const struct network *network, ist_error *err)
{
    const char *reason;
    uint32_t action = 0;
    json_t *stack = NULL;
    int32_t rc = judge(aws, inputs, recorded, network, &stack, &action, &reason, err);
    if (rc == IST_OK && action == IST_REPLACE) {
        rc = remove_stack(env, aws, inputs, stack, err);
        if (rc == IST_OK)
            rc = ist_outcome(env, RESOURCE, NULL, err);
    }
    if (rc == IST_OK && action != 0)
        rc = create(env, aws, inputs, recorded, err);
    json_decref(stack);
    return rc;
}

int32_t stack_destroy(const ist_env *env, ist_aws *aws, const json_t *inputs, const json_t *recorded,
                      ist_error *err)
{
    json_t *stack = NULL;
    if (record_of(recorded) == NULL)
        return IST_OK;
    char *name = stack_name(inputs, recorded);
    ist_error failed = {0};
    int32_t rc = ist_stack_find(aws, name, &stack, &failed);
    const int ours = ist_json_str(record_of(recorded), "data.id") != NULL ||
                     ist_stack_is_of(stack, ist_json_str(record_of(recorded), "token"));
    if (rc == IST_OK && ours)
        rc = remove_stack(env, aws, inputs, stack, err);
    else if (rc == IST_ERR_NOT_FOUND)
        rc = IST_OK;
    else if (rc != IST_OK && err != NULL)
        *err = failed;
    if (rc == IST_OK)
        rc = ist_outcome(env, RESOURCE, NULL, err);
    json_decref(stack);
    ist_free(name);
    return rc;
}
