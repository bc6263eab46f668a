// The core's side of a worker: asks, and turns frames and stray output into events. Every limit that keeps a
// bad plugin from costing more than its step is here.
#include "host/worker.h"

#include "host/environment.h"
#include "host/paths.h"
#include "host/process.h"
#include "host/runner.h"
#include "host/value.h"
#include "host/wire.h"
#include "host/worker_private.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STALL_MS        5000                // a worker that reads nothing for so long is dead
#define GRACE_MS        2000                // to end after its wire is closed
#define HELLO_S         60                  // to load the plugin and say what it is
#define TALK_PER_S      20000u              // lines of log, progress and print in a second
#define SAME_PER_MINUTE 5000u               // times one line is said in a row, without another between
#define TALK_BYTES_S    ((size_t)64 << 20)  // and bytes of them
#define TOLD_MAX        ((size_t)256 << 20) // bytes of results in one operation
#define LINE_MAX_BYTES  4096u               // of stray output
#define MEMORY_DEFAULT  ((size_t)4 << 30)

struct worker {
    struct process process;
    struct wire_reader *reader;
    int epoll;
    int more;           // eventfd: readable while frames are here that the socket does not tell of any more
    bool armed;         // it is
    char *plugin;       // its name
    json_t *descriptor; // what it said of itself, once greeted
    bool trace, greeted, broken, output_ended;
    uint64_t reading; // whose observe it ended last, and still holds; 0: none's
    uint64_t begun;   // whose observe is under way
    int64_t second;   // that is counted, and what was in it
    size_t talk, talk_max, talk_bytes, told;
    uint64_t said; // a digest of the line said last
    int64_t said_since;
    unsigned said_times;
    char line[LINE_MAX_BYTES + 1]; // of stray output, not whole yet
    size_t line_len;
    char last_line[256]; // the last whole one: often the reason of a crash
};

