// Which addresses a peer of another cluster stands for.
#ifndef NETPOL_PEERS_H
#define NETPOL_PEERS_H

#include <isthmus/kube_keeper.h>

// What is known of one cluster; read once a round.
struct view {
    const ist_cluster *cluster;           // borrowed
    json_t *pods, *namespaces, *services; // arrays
};
int32_t view_read(const ist_cluster *cluster, struct view *view, ist_error *err);
void view_free(struct view *view);

// Does a label selector {matchLabels, matchExpressions} choose these labels? An empty one chooses all.
int selector_matches(const json_t *selector, const json_t *labels);

// Adds (as keys of `addresses`, "10.0.110.197/32") every pod of the view that `peer` means. A peer:
// {namespace | namespaceSelector, podSelector | service}. A namespace alone is all its pods; a podSelector
// without a namespace means `own_namespace`, as in a NetworkPolicy. Pods count that have an address, ready or
// not; never completed ones, never those on the node's network, never outside the cluster's declared pod
// CIDRs: those are told in `notes`.
void peer_addresses(const struct view *view, const json_t *peer, const char *own_namespace, json_t *addresses,
                    json_t *notes);

#endif
