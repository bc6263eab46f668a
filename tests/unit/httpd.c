#include "httpd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024

struct connection {
    struct httpd *server;
    int fd;
    pthread_t thread;
    SSL *ssl;
};

struct httpd {
    httpd_handler *handler;
    void *arg;
    int listener;
    volatile int stopping;
    pthread_t thread;
    pthread_mutex_t lock;
    struct connection connections[MAX_CONNECTIONS];
    int used;
    int count;
    char url[64];
    SSL_CTX *ctx;
    char *ca;
    int side_by_side;
};

static void require(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "httpd: %s failed\n", what);
        abort();
    }
}

static long get(struct connection *c, char *to, size_t size)
{
    return c->ssl != NULL ? SSL_read(c->ssl, to, (int)size) : recv(c->fd, to, size, 0);
}

static int put(struct connection *c, const char *from, size_t len)
{
    while (len > 0) {
        const long n =
            c->ssl != NULL ? SSL_write(c->ssl, from, (int)len) : send(c->fd, from, len, MSG_NOSIGNAL);
        if (n <= 0)
            return -1;
        from += n;
        len -= (size_t)n;
    }
    return 0;
}

int httpd_header(const struct httpd_request *request, const char *name, char *value, size_t size)
{
    const size_t len = strlen(name);
    for (const char *line = request->headers; line != NULL && *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        if (end == NULL)
            break;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *from = line + len + 1;
            while (*from == ' ')
                from++;
            snprintf(value, size, "%.*s", (int)(end - from), from);
            return 1;
        }
        line = end + 2;
    }
    return 0;
}

// Reads one request into `raw`; 0 when the other side closed.
static int read_request(struct connection *c, char *raw, size_t room, struct httpd_request *request)
{
    size_t have = 0;
    char *end = NULL;
    while (end == NULL) {
        const long n = have + 1 < room ? get(c, raw + have, room - have - 1) : -1;
        if (n <= 0)
            return 0;
        have += (size_t)n;
        raw[have] = '\0';
        end = strstr(raw, "\r\n\r\n");
    }
    if (sscanf(raw, "%15s %8191s", request->method, request->target) != 2)
        return 0;
    request->headers = strstr(raw, "\r\n") + 2;
    char length[32] = "0";
    httpd_header(request, "Content-Length", length, sizeof(length));
    const size_t need = (size_t)(end + 4 - raw) + (size_t)strtoul(length, NULL, 10);
    while (have < need) {
        const long n = need < room ? get(c, raw + have, room - have - 1) : -1;
        if (n <= 0)
            return 0;
        have += (size_t)n;
        raw[have] = '\0';
    }
    request->body = end + 4;
    request->body_len = need - (size_t)(end + 4 - raw);
    return 1;
}

static void reset(struct connection *c)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

