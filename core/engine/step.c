// One operation of a task: asked of a worker, what it tells, how it ends; timeouts, crashes, new beginnings.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS  (30 * 60 * 1000) // of an operation, when the step says nothing
#define FOREVER_MS  (INT64_C(10) * 365 * 86400 * 1000)
#define CRASHES_MAX 3
#define AGAINS_MAX  10
#define AGAIN_MS    200    // times how often it began anew
#define TOLD_MAX    200000 // changes, fields, outputs and checks of one operation

// ---- asking

static bool reads(uint32_t operation)
{
    return operation == IST_OP_OBSERVE || operation == IST_OP_PLAN || operation == IST_OP_VERIFY;
}

static int64_t timeout_of(const struct task *task, uint32_t operation)
{
    if (operation == IST_OP_WATCH)
        return FOREVER_MS;
    int64_t configured = task->step ? task->step->timeout_ms : ist_json_int(task->record, "timeout_ms", 0);
    return configured > 0 ? configured : TIMEOUT_MS;
}

// A private folder of this step and run, made when the plugin asks for it. A name is one part of a path,
// whatever it holds.
static char *run_dir(const struct run *run, const struct task *task)
{
    char *dir = ist_printf("%s/%s", run->run_dir, task->name);
    for (char *c = dir + strlen(run->run_dir) + 1; *c; c++)
        if (*c == '/')
            *c = '_';
    return dir;
}

static int take_worker(struct run *run, struct task *task, const struct plugin_info *info, uint32_t operation,
                       ist_error *err)
{
    if (task->worker && (!task->pooled || !reads(operation)))
        step_release(run, task, true);
    if (task->worker)
        return IST_OK;
    task->pooled = reads(operation);
    return task->pooled ? worker_pool_take(run->pool, info, &task->worker, err)
                        : worker_start(info, &run->worker_options, &task->worker, err);
}

static int send_request(struct run *run, struct task *task, uint32_t operation, ist_error *err)
{
    static uint64_t readings; // of all runs of this process: workers may outlive one
    static const json_t *empty;
    if (!empty)
        empty = json_object();
    const json_t *resources = json_object_get(task->record, "resources");
    char *dir = run_dir(run, task);
    struct worker_request request = {
        .operation = operation,
        .step = task->name,
        .inputs = task->inputs.inputs,
        .observed = operation == IST_OP_OBSERVE || operation == IST_OP_WATCH ? NULL : task->observed,
        .recorded = resources ? resources : empty,
        .last_outputs = json_object_get(task->record, "outputs"),
        .run_dir = dir,
        .timeout_ms = timeout_of(task, operation),
        .reading = operation == IST_OP_PLAN ? task->reading : 0};
    if (operation == IST_OP_OBSERVE)
        request.reading = task->reading = ++readings;
    int rc = worker_ask(task->worker, &request, err);
    ist_free(dir);
    return rc;
}

static void forget_told(struct task *task, uint32_t operation)
{
    json_decref(task->told);
    task->told = json_object();
    task->told_count = 0;
    diags_free(task->wrong);
    task->wrong = NULL;
    if (operation == IST_OP_OBSERVE) {
        json_decref(task->observed);
        task->observed = NULL;
    }
    if (operation == IST_OP_PLAN) {
        json_decref(task->changes);
        task->changes = json_array();
    }
}

// What a step that is going is asked of is the plugin that made it.
static const struct plugin_info *info_of(const struct task *task)
{
    return task->removing || !task->step ? task->old ? task->old : task->info : task->info;
}

void step_ask(struct run *run, struct task *task, uint32_t operation)
{
    ist_error err = {0};
    const struct plugin_info *info = info_of(task);
    forget_told(task, operation);
    task->operation = operation;
    if (!run->beside)
        render_event(run->render, json_pack("{s:s, s:s, s:s}", "event", "step-start", "step", task->name,
                                            "operation", operation_name(operation)));
    int rc = take_worker(run, task, info, operation, &err);
    if (rc == IST_OK)
        rc = send_request(run, task, operation, &err);
    if (rc == IST_OK) {
        task->deadline = run_now() + timeout_of(task, operation);
        task->cancelled_at = 0;
        return;
    }
    step_release(run, task, false);
    run->pass->done(run, task, &err);
}

