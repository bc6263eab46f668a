// The clusters of a step: connected, told apart by what they are.
#include "internal.h"

#include <isthmus/kube_clusters.h>

#include <stdio.h>
#include <string.h>

static int32_t read_cidrs(ist_cluster *cluster, const json_t *cidrs, ist_error *err)
{
    size_t i;
    json_t *cidr;
    cluster->pod_cidrs = ist_calloc(json_array_size(cidrs), sizeof(*cluster->pod_cidrs));
    json_array_foreach(cidrs, i, cidr)
    {
        int32_t rc = ist_net_parse(json_string_value(cidr), &cluster->pod_cidrs[i], err);
        if (rc != IST_OK)
            return rc;
        cluster->pod_cidr_count++;
    }
    return IST_OK;
}

const char *ist_clusters_recorded_uid(const json_t *recorded, const char *name)
{
    const char *resource;
    json_t *record;
    json_object_foreach((json_t *)(uintptr_t)recorded, resource, record)
    {
        if (!strcmp(ist_json_str_or(record, "data.cluster", ""), name))
            return ist_json_str(record, "data.uid");
    }
    return NULL;
}

static int32_t identify(const ist_clusters *clusters, ist_cluster *cluster, const json_t *recorded,
                        ist_error *err)
{
    const char *uid = NULL, *before = ist_clusters_recorded_uid(recorded, cluster->name);
    int32_t rc = ist_kube_uid(cluster->kube, &uid, err);
    if (rc != IST_OK)
        return rc;
    for (size_t i = 0; i < clusters->count; i++)
        if (clusters->items[i].uid && !strcmp(clusters->items[i].uid, uid))
            return ist_fail(err, IST_ERR_INPUT, cluster->name,
                            "is the same cluster as %s: both have the uid %s", clusters->items[i].name, uid);
    if (before && strcmp(before, uid) != 0) {
        ist_fail(err, IST_ERR_QUESTION, cluster->name,
                 "is another cluster than before: its uid was %s and is %s", before, uid);
        ist_hint(err, "if it was made anew, let go of the old one with --forget");
        return IST_ERR_QUESTION;
    }
    cluster->uid = ist_strdup(uid);
    return IST_OK;
}

static int is_away(const ist_error *fault)
{
    return fault->code == IST_ERR_NETWORK || fault->code == IST_ERR_TIMEOUT ||
           fault->code == IST_ERR_QUESTION;
}

void ist_clusters_failed(ist_error *sum, const char *cluster, const ist_error *fault)
{
    if (sum->code == IST_OK) {
        *sum = *fault;
        if (!is_away(fault))
            return;
        char *text = strcmp(fault->where, cluster) != 0 ? ist_printf("%s: %s", fault->where, fault->text)
                                                        : ist_strdup(fault->text);
        ist_fail(sum, fault->code, cluster, "%s", text);
        if (fault->hint[0])
            ist_hint(sum, "%s", fault->hint);
        ist_free(text);
    } else if (is_away(sum) && is_away(fault)) {
        char *where = ist_printf("%s, %s", sum->where, cluster);
        snprintf(sum->where, sizeof sum->where, "%s", where);
        ist_free(where);
    }
}

static void cluster_clear(ist_cluster *cluster)
{
    ist_kube_free(cluster->kube);
    ist_free(cluster->name);
    ist_free(cluster->uid);
    ist_free(cluster->pod_cidrs);
}

static int32_t load_one(const ist_env *env, ist_clusters *clusters, const char *name, const char *kubeconfig,
                        const json_t *cidrs, ist_error *err)
{
    ist_cluster *cluster = &clusters->items[clusters->count];
    ist_kube_options options = {.size = sizeof(options), .name = name, .kubeconfig = kubeconfig};
    cluster->name = ist_strdup(name);
    int32_t rc = read_cidrs(cluster, cidrs, err);
    if (rc == IST_OK)
        rc = ist_kube_new(env, &options, &cluster->kube, err);
    if (rc == IST_OK)
        clusters->count++;
    else
        cluster_clear(cluster);
    return rc;
}

