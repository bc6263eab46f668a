// Types of the tables: containers, enums, comparison, and the JSON Schema of a whole table.
#include "types.h"

#include <isthmus/alloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 8

// ---- the notation

// "list(T)" -> its T as [inner, inner_len); 0 when `type` is not WORD(...).
static int inside(const char *type, size_t len, const char *word, const char **inner, size_t *inner_len)
{
    size_t n = strlen(word);
    if (len < n + 3 || strncmp(type, word, n) != 0 || type[n] != '(' || type[len - 1] != ')')
        return 0;
    *inner = type + n + 1;
    *inner_len = len - n - 2;
    return 1;
}

static int contained(const char *type, size_t len, const char **inner, size_t *inner_len)
{
    return inside(type, len, "list", inner, inner_len) || inside(type, len, "set", inner, inner_len) ||
           inside(type, len, "map", inner, inner_len);
}

static int valid(const char *type, size_t len, int depth)
{
    const char *inner;
    size_t inner_len;
    if (depth > MAX_NESTING)
        return 0;
    if (inside(type, len, "enum", &inner, &inner_len))
        // Words between single bars, none of them empty.
        return !memchr(inner, '(', inner_len) && !memchr(inner, ')', inner_len) && inner[0] != '|' &&
               inner[inner_len - 1] != '|' && !memmem(inner, inner_len, "||", 2);
    if (contained(type, len, &inner, &inner_len))
        return valid(inner, inner_len, depth + 1);
    return ist_scalar_type_of(type, len) != NULL;
}

int ist_type_valid(const char *type)
{
    return type && valid(type, strlen(type), 0);
}

int ist_type_item(const char *type, char *item, size_t size)
{
    const char *inner;
    size_t inner_len;
    if (!contained(type, strlen(type), &inner, &inner_len) || inner_len >= size)
        return 0;
    memcpy(item, inner, inner_len);
    item[inner_len] = '\0';
    return 1;
}

// ---- normal forms

static int32_t normalise(const char *type, size_t len, const json_t *value, json_t **normal, ist_error *err);

static int32_t enum_of(const char *words, size_t len, const json_t *value, json_t **normal, ist_error *err)
{
    const char *text = json_string_value(value);
    size_t n = text ? strlen(text) : 0;
    for (const char *p = words, *end = words + len; n && p <= end;) {
        const char *bar = memchr(p, '|', (size_t)(end - p));
        size_t word = (size_t)((bar ? bar : end) - p);
        if (word == n && strncmp(p, text, n) == 0) {
            *normal = json_string(text);
            return IST_OK;
        }
        p += word + 1;
    }
    char what[256];
    size_t at = (size_t)snprintf(what, sizeof(what), "one of ");
    for (size_t i = 0; i < len && at + 3 < sizeof(what); i++) {
        if (words[i] == '|')
            what[at++] = ',', what[at++] = ' ';
        else
            what[at++] = words[i];
    }
    what[at] = '\0';
    return ist_expected(err, what, value, NULL);
}

// Puts the place of an item before what a deeper one said.
static int32_t within(ist_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int32_t within(ist_error *err, const char *format, ...)
{
    if (!err)
        return IST_ERR_INPUT;
    char place[sizeof(err->where)], joined[sizeof(err->where) * 2];
    va_list args;
    va_start(args, format);
    vsnprintf(place, sizeof(place), format, args);
    va_end(args);
    snprintf(joined, sizeof(joined), "%s%s", place, err->where);
    char text[sizeof(err->text)];
    snprintf(text, sizeof(text), "%s", err->text);
    return ist_fail(err, err->code, joined, "%s", text);
}

static int32_t list_of(const char *item, size_t len, const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_array(value))
        return ist_expected(err, "a list", value, NULL);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *one = NULL;
        int32_t rc = normalise(item, len, json_array_get(value, i), &one, err);
        if (rc != IST_OK) {
            json_decref(list);
            return within(err, "[%zu]", i);
        }
        json_array_append_new(list, one);
    }
    *normal = list;
    return IST_OK;
}

