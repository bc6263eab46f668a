// From the merged configuration to the steps of one pipeline: for_each, when, checks.
#include "config/steps.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_STEPS 10000

static const ist_field pipeline_fields[] = {
    {"doc", "text", NULL, 0, "0.1", "what it is for"},
    {"vars", "map(any)", NULL, 0, "0.1", "variables of this pipeline"},
    {"steps", "map(any)", NULL, 0, "0.1", "what it is made of"},
};

static const ist_field step_fields[] = {
    {"plugin", "string", NULL, IST_REQUIRED, "0.1", "the plugin that does it"},
    {"with", "any", NULL, 0, "0.1", "its inputs: a map, or a list of maps merged in order"},
    {"needs", "list(string)", NULL, 0, "0.1", "steps that come before, beside those it refers to"},
    {"when", "bool", NULL, 0, "0.1", "whether it is there at all"},
    {"for_each", "any", NULL, 0, "0.1", "a list or a map: one step for each item"},
    {"prevent_destroy", "bool", NULL, 0, "0.1", "refuse whatever would remove or replace it"},
    {"timeout", "duration", NULL, 0, "0.1", "how long one operation may take"},
    {"doc", "text", NULL, 0, "0.1", "what it is for"},
};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

// ---- keys of pipelines and steps

static const ist_field *field_of(const ist_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, key) == 0)
            return &fields[i];
    return NULL;
}

static void check_keys(struct diags *diags, const struct node *map, const ist_field *fields, size_t count,
                       const char *what)
{
    const char *names[16];
    for (size_t i = 0; i < count && i < 16; i++)
        names[i] = fields[i].name;
    for (size_t i = 0; i < map->count; i++) {
        const char *key = map->items[i]->key;
        if (field_of(fields, count, key))
            continue;
        const char *near = nearest(key, names, count);
        if (near)
            diag_error(diags, map->items[i]->key_place, "unknown key `%s` of %s, did you mean `%s`?", key,
                       what, near);
        else
            diag_error(diags, map->items[i]->key_place, "unknown key `%s` of %s", key, what);
        diag_hide_after_key(diags);
    }
}

bool step_name_valid(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !(i && strchr("_-", name[i])))
            return false;
    return len && len < 64;
}

// Evaluates one key of a step by the table; json is NULL when it is not given or wrong.
static json_t *step_value(struct build *build, const struct node *step, const char *key)
{
    const struct node *node = node_get(step, key);
    const ist_field *field = field_of(step_fields, COUNT(step_fields), key);
    if (!node || node->kind == NODE_NULL)
        return NULL;
    struct scope scope = build->scope;
    scope.pipeline = NULL;
    struct value value = evaluate(&scope, node, field->type, false, NULL);
    json_t *normal = NULL;
    ist_error err = {0};
    if (value.json && !json_is_null(value.json) &&
        ist_type_normalise(field->type, value.json, &normal, &err) != IST_OK) {
        const struct node *inner = path_node(node, err.where);
        diag_error(build->diags, (inner ? inner : node)->place, "`%s%s` of step `%s`: %s", key, err.where,
                   step->key, err.text);
    }
    value_clear(&value);
    scope_free(&scope);
    return normal;
}

// ---- making steps

static const char *keep(struct build *build, const char *text)
{
    return arena_strndup(build->config->arena, text, strlen(text));
}

static const struct plugin_info *plugin_of(struct build *build, const struct node *step, const char *name)
{
    ist_error err = {0};
    if (!name)
        return NULL;
    const struct plugin_info *info = catalog_find(build->catalog, name, &err);
    if (!info) {
        if (err.code == IST_ERR_NOT_FOUND)
            diag_error(build->diags, node_get(step, "plugin")->place, "unknown plugin `%s`", name);
        else
            diag_error(build->diags, node_get(step, "plugin")->place, "plugin `%s`: %s", name, err.text);
        if (err.hint[0])
            diag_hint(build->diags, "%s", err.hint);
    }
    return info;
}

static void add_step(struct build *build, const struct node *node, const struct step *shared, const char *key,
                     const struct node *value)
{
    struct pipeline *p = build->pipeline;
    if (p->count >= MAX_STEPS) {
        diag_error(build->diags, node->key_place, "over %d steps", MAX_STEPS);
        return;
    }
    p->steps = ist_realloc(p->steps, p->count + 1, sizeof(struct step));
    struct step *step = &p->steps[p->count++];
    *step = *shared;
    char *name = key ? ist_printf("%s[%s]", node->key, key) : ist_strdup(node->key);
    step->name = keep(build, name);
    step->each_key = key ? keep(build, key) : NULL;
    step->each_value = value;
    ist_free(name);
}

