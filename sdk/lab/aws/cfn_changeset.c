// Change sets: what would change, said before it does.
#include "cfn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READY_MS = 50 };
#define PAGE "10" // changes of one answer: few, so that a test has several pages

#define NOTHING                                                                                              \
    "The submitted information didn't contain changes. Submit different information to create a change set."

static json_t *find(struct aws_call *c, json_t **stack)
{
    const char *name = aws_need(c, "ChangeSetName"), *stack_name = aws_str(c, "StackName"), *id, *key;
    json_t *set, *each;
    if (!name)
        return NULL;
    json_object_foreach(aws_all(c, "stack"), id, each)
    {
        if (stack_name && each != cfn_stack(c, stack_name))
            continue;
        json_object_foreach(json_object_get(each, "_changesets"), key, set)
        {
            if (!strcmp(key, name) || (stack_name && aws_is(set, "ChangeSetName", name))) {
                *stack = each;
                return set;
            }
        }
    }
    if (stack_name && !cfn_stack(c, stack_name))
        return aws_fail(c, 404, "ChangeSetNotFound", "Stack [%s] does not exist", stack_name);
    return aws_fail(c, 404, "ChangeSetNotFound", "ChangeSet [%s] does not exist", name);
}

// One property of a resource that is changed.
static void add_detail(json_t *change, const char *type, const char *name)
{
    bool again = cfn_replaces(type, name);
    json_t *scope = json_object_get(change, "Scope");
    json_array_append_new(json_object_get(change, "Details"),
                          json_pack("{s{ss ss ss} ss ss}", "Target", "Attribute", "Properties", "Name", name,
                                    "RequiresRecreation", again ? "Always" : "Never", "Evaluation", "Static",
                                    "ChangeSource", "DirectModification"));
    if (again)
        json_object_set_new(change, "Replacement", json_string("True"));
    if (!json_array_size(scope))
        json_array_append_new(scope, json_string("Properties"));
}

static void add_details(json_t *change, const json_t *before, const json_t *after)
{
    json_t *was = json_object_get(before, "Properties"), *is = json_object_get(after, "Properties"), *value;
    const char *name, *type = aws_text(after, "Type");
    json_object_foreach(is, name, value)
    {
        if (!json_equal(json_object_get(was, name), value))
            add_detail(change, type, name);
    }
    json_object_foreach(was, name, value)
    {
        if (!json_object_get(is, name))
            add_detail(change, type, name);
    }
}

// The new change, borrowed from the list.
static json_t *add_change(json_t *changes, const char *action, const char *logical, const json_t *resource,
                          const json_t *record)
{
    json_t *change = json_pack(
        "{ss ss ss s[] s[]}", "Action", action, "LogicalResourceId", logical, "ResourceType",
        resource ? aws_text(resource, "Type") : aws_text(record, "ResourceType"), "Scope", "Details");
    if (record)
        json_object_set(change, "PhysicalResourceId", json_object_get(record, "PhysicalResourceId"));
    if (!strcmp(action, "Modify"))
        json_object_set_new(change, "Replacement", json_string("False"));
    json_array_append_new(changes, json_pack("{ssso}", "Type", "Resource", "ResourceChange", change));
    return change;
}

static bool same_tags(const json_t *stack, const json_t *tags)
{
    return !tags || json_equal(tags, json_object_get(stack, "Tags"));
}

// tags: of the call, NULL: it says nothing of them.
static json_t *changes_of(const json_t *stack, const json_t *template, const json_t *values,
                          const json_t *tags)
{
    json_t *changes = json_array(), *resource,
           *old = json_object_get(json_object_get(stack, "_template"), "Resources");
    bool other_values = !json_equal(values, json_object_get(stack, "_parameters"));
    json_t *records = json_object_get(stack, "_resources");
    const char *logical;
    json_object_foreach(json_object_get(template, "Resources"), logical, resource)
    {
        const json_t *before = json_object_get(old, logical), *record = json_object_get(records, logical);
        if (!record) {
            add_change(changes, "Add", logical, resource, NULL);
        } else if (other_values || !json_equal(json_object_get(before, "Properties"),
                                               json_object_get(resource, "Properties"))) {
            add_details(add_change(changes, "Modify", logical, resource, record), before, resource);
        } else if (!same_tags(stack, tags) && cfn_taggable(aws_text(resource, "Type"))) {
            json_t *change = add_change(changes, "Modify", logical, resource, record);
            json_array_append_new(json_object_get(change, "Scope"), json_string("Tags"));
            json_array_append_new(json_object_get(change, "Details"),
                                  json_pack("{s{ss ss} ss ss}", "Target", "Attribute", "Tags",
                                            "RequiresRecreation", "Never", "Evaluation", "Static",
                                            "ChangeSource", "DirectModification"));
        }
    }
    json_object_foreach(old, logical, resource)
    {
        if (!json_object_get(json_object_get(template, "Resources"), logical))
            add_change(changes, "Remove", logical, NULL, json_object_get(records, logical));
    }
    return changes;
}

