// The conversation with an IOS command line: a line goes out, its echo comes back, then what it printed, then the
// prompt. The prompt counts only after the echo, since a router that logs to this terminal may print it twice.
#include "internal.h"

#include <string.h>

#define MAX_LOGS   65536
#define NO_ECHO_MS 3000 // after this long at a prompt the echo is given up on
#define CTRL_C     "\003"
#define CTRL_V     '\026'

int32_t ios_receive(ist_ios *ios, struct reading *r, int64_t wait_ms, ist_error *err)
{
    char chunk[8192];
    size_t got = 0;
    int32_t rc = ist_ssh_receive(ios->ssh, chunk, sizeof chunk - 1, wait_ms, &got, err);
    if (rc != IST_OK)
        return rc;
    size_t from = r->buf.len;
    while (from > r->after && r->buf.data[from - 1] != '\n')
        from--;
    if (ist_buf_add(&r->buf, chunk, got) != 0)
        return ist_fail(err, IST_ERR_LIMIT, ist_ssh_peer(ios->ssh), "the router printed more than %u bytes",
                        IOS_MAX_OUTPUT);
    r->paged = r->paged || memmem(chunk, got, "--More--", 8);
    explicit_bzero(chunk, got);
    // From the line that was not finished: a backspace reaches back no further than that.
    size_t n = ios_plain(r->buf.data + from, r->buf.len - from);
    r->buf.len = from + n;
    return IST_OK;
}

static void keep_log(ist_ios *ios, const char *line, size_t len)
{
    if (ios->logs.len + len + 1 >= MAX_LOGS)
        return;
    ist_buf_add(&ios->logs, line, len);
    ist_buf_puts(&ios->logs, "\n");
}

// Does `line` end one text, at `end`, and go on at `rest`?
static bool is_broken(const char *from, const char *end, const char *rest, const char *line)
{
    const size_t len = strlen(line);
    for (size_t n = 1; n < len && (size_t)(end - from) >= n; n++) {
        if (memcmp(end - n, line, n) == 0 && strncmp(rest, line + n, len - n) == 0)
            return true;
    }
    return false;
}

bool ios_join_echo(ist_ios *ios, struct reading *r, const char *echo)
{
    char *from = r->buf.data ? r->buf.data + r->after : NULL;
    for (char *line = from; line && *line;) {
        size_t len = strcspn(line, "\n");
        if (!line[len])
            break; // not finished
        char *rest = line + len + 1;
        if (line > from && ios_is_log_line(line, len) && is_broken(from, line - 1, rest, echo)) {
            keep_log(ios, line, len);
            r->buf.len -= (size_t)(rest - (line - 1));
            memmove(line - 1, rest, strlen(rest) + 1);
            return true;
        }
        line = rest;
    }
    return false;
}

static void look_for_echo(ist_ios *ios, struct reading *r)
{
    if (r->echoed || !r->echo)
        return;
    char *at = r->buf.data ? strstr(r->buf.data, r->echo) : NULL;
    if (!at && ios_join_echo(ios, r, r->echo))
        at = strstr(r->buf.data, r->echo);
    if (at) {
        r->echoed = true;
        r->after = (size_t)(at - r->buf.data) + strlen(r->echo);
    }
}

const char *ios_last_line(const struct reading *r)
{
    const char *line = r->buf.data ? strrchr(r->buf.data, '\n') : NULL;
    return line ? line + 1 : r->buf.data ? r->buf.data : "";
}

bool ios_ends_with(const char *line, const char *end)
{
    size_t a = strlen(line), b = strlen(end);
    while (a && line[a - 1] == ' ')
        a--;
    return a >= b && memcmp(line + a - b, end, b) == 0;
}

