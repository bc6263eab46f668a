// What is seen of the clusters, and which keys it touches.
#include "model.h"
#include "read.h"

#include <isthmus/alloc.h>

#include <string.h>

static uint64_t bit(size_t cluster)
{
    return (uint64_t)1 << cluster;
}

char *model_key_in(const struct model *m, size_t source, const struct service *service, size_t target)
{
    const char *ns = ist_namespaces_in(m->namespaces, source, service->place->name, target);
    if (!ns)
        return NULL;
    if (m->same_name == SAME_SUFFIX)
        return ist_printf("%s/%s-%s", ns, service->name, m->clusters->items[source].name);
    return ist_printf("%s/%s", ns, service->name);
}

// The keys of a source's Service in these targets (bits).
static void touch_targets(const struct model *m, size_t source, const struct service *service,
                          uint64_t targets)
{
    for (size_t t = 0; t < m->clusters->count; t++) {
        char *key = targets & bit(t) ? model_key_in(m, source, service, t) : NULL;
        if (key)
            ist_reconciler_touch(m->run, t, key, 0);
        ist_free(key);
    }
}

// Whoever replaces a Service of his own deletes it and makes it anew: taken at once, its name would be ours by then.
#define FREED_MS 3000

// A Service of a cluster may stand in the way of one that is mirrored to it, or be joined by it.
static void touch_own(struct model *m, size_t cluster, const char *ns, const char *name, int64_t within_ms)
{
    struct source found[CLUSTERS_MAX];
    uint64_t unknown, lost;
    char *key = ist_printf("%s/%s", ns, name);
    if (standing_find(&m->items[cluster].records, key) ||
        model_sources(m, cluster, ns, name, found, &unknown, &lost) || unknown)
        ist_reconciler_touch(m->run, cluster, key, within_ms);
    ist_free(key);
}

// ---- services ----

// How many endpoints a Service has, of those that are counted: a mirrored one's.
static uint64_t endpoints_of(const struct service *service)
{
    uint64_t sum = 0;
    if (!service->targets)
        return 0;
    for (const struct slice *slice = service->slices; slice; slice = slice->sibling)
        for (uint16_t i = 0; i < slice->count; i++)
            sum += slice->parts[i].count;
    return sum;
}

// Whether a cluster's Services have families of addresses shows on each of them.
static void see_families(struct cluster *cluster, const json_t *spec)
{
    if (strcmp(ist_json_str_or(spec, "type", "ClusterIP"), "ExternalName") != 0)
        cluster->no_families = !json_object_get(spec, "ipFamilyPolicy");
}

// Takes what `read` holds in place of what the record held.
static void replace_service(struct model *m, struct cluster *cluster, struct service *service,
                            const struct service *read)
{
    cluster->records.chosen -= service->targets != 0;
    cluster->records.endpoints -= endpoints_of(service);
    ports_drop(&m->pool, service->ports);
    text_drop(&m->pool, service->extra);
    ist_free(service->uid);
    service->ports = read->ports;
    service->extra = read->extra;
    service->uid = read->uid;
    service->created = read->created;
    service->targets = read->targets;
    service->affinity_s = read->affinity_s;
    service->flags = read->flags;
    cluster->records.chosen += service->targets != 0;
    cluster->records.endpoints += endpoints_of(service);
}

static void see_service(struct model *m, size_t c, const json_t *object, int gone)
{
    struct cluster *cluster = &m->items[c];
    const json_t *metadata = json_object_get(object, "metadata");
    const char *ns = ist_json_str_or(metadata, "namespace", ""),
               *name = ist_json_str_or(metadata, "name", "");
    struct service *service = service_find(&cluster->records, ns, name), read = {0};
    if (gone && !service)
        return;
    if (!gone) {
        see_families(cluster, json_object_get(object, "spec"));
        read_service(&m->pool, cluster->selection, m->inputs, object, &read);
    }
    if (!service)
        service = service_at(&cluster->records, ns, name);
    if (!gone && same_service(service, &read)) {
        ports_drop(&m->pool, read.ports);
        text_drop(&m->pool, read.extra);
        ist_free(read.uid);
        return;
    }
    uint64_t targets = service->targets | read.targets;
    replace_service(m, cluster, service, &read);
    touch_targets(m, c, service, targets);
    touch_own(m, c, ns, name, gone ? FREED_MS : 0);
    service_tidy(&cluster->records, &m->pool, service);
}

// ---- slices ----

static void touch_service(const struct model *m, size_t c, const struct service *service)
{
    if (service->flags & SERVICE_PRESENT)
        touch_targets(m, c, service, service->targets);
}

// A slice of others came or went that may stand behind a Service of ours.
static void touch_behind(const struct model *m, size_t c, const struct service *service)
{
    char *key =
        service->flags & SERVICE_PRESENT ? NULL : ist_printf("%s/%s", service->place->name, service->name);
    if (key && standing_find(&m->items[c].records, key))
        ist_reconciler_touch(m->run, c, key, 0);
    ist_free(key);
}

