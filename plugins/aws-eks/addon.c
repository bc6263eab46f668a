// Where EKS manages the VPC CNI, a patched DaemonSet would be overwritten: its configuration is changed
// instead.
#include "eks.h"

#include <string.h>

static char *addon_path(const struct step *s, const char *more)
{
    char *name = ist_url_encode(ist_json_str_or(s->inputs, "name", ""), 0);
    char *path = ist_printf("/clusters/%s/%s", name, more);
    ist_free(name);
    return path;
}

int32_t addon_find(struct step *s, json_t **addon, ist_error *err)
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

int32_t addon_configure(struct step *s, const json_t *values, ist_error *err)
{
    char *text = ist_json_text(values);
    // PRESERVE: what others set on the DaemonSet itself stays.
    json_t *body = json_pack("{s:s, s:s}", "configurationValues", text, "resolveConflicts", "PRESERVE");
    char *path = addon_path(s, "addons/vpc-cni/update");
    const int32_t rc = update_send(s, "EKS add-on vpc-cni", path, body, "addonName=vpc-cni", err);
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
        return ist_fail(err, IST_ERR_REMOTE, "EKS add-on vpc-cni",
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
    const int32_t rc = addon_configure(s, values, err);
    json_decref(values);
    return rc;
}
