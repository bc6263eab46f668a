// A daemon that begins: what is its own comes in the same list as all else, and is compared once everything was listed.
#include "reconciler-world.h"

static int lists_of(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    const int lists = store->lists;
    pthread_mutex_unlock(&store->lock);
    return lists;
}

static int held_by(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    const int held = store->held;
    pthread_mutex_unlock(&store->lock);
    return held;
}

static int faults_left(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    int left = 0;
    for (size_t i = 0; i < sizeof store->faults / sizeof *store->faults; i++)
        left += store->faults[i].times > 0;
    pthread_mutex_unlock(&store->lock);
    return left;
}

static int is_compared(struct world *world)
{
    return told(world, "cluster a: compared") && told(world, "cluster b: compared");
}

// A daemon once more; what the one before has said does not count.
static void start_again(struct world *world)
{
    forget_told(world);
    start_watch(world);
}

// Two ConfigMaps are mirrored, and the daemon has stopped.
static void mirror_two(struct world *world)
{
    source(world, "one", "1");
    source(world, "two", "2");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 2);
    stop_watch(world);
    assert_int_equal(store_writes(&world->b), 4);
}

// What comes after a start is followed: nothing was lost between a list and its watch.
static void follows(struct world *world, int writes)
{
    source(world, "three", "3");
    eventually(is(world, "three.a", "3") && store_count(&world->b, "secrets") == 3);
    assert_int_equal(store_writes(&world->b), writes + 2);
    assert_true(is(world, "one.a", "1") && is(world, "two.a", "2"));
    assert_int_equal(world->b.deletes, 0);
}

static void a_restart_lists_each_kind_once(void **state)
{
    struct world *world = *state;
    mirror_two(world);
    // Somebody else's, though an annotation or a text of it looks like our label.
    store_put(&world->b, "configmaps", "shop", "alike", NULL, "\"isthmus.dev/owner\":\"step\"");
    int lists = lists_of(&world->b);
    start_again(world);
    eventually(is_compared(world));
    assert_int_equal(lists_of(&world->b) - lists,
                     3 + 1); // and LimitRanges of our own, which are not needed
    follows(world, 4);
    assert_non_null(mirrored(world, "alike"));
}

static void what_changed_meanwhile_is_found_in_it(void **state)
{
    struct world *world = *state;
    mirror_two(world);
    store_put(&world->b, "configmaps", "shop", "one.a",
              "{\"isthmus.dev/owner\":\"step\",\"isthmus.dev/source-cluster\":\"a\"}", "meddled with");
    store_delete(&world->b, "secrets", "shop", "two.a");
    store_put(&world->b, "configmaps", "shop", "stray", OWNER_X, "x");
    start_again(world);
    eventually(is(world, "one.a", "1") && store_count(&world->b, "secrets") == 2);
    eventually(is(world, "stray", NULL));
}

// The version that the list told is gone when the watch wants to go on from it.
static void a_watch_that_cannot_go_on_lists_again(void **state)
{
    static const struct store_fault gone[] = {
        {.method = "GET", .contains = "configmaps?watch=1", .times = 1, .status = 410, .body = "{}"},
        {.method = "GET",
         .contains = "secrets?watch=1",
         .times = 1,
         .status = 200,
         .body = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n"}};
    struct world *world = *state;
    mirror_two(world);
    store_fail(&world->b, gone[0]);
    store_fail(&world->b, gone[1]);
    start_again(world);
    eventually(is_compared(world) && faults_left(&world->b) == 0);
    assert_int_equal(store_writes(&world->b), 4);
    store_delete(&world->b, "configmaps", "shop", "one.a");
    eventually(is(world, "one.a", "1"));
    assert_int_equal(world->b.creates, 4 + 1);
}

// Half of a list says nothing: neither of what is ours nor of what is not.
static void a_list_that_breaks_off_begins_again(void **state)
{
    static const struct store_fault faults[] = {
        {.cut_after = 700},
        {.cut_after = -1},
        {.status = 500, .body = "no JSON"},
        {.status = 200, .body = "{\"items\":[{\"metadata\":{\"name\":\"o"},
        {.status = 410, .body = "{}"}};
    struct world *world = *state;
    mirror_two(world);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct store_fault fault = faults[i];
        fault.method = "GET";
        fault.contains = i % 2 ? "secrets?resourceVersion=0" : "configmaps?resourceVersion=0";
        fault.times = 1;
        store_fail(&world->b, fault);
        start_again(world);
        eventually(faults_left(&world->b) == 0 && is_compared(world));
        stop_watch(world);
        assert_int_equal(store_writes(&world->b), 4);
    }
    start_again(world);
    follows(world, 4);
}

// What was listed long ago, and not compared since, may not be there any more: it is listed anew.
static void what_was_put_aside_does_not_outlive_its_connection(void **state)
{
    struct world *world = *state;
    mirror_two(world);
    store_fail(&world->a,
               (struct store_fault){
                   .method = "GET", .contains = "secrets?resourceVersion=0", .times = 1, .hold = 1});
    int lists = lists_of(&world->b);
    start_again(world);
    eventually(held_by(&world->a) == 1 && lists_of(&world->b) - lists == 3);
    store_set_down(&world->b, 1);
    eventually(told(world, "cluster b: out of reach") || status_is(world, "clusters.b.state", "lost"));
    store_delete(&world->b, "configmaps", "shop", "one.a");
    store_set_down(&world->b, 0);
    store_release(&world->a);
    eventually(is(world, "one.a", "1"));
    assert_int_equal(world->b.deletes, 0);
    assert_int_equal(world->b.creates, 4 + 1);
}

// The source has not been listed whole: nothing of what stands for it is touched.
static void nothing_is_taken_for_gone_before_all_is_listed(void **state)
{
    struct world *world = *state;
    mirror_two(world);
    store_fail(&world->a,
               (struct store_fault){
                   .method = "GET", .contains = "configmaps?resourceVersion=0", .times = 1, .hold = 1});
    int lists = lists_of(&world->b);
    start_again(world);
    eventually(held_by(&world->a) == 1 && lists_of(&world->b) - lists == 3);
    usleep(200000);
    assert_false(told(world, "cluster b: compared"));
    store_release(&world->a);
    eventually(is_compared(world));
    follows(world, 4);
}

// More of our own than is kept: it is listed by itself, as what is not was before.
static void what_is_too_much_is_listed_by_itself(void **state)
{
    struct world *world = *state;
    const size_t len = 900000;
    char name[8], *data = ist_malloc(len + 1);
    memset(data, 'x', len);
    data[len] = '\0';
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "n%d", i);
        source(world, name, data);
    }
    start_watch(world);
    within(120, store_count(&world->b, "secrets") == 10);
    stop_watch(world);
    int writes = store_writes(&world->b), lists = lists_of(&world->b);
    start_again(world);
    within(120, is_compared(world));
    assert_true(lists_of(&world->b) - lists > 4);
    assert_int_equal(store_writes(&world->b), writes);
    store_delete(&world->b, "configmaps", "shop", "n7.a");
    within(120, mirrored(world, "n7.a") != NULL);
    ist_free(data);
}

// A name, or a pattern with *, picks tests.
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_restart_lists_each_kind_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changed_meanwhile_is_found_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_that_cannot_go_on_lists_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_that_breaks_off_begins_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_put_aside_does_not_outlive_its_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_taken_for_gone_before_all_is_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_listed_by_itself, setup, teardown),
    };
    return cmocka_run_group_tests_name("reconciler-aside", tests, NULL, NULL);
}
