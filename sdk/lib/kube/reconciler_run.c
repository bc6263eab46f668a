// One run: opened, driven until it is done or cancelled, closed; and what a model tells of itself.
#include "reconciler.h"

#include <malloc.h>
#include <string.h>

#define HAND_OVER_MS 4000
#define TURN_MS      1000 // how often new inputs are asked for
#define IDLE_MS      1000

// ---- opening and closing ----

int32_t rec_open(const ist_env *env, const ist_reconciler_plugin *plugin, int watching, char *identity,
                 json_t *inputs, ist_reconciler **run, ist_error *err)
{
    ist_reconciler *made = ist_calloc(1, sizeof *made);
    made->env = *env;
    made->plugin = plugin;
    made->watching = watching;
    made->grace_ms = -1;
    made->inputs = inputs ? inputs : ist_inputs(env);
    made->recorded = ist_recorded(env);
    made->owner = ist_kube_owner(env);
    made->identity = identity ? identity : rec_identity();
    made->generation = 1;
    made->fields = json_object();
    made->pool = json_object();
    made->began = ist_now_ms(env);
    while (made->kinds < REC_KINDS && plugin->kinds[made->kinds].kind)
        made->kinds++;
    int32_t rc = IST_OK;
    if (plugin->kinds[made->kinds].kind && made->kinds == REC_KINDS)
        rc = ist_fail(err, IST_ERR_INTERNAL, plugin->what, "more than %d kinds", REC_KINDS);
    if (rc == IST_OK)
        rc = ist_clusters_load(env, made->inputs, &made->clusters, err);
    if (rc == IST_OK) {
        made->items = ist_calloc(made->clusters->count, sizeof *made->items);
        for (size_t i = 0; i < made->clusters->count; i++)
            rec_cluster_open(made, i);
        rc = plugin->open(made, made->inputs, made->clusters, &made->model, err);
    }
    if (rc == IST_OK)
        *run = made;
    else
        rec_close(made);
    return rc;
}

const char *rec_intern(ist_reconciler *run, const char *text)
{
    if (!text)
        return NULL;
    json_t *entry = json_object_get(run->pool, text);
    if (!entry) {
        entry = json_string(text);
        json_object_set_new(run->pool, text, entry);
    }
    return json_string_value(entry);
}

// ---- the loop ----

static void settle(ist_reconciler *run)
{
    for (size_t i = 0; i < run->clusters->count && !run->settled; i++)
        if (run->items[i].state == IST_CLUSTER_UNKNOWN && !run->items[i].tried)
            return;
    run->settled = 1;
}

// What the first listing left behind goes back: from here on records are all there is.
static void trim(ist_reconciler *run)
{
    for (size_t i = 0; i < run->clusters->count && !run->trimmed; i++)
        if (run->items[i].state == IST_CLUSTER_SYNCED && !run->items[i].compared)
            return;
    if (!run->trimmed && run->settled)
        run->trimmed = malloc_trim(0) >= 0;
}

static void read_all(ist_reconciler *run)
{
    for (size_t i = 0; i < run->clusters->count; i++) {
        struct rec_cluster *cluster = &run->items[i];
        rec_requests_read(cluster);
        for (size_t k = 0; k < run->kinds; k++)
            if (cluster->feeds[k].stream && http_stream_fresh(cluster->feeds[k].stream))
                rec_feed_read(&cluster->feeds[k]);
    }
}

static int32_t wait(ist_reconciler *run, int64_t until, ist_error *err)
{
    size_t room = run->clusters->count * (run->kinds + 4 * REC_FLIGHT) + 1, count = 0;
    ist_http_stream **streams = ist_calloc(room, sizeof *streams);
    for (size_t i = 0; i < run->clusters->count; i++) {
        struct rec_cluster *cluster = &run->items[i];
        for (size_t k = 0; k < run->kinds; k++)
            streams[count++] = cluster->feeds[k].stream;
        for (struct rec_request *at = cluster->active; at && count < room; at = at->next)
            streams[count++] = at->stream;
    }
    int64_t left = until - ist_now_ms(&run->env);
    int wake = run->watching ? ist_wake_fd(&run->env) : -1; // which the next turn asks for what is new
    int32_t rc = http_stream_wait(&run->env, wake, streams, count, left < 0 ? 0 : left, err);
    ist_free(streams);
    return rc == IST_AGAIN ? IST_OK : rc;
}

