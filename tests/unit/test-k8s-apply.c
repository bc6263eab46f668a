// k8s-apply: manifests, and what makes a difference.
#include "apply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static json_t *inputs_of(const char *text)
{
    return json_pack("{s:{s:s, s:s}, s:[{s:s}]}", "kubeconfigs", "a", "x", "b", "y", "manifests", "inline",
                     text);
}

static int32_t load(json_t *inputs, json_t **wanted, ist_error *err)
{
    ist_env env = {0};
    *err = (ist_error){0};
    *wanted = NULL;
    int32_t rc = manifests_load(&env, inputs, wanted, err);
    json_decref(inputs);
    return rc;
}

static void a_manifest_goes_to_every_cluster_that_it_does_not_exclude(void **state)
{
    (void)state;
    json_t *wanted, *inputs = inputs_of("{kind: Namespace, apiVersion: v1, metadata: {name: n}}");
    ist_error err;
    assert_int_equal(load(json_incref(inputs), &wanted, &err), IST_OK);
    assert_int_equal(json_array_size(wanted), 2);
    json_decref(wanted);
    json_object_set_new(inputs, "clusters", json_pack("[s]", "b"));
    assert_int_equal(load(json_incref(inputs), &wanted, &err), IST_OK);
    assert_int_equal(json_array_size(wanted), 1);
    assert_string_equal(ist_json_str(json_array_get(wanted, 0), "cluster"), "b");
    json_decref(wanted);
    json_object_set_new(json_array_get(json_object_get(inputs, "manifests"), 0), "clusters",
                        json_pack("[s]", "c"));
    assert_int_equal(load(inputs, &wanted, &err), IST_ERR_INPUT);
    assert_non_null(strstr(err.text, "no kubeconfig for cluster \"c\""));
}

static void lists_are_taken_apart_and_stamps_left_behind(void **state)
{
    (void)state;
    json_t *wanted;
    ist_error err;
    json_t *inputs = inputs_of("kind: List\napiVersion: v1\nitems:\n- kind: Service\n  apiVersion: v1\n"
                               "  metadata: {name: s, uid: u, resourceVersion: '7', managedFields: []}\n"
                               "  spec: {ports: [{port: 80}]}\n  status: {loadBalancer: {}}\n---\n---\n"
                               "{kind: Namespace, apiVersion: v1, metadata: {name: n}}\n");
    json_object_set_new(inputs, "clusters", json_pack("[s]", "a"));
    assert_int_equal(load(inputs, &wanted, &err), IST_OK);
    assert_int_equal(json_array_size(wanted), 2);
    const json_t *service = json_object_get(json_array_get(wanted, 0), "object");
    assert_null(json_object_get(service, "status"));
    assert_int_equal(json_object_size(json_object_get(service, "metadata")), 1);
    assert_string_equal(ist_json_str(service, "spec.ports[0].protocol"), "TCP"); // half of the list's key
    json_decref(wanted);
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"kind: Namespace\nmetadata: {name: n}\n", "apiVersion"},
        {"kind: Pod\napiVersion: v1\nmetadata: {generateName: x-}\n", "generateName"},
        {"kind: Pod\napiVersion: v1\n", "metadata.name"},
        {"a: [\n", "inline"},
        {"from:\n  - podSelector:\n             matchLabels:\n          role: frontend\n",
         "inline"}, // the walk-through's own
        {"kind: List\napiVersion: v1\nitems: [{kind: List, apiVersion: v1, items: []}]\n",
         "list inside a list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *wanted;
        ist_error err;
        assert_int_not_equal(load(inputs_of(cases[i].text), &wanted, &err), IST_OK);
        assert_null(wanted);
        if (!strstr(err.text, cases[i].says) && !strstr(err.where, cases[i].says))
            fail_msg("case %zu says: %s: %s", i, err.where, err.text);
    }
}

static void a_file_stands_in_for_a_url(void **state)
{
    (void)state;
    char path[] = "/tmp/isthmus-manifest-XXXXXX";
    int fd = mkstemp(path);
    dprintf(fd, "{kind: Namespace, apiVersion: v1, metadata: {name: n}}\n");
    close(fd);
    json_t *wanted;
    ist_error err;
    json_t *inputs = json_pack("{s:{s:s}, s:[{s:s, s:s}], s:{s:s}}", "kubeconfigs", "a", "x", "manifests",
                               "url", "https://gone.invalid/calico.yaml", "sha256", "00", "replace",
                               "https://gone.invalid/calico.yaml", path);
    assert_int_equal(load(inputs, &wanted, &err), IST_OK);
    assert_int_equal(json_array_size(wanted), 1);
    json_decref(wanted);
    unlink(path);
}

