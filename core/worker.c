// isthmus-worker: one plugin in a process of its own, asked over the socket at descriptor 3 (host/wire.h). It
// dies with the core: by the parent's death signal, and by the end of the socket. Not for people to start:
// isthmus-worker PLUGIN.so NAME PARENT-PID MEMORY-LIMIT
#include "host/loader.h"
#include "host/runner.h"
#include "host/value.h"
#include "host/wire.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WIRE_FD 3
#define LOCK_FD 4 // the state's lock, or nothing
#define BATCH   ((size_t)32 << 10)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct worker {
    struct wire_reader *reader;
    struct cancel cancel;
    struct renewal renewal;
    pthread_mutex_t sending; // of frames: log comes from any thread
    ist_buf frames;          // results that wait for something urgent, or for the end
    pthread_mutex_t lock;    // of what follows
    pthread_cond_t changed;
    json_t *request; // next operation, or NULL
    json_t *
        before; // what the operation that has ended was asked, with what it observed; the operation's thread's
    json_t *answer; // to the intent or outcome that waits, or NULL
    bool busy, ended;
};

// The whole process group, so that nothing a plugin forked outlives it.
static void end_group(int signal)
{
    (void)signal;
    kill(0, SIGKILL);
    _exit(1);
}

// ---- the reader's thread

static void take(struct worker *worker, json_t *message)
{
    const char *type = ist_json_str_or(message, "type", "");
    pthread_mutex_lock(&worker->lock);
    if (!strcmp(type, "cancel")) {
        cancel_now(&worker->cancel);
    } else if (!strcmp(type, "inputs")) {
        renewal_put(&worker->renewal, json_incref(json_object_get(message, "inputs")));
    } else if (!strcmp(type, "alive?")) {
        renewal_ask(&worker->renewal);
    } else if (!strcmp(type, "answer")) {
        json_decref(worker->answer);
        worker->answer = json_incref(message);
    } else if ((!strcmp(type, "op") || !strcmp(type, "command")) && !worker->request) {
        cancel_reset(&worker->cancel); // one that came too late for the operation before
        json_decref(renewal_take(&worker->renewal, NULL));
        worker->request = json_incref(message);
    }
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    json_decref(message);
}

