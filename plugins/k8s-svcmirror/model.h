// What is known of all clusters, and what is done with it.
#ifndef SVCMIRROR_MODEL_H
#define SVCMIRROR_MODEL_H

#include "records.h"
#include "selection.h"

#include <isthmus/kube_namespaces.h>
#include <isthmus/kube_reconciler.h>

// Rows of the table of kinds (svcmirror.c).
#define KIND_NAMESPACE 0u
#define KIND_SERVICE   1u
#define KIND_SLICE     2u
#define KIND_ENDPOINTS 3u

// Input `same_name`: a name that a target has itself, or that several sources have.
#define SAME_LOCAL  0 // the target's own Service stays alone; what several sources have is one
#define SAME_MERGED 1 // its slices are put beside the target's own Service
#define SAME_SUFFIX 2 // every mirrored Service is called NAME-CLUSTER

struct cluster {
    struct selection *selection;
    struct records records;
    uint32_t state; // IST_CLUSTER_...
    int listed;     // it was SYNCED once: what is known of it is whole
    int no_families; // its Services say nothing of families of addresses: it is older than that, or has it turned off
};

struct model {
    ist_reconciler *run;          // borrowed
    const ist_clusters *clusters; // borrowed
    json_t *inputs;
    ist_namespaces *namespaces;
    struct pool pool;
    struct cluster *items; // one for each of `clusters`
    int same_name;         // SAME_...
    int create_namespaces;
    int removes_expired; // else their endpoints are not ready
};

int32_t model_open(ist_reconciler *run, const json_t *inputs, const ist_clusters *clusters, void **model,
                   ist_error *err);
void model_close(void *model);
// What it tells of itself; see ist_reconciler_plugin.
void model_outputs(void *model, json_t *outputs);
void model_status(void *model, size_t cluster, json_t *status);
int32_t model_verify(void *model, const ist_env *env, ist_error *err);

// ---- see.c: from documents to records
void model_see(void *model, size_t cluster, size_t kind, const json_t *object, int gone);
void model_state(void *model, size_t cluster, uint32_t state);
char *model_key_of(void *model, size_t cluster, size_t kind, const json_t *object);
void model_written(void *model, size_t cluster, const char *key);
// What a source's Service is called in a target: "namespace/name". NULL: its namespace has no counterpart there.
char *model_key_in(const struct model *m, size_t source, const struct service *service, size_t target);

// ---- want.c: from records to what belongs under a key
void model_want(void *model, size_t cluster, const char *key, ist_wanted *wanted);
// The most sources of a key: a cluster each.
struct source {
    size_t cluster;
    const struct service *service; // borrowed
    int *map;                      // of each of its ports: which of the decided ones it is; -1: left out
};
// The sources of `ns`/`name` of a target that are known, oldest first, into found[CLUSTERS_MAX]; returns how many. Those
// that might have it, but cannot be asked: bits of *unknown, of which *lost never will answer in time.
size_t model_sources(const struct model *m, size_t target, const char *ns, const char *name,
                     struct source *found, uint64_t *unknown, uint64_t *lost);

// ---- ports.c: one list of ports out of several
struct decided {
    struct port *items;    // texts are borrowed from the sources
    const char **deciders; // in messages: whose each is; borrowed
    size_t count;
};
// The union, the oldest deciding; or `fixed`, with whose they are in messages: all there are (NULL: none). Fills in the
// maps of the sources; tells what was left out.
void ports_decide(const struct model *m, struct source *sources, size_t count, const struct ports *fixed,
                  const char *whose, struct decided *decided, ist_wanted *wanted);
void ports_decided_free(struct decided *decided, struct source *sources, size_t count);
json_t *ports_of_service(const struct decided *decided);
// Of an EndpointSlice or subset: those of `ports` that were decided on, by their names there. NULL: it has some, and none
// is left.
json_t *ports_of_part(const struct decided *decided, const struct source *source, const struct ports *ports);

// ---- told.c: what is left out, or has no use, and why
void tell_refused(const struct model *m, const struct source *sources, size_t count, ist_wanted *wanted);
// What the oldest has otherwise than another of the same name.
void tell_differences(const struct model *m, const char *ns, const char *name, const struct source *sources,
                      size_t count, ist_wanted *wanted);
// EndpointSlices that are not this step's own, behind a Service that is.
void tell_foreign(const struct model *m, size_t target, const char *ns, const char *name, ist_wanted *wanted);
// Addresses of a family (FAMILY_...) that the Service there has no address of. Returns the families that there are.
uint8_t tell_families(const struct model *m, size_t target, const struct source *sources, size_t count,
                      uint8_t families, ist_wanted *wanted);
// More addresses than an Endpoints object is read of.
void tell_crowd(const struct model *m, size_t target, const json_t *endpoints, ist_wanted *wanted);

// ---- service.c
json_t *service_object(const struct model *m, const char *ns, const char *name, const struct source *sources,
                       size_t count, const struct decided *decided, int has_families);

// ---- slices.c: endpoints as EndpointSlices, or as one Endpoints object
struct target_of_slices {
    const char *ns, *name; // of the Service
    const char *uid;       // of its owner; "": not known yet
    int headless;
};
void slices_add(const struct model *m, const struct target_of_slices *target, const struct decided *decided,
                const struct source *source, ist_wanted *wanted);
json_t *endpoints_object(const struct model *m, const struct target_of_slices *target,
                         const struct decided *decided, const struct source *sources, size_t count);
// A cluster's endpoints as they are now written: 0 not at all, 1 as they are, 2 none ready (it has been out of reach for
// too long).
int slices_state(const struct model *m, size_t cluster);

#endif
