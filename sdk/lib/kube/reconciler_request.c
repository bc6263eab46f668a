// Requests under way: many at once over the cluster's one connection, tried again by class. A write is fenced: it
// leaves only while the Lease is held.
#include "reconciler.h"

#include <string.h>

#define TRIES     6
#define RETRY_MS  50
#define RETRY_CAP 5000

struct rec_request *rec_request(struct rec_cluster *cluster, const char *method, char *path, char *body,
                                rec_answer *answer, void *arg)
{
    struct rec_request *request = ist_calloc(1, sizeof *request);
    request->cluster = cluster;
    request->method = method;
    request->path = path;
    request->body = body;
    request->answer = answer;
    request->arg = arg;
    return request;
}

static void push(struct rec_request **first, struct rec_request **last, struct rec_request *request)
{
    request->next = NULL;
    if (*first)
        (*last)->next = request;
    else
        *first = request;
    *last = request;
}

void rec_request_send(struct rec_request *request)
{
    struct rec_cluster *cluster = request->cluster;
    cluster->queued += request->write != 0;
    if (request->urgent || !request->write)
        push(&cluster->urgent, &cluster->urgent_tail, request);
    else
        push(&cluster->waiting, &cluster->waiting_tail, request);
}

static void request_free(struct rec_request *request)
{
    ist_http_stream_close(request->stream);
    ist_free(request->path);
    ist_free(request->body);
    ist_free(request);
}

// Tells the one who asked; `request` was taken out of every list.
static void finish(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    ist_http_stream_close(request->stream);
    request->stream = NULL;
    request->answer(request, status, answer, err);
    request_free(request);
}

// ---- sending ----

static int gate(void *arg)
{
    const struct rec_request *request = arg;
    return rec_may_write(request->cluster, ist_now_ms(&request->cluster->run->env));
}

static int32_t open_stream(struct rec_request *request, ist_error *err)
{
    struct rec_cluster *cluster = request->cluster;
    ist_kube *kube = cluster->kube;
    int32_t rc = kube_connect_soon(kube, 0, err);
    if (rc != IST_OK)
        return rc;
    request->minted = kube->minted;
    char *url = ist_printf("%s%s", kube->base, request->path);
    char *type = ist_printf("Content-Type: %s", request->type ? request->type : "application/json");
    char *label = ist_printf("kubernetes %s: %s %.*s", kube->name, request->method,
                             (int)strcspn(request->path, "?"), request->path);
    const char *headers[4] = {"Accept: application/json"};
    size_t n = 1;
    if (request->body)
        headers[n++] = type;
    if (kube->authorization)
        headers[n++] = kube->authorization;
    ist_http_request sent = {.size = sizeof sent,
                             .method = request->method,
                             .url = url,
                             .headers = headers,
                             .body = request->body,
                             .body_len = request->body ? strlen(request->body) : 0,
                             .read = !strcmp(request->method, "GET"),
                             .request_ms = request->limit_ms ? request->limit_ms : REC_BODY_MS,
                             .label = label};
    rc = ist_http_stream_open(kube->http, &sent, &request->stream, err);
    if (rc == IST_OK && request->write)
        http_stream_gate(request->stream, gate, request);
    ist_free(label);
    ist_free(type);
    ist_free(url);
    return rc;
}

// Takes the first of a list that may leave now.
static struct rec_request *take_due(struct rec_cluster *cluster, struct rec_request **first,
                                    struct rec_request **last, int64_t now, int64_t *until)
{
    int may_write = cluster->flight < REC_FLIGHT && rec_may_write(cluster, now);
    struct rec_request *before = NULL;
    for (struct rec_request **at = first; *at; before = *at, at = &(*at)->next) {
        struct rec_request *request = *at;
        if (request->write && !may_write)
            continue;
        if (request->not_before > now) {
            if (request->not_before < *until)
                *until = request->not_before;
            continue;
        }
        *at = request->next;
        if (*last == request)
            *last = before;
        return request;
    }
    return NULL;
}

static void retry_at(struct rec_request *request, int64_t wait)
{
    ist_http_stream_close(request->stream);
    request->stream = NULL;
    request->not_before = ist_now_ms(&request->cluster->run->env) + wait;
    request->cluster->retries++;
    rec_request_send(request);
}

void rec_requests_step(struct rec_cluster *cluster, int64_t now, int64_t *until)
{
    for (;;) {
        struct rec_request *request = take_due(cluster, &cluster->urgent, &cluster->urgent_tail, now, until);
        if (!request)
            request = take_due(cluster, &cluster->waiting, &cluster->waiting_tail, now, until);
        if (!request)
            return;
        ist_error err = {0};
        cluster->queued -= request->write != 0;
        request->attempts++;
        int32_t rc = open_stream(request, &err);
        if (rc == IST_AGAIN) { // its credentials are being made
            request->attempts--;
            request->not_before = now + REC_LOGIN_MS;
            rec_request_send(request);
            continue;
        }
        if (rc != IST_OK) {
            finish(request, 0, NULL, &err);
            continue;
        }
        cluster->flight += request->write != 0;
        request->next = cluster->active;
        cluster->active = request;
    }
}

// ---- answers ----