// The list or map that for_each means, behind a variable too; NULL when it is none (and said so).
static const struct node *items_of(struct build *build, const struct node *step, const struct node *each)
{
    struct text parsed;
    size_t offset;
    char why[400];
    for (int hops = 0; each->kind == NODE_STRING && text_has_reference(each->text) && hops < 16; hops++) {
        if (text_parse(build->config->arena, each->text, &parsed, &offset, why, sizeof(why))) {
            diag_error(build->diags, each->place, "%s", why);
            return NULL;
        }
        if (parsed.count == 1 && parsed.parts[0].kind == REF_STEP) {
            diag_error(
                build->diags, each->place,
                "`for_each` of step `%s` depends on ${%s}: its keys must be known before anything runs",
                step->key, parsed.parts[0].inner);
            return NULL;
        }
        const struct node *found = NULL;
        if (parsed.count == 1 && parsed.parts[0].kind == REF_VAR && !parsed.parts[0].literal)
            found = build->scope.vars ? path_node(build->scope.vars, parsed.parts[0].name) : NULL;
        if (!found)
            break;
        each = found;
    }
    if (each->kind == NODE_LIST || each->kind == NODE_MAP)
        return each;
    diag_error(build->diags, each->place,
               "`for_each` of step `%s`: expected a list, a map or a variable that is "
               "one, found %s",
               step->key, node_kind_name(each->kind));
    return NULL;
}

static void expand(struct build *build, const struct node *node, const struct step *shared,
                   const struct node *each)
{
    const struct node *items = items_of(build, node, each);
    if (!items)
        return;
    for (size_t i = 0; i < items->count; i++) {
        const struct node *item = items->items[i];
        struct scope scope = build->scope;
        scope.pipeline = NULL;
        struct value value = {0};
        const char *key = item->key;
        if (items->kind == NODE_LIST) {
            value = evaluate(&scope, item, "string", false, NULL);
            key = json_string_value(value.json);
        }
        bool twin = false;
        for (size_t k = 0; key && k < build->pipeline->count; k++) {
            const struct step *step = &build->pipeline->steps[k];
            twin = twin ||
                   (step->each_key && strcmp(step->base, node->key) == 0 && !strcmp(step->each_key, key));
        }
        if (!key && !value.failed)
            diag_error(build->diags, item->place, "`for_each` over a list: each item must be text, found %s",
                       node_kind_name(item->kind));
        else if (key && (!*key || strpbrk(key, "[]'\"\n")))
            diag_error(build->diags, item->place, "`for_each`: `%s` cannot be a key", key);
        else if (twin)
            diag_error(build->diags, item->place, "`for_each`: the key `%s` is there twice", key);
        else if (key)
            add_step(build, node, shared, key, item);
        value_clear(&value);
        scope_free(&scope);
    }
}

// A step that is not there today (its `when` is false, its `for_each` empty) will be: its keys are looked at. Its plugin
// may be one that is installed then.
static void check_idle(struct build *build, const struct step *step)
{
    if (!step->info || !step->with)
        return;
    char *what = ist_printf("plugin %s", step->plugin);
    table_keys(&build->scope, step->info->inputs, step->info->input_count, step->with, what);
    ist_free(what);
}

