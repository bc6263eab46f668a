// Sending: the read-only rule, retries and redirects around single exchanges.
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MAX_REDIRECTS 5

int32_t http_check_read_only(const ist_env *env, const ist_http_request *request, const char *where,
                             ist_error *err)
{
    const uint32_t op = ist_operation_of(env);
    if (op == IST_OP_CHECK)
        return ist_fail(err, IST_ERR_READ_ONLY, where, "refused: check reaches nothing");
    if (request->read || (op != IST_OP_OBSERVE && op != IST_OP_PLAN && op != IST_OP_VERIFY))
        return IST_OK;
    return ist_fail(err, IST_ERR_READ_ONLY, where, "refused: observe, plan and verify only read");
}

static int may_repeat(const ist_http_request *r)
{
    return r->idempotent || r->read || strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0 ||
           strcmp(r->method, "PUT") == 0 || strcmp(r->method, "DELETE") == 0;
}

static int status_is_passing(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

// Seconds or a date (RFC 9110 10.2.3).
int64_t http_retry_after(const ist_env *env, const ist_http_response *response)
{
    const char *text = ist_http_header(response, "retry-after");
    if (text == NULL)
        return 0;
    char *end;
    const long seconds = strtol(text, &end, 10);
    if (end != text && *end == '\0')
        return seconds > 0 && seconds < 86400 ? (int64_t)seconds * 1000 : 0;
    const time_t at = curl_getdate(text, NULL);
    const int64_t wait = at == -1 ? 0 : (int64_t)at * 1000 - ist_clock_ms(env);
    return wait > 0 && wait < 86400000 ? wait : 0;
}

static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    curl_url_get(url, part, &text, CURLU_DEFAULT_PORT);
    return text;
}

static int same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = url_part(a, part), *y = url_part(b, part);
    const int same = x != NULL && y != NULL && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return same;
}

// Where the answer sends us, if that is the same server; credentials must not travel to another.
static int32_t redirect_target(const char *from, const char *location, const char *where, char **target,
                               ist_error *err)
{
    CURLU *old = curl_url(), *new = curl_url();
    int32_t rc = IST_ERR_REMOTE;
    char *text = NULL;
    if (curl_url_set(old, CURLUPART_URL, from, 0) != CURLUE_OK ||
        curl_url_set(new, CURLUPART_URL, from, 0) != CURLUE_OK ||
        curl_url_set(new, CURLUPART_URL, location, 0) != CURLUE_OK ||
        curl_url_get(new, CURLUPART_URL, &text, 0) != CURLUE_OK) {
        rc = ist_fail(err, IST_ERR_REMOTE, where, "redirected to something that is no URL");
        goto out;
    }
    if (!same_part(old, new, CURLUPART_SCHEME) || !same_part(old, new, CURLUPART_HOST) ||
        !same_part(old, new, CURLUPART_PORT)) {
        char *shown = http_url_for_trace(text);
        shown[strcspn(shown, "?#")] = '\0';
        rc = ist_fail(err, IST_ERR_REMOTE, where, "redirected to another server (%s): not followed", shown);
        ist_free(shown);
        goto out;
    }
    *target = ist_strdup(text);
    rc = IST_OK;
out:
    curl_free(text);
    curl_url_cleanup(old);
    curl_url_cleanup(new);
    return rc;
}

static int is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Sends once or more until there is an answer to hand back or no sense in going on.
static int32_t send_with_retries(ist_http *session, const ist_http_request *request, const char *where,
                                 ist_http_response *response, ist_error *err)
{
    ist_backoff backoff = {.tries = request->tries};
    for (;;) {
        ist_http_response answer = {0};
        ist_error failed = {0};
        int64_t hint = 0;
        const int32_t rc = http_exchange(session, request, where, &answer, &failed);
        int again;
        if (rc == IST_OK) {
            // 429 says that nothing was done; the others may come from a proxy after the server acted.
            again = answer.status == 429 || (may_repeat(request) && status_is_passing(answer.status));
            hint = http_retry_after(&session->env, &answer);
        } else {
            again = session->fate == HTTP_UNSENT || (session->fate == HTTP_LOST && may_repeat(request));
        }
        if (again && rc == IST_ERR_TIMEOUT)
            again = 0;
        const int32_t waited = again ? ist_backoff_wait(&session->env, &backoff, hint) : IST_ERR_LIMIT;
        if (waited == IST_ERR_LIMIT) {
            if (rc == IST_OK)
                *response = answer;
            else if (err != NULL)
                *err = failed;
            return rc;
        }
        ist_http_response_free(&answer);
        if (waited != IST_OK)
            return ist_fail(err, waited, where, "cancelled while waiting to try again");
    }
}

int32_t ist_http_send(ist_http *session, const ist_http_request *request, ist_http_response *response,
                      ist_error *err)
{
    ist_http_request r = {0};
    memcpy(&r, request, request->size < sizeof(r) ? request->size : sizeof(r));
    char where[sizeof(((ist_error *)NULL)->where)];
    http_where(&r, where, sizeof(where));
    ist_http_response answer = {0};
    char *url = NULL;
    int32_t rc = http_check_read_only(&session->env, &r, where, err);
    for (int hops = 0; rc == IST_OK; hops++) {
        rc = send_with_retries(session, &r, where, &answer, err);
        const char *location = rc == IST_OK ? ist_http_header(&answer, "location") : NULL;
        if (rc != IST_OK || !r.follow || !is_redirect(answer.status) || location == NULL)
            break;
        if (hops == MAX_REDIRECTS) {
            rc = ist_fail(err, IST_ERR_REMOTE, where, "redirected more than %d times", MAX_REDIRECTS);
            break;
        }
        char *target = NULL;
        rc = redirect_target(r.url, location, where, &target, err);
        // Method and body stay, as the one who sent a POST to /clusters and is told /clusters/ means it; but
        // 303 says to look at the result.
        if (rc == IST_OK && answer.status == 303) {
            r.method = "GET";
            r.body = NULL;
            r.body_len = 0;
        }
        ist_free(url);
        url = target;
        r.url = url;
        ist_http_response_free(&answer);
    }
    ist_free(url);
    if (rc == IST_OK)
        *response = answer;
    else
        ist_http_response_free(&answer);
    return rc;
}
