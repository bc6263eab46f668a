// k8s-netpol: whatever comes and goes, in whatever order it is written: no write lets in more than what was there and
// what is to be there, no address is written for its next owner while somebody still lets in the last one by it, and
// in the end everything is as if it had been worked out from nothing.
#include "netpol-runtime.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLICIES 6
#define PODS     24

static const char *const labels[] = {"web", "db", "cache"};
static const char *const cluster_names[] = {"east", "west", "north"};

struct check {
    struct ist_reconciler *run;
    json_t *allowed; // what the key's objects admit before and after this decision
    size_t writes, additions;
};
static struct check checking; // of the one test that runs

// ---- what objects admit, tuple by tuple: written without the code under test

static void admit_rules(json_t *set, const json_t *spec, const char *direction, const char *peers,
                        const char *ns)
{
    char *selector = ist_json_text(json_object_get(spec, "podSelector"));
    size_t i, k;
    json_t *rule, *peer;
    json_array_foreach(json_object_get(spec, direction), i, rule)
    {
        json_t *ports = json_object_get(rule, "ports");
        char *port_text = ports ? ist_json_text(ports) : ist_strdup("all");
        json_array_foreach(json_object_get(rule, peers), k, peer)
        {
            struct net net;
            struct ip first, last;
            const char *cidr = ist_json_str_or(peer, "ipBlock.cidr", "");
            assert_int_equal(net_parse(cidr, &net), 0);
            net_bounds(&net, &first, &last);
            for (struct ip ip = first;; ip.bytes[15]++) {
                char text[IP_TEXT_SIZE];
                ip_text(&ip, text);
                char *tuple = ist_printf("%s %s %s %s %s", ns, selector, direction, port_text, text);
                json_object_set_new(set, tuple, json_string(text));
                ist_free(tuple);
                if (ip_compare(&ip, &last) == 0)
                    break;
            }
        }
        assert_true(json_array_size(json_object_get(rule, peers)) > 0); // an empty list would be everybody
        ist_free(port_text);
    }
    ist_free(selector);
}

static void admit(json_t *set, const json_t *object)
{
    const json_t *spec = json_object_get(object, "spec");
    const char *ns = ist_json_str_or(object, "metadata.namespace", "");
    if (!spec)
        return;
    admit_rules(set, spec, "ingress", "from", ns);
    admit_rules(set, spec, "egress", "to", ns);
}

static void admit_all(json_t *set, const json_t *objects)
{
    const char *name;
    json_t *object;
    json_object_foreach((json_t *)(uintptr_t)objects, name, object) admit(set, object);
}

// ---- what a policy means now, from nothing

static json_t *fresh(struct ist_reconciler *run, size_t cluster, const char *ns, const char *name)
{
    json_t *objects = json_array();
    const struct policy *policy = world_find_policy(run->model->world, cluster, ns, name);
    for (size_t remote = 0; policy && remote < CLUSTERS; remote++) {
        if (!policy_reaches(run->model->world, policy, remote))
            continue;
        json_t *made = companions_make(run->model->world, policy, remote, NULL, NULL);
        json_array_extend(objects, made);
        json_decref(made);
    }
    return objects;
}

static int fresh_has(struct ist_reconciler *run, size_t cluster, const json_t *object, const char *address)
{
    json_t *objects =
               fresh(run, cluster, ist_json_str_or(object, "metadata.namespace", ""), companion_of(object)),
           *one;
    struct ip_set set = {0};
    struct ip ip;
    size_t i;
    json_array_foreach(objects, i, one) policy_addresses(one, &set);
    ip_set_seal(&set);
    ip_parse(address, &ip);
    int has = ip_set_has(&set, &ip);
    ip_set_free(&set);
    json_decref(objects);
    return has;
}

