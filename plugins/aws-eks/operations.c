#include "operations.h"
#include "eks.h"
#include "made.h"

#include <isthmus/kube_clusters.h>
#include <isthmus/file.h>

#include <string.h>

const char *step_input(const struct step *s, const char *path)
{
    const char *text = ist_json_str(s->inputs, path);
    return text != NULL && *text != '\0' ? text : NULL;
}

int64_t step_timeout(const struct step *s)
{
    return ist_json_int(s->inputs, "timeout", 15 * 60 * 1000);
}

const json_t *step_record(const struct step *s, const char *resource)
{
    return json_object_get(json_object_get(s->recorded, resource), "data");
}

int step_is_unsettled(const struct step *s, const char *resource)
{
    return strcmp(ist_json_str_or(json_object_get(s->recorded, resource), "status", ""), "intent") == 0;
}

static int creates(const struct step *s)
{
    return ist_json_bool(s->inputs, "create", 0);
}

// A cluster whose making was interrupted may let nobody in yet: until that is mended it is as one that is not up.
static void leave_unfinished(struct step *s)
{
    ist_kube_kind kind;
    const char *resource;
    json_t *record;
    int unsettled = 0;
    json_object_foreach(s->recorded, resource, record)
    {
        unsettled |= ist_json_str(record, "data.noun") != NULL && step_is_unsettled(s, resource);
    }
    unsettled |= step_record(s, RESOURCE_DRAINED) != NULL; // nor one that is being taken away
    if (!creates(s) || s->kube == NULL || !unsettled ||
        ist_kube_kind_of(s->kube, "v1", "Node", &kind, NULL) != IST_ERR_DENIED)
        return;
    ist_kube_free(s->kube);
    s->kube = NULL;
}

static int32_t begin(struct step *s, const ist_host *host, ist_call *call, ist_error *err)
{
    *s = (struct step){.env = {host, call}};
    s->inputs = ist_inputs(&s->env);
    s->recorded = ist_recorded(&s->env);
    const ist_aws_options options = {
        .size = sizeof(options), .region = step_input(s, "region"), .profile = step_input(s, "profile")};
    int32_t rc = ist_aws_new(&s->env, &options, &s->aws, err);
    if (rc == IST_OK)
        rc = cluster_open(s, err);
    if (rc == IST_OK)
        leave_unfinished(s);
    return rc;
}

static int32_t end(struct step *s, int32_t rc, const ist_error *err)
{
    if (rc != IST_OK)
        ist_report(&s->env, err);
    ist_kube_free(s->kube);
    ist_aws_free(s->aws);
    ist_free_secret(s->kubeconfig);
    ist_free(s->role);
    json_decref(s->cluster);
    json_decref(s->inputs);
    json_decref(s->recorded);
    return rc;
}

static ist_kept_file file_of(const struct step *s)
{
    return (ist_kept_file){RESOURCE_FILE, step_input(s, "kubeconf_file"), s->kubeconfig};
}

int32_t eks_observe(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK) {
        json_t *seen = s.cluster != NULL ? json_copy(s.cluster) : json_null();
        json_object_del(seen, "certificateAuthority"); // long, and of no interest
        ist_set_observed(&s.env, json_pack("{s:o}", "cluster", seen));
        if (s.cluster != NULL)
            rc = cluster_outputs(&s, &err);
    }
    return end(&s, rc, &err);
}

// plan tells what apply makes, in the same order: of the five parts, one does.
struct parts {
    int32_t (*made)(struct step *s, ist_error *err);
    int32_t (*file)(const ist_env *env, const json_t *recorded, const ist_kept_file *file, ist_error *err);
    int32_t (*snat)(struct step *s, ist_error *err);
    int32_t (*policy)(struct step *s, ist_error *err);
    int32_t (*objects)(struct step *s, const json_t *wanted, ist_error *err);
};

static int32_t reload(struct step *s, json_t **wanted, int check, ist_error *err)
{
    json_t *objects = NULL;
    int32_t rc = manifests_load(s, &objects, err);
    if (rc == IST_OK && check)
        rc = objects_check(s, objects, err);
    if (rc != IST_OK) {
        json_decref(objects);
    } else {
        json_decref(*wanted);
        *wanted = objects;
    }
    return rc;
}

