#include "step.h"

#include <string.h>

const char *step_input(const struct step *s, const char *path)
{
    const char *text = ist_json_str(s->inputs, path);
    return text != NULL && *text != '\0' ? text : NULL;
}

const char *step_name(const struct step *s)
{
    return ist_json_str_or(s->inputs, "name", "");
}

const char *step_status(const struct step *s)
{
    return ist_json_str_or(s->cluster, "status", "");
}

const json_t *step_record(const struct step *s)
{
    return json_object_get(json_object_get(s->recorded, CLUSTER), "data");
}

int step_is_unsettled(const struct step *s)
{
    return strcmp(ist_json_str_or(json_object_get(s->recorded, CLUSTER), "status", ""), "intent") == 0;
}

int step_is_ours(const struct step *s)
{
    const char *id = ist_json_str(step_record(s), "id");
    return step_is_unsettled(s) || (id != NULL && strcmp(id, ist_json_str_or(s->cluster, "id", "")) == 0);
}

int64_t step_timeout(const struct step *s)
{
    return ist_json_int(s->inputs, "timeout", 40 * 60 * 1000);
}

int32_t step_open_aws(const struct step *s, ist_aws **aws, ist_error *err)
{
    const ist_aws_options options = {
        .size = sizeof(options), .region = step_input(s, "region"), .profile = step_input(s, "profile")};
    return ist_aws_new(&s->env, &options, aws, err);
}

int32_t step_find_role(const struct step *s, ist_aws *aws, char **arn, ist_error *err)
{
    const char *given = step_input(s, "aws_role_arn");
    if (given == NULL)
        return ist_aws_find_role(aws, ist_json_str_or(s->inputs, "role_arn_name", ""), arn, err);
    *arn = ist_strdup(given);
    return IST_OK;
}

static int32_t find_region(struct step *s, ist_error *err)
{
    ist_aws *aws = NULL;
    if (step_input(s, "region") != NULL) {
        s->region = ist_strdup(step_input(s, "region"));
        return IST_OK;
    }
    const int32_t rc = step_open_aws(s, &aws, err);
    if (rc == IST_OK)
        s->region = ist_strdup(ist_aws_region(aws));
    ist_aws_free(aws);
    return rc;
}

static int32_t find(struct step *s, const char *id, const char *name, ist_error *err)
{
    json_t *found = NULL;
    const int32_t rc = ccp_find(&s->ccp, id, name, "eks", &found, err);
    if (rc != IST_OK && rc != IST_ERR_NOT_FOUND)
        return rc;
    json_decref(s->cluster);
    s->cluster = found;
    if (found != NULL && ist_json_str(found, "kubeconfig") != NULL)
        ccp_hide_kubeconfig(&s->env, ist_json_str(found, "kubeconfig"));
    return IST_OK;
}

int32_t step_find_cluster(struct step *s, ist_error *err)
{
    return find(s, ist_json_str(step_record(s), "id"), step_name(s), err);
}

int32_t step_find_recorded(struct step *s, ist_error *err)
{
    const char *id = ist_json_str(step_record(s), "id");
    return find(s, id, id == NULL ? ist_json_str(step_record(s), "name") : NULL, err);
}

int32_t step_begin(struct step *s, const ist_host *host, ist_call *call, ist_error *err)
{
    *s = (struct step){.env = {host, call}};
    s->inputs = ist_inputs(&s->env);
    s->recorded = ist_recorded(&s->env);
    s->tenants = json_object();
    int32_t rc = find_region(s, err);
    if (rc == IST_OK)
        rc = ccp_open(&s->env, s->inputs, &s->ccp, err);
    return rc;
}