// `address` is about to be let in by `key` in that cluster: nobody else still has it who should not.
static void assert_nobody_owes(struct ist_reconciler *run, const char *key, const char *address)
{
    const char *name;
    json_t *object;
    struct ip ip;
    ip_parse(address, &ip);
    for (size_t cluster = 0; cluster < CLUSTERS; cluster++)
        json_object_foreach(run->objects[cluster], name, object)
        {
            struct ip_set set = {0};
            char *its =
                ist_printf("%s/%s", ist_json_str_or(object, "metadata.namespace", ""), companion_of(object));
            policy_addresses(object, &set);
            ip_set_seal(&set);
            if (strcmp(its, key) != 0 && run->state[cluster] == IST_CLUSTER_SYNCED && ip_set_has(&set, &ip) &&
                !fresh_has(run, cluster, object, address))
                fail_msg("%s is let in by %s while %s in %s still has it from its last owner", address, key,
                         name, cluster_names[cluster]);
            ip_set_free(&set);
            ist_free(its);
        }
}

// At the moment of decision: what happens between that and the write is for the next decision.
static void on_decided(struct ist_reconciler *run, size_t cluster, const char *key, const json_t *before,
                       const json_t *after)
{
    json_t *was = json_object(), *is = json_object(), *had = json_object(), *address;
    const char *tuple;
    (void)cluster;
    admit_all(was, before);
    admit_all(is, after);
    json_object_foreach(was, tuple, address) json_object_set(had, json_string_value(address), address);
    json_object_foreach(is, tuple, address)
    {
        if (json_object_get(had, json_string_value(address)))
            continue;
        checking.additions++;
        assert_nobody_owes(run, key, json_string_value(address));
    }
    json_object_clear(checking.allowed);
    json_object_update(checking.allowed, was);
    json_object_update(checking.allowed, is);
    json_decref(was);
    json_decref(is);
    json_decref(had);
}

static void on_write(struct ist_reconciler *run, size_t cluster, const char *key, const json_t *before,
                     const json_t *after)
{
    json_t *is = json_object(), *address;
    const char *tuple;
    (void)run;
    (void)cluster;
    (void)key;
    (void)before;
    admit(is, after);
    checking.writes++;
    json_object_foreach(is, tuple, address)
    {
        if (!json_object_get(checking.allowed, tuple))
            fail_msg("%s is neither what was there nor what is to be there", tuple);
    }
    json_decref(is);
}

// ---- churn

static int shares_network(const struct ist_reconciler *run)
{
    return !run->items[0].pod_cidr_count;
}

static void put_pod(struct ist_reconciler *run, size_t cluster)
{
    uint32_t n = runtime_random(run, PODS), label = runtime_random(run, 3), host = runtime_random(run, 12);
    char *yaml = ist_printf(
        "{kind: Pod, metadata: {name: p%u, namespace: %s, labels: {app: %s}}, spec: {hostNetwork: "
        "%s, containers: [{ports: [{name: http, containerPort: %u}]}]}, status: {phase: %s, podIP: "
        "10.%zu.0.%u}}",
        n, n % 3 ? "shop" : "blue", labels[label], host ? "false" : "true", 8080 + runtime_random(run, 2),
        runtime_random(run, 8) ? "Running" : "Succeeded", shares_network(run) ? 9 : cluster + 1,
        runtime_random(run, 12));
    runtime_put(run, cluster, yaml);
    ist_free(yaml);
}

static const char *const peers[] = {
    "{podSelector: {matchLabels: {app: web}}}",
    "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}",
    "{namespaceSelector: {matchLabels: {team: blue}}}",
    "{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}",
};

static void put_policy(struct ist_reconciler *run)
{
    uint32_t n = runtime_random(run, POLICIES);
    const char *to = runtime_random(run, 5) ? "'*'" : runtime_random(run, 2) ? "west" : "''";
    char *yaml = ist_printf(
        "{kind: NetworkPolicy, metadata: {name: q%u, namespace: %s, uid: u%u, annotations: "
        "{isthmus.dev/clusters: %s}}, spec: {podSelector: {matchLabels: {app: %s}}, ingress: "
        "[{from: [%s], ports: [{port: %u}]}], egress: [{to: [%s, %s], ports: [{port: http}]}]}}",
        n, n % 2 ? "shop" : "blue", n, to, labels[runtime_random(run, 3)], peers[runtime_random(run, 4)],
        80 + runtime_random(run, 2), peers[runtime_random(run, 4)], peers[runtime_random(run, 4)]);
    runtime_put(run, n % CLUSTERS, yaml);
    ist_free(yaml);
}

