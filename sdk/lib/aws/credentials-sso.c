// Credentials by way of IAM Identity Center (SSO): the token that `aws sso login` left in the user's cache is exchanged for
// keys of the profile's role. Signing in itself needs a browser, and is left to that command.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
#include "internal.h"

#include <openssl/evp.h>
#include <string.h>

// What a profile says of its session: itself, or in a section [sso-session NAME].
struct session {
    const char *region, *start_url, *account, *role; // borrowed
    const char *key;                                 // whose digest names the cache's file
};

static int32_t read_session(ist_aws *aws, const char *profile, struct session *session, ist_error *err)
{
    const char *name = aws_profile_setting(aws, profile, "sso_session");
    char *section = name != NULL ? ist_printf(AWS_SSO_SESSION "%s", name) : ist_strdup(profile);
    const struct session found = {.region = aws_profile_setting(aws, section, "sso_region"),
                                  .start_url = aws_profile_setting(aws, section, "sso_start_url"),
                                  .account = aws_profile_setting(aws, profile, "sso_account_id"),
                                  .role = aws_profile_setting(aws, profile, "sso_role_name")};
    ist_free(section);
    const char *missing = found.region == NULL      ? "sso_region"
                          : found.start_url == NULL ? "sso_start_url"
                          : found.account == NULL   ? "sso_account_id"
                          : found.role == NULL      ? "sso_role_name"
                                                    : NULL;
    if (missing != NULL) {
        ist_fail(err, IST_ERR_INPUT, "AWS credentials", "profile %s signs in by SSO%s%s, and %s is not set",
                 profile, name != NULL ? " session " : "", name != NULL ? name : "", missing);
        return IST_ERR_INPUT;
    }
    if (!aws_is_region(found.region)) {
        ist_fail(err, IST_ERR_INPUT, "AWS credentials", "sso_region \"%.60s\" is no region", found.region);
        return IST_ERR_INPUT;
    }
    *session = found;
    session->key = name != NULL ? name : found.start_url;
    return IST_OK;
}

// Where `aws sso login` keeps the token. The caller's; NULL without a home.
static char *cache_path(const ist_aws *aws, const char *key)
{
    const char *home = aws_env(aws, "HOME");
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    if (home == NULL || EVP_Digest(key, strlen(key), digest, &len, EVP_sha1(), NULL) != 1)
        return NULL;
    for (unsigned int i = 0; i < len; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    return ist_printf("%s/.aws/sso/cache/%s.json", home, hex);
}

static int32_t sign_in(const char *profile, const char *why, ist_error *err)
{
    ist_fail(err, IST_ERR_DENIED, "AWS credentials", "profile %s signs in by SSO: %s", profile, why);
    ist_hint(err, "`aws sso login --profile %s` signs in", profile);
    return IST_ERR_DENIED;
}

// The token of a session that is still good. The caller's (ist_free_secret).
static int32_t read_token(ist_aws *aws, const char *profile, const char *key, char **token, ist_error *err)
{
    char *path = cache_path(aws, key), *text = path != NULL ? aws_read_file(path) : NULL;
    json_t *cached = NULL;
    if (text != NULL)
        (void)ist_json_parse(text, strlen(text), "cache", &cached, NULL);
    const char *found = ist_json_str(cached, "accessToken");
    const int64_t expires = aws_parse_time(ist_json_str(cached, "expiresAt"));
    int32_t rc = IST_OK;
    if (found == NULL || *found == '\0')
        rc = sign_in(profile, "nobody has done that here", err);
    else if (expires <= ist_clock_ms(&aws->env) + aws->skew_ms)
        rc = sign_in(profile, "the session has ended", err);
    else
        *token = ist_strdup(found);
    json_decref(cached);
    ist_free_secret(text);
    ist_free(path);
    return rc;
}

static int32_t exchange_token(ist_aws *aws, const char *profile, const struct session *session,
                              const char *token, json_t **answer, ist_error *err)
{
    json_t *fields = json_pack("{s:s, s:s}", "account_id", session->account, "role_name", session->role);
    char *query = ist_form_encode(fields), *header = ist_printf("x-amz-sso_bearer_token: %s", token);
    const struct aws_call call = {.service = "sso",
                                  .action = "GetRoleCredentials",
                                  .resource = session->role,
                                  .region = session->region,
                                  .method = "GET",
                                  .path = "/federation/credentials",
                                  .query = query,
                                  .header = header,
                                  .read = 1,
                                  .repeatable = 1,
                                  .secret = 1,
                                  .anonymous = 1};
    ist_http_response response = {0};
    int32_t rc = aws_send(aws, &call, &response, err);
    if (rc == IST_OK)
        rc = ist_json_parse(response.body, response.body_len, "SSO GetRoleCredentials", answer, err);
    else if (strcmp(aws->error_code, "UnauthorizedException") == 0)
        rc = sign_in(profile, "the session has ended", err);
    ist_http_response_free(&response);
    ist_free_secret(header);
    ist_free(query);
    json_decref(fields);
    return rc;
}

int32_t aws_from_sso(ist_aws *aws, const char *profile, struct aws_credentials *c, ist_error *err)
{
    struct session session = {0};
    char *token = NULL;
    json_t *answer = NULL;
    int32_t rc = read_session(aws, profile, &session, err);
    if (rc == IST_OK)
        rc = read_token(aws, profile, session.key, &token, err);
    if (rc != IST_OK)
        return rc;
    ist_secret(&aws->env, token);
    rc = exchange_token(aws, profile, &session, token, &answer, err);
    const json_t *keys = json_object_get(answer, "roleCredentials");
    const char *access = ist_json_str(keys, "accessKeyId"), *secret = ist_json_str(keys, "secretAccessKey"),
               *session_token = ist_json_str(keys, "sessionToken");
    if (rc == IST_OK && (access == NULL || secret == NULL))
        rc = ist_fail(err, IST_ERR_DENIED, "SSO GetRoleCredentials", "no keys in the answer");
    if (rc == IST_OK)
        *c = (struct aws_credentials){.access_key = ist_strdup(access),
                                      .secret_key = ist_strdup(secret),
                                      .session_token =
                                          session_token != NULL ? ist_strdup(session_token) : NULL,
                                      .expires_ms = ist_json_int(keys, "expiration", 0),
                                      .source = ist_printf("profile %s, SSO role %s", profile, session.role)};
    json_decref(answer);
    ist_free_secret(token);
    return rc;
}
