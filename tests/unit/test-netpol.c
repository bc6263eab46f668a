// k8s-netpol: what a policy of the pipeline file becomes.
#include "pipeline.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define CCP 0
#define AWS 1

static json_t *parsed(const char *text)
{
    json_t *json = NULL;
    ist_error err;
    if (ist_json_parse(text, strlen(text), "test", &json, &err) != IST_OK)
        fail_msg("%s: %s", text, err.text);
    return json;
}

// Pods of the cluster aws: two clients, one of them completed, one on the node's network, one outside the pod
// CIDRs, one in another namespace, the user interface.
static const char aws_objects[] =
    "[{\"kind\":\"Pod\",\"metadata\":{\"name\":\"c1\",\"namespace\":\"client\",\"labels\":{\"role\":"
    "\"client\"}},"
    "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.197\",\"podIPs\":[{\"ip\":\"10.0.110.197\"}]}},"
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"done\",\"namespace\":\"client\",\"labels\":{\"role\":"
    "\"client\"}},"
    "\"status\":{\"phase\":\"Succeeded\",\"podIP\":\"10.0.110.198\"}},"
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"host\",\"namespace\":\"client\",\"labels\":{\"role\":"
    "\"client\"}},"
    "\"spec\":{\"hostNetwork\":true},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.199\"}},"
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"far\",\"namespace\":\"client\",\"labels\":{\"role\":"
    "\"client\"}},"
    "\"status\":{\"phase\":\"Running\",\"podIP\":\"172.31.0.9\"}},"
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"starting\",\"namespace\":\"client\",\"labels\":{\"role\":"
    "\"client\","
    "\"tier\":\"x\"}},\"status\":{\"phase\":\"Pending\",\"podIP\":\"10.0.9.7\"}},"
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"other\",\"namespace\":\"stars\",\"labels\":{\"role\":"
    "\"client\"}},"
    "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.200\"}},"
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"ui\",\"namespace\":\"management-ui\",\"labels\":{\"role\":"
    "\"management-ui\"}},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.201\"}},"
    "{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"management-ui\",\"labels\":{\"role\":\"management-ui\"}"
    "}},"
    "{\"kind\":\"Service\",\"metadata\":{\"name\":\"client\",\"namespace\":\"client\"},\"spec\":{"
    "\"selector\":{\"role\":"
    "\"client\"}}},{\"kind\":\"Service\",\"metadata\":{\"name\":\"bare\",\"namespace\":\"client\"},\"spec\":{"
    "}}]";

static struct world *world_of_two(void)
{
    struct world *world = world_new();
    json_t *objects = parsed(aws_objects), *object;
    struct net net;
    size_t i;
    world_add_cluster(world, "ccp");
    world_add_cluster(world, "aws");
    net_parse("10.0.0.0/16", &net);
    world_add_pod_net(world, AWS, net);
    json_array_foreach(objects, i, object) assert_int_equal(world_put(world, AWS, object, 0, NULL), IST_OK);
    json_decref(objects);
    objects = parsed("{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"stars\"}}");
    assert_int_equal(world_put(world, CCP, objects, 0, NULL), IST_OK);
    json_decref(objects);
    return world;
}

// What `given` becomes; `notes` may be NULL. New reference.
static json_t *made(const json_t *given, const uint8_t *absent, json_t *notes)
{
    struct world *world = world_of_two();
    ist_error err;
    json_t *document = pipeline_document(given);
    struct policy *policy = policy_compile(world_names(world), CCP, document, 1, &err);
    assert_non_null(policy);
    json_t *objects = pipeline_make(world, policy, document, absent, NULL, notes);
    json_t *object = json_incref(json_array_get(objects, 0));
    assert_int_equal(json_array_size(objects), 1);
    json_decref(objects);
    policy_free(world_names(world), policy);
    json_decref(document);
    world_free(world);
    return object;
}

static void assert_spec(const char *given_text, const char *what, const char *expected)
{
    json_t *given = parsed(given_text), *object = made(given, NULL, NULL), *part = ist_json_at(object, what);
    char *text = ist_json_text(part ? part : json_null());
    assert_string_equal(text, expected);
    ist_free(text);
    json_decref(object);
    json_decref(given);
}

// The addresses that `peer`, in a policy of namespace stars, stands for: one string, and the notes' count.
static void assert_peer(const char *peer, const char *expected, size_t notes_expected)
{
    json_t *given = json_pack("{s:s, s:s, s:s, s:[{s:[o]}]}", "name", "p", "cluster", "ccp", "namespace",
                              "stars", "ingress", "from", parsed(peer));
    json_t *notes = json_array(), *object = made(given, NULL, notes);
    json_t *rules = ist_json_at(object, "spec.ingress");
    char *text = ist_json_text(rules ? rules : json_null());
    assert_string_equal(text, expected);
    assert_int_equal(json_array_size(notes), notes_expected);
    ist_free(text);
    json_decref(object);
    json_decref(notes);
    json_decref(given);
}

