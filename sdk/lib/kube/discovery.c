// What a cluster serves: kinds of a group version, asked for once and kept, and which other version has a
// kind that this one lacks. Source:
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
#include "internal.h"

#include <string.h>

#define AGAIN_MS 2000 // a kind that was missing is looked for again after this: a CRD may have come

char *kube_group_path(const char *api)
{
    return strchr(api, '/') ? ist_printf("/apis/%s", api) : ist_printf("/api/%s", api);
}

void kube_discovered(ist_kube *kube, const char *api, const json_t *answer)
{
    json_t *kinds = json_object_get(kube->kinds, api);
    if (!kinds)
        json_object_set_new(kube->kinds, api, kinds = json_object());
    size_t i;
    const json_t *resource;
    json_array_foreach(json_object_get(answer, "resources"), i, resource)
    {
        const char *name = ist_json_str(resource, "name"), *kind = ist_json_str(resource, "kind");
        if (name && kind && !strchr(name, '/') &&
            !json_object_get(kinds, kind)) // never replaced: they are lent out
            json_object_set_new(kinds, kind,
                                json_pack("{s:s, s:s, s:s, s:b}", "api", api, "kind", kind, "resource", name,
                                          "namespaced", ist_json_bool(resource, "namespaced", 0)));
    }
    json_object_set_new(kube->fetched, api, json_integer(ist_now_ms(&kube->env)));
}

// Fetches one group version into kube->kinds. A version that is not served leaves an empty entry.
static int32_t discover(ist_kube *kube, const char *api, ist_error *err)
{
    char *path = kube_group_path(api);
    struct kube_request request = {.method = "GET", .path = path, .read = 1};
    json_t *answer = NULL;
    int status = 0;
    int32_t rc = kube_exchange(kube, &request, &status, &answer, err);
    if (rc == IST_OK && status != 404 && (status < 200 || status > 299))
        rc = kube_status_error(kube, &request, status, answer, err);
    ist_free(path);
    if (rc == IST_OK)
        kube_discovered(kube, api, status == 404 ? NULL : answer);
    json_decref(answer);
    return rc;
}

static void add_versions(json_t *versions, const json_t *group)
{
    size_t i;
    const json_t *version;
    json_array_foreach(json_object_get(group, "versions"), i, version)
    {
        const char *name = ist_json_str(version, "groupVersion");
        if (name)
            json_array_append_new(versions, json_string(name));
    }
}

// All group versions of the server, as strings; the core group last. New reference.
static json_t *all_versions(ist_kube *kube)
{
    json_t *versions = json_array(), *groups = NULL;
    struct kube_request request = {.method = "GET", .path = "/apis", .read = 1};
    size_t i;
    const json_t *group;
    if (kube_call(kube, &request, &groups, NULL) == IST_OK)
        json_array_foreach(json_object_get(groups, "groups"), i, group) add_versions(versions, group);
    json_decref(groups);
    json_array_append_new(versions, json_string("v1"));
    return versions;
}

static int same_group(const char *a, const char *b)
{
    size_t len = strcspn(a, "/");
    return len == strcspn(b, "/") && strchr(a, '/') && strncmp(a, b, len) == 0;
}

// Which version would serve `kind`: of the same group before others, and of Kubernetes' own groups before
// those of custom resources (whose names have dots and do not end in k8s.io). The caller's, or NULL.
static char *who_serves(ist_kube *kube, const char *api, const char *kind)
{
    json_t *versions = all_versions(kube);
    const char *best = NULL;
    int best_rank = 0;
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const char *version = json_string_value(json_array_get(versions, i));
        if (!json_object_get(kube->kinds, version) && discover(kube, version, NULL) != IST_OK)
            continue;
        if (!json_object_get(json_object_get(kube->kinds, version), kind))
            continue;
        size_t group = strcspn(version, "/");
        int own =
            !memchr(version, '.', group) || (group > 7 && strncmp(version + group - 7, ".k8s.io", 7) == 0);
        int rank = same_group(api, version) ? 3 : own ? 2 : 1;
        if (rank > best_rank) {
            best = version;
            best_rank = rank;
        }
    }
    char *found = best ? ist_strdup(best) : NULL;
    json_decref(versions);
    return found;
}

static int32_t not_served(ist_kube *kube, const char *api, const char *kind, ist_error *err)
{
    char *other = err ? who_serves(kube, api, kind) : NULL;
    int major = 0, minor = 0;
    char version[32] = "";
    if (err && ist_kube_version(kube, &major, &minor, NULL) == IST_OK) {
        char *text = ist_printf(" (Kubernetes %d.%d)", major, minor);
        memcpy(version, text, strlen(text) < sizeof version ? strlen(text) + 1 : 0);
        ist_free(text);
    }
    ist_fail(err, IST_ERR_NOT_FOUND, kube->name, "cluster %s%s does not serve %s %s", kube->name, version,
             api, kind);
    if (other)
        ist_hint(err, "it serves %s as %s", kind, other);
    ist_free(other);
    return IST_ERR_NOT_FOUND;
}

int32_t ist_kube_kind_of(ist_kube *kube, const char *api, const char *kind, ist_kube_kind *found,
                         ist_error *err)
{
    if (!api || !*api || !kind || !*kind)
        return ist_fail(err, IST_ERR_INPUT, kube->name, "an object needs apiVersion and kind");
    if (strspn(api, "abcdefghijklmnopqrstuvwxyz0123456789-./") != strlen(api) || strstr(api, ".."))
        return ist_fail(err, IST_ERR_INPUT, kube->name, "apiVersion \"%.100s\" is not one", api);
    const json_t *entry = json_object_get(json_object_get(kube->kinds, api), kind);
    const json_t *last = json_object_get(kube->fetched, api);
    if (!entry && (!last || ist_now_ms(&kube->env) - json_integer_value(last) > AGAIN_MS)) {
        int32_t rc = discover(kube, api, err);
        if (rc != IST_OK)
            return rc;
        entry = json_object_get(json_object_get(kube->kinds, api), kind);
    }
    if (!entry)
        return not_served(kube, api, kind, err);
    *found = (ist_kube_kind){.api = ist_json_str(entry, "api"),
                             .kind = ist_json_str(entry, "kind"),
                             .resource = ist_json_str(entry, "resource"),
                             .namespaced = ist_json_bool(entry, "namespaced", 0)};
    return IST_OK;
}

int32_t kube_path(ist_kube *kube, const char *api, const char *kind, const char *ns, const char *name,
                  char **path, ist_error *err)
{
    ist_kube_kind found = {0};
    int32_t rc = ist_kube_kind_of(kube, api, kind, &found, err);
    if (rc != IST_OK)
        return rc;
    if (name && !*name)
        return ist_fail(err, IST_ERR_INPUT, kube->name, "a %s without a name", kind);
    const char *own = kube->login.ns ? kube->login.ns : "default";
    const char *space = !found.namespaced ? NULL : ns && *ns ? ns : name ? own : NULL;
    char *base = kube_group_path(api), *safe_ns = space ? ist_url_encode(space, 0) : NULL;
    char *safe_name = name ? ist_url_encode(name, 0) : NULL;
    *path = ist_printf("%s%s%s/%s%s%s", base, space ? "/namespaces/" : "", space ? safe_ns : "",
                       found.resource, name ? "/" : "", name ? safe_name : "");
    ist_free(base);
    ist_free(safe_ns);
    ist_free(safe_name);
    return IST_OK;
}
