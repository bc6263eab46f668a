// The line being typed, key by key: echo, the cursor, history, `?`, the tabulator. Source: "Using the Command-Line
// Interface" of the IOS XE configuration fundamentals.
#include "device.h"

#include <stdlib.h>
#include <string.h>

#define CTRL(c) ((c)&0x1f)

// What stands behind the cursor is written again, over what was there (`gone` letters more), and the cursor put back.
static void redraw_tail(struct session *session, size_t gone)
{
    size_t tail = session->typed_len - session->cursor;
    session_put(session, session->typed + session->cursor, tail);
    for (size_t i = 0; i < gone; i++)
        session_put(session, " ", 1);
    for (size_t i = 0; i < tail + gone; i++)
        session_put(session, "\b", 1);
}

static void left(struct session *session, size_t count)
{
    for (; count && session->cursor; count--, session->cursor--)
        session_put(session, "\b", 1);
}

static void right(struct session *session, size_t count)
{
    for (; count && session->cursor < session->typed_len; count--, session->cursor++)
        session_put(session, session->typed + session->cursor, 1);
}

// Letters at the cursor go.
static void cut(struct session *session, size_t count)
{
    size_t tail = session->typed_len - session->cursor;
    count = count < tail ? count : tail;
    memmove(session->typed + session->cursor, session->typed + session->cursor + count, tail - count);
    session->typed_len -= count;
    redraw_tail(session, count);
}

// Letters before the cursor go.
static void erase(struct session *session, size_t count)
{
    count = count < session->cursor ? count : session->cursor;
    left(session, count);
    cut(session, count);
}

static size_t word_before(const struct session *session)
{
    size_t at = session->cursor;
    while (at && session->typed[at - 1] == ' ')
        at--;
    while (at && session->typed[at - 1] != ' ')
        at--;
    return session->cursor - at;
}

static void insert(struct session *session, char c)
{
    if (session->typed_len >= SESSION_LINE)
        return;
    char *at = session->typed + session->cursor;
    memmove(at + 1, at, session->typed_len - session->cursor);
    *at = c;
    session->typed_len++;
    session->cursor++;
    session_put(session, &c, 1);
    if (session->cursor < session->typed_len)
        redraw_tail(session, 0);
    if (session->interrupts && session->typed_len == 5) {
        session->interrupts = false;
        router_log(session->router, session,
                   "%%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up");
    }
}

static void type_text(struct session *session, const char *text)
{
    for (; *text; text++)
        insert(session, *text);
}

// The prompt again, with what has been typed so far.
static void redisplay(struct session *session)
{
    size_t at = session->cursor;
    session_prompts(session);
    session_put(session, session->typed, session->typed_len);
    session->cursor = session->typed_len;
    left(session, session->typed_len - at);
}

// ---- history ----

static void remember(struct session *session, const char *line)
{
    if (!*line || session->mode) // lines of a configuration may be secret
        return;
    if (session->history_count == SESSION_HISTORY) {
        free(session->history[0]);
        session->history_count--;
        memmove(session->history, session->history + 1, session->history_count * sizeof *session->history);
    }
    session->history[session->history_count++] = lab_strdup(line);
}

static void recall(struct session *session, bool older)
{
    if (older ? session->history_at == 0 : session->history_at >= session->history_count)
        return;
    session->history_at += older ? (size_t)-1 : 1;
    right(session, session->typed_len);
    erase(session, session->typed_len);
    if (session->history_at < session->history_count)
        type_text(session, session->history[session->history_at]);
}

// ---- help ----

static char *before_cursor(const struct session *session)
{
    return lab_format("%.*s", (int)session->cursor, session->typed);
}

static void help(struct session *session)
{
    struct next next = {0};
    const char *partial;
    char *text = before_cursor(session);
    enum match_result result = help_next(session, text, &next, &partial);
    say(session, "?\n");
    if (result == MATCH_AMBIGUOUS)
        say(session, "%% Ambiguous command:  \"%s\"\n", text);
    else if (result != MATCH_OK || !next.count)
        say(session, "%% Unrecognized command\n");
    for (size_t i = 0; result == MATCH_OK && i < next.count; i++)
        say(session, *partial ? "%s  " : "  %s\n", next.word[i]);
    say(session, *partial && next.count ? "\n\n" : "\n");
    next_free(&next);
    free(text);
    redisplay(session);
}

// The word that is typed to its end, where only one begins so.
static void complete(struct session *session)
{
    struct next next = {0};
    const char *partial;
    char *text = before_cursor(session);
    enum match_result result = help_next(session, text, &next, &partial);
    size_t typed = strlen(partial);
    say(session, "\n");
    redisplay(session);
    if (result == MATCH_OK && next.count == 1 && typed && session->cursor == session->typed_len &&
        !strncasecmp(next.word[0], partial, typed)) {
        type_text(session, next.word[0] + typed);
        insert(session, ' ');
    }
    next_free(&next);
    free(text);
}

// ---- keys ----

