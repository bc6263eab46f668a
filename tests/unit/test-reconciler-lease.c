// Who writes: the Lease of a watch, of an apply and of a destruction.
#include "own-time.h"
#include "reconciler-world.h"

#include <sys/wait.h>

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

// A change at the source is seen, and nothing is written for it.
static void writes_nothing_for(struct world *world, const char *name)
{
    int before = store_writes(&world->b);
    double events = events_of(world, "a");
    source(world, name, "2");
    eventually(events_of(world, "a") > events);
    assert_int_equal(store_writes(&world->b), before);
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
    int64_t began = ist_now_ms(NULL);
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
    assert_true(ist_now_ms(NULL) - began < 1800000); // and not the hour that it says
}

// One that lives, or that cannot be judged from here, has its time, from when it is seen first.
static void waits_for_a_holder(struct world *world, const char *holder)
{
    int64_t began = ist_now_ms(NULL);
    put_lease(world, holder, 2);
    world->waits[0] = '\0';
    source(world, "one", holder);
    assert_int_equal(fakehost_converge(world->host), IST_OK);
    assert_true(is(world, "one.a", holder));
    assert_true(ist_now_ms(NULL) - began >= 2000);
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
    int64_t began = ist_now_ms(NULL);
    put_lease(world, ours, 2);
    assert_int_equal(fakehost_run(world->host, IST_OP_DESTROY), IST_OK);
    assert_true(ist_now_ms(NULL) - began >= 2000);
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
        own_time_advance(5100); // it is to be renewed before the next call
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

// Nobody may hold it. Where nothing is to be written nobody has to either, and that is no news; where something is, it is.
static void a_lease_is_told_of_where_it_is_needed(void **state)
{
    static const struct store_fault denied = {.method = "GET",
                                              .contains = "leases",
                                              .times = -1,
                                              .status = 403,
                                              .body = "{\"message\":\"leases is forbidden\"}"};
    static const char *const nobody = "nobody holds the lease kube-system/isthmus-step and writes";
    struct world *world = *state;
    store_fail(&world->a, denied);
    store_fail(&world->b, denied);
    start_watch(world);
    eventually(status_is(world, "clusters.a.state", "synced") &&
               status_is(world, "clusters.b.state", "synced"));
    assert_false(noted(world, "nobody holds"));
    source(world, "one", "1");
    eventually(status_is(world, "clusters.b.notes[0]", nobody));
    assert_int_equal(store_writes(&world->b), 0);
    assert_true(status_is(world, "clusters.a.notes[0]", ""));
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
        cmocka_unit_test_setup_teardown(a_lease_is_told_of_where_it_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_renew_stops_in_time, setup, teardown),
    };
    return cmocka_run_group_tests_name("reconciler-lease", tests, NULL, NULL);
}
