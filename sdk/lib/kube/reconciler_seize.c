// The Lease of a destruction: waited for, taken, renewed before whatever is sent while it lasts, and taken away at the
// end. A destruction goes call by call, so that the renewal comes with the calls (kube->before). Nothing is sent with a
// Lease whose time is over, unless it can still be renewed, which says that nobody took it.
#include "reconciler.h"

#include <string.h>

#define DURATION_MS 30000 // one call may take long
#define RENEW_MS    5000
#define LOOK_MS     1000

struct rec_seized {
    ist_env env;
    ist_kube *kube; // borrowed
    char *cluster, *owner, *identity, *uid;
    struct rec_lease lease;
    int64_t renew_at;
};

static int32_t call(ist_kube *kube, const char *method, const struct rec_lease *lease, const json_t *body,
                    int *status, json_t **answer, ist_error *err)
{
    char *path = rec_lease_path(lease, strcmp(method, "POST") != 0);
    int32_t rc = ist_kube_raw(kube, method, path, body, status, answer, err);
    ist_free(path);
    return rc;
}

static int32_t put(struct rec_seized *seized, const char *holder, int ours, int *status, json_t **said,
                   ist_error *err)
{
    struct rec_lease *lease = &seized->lease;
    json_t *body = rec_lease_claim(lease, &seized->env, seized->owner, holder, ours, DURATION_MS);
    lease->sent_at = ist_now_ms(&seized->env);
    int32_t rc = call(seized->kube, lease->version ? "PUT" : "POST", lease, body, status, said, err);
    json_decref(body);
    return rc;
}

static void took(struct rec_seized *seized, const json_t *said)
{
    struct rec_lease *lease = &seized->lease;
    rec_lease_read(lease, said, lease->sent_at);
    lease->valid_until = lease->sent_at + DURATION_MS - REC_ARRIVE_MS;
    seized->renew_at = lease->sent_at + RENEW_MS;
}

// Somebody changed it: is it still ours? IST_OK: it is, and is renewed at the next call.
static int32_t look_whose(struct rec_seized *seized, ist_error *err)
{
    json_t *said = NULL;
    int status = 0;
    int32_t rc = call(seized->kube, "GET", &seized->lease, NULL, &status, &said, err);
    if (rc == IST_OK && status != 200)
        rc = ist_fail(err, IST_ERR_CONFLICT, seized->cluster, "the lease %s/%s was taken away",
                      seized->lease.ns, seized->lease.name);
    if (rc == IST_OK)
        rec_lease_read(&seized->lease, said, ist_now_ms(&seized->env));
    if (rc == IST_OK && strcmp(seized->lease.holder, seized->identity) != 0) {
        rec_lease_tell_holder(err, seized->cluster, &seized->lease);
        rc = err->code;
    }
    json_decref(said);
    return rc;
}

// Before a call of the destruction.
static int32_t keep(void *arg, ist_error *err)
{
    struct rec_seized *seized = arg;
    json_t *said = NULL;
    ist_error why = {0};
    int status = 0;
    if (ist_now_ms(&seized->env) < seized->renew_at)
        return IST_OK;
    seized->kube->before = NULL; // these are calls too
    int32_t rc = put(seized, seized->identity, 1, &status, &said, &why);
    if (rc == IST_OK && status == 409)
        rc = look_whose(seized, &why);
    else if (rc == IST_OK && status >= 300)
        rc = ist_fail(&why, IST_ERR_REMOTE, seized->cluster, "the lease %s/%s could not be renewed: HTTP %d",
                      seized->lease.ns, seized->lease.name, status);
    else if (rc == IST_OK)
        took(seized, said);
    json_decref(said);
    seized->kube->before = keep;
    if (rc == IST_OK || (rc != IST_ERR_CONFLICT && ist_now_ms(&seized->env) < seized->lease.valid_until))
        return IST_OK;
    if (err)
        *err = why;
    return rc;
}

// Why it was refused, in the server's own words: what it names is what has to be allowed.
static void refusal(ist_kube *kube, const char *method, int status, const json_t *said, ist_error *err)
{
    const struct kube_request request = {.method = method, .path = "lease"};
    (void)kube_status_error(kube, &request, status, said, err);
}

