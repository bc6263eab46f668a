// A rule of a policy as ports and addresses.
#include "flat.h"

#include <isthmus/alloc.h>

#include <string.h>

#define NOTED_PODS 3

struct gathering {
    const struct world *world;
    const struct policy *policy;
    const struct rule *rule;
    size_t remote;
    int named_only;
    const struct companion_options *options;
    const struct rule_port *port; // a named port of the remote pods; NULL: whatever they have
    uint16_t number;              // that it must have
    struct ip_set doubtful;       // every address that two pods show; filled when it is first asked
    int looked;
    size_t outside; // pods whose address lies in no pod CIDR
    ist_buf outside_text;
};

void note_once(json_t *notes, char *text)
{
    size_t i;
    const json_t *note;
    int there = !notes;
    json_array_foreach(notes, i, note) if (strcmp(json_string_value(note), text) == 0) there = 1;
    if (!there)
        json_array_append_new(notes, json_string(text));
    ist_free(text);
}

static const struct cluster *remote_of(const struct gathering *gathering)
{
    return world_cluster(gathering->world, gathering->remote);
}

// ---- which pods ----

static int peer_counts(const struct gathering *gathering, const struct peer *peer, size_t cluster)
{
    if (peer->is_block)
        return 0;
    if (!gathering->named_only)
        return 1;
    return peer->cluster && peer->cluster == world_cluster(gathering->world, cluster)->name;
}

static int means_namespace(const struct gathering *gathering, const struct namespace *ns)
{
    for (uint32_t i = 0; i < gathering->rule->peer_count; i++) {
        const struct peer *peer = &gathering->rule->peers[i];
        if (peer_counts(gathering, peer, ns->cluster) &&
            peer_means_namespace(gathering->world, gathering->policy, peer, ns))
            return 1;
    }
    return 0;
}

static int means_group(const struct gathering *gathering, const struct group *group)
{
    const struct rule_port *port = gathering->port;
    if (port && named_ports_number(group->ports, port->name, port->protocol) != gathering->number)
        return 0;
    for (uint32_t i = 0; i < gathering->rule->peer_count; i++) {
        const struct peer *peer = &gathering->rule->peers[i];
        if (peer_counts(gathering, peer, group->ns->cluster) &&
            peer_means_group(gathering->world, gathering->policy, peer, group))
            return 1;
    }
    return 0;
}

// ---- which addresses ----

static void each_address(const struct cluster *cluster, struct ip_set *set)
{
    for (const struct namespace *ns = cluster->namespaces; ns; ns = ns->next)
        for (const struct group *group = ns->groups; group; group = group->next)
            for (const struct pod *pod = group->pods; pod; pod = pod->next)
                for (uint8_t i = 0; i < pod->address_count; i++)
                    if (address_is_pods(cluster, &pod->addresses[i]))
                        ip_set_add(set, &pod->addresses[i]);
}

static int is_contested(struct gathering *gathering, const struct ip *ip)
{
    if (gathering->options->contested)
        return gathering->options->contested(gathering->options->arg, ip);
    if (!gathering->looked) {
        struct ip_set all = {0};
        for (size_t i = 0; i < world_cluster_count(gathering->world); i++)
            each_address(world_cluster(gathering->world, i), &all);
        ip_set_doubles(&all, &gathering->doubtful);
        ip_set_free(&all);
        gathering->looked = 1;
    }
    return ip_set_has(&gathering->doubtful, ip);
}

static int shows(const struct pod *pod, const struct ip *ip)
{
    for (uint8_t i = 0; i < pod->address_count; i++)
        if (ip_compare(&pod->addresses[i], ip) == 0)
            return 1;
    return 0;
}

// Does the policy speak of that cluster's pods at all?
static int speaks_of(const struct gathering *gathering, size_t cluster)
{
    const uint8_t *written = gathering->options->written;
    return gathering->named_only || cluster == gathering->remote || cluster == gathering->policy->cluster ||
           (written && written[cluster]) || policy_reaches(gathering->world, gathering->policy, cluster);
}

