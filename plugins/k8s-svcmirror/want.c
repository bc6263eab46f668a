// What belongs under a key of a target: one Service and its endpoints, out of what the sources have of that name.
#include "model.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 63 // of a Service

static uint64_t bit(size_t cluster)
{
    return (uint64_t)1 << cluster;
}

// One key that is being decided.
struct deciding {
    const struct model *m;
    struct pool *pool;
    size_t target;
    char *ns, *name; // of the Service there
    ist_wanted *wanted;
    struct source sources[CLUSTERS_MAX]; // oldest first
    size_t count;
    uint64_t unknown, lost;
    const struct service *beside; // the target's own Service, which slices are put beside
    struct decided ports;
};

// ---- the sources ----

// Older first; of one age, by the cluster's name.
static int is_older(const struct model *m, const struct source *a, const struct source *b)
{
    if (a->service->created != b->service->created)
        return a->service->created < b->service->created;
    return strcmp(m->clusters->items[a->cluster].name, m->clusters->items[b->cluster].name) < 0;
}

// What a target's Service is called in a source. The caller's; NULL: it can be none of that source.
static char *name_in_source(const struct model *m, const char *name, size_t source)
{
    const char *cluster = m->clusters->items[source].name;
    size_t len = strlen(name), suffix = strlen(cluster) + 1;
    if (m->same_name != SAME_SUFFIX)
        return ist_strdup(name);
    if (len <= suffix || name[len - suffix] != '-' || strcmp(name + len - suffix + 1, cluster) != 0)
        return NULL;
    return ist_strndup(name, len - suffix);
}

// Whether what was seen of a cluster says all that there is to say of it.
static int is_known(const struct model *m, size_t cluster)
{
    uint32_t state = ist_reconciler_state(m->run, cluster);
    return state != IST_CLUSTER_STOPPED && state != IST_CLUSTER_UNKNOWN && m->items[cluster].listed;
}

static void insert(const struct model *m, struct source *found, size_t count, const struct source *source)
{
    size_t at = count;
    for (; at && is_older(m, source, &found[at - 1]); at--)
        found[at] = found[at - 1];
    found[at] = *source;
}

size_t model_sources(const struct model *m, size_t target, const char *ns, const char *name,
                     struct source *found, uint64_t *unknown, uint64_t *lost)
{
    size_t count = 0;
    *unknown = *lost = 0;
    for (size_t s = 0; s < m->clusters->count; s++) {
        const char *there = s == target ? NULL : ist_namespaces_in(m->namespaces, target, ns, s);
        char *called = there ? name_in_source(m, name, s) : NULL;
        const struct service *service = called ? service_find(&m->items[s].records, there, called) : NULL;
        if (called && !is_known(m, s)) {
            if (selection_possible(m->items[s].selection, there, called) & bit(target)) {
                *unknown |= bit(s);
                // Never reached in this run, and for longer than the grace: what stands there on its behalf goes, also where
                // `after_grace` says not-ready. It takes no traffic either way. To show it as not ready its addresses would
                // have to be read back out of what was written, and a record of our own objects is their mark and a digest,
                // never their content: what was written is no source of what is.
                if (ist_reconciler_state(m->run, s) == IST_CLUSTER_EXPIRED)
                    *lost |= bit(s);
            }
        } else if (service && service->flags & SERVICE_PRESENT && service->targets & bit(target))
            insert(m, found, count++, &(struct source){.cluster = s, .service = service});
        ist_free(called);
    }
    return count;
}

static const char *cluster_of(const struct deciding *d, size_t source)
{
    return d->m->clusters->items[d->sources[source].cluster].name;
}

static void drop_source(struct deciding *d, size_t at)
{
    d->count--;
    memmove(&d->sources[at], &d->sources[at + 1], (d->count - at) * sizeof(d->sources[0]));
}

// Sources that cannot be mirrored, and why.
static void refuse_sources(struct deciding *d)
{
    for (size_t i = 0; i < d->count;) {
        const struct service *service = d->sources[i].service;
        if (service->flags & SERVICE_EXTERNAL) {
            ist_wanted_note(d->wanted,
                            "Service %s/%s of %s is not mirrored: an ExternalName has no endpoints",
                            service->place->name, service->name, cluster_of(d, i));
        } else if (strlen(d->name) > NAME_MAX_LEN) {
            ist_wanted_note(d->wanted, "Service %s/%s of %s is not mirrored: %s is longer than %d characters",
                            service->place->name, service->name, cluster_of(d, i), d->name, NAME_MAX_LEN);
        } else if (d->m->same_name == SAME_SUFFIX && i) { // x-b of cluster a-b, and x of cluster b-a-b
            ist_wanted_note(d->wanted,
                            "Service %s/%s of %s is not mirrored: it would be called %s, as %s of %s",
                            service->place->name, service->name, cluster_of(d, i), d->name,
                            d->sources[0].service->name, cluster_of(d, 0));
        } else {
            i++;
            continue;
        }
        drop_source(d, i);
    }
}