void step_release(struct run *run, struct task *task, bool clean)
{
    if (!task->worker)
        return;
    if (task->pooled && clean) {
        worker_pool_give(run->pool, task->worker);
    } else {
        if (!clean)
            worker_kill(task->worker);
        worker_free(task->worker);
    }
    task->worker = NULL;
    task->deadline = 0;
}

// ---- hearing

static void register_secrets(struct run *run, const json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;
    if (json_is_string(value))
        render_secret(run->render, json_string_value(value), json_string_length(value));
    json_array_foreach(value, i, child) register_secrets(run, child);
    json_object_foreach((json_t *)(uintptr_t)value, key, child) register_secrets(run, child);
}

static void heard_output(struct run *run, struct task *task, const json_t *body)
{
    const char *name = ist_json_str(body, "name");
    json_t *value = json_object_get(body, "value");
    if (!name || !value)
        return;
    const ist_field *field = plugin_output(info_of(task), name);
    if (ist_json_bool(body, "secret", 0) || (field && field->flags & IST_SECRET))
        register_secrets(run, value);
    json_object_set(task->told, name, value);
}

static void heard_change(struct task *task, const json_t *body)
{
    json_t *change =
        json_pack("{s:s, s:s, s:[]}", "action", action_name((uint32_t)ist_json_int(body, "action", 0)),
                  "resource", ist_json_str_or(body, "resource", ""), "fields");
    const char *reason = ist_json_str(body, "reason");
    if (reason)
        json_object_set_new(change, "reason", json_string(reason));
    if (task->changes)
        json_array_append_new(task->changes, change);
    else
        json_decref(change);
}

// A field belongs to the change of its resource, told before it; usually the last one.
static void heard_field(struct task *task, const json_t *body)
{
    const char *resource = ist_json_str_or(body, "resource", "");
    for (size_t i = json_array_size(task->changes); i > 0; i--) {
        json_t *change = json_array_get(task->changes, i - 1);
        if (strcmp(ist_json_str_or(change, "resource", ""), resource) != 0)
            continue;
        json_t *field = json_object();
        json_object_set(field, "field", json_object_get(body, "field"));
        if (ist_json_bool(body, "secret", 0)) {
            json_object_set_new(field, "secret", json_true());
        } else {
            static const char *const keys[] = {"before", "after"};
            for (size_t k = 0; k < 2; k++)
                if (json_object_get(body, keys[k]))
                    json_object_set(field, keys[k], json_object_get(body, keys[k]));
        }
        json_array_append_new(json_object_get(change, "fields"), field);
        return;
    }
}

static void heard_check(struct run *run, struct task *task, const json_t *body)
{
    uint32_t result = (uint32_t)ist_json_int(body, "result", IST_FAIL);
    run->passed += result == IST_PASS;
    run->failed_checks += result == IST_FAIL;
    run->warned += result == IST_WARN;
    run->skipped_checks += result == IST_SKIP;
    render_event(run->render,
                 json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "check", "step", task->name, "name",
                           ist_json_str_or(body, "name", ""), "result", check_name(result), "evidence",
                           ist_json_str_or(body, "evidence", "")));
}

static void heard_log(struct run *run, struct task *task, const json_t *body)
{
    static const char *const levels[] = {"error", "error", "warn", "info", "debug", "trace"};
    int64_t level = ist_json_int(body, "level", IST_LOG_INFO);
    const char *name = levels[level < 0 || level > 5 ? 3 : level];
    // An unfinished watch logs for ever: its last word is kept for `status`.
    if (task->operation == IST_OP_WATCH && level <= IST_LOG_INFO) {
        ist_free(task->last_text);
        task->last_text = ist_strdup(ist_json_str_or(body, "text", ""));
    }
    report_log(run, task->name, name, "%s", ist_json_str_or(body, "text", ""));
}

