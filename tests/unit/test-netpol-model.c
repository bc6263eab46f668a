// k8s-netpol: what the daemon decides, and when: seen through the reconciler's seam.
#include "netpol-runtime.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define EAST  0
#define WEST  1
#define NORTH 2

static void put_pod(struct ist_reconciler *run, size_t cluster, const char *name, const char *app,
                    const char *ip)
{
    char *yaml =
        ist_printf("{kind: Pod, metadata: {name: %s, namespace: shop, labels: {app: %s}}, spec: {containers: "
                   "[{ports: [{name: http, containerPort: 8080}]}]}, status: {phase: Running, podIP: %s}}",
                   name, app, ip);
    runtime_put(run, cluster, yaml);
    ist_free(yaml);
}

// A policy of east's namespace shop that lets in pods of that app, stretched to `to`.
static void put_policy(struct ist_reconciler *run, const char *name, const char *app, const char *to)
{
    char *yaml =
        ist_printf("{kind: NetworkPolicy, metadata: {name: %s, namespace: shop, uid: u-%s, annotations: "
                   "{isthmus.dev/clusters: '%s'}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: "
                   "{matchLabels: {app: %s}}}]}]}}",
                   name, name, to, app);
    runtime_put(run, EAST, yaml);
    ist_free(yaml);
}

// The address that our object lets in first; "none" without one, or without the object.
static void assert_first(struct ist_reconciler *run, const char *object, const char *cidr)
{
    const json_t *there = runtime_object(run, EAST, object);
    assert_string_equal(ist_json_str_or(there, "spec.ingress[0].from[0].ipBlock.cidr", "none"), cidr);
}

static int is_urgent(const struct ist_reconciler *run, const char *key)
{
    for (const struct due *due = run->due; due; due = due->next)
        if (due->cluster == EAST && strcmp(due->key, key) == 0)
            return due->urgent;
    return -1;
}

static struct ist_reconciler *ready(const char *inputs)
{
    struct ist_reconciler *run = runtime_new(inputs);
    put_policy(run, "p", "web", "*");
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_settle(run);
    return run;
}

// ---- which policies, which clusters ----

static void a_policy_without_the_annotation_is_local(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_put(run, EAST,
                "{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {podSelector: {}, "
                "ingress: [{from: "
                "[{podSelector: {}}]}]}}");
    runtime_settle(run);
    assert_int_equal(json_object_size(run->objects[EAST]), 0);
    runtime_free(run);
}

static void a_named_cluster_is_the_only_one(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    put_pod(run, NORTH, "n", "web", "10.3.0.4");
    put_policy(run, "p", "web", "north");
    runtime_settle(run);
    assert_int_equal(json_object_size(run->objects[EAST]), 1);
    assert_first(run, "shop/p-isthmus-north", "10.3.0.4/32");
    runtime_free(run);
}

static void taking_the_annotation_off_takes_the_companion_away(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    assert_first(run, "shop/p-isthmus-west", "10.2.0.4/32");
    put_policy(run, "p", "web", "");
    assert_int_equal(is_urgent(run, "shop/p"), 1);
    runtime_settle(run);
    assert_int_equal(json_object_size(run->objects[EAST]), 0);
    runtime_free(run);
}

static void what_another_isthmus_wrote_is_never_stretched(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_put(
        run, EAST,
        "{kind: NetworkPolicy, metadata: {name: p, namespace: shop, labels: {isthmus.dev/owner: other}, "
        "annotations: {isthmus.dev/clusters: '*'}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: "
        "{}}]}]}}");
    runtime_settle(run);
    assert_int_equal(json_object_size(run->objects[EAST]), 0);
    runtime_free(run);
}

static void a_namespace_may_be_called_differently_elsewhere(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{namespaces: {shop: {west: shop-prod}}}");
    put_policy(run, "p", "web", "*");
    put_pod(run, WEST, "w", "web", "10.2.0.4"); // west's shop is none of it
    runtime_put(
        run, WEST,
        "{kind: Pod, metadata: {name: x, namespace: shop-prod, labels: {app: web}}, status: {phase: Running, "
        "podIP: 10.2.0.8}}");
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "10.2.0.8/32");
    runtime_free(run);
}

