// The map of policies: port sets, selectors, manifests, what peers mean between clusters; and worlds drawn by chance,
// computed three ways.
#include "companion.h"
#include "documents.h"
#include "reach.h"
#include "sources.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- worlds out of text ----

struct fixture {
    struct world *world;
    struct sources sources;
};

static struct fixture fixture_new(void)
{
    struct fixture f = {.world = world_new()};
    f.sources = (struct sources){.world = f.world};
    return f;
}

static void read_text(struct fixture *f, const char *cluster, const char *yaml)
{
    ist_error err = {0};
    const size_t at = world_add_cluster(f->world, cluster);
    if (source_text(&f->sources, at, yaml, strlen(yaml), "test", &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
}

// "a=>b" of ns/name, in whatever clusters they are: the text of what connects.
static char *between(const struct world *world, uint32_t mode, const char *from, const char *to)
{
    struct reach *reach = reach_compute(world, mode);
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    char *found = NULL;
    for (size_t i = 0; i < count && !found; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count && !found; j++) {
            const struct workload *a = reach_end(reach, i)->workload, *b = reach_end(reach, j)->workload;
            char *one = ist_printf("%s/%s", a->ns->text, a->name->text),
                 *other = ist_printf("%s/%s", b->ns->text, b->name->text);
            if (!strcmp(one, from) && !strcmp(other, to))
                found = ist_strdup(conns_text(reach_conns(reach), row[j]));
            ist_free(one);
            ist_free(other);
        }
    }
    ist_free(row);
    reach_free(reach);
    return found ? found : ist_strdup("there is no such pair");
}

static void assert_between(const struct world *world, uint32_t mode, const char *from, const char *to,
                           const char *expected)
{
    char *is = between(world, mode, from, to);
    if (strcmp(is, expected) != 0)
        fail_msg("%s => %s: expected %s, is %s", from, to, expected, is);
    ist_free(is);
}

#define POD(ns, name, labels, ip, rest)                                                                      \
    "---\n{kind: Pod, metadata: {name: " name ", namespace: " ns ", labels: {" labels "}}, spec: {" rest     \
    "}, status: {phase: Running, podIP: " ip "}}\n"
#define POLICY(ns, clusters, spec)                                                                           \
    "---\n{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {name: p, namespace: " ns        \
    ", annotations: {isthmus.dev/clusters: \"" clusters "\"}}, spec: {" spec "}}\n"

// ---- port sets ----

static void assert_set(const char *text, const char *expected)
{
    struct conns *conns = conns_new();
    conn set;
    if (conns_parse(conns, text, &set))
        fail_msg("%s is not understood", text);
    assert_string_equal(conns_text(conns, set), expected);
    conns_free(conns);
}

static void port_sets_have_one_form(void **state)
{
    (void)state;
    assert_set("TCP 80", "TCP 80");
    assert_set("UDP 53-54,TCP 80,81,443", "TCP 80-81,443,UDP 53-54");
    assert_set("TCP 1-65535,UDP 1-65535,SCTP 1-65535", "All Connections");
    assert_set(" All Connections\r", "All Connections");
    assert_set("No Connections", "No Connections");
    assert_set("SCTP 7, TCP 5-9, 6, 9-10", "SCTP 7,TCP 5-10");
}

static void what_is_no_port_set_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",        "80",     "TCP",     "TCP 0", "TCP 65536",
                                        "TCP 9-8", "ICMP 8", "TCP 80,", "All",   "TCP 80 81"};
    struct conns *conns = conns_new();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        conn set = 77;
        if (!conns_parse(conns, wrong[i], &set))
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_int_equal(set, 77);
    }
    conns_free(conns);
}

