// Who takes part in a run, and the order of a pass.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

struct task *task_find(const struct run *run, const char *name)
{
    const json_t *number = name ? json_object_get(run->index, name) : NULL;
    return number ? &run->tasks[json_integer_value(number)] : NULL;
}

static bool named(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static const char *status_of(const json_t *record)
{
    return ist_json_str_or(record, "status", "");
}

// The plugin of the record, when it is not the configured one. Not found is told when it is needed.
static void find_plugins(struct run *run, struct task *task)
{
    const char *recorded = ist_json_str(task->record, "plugin");
    if (task->step) {
        task->info = task->step->info;
        task->replaced = recorded && strcmp(recorded, task->step->plugin) != 0;
    }
    if (recorded && (!task->step || task->replaced))
        task->old = catalog_find(run->catalog, recorded, NULL);
    if (!task->step)
        task->info = task->old;
}

static void add_task(struct run *run, const char *name, const struct step *step, json_t *record)
{
    struct task *task = &run->tasks[run->count];
    *task = (struct task){
        .name = ist_strdup(name), .step = step, .record = json_incref(record), .selected = true};
    task->outputs = json_object();
    task->resume = record && strcmp(status_of(record), "applied") != 0;
    json_object_set_new(run->index, name, json_integer((json_int_t)run->count));
    find_plugins(run, task);
    run->count++;
}

static void mark_needed(struct run *run, bool *wanted, const struct step *step)
{
    for (size_t i = 0; i < step->needs_count; i++)
        for (size_t j = 0; j < run->pipeline->count; j++)
            if (strcmp(run->pipeline->steps[j].name, step->needs[i]) == 0 && !wanted[j]) {
                wanted[j] = true;
                mark_needed(run, wanted, &run->pipeline->steps[j]);
            }
}

static int check_names(struct run *run, const json_t *records, const char *const *names, size_t count,
                       const char *option)
{
    size_t known = 0, room = run->pipeline->count + json_array_size(records);
    const char **words = ist_calloc(room + 1, sizeof(*words));
    for (size_t i = 0; i < run->pipeline->count; i++)
        words[known++] = run->pipeline->steps[i].name;
    size_t i;
    const json_t *record;
    json_array_foreach(records, i, record) words[known++] = ist_json_str_or(record, "step", "");
    bool forgets = strcmp(option, "--forget") == 0;
    json_t *systems = forgets ? forget_systems(records) : json_object();
    int rc = IST_OK;
    for (i = 0; i < count && rc == IST_OK; i++) {
        if (named(words, known, names[i]) || json_object_get(systems, names[i]) ||
            (forgets && forget_mentioned(records, names[i])))
            continue;
        const char *near = nearest(names[i], words, known);
        ist_error err;
        rc = ist_fail(&err, IST_ERR_INPUT, option,
                      forgets ? "pipeline %s has no step `%s`, nor anything recorded in a system of that name"
                              : "pipeline %s has no step `%s`",
                      run->pipeline->name, names[i]);
        if (near)
            ist_hint(&err, "did you mean `%s`?", near);
        report_error(run, &err);
    }
    json_decref(systems);
    ist_free(words);
    return rc;
}

// Live steps in the pipeline's order; --only takes those named and what they need.
static void add_live(struct run *run, const json_t *by_name)
{
    const struct run_options *o = run->options;
    bool *wanted = ist_calloc(run->pipeline->count, sizeof(*wanted));
    for (size_t i = 0; i < run->pipeline->count; i++)
        if (!o->only_count || named(o->only, o->only_count, run->pipeline->steps[i].name)) {
            wanted[i] = true;
            mark_needed(run, wanted, &run->pipeline->steps[i]);
        }
    for (size_t i = 0; i < run->pipeline->count; i++) {
        const struct step *step = &run->pipeline->steps[i];
        if (!wanted[i])
            continue;
        add_task(run, step->name, step, json_object_get(by_name, step->name));
        run->tasks[run->count - 1].selected = !o->only_count || named(o->only, o->only_count, step->name);
    }
    ist_free(wanted);
}

static void add_recorded(struct run *run, const json_t *records, bool all)
{
    const struct run_options *o = run->options;
    size_t i;
    json_t *record;
    json_array_foreach(records, i, record)
    {
        const char *name = ist_json_str_or(record, "step", "");
        if (task_find(run, name))
            continue;
        bool live = false;
        for (size_t j = 0; j < run->pipeline->count; j++)
            live = live || strcmp(run->pipeline->steps[j].name, name) == 0;
        bool chosen = !o->only_count || named(o->only, o->only_count, name);
        // With --only a live step that is not in its reach is none of this run's business.
        if (!all && (live || !chosen))
            continue;
        add_task(run, name, NULL, record);
        run->tasks[run->count - 1].selected = chosen;
    }
}

static void mark_successors(struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        for (size_t j = 0; j < run->count && run->tasks[i].step && !run->tasks[i].record; j++)
            if (!run->tasks[j].step &&
                strcmp(ist_json_str_or(run->tasks[j].record, "plugin", ""), run->tasks[i].step->plugin) == 0)
                run->tasks[i].instead_of = &run->tasks[j];
}

int tasks_make(struct run *run)
{
    json_t *records = NULL, *by_name = json_object(), *record;
    const struct run_options *o = run->options;
    ist_error err = {0};
    size_t i;
    int rc = store_steps(run->store, run->pipeline->name, &records, &err);
    if (rc != IST_OK) {
        report_error(run, &err);
    } else {
        rc = check_names(run, records, o->only, o->only_count, "--only");
        if (rc == IST_OK)
            rc = check_names(run, records, o->forget, o->forget_count, "--forget");
    }
    if (rc == IST_OK) {
        json_array_foreach(records, i, record)
            json_object_set(by_name, ist_json_str_or(record, "step", ""), record);
        // What is read for a watch may take the place of its tasks, beside those that are leaving.
        size_t room =
            run->pipeline->count + json_array_size(records) + (run->beside ? run->beside->count : 0);
        run->tasks = ist_calloc(room + 1, sizeof(*run->tasks));
        run->index = json_object();
        if (o->kind != RUN_DESTROY)
            add_live(run, by_name);
        if (o->kind == RUN_PLAN || o->kind == RUN_APPLY || o->kind == RUN_DESTROY)
            add_recorded(run, records, o->kind == RUN_DESTROY);
        mark_successors(run);
    }
    json_decref(records);
    json_decref(by_name);
    return rc;
}

void tasks_free(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        worker_free(task->worker);
        if (task->resolved)
            resolved_free(&task->inputs);
        json_decref(task->record);
        json_decref(task->observed);
        json_decref(task->outputs);
        json_decref(task->told);
        json_decref(task->changes);
        json_decref(task->seen);
        json_decref(task->status);
        diags_free(task->wrong);
        ist_free(task->unblocks);
        ist_free(task->deferred);
        ist_free(task->last_text);
        ist_free(task->name);
    }
    ist_free(run->tasks);
    ist_free(run->ready);
    json_decref(run->index);
}

