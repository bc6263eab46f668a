// Ordering, changing and deleting.
#include "operations.h"
#include "step.h"

#include <isthmus/kube.h>

#include <string.h>

// A creation whose answer was lost shows within so long, or it never began.
#define SETTLE_MS 5000
#define CREATIONS 3

typedef int32_t finder(struct step *s, ist_error *err);

// Looks for the cluster by name for as long as a call whose answer was lost may need to show.
static int32_t settle(struct step *s, finder *find, ist_error *err)
{
    const int64_t until = ist_now_ms(&s->env) + SETTLE_MS;
    for (;;) {
        int32_t rc = find(s, err);
        if (rc != IST_OK || s->cluster != NULL || ist_now_ms(&s->env) >= until)
            return rc;
        ist_progress(&s->env, "EKS cluster %s: looking whether it was begun", step_name(s));
        rc = ist_sleep_ms(&s->env, ist_poll_ms(&s->env, 1000));
        if (rc != IST_OK)
            return ist_fail(err, rc, step_name(s), "%s", ist_code_name(rc));
    }
}

// One creating call, and what became of it when its answer did not come. IST_AGAIN: it did not begin.
static int32_t post_cluster(struct step *s, const json_t *body, int earlier, ist_error *err)
{
    json_t *answer = NULL;
    ist_error failed = {0};
    int32_t rc = ccp_call(&s->ccp, "POST", "/v3/clusters/", body, &answer, &failed);
    if (rc == IST_OK && ist_json_str(answer, "id") != NULL) {
        json_decref(s->cluster);
        s->cluster = answer;
        return IST_OK;
    }
    json_decref(answer);
    // "There is one already" is said of our own only if an earlier try may have got through.
    if (rc != IST_OK && rc != IST_ERR_NETWORK &&
        !(earlier && (rc == IST_ERR_CONFLICT || rc == IST_ERR_REMOTE))) {
        if (err != NULL)
            *err = failed;
        return rc;
    }
    ist_log(&s->env, IST_LOG_WARN, "%s: no clear answer (%s): looking whether it was begun", failed.where,
            failed.text);
    rc = settle(s, step_find_cluster, err);
    if (rc == IST_OK && s->cluster == NULL) {
        if (err != NULL)
            *err = failed;
        return IST_AGAIN;
    }
    return rc;
}

static int32_t remember(struct step *s, ist_error *err)
{
    return ist_outcome(&s->env, CLUSTER,
                       json_pack("{s:s, s:s, s:s}", "id", ist_json_str_or(s->cluster, "id", ""), "name",
                                 step_name(s), "region", s->region),
                       err);
}

static int32_t create(struct step *s, ist_error *err)
{
    ist_aws *aws = NULL;
    char *provider = NULL, *role = NULL, *ami = NULL, token[65];
    json_t *body = NULL;
    int32_t rc = ccp_provider(&s->ccp, ist_json_str_or(s->inputs, "provider", ""), &provider, err);
    if (rc == IST_OK)
        rc = step_open_aws(s, &aws, err);
    if (rc == IST_OK)
        rc = step_find_role(s, aws, &role, err);
    if (rc == IST_OK && step_input(s, "ami") != NULL)
        ami = ist_strdup(step_input(s, "ami"));
    else if (rc == IST_OK)
        rc = desired_ami(&s->env, aws, &ami, err);
    if (rc != IST_OK)
        goto out;
    body = desired_body(s->inputs, s->region, provider, role, ami);
    // The platform takes no token: the name, which nobody had a moment ago, is what a resume looks for.
    rc = ist_intent(&s->env, CLUSTER, json_pack("{s:s, s:s}", "name", step_name(s), "region", s->region),
                    token, err);
    for (int tries = 0; rc == IST_OK; tries++) {
        rc = post_cluster(s, body, tries > 0 || step_is_unsettled(s), err);
        if (rc != IST_AGAIN)
            break;
        if (tries + 1 >= CREATIONS) {
            rc = IST_ERR_NETWORK;
            break;
        }
        rc = IST_OK;
    }
    if (rc == IST_OK)
        rc = remember(s, err);
out:
    json_decref(body);
    ist_free(provider);
    ist_free(role);
    ist_free(ami);
    ist_aws_free(aws);
    return rc;
}

// A cluster that goes before its load balancers leaves their interfaces in its VPC, which the platform then cannot remove.
// What cannot be looked for (nobody answers, or lets us in) is no reason to keep the cluster; what does not go is.
static int32_t drain(struct step *s, ist_error *err)
{
    const char *kubeconfig = ist_json_str(s->cluster, "kubeconfig");
    if (!step_is_ready(s) || kubeconfig == NULL)
        return IST_OK;
    const ist_kube_options options = {
        .size = sizeof(options), .name = step_name(s), .kubeconfig = kubeconfig};
    ist_kube *kube = NULL;
    ist_error failed = {0};
    size_t found = 0;
    int32_t rc = ist_kube_new(&s->env, &options, &kube, &failed);
    if (rc == IST_OK)
        rc = ist_kube_drain(kube, step_timeout(s), &found, &failed);
    ist_kube_free(kube);
    if (rc != IST_OK && rc != IST_ERR_CANCELLED && found == 0) {
        ist_log(&s->env, IST_LOG_WARN,
                "cluster %s goes without a look for its load balancers, which may keep its VPC (%s: %s)",
                step_name(s), failed.where, failed.text);
        return IST_OK;
    }
    if (rc != IST_OK && err != NULL)
        *err = failed;
    return rc;
}

