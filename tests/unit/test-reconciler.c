// The reconciler against API servers with a memory, reading once: what it writes, and what it leaves alone, when all is
// well and when it is not.
#include "reconciler-world.h"

#include <sys/syscall.h>
#include <time.h>

// ---- one reading ----

static void converges_and_stays(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    source(world, "two", "2");
    store_put(&world->a, "configmaps", "shop", "other", NULL, "not for mirroring");
    assert_int_equal(fakehost_changes(world->host), 4);
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_true(is(world, "one.a", "1"));
    assert_true(is(world, "two.a", "2"));
    assert_int_equal(store_writes(&world->b), 4);
    assert_int_equal(store_writes(&world->a), 0);
    json_t *secret = store_get(&world->b, "secrets", "shop", "one.a"),
           *config = store_get(&world->b, "configmaps", "shop", "one.a");
    assert_string_equal(ist_json_str(secret, "metadata.ownerReferences[0].uid"),
                        ist_json_str(config, "metadata.uid"));
    json_decref(secret);
    json_decref(config);
    assert_int_equal(fakehost_changes(world->host), 0);
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(store_writes(&world->b), 4);
    assert_int_equal(fakehost_run(world->host, IST_OP_VERIFY), IST_OK);
    assert_string_equal(ist_json_str(json_array_get(world->host->solo->report.checks, 0), "result"), "pass");
}

static void changes_and_deletions_are_found(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    source(world, "two", "2");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    source(world, "one", "changed");
    store_delete(&world->a, "configmaps", "shop", "two");
    assert_int_equal(fakehost_changes(world->host), 3); // an update, two deletions
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_true(is(world, "one.a", "changed"));
    assert_true(is(world, "two.a", NULL));
    assert_int_equal(store_writes(&world->b), 4 + 3);
}

// It stood in for a kind that the cluster did not serve in those days, and serves now: never both.
static void what_stood_in_for_a_kind_goes_once_that_is_served(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    store_put(&world->b, "limitranges", "shop", "one.a", OWNER_X, NULL);
    store_put(&world->b, "limitranges", "shop", "theirs", NULL, NULL);
    assert_int_equal(fakehost_changes(world->host), 3);
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(store_count(&world->b, "limitranges"), 0);
    json_t *theirs = store_get(&world->b, "limitranges", "shop", "theirs");
    assert_non_null(theirs);
    json_decref(theirs);
    assert_int_equal(fakehost_changes(world->host), 0);
    store_put(&world->b, "limitranges", "shop", "one.a", OWNER_X, NULL);
    start_watch(world); // the daemon finds it when it starts
    eventually(store_count(&world->b, "limitranges") == 0);
    source(world, "two", "2");
    eventually(is(world, "two.a", "2"));
}

static void writes_only_what_was_planned(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_changes(world->host), 2);
    source(world, "late", "2");
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_true(is(world, "one.a", "1"));
    assert_true(is(world, "late.a", NULL));
    assert_true(told(world, "since the plan"));
}

static void destroy_takes_its_own_alone(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    store_put(&world->b, "configmaps", "shop", "theirs", NULL, "x");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(store_count(&world->b, "configmaps") + store_count(&world->b, "secrets"), 0);
    assert_true(is(world, "theirs", "x"));
}

static void a_cluster_without_a_record_does_not_stop_a_destruction(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    store_fail(&world->b,
               (struct store_fault){
                   .method = "GET", .contains = "kube-system", .times = -1, .status = 403, .body = "{}"});
    (void)fakehost_run(world->host, IST_OP_DESTROY);
    assert_int_equal(world->host->solo->report.error.code, IST_OK);
    assert_true(told(world, "cluster b: nothing is recorded there"));
}

// As somebody would with `kubectl label configmap one.a isthmus.dev/owner- app.kubernetes.io/managed-by-`.
static void unmark(struct world *world)
{
    store_put(&world->b, "configmaps", "shop", "one.a", "{\"isthmus.dev/source-cluster\":\"a\"}", "1");
}

