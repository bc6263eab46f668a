// isthmus/kube_reconciler.h: a plugin that derives objects in some clusters from what is in all of them, and
// keeps them so. The plugin holds a model: small records made from the objects it is shown, never the
// documents. It says which keys a change touches and what belongs under a key; listing, watching, comparing,
// writing, leases, grace and status are done here, and so are all six operations.
//
// A key is what is decided and written as one: a service's "namespace/name" with its slices; a policy with
// its companions. Keys are independent of each other and are written side by side.
//
// Everything happens on the operation's one thread, between two callbacks nothing of the model changes. Of the
// inputs the runtime itself reads `kubeconfigs`, `clusters`, `pod_cidrs` (kube_clusters.h) and
// `lease_namespace` (string; without it "kube-system"): a plugin that offers that one lists it in its table.
#ifndef ISTHMUS_KUBE_RECONCILER_H
#define ISTHMUS_KUBE_RECONCILER_H

#include <isthmus/kube_clusters.h>
#include <isthmus/kube_set.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_reconciler ist_reconciler; // one run; what a model tells of itself goes there
typedef struct ist_wanted ist_wanted;         // what belongs under one key of one cluster

// ---- kinds
// Every kind is listed and watched once in each cluster. Objects that carry this step's owner label are its
// own: they are compared and written, and never shown to see(). So are those that lost the label by somebody's hand,
// which are known by their uid (state records those of an apply, a watch those that it has seen): the label is put
// back. One that gets another step's label is shown from then on, one that gets ours is shown as gone. A Namespace of its own is taken away by destroy alone, and only when
// nothing is left in it.
//
#define IST_KIND_WRITTEN  1u // this step writes objects of this kind
#define IST_KIND_OPTIONAL 2u // a cluster that does not serve it has none of it
#define IST_KIND_FALLBACK 4u // stands in where the kind before it in the table is not served
// key_of() looks at its metadata alone, and is shown no more where that is enough (lists are read faster so). Only
// without `server_set`.
#define IST_KIND_BY_METADATA 8u
// Of a Pod, see() looks at its metadata, hostNetwork, node and service account, the names, ports and restart policies of
// its containers, its phase and its addresses at most: no more of it need be read.
#define IST_KIND_BRIEF 16u

typedef struct ist_reconciler_kind {
    const char *api, *kind; // "discovery.k8s.io/v1", "EndpointSlice"
    uint32_t flags;
    const char *const *server_set; // see ist_kube_diff(); NULL: none
    // Names of members, at any depth but in metadata, that see() does not look at: they may be left out of what it is
    // shown, which is then read faster. Ended by NULL; NULL: it looks at everything.
    const char *const *unread;
} ist_reconciler_kind;

// ---- what is known of a cluster
//
// UNKNOWN: not listed yet in this run; what stands elsewhere on its behalf stays as it is.
// SYNCED: every kind has been listed, whole.
// LOST: out of reach; what was seen of it still counts.
// EXPIRED: out of reach for longer than the grace: the plugin's inputs say what then.
// STOPPED: it is not the cluster that was recorded, or two names are one: only a person helps. Nothing is read from it
//   or written to it any more, what stands elsewhere on its behalf stays.
#define IST_CLUSTER_UNKNOWN 0u
#define IST_CLUSTER_SYNCED  1u
#define IST_CLUSTER_LOST    2u
#define IST_CLUSTER_EXPIRED 3u
#define IST_CLUSTER_STOPPED 4u

// ---- the plugin's side
//
typedef struct ist_reconciler_plugin {
    uint32_t size;
    const char *what;                 // in messages: "mirrored services"
    const ist_reconciler_kind *kinds; // those written in the order of creation; ended by {NULL}

    // A model without anything seen. `clusters` is borrowed and outlives it; a cluster is its index there
    // from now on; none has answered yet, so that its `uid` may be NULL. Calls ist_reconciler_grace().
    int32_t (*open)(ist_reconciler *run, const json_t *inputs, const ist_clusters *clusters, void **model,
                    ist_error *err);
    void (*close)(void *model);
    // New inputs for the same clusters; what was seen stays. Touches what is decided differently now. NULL:
    // another model is opened and shown everything once more, while the watches go on; where it does not open, the one
    // before goes on.
    int32_t (*configure)(void *model, const json_t *inputs, ist_error *err);

    // An object of kinds[kind] that is not this step's own: added or changed, or `gone`: then only apiVersion,
    // kind, metadata.namespace, .name and .uid are sure to be there. Borrowed; without managedFields. While a
    // cluster is UNKNOWN its kinds come in any order and not whole. Made anew under its name: gone comes first.
    // Touches the keys concerned.
    void (*see)(void *model, size_t cluster, size_t kind, const json_t *object, int gone);
    // IST_CLUSTER_... has changed. Touches the keys concerned.
    void (*state)(void *model, size_t cluster, uint32_t state);

    // The key of an object of this step's own, the caller's (ist_free); NULL: it belongs to none any more and
    // is taken away.
    char *(*key_of)(void *model, size_t cluster, size_t kind, const json_t *object);
    // Fills in everything that belongs under `key`; nothing: the key is emptied. Called only once every cluster
    // is SYNCED, or has been tried and is not, and only for a `cluster` that is SYNCED; more than once for the
    // same decision: it says the same as long as nothing was seen in between.
    void (*want)(void *model, size_t cluster, const char *key, ist_wanted *wanted);
    // What want() said last is in the cluster now. May be NULL.
    void (*written)(void *model, size_t cluster, const char *key);

    // Told after the reconciler's own part; each may be NULL.
    void (*outputs)(void *model, json_t *outputs); // object of output name -> value
    // In plan, after the changes were told, and in apply before the first write. `actions`: object of cluster
    // name -> array as of ist_kube_set_report(). An error refuses the apply; in plan it is a warning. The
    // model has seen everything in both.
    int32_t (*admit)(void *model, const ist_env *env, const json_t *actions, ist_error *err);
    int32_t (*verify)(void *model, const ist_env *env, ist_error *err); // adds its checks
    // Adds its own numbers to the status of a cluster; see ist_reconciler_metric(). Every few seconds of a watch. `status`
    // says already what every cluster has: `stands_by`, true: another process holds the Lease there and writes.
    void (*status)(void *model, size_t cluster, json_t *status);
} ist_reconciler_plugin;

