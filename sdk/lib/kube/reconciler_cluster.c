// One cluster of a run: asking who it is and what it serves, losing it and having it back. Nothing here waits:
// a cluster that does not answer costs the others nothing.
#include "reconciler.h"

#include <string.h>
#include <sys/random.h>

#define DOWN_MS     2000  // without it for so long, and it is LOST
#define SILENT_MS   10000 // nothing heard for so long: is it still there?
#define DOUBT_MS    1000  // nor to the question
#define PROBE_MS    5000
#define RETRY_MS    250
#define RETRY_CAP   4000
#define REFUSED_MS  10000 // an answer that says no may become a yes
#define ONCE_FAULTS 4     // one reading gives up after so many
#define ONCE_MS     10000 // or so long without a word
#define TRIED_MS    3000  // nobody waits longer for the first word of a cluster
#define LISTED_MS   30000 // nor for the end of its lists
#define MISSING_MS                                                                                           \
    20000 // how often a kind that is not served is asked for: definitions come, servers are upgraded

int64_t rec_backoff(int failures, int64_t base, int64_t cap)
{
    int64_t wait = base << (failures < 20 ? failures : 20);
    uint32_t bits = 0;
    if (wait > cap)
        wait = cap;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        return wait;
    return wait / 2 + (int64_t)(bits % (uint64_t)(wait / 2 + 1));
}

void rec_cluster_state(struct rec_cluster *cluster, uint32_t state)
{
    static const char *const names[] = {"not reached yet", "synced", "out of reach",
                                        "out of reach for too long", "stopped"};
    ist_reconciler *run = cluster->run;
    if (cluster->state == state)
        return;
    uint32_t before = cluster->state;
    cluster->state = state;
    if (run->watching)
        ist_log(&run->env, state == IST_CLUSTER_SYNCED ? IST_LOG_INFO : IST_LOG_WARN, "cluster %s: %s%s%s",
                cluster->item->name, names[state],
                state != IST_CLUSTER_SYNCED && cluster->fault.code ? ": " : "",
                state != IST_CLUSTER_SYNCED && cluster->fault.code ? cluster->fault.text : "");
    if (state == IST_CLUSTER_LOST) {
        cluster->losses++;
        cluster->lost_at = cluster->heard_at;
    }
    // What was seen of it counts no more once it comes back: it is read again, whole, before it does.
    for (size_t i = 0; i < run->kinds && state == IST_CLUSTER_EXPIRED && before != IST_CLUSTER_UNKNOWN; i++)
        if (cluster->serves[i])
            rec_feed_anew(&cluster->feeds[i]);
    run->status_at = 0;
    rec_stale(run);
    run->plugin->state(run->model, cluster->index, state);
}

void rec_cluster_heard(struct rec_cluster *cluster)
{
    cluster->heard_at = ist_now_ms(&cluster->run->env);
    cluster->faults = 0;
}

int rec_cluster_live(const struct rec_cluster *cluster)
{
    return cluster->compared && cluster->phase == REC_RUN &&
           (cluster->state == IST_CLUSTER_SYNCED || !cluster->run->watching);
}

// ---- losing it ----

static void close_streams(void *arg)
{
    struct rec_cluster *cluster = arg;
    for (size_t i = 0; i < cluster->run->kinds; i++)
        rec_feed_drop(&cluster->feeds[i]);
}

// The session is about to be replaced: what goes over it begins again.
static void on_detach(void *arg)
{
    struct rec_cluster *cluster = arg;
    ist_error err = {0};
    ist_fail(&err, IST_ERR_NETWORK, cluster->item->name, "the session was renewed");
    close_streams(cluster);
    cluster->aborting = 1;
    rec_requests_abort(cluster, 0, &err);
    cluster->aborting = 0;
}

static void go_down(struct rec_cluster *cluster, const ist_error *err, int64_t wait)
{
    int64_t now = ist_now_ms(&cluster->run->env);
    close_streams(cluster);
    json_object_clear(cluster->kube->fetched); // what comes back may be another version
    cluster->phase = REC_IDENTIFY;
    cluster->connected_at = 0;
    cluster->retry_at = now + wait;
    cluster->aborting = 1; // what is broken off here is one fault, not many
    rec_requests_abort(cluster, 0, err);
    cluster->aborting = 0;
    if (cluster->kube->http) // a connection on which nothing comes any more is not tried again
        http_streams_anew(cluster->kube->http);
}

static int is_network(const ist_error *err)
{
    return err->code == IST_ERR_NETWORK || err->code == IST_ERR_TIMEOUT;
}

