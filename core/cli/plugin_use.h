// A plugin used alone by a command for people: in a worker, or in this process for a debugger.
#ifndef CORE_CLI_PLUGIN_USE_H
#define CORE_CLI_PLUGIN_USE_H

#include "cli/cli.h"
#include "host/loader.h"
#include "host/solo.h"
#include "host/worker.h"
#include "render/redact.h"

struct plugin_use {
    struct catalog *catalog;
    const struct plugin_info *info;
    struct plugin_info *own_info; // of one loaded into this process
    struct module module;
    struct worker *worker;
    struct cancel cancel;
    struct solo *solo;
    struct redactor *redactor;
    json_t *told; // problems that were shown; owned, NULL: none
    json_t *inputs;
    char *run_dir; // temporary, removed with the rest
    bool in_process, trace, verbose;
};

// Finds the plugin `name` (or the file, when it has a '/'). 0, or 1 when it has said what is wrong.
int plugin_use_open(const struct cli *cli, const char *name, bool in_process, struct plugin_use *use);
// The same for a plugin that is known (borrowed), under the name of a step.
int plugin_use_step(const struct cli *cli, const struct plugin_info *info, const char *step,
                    struct plugin_use *use);
// Its inputs from --inputs FILE and --set. The same returns.
int plugin_use_inputs(const struct cli *cli, struct plugin_use *use);
// One operation; its report is in use->solo->report. Logs and progress go to stderr as they come. Ctrl-C cancels,
// twice kills. Returns the operation's code.
int32_t plugin_use_run(struct plugin_use *use, uint32_t operation);
// A command for people of the plugin: `args` is what ist_command's run() gets. In a worker.
int32_t plugin_use_command(struct plugin_use *use, const char *word, const char *name, const json_t *args);
void plugin_use_close(struct plugin_use *use);
// "error: WHERE: TEXT" and the hint on stderr, redacted.
void plugin_use_error(const struct plugin_use *use, const ist_error *err);

#endif
