// CloudFormation stacks through change sets.
#include <isthmus/alloc.h>
#include <isthmus/stack.h>

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#define POLL_FIRST_MS   300
#define POLL_MAX_MS     10000
#define DEFAULT_TIMEOUT (20 * 60 * 1000)

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static const char *status_of(const json_t *stack)
{
    return ist_json_str_or(stack, "StackStatus", "");
}

int32_t ist_stack_find(ist_aws *aws, const char *name, json_t **stack, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", name), *answer = NULL, *found;
    ist_error failed = {0};
    int32_t rc = ist_aws_query(aws, "cloudformation", "DescribeStacks", params, &answer, &failed);
    json_decref(params);
    // An unknown name is a ValidationError like any other; its text tells it apart.
    if (rc != IST_OK && strstr(failed.text, "does not exist"))
        rc = ist_fail(&failed, IST_ERR_NOT_FOUND, name, "there is no such stack");
    found = rc == IST_OK ? ist_json_at(answer, "Stacks[0]") : NULL;
    if (rc == IST_OK && (!found || strcmp(status_of(found), "DELETE_COMPLETE") == 0))
        rc = ist_fail(&failed, IST_ERR_NOT_FOUND, name, "there is no such stack");
    if (rc == IST_OK)
        *stack = json_incref(found);
    else if (err)
        *err = failed;
    json_decref(answer);
    return rc;
}

int32_t ist_stack_is_of(const json_t *stack, const char *token)
{
    const char *tag = stack ? ist_aws_tag(stack, IST_STACK_TOKEN_TAG) : NULL;
    return token && tag && strcmp(tag, token) == 0;
}

const char *ist_stack_output(const json_t *stack, const char *key)
{
    json_t *output;
    size_t i;
    json_array_foreach(json_object_get(stack, "Outputs"), i, output)
    {
        if (strcmp(ist_json_str_or(output, "OutputKey", ""), key) == 0)
            return ist_json_str(output, "OutputValue");
    }
    return NULL;
}

// ---- waiting ----

static int32_t pause_for(const ist_env *env, int64_t *pause, int64_t until, const char *where,
                         const char *status, ist_error *err)
{
    if (ist_now_ms(env) >= until)
        return ist_fail(err, IST_ERR_TIMEOUT, where, "still %s", status);
    int32_t rc = ist_sleep_ms(env, *pause);
    *pause = *pause * 3 / 2 < POLL_MAX_MS ? *pause * 3 / 2 : POLL_MAX_MS;
    return rc == IST_OK ? rc
                        : ist_fail(err, rc, where, "waiting was %s, it is %s", ist_code_name(rc), status);
}

int32_t ist_stack_wait(const ist_env *env, ist_aws *aws, const char *name, int64_t timeout_ms, json_t **stack,
                       ist_error *err)
{
    int64_t until = ist_now_ms(env) + (timeout_ms ? timeout_ms : DEFAULT_TIMEOUT), pause = POLL_FIRST_MS;
    for (;;) {
        json_t *now = NULL;
        int32_t rc = ist_stack_find(aws, name, &now, err);
        const char *status = status_of(now);
        // A stack under review is not under way: it waits for somebody to execute its change set.
        if (rc != IST_OK || !ends_with(status, "_IN_PROGRESS") || strcmp(status, "REVIEW_IN_PROGRESS") == 0) {
            if (rc == IST_OK)
                *stack = now;
            return rc;
        }
        ist_progress(env, "stack %s: %s", ist_json_str_or(now, "StackName", name), status);
        rc = pause_for(env, &pause, until, name, status, err);
        json_decref(now);
        if (rc != IST_OK)
            return rc;
    }
}