static int32_t map_of(const char *item, size_t len, const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_object(value))
        return ist_expected(err, "a map", value, NULL);
    json_t *map = json_object();
    const char *key;
    json_t *child;
    json_object_foreach((json_t *)(uintptr_t)value, key, child)
    {
        json_t *one = NULL;
        int32_t rc = normalise(item, len, child, &one, err);
        if (rc != IST_OK) {
            json_decref(map);
            return within(err, ".%s", key);
        }
        json_object_set_new(map, key, one);
    }
    *normal = map;
    return IST_OK;
}

typedef struct keyed {
    char *text;
    json_t *value; // borrowed from the list
} keyed;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const keyed *)a)->text, ((const keyed *)b)->text);
}

// A list sorted, each value once. Consumes `list`.
static json_t *as_set(json_t *list)
{
    size_t count = json_array_size(list);
    keyed *items = ist_calloc(count, sizeof(keyed));
    for (size_t i = 0; i < count; i++)
        items[i] = (keyed){ist_json_text(json_array_get(list, i)), json_array_get(list, i)};
    qsort(items, count, sizeof(keyed), by_text);
    json_t *set = json_array();
    for (size_t i = 0; i < count; i++)
        if (!i || strcmp(items[i].text, items[i - 1].text) != 0)
            json_array_append(set, items[i].value);
    for (size_t i = 0; i < count; i++)
        ist_free_secret(items[i].text);
    ist_free(items);
    json_decref(list);
    return set;
}

static int32_t normalise(const char *type, size_t len, const json_t *value, json_t **normal, ist_error *err)
{
    const char *inner;
    size_t inner_len;
    if (inside(type, len, "enum", &inner, &inner_len))
        return enum_of(inner, inner_len, value, normal, err);
    if (inside(type, len, "list", &inner, &inner_len))
        return list_of(inner, inner_len, value, normal, err);
    if (inside(type, len, "map", &inner, &inner_len))
        return map_of(inner, inner_len, value, normal, err);
    if (inside(type, len, "set", &inner, &inner_len)) {
        json_t *list = NULL;
        int32_t rc = list_of(inner, inner_len, value, &list, err);
        if (rc == IST_OK)
            *normal = as_set(list);
        return rc;
    }
    const ist_scalar_type *scalar = ist_scalar_type_of(type, len);
    if (!scalar)
        return ist_fail(err, IST_ERR_INTERNAL, "", "no type `%.*s`", (int)len, type);
    return scalar->normalise(value, normal, err);
}

int32_t ist_type_normalise(const char *type, const json_t *value, json_t **normal, ist_error *err)
{
    if (!ist_type_valid(type))
        return ist_fail(err, IST_ERR_INTERNAL, "", "no type `%s`", type ? type : "");
    ist_error why = {0};
    json_t *made = NULL;
    int32_t rc = normalise(type, strlen(type), value, &made, &why);
    if (rc == IST_OK)
        *normal = made;
    else if (err)
        *err = why;
    return rc;
}

int ist_type_equal(const char *type, const json_t *a, const json_t *b)
{
    json_t *na = NULL, *nb = NULL;
    int same;
    if (ist_type_normalise(type, a, &na, NULL) == IST_OK && ist_type_normalise(type, b, &nb, NULL) == IST_OK)
        same = json_equal(na, nb);
    else
        same = json_equal(a, b);
    json_decref(na);
    json_decref(nb);
    return same;
}

// ---- JSON Schema

static json_t *schema_of_type(const char *type, size_t len)
{
    const char *inner;
    size_t inner_len;
    json_t *schema = json_object();
    if (inside(type, len, "enum", &inner, &inner_len)) {
        json_t *words = json_array();
        for (const char *p = inner, *end = inner + inner_len; p <= end;) {
            const char *bar = memchr(p, '|', (size_t)(end - p));
            size_t word = (size_t)((bar ? bar : end) - p);
            json_array_append_new(words, json_stringn(p, word));
            p += word + 1;
        }
        json_object_set_new(schema, "enum", words);
    } else if (contained(type, len, &inner, &inner_len)) {
        int map = type[0] == 'm';
        json_object_set_new(schema, "type", json_string(map ? "object" : "array"));
        if (type[0] == 's')
            json_object_set_new(schema, "uniqueItems", json_true());
        json_object_set_new(schema, map ? "additionalProperties" : "items", schema_of_type(inner, inner_len));
    } else {
        const ist_scalar_type *scalar = ist_scalar_type_of(type, len);
        if (!scalar || !scalar->json_type)
            return schema;
        json_object_set_new(schema, "type", json_string(scalar->json_type));
        if (scalar->pattern) {
            // A reference stands for the value until it is resolved.
            char *pattern = ist_printf("(%s)|\\$\\{", scalar->pattern);
            json_object_set_new(schema, "pattern", json_string(pattern));
            ist_free(pattern);
        }
    }
    return schema;
}

