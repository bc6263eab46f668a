// What `isthmus status` shows of a watch.
#ifndef CORE_CLI_STATUS_H
#define CORE_CLI_STATUS_H

#include "render/render.h"

// Adds to the status of a step what its watch says (a step of engine/watch.h; NULL: it is not watched): watch,
// watch_restarts, watch_says, and watch_status: {state, since_ms, restarts, text, ...what the plugin told}.
void status_add_watch(json_t *step, const json_t *watched);
// The lines below the line of a step; nothing when it is not watched.
void status_watch_text(struct render *render, const json_t *watch_status);
// Who watches the pipeline (engine/watch.h; null: nobody).
void status_watcher_text(struct render *render, const json_t *watch);

#endif