static void fields_that_differ_are_named(void **state)
{
    (void)state;
    json_t *live = json_loads(
        "{\"metadata\":{\"generation\":1,\"uid\":\"u\",\"managedFields\":[],\"labels\":{\"a\":\"b\"},"
        "\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"x\"}},"
        "\"spec\":{\"ports\":[{\"port\":80,\"targetPort\":7}],\"type\":\"ClusterIP\",\"gone\":1},"
        "\"status\":{\"x\":1}}",
        0, NULL);
    json_t *after = json_loads(
        "{\"metadata\":{\"generation\":2,\"uid\":\"u\",\"labels\":{\"a\":\"b\",\"app.io/x\":\"y\"}},"
        "\"spec\":{\"ports\":[{\"port\":80,\"targetPort\":8}],\"type\":\"ClusterIP\"},"
        "\"status\":{\"x\":2}}",
        0, NULL);
    json_t *fields = ist_manifest_compare(live, after);
    assert_int_equal(json_array_size(fields), 3);
    assert_string_equal(ist_json_str(json_array_get(fields, 0), "field"), "metadata.labels.'app.io/x'");
    assert_string_equal(ist_json_str(json_array_get(fields, 1), "field"), "spec.ports[0].targetPort");
    assert_int_equal(ist_json_int(json_array_get(fields, 1), "after", 0), 8);
    assert_string_equal(ist_json_str(json_array_get(fields, 2), "field"), "spec.gone");
    assert_null(json_object_get(json_array_get(fields, 2), "after"));
    json_decref(fields);
    fields = ist_manifest_compare(live, live);
    assert_int_equal(json_array_size(fields), 0);
    json_decref(fields);
    json_decref(live);
    json_decref(after);
}

static json_t *object_of(const char *yaml)
{
    json_t *wanted, *inputs = inputs_of(yaml);
    ist_error err;
    json_object_set_new(inputs, "clusters", json_pack("[s]", "a"));
    assert_int_equal(load(inputs, &wanted, &err), IST_OK);
    json_t *object = json_incref(json_object_get(json_array_get(wanted, 0), "object"));
    json_decref(wanted);
    return object;
}

static void a_new_object_is_outlined_without_what_may_be_secret(void **state)
{
    (void)state;
    json_t *object = object_of("{kind: Deployment, apiVersion: apps/v1, metadata: {name: d, annotations: "
                               "{note: hush}}, spec: {replicas: 3, "
                               "template: {spec: {containers: [{name: c, image: 'nginx:1', args: [hush], "
                               "env: [{name: A, value: hush}], "
                               "ports: [{containerPort: 80}]}]}}}}");
    json_t *fields = ist_manifest_outline(object);
    char *text = ist_json_text(fields);
    assert_int_equal(json_array_size(fields), 3);
    assert_string_equal(ist_json_str(json_array_get(fields, 0), "field"), "spec.replicas");
    assert_int_equal(ist_json_int(json_array_get(fields, 0), "after", 0), 3);
    assert_string_equal(ist_json_str(json_array_get(fields, 1), "field"),
                        "spec.template.spec.containers[0].image");
    assert_string_equal(ist_json_str(json_array_get(fields, 1), "after"), "nginx:1");
    assert_null(strstr(text, "hush"));
    ist_free(text);
    json_decref(fields);
    json_decref(object);
    object = object_of("{kind: Pod, apiVersion: v1, metadata: {name: p}, spec: {containers: ["
                       "{image: a}, {image: b}, {image: c}, {image: d}, {image: e}, {image: f}, {image: g}, "
                       "{image: h}, {image: i}, {image: j}, {image: k}, {image: l}]}}");
    fields = ist_manifest_outline(object);
    assert_int_equal(json_array_size(fields), 10);
    json_decref(fields);
    json_decref(object);
    object = object_of("{kind: Secret, apiVersion: v1, metadata: {name: s}, stringData: {k: hush}}");
    fields = ist_manifest_outline(object);
    assert_int_equal(json_array_size(fields), 0);
    json_decref(fields);
    json_decref(object);
}

