// The token that `aws sso login` leaves in the user's cache. One of a session [sso-session NAME] comes with what renews it,
// and that is done here when a quarter of an hour or less is left, as AWS's own tools do: what comes back is kept in
// the same place for them, because the service may take what renews it but once.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
#include "sso.h"

#include <isthmus/file.h>

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#define RENEW_BEFORE_MS (15 * 60 * 1000)

int32_t sso_sign_in(const char *profile, const char *why, ist_error *err)
{
    ist_fail(err, IST_ERR_DENIED, "AWS credentials", "profile %s signs in by SSO: %s", profile, why);
    ist_hint(err, "`aws sso login --profile %s` signs in", profile);
    return IST_ERR_DENIED;
}

// The caller's; NULL without a home. The file is named by the session, or by its address where that has no name.
static char *cache_path(const ist_aws *aws, const struct sso_session *session)
{
    const char *home = aws_env(aws, "HOME"),
               *key = session->name != NULL ? session->name : session->start_url;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    if (home == NULL || EVP_Digest(key, strlen(key), digest, &len, EVP_sha1(), NULL) != 1)
        return NULL;
    for (unsigned int i = 0; i < len; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    return ist_printf("%s/.aws/sso/cache/%s.json", home, hex);
}

// What is there, or NULL. New reference.
static json_t *read_cache(const char *path)
{
    char *text = path != NULL ? aws_read_file(path) : NULL;
    json_t *cached = NULL;
    if (text != NULL)
        (void)ist_json_parse(text, strlen(text), "cache", &cached, NULL);
    ist_free_secret(text);
    return cached;
}

int64_t sso_token_left(const json_t *cached, int64_t now_ms)
{
    const char *token = ist_json_str(cached, "accessToken");
    const int64_t expires = aws_parse_time(ist_json_str(cached, "expiresAt"));
    return token != NULL && *token != '\0' && expires > now_ms ? expires - now_ms : 0;
}

static int is_renewable(const json_t *cached, int64_t now_ms)
{
    return ist_json_str(cached, "refreshToken") != NULL && ist_json_str(cached, "clientId") != NULL &&
           ist_json_str(cached, "clientSecret") != NULL &&
           aws_parse_time(ist_json_str(cached, "registrationExpiresAt")) > now_ms;
}

static int32_t ask(ist_aws *aws, const struct sso_session *session, const json_t *cached, json_t **answer)
{
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s}", "grantType", "refresh_token", "clientId",
                  ist_json_str(cached, "clientId"), "clientSecret", ist_json_str(cached, "clientSecret"),
                  "refreshToken", ist_json_str(cached, "refreshToken"));
    char *text = body != NULL ? ist_json_text(body) : ist_strdup("{}");
    const struct aws_call call = {.service = "sso-oidc",
                                  .action = "CreateToken",
                                  .resource = session->name,
                                  .region = session->region,
                                  .method = "POST",
                                  .path = "/token",
                                  .body = text,
                                  .body_len = strlen(text),
                                  .content_type = "application/json",
                                  .read = 1, // a login
                                  .secret = 1,
                                  .anonymous = 1};
    ist_http_response response = {0};
    ist_error failed = {0};
    int32_t rc = aws_send(aws, &call, &response, &failed);
    if (rc == IST_OK)
        rc = aws_secret_json(response.body, response.body_len, "SSO OIDC CreateToken", answer, &failed);
    if (rc != IST_OK)
        ist_log(&aws->env, IST_LOG_DEBUG, "the SSO session %s was not renewed: %s", session->name,
                failed.text);
    ist_http_response_free(&response);
    ist_free_secret(text);
    json_decref(body);
    return rc;
}

// What was answered, in the place of what was there. The rest of it stays as it was.
static void keep(ist_aws *aws, const char *path, json_t *cached, const json_t *answer, int64_t now_ms)
{
    char until[32];
    struct tm at = {0};
    ist_error failed = {0};
    const char *again = ist_json_str(answer, "refreshToken");
    const time_t end = (time_t)(now_ms / 1000 + ist_json_int(answer, "expiresIn", 0));
    if (gmtime_r(&end, &at) == NULL || strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &at) == 0)
        return;
    json_object_set(cached, "accessToken", json_object_get(answer, "accessToken"));
    json_object_set_new(cached, "expiresAt", json_string(until));
    if (again != NULL)
        json_object_set(cached, "refreshToken", json_object_get(answer, "refreshToken"));
    ist_secret(&aws->env, again);
    char *text = ist_json_text(cached);
    if (ist_file_write(path, text, strlen(text), &failed) != IST_OK)
        ist_log(&aws->env, IST_LOG_WARN, "the renewed SSO token is not kept: %s", failed.text);
    ist_free_secret(text);
}

// Renews what ends soon. Where that fails, somebody else may have done it just now; else what there is goes as far as it
// goes. Takes a reference, and hands one back.
static json_t *renew(ist_aws *aws, const struct sso_session *session, const char *path, json_t *cached,
                     int64_t now_ms)
{
    json_t *answer = NULL;
    ist_secret(&aws->env, ist_json_str(cached, "refreshToken"));
    ist_secret(&aws->env, ist_json_str(cached, "clientSecret"));
    const int32_t rc = ask(aws, session, cached, &answer);
    if (rc == IST_OK && ist_json_str(answer, "accessToken") != NULL) {
        keep(aws, path, cached, answer, now_ms);
    } else {
        json_t *other = read_cache(path);
        if (sso_token_left(other, now_ms) > sso_token_left(cached, now_ms)) {
            json_decref(cached);
            cached = json_incref(other);
        }
        json_decref(other);
    }
    json_decref(answer);
    return cached;
}

int32_t sso_token(ist_aws *aws, const struct sso_session *session, char **token, ist_error *err)
{
    char *path = cache_path(aws, session);
    json_t *cached = read_cache(path);
    const int64_t now = ist_clock_ms(&aws->env) + aws->skew_ms;
    if (session->name != NULL && sso_token_left(cached, now) <= RENEW_BEFORE_MS && is_renewable(cached, now))
        cached = renew(aws, session, path, cached, now);
    const char *found = ist_json_str(cached, "accessToken");
    int32_t rc = IST_OK;
    if (found == NULL || *found == '\0')
        rc = sso_sign_in(session->profile, "nobody has done that here", err);
    else if (sso_token_left(cached, now) == 0)
        rc = sso_sign_in(session->profile, "the session has ended", err);
    else
        *token = ist_strdup(found);
    json_decref(cached);
    ist_free(path);
    return rc;
}
