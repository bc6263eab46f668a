// `validate`, `config show` and `graph`: what can be said without touching anything.
#include "cli/cli.h"
#include "engine/check.h"

#include <isthmus/alloc.h>

#include <string.h>

static bool is_text(const struct cli *cli)
{
    const char *format = cli_value(cli, OPT_OUTPUT);
    return !format || strcmp(format, "text") == 0;
}

// Checks one pipeline; adds its steps to *steps.
static void check(struct loaded *l, struct checker *checker, const char *name, struct diags *diags,
                  size_t *steps)
{
    if (pipeline_load_checked(l->config, l->catalog, name, diags, checker_run, checker, &l->pipeline))
        return;
    *steps += l->pipeline->count;
    pipeline_advise(l->pipeline, diags);
    pipeline_free(l->pipeline);
    l->pipeline = NULL;
}

int cmd_validate(const struct cli *cli)
{
    struct config_source source = cli_source(cli);
    struct diags *diags = diags_new();
    struct loaded l = {0};
    struct checker *checker = checker_new();
    size_t steps = 0, count = 0;
    const char *const *names = NULL;
    if (config_load(&source, diags, &l.config) == 0) {
        l.catalog = cli_catalog(l.config);
        count = config_pipelines(l.config, &names);
        if (cli_arg(cli, 0))
            check(&l, checker, cli_arg(cli, 0), diags, &steps);
        else
            for (size_t i = 0; i < count; i++)
                check(&l, checker, names[i], diags, &steps);
        if (!count && !diags_errors(diags))
            diag_warn(diags, (struct place){0}, "the configuration has no pipeline");
    }
    checker_free(checker);
    size_t errors = diags_errors(diags), warnings = diags_count(diags) - errors;
    if (!is_text(cli) || diags_count(diags))
        cli_diags(cli, diags);
    if (is_text(cli) && !errors)
        printf("valid: %zu step%s in %zu pipeline%s%s\n", steps, steps == 1 ? "" : "s",
               cli_arg(cli, 0) ? (size_t)1 : count, cli_arg(cli, 0) || count == 1 ? "" : "s",
               warnings ? ", with warnings" : "");
    else if (is_text(cli))
        fprintf(stderr, "%zu error%s\n", errors, errors == 1 ? "" : "s");
    diags_free(diags);
    loaded_free(&l);
    return errors ? 1 : 0;
}

int cmd_config_show(const struct cli *cli)
{
    struct catalog *catalog = NULL;
    struct config *config = cli_load(cli, &catalog);
    if (!config)
        return 1;
    int rc = 0;
    if (is_text(cli)) {
        rc = config_show(config, catalog, cli_has(cli, OPT_ORIGIN), stdout);
    } else {
        json_t *shown = config_show_json(config, catalog, cli_has(cli, OPT_ORIGIN));
        cli_print_json(cli, shown);
        json_decref(shown);
    }
    config_free(config);
    catalog_free(catalog);
    return rc ? cli_error(NULL, "cannot write the output") : 0;
}

// A quoted string of DOT, on one line.
static void dot(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || *text == '\n')
            putchar('\\');
        putchar(*text == '\n' ? 'n' : *text);
    }
    putchar('"');
}

static void print_dot(const struct pipeline *pipeline)
{
    printf("digraph ");
    dot(pipeline->name);
    printf(" {\n  rankdir=LR;\n  node [shape=box, fontname=sans];\n");
    for (size_t i = 0; i < pipeline->count; i++) {
        const struct step *step = &pipeline->steps[i];
        char *label = ist_printf("%s\n%s", step->name, step->plugin);
        printf("  ");
        dot(step->name);
        printf(" [label=");
        dot(label);
        printf("];\n");
        ist_free(label);
    }
    for (size_t i = 0; i < pipeline->count; i++) {
        for (size_t n = 0; n < pipeline->steps[i].needs_count; n++) {
            printf("  ");
            dot(pipeline->steps[i].needs[n]);
            printf(" -> ");
            dot(pipeline->steps[i].name);
            printf(";\n");
        }
    }
    printf("}\n");
}

static void print_json(const struct cli *cli, const struct pipeline *pipeline)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < pipeline->count; i++) {
        const struct step *step = &pipeline->steps[i];
        json_t *needs = json_array();
        for (size_t n = 0; n < step->needs_count; n++)
            json_array_append_new(needs, json_string(step->needs[n]));
        json_array_append_new(
            steps, json_pack("{s:s, s:s, s:o}", "name", step->name, "plugin", step->plugin, "needs", needs));
    }
    json_t *all = json_pack("{s:s, s:o}", "pipeline", pipeline->name, "steps", steps);
    cli_print_json(cli, all);
    json_decref(all);
}

int cmd_graph(const struct cli *cli)
{
    struct loaded l = {0};
    int rc = cli_load_pipeline(cli, &l);
    if (rc)
        return rc;
    if (is_text(cli))
        print_dot(l.pipeline);
    else
        print_json(cli, l.pipeline);
    loaded_free(&l);
    return 0;
}
