// The reconciler against API servers with a memory, watching: what it follows and what it survives.
#include "reconciler-world.h"

// ---- watching ----

// Everything that has happened to ConfigMaps of b has been told.
static int told_all(struct world *world)
{
    pthread_mutex_lock(&world->b.lock);
    json_int_t last = 0;
    size_t i;
    const json_t *event;
    json_array_foreach(world->b.events, i, event)
    {
        if (!strcmp(ist_json_str_or(event, "resource", ""), "configmaps"))
            last = ist_json_int(event, "version", 0);
    }
    int all = world->b.watched >= last;
    pthread_mutex_unlock(&world->b.lock);
    return all;
}

// The daemon has seen, and decided on, whatever was in b before: something that carries our mark and belongs to nothing
// comes after it, and goes. One more deletion.
static void seen_so_far(struct world *world)
{
    store_put(&world->b, "configmaps", "shop", "after-that", OWNER_X, "x");
    eventually(is(world, "after-that", NULL));
}

static int watched_from(struct kube_store *store, json_int_t version)
{
    pthread_mutex_lock(&store->lock);
    int from = store->watched == version;
    pthread_mutex_unlock(&store->lock);
    return from;
}

static void follows_changes_with_one_write_each(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(is(world, "one.a", "1") && store_count(&world->b, "secrets") == 1);
    source(world, "one", "2");
    eventually(is(world, "one.a", "2"));
    source(world, "two", "x");
    eventually(store_count(&world->b, "secrets") == 2);
    store_delete(&world->a, "configmaps", "shop", "one");
    eventually(is(world, "one.a", NULL) && store_count(&world->b, "secrets") == 1);
    seen_so_far(world); // echoes
    assert_int_equal(store_writes(&world->b), 2 + 1 + 2 + 2 + 1);
    assert_int_equal(store_writes(&world->a), 0);
    stop_watch(world);
    start_watch(world);
    source(world, "three", "x");
    eventually(store_count(&world->b, "secrets") == 2);
    assert_int_equal(store_writes(&world->b), 2 + 1 + 2 + 2 + 1 + 2);
}

static void puts_back_what_others_change(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    store_put(&world->b, "configmaps", "shop", "one.a",
              "{\"isthmus.dev/owner\":\"step\",\"isthmus.dev/source-cluster\":\"a\"}", "meddled with");
    eventually(is(world, "one.a", "1"));
    store_delete(&world->b, "secrets", "shop", "one.a");
    eventually(store_count(&world->b, "secrets") == 1);
    // Something with our mark that belongs to nothing goes; theirs stays.
    store_put(&world->b, "configmaps", "shop", "stray", OWNER_X, "x");
    eventually(is(world, "stray", NULL));
    store_put(&world->b, "configmaps", "shop", "theirs", NULL, "x");
    seen_so_far(world);
    assert_true(is(world, "theirs", "x"));
}

// Two that undo each other's writes as fast as they can would be all that the API server does.
static void a_rival_is_told_and_given_way_to_a_little(void **state)
{
    struct world *world = *state;
    int64_t since = 0;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    for (int i = 0; i < 5; i++) { // three times it is put back at once
        within(30, is(world, "one.a", "1"));
        if (i == 4)
            assert_true(ist_now_ms(NULL) - since >= 900); // it was not at once
        since = ist_now_ms(NULL);
        store_put(&world->b, "configmaps", "shop", "one.a",
                  "{\"isthmus.dev/owner\":\"step\",\"isthmus.dev/source-cluster\":\"a\"}", "theirs");
    }
    assert_true(told(world, "shop/one of b: somebody else changes what stands there again and again"));
    within(30, noted(world, "shop/one") || noted(world, "somebody else changes what stands there"));
    source(world, "one", "2"); // what is wanted otherwise now waits for nobody
    within(30, is(world, "one.a", "2"));
}

