// Reachability: for each class, what isolates it and what the rules of those policies admit, as bitsets over classes.
//
// Classes that the same policies select share one profile a direction; a profile is a few entries {ports, classes on the
// other side}. What s may send to d is what d's ingress profile holds for s, and s's egress profile for d.
#include "reach.h"
#include "classes.h"
#include "table.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

struct entry {
    conn ports;
    uint64_t *peers; // a bit a class
};

struct profile {
    uint32_t hash, count, policy_count, index;
    const struct named_ports *ports; // what names mean on this side; NULL where no rule has one
    struct entry *entries;
    const struct policy **policies; // those that isolate, in the order of the namespace
};

struct side { // one direction
    uint8_t direction;
    uint32_t *profile_of; // by class; UINT32_MAX: not isolated
    struct profile **profiles;
    uint32_t count;
    struct table known;
};

struct reach {
    const struct world *world;
    uint32_t mode, end_count;
    struct classes *classes;
    struct conns *conns;
    size_t words; // of a bitset
    struct side ingress, egress;
    struct table first_class; // namespace -> its first class, in struct ns_classes
    struct reach_end *ends;
    uint32_t *end_classes;
};

struct ns_classes {
    const struct namespace *ns;
    uint32_t first;
};

// ---- what a peer means

int reach_scope(const struct world *world, uint32_t mode, const struct policy *policy,
                const struct peer *peer, size_t cluster)
{
    if (peer->cluster)
        return peer->cluster == world_cluster(world, cluster)->name;
    if (cluster == policy->cluster)
        return 1;
    return mode == REACH_FEDERATED ? !policy->generated
                                   : mode == REACH_ANNOTATED && policy_reaches(world, policy, cluster);
}

int reach_peer_means(const struct world *world, uint32_t mode, const struct policy *policy,
                     const struct peer *peer, const struct pod *pod)
{
    const size_t cluster = pod->group->ns->cluster;
    if (peer->is_block)
        return cluster != policy->cluster && block_covers(peer, pod);
    return reach_scope(world, mode, policy, peer, cluster) &&
           (cluster == policy->cluster || pod_is_known_afar(world, pod)) &&
           peer_means_group(world, policy, peer, pod->group);
}

int reach_peer_covers(const struct peer *peer, const struct ip *ip)
{
    return peer->is_block && within_block(peer, ip);
}

conn reach_rule_ports(struct conns *conns, const struct rule *rule, const struct named_ports *destination)
{
    conn ports = CONN_NONE;
    if (rule->all_ports)
        return CONN_ALL;
    for (uint32_t i = 0; i < rule->port_count; i++) {
        const struct rule_port *port = &rule->ports[i];
        uint32_t from = port->from, to = port->to;
        if (port->name) {
            from = to = destination ? named_ports_number(destination, port->name, port->protocol) : 0;
            if (!from)
                continue;
        } else if (!from) {
            from = 1;
            to = 65535;
        }
        ports = conns_union(conns, ports, conns_range(conns, port->protocol, from, to));
    }
    return ports;
}

static int has_names(const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->port_count; i++)
        if (rule->ports[i].name)
            return 1;
    return 0;
}

// ---- bitsets

static uint64_t *bits_new(const struct reach *reach)
{
    return ist_calloc(reach->words + 1, sizeof(uint64_t));
}

