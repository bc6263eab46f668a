// `isthmus plugin run NAME OP`: one operation of a plugin alone. What plan, apply and verify need is observed
// first; with --state FILE the record is kept from one run to the next, as the engine's state would.
#include "cli/plugin_use.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <stdlib.h>
#include <string.h>

// Secret outputs are named and not shown.
static json_t *shown_outputs(const struct solo *solo)
{
    const char *name;
    json_t *value, *shown = json_object();
    json_object_foreach(solo->report.outputs, name, value)
    {
        const bool secret = json_object_get(solo->secret_outputs, name) != NULL;
        json_object_set_new(shown, name, secret ? json_string(REDACTED) : json_incref(value));
    }
    return shown;
}

static void print_result(const struct cli *cli, const struct plugin_use *use, uint32_t operation,
                         json_t *changes)
{
    const struct solo_report *r = &use->solo->report;
    json_t *all = json_pack("{s:s,s:s,s:s,s:s,s:o}", "plugin", use->info->name, "version", use->info->version,
                            "operation", operation_name(operation), "result", ist_code_name(r->code),
                            "outputs", shown_outputs(use->solo));
    if (r->code != IST_OK)
        json_object_set_new(all, "error",
                            json_pack("{s:s,s:s,s:s}", "where", r->error.where, "text", r->error.text, "hint",
                                      r->error.hint));
    if (operation == IST_OP_OBSERVE && r->observed)
        json_object_set(all, "observed", r->observed);
    if (operation == IST_OP_PLAN || operation == IST_OP_APPLY)
        json_object_set(all, "changes", changes);
    if (operation == IST_OP_CHECK)
        json_object_set(all, "problems", r->problems);
    if (operation == IST_OP_VERIFY)
        json_object_set(all, "checks", r->checks);
    if (operation == IST_OP_APPLY || operation == IST_OP_DESTROY)
        json_object_set(all, "resources", use->solo->recorded);
    json_t *clean = redactor_json(use->redactor, all);
    cli_print_json(cli, clean);
    json_decref(clean);
    json_decref(all);
}

static bool any_failed(const json_t *checks)
{
    size_t i;
    json_t *check;
    json_array_foreach(checks, i,
                       check) if (!strcmp(ist_json_str_or(check, "result", ""), "fail")) return true;
    return false;
}

static bool any_error(const json_t *problems)
{
    size_t i;
    json_t *one;
    json_array_foreach(problems, i, one) if (!strcmp(ist_json_str_or(one, "level", ""), "error")) return true;
    return false;
}

static int run(const struct cli *cli, struct plugin_use *use, uint32_t operation)
{
    const char *state = cli_value(cli, OPT_STATE);
    ist_error err;
    if (state && solo_load(use->solo, state, &err)) {
        plugin_use_error(use, &err);
        return 1;
    }
    int32_t code = IST_OK;
    const bool observes = operation == IST_OP_PLAN || operation == IST_OP_APPLY || operation == IST_OP_VERIFY;
    if (observes && use->info->has_check) // before anybody is asked to let it in
        code = plugin_use_run(use, IST_OP_CHECK);
    if (observes && code == IST_OK)
        code = plugin_use_run(use, IST_OP_OBSERVE);
    if (code == IST_OK && operation == IST_OP_APPLY)
        code = plugin_use_run(use, IST_OP_PLAN);
    json_t *changes = json_incref(use->solo->report.changes);
    if (code == IST_OK) {
        code = plugin_use_run(use, operation);
        if (operation == IST_OP_PLAN) {
            json_decref(changes);
            changes = json_incref(use->solo->report.changes);
        }
    }
    int rc = code != IST_OK || any_failed(use->solo->report.checks);
    print_result(cli, use, operation, changes);
    json_decref(changes);
    if (code != IST_OK && !any_error(use->solo->report.problems)) // else it has been told as it came
        plugin_use_error(use, &use->solo->report.error);
    if (state && solo_save(use->solo, state, &err)) {
        plugin_use_error(use, &err);
        rc = 1;
    }
    return rc;
}

int cmd_plugin_run(const struct cli *cli)
{
    struct plugin_use use;
    uint32_t operation = operation_of_name(cli_arg(cli, 1));
    if (!operation)
        return cli_error("observe, plan, apply, destroy, verify, watch or check", "unknown operation `%s`",
                         cli_arg(cli, 1));
    if (plugin_use_open(cli, cli_arg(cli, 0), cli_has(cli, OPT_IN_PROCESS), &use))
        return 1;
    int rc = plugin_use_inputs(cli, &use);
    if (!rc)
        rc = run(cli, &use, operation);
    plugin_use_close(&use);
    return rc;
}