static void forget_slice(struct model *m, size_t c, struct slice *slice)
{
    struct records *records = &m->items[c].records;
    struct service *service = slice->service;
    records->endpoints -= endpoints_of(service);
    slice_remove(records, &m->pool, slice);
    records->endpoints += endpoints_of(service);
    touch_service(m, c, service);
    touch_behind(m, c, service);
    service_tidy(records, &m->pool, service);
}

// Takes what `read` holds.
static void replace_slice(struct model *m, size_t c, struct slice *slice, const struct slice *read)
{
    struct records *records = &m->items[c].records;
    records->endpoints -= endpoints_of(slice->service);
    parts_free(&m->pool, slice->parts, slice->count);
    text_drop(&m->pool, slice->refused_one);
    slice->parts = read->parts;
    slice->count = read->count;
    slice->refused = read->refused;
    slice->refused_one = read->refused_one;
    slice->names = read->names;
    slice->by_ports = read->by_ports;
    slice->truncated = read->truncated;
    slice->foreign = read->foreign;
    records->endpoints += endpoints_of(slice->service);
    touch_service(m, c, slice->service);
}

static int is_empty(const struct slice *slice)
{
    return !slice->count && !slice->refused && !slice->names && !slice->foreign;
}

// May services of others be mirrored into that namespace?
static int is_target(const struct model *m, size_t c, const char *ns)
{
    for (size_t s = 0; s < m->clusters->count; s++) {
        const char *there = s == c ? NULL : ist_namespaces_in(m->namespaces, c, ns, s);
        if (there && selection_has_namespace(m->items[s].selection, there))
            return 1;
    }
    return 0;
}

// The Service that a slice belongs to; NULL: none, or nothing of it is a source. Borrowed. *foreign: nothing is, and it
// may stand behind a Service of ours all the same.
static const char *service_of(const struct model *m, size_t c, const json_t *object, int is_endpoints,
                              int *foreign)
{
    const json_t *metadata = json_object_get(object, "metadata");
    const char *ns = ist_json_str_or(metadata, "namespace", "");
    *foreign = !selection_has_namespace(m->items[c].selection, ns) || is_mirrored(object);
    if (*foreign &&
        (is_endpoints || !json_array_size(json_object_get(object, "endpoints")) || !is_target(m, c, ns)))
        return NULL;
    if (is_endpoints)
        return ist_json_str(metadata, "name");
    return json_string_value(
        json_object_get(json_object_get(metadata, "labels"), "kubernetes.io/service-name"));
}

static void see_slice(struct model *m, size_t c, const json_t *object, int is_endpoints, int gone)
{
    struct records *records = &m->items[c].records;
    const json_t *metadata = json_object_get(object, "metadata");
    const char *ns = ist_json_str_or(metadata, "namespace", ""),
               *name = ist_json_str_or(metadata, "name", "");
    struct slice *slice = slice_find(records, ns, name), read = {0};
    int foreign = 0;
    const char *service = gone ? NULL : service_of(m, c, object, is_endpoints, &foreign);
    if (service && foreign)
        read.foreign = 1;
    else if (service)
        read_slice(&m->pool, &m->clusters->items[c], object, is_endpoints, &read);
    if (slice && (!service || is_empty(&read) || strcmp(slice->service->name, service) != 0)) {
        forget_slice(m, c, slice);
        slice = NULL;
    }
    if (!service || is_empty(&read))
        return;
    if (slice && same_slice(slice, &read)) {
        parts_free(&m->pool, read.parts, read.count);
        text_drop(&m->pool, read.refused_one);
        return;
    }
    int is_new = !slice;
    if (is_new)
        slice = slice_add(records, service_at(records, ns, service), name);
    replace_slice(m, c, slice, &read);
    if (is_new)
        touch_behind(m, c, slice->service);
}

// ---- namespaces ----

// All that could be mirrored into a namespace of a target.
static void touch_into(const struct model *m, size_t target, const char *ns)
{
    for (size_t s = 0; s < m->clusters->count; s++) {
        const char *there = s == target ? NULL : ist_namespaces_in(m->namespaces, target, ns, s);
        const struct place *place = there ? place_find(&m->items[s].records, there) : NULL;
        for (const struct service *service = place ? place->services : NULL; service;
             service = service->sibling)
            touch_targets(m, s, service, service->targets & bit(target));
    }
}

static void see_namespace(struct model *m, size_t c, const json_t *object, int gone)
{
    const char *name = ist_json_str_or(object, "metadata.name", "");
    struct place *place = place_at(&m->items[c].records, name);
    uint8_t terminating = !gone && ist_json_str(object, "metadata.deletionTimestamp") != NULL;
    if (place->there == !gone && place->terminating == terminating)
        return;
    place->there = !gone;
    place->terminating = terminating;
    if (m->items[c].listed) // until then nothing is decided anyway
        touch_into(m, c, name);
}

