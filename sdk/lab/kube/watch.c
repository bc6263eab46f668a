// Watches: from a resourceVersion on, out of the cluster's history.
#include "selector.h"
#include "server.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BOOKMARK_EVERY_MS = 5000, MAX_WATCH_S = 3600 };

struct watch {
    struct lab_cluster *cluster;
    struct kube_resource *resource;
    const struct kube_served *served;
    char *ns;
    char *include; // of a Table
    json_t *labels, *fields;
    json_t *initial; // objects that are still to be sent as ADDED, or NULL
    uint64_t rv;     // all changes up to here were sent
    int64_t until, next_bookmark;
    bool bookmarks, initial_mark, table, columns_sent, partial, over;
};

static bool selected(const struct watch *w, const json_t *object)
{
    return object && (!*w->ns || strcmp(kube_ns(object), w->ns) == 0) &&
           (!w->labels || kube_expressions_match(w->labels, kube_path(object, "metadata.labels"))) &&
           kube_fields_match(w->fields, object);
}

static void put(FILE *out, const char *type, json_t *object)
{
    json_t *event = json_pack("{ss so}", "type", type, "object", object);
    json_dumpf(event, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(event);
}

static void put_object(struct watch *w, FILE *out, const char *type, const json_t *object)
{
    json_t *shown = kube_convert_out(w->cluster, w->resource->kind, w->served, object);
    if (w->table) {
        json_t *one = json_pack("[o]", shown);
        shown = kube_table(w->resource->kind, one, !w->columns_sent, *w->include ? w->include : "Metadata");
        kube_set(shown, "metadata.resourceVersion",
                 json_string(kube_text(object, "metadata.resourceVersion")));
        w->columns_sent = true;
        json_decref(one);
    } else if (w->partial) {
        json_t *part = json_pack("{ss ss sO}", "kind", "PartialObjectMetadata", "apiVersion",
                                 "meta.k8s.io/v1", "metadata", json_object_get(shown, "metadata"));
        json_decref(shown);
        shown = part;
    }
    put(out, type, shown);
}

static void put_bookmark(struct watch *w, FILE *out, bool initial)
{
    char *version = kube_api_version(w->served);
    json_t *mark = json_pack("{ss ss s{so}}", "kind", w->resource->kind->kind, "apiVersion", version,
                             "metadata", "resourceVersion", json_sprintf("%llu", (unsigned long long)w->rv));
    if (initial)
        kube_set(mark, "metadata.annotations", json_pack("{ss}", "k8s.io/initial-events-end", "true"));
    put(out, "BOOKMARK", mark);
    free(version);
}

// An object that enters or leaves a selection is added or deleted for its watcher.
static void put_event(struct watch *w, FILE *out, const struct kube_event *event)
{
    bool was = selected(w, event->before), is = !event->deleted && selected(w, event->object);
    if (is)
        put_object(w, out, was ? "MODIFIED" : "ADDED", event->object);
    else if (was) {
        // The last state that matched, with the number of the change.
        json_t *last = json_copy(event->before),
               *metadata = json_copy(json_object_get(event->before, "metadata"));
        json_object_set(metadata, "resourceVersion",
                        json_object_get(json_object_get(event->object, "metadata"), "resourceVersion"));
        json_object_set_new(last, "metadata", metadata);
        put_object(w, out, "DELETED", last);
        json_decref(last);
    }
}

static void put_initial(struct watch *w, FILE *out)
{
    size_t i;
    json_t *object;
    json_array_foreach(w->initial, i, object) if (selected(w, object)) put_object(w, out, "ADDED", object);
    if (w->initial_mark)
        put_bookmark(w, out, true);
    json_decref(w->initial);
    w->initial = NULL;
}

static void wait_for_change(struct lab *lab)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&lab->changed, &lab->lock, &until);
}

