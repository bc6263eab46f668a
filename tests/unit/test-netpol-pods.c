// k8s-netpol: which pods count, and what their coming, going and changing does to the policies that stretch.
#include "netpol-runtime.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define EAST 0
#define WEST 1

// A pod of west's namespace shop with app web; `more` is a part of its metadata, `spec` of its spec, `status` of its
// status.
static void put_pod(struct ist_reconciler *run, const char *name, const char *more, const char *spec,
                    const char *status)
{
    char *yaml =
        ist_printf("{kind: Pod, metadata: {name: %s, namespace: shop, labels: {app: web}%s}, spec: {%s}, "
                   "status: {%s}}",
                   name, more, spec, status);
    runtime_put(run, WEST, yaml);
    ist_free(yaml);
}

static void put_policy(struct ist_reconciler *run, const char *rules)
{
    char *yaml = ist_printf("{kind: NetworkPolicy, metadata: {name: p, namespace: shop, uid: u, annotations: "
                            "{isthmus.dev/clusters: '*'}}, spec: {podSelector: {}, %s}}",
                            rules);
    runtime_put(run, EAST, yaml);
    ist_free(yaml);
}

static struct ist_reconciler *with(const char *rules)
{
    struct ist_reconciler *run = runtime_new("{}");
    put_policy(run, rules);
    runtime_settle(run);
    return run;
}

#define FROM_WEB "ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]"

static const char *text_of(const struct ist_reconciler *run, const char *object, const char *path)
{
    static char *text;
    const json_t *part = ist_json_at(runtime_object(run, EAST, object), path);
    ist_free(text);
    text = part ? ist_json_text(part) : ist_strdup("none");
    for (char *at = text; *at; at++)
        if (*at == '"')
            *at = '\'';
    return text;
}

// The blocks of the first rule as "cidr cidr".
static void assert_lets_in(struct ist_reconciler *run, const char *expected)
{
    const json_t *from, *peer;
    ist_buf text = {0};
    size_t i;
    runtime_settle(run);
    from = ist_json_at(runtime_object(run, EAST, "shop/p-isthmus-west"), "spec.ingress[0].from");
    json_array_foreach(from, i, peer)
        ist_buf_printf(&text, "%s%s", i ? " " : "", ist_json_str_or(peer, "ipBlock.cidr", "?"));
    assert_string_equal(text.data ? text.data : "", expected);
    ist_buf_free(&text);
}

static int is_urgent(const struct ist_reconciler *run)
{
    for (const struct due *due = run->due; due; due = due->next)
        if (due->cluster == EAST && strcmp(due->key, "shop/p") == 0)
            return due->urgent;
    return -1;
}

// ---- which pods count

static void every_pod_with_an_address_counts_ready_or_not(void **state)
{
    (void)state;
    struct ist_reconciler *run = with(FROM_WEB);
    put_pod(run, "none", "", "", "phase: Pending");
    assert_lets_in(run, "");
    put_pod(run, "init", "", "",
            "phase: Pending, podIP: 10.2.0.2, conditions: [{type: Ready, status: 'False'}]");
    assert_lets_in(run, "10.2.0.2/32");
    put_pod(run, "ready", "", "", "phase: Running, podIP: 10.2.0.8");
    put_pod(run, "lost", "", "", "phase: Unknown, podIP: 10.2.0.16");
    assert_lets_in(run, "10.2.0.2/32 10.2.0.8/32 10.2.0.16/32");
    put_pod(run, "ready", ", deletionTimestamp: '2026-11-23T05:00:00Z'", "",
            "phase: Running, podIP: 10.2.0.8");
    assert_lets_in(run, "10.2.0.2/32 10.2.0.8/32 10.2.0.16/32"); // it still answers
    runtime_remove(run, WEST, "Pod", "shop", "ready");
    assert_lets_in(run, "10.2.0.2/32 10.2.0.16/32");
    put_pod(run, "init", "", "", "phase: Failed, podIP: 10.2.0.2"); // its address may be somebody else's
    assert_lets_in(run, "10.2.0.16/32");
    runtime_free(run);
}

static void a_pod_on_its_nodes_network_never_counts(void **state)
{
    (void)state;
    struct ist_reconciler *run = with(FROM_WEB);
    put_pod(run, "agent", "", "hostNetwork: true", "phase: Running, podIP: 10.2.0.2");
    assert_lets_in(run, "");
    put_pod(run, "w", "", "", "phase: Running, podIP: 10.2.0.2"); // who has the node's address is the node
    assert_lets_in(run, "");
    runtime_remove(run, WEST, "Pod", "shop", "agent");
    assert_lets_in(run, "10.2.0.2/32");
    runtime_free(run);
}

