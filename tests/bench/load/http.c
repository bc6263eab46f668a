// Servers, calls in flight and watches over libcurl's multi interface.
#include "load.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <time.h>

#define APPLY_TYPE   "application/apply-patch+yaml"
#define MERGE_TYPE   "application/merge-patch+json"
#define MOST_ANSWERS ((size_t)64 << 20)

struct load {
    CURLM *multi;
    CURL *idle[256]; // easy handles to use again
    size_t idles;
    struct load_call **watches;
    size_t watching;
};

void load_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("kube-load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

long load_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 0)
        load_die("%s is no number", text);
    return number;
}

// The value after "key: " in the text, up to what ends it; the caller's.
static char *member(const char *text, const char *key, const char *file)
{
    const char *at = strstr(text, key);
    if (!at)
        load_die("%s: no %s", file, key);
    at += strlen(key) + strspn(at + strlen(key), " \"");
    return ist_strndup(at, strcspn(at, "\"}, \n"));
}

struct load_server *load_server(const char *kubeconfig)
{
    char text[8192];
    FILE *file = fopen(kubeconfig, "re");
    if (!file)
        load_die("%s cannot be read", kubeconfig);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    struct load_server *server = ist_calloc(1, sizeof *server);
    server->url = member(text, "server:", kubeconfig);
    server->ca = member(text, "certificate-authority:", kubeconfig);
    char *token = member(text, "token:", kubeconfig);
    server->authorization = ist_printf("Authorization: Bearer %s", token);
    ist_free(token);
    return server;
}

void load_server_free(struct load_server *server)
{
    ist_free(server->url);
    ist_free(server->ca);
    ist_free(server->authorization);
    ist_free(server);
}

struct load *load_new(void)
{
    struct load *load = ist_calloc(1, sizeof *load);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    load->multi = curl_multi_init();
    if (!load->multi)
        load_die("no memory");
    curl_multi_setopt(load->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(load->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 1L);
    return load;
}

static void call_free(struct load_call *call)
{
    curl_slist_free_all(call->headers);
    ist_buf_free(&call->answer);
    ist_free(call->path);
    ist_free(call->body);
    ist_free(call);
}

void load_free(struct load *load)
{
    for (size_t i = 0; i < load->watching; i++) {
        curl_multi_remove_handle(load->multi, load->watches[i]->easy);
        curl_easy_cleanup(load->watches[i]->easy);
        call_free(load->watches[i]);
    }
    ist_free(load->watches);
    while (load->idles > 0)
        curl_easy_cleanup(load->idle[--load->idles]);
    curl_multi_cleanup(load->multi);
    ist_free(load);
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    struct load_call *call = arg;
    if (ist_buf_add(&call->answer, bytes, size * count) != IST_OK)
        return 0;
    if (!call->line)
        return size * count;
    char *from = call->answer.data, *end;
    size_t left = call->answer.len;
    while ((end = memchr(from, '\n', left))) {
        *end = '\0';
        call->line(call->ctx, from);
        left -= (size_t)(end + 1 - from);
        from = end + 1;
    }
    if (left < call->answer.len) {
        memmove(call->answer.data, from, left);
        call->answer.len = left;
    }
    return size * count;
}

static struct curl_slist *header(struct curl_slist *list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(list, text);
    if (!longer)
        load_die("no memory");
    return longer;
}

static void start(struct load *load, struct load_call *call)
{
    CURL *easy = load->idles > 0 ? load->idle[--load->idles] : curl_easy_init();
    if (!easy)
        load_die("no memory");
    curl_easy_reset(easy);
    call->easy = easy;
    char *url = ist_printf("%s%s", call->server->url, call->path);
    curl_easy_setopt(easy, CURLOPT_URL, url); // copied
    ist_free(url);
    curl_easy_setopt(easy, CURLOPT_CAINFO, call->server->ca);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    struct curl_slist *headers = header(NULL, call->server->authorization);
    if (strcmp(call->method, "GET") != 0) {
        headers = header(headers, strcmp(call->method, "POST") == 0    ? "Content-Type: application/json"
                                  : strcmp(call->method, "MERGE") == 0 ? "Content-Type: " MERGE_TYPE
                                                                       : "Content-Type: " APPLY_TYPE);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, strcmp(call->method, "POST") == 0 ? "POST" : "PATCH");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    }
    call->headers = headers;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    call->sent = now_ms();
    curl_multi_add_handle(load->multi, easy);
}

