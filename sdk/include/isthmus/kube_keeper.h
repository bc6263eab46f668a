// isthmus/kube_keeper.h: a plugin that derives objects in some clusters from what is in all of them, and
// keeps them so. It says what to generate; reading, comparing, writing, watching and taking away are done
// here.
#ifndef ISTHMUS_KUBE_KEEPER_H
#define ISTHMUS_KUBE_KEEPER_H

#include <isthmus/kube_clusters.h>
#include <isthmus/kube_set.h>

#ifdef __cplusplus
extern "C" {
#endif

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
