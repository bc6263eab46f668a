// Applying: each step in its turn. What was planned and still holds is made; what could not be planned
// before is planned now, and may then only create.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

static void finish_unchanged(struct run *run, struct task *task)
{
    ist_error err = {0};
    // Edges, inputs and outputs are kept as they are now; nothing is written when they are the same.
    if (task->resolved && task->info->has_apply && journal_applied(run, task, &err) != IST_OK) {
        task_fail(run, task, &err);
        return;
    }
    report_done(run, task, "unchanged");
    task_finish(run, task, RESULT_OK);
}

static void begin_apply(struct run *run, struct task *task)
{
    ist_error err = {0};
    if (journal_begin(run, task, "applying", &err) != IST_OK) {
        task_fail(run, task, &err);
        return;
    }
    task->resume = true;
    step_ask(run, task, IST_OP_APPLY);
}

// What it needs, or what that needs in turn, was changed by this run: what it sees may be another world now.
static bool needs_changed(const struct run *run, const struct task *task)
{
    for (size_t i = 0; i < task->step->needs_count; i++) {
        const struct task *need = task_find(run, task->step->needs[i]);
        if (need && (need->changed || need->moved))
            return true;
    }
    return false;
}

static void resolve_and_observe(struct run *run, struct task *task)
{
    if (step_resolve_inputs(run, task)) {
        step_ask(run, task, IST_OP_OBSERVE);
    } else if (task->state == TASK_RUNNING) {
        ist_error err;
        ist_fail(&err, IST_ERR_NOT_FOUND, "", "%s is not known, though what gives it is done",
                 task->inputs.unknown_count ? task->inputs.unknown[0] : "an input");
        ist_hint(&err, "with --only, what a step needs has to be applied before");
        task_fail(run, task, &err);
    }
}

// Planned before, and what it needs changed since: is the plan still right?
static void look_again(struct run *run, struct task *task)
{
    json_t *before = json_incref(task->inputs.inputs);
    if (step_resolve_inputs(run, task)) {
        task->derives = task->moved && json_equal(before, task->inputs.inputs);
        step_ask(run, task, IST_OP_OBSERVE);
    } else if (task->state == TASK_RUNNING) {
        resolve_and_observe(run, task);
    }
    json_decref(before);
}

static void apply_begin(struct run *run, struct task *task)
{
    if (!task->selected || task->excluded) {
        task_finish(run, task, task->excluded ? RESULT_FAILED : RESULT_OK);
        return;
    }
    if (!task->step || task->replaced) {
        task->removing = true;
        destroy_ask(run, task);
        return;
    }
    task->moved = needs_changed(run, task);
    bool differs = json_array_size(task->changes) || task->resume;
    if (!task->info->has_apply && !task->resolved && !task->deferred)
        finish_unchanged(run, task);
    else if (task->deferred)
        resolve_and_observe(run, task);
    else if (task->moved || (differs && run->asked))
        look_again(run, task);
    else if (differs && task->info->has_apply)
        begin_apply(run, task);
    else
        finish_unchanged(run, task);
}

// ---- what was not seen

static bool was_seen(const struct task *task, const json_t *change)
{
    size_t i;
    const json_t *seen;
    json_array_foreach(task->seen, i,
                       seen) if (strcmp(ist_json_str_or(seen, "resource", ""),
                                        ist_json_str_or(change, "resource", "")) == 0 &&
                                 strcmp(ist_json_str_or(seen, "action", ""),
                                        ist_json_str_or(change, "action", "")) == 0) return true;
    return false;
}

// A step that follows what it needs (addresses of pods that were made anew) updates what it made: the plan said that it
// is looked at again.
static bool follows(const struct task *task, const json_t *change)
{
    return task->derives && strcmp(ist_json_str_or(change, "action", ""), "update") == 0;
}

// The first change that nobody saw and that is more than making something; NULL when there is none.
static const json_t *unseen_change(const struct task *task)
{
    size_t i;
    const json_t *change;
    json_array_foreach(task->changes, i,
                       change) if (strcmp(ist_json_str_or(change, "action", ""), "create") != 0 &&
                                   !was_seen(task, change) && !follows(task, change)) return change;
    return NULL;
}

static void show_changes(struct run *run, struct task *task)
{
    render_event(run->render,
                 json_pack("{s:s, s:s, s:s, s:s, s:O}", "event", "plan", "step", task->name, "plugin",
                           task->step->plugin, "kind", "change", "changes", task->changes));
}

