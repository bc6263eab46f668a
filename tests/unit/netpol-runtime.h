// A runtime of the reconciler for tests of k8s-netpol's model: two clusters, objects in memory, one write a step.
#ifndef TESTS_UNIT_NETPOL_RUNTIME_H
#define TESTS_UNIT_NETPOL_RUNTIME_H

#include "k8s-netpol/model.h"

#define CLUSTERS 3

struct job; // a key that is being written

struct due {
    size_t cluster;
    char *key;
    int urgent;
    struct due *next;
};

struct reading { // what the model asked a cluster for
    size_t cluster;
    char *path;
    ist_reconciler_answer *answer;
    struct reading *next;
};

struct ist_reconciler {
    ist_env env;
    ist_clusters clusters;
    ist_cluster items[CLUSTERS];
    uint32_t state[CLUSTERS];
    json_t *objects[CLUSTERS]; // "namespace/name" -> object, our own
    json_t *seen[CLUSTERS];    // "Kind namespace/name" -> object, everybody else's
    struct due *due;           // touched keys, each once
    struct job *job;
    json_t *notes; // of the last want()
    struct reading *readings;
    json_t *readable[CLUSTERS]; // path -> object
    int unreadable[CLUSTERS];   // whatever is asked for is refused
    size_t read_count;
    struct model *model;
    int64_t grace;
    int lacks_slices; // discovery.k8s.io/v1 is not served
    int shuffled;     // due keys are taken in any order; else those touched with 0 first
    uint32_t random;
    // Called before each write: our object of that name there becomes `after` (NULL: goes), on behalf of `key`.
    void (*before_write)(struct ist_reconciler *run, size_t cluster, const char *key, const json_t *before,
                         const json_t *after);
    // Called when a key's decision has been made: what was there and what will be.
    void (*decided)(struct ist_reconciler *run, size_t cluster, const char *key, const json_t *before,
                    const json_t *after);
    size_t writes;
};

// Clusters east (10.1.0.0/16), west (10.2.0.0/16), north (10.3.0.0/16), all synced. `inputs`: JSON or YAML.
struct ist_reconciler *runtime_new(const char *inputs);
void runtime_free(struct ist_reconciler *run);
// A new model over the same clusters, as after a restart: everything is listed again.
void runtime_restart(struct ist_reconciler *run);
// The clusters declare no pod CIDRs, as two of one VPC: an address may move from one to the other. Begins anew.
void runtime_share_network(struct ist_reconciler *run);
void runtime_put(struct ist_reconciler *run, size_t cluster, const char *yaml); // documents
void runtime_remove(struct ist_reconciler *run, size_t cluster, const char *kind, const char *ns,
                    const char *name);
void runtime_state(struct ist_reconciler *run, size_t cluster, uint32_t state);
int runtime_step(struct ist_reconciler *run); // one decision or one write; 0: nothing to do
void runtime_settle(struct ist_reconciler *run);
int runtime_answer(struct ist_reconciler *run); // the oldest question of the model; 0: there is none
uint32_t runtime_random(struct ist_reconciler *run, uint32_t below);
// What want() says of a key now: array of objects. New reference.
json_t *runtime_wanted(struct ist_reconciler *run, size_t cluster, const char *key);
const json_t *runtime_object(const struct ist_reconciler *run, size_t cluster,
                             const char *ns_name); // or NULL

#endif