// ---- the target ----

static const char *uid_of(const struct deciding *d, size_t kind, const char *ns, const char *name)
{
    return ist_reconciler_uid(d->m->run, d->target, kind, ns, name);
}

// Is there a namespace to write into? Makes one if asked to.
static int has_namespace(const struct deciding *d)
{
    const struct place *place = place_find(&d->m->items[d->target].records, d->ns);
    if (place && place->terminating) {
        ist_wanted_note(d->wanted, "namespace %s is being deleted: nothing is mirrored into it", d->ns);
        ist_wanted_keep_all(d->wanted);
        return 0;
    }
    if ((place && place->there) || uid_of(d, KIND_NAMESPACE, NULL, d->ns))
        return 1;
    for (size_t i = 0; i < d->count && !d->m->create_namespaces; i++)
        ist_wanted_note(d->wanted,
                        "Service %s/%s of %s is not mirrored: there is no namespace %s "
                        "(create_namespaces makes it)",
                        d->sources[i].service->place->name, d->sources[i].service->name, cluster_of(d, i),
                        d->ns);
    if (!d->m->create_namespaces)
        return 0;
    ist_wanted_add(
        d->wanted,
        json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name", d->ns),
        IST_WANT_IF_ABSENT);
    return 1;
}

// A Service of that name that is not ours: left alone, and joined where that is wanted. 0: nothing is to be written.
static int is_free(struct deciding *d, int slices)
{
    const struct service *there = service_find(&d->m->items[d->target].records, d->ns, d->name);
    const char *target = d->m->clusters->items[d->target].name;
    const char *why = NULL;
    if (!there || !(there->flags & SERVICE_PRESENT))
        return 1;
    if (d->m->same_name != SAME_MERGED)
        why = "is left alone: it was not made by this step";
    else if (there->flags & SERVICE_MIRRORED)
        why = "is left alone: somebody else mirrors into it";
    else if (there->flags & SERVICE_EXTERNAL)
        why = "is left alone: an ExternalName has no endpoints";
    else if (!slices)
        why = "is left alone: only EndpointSlices can be put beside another's endpoints, and there are none";
    if (!why) {
        d->beside = there;
        return 1;
    }
    for (size_t i = 0; i < d->count; i++)
        ist_wanted_note(d->wanted, "Service %s/%s of %s %s; %s/%s of %s is not mirrored there", d->ns,
                        d->name, target, why, d->sources[i].service->place->name, d->sources[i].service->name,
                        cluster_of(d, i));
    return 0;
}

// Does its Service stand there, and may somebody who cannot be asked have decided what it is? Then it stays as it is.
static int is_frozen(const struct deciding *d)
{
    return d->unknown & ~d->lost && !d->beside && uid_of(d, KIND_SERVICE, d->ns, d->name);
}

static uint8_t is_headless(const struct deciding *d, const struct standing *standing)
{
    const struct service *decider = d->beside ? d->beside : d->sources[0].service;
    if (is_frozen(d) && standing->headless < STANDING_UNKNOWN)
        return standing->headless;
    return (decider->flags & SERVICE_HEADLESS) != 0;
}

// A Service cannot become headless, or cease to be: then it goes first, and comes back. 1: that is under way.
static int turns(const struct deciding *d, struct standing *standing)
{
    uint8_t wanted = is_headless(d, standing);
    if (!d->beside && uid_of(d, KIND_SERVICE, d->ns, d->name) && standing->headless < STANDING_UNKNOWN &&
        standing->headless != wanted) {
        standing->said = STANDING_UNKNOWN; // gone, for a moment
        ist_wanted_again(d->wanted);
        return 1;
    }
    standing->said = d->beside ? STANDING_UNKNOWN : wanted;
    return 0;
}

// What there is of a kind stays, if it may be of `clusters` (bits). `source`: whose it is; -1: of several. 1: it stays.
static int stays(const struct deciding *d, size_t kind, const char *name, int16_t source, uint64_t clusters)
{
    if (!uid_of(d, kind, d->ns, d->name) || !(clusters & (source < 0 ? ~(uint64_t)0 : bit((size_t)source))))
        return 0;
    ist_wanted_add(d->wanted,
                   json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind", name, "metadata", "name",
                             d->name, "namespace", d->ns),
                   IST_WANT_IF_ABSENT);
    return 1;
}