static void becomes_ready(struct lab *lab, void *arg)
{
    struct aws_call c = aws_self(lab);
    const char *id, *key;
    json_t *stack, *set;
    json_object_foreach(aws_all(&c, "stack"), id, stack)
    {
        json_object_foreach(json_object_get(stack, "_changesets"), key, set)
        {
            if (strcmp(key, arg) != 0)
                continue;
            bool empty = !json_array_size(json_object_get(set, "Changes"));
            json_object_set_new(set, "Status", json_string(empty ? "FAILED" : "CREATE_COMPLETE"));
            json_object_set_new(set, "ExecutionStatus", json_string(empty ? "UNAVAILABLE" : "AVAILABLE"));
            if (empty)
                json_object_set_new(set, "StatusReason", json_string(NOTHING));
        }
    }
    free(arg);
}

// The stack that a change set is for: found, or made for review. NULL after aws_fail().
static json_t *target(struct aws_call *c, const char *name)
{
    const char *kind = aws_str(c, "ChangeSetType");
    bool create = kind && !strcmp(kind, "CREATE");
    json_t *stack = cfn_stack(c, name);
    if (create && stack && !aws_is(stack, "StackStatus", "REVIEW_IN_PROGRESS"))
        return aws_fail(c, 400, "ValidationError",
                        "Stack [%s] already exists and cannot be created again with the changeSet [%s].",
                        name, aws_str(c, "ChangeSetName"));
    if (!create && !stack)
        return aws_fail(c, 400, "ValidationError", "Stack [%s] does not exist", name);
    if (!create && !cfn_may_update(c, stack))
        return NULL;
    return stack ? stack : cfn_new_stack(c, name, "REVIEW_IN_PROGRESS");
}

static json_t *ids_of(const json_t *set)
{
    return json_pack("{sOsO}", "Id", json_object_get(set, "ChangeSetId"), "StackId",
                     json_object_get(set, "StackId"));
}

static json_t *earlier_of(struct aws_call *c, const char *stack_name, const char *name)
{
    const char *key, *token = aws_str(c, "ClientToken");
    json_t *set;
    json_object_foreach(json_object_get(cfn_stack(c, stack_name), "_changesets"), key, set)
    {
        if (!aws_is(set, "ChangeSetName", name))
            continue;
        if (token && aws_is(set, "_token", token))
            return ids_of(set);
        return aws_fail(c, 400, "AlreadyExistsException", "ChangeSet %s already exists", name);
    }
    return NULL;
}

static json_t *create(struct aws_call *c)
{
    const char *stack_name = aws_need(c, "StackName"),
               *name = stack_name ? aws_need(c, "ChangeSetName") : NULL;
    if (!name || (strncmp(stack_name, "arn:", 4) != 0 && !cfn_name_good(c, stack_name)))
        return NULL;
    json_t *earlier = earlier_of(c, stack_name, name), *known = cfn_stack(c, stack_name);
    if (earlier || c->status)
        return earlier;
    const char *body = cfn_body(c, known);
    json_t *template = cfn_template(c, body);
    json_t *values = template ? cfn_parameters(c, template, json_object_get(known, "_parameters")) : NULL;
    json_t *stack = values ? target(c, stack_name) : NULL;
    if (!stack) {
        json_decref(template);
        json_decref(values);
        return NULL;
    }
    char *hex = lab_id("", 32), *now = lab_now();
    char *id = lab_format("arn:aws:cloudformation:" AWS_REGION ":" AWS_ACCOUNT
                          ":changeSet/%s/%.8s-%.4s-4%.3s-%.4s-%.12s",
                          name, hex, hex + 8, hex + 13, hex + 16, hex + 20);
    json_t *set =
        json_pack("{ss ss sO sO ss ss ss so so ss so so}", "ChangeSetId", id, "ChangeSetName", name,
                  "StackId", json_object_get(stack, "StackId"), "StackName",
                  json_object_get(stack, "StackName"), "Status", "CREATE_IN_PROGRESS", "ExecutionStatus",
                  "UNAVAILABLE", "CreationTime", now, "Parameters", cfn_shown_parameters(template, values),
                  "Changes", changes_of(stack, template, values, aws_list(c, "Tags")), "_body", body,
                  "_template", template, "_values", values);
    json_object_set_new(set, "_token",
                        json_string(aws_str(c, "ClientToken") ? aws_str(c, "ClientToken") : ""));
    json_object_set_new(set, "Tags",
                        aws_list(c, "Tags") ? json_deep_copy(aws_list(c, "Tags")) : json_array());
    json_object_set_new(json_object_get(stack, "_changesets"), id, set);
    lab_after(c->lab, READY_MS, becomes_ready, lab_strdup(id));
    free(hex), free(now), free(id);
    return ids_of(set);
}

