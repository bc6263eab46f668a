#include "stack.h"

#include <isthmus/schema.h>

#include <string.h>

#define RESOURCE  "stack"
#define TOKEN_TAG "isthmus-token" // on the stack: which creation made it

#define POLL_FIRST_MS 500
#define POLL_MAX_MS   10000

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

// New reference. A stack that was deleted is IST_ERR_NOT_FOUND, also where its id still tells of it.
static int32_t describe(ist_aws *aws, const char *name, json_t **stack, ist_error *err)
{
    json_t *params = json_pack("{s:s}", "StackName", name), *answer = NULL;
    int32_t rc = ist_aws_query(aws, "cloudformation", "DescribeStacks", params, &answer, err);
    json_decref(params);
    json_t *found = rc == IST_OK ? ist_json_at(answer, "Stacks[0]") : NULL;
    if (rc == IST_OK &&
        (found == NULL || strcmp(ist_json_str_or(found, "StackStatus", ""), "DELETE_COMPLETE") == 0))
        rc = ist_fail(err, IST_ERR_NOT_FOUND, name, "there is no such stack");
    if (rc == IST_OK)
        *stack = json_incref(found);
    json_decref(answer);
    return rc;
}

static int is_of_creation(const json_t *stack, const char *token)
{
    const char *tag = ist_aws_tag(stack, TOKEN_TAG);
    return token != NULL && tag != NULL && strcmp(tag, token) == 0;
}

int32_t stack_find_vpc(ist_aws *aws, const json_t *inputs, const json_t *recorded, json_t **vpc,
                       ist_error *err)
{
    json_t *stack = NULL, *answer = NULL, *output, *params = NULL;
    const char *id = NULL;
    size_t i;
    if (record_of(recorded) == NULL)
        return ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "not made yet");
    char *name = stack_name(inputs, recorded);
    int32_t rc = describe(aws, name, &stack, err);
    ist_free(name);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(json_object_get(stack, "Outputs"), i, output)
    {
        if (strcmp(ist_json_str_or(output, "OutputKey", ""), "VpcId") == 0)
            id = ist_json_str(output, "OutputValue");
    }
    if (id == NULL || !ends_with(ist_json_str_or(stack, "StackStatus", ""), "CREATE_COMPLETE")) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "its stack is %s",
                      ist_json_str_or(stack, "StackStatus", "?"));
    } else {
        params = json_pack("{s:[s]}", "VpcId", id);
        rc = ist_aws_query(aws, "ec2", "DescribeVpcs", params, &answer, err);
        json_t *found = rc == IST_OK ? ist_json_at(answer, "vpcSet[0]") : NULL;
        if (found != NULL)
            *vpc = json_incref(found);
        else if (rc == IST_OK)
            rc = ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "%s of the stack is gone", id);
    }
    json_decref(params);
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

static int32_t check_inputs(const json_t *inputs, ist_error *err)
{
    static const char *const needed[] = {"name", "cidr"};
    for (size_t i = 0; i < 2; i++)
        if (*ist_json_str_or(inputs, needed[i], "") == '\0')
            return ist_fail(err, IST_ERR_INPUT, needed[i], "is needed where `create` is set");
    ist_net4 vpc, net;
    static const char *const lists[] = {"public_cidrs", "private_cidrs"};
    int32_t rc = ist_net4_parse(ist_json_str_or(inputs, "cidr", ""), &vpc, err);
    for (size_t l = 0; l < 2 && rc == IST_OK; l++) {
        json_t *cidr;
        size_t i;
        json_array_foreach(json_object_get(inputs, lists[l]), i, cidr)
        {
            rc = ist_net4_parse(json_string_value(cidr), &net, err);
            if (rc == IST_OK && (net.prefix < vpc.prefix || !ist_net4_contains(vpc, net.address)))
                rc = ist_fail(err, IST_ERR_INPUT, lists[l], "%s is not within %s", json_string_value(cidr),
                              ist_json_str(inputs, "cidr"));
            if (rc != IST_OK)
                break;
        }
    }
    return rc;
}

