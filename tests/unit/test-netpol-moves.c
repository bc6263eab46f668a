// k8s-netpol: addresses that change hands, and what is written where a ClusterIP leads to several places.
#include "netpol-runtime.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define EAST  0
#define WEST  1
#define NORTH 2

static void put_pod(struct ist_reconciler *run, size_t cluster, const char *name, const char *app,
                    const char *ip)
{
    char *yaml = ist_printf("{kind: Pod, metadata: {name: %s, namespace: shop, labels: {app: %s}}, status: "
                            "{phase: Running, podIP: %s}}",
                            name, app, ip);
    runtime_put(run, cluster, yaml);
    ist_free(yaml);
}

static void put_policy(struct ist_reconciler *run, const char *name, const char *rules)
{
    char *yaml =
        ist_printf("{kind: NetworkPolicy, metadata: {name: %s, namespace: shop, uid: u-%s, annotations: "
                   "{isthmus.dev/clusters: '*'}}, spec: {podSelector: {}, %s}}",
                   name, name, rules);
    runtime_put(run, EAST, yaml);
    ist_free(yaml);
}

#define FROM(app) "ingress: [{from: [{podSelector: {matchLabels: {app: " app "}}}]}]"
#define TO(app)   "egress: [{to: [{podSelector: {matchLabels: {app: " app "}}}]}]"

static const char *first_of(struct ist_reconciler *run, const char *object)
{
    return ist_json_str_or(runtime_object(run, EAST, object), "spec.ingress[0].from[0].ipBlock.cidr", "none");
}

// The policy `p` for app web, `q` for app db; west's pod w is a web one.
static struct ist_reconciler *ready(const char *inputs)
{
    struct ist_reconciler *run = runtime_new(inputs);
    put_policy(run, "p", FROM("web"));
    put_policy(run, "q", FROM("db"));
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "10.2.0.4/32");
    return run;
}

// Decides and writes that key before everything else that is due.
static void decide_first(struct ist_reconciler *run, const char *key)
{
    struct due **link = &run->due;
    while (*link && strcmp((*link)->key, key) != 0)
        link = &(*link)->next;
    struct due *due = *link;
    assert_non_null(due);
    if (!due)
        return;
    *link = due->next;
    due->next = run->due;
    due->urgent = 1;
    run->due = due;
    do
        runtime_step(run);
    while (run->job);
}

static void w_hands_its_address_to_d(struct ist_reconciler *run)
{
    runtime_remove(run, WEST, "Pod", "shop", "w");
    put_pod(run, WEST, "d", "db", "10.2.0.4");
}

// ---- who waits for a withdrawal

static void who_waits_for_a_withdrawal_that_is_taken_back_is_asked_again(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    w_hands_its_address_to_d(run);
    decide_first(run, "shop/q"); // p still has it: q waits
    assert_string_equal(first_of(run, "shop/q-isthmus-west"), "none");
    assert_int_equal(run->model->waiting, 1);
    put_policy(run, "p", "ingress: [{from: [{podSelector: {}}]}]"); // p means the new owner as well
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "10.2.0.4/32");
    assert_string_equal(first_of(run, "shop/q-isthmus-west"), "10.2.0.4/32");
    assert_int_equal(run->model->waiting, 0);
    runtime_free(run);
}

static void what_changed_hands_while_a_kept_cluster_was_away_is_withdrawn_first(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{keep_forever: [west]}");
    runtime_state(run, WEST, IST_CLUSTER_LOST);
    runtime_state(run, WEST, IST_CLUSTER_EXPIRED);
    runtime_settle(run);
    w_hands_its_address_to_d(run); // as its list brings it, before it is synced
    runtime_state(run, WEST, IST_CLUSTER_SYNCED);
    decide_first(run, "shop/q");
    assert_string_equal(first_of(run, "shop/q-isthmus-west"), "none");
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "none");
    assert_string_equal(first_of(run, "shop/q-isthmus-west"), "10.2.0.4/32");
    runtime_free(run);
}

static void and_while_one_was_not_known_at_the_start(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    json_object_del(run->seen[WEST], "Pod shop/w"); // while nobody looked
    runtime_restart(run);
    run->state[WEST] = IST_CLUSTER_UNKNOWN;
    runtime_state(run, WEST, IST_CLUSTER_UNKNOWN);
    put_pod(run, WEST, "d", "db", "10.2.0.4");
    runtime_state(run, WEST, IST_CLUSTER_SYNCED);
    decide_first(run, "shop/q");
    assert_string_equal(first_of(run, "shop/q-isthmus-west"), "none");
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "none");
    assert_string_equal(first_of(run, "shop/q-isthmus-west"), "10.2.0.4/32");
    runtime_free(run);
}