static int watch_fd(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int worker_start(const struct plugin_info *plugin, const struct worker_options *options,
                 struct worker **worker, ist_error *err)
{
    static const struct worker_options defaults = {.lock_fd = -1};
    if (!options)
        options = &defaults;
    struct worker *w = ist_calloc(1, sizeof(*w));
    w->plugin = ist_strdup(plugin->name);
    w->trace = options->trace;
    w->talk_max = options->talk_max ? options->talk_max : TALK_PER_S;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->more = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char *program = options->worker_path ? ist_strdup(options->worker_path) : worker_program();
    int rc = process_start(program, plugin->path, plugin->name, options->lock_fd, options->input,
                           options->memory_max ? options->memory_max : MEMORY_DEFAULT, &w->process, err);
    ist_free(program);
    if (rc) {
        w->process = (struct process){.pidfd = -1, .wire = -1, .output = -1};
        worker_free(w);
        return rc;
    }
    w->reader = wire_reader_new(w->process.wire);
    if (w->epoll < 0 || w->more < 0 || watch_fd(w->epoll, w->more) < 0 ||
        watch_fd(w->epoll, w->process.wire) < 0 || watch_fd(w->epoll, w->process.output) < 0) {
        rc = ist_fail(err, IST_ERR_INTERNAL, plugin->name, "no descriptors for its worker: %s",
                      strerror(errno));
        worker_kill(w);
        worker_free(w);
        return rc;
    }
    *worker = w;
    return 0;
}

int worker_fd(const struct worker *worker)
{
    return worker->epoll;
}

pid_t worker_pid(const struct worker *worker)
{
    return worker->process.pid;
}

const char *worker_plugin(const struct worker *worker)
{
    return worker->plugin;
}

bool worker_usable(const struct worker *worker)
{
    return !worker->broken && !process_ended(&worker->process, 0);
}

// ---- asking

static json_t *given(const json_t *json, json_t *otherwise)
{
    if (!json)
        return otherwise;
    json_decref(otherwise);
    return json_incref((json_t *)(uintptr_t)json);
}

// What an operation is about, or that it is what the observe before it was about.
static void add_subject(struct worker *worker, const struct worker_request *request, json_t *message)
{
    const bool again =
        request->operation == IST_OP_PLAN && request->reading && worker->reading == request->reading;
    worker->begun = request->operation == IST_OP_OBSERVE ? request->reading : 0;
    worker->reading = 0;
    if (again) {
        json_object_set_new(message, "again", json_true());
        return;
    }
    json_object_set_new(message, "inputs", given(request->inputs, json_object()));
    json_object_set_new(message, "observed", given(request->observed, json_null()));
    json_object_set_new(message, "recorded", given(request->recorded, json_object()));
    json_object_set_new(message, "outputs", given(request->last_outputs, json_object()));
}

int worker_ask(struct worker *worker, const struct worker_request *request, ist_error *err)
{
    const bool command = request->operation == 0;
    json_t *message =
        json_pack("{s:s,s:s,s:I,s:b,s:o}", "type", command ? "command" : "op", "step",
                  request->step ? request->step : "", "timeout_ms", (json_int_t)request->timeout_ms, "trace",
                  worker->trace, "environment", environment_secrets());
    add_subject(worker, request, message);
    if (request->run_dir)
        json_object_set_new(message, "run_dir", json_string(request->run_dir));
    if (request->unknown)
        json_object_set_new(message, "unknown", given(request->unknown, json_array()));
    if (command) {
        json_object_set_new(message, "word", json_string(request->command_word));
        json_object_set_new(message, "name", json_string(request->command_name));
        json_object_set_new(message, "args", given(request->command_args, json_object()));
    } else {
        json_object_set_new(message, "op", json_string(operation_name(request->operation)));
    }
    worker->told = 0;
    ist_error why;
    int rc = wire_send(worker->process.wire, message, STALL_MS, &why);
    json_decref(message);
    if (rc)
        ist_fail(err, rc, worker->plugin, "its worker cannot be asked: %s", why.text);
    return rc;
}

int worker_answer(struct worker *worker, int32_t code, const char *token)
{
    json_t *message = json_pack("{s:s,s:i}", "type", "answer", "code", (int)code);
    if (token)
        json_object_set_new(message, "token", json_string(token));
    int rc = wire_send(worker->process.wire, message, STALL_MS, NULL);
    json_decref(message);
    return rc;
}

int worker_renew(struct worker *worker, const json_t *inputs, ist_error *err)
{
    json_t *message = json_pack("{s:s,s:o}", "type", "inputs", "inputs", given(inputs, json_object()));
    ist_error why;
    int rc = wire_send(worker->process.wire, message, STALL_MS, &why);
    json_decref(message);
    return rc ? ist_fail(err, rc, worker->plugin, "its worker cannot be told of new inputs: %s", why.text)
              : 0;
}

static void tell(struct worker *worker, const char *type)
{
    json_t *message = json_pack("{s:s}", "type", type);
    wire_send(worker->process.wire, message, 100, NULL);
    json_decref(message);
}

void worker_ask_alive(struct worker *worker)
{
    tell(worker, "alive?");
}

void worker_cancel(struct worker *worker)
{
    tell(worker, "cancel");
}

void worker_kill(struct worker *worker)
{
    process_kill(&worker->process);
}

// ---- hearing

static const struct {
    const char *name;
    enum worker_event_type type;
    bool talk; // for people: limited by the second; the rest by the operation
} event_types[] = {
    {"log", WORKER_LOG, true},        {"progress", WORKER_PROGRESS, true},
    {"secret", WORKER_SECRET, false}, {"observed", WORKER_OBSERVED, false},
    {"output", WORKER_OUTPUT, false}, {"change", WORKER_CHANGE, false},
    {"field", WORKER_FIELD, false},   {"check", WORKER_CHECK, false},
    {"intent", WORKER_INTENT, false}, {"outcome", WORKER_OUTCOME, false},
    {"print", WORKER_PRINT, true},    {"result", WORKER_RESULT, false},
    {"status", WORKER_STATUS, true},  {"renew", WORKER_RENEW, true},
    {"alive", WORKER_ALIVE, true},    {"problem", WORKER_PROBLEM, false},
};

static int64_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static size_t rough_size(const json_t *message)
{
    size_t size = 0, i;
    const char *key;
    json_t *child;
    if (json_is_string(message))
        return json_string_length(message) + 2;
    if (json_is_array(message))
        json_array_foreach(message, i, child) size += rough_size(child) + 1;
    if (json_is_object(message))
        json_object_foreach((json_t *)(uintptr_t)message, key, child) size += strlen(key) + rough_size(child);
    return size + 8;
}

// A plugin that says one thing for ever floods also where the machine is too busy for a flood's pace.
static bool repeats_itself(struct worker *w, const char *text)
{
    if (!*text)
        return false;                      // a status, a sign of life: no line
    uint64_t said = 14695981039346656037u; // FNV-1a
    for (; *text; text++)
        said = (said ^ (unsigned char)*text) * 1099511628211u;
    int64_t second = now_s();
    if (said != w->said || second - w->said_since >= 60) {
        w->said = said;
        w->said_since = second;
        w->said_times = 0;
    }
    return ++w->said_times > SAME_PER_MINUTE;
}

// Counts what was said (`text`: to people; NULL: as a result); -1 with *err once it is too much.
static int count(struct worker *w, const char *text, size_t bytes, ist_error *err)
{
    if (!text) {
        w->told += bytes;
        if (w->told <= TOLD_MAX)
            return 0;
        ist_fail(err, IST_ERR_LIMIT, w->plugin, "flooded: results of more than 256 MiB in one operation");
        return -1;
    }
    int64_t second = now_s();
    if (second != w->second) {
        w->second = second;
        w->talk = w->talk_bytes = 0;
    }
    if (repeats_itself(w, text)) {
        ist_fail(err, IST_ERR_LIMIT, w->plugin, "flooded: the same line %u times within a minute",
                 SAME_PER_MINUTE);
        return -1;
    }
    w->talk++;
    w->talk_bytes += bytes;
    if (w->talk <= w->talk_max && w->talk_bytes <= TALK_BYTES_S)
        return 0;
    ist_fail(err, IST_ERR_LIMIT, w->plugin, "flooded: %zu lines of log, %zu KiB, within a second", w->talk,
             w->talk_bytes >> 10);
    return -1;
}

static int take_message(struct worker *w, json_t *message, struct worker_event *event, ist_error *err)
{
    const char *type = ist_json_str(message, "type");
    size_t i = 0, n = sizeof(event_types) / sizeof(*event_types);
    while (i < n && strcmp(event_types[i].name, type) != 0)
        i++;
    if (i == n) {
        ist_fail(err, IST_ERR_REMOTE, w->plugin, "broke the wire: a message of type \"%.40s\"", type);
        json_decref(message);
        return -1;
    }
    const char *said = event_types[i].talk ? ist_json_str_or(message, "text", "") : NULL;
    if (count(w, said, rough_size(message), err) < 0) {
        json_decref(message);
        return -1;
    }
    *event = (struct worker_event){.type = event_types[i].type, .body = message};
    if (event->type == WORKER_RESULT) {
        int32_t code = (int32_t)ist_json_int(message, "code", IST_ERR_INTERNAL);
        if (code != IST_OK)
            ist_fail(&event->error, code, ist_json_str_or(message, "where", ""), "%s",
                     ist_json_str_or(message, "text", ""));
        ist_hint(&event->error, "%s", ist_json_str_or(message, "hint", ""));
        w->reading = code == IST_OK ? w->begun : 0;
        w->begun = 0;
    }
    return 1;
}

// The first frame: what the plugin is, or why it was refused. 0, or -1 with *err.
static int take_hello(struct worker *w, json_t *message, ist_error *err)
{
    const char *type = ist_json_str(message, "type");
    int rc = -1;
    if (!strcmp(type, "hello")) {
        w->greeted = true;
        w->descriptor = json_incref(json_object_get(message, "plugin"));
        rc = 0;
    } else if (!strcmp(type, "refused")) {
        ist_fail(err, IST_ERR_INTERNAL, ist_json_str_or(message, "where", w->plugin), "%s",
                 ist_json_str_or(message, "text", "refused"));
    } else {
        ist_fail(err, IST_ERR_REMOTE, w->plugin, "broke the wire: spoke before it said hello");
    }
    return rc;
}

// One whole line of stray output as a log event. 1, 0 when there is none, -1 when it floods.
static int take_output(struct worker *w, struct worker_event *event, ist_error *err)
{
    while (!w->output_ended) {
        char *end = memchr(w->line, '\n', w->line_len);
        const bool whole = end || w->line_len == LINE_MAX_BYTES;
        if (whole) {
            size_t len = end ? (size_t)(end - w->line) : w->line_len;
            w->line[len] = '\0';
            json_t *text = value_text(w->line, 0);
            snprintf(w->last_line, sizeof(w->last_line), "%s", json_string_value(text));
            len += end ? 1 : 0;
            w->line_len -= len;
            memmove(w->line, w->line + len, w->line_len);
            *event = (struct worker_event){.type = WORKER_LOG,
                                           .body = json_pack("{s:s,s:i,s:o,s:b}", "type", "log", "level",
                                                             (int)IST_LOG_WARN, "text", text, "output", 1)};
            if (count(w, w->last_line, len, err) == 0)
                return 1;
            worker_event_free(event);
            return -1;
        }
        ssize_t n = read(w->process.output, w->line + w->line_len, LINE_MAX_BYTES - w->line_len);
        if (n < 0 && errno != EINTR)
            return 0;
        if (n > 0)
            w->line_len += (size_t)n;
        if (n == 0) {
            w->output_ended = true;
            epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->process.output, NULL);
        }
    }
    return 0;
}

