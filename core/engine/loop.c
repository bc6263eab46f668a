// The one poll loop, and the passes that it drives.
#include "engine/run.h"
#include "engine/supervisor.h"

#include <errno.h>
#include <isthmus/alloc.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS  100  // how often a terminal is redrawn
#define SLEEP_MS 1000 // else

int64_t run_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void make_ready(struct run *run, size_t number)
{
    run->ready[run->ready_count++] = number;
}

void task_finish(struct run *run, struct task *task, enum task_result result)
{
    if (task->state == TASK_FINISHED)
        return;
    if (task->state == TASK_RUNNING)
        run->running--;
    task->state = TASK_FINISHED;
    task->result = result;
    task->operation = 0;
    task->restart_at = task->deadline = 0;
    run->finished++;
    if (!run->beside)
        render_event(run->render, json_pack("{s:s, s:s}", "event", "step-end", "step", task->name));
    for (size_t i = 0; i < task->unblock_count; i++) {
        struct task *later = &run->tasks[task->unblocks[i]];
        if (result != RESULT_OK && !later->failed_need)
            later->failed_need = task;
        if (later->blockers && --later->blockers == 0 && later->state == TASK_WAITING)
            make_ready(run, task->unblocks[i]);
    }
}

void task_fail(struct run *run, struct task *task, const ist_error *err)
{
    bool stopped = err->code == IST_ERR_CANCELLED && run->cancelled;
    if (run->beside) {
        // Whoever reads for a watch says it once, and of the steps that are concerned.
        ist_free(task->last_text);
        task->last_text = ist_printf("%s%s%s", err->where, *err->where ? ": " : "", err->text);
    } else if (!stopped)
        report_failed(run, task, err);
    task_finish(run, task, stopped ? RESULT_CANCELLED : RESULT_FAILED);
}

static void skip(struct run *run, struct task *task)
{
    char *because = ist_printf("%s did not finish", task->failed_need->name);
    bool stopped = task->failed_need->result == RESULT_CANCELLED;
    if (!stopped && !task->reported && !run->beside)
        render_event(run->render, json_pack("{s:s, s:s, s:s}", "event", "skipped", "step", task->name,
                                            "because", because));
    task->reported = true;
    ist_free(because);
    task_finish(run, task, stopped ? RESULT_CANCELLED : RESULT_SKIPPED);
}

static void begin_task(struct run *run, struct task *task)
{
    if (task->state != TASK_WAITING)
        return;
    if (run->cancelled) {
        task_finish(run, task, RESULT_CANCELLED);
        return;
    }
    if (run->pass->skips && task->failed_need) {
        skip(run, task);
        return;
    }
    task->state = TASK_RUNNING;
    task->began = run_now();
    task->crashes = task->agains = 0;
    run->running++;
    run->pass->begin(run, task);
}

void pass_step(struct run *run)
{
    while (run->ready_head < run->ready_count && (run->running < (size_t)run->jobs || run->cancelled))
        begin_task(run, &run->tasks[run->ready[run->ready_head++]]);
    // Edges recorded at different times may form a circle; it is cut where it was made first.
    for (size_t i = 0; i < run->count && !run->running && run->ready_head == run->ready_count; i++)
        if (run->tasks[i].state == TASK_WAITING)
            make_ready(run, i);
}

void pass_begin(struct run *run, const struct pass *pass, void (*edges)(struct run *run))
{
    run->pass = pass;
    run->ready_head = run->ready_count = run->running = run->finished = 0;
    // Every task is made ready once, and once more at the most when a circle is cut.
    run->ready = ist_realloc(run->ready, 2 * run->count + 1, sizeof(*run->ready));
    edges(run);
    for (size_t i = 0; i < run->count; i++) {
        run->tasks[i].state = TASK_WAITING;
        run->tasks[i].result = RESULT_NONE;
    }
    for (size_t i = 0; i < run->count; i++)
        if (!run->tasks[i].blockers)
            make_ready(run, i);
    if (run->beside)
        return;
    char *text = ist_printf("%s %s", pass->title, run->pipeline->name);
    render_event(run->render, json_pack("{s:s, s:s, s:I}", "event", "pass", "text", text, "steps",
                                        (json_int_t)run->count));
    ist_free(text);
}

