// Events as people read them.
#include "render/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 120 // characters of a value in a plan, and on a narrow terminal at least
#define VALUE_MIN 40

const char *tint(const struct render *render, const char *what)
{
    static const struct {
        const char *what, *code;
    } codes[] = {{"create", "\033[32m"}, {"pass", "\033[32m"},    {"update", "\033[33m"},
                 {"warn", "\033[33m"},   {"delete", "\033[31m"},  {"fail", "\033[31m"},
                 {"error", "\033[31m"},  {"replace", "\033[35m"}, {"bold", "\033[1m"},
                 {"dim", "\033[2m"},     {"off", "\033[0m"}};
    for (size_t i = 0; render->options.colour && i < sizeof(codes) / sizeof(*codes); i++)
        if (strcmp(what, codes[i].what) == 0)
            return codes[i].code;
    return "";
}

char *tame(const char *text, const char *indent)
{
    ist_buf buf = {0};
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '\n' && !c[1])
            break;
        if (*c == '\n')
            ist_buf_printf(&buf, "\n%s", indent);
        else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
            c++, ist_buf_puts(&buf, "?");
        else
            ist_buf_add(&buf, (*c < 0x20 && *c != '\t') || *c == 0x7f ? "?" : (const char *)c, 1);
    }
    return ist_buf_take(&buf);
}

static char *tame_of(const json_t *event, const char *key)
{
    return tame(ist_json_str_or(event, key, ""), "    ");
}

static FILE *out_of(struct render *render)
{
    progress_clear(render);
    return render->options.out;
}

static FILE *err_of(struct render *render)
{
    progress_clear(render);
    fflush(render->options.out);
    return render->options.err;
}

// What is left of a terminal's line beside `name` and what tells the whole length.
static size_t value_max(const struct render *render, const char *name)
{
    size_t used = strlen(name) + 28, width = render->options.terminal ? progress_width(render) : 0;
    size_t most = width > used ? width - used : VALUE_MIN;
    return !width || most > VALUE_MAX ? VALUE_MAX : most < VALUE_MIN ? VALUE_MIN : most;
}

static char *value_text(const json_t *value, size_t max)
{
    char *dumped = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    char *text = tame(dumped ? dumped : "(none)", "");
    free(dumped);
    if (strlen(text) > max) {
        size_t cut = max;
        while (cut && ((unsigned char)text[cut] & 0xc0) == 0x80)
            cut--;
        char *shorter = ist_printf("%.*s... (%zu characters)", (int)cut, text, strlen(text));
        ist_free(text);
        text = shorter;
    }
    return text;
}

// A line of a router's configuration is its own name: "interface Tunnel0 / ip mtu 1400" with "ip mtu 1400".
static bool says_all(const char *name, const json_t *before, const json_t *after)
{
    const size_t len = strlen(name), tail = json_string_length(after);
    return json_is_string(after) && (!before || json_is_null(before)) && tail > 0 && tail <= len &&
           strcmp(name + len - tail, json_string_value(after)) == 0 &&
           (tail == len || name[len - tail - 1] == ' ');
}

static void field_text(struct render *render, const json_t *field, const char *action)
{
    FILE *out = render->options.out;
    char *name = tame_of(field, "field");
    const json_t *before = json_object_get(field, "before"), *after = json_object_get(field, "after");
    bool creates = strcmp(action, "create") == 0, deletes = strcmp(action, "delete") == 0;
    const size_t max = value_max(render, name);
    char *was = value_text(before, max),
         *will = after ? value_text(after, max) : ist_strdup("(known after apply)");
    if (ist_json_bool(field, "secret", 0))
        fprintf(out, "      %s: %s\n", name, creates ? REDACTED : REDACTED " changes");
    else if (says_all(name, before, after))
        fprintf(out, "      %s\n", name);
    else if (deletes)
        fprintf(out, "      %s: %s\n", name, was);
    else if (creates && !before)
        fprintf(out, "      %s: %s\n", name, will);
    else
        fprintf(out, "      %s: %s -> %s\n", name, was, will);
    ist_free(name);
    ist_free(was);
    ist_free(will);
}