// ---- churn ----

static void additions_wait_for_more_and_withdrawals_do_not(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    put_pod(run, WEST, "w2", "web", "10.2.0.5");
    assert_int_equal(is_urgent(run, "shop/p"), 0);
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "10.2.0.4/31");
    runtime_remove(run, WEST, "Pod", "shop", "w");
    assert_int_equal(is_urgent(run, "shop/p"), 1);
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "10.2.0.5/32");
    runtime_free(run);
}

static void a_pod_that_no_policy_means_wakes_nobody(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    put_pod(run, WEST, "d", "db", "10.2.0.9");
    assert_int_equal(is_urgent(run, "shop/p"), -1);
    put_pod(run, EAST, "e", "web", "10.1.0.9"); // its own cluster: the original means it
    assert_int_equal(is_urgent(run, "shop/p"), -1);
    runtime_free(run);
}

static void a_completed_pod_is_withdrawn_at_once(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    runtime_put(run, WEST,
                "{kind: Pod, metadata: {name: w, namespace: shop, labels: {app: web}}, status: {phase: "
                "Succeeded, podIP: "
                "10.2.0.4}}");
    assert_int_equal(is_urgent(run, "shop/p"), 1);
    runtime_settle(run);
    assert_int_equal(json_object_size(run->objects[EAST]), 0);
    runtime_free(run);
}

static void an_address_is_withdrawn_from_one_policy_before_another_gets_it(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    put_policy(run, "q", "db", "*");
    runtime_settle(run);
    runtime_remove(run, WEST, "Pod", "shop", "w");
    put_pod(run, WEST, "d", "db", "10.2.0.4"); // the same address, at once
    json_t *early = runtime_wanted(run, EAST, "shop/q");
    assert_int_equal(json_array_size(early), 0);
    json_decref(early);
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "none");
    assert_first(run, "shop/q-isthmus-west", "10.2.0.4/32");
    assert_int_equal(run->model->waiting, 0);
    runtime_free(run);
}

static void and_after_a_restart_too(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    put_policy(run, "q", "db", "*");
    runtime_settle(run);
    json_object_del(run->seen[WEST], "Pod shop/w"); // while nobody looked
    json_t *pod = json_pack("{s:s, s:{s:s, s:s, s:{s:s}}, s:{s:s, s:s}}", "kind", "Pod", "metadata", "name",
                            "d", "namespace", "shop", "labels", "app", "db", "status", "phase", "Running",
                            "podIP", "10.2.0.4");
    json_object_set_new(run->seen[WEST], "Pod shop/d", pod);
    runtime_restart(run);
    json_t *early = runtime_wanted(run, EAST, "shop/q");
    assert_int_equal(json_array_size(early), 0);
    json_decref(early);
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "none");
    assert_first(run, "shop/q-isthmus-west", "10.2.0.4/32");
    runtime_free(run);
}

static void a_cluster_that_cannot_be_written_to_holds_up_nobody(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    runtime_put(
        run, NORTH,
        "{kind: NetworkPolicy, metadata: {name: n, namespace: shop, uid: n, annotations: "
        "{isthmus.dev/clusters: "
        "'*'}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}");
    put_policy(run, "q", "db", "*");
    runtime_settle(run);
    runtime_state(run, NORTH, IST_CLUSTER_LOST);
    runtime_remove(run, WEST, "Pod", "shop", "w");
    put_pod(run, WEST, "d", "db", "10.2.0.4");
    runtime_settle(run);
    assert_first(run, "shop/q-isthmus-west", "10.2.0.4/32");
    runtime_free(run);
}

