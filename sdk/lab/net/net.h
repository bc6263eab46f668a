// Can one pod reach another? Derived from all that exists in the lab: services and DNS, policies, routes,
// security groups, source/dest check, the tunnel, SNAT. Undoing any single piece changes the answer and names it.
#ifndef LAB_NET_H
#define LAB_NET_H

#include "../kube/kube.h"

struct lab_flow {
    struct lab_cluster *from;
    uint32_t src; // the pod's address, host order
    uint32_t dst; // a pod address of any cluster, or a ClusterIP of `from`
    int proto;    // 1 ICMP, 6 TCP, 17 UDP
    int port;
};

struct lab_answer {
    bool reachable;
    bool
        refused; // not reachable, and the client is told so at once (nothing listens) instead of by a timeout
    uint32_t seen;      // the source address that the receiver sees
    uint32_t delivered; // the address that took it, after translation
    char why[256];      // what is missing, when not reachable
};

void lab_net_reach(struct lab *lab, const struct lab_flow *flow, struct lab_answer *answer);

// What a pod of a namespace gets for a host name from its cluster's DNS: a Service's ClusterIP, or the first address
// of a headless one. "NAME", "NAME.NS", "NAME.NS.svc" and "NAME.NS.svc.cluster.local"; an address is itself. False with
// the reason in why.
bool lab_net_resolve(struct lab_cluster *cluster, const char *ns, const char *host, uint32_t *address,
                     char *why, size_t size);

// The pod that has an address: running, and (unless nothing else has it) not of the host's network. Borrowed until the
// lock is released; NULL: none. *owner is its cluster.
const json_t *lab_net_pod_at(struct lab *lab, uint32_t address, struct lab_cluster **owner);

#endif
