// The reconciler against API servers with a memory, watching: what it follows, what it survives, and who writes.
#include "reconciler-world.h"

#include <sys/wait.h>

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

// How many events of a cluster the daemon has told of.
static double events_of(struct world *world, const char *cluster)
{
    size_t i;
    const json_t *metric;
    double events = -1;
    pthread_mutex_lock(&world->lock);
    json_array_foreach(json_object_get(world->status, "metrics"), i,
                       metric) if (!strcmp(ist_json_str_or(metric, "name", ""), "events_total") &&
                                   !strcmp(ist_json_str_or(metric, "labels.cluster", ""), cluster)) events =
        json_number_value(json_object_get(metric, "value"));
    pthread_mutex_unlock(&world->lock);
    return events;
}

static int watched_from(struct kube_store *store, json_int_t version)
{
    pthread_mutex_lock(&store->lock);
    int from = store->watched == version;
    pthread_mutex_unlock(&store->lock);
    return from;
}

// A change at the source is seen, and nothing is written for it.
static void writes_nothing_for(struct world *world, const char *name)
{
    int before = store_writes(&world->b);
    double events = events_of(world, "a");
    source(world, name, "2");
    eventually(events_of(world, "a") > events);
    assert_int_equal(store_writes(&world->b), before);
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

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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
            assert_true(clock_ms() - since >= 900); // it was not at once
        since = clock_ms();
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

// ---- the Lease ----

static void put_lease(struct world *world, const char *holder, int seconds)
{
    json_t *lease = json_pack("{s:s, s:{}, s:{s:s, s:i}}", "apiVersion", "coordination.k8s.io/v1", "metadata",
                              "spec", "holderIdentity", holder, "leaseDurationSeconds", seconds);
    pthread_mutex_lock(&world->b.lock);
    json_t *before = json_object_get(world->b.objects, "leases/kube-system/isthmus-step");
    char version[32];
    snprintf(version, sizeof version, "%lld", (long long)++world->b.version);
    json_object_set_new(json_object_get(lease, "metadata"), "name", json_string("isthmus-step"));
    json_object_set_new(json_object_get(lease, "metadata"), "uid", json_string("uid-of-the-lease"));
    json_object_set_new(json_object_get(lease, "metadata"), "resourceVersion", json_string(version));
    (void)before;
    json_object_set_new(world->b.objects, "leases/kube-system/isthmus-step", lease);
    pthread_mutex_unlock(&world->b.lock);
}

static json_t *lease_of(struct world *world)
{
    return store_get(&world->b, "leases", "kube-system", "isthmus-step");
}

static void an_apply_holds_the_lease_and_a_destroy_removes_it(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    json_t *lease = lease_of(world);
    assert_string_equal(ist_json_str(lease, "spec.holderIdentity"), ""); // given back
    json_decref(lease);
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(store_count(&world->b, "configmaps"), 0);
    assert_null(lease_of(world));
}

// A daemon somewhere else, as far as can be seen of it.
static void *renew(void *arg)
{
    struct world *world = arg;
    while (__atomic_load_n(&world->renewing, __ATOMIC_SEQ_CST)) {
        put_lease(world, "another", 10);
        usleep(200000);
    }
    return NULL;
}

// Nothing was there when it was applied, so nothing is recorded: what its daemon wrote since goes all the same.
static void a_destroy_finds_what_only_a_daemon_made(void **state)
{
    struct world *world = *state;
    start_watch(world);
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    source(world, "one", "1");
    eventually(is(world, "one.a", "1"));
    stop_watch(world);
    json_t *lease = lease_of(world);
    assert_non_null(lease);
    json_decref(lease);
    put_lease(world, "another", 10); // that lives: it is not taken from him
    world->renewing = 1;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, renew, world), 0);
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_ERR_CONFLICT);
    assert_true(is(world, "one.a", "1"));
    __atomic_store_n(&world->renewing, 0, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    put_lease(world, "", 10);
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(store_count(&world->b, "configmaps"), 0);
    assert_null(lease_of(world));
}

static void nothing_is_written_beside_a_daemon_that_lives(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    source(world, "two", "2");
    assert_int_equal(fakehost_changes(world->host), 2);
    int writes = store_writes(&world->b);
    world->renewing = 1;
    put_lease(world, "another", 10);
    assert_int_equal(pthread_create(&thread, NULL, renew, world), 0);
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_ERR_CONFLICT);
    assert_non_null(strstr(world->host->solo->report.error.text, "another holds the lease"));
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_ERR_CONFLICT);
    assert_int_equal(store_writes(&world->b), writes);
    __atomic_store_n(&world->renewing, 0, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    put_lease(world, "another", 1); // it is dead: its time runs out, and it is taken over
    assert_int_equal(fakehost_run(world->host, IST_OP_APPLY), IST_OK);
    assert_true(is(world, "two.a", "2"));
}

