// Reading one typed line as IOS does: word by word, any unambiguous abbreviation of a keyword will do, and
// the first word that fits nothing is where the `^` goes.
#include "device.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 64

struct word {
    const char *at;
    size_t len;
    char *joined; // "gi 1" written apart; owned
};

static const char *const interface_types[] = {"GigabitEthernet", "Tunnel", "Loopback", "Null", "Vlan"};

char *grammar_interface(const char *word)
{
    size_t letters = strcspn(word, "0123456789"), found = 0;
    const char *type = NULL;
    if (letters < 2 && strncasecmp(word, "g", 1) != 0 && strncasecmp(word, "t", 1) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof interface_types / sizeof *interface_types; i++) {
        if (letters && strncasecmp(word, interface_types[i], letters) == 0) {
            type = interface_types[i];
            found++;
        }
    }
    const char *number = word + letters;
    if (found != 1 || !*number || strspn(number, "0123456789/.") != strlen(number))
        return NULL;
    return lab_format("%s%s", type, number);
}

static bool is_interface_type(const char *at, size_t len)
{
    for (size_t i = 0; len > 1 && i < sizeof interface_types / sizeof *interface_types; i++) {
        if (strncasecmp(at, interface_types[i], len) == 0)
            return true;
    }
    return false;
}

static size_t split(const char *text, struct word *words)
{
    size_t count = 0;
    for (const char *p = text; count < MAX_WORDS;) {
        p += strspn(p, " \t");
        if (!*p)
            break;
        size_t len = strcspn(p, " \t");
        words[count].at = p;
        words[count].len = len;
        words[count].joined = NULL;
        if (count && isdigit((unsigned char)*p) && strspn(p, "0123456789/.") == len &&
            strcspn(p, ".") == len && is_interface_type(words[count - 1].at, words[count - 1].len)) {
            struct word *before = &words[count - 1];
            before->joined = lab_format("%.*s%.*s", (int)before->len, before->at, (int)len, p);
        } else {
            count++;
        }
        p += len;
    }
    return count;
}

static const char *pattern_word(const char *pattern, size_t index, size_t *len)
{
    for (size_t i = 0;; i++) {
        pattern += strspn(pattern, " ");
        *len = strcspn(pattern, " ");
        if (!*len)
            return NULL;
        if (i == index)
            return pattern;
        pattern += *len;
    }
}

static bool is(const char *pattern, size_t len, const char *kind)
{
    return len == strlen(kind) && memcmp(pattern, kind, len) == 0;
}

static bool takes_rest(const char *pattern, size_t len)
{
    return is(pattern, len, "<line>") || is(pattern, len, "<ciphers>") || is(pattern, len, "<hashes>") ||
           is(pattern, len, "<ints>");
}

static bool contiguous(uint32_t mask)
{
    return (~mask & (~mask + 1)) == 0;
}

static bool listed(const char *word, const char *const *list)
{
    for (; *list; list++) {
        if (!strcmp(*list, word))
            return true;
    }
    return false;
}

static bool all_words(const char *rest, const char *const *list)
{
    char *copy = lab_strdup(rest), *save = NULL;
    bool good = true;
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        good = good && (list ? listed(w, list) : strspn(w, "0123456789") == strlen(w));
    free(copy);
    return good;
}

// An argument that stands alone, in canonical form, or NULL.
static char *argument(const char *kind, size_t len, const char *word)
{
    static const char *const networks[] = {"broadcast", "non-broadcast", "point-to-multipoint",
                                           "point-to-point", NULL};
    static const char *const dpd[] = {"on-demand", "periodic", NULL};
    uint32_t address;
    int prefix;
    size_t size = strlen(word);
    bool good = false;
    if (is(kind, len, "<word>") || is(kind, len, "<secret>"))
        good = true;
    else if (is(kind, len, "<int>"))
        good = size < 10 && strspn(word, "0123456789") == size;
    else if (is(kind, len, "<ospfprocess>"))
        good = size < 6 && strspn(word, "0123456789") == size && strtol(word, NULL, 10) >= 1 &&
               strtol(word, NULL, 10) <= 65535;
    else if (is(kind, len, "<ip>") || is(kind, len, "<wildcard>"))
        good = lab_parse_ip(word, &address);
    else if (is(kind, len, "<mask>"))
        good = lab_parse_ip(word, &address) && contiguous(address);
    else if (is(kind, len, "<cidr>"))
        good = lab_parse_cidr(word, &address, &prefix);
    else if (is(kind, len, "<nhrpkey>"))
        good = size <= 8;
    else if (is(kind, len, "<ospfkey>"))
        return lab_format("%.8s", word); // IOS keeps the first eight and says so
    else if (is(kind, len, "<ospfnet>"))
        good = listed(word, networks);
    else if (is(kind, len, "<dpd>"))
        good = listed(word, dpd);
    else if (is(kind, len, "<interface>"))
        return grammar_interface(word);
    return good ? lab_strdup(word) : NULL;
}

