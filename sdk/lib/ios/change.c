// What changes a router: configuration lines, the confirmed change, write memory.
#include "internal.h"
#include <isthmus/json.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SHOW_TIMER   "show archive config rollback timer"
#define SHOW_LOCK    "show configuration lock"
#define SHOW_RUNNING "show running-config"

static int32_t refused(const ist_ios *ios, const char *shown, const char *output, ist_error *err)
{
    size_t len = 0;
    const char *problem = ist_ios_error_in(output, &len);
    if (!problem)
        return IST_OK;
    return ist_fail(err, IST_ERR_REMOTE, ist_ssh_peer(ios->ssh), "the router refuses \"%s\": %.*s", shown,
                    (int)len, problem);
}

int32_t ist_ios_exec(ist_ios *ios, const char *command, char **text, ist_error *err)
{
    char *out = NULL;
    int32_t rc = ios_writes(ios, command, err);
    if (rc == IST_OK && strpbrk(command, "\r\n"))
        rc = ist_fail(err, IST_ERR_INPUT, ist_ssh_peer(ios->ssh), "a command is one line");
    if (rc == IST_OK)
        rc = ios_command(ios, command, command, strcmp(command, "reload") ? IOS_CONFIRM : IOS_REBOOT, 0, &out,
                         err);
    if (rc == IST_OK)
        rc = refused(ios, command, out, err);
    if (rc == IST_OK && text)
        *text = out;
    else
        ist_free(out);
    return rc;
}

// ---- configuration mode ----

static int32_t enter(ist_ios *ios, int revert_minutes, ist_error *err)
{
    char *out = NULL;
    char *command = revert_minutes > 0 ? ist_printf("configure terminal revert timer %d", revert_minutes)
                                       : ist_strdup("configure terminal");
    int32_t rc = ios_command(ios, command, command, IOS_NO_ANSWER, 60000, &out, err);
    if (rc == IST_OK && ios->mode != 'c') {
        size_t len = strcspn(out, "\n");
        if (strstr(out, "archive on"))
            rc = ist_fail(err, IST_ERR_CONFLICT, ist_ssh_peer(ios->ssh),
                          "a confirmed change needs `archive` with a `path`: %.*s", (int)len, out);
        else
            rc = ist_fail(err, IST_ERR_CONFLICT, ist_ssh_peer(ios->ssh),
                          "\"%s\" did not enter configuration: %.*s", command, (int)len, out);
    }
    ist_free(out);
    ist_free(command);
    return rc;
}

// A new host name changes the prompt that is waited for.
static void before_line(ist_ios *ios, const char *line)
{
    if (strncmp(line, "hostname ", 9) == 0)
        ios->hostname[0] = 0;
}

static void after_line(ist_ios *ios, const char *line)
{
    size_t len = strlen(line) - (strlen(line) > 9 ? 9 : 0);
    if (strncmp(line, "hostname ", 9) != 0 || len >= sizeof ios->hostname)
        return;
    memcpy(ios->hostname, line + 9, len + 1);
}

static int32_t send_line(ist_ios *ios, const ist_ios_command *line, ist_error *err)
{
    char *out = NULL, old[sizeof ios->hostname];
    memcpy(old, ios->hostname, sizeof old);
    before_line(ios, line->text);
    int32_t rc = ios_command(ios, line->text, line->shown, IOS_CONFIRM, 0, &out, err);
    if (rc == IST_OK)
        rc = refused(ios, line->shown, out, err);
    if (rc == IST_OK)
        after_line(ios, line->text);
    else
        memcpy(ios->hostname, old, sizeof old);
    ist_free_secret(out);
    return rc;
}

// Lines of which none asks anything, in one go; *done counts those that were taken.
static int32_t send_burst(ist_ios *ios, const ist_ios_command *lines, size_t count, size_t *done,
                          ist_error *err)
{
    char **out = ist_calloc(count, sizeof *out);
    size_t answered = 0, taken = 0;
    int32_t rc = ios_burst(ios, lines, count, 0, out, &answered, err);
    size_t have = rc == IST_OK ? count : answered;
    // What was refused goes before what happened after it.
    for (size_t i = 0; i < have; i++) {
        ist_error said = {0};
        if (taken == i && refused(ios, lines[i].shown, out[i], &said) == IST_OK) {
            taken++;
        } else if (taken == i) {
            rc = rc == IST_OK || rc == IST_ERR_REMOTE ? said.code : rc;
            if (err)
                *err = said;
        }
        ist_free_secret(out[i]);
    }
    ist_free(out);
    *done += taken;
    return rc;
}

