#include "patch.h"

#include "schema.h"
#include "../lab.h"

#include <stdlib.h>
#include <string.h>

// ---- merge patch ----

json_t *kube_patch_merge(const json_t *object, const json_t *patch)
{
    const char *name;
    json_t *value;
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    json_t *result = json_is_object(object) ? json_deep_copy(object) : json_object();
    json_object_foreach((json_t *)patch, name, value)
    {
        if (json_is_null(value))
            json_object_del(result, name);
        else
            json_object_set_new(result, name, kube_patch_merge(json_object_get(result, name), value));
    }
    return result;
}

// ---- strategic merge patch ----

static const char order_prefix[] = "$setElementOrder/", delete_prefix[] = "$deleteFromPrimitiveList/",
                  retain_keys[] = "$retainKeys";

static json_t *strategic(const char *kind, const char *field, const json_t *object, const json_t *patch,
                         char **why);

// Strategic merge knows an item by its first key alone.
static int same_first_key(const struct kube_field *schema, const json_t *list, const json_t *item)
{
    const json_t *wanted = json_object_get(item, schema->keys[0]);
    size_t i;
    const json_t *candidate;
    json_array_foreach(list, i,
                       candidate) if (wanted && json_equal(json_object_get(candidate, schema->keys[0]),
                                                           wanted)) return (int)i;
    return -1;
}

static bool directive(const json_t *item, const char *which)
{
    const char *text = json_string_value(json_object_get(item, "$patch"));
    return text && strcmp(text, which) == 0;
}

static json_t *strategic_list(const char *kind, const struct kube_field *schema, const char *field,
                              const json_t *list, const json_t *patch, char **why)
{
    json_t *result = json_is_array(list) ? json_copy((json_t *)list) : json_array();
    size_t i;
    json_t *item;
    json_array_foreach(patch, i, item) if (directive(item, "replace")) json_array_clear(result);
    json_array_foreach(patch, i, item)
    {
        if (schema->merge == KUBE_SET) {
            size_t k;
            json_t *old;
            bool there = false;
            json_array_foreach(result, k, old) there = there || json_equal(old, item);
            if (!there)
                json_array_append(result, item);
            continue;
        }
        if (directive(item, "replace"))
            continue;
        int at = same_first_key(schema, result, item);
        if (directive(item, "delete")) {
            if (at >= 0)
                json_array_remove(result, (size_t)at);
        } else if (!json_object_get(item, schema->keys[0])) {
            *why = lab_format("map: %s does not contain declared merge key: %s", field, schema->keys[0]);
            json_decref(result);
            return NULL;
        } else {
            json_t *merged =
                strategic(kind, field, at < 0 ? NULL : json_array_get(result, (size_t)at), item, why);
            if (!merged) {
                json_decref(result);
                return NULL;
            }
            if (at < 0)
                json_array_append_new(result, merged);
            else
                json_array_set_new(result, (size_t)at, merged);
        }
    }
    return result;
}

// The items that the order names come in that order; the others keep their places after them.
static void reorder(const struct kube_field *schema, json_t *object, const char *name, const json_t *order)
{
    json_t *list = json_object_get(object, name), *sorted = json_array(), *entry, *item;
    size_t i, k;
    json_array_foreach(order, i, entry)
    {
        json_array_foreach(list, k, item)
        {
            bool same = schema && schema->merge == KUBE_MAP_LIST
                            ? json_equal(json_object_get(item, schema->keys[0]),
                                         json_object_get(entry, schema->keys[0]))
                            : json_equal(item, entry);
            if (same) {
                json_array_append(sorted, item);
                json_array_remove(list, k);
                break;
            }
        }
    }
    json_array_extend(sorted, list);
    if (json_is_array(list))
        json_object_set(object, name, sorted);
    json_decref(sorted);
}

static void delete_primitives(json_t *object, const char *name, const json_t *values)
{
    json_t *list = json_copy(json_object_get(object, name)), *value, *item;
    size_t i, k;
    json_array_foreach(values, i, value) json_array_foreach(list, k, item) if (json_equal(value, item))
        json_array_remove(list, k--);
    if (list)
        json_object_set(object, name, list);
    json_decref(list);
}

static void apply_directives(const char *kind, const char *field, json_t *result, const json_t *patch)
{
    const char *name, *key;
    json_t *value, *unused;
    void *tmp;
    json_object_foreach((json_t *)patch, name, value)
    {
        if (strncmp(name, delete_prefix, sizeof delete_prefix - 1) == 0) {
            delete_primitives(result, name + sizeof delete_prefix - 1, value);
        } else if (strncmp(name, order_prefix, sizeof order_prefix - 1) == 0) {
            const char *list = name + sizeof order_prefix - 1;
            char *deeper = kube_field_join(field, list);
            reorder(kube_schema(kind, deeper), result, list, value);
            free(deeper);
        } else if (strcmp(name, retain_keys) == 0) {
            json_object_foreach_safe(result, tmp, key, unused)
            {
                size_t i;
                json_t *kept;
                bool keep = false;
                json_array_foreach(value, i, kept) keep = keep || strcmp(json_string_value(kept), key) == 0;
                if (!keep)
                    json_object_del(result, key);
            }
        }
    }
}

