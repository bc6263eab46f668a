// Label selectors.
#include "selector.h"

#include <isthmus/alloc.h>

#include <string.h>

static uint32_t operator_of(const char *text)
{
    static const char *const operators[] = {"", "In", "NotIn", "Exists", "DoesNotExist"};
    for (uint32_t i = 1; i < sizeof(operators) / sizeof(*operators); i++)
        if (!strcmp(operators[i], text))
            return i;
    return SELECT_NEVER;
}

static void label_term(struct names *names, const char *key, const json_t *value, struct select_term *term)
{
    *term = (struct select_term){.operator= json_is_string(value) ? SELECT_IN : SELECT_NEVER,
                                 .key = name_get(names, key)};
    if (!json_is_string(value))
        return;
    term->values = ist_calloc(1, sizeof(*term->values));
    term->values[term->value_count++] = name_get(names, json_string_value(value));
}

static void expression_term(struct names *names, const json_t *expression, struct select_term *term)
{
    const json_t *values = json_object_get(expression, "values");
    const char *key = ist_json_str(expression, "key");
    size_t i;
    json_t *value;
    *term = (struct select_term){.operator= operator_of(ist_json_str_or(expression, "operator", "")),
                                 .key = name_get(names, key ? key : "")};
    const int wants = term->operator== SELECT_IN || term->operator== SELECT_NOT_IN;
    if (!key || (wants && !json_array_size(values)))
        term->operator= SELECT_NEVER;
    if (!wants || !json_array_size(values))
        return;
    term->values = ist_calloc(json_array_size(values), sizeof(*term->values));
    json_array_foreach(values, i, value)
    {
        if (json_is_string(value))
            term->values[term->value_count++] = name_get(names, json_string_value(value));
        else
            term->operator= SELECT_NEVER;
    }
}

int selector_compile(struct names *names, const json_t *json, struct selector *selector)
{
    const json_t *wanted = json_object_get(json, "matchLabels");
    const json_t *expressions = json_object_get(json, "matchExpressions");
    struct selector made = {0};
    const char *key;
    json_t *value;
    size_t i;
    int odd = (json && !json_is_object(json) && !json_is_null(json)) ||
              (wanted && !json_is_object(wanted) && !json_is_null(wanted)) ||
              (expressions && !json_is_array(expressions) && !json_is_null(expressions));
    made.terms = ist_calloc(json_object_size(wanted) + json_array_size(expressions) + 1, sizeof(*made.terms));
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
        label_term(names, key, value, &made.terms[made.count++]);
    json_array_foreach(expressions, i, value) expression_term(names, value, &made.terms[made.count++]);
    if (odd)
        made.terms[made.count++] = (struct select_term){.operator= SELECT_NEVER };
    for (i = 0; i < made.count; i++)
        odd |= made.terms[i].operator== SELECT_NEVER;
    if (!made.count) {
        ist_free(made.terms);
        made.terms = NULL;
    }
    *selector = made;
    return odd ? -1 : 0;
}

void selector_free(struct names *names, struct selector *selector)
{
    for (uint32_t i = 0; i < selector->count; i++) {
        struct select_term *term = &selector->terms[i];
        for (uint32_t j = 0; j < term->value_count; j++)
            name_drop(names, term->values[j]);
        ist_free(term->values);
        name_drop(names, term->key);
    }
    ist_free(selector->terms);
    *selector = (struct selector){0};
}

static int among(const struct select_term *term, const struct name *value)
{
    for (uint32_t i = 0; i < term->value_count; i++)
        if (term->values[i] == value)
            return 1;
    return 0;
}

static int term_holds(const struct select_term *term, const struct labels *labels)
{
    if (term->operator== SELECT_NEVER)
        return 0;
    const struct name *value = labels_find(labels, term->key);
    switch (term->operator) {
    case SELECT_IN:
        return value && among(term, value);
    case SELECT_NOT_IN: // true for a label that is missing
        return !value || !among(term, value);
    case SELECT_EXISTS:
        return value != NULL;
    default:
        return !value;
    }
}

int selector_match(const struct selector *selector, const struct labels *labels)
{
    for (uint32_t i = 0; i < selector->count; i++)
        if (!term_holds(&selector->terms[i], labels))
            return 0;
    return 1;
}

int selector_is_all(const struct selector *selector)
{
    return selector->count == 0;
}