int rec_cluster_fault(struct rec_cluster *cluster, const ist_error *err)
{
    ist_reconciler *run = cluster->run;
    if (cluster->stopping || cluster->aborting)
        return 1;
    int told = cluster->fault.code == err->code && !strcmp(cluster->fault.text, err->text);
    cluster->fault = *err;
    run->status_at = 0;
    if (!told && run->watching)
        ist_log(&run->env, IST_LOG_WARN, "%s: %s", err->where, err->text);
    cluster->faults++;
    if (err->code == IST_ERR_DENIED && !strncmp(err->text, "401", 3))
        rec_cluster_renew(cluster);
    if (!is_network(err)) { // it answered: what it refuses concerns one request
        cluster->tried = 1;
        cluster->failed = !run->watching;
        return 0;
    }
    if (cluster->faults < 2 && cluster->phase == REC_RUN)
        return 0;
    if (++cluster->downs % 4 == 0) // what the server refuses in the handshake looks like this too
        rec_cluster_renew(cluster);
    cluster->tried = run->watching || cluster->downs >= ONCE_FAULTS;
    cluster->failed = !run->watching && cluster->downs >= ONCE_FAULTS;
    go_down(cluster, err, cluster->phase == REC_RUN ? 0 : rec_backoff(cluster->downs, RETRY_MS, RETRY_CAP));
    return 1;
}

static void stop(struct rec_cluster *cluster, const ist_error *why)
{
    go_down(cluster, why, 0);
    cluster->fault = *why;
    cluster->stopping = 1;
    cluster->tried = 1;
    cluster->failed = !cluster->run->watching;
    rec_cluster_state(cluster, IST_CLUSTER_STOPPED);
}

// ---- who it is ----

static const char *recorded_uid(const struct rec_cluster *cluster)
{
    return ist_clusters_recorded_uid(cluster->run->recorded, cluster->item->name);
}

// Another name for the same cluster: the one that was recorded so stays, or the one that answered first.
static int is_double(struct rec_cluster *cluster, const char *uid)
{
    ist_reconciler *run = cluster->run;
    for (size_t i = 0; i < run->clusters->count; i++) {
        struct rec_cluster *other = &run->items[i];
        if (other == cluster || !other->item->uid || strcmp(other->item->uid, uid) != 0)
            continue;
        const char *mine = recorded_uid(cluster), *its = recorded_uid(other);
        struct rec_cluster *wrong = mine && !strcmp(mine, uid) && !its ? other : cluster;
        ist_error err = {0};
        ist_fail(&err, IST_ERR_QUESTION, wrong->item->name, "is the same cluster as %s: both have the uid %s",
                 wrong == cluster ? other->item->name : cluster->item->name, uid);
        ist_hint(&err, "take one of the two names out of the inputs");
        stop(wrong, &err);
        return wrong == cluster;
    }
    return 0;
}

// 1: it is who it was.
static int recognise(struct rec_cluster *cluster, const char *uid)
{
    const char *before = cluster->item->uid ? cluster->item->uid : recorded_uid(cluster);
    if (before && strcmp(before, uid) != 0) {
        ist_error err = {0};
        ist_fail(&err, IST_ERR_QUESTION, cluster->item->name,
                 "is another cluster than before: its uid was %s and is %s", before, uid);
        ist_hint(&err, "if it was made anew, let go of the old one with --forget");
        stop(cluster, &err);
        return 0;
    }
    if (is_double(cluster, uid))
        return 0;
    if (!cluster->item->uid)
        cluster->item->uid = ist_strdup(uid);
    return 1;
}

static int served(const struct rec_cluster *cluster, const ist_reconciler_kind *kind)
{
    return json_object_get(json_object_get(cluster->kube->kinds, kind->api), kind->kind) != NULL;
}

// Where each kind begins: listed, not served, or only looked at for what is ours of it.
static void set_stages(struct rec_cluster *cluster)
{
    for (size_t i = 0; i < cluster->run->kinds; i++) {
        struct rec_feed *feed = &cluster->feeds[i];
        if (!cluster->serves[i])
            feed->stage = cluster->outdated[i] && !feed->compared ? REC_WAIT : REC_OFF;
        else if (feed->stage == REC_OFF)
            feed->stage = REC_OTHERS;
    }
}

int rec_cluster_halt(struct rec_cluster *cluster)
{
    ist_error err = {0};
    ist_fail(&err, IST_ERR_NETWORK, cluster->item->name, "new inputs came");
    cluster->aborting = 1;
    for (int stages = 0; cluster->jobs && stages < 2 * REC_KINDS; stages++)
        rec_requests_abort(cluster, 1, &err);
    cluster->aborting = 0;
    return cluster->jobs == 0;
}

