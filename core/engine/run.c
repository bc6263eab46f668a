// A run from its beginning to its exit code.
#include "engine/run.h"
#include "engine/watch.h"
#include "host/folder.h"

#include <dirent.h>
#include <errno.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- the folder of the run

// What a killed run left behind; called by who holds the lock.
static void remove_stale(struct run *run)
{
    char *all = ist_printf("%s.run", store_path(run->store));
    DIR *dir = opendir(all);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end || pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        char *path = ist_printf("%s/%s", all, entry->d_name);
        remove_tree(path);
        ist_free(path);
    }
    if (dir)
        closedir(dir);
    ist_free(all);
}

static void make_run_dir(struct run *run)
{
    run->run_dir = ist_printf("%s.run/%d", store_path(run->store), (int)getpid());
    if (access(run->run_dir, F_OK) == 0)
        remove_tree(run->run_dir); // of a run long ago with this number
}

static void remove_run_dir(struct run *run)
{
    if (run->run_dir && access(run->run_dir, F_OK) == 0) {
        remove_tree(run->run_dir);
        char *all = ist_printf("%s.run", store_path(run->store));
        rmdir(all); // while other runs are in it, it stays
        ist_free(all);
    }
    ist_free(run->run_dir);
}

// ---- history

static void history_begin(struct run *run, const char *command)
{
    ist_error err = {0};
    if (store_run_begin(run->store, run->pipeline->name, command, &run->history, &err) != IST_OK)
        report_log(run, "", "warn", "the history was not written: %s", err.text);
}

static void history_end(struct run *run, int code)
{
    if (!run->history)
        return;
    json_t *steps = json_object();
    static const char *const words[] = {"", "ok", "failed", "skipped", "interrupted"};
    for (size_t i = 0; i < run->count; i++)
        if (run->tasks[i].changed || run->tasks[i].result != RESULT_OK)
            json_object_set_new(steps, run->tasks[i].name, json_string(words[run->tasks[i].result]));
    json_t *summary = json_pack("{s:i, s:o}", "exit", code, "steps", steps);
    if (run->options->kind == RUN_VERIFY)
        json_object_update_new(summary, json_pack("{s:I, s:I}", "passed", (json_int_t)run->passed, "failed",
                                                  (json_int_t)run->failed_checks));
    ist_error err = {0};
    if (store_run_end(run->store, run->history, summary, &err) != IST_OK)
        report_log(run, "", "warn", "the history was not written: %s", err.text);
    json_decref(summary);
}

// ---- the kinds

static void make_plan(struct run *run)
{
    run->watch = watch_ask(store_path(run->store), run->pipeline->name);
    pass_run(run, &plan_pass, edges_forward);
    if (run->cancelled)
        return;
    plan_show(run);
    for (size_t i = 0; i < run->count; i++)
        run->tasks[i].excluded = run->tasks[i].result != RESULT_OK;
}

static int run_plan(struct run *run)
{
    ist_error err = {0};
    make_plan(run);
    int code = report_plan(run);
    if (run->options->plan_out && code != EXIT_ERROR && !run->cancelled &&
        planfile_write(run, &err) != IST_OK) {
        report_error(run, &err);
        return EXIT_ERROR;
    }
    return code;
}

// Asks before anything is changed. Does the run go on?
static bool agreed(struct run *run, const char *text, const char *command)
{
    if (run->options->yes || run->plan)
        return true;
    if (ask_can(run))
        return ask_confirm(run, text);
    ist_error err;
    ist_fail(&err, IST_ERR_QUESTION, "", "%s asks before it changes something, and here is nobody to ask",
             command);
    ist_hint(&err, strcmp(command, "apply") == 0
                       ? "add --yes, or write the plan to a file (`plan -o FILE`) and apply that"
                       : "add --yes");
    report_error(run, &err);
    return false;
}

static int run_apply(struct run *run)
{
    ist_error err = {0};
    if (run->options->plan_in && planfile_read(run, &err) != IST_OK) {
        report_error(run, &err);
        return EXIT_ERROR;
    }
    make_plan(run);
    report_plan(run);
    if (run->cancelled)
        return EXIT_INTERRUPTED;
    if (run->plan && planfile_compare(run, &err) != IST_OK) {
        report_error(run, &err);
        return EXIT_ERROR;
    }
    // Also when some steps could not be planned: the others would go on.
    if (run->to_do && !agreed(run, "Make these changes?", "apply"))
        return run->cancelled ? report_stopped(run) : EXIT_ERROR;
    char *command = planfile_command(run);
    history_begin(run, command);
    ist_free(command);
    pass_run(run, &apply_pass, edges_apply);
    if (apply_freed(run))
        pass_run(run, &freed_pass, edges_apply);
    int code = report_apply(run);
    history_end(run, code);
    return code;
}

