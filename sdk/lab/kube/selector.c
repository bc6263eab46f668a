#include "selector.h"

#include "../lab.h"

#include <stdlib.h>
#include <string.h>

static bool is_word(char c)
{
    return c && !strchr(" \t,()=!<>", c);
}

static const char *skip(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

// Reads a word; NULL (and p where it was) when there is none.
static json_t *word(const char **p)
{
    const char *start = *p = skip(*p);
    while (is_word(**p))
        (*p)++;
    json_t *text = *p > start ? json_stringn(start, (size_t)(*p - start)) : NULL;
    *p = skip(*p);
    return text;
}

// "(a, b)"; an empty word is a value too.
static json_t *values(const char **p)
{
    json_t *list = json_array();
    if (**p != '(') {
        json_decref(list);
        return NULL;
    }
    do {
        (*p)++;
        json_t *value = word(p);
        json_array_append_new(list, value ? value : json_string(""));
    } while (**p == ',');
    if (**p != ')') {
        json_decref(list);
        return NULL;
    }
    *p = skip(*p + 1);
    return list;
}

static json_t *one_value(const char **p, size_t skip_chars)
{
    *p += skip_chars;
    json_t *value = word(p);
    return json_pack("[o]", value ? value : json_string(""));
}

// What follows a key: an operator and values. False when it is none.
static bool operation(const char **p, const char **op, json_t **list)
{
    json_t *name;
    *list = NULL;
    if (**p == '=') {
        *op = "In";
        *list = one_value(p, (*p)[1] == '=' ? 2 : 1);
    } else if (**p == '!' && (*p)[1] == '=') {
        *op = "NotIn";
        *list = one_value(p, 2);
    } else if (**p == ',' || !**p) {
        *op = "Exists";
        *list = json_array();
    } else if ((name = word(p))) {
        const char *text = json_string_value(name);
        *op = strcmp(text, "in") == 0 ? "In" : strcmp(text, "notin") == 0 ? "NotIn" : NULL;
        *list = *op ? values(p) : NULL;
        json_decref(name);
    }
    return *list != NULL;
}

json_t *kube_selector_parse(const char *text, char **why)
{
    json_t *expressions = json_array();
    const char *p = skip(text), *op = NULL;
    while (*p) {
        bool negated = *p == '!';
        if (negated)
            p++;
        json_t *key = word(&p), *list = NULL;
        if (negated && key && (*p == ',' || !*p)) {
            op = "DoesNotExist";
            list = json_array();
        } else if (!key || negated || !operation(&p, &op, &list) || (*p && *p != ',')) {
            *why = lab_format("unable to parse requirement: found '%s' in \"%s\"", p, text);
            json_decref(key);
            json_decref(list);
            json_decref(expressions);
            return NULL;
        }
        json_array_append_new(expressions,
                              json_pack("{so ss so}", "key", key, "operator", op, "values", list));
        if (*p == ',')
            p = skip(p + 1);
    }
    return expressions;
}

static bool listed(const json_t *list, const char *value)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) if (json_is_string(item) &&
                                          strcmp(json_string_value(item), value) == 0) return true;
    return false;
}

static bool expression_match(const json_t *expression, const json_t *labels)
{
    const char *key = json_string_value(json_object_get(expression, "key"));
    const char *op = json_string_value(json_object_get(expression, "operator"));
    const char *value = key ? json_string_value(json_object_get(labels, key)) : NULL;
    if (!key || !op)
        return false;
    if (strcmp(op, "Exists") == 0)
        return value != NULL;
    if (strcmp(op, "DoesNotExist") == 0)
        return value == NULL;
    bool in = value && listed(json_object_get(expression, "values"), value);
    return strcmp(op, "In") == 0 ? in : strcmp(op, "NotIn") == 0 && !in;
}

bool kube_expressions_match(const json_t *expressions, const json_t *labels)
{
    size_t i;
    const json_t *expression;
    json_array_foreach(expressions, i, expression) if (!expression_match(expression, labels)) return false;
    return true;
}

static bool all_labels(const json_t *map, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key,
                        value) if (!json_equal(value, json_object_get(labels, key))) return false;
    return true;
}

bool kube_selector_match(const json_t *selector, const json_t *labels)
{
    return json_is_object(selector) && all_labels(json_object_get(selector, "matchLabels"), labels) &&
           kube_expressions_match(json_object_get(selector, "matchExpressions"), labels);
}

bool kube_map_match(const json_t *map, const json_t *labels)
{
    return json_object_size(map) && all_labels(map, labels);
}

json_t *kube_fields_parse(const char *text, char **why)
{
    json_t *fields = json_array();
    while (*text) {
        size_t len = strcspn(text, ",");
        char *term = lab_format("%.*s", (int)len, text), *eq = strchr(term, '=');
        text += len + (text[len] == ',');
        if (!eq || eq == term || (*term == '!' && eq == term + 1)) {
            *why = lab_format("invalid selector: '%s'; can't understand '%s'", text, term);
            free(term);
            json_decref(fields);
            return NULL;
        }
        bool equal = eq[-1] != '!';
        const char *value = eq[1] == '=' ? eq + 2 : eq + 1;
        *(equal ? eq : eq - 1) = 0;
        json_array_append_new(fields, json_pack("{ss sb ss}", "path", term, "equal", equal, "value", value));
        free(term);
    }
    return fields;
}

static const char *field_of(const json_t *object, const char *path)
{
    while (object && *path) {
        size_t len = strcspn(path, ".");
        object = json_object_getn(object, path, len);
        path += len + (path[len] == '.');
    }
    return json_is_string(object) ? json_string_value(object) : json_is_true(object) ? "true" : "";
}

bool kube_fields_match(const json_t *fields, const json_t *object)
{
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field)
    {
        const char *path = json_string_value(json_object_get(field, "path"));
        const char *value = json_string_value(json_object_get(field, "value"));
        if ((strcmp(field_of(object, path), value) == 0) != json_is_true(json_object_get(field, "equal")))
            return false;
    }
    return true;
}