static void waits_for_the_lease_and_takes_it_over(void **state)
{
    struct world *world = *state;
    put_lease(world, "another", 3600);
    source(world, "one", "1");
    start_watch(world);
    eventually(status_is(world, "clusters.b.notes[0]",
                         "another holds the lease kube-system/isthmus-step and writes"));
    assert_int_equal(store_writes(&world->b), 0);
    put_lease(world, "another", 2);
    eventually(is(world, "one.a", "1"));
    stop_watch(world);
    json_t *lease = store_get(&world->b, "leases", "kube-system", "isthmus-step");
    assert_string_equal(ist_json_str(lease, "spec.holderIdentity"), ""); // given back
    assert_int_equal(ist_json_int(lease, "spec.leaseTransitions", 0), 1);
    json_decref(lease);
}

// ---- a holder that is gone ----

// Who holds the lease of b now.
static void holder_of(struct world *world, char *holder, size_t size)
{
    json_t *lease = lease_of(world);
    snprintf(holder, size, "%s", ist_json_str_or(lease, "spec.holderIdentity", ""));
    json_decref(lease);
}

// The identity "HOST-PID-RANDOM.START.PLACE" of this process with another number, start or place (NULL: its own).
static void pretend(const char *ours, const char *pid, const char *start, const char *place, char *made,
                    size_t size)
{
    char host[200], number[32], bits[32], began[32], here[32];
    const char *at = strrchr(ours, '.');
    snprintf(here, sizeof here, "%s", at + 1);
    snprintf(host, sizeof host, "%.*s", (int)(at - ours), ours);
    char *last = strrchr(host, '.');
    snprintf(began, sizeof began, "%s", last + 1);
    *last = '\0';
    last = strrchr(host, '-');
    snprintf(bits, sizeof bits, "%s", last + 1);
    *last = '\0';
    last = strrchr(host, '-');
    snprintf(number, sizeof number, "%s", last + 1);
    *last = '\0';
    assert_int_equal(strtol(number, NULL, 10), getpid());
    char *text = ist_printf("%s-%s-%s.%s.%s", host, pid ? pid : number, bits, start ? start : began,
                            place ? place : here);
    snprintf(made, size, "%s", text);
    ist_free(text);
}

static void our_identity(struct world *world, char *ours, size_t size)
{
    start_watch(world);
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    holder_of(world, ours, size);
    stop_watch(world);
    assert_true(strlen(ours) > 20);
}

// A number that was a process's, which has ended.
static void gone_number(char *number, size_t size)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    snprintf(number, size, "%ld", (long)child);
}

static void a_holder_of_this_machine_that_is_gone_is_not_waited_for(void **state)
{
    struct world *world = *state;
    char ours[300], other[300], number[32];
    our_identity(world, ours, sizeof ours);
    gone_number(number, sizeof number);
    int64_t began = clock_ms();
    pretend(ours, number, NULL, NULL, other, sizeof other);
    put_lease(world, other, 3600);
    source(world, "one", "1");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    assert_true(is(world, "one.a", "1"));
    assert_non_null(strstr(world->waits, "is gone: it is taken over in"));
    pretend(ours, NULL, "1", NULL, other, sizeof other); // the number is another process's by now
    put_lease(world, other, 3600);
    world->waits[0] = '\0';
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(store_count(&world->b, "configmaps"), 0);
    assert_non_null(strstr(world->waits, "is gone: it is taken over in"));
    assert_null(lease_of(world));
    assert_true(clock_ms() - began < 1800000); // and not the hour that it says
}

// One that lives, or that cannot be judged from here, has its time, from when it is seen first.
static void waits_for_a_holder(struct world *world, const char *holder)
{
    int64_t began = clock_ms();
    put_lease(world, holder, 2);
    world->waits[0] = '\0';
    source(world, "one", holder);
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    assert_true(is(world, "one.a", holder));
    assert_true(clock_ms() - began >= 2000);
    assert_non_null(strstr(world->waits, "waits for it to end, "));
    assert_non_null(strstr(world->waits, holder));
}

static void a_holder_that_may_live_is_waited_for(void **state)
{
    struct world *world = *state;
    char ours[300], other[300], number[32];
    our_identity(world, ours, sizeof ours);
    gone_number(number, sizeof number);
    waits_for_a_holder(world, ours);
    pretend(ours, number, NULL, "0123456789abcdef", other, sizeof other); // of another machine
    waits_for_a_holder(world, other);
    waits_for_a_holder(world, "host-1-0a0b0c0d"); // of an earlier version
    waits_for_a_holder(world, "..-");
    int64_t began = clock_ms();
    put_lease(world, ours, 2);
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_true(clock_ms() - began >= 2000);
}

