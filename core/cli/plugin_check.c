// `isthmus plugin check FILE.so`: what the loader checks and more: that nothing but the entry is exported, that
// reading only reads, that it says the same twice, that it tells no secret.
#include "cli/plugin_use.h"
#include "host/elf.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <stdlib.h>
#include <string.h>

struct checking {
    const struct cli *cli;
    json_t *results; // array of {name, result, evidence}
    int failed;
};

static void said(struct checking *c, const char *name, uint32_t result, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void said(struct checking *c, const char *name, uint32_t result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *evidence = ist_vprintf(format, args);
    va_end(args);
    json_array_append_new(c->results, json_pack("{s:s,s:s,s:s}", "name", name, "result", check_name(result),
                                                "evidence", evidence));
    c->failed += result == IST_FAIL;
    ist_free(evidence);
}

// ---- the file

// What the linker itself puts there.
static bool is_linkers(const char *name)
{
    static const char *const names[] = {"_init", "_fini", "_end", "_edata", "__bss_start"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

// false: the file is nothing that could be loaded.
static bool check_exports(struct checking *c, const char *path)
{
    ist_error err;
    json_t *name, *names = elf_exports(path, &err);
    size_t i;
    ist_buf others = {0};
    if (!names) {
        said(c, "file", IST_FAIL, "%s", err.text);
        return false;
    }
    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        if (strcmp(text, "ist_plugin_entry") != 0 && !is_linkers(text) && others.len < 200)
            ist_buf_printf(&others, " %s", text);
    }
    if (others.len)
        said(c, "exports", IST_FAIL, "expected ist_plugin_entry alone, found also%s", others.data);
    else
        said(c, "exports", IST_PASS, "ist_plugin_entry alone");
    ist_buf_free(&others);
    json_decref(names);
    return true;
}

// ---- reading only reads

static bool tells_secrets(const struct plugin_use *use)
{
    const struct solo_report *r = &use->solo->report;
    const json_t *const trees[] = {r->observed, r->changes, r->logs, r->problems};
    bool found = redactor_finds(use->redactor, r->error.text);
    for (size_t i = 0; i < sizeof(trees) / sizeof(*trees); i++) {
        char *text = trees[i] ? json_dumps(trees[i], JSON_ENCODE_ANY) : NULL;
        found = found || (text && redactor_finds(use->redactor, text));
        free(text);
    }
    return found;
}

// What a run of observe and plan came to, to be compared with the next one's.
static json_t *outcome(const struct plugin_use *use)
{
    const struct solo_report *r = &use->solo->report;
    return json_pack("{s:O?,s:O,s:O}", "observed", use->solo->observed, "changes", r->changes, "outputs",
                     r->outputs);
}

// observe and plan; NULL when one did not succeed, which has been said.
static json_t *read_once(struct checking *c, struct plugin_use *use)
{
    for (uint32_t op = IST_OP_OBSERVE; op <= IST_OP_PLAN; op++) {
        int32_t code = plugin_use_run(use, op);
        const ist_error *err = &use->solo->report.error;
        if (tells_secrets(use))
            said(c, "secrets", IST_FAIL, "%s told the value of a secret", operation_name(op));
        if (code == IST_ERR_READ_ONLY)
            said(c, "reads only", IST_FAIL, "%s tried to write: %s: %s", operation_name(op), err->where,
                 err->text);
        else if (code == IST_ERR_INTERNAL)
            said(c, operation_name(op), IST_FAIL, "%s: %s", err->where, err->text);
        else if (code != IST_OK)
            said(c, operation_name(op), IST_SKIP, "did not come to its end: %s: %s", err->where, err->text);
        if (code != IST_OK)
            return NULL;
    }
    return outcome(use);
}

static void check_reads(struct checking *c, struct plugin_use *use)
{
    json_t *first = read_once(c, use), *second = first ? read_once(c, use) : NULL;
    if (second) {
        said(c, "reads only", IST_PASS, "observe and plan asked for no write and journalled nothing");
        if (json_equal(first, second))
            said(c, "idempotent", IST_PASS, "observe and plan came to the same twice");
        else
            said(c, "idempotent", IST_FAIL, "observe and plan came to something else the second time");
    }
    json_decref(first);
    json_decref(second);
}

// ---- check

// Asks check once; false when it broke a rule, which has been said.
static bool check_once(struct checking *c, struct plugin_use *use, bool blind)
{
    const struct solo_report *r = &use->solo->report;
    int32_t code = plugin_use_run(use, IST_OP_CHECK);
    const json_t *first = json_array_get(r->problems, 0);
    if (tells_secrets(use))
        said(c, "secrets", IST_FAIL, "check told the value of a secret");
    else if (code == IST_ERR_READ_ONLY)
        said(c, "check", IST_FAIL, "tried to reach something: %s: %s", r->error.where, r->error.text);
    else if (code != IST_OK && code != IST_ERR_INPUT)
        said(c, "check", IST_FAIL, "%s: %s", r->error.where, r->error.text);
    else if (blind && code != IST_OK)
        said(c, "check", IST_FAIL, "with no input known it says: %s: %s",
             first ? ist_json_str_or(first, "path", "") : r->error.where,
             first ? ist_json_str_or(first, "text", "") : r->error.text);
    else
        return true;
    return false;
}

// First with nothing known, as where all inputs come from other steps; then with those that were given.
static void check_check(struct checking *c, struct plugin_use *use, bool given)
{
    if (!use->info->has_check)
        return;
    json_t *inputs = use->inputs, *names = json_array();
    for (size_t i = 0; i < use->info->input_count; i++)
        if (!strpbrk(use->info->inputs[i].name, ".[{"))
            json_array_append_new(names, json_string(use->info->inputs[i].name));
    use->inputs = json_object();
    use->solo->unknown = names;
    bool good = check_once(c, use, true);
    json_decref(use->inputs);
    use->inputs = inputs;
    use->solo->unknown = NULL;
    if (good && given)
        good = check_once(c, use, false);
    if (good)
        said(c, "check", IST_PASS, "copes with inputs that are not known%s",
             given ? ", and looks at those that are" : "");
    json_decref(names);
}

// ---- the command

static bool needs_inputs(const struct plugin_info *info)
{
    for (size_t i = 0; i < info->input_count; i++)
        if (info->inputs[i].flags & IST_REQUIRED && !info->inputs[i].def &&
            !strpbrk(info->inputs[i].name, ".[{"))
            return true;
    return false;
}

static void print_results(const struct checking *c, const char *path)
{
    size_t i;
    json_t *one;
    const char *format = cli_value(c->cli, OPT_OUTPUT);
    if (format && strcmp(format, "text") != 0) {
        json_t *all = json_pack("{s:s,s:b,s:O}", "file", path, "ok", c->failed == 0, "checks", c->results);
        cli_print_json(c->cli, all);
        json_decref(all);
        return;
    }
    json_array_foreach(c->results, i, one)
        printf("%-5s %-12s %s\n", ist_json_str_or(one, "result", ""), ist_json_str_or(one, "name", ""),
               ist_json_str_or(one, "evidence", ""));
}

int cmd_plugin_check(const struct cli *cli)
{
    struct checking c = {.cli = cli, .results = json_array()};
    struct plugin_use use;
    char *path =
        strchr(cli_arg(cli, 0), '/') ? ist_strdup(cli_arg(cli, 0)) : ist_printf("./%s", cli_arg(cli, 0));
    const bool loadable = check_exports(&c, path);
    if (loadable && plugin_use_open(cli, path, false, &use)) {
        c.failed++;
    } else if (loadable) {
        said(&c, "descriptor", IST_PASS, "%s %s, ABI %u.%u, %zu inputs, %zu outputs", use.info->name,
             use.info->version, use.info->abi_major, use.info->abi_minor, use.info->input_count,
             use.info->output_count);
        const bool given = cli_has(cli, OPT_INPUTS) || cli_has(cli, OPT_SET);
        const bool blind = !given && needs_inputs(use.info);
        if (blind)
            said(&c, "reads only", IST_SKIP, "observe and plan need inputs: --inputs FILE or --set");
        if (!blind && plugin_use_inputs(cli, &use)) {
            c.failed++;
        } else {
            check_check(&c, &use, !blind);
            if (!blind)
                check_reads(&c, &use);
        }
        plugin_use_close(&use);
    }
    print_results(&c, path);
    json_decref(c.results);
    ist_free(path);
    return c.failed ? 1 : 0;
}