static void answered(struct run *run, struct task *task, bool yes)
{
    if (task->state != TASK_RUNNING)
        return;
    if (yes) {
        begin_apply(run, task);
        return;
    }
    ist_error err;
    ist_fail(&err, run->cancelled ? IST_ERR_CANCELLED : IST_ERR_QUESTION, "",
             "left as it is: its changes were not agreed to");
    task_fail(run, task, &err);
}

static void refuse_unseen(struct run *run, struct task *task, const json_t *change)
{
    ist_error err;
    const char *action = ist_json_str_or(change, "action", ""),
               *resource = ist_json_str_or(change, "resource", "");
    if (ask_can(run)) {
        char *text = ist_printf("%s could not be planned before. Make these changes?", task->name);
        ask(run, text, task, answered);
        ist_free(text);
        return;
    }
    ist_fail(&err, IST_ERR_QUESTION, "", "it was deferred, and would now %s %s, which nobody saw beforehand",
             action, resource);
    ist_hint(&err,
             "`isthmus plan %s` shows it now, `isthmus apply %s` again makes it; or add --allow-deferred",
             run->pipeline->name, run->pipeline->name);
    task_fail(run, task, &err);
}

static void planned(struct run *run, struct task *task)
{
    ist_error err;
    step_release(run, task, true);
    if (plan_refuses(task, &err)) {
        task_fail(run, task, &err);
        return;
    }
    if (!json_array_size(task->changes)) {
        plan_merge_outputs(task);
        if (task->resume && task->info->has_apply)
            begin_apply(run, task);
        else
            finish_unchanged(run, task);
        return;
    }
    if (!task->info->has_apply) {
        ist_fail(&err, IST_ERR_INTERNAL, task->info->name, "a plugin that only verifies planned a change");
        task_fail(run, task, &err);
        return;
    }
    const json_t *unseen = run->options->allow_deferred ? NULL : unseen_change(task);
    if (!task->seen || unseen)
        show_changes(run, task);
    if (unseen)
        refuse_unseen(run, task, unseen);
    else
        begin_apply(run, task);
}

// ---- done

static void applied(struct run *run, struct task *task)
{
    ist_error err = {0};
    json_decref(task->outputs);
    task->outputs = json_incref(task->told);
    task->outputs_all = true;
    task->changed = true;
    if (journal_applied(run, task, &err) != IST_OK) {
        task_fail(run, task, &err);
        return;
    }
    task->resume = false;
    report_done(run, task, "applied");
    task_finish(run, task, RESULT_OK);
}

static void removed(struct run *run, struct task *task)
{
    ist_error err = {0};
    task->changed = true;
    if (journal_gone(run, task, &err) != IST_OK) {
        task_fail(run, task, &err);
        return;
    }
    report_done(run, task, "destroyed");
    task->removing = false;
    if (!task->step) {
        task_finish(run, task, RESULT_OK);
        return;
    }
    // Another plugin takes its place: what it creates was agreed to.
    task->replaced = task->resume = false;
    json_decref(task->seen);
    task->seen = NULL;
    json_decref(task->changes);
    task->changes = NULL;
    resolve_and_observe(run, task);
}

static void apply_done(struct run *run, struct task *task, const ist_error *err)
{
    if (err->code != IST_OK) {
        task_fail(run, task, err);
    } else if (task->operation == IST_OP_OBSERVE && task->removing) {
        step_ask(run, task, IST_OP_DESTROY);
    } else if (task->operation == IST_OP_OBSERVE) {
        json_decref(task->outputs);
        task->outputs = json_incref(task->told);
        step_ask(run, task, IST_OP_PLAN);
    } else if (task->operation == IST_OP_PLAN) {
        planned(run, task);
    } else if (task->operation == IST_OP_DESTROY) {
        removed(run, task);
    } else {
        applied(run, task);
    }
}

const struct pass apply_pass = {"applying", apply_begin, apply_done, true};

// ---- what took the place of another

static bool is_freed(const struct task *task)
{
    return task->instead_of && task->instead_of->changed && task->selected && task->info->has_apply;
}

// Is there a step that was kept from something by one that this run took away?
bool apply_freed(const struct run *run)
{
    bool freed = false;
    for (size_t i = 0; i < run->count; i++) {
        if (run->tasks[i].result != RESULT_OK)
            return false; // the next apply sees to it
        freed = freed || is_freed(&run->tasks[i]);
    }
    return freed;
}

static void freed_begin(struct run *run, struct task *task)
{
    if (is_freed(task))
        resolve_and_observe(run, task);
    else
        task_finish(run, task, RESULT_OK);
}

const struct pass freed_pass = {"applying", freed_begin, apply_done, true};
