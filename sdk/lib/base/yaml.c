// YAML streams as JSON trees, from libyaml's events.
#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define MAX_DEPTH   64
#define MAX_SIZE    ((size_t)16 << 20)
#define MAX_ALIASED 10000

typedef struct anchor {
    char *name;
    json_t *value;
} anchor;

typedef struct reader {
    yaml_parser_t parser;
    const char *name;
    ist_error *err;
    anchor *anchors; // of the document under way
    size_t anchor_count;
    size_t aliased; // nodes that aliases have stood for so far
} reader;

static int32_t refuse(reader *r, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int32_t refuse(reader *r, yaml_mark_t mark, const char *format, ...)
{
    char where[160], text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(where, sizeof(where), "%s:%zu:%zu", r->name, mark.line + 1, mark.column + 1);
    return ist_fail(r->err, IST_ERR_INPUT, where, "%s", text);
}

static int32_t next(reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return IST_OK;
    const char *problem = r->parser.problem ? r->parser.problem : "cannot be read";
    yaml_mark_t mark = r->parser.problem_mark;
    if (r->parser.error == YAML_READER_ERROR)
        mark = r->parser.mark;
    return refuse(r, mark, "not valid YAML: %s", problem);
}

static size_t nodes_of(const json_t *json)
{
    size_t sum = 1, i;
    const char *key;
    json_t *child;
    if (json_is_object(json)) {
        json_object_foreach((json_t *)(uintptr_t)json, key, child) sum += nodes_of(child);
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, child) sum += nodes_of(child);
    }
    return sum;
}

static void remember(reader *r, const yaml_char_t *name, json_t *value)
{
    if (!name)
        return;
    r->anchors = ist_realloc(r->anchors, r->anchor_count + 1, sizeof(anchor));
    r->anchors[r->anchor_count++] = (anchor){ist_strdup((const char *)name), json_incref(value)};
}

static void forget(reader *r)
{
    for (size_t i = 0; i < r->anchor_count; i++) {
        ist_free(r->anchors[i].name);
        json_decref(r->anchors[i].value);
    }
    ist_free(r->anchors);
    r->anchors = NULL;
    r->anchor_count = 0;
}

// A copy: two places of a tree must not be one object, or changing one changes the other.
static int32_t alias_of(reader *r, const yaml_event_t *event, json_t **value)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = r->anchor_count; i-- > 0;) {
        if (strcmp(r->anchors[i].name, name) != 0)
            continue;
        r->aliased += nodes_of(r->anchors[i].value);
        if (r->aliased > MAX_ALIASED)
            return refuse(r, event->start_mark, "aliases stand for over 10,000 nodes");
        *value = json_deep_copy(r->anchors[i].value);
        return IST_OK;
    }
    return refuse(r, event->start_mark, "no anchor `%s` before this alias", name);
}

static int known_tag(const char *tag, const char *const *tags)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    if (strncmp(tag, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    for (; *tags; tags++)
        if (strcmp(tag + sizeof(prefix) - 1, *tags) == 0)
            return 1;
    return 0;
}

static int32_t scalar_of(reader *r, const yaml_event_t *event, json_t **value)
{
    static const char *const plain[] = {"int", "float", "bool", "null", NULL};
    static const char *const strings[] = {"str", NULL};
    const char *text = (const char *)event->data.scalar.value, *tag = (const char *)event->data.scalar.tag;
    size_t len = event->data.scalar.length;
    if (memchr(text, '\0', len))
        return refuse(r, event->start_mark, "a NUL character in a text");
    int is_string = !event->data.scalar.plain_implicit;
    if (tag && strcmp(tag, "!") != 0) {
        is_string = known_tag(tag, strings);
        if (!is_string && !known_tag(tag, plain))
            return refuse(r, event->start_mark, "unknown tag %s", tag);
    }
    json_t *made = is_string ? json_stringn(text, len) : ist_yaml_scalar(text);
    if (!made)
        return refuse(r, event->start_mark, "text that is not UTF-8");
    *value = made;
    return IST_OK;
}

static int32_t read_node(reader *r, const yaml_event_t *event, int depth, json_t **value);

static int32_t list_of(reader *r, int depth, json_t *list)
{
    for (;;) {
        yaml_event_t event;
        int32_t rc = next(r, &event);
        if (rc != IST_OK)
            return rc;
        json_t *item = NULL;
        int end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!end)
            rc = read_node(r, &event, depth, &item);
        yaml_event_delete(&event);
        if (end || rc != IST_OK)
            return rc;
        json_array_append_new(list, item);
    }
}

