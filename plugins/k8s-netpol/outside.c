// Paths between pods and addresses that are no pod's.
#include "outside.h"
#include "classes.h"
#include "reach.h"

#include <isthmus/alloc.h>

#include <string.h>

void outside_add(struct outside *outside, size_t cluster, const char *ns)
{
    if (!outside->places)
        outside->places = json_array();
    while (json_array_size(outside->places) <= cluster)
        json_array_append_new(outside->places, json_object());
    json_object_set_new(json_array_get(outside->places, cluster), ns, json_true());
    outside->any = 1;
}

// ---- samples

// Declared pod networks hold pods alone, now or soon: those are compared by themselves.
static void sample(struct outside *outside, const struct ip *ip)
{
    for (size_t i = 0; i < world_cluster_count(outside->world); i++) {
        const struct cluster *cluster = world_cluster(outside->world, i);
        if (cluster->pod_net_count && address_is_pods(cluster, ip))
            return;
    }
    ip_set_add(&outside->samples, ip);
}

// Where it begins, and what comes after its end.
static void sample_net(struct outside *outside, const struct net *net)
{
    struct ip first, after;
    size_t at = sizeof(after.bytes);
    net_bounds(net, &first, &after);
    while (at > 0 && ++after.bytes[at - 1] == 0)
        at--;
    sample(outside, &first);
    sample(outside, &after);
}

static void gather_policy(struct outside *outside, const struct policy *policy)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        for (uint32_t k = 0; k < policy->rules[i].peer_count; k++) {
            const struct peer *peer = &policy->rules[i].peers[k];
            if (!peer->is_block)
                continue;
            sample_net(outside, &peer->block);
            for (uint32_t e = 0; e < peer->except_count; e++)
                sample_net(outside, &peer->except[e]);
        }
}

static const struct namespace *place_at(const struct outside *outside, size_t cluster, const char *ns)
{
    return world_find_namespace(outside->world, cluster, ns);
}

void outside_gather(struct outside *outside)
{
    size_t cluster;
    json_t *names, *yes;
    const char *name;
    json_array_foreach(outside->places, cluster, names) json_object_foreach(names, name, yes)
    {
        const struct namespace *ns = place_at(outside, cluster, name);
        for (const struct policy *policy = ns ? ns->policies : NULL; policy; policy = policy->next)
            gather_policy(outside, policy);
    }
}

// Addresses that are a pod's or a Service's are no outside.
static struct ip_set known_addresses(const struct world *world)
{
    struct ip_set set = {0};
    for (size_t i = 0; i < world_cluster_count(world); i++)
        for (const struct namespace *ns = world_cluster(world, i)->namespaces; ns; ns = ns->next) {
            for (const struct service *service = ns->services; service; service = service->next)
                ip_set_add_all(&set, service->addresses, service->address_count);
            for (const struct group *group = ns->groups; group; group = group->next)
                for (const struct pod *pod = group->pods; pod; pod = pod->next)
                    ip_set_add_all(&set, pod->addresses, pod->address_count);
        }
    ip_set_seal(&set);
    return set;
}

void outside_ready(struct outside *outside)
{
    static const char *const anybody[] = {"192.0.2.1", "2001:db8::1"}; // for documentation: nobody's
    struct ip_set known = known_addresses(outside->world), *samples = &outside->samples;
    struct ip ip;
    size_t kept = 0;
    int has_v6 = known.count && !ip_is_v4(&known.items[known.count - 1]); // which come after IPv4
    for (int i = 0; i < 1 + has_v6; i++)
        if (!ip_parse(anybody[i], &ip))
            sample(outside, &ip);
    ip_set_seal(samples);
    for (size_t i = 0; i < samples->count; i++)
        if (!ip_set_has(&known, &samples->items[i]))
            samples->items[kept++] = samples->items[i];
    samples->count = kept;
    ip_set_free(&known);
}

void outside_free(struct outside *outside)
{
    json_decref(outside->places);
    ip_set_free(&outside->samples);
    *outside = (struct outside){0};
}

// ---- answers

static conn admitted(struct conns *conns, const struct policy *policy, const struct outside_path *path)
{
    const struct named_ports *names = path->direction == RULE_INGRESS ? path->group->ports : NULL;
    conn ports = CONN_NONE;
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        int meant = rule->from_all;
        for (uint32_t k = 0; k < rule->peer_count && !meant; k++)
            meant = reach_peer_covers(&rule->peers[k], path->sample);
        if (meant && rule->direction == path->direction)
            ports = conns_union(conns, ports, reach_rule_ports(conns, rule, names));
    }
    return ports;
}

static conn ports_of(struct conns *conns, const struct outside_path *path)
{
    int isolated = 0;
    conn ports = CONN_NONE;
    for (const struct policy *policy = path->group->ns->policies; policy; policy = policy->next) {
        if (!(policy->types & path->direction) || !selector_match(&policy->pods, path->group->labels))
            continue;
        isolated = 1;
        ports = conns_union(conns, ports, admitted(conns, policy, path));
    }
    return isolated ? ports : CONN_ALL;
}

static int on_pod_network(const struct group *group)
{
    const struct pod *pod = group->pods;
    while (pod && pod->flags & POD_HOST_NETWORK)
        pod = pod->next;
    return pod != NULL;
}

size_t outside_each(const struct outside *outside, struct conns *conns,
                    void (*tell)(void *arg, size_t index, const struct outside_path *path), void *arg)
{
    size_t cluster, index = 0;
    json_t *names, *yes;
    const char *name;
    json_array_foreach(outside->places, cluster, names) json_object_foreach(names, name, yes)
    {
        const struct namespace *ns = place_at(outside, cluster, name);
        for (const struct group *group = ns ? ns->groups : NULL; group; group = group->next)
            for (size_t i = 0; i < 2 * outside->samples.count && on_pod_network(group); i++, index++) {
                struct outside_path path = {group, &outside->samples.items[i / 2],
                                            i % 2 ? RULE_EGRESS : RULE_INGRESS, CONN_NONE};
                if (!tell)
                    continue;
                path.ports = ports_of(conns, &path);
                tell(arg, index, &path);
            }
    }
    return index;
}
