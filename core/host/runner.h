// Runs one operation of a plugin that is loaded into this process: the host's table, answered by a sink. The
// worker's sink is the wire; `plugin run --in-process` and unit tests have theirs in memory.
#ifndef CORE_HOST_RUNNER_H
#define CORE_HOST_RUNNER_H

#include "host/renewal.h"

#include <isthmus/error.h>
#include <isthmus/plugin.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

// Cancelling: `flag` is set and `fd` becomes readable, once. Made by whoever owns the operation.
struct cancel {
    atomic_int flag;
    int fd; // eventfd
};
int cancel_init(struct cancel *cancel); // 0, or -1: no descriptor to be had
void cancel_now(struct cancel *cancel); // from any thread, and from a signal handler
void cancel_reset(struct cancel *cancel);
void cancel_close(struct cancel *cancel);

// What an operation is given; all borrowed. Trees are in the form of value.h.
struct runner_request {
    uint32_t operation; // IST_OP_..., 0: the command `word` `name`
    const char *step;
    const json_t *inputs, *observed, *recorded, *last_outputs; // NULL: empty
    const json_t *unknown;     // of check: paths of inputs that are not known yet; NULL: all are
    const json_t *environment; // what environment() finds beside the process's own; NULL: nothing
    const char *run_dir;       // made (0700, and up to two folders above it) when the plugin asks for it
    int64_t timeout_ms;        // 0: an hour
    bool trace;
    struct renewal *renewal; // of a watch; NULL: its inputs stay as they are
    const char *word, *name;
    const json_t *args;
};

// Where it goes. Events have the shapes of wire.h ("log" to "result"). event() is called from the thread of
// the operation, "log" from any.
struct runner_sink {
    // Steals. IST_OK, or IST_ERR_LIMIT: too large to be told, which fails the operation.
    int32_t (*event)(void *arg, json_t *event);
    // An intent or outcome that has to be durable: returns the code, and for an intent the token. Steals.
    int32_t (*journal)(void *arg, json_t *event, char token[65]);
    void *arg;
};

// The table that plugins are handed. Static.
const ist_host *runner_host(void);
// Runs it and sends the result event last. Returns the operation's code.
int32_t runner_run(const ist_plugin *plugin, const struct runner_request *request, struct cancel *cancel,
                   const struct runner_sink *sink);
const char *operation_name(uint32_t operation); // "observe", ...; "command" for 0
uint32_t operation_of_name(const char *name);   // 0 when there is none of that name
const char *action_name(uint32_t action);       // "create", "update", "replace", "delete"
const char *check_name(uint32_t result);        // "pass", "fail", "warn", "skip"
ist_operation *plugin_operation(const ist_plugin *plugin, uint32_t operation); // NULL when it has none

#endif
