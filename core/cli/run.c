// plan, apply, destroy, verify, watch: what is asked for, loaded and handed to the engine.
#include "cli/cli.h"
#include "cli/state.h"
#include "engine/engine.h"
#include "engine/planfile.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <isthmus/schema.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFRESH_MS  (10 * 60 * 1000)
#define PATIENCE_MS (2 * 60 * 1000)

static struct run_options options_of(const struct cli *cli, enum run_kind kind, const struct config *config)
{
    struct run_options options = {.kind = kind,
                                  .jobs = cli_jobs(cli, config_jobs(config)),
                                  .yes = cli_has(cli, OPT_YES),
                                  .allow_deferred = cli_has(cli, OPT_ALLOW_DEFERRED),
                                  .detailed = cli_has(cli, OPT_DETAILED_EXITCODE),
                                  .trace = cli_has(cli, OPT_TRACE),
                                  .plan_out = cli_value(cli, OPT_OUT)};
    options.only = cli_values(cli, OPT_ONLY, &options.only_count);
    options.dir = cli_value(cli, OPT_DIR);
    options.forget = cli_values(cli, OPT_FORGET, &options.forget_count);
    return options;
}

static int run_engine(const struct cli *cli, struct loaded *loaded, const struct run_options *options)
{
    struct store *store = NULL;
    ist_error err = {0};
    if (store_open(config_state_path(loaded->config), &store, &err) != IST_OK)
        return state_say(&err);
    struct render_options how = cli_render_options(cli);
    how.terminal = how.terminal && isatty(STDERR_FILENO);
    struct render *render = render_new(&how);
    int code = engine_run(loaded->pipeline, loaded->catalog, store, render, options);
    render_finish(render);
    render_free(render);
    store_close(store);
    return code == EXIT_CHANGES && !cli_has(cli, OPT_DETAILED_EXITCODE) ? EXIT_DONE : code;
}

// The workers of the check: one that writes needs the state's lock, which these were begun without.
static void drop_workers(struct loaded *loaded)
{
    worker_pool_free(loaded->workers);
    loaded->workers = NULL;
}

static int run_kind(const struct cli *cli, enum run_kind kind, const char *plan_in)
{
    struct loaded loaded = {0};
    int code = kind == RUN_VERIFY ? cli_load_pipeline(cli, &loaded) : cli_load_checked(cli, &loaded);
    if (code)
        return code;
    struct run_options options = options_of(cli, kind, loaded.config);
    options.plan_in = plan_in;
    if (kind == RUN_PLAN)
        options.workers = loaded.workers; // what they have loaded need not be loaded again
    else
        drop_workers(&loaded);
    code = run_engine(cli, &loaded, &options);
    loaded_free(&loaded);
    return code;
}

int cmd_plan(const struct cli *cli)
{
    return run_kind(cli, RUN_PLAN, NULL);
}

int cmd_verify(const struct cli *cli)
{
    return run_kind(cli, RUN_VERIFY, NULL);
}

// ---- watch

static int reload(void *arg, const char *pipeline, struct config **config, struct catalog **catalog,
                  struct pipeline **to, char **why)
{
    struct loaded loaded = {0};
    int rc = cli_load_again(arg, pipeline, &loaded, why);
    *config = loaded.config;
    *catalog = loaded.catalog;
    *to = loaded.pipeline;
    return rc;
}

// "10m" as milliseconds; `otherwise` when the option is not there. False: it has said what is wrong.
static bool time_of(const struct cli *cli, enum cli_option_id id, int64_t otherwise, int64_t *ms)
{
    const char *text = cli_value(cli, id);
    json_t *given = json_string(text ? text : ""), *normal = NULL;
    ist_error err;
    *ms = otherwise;
    bool ok = !text || ist_type_normalise("duration", given, &normal, &err) == IST_OK;
    if (!ok)
        cli_error(NULL, "%s: %s", cli_options[id].name, err.text);
    else if (text)
        *ms = json_integer_value(normal);
    json_decref(given);
    json_decref(normal);
    return ok;
}

