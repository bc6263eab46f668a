// /metrics, /healthz and /readyz over HTTP, on loopback unless a public address is wanted by name. libmicrohttpd is
// loaded when a watch needs it: every other command starts without it, and without the TLS library that it brings.
#include "engine/supervisor.h"

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_MHD

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIBRARY     "libmicrohttpd.so.12"
#define CLIENTS_MAX 16u
#define IDLE_S      10u

// The functions of libmicrohttpd that are used, by the types of its own header.
struct library {
    __typeof__(&MHD_start_daemon) start;
    __typeof__(&MHD_stop_daemon) stop;
    __typeof__(&MHD_run) run;
    __typeof__(&MHD_get_daemon_info) info;
    __typeof__(&MHD_create_response_from_buffer) response;
    __typeof__(&MHD_add_response_header) header;
    __typeof__(&MHD_queue_response) queue;
    __typeof__(&MHD_destroy_response) destroy;
};

struct page {
    struct supervisor *s; // borrowed
    struct library lib;
    struct MHD_Daemon *daemon;
    char *url; // owned
    int fd;    // epoll, the daemon's
};

static int load(struct library *lib, ist_error *err)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return ist_fail(err, IST_ERR_NOT_FOUND, LIBRARY, "%s", dlerror());
    const struct {
        const char *name;
        void *to;
    } symbols[] = {
        {"MHD_start_daemon", &lib->start},
        {"MHD_stop_daemon", &lib->stop},
        {"MHD_run", &lib->run},
        {"MHD_get_daemon_info", &lib->info},
        {"MHD_create_response_from_buffer", &lib->response},
        {"MHD_add_response_header", &lib->header},
        {"MHD_queue_response", &lib->queue},
        {"MHD_destroy_response", &lib->destroy},
    };
    for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
        // POSIX lets a function's address pass through dlsym(); C does not say how.
        void *found = dlsym(handle, symbols[i].name);
        if (!found)
            return ist_fail(err, IST_ERR_NOT_FOUND, LIBRARY, "it has no %s", symbols[i].name);
        memcpy(symbols[i].to, &found, sizeof(found));
    }
    return IST_OK;
}

// ---- the address

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// "127.0.0.1:9464", "[::1]:9464", "localhost:9464"; port 0: any that is free.
static int parse(const char *text, union address *address, socklen_t *len, ist_error *err)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    if (!colon || end == colon + 1 || *end || port < 0 || port > 65535)
        return ist_fail(err, IST_ERR_INPUT, "--listen", "expected ADDRESS:PORT or none, found \"%s\"", text);
    const bool brackets = *text == '[' && colon > text + 1 && colon[-1] == ']';
    char *host = brackets ? ist_strndup(text + 1, (size_t)(colon - text) - 2)
                          : ist_strndup(text, (size_t)(colon - text));
    memset(address, 0, sizeof(*address));
    int rc = IST_OK;
    if (brackets && inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t)port);
        *len = sizeof(address->v6);
    } else if (!brackets && inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                                      &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)port);
        *len = sizeof(address->v4);
    } else {
        rc = ist_fail(err, IST_ERR_INPUT, "--listen",
                      "expected an IPv4 address or an IPv6 one in brackets, found \"%s\"", host);
    }
    ist_free(host);
    return rc;
}

static bool is_loopback(const union address *address)
{
    return address->any.sa_family == AF_INET ? ntohl(address->v4.sin_addr.s_addr) >> 24 == 127
                                             : IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr) != 0;
}

static int listen_at(const char *text, const union address *address, socklen_t len, ist_error *err)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd >= 0 && bind(fd, &address->any, len) == 0 && listen(fd, CLIENTS_MAX) == 0)
        return fd;
    ist_fail(err, IST_ERR_CONFLICT, text, "cannot listen there: %s", strerror(errno));
    ist_hint(err, "another address with --listen ADDRESS:PORT, or none");
    if (fd >= 0)
        close(fd);
    return -1;
}

