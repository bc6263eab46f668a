// Watches: a list held in memory and kept up to date. Everything is asynchronous, so that one dead cluster
// never holds up the others: a list page is a stream that ends, a watch is one that does not. Source:
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PAGE    500
#define PAGE_MS 60000
#define WATCH_MIN_S                                                                                          \
    240 // the server ends a watch after a time between these; spread, so that not all end at once
#define WATCH_MAX_S 480
#define SHORT_MS    1000 // a watch that ends sooner did not work: wait before the next
#define BACKOFF_MIN 250
#define BACKOFF_MAX 15000

enum stage { LISTING, WATCHING };

struct ist_kube_watch {
    ist_kube *kube;
    ist_kube_watch *next; // of the same client
    char *api, *kind, *path, *labels;
    enum stage stage;
    ist_http_stream *stream;
    int64_t began_ms, retry_at;
    int failures, refused; // refused: 401, credentials must be made anew
    ist_error fault;       // of a start inside wait(), told by the next next()
    int limit;             // page size; 0 after a page expired
    char *more;            // continue token of the next page
    json_t *page_items;    // of the list under way: half a list, seen by nobody
    char *version;         // resourceVersion to watch from; NULL: list
    json_t *store;         // "ns/name" -> object
    json_t *queue;         // events to hand out: the type's letter and the object, in turn
    size_t queue_at;
    ist_buf lines; // whole lines of the watch, not parsed yet
    size_t lines_at;
    json_t *lent;
};

static int64_t random_below(int64_t limit)
{
    uint32_t bits = 0;
    if (limit <= 0 || getrandom(&bits, sizeof bits, 0) != sizeof bits)
        return 0;
    return (int64_t)(bits % (uint64_t)limit);
}

static char *key_of(const json_t *object)
{
    return ist_printf("%s/%s", ist_json_str_or(object, "metadata.namespace", ""),
                      ist_json_str_or(object, "metadata.name", ""));
}

// ---- making and ending ----

int32_t ist_kube_watch_new(ist_kube *kube, const char *api, const char *kind, const char *ns,
                           const char *label_selector, ist_kube_watch **watch, ist_error *err)
{
    char *path = NULL;
    int32_t rc = kube_path(kube, api, kind, ns, NULL, &path, err);
    if (rc != IST_OK)
        return rc;
    ist_kube_watch *made = ist_calloc(1, sizeof *made);
    made->kube = kube;
    made->api = ist_strdup(api);
    made->kind = ist_strdup(kind);
    made->path = path;
    made->labels = label_selector ? ist_strdup(label_selector) : NULL;
    made->limit = PAGE;
    made->store = json_object();
    made->queue = json_array();
    made->next = kube->watches;
    kube->watches = made;
    *watch = made;
    return IST_OK;
}

static void end_stream(ist_kube_watch *watch)
{
    ist_http_stream_close(watch->stream);
    watch->stream = NULL;
}

void kube_watches_detach(ist_kube *kube)
{
    for (ist_kube_watch *watch = kube->watches; watch; watch = watch->next)
        end_stream(watch);
}

// Forgets the list under way: the next one begins at its first page.
static void drop_list(ist_kube_watch *watch)
{
    json_decref(watch->page_items);
    watch->page_items = NULL;
    ist_free(watch->more);
    watch->more = NULL;
}

static void set_version(ist_kube_watch *watch, const char *version)
{
    char *copy = version && *version ? ist_strdup(version) : NULL;
    ist_free(watch->version);
    watch->version = copy;
}

void ist_kube_watch_free(ist_kube_watch *watch)
{
    if (!watch)
        return;
    for (ist_kube_watch **at = &watch->kube->watches; *at; at = &(*at)->next)
        if (*at == watch) {
            *at = watch->next;
            break;
        }
    end_stream(watch);
    drop_list(watch);
    json_decref(watch->store);
    json_decref(watch->queue);
    json_decref(watch->lent);
    ist_buf_free(&watch->lines);
    ist_free(watch->version);
    ist_free(watch->api);
    ist_free(watch->kind);
    ist_free(watch->path);
    ist_free(watch->labels);
    ist_free(watch);
}

// ---- tries ----

