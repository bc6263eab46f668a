// Lines typed ahead: a router reads them one after another as a terminal's, so that what comes is echo, output, prompt,
// echo, output, prompt. Over a long way this is one wait instead of one for each line.
#include "internal.h"

#include <string.h>

#define MAX_BURST    1024 // bytes on their way before anybody has read them
#define MAX_LINE     400  // a longer one is scrolled by the router's editor: its echo is not what was typed
#define PAGED_MS     1000
#define LOST_ECHO_MS 10000 // after this long at a prompt, what is not echoed will not be

// Where the echo of `line` stands behind `from`: at a prompt, or alone on its line where a log line came between.
static const char *find_echo(const ist_ios *ios, const char *text, const char *from, const char *line,
                             bool first)
{
    size_t len = strlen(line);
    for (const char *p = from; (p = strstr(p, line)); p++) {
        const char *begin = p;
        while (begin > text && begin[-1] != '\n')
            begin--;
        if (p[len] && p[len] != '\n')
            continue;
        if (first || begin == p ||
            ist_ios_prompt(begin, (size_t)(p - begin), ios->hostname[0] ? ios->hostname : NULL, NULL, 0))
            return p;
    }
    return NULL;
}

static const char *line_start(const char *text, const char *at)
{
    while (at > text && at[-1] != '\n')
        at--;
    return at;
}

struct burst {
    ist_ios *ios;
    const ist_ios_command *lines;
    size_t count;
    char **out;
    size_t seen; // echoes
    struct reading r;
};

// Takes in echoes, and with each what the line before it printed.
static void look_for_echoes(struct burst *b)
{
    const char *text = b->r.buf.data ? b->r.buf.data : "";
    while (b->seen < b->count) {
        const char *line = b->lines[b->seen].text;
        const char *at = find_echo(b->ios, text, text + b->r.after, line, b->seen == 0);
        if (!at && ios_join_echo(b->ios, &b->r, line))
            continue;
        if (!at)
            break;
        if (b->seen)
            b->out[b->seen - 1] = ios_output(b->ios, text + b->r.after, line_start(text, at));
        b->r.after = (size_t)(at - text) + strlen(line);
        b->r.echoed = true;
        b->seen++;
    }
}

static int at_prompt(const struct burst *b, char *host, size_t room)
{
    if (b->r.buf.len <= b->r.after)
        return 0;
    return ist_ios_prompt(b->r.buf.data + b->r.after, b->r.buf.len - b->r.after,
                          b->ios->hostname[0] ? b->ios->hostname : NULL, host, room);
}

static bool is_question(const char *line)
{
    return ios_ends_with(line, "[confirm]") || ios_ends_with(line, "]?") || ios_ends_with(line, "]:") ||
           ios_ends_with(line, "Password:") || ios_ends_with(line, "--More--");
}

static int32_t read_all(struct burst *b, int64_t wait_ms, ist_error *err)
{
    ist_ios *ios = b->ios;
    int64_t quiet_since = ist_now_ms(&ios->env);
    for (;;) {
        char host[sizeof ios->hostname] = "";
        look_for_echoes(b);
        int mode = at_prompt(b, host, sizeof host);
        int64_t quiet = ist_now_ms(&ios->env) - quiet_since;
        const char *waiting = b->lines[b->seen ? b->seen - 1 : 0].shown;
        // A pager takes for its keys what is typed ahead: that is not echoed any more.
        if (mode && (b->seen == b->count || quiet > (b->r.paged ? PAGED_MS : LOST_ECHO_MS))) {
            ios->mode = mode;
            if (!ios->hostname[0])
                memcpy(ios->hostname, host, sizeof host);
            return IST_OK;
        }
        // The last command may still be paged: nothing waits behind it.
        if (b->seen == b->count && b->r.buf.data && ios_ends_with(ios_last_line(&b->r), "--More--")) {
            b->r.buf.len = (size_t)(ios_last_line(&b->r) - b->r.buf.data);
            b->r.buf.data[b->r.buf.len] = 0;
            int32_t rc = ist_ssh_send(ios->ssh, " ", 1, err);
            if (rc != IST_OK)
                return rc;
        }
        if (quiet > 1000 && b->r.echoed && is_question(ios_last_line(&b->r))) {
            int32_t rc = ist_fail(err, IST_ERR_REMOTE, ist_ssh_peer(ios->ssh),
                                  "\"%s\" was answered by a question: %.200s", waiting, ios_last_line(&b->r));
            ist_ssh_send(ios->ssh, "\003", 1, NULL);
            return rc;
        }
        if (quiet > wait_ms)
            return ist_fail(err, IST_ERR_TIMEOUT, ist_ssh_peer(ios->ssh), "no prompt %lld s after \"%s\"",
                            (long long)(wait_ms / 1000), waiting);
        int32_t rc = ios_receive(ios, &b->r, 250, err);
        if (rc == IST_OK)
            quiet_since = ist_now_ms(&ios->env);
        else if (rc != IST_AGAIN)
            return rc;
    }
}

