// What a service of one cluster becomes in another: a Service without a selector, and its addresses.
#include "mirror.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

#define SLICE_MAX 100 // addresses a slice, as the controllers of Kubernetes split them
#define MANAGER   "isthmus.dev"

static const char *name_of(const json_t *object)
{
    return ist_json_str_or(object, "metadata.name", "");
}

static const char *namespace_of(const json_t *object)
{
    return ist_json_str_or(object, "metadata.namespace", "");
}

static void copy_field(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    if (value && !json_is_null(value))
        json_object_set(to, key, value);
}

// Ports of a Service or slice, only what has a meaning elsewhere: no nodePort, no targetPort.
static json_t *copy_ports(const json_t *ports)
{
    json_t *copies = json_array(), *port;
    size_t i;
    json_array_foreach(ports, i, port)
    {
        json_t *copy = json_object();
        copy_field(copy, port, "name");
        copy_field(copy, port, "port");
        copy_field(copy, port, "appProtocol");
        json_object_set_new(copy, "protocol", json_string(ist_json_str_or(port, "protocol", "TCP")));
        json_array_append_new(copies, copy);
    }
    return copies;
}

// The fields that may cross, and no others: what a cluster chose for itself (addresses, node ports, load
// balancers, external addresses) would be wrong or dangerous in another.
static json_t *mirror_service(const struct source *source, const json_t *service)
{
    const json_t *spec = json_object_get(service, "spec");
    json_t *mirrored = json_object();
    json_object_set_new(mirrored, "ports", copy_ports(json_object_get(spec, "ports")));
    if (!strcmp(ist_json_str_or(spec, "clusterIP", ""), "None"))
        json_object_set_new(mirrored, "clusterIP", json_string("None"));
    if (!strcmp(ist_json_str_or(spec, "sessionAffinity", "None"), "ClientIP")) {
        copy_field(mirrored, spec, "sessionAffinity");
        copy_field(mirrored, spec, "sessionAffinityConfig");
    }
    if (ist_json_bool(spec, "publishNotReadyAddresses", 0))
        copy_field(mirrored, spec, "publishNotReadyAddresses");
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:o}", "apiVersion", "v1", "kind", "Service",
                     "metadata", "name", name_of(service), "namespace", namespace_of(service), "labels",
                     IST_LABEL_SOURCE_CLUSTER, source->cluster->name, "spec", mirrored);
}

// What is filed under a service: an array, or NULL. Borrowed.
static json_t *filed(const json_t *by_service, const json_t *service)
{
    char *key = ist_printf("%s/%s", namespace_of(service), name_of(service));
    json_t *found = json_object_get(by_service, key);
    ist_free(key);
    return found;
}

// ---- endpoints ----

static int by_address(const void *a, const void *b)
{
    const json_t *const *left = a, *const *right = b;
    return strcmp(ist_json_str_or(*left, "addresses[0]", ""), ist_json_str_or(*right, "addresses[0]", ""));
}

// A stable order: what did not change is not written.
static json_t *sorted(json_t *endpoints)
{
    size_t count = json_array_size(endpoints);
    json_t **items = ist_calloc(count, sizeof(json_t *)), *list = json_array();
    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(endpoints, i);
    if (count)
        qsort(items, count, sizeof(*items), by_address);
    for (size_t i = 0; i < count; i++)
        json_array_append(list, items[i]);
    ist_free(items);
    json_decref(endpoints);
    return list;
}

// One endpoint with each address that is a pod of the source; NULL when none is.
static json_t *copy_endpoint(const struct source *source, const json_t *service, const json_t *endpoint,
                             json_t *notes)
{
    json_t *addresses = json_array(), *address;
    size_t i;
    json_array_foreach(json_object_get(endpoint, "addresses"), i, address)
    {
        if (ist_cluster_has_pod(source->cluster, json_string_value(address))) {
            json_array_append(addresses, address);
            continue;
        }
        char *note =
            ist_printf("%s of Service %s/%s in %s is not mirrored: it lies in none of the pod CIDRs of %s",
                       json_string_value(address), namespace_of(service), name_of(service),
                       source->cluster->name, source->cluster->name);
        json_array_append_new(notes, json_string(note));
        ist_free(note);
    }
    if (!json_array_size(addresses)) {
        json_decref(addresses);
        return NULL;
    }
    const json_t *conditions = json_object_get(endpoint, "conditions");
    json_t *copy = json_object(), *kept = json_object();
    json_object_set_new(kept, "ready", json_boolean(ist_json_bool(conditions, "ready", 1)));
    copy_field(kept, conditions, "serving");
    copy_field(kept, conditions, "terminating");
    json_object_set_new(copy, "addresses", addresses);
    json_object_set_new(copy, "conditions", kept);
    copy_field(copy, endpoint, "hostname");
    return copy;
}