static void *run_destroy(void *arg)
{
    struct world *world = arg;
    world->ended = fakehost_run(world->host, IST_OP_DESTROY);
    return NULL;
}

// A call of it takes long, and meanwhile somebody else takes the lease: nothing more is sent.
static void a_destruction_renews_its_lease_or_stops(void **state)
{
    struct world *world = *state;
    char before[300], after[300];
    pthread_t thread;
    source(world, "one", "1");
    source(world, "two", "2");
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    for (int stolen = 0; stolen <= 1; stolen++) {
        int deletes = world->b.deletes;
        store_fail(&world->b,
                   (struct store_fault){.method = "DELETE", .contains = "/", .times = 1, .hold = 1});
        assert_int_equal(pthread_create(&thread, NULL, run_destroy, world), 0);
        eventually(store_writes(&world->b) && world->b.deletes > deletes);
        holder_of(world, before, sizeof before);
        assert_true(*before != '\0');
        if (stolen)
            put_lease(world, "another", 10);
        usleep(5100000); // it is to be renewed before the next call
        deletes = world->b.deletes;
        store_release(&world->b);
        pthread_join(thread, NULL);
        assert_int_equal(world->ended, stolen ? IST_ERR_CONFLICT : IST_OK);
        holder_of(world, after, sizeof after);
        assert_string_equal(after, stolen ? "another" : "");
        if (stolen)
            assert_int_equal(world->b.deletes, deletes);
        else
            assert_int_equal(fakehost_converge(world->host), IST_OK); // all of it again
    }
}

static void a_stolen_lease_stops_the_writing(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    put_lease(world, "another", 60);
    eventually(flag_is(world, "clusters.b.holds_lease", 0)); // a renewal has met it
    writes_nothing_for(world, "two");
    eventually(status_is(world, "clusters.b.notes[0]",
                         "another holds the lease kube-system/isthmus-step and writes"));
}

static void what_cannot_renew_stops_in_time(void **state)
{
    struct world *world = *state;
    source(world, "one", "1");
    start_watch(world);
    eventually(store_count(&world->b, "secrets") == 1);
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    store_fail(&world->b,
               (struct store_fault){.method = "PUT", .contains = "leases", .times = -1, .status = 500});
    eventually(flag_is(world, "clusters.b.holds_lease", 0)); // the last renewal is older than it is valid
    writes_nothing_for(world, "two");
}

// One that does not write follows all the same, and what the other one has written is no debt of its own.
static void one_in_waiting_gathers_nothing(void **state)
{
    struct world *world = *state;
    struct world waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char name[32];
    start_watch(world);
    eventually(flag_is(world, "clusters.b.holds_lease", 1));
    waiting.host = fakehost_new(ist_plugin_entry(runner_host()));
    waiting.host->solo->tell = tell;
    waiting.host->solo->tell_arg = &waiting;
    fakehost_inputs(waiting.host, json_pack("{s:{s:s, s:s}}", "kubeconfigs", "a", world->a.kubeconfig, "b",
                                            world->b.kubeconfig));
    start_watch(&waiting);
    eventually(status_is(&waiting, "clusters.b.state", "synced"));
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "m%d", i);
        source(world, name, "x");
    }
    eventually(store_count(&world->b, "secrets") == 50);
    eventually(number_is(&waiting, "clusters.b.lag_events", 0) &&
               number_is(&waiting, "clusters.b.lag_ms", 0));
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "m%d", i);
        store_delete(&world->a, "configmaps", "shop", name);
    }
    eventually(store_count(&world->b, "secrets") == 0);
    eventually(number_is(&waiting, "clusters.b.lag_events", 0));
    eventually(store_writes(&world->b) == 200);
    stop_watch(&waiting);
    fakehost_free(waiting.host);
    json_decref(waiting.status);
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
        cmocka_unit_test_setup_teardown(one_in_waiting_gathers_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(an_apply_holds_the_lease_and_a_destroy_removes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_destroy_finds_what_only_a_daemon_made, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_written_beside_a_daemon_that_lives, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_the_lease_and_takes_it_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_holder_of_this_machine_that_is_gone_is_not_waited_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_holder_that_may_live_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_destruction_renews_its_lease_or_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stolen_lease_stops_the_writing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_renew_stops_in_time, setup, teardown),
    };
    return cmocka_run_group_tests_name("reconciler-watch", tests, NULL, NULL);
}
