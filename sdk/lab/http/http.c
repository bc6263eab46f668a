// HTTPS listeners, one a service: a thread a connection, every handler under the world's lock, faults on the
// way.
#include "../core.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_BODY = 16 << 20, MAX_LISTENERS = 40 };

struct listener {
    struct lab *lab;
    struct lab_service service;
    struct MHD_Daemon *daemon;
    uint8_t host;
    int port;
};

struct lab_http {
    struct listener *listeners[MAX_LISTENERS];
    size_t count;
};

// One exchange, from the first line of the request to the end of the answer.
struct exchange {
    char *uri, *query; // uri is cut at its "?"
    char *body;
    size_t len, size;
    struct lab_request rq;
};

// What is known of a connection: its verified client certificate.
struct peer {
    bool checked;
    char cn[128], organization[128];
};

struct stream {
    struct lab *lab;
    struct lab_reply reply;
    struct MHD_Connection *connection;
    char *chunk; // left over from the last call
    size_t len, sent;
    bool over;
};

// ---- requests ----

const char *lab_header(const struct lab_request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name);
}

void lab_reply_json(struct lab_reply *reply, int status, json_t *body)
{
    reply->status = status;
    json_decref(reply->json);
    reply->json = body;
}

void lab_reply_text(struct lab_reply *reply, int status, const char *content_type, char *text)
{
    reply->status = status;
    reply->content_type = content_type;
    free(reply->text);
    reply->text = text;
    reply->text_len = strlen(text);
}

// ---- answers ----

static bool gone(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd fd = {.fd = info ? info->connect_fd : -1, .events = POLLRDHUP};
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static ssize_t stream_read(void *arg, uint64_t position, char *buffer, size_t max)
{
    struct stream *stream = arg;
    (void)position;
    while (stream->sent == stream->len) {
        free(stream->chunk);
        stream->chunk = NULL;
        stream->len = stream->sent = 0;
        if (stream->over || gone(stream->connection))
            return MHD_CONTENT_READER_END_OF_STREAM;
        pthread_mutex_lock(&stream->lab->lock);
        stream->over = stream->lab->stopping || !stream->reply.stream(stream->lab, stream->reply.stream_arg,
                                                                      &stream->chunk, &stream->len);
        pthread_mutex_unlock(&stream->lab->lock);
    }
    size_t n = stream->len - stream->sent < max ? stream->len - stream->sent : max;
    memcpy(buffer, stream->chunk + stream->sent, n);
    stream->sent += n;
    return (ssize_t)n;
}

static void stream_end(void *arg)
{
    struct stream *stream = arg;
    pthread_mutex_lock(&stream->lab->lock);
    if (stream->reply.stream_free)
        stream->reply.stream_free(stream->reply.stream_arg);
    pthread_mutex_unlock(&stream->lab->lock);
    free(stream->chunk);
    free(stream);
}

// With the lock held: an answer may hold objects of the world, which nobody may look at without it.
static void render(struct lab_reply *reply)
{
    if (!reply->json)
        return;
    reply->text = json_dumps(reply->json, JSON_COMPACT | JSON_ENCODE_ANY);
    reply->text_len = reply->text ? strlen(reply->text) : 0;
    json_decref(reply->json);
    reply->json = NULL;
}

static struct MHD_Response *response_of(struct lab *lab, struct MHD_Connection *connection,
                                        struct lab_reply *reply)
{
    if (reply->stream) {
        struct stream *stream = lab_calloc(1, sizeof *stream);
        *stream = (struct stream){.lab = lab, .reply = *reply, .connection = connection};
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32768, stream_read, stream, stream_end);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->text_len, reply->text, MHD_RESPMEM_MUST_FREE);
    reply->text = NULL;
    return response;
}

static enum MHD_Result answer(struct lab *lab, struct MHD_Connection *connection, struct lab_reply *reply)
{
    const char *name;
    json_t *value;
    struct MHD_Response *response = response_of(lab, connection, reply);
    MHD_add_response_header(response, "Content-Type",
                            reply->content_type ? reply->content_type : "application/json");
    json_object_foreach(reply->headers, name, value)
        MHD_add_response_header(response, name, json_string_value(value));
    json_decref(reply->headers);
    enum MHD_Result rc = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return rc;
}

static void drop_reply(struct lab_reply *reply)
{
    if (reply->stream && reply->stream_free)
        reply->stream_free(reply->stream_arg);
    json_decref(reply->json);
    json_decref(reply->headers);
    free(reply->text);
}

// ---- one call ----

