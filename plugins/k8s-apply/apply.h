// What the files of k8s-apply share.
#ifndef K8S_APPLY_H
#define K8S_APPLY_H

#include <isthmus/alloc.h>
#include <isthmus/kube_clusters.h>
#include <isthmus/kube_set.h>
#include <isthmus/kube_manifest.h>

// Stands on an object that was there before us, from before it carries our label: destroy leaves it.
#define ANNOTATION_ADOPTED "isthmus.dev/adopted"

// One operation's view: inputs, clusters, and what is wanted there.
struct work {
    ist_env env;
    json_t *inputs, *recorded;
    char *owner;
    ist_clusters *clusters;
    json_t
        *wanted; // array of {cluster, from, object}: labelled, namespaces filled in, in the order of creation
};

// Everything up to `wanted`: reads manifests, connects, resolves kinds; without manifests nothing but inputs and
// record. Nothing is written.
int32_t work_open(const ist_env *env, int with_manifests, struct work *work, ist_error *err);
void work_close(struct work *work);

// manifest.c: the documents of all `manifests`, as array of {cluster, from, object}. New reference.
int32_t manifests_load(const ist_env *env, const json_t *inputs, json_t **wanted, ist_error *err);
// Kinds resolved, namespaces and labels filled in, sorted; a kind that a cluster does not serve, a namespace
// that is not there and the same object twice are errors.
int32_t manifests_resolve(struct work *work, ist_error *err);

// compare.c: what is to do, as array of {action: create|update|replace|adopt|delete, cluster, apiVersion,
// kind, namespace?, name, uid?, reason?, secret?, mend?, fields: [{field, before?, after?}]}, in the order of doing.
// `mend`: true where lists hold what a person put there (ist_manifest_dry()). New reference.
int32_t compare_all(struct work *work, json_t **actions, ist_error *err);
void compare_report(const ist_env *env, const json_t *actions);

// write.c
int32_t write_all(struct work *work, const json_t *actions, ist_error *err);
int32_t wait_rolled_out(struct work *work, ist_error *err);
// remove.c
// What is recorded in every cluster; one that cannot be reached holds up no other, and is the error in the end.
int32_t remove_recorded(struct work *work, ist_error *err);
int32_t remove_one(struct work *work, ist_cluster *cluster, const json_t *id, ist_error *err);
// Waits until an object is gone (its finalizers have run).
int32_t wait_gone(struct work *work, ist_cluster *cluster, const json_t *id, ist_error *err);

// {cluster, apiVersion, kind, namespace?, name} of an object. New reference.
json_t *id_of(const char *cluster, const json_t *object);
// "Deployment stars/frontend in ccp". The caller's. Takes an id or an action.
char *id_text(const json_t *id);
int id_same(const json_t *a, const json_t *b);
// The wanted entry of an id, or NULL. Borrowed.
const json_t *wanted_of(const struct work *work, const json_t *id);
// The record of what an earlier apply did in a cluster: array of ids with uid and adopted, or NULL. Borrowed.
const json_t *recorded_in(const struct work *work, const char *cluster);
char *resource_of(const char *cluster); // the journal's name of a cluster's batch. The caller's.
int32_t live_of(const struct work *work, const json_t *id, json_t **live, ist_error *err);
// Whose is an object that is there? What this step made is known by the uid that it recorded, so that it stays ours
// without its label; our label on another uid is a copy that somebody made, unless our apply shows in managedFields
// (a run that was killed before it could record).
enum whose { WHOSE_OURS, WHOSE_OTHER_STEP, WHOSE_FOREIGN };
enum whose whose(const struct work *work, const json_t *recorded, const json_t *live);
// What is recorded of an object, or NULL. Borrowed.
const json_t *recorded_of(const struct work *work, const json_t *id);
int is_kind(const json_t *id_or_object, const char *kind);

#endif
