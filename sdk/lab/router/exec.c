// Exec commands that are no show commands, and the confirmed change (archive, revert timer, write memory).
#include "device.h"

#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const lab_exec_commands[] = {
    "enable",
    "disable",
    "exit",
    "logout",
    "quit",
    "terminal length <int>",
    "terminal width <int>",
    "terminal monitor",
    "terminal no monitor",
    "configure terminal",
    "configure terminal revert timer <int>",
    "configure confirm",
    "configure revert now",
    "configure revert timer <int>",
    "write",
    "write memory",
    "copy running-config startup-config",
    "reload",
    "show <line>",
};
const size_t lab_exec_command_count = sizeof lab_exec_commands / sizeof *lab_exec_commands;

static void journal(struct session *session, const char *action, bool write)
{
    lab_journal_add(session->router->lab, "router", "ssh", session->router->id[0] == 'h' ? "hub" : "spoke",
                    action, 200, write);
}

static void log_to(struct session *session, const char *text)
{
    char *now = lab_now();
    say(session, "\n*%s: %s\n", now, text);
    free(now);
}

void router_log(struct router *router, struct session *only, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (only) {
        log_to(only, text);
        return;
    }
    for (struct session *s = router->sessions; s; s = s->next) {
        if (s->monitor)
            log_to(s, text);
    }
}

// ---- the confirmed change ----

static bool archive_ready(const struct router *router)
{
    return config_value(config_find(router->running, "archive", 0), "path") != NULL;
}

static void drop_timer(struct router *router)
{
    free(router->backup);
    free(router->revert_user);
    router->backup = router->revert_user = NULL;
    router->revert_serial++;
}

static void revert(struct router *router)
{
    config_free(router->running);
    router->running = config_new();
    config_load(router->running, router->backup);
    router_log(router, NULL, "%%ARCHIVE_DIFF-5-ROLLBK_CNFMD_CHG_ROLLBACK_START: Start rolling to: backup");
    drop_timer(router);
    router_changed(router);
    lab_journal_add(router->lab, "router", "timer", router->id[0] == 'h' ? "hub" : "spoke",
                    "automatic revert", 200, true);
}

struct due {
    struct router *router;
    unsigned serial;
};

static void on_timer(struct lab *lab, void *arg)
{
    struct due *due = arg;
    (void)lab;
    if (due->router->backup && due->router->revert_serial == due->serial)
        revert(due->router);
    free(due);
}

static void start_timer(struct router *router, int minutes)
{
    // A lab does not wait for minutes: one of the router's is ISTHMUS_LAB_MINUTE_MS long.
    const char *scale = getenv("ISTHMUS_LAB_MINUTE_MS");
    int64_t minute = scale ? strtol(scale, NULL, 10) : 60000;
    struct due *due = lab_calloc(1, sizeof *due);
    due->router = router;
    due->serial = ++router->revert_serial;
    router->revert_minutes = minutes;
    router->revert_at_ms = lab_mono_ms() + minutes * minute;
    lab_after(router->lab, minutes * minute, on_timer, due);
}

void archive_timer_show(struct router *router, FILE *out)
{
    if (!router->backup) {
        fputs("%No Rollback Confirmed Change pending\n", out);
        return;
    }
    fprintf(out,
            "Time configured(or reconfigured): 10:00:00 UTC Mon Jan 1 2024\nTimer type: absolute timer\n"
            "Timer value: %d min\nUser: %s\n",
            router->revert_minutes, router->revert_user);
}

void archive_show(struct router *router, FILE *out)
{
    const char *path = config_value(config_find(router->running, "archive", 0), "path");
    if (!path) {
        fputs(" Archive feature not enabled\n", out);
        return;
    }
    fprintf(out,
            "The maximum archive configurations allowed is 10.\n"
            "There are currently %u archive configurations saved.\n"
            "The next archive file will be named %s-<timestamp>-%u\n Archive #  Name\n",
            router->archived, path, router->archived);
    for (unsigned i = 1; i <= 10; i++) {
        if (i <= router->archived)
            fprintf(out, "   %u        %s-Jan-01-10-00-00.%03u-%u%s\n", i, path, i, i - 1,
                    i == router->archived ? " <- Most Recent" : "");
        else
            fprintf(out, "   %u\n", i);
    }
}

static const struct session *other_in_config(const struct session *session)
{
    for (const struct session *s = session->router->sessions; s; s = s->next) {
        if (s != session && s->mode)
            return s;
    }
    return NULL;
}

