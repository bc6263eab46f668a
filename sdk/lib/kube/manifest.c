// From a manifest to its objects: read, split, checked, completed, put in order.
#include <isthmus/alloc.h>
#include <isthmus/crypto.h>
#include <isthmus/file.h>
#include <isthmus/kube_manifest.h>
#include <isthmus/yaml.h>

#include "internal.h"

#include <string.h>
#include <strings.h>

#define MAX_MANIFEST (8u << 20)

static int is_kind(const json_t *object, const char *kind)
{
    return strcmp(ist_json_str_or(object, "kind", ""), kind) == 0;
}

// ---- its text ----

static int32_t fetch(const ist_env *env, const char *url, char **text, size_t *len, ist_error *err)
{
    const ist_http_options options = {.size = sizeof options, .max_body = MAX_MANIFEST};
    const ist_http_request request = {
        .size = sizeof request, .method = "GET", .url = url, .read = 1, .follow = 1, .tries = 3};
    ist_http_response response = {0};
    ist_http *http = NULL;
    int32_t rc = ist_http_new(env, &options, &http, err);
    if (rc == IST_OK)
        rc = ist_http_send(http, &request, &response, err);
    if (rc == IST_OK && response.status != 200)
        rc = ist_fail(err,
                      response.status == 404 || response.status == 410 ? IST_ERR_NOT_FOUND : IST_ERR_REMOTE,
                      url, "answered with status %d", response.status);
    if (rc == IST_OK) {
        *len = response.body_len;
        *text = ist_strndup(response.body, response.body_len);
    }
    ist_http_response_free(&response);
    ist_http_free(http);
    return rc;
}

static const char *place_of(const ist_manifest *manifest)
{
    return manifest->file ? manifest->file : manifest->url ? manifest->url : "inline";
}

static int32_t read_text(const ist_env *env, const ist_manifest *manifest, char **text, size_t *len,
                         ist_error *err)
{
    if (manifest->file)
        return ist_file_read(manifest->file, MAX_MANIFEST, text, len, err);
    if (manifest->url)
        return fetch(env, manifest->url, text, len, err);
    *len = strlen(manifest->text);
    if (*len > MAX_MANIFEST)
        return ist_fail(err, IST_ERR_LIMIT, "inline", "is larger than %u bytes", MAX_MANIFEST);
    *text = ist_strdup(manifest->text);
    return IST_OK;
}

static int32_t check_digest(const ist_manifest *manifest, const char *text, size_t len, ist_error *err)
{
    char found[65];
    ist_sha256_text(text, len, found);
    if (!manifest->sha256 || strcasecmp(manifest->sha256, found) == 0)
        return IST_OK;
    return ist_fail(err, IST_ERR_INPUT, place_of(manifest), "its SHA-256 is %s, not %.80s", found,
                    manifest->sha256);
}

// ---- its objects ----

// A reading under way: what it made, and where problems go (NULL: the first one ends it).
struct reading {
    const ist_env *env;
    const char *from;
    json_t *objects, *problems;
};

static int32_t check_object(const struct reading *reading, const json_t *object, int *good, ist_error *err)
{
    json_t *found = kube_manifest_problems(object), *problem;
    const char *kind = ist_json_str(object, "kind"), *name = ist_json_str(object, "metadata.name");
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(found, i, problem)
    {
        char *text = kind && name ? ist_printf("%.80s %.80s: %s", kind, name, json_string_value(problem))
                                  : ist_strdup(json_string_value(problem));
        char *placed = ist_printf("%s: %s", reading->from, text);
        if (reading->problems)
            json_array_append_new(reading->problems, kube_problem_text(placed));
        else if (rc == IST_OK)
            rc = ist_fail(err, IST_ERR_INPUT, reading->from, "%s", text);
        ist_free(placed);
        ist_free(text);
    }
    *good = json_array_size(found) == 0;
    json_decref(found);
    return rc;
}