void pass_run(struct run *run, const struct pass *pass, void (*edges)(struct run *run))
{
    pass_begin(run, pass, edges);
    while (run->finished < run->count) {
        pass_step(run);
        if (run->finished < run->count && run->running)
            loop_once(run);
    }
}

// ---- waiting

static void heard_signal(struct run *run)
{
    int count = signals_count();
    if (count == run->cancelled)
        return;
    bool first = run->cancelled == 0;
    run->cancelled = count;
    if (first && !run->beside)
        report_log(run, "", "warn",
                   "stopping: nothing new begins, waits end; once more kills what is at work");
    ask_forget(run);
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        if (task->worker && count == 1)
            worker_cancel(task->worker);
        else if (task->worker)
            worker_kill(task->worker);
        else if (task->restart_at)
            task->restart_at = 1;
    }
}

static int timeout_of(const struct run *run)
{
    int64_t now = run_now(), wait = render_interactive(run->render) ? TICK_MS : SLEEP_MS;
    for (size_t i = 0; i < run->count; i++) {
        const struct task *task = &run->tasks[i];
        if (task->state != TASK_RUNNING)
            continue;
        if (task->deadline && task->deadline - now < wait)
            wait = task->deadline - now;
        if (task->restart_at && task->restart_at - now < wait)
            wait = task->restart_at - now;
    }
    return wait > 0 ? (int)wait : 0;
}

static void due(struct run *run)
{
    int64_t now = run_now();
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        if (task->state == TASK_RUNNING &&
            ((task->deadline && task->deadline <= now) || (task->restart_at && task->restart_at <= now)))
            step_deadline(run, task);
    }
}

// Workers of the run that have something to say.
static size_t collect(const struct run *run, struct pollfd *fds, struct task **who)
{
    size_t n = 0;
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        if (task->state != TASK_RUNNING || !task->worker)
            continue;
        who[n] = task;
        fds[n++] = (struct pollfd){.fd = worker_fd(task->worker), .events = POLLIN};
    }
    return n;
}

static void hear(struct run *run, const struct pollfd *fds, struct task **who, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i].revents && who[i]->worker && worker_fd(who[i]->worker) == fds[i].fd)
            step_read(run, who[i]);
}

// One round: signals and the user, what belongs to the supervisor, the workers of this run, and those of the one
// beside it.
void loop_once(struct run *run)
{
    struct run *beside = run->beside, *main = beside ? beside : run;
    size_t room = 2 + SUPERVISOR_FDS + run->running + (beside ? beside->running : 0);
    struct pollfd *fds = ist_calloc(room, sizeof(*fds));
    struct task **who = ist_calloc(room, sizeof(struct task *));
    fds[0] = (struct pollfd){.fd = signals_fd(), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = run->question_count ? STDIN_FILENO : -1, .events = POLLIN};
    size_t at = 2 + (main->supervisor ? supervisor_fds(main->supervisor, fds + 2) : 0);
    const size_t own = at, others = own + collect(run, fds + own, who + own);
    const size_t count = others + (beside ? collect(beside, fds + others, who + others) : 0);
    int wait = timeout_of(run), also = beside ? timeout_of(beside) : wait;
    if (poll(fds, (nfds_t)count, wait < also ? wait : also) > 0) {
        if (fds[0].revents && beside)
            heard_signal(beside);
        if (fds[0].revents)
            heard_signal(run);
        if (fds[1].revents && run->question_count)
            ask_read(run);
        if (main->supervisor)
            supervisor_hear(main->supervisor, fds + 2, at - 2);
        hear(run, fds + own, who + own, others - own);
        if (beside)
            hear(beside, fds + others, who + others, count - others);
    }
    due(run);
    if (beside)
        due(beside);
    if (main->supervisor)
        supervisor_tick(main->supervisor);
    render_tick(run->render);
    ist_free(fds);
    ist_free(who);
}
