// What an IOS terminal prints, taken apart: prompts, log lines, errors. Pure functions over text.
#include "internal.h"

#include <ctype.h>
#include <string.h>

static bool upper(char c)
{
    return isupper((unsigned char)c) || isdigit((unsigned char)c) || c == '_';
}

// "%FAC-n-MNEM: text" or "%FAC-SUBFAC-n-MNEM: text", after a timestamp or nothing.
bool ios_is_log_line(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] != '%')
            continue;
        size_t p = i + 1, word = 0;
        bool severity = false;
        while (p < len && (upper(line[p]) || line[p] == '-')) {
            if (line[p] == '-') {
                // A part of one digit is the severity; what follows is the mnemonic.
                severity = severity || (word == 1 && line[p - 1] >= '0' && line[p - 1] <= '7' && p > i + 2);
                word = 0;
            } else {
                word++;
            }
            p++;
        }
        if (severity && word && p < len && line[p] == ':')
            return true;
    }
    return false;
}

size_t ios_plain(char *text, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\r' || c == 0)
            continue;
        if (c == '\b') {
            if (to && text[to - 1] != '\n')
                to--;
            continue;
        }
        text[to++] = c;
    }
    text[to] = 0;
    return to;
}

// ---- prompts ----

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == '/' || c == ':' || c == '@';
}

int ist_ios_prompt(const char *stream, size_t len, const char *known_host, char *host, size_t room)
{
    size_t from = len, to = len, name = 0, limit;
    while (from && stream[from - 1] != '\n' && stream[from - 1] != '\r')
        from--;
    while (to > from && stream[to - 1] == ' ')
        to--;
    if (to - from < 2)
        return 0;
    char mark = stream[to - 1];
    if (mark != '#' && mark != '>')
        return 0;
    const char *line = stream + from;
    size_t n = to - from - 1;
    while (name < n && name_char(line[name]))
        name++;
    bool config = name < n && line[name] == '(' && line[n - 1] == ')' && mark == '#';
    if (!name || (name < n && !config) || (config && n - name < 3))
        return 0;
    for (size_t i = name + 1; config && i + 1 < n; i++) {
        if (!name_char(line[i]))
            return 0;
    }
    if (known_host && *known_host) {
        // In configuration modes the name is cut to 20 characters.
        limit = strlen(known_host);
        if (config && limit > 20)
            limit = 20;
        if (name != limit || memcmp(line, known_host, limit) != 0)
            return 0;
    }
    if (host && room) {
        size_t keep = name < room - 1 ? name : room - 1;
        memcpy(host, line, keep);
        host[keep] = 0;
    }
    return config ? 'c' : mark;
}

// ---- errors ----

static bool has(const char *line, size_t len, const char *words)
{
    return memmem(line, len, words, strlen(words)) != NULL;
}

static bool any_of(const char *line, size_t len, const char *const *list)
{
    for (; *list; list++) {
        if (has(line, len, *list))
            return true;
    }
    return false;
}

static bool syntax_error(const char *line, size_t len)
{
    static const char *const words[] = {"% Invalid input detected",
                                        "% Incomplete command",
                                        "% Ambiguous command",
                                        "% Unknown command",
                                        "% Unrecognized command",
                                        "Command authorization failed",
                                        "% Authorization failed",
                                        "% Bad secret",
                                        "% Bad passwords",
                                        "% Access denied",
                                        "Configuration mode is locked",
                                        NULL};
    return any_of(line, len, words);
}

static bool config_error(const char *line, size_t len)
{
    static const char *const words[] = {"Bad mask",      "overlaps with",  "Command rejected", "ERROR:",
                                        "not supported", "does not exist", "already exists",   NULL};
    // Lines that begin with % and only inform.
    static const char *const harmless[] = {"Warning",
                                           "warning",
                                           "WARNING",
                                           "Only classful networks",
                                           "% Generating",
                                           "%Generating",
                                           "will be",
                                           "Please write mem",
                                           "Not all config may be removed",
                                           "No matching route to delete",
                                           "for this to take effect",    // a router-id
                                           "address(es) removed due to", // a VRF
                                           NULL};
    size_t blank = 0;
    while (blank < len && (line[blank] == ' ' || line[blank] == '\t'))
        blank++;
    if (syntax_error(line, len))
        return true;
    if (blank < len && line[blank] == '%')
        return !any_of(line, len, harmless);
    return any_of(line, len, words);
}

static const char *find_line(const char *output, size_t *len, bool (*is)(const char *, size_t))
{
    for (const char *line = output; *line;) {
        size_t n = strcspn(line, "\r\n");
        if (n && !ios_is_log_line(line, n) && is(line, n)) {
            while (n && *line == ' ') {
                line++;
                n--;
            }
            *len = n;
            return line;
        }
        line += n;
        line += strspn(line, "\r\n");
    }
    return NULL;
}

const char *ist_ios_error_in(const char *output, size_t *len)
{
    return find_line(output, len, config_error);
}

const char *ios_syntax_error(const char *output, size_t *len)
{
    return find_line(output, len, syntax_error);
}