// 0 when the connection is over.
static int answer(struct connection *c, struct httpd_reply *reply)
{
    if (reply->body != NULL && reply->body_len == 0)
        reply->body_len = strlen(reply->body);
    char head[4096];
    const int n = snprintf(head, sizeof(head), "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n%s\r\n",
                           reply->status, reply->body_len, reply->headers != NULL ? reply->headers : "");
    const size_t total = (size_t)n + reply->body_len;
    char *all = malloc(total + 1);
    require(all != NULL, "malloc");
    memcpy(all, head, (size_t)n);
    if (reply->body != NULL && reply->body_len > 0)
        memcpy(all + n, reply->body, reply->body_len);
    for (int waited = 0; waited < reply->delay_ms && !c->server->stopping; waited += 20)
        poll(NULL, 0, 20);
    const int cut = reply->cut_after >= 0 && (size_t)reply->cut_after < total;
    int rc = put(c, all, cut ? (size_t)reply->cut_after : total);
    free(all);
    if (cut) {
        poll(NULL, 0, 50); // what was sent must arrive before the reset
        reset(c);
        rc = -1;
    }
    return rc == 0;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    const size_t room = 1u << 20;
    char *raw = malloc(room);
    require(raw != NULL, "malloc");
    int open = 1;
    if (c->server->ctx != NULL) {
        c->ssl = SSL_new(c->server->ctx);
        SSL_set_fd(c->ssl, c->fd);
        open = SSL_accept(c->ssl) == 1;
    }
    for (int on_connection = 1; open && !c->server->stopping; on_connection++) {
        struct httpd_request request = {.on_connection = on_connection};
        if (!read_request(c, raw, room, &request))
            break;
        struct httpd_reply reply = {.status = 200, .cut_after = -1};
        pthread_mutex_lock(&c->server->lock);
        request.number = ++c->server->count;
        const int alone = !c->server->side_by_side;
        if (!alone)
            pthread_mutex_unlock(&c->server->lock);
        c->server->handler(c->server->arg, &request, &reply);
        if (alone)
            pthread_mutex_unlock(&c->server->lock);
        open = answer(c, &reply);
        free(reply.body);
    }
    SSL_free(c->ssl);
    shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_lock(&c->server->lock);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->server->lock);
    free(raw);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct httpd *server = arg;
    while (!server->stopping) {
        struct pollfd p = {.fd = server->listener, .events = POLLIN};
        if (poll(&p, 1, 50) <= 0)
            continue;
        const int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            continue;
        require(server->used < MAX_CONNECTIONS, "too many connections");
        struct connection *c = &server->connections[server->used];
        c->server = server;
        c->fd = fd;
        require(pthread_create(&c->thread, NULL, serve, c) == 0, "pthread_create");
        server->used++;
    }
    return NULL;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    require(ext != NULL, "extension");
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static void make_tls(struct httpd *server)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    require(key != NULL && cert != NULL, "certificate");
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(cert, NID_subject_alt_name, "IP:127.0.0.1");
    require(X509_sign(cert, key, EVP_sha256()) > 0, "sign");
    server->ctx = SSL_CTX_new(TLS_server_method());
    require(server->ctx != NULL, "SSL_CTX_new");
    SSL_CTX_use_certificate(server->ctx, cert);
    SSL_CTX_use_PrivateKey(server->ctx, key);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    char *text;
    const long len = BIO_get_mem_data(bio, &text);
    server->ca = strndup(text, (size_t)len);
    BIO_free(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void httpd_side_by_side(struct httpd *server)
{
    pthread_mutex_lock(&server->lock);
    server->side_by_side = 1;
    pthread_mutex_unlock(&server->lock);
}

struct httpd *httpd_start(httpd_handler *handler, void *arg, int tls)
{
    struct httpd *server = calloc(1, sizeof(*server));
    require(server != NULL, "calloc");
    server->handler = handler;
    server->arg = arg;
    pthread_mutex_init(&server->lock, NULL);
    signal(SIGPIPE, SIG_IGN); // a client that went away in the middle is part of many tests
    if (tls)
        make_tls(server);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    require(bind(server->listener, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
    require(listen(server->listener, 64) == 0, "listen");
    getsockname(server->listener, (struct sockaddr *)&at, &len);
    snprintf(server->url, sizeof(server->url), "%s://127.0.0.1:%d", tls ? "https" : "http",
             ntohs(at.sin_port));
    require(pthread_create(&server->thread, NULL, accept_all, server) == 0, "pthread_create");
    return server;
}

void httpd_stop(struct httpd *server)
{
    if (server == NULL)
        return;
    server->stopping = 1;
    pthread_join(server->thread, NULL);
    for (int i = 0; i < server->used; i++) {
        pthread_mutex_lock(&server->lock);
        if (server->connections[i].fd >= 0)
            shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_mutex_unlock(&server->lock);
        pthread_join(server->connections[i].thread, NULL);
    }
    close(server->listener);
    SSL_CTX_free(server->ctx);
    free(server->ca);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *httpd_url(const struct httpd *server)
{
    return server->url;
}

const char *httpd_ca(const struct httpd *server)
{
    return server->ca;
}

int httpd_count(struct httpd *server)
{
    pthread_mutex_lock(&server->lock);
    const int count = server->count;
    pthread_mutex_unlock(&server->lock);
    return count;
}
