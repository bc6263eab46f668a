// The control socket of a watch, on both sides: whoever connects is told how it stands, as JSON, and nothing else.
#include "engine/supervisor.h"
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
#include <unistd.h>

#define ANSWER_MS 2000

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
    struct timeval wait = {.tv_usec = ANSWER_MS % 1000 * 1000, .tv_sec = ANSWER_MS / 1000};
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

int control_open(struct supervisor *s, ist_error *err)
{
    struct run *run = s->run;
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
        s->control_fd = fd;
        return IST_OK;
    }
    if (fd >= 0)
        close(fd);
    return ist_fail(err, IST_ERR_INTERNAL, store_path(run->store), "cannot make the control socket: %s",
                    strerror(saved));
}

static void let_go(struct client *client)
{
    close(client->fd);
    ist_free(client->text);
    *client = (struct client){0};
}

void control_close(struct supervisor *s)
{
    struct sockaddr_un address;
    int dir = address_of(store_path(s->run->store), s->run->pipeline->name, &address);
    if (dir >= 0) {
        unlink(address.sun_path);
        close(dir);
    }
    for (size_t i = 0; i < SUPERVISOR_CLIENTS; i++)
        if (s->clients[i].text)
            let_go(&s->clients[i]);
    close(s->control_fd);
    s->control_fd = -1;
}

// ---- what is said

static const char *state_of(const struct run *run, const struct task *task)
{
    if (run->pass != &watch_pass)
        return "unread";
    if (task->leaving)
        return "leaving";
    if (task->unread)
        return "unread";
    return task->operation == IST_OP_WATCH ? "watching" : "waiting";
}

static json_t *step_status(const struct run *run, const struct task *task, bool inputs)
{
    json_t *step = json_pack("{s:s, s:s, s:I, s:I, s:s}", "plugin", task->step ? task->step->plugin : "",
                             "state", state_of(run, task), "since_ms", (json_int_t)task->since, "restarts",
                             (json_int_t)task->restarts, "text", task->last_text ? task->last_text : "");
    if (inputs)
        json_object_set_new(step, "inputs",
                            task->resolved ? render_redact_inputs(run->render, task->inputs.public_inputs)
                                           : json_object());
    json_object_set(step, "status", task->status ? task->status : json_null());
    return step;
}

json_t *control_status(struct supervisor *s, bool inputs)
{
    const struct run *run = s->run;
    json_t *steps = json_object();
    for (size_t i = 0; i < run->count; i++) {
        const struct task *task = &run->tasks[i];
        if (watch_part(task) &&
            !(task->leaving && (task->state == TASK_FINISHED || task_find(run, task->name))))
            json_object_set_new(steps, task->name, step_status(run, task, inputs));
    }
    json_t *said =
        json_pack("{s:i, s:I, s:s?, s:I, s:I, s:I, s:s?, s:o}", "pid", (int)getpid(), "seconds",
                  (json_int_t)((run_now() - s->began) / 1000), "listen", s->page ? page_url(s->page) : NULL,
                  "reloads", (json_int_t)s->reloads, "failed_reloads", (json_int_t)s->failed_reloads,
                  "reloaded_ms", (json_int_t)s->reloaded_ms, "reload_error", s->reload_error, "steps", steps);
    json_t *clean = render_redact_json(run->render, said);
    json_decref(said);
    return clean;
}

// ---- saying it

// As much as the other side takes now. One that does not read is let go in the end: nobody may make the supervisor
// wait.
void control_write(struct supervisor *s, struct client *client)
{
    ssize_t n = send(client->fd, client->text + client->sent, client->len - client->sent,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
    const bool full = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (n > 0)
        client->sent += (size_t)n;
    if ((n < 0 && !full) || client->sent == client->len || client->until <= run_now()) {
        if (client->sent < client->len)
            report_log(s->run, "", "debug", "one that asked for the status did not read it");
        let_go(client);
    }
}

void control_accept(struct supervisor *s)
{
    int fd = accept4(s->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct client *client = NULL;
    for (size_t i = 0; i < SUPERVISOR_CLIENTS && !client; i++)
        client = s->clients[i].text ? NULL : &s->clients[i];
    if (!client) {
        close(fd);
        return;
    }
    json_t *said = control_status(s, true);
    char *text = json_dumps(said, JSON_COMPACT);
    *client =
        (struct client){.fd = fd, .text = ist_strdup(text ? text : "{}"), .until = run_now() + ANSWER_MS};
    client->len = strlen(client->text);
    free(text);
    json_decref(said);
    control_write(s, client);
}
