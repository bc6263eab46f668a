// The metrics page: the text format 0.0.4 of Prometheus (its documentation, "Exposition formats"), made of what the
// watch says of itself. All samples of a name stand together behind one HELP and one TYPE, none twice.
#include "engine/supervisor.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PREFIX      "isthmus_"
#define NAME_MAX_   128
#define SAMPLES_MAX 20000 // of one step: more is a mistake of its plugin

// ---- families

// families: name -> {help, counter, own, samples: {labels: value as text}}, in the order in which they were told.
// `own`: one of the host's.
static json_t *family_of(json_t *families, const char *name, const char *help, bool counter, bool own)
{
    json_t *family = json_object_get(families, name);
    if (!family) {
        family = json_pack("{s:s, s:b, s:b, s:{}}", "help", help, "counter", counter, "own", own, "samples");
        json_object_set_new(families, name, family);
        return family;
    }
    // A plugin does not speak for the host, and a name has one type.
    const bool fits =
        ist_json_bool(family, "own", 0) == own && (ist_json_bool(family, "counter", 0) != 0) == counter;
    return fits ? family : NULL;
}

static void add_escaped(ist_buf *to, const char *text, bool quotes)
{
    for (; *text; text++) {
        if (*text == '\\')
            ist_buf_printf(to, "\\\\");
        else if (*text == '\n')
            ist_buf_printf(to, "\\n");
        else if (*text == '"' && quotes)
            ist_buf_printf(to, "\\\"");
        else
            ist_buf_add(to, text, 1);
    }
}

// labels: pairs of name and value; a value of NULL or "" is left out: it means the same.
static char *labels_text(const char *const (*labels)[2], size_t count, const json_t *more)
{
    ist_buf text = {0};
    const char *key, *before = "{";
    json_t *value;
    for (size_t i = 0; i < count; i++) {
        if (!labels[i][1] || !*labels[i][1])
            continue;
        ist_buf_printf(&text, "%s%s=\"", before, labels[i][0]);
        add_escaped(&text, labels[i][1], true);
        ist_buf_printf(&text, "\"");
        before = ",";
    }
    json_object_foreach((json_t *)(uintptr_t)more, key, value)
    {
        if (!json_is_string(value) || !*json_string_value(value))
            continue;
        ist_buf_printf(&text, "%s%s=\"", before, key);
        add_escaped(&text, json_string_value(value), true);
        ist_buf_printf(&text, "\"");
        before = ",";
    }
    if (*before == ',')
        ist_buf_printf(&text, "}");
    return ist_buf_take(&text);
}

// ---- the host's own

// What a sample is told of: the labels of all that follow.
struct about {
    json_t *families;
    const char *pipeline, *step, *cluster, *extra[2]; // step, cluster, extra[0]: NULL for none
};

static void put_text(const struct about *about, const char *name, const char *help, bool counter,
                     const char *value)
{
    const char *const labels[][2] = {{"pipeline", about->pipeline},
                                     {"step", about->step},
                                     {"cluster", about->cluster},
                                     {about->extra[0], about->extra[1]}};
    json_t *family = family_of(about->families, name, help, counter, true);
    char *text = labels_text(labels, about->extra[0] ? 4 : 3, NULL);
    json_object_set_new(json_object_get(family, "samples"), text, json_string(value));
    ist_free(text);
}

static void put_int(const struct about *about, const char *name, const char *help, bool counter,
                    int64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put_text(about, name, help, counter, text);
}

static void put_seconds(const struct about *about, const char *name, const char *help, int64_t ms)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
    put_text(about, name, help, false, text);
}