// One that is adopted while somebody makes it is planned like one that is still to be made, and waited for.
static int32_t await(struct step *s, ist_error *err)
{
    if (ist_operation_of(&s->env) != IST_OP_PLAN)
        return made_await(s, err);
    char *title = ist_printf("cluster %s", ist_json_str_or(s->inputs, "name", ""));
    ist_change(&s->env, IST_UPDATE, title, "it is under way: wait for it");
    ist_change_field(&s->env, title, "status", json_incref(json_object_get(s->cluster, "status")),
                     json_string("ACTIVE"));
    ist_free(title);
    return IST_OK;
}

static int32_t over_parts(const ist_host *host, ist_call *call, const struct parts *parts)
{
    struct step s;
    ist_error err = {0};
    json_t *wanted = NULL;
    int32_t rc = begin(&s, host, call, &err);
    const int applies = ist_operation_of(&s.env) == IST_OP_APPLY; // plan looks at each object anyway
    if (rc == IST_OK) // all that could refuse a manifest comes before any change
        rc = manifests_load(&s, &wanted, &err);
    if (rc == IST_OK && applies)
        rc = objects_check(&s, wanted, &err);
    if (rc == IST_OK)
        rc = parts->made(&s, &err);
    const int coming = rc == IST_OK && !creates(&s) && cluster_is_coming(&s);
    if (coming)
        rc = await(&s, &err);
    if (rc == IST_OK && !((creates(&s) || coming) && ist_operation_of(&s.env) == IST_OP_PLAN))
        rc = cluster_check(&s, &err);
    if (rc == IST_OK && (creates(&s) || coming) &&
        s.kube != NULL) // what serves them could not be asked before
        rc = reload(&s, &wanted, applies, &err);
    if (rc == IST_OK) {
        const ist_kept_file file = file_of(&s);
        rc = parts->file(&s.env, s.recorded, &file, &err);
    }
    if (rc == IST_OK)
        rc = parts->snat(&s, &err);
    if (rc == IST_OK)
        rc = parts->policy(&s, &err);
    if (rc == IST_OK)
        rc = parts->objects(&s, wanted, &err);
    if (rc == IST_OK && applies)
        rc = update_forget(&s, &err);
    if (rc == IST_OK)
        rc = cluster_outputs(&s, &err);
    json_decref(wanted);
    return end(&s, rc, &err);
}

int32_t eks_plan(const ist_host *host, ist_call *call)
{
    return over_parts(
        host, call, &(struct parts){made_plan, ist_kept_file_plan, snat_plan, netpolicy_plan, objects_plan});
}

// A cluster that is made again after all may have load balancers again.
static int32_t apply_made(struct step *s, ist_error *err)
{
    int32_t rc = made_apply(s, err);
    if (rc == IST_OK && json_object_get(s->recorded, RESOURCE_DRAINED) != NULL)
        rc = ist_outcome(&s->env, RESOURCE_DRAINED, NULL, err);
    return rc;
}

int32_t eks_apply(const ist_host *host, ist_call *call)
{
    return over_parts(
        host, call,
        &(struct parts){apply_made, ist_kept_file_apply, snat_apply, netpolicy_apply, objects_apply});
}

// What was in a cluster that is gone is gone with it.
static int32_t forget(struct step *s, ist_error *err)
{
    static const char *const resources[] = {RESOURCE_SNAT, RESOURCE_POLICY, RESOURCE_MANIFESTS};
    int32_t rc = IST_OK;
    for (size_t i = 0; i < sizeof(resources) / sizeof(*resources) && rc == IST_OK; i++)
        if (json_object_get(s->recorded, resources[i]) != NULL)
            rc = ist_outcome(&s->env, resources[i], NULL, err);
    return rc;
}

// What could not be done because the cluster is out of reach says so by its name.
static int32_t in_cluster(const struct step *s, int32_t rc, const ist_error *fault, ist_error *err)
{
    if (rc != IST_OK)
        ist_clusters_failed(err, ist_json_str_or(s->inputs, "name", ""), fault);
    return rc;
}

