// Namespaces: the default service account of a new one; emptying and releasing one that is deleted.
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

enum { EMPTY_MS = 100, AGAIN_MS = 50 };

static const char me[] = "namespaces";

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    if (!kube_is(event, "Namespace") || event->deleted)
        return;
    if (kube_going(event->object))
        kube_queue_after(cluster, EMPTY_MS, me, event->key); // as a real one, not at once
    else
        kube_queue(cluster, me, event->key);
}

static void default_account(struct lab_cluster *cluster, const char *ns)
{
    char *key = kube_key(ns, "default");
    if (!kube_object_at(cluster, "serviceaccounts", key))
        json_decref(kube_make(cluster, "serviceaccounts",
                              json_pack("{s{ss ss}}", "metadata", "name", "default", "namespace", ns)));
    free(key);
}

// Deletes what is left of one kind; how many are still there.
static size_t empty(struct lab_cluster *cluster, struct kube_resource *resource, const char *ns)
{
    char *prefix = lab_format("%s/", ns);
    json_t *left = json_array(), *object;
    size_t i, n;
    for (i = kube_lower_bound(resource, prefix);
         i < resource->count && strncmp(resource->items[i].key, prefix, strlen(prefix)) == 0; i++)
        json_array_append(left, resource->items[i].object);
    n = json_array_size(left);
    json_array_foreach(left, i, object)
    {
        bool at_once = false;
        json_t *error = NULL;
        struct kube_call call = {
            .cluster = cluster, .resource = resource, .ns = ns, .name = kube_name(object), .sub = ""};
        if (!kube_going(object))
            json_decref(kube_remove(&call, NULL, &at_once, &error));
        json_decref(error);
        n -= at_once;
    }
    json_decref(left);
    free(prefix);
    return n;
}

static void sync(struct lab_cluster *cluster, const char *name)
{
    const json_t *ns = kube_object_at(cluster, "namespaces", name);
    size_t left = 0;
    if (!ns)
        return;
    if (!kube_going(ns)) {
        default_account(cluster, name);
        return;
    }
    for (size_t i = 0; i < cluster->resource_count; i++)
        if (cluster->resources[i]->kind->namespaced && !cluster->resources[i]->gone)
            left += empty(cluster, cluster->resources[i], name);
    if (left) {
        kube_queue_after(cluster, AGAIN_MS, me, name); // pods take their time
        return;
    }
    json_t *object = json_deep_copy(kube_object_at(cluster, "namespaces", name)), *error = NULL;
    kube_set(object, "spec.finalizers", json_array());
    struct kube_call call = {.cluster = cluster,
                             .resource = kube_resource(cluster, "namespaces"),
                             .ns = "",
                             .name = name,
                             .sub = "finalize",
                             .manager = "kube-controller-manager"};
    json_decref(kube_replace(&call, object, &error));
    json_decref(error);
}

const struct kube_controller kube_namespaces = {me, note, sync};
