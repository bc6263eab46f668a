// What is wrong with the inputs, before any cluster is asked.
#include "check.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_check.h>

#include <stdio.h>
#include <string.h>

static const char *at(char *path, size_t size, size_t i, const char *key)
{
    snprintf(path, size, "manifests[%zu].%s", i, key);
    return path;
}

// ---- the same object twice ----

// Where the objects of an entry go: its own clusters, or the step's; NULL: to all. Borrowed.
static const json_t *clusters_of(const ist_checking *c, size_t i)
{
    char path[80];
    const json_t *own = ist_checking_at(c, at(path, sizeof path, i, "clusters"));
    const json_t *common = ist_checking_at(c, "clusters");
    return json_array_size(own) ? own : json_array_size(common) ? common : NULL;
}

// A cluster that is in both, "" where both have all; NULL: none.
static const char *in_both(const json_t *a, const json_t *b)
{
    size_t i, k;
    const json_t *one, *other;
    if (!a || !b)
        return json_string_value(json_array_get(a ? a : b, 0))
                   ? json_string_value(json_array_get(a ? a : b, 0))
                   : "";
    json_array_foreach(a, i, one) json_array_foreach(b, k, other)
    {
        if (json_is_string(one) && json_equal(one, other))
            return json_string_value(one);
    }
    return NULL;
}

// `seen`: by what names an object the entries that have it: [{from, clusters?}].
static void check_twice(ist_checking *c, size_t i, const char *key, const json_t *objects, json_t *seen)
{
    char path[80], entry[80];
    const char *common = ist_checking_text(c, at(path, sizeof path, i, "namespace"));
    const json_t *clusters = clusters_of(c, i), *object, *other;
    size_t n, k;
    if (!ist_is_known(c, at(path, sizeof path, i, "clusters")) || !ist_is_known(c, "clusters") ||
        !ist_is_known(c, at(path, sizeof path, i, "namespace")))
        return;
    at(entry, sizeof entry, i, key);
    json_array_foreach(objects, n, object)
    {
        const char *api = ist_json_str_or(object, "apiVersion", ""), *slash = strchr(api, '/');
        const char *ns = ist_json_str_or(object, "metadata.namespace", common ? common : "default");
        char *name = ist_printf("%s %s/%s", ist_json_str_or(object, "kind", "?"), ns,
                                ist_json_str_or(object, "metadata.name", "?"));
        char *whole = ist_printf("%.*s %s", slash ? (int)(slash - api) : 0, api, name);
        json_t *before = json_object_get(seen, whole);
        json_array_foreach(before, k, other)
        {
            const char *cluster = in_both(clusters, json_object_get(other, "clusters"));
            if (!cluster)
                continue;
            ist_wrong(c, entry, "%s stands twice%s%s: here, and in `%s`", name, *cluster ? " for " : "",
                      cluster, ist_json_str_or(other, "from", "?"));
            break;
        }
        if (!before) {
            before = json_array();
            json_object_set_new(seen, whole, before);
        }
        json_array_append_new(before, json_pack("{s:s, s:O*}", "from", entry, "clusters", clusters));
        ist_free(name);
        ist_free(whole);
    }
}

// ---- one entry ----

static void check_source(ist_checking *c, size_t i, json_t *seen)
{
    static const char *const keys[] = {"file", "url", "inline"};
    const char *values[3], *url = NULL;
    char path[80], entry[64];
    size_t given = 0;
    for (size_t k = 0; k < 3; k++) {
        values[k] = ist_checking_text(c, at(path, sizeof path, i, keys[k]));
        given += values[k] || !ist_is_known(c, path);
    }
    snprintf(entry, sizeof entry, "manifests[%zu]", i);
    if (given != 1)
        ist_wrong(c, entry, "needs exactly one of file, url and inline");
    ist_manifest manifest = {.size = sizeof manifest, .file = values[0], .text = values[2]};
    const char *from = values[0] ? "file" : values[2] ? "inline" : "url";
    if (given == 1 && values[1]) {
        url = values[1];
        manifest.file = json_string_value(json_object_get(ist_checking_at(c, "replace"), url));
    }
    json_t *objects = NULL;
    if (given == 1 && (manifest.file || manifest.text)) {
        ist_check_manifest(c, at(path, sizeof path, i, from), &manifest, &objects);
        check_twice(c, i, from, objects, seen);
        json_decref(objects);
    } else if (url && strncmp(url, "http://", 7) == 0 &&
               !ist_checking_text(c, at(path, sizeof path, i, "sha256"))) {
        ist_unwise_hint(c, at(path, sizeof path, i, "url"), "https://..., or its `sha256`",
                        "over http anybody on the way can put other objects into the clusters");
    }
}

static void check_digest(ist_checking *c, const char *path)
{
    const char *text = ist_checking_text(c, path);
    if (text && (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64))
        ist_wrong(c, path, "is no SHA-256: 64 hexadecimal digits");
}

static void check_replaced(ist_checking *c)
{
    const json_t *manifests = ist_checking_at(c, "manifests");
    const char *url;
    json_t *file;
    json_object_foreach((json_t *)ist_checking_at(c, "replace"), url, file)
    {
        int found = !ist_is_known(c, "manifests");
        for (size_t i = 0; i < json_array_size(manifests) && !found; i++)
            found = strcmp(ist_json_str_or(json_array_get(manifests, i), "url", ""), url) == 0;
        char *path = ist_printf("replace['%s']", url);
        if (!found)
            ist_unwise(c, path, "has no effect: no entry of `manifests` has this URL");
        ist_free(path);
    }
}

int32_t apply_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    char path[80];
    json_t *seen = json_object();
    ist_check_kubeconfigs(c, "kubeconfigs");
    ist_check_clusters(c, "clusters");
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "manifests")); i++) {
        snprintf(path, sizeof path, "manifests[%zu]", i);
        if (!json_is_object(ist_checking_at(c, path))) // not known yet
            continue;
        check_source(c, i, seen);
        check_digest(c, at(path, sizeof path, i, "sha256"));
        ist_check_clusters(c, at(path, sizeof path, i, "clusters"));
        ist_check_dns_label(c, at(path, sizeof path, i, "namespace"));
    }
    json_decref(seen);
    check_replaced(c);
    return ist_checking_end(c);
}
