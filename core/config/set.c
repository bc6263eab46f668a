// --set PATH=VALUE: a value over the configuration. What it names has to be there, or a typing error would do nothing.
#include "config/internal.h"

#include <isthmus/alloc.h>

#include <stdint.h>
#include <string.h>

#define MAX_PATH  1000
#define MAX_NAMES 1000

// A copy of `base` (NULL: nothing yet) in which `path` is `value`; NULL when the path does not fit.
static const struct node *with_value(struct arena *arena, const struct node *base, const char *path,
                                     const struct node *value)
{
    char key[256];
    long index;
    int rc = path_next(&path, key, sizeof(key), &index);
    if (rc == 0)
        return base ? node_as(arena, value, base->key, base->key_place) : value;
    if (rc < 0)
        return NULL;
    if (index >= 0) {
        if (!base || base->kind != NODE_LIST || (size_t)index >= base->count)
            return NULL;
        const struct node *item = with_value(arena, base->items[index], path, value);
        struct node *list = node_new(arena, NODE_LIST, base->place);
        for (size_t i = 0; item && i < base->count; i++)
            node_add(arena, list, (struct node *)(uintptr_t)(i == (size_t)index ? item : base->items[i]));
        return item ? node_as(arena, list, base->key, base->key_place) : NULL;
    }
    if (base && base->kind != NODE_MAP && base->kind != NODE_NULL)
        return NULL;
    const struct node *child = with_value(arena, node_get(base, key), path, value);
    if (!child)
        return NULL;
    struct node *over = node_new(arena, NODE_MAP, value->place);
    node_add(arena, over, node_as(arena, child, key, value->place));
    if (!base || base->kind == NODE_NULL)
        return base ? node_as(arena, over, base->key, base->key_place) : over;
    // Merging would mix the old map with the new value: the old child goes first.
    struct node *rest = node_new(arena, NODE_MAP, base->place);
    for (size_t i = 0; i < base->count; i++)
        node_add(arena, rest, strcmp(base->items[i]->key, key) == 0 ? over->items[0] : base->items[i]);
    if (!node_get(base, key))
        node_add(arena, rest, over->items[0]);
    return node_as(arena, rest, base->key, base->key_place);
}

// ---- what there is

struct names {
    const char *items[MAX_NAMES];
    size_t count;
};

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

static void add_name(struct names *names, const char *name)
{
    if (names->count < MAX_NAMES && !has_name(names, name))
        names->items[names->count++] = name;
}

static void add_keys(struct names *names, const struct node *map)
{
    for (size_t i = 0; map && map->kind == NODE_MAP && i < map->count; i++)
        add_name(names, map->items[i]->key);
}

// Variables that something refers to, as ${var.x:-default} does to one that need not be there.
static void add_referred(struct config *config, struct names *names, const struct node *node)
{
    struct text parsed;
    size_t offset;
    char why[400];
    for (size_t i = 0; i < node->count; i++)
        add_referred(config, names, node->items[i]);
    if (node->kind != NODE_STRING || !text_has_reference(node->text) ||
        text_parse(config->arena, node->text, &parsed, &offset, why, sizeof(why)))
        return;
    for (size_t i = 0; i < parsed.count; i++) {
        const struct part *part = &parsed.parts[i];
        if (!part->literal && part->kind == REF_VAR)
            add_name(names, arena_strndup(config->arena, part->name, strcspn(part->name, ".[")));
    }
}

static void variables_of(struct config *config, struct names *names)
{
    const struct node *pipelines = node_get(config->root, "pipelines");
    add_keys(names, node_get(config->root, "vars"));
    for (size_t i = 0; pipelines && pipelines->kind == NODE_MAP && i < pipelines->count; i++)
        add_keys(names, node_get(pipelines->items[i], "vars"));
    add_referred(config, names, config->root);
}

