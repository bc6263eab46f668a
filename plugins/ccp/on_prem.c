// Tenant clusters on premises: their kubeconfigs, as outputs and as files for people.
#include "step.h"

#include <isthmus/file.h>

#include <string.h>

// One more of them. quiet: that it is not there is no error.
static int32_t add_tenant(struct step *s, const char *name, int quiet, ist_error *err)
{
    char *text = NULL;
    ist_error failed = {0};
    if (json_object_get(s->tenants, name) != NULL)
        return IST_OK;
    const int32_t rc = ccp_kubeconfig(&s->ccp, name, &text, &failed);
    if (rc == IST_OK)
        json_object_set_new(s->tenants, name, json_string(text));
    else if (err != NULL)
        *err = failed;
    ist_free_secret(text);
    return rc == IST_ERR_NOT_FOUND && quiet ? IST_OK : rc;
}

int32_t step_find_on_prem(struct step *s, int quiet, ist_error *err)
{
    const char *one = step_input(s, "on_prem_cluster"), *name;
    json_t *wanted;
    int32_t rc = one != NULL ? add_tenant(s, one, quiet, err) : IST_OK;
    json_object_foreach(json_object_get(s->inputs, "on_prem_clusters"), name, wanted)
    {
        if (rc == IST_OK)
            rc = add_tenant(s, name, quiet, err);
    }
    return rc;
}

void step_on_prem_outputs(const struct step *s)
{
    const char *one = step_input(s, "on_prem_cluster"), *name;
    json_t *text, *wanted, *all = json_object();
    if (one != NULL && json_object_get(s->tenants, one) != NULL)
        ist_set_output(&s->env, "on_prem_kubeconfig", json_incref(json_object_get(s->tenants, one)));
    json_object_foreach(json_object_get(s->inputs, "on_prem_clusters"), name, wanted)
    {
        text = json_object_get(s->tenants, name);
        if (text != NULL)
            json_object_set(all, name, text);
    }
    // One that is missing makes the whole unknown.
    if (json_object_size(all) == json_object_size(json_object_get(s->inputs, "on_prem_clusters")))
        ist_set_output(&s->env, "on_prem_kubeconfigs", all);
    else
        json_decref(all);
}

// ---- the files ----

typedef int32_t keep(const ist_env *env, const json_t *recorded, const ist_kept_file *file, ist_error *err);

// Each that is wanted.
static int32_t keep_wanted(struct step *s, keep *act, ist_error *err)
{
    const char *one = step_input(s, "on_prem_cluster"), *name;
    const ist_kept_file alone = {ON_PREM_FILE, step_input(s, "on_prem_kubeconf_file"),
                                 json_string_value(json_object_get(s->tenants, one != NULL ? one : ""))};
    json_t *wanted;
    int32_t rc = act(&s->env, s->recorded, &alone, err);
    json_object_foreach(json_object_get(s->inputs, "on_prem_clusters"), name, wanted)
    {
        char *resource = ist_printf("%s of %s", ON_PREM_FILE, name);
        const ist_kept_file file = {resource, ist_json_str(wanted, "kubeconf_file"),
                                    json_string_value(json_object_get(s->tenants, name))};
        if (rc == IST_OK)
            rc = act(&s->env, s->recorded, &file, err);
        ist_free(resource);
    }
    return rc;
}

// The cluster whose file a resource of the record is; NULL: it is none of these.
static const char *cluster_of(const char *resource)
{
    const size_t len = strlen(ON_PREM_FILE " of ");
    return strncmp(resource, ON_PREM_FILE " of ", len) == 0 ? resource + len : NULL;
}

// The files of those that the inputs name no more.
static int32_t keep_rest(struct step *s, keep *act, ist_error *err)
{
    json_t *recorded = json_copy(s->recorded), *record;
    const char *resource;
    int32_t rc = IST_OK;
    json_object_foreach(recorded, resource, record)
    {
        const char *name = cluster_of(resource);
        const ist_kept_file file = {resource, NULL, NULL};
        if (rc == IST_OK && name != NULL &&
            json_object_get(json_object_get(s->inputs, "on_prem_clusters"), name) == NULL)
            rc = act(&s->env, s->recorded, &file, err);
    }
    json_decref(recorded);
    return rc;
}

int32_t step_plan_files(struct step *s, ist_error *err)
{
    const int32_t rc = keep_wanted(s, ist_kept_file_plan, err);
    return rc == IST_OK ? keep_rest(s, ist_kept_file_plan, err) : rc;
}

int32_t step_apply_files(struct step *s, ist_error *err)
{
    const int32_t rc = keep_wanted(s, ist_kept_file_apply, err);
    return rc == IST_OK ? keep_rest(s, ist_kept_file_apply, err) : rc;
}

int32_t step_destroy_files(struct step *s, ist_error *err)
{
    json_t *recorded = json_copy(s->recorded), *record;
    const char *resource;
    int32_t rc = IST_OK;
    json_object_foreach(recorded, resource, record)
    {
        if (rc == IST_OK && (strcmp(resource, ON_PREM_FILE) == 0 || cluster_of(resource) != NULL))
            rc = ist_kept_file_destroy(&s->env, s->recorded, resource, err);
    }
    json_decref(recorded);
    return rc;
}
