// From a node with references to a value, and to what state may keep of it.
#include "config/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT ((size_t)1 << 20)

void scope_free(struct scope *scope)
{
    strings_free(&scope->unknown);
    strings_free(&scope->secrets);
}

void value_clear(struct value *value)
{
    json_decref(value->json);
    json_decref(value->record);
    *value = (struct value){0};
}

static struct value failed(void)
{
    return (struct value){.failed = true};
}

// Takes over json.
static struct value known(json_t *json)
{
    return (struct value){.json = json, .record = json_incref(json)};
}

static struct value unknown(struct scope *scope, const char *inner, const char *type)
{
    struct value value = {.record = json_pack("{s:s}", "$unknown", inner)};
    snprintf(value.type, sizeof(value.type), "%s", type);
    strings_add(&scope->unknown, inner);
    return value;
}

void scope_secrets(struct scope *scope, const json_t *json)
{
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_string(json) && json_string_length(json)) {
        strings_add(&scope->secrets, json_string_value(json));
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, child) scope_secrets(scope, child);
    } else if (json_is_object(json)) {
        json_object_foreach((json_t *)(uintptr_t)json, key, child) scope_secrets(scope, child);
    }
}

// A kubeconfig that is only named is no secret: its path is kept and shown.
static bool is_kubeconfig_path(const char *type, const json_t *json)
{
    const char *text = json_string_value(json);
    return strcmp(type, "kubeconfig") == 0 && text && *text != '{' && !strchr(text, '\n');
}

// Puts {name: text} in place of what state would keep.
static void conceal(struct scope *scope, struct value *value, const char *name, const char *text)
{
    if (value->failed || json_is_null(value->json))
        return;
    value->secret = true;
    if (!value->json)
        return; // $unknown says as much
    scope_secrets(scope, value->json);
    json_decref(value->record);
    value->record = text ? json_pack("{s:s}", name, text) : json_pack("{s:b}", "$secret", 1);
}

// Relative paths are meant beside the file they are written in; those from the environment or a command, in
// the folder one works in.
static void settle_path(struct value *value, const char *type, const struct node *node,
                        const struct text *parsed)
{
    const char *text = json_string_value(value->json);
    bool path_like =
        strcmp(type, "path") == 0 || (is_kubeconfig_path(type, value->json) && !strchr(text, ':'));
    if (!path_like || !text || !*text)
        return;
    const struct part *first = parsed && parsed->count ? &parsed->parts[0] : NULL;
    bool here = !first || first->literal || first->kind == REF_VAR || first->kind == REF_EACH;
    // A path that a variable gave alone was settled beside the file of the variable.
    if (first && !first->literal && first->kind == REF_STEP)
        return;
    char *path = path_beside(here ? node->place.file : "", text);
    bool shared = value->record == value->json;
    json_decref(value->json);
    value->json = json_string(path);
    if (shared) {
        json_decref(value->record);
        value->record = json_incref(value->json);
    }
    ist_free(path);
}

// ---- one reference

static struct value from_text(const char *text, const char *type)
{
    json_t *json = text_typed(text, type);
    return json ? known(json) : failed();
}

static struct value fallback_of(struct scope *scope, const struct node *node, const struct part *part,
                                const char *type)
{
    if (!*part->fallback) // nothing at all: as if the key were not there
        return known(json_null());
    return evaluate_text(scope, part->fallback, type, node->place);
}

static struct value from_env(struct scope *scope, const struct node *node, const struct part *part,
                             const char *type)
{
    const char *text = getenv(part->name);
    if (text && (*text || !part->fallback)) {
        struct value value = from_text(text, type);
        if (value.failed)
            diag_error(scope->diags, node->place, "environment variable %s is not UTF-8", part->name);
        return value;
    }
    if (part->fallback)
        return fallback_of(scope, node, part, type);
    diag_error(scope->diags, node->place, "environment variable %s is not set", part->name);
    diag_hint(scope->diags, "set it, or give a default: ${env.%s:-...}", part->name);
    return failed();
}

