// New inputs (SIGHUP) and a clock put right, for a watch that goes on.
#include "own-time.h"
#include "reconciler-world.h"

static void reconfigure(struct world *world, json_t *more)
{
    renewal_put(&world->renewal, inputs_of(world, more));
}

static int applied(struct world *world, json_int_t generation)
{
    return number_is(world, "clusters.a.generation", generation) &&
           number_is(world, "clusters.b.generation", generation);
}

static int held_by(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    const int held = store->held;
    pthread_mutex_unlock(&store->lock);
    return held;
}

static int watches_of(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    const int watches = store->watches;
    pthread_mutex_unlock(&store->lock);
    return watches;
}

// One ConfigMap is mirrored, all is listed and watched, and who writes holds the Lease.
static void follow_one(struct world *world)
{
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1 && applied(world, 1));
}

// And it goes on: with what comes next, by one write each, as the same holder.
static void follows(struct world *world, const char *name)
{
    char mirror[32];
    snprintf(mirror, sizeof mirror, "%s.a", name);
    const int writes = store_writes(&world->b), secrets = store_count(&world->b, "secrets");
    source(world, name, "next");
    eventually(is(world, mirror, "next") && store_count(&world->b, "secrets") == secrets + 1);
    assert_int_equal(store_writes(&world->b), writes + 2);
    assert_true(flag_is(world, "clusters.b.holds_lease", 1));
}

// The next watch of a resource says `events`, once it is released.
static void hold_watch(struct kube_store *store, const char *resource, const char *events)
{
    store_fail(
        store,
        (struct store_fault){
            .method = "GET", .contains = resource, .times = 1, .status = 200, .body = events, .hold = 1});
}

// What a watch says late of what the new list had: something that had gone by then, and that something goes, with its
// last version as older servers say it.
static char *late_events(struct world *world)
{
    json_t *two = store_get(&world->a, "configmaps", "shop", "two"), *ghost = json_deep_copy(two);
    json_object_set_new(json_object_get(ghost, "metadata"), "name", json_string("ghost"));
    json_object_set_new(json_object_get(ghost, "metadata"), "uid", json_string("uid-of-a-ghost"));
    json_t *added = json_pack("{s:s, s:o}", "type", "ADDED", "object", ghost),
           *deleted = json_pack("{s:s, s:o}", "type", "DELETED", "object", two);
    char *first = ist_json_text(added), *second = ist_json_text(deleted),
         *events = ist_printf("%s\n%s\n", first, second);
    json_decref(added);
    json_decref(deleted);
    ist_free(first);
    ist_free(second);
    return events;
}

static void new_inputs_do_not_end_a_watch(void **state)
{
    struct world *world = *state;
    source(world, "two", "2");
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 2 && applied(world, 1));
    char *events = late_events(world);
    hold_watch(&world->a, "configmaps?watch=1", events);
    hold_watch(&world->a, "secrets?watch=1", "");
    hold_watch(&world->a, "namespaces?watch=1", "");
    eventually(held_by(&world->a) == 3);
    const int watches = watches_of(&world->a), writes = store_writes(&world->b);
    source(world, "three", "3"); // which only the new list can say
    reconfigure(world, json_pack("{s:i}", "within_ms", 1));
    eventually(is(world, "three.a", "3") && applied(world, 2));
    assert_int_equal(watches_of(&world->a), watches); // the same go on
    assert_int_equal(held_by(&world->a), 3);
    assert_int_equal(store_writes(&world->b), writes + 2);
    assert_false(told(world, "begun anew"));
    pthread_mutex_lock(&world->a.lock); // no list says any more what the watch has said
    json_object_set_new(world->a.hidden, "configmaps/shop/two", json_true());
    pthread_mutex_unlock(&world->a.lock);
    store_release(&world->a);
    eventually(is(world, "two.a", NULL));
    eventually(store_count(&world->b, "secrets") == 2);
    follows(world, "four");
    assert_true(is(world, "ghost.a", NULL));
    ist_free(events);
}