// Frees all; reports the error of an operation that failed.
int32_t step_end(struct step *s, int32_t rc, const ist_error *err)
{
    if (rc != IST_OK)
        ist_report(&s->env, err);
    ccp_close(&s->ccp);
    ist_free(s->region);
    json_decref(s->tenants);
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
void step_outputs(const struct step *s, int ready)
{
    const json_t *subnet = json_object_get(s->inputs, "subnet");
    set_text(s, "name", step_name(s));
    set_text(s, "region", s->region);
    ist_set_output(&s->env, "vpc_cidr", json_incref(json_object_get(subnet, "cidr")));
    ist_set_output(&s->env, "public_cidrs", json_incref(json_object_get(subnet, "publicCidrs")));
    ist_set_output(&s->env, "private_cidrs", json_incref(json_object_get(subnet, "privateCidrs")));
    step_on_prem_outputs(s);
    if (!ready || s->cluster == NULL)
        return;
    set_text(s, "id", ist_json_str(s->cluster, "id"));
    set_text(s, "status", step_status(s));
    set_text(s, "kubeconfig", ist_json_str(s->cluster, "kubeconfig"));
}

int step_is_ready(const struct step *s)
{
    return strcmp(step_status(s), "READY") == 0;
}

// ---- judging what is there ----

// The cluster knows a whole ARN. The input may be a part of it that another role's has too (k8s-ccp-user,
// k8s-ccp-user-2): only then AWS is asked which is meant.
static int32_t compare_role(const struct step *s, json_t *differences, ist_error *err)
{
    const char *found = ist_json_str_or(s->cluster, "access_role_arn", ""),
               *given = step_input(s, "aws_role_arn"), *name = step_input(s, "role_arn_name");
    const char *last = strrchr(found, '/');
    char *wanted = NULL;
    ist_aws *aws = NULL;
    int32_t rc = IST_OK;
    if (*found == '\0' || (given == NULL && (name == NULL || strcmp(found, name) == 0 ||
                                             (last != NULL && strcmp(last + 1, name) == 0))))
        return IST_OK;
    if (given == NULL && strstr(found, name) != NULL) {
        rc = step_open_aws(s, &aws, err);
        if (rc == IST_OK)
            rc = step_find_role(s, aws, &wanted, err);
        ist_aws_free(aws);
        given = wanted;
    }
    if (rc == IST_OK && (given == NULL || strcmp(found, given) != 0))
        json_array_append_new(differences,
                              json_pack("{s:s, s:s, s:s, s:b}", "field", "access_role_arn", "before", found,
                                        "after", given != NULL ? given : name, "replace", 1));
    ist_free(wanted);
    return rc;
}

int32_t step_differences(struct step *s, json_t **differences, ist_error *err)
{
    const char *provider = ist_json_str(s->cluster, "provider"), *wanted = step_input(s, "provider");
    char *other = NULL;
    int32_t rc = IST_OK;
    if (provider != NULL && wanted != NULL)
        rc = ccp_other_provider(&s->ccp, wanted, provider, &other, err);
    if (rc != IST_OK)
        return rc;
    *differences = desired_differences(s->inputs, s->region, s->cluster);
    if (s->cluster != NULL)
        rc = compare_role(s, *differences, err);
    if (rc != IST_OK) {
        json_decref(*differences);
        *differences = NULL;
        ist_free(other);
        return rc;
    }
    if (other != NULL)
        json_array_append_new(*differences, json_pack("{s:s, s:s, s:s, s:b}", "field", "provider", "before",
                                                      other, "after", wanted, "replace", 1));
    ist_free(other);
    return IST_OK;
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
        ist_fail(err, IST_ERR_CONFLICT, step_name(s),
                 "a cluster of this name exists that Isthmus did not make, and it differs: %s", text);
    ist_hint(err, "choose another name, or make the inputs agree to adopt it");
    ist_free(text);
    return rc;
}

// One that was handed out may be in use: what a person can still mend is not deleted.
static int32_t refuse_broken(const struct step *s, ist_error *err)
{
    ist_fail(err, IST_ERR_REMOTE, step_name(s),
             "the platform reports the cluster as %s, and it was READY before", step_status(s));
    ist_hint(err, "mend it there, or destroy this step and apply again for another one");
    return IST_ERR_REMOTE;
}

// What to do about a cluster that is there. Sets *action to 0 when nothing is.
int32_t step_judge(const struct step *s, const json_t *differences, uint32_t *action, const char **reason,
                   ist_error *err)
{
    const char *status = step_status(s);
    *action = 0;
    *reason = NULL;
    if (strcmp(status, "DELETING") == 0) {
        *action = IST_CREATE;
        *reason = "after the one of that name that is being deleted";
    } else if (!step_is_ours(s) && json_array_size(differences) > 0) {
        return refuse_foreign(s, differences, err);
    } else if (!step_is_ready(s) && !ccp_is_passing(status)) {
        if (!step_is_ours(s))
            return ist_fail(err, IST_ERR_CONFLICT, step_name(s),
                            "a cluster of this name exists that Isthmus did not make, and it is %s", status);
        if (ist_json_str_or(s->cluster, "kubeconfig", "")[0] != '\0')
            return refuse_broken(s, err);
        *action = IST_REPLACE;
        *reason = "the platform could not make it";
    } else if (json_array_size(differences) > 0) {
        *action = needs_replace(differences) ? IST_REPLACE : IST_UPDATE;
    } else if (!step_is_ready(s)) {
        *action = IST_CREATE;
        *reason = "it is being made: wait for it";
    } else if (step_is_unsettled(s)) {
        *action = IST_CREATE;
        *reason = "it was being made when an earlier run ended";
    }
    return IST_OK;
}
