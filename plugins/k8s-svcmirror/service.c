// The Service that stands for those of other clusters: no selector, and only the fields that mean something elsewhere.
#include "model.h"

#include <isthmus/alloc.h>

#include <string.h>

#define AFFINITY_DEFAULT_S 10800 // as every server since 1.7

// What a cluster chose for itself (addresses, node ports, load balancers, external addresses, where traffic stays) would
// be wrong or dangerous in another: it is not in the record at all.
static json_t *spec_of(const struct service *decider, const struct source *sources, size_t count,
                       const struct decided *decided, int is_new_api)
{
    json_t *spec = json_object();
    unsigned dual = 0;
    for (size_t i = 0; i < count; i++)
        dual |= sources[i].service->flags & (SERVICE_DUAL | SERVICE_IPV6);
    // Said, although it is what a server takes: else one that somebody opened on every node would stay so.
    json_object_set_new(spec, "type", json_string("ClusterIP"));
    json_object_set_new(spec, "ports", ports_of_service(decided));
    if (decider->flags & SERVICE_HEADLESS)
        json_object_set_new(spec, "clusterIP", json_string("None"));
    // Both families where the target has both, and else its own.
    if (dual && is_new_api)
        json_object_set_new(spec, "ipFamilyPolicy", json_string("PreferDualStack"));
    if (decider->flags & SERVICE_AFFINITY)
        json_object_set_new(spec, "sessionAffinity", json_string("ClientIP"));
    if (decider->flags & SERVICE_AFFINITY) // the default too, so that another is found
        json_object_set_new(spec, "sessionAffinityConfig",
                            json_pack("{s:{s:i}}", "clientIP", "timeoutSeconds",
                                      decider->affinity_s ? (int)decider->affinity_s : AFFINITY_DEFAULT_S));
    if (decider->flags & SERVICE_UNREADY)
        json_object_set_new(spec, "publishNotReadyAddresses", json_true());
    return spec;
}

json_t *service_object(const struct model *m, const char *ns, const char *name, const struct source *sources,
                       size_t count, const struct decided *decided, int is_new_api)
{
    const struct service *decider = sources[0].service;
    json_t *extra = decider->extra ? json_loads(decider->extra->text, 0, NULL) : json_object();
    json_t *labels = json_object_get(extra, "labels");
    json_t *metadata = json_pack("{s:s, s:s}", "name", name, "namespace", ns);
    labels = labels ? json_incref(labels) : json_object();
    if (count == 1)
        json_object_set_new(labels, IST_LABEL_SOURCE_CLUSTER,
                            json_string(m->clusters->items[sources[0].cluster].name));
    json_object_set_new(metadata, "labels", labels);
    if (json_object_get(extra, "annotations"))
        json_object_set(metadata, "annotations", json_object_get(extra, "annotations"));
    json_decref(extra);
    return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "Service", "metadata", metadata,
                     "spec", spec_of(decider, sources, count, decided, is_new_api));
}
