// k8s-netpol: what a stretched policy becomes for one other cluster.
#include "companion.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define EAST 0
#define WEST 1

// The west: what the policies of the east speak of from afar. One pod of every sort that there is.
static const char west_yaml[] =
    "{kind: Namespace, metadata: {name: shop, labels: {team: red}}}\n"
    "---\n{kind: Namespace, metadata: {name: blue, labels: {team: blue}}}\n"
    "---\n{kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: "
    "[{ports: "
    "[{name: http, containerPort: 8080}]}]}, status: {phase: Running, podIP: 10.2.0.4, podIPs: [{ip: "
    "10.2.0.4}, "
    "{ip: 'fd00::4'}]}}\n"
    "---\n{kind: Pod, metadata: {name: init, namespace: shop, labels: {app: web}}, spec: {containers: "
    "[{ports: "
    "[{name: http, containerPort: 9090}]}]}, status: {phase: Pending, podIP: 10.2.0.5}}\n"
    "---\n{kind: Pod, metadata: {name: going, namespace: shop, deletionTimestamp: '2026-01-01T00:00:00Z', "
    "labels: "
    "{app: db}}, status: {phase: Running, podIP: 10.2.0.9}}\n"
    "---\n{kind: Pod, metadata: {name: done, namespace: shop, labels: {app: web}}, status: {phase: "
    "Succeeded, "
    "podIP: 10.2.0.6}}\n"
    "---\n{kind: Pod, metadata: {name: host, namespace: shop, labels: {app: web}}, spec: {hostNetwork: "
    "true}, "
    "status: {phase: Running, podIP: 10.2.0.7}}\n"
    "---\n{kind: Pod, metadata: {name: far, namespace: shop, labels: {app: far}}, status: {phase: Running, "
    "podIP: "
    "172.31.0.9}}\n"
    "---\n{kind: Pod, metadata: {name: b, namespace: blue, labels: {app: web}}, status: {phase: Running, "
    "podIP: "
    "10.2.9.1}}\n";

struct test {
    struct world *world;
    json_t *notes;
    struct companion_options options;
};

