// The canonical view of all clusters.
#include "snapshot.h"

#include "cluster.h"
#include "ctl.h"
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// ---- what addresses and generated names are called instead ----

static void rename_address(json_t *names, const char *address, json_t *name)
{
    if (*address && strcmp(address, "None") != 0)
        json_object_set(names, address, name);
    json_decref(name);
}

// "ReplicaSet" pods by their owner, a mirrored slice without the hash of its source's name (which was generated),
// everything else by its own name.
static char *stable_name(const json_t *object)
{
    const json_t *owner = kube_controller_of(object);
    const char *name = kube_name(object), *dash = strrchr(name, '-');
    if (dash && *kube_text(object, "addressType") &&
        json_object_get(kube_path(object, "metadata.labels"), "isthmus.dev/source-cluster"))
        return lab_format("%.*s-*", (int)(dash - name), name);
    return *kube_text(object, "metadata.generateName") && owner ? lab_format("%s-*", kube_text(owner, "name"))
                                                                : lab_strdup(kube_name(object));
}

static void names_of_cluster(struct lab_cluster *cluster, json_t *names)
{
    struct kube_resource *services = kube_resource(cluster, "services"),
                         *pods = kube_resource(cluster, "pods");
    for (size_t i = 0; i < services->count; i++)
        rename_address(names, kube_text(services->items[i].object, "spec.clusterIP"),
                       json_sprintf("service:%s/%s", cluster->name, services->items[i].key));
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        char *name = stable_name(pod);
        if (!json_is_true(kube_path(pod, "spec.hostNetwork")))
            rename_address(names, kube_text(pod, "status.podIP"),
                           json_sprintf("pod:%s/%s/%s", cluster->name, kube_ns(pod), name));
        free(name);
    }
    struct kube_resource *nodes = kube_resource(cluster, "nodes");
    for (size_t i = 0; i < nodes->count; i++) {
        const json_t *addresses = kube_path(nodes->items[i].object, "status.addresses"), *address;
        size_t k;
        json_object_set_new(names, nodes->items[i].key, json_sprintf("node:%s/%zu", cluster->name, i));
        json_array_foreach(addresses, k, address) if (strcmp(kube_text(address, "type"), "InternalIP") == 0)
            rename_address(names, kube_text(address, "address"),
                           json_sprintf("node:%s/%zu", cluster->name, i));
    }
}

static json_t *renamed(const json_t *value, const json_t *names)
{
    const char *text = json_string_value(value), *key, *slash = text ? strchr(text, '/') : NULL;
    json_t *child, *copy, *name;
    size_t i;
    if (text) {
        name = json_object_get(names, text);
        if (name)
            return json_incref(name);
        if (slash && strcmp(slash, "/32") == 0 &&
            (name = json_object_getn(names, text, (size_t)(slash - text))))
            return json_sprintf("%s/32", json_string_value(name));
        return json_incref((json_t *)value);
    }
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, child) json_array_append_new(copy, renamed(child, names));
        return copy;
    }
    if (!json_is_object(value))
        return json_incref((json_t *)value);
    copy = json_object();
    json_object_foreach((json_t *)value, key, child) json_object_set_new(copy, key, renamed(child, names));
    return copy;
}

// ---- what is left out ----

static void strip_metadata(json_t *metadata)
{
    static const char *const gone[] = {"uid",           "creationTimestamp", "resourceVersion",
                                       "managedFields", "generation",        "generateName",
                                       "selfLink",      "deletionTimestamp", "deletionGracePeriodSeconds"};
    size_t i;
    json_t *owner;
    for (i = 0; i < sizeof gone / sizeof *gone; i++)
        json_object_del(metadata, gone[i]);
    json_array_foreach(json_object_get(metadata, "ownerReferences"), i, owner) json_object_del(owner, "uid");
}

static void strip_times(json_t *value)
{
    static const char *const gone[] = {
        "lastTransitionTime", "lastUpdateTime",     "startTime", "startedAt", "finishedAt",
        "containerID",        "observedGeneration", "nodePort",  "hostIP",    "hostIPs"};
    const char *key;
    json_t *child;
    size_t i;
    for (i = 0; json_is_object(value) && i < sizeof gone / sizeof *gone; i++)
        json_object_del(value, gone[i]);
    if (json_is_object(value))
        json_object_foreach(value, key, child) strip_times(child);
    json_array_foreach(value, i, child) strip_times(child);
}

static int by_dump(const void *a, const void *b)
{
    char *x = json_dumps(*(json_t *const *)a, JSON_SORT_KEYS),
         *y = json_dumps(*(json_t *const *)b, JSON_SORT_KEYS);
    int order = strcmp(x, y);
    free(x);
    free(y);
    return order;
}

static void sort_list(json_t *list)
{
    size_t n = json_array_size(list), i;
    json_t **items = lab_calloc(n, sizeof *items), *item;
    json_array_foreach(list, i, item) items[i] = json_incref(item);
    if (n)
        qsort(items, n, sizeof *items, by_dump);
    for (i = 0; i < n; i++)
        json_array_set_new(list, i, items[i]);
    free(items);
}

