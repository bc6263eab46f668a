// Taking text with references apart, and paths.
#include "config/reference.h"

#include <isthmus/alloc.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARTS 1000

// ---- paths

int path_next(const char **path, char *key, size_t size, long *index)
{
    const char *p = *path, *end;
    *index = -1;
    if (!*p)
        return 0;
    if (*p == '.')
        p++;
    if (*p == '[') {
        char quote = p[1] == '\'' || p[1] == '"' ? p[1] : '\0';
        const char *from = p + 1 + (quote != '\0');
        end = strchr(from, quote ? quote : ']');
        if (!end || (quote && end[1] != ']'))
            return -1;
        *path = end + 1 + (quote != '\0');
        p = from;
        if (!quote) {
            char *stop;
            *index = strtol(from, &stop, 10);
            if (stop == end && isdigit((unsigned char)*from))
                return *index > 1000000 ? -1 : 1;
            *index = -1; // a key in brackets: net[eu]
        }
    } else {
        end = p + strcspn(p, ".[");
        *path = end;
    }
    size_t len = (size_t)(end - p);
    if (!len || len >= size)
        return -1;
    memcpy(key, p, len);
    key[len] = '\0';
    return 1;
}

const json_t *path_json(const json_t *json, const char *path)
{
    char key[256];
    long index;
    int rc;
    while (json && (rc = path_next(&path, key, sizeof(key), &index)) != 0) {
        if (rc < 0)
            return NULL;
        json = index >= 0 ? json_array_get(json, (size_t)index) : json_object_get(json, key);
    }
    return json;
}

const struct node *path_node(const struct node *node, const char *path)
{
    char key[256];
    long index;
    int rc;
    while (node && (rc = path_next(&path, key, sizeof(key), &index)) != 0) {
        if (rc < 0)
            return NULL;
        if (index >= 0)
            node = node->kind == NODE_LIST && (size_t)index < node->count ? node->items[index] : NULL;
        else
            node = node_get(node, key);
    }
    return node;
}

char *path_join(const char *path, const char *key)
{
    if (strpbrk(key, ".[]"))
        return ist_printf("%s['%s']", path, key);
    return ist_printf("%s%s%s", path, *path ? "." : "", key);
}

// ---- text

bool text_has_reference(const char *text)
{
    return strstr(text, "${") != NULL;
}

// The brace that closes the one `text` stands behind; NULL when there is none.
static const char *closing(const char *text)
{
    int depth = 1;
    for (; *text; text++) {
        if (*text == '{')
            depth++;
        else if (*text == '}' && --depth == 0)
            return text;
    }
    return NULL;
}

struct job {
    struct arena *arena;
    char *why;
    size_t why_size;
};

static int refuse(const struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(const struct job *job, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(job->why, job->why_size, format, args);
    va_end(args);
    return -1;
}

static bool is_name(const char *text, const char *also)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(also, *text))
            return false;
    return true;
}

static bool is_path(const char *path)
{
    char key[256];
    long index;
    int rc;
    while ((rc = path_next(&path, key, sizeof(key), &index)) > 0)
        ;
    return rc == 0;
}

// steps.NAME.OUTPUT..., steps.NAME[KEY].OUTPUT...
static int parse_step(const struct job *job, const char *rest, struct part *part)
{
    char name[128], output[128];
    long index;
    const char *at = rest;
    if (path_next(&at, name, sizeof(name), &index) != 1 || index >= 0)
        return refuse(job, "a step's name is missing in ${%s}: ${steps.NAME.OUTPUT}", part->inner);
    part->name = arena_strndup(job->arena, name, strlen(name));
    const char *bracket = at;
    if (*at == '[') {
        char key[128];
        if (path_next(&at, key, sizeof(key), &index) != 1)
            return refuse(job, "what stands in the brackets of ${%s} cannot be read", part->inner);
        if (index >= 0) // a for_each over numbers has keys that look like an index
            part->key = arena_strndup(job->arena, bracket + 1, (size_t)(at - bracket) - 2);
        else
            part->key = arena_strndup(job->arena, key, strlen(key));
    }
    if (*at != '.' || path_next(&at, output, sizeof(output), &index) != 1 || index >= 0)
        return refuse(job, "an output is missing in ${%s}: ${steps.%s.OUTPUT}", part->inner, name);
    part->output = arena_strndup(job->arena, output, strlen(output));
    part->path = arena_strndup(job->arena, at, strlen(at));
    if (!is_path(at))
        return refuse(job, "the path in ${%s} cannot be read", part->inner);
    return 0;
}

