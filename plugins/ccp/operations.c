#include "operations.h"
#include "desired.h"

#include <isthmus/file.h>

#include <string.h>

// What the journal and the plan call them.
#define CLUSTER      "cluster"
#define ON_PREM_FILE "on-premises kubeconfig file"

// A creation whose answer was lost shows within so long, or it never began.
#define SETTLE_MS 5000
#define CREATIONS 3

struct step {
    ist_env env;
    json_t *inputs, *recorded;
    struct ccp ccp;
    char *region;
    json_t *cluster; // as the platform last told it, or NULL
    char *on_prem;   // kubeconfig of the cluster on premises, or NULL
};

static const char *input(const struct step *s, const char *path)
{
    const char *text = ist_json_str(s->inputs, path);
    return text != NULL && *text != '\0' ? text : NULL;
}

static const char *name_of(const struct step *s)
{
    return ist_json_str_or(s->inputs, "name", "");
}

static const char *status_of(const struct step *s)
{
    return ist_json_str_or(s->cluster, "status", "");
}

static const json_t *record(const struct step *s)
{
    return json_object_get(json_object_get(s->recorded, CLUSTER), "data");
}

static int is_unsettled(const struct step *s)
{
    return strcmp(ist_json_str_or(json_object_get(s->recorded, CLUSTER), "status", ""), "intent") == 0;
}

static int is_ours(const struct step *s)
{
    const char *id = ist_json_str(record(s), "id");
    return is_unsettled(s) || (id != NULL && strcmp(id, ist_json_str_or(s->cluster, "id", "")) == 0);
}

static int64_t timeout_of(const struct step *s)
{
    return ist_json_int(s->inputs, "timeout", 40 * 60 * 1000);
}

static int32_t open_aws(const struct step *s, ist_aws **aws, ist_error *err)
{
    const ist_aws_options options = {
        .size = sizeof(options), .region = input(s, "region"), .profile = input(s, "profile")};
    return ist_aws_new(&s->env, &options, aws, err);
}

static int32_t find_region(struct step *s, ist_error *err)
{
    ist_aws *aws = NULL;
    if (input(s, "region") != NULL) {
        s->region = ist_strdup(input(s, "region"));
        return IST_OK;
    }
    const int32_t rc = open_aws(s, &aws, err);
    if (rc == IST_OK)
        s->region = ist_strdup(ist_aws_region(aws));
    ist_aws_free(aws);
    return rc;
}

static int32_t find_cluster(struct step *s, ist_error *err)
{
    json_t *found = NULL;
    const int32_t rc = ccp_find(&s->ccp, ist_json_str(record(s), "id"), name_of(s), "eks", &found, err);
    if (rc != IST_OK && rc != IST_ERR_NOT_FOUND)
        return rc;
    json_decref(s->cluster);
    s->cluster = found;
    if (found != NULL && ist_json_str(found, "kubeconfig") != NULL)
        ccp_hide_kubeconfig(&s->env, ist_json_str(found, "kubeconfig"));
    return IST_OK;
}

static int32_t find_on_prem(struct step *s, ist_error *err)
{
    return input(s, "on_prem_cluster") != NULL
               ? ccp_kubeconfig(&s->ccp, input(s, "on_prem_cluster"), &s->on_prem, err)
               : IST_OK;
}

static int32_t begin(struct step *s, const ist_host *host, ist_call *call, ist_error *err)
{
    *s = (struct step){.env = {host, call}};
    s->inputs = ist_inputs(&s->env);
    s->recorded = ist_recorded(&s->env);
    int32_t rc = find_region(s, err);
    if (rc == IST_OK)
        rc = ccp_open(&s->env, s->inputs, &s->ccp, err);
    return rc;
}

// Frees all; reports the error of an operation that failed.
static int32_t end(struct step *s, int32_t rc, const ist_error *err)
{
    if (rc != IST_OK)
        ist_report(&s->env, err);
    ccp_close(&s->ccp);
    ist_free(s->region);
    ist_free_secret(s->on_prem);
    json_decref(s->cluster);
    json_decref(s->inputs);
    json_decref(s->recorded);
    return rc;
}

static void set_text(const struct step *s, const char *output, const char *text)
{
    if (text != NULL && *text != '\0')
        ist_set_output(&s->env, output, json_string(text));
}

