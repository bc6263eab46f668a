// Logging in and calling.
#include "ccp.h"

#include <isthmus/retry.h>

#include <string.h>

#define MAX_ANSWER (8u << 20)
#define LOGIN_3    "/v3/system/login"
#define LOGIN_2    "/2/system/login/"

int32_t ccp_open(const ist_env *env, const json_t *inputs, struct ccp *ccp, ist_error *err)
{
    const char *ca = ist_json_str(inputs, "ca_file");
    const ist_http_options options = {
        .size = sizeof(options),
        .ca_file = ca != NULL && *ca != '\0' ? ca : NULL,
        .insecure = ist_json_bool(inputs, "insecure", 0),
        .max_body = MAX_ANSWER,
    };
    ist_http *http = NULL;
    const int32_t rc = ist_http_new(env, &options, &http, err);
    if (rc != IST_OK)
        return rc;
    *ccp = (struct ccp){.env = *env,
                        .http = http,
                        .base = ist_strdup(ist_json_str_or(inputs, "url", "")),
                        .username = ist_json_str_or(inputs, "username", "admin"),
                        .password = ist_json_str_or(inputs, "password", "")};
    for (size_t len = strlen(ccp->base); len > 0 && ccp->base[len - 1] == '/'; len--)
        ccp->base[len - 1] = '\0';
    return IST_OK;
}

void ccp_close(struct ccp *ccp)
{
    ist_http_free(ccp->http);
    ist_free(ccp->base);
    ist_free_secret(ccp->token);
    *ccp = (struct ccp){0};
}

// ---- logging in ----

static void keep_token(struct ccp *ccp, const char *token, size_t len, int cookie)
{
    ist_free_secret(ccp->token);
    ccp->token = ist_strndup(token, len);
    ccp->cookie = cookie;
    ist_secret(&ccp->env, ccp->token);
}

static int32_t post_login(struct ccp *ccp, const char *path, const char *type, const char *body,
                          ist_http_response *response, ist_error *err)
{
    char label[64];
    snprintf(label, sizeof(label), "CCP POST %s", path);
    char *url = ist_printf("%s%s", ccp->base, path);
    const char *const headers[] = {type, "Accept: application/json", NULL};
    const ist_http_request request = {.size = sizeof(request),
                                      .method = "POST",
                                      .url = url,
                                      .headers = headers,
                                      .body = body,
                                      .body_len = strlen(body),
                                      .read = 1, // a session changes nothing that anybody sees
                                      .follow = 1,
                                      .label = label,
                                      .secret = 1};
    const int32_t rc = ist_http_send(ccp->http, &request, response, err);
    ist_free(url);
    return rc;
}

// Version 3: the token is in a header, and its absence may be all that a wrong password shows.
static int32_t login_v3(struct ccp *ccp, int *status, ist_error *err)
{
    json_t *body = json_pack("{s:s, s:s}", "username", ccp->username, "password", ccp->password);
    char *text = body != NULL ? ist_json_text(body) : ist_strdup("{}");
    ist_http_response response = {0};
    const int32_t rc = post_login(ccp, LOGIN_3, "Content-Type: application/json", text, &response, err);
    if (rc == IST_OK) {
        const char *token = ist_http_header(&response, "x-auth-token");
        *status = response.status;
        if (token != NULL && *token != '\0' && response.status < 300)
            keep_token(ccp, token, strlen(token), 0);
    }
    ist_http_response_free(&response);
    ist_free_secret(text);
    json_decref(body);
    return rc;
}

// The value of cookie CXAccessToken among Set-Cookie lines, or NULL.
static const char *access_cookie(const char *cookies, size_t *len)
{
    static const char name[] = "CXAccessToken=";
    const char *found = cookies != NULL ? strstr(cookies, name) : NULL;
    if (found == NULL)
        return NULL;
    found += sizeof(name) - 1;
    *len = strcspn(found, ";\n");
    return *len > 0 ? found : NULL;
}

static int32_t login_v2(struct ccp *ccp, int *status, ist_error *err)
{
    json_t *fields = json_pack("{s:s, s:s}", "username", ccp->username, "password", ccp->password);
    char *form = fields != NULL ? ist_form_encode(fields) : ist_strdup("");
    ist_http_response response = {0};
    const int32_t rc =
        post_login(ccp, LOGIN_2, "Content-Type: application/x-www-form-urlencoded", form, &response, err);
    if (rc == IST_OK && response.status < 300) {
        size_t len = 0;
        const char *token = ist_http_header(&response, "x-auth-token");
        const char *cookie = access_cookie(ist_http_header(&response, "set-cookie"), &len);
        if (token != NULL && *token != '\0')
            keep_token(ccp, token, strlen(token), 0);
        else if (cookie != NULL)
            keep_token(ccp, cookie, len, 1);
    }
    if (rc == IST_OK)
        *status = response.status;
    ist_http_response_free(&response);
    ist_free_secret(form);
    json_decref(fields);
    return rc;
}

// There is no such login here.
static int is_missing(int status)
{
    return status == 404 || status == 405 || status == 410;
}