static void unions_and_intersections_agree_port_by_port(void **state)
{
    (void)state;
    struct conns *conns = conns_new();
    srand(7);
    for (int i = 0; i < 300; i++) {
        conn a = CONN_NONE, b = CONN_NONE;
        for (int k = 0; k < 4; k++) {
            const uint32_t x = (uint32_t)rand() % 60 + 1, y = (uint32_t)rand() % 60 + 1;
            a = conns_union(conns, a, conns_range(conns, (uint8_t)(rand() % 3), x, x + 5));
            b = conns_union(conns, b, conns_range(conns, (uint8_t)(rand() % 3), y, y + 9));
        }
        const conn either = conns_union(conns, a, b), both = conns_both(conns, a, b);
        for (uint8_t p = 0; p < PROTO_COUNT; p++)
            for (uint32_t port = 1; port < 80; port++) {
                const int in_a = conns_has(conns, a, p, port), in_b = conns_has(conns, b, p, port);
                assert_int_equal(conns_has(conns, either, p, port), in_a || in_b);
                assert_int_equal(conns_has(conns, both, p, port), in_a && in_b);
            }
        assert_true(conns_within(conns, both, a) && conns_within(conns, a, either));
    }
    conns_free(conns);
}

// ---- documents ----

static int32_t count_object(void *arg, const json_t *object, ist_error *err)
{
    (void)err;
    ist_buf *names = arg;
    ist_buf_printf(names, "%s/%s ", ist_json_str_or(object, "kind", "?"),
                   ist_json_str_or(object, "metadata.name", "?"));
    return IST_OK;
}

static void assert_documents(const char *text, const char *expected)
{
    ist_buf names = {0};
    int32_t rc = documents_each(text, strlen(text), "test", count_object, &names, NULL);
    if (rc != IST_OK)
        ist_buf_puts(&names, ist_code_name(rc));
    assert_string_equal(names.data ? names.data : "", expected);
    ist_buf_free(&names);
}

static void manifests_are_taken_apart_in_every_form(void **state)
{
    (void)state;
    assert_documents("{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"a\"}}, "
                     "{\"metadata\":{\"name\":\"b,]}\"}}]}",
                     "Pod/a Pod/b,]} ");
    assert_documents("{\"items\":[{\"kind\":\"X\",\"metadata\":{\"name\":\"\\\"q\"}}],\"kind\":\"List\"}\n",
                     "X/\"q ");
    assert_documents("{\"kind\":\"List\",\"items\":[]}", "");
    assert_documents("kind: A\nmetadata: {name: x}\n--- # two\nkind: List\nitems:\n- {kind: B, metadata: "
                     "{name: y}}\n---\n",
                     "A/x B/y ");
    assert_documents("{kind: A, metadata: {name: x}}\r\n---\r\n{kind: B}\r\n", "A/x B/? ");
    assert_documents("%YAML 1.2\n---\nkind: A\n", "A/? ");
    assert_documents("- a\n- b\n---\n7\n---\nkind: A\n", "A/? ");
}

static void broken_manifests_are_errors(void **state)
{
    (void)state;
    assert_documents("{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"a\"}}, {\"metadata\":",
                     "input");
    assert_documents("{\"kind\":\"PodList\",\"items\":[{\"a\":1} {\"b\":2}]}", "Pod/? input");
    assert_documents("kind: A\n---\nkind: [\n", "A/? input");
}

// ---- a world that changes ----

struct told {
    int pods, policies, namespaces;
};

static void told_pod(void *arg, const struct pod *before, const struct pod *after)
{
    assert_true(before || after);
    ((struct told *)arg)->pods++;
}

static void told_policy(void *arg, const struct policy *before, const struct policy *after)
{
    assert_true(before || after);
    ((struct told *)arg)->policies++;
}

static void told_ns(void *arg, const struct namespace *ns)
{
    assert_non_null(ns);
    ((struct told *)arg)->namespaces++;
}

static void only_what_is_new_is_told(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct told told = {0};
    const struct world_watcher watcher = {
        .arg = &told, .pod = told_pod, .policy = told_policy, .ns = told_ns};
    world_watch(f.world, &watcher);
    read_text(
        &f, "a",
        "{kind: Namespace, metadata: {name: x, labels: {t: u}}}\n" POD("x", "p", "l: m", "10.0.0.1", ""));
    assert_int_equal(told.pods, 1);
    assert_int_equal(told.namespaces, 1);
    read_text(&f, "a", POD("x", "p", "l: m", "10.0.0.1", ""));
    assert_int_equal(told.pods, 1);
    read_text(&f, "a", POD("x", "p", "l: m", "10.0.0.2", ""));
    read_text(&f, "a", POD("x", "p", "l: n", "10.0.0.2", ""));
    assert_int_equal(told.pods, 3);
    read_text(&f, "a",
              "{kind: Pod, metadata: {name: p, namespace: x}, status: {phase: Succeeded, podIP: 10.0.0.2}}");
    assert_int_equal(told.pods, 4);
    assert_int_equal(world_cluster(f.world, 0)->pod_count, 0);
    assert_null(world_find_namespace(f.world, 0, "x")->groups);
    world_free(f.world);
}

