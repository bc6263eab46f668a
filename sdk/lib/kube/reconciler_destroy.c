// Destroying: cluster by cluster, all that this step keeps there. An apply that finds nothing to do records nothing, and
// a daemon writes all the same once there is something: so clusters are looked into too that only the inputs name.
#include "reconciler.h"

static int made_here(const void *arg, const char *uid)
{
    return rec_made_has(arg, uid);
}

// Empties one cluster of what this step keeps there. `resource`: what is recorded of it, or NULL.
static int32_t destroy_in(const ist_env *env, const ist_reconciler_plugin *plugin, const char *resource,
                          const char *cluster, ist_error *err)
{
    ist_kube_kind_name kinds[REC_KINDS + 1] = {{0}};
    json_t *inputs = ist_inputs(env), *recorded = ist_recorded(env);
    ist_clusters *clusters = NULL;
    char *owner = ist_kube_owner(env);
    struct rec_made made = {0};
    size_t n = 0;
    for (size_t i = 0; plugin->kinds[i].kind && n < REC_KINDS; i++)
        if (plugin->kinds[i].flags & IST_KIND_WRITTEN)
            kinds[n++] = (ist_kube_kind_name){plugin->kinds[i].api, plugin->kinds[i].kind, NULL};
    rec_made_read(&made, rec_made_recorded(recorded, cluster));
    ist_progress(env, "taking away %s in %s", plugin->what, cluster);
    int32_t rc = ist_clusters_open_one(env, inputs, cluster, recorded, &clusters, err);
    const char *lease_ns = rec_lease_ns(inputs);
    struct rec_seized *lease = NULL;
    if (rc == IST_OK)
        rc = rec_lease_seize(env, clusters->items[0].kube, cluster, lease_ns, owner, &lease, err);
    if (rc == IST_OK)
        rc =
            kube_set_delete(clusters->items[0].kube, owner, kinds, made.count ? made_here : NULL, &made, err);
    if (rc == IST_OK && resource)
        rc = ist_outcome(env, resource, NULL, err);
    rec_lease_unseize(lease, rc == IST_OK);
    rec_made_free(&made);
    ist_clusters_free(clusters);
    ist_free(owner);
    json_decref(inputs);
    json_decref(recorded);
    return rc;
}

// Without a record nobody says that there is something: what cannot be looked into is told, and is no failure. That a
// daemon is at work there is one.
static void destroy_unrecorded(const ist_env *env, const ist_reconciler_plugin *plugin,
                               const json_t *recorded, ist_error *first)
{
    json_t *inputs = ist_inputs(env), *all = kube_kubeconfigs(inputs), *kubeconfig;
    const char *cluster;
    json_object_foreach(all, cluster, kubeconfig)
    {
        ist_error err = {0};
        if (first->code == IST_ERR_CANCELLED)
            break;
        if (ist_clusters_recorded_uid(recorded, cluster) ||
            destroy_in(env, plugin, NULL, cluster, &err) == IST_OK)
            continue;
        if (err.code == IST_ERR_CANCELLED || err.code == IST_ERR_CONFLICT)
            ist_clusters_failed(first, cluster, &err);
        else
            ist_log(env, IST_LOG_WARN,
                    "cluster %s: nothing is recorded there; what a watch may have made is left: %s", cluster,
                    err.text);
    }
    json_decref(all);
    json_decref(inputs);
}

// A cluster that cannot be reached does not keep the others from being emptied; the first failure is reported.
int32_t ist_reconciler_destroy(const ist_env *env, const ist_reconciler_plugin *plugin)
{
    json_t *recorded = ist_recorded(env), *record;
    const char *resource;
    ist_error first = {0};
    json_object_foreach(recorded, resource, record)
    {
        ist_error err = {0};
        const char *cluster = ist_json_str_or(record, "data.cluster", "");
        if (first.code == IST_ERR_CANCELLED)
            break;
        if (destroy_in(env, plugin, resource, cluster, &err) == IST_OK)
            continue;
        if (first.code != IST_OK)
            ist_log(env, IST_LOG_WARN, "%s: %s", err.where, err.text);
        ist_clusters_failed(&first, cluster, &err);
    }
    destroy_unrecorded(env, plugin, recorded, &first);
    json_decref(recorded);
    return first.code == IST_OK ? IST_OK : ist_report(env, &first);
}
