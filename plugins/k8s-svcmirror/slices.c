// Endpoints as the target reads them: EndpointSlices, one for each slice of the source, or one Endpoints object.
//
// A slice of the source becomes one slice of the target, so that one changed endpoint rewrites one. What is longer than
// a target takes (an Endpoints object, a source with another limit) is split by the bits of a hash of the address: which
// slice an endpoint is in depends on nothing that was there before, and a change again rewrites one.
#include "model.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_MAX 100 // addresses, as the controllers of Kubernetes split them
#define MANAGER   "isthmus.dev"

static void address_text(const struct part *part, uint32_t i, char text[INET6_ADDRSTRLEN])
{
    const uint8_t *a = part->addresses + (size_t)i * part->width;
    if (part->width == 4)
        ist_ipv4_text((uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3], text);
    else
        inet_ntop(AF_INET6, a, text, INET6_ADDRSTRLEN);
}

static uint8_t bits_of(const struct part *part, uint32_t i)
{
    return part->addresses[(size_t)part->count * part->width + i];
}

int slices_state(const struct model *m, size_t cluster)
{
    if (ist_reconciler_state(m->run, cluster) != IST_CLUSTER_EXPIRED)
        return 1;
    return m->removes_expired ? 0 : 2;
}

// A member of an object of ours: keys and values that are known to be UTF-8, as all that came out of a document is.
static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new_nocheck(object, key, value);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    set(object, key, json_string_nocheck(text));
}

static json_t *conditions_of(uint8_t bits, int state)
{
    json_t *conditions = json_object();
    set(conditions, "ready", json_boolean(state == 1 && bits & ENDPOINT_READY));
    if (bits & ENDPOINT_SERVING_KNOWN || state != 1) // where it is not said a proxy takes it for serving
        set(conditions, "serving", json_boolean(state == 1 && bits & ENDPOINT_SERVING));
    if (bits & ENDPOINT_TERMINATE_KNOWN)
        set(conditions, "terminating", json_boolean(bits & ENDPOINT_TERMINATING));
    return conditions;
}

// ---- EndpointSlices ----

struct slicing {
    const struct model *m;
    const struct target_of_slices *target;
    const struct source *source;
    const struct slice *slice;
    const struct part *part;
    json_t *ports;
    int state; // as of slices_state()
    ist_wanted *wanted;
    json_t *conditions
        [ENDPOINT_BITS]; // by bits; the same document wherever they are the same. NULL: not made yet
};

static json_t *endpoint_object(struct slicing *s, uint32_t i)
{
    char address[INET6_ADDRSTRLEN];
    uint8_t bits = bits_of(s->part, i) % ENDPOINT_BITS;
    address_text(s->part, i, address);
    json_t *endpoint = json_object(), *addresses = json_array();
    json_array_append_new(addresses, json_string_nocheck(address));
    if (!s->conditions[bits])
        s->conditions[bits] = conditions_of(bits, s->state);
    set(endpoint, "addresses", addresses);
    set(endpoint, "conditions", json_incref(s->conditions[bits]));
    if (s->part->hostnames && s->part->hostnames[i])
        set_text(endpoint, "hostname", s->part->hostnames[i]->text);
    return endpoint;
}

#define HASH64_START 14695981039346656037u // FNV-1a
#define HASH64_PRIME 1099511628211u

static uint64_t hash64(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (uint8_t)*text) * HASH64_PRIME;
    while (*text++); // the NUL too: "a", "b" is not "ab"
    return hash;
}

// "frontend-ccp-3f9a01c2d4e5": of the service, and of what of the source it holds.
static char *slice_name(const struct slicing *s, const char *path)
{
    const char *cluster = s->m->clusters->items[s->source->cluster].name;
    uint64_t hash = hash64(hash64(HASH64_START, cluster), s->slice->name);
    hash = hash64(hash64(hash, s->part->width == 4 ? "4" : "6"), path);
    // Subsets of an Endpoints object are told apart by the ports they have at the source: here they may be the same.
    for (uint32_t i = 0; s->slice->by_ports && i < s->part->ports->count; i++) {
        const struct port *port = &s->part->ports->items[i];
        hash = hash64(hash64(hash, port->name ? port->name->text : ""), port->app ? port->app->text : "");
        hash = (hash ^ ((uint64_t)port->number << 2 | port->protocol)) * HASH64_PRIME;
    }
    char readable[41];
    size_t len = 0;
    for (const char *c = cluster; *c && len < sizeof(readable) - 1; c++)
        readable[len++] = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
    readable[len] = 0;
    return ist_printf("%s-%s-%012llx", s->target->name, readable, (unsigned long long)(hash >> 16));
}