static int means_all_of(const struct gathering *gathering, size_t index, const struct ip *ip)
{
    const struct cluster *cluster = world_cluster(gathering->world, index);
    if (!address_is_pods(cluster, ip))
        return 1; // no pod there has a claim to it
    for (const struct namespace *ns = cluster->namespaces; ns; ns = ns->next)
        for (const struct group *group = ns->groups; group; group = group->next)
            for (const struct pod *pod = group->pods; pod; pod = pod->next)
                if (shows(pod, ip) && (pod->flags & POD_HOST_NETWORK || !speaks_of(gathering, index) ||
                                       !means_group(gathering, group)))
                    return 0;
    return 1;
}

// Does the rule mean every pod that shows the address, in whatever cluster? Asked only of contested ones.
static int means_all_that_show(const struct gathering *gathering, const struct ip *ip)
{
    for (size_t i = 0; i < world_cluster_count(gathering->world); i++)
        if (!means_all_of(gathering, i, ip))
            return 0;
    return 1;
}

static void tell_outside(struct gathering *gathering, const struct pod *pod, const struct ip *ip)
{
    char text[IP_TEXT_SIZE];
    ip_text(ip, text);
    if (gathering->outside++ < NOTED_PODS)
        ist_buf_printf(&gathering->outside_text, "%s%s/%s %s", gathering->outside > 1 ? ", " : "",
                       pod->group->ns->name->text, pod->name, text);
}

static void gather_pod(struct gathering *gathering, const struct pod *pod, struct ip_set *set)
{
    const struct companion_options *options = gathering->options;
    for (uint8_t i = 0; i < pod->address_count && !(pod->flags & POD_HOST_NETWORK); i++) {
        const struct ip *ip = &pod->addresses[i];
        if (!address_is_pods(remote_of(gathering), ip))
            tell_outside(gathering, pod, ip);
        else if ((!is_contested(gathering, ip) || means_all_that_show(gathering, ip)) &&
                 !(options->withheld && options->withheld(options->arg, ip)))
            ip_set_add(set, ip);
    }
}

#define LIKELY 1024 // addresses: growing there by doubling costs more than the rest

static void gather(struct gathering *gathering, struct ip_set *set)
{
    uint32_t pods = remote_of(gathering)->pod_count;
    ip_set_reserve(set, pods < LIKELY ? pods : LIKELY);
    for (const struct namespace *ns = remote_of(gathering)->namespaces; ns; ns = ns->next) {
        if (!means_namespace(gathering, ns))
            continue;
        for (const struct group *group = ns->groups; group; group = group->next)
            if (means_group(gathering, group))
                for (const struct pod *pod = group->pods; pod; pod = pod->next)
                    gather_pod(gathering, pod, set);
    }
    ip_set_seal(set);
}

// The numbers that a named port has in the pods that the rule means, each once. The caller's.
static uint16_t *numbers_of(struct gathering *gathering, const struct rule_port *port, size_t *count)
{
    uint16_t *numbers = NULL;
    for (const struct namespace *ns = remote_of(gathering)->namespaces; ns; ns = ns->next) {
        if (!means_namespace(gathering, ns))
            continue;
        for (const struct group *group = ns->groups; group; group = group->next) {
            uint16_t number = named_ports_number(group->ports, port->name, port->protocol);
            size_t at = 0;
            while (at < *count && numbers[at] < number)
                at++;
            if (!number || (at < *count && numbers[at] == number) || !means_group(gathering, group))
                continue;
            numbers = ist_realloc(numbers, *count + 1, sizeof(*numbers));
            memmove(numbers + at + 1, numbers + at, (*count - at) * sizeof(*numbers));
            numbers[at] = number; // in order: the same world gives the same document
            ++*count;
        }
    }
    return numbers;
}

// ---- ports ----

