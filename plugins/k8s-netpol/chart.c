// What is in the picture: workloads, or namespaces where those are too many.
#include "chart.h"

#include <isthmus/alloc.h>

#include <string.h>

#define MOST_WORKLOADS 40
#define GRAPH_NODES    12
#define GRAPH_LINES    34

static int same_node(const struct chart *chart, const struct reach_end *a, const struct reach_end *b)
{
    return a->cluster == b->cluster && a->workload->ns == b->workload->ns &&
           (chart->by_namespace || a->workload == b->workload);
}

// What runs on the nodes' own network is the cluster's machinery, and policies are not about it.
static int left_out(const struct chart *chart, const struct reach_end *end)
{
    return chart->left_out && end->host_network;
}

// Ends are sorted: those of one node are neighbours. node_of[end].
static uint32_t *collect_nodes(struct chart *chart, const struct reach *reach)
{
    const size_t ends = reach_end_count(reach);
    uint32_t *node_of = ist_calloc(ends + 1, sizeof(*node_of));
    chart->nodes = ist_calloc(ends + 1, sizeof(*chart->nodes));
    const struct reach_end *before = NULL;
    for (size_t i = 0; i < ends; i++) {
        const struct reach_end *end = reach_end(reach, i);
        node_of[i] = UINT32_MAX;
        if (left_out(chart, end))
            continue;
        if (!before || !same_node(chart, end, before))
            chart->nodes[chart->count++] = (struct chart_node){
                .title = chart->by_namespace ? end->workload->ns->text : end->workload->name->text,
                .small = chart->by_namespace ? "" : end->workload->ns->text,
                .cluster = end->cluster};
        struct chart_node *node = &chart->nodes[chart->count - 1];
        node->workloads++;
        node->pods += end->pods;
        node->guarded |= end->guarded;
        node->open |= (uint8_t)(~end->guarded & (RULE_INGRESS | RULE_EGRESS));
        node_of[i] = chart->count - 1;
        before = end;
    }
    return node_of;
}

static void collect_edges(struct chart *chart, const struct reach *reach, const uint32_t *node_of)
{
    const size_t ends = reach_end_count(reach);
    conn *row = ist_calloc(ends + 1, sizeof(*row));
    uint32_t *alike =
        ist_calloc((size_t)chart->count * chart->count + 1, sizeof(*alike)); // pairs with that same set
    for (size_t i = 0; i < ends; i++) {
        if (node_of[i] == UINT32_MAX)
            continue;
        reach_row(reach, i, row);
        for (size_t j = 0; j < ends; j++) {
            if (i == j || row[j] == CONN_NONE || node_of[j] == UINT32_MAX)
                continue;
            const size_t at = (size_t)node_of[i] * chart->count + node_of[j];
            alike[at]++;
            chart->partial[at] |= chart->edges[at] != CONN_NONE && chart->edges[at] != row[j];
            chart->edges[at] = conns_union(chart->conns, chart->edges[at], row[j]);
        }
    }
    for (uint32_t a = 0; a < chart->count; a++)
        for (uint32_t b = 0; b < chart->count; b++) {
            const size_t at = (size_t)a * chart->count + b;
            const size_t all = (size_t)chart->nodes[a].workloads * (chart->nodes[b].workloads - (a == b));
            chart->partial[at] |= chart->edges[at] != CONN_NONE && alike[at] < all;
        }
    ist_free(alike);
    ist_free(row);
}

struct chart *chart_new(const struct session *session, const struct reach *reach)
{
    struct chart *chart = ist_calloc(1, sizeof(*chart));
    chart->session = session;
    chart->conns = reach_conns(reach);
    for (size_t i = 0; i < reach_end_count(reach); i++)
        chart->left_out += reach_end(reach, i)->host_network;
    if (chart->left_out == reach_end_count(reach))
        chart->left_out = 0; // or nothing would be left
    chart->by_namespace = reach_end_count(reach) - chart->left_out > MOST_WORKLOADS;
    uint32_t *node_of = collect_nodes(chart, reach);
    chart->edges = ist_calloc((size_t)chart->count * chart->count + 1, sizeof(*chart->edges));
    chart->partial = ist_calloc((size_t)chart->count * chart->count + 1, 1);
    collect_edges(chart, reach, node_of);
    ist_free(node_of);
    return chart;
}

void chart_free(struct chart *chart)
{
    if (!chart)
        return;
    ist_free(chart->nodes);
    ist_free(chart->edges);
    ist_free(chart->partial);
    ist_free(chart);
}

conn chart_edge(const struct chart *chart, uint32_t from, uint32_t to)
{
    return chart->edges[(size_t)from * chart->count + to];
}

void map_svg(const struct session *session, const struct reach *reach, struct printer *out)
{
    struct chart *chart = chart_new(session, reach);
    uint32_t lines = 0;
    for (uint32_t a = 0; a < chart->count; a++)
        for (uint32_t b = a + 1; b < chart->count; b++)
            lines += chart_edge(chart, a, b) != CONN_NONE || chart_edge(chart, b, a) != CONN_NONE;
    if (chart->count <= GRAPH_NODES && lines <= GRAPH_LINES)
        chart_graph(chart, out);
    else
        chart_matrix(chart, out);
    chart_free(chart);
}

// ---- common to both pictures

const char *chart_tint(size_t cluster)
{
    static const char *const tints[] = {"#eef4fb", "#fdf3e7", "#eef8f0", "#f7eef8", "#fbf9e6", "#f0f0f0"};
    return tints[cluster % (sizeof(tints) / sizeof(*tints))];
}

char *chart_short(const char *text, size_t most)
{
    size_t len = strlen(text);
    if (len <= most)
        return ist_strdup(text);
    for (len = most - 1; len && ((unsigned char)text[len] & 0xc0) == 0x80;) // never within a character
        len--;
    return ist_printf("%.*s\xe2\x80\xa6", (int)len, text);
}

void chart_text(struct printer *out, double x, double y, const char *style, const char *text)
{
    print_format(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
    for (const char *p = text; *p; p++) {
        const char one[2] = {*p, 0};
        print_text(out, *p == '<'   ? "&lt;"
                        : *p == '>' ? "&gt;"
                        : *p == '&' ? "&amp;"
                        : *p == '"' ? "&quot;"
                                    : one);
    }
    print_text(out, "</text>\n");
}

void chart_open(const struct chart *chart, struct printer *out, double width, double height,
                const char *first)
{
    const size_t clusters = world_cluster_count(chart->session->world);
    char *nodes = ist_printf("; %u on the nodes' network left out", chart->left_out);
    char *subtitle =
        ist_printf("%s%u %s in %zu cluster%s%s", first, chart->count,
                   chart->by_namespace ? "namespaces, and how many workloads each has," : "workloads",
                   clusters, clusters == 1 ? "" : "s", chart->left_out ? nodes : "");
    print_format(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
        "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n"
        "<defs>\n"
        "<marker id=\"all\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" "
        "markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\" "
        "fill=\"#2e7d32\"/></marker>\n"
        "<marker id=\"some\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" "
        "markerHeight=\"9\" "
        "markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\" "
        "fill=\"#1565c0\"/></marker>\n"
        "</defs>\n"
        "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n",
        width, height, width, height, width, height);
    chart_text(out, 24, 34, "font-size=\"20\" font-weight=\"bold\" fill=\"#1f2933\"",
               "Who may connect to whom");
    chart_text(out, 24, 54, "font-size=\"12\" fill=\"#52606d\"", subtitle);
    ist_free(subtitle);
    ist_free(nodes);
}
