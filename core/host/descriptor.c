// What a descriptor has to be, and what it is as data.
#include "host/loader.h"

#include "host/runner.h"
#include "host/value.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <isthmus/roles/dmvpn-endpoint.h>
#include <isthmus/schema.h>
#include <isthmus/yaml.h>

#include <string.h>

#define KNOWN_FLAGS                                                                                          \
    (IST_REQUIRED | IST_SECRET | IST_FORCES_REPLACE | IST_ELSEWHERE | IST_DEPRECATED | IST_WRITTEN)
#define KNOWN_PLUGIN_FLAGS IST_PLUGIN_RECONFIGURES
#define MAX_ROWS           4096u

// What the first header had: a descriptor may be longer, never shorter.
#define FIRST_PLUGIN_SIZE  (offsetof(ist_plugin, permissions) + sizeof(((ist_plugin *)NULL)->permissions))
#define FIRST_FIELD_SIZE   (offsetof(ist_field, doc) + sizeof(((ist_field *)NULL)->doc))
#define FIRST_COMMAND_SIZE (offsetof(ist_command, run) + sizeof(((ist_command *)NULL)->run))
#define FIRST_OPTION_SIZE  (offsetof(ist_option, doc) + sizeof(((ist_option *)NULL)->doc))

struct role {
    const char *name;
    uint32_t version;
    const ist_field *inputs, *outputs; // ended by a row without a name
};

static const struct role roles[] = {
    {IST_ROLE_DMVPN_ENDPOINT, IST_ROLE_DMVPN_ENDPOINT_VERSION, ist_role_dmvpn_endpoint_inputs,
     ist_role_dmvpn_endpoint_outputs},
};

// Rows of a foreign size: each side knows only the members that it was built with.
static const void *row(const void *table, size_t i, uint32_t size)
{
    return (const char *)table + i * size;
}

static int empty(const char *text)
{
    return !text || !*text;
}

static uint32_t flags_of(const ist_plugin *p)
{
    return IST_HAS(p, flags) ? p->flags : 0;
}

// ---- the fixed part

static int check_head(const ist_plugin *p, const char *name, ist_error *err)
{
    if (p->magic != IST_MAGIC)
        return ist_fail(err, IST_ERR_INTERNAL, name, "magic: expected 0x%08x, found 0x%08x", IST_MAGIC,
                        p->magic);
    if (p->major != IST_ABI_MAJOR)
        return ist_fail(err, IST_ERR_INTERNAL, name, "ABI major: expected %u, found %u", IST_ABI_MAJOR,
                        p->major);
    if (p->size < FIRST_PLUGIN_SIZE)
        return ist_fail(err, IST_ERR_INTERNAL, name,
                        "size of the descriptor: expected at least %zu, found %u", FIRST_PLUGIN_SIZE,
                        p->size);
    // What its minor brought is there.
    const size_t size = p->minor >= 4   ? offsetof(ist_plugin, check) + sizeof(p->check)
                        : p->minor >= 3 ? offsetof(ist_plugin, flags) + sizeof(p->flags)
                                        : FIRST_PLUGIN_SIZE;
    if (p->size < size)
        return ist_fail(err, IST_ERR_INTERNAL, name,
                        "size of the descriptor: expected at least %zu with ABI %u.%u, found %u", size,
                        p->major, p->minor, p->size);
    const char *missing = !p->observe               ? "observe"
                          : !p->plan                ? "plan"
                          : p->apply && !p->destroy ? "destroy (it has apply)"
                          : p->destroy && !p->apply ? "apply (it has destroy)"
                          : !p->apply && !p->verify ? "apply and destroy, or verify"
                                                    : NULL;
    if (missing)
        return ist_fail(err, IST_ERR_INTERNAL, name, "operations: expected %s, found none", missing);
    if (empty(p->name) || strcmp(p->name, name) != 0)
        return ist_fail(err, IST_ERR_INTERNAL, name,
                        "name: expected \"%.64s\" as the file's, found \"%.64s\"", name,
                        p->name ? p->name : "");
    if (empty(p->version) || empty(p->doc) || !p->build)
        return ist_fail(err, IST_ERR_INTERNAL, name, "version, doc and build: expected text, found none");
    if (flags_of(p) & ~KNOWN_PLUGIN_FLAGS)
        return ist_fail(err, IST_ERR_INTERNAL, name, "flags: expected within 0x%x, found 0x%x",
                        KNOWN_PLUGIN_FLAGS, flags_of(p));
    if ((flags_of(p) & IST_PLUGIN_RECONFIGURES) && !p->watch)
        return ist_fail(err, IST_ERR_INTERNAL, name,
                        "operations: expected watch because of IST_PLUGIN_RECONFIGURES, found none");
    return 0;
}

// ---- the tables of fields

static const ist_field *find_row(const ist_field *table, uint32_t count, uint32_t size, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        const ist_field *field = row(table, i, size);
        if (!strcmp(field->name, name))
            return field;
    }
    return NULL;
}

