#include "operations.h"
#include "step.h"

static void plan_fields(const struct step *s, const char *role_arn)
{
    json_t *body = desired_body(s->inputs, s->region, ist_json_str_or(s->inputs, "provider", ""), role_arn,
                                step_input(s, "ami"));
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value)
    {
        ist_change_field(&s->env, CLUSTER, key, NULL, json_incref(value));
    }
    json_decref(body);
}

static int32_t check_type(const struct step *s, ist_aws *aws, ist_error *err)
{
    json_t *types = json_pack("[s]", desired_type(s->inputs));
    const int32_t rc = ist_aws_check_instance_types(aws, types, "instance_type", err);
    json_decref(types);
    return rc;
}

// Everything a creation needs is looked up now, so that it does not fail half way.
static int32_t plan_create(struct step *s, uint32_t action, const char *reason, ist_error *err)
{
    ist_aws *aws = NULL;
    char *provider = NULL, *role = NULL;
    int32_t rc = ccp_provider(&s->ccp, ist_json_str_or(s->inputs, "provider", ""), &provider, err);
    if (rc == IST_OK)
        rc = step_open_aws(s, &aws, err);
    if (rc == IST_OK)
        rc = step_find_role(s, aws, &role, err);
    if (rc == IST_OK)
        rc = check_type(s, aws, err);
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

// In the place of the one that is there, or what an earlier run began.
static int32_t plan_anew(struct step *s, uint32_t action, const char *reason, ist_error *err)
{
    const int32_t rc = plan_create(s, action, reason, err);
    if (rc == IST_OK && action == IST_REPLACE)
        ist_change_field(&s->env, CLUSTER, "status", json_string(step_status(s)), json_string("READY"));
    return rc;
}

static int32_t plan_cluster(struct step *s, uint32_t *action, ist_error *err)
{
    const char *reason = NULL;
    *action = IST_CREATE;
    if (s->cluster == NULL)
        return plan_create(s, IST_CREATE, NULL, err);
    json_t *differences = NULL;
    int32_t rc = step_differences(s, &differences, err);
    if (rc == IST_OK)
        rc = step_judge(s, differences, action, &reason, err);
    if (rc == IST_OK && (*action == IST_UPDATE || (*action == IST_REPLACE && reason == NULL)))
        plan_differences(s, differences, *action);
    else if (rc == IST_OK && *action != 0)
        rc = plan_anew(s, *action, reason, err);
    else if (rc == IST_OK && !step_is_ours(s))
        ist_log(&s->env, IST_LOG_INFO, "cluster %s exists and agrees: it is used, and will not be destroyed",
                step_name(s));
    json_decref(differences);
    return rc;
}

int32_t ccp_plan(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    uint32_t action = 0;
    int32_t rc = step_begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = step_find_cluster(&s, &err);
    if (rc == IST_OK)
        rc = step_find_on_prem(&s, 0, &err);
    if (rc == IST_OK)
        rc = plan_cluster(&s, &action, &err);
    if (rc == IST_OK)
        rc = step_plan_files(&s, &err);
    if (rc == IST_OK)
        step_outputs(&s, (action == 0 || action == IST_UPDATE) && step_is_ready(&s));
    return step_end(&s, rc, &err);
}
