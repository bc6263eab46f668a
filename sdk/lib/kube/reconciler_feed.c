// One kind of one cluster: listed page by page and item by item, then watched. Nothing is kept of what came but
// the records; a watch goes on from the last version it heard of. Source:
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
#include "reconciler.h"

#include <string.h>

#define PAGE        500
#define WATCH_MIN_S 240 // the server ends a watch after a time between these: not all at once
#define WATCH_MAX_S 480
#define SHORT_MS    1000 // a watch that ends sooner did not work: wait before the next
#define RETRY_MS    250
#define RETRY_CAP   5000
#define MISSED_CAP  60000
#define ONCE_TRIES  4 // one reading gives up
#define LOST_TRIES  5
#define ASKED_CAP   60000 // nobody is kept waiting for longer by a Retry-After
#define SILENT_MS                                                                                            \
    20000 // a list of which nothing comes for so long is asked for again; the next one has longer

static const ist_reconciler_kind *kind_of(const struct rec_feed *feed)
{
    return &feed->cluster->run->plugin->kinds[feed->kind];
}

static int listing(const struct rec_feed *feed)
{
    return feed->stage == REC_OTHERS || feed->stage == REC_OURS;
}

static void set(char **text, const char *value)
{
    char *copy = value && *value ? ist_strdup(value) : NULL;
    ist_free(*text);
    *text = copy;
}

void rec_feed_stop(struct rec_feed *feed)
{
    ist_http_stream_close(feed->stream);
    feed->stream = NULL;
    if (listing(feed)) // half a list: from its first page
        set(&feed->more, NULL);
    rec_list_reset(feed);
}

void rec_feed_drop(struct rec_feed *feed)
{
    rec_feed_stop(feed);
    ist_http_stream_close(feed->parked);
    feed->parked = NULL;
}

void rec_feed_free(struct rec_feed *feed)
{
    rec_feed_drop(feed);
    ist_free(feed->more);
    ist_free(feed->version);
    json_decref(feed->unmarked);
    rec_aside_drop(feed);
}

// Ends this try; the next one comes after `ms`, or after a time that grows with each failure (-1).
static void again(struct rec_feed *feed, int64_t ms)
{
    char *more = feed->more;
    feed->more = NULL;
    rec_feed_stop(feed);
    if (ms < 0) {
        ms = rec_backoff(feed->failures++, RETRY_MS, RETRY_CAP);
        ist_free(more); // the next listing begins at its first page
        more = NULL;
    }
    feed->more = more;
    feed->retry_at = ist_now_ms(&feed->cluster->run->env) + ms;
}

// A try failed: the cluster hears of it, and this feed tries again in any case.
static void failed(struct rec_feed *feed, const ist_error *err)
{
    again(feed, -1);
    int was = feed->cluster->failed, last = feed->failures > ONCE_TRIES;
    rec_cluster_fault(feed->cluster, err);
    // One reading takes a server's error (5xx, not a refusal) for its last word only after some tries.
    if (!last && err->code == IST_ERR_REMOTE)
        feed->cluster->failed = was;
    if (last && !feed->cluster->run->watching)
        feed->cluster->failed = feed->cluster->tried = 1;
    // A kind that can be read no more (its permission went) is as bad as the whole: what was seen grows old.
    if (feed->failures > LOST_TRIES && feed->cluster->state == IST_CLUSTER_SYNCED) {
        feed->answered = 0;
        rec_cluster_state(feed->cluster, IST_CLUSTER_LOST);
    }
}

// A version that is no number says nothing of before and after: another watch is begun then.
static int can_park(const struct rec_feed *feed)
{
    return feed->stage == REC_WATCH && feed->stream && feed->version &&
           strspn(feed->version, "0123456789") == strlen(feed->version);
}

void rec_feed_again(struct rec_feed *feed)
{
    struct rec_feed fresh = {.cluster = feed->cluster, .kind = feed->kind, .round = feed->round};
    fresh.items = feed->items;
    fresh.events = feed->events;
    fresh.limit = feed->limit;
    fresh.as_json = feed->as_json;
    fresh.answered = feed->answered;
    if (feed->parked || can_park(feed)) {
        fresh.parked = feed->parked ? feed->parked : feed->stream;
        fresh.version = feed->version;
        feed->version = NULL;
        if (!feed->parked)
            feed->stream = NULL;
        feed->parked = NULL;
    }
    rec_feed_free(feed);
    *feed = fresh;
}