// Ends this try. `failed`: the next one waits, longer each time; else it comes at once.
static void try_again(ist_kube_watch *watch, int failed)
{
    end_stream(watch);
    ist_buf_free(&watch->lines);
    watch->lines.max = 0;
    watch->lines_at = 0;
    int64_t wait = 0;
    if (failed) {
        wait = BACKOFF_MIN << (watch->failures < 6 ? watch->failures : 6);
        wait = (wait > BACKOFF_MAX ? BACKOFF_MAX : wait);
        wait = wait / 2 + random_below(wait / 2 + 1);
        watch->failures++;
    }
    watch->retry_at = ist_now_ms(&watch->kube->env) + wait;
}

static int32_t start(ist_kube_watch *watch, ist_error *err)
{
    ist_kube *kube = watch->kube;
    int32_t rc = kube_connect(kube, watch->refused, err);
    watch->refused = 0;
    if (rc != IST_OK)
        return rc;
    watch->stage = watch->version ? WATCHING : LISTING;
    int64_t seconds = WATCH_MIN_S + random_below(WATCH_MAX_S - WATCH_MIN_S);
    char *query = kube_list_query(watch->labels, NULL, watch->stage == LISTING ? watch->limit : 0,
                                  watch->stage == LISTING ? watch->more : NULL);
    char *tail = watch->stage == LISTING
                     ? ist_strdup("")
                     : ist_printf("%cwatch=1&allowWatchBookmarks=true&timeoutSeconds=%lld&resourceVersion=%s",
                                  *query ? '&' : '?', (long long)seconds, watch->version);
    char *url = ist_printf("%s%s%s%s", kube->base, watch->path, query, tail);
    const char *headers[3] = {"Accept: application/json", kube->authorization};
    char *label = ist_printf("kubernetes %s: %s %s", kube->name, watch->stage == LISTING ? "list" : "watch",
                             watch->path);
    ist_http_request request = {.size = sizeof request,
                                .method = "GET",
                                .url = url,
                                .headers = headers,
                                .read = 1,
                                .request_ms = watch->stage == LISTING ? PAGE_MS : (seconds + 30) * 1000,
                                .label = label};
    rc = ist_http_stream_open(kube->http, &request, &watch->stream, err);
    watch->began_ms = ist_now_ms(&kube->env);
    ist_free(url);
    ist_free(query);
    ist_free(tail);
    ist_free(label);
    return rc;
}

// An answer other than 200: what it means for the next try.
static int32_t refused(ist_kube_watch *watch, int status, const char *bytes, size_t len, ist_error *err)
{
    if (status == 410) { // the version or the page is too old: from the beginning, at once
        watch->limit = watch->stage == LISTING && watch->more ? 0 : PAGE;
        set_version(watch, NULL);
        drop_list(watch);
        try_again(watch, watch->failures++ > 0);
        return IST_AGAIN;
    }
    json_t *answer = NULL;
    if (ist_json_parse(bytes, len, watch->path, &answer, NULL) != IST_OK)
        answer = json_stringn(bytes, len < 500 ? len : 500);
    struct kube_request request = {.method = "GET", .path = watch->path};
    int32_t rc = kube_status_error(watch->kube, &request, status, answer, err);
    json_decref(answer);
    watch->refused = status == 401;
    drop_list(watch);
    try_again(watch, 1);
    return rc;
}

// ---- the list ----

static void queue_event(ist_kube_watch *watch, const char *type, json_t *object)
{
    json_array_append_new(watch->queue, json_string(type));
    json_array_append(watch->queue, object);
}

// The list is whole: what it changes against what is held becomes events. What is gone goes first.
static void take_list(ist_kube_watch *watch)
{
    json_t *fresh = json_object(), *object;
    const char *name;
    size_t i;
    json_array_foreach(watch->page_items, i, object)
    {
        char *key = key_of(object);
        json_object_set_nocheck(fresh, key, object);
        ist_free(key);
    }
    json_object_foreach(watch->store, name, object) if (!json_object_get(fresh, name))
        queue_event(watch, "D", object);
    json_object_foreach(fresh, name, object)
    {
        const json_t *before = json_object_get(watch->store, name);
        if (!before || strcmp(ist_json_str_or(before, "metadata.resourceVersion", ""),
                              ist_json_str_or(object, "metadata.resourceVersion", "")) != 0)
            queue_event(watch, "A", object);
    }
    json_t *none = json_null();
    queue_event(watch, "S", none);
    json_decref(none);
    json_decref(watch->store);
    watch->store = fresh;
    drop_list(watch);
    watch->limit = PAGE;
    watch->failures = 0;
}

