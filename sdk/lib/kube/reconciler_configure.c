// New inputs for a run that goes on, and credentials that are read anew.
#include "reconciler.h"

#include <string.h>

#define RELOAD_MS 10000 // a kubeconfig is not read more often than that
#define FILES_MS  5000  // how often its files are looked at

// Everything that is under way goes over the old client: it ends, and what was seen counts.
void rec_cluster_client(struct rec_cluster *cluster, ist_kube *kube)
{
    ist_error err = {0};
    ist_fail(&err, IST_ERR_NETWORK, cluster->item->name, "its credentials were read anew");
    for (size_t i = 0; i < cluster->run->kinds; i++)
        rec_feed_stop(&cluster->feeds[i]);
    cluster->aborting = 1;
    rec_requests_abort(cluster, 0, &err);
    cluster->aborting = 0;
    ist_kube_free(cluster->kube);
    cluster->item->kube = cluster->kube = kube;
    rec_cluster_attach(cluster);
    cluster->phase = REC_IDENTIFY;
    cluster->retry_at = 0;
}

static const json_t *kubeconfig_of(const json_t *inputs, const char *name)
{
    const json_t *kubeconfig = json_object_get(json_object_get(inputs, "kubeconfigs"), name), *cluster;
    size_t i;
    json_array_foreach(json_object_get(inputs, "clusters"), i, cluster)
    {
        if (!kubeconfig && !strcmp(ist_json_str_or(cluster, "name", ""), name))
            kubeconfig = json_object_get(cluster, "kubeconfig");
    }
    return kubeconfig;
}

static int32_t new_client(const struct rec_cluster *cluster, const json_t *inputs, ist_kube **kube,
                          ist_error *err)
{
    ist_kube_options options = {.size = sizeof options, .name = cluster->item->name};
    options.kubeconfig = json_string_value(kubeconfig_of(inputs, cluster->item->name));
    if (!options.kubeconfig)
        return ist_fail(err, IST_ERR_INPUT, cluster->item->name, "no kubeconfig for this cluster");
    return ist_kube_new(&cluster->run->env, &options, kube, err);
}

void rec_cluster_renew(struct rec_cluster *cluster)
{
    ist_reconciler *run = cluster->run;
    int64_t now = ist_now_ms(&run->env);
    if (!run->watching || (cluster->renewed_at && now < cluster->renewed_at + RELOAD_MS))
        return;
    cluster->renewed_at = now;
    cluster->renew = 1; // not here: whoever found out still uses the client
    ist_renew(&run->env, "cluster %s: %s", cluster->item->name, cluster->fault.text);
}

void rec_cluster_renew_step(struct rec_cluster *cluster)
{
    ist_kube *kube = NULL;
    if (!cluster->renew)
        return;
    cluster->renew = 0;
    if (new_client(cluster, cluster->run->inputs, &kube, NULL) == IST_OK)
        rec_cluster_client(cluster, kube);
}

// Certificates, keys and kubeconfigs are replaced before they end: so it is not for a refusal to say so. What cannot be
// read yet is read at the next look.
static void look_at_files(struct rec_cluster *cluster, int64_t now)
{
    const ist_reconciler *run = cluster->run;
    struct kube_login *login = &cluster->kube->login;
    ist_kube *kube = NULL;
    ist_error err = {0};
    if (!run->watching || cluster->stopping || now < cluster->files_at + FILES_MS)
        return;
    cluster->files_at = now;
    if (!kube_login_changed(login))
        return;
    if (new_client(cluster, run->inputs, &kube, &err) != IST_OK) {
        ist_log(&run->env, IST_LOG_WARN,
                "cluster %s: its kubeconfig was changed, the one before stays: %s: %s", cluster->item->name,
                err.where, err.text);
    } else if (kube_login_equal(login, &kube->login)) { // written anew with nothing new
        json_decref(login->files);
        login->files = json_incref(kube->login.files);
        login->stamp = kube->login.stamp;
        ist_kube_free(kube);
    } else {
        ist_log(&run->env, IST_LOG_INFO, "cluster %s: new credentials from its files", cluster->item->name);
        rec_cluster_client(cluster, kube);
    }
}

int rec_cluster_login(struct rec_cluster *cluster, uint32_t minted, ist_error *err)
{
    if (cluster->kube->helper || minted != cluster->kube->minted) // many requests, one answer to all of them
        return 1;
    int32_t rc = kube_connect_soon(cluster->kube, 1, err);
    return rc == IST_OK || rc == IST_AGAIN;
}

// ---- new inputs ----

static int same_clusters(const ist_reconciler *run, const json_t *inputs)
{
    size_t count = 0, i;
    const char *name;
    const json_t *cluster;
    json_t *kubeconfig, *names = json_object();
    json_object_foreach(json_object_get(inputs, "kubeconfigs"), name, kubeconfig)
        json_object_set_new(names, name, json_true());
    json_array_foreach(json_object_get(inputs, "clusters"), i, cluster)
    {
        if (ist_json_str(cluster, "name") && json_object_get(cluster, "kubeconfig"))
            json_object_set_new(names, ist_json_str(cluster, "name"), json_true());
    }
    for (i = 0; i < run->clusters->count; i++)
        count += json_object_get(names, run->clusters->items[i].name) != NULL;
    int same = count == run->clusters->count && count == json_object_size(names);
    json_decref(names);
    const json_t *before = json_object_get(run->inputs, "pod_cidrs"),
                 *after = json_object_get(inputs, "pod_cidrs");
    return same && (before == after || (before && after && json_equal(before, after)));
}

// In place: 1. Else everything has to be begun anew.
static int take_over(ist_reconciler *run, json_t *inputs)
{
    ist_error err = {0};
    if (!run->plugin->configure || !same_clusters(run, inputs))
        return 0;
    rec_stale(run);
    if (run->plugin->configure(run->model, inputs, &err) != IST_OK) {
        ist_log(&run->env, IST_LOG_WARN, "%s: %s; everything is read again", err.where, err.text);
        return 0;
    }
    for (size_t i = 0; i < run->clusters->count; i++) {
        struct rec_cluster *cluster = &run->items[i];
        ist_kube *kube = NULL;
        const json_t *before = kubeconfig_of(run->inputs, cluster->item->name),
                     *after = kubeconfig_of(inputs, cluster->item->name);
        if (before && after && json_equal(before, after))
            continue;
        if (new_client(cluster, inputs, &kube, &err) == IST_OK)
            rec_cluster_client(cluster, kube);
        else
            ist_log(&run->env, IST_LOG_WARN, "%s: %s; the old kubeconfig stays", err.where, err.text);
    }
    json_decref(run->inputs);
    run->inputs = inputs;
    run->generation++;
    run->status_at = 0;
    return 1;
}

int rec_configure_step(ist_reconciler *run)
{
    const int64_t now = ist_now_ms(&run->env);
    for (size_t i = 0; i < run->clusters->count; i++) {
        rec_cluster_renew_step(&run->items[i]);
        look_at_files(&run->items[i], now);
    }
    json_t *inputs = ist_reconfigured(&run->env);
    if (!inputs)
        return 1;
    if (json_equal(inputs, run->inputs)) {
        json_decref(inputs);
        return 1;
    }
    if (take_over(run, inputs)) {
        ist_log(&run->env, IST_LOG_INFO, "%s: new inputs", run->plugin->what);
        return 1;
    }
    json_decref(inputs);
    return 0;
}
