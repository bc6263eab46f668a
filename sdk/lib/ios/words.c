// Lines and words of a show command's output.
#include "words.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void words_copy(char *to, size_t room, const char *from)
{
    size_t n = strnlen(from, room - 1);
    memmove(to, from, n);
    to[n] = 0;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// The next line that is not blank; *at moves on. False at the end.
static bool next_line(const char **at, struct line *line)
{
    const char *p = *at;
    for (;;) {
        while (blank(*p) || *p == '\n')
            p++;
        if (!*p)
            return false;
        size_t len = strcspn(p, "\n");
        size_t keep = len < sizeof line->text - 1 ? len : sizeof line->text - 1;
        memcpy(line->text, p, keep);
        line->text[keep] = 0;
        line->count = 0;
        for (size_t i = 0; i < len && line->count < MAX_WORDS;) {
            while (i < len && blank(p[i]))
                i++;
            size_t from = i;
            while (i < len && !blank(p[i]))
                i++;
            if (i == from)
                break;
            size_t n = i - from < MAX_WORD - 1 ? i - from : MAX_WORD - 1;
            memcpy(line->word[line->count], p + from, n);
            line->word[line->count++][n] = 0;
        }
        *at = p + len;
        return true;
    }
}

bool words_ipv4(const char *word)
{
    struct in_addr a;
    return inet_pton(AF_INET, word, &a) == 1;
}

bool words_address(const char *word)
{
    struct in6_addr a;
    return words_ipv4(word) || inet_pton(AF_INET6, word, &a) == 1;
}

bool words_number(const char *word)
{
    return *word && strlen(word) < 18 && strspn(word, "0123456789") == strlen(word);
}

long long words_number_after(const char *text, const char *label)
{
    const char *p = strstr(text, label);
    if (!p)
        return -1;
    p += strlen(label);
    p += strspn(p, " \t:=");
    if (!isdigit((unsigned char)*p) || strspn(p, "0123456789") > 18)
        return -1;
    return strtoll(p, NULL, 10);
}

bool words_after(const char *text, const char *label, char *out, size_t room)
{
    const char *p = strstr(text, label);
    if (!p)
        return false;
    p += strlen(label);
    p += strspn(p, " \t");
    size_t n = strcspn(p, " \t\r,");
    if (!n)
        return false;
    if (n > room - 1)
        n = room - 1;
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

int32_t words_parse(const char *text, void (*take)(void *state, const struct line *line), void *state,
                    json_t *made, json_t **out, ist_error *err)
{
    struct line line;
    if (strlen(text) > (16u << 20)) {
        json_decref(made);
        return ist_fail(err, IST_ERR_LIMIT, "show", "an output of more than 16 MiB");
    }
    while (next_line(&text, &line))
        take(state, &line);
    *out = made;
    return IST_OK;
}