// Groups of endpoints that share their ports: object of ports (as text) -> {ports, endpoints, addressType}.
static void add_to_group(json_t *groups, const char *type, const json_t *ports, json_t *endpoint)
{
    char *ports_text = ist_json_text(ports), *key = ist_printf("%s %s", type, ports_text);
    json_t *group = json_object_get(groups, key);
    if (!group) {
        group = json_pack("{s:s, s:O, s:[]}", "addressType", type, "ports", ports, "endpoints");
        json_object_set_new(groups, key, group);
    }
    json_array_append_new(json_object_get(group, "endpoints"), endpoint);
    ist_free(key);
    ist_free(ports_text);
}

static void group_slices(const struct source *source, const json_t *service, json_t *groups, json_t *notes)
{
    size_t i, j;
    json_t *slice, *endpoint;
    json_array_foreach(filed(source->slices, service), i, slice)
    {
        json_t *ports = copy_ports(json_object_get(slice, "ports"));
        json_array_foreach(json_object_get(slice, "endpoints"), j, endpoint)
        {
            json_t *copy = copy_endpoint(source, service, endpoint, notes);
            if (copy)
                add_to_group(groups, ist_json_str_or(slice, "addressType", "IPv4"), ports, copy);
        }
        json_decref(ports);
    }
}

// Endpoints of a cluster that knows no slices, in a slice's words.
static void group_endpoints(const struct source *source, const json_t *service, json_t *groups, json_t *notes)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    size_t i, j, k;
    json_t *object, *subset, *address;
    json_array_foreach(filed(source->endpoints, service), i, object)
    {
        json_array_foreach(json_object_get(object, "subsets"), j, subset)
        {
            json_t *ports = copy_ports(json_object_get(subset, "ports"));
            for (size_t l = 0; l < 2; l++) {
                json_array_foreach(json_object_get(subset, lists[l]), k, address)
                {
                    json_t *as_slice =
                        json_pack("{s:[s], s:{s:b}}", "addresses", ist_json_str_or(address, "ip", ""),
                                  "conditions", "ready", l == 0);
                    copy_field(as_slice, address, "hostname");
                    json_t *copy = copy_endpoint(source, service, as_slice, notes);
                    if (copy)
                        add_to_group(groups, "IPv4", ports, copy);
                    json_decref(as_slice);
                }
            }
            json_decref(ports);
        }
    }
}

static json_t *endpoint_groups(const struct source *source, const json_t *service, json_t *notes)
{
    json_t *groups = json_object();
    group_slices(source, service, groups, notes);
    group_endpoints(source, service, groups, notes);
    return groups;
}

// What makes an object go when that Service goes. Does nothing without a uid.
static void own_by(json_t *object, const char *service, const char *uid)
{
    if (uid)
        json_object_set_new(json_object_get(object, "metadata"), "ownerReferences",
                            json_pack("[{s:s, s:s, s:s, s:s}]", "apiVersion", "v1", "kind", "Service", "name",
                                      service, "uid", uid));
}

// The slices of one service, at most 100 addresses each, named after service and source cluster.
static void want_slices(const struct source *source, const json_t *service, const char *uid,
                        const json_t *groups, json_t *wanted)
{
    const char *key;
    json_t *group;
    size_t number = 0;
    json_object_foreach((json_t *)(uintptr_t)groups, key, group)
    {
        json_t *endpoints = sorted(json_incref(json_object_get(group, "endpoints")));
        for (size_t from = 0; from < json_array_size(endpoints); from += SLICE_MAX) {
            json_t *part = json_array();
            for (size_t i = from; i < json_array_size(endpoints) && i < from + SLICE_MAX; i++)
                json_array_append(part, json_array_get(endpoints, i));
            char *name = ist_printf("%.200s-%.40s-%zu", name_of(service), source->cluster->name, number++);
            json_t *slice = json_pack(
                "{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}}, s:O, s:O, s:o}", "apiVersion",
                "discovery.k8s.io/v1", "kind", "EndpointSlice", "metadata", "name", name, "namespace",
                namespace_of(service), "labels", "kubernetes.io/service-name", name_of(service),
                "endpointslice.kubernetes.io/managed-by", MANAGER, IST_LABEL_SOURCE_CLUSTER,
                source->cluster->name, "addressType", json_object_get(group, "addressType"), "ports",
                json_object_get(group, "ports"), "endpoints", part);
            own_by(slice, name_of(service), uid);
            json_array_append_new(wanted, slice);
            ist_free(name);
        }
        json_decref(endpoints);
    }
}

