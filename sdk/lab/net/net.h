// Can one pod reach another? Derived from all that exists in the lab: services and DNS, policies, routes,
// security groups, source/dest check, the tunnel, SNAT. Undoing any single piece changes the answer and names
// it.
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
    uint32_t seen; // the source address that the receiver sees
    char why[256]; // what is missing, when not reachable
};

void lab_net_reach(struct lab *lab, const struct lab_flow *flow, struct lab_answer *answer);

#endif
