// A map of the configuration against a table of fields: unknown keys, types, what is missing, defaults.
#include "config/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>
#include <isthmus/yaml.h>

#include <string.h>

#define MAX_KEYS 256

struct table {
    struct scope *scope;
    const ist_field *fields;
    size_t count;
    const char *what;
};

// ---- rows by name

static const ist_field *row(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->fields[i].name, name) == 0)
            return &table->fields[i];
    return NULL;
}

// What follows the prefix in a row's name, when it is a direct child ("nhrp." + "nhrp.key" -> "key") or leads
// to one whose own row is left out ("ike.start" under "" -> "ike"). *len: of that word.
static const char *child_word(const ist_field *field, const char *prefix, size_t *len)
{
    size_t n = strlen(prefix);
    if (strncmp(field->name, prefix, n) != 0)
        return NULL;
    const char *word = field->name + n;
    *len = strcspn(word, ".[{");
    return *len ? word : NULL;
}

// The suffix by which children hang below `name`: ".", "[].", "{}." or NULL when it has none.
static const char *children_of(const struct table *table, const char *name)
{
    static const char *const suffixes[] = {".", "[].", "{}."};
    size_t n = strlen(name);
    for (size_t i = 0; i < table->count; i++)
        for (size_t s = 0; s < 3; s++)
            if (strncmp(table->fields[i].name, name, n) == 0 &&
                strncmp(table->fields[i].name + n, suffixes[s], strlen(suffixes[s])) == 0)
                return suffixes[s];
    return NULL;
}

// The words that may stand under a prefix, each once; returns how many. They are the caller's (ist_free).
static size_t known_words(const struct table *table, const char *prefix, char *words[MAX_KEYS])
{
    size_t count = 0;
    for (size_t i = 0; i < table->count && count < MAX_KEYS; i++) {
        size_t len;
        const char *word = child_word(&table->fields[i], prefix, &len);
        bool seen = !word;
        for (size_t k = 0; k < count && !seen; k++)
            seen = strncmp(words[k], word, len) == 0 && !words[k][len];
        if (!seen)
            words[count++] = ist_strndup(word, len);
    }
    return count;
}

// ---- messages

// Returns the one that may have been meant, or NULL.
static const char *say_unknown_key(const struct table *table, const struct node *node, char *const *words,
                                   size_t count)
{
    const char *near = nearest(node->key, (const char *const *)words, count);
    if (near)
        diag_error(table->scope->diags, node->key_place, "unknown key `%s` of %s, did you mean `%s`?",
                   node->key, table->what, near);
    else
        diag_error(table->scope->diags, node->key_place, "unknown key `%s` of %s", node->key, table->what);
    diag_hide_after_key(table->scope->diags);
    if (near || !count)
        return near;
    ist_buf list = {0};
    for (size_t i = 0; i < count; i++)
        ist_buf_printf(&list, "%s%s", i ? ", " : "", words[i]);
    char *text = ist_buf_take(&list);
    diag_hint(table->scope->diags, "there are: %.400s%s", text, strlen(text) > 400 ? "..." : "");
    ist_free(text);
    return NULL;
}

static void say_missing(const struct table *table, struct place place, const char *name)
{
    diag_error(table->scope->diags, place, "`%s` of %s is missing", name, table->what);
    const ist_field *field = row(table, name);
    if (field && field->doc && *field->doc)
        diag_hint(table->scope->diags, "%s: %s", field->type, field->doc);
}

// The value is no valid `type`: err->where leads from `node` to the place.
static void say_invalid(const struct table *table, const ist_field *field, const struct node *node,
                        const ist_error *err)
{
    const struct node *inner = path_node(node, err->where);
    bool secret = field->flags & IST_SECRET || strstr(field->type, "secret");
    if (secret && strcmp(field->type, "secret") != 0)
        diag_error(table->scope->diags, (inner ? inner : node)->place, "`%s%s`: expected %s", field->name,
                   err->where, field->type);
    else
        diag_error(table->scope->diags, (inner ? inner : node)->place, "`%s%s`: %s", field->name, err->where,
                   err->text);
    if (secret)
        diag_hide_value(table->scope->diags);
    else if (err->hint[0])
        diag_hint(table->scope->diags, "%s", err->hint);
}