static struct value from_file(struct scope *scope, const struct node *node, const struct part *part,
                              const char *type)
{
    char *path = path_beside(node->place.file, part->name), *text = file_text(path);
    struct value value = failed();
    if (text) {
        size_t len = strlen(text);
        if (len && text[len - 1] == '\n')
            text[--len] = '\0';
        if (len && text[len - 1] == '\r')
            text[len - 1] = '\0';
        value = from_text(text, type);
        if (value.failed)
            diag_error(scope->diags, node->place, "%s is not UTF-8", path);
    } else if (part->fallback && errno == ENOENT) {
        value = fallback_of(scope, node, part, type);
    } else {
        diag_error(scope->diags, node->place, "cannot read %s: %s", path, strerror(errno));
    }
    ist_free_secret(text);
    ist_free(path);
    return value;
}

static struct value from_command(struct scope *scope, const struct node *node, const struct part *part,
                                 const char *type)
{
    if (scope->checking) {
        struct value value = {.record = json_pack("{s:s}", "$unknown", part->inner)};
        return value;
    }
    char why[256];
    const char *text = command_output(scope->config, part->name, why, sizeof(why));
    struct value value = text ? from_text(text, type) : failed();
    if (!text)
        diag_error(scope->diags, node->place, "command %s", why);
    else if (value.failed)
        diag_error(scope->diags, node->place, "the command did not print UTF-8");
    return value;
}

static void say_variable_cycle(struct scope *scope, const struct node *node, const char *name)
{
    ist_buf chain = {0};
    size_t i = 0;
    while (i < scope->pending_count && strcmp(scope->pending[i], name) != 0)
        i++;
    for (; i < scope->pending_count; i++)
        ist_buf_printf(&chain, "%s -> ", scope->pending[i]);
    char *text = ist_buf_take(&chain);
    diag_error(scope->diags, node->place, "variables refer to each other: %s%s", text, name);
    ist_free(text);
}

static void say_no_variable(struct scope *scope, const struct node *node, const char *name)
{
    size_t count = scope->vars ? scope->vars->count : 0, len = strcspn(name, ".[");
    const char **names = ist_calloc(count, sizeof(char *));
    char first[128];
    for (size_t i = 0; i < count; i++)
        names[i] = scope->vars->items[i]->key;
    snprintf(first, sizeof(first), "%.*s", (int)len, name);
    const char *near = nearest(first, names, count);
    if (near)
        diag_error(scope->diags, node->place, "unknown variable `%s`, did you mean `%s`?", name, near);
    else
        diag_error(scope->diags, node->place, "unknown variable `%s`", name);
    ist_free(names);
}

// Where a variable is found again: a pipeline's own wins.
static char *variable_path(const struct scope *scope, const char *name)
{
    const struct node *pipelines = node_get(scope->config->root, "pipelines");
    const struct node *own = NULL;
    if (scope->pipeline)
        own = node_get(node_get(pipelines, scope->pipeline->name), "vars");
    if (own && path_node(own, name))
        return ist_printf("pipelines.%s.vars.%s", scope->pipeline->name, name);
    return ist_printf("vars.%s", name);
}

static struct value from_var(struct scope *scope, const struct node *node, const struct part *part,
                             const char *type, bool secret)
{
    const struct node *found = scope->vars ? path_node(scope->vars, part->name) : NULL;
    if (!found || found->kind == NODE_NULL) {
        if (part->fallback)
            return fallback_of(scope, node, part, type);
        if (found)
            return known(json_null());
        say_no_variable(scope, node, part->name);
        return failed();
    }
    for (size_t i = 0; i < scope->pending_count; i++) {
        if (strcmp(scope->pending[i], part->name) == 0) {
            say_variable_cycle(scope, node, part->name);
            return failed();
        }
    }
    if (scope->pending_count == sizeof(scope->pending) / sizeof(scope->pending[0])) {
        diag_error(scope->diags, node->place, "variables refer to each other over %zu levels",
                   scope->pending_count);
        return failed();
    }
    scope->pending[scope->pending_count++] = part->name;
    char *path = variable_path(scope, part->name);
    struct value value = evaluate(scope, found, type, secret, path);
    ist_free(path);
    scope->pending_count--;
    return value;
}

