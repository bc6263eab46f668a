// How the run stands, for the host: plugin.h says what its parts are.
#include "reconciler.h"

#include <string.h>

#define OFTEN_MS  1000 // at most so often
#define SELDOM_MS 2000 // and at least
#define NOTES_MAX 50   // of one cluster

static const char *state_name(const struct rec_cluster *cluster)
{
    static const char *const names[] = {"connecting", "synced", "lost", "expired", "stopped"};
    if (cluster->state == IST_CLUSTER_UNKNOWN && cluster->phase == REC_RUN)
        return "listing";
    return names[cluster->state];
}

// How long the oldest change waits that was seen and is not written yet.
static int64_t lag_of(const struct rec_cluster *cluster, int64_t now)
{
    int64_t oldest = now;
    if (rec_stands_by(cluster)) // he who writes tells how far he is
        return 0;
    for (size_t i = 0; i < cluster->keys.room; i++)
        for (const struct rec_key *key = cluster->keys.slots[i]; key; key = key->chain)
            if (key->since && key->since < oldest)
                oldest = key->since;
    return now - oldest;
}

static json_t *notes_of(const struct rec_cluster *cluster)
{
    json_t *notes = json_array(), *note;
    size_t k, more = 0;
    if (cluster->fault.code && (cluster->state != IST_CLUSTER_SYNCED || cluster->phase != REC_RUN)) {
        char *text =
            ist_printf("%s%s%s", cluster->fault.text, *cluster->fault.hint ? ": " : "", cluster->fault.hint);
        json_array_append_new(notes, json_string(text));
        ist_free(text);
    }
    // Where nothing is to be written nobody has to hold it.
    if (cluster->compared &&
        (rec_stands_by(cluster) || (cluster->lease.name && !cluster->lease.held && cluster->keys.count))) {
        char *text = ist_printf("%s holds the lease %s/%s and writes",
                                rec_stands_by(cluster) ? cluster->lease.holder : "nobody", cluster->lease.ns,
                                cluster->lease.name);
        json_array_append_new(notes, json_string(text));
        ist_free(text);
    }
    for (size_t i = 0; i < cluster->keys.room; i++)
        for (const struct rec_key *key = cluster->keys.slots[i]; key; key = key->chain)
            json_array_foreach(key->notes, k, note)
            {
                if (json_array_size(notes) < NOTES_MAX)
                    json_array_append(notes, note);
                else
                    more++;
            }
    if (more) {
        char *text = ist_printf("and %zu more", more);
        json_array_append_new(notes, json_string(text));
        ist_free(text);
    }
    return notes;
}

// Until when what is kept on behalf of it stays, by the wall clock; 0: it can be reached.
static int64_t keep_until(const struct rec_cluster *cluster, int64_t now)
{
    const ist_reconciler *run = cluster->run;
    int64_t lost_at = rec_cluster_lost_at(cluster);
    if (!lost_at || !cluster->tried)
        return 0;
    return run->grace_ms < 0 ? -1 : ist_clock_ms(&run->env) + lost_at + run->grace_ms - now;
}

static json_t *cluster_status(const struct rec_cluster *cluster, int64_t now)
{
    const ist_reconciler *run = cluster->run;
    json_t *status = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:s*, s:b, s:b, s:o}", "state", state_name(cluster),
        "connected_since_ms", (json_int_t)(cluster->connected_at ? cluster->connected_clock : 0), "lag_ms",
        (json_int_t)lag_of(cluster, now), "lag_events",
        (json_int_t)cluster->keys.due + (json_int_t)cluster->jobs, "generation",
        (json_int_t)cluster->generation, "writes", (json_int_t)cluster->writes + (json_int_t)cluster->deletes,
        "uid", cluster->item->uid, "holds_lease", cluster->lease.held, "stands_by", rec_stands_by(cluster),
        "notes", notes_of(cluster));
    int64_t until = keep_until(cluster, now);
    if (until)
        json_object_set_new(status, "keep_until_ms", json_integer(until));
    if (run->plugin->status)
        run->plugin->status(run->model, cluster->index, status);
    return status;
}

// ---- metrics ----

static void metric(json_t *metrics, const struct rec_cluster *cluster, const char *name, const char *help,
                   int counter, double value)
{
    json_array_append_new(metrics,
                          json_pack("{s:s, s:s, s:b, s:{s:s}, s:f}", "name", name, "help", help, "counter",
                                    counter, "labels", "cluster", cluster->item->name, "value", value));
}