// What is settled by the inputs, and what the cluster adds once it is READY.
static void set_outputs(const struct step *s, int ready)
{
    const json_t *subnet = json_object_get(s->inputs, "subnet");
    set_text(s, "name", name_of(s));
    set_text(s, "region", s->region);
    ist_set_output(&s->env, "vpc_cidr", json_incref(json_object_get(subnet, "cidr")));
    ist_set_output(&s->env, "public_cidrs", json_incref(json_object_get(subnet, "publicCidrs")));
    ist_set_output(&s->env, "private_cidrs", json_incref(json_object_get(subnet, "privateCidrs")));
    set_text(s, "on_prem_kubeconfig", s->on_prem);
    if (!ready || s->cluster == NULL)
        return;
    set_text(s, "id", ist_json_str(s->cluster, "id"));
    set_text(s, "status", status_of(s));
    set_text(s, "kubeconfig", ist_json_str(s->cluster, "kubeconfig"));
}

static int is_ready(const struct step *s)
{
    return strcmp(status_of(s), "READY") == 0;
}

// ---- observe ----

int32_t ccp_observe(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = find_cluster(&s, &err);
    if (rc == IST_OK) {
        // One that is not there is plan's matter: a destroy must get past it.
        const int32_t found = find_on_prem(&s, &err);
        rc = found == IST_ERR_NOT_FOUND ? IST_OK : found;
    }
    if (rc == IST_OK) {
        json_t *shown = s.cluster != NULL ? json_copy(s.cluster) : json_null();
        json_object_del(shown, "kubeconfig");
        ist_set_observed(&s.env, json_pack("{s:o}", CLUSTER, shown));
        if (s.cluster != NULL)
            set_outputs(&s, is_ready(&s));
    }
    return end(&s, rc, &err);
}

// ---- plan ----

static void plan_fields(const struct step *s, const char *role_arn)
{
    json_t *body = desired_body(s->inputs, s->region, ist_json_str_or(s->inputs, "provider", ""), role_arn,
                                input(s, "ami"));
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value)
    {
        ist_change_field(&s->env, CLUSTER, key, NULL, json_incref(value));
    }
    json_decref(body);
}

// Everything a creation needs is looked up now, so that it does not fail half way.
static int32_t plan_create(struct step *s, uint32_t action, const char *reason, ist_error *err)
{
    ist_aws *aws = NULL;
    char *provider = NULL, *role = NULL;
    int32_t rc = ccp_provider(&s->ccp, ist_json_str_or(s->inputs, "provider", ""), &provider, err);
    if (rc == IST_OK)
        rc = open_aws(s, &aws, err);
    if (rc == IST_OK)
        rc = ist_aws_find_role(aws, ist_json_str_or(s->inputs, "role_arn_name", ""), &role, err);
    if (rc == IST_OK) {
        ist_change(&s->env, action, CLUSTER, reason);
        plan_fields(s, role);
    }
    ist_free(provider);
    ist_free(role);
    ist_aws_free(aws);
    return rc;
}

static void plan_differences(const struct step *s, const json_t *differences, uint32_t action)
{
    json_t *d;
    size_t i;
    ist_change(&s->env, action, CLUSTER, NULL);
    json_array_foreach((json_t *)differences, i, d)
    {
        ist_change_field(&s->env, CLUSTER, ist_json_str(d, "field"),
                         json_incref(json_object_get(d, "before")), json_incref(json_object_get(d, "after")));
    }
}

static int needs_replace(const json_t *differences)
{
    json_t *d;
    size_t i;
    json_array_foreach((json_t *)differences, i, d)
    {
        if (ist_json_bool(d, "replace", 1))
            return 1;
    }
    return 0;
}

static int32_t refuse_foreign(const struct step *s, const json_t *differences, ist_error *err)
{
    char *text = desired_differences_text(differences);
    const int32_t rc =
        ist_fail(err, IST_ERR_CONFLICT, name_of(s),
                 "a cluster of this name exists that Isthmus did not make, and it differs: %s", text);
    ist_hint(err, "choose another name, or make the inputs agree to adopt it");
    ist_free(text);
    return rc;
}

