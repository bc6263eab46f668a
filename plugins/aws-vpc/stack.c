#include "stack.h"

#include "drift.h"

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

// Its VPC stands, whatever became of the last change.
static int is_standing(const char *status)
{
    return strcmp(status, "CREATE_COMPLETE") == 0 || strncmp(status, "UPDATE_", 7) == 0;
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
    if (rc == IST_OK && !is_standing(status))
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

struct verdict {
    uint32_t action;        // 0, IST_CREATE, IST_UPDATE or IST_REPLACE
    const char *reason;     // static, or NULL
    json_t *stack;          // as CloudFormation describes it; NULL: there is none
    json_t *before, *after; // templates of an update
    struct drift drift;     // of one that stands
};

static void verdict_free(struct verdict *v)
{
    json_decref(v->stack);
    json_decref(v->before);
    json_decref(v->after);
    drift_free(&v->drift);
}

static int32_t failed_with(const ist_error *err)
{
    return err != NULL && err->code != 0 ? err->code : IST_ERR_REMOTE;
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

// Fills before and after: what the stack was made of, and what the inputs make of that. network: what there is of it
// (also the drift is filled then), or NULL.
static int32_t read_templates(ist_aws *aws, const json_t *inputs, const struct network *network,
                              struct verdict *v, ist_error *err)
{
    json_t *params = json_pack("{s:s}", "StackName", ist_json_str_or(v->stack, "StackId", "")),
           *answer = NULL;
    json_t *zones = NULL, *standing = NULL;
    int32_t rc = ist_aws_query(aws, "cloudformation", "GetTemplate", params, &answer, err);
    const char *body = ist_json_str_or(answer, "TemplateBody", "{}");
    if (rc == IST_OK)
        rc = ist_json_parse(body, strlen(body), "stack", &v->before, err);
    if (rc == IST_OK && network != NULL)
        rc = drift_find(aws, ist_json_str_or(v->stack, "StackId", ""), v->before, network, &v->drift, err);
    if (rc == IST_OK)
        standing = drift_standing(&v->drift, v->before);
    if (rc == IST_OK && stack_needs_zones(inputs, standing)) {
        zones = zones_of(aws, err);
        if (zones == NULL)
            rc = failed_with(err);
    }
    if (rc == IST_OK)
        v->after = stack_template(inputs, zones, standing);
    json_decref(standing);
    json_decref(zones);
    json_decref(answer);
    json_decref(params);
    return rc;
}

// Can CloudFormation get from one to the other and leave the VPC standing? Its addresses are what it is; and its NAT
// gateway holds an address that a second one, made before it goes, could not have.
static int is_updatable(const struct verdict *v)
{
    static const char *const cidr = "Resources.Vpc.Properties.CidrBlock";
    const char *nat = ist_json_str(v->after, "Resources.Nat.Properties.SubnetId.Ref");
    return strcmp(ist_json_str_or(v->before, cidr, ""), ist_json_str_or(v->after, cidr, "")) == 0 &&
           (nat == NULL || json_object_get(json_object_get(v->after, "Resources"), nat) != NULL);
}

// With something of somebody else's in it CloudFormation would take away what it can, and stop there.
static int32_t refuse_in_use(ist_aws *aws, const struct network *n, ist_error *err)
{
    const char *vpc = ist_json_str_or(n->vpc, "vpcId", "");
    json_t *filter = network_filter("vpc-id", vpc), *interfaces = NULL, *interface;
    const json_t *found = NULL;
    size_t i;
    int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeNetworkInterfaces", filter, "networkInterfaceSet",
                                   &interfaces, err);
    json_decref(filter);
    json_array_foreach(interfaces, i, interface)
    {
        if (strcmp(ist_json_str_or(interface, "interfaceType", ""), "nat_gateway") != 0 &&
            strncmp(ist_json_str_or(interface, "description", ""), "Interface for NAT Gateway", 25) != 0)
            found = interface;
    }
    if (rc == IST_OK && found != NULL) {
        const char *what = ist_json_str_or(found, "description", "");
        rc = ist_fail(err, IST_ERR_CONFLICT, vpc,
                      "would have to be made anew, and is in use: interface %s (%s)",
                      ist_json_str_or(found, "networkInterfaceId", "?"),
                      *what != '\0' ? what : ist_json_str_or(found, "status", "?"));
        ist_hint(
            err,
            "`cidr`, and the subnet of the NAT gateway, cannot change in place: take back the change, or "
            "destroy what is in the VPC first");
    }
    json_decref(interfaces);
    return rc;
}

// Of a stack that stands: what lies between it and the inputs.
static int32_t judge_standing(ist_aws *aws, const json_t *inputs, const struct network *network,
                              struct verdict *v, ist_error *err)
{
    const char *status = ist_json_str_or(v->stack, "StackStatus", "");
    const int settled = !ist_stack_is_busy(status) && strcmp(status, "UPDATE_ROLLBACK_FAILED") != 0;
    int32_t rc = read_templates(aws, inputs, settled ? network : NULL, v, err);
    if (rc != IST_OK)
        return rc;
    v->action = IST_UPDATE;
    if (strcmp(status, "UPDATE_ROLLBACK_FAILED") == 0) {
        v->reason = "a change could neither be made nor taken back";
    } else if (ist_stack_is_busy(status)) {
        v->reason = "it is under way: wait for it";
    } else if (!is_updatable(v)) {
        v->action = IST_REPLACE;
        rc = refuse_in_use(aws, network, err);
    } else if (json_equal(json_object_get(v->before, "Resources"), json_object_get(v->after, "Resources")) &&
               json_array_size(v->drift.mends) == 0) {
        v->action = 0;
    }
    return rc;
}

static int32_t judge(ist_aws *aws, const json_t *inputs, const json_t *recorded,
                     const struct network *network, struct verdict *v, ist_error *err)
{
    char *name = stack_name(inputs, recorded);
    int32_t rc = ist_stack_find(aws, name, &v->stack, err);
    v->action = IST_CREATE;
    const char *status = ist_json_str_or(v->stack, "StackStatus", "");
    if (rc == IST_ERR_NOT_FOUND) {
        rc = IST_OK;
    } else if (rc != IST_OK) {
        // as it is
    } else if (record_of(recorded) == NULL ||
               (is_unsettled(recorded) &&
                !ist_stack_is_of(v->stack, ist_json_str(record_of(recorded), "token")))) {
        rc = ist_stack_refuse(name, ist_aws_tag(v->stack, IST_STACK_TOKEN_TAG),
                              "give another `name`, or take its VPC as it is by `id` instead of `create`",
                              err);
    } else if (strcmp(status, "REVIEW_IN_PROGRESS") == 0) {
        v->reason = "an earlier run was interrupted here";
    } else if (!is_standing(status) && ist_stack_is_busy(status)) {
        v->reason = "it is under way: wait for it";
    } else if (!is_standing(status) || network == NULL) {
        v->action = IST_REPLACE;
        v->reason = network == NULL && is_standing(status) ? "its VPC is gone" : "it could not be made";
    } else if (is_unsettled(recorded)) {
        v->reason = "it was being made when an earlier run ended";
    } else {
        rc = judge_standing(aws, inputs, network, v, err);
    }
    ist_free(name);
    return rc;
}

// ---- telling ----

static const char *type_of(const json_t *resource)
{
    const char *type = ist_json_str_or(resource, "Type", "?");
    return strncmp(type, "AWS::EC2::", 10) == 0 ? type + 10 : type;
}

// What a person reads of a resource: its addresses, where it has some.
static json_t *shown(const json_t *resource)
{
    const char *cidr = ist_json_str(resource, "Properties.CidrBlock");
    return cidr != NULL ? json_sprintf("%s %s", type_of(resource), cidr) : json_string(type_of(resource));
}

// The resources of `of` that differ from those of `other`. `gone`: of is what was, and only what is no more is told.
static void tell_resources(const ist_env *env, const json_t *of, const json_t *other, int gone)
{
    const char *logical, *property;
    json_t *resource, *value;
    json_object_foreach(json_object_get(of, "Resources"), logical, resource)
    {
        const json_t *match = json_object_get(json_object_get(other, "Resources"), logical);
        if (match == NULL) {
            ist_change_field(env, RESOURCE, logical, gone ? shown(resource) : NULL,
                             gone ? json_null() : shown(resource));
            continue;
        }
        json_object_foreach(json_object_get(resource, "Properties"), property, value)
        {
            json_t *was = json_object_get(json_object_get(match, "Properties"), property);
            if (gone || json_equal(was, value) || strcmp(property, "Tags") == 0)
                continue;
            char *field = ist_printf("%s.%s", logical, property);
            ist_change_field(env, RESOURCE, field, json_incref(was), json_incref(value));
            ist_free(field);
        }
    }
}

// The tags of the inputs, as all resources have them beside their names. New reference.
static json_t *tags_in(const json_t *template)
{
    json_t *tags = json_object(), *tag;
    size_t i;
    json_array_foreach(ist_json_at(template, "Resources.Vpc.Properties.Tags"), i, tag)
    {
        const char *key = ist_json_str_or(tag, "Key", "");
        if (strcmp(key, "Name") != 0)
            json_object_set(tags, key, json_object_get(tag, "Value"));
    }
    return tags;
}

static void tell_update(const ist_env *env, const struct verdict *v)
{
    json_t *was = tags_in(v->before), *is = tags_in(v->after), *mend;
    size_t i;
    if (!json_equal(was, is)) // once, and not for each resource
        ist_change_field(env, RESOURCE, "tags", json_incref(was), json_incref(is));
    tell_resources(env, v->after, v->before, 0);
    tell_resources(env, v->before, v->after, 1);
    json_array_foreach(v->drift.mends, i, mend)
    {
        ist_change_field(env, RESOURCE, ist_json_str_or(mend, "logical", ""),
                         json_incref(json_object_get(mend, "before")),
                         json_incref(json_object_get(mend, "after")));
    }
    json_decref(was);
    json_decref(is);
}

// The caller's; NULL: what the plan shows says it.
static char *reason_of(const struct verdict *v)
{
    ist_buf gone = {0};
    const char *logical;
    json_t *id;
    if (v->reason != NULL)
        return ist_strdup(v->reason);
    json_object_foreach(v->drift.subnets, logical, id)
    {
        ist_buf_printf(&gone, "%s%s (%s)", gone.len > 0 ? ", " : "", logical, json_string_value(id));
    }
    char *reason = gone.len > 0                          ? ist_printf("deleted by hand: %s", gone.data)
                   : json_array_size(v->drift.mends) > 0 ? ist_strdup("changed by hand")
                                                         : NULL;
    ist_buf_free(&gone);
    return reason;
}

// The template of a stack that is made, or made anew. New reference; NULL after a failure.
static json_t *template_anew(ist_aws *aws, const json_t *inputs, ist_error *err)
{
    json_t *zones = zones_of(aws, err);
    json_t *template = zones != NULL ? stack_template(inputs, zones, NULL) : NULL;
    json_decref(zones);
    return template;
}

// What apply would send, and find too large then.
static int32_t check_size(ist_aws *aws, const json_t *inputs, const struct verdict *v, ist_error *err)
{
    const int anew = v->action == IST_CREATE || v->action == IST_REPLACE;
    json_t *template = anew ? template_anew(aws, inputs, err) : json_incref(v->after);
    if (template == NULL)
        return anew ? failed_with(err) : IST_OK;
    char *text = ist_json_text(template), *name = ist_printf("%s-vpc", ist_json_str_or(inputs, "name", ""));
    const int32_t rc = ist_stack_check_template(name, text, err);
    if (rc != IST_OK)
        ist_hint(err, "name fewer subnets: %zu public and %zu private ones are too many for one stack",
                 json_array_size(json_object_get(inputs, "public_cidrs")),
                 json_array_size(json_object_get(inputs, "private_cidrs")));
    ist_free(name);
    ist_free(text);
    json_decref(template);
    return rc;
}

int32_t stack_plan(const ist_env *env, ist_aws *aws, const json_t *inputs, const json_t *recorded,
                   const struct network *network, uint32_t *action, ist_error *err)
{
    struct verdict v = {0};
    int32_t rc = judge(aws, inputs, recorded, network, &v, err);
    if (rc == IST_OK && v.action != 0)
        rc = check_size(aws, inputs, &v, err);
    if (rc == IST_OK && v.action != 0) {
        char *reason = reason_of(&v);
        ist_change(env, v.action, RESOURCE, reason);
        ist_free(reason);
        if (v.after != NULL) {
            tell_update(env, &v);
        } else {
            static const char *const fields[] = {"name", "cidr", "public_cidrs", "private_cidrs"};
            for (size_t i = 0; i < 4; i++)
                ist_change_field(env, RESOURCE, fields[i], NULL,
                                 json_incref(json_object_get(inputs, fields[i])));
        }
    }
    *action = v.action;
    verdict_free(&v);
    return rc;
}

// ---- making and removing ----

// The token marks the stack: a run that takes up where this one ended knows it for its own. v: of an update.
static int32_t send(const ist_env *env, ist_aws *aws, const json_t *inputs, const char *name,
                    const char *token, const json_t *template, const struct verdict *v, char **id,
                    ist_error *err)
{
    char *text = ist_json_text(template);
    const ist_stack_change change = {.size = sizeof(change),
                                     .name = name,
                                     .template_body = text,
                                     .token = token,
                                     .timeout_ms = timeout_of(inputs),
                                     .before = v != NULL ? v->before : NULL};
    const int32_t rc = ist_stack_apply(env, aws, &change, id, err);
    ist_free(text);
    return rc;
}

static int32_t make(const ist_env *env, ist_aws *aws, const json_t *inputs, const char *name,
                    const char *token, char **id, ist_error *err)
{
    json_t *template = template_anew(aws, inputs, err);
    const int32_t rc =
        template != NULL ? send(env, aws, inputs, name, token, template, NULL, id, err) : failed_with(err);
    json_decref(template);
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
        json_t *data = json_pack("{s:s, s:s, s:s, s:s}", "name", name, "region", ist_aws_region(aws), "id",
                                 id, "token", token);
        json_object_set_new(recorded, RESOURCE, json_pack("{s:s, s:O}", "status", "done", "data", data));
        rc = ist_outcome(env, RESOURCE, data, err);
    }
    ist_free(id);
    ist_free(name);
    return rc;
}

