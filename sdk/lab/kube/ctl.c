// Runs the controllers: hands them the changes, works off their queues.
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

static const struct kube_controller *const controllers[] = {
    &kube_namespaces, &kube_garbage,   &kube_workloads, &kube_daemons,
    &kube_kubelet,    &kube_endpoints, &kube_mirroring, &kube_load_balancers};
enum { CONTROLLERS = sizeof controllers / sizeof *controllers };

static void run(struct lab *lab, void *arg);

void kube_controllers_wake(struct lab_cluster *cluster)
{
    if (cluster->controllers_due || cluster->deleted)
        return;
    cluster->controllers_due = true;
    lab_after(cluster->lab, 1, run, cluster);
}

void kube_queue(struct lab_cluster *cluster, const char *controller, const char *key)
{
    json_t *queue = json_object_get(cluster->queues, controller);
    if (!queue) {
        queue = json_object();
        json_object_set_new(cluster->queues, controller, queue);
    }
    json_object_set_new(queue, key, json_true());
    kube_controllers_wake(cluster);
}

struct later {
    struct lab_cluster *cluster;
    const char *controller;
    char *key;
};

static void due(struct lab *lab, void *arg)
{
    (void)lab;
    struct later *later = arg;
    if (!later->cluster->deleted)
        kube_queue(later->cluster, later->controller, later->key);
    free(later->key);
    free(later);
}

void kube_queue_after(struct lab_cluster *cluster, int64_t delay_ms, const char *controller, const char *key)
{
    struct later *later = lab_calloc(1, sizeof *later);
    *later = (struct later){cluster, controller, lab_strdup(key)};
    lab_after(cluster->lab, delay_ms, due, later);
}

static void hand_out(struct lab_cluster *cluster)
{
    // A note may not write, so the history stands still meanwhile.
    for (size_t i = kube_event_after(cluster, cluster->seen); i < cluster->event_count; i++)
        for (size_t c = 0; c < CONTROLLERS; c++)
            controllers[c]->note(cluster, kube_event_at(cluster, i));
    cluster->seen = cluster->rv;
}

static bool work_one(struct lab_cluster *cluster)
{
    for (size_t c = 0; c < CONTROLLERS; c++) {
        json_t *queue = json_object_get(cluster->queues, controllers[c]->name);
        void *first = json_object_iter(queue);
        if (!first)
            continue;
        char *key = lab_strdup(json_object_iter_key(first));
        json_object_del(queue, key);
        controllers[c]->sync(cluster, key);
        free(key);
        return true;
    }
    return false;
}

static void run(struct lab *lab, void *arg)
{
    (void)lab;
    struct lab_cluster *cluster = arg;
    enum { AT_ONCE = 2000 }; // then others get the lock
    cluster->controllers_due = false;
    for (int n = 0; n < AT_ONCE && !cluster->deleted; n++) {
        hand_out(cluster);
        if (!work_one(cluster))
            return;
    }
    kube_controllers_wake(cluster);
}

// ---- what several controllers need to know of objects ----

bool kube_is(const struct kube_event *event, const char *kind)
{
    return strcmp(event->resource->kind->kind, kind) == 0;
}

const json_t *kube_controller_of(const json_t *object)
{
    size_t i;
    const json_t *owner;
    json_array_foreach(kube_path(object, "metadata.ownerReferences"), i,
                       owner) if (json_is_true(json_object_get(owner, "controller"))) return owner;
    return NULL;
}

bool kube_owned_by(const json_t *object, const json_t *owner)
{
    const json_t *reference = kube_controller_of(object);
    return reference && strcmp(kube_text(reference, "uid"), kube_text(owner, "metadata.uid")) == 0;
}

json_t *kube_owner_reference(const json_t *owner, bool controller)
{
    json_t *reference = json_pack("{ss ss ss ss}", "apiVersion", kube_text(owner, "apiVersion"), "kind",
                                  kube_text(owner, "kind"), "name", kube_name(owner), "uid",
                                  kube_text(owner, "metadata.uid"));
    if (controller) {
        json_object_set_new(reference, "controller", json_true());
        json_object_set_new(reference, "blockOwnerDeletion", json_true());
    }
    return reference;
}

const json_t *kube_object_at(struct lab_cluster *cluster, const char *plural, const char *key)
{
    struct kube_resource *resource = kube_resource(cluster, plural);
    return resource ? kube_find(resource, key) : NULL;
}

bool kube_pod_ready(const json_t *pod)
{
    size_t i;
    const json_t *condition;
    json_array_foreach(kube_path(pod, "status.conditions"), i,
                       condition) if (strcmp(kube_text(condition, "type"), "Ready") ==
                                      0) return strcmp(kube_text(condition, "status"), "True") == 0;
    return false;
}

bool kube_pod_over(const json_t *pod)
{
    const char *phase = kube_text(pod, "status.phase");
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

bool kube_going(const json_t *object)
{
    return kube_path(object, "metadata.deletionTimestamp") != NULL;
}

json_t *kube_pods_of(struct lab_cluster *cluster, const json_t *owner)
{
    struct kube_resource *pods = kube_resource(cluster, "pods");
    json_t *list = json_array();
    char *prefix = lab_format("%s/", kube_ns(owner));
    for (size_t i = kube_lower_bound(pods, prefix); i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        if (strncmp(pods->items[i].key, prefix, strlen(prefix)) != 0)
            break;
        if (kube_owned_by(pod, owner) && !kube_pod_over(pod))
            json_array_append(list, (json_t *)pod);
    }
    free(prefix);
    return list;
}

json_t *kube_slices_of(struct lab_cluster *cluster, const char *ns, const char *service, const char *manager)
{
    json_t *all = lab_kube_list(cluster, "endpointslices", ns), *mine = json_array(), *slice;
    size_t i;
    json_array_foreach(all, i, slice)
    {
        const json_t *labels = kube_path(slice, "metadata.labels");
        const char *by = json_string_value(json_object_get(labels, "endpointslice.kubernetes.io/managed-by"));
        const char *of = json_string_value(json_object_get(labels, "kubernetes.io/service-name"));
        if (by && of && strcmp(by, manager) == 0 && strcmp(of, service) == 0)
            json_array_append(mine, slice);
    }
    json_decref(all);
    return mine;
}

json_t *kube_condition(const char *type, bool status, const char *reason, const json_t *before)
{
    const char *text = status ? "True" : "False";
    size_t i;
    const json_t *old;
    char *now = kube_now();
    const char *when = now;
    json_array_foreach(before, i, old) if (strcmp(kube_text(old, "type"), type) == 0 &&
                                           strcmp(kube_text(old, "status"), text) == 0) when =
        kube_text(old, "lastTransitionTime");
    json_t *condition = json_pack("{ss ss ss}", "type", type, "status", text, "lastTransitionTime", when);
    if (reason)
        json_object_set_new(condition, "reason", json_string(reason));
    free(now);
    return condition;
}