void rec_feed_anew(struct rec_feed *feed)
{
    rec_feed_drop(feed);
    set(&feed->more, NULL);
    set(&feed->version, NULL);
    feed->stage = REC_OTHERS;
    feed->answered = 0;
    feed->cluster->relists++;
}

// A watch cannot go on from where it was: from the list on, and not as fast as that can be said again.
static void list_anew(struct rec_feed *feed)
{
    rec_feed_anew(feed);
    again(feed, feed->misses ? rec_backoff(feed->misses - 1, RETRY_MS, MISSED_CAP) : 0);
    feed->misses++;
}

static void read_watch(struct rec_feed *feed);

// ---- starting ----

// A watch may begin with what the server has in memory, which may be behind by a moment: the watch tells the rest. The
// second list is of no earlier moment than the first, from which that watch goes on. NULL: what is true now, as for one
// reading, and after a watch that could not go on. The caller's.
static char *from_memory(const struct rec_feed *feed)
{
    if (!feed->cluster->run->watching || feed->misses || feed->failures || feed->more ||
        (feed->limit && !feed->parked))
        return NULL;
    if ((feed->stage == REC_OURS || (feed->stage == REC_OTHERS && feed->parked)) && feed->version)
        return ist_printf("resourceVersion=%s&resourceVersionMatch=NotOlderThan", feed->version);
    return feed->stage == REC_OTHERS && !feed->listed ? ist_strdup("resourceVersion=0") : NULL;
}

static char *url_of(const struct rec_feed *feed, const char *path, int64_t seconds)
{
    const ist_reconciler *run = feed->cluster->run;
    const char *base = feed->cluster->kube->base;
    if (feed->stage == REC_WATCH)
        return ist_printf("%s%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%lld&resourceVersion=%s",
                          base, path, (long long)seconds, feed->version);
    char *labels =
        kind_of(feed)->flags & IST_KIND_WRITTEN && !(feed->whole && feed->stage == REC_OTHERS)
            ? ist_printf("%s%s%s", IST_LABEL_OWNER, feed->stage == REC_OURS ? "=" : "!=", run->owner)
            : NULL;
    char *query = kube_list_query(labels, NULL, feed->limit, feed->more);
    char *from = from_memory(feed);
    char *url = ist_printf("%s%s%s%s%s", base, path, query,
                           !from    ? ""
                           : *query ? "&"
                                    : "?",
                           from ? from : "");
    ist_free(from);
    ist_free(labels);
    ist_free(query);
    return url;
}

static int32_t open_stream(struct rec_feed *feed, ist_error *err)
{
    ist_kube *kube = feed->cluster->kube;
    char *path = NULL;
    int32_t rc = kube_path(kube, kind_of(feed)->api, kind_of(feed)->kind, NULL, NULL, &path, err);
    if (rc != IST_OK)
        return rc;
    feed->minted = kube->minted;
    feed->told = 0;
    int64_t seconds = WATCH_MIN_S + (int64_t)(rec_backoff(20, 1, WATCH_MAX_S - WATCH_MIN_S));
    char *url = url_of(feed, path, seconds);
    const char *headers[3] = {listing(feed) ? rec_list_accept(feed) : REC_ACCEPT_JSON, kube->authorization};
    char *label = ist_printf("kubernetes %s: %s %s", kube->name, listing(feed) ? "list" : "watch", path);
    ist_http_request request = {.size = sizeof request,
                                .method = "GET",
                                .url = url,
                                .headers = headers,
                                .read = 1,
                                .request_ms = listing(feed) ? 2 * REC_BODY_MS : (seconds + 30) * 1000,
                                .label = label};
    rc = ist_http_stream_open(kube->http, &request, &feed->stream, err);
    ist_free(label);
    ist_free(url);
    ist_free(path);
    return rc;
}