// ---- leaves

// What a later mapping overrides has been seen to as well.
static void mark_use(const struct table *table, const struct node *node, bool effective)
{
    struct uses *uses = table->scope->uses;
    if (!uses)
        return;
    if (node->overrides && node->overrides->key)
        mark_use(table, node->overrides, effective);
    for (size_t i = 0; i < uses->count; i++) {
        struct use *use = &uses->items[i];
        if (use->place.line != node->key_place.line || use->place.column != node->key_place.column ||
            strcmp(use->place.file, node->key_place.file) != 0)
            continue;
        use->effective = use->effective || effective;
        return;
    }
    const char *what = arena_strndup(table->scope->config->arena, table->what, strlen(table->what));
    uses->items = ist_realloc(uses->items, uses->count + 1, sizeof(struct use));
    uses->items[uses->count++] = (struct use){node->key_place, node->key, what, effective};
}

struct overlap {
    const json_t *list;
    size_t one, other; // of its items
    ist_net4 a, b;
};

static void tell_overlap(const struct table *table, const ist_field *field, struct place place,
                         struct overlap of)
{
    char *one = ist_printf("%s[%zu]", field->name, of.one),
         *other = ist_printf("%s[%zu]", field->name, of.other);
    char *picture = ist_net_picture((ist_net_bar[]){{one, of.a}, {other, of.b}}, 2);
    diag_error(table->scope->diags, place, "`%s`: %s overlaps with %s", other,
               json_string_value(json_array_get(of.list, of.other)),
               json_string_value(json_array_get(of.list, of.one)));
    diag_hint(table->scope->diags, "%s", picture);
    ist_free(picture);
    ist_free(other);
    ist_free(one);
}

// Networks of one list that overlap are a slip of the hand wherever they stand.
static void say_overlap(const struct table *table, const ist_field *field, const struct node *node,
                        const json_t *list)
{
    bool found = false;
    if (!table->scope->checking || !strstr(field->type, "(cidr)") || !json_is_array(list))
        return;
    for (size_t i = 0; i < json_array_size(list) && i < 256; i++) {
        for (size_t k = 0; k < i && !found; k++) {
            const char *a = json_string_value(json_array_get(list, i)),
                       *b = json_string_value(json_array_get(list, k));
            ist_net4 na, nb;
            if (!a || !b) // one that is not known yet
                continue;
            if (ist_net4_parse(a, &na, NULL) != IST_OK || ist_net4_parse(b, &nb, NULL) != IST_OK ||
                !ist_net4_overlap(na, nb))
                continue;
            const struct node *item = node->kind == NODE_LIST && i < node->count ? node->items[i] : node;
            tell_overlap(table, field, item->place, (const struct overlap){list, k, i, nb, na});
            found = true;
        }
    }
}

static bool stands_for_another(const json_t *record)
{
    static const char *const marks[] = {"$unknown", "$ref", "$text", "$config", "$secret"};
    for (size_t i = 0; i < 5 && json_object_size(record) == 1; i++)
        if (json_object_get(record, marks[i]))
            return true;
    return false;
}

// A list or a map of which a part is not known: the rest is made what its type says. What is wrong in it has been told,
// and counts as not known.
static void normal_where_known(const char *type, json_t *json, json_t *record);

// What one item becomes; NULL: it is not known. New reference.
static json_t *normal_item(const char *type, json_t *json, json_t *record)
{
    char item[128];
    json_t *normal = NULL;
    if (ist_type_normalise(type, json, &normal, NULL) == IST_OK)
        return normal;
    const bool map = strncmp(type, "map(", 4) == 0;
    if (!ist_type_item(type, item, sizeof(item)) || stands_for_another(record) ||
        (map ? !json_is_object(json) || !json_is_object(record)
             : !json_is_array(json) || !json_is_array(record)))
        return NULL;
    normal_where_known(type, json, record);
    return json_incref(json);
}