// What has to be done, with the reason (static, or NULL). *stack (may stay NULL) is the caller's.
static int32_t judge(ist_aws *aws, const json_t *inputs, const json_t *recorded,
                     const struct network *network, json_t **stack, uint32_t *action, const char **reason,
                     ist_error *err)
{
    char *name = stack_name(inputs, recorded);
    int32_t rc = describe(aws, name, stack, err);
    *reason = NULL;
    *action = IST_CREATE;
    const char *status = ist_json_str_or(*stack, "StackStatus", "");
    if (rc == IST_ERR_NOT_FOUND) {
        rc = IST_OK;
    } else if (rc != IST_OK) {
        // as it is
    } else if (record_of(recorded) == NULL ||
               (is_unsettled(recorded) &&
                !is_of_creation(*stack, ist_json_str(record_of(recorded), "token")))) {
        rc = ist_fail(err, IST_ERR_CONFLICT, name, "a stack of this name exists that Isthmus did not make");
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
    int32_t rc = check_inputs(inputs, err);
    if (rc == IST_OK)
        rc = judge(aws, inputs, recorded, network, &stack, action, &reason, err);
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

// The first event that failed says why; events come newest first.
static void tell_failure(ist_aws *aws, const char *name, const char *status, ist_error *err)
{
    json_t *params = json_pack("{s:s}", "StackName", name), *events = NULL, *event;
    const json_t *first = NULL;
    size_t i;
    ist_aws_query_all(aws, "cloudformation", "DescribeStackEvents", params, "StackEvents", &events, NULL);
    json_array_foreach(events, i, event)
    {
        if (ends_with(ist_json_str_or(event, "ResourceStatus", ""), "_FAILED"))
            first = event;
    }
    if (first != NULL)
        ist_fail(err, IST_ERR_REMOTE, name, "%s: %s (%s): %s", status,
                 ist_json_str_or(first, "LogicalResourceId", "?"),
                 ist_json_str_or(first, "ResourceType", "?"),
                 ist_json_str_or(first, "ResourceStatusReason", "no reason given"));
    else
        ist_fail(err, IST_ERR_REMOTE, name, "%s", status);
    json_decref(events);
    json_decref(params);
}

// Waits until nothing is under way. IST_ERR_NOT_FOUND when it is gone. *stack is the caller's.
static int32_t wait_settled(const ist_env *env, ist_aws *aws, const char *name, int64_t timeout_ms,
                            json_t **stack, ist_error *err)
{
    const int64_t until = ist_now_ms(env) + timeout_ms;
    for (int64_t pause = POLL_FIRST_MS;; pause = pause * 3 / 2 < POLL_MAX_MS ? pause * 3 / 2 : POLL_MAX_MS) {
        json_t *now = NULL;
        int32_t rc = describe(aws, name, &now, err);
        const char *status = ist_json_str_or(now, "StackStatus", "");
        if (rc != IST_OK || !ends_with(status, "_IN_PROGRESS")) {
            if (rc == IST_OK)
                *stack = now;
            return rc;
        }
        ist_progress(env, "stack %s: %s", ist_json_str_or(now, "StackName", name), status);
        if (ist_now_ms(env) >= until)
            rc = ist_fail(err, IST_ERR_TIMEOUT, name, "still %s", status);
        json_decref(now);
        if (rc == IST_OK && ist_sleep_ms(env, pause) != IST_OK)
            rc = ist_fail(err, IST_ERR_CANCELLED, name, "stopped while waiting for the stack");
        if (rc != IST_OK)
            return rc;
    }
}

static int32_t delete_stack(const ist_env *env, ist_aws *aws, const json_t *inputs, const char *name,
                            ist_error *err)
{
    json_t *params = json_pack("{s:s}", "StackName", name), *stack = NULL;
    ist_error failed = {0};
    int32_t rc = ist_aws_query(aws, "cloudformation", "DeleteStack", params, NULL, err);
    json_decref(params);
    if (rc != IST_OK && rc != IST_ERR_NETWORK) // whether it was done shows at once
        return rc;
    rc = wait_settled(env, aws, name, timeout_of(inputs), &stack, &failed);
    if (rc == IST_OK) {
        tell_failure(aws, name, ist_json_str_or(stack, "StackStatus", "?"), err);
        rc = IST_ERR_REMOTE;
    } else if (rc == IST_ERR_NOT_FOUND) {
        rc = IST_OK;
    } else if (err != NULL) {
        *err = failed;
    }
    json_decref(stack);
    return rc;
}

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

static int32_t send_create(ist_aws *aws, const json_t *inputs, const char *name, const char *token,
                           ist_error *err)
{
    json_t *zones = zones_of(aws, err), *stack = NULL;
    if (zones == NULL)
        return err != NULL && err->code != 0 ? err->code : IST_ERR_REMOTE;
    json_t *template = stack_template(inputs, zones);
    char *text = ist_json_text(template);
    // The token makes a second call with the same name an echo of the first, and marks the stack for a
    // resume.
    json_t *params = json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s}]}", "StackName", name, "TemplateBody",
                               text, "ClientRequestToken", token, "OnFailure", "ROLLBACK", "Tags", "Key",
                               TOKEN_TAG, "Value", token);
    ist_error failed = {0};
    int32_t rc = ist_aws_query(aws, "cloudformation", "CreateStack", params, NULL, &failed);
    // One of that name may be our own, of a run that ended before it could say so.
    if (rc == IST_ERR_CONFLICT && describe(aws, name, &stack, NULL) == IST_OK && is_of_creation(stack, token))
        rc = IST_OK;
    if (rc != IST_OK && err != NULL)
        *err = failed;
    json_decref(stack);
    json_decref(params);
    json_decref(template);
    json_decref(zones);
    ist_free(text);
    return rc;
}