static void pods_stand_for_the_workloads_they_came_of(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    read_text(&f, "a",
              "{kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, "
              "spec: {}}}}\n---\n"
              "{kind: Deployment, metadata: {name: idle}, spec: {template: {metadata: {labels: {app: idle}}, "
              "spec: {}}}}\n---\n"
              "{kind: Pod, metadata: {name: web-5d4-x, labels: {app: web, pod-template-hash: 5d4}, "
              "ownerReferences: [{kind: "
              "ReplicaSet, name: web-5d4, controller: true}]}, status: {podIP: 10.0.0.1}}");
    world_settle(f.world, 0, 0);
    assert_int_equal(world_cluster(f.world, 0)->pod_count, 2);
    const struct pod *pod = world_find_pod(f.world, 0, "default", "web-5d4-x");
    assert_string_equal(pod->workload->kind->text, "Deployment");
    assert_string_equal(pod->workload->name->text, "web");
    world_settle(f.world, 0, 1); // of a live cluster pods alone count
    assert_int_equal(world_cluster(f.world, 0)->pod_count, 1);
    world_free(f.world);
}

// ---- between clusters ----

#define HERE                                                                                                 \
    POD("x", "server", "app: server", "10.1.0.1", "containers: [{ports: [{name: web, containerPort: 80}]}]") \
    POD("x", "twin", "app: server", "10.1.0.2", "containers: [{ports: [{name: web, containerPort: 81}]}]")
#define THERE                                                                                                \
    POD("x", "client", "app: client", "10.2.0.1", "")                                                        \
    POD("y", "client", "app: client", "10.2.0.2", "")                                                        \
    POD("x", "node", "app: client", "10.9.0.1", "hostNetwork: true")                                         \
    POD("x", "stray", "app: client", "172.16.0.1", "")                                                       \
    POD("x", "db", "app: db", "10.2.0.5", "containers: [{ports: [{name: sql, containerPort: 5432}]}]")       \
    POD("x", "db2", "app: db", "10.2.0.6", "containers: [{ports: [{name: sql, containerPort: 5433}]}]")

static struct fixture two(const char *policies)
{
    struct fixture f = fixture_new();
    struct net net;
    assert_int_equal(net_parse("10.2.0.0/16", &net), 0);
    read_text(&f, "here", HERE);
    read_text(&f, "here", policies);
    world_add_pod_net(f.world, world_add_cluster(f.world, "there"), net);
    read_text(&f, "there", "{kind: Namespace, metadata: {name: y, labels: {team: far}}}\n" THERE);
    return f;
}

#define FROM_CLIENTS                                                                                         \
    "podSelector: {matchLabels: {app: server}}, ingress: [{from: [{podSelector: {matchLabels: {app: "        \
    "client}}}]}]"

static void the_annotation_decides_whom_a_peer_means(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        uint32_t mode;
        const char *expected;
    } cases[] = {
        {POLICY("x", "*", FROM_CLIENTS), REACH_ANNOTATED, "All Connections"},
        {POLICY("x", "there", FROM_CLIENTS), REACH_ANNOTATED, "All Connections"},
        {POLICY("x", "nowhere, there", FROM_CLIENTS), REACH_ANNOTATED, "All Connections"},
        {POLICY("x", "elsewhere", FROM_CLIENTS), REACH_ANNOTATED, "No Connections"},
        {POLICY("x", "", FROM_CLIENTS), REACH_ANNOTATED, "No Connections"},
        {POLICY("x", "", FROM_CLIENTS), REACH_FEDERATED, "All Connections"},
        {POLICY("x", "*", FROM_CLIENTS), REACH_PLAIN, "No Connections"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fixture f = two(cases[i].policy);
        assert_between(f.world, cases[i].mode, "x/client", "x/server", cases[i].expected);
        world_free(f.world);
    }
}