// Nobody is known to have a Service of that name. What may be a cluster's that cannot be asked stays, and what is one's
// that can be asked goes. Of one that has been out of reach for too long the Service stays alone: it keeps its address
// for when the endpoints come back.
static void want_nothing(const struct deciding *d, struct standing *standing)
{
    uint64_t awaited = d->unknown & ~d->lost;
    standing->said = STANDING_NOTHING;
    if (stays(d, KIND_SERVICE, "Service", standing->service_source, d->unknown))
        standing->said = standing->headless;
    for (size_t s = 0; s < d->m->clusters->count; s++)
        if (awaited & bit(s))
            ist_wanted_keep(d->wanted, d->m->clusters->items[s].name);
    if (!ist_reconciler_serves(d->m->run, d->target, KIND_SLICE))
        stays(d, KIND_ENDPOINTS, "Endpoints", standing->source, awaited);
}

// May an Endpoints object be written anew, or does it hold what a cluster that cannot be asked has in it?
static int may_rewrite_endpoints(const struct deciding *d, const struct standing *standing)
{
    if (!(d->unknown & ~d->lost) || !uid_of(d, KIND_ENDPOINTS, d->ns, d->name))
        return 1;
    return d->count == 1 && standing->source == (int16_t)d->sources[0].cluster;
}

static void want_endpoints(const struct deciding *d, const struct standing *standing, int slices)
{
    const struct target_of_slices target = {.ns = d->ns,
                                            .name = d->name,
                                            .uid = d->beside ? d->beside->uid : "",
                                            .headless = is_headless(d, standing)};
    if (!slices) {
        json_t *endpoints = endpoints_object(d->m, &target, &d->ports, d->sources, d->count);
        tell_crowd(d->m, d->target, endpoints, d->wanted);
        ist_wanted_add(d->wanted, endpoints, 0);
        return;
    }
    for (size_t i = 0; i < d->count; i++)
        slices_add(d->m, &target, &d->ports, &d->sources[i], d->wanted);
    for (size_t s = 0; s < d->m->clusters->count; s++)
        if (d->unknown & ~d->lost & bit(s))
            ist_wanted_keep(d->wanted, d->m->clusters->items[s].name);
}

static void want_service(struct deciding *d, struct standing *standing)
{
    int slices = ist_reconciler_serves(d->m->run, d->target, KIND_SLICE);
    standing->said = STANDING_NOTHING;
    tell_refused(d->m, d->sources, d->count, d->wanted);
    if (!has_namespace(d) || !is_free(d, slices))
        return;
    if (!slices && !may_rewrite_endpoints(d, standing)) {
        standing->said = standing->headless;
        ist_wanted_keep_all(d->wanted);
        return;
    }
    if (turns(d, standing))
        return;
    tell_differences(d->m, d->ns, d->name, d->sources, d->count, d->wanted);
    if (slices && !d->beside)
        tell_foreign(d->m, d->target, d->ns, d->name, d->wanted);
    const struct ports *fixed = d->beside ? d->beside->ports : is_frozen(d) ? standing->ports : NULL;
    ports_decide(d->m, d->sources, d->count, fixed,
                 d->beside ? "the target itself" : "the Service as it stands", &d->ports, d->wanted);
    ports_drop(d->pool, standing->said_ports);
    standing->said_ports = d->beside ? NULL : ports_of(d->pool, d->ports.items, d->ports.count);
    // While a cluster that may have a part in it cannot be asked, the Service stays as it is.
    if (!d->beside)
        ist_wanted_add(d->wanted,
                       service_object(d->m, d->ns, d->name, d->sources, d->count, &d->ports,
                                      slices && !d->m->items[d->target].no_families),
                       d->unknown & ~d->lost ? IST_WANT_IF_ABSENT : 0);
    want_endpoints(d, standing, slices);
    standing->behind =
        tell_families(d->m, d->target, d->sources, d->count,
                      d->beside || is_headless(d, standing) ? 0 : standing->families, d->wanted);
    ports_decided_free(&d->ports, d->sources, d->count);
}

void model_want(void *model, size_t cluster, const char *key, ist_wanted *wanted)
{
    struct model *m = model;
    const char *slash = strchr(key, '/');
    if (!slash || !slash[1]) { // a namespace that was made: it goes with destroy only
        ist_wanted_keep_all(wanted);
        return;
    }
    struct deciding d = {.m = m, .pool = &m->pool, .target = cluster, .wanted = wanted};
    d.ns = ist_strndup(key, (size_t)(slash - key));
    d.name = ist_strdup(slash + 1);
    d.count = model_sources(m, cluster, d.ns, d.name, d.sources, &d.unknown, &d.lost);
    struct standing *standing = standing_at(&m->items[cluster].records, key);
    refuse_sources(&d);
    if (d.count)
        want_service(&d, standing);
    else
        want_nothing(&d, standing);
    // What is not there and is not wanted needs no memory.
    if (standing->said == STANDING_NOTHING && standing->headless == STANDING_UNKNOWN &&
        !uid_of(&d, KIND_SERVICE, d.ns, d.name))
        standing_remove(&m->items[cluster].records, &m->pool, standing);
    ist_free(d.ns);
    ist_free(d.name);
}