// The number that every pod which the policy selects has under the name; 0: they do not agree, which is told.
static uint16_t agreed_number(const struct world *world, const struct policy *policy,
                              const struct rule_port *port, json_t *notes)
{
    const struct namespace *ns = world_find_namespace(world, policy->cluster, policy->ns->text);
    const struct pod *first = NULL;
    uint16_t agreed = 0;
    for (const struct group *group = ns ? ns->groups : NULL; group; group = group->next) {
        const struct pod *pod = group->pods;
        while (pod && pod->flags & POD_HOST_NETWORK)
            pod = pod->next;
        if (!pod || !selector_match(&policy->pods, group->labels))
            continue;
        uint16_t number = named_ports_number(group->ports, port->name, port->protocol);
        if (first && number != agreed) {
            note_once(
                notes,
                ist_printf("policy %s/%s: port %s is left out: it is %u in pod %s and %u in pod %s, and "
                           "this cluster's network plugin knows numbers only",
                           policy->ns->text, policy->name->text, port->name->text, agreed, first->name,
                           number, pod->name));
            return 0;
        }
        agreed = number;
        first = pod;
    }
    if (first && !agreed)
        note_once(notes, ist_printf("policy %s/%s: port %s is left out: pod %s has none of that name",
                                    policy->ns->text, policy->name->text, port->name->text, first->name));
    return agreed;
}

static void keep_port(struct flat *flat, struct rule_port port)
{
    flat->ports = ist_realloc(flat->ports, flat->port_count + 1, sizeof(*flat->ports));
    flat->ports[flat->port_count++] = port;
}

static struct rule_port numbered(const struct rule_port *port, uint16_t number)
{
    return (struct rule_port){.from = number, .to = number, .protocol = port->protocol};
}

json_t *flat_ports(const struct flat *flat)
{
    if (flat->all_ports)
        return NULL;
    json_t *ports = json_array();
    for (uint32_t i = 0; i < flat->port_count; i++) {
        const struct rule_port *port = &flat->ports[i];
        json_t *one = json_pack("{s:s}", "protocol", proto_name(port->protocol));
        if (port->name)
            json_object_set_new(one, "port", json_string(port->name->text));
        else if (port->from)
            json_object_set_new(one, "port", json_integer(port->from));
        if (!port->name && port->from && port->to > port->from)
            json_object_set_new(one, "endPort", json_integer(port->to));
        json_array_append_new(ports, one);
    }
    return ports;
}

// ---- rules ----

static void add_flat(struct flats *flats,
                     struct flat *flat) // consumes it; one without addresses or ports is none
{
    if (!flat->addresses.count || (!flat->all_ports && !flat->port_count)) {
        ist_free(flat->ports);
        ip_set_free(&flat->addresses);
        return;
    }
    flats->items = ist_realloc(flats->items, flats->count + 1, sizeof(*flats->items));
    flats->items[flats->count++] = *flat;
}

static void add_named_egress(struct flats *flats, struct gathering *gathering, const struct rule_port *port)
{
    size_t count = 0;
    uint16_t *numbers = numbers_of(gathering, port, &count);
    for (size_t i = 0; i < count; i++) {
        struct flat flat = {.direction = RULE_EGRESS, .rule = gathering->rule->index};
        keep_port(&flat, numbered(port, numbers[i]));
        gathering->port = port;
        gathering->number = numbers[i];
        gather(gathering, &flat.addresses);
        gathering->port = NULL;
        add_flat(flats, &flat);
    }
    ist_free(numbers);
}