// The mark that the stack bears: the token of its creation. Borrowed, NULL: not known.
static const char *mark_of(const json_t *recorded, const json_t *stack)
{
    const char *token = ist_json_str(record_of(recorded), "data.token");
    return token != NULL ? token
                         : ist_aws_tag(stack, IST_STACK_TOKEN_TAG); // of a record before it kept the token
}

// Puts back what was changed by hand, and reads again whether it is: so an answer that was lost is none that is missed.
static int32_t mend(const ist_env *env, ist_aws *aws, const json_t *inputs, const struct network *network,
                    struct verdict *v, ist_error *err)
{
    const char *stack_id = ist_json_str_or(v->stack, "StackId", "");
    int32_t rc = IST_OK;
    for (int tries = 0; tries < 4 && json_array_size(v->drift.mends) > 0; tries++) {
        struct network now = {0};
        ist_error failed = {0};
        rc = drift_mend(aws, &v->drift, &failed);
        if (rc != IST_OK && rc != IST_ERR_NETWORK) {
            if (err != NULL)
                *err = failed;
            return rc;
        }
        if (rc != IST_OK && ist_sleep_ms(env, 300) != IST_OK)
            return ist_fail(err, IST_ERR_CANCELLED, "stack", "stopped before all was put back");
        rc = network_read(aws, inputs, json_incref(network->vpc), &now, err);
        drift_free(&v->drift);
        if (rc == IST_OK)
            rc = drift_find(aws, stack_id, v->before, &now, &v->drift, err);
        network_free(&now);
        if (rc != IST_OK)
            return rc;
    }
    return json_array_size(v->drift.mends) == 0
               ? IST_OK
               : ist_fail(err, IST_ERR_CONFLICT,
                          ist_json_str_or(json_array_get(v->drift.mends, 0), "logical", "?"),
                          "was put back, and is changed again");
}