static void remove_policy(struct ist_reconciler *run)
{
    uint32_t n = runtime_random(run, POLICIES);
    char *name = ist_printf("q%u", n);
    runtime_remove(run, n % CLUSTERS, "NetworkPolicy", n % 2 ? "shop" : "blue", name);
    ist_free(name);
}

static void remove_pod(struct ist_reconciler *run, size_t cluster)
{
    uint32_t n = runtime_random(run, PODS);
    char *name = ist_printf("p%u", n);
    runtime_remove(run, cluster, "Pod", n % 3 ? "shop" : "blue", name);
    ist_free(name);
}

static void label_namespace(struct ist_reconciler *run, size_t cluster)
{
    char *yaml = ist_printf("{kind: Namespace, metadata: {name: blue, labels: {team: %s}}}",
                            runtime_random(run, 2) ? "blue" : "red");
    runtime_put(run, cluster, yaml);
    ist_free(yaml);
}

static void one_event(struct ist_reconciler *run)
{
    size_t cluster = runtime_random(run, CLUSTERS);
    uint32_t what = runtime_random(run, 100);
    if (what < 55)
        put_pod(run, cluster);
    else if (what < 82)
        remove_pod(run, cluster);
    else if (what < 92)
        put_policy(run);
    else if (what < 95)
        remove_policy(run);
    else if (what < 97)
        label_namespace(run, cluster);
    else if (what < 99)
        runtime_state(run, cluster,
                      run->state[cluster] == IST_CLUSTER_SYNCED ? IST_CLUSTER_LOST : IST_CLUSTER_SYNCED);
    else
        runtime_restart(run);
}

static void assert_as_from_nothing(struct ist_reconciler *run)
{
    for (size_t cluster = 0; cluster < CLUSTERS; cluster++) {
        json_t *wanted = json_object(), *objects, *object;
        size_t i;
        for (uint32_t n = 0; n < POLICIES; n++) {
            char *name = ist_printf("q%u", n);
            objects = fresh(run, cluster, n % 2 ? "shop" : "blue", name);
            json_array_foreach(objects, i, object)
            {
                char *key = ist_printf("%s/%s", ist_json_str_or(object, "metadata.namespace", ""),
                                       ist_json_str_or(object, "metadata.name", ""));
                json_object_set(wanted, key, object);
                ist_free(key);
            }
            json_decref(objects);
            ist_free(name);
        }
        if (!json_equal(wanted, run->objects[cluster])) {
            char *is = ist_json_text(run->objects[cluster]), *should = ist_json_text(wanted);
            fail_msg("%s holds\n%s\nand should hold\n%s", cluster_names[cluster], is, should);
        }
        json_decref(wanted);
    }
}

static void churn(uint32_t seed, int shuffled, int shared)
{
    struct ist_reconciler *run = runtime_new("{}");
    if (shared)
        runtime_share_network(run);
    run->random = seed;
    run->shuffled = shuffled;
    run->before_write = on_write;
    run->decided = on_decided;
    for (int i = 0; i < 600; i++) {
        one_event(run);
        for (uint32_t steps = runtime_random(run, 5); steps > 0; steps--)
            runtime_step(run);
    }
    for (size_t cluster = 0; cluster < CLUSTERS; cluster++)
        runtime_state(run, cluster, IST_CLUSTER_SYNCED);
    runtime_settle(run);
    assert_as_from_nothing(run);
    size_t writes = run->writes, pending = 0;
    for (size_t cluster = 0; cluster < CLUSTERS; cluster++) {
        assert_int_equal(moves_oldest(run->model, cluster, &pending), 0);
        assert_int_equal(pending, 0);
    }
    runtime_restart(run);
    runtime_settle(run);
    assert_int_equal(run->writes, writes); // a restart writes nothing
    runtime_free(run);
}

// CHURN_FULL: many; else as many as memcheck has the patience for.
static uint32_t seeds(void)
{
    return getenv("CHURN_FULL") ? 100 : 6;
}

