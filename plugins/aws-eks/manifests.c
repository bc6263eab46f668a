// From `apply_manifests` to objects: read, split, and checked against what this Kubernetes serves before any
// of them is applied.
#include "eks.h"

#include <isthmus/file.h>
#include <isthmus/yaml.h>

#include <string.h>

#define MAX_MANIFEST (8u << 20)

static int is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

static int32_t fetch(const struct step *s, const char *url, char **text, size_t *len, ist_error *err)
{
    const ist_http_options options = {.size = sizeof(options), .max_body = MAX_MANIFEST};
    const ist_http_request request = {
        .size = sizeof(request), .method = "GET", .url = url, .read = 1, .follow = 1, .tries = 3};
    ist_http_response response = {0};
    ist_http *http = NULL;
    int32_t rc = ist_http_new(&s->env, &options, &http, err);
    if (rc == IST_OK)
        rc = ist_http_send(http, &request, &response, err);
    if (rc == IST_OK && response.status != 200)
        rc = ist_fail(err,
                      response.status == 404 || response.status == 410 ? IST_ERR_NOT_FOUND : IST_ERR_REMOTE,
                      url, "answered with status %d", response.status);
    if (rc == IST_OK) {
        *len = response.body_len;
        *text = ist_strndup(response.body, response.body_len);
    } else if (err != NULL && err->hint[0] == '\0') {
        ist_hint(err, "name a file that takes its place under `manifest_overrides`");
    }
    ist_http_response_free(&response);
    ist_http_free(http);
    return rc;
}

static int32_t read_one(const struct step *s, const char *name, const char **from, char **text, size_t *len,
                        ist_error *err)
{
    const char *instead =
        json_string_value(json_object_get(json_object_get(s->inputs, "manifest_overrides"), name));
    *from = instead != NULL ? instead : name;
    if (instead != NULL)
        ist_log(&s->env, IST_LOG_INFO, "%s is applied in place of %s", instead, name);
    return is_url(*from) ? fetch(s, *from, text, len, err)
                         : ist_file_read(*from, MAX_MANIFEST, text, len, err);
}

// ---- objects ----

static int32_t add_object(json_t *objects, const char *from, json_t *object, ist_error *err)
{
    json_t *item;
    size_t i;
    const char *kind = ist_json_str(object, "kind");
    if (kind != NULL && strcmp(kind, "List") == 0) {
        int32_t rc = IST_OK;
        json_array_foreach(json_object_get(object, "items"), i, item)
        {
            if (rc == IST_OK)
                rc = add_object(objects, from, item, err);
        }
        return rc;
    }
    if (kind == NULL || ist_json_str(object, "apiVersion") == NULL ||
        ist_json_str(object, "metadata.name") == NULL)
        return ist_fail(err, IST_ERR_INPUT, from, "a document without apiVersion, kind and metadata.name");
    json_array_append_new(objects, json_pack("{s:s, s:O}", "from", from, "object", object));
    return IST_OK;
}

// Does one of them define this kind?
static int is_defined(const json_t *objects, const char *api, const char *kind)
{
    json_t *entry, *version;
    size_t i, k;
    const size_t group_len = strcspn(api, "/");
    if (api[group_len] != '/')
        return 0;
    json_array_foreach((json_t *)objects, i, entry)
    {
        const json_t *object = json_object_get(entry, "object");
        const char *group = ist_json_str_or(object, "spec.group", "");
        if (strcmp(ist_json_str_or(object, "kind", ""), "CustomResourceDefinition") != 0 ||
            strcmp(ist_json_str_or(object, "spec.names.kind", ""), kind) != 0 || strlen(group) != group_len ||
            strncmp(group, api, group_len) != 0)
            continue;
        json_array_foreach(ist_json_at(object, "spec.versions"), k, version)
        {
            if (strcmp(ist_json_str_or(version, "name", ""), api + group_len + 1) == 0)
                return 1;
        }
        if (strcmp(ist_json_str_or(object, "spec.version", ""), api + group_len + 1) == 0)
            return 1;
    }
    return 0;
}

// Finds out what serves the object, and gives it the namespace that it goes to.
static int32_t resolve(struct step *s, const json_t *objects, json_t *entry, ist_error *err)
{
    json_t *object = json_object_get(entry, "object");
    const char *api = ist_json_str(object, "apiVersion"), *kind = ist_json_str(object, "kind");
    ist_kube_kind found;
    ist_error failed = {0};
    const int32_t rc = ist_kube_kind_of(s->kube, api, kind, &found, &failed);
    if (rc == IST_ERR_NOT_FOUND && is_defined(objects, api, kind))
        return IST_OK;
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
    if (found.namespaced && ist_json_str(object, "metadata.namespace") == NULL)
        json_object_set_new(json_object_get(object, "metadata"), "namespace", json_string("default"));
    return IST_OK;
}

// Namespaces and definitions go before what needs them.
static int rank(const json_t *entry)
{
    const char *kind = ist_json_str_or(entry, "object.kind", "");
    return strcmp(kind, "Namespace") == 0 ? 0 : strcmp(kind, "CustomResourceDefinition") == 0 ? 1 : 2;
}

static json_t *in_order(const json_t *objects)
{
    json_t *sorted = json_array(), *entry;
    size_t i;
    for (int r = 0; r <= 2; r++) {
        json_array_foreach((json_t *)objects, i, entry)
        {
            if (rank(entry) == r)
                json_array_append(sorted, entry);
        }
    }
    return sorted;
}

static int32_t load_one(struct step *s, const char *name, json_t *objects, ist_error *err)
{
    const char *from = name;
    char *text = NULL;
    size_t len = 0, i;
    json_t *documents = NULL, *document;
    int32_t rc = read_one(s, name, &from, &text, &len, err);
    if (rc == IST_OK)
        rc = ist_yaml_parse_all(text, len, from, &documents, err);
    json_array_foreach(documents, i, document)
    {
        if (rc == IST_OK)
            rc = add_object(objects, from, document, err);
    }
    json_decref(documents);
    ist_free_secret(text);
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
        if (rc == IST_OK)
            rc = resolve(s, all, entry, err);
    }
    if (rc == IST_OK)
        *objects = in_order(all);
    json_decref(all);
    return rc;
}