static void the_lag_of_withdrawals_is_told(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    runtime_remove(run, WEST, "Pod", "shop", "w");
    json_t *status = json_object();
    model_status(run->model, EAST, status);
    assert_int_equal(ist_json_int(status, "withdrawals_pending", -1), 1);
    runtime_settle(run);
    model_status(run->model, EAST, status);
    assert_int_equal(ist_json_int(status, "withdrawals_pending", -1), 0);
    assert_int_equal(ist_json_int(status, "withdrawals", -1), 1);
    assert_string_equal(ist_json_str_or(status, "keep_for", ""), "900s");
    json_decref(status);
    runtime_free(run);
}

static void a_withdrawal_that_takes_too_long_raises_the_alarm(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    json_t *status = json_object();
    runtime_remove(run, WEST, "Pod", "shop", "w");
    model_status(run->model, EAST, status);
    assert_int_equal(ist_json_bool(status, "alarms[0].active", 1), 0);
    run->model->entries->leaving->since -= ALARM_MS + 1000;
    model_status(run->model, EAST, status);
    assert_int_equal(ist_json_bool(status, "alarms[0].active", 0), 1);
    json_object_clear(status);
    runtime_settle(run);
    model_status(run->model, EAST, status);
    assert_int_equal(ist_json_bool(status, "alarms[0].active", 1), 0);
    json_decref(status);
    runtime_free(run);
}

static void who_stands_by_owes_nothing(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    json_t *status = json_object();
    runtime_remove(run, WEST, "Pod", "shop", "w"); // which another process writes
    run->model->entries->leaving->since -= ALARM_MS + 1000;
    json_object_set_new(status, "stands_by", json_true());
    model_status(run->model, EAST, status);
    assert_int_equal(ist_json_bool(status, "alarms[0].active", 1), 0);
    assert_int_equal(ist_json_int(status, "withdrawals_pending", -1), 0);
    json_object_set_new(status, "stands_by", json_false()); // and then it takes over
    model_status(run->model, EAST, status);
    assert_int_equal(ist_json_int(status, "withdrawals_pending", -1), 1);
    assert_true(ist_json_int(status, "withdrawal_oldest_ms", -1) < ALARM_MS);
    json_decref(status);
    runtime_free(run);
}

// ---- clusters that come and go ----

static void a_lost_clusters_addresses_stay_and_an_expired_ones_go(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{keep_for: 1m}");
    assert_int_equal(run->grace, 60000);
    runtime_state(run, WEST, IST_CLUSTER_LOST);
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "10.2.0.4/32");
    runtime_state(run, WEST, IST_CLUSTER_EXPIRED);
    runtime_settle(run);
    assert_int_equal(json_object_size(run->objects[EAST]), 0);
    runtime_state(run, WEST, IST_CLUSTER_SYNCED);
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "10.2.0.4/32");
    runtime_free(run);
}

static void for_ever_is_for_ever_by_name_or_for_all(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{keep_forever: [west]}");
    runtime_state(run, WEST, IST_CLUSTER_EXPIRED);
    runtime_settle(run);
    assert_first(run, "shop/p-isthmus-west", "10.2.0.4/32");
    runtime_free(run);
    run = ready("{keep_for: forever}");
    assert_int_equal(run->grace, -1);
    runtime_free(run);
}

static void what_stands_for_a_cluster_that_is_not_known_stays(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    size_t writes = run->writes;
    runtime_state(run, WEST, IST_CLUSTER_STOPPED);
    runtime_settle(run);
    assert_int_equal(run->writes, writes);
    assert_first(run, "shop/p-isthmus-west", "10.2.0.4/32");
    runtime_free(run);
}

// ---- policies of the pipeline file ----

#define GIVEN                                                                                                \
    "{policies: [{name: g, cluster: east, namespace: shop, podSelector: {}, ingress: [{from: [{cluster: "    \
    "west, "                                                                                                 \
    "podSelector: {matchLabels: {app: web}}}]}]}]}"

