// The map as a picture: what is drawn, before it is drawn.
#ifndef NETPOL_CHART_H
#define NETPOL_CHART_H

#include "commands.h"

struct chart_node {
    const char *title, *small; // borrowed: the workload and its namespace, or the namespace
    size_t cluster;
    uint32_t workloads, pods;
    uint8_t guarded, open; // RULE_...: some of it is isolated in that direction; some is not
};

struct chart {
    const struct session *session;
    struct conns *conns; // borrowed
    struct chart_node *nodes;
    uint32_t count;
    conn *edges;      // count * count: from, to
    uint8_t *partial; // count * count: not all of what the nodes stand for connects so
    int by_namespace;
    uint32_t left_out; // workloads on the nodes' network
};

struct chart *chart_new(const struct session *session, const struct reach *reach);
void chart_free(struct chart *chart);
conn chart_edge(const struct chart *chart, uint32_t from, uint32_t to);

// A few nodes are a graph, many a matrix.
void chart_graph(const struct chart *chart, struct printer *out);
void chart_matrix(const struct chart *chart, struct printer *out);

// Common to both.
void chart_open(const struct chart *chart, struct printer *out, double width, double height,
                const char *first);
void chart_text(struct printer *out, double x, double y, const char *style, const char *text); // escaped
char *chart_short(const char *text, size_t most); // cut with an ellipsis; ist_free
const char *chart_tint(size_t cluster);           // a soft colour

#endif
