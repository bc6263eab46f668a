// Which namespaces of two clusters are the same, and which addresses are a cluster's pods.
#include <isthmus/kube_namespaces.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static ist_cluster items[] = {{.name = (char *)(uintptr_t) "ccp"}, {.name = (char *)(uintptr_t) "aws"}};
static const ist_clusters clusters = {items, 2};

static ist_namespaces *of(const char *text)
{
    ist_namespaces *ns = NULL;
    ist_error err;
    json_t *map = NULL;
    assert_int_equal(ist_json_parse(text, strlen(text), "test", &map, &err), IST_OK);
    if (ist_namespaces_new(map, &clusters, &ns, &err) != IST_OK)
        ns = NULL;
    json_decref(map);
    return ns;
}

static void without_a_map_the_same_name_is_the_same_namespace(void **state)
{
    (void)state;
    ist_namespaces *ns = of("{}");
    assert_string_equal(ist_namespaces_in(ns, 0, "stars", 1), "stars");
    ist_namespaces_free(ns);
}

static void a_mapped_name_goes_both_ways_and_takes_the_other_out(void **state)
{
    (void)state;
    ist_namespaces *ns = of("{\"shop\":{\"aws\":\"shop-prod\"}}");
    assert_string_equal(ist_namespaces_in(ns, 0, "shop", 1), "shop-prod");
    assert_string_equal(ist_namespaces_in(ns, 1, "shop-prod", 0), "shop");
    assert_string_equal(ist_namespaces_in(ns, 1, "stars", 0), "stars");
    assert_null(ist_namespaces_in(ns, 1, "shop", 0));      // aws's own shop is another
    assert_null(ist_namespaces_in(ns, 0, "shop-prod", 1)); // that name is taken in aws
    ist_namespaces_free(ns);
}

static void one_namespace_under_two_names_is_refused(void **state)
{
    (void)state;
    assert_null(of("{\"a\":{\"aws\":\"x\"},\"b\":{\"aws\":\"x\"}}"));
    assert_null(of("{\"a\":{\"gcp\":\"x\"}}"));
}

static int has_pod(const ist_cluster *cluster, const char *address)
{
    uint8_t ip[16];
    int found = 0;
    for (size_t i = 0; i < cluster->pod_cidr_count && ist_ip_parse(address, ip) == IST_OK; i++)
        found |= ist_net_contains(&cluster->pod_cidrs[i], ip);
    return found;
}

static void pod_cidrs_are_of_both_families(void **state)
{
    (void)state;
    ist_net nets[2];
    ist_error err;
    assert_int_equal(ist_net_parse("10.1.0.0/16", &nets[0], &err), IST_OK);
    assert_int_equal(ist_net_parse("fd00:1::/48", &nets[1], &err), IST_OK);
    const ist_cluster cluster = {.pod_cidrs = nets, .pod_cidr_count = 2};
    assert_true(has_pod(&cluster, "10.1.200.3"));
    assert_true(has_pod(&cluster, "fd00:1:0:5::9"));
    assert_false(has_pod(&cluster, "10.2.0.1"));
    assert_false(has_pod(&cluster, "fd00:2::1"));
    assert_false(has_pod(&cluster, "pod.example"));
    assert_int_not_equal(ist_net_parse("fd00:1::1/48", &nets[1], &err), IST_OK);
    assert_int_not_equal(ist_net_parse("fd00:1::/129", &nets[1], &err), IST_OK);
}

static void all_of_one_family_is_nothing_of_the_other(void **state)
{
    (void)state;
    ist_net net;
    const ist_cluster cluster = {.pod_cidrs = &net, .pod_cidr_count = 1};
    assert_int_equal(ist_net_parse("::/0", &net, NULL), IST_OK);
    assert_true(has_pod(&cluster, "fd00:1::9"));
    assert_false(has_pod(&cluster, "10.2.0.1"));
    assert_int_equal(ist_net_parse("0.0.0.0/0", &net, NULL), IST_OK);
    assert_true(has_pod(&cluster, "10.2.0.1"));
    assert_false(has_pod(&cluster, "fd00:1::9"));
}

static void a_block_may_have_host_bits_and_must_have_a_prefix(void **state)
{
    (void)state;
    static const char *const wrong[] = {"10.1.0.1",    "10.1.0.1/",   "10.1.0.1/33", "fd00::/129", "10.1.0/8",
                                        "10.1.0.1/8x", "10.1.0.1/+8", "/8",          "",           "a/8"};
    ist_net block, net;
    assert_int_equal(ist_net_parse_block("10.1.77.9/16", &block), IST_OK);
    assert_int_equal(ist_net_parse("10.1.0.0/16", &net, NULL), IST_OK);
    assert_memory_equal(&block, &net, sizeof(net));
    assert_int_equal(ist_net_parse_block("fd00:1::77/48", &block), IST_OK);
    assert_int_equal(ist_net_parse("fd00:1::/48", &net, NULL), IST_OK);
    assert_memory_equal(&block, &net, sizeof(net));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_int_equal(ist_net_parse_block(wrong[i], &block), IST_ERR_INPUT);
    assert_int_equal(ist_net_parse_block(NULL, &block), IST_ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_map_the_same_name_is_the_same_namespace),
        cmocka_unit_test(a_mapped_name_goes_both_ways_and_takes_the_other_out),
        cmocka_unit_test(one_namespace_under_two_names_is_refused),
        cmocka_unit_test(pod_cidrs_are_of_both_families),
        cmocka_unit_test(all_of_one_family_is_nothing_of_the_other),
        cmocka_unit_test(a_block_may_have_host_bits_and_must_have_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