static void a_policy_of_the_file_follows_its_pods(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new(GIVEN);
    runtime_put(run, EAST, "{kind: Namespace, metadata: {name: shop}}");
    runtime_settle(run);
    assert_first(run, "shop/g", "none");
    assert_non_null(runtime_object(run, EAST, "shop/g")); // it isolates all the same
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_settle(run);
    assert_first(run, "shop/g", "10.2.0.4/32");
    runtime_state(run, WEST, IST_CLUSTER_EXPIRED);
    runtime_settle(run);
    assert_first(run, "shop/g", "none");
    runtime_state(run, WEST, IST_CLUSTER_STOPPED);
    runtime_settle(run);
    assert_non_null(runtime_object(run, EAST, "shop/g"));
    runtime_free(run);
}

static void an_unknown_cluster_in_it_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    json_t *inputs =
        json_pack("{s:[{s:s, s:s, s:s, s:[{s:[{s:s, s:s}]}]}]}", "policies", "name", "g", "cluster", "east",
                  "namespace", "shop", "ingress", "from", "cluster", "moon", "namespace", "x");
    void *model = NULL;
    ist_error err = {0};
    assert_int_equal(model_open(run, inputs, &run->clusters, &model, &err), IST_ERR_INPUT);
    assert_null(model);
    assert_non_null(strstr(err.text, "moon"));
    json_decref(inputs);
    runtime_free(run);
}

// The dash forgotten before the peer: read as no peers it would let everybody in.
static void peers_that_are_no_list_are_an_error(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{\"ingress\": [{\"from\": {\"cluster\": \"west\", \"namespace\": \"x\"}}]}",
        "{\"ingress\": [{\"ports\": {\"port\": 80}}]}",
        "{\"podSelector\": \"app=web\"}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct ist_reconciler *run = runtime_new("{}");
        json_t *policy = json_loads(wrong[i], 0, NULL);
        json_object_set_new(policy, "name", json_string("g"));
        json_object_set_new(policy, "cluster", json_string("east"));
        json_object_set_new(policy, "namespace", json_string("shop"));
        json_t *inputs = json_pack("{s:[o]}", "policies", policy);
        void *model = NULL;
        ist_error err = {0};
        assert_int_equal(model_open(run, inputs, &run->clusters, &model, &err), IST_ERR_INPUT);
        assert_null(model);
        assert_string_equal(err.where, "g");
        json_decref(inputs);
        runtime_free(run);
    }
}

static void a_duration_that_is_none_is_an_error(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    json_t *inputs = json_pack("{s:s}", "keep_for", "soon");
    void *model = NULL;
    ist_error err = {0};
    assert_int_equal(model_open(run, inputs, &run->clusters, &model, &err), IST_ERR_INPUT);
    assert_string_equal(err.where, "keep_for");
    json_decref(inputs);
    runtime_free(run);
}

// ---- the VPC CNI ----

#define AWS_NODE                                                                                             \
    "{kind: DaemonSet, metadata: {name: aws-node, namespace: kube-system}, spec: {template: {spec: "         \
    "{containers: "                                                                                          \
    "[{name: aws-eks-nodeagent, args: ['--enable-network-policy=true']}]}}}}"

static void where_the_vpc_cni_judges_cluster_ips_of_mirrored_services_are_named(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    runtime_put(
        run, EAST,
        "{kind: NetworkPolicy, metadata: {name: p, namespace: shop, uid: u, annotations: "
        "{isthmus.dev/clusters: "
        "'*'}}, spec: {podSelector: {}, egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: "
        "[{port: 8080}]}]}}");
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_put(
        run, EAST,
        "{kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 172.20.0.9, clusterIPs: "
        "[172.20.0.9], ports: [{name: http, port: 80, targetPort: 8080}]}}\n---\n"
        "{kind: EndpointSlice, metadata: {name: web-west, namespace: shop, labels: "
        "{isthmus.dev/source-cluster: "
        "west, kubernetes.io/service-name: web}}, ports: [{name: http, port: 8080}], endpoints: [{addresses: "
        "[10.2.0.4]}]}");
    runtime_settle(run);
    const json_t *companion = runtime_object(run, EAST, "shop/p-isthmus-west");
    assert_int_equal(json_array_size(ist_json_at(companion, "spec.egress")), 1);
    runtime_put(run, EAST, AWS_NODE);
    assert_int_equal(is_urgent(run, "shop/p"), 1);
    runtime_settle(run);
    companion = runtime_object(run, EAST, "shop/p-isthmus-west");
    assert_string_equal(ist_json_str_or(companion, "spec.egress[1].to[0].ipBlock.cidr", ""), "172.20.0.9/32");
    assert_int_equal(ist_json_int(companion, "spec.egress[1].ports[0].port", 0), 80);
    runtime_put(
        run, EAST,
        "{kind: EndpointSlice, metadata: {name: web-west, namespace: shop, labels: "
        "{isthmus.dev/source-cluster: "
        "west, kubernetes.io/service-name: web}}, ports: [{name: http, port: 8080}], endpoints: [{addresses: "
        "[10.2.0.4, 10.2.0.66]}]}");
    runtime_settle(run);
    companion = runtime_object(run, EAST, "shop/p-isthmus-west");
    assert_int_equal(json_array_size(ist_json_at(companion, "spec.egress")), 1);
    runtime_free(run);
}