static int32_t type_ahead(struct burst *b, ist_error *err)
{
    ist_buf keys = {.max = 1u << 20};
    for (size_t i = 0; i < b->count; i++) {
        char *line = ios_keys(b->lines[i].text);
        ist_log(&b->ios->env, IST_LOG_TRACE, "%s > %s", ist_ssh_peer(b->ios->ssh), b->lines[i].shown);
        ist_buf_puts(&keys, line);
        ist_free_secret(line);
    }
    int32_t rc = ist_ssh_send(b->ios->ssh, keys.data, keys.len, err);
    explicit_bzero(keys.data, keys.len);
    ist_buf_free(&keys);
    return rc;
}

int32_t ios_burst(ist_ios *ios, const ist_ios_command *lines, size_t count, int64_t wait_ms, char **out,
                  size_t *answered, ist_error *err)
{
    struct burst b = {.ios = ios, .lines = lines, .count = count, .out = out, .r.buf.max = IOS_MAX_OUTPUT};
    ist_error failed = {0};
    int32_t rc = type_ahead(&b, &failed);
    if (rc == IST_OK)
        rc = read_all(&b, wait_ms ? wait_ms : IOS_COMMAND_MS, &failed);
    // With an echo lost, everything that came after it is the answer to the line before.
    for (size_t i = b.seen ? b.seen - 1 : 0; rc == IST_OK && i < count; i++) {
        bool last = i == (b.seen ? b.seen - 1 : 0);
        out[i] = last ? ios_output(ios, b.r.buf.data + b.r.after, ios_last_line(&b.r)) : ist_strdup("");
    }
    *answered = rc == IST_OK && b.seen == count ? count : b.seen ? b.seen - 1 : 0;
    if (rc == IST_ERR_NETWORK)
        ist_fail(err, rc, failed.where, "%s, at \"%s\"", failed.text, lines[*answered].shown);
    else if (rc != IST_OK && err)
        *err = failed;
    if (b.r.buf.data)
        explicit_bzero(b.r.buf.data, b.r.buf.len);
    ist_buf_free(&b.r.buf);
    return rc;
}

// What may ask something, or changes the prompt, goes alone: a question would take what is typed ahead for its answer.
static bool goes_alone(const char *line)
{
    static const char *const heads[] = {
        "hostname ",   "banner ",        "username ",  "no username ", "crypto key ", "no crypto key ",
        "crypto pki ", "no crypto pki ", "license ",   "boot ",        "macro ",      "default ",
        "no hostname", "no aaa ",        "no enable ", "reload",       NULL};
    for (const char *const *head = heads; *head; head++) {
        if (strncmp(line, *head, strlen(*head)) == 0)
            return true;
    }
    return strlen(line) > MAX_LINE || strpbrk(line, "\r\n");
}

size_t ios_burst_fits(const ist_ios_command *lines, size_t count)
{
    size_t n = 0;
    for (size_t bytes = 0; n < count; n++) {
        bytes += strlen(lines[n].text) + 1;
        if (n && (bytes > MAX_BURST || goes_alone(lines[n].text)))
            break;
        if (goes_alone(lines[n].text))
            return 1;
    }
    return n;
}

static void drop(char **text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ist_free_secret(text[i]);
        text[i] = NULL;
    }
}

int32_t ios_shows(ist_ios *ios, const char *const *commands, size_t count, char **text, ist_error *err)
{
    ist_ios_command lines[8] = {{NULL, NULL}};
    size_t answered = 0, len = 0;
    int32_t rc = IST_OK;
    memset(text, 0, count * sizeof *text);
    for (size_t i = 0; i < count && i < sizeof lines / sizeof *lines; i++)
        lines[i] = (ist_ios_command){commands[i], commands[i]};
    if (!ios->pages) {
        rc = ios_burst(ios, lines, count, IOS_SHOW_MS, text, &answered, err);
        // A pager took a command for its keys, or a log line broke an echo: one after another, then.
        ios->pages = (rc == IST_OK && answered < count) || rc == IST_ERR_REMOTE;
        if (rc != IST_OK || answered < count)
            drop(text, count);
    }
    if (ios->pages)
        rc = IST_OK;
    for (size_t i = 0; ios->pages && rc == IST_OK && i < count; i++)
        rc = ios_command(ios, commands[i], commands[i], IOS_NO_ANSWER, IOS_SHOW_MS, &text[i], err);
    if (rc != IST_OK)
        drop(text, count);
    for (size_t i = 0; rc == IST_OK && i < count; i++) {
        if (ios_syntax_error(text[i], &len))
            drop(&text[i], 1);
    }
    return rc;
}
