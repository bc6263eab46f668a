// Who writes: one Lease of this step in each cluster that is written to. Its holder renews it and sends nothing
// once it has not for too long, by its own monotonic clock; the others watch it and take it over when it has not
// moved for as long as it says, by theirs, or at once when it was a process of this machine that is gone. Clocks of
// different machines are never compared. A destruction takes it in reconciler_seize.c. Source:
// https://kubernetes.io/docs/concepts/architecture/leases/ and the rules of client-go's leader election.
#include "reconciler.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DURATION_MS 10000
#define RENEW_MS    3000
#define LOOK_MS                                                                                              \
    2000 // how often one that waits looks, at most: with DURATION_MS the time of a take-over, below 15 s
#define RIVAL_MS  400 // those who wait for the same one do not all come at once, when its time has run out
#define LIMIT_MS  4000
#define DENIED_MS 15000
#define BUSY_MS   500 // after an answer that says: not now

// ---- names and times ----

// A name that a Lease can have, told apart from other owners' by a hash where letters had to be changed.
char *rec_lease_name(const char *owner)
{
    char *name = ist_printf("isthmus-%s", owner);
    int exact = strlen(name) <= 63;
    for (char *c = name; *c; c++) {
        if (islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '-')
            continue;
        exact &= *c == '.';
        *c = *c == '.' ? '.' : '-';
    }
    size_t len = strlen(name);
    if (exact && isalnum((unsigned char)name[len - 1]) && !strstr(name, ".-") && !strstr(name, "-.") &&
        !strstr(name, ".."))
        return name;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)owner, strlen(owner), digest);
    for (char *c = name; *c; c++)
        if (*c == '.')
            *c = '-';
    char *hashed = ist_printf("%.40s-%02x%02x%02x%02x", name, digest[0], digest[1], digest[2], digest[3]);
    ist_free(name);
    return hashed;
}

// MicroTime: "2026-01-02T03:04:05.000006Z". The caller's.
static char *micro_time(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char text[32] = "1970-01-01T00:00:00";
    if (gmtime_r(&seconds, &parts))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return ist_printf("%s.%03d000Z", text, (int)(ms % 1000));
}

const char *rec_lease_ns(const json_t *inputs)
{
    return ist_json_str_or(inputs, "lease_namespace", "kube-system");
}

int rec_stands_by(const struct rec_cluster *cluster)
{
    const struct rec_lease *lease = &cluster->lease;
    return lease->name && !lease->held && lease->holder && *lease->holder;
}

int rec_may_write(const struct rec_cluster *cluster, int64_t now)
{
    const struct rec_lease *lease = &cluster->lease;
    return lease->waived || (!cluster->run->watching && !lease->name) || now < lease->valid_until;
}

static void put(char **text, const char *value)
{
    char *copy = ist_strdup(value);
    ist_free(*text);
    *text = copy;
}

static void set(char **text, const char *value) // NULL: it is not said
{
    if (value) {
        put(text, value);
        return;
    }
    ist_free(*text);
    *text = NULL;
}

// ---- losing it ----

static void lose(struct rec_cluster *cluster, const char *why)
{
    struct rec_lease *lease = &cluster->lease;
    ist_error err = {0};
    lease->valid_until = 0;
    if (!lease->held)
        return;
    lease->held = 0;
    cluster->run->status_at = 0;
    ist_log(&cluster->run->env, IST_LOG_WARN, "cluster %s: no longer the one who writes: %s",
            cluster->item->name, why);
    ist_fail(&err, IST_ERR_NETWORK, cluster->item->name, "the lease was lost");
    int aborting = cluster->aborting;
    cluster->aborting = 1;
    rec_requests_abort(cluster, 1, &err);
    cluster->aborting = aborting;
}

// ---- looking and taking ----

