// The inputs of a step: resolved for the engine, and read back from what state recorded.
#include "config/steps.h"

#include <isthmus/alloc.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Moves what a scope collected into *resolved.
static void hand_over(struct scope *scope, struct value *value, struct resolved *resolved)
{
    *resolved = (struct resolved){
        .inputs = json_incref(value->json),
        .public_inputs = json_incref(value->record),
        .unknown = scope->unknown.items,
        .unknown_count = scope->unknown.count,
        .secrets = scope->secrets.items,
        .secret_count = scope->secrets.count,
    };
    scope->unknown = scope->secrets = (struct strings){0};
}

static int values_in(struct scope *scope, struct resolved *resolved)
{
    const struct pipeline *pipeline = scope->pipeline;
    const struct step *step = scope->step;
    struct diags *diags = scope->diags;
    char *what = ist_printf("plugin %s", step->plugin);
    char *path = ist_printf("pipelines.%s.steps.%s.with", pipeline->name, step->base);
    size_t errors = diags_errors(diags);
    struct value value = table_values(scope, step->info->inputs, step->info->input_count, step->with,
                                      step->with ? step->with->key_place : step->place, what, path);
    int rc = value.failed || (!scope->partial && diags_errors(diags) > errors) ? -1 : 0;
    if (value.failed && !diags_errors(diags)) // never fail without a word
        diag_error(diags, step->place, "the inputs of step `%s` cannot be made out", step->name);
    if (!rc)
        hand_over(scope, &value, resolved);
    value_clear(&value);
    scope_free(scope);
    ist_free(path);
    ist_free(what);
    return rc;
}

int step_values(const struct pipeline *pipeline, const struct step *step, const struct output_source *outputs,
                struct diags *diags, bool checking, struct uses *uses, struct resolved *resolved)
{
    struct scope scope = {.config = pipeline->config,
                          .diags = diags,
                          .vars = pipeline->vars,
                          .pipeline = pipeline,
                          .step = step,
                          .outputs = outputs,
                          .checking = checking,
                          .uses = uses};
    return values_in(&scope, resolved);
}

// The paths below `path` of what is not known, out of the form that state keeps.
static void find_unknown(const json_t *record, const char *path, json_t *paths)
{
    size_t i;
    const char *key;
    json_t *child;
    if (json_object_size(record) == 1 && json_object_get(record, "$unknown")) {
        json_array_append_new(paths, json_string(path));
        return;
    }
    json_array_foreach(record, i, child)
    {
        char *inner = ist_printf("%s[%zu]", path, i);
        find_unknown(child, inner, paths);
        ist_free(inner);
    }
    json_object_foreach((json_t *)(uintptr_t)record, key, child)
    {
        char *inner = path_join(path, key);
        find_unknown(child, inner, paths);
        ist_free(inner);
    }
}

int step_known(const struct pipeline *pipeline, const struct step *step, struct resolved *resolved,
               json_t **unknown)
{
    struct diags *diags =
        diags_new(); // all that it could say has been said; what is wrong counts as not known
    struct scope scope = {.config = pipeline->config,
                          .diags = diags,
                          .vars = pipeline->vars,
                          .pipeline = pipeline,
                          .step = step,
                          .checking = true,
                          .partial = true};
    int rc = values_in(&scope, resolved);
    if (!rc) {
        *unknown = json_array();
        find_unknown(resolved->public_inputs, "", *unknown);
    }
    diags_free(diags);
    return rc;
}

int step_resolve(const struct pipeline *pipeline, const struct step *step,
                 const struct output_source *outputs, struct diags *diags, struct resolved *resolved)
{
    return step_values(pipeline, step, outputs, diags, false, NULL, resolved);
}

void resolved_free(struct resolved *resolved)
{
    if (!resolved)
        return;
    struct strings unknown = {resolved->unknown, resolved->unknown_count};
    struct strings secrets = {resolved->secrets, resolved->secret_count};
    json_decref(resolved->inputs);
    json_decref(resolved->public_inputs);
    strings_free(&unknown);
    strings_free(&secrets);
    *resolved = (struct resolved){0};
}

