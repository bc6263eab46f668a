// From the `manifests` of a step to objects: which go to which clusters, checked against what each of them serves.
#include "apply.h"

#include <stdio.h>
#include <string.h>

// ---- reading ----

// The objects of one entry, and what to call it in messages (*from, the caller's).
static int32_t read_entry(const ist_env *env, const json_t *inputs, const json_t *entry, json_t **objects,
                          char **from, ist_error *err)
{
    ist_manifest manifest = {.size = sizeof manifest,
                             .file = ist_json_str(entry, "file"),
                             .url = ist_json_str(entry, "url"),
                             .text = ist_json_str(entry, "inline")};
    if (!!manifest.file + !!manifest.url + !!manifest.text != 1)
        return ist_fail(err, IST_ERR_INPUT, "manifests", "each needs exactly one of file, url and inline");
    const char *instead =
        manifest.url ? json_string_value(json_object_get(json_object_get(inputs, "replace"), manifest.url))
                     : NULL;
    if (instead) {
        ist_log(env, IST_LOG_INFO, "%s is replaced by %s", manifest.url, instead);
        manifest.file = instead;
        manifest.url = NULL;
    }
    if (manifest.url) // a file is the user's own
        manifest.sha256 = ist_json_str(entry, "sha256");
    ist_error fault = {0};
    int32_t rc = ist_manifest_read(env, &manifest, objects, &fault);
    if (rc != IST_OK && manifest.url && !fault.hint[0])
        ist_hint(&fault, "where the manifest has moved, name a file for this URL under `replace`");
    if (rc != IST_OK && err)
        *err = fault;
    *from = ist_strdup(manifest.file ? manifest.file : manifest.url ? manifest.url : "inline");
    return rc;
}

// Where an entry goes: its own clusters, the step's, or all. New reference.
static int32_t clusters_of(const json_t *inputs, const json_t *entry, json_t **clusters, ist_error *err)
{
    const json_t *all = json_object_get(inputs, "kubeconfigs");
    json_t *names = json_object_get(entry, "clusters");
    if (json_array_size(names) == 0)
        names = json_object_get(inputs, "clusters");
    if (json_array_size(names) == 0) {
        const char *name;
        json_t *value;
        names = json_array();
        json_object_foreach((json_t *)(uintptr_t)all, name, value)
            json_array_append_new(names, json_string(name));
    } else {
        json_incref(names);
    }
    size_t i;
    const json_t *name;
    json_array_foreach(names, i, name)
    {
        if (json_string_value(name) && json_object_get(all, json_string_value(name)))
            continue;
        ist_fail(err, IST_ERR_INPUT, "manifests", "no kubeconfig for cluster \"%.60s\"",
                 json_string_value(name) ? json_string_value(name) : "?");
        ist_hint(err, "name it under `kubeconfigs`");
        json_decref(names);
        return IST_ERR_INPUT;
    }
    *clusters = names;
    return IST_OK;
}

// One copy of each object for each of its clusters.
static void spread(const json_t *objects, const json_t *clusters, const char *from, const char *ns,
                   json_t *wanted)
{
    size_t i, k;
    const json_t *object, *cluster;
    json_array_foreach(objects, i, object) json_array_foreach(clusters, k, cluster)
        json_array_append_new(wanted, json_pack("{s:O, s:s, s:s*, s:o}", "cluster", cluster, "from", from,
                                                "ns", ns, "object", json_deep_copy(object)));
}

int32_t manifests_load(const ist_env *env, const json_t *inputs, json_t **wanted, ist_error *err)
{
    json_t *made = json_array();
    size_t i;
    const json_t *entry;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(inputs, "manifests"), i, entry)
    {
        char *from = NULL;
        json_t *clusters = NULL, *objects = NULL;
        rc = clusters_of(inputs, entry, &clusters, err);
        if (rc == IST_OK)
            rc = read_entry(env, inputs, entry, &objects, &from, err);
        if (rc == IST_OK)
            spread(objects, clusters, from, ist_json_str(entry, "namespace"), made);
        ist_free(from);
        json_decref(objects);
        json_decref(clusters);
        if (rc != IST_OK)
            break;
    }
    if (rc == IST_OK)
        *wanted = made;
    else
        json_decref(made);
    return rc;
}

// ---- resolving ----

// Is this kind one that a CustomResourceDefinition among the manifests is about to bring? 1 or 0; *namespaced
// too.
static int is_coming(const struct work *work, const char *cluster, const json_t *object, int *namespaced)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(work->wanted, i, entry)
    {
        if (!strcmp(ist_json_str_or(entry, "cluster", ""), cluster) &&
            ist_manifest_defines(json_object_get(entry, "object"), object, namespaced))
            return 1;
    }
    return 0;
}

static int32_t resolve_namespace(const json_t *entry, json_t *object, int namespaced, ist_error *err)
{
    const char *given = ist_json_str(entry, "ns"), *own = ist_json_str(object, "metadata.namespace");
    json_t *metadata = json_object_get(object, "metadata");
    if (!namespaced) {
        json_object_del(metadata, "namespace");
        return IST_OK;
    }
    if (own && given && strcmp(own, given) != 0)
        return ist_fail(err, IST_ERR_INPUT, ist_json_str_or(entry, "from", "manifests"),
                        "%s %s is in namespace %s, and `namespace` says %s", ist_json_str(object, "kind"),
                        ist_json_str(object, "metadata.name"), own, given);
    if (!own)
        json_object_set_new(metadata, "namespace", json_string(given ? given : "default"));
    return IST_OK;
}