static void put_cluster(const struct about *about, const json_t *cluster)
{
    struct about state = *about;
    const int64_t since = ist_json_int(cluster, "connected_since_ms", 0);
    put_int(about, PREFIX "cluster_up", "1 while the cluster can be reached.", false, since > 0);
    if (ist_json_str(cluster, "state")) {
        state.extra[0] = "state";
        state.extra[1] = ist_json_str(cluster, "state");
        put_int(&state, PREFIX "cluster_state", "1 for the state that the cluster is in.", false, 1);
    }
    if (since > 0)
        put_seconds(about, PREFIX "cluster_connected_since_seconds",
                    "Since when it can be reached, as a time.", since);
    if (json_is_integer(json_object_get(cluster, "lag_ms")) && ist_json_int(cluster, "lag_ms", 0) >= 0)
        put_seconds(about, PREFIX "cluster_lag_seconds", "How long what waits for this cluster has waited.",
                    ist_json_int(cluster, "lag_ms", 0));
    if (json_is_integer(json_object_get(cluster, "lag_events")))
        put_int(about, PREFIX "cluster_lag_events", "How much waits to be written to this cluster.", false,
                ist_json_int(cluster, "lag_events", 0));
    if (json_is_integer(json_object_get(cluster, "generation")))
        put_int(about, PREFIX "cluster_generation", "Generation that is applied.", false,
                ist_json_int(cluster, "generation", 0));
    if (json_is_integer(json_object_get(cluster, "writes")))
        put_int(about, PREFIX "cluster_writes_total", "Requests that changed something.", true,
                ist_json_int(cluster, "writes", 0));
    if (ist_json_int(cluster, "keep_until_ms", 0) > 0)
        put_seconds(about, PREFIX "cluster_keep_until_seconds",
                    "When what is kept on behalf of a cluster out of reach goes, as a time.",
                    ist_json_int(cluster, "keep_until_ms", 0));
}

// ---- what plugins tell

static bool is_name(const char *name, bool colon)
{
    if (!name || !*name || strlen(name) > NAME_MAX_ || (*name >= '0' && *name <= '9'))
        return false;
    for (; *name; name++)
        if (!(*name >= 'a' && *name <= 'z') && !(*name >= 'A' && *name <= 'Z') &&
            !(*name >= '0' && *name <= '9') && *name != '_' && !(colon && *name == ':'))
            return false;
    return true;
}

// Labels that are labels, without those that the host gives; new reference.
static json_t *own_labels(const json_t *labels)
{
    json_t *kept = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)labels, key, value)
    {
        if (is_name(key, false) && strncmp(key, "__", 2) != 0 && strcmp(key, "pipeline") != 0 &&
            strcmp(key, "step") != 0 && json_is_string(value))
            json_object_set(kept, key, value);
    }
    return kept;
}