static void normal_where_known(const char *type, json_t *json, json_t *record)
{
    char item[128];
    size_t i;
    const char *key;
    void *next;
    json_t *child, *normal;
    if (!ist_type_item(type, item, sizeof(item)))
        return;
    for (i = 0; i < json_array_size(json); i++) {
        child = json_array_get(json, i);
        if (json_is_null(child))
            continue;
        normal = normal_item(item, child, json_array_get(record, i));
        json_array_set_new(json, i, normal ? normal : json_null());
        if (!normal)
            json_array_set_new(record, i, json_pack("{s:s}", "$unknown", ""));
    }
    json_object_foreach_safe(json, next, key, child)
    {
        normal = normal_item(item, child, json_object_get(record, key));
        if (normal) {
            json_object_set_new(json, key, normal);
            continue;
        }
        json_object_set_new(record, key, json_pack("{s:s}", "$unknown", ""));
        json_object_del(json, key);
    }
}

// Of a list or a map with something in it that is not known yet, the rest. False, and told, when it is wrong.
static bool check_rest(const struct table *table, const ist_field *field, const struct node *node,
                       const char *type, const json_t *record, const char *where)
{
    char item[128];
    size_t i;
    const char *key;
    json_t *child, *normal = NULL;
    bool good = true;
    ist_error err = {0};
    if (stands_for_another(record))
        return true;
    const bool contains = ist_type_item(type, item, sizeof(item));
    if (contains && json_is_array(record) && strncmp(type, "map(", 4) != 0) {
        json_array_foreach(record, i, child)
        {
            char *inner = ist_printf("%s[%zu]", where, i);
            good &= check_rest(table, field, node, item, child, inner);
            ist_free(inner);
        }
    } else if (contains && json_is_object(record) && strncmp(type, "map(", 4) == 0) {
        json_object_foreach((json_t *)(uintptr_t)record, key, child)
        {
            char *inner = strpbrk(key, ".[]") ? path_join(where, key) : ist_printf("%s.%s", where, key);
            good &= check_rest(table, field, node, item, child, inner);
            ist_free(inner);
        }
    } else if (ist_type_normalise(type, record, &normal, &err) != IST_OK) {
        ist_error whole = err;
        snprintf(whole.where, sizeof(whole.where), "%s%s", where, err.where);
        say_invalid(table, field, node, &whole);
        good = false;
    }
    json_decref(normal);
    return good;
}

static struct value leaf(const struct table *table, const ist_field *field, const struct node *node,
                         const char *config_path)
{
    struct scope *scope = table->scope;
    // A set within types says secret too: list(secret).
    bool secret = field->flags & IST_SECRET || strstr(field->type, "secret");
    size_t errors = diags_errors(scope->diags);
    scope->field = field->name;
    scope->field_path = config_path;
    struct value value = evaluate(scope, node, field->type, secret, config_path);
    if (!value.json && *value.type && !check_coming(scope, node, config_path, field->type, value.type))
        value.failed = true;
    scope->field = scope->field_path = NULL;
    if (value.failed) {
        if (diags_errors(scope->diags) == errors && !scope->pipeline)
            diag_error(scope->diags, node->place, "`%s` cannot be evaluated", field->name);
        return value;
    }
    if (!value.json) {
        value.failed = !check_rest(table, field, node, field->type, value.record, "");
        return value;
    }
    if (json_is_null(value.json))
        return value;
    json_t *normal = NULL;
    ist_error err = {0};
    if (value.open) {
        normal_where_known(field->type, value.json, value.record);
        say_overlap(table, field, node, value.json);
        return value;
    }
    if (ist_type_normalise(field->type, value.json, &normal, &err) != IST_OK) {
        say_invalid(table, field, node, &err);
        value_clear(&value);
        return (struct value){.failed = true};
    }
    if (field->flags & IST_REQUIRED && json_is_string(normal) && !json_string_length(normal)) {
        diag_error(scope->diags, node->place, "`%s` of %s is empty", field->name, table->what);
        json_decref(normal);
        value_clear(&value);
        return (struct value){.failed = true};
    }
    say_overlap(table, field, node, value.json);
    json_decref(value.json);
    value.json = normal;
    if (!value.secret) {
        json_decref(value.record);
        value.record = json_incref(normal);
    }
    return value;
}