// Tells the journal that the stack is there, and the rest of this operation with it.
static int32_t remember(const ist_env *env, ist_aws *aws, const char *name, const json_t *stack,
                        json_t *recorded, ist_error *err)
{
    json_t *data = json_pack("{s:s, s:s, s:s}", "name", name, "region", ist_aws_region(aws), "id",
                             ist_json_str_or(stack, "StackId", name));
    json_object_set_new(recorded, RESOURCE, json_pack("{s:s, s:O}", "status", "done", "data", data));
    return ist_outcome(env, RESOURCE, data, err);
}

static int32_t create(const ist_env *env, ist_aws *aws, const json_t *inputs, json_t *recorded,
                      ist_error *err)
{
    char *name = ist_printf("%s-vpc", ist_json_str_or(inputs, "name", "")), token[65];
    json_t *stack = NULL;
    int32_t rc = ist_intent(env, RESOURCE,
                            json_pack("{s:s, s:s}", "name", name, "region", ist_aws_region(aws)), token, err);
    if (rc == IST_OK)
        rc = send_create(aws, inputs, name, token, err);
    if (rc == IST_OK)
        rc = wait_settled(env, aws, name, timeout_of(inputs), &stack, err);
    if (rc == IST_OK)
        rc = remember(env, aws, name, stack, recorded, err);
    if (rc == IST_OK && !ends_with(ist_json_str_or(stack, "StackStatus", ""), "CREATE_COMPLETE")) {
        tell_failure(aws, name, ist_json_str_or(stack, "StackStatus", "?"), err);
        rc = IST_ERR_REMOTE;
    }
    json_decref(stack);
    ist_free(name);
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
        rc = delete_stack(env, aws, inputs, ist_json_str_or(stack, "StackId", ""), err);
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
    int32_t rc = describe(aws, name, &stack, &failed);
    const int ours = ist_json_str(record_of(recorded), "data.id") != NULL ||
                     is_of_creation(stack, ist_json_str(record_of(recorded), "token"));
    if (rc == IST_OK && ours)
        rc = delete_stack(env, aws, inputs, name, err);
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
