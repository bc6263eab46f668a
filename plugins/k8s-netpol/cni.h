// Which network plugin a cluster runs, what enforces its NetworkPolicies, and which policies of other kinds there
// are that nothing here judges.
#ifndef NETPOL_CNI_H
#define NETPOL_CNI_H

#include <isthmus/kube.h>

// Told from DaemonSets, one after the other; zero-initialise. Bits are rows of the table in cni.c.
struct cni {
    uint32_t seen;
    uint32_t agent; // 1: the VPC CNI's own policy agent is on (aws-node, --enable-network-policy=true)
};
void cni_see(struct cni *cni, const json_t *daemonset, int gone);

// What enforces NetworkPolicies. Static: "VPC CNI", "Calico", "Cilium", "Antrea", ..., "nothing" where only plugins
// without policies are seen, NULL where none is known.
const char *cni_engine(const struct cni *cni);
// Does the VPC CNI's agent judge? It judges egress before ClusterIP translation and drops named ports of ipBlock
// rules. Source: https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html and
// aws-network-policy-agent's limitations.
int cni_is_vpc(const struct cni *cni);
int cni_is_cilium(const struct cni *cni);

// Is this a kind of policy that decides about traffic and that is not modelled here? By its API group.
int policy_unmodelled(const char *api, const char *kind);
// All of those in a cluster: array of "CiliumNetworkPolicy shop/front". Kinds that it does not serve have none.
int32_t policy_unmodelled_list(ist_kube *kube, json_t **found, ist_error *err);

#endif