// The wire has come to its end: says how the worker did.
static int gone(struct worker *w, ist_error *err)
{
    char verdict[128];
    struct worker_event event;
    process_ended(&w->process, 3000);
    process_verdict(&w->process, verdict, sizeof(verdict));
    process_kill(&w->process);
    while (take_output(w, &event, NULL) > 0) // the last words
        worker_event_free(&event);
    ist_fail(err, IST_ERR_INTERNAL, w->plugin, "its worker %s%s%s", verdict,
             *w->last_line ? "; last words: " : "", w->last_line);
    return -1;
}

static int next(struct worker *w, struct worker_event *event, ist_error *err)
{
    int rc = take_output(w, event, err);
    while (rc == 0) {
        json_t *message;
        ist_error why;
        rc = wire_read(w->reader, &message, &why);
        if (rc == 0)
            return 0;
        if (rc < 0 && why.code == IST_ERR_NOT_FOUND)
            return gone(w, err);
        if (rc < 0) {
            ist_fail(err, why.code, w->plugin, "its worker broke the wire: %s", why.text);
            return -1;
        }
        if (w->greeted)
            return take_message(w, message, event, err);
        rc = take_hello(w, message, err);
        json_decref(message);
    }
    return rc;
}

// Keeps worker_fd() readable for whoever stops reading before there is nothing left.
static void tell_of_more(struct worker *w)
{
    const bool more = wire_holds(w->reader);
    uint64_t count = 1;
    if (more == w->armed)
        return;
    ssize_t ignored = more ? write(w->more, &count, sizeof(count)) : read(w->more, &count, sizeof(count));
    (void)ignored;
    w->armed = more;
}

