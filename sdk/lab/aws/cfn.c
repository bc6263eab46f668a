// CloudFormation: the calls on stacks. Change sets are in cfn_changeset.c.
#include "cfn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *no_stack(struct aws_call *c, const char *name)
{
    return aws_fail(c, 400, "ValidationError", "Stack with id %s does not exist", name);
}

static json_t *call_stack(struct aws_call *c)
{
    const char *name = aws_need(c, "StackName");
    json_t *stack = name ? cfn_stack(c, name) : NULL;
    return !name ? NULL : stack ? stack : no_stack(c, name);
}

// ---- what a call lays down in a stack ----

json_t *cfn_shown_parameters(const json_t *template, const json_t *values)
{
    json_t *list = json_array(), *value;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)values, key, value)
    {
        const json_t *declared = json_object_get(json_object_get(template, "Parameters"), key);
        const json_t *hidden = json_object_get(declared, "NoEcho");
        bool hide =
            json_is_true(hidden) || (json_is_string(hidden) && !strcmp(json_string_value(hidden), "true"));
        json_array_append_new(list, json_pack("{ssso}", "ParameterKey", key, "ParameterValue",
                                              hide ? json_string("****") : json_incref(value)));
    }
    return list;
}

bool cfn_name_good(struct aws_call *c, const char *name)
{
    size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
    bool valid = name[0] && good == strlen(name) && good <= 128 && !strchr("0123456789-", name[0]);
    if (!valid)
        aws_fail(c, 400, "ValidationError",
                 "1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: "
                 "Member must satisfy "
                 "regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
                 name);
    return valid;
}

// Puts template, parameters and the call's other words into a stack; steals template and values.
void cfn_lay(struct aws_call *c, json_t *stack, const char *body, json_t *template, json_t *values)
{
    const char *token = aws_str(c, "ClientRequestToken"), *description = aws_text(template, "Description");
    json_object_set_new(stack, "_body", json_string(body));
    json_object_set_new(stack, "Parameters", cfn_shown_parameters(template, values));
    json_object_set_new(stack, "_template", template);
    json_object_set_new(stack, "_parameters", values);
    json_object_set_new(stack, "_token", json_string(token ? token : ""));
    if (*description)
        json_object_set_new(stack, "Description", json_string(description));
    if (aws_list(c, "Tags"))
        json_object_set_new(stack, "Tags", json_deep_copy(aws_list(c, "Tags")));
    if (aws_list(c, "Capabilities"))
        json_object_set_new(stack, "Capabilities", json_deep_copy(aws_list(c, "Capabilities")));
    const char *on_failure = aws_str(c, "OnFailure");
    bool keep = aws_bool(c, "DisableRollback", false) || (on_failure && !strcmp(on_failure, "DO_NOTHING"));
    json_object_set_new(stack, "DisableRollback", json_boolean(keep));
}

// The body of the call, or (UsePreviousTemplate) of the stack.
const char *cfn_body(const struct aws_call *c, const json_t *stack)
{
    return aws_bool(c, "UsePreviousTemplate", false) ? aws_text(stack, "_body") : aws_str(c, "TemplateBody");
}

static json_t *create_stack(struct aws_call *c)
{
    const char *name = aws_need(c, "StackName"), *body = aws_str(c, "TemplateBody");
    const char *token = aws_str(c, "ClientRequestToken");
    if (!name || !cfn_name_good(c, name))
        return NULL;
    json_t *stack = cfn_stack(c, name);
    if (stack && token && aws_is(stack, "_token", token))
        return json_pack("{sO}", "StackId", json_object_get(stack, "StackId"));
    if (stack)
        return aws_fail(c, 400, "AlreadyExistsException", "Stack [%s] already exists", name);
    json_t *template = cfn_template(c, body), *values = template ? cfn_parameters(c, template, NULL) : NULL;
    if (!values) {
        json_decref(template);
        return NULL;
    }
    stack = cfn_new_stack(c, name, "CREATE_IN_PROGRESS");
    cfn_lay(c, stack, body, template, values);
    cfn_run(c->lab, stack);
    return json_pack("{sO}", "StackId", json_object_get(stack, "StackId"));
}