static void configure(struct session *session, int revert_minutes)
{
    struct router *router = session->router;
    const struct session *other = other_in_config(session);
    if (other && config_value(router->running, "configuration mode exclusive")) {
        say(session,
            "Configuration mode is locked by process '3' user '%s' from terminal '%u'. Please try later.\n",
            other->user, other->vty + 2);
        return;
    }
    if (revert_minutes && !archive_ready(router)) {
        say(session, "%%Please turn config archive on before using Rollback Confirmed Change\n");
        return;
    }
    if (revert_minutes && (router->backup || other_in_config(session))) {
        say(session, "%%Rollback Confirmed Change is not possible: another change is under way\n");
        return;
    }
    if (revert_minutes) {
        router->backup = config_text(router->running, CONFIG_KEPT);
        router->revert_user = lab_strdup(session->user);
        if (router->archived < 10)
            router->archived++;
        start_timer(router, revert_minutes);
        say(session, "Rollback Confirmed Change: Backing up current running config to %s\n\n",
            config_value(config_find(router->running, "archive", 0), "path"));
    }
    say(session, "Enter configuration commands, one per line.  End with CNTL/Z.\n");
    session->mode = "config";
    session->at = router->running;
}

static void save(struct session *session, const char *outcome)
{
    struct router *router = session->router;
    if (!strcmp(outcome, "nvram-busy")) {
        say(session, "startup-config file open failed (Device or resource busy)\n");
        return;
    }
    if (!strcmp(outcome, "nvram-full")) {
        say(session, "startup-config file open failed (Not enough space)\n");
        return;
    }
    if (!strcmp(outcome, "nvram-question")) {
        say(session, "Warning: Attempting to overwrite an NVRAM configuration previously written\n"
                     "by a different version of the system image.\n"
                     "Overwrite the previous NVRAM configuration?[confirm]");
        session->ask = 'c';
        session->ask_for = lab_strdup("write memory");
        return;
    }
    say(session, "Building configuration...\n");
    if (!strcmp(outcome, "nvram-compressed"))
        say(session, "Compressed configuration from 6143 bytes to 2417 bytes");
    free(router->startup);
    router->startup = config_text(router->running, CONFIG_KEPT);
    say(session, "[OK]\n");
}

static void confirm_change(struct session *session)
{
    if (!session->router->backup)
        say(session, "%%No Rollback Confirmed Change pending\n");
    else
        drop_timer(session->router);
}

// What was asked: canonical command, and the outcome that a fault wants of it.
void archive_command(struct session *session, const char *canonical)
{
    struct router *router = session->router;
    char *outcome = session->ask_for;
    session->ask_for = NULL;
    if (!strncmp(canonical, "write", 5) || !strncmp(canonical, "copy", 4))
        save(session, outcome ? outcome : "");
    else if (!strcmp(canonical, "reload"))
        router_reload(router);
    else if (!strcmp(canonical, "configure terminal"))
        configure(session, 0);
    else if (!strncmp(canonical, "configure terminal revert timer ", 32))
        configure(session, (int)strtol(canonical + 32, NULL, 10));
    else if (!strcmp(canonical, "configure confirm"))
        confirm_change(session);
    else if (!router->backup)
        say(session, "%%No Rollback Confirmed Change pending\n");
    else if (!strcmp(canonical, "configure revert now"))
        revert(router);
    else
        start_timer(router, (int)strtol(canonical + strlen("configure revert timer "), NULL, 10));
    free(outcome);
}

// ---- exec ----

static void terminal(struct session *session, const char *canonical)
{
    if (!strncmp(canonical, "terminal length ", 16))
        session->length = (unsigned)strtoul(canonical + 16, NULL, 10);
    else if (!strncmp(canonical, "terminal width ", 15))
        session->width = (unsigned)strtoul(canonical + 15, NULL, 10);
    else
        session->monitor = !strcmp(canonical, "terminal monitor");
}

// `show X | include Y`: the filters of the command line, their pattern a regular expression.
struct filter {
    char verb; // 'i'nclude, 'e'xclude, 'b'egin, 's'ection, 'c'ount; 0: none
    regex_t pattern;
    bool on; // within the section, or past the beginning
    size_t hits;
};

// "include PATTERN" as it stands after the bar. False where nothing of the kind does.
static bool filter_open(struct filter *filter, const char *text)
{
    static const char *const verbs[] = {"include", "exclude", "begin", "section", "count"};
    memset(filter, 0, sizeof *filter);
    text += strspn(text, " ");
    size_t len = strcspn(text, " ");
    const char *pattern = text + len + strspn(text + len, " ");
    for (size_t i = 0; len && i < sizeof verbs / sizeof *verbs; i++) {
        if (!strncasecmp(verbs[i], text, len) && len <= strlen(verbs[i]))
            filter->verb = *verbs[i];
    }
    return filter->verb && *pattern && regcomp(&filter->pattern, pattern, REG_EXTENDED | REG_NOSUB) == 0;
}