int rec_passing(int status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

// An apply that met another one inside the server, or an object that is still being made.
static int lost_race(const struct rec_request *request, int status, const json_t *answer)
{
    const char *message = ist_json_str_or(answer, "message", "");
    return status == 409 && request->write &&
           (strstr(message, "object has been modified") || strstr(message, "already exists"));
}

// No answer. The cluster may be gone with all that is under way (the abort answers this one too).
static void broken(struct rec_request *request, const ist_error *err)
{
    struct rec_cluster *cluster = request->cluster;
    if (request->write && !rec_may_write(cluster, ist_now_ms(&cluster->run->env))) { // kept back by the fence
        finish(request, 0, NULL, err);
        return;
    }
    request->lost = 1;
    if (request->attempts < TRIES && request->write) {
        retry_at(request, rec_backoff(request->attempts, RETRY_MS, RETRY_CAP));
        rec_cluster_fault(cluster, err);
        return;
    }
    if (request != cluster->identity) // which tells by itself
        rec_cluster_fault(cluster, err);
    finish(request, 0, NULL, err);
}

static void answered(struct rec_request *request, int status, const char *bytes, size_t len)
{
    struct rec_cluster *cluster = request->cluster;
    json_t *answer = NULL;
    ist_error err = {0};
    request->asked_ms = http_stream_retry_after(request->stream);
    rec_cluster_heard(cluster);
    // What was made by this very request has nobody else's fields.
    int32_t rc = !len            ? IST_OK
                 : status == 201 ? kube_parse_slim(bytes, len, request->path, &answer, &err)
                                 : ist_json_parse(bytes, len, request->path, &answer, &err);
    if (rc != IST_OK && status >= 300)
        answer = json_stringn(bytes, len < 500 ? len : 500);
    if (status < 300 && !answer) { // its head came, and no more
        if (err.code == IST_OK)
            ist_fail(&err, IST_ERR_NETWORK, request->path, "the answer ends in the middle");
        err.code = IST_ERR_NETWORK;
        broken(request, &err);
        return;
    }
    if (status == 401 && !request->refreshed &&
        rec_cluster_login(cluster, request->minted, http_stream_date(request->stream), &err)) {
        request->refreshed = 1;
        retry_at(request, 0);
    } else if (!request->once && request->attempts < TRIES &&
               (rec_passing(status) || lost_race(request, status, answer))) {
        int64_t wait = rec_backoff(request->attempts, RETRY_MS, RETRY_CAP);
        retry_at(request, request->asked_ms > wait ? request->asked_ms : wait);
    } else {
        struct kube_request shown = {.method = request->method, .path = request->path};
        if (status >= 300)
            kube_status_error(cluster->kube, &shown, status, answer, &err);
        finish(request, status, answer, &err);
    }
    json_decref(answer);
}

static void read_one(struct rec_request *request)
{
    const char *bytes;
    size_t len;
    int ended;
    ist_error err = {0};
    int32_t rc = ist_http_stream_read(request->stream, &bytes, &len, &ended, &err);
    if (!ended)
        return;
    struct rec_cluster *cluster = request->cluster;
    for (struct rec_request **at = &cluster->active; *at; at = &(*at)->next)
        if (*at == request) {
            *at = request->next;
            break;
        }
    cluster->flight -= request->write != 0;
    int status = ist_http_stream_status(request->stream);
    if (rc == IST_OK && status > 0)
        answered(request, status, bytes, len);
    else
        broken(request, &err);
}

void rec_requests_read(struct rec_cluster *cluster)
{
    for (;;) { // an answer may change the list
        struct rec_request *request = cluster->active;
        while (request && !http_stream_fresh(request->stream))
            request = request->next;
        if (!request)
            return;
        read_one(request);
    }
}

void rec_requests_abort(struct rec_cluster *cluster, int writes_only, const ist_error *err)
{
    struct rec_request **lists[] = {&cluster->active, &cluster->urgent, &cluster->waiting};
    struct rec_request *taken = NULL;
    for (size_t i = 0; i < 3; i++)
        for (struct rec_request **at = lists[i]; *at;) {
            struct rec_request *request = *at;
            if (writes_only && !request->write) {
                at = &request->next;
                continue;
            }
            *at = request->next;
            if (request->write && i == 0)
                cluster->flight--;
            else if (request->write)
                cluster->queued--;
            request->lost |= i == 0;
            request->next = taken;
            taken = request;
        }
    cluster->urgent_tail = cluster->waiting_tail = NULL;
    for (struct rec_request *at = cluster->urgent; at; at = at->next)
        cluster->urgent_tail = at;
    for (struct rec_request *at = cluster->waiting; at; at = at->next)
        cluster->waiting_tail = at;
    while (taken) {
        struct rec_request *next = taken->next;
        finish(taken, 0, NULL, err);
        taken = next;
    }
}

// ---- on behalf of the model ----

struct reading {
    ist_reconciler_answer *answer;
    uint32_t model; // which one asked
};

static void on_read(struct rec_request *request, int status, const json_t *answer, const ist_error *err)
{
    struct reading reading = *(struct reading *)request->arg;
    struct rec_cluster *cluster = request->cluster;
    ist_free(request->arg);
    if (cluster->stopping && err->code == IST_ERR_CANCELLED) // the run ends
        return;
    if (reading.model != cluster->run->models) // it is not there any more
        return;
    rec_stale(cluster->run);
    reading.answer(cluster->run->model, cluster->index, status >= 200 && status < 300 ? answer : NULL, err);
}

void ist_reconciler_read(ist_reconciler *run, size_t cluster, const char *path, ist_reconciler_answer *answer)
{
    struct reading *reading = ist_calloc(1, sizeof *reading);
    reading->answer = answer;
    reading->model = run->models;
    rec_request_send(rec_request(&run->items[cluster], "GET", ist_strdup(path), NULL, on_read, reading));
}
