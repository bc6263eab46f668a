// Parsing the command line by the table, and dispatching.
#include "cli/cli.h"

#include <isthmus/alloc.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// These go with every command.
#define COMMON (OPT(DIR) | OPT(SET) | OPT(OUTPUT) | OPT(VERBOSE) | OPT(TRACE) | OPT(HELP) | OPT(VERSION))

int cli_error(const char *hint, const char *format, ...)
{
    va_list args;
    fputs("error: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (hint)
        fprintf(stderr, "  %s\n", hint);
    return 1;
}

bool cli_has(const struct cli *cli, enum cli_option_id id)
{
    return cli->value_count[id] > 0;
}

const char *cli_value(const struct cli *cli, enum cli_option_id id)
{
    return cli_has(cli, id) ? cli->values[id][cli->value_count[id] - 1] : NULL;
}

const char *const *cli_values(const struct cli *cli, enum cli_option_id id, size_t *count)
{
    *count = cli->value_count[id];
    return cli->values[id];
}

const char *cli_arg(const struct cli *cli, size_t i)
{
    return i < cli->arg_count ? cli->args[i] : NULL;
}

struct config_source cli_source(const struct cli *cli)
{
    struct config_source source = {.dir = cli_value(cli, OPT_DIR)};
    // What looks at state needs a configuration only to be told where that is. A plugin's word is no command of ours.
    const char *state = getenv("ISTHMUS_STATE");
    source.optional = cli->command && strncmp(cli->command->words, "state ", 6) == 0 && state && *state;
    source.sets = cli_values(cli, OPT_SET, &source.set_count);
    return source;
}

bool cli_colour(FILE *to)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(to)) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

struct render_options cli_render_options(const struct cli *cli)
{
    const char *format = cli_value(cli, OPT_OUTPUT);
    struct render_options options = {
        .terminal = isatty(STDOUT_FILENO) != 0,
        .colour = cli_colour(stdout),
        .verbose = cli_has(cli, OPT_VERBOSE),
        .trace = cli_has(cli, OPT_TRACE),
        .out = stdout,
        .err = stderr,
    };
    if (format)
        options.format = strcmp(format, "json") == 0    ? RENDER_JSON
                         : strcmp(format, "jsonl") == 0 ? RENDER_JSONL
                                                        : RENDER_TEXT;
    return options;
}

int cli_jobs(const struct cli *cli, int otherwise)
{
    const char *jobs = cli_value(cli, OPT_JOBS);
    return jobs ? (int)strtol(jobs, NULL, 10) : otherwise;
}

// ---- parsing

static void add_value(struct cli *cli, size_t id, const char *value)
{
    size_t n = cli->value_count[id]++;
    cli->values[id] = ist_realloc(cli->values[id], n + 1, sizeof(char *));
    cli->values[id][n] = value;
}

static void add_arg(struct cli *cli, const char *word)
{
    cli->args = ist_realloc(cli->args, cli->arg_count + 2, sizeof(char *));
    cli->args[cli->arg_count++] = word;
    cli->args[cli->arg_count] = NULL;
}

static size_t find_long(const char *word, size_t len)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (strlen(cli_options[i].name) == len && strncmp(cli_options[i].name, word, len) == 0)
            return i;
    return OPT_COUNT;
}

static size_t find_letter(char letter)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (cli_options[i].letter == letter)
            return i;
    return OPT_COUNT;
}

static int unknown_option(const char *word)
{
    const char *names[OPT_COUNT];
    for (size_t i = 0; i < OPT_COUNT; i++)
        names[i] = cli_options[i].name;
    const char *near = nearest(word, names, OPT_COUNT);
    if (near)
        return cli_error(NULL, "unknown option %s, did you mean %s?", word, near);
    return cli_error("`isthmus --help` lists the options", "unknown option %s", word);
}

// --name, --name=value, --name value. *i stands on the word and is left on the last one used.
static int take_long(struct cli *cli, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t id = find_long(word, equals ? (size_t)(equals - word) : strlen(word));
    if (id == OPT_COUNT)
        return unknown_option(word);
    const struct cli_option *option = &cli_options[id];
    if (!option->arg && equals)
        return cli_error(NULL, "option %s takes no value", option->name);
    const char *value = equals ? equals + 1 : "";
    if (option->arg && !equals) {
        if (*i + 1 >= argc)
            return cli_error(NULL, "option %s needs a value: %s %s", option->name, option->name, option->arg);
        value = argv[++*i];
    }
    add_value(cli, id, value);
    return 0;
}

