// isthmus state ...: looking at what Isthmus knows it made, and mending it by hand.
#include "cli/state.h"

#include <errno.h>
#include <fcntl.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int state_say(const ist_error *err)
{
    return cli_error(*err->hint ? err->hint : NULL, "%s%s%s", err->where, *err->where ? ": " : "", err->text);
}

int state_view_open(const struct cli *cli, struct state_view *view)
{
    ist_error err = {0};
    *view = (struct state_view){.config = cli_load(cli, NULL)};
    if (!view->config)
        return 1;
    if (store_open(config_state_path(view->config), &view->store, &err) != IST_OK)
        return state_view_close(view, state_say(&err));
    struct render_options options = cli_render_options(cli);
    view->render = render_new(&options);
    return 0;
}

int state_view_close(struct state_view *view, int code)
{
    if (view->render)
        render_finish(view->render);
    render_free(view->render);
    store_close(view->store);
    config_free(view->config);
    *view = (struct state_view){0};
    return code;
}

static bool agreed(const struct cli *cli, const char *question)
{
    char line[16] = "";
    if (cli_has(cli, OPT_YES))
        return true;
    if (!isatty(STDIN_FILENO)) {
        cli_error("add --yes", "`isthmus %s` asks first, and here is nobody to ask", cli->command->words);
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

// ---- looking

static void list_pipeline(struct state_view *view, const struct cli *cli, const char *pipeline,
                          const json_t *records)
{
    size_t i;
    const json_t *record;
    bool text = cli_render_options(cli).format == RENDER_TEXT;
    json_array_foreach(records, i, record)
    {
        const char *step = ist_json_str_or(record, "step", ""),
                   *plugin = ist_json_str_or(record, "plugin", "");
        const char *status = ist_json_str_or(record, "status", "");
        size_t resources = json_object_size(json_object_get(record, "resources"));
        if (text)
            render_line(view->render, "%-12s %-24s %-14s %-10s %zu resource%s", pipeline, step, plugin,
                        status, resources, resources == 1 ? "" : "s");
        else
            render_event(view->render, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "event", "status-step",
                                                 "pipeline", pipeline, "step", step, "plugin", plugin,
                                                 "status", status, "resources", (json_int_t)resources));
    }
}

int cmd_state_list(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    ist_error err = {0};
    json_t *names = NULL;
    int rc = IST_OK;
    if (cli_arg(cli, 0))
        names = json_pack("[s]", cli_arg(cli, 0));
    else
        rc = store_pipelines(view.store, &names, &err);
    for (size_t i = 0; i < json_array_size(names) && rc == IST_OK; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        json_t *records = NULL;
        rc = store_steps(view.store, name, &records, &err);
        list_pipeline(&view, cli, name, records);
        json_decref(records);
    }
    json_decref(names);
    return state_view_close(&view, rc == IST_OK ? 0 : state_say(&err));
}

static int no_such_step(const char *pipeline, const char *step)
{
    return cli_error("`isthmus state list` lists them", "state has no step %s of pipeline %s", step,
                     pipeline);
}

int cmd_state_show(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    ist_error err = {0};
    json_t *record = NULL;
    if (store_step_get(view.store, cli_arg(cli, 0), cli_arg(cli, 1), &record, &err) != IST_OK) {
        code = state_say(&err);
    } else if (!record) {
        code = no_such_step(cli_arg(cli, 0), cli_arg(cli, 1));
    } else {
        cli_print_json(cli, record);
    }
    json_decref(record);
    return state_view_close(&view, code);
}

static void history_text(struct state_view *view, const json_t *run)
{
    const json_t *exit = ist_json_at(run, "summary.exit");
    char result[32] = "did not end";
    if (exit)
        snprintf(result, sizeof(result), "exit %lld", (long long)json_integer_value(exit));
    render_line(view->render, "%5lld  %s  %-12s %-28s %s", (long long)ist_json_int(run, "run", 0),
                ist_json_str_or(run, "began", ""), ist_json_str_or(run, "pipeline", ""),
                ist_json_str_or(run, "command", ""), result);
}

int cmd_state_history(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    ist_error err = {0};
    json_t *runs = NULL, *run;
    size_t i;
    if (store_runs(view.store, &runs, &err) != IST_OK)
        code = state_say(&err);
    json_array_foreach(runs, i, run)
    {
        if (cli_arg(cli, 0) && strcmp(ist_json_str_or(run, "pipeline", ""), cli_arg(cli, 0)) != 0)
            continue;
        if (cli_render_options(cli).format == RENDER_TEXT) {
            history_text(&view, run);
            continue;
        }
        json_t *event = json_copy(run);
        json_object_set_new(event, "event", json_string("run"));
        render_event(view.render, event);
    }
    json_decref(runs);
    return state_view_close(&view, code);
}

// ---- mending

static int locked(struct state_view *view, const struct cli *cli, ist_error *err)
{
    char *what = ist_printf("isthmus %s", cli->command->words);
    int rc = store_lock(view->store, what, err);
    ist_free(what);
    return rc;
}

int cmd_state_rm(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    const char *pipeline = cli_arg(cli, 0), *step = cli_arg(cli, 1);
    ist_error err = {0};
    json_t *record = NULL;
    int rc = locked(&view, cli, &err);
    if (rc == IST_OK)
        rc = store_step_get(view.store, pipeline, step, &record, &err);
    if (rc != IST_OK)
        code = state_say(&err);
    else if (!record)
        code = no_such_step(pipeline, step);
    else if (!agreed(cli, "Make state forget this step? What it made stays."))
        code = 1;
    else if (store_step_remove(view.store, pipeline, step, &err) != IST_OK)
        code = state_say(&err);
    json_decref(record);
    return state_view_close(&view, code);
}

int cmd_state_mv(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    ist_error err = {0};
    int rc = locked(&view, cli, &err);
    if (rc == IST_OK)
        rc = store_step_rename(view.store, cli_arg(cli, 0), cli_arg(cli, 1), cli_arg(cli, 2), &err);
    return state_view_close(&view, rc == IST_OK ? 0 : state_say(&err));
}

int cmd_state_unlock(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    ist_error err = {0};
    json_t *holder = NULL;
    int rc = store_lock_holder(view.store, &holder, &err);
    if (rc != IST_OK) {
        code = state_say(&err);
    } else if (!holder) {
        render_line(view.render, "The state is not locked.");
    } else {
        bool alive = ist_json_bool(holder, "alive", 0);
        render_line(view.render, "The state is locked by %s, process %lld%s on %s, since %s.",
                    ist_json_str_or(holder, "what", "a run that is starting"),
                    (long long)ist_json_int(holder, "pid", 0),
                    alive ? "" : " (dead: a worker of it still lives)",
                    ist_json_str_or(holder, "host", "this host"), ist_json_str_or(holder, "since", "now"));
        if (alive)
            code = cli_error("end that process; the lock ends with it", "the holder is alive");
        else if (!agreed(cli, "Take the lock from it?"))
            code = 1;
        else if (store_lock_break(view.store, &err) != IST_OK)
            code = state_say(&err);
    }
    json_decref(holder);
    return state_view_close(&view, code);
}

// ---- export and import

static int write_export(const char *path, const json_t *all)
{
    char *text = json_dumps(all, JSON_INDENT(1));
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : STDOUT_FILENO;
    FILE *to = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
    int code = 0;
    if (!to)
        code = cli_error(NULL, "%s: %s", path ? path : "stdout", strerror(errno));
    if (to && (fprintf(to, "%s\n", text ? text : "") < 0 || fclose(to) != 0))
        code = cli_error(NULL, "%s: cannot be written: %s", path ? path : "stdout", strerror(errno));
    if (path && fd >= 0)
        close(fd);
    free(text);
    return code;
}

int cmd_state_export(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    ist_error err = {0};
    json_t *all = NULL;
    code =
        store_export(view.store, &all, &err) == IST_OK ? write_export(cli_arg(cli, 0), all) : state_say(&err);
    json_decref(all);
    return state_view_close(&view, code);
}

int cmd_state_import(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    ist_error err = {0};
    json_error_t why;
    json_t *all = json_load_file(cli_arg(cli, 0), JSON_REJECT_DUPLICATES, &why);
    if (!all)
        code = cli_error(NULL, "%s:%d:%d: %s", cli_arg(cli, 0), why.line, why.column, why.text);
    else if (locked(&view, cli, &err) != IST_OK || store_import(view.store, all, &err) != IST_OK)
        code = state_say(&err);
    json_decref(all);
    return state_view_close(&view, code);
}
