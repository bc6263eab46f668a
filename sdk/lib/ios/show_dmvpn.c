// show dmvpn [detail] and show ip nhrp nhs.
#include "words.h"

#include <ctype.h>
#include <string.h>

struct tunnel {
    json_t *list;
    char interface[MAX_WORD], type[MAX_WORD], nbma[MAX_WORD];
};

static bool is_state(const char *word)
{
    size_t n = strlen(word);
    if (!n || n > 8)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isupper((unsigned char)word[i]))
            return false;
    }
    return true;
}

static bool is_peer(const char *word)
{
    return words_address(word) || strcmp(word, "UNKNOWN") == 0;
}

static void add_peer(json_t *peers, const struct tunnel *t, const struct line *line, size_t at)
{
    json_array_append_new(peers, json_pack("{ss ss ss ss ss ss ss}", "interface", t->interface, "type",
                                           t->type, "nbma", t->nbma, "tunnel", line->word[at], "state",
                                           line->word[at + 1], "updown", line->word[at + 2], "attributes",
                                           line->count > at + 3 ? line->word[at + 3] : ""));
}

// "1 NBMA TUNNEL STATE TIME ATTR", the same without the first two for another tunnel address of the same peer, or
// with the NBMA address alone on the line before, when it is a long one.
static void peer_line(json_t *peers, struct tunnel *t, const struct line *line)
{
    if (line->count >= 5 && words_number(line->word[0]) && is_peer(line->word[1]) && is_peer(line->word[2]) &&
        is_state(line->word[3])) {
        words_copy(t->nbma, sizeof t->nbma, line->word[1]);
        add_peer(peers, t, line, 2);
    } else if (line->count == 2 && words_number(line->word[0]) && is_peer(line->word[1])) {
        words_copy(t->nbma, sizeof t->nbma, line->word[1]);
    } else if (line->count >= 3 && words_address(line->word[0]) && is_state(line->word[1]) && t->nbma[0] &&
               strcmp(line->word[2], "NBMA") != 0) {
        add_peer(peers, t, line, 0);
    }
}

static bool heading(struct tunnel *t, const struct line *line)
{
    bool brief = line->count > 1 && strcmp(line->word[0], "Interface:") == 0;
    bool detail =
        line->count > 3 && strcmp(line->word[0], "Interface") == 0 && strcmp(line->word[2], "is") == 0;
    if (brief || detail) {
        words_copy(t->interface, sizeof t->interface, line->word[1]);
        t->interface[strcspn(t->interface, ",")] = 0;
        t->type[0] = t->nbma[0] = 0;
        return true;
    }
    if (strncmp(line->word[0], "Type:", 5) == 0) {
        words_copy(t->type, sizeof t->type, line->word[0] + 5);
        t->type[strcspn(t->type, ",")] = 0;
        return true;
    }
    return false;
}

static void dmvpn_line(void *state, const struct line *line)
{
    struct tunnel *t = state;
    // What follows the table in `detail` repeats addresses that are no peers.
    if (strstr(line->text, "Crypto Session Details"))
        t->nbma[0] = 0;
    if (!heading(t, line))
        peer_line(t->list, t, line);
}

int32_t ist_ios_show_dmvpn(const char *text, json_t **peers, ist_error *err)
{
    struct tunnel tunnel = {.list = json_array()};
    return words_parse(text, dmvpn_line, &tunnel, tunnel.list, peers, err);
}

static bool is_flags(const char *word)
{
    return *word && strlen(word) <= 4 && strspn(word, "REWD") == strlen(word);
}

static void nhs_line(void *state, const struct line *line)
{
    struct tunnel *t = state;
    char nbma[MAX_WORD];
    size_t n = strlen(line->word[0]);
    if (line->count == 1 && n > 1 && line->word[0][n - 1] == ':' &&
        strncmp(line->word[0], "Tunnel", 6) == 0) {
        words_copy(t->interface, sizeof t->interface, line->word[0]);
        t->interface[n - 1] = 0;
    } else if (line->count > 2 && strcmp(line->word[0], "Interface") == 0) {
        words_copy(t->interface, sizeof t->interface, line->word[1]);
    } else if (line->count >= 2 && words_address(line->word[0]) && is_flags(line->word[1]) &&
               (strstr(line->text, "priority") || strstr(line->text, "NBMA") || line->count == 2)) {
        json_t *one =
            json_pack("{ss ss ss}", "interface", t->interface, "nhs", line->word[0], "flags", line->word[1]);
        if (words_after(line->text, "NBMA Address:", nbma, sizeof nbma))
            json_object_set_new(one, "nbma", json_string(nbma));
        json_array_append_new(t->list, one);
    }
}

int32_t ist_ios_show_nhs(const char *text, json_t **nhs, ist_error *err)
{
    struct tunnel tunnel = {.list = json_array()};
    return words_parse(text, nhs_line, &tunnel, tunnel.list, nhs, err);
}
