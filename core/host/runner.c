// Runs one operation: the host's table over value.h and a sink.
#include "host/runner.h"

#include "host/value.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS (3600 * 1000)

struct ist_call {
    const ist_plugin *plugin;
    const struct runner_request *request;
    const struct runner_sink *sink;
    struct cancel *cancel;
    struct value_pool *pool;
    const ist_value *inputs, *observed, *recorded, *outputs, *unknown;
    struct value_pool *renewed; // of inputs that came later; NULL: none did
    int64_t deadline;
    bool failed;       // fail() was called
    ist_error failure; // by the plugin
    ist_error problem; // the first error that problem() told of
    size_t problems;   // how many it did
    ist_error misuse;  // of the host by the plugin: code IST_OK when there was none
};

// ---- cancelling and time

int cancel_init(struct cancel *cancel)
{
    atomic_store(&cancel->flag, 0);
    cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return cancel->fd < 0 ? -1 : 0;
}

void cancel_now(struct cancel *cancel)
{
    atomic_store(&cancel->flag, 1);
    uint64_t one = 1;
    ssize_t ignored = write(cancel->fd, &one, sizeof(one));
    (void)ignored;
}

void cancel_reset(struct cancel *cancel)
{
    uint64_t count;
    atomic_store(&cancel->flag, 0);
    ssize_t ignored = read(cancel->fd, &count, sizeof(count));
    (void)ignored;
}

void cancel_close(struct cancel *cancel)
{
    if (cancel->fd >= 0)
        close(cancel->fd);
    cancel->fd = -1;
}

static int64_t clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t host_clock_ms(ist_call *call)
{
    (void)call;
    return clock_of(CLOCK_REALTIME);
}

static int64_t host_now_ms(ist_call *call)
{
    (void)call;
    return clock_of(CLOCK_MONOTONIC);
}

static int64_t host_deadline_ms(ist_call *call)
{
    return call->deadline;
}

static int32_t host_cancelled(ist_call *call)
{
    return atomic_load(&call->cancel->flag);
}

static int host_cancel_fd(ist_call *call)
{
    return call->cancel->fd;
}

static int32_t host_sleep_until(ist_call *call, int64_t until)
{
    struct pollfd fd = {.fd = call->cancel->fd, .events = POLLIN};
    for (;;) {
        if (host_cancelled(call))
            return IST_ERR_CANCELLED;
        int64_t now = host_now_ms(call);
        if (now >= until)
            return IST_OK;
        if (now >= call->deadline)
            return IST_ERR_TIMEOUT;
        int64_t wait = (until < call->deadline ? until : call->deadline) - now;
        poll(&fd, 1, wait > 60000 ? 60000 : (int)wait);
    }
}

// ---- making values

static ist_value *host_new_null(ist_call *call)
{
    return value_new(call->pool, IST_NULL);
}

static ist_value *host_new_bool(ist_call *call, int32_t truth)
{
    ist_value *v = value_new(call->pool, IST_BOOL);
    value_set_int(v, truth != 0);
    return v;
}

static ist_value *host_new_int(ist_call *call, int64_t i)
{
    ist_value *v = value_new(call->pool, IST_INT);
    value_set_int(v, i);
    return v;
}

static ist_value *host_new_real(ist_call *call, double d)
{
    ist_value *v = value_new(call->pool, IST_REAL);
    value_set_real(v, d);
    return v;
}

static ist_value *host_new_bytes(ist_call *call, const char *bytes, size_t len)
{
    return bytes ? value_new_bytes(call->pool, bytes, len) : value_new(call->pool, IST_NULL);
}

static ist_value *host_new_list(ist_call *call)
{
    return value_new(call->pool, IST_LIST);
}

static ist_value *host_new_map(ist_call *call)
{
    return value_new(call->pool, IST_MAP);
}

// ---- what the operation was given

static uint32_t host_operation(ist_call *call)
{
    return call->request->operation;
}

static const char *host_step(ist_call *call)
{
    return call->request->step ? call->request->step : "";
}

static const ist_value *host_inputs(ist_call *call)
{
    return call->inputs;
}

static const ist_value *host_observed(ist_call *call)
{
    return call->observed;
}

static const ist_value *host_recorded(ist_call *call)
{
    return call->recorded;
}