void flats_add(struct flats *flats, const struct world *world, const struct policy *policy,
               const struct rule *rule, size_t remote, int named_only,
               const struct companion_options *options, json_t *notes)
{
    struct gathering gathering = {.world = world,
                                  .policy = policy,
                                  .rule = rule,
                                  .remote = remote,
                                  .named_only = named_only,
                                  .options = options};
    struct flat flat = {.direction = rule->direction, .all_ports = rule->all_ports, .rule = rule->index};
    if (!(policy->types & rule->direction) || rule->from_all)
        return;
    for (uint32_t i = 0; i < rule->port_count && !rule->all_ports; i++) {
        const struct rule_port *port = &rule->ports[i];
        if (port->name && rule->direction == RULE_EGRESS)
            continue;
        if (!port->name || !options->is_vpc) {
            keep_port(&flat, *port);
            continue;
        }
        uint16_t number = agreed_number(world, policy, port, notes);
        if (number)
            keep_port(&flat, numbered(port, number));
    }
    if (flat.all_ports || flat.port_count)
        gather(&gathering, &flat.addresses);
    add_flat(flats, &flat);
    for (uint32_t i = 0; i < rule->port_count && !rule->all_ports; i++)
        if (rule->ports[i].name && rule->direction == RULE_EGRESS)
            add_named_egress(flats, &gathering, &rule->ports[i]);
    if (gathering.outside)
        note_once(notes,
                  ist_printf("%zu addresses of %s are left out, which lie in none of its pod CIDRs: %s%s",
                             gathering.outside, remote_of(&gathering)->name->text,
                             gathering.outside_text.data, gathering.outside > NOTED_PODS ? ", ..." : ""));
    ist_buf_free(&gathering.outside_text);
    ip_set_free(&gathering.doubtful);
}

// ---- ClusterIPs ----

static int flat_allows(const struct flat *flat, const struct vip *vip, const struct vip_end *end)
{
    if (flat->direction != RULE_EGRESS || !ip_set_has(&flat->addresses, &end->ip))
        return 0;
    for (uint32_t i = 0; i < flat->port_count; i++) {
        const struct rule_port *port = &flat->ports[i];
        if (port->protocol == vip->protocol &&
            (!port->from || (end->port >= port->from && end->port <= port->to)))
            return 1;
    }
    return flat->all_ports;
}

static int allowed_by(const struct flats *flats, size_t count, const struct vip *vip,
                      const struct vip_end *end)
{
    size_t k = 0;
    while (k < count && !flat_allows(&flats->items[k], vip, end))
        k++;
    return k < count;
}

// To one of the flats at least, and to nothing that neither they nor the others allow.
static int leads_only_to_allowed(const struct flats *flats, size_t count, const struct flats *others,
                                 const struct vip *vip)
{
    int here = 0;
    for (uint32_t i = 0; i < vip->end_count; i++) {
        if (allowed_by(flats, count, vip, &vip->ends[i]))
            here = 1;
        else if (!allowed_by(others, others->count, vip, &vip->ends[i]))
            return 0;
    }
    return here;
}

void flats_add_vips(struct flats *flats, const struct flats *others, const struct companion_options *options)
{
    size_t count = flats->count; // what is added here allows no pod
    for (size_t i = 0; i < options->vip_count; i++) {
        const struct vip *vip = &options->vips[i];
        size_t k = count;
        if (!leads_only_to_allowed(flats, count, others, vip))
            continue;
        while (k < flats->count && (flats->items[k].ports[0].from != vip->port ||
                                    flats->items[k].ports[0].protocol != vip->protocol))
            k++;
        if (k == flats->count) {
            struct flat flat = {.direction = RULE_EGRESS, .rule = UINT32_MAX};
            keep_port(&flat,
                      (struct rule_port){.from = vip->port, .to = vip->port, .protocol = vip->protocol});
            ip_set_add(&flat.addresses, &vip->address);
            add_flat(flats, &flat);
        } else {
            ip_set_add(&flats->items[k].addresses, &vip->address);
        }
    }
    for (size_t k = count; k < flats->count; k++)
        ip_set_seal(&flats->items[k].addresses);
}

void flats_free(struct flats *flats)
{
    for (size_t i = 0; i < flats->count; i++) {
        ist_free(flats->items[i].ports);
        ip_set_free(&flats->items[i].addresses);
    }
    ist_free(flats->items);
    *flats = (struct flats){0};
}