// When to ask again one that has too much to do: as it says, but often enough to keep what is held. One small request
// every two seconds hurts nobody.
static int64_t busy_until(const struct rec_request *request, int64_t now)
{
    int64_t wait = request->asked_ms > BUSY_MS ? request->asked_ms : BUSY_MS;
    return now + (wait < LOOK_MS ? wait : LOOK_MS);
}

char *rec_lease_path(const struct rec_lease *lease, int named)
{
    return ist_printf("/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s", lease->ns, named ? "/" : "",
                      named ? lease->name : "");
}

static void ask(struct rec_cluster *cluster, const char *method, char *path, char *body, rec_answer *answer)
{
    struct rec_lease *lease = &cluster->lease;
    lease->request = rec_request(cluster, method, path, body, answer, NULL);
    lease->request->limit_ms = LIMIT_MS;
    lease->request->once = 1;
    lease->sent_at = ist_now_ms(&cluster->run->env);
    rec_request_send(lease->request);
}

// What another one needs to know, and what it must not change in between (resourceVersion).
json_t *rec_lease_claim(const struct rec_lease *lease, const ist_env *env, const char *owner,
                        const char *holder, int ours, int64_t duration_ms)
{
    char *now = micro_time(ist_clock_ms(env));
    const json_int_t transitions = lease->transitions + (lease->version && !ours);
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}, s:s*}, s:{s:s, s:i, s:s, s:s, s:I}}", "apiVersion",
                  "coordination.k8s.io/v1", "kind", "Lease", "metadata", "name", lease->name, "namespace",
                  lease->ns, "labels", IST_LABEL_MANAGED_BY, "isthmus", "isthmus.dev/lease-of", owner,
                  "resourceVersion", lease->version, "spec", "holderIdentity", holder, "leaseDurationSeconds",
                  (int)(duration_ms / 1000), "renewTime", now, "acquireTime",
                  ours && lease->acquired ? lease->acquired : now, "leaseTransitions", transitions);
    ist_free(now);
    return body;
}

static char *claim(const struct rec_cluster *cluster, const char *holder)
{
    const struct rec_lease *lease = &cluster->lease;
    const ist_reconciler *run = cluster->run;
    int ours = lease->holder && !strcmp(lease->holder, run->identity);
    json_t *body = rec_lease_claim(lease, &run->env, run->owner, holder, ours, DURATION_MS);
    char *text = ist_json_text(body);
    json_decref(body);
    return text;
}

// ---- one reading ----

// An apply that may not see the Lease, or not take it: whoever runs a daemon with the same rights cannot either.
static int waive(struct rec_cluster *cluster, const ist_error *err)
{
    if (cluster->run->watching)
        return 0;
    cluster->lease.waived = 1;
    cluster->lease.next_at = REC_NEVER;
    ist_log(&cluster->run->env, IST_LOG_WARN,
            "cluster %s: whether a daemon writes there too cannot be seen: %s", cluster->item->name,
            err->text);
    return 1;
}

void rec_lease_tell_holder(ist_error *err, const char *cluster, const struct rec_lease *lease)
{
    ist_fail(err, IST_ERR_CONFLICT, cluster,
             "%s holds the lease %s/%s: an isthmus watch that runs keeps what is here", lease->holder,
             lease->ns, lease->name);
    ist_hint(err, "it may run with other inputs: have it read them anew (SIGHUP), or stop it");
}

// An int32 in the API: what is none was not written by a holder that renews it.
static int64_t duration_of(const json_t *said)
{
    const int64_t seconds = ist_json_int(said, "spec.leaseDurationSeconds", DURATION_MS / 1000);
    return (seconds < 0 || seconds > INT32_MAX ? DURATION_MS / 1000 : seconds) * 1000;
}

