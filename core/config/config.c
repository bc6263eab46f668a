// Loading conf.d: all files in the order of their names, merged, --set on top, and the settings of Isthmus
// itself.
#include "config/internal.h"

#include <isthmus/alloc.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES 1000

#define CONFIG_SITE_DIR "/etc/isthmus/conf.d"

static const char *const top_keys[] = {"isthmus", "vars", "pipelines"};

static const ist_field settings[] = {
    {"state", "path", NULL, 0, "0.1", "the state file"},
    {"jobs", "int", "4", 0, "0.1", "steps at the same time, 1 to 64"},
    {"plugins", "list(path)", NULL, 0, "0.1", "folders searched for plugins before all others"},
    {"clear_secrets", "enum(warn|allow)", "warn", 0, "0.1",
     "secrets in clear in files that everybody can read"},
    {"grace", "duration", "10s", 0, "0.1", "how long a cancelled step may take to stop"},
};

// ---- which files

static int is_yaml(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static const char *default_dir(void)
{
    static const char *const dirs[] = {"conf.d", CONFIG_SITE_DIR, IST_DATADIR "/conf.d"};
    struct stat info;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        if (stat(dirs[i], &info) == 0)
            return dirs[i];
    return CONFIG_SITE_DIR;
}

// ---- one file

// `with:` may be a list of maps, merged in order: from then on it is one map.
static const struct node *flat_with(struct arena *arena, struct diags *diags, const struct node *with)
{
    if (with->kind != NODE_LIST)
        return with;
    const struct node *merged = node_new(arena, NODE_MAP, with->place);
    for (size_t i = 0; i < with->count; i++) {
        const struct node *item = with->items[i];
        if (item->kind == NODE_MAP)
            merged = node_merge(arena, merged, item);
        else if (item->kind != NODE_NULL)
            diag_error(diags, item->place, "`with`: expected a map to merge, found %s",
                       node_kind_name(item->kind));
    }
    return node_as(arena, merged, with->key, with->key_place);
}

// A copy of a map in which each child went through `change`.
typedef const struct node *change_fn(struct arena *arena, struct diags *diags, const struct node *child);
static const struct node *changed(struct arena *arena, struct diags *diags, const struct node *map,
                                  const char *key, change_fn *change)
{
    if (map->kind != NODE_MAP)
        return map;
    struct node *copy = node_as(arena, map, map->key, map->key_place);
    copy->items = NULL;
    copy->count = 0;
    for (size_t i = 0; i < map->count; i++) {
        const struct node *child = map->items[i];
        if (!key || strcmp(child->key, key) == 0)
            child = change(arena, diags, child);
        node_add(arena, copy, (struct node *)(uintptr_t)child);
    }
    return copy;
}

static const struct node *flat_step(struct arena *arena, struct diags *diags, const struct node *step)
{
    return changed(arena, diags, step, "with", flat_with);
}

static const struct node *flat_steps(struct arena *arena, struct diags *diags, const struct node *steps)
{
    return changed(arena, diags, steps, NULL, flat_step);
}

static const struct node *flat_pipeline(struct arena *arena, struct diags *diags, const struct node *pipeline)
{
    return changed(arena, diags, pipeline, "steps", flat_steps);
}

static const struct node *flat_pipelines(struct arena *arena, struct diags *diags,
                                         const struct node *pipelines)
{
    return changed(arena, diags, pipelines, NULL, flat_pipeline);
}

static void check_top(struct diags *diags, const struct node *root)
{
    for (size_t i = 0; i < root->count; i++) {
        const struct node *node = root->items[i];
        size_t k = 0;
        while (k < 3 && strcmp(node->key, top_keys[k]) != 0)
            k++;
        if (k == 3 && strncmp(node->key, "x-", 2) != 0) {
            const char *near = nearest(node->key, top_keys, 3);
            diag_error(diags, node->key_place, "unknown key `%s`%s%s%s", node->key,
                       near ? ", did you mean `" : "", near ? near : "", near ? "`?" : "");
            if (!near)
                diag_hint(diags, "there are: isthmus, vars, pipelines, and x-... for your own anchors");
            diag_hide_after_key(diags);
        } else if (k < 3 && node->kind != NODE_MAP && node->kind != NODE_NULL) {
            diag_error(diags, node->place, "`%s`: expected a map, found %s", node->key,
                       node_kind_name(node->kind));
        }
    }
}

static int load_file(struct config *config, struct diags *diags, const char *path)
{
    struct node *root = NULL;
    if (node_read(config->arena, diags, path, &root))
        return -1;
    if (root->kind == NODE_NULL)
        return 0;
    if (root->kind != NODE_MAP) {
        diag_error(diags, root->place, "expected a map with the keys isthmus, vars and pipelines, found %s",
                   node_kind_name(root->kind));
        return -1;
    }
    check_top(diags, root);
    const struct node *flat = changed(config->arena, diags, root, "pipelines", flat_pipelines);
    config->root = config->root ? node_merge(config->arena, config->root, flat) : flat;
    return 0;
}

static int load_dir(struct config *config, struct diags *diags, const char *dir)
{
    struct dirent **entries = NULL;
    struct stat info;
    if (stat(dir, &info) == 0 && S_ISREG(info.st_mode)) { // a single file serves as well
        return load_file(config, diags, dir);
    }
    int count = scandir(dir, &entries, is_yaml, by_name);
    if (count < 0) {
        diag_error(diags, (struct place){dir, 0, 0}, "cannot read the configuration: %s", strerror(errno));
        diag_hint(diags, "-C DIR says where it is");
        return -1;
    }
    if (!count)
        diag_error(diags, (struct place){dir, 0, 0}, "there is no *.yaml file in this folder");
    if (count > MAX_FILES)
        diag_error(diags, (struct place){dir, 0, 0}, "over %d files", MAX_FILES);
    int rc = 0;
    for (int i = 0; i < count; i++) {
        char *path = ist_printf("%s/%s", dir, entries[i]->d_name);
        if (i < MAX_FILES && load_file(config, diags, path))
            rc = -1;
        ist_free(path);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

// ---- settings

static void read_settings(struct config *config, struct diags *diags)
{
    struct scope scope = {.config = config, .diags = diags, .vars = config->vars};
    const struct node *map = node_get(config->root, "isthmus");
    if (map && map->kind != NODE_MAP)
        map = NULL;
    struct value value = table_values(&scope, settings, sizeof(settings) / sizeof(settings[0]), map,
                                      map ? map->place : (struct place){0}, "isthmus", "isthmus");
    const char *state = json_string_value(json_object_get(value.json, "state"));
    const json_t *dirs = json_object_get(value.json, "plugins"), *jobs = json_object_get(value.json, "jobs");
    const json_t *grace = json_object_get(value.json, "grace");
    const char *clear = json_string_value(json_object_get(value.json, "clear_secrets"));
    config->clear_allowed = clear && strcmp(clear, "allow") == 0;
    config->state = state ? ist_strdup(state) : NULL;
    config->jobs = jobs ? (int)json_integer_value(jobs) : 4;
    config->grace_ms = grace ? (int)json_integer_value(grace) : 10000;
    if (jobs && (json_integer_value(jobs) < 1 || json_integer_value(jobs) > 64)) {
        diag_error(diags, node_get(map, "jobs") ? node_get(map, "jobs")->place : (struct place){0},
                   "`jobs`: expected a number from 1 to 64");
        config->jobs = 4;
    }
    config->plugin_dir_count = json_array_size(dirs);
    config->plugin_dirs = ist_calloc(config->plugin_dir_count, sizeof(char *));
    for (size_t i = 0; i < config->plugin_dir_count; i++)
        config->plugin_dirs[i] = ist_strdup(json_string_value(json_array_get(dirs, i)));
    value_clear(&value);
    scope_free(&scope);
}

int config_load(const struct config_source *source, struct diags *diags, struct config **config)
{
    struct config *made = ist_calloc(1, sizeof(*made));
    const char *dir = source->dir ? source->dir : default_dir();
    char real[PATH_MAX];
    made->arena = arena_new();
    made->dir = ist_strdup(realpath(dir, real) ? real : dir);
    struct stat info;
    int rc = 0;
    if (source->dir || !source->optional || stat(dir, &info) == 0)
        rc = load_dir(made, diags, dir);
    if (!made->root)
        made->root = node_new(made->arena, NODE_MAP, (struct place){"", 0, 0});
    for (size_t i = 0; !rc && i < source->set_count; i++)
        config_set(made, diags, source->sets[i]);
    const struct node *vars = node_get(made->root, "vars");
    made->vars = vars && vars->kind == NODE_MAP ? vars : NULL;
    const struct node *pipelines = node_get(made->root, "pipelines");
    made->name_count = pipelines && pipelines->kind == NODE_MAP ? pipelines->count : 0;
    made->names = ist_calloc(made->name_count, sizeof(char *));
    for (size_t i = 0; i < made->name_count; i++)
        made->names[i] = pipelines->items[i]->key;
    read_settings(made, diags);
    if (rc) {
        config_free(made);
        return -1;
    }
    *config = made;
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (struct command_output *out = config->commands, *next; out; out = next) {
        next = out->next;
        ist_free(out->command);
        ist_free_secret(out->text);
        ist_free(out);
    }
    for (size_t i = 0; i < config->plugin_dir_count; i++)
        ist_free(config->plugin_dirs[i]);
    ist_free(config->plugin_dirs);
    ist_free(config->names);
    ist_free(config->state);
    ist_free(config->dir);
    arena_free(config->arena);
    ist_free(config);
}

const char *config_state_path(const struct config *config)
{
    const char *env = getenv("ISTHMUS_STATE"), *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (config->state)
        return config->state;
    if (env && *env)
        return env;
    // Kept with the rest, so that the caller has nothing to free.
    char *path;
    if (xdg && *xdg == '/')
        path = ist_printf("%s/isthmus/state.db", xdg);
    else
        path = ist_printf("%s/.local/state/isthmus/state.db", home && *home ? home : "/var/lib/isthmus");
    const char *kept = arena_strndup(config->arena, path, strlen(path));
    ist_free(path);
    return kept;
}

int config_jobs(const struct config *config)
{
    return config->jobs;
}

int config_grace_ms(const struct config *config)
{
    return config->grace_ms;
}

size_t config_pipelines(const struct config *config, const char *const **names)
{
    *names = config->names;
    return config->name_count;
}

const char *const *config_plugin_dirs(const struct config *config, size_t *count)
{
    *count = config->plugin_dir_count;
    return (const char *const *)config->plugin_dirs;
}
