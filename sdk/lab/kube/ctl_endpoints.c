// Endpoints and EndpointSlices of Services with a selector. Keys: "namespace/name" of the Service.
#include "ctl.h"
#include "selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_SLICE = 100 };

static const char me[] = "endpoints";
static const char manager[] = "endpointslice-controller.k8s.io";

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    if (kube_is(event, "Service"))
        kube_queue(cluster, me, event->key);
    if (!kube_is(event, "Pod"))
        return;
    struct kube_resource *services = kube_resource(cluster, "services");
    char *prefix = lab_format("%s/", kube_ns(event->object));
    for (size_t i = kube_lower_bound(services, prefix);
         i < services->count && strncmp(services->items[i].key, prefix, strlen(prefix)) == 0; i++) {
        const json_t *selector = kube_path(services->items[i].object, "spec.selector");
        if (kube_map_match(selector, kube_path(event->object, "metadata.labels")) ||
            (event->before && kube_map_match(selector, kube_path(event->before, "metadata.labels"))))
            kube_queue(cluster, me, services->items[i].key);
    }
    free(prefix);
}

// ---- which pods, under which ports ----

static json_int_t named_port(const json_t *pod, const char *name, const char *protocol)
{
    size_t i, k;
    const json_t *container, *port;
    json_array_foreach(kube_path(pod, "spec.containers"), i, container)
        json_array_foreach(json_object_get(container, "ports"), k,
                           port) if (strcmp(kube_text(port, "name"), name) == 0 &&
                                     strcmp(kube_text(port, "protocol"), protocol) ==
                                         0) return json_integer_value(json_object_get(port, "containerPort"));
    return 0;
}

// A service's ports as one pod has them: new array of {name, port, protocol[, appProtocol]}.
static json_t *ports_on(const json_t *service, const json_t *pod)
{
    json_t *ports = json_array();
    size_t i;
    const json_t *port;
    json_array_foreach(kube_path(service, "spec.ports"), i, port)
    {
        const json_t *target = json_object_get(port, "targetPort");
        json_int_t number = json_is_string(target)
                                ? named_port(pod, json_string_value(target), kube_text(port, "protocol"))
                                : json_integer_value(target ? target : json_object_get(port, "port"));
        if (!number)
            continue;
        json_t *entry = json_pack("{ss sI ss}", "name", kube_text(port, "name"), "port", number, "protocol",
                                  kube_text(port, "protocol"));
        if (json_object_get(port, "appProtocol"))
            json_object_set(entry, "appProtocol", json_object_get(port, "appProtocol"));
        json_array_append_new(ports, entry);
    }
    return ports;
}

// [{ports, pods: [pod, ...]}]: pods that have the same port numbers go together.
static json_t *groups_of(struct lab_cluster *cluster, const json_t *service)
{
    struct kube_resource *pods = kube_resource(cluster, "pods");
    json_t *groups = json_array(), *group;
    char *prefix = lab_format("%s/", kube_ns(service));
    for (size_t i = kube_lower_bound(pods, prefix); i < pods->count; i++) {
        json_t *pod = pods->items[i].object, *found = NULL;
        size_t k;
        if (strncmp(pods->items[i].key, prefix, strlen(prefix)) != 0)
            break;
        if (!kube_map_match(kube_path(service, "spec.selector"), kube_path(pod, "metadata.labels")) ||
            !*kube_text(pod, "status.podIP") || kube_pod_over(pod))
            continue;
        json_t *ports = ports_on(service, pod);
        json_array_foreach(groups, k, group) if (json_equal(json_object_get(group, "ports"), ports)) found =
            group;
        if (!found) {
            found = json_pack("{sO s[]}", "ports", ports, "pods");
            json_array_append_new(groups, found);
        }
        json_array_append(json_object_get(found, "pods"), pod);
        json_decref(ports);
    }
    free(prefix);
    return groups;
}

static json_t *target_of(const json_t *pod)
{
    return json_pack("{ss ss ss ss}", "kind", "Pod", "namespace", kube_ns(pod), "name", kube_name(pod), "uid",
                     kube_text(pod, "metadata.uid"));
}

static bool publishes_all(const json_t *service)
{
    return json_is_true(kube_path(service, "spec.publishNotReadyAddresses"));
}

