// k8s-svcmirror: what a service of one cluster becomes in another.
#include "mirror.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static ist_net pod_cidr = {{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168}, 112}; // 192.168.0.0/16
static ist_cluster ccp = {.name = (char *)(uintptr_t) "ccp", .pod_cidrs = &pod_cidr, .pod_cidr_count = 1};

static json_t *parsed(const char *text)
{
    json_t *json = NULL;
    ist_error err;
    if (ist_json_parse(text, strlen(text), "test", &json, &err) != IST_OK)
        fail_msg("%s: %s", text, err.text);
    return json;
}

struct mirrored {
    struct source source;
    json_t *wanted, *notes, *namespaces;
};

// Steals `slices`.
static void mirror(struct mirrored *m, const char *service, json_t *slices, int with_slices, int create)
{
    size_t i;
    json_t *slice, *names = json_object();
    *m = (struct mirrored){.wanted = json_array(), .notes = json_array(), .namespaces = json_array()};
    source_init(&m->source, &ccp);
    json_array_append_new(m->source.services, parsed(service));
    json_array_foreach(slices, i, slice) source_file(m->source.slices, "frontend", slice);
    json_decref(slices);
    struct mirror_options options = {
        .create_namespaces = create, .slices = with_slices, .namespaces = m->namespaces};
    mirror_into(&m->source, &options, m->wanted, names, m->notes);
    json_decref(names);
}

static void mirrored_free(struct mirrored *m)
{
    source_free(&m->source);
    json_decref(m->wanted);
    json_decref(m->notes);
    json_decref(m->namespaces);
}

static const char frontend[] =
    "{\"metadata\":{\"name\":\"frontend\",\"namespace\":\"stars\",\"labels\":{\"argocd.argoproj.io/"
    "instance\":\"x\"}},"
    " \"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"10.96.3.4\",\"clusterIPs\":[\"10.96.3.4\"],"
    "\"externalIPs\":[\"203.0.113.9\"],"
    "  "
    "\"selector\":{\"role\":\"frontend\"},\"loadBalancerIP\":\"203.0.113.10\",\"healthCheckNodePort\":30100,"
    "  \"ports\":[{\"port\":80,\"targetPort\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}]}}";

// One slice of `count` pods 192.168.1.n, ready.
static json_t *slices_of(size_t count)
{
    json_t *endpoints = json_array();
    for (size_t i = count; i > 0; i--) {
        char address[16];
        snprintf(address, sizeof(address), "192.168.%zu.%zu", 1 + i / 250, i % 250);
        json_array_append_new(endpoints,
                              json_pack("{s:[s], s:{s:b}, s:s, s:{s:s}}", "addresses", address, "conditions",
                                        "ready", 1, "nodeName", "n1", "targetRef", "name", "p"));
    }
    json_t *slice = parsed("{\"metadata\":{\"name\":\"frontend-x\",\"namespace\":\"stars\",\"labels\":"
                           "{\"kubernetes.io/service-name\":\"frontend\"}},\"addressType\":\"IPv4\","
                           "\"ports\":[{\"name\":\"\",\"port\":80,\"protocol\":\"TCP\"}]}");
    json_object_set_new(slice, "endpoints", endpoints);
    return json_pack("[o]", slice);
}

static void only_what_may_cross_is_copied(void **state)
{
    (void)state;
    struct mirrored m;
    mirror(&m, frontend, slices_of(1), 1, 1);
    assert_int_equal(json_array_size(m.wanted), 3); // Namespace, Service, EndpointSlice
    char *text = ist_json_text(ist_json_at(json_array_get(m.wanted, 1), "spec"));
    assert_string_equal(text, "{\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}]}");
    ist_free(text);
    assert_null(strstr(
        ist_json_str_or(json_array_get(m.wanted, 1), "metadata.labels.'argocd.argoproj.io/instance'", ""),
        "x"));
    text = ist_json_text(ist_json_at(json_array_get(m.wanted, 2), "endpoints"));
    assert_string_equal(text, "[{\"addresses\":[\"192.168.1.1\"],\"conditions\":{\"ready\":true}}]");
    ist_free(text);
    mirrored_free(&m);
}

static void slices_hold_at_most_a_hundred_in_a_stable_order(void **state)
{
    (void)state;
    struct mirrored m, again;
    mirror(&m, frontend, slices_of(240), 1, 1);
    mirror(&again, frontend, slices_of(240), 1, 1);
    assert_int_equal(json_array_size(m.wanted), 2 + 3);
    assert_int_equal(json_array_size(ist_json_at(json_array_get(m.wanted, 2), "endpoints")), 100);
    assert_int_equal(json_array_size(ist_json_at(json_array_get(m.wanted, 4), "endpoints")), 40);
    assert_true(json_equal(m.wanted, again.wanted));
    mirrored_free(&m);
    mirrored_free(&again);
}

static void endpoints_where_the_target_knows_no_slices(void **state)
{
    (void)state;
    struct mirrored m;
    mirror(&m, frontend, slices_of(2), 0, 1);
    assert_int_equal(json_array_size(m.wanted), 3);
    assert_string_equal(ist_json_str(json_array_get(m.wanted, 2), "kind"), "Endpoints");
    assert_int_equal(json_array_size(ist_json_at(json_array_get(m.wanted, 2), "subsets[0].addresses")), 2);
    mirrored_free(&m);
}

static void a_headless_service_stays_headless(void **state)
{
    (void)state;
    struct mirrored m;
    mirror(&m,
           "{\"metadata\":{\"name\":\"db\",\"namespace\":\"stars\"},\"spec\":{\"clusterIP\":\"None\","
           "\"ports\":[{\"port\":5432}]}}",
           json_array(), 1, 1);
    assert_string_equal(ist_json_str(json_array_get(m.wanted, 1), "spec.clusterIP"), "None");
    mirrored_free(&m);
}

static void an_address_outside_the_pod_cidrs_is_refused_and_told(void **state)
{
    (void)state;
    struct mirrored m;
    json_t *slices = slices_of(2);
    json_array_set_new(ist_json_at(slices, "[0].endpoints[0].addresses"), 0, json_string("10.9.9.9"));
    mirror(&m, frontend, slices, 1, 1);
    assert_int_equal(json_array_size(ist_json_at(json_array_get(m.wanted, 2), "endpoints")), 1);
    assert_int_equal(json_array_size(m.notes), 1);
    assert_non_null(strstr(json_string_value(json_array_get(m.notes, 0)), "10.9.9.9"));
    mirrored_free(&m);
}

static void a_missing_namespace_is_made_only_if_asked(void **state)
{
    (void)state;
    struct mirrored m;
    mirror(&m, frontend, slices_of(1), 1, 0);
    assert_int_equal(json_array_size(m.wanted), 0);
    assert_int_equal(json_array_size(m.notes), 1);
    mirrored_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_may_cross_is_copied),
        cmocka_unit_test(slices_hold_at_most_a_hundred_in_a_stable_order),
        cmocka_unit_test(endpoints_where_the_target_knows_no_slices),
        cmocka_unit_test(a_headless_service_stays_headless),
        cmocka_unit_test(an_address_outside_the_pod_cidrs_is_refused_and_told),
        cmocka_unit_test(a_missing_namespace_is_made_only_if_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
