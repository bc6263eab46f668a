// What a client asks before it asks for objects: groups, kinds, version, health, OpenAPI.
#include "server.h"

#include <stdlib.h>
#include <string.h>

static const char all_verbs[] = "create delete deletecollection get list patch update watch";

static json_t *words(const char *text)
{
    json_t *list = json_array();
    while (*text) {
        size_t len = strcspn(text, " ");
        json_array_append_new(list, json_stringn(text, len));
        text += len + (text[len] == ' ');
    }
    return list;
}

static bool in_group(const struct kube_served *served, const char *group)
{
    return strcmp(served->group, group) == 0;
}

// The versions of a group that are served, in order of the table: new array of strings.
static json_t *versions_of(const struct lab_cluster *cluster, const char *group)
{
    json_t *versions = json_array(), *known;
    for (size_t i = 0; i < cluster->resource_count; i++) {
        const struct kube_kind *kind = cluster->resources[i]->kind;
        for (size_t v = 0; v < 3 && !cluster->resources[i]->gone; v++) {
            const struct kube_served *served = &kind->served[v];
            size_t k;
            bool there = false;
            if (!kube_served_now(cluster, served) || !in_group(served, group))
                continue;
            json_array_foreach(versions, k, known) there =
                there || strcmp(json_string_value(known), served->version) == 0;
            if (!there)
                json_array_append_new(versions, json_string(served->version));
        }
    }
    return versions;
}

static json_t *group_json(const struct lab_cluster *cluster, const char *group)
{
    json_t *versions = versions_of(cluster, group), *list = json_array(), *version;
    size_t i;
    json_array_foreach(versions, i, version) json_array_append_new(
        list, json_pack("{so sO}", "groupVersion", json_sprintf("%s/%s", group, json_string_value(version)),
                        "version", version));
    json_t *result = json_array_size(list) ? json_pack("{ss sO sO}", "name", group, "versions", list,
                                                       "preferredVersion", json_array_get(list, 0))
                                           : NULL;
    json_decref(list);
    json_decref(versions);
    return result;
}

static json_t *groups_json(const struct lab_cluster *cluster)
{
    json_t *seen = json_object(), *groups = json_array();
    for (size_t i = 0; i < cluster->resource_count; i++) {
        for (size_t v = 0; v < 3 && !cluster->resources[i]->gone; v++) {
            const struct kube_served *served = &cluster->resources[i]->kind->served[v];
            if (!kube_served_now(cluster, served) || !*served->group || json_object_get(seen, served->group))
                continue;
            json_object_set_new(seen, served->group, json_true());
            json_array_append_new(groups, group_json(cluster, served->group));
        }
    }
    json_decref(seen);
    return json_pack("{ss ss so}", "kind", "APIGroupList", "apiVersion", "v1", "groups", groups);
}

static void add_subresource(json_t *list, const struct kube_kind *kind, const char *sub, const char *verbs)
{
    bool scale = strcmp(sub, "scale") == 0;
    json_t *entry = json_pack("{so ss sb ss so}", "name", json_sprintf("%s/%s", kind->plural, sub),
                              "singularName", "", "namespaced", kind->namespaced, "kind",
                              scale ? "Scale" : kind->kind, "verbs", words(verbs));
    if (scale) {
        json_object_set_new(entry, "group", json_string("autoscaling"));
        json_object_set_new(entry, "version", json_string("v1"));
    }
    json_array_append_new(list, entry);
}

static void add_kind(json_t *list, const struct kube_kind *kind)
{
    bool virtual = kind->flags & KUBE_VIRTUAL;
    json_t *entry =
        json_pack("{ss ss sb ss so}", "name", kind->plural, "singularName", kind->singular, "namespaced",
                  kind->namespaced, "kind", kind->kind, "verbs", words(virtual ? "create" : all_verbs));
    if (*kind->short_names)
        json_object_set_new(entry, "shortNames", words(kind->short_names));
    if (*kind->categories)
        json_object_set_new(entry, "categories", words(kind->categories));
    json_array_append_new(list, entry);
    if (kind->flags & KUBE_STATUS)
        add_subresource(list, kind, "status", "get patch update");
    if (kind->flags & KUBE_SCALE)
        add_subresource(list, kind, "scale", "get patch update");
    if (kind->flags & KUBE_PROXY)
        add_subresource(list, kind, "proxy", "get");
    if (strcmp(kind->kind, "Namespace") == 0)
        add_subresource(list, kind, "finalize", "update");
}

