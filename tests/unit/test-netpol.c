// k8s-netpol: what a policy of the pipeline file becomes.
#include "policy.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static ist_net pod_cidr = {{[10] = 0xff, [11] = 0xff, [12] = 10}, 112}; // 10.0.0.0/16
static ist_cluster aws = {.name = (char *)(uintptr_t) "aws", .pod_cidrs = &pod_cidr, .pod_cidr_count = 1};

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
static struct view view_of_aws(void)
{
    struct view view = {.cluster = &aws};
    view.pods = parsed(
        "[{\"metadata\":{\"name\":\"c1\",\"namespace\":\"client\",\"labels\":{\"role\":\"client\"}},"
        "  "
        "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.197\",\"podIPs\":[{\"ip\":\"10.0.110.197\"}]}"
        "},"
        " {\"metadata\":{\"name\":\"done\",\"namespace\":\"client\",\"labels\":{\"role\":\"client\"}},"
        "  \"status\":{\"phase\":\"Succeeded\",\"podIP\":\"10.0.110.198\"}},"
        " {\"metadata\":{\"name\":\"host\",\"namespace\":\"client\",\"labels\":{\"role\":\"client\"}},"
        "  \"spec\":{\"hostNetwork\":true},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.199\"}},"
        " {\"metadata\":{\"name\":\"far\",\"namespace\":\"client\",\"labels\":{\"role\":\"client\"}},"
        "  \"status\":{\"phase\":\"Running\",\"podIP\":\"172.31.0.9\"}},"
        " {\"metadata\":{\"name\":\"starting\",\"namespace\":\"client\",\"labels\":{\"role\":\"client\","
        "\"tier\":\"x\"}},"
        "  \"status\":{\"phase\":\"Pending\",\"podIP\":\"10.0.9.7\"}},"
        " {\"metadata\":{\"name\":\"other\",\"namespace\":\"stars\",\"labels\":{\"role\":\"client\"}},"
        "  \"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.200\"}},"
        " {\"metadata\":{\"name\":\"ui\",\"namespace\":\"management-ui\",\"labels\":{\"role\":\"management-"
        "ui\"}},"
        "  \"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.110.201\"}}]");
    view.namespaces =
        parsed("[{\"metadata\":{\"name\":\"client\"}},{\"metadata\":{\"name\":\"stars\"}},"
               " {\"metadata\":{\"name\":\"management-ui\",\"labels\":{\"role\":\"management-ui\"}}}]");
    view.services = parsed("[{\"metadata\":{\"name\":\"client\",\"namespace\":\"client\"},\"spec\":{"
                           "\"selector\":{\"role\":\"client\"}}},"
                           " {\"metadata\":{\"name\":\"bare\",\"namespace\":\"client\"},\"spec\":{}}]");
    return view;
}

// The addresses that `peer`, in a policy of namespace stars, stands for: one string, and the notes' count.
static void assert_peer(const char *peer, const char *expected, size_t notes_expected)
{
    struct view view = view_of_aws();
    json_t *policy = json_pack("{s:s, s:s, s:s, s:[{s:[o]}]}", "name", "p", "cluster", "ccp", "namespace",
                               "stars", "ingress", "from", parsed(peer));
    json_t *notes = json_array(), *object = NULL;
    ist_error err;
    assert_int_equal(policy_generate(policy, &view, 1, &object, notes, &err), IST_OK);
    json_t *rules = ist_json_at(object, "spec.ingress");
    char *text = ist_json_text(rules ? rules : json_null());
    assert_string_equal(text, expected);
    assert_int_equal(json_array_size(notes), notes_expected);
    ist_free(text);
    json_decref(object);
    json_decref(notes);
    json_decref(policy);
    view_free(&view);
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
    struct view view = view_of_aws();
    json_t *policy = parsed("{\"name\":\"p\",\"cluster\":\"ccp\",\"namespace\":\"stars\",\"podSelector\":{},"
                            " \"ingress\":[{\"from\":[{\"cluster\":\"aws\",\"namespace\":\"nowhere\"}]}]}");
    json_t *notes = json_array(), *object = NULL;
    ist_error err;
    assert_int_equal(policy_generate(policy, &view, 1, &object, notes, &err), IST_OK);
    char *text = ist_json_text(json_object_get(object, "spec"));
    assert_string_equal(text, "{\"podSelector\":{},\"policyTypes\":[\"Ingress\"]}");
    ist_free(text);
    json_decref(object);
    json_decref(notes);
    json_decref(policy);
    view_free(&view);
}

static void an_unknown_cluster_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct view view = view_of_aws();
    json_t *policy =
        parsed("{\"name\":\"p\",\"namespace\":\"stars\",\"ingress\":[{\"from\":[{\"cluster\":\"moon\"}]}]}");
    json_t *notes = json_array(), *object = NULL;
    ist_error err;
    assert_int_equal(policy_generate(policy, &view, 1, &object, notes, &err), IST_ERR_INPUT);
    assert_non_null(strstr(err.text, "moon"));
    assert_null(object);
    json_decref(notes);
    json_decref(policy);
    view_free(&view);
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
        cmocka_unit_test(an_unknown_cluster_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
