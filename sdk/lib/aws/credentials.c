// The chain: what was given, the environment, web identity, the shared files (with SSO and programs), the container, the instance, in
// the order of AWS's own tools. Temporary credentials are renewed five minutes before they end.
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static char *copy(const char *text)
{
    return text != NULL ? ist_strdup(text) : NULL;
}

int32_t aws_from_environment(ist_aws *aws, struct aws_credentials *c, ist_error *err)
{
    const char *access = aws_env(aws, "AWS_ACCESS_KEY_ID"), *secret = aws_env(aws, "AWS_SECRET_ACCESS_KEY");
    if (access == NULL && secret == NULL)
        return IST_ERR_NOT_FOUND;
    if (access == NULL || secret == NULL)
        return ist_fail(err, IST_ERR_DENIED, "AWS credentials", "%s is set and %s is not",
                        access != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                        access != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    *c = (struct aws_credentials){.access_key = ist_strdup(access),
                                  .secret_key = ist_strdup(secret),
                                  .session_token = copy(aws_env(aws, "AWS_SESSION_TOKEN")),
                                  .source = ist_strdup("environment")};
    return IST_OK;
}

static int32_t from_web_identity_environment(ist_aws *aws, struct aws_credentials *c, ist_error *err)
{
    const char *file = aws_env(aws, "AWS_WEB_IDENTITY_TOKEN_FILE"), *role = aws_env(aws, "AWS_ROLE_ARN");
    if (file == NULL)
        return IST_ERR_NOT_FOUND;
    if (role == NULL)
        return ist_fail(err, IST_ERR_DENIED, "AWS credentials",
                        "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not");
    return aws_from_web_identity(aws, file, role, aws_env(aws, "AWS_ROLE_SESSION_NAME"), c, err);
}

static int32_t from_options(const ist_aws_options *o, struct aws_credentials *c)
{
    if (o->access_key == NULL || o->secret_key == NULL)
        return IST_ERR_NOT_FOUND;
    *c = (struct aws_credentials){.access_key = ist_strdup(o->access_key),
                                  .secret_key = ist_strdup(o->secret_key),
                                  .session_token = copy(o->session_token),
                                  .source = ist_strdup("given keys")};
    return IST_OK;
}

// The first source that has something; a source that has something broken ends the search.
static int32_t walk_chain(ist_aws *aws, struct aws_credentials *c, ist_error *err)
{
    int32_t rc = from_options(&aws->options, c);
    // A profile that was asked for by name goes before the environment, as with AWS's own tools.
    if (rc == IST_ERR_NOT_FOUND && aws->options.profile != NULL) {
        rc = aws_from_profile(aws, aws->options.profile, 0, c, err);
        if (rc == IST_ERR_NOT_FOUND)
            return ist_fail(err, IST_ERR_DENIED, "AWS credentials", "profile %s has none, or does not exist",
                            aws->options.profile);
    }
    if (rc == IST_ERR_NOT_FOUND)
        rc = aws_from_environment(aws, c, err);
    if (rc == IST_ERR_NOT_FOUND)
        rc = from_web_identity_environment(aws, c, err);
    if (rc == IST_ERR_NOT_FOUND)
        rc = aws_from_profile(aws, aws_profile_name(aws), 0, c, err);
    // Who names a profile does not mean whoever this machine is.
    const char *named = aws_env(aws, "AWS_PROFILE");
    if (rc == IST_ERR_NOT_FOUND && named != NULL && json_object_get(aws_profiles(aws), named) == NULL)
        return ist_fail(err, IST_ERR_DENIED, "AWS credentials",
                        "profile %s, which AWS_PROFILE names, does not exist", named);
    if (rc == IST_ERR_NOT_FOUND)
        rc = aws_from_container(aws, c, err);
    if (rc == IST_ERR_NOT_FOUND)
        rc = aws_from_instance(aws, c, err);
    if (rc == IST_ERR_NOT_FOUND) {
        ist_fail(err, IST_ERR_DENIED, "AWS credentials", "none found");
        ist_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws, or run on an "
                      "instance with a role");
        rc = IST_ERR_DENIED;
    }
    return rc;
}

