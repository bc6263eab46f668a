// Commands that plugins offer to people: `isthmus WORD NAME [options] [PIPELINE]`, such as `policy map`. The core
// knows the table and forwards the words. The plugin gets the inputs of its step in the pipeline; outputs of
// other steps come from state, or are read anew where state does not keep them.
#include "cli/plugin_use.h"
#include "state/store.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <string.h>
#include <unistd.h>

// ---- which command

struct word {
    struct cli *cli;
    struct loaded loaded;           // the pipeline; empty with --inputs or without a configuration
    const struct plugin_info *info; // whose command it is
    const json_t *command;          // its row
    json_t *args;                   // option -> value, "args" -> list
    bool alone;                     // an option says that no pipeline is meant
    struct store *store;            // NULL: there is no state
    json_t *outputs;                // step -> {output: value}
    struct diags *diags;
};

static bool is_row(const json_t *row, const char *word, const char *name)
{
    return !strcmp(ist_json_str_or(row, "word", ""), word) && !strcmp(ist_json_str_or(row, "name", ""), name);
}

// Plugins of one role may offer the same command: it is then one command, which each does for its own steps.
static bool offers(const struct plugin_info *info, const char *word, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(info ? info->commands : NULL, i, row)
    {
        if (is_row(row, word, name))
            return true;
    }
    return false;
}

// Does a plugin before the i-th offer it?
static bool offered_before(struct catalog *catalog, size_t i, const json_t *row)
{
    const char *const *names;
    catalog_names(catalog, &names);
    while (i-- > 0) {
        if (offers(catalog_find(catalog, names[i], NULL), ist_json_str_or(row, "word", ""),
                   ist_json_str_or(row, "name", "")))
            return true;
    }
    return false;
}

// The row of `word` `name`; all rows of the word are listed in *known, a line each.
static const json_t *find_row(const struct plugin_info *info, const char *word, const char *name,
                              ist_buf *known)
{
    const json_t *found = NULL;
    size_t i;
    json_t *row;
    json_array_foreach(info->commands, i, row)
    {
        const char *own = ist_json_str_or(row, "name", "");
        if (strcmp(ist_json_str_or(row, "word", ""), word) != 0)
            continue;
        if (name && !strcmp(own, name))
            found = row;
        char *head = ist_printf("  isthmus %s %-10s ", word, own);
        if (!known->len || !strstr(known->data, head))
            ist_buf_printf(known, "%s%s%s", known->len ? "\n" : "", head, ist_json_str_or(row, "doc", ""));
        ist_free(head);
    }
    return found;
}

void cli_help_words(FILE *to)
{
    const char *const *names;
    struct catalog *catalog = cli_catalog(NULL);
    size_t count = catalog_names(catalog, &names), at;
    json_t *row;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        const struct plugin_info *info = catalog_find(catalog, names[i], NULL);
        json_array_foreach(info ? info->commands : NULL, at, row)
        {
            if (offered_before(catalog, i, row))
                continue;
            char *own =
                ist_printf("%s %s", ist_json_str_or(row, "word", ""), ist_json_str_or(row, "name", ""));
            fprintf(to, "%s  %-28s %s\n", any ? "" : "\ncommands of plugins:\n", own,
                    ist_json_str_or(row, "doc", ""));
            any = true;
            ist_free(own);
        }
    }
    catalog_free(catalog);
}

static bool asks_help(const char *name)
{
    return name && (!strcmp(name, "--help") || !strcmp(name, "-h"));
}

enum found { NOBODYS, FOUND, TOLD, REFUSED }; // TOLD: only what there is was asked for

// REFUSED: the word is known, the name is not, which has been said.
static enum found find_command(struct word *w)
{
    const char *const *names;
    const char *word = cli_arg(w->cli, 0), *name = cli_arg(w->cli, 1);
    ist_buf known = {0};
    size_t count = catalog_names(w->loaded.catalog, &names);
    for (size_t i = 0; !w->command && i < count; i++) {
        const struct plugin_info *info = catalog_find(w->loaded.catalog, names[i], NULL);
        w->command = info ? find_row(info, word, name, &known) : NULL;
        w->info = info;
    }
    enum found found = w->command ? FOUND : !known.len ? NOBODYS : asks_help(name) ? TOLD : REFUSED;
    if (found == TOLD)
        puts(known.data);
    else if (found == REFUSED && !name)
        cli_error(NULL, "`%s` needs a second word; there is:\n%s", word, known.data);
    else if (found == REFUSED)
        cli_error(NULL, "unknown command `%s %s`; there is:\n%s", word, name, known.data);
    ist_buf_free(&known);
    return found;
}

// ---- its words

static const json_t *find_option(const json_t *command, const char *text, size_t len)
{
    size_t i;
    json_t *option;
    json_array_foreach(json_object_get(command, "options"), i, option)
    {
        const char *name = ist_json_str_or(option, "name", "");
        if (strlen(name) == len && !strncmp(name, text, len))
            return option;
        if (len == 2 && !strncmp(text, "-o", 2) && !strcmp(name, "--output")) // as everywhere in isthmus
            return option;
    }
    return NULL;
}

