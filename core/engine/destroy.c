// Destroying: what gave something is read once more, first things first; then all is removed, users first, by
// what state recorded and not by today's configuration.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

json_t *destroy_changes(const struct run *run, const struct task *task)
{
    json_t *changes = json_array(), *resource;
    const char *name;
    json_object_foreach(json_object_get(task->record, "resources"), name,
                        resource) if (!forget_resource(run, resource))
        json_array_append_new(changes,
                              json_pack("{s:s, s:s, s:[]}", "action", "delete", "resource", name, "fields"));
    return changes;
}

bool destroy_forgets(const struct run *run, const struct task *task)
{
    return forget_step(run, task) || forget_all(run, task);
}

void destroy_read(struct run *run, struct task *task)
{
    ist_error err = {0};
    const json_t *recorded = json_object_get(task->record, "outputs");
    json_decref(task->outputs);
    task->outputs = recorded ? json_deep_copy(recorded) : json_object();
    // The edges of this pass go to those that need it.
    if (!task->unblock_count || forget_step(run, task))
        task_finish(run, task, RESULT_OK);
    else if (step_recall_inputs(run, task, &err) == IST_OK)
        step_ask(run, task, IST_OP_OBSERVE);
    else
        destroy_was_read(run, task, &err);
}

void destroy_was_read(struct run *run, struct task *task, const ist_error *err)
{
    bool stopped = err->code == IST_ERR_CANCELLED && run->cancelled;
    step_release(run, task, err->code == IST_OK);
    // What it told before it failed still holds: the way to a cluster is known before the cluster is asked.
    if (task->operation == IST_OP_OBSERVE && task->told)
        json_object_update(task->outputs, task->told);
    if (err->code == IST_OK) {
        task->outputs_all = true;
    } else if (!stopped) {
        // Whoever needs a secret of it will say so; the others can still go.
        task->unreadable = true;
        report_log(run, task->name, "warn", "cannot be read: %s%s%s", err->where, *err->where ? ": " : "",
                   err->text);
    }
    task_finish(run, task, stopped ? RESULT_CANCELLED : RESULT_OK);
}

static void recall_begin(struct run *run, struct task *task)
{
    json_decref(task->changes);
    task->changes = destroy_forgets(run, task) ? json_array() : destroy_changes(run, task);
    destroy_read(run, task);
}

const struct pass recall_pass = {"reading", recall_begin, destroy_was_read, false};

// ---- before

static bool prevents(const struct run *run, const struct task *task)
{
    for (size_t i = 0; i < run->pipeline->count; i++)
        if (strcmp(run->pipeline->steps[i].name, task->name) == 0)
            return run->pipeline->steps[i].prevent_destroy;
    return ist_json_bool(task->record, "prevent_destroy", 0);
}

static bool needed_by(const struct task *user, const char *name)
{
    size_t i;
    const json_t *need;
    json_array_foreach(json_object_get(user->record, "needs"), i,
                       need) if (strcmp(json_string_value(need), name) == 0) return true;
    return false;
}

int destroy_check(struct run *run)
{
    int code = EXIT_DONE;
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        ist_error err;
        if (task->selected && prevents(run, task) && !destroy_forgets(run, task)) {
            ist_fail(&err, IST_ERR_CONFLICT, "prevent_destroy", "it must not be destroyed");
            ist_hint(&err, "set `prevent_destroy: false` first, or destroy the others by --only");
            report_failed(run, task, &err);
            code = EXIT_ERROR;
        }
        for (size_t j = 0; j < run->count && task->selected; j++) {
            const struct task *user = &run->tasks[j];
            if (user->selected || !needed_by(user, task->name))
                continue;
            ist_fail(&err, IST_ERR_CONFLICT, "--only", "%s needs it", user->name);
            ist_hint(&err, "destroy that too: --only %s --only %s", task->name, user->name);
            report_failed(run, task, &err);
            code = EXIT_ERROR;
        }
    }
    return code;
}

// What is recorded goes, the way that is recorded. A watch may have had other inputs since, by SIGHUP, and made something
// where those lead and state does not.
static bool may_have_made_more(struct run *run, const struct task *task)
{
    const struct step *step = NULL;
    for (size_t i = 0; i < run->pipeline->count && !step; i++)
        if (strcmp(run->pipeline->steps[i].name, task->name) == 0)
            step = &run->pipeline->steps[i];
    if (!step || !step->info || !step->info->has_watch ||
        strcmp(step->plugin, ist_json_str_or(task->record, "plugin", "")) != 0)
        return false;
    json_t *now = step_inputs_now(run, step);
    const bool more = now && !json_equal(now, json_object_get(task->record, "inputs"));
    json_decref(now);
    return more;
}

void destroy_warn(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct task *task = &run->tasks[i];
        if (task->selected && task->record && !destroy_forgets(run, task) && may_have_made_more(run, task))
            report_log(
                run, task->name, "warn",
                "its inputs are others than those that were applied: what a watch made with these is not "
                "known, and stays; `isthmus apply %s` first, and it goes too",
                run->pipeline->name);
    }
}

// ---- removing

void destroy_ask(struct run *run, struct task *task)
{
    ist_error err = {0};
    task->removing = true;
    int rc = step_recall_inputs(run, task, &err);
    if (rc == IST_OK)
        rc = forget_resources(run, task, &err);
    if (rc == IST_OK)
        rc = journal_begin(run, task, "destroying", &err);
    if (rc == IST_OK)
        step_ask(run, task, IST_OP_DESTROY);
    else
        task_fail(run, task, &err);
}

static void let_go(struct run *run, struct task *task, const char *result)
{
    ist_error err = {0};
    if (journal_gone(run, task, &err) != IST_OK) {
        task_fail(run, task, &err);
        return;
    }
    task->changed = true;
    report_done(run, task, result);
    task_finish(run, task, RESULT_OK);
}

static void forget_whole(struct run *run, struct task *task)
{
    forget_tell(run, task);
    let_go(run, task, "forgotten");
}

static void destroy_begin(struct run *run, struct task *task)
{
    if (!task->selected)
        task_finish(run, task, RESULT_OK);
    else if (destroy_forgets(run, task))
        forget_whole(run, task);
    else
        destroy_ask(run, task);
}

static void destroy_done(struct run *run, struct task *task, const ist_error *err)
{
    if (err->code != IST_OK) {
        ist_error said = *err;
        if (said.code == IST_ERR_QUESTION ||
            (!*said.hint && (said.code == IST_ERR_NETWORK || said.code == IST_ERR_TIMEOUT)))
            forget_hint(run, task, &said);
        task_fail(run, task, &said);
    } else if (task->operation == IST_OP_OBSERVE) {
        step_ask(run, task, IST_OP_DESTROY);
    } else {
        let_go(run, task, "destroyed");
    }
}

const struct pass destroy_pass = {"destroying", destroy_begin, destroy_done, true};