void rec_cluster_again(struct rec_cluster *cluster)
{
    rec_stale(cluster->run); // the keys go that it was asked for
    for (size_t i = 0; i < cluster->run->kinds; i++)
        rec_feed_again(&cluster->feeds[i]);
    rec_held_free(cluster);
    rec_records_free(cluster);
    cluster->compared = 0;
    cluster->tried =
        cluster->phase != REC_RUN && cluster->tried; // nobody waits for one that is known to be away
    cluster->state = IST_CLUSTER_UNKNOWN;
    cluster->clash = (ist_error){0};
    if (cluster->metrics)
        json_object_clear(cluster->metrics);
    if (cluster->phase == REC_RUN)
        set_stages(cluster);
}

static void connected(struct rec_cluster *cluster)
{
    ist_reconciler *run = cluster->run;
    cluster->phase = REC_RUN;
    if (run->watching)
        cluster->downs = 0;
    cluster->connected_at = ist_now_ms(&run->env);
    cluster->connected_clock = ist_clock_ms(&run->env);
    cluster->asked_at = cluster->connected_at;
    for (size_t i = 0; i < run->kinds; i++) {
        struct rec_feed *feed = &cluster->feeds[i];
        feed->retry_at = 0;
        feed->failures = 0;
        feed->answered = 0;
        rec_aside_drop(feed); // it may have changed while nobody looked
    }
    set_stages(cluster);
    rec_cluster_listed(cluster);
}

// ---- what it serves ----

// Is this kind listed here, and if not: does another do in its place?
static int is_used(const struct rec_cluster *cluster, size_t i, int *replaced)
{
    const ist_reconciler *run = cluster->run;
    const ist_reconciler_kind *kind = &run->plugin->kinds[i];
    int stands_in = (kind->flags & IST_KIND_FALLBACK) != 0;
    *replaced = stands_in || (kind->flags & IST_KIND_OPTIONAL) ||
                (i + 1 < run->kinds && kind[1].flags & IST_KIND_FALLBACK && served(cluster, kind + 1));
    return served(cluster, kind) && !(stands_in && i > 0 && served(cluster, kind - 1));
}

// Fills in what of the plugin's table is listed here. A kind that must be served and is not is an error. Where that has
// changed since the cluster was connected first, everything begins anew: no list of before says what is there now.
static int32_t take_kinds(struct rec_cluster *cluster, ist_error *err)
{
    ist_reconciler *run = cluster->run;
    for (size_t i = 0; i < run->kinds; i++) {
        const ist_reconciler_kind *kind = &run->plugin->kinds[i];
        int replaced = 0, used = is_used(cluster, i, &replaced);
        cluster->outdated[i] = !used && served(cluster, kind) && kind->flags & IST_KIND_WRITTEN;
        if (!used && !replaced)
            return ist_fail(err, IST_ERR_NOT_FOUND, cluster->item->name, "cluster %s does not serve %s %s",
                            cluster->item->name, kind->api, kind->kind);
        if (cluster->known && used != cluster->serves[i] && run->watching) {
            ist_log(&run->env, IST_LOG_INFO, "cluster %s %s %s %s now", cluster->item->name,
                    used ? "serves" : "does not serve", kind->api, kind->kind);
            run->anew = 1;
        }
        cluster->serves[i] = (uint8_t)used;
    }
    cluster->known = 1;
    return IST_OK;
}

static void all_discovered(struct rec_cluster *cluster)
{
    ist_error err = {0};
    if (take_kinds(cluster, &err) == IST_OK) {
        connected(cluster);
        return;
    }
    json_object_clear(cluster->kube->fetched); // a resource definition may come
    rec_cluster_fault(cluster, &err);
    cluster->phase = REC_IDENTIFY;
    cluster->retry_at = ist_now_ms(&cluster->run->env) + REFUSED_MS;
}

static void on_discovered(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct rec_cluster *cluster = request->cluster;
    const char *api = request->arg;
    cluster->discovering--;
    if (status != 200 && status != 404) {
        if (status)
            rec_cluster_fault(cluster, err);
        if (cluster->phase == REC_DISCOVER) {
            cluster->phase = REC_IDENTIFY;
            cluster->retry_at = ist_now_ms(&cluster->run->env) + REFUSED_MS;
        }
        return;
    }
    kube_discovered(cluster->kube, api, status == 200 ? answer : NULL);
    if (cluster->discovering == 0 && cluster->phase == REC_DISCOVER)
        all_discovered(cluster);
}

