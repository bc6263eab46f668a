// Planning: what of each step differs from the world, or why that cannot be told yet.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

bool task_has_action(const json_t *changes, const char *action)
{
    size_t i;
    const json_t *change;
    json_array_foreach(changes, i,
                       change) if (strcmp(ist_json_str_or(change, "action", ""), action) == 0) return true;
    return false;
}

static void defer(struct run *run, struct task *task, const char *what, const char *why)
{
    ist_free(task->deferred);
    task->deferred = ist_printf("%s %s", what, why);
    task_finish(run, task, RESULT_OK);
}

// Was it once applied to the end? Also when a later run was interrupted, unless that was taking it away.
static bool was_applied(const struct task *task)
{
    return json_is_object(json_object_get(task->record, "outputs")) &&
           strcmp(ist_json_str_or(task->record, "status", ""), "destroying") != 0;
}

// Why a step must wait because of one that it needs; NULL when it need not.
static const char *why_wait(const struct task *need)
{
    bool applied = was_applied(need);
    if (need->deferred && !(need->put_off && applied))
        return "is deferred";
    if (need->replaced)
        return "is replaced first";
    if (task_has_action(need->changes, "replace"))
        return "replaces something first";
    if (task_has_action(need->changes, "create") && !applied)
        return need->record ? "creates something first" : "is created first";
    if (!need->record && json_array_size(need->changes))
        return "is applied first";
    return NULL;
}

// A step that was applied before and only mends a part of what it made (a route that somebody deleted) need
// not hide what differs in those after it: they are planned, unless that fails for want of the part.
static const struct task *mending_need(const struct run *run, const struct task *task)
{
    for (size_t i = 0; i < task->step->needs_count; i++) {
        const struct task *need = task_find(run, task->step->needs[i]);
        if (need && (task_has_action(need->changes, "create") || need->mending))
            return need;
    }
    return NULL;
}

// The first, from the beginning of the pipeline, that changes something before this step gets its turn.
static const struct task *stirrer_of(const struct run *run, const struct task *task)
{
    for (size_t i = 0; task->step && i < task->step->needs_count; i++) {
        const struct task *need = task_find(run, task->step->needs[i]);
        if (!need || !need->selected)
            continue;
        if (need->stirred_by)
            return need->stirred_by;
        if (json_array_size(need->changes))
            return need;
    }
    return NULL;
}

static bool must_wait(struct run *run, struct task *task)
{
    for (size_t i = 0; i < task->step->needs_count; i++) {
        const struct task *need = task_find(run, task->step->needs[i]);
        const char *why = need ? why_wait(need) : NULL;
        if (why) {
            defer(run, task, need->name, why);
            return true;
        }
    }
    return false;
}

// What a step that is going is needed for: another one that is going may need its secret outputs again.
static bool is_needed(const struct task *task)
{
    return task->unblock_count > 0;
}

static void begin_gone(struct run *run, struct task *task)
{
    task->changes = destroy_changes(run, task);
    ist_error err;
    if (task->selected && ist_json_bool(task->record, "prevent_destroy", 0)) {
        ist_fail(&err, IST_ERR_CONFLICT, "prevent_destroy",
                 "it is gone from the configuration, and would be destroyed");
        ist_hint(&err, "put it back with `prevent_destroy: false` and apply, or `isthmus state rm %s %s`",
                 run->pipeline->name, task->name);
        task_fail(run, task, &err);
        return;
    }
    destroy_read(run, task);
}

static bool begin_replaced(struct run *run, struct task *task)
{
    if (!task->replaced)
        return false;
    ist_error err;
    if (task->step->prevent_destroy || ist_json_bool(task->record, "prevent_destroy", 0)) {
        ist_fail(&err, IST_ERR_CONFLICT, "prevent_destroy",
                 "plugin %s in place of %s would destroy what is there", task->step->plugin,
                 ist_json_str_or(task->record, "plugin", "?"));
        task_fail(run, task, &err);
        return true;
    }
    char *reason =
        ist_printf("plugin %s becomes %s", ist_json_str_or(task->record, "plugin", "?"), task->step->plugin);
    task->changes = json_pack("[{s:s, s:s, s:s, s:[]}]", "action", "replace", "resource", task->name,
                              "reason", reason, "fields");
    ist_free(reason);
    task_finish(run, task, RESULT_OK);
    return true;
}

