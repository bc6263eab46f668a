// The command line: one table of commands and one of options (core/cli/table.c) feed parsing, help, the man
// page and shell completion. A command is a row there and a function `cmd_...` in a file of its own.
#ifndef CORE_CLI_CLI_H
#define CORE_CLI_CLI_H

#include "config/pipeline.h"
#include "render/render.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Every option has one spelling and one meaning in all commands, so that it may stand before or after the
// command. A new one: a name here, a row in `cli_options`, a bit in the rows of the commands that take it.
enum cli_option_id {
    OPT_DIR, // -C DIR
    OPT_SET, // --set PATH=VALUE, may be repeated
    OPT_OUTPUT,
    OPT_YES,
    OPT_JOBS,
    OPT_ONLY,   // may be repeated
    OPT_FORGET, // may be repeated
    OPT_OUT,    // plan -o FILE, plugin run -o FILE
    OPT_DETAILED_EXITCODE,
    OPT_ALLOW_DEFERRED,
    OPT_ORIGIN,     // config show
    OPT_INPUTS,     // plugin run: FILE
    OPT_IN_PROCESS, // plugin run
    OPT_STATE,      // plugin run: FILE
    OPT_LISTEN,     // watch
    OPT_LISTEN_PUBLIC,
    OPT_REFRESH,
    OPT_PATIENCE,
    OPT_IAM_POLICY, // plugin show
    OPT_RBAC,       // plugin show
    OPT_MAN,        // help
    OPT_COMPLETION, // help
    OPT_VERBOSE,
    OPT_TRACE,
    OPT_HELP,
    OPT_VERSION,
    OPT_COUNT
};
#define OPT(id) (UINT64_C(1) << OPT_##id)

struct cli_option {
    const char *name; // "--jobs"
    char letter;      // 'j' of -j, or 0
    const char *arg;  // "N"; NULL: a switch
    const char *doc;
    bool repeats;
};

struct cli;
typedef int cli_run_fn(const struct cli *cli); // returns the exit code; has said why when it is not 0

struct cli_command {
    const char *words; // "plan", "state list"
    const char *args;  // for people: "[PIPELINE]", "NAME OP"
    const char *doc;   // one line
    uint64_t options;  // OPT(JOBS) | ...; -C, --set, --output, -v, --trace and --help go with every command
    int min, max;      // how many words may follow; max -1: any number
    bool forward;      // all that follows is handed over as it is, options too
    cli_run_fn *run;
};

extern const struct cli_option cli_options[OPT_COUNT];
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

// What the user typed. Strings are argv's.
struct cli {
    const struct cli_command *command;
    const char **args; // words after the command; arg_count of them, then NULL
    size_t arg_count;
    const char **values[OPT_COUNT]; // of each option, in order; a switch has ""
    size_t value_count[OPT_COUNT];
};

bool cli_has(const struct cli *cli, enum cli_option_id id);
const char *cli_value(const struct cli *cli, enum cli_option_id id); // the last, or NULL
const char *const *cli_values(const struct cli *cli, enum cli_option_id id, size_t *count); // all
const char *cli_arg(const struct cli *cli, size_t i); // NULL past the end

// Where the configuration is by -C and --set. Borrows from cli.
struct config_source cli_source(const struct cli *cli);
// Output format, terminal, colour (NO_COLOR, TERM=dumb), -v and --trace.
struct render_options cli_render_options(const struct cli *cli);
bool cli_colour(FILE *to);
// Jobs by --jobs, else `otherwise`.
int cli_jobs(const struct cli *cli, int otherwise);

// The plugins by isthmus.plugins, ISTHMUS_PLUGIN_PATH and so on; config may be NULL. The caller's.
struct catalog *cli_catalog(const struct config *config);
// One whole answer on stdout: indented, or on one line for jsonl.
void cli_print_json(const struct cli *cli, const json_t *json);
// Shows diagnostics in the format asked for: text on stderr, JSON on stdout.
void cli_diags(const struct cli *cli, const struct diags *diags);
// Loads configuration and catalog; on failure prints every diagnostic and returns NULL. Warnings are printed
// too. `catalog` may be NULL when it is not wanted. The caller frees both.
struct config *cli_load(const struct cli *cli, struct catalog **catalog);
struct loaded {
    struct config *config;
    struct catalog *catalog;
    struct pipeline *pipeline;
    struct worker_pool *workers; // that the check began; NULL: none
};
// The same, and the pipeline named by the first word; without one the only pipeline there is. 0 or an exit code.
int cli_load_pipeline(const struct cli *cli, struct loaded *loaded);
// The same, and the plugins are asked what is wrong with the inputs that are known already.
int cli_load_checked(const struct cli *cli, struct loaded *loaded);
// The pipeline named `pipeline`; when it is not 0, *why is the first that is wrong, with its place (ist_free), or NULL.
int cli_load_again(const struct cli *cli, const char *pipeline, struct loaded *loaded, char **why);
void loaded_free(struct loaded *loaded);

// A word that is no command of the table: the host looks for a plugin that offers it (`policy map`). Returns
// -1 when none does, else the exit code. args: the words from that one on, options among them.
int cmd_plugin_word(struct cli *cli);
void cli_help_words(FILE *to); // those words, a line each under a heading

void cli_help(FILE *to);                                            // all commands
void cli_help_command(FILE *to, const struct cli_command *command); // one
void cli_man(FILE *to);                                             // isthmus.1
int cli_completion(FILE *to, const char *shell);                    // 0, or 1 for an unknown shell
// Takes one of the options of every command, as in cmd_plugin_word's words: args[*i] is one, *i is left on the last word
// used. 0, or 1 when it has said what is wrong.
int cli_take_common(struct cli *cli, size_t *i);
// "error: ..." on stderr, with a hint line when there is one; returns 1.
int cli_error(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_main(int argc, char **argv);

// The commands.
cli_run_fn cmd_validate, cmd_config_show, cmd_graph, cmd_lab, cmd_version, cmd_help;
cli_run_fn cmd_plan, cmd_apply, cmd_verify, cmd_status, cmd_destroy, cmd_watch;
cli_run_fn cmd_plugin_list, cmd_plugin_show, cmd_plugin_run, cmd_plugin_new, cmd_plugin_check;
cli_run_fn cmd_state_list, cmd_state_show, cmd_state_rm, cmd_state_mv, cmd_state_export, cmd_state_import,
    cmd_state_unlock, cmd_state_history;

#endif
