// A few workloads: boxes in lanes, a lane a cluster, from left to right in the direction of the connections.
#include "chart.h"

#include <isthmus/alloc.h>

#include <string.h>

#define BOX_W 156.0
#define BOX_H 56.0
#define GAP_X 104.0
#define GAP_Y 34.0
#define LEFT  40.0
#define TOP   78.0
#define LANE  30.0 // room for the cluster's name
#define FOOT  58.0

struct place {
    uint32_t layer, row;
    double x, y; // the middle
};

struct graph {
    const struct chart *chart;
    struct place *places;
    struct printer *out;
    double width, height, *lane_top, *lane_height;
    uint32_t layers;
};

// ---- layers: again and again the node with the fewest lines coming from those that are left. Only what goes one way
// says what stands before what.

static int one_way(const struct chart *chart, uint32_t from, uint32_t to)
{
    return from != to && chart_edge(chart, from, to) != CONN_NONE && chart_edge(chart, to, from) == CONN_NONE;
}

static uint32_t waiting(const struct chart *chart, const uint8_t *placed, uint32_t node)
{
    uint32_t n = 0;
    for (uint32_t other = 0; other < chart->count; other++)
        n += !placed[other] && one_way(chart, other, node) ? 1u : 0u;
    return n;
}

static uint32_t going(const struct chart *chart, uint32_t node)
{
    uint32_t n = 0;
    for (uint32_t other = 0; other < chart->count; other++)
        n += one_way(chart, node, other) ? 1u : 0u;
    return n;
}

static int directed(const struct chart *chart, uint32_t node)
{
    for (uint32_t other = 0; other < chart->count; other++)
        if (one_way(chart, node, other) || one_way(chart, other, node))
            return 1;
    return 0;
}

static void choose_layers(struct graph *g, uint8_t *placed)
{
    const struct chart *chart = g->chart;
    for (;;) {
        uint32_t best = UINT32_MAX, layer = 0;
        for (uint32_t i = 0; i < chart->count; i++) {
            if (placed[i] || !directed(chart, i))
                continue;
            const uint32_t a = waiting(chart, placed, i),
                           b = best == UINT32_MAX ? a + 1 : waiting(chart, placed, best);
            if (a < b || (a == b && going(chart, i) > going(chart, best)))
                best = i;
        }
        if (best == UINT32_MAX)
            return;
        for (uint32_t i = 0; i < chart->count; i++)
            if (placed[i] && one_way(chart, i, best) && g->places[i].layer + 1 > layer)
                layer = g->places[i].layer + 1;
        g->places[best].layer = layer;
        placed[best] = 1;
        g->layers = layer + 1 > g->layers ? layer + 1 : g->layers;
    }
}

static uint32_t in_column(const struct chart *chart, const struct graph *g, const uint8_t *placed,
                          size_t cluster, uint32_t layer)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < chart->count; i++)
        n += placed[i] && chart->nodes[i].cluster == cluster && g->places[i].layer == layer;
    return n;
}

// Those without a direction stand where there is room in their lane, rather in the middle.
static void choose_rest(struct graph *g, uint8_t *placed)
{
    const struct chart *chart = g->chart;
    uint32_t columns = 1;
    while (columns * columns < chart->count)
        columns++;
    g->layers = g->layers < columns ? columns : g->layers;
    for (uint32_t i = 0; i < chart->count; i++) {
        uint32_t best = 0, least = UINT32_MAX;
        if (placed[i])
            continue;
        for (uint32_t step = 0; step < g->layers; step++) {
            const uint32_t middle = (g->layers - 1) / 2, half = (step + 1) / 2;
            const uint32_t layer = step % 2 ? middle + half : middle - half;
            const uint32_t used =
                layer < g->layers ? in_column(chart, g, placed, chart->nodes[i].cluster, layer) : UINT32_MAX;
            if (used < least) {
                least = used;
                best = layer;
            }
        }
        g->places[i].layer = best;
        placed[i] = 1;
    }
}

// ---- lanes