static void change_text(struct render *render, const json_t *change)
{
    static const struct {
        const char *action, *sign;
    } signs[] = {{"create", "+"}, {"update", "~"}, {"replace", "-/+"}, {"delete", "-"}};
    const char *action = ist_json_str_or(change, "action", ""), *sign = "?";
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
        if (strcmp(action, signs[i].action) == 0)
            sign = signs[i].sign;
    char *resource = tame_of(change, "resource"), *reason = tame_of(change, "reason");
    fprintf(render->options.out, "  %s%-3s %-7s%s %s%s%s%s\n", tint(render, action), sign, action,
            tint(render, "off"), resource, *reason ? "  (" : "", reason, *reason ? ")" : "");
    const json_t *field;
    size_t i;
    json_array_foreach(json_object_get(change, "fields"), i, field) field_text(render, field, action);
    ist_free(resource);
    ist_free(reason);
}

static void plan_text(struct render *render, const json_t *event)
{
    const char *kind = ist_json_str_or(event, "kind", "");
    FILE *out = out_of(render);
    char *step = tame_of(event, "step"), *plugin = tame_of(event, "plugin"),
         *reason = tame_of(event, "reason");
    if (strcmp(kind, "unchanged") == 0) {
        if (render->options.verbose)
            fprintf(out, "%s (%s): no change\n", step, plugin);
    } else {
        if (!*reason && !json_array_size(json_object_get(event, "changes"))) {
            ist_free(reason);
            reason = ist_strdup("nothing to do");
        }
        char *after = tame_of(event, "after");
        fprintf(out, "%s%s%s (%s)%s%s%s%s%s\n", tint(render, "bold"), step, tint(render, "off"), plugin,
                *reason ? ": " : "", reason, *after ? ": may change, " : "", after,
                *after ? " comes first; as things are now:" : "");
        ist_free(after);
        const json_t *change;
        size_t i;
        json_array_foreach(json_object_get(event, "changes"), i, change) change_text(render, change);
    }
    ist_free(step);
    ist_free(plugin);
    ist_free(reason);
}

static void deferred_text(struct render *render, const json_t *event)
{
    char *step = tame_of(event, "step"), *plugin = tame_of(event, "plugin"),
         *reason = tame_of(event, "reason");
    char *doc = tame_of(event, "doc");
    fprintf(out_of(render), "%s%s%s (%s): deferred: %s%s%s\n", tint(render, "bold"), step,
            tint(render, "off"), plugin, reason, *doc ? ". " : "", doc);
    ist_free(doc);
    ist_free(step);
    ist_free(plugin);
    ist_free(reason);
}

// What is wrong with an input, as `validate` shows it: the place, the line, the caret.
static void wrong_text(struct render *render, const char *step, const json_t *wrong)
{
    FILE *err = err_of(render);
    char *file = tame_of(wrong, "file"), *text = tame_of(wrong, "text"), *hint = tame_of(wrong, "hint");
    char *source = tame(ist_json_str_or(wrong, "source", ""), "");
    int line = (int)ist_json_int(wrong, "line", 0);
    fprintf(err, "%serror%s: %s: ", tint(render, "error"), tint(render, "off"), step);
    if (line)
        fprintf(err, "%s:%d:%d: ", file, line, (int)ist_json_int(wrong, "column", 0));
    fprintf(err, "%s\n", text);
    if (*source)
        fprintf(err, "%s\n", source);
    if (*hint)
        fprintf(err, "  hint: %s\n", hint);
    ist_free(file);
    ist_free(text);
    ist_free(hint);
    ist_free(source);
}

static void failed_text(struct render *render, const json_t *event)
{
    FILE *err = err_of(render);
    char *step = tame_of(event, "step"), *where = tame_of(event, "where"), *text = tame_of(event, "text");
    char *hint = tame_of(event, "hint");
    const json_t *wrong = json_object_get(event, "diagnostics"), *one;
    size_t i;
    json_array_foreach(wrong, i, one) wrong_text(render, step, one);
    if (!json_array_size(wrong))
        fprintf(err, "%serror%s: %s%s%s%s%s%s\n", tint(render, "error"), tint(render, "off"), step,
                *step ? ": " : "", where, *where ? ": " : "", text, "");
    if (*hint && !json_array_size(wrong))
        fprintf(err, "  hint: %s\n", hint);
    ist_free(step);
    ist_free(where);
    ist_free(text);
    ist_free(hint);
}

static void log_text(struct render *render, const json_t *event)
{
    const char *level = ist_json_str_or(event, "level", "info");
    bool always = strcmp(level, "error") == 0 || strcmp(level, "warn") == 0;
    bool verbose = render->options.verbose && (strcmp(level, "info") == 0 || strcmp(level, "debug") == 0);
    if (!always && !verbose && !(render->options.trace && strcmp(level, "trace") == 0))
        return;
    FILE *err = err_of(render);
    char *step = tame_of(event, "step"), *text = tame_of(event, "text");
    fprintf(err, "%s%s%s: %s%s%s\n", tint(render, level), level, tint(render, "off"), step, *step ? ": " : "",
            text);
    ist_free(step);
    ist_free(text);
}