static void plan_begin(struct run *run, struct task *task)
{
    if (!task->step) {
        begin_gone(run, task);
        return;
    }
    if (!task->info->has_apply && !is_needed(task)) {
        // Only verify has work for it.
        task->outputs_all = true;
        task_finish(run, task, RESULT_OK);
        return;
    }
    if (begin_replaced(run, task) || must_wait(run, task))
        return;
    task->stirred_by = stirrer_of(run, task);
    task->mending = mending_need(run, task) != NULL;
    if (step_resolve_inputs(run, task))
        step_ask(run, task, IST_OP_OBSERVE);
    else if (task->state == TASK_RUNNING)
        defer(run, task, task->inputs.unknown_count ? task->inputs.unknown[0] : "an input",
              "is not known yet");
}

// Was it never applied to the end, and is an intent open?
static bool has_open_create(const struct task *task)
{
    const char *name;
    json_t *resource;
    if (!task->resume || json_object_size(json_object_get(task->record, "outputs")))
        return false;
    json_object_foreach(json_object_get(task->record, "resources"), name,
                        resource) if (strcmp(ist_json_str_or(resource, "status", ""), "intent") ==
                                      0) return true;
    return false;
}

bool plan_refuses(struct task *task, ist_error *err)
{
    bool replaces = task_has_action(task->changes, "replace");
    if (replaces && task->step->prevent_destroy) {
        ist_fail(err, IST_ERR_CONFLICT, "prevent_destroy", "the plan would replace something");
        return true;
    }
    // An interrupted create may have made what the plan does not see as the same.
    if (replaces && has_open_create(task)) {
        ist_fail(err, IST_ERR_QUESTION, "plan",
                 "its creation was interrupted, and now it would replace something");
        ist_hint(err, "undo the change of its inputs, or destroy it first");
        return true;
    }
    return false;
}

static void set_outputs(struct task *task, json_t *outputs, bool all)
{
    json_decref(task->outputs);
    task->outputs = outputs;
    task->outputs_all = all;
}

void plan_merge_outputs(struct task *task)
{
    json_object_update(task->outputs, task->told);
    task->outputs_all = true;
}

static void observed(struct run *run, struct task *task)
{
    set_outputs(task, json_incref(task->told), false);
    if (task->selected) {
        step_ask(run, task, IST_OP_PLAN);
        return;
    }
    // Read for others only: what it is not known to have made, it has not.
    task->outputs_all =
        !task->info->has_apply || strcmp(ist_json_str_or(task->record, "status", ""), "applied") == 0;
    if (!task->outputs_all)
        task->deferred = ist_strdup("it has not been applied yet");
    step_release(run, task, true);
    task_finish(run, task, RESULT_OK);
}

// A watch that runs with these very inputs mends what differs; two must not write to the same.
static bool left_to_watch(struct run *run, const struct task *task)
{
    const json_t *watched = json_object_get(json_object_get(run->watch, "steps"), task->name);
    if (!watched || !json_array_size(task->changes) || task->resume || !task->record ||
        strcmp(ist_json_str_or(watched, "state", ""), "watching") != 0)
        return false;
    json_t *inputs = render_redact_inputs(run->render, task->inputs.public_inputs);
    bool same = json_equal(inputs, json_object_get(watched, "inputs"));
    json_decref(inputs);
    report_log(run, task->name, "warn",
               same ? "differs now, and is left to the watch that runs (process %lld)"
                    : "is watched with other inputs by process %lld: send that SIGHUP after this",
               (long long)ist_json_int(run->watch, "pid", 0));
    return same;
}

static void planned(struct run *run, struct task *task)
{
    ist_error err;
    step_release(run, task, true);
    if (plan_refuses(task, &err)) {
        task_fail(run, task, &err);
        return;
    }
    if (left_to_watch(run, task))
        json_array_clear(task->changes);
    if (json_array_size(task->changes))
        set_outputs(task, json_incref(task->told), false);
    else
        plan_merge_outputs(task);
    if (json_array_size(task->changes) && !task->info->has_apply) {
        ist_fail(&err, IST_ERR_INTERNAL, task->info->name, "a plugin that only verifies planned a change");
        task_fail(run, task, &err);
        return;
    }
    task_finish(run, task, RESULT_OK);
}