int32_t ist_ios_configure(ist_ios *ios, const ist_ios_command *lines, size_t count, int revert_minutes,
                          size_t *done, ist_error *err)
{
    // `end` goes with the last of them.
    ist_ios_command *all = ist_calloc(count + 1, sizeof *all);
    size_t sent = 0;
    int32_t rc = ios_writes(ios, "configure terminal", err);
    if (count)
        memcpy(all, lines, count * sizeof *all);
    all[count] = (ist_ios_command){"end", "end"};
    for (size_t i = 0; rc == IST_OK && i < count; i++) {
        if (strpbrk(lines[i].text, "\r\n"))
            rc = ist_fail(err, IST_ERR_INPUT, ist_ssh_peer(ios->ssh), "\"%s\" is more than one line",
                          lines[i].shown);
    }
    if (rc == IST_OK)
        rc = enter(ios, revert_minutes, err);
    while (rc == IST_OK && sent <= count) {
        size_t fits = revert_minutes > 0 ? ios_burst_fits(all + sent, count + 1 - sent) : 1;
        if (fits > 1) {
            rc = send_burst(ios, all + sent, fits, &sent, err);
        } else {
            rc = send_line(ios, &all[sent], err);
            sent += rc == IST_OK;
        }
        if (rc == IST_OK && ios->mode != 'c' && sent <= count)
            rc = ist_fail(err, IST_ERR_REMOTE, ist_ssh_peer(ios->ssh), "\"%s\" left configuration mode",
                          lines[sent - 1].shown);
    }
    if (done)
        *done = sent < count ? sent : count;
    ist_free(all);
    // Out of configuration mode in any case: the next command must not land in it.
    if (ios->mode == 'c' && rc != IST_ERR_NETWORK && rc != IST_ERR_CANCELLED && rc != IST_ERR_TIMEOUT) {
        int32_t left = ios_command(ios, "end", "end", IOS_NO_ANSWER, 0, NULL, rc == IST_OK ? err : NULL);
        if (rc == IST_OK)
            rc = left;
    }
    return rc;
}

// ---- the confirmed change ----

static int32_t simple(ist_ios *ios, const char *command, ist_error *err)
{
    char *out = NULL;
    int32_t rc = ist_ios_exec(ios, command, &out, err);
    ist_free(out);
    return rc;
}

int32_t ist_ios_confirm(ist_ios *ios, ist_error *err)
{
    return simple(ios, "configure confirm", err);
}

int32_t ist_ios_revert_now(ist_ios *ios, ist_error *err)
{
    ios->hostname[0] = 0; // it may be another one again
    return simple(ios, "configure revert now", err);
}

static int minutes_in(const char *out)
{
    const char *value = strstr(out, "Timer value:");
    if (value) {
        long n = strtol(value + strlen("Timer value:"), NULL, 10);
        return n > 0 && n < 1440 ? (int)n : 1;
    }
    return !strstr(out, "No Rollback Confirmed Change") && strstr(out, "Time configured");
}

int32_t ist_ios_pending(ist_ios *ios, int *minutes, ist_error *err)
{
    char *out = NULL;
    int32_t rc = ist_ios_show(ios, SHOW_TIMER, &out, err);
    if (rc == IST_OK)
        *minutes = minutes_in(out);
    ist_free(out);
    return rc;
}

int32_t ist_ios_archive(ist_ios *ios, int32_t *ready, ist_error *err)
{
    char *out = NULL;
    int32_t rc = ist_ios_show(ios, "show archive", &out, err);
    if (rc != IST_OK)
        return rc;
    *ready = strstr(out, "next archive file will be named") != NULL;
    ist_free(out);
    return IST_OK;
}

// A value in a "Key   : value" line; false: it is another line.
static bool field(const char *line, size_t len, const char *key, const char **value, size_t *value_len)
{
    size_t n = strlen(key), blank = strspn(line, " \t");
    if (blank + n > len || strncmp(line + blank, key, n) != 0)
        return false;
    const char *p = line + blank + n;
    p += strspn(p, " \t");
    if (*p != ':')
        return false;
    p++;
    p += strspn(p, " \t");
    *value = p;
    *value_len = strcspn(p, " \t\r\n");
    return true;
}

