// Lists: selectors, pages, views of the past; and the forms in which an object is shown.
#include "selector.h"
#include "server.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

uint64_t kube_view(const struct kube_request *rq)
{
    const struct lab_cluster *cluster = rq->cluster;
    const struct lab_fault *stale = rq->http->stale;
    uint64_t rv = cluster->rv;
    if (!stale)
        return rv;
    int64_t moment = lab_mono_ms() - stale->delay_ms;
    for (size_t i = cluster->event_count; i-- > 0;) {
        const struct kube_event *event = kube_event_at(cluster, i);
        if (stale->delay_ms ? event->at_ms <= moment : event->rv < cluster->rv)
            return event->rv;
        rv = event->rv - 1;
    }
    return rv;
}

// The fields that objects of a kind can be selected by, besides name and namespace.
static bool selectable(const struct kube_kind *kind, const char *path)
{
    static const char *const fields[][2] = {{"Pod", "spec.nodeName"},
                                            {"Pod", "spec.restartPolicy"},
                                            {"Pod", "spec.schedulerName"},
                                            {"Pod", "spec.hostNetwork"},
                                            {"Pod", "spec.serviceAccountName"},
                                            {"Pod", "status.phase"},
                                            {"Pod", "status.podIP"},
                                            {"Service", "spec.clusterIP"},
                                            {"Service", "spec.type"},
                                            {"Namespace", "status.phase"},
                                            {"Secret", "type"},
                                            {"Node", "spec.unschedulable"},
                                            {"Event", "type"},
                                            {"Event", "reason"},
                                            {"Event", "involvedObject.name"},
                                            {"Event", "involvedObject.uid"},
                                            {"Event", "involvedObject.kind"},
                                            {"Event", "involvedObject.namespace"}};
    if (strcmp(path, "metadata.name") == 0 || (strcmp(path, "metadata.namespace") == 0))
        return true;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i][0], kind->kind) == 0 && strcmp(fields[i][1], path) == 0)
            return true;
    return false;
}

static char *unselectable(const struct kube_kind *kind, const json_t *fields)
{
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field) if (!selectable(kind, kube_text(field, "path"))) return lab_format(
        "\"%s\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        kube_text(field, "path"));
    return NULL;
}

bool kube_selectors(const struct kube_request *rq, json_t **labels, json_t **fields, json_t **error)
{
    char *label_text = kube_query(rq, "labelSelector"), *field_text = kube_query(rq, "fieldSelector"),
         *why = NULL;
    *labels = *label_text ? kube_selector_parse(label_text, &why) : NULL;
    *fields = *field_text && !why ? kube_fields_parse(field_text, &why) : NULL;
    if (!why)
        why = unselectable(rq->resource->kind, *fields);
    if (why)
        *error = kube_status(400, "BadRequest", NULL, "%s", why);
    free(why);
    free(label_text);
    free(field_text);
    return !*error;
}

static bool wants(const struct kube_request *rq, const char *what)
{
    return strstr(kube_accept(rq), what) != NULL;
}

static json_t *partial(const json_t *object)
{
    return json_pack("{ss ss sO}", "kind", "PartialObjectMetadata", "apiVersion", "meta.k8s.io/v1",
                     "metadata", json_object_get(object, "metadata"));
}

static json_t *as_table(const struct kube_request *rq, const json_t *objects)
{
    char *include = kube_query(rq, "includeObject");
    json_t *table = kube_table(rq->resource->kind, objects, true, *include ? include : "Metadata");
    free(include);
    return table;
}

json_t *kube_shown(const struct kube_request *rq, const json_t *object)
{
    json_t *shown = kube_convert_out(rq->cluster, rq->resource->kind, rq->served, object), *form = NULL;
    if (wants(rq, "as=Table")) {
        json_t *one = json_pack("[O]", shown);
        form = as_table(rq, one);
        kube_set(form, "metadata.resourceVersion",
                 json_string(kube_text(object, "metadata.resourceVersion")));
        json_decref(one);
    } else if (wants(rq, "as=PartialObjectMetadata")) {
        form = partial(shown);
    }
    if (!form)
        return shown;
    json_decref(shown);
    return form;
}

// ---- pages ----

static char *continue_token(uint64_t rv, const char *last)
{
    json_t *token = json_pack("{ss sI ss}", "v", "meta.k8s.io/v1", "rv", (json_int_t)rv, "start", last);
    char *text = json_dumps(token, JSON_COMPACT), *encoded = lab_base64(text, strlen(text));
    for (char *p = encoded; *p; p++) { // the URL alphabet, without padding
        *p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p);
        if (*p == '=')
            *p-- = 0;
    }
    free(text);
    json_decref(token);
    return encoded;
}

struct page {
    uint64_t rv;
    char *after; // keys up to this one were sent; NULL: none
    json_int_t limit;
    json_t *labels, *fields;
};

static void page_free(struct page *page)
{
    free(page->after);
    json_decref(page->labels);
    json_decref(page->fields);
}

static bool page_continue(struct page *page, const char *text, json_t **error)
{
    char *raw = lab_unbase64(text, NULL);
    json_t *token = raw ? json_loads(raw, 0, NULL) : NULL;
    free(raw);
    if (!json_object_get(token, "rv") || !json_object_get(token, "start")) {
        *error = kube_status(400, "BadRequest", NULL, "invalid continue token: continue key is not valid: %s",
                             text);
        json_decref(token);
        return false;
    }
    page->rv = (uint64_t)json_integer_value(json_object_get(token, "rv"));
    page->after = lab_strdup(kube_text(token, "start"));
    json_decref(token);
    return true;
}