static int is_ready(const json_t *endpoint)
{
    return ist_json_bool(endpoint, "conditions.ready", 1);
}

// The same as one Endpoints object, for a cluster without slices.
static void want_endpoints(const struct source *source, const json_t *service, const json_t *groups,
                           json_t *wanted)
{
    json_t *subsets = json_array(), *group, *endpoint;
    const char *key;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)groups, key, group)
    {
        json_t *ready = json_array(), *not_ready = json_array();
        json_t *endpoints = sorted(json_incref(json_object_get(group, "endpoints")));
        json_array_foreach(endpoints, i, endpoint)
        {
            json_t *address = json_pack("{s:s}", "ip", ist_json_str_or(endpoint, "addresses[0]", ""));
            copy_field(address, endpoint, "hostname");
            json_array_append_new(is_ready(endpoint) ? ready : not_ready, address);
        }
        json_decref(endpoints);
        json_t *subset = json_pack("{s:O}", "ports", json_object_get(group, "ports"));
        json_object_set_new(subset, "addresses", ready);
        json_object_set_new(subset, "notReadyAddresses", not_ready);
        if (!json_array_size(ready))
            json_object_del(subset, "addresses");
        if (!json_array_size(not_ready))
            json_object_del(subset, "notReadyAddresses");
        json_array_append_new(subsets, subset);
    }
    json_array_append_new(
        wanted, json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:o}", "apiVersion", "v1", "kind", "Endpoints",
                          "metadata", "name", name_of(service), "namespace", namespace_of(service), "labels",
                          IST_LABEL_SOURCE_CLUSTER, source->cluster->name, "subsets", subsets));
}

// ---- the target ----

static int namespace_there(const json_t *namespaces, const char *name)
{
    size_t i;
    json_t *ns;
    json_array_foreach(namespaces, i, ns)
    {
        if (!strcmp(name_of(ns), name) && !ist_kube_is_ours(ns))
            return 1;
    }
    return 0;
}

// Notes that an object of that name is wanted; 0 when it was already.
static int claim(json_t *names, const char *kind, const char *ns, const char *name)
{
    char *key = ist_printf("%s %s/%s", kind, ns, name);
    int is_new = json_object_get(names, key) == NULL;
    json_object_set_new(names, key, json_true());
    ist_free(key);
    return is_new;
}

// Is there a namespace for it in the target, or may one be made?
static int provide_namespace(const struct source *source, const struct mirror_options *options,
                             const char *ns, json_t *wanted, json_t *names, json_t *notes)
{
    if (namespace_there(options->namespaces, ns))
        return 1;
    if (!options->create_namespaces) {
        char *note = ist_printf("services of %s in %s are not mirrored where that namespace is missing; "
                                "create_namespaces makes it",
                                ns, source->cluster->name);
        json_array_append_new(notes, json_string(note));
        ist_free(note);
        return 0;
    }
    if (!claim(names, "Namespace", "", ns))
        return 1;
    json_array_append_new(wanted, json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace",
                                            "metadata", "name", ns));
    return 1;
}

void mirror_into(const struct source *source, const struct mirror_options *options, json_t *wanted,
                 json_t *names, json_t *notes)
{
    size_t i;
    json_t *service;
    json_array_foreach(source->services, i, service)
    {
        if (!claim(names, "Service", namespace_of(service), name_of(service))) {
            char *note =
                ist_printf("Service %s/%s of %s is not mirrored: another cluster has that name already",
                           namespace_of(service), name_of(service), source->cluster->name);
            json_array_append_new(notes, json_string(note));
            ist_free(note);
            continue;
        }
        if (!provide_namespace(source, options, namespace_of(service), wanted, names, notes))
            continue;
        json_array_append_new(wanted, mirror_service(source, service));
        json_t *groups = endpoint_groups(source, service, notes);
        if (options->slices)
            want_slices(source, service, ist_json_str(filed(options->services, service), "metadata.uid"),
                        groups, wanted);
        else
            want_endpoints(source, service, groups, wanted);
        json_decref(groups);
    }
}

void mirror_finish(void *arg, json_t *object, const json_t *applied)
{
    (void)arg;
    if (strcmp(ist_json_str_or(object, "kind", ""), "EndpointSlice") != 0)
        return;
    const char *service = ist_json_str_or(object, "metadata.labels.'kubernetes.io/service-name'", "");
    char *name = ist_printf("Service %s/%s", namespace_of(object), service);
    own_by(object, service, ist_json_str(json_object_get(applied, name), "metadata.uid"));
    ist_free(name);
}