static char *url_of(int fd)
{
    union address address;
    socklen_t len = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, &address.any, &len) < 0)
        return ist_strdup("");
    if (address.any.sa_family == AF_INET)
        return ist_printf("http://%s:%d", inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof(host)),
                          ntohs(address.v4.sin_port));
    return ist_printf("http://[%s]:%d", inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof(host)),
                      ntohs(address.v6.sin6_port));
}

// ---- answering

static enum MHD_Result answer(struct page *page, struct MHD_Connection *connection, unsigned status,
                              const char *type, const char *text)
{
    struct MHD_Response *response =
        page->lib.response(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    page->lib.header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    page->lib.header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        page->lib.header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result rc = page->lib.queue(connection, status, response);
    page->lib.destroy(response);
    return rc;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_size, void **context)
{
    static const char plain[] = "text/plain; charset=utf-8";
    struct page *page = arg;
    (void)version;
    (void)body;
    (void)context;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return *body_size ? MHD_NO
                          : answer(page, connection, MHD_HTTP_METHOD_NOT_ALLOWED, plain, "only GET\n");
    if (strcmp(url, "/healthz") == 0)
        return answer(page, connection, MHD_HTTP_OK, plain, "ok\n");
    const bool metrics = strcmp(url, "/metrics") == 0;
    if (!metrics && strcmp(url, "/readyz") != 0)
        return answer(page, connection, MHD_HTTP_NOT_FOUND, plain, "/metrics, /healthz, /readyz\n");
    json_t *said = control_status(page->s, false);
    char *text =
        metrics ? metrics_text(said, page->s->run->pipeline->name, PACKAGE_VERSION) : readiness_text(said);
    enum MHD_Result rc =
        metrics ? answer(page, connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text)
                : answer(page, connection, text ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, plain,
                         text ? text : "ok\n");
    ist_free(text);
    json_decref(said);
    return rc;
}

// ---- from beginning to end

struct page *page_open(struct supervisor *s, const char *text, bool public_too, ist_error *err)
{
    union address address;
    socklen_t len = 0;
    struct library lib;
    if (parse(text, &address, &len, err) != IST_OK)
        return NULL;
    if (!public_too && !is_loopback(&address)) {
        ist_fail(err, IST_ERR_INPUT, "--listen", "%s is not on loopback, and nobody is asked who they are",
                 text);
        ist_hint(err, "--listen-public, if everybody who reaches that address may read it");
        return NULL;
    }
    if (load(&lib, err) != IST_OK)
        return NULL;
    int fd = listen_at(text, &address, len, err);
    if (fd < 0)
        return NULL;
    struct page *page = ist_calloc(1, sizeof(*page));
    page->s = s;
    page->lib = lib;
    page->url = url_of(fd);
    // Driven by the engine's own loop: no thread, and so no lock over what is told.
    page->daemon = lib.start(MHD_USE_EPOLL, 0, NULL, NULL, on_request, page, MHD_OPTION_LISTEN_SOCKET, fd,
                             MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = page->daemon ? lib.info(page->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        ist_fail(err, IST_ERR_INTERNAL, text, "libmicrohttpd does not serve it");
        if (!page->daemon)
            close(fd);
        page_close(page);
        return NULL;
    }
    page->fd = info->epoll_fd;
    return page;
}

void page_close(struct page *page)
{
    if (!page)
        return;
    if (page->daemon)
        page->lib.stop(page->daemon);
    ist_free(page->url);
    ist_free(page);
}

int page_fd(const struct page *page)
{
    return page->fd;
}

void page_run(struct page *page)
{
    page->lib.run(page->daemon);
}

const char *page_url(const struct page *page)
{
    return page->url;
}

#else

// Without libmicrohttpd there is no page; a watch says so and goes on.
struct page *page_open(struct supervisor *s, const char *text, bool public_too, ist_error *err)
{
    (void)s;
    (void)public_too;
    ist_fail(err, IST_ERR_INPUT, text, "this isthmus was built without libmicrohttpd");
    return NULL;
}

void page_close(struct page *page)
{
    (void)page;
}

int page_fd(const struct page *page)
{
    (void)page;
    return -1;
}

void page_run(struct page *page)
{
    (void)page;
}

const char *page_url(const struct page *page)
{
    (void)page;
    return "";
}

#endif