static int parse_each(const struct job *job, const char *rest, struct part *part)
{
    if (strcmp(rest, "key") == 0) {
        part->name = "key";
        return 0;
    }
    part->name = "value";
    if (strncmp(rest, "value", 5) != 0 || (rest[5] && rest[5] != '.' && rest[5] != '[') || !is_path(rest + 5))
        return refuse(job, "${%s}: there are ${each.key} and ${each.value}", part->inner);
    part->path = arena_strndup(job->arena, rest + 5, strlen(rest + 5));
    return 0;
}

static int parse_body(const struct job *job, struct part *part)
{
    static const char *const heads[] = {"steps", "env", "file", "cmd", "var", "each"};
    char head[32];
    size_t len = strcspn(part->inner, "."), kind = 0;
    snprintf(head, sizeof(head), "%.*s", (int)len, part->inner);
    if (strcmp(head, "vars") == 0)
        return refuse(job, "unknown reference ${%s}, did you mean ${var%s}?", part->inner, part->inner + len);
    while (kind < 6 && strcmp(head, heads[kind]) != 0)
        kind++;
    if (kind == 6 || !part->inner[len]) {
        const char *near = nearest(head, heads, 6);
        if (near && part->inner[len])
            return refuse(job, "unknown reference ${%s}, did you mean ${%s%s}?", part->inner, near,
                          part->inner + len);
        return refuse(job, "unknown reference ${%s}: there are steps., env., file., cmd., var. and each.",
                      part->inner);
    }
    part->kind = (enum reference_kind)kind;
    const char *rest = part->inner + len + 1, *fallback = strstr(rest, ":-");
    if (fallback && part->kind != REF_CMD) {
        part->fallback = fallback + 2;
        rest = arena_strndup(job->arena, rest, (size_t)(fallback - rest));
        if (part->kind != REF_ENV && part->kind != REF_FILE && part->kind != REF_VAR)
            return refuse(job, "${%s}: only env, file and var have a default", part->inner);
    }
    switch (part->kind) {
    case REF_STEP:
        return parse_step(job, rest, part);
    case REF_EACH:
        return parse_each(job, rest, part);
    case REF_ENV:
        if (!is_name(rest, "_") || isdigit((unsigned char)*rest))
            return refuse(job, "`%s` is no name of an environment variable", rest);
        break;
    case REF_VAR:
        if (!*rest || !is_path(rest))
            return refuse(job, "a variable's name is missing in ${%s}", part->inner);
        break;
    default:
        if (!rest[strspn(rest, " \t")])
            return refuse(job, "nothing stands behind the dot in ${%s}", part->inner);
    }
    part->name = rest;
    return 0;
}

static void add_literal(const struct job *job, struct text *parsed, const char *from, size_t len)
{
    struct part *last = parsed->count ? &parsed->parts[parsed->count - 1] : NULL;
    if (!len)
        return;
    if (last && last->literal) {
        size_t before = strlen(last->literal);
        char *joined = arena_alloc(job->arena, before + len + 1);
        memcpy(joined, last->literal, before);
        memcpy(joined + before, from, len);
        last->literal = joined;
        return;
    }
    parsed->parts[parsed->count++] =
        (struct part){.literal = arena_strndup(job->arena, from, len), .path = ""};
}

int text_parse(struct arena *arena, const char *text, struct text *parsed, size_t *offset, char *why,
               size_t size)
{
    struct job job = {arena, why, size};
    size_t references = 0;
    for (const char *p = text; (p = strstr(p, "${")); p += 2)
        references++;
    *offset = 0;
    if (references > MAX_PARTS)
        return refuse(&job, "over %d references in one text", MAX_PARTS);
    struct text made = {arena_alloc(arena, (2 * references + 1) * sizeof(struct part)), 0};
    const char *at = text;
    while (*at) {
        const char *open = strstr(at, "${");
        if (!open) {
            add_literal(&job, &made, at, strlen(at));
            break;
        }
        if (open > at && open[-1] == '$') { // $${
            add_literal(&job, &made, at, (size_t)(open - 1 - at));
            add_literal(&job, &made, open, 2);
            at = open + 2;
            continue;
        }
        add_literal(&job, &made, at, (size_t)(open - at));
        *offset = (size_t)(open - text);
        const char *close = closing(open + 2);
        if (!close)
            return refuse(&job, "${ without }: write $${ for the characters themselves");
        struct part part = {.path = "", .offset = *offset};
        part.inner = arena_strndup(arena, open + 2, (size_t)(close - open - 2));
        if (parse_body(&job, &part))
            return -1;
        made.parts[made.count++] = part;
        at = close + 1;
    }
    *parsed = made;
    return 0;
}
