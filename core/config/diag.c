// Diagnostics: collected, then shown with the line and a caret.
#include "config/diag.h"

#include <isthmus/alloc.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// More are counted but not kept: junk must not fill the memory, nor the screen.
#define MAX_KEPT 200
#define MAX_LINE 160

enum hide { HIDE_NOTHING, HIDE_VALUE, HIDE_AFTER_KEY, HIDE_LINE };

struct diag {
    struct place place;
    char *text, *hint;
    bool error;
    enum hide hide;
};

struct diags {
    struct diag *items;
    size_t count, errors, dropped;
    bool last_dropped; // the last one was not kept: neither is its hint
};

struct diags *diags_new(void)
{
    return ist_calloc(1, sizeof(struct diags));
}

void diags_free(struct diags *diags)
{
    if (!diags)
        return;
    for (size_t i = 0; i < diags->count; i++) {
        ist_free(diags->items[i].text);
        ist_free(diags->items[i].hint);
        ist_free((void *)(uintptr_t)diags->items[i].place.file);
    }
    ist_free(diags->items);
    ist_free(diags);
}

// One file included by several steps says the same thing once.
static bool known(const struct diags *diags, const struct place *place, const char *text)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *d = &diags->items[i];
        if (d->place.line == place->line && d->place.column == place->column && strcmp(d->text, text) == 0 &&
            strcmp(d->place.file, place->file ? place->file : "") == 0)
            return true;
    }
    return false;
}

static void __attribute__((format(printf, 4, 0)))
add(struct diags *diags, struct place place, bool error, const char *format, va_list args)
{
    char *text = ist_vprintf(format, args);
    diags->last_dropped = known(diags, &place, text) || diags->count >= MAX_KEPT;
    if (diags->last_dropped) {
        if (diags->count >= MAX_KEPT)
            diags->dropped++;
        ist_free(text);
        return;
    }
    diags->items = ist_realloc(diags->items, diags->count + 1, sizeof(struct diag));
    place.file = ist_strdup(place.file ? place.file : "");
    diags->items[diags->count++] = (struct diag){place, text, NULL, error, HIDE_NOTHING};
    diags->errors += error;
}

void diag_error(struct diags *diags, struct place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diags, place, true, format, args);
    va_end(args);
}

void diag_warn(struct diags *diags, struct place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diags, place, false, format, args);
    va_end(args);
}

static struct diag *last(struct diags *diags)
{
    return diags->count && !diags->last_dropped ? &diags->items[diags->count - 1] : NULL;
}

void diag_hint(struct diags *diags, const char *format, ...)
{
    struct diag *d = last(diags);
    if (!d)
        return;
    va_list args;
    va_start(args, format);
    ist_free(d->hint);
    d->hint = ist_vprintf(format, args);
    va_end(args);
}

void diag_hide_value(struct diags *diags)
{
    struct diag *d = last(diags);
    if (d)
        d->hide = HIDE_VALUE;
}

void diag_hide_after_key(struct diags *diags)
{
    struct diag *d = last(diags);
    if (d)
        d->hide = HIDE_AFTER_KEY;
}

size_t diags_errors(const struct diags *diags)
{
    return diags->errors;
}

size_t diags_count(const struct diags *diags)
{
    return diags->count;
}

bool diags_at(const struct diags *diags, size_t i, struct place *place, const char **text, bool *is_error)
{
    if (i >= diags->count)
        return false;
    *place = diags->items[i].place;
    *text = diags->items[i].text;
    *is_error = diags->items[i].error;
    return true;
}

// ---- showing

// The line-th line of a file into `line` without its end; false when there is none.
static bool source_line(const char *file, int number, char *line, size_t size)
{
    FILE *in = fopen(file, "re");
    if (!in)
        return false;
    bool found = false;
    char *text = NULL;
    size_t room = 0;
    for (int i = 1; !found && getline(&text, &room, in) >= 0; i++)
        found = i == number;
    if (found) {
        text[strcspn(text, "\r\n")] = '\0';
        snprintf(line, size, "%s", text);
    }
    free(text);
    fclose(in);
    return found;
}

