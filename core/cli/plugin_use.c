// A plugin used alone.
#include "cli/plugin_use.h"
#include "host/folder.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <errno.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Ctrl-C and SIGTERM reach the operation under way: a watch hands over what it holds.
static struct cancel *volatile cancelled_by_signal;
static volatile sig_atomic_t interrupts;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupts++;
    if (cancelled_by_signal)
        cancel_now(cancelled_by_signal);
}

void plugin_use_error(const struct plugin_use *use, const ist_error *err)
{
    char *text = ist_printf("%s%s%s", err->where, *err->where ? ": " : "", err->text);
    char *clean = use->redactor ? redactor_text(use->redactor, text) : ist_strdup(text);
    cli_error(*err->hint ? err->hint : NULL, "%s", clean);
    ist_free(clean);
    ist_free(text);
}

// ---- what comes while it runs

// Each once: what check tells, plan tells again.
static void tell_problem(struct plugin_use *use, const json_t *event)
{
    const char *path = ist_json_str_or(event, "path", ""), *text = ist_json_str_or(event, "text", "");
    const bool warns = ist_json_int(event, "level", 0) == IST_LOG_WARN;
    char *line = ist_printf("%s: %s%s%s", warns ? "warning" : "error", path, *path ? ": " : "", text);
    if (!use->told)
        use->told = json_object();
    if (!json_object_get(use->told, line)) {
        char *clean = redactor_text(use->redactor, line);
        char *hint = redactor_text(use->redactor, ist_json_str_or(event, "hint", ""));
        fprintf(stderr, "%s\n", clean);
        for (const char *rest = *hint ? hint : NULL; rest;
             rest = strchr(rest, '\n') ? strchr(rest, '\n') + 1 : NULL)
            fprintf(stderr, "%s%.*s\n", rest == hint ? "  hint: " : "        ", (int)strcspn(rest, "\n"),
                    rest);
        json_object_set_new(use->told, line, json_true());
        ist_free(clean);
        ist_free(hint);
    }
    ist_free(line);
}

static void tell(void *arg, const json_t *event)
{
    struct plugin_use *use = arg;
    const char *type = ist_json_str_or(event, "type", ""), *text = ist_json_str_or(event, "text", "");
    if (!strcmp(type, "secret") || ist_json_bool(event, "secret", 0)) {
        const json_t *value = json_object_get(event, "value");
        if (json_is_string(value))
            redactor_add(use->redactor, json_string_value(value), json_string_length(value));
        return;
    }
    if (!strcmp(type, "problem")) {
        tell_problem(use, event);
        return;
    }
    static const char *const levels[] = {"", "error", "warning", "info", "debug", "trace"};
    size_t level = (size_t)ist_json_int(event, "level", 0);
    const bool log = !strcmp(type, "log") && level < sizeof(levels) / sizeof(*levels);
    if (!log && strcmp(type, "progress") != 0 && strcmp(type, "print") != 0)
        return;
    if (log && level == IST_LOG_DEBUG && !use->verbose)
        return;
    char *clean = redactor_text(use->redactor, text);
    if (!strcmp(type, "print"))
        fputs(clean, stdout);
    else if (log)
        fprintf(stderr, "%s: %s\n", levels[level], clean);
    else
        fprintf(stderr, "... %s\n", clean);
    ist_free(clean);
}

// ---- opening

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? ist_strdup("/") : ist_strndup(path, (size_t)(slash - path));
}

static int load_here(struct plugin_use *use, const char *name, ist_error *err)
{
    char *path = catalog_path(use->catalog, name);
    if (!path) {
        use->info = catalog_find(use->catalog, name, err); // which says what is near
        return err->code;
    }
    int rc = module_open(path, name, &use->module, err);
    if (!rc) {
        json_t *descriptor = descriptor_json(use->module.plugin);
        use->info = use->own_info = plugin_info_new(descriptor, path, "");
        json_decref(descriptor);
    }
    ist_free(path);
    return rc;
}

static void use_init(const struct cli *cli, struct plugin_use *use)
{
    *use = (struct plugin_use){.trace = cli_has(cli, OPT_TRACE),
                               .verbose = cli_has(cli, OPT_VERBOSE),
                               .redactor = redactor_new(),
                               .cancel = {.fd = -1}};
}

// What an operation needs beside the plugin. 0 or a code.
static int use_begin(struct plugin_use *use, const char *step, ist_error *err)
{
    char dir[] = "/tmp/isthmus-run-XXXXXX";
    unsigned char key[32];
    if (!mkdtemp(dir))
        return ist_fail(err, IST_ERR_INTERNAL, dir, "cannot be made: %s", strerror(errno));
    use->run_dir = ist_strdup(dir);
    if (cancel_init(&use->cancel) < 0 || RAND_bytes(key, sizeof(key)) != 1)
        return ist_fail(err, IST_ERR_INTERNAL, "isthmus", "there are no descriptors or no random bytes");
    use->solo = solo_new(step, key);
    use->solo->tell = tell;
    use->solo->tell_arg = use;
    return 0;
}

static int use_failed(struct plugin_use *use, const ist_error *err)
{
    plugin_use_error(use, err);
    plugin_use_close(use);
    return 1;
}

int plugin_use_open(const struct cli *cli, const char *name, bool in_process, struct plugin_use *use)
{
    ist_error err = {0};
    use_init(cli, use);
    use->in_process = in_process;
    const bool file = strchr(name, '/') != NULL;
    char *folder = file ? folder_of(name) : NULL, *own = file ? plugin_name_of_path(name) : ist_strdup(name);
    use->catalog = file ? catalog_new((const char *const *)&folder, 1, NULL) : cli_catalog(NULL);
    if (in_process)
        load_here(use, own, &err);
    else
        use->info = catalog_find(use->catalog, own, &err);
    if (use->info)
        use_begin(use, own, &err);
    ist_free(folder);
    ist_free(own);
    return err.code == IST_OK ? 0 : use_failed(use, &err);
}