static void peers_from_afar_are_pods_with_addresses_of_the_same_namespace(void **state)
{
    (void)state;
    struct fixture f = two(POLICY("x", "*", FROM_CLIENTS));
    assert_between(f.world, REACH_ANNOTATED, "x/client", "x/server", "All Connections");
    assert_between(f.world, REACH_ANNOTATED, "y/client", "x/server", "No Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/node", "x/server", "No Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/stray", "x/server", "No Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/server", "x/client",
                   "All Connections"); // peers are stretched, never targets
    world_free(f.world);
}

static void a_namespace_selector_reads_the_labels_there(void **state)
{
    (void)state;
    struct fixture f = two(POLICY(
        "x", "*", "podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: far}}}]}]"));
    assert_between(f.world, REACH_ANNOTATED, "y/client", "x/server", "All Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/client", "x/server", "No Connections");
    world_free(f.world);
}

static void namespaces_that_are_called_differently_are_the_same(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    read_text(&f, "here", HERE POLICY("x", "*", FROM_CLIENTS));
    world_map_namespace(f.world, world_add_cluster(f.world, "there"), "y", "x");
    read_text(&f, "there", THERE);
    assert_between(f.world, REACH_ANNOTATED, "y/client", "x/server", "All Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/client", "x/server", "No Connections");
    world_free(f.world);
}

static void a_peer_that_means_nobody_is_not_everybody(void **state)
{
    (void)state;
    struct fixture f = two(POLICY(
        "x", "*",
        "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: ghost}}}]}], egress: [{to: "
        "[{podSelector: {matchLabels: {app: ghost}}}]}]"));
    assert_between(f.world, REACH_ANNOTATED, "x/client", "x/server", "No Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/server", "x/client", "No Connections");
    world_free(f.world);
}

static void named_ports_are_the_destinations(void **state)
{
    (void)state;
    struct fixture f = two(POLICY(
        "x", "*",
        FROM_CLIENTS ", egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: sql}]}]"));
    assert_between(f.world, REACH_ANNOTATED, "x/server", "x/db", "TCP 5432");
    assert_between(f.world, REACH_ANNOTATED, "x/server", "x/db2", "TCP 5433");
    world_free(f.world);
    f = two(POLICY("x", "*",
                   "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: "
                   "[{port: web}]}]"));
    assert_between(f.world, REACH_ANNOTATED, "x/client", "x/server", "TCP 80");
    assert_between(f.world, REACH_ANNOTATED, "x/client", "x/twin", "TCP 81");
    world_free(f.world);
}

static void a_users_own_block_covers_remote_pods(void **state)
{
    (void)state;
    struct fixture f = two(POLICY("x", "",
                                  "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: "
                                  "[10.2.0.2/32]}}], ports: [{port: 9}]}]"));
    assert_between(f.world, REACH_ANNOTATED, "x/client", "x/server", "TCP 9");
    assert_between(f.world, REACH_ANNOTATED, "y/client", "x/server", "No Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/stray", "x/server", "No Connections");
    assert_between(f.world, REACH_ANNOTATED, "x/twin", "x/server",
                   "No Connections"); // never pods of its own cluster
    world_free(f.world);
}

static void what_is_not_understood_admits_nobody(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: nonsense}}]}]",
        "podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Like}]}}]}]",
        "podSelector: {}, ingress: [{from: [{}]}]",
        "podSelector: {}, ingress: [{ports: [{port: 80, endPort: 79}]}]",
        "podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]",
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        char *text =
            ist_printf("{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {%s}}", odd[i]);
        struct fixture f = two(text);
        f.sources.warnings = json_array();
        assert_between(f.world, REACH_FEDERATED, "x/client", "x/server", "No Connections");
        sources_warn(&f.sources, 0);
        assert_true(json_array_size(f.sources.warnings) > 0);
        json_decref(f.sources.warnings);
        world_free(f.world);
        ist_free(text);
    }
}

// ---- by chance ----

static unsigned pick(unsigned n)
{
    return (unsigned)rand() % n;
}