static int32_t take_page(ist_kube_watch *watch, const char *bytes, size_t len, ist_error *err)
{
    json_t *answer = NULL, *item;
    int32_t rc = ist_json_parse(bytes, len, watch->path, &answer, err);
    if (rc == IST_OK && !ist_json_str(answer, "metadata.resourceVersion"))
        rc = ist_fail(err, IST_ERR_REMOTE, watch->path, "the answer is no list");
    if (rc != IST_OK) {
        json_decref(answer);
        drop_list(watch);
        if (rc == IST_ERR_LIMIT && watch->limit > 5)
            watch->limit /= 10; // objects of a megabyte each: fewer at once
        try_again(watch, 1);
        return rc;
    }
    if (!watch->page_items)
        watch->page_items = json_array();
    size_t i;
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        kube_slim(item);
        json_object_set_new(item, "apiVersion", json_string(watch->api));
        json_object_set_new(item, "kind", json_string(watch->kind));
        json_array_append(watch->page_items, item);
    }
    const char *more = ist_json_str(answer, "metadata.continue");
    ist_free(watch->more);
    watch->more = more && *more ? ist_strdup(more) : NULL;
    if (!watch->more) {
        set_version(watch, ist_json_str(answer, "metadata.resourceVersion"));
        take_list(watch);
    }
    json_decref(answer);
    try_again(watch, 0); // the next page, or the watch
    return IST_OK;
}

// ---- the watch ----

static void take_object(ist_kube_watch *watch, int deleted, json_t *object)
{
    kube_slim(object);
    set_version(watch, ist_json_str(object, "metadata.resourceVersion"));
    char *key = key_of(object);
    if (deleted)
        json_object_del(watch->store, key);
    else
        json_object_set_nocheck(watch->store, key, object);
    ist_free(key);
    queue_event(watch, deleted ? "D" : "A", object);
}

// One line of a watch. IST_OK: taken; else the try is over.
static int32_t take_line(ist_kube_watch *watch, const char *line, size_t len, ist_error *err)
{
    json_t *event = NULL;
    int32_t rc = ist_json_parse(line, len, watch->path, &event, err);
    const char *type = ist_json_str_or(event, "type", "");
    json_t *object = json_object_get(event, "object");
    if (rc == IST_OK && strcmp(type, "BOOKMARK") == 0) {
        set_version(watch, ist_json_str(object, "metadata.resourceVersion"));
    } else if (rc == IST_OK && strcmp(type, "ERROR") == 0) {
        int status = (int)ist_json_int(object, "code", 500);
        char *text = ist_json_text(object);
        rc = refused(watch, status, text, strlen(text), err);
        ist_free(text);
    } else if (rc == IST_OK && ist_json_str(object, "metadata.name")) {
        take_object(watch, strcmp(type, "DELETED") == 0, object);
    } else {
        // What this line would have said is lost: only a new list makes it good.
        if (rc == IST_OK)
            rc = ist_fail(err, IST_ERR_REMOTE, watch->path, "a watch event of type \"%.40s\" that is none",
                          type);
        set_version(watch, NULL);
        try_again(watch, 1);
    }
    json_decref(event);
    return rc;
}

// Hands whole lines over from the stream to watch->lines, so that they outlive the next read of any stream.
static void keep_lines(ist_kube_watch *watch, const char *bytes, size_t len)
{
    size_t whole = len;
    while (whole > 0 && bytes[whole - 1] != '\n')
        whole--;
    if (!whole)
        return;
    ist_buf_free(&watch->lines);
    watch->lines.max = whole + 1;
    watch->lines_at = 0;
    ist_buf_add(&watch->lines, bytes, whole);
    ist_http_stream_take(watch->stream, whole);
}

static int32_t next_line(ist_kube_watch *watch, ist_error *err)
{
    const char *line = watch->lines.data + watch->lines_at;
    const char *end = memchr(line, '\n', watch->lines.len - watch->lines_at);
    size_t len = end ? (size_t)(end - line) : watch->lines.len - watch->lines_at;
    watch->lines_at += len + 1;
    if (len == 0)
        return IST_OK;
    watch->failures = 0;
    return take_line(watch, line, len, err);
}

