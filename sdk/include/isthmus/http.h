// isthmus/http.h: HTTP over libcurl. TLS is always verified; only idempotent calls are retried by themselves;
// in observe, plan and verify a session refuses every request that its caller does not mark as a read.
#ifndef ISTHMUS_HTTP_H
#define ISTHMUS_HTTP_H

#include <isthmus/env.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_http ist_http; // one session: connections are kept and reused; for one thread

typedef struct ist_http_options {
    uint32_t size;       // sizeof(ist_http_options)
    const char *ca_file; // PEM bundle to trust instead of the system's; NULL: the system's
    const char *ca_pem;  // the same inline; wins over ca_file
    const char *client_cert_pem, *client_key_pem;
    const char *proxy;      // NULL: from the environment (https_proxy, no_proxy); "": none
    const char *pinned_key; // "sha256//..." of the server's public key, or NULL
    int insecure;           // 1: do not verify. Only where the user wrote so by name; warns
    int64_t connect_ms;     // 0: 10 s
    int64_t request_ms;     // 0: 60 s; the operation's deadline cuts it
    size_t max_body;        // 0: 64 MiB
    const char *user_agent; // NULL: isthmus/VERSION
    const char
        *connect_to; // "host:port" that connections really go to; NULL: where the URL says. The URL's host
                     // is what the certificate is verified for
} ist_http_options;

typedef struct ist_http_request {
    uint32_t size;
    const char *method;
    const char *url;
    const char *const *headers; // "Name: value", ..., NULL; borrowed for the call
    const char *body;           // borrowed; NULL: none
    size_t body_len;
    int read;           // 1: changes nothing on the other side
    int idempotent;     // 1: may be sent again after a lost answer (GET, HEAD, PUT, DELETE are anyway)
    int tries;          // at most so many; 0: 5
    int follow;         // 1: follow redirects to the same host
    int64_t request_ms; // 0: the session's
    const char *label;  // of errors and traces: "CCP login"; NULL: method and URL without query
    int secret;         // 1: the bodies hold credentials nobody registered yet: never traced
} ist_http_request;

typedef struct ist_http_response {
    int status;
    char *body; // owned by the response; NUL-terminated, "" when empty
    size_t body_len;
    json_t *headers; // object, names in lower case, repeated ones joined by ", " (set-cookie: by newline)
} ist_http_response;

IST_EXPORT int32_t ist_http_new(const ist_env *env, const ist_http_options *options, ist_http **session,
                                ist_error *err);
IST_EXPORT void ist_http_free(ist_http *session);
// IST_OK with any HTTP status; network failures, deadlines and refusals are errors. 429, 502, 503, 504 and
// lost connections of idempotent requests are retried with full jitter, Retry-After honoured.
IST_EXPORT int32_t ist_http_send(ist_http *session, const ist_http_request *request,
                                 ist_http_response *response, ist_error *err);
IST_EXPORT void ist_http_response_free(ist_http_response *response); // its contents; zeroes it
IST_EXPORT const char *ist_http_header(const ist_http_response *response,
                                       const char *name); // borrowed, or NULL

// An answer that is read as it comes, for as long as the other side goes on (watches). The streams of one
// session share a connection where HTTP/2 is spoken. Never retried: only the caller knows how far it came. The
// request's body is copied.
// request_ms 0: no end. Close every stream before its session is freed.
typedef struct ist_http_stream ist_http_stream;
IST_EXPORT int32_t ist_http_stream_open(ist_http *session, const ist_http_request *request,
                                        ist_http_stream **stream, ist_error *err);
IST_EXPORT void ist_http_stream_close(ist_http_stream *stream); // NULL is fine
IST_EXPORT int
ist_http_stream_status(const ist_http_stream *stream); // 0 until the head of the answer is here
// Everything that arrived and was not taken yet, without waiting; borrowed until the next call with any
// stream of the session. *ended: no more will come. Where the connection was lost that is an error, with
// bytes and len set all the same.
IST_EXPORT int32_t ist_http_stream_read(ist_http_stream *stream, const char **bytes, size_t *len, int *ended,
                                        ist_error *err);
IST_EXPORT void ist_http_stream_take(ist_http_stream *stream, size_t len); // that many bytes are done with
// Waits at most ms (-1: the deadline only) until one of the streams (of any sessions; NULLs are passed over)
// has something new; IST_AGAIN when that passed first.
IST_EXPORT int32_t ist_http_stream_wait(const ist_env *env, ist_http_stream *const *streams, size_t count,
                                        int64_t ms, ist_error *err);

// Percent-encodes as RFC 3986 (and SigV4) want it; '/' is kept when keep_slash.
IST_EXPORT char *ist_url_encode(const char *text, int keep_slash);
IST_EXPORT char *ist_form_encode(const json_t *fields); // object of strings -> "a=b&c=d"

#ifdef __cplusplus
}
#endif
#endif
