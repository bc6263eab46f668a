// Forms in and XML out: the Query protocol's two sides.
#include "inner.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16 };

char *aws_encode(const char *text)
{
    char *out = lab_calloc(3, strlen(text) + 1), *to = out;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (isalnum(*p) || strchr("-_.~", *p)) {
            *to++ = (char)*p;
        } else {
            snprintf(to, 4, "%%%02X", *p);
            to += 3;
        }
    }
    return out;
}

// Puts one value at "Filter.1.Value.2": a tree of objects, whose numbered ones become lists afterwards.
static void put(json_t *tree, char *key, const char *value)
{
    char *rest = key, *part;
    for (int depth = 0; depth < MAX_DEPTH && (part = strsep(&rest, ".")); depth++) {
        if (!rest) {
            if (!json_object_get(tree, part))
                json_object_set_new(tree, part, json_string(value));
            return;
        }
        json_t *next = json_object_get(tree, part);
        if (!json_is_object(next)) {
            next = json_object();
            json_object_set_new(tree, part, next);
        }
        tree = next;
    }
}

static bool is_list(const json_t *tree)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)tree, key, value)
    {
        if (!*key || strspn(key, "0123456789") != strlen(key) || strlen(key) > 6)
            return false;
    }
    return json_object_size(tree) > 0;
}

static int by_number(const void *a, const void *b)
{
    long x = strtol(*(const char *const *)a, NULL, 10), y = strtol(*(const char *const *)b, NULL, 10);
    return (x > y) - (x < y);
}

static json_t *listed(json_t *tree)
{
    size_t count = json_object_size(tree), i = 0;
    const char **keys = lab_calloc(count, sizeof *keys), *key;
    json_t *value, *list = json_array();
    json_object_foreach(tree, key, value) keys[i++] = key;
    qsort(keys, count, sizeof *keys, by_number);
    for (i = 0; i < count; i++)
        json_array_append(list, json_object_get(tree, keys[i]));
    free(keys);
    return list;
}

// Numbered objects become lists, {"member": [...]} becomes the list itself. Steals tree.
static json_t *normal(json_t *tree)
{
    const char *key;
    json_t *value;
    void *next;
    if (!json_is_object(tree))
        return tree;
    json_object_foreach_safe(tree, next, key, value)
        json_object_set_new(tree, key, normal(json_incref(value)));
    json_t *member = json_object_size(tree) == 1 ? json_object_get(tree, "member") : NULL;
    json_t *result = is_list(tree) ? listed(tree) : json_is_array(member) ? json_incref(member) : NULL;
    if (!result)
        return tree;
    json_decref(tree);
    return result;
}

json_t *aws_form_parse(const char *form)
{
    json_t *tree = json_object();
    for (const char *p = form; *p;) {
        size_t len = strcspn(p, "&"), name = strcspn(p, "=&");
        char *key = lab_decode(p, name);
        char *value = name < len ? lab_decode(p + name + 1, len - name - 1) : lab_strdup("");
        put(tree, key, value);
        free(key);
        free(value);
        p += len + (p[len] == '&');
    }
    return normal(tree);
}

// ---- XML ----

static void escaped(FILE *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\r':
            fputs("&#xD;", out);
            break;
        default:
            fputc(*p, out);
        }
    }
}

static void element(FILE *out, const char *name, const json_t *value, const char *item);

static void content(FILE *out, const json_t *value, const char *item)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            if (*key != '_')
                element(out, key, member, item);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, member) element(out, item, member, item);
    } else if (json_is_string(value)) {
        escaped(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        fputs(json_is_true(value) ? "true" : "false", out);
    }
}

static void element(FILE *out, const char *name, const json_t *value, const char *item)
{
    if (json_is_null(value))
        return;
    fprintf(out, "<%s>", name);
    content(out, value, item);
    fprintf(out, "</%s>", name);
}

char *aws_xml(const char *root, const char *xmlns, const json_t *body, const char *item)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s", root);
    if (xmlns)
        fprintf(out, " xmlns=\"%s\"", xmlns);
    fputc('>', out);
    content(out, body, item);
    fprintf(out, "</%s>", root);
    fclose(out);
    return text;
}