static void help(const struct word *w)
{
    size_t i;
    json_t *option;
    printf("isthmus %s %s [options] [PIPELINE]: %s\n", ist_json_str_or(w->command, "word", ""),
           ist_json_str_or(w->command, "name", ""), ist_json_str_or(w->command, "doc", ""));
    json_array_foreach(json_object_get(w->command, "options"), i, option)
    {
        char *own =
            ist_printf("%s %s", ist_json_str_or(option, "name", ""), ist_json_str_or(option, "arg", ""));
        printf("  %-28s %s\n", own, ist_json_str_or(option, "doc", ""));
        ist_free(own);
    }
}

// The second value of an option makes a list of it.
static void give_value(struct word *w, const char *name, const char *value)
{
    json_t *before = json_object_get(w->args, name);
    if (!before) {
        json_object_set_new(w->args, name, json_string(value));
        return;
    }
    if (!json_is_array(before)) {
        before = json_pack("[O]", before);
        json_object_set_new(w->args, name, before);
    }
    json_array_append_new(before, json_string(value));
}

// --name, --name=VALUE, --name VALUE. *i stands on the word and is left on the last one used.
static int take_option(struct word *w, size_t *i)
{
    const char *text = cli_arg(w->cli, *i), *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const json_t *option = find_option(w->command, text, len);
    if (!option)
        return cli_take_common(w->cli, i);
    const char *name = ist_json_str_or(option, "name", "");
    if (!ist_json_str(option, "arg")) {
        json_object_set_new(w->args, name, json_true());
        return equals ? cli_error(NULL, "option %s takes no value", name) : 0;
    }
    const char *value = equals ? equals + 1 : cli_arg(w->cli, ++*i);
    if (!value)
        return cli_error(NULL, "option %s needs a value", name);
    give_value(w, name, value);
    w->alone |= (ist_json_int(option, "flags", 0) & IST_ALONE) != 0;
    return 0;
}

// Options before the word that are the command's own.
static void take_earlier(struct word *w)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const char *name = cli_options[i].name, *value = cli_value(w->cli, (enum cli_option_id)i);
        if (value && find_option(w->command, name, strlen(name)))
            json_object_set_new(w->args, name, cli_options[i].arg ? json_string(value) : json_true());
    }
}

// 0, 1 when wrong, 2 when help was asked for.
static int take_words(struct word *w)
{
    json_t *words = json_array();
    w->args = json_pack("{s:o}", "args", words);
    take_earlier(w);
    if (cli_has(w->cli, OPT_HELP))
        return 2;
    for (size_t i = 2; i < w->cli->arg_count; i++) {
        const char *text = cli_arg(w->cli, i);
        if (!strcmp(text, "--help") || !strcmp(text, "-h"))
            return 2;
        if (text[0] == '-' && text[1] && take_option(w, &i))
            return 1;
        if (text[0] != '-' || !text[1])
            json_array_append_new(words, json_string(text));
    }
    return 0;
}

// ---- the inputs of its step

static const json_t *output_of(void *arg, const char *step, const char *output, bool *known)
{
    const struct word *w = arg;
    const json_t *value = json_object_get(json_object_get(w->outputs, step), output);
    *known = value != NULL;
    return value;
}

static const struct step *step_named(const struct pipeline *pipeline, const char *name)
{
    for (size_t i = 0; i < pipeline->count; i++)
        if (!strcmp(pipeline->steps[i].name, name))
            return &pipeline->steps[i];
    return NULL;
}

// What state knows of a step goes into *use and to the outputs.
static void recall(struct word *w, const struct step *step, struct plugin_use *use)
{
    json_t *record = NULL;
    if (w->store)
        store_step_get(w->store, w->loaded.pipeline->name, step->name, &record, NULL);
    json_t *resources = json_object_get(record, "resources"), *outputs = json_object_get(record, "outputs");
    if (use && json_is_object(resources)) {
        json_decref(use->solo->recorded);
        use->solo->recorded = json_incref(resources);
    }
    if (json_is_object(outputs)) {
        if (use)
            json_object_update(use->solo->outputs, outputs);
        if (!json_object_get(w->outputs, step->name))
            json_object_set(w->outputs, step->name, outputs);
    }
    json_decref(record);
}

static int observe_step(struct word *w, const struct step *step);

// Resolves the inputs of `step` into use->inputs; reads the steps before it anew where state does not do.
static int give_inputs(struct word *w, const struct step *step, struct plugin_use *use)
{
    struct output_source source = {output_of, w};
    for (int round = 0; round < 2; round++) {
        struct resolved resolved = {0};
        if (step_resolve(w->loaded.pipeline, step, &source, w->diags, &resolved))
            return 1;
        use->inputs = json_incref(resolved.inputs);
        for (size_t i = 0; i < resolved.secret_count; i++)
            redactor_add(use->redactor, resolved.secrets[i], strlen(resolved.secrets[i]));
        char *missing = resolved.unknown_count ? ist_strdup(resolved.unknown[0]) : ist_strdup("an output");
        resolved_free(&resolved);
        int rc = use->inputs ? 0
                 : round ? cli_error("`isthmus apply` makes it", "%s: %s is not known", step->name, missing)
                         : -1;
        ist_free(missing);
        if (rc >= 0)
            return rc;
        for (size_t i = 0; i < step->needs_count; i++) {
            const struct step *need = step_named(w->loaded.pipeline, step->needs[i]);
            if (need && observe_step(w, need))
                return 1;
        }
    }
    return 1;
}