const struct node *node_meant(const struct scope *scope, const struct node *node, char **path)
{
    struct text parsed;
    size_t offset;
    char why[400];
    for (int hops = 0; node->kind == NODE_STRING && text_has_reference(node->text) && hops < 16; hops++) {
        if (text_parse(scope->config->arena, node->text, &parsed, &offset, why, sizeof(why)) ||
            parsed.count != 1 || parsed.parts[0].literal)
            break;
        const struct part *part = &parsed.parts[0];
        const struct node *found = NULL;
        if (part->kind == REF_VAR && scope->vars)
            found = path_node(scope->vars, part->name);
        else if (part->kind == REF_EACH && scope->step && scope->step->each_key && *part->path)
            found = path_node(scope->step->each_value, part->path);
        else if (part->kind == REF_EACH && scope->step && scope->step->each_key &&
                 strcmp(part->name, "value") == 0)
            found = scope->step->each_value;
        if (!found || found->kind == NODE_NULL)
            break;
        ist_free(*path);
        *path = part->kind == REF_VAR ? variable_path(scope, part->name) : NULL;
        node = found;
    }
    return node;
}

static struct value from_each(struct scope *scope, const struct node *node, const struct part *part,
                              const char *type, bool secret)
{
    const struct step *step = scope->step;
    if (!step || !step->each_key) {
        diag_error(scope->diags, node->place, "${%s}: this step has no for_each", part->inner);
        return failed();
    }
    if (strcmp(part->name, "key") == 0)
        return known(json_string(step->each_key));
    const struct node *found = path_node(step->each_value, part->path);
    if (found)
        return evaluate(scope, found, type, secret, NULL);
    diag_error(scope->diags, node->place, "${%s}: the item `%s` has nothing there", part->inner,
               step->each_key);
    return failed();
}

// ---- outputs of steps

static struct value from_one(struct scope *scope, const struct node *node, const struct part *part,
                             const struct step *step, const ist_field *field)
{
    char type[128] = "", why[400];
    if (field && !output_type(step->info, part, type, sizeof(type), why, sizeof(why))) {
        diag_error(scope->diags, node->place, "%s", why);
        return failed();
    }
    bool is_known = false;
    const json_t *whole = NULL;
    if (scope->outputs)
        whole = scope->outputs->get(scope->outputs->arg, step->name, part->output, &is_known);
    if (!is_known)
        return unknown(scope, part->inner, type);
    const json_t *found = whole ? path_json(whole, part->path) : NULL;
    if (!found && (*part->path || !whole)) {
        if (!whole && !*part->path)
            return known(json_null());
        diag_error(scope->diags, node->place, "${%s}: the output `%s` of step `%s` has nothing there",
                   part->inner, part->output, step->name);
        return failed();
    }
    struct value value = known(json_incref((json_t *)(uintptr_t)found));
    if (field && field->flags & IST_SECRET)
        conceal(scope, &value, "$ref", part->inner);
    return value;
}

// ${steps.net.id} of a step with for_each: a map from key to output.
static struct value from_all(struct scope *scope, const struct node *node, const struct part *part)
{
    struct value all = {.json = json_object(), .record = json_object()};
    for (size_t i = 0; i < scope->pipeline->count; i++) {
        const struct step *step = &scope->pipeline->steps[i];
        if (strcmp(step->base, part->name) != 0)
            continue;
        const ist_field *field = step->info ? plugin_output(step->info, part->output) : NULL;
        struct part whole = *part;
        whole.path = "";
        char *inner = ist_printf("steps.%s.%s", step->name, part->output);
        whole.inner = inner;
        struct value one = from_one(scope, node, &whole, step, field);
        ist_free(inner);
        all.secret = all.secret || one.secret;
        all.failed = all.failed || one.failed;
        if (!one.json) {
            json_decref(all.json);
            all.json = NULL;
        } else if (all.json) {
            json_object_set(all.json, step->each_key, one.json);
        }
        if (one.record)
            json_object_set(all.record, step->each_key, one.record);
        value_clear(&one);
    }
    if (!all.json)
        snprintf(all.type, sizeof(all.type), "object");
    return all;
}