static int32_t login(struct ccp *ccp, ist_error *err)
{
    int status3 = 0, status2 = 0;
    ist_free_secret(ccp->token);
    ccp->token = NULL;
    int32_t rc = login_v3(ccp, &status3, err);
    // Older platforms have no version 3 login; some newer ones answer it without a token.
    if (rc == IST_OK && ccp->token == NULL && status3 != 401 && status3 != 403)
        rc = login_v2(ccp, &status2, err);
    if (rc != IST_OK || ccp->token != NULL)
        return rc;
    // Version 2 missing says nothing about a version 3 that is there, and the other way round.
    const int second = status2 != 0 && (!is_missing(status2) || is_missing(status3));
    const int status = second ? status2 : status3;
    const char *where = second ? "CCP POST " LOGIN_2 : "CCP POST " LOGIN_3;
    // It may pass, as any other defect of the platform: who waits for a cluster goes on waiting.
    if (status >= 500)
        return ist_fail(err, IST_ERR_NETWORK, where, "the login answered with status %d", status);
    if (is_missing(status)) {
        rc = ist_fail(err, IST_ERR_REMOTE, where,
                      "the login answered with status %d, and " LOGIN_3 " did too", status);
        ist_hint(err, "is `url` the address of a container platform?");
        return rc;
    }
    rc = ist_fail(err, IST_ERR_DENIED, where, "user %s was not let in (status %d)", ccp->username, status);
    ist_hint(err, "check the inputs `username` and `password`");
    return rc;
}

// ---- calling ----

static int is_method(const char *method, const char *name)
{
    return strcmp(method, name) == 0;
}

static int32_t send_once(struct ccp *ccp, const char *method, const char *path, const char *body,
                         const char *label, ist_http_response *response, ist_error *err)
{
    char *url = ist_printf("%s%s", ccp->base, path);
    char *token = ist_printf("X-Auth-Token: %s", ccp->token);
    char *cookie = ist_printf("Cookie: CXAccessToken=%s", ccp->token);
    const char *headers[5] = {"Accept: application/json", token};
    size_t count = 2;
    if (ccp->cookie)
        headers[count++] = cookie;
    if (body != NULL)
        headers[count++] = "Content-Type: application/json";
    const ist_http_request request = {.size = sizeof(request),
                                      .method = method,
                                      .url = url,
                                      .headers = headers,
                                      .body = body,
                                      .body_len = body != NULL ? strlen(body) : 0,
                                      .read = is_method(method, "GET"),
                                      .idempotent = !is_method(method, "POST"),
                                      .follow = 1,
                                      .label = label,
                                      .secret = 1}; // every cluster comes with its kubeconfig
    const int32_t rc = ist_http_send(ccp->http, &request, response, err);
    ist_free(url);
    ist_free_secret(token);
    ist_free_secret(cookie);
    return rc;
}

// Error bodies have no schema: one line of what is there. Its password would be the user's own.
static int32_t refuse(const ist_http_response *response, const char *label, ist_error *err)
{
    char line[400];
    size_t n = 0;
    for (const char *c = response->body; *c != '\0' && n + 1 < sizeof(line); c++)
        if ((unsigned char)*c >= ' ' || (n > 0 && line[n - 1] != ' '))
            line[n++] = (unsigned char)*c >= ' ' ? *c : ' ';
    line[n] = '\0';
    const int s = response->status;
    const int32_t code = s == 404               ? IST_ERR_NOT_FOUND
                         : s == 409             ? IST_ERR_CONFLICT
                         : s == 401 || s == 403 ? IST_ERR_DENIED
                         : s >= 500             ? IST_ERR_NETWORK
                                                : IST_ERR_REMOTE;
    return ist_fail(err, code, label, "status %d%s%s", s, n > 0 ? ": " : "", line);
}

static int32_t call(struct ccp *ccp, const char *method, const char *path, const char *body,
                    ist_http_response *response, ist_error *err)
{
    char label[160];
    snprintf(label, sizeof(label), "CCP %s %s", method, path);
    ist_backoff backoff = {.tries = 4};
    for (int logins = 0;;) {
        int32_t rc = ccp->token == NULL ? login(ccp, err) : IST_OK;
        if (rc == IST_OK)
            rc = send_once(ccp, method, path, body, label, response, err);
        if (rc != IST_OK)
            return rc;
        if (response->status >= 200 && response->status < 300)
            return IST_OK;
        // Sessions end after 30 to 180 minutes, a creation may take as long.
        if (response->status == 401 && logins++ == 0) {
            ist_free_secret(ccp->token);
            ccp->token = NULL;
        } else if (response->status != 500 || is_method(method, "POST") ||
                   ist_backoff_wait(&ccp->env, &backoff, 0) != IST_OK) {
            break; // a defect that passes: for what may be asked twice
        }
        ist_http_response_free(response);
    }
    const int32_t rc = refuse(response, label, err);
    ist_http_response_free(response);
    return rc;
}

int32_t ccp_call(struct ccp *ccp, const char *method, const char *path, const json_t *body, json_t **answer,
                 ist_error *err)
{
    char *text = body != NULL ? ist_json_text(body) : NULL;
    ist_http_response response = {0};
    json_t *tree = NULL;
    int32_t rc = call(ccp, method, path, text, &response, err);
    if (rc == IST_OK && answer != NULL) {
        if (response.body_len > 0 &&
            ist_json_parse(response.body, response.body_len, path, &tree, NULL) != IST_OK &&
            is_method(method, "GET"))
            rc = ist_fail(err, IST_ERR_REMOTE, path, "the platform's answer is no JSON");
        if (rc == IST_OK)
            *answer = tree != NULL ? tree : json_null();
    }
    ist_http_response_free(&response);
    ist_free(text);
    return rc;
}

int32_t ccp_text(struct ccp *ccp, const char *path, char **text, ist_error *err)
{
    ist_http_response response = {0};
    const int32_t rc = call(ccp, "GET", path, NULL, &response, err);
    if (rc == IST_OK)
        *text = ist_strdup(response.body);
    ist_http_response_free(&response);
    return rc;
}
