// NetworkPolicy as networking.k8s.io/v1 defines it. Pure: judges one end of one connection.
#ifndef LAB_NET_POLICY_H
#define LAB_NET_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NET_ICMP = 1, NET_TCP = 6, NET_UDP = 17, NET_SCTP = 132 };

struct net_end {
    const json_t *pod;       // as the API server has it, borrowed; NULL: no pod that this cluster knows
    const json_t *ns_labels; // of the pod's namespace, borrowed
    uint32_t address;        // host order, as seen here; 0: no ipBlock matches it
};

struct net_connection {
    struct net_end src, dst;
    int proto, port; // the port at the destination, after translation
    bool vpc_cni;    // judged by the VPC CNI: a named port never matches together with an ipBlock
};

// Do the policies (array, of one cluster, borrowed) let the destination take (ingress) or the source make (egress)
// this connection? False with the policies that isolate it named in why.
bool net_policy_allows(const json_t *policies, bool ingress, const struct net_connection *connection,
                       char *why, size_t size);

#endif
