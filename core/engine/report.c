// What a run says of itself: failures, what was done, and the last line.
#include "engine/run.h"
#include "host/value.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdarg.h>
#include <string.h>

static json_t *error_event(const char *event, const ist_error *err)
{
    // It may name a file in whatever bytes that has: such an error is not lost.
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "event", event, "code", ist_code_name(err->code), "where",
                     value_text(err->where, 0), "text", value_text(err->text, 0), "hint",
                     value_text(err->hint, 0));
}

void report_error(struct run *run, const ist_error *err)
{
    render_event(run->render, error_event("error", err));
}

void report_wrong(struct task *task, const char *path, const char *text, const char *hint)
{
    struct place place = {0};
    bool secret = false;
    if (task->step)
        place = step_nearest_place(task->step, path, &secret);
    if (!task->wrong)
        task->wrong = diags_new();
    diag_error(task->wrong, place, "%s%s%s%s", *path ? "`" : "", path, *path ? "`: " : "", text);
    if (secret)
        diag_hide_value(task->wrong);
    diag_hide_secrets(task->wrong, task->inputs.secrets, task->inputs.secret_count);
    if (*hint)
        diag_hint(task->wrong, "%s", hint);
}

// Whether what it fails with has been told by problem() already: an error's text may be cut.
static bool told_wrong(const struct task *task, const ist_error *err)
{
    struct place place;
    const char *text;
    bool is_error, told = false;
    for (size_t i = 0; task->wrong && !told && diags_at(task->wrong, i, &place, &text, &is_error); i++)
        told = is_error && strstr(text, err->text);
    return told;
}

void report_failed(struct run *run, struct task *task, const ist_error *err)
{
    json_t *event = error_event("step-failed", err);
    struct place place;
    json_object_set_new(event, "step", json_string(task->name));
    // What a plugin says of an input is said of the line it stands in.
    if (err->code == IST_ERR_INPUT && task->step) {
        if (!told_wrong(task, err) && step_input_place(task->step, err->where, &place))
            report_wrong(task, err->where, err->text, err->hint);
        if (told_wrong(task, err))
            json_object_set_new(event, "diagnostics", diags_json_shown(task->wrong));
        if (step_input_place(task->step, err->where, &place)) {
            char *where = ist_printf("%s:%d:%d: %s", place.file, place.line, place.column, err->where);
            json_object_set_new(event, "where", json_string(where));
            ist_free(where);
        }
    }
    if (task->operation)
        json_object_set_new(event, "operation", json_string(operation_name(task->operation)));
    render_event(run->render, event);
    task->reported = true;
}

void report_log(struct run *run, const char *step, const char *level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    render_event(run->render, json_pack("{s:s, s:s, s:s, s:s}", "event", "log", "step", step, "level", level,
                                        "text", text));
    ist_free(text);
}

void report_done(struct run *run, struct task *task, const char *result)
{
    render_event(run->render,
                 json_pack("{s:s, s:s, s:s, s:s, s:I}", "event", "step-done", "step", task->name, "operation",
                           task->operation ? operation_name(task->operation) : "", "result", result,
                           "elapsed_ms", (json_int_t)(run_now() - task->began)));
}

static void count_actions(const json_t *changes, size_t counts[4])
{
    static const char *const actions[4] = {"create", "update", "replace", "delete"};
    size_t i, a;
    const json_t *change;
    json_array_foreach(changes, i, change) for (a = 0; a < 4; a++) counts[a] +=
        strcmp(ist_json_str_or(change, "action", ""), actions[a]) == 0;
}

static size_t results(const struct run *run, enum task_result result)
{
    size_t n = 0;
    for (size_t i = 0; i < run->count; i++)
        n += run->tasks[i].result == result;
    return n;
}

static void summary(struct run *run, int code, json_t *event, const char *text)
{
    json_object_set_new(event, "event", json_string("summary"));
    json_object_set_new(event, "exit", json_integer(code));
    json_object_set_new(event, "text", json_string(text));
    render_event(run->render, event);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

int report_stopped(struct run *run)
{
    summary(run, EXIT_INTERRUPTED, json_pack("{s:b}", "interrupted", 1), "Interrupted: nothing was changed.");
    return EXIT_INTERRUPTED;
}

static int report_unplanned(struct run *run)
{
    size_t planned = results(run, RESULT_OK), failed = results(run, RESULT_FAILED);
    char *text = ist_printf("Interrupted: %zu of %zu step%s planned%s; nothing was changed.", planned,
                            run->count, plural(run->count), failed ? ", some could not be" : "");
    summary(run, EXIT_INTERRUPTED,
            json_pack("{s:b, s:I, s:I}", "interrupted", 1, "planned", (json_int_t)planned, "failed",
                      (json_int_t)failed),
            text);
    ist_free(text);
    return EXIT_INTERRUPTED;
}

int report_plan(struct run *run)
{
    if (run->cancelled)
        return report_unplanned(run);
    size_t again = 0, counts[4] = {0}, deferred = 0, going = 0, resumed = 0, failed = 0;
    for (size_t i = 0; i < run->count; i++) {
        const struct task *task = &run->tasks[i];
        if (task->result != RESULT_OK)
            failed++;
        if (task->result != RESULT_OK || !task->selected)
            continue;
        deferred += task->deferred != NULL;
        again += task->stirred_by && !task->deferred && task->info && task->info->has_apply;
        going += !task->step;
        resumed += task->step && task->resume && !json_array_size(task->changes);
        if (!task->deferred)
            count_actions(task->changes, counts);
    }
    bool changes = counts[0] + counts[1] + counts[2] + counts[3] + deferred + going + resumed > 0;
    run->to_do = changes;
    ist_buf text = {0};
    if (failed)
        ist_buf_printf(&text, "%zu step%s could not be planned%s", failed, plural(failed),
                       changes ? ". " : "");
    if (!changes && !failed && run->options->kind == RUN_DESTROY)
        ist_buf_printf(&text, "Nothing to destroy: nothing of pipeline %s is applied.", run->pipeline->name);
    else if (!changes && !failed)
        ist_buf_printf(&text, "No changes: everything is as pipeline %s says.", run->pipeline->name);
    else if (changes)
        ist_buf_printf(&text, "Plan: %zu to create, %zu to update, %zu to replace, %zu to delete", counts[0],
                       counts[1], counts[2], counts[3]);
    if (deferred)
        ist_buf_printf(&text, "; %zu step%s deferred", deferred, plural(deferred));
    if (going && run->options->kind != RUN_DESTROY)
        ist_buf_printf(&text, "; %zu step%s gone", going, plural(going));
    if (resumed)
        ist_buf_printf(&text, "; %zu interrupted step%s to finish", resumed, plural(resumed));
    if (changes || failed)
        ist_buf_puts(&text, ".");
    if (again)
        ist_buf_printf(&text, " %zu step%s after that %s looked at again.", again, plural(again),
                       again == 1 ? "is" : "are");
    int code = failed ? EXIT_ERROR : changes ? EXIT_CHANGES : EXIT_DONE;
    json_t *event = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "changes", changes, "create",
                              (json_int_t)counts[0], "update", (json_int_t)counts[1], "replace",
                              (json_int_t)counts[2], "delete", (json_int_t)counts[3], "deferred",
                              (json_int_t)deferred, "again", (json_int_t)again, "failed", (json_int_t)failed);
    char *line = ist_buf_take(&text);
    summary(run, code, event, line);
    ist_free(line);
    return code;
}