// Nothing was compared yet with those before: what was put aside is of no use any more.
static void new_inputs_come_before_the_last_were_compared(void **state)
{
    struct world *world = *state;
    follow_one(world);
    store_fail(&world->a,
               (struct store_fault){.method = "GET", .contains = "secrets?l", .times = 1, .hold = 1});
    reconfigure(world, json_pack("{s:i}", "within_ms", 1));
    eventually(held_by(&world->a) == 1);
    store_delete(&world->b, "configmaps", "shop", "one.a");
    reconfigure(world, json_pack("{s:i}", "within_ms", 2));
    eventually(is(world, "one.a", "1") && applied(world, 3));
    assert_int_equal(held_by(&world->a), 1); // nobody waits for that any more
    assert_int_equal(world->b.deletes, 0);
    assert_int_equal(world->b.creates, 2 + 1);
    store_release(&world->a);
    follows(world, "two");
}

// An answer that does not come: the new inputs do not wait for it for ever, and what it was about is looked at.
static void new_inputs_come_while_something_is_written(void **state)
{
    struct world *world = *state;
    follow_one(world);
    store_fail(&world->b,
               (struct store_fault){.method = "PATCH", .contains = "one.a", .times = 2, .hold = 1});
    source(world, "one", "2");
    source(world, "two", "2");
    eventually(held_by(&world->b) >= 1);
    reconfigure(world, json_pack("{s:i}", "within_ms", 1));
    eventually(told(world, "mirrored configuration: new inputs"));
    store_release(&world->b);
    eventually(is(world, "one.a", "2") && is(world, "two.a", "2") && applied(world, 2));
    assert_int_equal(world->b.deletes, 0);
    assert_int_equal(world->b.creates, 4);
    assert_false(told(world, "begun anew"));
    follows(world, "three");
}

static void new_inputs_do_not_wait_for_a_cluster_that_is_away(void **state)
{
    struct world *world = *state;
    follow_one(world);
    store_set_down(&world->a, 1);
    eventually(status_is(world, "clusters.a.state", "lost"));
    reconfigure(world, json_pack("{s:i}", "within_ms", 1));
    eventually(number_is(world, "clusters.b.generation", 2));
    assert_true(is(world, "one.a", "1"));
    source(world, "two", "2");
    store_set_down(&world->a, 0);
    eventually(is(world, "two.a", "2") && applied(world, 2));
    assert_int_equal(world->b.deletes, 0);
    assert_int_equal(world->b.creates, 4);
    follows(world, "three");
}

static void wrong_inputs_are_not_taken(void **state)
{
    struct world *world = *state;
    follow_one(world);
    reconfigure(world, json_pack("{s:i}", "within_ms", -1));
    eventually(told(world, "the new inputs are not taken, those before go on: within_ms: "));
    follows(world, "two");
    assert_true(applied(world, 1));
    forget_told(world);
    reconfigure(world, json_pack("{s:i, s:{s:s}}", "within_ms", -1, "kubeconfigs", "b", world->b.kubeconfig));
    eventually(told(world, "the new inputs are not taken"));
    follows(world, "three");
    reconfigure(world, json_pack("{s:i}", "within_ms", 1));
    eventually(applied(world, 2));
    assert_int_equal(world->b.deletes, 0);
    follows(world, "four");
}

// Not in place: it says so, and begins anew as the same holder of the Lease.
static void other_clusters_are_taken_too(void **state)
{
    struct world *world = *state;
    follow_one(world);
    reconfigure(world, json_pack("{s:{s:s}}", "kubeconfigs", "b", world->b.kubeconfig));
    eventually(told(world, "everything is begun anew: the clusters are others"));
    eventually(is(world, "one.a", NULL) && store_count(&world->b, "secrets") == 0);
    reconfigure(world, json_object());
    eventually(is(world, "one.a", "1") && store_count(&world->b, "secrets") == 1);
    eventually(applied(world, 1));
    follows(world, "two");
    forget_told(world);
    reconfigure(world, json_pack("{s:{s:[s]}}", "pod_cidrs", "a", "10.0.0.0/16"));
    eventually(told(world, "everything is begun anew: the pod CIDRs are others"));
    eventually(told(world, "cluster b: compared"));
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    follows(world, "three");
}