static void strip_kind(const char *kind, json_t *object)
{
    size_t i;
    json_t *item, *subset;
    if (strcmp(kind, "Pod") == 0)
        kube_unset(object, "spec.nodeName");
    if (strcmp(kind, "Service") == 0 && json_array_size(kube_path(object, "status.loadBalancer.ingress")))
        kube_set(object, "status.loadBalancer.ingress", json_string("assigned"));
    if (strcmp(kind, "EndpointSlice") == 0) {
        json_array_foreach(json_object_get(object, "endpoints"), i, item)
        {
            json_object_del(item, "nodeName");
            kube_unset(item, "targetRef.uid");
            kube_unset(item, "targetRef.name");
        }
        sort_list(json_object_get(object, "endpoints"));
    }
    if (strcmp(kind, "Endpoints") == 0)
        json_array_foreach(json_object_get(object, "subsets"), i, subset)
        {
            size_t k;
            json_array_foreach(json_object_get(subset, "addresses"), k, item)
            {
                json_object_del(item, "nodeName");
                kube_unset(item, "targetRef.uid");
                kube_unset(item, "targetRef.name");
            }
            sort_list(json_object_get(subset, "addresses"));
        }
}

static bool shown(const struct kube_kind *kind)
{
    return strcmp(kind->kind, "Event") != 0 && strcmp(kind->kind, "Lease") != 0 &&
           !(kind->flags & KUBE_VIRTUAL);
}

static json_t *canonical(const struct kube_kind *kind, const json_t *object, const json_t *names)
{
    json_t *copy = json_deep_copy(object), *result;
    char *name = stable_name(object);
    strip_metadata(json_object_get(copy, "metadata"));
    strip_times(copy);
    strip_kind(kind->kind, copy);
    kube_set(copy, "metadata.name", json_string(name));
    result = renamed(copy, names);
    free(name);
    json_decref(copy);
    return result;
}

static json_t *cluster_snapshot(struct lab_cluster *cluster, const json_t *names)
{
    json_t *all = json_object();
    for (size_t i = 0; i < cluster->resource_count; i++) {
        struct kube_resource *resource = cluster->resources[i];
        json_t *list = json_array();
        for (size_t k = 0; k < resource->count && shown(resource->kind) && !resource->gone; k++)
            json_array_append_new(list, canonical(resource->kind, resource->items[k].object, names));
        sort_list(list);
        char *id = kube_resource_id(resource);
        if (json_array_size(list))
            json_object_set(all, id, list);
        free(id);
        json_decref(list);
    }
    return all;
}

// ---- waiting until the controllers have done what there is to do ----

enum { SETTLE_MS = 3000 };

static bool pod_moves(struct lab_cluster *cluster, const json_t *pod)
{
    const char *node = kube_text(pod, "spec.nodeName"), *phase = kube_text(pod, "status.phase");
    bool ours = !*node || kube_object_at(cluster, "nodes", node);
    return ours && (kube_going(pod) || strcmp(phase, "Pending") == 0 ||
                    (strcmp(phase, "Running") == 0 && kube_probe_is_client(pod)));
}

static bool workload_moves(const json_t *object, const char *wanted, const char *ready, const char *updated)
{
    json_int_t n = json_integer_value(kube_path(object, wanted));
    return json_integer_value(kube_path(object, "status.observedGeneration")) !=
               json_integer_value(kube_path(object, "metadata.generation")) ||
           json_integer_value(kube_path(object, ready)) != n ||
           json_integer_value(kube_path(object, updated)) != n;
}

static bool moves(struct lab_cluster *cluster)
{
    struct kube_resource *pods = kube_resource(cluster, "pods"),
                         *spaces = kube_resource(cluster, "namespaces");
    struct kube_resource *sets = kube_resource(cluster, "daemonsets"),
                         *deployments = kube_resource(cluster, "deployments");
    bool any = cluster->controllers_due;
    for (size_t i = 0; i < pods->count && !any; i++)
        any = pod_moves(cluster, pods->items[i].object);
    for (size_t i = 0; i < spaces->count && !any; i++)
        any = kube_going(spaces->items[i].object);
    for (size_t i = 0; i < sets->count && !any; i++)
        any = workload_moves(sets->items[i].object, "status.desiredNumberScheduled", "status.numberReady",
                             "status.updatedNumberScheduled");
    for (size_t i = 0; i < deployments->count && !any; i++)
        any = workload_moves(deployments->items[i].object, "spec.replicas", "status.readyReplicas",
                             "status.updatedReplicas");
    return any;
}

// A picture of things on the move would differ from run to run.
static void settle(struct lab *lab)
{
    for (int64_t end = lab_mono_ms() + SETTLE_MS; lab_mono_ms() < end;) {
        struct timespec until;
        bool any = false;
        for (struct lab_cluster *c = lab->kube->clusters; c; c = c->next)
            any = any || (!c->deleted && moves(c));
        if (!any)
            return;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20 * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&lab->changed, &lab->lock, &until);
    }
}

json_t *kube_snapshot(struct lab *lab)
{
    json_t *names = json_object(), *snapshot = json_object();
    settle(lab);
    for (struct lab_cluster *c = lab->kube->clusters; c; c = c->next)
        if (!c->deleted)
            names_of_cluster(c, names);
    for (struct lab_cluster *c = lab->kube->clusters; c; c = c->next)
        if (!c->deleted)
            json_object_set_new(snapshot, c->name, cluster_snapshot(c, names));
    json_decref(names);
    return snapshot;
}