static struct value default_of(const struct table *table, const ist_field *field)
{
    struct value value = {0};
    json_t *json = NULL, *normal = NULL;
    if (ist_yaml_parse(field->def, strlen(field->def), "default", &json, NULL) == IST_OK &&
        !json_is_null(json)) {
        // A default of text is text, whatever it looks like.
        if (type_is_text(field->type) && json_is_number(json)) {
            json_decref(json);
            json = json_string(field->def);
        }
        if (ist_type_normalise(field->type, json, &normal, NULL) != IST_OK)
            diag_error(table->scope->diags, (struct place){0}, "%s: the default of `%s` is no %s",
                       table->what, field->name, field->type);
    }
    json_decref(json);
    value.json = normal ? normal : json_null();
    value.record = json_incref(value.json);
    return value;
}

// ---- objects

static struct value object(const struct table *table, const char *prefix, const struct node *map,
                           struct place place, const char *config_path, bool optional);

static void take(const struct table *table, struct value *sum, struct value *one, const char *key)
{
    const bool partial = table->scope->partial;
    value_forgive(table->scope, one);
    sum->secret = sum->secret || one->secret;
    sum->failed = sum->failed || one->failed;
    sum->open = sum->open || one->open || (partial && !one->json);
    if (!one->json && partial) {
        if (!key)
            json_array_append_new(sum->json, json_null());
    } else if (!one->json && !one->failed) {
        json_decref(sum->json);
        sum->json = NULL;
    }
    bool given = one->json && !json_is_null(one->json);
    if (sum->json && given)
        key ? json_object_set(sum->json, key, one->json) : json_array_append(sum->json, one->json);
    if (one->record && (given || !one->json))
        key ? json_object_set(sum->record, key, one->record) : json_array_append(sum->record, one->record);
    value_clear(one);
}

// A reference that stands for the whole of a map or a list of maps; its parts are checked by the plugin.
static struct value whole(const struct table *table, const struct node *node, const char *name,
                          const char *type, const char *config_path)
{
    struct scope *scope = table->scope;
    scope->field = name;
    scope->field_path = config_path;
    struct value value = evaluate(scope, node, "any", false, config_path);
    if (!value.json && *value.type && !check_coming(scope, node, config_path, type, value.type))
        value.failed = true;
    scope->field = scope->field_path = NULL;
    const bool fits = strncmp(type, "list", 4) == 0 ? json_is_array(value.json) : json_is_object(value.json);
    if (value.json && !json_is_null(value.json) && !fits) {
        diag_error(scope->diags, node->place, "`%s`: expected %s, found %s", name,
                   strncmp(type, "list", 4) == 0 ? "a list" : "a map",
                   json_is_array(value.json)    ? "a list"
                   : json_is_object(value.json) ? "a map"
                                                : "a value");
        value_clear(&value);
        value.failed = true;
    }
    return value;
}

// Where a part is found again; NULL where the whole is not.
static char *below(const char *config_path, const char *key)
{
    return config_path ? path_join(config_path, key) : NULL;
}

static char *below_item(const char *config_path, size_t i)
{
    return config_path ? ist_printf("%s[%zu]", config_path, i) : NULL;
}

// list(object) and map(object).
static struct value objects_at(const struct table *table, const char *prefix, const struct node *node,
                               const char *name, const char *config_path)
{
    bool map = strstr(prefix, "{}.") == prefix + strlen(prefix) - 3;
    if (node->kind != (map ? NODE_MAP : NODE_LIST)) {
        if (node->kind == NODE_STRING && text_has_reference(node->text))
            return whole(table, node, name, map ? "map(object)" : "list(object)", config_path);
        diag_error(table->scope->diags, node->place, "`%s`: expected %s, found %s", name,
                   map ? "a map" : "a list", node_kind_name(node->kind));
        return (struct value){.failed = true};
    }
    struct value sum = {.json = map ? json_object() : json_array(),
                        .record = map ? json_object() : json_array()};
    for (size_t i = 0; i < node->count; i++) {
        const struct node *item = node->items[i];
        char *path = map ? below(config_path, item->key) : below_item(config_path, i);
        struct value one = object(table, prefix, item, item->place, path, false);
        take(table, &sum, &one, map ? item->key : NULL);
        ist_free(path);
    }
    return sum;
}