static void plan_done(struct run *run, struct task *task, const ist_error *err)
{
    bool elsewhere = err->code == IST_ERR_NETWORK || err->code == IST_ERR_TIMEOUT ||
                     err->code == IST_ERR_REMOTE || err->code == IST_ERR_NOT_FOUND ||
                     err->code == IST_ERR_DENIED;
    if (!task->step) {
        destroy_was_read(run, task, err);
    } else if (elsewhere && task->mending) {
        const struct task *first = task->stirred_by ? task->stirred_by : mending_need(run, task);
        char *why = ist_printf("mends something first (%s)", err->text);
        task->put_off = true;
        defer(run, task, first->name, why);
        ist_free(why);
    } else if (err->code != IST_OK) {
        task_fail(run, task, err);
    } else if (task->operation == IST_OP_OBSERVE) {
        observed(run, task);
    } else {
        planned(run, task);
    }
}

const struct pass plan_pass = {"planning", plan_begin, plan_done, true};

// ---- showing

static const char *kind_of(const struct task *task)
{
    if (!task->step)
        return "destroy";
    if (task->replaced)
        return "replace";
    if (json_array_size(task->changes))
        return "change";
    return task->resume && task->info->has_apply ? "resume" : "unchanged";
}

// The step that may be the one that is gone, under another name.
static const struct task *renamed(const struct run *run, const struct task *gone)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->tasks[i].instead_of == gone)
            return &run->tasks[i];
    return NULL;
}

// The caller's; NULL: none.
static char *reason_of(const struct run *run, const struct task *task)
{
    if (destroy_forgets(run, task))
        return ist_strdup("forgotten: what it made stays");
    if (!task->step && run->options->kind != RUN_DESTROY) {
        const struct task *now = renamed(run, task);
        return !now ? ist_strdup("gone from the configuration")
                    : ist_printf("gone from the configuration; if it is called %s now, first "
                                 "`isthmus state mv %s %s %s`",
                                 now->name, run->pipeline->name, task->name, now->name);
    }
    if (task->step && task->resume)
        return ist_strdup("its last run was interrupted; apply finishes it");
    return NULL;
}

// Only verify has work for it: said where the plan tells what is to come, so that the whole is in sight.
static void show_verifier(struct run *run, const struct task *task)
{
    char *reason = ist_printf("nothing to plan, works in verify. %s", task->info->doc ? task->info->doc : "");
    render_event(run->render,
                 json_pack("{s:s, s:s, s:s, s:s, s:s, s:[]}", "event", "plan", "step", task->name, "plugin",
                           task->step->plugin, "kind", "verify", "reason", reason, "changes"));
    ist_free(reason);
}

static bool any_deferred(const struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->tasks[i].deferred && run->tasks[i].selected)
            return true;
    return false;
}

void plan_show(struct run *run)
{
    bool early = any_deferred(run);
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        const char *plugin = task->step ? task->step->plugin : ist_json_str_or(task->record, "plugin", "?");
        if (task->result != RESULT_OK || !task->selected)
            continue;
        if (task->deferred) {
            render_event(run->render, json_pack("{s:s, s:s, s:s, s:s, s:s*}", "event", "deferred", "step",
                                                task->name, "plugin", plugin, "reason", task->deferred, "doc",
                                                task->info ? task->info->doc : NULL));
            continue;
        }
        if (early && task->step && !task->info->has_apply && !task->resume) {
            show_verifier(run, task);
            continue;
        }
        json_t *event = json_pack("{s:s, s:s, s:s, s:s}", "event", "plan", "step", task->name, "plugin",
                                  plugin, "kind", kind_of(task));
        char *reason = reason_of(run, task);
        if (reason)
            json_object_set_new(event, "reason", json_string(reason));
        ist_free(reason);
        json_object_set_new(event, "changes", task->changes ? json_incref(task->changes) : json_array());
        if (task->stirred_by && json_array_size(task->changes))
            json_object_set_new(event, "after", json_string(task->stirred_by->name));
        render_event(run->render, event);
        json_decref(task->seen);
        task->seen = task->changes ? json_incref(task->changes) : json_array();
    }
}