static void put(struct test *test, size_t cluster, const char *yaml)
{
    json_t *documents = NULL, *document;
    size_t i;
    ist_error err;
    if (ist_yaml_parse_all(yaml, strlen(yaml), "test", &documents, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
    json_array_foreach(documents, i, document)
    {
        if (world_put(test->world, cluster, document, 0, &err) != IST_OK)
            fail_msg("%s", err.text);
    }
    json_decref(documents);
}

static int set_up(void **state)
{
    struct test *test = ist_calloc(1, sizeof(*test));
    struct net net;
    test->world = world_new();
    test->notes = json_array();
    world_add_cluster(test->world, "east");
    world_add_cluster(test->world, "west");
    net_parse("10.2.0.0/16", &net);
    world_add_pod_net(test->world, WEST, net);
    net_parse("fd00::/64", &net);
    world_add_pod_net(test->world, WEST, net);
    put(test, WEST, west_yaml);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct test *test = *state;
    json_decref(test->notes);
    world_free(test->world);
    ist_free(test);
    return 0;
}

// The companions in the west of a policy of east's namespace shop with this spec.
static json_t *companions_of(struct test *test, const char *spec)
{
    char *text =
        ist_printf("{kind: NetworkPolicy, metadata: {name: p, namespace: shop, uid: u1, labels: {x: y}, "
                   "annotations: {isthmus.dev/clusters: '*', tool: z}}, spec: %s}",
                   spec);
    put(test, EAST, text);
    ist_free(text);
    const struct policy *policy = world_find_policy(test->world, EAST, "shop", "p");
    assert_non_null(policy);
    return companions_make(test->world, policy, WEST, &test->options, test->notes);
}

static void assert_text(const json_t *json, const char *expected)
{
    char *text = json ? ist_json_text(json) : ist_strdup("none");
    assert_string_equal(text, expected);
    ist_free(text);
}

// `what` of the only companion's spec is `expected`, "none" where there is no companion or nothing there.
static void assert_spec(struct test *test, const char *spec, const char *what, const char *expected)
{
    json_t *companions = companions_of(test, spec);
    assert_true(json_array_size(companions) <= 1);
    assert_text(ist_json_at(json_array_get(companions, 0), what), expected);
    json_decref(companions);
}

#define FROM(peers)    "{podSelector: {}, ingress: [{from: [" peers "]}]}"
#define BLOCK(address) "{\"ipBlock\":{\"cidr\":\"" address "\"}}"

// ---- the object ----

static void it_stands_beside_the_original_and_goes_with_it(void **state)
{
    struct test *test = *state;
    json_t *companions = companions_of(test, FROM("{podSelector: {matchLabels: {app: db}}}"));
    json_t *only = json_array_get(companions, 0);
    assert_text(json_object_get(only, "metadata"),
                "{\"annotations\":{\"isthmus.dev/policy\":\"p\"},"
                "\"labels\":{\"isthmus.dev/source-cluster\":\"west\"},\"name\":\"p-isthmus-west\","
                "\"namespace\":\"shop\",\"ownerReferences\":[{\"apiVersion\":\"networking.k8s.io/v1\","
                "\"kind\":\"NetworkPolicy\",\"name\":\"p\",\"uid\":\"u1\"}]}");
    assert_string_equal(companion_of(only), "p");
    json_decref(companions);
}

static void its_pod_selector_is_the_originals_word_for_word(void **state)
{
    assert_spec(
        *state,
        "{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [x]}], matchLabels: {b: c}}, "
        "ingress: [{from: [{podSelector: {}}]}]}",
        "spec.podSelector",
        "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"x\"]}],"
        "\"matchLabels\":{\"b\":\"c\"}}");
}

static void its_types_are_the_directions_in_which_it_has_a_rule(void **state)
{
    struct test *test = *state;
    assert_spec(
        test,
        "{podSelector: {}, policyTypes: [Egress, Ingress], ingress: [{from: [{podSelector: {}}]}], egress: "
        "[{to: [{podSelector: {matchLabels: {app: none}}}]}]}",
        "spec.policyTypes", "[\"Ingress\"]");
    assert_spec(
        test,
        "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {}}]}]}",
        "spec.policyTypes", "[\"Ingress\",\"Egress\"]");
}

static void rules_of_a_direction_that_the_original_does_not_have_are_nothing(void **state)
{
    assert_spec(*state, "{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}]}",
                "spec", "none");
}

// ---- peers ----

static void a_peer_that_matches_nobody_leaves_no_rule_and_no_companion(void **state)
{
    assert_spec(*state, FROM("{podSelector: {matchLabels: {app: none}}}"), "spec", "none");
}

static void one_rule_without_a_remote_address_vanishes_beside_one_that_has_some(void **state)
{
    assert_spec(*state,
                "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: none}}}]}, {from: "
                "[{podSelector: {matchLabels: {app: db}}}]}]}",
                "spec.ingress", "[{\"from\":[" BLOCK("10.2.0.9/32") "]}]");
}

static void rules_without_peers_and_blocks_are_not_repeated(void **state)
{
    struct test *test = *state;
    assert_spec(test, "{podSelector: {}, ingress: [{}]}", "spec", "none");
    assert_spec(test, "{podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]}", "spec", "none");
    assert_spec(test, FROM("{ipBlock: {cidr: 10.2.0.0/16}}"), "spec", "none");
    assert_spec(test, FROM("{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {matchLabels: {app: db}}}"),
                "spec.ingress", "[{\"from\":[" BLOCK("10.2.0.9/32") "]}]");
}

static void a_pod_selector_alone_does_not_reach_into_other_namespaces(void **state)
{
    assert_spec(*state, FROM("{podSelector: {matchLabels: {app: web}}}"), "spec.ingress",
                "[{\"from\":[" BLOCK("10.2.0.4/31") "," BLOCK("fd00::4/128") "]}]");
}

static void a_namespace_selector_reads_the_remote_labels(void **state)
{
    struct test *test = *state;
    put(test, EAST, "{kind: Namespace, metadata: {name: blue, labels: {team: red}}}");
    assert_spec(test, FROM("{namespaceSelector: {matchLabels: {team: blue}}}"), "spec.ingress",
                "[{\"from\":[" BLOCK("10.2.9.1/32") "]}]");
    assert_spec(test, FROM("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: blue}}}"),
                "spec.ingress", "[{\"from\":[" BLOCK("10.2.9.1/32") "]}]");
}

static void both_selectors_are_and_two_peers_are_or(void **state)
{
    struct test *test = *state;
    assert_spec(
        test, FROM("{namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {app: db}}}"),
        "spec", "none");
    assert_spec(
        test,
        FROM("{namespaceSelector: {matchLabels: {team: blue}}}, {podSelector: {matchLabels: {app: db}}}"),
        "spec.ingress", "[{\"from\":[" BLOCK("10.2.0.9/32") "," BLOCK("10.2.9.1/32") "]}]");
}

// ---- addresses ----

static void completed_pods_nodes_and_strange_addresses_never_count(void **state)
{
    struct test *test = *state;
    assert_spec(test, FROM("{podSelector: {}}"), "spec.ingress",
                "[{\"from\":[" BLOCK("10.2.0.4/31") "," BLOCK("10.2.0.9/32") "," BLOCK("fd00::4/128") "]}]");
    assert_int_equal(json_array_size(test->notes), 1);
    assert_non_null(strstr(json_string_value(json_array_get(test->notes, 0)), "shop/far 172.31.0.9"));
}

static void an_address_of_two_pods_counts_only_where_both_are_meant(void **state)
{
    struct test *test = *state;
    put(test, WEST,
        "{kind: Pod, metadata: {name: next, namespace: shop, labels: {app: web}}, status: {phase: Running, "
        "podIP: "
        "10.2.0.9}}");
    assert_spec(test, FROM("{podSelector: {matchLabels: {app: db}}}"), "spec", "none");
    assert_spec(test,
                FROM("{podSelector: {matchExpressions: [{key: app, operator: In, values: [db, web]}]}}"),
                "spec.ingress",
                "[{\"from\":[" BLOCK("10.2.0.4/31") "," BLOCK("10.2.0.9/32") "," BLOCK("fd00::4/128") "]}]");
}

static void only_whole_blocks_are_joined(void **state)
{
    struct test *test = *state;
    for (int i = 16; i < 16 + 7; i++) {
        char *pod =
            ist_printf("{kind: Pod, metadata: {name: r%d, namespace: shop, labels: {app: row}}, status: "
                       "{phase: Running, podIP: 10.2.1.%d}}",
                       i, i);
        put(test, WEST, pod);
        ist_free(pod);
    }
    assert_spec(
        test, FROM("{podSelector: {matchLabels: {app: row}}}"), "spec.ingress",
        "[{\"from\":[" BLOCK("10.2.1.16/30") "," BLOCK("10.2.1.20/31") "," BLOCK("10.2.1.22/32") "]}]");
}

static int never_nine(void *arg, const struct ip *ip)
{
    (void)arg;
    return ip->bytes[15] == 9;
}

static void what_is_withheld_is_left_out(void **state)
{
    struct test *test = *state;
    test->options.withheld = never_nine;
    assert_spec(test, FROM("{podSelector: {matchLabels: {app: db}}}"), "spec", "none");
}

// ---- ports ----

static void ports_are_copied_with_their_protocol(void **state)
{
    assert_spec(
        *state,
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}, "
        "{protocol: UDP, port: 53, endPort: 54}, {protocol: SCTP}, {port: http}]}]}",
        "spec.ingress[0].ports",
        "[{\"port\":80,\"protocol\":\"TCP\"},{\"endPort\":54,\"port\":53,\"protocol\":\"UDP\"},"
        "{\"protocol\":\"SCTP\"},{\"port\":\"http\",\"protocol\":\"TCP\"}]");
}

static void a_named_egress_port_is_a_rule_for_each_number(void **state)
{
    assert_spec(
        *state,
        "{podSelector: {}, egress: [{to: [{podSelector: {}}], ports: [{port: http}, {port: 53, protocol: "
        "UDP}]}]}",
        "spec.egress",
        "[{\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}],\"to\":[" BLOCK("10.2.0.4/31") "," BLOCK(
            "10.2.0.9/32") "," BLOCK("fd00::4/128") "]},"
                                                    "{\"ports\":[{\"port\":8080,\"protocol\":\"TCP\"}],"
                                                    "\"to\":[" BLOCK("10.2.0.4/32") "," BLOCK(
                                                        "fd00::4/128") "]},"
                                                                       "{\"ports\":[{\"port\":9090,"
                                                                       "\"protocol\":\"TCP\"}],"
                                                                       "\"to\":[" BLOCK("10.2.0.5/32") "]}]");
}

static void a_named_egress_port_that_no_remote_pod_has_is_not_every_port(void **state)
{
    assert_spec(*state, "{podSelector: {}, egress: [{to: [{podSelector: {}}], ports: [{port: metrics}]}]}",
                "spec", "none");
}

// Pods of the east with a port called http.
static void put_local(struct test *test, const char *name, int port)
{
    char *pod = ist_printf(
        "{kind: Pod, metadata: {name: %s, namespace: shop, labels: {app: %s}}, spec: {containers: "
        "[{ports: [{name: http, containerPort: %d}]}]}, status: {phase: Running, podIP: 10.1.0.%d}}",
        name, name, port, port % 200);
    put(test, EAST, pod);
    ist_free(pod);
}

#define NAMED_INGRESS                                                                                        \
    "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: http}]}]}"

static void where_names_are_dropped_the_number_is_written_if_all_agree(void **state)
{
    struct test *test = *state;
    test->options.is_vpc = 1;
    put_local(test, "l1", 80);
    put_local(test, "l2", 80);
    assert_spec(test, NAMED_INGRESS, "spec.ingress[0].ports", "[{\"port\":80,\"protocol\":\"TCP\"}]");
    assert_int_equal(json_array_size(test->notes), 0);
}

static void and_left_out_with_a_note_where_they_differ(void **state)
{
    struct test *test = *state;
    test->options.is_vpc = 1;
    put_local(test, "l1", 80);
    put_local(test, "l3", 81);
    assert_spec(test, NAMED_INGRESS, "spec", "none");
    const char *note = json_string_value(json_array_get(test->notes, 0));
    assert_non_null(note);
    assert_non_null(strstr(note, "l1"));
    assert_non_null(strstr(note, "l3"));
}

// ---- ClusterIPs ----

#define EGRESS_DB                                                                                            \
    "{podSelector: {}, egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}"

static void a_cluster_ip_is_named_if_all_behind_it_is_allowed(void **state)
{
    struct test *test = *state;
    struct vip_end ends[2] = {{.port = 5432}, {.port = 5432}};
    struct vip vip = {.port = 3306, .protocol = PROTO_TCP, .end_count = 1, .ends = ends};
    ip_parse("172.20.0.7", &vip.address);
    ip_parse("10.2.0.9", &ends[0].ip);
    ip_parse("10.2.0.4", &ends[1].ip);
    test->options.vips = &vip;
    test->options.vip_count = 1;
    assert_spec(test, EGRESS_DB, "spec.egress",
                "[{\"ports\":[{\"port\":5432,\"protocol\":\"TCP\"}],\"to\":[" BLOCK(
                    "10.2.0.9/32") "]},"
                                   "{\"ports\":[{\"port\":3306,\"protocol\":\"TCP\"}],\"to\":[" BLOCK(
                                       "172.20.0.7/32") "]}]");
    vip.end_count = 2; // one of them is not meant
    assert_spec(test, EGRESS_DB, "spec.egress",
                "[{\"ports\":[{\"port\":5432,\"protocol\":\"TCP\"}],\"to\":[" BLOCK("10.2.0.9/32") "]}]");
    vip.end_count = 1;
    ends[0].port = 5433; // nor is that port
    assert_spec(test, EGRESS_DB, "spec.egress",
                "[{\"ports\":[{\"port\":5432,\"protocol\":\"TCP\"}],\"to\":[" BLOCK("10.2.0.9/32") "]}]");
    vip.end_count = 0;
    assert_spec(test, EGRESS_DB, "spec.egress",
                "[{\"ports\":[{\"port\":5432,\"protocol\":\"TCP\"}],\"to\":[" BLOCK("10.2.0.9/32") "]}]");
}

// ---- shards ----

static size_t blocks_in(const json_t *companions)
{
    size_t i, count = 0;
    json_t *one;
    json_array_foreach(companions, i, one) count += json_array_size(ist_json_at(one, "spec.ingress[0].from"));
    return count;
}

static void put_many(struct test *test, int from, int to)
{
    for (int i = from; i < to; i++) {
        char *pod =
            ist_printf("{kind: Pod, metadata: {name: m%d, namespace: shop, labels: {app: many}}, status: "
                       "{phase: Running, podIP: 10.2.%d.%d}}",
                       i, 10 + i * 2 / 256, i * 2 % 256);
        put(test, WEST, pod);
        ist_free(pod);
    }
}

#define MANY FROM("{podSelector: {matchLabels: {app: many}}}")

static void too_many_addresses_are_divided_by_range_and_none_is_lost(void **state)
{
    struct test *test = *state;
    test->options.shard_peers = 50;
    put_many(test, 0, 300);
    json_t *before = companions_of(test, MANY), *one, *other;
    size_t i, k, same = 0;
    assert_true(json_array_size(before) > 5);
    assert_int_equal(blocks_in(before), 300); // every second address: nothing to join
    json_array_foreach(before, i, one)
        assert_true(json_array_size(ist_json_at(one, "spec.ingress[0].from")) <= 50);
    put_many(test, 300, 301);
    json_t *after = companions_of(test, MANY);
    assert_int_equal(blocks_in(after), 301);
    json_array_foreach(before, i, one) json_array_foreach(after, k, other) same +=
        (size_t)json_equal(one, other);
    assert_true(same + 1 >= json_array_size(before)); // one pod more concerns one shard
    json_decref(before);
    json_decref(after);
}

static void names_are_cut_with_a_hash_and_never_shared(void **state)
{
    struct test *test = *state;
    char longest[254];
    memset(longest, 'a', 253);
    longest[253] = 0;
    char *text = ist_printf(
        "{kind: NetworkPolicy, metadata: {name: %s, namespace: shop}, spec: {podSelector: {}}}", longest);
    put(test, EAST, text);
    ist_free(text);
    const struct policy *policy = world_find_policy(test->world, EAST, "shop", longest);
    char *one = companion_name(policy, "west", 0), *other = companion_name(policy, "west", 2),
         *upper = companion_name(policy, "West", 0);
    assert_int_equal(strlen(one), 253);
    assert_string_not_equal(one, other);
    assert_string_not_equal(one, upper);
    ist_free(one);
    ist_free(other);
    ist_free(upper);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_stands_beside_the_original_and_goes_with_it),
        TEST(its_pod_selector_is_the_originals_word_for_word),
        TEST(its_types_are_the_directions_in_which_it_has_a_rule),
        TEST(rules_of_a_direction_that_the_original_does_not_have_are_nothing),
        TEST(a_peer_that_matches_nobody_leaves_no_rule_and_no_companion),
        TEST(one_rule_without_a_remote_address_vanishes_beside_one_that_has_some),
        TEST(rules_without_peers_and_blocks_are_not_repeated),
        TEST(a_pod_selector_alone_does_not_reach_into_other_namespaces),
        TEST(a_namespace_selector_reads_the_remote_labels),
        TEST(both_selectors_are_and_two_peers_are_or),
        TEST(completed_pods_nodes_and_strange_addresses_never_count),
        TEST(an_address_of_two_pods_counts_only_where_both_are_meant),
        TEST(only_whole_blocks_are_joined),
        TEST(what_is_withheld_is_left_out),
        TEST(ports_are_copied_with_their_protocol),
        TEST(a_named_egress_port_is_a_rule_for_each_number),
        TEST(a_named_egress_port_that_no_remote_pod_has_is_not_every_port),
        TEST(where_names_are_dropped_the_number_is_written_if_all_agree),
        TEST(and_left_out_with_a_note_where_they_differ),
        TEST(a_cluster_ip_is_named_if_all_behind_it_is_allowed),
        TEST(too_many_addresses_are_divided_by_range_and_none_is_lost),
        TEST(names_are_cut_with_a_hash_and_never_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