static const struct step *find_step(const struct pipeline *pipeline, const struct part *part, bool *several)
{
    *several = false;
    for (size_t i = 0; i < pipeline->count; i++) {
        const struct step *step = &pipeline->steps[i];
        if (strcmp(step->base, part->name) != 0)
            continue;
        *several = step->each_key && !part->key;
        if (*several || !part->key || (step->each_key && strcmp(step->each_key, part->key) == 0))
            return step;
    }
    return NULL;
}

static struct value from_recorded(struct scope *scope, const struct part *part)
{
    char *name = part->key ? ist_printf("%s[%s]", part->name, part->key) : ist_strdup(part->name);
    bool is_known = false;
    const json_t *whole = NULL;
    if (scope->outputs)
        whole = scope->outputs->get(scope->outputs->arg, name, part->output, &is_known);
    ist_free(name);
    const json_t *found = is_known && whole ? path_json(whole, part->path) : NULL;
    return found ? known(json_incref((json_t *)(uintptr_t)found)) : unknown(scope, part->inner, "");
}

static struct value from_step(struct scope *scope, const struct node *node, const struct part *part)
{
    if (scope->recorded)
        return from_recorded(scope, part);
    if (!scope->pipeline) {
        diag_error(scope->diags, node->place, "${%s}: outputs of steps are not known here", part->inner);
        diag_hint(scope->diags, "only the inputs of a step (`with:`) may refer to other steps");
        return failed();
    }
    bool several;
    const struct step *step = find_step(scope->pipeline, part, &several);
    if (!step) // pipeline_load has said so
        return failed();
    if (several && !*part->path)
        return from_all(scope, node, part);
    const ist_field *field = step->info ? plugin_output(step->info, part->output) : NULL;
    return from_one(scope, node, part, step, field);
}

// ---- scalars

static struct value one_part(struct scope *scope, const struct node *node, const struct part *part,
                             const char *type, bool secret)
{
    switch (part->kind) {
    case REF_STEP:
        return from_step(scope, node, part);
    case REF_ENV:
        return from_env(scope, node, part, type);
    case REF_FILE:
        return from_file(scope, node, part, type);
    case REF_CMD:
        return from_command(scope, node, part, type);
    case REF_VAR:
        return from_var(scope, node, part, type, secret);
    default:
        return from_each(scope, node, part, type, secret);
    }
}

// Appends a scalar value to text; -1 for a list or a map.
static int append(ist_buf *out, const json_t *json)
{
    if (json_is_array(json) || json_is_object(json))
        return -1;
    if (json_is_null(json))
        return 0;
    if (json_is_string(json))
        return ist_buf_puts(out, json_string_value(json)) == IST_OK ? 0 : -1;
    char *text = ist_json_text(json);
    int rc = ist_buf_puts(out, text) == IST_OK ? 0 : -1;
    ist_free(text);
    return rc;
}

// The template under which a text with secrets can be made again: literals escaped, references as they are,
// variables' own in their place.
static void append_template(ist_buf *out, const struct part *part, const struct value *value)
{
    const char *record = json_string_value(json_object_get(value->record, "$text"));
    const char *reference = json_string_value(json_object_get(value->record, "$ref"));
    if (part->literal || !value->secret) {
        ist_buf text = {0};
        if (part->literal)
            ist_buf_puts(&text, part->literal);
        else
            append(&text, value->json);
        for (const char *p = text.data ? text.data : ""; *p; p++)
            if (ist_buf_add(out, p[0] == '$' && p[1] == '{' ? "$$" : p, p[0] == '$' && p[1] == '{' ? 2 : 1))
                break;
        ist_buf_free(&text);
    } else if (record) {
        ist_buf_puts(out, record);
    } else {
        ist_buf_printf(out, "${%s}", reference ? reference : part->inner);
    }
}

