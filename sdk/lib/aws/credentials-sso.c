// Credentials by way of IAM Identity Center (SSO): the token that `aws sso login` left in the user's cache is exchanged for
// keys of the profile's role. Signing in itself needs a browser, and is left to that command.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
#include "sso.h"

#include <string.h>

static int32_t read_session(ist_aws *aws, const char *profile, struct sso_session *session, ist_error *err)
{
    const char *name = aws_profile_setting(aws, profile, "sso_session");
    char *section = name != NULL ? ist_printf(AWS_SSO_SESSION "%s", name) : ist_strdup(profile);
    const struct sso_session found = {.profile = profile,
                                      .name = name,
                                      .region = aws_profile_setting(aws, section, "sso_region"),
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
    return IST_OK;
}

static int32_t exchange_token(ist_aws *aws, const char *profile, const struct sso_session *session,
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
        rc = aws_secret_json(response.body, response.body_len, "SSO GetRoleCredentials", answer, err);
    else if (strcmp(aws->error_code, "UnauthorizedException") == 0)
        rc = sso_sign_in(profile, "the session has ended", err);
    ist_http_response_free(&response);
    ist_free_secret(header);
    ist_free(query);
    json_decref(fields);
    return rc;
}

int32_t aws_from_sso(ist_aws *aws, const char *profile, struct aws_credentials *c, ist_error *err)
{
    struct sso_session session = {0};
    char *token = NULL;
    json_t *answer = NULL;
    int32_t rc = read_session(aws, profile, &session, err);
    if (rc == IST_OK)
        rc = sso_token(aws, &session, &token, err);
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