static json_t *metadata_of(const struct slicing *s, const char *path)
{
    json_t *metadata = json_object(), *labels = json_object(), *owners = json_array(), *owner = json_object();
    char *name = slice_name(s, path);
    set_text(labels, "kubernetes.io/service-name", s->target->name);
    set_text(labels, "endpointslice.kubernetes.io/managed-by", MANAGER);
    set_text(labels, IST_LABEL_SOURCE_CLUSTER, s->m->clusters->items[s->source->cluster].name);
    if (s->target->headless) // as the controllers of Kubernetes mark what no proxy need look at
        set_text(labels, "service.kubernetes.io/headless", "");
    set_text(owner, "apiVersion", "v1");
    set_text(owner, "kind", "Service");
    set_text(owner, "name", s->target->name);
    set_text(owner, "uid", s->target->uid);
    json_array_append_new(owners, owner);
    set_text(metadata, "name", name);
    set_text(metadata, "namespace", s->target->ns);
    set(metadata, "labels", labels);
    set(metadata, "ownerReferences", owners);
    ist_free(name);
    return metadata;
}

static void add_slice(struct slicing *s, const uint32_t *indexes, uint32_t count, const char *path)
{
    json_t *slice = json_object(), *endpoints = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(endpoints, endpoint_object(s, indexes[i]));
    set_text(slice, "apiVersion", "discovery.k8s.io/v1");
    set_text(slice, "kind", "EndpointSlice");
    set(slice, "metadata", metadata_of(s, path));
    set_text(slice, "addressType", s->part->width == 4 ? "IPv4" : "IPv6");
    set(slice, "ports", json_incref(s->ports));
    set(slice, "endpoints", endpoints);
    ist_wanted_add(s->wanted, slice, 0);
}

// The bits of one address by which it is split, well mixed.
static uint64_t spread(const struct part *part, uint32_t i)
{
    uint64_t hash = HASH64_START;
    for (uint8_t b = 0; b < part->width; b++)
        hash = (hash ^ part->addresses[(size_t)i * part->width + b]) * HASH64_PRIME;
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    return hash ^ hash >> 33;
}

// Splits in two by the next bit until each fits; the order within stays.
static void add_split(struct slicing *s, uint32_t *indexes, uint32_t count, char path[65])
{
    size_t depth = strlen(path);
    if (count <= SLICE_MAX || depth == 64) {
        add_slice(s, indexes, count, path);
        return;
    }
    uint32_t *halves = ist_calloc(count, sizeof(*halves)), sizes[2] = {0, 0}, at = 0;
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < count; i++) {
            if ((spread(s->part, indexes[i]) >> depth & 1) != side)
                continue;
            halves[at++] = indexes[i];
            sizes[side]++;
        }
    }
    path[depth + 1] = 0;
    for (uint32_t side = 0; side < 2; side++) {
        path[depth] = side ? '1' : '0';
        if (sizes[side])
            add_split(s, halves + (side ? sizes[0] : 0), sizes[side], path);
    }
    path[depth] = 0;
    ist_free(halves);
}

static void add_part(struct slicing *s)
{
    uint32_t *indexes = ist_calloc(s->part->count, sizeof(*indexes));
    char path[65] = "";
    for (uint32_t i = 0; i < s->part->count; i++)
        indexes[i] = i;
    add_split(s, indexes, s->part->count, path);
    ist_free(indexes);
}

void slices_add(const struct model *m, const struct target_of_slices *target, const struct decided *decided,
                const struct source *source, ist_wanted *wanted)
{
    struct slicing s = {.m = m, .target = target, .source = source, .wanted = wanted};
    s.state = slices_state(m, source->cluster);
    for (s.slice = source->service->slices; s.slice && s.state; s.slice = s.slice->sibling) {
        for (uint16_t i = 0; i < s.slice->count; i++) {
            s.part = &s.slice->parts[i];
            s.ports = s.part->count ? ports_of_part(decided, source, s.part->ports) : NULL;
            if (s.ports)
                add_part(&s);
            json_decref(s.ports);
        }
    }
    for (size_t bits = 0; bits < ENDPOINT_BITS; bits++)
        json_decref(s.conditions[bits]);
}

// ---- one Endpoints object ----

struct address {
    char *ports; // as text: addresses of the same ports are one subset
    const struct part *part;
    uint32_t index;
    uint8_t ready;
};