// `later` waits for `first`.
static void edge(struct task *first, struct task *later, const struct run *run)
{
    if (!first || !later || first == later)
        return;
    first->unblocks = ist_realloc(first->unblocks, first->unblock_count + 1, sizeof(*first->unblocks));
    first->unblocks[first->unblock_count++] = (size_t)(later - run->tasks);
    later->blockers++;
}

void edges_none(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        run->tasks[i].unblock_count = run->tasks[i].blockers = 0;
        run->tasks[i].failed_need = NULL;
    }
}

static void configured(struct run *run, struct task *task)
{
    for (size_t i = 0; i < task->step->needs_count; i++)
        edge(task_find(run, task->step->needs[i]), task, run);
}

static void recorded(struct run *run, struct task *task, bool reverse)
{
    size_t i;
    const json_t *need;
    json_array_foreach(json_object_get(task->record, "needs"), i, need)
    {
        struct task *other = task_find(run, json_string_value(need));
        edge(reverse ? task : other, reverse ? other : task, run);
    }
}

void edges_forward(struct run *run)
{
    edges_none(run);
    for (size_t i = 0; i < run->count; i++)
        if (run->tasks[i].step)
            configured(run, &run->tasks[i]);
        else
            recorded(run, &run->tasks[i], false);
}

void edges_apply(struct run *run)
{
    edges_none(run);
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        if (task->step)
            configured(run, task);
        size_t j;
        const json_t *need;
        json_array_foreach(json_object_get(task->record, "needs"), j, need)
        {
            struct task *other = task_find(run, json_string_value(need));
            if (other && !other->step)
                edge(task, other, run);
        }
    }
}

void edges_recorded(struct run *run)
{
    edges_none(run);
    for (size_t i = 0; i < run->count; i++)
        recorded(run, &run->tasks[i], false);
}

void edges_reverse(struct run *run)
{
    edges_none(run);
    for (size_t i = 0; i < run->count; i++)
        recorded(run, &run->tasks[i], true);
}