static int is_marked(struct world *world)
{
    json_t *object = store_get(&world->b, "configmaps", "shop", "one.a");
    json_t *labels = ist_json_at(object, "metadata.labels");
    int marked = json_object_get(labels, "isthmus.dev/owner") &&
                 json_object_get(labels, "app.kubernetes.io/managed-by");
    json_decref(object);
    return marked;
}

static void a_mark_that_was_taken_off_is_put_back(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    unmark(world);
    int writes = store_writes(&world->b);
    assert_int_equal(fakehost_run(world->host, IST_OP_VERIFY), IST_OK);
    assert_string_equal(ist_json_str(json_array_get(world->host->solo->report.checks, 1), "result"), "fail");
    assert_int_equal(fakehost_changes(world->host), 1);
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(store_writes(&world->b), writes + 1);
    assert_true(is_marked(world));
    assert_int_equal(fakehost_changes(world->host), 0);
}

static void what_lost_its_mark_goes_with_the_rest(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    store_put(&world->b, "configmaps", "shop", "theirs", NULL, "x");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    unmark(world);
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_true(is(world, "one.a", NULL));
    assert_true(is(world, "theirs", "x"));
}

// The inputs name that cluster no more: what was made there stays, and that is said.
static void what_is_left_in_a_dropped_cluster_is_told(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    json_t *inputs = inputs_of(world, json_object());
    json_object_del(json_object_get(inputs, "kubeconfigs"), "b");
    fakehost_inputs(world->host, inputs);
    fakehost_changes(world->host);
    assert_true(told(world, "stay in b, which `clusters` names no more"));
    assert_true(is(world, "one.a", "1"));
}

// The name is the same, the uid is not.
static void what_somebody_made_anew_is_his(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    store_delete(&world->b, "configmaps", "shop", "one.a");
    store_put(&world->b, "configmaps", "shop", "one.a", NULL, "theirs");
    fakehost_changes(world->host);
    assert_true(told(world, "exists and is not Isthmus's"));
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_true(is(world, "one.a", "theirs"));
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_true(is(world, "one.a", "theirs"));
}

static void a_watch_puts_the_mark_back(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    unmark(world);
    eventually(is_marked(world));
    stop_watch(world);
    assert_int_equal(fakehost_changes(world->host), 0);
}

static void taken_names_are_left_alone(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    store_put(&world->b, "configmaps", "shop", "one.a", NULL, "theirs");
    assert_int_equal(fakehost_changes(world->host), 0);
    assert_true(told(world, "exists and is not Isthmus's"));
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(store_writes(&world->b), 0);
    assert_int_equal(fakehost_run(world->host, IST_OP_VERIFY), IST_OK);
    assert_string_equal(ist_json_str(json_array_get(world->host->solo->report.checks, 1), "result"), "warn");
}

// Somebody takes the name between our look and our write, and server-side apply would merge in silence.
static void a_name_taken_in_between_is_given_back(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    store_put(&world->b, "secrets", "shop", "one.a", NULL, NULL);
    json_object_set_new(world->b.hidden, "secrets/shop/one.a", json_true());
    assert_int_equal(fakehost_changes(world->host), 2);
    assert_int_not_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    json_t *secret = store_get(&world->b, "secrets", "shop", "one.a");
    assert_null(ist_json_at(secret, "metadata.labels"));
    json_decref(secret);
}

static void many_come_in_pages(void **state)
{
    struct world *world = *state;
    char name[32];
    for (int i = 0; i < 1203; i++) {
        snprintf(name, sizeof name, "m%04d", i);
        source(world, name, "x");
    }
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    assert_int_equal(store_count(&world->b, "configmaps"), 1203);
    assert_int_equal(store_writes(&world->b), 2406);
    // The second page expires, and another one breaks off in the middle: nothing is taken for gone.
    store_fail(&world->a,
               (struct store_fault){.method = "GET", .contains = "continue=500", .times = 1, .status = 410});
    store_fail(&world->a, (struct store_fault){
                              .method = "GET", .contains = "configmaps?", .times = 1, .cut_after = 5000});
    store_fail(&world->b, (struct store_fault){.method = "GET",
                                               .contains = "%21%3D",
                                               .times = 1,
                                               .status = 200,
                                               .body = "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":"
                                                       "\"5\"},\"items\":[{\"metadata\":{\"name\":\"half"});
    assert_int_equal(fakehost_changes(world->host), 0);
}