// The first event that failed says why; events come newest first, and a deletion's begin anew.
static int32_t tell_failure(ist_aws *aws, const char *name, const char *status, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", name), *events = NULL, *event;
    const json_t *first = NULL;
    size_t i;
    ist_aws_query_all(aws, "cloudformation", "DescribeStackEvents", params, "StackEvents", &events, NULL);
    json_array_foreach(events, i, event)
    {
        const char *reason = ist_json_str_or(event, "ResourceStatusReason", "");
        if (ends_with(ist_json_str_or(event, "ResourceStatus", ""), "_FAILED") &&
            !strstr(reason, "cancelled"))
            first = event;
    }
    int32_t rc = first ? ist_fail(err, IST_ERR_REMOTE, name, "%s: %s (%s): %s", status,
                                  ist_json_str_or(first, "LogicalResourceId", "?"),
                                  ist_json_str_or(first, "ResourceType", "?"),
                                  ist_json_str_or(first, "ResourceStatusReason", "no reason given"))
                       : ist_fail(err, IST_ERR_REMOTE, name, "%s", status);
    if (first && strstr(ist_json_str_or(first, "ResourceStatusReason", ""), "OptInRequired"))
        ist_hint(err, "subscribe to the router's image in the AWS Marketplace with this account first");
    json_decref(events);
    json_decref(params);
    return rc;
}

int32_t ist_stack_delete(const ist_env *env, ist_aws *aws, const char *name, int64_t timeout_ms,
                         ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", name), *stack = NULL;
    ist_error failed = {0};
    int32_t rc = ist_aws_query(aws, "cloudformation", "DeleteStack", params, NULL, err);
    json_decref(params);
    if (rc != IST_OK && rc != IST_ERR_NETWORK) // whether a lost call was done shows at once
        return rc;
    rc = ist_stack_wait(env, aws, name, timeout_ms, &stack, &failed);
    if (rc == IST_OK)
        rc = tell_failure(aws, name, status_of(stack), err);
    else if (rc == IST_ERR_NOT_FOUND)
        rc = IST_OK;
    else if (err)
        *err = failed;
    json_decref(stack);
    return rc;
}

// ---- change sets ----

struct change {
    const ist_env *env;
    ist_aws *aws;
    const ist_stack_change *c;
    char set[48]; // its name
    bool create;
};

// One name for one token and template, so that a second run finds the change set of the first.
static void name_set(struct change *ch)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char *text = ist_printf("%s\n%s", ch->c->token, ch->c->template_body);
    EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL);
    ist_free(text);
    memcpy(ch->set, "isthmus-", 9);
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
    json_t *params = set_params(ch);
    json_object_set_new(params, "ChangeSetType", json_string(ch->create ? "CREATE" : "UPDATE"));
    json_object_set_new(params, "TemplateBody", json_string(ch->c->template_body));
    json_object_set_new(params, "ClientToken", json_string(ch->set));
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

// Waits until the change set can be executed. *nothing: it would change nothing.
static int32_t wait_set(struct change *ch, bool *nothing, bool *executed, ist_error *err)
{
    int64_t until = ist_now_ms(ch->env) + 5 * 60 * 1000, pause = POLL_FIRST_MS;
    *nothing = *executed = false;
    for (;;) {
        json_t *params = set_params(ch), *set = NULL;
        int32_t rc = ist_aws_query(ch->aws, "cloudformation", "DescribeChangeSet", params, &set, err);
        json_decref(params);
        if (rc != IST_OK)
            return rc;
        const char *status = ist_json_str_or(set, "Status", ""),
                   *reason = ist_json_str_or(set, "StatusReason", "");
        bool done = strcmp(status, "CREATE_COMPLETE") == 0;
        *executed = done && strncmp(ist_json_str_or(set, "ExecutionStatus", ""), "EXECUTE", 7) == 0;
        if (strcmp(status, "FAILED") == 0) {
            *nothing = says_no_change(reason);
            if (!*nothing)
                rc = ist_fail(err, IST_ERR_REMOTE, ch->c->name, "its change set failed: %s", reason);
            done = true;
            delete_set(ch);
        }
        if (!done)
            rc = pause_for(ch->env, &pause, until, ch->c->name, status, err);
        json_decref(set);
        if (done || rc != IST_OK)
            return rc;
    }
}