int rec_lease_read(struct rec_lease *lease, const json_t *said, int64_t now)
{
    const char *version = ist_json_str_or(said, "metadata.resourceVersion", "");
    const int moved = lease->version && strcmp(lease->version, version) != 0;
    if (!lease->version || moved) { // its time begins again, by our clock
        lease->seen_at = now;
        lease->dead_at = 0;
    }
    put(&lease->version, version);
    put(&lease->holder, ist_json_str_or(said, "spec.holderIdentity", ""));
    set(&lease->acquired, ist_json_str(said, "spec.acquireTime"));
    lease->transitions = ist_json_int(said, "spec.leaseTransitions", 0);
    lease->duration_ms = duration_of(said);
    if (!lease->dead_at && rec_holder_is_gone(lease->holder))
        lease->dead_at = now;
    return moved;
}

int64_t rec_lease_free_at(const struct rec_lease *lease)
{
    const int64_t end = lease->seen_at + lease->duration_ms;
    if (!*lease->holder)
        return lease->seen_at;
    return lease->dead_at && lease->dead_at + REC_ARRIVE_MS < end ? lease->dead_at + REC_ARRIVE_MS : end;
}

void rec_lease_tell_wait(const ist_env *env, const char *cluster, const struct rec_lease *lease, int64_t now)
{
    const long long seconds = (long long)(rec_lease_free_at(lease) - now + 999) / 1000;
    if (lease->dead_at)
        ist_progress(env, "%s: %s, which held the lease %s/%s, is gone: it is taken over in %lld s", cluster,
                     lease->holder, lease->ns, lease->name, seconds);
    else
        ist_progress(env, "%s: %s holds the lease %s/%s: waits for it to end, %lld s at most", cluster,
                     lease->holder, lease->ns, lease->name, seconds);
}

// He who holds it lives: an apply leaves the writing to him.
static void leave(struct rec_cluster *cluster)
{
    rec_lease_tell_holder(&cluster->fault, cluster->item->name, &cluster->lease);
    cluster->left = 1;
    cluster->lease.next_at = REC_NEVER;
}

static void on_claimed(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct rec_cluster *cluster = request->cluster;
    struct rec_lease *lease = &cluster->lease;
    int64_t now = ist_now_ms(&cluster->run->env);
    lease->request = NULL;
    if (status >= 200 && status < 300) {
        set(&lease->version, ist_json_str(answer, "metadata.resourceVersion"));
        set(&lease->holder, ist_json_str(answer, "spec.holderIdentity"));
        set(&lease->acquired, ist_json_str(answer, "spec.acquireTime"));
        lease->transitions = ist_json_int(answer, "spec.leaseTransitions", 0);
        lease->valid_until = lease->sent_at + DURATION_MS - REC_ARRIVE_MS;
        lease->seen_at = lease->sent_at;
        lease->next_at = lease->sent_at + RENEW_MS;
        lease->denied = 0;
        if (!lease->held) {
            lease->held = 1;
            cluster->run->status_at = 0;
            rec_keys_hurry(cluster, now);
            ist_log(&cluster->run->env, IST_LOG_INFO, "cluster %s: holds the lease %s/%s",
                    cluster->item->name, lease->ns, lease->name);
        }
        return;
    }
    lease->next_at = now + (status == 0 ? RENEW_MS / 6 : 0);
    if (status == 409) { // somebody was faster, or it was changed by hand: what does it say?
        set(&lease->version, NULL);
        lease->next_at = now + rec_backoff(0, 100, 100);
        lease->must_look = 1;
    } else if (rec_passing(status)) {
        lease->next_at = busy_until(request, now);
        rec_cluster_fault(cluster, err);
    } else if (status != 0 && !waive(cluster, err)) {
        lease->next_at = now + DENIED_MS;
        lease->denied = 1;
        rec_cluster_fault(cluster, err);
    }
}

static void take(struct rec_cluster *cluster)
{
    struct rec_lease *lease = &cluster->lease;
    int anew = lease->version == NULL;
    ask(cluster, anew ? "POST" : "PUT", rec_lease_path(lease, !anew), claim(cluster, cluster->run->identity),
        on_claimed);
}