static bool filter_shows(struct filter *filter, const char *row)
{
    if (!filter->verb)
        return true;
    bool hit = regexec(&filter->pattern, row, 0, NULL, 0) == 0;
    filter->hits += hit;
    if (filter->verb == 's' && *row != ' ')
        filter->on = hit;
    else if (filter->verb == 's' || filter->verb == 'b')
        filter->on = filter->on || hit;
    switch (filter->verb) {
    case 'i':
        return hit;
    case 'e':
        return !hit;
    case 'c':
        return false;
    default:
        return filter->on;
    }
}

static void print_filtered(struct session *session, struct filter *filter, const char *text)
{
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n");
        char *row = lab_format("%.*s", (int)len, p);
        if (filter_shows(filter, row))
            say(session, "%s\n", row);
        free(row);
        p += len + (p[len] == '\n');
    }
    if (filter->verb == 'c')
        say(session, "Number of lines which match regexp = %zu\n", filter->hits);
}

// `rest` as it was typed after "show", which began at `at` of the line.
static void show(struct session *session, const char *rest, size_t at)
{
    struct filter filter = {0};
    const char *bar = strchr(rest, '|');
    char *what = bar ? lab_format("%.*s", (int)(bar - rest), rest) : lab_strdup(rest), *text = NULL;
    size_t size = 0, wrong = 0;
    for (size_t n = strlen(what); n && what[n - 1] == ' '; n--)
        what[n - 1] = 0;
    journal(session, rest, false);
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    enum match_result result = show_command(session, what, out, &wrong);
    fclose(out);
    if (result == MATCH_OK && bar && !filter_open(&filter, bar + 1)) {
        result = MATCH_INVALID;
        wrong = (size_t)(bar - rest) + 2;
    }
    if (result == MATCH_OK)
        print_filtered(session, &filter, text);
    else
        session_complain(session, result, rest, at + wrong);
    if (filter.verb && result == MATCH_OK)
        regfree(&filter.pattern);
    free(text);
    free(what);
}

static bool needs_privilege(const char *canonical)
{
    return !strncmp(canonical, "configure", 9) || !strncmp(canonical, "write", 5) ||
           !strncmp(canonical, "copy", 4) || !strcmp(canonical, "reload");
}

static void enable(struct session *session)
{
    session->passwords = 0;
    if (session->privileged)
        return;
    if (!config_value(session->router->running, "enable secret")) {
        say(session, "%% Error in authentication.\n\n");
        return;
    }
    say(session, "Password: ");
    session->ask = 'p';
}

void enable_answered(struct session *session, const char *password)
{
    const char *secret = config_value(session->router->running, "enable secret");
    session->ask = 0;
    if (secret && !strncmp(secret, "0 ", 2))
        secret += 2;
    if (secret && !strcmp(secret, password)) {
        session->privileged = true;
    } else if (++session->passwords < 3) {
        say(session, "Password: ");
        session->ask = 'p';
    } else {
        say(session, "%% Bad secrets\n\n");
    }
}

static void run(struct session *session, const char *canonical)
{
    if (!strncmp(canonical, "terminal", 8)) {
        terminal(session, canonical);
    } else if (!strcmp(canonical, "enable")) {
        enable(session);
    } else if (!strcmp(canonical, "disable")) {
        session->privileged = false;
    } else if (!strcmp(canonical, "exit") || !strcmp(canonical, "logout") || !strcmp(canonical, "quit")) {
        session->closing = true;
    } else if (!strncmp(canonical, "copy", 4)) {
        say(session, "Destination filename [startup-config]? ");
        session->ask = 'n';
        free(session->ask_for);
        session->ask_for = lab_strdup("write memory");
    } else if (!strcmp(canonical, "reload")) {
        say(session, "Proceed with reload? [confirm]");
        session->ask = 'c';
        free(session->ask_for);
        session->ask_for = lab_strdup("reload");
        journal(session, canonical, true);
    } else {
        journal(session, canonical, true);
        archive_command(session, canonical);
    }
}

void exec_command(struct session *session, const char *line)
{
    size_t index, at;
    char *canonical;
    enum match_result result =
        grammar_words(lab_exec_commands, sizeof lab_exec_commands / sizeof *lab_exec_commands, line, &index,
                      &canonical, &at);
    if (result == MATCH_OK && needs_privilege(canonical) && !session->privileged)
        result = MATCH_INVALID;
    if (result == MATCH_OK && !strncmp(canonical, "show ", 5))
        show(session, canonical + 5, at);
    else if (result == MATCH_OK)
        run(session, canonical);
    else
        session_complain(session, result, line, at);
    free(canonical);
}
