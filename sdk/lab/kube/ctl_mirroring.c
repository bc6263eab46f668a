// EndpointSlices for Endpoints that somebody wrote by hand. Keys: "namespace/name" of the Endpoints.
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

static const char me[] = "mirroring";
static const char manager[] = "endpointslicemirroring-controller.k8s.io";

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    if (kube_is(event, "Endpoints") || kube_is(event, "Service"))
        kube_queue(cluster, me, event->key);
}

static bool wanted(struct lab_cluster *cluster, const json_t *endpoints, const char *key)
{
    const json_t *service = kube_object_at(cluster, "services", key),
                 *labels = kube_path(endpoints, "metadata.labels");
    const char *skip = json_string_value(json_object_get(labels, "endpointslice.kubernetes.io/skip-mirror"));
    return endpoints && service && !kube_going(endpoints) &&
           !json_object_size(kube_path(service, "spec.selector")) && !(skip && strcmp(skip, "true") == 0) &&
           !json_object_get(kube_path(endpoints, "metadata.annotations"),
                            "control-plane.alpha.kubernetes.io/leader");
}

static json_t *mirrors_there(struct lab_cluster *cluster, const char *key)
{
    char *ns = lab_format("%.*s", (int)strcspn(key, "/"), key);
    json_t *mine = kube_slices_of(cluster, ns, strchr(key, '/') + 1, manager);
    free(ns);
    return mine;
}

static void add_addresses(json_t *endpoints, const json_t *addresses, bool ready)
{
    size_t i;
    const json_t *address;
    json_array_foreach(addresses, i, address)
    {
        json_t *endpoint =
            json_pack("{s[s] s{sb}}", "addresses", kube_text(address, "ip"), "conditions", "ready", ready);
        static const char *const copied[] = {"hostname", "nodeName", "targetRef"};
        for (size_t k = 0; k < 3; k++)
            if (json_object_get(address, copied[k]))
                json_object_set(endpoint, copied[k], json_object_get(address, copied[k]));
        json_array_append_new(endpoints, endpoint);
    }
}

static json_t *mirror_of(const json_t *endpoints, const json_t *subset)
{
    json_t *labels = json_copy((json_t *)kube_path(endpoints, "metadata.labels")), *list = json_array();
    json_t *ports = json_array(), *port;
    size_t i;
    if (!labels)
        labels = json_object();
    json_object_set_new(labels, "kubernetes.io/service-name", json_string(kube_name(endpoints)));
    json_object_set_new(labels, "endpointslice.kubernetes.io/managed-by", json_string(manager));
    add_addresses(list, json_object_get(subset, "addresses"), true);
    add_addresses(list, json_object_get(subset, "notReadyAddresses"), false);
    json_array_foreach(json_object_get(subset, "ports"), i, port)
    {
        json_t *entry = json_copy(port);
        if (!json_object_get(entry, "name"))
            json_object_set_new(entry, "name", json_string(""));
        json_array_append_new(ports, entry);
    }
    return json_pack("{s{so ss so s[o]} ss so so}", "metadata", "generateName",
                     json_sprintf("%s-", kube_name(endpoints)), "namespace", kube_ns(endpoints), "labels",
                     labels, "ownerReferences", kube_owner_reference(endpoints, true), "addressType", "IPv4",
                     "endpoints", list, "ports", ports);
}

static bool same(const json_t *a, const json_t *b)
{
    static const char *const parts[] = {"endpoints", "ports"};
    for (size_t i = 0; i < 2; i++)
        if (!json_equal(json_object_get(a, parts[i]), json_object_get(b, parts[i])))
            return false;
    return json_equal(kube_path(a, "metadata.labels"), kube_path(b, "metadata.labels"));
}

static void sync(struct lab_cluster *cluster, const char *key)
{
    if (!kube_resource(cluster, "endpointslices") || cluster->minor < 19)
        return;
    json_t *endpoints = json_incref((json_t *)kube_object_at(cluster, "endpoints", key));
    json_t *there = mirrors_there(cluster, key), *subset, *slice;
    size_t i, k;
    if (wanted(cluster, endpoints, key))
        json_array_foreach(json_object_get(endpoints, "subsets"), i, subset)
        {
            json_t *mirror = mirror_of(endpoints, subset);
            bool kept = false;
            json_array_foreach(there, k, slice) if (!kept && same(slice, mirror))
            {
                json_array_remove(there, k);
                kept = true;
            }
            if (kept) {
                json_decref(mirror);
            } else if (json_array_size(there)) {
                json_t *changed = json_copy(json_array_get(there, 0));
                json_object_set(changed, "endpoints", json_object_get(mirror, "endpoints"));
                json_object_set(changed, "ports", json_object_get(mirror, "ports"));
                json_array_remove(there, 0);
                json_decref(mirror);
                kube_put(cluster, "endpointslices", changed);
            } else {
                json_decref(kube_make(cluster, "endpointslices", mirror));
            }
        }
    json_array_foreach(there, k, slice) kube_kill(cluster, "endpointslices", slice, true);
    json_decref(there);
    json_decref(endpoints);
}

const struct kube_controller kube_mirroring = {me, note, sync};
