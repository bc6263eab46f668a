// What the daemon knows and owes: the world, the policies that it writes for, and addresses on the move. Seen through
// isthmus/kube_reconciler.h, from outside.
#ifndef NETPOL_MODEL_H
#define NETPOL_MODEL_H

#include "cni.h"
#include "companion.h"
#include "ipset.h"
#include "mirrored.h"
#include "table.h"

#include <isthmus/kube_namespaces.h>
#include <isthmus/kube_reconciler.h>

// Rows of the kinds' table.
#define KIND_POLICY    0u
#define KIND_NAMESPACE 1u
#define KIND_POD       2u
#define KIND_SERVICE   3u
#define KIND_SLICE     4u
#define KIND_DAEMONSET 5u

#define ALARM_MS 20000 // a withdrawal that takes longer is told: a VPC gives an address out again after 30 s

struct entry;

// An address that stands in what `entry` has written and should not any more.
struct leaving {
    struct shown *shown;
    struct entry *entry;
    size_t cluster; // on whose behalf it stands there
    int64_t since;  // monotonic
    int asked;      // want() has said so since: written() ends it
    struct leaving *of_shown, *of_entry;
};

// An address: which pods show it, and whose writing it still has to leave. Clusters without declared pod CIDRs may share
// a network (two of one VPC): there it moves between them.
struct shown {
    struct ip ip;
    uint32_t hash, pod_count;
    const struct pod **pods; // owned array
    struct leaving *leaving;
};

// What is decided and written as one: the companions of a policy, or a policy of the pipeline file.
struct entry {
    char *key;
    size_t cluster;
    uint32_t hash;
    const struct policy *policy; // of the world, or compiled here (document); NULL: gone, or not stretched
    json_t *document;            // of a policy of the pipeline file; else NULL
    struct ip_set said, there;   // what want() said last; what is in the cluster as far as is known
    struct leaving *leaving;
    int64_t withheld_since; // something is left out until it is withdrawn elsewhere; 0: nothing is
    uint8_t services;       // it has peers that are Services
    uint8_t keeps;          // something stands there for a cluster that is not known: `there` holds it too
    uint8_t *kept;          // by cluster, 1: it is one of those. NULL: none is. Owned
    uint8_t settled;        // written at least once in this run: what lists bring is known already
    struct entry *next;
};

struct lags { // of withdrawals, in this run
    uint64_t count;
    int64_t max_ms;
    uint64_t buckets[32]; // by powers of two of milliseconds
};

// What a daemon knows of a cluster with Cilium: is it in a ClusterMesh? Nothing of it is known until it has answered.
struct mesh {
    int known, asking;
    int64_t next_at; // when it is asked the next time; monotonic
    json_t *member;  // owned; as of snat_mesh_member()
    char *fault;     // owned; why it is not known, NULL: it was not asked yet
    json_t *config;  // owned; of the answer before the last one
};

struct cluster_facts {
    struct cni cni;
    struct lags lags;
    uint32_t state; // IST_CLUSTER_..., as told last
    int listed;     // it was listed whole in this run
    int late;       // an alarm stands
    struct mesh mesh;
};

struct model {
    ist_reconciler *run;
    const ist_clusters *clusters; // borrowed
    ist_namespaces *namespaces;
    struct world *world;
    struct mirrored *mirrored;
    struct cluster_facts *facts; // by cluster
    struct entry *entries;
    struct table by_key, addresses;
    json_t *inputs;
    int64_t debounce_ms, keep_ms;
    int watching;              // the daemon; else a single run
    size_t waiting;            // entries that withhold something
    size_t contested, leaving; // addresses that several pods show; withdrawals that are owed
};

// model.c
int32_t model_open(ist_reconciler *run, const json_t *inputs, const ist_clusters *clusters, void **model,
                   ist_error *err);
void model_close(void *model);
void model_watch(struct model *model); // is told of every change of the world from now on
void model_see(void *model, size_t cluster, size_t kind, const json_t *object, int gone);
void model_state(void *model, size_t cluster, uint32_t state);
struct entry *model_entry(struct model *model, size_t cluster, const char *key, int make);
void model_remove_entry(struct model *model, struct entry *entry);
void model_touch(struct model *model, const struct entry *entry, int64_t within_ms);
void model_touch_all(struct model *model); // at once

// moves.c: addresses and the pods that show them
void moves_pod(struct model *model, const struct pod *before, const struct pod *after);
void moves_policy(struct model *model, struct entry *entry); // it means others than before
int moves_contested(const struct model *model, const struct ip *ip);
void moves_owed(const struct model *model,
                struct ip_set *owed); // addresses that somebody still has to withdraw
// Is it to be left out of this entry until somebody else has withdrawn it?
int moves_withheld(const struct model *model, const struct entry *entry, const struct ip *ip);
void moves_loaded(struct model *model, struct entry *entry, size_t remote, const struct ip_set *addresses);
void moves_said(struct model *model, struct entry *entry);    // entry->said is new
void moves_written(struct model *model, struct entry *entry); // and is there
void moves_forget(struct model *model, struct entry *entry);
// Another process writes in that cluster: what is owed there is its to withdraw, and ours only from now on.
void moves_stand_by(struct model *model, size_t cluster);
// The age of the oldest withdrawal that a cluster owes, in ms; 0: none.
int64_t moves_oldest(const struct model *model, size_t cluster, size_t *count);
int64_t lags_percentile(const struct lags *lags, unsigned percent); // ms, rounded up to a power of two

// decide.c
char *model_key_of(void *model, size_t cluster, size_t kind, const json_t *object);
void model_want(void *model, size_t cluster, const char *key, ist_wanted *wanted);
void model_written(void *model, size_t cluster, const char *key);
// The key of one that was written here. The caller's.
char *policy_key(const json_t *object);
// Every ipBlock address of a NetworkPolicy that was written here; not sealed.
void policy_addresses(const json_t *object, struct ip_set *addresses);

// tell.c, guard.c, mesh.c
void model_outputs(void *model, json_t *outputs);
void model_status(void *model, size_t cluster, json_t *status);
int32_t model_admit(void *model, const ist_env *env, const json_t *actions, ist_error *err);
int32_t model_refuse_overlaps(const struct model *model, ist_error *err); // of pod CIDRs
int32_t model_refuse_mesh(struct model *model, ist_error *err);
// Are two clusters joined by Cilium's ClusterMesh? 1, 0; -1: that is not known yet. What a daemon that was started
// without an apply has to find out by itself: both are asked, without waiting, and now and then again.
int model_meshed(struct model *model, size_t a, size_t b);
const char *model_mesh_fault(const struct model *model, size_t a,
                             size_t b);                 // why not; NULL: they were only asked
void mesh_unknown(struct model *model, size_t cluster); // it has another network plugin
void mesh_soon(struct model *model, size_t cluster);    // it was away: it is asked again
void mesh_tick(struct model *model, size_t cluster);    // every few seconds
void mesh_free(struct mesh *mesh);
int32_t model_verify(void *model, const ist_env *env, ist_error *err);

#endif
