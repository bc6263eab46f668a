// A person's session with a router: prompts, questions, paging, one line carried out.
#include "device.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void session_put(struct session *session, const char *bytes, size_t len)
{
    struct buffer *out = &session->out;
    if (out->len + len + 1 > out->room) {
        size_t room = 2 * (out->len + len + 1);
        char *data = lab_calloc(1, room);
        if (out->len)
            memcpy(data, out->data, out->len);
        free(out->data);
        out->data = data;
        out->room = room;
    }
    memcpy(out->data + out->len, bytes, len);
    out->len += len;
    out->data[out->len] = 0;
}

// Terminals want a carriage return before each line feed.
static void put_text(struct session *session, const char *text, size_t len)
{
    for (size_t i = 0, from = 0; i <= len; i++) {
        if (i < len && text[i] != '\n')
            continue;
        session_put(session, text + from, i - from);
        if (i < len)
            session_put(session, "\r\n", 2);
        from = i + 1;
    }
}

void say(struct session *session, const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int len = vasprintf(&text, format, ap);
    va_end(ap);
    if (len < 0)
        abort();
    put_text(session, text, (size_t)len);
    free(text);
}

char *session_prompt(const struct session *session)
{
    const char *name = router_hostname(session->router);
    if (!session->mode)
        return lab_format("%s%c", name, session->privileged ? '#' : '>');
    return lab_format("%.20s(%s)#", name, session->mode);
}

void session_prompts(struct session *session)
{
    if (session->ask || session->closing)
        return;
    char *text = session_prompt(session);
    session_put(session, text, strlen(text));
    free(text);
}

void session_greet(struct session *session)
{
    session->length = session->length ? session->length : 24;
    session->width = session->width ? session->width : 80;
    say(session, "\n\n");
    session_prompts(session);
}

void session_leave_config(struct session *session)
{
    session->mode = NULL;
    session->at = NULL;
    if (session->monitor)
        router_log(session->router, session,
                   "%%SYS-5-CONFIG_I: Configured from console by %s on vty%u (127.0.0.1)", session->user,
                   session->vty);
}

// ---- paging ----

static void page(struct session *session, size_t lines)
{
    char *rest = session->rest, *from = rest;
    session->ask = 0;
    for (size_t i = 0; i < lines && *from; i++) {
        size_t len = strcspn(from, "\n");
        put_text(session, from, len + (from[len] == '\n'));
        from += len + (from[len] == '\n');
    }
    if (*from) {
        session->rest = lab_strdup(from);
        session->ask = 'm';
        session_put(session, " --More-- ", 10);
    } else {
        session->rest = NULL;
        session_prompts(session);
    }
    free(rest);
}

void session_answer_more(struct session *session, char c)
{
    session_put(session, "\b\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\b\b", 27);
    if (c == ' ') {
        page(session, session->length - 1);
    } else if (c == '\r' || c == '\n') {
        page(session, 1);
    } else {
        free(session->rest);
        session->rest = NULL;
        session->ask = 0;
        session_put(session, "\r\n", 2);
        session_prompts(session);
    }
}

// What a command printed goes through here: whole, or page by page.
static void print_output(struct session *session, const char *text)
{
    size_t lines = 0;
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    if (!session->length || lines < session->length) {
        put_text(session, text, strlen(text));
        return;
    }
    session->rest = lab_strdup(text);
    page(session, session->length - 1);
}

// ---- one line ----

static void caret(struct session *session, size_t at)
{
    char *text = session_prompt(session);
    say(session, "%*s^\n%% Invalid input detected at '^' marker.\n\n",
        (int)(strlen(text) + session->column + at), "");
    free(text);
}

void session_complain(struct session *session, enum match_result result, const char *line, size_t at)
{
    if (result == MATCH_AMBIGUOUS)
        say(session, "%% Ambiguous command:  \"%s\"\n", line);
    else if (result == MATCH_INCOMPLETE)
        say(session, "%% Incomplete command.\n\n");
    else
        caret(session, at);
}

static int64_t fault_before(struct session *session, const char *action, const struct lab_fault **fault)
{
    *fault = lab_fault_take(session->router->lab, "router", action);
    if (*fault && (!strcmp((*fault)->effect, "cut-before") || !strcmp((*fault)->effect, "reload")))
        session->closing = true;
    if (*fault && !strcmp((*fault)->effect, "reload"))
        router_reload(session->router);
    return *fault && !strcmp((*fault)->effect, "delay") ? (*fault)->delay_ms : 0;
}

static bool says(const struct lab_fault *fault, const char *code)
{
    return fault && !strcmp(fault->effect, "status") && fault->code && !strcmp(fault->code, code);
}

static void fault_after(struct session *session, const struct lab_fault *fault)
{
    if (!fault)
        return;
    if (!strcmp(fault->effect, "cut-after"))
        session->closing = true;
    if (strcmp(fault->effect, "status") != 0 || !fault->code)
        return;
    if (!strcmp(fault->code, "syslog"))
        router_log(session->router, session,
                   "%%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up");
    if (!strcmp(fault->code, "slow-echo"))
        session->slow_echo = true;
    if (!strcmp(fault->code, "syslog-echo"))
        session->interrupts = true;
}

static void journal(struct session *session, const char *shown, int status, bool write)
{
    lab_journal_add(session->router->lab, "router", "ssh", session->router->id[0] == 'h' ? "hub" : "spoke",
                    shown, status, write);
}