struct addresses {
    struct address *items;
    size_t count;
    int has_v4;
};

static int by_ports_and_address(const void *a, const void *b)
{
    const struct address *x = a, *y = b;
    int order = strcmp(x->ports, y->ports);
    if (!order)
        order = (x->part->width > y->part->width) - (x->part->width < y->part->width);
    if (!order)
        order = memcmp(x->part->addresses + (size_t)x->index * x->part->width,
                       y->part->addresses + (size_t)y->index * y->part->width, x->part->width);
    return order ? order : y->ready - x->ready; // of one that is told twice, the ready one counts
}

static void collect(const struct model *m, const struct decided *decided, const struct source *source,
                    struct addresses *all)
{
    int state = slices_state(m, source->cluster);
    for (const struct slice *slice = source->service->slices; slice && state; slice = slice->sibling) {
        for (uint16_t p = 0; p < slice->count; p++) {
            const struct part *part = &slice->parts[p];
            json_t *ports = part->count ? ports_of_part(decided, source, part->ports) : NULL;
            for (uint32_t i = 0; ports && i < part->count; i++) {
                if ((all->count & (all->count - 1)) == 0)
                    all->items =
                        ist_realloc(all->items, all->count ? all->count * 2 : 1, sizeof(*all->items));
                all->items[all->count++] = (struct address){ist_json_text(ports), part, i,
                                                            state == 1 && bits_of(part, i) & ENDPOINT_READY};
                all->has_v4 |= part->width == 4;
            }
            json_decref(ports);
        }
    }
}

static int is_same(const struct address *a, const struct address *b)
{
    return !strcmp(a->ports, b->ports) && a->part->width == b->part->width &&
           !memcmp(a->part->addresses + (size_t)a->index * a->part->width,
                   b->part->addresses + (size_t)b->index * b->part->width, a->part->width);
}

static json_t *subset_of(const char *ports)
{
    json_t *subset = json_object(), *list = json_loads(ports, 0, NULL);
    if (json_array_size(list))
        json_object_set(subset, "ports", list);
    json_decref(list);
    return subset;
}

static void add_to_subset(json_t *subset, const struct address *address)
{
    const char *list_name = address->ready ? "addresses" : "notReadyAddresses";
    json_t *list = json_object_get(subset, list_name), *entry = json_object();
    char text[INET6_ADDRSTRLEN];
    if (!list) {
        list = json_array();
        json_object_set_new(subset, list_name, list);
    }
    address_text(address->part, address->index, text);
    json_object_set_new(entry, "ip", json_string(text));
    if (address->part->hostnames && address->part->hostnames[address->index])
        json_object_set_new(entry, "hostname", json_string(address->part->hostnames[address->index]->text));
    json_array_append_new(list, entry);
}

// Endpoints have no families: IPv4 where there is any, as a cluster of that age has one family.
static json_t *subsets_of(const struct addresses *all)
{
    json_t *subsets = json_array(), *subset = NULL;
    const struct address *last = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const struct address *address = &all->items[i];
        if (all->has_v4 && address->part->width != 4)
            continue;
        if (last && is_same(last, address))
            continue;
        if (!last || strcmp(last->ports, address->ports) != 0) {
            subset = subset_of(address->ports);
            json_array_append_new(subsets, subset);
        }
        add_to_subset(subset, address);
        last = address;
    }
    return subsets;
}

json_t *endpoints_object(const struct model *m, const struct target_of_slices *target,
                         const struct decided *decided, const struct source *sources, size_t count)
{
    struct addresses all = {0};
    for (size_t i = 0; i < count; i++)
        collect(m, decided, &sources[i], &all);
    if (all.count)
        qsort(all.items, all.count, sizeof(*all.items), by_ports_and_address);
    json_t *labels = json_object();
    if (count == 1)
        json_object_set_new(labels, IST_LABEL_SOURCE_CLUSTER,
                            json_string(m->clusters->items[sources[0].cluster].name));
    if (target->headless)
        json_object_set_new(labels, "service.kubernetes.io/headless", json_string(""));
    json_t *object = json_pack("{s:s, s:s, s:{s:s, s:s, s:o}, s:o}", "apiVersion", "v1", "kind", "Endpoints",
                               "metadata", "name", target->name, "namespace", target->ns, "labels", labels,
                               "subsets", subsets_of(&all));
    for (size_t i = 0; i < all.count; i++)
        ist_free(all.items[i].ports);
    ist_free(all.items);
    return object;
}
