// The engine: works out what differs from the world, and makes it so.
#ifndef CORE_ENGINE_ENGINE_H
#define CORE_ENGINE_ENGINE_H

#include "config/pipeline.h"
#include "host/worker.h"
#include "render/render.h"
#include "state/store.h"

enum run_kind { RUN_PLAN, RUN_APPLY, RUN_DESTROY, RUN_VERIFY, RUN_WATCH };

// Of a watch alone.
struct watch_options {
    const char *listen; // "127.0.0.1:9464", "none"; NULL: the default, and none when that is taken
    bool listen_public; // an address that other machines reach may be named
    int64_t refresh_ms; // how often what the inputs are derived from is read anew; 0: only when a plugin asks
    int64_t patience_ms; // how long a worker may give no sign of life
    // Reads the configuration again, for SIGHUP; the three are the caller's then. All that is wrong has been told when
    // it is not 0, and *why (ist_free) is the first of it, with its place. NULL: it cannot be read again.
    int (*reload)(void *arg, const char *pipeline, struct config **config, struct catalog **catalog,
                  struct pipeline **loaded, char **why);
    void *reload_arg;
};

struct run_options {
    enum run_kind kind;
    int jobs;
    const char *const *only; // --only STEP (and what it needs is observed, not changed)
    size_t only_count;
    const char *const *forget; // --forget STEP or SYSTEM: it cannot be reached; state lets go of it
    size_t forget_count;
    const char *dir; // -C DIR as it was given, for commands that are told; NULL: none was
    bool yes, allow_deferred, trace;
    bool detailed;        // apply: EXIT_CHANGES when something was changed
    const char *plan_out; // plan -o FILE
    const char *plan_in;  // apply FILE
    struct watch_options watch;
    struct worker_pool
        *workers; // idle ones of these plugins, which a run that only reads makes use of; NULL: none
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
