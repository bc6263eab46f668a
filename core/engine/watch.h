// The control socket of `isthmus watch`: what other commands ask a supervisor that runs.
#ifndef CORE_ENGINE_WATCH_H
#define CORE_ENGINE_WATCH_H

#include <jansson.h>

// What the watch of a pipeline says of itself: {pid, since, steps: {name: {state: "watching"|"waiting",
// restarts, text, inputs}}}. NULL when none runs. New reference. `state` is the path of the state.
json_t *watch_ask(const char *state, const char *pipeline);

#endif
