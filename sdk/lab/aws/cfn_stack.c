// Stacks at work: made, rolled back, updated, deleted, a resource at a time, each step an event.
#include "cfn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 10 };

json_t *cfn_stack(const struct aws_call *c, const char *name)
{
    const char *id;
    json_t *stack;
    json_object_foreach(aws_all(c, "stack"), id, stack)
    {
        if (name && (!strcmp(id, name) ||
                     (aws_is(stack, "StackName", name) && !aws_is(stack, "StackStatus", "DELETE_COMPLETE"))))
            return stack;
    }
    return NULL;
}

bool cfn_busy(const json_t *stack)
{
    return strstr(aws_text(stack, "StackStatus"), "_IN_PROGRESS") &&
           !aws_is(stack, "StackStatus", "REVIEW_IN_PROGRESS");
}

// ---- events ----

static void add_event(json_t *stack, const json_t *record, const char *status, const char *reason)
{
    char *now = lab_now(), *id = lab_id("", 32);
    json_t *event = json_pack(
        "{sO sO ss ss ss ss ss ss*}", "StackId", json_object_get(stack, "StackId"), "StackName",
        json_object_get(stack, "StackName"), "EventId", id, "LogicalResourceId",
        aws_text(record, "LogicalResourceId"), "PhysicalResourceId", aws_text(record, "PhysicalResourceId"),
        "ResourceType", aws_text(record, "ResourceType"), "Timestamp", now, "ResourceStatusReason", reason);
    json_object_set_new(event, "ResourceStatus", json_string(status));
    if (*aws_text(stack, "_token"))
        json_object_set(event, "ClientRequestToken", json_object_get(stack, "_token"));
    json_array_insert_new(json_object_get(stack, "_events"), 0, event);
    free(now);
    free(id);
}

void cfn_set_status(json_t *stack, const char *status, const char *reason)
{
    json_t *itself = json_pack("{sO sO ss}", "LogicalResourceId", json_object_get(stack, "StackName"),
                               "PhysicalResourceId", json_object_get(stack, "StackId"), "ResourceType",
                               "AWS::CloudFormation::Stack");
    json_object_set_new(stack, "StackStatus", json_string(status));
    if (reason)
        json_object_set_new(stack, "StackStatusReason", json_string(reason));
    else
        json_object_del(stack, "StackStatusReason");
    add_event(stack, itself, status, reason);
    json_decref(itself);
}

static void set_record(json_t *stack, json_t *record, const char *status, const char *reason)
{
    char *now = lab_now();
    json_object_set_new(record, "ResourceStatus", json_string(status));
    json_object_set_new(record, "Timestamp", json_string(now));
    if (reason)
        json_object_set_new(record, "ResourceStatusReason", json_string(reason));
    else
        json_object_del(record, "ResourceStatusReason");
    add_event(stack, record, status, reason);
    free(now);
}

json_t *cfn_new_stack(struct aws_call *c, const char *name, const char *status)
{
    char *hex = lab_id("", 32), *now = lab_now();
    char *id =
        lab_format("arn:aws:cloudformation:" AWS_REGION ":" AWS_ACCOUNT ":stack/%s/%.8s-%.4s-11ee-%.4s-%.12s",
                   name, hex, hex + 8, hex + 12, hex + 16);
    json_t *stack = json_pack("{ss ss ss sb sb s[] s[] s[] s[] s{} s[] s[] s{}}", "StackId", id, "StackName",
                              name, "CreationTime", now, "DisableRollback", 0, "EnableTerminationProtection",
                              0, "Tags", "Outputs", "Parameters", "Capabilities", "_resources", "_obsolete",
                              "_events", "_changesets");
    json_object_set_new(aws_all(c, "stack"), id, stack);
    cfn_set_status(stack, status, "User Initiated");
    free(hex), free(now), free(id);
    return stack;
}

// ---- making resources ----

static json_t *new_record(json_t *stack, const char *logical, const char *type)
{
    json_t *record = json_pack("{sO sO ss ss ss ss}", "StackId", json_object_get(stack, "StackId"),
                               "StackName", json_object_get(stack, "StackName"), "LogicalResourceId", logical,
                               "ResourceType", type, "ResourceStatus", "", "PhysicalResourceId", "");
    json_object_set_new(json_object_get(stack, "_resources"), logical, record);
    return record;
}

