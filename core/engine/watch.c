// Watching: a supervisor with one worker for each step that can watch. It writes nothing to the state; what
// crashes or hangs begins anew, later each time.
#include "engine/supervisor.h"
#include "engine/watch.h"

#include <errno.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACKOFF_MS     1000
#define BACKOFF_MAX_MS 60000
#define CALM_MS        60000 // who watched this long begins at the first wait again

#define DEFAULT_LISTEN "127.0.0.1:9464" // the port that Prometheus lists for exporters of this kind

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool watch_part(const struct task *task)
{
    return task->leaving || (task->selected && task->info->has_watch);
}

static void say(struct task *task, const char *text)
{
    ist_free(task->last_text);
    task->last_text = ist_strdup(text);
}

// ---- the pass

static void later(struct run *run, struct task *task, const ist_error *err)
{
    int64_t now = run_now(), wait = BACKOFF_MS;
    if (now - task->began > CALM_MS)
        task->agains = 0;
    for (int i = 0; i < task->agains && wait < BACKOFF_MAX_MS; i++)
        wait *= 2;
    if (wait > BACKOFF_MAX_MS)
        wait = BACKOFF_MAX_MS;
    task->agains++;
    task->restarts++;
    task->operation = 0;
    task->restart_at = now + wait;
    // A credential may be at fault: what it is derived from is read anew meanwhile.
    task->renew = task->renew || err->code == IST_ERR_DENIED || err->code == IST_AGAIN;
    json_decref(task->status);
    task->status = NULL;
    say(task, *err->text ? err->text : "ended without a word");
    report_log(run, task->name, "warn", "the watch ended (%s%s%s); it begins anew in %lld s", err->where,
               *err->where ? ": " : "", task->last_text, (long long)(wait + 999) / 1000);
}

void watch_start(struct run *run, struct task *task)
{
    ist_error err = {0};
    task->restart_at = 0;
    if (task->held || task->unread)
        return;
    if (journal_reload(run, task, &err) != IST_OK) {
        later(run, task, &err);
        return;
    }
    if (task->info->has_apply && !task->record) {
        task->unread = true;
        say(task, "it has not been applied");
        return;
    }
    task->began = run_now();
    task->since = wall_ms();
    task->asked = 0;
    say(task, "");
    step_ask(run, task, IST_OP_WATCH);
}

static void watch_begin(struct run *run, struct task *task)
{
    if (!watch_part(task)) {
        task_finish(run, task, RESULT_OK);
        return;
    }
    task->unread = task->excluded;
    if (task->unread)
        say(task, "what it needs could not be read");
    watch_start(run, task);
}

static void gone(struct run *run, struct task *task)
{
    struct task *next = task->leaving ? task_find(run, task->name) : NULL;
    task_finish(run, task, RESULT_OK);
    if (next && next->held) {
        next->held = false;
        watch_start(run, next);
    }
}

static void watch_done(struct run *run, struct task *task, const ist_error *err)
{
    step_release(run, task, false);
    if (run->cancelled || task->leaving) {
        gone(run, task);
    } else if (task->anew) {
        task->anew = false;
        task->operation = 0;
        task->restarts++;
        watch_start(run, task);
    } else {
        later(run, task, err);
    }
}

const struct pass watch_pass = {"watching", watch_begin, watch_done, false};

void watch_end(struct run *run, struct task *task)
{
    ist_error err;
    if (task->worker) {
        worker_cancel(task->worker);
        task->cancelled_at = run_now();
        task->deadline = task->cancelled_at + run->grace_ms;
        return;
    }
    ist_fail(&err, IST_ERR_CANCELLED, "", "stopped");
    task->restart_at = 0;
    run->pass->done(run, task, &err);
}

// ---- rounds of the loop

size_t supervisor_fds(struct supervisor *s, struct pollfd *fds)
{
    size_t n = 0;
    fds[n++] = (struct pollfd){.fd = s->control_fd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = s->page ? page_fd(s->page) : -1, .events = POLLIN};
    for (size_t i = 0; i < SUPERVISOR_CLIENTS; i++)
        fds[n++] = (struct pollfd){.fd = s->clients[i].text ? s->clients[i].fd : -1, .events = POLLOUT};
    return n;
}

void supervisor_hear(struct supervisor *s, const struct pollfd *fds, size_t count)
{
    for (size_t i = 2; i < count; i++)
        if (fds[i].revents && s->clients[i - 2].text)
            control_write(s, &s->clients[i - 2]);
    if (fds[0].revents)
        control_accept(s);
}

// Who takes new inputs shows that it lives whenever it is asked for. Others show it only by ending.
// `held_up`: this process itself stood still, and what they answered may lie unread.
static void ask_alive(struct run *run, struct task *task, int64_t now, bool held_up)
{
    ist_error err;
    const int64_t patience = run->options->watch.patience_ms;
    if (task->state != TASK_RUNNING || task->operation != IST_OP_WATCH || !task->worker || task->leaving ||
        task->cancelled_at || !(task->info->flags & IST_PLUGIN_RECONFIGURES) || patience <= 0)
        return;
    if (!task->asked) {
        task->asked = now;
        worker_ask_alive(task->worker);
    } else if (held_up) {
        task->asked = now;
    } else if (now - task->asked > patience) {
        ist_fail(&err, IST_ERR_TIMEOUT, "watch", "its worker gave no sign of life for %lld s",
                 (long long)(now - task->asked) / 1000);
        step_release(run, task, false);
        run->pass->done(run, task, &err);
    }
}