static void make_step(struct build *build, const struct node *node)
{
    if (node->kind == NODE_NULL)
        return; // taken out by a later file or --set
    if (!step_name_valid(node->key)) {
        diag_error(build->diags, node->key_place,
                   "`%s` is no name of a step: letters, digits, - and _, beginning with a letter or digit",
                   node->key);
        return;
    }
    if (node->kind != NODE_MAP) {
        diag_error(build->diags, node->place, "step `%s`: expected a map, found %s", node->key,
                   node_kind_name(node->kind));
        return;
    }
    char *what = ist_printf("step `%s`", node->key);
    check_keys(build->diags, node, step_fields, COUNT(step_fields), what);
    ist_free(what);
    json_t *plugin = step_value(build, node, "plugin"), *when = step_value(build, node, "when");
    json_t *prevent = step_value(build, node, "prevent_destroy"),
           *timeout = step_value(build, node, "timeout");
    json_decref(step_value(build, node, "needs"));
    json_decref(step_value(build, node, "doc"));
    const struct node *with = node_get(node, "with"), *each = node_get(node, "for_each");
    struct step shared = {.base = node->key, .place = node->key_place};
    if (!node_get(node, "plugin") || node_get(node, "plugin")->kind == NODE_NULL)
        diag_error(build->diags, node->key_place, "`plugin` of step `%s` is missing", node->key);
    shared.plugin = plugin ? keep(build, json_string_value(plugin)) : "";
    shared.with = with && with->kind != NODE_NULL ? (struct node *)(uintptr_t)with : NULL;
    shared.prevent_destroy = json_is_true(prevent);
    shared.timeout_ms = timeout ? (int64_t)json_integer_value(timeout) : 0;
    if (when && json_is_false(when)) {
        ist_error ignored;
        strings_add(&build->off, node->key);
        shared.info = plugin ? catalog_find(build->catalog, shared.plugin, &ignored) : NULL;
        check_idle(build, &shared);
    } else {
        shared.info = plugin ? plugin_of(build, node, shared.plugin) : NULL;
        const size_t before = build->pipeline->count;
        if (each && each->kind != NODE_NULL)
            expand(build, node, &shared, each);
        else
            add_step(build, node, &shared, NULL, NULL);
        if (build->pipeline->count == before)
            check_idle(build, &shared);
    }
    json_decref(plugin);
    json_decref(when);
    json_decref(prevent);
    json_decref(timeout);
}

// ---- inputs

static void check_inputs(struct build *build, struct step *step, struct uses *uses)
{
    struct resolved resolved = {0};
    step->wrong =
        !step->info || step_values(build->pipeline, step, NULL, build->diags, true, uses, &resolved);
    if (!step->wrong)
        resolved_free(&resolved);
}

// ---- the whole

static const struct node *find_pipeline(struct config *config, const char *name, struct diags *diags)
{
    const struct node *pipelines = node_get(config->root, "pipelines"), *found = node_get(pipelines, name);
    struct place nowhere = {config->dir, 0, 0};
    if (found && found->kind == NODE_MAP)
        return found;
    if (found) {
        diag_error(diags, found->place, "pipeline `%s`: expected a map, found %s", name,
                   node_kind_name(found->kind));
        return NULL;
    }
    const char *near = nearest(name, config->names, config->name_count);
    if (near)
        diag_error(diags, nowhere, "unknown pipeline `%s`, did you mean `%s`?", name, near);
    else
        diag_error(diags, nowhere, "unknown pipeline `%s`", name);
    return NULL;
}

static const struct node *variables(struct config *config, const struct node *pipeline, struct diags *diags)
{
    const struct node *own = node_get(pipeline, "vars");
    if (!own || own->kind == NODE_NULL)
        return config->vars;
    if (own->kind != NODE_MAP) {
        diag_error(diags, own->place, "`vars`: expected a map, found %s", node_kind_name(own->kind));
        return config->vars;
    }
    return config->vars ? node_merge(config->arena, config->vars, own) : own;
}

// The names of files outlive the checks: they are kept with the pipeline.
static void keep_clear(struct build *build, const struct uses *uses)
{
    struct pipeline *p = build->pipeline;
    p->clear = arena_alloc(build->config->arena, uses->clear.count * sizeof(char *));
    for (size_t i = 0; i < uses->clear.count; i++)
        p->clear[p->clear_count++] = keep(build, uses->clear.items[i]);
}

int pipeline_load(struct config *config, struct catalog *catalog, const char *name, struct diags *diags,
                  struct pipeline **pipeline)
{
    return pipeline_load_checked(config, catalog, name, diags, NULL, NULL, pipeline);
}