// What is ours was not compared yet, and can be had in the same list.
static int is_first(const struct rec_feed *feed)
{
    return feed->stage == REC_OTHERS && feed->cluster->run->watching && !feed->compared &&
           kind_of(feed)->flags & IST_KIND_WRITTEN;
}

static void start(struct rec_feed *feed, int64_t now)
{
    ist_error err = {0};
    if (feed->stage == REC_WATCH && feed->parked) { // it was whole when it was put aside
        feed->stream = feed->parked;
        feed->parked = NULL;
        feed->told = rec_version(feed->version);
        feed->began = feed->heard_at = now;
        rec_cluster_listed(feed->cluster);
        read_watch(feed); // what came meanwhile
        return;
    }
    int32_t rc = kube_connect_soon(feed->cluster->kube, 0, &err);
    if (rc == IST_AGAIN) { // its credentials are being made
        feed->retry_at = now + REC_LOGIN_MS;
        return;
    }
    if (feed->stage == REC_OTHERS && !feed->more) {
        json_decref(feed->unmarked);
        feed->unmarked = NULL;
    }
    if (listing(feed) && !feed->more) {
        feed->round++;
        feed->relist = feed->listed;
        rec_aside_begin(feed, is_first(feed));
    }
    if (feed->limit == 0 && !listing(feed))
        feed->limit = PAGE;
    feed->began = feed->heard_at = now;
    if (rc != IST_OK || open_stream(feed, &err) != IST_OK)
        failed(feed, &err);
}

// What is ours is compared in the order of creation: what is wanted of the first of a key tells of the others, where
// their metadata is enough. Else nothing has to wait.
static int is_turn(const struct rec_feed *feed)
{
    const struct rec_feed *feeds = feed->cluster->feeds;
    if (!(kind_of(feed)->flags & IST_KIND_BY_METADATA))
        return 1;
    for (size_t i = 0; i < feed->kind; i++)
        if (feeds[i].stage != REC_OFF && !feeds[i].compared)
            return 0;
    return 1;
}

// A list that stands still would hold up everything: neither its stream nor its connection need be whole.
static void watch_over(struct rec_feed *feed, int64_t now, int64_t *until)
{
    ist_error err = {0};
    int64_t end = feed->heard_at + (int64_t)SILENT_MS * (feed->failures < 3 ? 1 + feed->failures : 3);
    if (now < end) {
        *until = end < *until ? end : *until;
        return;
    }
    ist_fail(&err, IST_ERR_TIMEOUT, feed->cluster->item->name,
             "nothing of the list of %s has come for %lld s", kind_of(feed)->kind,
             (long long)(now - feed->heard_at) / 1000);
    failed(feed, &err);
    *until = now;
}

static void ours_whole(struct rec_feed *feed)
{
    rec_see_unmarked(feed);
    rec_sweep(feed, 1);
    rec_aside_drop(feed);
    feed->compared = 1;
    feed->stage = feed->cluster->outdated[feed->kind] ? REC_OFF : REC_WATCH;
}

static void compare_aside(struct rec_feed *feed, int64_t now, int64_t *until)
{
    ist_error err = {0};
    int more = 0;
    *until = now;
    if (rec_aside_take(feed, &more, &err) != IST_OK) {
        rec_aside_drop(feed);
        failed(feed, &err);
    } else if (!more) {
        ours_whole(feed);
        rec_cluster_listed(feed->cluster);
    }
}

void rec_feed_step(struct rec_feed *feed, int64_t now, int64_t *until)
{
    ist_reconciler *run = feed->cluster->run;
    int synced = feed->cluster->state == IST_CLUSTER_SYNCED; // only then the model is asked what it wants
    if (feed->stage == REC_WAIT && run->settled && synced) {
        feed->compared = !(kind_of(feed)->flags & IST_KIND_WRITTEN);
        feed->stage = feed->compared ? REC_WATCH : REC_OURS;
        if (feed->compared)
            rec_cluster_listed(feed->cluster);
    }
    if (feed->stream && listing(feed))
        watch_over(feed, now, until);
    if (feed->stage == REC_OFF || feed->stage == REC_WAIT || feed->stream || feed->cluster->phase != REC_RUN)
        return;
    if ((feed->stage == REC_WATCH && !run->watching) ||
        (feed->stage == REC_OURS && (!synced || !is_turn(feed))))
        return;
    if (feed->stage == REC_OURS && rec_aside_has(feed)) {
        compare_aside(feed, now, until);
        return;
    }
    if (feed->retry_at > now) {
        if (feed->retry_at < *until)
            *until = feed->retry_at;
        return;
    }
    start(feed, now);
}