int plugin_use_step(const struct cli *cli, const struct plugin_info *info, const char *step,
                    struct plugin_use *use)
{
    ist_error err = {0};
    use_init(cli, use);
    use->info = info;
    return use_begin(use, step, &err) ? use_failed(use, &err) : 0;
}

int plugin_use_inputs(const struct cli *cli, struct plugin_use *use)
{
    size_t count;
    const char *const *sets = cli_values(cli, OPT_SET, &count);
    struct resolved resolved = {0};
    struct diags *diags = diags_new();
    int rc = inputs_alone(use->info, cli_value(cli, OPT_INPUTS), sets, count, diags, &resolved);
    if (diags_count(diags))
        diags_print(diags, stderr, cli_colour(stderr));
    if (!rc) {
        json_decref(use->inputs);
        use->inputs = json_incref(resolved.inputs);
        for (size_t i = 0; i < resolved.secret_count; i++)
            redactor_add(use->redactor, resolved.secrets[i], strlen(resolved.secrets[i]));
    }
    resolved_free(&resolved);
    diags_free(diags);
    return rc ? 1 : 0;
}

// ---- running in a worker

static void take_event(struct plugin_use *use, struct worker_event *event)
{
    char token[65];
    json_t *body = event->body;
    event->body = NULL;
    if (event->type == WORKER_INTENT || event->type == WORKER_OUTCOME) {
        int32_t code = solo_journal(use->solo, body, token);
        worker_answer(use->worker, code, event->type == WORKER_INTENT ? token : NULL);
    } else {
        solo_event(use->solo, body);
    }
}

static int32_t lost(struct plugin_use *use, const ist_error *err)
{
    use->solo->report.code = err->code;
    use->solo->report.error = *err;
    worker_free(use->worker);
    use->worker = NULL;
    return err->code;
}

// Until the result. Ctrl-C cancels, the second time it kills.
static int32_t follow(struct plugin_use *use)
{
    struct worker_event event;
    ist_error err;
    struct pollfd fds[2] = {{.fd = worker_fd(use->worker), .events = POLLIN},
                            {.fd = use->cancel.fd, .events = POLLIN}};
    int told = 0;
    for (;;) {
        cancel_reset(&use->cancel); // first, so that an interrupt from here on ends the poll below
        while (interrupts > told) {
            if (told++)
                worker_kill(use->worker);
            else
                worker_cancel(use->worker);
        }
        int rc = worker_read(use->worker, &event, &err);
        if (rc < 0)
            return lost(use, &err);
        if (rc == 0) {
            poll(fds, 2, -1);
            continue;
        }
        const bool last = event.type == WORKER_RESULT;
        take_event(use, &event);
        if (last)
            return use->solo->report.code;
    }
}

// `request` says which operation or command; the rest is filled in.
static int32_t run_in_worker(struct plugin_use *use, struct worker_request *request)
{
    // Never a terminal: a worker has a process group of its own, and reading there would stop it.
    const bool piped = request->command_word && !isatty(STDIN_FILENO);
    struct worker_options options = {.lock_fd = -1, .trace = use->trace, .input = piped};
    ist_error err = {0};
    request->step = use->solo->step;
    request->inputs = use->inputs;
    request->observed = request->operation == IST_OP_OBSERVE ? NULL : use->solo->observed;
    // What is wrong with inputs does not depend on what was made; so is a check asked in a pipeline too.
    request->recorded = request->operation == IST_OP_CHECK ? NULL : use->solo->recorded;
    request->last_outputs = use->solo->outputs;
    request->run_dir = use->run_dir;
    request->unknown = use->solo->unknown;
    solo_begin(use->solo);
    if (!use->worker && worker_start(use->info, &options, &use->worker, &err))
        return lost(use, &err);
    if (worker_ask(use->worker, request, &err))
        return lost(use, &err);
    int32_t code = follow(use);
    solo_end(use->solo, request->operation);
    return code;
}

static int32_t run_interruptible(struct plugin_use *use, struct worker_request *request)
{
    struct sigaction action = {.sa_handler = on_interrupt}, before, before_term;
    interrupts = 0;
    cancelled_by_signal = &use->cancel;
    sigaction(SIGINT, &action, &before);
    sigaction(SIGTERM, &action, &before_term);
    int32_t code = use->in_process ? solo_run(use->solo, use->module.plugin, request->operation, use->inputs,
                                              use->run_dir, use->trace, &use->cancel)
                                   : run_in_worker(use, request);
    sigaction(SIGINT, &before, NULL);
    sigaction(SIGTERM, &before_term, NULL);
    cancelled_by_signal = NULL;
    return code;
}

int32_t plugin_use_run(struct plugin_use *use, uint32_t operation)
{
    struct worker_request request = {.operation = operation};
    return run_interruptible(use, &request);
}

int32_t plugin_use_command(struct plugin_use *use, const char *word, const char *name, const json_t *args)
{
    struct worker_request request = {.command_word = word, .command_name = name, .command_args = args};
    return run_interruptible(use, &request);
}

// ---- closing

void plugin_use_close(struct plugin_use *use)
{
    worker_free(use->worker);
    module_close(&use->module);
    solo_free(use->solo);
    plugin_info_free(use->own_info);
    catalog_free(use->catalog);
    redactor_free(use->redactor);
    json_decref(use->inputs);
    json_decref(use->told);
    cancel_close(&use->cancel);
    if (use->run_dir)
        remove_tree(use->run_dir);
    ist_free(use->run_dir);
    *use = (struct plugin_use){.cancel = {.fd = -1}};
}
