// The supervisor of `isthmus watch`: what it has beside the workers. Everything here runs in the engine's one loop
// and nothing of it may wait: the control socket, the metrics page, the service manager, reading anew.
#ifndef CORE_ENGINE_SUPERVISOR_H
#define CORE_ENGINE_SUPERVISOR_H

#include "engine/run.h"

#include <poll.h>

#define SUPERVISOR_CLIENTS 8
#define SUPERVISOR_FDS     (2 + SUPERVISOR_CLIENTS) // at most: control socket, page, who is answered

struct page;
struct notify;

// One that asked at the control socket, and has not read all of its answer.
struct client {
    int fd;
    char *text; // owned
    size_t len, sent;
    int64_t until; // monotonic ms: then it is let go
};

struct supervisor {
    struct run *run; // borrowed
    int control_fd;
    struct client clients[SUPERVISOR_CLIENTS]; // text NULL: free
    struct page *page;                         // owned; NULL: none
    struct notify *notify;                     // owned; NULL: no service manager is there
    int64_t began;                             // monotonic ms
    int64_t alive_at; // monotonic ms: when the workers are asked next whether they live

    // Reading anew.
    int hangups; // SIGHUPs that were followed
    int64_t refreshed,
        tried;         // monotonic ms: what is derived was read last, all of it and any of it; 0: never
    int read_failures; // in a row
    int64_t reloads, failed_reloads, reloaded_ms; // wall clock; 0: never
    char *reload_error;                           // owned; NULL: the last one went well
    bool stopping;
    // What the last reload brought; owned, NULL before: the first ones are the caller's of engine_run().
    struct config *config;
    struct catalog *catalog;
    struct pipeline *pipeline;
};

// ---- watch.c
// The descriptors of a round, at most SUPERVISOR_FDS; their count.
size_t supervisor_fds(struct supervisor *s, struct pollfd *fds);
void supervisor_hear(struct supervisor *s, const struct pollfd *fds, size_t count);
void supervisor_tick(struct supervisor *s); // after each round
// Is the task a part of the watch? One that is read for others, or has gone, is not.
bool watch_part(const struct task *task);
// Its watch begins now; new inputs are there, and the one that was in its place has gone.
void watch_start(struct run *run, struct task *task);
// Tells a task to end, in the time that is granted to it; then it is killed.
void watch_end(struct run *run, struct task *task);

// ---- watch_control.c
int control_open(struct supervisor *s, ist_error *err);
void control_close(struct supervisor *s);
void control_accept(struct supervisor *s);
void control_write(struct supervisor *s, struct client *client);
// What the watch says of itself (watch.h), without secrets. New reference. `inputs`: those of the steps too.
json_t *control_status(struct supervisor *s, bool inputs);

// ---- watch_page.c: /metrics, /healthz, /readyz.
// NULL with *err when it cannot be. `given` false: the address is the default.
struct page *page_open(struct supervisor *s, const char *address, bool public_too, ist_error *err);
void page_close(struct page *page);
int page_fd(const struct page *page);
void page_run(struct page *page);              // after the descriptor was readable, and each round
const char *page_url(const struct page *page); // "http://127.0.0.1:9464"

// ---- watch_metrics.c
// The page in the text format 0.0.4 of Prometheus; ist_free. `said` as of control_status().
char *metrics_text(const json_t *said, const char *pipeline, const char *version);
// Why the watch is not ready, one line a reason; NULL when it is. ist_free.
char *readiness_text(const json_t *said);

// ---- watch_notify.c: sd_notify(3), written to $NOTIFY_SOCKET.
struct notify *notify_open(void); // NULL: nobody listens
void notify_close(struct notify *notify);
void notify_say(struct notify *notify, const char *format, ...) __attribute__((format(printf, 2, 3)));
void notify_status(struct notify *notify, const char *text); // only what is not said already
void notify_alive(struct notify *notify);                    // the watchdog, when its time has come

// ---- watch_read.c
void read_tick(struct supervisor *s); // reads anew when that is due; the loop goes on meanwhile

#endif
