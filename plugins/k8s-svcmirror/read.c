// Documents as records: what is read of a Service, an EndpointSlice and an Endpoints object.
#include "read.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

// ---- a Service ----

static int64_t seconds_of(const char *rfc3339)
{
    struct tm tm = {0};
    const char *end = rfc3339 ? strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    return end ? timegm(&tm) : 0;
}

static uint16_t flags_of(const json_t *spec)
{
    const json_t *families = json_object_get(spec, "ipFamilies");
    uint16_t flags = SERVICE_PRESENT;
    if (!strcmp(ist_json_str_or(spec, "type", "ClusterIP"), "ExternalName"))
        flags |= SERVICE_EXTERNAL;
    if (!strcmp(ist_json_str_or(spec, "clusterIP", ""), "None"))
        flags |= SERVICE_HEADLESS;
    if (ist_json_bool(spec, "publishNotReadyAddresses", 0))
        flags |= SERVICE_UNREADY;
    if (!strcmp(ist_json_str_or(spec, "sessionAffinity", "None"), "ClientIP"))
        flags |= SERVICE_AFFINITY;
    if (json_array_size(families) > 1)
        flags |= SERVICE_DUAL;
    if (json_array_size(families) && !strcmp(ist_json_str_or(families, "[0]", ""), "IPv6"))
        flags |= SERVICE_IPV6;
    return flags;
}

// Those of `map` whose keys are listed; NULL: none. New reference.
static json_t *only(const json_t *map, const json_t *keys)
{
    json_t *chosen = NULL, *key;
    size_t i;
    json_array_foreach(keys, i, key)
    {
        json_t *value = json_object_get(map, json_string_value(key));
        if (!value)
            continue;
        if (!chosen)
            chosen = json_object();
        json_object_set(chosen, json_string_value(key), value);
    }
    return chosen;
}

static const struct text *extra_of(struct pool *pool, const json_t *metadata, const json_t *inputs)
{
    json_t *labels = only(json_object_get(metadata, "labels"), json_object_get(inputs, "labels"));
    json_t *annotations =
        only(json_object_get(metadata, "annotations"), json_object_get(inputs, "annotations"));
    if (!labels && !annotations)
        return NULL;
    json_t *extra = json_pack("{s:o*, s:o*}", "labels", labels, "annotations", annotations);
    char *text = ist_json_text(extra);
    const struct text *kept = text_get(pool, text);
    ist_free(text);
    json_decref(extra);
    return kept;
}

void read_service(struct pool *pool, const struct selection *selection, const json_t *inputs,
                  const json_t *object, struct service *read)
{
    const json_t *metadata = json_object_get(object, "metadata"), *spec = json_object_get(object, "spec");
    *read = (struct service){.flags = flags_of(spec)};
    if (is_mirrored(object))
        read->flags |= SERVICE_MIRRORED;
    else
        read->targets = selection_of(selection, object);
    read->ports = ports_get(pool, json_object_get(spec, "ports"));
    read->created = seconds_of(ist_json_str(metadata, "creationTimestamp"));
    read->uid = ist_strdup(ist_json_str_or(metadata, "uid", ""));
    if (read->targets)
        read->extra = extra_of(pool, metadata, inputs);
    if (read->flags & SERVICE_AFFINITY)
        read->affinity_s = (uint32_t)ist_json_int(spec, "sessionAffinityConfig.clientIP.timeoutSeconds", 0);
}

// ---- endpoints ----

struct endpoint {
    uint8_t address[16];
    uint8_t bits;
    const struct text *hostname;
};

struct reading {
    struct pool *pool;
    const ist_cluster *cluster;
    struct slice *slice; // parts and refused addresses go there
    struct endpoint *endpoints;
    size_t count, room;
};