// ---- answers that are none ----

static void refused(struct rec_feed *feed, int status, const char *bytes, size_t len)
{
    if (status == 403 && feed->cluster->outdated[feed->kind]) { // who may not look has made none
        feed->compared = 1;
        feed->stage = REC_OFF;
        again(feed, 0);
        rec_cluster_listed(feed->cluster);
        return;
    }
    if (status == 410) {
        if (!listing(feed)) {
            list_anew(feed);
            return;
        }
        int paged = feed->more != NULL;
        again(feed, paged && feed->limit && feed->failures == 0 ? 0 : -1);
        feed->limit = paged ? 0 : feed->limit; // the page expired: once more, whole
        set(&feed->more, NULL);
        return;
    }
    json_t *answer = kube_proto_answer(bytes, len);
    ist_error err = {0};
    int64_t asked = feed->stream ? http_stream_retry_after(feed->stream) : 0;
    char *path = ist_printf("%s %s", feed->stage == REC_WATCH ? "watch" : "list", kind_of(feed)->kind);
    struct kube_request request = {.method = "GET", .path = path};
    if (!answer && ist_json_parse(bytes, len, path, &answer, NULL) != IST_OK)
        answer = json_stringn(bytes, len < 500 ? len : 500);
    kube_status_error(feed->cluster->kube, &request, status, answer, &err);
    json_decref(answer);
    ist_free(path);
    if (status == 401 && feed->failures == 0) { // the token ran out, or was revoked
        ist_error why = {0};
        const char *date = feed->stream ? http_stream_date(feed->stream) : NULL;
        const int have = rec_cluster_login(feed->cluster, feed->minted, date, &why);
        feed->failures++;
        again(feed, 0);
        if (have)
            return;
        err = why;
    }
    failed(feed, &err);
    int64_t at = ist_now_ms(&feed->cluster->run->env) + (asked < ASKED_CAP ? asked : ASKED_CAP);
    if (asked && feed->retry_at < at)
        feed->retry_at = at;
}

// ---- lists ----

static void page_whole(struct rec_feed *feed)
{
    json_t *head = NULL;
    ist_error err = {0};
    int32_t rc = rec_list_end(feed, &head, &err);
    if (rc != IST_OK) {
        failed(feed, &err);
        return;
    }
    const char *more = ist_json_str(head, "metadata.continue");
    set(&feed->more, more);
    if (!feed->more)
        feed->failures = 0;
    if (!feed->more && feed->stage == REC_OTHERS) {
        set(&feed->version, ist_json_str(head, "metadata.resourceVersion"));
        rec_sweep(feed, 0);
        feed->listed = 1;
        feed->stage = REC_WAIT;
    } else if (!feed->more) {
        ours_whole(feed);
    }
    json_decref(head);
    again(feed, 0);
    rec_cluster_listed(feed->cluster);
}

static void read_list(struct rec_feed *feed)
{
    const char *bytes;
    size_t len, used;
    int ended;
    ist_error err = {0}, broken = {0};
    int32_t rc = ist_http_stream_read(feed->stream, &bytes, &len, &ended, &err);
    int status = ist_http_stream_status(feed->stream);
    if (status) {
        rec_cluster_heard(feed->cluster);
        feed->heard_at = feed->cluster->heard_at;
    }
    if (rc == IST_OK && status != 0 && status != 200) {
        if (ended)
            refused(feed, status, bytes, len);
        return;
    }
    if (status == 0 || (len < KUBE_PROTO_MAGIC && !ended))
        return; // it cannot be told what it is
    int32_t fed = rec_list_feed(feed, bytes, len, &used, &broken);
    ist_http_stream_take(feed->stream, used);
    if (fed == IST_ERR_LIMIT && feed->limit > 5)
        feed->limit /= 10;
    if (rc != IST_OK)
        failed(feed, &err);
    else if (fed != IST_OK)
        failed(feed, &broken);
    else if (ended)
        page_whole(feed);
}