// ---- from what state recorded

static json_t *read_back(struct scope *scope, const json_t *record);

static void say_gone(struct scope *scope, const char *what)
{
    diag_warn(scope->diags, (struct place){scope->config->dir, 0, 0},
              "%s is not in the configuration any more: done without it", what);
}

// A secret that was written in the configuration itself.
static json_t *from_config(struct scope *scope, const char *path)
{
    const struct node *node = path_node(scope->config->root, path);
    if (!node || node->kind == NODE_LIST || node->kind == NODE_MAP) {
        say_gone(scope, path);
        return NULL;
    }
    struct value value = evaluate(scope, node, "secret", true, path);
    json_t *json = json_incref(value.json);
    value_clear(&value);
    return json;
}

static bool has_its_variables(struct scope *scope, const char *text)
{
    struct text parsed;
    size_t offset;
    char why[400];
    if (text_parse(scope->config->arena, text, &parsed, &offset, why, sizeof(why)))
        return true; // evaluation says what is wrong
    for (size_t i = 0; i < parsed.count; i++) {
        const struct part *part = &parsed.parts[i];
        if (part->literal || part->kind != REF_VAR || part->fallback ||
            (scope->vars && path_node(scope->vars, part->name)))
            continue;
        char *name = ist_printf("vars.%s", part->name);
        say_gone(scope, name);
        ist_free(name);
        return false;
    }
    return true;
}

// One of the forms that stand for a secret; *is_one false: an ordinary map.
static json_t *marker(struct scope *scope, const json_t *record, bool *is_one)
{
    const char *ref = json_string_value(json_object_get(record, "$ref"));
    const char *text = json_string_value(json_object_get(record, "$text"));
    const char *path = json_string_value(json_object_get(record, "$config"));
    *is_one = json_object_size(record) == 1 && (ref || text || path || json_object_get(record, "$secret") ||
                                                json_object_get(record, "$unknown"));
    if (!*is_one || (!ref && !text && !path))
        return NULL;
    if (path)
        return from_config(scope, path);
    char *whole = ref ? ist_printf("${%s}", ref) : ist_strdup(text);
    json_t *json = NULL;
    if (has_its_variables(scope, whole)) {
        struct value value = evaluate_text(scope, whole, "string", (struct place){"state", 0, 0});
        json = json_incref(value.json);
        scope_secrets(scope, json);
        value_clear(&value);
    }
    ist_free(whole);
    return json;
}

static json_t *read_back(struct scope *scope, const json_t *record)
{
    bool is_marker = false;
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_array(record)) {
        json_t *list = json_array();
        json_array_foreach(record, i, child)
        {
            json_t *one = read_back(scope, child);
            json_array_append_new(list, one ? one : json_null());
        }
        return list;
    }
    if (!json_is_object(record))
        return json_incref((json_t *)(uintptr_t)record);
    json_t *made = marker(scope, record, &is_marker);
    if (is_marker)
        return made;
    json_t *map = json_object();
    json_object_foreach((json_t *)(uintptr_t)record, key, child)
    {
        json_t *one = read_back(scope, child);
        if (one)
            json_object_set_new(map, key, one);
    }
    return map;
}

int inputs_from_record(const struct pipeline *pipeline, const json_t *public_inputs,
                       const struct output_source *outputs, struct diags *diags, struct resolved *resolved)
{
    struct scope scope = {.config = pipeline->config,
                          .diags = diags,
                          .vars = pipeline->vars,
                          .pipeline = pipeline,
                          .outputs = outputs,
                          .recorded = true};
    size_t errors = diags_errors(diags);
    struct value value = {.json = read_back(&scope, public_inputs)};
    value.record = json_deep_copy(public_inputs);
    if (scope.unknown.count) {
        json_decref(value.json);
        value.json = NULL;
    }
    int rc = diags_errors(diags) > errors ? -1 : 0;
    if (!rc)
        hand_over(&scope, &value, resolved);
    value_clear(&value);
    scope_free(&scope);
    return rc;
}