static int32_t execute_set(struct change *ch, ist_error *err)
{
    json_t *params = set_params(ch);
    json_object_set_new(params, "ClientRequestToken", json_string(ch->set));
    ist_error failed = {0};
    int32_t rc = ist_aws_query(ch->aws, "cloudformation", "ExecuteChangeSet", params, NULL, &failed);
    json_decref(params);
    // A lost answer, or a set that a run before has executed: the stack itself tells.
    if (rc == IST_ERR_NETWORK ||
        (rc != IST_OK && strcmp(ist_aws_error_code(ch->aws), "InvalidChangeSetStatus") == 0))
        rc = IST_OK;
    if (rc != IST_OK && err)
        *err = failed;
    return rc;
}

// ---- the stack as it stands ----

static bool never_worked(const char *status)
{
    return strcmp(status, "ROLLBACK_COMPLETE") == 0 || strcmp(status, "CREATE_FAILED") == 0 ||
           strcmp(status, "ROLLBACK_FAILED") == 0 || strcmp(status, "DELETE_FAILED") == 0;
}

// Brings the stack into a state from which it can be changed, or made.
static int32_t prepare(struct change *ch, json_t **stack, ist_error *err)
{
    int32_t rc = ist_stack_wait(ch->env, ch->aws, ch->c->name, ch->c->timeout_ms, stack, err);
    ch->create = rc == IST_ERR_NOT_FOUND;
    if (rc != IST_OK)
        return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
    const char *status = status_of(*stack), *tag = ist_aws_tag(*stack, IST_STACK_TOKEN_TAG);
    if (!ist_stack_is_of(*stack, ch->c->token) && !(tag == NULL && strcmp(status, "REVIEW_IN_PROGRESS") == 0))
        return ist_fail(err, IST_ERR_CONFLICT, ch->c->name,
                        "a stack of this name exists that this step did not make");
    if (strcmp(status, "REVIEW_IN_PROGRESS") == 0) {
        ch->create = true; // its change set is ours by name, or it has none: making one again does no harm
        return IST_OK;
    }
    if (strcmp(status, "UPDATE_ROLLBACK_FAILED") == 0) {
        json_t *params = json_pack("{ss}", "StackName", ch->c->name);
        rc = ist_aws_query(ch->aws, "cloudformation", "ContinueUpdateRollback", params, NULL, err);
        json_decref(params);
        json_decref(*stack);
        *stack = NULL;
        return rc == IST_OK ? ist_stack_wait(ch->env, ch->aws, ch->c->name, ch->c->timeout_ms, stack, err)
                            : rc;
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
        const char *status = status_of(stack);
        *id = ist_strdup(ist_json_str_or(stack, "StackId", ch->c->name));
        if (strcmp(status, "CREATE_COMPLETE") != 0 && strcmp(status, "UPDATE_COMPLETE") != 0)
            rc = tell_failure(ch->aws, *id, status, err);
        if (rc != IST_OK) {
            ist_free(*id);
            *id = NULL;
        }
    }
    json_decref(stack);
    return rc;
}

int32_t ist_stack_apply(const ist_env *env, ist_aws *aws, const ist_stack_change *c, char **id,
                        ist_error *err)
{
    struct change ch = {.env = env, .aws = aws, .c = c};
    json_t *stack = NULL;
    bool nothing = false, executed = false;
    name_set(&ch);
    int32_t rc = prepare(&ch, &stack, err);
    if (rc == IST_OK)
        rc = create_set(&ch, err);
    if (rc == IST_OK)
        rc = wait_set(&ch, &nothing, &executed, err);
    if (rc == IST_OK && !nothing && !executed)
        rc = execute_set(&ch, err);
    if (rc == IST_OK && nothing)
        *id = ist_strdup(ist_json_str_or(stack, "StackId", c->name));
    else if (rc == IST_OK)
        rc = finish(&ch, id, err);
    json_decref(stack);
    return rc;
}
