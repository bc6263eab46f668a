// Stacks made and changed, always through a change set that was compared with what is wanted before it is executed.
#include "stack_internal.h"

#include <isthmus/alloc.h>
#include <isthmus/crypto.h>

#include <openssl/evp.h>
#include <string.h>

#define TEMPLATE_MAX 51200 // bytes of TemplateBody: CloudFormation's quotas

// ---- change sets ----

struct change {
    const ist_env *env;
    ist_aws *aws;
    const ist_stack_change *c;
    char set[48]; // its name
    bool create;
};

// One name for one token, template and state of the stack, so that a run after a kill finds the change set of the one
// before, and a change back and forth never the one that was executed long ago.
static void name_set(struct change *ch, const json_t *stack)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const json_t *now = ch->create ? NULL : stack;
    char *text =
        ist_printf("%s\n%s\n%s\n%s", ch->c->token, ch->c->template_body,
                   ist_json_str_or(now, "LastUpdatedTime", ""), ist_json_str_or(now, "ChangeSetId", ""));
    EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL);
    ist_free(text);
    memcpy(ch->set, STACK_OURS, sizeof STACK_OURS);
    for (size_t i = 0; i < 16; i++) {
        ch->set[8 + 2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ch->set[9 + 2 * i] = "0123456789abcdef"[digest[i] & 15];
    }
    ch->set[40] = 0;
}

static json_t *tag_list(const ist_stack_change *c)
{
    json_t *list = json_pack("[{ss ss}]", "Key", IST_STACK_TOKEN_TAG, "Value", c->token), *value;
    const char *key;
    json_object_foreach((json_t *)c->tags, key, value)
    {
        if (json_is_string(value))
            json_array_append_new(list, json_pack("{ss sO}", "Key", key, "Value", value));
    }
    return list;
}

static json_t *set_params(const struct change *ch)
{
    return json_pack("{ss ss}", "StackName", ch->c->name, "ChangeSetName", ch->set);
}

static int32_t create_set(struct change *ch, ist_error *err)
{
    char once[33]; // of this call alone: its name is what tells it from others
    json_t *params = set_params(ch);
    ist_random_hex(16, once);
    json_object_set_new(params, "ChangeSetType", json_string(ch->create ? "CREATE" : "UPDATE"));
    json_object_set_new(params, "TemplateBody", json_string(ch->c->template_body));
    json_object_set_new(params, "ClientToken", json_string(once));
    json_object_set_new(params, "Tags", tag_list(ch->c));
    ist_error failed = {0};
    int32_t rc = ist_aws_query(ch->aws, "cloudformation", "CreateChangeSet", params, NULL, &failed);
    if (rc != IST_OK && strcmp(ist_aws_error_code(ch->aws), "AlreadyExistsException") == 0)
        rc = IST_OK; // of the run before
    if (rc != IST_OK && err)
        *err = failed;
    json_decref(params);
    return rc;
}

static bool says_no_change(const char *reason)
{
    return strstr(reason, "didn't contain changes") || strstr(reason, "No updates are to be performed");
}

static int32_t delete_set(struct change *ch)
{
    json_t *params = set_params(ch);
    int32_t rc = ist_aws_query(ch->aws, "cloudformation", "DeleteChangeSet", params, NULL, NULL);
    json_decref(params);
    return rc;
}

// The change set as it is. *set is a new reference.
static int32_t describe_set(struct change *ch, json_t **set, ist_error *err)
{
    json_t *params = set_params(ch);
    json_t *now = NULL, *all = NULL;
    int32_t rc = ist_aws_query(ch->aws, "cloudformation", "DescribeChangeSet", params, &now, err);
    if (rc == IST_OK && *ist_json_str_or(now, "NextToken", "")) { // many changes: the list is to be whole
        rc = ist_aws_query_all(ch->aws, "cloudformation", "DescribeChangeSet", params, "Changes", &all, err);
        if (rc == IST_OK)
            json_object_set_new(now, "Changes", all);
    }
    if (rc == IST_OK)
        *set = now;
    else
        json_decref(now);
    json_decref(params);
    return rc;
}

static bool is_executed(const json_t *set)
{
    return strncmp(ist_json_str_or(set, "ExecutionStatus", ""), "EXECUTE", 7) == 0;
}

// Waits until the change set can be executed. *nothing: it would change nothing. *set is a new reference.
static int32_t wait_set(struct change *ch, bool *nothing, json_t **set, ist_error *err)
{
    int64_t until = ist_now_ms(ch->env) + 5 * 60 * 1000, pause = ist_poll_ms(ch->env, STACK_POLL_MS);
    *nothing = false;
    for (;;) {
        json_t *now = NULL;
        int32_t rc = describe_set(ch, &now, err);
        if (rc != IST_OK)
            return rc;
        const char *status = ist_json_str_or(now, "Status", ""),
                   *reason = ist_json_str_or(now, "StatusReason", "");
        if (strcmp(status, "CREATE_COMPLETE") == 0) {
            *set = now;
            return IST_OK;
        }
        bool failed = strcmp(status, "FAILED") == 0;
        *nothing = failed && says_no_change(reason);
        if (failed && !*nothing)
            rc = ist_fail(err, IST_ERR_REMOTE, ch->c->name, "its change set failed: %s", reason);
        if (*nothing)
            delete_set(ch);
        else if (!failed)
            rc = stack_pause(ch->env, &pause, until, ch->c->name, status, err);
        json_decref(now);
        if (failed || rc != IST_OK)
            return rc;
    }
}