static void any_churn_in_any_order_of_keys(void **state)
{
    (void)state;
    checking = (struct check){.allowed = json_object()};
    for (uint32_t seed = 1; seed <= seeds(); seed++)
        churn(seed * 7919, 1, 0);
    print_message("%zu writes, %zu additions\n", checking.writes, checking.additions);
    assert_true(checking.writes > 500 && checking.additions > 500);
    json_decref(checking.allowed);
}

static void any_churn_with_what_is_urgent_first(void **state)
{
    (void)state;
    checking = (struct check){.allowed = json_object()};
    for (uint32_t seed = 1; seed <= seeds(); seed++)
        churn(seed * 104729, 0, 0);
    assert_true(checking.writes > 500);
    json_decref(checking.allowed);
}

static void any_churn_in_clusters_of_one_network(void **state)
{
    (void)state;
    checking = (struct check){.allowed = json_object()};
    for (uint32_t seed = 1; seed <= seeds(); seed++)
        churn(seed * 31337, 1, 1);
    assert_true(checking.writes > 500 && checking.additions > 200);
    json_decref(checking.allowed);
}

// ---- at scale: the model alone, with what this test's own runtime costs. With CHURN_FULL set it is 10,000 pods and must
// keep up with 200 changes a second; else as many as memcheck has the patience for.

#define NAMESPACES 20
#define CHANGES    2000
#define PER_SECOND 200
#define WIDE       10 // policies that let in pods of every namespace

static void put_one_of_many(struct ist_reconciler *run, unsigned n, unsigned address)
{
    char *name = ist_printf("m%u", n), *ns = ist_printf("ns%u", n % NAMESPACES),
         *app = ist_printf("a%u", n / 40 % 5);
    char *ip = ist_printf("10.%u.%u.%u", n % 2 + 1, address / 256 % 256, address % 256);
    json_t *pod =
        json_pack("{s:s, s:{s:s, s:s, s:{s:s}}, s:{s:s, s:s}}", "kind", "Pod", "metadata", "name", name,
                  "namespace", ns, "labels", "app", app, "status", "phase", "Running", "podIP", ip);
    model_see(run->model, n % 2, KIND_POD, pod, 0);
    json_decref(pod);
    ist_free(name);
    ist_free(ns);
    ist_free(app);
    ist_free(ip);
}

static void put_many_policies(struct ist_reconciler *run)
{
    for (unsigned n = 0; n < 100; n++) {
        char *peer =
            n < WIDE ? ist_printf("{namespaceSelector: {}, podSelector: {matchLabels: {app: a%u}}}", n % 5)
                     : ist_printf("{podSelector: {matchLabels: {app: a%u}}}", n % 5);
        char *yaml =
            ist_printf("{kind: NetworkPolicy, metadata: {name: q%u, namespace: ns%u, uid: u%u, annotations: "
                       "{isthmus.dev/clusters: '*'}}, spec: {podSelector: {}, ingress: [{from: [%s]}]}}",
                       n, n / 2 % NAMESPACES, n, peer);
        runtime_put(run, n % 2, yaml);
        ist_free(yaml);
        ist_free(peer);
    }
}

static void ten_thousand_pods_under_a_hundred_policies_keep_up(void **state)
{
    (void)state;
    struct ist_reconciler *run = runtime_new("{}");
    int full = getenv("CHURN_FULL") != NULL;
    unsigned pods = full ? 10000 : 1000, changes = full ? 2000 : 50;
    put_many_policies(run);
    for (unsigned n = 0; n < pods; n++)
        put_one_of_many(run, n, n);
    runtime_settle(run);
    size_t before = run->writes;
    clock_t began = clock();
    for (unsigned i = 0; i < changes; i++) {
        put_one_of_many(run, (i * 37) % pods, pods + i); // the pod has another address
        runtime_settle(run);
    }
    double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    print_message("%u pods, %u address changes: %.2f s of processor time, %zu writes\n", pods, changes,
                  seconds, run->writes - before);
    assert_true(run->writes - before >= changes);
    assert_true(!full || seconds < (double)changes / PER_SECOND);
    runtime_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_churn_in_any_order_of_keys),
        cmocka_unit_test(any_churn_with_what_is_urgent_first),
        cmocka_unit_test(any_churn_in_clusters_of_one_network),
        cmocka_unit_test(ten_thousand_pods_under_a_hundred_policies_keep_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