// Errors are what the operation fails with.
static void heard_problem(struct run *run, struct task *task, const json_t *body)
{
    const char *path = ist_json_str_or(body, "path", ""), *text = ist_json_str_or(body, "text", "");
    if (ist_json_int(body, "level", IST_LOG_ERROR) != IST_LOG_WARN)
        report_wrong(task, path, text, ist_json_str_or(body, "hint", ""));
    else if (pipeline_warns(run->pipeline, task->name, path, text))
        report_log(run, task->name, "warn", "%s%s%s", path, *path ? ": " : "", text);
}

static void heard_progress(struct run *run, struct task *task, const json_t *body)
{
    ist_free(task->last_text);
    task->last_text = ist_strdup(ist_json_str_or(body, "text", ""));
    if (run->beside)
        return;
    render_event(run->render, json_pack("{s:s, s:s, s:s, s:s, s:I}", "event", "progress", "step", task->name,
                                        "operation", operation_name(task->operation), "text", task->last_text,
                                        "fraction", (json_int_t)ist_json_int(body, "fraction", -1)));
}

static void heard(struct run *run, struct task *task, const struct worker_event *event)
{
    const json_t *body = event->body;
    if (task->leaving && event->type != WORKER_LOG && event->type != WORKER_SECRET)
        return;
    switch (event->type) {
    case WORKER_LOG:
        heard_log(run, task, body);
        break;
    case WORKER_PROGRESS:
        heard_progress(run, task, body);
        break;
    case WORKER_SECRET:
        register_secrets(run, json_object_get(body, "value"));
        break;
    case WORKER_OBSERVED:
        json_decref(task->observed);
        task->observed = json_incref(json_object_get(body, "value"));
        break;
    case WORKER_OUTPUT:
        heard_output(run, task, body);
        break;
    case WORKER_CHANGE:
        heard_change(task, body);
        break;
    case WORKER_FIELD:
        heard_field(task, body);
        break;
    case WORKER_CHECK:
        heard_check(run, task, body);
        break;
    case WORKER_PROBLEM:
        heard_problem(run, task, body);
        break;
    case WORKER_INTENT:
    case WORKER_OUTCOME:
        journal_event(run, task, event);
        break;
    case WORKER_STATUS:
        json_decref(task->status);
        task->status = json_incref(json_object_get(body, "value"));
        break;
    case WORKER_RENEW:
        report_log(run, task->name, "info", "asks for its inputs anew: %s",
                   ist_json_str_or(body, "text", ""));
        task->renew = true;
        break;
    case WORKER_ALIVE:
        task->asked = 0;
        break;
    case WORKER_PRINT:
    case WORKER_RESULT:
        break;
    }
}

// ---- ending

// Begins the operation anew, observing first: what the world is now decides what is left to do.
static void restart(struct run *run, struct task *task, int64_t in_ms)
{
    ist_error err = {0};
    if (journal_reload(run, task, &err) != IST_OK) {
        run->pass->done(run, task, &err);
        return;
    }
    task->operation = 0;
    task->restart_at = run_now() + in_ms;
}

static void ended(struct run *run, struct task *task, const ist_error *err)
{
    step_release(run, task, err->code == IST_OK);
    if (err->code != IST_AGAIN || run->cancelled || run->pass == &watch_pass) {
        run->pass->done(run, task, err);
    } else if (++task->agains > AGAINS_MAX) {
        ist_error last = *err;
        last.code = IST_ERR_CONFLICT;
        ist_hint(&last, "it began anew %d times, and wanted to once more", AGAINS_MAX);
        run->pass->done(run, task, &last);
    } else {
        report_log(run, task->name, "info", "begins anew: %s", err->text);
        restart(run, task, AGAIN_MS * task->agains);
    }
}

