// Reading anew while the watch goes on: for SIGHUP the configuration too, else only what inputs are derived from
// (outputs of other steps, a token among them). A second run of the engine does it, quietly, beside the first.
#include "engine/supervisor.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>
#include <time.h>

#define ASKED_MS  10000 // between two readings that plugins ask for
#define RETRY_MS  5000  // after one that failed, twice as long each time
#define RETRY_MAX 300000
#define READ_JOBS 4

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// ---- taking what was read

// Why a task of the reading could not be read: the failure itself, of whichever step it was; ist_free.
static char *why_not(const struct task *read)
{
    const struct task *at = read;
    while (at->failed_need)
        at = at->failed_need;
    const char *text = at->last_text && *at->last_text ? at->last_text : "it was not read";
    return at == read ? ist_strdup(text) : ist_printf("%s: %s", at->name, text);
}

static void not_read(struct run *run, struct task *task, const char *why)
{
    if (!task->unread) {
        report_log(run, task->name, "warn", "goes on with the inputs it has; they cannot be read anew: %s",
                   why);
    } else if (!task->last_text || strcmp(task->last_text, why) != 0) {
        report_log(run, task->name, "warn", "cannot be watched yet: %s", why);
        ist_free(task->last_text);
        task->last_text = ist_strdup(why);
    }
}

// A worker that is at work gets the new inputs, or is ended for another that begins with them.
static void deliver(struct run *run, struct task *task)
{
    ist_error err;
    if (!task->worker || task->operation != IST_OP_WATCH || task->cancelled_at)
        return;
    if ((task->info->flags & IST_PLUGIN_RECONFIGURES) &&
        worker_renew(task->worker, task->inputs.inputs, &err) == IST_OK) {
        report_log(run, task->name, "info", "is given new inputs");
        return;
    }
    report_log(run, task->name, "info", "begins anew with new inputs");
    task->anew = true;
    watch_end(run, task);
}

// The inputs that were read take the place of those it has. Do they differ?
static bool take_inputs(struct task *task, struct task *read)
{
    const struct resolved had = task->inputs;
    const bool resolved = task->resolved;
    const bool differ = !resolved || !json_equal(had.inputs, read->inputs.inputs);
    task->inputs = read->inputs;
    task->resolved = true;
    read->inputs = had;
    read->resolved = resolved;
    task->renew = false;
    return differ;
}

// ---- derived inputs

static bool derived(const struct task *task)
{
    return task->step && task->step->needs_count;
}

static bool concerned(const struct task *task, bool all)
{
    return watch_part(task) && !task->leaving && (task->unread || task->renew || (all && derived(task)));
}

// True: everything could be read.
static bool take_derived(struct supervisor *s, struct run *reading)
{
    bool whole = true;
    for (size_t i = 0; i < reading->count; i++) {
        struct task *read = &reading->tasks[i], *task = task_find(s->run, read->name);
        if (!read->selected || !task || !watch_part(task) || task->leaving)
            continue;
        if (read->result != RESULT_OK) {
            char *why = why_not(read);
            not_read(s->run, task, why);
            ist_free(why);
            whole = false;
            continue;
        }
        const bool differ = take_inputs(task, read);
        if (task->unread) {
            task->unread = false;
            watch_start(s->run, task);
        } else if (differ) {
            deliver(s->run, task);
        }
    }
    return whole;
}

// ---- a new configuration

static bool same_plugin(const struct plugin_info *a, const struct plugin_info *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->version, b->version) == 0 &&
           strcmp(a->path, b->path) == 0 && strcmp(a->build ? a->build : "", b->build ? b->build : "") == 0;
}

// What belongs to the watch under way goes from the task that was to the one that takes its place.
static void move_watch(struct task *to, struct task *from)
{
    to->worker = from->worker;
    to->pooled = from->pooled;
    to->operation = from->operation;
    to->deadline = from->deadline;
    to->cancelled_at = from->cancelled_at;
    to->restart_at = from->restart_at;
    to->agains = from->agains;
    to->began = from->began;
    to->since = from->since;
    to->asked = from->asked;
    to->restarts = from->restarts;
    to->unread = from->unread;
    to->anew = from->anew;
    to->held = from->held;
    json_decref(to->status);
    to->status = from->status;
    ist_free(to->last_text);
    to->last_text = from->last_text;
    from->worker = NULL;
    from->status = NULL;
    from->last_text = NULL;
}

