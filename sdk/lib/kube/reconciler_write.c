// Carrying a decision out: what one stage writes goes side by side, the next stage begins when all of it is there.
#include "reconciler.h"

#include <string.h>

#define AHEAD      (2 * REC_FLIGHT) // decided keys that wait for their turn: their objects are in memory
#define FAILED_MS  1000
#define FAILED_CAP 300000
#define BATCH      256
#define WAITS_MS   2000 // at most; the answer that is waited for comes before
#define REVIEW_MS  1000

struct sent {
    struct rec_job *job;
    struct rec_action *action;
    uint64_t digest;
    int deleting; // the first half of a replacement
    int forced;   // merge patches that were sent after the apply
};

#define FORCED_MAX 2 // one that does not know what is there, one that does

static void next_stage(struct rec_job *job);

// ---- others who write the same ----

#define RIVAL_FREE 3 // times that are put back at once
#define RIVAL_MS   1000
#define RIVAL_CAP  10000  // seldom enough for the API server, often enough for what has to be withdrawn
#define RIVAL_REST 120000 // without another: it was not the same one again

static int64_t rival_wait(const struct rec_key *key)
{
    int over = key->rivals - RIVAL_FREE - 1;
    if (over < 0)
        return 0;
    int64_t wait = (int64_t)RIVAL_MS << (over < 6 ? over : 6);
    return wait < RIVAL_CAP ? wait : RIVAL_CAP;
}

static int64_t rival_until(const struct rec_key *key)
{
    return key->rival_at + rival_wait(key) * (1000 + key->jitter) / 1000;
}

int64_t rec_key_rival(struct rec_cluster *cluster, struct rec_key *key, int64_t now)
{
    if (key->undone) // all that one hand did
        return rival_until(key);
    if (now - key->rival_at > RIVAL_REST)
        key->rivals = 0;
    cluster->rivals++;
    key->rivals++;
    key->rival_at = now;
    key->jitter = (uint16_t)rec_backoff(0, 500, 500);
    key->undone = 1;
    if (key->rivals == RIVAL_FREE + 1)
        ist_log(&cluster->run->env, IST_LOG_WARN,
                "%s of %s: somebody else changes what stands there again and again; it is put back after "
                "longer and longer waits (kubectl get --show-managed-fields tells who)",
                key->text, cluster->item->name);
    return rival_until(key);
}

void rec_key_note_rival(struct rec_key *key)
{
    if (key->rivals > RIVAL_FREE)
        rec_key_note(
            key, "somebody else changes what stands there again and again: it is put back only after %lld s",
            (long long)(rival_wait(key) / 1000));
}

// ---- the end of a job ----

static void end_job(struct rec_job *job)
{
    struct rec_cluster *cluster = job->cluster;
    ist_reconciler *run = cluster->run;
    struct rec_key *key = job->key;
    int64_t now = ist_now_ms(&run->env), due = REC_NEVER;
    key->job = NULL;
    cluster->jobs--;
    if (job->failed && !job->aborted) {
        int64_t wait = rec_backoff(key->failures++, FAILED_MS, FAILED_CAP);
        due = now + (job->retry_ms > wait ? job->retry_ms : wait);
        if (!run->watching)
            due = REC_NEVER; // the caller is told
    } else if (!job->failed) {
        key->undone = 0;
        key->failures = 0;
        key->since = key->touched || key->contested ? now : 0;
    }
    if (key->touched || job->aborted || (job->again && !job->failed))
        due = key->urgent || job->urgent ? now - REC_AHEAD_MS : now;
    if (key->contested) {
        int64_t at = rival_until(key);
        due = at < due ? at : due;
    }
    key->touched = key->contested = 0;
    key->follows = job->again && !job->failed;
    if (due < key->due)
        rec_key_due(cluster, key, due);
    if (!job->failed && run->plugin->written) {
        rec_stale(run);
        run->plugin->written(run->model, cluster->index, key->text);
    }
    rec_job_free(job);
    rec_key_drop(cluster, key);
}

