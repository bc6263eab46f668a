// One operation of plugin ccp: what it was given, and the cluster as the platform last told of it.
#ifndef CCP_STEP_H
#define CCP_STEP_H

#include "desired.h"

// What the journal and the plan call them.
#define CLUSTER      "cluster"
#define ON_PREM_FILE "on-premises kubeconfig file"

struct step {
    ist_env env;
    json_t *inputs, *recorded;
    struct ccp ccp;
    char *region;
    json_t *cluster; // as the platform last told it, or NULL
    json_t *tenants; // kubeconfigs of the clusters on premises, by name
};

int32_t step_begin(struct step *s, const ist_host *host, ist_call *call, ist_error *err);
// Frees all; reports the error of an operation that failed, and returns rc.
int32_t step_end(struct step *s, int32_t rc, const ist_error *err);

const char *step_input(const struct step *s, const char *path); // NULL when absent or empty
const char *step_name(const struct step *s);
const char *step_status(const struct step *s); // of the cluster, "" when there is none
int step_is_ready(const struct step *s);
int64_t step_timeout(const struct step *s);
const json_t *step_record(const struct step *s); // what the journal holds of the cluster, or NULL; borrowed
int step_is_unsettled(const struct step *s);     // an intent without an outcome
int step_is_ours(const struct step *s);

int32_t step_open_aws(const struct step *s, ist_aws **aws, ist_error *err);
// The ARN of the role that may use the cluster: as given, or looked up by its name. The caller's.
int32_t step_find_role(const struct step *s, ist_aws *aws, char **arn, ist_error *err);
// Looks for the cluster: s->cluster is NULL when there is none.
int32_t step_find_cluster(struct step *s, ist_error *err);
// The same for what the journal holds, whatever the inputs say by now: by its id, or by the name of a creation whose
// outcome was never learnt. Another cluster that has its name meanwhile is not taken for it.
int32_t step_find_recorded(struct step *s, ist_error *err);
// The kubeconfigs of the clusters on premises. quiet: one that is not there is left out.
int32_t step_find_on_prem(struct step *s, int quiet, ist_error *err);
void step_on_prem_outputs(const struct step *s);
// Their files for people: what is wanted, and the end of those that are not any more.
int32_t step_plan_files(struct step *s, ist_error *err);
int32_t step_apply_files(struct step *s, ist_error *err);
int32_t step_destroy_files(struct step *s, ist_error *err);
// Sets what is settled by the inputs, and what the cluster adds once it is READY.
void step_outputs(const struct step *s, int ready);

// How the cluster that is there differs from the inputs: {field, before, after, replace}. New reference.
int32_t step_differences(struct step *s, json_t **differences, ist_error *err);
// What has to be done about a cluster that is there: *action is 0, IST_CREATE (wait for it), IST_UPDATE or
// IST_REPLACE; *reason is static text or NULL. One that Isthmus did not make and that does not fit is an
// error.
int32_t step_judge(const struct step *s, const json_t *differences, uint32_t *action, const char **reason,
                   ist_error *err);

#endif
