// Watching: a supervisor with one worker for each step that can watch. It writes nothing to the state; what
// crashes is started again, later each time, after it was read anew.
#include "engine/run.h"
#include "engine/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKOFF_MS     1000
#define BACKOFF_MAX_MS 60000
#define CALM_MS        60000 // who watched this long begins at the first wait again
#define ANSWER_MS      500

// ---- the control socket

// A socket's path is short; that of a state need not be: the folder is reached through a descriptor.
static int address_of(const char *state, const char *pipeline, struct sockaddr_un *address)
{
    char *copy = ist_strdup(state), *copy2 = ist_strdup(state);
    int dir = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s.watch-%s", dir,
                     basename(copy2), pipeline);
    ist_free(copy);
    ist_free(copy2);
    if (dir >= 0 && n > 0 && (size_t)n < sizeof(address->sun_path))
        return dir;
    if (dir >= 0)
        close(dir);
    errno = ENAMETOOLONG;
    return -1;
}

json_t *watch_ask(const char *state, const char *pipeline)
{
    struct sockaddr_un address;
    int dir = address_of(state, pipeline, &address);
    int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {.tv_usec = ANSWER_MS * 1000};
    ist_buf text = {0};
    json_t *said = NULL;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        char bytes[4096];
        ssize_t n;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        while ((n = read(fd, bytes, sizeof(bytes))) > 0 && ist_buf_add(&text, bytes, (size_t)n) == IST_OK)
            ;
        said = text.len ? json_loadb(text.data, text.len, 0, NULL) : NULL;
        // It is there, and too busy to say more.
        if (!said)
            said = json_object();
    }
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    ist_buf_free(&text);
    return said;
}

static int control_open(struct run *run, ist_error *err)
{
    struct sockaddr_un address;
    json_t *other = watch_ask(store_path(run->store), run->pipeline->name);
    if (other) {
        ist_fail(err, IST_ERR_CONFLICT, run->pipeline->name, "it is watched already, by process %lld",
                 (long long)ist_json_int(other, "pid", 0));
        json_decref(other);
        return err->code;
    }
    int dir = address_of(store_path(run->store), run->pipeline->name, &address);
    int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    if (dir >= 0)
        unlink(address.sun_path); // of one that died
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0;
    int saved = errno;
    umask(before);
    if (dir >= 0)
        close(dir);
    if (ok) {
        run->control_fd = fd;
        return IST_OK;
    }
    if (fd >= 0)
        close(fd);
    return ist_fail(err, IST_ERR_INTERNAL, store_path(run->store), "cannot make the control socket: %s",
                    strerror(saved));
}

static void control_close(struct run *run)
{
    struct sockaddr_un address;
    int dir = address_of(store_path(run->store), run->pipeline->name, &address);
    if (dir >= 0) {
        unlink(address.sun_path);
        close(dir);
    }
    close(run->control_fd);
    run->control_fd = -1;
}

void watch_status(struct run *run)
{
    int fd = accept4(run->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    json_t *steps = json_object();
    for (size_t i = 0; i < run->count; i++) {
        const struct task *task = &run->tasks[i];
        if (!task->selected || !task->info->has_watch)
            continue;
        json_t *inputs = render_redact_inputs(run->render, task->inputs.public_inputs);
        json_object_set_new(steps, task->name,
                            json_pack("{s:s, s:I, s:s, s:o}", "state",
                                      task->operation == IST_OP_WATCH ? "watching" : "waiting", "restarts",
                                      (json_int_t)task->restarts, "text",
                                      task->last_text ? task->last_text : "", "inputs", inputs));
    }
    json_t *said = json_pack("{s:i, s:I, s:o}", "pid", (int)getpid(), "seconds",
                             (json_int_t)((run_now() - run->tasks[0].began) / 1000), "steps", steps);
    json_t *clean = render_redact_json(run->render, said);
    char *text = json_dumps(clean, JSON_COMPACT);
    // A peer that does not read loses the rest: nobody may make the supervisor wait.
    if (text && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        report_log(run, "", "debug", "status: %s", strerror(errno));
    free(text);
    json_decref(clean);
    json_decref(said);
    close(fd);
}

// ---- the pass

static void watch_begin(struct run *run, struct task *task)
{
    if (!task->selected || !task->info->has_watch || task->excluded) {
        task_finish(run, task, task->excluded ? RESULT_FAILED : RESULT_OK);
    } else if (task->restarts) {
        step_ask(run, task, IST_OP_OBSERVE);
    } else {
        task->began = run_now();
        step_ask(run, task, IST_OP_WATCH);
    }
}

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
    report_log(run, task->name, "warn", "the watch ended (%s%s%s); it begins anew in %lld s", err->where,
               *err->where ? ": " : "", *err->text ? err->text : "without a word",
               (long long)(wait + 999) / 1000);
}

static void watch_done(struct run *run, struct task *task, const ist_error *err)
{
    uint32_t operation = task->operation;
    if (run->cancelled) {
        step_release(run, task, false);
        task_finish(run, task, RESULT_OK);
    } else if (err->code == IST_OK && operation == IST_OP_OBSERVE) {
        task->began = run_now();
        step_ask(run, task, IST_OP_WATCH);
    } else {
        step_release(run, task, false);
        later(run, task, err);
    }
}

const struct pass watch_pass = {"watching", watch_begin, watch_done, false};

int watch_run(struct run *run)
{
    ist_error err = {0};
    size_t watching = 0;
    for (size_t i = 0; i < run->count; i++)
        watching += run->tasks[i].selected && run->tasks[i].info->has_watch;
    if (!watching) {
        ist_fail(&err, IST_ERR_INPUT, run->pipeline->name, "none of its steps can be watched");
        report_error(run, &err);
        return EXIT_ERROR;
    }
    if (control_open(run, &err) != IST_OK) {
        report_error(run, &err);
        return EXIT_ERROR;
    }
    pass_run(run, &verify_pass, edges_forward);
    for (size_t i = 0; i < run->count; i++)
        run->tasks[i].excluded = run->tasks[i].result != RESULT_OK;
    bool none = true;
    for (size_t i = 0; i < run->count; i++)
        none = none && (run->tasks[i].excluded || !run->tasks[i].info->has_watch);
    int code = EXIT_ERROR;
    if (!none && !run->cancelled) {
        // The workers that read are not needed again for long, if ever.
        worker_pool_free(run->pool);
        run->pool = worker_pool_new(&run->worker_options, 0);
        run->jobs = (int)run->count;
        pass_run(run, &watch_pass, edges_none);
        code = EXIT_DONE; // it ends when it is told to
    }
    control_close(run);
    return code;
}
