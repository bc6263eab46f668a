// Checks that are named `A -> B` tell who reaches whom: at the end of a run they are shown once more, as a table for
// each step, and below it what other checks of that step say of whole ways (`A -> B -> C` as evidence).
#include "render/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

#define ARROW     " -> "
#define MAX_ENDS  12 // more columns than a screen has
#define MAX_WORD  12 // of a cell
#define NOT_SO    "!"
#define TITLE_END "from \\ to"

// "A -> B", both one word. false for all else.
static bool is_way(const char *name)
{
    const char *arrow = strstr(name, ARROW);
    return arrow && arrow != name && strcspn(name, " ") == (size_t)(arrow - name) && arrow[strlen(ARROW)] &&
           !strpbrk(arrow + strlen(ARROW), " \n");
}

static size_t end_of(json_t *ends, const char *name, size_t len)
{
    for (size_t i = 0; i < json_array_size(ends); i++) {
        const char *known = json_string_value(json_array_get(ends, i));
        if (strlen(known) == len && strncmp(known, name, len) == 0)
            return i;
    }
    json_array_append_new(ends, json_stringn(name, len));
    return json_array_size(ends) - 1;
}

// What stands in the cell: the evidence as far as its first comma or colon, or the result where that is long.
static char *cell_of(const char *evidence, const char *result)
{
    size_t len = strcspn(evidence, ",:;\n");
    char *word = len && len <= MAX_WORD ? ist_strndup(evidence, len) : ist_strdup(result);
    char *cell = ist_printf("%s%s", word, strcmp(result, "fail") == 0 ? NOT_SO : "");
    ist_free(word);
    return cell;
}

// What is noted of a check's step; borrowed.
static json_t *of_step(struct render *render, const json_t *check)
{
    const char *step = ist_json_str_or(check, "step", "");
    if (!render->ways)
        render->ways = json_object();
    json_t *noted = json_object_get(render->ways, step);
    if (!noted) {
        noted = json_pack("{s:[], s:{}, s:[]}", "ends", "cells", "said");
        json_object_set_new(render->ways, step, noted);
    }
    return noted;
}

static void note_way(json_t *noted, const char *name, const char *evidence, const char *result)
{
    const char *to = strstr(name, ARROW) + strlen(ARROW);
    json_t *ends = json_object_get(noted, "ends");
    size_t row = end_of(ends, name, (size_t)(to - name) - strlen(ARROW)),
           column = end_of(ends, to, strlen(to));
    char key[32], *cell = cell_of(evidence, result);
    snprintf(key, sizeof(key), "%zu-%zu", row, column);
    json_object_set_new(json_object_get(noted, "cells"), key, json_string(cell));
    ist_free(cell);
}

void ways_note(struct render *render, const json_t *check)
{
    char *name = tame(ist_json_str_or(check, "name", ""), ""),
         *evidence = tame(ist_json_str_or(check, "evidence", ""), "");
    if (is_way(name))
        note_way(of_step(render, check), name, evidence, ist_json_str_or(check, "result", ""));
    else if (strstr(evidence, ARROW))
        json_array_append_new(json_object_get(of_step(render, check), "said"),
                              json_pack("{s:s, s:s}", "name", name, "evidence", evidence));
    ist_free(name);
    ist_free(evidence);
}

static const char *cell_at(const json_t *noted, size_t row, size_t column)
{
    char key[48];
    snprintf(key, sizeof(key), "%zu-%zu", row, column);
    return json_string_value(json_object_get(json_object_get(noted, "cells"), key));
}

static const char *end_at(const json_t *noted, size_t i)
{
    return json_string_value(json_array_get(json_object_get(noted, "ends"), i));
}

// How wide a column must be; 0 when nothing leads there.
static size_t width_of(const json_t *noted, size_t column, size_t count)
{
    size_t width = 0;
    for (size_t row = 0; row < count; row++) {
        const char *cell = cell_at(noted, row, column);
        if (cell && strlen(cell) > width)
            width = strlen(cell);
    }
    return width && strlen(end_at(noted, column)) > width ? strlen(end_at(noted, column)) : width;
}

static void print_row(struct render *render, const json_t *noted, size_t row, size_t first,
                      const size_t *widths, size_t count)
{
    FILE *out = render->options.out;
    const char *name = end_at(noted, row);
    size_t gap = first - strlen(name); // written with the next cell, so that no line ends in blanks
    fprintf(out, "  %s", name);
    for (size_t i = 0; i < count; i++) {
        if (!widths[i])
            continue;
        const char *cell = cell_at(noted, row, i), *text = cell ? cell : i == row ? "-" : ".";
        const char *colour = !cell ? "dim" : strstr(cell, NOT_SO) ? "fail" : "off";
        fprintf(out, "%*s%s%s%s", (int)gap + 2, "", tint(render, colour), text, tint(render, "off"));
        gap = widths[i] - strlen(text);
    }
    fputc('\n', out);
}

static void print_table(struct render *render, const char *step, const json_t *noted)
{
    FILE *out = render->options.out;
    size_t count = json_array_size(json_object_get(noted, "ends")), widths[MAX_ENDS];
    size_t first = strlen(TITLE_END);
    bool wrong = false;
    for (size_t i = 0; i < count; i++) {
        widths[i] = width_of(noted, i, count);
        if (strlen(end_at(noted, i)) > first)
            first = strlen(end_at(noted, i));
    }
    fprintf(out, "\n%s%s%s\n  %s", tint(render, "bold"), step, tint(render, "off"), TITLE_END);
    size_t gap = first - strlen(TITLE_END);
    for (size_t i = 0; i < count; i++) {
        if (!widths[i])
            continue;
        fprintf(out, "%*s%s", (int)gap + 2, "", end_at(noted, i));
        gap = widths[i] - strlen(end_at(noted, i));
    }
    fputc('\n', out);
    for (size_t row = 0; row < count; row++) {
        bool leads = false;
        for (size_t i = 0; i < count; i++) {
            const char *cell = cell_at(noted, row, i);
            leads = leads || cell;
            wrong = wrong || (cell && strstr(cell, NOT_SO));
        }
        if (leads)
            print_row(render, noted, row, first, widths, count);
    }
    if (wrong)
        fputs("  " NOT_SO " is not as it should be\n", out);
}

void ways_print(struct render *render)
{
    const char *step;
    json_t *noted;
    json_object_foreach(render->ways, step, noted)
    {
        size_t i, count = json_array_size(json_object_get(noted, "ends"));
        json_t *said;
        if (!count || count > MAX_ENDS)
            continue;
        print_table(render, step, noted);
        json_array_foreach(json_object_get(noted, "said"), i, said)
            fprintf(render->options.out, "%s: %s\n", ist_json_str_or(said, "name", ""),
                    ist_json_str_or(said, "evidence", ""));
        fputc('\n', render->options.out);
    }
    json_decref(render->ways);
    render->ways = NULL;
}
