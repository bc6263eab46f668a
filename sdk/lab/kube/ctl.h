// The controllers of a cluster: what kube-controller-manager, scheduler, kubelet and the CNI do in a real
// one.
#ifndef LAB_KUBE_CTL_H
#define LAB_KUBE_CTL_H

#include "rest.h"

// Each controller has a queue of keys. `note` looks at a change and queues what it concerns; `sync` brings
// one key in order. Both run with the lock held; keys are worked off in the order in which they were queued.
struct kube_controller {
    const char *name;
    void (*note)(struct lab_cluster *cluster, const struct kube_event *event);
    void (*sync)(struct lab_cluster *cluster, const char *key);
};

extern const struct kube_controller kube_workloads, kube_daemons, kube_kubelet, kube_endpoints,
    kube_mirroring, kube_namespaces, kube_garbage, kube_load_balancers;

void kube_queue(struct lab_cluster *cluster, const char *controller, const char *key);
// The same after a delay: things that take time.
void kube_queue_after(struct lab_cluster *cluster, int64_t delay_ms, const char *controller, const char *key);

// What every cluster of its kind has in kube-system from the start.
void kube_system_objects(struct lab_cluster *cluster);
// Source NAT of what leaves the cluster, by the settings of its CNI.
void kube_system_snat(struct lab_cluster *cluster, bool on);
void kube_release_addresses(struct lab_cluster *cluster);

// ---- what several controllers need to know of objects ----

bool kube_is(const struct kube_event *event, const char *kind);
const json_t *kube_controller_of(const json_t *object); // its controlling ownerReference, borrowed, or NULL
bool kube_owned_by(const json_t *object, const json_t *owner);
json_t *kube_owner_reference(const json_t *owner, bool controller);                             // new
const json_t *kube_object_at(struct lab_cluster *cluster, const char *plural, const char *key); // borrowed
bool kube_pod_ready(const json_t *pod);
bool kube_pod_over(const json_t *pod); // Succeeded or Failed
bool kube_going(const json_t *object); // has a deletionTimestamp
json_t *kube_pods_of(struct lab_cluster *cluster,
                     const json_t *owner); // new array of borrowed: controlled, not over
// The EndpointSlices of a Service that one controller (managed-by) keeps: new array of new references.
json_t *kube_slices_of(struct lab_cluster *cluster, const char *ns, const char *service, const char *manager);
json_t *kube_condition(const char *type, bool status, const char *reason,
                       const json_t *before); // new; keeps the old
                                              // transition time

#endif