// Is there a line over several columns of one row? Rows are not chosen yet: the first ones will do.
static int bows(const struct graph *g, size_t cluster)
{
    const struct chart *chart = g->chart;
    for (uint32_t a = 0; a < chart->count; a++)
        for (uint32_t b = 0; b < chart->count; b++)
            if (chart->nodes[a].cluster == cluster && chart->nodes[b].cluster == cluster &&
                chart_edge(chart, a, b) != CONN_NONE && g->places[b].layer > g->places[a].layer + 1)
                return 1;
    return 0;
}

static void choose_places(struct graph *g)
{
    const struct chart *chart = g->chart;
    const size_t clusters = world_cluster_count(chart->session->world);
    const int titled = clusters > 1;
    uint32_t *used = ist_calloc((size_t)g->layers + 1, sizeof(*used));
    double top = TOP;
    for (size_t c = 0; c < clusters; c++) {
        uint32_t rows = 0;
        memset(used, 0, g->layers * sizeof(*used));
        for (uint32_t i = 0; i < chart->count; i++)
            if (chart->nodes[i].cluster == c) {
                g->places[i].row = used[g->places[i].layer]++;
                rows = used[g->places[i].layer] > rows ? used[g->places[i].layer] : rows;
            }
        const double head = (titled ? LANE : 8) + (bows(g, c) ? 52 : 14); // long lines bow within the lane
        g->lane_top[c] = top;
        g->lane_height[c] = rows ? head + rows * BOX_H + (rows - 1) * GAP_Y + 26 : LANE + 8;
        for (uint32_t i = 0; i < chart->count; i++)
            if (chart->nodes[i].cluster == c) {
                struct place *p = &g->places[i];
                p->x = LEFT + 24 + BOX_W / 2 + p->layer * (BOX_W + GAP_X);
                p->y = top + head + BOX_H / 2 + p->row * (BOX_H + GAP_Y);
            }
        top += g->lane_height[c] + 14;
    }
    g->width = LEFT * 2 + 48 + g->layers * BOX_W + (g->layers ? g->layers - 1 : 0) * GAP_X;
    g->width = g->width < 720 ? 720 : g->width;
    g->height = top + FOOT;
    ist_free(used);
}

static void draw_lanes(const struct graph *g)
{
    const struct session *session = g->chart->session;
    const size_t clusters = world_cluster_count(session->world);
    for (size_t c = 0; c < clusters; c++) {
        print_format(g->out,
                     "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"14\" fill=\"%s\"/>\n",
                     LEFT, g->lane_top[c], g->width - 2 * LEFT, g->lane_height[c], chart_tint(c));
        if (clusters > 1)
            chart_text(g->out, LEFT + 16, g->lane_top[c] + 22,
                       "font-size=\"14\" font-weight=\"bold\" fill=\"#3e4c59\"",
                       world_cluster(session->world, c)->name->text);
    }
}

static int touched(const struct chart *chart, uint32_t node)
{
    for (uint32_t other = 0; other < chart->count; other++)
        if (other != node &&
            (chart_edge(chart, node, other) != CONN_NONE || chart_edge(chart, other, node) != CONN_NONE))
            return 1;
    return 0;
}

static void draw_box(const struct graph *g, uint32_t i)
{
    const struct chart_node *node = &g->chart->nodes[i];
    const struct place *p = &g->places[i];
    const int guarded = (node->guarded & RULE_INGRESS) != 0, alone = !touched(g->chart, i);
    char *title = chart_short(node->title, 21), *small = chart_short(node->small, 23);
    print_format(
        g->out,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"12\" fill=\"%s\" stroke=\"%s\" "
        "stroke-width=\"%s\"%s/>\n",
        p->x - BOX_W / 2, p->y - BOX_H / 2, BOX_W, BOX_H, alone ? "#f5f5f5" : "#ffffff",
        guarded ? "#1f2933" : "#9aa5b1", guarded ? "2" : "1.5", guarded ? "" : " stroke-dasharray=\"5 4\"");
    char *style = ist_printf("font-size=\"%d\" font-weight=\"bold\" fill=\"%s\" text-anchor=\"middle\"",
                             strlen(title) > 15 ? 11 : 15, alone ? "#9aa5b1" : "#1f2933");
    chart_text(g->out, p->x, p->y - 2, style, title);
    ist_free(style);
    chart_text(g->out, p->x, p->y + 16, "font-size=\"11\" fill=\"#7b8794\" text-anchor=\"middle\"", small);
    ist_free(title);
    ist_free(small);
}

