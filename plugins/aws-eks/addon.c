// Where EKS manages the VPC CNI, a patched DaemonSet would be overwritten: its configuration is changed
// instead.
#include "eks.h"

#include <string.h>

#define POLL_MS 2000

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
static json_t *configuration_of(const json_t *addon)
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
    json_t *values = configuration_of(addon);
    const char *value = json_string_value(json_object_get(json_object_get(values, "env"), variable));
    char *copy = value != NULL ? ist_strdup(value) : NULL;
    json_decref(values);
    return copy;
}

static int32_t wait_update(struct step *s, const char *id, ist_error *err)
{
    char *encoded = ist_url_encode(id, 0);
    char *more = ist_printf("updates/%s", encoded);
    char *path = addon_path(s, more);
    char *whole = ist_printf("%s?addonName=vpc-cni", path);
    const int64_t until = ist_now_ms(&s->env) + step_timeout(s);
    int32_t rc;
    for (;;) {
        json_t *answer = NULL;
        rc = ist_aws_rest(s->aws, "eks", "GET", whole, NULL, &answer, err);
        const char *status = ist_json_str_or(answer, "update.status", "");
        const int waiting = rc == IST_OK && strcmp(status, "InProgress") == 0;
        if (rc == IST_OK && !waiting && strcmp(status, "Successful") != 0)
            rc = ist_fail(err, IST_ERR_REMOTE, "EKS add-on vpc-cni", "its update is %s: %s", status,
                          ist_json_str_or(answer, "update.errors[0].errorMessage", "no reason given"));
        json_decref(answer);
        if (!waiting || rc != IST_OK)
            break;
        ist_progress(&s->env, "add-on vpc-cni: its configuration is being changed");
        rc = ist_now_ms(&s->env) >= until ? IST_ERR_TIMEOUT : ist_sleep_ms(&s->env, POLL_MS);
        if (rc != IST_OK) {
            ist_fail(err, rc, "EKS add-on vpc-cni", "%s while its configuration was being changed",
                     ist_code_name(rc));
            break;
        }
    }
    ist_free(whole);
    ist_free(path);
    ist_free(more);
    ist_free(encoded);
    return rc;
}

int32_t addon_set(struct step *s, const json_t *addon, const char *variable, const char *value,
                  const char *token, ist_error *err)
{
    json_t *values = configuration_of(addon);
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
    char *text = ist_json_text(values);
    // PRESERVE: what others set on the DaemonSet itself stays.
    json_t *body = json_pack("{s:s, s:s, s:s*}", "configurationValues", text, "resolveConflicts", "PRESERVE",
                             "clientRequestToken", token);
    char *path = addon_path(s, "addons/vpc-cni/update");
    json_t *answer = NULL;
    int32_t rc = ist_aws_rest(s->aws, "eks", "POST", path, body, &answer, err);
    if (rc == IST_OK && ist_json_str(answer, "update.id") != NULL)
        rc = wait_update(s, ist_json_str(answer, "update.id"), err);
    json_decref(answer);
    json_decref(body);
    json_decref(values);
    ist_free(path);
    ist_free(text);
    return rc;
}