static char *rest_argument(const char *kind, size_t len, const char *rest)
{
    static const char *const ciphers[] = {"aes-gcm-256", "aes-gcm-128", "aes-cbc-256", "aes-cbc-192",
                                          "aes-cbc-128", "3des",        "des",         NULL};
    static const char *const hashes[] = {"sha512", "sha384", "sha256", "sha1", "md5", NULL};
    char *text = lab_strdup(rest);
    for (size_t n = strlen(text); n && isspace((unsigned char)text[n - 1]); n--)
        text[n - 1] = 0;
    if ((is(kind, len, "<ciphers>") && !all_words(text, ciphers)) ||
        (is(kind, len, "<hashes>") && !all_words(text, hashes)) ||
        (is(kind, len, "<ints>") && !all_words(text, NULL))) {
        free(text);
        return NULL;
    }
    return text;
}

// ---- the candidates ----

struct candidates {
    const char *const *patterns;
    size_t count;
    bool *alive;
};

static bool is_argument(const char *pattern)
{
    return *pattern == '<';
}

// How keywords see `word` at `index`: counts the different ones that fit. An exact one stands alone.
static size_t keywords(struct candidates *all, size_t index, const char *word, const char **exact)
{
    const char *seen = NULL;
    size_t different = 0, seen_len = 0, size = strlen(word);
    *exact = NULL;
    for (size_t i = 0; i < all->count; i++) {
        size_t len;
        const char *p = all->alive[i] ? pattern_word(all->patterns[i], index, &len) : NULL;
        if (!p || is_argument(p) || size > len || strncasecmp(p, word, size) != 0)
            continue;
        if (size == len)
            *exact = p;
        if (!seen || seen_len != len || memcmp(seen, p, len) != 0)
            different++;
        seen = p;
        seen_len = len;
    }
    return different;
}

static void add_word(char **text, const char *word, size_t len)
{
    char *longer = lab_format("%s%s%.*s", *text ? *text : "", *text && **text ? " " : "", (int)len, word);
    free(*text);
    *text = longer;
}

struct step {
    const char *word;
    const char *rest;
    size_t index;
    bool keyword;      // keywords fit: arguments are out
    const char *exact; // this keyword alone
};

// Does candidate i take this word? Fills the canonical word (malloc'd) and whether it is a secret.
static bool takes(const char *pattern, const struct step *step, char **canonical, bool *secret, bool *rest)
{
    size_t len;
    const char *p = pattern_word(pattern, step->index, &len);
    *canonical = NULL;
    *secret = *rest = false;
    if (!p)
        return false;
    if (step->keyword) {
        if (is_argument(p) || strlen(step->word) > len ||
            strncasecmp(p, step->word, strlen(step->word)) != 0 || (step->exact && len != strlen(step->word)))
            return false;
        *canonical = lab_format("%.*s", (int)len, p);
        return true;
    }
    if (!is_argument(p))
        return false;
    *rest = takes_rest(p, len);
    *secret = is(p, len, "<secret>") || is(p, len, "<nhrpkey>") || is(p, len, "<ospfkey>");
    *canonical = *rest ? rest_argument(p, len, step->rest) : argument(p, len, step->word);
    return *canonical != NULL;
}

struct walk {
    char *text, *shown; // of the candidates so far: they share all keywords, and arguments are canonical
    size_t at;
    bool rest; // the last word took the rest of the line
};

