// isthmus/kube.h: a Kubernetes client: kubeconfigs, discovery, paged lists, server-side apply, delete with
// preconditions. What watches stands on kube_reconciler.h.
#ifndef ISTHMUS_KUBE_H
#define ISTHMUS_KUBE_H

#include <isthmus/http.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_kube ist_kube; // one cluster; for one thread

typedef struct ist_kube_options {
    uint32_t size;
    const char *name; // of the cluster in messages: "aws"
    const char
        *kubeconfig; // a path, several joined by ':', or the text itself (begins with '{' or holds a newline)
    const char *context; // NULL: current-context
    const char *manager; // field manager; NULL: "isthmus"
} ist_kube_options;

// Credentials of the user entry: client certificate, token, tokenFile, username/password, exec
// (aws-iam-authenticator and `aws eks get-token` are minted in process; others are run with a deadline). The
// server's CA as given.
IST_EXPORT int32_t ist_kube_new(const ist_env *env, const ist_kube_options *options, ist_kube **kube,
                                ist_error *err);
IST_EXPORT void ist_kube_free(ist_kube *kube);
IST_EXPORT const char *ist_kube_name(const ist_kube *kube);
IST_EXPORT const char *ist_kube_server(const ist_kube *kube);
// The uid of namespace kube-system: what a cluster is. Borrowed; fetched once.
IST_EXPORT int32_t ist_kube_uid(ist_kube *kube, const char **uid, ist_error *err);
IST_EXPORT int32_t ist_kube_version(ist_kube *kube, int *major, int *minor, ist_error *err);

// What serves a kind: from discovery, cached. Strings are borrowed from the client.
typedef struct ist_kube_kind {
    const char *api;      // "v1", "apps/v1"
    const char *kind;     // "Deployment"
    const char *resource; // "deployments"
    int namespaced;
} ist_kube_kind;
// IST_ERR_NOT_FOUND when the cluster does not serve it, with the version that would (if any) as hint.
IST_EXPORT int32_t ist_kube_kind_of(ist_kube *kube, const char *api, const char *kind, ist_kube_kind *found,
                                    ist_error *err);

// Objects by (api, kind, namespace or NULL, name). Answers are new references.
IST_EXPORT int32_t ist_kube_get(ist_kube *kube, const char *api, const char *kind, const char *ns,
                                const char *name, json_t **object,
                                ist_error *err); // IST_ERR_NOT_FOUND quietly
IST_EXPORT int32_t ist_kube_list(ist_kube *kube, const char *api, const char *kind, const char *ns,
                                 const char *label_selector, const char *field_selector, json_t **items,
                                 char **resource_version,
                                 ist_error *err); // paged; resource_version may be NULL
// Server-side apply. force: take fields over from other managers. Conflict: IST_ERR_CONFLICT, owners in text.
IST_EXPORT int32_t ist_kube_apply(ist_kube *kube, const json_t *object, int force, json_t **applied,
                                  ist_error *err);
IST_EXPORT int32_t ist_kube_apply_dry(ist_kube *kube, const json_t *object, json_t **applied,
                                      ist_error *err); // a read
IST_EXPORT int32_t ist_kube_create(ist_kube *kube, const json_t *object, json_t **created, ist_error *err);
IST_EXPORT int32_t ist_kube_patch(ist_kube *kube, const char *api, const char *kind, const char *ns,
                                  const char *name, const char *patch_type, const json_t *patch,
                                  json_t **patched, ist_error *err);
// Only if uid (and resource_version) still fit; either may be NULL. Gone already is IST_OK.
IST_EXPORT int32_t ist_kube_delete(ist_kube *kube, const char *api, const char *kind, const char *ns,
                                   const char *name, const char *uid, const char *resource_version,
                                   ist_error *err);
// Any other request; `path` with its query.
IST_EXPORT int32_t ist_kube_raw(ist_kube *kube, const char *method, const char *path, const json_t *body,
                                int *status, json_t **answer, ist_error *err);

// Waits until a workload (Deployment, DaemonSet, ReplicationController, ...) has rolled out, or Namespace is
// active.
IST_EXPORT int32_t ist_kube_rollout(ist_kube *kube, const json_t *object, ist_error *err);
// One look at it, without waiting: *ready 1 when it has, else *text (the caller's, ist_free) says what holds
// it up: "1 of 2 available; pod web-x, container web: ImagePullBackOff: ...". An error where its controller
// has given up.
IST_EXPORT int32_t ist_kube_rollout_look(ist_kube *kube, const json_t *object, int *ready, char **text,
                                         ist_error *err);
// Pods of a workload that has rolled out may still be ending: they have an address, and may be sent something. *text
// (the caller's, ist_free) says so: "1 pod of it still ending, first web-x"; NULL: none is. A pod that should long be
// gone (its node does not answer) is not waited for. `object` with its selector, as a manifest has it.
IST_EXPORT int32_t ist_kube_rollout_leftover(ist_kube *kube, const json_t *object, char **text,
                                             ist_error *err);

// Before a cluster goes: deletes its Services of type LoadBalancer, and waits until their controller has let go of each.
// A cluster that goes before its load balancers leaves them behind, and their interfaces keep subnets and groups.
// *found: how many there were, also after a failure (0 where they could not be looked for).
IST_EXPORT int32_t ist_kube_drain(ist_kube *kube, int64_t timeout_ms, size_t *found, ist_error *err);

#ifdef __cplusplus
}
#endif
#endif
