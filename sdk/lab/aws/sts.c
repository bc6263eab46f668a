// STS: who am I, and temporary credentials.
#include "inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *caller_identity(struct aws_call *c)
{
    return json_pack("{ssssss}", "Arn", c->arn, "UserId", c->user_id, "Account", AWS_ACCOUNT);
}

// Credentials of a role for a while; NULL after aws_fail().
static json_t *session(struct aws_call *c, const json_t *role, const char *name)
{
    const char *duration = aws_str(c, "DurationSeconds");
    long seconds = duration ? strtol(duration, NULL, 10) : 3600;
    if (seconds < 900 || seconds > 43200)
        return aws_fail(c, 400, "ValidationError",
                        "1 validation error detected: Value '%s' at 'durationSeconds' failed "
                        "to satisfy constraint",
                        duration);
    char *key = lab_id("ASIA", 16), *secret = lab_id("", 40), *part = lab_id("", 60),
         *token = lab_format("IQoJb3JpZ2lu%s", part);
    char *arn =
        lab_format("arn:aws:sts::" AWS_ACCOUNT ":assumed-role/%s/%s", aws_text(role, "RoleName"), name);
    char *user_id = lab_format("%s:%s", aws_text(role, "RoleId"), name), when[32];
    time_t until = time(NULL) + seconds;
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&until, &tm));
    json_object_set_new(c->aws->keys, key,
                        json_pack("{ssssssss sI}", "secret", secret, "token", token, "arn", arn, "user_id",
                                  user_id, "expires", (json_int_t)until));
    json_t *answer = json_pack("{s{ssss}s{ssssssss}}", "AssumedRoleUser", "Arn", arn, "AssumedRoleId",
                               user_id, "Credentials", "AccessKeyId", key, "SecretAccessKey", secret,
                               "SessionToken", token, "Expiration", when);
    free(key), free(secret), free(part), free(token), free(arn), free(user_id);
    return answer;
}

static json_t *assume(struct aws_call *c, const char *what)
{
    const char *arn = aws_need(c, "RoleArn"), *name = arn ? aws_need(c, "RoleSessionName") : NULL;
    if (!name)
        return NULL;
    const json_t *role = aws_first(c, "role", "Arn", arn);
    if (!role || strstr(aws_text(role, "AssumeRolePolicyDocument"), "amazonaws.com"))
        return aws_fail(c, 403, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %s",
                        c->arn, what, arn);
    return session(c, role, name);
}

static json_t *assume_role(struct aws_call *c)
{
    return assume(c, "sts:AssumeRole");
}

static json_t *assume_role_web(struct aws_call *c)
{
    return aws_need(c, "WebIdentityToken") ? assume(c, "sts:AssumeRoleWithWebIdentity") : NULL;
}

// Neither of these changes the world: new credentials for what one may do anyway.
static const struct aws_action actions[] = {{"GetCallerIdentity", caller_identity, false},
                                            {"AssumeRole", assume_role, false},
                                            {"AssumeRoleWithWebIdentity", assume_role_web, false},
                                            {NULL, NULL, false}};
static const struct aws_action *const tables[] = {actions, NULL};
const struct aws_service aws_sts = {.name = "sts",
                                    .label = "STS",
                                    .xmlns = "https://sts.amazonaws.com/doc/2011-06-15/",
                                    .item = "member",
                                    .tables = tables};