static void one_dead_cluster_keeps_nothing_up(void **state)
{
    struct world *world = *state;
    struct kube_store dead;
    store_start(&dead, "uid-of-dead");
    store_put(&dead, "configmaps", "shop", "theirs", "{\"mirror\":\"yes\"}", "d");
    source(world, "one", "1");
    set_inputs(world, json_pack("{s:{s:s, s:s, s:s}}", "kubeconfigs", "a", world->a.kubeconfig, "b",
                                world->b.kubeconfig, "dead", dead.kubeconfig));
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    assert_true(is(world, "theirs.dead", "d"));
    store_set_down(&dead, 1);
    source(world, "two", "2");
    assert_int_equal(fakehost_run(world->host, IST_OP_OBSERVE), IST_OK);
    assert_int_equal(fakehost_run(world->host, IST_OP_PLAN), IST_OK);
    assert_true(told(world, "cluster dead cannot be read"));
    assert_int_equal(json_array_size(world->host->solo->report.changes),
                     3); // two, and the one cannot be told
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_ERR_NETWORK);
    assert_true(is(world, "two.a", "2"));
    assert_true(is(world, "theirs.dead", "d"));

    // With nothing to do elsewhere the plan is not empty either; and what it did not see is not written.
    assert_int_equal(fakehost_changes(world->host), 1);
    store_set_down(&dead, 0);
    store_put(&dead, "configmaps", "shop", "theirs", "{\"mirror\":\"yes\"}", "e");
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_ERR_NETWORK);
    assert_true(is(world, "theirs.dead", "d"));
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    assert_true(is(world, "theirs.dead", "e"));
    assert_int_equal(fakehost_changes(world->host), 0);
    store_stop(&dead);
}

static void another_cluster_under_the_name_is_a_question(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    snprintf(world->a.uid, sizeof world->a.uid, "another");
    store_delete(&world->a, "configmaps", "shop", "one");
    source(world, "new", "1");
    assert_int_equal(fakehost_changes(world->host), 1); // to ask: what stands in its name stays
    assert_true(told(world, "is another cluster than before"));
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_ERR_QUESTION);
    assert_true(is(world, "one.a", "1"));
    assert_true(is(world, "new.a", NULL));
}

static void two_names_for_one_cluster_are_a_question(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    set_inputs(world, json_pack("{s:{s:s, s:s, s:s}}", "kubeconfigs", "a", world->a.kubeconfig, "b",
                                world->b.kubeconfig, "also-b", world->b.kubeconfig));
    source(world, "two", "2");
    assert_int_equal(fakehost_changes(world->host), 3); // two, and to ask
    assert_true(told(world, "is the same cluster as"));
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_ERR_QUESTION);
    assert_true(is(world, "two.a", "2"));
}

static void refusals_of_the_moment_are_sat_out(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_changes(world->host), 2);
    store_fail(&world->b,
               (struct store_fault){.method = "PATCH",
                                    .contains = "configmaps",
                                    .times = 1,
                                    .status = 409,
                                    .body = "{\"message\":\"the object has been modified; please apply\"}"});
    store_fail(&world->b, (struct store_fault){.method = "PATCH",
                                               .contains = "configmaps",
                                               .times = 1,
                                               .status = 429,
                                               .headers = "Retry-After: 1\r\n"});
    store_fail(&world->b,
               (struct store_fault){.method = "PATCH", .contains = "configmaps", .times = 1, .status = 503});
    store_fail(&world->b,
               (struct store_fault){.method = "PATCH", .contains = "secrets", .times = 1, .cut_after = -1});
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_true(is(world, "one.a", "1"));
    assert_int_equal(world->b.creates, 2);
}

// The server acted, and its answer never came: the same again is no harm, and what we made is not taken for theirs.
static void a_lost_answer_is_asked_for_again(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_changes(world->host), 2);
    store_fail(&world->b, (struct store_fault){
                              .method = "PATCH", .contains = "configmaps", .times = 1, .cut_after = 20});
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(world->b.creates, 2);
    assert_int_equal(fakehost_changes(world->host), 0);
}

