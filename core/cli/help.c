// Help, the manual page and shell completion, all from the table.
#include "cli/cli.h"

#include <config.h>
#include <string.h>

static void print_option(FILE *to, const struct cli_option *option)
{
    char left[64];
    char letter[8] = "    ";
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(left, sizeof(left), "%s%s%s%s", letter, option->name, option->arg ? " " : "",
             option->arg ? option->arg : "");
    fprintf(to, "  %-28s %s\n", left, option->doc);
}

static void print_options(FILE *to, uint64_t set)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (set >> i & 1)
            print_option(to, &cli_options[i]);
}

#define EVERYWHERE (OPT(DIR) | OPT(SET) | OPT(OUTPUT) | OPT(VERBOSE) | OPT(TRACE) | OPT(HELP))

static void print_command(FILE *to, const struct cli_command *command)
{
    char left[64];
    snprintf(left, sizeof(left), "%s %s", command->words, command->args);
    fprintf(to, "  %-28s %s\n", left, command->doc);
}

void cli_help(FILE *to)
{
    fputs("usage: isthmus [options] COMMAND [options] [words]\n\n"
          "Assembles a hybrid cloud out of parts that exist already, as the pipelines in conf.d say.\n\n"
          "commands:\n",
          to);
    for (size_t i = 0; i < cli_command_count; i++)
        print_command(to, &cli_commands[i]);
    cli_help_words(to);
    fputs("\noptions of every command:\n", to);
    print_options(to, EVERYWHERE);
    fputs("\nexit codes: 0 done or nothing to do, 1 an error, 2 changes (--detailed-exitcode), 3 partly "
          "applied,\n"
          "130 interrupted. `isthmus COMMAND --help` says more; so does isthmus(1).\n",
          to);
}

void cli_help_command(FILE *to, const struct cli_command *command)
{
    fprintf(to, "usage: isthmus %s%s%s%s\n\n%s\n", command->words, command->options ? " [options]" : "",
            *command->args ? " " : "", command->args, command->doc);
    if (command->options) {
        fputs("\noptions:\n", to);
        print_options(to, command->options);
    }
    fputs("\noptions of every command:\n", to);
    print_options(to, EVERYWHERE);
}

// The commands that plugins offer have their own: `help policy map` is `policy map --help`. -1: nobody offers it.
static int help_of_plugins(const char *word, const char *name)
{
    const char *args[] = {word, name ? name : "--help", name ? "--help" : NULL, NULL};
    struct cli cli = {.args = args, .arg_count = name ? 3 : 2};
    return cmd_plugin_word(&cli);
}

int cmd_help(const struct cli *cli)
{
    if (cli_has(cli, OPT_MAN)) {
        cli_man(stdout);
        return 0;
    }
    if (cli_has(cli, OPT_COMPLETION))
        return cli_completion(stdout, cli_value(cli, OPT_COMPLETION));
    const char *first = cli_arg(cli, 0), *second = cli_arg(cli, 1);
    if (!first) {
        cli_help(stdout);
        return 0;
    }
    size_t shown = 0, len = strlen(first);
    for (size_t i = 0; i < cli_command_count; i++) {
        const char *words = cli_commands[i].words;
        bool same = strncmp(words, first, len) == 0 && (!words[len] || words[len] == ' ');
        if (!same || (second && (!words[len] || strcmp(words + len + 1, second) != 0)))
            continue;
        if (second || !words[len])
            cli_help_command(stdout, &cli_commands[i]);
        else
            print_command(stdout, &cli_commands[i]);
        shown++;
    }
    if (shown)
        return 0;
    int rc = help_of_plugins(first, second);
    return rc >= 0 ? rc : cli_error("`isthmus --help` lists the commands", "no help for `%s`", first);
}

// ---- the manual page

static void roff(FILE *to, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", to);
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", to);
        else if (*text == '\\')
            fputs("\\e", to);
        else
            fputc(*text, to);
    }
}

static void man_options(FILE *to, uint64_t set)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (!(set >> i & 1))
            continue;
        const struct cli_option *option = &cli_options[i];
        fputs(".TP\n\\fB", to);
        if (option->letter)
            fprintf(to, "\\-%c\\fR, \\fB", option->letter);
        roff(to, option->name);
        fputs("\\fR", to);
        if (option->arg)
            fprintf(to, " \\fI%s\\fR", option->arg);
        fputc('\n', to);
        roff(to, option->doc);
        fputc('\n', to);
    }
}

static const char config_page[] =
    ".SH CONFIGURATION\nAll files *.yaml and *.yml of the folder are read in the order of their names and "
    "merged:\n"
    "maps merge, scalars and lists of a later file replace. \\fB!include\\fR \\fIFILE\\fR stands for the "
    "content of\n"
    "a file beside the one it is written in. A key twice in one file is an error.\n"
    ".TP\n\\fBisthmus\\fR\nstate, jobs, plugins (folders), grace, clear_secrets.\n"
    ".TP\n\\fBvars\\fR\nvariables; they may refer to the environment and to each other.\n"
    ".TP\n\\fBpipelines.\\fR\\fINAME\\fR\ndoc, vars, and steps by name, each with: plugin; with (inputs: a "
    "map, or a\n"
    "list of maps merged in order); needs (steps that come before, beside those it refers to); when; "
    "for_each (a list\n"
    "or a map: one step for each item, \\fINAME\\fR[\\fIKEY\\fR]); prevent_destroy; timeout; doc.\n"
    ".PP\nReferences stand in any value; one that is alone in it keeps its type:\n"
    ".TP\n${steps.\\fINAME\\fR.\\fIOUTPUT\\fR}\nan output of another step, which then comes before; a path "
    "may follow:\n"
    "${steps.vpc.route_tables[0]}. For a step with for_each ${steps.net[eu].id}, or without the key a map of "
    "all.\n"
    ".TP\n${var.\\fINAME\\fR}, ${each.key}, ${each.value}\nvariables, and the item of for_each.\n"
    ".TP\n${env.\\fINAME\\fR}, ${env.\\fINAME\\fR:\\-\\fIDEFAULT\\fR}\nthe environment.\n"
    ".TP\n${file.\\fIPATH\\fR}\nthe text of a file.\n"
    ".TP\n${cmd.\\fIWORDS\\fR}\nwhat a program prints, run without a shell, at most 10 seconds; not run by "
    "validate.\n"
    ".TP\n$${\nthe characters ${ themselves.\n"
    ".PP\nA secret that enters by a reference is kept in state as that reference, never as its value.\n";