// A configuration line in the session's section, or, when the section does not know it, at the top.
static bool try_line(struct session *session, const char *line, struct match *match, char **refusal)
{
    struct line *section = session->at, *into = NULL;
    const char *mode = session->mode;
    *refusal = config_apply(section, mode, line, match, &into);
    if (match->result == MATCH_INVALID && strcmp(mode, "config") != 0) {
        struct match top;
        char *said = config_apply(session->router->running, "config", line, &top, &into);
        if (top.result == MATCH_OK) {
            match_free(match);
            *match = top;
            *refusal = said;
            session->at = session->router->running;
            session->mode = "config";
        } else {
            match_free(&top);
            free(said);
        }
    }
    if (match->result != MATCH_OK)
        return false;
    if (into && into->rule->enters) {
        session->at = into;
        session->mode = into->rule->enters;
    }
    return true;
}

static int64_t config_line(struct session *session, const char *line)
{
    const struct lab_fault *fault;
    struct match match;
    char *refusal = NULL;
    // The fault is looked up by what the line means, which is known only after it was read: on a copy.
    struct match probe;
    bool negated = !strncmp(line, "no ", 3);
    grammar_match(session->mode, line + (negated ? 3 : 0), negated, &probe);
    if (probe.result == MATCH_INVALID) {
        match_free(&probe);
        grammar_match("config", line + (negated ? 3 : 0), negated, &probe);
    }
    char *shown = lab_format("%s%s", negated ? "no " : "", *probe.shown ? probe.shown : "(not understood)");
    match_free(&probe);
    int64_t wait = fault_before(session, shown, &fault);
    if (session->closing) {
        free(shown);
        return wait;
    }
    if (says(fault, "swallowed")) { // taken without a word, and without an effect
        journal(session, shown, 200, true);
        free(shown);
        return wait;
    }
    if (says(fault, "denied")) {
        say(session, "Command authorization failed.\n\n");
        journal(session, shown, 403, true);
        free(shown);
        return wait;
    }
    bool understood = try_line(session, line, &match, &refusal);
    if (!understood)
        session_complain(session, match.result, line, match.at);
    else if (refusal)
        say(session, "%s\n", refusal);
    if (understood && match.rule && strstr(match.rule->pattern, "<ospfkey>") && !refusal &&
        strlen(line) > strlen(match.text) + (negated ? 3 : 0))
        say(session, "%% OSPF: Warning: The password/key will be truncated to 8 characters\n");
    if (understood && !refusal && !strncmp(shown, "no interface Tunnel", 19))
        say(session, "%%Not all config may be removed and may reappear after reactivating the "
                     "logical-interface/sub-interfaces\n");
    journal(session, shown, understood && !refusal ? 200 : 400, true);
    if (understood && !refusal)
        router_changed(session->router);
    match_free(&match);
    free(refusal);
    free(shown);
    fault_after(session, fault);
    return wait;
}

static int64_t exec_line(struct session *session, const char *line)
{
    const struct lab_fault *fault;
    int64_t wait = fault_before(session, line, &fault);
    if (session->closing)
        return wait;
    if (says(fault, "denied")) {
        say(session, "Command authorization failed.\n\n");
        journal(session, line, 403, false);
        return wait;
    }
    if (fault && !strcmp(fault->effect, "status") && fault->code) {
        free(session->ask_for);
        session->ask_for = lab_strdup(fault->code); // an outcome of `write memory`
    }
    size_t before = session->out.len;
    exec_command(session, line);
    if (session->out.len > before && !session->ask && session->length) {
        // Put back what was printed, and page it.
        char *text = lab_strdup(session->out.data + before), *w = text;
        for (char *p = text; *p; p++) {
            if (*p != '\r')
                *w++ = *p;
        }
        *w = 0;
        session->out.len = before;
        print_output(session, text);
        free(text);
    }
    fault_after(session, fault);
    if (!session->ask) {
        free(session->ask_for);
        session->ask_for = NULL;
    }
    return wait;
}

static bool is_word(const char *line, const char *word, size_t least)
{
    size_t len = strlen(line);
    return len >= least && len <= strlen(word) && strncasecmp(line, word, len) == 0;
}

int64_t session_execute(struct session *session, char *line)
{
    int64_t wait = 0;
    session->column = strspn(line, " \t");
    line += session->column;
    for (size_t n = strlen(line); n && (line[n - 1] == ' ' || line[n - 1] == '\t'); n--)
        line[n - 1] = 0;
    if (!*line || *line == '!')
        ;
    else if (!session->mode)
        wait = exec_line(session, line);
    else if (is_word(line, "end", 3))
        session_leave_config(session);
    else if (!strncasecmp(line, "do ", 3)) {
        size_t skip = 3 + strspn(line + 3, " ");
        session->column += skip;
        wait = exec_line(session, line + skip);
    } else if (is_word(line, "exit", 2) && !session->at->parent)
        session_leave_config(session);
    else if (is_word(line, "exit", 2)) {
        session->at = session->at->parent;
        session->mode = session->at->rule ? session->at->rule->enters : "config";
    } else
        wait = config_line(session, line);
    if (!session->ask)
        session_prompts(session);
    return wait;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    for (size_t i = 0; i < session->history_count; i++)
        free(session->history[i]);
    free(session->user);
    free(session->typed);
    free(session->ask_for);
    free(session->rest);
    free(session->out.data);
    free(session);
}