static int observe_step(struct word *w, const struct step *step)
{
    struct plugin_use use;
    if (plugin_use_step(w->cli, step->info, step->name, &use))
        return 1;
    recall(w, step, &use);
    int rc = give_inputs(w, step, &use);
    if (!rc && plugin_use_run(&use, IST_OP_OBSERVE) != IST_OK) {
        plugin_use_error(&use, &use.solo->report.error);
        rc = 1;
    }
    if (!rc)
        json_object_set(w->outputs, step->name, use.solo->report.outputs);
    plugin_use_close(&use);
    return rc;
}

// ---- running

static int run_command(struct word *w, struct plugin_use *use)
{
    int32_t code = plugin_use_command(use, ist_json_str_or(w->command, "word", ""),
                                      ist_json_str_or(w->command, "name", ""), w->args);
    if (code != IST_OK)
        plugin_use_error(use, &use->solo->report.error);
    return code != IST_OK;
}

static int run_for_step(struct word *w, const struct step *step)
{
    struct plugin_use use;
    if (plugin_use_step(w->cli, step->info, step->name, &use))
        return 1;
    for (size_t i = 0; i < w->loaded.pipeline->count; i++)
        recall(w, &w->loaded.pipeline->steps[i], NULL);
    recall(w, step, &use);
    int rc = give_inputs(w, step, &use);
    if (!rc)
        rc = run_command(w, &use);
    plugin_use_close(&use);
    return rc;
}

// The pipeline that the last word names, or the only one; that word is then no argument of the command.
static const char *choose_pipeline(struct word *w)
{
    const char *const *names;
    size_t count = config_pipelines(w->loaded.config, &names);
    json_t *words = json_object_get(w->args, "args");
    const char *last = json_string_value(json_array_get(words, json_array_size(words) - 1));
    for (size_t i = 0; last && i < count; i++)
        if (!strcmp(names[i], last)) {
            json_array_remove(words, json_array_size(words) - 1);
            return names[i];
        }
    return count == 1 ? names[0] : NULL;
}

static void open_store(struct word *w)
{
    const char *path = config_state_path(w->loaded.config);
    if (path && access(path, R_OK) == 0)
        store_open(path, &w->store, NULL);
}

static int run_in_pipeline(struct word *w)
{
    const char *name = choose_pipeline(w);
    if (!name)
        return cli_error("name it as the last word", "which pipeline?");
    if (pipeline_load(w->loaded.config, w->loaded.catalog, name, w->diags, &w->loaded.pipeline))
        return 1;
    open_store(w);
    int rc = 0, ran = 0;
    const struct pipeline *pipeline = w->loaded.pipeline;
    for (size_t i = 0; i < pipeline->count; i++)
        if (offers(pipeline->steps[i].info, cli_arg(w->cli, 0), cli_arg(w->cli, 1))) {
            rc |= run_for_step(w, &pipeline->steps[i]);
            ran++;
        }
    return ran ? rc : cli_error(NULL, "pipeline %s has no step of %s", name, w->info->name);
}

// Without a configuration the command still runs, with the defaults of the plugin's inputs.
static int run_alone(struct word *w)
{
    struct plugin_use use;
    if (plugin_use_step(w->cli, w->info, w->info->name, &use))
        return 1;
    int rc = run_command(w, &use);
    plugin_use_close(&use);
    return rc;
}

int cmd_plugin_word(struct cli *cli)
{
    struct word w = {.cli = cli, .outputs = json_object(), .diags = diags_new()};
    w.loaded.catalog = cli_catalog(NULL);
    static const int ends[] = {[NOBODYS] = -1, [TOLD] = 0, [REFUSED] = 1};
    enum found found = find_command(&w);
    int rc = found == FOUND ? take_words(&w) : ends[found];
    if (rc == 2)
        help(&w);
    if (rc == 0 && found == FOUND) {
        struct config_source source = cli_source(cli);
        const bool wanted = !w.alone && (source.dir || access("conf.d", F_OK) == 0);
        const bool broken = wanted && config_load(&source, w.diags, &w.loaded.config);
        rc = broken ? 1 : w.loaded.config ? run_in_pipeline(&w) : run_alone(&w);
    }
    if (rc > 0 && diags_count(w.diags))
        diags_print(w.diags, stderr, cli_colour(stderr));
    store_close(w.store);
    json_decref(w.args);
    json_decref(w.outputs);
    loaded_free(&w.loaded);
    diags_free(w.diags);
    return rc == 2 ? 0 : rc;
}
