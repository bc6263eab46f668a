// The live part of a terminal: one line for the run and one for each step at work, redrawn in place.
#include "render/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_MS 100

void render_elapsed(int64_t ms, char text[32])
{
    long long s = ms / 1000;
    if (s < 60)
        snprintf(text, 32, "%llds", s);
    else if (s < 3600)
        snprintf(text, 32, "%lldm%02llds", s / 60, s % 60);
    else
        snprintf(text, 32, "%lldh%02lldm", s / 3600, s / 60 % 60);
}

static struct row *row_of(struct render *render, const char *step)
{
    for (size_t i = 0; i < render->row_count; i++)
        if (strcmp(render->rows[i].step, step) == 0)
            return &render->rows[i];
    return NULL;
}

void progress_elapsed(struct render *render, const char *step, char text[32])
{
    const struct row *row = row_of(render, step);
    render_elapsed(render_now() - (row ? row->since : render->began), text);
}

static void row_clear(struct row *row)
{
    ist_free(row->step);
    ist_free(row->doing);
    ist_free(row->waits);
}

static void row_remove(struct render *render, const char *step)
{
    struct row *row = row_of(render, step);
    if (!row)
        return;
    row_clear(row);
    size_t after = render->row_count - (size_t)(row - render->rows) - 1;
    memmove(row, row + 1, after * sizeof(*row));
    render->row_count--;
}

static void row_start(struct render *render, const char *step, const char *doing)
{
    struct row *row = row_of(render, step);
    if (!row) {
        render->rows = ist_realloc(render->rows, render->row_count + 1, sizeof(*render->rows));
        row = &render->rows[render->row_count++];
        *row = (struct row){.step = ist_strdup(step), .since = render_now()};
    }
    ist_free(row->doing);
    ist_free(row->waits);
    row->doing = ist_strdup(doing);
    row->waits = NULL;
}

void progress_note(struct render *render, const json_t *event)
{
    const char *kind = ist_json_str_or(event, "event", ""), *step = ist_json_str(event, "step");
    if (strcmp(kind, "pass") == 0) {
        ist_free(render->title);
        render->title = ist_strdup(ist_json_str_or(event, "text", ""));
        render->steps = ist_json_int(event, "steps", 0);
        render->finished = 0;
    } else if (step && strcmp(kind, "step-start") == 0) {
        row_start(render, step, ist_json_str_or(event, "operation", ""));
    } else if (step && strcmp(kind, "progress") == 0) {
        struct row *row = row_of(render, step);
        if (row) {
            ist_free(row->waits);
            row->waits = ist_strdup(ist_json_str_or(event, "text", ""));
        }
    } else if (strcmp(kind, "question") == 0 || strcmp(kind, "answered") == 0) {
        render->asking = strcmp(kind, "question") == 0;
    } else if (step && strcmp(kind, "step-end") == 0) {
        row_remove(render, step);
        render->finished++;
    }
}

static unsigned short screen(const struct render *render, unsigned short *lines)
{
    struct winsize size = {0};
    if (ioctl(fileno(render->options.err), TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
        size.ws_col = 80;
    *lines = size.ws_row < 4 ? 24 : size.ws_row;
    return size.ws_col;
}

size_t progress_width(const struct render *render)
{
    unsigned short lines;
    return screen(render, &lines);
}

// Writes a line that never wraps: what is drawn is counted in lines.
static void draw_line(struct render *render, const char *text, size_t width)
{
    size_t columns = 0, bytes = 0;
    for (; text[bytes]; bytes++) {
        bool begins = ((unsigned char)text[bytes] & 0xc0) != 0x80;
        if (begins && columns == width - 1)
            break;
        columns += begins;
    }
    fprintf(render->options.err, "%.*s\033[K\n", (int)bytes, text);
    render->drawn++;
}

void progress_clear(struct render *render)
{
    if (!render->drawn)
        return;
    fprintf(render->options.err, "\r\033[%dA\033[J", render->drawn);
    fflush(render->options.err);
    render->drawn = 0;
    render->drawn_at = 0;
}

void progress_draw(struct render *render)
{
    int64_t now = render_now();
    // What is drawn would run over what the user types.
    if (!render->title || render->asking || (render->drawn_at && now - render->drawn_at < REDRAW_MS))
        return;
    unsigned short lines, width = screen(render, &lines);
    if (render->drawn)
        fprintf(render->options.err, "\r\033[%dA", render->drawn);
    render->drawn = 0;
    render->drawn_at = now;
    char elapsed[32];
    render_elapsed(now - render->began, elapsed);
    char *line = ist_printf("%s  %s  %lld of %lld steps", render->title, elapsed, (long long)render->finished,
                            (long long)render->steps);
    draw_line(render, line, width);
    ist_free(line);
    size_t most = lines > 3 ? (size_t)lines - 3 : 1;
    for (size_t i = 0; i < render->row_count && i < most; i++) {
        const struct row *row = &render->rows[i];
        render_elapsed(now - row->since, elapsed);
        line =
            ist_printf("  %-18s %-8s %6s  %s", row->step, row->doing, elapsed, row->waits ? row->waits : "");
        draw_line(render, line, width);
        ist_free(line);
    }
    if (render->row_count > most) {
        line = ist_printf("  and %zu more", render->row_count - most);
        draw_line(render, line, width);
        ist_free(line);
    }
    fprintf(render->options.err, "\033[J");
    fflush(render->options.err);
}

void progress_free(struct render *render)
{
    for (size_t i = 0; i < render->row_count; i++)
        row_clear(&render->rows[i]);
    ist_free(render->rows);
}
