// Workers as the engine sees them: one plugin in a process of its own, asked one operation at a time over a
// socketpair (wire.h). Nothing here blocks but where it says so; the engine polls worker_fd().
#ifndef CORE_HOST_WORKER_H
#define CORE_HOST_WORKER_H

#include "host/catalog.h"

struct worker;

struct worker_options {
    const char *worker_path; // NULL: found beside the program or in libexec
    int lock_fd; // the state's lock, inherited so that no new run starts while this one lives; -1: none
    bool trace;
    bool input;        // what is piped into this process is for the worker: commands for people
    size_t memory_max; // RLIMIT_AS; 0: 4 GiB
    size_t talk_max;   // lines of log, progress and print in a second, more is a flood; 0: 20000
};

int worker_start(const struct plugin_info *plugin, const struct worker_options *options,
                 struct worker **worker, ist_error *err);
int worker_fd(const struct worker *worker);
pid_t worker_pid(const struct worker *worker);

// One operation. All JSON is borrowed.
struct worker_request {
    uint32_t operation; // IST_OP_...; 0: a command for people
    const char *step;
    const json_t *inputs;                             // object
    const json_t *observed, *recorded, *last_outputs; // may be NULL
    const json_t *unknown;                            // of check: array of paths; NULL: all inputs are known
    const char *run_dir;                              // made by the worker when the plugin asks for it
    int64_t timeout_ms;
    const char *command_word, *command_name; // of a command
    const json_t *command_args;
    // Of observe and plan, which follows it: the number of this reading of the step, unlike any other's. What has
    // crossed for a reading's observe, and what that observed, does not cross again for its plan. 0: it does.
    uint64_t reading;
};
int worker_ask(struct worker *worker, const struct worker_request *request, ist_error *err);

// What the worker says, one event a call: worker_read() returns 1 with an event, 0 when nothing is there now,
// -1 when the worker is gone or broke the wire (err says how: "segmentation fault", "flooded", "frame of 17
// MiB").
enum worker_event_type {
    WORKER_LOG,
    WORKER_PROGRESS,
    WORKER_SECRET,
    WORKER_OBSERVED,
    WORKER_OUTPUT,
    WORKER_CHANGE,
    WORKER_FIELD,
    WORKER_CHECK,
    WORKER_PROBLEM,
    WORKER_INTENT,
    WORKER_OUTCOME,
    WORKER_PRINT,
    WORKER_STATUS,
    WORKER_RENEW,
    WORKER_ALIVE,
    WORKER_RESULT
};
struct worker_event {
    enum worker_event_type type;
    json_t *body;    // owned by the event: wire.h says its shape
    ist_error error; // WORKER_RESULT: code IST_OK or why
};
int worker_read(struct worker *worker, struct worker_event *event, ist_error *err);
void worker_event_free(struct worker_event *event);

// Answers an intent or outcome: the call in the worker is waiting for it. token NULL for an outcome.
int worker_answer(struct worker *worker, int32_t code, const char *token);
// New inputs (borrowed) for the watch that is under way.
int worker_renew(struct worker *worker, const json_t *inputs, ist_error *err);
// Asks the watch that is under way whether it lives: WORKER_ALIVE is the answer.
void worker_ask_alive(struct worker *worker);
void worker_cancel(struct worker *worker); // a frame plus the cancel fd; ends waits
void worker_kill(struct worker *worker);   // SIGKILL to its process group
void worker_free(struct worker *worker);   // closes and reaps; kills what still runs after a grace of 2 s
// For the read-only operations: workers are kept and reused by plugin.
struct worker_pool;
struct worker_pool *worker_pool_new(const struct worker_options *options, size_t max_idle);
int worker_pool_take(struct worker_pool *pool, const struct plugin_info *plugin, struct worker **worker,
                     ist_error *err);
void worker_pool_give(struct worker_pool *pool, struct worker *worker); // only after a clean result
// Idle workers of another pool go over to this one, as many as it keeps. They are as they were started.
void worker_pool_move(struct worker_pool *pool, struct worker_pool *from);
void worker_pool_free(struct worker_pool *pool);

#endif