// A lost answer is looked into: what was not begun is begun again.
static int32_t execute_set(struct change *ch, ist_error *err)
{
    json_t *params = set_params(ch);
    int32_t rc = IST_ERR_NETWORK;
    json_object_set_new(params, "ClientRequestToken", json_string(ch->set));
    for (int tries = 0; rc == IST_ERR_NETWORK && tries < 3; tries++) {
        ist_error failed = {0};
        json_t *set = NULL;
        rc = ist_aws_query(ch->aws, "cloudformation", "ExecuteChangeSet", params, NULL, &failed);
        const char *code = ist_aws_error_code(ch->aws);
        if (rc == IST_ERR_NETWORK) {
            // Gone once it is executed, or it says so.
            int32_t seen = describe_set(ch, &set, NULL);
            if (seen == IST_OK ? is_executed(set) : seen == IST_ERR_NOT_FOUND)
                rc = IST_OK;
        } else if (rc != IST_OK && strcmp(code, "InvalidChangeSetStatus") == 0) {
            rc = IST_OK; // that a run before has executed: the stack itself tells
        }
        json_decref(set);
        if (rc != IST_OK && err)
            *err = failed;
    }
    json_decref(params);
    return rc;
}

// What CloudFormation would do is what was planned, or nothing is done.
static int32_t check_set(struct change *ch, const json_t *set, const json_t *stack, ist_error *err)
{
    json_t *after = NULL, *none = json_object(), *tag, *value;
    const char *key;
    size_t i, wanted = 1;
    bool tags = false;
    if (!ch->c->before && !ch->create) {
        json_decref(none);
        return IST_OK;
    }
    json_array_foreach(json_object_get(stack, "Tags"), i, tag)
    {
        const char *name = ist_json_str_or(tag, "Key", "");
        const char *is = json_string_value(json_object_get(ch->c->tags, name));
        tags = tags || (strcmp(name, IST_STACK_TOKEN_TAG) != 0 &&
                        (!is || strcmp(is, ist_json_str_or(tag, "Value", "")) != 0));
    }
    json_object_foreach((json_t *)ch->c->tags, key, value) wanted++;
    tags = tags || wanted != json_array_size(json_object_get(stack, "Tags"));
    int32_t rc = ist_json_parse(ch->c->template_body, strlen(ch->c->template_body), ch->c->name, &after, err);
    if (rc == IST_OK)
        rc = stack_check_changes(set, ch->create ? none : ch->c->before, after, tags, err);
    if (rc == IST_ERR_CONFLICT)
        ist_hint(err, "the change set was deleted and nothing was changed: plan again");
    json_decref(after);
    json_decref(none);
    return rc;
}

// ---- the stack as it stands ----

static bool never_worked(const char *status)
{
    return strcmp(status, "ROLLBACK_COMPLETE") == 0 || strcmp(status, "CREATE_FAILED") == 0 ||
           strcmp(status, "ROLLBACK_FAILED") == 0 || strcmp(status, "DELETE_FAILED") == 0;
}

// What cannot be taken back can be left as it is, by a person who has looked at it.
static void tell_ways_out(ist_aws *aws, const char *name, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", name), *answer = NULL, *one;
    ist_buf failed = {.max = 1024};
    size_t i;
    (void)ist_aws_query(aws, "cloudformation", "DescribeStackResources", params, &answer, NULL);
    json_array_foreach(json_object_get(answer, "StackResources"), i, one)
    {
        if (stack_ends_with(ist_json_str_or(one, "ResourceStatus", ""), "_FAILED"))
            ist_buf_printf(&failed, " %s", ist_json_str_or(one, "LogicalResourceId", ""));
    }
    if (failed.len > 0)
        ist_hint(
            err,
            "mend what it names and apply again; or leave it out of the rollback, and apply mends it: `aws "
            "cloudformation continue-update-rollback --stack-name %s --resources-to-skip%s`; or `destroy`, "
            "which removes the stack as it is",
            name, failed.data);
    else
        ist_hint(err, "mend what it names and apply again, or `destroy`, which removes the stack as it is");
    ist_buf_free(&failed);
    json_decref(params);
    json_decref(answer);
}