static bool number_text(const json_t *value, char text[64])
{
    if (json_is_integer(value)) {
        snprintf(text, 64, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    }
    if (!json_is_real(value) || !isfinite(json_real_value(value)))
        return false;
    snprintf(text, 64, "%.17g", json_real_value(value));
    return true;
}

static void put_metric(const struct about *about, const json_t *metric)
{
    char number[64];
    const char *name = ist_json_str(metric, "name");
    if (!is_name(name, true) || !number_text(json_object_get(metric, "value"), number))
        return;
    char *full = ist_printf(PREFIX "%s", name);
    json_t *family = family_of(about->families, full, ist_json_str_or(metric, "help", ""),
                               ist_json_bool(metric, "counter", 0) != 0, false);
    if (family) {
        const char *const labels[][2] = {{"pipeline", about->pipeline}, {"step", about->step}};
        json_t *more = own_labels(json_object_get(metric, "labels"));
        char *text = labels_text(labels, 2, more);
        json_object_set_new(json_object_get(family, "samples"), text, json_string(number));
        ist_free(text);
        json_decref(more);
    }
    ist_free(full);
}

// `cluster` NULL: each alarm says of which it is.
static void put_alarms(const struct about *about, const char *cluster, const json_t *alarms)
{
    struct about named = *about;
    json_t *alarm;
    size_t i;
    json_array_foreach(alarms, i, alarm)
    {
        named.cluster = cluster ? cluster : ist_json_str(alarm, "cluster");
        named.extra[0] = "alarm";
        named.extra[1] = ist_json_str_or(alarm, "name", "unnamed");
        put_int(&named, PREFIX "alarm", "1 while a person should see to it.", false,
                ist_json_bool(alarm, "active", 0) != 0);
    }
}

static void put_step(const struct about *about, const json_t *step)
{
    const json_t *status = json_object_get(step, "status");
    const bool up = strcmp(ist_json_str_or(step, "state", ""), "watching") == 0;
    const char *key;
    json_t *item;
    put_int(about, PREFIX "step_up", "1 while the worker of the step watches.", false, up);
    put_int(about, PREFIX "step_ready", "1 while the step has read what it needs.", false,
            up && ist_json_bool(status, "ready", 1));
    put_int(about, PREFIX "step_restarts_total", "How often the watch of the step began anew.", true,
            ist_json_int(step, "restarts", 0));
    if (up)
        put_seconds(about, PREFIX "step_start_time_seconds", "When the watch of the step began, as a time.",
                    ist_json_int(step, "since_ms", 0));
    json_object_foreach(json_object_get(status, "clusters"), key, item)
    {
        struct about cluster = *about;
        cluster.cluster = key;
        put_cluster(&cluster, item);
        put_alarms(about, key, json_object_get(item, "alarms"));
    }
    put_alarms(about, NULL, json_object_get(status, "alarms"));
}

// ---- the page

char *metrics_text(const json_t *said, const char *pipeline, const char *version)
{
    struct about all = {.families = json_object(), .pipeline = pipeline, .extra = {"version", version}};
    const char *key, *labels;
    json_t *item, *value;
    ist_buf page = {0};
    size_t i;
    put_int(&all, PREFIX "build_info", "The version that runs.", false, 1);
    all.extra[0] = NULL;
    put_int(&all, PREFIX "watch_seconds", "How long this watch runs.", false,
            ist_json_int(said, "seconds", 0));
    put_int(&all, PREFIX "config_reloads_total", "How often a new configuration was taken.", true,
            ist_json_int(said, "reloads", 0));
    put_int(&all, PREFIX "config_reload_failures_total", "How often one was not.", true,
            ist_json_int(said, "failed_reloads", 0));
    put_int(&all, PREFIX "config_last_reload_successful", "0 when the last one was not taken.", false,
            !ist_json_str(said, "reload_error"));
    json_object_foreach(json_object_get(said, "steps"), key, item)
    {
        struct about step = all;
        step.step = key;
        put_step(&step, item);
    }
    // The host's names come first: nothing that a plugin tells can take one of them.
    json_object_foreach(json_object_get(said, "steps"), key, item)
    {
        struct about step = all;
        step.step = key;
        const json_t *metrics = ist_json_at(item, "status.metrics");
        for (i = 0; i < json_array_size(metrics) && i < SAMPLES_MAX; i++)
            put_metric(&step, json_array_get(metrics, i));
    }
    json_object_foreach(all.families, key, item)
    {
        ist_buf_printf(&page, "# HELP %s ", key);
        add_escaped(&page, ist_json_str_or(item, "help", ""), false);
        ist_buf_printf(&page, "\n# TYPE %s %s\n", key,
                       ist_json_bool(item, "counter", 0) ? "counter" : "gauge");
        json_object_foreach(json_object_get(item, "samples"), labels, value)
            ist_buf_printf(&page, "%s%s %s\n", key, labels, json_string_value(value));
    }
    json_decref(all.families);
    return ist_buf_take(&page);
}

char *readiness_text(const json_t *said)
{
    ist_buf text = {0};
    const char *key;
    json_t *step;
    json_object_foreach(json_object_get(said, "steps"), key, step)
    {
        const char *state = ist_json_str_or(step, "state", "");
        const char *says = ist_json_str_or(step, "text", "");
        if (strcmp(state, "watching") != 0)
            ist_buf_printf(&text, "%s: %s%s%s\n", key, state, *says ? ": " : "", says);
        else if (!ist_json_bool(ist_json_at(step, "status"), "ready", 1))
            ist_buf_printf(&text, "%s: has not read what it needs\n", key);
    }
    return text.len ? ist_buf_take(&text) : NULL;
}
