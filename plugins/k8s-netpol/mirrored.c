// Services without a selector and what is behind them, from Services and EndpointSlices.
#include "mirrored.h"
#include "table.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

struct service_port { // of a Service or a slice
    char *name;       // "" where there is none
    uint16_t number;
    uint8_t protocol;
};

struct ports {
    struct service_port *items;
    size_t count;
};

// An EndpointSlice; also of a Service that has a selector: it may lose it.
struct slice {
    struct slice *next;     // of its service
    struct backend *behind; // its service
    uint32_t hash;
    struct ports ports;
    struct ip *ips;
    size_t ip_count;
    char name[];
};

// A Service, or only slices that name it.
struct backend {
    struct backend *next; // of its cluster
    size_t cluster;
    uint32_t hash;
    char *ns, *name;
    struct slice *slices;
    struct ip *ips; // clusterIPs
    size_t ip_count;
    struct ports ports;
    uint8_t counts; // it was seen, and has no selector
    uint8_t fresh;  // `vips` is as it is now
    struct vip *vips;
    size_t vip_count;
};

struct of_cluster {
    struct backend *backends;
    struct vip *vips; // of all of them
    size_t count;
    uint8_t fresh;
};

struct mirrored {
    struct table backends, slices;
    struct of_cluster *clusters;
    size_t cluster_count;
};

struct key {
    size_t cluster;
    const char *ns, *name;
};

static struct key key_of(size_t cluster, const json_t *object)
{
    const json_t *metadata = json_object_get(object, "metadata");
    return (struct key){cluster, ist_json_str_or(metadata, "namespace", ""),
                        ist_json_str_or(metadata, "name", "")};
}

static uint32_t hash_key(const struct key *key)
{
    uint32_t hash = hash_bytes(HASH_START, &key->cluster, sizeof(key->cluster));
    return hash_bytes(hash_bytes(hash, key->ns, strlen(key->ns) + 1), key->name, strlen(key->name));
}

static int same_backend(const void *record, const void *key)
{
    const struct backend *backend = record;
    const struct key *wanted = key;
    return backend->cluster == wanted->cluster && !strcmp(backend->name, wanted->name) &&
           !strcmp(backend->ns, wanted->ns);
}

static int same_slice(const void *record, const void *key)
{
    const struct slice *slice = record;
    const struct key *wanted = key;
    return slice->behind->cluster == wanted->cluster && !strcmp(slice->name, wanted->name) &&
           !strcmp(slice->behind->ns, wanted->ns);
}

// ---- letting go ----

static void free_ports(struct ports *ports)
{
    for (size_t i = 0; i < ports->count; i++)
        ist_free(ports->items[i].name);
    ist_free(ports->items);
    *ports = (struct ports){0};
}

static void free_vips(struct backend *backend)
{
    for (size_t i = 0; i < backend->vip_count; i++)
        ist_free((void *)(uintptr_t)backend->vips[i].ends);
    ist_free(backend->vips);
    backend->vips = NULL;
    backend->vip_count = 0;
}

static void free_slice(struct slice *slice)
{
    free_ports(&slice->ports);
    ist_free(slice->ips);
    ist_free(slice);
}

static void free_backend(struct backend *backend)
{
    while (backend->slices) {
        struct slice *slice = backend->slices;
        backend->slices = slice->next;
        free_slice(slice);
    }
    free_vips(backend);
    free_ports(&backend->ports);
    ist_free(backend->ips);
    ist_free(backend->ns);
    ist_free(backend->name);
    ist_free(backend);
}

struct mirrored *mirrored_new(void)
{
    return ist_calloc(1, sizeof(struct mirrored));
}

void mirrored_free(struct mirrored *mirrored)
{
    if (!mirrored)
        return;
    for (size_t i = 0; i < mirrored->cluster_count; i++) {
        for (struct backend *backend = mirrored->clusters[i].backends, *next; backend; backend = next) {
            next = backend->next;
            free_backend(backend);
        }
        ist_free(mirrored->clusters[i].vips);
    }
    table_free(&mirrored->backends);
    table_free(&mirrored->slices);
    ist_free(mirrored->clusters);
    ist_free(mirrored);
}

// ---- finding ----

static struct of_cluster *cluster_at(struct mirrored *mirrored, size_t cluster)
{
    while (mirrored->cluster_count <= cluster) {
        mirrored->clusters =
            ist_realloc(mirrored->clusters, mirrored->cluster_count + 1, sizeof(*mirrored->clusters));
        mirrored->clusters[mirrored->cluster_count++] = (struct of_cluster){0};
    }
    return &mirrored->clusters[cluster];
}

