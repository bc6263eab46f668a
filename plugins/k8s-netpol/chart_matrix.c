// Many workloads or namespaces: a row for each that connects, a column for each that is connected to.
#include "chart.h"

#include <isthmus/alloc.h>

#define NAMES 210.0 // room for the names of rows
#define TOP   232.0 // and of columns, which stand aslant
#define FOOT  62.0

struct matrix {
    const struct chart *chart;
    struct printer *out;
    double cell, width, height;
};

static char *name_of(const struct chart *chart, uint32_t i, size_t most)
{
    const struct chart_node *node = &chart->nodes[i];
    char *whole = chart->by_namespace ? ist_printf("%s (%u)", node->title, node->workloads)
                                      : ist_printf("%s/%s", node->small, node->title);
    char *text = chart_short(whole, most);
    ist_free(whole);
    return text;
}

static void draw_bands(const struct matrix *m)
{
    const struct chart *chart = m->chart;
    for (uint32_t i = 0, from = 0; i < chart->count; i++) {
        if (i + 1 < chart->count && chart->nodes[i + 1].cluster == chart->nodes[from].cluster)
            continue;
        const double y = TOP + from * m->cell, height = (i + 1 - from) * m->cell;
        const char *name = world_cluster(chart->session->world, chart->nodes[from].cluster)->name->text;
        print_format(m->out, "<rect x=\"20\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", y,
                     NAMES + 20 + chart->count * m->cell, height, chart_tint(chart->nodes[from].cluster));
        if (world_cluster_count(chart->session->world) > 1) {
            print_format(m->out, "<g transform=\"translate(34 %.1f) rotate(-90)\">", y + height / 2);
            chart_text(m->out, 0, 0,
                       "font-size=\"12\" font-weight=\"bold\" fill=\"#3e4c59\" text-anchor=\"middle\"", name);
            print_text(m->out, "</g>\n");
            print_format(m->out, "<g transform=\"translate(%.1f %.1f)\">",
                         NAMES + 40 + (from + (i + 1 - from) / 2.0) * m->cell, 76.0);
            chart_text(m->out, 0, 0,
                       "font-size=\"12\" font-weight=\"bold\" fill=\"#3e4c59\" text-anchor=\"middle\"", name);
            print_text(m->out, "</g>\n");
        }
        from = i + 1;
    }
}

static void draw_names(const struct matrix *m)
{
    const double size = m->cell < 9 ? 7 : m->cell < 13 ? 9 : 11;
    char *rows = ist_printf("font-size=\"%.0f\" fill=\"#1f2933\" text-anchor=\"end\"", size);
    char *columns = ist_printf("font-size=\"%.0f\" fill=\"#1f2933\"", size);
    for (uint32_t i = 0; i < m->chart->count; i++) {
        char *name = name_of(m->chart, i, 32);
        chart_text(m->out, NAMES + 32, TOP + (i + 0.5) * m->cell + size / 3, rows, name);
        print_format(m->out, "<g transform=\"translate(%.1f %.1f) rotate(-60)\">",
                     NAMES + 40 + (i + 0.65) * m->cell, TOP - 6);
        chart_text(m->out, 0, 0, columns, name);
        print_text(m->out, "</g>\n");
        ist_free(name);
    }
    ist_free(rows);
    ist_free(columns);
}

static void draw_cell(const struct matrix *m, uint32_t a, uint32_t b)
{
    const struct chart *chart = m->chart;
    const conn ports = chart_edge(chart, a, b);
    const double x = NAMES + 40 + b * m->cell, y = TOP + a * m->cell, gap = m->cell > 10 ? 1.5 : 0.5;
    if (ports == CONN_NONE)
        return;
    char *from = name_of(chart, a, 80), *to = name_of(chart, b, 80);
    print_format(m->out,
                 "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" fill=\"%s\" "
                 "fill-opacity=\"%s\">",
                 x + gap, y + gap, m->cell - 2 * gap, m->cell - 2 * gap,
                 ports == CONN_ALL ? "#2e7d32" : "#1565c0",
                 chart->partial[(size_t)a * chart->count + b] ? "0.45" : "1");
    // Names of Kubernetes' objects hold nothing that XML minds.
    print_format(m->out, "<title>%s -&gt; %s : %s</title></rect>\n", from, to,
                 conns_text(chart->conns, ports));
    ist_free(from);
    ist_free(to);
}

static void draw_grid(const struct matrix *m)
{
    const double side = m->chart->count * m->cell, x = NAMES + 40;
    print_text(m->out, "<path fill=\"none\" stroke=\"#cbd2d9\" stroke-width=\"0.5\" d=\"");
    for (uint32_t i = 0; i <= m->chart->count; i++) {
        print_format(m->out, "M%.1f %.1fh%.1f", x, TOP + i * m->cell, side);
        print_format(m->out, "M%.1f %.1fv%.1f", x + i * m->cell, TOP, side);
    }
    print_text(m->out, "\"/>\n");
    for (uint32_t i = 0; i < m->chart->count; i++) // what a workload does with itself is no question here
        if (!m->chart->by_namespace)
            print_format(m->out,
                         "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#e4e7eb\"/>\n",
                         x + i * m->cell, TOP + i * m->cell, m->cell, m->cell);
}

static void draw_legend(const struct matrix *m)
{
    static const struct {
        const char *fill, *opacity, *text;
    } rows[] = {{"#2e7d32", "1", "all connections"},
                {"#1565c0", "1", "some ports"},
                {"#2e7d32", "0.45", "faint: not every workload alike"}};
    const double y = m->height - 30;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const double x = 40.0 + 150.0 * (double)i;
        print_format(m->out,
                     "<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"14\" rx=\"2\" fill=\"%s\" "
                     "fill-opacity=\"%s\"/>\n",
                     x, y, rows[i].fill, rows[i].opacity);
        chart_text(m->out, x + 20, y + 12, "font-size=\"12\" fill=\"#52606d\"", rows[i].text);
    }
}

void chart_matrix(const struct chart *chart, struct printer *out)
{
    struct matrix m = {.chart = chart, .out = out};
    m.cell = chart->count ? 1000.0 / chart->count : 20;
    m.cell = m.cell > 24 ? 24 : m.cell < 6 ? 6 : m.cell;
    // The last column's name leans out to the right.
    m.width = NAMES + 40 + chart->count * m.cell + 130;
    m.width = m.width < 640 ? 640 : m.width;
    m.height = TOP + chart->count * m.cell + FOOT;
    chart_open(chart, out, m.width, m.height, "rows connect to columns; ");
    draw_bands(&m);
    draw_grid(&m);
    for (uint32_t a = 0; a < chart->count; a++)
        for (uint32_t b = 0; b < chart->count; b++)
            draw_cell(&m, a, b);
    draw_names(&m);
    draw_legend(&m);
    print_text(out, "</svg>\n");
}