static bool is(const struct lab_fault *fault, const char *effect)
{
    return fault && !strcmp(fault->effect, effect);
}

static void refuse(struct listener *l, struct lab_request *rq, struct lab_reply *reply,
                   const struct lab_fault *fault)
{
    if (l->service.refuse) {
        l->service.refuse(l->lab, l->service.self, rq, reply, fault);
        return;
    }
    int status = fault->status           ? fault->status
                 : *fault->effect == 't' ? 429
                 : *fault->effect == 'e' ? 401
                 : is(fault, "deny")     ? 403
                                         : 500;
    lab_reply_json(reply, status, json_pack("{ss}", "message", fault->code ? fault->code : fault->effect));
}

// With the lock held. False: the connection is cut.
static bool call(struct listener *l, struct lab_request *rq, struct lab_reply *reply)
{
    struct lab *lab = l->lab;
    if (l->service.identify)
        l->service.identify(lab, l->service.self, rq);
    const struct lab_fault *fault = lab_fault_take_call(lab, l->service.name, rq->action, rq->write);
    bool cut = is(fault, "cut-before");
    if (is(fault, "delay")) {
        for (int64_t until = lab_mono_ms() + fault->delay_ms; !lab->stopping && lab_mono_ms() < until;) {
            int64_t left = until - lab_mono_ms();
            pthread_mutex_unlock(&lab->lock);
            nanosleep(&(struct timespec){.tv_nsec = (left < 50 ? left : 50) * 1000000}, NULL);
            pthread_mutex_lock(&lab->lock);
        }
    }
    if (is(fault, "stale"))
        rq->stale = fault;
    if (is(fault, "answer")) {
        const char *body = fault->body ? fault->body : "";
        lab_reply_text(reply, fault->status ? fault->status : 200,
                       *body == '<' ? "text/html" : "application/json", lab_strdup(body));
    } else if (is(fault, "status") || is(fault, "throttle") || is(fault, "expired-token") ||
               is(fault, "deny")) {
        refuse(l, rq, reply, fault);
    } else if (!cut) {
        l->service.act(lab, l->service.self, rq, reply);
        cut = is(fault, "cut-after");
    }
    pthread_cond_broadcast(&lab->changed);
    lab_journal_add(lab, l->service.name, rq->method, rq->path, rq->action, cut ? 0 : reply->status,
                    rq->write);
    return !cut;
}

static bool certificate_name(gnutls_x509_crt_t cert, const char *oid, char *text, size_t size)
{
    size_t len = size - 1;
    bool found = gnutls_x509_crt_get_dn_by_oid(cert, oid, 0, 0, text, &len) == 0;
    text[found ? len : 0] = 0;
    return found;
}

// Asks GnuTLS once a connection whether the client proved a certificate of the lab's CA.
static void check_peer(struct MHD_Connection *connection, struct peer *peer)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned count = 0, verdict = 1;
    peer->checked = true;
    if (!info || !info->tls_session)
        return;
    gnutls_session_t session = info->tls_session;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t cert;
    if (!chain || !count || gnutls_certificate_verify_peers2(session, &verdict) != 0 || verdict != 0 ||
        gnutls_x509_crt_init(&cert) != 0)
        return;
    if (gnutls_x509_crt_import(cert, &chain[0], GNUTLS_X509_FMT_DER) == 0) {
        certificate_name(cert, GNUTLS_OID_X520_COMMON_NAME, peer->cn, sizeof peer->cn);
        certificate_name(cert, GNUTLS_OID_X520_ORGANIZATION_NAME, peer->organization,
                         sizeof peer->organization);
    }
    gnutls_x509_crt_deinit(cert);
}

static enum MHD_Result dispatch(struct listener *l, struct MHD_Connection *connection, struct exchange *x)
{
    struct lab_reply reply = {.status = 200};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct peer *peer = info ? info->socket_context : NULL;
    if (l->service.client_certs && peer) {
        if (!peer->checked)
            check_peer(connection, peer);
        x->rq.client_cert_cn = *peer->cn ? peer->cn : NULL;
        x->rq.client_cert_o = *peer->organization ? peer->organization : NULL;
    }
    pthread_mutex_lock(&l->lab->lock);
    bool answered = call(l, &x->rq, &reply);
    if (answered)
        render(&reply);
    else
        drop_reply(&reply);
    pthread_mutex_unlock(&l->lab->lock);
    return answered ? answer(l->lab, connection, &reply) : MHD_NO;
}

