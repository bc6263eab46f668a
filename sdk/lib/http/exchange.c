// One request and its answer over curl's multi interface, waiting on the cancel descriptor beside the
// sockets.
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_HEADER_BYTES (256u << 10)
// A write that is on its way when the user cancels may finish for so long: its answer saves a question later.
#define CANCEL_GRACE_MS 3000

struct exchange {
    ist_http *session;
    const ist_http_request *request;
    CURL *easy;
    struct curl_slist *list;
    ist_buf body;
    json_t *headers;
    size_t header_bytes;
    int too_large;
    char reason[CURL_ERROR_SIZE];
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    if (ist_buf_add(&x->body, bytes, size * count) != IST_OK) {
        x->too_large = 1;
        return 0;
    }
    return size * count;
}

static void join_header(json_t *headers, const char *name, const char *value)
{
    const char *before = json_string_value(json_object_get(headers, name));
    if (before == NULL) {
        json_object_set_new(headers, name, json_string(value));
        return;
    }
    // RFC 9110 5.3: a list; but a cookie's own text holds commas (RFC 6265 3).
    char *both = ist_printf("%s%s%s", before, strcmp(name, "set-cookie") == 0 ? "\n" : ", ", value);
    json_object_set_new(headers, name, json_string(both));
    ist_free(both);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    const size_t len = size * count;
    x->header_bytes += len;
    if (x->header_bytes > MAX_HEADER_BYTES) {
        x->too_large = 1;
        return 0;
    }
    if (len > 5 && strncasecmp(bytes, "HTTP/", 5) == 0) {
        json_object_clear(x->headers); // the answer after a 100 Continue starts over
        return len;
    }
    const char *colon = memchr(bytes, ':', len);
    if (colon == NULL)
        return len;
    char *name = ist_strndup(bytes, (size_t)(colon - bytes));
    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    const char *from = colon + 1, *to = bytes + len;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == '\r' || to[-1] == '\n' || to[-1] == ' ' || to[-1] == '\t'))
        to--;
    char *value = ist_strndup(from, (size_t)(to - from));
    join_header(x->headers, name, value);
    ist_free_secret(value);
    ist_free(name);
    return len;
}

static int is_method(const ist_http_request *request, const char *method)
{
    return strcmp(request->method, method) == 0;
}

static int may_repeat(const ist_http_request *r)
{
    return r->idempotent || r->read || is_method(r, "GET") || is_method(r, "HEAD") || is_method(r, "PUT") ||
           is_method(r, "DELETE");
}

static void set_request(struct exchange *x, int64_t limit_ms)
{
    const ist_http_request *r = x->request;
    for (size_t i = 0; r->headers != NULL && r->headers[i] != NULL; i++)
        x->list = curl_slist_append(x->list, r->headers[i]);
    x->list = curl_slist_append(x->list, "Expect:"); // no 100-continue: one round trip less, one state less
    if (is_method(r, "HEAD")) {
        curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
    } else if (r->body != NULL || is_method(r, "POST") || is_method(r, "PUT") || is_method(r, "PATCH")) {
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(r->body != NULL ? r->body_len : 0));
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, r->body != NULL ? r->body : "");
    }
    curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, r->method);
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->list);
    curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->reason);
    curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)limit_ms);
    // curl sends a request again by itself when a kept connection turns out dead, a POST too: what must not
    // be done twice gets a connection of its own.
    if (!may_repeat(r))
        curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
}

static int cancelled(const ist_env *env)
{
    return env->host != NULL && env->call != NULL && env->host->cancelled(env->call);
}

// Drives the transfer to its end. IST_OK with *result, or IST_ERR_CANCELLED.
static int32_t drive(struct exchange *x, CURLcode *result)
{
    const ist_env *env = &x->session->env;
    const int has_call = env->host != NULL && env->call != NULL;
    int64_t grace_until = -1;
    int running = 1;
    *result = CURLE_OK;
    for (;;) {
        const CURLMcode code = curl_multi_perform(x->session->multi, &running);
        if (code != CURLM_OK) {
            snprintf(x->reason, sizeof(x->reason), "%s", curl_multi_strerror(code));
            *result = CURLE_RECV_ERROR;
            return IST_OK;
        }
        if (running == 0)
            break;
        if (grace_until < 0 && cancelled(env)) {
            if (may_repeat(x->request))
                return IST_ERR_CANCELLED;
            grace_until = ist_now_ms(env) + CANCEL_GRACE_MS;
        }
        if (grace_until >= 0 && ist_now_ms(env) >= grace_until)
            return IST_ERR_CANCELLED;
        struct curl_waitfd stop = {.fd = -1, .events = CURL_WAIT_POLLIN};
        if (has_call && grace_until < 0)
            stop.fd = env->host->cancel_fd(env->call);
        curl_multi_poll(x->session->multi, stop.fd >= 0 ? &stop : NULL, stop.fd >= 0 ? 1u : 0u, 500, NULL);
    }
    int left;
    for (CURLMsg *m = curl_multi_info_read(x->session->multi, &left); m != NULL;
         m = curl_multi_info_read(x->session->multi, &left))
        if (m->msg == CURLMSG_DONE && m->easy_handle == x->easy)
            *result = m->data.result;
    return IST_OK;
}