static void lists_again_when_the_past_is_gone(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    source(world, "two", "2");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 2);
    store_set_down(&world->a, 1);
    eventually(status_is(world, "clusters.a.state", "lost"));
    store_delete(&world->a, "configmaps", "shop", "two"); // while nobody looks
    source(world, "three", "3");
    store_compact(&world->a);
    store_set_down(&world->a, 0);
    eventually(is(world, "two.a", NULL) && is(world, "three.a", "3"));
    assert_true(is(world, "one.a", "1"));
    seen_so_far(world);
    assert_int_equal(store_writes(&world->b), 4 + 2 + 2 + 1);
}

// A watch that says something wrong, or breaks off, costs a list at most.
static void survives_what_a_watch_may_say(void **state)
{
    static const struct store_fault faults[] = {
        {.status = 200, .body = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"ha"},
        {.status = 200, .body = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"half\",\n"},
        {.status = 200, .body = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n"},
        {.status = 200, .body = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500}}\n"},
        {.status = 200, .body = "{\"type\":\"SOMETHING\",\"object\":{}}\n"},
        {.status = 200, .body = ""},
        {.status = 410, .body = "{}"},
        {.status = 500, .body = "no JSON"},
        {.cut_after = -1},
        {.cut_after = 30},
    };
    struct world *world = *state;
    char data[16];
    source(world, "one", "1");
    source(world, "two", "2");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 2);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct store_fault fault = faults[i];
        fault.method = "GET";
        fault.contains = "configmaps?watch=1";
        fault.times = 1;
        store_fail(&world->a, fault);
        snprintf(data, sizeof data, "now %zu", i);
        source(world, "two", data); // ends the watch under way; the next one meets the fault
        eventually(is(world, "two.a", data));
        snprintf(data, sizeof data, "then %zu", i);
        source(world, "two", data);
        eventually(is(world, "two.a", data));
    }
    assert_int_equal(world->b.deletes, 0);
    assert_int_equal(world->b.updates, 2 * (int)(sizeof faults / sizeof *faults));
    assert_true(is(world, "one.a", "1"));
}

// A quiet watch goes on from where the last bookmark was: nothing is listed again.
static void goes_on_from_bookmarks(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    static const char *const watches[] = {"configmaps?watch=1", "secrets?watch=1", "namespaces?watch=1"};
    for (size_t i = 0; i < 3; i++)
        store_fail(
            &world->a,
            (struct store_fault){
                .method = "GET",
                .contains = watches[i],
                .times = 1,
                .status = 200,
                .body = "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"900\"}}}\n"});
    eventually(world->a.faults[0].times + world->a.faults[1].times + world->a.faults[2].times == 0);
    eventually(watched_from(&world->a, 900));
    int lists = world->a.lists;
    pthread_mutex_lock(&world->a.lock);
    world->a.version = 900;
    pthread_mutex_unlock(&world->a.lock);
    store_compact(&world->a); // what came before 900 is gone
    source(world, "two", "2");
    eventually(is(world, "two.a", "2"));
    assert_int_equal(world->a.lists, lists);
}

static void deletions_missed_while_stopped_are_found(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    source(world, "two", "2");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 2);
    stop_watch(world);
    store_delete(&world->a, "configmaps", "shop", "one");
    start_watch(world);
    eventually(is(world, "one.a", NULL));
    assert_true(is(world, "two.a", "2"));
}

static void a_lost_cluster_expires_and_comes_back(void **state)
{
    struct world *world = *state;
    set_inputs(world, json_pack("{s:i}", "grace_ms", 3600000));
    source(world, "one", "1");
    start_watch(world);
    eventually(is(world, "one.a", "1"));
    store_set_down(&world->a, 1);
    eventually(status_is(world, "clusters.a.state", "lost"));
    assert_true(is(world, "one.a", "1")); // out of reach is not gone
    renewal_put(&world->renewal, inputs_of(world, json_pack("{s:i}", "grace_ms", 500)));
    eventually(is(world, "one.a", NULL));
    store_set_down(&world->a, 0);
    eventually(is(world, "one.a", "1"));
}