// To the template of the inputs, whatever the last change came to.
static int32_t update(const ist_env *env, ist_aws *aws, const json_t *inputs, const json_t *recorded,
                      const struct network *network, struct verdict *v, ist_error *err)
{
    char *name = ist_strdup(ist_json_str_or(v->stack, "StackName", "")), *id = NULL;
    const char *id_known = ist_json_str_or(v->stack, "StackId", name), *mark = mark_of(recorded, v->stack);
    json_t *stack = NULL;
    int32_t rc = IST_OK;
    // What was under way, or could not be taken back, comes to its end first: the template may be another one then.
    if (strcmp(ist_json_str_or(v->stack, "StackStatus", ""), "UPDATE_ROLLBACK_FAILED") == 0)
        rc = ist_stack_roll_back(env, aws, id_known, timeout_of(inputs), err);
    if (rc == IST_OK && v->reason != NULL)
        rc = ist_stack_wait(env, aws, id_known, timeout_of(inputs), &stack, err);
    if (rc == IST_OK && v->reason != NULL) {
        json_decref(v->before);
        json_decref(v->after);
        v->before = v->after = NULL;
        rc = read_templates(aws, inputs, NULL, v, err);
    }
    if (rc == IST_OK && json_array_size(v->drift.mends) > 0)
        rc = mend(env, aws, inputs, network, v, err);
    if (rc == IST_OK && !is_updatable(v))
        rc = ist_fail(err, IST_ERR_QUESTION, name, "cannot be changed in place: plan again");
    if (rc == IST_OK &&
        !json_equal(json_object_get(v->before, "Resources"), json_object_get(v->after, "Resources")))
        rc = send(env, aws, inputs, name, mark != NULL ? mark : "", v->after, v, &id, err);
    json_decref(stack);
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
    drift_release(aws, ist_json_str_or(stack, "StackId", ""));
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
    struct verdict v = {0};
    int32_t rc = judge(aws, inputs, recorded, network, &v, err);
    if (rc == IST_OK && v.action == IST_REPLACE) {
        rc = remove_stack(env, aws, inputs, v.stack, err);
        if (rc == IST_OK)
            rc = ist_outcome(env, RESOURCE, NULL, err);
    }
    if (rc == IST_OK && v.action == IST_UPDATE)
        rc = update(env, aws, inputs, recorded, network, &v, err);
    else if (rc == IST_OK && v.action != 0)
        rc = create(env, aws, inputs, recorded, err);
    verdict_free(&v);
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
    const char *id = ist_json_str(record_of(recorded), "data.id");
    int32_t rc = id != NULL ? ist_stack_find(aws, name, &stack, &failed)
                            : ist_stack_find_begun(env, aws, name, &stack, &failed);
    const int ours = id != NULL || ist_stack_is_of(stack, ist_json_str(record_of(recorded), "token"));
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