static bool page_version(struct page *page, const struct kube_request *rq, const char *rv, const char *match,
                         json_t **error)
{
    char *end;
    unsigned long long wanted = strtoull(rv, &end, 10);
    if (*end) {
        *error = kube_status(
            400, "BadRequest", NULL,
            "invalid resource version: resourceVersion: Invalid value: \"%s\": must be a number", rv);
    } else if (wanted > rq->cluster->rv) {
        *error = kube_status(504, "Timeout",
                             json_pack("{s[{ss ss}] si}", "causes", "reason", "ResourceVersionTooLarge",
                                       "message", "Too large resource version", "retryAfterSeconds", 1),
                             "Timeout: Too large resource version: %llu, current: %llu", wanted,
                             (unsigned long long)rq->cluster->rv);
    } else if (strcmp(match, "Exact") == 0 && wanted) {
        page->rv = wanted;
    }
    return !*error;
}

static bool page_parse(struct page *page, const struct kube_request *rq, json_t **error)
{
    char *limit = kube_query(rq, "limit"), *token = kube_query(rq, "continue"),
         *rv = kube_query(rq, "resourceVersion");
    char *match = kube_query(rq, "resourceVersionMatch");
    *page = (struct page){.rv = kube_view(rq), .limit = *limit ? strtoll(limit, NULL, 10) : 0};
    bool ok = kube_selectors(rq, &page->labels, &page->fields, error);
    if (ok && *token)
        ok = page_continue(page, token, error);
    else if (ok && *rv)
        ok = page_version(page, rq, rv, match, error);
    free(limit);
    free(token);
    free(rv);
    free(match);
    return ok;
}

static bool selected(const struct kube_request *rq, const struct page *page, const json_t *object)
{
    return (!*rq->ns || strcmp(kube_ns(object), rq->ns) == 0) &&
           (!page->labels || kube_expressions_match(page->labels, kube_path(object, "metadata.labels"))) &&
           kube_fields_match(page->fields, object);
}

static json_t *bare_item(const struct kube_request *rq, const json_t *object)
{
    json_t *shown = kube_convert_out(rq->cluster, rq->resource->kind, rq->served, object);
    if (rq->resource->custom)
        return shown;
    // Items of built-in kinds come without kind and apiVersion, as Go's typed lists have them.
    json_t *bare = json_copy(shown);
    json_object_del(bare, "kind");
    json_object_del(bare, "apiVersion");
    json_decref(shown);
    return bare;
}

static json_t *envelope(const struct kube_request *rq, json_t *items, json_t *metadata)
{
    json_t *list;
    if (wants(rq, "as=Table")) {
        list = as_table(rq, items);
        json_object_set(list, "metadata", metadata);
    } else if (wants(rq, "as=PartialObjectMetadataList")) {
        json_t *partials = json_array(), *item;
        size_t i;
        json_array_foreach(items, i, item) json_array_append_new(partials, partial(item));
        list = json_pack("{ss ss sO so}", "kind", "PartialObjectMetadataList", "apiVersion", "meta.k8s.io/v1",
                         "metadata", metadata, "items", partials);
    } else {
        char *kind = lab_format("%sList", rq->resource->kind->kind), *version = kube_api_version(rq->served);
        list = json_pack("{ss ss sO sO}", "kind", kind, "apiVersion", version, "metadata", metadata, "items",
                         items);
        free(kind);
        free(version);
    }
    json_decref(items);
    json_decref(metadata);
    return list;
}

void kube_list_reply(const struct kube_request *rq, struct lab_reply *reply)
{
    json_t *error = NULL, *all = NULL, *items = json_array(), *object;
    struct page page;
    if (page_parse(&page, rq, &error) && !(all = kube_items_at(rq->cluster, rq->resource, page.rv)))
        error = kube_status(
            410, "Expired", NULL,
            "The provided continue parameter is too old to display a consistent list result. You can "
            "start a new list without the continue parameter, or use the continue token in this "
            "response to retrieve the remainder of the results.");
    if (error) {
        lab_reply_json(reply, kube_status_code(error), error);
        json_decref(items);
        page_free(&page);
        return;
    }
    size_t i, left = 0;
    char *last = NULL;
    json_array_foreach(all, i, object)
    {
        char *key = kube_key(kube_ns(object), kube_name(object));
        bool seen = page.after && strcmp(key, page.after) <= 0;
        if (seen || !selected(rq, &page, object)) {
        } else if (page.limit > 0 && json_array_size(items) == (size_t)page.limit) {
            left++;
        } else {
            bool table = wants(rq, "as=Table");
            json_array_append_new(
                items, table ? kube_convert_out(rq->cluster, rq->resource->kind, rq->served, object)
                             : bare_item(rq, object));
            free(last);
            last = lab_strdup(key);
        }
        free(key);
    }
    json_t *metadata =
        json_pack("{so}", "resourceVersion", json_sprintf("%llu", (unsigned long long)page.rv));
    if (left) {
        char *token = continue_token(page.rv, last);
        json_object_set_new(metadata, "continue", json_string(token));
        if (!page.labels && !page.fields)
            json_object_set_new(metadata, "remainingItemCount", json_integer((json_int_t)left));
        free(token);
    }
    free(last);
    json_decref(all);
    lab_reply_json(reply, 200, envelope(rq, items, metadata));
    page_free(&page);
}