static int64_t enter(struct session *session)
{
    char *line = lab_calloc(1, session->typed_len + 1);
    memcpy(line, session->typed, session->typed_len);
    session->typed_len = session->cursor = 0;
    session_put(session, "\r\n", 2);
    remember(session, line);
    session->history_at = session->history_count;
    int64_t wait = session_execute(session, line);
    free(line);
    return wait;
}

// Out of configuration mode; with Ctrl-Z what has been typed is carried out before, as if it had been entered.
static int64_t leave(struct session *session, bool carry_out)
{
    int64_t wait = 0;
    session_put(session, "^", 1);
    session_put(session, carry_out ? "Z" : "C", 1);
    if (carry_out && session->typed_len && session->mode) {
        wait = enter(session);
        session_put(session, "\r\n", session->mode && !session->ask ? 2 : 0);
    } else {
        session_put(session, "\r\n", 2);
    }
    session->typed_len = session->cursor = 0;
    if (session->mode)
        session_leave_config(session);
    session_prompts(session);
    return wait;
}

static void answer_confirm(struct session *session, char c)
{
    bool yes = c == '\r' || c == '\n' || c == 'y';
    char *what = session->ask_for;
    session->ask = 0;
    session->ask_for = NULL;
    session_put(session, "\r\n", 2);
    if (yes)
        archive_command(session, what);
    free(what);
    session_prompts(session);
}

// Keys that move or erase. False: this is none of them.
static bool edits(struct session *session, char c)
{
    switch (c) {
    case CTRL('A'):
        left(session, session->cursor);
        return true;
    case CTRL('B'):
        left(session, 1);
        return true;
    case CTRL('D'):
        cut(session, 1);
        return true;
    case CTRL('E'):
        right(session, session->typed_len);
        return true;
    case CTRL('F'):
        right(session, 1);
        return true;
    case CTRL('K'):
        cut(session, session->typed_len);
        return true;
    case CTRL('L'):
    case CTRL('R'):
        say(session, "\n");
        redisplay(session);
        return true;
    case CTRL('N'):
        recall(session, false);
        return true;
    case CTRL('P'):
        recall(session, true);
        return true;
    case CTRL('U'):
    case CTRL('X'):
        erase(session, session->cursor);
        return true;
    case CTRL('W'):
        erase(session, word_before(session));
        return true;
    case '\b':
    case 0x7f:
        erase(session, 1);
        return true;
    default:
        return false;
    }
}

// Cursor keys come as ESC [ A to D, or ESC O A to D. True: this byte belonged to one.
static bool escapes(struct session *session, char c)
{
    static const char keys[] = {CTRL('P'), CTRL('N'), CTRL('F'), CTRL('B')};
    if (!session->escape && c != '\033')
        return false;
    if (c == '\033') {
        session->escape = 1;
    } else if (session->escape == 1 && (c == '[' || c == 'O')) {
        session->escape = 2;
    } else {
        if (session->escape == 2 && c >= 'A' && c <= 'D')
            edits(session, keys[c - 'A']);
        session->escape = 0;
    }
    return true;
}

// Nothing of it is echoed.
static void take_password(struct session *session, char c)
{
    if (c == CTRL('C')) {
        session->ask = 0;
        session_put(session, "\r\n", 2);
    } else if (c == '\r' || c == '\n') {
        session->typed[session->typed_len] = 0;
        session_put(session, "\r\n", 2);
        enable_answered(session, session->typed);
    } else {
        if (session->typed_len < SESSION_LINE)
            session->typed[session->typed_len++] = c;
        return;
    }
    session->typed_len = session->cursor = 0;
    session_prompts(session);
}

static int64_t type_one(struct session *session, char c, bool quoted)
{
    if (session->ask == 'm')
        session_answer_more(session, c);
    else if (session->ask == 'c')
        answer_confirm(session, c);
    else if (session->ask == 'n' && (c == '\r' || c == '\n'))
        answer_confirm(session, c);
    else if (session->ask == 'n' && (unsigned char)c >= 0x20)
        session_put(session, &c, 1);
    else if (session->ask == 'p')
        take_password(session, c);
    else if (quoted)
        insert(session, c);
    else if (escapes(session, c) || edits(session, c))
        ;
    else if (c == '\r' || c == '\n')
        return enter(session);
    else if (c == CTRL('C') || c == CTRL('Z'))
        return leave(session, c == CTRL('Z'));
    else if (c == '\t')
        complete(session);
    else if (c == '?')
        help(session);
    else if ((unsigned char)c >= 0x20)
        insert(session, c);
    return 0;
}

int64_t session_type(struct session *session, const char *bytes, size_t len)
{
    int64_t wait = 0;
    bool quoted = false;
    if (!session->typed)
        session->typed = lab_calloc(1, SESSION_LINE + 1);
    for (size_t i = 0; i < len && !session->closing; i++) {
        if (bytes[i] == '\n' && i && bytes[i - 1] == '\r')
            continue;
        if (bytes[i] == CTRL('V') && !quoted && !session->ask) {
            quoted = true; // the next character is itself
            continue;
        }
        wait += type_one(session, bytes[i], quoted);
        quoted = false;
    }
    return wait;
}
