// The store: typed objects with tags, found by id, filtered and paged the way EC2 does.
#include "inner.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *aws_all(const struct aws_call *c, const char *type)
{
    return json_object_get(c->store, type);
}

json_t *aws_get(const struct aws_call *c, const char *type, const char *id)
{
    return id ? json_object_get(aws_all(c, type), id) : NULL;
}

json_t *aws_find(struct aws_call *c, const char *type, const char *id)
{
    const struct aws_type *t = aws_type(type);
    json_t *object = aws_get(c, type, id);
    if (object)
        return object;
    return aws_fail(c, 400, t->missing, "The %s '%s' does not exist", t->noun, id ? id : "");
}

json_t *aws_find_arg(struct aws_call *c, const char *type, const char *path)
{
    const char *id = aws_need(c, path);
    return id ? aws_find(c, type, id) : NULL;
}

const char *aws_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

bool aws_is(const json_t *object, const char *key, const char *value)
{
    return !strcmp(aws_text(object, key), value);
}

json_t *aws_first(const struct aws_call *c, const char *type, const char *key, const char *value)
{
    const char *id;
    json_t *object;
    json_object_foreach(aws_all(c, type), id, object)
    {
        if (aws_is(object, key, value))
            return object;
    }
    return NULL;
}

const char *aws_tag(const json_t *object, const char *key)
{
    size_t i;
    json_t *tag;
    json_array_foreach(json_object_get(object, "tagSet"), i, tag)
    {
        if (aws_is(tag, "key", key))
            return aws_text(tag, "value");
    }
    return NULL;
}

// The tags of the call's TagSpecifications for `type`; false after a failure.
static bool call_tags(struct aws_call *c, const char *type, json_t *tags)
{
    size_t i, j;
    json_t *specification, *tag;
    const json_t *list = aws_list(c, "TagSpecification");
    json_array_foreach(list ? list : aws_list(c, "TagSpecifications"), i, specification)
    {
        const char *resource = aws_text(specification, "ResourceType");
        if (!*resource) {
            aws_fail(c, 400, "MissingParameter", "The request must contain the parameter ResourceType");
            return false;
        }
        bool run = !strcmp(c->action, "RunInstances");
        if (strcmp(resource, type) != 0 && !run) {
            aws_fail(c, 400, "InvalidParameterValue",
                     "'%s' is not a valid taggable resource type for this operation.", resource);
            return false;
        }
        if (strcmp(resource, type) != 0)
            continue;
        json_array_foreach(json_object_get(specification, "Tag"), j, tag) json_array_append_new(
            tags, json_pack("{ssss}", "key", aws_text(tag, "Key"), "value", aws_text(tag, "Value")));
    }
    return true;
}

json_t *aws_add(struct aws_call *c, const char *type, json_t *object)
{
    const struct aws_type *t = aws_type(type);
    json_t *tags = json_array();
    if (!call_tags(c, type, tags)) {
        json_decref(tags);
        json_decref(object);
        return NULL;
    }
    if (!*aws_text(object, t->id)) {
        char *id = lab_id(t->prefix, 17);
        json_object_set_new(object, t->id, json_string(id));
        free(id);
    }
    if (!json_object_get(object, "ownerId"))
        json_object_set_new(object, "ownerId", json_string(AWS_ACCOUNT));
    json_object_set_new(object, "tagSet", tags);
    json_object_set_new(aws_all(c, type), aws_text(object, t->id), object);
    return object;
}

void aws_remove(struct aws_call *c, const char *type, const char *id)
{
    json_object_del(aws_all(c, type), id);
}

json_t *aws_view_of(struct aws_call *c, const char *type, const json_t *object)
{
    const struct aws_type *t = aws_type(type);
    return t->view ? t->view(c, object) : json_incref((json_t *)(uintptr_t)object);
}

// ---- filters ----

static bool matches(const json_t *patterns, const char *text)
{
    size_t i;
    json_t *pattern;
    json_array_foreach(patterns, i, pattern)
    {
        if (fnmatch(json_string_value(pattern), text, 0) == 0)
            return true;
    }
    return false;
}

// Is any value at the dotted path (through lists) one of the wanted?
static bool path_matches(const json_t *at, const char *path, const json_t *wanted)
{
    if (json_is_array(at)) {
        size_t i;
        json_t *member;
        json_array_foreach(at, i, member)
        {
            if (path_matches(member, path, wanted))
                return true;
        }
        return false;
    }
    if (*path) {
        char part[64];
        size_t len = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)len, path);
        return path_matches(json_object_get(at, part), path + len + (path[len] == '.'), wanted);
    }
    char number[32];
    if (json_is_integer(at)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(at));
        return matches(wanted, number);
    }
    if (json_is_boolean(at))
        return matches(wanted, json_is_true(at) ? "true" : "false");
    return json_is_string(at) && matches(wanted, json_string_value(at));
}