static void a_refusal_for_good_hurts_its_key_alone(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    source(world, "two", "2");
    store_fail(&world->b, (struct store_fault){.method = "PATCH",
                                               .contains = "one.a",
                                               .times = -1,
                                               .status = 403,
                                               .body = "{\"message\":\"cannot patch configmaps\"}"});
    assert_int_equal(fakehost_converge(world->host), IST_ERR_DENIED);
    assert_non_null(strstr(world->host->solo->report.error.text, "cannot patch configmaps"));
    assert_true(is(world, "two.a", "2"));
}

// ---- what stands still ----

static int64_t ahead; // how far the clock of this program is

// In place of the C library's, so that a test need not wait for what takes long.
int clock_gettime(clockid_t id, struct timespec *now)
{
    const int rc = (int)syscall(SYS_clock_gettime, id, now);
    if (rc == 0 && id == CLOCK_MONOTONIC)
        now->tv_sec += __atomic_load_n(&ahead, __ATOMIC_SEQ_CST);
    return rc;
}

static void *run_observe(void *arg)
{
    struct world *world = arg;
    return (void *)(intptr_t)fakehost_run(world->host, IST_OP_OBSERVE);
}

static int met_fault(struct kube_store *store, size_t i)
{
    pthread_mutex_lock(&store->lock);
    const int met = store->faults[i].times == 0;
    pthread_mutex_unlock(&store->lock);
    return met;
}

static int held_by(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    const int held = store->held;
    pthread_mutex_unlock(&store->lock);
    return held;
}

// The answer to a list never comes: of what is not ours, or of what is.
static void a_list_that_stands_still_is_asked_for_again(void **state)
{
    static const char *const stopped[] = {"/secrets?labelSelector=isthmus.dev%2Fowner%21%3Dstep",
                                          "/secrets?labelSelector=isthmus.dev%2Fowner%3Dstep"};
    struct world *world = *state;
    void *code = NULL;
    source(world, "one", "1");
    for (size_t i = 0; i < sizeof stopped / sizeof *stopped; i++) {
        struct store_fault fault = {.method = "GET", .contains = stopped[i], .times = 1, .hold = 1};
        store_fail(&world->b, fault);
        fault.hold = 0; // the next one is answered
        store_fail(&world->b, fault);
        pthread_create(&world->thread, NULL, run_observe, world);
        within(20, held_by(&world->b) == 1);
        __atomic_fetch_add(&ahead, 21, __ATOMIC_SEQ_CST);
        within(20, met_fault(&world->b, 1)); // a whole request would have 39 s more
        pthread_join(world->thread, &code);
        store_release(&world->b);
        assert_int_equal((intptr_t)code, IST_OK);
        assert_int_equal(json_array_size(ist_json_at(world->host->solo->observed, "clusters.b.actions")), 2);
    }
}

// A name, or a pattern with *, picks tests.
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(converges_and_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_and_deletions_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(what_stood_in_for_a_kind_goes_once_that_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_only_what_was_planned, setup, teardown),
        cmocka_unit_test_setup_teardown(destroy_takes_its_own_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cluster_without_a_record_does_not_stop_a_destruction, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_mark_that_was_taken_off_is_put_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_lost_its_mark_goes_with_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_left_in_a_dropped_cluster_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_somebody_made_anew_is_his, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_puts_the_mark_back, setup, teardown),
        cmocka_unit_test_setup_teardown(taken_names_are_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_taken_in_between_is_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(many_come_in_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(one_dead_cluster_keeps_nothing_up, setup, teardown),
        cmocka_unit_test_setup_teardown(another_cluster_under_the_name_is_a_question, setup, teardown),
        cmocka_unit_test_setup_teardown(two_names_for_one_cluster_are_a_question, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_of_the_moment_are_sat_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_answer_is_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_for_good_hurts_its_key_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_that_stands_still_is_asked_for_again, setup, teardown),
    };
    return cmocka_run_group_tests_name("reconciler", tests, NULL, NULL);
}