// ---- memory

static size_t namespace_count(const struct ist_reconciler *run, size_t cluster)
{
    size_t count = 0;
    for (const struct namespace *ns = world_cluster(run->model->world, cluster)->namespaces; ns;
         ns = ns->next)
        count++;
    return count;
}

static void a_move_to_another_cluster_of_one_network_is_withdrawn_first_too(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    runtime_share_network(run);
    runtime_settle(run);
    put_pod(run, NORTH, "d", "db", "10.2.0.4"); // while the west still shows it: whose it is cannot be told
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "none");
    assert_string_equal(first_of(run, "shop/q-isthmus-north"), "none");
    runtime_remove(run, WEST, "Pod", "shop", "w");
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/q-isthmus-north"), "10.2.0.4/32");
    runtime_remove(run, NORTH, "Pod", "shop", "d");
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    decide_first(run, "shop/p"); // q still has it: p waits
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "none");
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/q-isthmus-north"), "none");
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "10.2.0.4/32");
    assert_int_equal(run->model->waiting, 0);
    runtime_free(run);
}

static void a_pod_that_shows_an_address_of_another_cluster_takes_it_from_nobody(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    put_pod(run, NORTH, "liar", "db", "10.2.0.4"); // the west's, as declared
    runtime_settle(run);
    assert_string_equal(first_of(run, "shop/p-isthmus-west"), "10.2.0.4/32");
    assert_string_equal(first_of(run, "shop/q-isthmus-north"), "none");
    runtime_free(run);
}

static void namespaces_that_come_and_go_leave_nothing_behind(void **state)
{
    (void)state;
    struct ist_reconciler *run = ready("{}");
    size_t before = namespace_count(run, WEST);
    for (int i = 0; i < 100; i++) {
        char name[32], *yaml;
        snprintf(name, sizeof(name), "preview-%d", i);
        yaml = ist_printf("{kind: Namespace, metadata: {name: %s, labels: {a: b}}}\n---\n{kind: Pod, "
                          "metadata: {name: x, namespace: %s, labels: {app: web}}, status: {phase: Running, "
                          "podIP: 10.2.1.1}}",
                          name, name);
        runtime_put(run, WEST, yaml);
        ist_free(yaml);
        if (i % 2) // in either order, as watches of two kinds bring it
            runtime_remove(run, WEST, "Namespace", "", name);
        runtime_remove(run, WEST, "Pod", name, "x");
        if (!(i % 2))
            runtime_remove(run, WEST, "Namespace", "", name);
        runtime_remove(run, WEST, "Pod", name, "x");
    }
    runtime_put(run, WEST, // one that ended is in no namespace at all
                "{kind: Pod, metadata: {name: job, namespace: done}, status: {phase: Failed}}");
    runtime_settle(run);
    assert_int_equal(namespace_count(run, WEST), before);
    assert_null(world_find_namespace(run->model->world, WEST, "preview-7"));
    runtime_free(run);
}

// ---- ClusterIPs, where the VPC CNI judges

#define AWS_NODE                                                                                             \
    "{kind: DaemonSet, metadata: {name: aws-node, namespace: kube-system}, spec: {template: {spec: "         \
    "{containers: [{name: aws-eks-nodeagent, args: ['--enable-network-policy=true']}]}}}}"
#define SERVICE                                                                                              \
    "{kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 172.20.0.9, clusterIPs: "     \
    "[172.20.0.9], ports: [{name: http, port: 80}]}}"

static void put_slice(struct ist_reconciler *run, const char *name, const char *labels, const char *addresses)
{
    char *yaml = ist_printf("{kind: EndpointSlice, metadata: {name: %s, namespace: shop, labels: "
                            "{kubernetes.io/service-name: web%s}}, ports: [{name: http, port: 8080}], "
                            "endpoints: [{addresses: [%s]}]}",
                            name, labels, addresses);
    runtime_put(run, EAST, yaml);
    ist_free(yaml);
}

static int names_vip(const struct ist_reconciler *run, const char *object)
{
    json_t *egress = ist_json_at(runtime_object(run, EAST, object), "spec.egress"), *rule;
    size_t i;
    json_array_foreach(egress, i, rule)
    {
        if (!strcmp(ist_json_str_or(rule, "to[0].ipBlock.cidr", ""), "172.20.0.9/32"))
            return 1;
    }
    return 0;
}

