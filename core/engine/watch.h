// The control socket of `isthmus watch`: what other commands ask a supervisor that runs.
#ifndef CORE_ENGINE_WATCH_H
#define CORE_ENGINE_WATCH_H

#include <jansson.h>

// What the watch of a pipeline says of itself: {pid, seconds, listen: URL or null, reloads, failed_reloads,
// reloaded_ms, reload_error: string or null, steps: {name: {plugin, state: "watching" | "waiting" (for its time to
// begin anew) | "unread" (what it needs cannot be read) | "leaving", since_ms, restarts, text, inputs, status: what
// the plugin told (plugin.h) or null}}}. NULL when none runs; empty when it is too busy to say. New reference.
// `state` is the path of the state.
json_t *watch_ask(const char *state, const char *pipeline);

#endif
