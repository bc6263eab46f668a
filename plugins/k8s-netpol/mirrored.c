// The mirrored Services of the clusters, from Services and EndpointSlices.
#include "mirrored.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_set.h>

#include <string.h>

struct service_port {
    char *name; // "" where there is none
    uint16_t number;
    uint8_t protocol;
};

struct end {
    struct ip ip;
    char *port_name;
    uint16_t port;
    uint8_t protocol;
};

// A Service (ips and ports) or a slice (ends and the Service it belongs to).
struct kept {
    struct kept *next;
    size_t cluster;
    char *ns, *name;
    char *service; // NULL: it is one
    struct ip *ips;
    size_t ip_count;
    struct service_port *ports;
    size_t port_count;
    struct end *ends;
    size_t end_count;
};

struct made { // of one cluster, made anew after a change
    size_t cluster;
    struct vip *vips;
    struct vip_end **ends; // one array a vip
    size_t count;
    struct made *next;
};

struct mirrored {
    struct kept *kept;
    struct made *made;
};

struct mirrored *mirrored_new(void)
{
    return ist_calloc(1, sizeof(struct mirrored));
}

static void free_kept(struct kept *kept)
{
    for (size_t i = 0; i < kept->port_count; i++)
        ist_free(kept->ports[i].name);
    for (size_t i = 0; i < kept->end_count; i++)
        ist_free(kept->ends[i].port_name);
    ist_free(kept->ns);
    ist_free(kept->name);
    ist_free(kept->service);
    ist_free(kept->ips);
    ist_free(kept->ports);
    ist_free(kept->ends);
    ist_free(kept);
}

static void forget_made(struct mirrored *mirrored)
{
    while (mirrored->made) {
        struct made *made = mirrored->made;
        mirrored->made = made->next;
        for (size_t i = 0; i < made->count; i++)
            ist_free(made->ends[i]);
        ist_free(made->ends);
        ist_free(made->vips);
        ist_free(made);
    }
}

void mirrored_free(struct mirrored *mirrored)
{
    if (!mirrored)
        return;
    while (mirrored->kept) {
        struct kept *kept = mirrored->kept;
        mirrored->kept = kept->next;
        free_kept(kept);
    }
    forget_made(mirrored);
    ist_free(mirrored);
}

// ---- seeing ----

static int drop(struct mirrored *mirrored, size_t cluster, const json_t *object, int is_slice)
{
    for (struct kept **link = &mirrored->kept; *link; link = &(*link)->next) {
        struct kept *kept = *link;
        if (kept->cluster != cluster || (kept->service != NULL) != is_slice ||
            strcmp(kept->ns, ist_json_str_or(object, "metadata.namespace", "")) != 0 ||
            strcmp(kept->name, ist_json_str_or(object, "metadata.name", "")) != 0)
            continue;
        *link = kept->next;
        free_kept(kept);
        forget_made(mirrored);
        return 1;
    }
    return 0;
}

static struct kept *keep(struct mirrored *mirrored, size_t cluster, const json_t *object)
{
    struct kept *kept = ist_calloc(1, sizeof(*kept));
    kept->cluster = cluster;
    kept->ns = ist_strdup(ist_json_str_or(object, "metadata.namespace", ""));
    kept->name = ist_strdup(ist_json_str_or(object, "metadata.name", ""));
    kept->next = mirrored->kept;
    mirrored->kept = kept;
    forget_made(mirrored);
    return kept;
}

int mirrored_service(struct mirrored *mirrored, size_t cluster, const json_t *service, int gone)
{
    int dropped = drop(mirrored, cluster, service, 0);
    size_t i;
    const json_t *item, *ips = ist_json_at(service, "spec.clusterIPs"),
                        *ports = ist_json_at(service, "spec.ports");
    if (gone || json_object_size(ist_json_at(service, "spec.selector")) ||
        ist_json_str(service, "spec.externalName"))
        return dropped;
    struct kept *kept = keep(mirrored, cluster, service);
    kept->ips = ist_calloc(json_array_size(ips) + 1, sizeof(*kept->ips));
    json_array_foreach(ips, i, item)
    {
        const char *text = json_string_value(item);
        if (text && ip_parse(text, &kept->ips[kept->ip_count]) == 0)
            kept->ip_count++;
    }
    if (!json_array_size(ips) && ip_parse(ist_json_str_or(service, "spec.clusterIP", ""), &kept->ips[0]) == 0)
        kept->ip_count = 1;
    kept->ports = ist_calloc(json_array_size(ports) + 1, sizeof(*kept->ports));
    json_array_foreach(ports, i, item)
    {
        struct service_port *port = &kept->ports[kept->port_count];
        port->number = (uint16_t)ist_json_int(item, "port", 0);
        if (proto_of(ist_json_str(item, "protocol"), &port->protocol) != 0)
            continue;
        port->name = ist_strdup(ist_json_str_or(item, "name", ""));
        kept->port_count++;
    }
    return 1;
}