static void crashed(struct run *run, struct task *task, const ist_error *how, bool anew)
{
    ist_error err = *how;
    uint32_t operation = task->operation;
    step_release(run, task, false);
    if (run->cancelled) {
        ist_fail(&err, IST_ERR_CANCELLED, operation_name(operation), "killed");
        run->pass->done(run, task, &err);
        return;
    }
    if (task->cancelled_at) {
        ist_fail(&err, IST_ERR_TIMEOUT, operation_name(operation), "did not end in time, and %s when told to",
                 how->text);
        run->pass->done(run, task, &err);
        return;
    }
    if (run->pass == &watch_pass || !anew || ++task->crashes > CRASHES_MAX) {
        ist_fail(&err, IST_ERR_INTERNAL, operation_name(operation), "the plugin crashed (%s)%s", how->text,
                 task->crashes > CRASHES_MAX ? ", again and again" : "");
        ist_hint(&err, "`isthmus plugin run %s %s` runs it alone, with --in-process under a debugger",
                 info_of(task)->name, operation_name(operation));
        run->pass->done(run, task, &err);
        return;
    }
    report_log(run, task->name, "warn", "the plugin crashed in %s (%s); it begins anew, observing first",
               operation_name(operation), how->text);
    restart(run, task, 0);
}

void step_read(struct run *run, struct task *task)
{
    struct worker *worker = task->worker;
    // One that never falls silent must not keep the others waiting.
    for (int i = 0; i < 1000 && task->worker == worker; i++) {
        struct worker_event event = {0};
        ist_error err = {0};
        int rc = worker_read(worker, &event, &err);
        if (rc == 0)
            return;
        if (rc < 0) {
            crashed(run, task, &err, true);
            return;
        }
        if (event.type == WORKER_RESULT) {
            ended(run, task, &event.error);
            worker_event_free(&event);
            return;
        }
        if (++task->told_count > TOLD_MAX && task->operation != IST_OP_WATCH) {
            ist_fail(&err, IST_ERR_LIMIT, "worker", "told over %d things in one operation", TOLD_MAX);
            worker_event_free(&event);
            crashed(run, task, &err, false); // a flood is no accident: it would only come again
            return;
        }
        heard(run, task, &event);
        worker_event_free(&event);
    }
}

void step_deadline(struct run *run, struct task *task)
{
    int64_t now = run_now();
    if (task->restart_at && task->restart_at <= now) {
        task->restart_at = 0;
        if (run->cancelled) {
            ist_error err;
            ist_fail(&err, IST_ERR_CANCELLED, "", "stopped");
            run->pass->done(run, task, &err);
        } else if (run->pass == &watch_pass) {
            run->pass->begin(run, task);
        } else {
            step_ask(run, task, IST_OP_OBSERVE);
        }
        return;
    }
    if (!task->deadline || task->deadline > now || !task->worker)
        return;
    // The worker knows its own deadline: one that has not ended by itself is told to, then killed.
    int64_t timeout = timeout_of(task, task->operation);
    if (task->cancelled_at == 0) {
        worker_cancel(task->worker);
        task->cancelled_at = now;
        task->deadline = now + run->grace_ms;
        return;
    }
    ist_error err;
    ist_fail(&err, IST_ERR_TIMEOUT, operation_name(task->operation),
             "did not end within %lld s, nor when told to", (long long)timeout / 1000);
    ist_hint(&err, "a longer `timeout:` of the step, if it only needs more time");
    step_release(run, task, false);
    run->pass->done(run, task, &err);
}

// ---- inputs

static const json_t *known_output(void *arg, const char *step, const char *output, bool *known)
{
    struct run *run = arg;
    const struct task *task = task_find(run, step);
    const json_t *value = task ? json_object_get(task->outputs, output) : NULL;
    *known = value || (task && task->outputs_all);
    return value;
}

static void took_inputs(struct run *run, struct task *task, const struct resolved *inputs)
{
    if (task->resolved)
        resolved_free(&task->inputs);
    task->inputs = *inputs;
    task->resolved = true;
    for (size_t i = 0; i < inputs->secret_count; i++)
        render_secret(run->render, inputs->secrets[i], strlen(inputs->secrets[i]));
}

// What is wrong with the inputs, as one error: the first, with its place.
static int diags_error(const struct diags *diags, ist_error *err)
{
    struct place place = {0};
    const char *text = "its inputs are wrong";
    bool error = false;
    for (size_t i = 0; !error && diags_at(diags, i, &place, &text, &error); i++) {
    }
    char *where = place.line ? ist_printf("%s:%d:%d", place.file, place.line, place.column)
                             : ist_strdup(place.file ? place.file : "");
    int rc = ist_fail(err, IST_ERR_INPUT, where, "%s", text);
    ist_free(where);
    if (diags_errors(diags) > 1)
        ist_hint(err, "and %zu more", diags_errors(diags) - 1);
    return rc;
}

