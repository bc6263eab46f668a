// The map as a graph in DOT: a box for each cluster, in it one for each namespace.
#include "commands.h"

#include <isthmus/alloc.h>

#include <string.h>

static void print_quoted(struct printer *out, const char *text)
{
    print_text(out, "\"");
    for (; *text; text++) {
        const char one[3] = {'\\', *text, 0};
        print_text(out, strchr("\"\\", *text) ? one : one + 1);
    }
    print_text(out, "\"");
}

static void print_nodes(const struct session *session, const struct reach *reach, struct printer *out)
{
    const size_t count = reach_end_count(reach);
    for (size_t i = 0; i < count; i++) {
        const struct reach_end *end = reach_end(reach, i), *before = i ? reach_end(reach, i - 1) : NULL;
        const int new_cluster = !before || before->cluster != end->cluster;
        const int new_ns = new_cluster || before->workload->ns != end->workload->ns;
        if (before && new_ns)
            print_text(out, "    }\n");
        if (before && new_cluster)
            print_text(out, "  }\n");
        if (new_cluster) {
            print_format(out, "  subgraph cluster_%zu {\n    style=rounded; label=", i);
            print_quoted(out, world_cluster(session->world, end->cluster)->name->text);
            print_text(out, ";\n");
        }
        if (new_ns) {
            print_format(out, "    subgraph cluster_n%zu {\n      style=dashed; label=", i);
            print_quoted(out, end->workload->ns->text);
            print_text(out, ";\n");
        }
        char *label = ist_printf("%s\n%s", end->workload->name->text, end->workload->kind->text);
        print_format(out, "      w%zu [label=", i);
        print_quoted(out, label);
        print_text(out, "];\n");
        ist_free(label);
    }
    if (count)
        print_text(out, "    }\n  }\n");
}

void map_dot(const struct session *session, const struct reach *reach, struct printer *out)
{
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    print_text(out, "digraph policy {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n");
    print_nodes(session, reach, out);
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count; j++) {
            if (i == j || row[j] == CONN_NONE)
                continue;
            print_format(out, "  w%zu -> w%zu", i, j);
            if (row[j] != CONN_ALL) {
                print_text(out, " [label=");
                print_quoted(out, conns_text(reach_conns(reach), row[j]));
                print_text(out, "]");
            }
            print_text(out, ";\n");
        }
    }
    print_text(out, "}\n");
    ist_free(row);
}