// What a server writes and `kubectl get -o yaml` leaves in a manifest.
static void strip(json_t *object)
{
    static const char *const stamped[] = {"uid",      "resourceVersion", "creationTimestamp", "generation",
                                          "selfLink", "managedFields",   "deletionTimestamp"};
    json_t *metadata = json_object_get(object, "metadata");
    for (size_t i = 0; i < sizeof stamped / sizeof *stamped; i++)
        json_object_del(metadata, stamped[i]);
    json_object_del(object, "status");
}

// `protocol` is half of the key of a list of ports.
static void name_protocols(json_t *ports)
{
    size_t i;
    json_t *port;
    json_array_foreach(ports, i, port) if (json_is_object(port) && !json_object_get(port, "protocol"))
        json_object_set_new(port, "protocol", json_string("TCP"));
}

static void complete_ports(json_t *object)
{
    static const char *const pods[] = {"spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec"};
    static const char *const lists[] = {"containers", "initContainers"};
    if (is_kind(object, "Service"))
        name_protocols(ist_json_at(object, "spec.ports"));
    for (size_t i = 0; i < sizeof pods / sizeof *pods; i++)
        for (size_t k = 0; k < 2; k++) {
            size_t n;
            json_t *container;
            json_array_foreach(json_object_get(ist_json_at(object, pods[i]), lists[k]), n, container)
                name_protocols(json_object_get(container, "ports"));
        }
}

json_t *ist_manifest_policy_types(const json_t *spec)
{
    json_t *types = json_object_get(spec, "policyTypes");
    if (json_array_size(types))
        return json_incref(types);
    return json_pack("[s, s*]", "Ingress",
                     json_array_size(json_object_get(spec, "egress")) ? "Egress" : NULL);
}

// Left out it means one of the cluster's own; said, one that somebody opened on every node by hand is found.
static void complete_service(json_t *object)
{
    json_t *spec = json_object_get(object, "spec");
    if (is_kind(object, "Service") && !strcmp(ist_json_str_or(object, "apiVersion", ""), "v1") &&
        json_is_object(spec) && !json_object_get(spec, "type"))
        json_object_set_new(spec, "type", json_string("ClusterIP"));
}

// In a NetworkPolicy what is left out says something: no `ingress` lets nobody in. So it is said, else a rule that somebody
// adds by hand would be nobody's field and stay.
static void complete_policy(json_t *object)
{
    static const char *const directions[] = {"ingress", "egress"};
    json_t *spec = json_object_get(object, "spec");
    if (!is_kind(object, "NetworkPolicy") ||
        strncmp(ist_json_str_or(object, "apiVersion", ""), "networking.k8s.io/", 18) != 0 ||
        !json_is_object(spec))
        return;
    json_object_set_new(spec, "policyTypes", ist_manifest_policy_types(spec));
    for (size_t i = 0; i < 2; i++)
        if (!json_object_get(spec, directions[i]))
            json_object_set_new(spec, directions[i], json_array());
}

// What a Secret holds is redacted from now on, as it stands and as base64.
static void hide(const ist_env *env, const json_t *object)
{
    static const char *const maps[] = {"data", "stringData"};
    const char *key;
    json_t *value;
    for (size_t i = 0; i < 2 && is_kind(object, "Secret"); i++)
        json_object_foreach(json_object_get(object, maps[i]), key, value)
            ist_secret(env, json_string_value(value));
}

static int32_t add_object(const struct reading *reading, json_t *object, ist_error *err)
{
    size_t i;
    json_t *item;
    const json_t *items = json_object_get(object, "items");
    const char *kind = ist_json_str_or(object, "kind", "");
    size_t len = strlen(kind);
    if (json_is_array(items) && len >= 4 && strcmp(kind + len - 4, "List") == 0) {
        int32_t rc = IST_OK;
        json_array_foreach(items, i, item) if (rc == IST_OK) // a list in a list is no object
            rc = json_is_array(json_object_get(item, "items"))
                     ? ist_fail(err, IST_ERR_INPUT, reading->from, "a list inside a list")
                     : add_object(reading, item, err);
        return rc;
    }
    int good = 0;
    int32_t rc = check_object(reading, object, &good, err);
    if (rc != IST_OK || !good)
        return rc;
    hide(reading->env, object);
    json_t *copy = json_deep_copy(object); // YAML's aliases may make one node of two places
    strip(copy);
    complete_ports(copy);
    complete_service(copy);
    complete_policy(copy);
    json_array_append_new(reading->objects, copy);
    return IST_OK;
}

