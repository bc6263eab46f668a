// The same kind under several versions: what differs between their forms.
#include "rest.h"

#include <stdlib.h>
#include <string.h>

static const char hostname_key[] = "kubernetes.io/hostname", zone_key[] = "topology.kubernetes.io/zone";

// discovery.k8s.io/v1beta1 knows node and zone as topology labels.
static void slice_in(json_t *object)
{
    size_t i;
    json_t *endpoint;
    json_array_foreach(json_object_get(object, "endpoints"), i, endpoint)
    {
        json_t *topology = json_object_get(endpoint, "topology");
        json_t *host = json_object_get(topology, hostname_key), *zone = json_object_get(topology, zone_key);
        if (host && !json_object_get(endpoint, "nodeName"))
            json_object_set(endpoint, "nodeName", host);
        if (zone && !json_object_get(endpoint, "zone"))
            json_object_set(endpoint, "zone", zone);
        json_object_del(endpoint, "topology");
    }
}

static void slice_out(json_t *object)
{
    size_t i;
    json_t *endpoint;
    json_array_foreach(json_object_get(object, "endpoints"), i, endpoint)
    {
        json_t *topology = json_object();
        if (json_object_get(endpoint, "nodeName"))
            json_object_set(topology, hostname_key, json_object_get(endpoint, "nodeName"));
        if (json_object_get(endpoint, "zone"))
            json_object_set(topology, zone_key, json_object_get(endpoint, "zone"));
        if (json_object_size(topology))
            json_object_set(endpoint, "topology", topology);
        json_decref(topology);
        json_object_del(endpoint, "zone");
    }
}

// extensions/v1beta1 took a workload's selector from its template.
static void selector_in(json_t *object)
{
    const json_t *labels = kube_path(object, "spec.template.metadata.labels");
    if (!kube_path(object, "spec.selector") && labels && kube_path(object, "spec"))
        kube_set(object, "spec.selector", json_pack("{sO}", "matchLabels", labels));
}

// apiextensions.k8s.io/v1beta1: one version, its schema and subresources beside it.
static void definition_in(json_t *object)
{
    json_t *spec = json_object_get(object, "spec");
    if (!json_object_get(spec, "versions") && json_object_get(spec, "version"))
        json_object_set_new(spec, "versions",
                            json_pack("[{sO sb sb}]", "name", json_object_get(spec, "version"), "served",
                                      true, "storage", true));
    if (spec && !json_object_get(spec, "scope"))
        json_object_set_new(spec, "scope", json_string("Namespaced"));
}

void kube_convert_in(const struct lab_cluster *cluster, const struct kube_kind *kind,
                     const struct kube_served *served, json_t *object)
{
    const struct kube_served *kept = kube_preferred(cluster, kind);
    char *api_version = kube_api_version(kept);
    if (strcmp(served->version, "v1beta1") == 0) {
        if (strcmp(kind->kind, "EndpointSlice") == 0)
            slice_in(object);
        else if (strcmp(kind->kind, "CustomResourceDefinition") == 0)
            definition_in(object);
        else if (strcmp(served->group, "extensions") == 0)
            selector_in(object);
    }
    json_object_set_new(object, "apiVersion", json_string(api_version));
    json_object_set_new(object, "kind", json_string(kind->kind));
    free(api_version);
}

json_t *kube_convert_out(const struct lab_cluster *cluster, const struct kube_kind *kind,
                         const struct kube_served *served, const json_t *object)
{
    bool slice = strcmp(kind->kind, "EndpointSlice") == 0 && strcmp(served->version, "v1beta1") == 0;
    if (served == kube_preferred(cluster, kind) && !slice)
        return json_incref((json_t *)object);
    json_t *copy = slice ? json_deep_copy(object) : json_copy((json_t *)object);
    char *api_version = kube_api_version(served);
    json_object_set_new(copy, "apiVersion", json_string(api_version));
    free(api_version);
    if (slice)
        slice_out(copy);
    return copy;
}