// A cluster that this step made goes with all that is in it.
static int is_ours(const struct step *s)
{
    const char *resource;
    json_t *record;
    json_object_foreach(s->recorded, resource, record)
    {
        if (strcmp(ist_json_str_or(record, "data.noun", ""), "cluster") == 0)
            return 1;
    }
    return 0;
}

// Kept in mind: a run that goes on with what this one began finds nobody let in any more.
static int32_t drain(struct step *s, ist_error *err)
{
    char token[65];
    json_t *data = json_pack("{s:s}", "cluster", ist_json_str_or(s->inputs, "name", ""));
    size_t found = 0;
    int32_t rc = ist_kube_drain(s->kube, step_timeout(s), &found, err);
    if (rc == IST_OK && step_record(s, RESOURCE_DRAINED) != NULL) { // again, since somebody was still let in
        json_decref(data);
        return IST_OK;
    }
    if (rc == IST_OK)
        rc = ist_intent(&s->env, RESOURCE_DRAINED, json_incref(data), token, err);
    if (rc == IST_OK)
        rc = ist_outcome(&s->env, RESOURCE_DRAINED, json_incref(data), err);
    if (rc == IST_OK)
        json_object_set_new(s->recorded, RESOURCE_DRAINED, json_pack("{s:s}", "status", "done"));
    json_decref(data);
    return rc;
}

static int32_t end_drain(struct step *s, ist_error *err)
{
    return json_object_get(s->recorded, RESOURCE_DRAINED) != NULL
               ? ist_outcome(&s->env, RESOURCE_DRAINED, NULL, err)
               : IST_OK;
}

// Load balancers go before all else: a controller that takes them away may come from a manifest. The settings of a
// cluster that goes itself are not put back, for which its nodes would have to be in order.
static int32_t empty(struct step *s, ist_error *err)
{
    ist_error fault = {0};
    const int ours = is_ours(s);
    int32_t rc = cluster_check(s, err);
    if (rc == IST_OK && ours)
        rc = in_cluster(s, drain(s, &fault), &fault, err);
    if (rc == IST_OK)
        rc = in_cluster(s, objects_destroy(s, &fault), &fault, err);
    if (rc == IST_OK && !ours)
        rc = in_cluster(s, netpolicy_destroy(s, &fault), &fault, err);
    if (rc == IST_OK && !ours)
        rc = in_cluster(s, snat_destroy(s, &fault), &fault, err);
    return rc == IST_OK && ours ? forget(s, err) : rc;
}

int32_t eks_destroy(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    // One that this step made and that never came up holds nothing either.
    if (rc == IST_OK && (s.cluster == NULL || (creates(&s) && s.kube == NULL))) {
        rc = forget(&s, &err);
    } else if (rc == IST_OK) {
        rc = empty(&s, &err);
    }
    if (rc == IST_OK) {
        rc = made_destroy(&s, &err);
        if (rc != IST_OK)
            drain_tell(&s, &err);
    }
    if (rc == IST_OK)
        rc = end_drain(&s, &err);
    if (rc == IST_OK)
        rc = update_forget(&s, &err);
    if (rc == IST_OK)
        rc = ist_kept_file_destroy(&s.env, s.recorded, RESOURCE_FILE, &err);
    return end(&s, rc, &err);
}

int32_t eks_verify(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    json_t *wanted = NULL;
    int32_t rc = begin(&s, host, call, &err);
    if (rc != IST_OK)
        return end(&s, rc, &err);
    ist_error unfit = {0};
    if (cluster_check(&s, &unfit) != IST_OK) {
        ist_check(&s.env, "cluster is ACTIVE", IST_FAIL, "%s", unfit.text);
        return end(&s, IST_OK, &err);
    }
    ist_check(&s.env, "cluster is ACTIVE", IST_PASS, "Kubernetes %s at %s",
              ist_json_str_or(s.cluster, "version", "?"), ist_json_str_or(s.cluster, "endpoint", "?"));
    rc = made_verify(&s, &err);
    if (rc == IST_OK)
        rc = snat_verify(&s, &err);
    if (rc == IST_OK)
        rc = netpolicy_verify(&s, &err);
    if (rc == IST_OK)
        rc = manifests_load(&s, &wanted, &err);
    if (rc == IST_OK)
        rc = objects_verify(&s, wanted, &err);
    json_decref(wanted);
    return end(&s, rc, &err);
}
