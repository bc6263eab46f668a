// `isthmus policy map`, as text and as JSON.
#include "commands.h"

#include <isthmus/alloc.h>

#include <string.h>

void map_text(const struct session *session, const struct reach *reach, struct printer *out)
{
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    char **names = ist_calloc(count + 1, sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = session_name(session, reach_end(reach, i)->cluster, reach_end(reach, i)->workload);
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count; j++)
            if (i != j && row[j] != CONN_NONE) {
                print_text(out, names[i]);
                print_text(out, " => ");
                print_text(out, names[j]);
                print_text(out, " : ");
                print_text(out, conns_text(reach_conns(reach), row[j]));
                print_text(out, "\n");
            }
    }
    for (size_t i = 0; i < count; i++)
        ist_free(names[i]);
    ist_free(names);
    ist_free(row);
}

// ---- JSON

static void print_json(struct printer *out, json_t *json, const char *after)
{
    char *text = ist_json_text(json);
    print_text(out, text);
    print_text(out, after);
    ist_free(text);
    json_decref(json);
}

static json_t *end_json(const struct session *session, const struct reach_end *end)
{
    return json_pack("{ss ss ss ss sI sb sb sb sb}", "cluster",
                     world_cluster(session->world, end->cluster)->name->text, "namespace",
                     end->workload->ns->text, "name", end->workload->name->text, "kind",
                     end->workload->kind->text, "pods", (json_int_t)end->pods, "ingress_isolated",
                     (end->guarded & RULE_INGRESS) != 0, "egress_isolated", (end->guarded & RULE_EGRESS) != 0,
                     "host_network", (int)end->host_network, "pods_differ", end->class_count > 1);
}

// Line by line: the pairs of a large world are no tree in memory. `from` and `to` are places in `workloads`.
void map_json(const struct session *session, const struct reach *reach, struct printer *out)
{
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    const char *between = "";
    print_text(out, "{\"workloads\":[\n");
    for (size_t i = 0; i < count; i++)
        print_json(out, end_json(session, reach_end(reach, i)), i + 1 < count ? ",\n" : "\n");
    print_text(out, "],\"connections\":[");
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count; j++) {
            if (i == j || row[j] == CONN_NONE)
                continue;
            print_format(out, "%s\n{\"from\":%zu,\"to\":%zu,\"connections\":", between, i, j);
            json_t *ports = conns_json(reach_conns(reach), row[j]);
            if (json_is_string(ports)) {
                print_text(out, "\"all\"}");
                json_decref(ports);
            } else {
                print_json(out, ports, "}");
            }
            between = ",";
        }
    }
    print_text(out, "\n],\"warnings\":");
    print_json(out, json_incref(session->warnings), "}\n");
    ist_free(row);
}

// ---- the command

static int32_t show(const struct session *session, const struct reach *reach, struct printer *out,
                    ist_error *err)
{
    static const struct {
        const char *name;
        void (*print)(const struct session *, const struct reach *, struct printer *);
    } forms[] = {{"text", map_text}, {"json", map_json}, {"dot", map_dot}, {"svg", map_svg}};
    const char *wanted = session_option(session, "--output");
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (!strcmp(wanted ? wanted : "text", forms[i].name)) {
            forms[i].print(session, reach, out);
            return IST_OK;
        }
    return ist_fail(err, IST_ERR_INPUT, "--output", "expected text, json, dot or svg, found \"%s\"", wanted);
}

static int32_t run(const struct session *session, ist_error *err)
{
    const char *expect = session_option(session, "--expect");
    struct printer out = {.env = &session->env};
    struct reach *reach = reach_compute(session->world, session->mode);
    size_t differences = 0;
    int32_t rc = IST_OK;
    if (!expect || session_has(session, "--output"))
        rc = show(session, reach, &out, err);
    if (rc == IST_OK && expect)
        rc = map_expect(session, reach, expect, &out, &differences, err);
    if (rc == IST_OK && differences)
        rc = ist_fail(err, IST_ERR_CONFLICT, expect, "%zu pair%s not as expected", differences,
                      differences == 1 ? " is" : "s are");
    print_end(&out);
    reach_free(reach);
    return rc;
}

int32_t policy_map(const ist_host *host, ist_call *call, const ist_value *args)
{
    return session_command(host, call, args, 0, run);
}