// Plain lines where nothing can be redrawn: that a step begins to act, and each new thing it waits for.
static void progress_text(struct render *render, const json_t *event, const char *kind)
{
    const char *doing = ist_json_str_or(event, "operation", "");
    bool reads = strcmp(doing, "observe") == 0 || strcmp(doing, "plan") == 0;
    if (render->options.terminal || (reads && !render->options.verbose))
        return;
    char *step = tame_of(event, "step"), *text = tame_of(event, "text");
    char elapsed[32];
    progress_elapsed(render, ist_json_str_or(event, "step", ""), elapsed);
    if (strcmp(kind, "step-start") == 0)
        fprintf(err_of(render), "%s: %s\n", step, doing);
    else
        fprintf(err_of(render), "%s: %s (%s)\n", step, text, elapsed);
    ist_free(step);
    ist_free(text);
}

static void done_text(struct render *render, const json_t *event)
{
    const char *result = ist_json_str(event, "result");
    if (!result || (strcmp(result, "unchanged") == 0 && !render->options.verbose))
        return;
    char elapsed[32];
    char *step = tame_of(event, "step");
    int64_t ms = ist_json_int(event, "elapsed_ms", 0);
    if (ms < 10000)
        snprintf(elapsed, sizeof(elapsed), "%lld.%llds", (long long)(ms / 1000), (long long)(ms / 100 % 10));
    else
        render_elapsed(ms, elapsed);
    fprintf(out_of(render), "%s: %s%s%s (%s)\n", step, tint(render, "pass"), result, tint(render, "off"),
            elapsed);
    ist_free(step);
}

static void skipped_text(struct render *render, const json_t *event)
{
    char *step = tame_of(event, "step"), *because = tame_of(event, "because");
    fprintf(err_of(render), "%sskipped%s: %s: %s\n", tint(render, "warn"), tint(render, "off"), step,
            because);
    ist_free(step);
    ist_free(because);
}

static void line_text(struct render *render, const json_t *event)
{
    char *text = tame(ist_json_str_or(event, "text", ""), "");
    fprintf(out_of(render), "%s\n", text);
    ist_free(text);
}

static void end_text(struct render *render, const json_t *event)
{
    checks_print(render, ist_json_str_or(event, "step", ""));
}

static void summary_text(struct render *render, const json_t *event)
{
    char *text = tame(ist_json_str_or(event, "text", ""), "");
    progress_clear(render);
    checks_print(render, NULL);
    ways_print(render);
    // A plan is long: what it comes to stands apart.
    fprintf(render->options.out, "%s%s%s%s\n", ist_json_bool(event, "changes", 0) ? "\n" : "",
            tint(render, "bold"), text, tint(render, "off"));
    ist_free(text);
}

static void print_text(struct render *render, const json_t *event)
{
    const char *text = ist_json_str_or(event, "text", "");
    char *tamed = tame(text, "");
    size_t len = strlen(text);
    fprintf(out_of(render), "%s%s", tamed, len && text[len - 1] == '\n' ? "\n" : "");
    ist_free(tamed);
}

static void question_text(struct render *render, const json_t *event)
{
    char *text = tame(ist_json_str_or(event, "text", ""), "");
    fprintf(err_of(render), "%s", text);
    fflush(render->options.err);
    ist_free(text);
}

void render_text(struct render *render, const json_t *event)
{
    const char *kind = ist_json_str_or(event, "event", "");
    progress_note(render, event);
    if (strcmp(kind, "step-start") == 0 || strcmp(kind, "progress") == 0) {
        progress_text(render, event, kind);
        return;
    }
    static const struct {
        const char *kind;
        void (*write)(struct render *, const json_t *);
    } writers[] = {{"plan", plan_text},        {"deferred", deferred_text}, {"step-failed", failed_text},
                   {"error", failed_text},     {"check", checks_note},      {"log", log_text},
                   {"step-done", done_text},   {"skipped", skipped_text},   {"line", line_text},
                   {"summary", summary_text},  {"step-end", end_text},      {"print", print_text},
                   {"question", question_text}};
    for (size_t i = 0; i < sizeof(writers) / sizeof(*writers); i++)
        if (strcmp(kind, writers[i].kind) == 0)
            writers[i].write(render, event);
    if (render->options.terminal)
        fflush(render->options.out);
}