static const ist_value *host_last_outputs(ist_call *call)
{
    return call->outputs;
}

// Makes a folder, and up to two above it that are missing.
static void make_dir(const char *path, int above)
{
    if (mkdir(path, 0700) == 0 || errno != ENOENT || !above)
        return;
    char *parent = ist_strdup(path), *slash = strrchr(parent, '/');
    if (slash && slash != parent) {
        *slash = '\0';
        make_dir(parent, above - 1);
        mkdir(path, 0700);
    }
    ist_free(parent);
}

// Made when it is asked for: most operations never do, and folders are dear where there are many steps.
static const char *host_run_dir(ist_call *call)
{
    const char *path = call->request->run_dir;
    if (!path)
        return "/nonexistent";
    make_dir(path, 2);
    return path;
}

static int32_t host_wants_trace(ist_call *call)
{
    return call->request->trace;
}

static const char *host_environment(ist_call *call, const char *name)
{
    if (!name)
        return NULL;
    const char *secret = json_string_value(json_object_get(call->request->environment, name));
    return secret ? secret : getenv(name);
}

// ---- what it tells

// A plugin that uses the host wrongly fails its operation, whatever it returns: the first misuse is told.
static void misuse(ist_call *call, int32_t code, const char *where, const char *text)
{
    if (call->misuse.code == IST_OK)
        ist_fail(&call->misuse, code, where, "%s", text);
}

static void emit(ist_call *call, json_t *event)
{
    if (call->sink->event(call->sink->arg, event) != IST_OK)
        misuse(call, IST_ERR_LIMIT, operation_name(call->request->operation),
               "told of something that is larger than 16 MiB");
}

static json_t *tree(ist_call *call, const char *where, const ist_value *v)
{
    json_t *json = value_to_json(v);
    if (json)
        return json;
    misuse(call, IST_ERR_LIMIT, where, "a value is nested over 60 levels");
    return json_null();
}

static void host_set_observed(ist_call *call, const ist_value *v)
{
    if (call->request->operation != IST_OP_OBSERVE)
        misuse(call, IST_ERR_INTERNAL, "set_observed", "only observe sets what was observed");
    else
        emit(call, json_pack("{s:s,s:o}", "type", "observed", "value", tree(call, "set_observed", v)));
}

static const ist_field *output_row(const ist_plugin *plugin, const char *name)
{
    for (uint32_t i = 0; name && i < plugin->output_count; i++) {
        // The plugin's rows may be longer than ours: they grow only at the end.
        const ist_field *row = (const void *)((const char *)plugin->outputs + (size_t)i * plugin->field_size);
        if (!strcmp(row->name, name))
            return row;
    }
    return NULL;
}

static void host_set_output(ist_call *call, const char *name, const ist_value *v)
{
    const ist_field *row = output_row(call->plugin, name);
    if (!row) {
        char text[160];
        snprintf(text, sizeof(text), "output \"%.100s\" is not in the plugin's table",
                 name ? name : "(null)");
        misuse(call, IST_ERR_INTERNAL, "set_output", text);
        return;
    }
    emit(call, json_pack("{s:s,s:o,s:o,s:b}", "type", "output", "name", value_text(name, 0), "value",
                         tree(call, name, v), "secret", (row->flags & IST_SECRET) != 0));
}

static void host_change(ist_call *call, uint32_t action, const char *resource, const char *reason)
{
    if (action < IST_CREATE || action > IST_DELETE || !resource || !*resource) {
        misuse(call, IST_ERR_INTERNAL, "change", "a change needs one of the four actions and a resource");
        return;
    }
    json_t *event = json_pack("{s:s,s:i,s:o}", "type", "change", "action", (int)action, "resource",
                              value_text(resource, 0));
    if (reason)
        json_object_set_new(event, "reason", value_text(reason, 0));
    emit(call, event);
}

static void host_change_field(ist_call *call, const char *resource, const char *field,
                              const ist_value *before, const ist_value *after, int32_t secret)
{
    json_t *event = json_pack("{s:s,s:o,s:o,s:b}", "type", "field", "resource", value_text(resource, 0),
                              "field", value_text(field, 0), "secret", secret != 0);
    // A secret shows as changed only: its values do not even cross the wire.
    if (before && !secret)
        json_object_set_new(event, "before", tree(call, field, before));
    if (after && !secret)
        json_object_set_new(event, "after", tree(call, field, after));
    emit(call, event);
}

