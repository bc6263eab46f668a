// Verifying: each step is read in its turn, so that those that need it can be, and asked for its proof.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

static void verify_begin(struct run *run, struct task *task)
{
    ist_error err;
    if (task->info->has_apply && !task->record) {
        ist_fail(&err, IST_ERR_NOT_FOUND, "", "it has not been applied");
        ist_hint(&err, "`isthmus apply %s`", run->pipeline->name);
        task_fail(run, task, &err);
    } else if (step_resolve_inputs(run, task)) {
        // A watch reads for itself: only what others take from a step has to be known before.
        if (run->options->kind == RUN_WATCH && !task->unblock_count) {
            task_finish(run, task, RESULT_OK);
            return;
        }
        step_ask(run, task, IST_OP_OBSERVE);
    } else if (task->state == TASK_RUNNING) {
        ist_fail(&err, IST_ERR_NOT_FOUND, "", "%s is not known",
                 task->inputs.unknown_count ? task->inputs.unknown[0] : "an input");
        task_fail(run, task, &err);
    }
}

static void verify_done(struct run *run, struct task *task, const ist_error *err)
{
    if (err->code != IST_OK) {
        task_fail(run, task, err);
        return;
    }
    if (task->operation == IST_OP_OBSERVE) {
        const json_t *recorded = json_object_get(task->record, "outputs");
        json_decref(task->outputs);
        task->outputs = recorded ? json_copy((json_t *)(uintptr_t)recorded) : json_object();
        plan_merge_outputs(task);
        if (run->options->kind == RUN_VERIFY && task->selected && task->info->has_verify) {
            step_ask(run, task, IST_OP_VERIFY);
            return;
        }
    }
    step_release(run, task, true);
    task_finish(run, task, RESULT_OK);
}

const struct pass verify_pass = {"verifying", verify_begin, verify_done, true};