int32_t kube_manifest_examine(const ist_env *env, const ist_manifest *manifest, json_t **objects,
                              json_t *problems, ist_error *err)
{
    json_t *documents = NULL, *document;
    char *text = NULL;
    size_t len = 0, i;
    const struct reading reading = {env, place_of(manifest), json_array(), problems};
    int32_t rc = read_text(env, manifest, &text, &len, err);
    if (rc == IST_OK)
        rc = check_digest(manifest, text, len, err);
    if (rc == IST_OK)
        rc = ist_yaml_parse_all(text, len, reading.from, &documents, err);
    json_array_foreach(documents, i, document)
    {
        if (rc == IST_OK)
            rc = add_object(&reading, document, err);
    }
    json_decref(documents);
    ist_free_secret(text);
    if (rc == IST_OK)
        *objects = reading.objects;
    else
        json_decref(reading.objects);
    return rc;
}

int32_t ist_manifest_read(const ist_env *env, const ist_manifest *manifest, json_t **objects, ist_error *err)
{
    return kube_manifest_examine(env, manifest, objects, NULL, err);
}

// ---- among others ----

int ist_manifest_defines(const json_t *definition, const json_t *object, int *namespaced)
{
    const char *api = ist_json_str_or(object, "apiVersion", ""), *slash = strchr(api, '/');
    const char *group = ist_json_str_or(definition, "spec.group", "");
    if (!slash || !is_kind(definition, "CustomResourceDefinition") ||
        !is_kind(object, ist_json_str_or(definition, "spec.names.kind", "")) ||
        strlen(group) != (size_t)(slash - api) || strncmp(group, api, (size_t)(slash - api)) != 0)
        return 0;
    size_t i;
    const json_t *version; // spec.version: the one version of apiextensions.k8s.io/v1beta1
    int brings = strcmp(ist_json_str_or(definition, "spec.version", ""), slash + 1) == 0;
    json_array_foreach(ist_json_at(definition, "spec.versions"), i, version) brings |=
        strcmp(ist_json_str_or(version, "name", ""), slash + 1) == 0;
    if (brings && namespaced)
        *namespaced = strcmp(ist_json_str_or(definition, "spec.scope", ""), "Namespaced") == 0;
    return brings;
}

static size_t rank_of(const json_t *object)
{
    static const char *const ranks[][8] = {
        {"Namespace"},
        {"CustomResourceDefinition"},
        {"ServiceAccount", "ClusterRole", "Role", "ConfigMap", "Secret", "StorageClass", "PriorityClass"},
        {"ClusterRoleBinding", "RoleBinding", "PersistentVolume", "PersistentVolumeClaim", "Service"},
    };
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        for (size_t k = 0; k < 8 && ranks[i][k]; k++)
            if (is_kind(object, ranks[i][k]))
                return i;
    return sizeof ranks / sizeof *ranks;
}

json_t *ist_manifest_in_order(const json_t *entries)
{
    json_t *sorted = json_array(), *entry;
    size_t i;
    for (size_t rank = 0; rank <= 4; rank++)
        json_array_foreach(entries, i, entry) if (rank_of(json_object_get(entry, "object")) == rank)
            json_array_append(sorted, entry);
    return sorted;
}

// ---- whose ----

void ist_manifest_mark(json_t *object, const char *owner)
{
    json_t *metadata = json_object_get(object, "metadata");
    json_t *labels = json_object_get(metadata, "labels");
    if (!json_is_object(labels)) {
        labels = json_object();
        json_object_set_new(metadata, "labels", labels);
    }
    json_object_set_new(labels, IST_LABEL_MANAGED_BY, json_string("isthmus"));
    json_object_set_new(labels, IST_LABEL_STEP, json_string(owner));
}

const char *ist_manifest_step(const json_t *object)
{
    return json_string_value(json_object_get(ist_json_at(object, "metadata.labels"), IST_LABEL_STEP));
}
