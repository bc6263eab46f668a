// Where EKS manages the VPC CNI, a patched DaemonSet would be overwritten: its configuration is changed
// instead.
#include "eks.h"

#include <string.h>

#define WHERE   "EKS add-on vpc-cni"
#define POLL_MS 1000

static char *addon_path(const struct step *s, const char *more)
{
    char *name = ist_url_encode(ist_json_str_or(s->inputs, "name", ""), 0);
    char *path = ist_printf("/clusters/%s/%s", name, more);
    ist_free(name);
    return path;
}

static int32_t read_addon(struct step *s, json_t **addon, ist_error *err)
{
    char *path = addon_path(s, "addons/vpc-cni");
    json_t *answer = NULL;
    ist_error failed = {0};
    int32_t rc = ist_aws_rest(s->aws, "eks", "GET", path, NULL, &answer, &failed);
    ist_free(path);
    *addon = NULL;
    if (rc == IST_ERR_NOT_FOUND)
        return IST_OK;
    if (rc == IST_OK)
        *addon = json_incref(json_object_get(answer, "addon"));
    else if (err != NULL)
        *err = failed;
    json_decref(answer);
    return rc;
}

static int is_moving(const json_t *addon)
{
    static const char *const moving[] = {"CREATING", "UPDATING", "DELETING"};
    const char *status = ist_json_str_or(addon, "status", "");
    for (size_t i = 0; i < sizeof(moving) / sizeof(*moving); i++)
        if (strcmp(status, moving[i]) == 0)
            return 1;
    return 0;
}

int32_t addon_find(struct step *s, json_t **addon, ist_error *err)
{
    const uint32_t operation = ist_operation_of(&s->env);
    const int waits = operation == IST_OP_APPLY || operation == IST_OP_DESTROY;
    const int64_t until = ist_now_ms(&s->env) + step_timeout(s);
    int32_t rc = read_addon(s, addon, err);
    while (rc == IST_OK && waits && is_moving(*addon)) {
        const char *status = ist_json_str_or(*addon, "status", "?");
        ist_progress(&s->env, WHERE ": %s", status);
        rc = ist_now_ms(&s->env) >= until ? IST_ERR_TIMEOUT : ist_sleep_ms(&s->env, POLL_MS);
        if (rc != IST_OK)
            ist_fail(err, rc, WHERE, "%s while it was %s", ist_code_name(rc), status);
        json_decref(*addon);
        *addon = NULL;
        if (rc == IST_OK)
            rc = read_addon(s, addon, err);
    }
    return rc;
}

// configurationValues is a string that holds JSON (or, as people write it, YAML's subset of it). New
// reference.
json_t *addon_configuration(const json_t *addon)
{
    const char *text = ist_json_str(addon, "configurationValues");
    json_t *values = NULL;
    if (text == NULL || *text == '\0')
        return json_object();
    (void)ist_json_parse(text, strlen(text), "configurationValues", &values, NULL);
    return values;
}

char *addon_value(const json_t *addon, const char *variable)
{
    json_t *values = addon_configuration(addon);
    const char *value = json_string_value(json_object_get(json_object_get(values, "env"), variable));
    char *copy = value != NULL ? ist_strdup(value) : NULL;
    json_decref(values);
    return copy;
}

int32_t addon_configure(struct step *s, const json_t *addon, const json_t *values, ist_error *err)
{
    char *text = ist_json_text(values);
    // PRESERVE: what others set on the DaemonSet itself stays. EKS does not promise that a role stays that is left out.
    json_t *body = json_pack("{s:s, s:s, s:s*}", "configurationValues", text, "resolveConflicts", "PRESERVE",
                             "serviceAccountRoleArn", ist_json_str(addon, "serviceAccountRoleArn"));
    char *path = addon_path(s, "addons/vpc-cni/update");
    const int32_t rc = update_send(s, WHERE, path, body, "addonName=vpc-cni", err);
    json_decref(body);
    ist_free(path);
    ist_free(text);
    return rc;
}

int32_t addon_set(struct step *s, const json_t *addon, const char *variable, const char *value,
                  ist_error *err)
{
    json_t *values = addon_configuration(addon);
    if (!json_is_object(values)) {
        json_decref(values);
        return ist_fail(err, IST_ERR_REMOTE, WHERE,
                        "its configuration is no JSON object: set %s there by hand", variable);
    }
    json_t *variables = json_object_get(values, "env");
    if (!json_is_object(variables)) {
        variables = json_object();
        json_object_set_new(values, "env", variables);
    }
    if (value != NULL)
        json_object_set_new(variables, variable, json_string(value));
    else
        json_object_del(variables, variable);
    const int32_t rc = addon_configure(s, addon, values, err);
    json_decref(values);
    return rc;
}
