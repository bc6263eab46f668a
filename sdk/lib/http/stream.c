// Answers that are read as they come (watches): the streams of a session share one curl multi handle, driven
// by its socket callbacks so that one poll() can wait over the streams of many sessions.
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_ROOM                                                                                          \
    (80u << 20) // one unread event or page at most; a reader that falls behind is not waited for

#define KEEP_ROOM (128u << 10)
#define LATE_MS   500 // curl's own end of a transfer comes first, and says more

struct http_hub {
    CURLM *multi;
    struct pollfd *fds;
    size_t count, room;
    int64_t timer_at; // monotonic; -1: none
    int single;       // the server speaks HTTP/1: a stream a connection
    int left;         // no new stream comes here: it goes with its last one
    ist_http_stream *first;
};

struct ist_http_stream {
    struct http_hub *hub;
    ist_http_stream *next; // of the same hub
    int64_t until;         // monotonic; INT64_MAX: no end
    CURL *easy;
    struct curl_slist *list;
    char *upload; // what is sent; NULL: nothing
    size_t upload_len, upload_at;
    http_gate *gate; // asked before the upload leaves
    void *gate_arg;
    ist_buf body;
    size_t taken; // bytes at the front of body that were taken already
    int fresh;    // something arrived since the last read
    int ended;
    CURLcode result;
    char reason[CURL_ERROR_SIZE];
    char where[192];
};

// ---- what curl tells ----

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    (void)socket_arg;
    struct http_hub *hub = arg;
    size_t i = 0;
    while (i < hub->count && hub->fds[i].fd != fd)
        i++;
    if (what == CURL_POLL_REMOVE) {
        if (i < hub->count)
            hub->fds[i] = hub->fds[--hub->count];
        return 0;
    }
    if (i == hub->count) {
        if (hub->count == hub->room) {
            hub->room = hub->room ? 2 * hub->room : 4;
            hub->fds = ist_realloc(hub->fds, hub->room, sizeof *hub->fds);
        }
        hub->count++;
    }
    short in = what == CURL_POLL_OUT ? 0 : POLLIN, out = what == CURL_POLL_IN ? 0 : POLLOUT;
    hub->fds[i] = (struct pollfd){.fd = fd, .events = (short)(in | out)};
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct http_hub *hub = arg;
    hub->timer_at = ms < 0 ? -1 : ist_now_ms(NULL) + ms;
    return 0;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    ist_http_stream *stream = arg;
    if (stream->taken >
        stream->body.len / 2) { // only here: what was lent out stays in place until the next read
        memmove(stream->body.data, stream->body.data + stream->taken, stream->body.len - stream->taken);
        stream->body.len -= stream->taken;
        stream->taken = 0;
    }
    if (ist_buf_add(&stream->body, bytes, size * count) != IST_OK)
        return 0;
    stream->fresh = 1;
    return size * count;
}

// The head counts as something new: a watch without events is known to be open by it alone.
static size_t on_head(char *bytes, size_t size, size_t count, void *arg)
{
    ist_http_stream *stream = arg;
    if (size * count <= 2)
        stream->fresh = 1;
    if (size * count > 6 && memcmp(bytes, "HTTP/1", 6) == 0)
        stream->hub->single = 1;
    return size * count;
}

// The last moment at which a request can be kept back: its body is about to leave.
static size_t on_upload(char *to, size_t size, size_t count, void *arg)
{
    ist_http_stream *stream = arg;
    size_t room = size * count, left = stream->upload_len - stream->upload_at;
    if (stream->gate && !stream->gate(stream->gate_arg))
        return CURL_READFUNC_ABORT;
    if (left > room)
        left = room;
    memcpy(to, stream->upload + stream->upload_at, left);
    stream->upload_at += left;
    return left;
}

// A kept connection turned out dead, and curl sends it all again over another.
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    ist_http_stream *stream = arg;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > stream->upload_len)
        return CURL_SEEKFUNC_FAIL;
    stream->upload_at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