static struct value objects(const struct table *table, const char *prefix, const struct node *node,
                            const char *name, const char *config_path)
{
    char *path = config_path ? ist_strdup(config_path) : NULL;
    const struct node *meant = node_meant(table->scope, node, &path);
    struct value value = objects_at(table, prefix, meant, name, path);
    ist_free(path);
    return value;
}

static bool is_required(const struct table *table, const char *name, bool implied)
{
    const ist_field *field = row(table, name);
    if (field)
        return field->flags & IST_REQUIRED && !field->def;
    if (!implied)
        return false;
    // The row of the object itself is left out: it is needed when one of its children is.
    size_t n = strlen(name);
    for (size_t i = 0; i < table->count; i++)
        if (strncmp(table->fields[i].name, name, n) == 0 && table->fields[i].name[n] == '.' &&
            table->fields[i].flags & IST_REQUIRED && !table->fields[i].def)
            return true;
    return false;
}

// One known word under the prefix; `node` is NULL when it is not given.
static struct value member(const struct table *table, const char *name, const struct node *node,
                           struct place place, const char *config_path)
{
    const ist_field *field = row(table, name);
    const char *children = children_of(table, name);
    struct value nothing = {.json = json_null(), .record = json_null()};
    // A key without a value was not finished; ~, or nothing over what another file says, takes it out.
    if (node && node->kind == NODE_NULL && node->text && !*node->text && !node->overrides &&
        strcmp(node->place.file, node->key_place.file) == 0) {
        diag_error(table->scope->diags, node->key_place, "`%s` is empty", name);
        diag_hint(table->scope->diags, "give it a value, or leave it out; ~ says that there is none");
        nothing.failed = true;
        return nothing;
    }
    if (node && node->kind == NODE_NULL)
        node = NULL;
    if (node && field && field->flags & IST_ELSEWHERE) {
        mark_use(table, node, false);
        return nothing;
    }
    if (node)
        mark_use(table, node, true);
    if (node && field && field->flags & IST_DEPRECATED)
        diag_warn(table->scope->diags, node->key_place, "`%s` of %s is deprecated%s%s", name, table->what,
                  field->doc ? ": " : "", field->doc ? field->doc : "");
    struct value value = nothing;
    char *inner = ist_printf("%s%s", name, children ? children : "");
    if (children && strcmp(children, ".") == 0)
        value = object(table, inner, node, node ? node->key_place : place, config_path,
                       !node && !is_required(table, name, true));
    else if (children && node)
        value = objects(table, inner, node, name, config_path);
    else if (node && field)
        value = leaf(table, field, node, config_path);
    ist_free(inner);
    bool absent = value.json && json_is_null(value.json);
    if (absent && field && field->def && !(field->flags & IST_ELSEWHERE)) {
        value_clear(&value);
        return default_of(table, field);
    }
    return value;
}