static void on_asked_again(struct rec_request *request, int status, const json_t *answer,
                           const ist_error *err)
{
    struct rec_cluster *cluster = request->cluster;
    ist_error none = {0};
    (void)err;
    cluster->asking = 0;
    if (status != 200 || cluster->phase != REC_RUN)
        return;
    kube_discovered(cluster->kube, request->arg, answer);
    take_kinds(cluster, &none);
}

// Asks for one kind that is not served.
static void ask_again(struct rec_cluster *cluster, int64_t now, int64_t *until)
{
    const ist_reconciler *run = cluster->run;
    if (cluster->asking || !run->watching)
        return;
    if (now < cluster->asked_at + MISSING_MS) {
        if (cluster->asked_at + MISSING_MS < *until)
            *until = cluster->asked_at + MISSING_MS;
        return;
    }
    for (size_t i = 0; i < run->kinds && !cluster->asking; i++) {
        size_t at = (cluster->asked + i) % run->kinds;
        const char *api = run->plugin->kinds[at].api;
        if (served(cluster, &run->plugin->kinds[at]))
            continue;
        cluster->asked = at + 1;
        cluster->asking = 1;
        rec_request_send(
            rec_request(cluster, "GET", kube_group_path(api), NULL, on_asked_again, (void *)(uintptr_t)api));
    }
    cluster->asked_at = now;
}

static void discover(struct rec_cluster *cluster)
{
    const ist_reconciler *run = cluster->run;
    cluster->phase = REC_DISCOVER;
    for (size_t i = 0; i < run->kinds; i++) {
        const char *api = run->plugin->kinds[i].api;
        size_t k = 0;
        while (strcmp(run->plugin->kinds[k].api, api) != 0)
            k++;
        if (k < i || json_object_get(cluster->kube->fetched, api))
            continue;
        cluster->discovering++;
        rec_request_send(
            rec_request(cluster, "GET", kube_group_path(api), NULL, on_discovered, (void *)(uintptr_t)api));
    }
    if (cluster->discovering == 0)
        all_discovered(cluster);
}

static void on_identity(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct rec_cluster *cluster = request->cluster;
    const char *uid = status == 200 ? ist_json_str(answer, "metadata.uid") : NULL;
    ist_error fault = {0};
    cluster->identity = NULL;
    if (cluster->stopping)
        return;
    if (!uid) {
        fault = *err;
        if (status == 200)
            ist_fail(&fault, IST_ERR_REMOTE, cluster->item->name, "namespace kube-system has no uid");
        rec_cluster_fault(cluster, &fault);
        if (status != 0)
            cluster->retry_at = ist_now_ms(&cluster->run->env) + REFUSED_MS;
        return;
    }
    if (recognise(cluster, uid) && cluster->phase == REC_IDENTIFY)
        discover(cluster);
}

static void identify(struct rec_cluster *cluster, int64_t now)
{
    cluster->probe_at = now;
    cluster->identity =
        rec_request(cluster, "GET", ist_strdup("/api/v1/namespaces/kube-system"), NULL, on_identity, NULL);
    cluster->identity->limit_ms = PROBE_MS;
    rec_request_send(cluster->identity);
}

// ---- how far it is ----

void rec_cluster_listed(struct rec_cluster *cluster)
{
    const ist_reconciler *run = cluster->run;
    int listed = 1, compared = 1, back = 1;
    for (size_t i = 0; i < run->kinds; i++) {
        const struct rec_feed *feed = &cluster->feeds[i];
        if (cluster->serves[i] || cluster->outdated[i])
            compared &= feed->compared;
        if (!cluster->serves[i])
            continue;
        listed &= feed->listed;
        back &= feed->stage == REC_WATCH ? feed->answered : feed->stage != REC_OTHERS;
    }
    if (cluster->phase != REC_RUN)
        return;
    if (compared && !cluster->compared && run->watching)
        ist_log(&run->env, IST_LOG_INFO, "cluster %s: compared, %zu to decide", cluster->item->name,
                cluster->keys.due);
    cluster->compared = compared;
    if (compared)
        rec_expected_free(&cluster->expected);
    // Once it was synced, it is again as soon as every watch goes on, or what it missed is listed whole.
    if (listed && (cluster->state == IST_CLUSTER_UNKNOWN || cluster->state == IST_CLUSTER_SYNCED || back)) {
        cluster->tried = 1;
        rec_cluster_state(cluster, IST_CLUSTER_SYNCED);
    }
}

// Out of reach: since it was lost, or since this run began.
static int is_away(const struct rec_cluster *cluster)
{
    return cluster->state == IST_CLUSTER_LOST ||
           (cluster->state == IST_CLUSTER_UNKNOWN && cluster->phase != REC_RUN);
}