static void host_check(ist_call *call, const char *name, uint32_t result, const char *evidence)
{
    if (result < IST_PASS || result > IST_SKIP) {
        misuse(call, IST_ERR_INTERNAL, "check", "a check ends as pass, fail, warn or skip");
        return;
    }
    emit(call, json_pack("{s:s,s:o,s:i,s:o}", "type", "check", "name", value_text(name, 0), "result",
                         (int)result, "evidence", value_text(evidence, 0)));
}

// `lines`: it may have several, as a hint with a picture has.
static void copy_text(char *to, size_t size, const char *from, bool lines)
{
    size_t n = 0;
    for (; from && from[n] && n + 1 < size; n++)
        to[n] = (from[n] == '\n' && !lines) || from[n] == '\r' ? ' ' : from[n];
    to[n] = '\0';
}

static void host_fail(ist_call *call, int32_t code, const char *where, const char *text, const char *hint)
{
    call->failed = true;
    call->failure.code = code;
    copy_text(call->failure.where, sizeof(call->failure.where), where, false);
    copy_text(call->failure.text, sizeof(call->failure.text), text, false);
    copy_text(call->failure.hint, sizeof(call->failure.hint), hint, true);
}

static void host_problem(ist_call *call, uint32_t level, const char *path, const char *text, const char *hint)
{
    const bool error = level != IST_LOG_WARN;
    if (error && !call->problems++) {
        call->problem.code = IST_ERR_INPUT;
        copy_text(call->problem.where, sizeof(call->problem.where), path, false);
        copy_text(call->problem.text, sizeof(call->problem.text), text, false);
        copy_text(call->problem.hint, sizeof(call->problem.hint), hint, true);
    }
    emit(call,
         json_pack("{s:s,s:i,s:o,s:o,s:o}", "type", "problem", "level",
                   (int)(error ? IST_LOG_ERROR : IST_LOG_WARN), "path", value_text(path ? path : "", 1024),
                   "text", value_text(text ? text : "", 4096), "hint", value_text(hint ? hint : "", 1024)));
}

static const ist_value *host_unknown(ist_call *call)
{
    return call->unknown;
}

static void host_log(ist_call *call, uint32_t level, const char *text)
{
    if (level < IST_LOG_ERROR || level > IST_LOG_TRACE)
        level = IST_LOG_INFO;
    if (level == IST_LOG_TRACE && !call->request->trace)
        return;
    emit(call, json_pack("{s:s,s:i,s:o}", "type", "log", "level", (int)level, "text", value_text(text, 0)));
}

static void host_progress(ist_call *call, const char *text, int32_t fraction)
{
    if (fraction < 0 || fraction > 1000)
        fraction = -1;
    emit(call, json_pack("{s:s,s:o,s:i}", "type", "progress", "text", value_text(text, 1024), "fraction",
                         (int)fraction));
}

static void host_register_secret(ist_call *call, const char *bytes, size_t len)
{
    if (!bytes || !len)
        return;
    ist_value *v = value_new_bytes(call->pool, bytes, len);
    emit(call, json_pack("{s:s,s:o}", "type", "secret", "value", value_to_json(v)));
}

static void host_print(ist_call *call, const char *text)
{
    emit(call, json_pack("{s:s,s:o}", "type", "print", "text", value_text(text, 1u << 20)));
}

// ---- a watch that lives long

static void host_status(ist_call *call, const ist_value *v)
{
    if (call->request->operation == IST_OP_WATCH)
        emit(call, json_pack("{s:s,s:o}", "type", "status", "value", tree(call, "status", v)));
}

static const ist_value *host_reconfigured(ist_call *call)
{
    bool asked = false;
    json_t *inputs = call->request->renewal ? renewal_take(call->request->renewal, &asked) : NULL;
    if (asked)
        emit(call, json_pack("{s:s}", "type", "alive"));
    if (!inputs)
        return NULL;
    // What it was given at first lives on; of what came later only the newest.
    value_pool_free(call->renewed);
    call->renewed = value_pool_new();
    call->inputs = value_from_json(call->renewed, inputs);
    json_decref(inputs);
    return call->inputs;
}