static void bit_set(uint64_t *bits, uint32_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static int bit_get(const uint64_t *bits, uint32_t i)
{
    return (bits[i / 64] >> (i % 64)) & 1;
}

// ---- classes by namespace

static int same_ns(const void *record, const void *key)
{
    return ((const struct ns_classes *)record)->ns == key;
}

static struct ns_classes *classes_in(const struct reach *reach, const struct namespace *ns)
{
    return table_find(&reach->first_class, hash_pointer(HASH_START, ns), same_ns, ns);
}

static void index_namespaces(struct reach *reach)
{
    for (uint32_t i = reach->classes->count; i-- > 0;) {
        struct class *class = &reach->classes->items[i];
        struct ns_classes *in = classes_in(reach, class->ns);
        if (!in) {
            in = ist_malloc(sizeof(*in));
            *in = (struct ns_classes){class->ns, UINT32_MAX};
            table_add(&reach->first_class, hash_pointer(HASH_START, class->ns), in);
        }
        class->next_in_namespace = in->first;
        in->first = i;
    }
}

static uint32_t first_in(const struct reach *reach, const struct namespace *ns)
{
    const struct ns_classes *in = classes_in(reach, ns);
    return in ? in->first : UINT32_MAX;
}

// ---- the classes that a rule's peers mean

static void add_selected(const struct reach *reach, const struct policy *policy, const struct peer *peer,
                         const struct namespace *ns, uint64_t *peers)
{
    const struct class *classes = reach->classes->items;
    for (uint32_t i = first_in(reach, ns); i != UINT32_MAX; i = classes[i].next_in_namespace)
        if ((ns->cluster == policy->cluster || pod_is_known_afar(reach->world, classes[i].pod)) &&
            peer_means_group(reach->world, policy, peer, classes[i].pod->group))
            bit_set(peers, i);
}

static void add_peer(const struct reach *reach, const struct policy *policy, const struct peer *peer,
                     uint64_t *peers)
{
    for (size_t c = 0; c < world_cluster_count(reach->world); c++) {
        if (!reach_scope(reach->world, reach->mode, policy, peer, c))
            continue;
        for (const struct namespace *ns = world_cluster(reach->world, c)->namespaces; ns; ns = ns->next)
            if (ns->groups && peer_means_namespace(reach->world, policy, peer, ns))
                add_selected(reach, policy, peer, ns, peers);
    }
}

// New bitset, the caller's.
static uint64_t *rule_peers(const struct reach *reach, const struct policy *policy, const struct rule *rule)
{
    uint64_t *peers = bits_new(reach);
    if (rule->from_all)
        memset(peers, 0xff, reach->words * sizeof(*peers));
    for (uint32_t i = 0; i < rule->peer_count; i++)
        if (!rule->peers[i].is_block)
            add_peer(reach, policy, &rule->peers[i], peers);
    const struct block_set *block = classes_block(reach->classes, rule);
    for (uint32_t i = 0; block && i < block->count; i++)
        bit_set(peers, reach->classes->pods[block->pods[i]].class);
    return peers;
}

// ---- profiles

// What one rule means, computed once: by how many profiles it may be asked.
struct meant {
    const struct rule *rule;
    uint32_t hash;
    uint64_t *peers;
};

static int same_rule(const void *record, const void *key)
{
    return ((const struct meant *)record)->rule == key;
}

static const uint64_t *peers_of(const struct reach *reach, struct table *meant, const struct policy *policy,
                                const struct rule *rule)
{
    const uint32_t hash = hash_pointer(HASH_START, rule);
    struct meant *known = table_find(meant, hash, same_rule, rule);
    if (!known) {
        known = ist_malloc(sizeof(*known));
        *known = (struct meant){rule, hash, rule_peers(reach, policy, rule)};
        table_add(meant, hash, known);
    }
    return known->peers;
}

static void admit(const struct reach *reach, struct profile *profile, conn ports, const uint64_t *peers)
{
    if (ports == CONN_NONE)
        return;
    struct entry *entry = NULL;
    for (uint32_t i = 0; i < profile->count && !entry; i++)
        if (profile->entries[i].ports == ports)
            entry = &profile->entries[i];
    if (!entry) {
        profile->entries = ist_realloc(profile->entries, profile->count + 1u, sizeof(*profile->entries));
        entry = &profile->entries[profile->count++];
        *entry = (struct entry){ports, bits_new(reach)};
    }
    for (size_t i = 0; i < reach->words; i++)
        entry->peers[i] |= peers[i];
}

// An egress rule with named ports: what a name is differs between destinations.
static void admit_by_destination(const struct reach *reach, struct profile *profile, const struct rule *rule,
                                 const uint64_t *peers)
{
    uint64_t *one = bits_new(reach);
    for (uint32_t i = 0; i < reach->classes->count; i++) {
        if (!bit_get(peers, i))
            continue;
        bit_set(one, i);
        admit(reach, profile,
              reach_rule_ports(reach->conns, rule, reach->classes->items[i].pod->group->ports), one);
        one[i / 64] = 0;
    }
    ist_free(one);
}

static void fill_profile(const struct reach *reach, uint8_t direction, struct table *meant,
                         struct profile *profile)
{
    for (uint32_t p = 0; p < profile->policy_count; p++) {
        const struct policy *policy = profile->policies[p];
        for (uint32_t r = 0; r < policy->rule_count; r++) {
            const struct rule *rule = &policy->rules[r];
            if (rule->direction != direction)
                continue;
            const uint64_t *peers = peers_of(reach, meant, policy, rule);
            if (direction == RULE_EGRESS && has_names(rule))
                admit_by_destination(reach, profile, rule, peers);
            else
                admit(reach, profile, reach_rule_ports(reach->conns, rule, profile->ports), peers);
        }
    }
}

static int same_profile(const void *record, const void *key)
{
    const struct profile *a = record, *b = key;
    return a->ports == b->ports && a->policy_count == b->policy_count &&
           !memcmp(a->policies, b->policies, a->policy_count * sizeof(*a->policies));
}

static void isolating(const struct class *class, uint8_t direction, struct profile *profile)
{
    int names = 0;
    for (const struct policy *policy = class->ns->policies; policy; policy = policy->next) {
        if (!(policy->types & direction) || !selector_match(&policy->pods, class->pod->group->labels))
            continue;
        profile->policies[profile->policy_count++] = policy;
        for (uint32_t i = 0; direction == RULE_INGRESS && i < policy->rule_count; i++)
            names |= has_names(&policy->rules[i]);
    }
    profile->ports = names ? class->pod->group->ports : NULL;
    profile->hash = hash_bytes(hash_pointer(HASH_START, profile->ports), profile->policies,
                               profile->policy_count * sizeof(*profile->policies));
}

static void compute_side(struct reach *reach, struct side *side, struct table *meant)
{
    size_t most = 0;
    side->profile_of = ist_calloc(reach->classes->count + 1u, sizeof(*side->profile_of));
    for (size_t c = 0; c < world_cluster_count(reach->world); c++)
        most += world_cluster(reach->world, c)->policy_count;
    const struct policy **policies = ist_calloc(most + 1, sizeof(*policies));
    for (uint32_t i = 0; i < reach->classes->count; i++) {
        struct profile wanted = {.policies = policies};
        isolating(&reach->classes->items[i], side->direction, &wanted);
        side->profile_of[i] = UINT32_MAX;
        if (!wanted.policy_count)
            continue;
        struct profile *profile = table_find(&side->known, wanted.hash, same_profile, &wanted);
        if (!profile) {
            profile = ist_malloc(sizeof(*profile));
            *profile = wanted;
            profile->policies = ist_calloc(wanted.policy_count, sizeof(*policies));
            memcpy(profile->policies, policies, wanted.policy_count * sizeof(*policies));
            profile->index = side->count++;
            side->profiles = ist_realloc(side->profiles, side->count, sizeof(*side->profiles));
            side->profiles[profile->index] = profile;
            table_add(&side->known, profile->hash, profile);
            fill_profile(reach, side->direction, meant, profile);
        }
        side->profile_of[i] = profile->index;
    }
    ist_free(policies);
}

// ---- the ends

struct member {
    const struct workload *workload;
    size_t cluster;
    uint32_t class;
    uint8_t host;
};

static int by_end(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = x->cluster < y->cluster ? -1 : x->cluster > y->cluster;
    order = order ? order : strcmp(x->workload->ns->text, y->workload->ns->text);
    order = order ? order : strcmp(x->workload->name->text, y->workload->name->text);
    order = order ? order : strcmp(x->workload->kind->text, y->workload->kind->text);
    return order ? order : x->class < y->class ? -1 : x->class > y->class;
}

static void collect_ends(struct reach *reach)
{
    const struct classes *classes = reach->classes;
    struct member *members = ist_calloc(classes->pod_count + 1u, sizeof(*members));
    for (uint32_t i = 0; i < classes->pod_count; i++) {
        const struct pod *pod = classes->pods[i].pod;
        members[i] = (struct member){pod->workload, pod->group->ns->cluster, classes->pods[i].class,
                                     (pod->flags & POD_HOST_NETWORK) != 0};
    }
    if (classes->pod_count)
        qsort(members, classes->pod_count, sizeof(*members), by_end);
    reach->ends = ist_calloc(classes->pod_count + 1u, sizeof(*reach->ends));
    reach->end_classes = ist_calloc(classes->pod_count + 1u, sizeof(*reach->end_classes));
    uint32_t used = 0;
    for (uint32_t i = 0; i < classes->pod_count; i++) {
        const struct member *m = &members[i], *before = i ? m - 1 : NULL;
        const int same = before && before->workload == m->workload && before->cluster == m->cluster;
        if (!same)
            reach->ends[reach->end_count++] = (struct reach_end){
                .cluster = m->cluster, .workload = m->workload, .classes = reach->end_classes + used};
        struct reach_end *end = &reach->ends[reach->end_count - 1];
        end->pods++;
        end->host_network |= m->host;
        if (same && before->class == m->class)
            continue;
        reach->end_classes[used++] = m->class;
        end->class_count++;
        end->guarded |= reach->ingress.profile_of[m->class] != UINT32_MAX ? RULE_INGRESS : 0;
        end->guarded |= reach->egress.profile_of[m->class] != UINT32_MAX ? RULE_EGRESS : 0;
    }
    ist_free(members);
}

// ---- all of it

struct reach *reach_compute(const struct world *world, uint32_t mode)
{
    struct reach *reach = ist_calloc(1, sizeof(*reach));
    struct table meant = {0};
    reach->world = world;
    reach->mode = mode;
    reach->conns = conns_new();
    reach->classes = classes_new(world);
    reach->words = (reach->classes->count + 63u) / 64u;
    reach->ingress.direction = RULE_INGRESS;
    reach->egress.direction = RULE_EGRESS;
    index_namespaces(reach);
    compute_side(reach, &reach->ingress, &meant);
    compute_side(reach, &reach->egress, &meant);
    collect_ends(reach);
    for (size_t i = 0; i < meant.room; i++) {
        struct meant *one = meant.slots[i].record;
        if (one)
            ist_free(one->peers);
        ist_free(one);
    }
    table_free(&meant);
    return reach;
}

static void side_free(struct side *side)
{
    for (uint32_t i = 0; i < side->count; i++) {
        struct profile *profile = side->profiles[i];
        for (uint32_t j = 0; j < profile->count; j++)
            ist_free(profile->entries[j].peers);
        ist_free(profile->entries);
        ist_free(profile->policies);
        ist_free(profile);
    }
    ist_free(side->profiles);
    ist_free(side->profile_of);
    table_free(&side->known);
}

void reach_free(struct reach *reach)
{
    if (!reach)
        return;
    for (size_t i = 0; i < reach->first_class.room; i++)
        ist_free(reach->first_class.slots[i].record);
    table_free(&reach->first_class);
    side_free(&reach->ingress);
    side_free(&reach->egress);
    classes_free(reach->classes);
    conns_free(reach->conns);
    ist_free(reach->ends);
    ist_free(reach->end_classes);
    ist_free(reach);
}

struct conns *reach_conns(const struct reach *reach)
{
    return reach->conns;
}

size_t reach_end_count(const struct reach *reach)
{
    return reach->end_count;
}

const struct reach_end *reach_end(const struct reach *reach, size_t end)
{
    return &reach->ends[end];
}

size_t reach_class_count(const struct reach *reach)
{
    return reach->classes->count;
}

// ---- asking

// What each ingress profile admits of class `from`; the last one stands for no isolation.
static void admitted(const struct reach *reach, uint32_t from, conn *by_profile)
{
    for (uint32_t p = 0; p < reach->ingress.count; p++) {
        const struct profile *profile = reach->ingress.profiles[p];
        by_profile[p] = CONN_NONE;
        for (uint32_t e = 0; e < profile->count; e++)
            if (bit_get(profile->entries[e].peers, from))
                by_profile[p] = conns_union(reach->conns, by_profile[p], profile->entries[e].ports);
    }
    by_profile[reach->ingress.count] = CONN_ALL;
}

// What class `from` may send to each class, by its own policies.
static void sent(const struct reach *reach, uint32_t from, conn *by_class)
{
    const uint32_t index = reach->egress.profile_of[from], count = reach->classes->count;
    for (uint32_t i = 0; i < count; i++)
        by_class[i] = index == UINT32_MAX ? CONN_ALL : CONN_NONE;
    if (index == UINT32_MAX)
        return;
    const struct profile *profile = reach->egress.profiles[index];
    for (uint32_t e = 0; e < profile->count; e++)
        for (uint32_t i = 0; i < count; i++)
            if (bit_get(profile->entries[e].peers, i))
                by_class[i] = conns_union(reach->conns, by_class[i], profile->entries[e].ports);
}

static void row_of_class(const struct reach *reach, uint32_t from, conn *by_profile, conn *by_class)
{
    admitted(reach, from, by_profile);
    sent(reach, from, by_class);
    for (uint32_t i = 0; i < reach->classes->count; i++) {
        const uint32_t profile = reach->ingress.profile_of[i];
        by_class[i] = conns_both(reach->conns, by_class[i],
                                 by_profile[profile == UINT32_MAX ? reach->ingress.count : profile]);
    }
}

void reach_row(const struct reach *reach, size_t from, conn *to)
{
    conn *by_profile = ist_calloc(reach->ingress.count + 1u, sizeof(*by_profile));
    conn *by_class = ist_calloc(reach->classes->count + 1u, sizeof(*by_class));
    for (uint32_t i = 0; i < reach->end_count; i++)
        to[i] = CONN_NONE;
    for (uint32_t c = 0; c < reach->ends[from].class_count; c++) {
        row_of_class(reach, reach->ends[from].classes[c], by_profile, by_class);
        for (uint32_t i = 0; i < reach->end_count; i++)
            for (uint32_t j = 0; j < reach->ends[i].class_count; j++) {
                const conn own = by_class[reach->ends[i].classes[j]];
                if (own != to[i]) // a hundred million times: no call where nothing comes of it
                    to[i] = conns_union(reach->conns, to[i], own);
            }
    }
    ist_free(by_profile);
    ist_free(by_class);
}