void model_see(void *model, size_t cluster, size_t kind, const json_t *object, int gone)
{
    if (kind == KIND_NAMESPACE)
        see_namespace(model, cluster, object, gone);
    else if (kind == KIND_SERVICE)
        see_service(model, cluster, object, gone);
    else
        see_slice(model, cluster, object, kind == KIND_ENDPOINTS, gone);
}

// ---- the state of a cluster ----

struct touching {
    const struct model *m;
    size_t cluster;
    uint64_t targets;
};

static void touch_entry(void *arg, struct entry *entry)
{
    const struct touching *t = arg;
    const struct service *service = (const struct service *)entry;
    if (service->flags & SERVICE_PRESENT)
        touch_targets(t->m, t->cluster, service, service->targets & t->targets);
}

static void touch_standing(void *arg, struct entry *entry)
{
    const struct touching *t = arg;
    ist_reconciler_touch(t->m->run, t->cluster, ((const struct standing *)entry)->key, 0);
}

void model_state(void *model, size_t cluster, uint32_t state)
{
    struct model *m = model;
    uint32_t before = m->items[cluster].state;
    m->items[cluster].state = state;
    if (state == IST_CLUSTER_SYNCED)
        m->items[cluster].listed = 1;
    // What was seen of a cluster that is lost still counts, and so does it when that is seen again.
    if (state == IST_CLUSTER_LOST || (before == IST_CLUSTER_LOST && state == IST_CLUSTER_SYNCED))
        return;
    for (size_t c = 0; c < m->clusters->count; c++) {
        // All that comes from it; all that goes to it, and what stands elsewhere that may be its.
        struct touching t = {m, c, c == cluster ? ~(uint64_t)0 : bit(cluster)};
        table_each(&m->items[c].records.services, touch_entry, &t);
        if (c != cluster)
            table_each(&m->items[c].records.standing, touch_standing, &t);
    }
}

// ---- what stands ----

// The families that a Service has an address of.
static uint8_t families_of(const json_t *spec)
{
    const json_t *list = json_object_get(spec, "clusterIPs");
    uint8_t families = 0;
    for (size_t i = 0; i < json_array_size(list) || i == 0; i++) {
        const char *address =
            json_string_value(list ? json_array_get(list, i) : json_object_get(spec, "clusterIP"));
        if (address && *address && strcmp(address, "None") != 0)
            families |= strchr(address, ':') ? FAMILY_V6 : FAMILY_V4;
    }
    return families;
}

char *model_key_of(void *model, size_t cluster, size_t kind, const json_t *object)
{
    struct model *m = model;
    struct records *records = &m->items[cluster].records;
    const json_t *metadata = json_object_get(object, "metadata"),
                 *labels = json_object_get(metadata, "labels");
    const char *ns = ist_json_str_or(metadata, "namespace", ""),
               *name = ist_json_str_or(metadata, "name", "");
    if (kind == KIND_NAMESPACE)
        return ist_printf("%s/", name);
    if (kind == KIND_SLICE) // somebody may have put it behind another Service, or taken all its labels off
        name = !strcmp(ist_json_str_or(metadata, "ownerReferences[0].kind", ""), "Service")
                   ? ist_json_str(metadata, "ownerReferences[0].name")
                   : json_string_value(json_object_get(labels, "kubernetes.io/service-name"));
    if (!name)
        return NULL;
    char *key = ist_printf("%s/%s", ns, name);
    struct standing *standing = standing_at(records, key);
    if (kind == KIND_SERVICE) {
        standing->headless = !strcmp(ist_json_str_or(object, "spec.clusterIP", ""), "None");
        ports_drop(&m->pool, standing->ports);
        standing->ports = ports_get(&m->pool, ist_json_at(object, "spec.ports"));
        see_families(&m->items[cluster], json_object_get(object, "spec"));
        standing->families = families_of(json_object_get(object, "spec"));
        if (standing->families && standing->behind & ~standing->families) // there is something to tell now
            ist_reconciler_touch(m->run, cluster, key, 0);
    }
    const ist_cluster *source =
        ist_clusters_find(m->clusters, json_string_value(json_object_get(labels, IST_LABEL_SOURCE_CLUSTER)));
    int16_t index = source ? (int16_t)(source - m->clusters->items) : -1;
    if (kind == KIND_SERVICE)
        standing->service_source = index;
    if (kind == KIND_ENDPOINTS)
        standing->source = index;
    return key;
}

void model_written(void *model, size_t cluster, const char *key)
{
    struct model *m = model;
    struct records *records = &m->items[cluster].records;
    struct standing *standing = standing_find(records, key);
    if (!standing)
        return;
    standing->headless = standing->said;
    if (standing->said_ports) {
        ports_drop(&m->pool, standing->ports);
        standing->ports = standing->said_ports;
        standing->said_ports = NULL;
    }
    if (standing->said == STANDING_NOTHING)
        standing_remove(records, &m->pool, standing);
}
