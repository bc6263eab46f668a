// What nearly every command begins with: the configuration, the catalog, the pipeline; or all that is wrong.
#include "cli/cli.h"
#include "engine/check.h"
#include "host/worker.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

// Where descriptors are cached: XDG_CACHE_HOME, else ~/.cache. NULL: nowhere. The caller's (ist_free).
static char *cache_path(void)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && *xdg == '/')
        return ist_printf("%s/isthmus/plugins.json", xdg);
    return home && *home == '/' ? ist_printf("%s/.cache/isthmus/plugins.json", home) : NULL;
}

struct catalog *cli_catalog(const struct config *config)
{
    size_t count = 0;
    const char *const *dirs = config ? config_plugin_dirs(config, &count) : NULL;
    char *cache = cache_path();
    struct catalog *catalog = catalog_new(dirs, count, cache);
    ist_free(cache);
    return catalog;
}

void cli_print_json(const struct cli *cli, const json_t *json)
{
    const char *format = cli_value(cli, OPT_OUTPUT);
    json_dumpf(json, stdout, format && strcmp(format, "jsonl") == 0 ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
}

void cli_diags(const struct cli *cli, const struct diags *diags)
{
    const char *format = cli_value(cli, OPT_OUTPUT);
    if (!format || strcmp(format, "text") == 0) {
        diags_print(diags, stderr, cli_colour(stderr));
        return;
    }
    bool lines = strcmp(format, "jsonl") == 0;
    json_t *list = diags_json(diags), *one;
    size_t i;
    if (!lines) {
        json_t *all = json_pack("{s:b, s:O}", "valid", diags_errors(diags) == 0, "diagnostics", list);
        cli_print_json(cli, all);
        json_decref(all);
    } else {
        json_array_foreach(list, i, one)
        {
            json_object_set_new(one, "event", json_string("diagnostic"));
            json_dumpf(one, stdout, JSON_COMPACT);
            putchar('\n');
        }
    }
    json_decref(list);
}

static struct config *load(const struct cli *cli, struct catalog **catalog, struct diags *diags)
{
    struct config_source source = cli_source(cli);
    struct config *config = NULL;
    if (config_load(&source, diags, &config))
        return NULL;
    if (catalog)
        *catalog = cli_catalog(config);
    return config;
}

struct config *cli_load(const struct cli *cli, struct catalog **catalog)
{
    struct diags *diags = diags_new();
    struct catalog *found = NULL;
    struct config *config = load(cli, catalog ? &found : NULL, diags);
    if (config && diags_errors(diags)) {
        config_free(config);
        catalog_free(found);
        found = NULL;
        config = NULL;
    }
    if (diags_count(diags))
        cli_diags(cli, diags);
    diags_free(diags);
    if (config && catalog)
        *catalog = found;
    return config;
}

// The one named, or the only one there is.
static const char *pick(const struct cli *cli, const struct config *config, struct diags *diags)
{
    const char *const *names;
    size_t count = config_pipelines(config, &names);
    if (cli_arg(cli, 0))
        return cli_arg(cli, 0);
    if (count == 1)
        return names[0];
    ist_buf list = {0};
    for (size_t i = 0; i < count; i++)
        ist_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    char *text = ist_buf_take(&list);
    diag_error(diags, (struct place){0}, count ? "which pipeline?" : "the configuration has no pipeline");
    if (count)
        diag_hint(diags, "there are %s", text);
    ist_free(text);
    return NULL;
}

// The first error with its place: "conf.d/a.yaml:3:5: ..."; ist_free. NULL: there is none.
static char *first_error(const struct diags *diags)
{
    struct place place;
    const char *text;
    bool is_error;
    for (size_t i = 0; diags_at(diags, i, &place, &text, &is_error); i++)
        if (is_error)
            return place.file ? ist_printf("%s:%d:%d: %s", place.file, place.line, place.column, text)
                              : ist_strdup(text);
    return NULL;
}

// What is only a warning does not stand between what a program reads.
static void show(const struct cli *cli, const struct diags *diags)
{
    const char *format = cli_value(cli, OPT_OUTPUT);
    if (format && strcmp(format, "json") == 0 && !diags_errors(diags))
        diags_print(diags, stderr, cli_colour(stderr));
    else if (diags_count(diags))
        cli_diags(cli, diags);
}

static int load_whole(const struct cli *cli, const char *pipeline, bool checked, struct loaded *loaded,
                      char **why)
{
    struct diags *diags = diags_new();
    struct loaded made = {0};
    struct checker *checker = checked ? checker_new() : NULL;
    made.config = load(cli, &made.catalog, diags);
    const char *name = !made.config ? NULL : pipeline ? pipeline : pick(cli, made.config, diags);
    if (name)
        pipeline_load_checked(made.config, made.catalog, name, diags, checker ? checker_run : NULL, checker,
                              &made.pipeline);
    made.workers = checker_take_workers(checker);
    checker_free(checker);
    int rc = diags_errors(diags) || !made.pipeline ? 1 : 0;
    show(cli, diags);
    if (rc && why)
        *why = first_error(diags);
    diags_free(diags);
    if (rc)
        loaded_free(&made);
    else
        *loaded = made;
    return rc;
}

int cli_load_again(const struct cli *cli, const char *pipeline, struct loaded *loaded, char **why)
{
    return load_whole(cli, pipeline, false, loaded, why);
}

int cli_load_pipeline(const struct cli *cli, struct loaded *loaded)
{
    return load_whole(cli, NULL, false, loaded, NULL);
}

int cli_load_checked(const struct cli *cli, struct loaded *loaded)
{
    return load_whole(cli, NULL, true, loaded, NULL);
}

void loaded_free(struct loaded *loaded)
{
    worker_pool_free(loaded->workers);
    pipeline_free(loaded->pipeline);
    catalog_free(loaded->catalog);
    config_free(loaded->config);
    *loaded = (struct loaded){0};
}
