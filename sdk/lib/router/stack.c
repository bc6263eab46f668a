// CloudFormation stacks: found, waited for with what happens in them, deleted. changeset.c makes and changes them.
#include "stack_internal.h"

#include <isthmus/alloc.h>
#include <isthmus/crypto.h>

#include <string.h>

#define POLL_MAX_MS     10000
#define DEFAULT_TIMEOUT (20 * 60 * 1000)

bool stack_ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

json_t *stack_request(const char *name)
{
    char once[33];
    ist_random_hex(16, once);
    char *token = ist_printf(STACK_OURS "%s", once);
    json_t *params = json_pack("{ss ss}", "StackName", name, "ClientRequestToken", token);
    ist_free(token);
    return params;
}

const char *stack_status(const json_t *stack)
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
    if (rc == IST_OK && (!found || strcmp(stack_status(found), "DELETE_COMPLETE") == 0))
        rc = ist_fail(&failed, IST_ERR_NOT_FOUND, name, "there is no such stack");
    if (rc == IST_OK)
        *stack = json_incref(found);
    else if (err)
        *err = failed;
    json_decref(answer);
    return rc;
}

#define BEGUN_LOOKS 5
#define BEGUN_MS    1000

int32_t ist_stack_find_begun(const ist_env *env, ist_aws *aws, const char *name, json_t **stack,
                             ist_error *err)
{
    int32_t rc = ist_stack_find(aws, name, stack, err);
    for (int looks = 1; rc == IST_ERR_NOT_FOUND && looks < BEGUN_LOOKS; looks++) {
        int32_t slept = ist_sleep_ms(env, ist_poll_ms(env, BEGUN_MS));
        if (slept != IST_OK)
            return ist_fail(err, slept, name, "%s", ist_code_name(slept));
        rc = ist_stack_find(aws, name, stack, err);
    }
    return rc;
}

int32_t ist_stack_is_of(const json_t *stack, const char *token)
{
    const char *tag = stack ? ist_aws_tag(stack, IST_STACK_TOKEN_TAG) : NULL;
    // Its tags come with the execution of its first change set: until then it holds nothing, and has nobody's mark.
    if (stack && !tag && strcmp(ist_json_str_or(stack, "StackStatus", ""), "REVIEW_IN_PROGRESS") == 0)
        return token != NULL;
    return token && tag && strcmp(tag, token) == 0;
}