// A cluster begins to serve what it did not when it was connected: everything is begun anew for that.
static void serve_all(struct kube_store *store, struct world *world, const char *says)
{
    store_set_down(store, 1);
    eventually(status_is(world, store == &world->a ? "clusters.a.state" : "clusters.b.state", "lost"));
    pthread_mutex_lock(&store->lock);
    store->unserved = NULL;
    pthread_mutex_unlock(&store->lock);
    forget_told(world);
    store_set_down(store, 0);
    eventually(told(world, says));
}

// Inputs that were refused are not those of a run that has to begin anew later for a reason of its own.
static void refused_inputs_do_not_end_what_begins_anew(void **state)
{
    struct world *world = *state;
    world->a.unserved = "secrets";
    follow_one(world);
    reconfigure(world, json_pack("{s:i}", "within_ms", -1));
    eventually(told(world, "the new inputs are not taken, those before go on: within_ms: "));
    serve_all(&world->a, world, "cluster a serves v1 Secret now");
    eventually(told(world, "cluster b: compared"));
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    follows(world, "two");
    reconfigure(world, json_pack("{s:i}", "within_ms", 1)); // and those that come later are taken
    eventually(told(world, "mirrored configuration: new inputs"));
    follows(world, "three");
    assert_int_equal(world->b.deletes, 0);
}

static void write_kubeconfig(const char *path, const char *text)
{
    char *next = ist_printf("%s.next", path);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next, path), 0);
    ist_free(next);
}

// Nor does a kubeconfig end it that cannot be read at that very moment: it is tried again, and so are inputs that come.
static void begins_anew_without_its_kubeconfig(struct world *world, int reconfigured)
{
    char *path = ist_printf("%s/kubeconfig", world->host->run_dir);
    write_kubeconfig(path, world->b.kubeconfig);
    world->a.unserved = "secrets";
    set_inputs(world, json_pack("{s:{s:s, s:s}}", "kubeconfigs", "a", world->a.kubeconfig, "b", path));
    follow_one(world);
    write_kubeconfig(path, "half of it");
    serve_all(&world->a, world, "mirrored configuration cannot go on, and tries again: ");
    if (reconfigured) // with the kubeconfig itself in place of its file
        reconfigure(world, json_pack("{s:i}", "within_ms", 1));
    else
        write_kubeconfig(path, world->b.kubeconfig);
    eventually(told(world, "cluster b: compared"));
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    follows(world, "two");
    assert_int_equal(world->b.deletes, 0);
    ist_free(path);
}

static void what_begins_anew_waits_for_its_kubeconfig(void **state)
{
    begins_anew_without_its_kubeconfig(*state, 0);
}

static void what_waits_for_its_kubeconfig_takes_new_inputs(void **state)
{
    begins_anew_without_its_kubeconfig(*state, 1);
}

// A model hears what it has asked for itself, and not what the one before it was told late.
static void answers_to_a_former_model_are_dropped(void **state)
{
    struct world *world = *state;
    store_put(&world->a, "configmaps", "shop", "first", NULL, "1");
    store_put(&world->a, "configmaps", "shop", "second", NULL, "2");
    store_fail(&world->a,
               (struct store_fault){.method = "GET", .contains = "configmaps/first", .times = 1, .hold = 1});
    store_fail(&world->a,
               (struct store_fault){.method = "GET", .contains = "configmaps/second", .times = 1, .hold = 1});
    set_inputs(world, json_pack("{s:s}", "ask", "first"));
    follow_one(world);
    eventually(held_by(&world->a) == 1);
    reconfigure(world, json_pack("{s:s}", "ask", "second"));
    eventually(held_by(&world->a) == 2);
    store_release(&world->a);
    eventually(status_is(world, "clusters.a.heard[0]", "second"));
    follows(world, "two");
    eventually(number_is(world, "clusters.b.writes", store_writes(&world->b))); // a status of after that
    assert_true(status_is(world, "clusters.a.heard[1]", ""));
}