// ---- what a model tells
//
// `key` of a cluster may be decided differently now: want() is asked within that many milliseconds (0: at once,
// before everything that may wait).
IST_EXPORT void ist_reconciler_touch(ist_reconciler *run, size_t cluster, const char *key, int64_t within_ms);
// How long a cluster is LOST before it is EXPIRED; -1: for ever.
IST_EXPORT void ist_reconciler_grace(ist_reconciler *run, int64_t ms);
IST_EXPORT uint32_t ist_reconciler_state(const ist_reconciler *run, size_t cluster);
// Does the cluster serve kinds[kind]? 0 before it has answered.
IST_EXPORT int ist_reconciler_serves(const ist_reconciler *run, size_t cluster, size_t kind);
IST_EXPORT const ist_env *ist_reconciler_env(const ist_reconciler *run);
// Asks a cluster for one object and goes on: `path` is that of its API ("/api/v1/namespaces/kube-system/configmaps/x").
// `answer` is called once, between two other callbacks: with the object, borrowed; or NULL and why (IST_ERR_NOT_FOUND: it
// is not there; whatever else: it is not known whether it is). Not any more once the run ends.
typedef void ist_reconciler_answer(void *model, size_t cluster, const json_t *object, const ist_error *err);
IST_EXPORT void ist_reconciler_read(ist_reconciler *run, size_t cluster, const char *path,
                                    ist_reconciler_answer *answer);
// The uid of an object of this step's own that is in the cluster, borrowed until the next callback; NULL: none.
IST_EXPORT const char *ist_reconciler_uid(const ist_reconciler *run, size_t cluster, size_t kind,
                                          const char *ns, const char *name);
// A number for the metrics page: counters only grow. `name` as Prometheus has it, without the prefix "isthmus_":
// "withdrawal_lag_seconds".
IST_EXPORT void ist_reconciler_metric(ist_reconciler *run, size_t cluster, const char *name, const char *help,
                                      int counter, double value);

// ---- what want() says
//
#define IST_WANT_IF_ABSENT 1u // made when it is not there, else left as it is
// An object, stolen. Ownership labels are put on it here. Objects are written in the order of their kinds.
// An ownerReference with the uid "" gets that of the named object of the same key, once that is known.
IST_EXPORT void ist_wanted_add(ist_wanted *wanted, json_t *object, uint32_t flags);
// What exists under this key on behalf of `source` (label isthmus.dev/source-cluster) stays as it is.
IST_EXPORT void ist_wanted_keep(ist_wanted *wanted, const char *source);
// All that exists under this key stays as it is.
IST_EXPORT void ist_wanted_keep_all(ist_wanted *wanted);
// Once this is written want() is asked again: what it said was a step on the way (a withdrawal first).
IST_EXPORT void ist_wanted_again(ist_wanted *wanted);
// Why something was left out or left alone; stands in plan, verify and status until the key is asked again.
IST_EXPORT void ist_wanted_note(ist_wanted *wanted, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// ---- the operations
// IST_RECONCILER_OPERATION(observe, plugin) defines `observe`.
//
#define IST_RECONCILER_OPERATION(operation, plugin)                                                          \
    static int32_t operation(const ist_host *host, ist_call *call)                                           \
    {                                                                                                        \
        return ist_reconciler_##operation(&(ist_env){host, call}, &(plugin));                                \
    }
// plan reads whole and tells the difference; apply writes that; verify checks that nothing is left to write and
// says why what is left out is; destroy takes away all that carries the owner label, in every recorded cluster.
IST_EXPORT int32_t ist_reconciler_observe(const ist_env *env, const ist_reconciler_plugin *plugin);
IST_EXPORT int32_t ist_reconciler_plan(const ist_env *env, const ist_reconciler_plugin *plugin);
IST_EXPORT int32_t ist_reconciler_apply(const ist_env *env, const ist_reconciler_plugin *plugin);
IST_EXPORT int32_t ist_reconciler_destroy(const ist_env *env, const ist_reconciler_plugin *plugin);
IST_EXPORT int32_t ist_reconciler_verify(const ist_env *env, const ist_reconciler_plugin *plugin);
// Until cancelled. Writes into a cluster only while it holds the step's Lease there.
IST_EXPORT int32_t ist_reconciler_watch(const ist_env *env, const ist_reconciler_plugin *plugin);

#ifdef __cplusplus
}
#endif
#endif
