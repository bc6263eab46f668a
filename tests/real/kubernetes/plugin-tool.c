// One plugin, run against something real: plugin-tool NAME STATE INPUTS OPERATION...
// STATE is a file that keeps what a step's state would between calls; INPUTS a JSON file. Prints one JSON line an
// operation: {operation, code, error?, outputs, changes, checks, logs}; exit status 1 at the first that fails.
#include "../../unit/fakehost.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"", "observe", "plan", "apply", "destroy", "verify", "watch"};

static uint32_t operation_named(const char *name)
{
    for (uint32_t i = 1; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    fprintf(stderr, "no operation %s\n", name);
    exit(2);
}

static void print(const struct solo_report *report, const char *operation, int32_t code)
{
    json_t *line = json_pack("{s:s, s:i, s:O?, s:O?, s:O?, s:O?}", "operation", operation, "code", code,
                             "outputs", report->outputs, "changes", report->changes, "checks", report->checks,
                             "logs", report->logs);
    if (code != IST_OK)
        json_object_set_new(line, "error",
                            json_pack("{s:s, s:s, s:s}", "where", report->error.where, "text",
                                      report->error.text, "hint", report->error.hint));
    char *text = ist_json_text(line);
    puts(text);
    ist_free(text);
    json_decref(line);
}

static struct cancel *stop_here;

static void on_term(int signal)
{
    (void)signal;
    cancel_now(stop_here);
}

// With PLUGIN_TOOL_TELL set every event is printed as it comes: a watch reports only when it ends.
static void tell(void *arg, const json_t *event)
{
    char *text = ist_json_text(event);
    fprintf(arg, "%s\n", text);
    fflush(arg);
    ist_free(text);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    struct fakehost *host = fakehost_load(argv[1]);
    json_t *inputs = json_load_file(argv[3], 0, NULL);
    ist_error err = {0};
    int32_t code = IST_OK;
    if (!host || !inputs || solo_load(host->solo, argv[2], &err) != 0) {
        fprintf(stderr, "plugin-tool: %s\n", inputs ? err.text : "the inputs are no JSON");
        return 2;
    }
    fakehost_inputs(host, inputs);
    stop_here = &host->cancel;
    signal(SIGTERM, on_term);
    if (getenv("PLUGIN_TOOL_TELL")) {
        host->solo->tell = tell;
        host->solo->tell_arg = stderr;
    }
    for (int i = 4; i < argc && code == IST_OK; i++) {
        code = fakehost_run(host, operation_named(argv[i]));
        print(&host->solo->report, argv[i], code);
    }
    if (solo_save(host->solo, argv[2], &err) != 0)
        fprintf(stderr, "plugin-tool: %s\n", err.text);
    fakehost_free(host);
    return code != IST_OK;
}
