// isthmus/kube_clusters.h: the clusters of a step, told apart by what they are and not by what they are called.
#ifndef ISTHMUS_KUBE_CLUSTERS_H
#define ISTHMUS_KUBE_CLUSTERS_H

#include <isthmus/kube.h>
#include <isthmus/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

// The clusters of a step: inputs `kubeconfigs` (map of name to kubeconfig), or `clusters[]` {name,
// kubeconfig}; the map wins. `pod_cidrs` (map of name to list of CIDRs) says which addresses are that
// cluster's pods.
typedef struct ist_cluster {
    char *name;
    char *uid; // of its kube-system namespace: what a cluster is; NULL: it has not answered yet
    ist_kube *kube;
    ist_net *pod_cidrs;    // of both families
    size_t pod_cidr_count; // 0: not declared
} ist_cluster;

typedef struct ist_clusters {
    ist_cluster *items;
    size_t count;
} ist_clusters;

// Reads who they are and how they are reached; asks none of them: `uid` is NULL until its owner sets it.
IST_EXPORT int32_t ist_clusters_load(const ist_env *env, const json_t *inputs, ist_clusters **clusters,
                                     ist_error *err);
// Connects to all. Two names for one cluster are an error; so (IST_ERR_QUESTION) is a cluster whose uid is
// not the one that `recorded` (may be NULL) tells of.
IST_EXPORT int32_t ist_clusters_open(const ist_env *env, const json_t *inputs, const json_t *recorded,
                                     ist_clusters **clusters, ist_error *err);
// One of them alone, for what must go on when another cannot be reached. IST_ERR_INPUT when the inputs do not name it.
IST_EXPORT int32_t ist_clusters_open_one(const ist_env *env, const json_t *inputs, const char *name,
                                         const json_t *recorded, ist_clusters **clusters, ist_error *err);
// The uid that an earlier run recorded for this cluster; borrowed from `recorded`, NULL when there is none.
IST_EXPORT const char *ist_clusters_recorded_uid(const json_t *recorded, const char *name);
// The failures of several clusters as one: the first of them; where they are out of reach, or not the ones that they
// were, its place is the names of all that are, "ccp, aws", which is how the core knows what `--forget` helps with.
IST_EXPORT void ist_clusters_failed(ist_error *sum, const char *cluster, const ist_error *fault);
IST_EXPORT void ist_clusters_free(ist_clusters *clusters);
IST_EXPORT ist_cluster *ist_clusters_find(const ist_clusters *clusters,
                                          const char *name); // borrowed, or NULL

#ifdef __cplusplus
}
#endif
#endif
