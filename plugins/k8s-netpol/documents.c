// Splitting before parsing: JSON lists at their items, YAML streams at their document marks.
#include "documents.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <string.h>

#define MAX_LISTS 4 // a List in a List

struct reader {
    const char *name;
    document_fn *fn;
    void *arg;
};

// ---- one parsed object

static int32_t hand_over(const struct reader *r, json_t *object, int depth, ist_error *err)
{
    const char *kind = ist_json_str_or(object, "kind", "");
    const json_t *items = json_object_get(object, "items");
    const size_t len = strlen(kind);
    if (!json_is_object(object))
        return IST_OK; // a folder of manifests holds other things too
    if (!json_is_array(items) || len < 4 || strcmp(kind + len - 4, "List") != 0)
        return r->fn(r->arg, object, err);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        if (len > 4 && json_is_object(item) && !json_object_get(item, "kind"))
            json_object_set_new(item, "kind", json_stringn(kind, len - 4));
        int32_t rc = depth < MAX_LISTS
                         ? hand_over(r, item, depth + 1, err)
                         : ist_fail(err, IST_ERR_LIMIT, r->name, "lists within lists, too deep");
        if (rc != IST_OK)
            return rc;
    }
    return IST_OK;
}

// ---- JSON

struct scan {
    const char *text;
    size_t len, at;
};

static void skip_blanks(struct scan *s)
{
    while (s->at < s->len && strchr(" \t\r\n", s->text[s->at]))
        s->at++;
}

// Stands on a quote: goes behind the string. 0 or -1.
static int skip_string(struct scan *s)
{
    for (s->at++; s->at < s->len; s->at++) {
        if (s->text[s->at] == '\\')
            s->at++;
        else if (s->text[s->at] == '"') {
            s->at++;
            return 0;
        }
    }
    return -1;
}

// Goes behind one value without looking into it. 0 or -1: the text ends within it. What is wrong inside is found when
// it is parsed.
static int skip_value(struct scan *s)
{
    size_t depth = 0;
    skip_blanks(s);
    while (s->at < s->len) {
        const char c = s->text[s->at];
        if (c == '"') {
            if (skip_string(s))
                return -1;
            if (!depth)
                return 0;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && (!depth || !--depth)) {
            s->at += c == '}' || c == ']';
            return 0;
        } else if (!depth && (c == ',' || strchr(" \t\r\n", c)))
            return 0;
        s->at++;
        if (!depth && strchr(",}]", s->at < s->len ? s->text[s->at] : ','))
            return 0;
    }
    return -1;
}

// Where the items of a top-level list stand; 0, or -1: the text is no such list.
static int find_items(const char *text, size_t len, struct scan *items, char kind[64])
{
    struct scan s = {text, len, 0};
    int found = 0;
    kind[0] = 0;
    skip_blanks(&s);
    if (s.at >= len || text[s.at] != '{')
        return -1;
    for (s.at++;;) {
        skip_blanks(&s);
        const size_t key = s.at;
        if (s.at >= len || text[s.at] != '"' || skip_string(&s))
            break;
        const size_t key_len = s.at - key;
        skip_blanks(&s);
        if (s.at >= len || text[s.at] != ':')
            return -1;
        s.at++;
        skip_blanks(&s);
        const size_t value = s.at;
        if (skip_value(&s))
            return -1;
        if (key_len == 7 && !strncmp(text + key, "\"items\"", 7) && text[value] == '[') {
            *items = (struct scan){text, s.at, value + 1};
            found++;
        } else if (key_len == 6 && !strncmp(text + key, "\"kind\"", 6) && s.at - value - 2 < 64 &&
                   text[value] == '"') {
            memcpy(kind, text + value + 1, s.at - value - 2);
            kind[s.at - value - 2] = 0;
        }
        skip_blanks(&s);
        if (s.at >= len || text[s.at] != ',')
            break;
        s.at++;
    }
    skip_blanks(&s);
    const int closed = s.at < len && text[s.at] == '}';
    s.at += (size_t)closed;
    skip_blanks(&s);
    return closed && s.at == len && found == 1 ? 0 : -1;
}

