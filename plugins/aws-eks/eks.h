// What the parts of plugin aws-eks share.
#ifndef AWS_EKS_H
#define AWS_EKS_H

#include <isthmus/alloc.h>
#include <isthmus/aws.h>
#include <isthmus/env.h>
#include <isthmus/json.h>
#include <isthmus/kube_manifest.h>

// One operation.
struct step {
    ist_env env;
    json_t *inputs, *recorded;
    ist_aws *aws;
    json_t *cluster;  // as EKS describes it; NULL: there is none
    char *role;       // ARN by which the cluster is used; NULL: the caller's own identity
    char *kubeconfig; // for people and for Isthmus alike: the token is minted when it is used
    ist_kube *kube;   // open once the cluster is ACTIVE
};

const char *step_input(const struct step *s, const char *path); // NULL when absent or empty
int64_t step_timeout(const struct step *s);
const json_t *step_record(const struct step *s, const char *resource); // its data, or NULL; borrowed
int step_is_unsettled(const struct step *s, const char *resource);     // an intent without an outcome

// ---- cluster.c ----
// Fills cluster, and kubeconfig and kube once it is ACTIVE. A cluster that is not there is no error.
int32_t cluster_open(struct step *s, ist_error *err);
// IST_OK when it is there and ACTIVE; else an error that says what it is.
int32_t cluster_check(const struct step *s, ist_error *err);
// Is somebody making it just now?
int cluster_is_coming(const struct step *s);
// Sets the outputs that are known.
int32_t cluster_outputs(struct step *s, ist_error *err);

// ---- snat.c: one environment variable of the VPC CNI ----
int32_t snat_plan(struct step *s, ist_error *err);
int32_t snat_apply(struct step *s, ist_error *err);
int32_t snat_destroy(struct step *s, ist_error *err);
int32_t snat_verify(struct step *s, ist_error *err);

// ---- addon.c: the VPC CNI as a managed add-on ----
// *addon (new reference) is NULL when the cluster has it not as an add-on. What writes waits for one that EKS is
// changing: its configuration is not what runs, and a change of it would be refused.
int32_t addon_find(struct step *s, json_t **addon, ist_error *err);
// The variable in the add-on's own configuration. The caller's, NULL when it is not set there.
char *addon_value(const json_t *addon, const char *variable);
// Its configuration as an object (empty when it has none; NULL or another type when it holds something else). New
// reference.
json_t *addon_configuration(const json_t *addon);
// Gives it this configuration, keeping its role and what others set on the DaemonSet itself, and waits until that is
// done.
int32_t addon_configure(struct step *s, const json_t *addon, const json_t *values, ist_error *err);
// Sets it (NULL: removes it), leaving all else, and waits until that is done.
int32_t addon_set(struct step *s, const json_t *addon, const char *variable, const char *value,
                  ist_error *err);

// ---- netpolicy.c: who enforces network policies ----
int32_t netpolicy_plan(struct step *s, ist_error *err);
int32_t netpolicy_apply(struct step *s, ist_error *err);
int32_t netpolicy_destroy(struct step *s, ist_error *err);
int32_t netpolicy_verify(struct step *s, ist_error *err);

// ---- drain.c: what the cluster has made in the VPC ----
// What still uses the cluster's group or bears its name, behind the hint that `err` has.
void drain_tell(struct step *s, ist_error *err);

// ---- update.c ----
// Posts a change, under a token that the journal keeps, and waits until EKS has carried it out; `query` (may be NULL)
// says in its words what the update is of ("addonName=vpc-cni").
int32_t update_send(struct step *s, const char *what, const char *path, const json_t *body, const char *query,
                    ist_error *err);
// What interrupted runs had asked for, and has come about since.
int32_t update_forget(struct step *s, ist_error *err);

// ---- manifests.c ----
// The objects of all `apply_manifests`, in the order of applying: {from, object}. Every kind is served by the
// cluster (where it is there already), or defined by one of them. New reference.
int32_t manifests_load(struct step *s, json_t **objects, ist_error *err);

// ---- versions.c ----
// May a cluster of this version become one of that? IST_ERR_CONFLICT says why not.
int32_t version_check_step(const char *has, const char *wants, ist_error *err);
// The minor version since which Kubernetes does not serve this kind any more, where `version` ("1.29"; NULL: EKS's default, which
// is newer than all of these) is one of those; 0: it does, or it is not known.
int version_gone_since(const char *version, const char *api, const char *kind);

// ---- objects.c: keeping them in the cluster ----
// What is not there yet: is there a namespace for it, or will be, and would the server take it?
int32_t objects_check(struct step *s, const json_t *wanted, ist_error *err);
int32_t objects_plan(struct step *s, const json_t *wanted, ist_error *err);
int32_t objects_apply(struct step *s, const json_t *wanted, ist_error *err);
int32_t objects_destroy(struct step *s, ist_error *err);
int32_t objects_verify(struct step *s, const json_t *wanted, ist_error *err);
// The journal's names, for when the cluster itself is gone.
#define RESOURCE_SNAT      "SNAT setting"
#define RESOURCE_POLICY    "network policy engine"
#define RESOURCE_DRAINED   "load balancers removed"
#define RESOURCE_MANIFESTS "manifests"
#define RESOURCE_FILE      "kubeconfig file"

#endif