static json_t *resources_json(const struct lab_cluster *cluster, const char *group, const char *version)
{
    json_t *list = json_array();
    for (size_t i = 0; i < cluster->resource_count; i++)
        for (size_t v = 0; v < 3 && !cluster->resources[i]->gone; v++) {
            const struct kube_served *served = &cluster->resources[i]->kind->served[v];
            if (kube_served_now(cluster, served) && in_group(served, group) &&
                strcmp(served->version, version) == 0)
                add_kind(list, cluster->resources[i]->kind);
        }
    if (!json_array_size(list)) {
        json_decref(list);
        return NULL;
    }
    json_t *name = *group ? json_sprintf("%s/%s", group, version) : json_string(version);
    return json_pack("{ss ss so so}", "kind", "APIResourceList", "apiVersion", "v1", "groupVersion", name,
                     "resources", list);
}

static json_t *version_json(const struct lab_cluster *cluster)
{
    return json_pack("{ss so so ss ss ss ss ss ss}", "major", "1", "minor",
                     json_sprintf("%d%s", cluster->minor, cluster->eks ? "+" : ""), "gitVersion",
                     json_sprintf("v1.%d.0%s", cluster->minor, cluster->eks ? "-eks-a1b2c3d" : ""),
                     "gitCommit", "0000000000000000000000000000000000000000", "gitTreeState", "clean",
                     "buildDate", "2024-01-01T00:00:00Z", "goVersion", "go1.22.0", "compiler", "gc",
                     "platform", "linux/amd64");
}

// ---- OpenAPI v3: paths and kinds without schemas, enough for a client that asks what a patch may carry ----

static json_t *openapi_index(const struct lab_cluster *cluster)
{
    json_t *paths = json_object();
    for (size_t i = 0; i < cluster->resource_count; i++)
        for (size_t v = 0; v < 3 && !cluster->resources[i]->gone; v++) {
            const struct kube_served *served = &cluster->resources[i]->kind->served[v];
            if (!kube_served_now(cluster, served))
                continue;
            char *path = *served->group ? lab_format("apis/%s/%s", served->group, served->version)
                                        : lab_format("api/%s", served->version);
            json_object_set_new(
                paths, path,
                json_pack("{so}", "serverRelativeURL",
                          json_sprintf("/openapi/v3/%s?hash=%zu", path, cluster->resource_count)));
            free(path);
        }
    return json_pack("{so}", "paths", paths);
}

static json_t *openapi_patch(const struct kube_kind *kind, const struct kube_served *served)
{
    static const char *const names[] = {"dryRun", "fieldManager", "fieldValidation", "force"};
    json_t *parameters = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_array_append_new(parameters, json_pack("{ss ss s{ss}}", "name", names[i], "in", "query",
                                                    "schema", "type", i == 3 ? "boolean" : "string"));
    return json_pack("{so ss s{ss ss ss} s{s{ss}}}", "parameters", parameters, "x-kubernetes-action", "patch",
                     "x-kubernetes-group-version-kind", "group", served->group, "version", served->version,
                     "kind", kind->kind, "responses", "200", "description", "OK");
}