static int host_wake_fd(ist_call *call)
{
    return call->request->renewal ? call->request->renewal->fd : -1;
}

static void host_renew(ist_call *call, const char *reason)
{
    if (call->request->operation == IST_OP_WATCH)
        emit(call, json_pack("{s:s,s:o}", "type", "renew", "text", value_text(reason, 1024)));
}

// ---- the journal

static int32_t journal(ist_call *call, const char *type, const char *resource, const ist_value *data,
                       char token[65])
{
    uint32_t op = call->request->operation;
    if (op != IST_OP_APPLY && op != IST_OP_DESTROY) {
        misuse(call, IST_ERR_READ_ONLY, type, "only apply and destroy write to the journal");
        return IST_ERR_READ_ONLY;
    }
    if (!resource || !*resource) {
        misuse(call, IST_ERR_INTERNAL, type, "no resource is named");
        return IST_ERR_INTERNAL;
    }
    json_t *event = json_pack("{s:s,s:o}", "type", type, "resource", value_text(resource, 0));
    if (data)
        json_object_set_new(event, "data", tree(call, resource, data));
    return call->sink->journal(call->sink->arg, event, token);
}

static int32_t host_intent(ist_call *call, const char *resource, const ist_value *data, char token[65])
{
    char unused[65];
    return journal(call, "intent", resource, data, token ? token : unused);
}

static int32_t host_outcome(ist_call *call, const char *resource, const ist_value *data)
{
    char unused[65];
    return journal(call, "outcome", resource, data, unused);
}

const ist_host *runner_host(void)
{
    static ist_host host = {
        .size = sizeof(ist_host),
        .major = IST_ABI_MAJOR,
        .minor = IST_ABI_MINOR,
        .new_null = host_new_null,
        .new_bool = host_new_bool,
        .new_int = host_new_int,
        .new_real = host_new_real,
        .new_bytes = host_new_bytes,
        .new_list = host_new_list,
        .new_map = host_new_map,
        .operation = host_operation,
        .step = host_step,
        .inputs = host_inputs,
        .observed = host_observed,
        .recorded = host_recorded,
        .last_outputs = host_last_outputs,
        .run_dir = host_run_dir,
        .wants_trace = host_wants_trace,
        .set_observed = host_set_observed,
        .set_output = host_set_output,
        .change = host_change,
        .change_field = host_change_field,
        .check = host_check,
        .fail = host_fail,
        .log = host_log,
        .progress = host_progress,
        .intent = host_intent,
        .outcome = host_outcome,
        .register_secret = host_register_secret,
        .clock_ms = host_clock_ms,
        .now_ms = host_now_ms,
        .deadline_ms = host_deadline_ms,
        .cancelled = host_cancelled,
        .cancel_fd = host_cancel_fd,
        .sleep_until = host_sleep_until,
        .print = host_print,
        .environment = host_environment,
        .status = host_status,
        .reconfigured = host_reconfigured,
        .wake_fd = host_wake_fd,
        .renew = host_renew,
        .problem = host_problem,
        .unknown = host_unknown,
    };
    value_fill_host(&host);
    return &host;
}

// ---- running

static const char *const operations[] = {"command", "observe", "plan",  "apply",
                                         "destroy", "verify",  "watch", "check"};

const char *operation_name(uint32_t operation)
{
    return operation <= IST_OP_CHECK ? operations[operation] : "?";
}

uint32_t operation_of_name(const char *name)
{
    for (uint32_t op = IST_OP_OBSERVE; op <= IST_OP_CHECK; op++)
        if (!strcmp(operations[op], name))
            return op;
    return 0;
}

const char *action_name(uint32_t action)
{
    static const char *const names[] = {"?", "create", "update", "replace", "delete"};
    return names[action <= IST_DELETE ? action : 0];
}

const char *check_name(uint32_t result)
{
    static const char *const names[] = {"?", "pass", "fail", "warn", "skip"};
    return names[result <= IST_SKIP ? result : 0];
}