static json_t *describe(struct aws_call *c)
{
    json_t *stack, *set = find(c, &stack);
    if (!set)
        return NULL;
    // A page at a time, as AWS answers: who reads the first alone knows half of what would change.
    json_t *answer = json_copy(set),
           *page = aws_page(c, "Changes", json_incref(json_object_get(set, "Changes")), PAGE,
                            aws_str(c, "NextToken")),
           *next = json_object_get(page, "nextToken");
    if (page)
        json_object_set(answer, "Changes", json_object_get(page, "Changes"));
    if (next)
        json_object_set(answer, "NextToken", next);
    if (!page)
        json_decref(answer);
    else
        json_decref(page);
    return page ? answer : NULL;
}

static json_t *list(struct aws_call *c)
{
    const char *name = aws_need(c, "StackName"), *key;
    json_t *stack = name ? cfn_stack(c, name) : NULL, *all = json_array(), *set;
    json_object_foreach(json_object_get(stack, "_changesets"), key, set) json_array_append(all, set);
    json_t *answer = stack ? json_pack("{sO}", "Summaries", all) : NULL;
    json_decref(all);
    if (name && !stack)
        return aws_fail(c, 400, "ValidationError", "Stack [%s] does not exist", name);
    return answer;
}

static json_t *execute(struct aws_call *c)
{
    json_t *stack, *set = find(c, &stack);
    if (!set)
        return NULL;
    if (!aws_is(set, "ExecutionStatus", "AVAILABLE"))
        return aws_fail(c, 400, "InvalidChangeSetStatus",
                        "ChangeSet [%s] cannot be executed in its current status of [%s]",
                        aws_text(set, "ChangeSetId"), aws_text(set, "Status"));
    json_t *template = json_incref(json_object_get(set, "_template")),
           *values = json_incref(json_object_get(set, "_values"));
    json_object_set_new(set, "ExecutionStatus", json_string("EXECUTE_COMPLETE"));
    json_object_set(stack, "ChangeSetId", json_object_get(set, "ChangeSetId"));
    json_t *merged = json_copy((json_t *)(uintptr_t)c->p); // tags were said when the change set was made
    json_object_set(merged, "Tags", json_object_get(set, "Tags"));
    const json_t *own = c->p;
    c->p = merged;
    if (aws_is(stack, "StackStatus", "REVIEW_IN_PROGRESS")) {
        cfn_lay(c, stack, aws_text(set, "_body"), template, values);
        cfn_set_status(stack, "CREATE_IN_PROGRESS", "User Initiated");
        cfn_run(c->lab, stack);
    } else if (cfn_may_update(c, stack)) {
        cfn_begin_update(c, stack, aws_text(set, "_body"), template, values);
    } else {
        json_decref(template);
        json_decref(values);
    }
    c->p = own;
    json_decref(merged);
    return c->status ? NULL : json_object();
}

static json_t *delete (struct aws_call *c)
{
    json_t *stack = NULL, *set = find(c, &stack);
    if (!set && cfn_stack(c, aws_str(c, "StackName"))) { // deleting what is not there is no error
        c->status = 0;
        return json_object();
    }
    if (!set)
        return NULL;
    char *id = lab_strdup(aws_text(set, "ChangeSetId"));
    json_object_del(json_object_get(stack, "_changesets"), id);
    free(id);
    return json_object();
}

const struct aws_action cfn_changeset_actions[] = {
    {"CreateChangeSet", create, true}, {"DescribeChangeSet", describe, false},
    {"ListChangeSets", list, false},   {"ExecuteChangeSet", execute, true},
    {"DeleteChangeSet", delete, true}, {NULL, NULL, false}};