static json_t *openapi_group(const struct lab_cluster *cluster, const char *group, const char *version)
{
    json_t *paths = json_object();
    for (size_t i = 0; i < cluster->resource_count; i++)
        for (size_t v = 0; v < 3 && !cluster->resources[i]->gone; v++) {
            const struct kube_kind *kind = cluster->resources[i]->kind;
            const struct kube_served *served = &kind->served[v];
            if (!kube_served_now(cluster, served) || !in_group(served, group) ||
                strcmp(served->version, version) != 0)
                continue;
            char *path = lab_format("/%s%s%s/%s/%s%s/{name}", *group ? "apis/" : "api", group, "", version,
                                    kind->namespaced ? "namespaces/{namespace}/" : "", kind->plural);
            json_object_set_new(paths, path, json_pack("{so}", "patch", openapi_patch(kind, served)));
            free(path);
        }
    if (!json_object_size(paths)) {
        json_decref(paths);
        return NULL;
    }
    return json_pack("{ss s{ss so} so s{s{}}}", "openapi", "3.0.0", "info", "title", "Kubernetes", "version",
                     json_sprintf("v1.%d.0", cluster->minor), "paths", paths, "components", "schemas");
}

// "G/V" of what follows `prefix` in a path, or false.
static bool group_version(const char *path, char **group, char **version)
{
    const char *slash = strchr(path, '/');
    if (!slash || !slash[1] || strchr(slash + 1, '/'))
        return false;
    *group = lab_format("%.*s", (int)(slash - path), path);
    *version = lab_strdup(slash + 1);
    return true;
}

static json_t *by_group_version(const struct lab_cluster *cluster, const char *path,
                                json_t *(*fn)(const struct lab_cluster *, const char *, const char *))
{
    char *group = NULL, *version = NULL;
    json_t *result = NULL;
    if (group_version(path, &group, &version))
        result = fn(cluster, group, version);
    free(group);
    free(version);
    return result;
}

static json_t *answer(const struct lab_cluster *cluster, const char *path)
{
    static const char apis[] = "/apis/", api[] = "/api/", v3_apis[] = "/openapi/v3/apis/",
                      v3_api[] = "/openapi/v3/api/";
    if (strcmp(path, "/version") == 0)
        return version_json(cluster);
    if (strcmp(path, "/api") == 0)
        return json_pack("{ss s[s] s[{ss ss}]}", "kind", "APIVersions", "versions", "v1",
                         "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0", "serverAddress",
                         cluster->url + strlen("https://"));
    if (strcmp(path, "/apis") == 0)
        return groups_json(cluster);
    if (strcmp(path, "/openapi/v3") == 0)
        return cluster->minor >= 24 ? openapi_index(cluster) : NULL;
    if (strncmp(path, v3_apis, sizeof v3_apis - 1) == 0)
        return by_group_version(cluster, path + sizeof v3_apis - 1, openapi_group);
    if (strncmp(path, v3_api, sizeof v3_api - 1) == 0)
        return openapi_group(cluster, "", path + sizeof v3_api - 1);
    if (strncmp(path, api, sizeof api - 1) == 0)
        return resources_json(cluster, "", path + sizeof api - 1);
    if (strncmp(path, apis, sizeof apis - 1) != 0)
        return NULL;
    path += sizeof apis - 1;
    if (strchr(path, '/'))
        return by_group_version(cluster, path, resources_json);
    json_t *group = group_json(cluster, path);
    if (group) {
        json_object_set_new(group, "kind", json_string("APIGroup"));
        json_object_set_new(group, "apiVersion", json_string("v1"));
    }
    return group;
}

bool kube_discovery(struct lab_cluster *cluster, const char *path, struct lab_reply *reply)
{
    static const char *const health[] = {"/healthz", "/livez", "/readyz"};
    for (size_t i = 0; i < sizeof health / sizeof *health; i++)
        if (strcmp(path, health[i]) == 0) {
            lab_reply_text(reply, 200, "text/plain; charset=utf-8", lab_strdup("ok"));
            return true;
        }
    if (strcmp(path, "/openapi/v2") == 0) {
        // An empty Swagger document in protobuf: field 1, "2.0". A client that finds no schema in it sends what it has.
        lab_reply_text(reply, 200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
                       lab_strdup("\n\x03"
                                  "2.0"));
        return true;
    }
    size_t len = strlen(path);
    char *trimmed = lab_format("%.*s", (int)(len > 1 && path[len - 1] == '/' ? len - 1 : len), path);
    json_t *body = answer(cluster, trimmed);
    free(trimmed);
    if (body)
        lab_reply_json(reply, 200, body);
    return body != NULL;
}
