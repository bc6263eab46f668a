// The boundary: every event is redacted here, then formatted.
#include "render/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t render_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct render *render_new(const struct render_options *options)
{
    struct render *render = ist_calloc(1, sizeof(*render));
    render->options = *options;
    render->redactor = redactor_new();
    render->began = render_now();
    if (options->format == RENDER_JSON)
        render->document = json_object();
    return render;
}

void render_free(struct render *render)
{
    if (!render)
        return;
    progress_clear(render);
    progress_free(render);
    redactor_free(render->redactor);
    json_decref(render->document);
    json_decref(render->checks);
    json_decref(render->ways);
    ist_free(render->title);
    ist_free(render);
}

void render_secret(struct render *render, const char *value, size_t len)
{
    redactor_add(render->redactor, value, len);
}

char *render_redact(const struct render *render, const char *text)
{
    return redactor_text(render->redactor, text);
}

json_t *render_redact_json(const struct render *render, json_t *json)
{
    return redactor_json(render->redactor, json);
}

json_t *render_redact_inputs(const struct render *render, json_t *json)
{
    return redactor_json_over(render->redactor, json, 8);
}

static void write_json_line(struct render *render, json_t *event)
{
    struct timespec now;
    struct tm utc;
    char day[32], time[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(time, sizeof(time), "%s.%03ldZ", day, now.tv_nsec / 1000000);
    json_t *line = json_object();
    json_object_set_new(line, "time", json_string(time));
    json_object_update(line, event);
    char *text = json_dumps(line, JSON_COMPACT);
    if (text)
        fprintf(render->options.out, "%s\n", text);
    fflush(render->options.out);
    free(text);
    json_decref(line);
}

// The document of --output json: what is asked for afterwards, by kind; progress is not.
static void collect(struct render *render, json_t *event)
{
    static const struct {
        const char *event, *list;
    } lists[] = {
        {"plan", "plan"},          {"deferred", "deferred"}, {"check", "checks"}, {"step-failed", "failed"},
        {"step-done", "done"},     {"skipped", "skipped"},   {"log", "log"},      {"error", "errors"},
        {"question", "questions"}, {"status-step", "steps"}, {"run", "runs"}};
    const char *kind = ist_json_str_or(event, "event", "");
    json_t *copy = json_copy(event);
    json_object_del(copy, "event");
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        if (strcmp(kind, lists[i].event) != 0)
            continue;
        json_t *list = json_object_get(render->document, lists[i].list);
        if (!list)
            json_object_set_new(render->document, lists[i].list, list = json_array());
        json_array_append(list, copy);
    }
    if (strcmp(kind, "summary") == 0 || strcmp(kind, "status") == 0)
        json_object_set(render->document, kind, copy);
    json_decref(copy);
}

void render_event(struct render *render, json_t *event)
{
    json_t *clean = redactor_json(render->redactor, event);
    json_decref(event);
    switch (render->options.format) {
    case RENDER_JSONL:
        write_json_line(render, clean);
        break;
    case RENDER_JSON:
        collect(render, clean);
        break;
    case RENDER_TEXT:
        render_text(render, clean);
        break;
    }
    json_decref(clean);
}

bool render_interactive(const struct render *render)
{
    return render->options.terminal && render->options.format == RENDER_TEXT;
}

void render_tick(struct render *render)
{
    if (render_interactive(render))
        progress_draw(render);
}

void render_line(struct render *render, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    render_event(render, json_pack("{s:s, s:s}", "event", "line", "text", text));
    ist_free(text);
}

void render_finish(struct render *render)
{
    progress_clear(render);
    if (render->options.format == RENDER_JSON) {
        char *text = json_dumps(render->document, JSON_INDENT(2));
        if (text)
            fprintf(render->options.out, "%s\n", text);
        free(text);
    }
    fflush(render->options.out);
    fflush(render->options.err);
}