static char *random_selector(void)
{
    static const char *const forms[] = {"{}",
                                        "{matchLabels: {a: v%u}}",
                                        "{matchLabels: {b: v%u}}",
                                        "{matchExpressions: [{key: a, operator: NotIn, values: [v%u]}]}",
                                        "{matchExpressions: [{key: b, operator: In, values: [v%u, v0]}]}",
                                        "{matchExpressions: [{key: c, operator: Exists}]}",
                                        "{matchExpressions: [{key: c, operator: DoesNotExist}]}"};
    const char *form = forms[pick(sizeof(forms) / sizeof(*forms))];
    const char *percent = strchr(form, '%');
    return percent ? ist_printf("%.*s%u%s", (int)(percent - form), form, pick(3), percent + 2)
                   : ist_strdup(form);
}

static char *random_rules(const char *side)
{
    static const char *const ports[] = {"", ", ports: [{port: 80}]", ", ports: [{port: web}]",
                                        ", ports: [{port: 70, endPort: 90}, {protocol: UDP, port: 53}]"};
    ist_buf rules = {0};
    for (unsigned i = 0, n = pick(3); i < n; i++) {
        char *pods = random_selector(), *namespaces = random_selector();
        ist_buf_printf(&rules, "%s{%s: [", i ? ", " : "", side);
        if (pick(2))
            ist_buf_printf(&rules, "{podSelector: %s}, ", pods);
        ist_buf_printf(&rules,
                       pick(2) ? "{namespaceSelector: %s, podSelector: %s}" : "{namespaceSelector: %s}",
                       namespaces, pods);
        ist_buf_printf(&rules, "]%s}", ports[pick(4)]);
        ist_free(pods);
        ist_free(namespaces);
    }
    return ist_buf_take(&rules);
}

static void random_world(struct fixture *f, size_t clusters)
{
    for (size_t c = 0; c < clusters; c++) {
        ist_buf text = {0};
        char *name = ist_printf("c%zu", c);
        for (unsigned n = 0; n < 2; n++)
            ist_buf_printf(&text, "---\n{kind: Namespace, metadata: {name: n%u, labels: {a: v%u}}}\n", n,
                           pick(3));
        for (unsigned p = 0; p < 8; p++) {
            ist_buf_printf(&text,
                           "---\n{kind: Pod, metadata: {name: p%zu%u, namespace: n%u, labels: {a: v%u%s", c,
                           p, pick(2), pick(3), pick(2) ? ", c: x" : "");
            if (pick(2))
                ist_buf_printf(&text, ", b: v%u", pick(3));
            ist_buf_printf(&text,
                           "}}, spec: {containers: [{ports: [{name: web, containerPort: %u}]}]}, status: "
                           "{podIP: 10.0.%zu.%u}}\n",
                           80 + pick(2), c, p + 1);
        }
        for (unsigned p = 0; p < 3; p++) {
            char *selector = random_selector(), *ingress = random_rules("from"), *egress = random_rules("to");
            ist_buf_printf(
                &text,
                "---\n{kind: NetworkPolicy, metadata: {name: q%u, namespace: n%u}, spec: {podSelector: %s, ",
                p, pick(2), selector);
            ist_buf_printf(&text, "policyTypes: [%s], ingress: [%s], egress: [%s]}}\n",
                           (const char *[]){"Ingress", "Egress", "Ingress, Egress"}[pick(3)], ingress,
                           egress);
            ist_free(selector);
            ist_free(ingress);
            ist_free(egress);
        }
        read_text(f, name, text.data);
        ist_buf_free(&text);
        ist_free(name);
    }
}

static conn side_by_hand(const struct world *world, struct conns *conns, uint32_t mode, uint8_t direction,
                         const struct pod *own, const struct pod *other, const struct pod *destination)
{
    int isolated = 0;
    conn admitted = CONN_NONE;
    for (const struct policy *policy = own->group->ns->policies; policy; policy = policy->next) {
        if (!(policy->types & direction) || !selector_match(&policy->pods, own->group->labels))
            continue;
        isolated = 1;
        for (uint32_t r = 0; r < policy->rule_count; r++) {
            const struct rule *rule = &policy->rules[r];
            int meant = rule->from_all;
            for (uint32_t p = 0; p < rule->peer_count; p++)
                meant |= reach_peer_means(world, mode, policy, &rule->peers[p], other);
            if (rule->direction == direction && meant)
                admitted =
                    conns_union(conns, admitted, reach_rule_ports(conns, rule, destination->group->ports));
        }
    }
    return isolated ? admitted : CONN_ALL;
}