static int32_t fetch(ist_aws *aws, struct aws_credentials *c, ist_error *err)
{
    struct aws_credentials base = {0};
    json_decref(aws->profiles); // they may have been written anew since, with keys that are good
    aws->profiles = NULL;
    int32_t rc = walk_chain(aws, &base, err);
    if (rc != IST_OK)
        return rc;
    ist_secret(&aws->env, base.secret_key);
    ist_secret(&aws->env, base.session_token);
    if (aws->options.role_arn == NULL) {
        *c = base;
        return IST_OK;
    }
    rc = aws_assume_role(aws, &base, aws->options.role_arn, "isthmus", NULL, 0, c, err);
    aws_credentials_free(&base);
    return rc;
}

int64_t aws_credentials_left(const ist_aws *aws)
{
    const struct aws_credentials *have = &aws->credentials;
    if (have->access_key == NULL || have->expires_ms == 0)
        return have->access_key == NULL ? 0 : INT64_MAX;
    const int64_t left = have->expires_ms - ist_clock_ms(&aws->env) - aws->skew_ms;
    return left > 0 ? left : 0;
}

static void take(ist_aws *aws, const struct aws_credentials *fresh)
{
    aws_credentials_free(&aws->credentials);
    aws->credentials = *fresh;
    ist_secret(&aws->env, fresh->secret_key);
    ist_secret(&aws->env, fresh->session_token);
    ist_log(&aws->env, IST_LOG_DEBUG, "AWS credentials from %s", fresh->source);
}

int32_t aws_credentials(ist_aws *aws, const struct aws_credentials **c, ist_error *err)
{
    struct aws_credentials *have = &aws->credentials;
    const int64_t left = aws_credentials_left(aws);
    if (left > (aws->given ? 0 : AWS_RENEW_BEFORE_MS)) {
        *c = have;
        return IST_OK;
    }
    struct aws_credentials fresh = {0};
    ist_error failed = {0};
    const int32_t rc = fetch(aws, &fresh, &failed);
    if (rc == IST_OK) {
        take(aws, &fresh);
        aws->given = 0;
    } else if (left <= 0) {
        if (err != NULL)
            *err = failed;
        return rc;
    } // else: what we have is good for some minutes yet, and the next call tries again
    *c = have;
    return IST_OK;
}

int32_t aws_credentials_text(ist_aws *aws, ist_buf *text, ist_error *err)
{
    const struct aws_credentials *c = NULL;
    const int32_t rc = aws_credentials(aws, &c, err);
    if (rc != IST_OK)
        return rc;
    json_t *json =
        json_pack("{s:s, s:s, s:s*, s:s, s:I, s:I}", "AccessKeyId", c->access_key, "SecretAccessKey",
                  c->secret_key, "SessionToken", c->session_token, "source", c->source, "expires_ms",
                  (json_int_t)c->expires_ms, "skew_ms", (json_int_t)aws->skew_ms);
    char *printed = json != NULL ? ist_json_text(json) : NULL;
    json_decref(json);
    if (printed == NULL)
        return ist_fail(err, IST_ERR_DENIED, "AWS credentials", "they are not text");
    ist_buf_puts(text, printed);
    ist_free_secret(printed);
    return IST_OK;
}

int32_t aws_credentials_take(ist_aws *aws, const char *text, size_t len, ist_error *err)
{
    static const char where[] = "AWS credentials";
    struct aws_credentials fresh = {0};
    json_t *json = NULL;
    int32_t rc = ist_json_parse(text, len, where, &json, NULL); // its error would quote a secret
    rc = rc == IST_OK ? aws_credentials_from_json(
                            json, where, ist_strdup(ist_json_str_or(json, "source", "")), &fresh, err)
                      : ist_fail(err, IST_ERR_INTERNAL, where, "they were not handed on whole");
    if (rc == IST_OK) {
        fresh.expires_ms = ist_json_int(json, "expires_ms", 0);
        aws->skew_ms = ist_json_int(json, "skew_ms", 0);
        aws->given = 1;
        take(aws, &fresh);
    }
    json_decref(json);
    return rc;
}

void aws_credentials_drop(ist_aws *aws)
{
    aws_credentials_free(&aws->credentials);
}

void aws_forget(ist_aws *aws)
{
    aws_credentials_drop(aws);
    json_decref(aws->profiles);
    aws->profiles = NULL;
}