json_t *kube_kubeconfigs(const json_t *inputs)
{
    json_t *all = json_object(), *cluster;
    size_t i;
    json_array_foreach(json_object_get(inputs, "clusters"), i, cluster)
    {
        json_t *kubeconfig = json_object_get(cluster, "kubeconfig");
        if (ist_json_str(cluster, "name") && kubeconfig)
            json_object_set(all, ist_json_str(cluster, "name"), kubeconfig);
    }
    json_object_update(all, json_object_get(inputs, "kubeconfigs"));
    return all;
}

// Every cluster of `kubeconfigs` (steals it), none asked.
static int32_t load_all(const ist_env *env, json_t *kubeconfigs, const json_t *inputs,
                        ist_clusters **clusters, ist_error *err)
{
    ist_clusters *loaded = ist_calloc(1, sizeof(*loaded));
    const char *name;
    json_t *kubeconfig;
    int32_t rc = IST_OK;
    loaded->items = ist_calloc(json_object_size(kubeconfigs), sizeof(*loaded->items));
    json_object_foreach(kubeconfigs, name, kubeconfig)
    {
        if (rc == IST_OK)
            rc = load_one(env, loaded, name, json_string_value(kubeconfig),
                          json_object_get(json_object_get(inputs, "pod_cidrs"), name), err);
    }
    json_decref(kubeconfigs);
    if (rc == IST_OK)
        *clusters = loaded;
    else
        ist_clusters_free(loaded);
    return rc;
}

int32_t ist_clusters_load(const ist_env *env, const json_t *inputs, ist_clusters **clusters, ist_error *err)
{
    return load_all(env, kube_kubeconfigs(inputs), inputs, clusters, err);
}

// Connects to every cluster of `kubeconfigs` (steals it).
static int32_t open_all(const ist_env *env, json_t *kubeconfigs, const json_t *inputs, const json_t *recorded,
                        ist_clusters **clusters, ist_error *err)
{
    ist_clusters *opened = NULL;
    int32_t rc = load_all(env, kubeconfigs, inputs, &opened, err);
    for (size_t i = 0; rc == IST_OK && i < opened->count; i++)
        rc = identify(opened, &opened->items[i], recorded, err);
    if (rc == IST_OK)
        *clusters = opened;
    else
        ist_clusters_free(opened);
    return rc;
}

int32_t ist_clusters_open(const ist_env *env, const json_t *inputs, const json_t *recorded,
                          ist_clusters **clusters, ist_error *err)
{
    return open_all(env, kube_kubeconfigs(inputs), inputs, recorded, clusters, err);
}

int32_t ist_clusters_open_one(const ist_env *env, const json_t *inputs, const char *name,
                              const json_t *recorded, ist_clusters **clusters, ist_error *err)
{
    json_t *all = kube_kubeconfigs(inputs), *kubeconfig = json_object_get(all, name);
    json_t *one = kubeconfig ? json_pack("{s:O}", name, kubeconfig) : NULL;
    json_decref(all);
    return one ? open_all(env, one, inputs, recorded, clusters, err)
               : ist_fail(err, IST_ERR_INPUT, name,
                          "no kubeconfig for this cluster, where objects are recorded");
}

void ist_clusters_free(ist_clusters *clusters)
{
    if (!clusters)
        return;
    for (size_t i = 0; i < clusters->count; i++)
        cluster_clear(&clusters->items[i]);
    ist_free(clusters->items);
    ist_free(clusters);
}

ist_cluster *ist_clusters_find(const ist_clusters *clusters, const char *name)
{
    for (size_t i = 0; name && i < clusters->count; i++)
        if (!strcmp(clusters->items[i].name, name))
            return &clusters->items[i];
    return NULL;
}
