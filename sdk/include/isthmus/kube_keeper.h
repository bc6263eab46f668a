// isthmus/kube_keeper.h: a plugin that derives objects in some clusters from what is in all of them, and
// keeps them so. It says what to generate; reading, comparing, writing, watching and taking away are done
// here.
#ifndef ISTHMUS_KUBE_KEEPER_H
#define ISTHMUS_KUBE_KEEPER_H

#include <isthmus/kube_set.h>
#include <isthmus/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

// The clusters of a step: inputs `kubeconfigs` (map of name to kubeconfig), or `clusters[]` {name,
// kubeconfig}; the map wins. `pod_cidrs` (map of name to list of CIDRs) says which addresses are that
// cluster's pods.
typedef struct ist_cluster {
    char *name;
    char *uid; // of its kube-system namespace: what a cluster is
    ist_kube *kube;
    ist_net4 *pod_cidrs;
    size_t pod_cidr_count; // 0: not declared
} ist_cluster;

typedef struct ist_clusters {
    ist_cluster *items;
    size_t count;
} ist_clusters;

// Connects to all. Two names for one cluster are an error; so (IST_ERR_QUESTION) is a cluster whose uid is
// not the one that `recorded` (may be NULL) tells of.
IST_EXPORT int32_t ist_clusters_open(const ist_env *env, const json_t *inputs, const json_t *recorded,
                                     ist_clusters **clusters, ist_error *err);
// One of them alone, for what must go on when another cannot be reached. IST_ERR_INPUT when the inputs do not name it.
IST_EXPORT int32_t ist_clusters_open_one(const ist_env *env, const json_t *inputs, const char *name,
                                         const json_t *recorded, ist_clusters **clusters, ist_error *err);
IST_EXPORT void ist_clusters_free(ist_clusters *clusters);
IST_EXPORT ist_cluster *ist_clusters_find(const ist_clusters *clusters,
                                          const char *name); // borrowed, or NULL
// Is this address one of the cluster's pods? Always, where no CIDR is declared.
IST_EXPORT int ist_cluster_has_pod(const ist_cluster *cluster, const char *address);

typedef struct ist_keeper {
    const char *what;                  // in messages: "mirrored services"
    const ist_kube_kind_name *kinds;   // what it writes, in the order of creation
    const ist_kube_kind_name *watched; // what the answer depends on, in every cluster
    // Fills `wanted` (object: cluster -> array of objects, ownership labels not yet on them) and `notes`
    // (array of strings: what was left out, and why). Reads only; called again whenever something watched has
    // changed.
    int32_t (*generate)(const ist_env *env, const json_t *inputs, const ist_clusters *clusters,
                        json_t *wanted, json_t *notes, json_t *outputs, ist_error *err);
    ist_kube_finish *finish; // see kube_set.h; may be NULL
} ist_keeper;

// One operation of such a plugin, whole: IST_KEEPER_OPERATION(observe, keeper) defines `observe`.
#define IST_KEEPER_OPERATION(operation, keeper)                                                              \
    static int32_t operation(const ist_host *host, ist_call *call)                                           \
    {                                                                                                        \
        return ist_keeper_##operation(&(ist_env){host, call}, &(keeper));                                    \
    }
IST_EXPORT int32_t ist_keeper_observe(const ist_env *env, const ist_keeper *keeper);
IST_EXPORT int32_t ist_keeper_plan(const ist_env *env, const ist_keeper *keeper);
IST_EXPORT int32_t ist_keeper_apply(const ist_env *env, const ist_keeper *keeper);
IST_EXPORT int32_t ist_keeper_destroy(const ist_env *env, const ist_keeper *keeper);
IST_EXPORT int32_t ist_keeper_verify(const ist_env *env,
                                     const ist_keeper *keeper); // a check a cluster: nothing to do
IST_EXPORT int32_t ist_keeper_watch(const ist_env *env, const ist_keeper *keeper);

#ifdef __cplusplus
}
#endif
#endif