// Its last action has been answered, whatever came of it; what came of the object meanwhile counts now.
static void done(struct sent *sent)
{
    struct rec_job *job = sent->job;
    const struct rec_action *action = sent->action;
    struct rec_cluster *cluster = job->cluster;
    rec_see_held(cluster, action->kind, action->ns, action->name);
    if (action->if_absent) // others may wait for it
        rec_keys_hurry(cluster, ist_now_ms(&cluster->run->env));
    ist_free(sent);
    job->outstanding--;
    next_stage(job);
}

// ---- what came of one action ----

static struct rec_object *record_of(const struct sent *sent)
{
    return rec_find(sent->job->cluster, sent->action->kind, sent->action->ns, sent->action->name);
}

static char *title(const struct sent *sent)
{
    const struct rec_action *action = sent->action;
    return ist_printf("%s %s%s%s", sent->job->cluster->run->plugin->kinds[action->kind].kind, action->ns,
                      *action->ns ? "/" : "", action->name);
}

// Nobody knows what it is like now, or it is not there.
static void unsettle(const struct sent *sent)
{
    struct rec_object *record = record_of(sent);
    if (!record || !record->own || !record->busy)
        return;
    record->busy = 0;
    record->digest = 0;
    if (!*record->uid)
        rec_remove(sent->job->cluster, record);
}

// What a server says of an apply that it may not make into a creation names no verb.
static const char *verbs_missing(const struct sent *sent, int status, const ist_error *err)
{
    if (status != 403 || strstr(err->text, "cannot "))
        return "";
    return sent->action->op == REC_DELETE   ? ": the verb delete is missing"
           : sent->action->op == REC_UPDATE ? ": the verb patch is missing"
                                            : ": the verb create or patch is missing";
}

static void fail(const struct sent *sent, int status, const ist_error *err)
{
    struct rec_job *job = sent->job;
    char *name = title(sent);
    job->failed = 1;
    if (status == 0) { // the connection, or the lease: decided anew when both are back
        job->aborted = 1;
    } else if (status == 409 && sent->action->op == REC_CREATE) {
        job->cluster->conflicts++;
        rec_key_note(job->key, "%s is left alone: it exists and is not Isthmus's", name);
        job->retry_ms = 30000;
    } else if (status == 409) { // gone or replaced meanwhile
        struct rec_object *record = record_of(sent);
        job->cluster->conflicts++;
        rec_key_note(job->key, "%s was changed by somebody else meanwhile", name);
        // "Precondition failed: UID in precondition ..." of a deletion, "uid mismatch: ..." of an apply.
        if (record && record->own && strcasestr(err->text, "uid"))
            rec_remove(job->cluster, record);
        job->retry_ms = 100;
    } else {
        const char *verbs = verbs_missing(sent, status, err);
        rec_key_note(job->key, "%s: %s%s", name, err->text, verbs);
        if (job->cluster->run->watching)
            ist_log(&job->cluster->run->env, IST_LOG_WARN, "%s in %s: %s%s", name, job->cluster->item->name,
                    err->text, verbs);
    }
    if (!job->cluster->unwritten.code && status != 0)
        ist_fail(&job->cluster->unwritten, err->code, name, "%s%s", err->text,
                 verbs_missing(sent, status, err));
    job->cluster->run->status_at = 0;
    ist_free(name);
}

// Does anybody else's hand show in the answer? Then a creation has run into somebody's object.
static int is_foreign(const json_t *answer)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(ist_json_at(answer, "metadata.managedFields"), i, entry)
    {
        if (strcmp(ist_json_str_or(entry, "manager", ""), "isthmus") != 0 &&
            !json_object_get(entry, "subresource"))
            return 1;
    }
    return 0;
}

// It is the model's again; or it is gone, or another one: that is told by the watch.
static void on_withdrawn(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    (void)err;
    struct sent *sent = request->arg;
    struct rec_object *record = record_of(sent);
    if (status == 0)
        sent->job->aborted = 1;
    if (record && !record->own && (status == 200 || status == 404 || status == 409))
        record->mixed = 0;
    if (status == 200) {
        json_t *object = json_deep_copy(answer);
        rec_see(&request->cluster->feeds[sent->action->kind], object, 0, 0);
        json_decref(object);
    }
    done(sent);
}