static json_t *strategic(const char *kind, const char *field, const json_t *object, const json_t *patch,
                         char **why)
{
    const char *name;
    json_t *value;
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    if (directive(patch, "delete"))
        return json_object();
    json_t *result =
        json_is_object(object) && !directive(patch, "replace") ? json_copy((json_t *)object) : json_object();
    json_object_foreach((json_t *)patch, name, value)
    {
        if (*name == '$')
            continue;
        if (json_is_null(value)) {
            json_object_del(result, name);
            continue;
        }
        char *deeper = kube_field_join(field, name);
        const struct kube_field *schema = kube_schema(kind, deeper);
        json_t *old = json_object_get(result, name), *merged;
        if (json_is_array(value) && schema && schema->strategic)
            merged = strategic_list(kind, schema, deeper, old, value, why);
        else
            merged = strategic(kind, deeper, old, value, why);
        free(deeper);
        if (!merged) {
            json_decref(result);
            return NULL;
        }
        json_object_set_new(result, name, merged);
    }
    apply_directives(kind, field, result, patch);
    return result;
}

json_t *kube_patch_strategic(const char *kind, const json_t *object, const json_t *patch, char **why)
{
    json_t *copy = json_deep_copy(object), *result = strategic(kind, "", copy, patch, why);
    json_decref(copy);
    return result;
}

// ---- JSON patch ----

// Splits a pointer's next token, decoded (~1, ~0); malloc'd. NULL at its end.
static char *token(const char **pointer)
{
    if (**pointer != '/')
        return NULL;
    size_t len = strcspn(++*pointer, "/"), n = 0;
    char *text = lab_calloc(1, len + 1);
    for (size_t i = 0; i < len; i++) {
        char c = (*pointer)[i];
        if (c == '~' && i + 1 < len)
            c = (*pointer)[++i] == '1' ? '/' : '~';
        text[n++] = c;
    }
    *pointer += len;
    return text;
}

static bool list_index(const json_t *list, const char *text, bool adding, size_t *index)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    size_t size = json_array_size(list);
    if (adding && strcmp(text, "-") == 0) {
        *index = size;
        return true;
    }
    *index = n;
    return end != text && !*end && n < size + (adding ? 1 : 0);
}

// The parent of what a pointer names, and its last token (malloc'd).
static json_t *locate(json_t *root, const char *pointer, char **last)
{
    json_t *at = root;
    char *name = token(&pointer), *next;
    while (name && at && (next = token(&pointer))) {
        size_t i;
        if (json_is_array(at))
            at = list_index(at, name, false, &i) ? json_array_get(at, i) : NULL;
        else
            at = json_object_get(at, name);
        free(name);
        name = next;
    }
    *last = name;
    return name ? at : NULL;
}

static json_t *pointer_get(json_t *root, const char *pointer)
{
    char *last = NULL;
    json_t *parent, *value = NULL;
    size_t i;
    if (!*pointer)
        return root;
    parent = locate(root, pointer, &last);
    if (json_is_array(parent))
        value = list_index(parent, last, false, &i) ? json_array_get(parent, i) : NULL;
    else if (parent)
        value = json_object_get(parent, last);
    free(last);
    return value;
}

enum edit { ADD, REPLACE, REMOVE };

// `value` is stolen.
static bool edit(json_t *root, const char *pointer, enum edit how, json_t *value)
{
    char *last = NULL;
    json_t *parent = locate(root, pointer, &last);
    size_t i;
    bool ok = false;
    if (json_is_array(parent) && list_index(parent, last, how == ADD, &i)) {
        if (how == ADD)
            ok = json_array_insert(parent, i, value) == 0;
        else
            ok = (how == REMOVE ? json_array_remove(parent, i) : json_array_set(parent, i, value)) == 0;
    } else if (json_is_object(parent) && (how == ADD || json_object_get(parent, last))) {
        ok = (how == REMOVE ? json_object_del(parent, last) : json_object_set(parent, last, value)) == 0;
    }
    json_decref(value);
    free(last);
    return ok;
}

static bool operation(json_t *root, const json_t *item, char **why)
{
    const char *op = json_string_value(json_object_get(item, "op"));
    const char *path = json_string_value(json_object_get(item, "path"));
    const char *from = json_string_value(json_object_get(item, "from"));
    json_t *value = json_object_get(item, "value"), *source = from ? pointer_get(root, from) : NULL;
    bool ok = false;
    if (!op || !path) {
        *why = lab_strdup("json patch: an operation needs op and path");
        return false;
    }
    if (strcmp(op, "test") == 0)
        ok = value && pointer_get(root, path) && json_equal(pointer_get(root, path), value);
    else if (strcmp(op, "add") == 0 && value)
        ok = edit(root, path, ADD, json_deep_copy(value));
    else if (strcmp(op, "replace") == 0 && value)
        ok = edit(root, path, REPLACE, json_deep_copy(value));
    else if (strcmp(op, "remove") == 0)
        ok = edit(root, path, REMOVE, NULL);
    else if (strcmp(op, "copy") == 0 && source)
        ok = edit(root, path, ADD, json_deep_copy(source));
    else if (strcmp(op, "move") == 0 && source) {
        json_t *moved = json_deep_copy(source);
        ok = edit(root, from, REMOVE, NULL) && edit(root, path, ADD, json_incref(moved));
        json_decref(moved);
    }
    if (!ok)
        *why = strcmp(op, "test") == 0
                   ? lab_format("testing value %s failed: test failed", path)
                   : lab_format("%s operation does not apply: doc is missing path: %s", op, path);
    return ok;
}

json_t *kube_patch_json(const json_t *object, const json_t *operations, char **why)
{
    json_t *result = json_deep_copy(object);
    size_t i;
    const json_t *item;
    if (!json_is_array(operations)) {
        *why = lab_strdup("json: cannot unmarshal object into Go value of type jsonpatch.Patch");
        json_decref(result);
        return NULL;
    }
    json_array_foreach(operations, i, item) if (!operation(result, item, why))
    {
        json_decref(result);
        return NULL;
    }
    return result;
}