// Writes `object` if it differs from what is there (NULL: nothing); steals it.
static void write_if_other(struct lab_cluster *cluster, const char *plural, const json_t *there,
                           json_t *object)
{
    static const char *const content[] = {"subsets", "endpoints", "ports"};
    bool same =
        there && json_equal(kube_path(there, "metadata.labels"), kube_path(object, "metadata.labels"));
    for (size_t i = 0; same && i < 3; i++) {
        const json_t *a = json_object_get(there, content[i]), *b = json_object_get(object, content[i]);
        same = (!json_array_size(a) && !json_array_size(b)) || (a && b && json_equal(a, b));
    }
    if (!there) {
        json_decref(kube_make(cluster, plural, object));
    } else if (same) {
        json_decref(object);
    } else {
        json_t *copy = json_copy((json_t *)there);
        for (size_t i = 0; i < 3; i++) {
            if (json_object_get(object, content[i]))
                json_object_set(copy, content[i], json_object_get(object, content[i]));
            else
                json_object_del(copy, content[i]);
        }
        json_t *metadata = json_copy(json_object_get(there, "metadata"));
        if (kube_path(object, "metadata.labels"))
            json_object_set(metadata, "labels", (json_t *)kube_path(object, "metadata.labels"));
        json_object_set_new(copy, "metadata", metadata);
        json_decref(object);
        kube_put(cluster, plural, copy);
    }
}

// ---- Endpoints ----

static json_t *subset_of(const json_t *service, const json_t *group)
{
    json_t *ready = json_array(), *waiting = json_array(), *pod, *subset = json_object(),
           *ports = json_array(), *port;
    size_t i;
    json_array_foreach(json_object_get(group, "pods"), i, pod)
    {
        bool all = publishes_all(service);
        if (kube_going(pod) && !all)
            continue;
        json_t *address =
            json_pack("{ss so}", "ip", kube_text(pod, "status.podIP"), "targetRef", target_of(pod));
        if (*kube_text(pod, "spec.nodeName"))
            json_object_set_new(address, "nodeName", json_string(kube_text(pod, "spec.nodeName")));
        json_array_append_new(all || kube_pod_ready(pod) ? ready : waiting, address);
    }
    json_array_foreach(json_object_get(group, "ports"), i, port)
    {
        json_t *entry = json_copy(port);
        if (!*kube_text(entry, "name"))
            json_object_del(entry, "name");
        json_array_append_new(ports, entry);
    }
    bool any = json_array_size(ready) + json_array_size(waiting) > 0;
    if (json_array_size(ready))
        json_object_set(subset, "addresses", ready);
    if (json_array_size(waiting))
        json_object_set(subset, "notReadyAddresses", waiting);
    if (json_array_size(ports))
        json_object_set(subset, "ports", ports);
    json_decref(ready);
    json_decref(waiting);
    json_decref(ports);
    if (!any) {
        json_decref(subset);
        return NULL;
    }
    return subset;
}

static void write_endpoints(struct lab_cluster *cluster, const json_t *service, const json_t *groups,
                            const char *key)
{
    json_t *subsets = json_array(), *group,
           *labels = json_copy((json_t *)kube_path(service, "metadata.labels"));
    size_t i;
    json_array_foreach(groups, i, group)
    {
        json_t *subset = subset_of(service, group);
        if (subset)
            json_array_append_new(subsets, subset);
    }
    json_t *object =
        json_pack("{s{ss ss}}", "metadata", "name", kube_name(service), "namespace", kube_ns(service));
    if (strcmp(kube_text(service, "spec.clusterIP"), "None") == 0) {
        if (!labels)
            labels = json_object();
        json_object_set_new(labels, "service.kubernetes.io/headless", json_string(""));
    }
    if (json_object_size(labels))
        kube_set(object, "metadata.labels", json_incref(labels));
    if (json_array_size(subsets))
        json_object_set(object, "subsets", subsets);
    json_decref(labels);
    json_decref(subsets);
    write_if_other(cluster, "endpoints", kube_object_at(cluster, "endpoints", key), object);
}

// ---- EndpointSlices ----

// A pod's address of a family; "" when it has none.
static const char *address_of(const json_t *pod, const char *family)
{
    bool six = strcmp(family, "IPv6") == 0;
    size_t i;
    const json_t *entry;
    json_array_foreach(kube_path(pod, "status.podIPs"), i,
                       entry) if (!!strchr(kube_text(entry, "ip"), ':') == six) return kube_text(entry, "ip");
    return six ? "" : kube_text(pod, "status.podIP"); // whoever makes pods by hand may leave podIPs out
}

static json_t *endpoint_of(const json_t *service, const json_t *pod, const char *address)
{
    bool going = kube_going(pod), serving = kube_pod_ready(pod);
    bool ready = publishes_all(service) || (serving && !going);
    json_t *endpoint = json_pack("{s[s] s{sb sb sb} so}", "addresses", address, "conditions", "ready", ready,
                                 "serving", serving, "terminating", going, "targetRef", target_of(pod));
    if (*kube_text(pod, "spec.nodeName"))
        json_object_set_new(endpoint, "nodeName", json_string(kube_text(pod, "spec.nodeName")));
    if (*kube_text(pod, "spec.hostname") && strcmp(kube_text(pod, "spec.subdomain"), kube_name(service)) == 0)
        json_object_set_new(endpoint, "hostname", json_string(kube_text(pod, "spec.hostname")));
    return endpoint;
}