static void of_a_secret_only_that_it_changes_is_told(void **state)
{
    (void)state;
    json_t *a =
        object_of("{kind: Secret, apiVersion: v1, metadata: {name: s}, data: {k: YQ==}, type: Opaque}");
    json_t *b =
        object_of("{kind: Secret, apiVersion: v1, metadata: {name: s}, data: {k: Yg==}, type: other}");
    json_t *fields = ist_manifest_compare(a, b);
    assert_int_equal(json_array_size(fields), 2);
    assert_true(ist_json_bool(json_array_get(fields, 0), "secret", 0));
    assert_null(json_object_get(json_array_get(fields, 0), "before"));
    assert_null(json_object_get(json_array_get(fields, 0), "after"));
    assert_string_equal(ist_json_str(json_array_get(fields, 1), "after"), "other");
    json_decref(fields);
    json_decref(a);
    json_decref(b);
}

static void a_definition_brings_its_kind_in_its_versions(void **state)
{
    (void)state;
    json_t *crd = object_of(
        "{kind: CustomResourceDefinition, apiVersion: apiextensions.k8s.io/v1, metadata: {name: m}, "
        "spec: {group: lab.test, scope: Namespaced, names: {kind: Moon}, versions: [{name: v2}]}}");
    static const struct {
        const char *yaml;
        int brings;
    } cases[] = {
        {"{kind: Moon, apiVersion: lab.test/v2, metadata: {name: io}}", 1},
        {"{kind: Moon, apiVersion: lab.test/v1, metadata: {name: io}}", 0},
        {"{kind: Moon, apiVersion: lab.tes/v2, metadata: {name: io}}", 0},
        {"{kind: Moon, apiVersion: v2, metadata: {name: io}}", 0},
        {"{kind: Star, apiVersion: lab.test/v2, metadata: {name: sol}}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *object = object_of(cases[i].yaml);
        int namespaced = 0;
        assert_int_equal(ist_manifest_defines(crd, object, &namespaced), cases[i].brings);
        assert_int_equal(namespaced, cases[i].brings);
        json_decref(object);
    }
    json_decref(crd);
}

static void an_object_is_the_same_in_another_version_of_its_group(void **state)
{
    (void)state;
    json_t *a = json_pack("{s:s, s:s, s:s, s:s}", "cluster", "c", "apiVersion", "apps/v1beta1", "kind",
                          "Deployment", "name", "x");
    json_t *b = json_deep_copy(a);
    json_object_set_new(b, "apiVersion", json_string("apps/v1"));
    assert_true(id_same(a, b));
    json_object_set_new(b, "apiVersion", json_string("v1"));
    assert_false(id_same(a, b));
    json_object_set_new(b, "apiVersion", json_string("apps/v1"));
    json_object_set_new(b, "cluster", json_string("d"));
    assert_false(id_same(a, b));
    json_decref(a);
    json_decref(b);
}

static void what_servers_take_is_no_mistake(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: 'system:a_B'}}",
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.b.c}}",
        "{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a.b}, spec: {ports: x}}",
        "{apiVersion: apps/v1, kind: KindOfTomorrow, metadata: {name: a}}",
        "{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: a}}",
        "{apiVersion: v1, kind: Service, metadata: {name: 1a, labels: null}, spec: {ports: [{port: 1, "
        "targetPort: "
        "http-2, nodePort: 0, protocol: SCTP}, {port: 65535, targetPort: 65535}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: ExternalName}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{ports: null}, {ports: "
        "[{containerPort: 80, hostPort: 0}]}]}}",
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {egress: [{}, "
        "{ports: "
        "[{protocol: UDP}, {port: dns}, {port: 1, endPort: 2}]}]}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        json_decref(object_of(good[i]));
}

// Live ports 80 (the manifest's) and 81, with these managers of 81's entry.
static json_t *with_managers(const char *managers)
{
    char *text = ist_printf(
        "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"s\", \"managedFields\": ["
        "{\"manager\": \"isthmus\", \"operation\": \"Apply\", \"fieldsV1\": {\"f:spec\": {\"f:ports\": {"
        "\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\": {\".\": {}}}}}}%s]},"
        "\"spec\": {\"ports\": [{\"port\": 80, \"protocol\": \"TCP\", \"nodePort\": 1},"
        "{\"port\": 81, \"protocol\": \"TCP\", \"nodePort\": 2}]}}",
        managers);
    json_t *live = json_loads(text, 0, NULL);
    ist_free(text);
    assert_non_null(live);
    return live;
}

#define ENTRY_81                                                                                             \
    "{\"f:spec\": {\"f:ports\": {\"k:{\\\"port\\\":81,\\\"protocol\\\":\\\"TCP\\\"}\": {\".\": {}}}}}"
#define HAS_81(manager, more)                                                                                \
    ", {\"manager\": \"" manager "\", \"operation\": \"Update\"" more ", \"fieldsV1\": " ENTRY_81 "}"

static void what_kubectl_put_into_a_list_is_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *managers;
        int by_hand;
    } cases[] = {
        {HAS_81("kubectl-edit", ""), 1},
        {HAS_81("kubectl", ""), 1},
        {HAS_81("isthmus-mend", ""), 1},
        {HAS_81("kubectl-patch", "") HAS_81("kubectl-client-side-apply", ""), 1},
        {HAS_81("kubectl-patch", "") HAS_81("a-controller", ""), 0}, // he wants it too
        {HAS_81("a-controller", ""), 0},
        {HAS_81("kubectlish", ""), 0},
        {HAS_81("kubectl", ", \"subresource\": \"scale\""), 0},
        {", {\"manager\": \"kubectl\"}, {\"manager\": 1, \"fieldsV1\": []}, 7", 0},
        {"", 0},
    };
    json_t *wanted =
        object_of("{kind: Service, apiVersion: v1, metadata: {name: s}, spec: {ports: [{port: 80}]}}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *live = with_managers(cases[i].managers), *then = ist_manifest_by_hand(wanted, live);
        assert_int_equal(then != NULL, cases[i].by_hand);
        if (then)
            assert_int_equal(json_array_size(ist_json_at(then, "spec.ports")), 1);
        json_decref(then);
        json_decref(live);
    }
    // Of what the manifest does not speak nothing is by hand.
    json_t *silent = object_of("{kind: Service, apiVersion: v1, metadata: {name: s}, spec: {type: x}}");
    json_t *live = with_managers(cases[0].managers);
    assert_null(ist_manifest_by_hand(silent, live));
    // What the list lacks comes back in its place, with the number that it had on the nodes.
    json_t *renamed = object_of(
        "{kind: Service, apiVersion: v1, metadata: {name: s}, spec: {ports: [{port: 79}, {port: 80}]}}");
    json_t *then = ist_manifest_by_hand(renamed, live);
    assert_int_equal(json_array_size(ist_json_at(then, "spec.ports")), 2);
    assert_int_equal(ist_json_int(then, "spec.ports[0].port", 0), 79);
    assert_int_equal(ist_json_int(then, "spec.ports[0].nodePort", 0), 2);
    assert_int_equal(ist_json_int(then, "spec.ports[1].nodePort", 0), 1);
    json_decref(then);
    json_decref(renamed);
    json_decref(silent);
    json_decref(live);
    json_decref(wanted);
}