// What to do about a cluster that is there. Sets *action to 0 when nothing is.
static int32_t judge(const struct step *s, const json_t *differences, uint32_t *action, const char **reason,
                     ist_error *err)
{
    const char *status = status_of(s);
    *action = 0;
    *reason = NULL;
    if (strcmp(status, "DELETING") == 0) {
        *action = IST_CREATE;
        *reason = "after the one of that name that is being deleted";
    } else if (!is_ours(s) && json_array_size(differences) > 0) {
        return refuse_foreign(s, differences, err);
    } else if (!is_ready(s) && !ccp_is_passing(status)) {
        if (!is_ours(s))
            return ist_fail(err, IST_ERR_CONFLICT, name_of(s),
                            "a cluster of this name exists that Isthmus did not make, and it is %s", status);
        *action = IST_REPLACE;
        *reason = "the platform could not make it";
    } else if (json_array_size(differences) > 0) {
        *action = needs_replace(differences) ? IST_REPLACE : IST_UPDATE;
    } else if (!is_ready(s)) {
        *action = IST_CREATE;
        *reason = "it is being made: wait for it";
    } else if (is_unsettled(s)) {
        *action = IST_CREATE;
        *reason = "it was being made when an earlier run ended";
    }
    return IST_OK;
}

static int32_t plan_cluster(struct step *s, uint32_t *action, ist_error *err)
{
    const char *reason = NULL;
    *action = IST_CREATE;
    if (s->cluster == NULL)
        return plan_create(s, IST_CREATE, NULL, err);
    json_t *differences = desired_differences(s->inputs, s->region, s->cluster);
    int32_t rc = judge(s, differences, action, &reason, err);
    if (rc == IST_OK && (*action == IST_UPDATE || (*action == IST_REPLACE && reason == NULL)))
        plan_differences(s, differences, *action);
    else if (rc == IST_OK && *action != 0)
        rc = plan_create(s, *action, reason, err);
    else if (rc == IST_OK && !is_ours(s))
        ist_log(&s->env, IST_LOG_INFO, "cluster %s exists and agrees: it is used, and will not be destroyed",
                name_of(s));
    json_decref(differences);
    return rc;
}

int32_t ccp_plan(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    uint32_t action = 0;
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = desired_check_networks(s.inputs, &err);
    if (rc == IST_OK)
        rc = find_cluster(&s, &err);
    if (rc == IST_OK)
        rc = find_on_prem(&s, &err);
    if (rc == IST_OK)
        rc = plan_cluster(&s, &action, &err);
    if (rc == IST_OK) {
        const ist_kept_file file = {ON_PREM_FILE, input(&s, "on_prem_kubeconf_file"), s.on_prem};
        rc = ist_kept_file_plan(&s.env, s.recorded, &file, &err);
    }
    if (rc == IST_OK)
        set_outputs(&s, (action == 0 || action == IST_UPDATE) && is_ready(&s));
    return end(&s, rc, &err);
}

// ---- apply ----

// Looks for the cluster by name for as long as a call whose answer was lost may need to show.
static int32_t settle(struct step *s, ist_error *err)
{
    const int64_t until = ist_now_ms(&s->env) + SETTLE_MS;
    for (;;) {
        int32_t rc = find_cluster(s, err);
        if (rc != IST_OK || s->cluster != NULL || ist_now_ms(&s->env) >= until)
            return rc;
        ist_progress(&s->env, "EKS cluster %s: looking whether it was begun", name_of(s));
        rc = ist_sleep_ms(&s->env, 1000);
        if (rc != IST_OK)
            return ist_fail(err, rc, name_of(s), "%s", ist_code_name(rc));
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
    rc = settle(s, err);
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
                                 name_of(s), "region", s->region),
                       err);
}