static void and_names_of_ports_become_numbers_while_all_selected_pods_agree(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    runtime_put(run, EAST, AWS_NODE);
    runtime_put(
        run, EAST,
        "{kind: NetworkPolicy, metadata: {name: p, namespace: shop, uid: u, annotations: "
        "{isthmus.dev/clusters: "
        "'*'}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}]}}");
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    put_pod(run, EAST, "e", "web", "10.1.0.4");
    runtime_settle(run);
    assert_int_equal(
        ist_json_int(runtime_object(run, EAST, "shop/p-isthmus-west"), "spec.ingress[0].ports[0].port", 0),
        8080);
    runtime_put(
        run, EAST,
        "{kind: Pod, metadata: {name: other, namespace: shop, labels: {app: x}}, spec: {containers: [{ports: "
        "[{name: http, containerPort: 1}]}]}, status: {phase: Running, podIP: 10.1.0.5}}");
    runtime_settle(run);
    assert_null(runtime_object(run, EAST, "shop/p-isthmus-west"));
    assert_true(json_array_size(run->notes) > 0);
    runtime_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_without_the_annotation_is_local),
        cmocka_unit_test(a_named_cluster_is_the_only_one),
        cmocka_unit_test(taking_the_annotation_off_takes_the_companion_away),
        cmocka_unit_test(what_another_isthmus_wrote_is_never_stretched),
        cmocka_unit_test(a_namespace_may_be_called_differently_elsewhere),
        cmocka_unit_test(additions_wait_for_more_and_withdrawals_do_not),
        cmocka_unit_test(a_pod_that_no_policy_means_wakes_nobody),
        cmocka_unit_test(a_completed_pod_is_withdrawn_at_once),
        cmocka_unit_test(an_address_is_withdrawn_from_one_policy_before_another_gets_it),
        cmocka_unit_test(and_after_a_restart_too),
        cmocka_unit_test(a_cluster_that_cannot_be_written_to_holds_up_nobody),
        cmocka_unit_test(the_lag_of_withdrawals_is_told),
        cmocka_unit_test(a_withdrawal_that_takes_too_long_raises_the_alarm),
        cmocka_unit_test(who_stands_by_owes_nothing),
        cmocka_unit_test(a_lost_clusters_addresses_stay_and_an_expired_ones_go),
        cmocka_unit_test(for_ever_is_for_ever_by_name_or_for_all),
        cmocka_unit_test(what_stands_for_a_cluster_that_is_not_known_stays),
        cmocka_unit_test(a_policy_of_the_file_follows_its_pods),
        cmocka_unit_test(an_unknown_cluster_in_it_is_an_error_that_names_it),
        cmocka_unit_test(peers_that_are_no_list_are_an_error),
        cmocka_unit_test(a_duration_that_is_none_is_an_error),
        cmocka_unit_test(where_the_vpc_cni_judges_cluster_ips_of_mirrored_services_are_named),
        cmocka_unit_test(and_names_of_ports_become_numbers_while_all_selected_pods_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
