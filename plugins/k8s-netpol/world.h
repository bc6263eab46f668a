// What network policies speak of, in all clusters: namespaces, pods, policies, services; as small records that are put
// in and taken out one object at a time. The daemon feeds it from watches, `isthmus policy map` from manifests or lists.
// Documents are borrowed and never kept.
#ifndef NETPOL_WORLD_H
#define NETPOL_WORLD_H

#include "rules.h"

struct world;

// ---- records; borrowed, valid until the world is changed

// Who a pod belongs to: its controller, or itself.
struct workload {
    uint32_t refs, hash;
    const struct name *ns, *name, *kind; // kind "Pod" for one without a controller
};

// Pods that no policy can tell apart but by address: of one namespace, with one set of labels and ports.
struct group {
    struct namespace *ns;
    const struct labels *labels;
    const struct named_ports *ports;
    uint32_t hash, pod_count;
    struct pod *pods;
    struct group *next, **link; // of the namespace
};

#define POD_HOST_NETWORK 1u // it has the node's address: never a peer from afar
#define POD_TEMPLATE     2u // a workload's template in a manifest: no address is known

struct pod {
    struct group *group;
    struct pod *next, **link; // within the group
    const struct workload *workload;
    struct ip *addresses; // all of podIPs, as told (inside the pod CIDRs or not)
    uint8_t address_count, flags;
    uint32_t hash;
    char name[];
};

struct namespace
{
    size_t cluster;
    const struct name *name;
    const struct name
        *common; // its name under the namespace map: equal ones in two clusters are the same namespace
    const struct labels *labels; // with kubernetes.io/metadata.name
    uint8_t declared;            // its object was seen; else only something in it
    uint32_t group_count;
    struct group *groups;
    struct policy *policies;
    struct service *services;
    struct namespace *next; // of the cluster
};

struct service {
    const struct name *name;
    struct selector selector; // of its labels
    uint8_t has_selector;
    uint8_t address_count;
    struct ip *addresses; // clusterIPs
    struct service *next; // of the namespace
};

struct cluster {
    const struct name *name;
    struct net *pod_nets; // declared pod CIDRs; none: every address is a pod's
    uint32_t pod_net_count;
    uint32_t pod_count, policy_count, service_count;
    struct namespace *namespaces; // in the order of their coming
};

// ---- making it

struct world *world_new(void);
void world_free(struct world *world);
struct names *world_names(struct world *world); // borrowed
size_t world_add_cluster(struct world *world,
                         const char *name); // its index; the same name again: the same index
void world_add_pod_net(struct world *world, size_t cluster, struct net net);
// The namespace map: `ns` of the cluster is what is called `common` among the clusters. Before anything is put in.
void world_map_namespace(struct world *world, size_t cluster, const char *ns, const char *common);
// With this, policies may have peers in the pipeline file's form (rules.h).
#define WORLD_EXTENDED 1u

// Adds or replaces. By kind: Namespace, Pod, NetworkPolicy, Service; Deployment, ReplicaSet, StatefulSet, DaemonSet,
// ReplicationController, Job and CronJob stand for one pod of their template (where a Pod of theirs is there too, that
// one alone counts); kinds ending in List with items: each. Others are passed over. Completed pods (phase Succeeded or
// Failed) are taken out. IST_ERR_INPUT: not an object of its kind; the world is then unchanged.
int32_t world_put(struct world *world, size_t cluster, const json_t *object, uint32_t flags, ist_error *err);
// Takes out; nothing when it is not there. Needs kind, metadata.namespace and metadata.name.
void world_remove(struct world *world, size_t cluster, const json_t *object);
// After the last object of a cluster that was read once: templates of workloads that have pods are taken out (with
// pods_alone: all templates), and pods of a ReplicaSet whose Deployment is there become the Deployment's.
void world_settle(struct world *world, size_t cluster, int pods_alone);

// Told of each change, before the old record is freed; `before` or `after` is NULL for a new one or one that goes.
// A pod put again exactly as it was is no change. A namespace is told of when its labels change.
struct world_watcher {
    void *arg;
    void (*pod)(void *arg, const struct pod *before, const struct pod *after);
    void (*ns)(void *arg, const struct namespace *ns); // its labels have changed (now)
    void (*policy)(void *arg, const struct policy *before, const struct policy *after);
    void (*service)(void *arg, const struct namespace *ns, const struct name *name);
};
void world_watch(struct world *world, const struct world_watcher *watcher); // copied; NULL: nobody

// ---- reading it; NULL or SIZE_MAX: none

size_t world_cluster_count(const struct world *world);
const struct cluster *world_cluster(const struct world *world, size_t cluster);
size_t world_find_cluster(const struct world *world, const char *name);
const struct namespace *world_find_namespace(const struct world *world, size_t cluster, const char *name);
const struct policy *world_find_policy(const struct world *world, size_t cluster, const char *ns,
                                       const char *name);
const struct service *world_find_service(const struct namespace *ns, const struct name *name);
const struct pod *world_find_pod(const struct world *world, size_t cluster, const char *ns, const char *name);
// The namespace of `cluster` that is the same as `ns` of another.
const struct namespace *world_same_namespace(const struct world *world, const struct namespace *ns,
                                             size_t cluster);

// ---- what a policy means

// Is `policy` stretched to that cluster: is it annotated so? Companions never are.
int policy_reaches(const struct world *world, const struct policy *policy, size_t cluster);
// May a pod be a peer of a policy of another cluster: not on the node's network, and with an address in the declared
// pod CIDRs (or a template, whose address is not known yet)?
int pod_is_known_afar(const struct world *world, const struct pod *pod);
int address_is_pods(const struct cluster *cluster, const struct ip *ip); // inside its declared pod CIDRs
// Does a selector peer mean the pods of `ns` (in any cluster the policy reaches), and those of `group`? The namespace of
// a peer without a namespaceSelector is the policy's own, or the same one in the other cluster; a namespaceSelector
// reads the labels of the cluster that `ns` is of. Blocks: 0. group_: both at once.
int peer_means_namespace(const struct world *world, const struct policy *policy, const struct peer *peer,
                         const struct namespace *ns);
int peer_means_group(const struct world *world, const struct policy *policy, const struct peer *peer,
                     const struct group *group);
// Might a companion of `policy` for the pod's cluster hold the pod's address: does a peer of any rule mean it?
int policy_concerns(const struct world *world, const struct policy *policy, const struct group *group);

#endif