static int32_t create(struct step *s, ist_error *err)
{
    ist_aws *aws = NULL;
    char *provider = NULL, *role = NULL, *ami = NULL, token[65];
    json_t *body = NULL;
    int32_t rc = ccp_provider(&s->ccp, ist_json_str_or(s->inputs, "provider", ""), &provider, err);
    if (rc == IST_OK)
        rc = open_aws(s, &aws, err);
    if (rc == IST_OK)
        rc = ist_aws_find_role(aws, ist_json_str_or(s->inputs, "role_arn_name", ""), &role, err);
    if (rc == IST_OK && input(s, "ami") != NULL)
        ami = ist_strdup(input(s, "ami"));
    else if (rc == IST_OK)
        rc = desired_ami(&s->env, aws, &ami, err);
    if (rc != IST_OK)
        goto out;
    body = desired_body(s->inputs, s->region, provider, role, ami);
    // The platform takes no token: the name, which nobody had a moment ago, is what a resume looks for.
    rc = ist_intent(&s->env, CLUSTER, json_pack("{s:s, s:s}", "name", name_of(s), "region", s->region), token,
                    err);
    for (int tries = 0; rc == IST_OK; tries++) {
        rc = post_cluster(s, body, tries > 0 || is_unsettled(s), err);
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

static int32_t delete_cluster(struct step *s, const char *id, ist_error *err)
{
    char *encoded = ist_url_encode(id, 0);
    char *path = ist_printf("/v3/clusters/%s/", encoded);
    json_t *answer = NULL;
    int32_t rc = ccp_call(&s->ccp, "DELETE", path, NULL, &answer, err);
    json_decref(answer);
    if (rc == IST_OK)
        rc = ccp_wait_gone(&s->ccp, id, name_of(s), timeout_of(s), err);
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
    json_t *body = json_pack("{s:I}", "worker_count", (json_int_t)ist_json_int(s->inputs, "worker_count", 2));
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
    json_t *differences = desired_differences(s->inputs, s->region, s->cluster);
    int32_t rc = judge(s, differences, &action, &reason, err);
    json_decref(differences);
    if (rc != IST_OK)
        return rc;
    if (strcmp(status_of(s), "DELETING") == 0) {
        rc = ccp_wait_gone(&s->ccp, ist_json_str_or(s->cluster, "id", ""), name_of(s), timeout_of(s), err);
        return rc == IST_OK ? create(s, err) : rc;
    }
    if (action == IST_REPLACE)
        return replace(s, err);
    if (action == IST_UPDATE)
        return resize(s, err);
    return is_unsettled(s) ? remember(s, err) : IST_OK;
}

static int32_t apply_cluster(struct step *s, ist_error *err)
{
    int32_t rc = find_cluster(s, err);
    if (rc == IST_OK && s->cluster == NULL && is_unsettled(s))
        rc = settle(s, err);
    if (rc == IST_OK)
        rc = s->cluster == NULL ? create(s, err) : act(s, err);
    if (rc != IST_OK)
        return rc;
    char *id = ist_strdup(ist_json_str_or(s->cluster, "id", ""));
    json_t *ready = NULL;
    rc = ccp_wait_ready(&s->ccp, id, name_of(s), timeout_of(s), &ready, err);
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
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = find_on_prem(&s, &err);
    if (rc == IST_OK)
        rc = apply_cluster(&s, &err);
    if (rc == IST_OK) {
        const ist_kept_file file = {ON_PREM_FILE, input(&s, "on_prem_kubeconf_file"), s.on_prem};
        rc = ist_kept_file_apply(&s.env, s.recorded, &file, &err);
    }
    if (rc == IST_OK)
        set_outputs(&s, 1);
    return end(&s, rc, &err);
}

// ---- destroy ----

static int32_t destroy_cluster(struct step *s, ist_error *err)
{
    const char *id = ist_json_str(record(s), "id");
    const char *name = ist_json_str(record(s), "name");
    char *found = id != NULL ? ist_strdup(id) : NULL;
    int32_t rc = IST_OK;
    if (json_object_get(s->recorded, CLUSTER) == NULL)
        return IST_OK;
    if (found == NULL && name != NULL) { // begun, and whether it came to be was never learnt
        rc = settle(s, err);
        const char *late = ist_json_str(s->cluster, "id");
        found = rc == IST_OK && late != NULL ? ist_strdup(late) : NULL;
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
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = destroy_cluster(&s, &err);
    if (rc == IST_OK)
        rc = ist_kept_file_destroy(&s.env, s.recorded, ON_PREM_FILE, &err);
    return end(&s, rc, &err);
}

// ---- verify ----

int32_t ccp_verify(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = find_cluster(&s, &err);
    if (rc != IST_OK)
        return end(&s, rc, &err);
    if (s.cluster == NULL) {
        ist_check(&s.env, "cluster is READY", IST_FAIL, "the platform has no EKS cluster called %s",
                  name_of(&s));
        return end(&s, IST_OK, &err);
    }
    ist_check(&s.env, "cluster is READY", is_ready(&s) ? IST_PASS : IST_FAIL, "%s is %s", name_of(&s),
              status_of(&s));
    ist_check(&s.env, "kubeconfig is handed out",
              ist_json_str(s.cluster, "kubeconfig") != NULL ? IST_PASS : IST_FAIL, "cluster %s", name_of(&s));
    json_t *differences = desired_differences(s.inputs, s.region, s.cluster);
    char *text = desired_differences_text(differences);
    ist_check(&s.env, "cluster is as asked for", json_array_size(differences) == 0 ? IST_PASS : IST_FAIL,
              "%s", *text != '\0' ? text : "all settings agree");
    ist_free(text);
    json_decref(differences);
    return end(&s, IST_OK, &err);
}