bool step_resolve_inputs(struct run *run, struct task *task)
{
    struct diags *diags = diags_new();
    struct resolved inputs = {0};
    struct output_source source = {known_output, run};
    ist_error err;
    int rc = step_resolve(run->pipeline, task->step, &source, diags, &inputs);
    bool ok = rc == 0 && diags_errors(diags) == 0;
    if (ok) {
        took_inputs(run, task, &inputs);
    } else {
        diags_error(diags, &err);
        diags_free(task->wrong);
        task->wrong = diags;
        diags = NULL;
        task_fail(run, task, &err);
    }
    diags_free(diags);
    return ok && task->inputs.inputs;
}

json_t *step_inputs_now(struct run *run, const struct step *step)
{
    struct diags *diags = diags_new();
    struct resolved inputs = {0};
    struct output_source source = {known_output, run};
    json_t *now = NULL;
    if (step_resolve(run->pipeline, step, &source, diags, &inputs) == 0 && diags_errors(diags) == 0 &&
        inputs.inputs)
        now = render_redact_inputs(run->render, inputs.public_inputs);
    resolved_free(&inputs);
    diags_free(diags);
    return now;
}

static int recall_from(struct run *run, const json_t *record, struct resolved *inputs, ist_error *err)
{
    struct diags *diags = diags_new();
    struct output_source source = {known_output, run};
    int rc = inputs_from_record(run->pipeline, record, &source, diags, inputs);
    if (rc != 0 || diags_errors(diags)) {
        rc = diags_error(diags, err);
    } else if (!inputs->inputs) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "", "%s cannot be had any more",
                      inputs->unknown_count ? inputs->unknown[0] : "an input");
        resolved_free(inputs);
    }
    diags_free(diags);
    return rc;
}

// The inputs of a record, with what others give now, without what they say of a system that is forgotten: nobody is to
// go there, though the way may still be known. What cannot be had may be about one of `without` (may be NULL), too.
// IST_OK: `inputs` is the caller's to take or free.
static int recall(struct run *run, const struct task *task, const json_t *without, struct resolved *inputs,
                  ist_error *err)
{
    const json_t *record = json_object_get(task->record, "inputs");
    int rc = recall_from(run, record, inputs, err);
    json_t *lean = NULL;
    if (rc == IST_ERR_NOT_FOUND)
        lean = forget_inputs(run, record, without);
    else if (rc == IST_OK && forget_goes_by_system(task))
        lean = forget_inputs(run, record, NULL);
    if (lean && rc == IST_OK)
        resolved_free(inputs);
    if (lean)
        rc = recall_from(run, lean, inputs, err);
    json_decref(lean);
    return rc;
}

bool step_can_recall(struct run *run, const struct task *task, const json_t *without)
{
    struct resolved inputs = {0};
    ist_error err;
    if (!task->old || recall(run, task, without, &inputs, &err) != IST_OK)
        return false;
    resolved_free(&inputs);
    return true;
}

int step_recall_inputs(struct run *run, struct task *task, ist_error *err)
{
    struct resolved inputs = {0};
    if (!task->old) {
        ist_fail(err, IST_ERR_NOT_FOUND, "", "its plugin %s cannot be found",
                 ist_json_str_or(task->record, "plugin", "?"));
        forget_hint(run, task, err);
        char *hint = ist_printf("install it; %s", err->hint);
        ist_hint(err, "%s", hint);
        ist_free(hint);
        return IST_ERR_NOT_FOUND;
    }
    int rc = recall(run, task, NULL, &inputs, err);
    if (rc == IST_OK)
        took_inputs(run, task, &inputs);
    else if (rc == IST_ERR_NOT_FOUND) // what gave it is gone, or could not be read
        forget_hint(run, task, err);
    return rc;
}