static const char watch_page[] =
    ".SH WATCHING\n"
    "\\fBisthmus watch\\fR runs in the foreground until SIGINT or SIGTERM, with a worker process for each "
    "step "
    "that can be watched. "
    "What crashes or hangs begins anew, later each time.\n.PP\n"
    "\\fBSIGHUP\\fR reads the configuration again. Workers at work are given their new inputs and lose no "
    "watch; "
    "steps that came are begun, those that went are ended. A configuration that is wrong is told with its "
    "place, "
    "and the one before goes on.\n.PP\n"
    "What inputs are derived from, tokens too, is read anew every \\-\\-refresh, and when a worker says that "
    "a "
    "credential is refused.\n.PP\n"
    "\\fBPages\\fR at \\-\\-listen: /metrics for Prometheus, /healthz (the supervisor lives), /readyz (200 "
    "when every "
    "step is watched and has read what it needs, else 503 with the reasons). \\fBisthmus status\\fR shows "
    "the same, for "
    "each cluster too.\n.PP\n"
    "Under systemd it tells READY, RELOADING, STOPPING, its status and the watchdog. The unit is " IST_DATADIR
    "/isthmus\\-watch@.service: copy it to /etc/systemd/system, make the user isthmus, and enable "
    "isthmus\\-watch@NAME.\n";

void cli_man(FILE *to)
{
    fputs(".TH ISTHMUS 1 \"\" \"isthmus " PACKAGE_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nisthmus \\- assemble a hybrid cloud out of parts that exist already\n"
          ".SH SYNOPSIS\n.B isthmus\n[options] \\fICOMMAND\\fR [options] [words]\n"
          ".SH DESCRIPTION\nA pipeline in conf.d names steps; each step is one use of a plugin. Isthmus "
          "works out\n"
          "what differs from the world, shows it, and makes it so.\n.SH COMMANDS\n",
          to);
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        fprintf(to, ".SS isthmus %s %s\n", command->words, command->args);
        roff(to, command->doc);
        fputc('\n', to);
        man_options(to, command->options);
    }
    fputs(".SH OPTIONS\nThese go with every command, before it or after it.\n", to);
    man_options(to, EVERYWHERE | OPT(VERSION));
    fputs(config_page, to);
    fputs(watch_page, to);
    fputs(
        ".SH EXIT STATUS\n0 done or nothing to do; 1 an error; 2 changes (with \\-\\-detailed\\-exitcode); 3 "
        "partly\n"
        "applied; 130 interrupted.\n"
        ".SH ENVIRONMENT\n.TP\nISTHMUS_STATE\nthe state file.\n.TP\nISTHMUS_PLUGIN_PATH\nfolders with "
        "plugins,\n"
        "separated by colons.\n.TP\nISTHMUS_POLL_MS\nmilliseconds before the first second look at what "
        "AWS or a container\nplatform is making, where a simulator stands in for them.\n"
        ".TP\nNO_COLOR\nno colours.\n"
        ".SH FILES\n.TP\n\\&./conf.d, /etc/isthmus/conf.d, " IST_DATADIR "/conf.d\n"
        "the configuration: the first of these folders that is there.\n",
        to);
}

// ---- completion

int cli_completion(FILE *to, const char *shell)
{
    if (strcmp(shell, "bash") != 0)
        return cli_error(NULL, "no completion for the shell `%s`: bash is known", shell);
    fputs("# bash completion for isthmus\n_isthmus() {\n  local cur=${COMP_WORDS[COMP_CWORD]} w line=\n"
          "  for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do [[ $w == -* ]] || line+=\"$w \"; done\n"
          "  local options=\"",
          to);
    for (size_t i = 0; i < OPT_COUNT; i++)
        fprintf(to, "%s%s", i ? " " : "", cli_options[i].name);
    fputs("\"\n  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")); return; fi\n"
          "  case $line in\n",
          to);
    static const char *const groups[] = {"", "config", "plugin", "state"};
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        size_t len = strlen(groups[g]);
        fprintf(to, "    \"%s%s\") w=\"", groups[g], len ? " " : "");
        const char *last = "";
        size_t last_len = 0;
        for (size_t i = 0; i < cli_command_count; i++) {
            const char *words = cli_commands[i].words;
            if (len && (strncmp(words, groups[g], len) != 0 || words[len] != ' '))
                continue;
            const char *word = len ? words + len + 1 : words;
            size_t word_len = strcspn(word, " ");
            if (word_len == last_len && strncmp(word, last, word_len) == 0)
                continue;
            fprintf(to, "%.*s ", (int)word_len, word);
            last = word;
            last_len = word_len;
        }
        fputs("\" ;;\n", to);
    }
    fputs("    *) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n  esac\n"
          "  COMPREPLY=($(compgen -W \"$w\" -- \"$cur\"))\n}\ncomplete -F _isthmus isthmus\n",
          to);
    return 0;
}