void diag_hide_secrets(struct diags *diags, char *const *secrets, size_t count)
{
    char line[4096];
    struct diag *d = last(diags);
    if (!d || d->place.line < 1 || !source_line(d->place.file, d->place.line, line, sizeof(line)))
        return;
    for (size_t i = 0; i < count; i++)
        if (strstr(line, secrets[i]))
            d->hide = HIDE_LINE;
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

// Where the column-th character begins. Control characters are made visible as dots meanwhile: a broken file
// must not write to the terminal.
static size_t tidy(char *line, int column)
{
    size_t at = 0, byte = 0;
    int seen = 1;
    for (; line[byte]; byte++) {
        if (seen < column && byte && !continues(line[byte]))
            seen++, at = byte;
        if (((unsigned char)line[byte] < 0x20 && line[byte] != '\t') || line[byte] == 0x7f)
            line[byte] = '.';
    }
    return seen < column ? byte : at;
}

static void print_source(const struct diag *d, FILE *to, const char *on, const char *off)
{
    char line[4096];
    if (d->place.line < 1 || d->hide == HIDE_LINE ||
        !source_line(d->place.file, d->place.line, line, sizeof(line)))
        return;
    size_t at = tidy(line, d->place.column);
    const char *tail = "";
    if (d->hide == HIDE_VALUE) {
        line[at] = '\0';
        tail = "(hidden)";
    } else if (d->hide == HIDE_AFTER_KEY) {
        line[at + strcspn(line + at, ":")] = '\0';
        tail = ": ...";
    }
    size_t from = at > MAX_LINE / 2 ? at - MAX_LINE / 2 : 0;
    while (from < at && continues(line[from]))
        from++;
    size_t len = strnlen(line + from, MAX_LINE);
    while (len && continues(line[from + len]))
        len--;
    fprintf(to, "  %.*s%s\n  ", (int)len, line + from, tail);
    for (size_t i = from; i < at; i++)
        if (!continues(line[i]))
            fputc(line[i] == '\t' ? '\t' : ' ', to);
    fprintf(to, "%s^%s\n", on, off);
}

static bool same_place(const struct diag *a, const struct diag *b)
{
    return a->place.line == b->place.line && a->place.column == b->place.column &&
           strcmp(a->place.file, b->place.file) == 0;
}

// The line is shown once for all that is said of one place.
static void print_one(const struct diag *d, FILE *to, bool colour, bool with_source)
{
    const char *on = !colour ? "" : d->error ? "\033[1;31m" : "\033[1;33m";
    const char *bold = colour ? "\033[1m" : "", *off = colour ? "\033[0m" : "";
    fputs(bold, to);
    if (*d->place.file)
        fprintf(to, "%s:", d->place.file);
    if (d->place.line)
        fprintf(to, "%d:%d:", d->place.line, d->place.column);
    fprintf(to, "%s%s%s%s:%s %s\n", off, *d->place.file ? " " : "", on, d->error ? "error" : "warning", off,
            d->text);
    if (with_source)
        print_source(d, to, on, off);
    for (const char *line = d->hint; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        fprintf(to, "  = %.*s\n", (int)strcspn(line, "\n"), line);
}

// By file, in the order in which they came up, then by line; what was said first stays first.
static void sort(const struct diags *diags, size_t *order)
{
    size_t *files = ist_calloc(diags->count, sizeof(size_t));
    for (size_t i = 0; i < diags->count; i++) {
        while (strcmp(diags->items[files[i]].place.file, diags->items[i].place.file) != 0)
            files[i]++;
        size_t at = i;
        for (; at; at--) {
            size_t other = order[at - 1];
            if (files[other] < files[i] ||
                (files[other] == files[i] && diags->items[other].place.line <= diags->items[i].place.line))
                break;
            order[at] = other;
        }
        order[at] = i;
    }
    ist_free(files);
}

void diags_print(const struct diags *diags, FILE *to, bool colour)
{
    size_t *order = ist_calloc(diags->count, sizeof(size_t));
    sort(diags, order);
    for (size_t i = 0; i < diags->count; i++)
        print_one(&diags->items[order[i]], to, colour,
                  !i || !same_place(&diags->items[order[i]], &diags->items[order[i - 1]]));
    ist_free(order);
    if (diags->dropped)
        fprintf(to, "and %zu more\n", diags->dropped);
}

// The line and the caret, or NULL; free().
static char *source_text(const struct diag *d)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return NULL;
    print_source(d, to, "", "");
    fclose(to);
    return text;
}

static json_t *as_json(const struct diags *diags, bool shown)
{
    json_t *list = json_array();
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *d = &diags->items[i];
        json_t *one = json_pack("{s:s, s:s, s:i, s:i}", "severity", d->error ? "error" : "warning", "file",
                                d->place.file, "line", d->place.line, "column", d->place.column);
        if (!one)
            one = json_object();
        json_object_set_new(one, "text", json_string(d->text));
        if (d->hint)
            json_object_set_new(one, "hint", json_string(d->hint));
        char *source = shown ? source_text(d) : NULL;
        if (source && *source)
            json_object_set_new(one, "source", json_string(source));
        free(source);
        json_array_append_new(list, one);
    }
    return list;
}

json_t *diags_json(const struct diags *diags)
{
    return as_json(diags, false);
}

json_t *diags_json_shown(const struct diags *diags)
{
    return as_json(diags, true);
}

// ---- the nearest word

// Edit distance with transpositions counted as one, at most `limit` + 1.
static size_t distance(const char *a, const char *b, size_t limit)
{
    enum { MOST = 64 };
    size_t la = strlen(a), lb = strlen(b);
    if (la > MOST || lb > MOST || (la > lb ? la - lb : lb - la) > limit)
        return limit + 1;
    size_t rows[3][MOST + 1];
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t least = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < least)
                least = before[j] + 1;
            if (now[j - 1] + 1 < least)
                least = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < least)
                least = earlier[j - 2] + 1;
            now[j] = least;
        }
    }
    return rows[la % 3][lb];
}

const char *nearest(const char *word, const char *const *words, size_t count)
{
    size_t len = strlen(word), best = len <= 3 ? 1 : len <= 8 ? 2 : 3;
    const char *found = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, words[i], best);
        if (d > best || (found && d == best) || d >= len)
            continue;
        found = words[i];
        best = d;
    }
    return found;
}
