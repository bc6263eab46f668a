// isthmus status: the lines about a watch.
#include "cli/status.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>
#include <time.h>

#define NOTES_MAX 10 // that are shown; JSON has them all

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// "45s", "12m", "3h", "9 days"; the caller's.
static char *span(int64_t ms)
{
    const long long s = ms > 0 ? ms / 1000 : 0;
    if (s < 120)
        return ist_printf("%llds", s);
    if (s < 120 * 60)
        return ist_printf("%lldm", s / 60);
    return s < 48 * 3600 ? ist_printf("%lldh", s / 3600) : ist_printf("%lld days", s / 86400);
}

void status_add_watch(json_t *step, const json_t *watched)
{
    const char *key;
    json_t *value;
    if (!watched)
        return;
    json_t *status = json_object();
    json_object_foreach((json_t *)(uintptr_t)watched, key, value)
    {
        if (strcmp(key, "status") == 0 && json_is_object(value))
            json_object_update_missing(status, value);
        else if (strcmp(key, "inputs") != 0 && strcmp(key, "status") != 0)
            json_object_set(status, key, value);
    }
    json_object_set_new(step, "watch", json_string(ist_json_str_or(watched, "state", "watching")));
    json_object_set_new(step, "watch_restarts",
                        json_integer((json_int_t)ist_json_int(watched, "restarts", 0)));
    json_object_set_new(step, "watch_says", json_string(ist_json_str_or(watched, "text", "")));
    json_object_set_new(step, "watch_status", status);
}

// ---- a cluster

static void add_part(ist_buf *line, const char *format, const char *text)
{
    ist_buf_puts(line, line->len ? ", " : "");
    ist_buf_puts(line, format);
    ist_buf_puts(line, text);
}

static void add_span(ist_buf *line, const char *before, int64_t ms)
{
    char *text = span(ms);
    add_part(line, before, text);
    ist_free(text);
}

static void add_count(ist_buf *line, const json_t *cluster, const char *key, const char *before)
{
    if (!json_is_integer(json_object_get(cluster, key)))
        return;
    char *text = ist_printf("%lld", (long long)ist_json_int(cluster, key, 0));
    add_part(line, before, text);
    ist_free(text);
}

static void add_lag(ist_buf *line, const json_t *cluster)
{
    const int64_t lag = ist_json_int(cluster, "lag_ms", -1), events = ist_json_int(cluster, "lag_events", 0);
    if (lag < 0)
        return;
    char *text = events ? ist_printf("lag %.1f s (%lld event%s)", (double)lag / 1000, (long long)events,
                                     events == 1 ? "" : "s")
                        : ist_printf("lag %.1f s", (double)lag / 1000);
    add_part(line, "", text);
    ist_free(text);
}

static void notes_text(struct render *render, const json_t *notes, const char *indent)
{
    const size_t count = json_array_size(notes);
    for (size_t i = 0; i < count && i < NOTES_MAX; i++)
        render_line(render, "%snote: %s", indent, json_string_value(json_array_get(notes, i)));
    if (count > NOTES_MAX)
        render_line(render, "%s... and %zu more notes; --output json has them all", indent,
                    count - NOTES_MAX);
}

// `cluster` NULL: each alarm says of which it is.
static void alarms_text(struct render *render, const char *cluster, const json_t *alarms)
{
    json_t *alarm;
    size_t i;
    json_array_foreach(alarms, i, alarm)
    {
        const char *of = cluster ? cluster : ist_json_str_or(alarm, "cluster", "");
        if (ist_json_bool(alarm, "active", 0))
            render_line(render, "      ALARM %s%s%s: %s", ist_json_str_or(alarm, "name", ""),
                        *of ? " of " : "", of, ist_json_str_or(alarm, "text", ""));
    }
}

static void cluster_text(struct render *render, const char *name, const json_t *cluster, int width)
{
    const int64_t since = ist_json_int(cluster, "connected_since_ms", 0),
                  keep = ist_json_int(cluster, "keep_until_ms", 0);
    const int64_t now = wall_ms();
    ist_buf line = {0};
    if (ist_json_str(cluster, "state"))
        add_part(&line, "", ist_json_str(cluster, "state"));
    if (since > 0)
        add_span(&line, "connected for ", now - since);
    else
        add_part(&line, "", "not connected");
    add_lag(&line, cluster);
    add_count(&line, cluster, "generation", "generation ");
    add_count(&line, cluster, "writes", "writes ");
    if (keep < 0)
        add_part(&line, "", "what is kept on its behalf stays");
    else if (keep > now)
        add_span(&line, "what is kept on its behalf goes in ", keep - now);
    else if (keep > 0)
        add_part(&line, "", "what was kept on its behalf goes");
    char *text = ist_buf_take(&line);
    render_line(render, "      %-*s  %s", width, name, text);
    ist_free(text);
    alarms_text(render, name, json_object_get(cluster, "alarms"));
    notes_text(render, json_object_get(cluster, "notes"), "        ");
}

// ---- a step

static void head_text(struct render *render, const json_t *watch)
{
    const char *state = ist_json_str_or(watch, "state", ""), *says = ist_json_str_or(watch, "text", "");
    const int64_t restarts = ist_json_int(watch, "restarts", 0), since = ist_json_int(watch, "since_ms", 0);
    ist_buf line = {0};
    add_part(&line, "", strcmp(state, "unread") == 0 ? "not watched yet" : state);
    if (strcmp(state, "watching") == 0 && since > 0)
        add_span(&line, "for ", wall_ms() - since);
    if (strcmp(state, "watching") == 0 && !ist_json_bool(watch, "ready", 1))
        add_part(&line, "", "has not read all yet");
    if (restarts) {
        char *text = ist_printf("begun anew %lld time%s", (long long)restarts, restarts == 1 ? "" : "s");
        add_part(&line, "", text);
        ist_free(text);
    }
    char *text = ist_buf_take(&line);
    render_line(render, "    %s%s%s", text, *says ? ": " : "", says);
    ist_free(text);
}

void status_watch_text(struct render *render, const json_t *watch)
{
    const json_t *clusters = json_object_get(watch, "clusters");
    const char *name;
    json_t *item;
    size_t width = 0;
    if (!watch)
        return;
    head_text(render, watch);
    alarms_text(render, NULL, json_object_get(watch, "alarms"));
    notes_text(render, json_object_get(watch, "notes"), "      ");
    json_object_foreach((json_t *)(uintptr_t)clusters, name, item) width =
        strlen(name) > width ? strlen(name) : width;
    json_object_foreach((json_t *)(uintptr_t)clusters, name, item)
        cluster_text(render, name, item, (int)(width < 40 ? width : 40));
}

void status_watcher_text(struct render *render, const json_t *watch)
{
    if (!json_is_object(watch)) {
        render_line(render, "watched by: nobody");
        return;
    }
    const char *listen = ist_json_str(watch, "listen"), *error = ist_json_str(watch, "reload_error");
    char *up = span(ist_json_int(watch, "seconds", 0) * 1000);
    render_line(render, "watched by: pid %lld, for %s%s%s%s", (long long)ist_json_int(watch, "pid", 0), up,
                listen ? ", metrics at " : "", listen ? listen : "", listen ? "/metrics" : "");
    if (error)
        render_line(render, "  goes by an earlier configuration; the last was not taken: %s", error);
    ist_free(up);
}