// ---- one hub a session ----

static struct http_hub *hub_of(ist_http *session)
{
    if (session->hub)
        return session->hub;
    struct http_hub *hub = ist_calloc(1, sizeof *hub);
    hub->multi = curl_multi_init();
    if (!hub->multi)
        abort(); // out of memory, as everywhere
    hub->timer_at = -1;
    curl_multi_setopt(hub->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(hub->multi, CURLMOPT_SOCKETDATA, hub);
    curl_multi_setopt(hub->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(hub->multi, CURLMOPT_TIMERDATA, hub);
    curl_multi_setopt(hub->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    session->hub = hub;
    return hub;
}

void http_streams_anew(ist_http *session)
{
    struct http_hub *hub = session->hub;
    session->hub = NULL;
    if (hub && hub->first)
        hub->left = 1;
    else
        http_hub_free(hub);
}

void http_hub_free(struct http_hub *hub)
{
    if (!hub)
        return;
    curl_multi_cleanup(hub->multi);
    ist_free(hub->fds);
    ist_free(hub);
}

// Who has ended, and how.
static void hub_settle(struct http_hub *hub)
{
    int left;
    for (CURLMsg *m = curl_multi_info_read(hub->multi, &left); m;
         m = curl_multi_info_read(hub->multi, &left)) {
        for (ist_http_stream *stream = hub->first; stream && m->msg == CURLMSG_DONE; stream = stream->next) {
            if (stream->easy != m->easy_handle)
                continue;
            stream->ended = stream->fresh = 1;
            stream->result = m->data.result;
        }
    }
}

// curl has no eye on the time of a transfer that waits for a connection (libcurl 7.88: only of one that has it).
static void hub_time_out(struct http_hub *hub)
{
    int64_t now = ist_now_ms(NULL);
    for (ist_http_stream *stream = hub->first; stream; stream = stream->next) {
        if (stream->ended || now < stream->until)
            continue;
        curl_multi_remove_handle(hub->multi, stream->easy);
        stream->ended = stream->fresh = 1;
        stream->result = CURLE_OPERATION_TIMEDOUT;
    }
}

// Lets curl act on what its sockets are ready for, without waiting.
static void hub_pump(struct http_hub *hub)
{
    int running;
    size_t count = hub->count;
    struct pollfd *ready = ist_calloc(count + 1, sizeof *ready); // the callbacks change hub->fds meanwhile
    memcpy(ready, hub->fds ? hub->fds : ready, count * sizeof *ready);
    if (count && poll(ready, count, 0) > 0)
        for (size_t i = 0; i < count; i++) {
            int mask = (ready[i].revents & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
                       (ready[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                       (ready[i].revents & (POLLERR | POLLNVAL) ? CURL_CSELECT_ERR : 0);
            if (mask)
                curl_multi_socket_action(hub->multi, ready[i].fd, mask, &running);
        }
    ist_free(ready);
    if (hub->timer_at >= 0 && ist_now_ms(NULL) >= hub->timer_at) {
        hub->timer_at = -1;
        curl_multi_socket_action(hub->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    hub_settle(hub);
    hub_time_out(hub);
}

// ---- streams ----

static void set_upload(ist_http_stream *stream, const ist_http_request *request)
{
    stream->upload_len = request->body_len;
    stream->upload = ist_strndup(request->body, request->body_len);
    stream->list = curl_slist_append(stream->list, "Expect:"); // no 100-continue
    curl_easy_setopt(stream->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(stream->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    curl_easy_setopt(stream->easy, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(stream->easy, CURLOPT_READDATA, stream);
    curl_easy_setopt(stream->easy, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(stream->easy, CURLOPT_SEEKDATA, stream);
}

int32_t ist_http_stream_open(ist_http *session, const ist_http_request *request, ist_http_stream **stream,
                             ist_error *err)
{
    ist_http_stream *made = ist_calloc(1, sizeof *made);
    http_where(request, made->where, sizeof made->where);
    int32_t rc = http_check_read_only(&session->env, request, made->where, err);
    if (rc != IST_OK) {
        ist_free(made);
        return rc;
    }
    made->hub = hub_of(session);
    made->body.max = STREAM_ROOM;
    made->easy = http_easy(session, request->url);
    for (size_t i = 0; request->headers && request->headers[i]; i++)
        made->list = curl_slist_append(made->list, request->headers[i]);
    if (request->body)
        set_upload(made, request);
    curl_easy_setopt(made->easy, CURLOPT_HTTPHEADER, made->list);
    curl_easy_setopt(made->easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(made->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(made->easy, CURLOPT_WRITEDATA, made);
    curl_easy_setopt(made->easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(made->easy, CURLOPT_HEADERDATA, made);
    curl_easy_setopt(made->easy, CURLOPT_ERRORBUFFER, made->reason);
    curl_easy_setopt(made->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    // A peer that went away without a word is found by keep-alive probes, not by waiting for the next event.
    curl_easy_setopt(made->easy, CURLOPT_TCP_KEEPIDLE, 20L);
    curl_easy_setopt(made->easy, CURLOPT_TCP_KEEPINTVL, 5L);
    made->until = INT64_MAX;
    if (request->request_ms > 0) {
        curl_easy_setopt(made->easy, CURLOPT_TIMEOUT_MS, (long)request->request_ms);
        made->until = ist_now_ms(NULL) + request->request_ms + LATE_MS;
    }
    http_trace_request(&session->env, request);
    struct http_hub *hub = made->hub;
    // Rather share a connection than open another; but where none can be shared curl would wait for a watch to end.
    curl_easy_setopt(made->easy, CURLOPT_PIPEWAIT, hub->single ? 0L : 1L);
    made->next = hub->first;
    hub->first = made;
    curl_multi_add_handle(hub->multi, made->easy);
    *stream = made;
    return IST_OK;
}

void ist_http_stream_close(ist_http_stream *stream)
{
    if (!stream)
        return;
    struct http_hub *hub = stream->hub;
    for (ist_http_stream **at = &hub->first; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    curl_multi_remove_handle(hub->multi, stream->easy);
    curl_easy_cleanup(stream->easy);
    curl_slist_free_all(stream->list);
    ist_buf_free(&stream->body);
    ist_free(stream->upload);
    ist_free(stream);
    if (hub->left && !hub->first)
        http_hub_free(hub);
}

void http_stream_gate(ist_http_stream *stream, http_gate *gate, void *arg)
{
    stream->gate = gate;
    stream->gate_arg = arg;
}

int http_stream_fresh(const ist_http_stream *stream)
{
    return stream->fresh;
}

int64_t http_stream_retry_after(const ist_http_stream *stream)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 && seconds < 86400 ? (int64_t)seconds * 1000 : 0;
}

const char *http_stream_date(const ist_http_stream *stream)
{
    struct curl_header *date = NULL;
    return curl_easy_header(stream->easy, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK ? date->value
                                                                                           : NULL;
}

int ist_http_stream_status(const ist_http_stream *stream)
{
    long status = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

int32_t ist_http_stream_read(ist_http_stream *stream, const char **bytes, size_t *len, int *ended,
                             ist_error *err)
{
    if (!stream->ended && !stream->fresh)
        hub_pump(stream->hub);
    stream->fresh = 0;
    *bytes = stream->body.data ? stream->body.data + stream->taken : "";
    *len = stream->body.len - stream->taken;
    *ended = stream->ended;
    if (!stream->ended || stream->result == CURLE_OK)
        return IST_OK;
    if (stream->result == CURLE_WRITE_ERROR)
        return ist_fail(err, IST_ERR_LIMIT, stream->where, "more than %u bytes at once", STREAM_ROOM);
    return ist_fail(err, IST_ERR_NETWORK, stream->where, "%s",
                    stream->reason[0] ? stream->reason : curl_easy_strerror(stream->result));
}

void ist_http_stream_take(ist_http_stream *stream, size_t len)
{
    size_t left = stream->body.len - stream->taken;
    stream->taken += len < left ? len : left;
    if (stream->taken < stream->body.len)
        return;
    stream->taken = stream->body.len = 0;
    if (stream->body.room > KEEP_ROOM) // a burst is over
        ist_buf_free(&stream->body);
}

// ---- waiting ----

static int any_fresh(ist_http_stream *const *streams, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (streams[i] && streams[i]->fresh)
            return 1;
    return 0;
}

// The hubs of the streams, each once. Returns how many.
static size_t hubs_of(ist_http_stream *const *streams, size_t count, struct http_hub **hubs)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct http_hub *hub = streams[i] ? streams[i]->hub : NULL;
        size_t k = 0;
        while (k < n && hubs[k] != hub)
            k++;
        if (hub && k == n)
            hubs[n++] = hub;
    }
    return n;
}

// One poll over everything: IST_OK when something happened or a timer of curl's is due.
static int32_t wait_once(const ist_env *env, int wake, struct http_hub *const *hubs, size_t n, int64_t until)
{
    size_t total = 2;
    for (size_t i = 0; i < n; i++) {
        total += hubs[i]->count;
        if (hubs[i]->timer_at >= 0 && hubs[i]->timer_at < until)
            until = hubs[i]->timer_at;
        for (const ist_http_stream *stream = hubs[i]->first; stream; stream = stream->next)
            if (!stream->ended && stream->until < until)
                until = stream->until;
    }
    struct pollfd *fds = ist_calloc(total, sizeof *fds);
    fds[0] = (struct pollfd){.fd = env && env->host ? env->host->cancel_fd(env->call) : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = wake, .events = POLLIN};
    size_t at = 2;
    for (size_t i = 0; i < n; i++) {
        if (hubs[i]->count)
            memcpy(fds + at, hubs[i]->fds, hubs[i]->count * sizeof *fds);
        at += hubs[i]->count;
    }
    int64_t left = until - ist_now_ms(NULL);
    int got = poll(fds, total, left <= 0 ? 0 : left > 60000 ? 60000 : (int)left);
    int stop = got > 0 && fds[0].revents, woken = got > 0 && fds[1].revents;
    ist_free(fds);
    return stop ? IST_ERR_CANCELLED : woken ? IST_AGAIN : IST_OK;
}

int32_t ist_http_stream_wait(const ist_env *env, ist_http_stream *const *streams, size_t count, int64_t ms,
                             ist_error *err)
{
    return http_stream_wait(env, -1, streams, count, ms, err);
}

int32_t http_stream_wait(const ist_env *env, int wake, ist_http_stream *const *streams, size_t count,
                         int64_t ms, ist_error *err)
{
    int64_t until = ist_now_ms(NULL) + (ms < 0 ? INT32_MAX : ms);
    int64_t left = ist_remaining_ms(env);
    int64_t deadline = left > INT32_MAX ? INT64_MAX : ist_now_ms(NULL) + left;
    struct http_hub **hubs = ist_calloc(count + 1, sizeof *hubs);
    size_t n = hubs_of(streams, count, hubs);
    int32_t rc = IST_OK;
    for (size_t i = 0; i < n && ms <= 0; i++) // one that never has time to wait reads all the same
        hub_pump(hubs[i]);
    while (rc == IST_OK && !any_fresh(streams, count)) {
        int64_t now = ist_now_ms(NULL);
        if (now >= deadline)
            rc = ist_fail(err, IST_ERR_TIMEOUT, "watch", "the deadline of this operation has passed");
        else if (now >= until)
            rc = IST_AGAIN;
        else
            rc = wait_once(env, wake, hubs, n, until < deadline ? until : deadline);
        if (rc == IST_ERR_CANCELLED)
            ist_fail(err, rc, "watch", "cancelled");
        for (size_t i = 0; i < n && rc == IST_OK; i++)
            hub_pump(hubs[i]);
    }
    ist_free(hubs);
    return rc;
}
