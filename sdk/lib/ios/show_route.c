// show ip route and show ip ospf neighbor.
#include "words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void neighbor_line(void *list, const struct line *line)
{
    char state[MAX_WORD], role[MAX_WORD];
    if (line->count < 6 || !words_ipv4(line->word[0]) || !words_number(line->word[1]))
        return;
    // The state is one word ("FULL/DR") or two ("FULL/  -").
    words_copy(state, sizeof state, line->word[2]);
    char *slash = strchr(state, '/');
    size_t at = slash && !slash[1] ? 4 : 3;
    if (line->count < at + 3 || !words_ipv4(line->word[at + 1]))
        return;
    words_copy(role, sizeof role, slash && slash[1] ? slash + 1 : slash ? line->word[3] : "");
    if (slash)
        *slash = 0;
    json_array_append_new(list, json_pack("{ss ss ss ss ss ss ss}", "id", line->word[0], "priority",
                                          line->word[1], "state", state, "role", role, "dead", line->word[at],
                                          "address", line->word[at + 1], "interface", line->word[at + 2]));
}

int32_t ist_ios_show_ospf_neighbor(const char *text, json_t **neighbors, ist_error *err)
{
    json_t *list = json_array();
    return words_parse(text, neighbor_line, list, list, neighbors, err);
}

// ---- routes ----

struct routes {
    json_t *list;
    char code[16], prefix[64];
    int heading; // the length that the subnets of the heading have, -1: none or each its own
    bool open;   // the next line may be another path of the same prefix
};

static int class_length(const char *address)
{
    long first = strtol(address, NULL, 10);
    return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

// "10.0.0.0/24 is subnetted, 2 subnets": the length of those below that show none.
static bool heading(struct routes *r, const struct line *line)
{
    if (!strstr(line->text, "subnetted,"))
        return false;
    const char *slash = strchr(line->word[0], '/');
    r->heading = strstr(line->text, "variably") || !slash ? -1 : (int)strtol(slash + 1, NULL, 10);
    r->open = false;
    return true;
}

// "10.1.0.0/16" or "10.1.0.0"; false: neither.
static bool take_prefix(struct routes *r, const char *word)
{
    char address[MAX_WORD];
    words_copy(address, sizeof address, word);
    char *slash = strchr(address, '/');
    long length = -1;
    if (slash) {
        *slash = 0;
        if (!words_number(slash + 1) || (length = strtol(slash + 1, NULL, 10)) > 32)
            return false;
    }
    if (!words_ipv4(address))
        return false;
    if (length < 0)
        length = r->heading >= 0 ? r->heading : class_length(address);
    char *text = ist_printf("%s/%ld", address, length);
    words_copy(r->prefix, sizeof r->prefix, text);
    ist_free(text);
    return true;
}

// A route's code: one to three short words of letters, `*`, `%`, `+`, `&` before the prefix. Returns where the
// prefix is, 0: this line begins no route.
static size_t take_code(struct routes *r, const struct line *line)
{
    char code[16] = "";
    size_t used = 0, i;
    for (i = 0; i < line->count && i < 4; i++) {
        const char *w = line->word[i];
        if (isdigit((unsigned char)*w))
            break;
        size_t n = strlen(w);
        bool good = n <= 4 && (isalpha((unsigned char)*w) || strchr("*%+&", *w));
        for (size_t k = 0; good && k < n; k++)
            good = isalnum((unsigned char)w[k]) || strchr("*%+&", w[k]);
        if (!good || used + n + 2 > sizeof code)
            return 0;
        if (used)
            code[used++] = ' ';
        memcpy(code + used, w, n + 1);
        used += n;
    }
    if (!i || i == line->count || !take_prefix(r, line->word[i]))
        return 0;
    words_copy(r->code, sizeof r->code, code);
    return i;
}

static void strip_comma(char *word)
{
    size_t n = strlen(word);
    if (n && word[n - 1] == ',')
        word[n - 1] = 0;
}

static bool is_age(const char *word)
{
    return isdigit((unsigned char)*word) && (strchr(word, ':') || strpbrk(word, "smhdwy"));
}

// The words after the prefix: "[110/20] via 192.0.2.1 (vrf), 1d18h, Gi1", "is directly connected, Gi1", "is a
// summary, 7w0d, Null0".
static bool take_path(struct routes *r, const struct line *line, size_t at)
{
    json_t *one = json_pack("{ss ss}", "code", r->code, "prefix", r->prefix);
    bool any = false;
    for (size_t i = at; i < line->count; i++) {
        char word[MAX_WORD];
        words_copy(word, sizeof word, line->word[i]);
        strip_comma(word);
        const char *slash = strchr(word, '/');
        if (*word == '[' && slash) {
            json_object_set_new(one, "distance", json_integer(strtol(word + 1, NULL, 10)));
            json_object_set_new(one, "metric", json_integer(strtol(slash + 1, NULL, 10)));
            any = true;
        } else if (i > at && strcmp(line->word[i - 1], "via") == 0 && words_ipv4(word)) {
            json_object_set_new(one, "via", json_string(word));
            any = true;
        } else if (strcmp(word, "connected") == 0 || strcmp(word, "summary") == 0) {
            any = true;
        } else if (any && is_age(word)) {
            json_object_set_new(one, "age", json_string(word));
        } else if (any && isalpha((unsigned char)*word) && strpbrk(word, "0123456789")) {
            json_object_set_new(one, "interface", json_string(word));
        }
    }
    if (any)
        json_array_append_new(r->list, one);
    else
        json_decref(one);
    return any;
}

static void route_line(void *state, const struct line *line)
{
    struct routes *r = state;
    if (heading(r, line))
        return;
    size_t at = take_code(r, line);
    if (at) {
        // A long prefix stands alone: its paths follow.
        r->open = true;
        take_path(r, line, at + 1);
    } else if (r->open && line->word[0][0] == '[') {
        take_path(r, line, 0);
    } else {
        r->open = false;
    }
}

int32_t ist_ios_show_route(const char *text, json_t **routes, ist_error *err)
{
    struct routes r = {.list = json_array(), .heading = -1};
    return words_parse(text, route_line, &r, r.list, routes, err);
}
