// The Service that stands for those of other clusters: no selector, and only the fields that mean something elsewhere.
#include "model.h"

#include <isthmus/alloc.h>

#include <string.h>

#define AFFINITY_DEFAULT_S 10800 // as every server since 1.7

// What a cluster chose for itself (addresses, node ports, load balancers, external addresses, where traffic stays) would
// be wrong or dangerous in another: it is not in the record at all.
static json_t *spec_of(const struct service *decider, const struct source *sources, size_t count,
                       const struct decided *decided, int has_families)
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
    if (dual && has_families)
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

// The keys of what is carried over, as IST_ANNOTATION_CARRIED lists them. The caller's.
static char *carried_of(const json_t *extra)
{
    static const char *const maps[] = {"labels", "annotations"};
    ist_buf text = {0};
    for (size_t i = 0; i < 2; i++) {
        const json_t *map = json_object_get(extra, maps[i]);
        const char *key, *between = "=";
        json_t *value;
        if (!json_object_size(map))
            continue;
        ist_buf_printf(&text, "%s%s", text.len ? ";" : "", maps[i]);
        json_object_foreach((json_t *)(uintptr_t)map, key, value)
        {
            ist_buf_printf(&text, "%s%s", between, key);
            between = ",";
        }
    }
    return ist_buf_take(&text);
}

static json_t *metadata_of(const struct model *m, const char *ns, const char *name,
                           const struct source *sources, size_t count)
{
    const struct text *extra = sources[0].service->extra;
    json_t *metadata = extra ? json_loads(extra->text, 0, NULL) : json_object();
    char *carried = carried_of(metadata);
    if (!json_object_get(metadata, "labels"))
        json_object_set_new(metadata, "labels", json_object());
    json_t *labels = json_object_get(metadata, "labels");
    json_object_del(labels, IST_LABEL_SOURCE_CLUSTER);
    if (count == 1)
        json_object_set_new(labels, IST_LABEL_SOURCE_CLUSTER,
                            json_string(m->clusters->items[sources[0].cluster].name));
    if (extra && !json_object_get(metadata, "annotations"))
        json_object_set_new(metadata, "annotations", json_object());
    if (extra)
        json_object_set_new(json_object_get(metadata, "annotations"), IST_ANNOTATION_CARRIED,
                            json_string(carried));
    json_object_set_new(metadata, "name", json_string(name));
    json_object_set_new(metadata, "namespace", json_string(ns));
    ist_free(carried);
    return metadata;
}

json_t *service_object(const struct model *m, const char *ns, const char *name, const struct source *sources,
                       size_t count, const struct decided *decided, int has_families)
{
    return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "Service", "metadata",
                     metadata_of(m, ns, name, sources, count), "spec",
                     spec_of(sources[0].service, sources, count, decided, has_families));
}
