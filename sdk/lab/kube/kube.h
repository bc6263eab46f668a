// What the other modules of the lab may ask of its Kubernetes clusters.
#ifndef LAB_KUBE_H
#define LAB_KUBE_H

#include "../lab.h"

struct lab_cluster;

struct lab_cluster_spec {
    const char *name;     // "ccp" (on premises, there from the start) or the EKS cluster's name
    const char *version;  // "1.29"
    const char *pod_cidr; // on premises; NULL on EKS, where lab_aws_pod_address() gives them
    const char *service_cidr;
    const json_t *nodes; // array of {name, address}; borrowed
    bool eks;            // bearer tokens are lab_aws_token_arn()'s; DaemonSet kube-system/aws-node exists
};

// Starts a cluster's API server: https://127.<slot>.0.<host>:<port>. Its admin kubeconfig (client
// certificate) lands in DIR/<name>.kubeconfig. Objects every cluster has: namespaces default, kube-system
// (with a uid), default/kubernetes, the nodes; on EKS also DaemonSet aws-node and its pods.
struct lab_cluster *lab_kube_create(struct lab *lab, const struct lab_cluster_spec *spec);
void lab_kube_delete(struct lab *lab, const char *name);
void lab_kube_add_node(struct lab_cluster *cluster, const char *name, const char *address);
void lab_kube_remove_node(struct lab_cluster *cluster, const char *name); // and with it what ran there
// EKS's managed add-on vpc-cni: its configuration ({env, enableNetworkPolicy}; NULL: the defaults) is applied by the field
// manager "eks". What others have set otherwise stays with `resolve` PRESERVE, is taken from them with OVERWRITE, and with
// anything else nothing is applied: then the answer says what is in the way (malloc'd), which else is NULL.
char *lab_kube_configure_cni(struct lab_cluster *cluster, const json_t *values, const char *resolve);
struct lab_cluster *lab_kube_find(struct lab *lab, const char *name);
const char *lab_kube_url(const struct lab_cluster *cluster);
// The admin kubeconfig's text with the certificate inline: what the container platform hands out on premises.
char *lab_kube_admin_kubeconfig(struct lab_cluster *cluster);

// Objects as the server would answer them; borrowed until the lock is released. `ns` NULL: cluster scope.
const json_t *lab_kube_get(struct lab_cluster *cluster, const char *resource, const char *ns,
                           const char *name);
// New array of borrowed objects of a resource ("pods"), of one namespace or (NULL) all.
json_t *lab_kube_list(struct lab_cluster *cluster, const char *resource, const char *ns);

// Turns switches of a cluster: {"snat": "on"|"off"|"hidden", "dual-stack": "on"|"off"}. NULL, or why not (malloc'd);
// those before the one that was refused are turned.
char *lab_kube_set(struct lab *lab, const char *name, const json_t *values);

#endif