static void add_metrics(json_t *metrics, const struct rec_cluster *cluster, int64_t now)
{
    int64_t events = 0, items = 0;
    const char *name;
    json_t *own;
    for (size_t i = 0; i < cluster->run->kinds; i++) {
        events += cluster->feeds[i].events;
        items += cluster->feeds[i].items;
    }
    metric(metrics, cluster, "cluster_up", "1 while the cluster can be reached and everything was listed.", 0,
           cluster->state == IST_CLUSTER_SYNCED);
    metric(metrics, cluster, "lease_held", "1 while this process is the one that writes.", 0,
           cluster->lease.held);
    metric(metrics, cluster, "lag_seconds", "Age of the oldest change that is not written yet.", 0,
           (double)lag_of(cluster, now) / 1000);
    metric(metrics, cluster, "pending_keys", "What is to be decided or is being written.", 0,
           (double)(cluster->keys.due + cluster->jobs));
    metric(metrics, cluster, "objects", "Objects of which a record is kept.", 0,
           (double)cluster->table.count);
    metric(metrics, cluster, "listed_objects_total", "Objects that lists brought.", 1, (double)items);
    metric(metrics, cluster, "events_total", "Events that watches brought.", 1, (double)events);
    metric(metrics, cluster, "writes_total", "Objects made or changed.", 1, (double)cluster->writes);
    metric(metrics, cluster, "deletes_total", "Objects taken away.", 1, (double)cluster->deletes);
    metric(metrics, cluster, "retries_total", "Requests that were sent again.", 1, (double)cluster->retries);
    metric(metrics, cluster, "conflicts_total", "Writes that met somebody else's.", 1,
           (double)cluster->conflicts);
    metric(metrics, cluster, "rival_writes_total", "Times that somebody else undid what was written.", 1,
           (double)cluster->rivals);
    metric(metrics, cluster, "relists_total", "Watches that had to begin with a list again.", 1,
           (double)cluster->relists);
    metric(metrics, cluster, "cluster_losses_total", "How often the cluster was out of reach.", 1,
           (double)cluster->losses);
    json_object_foreach(cluster->metrics, name, own)
        metric(metrics, cluster, name, ist_json_str_or(own, "help", ""), ist_json_bool(own, "counter", 0),
               json_number_value(json_object_get(own, "value")));
}

static void add_alarms(json_t *alarms, const struct rec_cluster *cluster)
{
    int stopped = cluster->state == IST_CLUSTER_STOPPED;
    int lost = cluster->state == IST_CLUSTER_LOST || cluster->state == IST_CLUSTER_EXPIRED;
    json_array_append_new(alarms, json_pack("{s:s, s:s, s:s, s:b}", "name", "cluster_stopped", "text",
                                            stopped ? cluster->fault.text : "", "cluster",
                                            cluster->item->name, "active", stopped));
    json_array_append_new(alarms, json_pack("{s:s, s:s, s:s, s:b}", "name", "cluster_out_of_reach", "text",
                                            lost ? cluster->fault.text : "", "cluster", cluster->item->name,
                                            "active", lost));
}

json_t *rec_status(ist_reconciler *run)
{
    int64_t now = ist_now_ms(&run->env);
    json_t *clusters = json_object(), *metrics = json_array(), *alarms = json_array();
    int ready = run->settled;
    for (size_t i = 0; i < run->clusters->count; i++) {
        const struct rec_cluster *cluster = &run->items[i];
        ready &= cluster->state != IST_CLUSTER_SYNCED || cluster->compared;
        json_object_set_new(clusters, cluster->item->name, cluster_status(cluster, now));
        add_metrics(metrics, cluster, now);
        add_alarms(alarms, cluster);
    }
    return json_pack("{s:b, s:o, s:o, s:o}", "ready", ready, "clusters", clusters, "metrics", metrics,
                     "alarms", alarms);
}

// Which generation of the inputs is in each cluster.
static void advance(struct rec_cluster *cluster)
{
    if (rec_cluster_live(cluster) && cluster->keys.due == 0 && cluster->jobs == 0)
        cluster->generation = cluster->run->generation;
}

void rec_status_step(ist_reconciler *run, int64_t now, int64_t *until)
{
    for (size_t i = 0; i < run->clusters->count; i++)
        advance(&run->items[i]);
    int64_t due = run->told_at + (run->status_at ? SELDOM_MS : OFTEN_MS);
    if (now >= due) {
        run->told_at = run->status_at = now;
        ist_status(&run->env, rec_status(run));
        due = now + SELDOM_MS;
    }
    if (due < *until)
        *until = due;
}