static void a_service_stands_for_the_pods_it_selects(void **state)
{
    (void)state;
    assert_peer("{\"cluster\":\"aws\",\"namespace\":\"client\",\"service\":\"client\"}",
                "[{\"from\":[{\"ipBlock\":{\"cidr\":\"10.0.9.7/32\"}},{\"ipBlock\":{\"cidr\":\"10.0.110.197/"
                "32\"}}]}]",
                1);
}

static void a_peer_that_matches_nobody_leaves_no_rule(void **state)
{
    (void)state;
    assert_peer("{\"cluster\":\"aws\",\"namespace\":\"client\",\"podSelector\":{\"matchLabels\":{\"role\":"
                "\"none\"}}}",
                "null", 0);
}

static void a_service_that_is_not_there_stands_for_nobody_and_is_told(void **state)
{
    (void)state;
    assert_peer("{\"cluster\":\"aws\",\"namespace\":\"client\",\"service\":\"gone\"}", "null", 1);
    assert_peer("{\"cluster\":\"aws\",\"namespace\":\"client\",\"service\":\"bare\"}", "null", 1);
}

static void a_pod_selector_alone_means_the_policys_own_namespace(void **state)
{
    (void)state;
    assert_peer("{\"cluster\":\"aws\",\"podSelector\":{\"matchLabels\":{\"role\":\"client\"}}}",
                "[{\"from\":[{\"ipBlock\":{\"cidr\":\"10.0.110.200/32\"}}]}]", 0);
}

static void a_namespace_selector_reads_the_remote_labels(void **state)
{
    (void)state;
    assert_peer("{\"cluster\":\"aws\",\"namespaceSelector\":{\"matchLabels\":{\"role\":\"management-ui\"}}}",
                "[{\"from\":[{\"ipBlock\":{\"cidr\":\"10.0.110.201/32\"}}]}]", 0);
    assert_peer("{\"cluster\":\"aws\",\"namespaceSelector\":{\"matchLabels\":{\"kubernetes.io/"
                "metadata.name\":\"stars\"}}}",
                "[{\"from\":[{\"ipBlock\":{\"cidr\":\"10.0.110.200/32\"}}]}]", 0);
}

static void not_in_holds_for_a_label_that_is_missing(void **state)
{
    (void)state;
    assert_peer("{\"cluster\":\"aws\",\"namespace\":\"client\",\"podSelector\":{\"matchExpressions\":"
                "[{\"key\":\"tier\",\"operator\":\"NotIn\",\"values\":[\"x\"]}]}}",
                "[{\"from\":[{\"ipBlock\":{\"cidr\":\"10.0.110.197/32\"}}]}]", 1);
}

static void a_policy_without_rules_still_isolates(void **state)
{
    (void)state;
    assert_spec("{\"name\":\"p\",\"cluster\":\"ccp\",\"namespace\":\"stars\",\"podSelector\":{},"
                " \"ingress\":[{\"from\":[{\"cluster\":\"aws\",\"namespace\":\"nowhere\"}]}]}",
                "spec", "{\"podSelector\":{},\"policyTypes\":[\"Ingress\"]}");
}

static void peers_without_a_cluster_are_copied_and_stand_first(void **state)
{
    (void)state;
    assert_spec(
        "{\"name\":\"p\",\"namespace\":\"stars\",\"ingress\":[{\"from\":[{\"cluster\":\"aws\",\"namespace\":"
        "\"management-ui\"},{\"podSelector\":{}}],\"ports\":[{\"port\":80}]},{\"ports\":[{\"port\":1}]}]}",
        "spec.ingress",
        "[{\"from\":[{\"podSelector\":{}},{\"ipBlock\":{\"cidr\":\"10.0.110.201/32\"}}],"
        "\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}]},"
        "{\"ports\":[{\"port\":1,\"protocol\":\"TCP\"}]}]");
}

static void a_cluster_that_is_away_for_too_long_is_nobody(void **state)
{
    (void)state;
    const uint8_t absent[2] = {0, 1};
    json_t *given =
        parsed("{\"name\":\"p\",\"namespace\":\"stars\",\"ingress\":[{\"from\":[{\"cluster\":\"aws\","
               "\"namespace\":\"client\"}]}]}");
    json_t *object = made(given, absent, NULL);
    assert_null(ist_json_at(object, "spec.ingress"));
    assert_int_equal(json_array_size(ist_json_at(object, "spec.policyTypes")), 1);
    json_decref(object);
    json_decref(given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_stands_for_the_pods_it_selects),
        cmocka_unit_test(a_peer_that_matches_nobody_leaves_no_rule),
        cmocka_unit_test(a_service_that_is_not_there_stands_for_nobody_and_is_told),
        cmocka_unit_test(a_pod_selector_alone_means_the_policys_own_namespace),
        cmocka_unit_test(a_namespace_selector_reads_the_remote_labels),
        cmocka_unit_test(not_in_holds_for_a_label_that_is_missing),
        cmocka_unit_test(a_policy_without_rules_still_isolates),
        cmocka_unit_test(peers_without_a_cluster_are_copied_and_stand_first),
        cmocka_unit_test(a_cluster_that_is_away_for_too_long_is_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