static enum match_result walk_word(struct candidates *all, const struct step *step, struct walk *walk)
{
    char *text = NULL;
    bool secret = false, any = false;
    for (size_t i = 0; i < all->count; i++) {
        char *word;
        bool hidden, rest;
        if (!all->alive[i])
            continue;
        if (!takes(all->patterns[i], step, &word, &hidden, &rest)) {
            all->alive[i] = false;
            continue;
        }
        if (!any || hidden) {
            free(text);
            text = word;
        } else {
            free(word);
        }
        secret = secret || hidden;
        walk->rest = walk->rest || rest;
        any = true;
    }
    if (!any)
        return MATCH_INVALID;
    add_word(&walk->text, text, strlen(text));
    add_word(&walk->shown, secret ? "<secret>" : text, secret ? 8 : strlen(text));
    free(text);
    return MATCH_OK;
}

static enum match_result walk_all(struct candidates *all, const char *text, struct walk *walk, size_t *count)
{
    struct word words[MAX_WORDS];
    size_t total = split(text, words);
    enum match_result result = total ? MATCH_OK : MATCH_INCOMPLETE;
    *count = 0;
    for (size_t w = 0; w < total && result == MATCH_OK && !walk->rest; w++) {
        char *word = words[w].joined ? lab_strdup(words[w].joined)
                                     : lab_format("%.*s", (int)words[w].len, words[w].at);
        struct step step = {.word = word, .rest = words[w].at, .index = w};
        size_t different = keywords(all, w, word, &step.exact);
        step.keyword = different > 0;
        walk->at = (size_t)(words[w].at - text);
        if (different > 1 && !step.exact)
            result = MATCH_AMBIGUOUS;
        else
            result = walk_word(all, &step, walk);
        *count = w + 1;
        free(word);
    }
    for (size_t w = 0; w < total; w++)
        free(words[w].joined);
    return result;
}

// The candidate whose pattern ends after `count` words; else the first that lives when `early` is fine.
static ssize_t choose(const struct candidates *all, size_t count, bool rest, bool early)
{
    ssize_t first = -1;
    for (size_t i = 0; i < all->count; i++) {
        size_t len;
        if (!all->alive[i])
            continue;
        if (rest || !pattern_word(all->patterns[i], count, &len))
            return (ssize_t)i;
        if (first < 0)
            first = (ssize_t)i;
    }
    return early ? first : -1;
}

static enum match_result match_patterns(const char *const *patterns, size_t count, const char *text,
                                        bool early, struct walk *walk, ssize_t *chosen)
{
    struct candidates all = {.patterns = patterns, .count = count, .alive = lab_calloc(count, sizeof(bool))};
    size_t words = 0;
    memset(all.alive, 1, count * sizeof(bool));
    enum match_result result = walk_all(&all, text, walk, &words);
    *chosen = -1;
    if (result == MATCH_OK) {
        *chosen = choose(&all, words, walk->rest, early);
        if (*chosen < 0)
            result = MATCH_INCOMPLETE;
    }
    free(all.alive);
    return result;
}

enum match_result grammar_words(const char *const *patterns, size_t count, const char *text, size_t *index,
                                char **canonical, size_t *at)
{
    struct walk walk = {0};
    ssize_t chosen;
    enum match_result result = match_patterns(patterns, count, text, false, &walk, &chosen);
    *at = walk.at;
    *index = chosen < 0 ? 0 : (size_t)chosen;
    *canonical = walk.text ? walk.text : lab_strdup("");
    free(walk.shown);
    return result;
}

static const char *argument_name(const char *kind, size_t len)
{
    static const struct {
        const char *kind, *name;
    } names[] = {{"<ip>", "A.B.C.D"},           {"<mask>", "A.B.C.D"}, {"<wildcard>", "A.B.C.D"},
                 {"<cidr>", "A.B.C.D/nn"},      {"<line>", "LINE"},    {"<int>", "<0-4294967295>"},
                 {"<ospfprocess>", "<1-65535>"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is(kind, len, names[i].kind))
            return names[i].name;
    }
    return "WORD";
}

void next_add(struct next *next, const char *word, size_t len)
{
    size_t at = 0;
    while (at < next->count && strncmp(next->word[at], word, len) < 0)
        at++;
    if (at < next->count && !strncmp(next->word[at], word, len) && !next->word[at][len])
        return;
    char **longer = lab_calloc(next->count + 1, sizeof *longer);
    if (next->count) {
        memcpy(longer, next->word, at * sizeof *longer);
        memcpy(longer + at + 1, next->word + at, (next->count - at) * sizeof *longer);
    }
    longer[at] = lab_format("%.*s", (int)len, word);
    free(next->word);
    next->word = longer;
    next->count++;
}

