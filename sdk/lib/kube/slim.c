// managedFields are half of what an API server says of an object, and nobody here reads them: they are cut out of
// the text before it is parsed.
#include "internal.h"

#include <string.h>

#define DEEPEST 4 // of a watch event: {object: {metadata: {managedFields: ...}}}

struct cut {
    const char *text;
    size_t len, at;
    int depth;
    int metadata; // the depth of the metadata that is read, 0: of none
};

// Behind the string that begins at `at`, which is a quote.
static size_t behind_string(const char *text, size_t len, size_t at)
{
    for (at++; at < len && text[at] != '"'; at++)
        if (text[at] == '\\')
            at++;
    return at < len ? at + 1 : len;
}

// Behind the array that begins at `at`.
static size_t behind_array(const char *text, size_t len, size_t at)
{
    int depth = 0;
    while (at < len) {
        char c = text[at];
        if (c == '"') {
            at = behind_string(text, len, at);
            continue;
        }
        at++;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0)
            return at;
    }
    return len;
}

static int is_key(const struct cut *cut, size_t from, size_t to, const char *key)
{
    return to - from == strlen(key) && memcmp(cut->text + from, key, to - from) == 0;
}

// A string at `from`, the quote: 1 when it is the key of what is looked for; the value begins at cut->at then.
static int takes_key(struct cut *cut, size_t from)
{
    size_t to = cut->at = behind_string(cut->text, cut->len, from);
    if (to >= cut->len || cut->text[to] != ':')
        return 0;
    if (cut->depth < DEEPEST && is_key(cut, from, to, "\"metadata\"") && to + 1 < cut->len &&
        cut->text[to + 1] == '{')
        cut->metadata = cut->depth + 1;
    return cut->metadata && cut->depth == cut->metadata && is_key(cut, from, to, "\"managedFields\"") &&
           to + 1 < cut->len && cut->text[to + 1] == '[';
}

// Where "managedFields":[...] begins and ends, the comma before it or after it with it. 0: there is none, or the text
// is written in a way that API servers do not write.
static int find(struct cut *cut, size_t *from, size_t *to)
{
    while (cut->at < cut->len) {
        size_t at = cut->at;
        char c = cut->text[at];
        if (c == '"') {
            if (!takes_key(cut, at))
                continue;
            *from = at;
            *to = behind_array(cut->text, cut->len, cut->at + 1);
            if (at > 0 && cut->text[at - 1] == ',')
                *from = at - 1;
            else if (*to < cut->len && cut->text[*to] == ',')
                ++*to;
            return 1;
        }
        cut->at++;
        if (c == '{' || c == '[')
            cut->depth++;
        else if (c == '}' || c == ']')
            cut->metadata = cut->depth-- == cut->metadata ? 0 : cut->metadata;
    }
    return 0;
}

int32_t kube_parse_slim(const char *text, size_t len, const char *where, json_t **json, ist_error *err)
{
    struct cut cut = {.text = text, .len = len};
    size_t from = 0, to = 0;
    if (len > IST_JSON_MAX_SIZE || !find(&cut, &from, &to))
        return ist_json_parse(text, len, where, json, err);
    char *rest = ist_malloc(len);
    memcpy(rest, text, from);
    memcpy(rest + from, text + to, len - to);
    int32_t rc = ist_json_parse(rest, from + len - to, where, json, err);
    ist_free(rest);
    return rc;
}