static void all_of_its_addresses_count_in_both_families(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    struct net six;
    assert_int_equal(net_parse("fd00:2::/48", &six), 0);
    world_add_pod_net(run->model->world, WEST, six);
    put_policy(run, FROM_WEB);
    put_pod(run, "w", "", "",
            "phase: Running, podIP: 10.2.0.4, podIPs: [{ip: 10.2.0.4}, {ip: 'fd00:2::4'}, {ip: 10.2.0.9}]");
    assert_lets_in(run, "10.2.0.4/32 10.2.0.9/32 fd00:2::4/128");
    put_pod(run, "w", "", "",
            "phase: Running, podIP: 'fd00:2::4', podIPs: [{ip: 'fd00:2::4'}, {ip: 'fd00:3::4'}]");
    assert_lets_in(run, "fd00:2::4/128"); // what lies in none of its pod CIDRs never does
    assert_true(json_array_size(run->notes) == 1 &&
                strstr(json_string_value(json_array_get(run->notes, 0)), "fd00:3::4"));
    runtime_free(run);
}

// ---- labels

static void a_pod_that_loses_the_label_is_withdrawn_at_once(void **state)
{
    (void)state;
    struct ist_reconciler *run = with(FROM_WEB);
    put_pod(run, "w", "", "", "phase: Running, podIP: 10.2.0.4");
    assert_lets_in(run, "10.2.0.4/32");
    runtime_put(run, WEST,
                "{kind: Pod, metadata: {name: w, namespace: shop, labels: {app: db}}, status: {phase: "
                "Running, podIP: "
                "10.2.0.4}}");
    assert_int_equal(is_urgent(run), 1);
    assert_lets_in(run, "");
    put_pod(run, "w", "", "", "phase: Running, podIP: 10.2.0.4"); // and back: with the next ones
    assert_int_equal(is_urgent(run), 0);
    assert_lets_in(run, "10.2.0.4/32");
    runtime_free(run);
}

#define FROM_BLUE    "ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]"
#define LATER(label) "{kind: Namespace, metadata: {name: later, labels: {" label "}}}"

static void a_namespace_that_comes_later_counts_and_so_do_its_labels(void **state)
{
    (void)state;
    struct ist_reconciler *run = with(FROM_BLUE);
    runtime_put(run, WEST, LATER("team: blue"));
    runtime_put(
        run, WEST,
        "{kind: Pod, metadata: {name: x, namespace: later}, status: {phase: Running, podIP: 10.2.0.7}}");
    assert_lets_in(run, "10.2.0.7/32");
    runtime_put(run, WEST, LATER("team: red"));
    assert_int_equal(is_urgent(run), 1);
    assert_lets_in(run, "");
    runtime_put(run, WEST, LATER("team: blue"));
    assert_lets_in(run, "10.2.0.7/32");
    runtime_remove(run, WEST, "Namespace", "", "later"); // before its pod, as a watch may have it
    assert_lets_in(run, "");
    runtime_free(run);
}

static void its_labels_may_come_after_its_pods(void **state)
{
    (void)state;
    struct ist_reconciler *run = with(FROM_BLUE);
    runtime_put(
        run, WEST,
        "{kind: Pod, metadata: {name: x, namespace: later}, status: {phase: Running, podIP: 10.2.0.7}}");
    assert_lets_in(run, "");
    runtime_put(run, WEST, LATER("team: blue"));
    assert_lets_in(run, "10.2.0.7/32");
    runtime_put(run, EAST, LATER("team: blue")); // the labels here say nothing of there
    runtime_put(run, WEST, LATER(""));
    assert_lets_in(run, "");
    runtime_free(run);
}

static void the_name_of_a_namespace_is_one_of_its_labels(void **state)
{
    (void)state;
    struct ist_reconciler *run =
        with("ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: later}}}]}]");
    runtime_put(
        run, WEST,
        "{kind: Pod, metadata: {name: x, namespace: later}, status: {phase: Running, podIP: 10.2.0.7}}");
    runtime_put(run, WEST, LATER("")); // a server before 1.21 does not write it there
    assert_lets_in(run, "10.2.0.7/32");
    runtime_free(run);
}

// ---- ports and blocks