// The last segment of a name, "a.b[].c" -> "c"; *parent_len is how much stands before it: "a.b[]" -> 5.
static const char *last_segment(const char *name, size_t *parent_len)
{
    const char *dot = strrchr(name, '.');
    *parent_len = dot ? (size_t)(dot - name) : 0;
    return dot ? dot + 1 : name;
}

// What the children of `schema` hang below: itself, its items, or its additionalProperties.
static json_t *body_of(json_t *schema, const char *suffix)
{
    if (strcmp(suffix, "[]") == 0)
        return json_object_get(schema, "items");
    if (strcmp(suffix, "{}") == 0)
        return json_object_get(schema, "additionalProperties");
    return schema;
}

// The object schema for what stands before the last dot; made on the way when a table leaves it out.
static json_t *parent_schema(json_t *root, const char *name, size_t len)
{
    json_t *at = root;
    while (len && at) {
        size_t segment = strcspn(name, ".");
        if (segment > len)
            segment = len;
        size_t word = strcspn(name, ".[{");
        if (word > segment)
            word = segment;
        char key[128], suffix[3] = "";
        snprintf(key, sizeof(key), "%.*s", (int)word, name);
        snprintf(suffix, sizeof(suffix), "%.*s", (int)(segment - word), name + word);
        json_t *properties = json_object_get(at, "properties");
        if (!properties) {
            properties = json_object();
            json_object_set_new(at, "type", json_string("object"));
            json_object_set_new(at, "properties", properties);
            json_object_set_new(at, "additionalProperties", json_false());
        }
        json_t *child = json_object_get(properties, key);
        if (!child) {
            child = schema_of_type(*suffix == '['   ? "list(object)"
                                   : *suffix == '{' ? "map(object)"
                                                    : "object",
                                   *suffix ? (*suffix == '[' ? 12 : 11) : 6);
            json_object_set_new(properties, key, child);
        }
        at = body_of(child, suffix);
        name += segment + (name[segment] == '.');
        len -= segment < len ? segment + 1 : segment;
    }
    return at;
}

static void describe(json_t *schema, const ist_field *field)
{
    if (field->doc && *field->doc)
        json_object_set_new(schema, "description", json_string(field->doc));
    if (field->def) {
        char *text = ist_strdup(field->def);
        json_object_set_new(schema, "default", json_string(text));
        ist_free(text);
    }
    if (field->flags & IST_SECRET)
        json_object_set_new(schema, "writeOnly", json_true());
    if (field->flags & IST_DEPRECATED)
        json_object_set_new(schema, "deprecated", json_true());
}

json_t *ist_fields_schema(const ist_field *fields, size_t count)
{
    json_t *root =
        json_pack("{s:s, s:s, s:{}, s:b}", "$schema", "https://json-schema.org/draft/2020-12/schema", "type",
                  "object", "properties", "additionalProperties", 0);
    for (size_t i = 0; i < count; i++) {
        size_t parent_len;
        const char *name = last_segment(fields[i].name, &parent_len);
        json_t *parent = parent_schema(root, fields[i].name, parent_len);
        if (!parent)
            continue;
        json_t *properties = json_object_get(parent, "properties");
        if (!properties) {
            properties = json_object();
            json_object_set_new(parent, "type", json_string("object"));
            json_object_set_new(parent, "properties", properties);
            json_object_set_new(parent, "additionalProperties", json_false());
        }
        json_t *schema = schema_of_type(fields[i].type, strlen(fields[i].type));
        describe(schema, &fields[i]);
        json_object_set_new(properties, name, schema);
        if (fields[i].flags & IST_REQUIRED && !fields[i].def) {
            json_t *required = json_object_get(parent, "required");
            if (!required) {
                required = json_array();
                json_object_set_new(parent, "required", required);
            }
            json_array_append_new(required, json_string(name));
        }
    }
    return root;
}
