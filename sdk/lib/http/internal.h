// What the parts of libisthmus share of an HTTP session. Not installed.
#ifndef IST_HTTP_INTERNAL_H
#define IST_HTTP_INTERNAL_H

#include <isthmus/alloc.h>
#include <isthmus/http.h>
#include <isthmus/retry.h>
#include <curl/curl.h>

// How far the last request of a session came. A caller that retries by itself (AWS) asks for it.
enum http_fate {
    HTTP_ANSWERED, // a status came back, whatever it was
    HTTP_UNSENT,   // failed before a byte of the request left: safe to send again, whatever it does
    HTTP_LOST,     // sent, at least partly, and no whole answer: what the other side did is not known
    HTTP_HOPELESS, // will fail again: verification, malformed URL, too large, refused, cancelled
};

struct ist_http {
    ist_env env;
    ist_http_options options;       // every pointer in it is owned
    char *https_proxy, *http_proxy; // of the environment, where libcurl does not see them; NULL: none
    CURLM *multi;                   // keeps the connections
    struct curl_slist *connect_to;
    struct http_hub *hub; // drives the streams (stream.c); NULL until the first
    int idle_fds;
    enum http_fate fate;
};

// An easy handle for this URL with everything the session says (trust, proxy, certificates, user agent, time to connect),
// for callers that drive curl themselves (watches). The caller's: curl_easy_cleanup(). Never NULL.
CURL *http_easy(const ist_http *session, const char *url);

// Of a stream with a body: asked each time a part of the body is about to leave; 0 breaks the request off
// (IST_ERR_NETWORK). So a writer that was stopped and wakes up late sends nothing of what it had prepared.
typedef int http_gate(void *arg);
void http_stream_gate(ist_http_stream *stream, http_gate *gate, void *arg);
// Has something arrived since the last read, the end too?
int http_stream_fresh(const ist_http_stream *stream);
// What the answer's Retry-After says, in milliseconds; 0: nothing.
int64_t http_stream_retry_after(const ist_http_stream *stream);
// Its Date, as it came; NULL: it has none. Borrowed from the stream.
const char *http_stream_date(const ist_http_stream *stream);

// As ist_http_stream_wait(), and IST_AGAIN once `wake` is readable (-1: never).
int32_t http_stream_wait(const ist_env *env, int wake, ist_http_stream *const *streams, size_t count,
                         int64_t ms, ist_error *err);

// What is opened from now on goes over a connection of its own, not over one that has fallen silent. The streams that
// are open stay as they are, until they are closed: before the session is freed, as ever.
void http_streams_anew(ist_http *session);
void http_hub_free(struct http_hub *hub); // NULL is fine; its streams are closed before

// One exchange, no retries, no redirects followed. Sets session->fate. `where` names it in errors.
int32_t http_exchange(ist_http *session, const ist_http_request *request, const char *where,
                      ist_http_response *response, ist_error *err);

// What an answer's Retry-After asks for, in milliseconds; 0: nothing.
int64_t http_retry_after(const ist_env *env, const ist_http_response *response);

// Fills `where` (a label, or "METHOD scheme://host/path": no user, no query).
void http_where(const ist_http_request *request, char *where, size_t size);
// IST_OK, or IST_ERR_READ_ONLY when the operation may not write and the request is not marked as a read.
int32_t http_check_read_only(const ist_env *env, const ist_http_request *request, const char *where,
                             ist_error *err);

// Traces (nothing unless wanted). Headers that authenticate are left out whole, credentials in a query are
// cut.
void http_trace_request(const ist_env *env, const ist_http_request *request);
void http_trace_response(const ist_env *env, const ist_http_request *request,
                         const ist_http_response *response, int64_t elapsed_ms);
void http_trace_failure(const ist_env *env, const ist_http_request *request, const char *why);
// How much of a text to show where only `max` bytes of it are: it ends between words, because half a secret is none that
// the host knows and would take out.
size_t http_cut(const char *text, size_t max);
// Does a header of this name carry credentials? `len` bytes of name.
int http_header_is_secret(const char *name, size_t len);
// The URL without user information and with credentials in the query replaced by "***". The caller's.
char *http_url_for_trace(const char *url);

#endif