static void add_ends(struct kept *kept, const json_t *slice, const struct ip *ip)
{
    size_t i;
    const json_t *port;
    json_array_foreach(json_object_get(slice, "ports"), i, port)
    {
        struct end end = {.ip = *ip, .port = (uint16_t)ist_json_int(port, "port", 0)};
        if (proto_of(ist_json_str(port, "protocol"), &end.protocol) != 0)
            continue;
        end.port_name = ist_strdup(ist_json_str_or(port, "name", ""));
        kept->ends = ist_realloc(kept->ends, kept->end_count + 1, sizeof(*kept->ends));
        kept->ends[kept->end_count++] = end;
    }
}

int mirrored_slice(struct mirrored *mirrored, size_t cluster, const json_t *slice, int gone)
{
    int dropped = drop(mirrored, cluster, slice, 1);
    const json_t *labels = ist_json_at(slice, "metadata.labels"), *endpoint, *address;
    const char *service = json_string_value(json_object_get(labels, "kubernetes.io/service-name"));
    size_t i, k;
    if (gone || !service || !json_object_get(labels, IST_LABEL_SOURCE_CLUSTER))
        return dropped;
    struct kept *kept = keep(mirrored, cluster, slice);
    kept->service = ist_strdup(service);
    json_array_foreach(json_object_get(slice, "endpoints"), i, endpoint)
        json_array_foreach(json_object_get(endpoint, "addresses"), k, address)
    {
        struct ip ip;
        if (json_string_value(address) && ip_parse(json_string_value(address), &ip) == 0)
            add_ends(kept, slice, &ip);
    }
    return 1;
}

// ---- telling ----

static void make_vip(struct made *made, const struct mirrored *mirrored, const struct kept *service,
                     const struct service_port *port, const struct ip *ip)
{
    struct vip_end *ends = NULL;
    struct vip vip = {.address = *ip, .protocol = port->protocol, .port = port->number};
    for (const struct kept *slice = mirrored->kept; slice; slice = slice->next) {
        if (!slice->service || slice->cluster != service->cluster || strcmp(slice->ns, service->ns) != 0 ||
            strcmp(slice->service, service->name) != 0)
            continue;
        for (size_t i = 0; i < slice->end_count; i++) {
            const struct end *end = &slice->ends[i];
            if (end->protocol != port->protocol || strcmp(end->port_name, port->name) != 0 ||
                ip_is_v4(&end->ip) != ip_is_v4(ip))
                continue;
            ends = ist_realloc(ends, vip.end_count + 1, sizeof(*ends));
            ends[vip.end_count++] = (struct vip_end){end->ip, end->port};
        }
    }
    vip.ends = ends;
    made->vips = ist_realloc(made->vips, made->count + 1, sizeof(*made->vips));
    made->ends = ist_realloc(made->ends, made->count + 1, sizeof(struct vip_end *));
    made->vips[made->count] = vip;
    made->ends[made->count++] = ends;
}

const struct vip *mirrored_vips(struct mirrored *mirrored, size_t cluster, size_t *count)
{
    struct made *made = mirrored->made;
    while (made && made->cluster != cluster)
        made = made->next;
    if (!made) {
        made = ist_calloc(1, sizeof(*made));
        made->cluster = cluster;
        made->next = mirrored->made;
        mirrored->made = made;
        for (const struct kept *service = mirrored->kept; service; service = service->next)
            for (size_t i = 0; !service->service && service->cluster == cluster && i < service->ip_count; i++)
                for (size_t k = 0; k < service->port_count; k++)
                    make_vip(made, mirrored, service, &service->ports[k], &service->ips[i]);
    }
    *count = made->count;
    return made->vips;
}