// Is it a variable that is there, and stands for nothing?
static bool is_unset(const struct scope *scope, const struct part *part)
{
    const struct node *found = scope->vars ? path_node(scope->vars, part->name) : NULL;
    return found && found->kind == NODE_NULL && !part->fallback;
}

static struct value joined(struct scope *scope, const struct node *node, const struct text *parsed,
                           const char *type, bool secret)
{
    ist_buf text = {.max = MAX_TEXT}, template = {.max = MAX_TEXT};
    struct value sum = {0};
    bool open = false;
    for (size_t i = 0; i < parsed->count && !sum.failed; i++) {
        const struct part *part = &parsed->parts[i];
        struct value one =
            part->literal ? known(json_string(part->literal)) : one_part(scope, node, part, "string", secret);
        sum.failed = one.failed;
        sum.secret = sum.secret || one.secret;
        open = open || (!one.json && !one.failed);
        if (!one.json && !one.failed && !type_joins_text(one.type)) {
            diag_error(scope->diags, node->place, "${%s} will be %s: it cannot stand within text",
                       part->inner, one.type);
            sum.failed = true;
        }
        if (json_is_null(one.json) && part->kind == REF_VAR && !part->literal && is_unset(scope, part)) {
            diag_error(scope->diags, node->place, "${%s} has no value: it cannot stand within text",
                       part->inner);
            sum.failed = true;
        } else if (one.json && append(&text, one.json)) {
            diag_error(scope->diags, node->place, "${%s} is %s: it cannot stand within text", part->inner,
                       json_is_array(one.json) ? "a list" : "a map");
            sum.failed = true;
        }
        append_template(&template, part, &one);
        value_clear(&one);
    }
    char *whole = ist_buf_take(&text), *made = ist_buf_take(&template);
    if (!sum.failed && open) {
        sum.record = json_pack("{s:s}", "$unknown", node->text);
        snprintf(sum.type, sizeof(sum.type), "string");
    } else if (!sum.failed) {
        bool hidden = sum.secret;
        sum = from_text(whole, type);
        if (hidden)
            conceal(scope, &sum, "$text", made);
    }
    ist_free_secret(whole);
    ist_free_secret(made);
    return sum;
}

static struct value literal(struct scope *scope, const struct node *node, const char *type, bool secret,
                            const char *config_path)
{
    json_t *json;
    if (node->kind == NODE_NULL)
        json = json_null();
    // 0123, 1.10, 1e5: text is what was written, not the number.
    else if ((node->kind == NODE_INT || node->kind == NODE_REAL) && !type_is_core(type) &&
             strcmp(type, "any") != 0)
        json = json_string(node->text);
    else
        json = node_json(node);
    struct value value = known(json);
    if (secret && !is_kubeconfig_path(type, json)) {
        conceal(scope, &value, "$config", config_path);
        if (scope->uses && value.secret)
            strings_add(&scope->uses->clear, node->place.file);
    }
    return value;
}

