// A cluster of the lab: its kinds, its objects, their history. Everything here runs with the lab's lock held.
#ifndef LAB_KUBE_CLUSTER_H
#define LAB_KUBE_CLUSTER_H

#include "kube.h"

enum {
    KUBE_STATUS = 1,      // has the status subresource
    KUBE_SCALE = 2,       // has the scale subresource
    KUBE_PROXY = 4,       // services/proxy and pods/proxy
    KUBE_VIRTUAL = 8,     // nothing is stored: create answers at once (SelfSubjectReview)
    KUBE_GENERATION = 16, // metadata.generation counts changes of what is not status
};

// Served from minor version `since` until, but without, `until` (0: still served). The first that fits a
// cluster's version is the preferred one, and the form that objects are kept in.
struct kube_served {
    const char *group; // "" for the core group
    const char *version;
    int since;
    int until;
};

struct kube_kind {
    const char *plural;
    const char *singular;
    const char *kind;
    const char *short_names; // separated by spaces, "" for none
    const char *categories;
    bool namespaced;
    unsigned flags;
    struct kube_served served[3];
};

extern const struct kube_kind kube_kinds[]; // ends with a row without plural

struct kube_item {
    char *key; // "namespace/name", or "name" for cluster scope
    json_t *object;
};

struct kube_resource {
    const struct kube_kind *kind;
    bool custom;             // defined by a CustomResourceDefinition: `kind` and its strings are owned
    bool gone;               // its definition was deleted
    struct kube_item *items; // sorted by key
    size_t count, capacity;
};

// One change. Objects are never modified once they are in the store, so history shares them.
struct kube_event {
    uint64_t rv;
    int64_t at_ms; // lab_mono_ms()
    struct kube_resource *resource;
    char *key;
    json_t *before; // NULL: created
    json_t *object; // as after the change; of a deletion the last state, with the deletion's resourceVersion
    bool deleted;
};

enum { KUBE_MAX_RESOURCES = 128 };

struct lab_cluster {
    struct lab *lab;
    char *name;
    int minor; // of version 1.minor
    char *version;
    char *pod_cidr;
    char *service_cidr;
    char *uid;
    bool eks;
    bool masquerade; // the nodes translate what leaves the cluster, and no object says so
    bool dual_stack; // pods and Services get IPv6 addresses too
    bool deleted;    // kept for streams and timers that still hold it
    uint8_t host;
    int port;
    char *url;
    char *kubeconfig; // text
    struct kube_resource *resources[KUBE_MAX_RESOURCES];
    size_t resource_count;
    uint64_t rv;
    struct kube_event *events; // ring
    size_t event_first, event_count, event_capacity;
    uint64_t seen;         // controllers have handled all events up to here
    bool controllers_due;  // a run of the controllers is on its way
    json_t *queues;        // {controller: {key: true}}
    uint32_t next_pod;     // offset into pod_cidr
    uint32_t next_service; // offset into service_cidr
    int next_node_port;
    json_t *notes; // what controllers must remember about a pod: {uid: {...}}
    struct lab_cluster *next;
};

struct lab_kube {
    struct lab_cluster *clusters; // in order of creation
    size_t history;               // events a cluster remembers
};

// ---- kinds (resources.c) ----

void kube_resources_init(struct lab_cluster *cluster);
void kube_resources_free(struct lab_cluster *cluster);
// Follows a CustomResourceDefinition (borrowed) that was created, changed, or (gone) deleted.
void kube_resources_define(struct lab_cluster *cluster, const json_t *definition, bool gone);
struct kube_resource *kube_resource(struct lab_cluster *cluster,
                                    const char *plural); // built-in kinds by plural name
// A resource's unique name: its plural, and for custom ones the group too ("networkpolicies.crd.projectcalico.org").
char *kube_resource_id(const struct kube_resource *resource); // malloc'd
struct kube_resource *kube_resource_by_id(struct lab_cluster *cluster, const char *id);
// By group, version and plural, if this cluster serves it; NULL otherwise.
struct kube_resource *kube_resource_served(struct lab_cluster *cluster, const char *group,
                                           const char *version, const char *plural);
struct kube_resource *kube_resource_by_kind(struct lab_cluster *cluster, const char *api_version,
                                            const char *kind);
bool kube_served_now(const struct lab_cluster *cluster, const struct kube_served *served);
const struct kube_served *kube_preferred(const struct lab_cluster *cluster, const struct kube_kind *kind);
char *kube_api_version(const struct kube_served *served); // "apps/v1", malloc'd

// ---- objects (store.c) ----

char *kube_key(const char *ns, const char *name); // malloc'd; ns NULL or "": cluster scope
const json_t *kube_find(const struct kube_resource *resource, const char *key); // borrowed
// The index of the first item whose key is `key` or sorts after it.
size_t kube_lower_bound(const struct kube_resource *resource, const char *key);
// Makes `object` (stolen, NULL: deletes) the current one, with a new resourceVersion, and remembers the
// change.
void kube_commit(struct lab_cluster *cluster, struct kube_resource *resource, const char *key,
                 json_t *object);
// The objects of a resource as they were at `rv`: new array of new references, in key order; NULL when
// history does not reach back so far.
json_t *kube_items_at(struct lab_cluster *cluster, struct kube_resource *resource, uint64_t rv);
const struct kube_event *kube_event_at(const struct lab_cluster *cluster, size_t index); // 0: the oldest
size_t kube_event_after(const struct lab_cluster *cluster, uint64_t rv); // index of the first event after rv
// Are all events after `rv` still remembered?
bool kube_history_reaches(const struct lab_cluster *cluster, uint64_t rv);
void kube_store_free(struct lab_cluster *cluster);

// ---- fields of objects (object.c) ----

const json_t *kube_path(const json_t *object,
                        const char *path); // "metadata.labels", borrowed, NULL when absent
const char *kube_text(const json_t *object, const char *path); // "" when absent or no string
static inline const char *kube_name(const json_t *object)
{
    return kube_text(object, "metadata.name");
}
static inline const char *kube_ns(const json_t *object)
{
    return kube_text(object, "metadata.namespace");
}
// Sets a value (stolen) at a path of objects, making those on the way.
void kube_set(json_t *object, const char *path, json_t *value);
void kube_unset(json_t *object, const char *path);
char *kube_now(void); // RFC 3339 in whole seconds, as metav1.Time is
// The address of another family that a dual-stack cluster gives together with an IPv4 one. malloc'd.
char *kube_ipv6_of(const struct lab_cluster *cluster, const char *ipv4, bool of_service);

// ---- controllers (ctl.c) ----

void kube_controllers_wake(struct lab_cluster *cluster);

#endif
