// The engine: works out what differs from the world, and makes it so.
#ifndef CORE_ENGINE_ENGINE_H
#define CORE_ENGINE_ENGINE_H

#include "config/pipeline.h"
#include "host/worker.h"
#include "render/render.h"
#include "state/store.h"

enum run_kind { RUN_PLAN, RUN_APPLY, RUN_DESTROY, RUN_VERIFY, RUN_WATCH };

struct run_options {
    enum run_kind kind;
    int jobs;
    const char *const *only; // --only STEP (and what it needs is observed, not changed)
    size_t only_count;
    const char *const *forget; // --forget STEP: its system cannot be reached; state lets go of it
    size_t forget_count;
    bool yes, allow_deferred, trace;
    bool detailed;        // apply: EXIT_CHANGES when something was changed
    const char *plan_out; // plan -o FILE
    const char *plan_in;  // apply FILE
};

// Exit codes of the command.
#define EXIT_DONE        0
#define EXIT_ERROR       1
#define EXIT_CHANGES     2 // with --detailed-exitcode
#define EXIT_PARTLY      3
#define EXIT_INTERRUPTED 130

// Runs to the end. Returns an exit code; all that happens goes to `render`. SIGINT: the first starts nothing
// new and cancels waits, the second kills workers.
int engine_run(struct pipeline *pipeline, struct catalog *catalog, struct store *store, struct render *render,
               const struct run_options *options);

#endif
