// isthmus-lab: starts, asks and stops a lab.
#include "core.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: isthmus-lab up --dir DIR [--kube-version V] [--eks-seconds S] [--verbose]\n"
    "       isthmus-lab log --dir DIR [--output text|jsonl]\n"
    "       isthmus-lab snapshot --dir DIR\n"
    "       isthmus-lab faults --dir DIR add KEY=VALUE...\n"
    "       isthmus-lab faults --dir DIR clear|list\n"
    "       isthmus-lab set --dir DIR CLUSTER KEY=VALUE...\n"
    "       isthmus-lab down --dir DIR\n"
    "\n"
    "A fault rule: effect=status|delay|cut-before|cut-after|throttle|stale|expired-token|reload|deny|answer\n"
    "  service=REGEX action=REGEX  which calls, as `log` shows them (all when left out)\n"
    "  skip=N times=N              let N pass first; strike N times (1; 0 for ever)\n"
    "  calls=writes                only calls that write\n"
    "  delay=MS status=N code=NAME body=TEXT what the effect does\n"
    "A cluster's switches: snat=on|off|hidden (a pod's address towards other networks: taken by the CNI's "
    "settings,\n"
    "  kept, or taken by rules of the nodes that no object tells of), dual-stack=on|off (of pods and "
    "Services to come)\n";

struct command {
    struct lab_options options;
    const char *output;
    char **words; // after the options
    int word_count;
};

static int fail(const char *message)
{
    fprintf(stderr, "isthmus-lab: %s\n", message);
    return 1;
}

static int cmd_up(struct command *command)
{
    if (command->word_count)
        return fail("up takes no further words");
    return lab_up(&command->options);
}

static void print_line(const char *line)
{
    json_t *call = json_loads(line, 0, NULL);
    const char *time, *service, *method, *path, *action = "-";
    int status, write_call;
    if (call &&
        json_unpack(call, "{ss ss ss ss s?s si sb}", "time", &time, "service", &service, "method", &method,
                    "path", &path, "action", &action, "status", &status, "write", &write_call) == 0)
        printf("%s  %-9s %s %3d  %-7s %s  %s\n", time, service, write_call ? "W" : "r", status, method,
               action, path);
    json_decref(call);
}

static int cmd_log(struct command *command)
{
    bool text = !command->output || !strcmp(command->output, "text");
    if (!text && strcmp(command->output, "jsonl") != 0)
        return fail("--output is text or jsonl");
    char *path = lab_format("%s/journal.jsonl", command->options.dir);
    FILE *in = fopen(path, "re");
    if (!in)
        fprintf(stderr, "isthmus-lab: cannot read %s: %s\n", path, strerror(errno));
    free(path);
    if (!in)
        return 1;
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, in) > 0) {
        if (text)
            print_line(line);
        else
            fputs(line, stdout);
    }
    free(line);
    fclose(in);
    return 0;
}

static int ask_and_print(const char *dir, json_t *request)
{
    json_t *result = lab_control_ask(dir, request);
    if (!result)
        return 1;
    if (!json_is_boolean(result)) {
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        putchar('\n');
    }
    json_decref(result);
    return 0;
}

static int cmd_snapshot(struct command *command)
{
    return ask_and_print(command->options.dir, json_pack("{ss}", "do", "snapshot"));
}

// The words after the first, each KEY=VALUE, as an object; NULL when one is not.
static json_t *pairs(const struct command *command)
{
    json_t *object = json_object();
    for (int i = 1; i < command->word_count; i++) {
        char *equals = strchr(command->words[i], '=');
        if (!equals) {
            json_decref(object);
            return NULL;
        }
        char *key = lab_format("%.*s", (int)(equals - command->words[i]), command->words[i]);
        json_object_set_new(object, key, json_string(equals + 1));
        free(key);
    }
    return object;
}

static int cmd_faults(struct command *command)
{
    const char *word = command->word_count ? command->words[0] : "";
    if (!strcmp(word, "clear") && command->word_count == 1)
        return ask_and_print(command->options.dir, json_pack("{ss}", "do", "faults-clear"));
    if (!strcmp(word, "list") && command->word_count == 1)
        return ask_and_print(command->options.dir, json_pack("{ss}", "do", "faults-list"));
    if (strcmp(word, "add") != 0)
        return fail("faults: wanted add KEY=VALUE..., clear or list");
    json_t *rule = pairs(command);
    if (!rule)
        return fail("faults add: a rule is made of KEY=VALUE words");
    return ask_and_print(command->options.dir, json_pack("{ssso}", "do", "faults-add", "rule", rule));
}

static int cmd_set(struct command *command)
{
    json_t *values = command->word_count > 1 ? pairs(command) : NULL;
    if (!values)
        return fail("set: wanted a cluster and KEY=VALUE...");
    return ask_and_print(command->options.dir, json_pack("{ss ss so}", "do", "set", "cluster",
                                                         command->words[0], "values", values));
}

static int cmd_down(struct command *command)
{
    if (ask_and_print(command->options.dir, json_pack("{ss}", "do", "down")) != 0)
        return 1;
    // The process holds DIR/lock to its very end.
    char *path = lab_format("%s/lock", command->options.dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    free(path);
    for (int i = 0; fd >= 0 && i < 1000; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            close(fd);
            return 0;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return fail("the lab did not end within 10 s");
}

static const struct {
    const char *name;
    int (*run)(struct command *);
} commands[] = {{"up", cmd_up},         {"log", cmd_log}, {"snapshot", cmd_snapshot},
                {"faults", cmd_faults}, {"set", cmd_set}, {"down", cmd_down}};

static int parse(int argc, char **argv, struct command *command)
{
    static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
                                            {"kube-version", required_argument, NULL, 'k'},
                                            {"eks-seconds", required_argument, NULL, 'e'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int c;
    char *end;
    double seconds;
    while ((c = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
        switch (c) {
        case 'd':
            command->options.dir = optarg;
            break;
        case 'k':
            command->options.kube_version = optarg;
            break;
        case 'e':
            seconds = strtod(optarg, &end);
            if (end == optarg || *end || !(seconds >= 0 && seconds < 86400))
                return fail("--eks-seconds: a number of seconds is wanted");
            command->options.eks_ms = (int64_t)(seconds * 1000);
            break;
        case 'o':
            command->output = optarg;
            break;
        case 'v':
            command->options.verbose = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            return 1;
        }
    }
    command->words = argv + optind;
    command->word_count = argc - optind;
    return 0;
}

int main(int argc, char **argv)
{
    struct command command = {.options = {.kube_version = "1.29", .eks_ms = 2000}};
    if (argc < 2 || !strcmp(argv[1], "--help")) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2;
    }
    if (argc == 5 && !strcmp(argv[1], "host-shell")) // the lab's own, for a command on a Linux host
        return lab_host_enter(argv + 2);
    // Options may stand on either side of the word.
    if (parse(argc, argv, &command) != 0)
        return 1;
    const char *word = command.word_count ? *command.words : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!strcmp(word, commands[i].name)) {
            command.words++;
            command.word_count--;
            if (!command.options.dir)
                return fail("--dir DIR is needed");
            return commands[i].run(&command);
        }
    }
    fprintf(stderr, "isthmus-lab: unknown command %s\n%s", word, usage);
    return 1;
}