// A task whose worker has to end: all that it was is left behind with the others of its run.
static void keep_leaving(struct run *run, struct task *from)
{
    struct task *to = &run->tasks[run->count++];
    *to = (struct task){
        .name = ist_strdup(from->name), .leaving = true, .state = TASK_RUNNING, .outputs = json_object()};
    move_watch(to, from);
    to->anew = to->held = to->unread = false;
    run->running++;
    if (!to->cancelled_at)
        watch_end(run, to);
}

struct counts {
    size_t begun, ended, told;
};

// A step that goes on under the new configuration. `why`: it could not be read; NULL: it was.
static void go_on(struct run *run, struct task *task, struct task *was, const char *why,
                  struct counts *counts)
{
    // Compared with what its worker has.
    const bool differ = !why && (!was->resolved || !json_equal(was->inputs.inputs, task->inputs.inputs));
    move_watch(task, was);
    if (why) {
        take_inputs(task, was);
        not_read(run, task, why);
    } else if (task->unread) {
        task->unread = false;
        watch_start(run, task);
    } else if (differ) {
        counts->told++;
        deliver(run, task);
    }
}

// `was`: the task that watched the step, or NULL. True: it could be read.
static bool take_step(struct run *run, struct task *task, struct task *was, struct counts *counts)
{
    char *why = task->result == RESULT_OK ? NULL : why_not(task);
    const bool read = !why;
    task->state = TASK_RUNNING;
    run->running++;
    run->finished--;
    if (was && same_plugin(was->info, task->info)) {
        go_on(run, task, was, why, counts);
    } else {
        counts->begun++;
        task->unread = !read;
        task->held = was && was->worker;
        if (why)
            not_read(run, task, why);
        watch_start(run, task);
    }
    ist_free(why);
    return read;
}

// The tasks that were read become those of the watch; tasks_make() left room for those that are leaving. True: every
// one could be read.
static bool take_tasks(struct run *run, struct run *reading, struct counts *counts)
{
    struct run old = {.tasks = run->tasks, .count = run->count, .index = run->index, .ready = run->ready};
    const size_t fresh = reading->count;
    bool whole = true;
    run->tasks = reading->tasks;
    run->count = run->finished = fresh;
    run->index = reading->index;
    run->ready = reading->ready;
    run->ready_head = run->ready_count = run->running = 0;
    reading->tasks = NULL;
    reading->index = NULL;
    reading->ready = NULL;
    reading->count = 0;
    for (size_t i = 0; i < fresh; i++) {
        struct task *was = task_find(&old, run->tasks[i].name);
        if (watch_part(&run->tasks[i]))
            whole = take_step(run, &run->tasks[i], was && watch_part(was) ? was : NULL, counts) && whole;
    }
    for (size_t i = 0; i < old.count; i++)
        if (old.tasks[i].worker) {
            counts->ended += !old.tasks[i].leaving;
            keep_leaving(run, &old.tasks[i]);
        }
    edges_none(run);
    tasks_free(&old);
    return whole;
}

// ---- reading

static void begin_reading(struct supervisor *s, struct run *reading, struct pipeline *pipeline,
                          struct catalog *catalog, const struct run_options *options)
{
    struct run *run = s->run;
    *reading = (struct run){.pipeline = pipeline,
                            .catalog = catalog,
                            .store = run->store,
                            .render = run->render,
                            .options = options,
                            .worker_options = run->worker_options,
                            .run_dir = run->run_dir,
                            .jobs = READ_JOBS,
                            .grace_ms = run->grace_ms,
                            .beside = run};
    reading->pool = worker_pool_new(&reading->worker_options, READ_JOBS);
}

static void end_reading(struct run *reading)
{
    tasks_free(reading);
    worker_pool_free(reading->pool);
}

static void read_derived(struct supervisor *s, bool all)
{
    struct run *run = s->run, reading;
    const char **only = ist_calloc(run->count + 1, sizeof(*only));
    struct run_options options = *run->options;
    options.only = only;
    options.only_count = 0;
    for (size_t i = 0; i < run->count; i++)
        if (concerned(&run->tasks[i], all))
            only[options.only_count++] = run->tasks[i].name;
    bool whole = true;
    if (options.only_count) {
        begin_reading(s, &reading, run->pipeline, run->catalog, &options);
        whole = tasks_make(&reading) == IST_OK;
        if (whole)
            pass_run(&reading, &verify_pass, edges_forward);
        if (whole && !run->cancelled)
            whole = take_derived(s, &reading);
        end_reading(&reading);
    }
    ist_free(only);
    s->read_failures = whole ? 0 : s->read_failures + 1;
}

// ---- SIGHUP