static void add_endpoint(struct reading *r, const char *address, int is_v4, uint8_t bits,
                         const char *hostname)
{
    struct endpoint endpoint = {.bits = bits};
    if ((strchr(address, ':') == NULL) != is_v4)
        return;
    // Old servers take 010.0.0.1, which is no address to others.
    int is_address = ist_ip_parse(address, endpoint.address) == IST_OK;
    int is_pod = is_address && r->cluster->pod_cidr_count == 0;
    for (size_t i = 0; i < r->cluster->pod_cidr_count && is_address && !is_pod; i++)
        is_pod = ist_net_contains(&r->cluster->pod_cidrs[i], endpoint.address);
    if (!is_pod) {
        if (!r->slice->refused++)
            r->slice->refused_one = text_get(r->pool, address);
        return;
    }
    if (is_v4) { // from ::ffff:a.b.c.d to the front
        memcpy(endpoint.address, endpoint.address + 12, 4);
        memset(endpoint.address + 4, 0, 12);
    }
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 16;
        r->endpoints = ist_realloc(r->endpoints, r->room, sizeof(*r->endpoints));
    }
    endpoint.hostname = text_get(r->pool, hostname);
    r->endpoints[r->count++] = endpoint;
}

static int by_address(const void *a, const void *b)
{
    const struct endpoint *x = a, *y = b;
    return memcmp(x->address, y->address, sizeof(x->address));
}

// Sorted, each address once: of one that is told twice it counts that it is ready.
static void settle(struct reading *r)
{
    size_t kept = 0;
    if (r->count)
        qsort(r->endpoints, r->count, sizeof(*r->endpoints), by_address);
    for (size_t i = 0; i < r->count; i++) {
        if (kept && !by_address(&r->endpoints[kept - 1], &r->endpoints[i])) {
            r->endpoints[kept - 1].bits |= r->endpoints[i].bits & (ENDPOINT_READY | ENDPOINT_SERVING);
            text_drop(r->pool, r->endpoints[i].hostname);
            continue;
        }
        r->endpoints[kept++] = r->endpoints[i];
    }
    r->count = kept;
}

// What was gathered becomes a part; nothing: none. Takes a reference of `ports`.
static void end_part(struct reading *r, const struct ports *ports, uint8_t width)
{
    settle(r);
    if (!r->count)
        return;
    struct slice *slice = r->slice;
    slice->parts = ist_realloc(slice->parts, (size_t)slice->count + 1, sizeof(*slice->parts));
    struct part *part = &slice->parts[slice->count++];
    *part = (struct part){.ports = ports_keep(ports), .count = (uint32_t)r->count, .width = width};
    part->addresses = ist_malloc(r->count * (width + 1u));
    for (size_t i = 0; i < r->count; i++) {
        memcpy(part->addresses + i * width, r->endpoints[i].address, width);
        part->addresses[r->count * width + i] = r->endpoints[i].bits;
        if (r->endpoints[i].hostname && !part->hostnames)
            part->hostnames = ist_calloc(r->count, sizeof(*part->hostnames));
        if (r->endpoints[i].hostname)
            part->hostnames[i] = r->endpoints[i].hostname;
    }
    r->count = 0;
}

