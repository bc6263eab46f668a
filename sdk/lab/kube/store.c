// The objects of a cluster and the history of their changes.
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

char *kube_key(const char *ns, const char *name)
{
    return ns && *ns ? lab_format("%s/%s", ns, name) : lab_strdup(name);
}

size_t kube_lower_bound(const struct kube_resource *resource, const char *key)
{
    size_t low = 0, high = resource->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(resource->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const json_t *kube_find(const struct kube_resource *resource, const char *key)
{
    size_t i = kube_lower_bound(resource, key);
    return i < resource->count && strcmp(resource->items[i].key, key) == 0 ? resource->items[i].object : NULL;
}

static void insert(struct kube_resource *resource, size_t at, const char *key, json_t *object)
{
    if (resource->count == resource->capacity) {
        size_t capacity = resource->capacity ? resource->capacity * 2 : 16;
        struct kube_item *items = lab_calloc(capacity, sizeof *items);
        if (resource->count)
            memcpy(items, resource->items, resource->count * sizeof *items);
        free(resource->items);
        resource->items = items;
        resource->capacity = capacity;
    }
    memmove(resource->items + at + 1, resource->items + at, (resource->count - at) * sizeof *resource->items);
    resource->items[at] = (struct kube_item){.key = lab_strdup(key), .object = object};
    resource->count++;
}

static void event_free(struct kube_event *event)
{
    free(event->key);
    json_decref(event->before);
    json_decref(event->object);
}

static void remember(struct lab_cluster *cluster, struct kube_event event)
{
    if (cluster->event_count == cluster->event_capacity) {
        event_free(&cluster->events[cluster->event_first]);
        cluster->event_first = (cluster->event_first + 1) % cluster->event_capacity;
        cluster->event_count--;
    }
    cluster->events[(cluster->event_first + cluster->event_count++) % cluster->event_capacity] = event;
}

const struct kube_event *kube_event_at(const struct lab_cluster *cluster, size_t index)
{
    return &cluster->events[(cluster->event_first + index) % cluster->event_capacity];
}

size_t kube_event_after(const struct lab_cluster *cluster, uint64_t rv)
{
    size_t low = 0, high = cluster->event_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kube_event_at(cluster, middle)->rv <= rv)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool kube_history_reaches(const struct lab_cluster *cluster, uint64_t rv)
{
    // Each change has its own number, so the oldest event remembered tells all.
    return rv >= cluster->rv || (cluster->event_count && kube_event_at(cluster, 0)->rv <= rv + 1);
}

void kube_commit(struct lab_cluster *cluster, struct kube_resource *resource, const char *key, json_t *object)
{
    size_t at = kube_lower_bound(resource, key);
    bool exists = at < resource->count && strcmp(resource->items[at].key, key) == 0;
    if (!object && !exists)
        return;
    struct kube_event event = {.rv = ++cluster->rv, .at_ms = lab_mono_ms(), .resource = resource};
    char *rv = lab_format("%llu", (unsigned long long)cluster->rv);
    event.key = lab_strdup(key);
    event.before = exists ? json_incref(resource->items[at].object) : NULL;
    if (object) {
        json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(rv));
        event.object = json_incref(object);
        if (exists) {
            json_decref(resource->items[at].object);
            resource->items[at].object = object;
        } else {
            insert(resource, at, key, object);
        }
    } else {
        json_t *metadata = json_copy(json_object_get(event.before, "metadata"));
        json_object_set_new(metadata, "resourceVersion", json_string(rv));
        event.object = json_copy(event.before);
        json_object_set_new(event.object, "metadata", metadata);
        event.deleted = true;
        free(resource->items[at].key);
        json_decref(resource->items[at].object);
        memmove(resource->items + at, resource->items + at + 1,
                (--resource->count - at) * sizeof *resource->items);
    }
    free(rv);
    remember(cluster, event);
    if (strcmp(resource->kind->kind, "CustomResourceDefinition") == 0)
        kube_resources_define(cluster, event.object, event.deleted);
    pthread_cond_broadcast(&cluster->lab->changed);
    kube_controllers_wake(cluster);
}

json_t *kube_items_at(struct lab_cluster *cluster, struct kube_resource *resource, uint64_t rv)
{
    if (!kube_history_reaches(cluster, rv))
        return NULL;
    // From the present backwards: the first change of a key after `rv` says what was there before it.
    json_t *earlier = json_object(), *items = json_array();
    for (size_t i = kube_event_after(cluster, rv); i < cluster->event_count; i++) {
        const struct kube_event *event = kube_event_at(cluster, i);
        if (event->resource == resource && !json_object_get(earlier, event->key))
            json_object_set_new(earlier, event->key,
                                event->before ? json_incref(event->before) : json_null());
    }
    // Keys that are gone by now are merged in, in key order.
    struct kube_resource merged = {.kind = resource->kind};
    const char *key;
    json_t *before;
    for (size_t i = 0; i < resource->count; i++)
        if (!json_object_get(earlier, resource->items[i].key))
            insert(&merged, merged.count, resource->items[i].key, json_incref(resource->items[i].object));
    json_object_foreach(earlier, key, before) if (!json_is_null(before))
        insert(&merged, kube_lower_bound(&merged, key), key, json_incref(before));
    for (size_t i = 0; i < merged.count; i++) {
        json_array_append_new(items, merged.items[i].object);
        free(merged.items[i].key);
    }
    free(merged.items);
    json_decref(earlier);
    return items;
}

void kube_store_free(struct lab_cluster *cluster)
{
    while (cluster->event_count) {
        event_free(&cluster->events[cluster->event_first]);
        cluster->event_first = (cluster->event_first + 1) % cluster->event_capacity;
        cluster->event_count--;
    }
    for (size_t i = 0; i < cluster->resource_count; i++) {
        struct kube_resource *resource = cluster->resources[i];
        for (size_t k = 0; k < resource->count; k++) {
            free(resource->items[k].key);
            json_decref(resource->items[k].object);
        }
        resource->count = 0;
    }
}