static struct backend *backend_at(struct mirrored *mirrored, const struct key *key)
{
    uint32_t hash = hash_key(key);
    struct backend *backend = table_find(&mirrored->backends, hash, same_backend, key);
    if (backend)
        return backend;
    struct of_cluster *cluster = cluster_at(mirrored, key->cluster);
    backend = ist_calloc(1, sizeof(*backend));
    *backend = (struct backend){.next = cluster->backends,
                                .cluster = key->cluster,
                                .hash = hash,
                                .ns = ist_strdup(key->ns),
                                .name = ist_strdup(key->name)};
    cluster->backends = backend;
    table_add(&mirrored->backends, hash, backend);
    return backend;
}

// It leads elsewhere now. 1: and that is told.
static int changed(struct mirrored *mirrored, struct backend *backend, int counted)
{
    backend->fresh = 0;
    if (!counted && !backend->counts)
        return 0;
    cluster_at(mirrored, backend->cluster)->fresh = 0;
    return 1;
}

// Lets go of one that was not seen and that no slice names.
static void tidy(struct mirrored *mirrored, struct backend *backend)
{
    if (backend->slices || backend->counts)
        return;
    struct backend **link = &cluster_at(mirrored, backend->cluster)->backends;
    while (*link != backend)
        link = &(*link)->next;
    *link = backend->next;
    table_remove(&mirrored->backends, backend->hash, backend);
    free_backend(backend);
}

// ---- seeing ----

static struct ports read_ports(const json_t *list)
{
    struct ports ports = {.items = ist_calloc(json_array_size(list) + 1, sizeof(*ports.items))};
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        struct service_port *port = &ports.items[ports.count];
        port->number = (uint16_t)json_integer_value(json_object_get(item, "port"));
        if (proto_of(json_string_value(json_object_get(item, "protocol")), &port->protocol) != 0)
            continue;
        const char *name = json_string_value(json_object_get(item, "name"));
        port->name = ist_strdup(name ? name : "");
        ports.count++;
    }
    return ports;
}

static int same_ports(const struct ports *a, const struct ports *b)
{
    if (a->count != b->count)
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (a->items[i].number != b->items[i].number || a->items[i].protocol != b->items[i].protocol ||
            strcmp(a->items[i].name, b->items[i].name) != 0)
            return 0;
    return 1;
}

static int same_ips(const struct ip *a, size_t a_count, const struct ip *b, size_t b_count)
{
    return a_count == b_count && (!a_count || !memcmp(a, b, a_count * sizeof(*a)));
}

static void add_ip(struct ip **ips, size_t *count, const char *text)
{
    struct ip ip;
    if (!text || ip_parse(text, &ip) != 0)
        return;
    if (!(*count & (*count - 1))) // the room is the next power of two
        *ips = ist_realloc(*ips, *count ? 2 * *count : 1, sizeof(**ips));
    (*ips)[(*count)++] = ip;
}

int mirrored_service(struct mirrored *mirrored, size_t cluster, const json_t *service, int gone)
{
    struct key key = key_of(cluster, service);
    const json_t *spec = json_object_get(service, "spec"), *item;
    struct backend *backend = backend_at(mirrored, &key);
    int counted = backend->counts, same = 0;
    struct ip *ips = NULL;
    size_t ip_count = 0, i;
    struct ports ports = {0};
    backend->counts =
        !gone && !json_object_size(json_object_get(spec, "selector")) && !ist_json_str(spec, "externalName");
    if (backend->counts) {
        json_array_foreach(json_object_get(spec, "clusterIPs"), i, item)
            add_ip(&ips, &ip_count, json_string_value(item));
        if (!ip_count)
            add_ip(&ips, &ip_count, ist_json_str(spec, "clusterIP"));
        ports = read_ports(json_object_get(spec, "ports"));
        same = counted && same_ports(&ports, &backend->ports) &&
               same_ips(ips, ip_count, backend->ips, backend->ip_count);
    }
    free_ports(&backend->ports);
    ist_free(backend->ips);
    backend->ports = ports;
    backend->ips = ips;
    backend->ip_count = ip_count;
    int told = same ? 0 : changed(mirrored, backend, counted);
    tidy(mirrored, backend);
    return told;
}

// Takes it away. 1: a ClusterIP led there.
static int drop_slice(struct mirrored *mirrored, struct slice *slice)
{
    struct backend *backend = slice->behind;
    struct slice **link = &backend->slices;
    while (*link != slice)
        link = &(*link)->next;
    *link = slice->next;
    table_remove(&mirrored->slices, slice->hash, slice);
    free_slice(slice);
    int told = changed(mirrored, backend, 0);
    tidy(mirrored, backend);
    return told;
}