static bool complete(const json_t *stack, const char *logical)
{
    const json_t *record = json_object_get(json_object_get(stack, "_resources"), logical);
    const char *status = aws_text(record, "ResourceStatus");
    size_t len = strlen(status);
    return record && len > 9 && !strcmp(status + len - 9, "_COMPLETE");
}

static bool settled(const json_t *stack, const char *logical)
{
    return json_object_get(json_object_get(stack, "_settled"), logical);
}

// The next resource of the template that is not settled and whose needs are; NULL: none.
static const char *next_logical(const json_t *stack)
{
    json_t *resources = json_object_get(json_object_get(stack, "_template"), "Resources"), *resource, *need;
    const char *logical;
    size_t i;
    json_object_foreach(resources, logical, resource)
    {
        if (settled(stack, logical))
            continue;
        json_t *needs = cfn_needs(resource);
        bool ready = true;
        json_array_foreach(needs, i, need)
        {
            const char *name = json_string_value(need);
            ready = ready &&
                    (!json_object_get(resources, name) || (settled(stack, name) && complete(stack, name)));
        }
        json_decref(needs);
        if (ready)
            return logical;
    }
    return NULL;
}

static void settle(json_t *stack, const char *logical)
{
    json_object_set_new(json_object_get(stack, "_settled"), logical, json_true());
}

static void begin_create(struct lab *lab, json_t *stack, const char *logical, const char *type, json_t *props,
                         char **why)
{
    json_t *record = new_record(stack, logical, type);
    json_object_set(record, "_props", props);
    json_object_set_new(record, "_fresh", json_true());
    set_record(stack, record, "CREATE_IN_PROGRESS", NULL);
    char *physical = cfn_create(lab, stack, logical, type, props, why);
    if (physical) {
        json_object_set_new(record, "PhysicalResourceId", json_string(physical));
        set_record(stack, record, "CREATE_IN_PROGRESS", "Resource creation Initiated");
    }
    if (*why)
        set_record(stack, record, "CREATE_FAILED", *why);
    else if (cfn_created(lab, record))
        set_record(stack, record, "CREATE_COMPLETE", NULL);
    free(physical);
}

// One resource of the template: made, changed or left as it is.
static void step_resource(struct lab *lab, json_t *stack, const char *logical, char **why)
{
    struct aws_call c = aws_self(lab);
    json_t *resource =
        json_object_get(json_object_get(json_object_get(stack, "_template"), "Resources"), logical);
    json_t *record = json_object_get(json_object_get(stack, "_resources"), logical);
    json_t *raw = json_object_get(resource, "Properties"), *none = json_object();
    json_t *props = cfn_resolve(&c, stack, raw ? raw : none);
    const char *type = aws_text(resource, "Type");
    settle(stack, logical);
    if (!props) {
        *why = lab_strdup(c.message);
    } else if (!record) {
        begin_create(lab, stack, logical, type, props, why);
    } else if (!json_equal(props, json_object_get(record, "_props")) ||
               !aws_is(record, "ResourceType", type)) {
        if (aws_is(record, "ResourceType", type) && cfn_update(lab, record, props, why)) {
            set_record(stack, record, "UPDATE_IN_PROGRESS", NULL);
            set_record(stack, record, *why ? "UPDATE_FAILED" : "UPDATE_COMPLETE", *why);
            if (!*why)
                json_object_set(record, "_props", props);
        } else { // replaced: the old one goes in the clean-up
            json_array_append(json_object_get(stack, "_obsolete"), record);
            json_object_del(json_object_get(stack, "_resources"), logical);
            begin_create(lab, stack, logical, type, props, why);
        }
    }
    json_decref(props);
    json_decref(none);
}

static void set_outputs(struct lab *lab, json_t *stack)
{
    struct aws_call c = aws_self(lab);
    json_t *outputs = json_array(), *output;
    const char *key;
    json_object_foreach(json_object_get(json_object_get(stack, "_template"), "Outputs"), key, output)
    {
        json_t *value = cfn_resolve(&c, stack, json_object_get(output, "Value"));
        json_array_append_new(outputs,
                              json_pack("{ss ss ss*}", "OutputKey", key, "OutputValue",
                                        json_is_string(value) ? json_string_value(value) : "", "Description",
                                        json_string_value(json_object_get(output, "Description"))));
        json_decref(value);
    }
    json_object_set_new(stack, "Outputs", outputs);
}