// -v, -j4, -j 4, -yv.
static int take_letters(struct cli *cli, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    for (const char *p = word + 1; *p; p++) {
        size_t id = find_letter(*p);
        if (id == OPT_COUNT)
            return cli_error("`isthmus --help` lists the options", "unknown option -%c", *p);
        if (!cli_options[id].arg) {
            add_value(cli, id, "");
            continue;
        }
        if (p[1]) {
            add_value(cli, id, p + 1);
            return 0;
        }
        if (*i + 1 >= argc)
            return cli_error(NULL, "option -%c needs a value: -%c %s", *p, *p, cli_options[id].arg);
        add_value(cli, id, argv[++*i]);
    }
    return 0;
}

int cli_take_common(struct cli *cli, size_t *i)
{
    size_t before[OPT_COUNT];
    const char *word = cli->args[*i];
    int at = (int)*i;
    memcpy(before, cli->value_count, sizeof(before));
    char **words = (char **)(uintptr_t)cli->args;
    int rc = word[1] == '-' ? take_long(cli, (int)cli->arg_count, words, &at)
                            : take_letters(cli, (int)cli->arg_count, words, &at);
    for (size_t id = 0; !rc && id < OPT_COUNT; id++)
        if (cli->value_count[id] > before[id] && !(COMMON >> id & 1))
            rc = cli_error("its --help lists them", "this command does not take the option %s", word);
    *i = (size_t)at;
    return rc;
}

// Does `words` of a command begin with word (then *rest is what follows in it)?
static bool begins(const char *words, const char *word, const char **rest)
{
    size_t len = strlen(word);
    if (strncmp(words, word, len) != 0 || (words[len] && words[len] != ' '))
        return false;
    *rest = words[len] ? words + len + 1 : words + len;
    return true;
}

enum { NO_SUCH, IS_GROUP, IS_COMMAND };

// Looks up the first one or two words.
static int find_command(const char *first, const char *second, const struct cli_command **found)
{
    int result = NO_SUCH;
    for (size_t i = 0; i < cli_command_count; i++) {
        const char *rest;
        if (!begins(cli_commands[i].words, first, &rest))
            continue;
        if (!*rest || (second && strcmp(rest, second) == 0)) {
            *found = &cli_commands[i];
            return IS_COMMAND;
        }
        result = IS_GROUP;
    }
    return result;
}

static int unknown_command(const char *group, const char *word)
{
    const char *names[64];
    size_t count = 0;
    char first[32][24];
    for (size_t i = 0; i < cli_command_count && count < 32; i++) {
        const char *words = cli_commands[i].words, *rest = words;
        if (group && !(begins(words, group, &rest) && *rest))
            continue;
        snprintf(first[count], sizeof(first[0]), "%.*s", (int)strcspn(rest, " "), rest);
        names[count] = first[count];
        count++;
    }
    const char *near = word ? nearest(word, names, count) : NULL;
    const char *in = group ? group : "", *gap = group ? " " : "";
    if (!word) {
        char hint[80];
        snprintf(hint, sizeof(hint), "`isthmus help %s` lists them", in);
        return cli_error(hint, "`%s` needs a second word", in);
    }
    if (near)
        return cli_error(NULL, "unknown command `%s%s%s`, did you mean `%s%s%s`?", in, gap, word, in, gap,
                         near);
    return cli_error("`isthmus --help` lists the commands", "unknown command `%s%s%s`", in, gap, word);
}

// The words typed so far name a command: takes them off args.
static bool settle(struct cli *cli)
{
    if (!cli->arg_count)
        return false;
    const struct cli_command *command = NULL;
    if (find_command(cli->args[0], cli_arg(cli, 1), &command) != IS_COMMAND)
        return false;
    cli->command = command;
    size_t used = strchr(command->words, ' ') ? 2 : 1;
    cli->arg_count -= used;
    memmove(cli->args, cli->args + used, (cli->arg_count + 1) * sizeof(char *));
    return true;
}