static char *path_of(const struct sent *sent, const char *query)
{
    const struct rec_action *action = sent->action;
    const ist_reconciler_kind *kind = &sent->job->cluster->run->plugin->kinds[action->kind];
    char *path = NULL, *whole;
    if (kube_path(sent->job->cluster->kube, kind->api, kind->kind, *action->ns ? action->ns : NULL,
                  action->name, &path, NULL) != IST_OK)
        return NULL;
    whole = ist_printf("%s%s", path, query);
    ist_free(path);
    return whole;
}

// Takes our fields off an object that turned out to be somebody's: an apply that sets nothing.
static void withdraw(struct sent *sent, const struct rec_object *record)
{
    const struct rec_action *action = sent->action;
    struct rec_cluster *cluster = sent->job->cluster;
    const ist_reconciler_kind *kind = &cluster->run->plugin->kinds[action->kind];
    json_t *nothing =
        json_pack("{s:s, s:s, s:{s:s, s:s*, s:s*}}", "apiVersion", kind->api, "kind", kind->kind, "metadata",
                  "name", action->name, "namespace", *action->ns ? action->ns : NULL, "uid", record->uid);
    struct rec_request *request = rec_request(cluster, "PATCH", path_of(sent, "?fieldManager=isthmus"),
                                              ist_json_text(nothing), on_withdrawn, sent);
    request->type = "application/apply-patch+yaml";
    request->write = 1;
    request->urgent = 1;
    json_decref(nothing);
    rec_request_send(request);
}

static void settle(const struct sent *sent, const json_t *answer)
{
    struct rec_cluster *cluster = sent->job->cluster;
    const char *version = ist_json_str(answer, "metadata.resourceVersion");
    struct rec_object *record = record_of(sent);
    if (!record || !record->own)
        return;
    record->busy = 0;
    rec_set_uid(record, ist_json_str(answer, "metadata.uid"));
    record->version = rec_version(version);
    record->digest = sent->digest;
    record->unmarked = 0;
    record->round = cluster->feeds[sent->action->kind].round;
    record->source = rec_intern(
        cluster->run,
        json_string_value(json_object_get(ist_json_at(answer, "metadata.labels"), IST_LABEL_SOURCE_CLUSTER)));
    rec_stale(cluster->run);
}

// A creation has landed in somebody's object. It is known as that from here on, for all that still shows our label.
static void ran_into(struct sent *sent, const json_t *answer)
{
    struct rec_object *record = record_of(sent);
    if (!record || !record->own) {
        done(sent);
        return;
    }
    record->busy = record->own = 0;
    record->mixed = 1;
    record->digest = 0;
    record->version = rec_version(ist_json_str(answer, "metadata.resourceVersion"));
    rec_set_uid(record, ist_json_str(answer, "metadata.uid"));
    rec_set_key(sent->job->cluster, record, NULL);
    withdraw(sent, record);
}

static void on_applied(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct sent *sent = request->arg;
    struct rec_cluster *cluster = sent->job->cluster;
    if (status == 200 && sent->action->op == REC_CREATE && is_foreign(answer)) {
        ist_error taken = {0};
        ist_fail(&taken, IST_ERR_CONFLICT, cluster->item->name, "exists");
        fail(sent, 409, &taken);
        ran_into(sent, answer);
        return;
    }
    if (status >= 200 && status < 300) {
        cluster->writes++;
        cluster->last_write_clock = ist_clock_ms(&cluster->run->env);
        settle(sent, answer);
    } else {
        unsettle(sent);
        fail(sent, status, err);
    }
    done(sent);
}

static void send_apply(struct sent *sent);

static void on_deleted(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct sent *sent = request->arg;
    struct rec_cluster *cluster = sent->job->cluster;
    struct rec_object *record = record_of(sent);
    int ok = (status >= 200 && status < 300) || status == 404;
    // 409: another object has the name by now; the watch brings it.
    if (record && record->own && (ok || status == 409)) {
        if (ist_json_str(answer, "metadata.deletionTimestamp") &&
            json_array_size(ist_json_at(answer, "metadata.finalizers")))
            record->deleting = 1, record->busy = 0;
        else
            rec_remove(cluster, record);
    } else {
        unsettle(sent);
    }
    if (ok) {
        cluster->deletes++;
        cluster->last_write_clock = ist_clock_ms(&cluster->run->env);
    } else if (status != 409) {
        fail(sent, status, err);
    }
    if (ok && sent->deleting) {
        sent->deleting = 0;
        sent->action->op = REC_CREATE;
        send_apply(sent);
        return;
    }
    done(sent);
}

