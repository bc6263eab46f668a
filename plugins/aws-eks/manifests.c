// From `apply_manifests` to objects: read, and checked against what this Kubernetes serves before any of them is
// applied.
#include "eks.h"

#include <string.h>

static int is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

// The objects of one manifest, and where they are from in fact.
static int32_t read_one(const struct step *s, const char *name, const char **from, json_t **objects,
                        ist_error *err)
{
    const char *instead =
        json_string_value(json_object_get(json_object_get(s->inputs, "manifest_overrides"), name));
    *from = instead != NULL ? instead : name;
    if (instead != NULL)
        ist_log(&s->env, IST_LOG_INFO, "%s is applied in place of %s", instead, name);
    const ist_manifest manifest = {
        .size = sizeof(manifest), .file = is_url(*from) ? NULL : *from, .url = is_url(*from) ? *from : NULL};
    ist_error failed = {0};
    const int32_t rc = ist_manifest_read(&s->env, &manifest, objects, &failed);
    if (rc != IST_OK && manifest.url != NULL && failed.hint[0] == '\0')
        ist_hint(&failed, "name a file that takes its place under `manifest_overrides`");
    if (rc != IST_OK && err != NULL)
        *err = failed;
    return rc;
}

// Does one of them define this kind? *namespaced (may be NULL) is set when it does.
static int is_defined(const json_t *objects, const json_t *object, int *namespaced)
{
    const json_t *entry;
    size_t i;
    json_array_foreach(objects, i, entry)
    {
        if (ist_manifest_defines(json_object_get(entry, "object"), object, namespaced))
            return 1;
    }
    return 0;
}

// The namespace that it goes to.
static void settle_namespace(json_t *object, int namespaced)
{
    json_t *metadata = json_object_get(object, "metadata");
    if (!namespaced)
        json_object_del(metadata, "namespace");
    else if (ist_json_str(object, "metadata.namespace") == NULL)
        json_object_set_new(metadata, "namespace", json_string("default"));
}

// Finds out what serves the object, and gives it the namespace that it goes to.
static int32_t resolve(struct step *s, const json_t *objects, json_t *entry, ist_error *err)
{
    json_t *object = json_object_get(entry, "object");
    const char *api = ist_json_str(object, "apiVersion"), *kind = ist_json_str(object, "kind");
    ist_kube_kind found = {0};
    ist_error failed = {0};
    int namespaced = 0;
    const int32_t rc = ist_kube_kind_of(s->kube, api, kind, &found, &failed);
    if (rc == IST_ERR_NOT_FOUND && is_defined(objects, object, &namespaced)) {
        settle_namespace(object, namespaced);
        return IST_OK;
    }
    if (rc == IST_ERR_NOT_FOUND) {
        ist_fail(err, IST_ERR_INPUT, ist_json_str(entry, "from"),
                 "this Kubernetes (%s) does not serve %s of %s, as %s needs",
                 ist_json_str_or(s->cluster, "version", "?"), kind, api,
                 ist_json_str(object, "metadata.name"));
        ist_hint(err, "%s",
                 failed.hint[0] != '\0' ? failed.hint : "name a newer manifest under `manifest_overrides`");
        return IST_ERR_INPUT;
    }
    if (rc != IST_OK) {
        if (err != NULL)
            *err = failed;
        return rc;
    }
    settle_namespace(object, found.namespaced);
    return IST_OK;
}