static void another_kubeconfig_is_taken_in_place(void **state)
{
    struct world *world = *state;
    follow_one(world);
    char *other = ist_printf("%s# as another\n", world->a.kubeconfig);
    reconfigure(world, json_pack("{s:{s:s, s:s}}", "kubeconfigs", "a", other, "b", world->b.kubeconfig));
    eventually(applied(world, 2));
    assert_false(told(world, "begun anew"));
    follows(world, "two");
    ist_free(other);
}

static int lived(struct world *world)
{
    pthread_mutex_lock(&world->lock);
    const int alive = world->alive;
    pthread_mutex_unlock(&world->lock);
    return alive;
}

// Its waits end by nothing but what comes: a watch that had only its own turns would answer no question.
static void new_inputs_wake_a_watch(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    for (int i = 0; i < 2; i++) {
        struct kube_store *store = i ? &world->b : &world->a;
        hold_watch(store, "configmaps?watch=1", "");
        hold_watch(store, "secrets?watch=1", "");
        hold_watch(store, "namespaces?watch=1", "");
        eventually(held_by(store) == 3);
    }
    own_time_only_events(world->thread);
    eventually(own_time_waits() > 0);
    for (int i = 0; i < 30; i++) {
        const int waits = own_time_waits();
        renewal_ask(&world->renewal);
        eventually(lived(world) > i && own_time_waits() > waits);
    }
    own_time_as_ever();
    store_release(&world->a);
    store_release(&world->b);
    // A hangup's new inputs: it goes on with those, and is still the one that writes.
    reconfigure(world, json_pack("{s:i}", "grace_ms", 100));
    store_set_down(&world->a, 1);
    eventually(status_is(world, "clusters.a.state", "expired"));
    eventually(is(world, "one.a", NULL));
}

// ---- the clock ----

// Cluster b is EKS, and takes no token that was signed on another day than its own.
static void live_in_2030(struct world *world)
{
    ist_free(world->b.kubeconfig);
    world->b.kubeconfig = ist_printf(
        "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"c\",\"user\":"
        "\"c\"}}],"
        "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"%s\"}}],\"users\":[{\"name\":\"c\",\"user\":"
        "{\"exec\":{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"command\":\"aws\",\"args\":"
        "[\"eks\",\"get-token\",\"--cluster-name\",\"c\",\"--region\",\"eu-west-1\"]}}}]}",
        httpd_url(world->b.httpd));
    world->b.date = "Tue, 01 Jan 2030 12:00:00 GMT";
    world->b.day = "20300101";
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    set_inputs(world, json_object());
}

static int refused_by(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    const int refused = store->refused;
    pthread_mutex_unlock(&store->lock);
    return refused;
}

static void a_cluster_whose_clock_is_another_is_served_by_its_clock(void **state)
{
    struct world *world = *state;
    if (getenv("ISTHMUS_TEST_MEMCHECK")) {
        print_message("not under memcheck: what signs is a copy of ours, and ends without freeing\n");
        skip();
    }
    live_in_2030(world);
    follow_one(world);
    assert_true(refused_by(&world->b) > 0);
    assert_true(told(world, "this machine's clock is off by"));
    const int refused = refused_by(&world->b);
    follows(world, "two");
    // What signs is looked for anew, and the time is known still.
    store_fail(&world->b,
               (struct store_fault){.method = "PATCH", .contains = "/", .times = 1, .status = 401});
    follows(world, "three");
    assert_int_equal(refused_by(&world->b), refused);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
}

// A name, or a pattern with *, picks tests.
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_inputs_do_not_end_a_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(new_inputs_come_before_the_last_were_compared, setup, teardown),
        cmocka_unit_test_setup_teardown(new_inputs_come_while_something_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(new_inputs_do_not_wait_for_a_cluster_that_is_away, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_inputs_are_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(other_clusters_are_taken_too, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_inputs_do_not_end_what_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(what_begins_anew_waits_for_its_kubeconfig, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_for_its_kubeconfig_takes_new_inputs, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_to_a_former_model_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(another_kubeconfig_is_taken_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(new_inputs_wake_a_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cluster_whose_clock_is_another_is_served_by_its_clock, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("reconciler-configure", tests, NULL, NULL);
}