// Paging and questions. IST_OK: nothing asked, or answered; *asked when the reading goes on.
static int32_t questions(ist_ios *ios, struct reading *r, int answers, const char *shown, bool *asked,
                         ist_error *err)
{
    const char *line = ios_last_line(r);
    *asked = true;
    if (ios_ends_with(line, "--More--")) {
        r->buf.len = (size_t)(line - r->buf.data);
        r->buf.data[r->buf.len] = 0;
        return ist_ssh_send(ios->ssh, " ", 1, err);
    }
    if (ios_ends_with(line, "[confirm]") && answers != IOS_NO_ANSWER) {
        ist_buf_puts(&r->buf, "\n"); // answered once
        return ist_ssh_send(ios->ssh, "\r", 1, err);
    }
    if (r->echoed && (ios_ends_with(line, "[confirm]") || ios_ends_with(line, "]?") ||
                      ios_ends_with(line, "]:") || ios_ends_with(line, "Password:"))) {
        int32_t rc = ist_fail(err, IST_ERR_REMOTE, ist_ssh_peer(ios->ssh),
                              "\"%s\" was answered by a question: %.200s", shown, line);
        ist_ssh_send(ios->ssh, CTRL_C, 1, NULL);
        return rc;
    }
    *asked = false;
    return IST_OK;
}

// One line of what came: a log line is kept aside.
static void keep_line(ist_ios *ios, ist_buf *out, const char *line, size_t len)
{
    if (ios_is_log_line(line, len)) {
        keep_log(ios, line, len);
        return;
    }
    ist_buf_add(out, line, len);
    ist_buf_puts(out, "\n");
}

char *ios_output(ist_ios *ios, const char *p, const char *end)
{
    ist_buf out = {.max = IOS_MAX_OUTPUT};
    p += strspn(p, " ");
    if (*p == '\n')
        p++;
    while (p < end) {
        size_t len = strcspn(p, "\n");
        keep_line(ios, &out, p, len);
        p += len + (p[len] == '\n');
    }
    return ist_buf_take(&out);
}

static int32_t read_answer(ist_ios *ios, struct reading *r, int answers, const char *shown, int64_t wait_ms,
                           ist_error *err)
{
    int64_t quiet_since = ist_now_ms(&ios->env);
    for (;;) {
        bool asked = false;
        char host[sizeof ios->hostname] = "";
        look_for_echo(ios, r);
        int mode = r->buf.len > r->after
                       ? ist_ios_prompt(r->buf.data + r->after, r->buf.len - r->after,
                                        ios->hostname[0] ? ios->hostname : NULL, host, sizeof host)
                       : 0;
        int64_t quiet = ist_now_ms(&ios->env) - quiet_since;
        if (mode && (r->echoed || quiet > NO_ECHO_MS)) {
            ios->mode = mode;
            if (!ios->hostname[0]) // the prompt after the first echo is certainly one
                memcpy(ios->hostname, host, sizeof host);
            return IST_OK;
        }
        int32_t rc = r->buf.len ? questions(ios, r, answers, shown, &asked, err) : IST_OK;
        if (rc != IST_OK)
            return rc;
        if (quiet > wait_ms)
            return ist_fail(err, IST_ERR_TIMEOUT, ist_ssh_peer(ios->ssh), "no prompt %lld s after \"%s\"",
                            (long long)(wait_ms / 1000), shown);
        rc = ios_receive(ios, r, 250, err);
        if (rc == IST_OK)
            quiet_since = ist_now_ms(&ios->env);
        else if (rc != IST_AGAIN)
            return rc;
    }
}

char *ios_keys(const char *line)
{
    size_t len = strlen(line), to = 0;
    char *out = ist_malloc(2 * len + 2);
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '?')
            out[to++] = CTRL_V;
        out[to++] = line[i];
    }
    out[to++] = '\r';
    out[to] = 0;
    return out;
}