// "clusters[].name" hangs below a "clusters" of type list(object), when there is such a row.
static int check_parent(const ist_field *table, uint32_t before, uint32_t size, const ist_field *field,
                        const char *where, ist_error *err)
{
    const char *dot = strrchr(field->name, '.');
    if (!dot)
        return 0;
    char *parent = ist_strndup(field->name, (size_t)(dot - field->name));
    size_t len = strlen(parent);
    const char *expected = "object";
    if (len > 2 && (!strcmp(parent + len - 2, "[]") || !strcmp(parent + len - 2, "{}"))) {
        expected = parent[len - 1] == ']' ? "list(object)" : "map(object)";
        parent[len - 2] = '\0';
    }
    const ist_field *above = find_row(table, before, size, parent);
    int rc = 0;
    if (above && strcmp(above->type, expected) != 0)
        rc = ist_fail(err, IST_ERR_INTERNAL, where, "type of \"%s\": expected %s because of \"%s\", found %s",
                      parent, expected, field->name, above->type);
    ist_free(parent);
    return rc;
}

static int check_default(const ist_field *field, const char *where, ist_error *err)
{
    json_t *value = NULL, *normal = NULL;
    ist_error why;
    if (!field->def)
        return 0;
    int32_t rc = ist_yaml_parse(field->def, strlen(field->def), field->name, &value, &why);
    // "" is no document: it stands for the empty string.
    if (rc != IST_OK && !*field->def) {
        value = json_string("");
        rc = IST_OK;
    }
    if (rc == IST_OK && !json_is_null(value) && *field->def)
        rc = ist_type_normalise(field->type, value, &normal, &why);
    if (rc != IST_OK)
        ist_fail(err, IST_ERR_INTERNAL, where, "default of \"%s\": %s", field->name, why.text);
    json_decref(value);
    json_decref(normal);
    return rc;
}

static int check_field(const ist_field *table, uint32_t i, uint32_t size, const char *where, ist_error *err)
{
    const ist_field *field = row(table, i, size);
    if (empty(field->name))
        return ist_fail(err, IST_ERR_INTERNAL, where, "row %u: expected a name, found none", i);
    if (find_row(table, i, size, field->name))
        return ist_fail(err, IST_ERR_INTERNAL, where, "\"%s\": expected once, found twice", field->name);
    if (empty(field->type) || !ist_type_valid(field->type))
        return ist_fail(err, IST_ERR_INTERNAL, where,
                        "type of \"%s\": expected one of plugin.h, found \"%s\"", field->name,
                        field->type ? field->type : "");
    if (field->flags & ~KNOWN_FLAGS)
        return ist_fail(err, IST_ERR_INTERNAL, where, "flags of \"%s\": expected within 0x%x, found 0x%x",
                        field->name, KNOWN_FLAGS, field->flags);
    if (empty(field->doc))
        return ist_fail(err, IST_ERR_INTERNAL, where, "doc of \"%s\": expected a sentence, found none",
                        field->name);
    if (check_parent(table, i, size, field, where, err))
        return IST_ERR_INTERNAL;
    return check_default(field, where, err);
}

static int check_fields(const ist_plugin *p, const ist_field *table, uint32_t count, const char *what,
                        ist_error *err)
{
    char *where = ist_printf("%s: %s", p->name, what);
    int rc = 0;
    if (count && (!table || p->field_size < FIRST_FIELD_SIZE))
        rc = ist_fail(err, IST_ERR_INTERNAL, where, "size of a row: expected at least %zu, found %u",
                      FIRST_FIELD_SIZE, table ? p->field_size : 0);
    else if (count > MAX_ROWS)
        rc = ist_fail(err, IST_ERR_INTERNAL, where, "rows: expected at most %u, found %u", MAX_ROWS, count);
    for (uint32_t i = 0; !rc && i < count; i++)
        rc = check_field(table, i, p->field_size, where, err);
    ist_free(where);
    return rc;
}

static int check_commands(const ist_plugin *p, ist_error *err)
{
    char *where = ist_printf("%s: commands", p->name);
    int rc = 0;
    if (p->command_count && (!p->commands || p->command_size < FIRST_COMMAND_SIZE))
        rc = ist_fail(err, IST_ERR_INTERNAL, where, "size of a row: expected at least %zu, found %u",
                      FIRST_COMMAND_SIZE, p->commands ? p->command_size : 0);
    for (uint32_t i = 0; !rc && i < p->command_count; i++) {
        const ist_command *c = row(p->commands, i, p->command_size);
        if (empty(c->word) || empty(c->name) || empty(c->doc) || !c->run)
            rc = ist_fail(err, IST_ERR_INTERNAL, where, "row %u: expected word, name, doc and run", i);
        else if (c->option_count && (!c->options || c->option_size < FIRST_OPTION_SIZE))
            rc = ist_fail(err, IST_ERR_INTERNAL, where,
                          "size of an option of \"%s\": expected at least %zu, "
                          "found %u",
                          c->name, FIRST_OPTION_SIZE, c->option_size);
        for (uint32_t k = 0; !rc && k < c->option_count; k++) {
            const ist_option *o = row(c->options, k, c->option_size);
            if (empty(o->name) || strncmp(o->name, "--", 2) != 0 || empty(o->doc))
                rc = ist_fail(err, IST_ERR_INTERNAL, where,
                              "option %u of \"%s\": expected \"--name\" and a "
                              "sentence, found \"%s\"",
                              k, c->name, o->name ? o->name : "");
        }
    }
    ist_free(where);
    return rc;
}