ist_operation *plugin_operation(const ist_plugin *plugin, uint32_t operation)
{
    switch (operation) {
    case IST_OP_OBSERVE:
        return plugin->observe;
    case IST_OP_PLAN:
        return plugin->plan;
    case IST_OP_APPLY:
        return plugin->apply;
    case IST_OP_DESTROY:
        return plugin->destroy;
    case IST_OP_VERIFY:
        return plugin->verify;
    case IST_OP_WATCH:
        return plugin->watch;
    case IST_OP_CHECK:
        return IST_HAS(plugin, check) ? plugin->check : NULL;
    default:
        return NULL;
    }
}

static const ist_command *find_command(const ist_plugin *plugin, const char *word, const char *name)
{
    for (uint32_t i = 0; word && name && i < plugin->command_count; i++) {
        const ist_command *c =
            (const void *)((const char *)plugin->commands + (size_t)i * plugin->command_size);
        if (!strcmp(c->word, word) && !strcmp(c->name, name))
            return c;
    }
    return NULL;
}

// What the operation says of itself, made whole: a plugin that fails without a reason still gets a sentence.
static void settle(ist_call *call, int32_t code)
{
    const char *op = operation_name(call->request->operation);
    if (call->misuse.code != IST_OK) {
        call->failure = call->misuse;
    } else if (call->problems && (code == IST_OK || (code == IST_ERR_INPUT && !call->failed))) {
        call->failure = call->problem;
        if (call->problems > 1 && !call->failure.hint[0])
            ist_hint(&call->failure, "and %zu more: `isthmus validate` shows them all", call->problems - 1);
    } else if (code == IST_OK) {
        memset(&call->failure, 0, sizeof(call->failure));
    } else if (!call->failed && code == IST_ERR_CANCELLED) {
        ist_fail(&call->failure, code, op, "was cancelled");
    } else if (!call->failed && code == IST_ERR_TIMEOUT) {
        ist_fail(&call->failure, code, op, "did not end in time");
    } else if (!call->failed) {
        ist_fail(&call->failure, code, op, "failed (%s) and gave no reason", ist_code_name(code));
    } else {
        call->failure.code = code;
    }
    if (call->failure.code > 0 || !strcmp(ist_code_name(call->failure.code), "unknown")) {
        int32_t odd = call->failure.code;
        ist_fail(&call->failure, IST_ERR_INTERNAL, op, "returned %d, which is no result", (int)odd);
    }
}

int32_t runner_run(const ist_plugin *plugin, const struct runner_request *request, struct cancel *cancel,
                   const struct runner_sink *sink)
{
    struct ist_call call = {
        .plugin = plugin, .request = request, .sink = sink, .cancel = cancel, .pool = value_pool_new()};
    json_t *empty = json_object(), *none = json_array();
    call.inputs = value_from_json(call.pool, request->inputs ? request->inputs : empty);
    call.observed = value_from_json(call.pool, request->observed);
    call.recorded = value_from_json(call.pool, request->recorded ? request->recorded : empty);
    call.outputs = value_from_json(call.pool, request->last_outputs ? request->last_outputs : empty);
    call.unknown = value_from_json(call.pool, request->unknown ? request->unknown : none);
    int64_t timeout = request->timeout_ms > 0 ? request->timeout_ms : DEFAULT_TIMEOUT_MS;
    call.deadline = host_now_ms(&call) + timeout;

    int32_t code;
    const ist_command *command = NULL;
    ist_operation *operation = plugin_operation(plugin, request->operation);
    if (request->operation == 0)
        command = find_command(plugin, request->word, request->name);
    if (command) {
        code = command->run(runner_host(), &call,
                            value_from_json(call.pool, request->args ? request->args : empty));
    } else if (operation) {
        code = operation(runner_host(), &call);
    } else {
        code = IST_ERR_INPUT;
        host_fail(&call, code, operation_name(request->operation), "the plugin has no such operation", NULL);
    }
    settle(&call, code);
    code = call.failure.code;
    // As text: a limit of ist_error may have cut a character in two.
    emit(&call, json_pack("{s:s,s:i,s:o,s:o,s:o}", "type", "result", "code", (int)code, "where",
                          value_text(call.failure.where, 0), "text", value_text(call.failure.text, 0), "hint",
                          value_text(call.failure.hint, 0)));
    json_decref(empty);
    json_decref(none);
    value_pool_free(call.pool);
    value_pool_free(call.renewed);
    return code;
}
