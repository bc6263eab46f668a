// What peers mean: which namespaces and pods, in which clusters.
#include "world.h"

int policy_reaches(const struct world *world, const struct policy *policy, size_t cluster)
{
    return cluster != policy->cluster && !policy->generated &&
           policy_names_cluster(policy, world_cluster(world, cluster)->name->text);
}

int address_is_pods(const struct cluster *cluster, const struct ip *ip)
{
    for (uint32_t i = 0; i < cluster->pod_net_count; i++)
        if (net_contains(&cluster->pod_nets[i], ip))
            return 1;
    return cluster->pod_net_count == 0;
}

int pod_is_known_afar(const struct world *world, const struct pod *pod)
{
    if (pod->flags & POD_HOST_NETWORK)
        return 0;
    const struct cluster *cluster = world_cluster(world, pod->group->ns->cluster);
    for (uint8_t i = 0; i < pod->address_count; i++)
        if (address_is_pods(cluster, &pod->addresses[i]))
            return 1;
    return (pod->flags & POD_TEMPLATE) != 0;
}

static int own_namespace(const struct world *world, const struct policy *policy, const struct namespace *ns)
{
    if (ns->cluster == policy->cluster)
        return ns->name == policy->ns;
    const struct namespace *own = world_find_namespace(world, policy->cluster, policy->ns->text);
    return own && own->common == ns->common;
}

int peer_means_namespace(const struct world *world, const struct policy *policy, const struct peer *peer,
                         const struct namespace *ns)
{
    if (peer->is_block)
        return 0;
    if (peer->cluster && peer->cluster != world_cluster(world, ns->cluster)->name)
        return 0;
    if (peer->ns)
        return peer->ns == ns->name;
    return peer->any_namespace ? selector_match(&peer->namespaces, ns->labels)
                               : own_namespace(world, policy, ns);
}

int peer_means_group(const struct world *world, const struct policy *policy, const struct peer *peer,
                     const struct group *group)
{
    if (!peer_means_namespace(world, policy, peer, group->ns) || !selector_match(&peer->pods, group->labels))
        return 0;
    if (!peer->service)
        return 1;
    const struct service *service = world_find_service(group->ns, peer->service);
    return service && service->has_selector && selector_match(&service->selector, group->labels);
}

int policy_concerns(const struct world *world, const struct policy *policy, const struct group *group)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        for (uint32_t j = 0; j < policy->rules[i].peer_count; j++)
            if (peer_means_group(world, policy, &policy->rules[i].peers[j], group))
                return 1;
    return 0;
}
