// A small HTTP server inside a test: a thread a connection, a handler that says what is answered and what
// goes wrong. Loopback only.
#ifndef TEST_HTTPD_H
#define TEST_HTTPD_H

#include <stddef.h>

struct httpd;

struct httpd_request {
    char method[16];
    char target[8192];   // as sent, with the query
    const char *headers; // raw lines
    const char *body;    // NUL-terminated
    size_t body_len;
    int on_connection; // 1 for the first request of its connection, 2 for the second, ...
    int number;        // of all requests to this server, from 1
};

struct httpd_reply {
    int status;          // 200
    const char *headers; // "Name: value\r\n"..., or NULL
    char *body;          // malloc'd, freed by the server; NULL: empty
    size_t body_len;     // 0: strlen(body)
    long cut_after;      // -1: all is sent; else reset the connection after so many bytes of the answer
    int delay_ms;        // before the answer
};

typedef void httpd_handler(void *arg, const struct httpd_request *request, struct httpd_reply *reply);

// tls: 1 serves with a certificate of its own for 127.0.0.1, which httpd_ca() holds.
struct httpd *httpd_start(httpd_handler *handler, void *arg, int tls);
// Calls the handler from several threads at once from now on: it locks for itself, and may wait.
void httpd_side_by_side(struct httpd *server);
void httpd_stop(struct httpd *server);
const char *httpd_url(const struct httpd *server); // "http://127.0.0.1:4711"
const char *httpd_ca(const struct httpd *server);  // PEM
int httpd_count(struct httpd *server);             // requests so far
// The value of a header of the request, copied into `value`; 1 when there.
int httpd_header(const struct httpd_request *request, const char *name, char *value, size_t size);

#endif