bool cfn_may_update(struct aws_call *c, const json_t *stack)
{
    const char *status = aws_text(stack, "StackStatus");
    static const char *const good[] = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!strcmp(status, good[i]))
            return true;
    }
    aws_fail(c, 400, "ValidationError", "Stack:%s is in %s state and can not be updated.",
             aws_text(stack, "StackId"), status);
    return false;
}

// Sets a stack to work on a new template; steals template and values.
void cfn_begin_update(struct aws_call *c, json_t *stack, const char *body, json_t *template, json_t *values)
{
    char *now = lab_now();
    json_object_set_new(stack, "_before",
                        json_pack("{sO sO sO}", "_body", json_object_get(stack, "_body"), "_template",
                                  json_object_get(stack, "_template"), "_parameters",
                                  json_object_get(stack, "_parameters")));
    json_object_set_new(stack, "LastUpdatedTime", json_string(now));
    json_t *tags = json_incref(json_object_get(stack, "Tags")), *record;
    const char *logical;
    cfn_lay(c, stack, body, template, values);
    json_object_foreach(json_object_get(stack, "_resources"), logical, record)
        cfn_retag(c->lab, record, tags, json_object_get(stack, "Tags"));
    json_decref(tags);
    cfn_set_status(stack, "UPDATE_IN_PROGRESS", "User Initiated");
    cfn_run(c->lab, stack);
    free(now);
}

static json_t *update_stack(struct aws_call *c)
{
    json_t *stack = call_stack(c);
    const char *body = stack && cfn_may_update(c, stack) ? cfn_body(c, stack) : NULL;
    if (c->status)
        return NULL;
    json_t *template = cfn_template(c, body);
    json_t *values = template ? cfn_parameters(c, template, json_object_get(stack, "_parameters")) : NULL;
    if (!values) {
        json_decref(template);
        return NULL;
    }
    // What the world looks like does not count: only what was said before and what is said now.
    if (json_equal(json_object_get(template, "Resources"),
                   json_object_get(json_object_get(stack, "_template"), "Resources")) &&
        json_equal(values, json_object_get(stack, "_parameters"))) {
        json_decref(template);
        json_decref(values);
        return aws_fail(c, 400, "ValidationError", "No updates are to be performed.");
    }
    char *copy = lab_strdup(body);
    cfn_begin_update(c, stack, copy, template, values);
    free(copy);
    return json_pack("{sO}", "StackId", json_object_get(stack, "StackId"));
}

// What failed stays as it is, whatever that is: the stack takes it for done. False after aws_fail().
static bool skip_resources(struct aws_call *c, json_t *stack)
{
    const json_t *list = aws_list(c, "ResourcesToSkip");
    json_t *name;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list, i, name)
    {
        json_t *record = json_object_get(json_object_get(stack, "_resources"), json_string_value(name));
        if (!strstr(aws_text(record, "ResourceStatus"), "_FAILED")) {
            aws_fail(c, 400, "ValidationError", "Resource [%s] cannot be skipped: it did not fail",
                     json_string_value(name));
            return false;
        }
        json_object_del(record, "_fresh");
        json_object_set_new(record, "ResourceStatus", json_string("UPDATE_COMPLETE"));
    }
    return true;
}

