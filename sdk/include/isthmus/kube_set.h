// isthmus/kube_set.h: a set of objects that one step keeps in a cluster: told apart from everybody else's by
// ownership labels, compared with what is wanted, and made so. What plugins that generate objects stand on.
#ifndef ISTHMUS_KUBE_SET_H
#define ISTHMUS_KUBE_SET_H

#include <isthmus/kube.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IST_LABEL_MANAGED_BY     "app.kubernetes.io/managed-by" // value "isthmus"
#define IST_LABEL_OWNER          "isthmus.dev/owner"            // value: ist_kube_owner()
#define IST_LABEL_SOURCE_CLUSTER "isthmus.dev/source-cluster"
// An annotation: the keys of the labels and annotations that a copy has from its source, "labels=a,b;annotations=c".
// One that the source loses changes it, and so is found although metadata may hold what nobody here wants.
#define IST_ANNOTATION_CARRIED "isthmus.dev/carried"

// The label value that stands for this step: "stars.services"; characters that a label cannot hold and
// anything over 63 of them end in a hash, so that two steps never share one. The caller's (ist_free).
IST_EXPORT char *ist_kube_owner(const ist_env *env);
// Writes the two ownership labels into object.metadata.labels.
IST_EXPORT void ist_kube_own(json_t *object, const char *owner);
// Did any Isthmus write this object?
IST_EXPORT int ist_kube_is_ours(const json_t *object);

// How `live` differs from `wanted`: array of {field, before, after}, empty when it does not. Maps under
// metadata may hold more than wanted, but for IST_LABEL_SOURCE_CLUSTER and IST_ANNOTATION_CARRIED; elsewhere a
// key that nobody asked for is a difference unless its name stands in `server_set` (NULL-terminated; may be
// NULL) or its value is empty. "name=text" there: with that value alone. Lists are compared whole, in order.
IST_EXPORT json_t *ist_kube_diff(const json_t *wanted, const json_t *live, const char *const *server_set);

typedef struct ist_kube_kind_name {
    const char *api, *kind;
    const char *const *server_set; // fields that the server fills in: not a difference
} ist_kube_kind_name;
// Tells what is to be done in a cluster as changes of a plan ("Service stars/frontend in aws"). `actions`: array of
// {action: "create"|"update"|"delete", object (what is wanted, or who it is), fields (as of ist_kube_diff()), uid}.
IST_EXPORT void ist_kube_set_report(const ist_env *env, const char *cluster, const json_t *actions);
// Waits until an object is gone, its finalizers run, with progress; the operation's deadline ends it.
IST_EXPORT int32_t ist_kube_wait_gone(ist_kube *kube, const char *api, const char *kind, const char *ns,
                                      const char *name, ist_error *err);
// Deletes everything of `kinds` that carries `owner`, in reverse order of kinds, and waits until it is gone, so
// that what is made right after is new. Namespaces only when nothing
// but what every namespace has is left in them.
IST_EXPORT int32_t ist_kube_set_delete(ist_kube *kube, const char *owner, const ist_kube_kind_name *kinds,
                                       ist_error *err);

#ifdef __cplusplus
}
#endif
#endif