static int check_values(const struct cli *cli)
{
    static const char *const formats[] = {"text", "json", "jsonl", "schema", "man"};
    const char *output = cli_value(cli, OPT_OUTPUT), *jobs = cli_value(cli, OPT_JOBS);
    bool known = !output;
    // The last two are those of a plugin's tables.
    const size_t count = strcmp(cli->command->words, "plugin show") == 0 ? 5 : 3;
    for (size_t i = 0; i < count && !known; i++)
        known = strcmp(output, formats[i]) == 0;
    if (!known)
        return cli_error(NULL, "--output %s: expected text, json or jsonl", output);
    if (jobs) {
        char *end;
        long n = strtol(jobs, &end, 10);
        if (!*jobs || *end || n < 1 || n > 64)
            return cli_error(NULL, "--jobs %s: expected a number from 1 to 64", jobs);
    }
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (!cli_options[i].repeats && cli_options[i].arg && cli->value_count[i] > 1)
            return cli_error(NULL, "option %s is given twice", cli_options[i].name);
    return 0;
}

static int check_command(const struct cli *cli)
{
    const struct cli_command *command = cli->command;
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (cli->value_count[i] && !((command->options | COMMON) >> i & 1))
            return cli_error(NULL, "`isthmus %s` does not take the option %s", command->words,
                             cli_options[i].name);
    int count = (int)cli->arg_count;
    if (count < command->min)
        return cli_error(NULL, "`isthmus %s` needs more words: isthmus %s %s", command->words, command->words,
                         command->args);
    if (command->max >= 0 && count > command->max)
        return cli_error(NULL, "`isthmus %s` does not take the word `%s`: isthmus %s %s", command->words,
                         cli->args[command->max], command->words, command->args);
    return check_values(cli);
}

// Fills cli; 0, or 1 when it has said what is wrong.
static int parse(struct cli *cli, int argc, char **argv)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int rc = 0;
        if (only_words || word[0] != '-' || !word[1])
            add_arg(cli, word);
        else if (strcmp(word, "--") == 0)
            only_words = true;
        else
            rc = word[1] == '-' ? take_long(cli, argc, argv, &i) : take_letters(cli, argc, argv, &i);
        if (rc)
            return rc;
        bool first = cli->arg_count == 1 && !cli->command;
        // From here on the words are somebody else's: the lab's, or those of a plugin's own command.
        const struct cli_command *found = NULL;
        int kind = first ? find_command(word, NULL, &found) : NO_SUCH;
        if (!cli->command)
            settle(cli);
        if ((cli->command && cli->command->forward) || (first && kind == NO_SUCH)) {
            while (++i < argc)
                add_arg(cli, argv[i]);
            return 0;
        }
    }
    return 0;
}

static void cli_clear(struct cli *cli)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        ist_free(cli->values[i]);
    ist_free(cli->args);
}

static int dispatch(struct cli *cli)
{
    if (!cli->command) {
        if (!cli->arg_count && cli_has(cli, OPT_VERSION))
            return cmd_version(cli);
        if (!cli->arg_count) {
            cli_help(cli_has(cli, OPT_HELP) ? stdout : stderr);
            return cli_has(cli, OPT_HELP) ? 0 : 1;
        }
        const struct cli_command *found = NULL;
        if (find_command(cli->args[0], NULL, &found) == IS_GROUP) {
            if (!cli_has(cli, OPT_HELP) || cli->arg_count > 1)
                return unknown_command(cli->args[0], cli_arg(cli, 1));
            return cmd_help(cli);
        }
        int rc = cmd_plugin_word(cli);
        return rc >= 0 ? rc : unknown_command(NULL, cli->args[0]);
    }
    if (cli_has(cli, OPT_HELP) && !cli->command->forward) {
        cli_help_command(stdout, cli->command);
        return 0;
    }
    int rc = check_command(cli);
    if (rc)
        return rc;
    if (!cli->command->run)
        return cli_error(NULL, "`isthmus %s` is not part of this build", cli->command->words);
    return cli->command->run(cli);
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    int rc = parse(&cli, argc, argv);
    if (!rc)
        rc = dispatch(&cli);
    cli_clear(&cli);
    if (fflush(stdout) != 0 && !rc)
        rc = cli_error(NULL, "cannot write the output");
    return rc;
}