int32_t ist_stack_roll_back(const ist_env *env, ist_aws *aws, const char *name, int64_t timeout_ms,
                            ist_error *err)
{
    json_t *params = stack_request(name), *stack = NULL;
    ist_log(env, IST_LOG_WARN, "stack %s is UPDATE_ROLLBACK_FAILED: its rollback is continued", name);
    ist_error failed = {0};
    const int32_t asked =
        ist_aws_query(aws, "cloudformation", "ContinueUpdateRollback", params, NULL, &failed);
    json_decref(params);
    // Whether a call was done whose answer was lost shows at once.
    int32_t rc = ist_stack_wait(env, aws, name, timeout_ms, &stack, err);
    if (rc == IST_OK && asked != IST_OK && strcmp(stack_status(stack), "UPDATE_ROLLBACK_FAILED") == 0) {
        rc = asked;
        if (err)
            *err = failed;
    } else if (rc == IST_OK && strcmp(stack_status(stack), "UPDATE_ROLLBACK_FAILED") == 0) {
        rc = stack_tell_failure(aws, name, "UPDATE_ROLLBACK_FAILED", err);
        tell_ways_out(aws, ist_json_str_or(stack, "StackName", name), err);
    }
    json_decref(stack);
    return rc;
}

// Brings the stack into a state from which it can be changed, or made.
static int32_t prepare(struct change *ch, json_t **stack, ist_error *err)
{
    int32_t rc = ist_stack_wait(ch->env, ch->aws, ch->c->name, ch->c->timeout_ms, stack, err);
    ch->create = rc == IST_ERR_NOT_FOUND;
    if (rc != IST_OK)
        return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
    const char *status = stack_status(*stack);
    if (!ist_stack_is_of(*stack, ch->c->token))
        return ist_fail(err, IST_ERR_CONFLICT, ch->c->name,
                        "a stack of this name exists that this step did not make");
    if (strcmp(status, "REVIEW_IN_PROGRESS") == 0) {
        ch->create = true; // its change set is ours by name, or it has none: making one again does no harm
        return IST_OK;
    }
    if (strcmp(status, "UPDATE_ROLLBACK_FAILED") == 0) {
        rc = ist_stack_roll_back(ch->env, ch->aws, ch->c->name, ch->c->timeout_ms, err);
        json_decref(*stack);
        *stack = NULL;
        return rc == IST_OK ? ist_stack_find(ch->aws, ch->c->name, stack, err) : rc;
    }
    if (!never_worked(status))
        return IST_OK;
    ist_log(ch->env, IST_LOG_WARN, "stack %s is %s and never worked: it is removed and made anew",
            ch->c->name, status);
    rc = ist_stack_delete(ch->env, ch->aws, ist_json_str_or(*stack, "StackId", ch->c->name),
                          ch->c->timeout_ms, err);
    ch->create = true;
    json_decref(*stack);
    *stack = NULL;
    return rc;
}

static int32_t finish(struct change *ch, char **id, ist_error *err)
{
    json_t *stack = NULL;
    int32_t rc = ist_stack_wait(ch->env, ch->aws, ch->c->name, ch->c->timeout_ms, &stack, err);
    if (rc == IST_OK) {
        const char *status = stack_status(stack);
        *id = ist_strdup(ist_json_str_or(stack, "StackId", ch->c->name));
        if (strcmp(status, "CREATE_COMPLETE") != 0 && strcmp(status, "UPDATE_COMPLETE") != 0)
            rc = stack_tell_failure(ch->aws, *id, status, err);
        if (rc != IST_OK) {
            ist_free(*id);
            *id = NULL;
        }
    }
    json_decref(stack);
    return rc;
}

int32_t ist_stack_check_template(const char *name, const char *body, ist_error *err)
{
    size_t len = strlen(body);
    return len <= TEMPLATE_MAX
               ? IST_OK
               : ist_fail(err, IST_ERR_LIMIT, name, "its template has %zu bytes, and CloudFormation takes %d",
                          len, TEMPLATE_MAX);
}

// Executes the change set if it is what was planned. *nothing: there is nothing to do. One that is not executed is
// deleted, unless whether it was cannot be told.
static int32_t carry_out(struct change *ch, const json_t *stack, bool *nothing, ist_error *err)
{
    json_t *set = NULL;
    int32_t rc = wait_set(ch, nothing, &set, err);
    if (rc == IST_OK && !*nothing && !is_executed(set)) {
        rc = check_set(ch, set, stack, err);
        if (rc == IST_OK)
            rc = execute_set(ch, err);
    }
    if (rc != IST_OK && rc != IST_ERR_NETWORK)
        delete_set(ch);
    json_decref(set);
    return rc;
}

int32_t ist_stack_apply(const ist_env *env, ist_aws *aws, const ist_stack_change *c, char **id,
                        ist_error *err)
{
    struct change ch = {.env = env, .aws = aws, .c = c};
    json_t *stack = NULL;
    bool nothing = false;
    int32_t rc = ist_stack_check_template(c->name, c->template_body, err);
    if (rc == IST_OK)
        rc = prepare(&ch, &stack, err);
    if (rc == IST_OK) {
        name_set(&ch, stack);
        rc = create_set(&ch, err);
    }
    if (rc == IST_OK)
        rc = carry_out(&ch, stack, &nothing, err);
    if (rc == IST_OK && nothing)
        *id = ist_strdup(ist_json_str_or(stack, "StackId", c->name));
    else if (rc == IST_OK)
        rc = finish(&ch, id, err);
    json_decref(stack);
    return rc;
}