int cmd_watch(const struct cli *cli)
{
    struct loaded loaded = {0};
    struct watch_options watch = {.listen = cli_value(cli, OPT_LISTEN),
                                  .listen_public = cli_has(cli, OPT_LISTEN_PUBLIC),
                                  .reload = reload,
                                  .reload_arg = (void *)(uintptr_t)cli};
    if (!time_of(cli, OPT_REFRESH, REFRESH_MS, &watch.refresh_ms) ||
        !time_of(cli, OPT_PATIENCE, PATIENCE_MS, &watch.patience_ms))
        return EXIT_ERROR;
    int code = cli_load_pipeline(cli, &loaded);
    if (code)
        return code;
    struct run_options options = options_of(cli, RUN_WATCH, loaded.config);
    options.watch = watch;
    code = run_engine(cli, &loaded, &options);
    loaded_free(&loaded);
    return code;
}

// ---- apply

static bool is_pipeline(const struct cli *cli, const char *word)
{
    struct config_source source = cli_source(cli);
    struct diags *diags = diags_new(); // what is wrong is said when it is loaded to be run
    struct config *config = NULL;
    const char *const *names;
    size_t count = config_load(&source, diags, &config) == 0 && config ? config_pipelines(config, &names) : 0;
    bool found = false;
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(names[i], word) == 0;
    config_free(config);
    diags_free(diags);
    return found;
}

// A word that names a file is a plan; a pipeline's name goes first, the file of that name is `./NAME`.
static bool is_plan_file(const struct cli *cli, const char *word)
{
    struct stat st;
    bool there = word && stat(word, &st) == 0;
    if (!word || (there && S_ISDIR(st.st_mode)))
        return false;
    if (strchr(word, '/'))
        return true;
    return (there || strchr(word, '.')) && !is_pipeline(cli, word);
}

static int apply_plan(const struct cli *cli, const char *path)
{
    json_t *plan = NULL;
    ist_error err = {0};
    if (cli_has(cli, OPT_ONLY))
        return cli_error(NULL, "--only belongs to `isthmus plan`: the plan in %s says what it covers", path);
    if (planfile_load(path, &plan, &err) != IST_OK)
        return state_say(&err);
    // The plan names its pipeline, and which steps it was made for.
    const char *words[2] = {ist_json_str_or(plan, "pipeline", ""), NULL};
    const json_t *only = json_object_get(plan, "only");
    const char **steps = ist_calloc(json_array_size(only) + 1, sizeof(*steps));
    for (size_t i = 0; i < json_array_size(only); i++)
        steps[i] = json_string_value(json_array_get(only, i));
    struct cli planned = *cli;
    planned.args = words;
    planned.arg_count = 1;
    planned.values[OPT_ONLY] = steps;
    planned.value_count[OPT_ONLY] = json_array_size(only);
    int code = run_kind(&planned, RUN_APPLY, path);
    ist_free(steps);
    json_decref(plan);
    return code;
}

int cmd_apply(const struct cli *cli)
{
    const char *word = cli_arg(cli, 0);
    return is_plan_file(cli, word) ? apply_plan(cli, word) : run_kind(cli, RUN_APPLY, NULL);
}

// ---- destroy

// What is destroyed is what state recorded: a pipeline that is broken, or gone from the configuration, can
// still be removed.
int cmd_destroy(const struct cli *cli)
{
    struct loaded loaded = {0};
    struct pipeline bare = {.name = cli_arg(cli, 0)};
    loaded.config = cli_load(cli, &loaded.catalog);
    if (!loaded.config)
        return EXIT_ERROR;
    const char *const *names;
    size_t count = config_pipelines(loaded.config, &names);
    if (!bare.name && count == 1)
        bare.name = names[0];
    int code = EXIT_ERROR;
    if (!bare.name) {
        cli_error("isthmus destroy PIPELINE", "which pipeline? the configuration has %zu", count);
    } else {
        struct diags *diags = diags_new();
        bare.config = loaded.config;
        if (pipeline_load(loaded.config, loaded.catalog, bare.name, diags, &loaded.pipeline) != 0)
            fprintf(stderr,
                    "warning: pipeline %s is not in the configuration, or broken: going by the state alone\n",
                    bare.name);
        struct pipeline *made = loaded.pipeline;
        if (!made)
            loaded.pipeline = &bare;
        struct run_options options = options_of(cli, RUN_DESTROY, loaded.config);
        code = run_engine(cli, &loaded, &options);
        loaded.pipeline = made;
        diags_free(diags);
    }
    loaded_free(&loaded);
    return code;
}