// Of the tables that `show configuration lock` prints (parser, rollback, session) the holder of the first lock that is
// held. The caller's; NULL: none is.
static char *lock_holder(const char *text)
{
    const char *user = "", *tty = "", *value;
    size_t user_len = 0, tty_len = 0, len, n;
    for (const char *line = text; *line; line += len + (line[len] == '\n')) {
        len = strcspn(line, "\n");
        bool locked = false;
        if (field(line, len, "User", &value, &n)) {
            user = value;
            user_len = n;
        } else if (field(line, len, "TTY", &value, &n) || field(line, len, "TTY number", &value, &n)) {
            tty = value;
            tty_len = n;
        } else if (field(line, len, "TTY username", &value, &n)) {
            // Only a session lock that is held is printed at all.
            user = value;
            user_len = n;
            locked = n > 0;
        } else if (field(line, len, "State", &value, &n)) {
            locked = n == 6 && !strncmp(value, "LOCKED", 6);
        }
        if (locked)
            return ist_printf("%.*s (line %.*s)", user_len ? (int)user_len : 7, user_len ? user : "unknown",
                              (int)tty_len, tty);
    }
    return NULL;
}

int32_t ist_ios_other_operator(ist_ios *ios, char **who, ist_error *err)
{
    char *out = NULL;
    ist_error ignored = {0};
    *who = NULL;
    int32_t rc = ist_ios_show(ios, SHOW_LOCK, &out, &ignored);
    if (rc == IST_ERR_REMOTE)
        return IST_OK; // a release without this command: nobody can be seen
    if (rc == IST_OK)
        *who = lock_holder(out);
    else if (err)
        *err = ignored;
    ist_free(out);
    return rc;
}

int32_t ist_ios_read(ist_ios *ios, ist_ios_state *state, ist_error *err)
{
    static const char *const commands[] = {SHOW_TIMER, SHOW_LOCK, SHOW_RUNNING};
    char *out[3] = {NULL, NULL, NULL};
    int32_t rc = ios_shows(ios, commands, 3, out, err);
    // What was not understood is asked for again, so that the router's words are told.
    if (rc == IST_OK && !out[2])
        rc = ist_ios_show(ios, SHOW_RUNNING, &out[2], err);
    if (rc == IST_OK && !out[0])
        rc = ist_ios_show(ios, SHOW_TIMER, &out[0], err);
    if (rc == IST_OK) {
        ist_ios_state_free(state);
        state->pending = minutes_in(out[0]);
        state->other_operator = out[1] ? lock_holder(out[1]) : NULL;
        state->running = out[2];
        out[2] = NULL;
    }
    for (size_t i = 0; i < 3; i++)
        ist_free_secret(out[i]);
    return rc;
}

void ist_ios_state_free(ist_ios_state *state)
{
    ist_free_secret(state->running);
    ist_free(state->other_operator);
    memset(state, 0, sizeof *state);
}

// ---- write memory ----

int32_t ist_ios_save(ist_ios *ios, int64_t wait_ms, ist_error *err)
{
    int64_t until = ist_now_ms(&ios->env) + wait_ms;
    int32_t rc = ios_writes(ios, "write memory", err);
    while (rc == IST_OK) {
        char *out = NULL;
        rc = ios_command(ios, "write memory", "write memory", IOS_CONFIRM, 120000, &out, err);
        if (rc != IST_OK)
            return rc;
        bool saved = strstr(out, "[OK]") != NULL;
        bool busy = strstr(out, "busy") != NULL; // "(Device or resource busy)": others fail for good
        if (!saved && (!busy || ist_now_ms(&ios->env) + 1000 > until)) {
            const char *line = out + strspn(out, "\n ");
            rc = ist_fail(err, busy ? IST_ERR_TIMEOUT : IST_ERR_REMOTE, ist_ssh_peer(ios->ssh),
                          "write memory: %.*s", (int)strcspn(line, "\n"), *line ? line : "no answer");
        }
        ist_free(out);
        if (saved)
            break;
        if (rc == IST_OK && (rc = ist_sleep_ms(&ios->env, 1000)) != IST_OK)
            return ist_fail(err, rc, ist_ssh_peer(ios->ssh), "write memory: waiting was %s",
                            ist_code_name(rc));
    }
    return rc;
}
