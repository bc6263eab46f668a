// Writing: server-side apply, create, patch, delete with preconditions.
// Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/
#include "internal.h"

#include <string.h>

#define APPLY_TRIES 5 // of writes that lost a race inside the server

static int is_probe(const json_t *object)
{
    return json_object_get(json_object_get(json_object_get(object, "metadata"), "labels"),
                           KUBE_PROBE_LABEL) != NULL;
}

static int32_t object_path(ist_kube *kube, const json_t *object, int collection, char **path, ist_error *err)
{
    const char *name = ist_json_str(object, "metadata.name");
    const char *ns = ist_json_str(object, "metadata.namespace");
    if (!collection && (!name || !*name))
        return ist_fail(err, IST_ERR_INPUT, kube->name, "a %s without metadata.name",
                        ist_json_str_or(object, "kind", "object"));
    if (collection && !ns) // kube_path() would list every namespace
        ns = kube->login.ns ? kube->login.ns : "default";
    return kube_path(kube, ist_json_str(object, "apiVersion"), ist_json_str(object, "kind"), ns,
                     collection ? NULL : name, path, err);
}

// 409 of an apply: another manager owns a field (details.causes), or two writes met.
static int is_field_conflict(const json_t *answer)
{
    size_t i;
    const json_t *cause;
    json_array_foreach(ist_json_at(answer, "details.causes"), i,
                       cause) if (strcmp(ist_json_str_or(cause, "reason", ""), "FieldManagerConflict") ==
                                  0) return 1;
    return 0;
}

static int32_t apply_once(ist_kube *kube, const struct kube_request *request, int *lost_race,
                          json_t **applied, ist_error *err)
{
    json_t *answer = NULL;
    int status = 0;
    int32_t rc = kube_exchange(kube, request, &status, &answer, err);
    *lost_race = rc == IST_OK && status == 409 && !is_field_conflict(answer) &&
                 !strstr(ist_json_str_or(answer, "message", ""), "already exists");
    if (rc == IST_OK && (status < 200 || status > 299))
        rc = kube_status_error(kube, request, status, answer, err);
    if (rc == IST_OK && applied)
        *applied = json_incref(answer);
    json_decref(answer);
    return rc;
}

static int32_t apply(ist_kube *kube, const json_t *object, int force, int dry, json_t **applied,
                     ist_error *err)
{
    char *path = NULL;
    int32_t rc = object_path(kube, object, 0, &path, err);
    if (rc != IST_OK)
        return rc;
    char *manager = ist_url_encode(kube->manager, 0);
    // Strict: a misspelt field is refused as kubectl refuses it. Servers before 1.25 pass over the parameter.
    char *full = ist_printf("%s?fieldManager=%s&fieldValidation=Strict%s%s", path, manager,
                            force ? "&force=true" : "", dry ? "&dryRun=All" : "");
    struct kube_request request = {.method = "PATCH",
                                   .path = full,
                                   .body = object,
                                   .content_type = "application/apply-patch+yaml", // JSON is YAML
                                   .read = dry,
                                   .idempotent = 1,
                                   .probe = is_probe(object)};
    int lost_race = 0;
    for (int i = 0; i < APPLY_TRIES; i++) {
        rc = apply_once(kube, &request, &lost_race, applied, err);
        if (!lost_race || ist_json_str(object, "metadata.resourceVersion"))
            break;
        if (ist_sleep_ms(&kube->env, 20 << i) != IST_OK)
            break;
    }
    ist_free(full);
    ist_free(manager);
    ist_free(path);
    return rc;
}

int32_t ist_kube_apply(ist_kube *kube, const json_t *object, int force, json_t **applied, ist_error *err)
{
    return apply(kube, object, force, 0, applied, err);
}

int32_t ist_kube_apply_dry(ist_kube *kube, const json_t *object, json_t **applied, ist_error *err)
{
    return apply(kube, object, 1, 1, applied, err);
}

int32_t ist_kube_create(ist_kube *kube, const json_t *object, json_t **created, ist_error *err)
{
    char *path = NULL;
    int32_t rc = object_path(kube, object, 1, &path, err);
    if (rc != IST_OK)
        return rc;
    char *manager = ist_url_encode(kube->manager, 0);
    char *full = ist_printf("%s?fieldManager=%s", path, manager);
    struct kube_request request = {.method = "POST", .path = full, .body = object, .probe = is_probe(object)};
    rc = kube_call(kube, &request, created, err);
    ist_free(full);
    ist_free(manager);
    ist_free(path);
    return rc;
}

int32_t ist_kube_patch(ist_kube *kube, const char *api, const char *kind, const char *ns, const char *name,
                       const char *patch_type, const json_t *patch, json_t **patched, ist_error *err)
{
    char *path = NULL;
    int32_t rc = kube_path(kube, api, kind, ns, name, &path, err);
    if (rc != IST_OK)
        return rc;
    char *manager = ist_url_encode(kube->manager, 0);
    char *full = ist_printf("%s?fieldManager=%s", path, manager);
    struct kube_request request = {.method = "PATCH",
                                   .path = full,
                                   .body = patch,
                                   .content_type = patch_type,
                                   .idempotent = strcmp(patch_type, "application/json-patch+json") != 0};
    rc = kube_call(kube, &request, patched, err);
    ist_free(full);
    ist_free(manager);
    ist_free(path);
    return rc;
}

// In verify only what carries the probe label may go: its name alone does not tell.
static int32_t probe_of(ist_kube *kube, const char *path, int *probe, int *gone, ist_error *err)
{
    json_t *object = NULL;
    struct kube_request request = {.method = "GET", .path = path, .read = 1};
    int32_t rc = kube_call(kube, &request, &object, err);
    *gone = rc == IST_ERR_NOT_FOUND;
    *probe = rc == IST_OK && is_probe(object);
    json_decref(object);
    return *gone ? IST_OK : rc;
}

int32_t ist_kube_delete(ist_kube *kube, const char *api, const char *kind, const char *ns, const char *name,
                        const char *uid, const char *resource_version, ist_error *err)
{
    char *path = NULL;
    int probe = 0, gone = 0;
    int32_t rc = kube_path(kube, api, kind, ns, name, &path, err);
    if (rc != IST_OK)
        return rc;
    if (ist_operation_of(&kube->env) == IST_OP_VERIFY)
        rc = probe_of(kube, path, &probe, &gone, err);
    json_t *conditions = json_object();
    if (uid)
        json_object_set_new(conditions, "uid", json_string(uid));
    if (resource_version)
        json_object_set_new(conditions, "resourceVersion", json_string(resource_version));
    // Background, said by name: the older kinds' default would leave dependents behind
    // (ReplicationController).
    json_t *body = json_pack("{s:s, s:s, s:s, s:o}", "kind", "DeleteOptions", "apiVersion", "v1",
                             "propagationPolicy", "Background", "preconditions", conditions);
    struct kube_request request = {
        .method = "DELETE", .path = path, .body = body, .idempotent = 1, .probe = probe};
    ist_error fault = {0};
    if (rc == IST_OK && !gone) {
        rc = kube_call(kube, &request, NULL, &fault);
        if (rc == IST_ERR_NOT_FOUND)
            rc = IST_OK;
        else if (rc != IST_OK && err)
            *err = fault;
    }
    json_decref(body);
    ist_free(path);
    return rc;
}