// What the service manager shows: "3 of 4 steps are watched; mirror: what it needs could not be read".
static void tell_manager(struct supervisor *s)
{
    size_t watched = 0, all = 0;
    const struct task *other = NULL;
    for (size_t i = 0; i < s->run->count; i++) {
        const struct task *task = &s->run->tasks[i];
        if (!watch_part(task) || task->leaving)
            continue;
        all++;
        watched += task->operation == IST_OP_WATCH;
        other = task->operation == IST_OP_WATCH || other ? other : task;
    }
    char *text = ist_printf(
        "%zu of %zu steps watched%s%s%s%s%s%s", watched, all, other ? "; " : "", other ? other->name : "",
        other && other->last_text ? ": " : "", other && other->last_text ? other->last_text : "",
        s->reload_error ? "; the configuration was not taken: " : "", s->reload_error ? s->reload_error : "");
    char *clean = render_redact(s->run->render, text);
    notify_status(s->notify, clean);
    ist_free(clean);
    ist_free(text);
}

void supervisor_tick(struct supervisor *s)
{
    struct run *run = s->run;
    int64_t now = run_now();
    if (s->page)
        page_run(s->page);
    for (size_t i = 0; i < SUPERVISOR_CLIENTS; i++)
        if (s->clients[i].text && s->clients[i].until <= now)
            control_write(s, &s->clients[i]);
    notify_alive(s->notify);
    if (run->pass != &watch_pass)
        return;
    const bool ask = s->alive_at <= now;
    // It ticks every second, whatever happens.
    const bool held_up = now - s->alive_at > 2000 + run->options->watch.patience_ms / 4;
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        if (ask)
            ask_alive(run, task, now, held_up);
        // Nothing is under way that could tell of its end.
        if (run->cancelled && task->state == TASK_RUNNING && !task->worker && !task->restart_at)
            task_finish(run, task, RESULT_OK);
    }
    if (ask)
        s->alive_at = now + run->options->watch.patience_ms / 4;
    if (run->cancelled && !s->stopping) {
        s->stopping = true;
        notify_say(s->notify, "STOPPING=1\nSTATUS=Stopping");
    }
    if (!s->stopping)
        tell_manager(s);
}

// ---- from beginning to end

static int open_all(struct supervisor *s, ist_error *err)
{
    struct run *run = s->run;
    const char *listen = run->options->watch.listen;
    if (control_open(s, err) != IST_OK)
        return err->code;
    if (!listen || strcmp(listen, "none") != 0)
        s->page = page_open(s, listen ? listen : DEFAULT_LISTEN, run->options->watch.listen_public, err);
    if (s->page)
        report_log(run, "", "info", "metrics are at %s/metrics", page_url(s->page));
    else if (listen && strcmp(listen, "none") != 0)
        return err->code;
    else if (!listen)
        report_log(run, "", "warn", "no metrics page: %s%s%s", err->where, *err->where ? ": " : "",
                   err->text);
    return IST_OK;
}

static void close_all(struct supervisor *s)
{
    if (s->control_fd >= 0)
        control_close(s);
    page_close(s->page);
    notify_close(s->notify);
}

static bool read_first(struct run *run)
{
    pass_run(run, &verify_pass, edges_forward);
    bool any = false;
    for (size_t i = 0; i < run->count; i++) {
        run->tasks[i].excluded = run->tasks[i].result != RESULT_OK;
        any = any || (!run->tasks[i].excluded && watch_part(&run->tasks[i]));
    }
    return any && !run->cancelled;
}

static void watch_all(struct supervisor *s)
{
    struct run *run = s->run;
    // The workers that read are not needed again for long, if ever.
    worker_pool_free(run->pool);
    run->pool = worker_pool_new(&run->worker_options, 0);
    run->jobs = (int)run->count;
    s->alive_at = run_now();
    pass_begin(run, &watch_pass, edges_none);
    pass_step(run);
    notify_say(s->notify, "READY=1");
    while (run->finished < run->count) {
        pass_step(run);
        if (run->finished < run->count && run->running)
            loop_once(run);
        if (!run->cancelled)
            read_tick(s);
    }
}

int watch_run(struct run *run)
{
    ist_error err = {0};
    size_t watching = 0;
    for (size_t i = 0; i < run->count; i++)
        watching += watch_part(&run->tasks[i]);
    if (!watching) {
        ist_fail(&err, IST_ERR_INPUT, run->pipeline->name, "none of its steps can be watched");
        report_error(run, &err);
        return EXIT_ERROR;
    }
    struct supervisor s = {.run = run, .control_fd = -1, .began = run_now()};
    int code = EXIT_ERROR;
    if (open_all(&s, &err) != IST_OK) {
        report_error(run, &err);
    } else {
        s.notify = notify_open();
        notify_say(s.notify, "STATUS=Reading");
        signals_hangups_begin();
        run->supervisor = &s;
        if (read_first(run)) {
            watch_all(&s);
            code = EXIT_DONE; // it ends when it is told to
        }
        run->supervisor = NULL;
    }
    close_all(&s);
    run->reloaded = (struct reloaded){s.config, s.catalog, s.pipeline};
    ist_free(s.reload_error);
    return code;
}