static json_t *continue_rollback(struct aws_call *c)
{
    const char *token = aws_str(c, "ClientRequestToken");
    json_t *stack = call_stack(c);
    if (!stack)
        return NULL;
    if (!aws_is(stack, "StackStatus", "UPDATE_ROLLBACK_FAILED"))
        return aws_fail(c, 400, "ValidationError",
                        "Stack:%s is in %s state and can not continue its rollback.",
                        aws_text(stack, "StackId"), aws_text(stack, "StackStatus"));
    if (!skip_resources(c, stack))
        return NULL;
    json_object_set_new(stack, "_token", json_string(token ? token : ""));
    cfn_set_status(stack, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated");
    cfn_resume(c->lab, stack);
    return json_object();
}

static json_t *delete_stack(struct aws_call *c)
{
    const char *name = aws_need(c, "StackName"), *token = aws_str(c, "ClientRequestToken");
    json_t *stack = name ? cfn_stack(c, name) : NULL;
    if (!name)
        return NULL;
    if (!stack || aws_is(stack, "StackStatus", "DELETE_COMPLETE") ||
        aws_is(stack, "StackStatus", "DELETE_IN_PROGRESS"))
        return json_object(); // deleting what is not there is no error
    if (json_is_true(json_object_get(stack, "EnableTerminationProtection")))
        return aws_fail(c, 400, "ValidationError",
                        "Stack [%s] cannot be deleted while TerminationProtection is enabled",
                        aws_text(stack, "StackName"));
    // One that is being made is given up at once; one that is being changed comes to an end first.
    if (!strncmp(aws_text(stack, "StackStatus"), "UPDATE_", 7) &&
        strstr(aws_text(stack, "StackStatus"), "_IN_PROGRESS"))
        return aws_fail(c, 400, "ValidationError", "Stack [%s] cannot be deleted while in status %s",
                        aws_text(stack, "StackName"), aws_text(stack, "StackStatus"));
    json_object_set_new(stack, "_token", json_string(token ? token : ""));
    cfn_set_status(stack, "DELETE_IN_PROGRESS", "User Initiated");
    cfn_run(c->lab, stack);
    return json_object();
}

static json_t *protect_stack(struct aws_call *c)
{
    const char *name = aws_need(c, "StackName"), *on = aws_need(c, "EnableTerminationProtection");
    json_t *stack = name && on ? cfn_stack(c, name) : NULL;
    if (name && on && !stack)
        return aws_fail(c, 400, "ValidationError", "Stack with id %s does not exist", name);
    if (!stack)
        return NULL;
    json_object_set_new(stack, "EnableTerminationProtection", json_boolean(!strcmp(on, "true")));
    return json_pack("{sO}", "StackId", json_object_get(stack, "StackId"));
}

// ---- reading ----

static json_t *shown(const json_t *stack)
{
    return json_incref((json_t *)(uintptr_t)stack); // members of the lab's own never reach the XML
}

static json_t *paged(struct aws_call *c, const char *set, json_t *all)
{
    json_t *answer = aws_page(c, set, all, "100", aws_str(c, "NextToken")),
           *next = json_object_get(answer, "nextToken");
    if (next) {
        json_object_set(answer, "NextToken", next);
        json_object_del(answer, "nextToken");
    }
    return answer;
}

static json_t *describe_stacks(struct aws_call *c)
{
    const char *name = aws_str(c, "StackName"), *id;
    json_t *found = json_array(), *stack;
    if (name) {
        stack = cfn_stack(c, name);
        if (!stack) {
            json_decref(found);
            return no_stack(c, name);
        }
        json_array_append_new(found, shown(stack));
    } else {
        json_object_foreach(aws_all(c, "stack"), id, stack)
        {
            if (!aws_is(stack, "StackStatus", "DELETE_COMPLETE"))
                json_array_append_new(found, shown(stack));
        }
    }
    return paged(c, "Stacks", found);
}

static json_t *list_stacks(struct aws_call *c)
{
    const json_t *wanted = aws_list(c, "StackStatusFilter");
    json_t *found = json_array(), *stack, *status;
    const char *id;
    size_t i;
    json_object_foreach(aws_all(c, "stack"), id, stack)
    {
        bool good = !wanted;
        json_array_foreach(wanted, i, status) good =
            good || aws_is(stack, "StackStatus", json_string_value(status));
        if (good)
            json_array_append_new(found, shown(stack));
    }
    return paged(c, "StackSummaries", found);
}

static json_t *describe_events(struct aws_call *c)
{
    json_t *stack = call_stack(c);
    return stack ? paged(c, "StackEvents", json_copy(json_object_get(stack, "_events"))) : NULL;
}

static json_t *records(const json_t *stack, const char *logical)
{
    json_t *list = json_array(), *record;
    const char *key;
    json_object_foreach(json_object_get(stack, "_resources"), key, record)
    {
        if (!logical || !strcmp(key, logical)) {
            json_t *copy = json_copy(record);
            json_object_set(copy, "LastUpdatedTimestamp", json_object_get(record, "Timestamp"));
            json_array_append_new(list, copy);
        }
    }
    return list;
}

static json_t *describe_resources(struct aws_call *c)
{
    json_t *stack = call_stack(c);
    return stack ? json_pack("{so}", "StackResources", records(stack, aws_str(c, "LogicalResourceId")))
                 : NULL;
}

static json_t *list_resources(struct aws_call *c)
{
    json_t *stack = call_stack(c);
    return stack ? paged(c, "StackResourceSummaries", records(stack, NULL)) : NULL;
}

static json_t *describe_resource(struct aws_call *c)
{
    json_t *stack = call_stack(c);
    const char *logical = stack ? aws_need(c, "LogicalResourceId") : NULL;
    if (!logical)
        return NULL;
    json_t *list = records(stack, logical);
    json_t *answer = json_array_size(list)
                         ? json_pack("{sO}", "StackResourceDetail", json_array_get(list, 0))
                         : aws_fail(c, 400, "ValidationError", "Resource %s does not exist for stack %s",
                                    logical, aws_text(stack, "StackName"));
    json_decref(list);
    return answer;
}

static json_t *get_template(struct aws_call *c)
{
    json_t *stack = call_stack(c);
    if (!stack)
        return NULL;
    return json_pack("{sss[ss]}", "TemplateBody", aws_text(stack, "_body"), "StagesAvailable", "Original",
                     "Processed");
}

static json_t *validate_template(struct aws_call *c)
{
    json_t *template = cfn_template(c, aws_str(c, "TemplateBody")), *parameter;
    const char *key;
    if (!template)
        return NULL;
    json_t *list = json_array();
    json_object_foreach(json_object_get(template, "Parameters"), key, parameter)
        json_array_append_new(list, json_pack("{ss ss* sb}", "ParameterKey", key, "DefaultValue",
                                              json_string_value(json_object_get(parameter, "Default")),
                                              "NoEcho", json_is_true(json_object_get(parameter, "NoEcho"))));
    json_t *answer =
        json_pack("{soss}", "Parameters", list, "Description", aws_text(template, "Description"));
    json_decref(template);
    return answer;
}

static const struct aws_action actions[] = {{"CreateStack", create_stack, true},
                                            {"UpdateStack", update_stack, true},
                                            {"ContinueUpdateRollback", continue_rollback, true},
                                            {"DeleteStack", delete_stack, true},
                                            {"UpdateTerminationProtection", protect_stack, true},
                                            {"DescribeStacks", describe_stacks, false},
                                            {"ListStacks", list_stacks, false},
                                            {"DescribeStackEvents", describe_events, false},
                                            {"DescribeStackResources", describe_resources, false},
                                            {"DescribeStackResource", describe_resource, false},
                                            {"ListStackResources", list_resources, false},
                                            {"GetTemplate", get_template, false},
                                            {"ValidateTemplate", validate_template, false},
                                            {NULL, NULL, false}};
static const struct aws_action *const tables[] = {actions, cfn_changeset_actions, NULL};
const struct aws_service aws_cfn = {.name = "cloudformation",
                                    .label = "CloudFormation",
                                    .xmlns = "http://cloudformation.amazonaws.com/doc/2010-05-15/",
                                    .item = "member",
                                    .tables = tables};