// ---- the role

static int check_side(const ist_plugin *p, const struct role *role, const char *what, ist_error *err)
{
    const bool in = !strcmp(what, "input");
    const ist_field *wanted = in ? role->inputs : role->outputs;
    for (; wanted->name; wanted++) {
        const ist_field *field = find_row(in ? p->inputs : p->outputs, in ? p->input_count : p->output_count,
                                          p->field_size, wanted->name);
        if (!field || strcmp(field->type, wanted->type) != 0)
            return ist_fail(err, IST_ERR_INTERNAL, p->name,
                            "role %s/%u: expected %s \"%s\" of type %s, found %s", role->name, role->version,
                            what, wanted->name, wanted->type, field ? field->type : "none");
    }
    return 0;
}

static int check_role(const ist_plugin *p, ist_error *err)
{
    if (!p->role)
        return 0;
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (strcmp(roles[i].name, p->role) != 0)
            continue;
        if (p->role_version != roles[i].version)
            return ist_fail(err, IST_ERR_INTERNAL, p->name, "version of role %s: expected %u, found %u",
                            p->role, roles[i].version, p->role_version);
        return check_side(p, &roles[i], "input", err) || check_side(p, &roles[i], "output", err)
                   ? IST_ERR_INTERNAL
                   : 0;
    }
    return ist_fail(err, IST_ERR_INTERNAL, p->name,
                    "role: expected one that isthmus/roles knows, found \"%s\"", p->role);
}

int descriptor_check(const ist_plugin *plugin, const char *name, ist_error *err)
{
    if (!plugin)
        return ist_fail(err, IST_ERR_INTERNAL, name, "descriptor: expected one, found NULL");
    if (check_head(plugin, name, err) ||
        check_fields(plugin, plugin->inputs, plugin->input_count, "inputs", err) ||
        check_fields(plugin, plugin->outputs, plugin->output_count, "outputs", err) ||
        check_commands(plugin, err) || check_role(plugin, err))
        return IST_ERR_INTERNAL;
    return 0;
}

// ---- as data

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, value_text(text, 0));
}

static json_t *fields_json(const ist_field *table, uint32_t count, uint32_t size)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        const ist_field *field = row(table, i, size);
        json_t *item = json_object();
        put_text(item, "name", field->name);
        put_text(item, "type", field->type);
        put_text(item, "def", field->def);
        json_object_set_new(item, "flags", json_integer(field->flags));
        put_text(item, "since", field->since);
        put_text(item, "doc", field->doc);
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *commands_json(const ist_plugin *p)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->command_count; i++) {
        const ist_command *c = row(p->commands, i, p->command_size);
        json_t *options = json_array();
        for (uint32_t k = 0; k < c->option_count; k++) {
            const ist_option *o = row(c->options, k, c->option_size);
            json_t *option = json_object();
            put_text(option, "name", o->name);
            put_text(option, "arg", o->arg);
            put_text(option, "doc", o->doc);
            if (c->option_size >= offsetof(ist_option, flags) + sizeof(o->flags))
                json_object_set_new(option, "flags", json_integer(o->flags));
            json_array_append_new(options, option);
        }
        json_t *item = json_object();
        put_text(item, "word", c->word);
        put_text(item, "name", c->name);
        put_text(item, "doc", c->doc);
        json_object_set_new(item, "options", options);
        json_array_append_new(list, item);
    }
    return list;
}

json_t *descriptor_json(const ist_plugin *p)
{
    json_t *json = json_object();
    put_text(json, "name", p->name);
    put_text(json, "version", p->version);
    put_text(json, "build", p->build);
    put_text(json, "doc", p->doc);
    put_text(json, "role", p->role);
    json_object_set_new(json, "role_version", json_integer(p->role_version));
    json_object_set_new(json, "abi", json_pack("[i,i]", (int)p->major, (int)p->minor));
    json_object_set_new(json, "record_version", json_integer(p->record_version));
    json_object_set_new(json, "flags", json_integer(flags_of(p)));
    json_object_set_new(json, "inputs", fields_json(p->inputs, p->input_count, p->field_size));
    json_object_set_new(json, "outputs", fields_json(p->outputs, p->output_count, p->field_size));
    json_object_set_new(json, "commands", commands_json(p));
    json_t *permissions = json_array(), *operations = json_array();
    for (const char *const *at = p->permissions; at && *at; at++)
        json_array_append_new(permissions, value_text(*at, 0));
    for (uint32_t op = IST_OP_OBSERVE; op <= IST_OP_CHECK; op++)
        if (plugin_operation(p, op))
            json_array_append_new(operations, json_string(operation_name(op)));
    json_object_set_new(json, "permissions", permissions);
    json_object_set_new(json, "operations", operations);
    return json;
}
