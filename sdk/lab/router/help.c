// What may be typed next, for `?` and the tabulator: the commands of the mode that a session is in.
#include "device.h"

#include <stdlib.h>
#include <string.h>

// The text after its first word when that is `word` or an abbreviation of at least `least` letters, NULL otherwise.
static const char *after_word(const char *text, const char *word, size_t least)
{
    size_t len = strcspn(text, " ");
    if (len < least || len > strlen(word) || strncasecmp(text, word, len) != 0 || !text[len])
        return NULL;
    return text + len + strspn(text + len, " ");
}

static enum match_result exec_next(const char *text, struct next *next)
{
    static const char *const filters[] = {"begin <line>", "count <line>", "exclude <line>", "include <line>",
                                          "section <line>"};
    const char *rest = after_word(text, "show", 2), *bar = rest ? strchr(rest, '|') : NULL;
    if (bar)
        return grammar_next(filters, sizeof filters / sizeof *filters, bar + 1 + strspn(bar + 1, " "), next);
    if (rest)
        return grammar_next(lab_shows, lab_show_count, rest, next);
    return grammar_next(lab_exec_commands, lab_exec_command_count, text, next);
}

static enum match_result mode_next(const char *mode, bool whole, const char *text, struct next *next)
{
    static const char *const always[] = {"default <line>", "do <line>", "end", "exit", "no <line>"};
    enum { ALWAYS = sizeof always / sizeof *always };
    const char **patterns = lab_calloc(lab_ios_rule_count + ALWAYS, sizeof *patterns);
    size_t count = 0;
    for (size_t i = 0; i < lab_ios_rule_count; i++) {
        if (!strcmp(lab_ios_rules[i].mode, mode))
            patterns[count++] = lab_ios_rules[i].pattern;
    }
    for (size_t i = 0; whole && i < ALWAYS; i++)
        patterns[count++] = always[i];
    enum match_result result = grammar_next(patterns, count, text, next);
    free(patterns);
    return result;
}

enum match_result help_next(const struct session *session, const char *text, struct next *next,
                            const char **partial)
{
    const char *rest;
    text += strspn(text, " ");
    *partial = strrchr(text, ' ') ? strrchr(text, ' ') + 1 : text;
    if (!session->mode || (rest = after_word(text, "do", 2)))
        return exec_next(session->mode ? rest : text, next);
    if ((rest = after_word(text, "no", 2)) || (rest = after_word(text, "default", 3)))
        return mode_next(session->mode, false, rest, next);
    return mode_next(session->mode, true, text, next);
}
