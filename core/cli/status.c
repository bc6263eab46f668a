// isthmus status: what is there by the state, what ran last, who holds the lock and what watches. It asks
// nobody outside: whether the world has drifted is `plan`'s to say.
#include "cli/state.h"
#include "cli/status.h"
#include "engine/watch.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>
#include <time.h>

static json_t *last_run(const json_t *runs, const char *pipeline)
{
    size_t i;
    json_t *run;
    json_array_foreach(runs, i, run) if (strcmp(ist_json_str_or(run, "pipeline", ""), pipeline) ==
                                         0) return json_incref(run);
    return json_null();
}

static json_t *step_of(const json_t *record, const json_t *watch)
{
    const char *name = ist_json_str_or(record, "step", ""), *key;
    json_t *resource;
    size_t open = 0;
    json_object_foreach(json_object_get(record, "resources"), key, resource) open +=
        strcmp(ist_json_str_or(resource, "status", ""), "intent") == 0;
    const json_t *watched = json_object_get(json_object_get(watch, "steps"), name);
    json_t *step =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "step", name, "plugin",
                  ist_json_str_or(record, "plugin", ""), "status", ist_json_str_or(record, "status", ""),
                  "resources", (json_int_t)json_object_size(json_object_get(record, "resources")), "open",
                  (json_int_t)open, "changed", ist_json_str_or(record, "changed", ""), "drift", "unknown");
    status_add_watch(step, watched);
    return step;
}

// "3m ago" of "2026-01-31T12:00:00.123Z"; as it is when it is none. The caller's.
static char *age_of(const char *when)
{
    struct tm utc = {0};
    const char *end = strptime(when, "%Y-%m-%dT%H:%M:%S", &utc);
    long long s = end ? (long long)(time(NULL) - timegm(&utc)) : -1;
    if (s < 0)
        return ist_strdup(when);
    if (s < 60)
        return ist_printf("%llds ago", s);
    if (s < 3600)
        return ist_printf("%lldm ago", s / 60);
    return s < 48 * 3600 ? ist_printf("%lldh ago", s / 3600) : ist_printf("%lld days ago", s / 86400);
}

static void run_text(struct render *render, const json_t *run)
{
    if (json_is_null(run)) {
        render_line(render, "last run: none");
        return;
    }
    const json_t *exit = ist_json_at(run, "summary.exit");
    char *how =
        exit ? ist_printf("exit %lld", (long long)json_integer_value(exit)) : ist_strdup("did not end");
    char *age = age_of(ist_json_str_or(run, "began", ""));
    render_line(render, "last run: %s, %s: %s", ist_json_str_or(run, "command", ""), age, how);
    ist_free(age);
    ist_free(how);
}

// The longest member `key` of the steps.
static int width_of(const json_t *steps, const char *key)
{
    size_t i, width = 0;
    const json_t *step;
    json_array_foreach(steps, i, step)
    {
        size_t len = strlen(ist_json_str_or(step, key, ""));
        width = len > width ? len : width;
    }
    return (int)width;
}

static void step_text(struct render *render, const json_t *steps, const json_t *step)
{
    int64_t resources = ist_json_int(step, "resources", 0), open = ist_json_int(step, "open", 0);
    char *unsure = open ? ist_printf(", %lld begun and not finished", (long long)open) : ist_strdup("");
    char *age = age_of(ist_json_str_or(step, "changed", ""));
    render_line(render, "  %-*s  %-*s  %-*s  %lld resource%s%s, %s", width_of(steps, "step"),
                ist_json_str_or(step, "step", ""), width_of(steps, "plugin"),
                ist_json_str_or(step, "plugin", ""), width_of(steps, "status"),
                ist_json_str_or(step, "status", ""), (long long)resources, resources == 1 ? "" : "s", unsure,
                age);
    ist_free(age);
    ist_free(unsure);
    status_watch_text(render, json_object_get(step, "watch_status"));
}

static void show_text(struct render *render, const json_t *status)
{
    render_line(render, "pipeline %s", ist_json_str_or(status, "pipeline", ""));
    run_text(render, json_object_get(status, "last_run"));
    const json_t *lock = json_object_get(status, "lock"), *watch = json_object_get(status, "watch");
    if (json_is_object(lock))
        render_line(render, "locked by: %s (pid %lld) since %s", ist_json_str_or(lock, "what", "?"),
                    (long long)ist_json_int(lock, "pid", 0), ist_json_str_or(lock, "since", "?"));
    status_watcher_text(render, watch);
    size_t i;
    const json_t *step;
    const json_t *steps = json_object_get(status, "steps");
    json_array_foreach(steps, i, step) step_text(render, steps, step);
    if (!i)
        render_line(render, "nothing is applied");
    else
        render_line(render, "drift: unknown; `isthmus plan %s` looks",
                    ist_json_str_or(status, "pipeline", ""));
}

static int status_of(struct state_view *view, const char *pipeline, bool text)
{
    ist_error err = {0};
    json_t *records = NULL, *runs = NULL, *holder = NULL;
    if (store_steps(view->store, pipeline, &records, &err) != IST_OK ||
        store_runs(view->store, &runs, &err) != IST_OK ||
        store_lock_holder(view->store, &holder, &err) != IST_OK) {
        json_decref(records);
        json_decref(runs);
        return state_say(&err);
    }
    json_t *watch = watch_ask(store_path(view->store), pipeline), *steps = json_array(), *record;
    size_t i;
    json_array_foreach(records, i, record) json_array_append_new(steps, step_of(record, watch));
    json_t *status = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "event", "status", "pipeline", pipeline,
                               "last_run", last_run(runs, pipeline), "lock", holder ? holder : json_null(),
                               "watch", watch ? watch : json_null(), "steps", steps);
    if (text) {
        show_text(view->render, status);
        json_decref(status);
    } else {
        render_event(view->render, status);
    }
    json_decref(records);
    json_decref(runs);
    return 0;
}

int cmd_status(const struct cli *cli)
{
    struct state_view view;
    int code = state_view_open(cli, &view);
    if (code)
        return code;
    const char *const *names;
    size_t count = config_pipelines(view.config, &names);
    bool text = cli_render_options(cli).format == RENDER_TEXT;
    if (cli_arg(cli, 0))
        code = status_of(&view, cli_arg(cli, 0), text);
    for (size_t i = 0; !cli_arg(cli, 0) && i < count && !code; i++)
        code = status_of(&view, names[i], text);
    return state_view_close(&view, code);
}