static struct ist_reconciler *with_service(const char *rules)
{
    struct ist_reconciler *run = runtime_new("{}");
    runtime_put(run, EAST, AWS_NODE);
    put_policy(run, "p", rules);
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_put(run, EAST, SERVICE);
    put_slice(run, "web-west", ", isthmus.dev/source-cluster: west", "10.2.0.4");
    runtime_settle(run);
    assert_true(names_vip(run, "shop/p-isthmus-west"));
    return run;
}

static void a_users_own_slices_behind_a_cluster_ip_count_too(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_service(TO("web"));
    put_slice(run, "by-hand", "", "203.0.113.9"); // the Service is his: he sends a part of it elsewhere
    runtime_settle(run);
    assert_false(names_vip(run, "shop/p-isthmus-west"));
    runtime_remove(run, EAST, "EndpointSlice", "shop", "by-hand");
    runtime_settle(run);
    assert_true(names_vip(run, "shop/p-isthmus-west"));
    runtime_free(run);
}

static void and_hold_where_they_lead_to_pods_that_the_policy_means(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_service(TO("web"));
    put_pod(run, EAST, "e", "web", "10.1.0.7");
    put_slice(run, "by-hand", "", "10.1.0.7");
    runtime_settle(run);
    assert_true(names_vip(run, "shop/p-isthmus-west"));
    put_pod(run, EAST, "e", "db", "10.1.0.7"); // the same address, another app: the slice says nothing of it
    runtime_settle(run);
    assert_false(names_vip(run, "shop/p-isthmus-west"));
    runtime_free(run);
}

static void a_cluster_ip_may_lead_to_two_other_clusters(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_service(TO("web"));
    put_pod(run, NORTH, "n", "web", "10.3.0.4");
    put_slice(run, "web-north", ", isthmus.dev/source-cluster: north", "10.3.0.4");
    runtime_settle(run);
    assert_true(names_vip(run, "shop/p-isthmus-west"));
    assert_true(names_vip(run, "shop/p-isthmus-north"));
    put_pod(run, NORTH, "n", "db", "10.3.0.4"); // not meant any more: the ClusterIP leads to it still
    runtime_settle(run);
    assert_false(names_vip(run, "shop/p-isthmus-west"));
    runtime_free(run);
}

static void a_service_with_a_selector_is_the_originals_business(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_service(TO("web"));
    runtime_put(run, EAST,
                "{kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, "
                "clusterIP: 172.20.0.9, clusterIPs: [172.20.0.9], ports: [{name: http, port: 80}]}}");
    runtime_settle(run);
    assert_false(names_vip(run, "shop/p-isthmus-west"));
    runtime_put(run, EAST, SERVICE); // the slices were there all the time
    runtime_settle(run);
    assert_true(names_vip(run, "shop/p-isthmus-west"));
    runtime_free(run);
}