static void refuse(struct supervisor *s, const char *why)
{
    s->failed_reloads++;
    ist_free(s->reload_error);
    s->reload_error = ist_strdup(why);
    report_log(s->run, "", "error", "the new configuration is not taken, the one before goes on: %s", why);
}

static void drop(struct reloaded *loaded)
{
    pipeline_free(loaded->pipeline);
    catalog_free(loaded->catalog);
    config_free(loaded->config);
}

// The first that is wrong with the new configuration beside what loading it has told; ist_free. NULL: nothing.
static char *load(struct supervisor *s, struct reloaded *loaded)
{
    const struct watch_options *options = &s->run->options->watch;
    char *why = NULL;
    if (!options->reload)
        return ist_strdup("this watch cannot read it again");
    if (options->reload(options->reload_arg, s->run->pipeline->name, &loaded->config, &loaded->catalog,
                        &loaded->pipeline, &why) != 0)
        return why ? why : ist_strdup("it is wrong");
    if (strcmp(config_state_path(loaded->config), config_state_path(s->run->pipeline->config)) != 0)
        return ist_printf("the state is %s now: another state needs another watch",
                          config_state_path(loaded->config));
    return NULL;
}

// The new configuration is in `loaded`; what is taken from it is not there any more afterwards.
static void take_configuration(struct supervisor *s, struct reloaded *loaded)
{
    struct run *run = s->run, reading;
    struct counts counts = {0};
    struct reloaded before = {s->config, s->catalog, s->pipeline};
    size_t watching = 0;
    begin_reading(s, &reading, loaded->pipeline, loaded->catalog, run->options);
    bool made = tasks_make(&reading) == IST_OK;
    for (size_t i = 0; i < reading.count; i++)
        watching += watch_part(&reading.tasks[i]);
    if (!made || !watching) {
        refuse(s, made ? "none of its steps can be watched" : "its steps cannot be told");
    } else {
        pass_run(&reading, &verify_pass, edges_forward);
    }
    if (made && watching && !run->cancelled) {
        const bool whole = take_tasks(run, &reading, &counts);
        run->pipeline = loaded->pipeline;
        run->catalog = loaded->catalog;
        run->grace_ms = config_grace_ms(loaded->config);
        s->config = loaded->config;
        s->catalog = loaded->catalog;
        s->pipeline = loaded->pipeline;
        *loaded = before;
        s->read_failures = whole ? 0 : s->read_failures + 1;
        s->reloads++;
        s->reloaded_ms = clock_us(CLOCK_REALTIME) / 1000;
        ist_free(s->reload_error);
        s->reload_error = NULL;
        report_log(run, "", "info", "took the new configuration: %zu begun, %zu ended, %zu with new inputs",
                   counts.begun, counts.ended, counts.told);
    }
    end_reading(&reading);
}

static void reload(struct supervisor *s)
{
    struct reloaded loaded = {0};
    notify_say(s->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading the configuration",
               (long long)clock_us(CLOCK_MONOTONIC));
    report_log(s->run, "", "info", "reads the configuration again");
    char *why = load(s, &loaded);
    if (why)
        refuse(s, why);
    else
        take_configuration(s, &loaded);
    ist_free(why);
    drop(&loaded);
    notify_say(s->notify, "READY=1");
}

// ---- when

static int64_t retry_ms(int failures)
{
    int64_t wait = RETRY_MS;
    for (int i = 1; i < failures && wait < RETRY_MAX; i++)
        wait *= 2;
    return wait < RETRY_MAX ? wait : RETRY_MAX;
}

void read_tick(struct supervisor *s)
{
    const struct run *run = s->run;
    const int64_t now = run_now(), refresh = run->options->watch.refresh_ms;
    bool asks = false, unread = false, any = false;
    if (signals_hangups() != s->hangups) {
        s->hangups = signals_hangups();
        reload(s);
        s->refreshed = s->tried = run_now();
        return;
    }
    for (size_t i = 0; i < run->count; i++) {
        const struct task *task = &run->tasks[i];
        const bool part = watch_part(task) && !task->leaving;
        asks = asks || (part && task->renew);
        unread = unread || (part && task->unread);
        any = any || (part && derived(task));
    }
    const bool due = any && refresh > 0 && now - s->refreshed >= refresh;
    const int64_t wait = s->read_failures ? retry_ms(s->read_failures) : unread ? RETRY_MS : ASKED_MS;
    if (!due && !((asks || unread) && (!s->tried || now - s->tried >= wait)))
        return;
    s->tried = now;
    if (due)
        s->refreshed = now;
    read_derived(s, due);
}