static void on_looked(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct rec_cluster *cluster = request->cluster;
    struct rec_lease *lease = &cluster->lease;
    int64_t now = ist_now_ms(&cluster->run->env);
    lease->request = NULL;
    lease->next_at = now + rec_backoff(0, LOOK_MS, LOOK_MS);
    if (status == 404) {
        set(&lease->version, NULL);
        set(&lease->holder, NULL);
        lease->must_look = 0;
        take(cluster);
        return;
    }
    if (status != 200 && status != 0 && !rec_passing(status) && waive(cluster, err))
        return;
    if (status != 200) {
        lease->denied = status != 0 && !rec_passing(status);
        if (status) {
            lease->next_at = rec_passing(status) ? busy_until(request, now) : now + DENIED_MS;
            if (status != 403 || cluster->keys.count) // where nothing is to be written it is not needed
                rec_cluster_fault(cluster, err);
        }
        return;
    }
    lease->must_look = 0;
    const int moved = rec_lease_read(lease, answer, now),
              ours = !strcmp(lease->holder, cluster->run->identity);
    if (!ours)
        lose(cluster, *lease->holder ? "another one holds the lease" : "the lease was given back");
    if (ours || now >= rec_lease_free_at(lease)) {
        take(cluster);
    } else if (moved && !cluster->run->watching) {
        leave(cluster);
    } else {
        if (rec_lease_free_at(lease) < lease->next_at)
            lease->next_at = rec_lease_free_at(lease) + 1 + rec_backoff(0, RIVAL_MS, RIVAL_MS);
        if (!cluster->run->watching)
            rec_lease_tell_wait(&cluster->run->env, cluster->item->name, lease, now);
    }
}

static void look(struct rec_cluster *cluster)
{
    ask(cluster, "GET", rec_lease_path(&cluster->lease, 1), NULL, on_looked);
}

// ---- its time ----

void rec_lease_step(struct rec_cluster *cluster, int64_t now, int64_t *until)
{
    struct rec_lease *lease = &cluster->lease;
    if (!lease->name)
        return;
    if (lease->held && now >= lease->valid_until) {
        lose(cluster, "it could not be renewed in time");
        lease->must_look = 1; // somebody may have it
    }
    if (lease->held && lease->valid_until < *until)
        *until = lease->valid_until;
    if (cluster->phase != REC_RUN || lease->request)
        return;
    if (lease->next_at > now) {
        if (lease->next_at < *until)
            *until = lease->next_at;
        return;
    }
    if (lease->held && !lease->must_look)
        take(cluster);
    else
        look(cluster);
}

// ---- opening and closing ----

static void on_released(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    (void)status;
    (void)answer;
    (void)err;
    request->cluster->lease.request = NULL;
}

void rec_lease_open(struct rec_cluster *cluster)
{
    const ist_reconciler *run = cluster->run;
    int writes = 0;
    for (size_t i = 0; i < run->kinds; i++)
        writes |= (run->plugin->kinds[i].flags & IST_KIND_WRITTEN) != 0;
    if (!writes)
        return;
    cluster->lease.name = rec_lease_name(run->owner);
    cluster->lease.ns = ist_strdup(rec_lease_ns(run->inputs));
    cluster->lease.must_look = 1;
}

void rec_lease_release(struct rec_cluster *cluster)
{
    struct rec_lease *lease = &cluster->lease;
    if (!lease->held || !lease->version || lease->request || cluster->phase != REC_RUN)
        return;
    lease->held = 0;
    lease->valid_until = 0; // nothing is sent after it
    lease->next_at = REC_NEVER;
    ask(cluster, "PUT", rec_lease_path(lease, 1), claim(cluster, ""), on_released);
}

void rec_lease_clear(struct rec_lease *lease)
{
    ist_free(lease->name);
    ist_free(lease->ns);
    ist_free(lease->version);
    ist_free(lease->holder);
    ist_free(lease->acquired);
    *lease = (struct rec_lease){0};
}

void rec_lease_close(struct rec_cluster *cluster)
{
    rec_lease_clear(&cluster->lease);
}
