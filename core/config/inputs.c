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
    char *what = ist_printf("plugin %s", step->plugin);
    char *path = ist_printf("pipelines.%s.steps.%s.with", pipeline->name, step->base);
    size_t errors = diags_errors(diags);
    struct value value = table_values(&scope, step->info->inputs, step->info->input_count, step->with,
                                      step->with ? step->with->key_place : step->place, what, path);
    int rc = value.failed || diags_errors(diags) > errors ? -1 : 0;
    if (value.failed && !diags_errors(diags)) // never fail without a word
        diag_error(diags, step->place, "the inputs of step `%s` cannot be made out", step->name);
    if (!rc)
        hand_over(&scope, &value, resolved);
    value_clear(&value);
    scope_free(&scope);
    ist_free(path);
    ist_free(what);
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

struct reading {
    struct scope *scope;
    const struct output_source *outputs;
};

static json_t *read_back(struct reading *r, const json_t *record);

// "steps.cluster.kubeconfig": the step of the record, by the name it had.
static json_t *output_of(struct reading *r, const char *reference)
{
    char *text = ist_printf("${%s}", reference), why[400];
    struct text parsed;
    size_t offset;
    json_t *found = NULL;
    if (!text_parse(r->scope->config->arena, text, &parsed, &offset, why, sizeof(why)) && parsed.count == 1 &&
        r->outputs) {
        const struct part *part = &parsed.parts[0];
        char *step = part->key ? ist_printf("%s[%s]", part->name, part->key) : ist_strdup(part->name);
        bool known = false;
        const json_t *whole = r->outputs->get(r->outputs->arg, step, part->output, &known);
        const json_t *at = known && whole ? path_json(whole, part->path) : NULL;
        found = json_incref((json_t *)(uintptr_t)at);
        ist_free(step);
    }
    if (!found)
        strings_add(&r->scope->unknown, reference);
    ist_free(text);
    return found;
}

static json_t *from_config(struct reading *r, const char *path)
{
    struct config *config = r->scope->config;
    const struct node *node = path_node(config->root, path);
    if (!node && strncmp(path, "vars.", 5) == 0 && r->scope->vars)
        node = path_node(r->scope->vars, path + 5);
    if (!node || node->kind == NODE_LIST || node->kind == NODE_MAP) {
        diag_warn(r->scope->diags, (struct place){config->dir, 0, 0},
                  "%s is not in the configuration any more: done without it", path);
        return NULL;
    }
    struct value value = evaluate(r->scope, node, "secret", true, path);
    json_t *json = json_incref(value.json);
    value_clear(&value);
    return json;
}

// One of the forms that stand for a secret; *is_one false: an ordinary map.
static json_t *marker(struct reading *r, const json_t *record, bool *is_one)
{
    const char *ref = json_string_value(json_object_get(record, "$ref"));
    const char *text = json_string_value(json_object_get(record, "$text"));
    const char *path = json_string_value(json_object_get(record, "$config"));
    *is_one = json_object_size(record) == 1 && (ref || text || path || json_object_get(record, "$secret") ||
                                                json_object_get(record, "$unknown"));
    if (!*is_one || (!ref && !text && !path))
        return NULL;
    if (path)
        return from_config(r, path);
    if (ref && strncmp(ref, "steps.", 6) == 0)
        return output_of(r, ref);
    char *whole = ref ? ist_printf("${%s}", ref) : ist_strdup(text);
    struct value value = evaluate_text(r->scope, whole, "string", (struct place){"state", 0, 0});
    json_t *json = json_incref(value.json);
    if (json_is_string(json))
        strings_add(&r->scope->secrets, json_string_value(json));
    value_clear(&value);
    ist_free(whole);
    return json;
}

static json_t *read_back(struct reading *r, const json_t *record)
{
    bool is_marker = false;
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_array(record)) {
        json_t *list = json_array();
        json_array_foreach(record, i, child)
        {
            json_t *one = read_back(r, child);
            json_array_append_new(list, one ? one : json_null());
        }
        return list;
    }
    if (!json_is_object(record))
        return json_incref((json_t *)(uintptr_t)record);
    json_t *made = marker(r, record, &is_marker);
    if (is_marker)
        return made;
    json_t *map = json_object();
    json_object_foreach((json_t *)(uintptr_t)record, key, child)
    {
        json_t *one = read_back(r, child);
        if (one)
            json_object_set_new(map, key, one);
    }
    return map;
}

int inputs_from_record(struct config *config, const struct plugin_info *info, const json_t *public_inputs,
                       const struct output_source *outputs, struct diags *diags, struct resolved *resolved)
{
    (void)info;
    struct scope scope = {.config = config, .diags = diags, .vars = config->vars};
    struct reading r = {&scope, outputs};
    size_t errors = diags_errors(diags);
    struct value value = {.json = read_back(&r, public_inputs)};
    value.record = json_deep_copy(public_inputs);
    int rc = diags_errors(diags) > errors ? -1 : 0;
    if (!rc)
        hand_over(&scope, &value, resolved);
    value_clear(&value);
    scope_free(&scope);
    return rc;
}