// Sends what there is to send; false when nothing was.
static bool send_some(struct watch *w, FILE *out)
{
    if (w->initial)
        put_initial(w, out);
    if (!kube_history_reaches(w->cluster, w->rv)) {
        put(out, "ERROR",
            kube_status(410, "Expired", NULL, "too old resource version: %llu (%llu)",
                        (unsigned long long)w->rv, (unsigned long long)w->cluster->rv));
        w->over = true;
        return true;
    }
    for (size_t i = kube_event_after(w->cluster, w->rv); i < w->cluster->event_count; i++)
        if (kube_event_at(w->cluster, i)->resource == w->resource)
            put_event(w, out, kube_event_at(w->cluster, i));
    w->rv = w->rv > w->cluster->rv ? w->rv : w->cluster->rv;
    int64_t now = lab_mono_ms();
    if (w->bookmarks && (now >= w->next_bookmark || now >= w->until)) {
        put_bookmark(w, out, false);
        w->next_bookmark = now + BOOKMARK_EVERY_MS;
    }
    if (now >= w->until || w->resource->gone)
        w->over = true;
    return ftell(out) > 0;
}

static bool stream(struct lab *lab, void *arg, char **chunk, size_t *len)
{
    struct watch *w = arg;
    if (w->over || w->cluster->deleted)
        return false;
    FILE *out = open_memstream(chunk, len);
    if (!out)
        return false;
    bool sent = send_some(w, out);
    fclose(out);
    if (!sent) {
        free(*chunk);
        *chunk = NULL;
        *len = 0;
        if (!w->over)
            wait_for_change(lab);
    }
    return true;
}

static void watch_free(void *arg)
{
    struct watch *w = arg;
    free(w->ns);
    free(w->include);
    json_decref(w->labels);
    json_decref(w->fields);
    json_decref(w->initial);
    free(w);
}

// Where a watch begins; false with *error.
static bool begin(struct watch *w, const struct kube_request *rq, json_t **error)
{
    char *rv = kube_query(rq, "resourceVersion"), *initial = kube_query(rq, "sendInitialEvents"), *end;
    char *match = kube_query(rq, "resourceVersionMatch");
    unsigned long long from = strtoull(rv, &end, 10);
    bool asked = strcmp(initial, "true") == 0;
    if (*end)
        *error = kube_status(400, "BadRequest", NULL,
                             "resourceVersion: Invalid value: \"%s\": must be a number", rv);
    else if (*initial && rq->cluster->minor < 32)
        *error = kube_status_option("ListOptions", "sendInitialEvents", "FieldValueForbidden",
                                    "Forbidden: sendInitialEvents is forbidden for watch unless the "
                                    "WatchList feature gate is enabled");
    else if (*initial && strcmp(match, "NotOlderThan") != 0)
        *error = kube_status_option(
            "ListOptions", "resourceVersionMatch", "FieldValueForbidden",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    else if (asked || ((!*rv || !from) && strcmp(initial, "false") != 0)) {
        w->initial = kube_items_at(rq->cluster, rq->resource, rq->cluster->rv);
        w->initial_mark = asked && w->bookmarks;
        w->rv = rq->cluster->rv;
    } else {
        w->rv = *rv && from ? from : rq->cluster->rv;
    }
    free(match);
    free(rv);
    free(initial);
    return !*error;
}

void kube_watch_reply(const struct kube_request *rq, struct lab_reply *reply)
{
    struct watch *w = lab_calloc(1, sizeof *w);
    json_t *error = NULL;
    char *timeout = kube_query(rq, "timeoutSeconds");
    int64_t seconds = *timeout ? strtoll(timeout, NULL, 10) : MAX_WATCH_S;
    free(timeout);
    w->cluster = rq->cluster;
    w->resource = rq->resource;
    w->served = rq->served;
    w->ns = lab_strdup(rq->ns);
    w->include = kube_query(rq, "includeObject");
    w->table = strstr(kube_accept(rq), "as=Table") != NULL;
    w->partial = strstr(kube_accept(rq), "as=PartialObjectMetadata") != NULL;
    w->bookmarks = kube_query_true(rq, "allowWatchBookmarks");
    w->next_bookmark = lab_mono_ms() + BOOKMARK_EVERY_MS;
    w->until = lab_mono_ms() + (seconds > 0 && seconds < MAX_WATCH_S ? seconds : MAX_WATCH_S) * 1000;
    if (!kube_selectors(rq, &w->labels, &w->fields, &error) || !begin(w, rq, &error)) {
        lab_reply_json(reply, kube_status_code(error), error);
        watch_free(w);
        return;
    }
    reply->stream = stream;
    reply->stream_free = watch_free;
    reply->stream_arg = w;
}
