// jansson, strict and capped, and paths into trees.
#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int depth_over(const json_t *json, int left)
{
    if (left < 0)
        return 1;
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_object(json)) {
        json_object_foreach((json_t *)(uintptr_t)json, key, child) if (depth_over(child, left - 1)) return 1;
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, child) if (depth_over(child, left - 1)) return 1;
    }
    return 0;
}

int32_t ist_json_parse(const char *text, size_t len, const char *where, json_t **json, ist_error *err)
{
    if (len > IST_JSON_MAX_SIZE)
        return ist_fail(err, IST_ERR_LIMIT, where, "JSON document of %zu bytes: over the limit of %u", len,
                        IST_JSON_MAX_SIZE);
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!root)
        return ist_fail(err, IST_ERR_REMOTE, where, "not valid JSON at line %d, column %d: %s", why.line,
                        why.column, why.text);
    if (depth_over(root, IST_JSON_MAX_DEPTH)) {
        json_decref(root);
        return ist_fail(err, IST_ERR_LIMIT, where, "JSON nested over %d levels", IST_JSON_MAX_DEPTH);
    }
    *json = root;
    return IST_OK;
}

char *ist_json_text(const json_t *json)
{
    char *dumped = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    char *text = ist_strdup(dumped ? dumped : "null");
    free(dumped);
    return text;
}

// One key of a path: up to '.', '[' or the closing quote. Moves *path behind it.
static size_t take_key(const char **path, char *key, size_t size)
{
    const char *p = *path;
    char quote = *p == '\'' ? *p++ : '\0';
    size_t n = 0;
    while (*p && (quote ? *p != quote : *p != '.' && *p != '[') && n + 1 < size)
        key[n++] = *p++;
    if (quote && *p == quote)
        p++;
    key[n] = '\0';
    *path = p;
    return n;
}

json_t *ist_json_at(const json_t *json, const char *path)
{
    const json_t *at = json;
    if (!path[strcspn(path, ".['")]) // most are one key
        return *path ? json_object_get(json, path) : (json_t *)(uintptr_t)json;
    while (at && *path) {
        if (*path == '.') {
            path++;
        } else if (*path == '[') {
            char *end;
            unsigned long i = strtoul(path + 1, &end, 10);
            at = json_array_get(at, i);
            path = *end == ']' ? end + 1 : end;
        } else {
            char key[256];
            take_key(&path, key, sizeof(key));
            at = json_object_get(at, key);
        }
    }
    return (json_t *)(uintptr_t)at;
}

const char *ist_json_str(const json_t *json, const char *path)
{
    return json_string_value(ist_json_at(json, path));
}

const char *ist_json_str_or(const json_t *json, const char *path, const char *otherwise)
{
    const char *text = ist_json_str(json, path);
    return text ? text : otherwise;
}

int64_t ist_json_int(const json_t *json, const char *path, int64_t otherwise)
{
    const json_t *at = ist_json_at(json, path);
    return json_is_integer(at) ? (int64_t)json_integer_value(at) : otherwise;
}

int ist_json_bool(const json_t *json, const char *path, int otherwise)
{
    const json_t *at = ist_json_at(json, path);
    return json_is_boolean(at) ? json_is_true(at) : otherwise;
}

int ist_json_has(const json_t *list, const char *text)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
            return 1;
    }
    return 0;
}

void ist_json_add(json_t *list, const char *text)
{
    if (!ist_json_has(list, text))
        json_array_append_new(list, json_string(text));
}
