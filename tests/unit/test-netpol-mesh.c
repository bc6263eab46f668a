// k8s-netpol's daemon between clusters with Cilium: whether they are in one ClusterMesh is asked without waiting, and
// until that is known nothing is written.
#include "netpol-runtime.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define EAST 0
#define WEST 1

#define CONFIG "/api/v1/namespaces/kube-system/configmaps/cilium-config"
#define USERS  "/api/v1/namespaces/kube-system/configmaps/clustermesh-remote-users"
#define SERVER "/apis/apps/v1/namespaces/kube-system/deployments/clustermesh-apiserver"

static void put_cilium(struct ist_reconciler *run, size_t cluster)
{
    runtime_put(run, cluster,
                "{kind: DaemonSet, metadata: {name: cilium, namespace: kube-system}, spec: {template: {}}}");
}

static void join(struct ist_reconciler *run, size_t cluster, const char *id)
{
    json_object_set_new(run->readable[cluster], CONFIG, json_pack("{s:{s:s}}", "data", "cluster-id", id));
    json_object_set_new(run->readable[cluster], SERVER, json_object());
}

// A policy of the east for web pods, one of which is in the west; both run Cilium.
static struct ist_reconciler *with_cilium(void)
{
    struct ist_reconciler *run = runtime_new("{}");
    put_cilium(run, EAST);
    put_cilium(run, WEST);
    runtime_put(run, EAST,
                "{kind: NetworkPolicy, metadata: {name: p, namespace: shop, uid: u, annotations: "
                "{isthmus.dev/clusters: west}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: "
                "{matchLabels: {app: web}}}]}]}}");
    runtime_put(run, WEST,
                "{kind: Pod, metadata: {name: w, namespace: shop, labels: {app: web}}, status: {phase: "
                "Running, podIP: 10.2.0.4}}");
    return run;
}

static const char *written(struct ist_reconciler *run)
{
    return ist_json_str_or(runtime_object(run, EAST, "shop/p-isthmus-west"),
                           "spec.ingress[0].from[0].ipBlock.cidr", "none");
}

static int is_noted(struct ist_reconciler *run, const char *part)
{
    size_t i;
    json_t *note, *objects = runtime_wanted(run, EAST, "shop/p");
    json_decref(objects);
    json_array_foreach(run->notes, i, note)
    {
        if (strstr(json_string_value(note), part))
            return 1;
    }
    return 0;
}

// Decides, writes and answers until nothing is left.
static void rest(struct ist_reconciler *run)
{
    do
        runtime_settle(run);
    while (runtime_answer(run));
    runtime_settle(run);
}

static void tick(struct ist_reconciler *run)
{
    for (size_t i = 0; i < 2; i++) {
        json_t *status = json_object();
        run->model->facts[i].mesh.next_at = 0; // time has passed
        model_status(run->model, i, status);
        json_decref(status);
    }
}

static void nothing_is_written_before_both_have_answered(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_cilium();
    runtime_settle(run);
    assert_string_equal(written(run), "none");
    assert_true(is_noted(run, "until it is known whether it is in a Cilium ClusterMesh with east"));
    assert_int_equal(run->read_count, 2); // each once, and nothing waited for it
    rest(run);
    assert_string_equal(written(run), "10.2.0.4/32");
    runtime_free(run);
}

static void what_is_in_one_mesh_is_never_written(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_cilium();
    join(run, EAST, "1");
    join(run, WEST, "2");
    rest(run);
    assert_string_equal(written(run), "none");
    assert_true(is_noted(run, "no ipBlock matches pods that Cilium knows"));
    json_object_del(run->readable[WEST], SERVER); // it leaves
    tick(run);
    rest(run);
    assert_string_equal(written(run), "10.2.0.4/32");
    runtime_free(run);
}

// In a mesh each, with servers and ids: who may ask whose server tells them apart.
static void clusters_of_two_meshes_are_strangers(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_cilium();
    for (size_t i = 0; i < 2; i++) {
        join(run, i, i ? "2" : "1");
        json_object_set_new(json_object_get(json_object_get(run->readable[i], CONFIG), "data"),
                            "cluster-name", json_string(i ? "west" : "east"));
    }
    rest(run);
    assert_true(is_noted(run, "no ipBlock matches pods that Cilium knows")); // it is not known who may
    for (size_t i = 0; i < 2; i++)
        json_object_set_new(run->readable[i], USERS,
                            json_pack("{s:{s:s}}", "data", "users.yaml", "users: [{name: remote-other}]"));
    tick(run);
    rest(run);
    assert_string_equal(written(run), "10.2.0.4/32");
    json_object_set_new(run->readable[WEST], USERS,
                        json_pack("{s:{s:s}}", "data", "users.yaml", "users: [{name: remote-east}]"));
    tick(run);
    rest(run);
    assert_true(is_noted(run, "no ipBlock matches pods that Cilium knows"));
    runtime_free(run);
}

static void a_mesh_that_is_made_later_is_noticed(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_cilium();
    rest(run);
    assert_string_equal(written(run), "10.2.0.4/32");
    join(run, EAST, "1");
    join(run, WEST, "2");
    tick(run);
    rest(run);
    assert_true(is_noted(run, "no ipBlock matches pods that Cilium knows"));
    runtime_free(run);
}

static void an_answer_that_is_none_is_no_answer_and_it_is_asked_again(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_cilium();
    join(run, EAST, "1");
    run->unreadable[WEST] = 1;
    rest(run);
    assert_string_equal(written(run), "none");
    assert_true(is_noted(run, "403 " CONFIG));
    size_t asked = run->read_count;
    ist_reconciler_touch(run, EAST, "shop/p", 0);
    rest(run);
    assert_int_equal(run->read_count, asked); // not at every turn
    run->unreadable[WEST] = 0;
    tick(run);
    rest(run);
    assert_string_equal(written(run), "10.2.0.4/32");
    run->unreadable[WEST] = 1; // what was known counts
    tick(run);
    rest(run);
    runtime_put(run, WEST,
                "{kind: Pod, metadata: {name: w, namespace: shop, labels: {app: web}}, status: {phase: "
                "Running, podIP: 10.2.0.5}}");
    rest(run);
    assert_string_equal(written(run), "10.2.0.5/32");
    runtime_free(run);
}

static void what_stands_meanwhile_is_still_owed(void **state)
{
    (void)state;
    struct ist_reconciler *run = with_cilium();
    size_t count;
    rest(run);
    runtime_restart(run);
    run->unreadable[EAST] = run->unreadable[WEST] = 1;
    rest(run);
    runtime_remove(run, WEST, "Pod", "shop", "w");
    rest(run);
    assert_string_equal(written(run), "10.2.0.4/32");
    moves_oldest(run->model, EAST, &count);
    assert_int_equal(count, 1); // so that its age is told, and nobody else gets the address meanwhile
    run->unreadable[EAST] = run->unreadable[WEST] = 0;
    tick(run);
    rest(run);
    assert_string_equal(written(run), "none");
    moves_oldest(run->model, EAST, &count);
    assert_int_equal(count, 0);
    runtime_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_before_both_have_answered),
        cmocka_unit_test(what_is_in_one_mesh_is_never_written),
        cmocka_unit_test(clusters_of_two_meshes_are_strangers),
        cmocka_unit_test(a_mesh_that_is_made_later_is_noticed),
        cmocka_unit_test(an_answer_that_is_none_is_no_answer_and_it_is_asked_again),
        cmocka_unit_test(what_stands_meanwhile_is_still_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