static int32_t key_of(reader *r, const yaml_event_t *event, const json_t *map, char **key)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(r, event->start_mark, "a key must be text");
    const char *text = (const char *)event->data.scalar.value;
    if (memchr(text, '\0', event->data.scalar.length))
        return refuse(r, event->start_mark, "a NUL character in a key");
    if (json_object_get(map, text))
        return refuse(r, event->start_mark, "duplicate key `%s`", text);
    *key = ist_strdup(text);
    return IST_OK;
}

static int32_t map_of(reader *r, int depth, json_t *map)
{
    for (;;) {
        yaml_event_t event;
        int32_t rc = next(r, &event);
        if (rc != IST_OK)
            return rc;
        char *key = NULL;
        int end = event.type == YAML_MAPPING_END_EVENT;
        if (!end)
            rc = key_of(r, &event, map, &key);
        yaml_mark_t mark = event.start_mark;
        yaml_event_delete(&event);
        if (end || rc != IST_OK)
            return rc;
        json_t *item = NULL;
        rc = next(r, &event);
        if (rc == IST_OK) {
            rc = read_node(r, &event, depth, &item);
            yaml_event_delete(&event);
        }
        if (rc == IST_OK && json_object_set_new(map, key, item) != 0)
            rc = refuse(r, mark, "a key that is not UTF-8");
        ist_free(key);
        if (rc != IST_OK)
            return rc;
    }
}

static int32_t read_node(reader *r, const yaml_event_t *event, int depth, json_t **value)
{
    static const char *const maps[] = {"map", NULL}, *const lists[] = {"seq", NULL};
    if (depth > MAX_DEPTH)
        return refuse(r, event->start_mark, "nested over 64 levels");
    if (event->type == YAML_ALIAS_EVENT)
        return alias_of(r, event, value);
    json_t *made = NULL;
    int32_t rc = IST_OK;
    const yaml_char_t *name;
    if (event->type == YAML_SCALAR_EVENT) {
        rc = scalar_of(r, event, &made);
        name = event->data.scalar.anchor;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        const char *tag = (const char *)event->data.sequence_start.tag;
        name = event->data.sequence_start.anchor;
        if (tag && !known_tag(tag, lists))
            return refuse(r, event->start_mark, "unknown tag %s", tag);
        made = json_array();
        rc = list_of(r, depth + 1, made);
    } else {
        const char *tag = (const char *)event->data.mapping_start.tag;
        name = event->data.mapping_start.anchor;
        if (tag && !known_tag(tag, maps))
            return refuse(r, event->start_mark, "unknown tag %s", tag);
        made = json_object();
        rc = map_of(r, depth + 1, made);
    }
    if (rc != IST_OK) {
        json_decref(made);
        return rc;
    }
    remember(r, name, made);
    *value = made;
    return IST_OK;
}

static int32_t read_stream(reader *r, json_t *documents)
{
    for (;;) {
        yaml_event_t event;
        int32_t rc = next(r, &event);
        if (rc != IST_OK)
            return rc;
        yaml_event_type_t type = event.type;
        json_t *document = NULL;
        if (type == YAML_DOCUMENT_END_EVENT)
            forget(r);
        else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                 type != YAML_DOCUMENT_START_EVENT)
            rc = read_node(r, &event, 1, &document);
        yaml_event_delete(&event);
        if (document && !json_is_null(document))
            json_array_append(documents, document);
        json_decref(document);
        if (rc != IST_OK || type == YAML_STREAM_END_EVENT)
            return rc;
    }
}

int32_t ist_yaml_parse_all(const char *text, size_t len, const char *name, json_t **documents, ist_error *err)
{
    if (len > MAX_SIZE)
        return ist_fail(err, IST_ERR_LIMIT, name, "YAML of %zu bytes: over the limit of 16 MiB", len);
    reader r = {.name = name, .err = err};
    if (!yaml_parser_initialize(&r.parser))
        return ist_fail(err, IST_ERR_INTERNAL, name, "no memory for a YAML parser");
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    json_t *list = json_array();
    int32_t rc = read_stream(&r, list);
    forget(&r);
    yaml_parser_delete(&r.parser);
    if (rc == IST_OK)
        *documents = json_incref(list);
    json_decref(list);
    return rc;
}

int32_t ist_yaml_parse(const char *text, size_t len, const char *name, json_t **document, ist_error *err)
{
    json_t *all = NULL;
    int32_t rc = ist_yaml_parse_all(text, len, name, &all, err);
    if (rc != IST_OK)
        return rc;
    size_t count = json_array_size(all);
    if (count > 1)
        rc = ist_fail(err, IST_ERR_INPUT, name, "expected one YAML document, found %zu", count);
    else
        *document = count ? json_incref(json_array_get(all, 0)) : json_null();
    json_decref(all);
    return rc;
}