// Kinds of Kubernetes' own that stand in no namespace, as far as manifests have them.
static int is_clusters(const char *kind)
{
    static const char *const kinds[] = {"Namespace",
                                        "ClusterRole",
                                        "ClusterRoleBinding",
                                        "CustomResourceDefinition",
                                        "PriorityClass",
                                        "StorageClass",
                                        "CSIDriver",
                                        "PersistentVolume",
                                        "APIService",
                                        "IngressClass",
                                        "RuntimeClass",
                                        "MutatingWebhookConfiguration",
                                        "ValidatingWebhookConfiguration",
                                        "ValidatingAdmissionPolicy",
                                        "ValidatingAdmissionPolicyBinding"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return 1;
    return 0;
}

// Of a cluster that is still to be made: what no such Kubernetes serves.
static int32_t foresee(const struct step *s, const json_t *objects, const json_t *entry, ist_error *err)
{
    json_t *object = json_object_get(entry, "object");
    const char *api = ist_json_str_or(object, "apiVersion", ""), *kind = ist_json_str_or(object, "kind", "");
    const char *version = step_input(s, "version");
    const int since = version_gone_since(version, api, kind);
    int namespaced = 1;
    const int defined = is_defined(objects, object, &namespaced);
    if (!namespaced || is_clusters(kind)) // some write a namespace there, which says nothing
        json_object_del(json_object_get(object, "metadata"), "namespace");
    if (since == 0 || defined)
        return IST_OK;
    ist_fail(err, IST_ERR_INPUT, ist_json_str(entry, "from"),
             "Kubernetes does not serve %s of %s since 1.%d, as %s needs, and the cluster is to be %s", kind,
             api, since, ist_json_str_or(object, "metadata.name", "?"),
             version != NULL ? version : "of EKS's default version");
    ist_hint(err, "name a newer manifest under `manifest_overrides`");
    return IST_ERR_INPUT;
}

static int32_t load_one(struct step *s, const char *name, json_t *all, ist_error *err)
{
    const char *from = name;
    size_t i;
    json_t *objects = NULL, *object;
    int32_t rc = read_one(s, name, &from, &objects, err);
    if (rc == IST_OK && json_array_size(objects) == 0) {
        rc = ist_fail(err, IST_ERR_INPUT, from, "this manifest holds no object");
        ist_hint(err, "name another under `manifest_overrides`, or leave it out of `apply_manifests`");
    }
    json_array_foreach(objects, i, object)
    {
        json_array_append_new(all, json_pack("{s:s, s:O}", "from", from, "object", object));
    }
    json_decref(objects);
    return rc;
}

// An object that stands twice would be changed to and fro by every run.
static int32_t check_twice(const json_t *all, ist_error *err)
{
    json_t *seen = json_object(), *entry;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach((json_t *)all, i, entry)
    {
        const json_t *object = json_object_get(entry, "object");
        const char *api = ist_json_str_or(object, "apiVersion", ""), *slash = strchr(api, '/');
        const char *ns = ist_json_str_or(object, "metadata.namespace", ""),
                   *from = ist_json_str_or(entry, "from", "?");
        char *title = ist_printf("%s %s%s%s", ist_json_str_or(object, "kind", "?"), ns,
                                 *ns != '\0' ? "/" : "", ist_json_str_or(object, "metadata.name", "?")),
             *key = ist_printf("%.*s %s", slash != NULL ? (int)(slash - api) : 0, api, title);
        const char *before = json_string_value(json_object_get(seen, key));
        if (rc == IST_OK && before != NULL)
            rc = ist_fail(err, IST_ERR_INPUT, from, "%s stands twice: here, and in %s", title,
                          strcmp(before, from) == 0 ? "the same manifest" : before);
        json_object_set_new(seen, key, json_string(from));
        ist_free(key);
        ist_free(title);
    }
    json_decref(seen);
    return rc;
}

int32_t manifests_load(struct step *s, json_t **objects, ist_error *err)
{
    json_t *all = json_array(), *name, *entry;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(s->inputs, "apply_manifests"), i, name)
    {
        if (rc == IST_OK && json_is_string(name))
            rc = load_one(s, json_string_value(name), all, err);
    }
    json_array_foreach(all, i, entry)
    {
        if (rc == IST_OK && s->kube != NULL)
            rc = resolve(s, all, entry, err);
        else if (rc == IST_OK && s->cluster == NULL && ist_json_bool(s->inputs, "create", 0))
            rc = foresee(s, all, entry, err);
    }
    if (rc == IST_OK)
        rc = check_twice(all, err);
    if (rc == IST_OK)
        *objects = ist_manifest_in_order(all);
    json_decref(all);
    return rc;
}