int32_t ios_command(ist_ios *ios, const char *line, const char *shown, int answers, int64_t wait_ms,
                    char **text, ist_error *err)
{
    struct reading r = {.buf = {.max = IOS_MAX_OUTPUT}, .echo = line};
    char *keys = ios_keys(line);
    ist_error failed = {0};
    ist_log(&ios->env, IST_LOG_TRACE, "%s > %s", ist_ssh_peer(ios->ssh), shown);
    int32_t rc = ist_ssh_send(ios->ssh, keys, strlen(keys), &failed);
    ist_free_secret(keys);
    if (rc == IST_OK)
        rc = read_answer(ios, &r, answers, shown, wait_ms ? wait_ms : IOS_COMMAND_MS, &failed);
    if (rc == IST_ERR_NETWORK && answers == IOS_REBOOT)
        rc = IST_OK;
    else if (rc == IST_ERR_NETWORK)
        ist_fail(err, rc, failed.where, "%s, at \"%s\"", failed.text, shown);
    else if (rc != IST_OK && err)
        *err = failed;
    if (rc == IST_OK) {
        char *out = r.buf.data ? ios_output(ios, r.buf.data + r.after, ios_last_line(&r)) : ist_strdup("");
        ist_log(&ios->env, IST_LOG_TRACE, "%s < %zu bytes", ist_ssh_peer(ios->ssh), strlen(out));
        if (text)
            *text = out;
        else
            ist_free_secret(out);
    }
    if (r.buf.data)
        explicit_bzero(r.buf.data, r.buf.len);
    ist_buf_free(&r.buf);
    return rc;
}

int32_t ios_first_prompt(ist_ios *ios, int64_t wait_ms, ist_error *err)
{
    struct reading r = {.buf = {.max = IOS_MAX_OUTPUT}};
    int64_t until = ist_now_ms(&ios->env) + wait_ms;
    int32_t rc = IST_OK;
    ios->mode = 0;
    while (rc == IST_OK && !ios->mode) {
        rc = ios_receive(ios, &r, 250, err);
        if (rc == IST_OK) {
            ios->mode = ist_ios_prompt(r.buf.data, r.buf.len, NULL, NULL, 0);
        } else if (rc == IST_AGAIN) {
            rc = IST_OK;
            if (ist_now_ms(&ios->env) >= until)
                rc = ist_fail(err, IST_ERR_TIMEOUT, ist_ssh_peer(ios->ssh), "no IOS prompt after logging in");
        }
    }
    ist_buf_free(&r.buf);
    return rc;
}

int32_t ios_writes(const ist_ios *ios, const char *what, ist_error *err)
{
    if (ist_may_write(&ios->env))
        return IST_OK;
    return ist_fail(err, IST_ERR_READ_ONLY, ist_ssh_peer(ios->ssh), "\"%s\" would change the router", what);
}

// ---- opening ----

static int32_t enable(ist_ios *ios, const char *secret, ist_error *err)
{
    struct reading r = {.buf = {.max = IOS_MAX_OUTPUT}, .echo = "enable"};
    int32_t rc = ist_ssh_send(ios->ssh, "enable\r", 7, err);
    int64_t until = ist_now_ms(&ios->env) + 10000;
    bool sent = false, refused = false;
    while (rc == IST_OK && !refused && ist_now_ms(&ios->env) < until) {
        rc = ios_receive(ios, &r, 250, err);
        if (rc == IST_AGAIN)
            rc = IST_OK;
        look_for_echo(ios, &r);
        int mode = rc == IST_OK && r.echoed && r.buf.len > r.after
                       ? ist_ios_prompt(r.buf.data + r.after, r.buf.len - r.after, ios->hostname, NULL, 0)
                       : 0;
        if (mode) {
            ios->mode = mode;
            break;
        }
        bool asks = rc == IST_OK && ios_ends_with(ios_last_line(&r), "Password:");
        // Asked once more: it was the wrong one, and goes on being it.
        refused = asks && (sent || !secret);
        if (asks && !refused) {
            sent = true;
            ist_buf_puts(&r.buf, "\n");
            rc = ist_ssh_send(ios->ssh, secret, strlen(secret), err);
            if (rc == IST_OK)
                rc = ist_ssh_send(ios->ssh, "\r", 1, err);
        }
    }
    ist_buf_free(&r.buf);
    if (rc == IST_OK && ios->mode != '#') {
        rc = ist_fail(err, IST_ERR_DENIED, ist_ssh_peer(ios->ssh), "no privileged mode: %s",
                      sent     ? "the enable secret was refused"
                      : secret ? "enable was refused"
                               : "the user has less than privilege 15, and no enable secret is given");
        ist_hint(err, "give the user privilege 15, or the enable secret");
    }
    return rc;
}