// ---- sending ----

static void send_delete(struct sent *sent)
{
    const struct rec_action *action = sent->action;
    struct rec_object *record = record_of(sent);
    json_t *options =
        json_pack("{s:s, s:s, s:s, s:{s:s}}", "kind", "DeleteOptions", "apiVersion", "v1",
                  "propagationPolicy", "Background", "preconditions", "uid", action->uid ? action->uid : "");
    struct rec_request *request = rec_request(sent->job->cluster, "DELETE", path_of(sent, ""),
                                              ist_json_text(options), on_deleted, sent);
    request->write = 1;
    request->urgent = sent->job->urgent;
    if (record)
        record->busy = 1;
    json_decref(options);
    rec_request_send(request);
}

static void send_force(struct sent *sent, const json_t *live);

static void on_updated(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct sent *sent = request->arg;
    // What cannot be changed in place is made anew: only of what is ours.
    if (status == 422 && (strstr(err->text, "immutable") || strstr(err->text, "may not change"))) {
        sent->deleting = 1;
        send_delete(sent);
        return;
    }
    const char *const *server_set = request->cluster->run->plugin->kinds[sent->action->kind].server_set;
    int left = status == 200 && kube_differs(sent->action->object, answer, server_set);
    if ((left || status == 422) && sent->forced < FORCED_MAX) {
        sent->forced++;
        send_force(sent, left ? answer : NULL);
        return;
    }
    on_applied(request, status, answer, err);
}

// Only ever onto the object that was there: its uid goes along.
static void send_force(struct sent *sent, const json_t *live)
{
    const struct rec_action *action = sent->action;
    const char *const *server_set = sent->job->cluster->run->plugin->kinds[action->kind].server_set;
    json_t *patch = rec_force(action->object, live, server_set);
    if (action->uid)
        json_object_set_new(json_object_get(patch, "metadata"), "uid", json_string(action->uid));
    struct rec_request *request = rec_request(sent->job->cluster, "PATCH",
                                              path_of(sent, "?fieldManager=isthmus&fieldValidation=Strict"),
                                              ist_json_text(patch), on_updated, sent);
    request->type = "application/merge-patch+json";
    request->write = 1;
    request->urgent = sent->job->urgent;
    json_decref(patch);
    rec_request_send(request);
}

// With the uid, an update never lands on an object that took the name meanwhile.
static char *body_of(const struct rec_action *action)
{
    if (action->op != REC_UPDATE || !action->uid)
        return ist_json_text(action->object);
    json_t *copy = json_copy(action->object), *metadata = json_copy(json_object_get(copy, "metadata"));
    json_object_set_new(metadata, "uid", json_string(action->uid));
    json_object_set_new(copy, "metadata", metadata);
    char *text = ist_json_text(copy);
    json_decref(copy);
    return text;
}

static void send_apply(struct sent *sent)
{
    struct rec_action *action = sent->action;
    struct rec_cluster *cluster = sent->job->cluster;
    struct rec_object *record = record_of(sent);
    const char *query = action->op == REC_UPDATE ? "?fieldManager=isthmus&fieldValidation=Strict&force=true"
                                                 : "?fieldManager=isthmus&fieldValidation=Strict";
    if (!record) {
        record = rec_add(cluster, action->kind, action->ns, action->name, "");
        record->own = 1;
        record->round = cluster->feeds[action->kind].round;
        rec_set_key(cluster, record, sent->job->key);
    }
    record->busy = 1;
    sent->digest = action->if_absent ? 1 : rec_digest(action->object);
    struct rec_request *request = rec_request(cluster, "PATCH", path_of(sent, query), body_of(action),
                                              action->op == REC_UPDATE ? on_updated : on_applied, sent);
    request->type = "application/apply-patch+yaml"; // JSON is YAML
    request->write = 1;
    request->urgent = sent->job->urgent;
    rec_request_send(request);
}

