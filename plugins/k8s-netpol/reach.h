// Who may connect to whom, in all clusters of a world at once. Pods that no policy tells apart are one class; what is
// computed is between classes.
#ifndef NETPOL_REACH_H
#define NETPOL_REACH_H

#include "world.h"

// What a selector peer means beyond its policy's own cluster.
#define REACH_ANNOTATED 0u // the clusters that the policy is annotated for
#define REACH_FEDERATED 1u // every cluster, as if each policy were annotated "*"
#define REACH_PLAIN     2u // none: what stands in the objects as they are, companions among them

// Does `peer` of `policy`, under `mode`, mean pods of that cluster by their labels?
int reach_scope(const struct world *world, uint32_t mode, const struct policy *policy,
                const struct peer *peer, size_t cluster);
// Does the peer mean this pod: by labels within its scope, or by address from afar?
int reach_peer_means(const struct world *world, uint32_t mode, const struct policy *policy,
                     const struct peer *peer, const struct pod *pod);
// Does it mean an address outside all clusters?
int reach_peer_covers(const struct peer *peer, const struct ip *ip);
// What a rule's ports are for a destination: numbers, and names as it has them.
conn reach_rule_ports(struct conns *conns, const struct rule *rule, const struct named_ports *destination);

// One end: a workload in one cluster.
struct reach_end {
    size_t cluster;
    const struct workload *workload; // borrowed from the world
    uint32_t pods;                   // how many it has (1 for a template)
    uint32_t class_count;            // more than 1: its pods are not alike to the policies
    const uint32_t *classes;
    uint8_t host_network;
    uint8_t guarded; // RULE_...: a policy isolates one of its pods in that direction
};

struct reach;
// The world must not change while the answer is used.
struct reach *reach_compute(const struct world *world, uint32_t mode);
void reach_free(struct reach *reach);
struct conns *reach_conns(const struct reach *reach); // borrowed: what the answers are sets of
// Sorted by cluster, namespace, name, kind.
size_t reach_end_count(const struct reach *reach);
const struct reach_end *reach_end(const struct reach *reach, size_t end);
size_t reach_class_count(const struct reach *reach);

// What the end `from` may connect to: to[i] for every end (reach_end_count() of them), itself included. Where the pods of
// one end differ: what any of them may.
void reach_row(const struct reach *reach, size_t from, conn *to);

#endif