static void the_order_in_which_services_were_seen_shows_nowhere(void **state)
{
    (void)state;
    char *texts[2] = {NULL, NULL};
    for (int turn = 0; turn < 2; turn++) {
        struct ist_reconciler *run = runtime_new("{}");
        runtime_put(run, EAST, AWS_NODE);
        put_pod(run, WEST, "w", "web", "10.2.0.4");
        put_policy(run, "p", TO("web"));
        for (int i = 0; i < 4; i++) {
            int k = turn ? 3 - i : i;
            char *yaml = ist_printf(
                "{kind: Service, metadata: {name: s%d, namespace: shop}, spec: {clusterIP: 172.20.0.%d, "
                "ports: [{port: %d}]}}\n---\n{kind: EndpointSlice, metadata: {name: s%d, namespace: shop, "
                "labels: {kubernetes.io/service-name: s%d}}, ports: [{port: 8080}], endpoints: [{addresses: "
                "[10.2.0.4]}]}",
                k, k + 1, 80 + k % 2, k, k);
            runtime_put(run, EAST, yaml);
            ist_free(yaml);
        }
        runtime_settle(run);
        texts[turn] = ist_json_text(runtime_object(run, EAST, "shop/p-isthmus-west"));
        runtime_free(run);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_non_null(strstr(texts[0], "172.20.0.4"));
    ist_free(texts[0]);
    ist_free(texts[1]);
}

static void a_policy_of_the_file_names_cluster_ips_too(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new(
        "{policies: [{name: g, cluster: east, namespace: shop, podSelector: {}, egress: [{to: [{cluster: "
        "west, podSelector: {matchLabels: {app: web}}}, {podSelector: {matchLabels: {app: web}}}]}]}]}");
    runtime_put(run, EAST, "{kind: Namespace, metadata: {name: shop}}");
    runtime_put(run, EAST, AWS_NODE);
    put_pod(run, WEST, "w", "web", "10.2.0.4");
    runtime_put(run, EAST, SERVICE);
    put_slice(run, "web-west", ", isthmus.dev/source-cluster: west", "10.2.0.4");
    runtime_settle(run);
    assert_true(names_vip(run, "shop/g"));
    put_pod(run, EAST, "e", "web", "10.1.0.7");
    put_slice(run, "by-hand", "", "10.1.0.7"); // the policy lets out to that as well
    runtime_settle(run);
    assert_true(names_vip(run, "shop/g"));
    put_slice(run, "by-hand", "", "10.1.0.8");
    runtime_settle(run);
    assert_false(names_vip(run, "shop/g"));
    runtime_free(run);
}

// ---- many addresses in a policy of the pipeline file

static size_t count_of(const struct ist_reconciler *run)
{
    struct ip_set all = {0};
    const char *name;
    json_t *object;
    json_object_foreach(run->objects[EAST], name, object) policy_addresses(object, &all);
    ip_set_seal(&all);
    size_t count = all.count;
    ip_set_free(&all);
    return count;
}

static void a_policy_of_the_file_with_many_addresses_is_divided(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new(
        "{policies: [{name: g, cluster: east, namespace: shop, podSelector: {matchLabels: {a: b}}, "
        "ingress: [{from: [{cluster: west, podSelector: {}}, {podSelector: {matchLabels: {x: "
        "y}}}], ports: [{port: 80}]}]}]}");
    runtime_put(run, EAST, "{kind: Namespace, metadata: {name: shop}}");
    for (int i = 0; i < 1500; i++) {
        char name[16], ip[16];
        snprintf(name, sizeof(name), "w%d", i);
        snprintf(ip, sizeof(ip), "10.2.%d.%d", i / 100, 2 + i % 100 * 2); // no two are neighbours
        put_pod(run, WEST, name, "web", ip);
    }
    runtime_settle(run);
    assert_true(json_object_size(run->objects[EAST]) > 3);
    assert_int_equal(count_of(run), 1500);
    const json_t *own = runtime_object(run, EAST, "shop/g");
    assert_int_equal(json_array_size(ist_json_at(own, "spec.ingress[0].from")), 1); // what was copied
    assert_non_null(ist_json_at(own, "spec.ingress[0].from[0].podSelector"));
    const char *name;
    json_t *object;
    json_object_foreach(run->objects[EAST], name, object)
    {
        assert_string_equal(ist_json_str_or(object, "spec.podSelector.matchLabels.a", ""), "b");
        assert_int_equal(ist_json_int(object, "spec.ingress[0].ports[0].port", 0), 80);
        assert_true(json_array_size(ist_json_at(object, "spec.ingress[0].from")) <= 500);
        assert_int_equal(json_array_size(ist_json_at(object, "spec.policyTypes")), 1);
    }
    size_t writes = run->writes;
    runtime_remove(run, WEST, "Pod", "shop", "w7");
    runtime_settle(run);
    assert_int_equal(run->writes - writes, 1); // its own object alone
    assert_int_equal(count_of(run), 1499);
    runtime_restart(run); // each of them is known again as the policy's
    runtime_settle(run);
    assert_int_equal(run->writes - writes, 1);
    for (int i = 100; i < 1500; i++) {
        char pod[16];
        snprintf(pod, sizeof(pod), "w%d", i);
        runtime_remove(run, WEST, "Pod", "shop", pod);
    }
    runtime_settle(run);
    assert_int_equal(json_object_size(run->objects[EAST]), 1);
    assert_int_equal(count_of(run), 99);
    runtime_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_a_withdrawal_that_is_taken_back_is_asked_again),
        cmocka_unit_test(what_changed_hands_while_a_kept_cluster_was_away_is_withdrawn_first),
        cmocka_unit_test(and_while_one_was_not_known_at_the_start),
        cmocka_unit_test(a_move_to_another_cluster_of_one_network_is_withdrawn_first_too),
        cmocka_unit_test(a_pod_that_shows_an_address_of_another_cluster_takes_it_from_nobody),
        cmocka_unit_test(namespaces_that_come_and_go_leave_nothing_behind),
        cmocka_unit_test(a_users_own_slices_behind_a_cluster_ip_count_too),
        cmocka_unit_test(and_hold_where_they_lead_to_pods_that_the_policy_means),
        cmocka_unit_test(a_cluster_ip_may_lead_to_two_other_clusters),
        cmocka_unit_test(a_service_with_a_selector_is_the_originals_business),
        cmocka_unit_test(the_order_in_which_services_were_seen_shows_nowhere),
        cmocka_unit_test(a_policy_of_the_file_names_cluster_ips_too),
        cmocka_unit_test(a_policy_of_the_file_with_many_addresses_is_divided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