int32_t ist_stack_refuse(const char *name, const char *token, const char *way_out, ist_error *err)
{
    const int32_t rc =
        ist_fail(err, IST_ERR_CONFLICT, name, "a stack of this name exists that this step did not make");
    if (token != NULL)
        ist_hint(err,
                 "its tag " IST_STACK_TOKEN_TAG
                 " says that Isthmus made it: with the state of then it is this "
                 "step's again; without it, %s, or `aws cloudformation delete-stack --stack-name %s`",
                 way_out, name);
    else
        ist_hint(err, "%s", way_out);
    return rc;
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

// ---- events ----

// New reference; NULL after a failure.
static json_t *events_of(ist_aws *aws, const char *name, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", name), *events = NULL;
    if (ist_aws_query_all(aws, "cloudformation", "DescribeStackEvents", params, "StackEvents", &events,
                          err) != IST_OK)
        events = NULL;
    json_decref(params);
    return events;
}

// Events come newest first: is this the one with which the work that is under way (or was the last) began?
static bool begins_work(const json_t *event)
{
    const char *reason = ist_json_str_or(event, "ResourceStatusReason", "");
    return strcmp(ist_json_str_or(event, "ResourceType", ""), "AWS::CloudFormation::Stack") == 0 &&
           strcmp(reason, "User Initiated") == 0;
}

int32_t ist_stack_is_touched(ist_aws *aws, const char *name_or_id)
{
    json_t *events = events_of(aws, name_or_id, NULL), *event;
    size_t i;
    bool theirs = false;
    json_array_foreach(events, i, event)
    {
        if (!begins_work(event))
            continue;
        theirs =
            strncmp(ist_json_str_or(event, "ClientRequestToken", ""), STACK_OURS, strlen(STACK_OURS)) != 0;
        break;
    }
    json_decref(events);
    return theirs;
}

// Tells what has happened since the event `*last` (owned by the caller; NULL: since the work began).
static void tell_events(const ist_env *env, ist_aws *aws, const char *name, char **last)
{
    json_t *events = events_of(aws, name, NULL), *event;
    size_t i, fresh = 0;
    json_array_foreach(events, i, event)
    {
        if (*last && strcmp(ist_json_str_or(event, "EventId", ""), *last) == 0)
            break;
        fresh = i + 1;
        if (begins_work(event))
            break;
    }
    for (i = fresh; i-- > 0;) {
        const char *reason;
        event = json_array_get(events, i);
        reason = ist_json_str_or(event, "ResourceStatusReason", "");
        ist_progress(env, "stack %s: %s %s%s%s", ist_json_str_or(event, "StackName", name),
                     ist_json_str_or(event, "LogicalResourceId", "?"),
                     ist_json_str_or(event, "ResourceStatus", "?"), *reason ? ": " : "", reason);
    }
    if (fresh) {
        ist_free(*last);
        *last = ist_strdup(ist_json_str_or(json_array_get(events, 0), "EventId", ""));
    }
    json_decref(events);
}

// Where a refusal says itself where to subscribe, that is what helps.
static void hint_of(const char *reason, ist_error *err)
{
    const char *url = strstr(reason, "https://aws.amazon.com/marketplace");
    if (!strstr(reason, "OptInRequired"))
        return;
    if (url)
        ist_hint(err, "subscribe to the router's image with this account first: %.*s",
                 (int)strcspn(url, " \n)\"'"), url);
    else
        ist_hint(err, "subscribe to the router's image in the AWS Marketplace with this account first");
}

// Of "arn:aws:cloudformation:us-west-2:1:stack/NAME/ID" the name; what is no ARN is one. The caller's.
static char *name_in(const char *name_or_id)
{
    const char *at = strncmp(name_or_id, "arn:", 4) == 0 ? strstr(name_or_id, ":stack/") : NULL;
    at = at ? at + strlen(":stack/") : name_or_id;
    return ist_strndup(at, strcspn(at, "/"));
}

// What was given up because something else had failed: "Resource creation cancelled", "Resource update cancelled".
static bool is_cancelled(const char *reason)
{
    return strncmp(reason, "Resource ", 9) == 0 && stack_ends_with(reason, " cancelled");
}

// Who uses a group that could not be deleted.
static void tell_users(ist_aws *aws, const json_t *event, ist_error *err)
{
    const char *id = ist_json_str_or(event, "PhysicalResourceId", "");
    if (strcmp(ist_json_str_or(event, "ResourceType", ""), "AWS::EC2::SecurityGroup") != 0 ||
        strcmp(ist_json_str_or(event, "ResourceStatus", ""), "DELETE_FAILED") != 0 || !*id)
        return;
    char *users = ist_aws_blockers(aws, "group-id", id, "ip-permission.group-id", id);
    if (users)
        ist_hint(err, "%s is used by %s: without that it goes at the next try", id, users);
    ist_free(users);
}

int32_t stack_tell_failure(ist_aws *aws, const char *name_or_id, const char *status, ist_error *err)
{
    ist_error unread = {0};
    json_t *events = events_of(aws, name_or_id, &unread), *event;
    const json_t *first = NULL;
    size_t i;
    json_array_foreach(events, i, event)
    {
        const char *reason = ist_json_str_or(event, "ResourceStatusReason", "");
        if (stack_ends_with(ist_json_str_or(event, "ResourceStatus", ""), "_FAILED") &&
            !is_cancelled(reason) &&
            strcmp(ist_json_str_or(event, "ResourceType", ""), "AWS::CloudFormation::Stack") != 0)
            first = event;
        if (begins_work(event))
            break;
    }
    const char *reason = ist_json_str_or(first, "ResourceStatusReason", "no reason given");
    char *name = name_in(name_or_id);
    int32_t rc = first    ? ist_fail(err, IST_ERR_REMOTE, name, "%s: %s (%s): %s", status,
                                     ist_json_str_or(first, "LogicalResourceId", "?"),
                                     ist_json_str_or(first, "ResourceType", "?"), reason)
                 : events ? ist_fail(err, IST_ERR_REMOTE, name, "%s", status)
                          : ist_fail(err, IST_ERR_REMOTE, name, "%s, and why could not be read: %s", status,
                                     unread.text);
    if (first) {
        hint_of(reason, err);
        tell_users(aws, first, err);
    } else if (!events) {
        ist_hint(err, "%s", unread.hint);
    }
    ist_free(name);
    json_decref(events);
    return rc;
}

// ---- waiting ----

int32_t stack_pause(const ist_env *env, int64_t *pause, int64_t until, const char *where, const char *status,
                    ist_error *err)
{
    if (ist_now_ms(env) >= until)
        return ist_fail(err, IST_ERR_TIMEOUT, where, "still %s", status);
    int32_t rc = ist_sleep_ms(env, *pause);
    *pause = *pause * 3 / 2 < POLL_MAX_MS ? *pause * 3 / 2 : POLL_MAX_MS;
    return rc == IST_OK ? rc
                        : ist_fail(err, rc, where, "waiting was %s, it is %s", ist_code_name(rc), status);
}

int32_t ist_stack_is_busy(const char *status)
{
    // A stack under review is not under way: it waits for somebody to execute its change set.
    return stack_ends_with(status, "_IN_PROGRESS") && strcmp(status, "REVIEW_IN_PROGRESS") != 0;
}

int32_t ist_stack_wait(const ist_env *env, ist_aws *aws, const char *name, int64_t timeout_ms, json_t **stack,
                       ist_error *err)
{
    int64_t until = ist_now_ms(env) + (timeout_ms ? timeout_ms : DEFAULT_TIMEOUT),
            pause = ist_poll_ms(env, STACK_POLL_MS);
    char *last = NULL;
    int32_t rc;
    for (;;) {
        json_t *now = NULL;
        rc = ist_stack_find(aws, name, &now, err);
        if (rc != IST_OK)
            break;
        if (!ist_stack_is_busy(stack_status(now))) {
            // What happened since the last look, where there was one.
            if (last)
                tell_events(env, aws, ist_json_str_or(now, "StackId", name), &last);
            *stack = now;
            break;
        }
        tell_events(env, aws, ist_json_str_or(now, "StackId", name), &last);
        rc = stack_pause(env, &pause, until, name, stack_status(now), err);
        json_decref(now);
        if (rc != IST_OK)
            break;
    }
    ist_free(last);
    return rc;
}

// ---- deleting ----

// IST_AGAIN: not while an update is under way.
static int32_t send_delete(ist_aws *aws, const char *name_or_id, ist_error *err)
{
    json_t *params = stack_request(name_or_id);
    ist_error failed = {0};
    int32_t rc = ist_aws_query(aws, "cloudformation", "DeleteStack", params, NULL, &failed);
    json_decref(params);
    if (rc == IST_ERR_NETWORK) // whether a lost call was done shows at once
        return IST_OK;
    if (rc != IST_OK && strstr(failed.text, "TerminationProtection")) {
        char *name = name_in(name_or_id);
        ist_hint(&failed,
                 "somebody protected it: `aws cloudformation update-termination-protection "
                 "--no-enable-termination-protection --stack-name %s` lifts that",
                 name);
        ist_free(name);
    }
    if (rc != IST_OK && err)
        *err = failed;
    return rc != IST_OK && strstr(failed.text, "cannot be deleted while in status") ? IST_AGAIN : rc;
}

int32_t ist_stack_delete(const ist_env *env, ist_aws *aws, const char *name, int64_t timeout_ms,
                         ist_error *err)
{
    json_t *stack = NULL;
    ist_error failed = {0};
    int32_t rc = send_delete(aws, name, &failed);
    if (rc == IST_AGAIN) {
        rc = ist_stack_wait(env, aws, name, timeout_ms, &stack, &failed);
        json_decref(stack);
        stack = NULL;
        if (rc == IST_OK && (rc = send_delete(aws, name, &failed)) == IST_AGAIN)
            rc = IST_ERR_CONFLICT; // somebody else is at it
    }
    if (rc == IST_OK)
        rc = ist_stack_wait(env, aws, name, timeout_ms, &stack, &failed);
    if (rc == IST_OK)
        rc = stack_tell_failure(aws, name, stack_status(stack), err);
    else if (rc == IST_ERR_NOT_FOUND)
        rc = IST_OK;
    else if (err)
        *err = failed;
    json_decref(stack);
    return rc;
}
