// What in a cluster's configuration would translate its pods' addresses on the way to the pods of another, so that
// policies there cannot know them. The proof is k8s-probe's; this says where to look and what to write.
#ifndef NETPOL_SNAT_H
#define NETPOL_SNAT_H

#include "cni.h"

#include <isthmus/kube_clusters.h>

// What is read of one cluster. Everything may be NULL: not there.
struct snat_facts {
    int read;
    struct cni cni;
    json_t *aws_node, *flannel; // DaemonSets
    json_t *pools;              // array of Calico's IPPools
    const char *pools_api;      // under which they were listed; static
    json_t *masq_agent;         // ConfigMap ip-masq-agent
    json_t *masq_agent_set;     // DaemonSet ip-masq-agent
    json_t *kube_proxy;         // ConfigMap kube-proxy or kube-proxy-config
    json_t *cilium;             // ConfigMap cilium-config
    int mesh;                   // Cilium's clustermesh-apiserver is there
    json_t *mesh_users;         // ConfigMap clustermesh-remote-users
};
int32_t snat_read(ist_kube *kube, struct snat_facts *facts, ist_error *err);
void snat_free(struct snat_facts *facts);
// That alone of a cluster with Cilium which says whether it is in a ClusterMesh: as of snat_mesh_member().
int32_t snat_read_mesh(ist_kube *kube, json_t **member, ist_error *err);

// The findings of `cluster` towards the pods of `remote`: array of {ok: bool, text}; where nothing could translate,
// one that is ok and says what was looked at. New reference.
json_t *snat_findings(const struct snat_facts *facts, const ist_cluster *cluster, const ist_cluster *remote);
// Which of the pod CIDRs of two clusters overlap: the caller's text, NULL when none does.
char *snat_overlap(const ist_cluster *a, const ist_cluster *b);
// What a cluster says of the ClusterMesh that it is in: {id, name, peers?: [name]}; NULL: it is in none. New reference.
// `peers` are the clusters that may ask its server, as far as each of them does so by a name of its own; without them it is
// not known who may.
json_t *snat_mesh_member(const struct snat_facts *facts);
// Are two joined by a ClusterMesh, as far as can be read? Their pods are then identities of each other's policies and no
// ipBlock matches them. Ids and names are unique within one mesh, and those of two meshes may differ just as well: two that
// name their peers, and not each other, are strangers. Where one does not say, they may be joined. Sources:
// https://docs.cilium.io/en/stable/security/policy/language/ (CIDR rules do not apply to endpoints that Cilium manages);
// the chart's values clustermesh.apiserver.tls.authMode and ConfigMap clustermesh-remote-users.
int snat_mesh_joined(const json_t *a, const json_t *b);
int snat_meshed(const struct snat_facts *a, const struct snat_facts *b); // as above

#endif