int32_t rec_drive(ist_reconciler *run, rec_done *done, ist_error *err)
{
    int32_t rc = IST_OK;
    while (rc == IST_OK) {
        int64_t now = ist_now_ms(&run->env), until = now + (run->watching ? TURN_MS : IDLE_MS);
        read_all(run);
        settle(run);
        for (size_t i = 0; i < run->clusters->count; i++)
            rec_cluster_step(&run->items[i], now, &until);
        trim(run);
        if (run->watching)
            rec_status_step(run, now, &until);
        if (run->watching && (!rec_configure_step(run) || run->anew))
            return IST_AGAIN;
        if (done && done(run))
            return IST_OK;
        rc = wait(run, until, err);
    }
    return rc;
}

// What is on its way arrives, then the leases are given back: the next one need not wait. Whoever cancelled us
// does not wait for long.
void rec_hand_over(ist_reconciler *run)
{
    int64_t end = ist_now_ms(&run->env) + HAND_OVER_MS;
    run->writing = 0;
    run->env = (ist_env){0}; // it was cancelled
    for (int busy = 1; busy && ist_now_ms(NULL) < end;) {
        int64_t now = ist_now_ms(NULL), until = end;
        busy = 0;
        read_all(run);
        for (size_t i = 0; i < run->clusters->count; i++) {
            struct rec_cluster *cluster = &run->items[i];
            if (cluster->flight == 0 && cluster->queued == 0)
                rec_lease_release(cluster);
            rec_requests_step(cluster, now, &until);
            busy |= cluster->flight > 0 || cluster->queued > 0 || cluster->lease.request != NULL;
        }
        if (busy && wait(run, until, NULL) != IST_OK)
            return;
    }
}

void rec_close(ist_reconciler *run)
{
    if (!run)
        return;
    for (size_t i = 0; run->items && i < run->clusters->count; i++)
        rec_cluster_close(&run->items[i]);
    rec_stale(run);
    if (run->model)
        run->plugin->close(run->model);
    ist_clusters_free(run->clusters);
    ist_free(run->items);
    ist_free(run->owner);
    ist_free(run->identity);
    json_decref(run->inputs);
    json_decref(run->coming);
    json_decref(run->recorded);
    json_decref(run->planned);
    json_decref(run->fields);
    json_decref(run->pool);
    ist_free(run);
}

// ---- what a model tells ----

void ist_reconciler_touch(ist_reconciler *run, size_t cluster, const char *key, int64_t within_ms)
{
    struct rec_cluster *in = &run->items[cluster];
    struct rec_key *touched = rec_key(in, key, 1);
    int64_t due = ist_now_ms(&run->env) + within_ms;
    if (!touched->since)
        touched->since = ist_now_ms(&run->env);
    touched->urgent |= within_ms <= 0;
    touched->said = 0;
    if (within_ms <= 0)
        due -= REC_AHEAD_MS;
    if (touched->job)
        touched->touched = 1;
    else if (due < touched->due)
        rec_key_due(in, touched, due);
}

void ist_reconciler_grace(ist_reconciler *run, int64_t ms)
{
    run->grace_ms = ms;
}

uint32_t ist_reconciler_state(const ist_reconciler *run, size_t cluster)
{
    return run->items[cluster].state;
}

int ist_reconciler_serves(const ist_reconciler *run, size_t cluster, size_t kind)
{
    return run->items[cluster].serves[kind];
}

const ist_env *ist_reconciler_env(const ist_reconciler *run)
{
    return &run->env;
}

const char *ist_reconciler_uid(const ist_reconciler *run, size_t cluster, size_t kind, const char *ns,
                               const char *name)
{
    const struct rec_object *object = rec_find(&run->items[cluster], kind, ns, name);
    return object && object->own && *object->uid ? object->uid : NULL;
}

void ist_reconciler_metric(ist_reconciler *run, size_t cluster, const char *name, const char *help,
                           int counter, double value)
{
    struct rec_cluster *of = &run->items[cluster];
    if (!of->metrics)
        of->metrics = json_object();
    json_object_set_new(of->metrics, name,
                        json_pack("{s:s, s:b, s:f}", "help", help, "counter", counter, "value", value));
}