int worker_read(struct worker *worker, struct worker_event *event, ist_error *err)
{
    if (worker->broken) {
        ist_fail(err, IST_ERR_INTERNAL, worker->plugin, "its worker is gone");
        return -1;
    }
    int rc = next(worker, event, err);
    tell_of_more(worker);
    if (rc < 0) {
        worker->broken = true;
        process_kill(&worker->process);
    }
    return rc;
}

void worker_event_free(struct worker_event *event)
{
    json_decref(event->body);
    event->body = NULL;
}

int worker_hello(struct worker *worker, json_t **descriptor, ist_error *err)
{
    struct worker_event event = {0};
    struct pollfd fd = {.fd = worker->epoll, .events = POLLIN};
    int64_t until = now_s() + HELLO_S;
    while (!worker->greeted) {
        int rc = worker_read(worker, &event, err);
        if (rc < 0)
            return IST_ERR_INTERNAL;
        if (rc > 0)
            worker_event_free(&event);
        else if (worker->greeted)
            break;
        else if (now_s() > until)
            return ist_fail(err, IST_ERR_TIMEOUT, worker->plugin, "did not load within %d s", HELLO_S);
        else
            poll(&fd, 1, 1000);
    }
    *descriptor = json_incref(worker->descriptor);
    return 0;
}

// ---- ending

void worker_close(struct worker *worker)
{
    if (worker->process.wire >= 0)
        close(worker->process.wire);
    worker->process.wire = -1;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    worker_close(worker);
    if (!process_ended(&worker->process, GRACE_MS))
        process_kill(&worker->process);
    process_ended(&worker->process, GRACE_MS);
    // What a sanitizer found as it ended has no operation to be told in any more.
    struct worker_event event;
    while (take_output(worker, &event, NULL) > 0) {
        fprintf(stderr, "%s: %s\n", worker->plugin, ist_json_str_or(event.body, "text", ""));
        worker_event_free(&event);
    }
    process_reap(&worker->process);
    wire_reader_free(worker->reader);
    json_decref(worker->descriptor);
    if (worker->epoll >= 0)
        close(worker->epoll);
    if (worker->more >= 0)
        close(worker->more);
    ist_free(worker->plugin);
    ist_free(worker);
}