int pipeline_load_checked(struct config *config, struct catalog *catalog, const char *name,
                          struct diags *diags, pipeline_check_fn *check, void *arg,
                          struct pipeline **pipeline)
{
    size_t errors = diags_errors(diags);
    const struct node *node = find_pipeline(config, name, diags);
    if (!node)
        return -1;
    struct pipeline *made = ist_calloc(1, sizeof(*made));
    made->name = arena_strndup(config->arena, name, strlen(name));
    made->config = config;
    made->vars = variables(config, node, diags);
    struct build build = {config, catalog, diags, made, node_get(node, "steps"), {0}, {0}};
    build.scope = (struct scope){.config = config, .diags = diags, .vars = made->vars};
    check_keys(diags, node, pipeline_fields, COUNT(pipeline_fields), "the pipeline");
    const struct node *doc = node_get(node, "doc");
    if (doc && (doc->kind == NODE_LIST || doc->kind == NODE_MAP))
        diag_error(diags, doc->place, "`doc` of the pipeline: expected text, found %s",
                   node_kind_name(doc->kind));
    if (!build.steps || build.steps->kind != NODE_MAP || !build.steps->count)
        diag_error(diags, build.steps ? build.steps->place : node->key_place, "pipeline `%s` has no steps",
                   name);
    else
        for (size_t i = 0; i < build.steps->count; i++)
            make_step(&build, build.steps->items[i]);
    if (build.steps && build.steps->kind == NODE_MAP)
        steps_order(&build);
    struct uses uses = {0};
    for (size_t i = 0; i < made->count; i++)
        check_inputs(&build, &made->steps[i], &uses);
    if (check)
        check(arg, made, diags);
    if (diags_errors(diags) == errors)
        uses_warn(&uses, diags);
    keep_clear(&build, &uses);
    uses_free(&uses);
    strings_free(&build.off);
    if (diags_errors(diags) > errors) {
        pipeline_free(made);
        return -1;
    }
    *pipeline = made;
    return 0;
}

// Can everybody on this machine read it: the file, and through every folder above?
static bool is_open_to_all(const char *file)
{
    char path[PATH_MAX];
    struct stat info;
    if (!realpath(file, path) || stat(path, &info) || !(info.st_mode & S_IROTH))
        return false;
    for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
        *slash = '\0';
        if (stat(*path ? path : "/", &info) || !(info.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

void pipeline_advise(const struct pipeline *pipeline, struct diags *diags)
{
    for (size_t i = 0; i < pipeline->clear_count && !pipeline->config->clear_allowed; i++) {
        if (!is_open_to_all(pipeline->clear[i]))
            continue;
        diag_warn(diags, (struct place){pipeline->clear[i], 0, 0},
                  "secrets stand here in clear, and everybody on this machine can read the file");
        diag_hint(diags, "chmod o-r, or let ${env.NAME}, ${file.PATH} or ${cmd....} give them");
    }
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    for (size_t i = 0; i < pipeline->count; i++)
        ist_free(pipeline->steps[i].needs);
    json_decref(pipeline->warned);
    ist_free(pipeline->steps);
    ist_free(pipeline);
}

bool step_input_place(const struct step *step, const char *path, struct place *place)
{
    const struct node *node = NULL;
    char *at = ist_strdup(step->with ? path : "");
    // What a reference gave as a whole has no lines of its own: that of the reference stands for all of it.
    while (*at && !(node = path_node(step->with, at))) {
        size_t len = strlen(at);
        while (len && !strchr(".[", at[len - 1]))
            len--;
        at[len ? len - 1 : 0] = '\0';
    }
    ist_free(at);
    if (!node || !node->place.line)
        return false;
    *place = node->place;
    return true;
}

// "clusters[2].token" is row "clusters[].token"; of a map(object), "x{}.y" is said of any key.
static bool row_holds(const char *row, const char *path)
{
    while (*row && *path) {
        if (*row == *path) {
            row++, path++;
        } else if (*row == ']' && path[-1] == '[') {
            path += strcspn(path, "]");
        } else if (*row == '{' && *path == '.') {
            row += 2;
            path += 1 + strcspn(path + 1, ".[");
        } else {
            return false;
        }
    }
    // Above a secret, at it, or within it.
    return !*path ? !*row || strchr(".[{", *row) : !*row && strchr(".[", *path);
}

struct place step_nearest_place(const struct step *step, const char *path, bool *secret)
{
    struct place place = step->place;
    *secret = false;
    for (size_t i = 0; *path && step->info && i < step->info->input_count; i++) {
        const ist_field *field = &step->info->inputs[i];
        // A kubeconfig that is named by its path is none; one that is written there is found by its text.
        if ((field->flags & IST_SECRET && !strstr(field->type, "kubeconfig")) ||
            strstr(field->type, "secret"))
            *secret = *secret || row_holds(field->name, path);
    }
    step_input_place(step, path, &place);
    return place;
}

bool pipeline_warns(struct pipeline *pipeline, const char *step, const char *path, const char *text)
{
    if (!pipeline->warned)
        pipeline->warned = json_object();
    char *key = ist_printf("%s %s %s", step, path, text);
    bool fresh = !json_object_get(pipeline->warned, key);
    if (fresh)
        json_object_set_new(pipeline->warned, key, json_true());
    ist_free(key);
    return fresh;
}
