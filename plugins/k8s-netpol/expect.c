// A map held to what somebody expects of it.
#include "commands.h"

#include <isthmus/alloc.h>
#include <isthmus/file.h>

#include <string.h>

#define MAX_FILE ((size_t)256 << 20)

struct expectation {
    const struct session *session;
    struct conns *conns;
    json_t *wanted; // pair -> set
    json_t *had;    // pair -> set
    int clusters;   // do its lines name clusters?
    int others;     // "...": pairs that are not in it are not asserted
};

// ---- the file

static void trim(char *text)
{
    size_t len = strlen(text);
    while (len && strchr(" \t\r", text[len - 1]))
        text[--len] = 0;
}

// "cluster:ns/name[Kind]": does it name one of the clusters?
static int names_cluster(const struct session *session, const char *end)
{
    const char *colon = strchr(end, ':'), *slash = strchr(end, '/');
    if (!colon || (slash && slash < colon))
        return 0;
    char *name = ist_strndup(end, (size_t)(colon - end));
    const int known = world_find_cluster(session->world, name) != SIZE_MAX;
    ist_free(name);
    return known;
}

static int32_t take_line(struct expectation *e, char *line, size_t number, const char *path, ist_error *err)
{
    static const char *const not_pairs[] = {"[External]", "{ingress-controller}", "entire-cluster"};
    char *colon = strstr(line, " : "), *arrow = strstr(line, " => ");
    line += strspn(line, " \t");
    if (!*line || *line == '#')
        return IST_OK;
    if (!strcmp(line, "...")) {
        e->others = 1;
        return IST_OK;
    }
    for (size_t i = 0; i < sizeof(not_pairs) / sizeof(*not_pairs); i++)
        if (strstr(line, not_pairs[i]))
            return IST_OK;
    conn set;
    if (!colon || !arrow || arrow > colon || conns_parse(e->conns, colon + 3, &set))
        return ist_fail(err, IST_ERR_INPUT, path,
                        "line %zu: expected \"A => B : All Connections\" or \"... : TCP 80,UDP 53-54\"",
                        number);
    *colon = 0;
    trim(line);
    e->clusters |= names_cluster(e->session, line);
    json_object_set_new(e->wanted, line, json_integer(set));
    return IST_OK;
}

static int32_t read_lines(struct expectation *e, const char *path, ist_error *err)
{
    char *text = NULL, *next = NULL;
    int32_t rc = ist_file_read(path, MAX_FILE, &text, NULL, err);
    size_t number = 1;
    for (char *line = text; rc == IST_OK && line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        trim(line);
        if (strstr(line, "Exposure Analysis"))
            break;
        rc = take_line(e, line, number, path, err);
    }
    ist_free(text);
    return rc;
}

// ---- the map

static char *end_name(const struct expectation *e, const struct reach_end *end)
{
    if (e->clusters)
        return session_name(e->session, end->cluster, end->workload);
    return ist_printf("%s/%s[%s]", end->workload->ns->text, end->workload->name->text,
                      end->workload->kind->text);
}

static void add_pair(struct expectation *e, const char *from, const char *to, conn set)
{
    char *pair = ist_printf("%s => %s", from, to);
    const json_t *before = json_object_get(e->had, pair);
    if (before) // the same name in two clusters: what any of them may
        set = conns_union(e->conns, set, (conn)json_integer_value(before));
    json_object_set_new(e->had, pair, json_integer(set));
    ist_free(pair);
}

static void read_map(struct expectation *e, const struct reach *reach)
{
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    char **names = ist_calloc(count + 1, sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = end_name(e, reach_end(reach, i));
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count; j++)
            if (row[j] != CONN_NONE && strcmp(names[i], names[j]) != 0)
                add_pair(e, names[i], names[j], row[j]);
    }
    for (size_t i = 0; i < count; i++)
        ist_free(names[i]);
    ist_free(names);
    ist_free(row);
}

int32_t map_expect(const struct session *session, const struct reach *reach, const char *path,
                   struct printer *out, size_t *differences, ist_error *err)
{
    struct expectation e = {session, reach_conns(reach), json_object(), json_object(), 0, 0};
    const char *pair;
    json_t *set;
    int32_t rc = read_lines(&e, path, err);
    if (rc == IST_OK)
        read_map(&e, reach);
    json_object_foreach(rc == IST_OK ? e.wanted : NULL, pair, set)
    {
        const conn want = (conn)json_integer_value(set),
                   have = (conn)json_integer_value(json_object_get(e.had, pair));
        if (want != have) {
            print_format(out, "%s : expected %s", pair, conns_text(e.conns, want));
            print_format(out, ", is %s\n", conns_text(e.conns, have));
            ++*differences;
        }
    }
    json_object_foreach(rc == IST_OK && !e.others ? e.had : NULL, pair, set)
    {
        if (!json_object_get(e.wanted, pair)) {
            print_format(out, "%s : expected No Connections, is %s\n", pair,
                         conns_text(e.conns, (conn)json_integer_value(set)));
            ++*differences;
        }
    }
    json_decref(e.wanted);
    json_decref(e.had);
    return rc;
}