// ---- lines

struct line {
    uint32_t from, to;
    conn ports;
    int both, partial; // both: an arrow at either end
    double side;       // away from its twin in the other direction
};

struct curve {
    double x[4], y[4];
};

// Along the row or against it, over what stands between.
static struct curve bowed(const struct place *a, const struct place *b, double side)
{
    const double ahead = b->x > a->x ? 1 : -1, far = ahead * (b->x - a->x) / (BOX_W + GAP_X);
    const double lift = a->y == b->y && far > 1.5 ? -26 - 10 * far : 0;
    const double edge = lift != 0 ? BOX_W / 4 : BOX_W / 2, up = lift != 0 ? -BOX_H / 2 : 0;
    const double x0 = a->x + ahead * edge, x3 = b->x - ahead * edge, reach = (x3 - x0) * 0.4;
    return (struct curve){
        {x0, x0 + reach, x3 - reach, x3},
        {a->y + up + side, a->y + up + lift + side, b->y + up + lift + side, b->y + up + side}};
}

// Of one column: from the lower edge of the one to the upper edge of the other, or beside what stands between.
static struct curve upright(const struct place *a, const struct place *b, double side, int blocked)
{
    const double down = b->y > a->y ? 1 : -1, out = BOX_W / 2 + 36;
    if (!blocked)
        return (struct curve){{a->x + side, a->x + side, b->x + side, b->x + side},
                              {a->y + down * BOX_H / 2, a->y + down * (BOX_H / 2 + 10),
                               b->y - down * (BOX_H / 2 + 10), b->y - down * BOX_H / 2}};
    return (struct curve){{a->x + BOX_W / 2, a->x + out, b->x + out, b->x + BOX_W / 2},
                          {a->y + side, a->y + side, b->y + side, b->y + side}};
}

static struct curve curve_of(const struct graph *g, const struct line *line)
{
    const struct place *a = &g->places[line->from], *b = &g->places[line->to];
    int blocked = 0;
    if (a->layer != b->layer)
        return bowed(a, b, line->side);
    for (uint32_t i = 0; i < g->chart->count; i++) {
        const struct place *p = &g->places[i];
        blocked |= p != a && p != b && p->layer == a->layer && (p->y > a->y) != (p->y > b->y);
    }
    return upright(a, b, line->side, blocked);
}

static void draw_line(const struct graph *g, const struct line *line)
{
    const struct curve c = curve_of(g, line);
    const int all = line->ports == CONN_ALL;
    const char *mark = all ? "all" : "some";
    print_format(g->out,
                 "<path d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\" fill=\"none\" stroke=\"%s\" "
                 "stroke-width=\"2\"%s "
                 "marker-end=\"url(#%s)\"",
                 c.x[0], c.y[0], c.x[1], c.y[1], c.x[2], c.y[2], c.x[3], c.y[3], all ? "#2e7d32" : "#1565c0",
                 line->partial ? " stroke-dasharray=\"3 3\"" : "", mark);
    if (line->both)
        print_format(g->out, " marker-start=\"url(#%s)\"", mark);
    print_text(g->out, "/>\n");
}

