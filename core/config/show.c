// The merged configuration for people: as YAML with origins, or JSON; secrets left out.
#include "config/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct showing {
    const struct config *config;
    struct catalog *catalog;
    struct strings secret_vars; // variables that secret inputs refer to
};

// Without a table: what is called like a secret is one.
static bool named_like_secret(const char *key)
{
    static const char *const words[] = {"pass",       "secret",  "token",     "psk",
                                        "shared-key", "authkey", "credential"};
    for (size_t i = 0; key && i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasestr(key, words[i]))
            return true;
    size_t len = key ? strlen(key) : 0;
    return len >= 3 && strcasecmp(key + len - 3, "key") == 0;
}

static const struct plugin_info *info_of(struct showing *s, const struct node *step)
{
    const struct node *plugin = node_get(step, "plugin");
    return s->catalog && plugin && plugin->text ? catalog_find(s->catalog, plugin->text, NULL) : NULL;
}

// Is a scalar a secret? `info` and `field` are known within `with:`.
static bool is_secret(const struct showing *s, const struct plugin_info *info, const char *field,
                      const struct node *node, bool of_vars)
{
    if (node->kind == NODE_NULL || node->kind == NODE_BOOL || (node->text && text_has_reference(node->text)))
        return false;
    if (of_vars) {
        for (size_t i = 0; i < s->secret_vars.count; i++)
            if (node->key && strcmp(s->secret_vars.items[i], node->key) == 0)
                return true;
        return named_like_secret(node->key);
    }
    if (!field)
        return false;
    const ist_field *row = info ? plugin_input(info, field) : NULL;
    if (row)
        return row->flags & IST_SECRET || strstr(row->type, "secret");
    return named_like_secret(node->key);
}

// ---- which variables are secrets

static void mark_vars(struct showing *s, const struct plugin_info *info, const struct node *node,
                      const char *field)
{
    const ist_field *row = plugin_input(info, field);
    struct text parsed;
    size_t offset;
    char why[400];
    for (size_t i = 0; i < node->count; i++) {
        const char *key = node->items[i]->key;
        char *inner = key ? ist_printf("%s%s%s", field, *field ? "." : "", key) : ist_printf("%s[]", field);
        mark_vars(s, info, node->items[i], inner);
        ist_free(inner);
    }
    if (!row || !(row->flags & IST_SECRET || strstr(row->type, "secret")) || node->kind != NODE_STRING ||
        text_parse(s->config->arena, node->text, &parsed, &offset, why, sizeof(why)))
        return;
    for (size_t i = 0; i < parsed.count; i++)
        if (!parsed.parts[i].literal && parsed.parts[i].kind == REF_VAR)
            strings_add(&s->secret_vars, parsed.parts[i].name);
}

static void mark_all_vars(struct showing *s)
{
    const struct node *pipelines = node_get(s->config->root, "pipelines");
    for (size_t p = 0; pipelines && p < pipelines->count; p++) {
        const struct node *steps = node_get(pipelines->items[p], "steps");
        for (size_t i = 0; steps && i < steps->count; i++) {
            const struct plugin_info *info = info_of(s, steps->items[i]);
            const struct node *with = node_get(steps->items[i], "with");
            if (info && with)
                mark_vars(s, info, with, "");
        }
    }
}

// ---- a copy without secrets

static struct node *masked(struct showing *s, const struct node *node, const struct plugin_info *info,
                           const char *field, int level, bool of_vars)
{
    struct node *copy = node_as(s->config->arena, node, node->key, node->key_place);
    if (node->kind != NODE_LIST && node->kind != NODE_MAP) {
        if (is_secret(s, info, field, node, of_vars)) {
            copy->kind = NODE_STRING;
            copy->text = arena_strndup(s->config->arena, "(secret)", 8);
        }
        return copy;
    }
    copy->items = NULL;
    copy->count = 0;
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = node->items[i];
        const char *key = child->key;
        // root(0) pipelines(1) NAME(2) steps(3) NAME(4) with(5)
        bool with = level == 4 && !field && key && strcmp(key, "with") == 0;
        bool vars = of_vars || (key && !field && (level == 0 || level == 2) && strcmp(key, "vars") == 0);
        char *inner = NULL;
        if (with)
            inner = ist_strdup("");
        else if (field)
            inner = key ? ist_printf("%s%s%s", field, *field ? "." : "", key) : ist_printf("%s[]", field);
        const struct plugin_info *plugin = with ? info_of(s, node) : info;
        node_add(s->config->arena, copy, masked(s, child, plugin, inner, level + 1, vars));
        ist_free(inner);
    }
    return copy;
}

// ---- YAML

static void print_text(FILE *to, const char *text)
{
    json_t *json = json_string(text);
    char *yaml = strchr(text, '\n') ? ist_json_text(json) : ist_yaml_text(json);
    fprintf(to, "%.*s", (int)strcspn(yaml, "\n"), yaml);
    ist_free(yaml);
    json_decref(json);
}

static void print_scalar(FILE *to, const struct node *node, bool origin)
{
    if (node->kind == NODE_LIST || node->kind == NODE_MAP)
        fputs(node->kind == NODE_LIST ? "[]" : "{}", to);
    else if (node->kind == NODE_STRING)
        print_text(to, node->text);
    else
        fputs(node->kind == NODE_NULL ? "null" : node->text, to);
    if (origin && node->place.line)
        fprintf(to, "  # %s:%d", node->place.file, node->place.line);
    else if (origin)
        fprintf(to, "  # %s", node->place.file);
    fputc('\n', to);
}

static void print_yaml(FILE *to, const struct node *node, int indent, bool origin)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = node->items[i];
        fprintf(to, "%*s", indent, "");
        if (child->key) {
            print_text(to, child->key);
            fputc(':', to);
        } else {
            fputc('-', to);
        }
        if (child->count) {
            fputc('\n', to);
            print_yaml(to, child, indent + 2, origin);
        } else {
            fputc(' ', to);
            print_scalar(to, child, origin);
        }
    }
}

static struct node *shown(const struct config *config, struct catalog *catalog)
{
    struct showing s = {.config = config, .catalog = catalog};
    mark_all_vars(&s);
    struct node *copy = masked(&s, config->root, NULL, NULL, 0, false);
    strings_free(&s.secret_vars);
    return copy;
}

int config_show(const struct config *config, struct catalog *catalog, bool origin, FILE *to)
{
    print_yaml(to, shown(config, catalog), 0, origin);
    return ferror(to) ? -1 : 0;
}

static json_t *json_with_origin(const struct node *node)
{
    if (!node->count) {
        json_t *origin = json_pack("{s:s}", "file", node->place.file);
        if (node->place.line) // --set has none
            json_object_set_new(origin, "line", json_integer(node->place.line));
        return json_pack("{s:o, s:o}", "value", node_json(node), "origin", origin);
    }
    json_t *json = node->kind == NODE_MAP ? json_object() : json_array();
    for (size_t i = 0; i < node->count; i++) {
        json_t *child = json_with_origin(node->items[i]);
        node->kind == NODE_MAP ? json_object_set_new(json, node->items[i]->key, child)
                               : json_array_append_new(json, child);
    }
    return json;
}

json_t *config_show_json(const struct config *config, struct catalog *catalog, bool origin)
{
    const struct node *copy = shown(config, catalog);
    return origin ? json_with_origin(copy) : node_json(copy);
}