static int32_t json_item(const struct reader *r, const struct scan *s, size_t from, const char *item_kind,
                         ist_error *err)
{
    json_t *item = NULL;
    int32_t rc = ist_json_parse(s->text + from, s->at - from, r->name, &item, err);
    if (rc != IST_OK)
        return rc;
    if (json_is_object(item) && *item_kind && !json_object_get(item, "kind"))
        json_object_set_new(item, "kind", json_string(item_kind));
    rc = hand_over(r, item, 0, err);
    json_decref(item);
    return rc;
}

static int32_t json_items(const struct reader *r, struct scan s, const char *kind, ist_error *err)
{
    char item_kind[64];
    const size_t len = strlen(kind);
    memcpy(item_kind, kind, len + 1);
    if (len >= 4)
        item_kind[len - 4] = 0; // "PodList"
    skip_blanks(&s);
    while (s.at < s.len && s.text[s.at] != ']') {
        const size_t from = s.at;
        if (skip_value(&s) || s.at == from)
            return ist_fail(err, IST_ERR_INPUT, r->name, "the list does not end");
        int32_t rc = json_item(r, &s, from, item_kind, err);
        if (rc != IST_OK)
            return rc;
        skip_blanks(&s);
        if (s.at < s.len && s.text[s.at] == ',')
            s.at++;
        else if (s.at >= s.len || s.text[s.at] != ']')
            return ist_fail(err, IST_ERR_INPUT, r->name, "a comma is missing between the items of the list");
        skip_blanks(&s);
    }
    return IST_OK;
}

// ---- YAML

static int is_mark(const char *line, size_t len)
{
    return len >= 3 && !strncmp(line, "---", 3) && (len == 3 || strchr(" \t\r\n", line[3]));
}

static int32_t yaml_part(const struct reader *r, const char *text, size_t len, size_t line, ist_error *err)
{
    json_t *documents = NULL, *document;
    char *name = line > 1 ? ist_printf("%s (from line %zu)", r->name, line) : ist_strdup(r->name);
    int32_t rc = ist_yaml_parse_all(text, len, name, &documents, err);
    size_t i;
    ist_free(name);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(documents, i, document)
    {
        if (rc == IST_OK && !json_is_null(document))
            rc = hand_over(r, document, 0, err);
    }
    json_decref(documents);
    return rc;
}

// Directives stand before the mark of their document: a stream that has any is parsed in one piece.
static int has_directives(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        if (text[at] == '%')
            return 1;
        at = end ? (size_t)(end - text) + 1 : len;
    }
    return 0;
}

static int32_t yaml_stream(const struct reader *r, const char *text, size_t len, ist_error *err)
{
    size_t from = 0, line = 1, from_line = 1;
    int32_t rc = IST_OK;
    if (has_directives(text, len))
        return yaml_part(r, text, len, 1, err);
    for (size_t at = 0; rc == IST_OK && at < len; line++) {
        const char *end = memchr(text + at, '\n', len - at);
        if (at > from && is_mark(text + at, len - at)) {
            rc = yaml_part(r, text + from, at - from, from_line, err);
            from = at;
            from_line = line;
        }
        at = end ? (size_t)(end - text) + 1 : len;
    }
    return rc == IST_OK ? yaml_part(r, text + from, len - from, from_line, err) : rc;
}

int32_t documents_each(const char *text, size_t len, const char *name, document_fn *fn, void *arg,
                       ist_error *err)
{
    const struct reader r = {name, fn, arg};
    struct scan items;
    char kind[64];
    const size_t before = strspn(text, " \t\r\n");
    if (before < len && text[before] == '{' && !find_items(text, len, &items, kind)) {
        const size_t kind_len = strlen(kind);
        if (kind_len >= 4 && !strcmp(kind + kind_len - 4, "List"))
            return json_items(&r, items, kind, err);
    }
    if (before < len && text[before] == '{') {
        json_t *object = NULL;
        if (ist_json_parse(text, len, name, &object, NULL) == IST_OK) {
            int32_t rc = hand_over(&r, object, 0, err);
            json_decref(object);
            return rc;
        }
    }
    return yaml_stream(&r, text, len, err);
}