static void draw_label(const struct graph *g, const struct line *line)
{
    const struct curve c = curve_of(g, line);
    if (line->ports == CONN_ALL)
        return;
    // Nearer to the box whose ports they are, clear of what else ends there; along a row the middle is free.
    const struct place *from = &g->places[line->from], *to = &g->places[line->to];
    const double t = from->y == to->y || from->layer == to->layer ? 0.5 : 0.6, u = 1 - t;
    const double b0 = u * u * u, b1 = 3 * u * u * t, b2 = 3 * u * t * t, b3 = t * t * t;
    const double x = b0 * c.x[0] + b1 * c.x[1] + b2 * c.x[2] + b3 * c.x[3];
    const double y = b0 * c.y[0] + b1 * c.y[1] + b2 * c.y[2] + b3 * c.y[3];
    char *text = chart_short(conns_text(g->chart->conns, line->ports), 18);
    chart_text(
        g->out, x, y - 5,
        "font-size=\"11\" font-weight=\"bold\" fill=\"#1565c0\" text-anchor=\"middle\" stroke=\"#ffffff\" "
        "stroke-width=\"4\" stroke-linejoin=\"round\" paint-order=\"stroke\"",
        text);
    ist_free(text);
}

typedef void line_fn(const struct graph *g, const struct line *line);

static void each_line(const struct graph *g, line_fn *draw)
{
    const struct chart *chart = g->chart;
    for (uint32_t a = 0; a < chart->count; a++)
        for (uint32_t b = a + 1; b < chart->count; b++) {
            const conn there = chart_edge(chart, a, b), back = chart_edge(chart, b, a);
            const int partial = chart->partial[(size_t)a * chart->count + b],
                      twin = there != CONN_NONE && back != CONN_NONE;
            const double apart = twin && there != back ? 9 : 0;
            if (there != CONN_NONE)
                draw(g, &(struct line){a, b, there, twin && there == back, partial, -apart});
            if (back != CONN_NONE && !(twin && there == back))
                draw(g, &(struct line){b, a, back, 0, chart->partial[(size_t)b * chart->count + a], apart});
        }
}

static void draw_legend(const struct graph *g)
{
    const double y = g->height - 26;
    const char *style = "font-size=\"12\" fill=\"#52606d\"";
    print_format(
        g->out,
        "<path d=\"M%.1f %.1fh34\" stroke=\"#2e7d32\" stroke-width=\"2\" marker-end=\"url(#all)\"/>\n"
        "<path d=\"M%.1f %.1fh34\" stroke=\"#1565c0\" stroke-width=\"2\" marker-end=\"url(#some)\"/>\n"
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"26\" height=\"16\" rx=\"4\" fill=\"#fff\" stroke=\"#1f2933\" "
        "stroke-width=\"2\"/>\n"
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"26\" height=\"16\" rx=\"4\" fill=\"#fff\" stroke=\"#9aa5b1\" "
        "stroke-width=\"1.5\" stroke-dasharray=\"5 4\"/>\n",
        LEFT, y - 4, LEFT + 150, y - 4, LEFT + 300, y - 12, LEFT + 460, y - 12);
    chart_text(g->out, LEFT + 42, y, style, "all connections");
    chart_text(g->out, LEFT + 192, y, style, "these ports only");
    chart_text(g->out, LEFT + 334, y, style, "policies guard it");
    chart_text(g->out, LEFT + 494, y, style, "no policy: open to all");
}

void chart_graph(const struct chart *chart, struct printer *out)
{
    const size_t clusters = world_cluster_count(chart->session->world);
    struct graph g = {.chart = chart, .out = out};
    g.places = ist_calloc(chart->count + 1u, sizeof(*g.places));
    g.lane_top = ist_calloc(clusters + 1, sizeof(*g.lane_top));
    g.lane_height = ist_calloc(clusters + 1, sizeof(*g.lane_height));
    uint8_t *placed = ist_calloc(chart->count + 1u, 1);
    choose_layers(&g, placed);
    choose_rest(&g, placed);
    choose_places(&g);
    ist_free(placed);
    chart_open(chart, out, g.width, g.height, "");
    draw_lanes(&g);
    each_line(&g, draw_line);
    for (uint32_t i = 0; i < chart->count; i++)
        draw_box(&g, i);
    each_line(&g, draw_label);
    draw_legend(&g);
    print_text(out, "</svg>\n");
    ist_free(g.places);
    ist_free(g.lane_top);
    ist_free(g.lane_height);
}
