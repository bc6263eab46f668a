// DaemonSets: one pod a node, re-rolled one at a time when the template changes. Keys: "namespace/name".
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

static const char me[] = "daemons";
static const char hash_label[] = "controller-revision-hash";

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    const json_t *owner = kube_controller_of(event->object);
    char *key = NULL;
    if (kube_is(event, "DaemonSet") && !event->deleted)
        key = lab_strdup(event->key);
    else if (owner && strcmp(kube_text(owner, "kind"), "DaemonSet") == 0)
        key = kube_key(kube_ns(event->object), kube_text(owner, "name"));
    if (key)
        kube_queue(cluster, me, key);
    free(key);
    if (kube_is(event, "Node")) {
        struct kube_resource *all = kube_resource(cluster, "daemonsets");
        for (size_t i = 0; i < all->count && (!event->before || event->deleted); i++)
            kube_queue(cluster, me, all->items[i].key);
    }
}

static char *hash_of(const json_t *template)
{
    char *text = json_dumps(template, JSON_COMPACT | JSON_SORT_KEYS);
    uint32_t h = 2166136261u;
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    free(text);
    return lab_format("%08x", h);
}

static const json_t *on_node(const json_t *pods, const char *node)
{
    size_t i;
    const json_t *pod;
    json_array_foreach(pods, i, pod) if (strcmp(kube_text(pod, "spec.nodeName"), node) == 0) return pod;
    return NULL;
}

static void make_pod(struct lab_cluster *cluster, const json_t *owner, const char *node, const char *hash)
{
    json_t *template = json_deep_copy(kube_path(owner, "spec.template")),
           *spec = json_object_get(template, "spec");
    json_t *labels = json_copy((json_t *)kube_path(template, "metadata.labels"));
    json_object_set_new(labels, hash_label, json_string(hash));
    json_object_set_new(spec, "nodeName", json_string(node));
    json_decref(
        kube_make(cluster, "pods",
                  json_pack("{s{so ss so s[o]} sO}", "metadata", "generateName",
                            json_sprintf("%s-", kube_name(owner)), "namespace", kube_ns(owner), "labels",
                            labels, "ownerReferences", kube_owner_reference(owner, true), "spec", spec)));
    json_decref(template);
}

static bool current(const json_t *pod, const char *hash)
{
    return strcmp(kube_text(kube_path(pod, "metadata.labels"), hash_label), hash) == 0;
}

// The next pod of an older template, if no other is on its way.
static void roll(struct lab_cluster *cluster, const json_t *pods, const char *hash)
{
    const json_t *old = NULL, *pod;
    size_t i;
    json_array_foreach(pods, i, pod)
    {
        if (kube_going(pod) || (current(pod, hash) && !kube_pod_ready(pod)))
            return;
        if (!current(pod, hash) && !old)
            old = pod;
    }
    if (old)
        kube_kill(cluster, "pods", old, false);
}

static void sync(struct lab_cluster *cluster, const char *key)
{
    json_t *set = json_incref((json_t *)kube_object_at(cluster, "daemonsets", key));
    struct kube_resource *nodes = kube_resource(cluster, "nodes");
    if (!set || kube_going(set)) {
        json_decref(set);
        return;
    }
    char *hash = hash_of(kube_path(set, "spec.template"));
    json_t *pods = kube_pods_of(cluster, set), *pod;
    json_int_t ready = 0, updated = 0, scheduled = 0;
    size_t i, wanted = nodes->count;
    bool missing = false;
    for (i = 0; i < nodes->count; i++)
        if (!on_node(pods, nodes->items[i].key)) {
            make_pod(cluster, set, nodes->items[i].key, hash);
            missing = true;
        }
    json_array_foreach(pods, i, pod)
    {
        bool here = kube_object_at(cluster, "nodes", kube_text(pod, "spec.nodeName")) != NULL;
        if (!here && !kube_going(pod))
            kube_kill(cluster, "pods", pod, true);
        scheduled += here;
        ready += here && kube_pod_ready(pod) && !kube_going(pod);
        updated += here && current(pod, hash) && !kube_going(pod);
    }
    if (!missing && strcmp(kube_text(set, "spec.updateStrategy.type"), "OnDelete") != 0)
        roll(cluster, pods, hash);
    json_t *status =
        json_pack("{sI si sI sI sI}", "currentNumberScheduled", scheduled, "numberMisscheduled", 0,
                  "desiredNumberScheduled", (json_int_t)wanted, "numberReady", ready, "observedGeneration",
                  json_integer_value(kube_path(set, "metadata.generation")));
    if (updated)
        json_object_set_new(status, "updatedNumberScheduled", json_integer(updated));
    if (ready)
        json_object_set_new(status, "numberAvailable", json_integer(ready));
    if (ready < (json_int_t)wanted)
        json_object_set_new(status, "numberUnavailable", json_integer((json_int_t)wanted - ready));
    kube_put_status(cluster, "daemonsets", set, status);
    json_decref(pods);
    json_decref(set);
    free(hash);
}

const struct kube_controller kube_daemons = {me, note, sync};