// optional: an object that is not given; it is there when its defaults make it whole.
static struct value object_at(const struct table *table, const char *prefix, const struct node *map,
                              struct place place, const char *config_path, bool optional)
{
    struct scope *scope = table->scope;
    struct value sum = {.json = json_object(), .record = json_object()};
    char *words[MAX_KEYS];
    bool misspelt[MAX_KEYS] = {false};
    size_t count = known_words(table, prefix, words);
    for (size_t i = 0; map && i < map->count; i++) {
        bool found = false;
        for (size_t k = 0; k < count && !found; k++)
            found = strcmp(words[k], map->items[i]->key) == 0;
        if (found)
            continue;
        const char *near = say_unknown_key(table, map->items[i], words, count);
        for (size_t k = 0; k < count && near && scope->partial; k++)
            misspelt[k] = misspelt[k] || (strcmp(words[k], near) == 0 && !node_get(map, near));
        sum.failed = !scope->partial;
    }
    bool incomplete = false;
    for (size_t k = 0; k < count; k++) {
        const struct node *node = map ? node_get(map, words[k]) : NULL;
        char *name = ist_printf("%s%s", prefix, words[k]), *path = below(config_path, words[k]);
        struct value one = member(table, name, node, node ? node->key_place : place, path);
        if (one.json && json_is_null(one.json) && !one.failed && is_required(table, name, false)) {
            incomplete = true;
            if (!optional) {
                say_missing(table, node ? node->key_place : place, name);
                one.failed = true;
            }
        }
        if (misspelt[k])
            one.failed = true;
        take(table, &sum, &one, words[k]);
        ist_free(name);
        ist_free(path);
        ist_free(words[k]);
    }
    bool empty = sum.json && !json_object_size(sum.json) && !map;
    if (optional && *prefix && (incomplete || empty) && !sum.failed) {
        value_clear(&sum);
        return (struct value){.json = json_null(), .record = json_null()};
    }
    return sum;
}

static struct value no_object(const struct table *table, const char *prefix, const struct node *node,
                              const char *config_path)
{
    char *name = *prefix ? ist_strndup(prefix, strlen(prefix) - 1) : ist_strdup("with");
    struct value value = {.failed = true};
    if (node->kind == NODE_STRING && text_has_reference(node->text))
        value = whole(table, node, name, "object", config_path);
    else
        diag_error(table->scope->diags, node->place, "`%s`: expected a map, found %s", name,
                   node_kind_name(node->kind));
    ist_free(name);
    return value;
}

static struct value object(const struct table *table, const char *prefix, const struct node *map,
                           struct place place, const char *config_path, bool optional)
{
    char *path = config_path ? ist_strdup(config_path) : NULL;
    if (map)
        map = node_meant(table->scope, map, &path);
    struct value value = map && map->kind != NODE_MAP && map->kind != NODE_NULL
                             ? no_object(table, prefix, map, path)
                             : object_at(table, prefix, map, place, path, optional);
    ist_free(path);
    return value;
}

struct value table_values(struct scope *scope, const ist_field *fields, size_t count, const struct node *map,
                          struct place place, const char *what, const char *config_path)
{
    struct table table = {scope, fields, count, what};
    return object(&table, "", map, place, config_path, false);
}

static void known_keys(const struct table *table, const char *prefix, const struct node *map)
{
    char *words[MAX_KEYS];
    if (map->kind != NODE_MAP)
        return;
    size_t count = known_words(table, prefix, words);
    for (size_t i = 0; i < map->count; i++) {
        const struct node *child = map->items[i];
        size_t k = 0;
        while (k < count && strcmp(words[k], child->key) != 0)
            k++;
        if (k == count) {
            say_unknown_key(table, child, words, count);
            continue;
        }
        char *name = ist_printf("%s%s", prefix, words[k]);
        const char *children = children_of(table, name);
        char *inner = ist_printf("%s%s", name, children ? children : "");
        if (children && strcmp(children, ".") == 0)
            known_keys(table, inner, child);
        for (size_t n = 0; children && strcmp(children, ".") != 0 && n < child->count; n++)
            known_keys(table, inner, child->items[n]);
        ist_free(inner);
        ist_free(name);
    }
    for (size_t k = 0; k < count; k++)
        ist_free(words[k]);
}

void table_keys(struct scope *scope, const ist_field *fields, size_t count, const struct node *map,
                const char *what)
{
    struct table table = {scope, fields, count, what};
    known_keys(&table, "", map);
}

void uses_free(struct uses *uses)
{
    strings_free(&uses->clear);
    ist_free(uses->items);
    *uses = (struct uses){0};
}

void uses_warn(const struct uses *uses, struct diags *diags)
{
    for (size_t i = 0; i < uses->count; i++) {
        const struct use *use = &uses->items[i];
        if (use->effective)
            continue;
        diag_warn(diags, use->place, "`%s` has no effect in this pipeline", use->key);
        diag_hint(diags, "%s accepts it for the sake of other steps that read the same file", use->plugin);
    }
}