static void of_a_list_the_entries_that_come_or_go_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *live, *after, *field;
    } cases[] = {
        {"{\"l\": [1, 2, 3]}", "{\"l\": [1, 3]}", "l[1]"}, {"{\"l\": [1, 3]}", "{\"l\": [1, 3, 4]}", "l[2]"},
        {"{\"l\": [1, 2, 3]}", "{\"l\": [1, 4]}", "l"},    {"{\"l\": []}", "{\"l\": [1]}", "l"},
        {"{\"l\": [1]}", "{\"l\": {\"a\": 1}}", "l"},      {"{\"l\": [1]}", "{\"l\": 1}", "l"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *live = json_loads(cases[i].live, 0, NULL), *after = json_loads(cases[i].after, 0, NULL);
        json_t *fields = ist_manifest_compare(live, after);
        assert_int_equal(json_array_size(fields), 1);
        assert_string_equal(ist_json_str(json_array_get(fields, 0), "field"), cases[i].field);
        json_decref(fields);
        json_decref(live);
        json_decref(after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_goes_to_every_cluster_that_it_does_not_exclude),
        cmocka_unit_test(lists_are_taken_apart_and_stamps_left_behind),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(a_file_stands_in_for_a_url),
        cmocka_unit_test(fields_that_differ_are_named),
        cmocka_unit_test(a_new_object_is_outlined_without_what_may_be_secret),
        cmocka_unit_test(of_a_secret_only_that_it_changes_is_told),
        cmocka_unit_test(a_definition_brings_its_kind_in_its_versions),
        cmocka_unit_test(an_object_is_the_same_in_another_version_of_its_group),
        cmocka_unit_test(what_servers_take_is_no_mistake),
        cmocka_unit_test(what_kubectl_put_into_a_list_is_by_hand),
        cmocka_unit_test(of_a_list_the_entries_that_come_or_go_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