// Pair by pair, without classes or bitsets: the same answer.
static void assert_as_by_hand(const struct world *world, uint32_t mode, const struct world *rendered)
{
    struct reach *reach = reach_compute(world, mode), *plain = reach_compute(rendered, REACH_PLAIN);
    struct conns *conns = reach_conns(reach);
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count, sizeof(*row)), *other = ist_calloc(count, sizeof(*other));
    assert_int_equal(count, reach_end_count(plain));
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        reach_row(plain, i, other);
        for (size_t j = 0; j < count; j++) {
            const struct reach_end *a = reach_end(reach, i), *b = reach_end(reach, j);
            const struct pod *from =
                world_find_pod(world, a->cluster, a->workload->ns->text, a->workload->name->text);
            const struct pod *to =
                world_find_pod(world, b->cluster, b->workload->ns->text, b->workload->name->text);
            const conn by_hand =
                conns_both(conns, side_by_hand(world, conns, mode, RULE_EGRESS, from, to, to),
                           side_by_hand(world, conns, mode, RULE_INGRESS, to, from, to));
            if (i != j) {
                assert_string_equal(conns_text(conns, row[j]), conns_text(conns, by_hand));
                assert_string_equal(conns_text(reach_conns(plain), other[j]), conns_text(conns, by_hand));
            }
        }
    }
    ist_free(row);
    ist_free(other);
    reach_free(reach);
    reach_free(plain);
}

static void put_companions(struct fixture *f, const struct world *world)
{
    const struct companion_options options = {0};
    for (size_t c = 0; c < world_cluster_count(world); c++)
        for (const struct namespace *ns = world_cluster(world, c)->namespaces; ns; ns = ns->next)
            for (const struct policy *policy = ns->policies; policy; policy = policy->next)
                for (size_t remote = 0; remote < world_cluster_count(world); remote++) {
                    json_t *made =
                               remote == c ? NULL : companions_make(world, policy, remote, &options, NULL),
                           *shard;
                    size_t i;
                    json_array_foreach(made, i, shard)
                        assert_int_equal(world_put(f->world, c, shard, 0, NULL), IST_OK);
                    json_decref(made);
                }
}

static void worlds_by_chance_connect_alike_by_hand_and_rendered(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 120; seed++) {
        struct fixture f = fixture_new(), rendered = fixture_new();
        const size_t clusters = seed % 3 + 1;
        srand(seed);
        random_world(&f, clusters);
        srand(seed);
        random_world(&rendered, clusters);
        put_companions(&rendered, f.world);
        assert_as_by_hand(f.world, REACH_FEDERATED, rendered.world);
        world_free(f.world);
        world_free(rendered.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_sets_have_one_form),
        cmocka_unit_test(what_is_no_port_set_is_refused),
        cmocka_unit_test(unions_and_intersections_agree_port_by_port),
        cmocka_unit_test(manifests_are_taken_apart_in_every_form),
        cmocka_unit_test(broken_manifests_are_errors),
        cmocka_unit_test(only_what_is_new_is_told),
        cmocka_unit_test(pods_stand_for_the_workloads_they_came_of),
        cmocka_unit_test(the_annotation_decides_whom_a_peer_means),
        cmocka_unit_test(peers_from_afar_are_pods_with_addresses_of_the_same_namespace),
        cmocka_unit_test(a_namespace_selector_reads_the_labels_there),
        cmocka_unit_test(namespaces_that_are_called_differently_are_the_same),
        cmocka_unit_test(a_peer_that_means_nobody_is_not_everybody),
        cmocka_unit_test(named_ports_are_the_destinations),
        cmocka_unit_test(a_users_own_block_covers_remote_pods),
        cmocka_unit_test(what_is_not_understood_admits_nobody),
        cmocka_unit_test(worlds_by_chance_connect_alike_by_hand_and_rendered),
    };
    return cmocka_run_group_tests_name("netpol map", tests, NULL, NULL);
}
