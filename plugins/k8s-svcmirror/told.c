// What is told of services that are mirrored: what is left out of them, or has no use where it goes, and why.
#include "model.h"

#include <string.h>

#define CROWD                                                                                                \
    1000 // addresses of a subset that the controllers of a cluster take at most, as of an Endpoints object

static const char *name_of(const struct model *m, size_t cluster)
{
    return m->clusters->items[cluster].name;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "es";
}

static void tell_refused_of(const struct model *m, const struct source *source, ist_wanted *wanted)
{
    const struct service *service = source->service;
    const char *ns = service->place->name, *cluster = name_of(m, source->cluster);
    const struct text *one = NULL;
    uint64_t refused = 0, names = 0, truncated = 0;
    for (const struct slice *slice = service->slices; slice; slice = slice->sibling) {
        refused += slice->refused;
        names += slice->names;
        truncated += slice->truncated;
        if (slice->refused_one && (!one || strcmp(slice->refused_one->text, one->text) < 0))
            one = slice->refused_one;
    }
    if (refused)
        ist_wanted_note(
            wanted, "%llu address%s of Service %s/%s in %s %s not mirrored (%s): outside the pod CIDRs of %s",
            (unsigned long long)refused, plural(refused), ns, service->name, cluster,
            refused == 1 ? "is" : "are", one->text, cluster);
    if (names)
        ist_wanted_note(wanted, "endpoints of Service %s/%s in %s that are DNS names are not mirrored", ns,
                        service->name, cluster);
    if (truncated)
        ist_wanted_note(
            wanted,
            "not all endpoints of Service %s/%s in %s are mirrored: it serves no EndpointSlices, and "
            "its Endpoints object is cut off at a thousand",
            ns, service->name, cluster);
}

void tell_refused(const struct model *m, const struct source *sources, size_t count, ist_wanted *wanted)
{
    for (size_t i = 0; i < count; i++)
        tell_refused_of(m, &sources[i], wanted);
}

void tell_differences(const struct model *m, const char *ns, const char *name, const struct source *sources,
                      size_t count, ist_wanted *wanted)
{
    static const struct {
        uint16_t flag;
        const char *what;
    } kinds[] = {{SERVICE_HEADLESS, "headless"},
                 {SERVICE_AFFINITY, "with session affinity"},
                 {SERVICE_UNREADY, "publishing addresses that are not ready"}};
    const struct service *first = sources[0].service;
    const char *decider = name_of(m, sources[0].cluster);
    for (size_t i = 1; i < count; i++) {
        const struct service *other = sources[i].service;
        const char *cluster = name_of(m, sources[i].cluster);
        for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
            if (!((first->flags ^ other->flags) & kinds[k].flag))
                continue;
            int is_first = (first->flags & kinds[k].flag) != 0;
            ist_wanted_note(wanted, "Service %s/%s is %s in %s and not so in %s: %s, the older, decides", ns,
                            name, kinds[k].what, is_first ? decider : cluster, is_first ? cluster : decider,
                            decider);
        }
        if (first->flags & other->flags & SERVICE_AFFINITY && first->affinity_s != other->affinity_s)
            ist_wanted_note(
                wanted,
                "session affinity of Service %s/%s lasts %u s in %s and %u s in %s: %s, the older, "
                "decides",
                ns, name, first->affinity_s, decider, other->affinity_s, cluster, decider);
    }
}

void tell_foreign(const struct model *m, size_t target, const char *ns, const char *name, ist_wanted *wanted)
{
    const struct service *there = service_find(&m->items[target].records, ns, name);
    const struct slice *first = NULL;
    unsigned count = 0;
    for (const struct slice *slice = there ? there->slices : NULL; slice; slice = slice->sibling, count++)
        if (!first || strcmp(slice->name, first->name) < 0)
            first = slice;
    if (count)
        ist_wanted_note(wanted,
                        "Service %s/%s sends traffic to addresses that are not mirrored ones as well: %u "
                        "EndpointSlice%s stand%s behind it that this step did not make (%s)",
                        ns, name, count, count == 1 ? "" : "s", count == 1 ? "s" : "", first->name);
}

uint8_t tell_families(const struct model *m, size_t target, const struct source *sources, size_t count,
                      uint8_t families, ist_wanted *wanted)
{
    uint64_t without = 0;
    uint8_t behind = 0;
    for (size_t i = 0; i < count; i++)
        for (const struct slice *slice = sources[i].service->slices; slice; slice = slice->sibling)
            for (uint16_t p = 0; p < slice->count; p++) {
                uint8_t family = slice->parts[p].width == 4 ? FAMILY_V4 : FAMILY_V6;
                behind |= family;
                without += families & family ? 0 : slice->parts[p].count;
            }
    if (families && without)
        ist_wanted_note(
            wanted,
            "%llu %s address%s of Service %s/%s get%s no traffic in %s, where it has an %s address alone",
            (unsigned long long)without, families == FAMILY_V4 ? "IPv6" : "IPv4", plural(without),
            sources[0].service->place->name, sources[0].service->name, without == 1 ? "s" : "",
            name_of(m, target), families == FAMILY_V4 ? "IPv4" : "IPv6");
    return behind;
}

void tell_crowd(const struct model *m, size_t target, const json_t *endpoints, ist_wanted *wanted)
{
    const json_t *subset;
    size_t i;
    json_array_foreach(json_object_get(endpoints, "subsets"), i, subset)
    {
        size_t count = json_array_size(json_object_get(subset, "addresses")) +
                       json_array_size(json_object_get(subset, "notReadyAddresses"));
        if (count <= CROWD)
            continue;
        ist_wanted_note(
            wanted,
            "Service %s/%s has %zu endpoints: %s serves no EndpointSlices, and its controllers take %d of "
            "an Endpoints object at most",
            ist_json_str_or(endpoints, "metadata.namespace", ""),
            ist_json_str_or(endpoints, "metadata.name", ""), count, name_of(m, target), CROWD);
        return;
    }
}