static json_t *slice_of(const json_t *service, const char *family, json_t *ports, json_t *endpoints)
{
    json_t *labels = json_copy((json_t *)kube_path(service, "metadata.labels"));
    if (!labels)
        labels = json_object();
    json_object_set_new(labels, "kubernetes.io/service-name", json_string(kube_name(service)));
    json_object_set_new(labels, "endpointslice.kubernetes.io/managed-by", json_string(manager));
    if (strcmp(kube_text(service, "spec.clusterIP"), "None") == 0)
        json_object_set_new(labels, "service.kubernetes.io/headless", json_string(""));
    json_t *slice = json_pack("{s{so ss so s[o]} ss so so}", "metadata", "generateName",
                              json_sprintf("%s-", kube_name(service)), "namespace", kube_ns(service),
                              "labels", labels, "ownerReferences", kube_owner_reference(service, true),
                              "addressType", family, "endpoints", endpoints, "ports", ports);
    return slice;
}

static void add_slices(const json_t *service, const char *family, const json_t *group, json_t *slices)
{
    json_t *endpoints = json_array(), *pod;
    size_t i;
    json_array_foreach(json_object_get(group, "pods"), i, pod)
    {
        const char *address = address_of(pod, family);
        if (*address)
            json_array_append_new(endpoints, endpoint_of(service, pod, address));
        if (json_array_size(endpoints) == PER_SLICE) {
            json_array_append_new(
                slices, slice_of(service, family, json_incref(json_object_get(group, "ports")), endpoints));
            endpoints = json_array();
        }
    }
    if (json_array_size(endpoints))
        json_array_append_new(slices, slice_of(service, family, json_incref(json_object_get(group, "ports")),
                                               json_incref(endpoints)));
    json_decref(endpoints);
}

// The slices that there should be: new array. A service without pods has an empty one of each family.
static json_t *wanted_slices(const json_t *service, const json_t *groups)
{
    json_t *slices = json_array(), *group, *family,
           *families = (json_t *)kube_path(service, "spec.ipFamilies");
    json_t *one = json_pack("[s]", "IPv4");
    size_t i, k;
    json_array_foreach(json_array_size(families) ? families : one, k, family)
    {
        const char *name = json_string_value(family);
        size_t before = json_array_size(slices);
        json_array_foreach(groups, i, group) add_slices(service, name, group, slices);
        if (json_array_size(slices) == before)
            json_array_append_new(slices, slice_of(service, name, json_array(), json_array()));
    }
    json_decref(one);
    return slices;
}

static bool same_family(const json_t *a, const json_t *b)
{
    return strcmp(kube_text(a, "addressType"), kube_text(b, "addressType")) == 0;
}

static void write_slices(struct lab_cluster *cluster, const json_t *service, const json_t *groups)
{
    json_t *there = kube_slices_of(cluster, kube_ns(service), kube_name(service), manager);
    json_t *wanted = wanted_slices(service, groups), *slice, *old;
    size_t i;
    json_array_foreach(wanted, i, slice)
    {
        // One of the same ports is brought up to date; the leftovers go.
        size_t k, found = SIZE_MAX, other = SIZE_MAX;
        json_array_foreach(there, k, old)
        {
            const json_t *a = json_object_get(old, "ports"), *b = json_object_get(slice, "ports");
            if (!same_family(old, slice)) // addressType cannot be changed
                continue;
            if (other == SIZE_MAX)
                other = k;
            if (found == SIZE_MAX && (json_equal(a, b) || (!json_array_size(a) && !json_array_size(b))))
                found = k;
        }
        if (found == SIZE_MAX)
            found = other;
        old = found == SIZE_MAX ? NULL : json_incref(json_array_get(there, found));
        if (old)
            json_array_remove(there, found);
        write_if_other(cluster, "endpointslices", old, json_incref(slice));
        json_decref(old);
    }
    json_array_foreach(there, i, old) kube_kill(cluster, "endpointslices", old, true);
    json_decref(wanted);
    json_decref(there);
}

static void sync(struct lab_cluster *cluster, const char *key)
{
    json_t *service = json_incref((json_t *)kube_object_at(cluster, "services", key));
    const json_t *endpoints = kube_object_at(cluster, "endpoints", key);
    if (!service) {
        if (endpoints)
            kube_kill(cluster, "endpoints", endpoints, true);
    } else if (json_object_size(kube_path(service, "spec.selector"))) {
        json_t *groups = groups_of(cluster, service);
        write_endpoints(cluster, service, groups, key);
        if (kube_resource(cluster, "endpointslices") && cluster->minor >= 19)
            write_slices(cluster, service, groups);
        json_decref(groups);
    }
    json_decref(service);
}

const struct kube_controller kube_endpoints = {me, note, sync};