// The watch's stream has ended. Servers end them by and by; one that ends at once did not work.
static int32_t watch_ended(ist_kube_watch *watch, int32_t rc)
{
    int64_t lasted = ist_now_ms(&watch->kube->env) - watch->began_ms;
    try_again(watch, rc != IST_OK || lasted < SHORT_MS);
    return rc == IST_OK ? IST_AGAIN : rc;
}

static int32_t read_stream(ist_kube_watch *watch, ist_error *err)
{
    const char *bytes;
    size_t len;
    int ended;
    int32_t rc = ist_http_stream_read(watch->stream, &bytes, &len, &ended, err);
    int status = ist_http_stream_status(watch->stream);
    if (rc == IST_OK && status != 0 && status != 200)
        return ended ? refused(watch, status, bytes, len, err) : IST_AGAIN;
    if (watch->stage == WATCHING) {
        size_t before = watch->lines.len;
        keep_lines(watch, bytes, len);
        if (watch->lines.len != before || watch->lines_at < watch->lines.len)
            return IST_OK; // first what came, then the end
        return ended ? watch_ended(watch, rc) : IST_AGAIN;
    }
    if (!ended)
        return IST_AGAIN;
    if (rc == IST_OK)
        return take_page(watch, bytes, len, err);
    drop_list(watch);
    try_again(watch, 1);
    return rc;
}

// ---- what callers see ----

static void pop(ist_kube_watch *watch, ist_kube_event *event)
{
    json_decref(watch->lent);
    event->type = (unsigned char)json_string_value(json_array_get(watch->queue, watch->queue_at))[0];
    json_t *object = json_array_get(watch->queue, watch->queue_at + 1);
    watch->lent = event->type == 'S' ? NULL : json_incref(object);
    event->object = watch->lent;
    watch->queue_at += 2;
    if (watch->queue_at == json_array_size(watch->queue)) {
        json_array_clear(watch->queue);
        watch->queue_at = 0;
    }
}

int32_t ist_kube_watch_next(ist_kube_watch *watch, ist_kube_event *event, ist_error *err)
{
    for (;;) {
        int32_t rc;
        if (watch->queue_at < json_array_size(watch->queue)) {
            pop(watch, event);
            return IST_OK;
        }
        if (watch->fault.code) {
            if (err)
                *err = watch->fault;
            rc = watch->fault.code;
            watch->fault.code = 0;
            return rc;
        }
        if (watch->lines_at < watch->lines.len) {
            rc = next_line(watch, err);
        } else if (watch->stream) {
            rc = read_stream(watch, err);
        } else if (ist_now_ms(&watch->kube->env) < watch->retry_at) {
            return IST_AGAIN;
        } else {
            rc = start(watch, err);
            if (rc != IST_OK)
                try_again(watch, 1);
        }
        if (rc == IST_AGAIN && !watch->stream)
            continue; // a new try is due now or later: the branches above know
        if (rc != IST_OK)
            return rc;
    }
}

// Has this watch something to hand out already? Starts a try that is due.
static int prepare(ist_kube_watch *watch, int64_t now, int64_t *until)
{
    if (!watch->stream && watch->retry_at <= now && !watch->fault.code &&
        start(watch, &watch->fault) != IST_OK)
        try_again(watch, 1);
    if (!watch->stream && watch->retry_at > now && watch->retry_at < *until)
        *until = watch->retry_at;
    return watch->fault.code || watch->queue_at < json_array_size(watch->queue) ||
           watch->lines_at < watch->lines.len;
}

int32_t ist_kube_watch_wait(const ist_env *env, ist_kube_watch *const *watches, size_t count, int64_t ms,
                            ist_error *err)
{
    int64_t now = ist_now_ms(env), end = now + (ms < 0 ? INT32_MAX : ms);
    ist_http_stream **streams = ist_calloc(count + 1, sizeof *streams);
    int32_t rc;
    do {
        int64_t until = end;
        int ready = 0;
        now = ist_now_ms(env);
        for (size_t i = 0; i < count; i++) {
            ready |= prepare(watches[i], now, &until);
            streams[i] = watches[i]->stream;
        }
        // A try that falls due inside the wait is started here, not by a caller that has to come back for it.
        rc = ready ? IST_OK : ist_http_stream_wait(env, streams, count, until > now ? until - now : 0, err);
    } while (rc == IST_AGAIN && ist_now_ms(env) < end);
    ist_free(streams);
    return rc;
}