// 0: it cannot be sent, as its owner is not there.
static int send_action(struct rec_job *job, struct rec_action *action)
{
    struct sent *sent = ist_calloc(1, sizeof *sent);
    sent->job = job;
    sent->action = action;
    if (action->op == REC_DELETE) {
        send_delete(sent);
        return 1;
    }
    struct rec_object *record = record_of(sent);
    if (action->op == REC_WITHDRAW && record && record->mixed) {
        withdraw(sent, record);
        return 1;
    }
    if (action->op == REC_WITHDRAW) {
        ist_free(sent);
        return 0;
    }
    if (!rec_resolve(job->cluster, action->object) || (record && !record->own)) {
        char *name = title(sent);
        rec_key_note(job->key, "%s waits for the object that owns it", name);
        job->failed = 1;
        ist_free(name);
        ist_free(sent);
        return 0;
    }
    if (record && action->op == REC_UPDATE && record->digest &&
        record->digest == rec_digest(action->object)) { // agreed meanwhile
        ist_free(sent);
        return 0;
    }
    send_apply(sent);
    return 1;
}

static void next_stage(struct rec_job *job)
{
    while (job->outstanding == 0) {
        if (job->failed || job->at == job->count) {
            end_job(job);
            return;
        }
        size_t first = job->at;
        int last = job->actions[first].op == REC_DELETE;
        job->outstanding = 1; // so that answers that come at once do not run ahead
        for (; job->at < job->count && job->actions[job->at].kind == job->actions[first].kind &&
               (job->actions[job->at].op == REC_DELETE) == last;
             job->at++)
            job->outstanding += (size_t)send_action(job, &job->actions[job->at]);
        job->outstanding--;
    }
}

void rec_job_start(struct rec_job *job)
{
    job->key->job = job;
    job->key->touched = 0;
    job->cluster->jobs++;
    next_stage(job);
}

static struct rec_job *decide(struct rec_cluster *cluster, struct rec_key *key)
{
    if (!rec_is_settled(key))
        return rec_decide(cluster, key);
    struct rec_job *job = ist_calloc(1, sizeof *job);
    job->cluster = cluster;
    job->key = key;
    return job;
}

// Somebody else writes: what is as it should be waits no longer, so that a reader in waiting does not gather all that
// was ever touched; the rest is looked at again.
static int review(struct rec_cluster *cluster, int64_t now)
{
    for (int i = 0; i < BATCH; i++) {
        struct rec_key *key = rec_key_next_due(cluster, now);
        if (!key)
            return 0;
        rec_key_due(cluster, key, REC_NEVER);
        if (key->job) { // of when we wrote
            key->touched = 1;
            continue;
        }
        struct rec_job *job = decide(cluster, key);
        if (job->count == 0 && !job->waits) {
            rec_job_start(job);
            continue;
        }
        rec_job_free(job);
        rec_key_due(cluster, key, now + REVIEW_MS);
    }
    return 1;
}

int rec_write_due(struct rec_cluster *cluster, int64_t now)
{
    if (!rec_may_write(cluster, now))
        return cluster->run->watching && review(cluster, now);
    for (int i = 0; i < BATCH && cluster->queued + cluster->flight < AHEAD; i++) {
        struct rec_key *key = rec_key_next_due(cluster, now);
        if (!key)
            return 0;
        rec_key_due(cluster, key, REC_NEVER);
        int urgent = key->urgent;
        key->urgent = 0;
        if (key->job) {
            key->touched = 1;
            continue;
        }
        struct rec_job *job = decide(cluster, key);
        if (job->waits) {
            rec_job_free(job);
            key->urgent = (uint8_t)urgent;
            rec_key_due(cluster, key, now + WAITS_MS);
            continue;
        }
        job->urgent = urgent;
        rec_job_start(job);
    }
    // Answers bring it back where requests are under way; a batch that had nothing to write goes on by itself.
    return cluster->queued + cluster->flight < AHEAD;
}