static void *read_frames(void *arg)
{
    struct worker *worker = arg;
    struct pollfd readable = {.fd = WIRE_FD, .events = POLLIN};
    for (;;) {
        json_t *message;
        int got = wire_read(worker->reader, &message, NULL);
        if (got > 0) {
            take(worker, message);
        } else if (got == 0) {
            poll(&readable, 1, -1);
        } else {
            break;
        }
    }
    // Nobody is there to hear of an operation under way: the core is gone, or has given it up.
    pthread_mutex_lock(&worker->lock);
    worker->ended = true;
    if (worker->busy)
        end_group(0);
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

// ---- the sink of an operation

// Results of the operation count once it has ended; what people read, and what is waited for, goes at once.
static bool may_wait(const char *type)
{
    static const char *const types[] = {"observed", "output", "change", "field", "check", "problem"};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (!strcmp(types[i], type))
            return true;
    return false;
}

static int32_t send_event(void *arg, json_t *event)
{
    struct worker *worker = arg;
    const char *type = ist_json_str_or(event, "type", "");
    if (!strcmp(type, "observed"))
        json_object_set(worker->before, "observed", json_object_get(event, "value"));
    // Once the core has the result it may close the wire, which then interrupts nothing.
    if (!strcmp(type, "result")) {
        pthread_mutex_lock(&worker->lock);
        worker->busy = false;
        pthread_mutex_unlock(&worker->lock);
    }
    pthread_mutex_lock(&worker->sending);
    int rc = wire_pack(&worker->frames, event, NULL);
    if (worker->frames.len > BATCH || !may_wait(type)) {
        int sent = wire_flush(WIRE_FD, &worker->frames, -1, NULL);
        rc = rc ? rc : sent;
    }
    pthread_mutex_unlock(&worker->sending);
    json_decref(event);
    if (rc && rc != IST_ERR_LIMIT && rc != IST_ERR_INTERNAL)
        end_group(0);
    return rc ? IST_ERR_LIMIT : IST_OK;
}

static int32_t send_journal(void *arg, json_t *event, char token[65])
{
    struct worker *worker = arg;
    int32_t rc = send_event(worker, event);
    if (rc != IST_OK)
        return rc;
    pthread_mutex_lock(&worker->lock);
    while (!worker->answer)
        pthread_cond_wait(&worker->changed, &worker->lock);
    rc = (int32_t)ist_json_int(worker->answer, "code", IST_ERR_INTERNAL);
    snprintf(token, 65, "%s", ist_json_str_or(worker->answer, "token", ""));
    json_decref(worker->answer);
    worker->answer = NULL;
    pthread_mutex_unlock(&worker->lock);
    return rc;
}

static void run(struct worker *worker, const ist_plugin *plugin, const json_t *request)
{
    struct runner_sink sink = {.event = send_event, .journal = send_journal, .arg = worker};
    struct runner_request asked = {
        .operation = operation_of_name(ist_json_str_or(request, "op", "")),
        .step = ist_json_str_or(request, "step", ""),
        .inputs = json_object_get(request, "inputs"),
        .observed = json_object_get(request, "observed"),
        .recorded = json_object_get(request, "recorded"),
        .last_outputs = json_object_get(request, "outputs"),
        .unknown = json_object_get(request, "unknown"),
        .environment = json_object_get(request, "environment"),
        .run_dir = ist_json_str(request, "run_dir"),
        .timeout_ms = ist_json_int(request, "timeout_ms", 0),
        .trace = ist_json_bool(request, "trace", 0),
        .word = ist_json_str(request, "word"),
        .name = ist_json_str(request, "name"),
        .args = json_object_get(request, "args"),
        .renewal = &worker->renewal,
    };
    runner_run(plugin, &asked, &worker->cancel, &sink);
}

// A plan after its observe is about the same, which has not come again.
static void take_subject(struct worker *worker, json_t *request)
{
    static const char *const names[] = {"inputs", "observed", "recorded", "outputs"};
    const bool again = ist_json_bool(request, "again", 0);
    for (size_t i = 0; again && i < sizeof(names) / sizeof(*names); i++) {
        json_t *value = json_object_get(worker->before, names[i]);
        if (value)
            json_object_set(request, names[i], value);
    }
    json_decref(worker->before);
    worker->before = request;
}

// Operations until the core closes the wire.
static void serve(struct worker *worker, const ist_plugin *plugin)
{
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (!worker->request && !worker->ended)
            pthread_cond_wait(&worker->changed, &worker->lock);
        if (!worker->request)
            break;
        json_t *request = worker->request;
        worker->request = NULL;
        worker->busy = true;
        pthread_mutex_unlock(&worker->lock);
        take_subject(worker, request);
        run(worker, plugin, request);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
}

// ---- the process

static void settle_in(pid_t parent, size_t memory)
{
    setsid(); // its own group, and no terminal: the terminal's Ctrl-C is the core's
    signal(SIGTERM, end_group);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        end_group(0); // it died before the signal was set
    signal(SIGPIPE, SIG_IGN);
    umask(0077);
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    // A sanitizer's shadow memory is larger than any limit, and its leak checker has to read this process.
    if (!SANITIZED) {
        struct rlimit limit = {memory, memory};
        prctl(PR_SET_DUMPABLE, 0);
        if (memory)
            setrlimit(RLIMIT_AS, &limit);
    }
    // The lock is this process's alone: a program that the plugin starts does not inherit it, nor the wire.
    fcntl(WIRE_FD, F_SETFD, FD_CLOEXEC);
    fcntl(LOCK_FD, F_SETFD, FD_CLOEXEC);
    close_range(LOCK_FD + 1, ~0u, 0);
}

static int say_hello(const struct module *module, const ist_error *refused)
{
    json_t *hello;
    if (module->plugin)
        hello = json_pack("{s:s,s:o}", "type", "hello", "plugin", descriptor_json(module->plugin));
    else
        hello = json_pack("{s:s,s:o,s:o}", "type", "refused", "where", value_text(refused->where, 0), "text",
                          value_text(refused->text, 0));
    int rc = wire_send(WIRE_FD, hello, -1, NULL);
    json_decref(hello);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 5 || fcntl(WIRE_FD, F_GETFD) < 0) {
        fprintf(stderr, "isthmus-worker is started by isthmus; try `isthmus plugin run`\n");
        return 2;
    }
    // What crosses the wire is read by one thread and used by another. A heap of its own for each, which glibc
    // enlarges by a page a call, would cost more than their waiting for each other.
    mallopt(M_ARENA_MAX, 1);
    settle_in((pid_t)strtol(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    struct worker worker = {.frames = {.max = (size_t)2 * WIRE_MAX_FRAME},
                            .sending = PTHREAD_MUTEX_INITIALIZER,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    struct module module = {0};
    ist_error refused;
    int rc = module_open(argv[1], argv[2], &module, &refused);
    if (say_hello(&module, &refused) != 0 || rc)
        return rc != 0;
    pthread_t thread;
    worker.reader = wire_reader_new(WIRE_FD);
    if (cancel_init(&worker.cancel) < 0 || renewal_init(&worker.renewal) < 0 ||
        pthread_create(&thread, NULL, read_frames, &worker) != 0)
        return 1;
    serve(&worker, module.plugin);
    pthread_join(thread, NULL);
    wire_reader_free(worker.reader);
    ist_buf_free(&worker.frames);
    json_decref(worker.answer);
    json_decref(worker.before);
    cancel_close(&worker.cancel);
    renewal_close(&worker.renewal);
    // The plugin stays loaded: its destructors run at exit, and a sanitizer can still name its functions.
    if (waitpid(-1, NULL, WNOHANG) == 0)
        end_group(0); // the plugin left a child behind
    return 0;
}