static int32_t delete_cluster(struct step *s, const char *id, ist_error *err)
{
    char *encoded = ist_url_encode(id, 0);
    char *path = ist_printf("/v3/clusters/%s/", encoded);
    json_t *answer = NULL;
    int32_t rc = drain(s, err);
    if (rc == IST_OK)
        rc = ccp_call(&s->ccp, "DELETE", path, NULL, &answer, err);
    json_decref(answer);
    if (rc == IST_OK)
        rc = ccp_wait_gone(&s->ccp, id, step_name(s), step_timeout(s), err);
    if (rc == IST_ERR_NOT_FOUND)
        rc = IST_OK;
    ist_free(path);
    ist_free(encoded);
    return rc;
}

static int32_t replace(struct step *s, ist_error *err)
{
    int32_t rc = delete_cluster(s, ist_json_str_or(s->cluster, "id", ""), err);
    if (rc == IST_OK)
        rc = ist_outcome(&s->env, CLUSTER, NULL, err);
    if (rc != IST_OK)
        return rc;
    json_decref(s->cluster);
    s->cluster = NULL;
    json_object_del(s->recorded, CLUSTER);
    return create(s, err);
}

static int32_t resize(struct step *s, ist_error *err)
{
    char *encoded = ist_url_encode(ist_json_str_or(s->cluster, "id", ""), 0);
    char *path = ist_printf("/v3/clusters/%s/", encoded);
    json_t *body = json_pack("{s:I}", "worker_count",
                             (json_int_t)ist_json_int(s->inputs, "worker_count", DESIRED_WORKERS));
    json_t *answer = NULL;
    const int32_t rc = ccp_call(&s->ccp, "PATCH", path, body, &answer, err);
    json_decref(answer);
    json_decref(body);
    ist_free(path);
    ist_free(encoded);
    return rc;
}

static int32_t act(struct step *s, ist_error *err)
{
    const char *reason = NULL;
    uint32_t action = 0;
    json_t *differences = NULL;
    int32_t rc = step_differences(s, &differences, err);
    if (rc == IST_OK)
        rc = step_judge(s, differences, &action, &reason, err);
    json_decref(differences);
    if (rc != IST_OK)
        return rc;
    if (strcmp(step_status(s), "DELETING") == 0) {
        rc =
            ccp_wait_gone(&s->ccp, ist_json_str_or(s->cluster, "id", ""), step_name(s), step_timeout(s), err);
        return rc == IST_OK ? create(s, err) : rc;
    }
    if (action == IST_REPLACE)
        return replace(s, err);
    if (action == IST_UPDATE)
        return resize(s, err);
    return step_is_unsettled(s) ? remember(s, err) : IST_OK;
}

static int32_t apply_cluster(struct step *s, ist_error *err)
{
    int32_t rc = step_find_cluster(s, err);
    if (rc == IST_OK && s->cluster == NULL && step_is_unsettled(s))
        rc = settle(s, step_find_cluster, err);
    if (rc == IST_OK)
        rc = s->cluster == NULL ? create(s, err) : act(s, err);
    if (rc != IST_OK)
        return rc;
    char *id = ist_strdup(ist_json_str_or(s->cluster, "id", ""));
    json_t *ready = NULL;
    rc = ccp_wait_ready(&s->ccp, id, step_name(s), step_timeout(s), &ready, err);
    ist_free(id);
    if (rc == IST_OK) {
        json_decref(s->cluster);
        s->cluster = ready;
        if (ist_json_str(ready, "kubeconfig") != NULL)
            ccp_hide_kubeconfig(&s->env, ist_json_str(ready, "kubeconfig"));
    }
    return rc;
}

int32_t ccp_apply(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = step_begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = step_find_on_prem(&s, 0, &err);
    if (rc == IST_OK)
        rc = apply_cluster(&s, &err);
    if (rc == IST_OK)
        rc = step_apply_files(&s, &err);
    if (rc == IST_OK)
        step_outputs(&s, 1);
    return step_end(&s, rc, &err);
}

// ---- destroy ----

static int32_t destroy_cluster(struct step *s, ist_error *err)
{
    const char *id = ist_json_str(step_record(s), "id");
    const char *name = ist_json_str(step_record(s), "name");
    char *found = id != NULL ? ist_strdup(id) : NULL;
    int32_t rc = IST_OK;
    if (json_object_get(s->recorded, CLUSTER) == NULL)
        return IST_OK;
    if (found == NULL && name != NULL) { // begun, and whether it came to be was never learnt
        rc = settle(s, step_find_recorded, err);
        const char *late = ist_json_str(s->cluster, "id");
        found = rc == IST_OK && late != NULL ? ist_strdup(late) : NULL;
    } else if (found != NULL) {
        rc = step_find_recorded(s, err);
    }
    if (rc == IST_OK && found != NULL)
        rc = delete_cluster(s, found, err);
    if (rc == IST_OK)
        rc = ist_outcome(&s->env, CLUSTER, NULL, err);
    ist_free(found);
    return rc;
}

int32_t ccp_destroy(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = step_begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = destroy_cluster(&s, &err);
    if (rc == IST_OK)
        rc = step_destroy_files(&s, &err);
    return step_end(&s, rc, &err);
}
