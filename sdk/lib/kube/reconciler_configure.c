// New inputs for a run that goes on, and credentials that are read anew.
#include "reconciler.h"

#include <string.h>

#define RELOAD_MS  10000 // a kubeconfig is not read more often than that
#define FILES_MS   5000  // how often its files are looked at
#define WRITTEN_MS 3000  // so long new inputs wait for what is being written

// Everything that is under way goes over the old client: it ends, and what was seen counts.
void rec_cluster_client(struct rec_cluster *cluster, ist_kube *kube)
{
    ist_error err = {0};
    ist_fail(&err, IST_ERR_NETWORK, cluster->item->name, "its credentials were read anew");
    for (size_t i = 0; i < cluster->run->kinds; i++)
        rec_feed_drop(&cluster->feeds[i]);
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

int rec_cluster_login(struct rec_cluster *cluster, uint32_t minted, const char *date, ist_error *err)
{
    if (cluster->kube->helper || minted != cluster->kube->minted) // many requests, one answer to all of them
        return 1;
    kube_eks_clock(cluster->kube, date);
    int32_t rc = kube_connect_soon(cluster->kube, 1, err);
    return rc == IST_OK || rc == IST_AGAIN;
}

// ---- new inputs ----

enum taken {
    REC_REFUSED, // they are wrong: what was before goes on
    REC_ANEW,    // not in place: everything has to be begun anew
    REC_TAKEN,
};

static int same_input(const json_t *before, const json_t *after, const char *name)
{
    before = json_object_get(before, name);
    after = json_object_get(after, name);
    return before == after || (before && after && json_equal(before, after));
}

static int same_names(const ist_reconciler *run, const json_t *inputs)
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
    return same;
}

// Why these inputs cannot be taken in place; NULL: they can.
static const char *obstacle(const ist_reconciler *run, const json_t *inputs)
{
    if (!same_names(run, inputs))
        return "the clusters are others";
    if (!same_input(run->inputs, inputs, "pod_cidrs"))
        return "the pod CIDRs are others";
    if (strcmp(rec_lease_ns(run->inputs), rec_lease_ns(inputs)) != 0)
        return "the Lease is another";
    for (size_t i = 0; i < run->clusters->count; i++)
        if (run->items[i].stopping)
            return "a cluster was stopped";
    return NULL;
}

// A run with these inputs could begin.
static int could_begin(const ist_reconciler *run, json_t *inputs, ist_error *err)
{
    ist_reconciler *next = NULL;
    int32_t rc =
        rec_open(&run->env, run->plugin, 1, ist_strdup(run->identity), json_incref(inputs), &next, err);
    rec_close(next);
    return rc == IST_OK;
}

// A model of the new inputs is shown everything once more, while the watches of what was shown to the one before go on:
// nothing that happens meanwhile is lost, and who writes goes on to.
static enum taken begin_again(ist_reconciler *run, const json_t *inputs, ist_error *err)
{
    void *model = NULL;
    const int64_t grace_ms = run->grace_ms;
    int ended = 1;
    run->grace_ms = -1;
    run->models++;
    if (run->plugin->open(run, inputs, run->clusters, &model, err) != IST_OK) {
        run->grace_ms = grace_ms;
        run->models--;
        return REC_REFUSED;
    }
    for (size_t i = 0; i < run->clusters->count; i++)
        ended &= rec_cluster_halt(&run->items[i]);
    rec_stale(run);
    run->plugin->close(run->model);
    run->model = model;
    if (!ended) {
        ist_fail(err, IST_ERR_INTERNAL, run->plugin->what, "what is being written has not ended");
        return REC_ANEW;
    }
    for (size_t i = 0; i < run->clusters->count; i++)
        rec_cluster_again(&run->items[i]);
    run->settled = run->trimmed = 0;
    run->began = ist_now_ms(&run->env);
    return REC_TAKEN;
}

static enum taken show_inputs(ist_reconciler *run, const json_t *inputs, ist_error *err)
{
    if (!run->plugin->configure)
        return begin_again(run, inputs, err);
    rec_stale(run);
    return run->plugin->configure(run->model, inputs, err) == IST_OK ? REC_TAKEN : REC_ANEW;
}

static void take_kubeconfigs(ist_reconciler *run, const json_t *inputs)
{
    ist_error err = {0};
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
}

static void tell_refused(const ist_reconciler *run, const ist_error *err)
{
    ist_log(&run->env, IST_LOG_ERROR, "the new inputs are not taken, those before go on: %s: %s", err->where,
            err->text);
}

static enum taken take_over(ist_reconciler *run, json_t *inputs)
{
    ist_error err = {0};
    const char *why = obstacle(run, inputs);
    enum taken taken = !why                             ? show_inputs(run, inputs, &err)
                       : could_begin(run, inputs, &err) ? REC_ANEW
                                                        : REC_REFUSED;
    if (taken == REC_REFUSED)
        tell_refused(run, &err);
    else if (taken == REC_ANEW)
        ist_log(&run->env, IST_LOG_INFO, "%s: new inputs, everything is begun anew: %s", run->plugin->what,
                why ? why : err.text);
    if (taken == REC_ANEW) {
        json_decref(run->coming);
        run->coming = json_incref(inputs);
    }
    if (taken != REC_TAKEN)
        return taken;
    take_kubeconfigs(run, inputs);
    json_decref(run->inputs);
    run->inputs = json_incref(inputs);
    run->generation++;
    run->status_at = 0;
    ist_log(&run->env, IST_LOG_INFO, "%s: new inputs", run->plugin->what);
    return taken;
}

// New inputs for which it is time: what is being written ends first, so that nobody has to guess what came of it. The
// caller's, or NULL.
static json_t *inputs_due(ist_reconciler *run, int64_t now)
{
    size_t jobs = 0;
    json_t *inputs = ist_reconfigured(&run->env);
    if (inputs && !run->coming)
        run->coming_at = now;
    if (inputs) {
        json_decref(run->coming);
        run->coming = inputs;
    }
    for (size_t i = 0; i < run->clusters->count; i++)
        jobs += run->items[i].jobs;
    if (!run->coming || (jobs && now < run->coming_at + WRITTEN_MS))
        return NULL;
    inputs = run->coming;
    run->coming = NULL;
    return inputs;
}

int rec_configure_step(ist_reconciler *run)
{
    const int64_t now = ist_now_ms(&run->env);
    enum taken taken = REC_TAKEN;
    for (size_t i = 0; i < run->clusters->count; i++) {
        rec_cluster_renew_step(&run->items[i]);
        look_at_files(&run->items[i], now);
    }
    json_t *inputs = inputs_due(run, now);
    if (inputs && !json_equal(inputs, run->inputs))
        taken = take_over(run, inputs);
    json_decref(inputs);
    return taken != REC_ANEW;
}

json_t *rec_following_inputs(const ist_reconciler *run)
{
    ist_error err = {0};
    if (run->coming && could_begin(run, run->coming, &err))
        return json_incref(run->coming);
    if (run->coming)
        tell_refused(run, &err);
    return json_incref(run->inputs);
}
