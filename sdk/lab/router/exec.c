// Exec commands that are no show commands, and the confirmed change (archive, revert timer, write memory).
#include "device.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const commands[] = {
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

// `show X | include Y`: the filters of the command line.
static void filtered(struct session *session, const char *what, const char *pipe)
{
    char *text = NULL, *verb = NULL, *pattern = NULL, *save_ptr = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    bool good = show_command(session, what, out);
    fclose(out);
    char *copy = lab_strdup(pipe ? pipe : "");
    verb = strtok_r(copy, " ", &save_ptr);
    pattern = save_ptr ? save_ptr + strspn(save_ptr, " ") : NULL;
    bool in_section = false, begun = false;
    for (char *p = text; good && *p;) {
        size_t len = strcspn(p, "\n");
        char *row = lab_format("%.*s", (int)len, p);
        bool hit = pattern && *pattern && strstr(row, pattern[0] == '^' ? pattern + 1 : pattern);
        bool show = true;
        if (verb && *verb == 's') {
            if (*row != ' ')
                in_section = hit;
            show = in_section;
        } else if (verb && *verb == 'b') {
            begun = begun || hit;
            show = begun;
        } else if (verb) {
            show = *verb == 'i' ? hit : !hit;
        }
        if (show)
            say(session, "%s\n", row);
        free(row);
        p += len + (p[len] == '\n');
    }
    free(copy);
    free(text);
    if (!good)
        say(session, "%*s^\n%% Invalid input detected at '^' marker.\n\n",
            (int)strlen(router_hostname(session->router)) + 6, "");
}

static void show(struct session *session, const char *rest)
{
    const char *pipe = strchr(rest, '|');
    char *what = pipe ? lab_format("%.*s", (int)(pipe - rest), rest) : lab_strdup(rest);
    for (size_t n = strlen(what); n && what[n - 1] == ' '; n--)
        what[n - 1] = 0;
    journal(session, rest, false);
    filtered(session, what, pipe ? pipe + 1 : NULL);
    free(what);
}

static bool needs_privilege(const char *canonical)
{
    return !strncmp(canonical, "configure", 9) || !strncmp(canonical, "write", 5) ||
           !strncmp(canonical, "copy", 4) || !strcmp(canonical, "reload");
}

static void run(struct session *session, const char *canonical)
{
    if (!strncmp(canonical, "terminal", 8)) {
        terminal(session, canonical);
    } else if (!strcmp(canonical, "enable") || !strcmp(canonical, "disable")) {
        session->privileged = *canonical == 'e';
    } else if (!strcmp(canonical, "exit") || !strcmp(canonical, "logout") || !strcmp(canonical, "quit")) {
        session->closing = true;
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
        grammar_words(commands, sizeof commands / sizeof *commands, line, &index, &canonical, &at);
    char *prompt = session_prompt(session);
    if (result == MATCH_OK && needs_privilege(canonical) && !session->privileged)
        result = MATCH_INVALID;
    if (result == MATCH_OK && !strncmp(canonical, "show ", 5))
        show(session, canonical + 5);
    else if (result == MATCH_OK)
        run(session, canonical);
    else if (result == MATCH_AMBIGUOUS)
        say(session, "%% Ambiguous command:  \"%s\"\n", line);
    else if (result == MATCH_INCOMPLETE)
        say(session, "%% Incomplete command.\n\n");
    else
        say(session, "%*s^\n%% Invalid input detected at '^' marker.\n\n", (int)(strlen(prompt) + at), "");
    free(prompt);
    free(canonical);
}