static void append(struct exchange *x, const char *data, size_t len)
{
    if (x->len + len + 1 > x->size) {
        x->size = 2 * (x->len + len) + 1024;
        char *bigger = lab_calloc(1, x->size);
        if (x->len)
            memcpy(bigger, x->body, x->len);
        free(x->body);
        x->body = bigger;
    }
    memcpy(x->body + x->len, data, len);
    x->len += len;
    x->body[x->len] = 0;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *data_len,
                                  void **context)
{
    struct exchange *x = *context;
    (void)url, (void)version;
    if (!x->rq.method) { // the first call has the headers alone
        x->rq.method = method;
        return MHD_YES;
    }
    if (*data_len) {
        if (x->len + *data_len > MAX_BODY)
            return MHD_NO;
        append(x, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    x->rq.path = x->uri;
    x->rq.query = x->query;
    x->rq.body = x->body ? x->body : "";
    x->rq.body_len = x->len;
    x->rq.connection = connection;
    return dispatch(arg, connection, x);
}

// The only place where MHD hands over the request line as it was sent, before it decodes anything.
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = lab_calloc(1, sizeof *x);
    (void)arg, (void)connection;
    x->uri = lab_strdup(uri);
    char *mark = strchr(x->uri, '?');
    if (mark)
        *mark = 0;
    x->query = mark ? mark + 1 : x->uri + strlen(x->uri);
    return x;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *context;
    (void)arg, (void)connection, (void)code;
    if (!x)
        return;
    free(x->uri);
    free(x->body);
    free(x->rq.action);
    free(x);
    *context = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)arg, (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *context = lab_calloc(1, sizeof(struct peer));
    else
        free(*context);
}

// ---- listeners ----

static struct MHD_Daemon *start(struct listener *l, const struct sockaddr_in *address)
{
    const struct lab *lab = l->lab;
    struct MHD_OptionItem trust[] = {{MHD_OPTION_HTTPS_MEM_TRUST, 0, (char *)(uintptr_t)lab_tls_ca_pem(lab)},
                                     {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL,
        NULL, on_request, l, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_HTTPS_MEM_CERT,
        lab_tls_server_cert(lab), MHD_OPTION_HTTPS_MEM_KEY, lab_tls_server_key(lab), MHD_OPTION_ARRAY,
        l->service.client_certs ? trust : none, MHD_OPTION_URI_LOG_CALLBACK, on_uri, l,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)131072, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
        MHD_OPTION_END);
}

static void free_listener(struct listener *l)
{
    free((char *)(uintptr_t)l->service.name); // its own copy
    free(l);
}

int lab_http_listen(struct lab *lab, const struct lab_service *service, uint8_t host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(127u << 24 | (uint32_t)lab->slot << 16 | host)};
    if (!lab->http)
        lab->http = lab_calloc(1, sizeof *lab->http);
    if (lab->http->count == MAX_LISTENERS) {
        lab_log(lab, "%s: the lab has %d listeners already", service->name, MAX_LISTENERS);
        return -1;
    }
    struct listener *l = lab_calloc(1, sizeof *l);
    *l = (struct listener){.lab = lab, .service = *service, .host = host};
    l->service.name = lab_strdup(service->name);
    l->daemon = start(l, &address);
    const union MHD_DaemonInfo *info =
        l->daemon ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        lab_log(lab, "%s: cannot listen on 127.%u.0.%u port %u", service->name, lab->slot, host, port);
        free_listener(l);
        return -1;
    }
    l->port = info->port;
    lab->http->listeners[lab->http->count++] = l;
    return l->port;
}

// MHD waits for the threads of all connections, which may want the lock: closing happens beside.
static void *close_beside(void *arg)
{
    struct listener *l = arg;
    MHD_stop_daemon(l->daemon);
    free_listener(l);
    return NULL;
}

void lab_http_close(struct lab *lab, uint8_t host, int port)
{
    struct lab_http *http = lab->http;
    for (size_t i = 0; http && i < http->count; i++) {
        struct listener *l = http->listeners[i];
        if (l->host != host || l->port != port)
            continue;
        http->listeners[i] = http->listeners[--http->count];
        pthread_t thread;
        if (pthread_create(&thread, NULL, close_beside, l) == 0)
            pthread_detach(thread);
        return;
    }
}

void lab_http_stop(struct lab *lab)
{
    struct lab_http *http = lab->http;
    while (http) {
        pthread_mutex_lock(&lab->lock);
        struct listener *l = http->count ? http->listeners[--http->count] : NULL;
        pthread_mutex_unlock(&lab->lock);
        if (!l)
            return;
        MHD_stop_daemon(l->daemon); // waits for its connections, which may want the lock
    }
}