// Waits until nobody who lives holds it. IST_OK: it may be taken, `*status` is what was answered last, `why` what it
// says when it is no Lease.
static int32_t wait_free(struct rec_seized *seized, int *status, ist_error *why, ist_error *err)
{
    for (;;) {
        json_t *said = NULL;
        int32_t rc = call(seized->kube, "GET", &seized->lease, NULL, status, &said, err);
        const int64_t now = ist_now_ms(&seized->env);
        int moved = rc == IST_OK && *status == 200 && rec_lease_read(&seized->lease, said, now);
        if (rc == IST_OK && *status != 200)
            refusal(seized->kube, "GET", *status, said, why);
        json_decref(said);
        if (rc != IST_OK || *status != 200 || now >= rec_lease_free_at(&seized->lease))
            return rc;
        if (moved) {
            rec_lease_tell_holder(err, seized->cluster, &seized->lease);
            return err->code;
        }
        rec_lease_tell_wait(&seized->env, seized->cluster, &seized->lease, now);
        const int64_t left = rec_lease_free_at(&seized->lease) - now;
        if (ist_sleep_ms(&seized->env, left < LOOK_MS ? left : LOOK_MS) != IST_OK)
            return ist_fail(err, IST_ERR_CANCELLED, seized->cluster, "cancelled");
    }
}

static void seized_free(struct rec_seized *seized)
{
    rec_lease_clear(&seized->lease);
    ist_free(seized->cluster);
    ist_free(seized->owner);
    ist_free(seized->identity);
    ist_free(seized->uid);
    ist_free(seized);
}

int32_t rec_lease_seize(const ist_env *env, ist_kube *kube, const char *cluster, const char *ns,
                        const char *owner, struct rec_seized **seized, ist_error *err)
{
    struct rec_seized *made = ist_calloc(1, sizeof *made);
    *made = (struct rec_seized){.env = *env,
                                .kube = kube,
                                .cluster = ist_strdup(cluster),
                                .owner = ist_strdup(owner),
                                .identity = rec_identity(),
                                .lease = {.name = rec_lease_name(owner), .ns = ist_strdup(ns)}};
    json_t *said = NULL;
    ist_error why = {0};
    int status = 0;
    int32_t rc = wait_free(made, &status, &why, err);
    if (rc == IST_OK && status == 404) { // its holder took it away while it was waited for: a new one is made
        ist_free(made->lease.version);
        made->lease.version = NULL;
    }
    if (rc == IST_OK && (status == 200 || status == 404))
        rc = put(made, made->identity, 0, &status, &said, err);
    if (rc == IST_OK && status == 409)
        rc = ist_fail(err, IST_ERR_CONFLICT, cluster, "somebody else has just taken the lease %s/%s", ns,
                      made->lease.name);
    if (rc == IST_OK && status < 300) {
        made->uid = ist_strdup(ist_json_str_or(said, "metadata.uid", ""));
        took(made, said);
        kube->before = keep;
        kube->before_arg = made;
        *seized = made;
    } else {
        if (rc == IST_OK && said)
            refusal(kube, "PUT", status, said, &why);
        if (rc == IST_OK)
            ist_log(env, IST_LOG_WARN, "cluster %s: whether a daemon writes there too cannot be seen: %s",
                    cluster, why.text);
        seized_free(made);
    }
    json_decref(said);
    return rc;
}

// Without a holder nobody has to wait until it would have ended.
static void hand_back(struct rec_seized *seized)
{
    json_t *said = NULL;
    int status = 0;
    if (call(seized->kube, "GET", &seized->lease, NULL, &status, &said, NULL) == IST_OK && status == 200 &&
        !strcmp(ist_json_str_or(said, "metadata.uid", ""), seized->uid) &&
        !strcmp(ist_json_str_or(said, "spec.holderIdentity", ""), seized->identity)) {
        rec_lease_read(&seized->lease, said, ist_now_ms(&seized->env));
        (void)put(seized, "", 1, &status, NULL, NULL); // else it ends by itself, in its time
    }
    json_decref(said);
}

void rec_lease_unseize(struct rec_seized *seized, int take_away)
{
    if (!seized)
        return;
    ist_error err = {0};
    int status = 0;
    json_t *said = NULL;
    seized->kube->before = NULL;
    if (take_away) {
        json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "kind", "DeleteOptions", "apiVersion", "v1",
                                 "preconditions", "uid", seized->uid);
        int32_t rc = call(seized->kube, "DELETE", &seized->lease, body, &status, &said, &err);
        if (rc == IST_OK && status >= 300 && status != 404)
            refusal(seized->kube, "DELETE", status, said, &err);
        if (err.code != IST_OK) {
            ist_log(&seized->env, IST_LOG_WARN, "the lease %s/%s in %s is left: %s", seized->lease.ns,
                    seized->lease.name, ist_kube_name(seized->kube), err.text);
            take_away = 0;
        }
        json_decref(said);
        json_decref(body);
    }
    if (!take_away)
        hand_back(seized);
    seized_free(seized);
}
