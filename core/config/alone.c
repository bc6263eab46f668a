// The inputs of a plugin that is used alone, outside of any pipeline: a file and --set, against its table.
#include "config/internal.h"

#include <isthmus/alloc.h>

#include <string.h>

// "a.b=VALUE" as a map of maps.
static struct node *set_node(struct arena *arena, struct diags *diags, const char *set)
{
    const char *equals = strchr(set, '=');
    char name[128];
    snprintf(name, sizeof(name), "--set %.*s", (int)(equals ? equals - set : (long)strlen(set)), set);
    struct place place = {arena_strndup(arena, name, strlen(name)), 0, 0};
    struct node *value = NULL;
    if (!equals || equals == set) {
        diag_error(diags, place, "expected PATH=VALUE");
        return NULL;
    }
    if (node_read_text(arena, diags, place.file, equals + 1, strlen(equals + 1), &value))
        return NULL;
    if (!value)
        value = node_new(arena, NODE_NULL, place);
    for (const char *end = equals; end > set;) {
        const char *key = end;
        while (key > set && key[-1] != '.')
            key--;
        struct node *map = node_new(arena, NODE_MAP, place);
        char *word = arena_strndup(arena, key, (size_t)(end - key));
        node_add(arena, map, node_as(arena, value, word, place));
        value = map;
        end = key > set ? key - 1 : key;
    }
    return value;
}

int inputs_alone(const struct plugin_info *info, const char *file, const char *const *sets, size_t count,
                 struct diags *diags, struct resolved *resolved)
{
    struct config config = {.arena = arena_new()};
    struct scope scope = {.config = &config, .diags = diags};
    struct place place = {file ? file : "--set", 0, 0};
    struct node *map = NULL;
    if (file)
        node_read(config.arena, diags, file, &map);
    for (size_t i = 0; i < count; i++) {
        struct node *over = set_node(config.arena, diags, sets[i]);
        if (over)
            map = map ? node_merge(config.arena, map, over) : over;
    }
    char *what = ist_printf("plugin %s", info->name);
    if (!map)
        map = node_new(config.arena, NODE_MAP, place);
    struct value value = {.failed = true};
    if (!diags_errors(diags))
        value = table_values(&scope, info->inputs, info->input_count, map, place, what, "");
    int rc = value.failed || !value.json || diags_errors(diags) ? -1 : 0;
    if (!rc) {
        *resolved = (struct resolved){.inputs = json_incref(value.json),
                                      .public_inputs = json_incref(value.record),
                                      .secrets = scope.secrets.items,
                                      .secret_count = scope.secrets.count};
        scope.secrets = (struct strings){0};
    }
    value_clear(&value);
    scope_free(&scope);
    for (struct command_output *c = config.commands, *next; c; c = next) {
        next = c->next;
        ist_free(c->command);
        ist_free_secret(c->text);
        ist_free(c);
    }
    arena_free(config.arena);
    ist_free(what);
    return rc;
}