static int32_t resolve_one(struct work *work, const json_t *entry, ist_error *err)
{
    const char *name = ist_json_str_or(entry, "cluster", "");
    const ist_cluster *cluster = ist_clusters_find(work->clusters, name);
    json_t *object = json_object_get(entry, "object");
    ist_kube_kind kind = {0};
    ist_error fault = {0};
    int namespaced = 0;
    int32_t rc = ist_kube_kind_of(cluster->kube, ist_json_str(object, "apiVersion"),
                                  ist_json_str(object, "kind"), &kind, &fault);
    if (rc == IST_OK)
        namespaced = kind.namespaced;
    else if (rc == IST_ERR_NOT_FOUND && is_coming(work, name, object, &namespaced))
        rc = IST_OK;
    if (rc != IST_OK) {
        if (rc == IST_ERR_NOT_FOUND) { // which manifest asks for it is what the user must know
            ist_fail(err, IST_ERR_INPUT, ist_json_str_or(entry, "from", "manifests"), "%s %s: %s",
                     ist_json_str(object, "kind"), ist_json_str(object, "metadata.name"), fault.text);
            if (fault.hint[0])
                ist_hint(err, "%s", fault.hint);
            return IST_ERR_INPUT;
        }
        if (err)
            *err = fault;
        return rc;
    }
    ist_manifest_mark(object, work->owner);
    return resolve_namespace(entry, object, namespaced, err);
}

static int32_t refuse_twice(const struct work *work, ist_error *err)
{
    json_t *seen = json_object();
    size_t i;
    const json_t *entry;
    int32_t rc = IST_OK;
    json_array_foreach(work->wanted, i, entry)
    {
        json_t *id = id_of(ist_json_str(entry, "cluster"), json_object_get(entry, "object"));
        char *text = id_text(id);
        const char *before = json_string_value(json_object_get(seen, text));
        if (before && rc == IST_OK)
            rc = ist_fail(err, IST_ERR_INPUT, ist_json_str_or(entry, "from", "manifests"),
                          "%s stands in %s too", text, before);
        json_object_set(seen, text, json_object_get(entry, "from"));
        ist_free(text);
        json_decref(id);
    }
    json_decref(seen);
    return rc;
}

// Adds the Namespace of an object where no manifest does: one that is missing, or that this step made before.
static int32_t want_namespace(struct work *work, const json_t *object, const char *cluster, json_t *added,
                              ist_error *err)
{
    const char *ns = ist_json_str(object, "metadata.namespace");
    if (!ns)
        return IST_OK;
    json_t *wanted =
        json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name", ns);
    json_t *id = id_of(cluster, wanted), *live = NULL;
    size_t i;
    const json_t *entry;
    int there = wanted_of(work, id) != NULL;
    json_array_foreach(added, i, entry)
    {
        json_t *other = id_of(ist_json_str(entry, "cluster"), json_object_get(entry, "object"));
        there |= id_same(id, other);
        json_decref(other);
    }
    int32_t rc = there ? IST_OK : live_of(work, id, &live, err);
    if (!there && (rc == IST_ERR_NOT_FOUND || (rc == IST_OK && ist_manifest_step(live) &&
                                               !strcmp(ist_manifest_step(live), work->owner)))) {
        ist_manifest_mark(wanted, work->owner);
        json_array_append_new(added, json_pack("{s:s, s:s, s:O}", "cluster", cluster, "from",
                                               "create_namespaces", "object", wanted));
        rc = IST_OK;
    }
    json_decref(live);
    json_decref(wanted);
    json_decref(id);
    return rc;
}

// All that is wrong with the manifests at once: the first with its place and hint, the others behind it.
static int32_t resolve_all(struct work *work, ist_error *err)
{
    ist_error first = {0};
    ist_buf rest = {.max = 600};
    size_t i;
    const json_t *entry;
    json_array_foreach(work->wanted, i, entry)
    {
        ist_error fault = {0};
        int32_t rc = resolve_one(work, entry, &fault);
        if (rc == IST_OK)
            continue;
        if (rc != IST_ERR_INPUT || !first.code)
            first = fault;
        else if (ist_buf_printf(&rest, "; %s%s%s%s", fault.text, fault.hint[0] ? " (" : "", fault.hint,
                                fault.hint[0] ? ")" : "") != IST_OK)
            continue;            // there are enough of them to begin with
        if (rc != IST_ERR_INPUT) // the cluster, not a manifest
            break;
    }
    char *others = ist_buf_take(&rest);
    if (first.code == IST_ERR_INPUT && *others) {
        ist_fail(err, first.code, first.where, "%s%s", first.text, others);
        if (first.hint[0])
            ist_hint(err, "%s", first.hint);
    } else if (first.code && err) {
        *err = first;
    }
    ist_free(others);
    return first.code;
}

int32_t manifests_resolve(struct work *work, ist_error *err)
{
    int32_t rc = resolve_all(work, err);
    json_t *added = json_array();
    size_t i;
    const json_t *entry;
    if (rc == IST_OK)
        rc = refuse_twice(work, err);
    if (rc == IST_OK && ist_json_bool(work->inputs, "create_namespaces", 0))
        json_array_foreach(work->wanted, i, entry) if (rc == IST_OK) rc = want_namespace(
            work, json_object_get(entry, "object"), ist_json_str(entry, "cluster"), added, err);
    if (rc == IST_OK) {
        json_t *all = json_array();
        json_array_extend(all, added);
        json_array_extend(all, work->wanted);
        json_decref(work->wanted);
        work->wanted = ist_manifest_in_order(all);
        json_decref(all);
    }
    json_decref(added);
    return rc;
}