static int is_trust_failure(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH ||
           code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_INVALIDCERTSTATUS;
}

// Did the proxy say no to the way through it? It will say so again.
static int is_proxy_refusal(const struct exchange *x)
{
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 400 && status < 500 && status != 408 && status != 429;
}

static enum http_fate fate_of(const struct exchange *x, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_COULDNT_CONNECT:
        return is_proxy_refusal(x) ? HTTP_HOPELESS : HTTP_UNSENT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_UNSENT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_OUT_OF_MEMORY:
        return HTTP_HOPELESS;
    default:
        break;
    }
    if (x->too_large || is_trust_failure(code) || is_proxy_refusal(x))
        return HTTP_HOPELESS;
    // Nothing of the request was sent while the connection was still being made.
    long sent = 0;
    curl_off_t ready = 0;
    curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    return sent == 0 && ready == 0 ? HTTP_UNSENT : HTTP_LOST;
}

static int32_t failure(const struct exchange *x, CURLcode code, const char *where, int64_t limit_ms,
                       ist_error *err)
{
    const char *why = x->reason[0] != '\0' ? x->reason : curl_easy_strerror(code);
    if (x->too_large)
        return ist_fail(err, IST_ERR_LIMIT, where, "the answer is larger than %zu bytes",
                        x->header_bytes > MAX_HEADER_BYTES ? (size_t)MAX_HEADER_BYTES
                                                           : x->session->options.max_body);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return ist_fail(err, IST_ERR_INPUT, where, "%s", why);
    if (is_trust_failure(code)) {
        const int32_t rc = ist_fail(err, IST_ERR_NETWORK, where, "TLS: %s", why);
        ist_hint(err, "name the authority that issued the server's certificate (a CA file), if you trust it");
        return rc;
    }
    if (is_proxy_refusal(x)) {
        const int32_t rc = ist_fail(err, IST_ERR_NETWORK, where, "the proxy refused the way: %s", why);
        ist_hint(err, "look at https_proxy and no_proxy in the environment");
        return rc;
    }
    if (code == CURLE_OPERATION_TIMEDOUT && ist_remaining_ms(&x->session->env) <= 20)
        return ist_fail(err, IST_ERR_TIMEOUT, where, "no answer before the deadline of this operation");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ist_fail(err, IST_ERR_NETWORK, where, "no answer within %" PRId64 " ms (%s)", limit_ms, why);
    if (x->session->fate == HTTP_LOST && !may_repeat(x->request))
        return ist_fail(err, IST_ERR_NETWORK, where,
                        "the answer was lost (%s): whether it was done is not known", why);
    return ist_fail(err, IST_ERR_NETWORK, where, "%s", why);
}

static int32_t finish(struct exchange *x, const char *where, int64_t limit_ms, int64_t began,
                      ist_http_response *response, ist_error *err)
{
    const ist_env *env = &x->session->env;
    CURLcode code;
    if (drive(x, &code) != IST_OK) {
        x->session->fate = HTTP_HOPELESS;
        http_trace_failure(env, x->request, "cancelled");
        return ist_fail(err, IST_ERR_CANCELLED, where, "cancelled");
    }
    x->session->fate = fate_of(x, code);
    if (code != CURLE_OK) {
        http_trace_failure(env, x->request, x->reason[0] != '\0' ? x->reason : curl_easy_strerror(code));
        return failure(x, code, where, limit_ms, err);
    }
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    response->status = (int)status;
    response->body_len = x->body.len;
    response->body = ist_buf_take(&x->body);
    response->headers = json_incref(x->headers);
    http_trace_response(env, x->request, response, ist_now_ms(env) - began);
    return IST_OK;
}

int32_t http_exchange(ist_http *session, const ist_http_request *request, const char *where,
                      ist_http_response *response, ist_error *err)
{
    const int64_t remaining = ist_remaining_ms(&session->env);
    int64_t limit = request->request_ms > 0 ? request->request_ms : session->options.request_ms;
    session->fate = HTTP_HOPELESS;
    if (cancelled(&session->env))
        return ist_fail(err, IST_ERR_CANCELLED, where, "cancelled");
    if (remaining <= 0)
        return ist_fail(err, IST_ERR_TIMEOUT, where, "the deadline of this operation has passed");
    if (limit > remaining)
        limit = remaining;
    struct exchange x = {.session = session, .request = request, .body = {.max = session->options.max_body}};
    x.easy = http_easy(session, request->url);
    x.headers = json_object();
    set_request(&x, limit);
    http_trace_request(&session->env, request);
    curl_multi_add_handle(session->multi, x.easy);
    const int32_t rc = finish(&x, where, limit, ist_now_ms(&session->env), response, err);
    curl_multi_remove_handle(session->multi, x.easy);
    curl_easy_cleanup(x.easy);
    curl_slist_free_all(x.list);
    json_decref(x.headers);
    ist_buf_free(&x.body);
    return rc;
}

const char *ist_http_header(const ist_http_response *response, const char *name)
{
    return json_string_value(json_object_get(response->headers, name));
}

void ist_http_response_free(ist_http_response *response)
{
    if (response == NULL)
        return;
    ist_free_secret(response->body);
    json_decref(response->headers);
    *response = (ist_http_response){0};
}