int64_t rec_cluster_lost_at(const struct rec_cluster *cluster)
{
    if (!is_away(cluster))
        return 0;
    int64_t since = cluster->state == IST_CLUSTER_LOST ? cluster->lost_at : cluster->heard_at;
    return since ? since : cluster->run->began;
}

static void age(struct rec_cluster *cluster, int64_t now, int64_t *until)
{
    ist_reconciler *run = cluster->run;
    int64_t at = REC_NEVER;
    if (!run->watching) {
        at = run->began + ONCE_MS;
        if (!cluster->heard_at && now >= at)
            cluster->failed = cluster->tried = 1;
        if (cluster->heard_at)
            at = REC_NEVER;
    } else if (!cluster->tried) {
        at = run->began + (cluster->heard_at ? LISTED_MS : TRIED_MS);
        cluster->tried = now >= at;
    } else if (cluster->state == IST_CLUSTER_SYNCED && cluster->phase != REC_RUN) {
        at = cluster->heard_at + DOWN_MS;
        if (now >= at)
            rec_cluster_state(cluster, IST_CLUSTER_LOST);
    } else if (is_away(cluster) && run->grace_ms >= 0) {
        at = rec_cluster_lost_at(cluster) + run->grace_ms;
        if (now >= at)
            rec_cluster_state(cluster, IST_CLUSTER_EXPIRED);
    }
    if (at > now && at < *until)
        *until = at;
}

// Silence may be a server with nothing to say, or none at all.
static void probe(struct rec_cluster *cluster, int64_t now, int64_t *until)
{
    int64_t last = cluster->heard_at > cluster->probe_at ? cluster->heard_at : cluster->probe_at;
    int64_t next = last + (cluster->faults ? DOUBT_MS : SILENT_MS);
    if (cluster->identity || (!cluster->run->watching && cluster->compared)) // a reading is over then
        return;
    if (now >= next)
        identify(cluster, now);
    else if (next < *until)
        *until = next;
}

void rec_cluster_step(struct rec_cluster *cluster, int64_t now, int64_t *until)
{
    const ist_reconciler *run = cluster->run;
    if (cluster->stopping)
        return;
    if (cluster->phase == REC_IDENTIFY && !cluster->identity && !cluster->failed) {
        if (cluster->retry_at <= now)
            identify(cluster, now);
        else if (cluster->retry_at < *until)
            *until = cluster->retry_at;
    }
    for (size_t i = 0; cluster->phase == REC_RUN && i < run->kinds; i++)
        rec_feed_step(&cluster->feeds[i], now, until);
    if (cluster->phase == REC_RUN) {
        ask_again(cluster, now, until);
        probe(cluster, now, until);
    }
    rec_lease_step(cluster, now, until);
    if (run->writing && !run->coming && run->settled && rec_cluster_live(cluster) &&
        rec_write_due(cluster, now))
        *until = now;
    if (run->writing && cluster->keys.due && cluster->keys.heap[0]->due < *until &&
        cluster->keys.heap[0]->due > now)
        *until = cluster->keys.heap[0]->due;
    rec_requests_step(cluster, now, until);
    age(cluster, now, until);
}

void rec_cluster_attach(struct rec_cluster *cluster)
{
    cluster->kube->detach = on_detach;
    cluster->kube->detach_arg = cluster;
}

void rec_cluster_open(ist_reconciler *run, size_t index)
{
    struct rec_cluster *cluster = &run->items[index];
    *cluster = (struct rec_cluster){.run = run, .index = index, .item = &run->clusters->items[index]};
    cluster->kube = cluster->item->kube;
    rec_cluster_attach(cluster);
    rec_made_read(&cluster->made, rec_made_recorded(run->recorded, cluster->item->name));
    for (size_t i = 0; i < run->kinds; i++)
        cluster->feeds[i] = (struct rec_feed){.cluster = cluster, .kind = i};
    if (run->watching)
        rec_lease_open(cluster);
}

void rec_cluster_close(struct rec_cluster *cluster)
{
    ist_error err = {0};
    ist_fail(&err, IST_ERR_CANCELLED, cluster->item->name, "the run ends");
    cluster->stopping = 1;
    rec_requests_abort(cluster, 0, &err);
    for (size_t i = 0; i < cluster->run->kinds; i++)
        rec_feed_free(&cluster->feeds[i]);
    rec_lease_close(cluster);
    rec_held_free(cluster);
    rec_records_free(cluster);
    rec_made_free(&cluster->made);
    json_decref(cluster->metrics);
    cluster->kube->detach = NULL;
}