struct load_call *load_send(struct load *load, struct load_server *server, const char *method, char *path,
                            char *body, load_done *done, void *ctx)
{
    struct load_call *call = ist_calloc(1, sizeof *call);
    *call = (struct load_call){.server = server,
                               .method = method,
                               .path = path,
                               .body = body,
                               .done = done,
                               .ctx = ctx,
                               .answer = {.max = MOST_ANSWERS}};
    server->flying++;
    start(load, call);
    return call;
}

void load_watch(struct load *load, struct load_server *server, char *path, load_line *line, void *ctx)
{
    struct load_call *call = ist_calloc(1, sizeof *call);
    *call = (struct load_call){.server = server,
                               .method = "GET",
                               .path = path,
                               .line = line,
                               .ctx = ctx,
                               .answer = {.max = MOST_ANSWERS}};
    load->watches = ist_realloc(load->watches, load->watching + 1, sizeof *load->watches);
    load->watches[load->watching++] = call;
    start(load, call);
}

static void finished(struct load *load, CURL *easy, CURLcode code)
{
    struct load_call *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &call->status);
    call->answered = now_ms();
    if (code == CURLE_OK && call->status == 200 && call->line) {
        // A server ends the watch of a reader that it finds slow; begun anew it tells what there is first.
        curl_multi_remove_handle(load->multi, easy);
        curl_easy_cleanup(easy);
        curl_slist_free_all(call->headers);
        call->answer.len = 0;
        start(load, call);
        return;
    }
    if (code != CURLE_OK || call->status < 200 || call->status > 299 || call->line)
        load_die("%s %s: %s, %ld: %.300s", call->method, call->path, curl_easy_strerror(code), call->status,
                 call->answer.data ? call->answer.data : "");
    curl_multi_remove_handle(load->multi, easy);
    if (load->idles < sizeof load->idle / sizeof *load->idle)
        load->idle[load->idles++] = easy;
    else
        curl_easy_cleanup(easy);
    call->server->flying--;
    if (call->done)
        call->done(call);
    call_free(call);
}

void load_drive(struct load *load, int wait_ms)
{
    int running, left;
    curl_multi_perform(load->multi, &running);
    CURLMsg *message;
    int any = 0;
    while ((message = curl_multi_info_read(load->multi, &left))) {
        if (message->msg == CURLMSG_DONE)
            finished(load, message->easy_handle, message->data.result);
        any = 1;
    }
    if (!any)
        curl_multi_poll(load->multi, NULL, 0, wait_ms, NULL);
}

void load_all(struct load *load, struct load_server *server, int flight, load_fill *fill, void *ctx)
{
    for (;;) {
        while (server->flying < flight && fill(ctx))
            ;
        if (server->flying == 0)
            return;
        load_drive(load, 100);
    }
}

void spread_add(struct spread *spread, double value)
{
    if (spread->count == spread->room) {
        spread->room = spread->room ? spread->room * 2 : 256;
        spread->items = ist_realloc(spread->items, spread->room, sizeof *spread->items);
    }
    spread->items[spread->count++] = value;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double spread_at(struct spread *spread, double part)
{
    if (spread->count == 0)
        return 0;
    qsort(spread->items, spread->count, sizeof *spread->items, by_size);
    size_t at = (size_t)(part * (double)spread->count);
    return spread->items[at < spread->count ? at : spread->count - 1];
}

void spread_free(struct spread *spread)
{
    ist_free(spread->items);
}