static void say_unknown(struct diags *diags, struct place place, const char *what, const char *name,
                        const struct names *names)
{
    const char *near = nearest(name, names->items, names->count);
    if (near)
        diag_error(diags, place, "unknown %s `%s`, did you mean `%s`?", what, name, near);
    else
        diag_error(diags, place, "unknown %s `%s`", what, name);
    if (near || !names->count)
        return;
    ist_buf list = {.max = 400};
    for (size_t i = 0; i < names->count; i++)
        ist_buf_printf(&list, "%s%s", i ? ", " : "", names->items[i]);
    char *text = ist_buf_take(&list);
    diag_hint(diags, "there are: %s", text);
    ist_free(text);
}

// Is what the path leads into there? Says what is not. A whole pipeline or step may be new.
static bool is_there(struct config *config, struct diags *diags, struct place place, const char *path)
{
    struct names names = {0};
    char key[256], pipeline[256];
    long index;
    if (path_next(&path, key, sizeof(key), &index) <= 0)
        return true; // setting it says what is wrong
    const bool vars = strcmp(key, "vars") == 0;
    if ((!vars && strcmp(key, "pipelines") != 0) || path_next(&path, key, sizeof(key), &index) <= 0)
        return true;
    if (vars) {
        variables_of(config, &names);
        if (!has_name(&names, key))
            say_unknown(diags, place, "variable", key, &names);
        return has_name(&names, key);
    }
    snprintf(pipeline, sizeof(pipeline), "%s", key);
    add_keys(&names, node_get(config->root, "pipelines"));
    if (!*path || has_name(&names, pipeline)) {
        const struct node *steps = node_get(node_get(node_get(config->root, "pipelines"), pipeline), "steps");
        if (!*path || path_next(&path, key, sizeof(key), &index) <= 0 || strcmp(key, "steps") != 0 ||
            path_next(&path, key, sizeof(key), &index) <= 0 || index >= 0 || !*path || node_get(steps, key))
            return true;
        names.count = 0;
        add_keys(&names, steps);
        say_unknown(diags, place, "step", key, &names);
        return false;
    }
    say_unknown(diags, place, "pipeline", pipeline, &names);
    return false;
}

// ---- setting

// A pipeline's own variable stands over the one of all: it is set there too. `path` begins with "vars.".
static const struct node *set_own(struct config *config, const struct node *root, const char *path,
                                  const struct node *value)
{
    const struct node *pipelines = node_get(root, "pipelines");
    char *name = ist_strndup(path + 5, strcspn(path + 5, ".["));
    for (size_t i = 0; pipelines && pipelines->kind == NODE_MAP && i < pipelines->count; i++) {
        const struct node *pipeline = pipelines->items[i];
        if (!node_get(node_get(pipeline, "vars"), name))
            continue;
        char *tail = ist_printf(".%s", path), *own = path_join("pipelines", pipeline->key), *whole;
        whole = ist_printf("%s%s", own, tail);
        const struct node *made = with_value(config->arena, root, whole, value);
        root = made ? made : root;
        ist_free(tail);
        ist_free(own);
        ist_free(whole);
    }
    ist_free(name);
    return root;
}

void config_set(struct config *config, struct diags *diags, const char *set)
{
    const char *equals = strchr(set, '=');
    char *name = ist_printf("--set %.*s", (int)(equals ? equals - set : (long)strlen(set)), set);
    struct place place = {name, 0, 0};
    struct node *value = NULL;
    char first[32];
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(set, ".[="), set);
    bool top = strcmp(first, "isthmus") == 0 || strcmp(first, "vars") == 0 || strcmp(first, "pipelines") == 0;
    char *path = equals ? ist_printf("%s%.*s", top ? "" : "vars.", (int)(equals - set), set) : NULL;
    if (!equals || equals == set)
        diag_error(diags, place, "expected PATH=VALUE");
    else if (equals - set > MAX_PATH)
        diag_error(diags, (struct place){"--set", 0, 0}, "a path of over %d characters", MAX_PATH);
    else if (!node_read_text(config->arena, diags, name, equals + 1, strlen(equals + 1), &value) &&
             is_there(config, diags, place, path)) {
        const struct node *root = with_value(config->arena, config->root, path, value);
        if (!root)
            diag_error(diags, place, "there is nothing like `%s` to set", path);
        else
            config->root = strncmp(path, "vars.", 5) == 0 ? set_own(config, root, path, value) : root;
    }
    ist_free(path);
    ist_free(name);
}