static uint8_t bits_of(const json_t *conditions)
{
    const json_t *ready = json_object_get(conditions, "ready"),
                 *serving = json_object_get(conditions, "serving");
    const json_t *terminating = json_object_get(conditions, "terminating");
    uint8_t bits = 0;
    if (!json_is_boolean(ready) || json_is_true(ready)) // not said: ready
        bits |= ENDPOINT_READY;
    if (json_is_boolean(serving))
        bits |= json_is_true(serving) ? ENDPOINT_SERVING_KNOWN | ENDPOINT_SERVING : ENDPOINT_SERVING_KNOWN;
    if (json_is_boolean(terminating))
        bits |= json_is_true(terminating) ? ENDPOINT_TERMINATE_KNOWN | ENDPOINT_TERMINATING
                                          : ENDPOINT_TERMINATE_KNOWN;
    return bits;
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void read_endpoint_slice(struct reading *r, const json_t *object)
{
    const char *type = text_at(object, "addressType");
    int is_v4 = !type || !strcmp(type, "IPv4");
    const json_t *endpoint;
    size_t i;
    if (!is_v4 && strcmp(type, "IPv6") != 0) {
        r->slice->names = 1;
        return;
    }
    json_array_foreach(json_object_get(object, "endpoints"), i, endpoint)
    {
        const char *address = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
        if (address)
            add_endpoint(r, address, is_v4, bits_of(json_object_get(endpoint, "conditions")),
                         text_at(endpoint, "hostname"));
    }
    const struct ports *ports = ports_get(r->pool, json_object_get(object, "ports"));
    end_part(r, ports, is_v4 ? 4 : 16);
    ports_drop(r->pool, ports);
}

static void read_addresses(struct reading *r, const json_t *subset, int is_v4)
{
    static const char *const lists[] = {"notReadyAddresses", "addresses"}; // ready: 0, 1
    for (uint8_t ready = 0; ready < 2; ready++) {
        const json_t *address;
        size_t i;
        json_array_foreach(json_object_get(subset, lists[ready]), i, address)
        {
            const char *ip = text_at(address, "ip");
            if (ip)
                add_endpoint(r, ip, is_v4, ready ? ENDPOINT_READY : 0, text_at(address, "hostname"));
        }
    }
}

// Subsets of the same ports are one part, however often they are written.
static void read_subsets(struct reading *r, const json_t *subsets)
{
    size_t count = json_array_size(subsets);
    const struct ports **ports = ist_calloc(count + 1, sizeof(*ports));
    for (size_t i = 0; i < count; i++)
        ports[i] = ports_get(r->pool, json_object_get(json_array_get(subsets, i), "ports"));
    for (size_t i = 0; i < count; i++) {
        size_t first = 0;
        while (ports[first] != ports[i])
            first++;
        for (int is_v4 = 0; is_v4 < 2 && first == i; is_v4++) {
            for (size_t k = i; k < count; k++)
                if (ports[k] == ports[i])
                    read_addresses(r, json_array_get(subsets, k), is_v4);
            end_part(r, ports[i], is_v4 ? 4 : 16);
        }
    }
    for (size_t i = 0; i < count; i++)
        ports_drop(r->pool, ports[i]);
    ist_free(ports);
}

void read_slice(struct pool *pool, const ist_cluster *cluster, const json_t *object, int is_endpoints,
                struct slice *read)
{
    struct reading r = {.pool = pool, .cluster = cluster, .slice = read};
    *read = (struct slice){.by_ports = is_endpoints != 0};
    const char *capacity = is_endpoints ? text_at(ist_json_at(object, "metadata.annotations"),
                                                  "endpoints.kubernetes.io/over-capacity")
                                        : NULL;
    read->truncated = capacity && !strcmp(capacity, "truncated");
    if (!is_endpoints)
        read_endpoint_slice(&r, object);
    else
        read_subsets(&r, json_object_get(object, "subsets"));
    ist_free(r.endpoints);
}

static int same_part(const struct part *a, const struct part *b)
{
    if (a->ports != b->ports || a->count != b->count || a->width != b->width ||
        !a->hostnames != !b->hostnames)
        return 0;
    return !memcmp(a->addresses, b->addresses, (size_t)a->count * (a->width + 1u)) &&
           (!a->hostnames || !memcmp(a->hostnames, b->hostnames, a->count * sizeof(*a->hostnames)));
}

int same_slice(const struct slice *a, const struct slice *b)
{
    if (a->count != b->count || a->refused != b->refused || a->refused_one != b->refused_one ||
        a->names != b->names || a->truncated != b->truncated || a->foreign != b->foreign)
        return 0;
    for (uint16_t i = 0; i < a->count; i++)
        if (!same_part(&a->parts[i], &b->parts[i]))
            return 0;
    return 1;
}

int same_service(const struct service *a, const struct service *b)
{
    return a->ports == b->ports && a->extra == b->extra && a->created == b->created &&
           a->targets == b->targets && a->flags == b->flags && a->affinity_s == b->affinity_s && a->uid &&
           !strcmp(a->uid, b->uid);
}