// ---- the steps of each state ----

static void fails(json_t *stack, const char *why)
{
    char *reason = lab_format("The following resource(s) failed: %s", why);
    if (aws_is(stack, "StackStatus", "UPDATE_IN_PROGRESS"))
        cfn_set_status(stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason);
    else if (json_is_true(json_object_get(stack, "DisableRollback")))
        cfn_set_status(stack, "CREATE_FAILED", reason);
    else
        cfn_set_status(stack, "ROLLBACK_IN_PROGRESS", reason);
    free(reason);
}

// Resources that the new template no longer has go to the obsolete ones.
static void retire_removed(json_t *stack)
{
    json_t *wanted = json_object_get(json_object_get(stack, "_template"), "Resources"), *record;
    const char *logical;
    void *next;
    json_object_foreach_safe(json_object_get(stack, "_resources"), next, logical, record)
    {
        if (json_object_get(wanted, logical))
            continue;
        json_array_append(json_object_get(stack, "_obsolete"), record);
        json_object_del(json_object_get(stack, "_resources"), logical);
    }
}

static void step_forward(struct lab *lab, json_t *stack)
{
    const char *logical;
    json_t *record;
    char *why = NULL;
    json_object_foreach(json_object_get(stack, "_resources"), logical, record)
    {
        if (!aws_is(record, "ResourceStatus", "CREATE_IN_PROGRESS"))
            continue;
        if (cfn_created(lab, record))
            set_record(stack, record, "CREATE_COMPLETE", NULL);
        return;
    }
    if ((logical = next_logical(stack))) {
        step_resource(lab, stack, logical, &why);
        if (why)
            fails(stack, why);
        free(why);
    } else if (aws_is(stack, "StackStatus", "CREATE_IN_PROGRESS")) {
        set_outputs(lab, stack);
        cfn_set_status(stack, "CREATE_COMPLETE", NULL);
    } else {
        retire_removed(stack);
        set_outputs(lab, stack);
        cfn_set_status(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", NULL);
    }
}

// Deletes one resource, or sees whether it has gone. True: it is gone now.
static bool step_delete(struct lab *lab, json_t *stack, json_t *record, char **why)
{
    if (aws_is(record, "ResourceStatus", "DELETE_IN_PROGRESS")) {
        if (!cfn_deleted(lab, record))
            return false;
        set_record(stack, record, "DELETE_COMPLETE", NULL);
        return true;
    }
    set_record(stack, record, "DELETE_IN_PROGRESS", NULL);
    if (!cfn_delete(lab, record, why)) {
        set_record(stack, record, "DELETE_FAILED", *why);
        return false;
    }
    if (!cfn_deleted(lab, record))
        return false;
    set_record(stack, record, "DELETE_COMPLETE", NULL);
    return true;
}

static bool retained(const json_t *stack, const char *logical)
{
    const json_t *resource =
        json_object_get(json_object_get(json_object_get(stack, "_template"), "Resources"), logical);
    return aws_is(resource, "DeletionPolicy", "Retain") && aws_is(stack, "StackStatus", "DELETE_IN_PROGRESS");
}

// The last resource made that still exists (and, in an update, was made by it); NULL: none.
static json_t *last_record(const json_t *stack, bool fresh_only)
{
    const char *logical;
    json_t *record, *last = NULL;
    json_object_foreach(json_object_get(stack, "_resources"), logical, record)
    {
        bool gone = aws_is(record, "ResourceStatus", "DELETE_COMPLETE") || retained(stack, logical);
        if (!gone && (!fresh_only || json_is_true(json_object_get(record, "_fresh"))))
            last = record;
    }
    return last;
}

static void step_back(struct lab *lab, json_t *stack)
{
    json_t *record = last_record(stack, false);
    bool rollback = aws_is(stack, "StackStatus", "ROLLBACK_IN_PROGRESS");
    char *why = NULL;
    if (record) {
        step_delete(lab, stack, record, &why);
        if (why)
            cfn_set_status(stack, rollback ? "ROLLBACK_FAILED" : "DELETE_FAILED", why);
        free(why);
        return;
    }
    cfn_set_status(stack, rollback ? "ROLLBACK_COMPLETE" : "DELETE_COMPLETE", NULL);
    if (!rollback) {
        char *now = lab_now();
        json_object_set_new(stack, "DeletionTime", json_string(now));
        free(now);
    }
}

static void step_cleanup(struct lab *lab, json_t *stack)
{
    json_t *obsolete = json_object_get(stack, "_obsolete");
    size_t count = json_array_size(obsolete);
    char *why = NULL;
    if (!count) {
        cfn_set_status(stack, "UPDATE_COMPLETE", NULL);
        return;
    }
    // What cannot be deleted is left behind: the update has succeeded all the same.
    if (step_delete(lab, stack, json_array_get(obsolete, count - 1), &why) || why)
        json_array_remove(obsolete, count - 1);
    free(why);
}

// What was left out of the rollback and is not in the template of before is the stack's no more; it stays where it is.
static void forget_skipped(json_t *stack)
{
    json_t *wanted = json_object_get(json_object_get(stack, "_template"), "Resources"), *record;
    const char *logical;
    void *next;
    json_object_foreach_safe(json_object_get(stack, "_resources"), next, logical, record)
    {
        if (!json_object_get(wanted, logical))
            json_object_del(json_object_get(stack, "_resources"), logical);
    }
}

static void step_update_back(struct lab *lab, json_t *stack)
{
    json_t *record = last_record(stack, true), *old, *before = json_object_get(stack, "_before");
    char *why = NULL;
    size_t i;
    if (record) {
        step_delete(lab, stack, record, &why);
        if (why)
            cfn_set_status(stack, "UPDATE_ROLLBACK_FAILED", why);
        free(why);
        return;
    }
    const char *logical;
    void *next;
    json_object_foreach_safe(json_object_get(stack, "_resources"), next, logical, record)
    {
        if (aws_is(record, "ResourceStatus", "DELETE_COMPLETE"))
            json_object_del(json_object_get(stack, "_resources"), logical);
    }
    json_array_foreach(json_object_get(stack, "_obsolete"), i, old)
        json_object_set(json_object_get(stack, "_resources"), aws_text(old, "LogicalResourceId"), old);
    json_array_clear(json_object_get(stack, "_obsolete"));
    json_object_update(stack, before);
    forget_skipped(stack);
    cfn_set_status(stack, "UPDATE_ROLLBACK_COMPLETE", NULL);
}

static const struct {
    const char *status;
    void (*step)(struct lab *, json_t *);
} steps[] = {{"CREATE_IN_PROGRESS", step_forward},
             {"UPDATE_IN_PROGRESS", step_forward},
             {"ROLLBACK_IN_PROGRESS", step_back},
             {"DELETE_IN_PROGRESS", step_back},
             {"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", step_cleanup},
             {"UPDATE_ROLLBACK_IN_PROGRESS", step_update_back}};

static void step(struct lab *lab, void *arg)
{
    struct aws_call c = aws_self(lab);
    json_t *stack = aws_get(&c, "stack", arg);
    for (size_t i = 0; stack && i < sizeof steps / sizeof *steps; i++) {
        if (aws_is(stack, "StackStatus", steps[i].status)) {
            steps[i].step(lab, stack);
            break;
        }
    }
    if (stack && cfn_busy(stack)) {
        lab_after(lab, STEP_MS, step, arg);
        return;
    }
    json_object_del(stack, "_running");
    free(arg);
}

void cfn_resume(struct lab *lab, json_t *stack)
{
    if (json_is_true(json_object_get(stack, "_running")))
        return;
    json_object_set_new(stack, "_running", json_true());
    lab_after(lab, STEP_MS, step, lab_strdup(aws_text(stack, "StackId")));
}

void cfn_run(struct lab *lab, json_t *stack)
{
    const char *logical;
    json_t *record;
    if (!json_object_get(stack, "_settled") || !strcmp(aws_text(stack, "StackStatus"), "UPDATE_IN_PROGRESS"))
        json_object_set_new(stack, "_settled", json_object());
    json_object_foreach(json_object_get(stack, "_resources"), logical, record)
        json_object_del(record, "_fresh");
    cfn_resume(lab, stack); // a deletion takes over from the step that comes anyway
}