int report_apply(struct run *run)
{
    size_t failed = results(run, RESULT_FAILED), skipped = results(run, RESULT_SKIPPED);
    size_t stopped = results(run, RESULT_CANCELLED), changed = 0, done = 0;
    for (size_t i = 0; i < run->count; i++) {
        changed += run->tasks[i].changed;
        done += run->tasks[i].changed && run->tasks[i].result == RESULT_OK;
    }
    const char *verb = stopped ? "Interrupted" : run->options->kind == RUN_DESTROY ? "Destroyed" : "Applied";
    ist_buf text = {0};
    if (!changed && !failed && !stopped)
        ist_buf_printf(&text, "%s: nothing was to be done.", verb);
    else
        ist_buf_printf(&text, "%s: %zu of %zu step%s changed", verb, done, run->count, plural(run->count));
    if (failed)
        ist_buf_printf(&text, ", %zu failed", failed);
    if (skipped)
        ist_buf_printf(&text, ", %zu skipped", skipped);
    if (stopped)
        ist_buf_printf(&text, ", %zu not finished; the same command goes on from here", stopped);
    if (changed || failed || stopped)
        ist_buf_puts(&text, ".");
    int code = run->cancelled                      ? EXIT_INTERRUPTED
               : failed || skipped                 ? changed ? EXIT_PARTLY : EXIT_ERROR
               : run->options->detailed && changed ? EXIT_CHANGES
                                                   : EXIT_DONE;
    json_t *event =
        json_pack("{s:I, s:I, s:I, s:I}", "changed", (json_int_t)done, "failed", (json_int_t)failed,
                  "skipped", (json_int_t)skipped, "interrupted", (json_int_t)stopped);
    char *line = ist_buf_take(&text);
    summary(run, code, event, line);
    ist_free(line);
    return code;
}

// Steps whose checks were not all made because the user stopped the run. How many checks a step has is known only when
// it has made them.
static size_t unverified(const struct run *run)
{
    size_t n = 0;
    for (size_t i = 0; i < run->count; i++)
        n += run->tasks[i].result == RESULT_CANCELLED && run->tasks[i].selected &&
             run->tasks[i].info->has_verify;
    return n;
}

int report_verify(struct run *run)
{
    size_t failed = results(run, RESULT_FAILED), skipped = results(run, RESULT_SKIPPED);
    size_t stopped = unverified(run);
    int code = run->cancelled                            ? EXIT_INTERRUPTED
               : failed || skipped || run->failed_checks ? EXIT_ERROR
                                                         : EXIT_DONE;
    ist_buf text = {0};
    ist_buf_printf(&text, "%s: %zu check%s passed, %zu failed", run->cancelled ? "Interrupted" : "Verified",
                   run->passed, plural(run->passed), run->failed_checks);
    if (run->warned)
        ist_buf_printf(&text, ", %zu warned", run->warned);
    if (run->skipped_checks)
        ist_buf_printf(&text, ", %zu skipped", run->skipped_checks);
    if (failed + skipped)
        ist_buf_printf(&text, "; %zu step%s could not be verified", failed + skipped,
                       plural(failed + skipped));
    if (stopped)
        ist_buf_printf(&text, "; the checks of %zu step%s were not made, or not all", stopped,
                       plural(stopped));
    ist_buf_puts(&text, ".");
    json_t *event = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "passed", (json_int_t)run->passed, "failed",
                              (json_int_t)run->failed_checks, "warned", (json_int_t)run->warned, "skipped",
                              (json_int_t)run->skipped_checks, "steps_failed",
                              (json_int_t)failed + (json_int_t)skipped, "interrupted", (json_int_t)stopped);
    char *line = ist_buf_take(&text);
    summary(run, code, event, line);
    ist_free(line);
    return code;
}