static int32_t terminal(ist_ios *ios, ist_error *err)
{
    static const ist_ios_command lines[] = {{"terminal length 0", "terminal length 0"},
                                            {"terminal width 511", "terminal width 511"}};
    char *out[2] = {NULL, NULL};
    size_t answered = 0, len = 0;
    int32_t rc = ios_burst(ios, lines, 2, 0, out, &answered, err);
    ios->pages = rc == IST_OK && ios_syntax_error(out[0], &len);
    ist_free(out[0]);
    ist_free(out[1]);
    return rc;
}

int32_t ist_ios_open(const ist_env *env, const ist_ssh_options *options, const char *enable_secret,
                     ist_ios **out, ist_error *err)
{
    ist_ios *ios = ist_calloc(1, sizeof *ios);
    if (env)
        ios->env = *env;
    ios->logs.max = MAX_LOGS;
    int32_t rc = ist_ssh_connect(env, options, &ios->ssh, err);
    if (rc == IST_OK)
        rc = ist_ssh_shell(ios->ssh, err);
    if (rc == IST_OK)
        rc = ios_first_prompt(ios, 15000, err);
    // Where one of these is refused, pages and wrapped lines are coped with. The first also tells the host's name: what
    // looked like a prompt before might be a banner's.
    if (rc == IST_OK)
        rc = terminal(ios, err);
    if (rc == IST_OK && ios->mode == '>')
        rc = enable(ios, enable_secret, err);
    if (rc == IST_OK)
        *out = ios;
    else
        ist_ios_free(ios);
    return rc;
}

void ist_ios_free(ist_ios *ios)
{
    if (!ios)
        return;
    ist_ssh_free(ios->ssh);
    ist_buf_free(&ios->logs);
    ist_free(ios);
}

const char *ist_ios_hostname(const ist_ios *ios)
{
    return ios->hostname;
}

const ist_ssh_host_key *ist_ios_host_key(const ist_ios *ios)
{
    return ist_ssh_host_key_of(ios->ssh);
}

const char *ist_ios_log_lines(const ist_ios *ios)
{
    return ios->logs.data ? ios->logs.data : "";
}

// What is wrong with the answer of a show command; IST_OK: nothing.
static int32_t understood(const ist_ios *ios, const char *command, const char *out, ist_error *err)
{
    size_t len = 0;
    const char *problem = ios_syntax_error(out, &len);
    return problem ? ist_fail(err, IST_ERR_REMOTE, ist_ssh_peer(ios->ssh), "\"%s\": %.*s", command, (int)len,
                              problem)
                   : IST_OK;
}

int32_t ist_ios_show(ist_ios *ios, const char *command, char **text, ist_error *err)
{
    char *out = NULL;
    if (strncmp(command, "show ", 5) != 0 || strpbrk(command, "\r\n"))
        return ist_fail(err, IST_ERR_READ_ONLY, ist_ssh_peer(ios->ssh), "\"%s\" is no show command", command);
    int32_t rc = ios_command(ios, command, command, IOS_NO_ANSWER, IOS_SHOW_MS, &out, err);
    if (rc == IST_OK)
        rc = understood(ios, command, out, err);
    if (rc == IST_OK)
        *text = out;
    else
        ist_free_secret(out);
    return rc;
}