static struct value scalar(struct scope *scope, const struct node *node, const char *type, bool secret,
                           const char *config_path)
{
    struct text parsed;
    size_t offset;
    char why[400];
    if (node->kind != NODE_STRING || !text_has_reference(node->text)) {
        struct value value = literal(scope, node, type, secret, config_path);
        settle_path(&value, type, node, NULL);
        return value;
    }
    if (text_parse(scope->config->arena, node->text, &parsed, &offset, why, sizeof(why))) {
        struct place place = node->place;
        if (!strchr(node->text, '\n'))
            place.column += (int)offset + node->quoted;
        diag_error(scope->diags, place, "%s", why);
        return failed();
    }
    struct value value;
    bool alone = parsed.count == 1 && !parsed.parts[0].literal;
    if (alone)
        value = one_part(scope, node, &parsed.parts[0], type, secret);
    else
        value = joined(scope, node, &parsed, type, secret);
    settle_path(&value, type, node, &parsed);
    if (secret && !value.secret && !is_kubeconfig_path(type, value.json)) {
        if (alone && parsed.parts[0].kind == REF_EACH)
            conceal(scope, &value, "$secret", NULL);
        else
            conceal(scope, &value, alone ? "$ref" : "$text", alone ? parsed.parts[0].inner : node->text);
    }
    return value;
}

// ---- lists and maps

void value_forgive(const struct scope *scope, struct value *value)
{
    if (!scope->partial || !value->failed)
        return;
    json_decref(value->json);
    json_decref(value->record);
    *value = (struct value){.record = json_pack("{s:s}", "$unknown", ""), .open = true};
}

static void put(struct value *sum, struct value *one, const char *key, bool partial)
{
    sum->secret = sum->secret || one->secret;
    sum->failed = sum->failed || one->failed;
    sum->open = sum->open || one->open || (partial && !one->json);
    if (!one->json && partial) {
        if (!key) // the items behind it keep their numbers
            json_array_append_new(sum->json, json_null());
    } else if (!one->json) {
        json_decref(sum->json);
        sum->json = NULL;
    } else if (sum->json) {
        key ? json_object_set(sum->json, key, one->json) : json_array_append(sum->json, one->json);
    }
    if (one->record)
        key ? json_object_set(sum->record, key, one->record) : json_array_append(sum->record, one->record);
    value_clear(one);
}

struct value evaluate(struct scope *scope, const struct node *node, const char *type, bool secret,
                      const char *config_path)
{
    char item[128] = "any";
    if (node->kind != NODE_LIST && node->kind != NODE_MAP)
        return scalar(scope, node, type, secret, config_path);
    ist_type_item(type, item, sizeof(item));
    bool map = node->kind == NODE_MAP;
    struct value sum = {.json = map ? json_object() : json_array(),
                        .record = map ? json_object() : json_array()};
    for (size_t i = 0; i < node->count; i++) {
        char *path = NULL;
        if (config_path)
            path = map ? path_join(config_path, node->items[i]->key) : ist_printf("%s[%zu]", config_path, i);
        struct value one = evaluate(scope, node->items[i], item, secret, path);
        if (!one.json && *one.type && !check_coming(scope, node->items[i], path, item, one.type))
            one.failed = true;
        value_forgive(scope, &one);
        put(&sum, &one, map ? node->items[i]->key : NULL, scope->partial);
        ist_free(path);
    }
    return sum;
}

struct value evaluate_text(struct scope *scope, const char *text, const char *type, struct place place)
{
    struct node *node = node_new(scope->config->arena, NODE_STRING, place);
    node->text = arena_strndup(scope->config->arena, text, strlen(text));
    node->quoted = true;
    if (!text_has_reference(text)) {
        json_t *json = text_typed(text, type);
        return json ? known(json) : failed();
    }
    return scalar(scope, node, type, false, NULL);
}

// ---- which steps are referred to

void node_references(struct arena *arena, const struct node *node, reference_fn *tell, void *arg)
{
    for (size_t i = 0; i < node->count; i++)
        node_references(arena, node->items[i], tell, arg);
    struct text parsed;
    size_t offset;
    char why[400];
    if (node->kind != NODE_STRING || !text_has_reference(node->text) ||
        text_parse(arena, node->text, &parsed, &offset, why, sizeof(why)))
        return; // evaluation says what is wrong with it
    for (size_t i = 0; i < parsed.count; i++)
        if (!parsed.parts[i].literal && parsed.parts[i].kind == REF_STEP)
            tell(arg, node, &parsed.parts[i]);
}