static void a_kind_that_is_forbidden_shows(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    eventually(status_is(world, "clusters.a.state", "synced"));
    store_fail(&world->a, (struct store_fault){.method = "GET",
                                               .contains = "configmaps?watch=1",
                                               .times = 6,
                                               .status = 403,
                                               .body = "{\"message\":\"configmaps is forbidden\"}"});
    source(world, "two", "2");
    within(20, status_is(world, "clusters.a.state", "lost"));
    assert_true(is(world, "one.a", "1"));
    source(world, "three", "3");
    within(20, is(world, "three.a", "3")); // after six refusals the next try waits for up to fifteen seconds
    eventually(status_is(world, "clusters.a.state", "synced"));
}

static void a_changed_uid_stops_a_cluster(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    eventually(status_is(world, "clusters.a.state", "synced"));
    store_set_down(&world->a, 1);
    eventually(status_is(world, "clusters.a.state", "lost"));
    snprintf(world->a.uid, sizeof world->a.uid, "another");
    store_delete(&world->a, "configmaps", "shop", "one");
    store_set_down(&world->a, 0);
    eventually(status_is(world, "clusters.a.state", "stopped"));
    seen_so_far(world); // b goes on
    assert_true(is(world, "one.a", "1"));
}

// What was seen of a cluster that expired is old: it is back when it is listed again, and not before.
static void an_expired_cluster_is_listed_before_it_is_back(void **state)
{
    struct world *world = *state;
    set_inputs(world, json_pack("{s:i}", "grace_ms", 300));
    source(world, "one", "1");
    start_watch(world);
    eventually(is(world, "one.a", "1"));
    store_set_down(&world->a, 1);
    eventually(is(world, "one.a", NULL));
    store_delete(&world->a, "configmaps", "shop", "one");
    source(world, "two", "2");
    store_compact(&world->a);
    store_fail(&world->a,
               (struct store_fault){.method = "GET", .contains = "configmaps?l", .times = 3, .status = 500});
    store_set_down(&world->a, 0);
    eventually(is(world, "two.a", "2"));
    eventually(world->b.creates >= 4);
    assert_int_equal(world->b.creates, 4); // one.a with its Secret did not come back for a moment
    assert_true(is(world, "one.a", NULL));
}

static void what_was_never_reached_expires_too(void **state)
{
    struct world *world = *state;
    set_inputs(world, json_pack("{s:i}", "grace_ms", 300));
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    store_set_down(&world->a, 1);
    start_watch(world);
    eventually(status_is(world, "clusters.a.state", "expired"));
    eventually(is(world, "one.a", NULL));
    store_set_down(&world->a, 0);
    eventually(is(world, "one.a", "1"));
}