static int run_destroy(struct run *run)
{
    run->watch = watch_ask(store_path(run->store), run->pipeline->name);
    if (run->watch) {
        ist_error err;
        ist_fail(&err, IST_ERR_CONFLICT, run->pipeline->name,
                 "it is watched by process %lld, which would put back what goes",
                 (long long)ist_json_int(run->watch, "pid", 0));
        ist_hint(&err, "stop the watch first");
        report_error(run, &err);
        return EXIT_ERROR;
    }
    int code = destroy_check(run);
    if (code != EXIT_DONE)
        return code;
    pass_run(run, &recall_pass, edges_recorded);
    if (run->cancelled)
        return report_stopped(run);
    destroy_warn(run);
    plan_show(run);
    code = report_plan(run);
    if (code == EXIT_DONE)
        return code;
    if (!agreed(run, "Destroy all of this?", "destroy"))
        return run->cancelled ? report_stopped(run) : EXIT_ERROR;
    history_begin(run, "destroy");
    pass_run(run, &destroy_pass, edges_reverse);
    code = report_apply(run);
    history_end(run, code);
    return code;
}

static int run_verify(struct run *run)
{
    history_begin(run, "verify");
    pass_run(run, &verify_pass, edges_forward);
    int code = report_verify(run);
    history_end(run, code);
    return code;
}

static int run_kind(struct run *run)
{
    switch (run->options->kind) {
    case RUN_PLAN:
        return run_plan(run);
    case RUN_APPLY:
        return run_apply(run);
    case RUN_DESTROY:
        return run_destroy(run);
    case RUN_VERIFY:
        return run_verify(run);
    case RUN_WATCH:
        return watch_run(run);
    }
    return EXIT_ERROR;
}

// ---- beginning and ending

static bool writes(const struct run_options *options)
{
    return options->kind == RUN_APPLY || options->kind == RUN_DESTROY;
}

static int begin(struct run *run)
{
    ist_error err = {0};
    // A file system that is full answers with an error, which is handled, and not with a signal.
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (signals_begin() < 0) {
        ist_fail(&err, IST_ERR_INTERNAL, "eventfd", "%s", strerror(errno));
        report_error(run, &err);
        return EXIT_ERROR;
    }
    if (writes(run->options)) {
        char *what = ist_printf("isthmus %s %s", run->options->kind == RUN_APPLY ? "apply" : "destroy",
                                run->pipeline->name);
        int rc = store_lock(run->store, what, &err);
        ist_free(what);
        if (rc != IST_OK) {
            report_error(run, &err);
            return EXIT_ERROR;
        }
        remove_stale(run);
    }
    make_run_dir(run);
    run->worker_options =
        (struct worker_options){.lock_fd = store_lock_fd(run->store), .trace = run->options->trace};
    run->pool = worker_pool_new(&run->worker_options, (size_t)run->jobs);
    // Where something is written a worker holds the lock, and tracing is chosen as it starts.
    if (!writes(run->options) && !run->options->trace)
        worker_pool_move(run->pool, run->options->workers);
    return tasks_make(run) == IST_OK ? EXIT_DONE : EXIT_ERROR;
}

static void end(struct run *run)
{
    tasks_free(run);
    pipeline_free(run->reloaded.pipeline);
    catalog_free(run->reloaded.catalog);
    config_free(run->reloaded.config);
    worker_pool_free(run->pool);
    ask_forget(run);
    json_decref(run->plan);
    json_decref(run->watch);
    remove_run_dir(run);
    if (writes(run->options))
        store_unlock(run->store);
    signals_end();
}

int engine_run(struct pipeline *pipeline, struct catalog *catalog, struct store *store, struct render *render,
               const struct run_options *options)
{
    struct run run = {.pipeline = pipeline,
                      .catalog = catalog,
                      .store = store,
                      .render = render,
                      .options = options,
                      .jobs = options->jobs > 0 ? options->jobs : 1,
                      .grace_ms = pipeline->config ? config_grace_ms(pipeline->config) : 5000};
    int code = begin(&run);
    if (code == EXIT_DONE)
        code = run_kind(&run);
    end(&run);
    return code;
}