// ---- watches ----

// The list that a watch goes on after holds it already.
static int is_told(const struct rec_feed *feed, const json_t *object)
{
    const char *version = ist_json_str(object, "metadata.resourceVersion");
    uint64_t its = version && feed->told ? rec_version(version) : 0;
    return its && (its == feed->told || rec_version_older(its, feed->told));
}

// What of that is to be seen all the same: that an object went. Its version may be its last one in place of that of its
// deletion, which then came after the list; and an object that is not in the list cannot go once more.
static void see_told(struct rec_feed *feed, json_t *object, const char *type)
{
    feed->failures = feed->misses = 0;
    if (!strcmp(type, "DELETED"))
        rec_see(feed, object, 1, 0);
}

// One line. 0: the try is over.
static int take_line(struct rec_feed *feed, const char *line, size_t len)
{
    json_t *event = NULL;
    ist_error err = {0};
    const ist_reconciler_kind *kind = kind_of(feed); // what may be ours is read whole
    int32_t rc = kube_parse_without(line, len, kind->flags & IST_KIND_WRITTEN ? NULL : kind->unread,
                                    kind->kind, &event, &err);
    const char *type = ist_json_str_or(event, "type", "");
    json_t *object = json_object_get(event, "object");
    int go_on = 1;
    if (rc == IST_OK && !strcmp(type, "ERROR")) {
        char *text = ist_json_text(object);
        refused(feed, (int)ist_json_int(object, "code", 500), text, strlen(text));
        ist_free(text);
        go_on = 0;
    } else if (rc == IST_OK && is_told(feed, object)) {
        see_told(feed, object, type);
    } else if (rc == IST_OK && ist_json_str(object, "metadata.resourceVersion")) {
        set(&feed->version, ist_json_str(object, "metadata.resourceVersion"));
        feed->failures = feed->misses = 0;
        if (strcmp(type, "BOOKMARK") != 0) {
            feed->events++;
            rec_see(feed, object, !strcmp(type, "DELETED"), 0);
        }
    } else { // what this line would have said is lost: only a new list makes it good
        if (rc == IST_OK)
            ist_fail(&err, IST_ERR_REMOTE, kind_of(feed)->kind,
                     "a watch event of type \"%.40s\" that is none", type);
        list_anew(feed);
        rec_cluster_fault(feed->cluster, &err);
        go_on = 0;
    }
    json_decref(event);
    return go_on;
}

static void watch_ended(struct rec_feed *feed, int32_t rc, const ist_error *err)
{
    int64_t lasted = ist_now_ms(&feed->cluster->run->env) - feed->began;
    if (rc == IST_OK && lasted >= SHORT_MS)
        feed->failures = feed->misses = 0;
    if (rc != IST_OK)
        failed(feed, err);
    else
        again(feed, lasted < SHORT_MS ? -1 : 0);
}

static void read_watch(struct rec_feed *feed)
{
    const char *bytes;
    size_t len, at = 0;
    int ended;
    ist_error err = {0};
    int32_t rc = ist_http_stream_read(feed->stream, &bytes, &len, &ended, &err);
    int status = ist_http_stream_status(feed->stream);
    if (status)
        rec_cluster_heard(feed->cluster);
    if (rc == IST_OK && status != 0 && status != 200) {
        if (ended)
            refused(feed, status, bytes, len);
        return;
    }
    while (at < len) {
        const char *end = memchr(bytes + at, '\n', len - at);
        if (!end)
            break;
        size_t line = (size_t)(end - bytes) - at;
        if (line && !take_line(feed, bytes + at, line))
            return;
        at += line + 1;
    }
    ist_http_stream_take(feed->stream, at);
    if (status == 200 && !feed->answered) { // and not to say that it cannot go on
        feed->answered = 1;
        rec_cluster_listed(feed->cluster);
    }
    if (ended)
        watch_ended(feed, rc, &err);
}

void rec_feed_read(struct rec_feed *feed)
{
    if (feed->stage == REC_WATCH)
        read_watch(feed);
    else
        read_list(feed);
}