static struct slice *slice_new(const char *name, const json_t *object)
{
    const json_t *endpoint, *address;
    size_t len = strlen(name) + 1, i, k;
    struct slice *slice = ist_calloc(1, sizeof(*slice) + len);
    memcpy(slice->name, name, len);
    slice->ports = read_ports(json_object_get(object, "ports"));
    json_array_foreach(json_object_get(object, "endpoints"), i, endpoint)
        json_array_foreach(json_object_get(endpoint, "addresses"), k, address)
            add_ip(&slice->ips, &slice->ip_count, json_string_value(address));
    return slice;
}

int mirrored_slice(struct mirrored *mirrored, size_t cluster, const json_t *object, int gone)
{
    struct key key = key_of(cluster, object);
    uint32_t hash = hash_key(&key);
    struct slice *old = table_find(&mirrored->slices, hash, same_slice, &key);
    const json_t *labels = ist_json_at(object, "metadata.labels");
    const char *service = json_string_value(json_object_get(labels, "kubernetes.io/service-name"));
    if (gone || !service)
        return old ? drop_slice(mirrored, old) : 0;
    struct slice *slice = slice_new(key.name, object);
    if (old && !strcmp(old->behind->name, service) && same_ports(&old->ports, &slice->ports) &&
        same_ips(old->ips, old->ip_count, slice->ips, slice->ip_count)) {
        free_slice(slice);
        return 0;
    }
    int told = old ? drop_slice(mirrored, old) : 0;
    struct key of = {cluster, key.ns, service};
    slice->behind = backend_at(mirrored, &of);
    slice->hash = hash;
    slice->next = slice->behind->slices;
    slice->behind->slices = slice;
    table_add(&mirrored->slices, hash, slice);
    return changed(mirrored, slice->behind, 0) || told;
}

// ---- telling ----

// Where a port of a ClusterIP leads: the slices' port of that name, at their addresses of its family.
static struct vip make_vip(const struct backend *backend, const struct service_port *port,
                           const struct ip *ip)
{
    struct vip vip = {.address = *ip, .protocol = port->protocol, .port = port->number};
    struct vip_end *ends = NULL;
    for (const struct slice *slice = backend->slices; slice; slice = slice->next)
        for (size_t p = 0; p < slice->ports.count; p++) {
            const struct service_port *end = &slice->ports.items[p];
            if (end->protocol != port->protocol || strcmp(end->name, port->name) != 0)
                continue;
            ends = ist_realloc(ends, vip.end_count + slice->ip_count + 1, sizeof(*ends));
            for (size_t i = 0; i < slice->ip_count; i++)
                if (ip_is_v4(&slice->ips[i]) == ip_is_v4(ip))
                    ends[vip.end_count++] = (struct vip_end){slice->ips[i], end->number};
        }
    vip.ends = ends;
    return vip;
}

static void refresh(struct backend *backend)
{
    if (backend->fresh)
        return;
    free_vips(backend);
    backend->fresh = 1;
    if (!backend->counts)
        return;
    backend->vips = ist_calloc(backend->ip_count * backend->ports.count + 1, sizeof(*backend->vips));
    for (size_t i = 0; i < backend->ip_count; i++)
        for (size_t k = 0; k < backend->ports.count; k++)
            backend->vips[backend->vip_count++] =
                make_vip(backend, &backend->ports.items[k], &backend->ips[i]);
}

// One order, whatever came first: the same world gives the same document.
static int by_port_and_address(const void *a, const void *b)
{
    const struct vip *x = a, *y = b;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    if (x->protocol != y->protocol)
        return x->protocol < y->protocol ? -1 : 1;
    return ip_compare(&x->address, &y->address);
}

const struct vip *mirrored_vips(struct mirrored *mirrored, size_t index, size_t *count)
{
    struct of_cluster *cluster = cluster_at(mirrored, index);
    if (!cluster->fresh) {
        size_t room = 0;
        cluster->count = 0;
        for (struct backend *backend = cluster->backends; backend; backend = backend->next) {
            refresh(backend);
            room += backend->vip_count;
        }
        ist_free(cluster->vips);
        cluster->vips = ist_calloc(room + 1, sizeof(*cluster->vips));
        for (const struct backend *backend = cluster->backends; backend; backend = backend->next)
            for (size_t i = 0; i < backend->vip_count; i++)
                cluster->vips[cluster->count++] = backend->vips[i];
        if (cluster->count)
            qsort(cluster->vips, cluster->count, sizeof(*cluster->vips), by_port_and_address);
        cluster->fresh = 1;
    }
    *count = cluster->count;
    return cluster->vips;
}

int mirrored_leads_to(struct mirrored *mirrored, size_t cluster, const struct ip *ip)
{
    size_t count;
    const struct vip *vips = mirrored_vips(mirrored, cluster, &count);
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < vips[i].end_count; k++)
            if (ip_compare(&vips[i].ends[k].ip, ip) == 0)
                return 1;
    return 0;
}
