// The companions of a stretched policy: NetworkPolicies that say, as addresses, what the original says of the pods of
// one other cluster. They stand beside the original, in its cluster and namespace. A pure function of the world:
// whoever calls decides when, compares and writes.
//
// The rules, which callers and tests hold it to:
//
// Targets. podSelector is the original's, verbatim (pod_selector_text). Peers are stretched, never targets: a companion
//   only adds peers for pods that the original selects in its own cluster.
// policyTypes is always written: those of the original's effective types in which THIS companion has a rule, in the order
//   Ingress, Egress. So a companion never isolates a pod in a direction in which the original does not.
// Rules. One for each rule of the original that has a selector peer which means at least one remote address. Left out
//   are: rules without peers (everybody is let in already), ipBlock peers (they hold for remote addresses as they
//   stand), and selector peers that mean no address now. A rule in which no peer is left is left out whole: `from: []`,
//   `to: []` and a missing from/to mean EVERYBODY and are never written. No rule left: no companion. A direction that the
//   original's effective types do not have gives no rule, even where the document lists some.
// Peers. ipBlocks alone, without exceptions; sorted by address (IPv4 before IPv6), each address once a rule; neighbours
//   joined only where the blocks cover exactly the same addresses (10.0.0.4/32 + 10.0.0.5/32 = 10.0.0.4/31). The same
//   world gives the same bytes, in whatever order it was filled.
// Which addresses. Every pod of the remote cluster that the peer means and that has one, ready or not, initialising or
//   terminating, all of status.podIPs. Never of Succeeded or Failed pods (the world does not hold them: their address may
//   be somebody else's already), never of hostNetwork pods, never outside the cluster's declared pod CIDRs (noted).
//   An address that two pods show at once (it moves from one to the other), of one cluster or of two whose pod CIDRs both
//   hold it, counts only when the peer means all pods that show it: a withdrawal comes first.
// Which pods a peer means. podSelector alone: the namespace that is the same as the policy's there (namespace map; none:
//   nobody). namespaceSelector: read against the REMOTE cluster's namespace labels, kubernetes.io/metadata.name implied.
//   Both: both. A pipeline file's peer: `cluster` is that cluster alone, `namespace` by its name there, `service` the pods
//   of that Service's selector (none, or without a selector: nobody, noted).
// Ports. Copied: protocol always written (TCP where unset), numbers with endPort. A NAMED ingress port belongs to the
//   pods selected here: the name stays (not under the VPC CNI: see is_vpc). A NAMED egress port is the remote pod's: one rule for
//   each number it resolves to, with the addresses of the pods that have it so; a pod without such a port is in none, and
//   where several ports are named the rest of the rule's ports go with every address. `ports: []` is never written: it
//   means every port.
// Metadata. name: as companion_name(). namespace: the original's. No label or annotation of the original's.
//   labels: isthmus.dev/source-cluster = the remote cluster's name; the caller adds its owner labels.
//   annotations: isthmus.dev/policy = the original's name (companion_of() reads it back).
//   ownerReferences: [{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, name, uid}] of the original, so that it goes
//   with it while nothing watches; left out where the uid is not known (manifests).
// Shards. At most `shard_peers` addresses in one object (a rule too long is divided into equal rules in several objects);
//   policies add up, so it does not matter in which shard a block stands. An address stays in its shard as far as can be:
//   shards are cut by address ranges (halves of halves, as deep as needed), not by count from the front, so that one pod's coming does not
//   rewrite all of them.
// Annotation isthmus.dev/clusters: "*" or names. The caller asks policy_reaches(); what is told here holds without it too,
//   so that `map --federate` can ask for a policy that is not annotated.
#ifndef NETPOL_COMPANION_H
#define NETPOL_COMPANION_H

#include "ipset.h"
#include "world.h"

// A port of a ClusterIP in the policy's own cluster and what it leads to: the VPC CNI judges egress before that is
// translated, so it must be named as well. It is, where one of its ends is allowed by the companion's rules, and each of
// the others by them, by the original or by a companion for another cluster.
struct vip_end {
    struct ip ip;
    uint16_t port;
};
struct vip {
    struct ip address;
    uint8_t protocol;
    uint16_t port;
    uint32_t end_count; // 0: leads nowhere, is never named
    const struct vip_end *ends;
};

struct companion_options {
    // Is the policy's cluster under the VPC CNI? Named ports in ipBlock rules are dropped there: a named INGRESS port is written as its number if every pod
    // that the policy selects has it with the same number; else the port is left out (and the rule, if it was the last)
    // with a note that names two pods which differ. More ports for one address than its agent takes are noted.
    int is_vpc;
    int lacks_ranges;     // the policy's cluster is older than endPort (policies of the pipeline file alone)
    uint32_t shard_peers; // addresses in one object; 0: 500
    const struct vip *vips; // borrowed; of the policy's own cluster
    size_t vip_count;
    // By cluster of the world, 1: this policy's companion for it is written too (for ClusterIPs that lead to several).
    // NULL: none is. Borrowed.
    const uint8_t *written;
    // Do two pods show the address, of one cluster or of two that share a network? NULL: looked for here, in all of them.
    int (*contested)(void *arg, const struct ip *ip);
    // Is the address to be left out for now (it is still to be withdrawn elsewhere)? NULL: none is.
    int (*withheld)(void *arg, const struct ip *ip);
    void *arg;
    struct ip_set *addresses; // gets every address that is written, unsealed; NULL: nobody asks
};

// The companions of `policy` for the cluster `remote` (never its own): array of NetworkPolicy objects, one a shard, empty
// when none is needed. New reference. `notes` (an array, may be NULL) gets a sentence for everything left out.
json_t *companions_make(const struct world *world, const struct policy *policy, size_t remote,
                        const struct companion_options *options, json_t *notes);

// "<original>-isthmus-<remote>[-<shard>]", cut to 253 characters with a hash where it would be longer. ist_free.
char *companion_name(const struct policy *policy, const char *remote, uint32_t shard);
// The name of the original that a companion belongs to, borrowed; NULL: it is none.
const char *companion_of(const json_t *object);

#endif