// The path that a filter's name stands for in a type's table ("name=path name=path"); false: no such filter.
static bool filter_path(const char *table, const char *name, char *path, size_t size)
{
    size_t name_len = strlen(name);
    for (const char *p = table; *p;) {
        size_t len = strcspn(p, " "), key = strcspn(p, "=");
        if (key == name_len && !strncmp(p, name, key)) {
            snprintf(path, size, "%.*s", (int)(len - key - 1), p + key + 1);
            return true;
        }
        p += len + (p[len] == ' ');
    }
    return false;
}

static bool passes_one(struct aws_call *c, const struct aws_type *t, const json_t *object,
                       const json_t *filter)
{
    char path[128];
    const char *name = aws_text(filter, "Name");
    json_t *wanted = json_object_get(filter, "Value");
    size_t i;
    json_t *tag;
    if (!strncmp(name, "tag:", 4)) {
        const char *value = aws_tag(object, name + 4);
        return value && matches(wanted, value);
    }
    if (!strcmp(name, "tag-key")) {
        json_array_foreach(json_object_get(object, "tagSet"), i, tag)
        {
            if (matches(wanted, aws_text(tag, "key")))
                return true;
        }
        return false;
    }
    if (filter_path(t->filters, name, path, sizeof path))
        return path_matches(object, path, wanted);
    aws_fail(c, 400, "InvalidParameterValue", "The filter '%s' is invalid", name);
    return false;
}

static bool passes(struct aws_call *c, const struct aws_type *t, const json_t *object)
{
    size_t i;
    json_t *filter;
    json_array_foreach(aws_list(c, "Filter"), i, filter)
    {
        if (!passes_one(c, t, object, filter))
            return false;
    }
    return true;
}

// A filter is judged even where there is nothing to filter.
static bool filters_valid(struct aws_call *c, const struct aws_type *t)
{
    static const json_t *nothing = NULL;
    size_t i;
    json_t *filter;
    json_array_foreach(aws_list(c, "Filter"), i, filter)
    {
        if (!json_is_array(json_object_get(filter, "Value"))) {
            aws_fail(c, 400, "InvalidParameterValue", "The filter '%s' has no value",
                     aws_text(filter, "Name"));
            return false;
        }
        passes_one(c, t, nothing, filter);
    }
    return !c->status;
}

// ---- describe ----

json_t *aws_page(struct aws_call *c, const char *set, json_t *all, const char *limit, const char *token)
{
    size_t total = json_array_size(all), start = 0, count = total;
    char *end = NULL;
    if (token && *token) {
        char *text = lab_unbase64(token, NULL);
        start = text ? strtoul(text, &end, 10) : total + 1;
        bool bad = !end || *end || start > total;
        free(text);
        if (bad) {
            json_decref(all);
            return aws_fail(c, 400, "InvalidNextToken", "The token '%s' is invalid", token);
        }
    }
    if (limit && *limit)
        count = strtoul(limit, NULL, 10);
    json_t *page = json_array(), *answer = json_object();
    for (size_t i = start; i < total && i - start < count; i++)
        json_array_append(page, json_array_get(all, i));
    json_object_set_new(answer, set, page);
    if (start + json_array_size(page) < total) {
        char *text = lab_format("%zu", start + json_array_size(page)), *next = lab_base64(text, strlen(text));
        json_object_set_new(answer, "nextToken", json_string(next));
        free(text);
        free(next);
    }
    json_decref(all);
    return answer;
}

json_t *aws_describe(struct aws_call *c, const char *type)
{
    const struct aws_type *t = aws_type(type);
    const json_t *ids = aws_list(c, t->ids);
    const char *key, *limit = aws_str(c, "MaxResults");
    size_t i;
    json_t *id, *object;
    if (!filters_valid(c, t))
        return NULL;
    if (ids && limit)
        return aws_fail(c, 400, "InvalidParameterCombination",
                        "The parameter %s cannot be used with the parameter maxResults", t->ids);
    if (limit && (strtol(limit, NULL, 10) < 5 || strtol(limit, NULL, 10) > 1000))
        return aws_fail(
            c, 400, "InvalidParameterValue",
            "Value ( %s ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.", limit);
    json_array_foreach(ids, i, id)
    {
        if (!aws_find(c, type, json_string_value(id)))
            return NULL;
    }
    json_t *found = json_array(), *every = json_object();
    if (ids) {
        json_array_foreach(ids, i, id)
            json_object_set(every, json_string_value(id), aws_get(c, type, json_string_value(id)));
    } else {
        json_object_update(every, aws_all(c, type));
    }
    json_object_foreach(every, key, object)
    {
        json_t *view = aws_view_of(c, type, object);
        if (passes(c, t, view))
            json_array_append(found, view);
        json_decref(view);
    }
    json_decref(every);
    return aws_page(c, t->set, found, limit, aws_str(c, "NextToken"));
}