void next_free(struct next *next)
{
    for (size_t i = 0; i < next->count; i++)
        free(next->word[i]);
    free(next->word);
    memset(next, 0, sizeof *next);
}

// One candidate's word at `index`, as help shows it.
static void next_word(const char *pattern, size_t index, const char *partial, struct next *next)
{
    size_t len, typed = strlen(partial);
    const char *p = pattern_word(pattern, index, &len);
    if (!p && !typed) {
        next_add(next, "<cr>", 4);
    } else if (p && is(p, len, "<interface>")) {
        for (size_t t = 0; t < sizeof interface_types / sizeof *interface_types; t++) {
            if (!strncasecmp(interface_types[t], partial, typed))
                next_add(next, interface_types[t], strlen(interface_types[t]));
        }
    } else if (p && is_argument(p)) {
        const char *name = argument_name(p, len);
        next_add(next, name, strlen(name));
    } else if (p && typed <= len && !strncasecmp(p, partial, typed)) {
        next_add(next, p, len);
    }
}

enum match_result grammar_next(const char *const *patterns, size_t count, const char *text, struct next *next)
{
    const char *space = strrchr(text, ' '), *partial = space ? space + 1 : text;
    struct candidates all = {.patterns = patterns, .count = count, .alive = lab_calloc(count, sizeof(bool))};
    struct walk walk = {0};
    char *before = lab_format("%.*s", (int)(partial - text), text);
    size_t words = 0;
    enum match_result result = MATCH_OK;
    memset(all.alive, 1, count * sizeof(bool));
    if (before[strspn(before, " ")])
        result = walk_all(&all, before, &walk, &words);
    for (size_t i = 0; result == MATCH_OK && !walk.rest && i < count; i++) {
        if (all.alive[i])
            next_word(patterns[i], words, partial, next);
    }
    if (walk.rest)
        next_add(next, "LINE", 4);
    free(before);
    free(walk.text);
    free(walk.shown);
    free(all.alive);
    return result;
}

// Forms that IOS writes in another way than they were typed.
static void canonical_form(struct match *m)
{
    char *zero;
    if (!strcmp(m->rule->pattern, "match identity remote address <ip>")) {
        add_word(&m->text, "255.255.255.255", 15);
        add_word(&m->shown, "255.255.255.255", 15);
    }
    // An encoding of 0 says "in clear", and is not kept.
    if (strstr(m->rule->pattern, " 0 <") && (zero = strstr(m->text, " 0 "))) {
        memmove(zero, zero + 2, strlen(zero + 2) + 1);
        zero = strstr(m->shown, " 0 ");
        memmove(zero, zero + 2, strlen(zero + 2) + 1);
    }
}

static char *key_of(const char *text, unsigned words)
{
    const char *p = text;
    for (unsigned i = 0; words && i < words; i++) {
        p += strspn(p, " ");
        p += strcspn(p, " ");
    }
    return words ? lab_format("%.*s", (int)(p - text), text) : lab_strdup(text);
}

void grammar_match(const char *mode, const char *text, bool negated, struct match *match)
{
    const char **patterns = lab_calloc(lab_ios_rule_count, sizeof *patterns);
    const struct rule **rules = lab_calloc(lab_ios_rule_count, sizeof *rules);
    size_t count = 0;
    for (size_t i = 0; i < lab_ios_rule_count; i++) {
        if (!strcmp(lab_ios_rules[i].mode, mode)) {
            rules[count] = &lab_ios_rules[i];
            patterns[count++] = lab_ios_rules[i].pattern;
        }
    }
    struct walk walk = {0};
    ssize_t chosen;
    memset(match, 0, sizeof *match);
    match->result = match_patterns(patterns, count, text, negated, &walk, &chosen);
    match->at = walk.at;
    match->text = walk.text ? walk.text : lab_strdup("");
    match->shown = walk.shown ? walk.shown : lab_strdup("");
    if (match->result == MATCH_OK) {
        match->rule = rules[chosen];
        if (!negated)
            canonical_form(match);
    }
    match->key = key_of(match->text, match->rule ? match->rule->key : 0);
    free(patterns);
    free(rules);
}

void match_free(struct match *match)
{
    free(match->text);
    free(match->shown);
    free(match->key);
    memset(match, 0, sizeof *match);
}