static void protocols_and_ranges_are_copied(void **state)
{
    (void)state;
    struct ist_reconciler *run = with("ingress: [{from: [{podSelector: {}}], ports: [{protocol: SCTP, port: "
                                      "36412}, {port: 8080, endPort: 8090}, "
                                      "{protocol: UDP}]}]");
    put_pod(run, "w", "", "", "phase: Running, podIP: 10.2.0.4");
    assert_lets_in(run, "10.2.0.4/32");
    assert_string_equal(text_of(run, "shop/p-isthmus-west", "spec.ingress[0].ports"),
                        "[{'port':36412,'protocol':'SCTP'},{'endPort':8090,'port':8080,'protocol':'TCP'},"
                        "{'protocol':'UDP'}]");
    runtime_free(run);
}

static void blocks_beside_a_selector_hold_as_they_stand_and_are_not_repeated(void **state)
{
    (void)state;
    struct ist_reconciler *run =
        with("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.2.0.0/24]}}, "
             "{podSelector: {matchLabels: {app: web}}}]}]");
    put_pod(run, "w", "", "", "phase: Running, podIP: 10.2.0.4"); // excepted there, and meant by the selector
    assert_lets_in(run, "10.2.0.4/32");
    runtime_free(run);
}

static void in_the_file_a_block_is_copied_with_its_exceptions(void **state)
{
    (void)state;
    struct ist_reconciler *run =
        runtime_new("{policies: [{name: g, cluster: east, namespace: shop, podSelector: {}, ingress: [{from: "
                    "[{ipBlock: {cidr: "
                    "10.0.0.0/8, except: [10.2.0.0/24]}}, {cluster: west, podSelector: {}}]}]}]}");
    runtime_put(run, EAST, "{kind: Namespace, metadata: {name: shop}}");
    put_pod(run, "w", "", "", "phase: Running, podIP: 10.2.0.4");
    runtime_settle(run);
    assert_string_equal(text_of(run, "shop/g", "spec.ingress"),
                        "[{'from':[{'ipBlock':{'cidr':'10.0.0.0/8','except':['10.2.0.0/24']}},"
                        "{'ipBlock':{'cidr':'10.2.0.4/32'}}]}]");
    runtime_free(run);
}

static void where_the_server_knows_no_ranges_they_are_written_one_by_one(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{policies: [{name: g, cluster: east, namespace: shop, "
                                             "podSelector: {}, ingress: [{from: [{cluster: west, "
                                             "podSelector: {}}, {podSelector: {}}], ports: [{port: 80, "
                                             "endPort: 82}, {port: http}, {port: 1000, endPort: "
                                             "2000}]}]}]}");
    runtime_put(run, EAST, "{kind: Namespace, metadata: {name: shop}}");
    put_pod(run, "w", "", "", "phase: Running, podIP: 10.2.0.4");
    runtime_settle(run);
    assert_non_null(strstr(text_of(run, "shop/g", "spec.ingress"), "'endPort':82"));
    run->lacks_slices = 1;
    ist_reconciler_touch(run, EAST, "shop/g of the pipeline", 0);
    runtime_settle(run);
    assert_string_equal(
        text_of(run, "shop/g", "spec.ingress[0].ports"),
        "[{'port':80,'protocol':'TCP'},{'port':81,'protocol':'TCP'},{'port':82,'protocol':'TCP'},"
        "{'port':'http','protocol':'TCP'},{'port':1000,'protocol':'TCP'}]");
    assert_string_equal(text_of(run, "shop/g", "spec.ingress[1]"), "none"); // one rule still
    assert_true(json_array_size(run->notes) == 1 &&
                strstr(json_string_value(json_array_get(run->notes, 0)), "1000-2000"));
    runtime_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pod_with_an_address_counts_ready_or_not),
        cmocka_unit_test(a_pod_on_its_nodes_network_never_counts),
        cmocka_unit_test(all_of_its_addresses_count_in_both_families),
        cmocka_unit_test(a_pod_that_loses_the_label_is_withdrawn_at_once),
        cmocka_unit_test(a_namespace_that_comes_later_counts_and_so_do_its_labels),
        cmocka_unit_test(its_labels_may_come_after_its_pods),
        cmocka_unit_test(the_name_of_a_namespace_is_one_of_its_labels),
        cmocka_unit_test(protocols_and_ranges_are_copied),
        cmocka_unit_test(blocks_beside_a_selector_hold_as_they_stand_and_are_not_repeated),
        cmocka_unit_test(in_the_file_a_block_is_copied_with_its_exceptions),
        cmocka_unit_test(where_the_server_knows_no_ranges_they_are_written_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
