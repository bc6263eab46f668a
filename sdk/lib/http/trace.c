// What a trace shows of an exchange: method, URL, status, sizes, headers and bodies, without what
// authenticates. The host redacts registered secrets from every line; here goes what nobody could have
// registered yet.
#include "internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TRACE_BODY 2048u

int http_header_is_secret(const char *name, size_t len)
{
    static const char *const secret[] = {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-auth-token",
        "x-amz-security-token",
        "x-amz-sso_bearer_token",
        "x-aws-ec2-metadata-token",
        "www-authenticate",
        "proxy-authenticate",
        "x-api-key",
    };
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        if (strlen(secret[i]) == len && strncasecmp(secret[i], name, len) == 0)
            return 1;
    return 0;
}

static int parameter_is_secret(const char *name, size_t len)
{
    static const char *const secret[] = {
        "x-amz-signature", "x-amz-security-token", "x-amz-credential", "password",
        "token",           "access_token",         "signature"};
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        if (strlen(secret[i]) == len && strncasecmp(secret[i], name, len) == 0)
            return 1;
    return 0;
}

static void add_query(ist_buf *out, const char *query)
{
    while (*query != '\0') {
        const size_t len = strcspn(query, "&");
        const size_t name = strcspn(query, "=&");
        if (name < len && parameter_is_secret(query, name)) {
            ist_buf_add(out, query, name);
            ist_buf_puts(out, "=***");
        } else {
            ist_buf_add(out, query, len);
        }
        query += len;
        if (*query == '&') {
            ist_buf_puts(out, "&");
            query++;
        }
    }
}

char *http_url_for_trace(const char *url)
{
    ist_buf out = {0};
    const char *scheme_end = strstr(url, "://");
    const char *rest = url;
    if (scheme_end != NULL) {
        ist_buf_add(&out, url, (size_t)(scheme_end + 3 - url));
        rest = scheme_end + 3;
        const size_t authority = strcspn(rest, "/?#");
        for (size_t i = authority; i > 0; i--)
            if (rest[i - 1] == '@') {
                rest += i;
                break;
            }
    }
    const size_t path = strcspn(rest, "?");
    ist_buf_add(&out, rest, path);
    if (rest[path] == '?') {
        ist_buf_puts(&out, "?");
        add_query(&out, rest + path + 1);
    }
    return ist_buf_take(&out);
}

void http_where(const ist_http_request *request, char *where, size_t size)
{
    if (request->label != NULL) {
        snprintf(where, size, "%s", request->label);
        return;
    }
    char *url = http_url_for_trace(request->url);
    url[strcspn(url, "?#")] = '\0';
    snprintf(where, size, "%s %s", request->method, url);
    ist_free(url);
}

static int wanted(const ist_env *env)
{
    return env->host != NULL && env->call != NULL && env->host->wants_trace(env->call);
}

static int is_text(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)bytes[i] < 0x20 && !isspace((unsigned char)bytes[i]))
            return 0;
    return 1;
}

size_t http_cut(const char *text, size_t max)
{
    while (max > 0 && strchr(" \t\r\n\"'<>,;&", text[max - 1]) == NULL)
        max--;
    return max;
}

static void trace_body(const ist_env *env, const ist_http_request *request, char direction, const char *body,
                       size_t len)
{
    if (body == NULL || len == 0)
        return;
    if (request->secret) {
        ist_log(env, IST_LOG_TRACE, "%c (%zu bytes, not shown: they hold credentials)", direction, len);
        return;
    }
    const size_t shown = len <= TRACE_BODY ? len : http_cut(body, TRACE_BODY);
    if (!is_text(body, shown)) {
        ist_log(env, IST_LOG_TRACE, "%c (%zu bytes that are not text)", direction, len);
        return;
    }
    ist_log(env, IST_LOG_TRACE, "%c %.*s%s", direction, (int)shown, body, shown < len ? " ..." : "");
}

void http_trace_request(const ist_env *env, const ist_http_request *request)
{
    if (!wanted(env))
        return;
    char *url = http_url_for_trace(request->url);
    ist_log(env, IST_LOG_TRACE, "> %s %s", request->method, url);
    ist_free(url);
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        if (!http_header_is_secret(request->headers[i], strcspn(request->headers[i], ":")))
            ist_log(env, IST_LOG_TRACE, "> %s", request->headers[i]);
    trace_body(env, request, '>', request->body, request->body_len);
}

void http_trace_response(const ist_env *env, const ist_http_request *request,
                         const ist_http_response *response, int64_t elapsed_ms)
{
    if (!wanted(env))
        return;
    ist_log(env, IST_LOG_TRACE, "< %d, %zu bytes, %lld ms", response->status, response->body_len,
            (long long)elapsed_ms);
    const char *name;
    json_t *value;
    json_object_foreach(response->headers, name, value)
    {
        if (!http_header_is_secret(name, strlen(name)))
            ist_log(env, IST_LOG_TRACE, "< %s: %s", name, json_string_value(value));
    }
    trace_body(env, request, '<', response->body, response->body_len);
}

void http_trace_failure(const ist_env *env, const ist_http_request *request, const char *why)
{
    if (!wanted(env))
        return;
    char *url = http_url_for_trace(request->url);
    ist_log(env, IST_LOG_TRACE, "< %s %s failed: %s", request->method, url, why);
    ist_free(url);
}