// A server whose every watch says that it is too late is not listed as fast as it can say so.
static void lists_again_less_and_less_often(void **state)
{
    struct world *world = *state;
    store_fail(
        &world->a,
        (struct store_fault){.method = "GET",
                             .contains = "configmaps?watch=1",
                             .times = 7,
                             .status = 200,
                             .body = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n"});
    int64_t began = ist_now_ms(NULL);
    start_watch(world);
    eventually(world->a.faults[0].times == 0);
    assert_true(ist_now_ms(NULL) - began > 3000); // half of 250 ms, 500 ms and so on at least
    source(world, "one", "1");
    eventually(is(world, "one.a", "1"));
}

// ---- what comes while a write is under way ----

static void held(struct kube_store *store, const char *contains)
{
    store_fail(store, (struct store_fault){.method = "PATCH", .contains = contains, .times = 1, .hold = 1});
}

// It was made, its maker never heard of it, and by then nobody wants it.
static void what_was_made_unheard_is_not_left_behind(void **state)
{
    struct world *world = *state;
    start_watch(world);
    eventually(status_is(world, "clusters.b.state", "synced"));
    held(&world->b, "one.a");
    source(world, "one", "1");
    eventually(is(world, "one.a", "1") && world->b.held == 1 && told_all(world));
    store_delete(&world->a, "configmaps", "shop", "one");
    store_set_down(&world->b, 1);
    eventually(status_is(world, "clusters.b.state", "lost"));
    store_set_down(&world->b, 0);
    eventually(is(world, "one.a", NULL));
    eventually(store_count(&world->b, "secrets") == 0);
}

static void what_loses_its_mark_while_it_is_written_gets_it_back(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    held(&world->b, "one.a");
    source(world, "one", "2");
    eventually(is(world, "one.a", "2") && world->b.held == 1);
    store_put(&world->b, "configmaps", "shop", "one.a", NULL,
              "theirs"); // with nothing that says where it belongs
    eventually(told_all(world));
    store_release(&world->b);
    eventually(is(world, "one.a", "2") && store_count(&world->b, "configmaps") == 1);
}

// A creation runs into somebody's object, and the connection is lost before our label is off again: it is never taken
// for ours because of that.
static void what_a_creation_ran_into_is_never_taken_over(void **state)
{
    struct world *world = *state;
    start_watch(world);
    eventually(status_is(world, "clusters.b.state", "synced"));
    pthread_mutex_lock(&world->b.lock);
    json_object_set_new(world->b.hidden, "secrets/shop/one.a", json_true());
    pthread_mutex_unlock(&world->b.lock);
    store_put(&world->b, "secrets", "shop", "one.a", NULL, NULL);
    store_fail(&world->b, (struct store_fault){.method = "PATCH",
                                               .contains = "secrets/one.a?fieldManager=isthmus",
                                               .times = 1});
    store_fail(&world->b, (struct store_fault){.method = "PATCH",
                                               .contains = "secrets/one.a?fieldManager=isthmus",
                                               .times = 1,
                                               .status = 403,
                                               .body = "{\"message\":\"not now\"}"});
    source(world, "one", "1");
    eventually(world->b.faults[1].times == 0 && world->b.updates == 1);
    pthread_mutex_lock(&world->b.lock); // now it is shown, with our label on it
    json_object_del(world->b.hidden, "secrets/shop/one.a");
    pthread_mutex_unlock(&world->b.lock);
    store_set_down(&world->b, 1);
    eventually(status_is(world, "clusters.b.state", "lost"));
    store_delete(&world->a, "configmaps", "shop", "one");
    store_compact(&world->b);
    store_set_down(&world->b, 0);
    eventually(is(world, "one.a", NULL));
    json_t *secret = store_get(&world->b, "secrets", "shop", "one.a");
    assert_non_null(secret);
    json_decref(secret);
}

// ---- keys ----

static void two_keys_for_one_name_are_an_error(void **state)
{
    struct world *world = *state;
    source(world, "one", "as same");
    source(world, "two", "as same");
    assert_int_equal(fakehost_run(world->host, IST_OP_OBSERVE), IST_ERR_CONFLICT);
    const char *text = world->host->solo->report.error.text;
    assert_non_null(strstr(text, "shop/one"));
    assert_non_null(strstr(text, "shop/two"));
    start_watch(world);
    eventually(is(world, "same.a", "as same"));
    eventually(noted(world, "is wanted twice"));
    assert_int_equal(world->b.updates, 0);
}

// A name, or a pattern with *, picks tests.
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(follows_changes_with_one_write_each, setup, teardown),
        cmocka_unit_test_setup_teardown(puts_back_what_others_change, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rival_is_told_and_given_way_to_a_little, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_again_when_the_past_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_what_a_watch_may_say, setup, teardown),
        cmocka_unit_test_setup_teardown(goes_on_from_bookmarks, setup, teardown),
        cmocka_unit_test_setup_teardown(deletions_missed_while_stopped_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_cluster_expires_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kind_that_is_forbidden_shows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_uid_stops_a_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(an_expired_cluster_is_listed_before_it_is_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_never_reached_expires_too, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_again_less_and_less_often, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_made_unheard_is_not_left_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(what_loses_its_mark_while_it_is_written_gets_it_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_creation_ran_into_is_never_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(two_keys_for_one_name_are_an_error, setup, teardown),
    };
    return cmocka_run_group_tests_name("reconciler-watch", tests, NULL, NULL);
}
