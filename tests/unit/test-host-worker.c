// Workers: one plugin in a process of its own, in health and in every way of going wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/catalog.h"
#include "host/folder.h"
#include "host/runner.h"
#include "host/worker.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct bench {
    struct catalog *catalog;
    const struct plugin_info *plugin;
    struct worker *worker;
    char *dir;
    json_t *inputs;
};

static int set_up(void **state)
{
    char dir[] = "/tmp/isthmus-worker-XXXXXX";
    struct bench *b = ist_calloc(1, sizeof(*b));
    assert_non_null(mkdtemp(dir));
    b->dir = ist_strdup(dir);
    b->catalog = catalog_new(NULL, 0, NULL);
    ist_error err;
    b->plugin = catalog_find(b->catalog, "test-file", &err);
    if (!b->plugin) {
        print_error("%s: %s\n", err.where, err.text);
        return -1;
    }
    b->inputs = json_pack("{s:s+,s:i,s:s}", "dir", dir, "/files", "count", 2, "content", "a");
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    worker_free(b->worker);
    catalog_free(b->catalog);
    json_decref(b->inputs);
    remove_tree(b->dir);
    ist_free(b->dir);
    ist_free(b);
    return 0;
}

static void start(struct bench *b, const struct worker_options *options)
{
    ist_error err = {0};
    if (worker_start(b->plugin, options, &b->worker, &err) != 0)
        fail_msg("%s", err.text);
}

// reading: see worker.h
static void ask_of(struct bench *b, uint32_t operation, uint64_t reading)
{
    ist_error err = {0};
    struct worker_request request = {
        .operation = operation, .step = "s", .inputs = b->inputs, .run_dir = b->dir, .reading = reading};
    json_t *observed = json_object();
    request.observed = operation == IST_OP_OBSERVE ? NULL : observed;
    if (worker_ask(b->worker, &request, &err) != 0)
        fail_msg("%s", err.text);
    json_decref(observed);
}

static void ask(struct bench *b, uint32_t operation)
{
    ask_of(b, operation, 0);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// The next event of `type` (others are let go; the journal is answered), within two minutes. Returns what
// worker_read() did: 1, or -1 with *err.
static int next_of(struct bench *b, enum worker_event_type type, struct worker_event *event, ist_error *err)
{
    struct pollfd fd = {.fd = worker_fd(b->worker), .events = POLLIN};
    for (int64_t until = now_ms() + 120000; now_ms() < until;) {
        int rc = worker_read(b->worker, event, err);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            poll(&fd, 1, 1000);
            continue;
        }
        if (event->type == WORKER_INTENT)
            worker_answer(b->worker, IST_OK,
                          "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
        if (event->type == WORKER_OUTCOME)
            worker_answer(b->worker, IST_OK, NULL);
        if (event->type == type)
            return 1;
        worker_event_free(event);
    }
    fail_msg("nothing came for two minutes");
    return 0;
}

static void expect_result(struct bench *b, int32_t code)
{
    struct worker_event event;
    ist_error err = {0};
    if (next_of(b, WORKER_RESULT, &event, &err) < 0)
        fail_msg("%s", err.text);
    if (event.error.code != code)
        fail_msg("%s: %s", event.error.where, event.error.text);
    worker_event_free(&event);
}

// The worker is lost, and the error names the plugin and says `text`.
static void expect_loss(struct bench *b, const char *text)
{
    struct worker_event event;
    ist_error err = {0};
    assert_int_equal(next_of(b, WORKER_RESULT, &event, &err), -1);
    assert_string_equal(err.where, "test-file");
    if (!strstr(err.text, text))
        fail_msg("expected \"%s\" in \"%s\"", text, err.text);
    assert_int_equal(worker_read(b->worker, &event, &err), -1);
}

static void go_wrong(struct bench *b, const char *fault, const char *where)
{
    json_object_set_new(b->inputs, "fault", json_string(fault));
    json_object_set_new(b->inputs, "fault_in", json_string(where));
}

// ---- in health

static void the_catalog_knows_its_tables(void **state)
{
    struct bench *b = *state;
    assert_string_equal(b->plugin->version, "0.1.0");
    assert_true(b->plugin->has_apply && b->plugin->has_verify && b->plugin->has_watch);
    assert_int_equal(plugin_input(b->plugin, "dir")->flags, IST_REQUIRED | IST_FORCES_REPLACE);
    assert_string_equal(plugin_output(b->plugin, "ids")->type, "list(string)");
    assert_null(plugin_output(b->plugin, "nowhere"));
    assert_true(strlen(b->plugin->build) >= 16); // of the ELF file, as it names none itself
}

static void one_worker_does_one_operation_after_another(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    for (int i = 0; i < 20; i++) {
        ask(b, IST_OP_OBSERVE);
        expect_result(b, IST_OK);
        ask(b, IST_OP_PLAN);
        struct worker_event event;
        ist_error err;
        assert_int_equal(next_of(b, WORKER_CHANGE, &event, &err), 1);
        assert_string_equal(ist_json_str(event.body, "resource"), "file[0]");
        assert_int_equal(ist_json_int(event.body, "action", 0), IST_CREATE);
        worker_event_free(&event);
        expect_result(b, IST_OK);
    }
}

static int changes_of_plan(struct bench *b, uint64_t reading)
{
    struct worker_event event;
    ist_error err;
    int changes = 0, rc;
    ask_of(b, IST_OP_PLAN, reading);
    struct pollfd fd = {.fd = worker_fd(b->worker), .events = POLLIN};
    for (bool ended = false; !ended;) {
        poll(&fd, 1, 1000);
        while (!ended && (rc = worker_read(b->worker, &event, &err)) != 0) {
            assert_int_equal(rc, 1);
            changes += event.type == WORKER_CHANGE;
            ended = event.type == WORKER_RESULT;
            worker_event_free(&event);
        }
    }
    return changes;
}

static void a_plan_is_of_what_its_observe_was_given(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    ask_of(b, IST_OP_OBSERVE, 7);
    expect_result(b, IST_OK);
    json_object_set_new(b->inputs, "count", json_integer(5)); // which does not cross
    assert_int_equal(changes_of_plan(b, 7), 2);
    assert_int_equal(changes_of_plan(b, 7), 5); // once: another operation has been since
    json_object_set_new(b->inputs, "count", json_integer(2));
    ask_of(b, IST_OP_OBSERVE, 8);
    expect_result(b, IST_OK);
    json_object_set_new(b->inputs, "count", json_integer(5));
    assert_int_equal(changes_of_plan(b, 9), 5); // another reading's
    json_object_set_new(b->inputs, "count", json_integer(2));
    go_wrong(b, "fail", "observe");
    ask_of(b, IST_OP_OBSERVE, 10);
    expect_result(b, IST_ERR_REMOTE);
    go_wrong(b, "none", "observe");
    json_object_set_new(b->inputs, "count", json_integer(5));
    assert_int_equal(changes_of_plan(b, 10), 5); // what failed is not followed
}

static void an_intent_waits_for_its_answer(void **state)
{
    struct bench *b = *state;
    struct worker_event event;
    ist_error err;
    start(b, NULL);
    ask(b, IST_OP_APPLY);
    struct pollfd fd = {.fd = worker_fd(b->worker), .events = POLLIN};
    int rc;
    do {
        poll(&fd, 1, 1000);
        rc = worker_read(b->worker, &event, &err);
        if (rc == 1 && event.type != WORKER_INTENT) {
            worker_event_free(&event);
            rc = 0;
        }
    } while (rc == 0);
    assert_int_equal(rc, 1);
    worker_event_free(&event);
    assert_int_equal(poll(&fd, 1, 100), 0); // nothing is made before the journal has it
    worker_answer(b->worker, IST_ERR_LIMIT, NULL);
    expect_result(b, IST_ERR_LIMIT);
    ask(b, IST_OP_APPLY);
    expect_result(b, IST_OK);
}

static void its_descriptor_tells_of_every_event_that_is_left(void **state)
{
    struct bench *b = *state;
    struct worker_event event;
    ist_error err;
    json_object_set_new(b->inputs, "count", json_integer(500));
    start(b, NULL);
    ask(b, IST_OP_PLAN);
    struct pollfd fd = {.fd = worker_fd(b->worker), .events = POLLIN};
    size_t events = 0;
    for (bool ended = false; !ended;) {
        assert_int_equal(poll(&fd, 1, 5000), 1); // one event for each time it is said to be readable
        int rc = worker_read(b->worker, &event, &err);
        assert_true(rc >= 0);
        if (rc == 0)
            continue;
        events++;
        ended = event.type == WORKER_RESULT;
        worker_event_free(&event);
    }
    assert_true(events > 2500);
}

static void a_cancel_ends_a_wait_and_not_the_next_operation(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    go_wrong(b, "wait", "observe");
    ask(b, IST_OP_OBSERVE);
    worker_cancel(b->worker);
    expect_result(b, IST_ERR_CANCELLED);
    worker_cancel(b->worker); // too late for anything
    go_wrong(b, "none", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
}

static void a_command_for_people_prints(void **state)
{
    struct bench *b = *state;
    struct worker_event event;
    ist_error err;
    json_t *args = json_pack("{s:[s]}", "args", "hello");
    struct worker_request request = {
        .command_word = "test-file", .command_name = "echo", .command_args = args};
    start(b, NULL);
    assert_int_equal(worker_ask(b->worker, &request, &err), 0);
    assert_int_equal(next_of(b, WORKER_PRINT, &event, &err), 1);
    assert_string_equal(ist_json_str(event.body, "text"), "hello\n");
    worker_event_free(&event);
    expect_result(b, IST_OK);
    json_decref(args);
}

static void large_inputs_cross_whole(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    json_t *labels = json_object();
    for (int i = 0; i < 20000; i++) {
        char *key = ist_printf("label-%d", i);
        json_object_set_new(labels, key, json_string("a value that is neither long nor short"));
        ist_free(key);
    }
    json_object_set_new(b->inputs, "labels", labels);
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
}

static void inputs_over_the_limit_are_refused_before_they_are_sent(void **state)
{
    struct bench *b = *state;
    ist_error err = {0};
    start(b, NULL);
    size_t len = (size_t)17 << 20;
    char *text = ist_malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    json_object_set_new(b->inputs, "content", json_string(text));
    ist_free(text);
    struct worker_request request = {.operation = IST_OP_OBSERVE, .inputs = b->inputs};
    assert_int_equal(worker_ask(b->worker, &request, &err), IST_ERR_LIMIT);
    assert_non_null(strstr(err.text, "17 MiB"));
    json_object_set_new(b->inputs, "content", json_string("a"));
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
}

static void the_pool_keeps_a_worker_and_drops_a_dead_one(void **state)
{
    struct bench *b = *state;
    ist_error err;
    struct worker *worker, *again;
    struct worker_pool *pool = worker_pool_new(NULL, 2);
    assert_int_equal(worker_pool_take(pool, b->plugin, &worker, &err), 0);
    pid_t pid = worker_pid(worker);
    worker_pool_give(pool, worker);
    assert_int_equal(worker_pool_take(pool, b->plugin, &again, &err), 0);
    assert_int_equal(worker_pid(again), pid);
    worker_pool_give(pool, again);
    kill(pid, SIGKILL);
    usleep(50000);
    assert_int_equal(worker_pool_take(pool, b->plugin, &worker, &err), 0);
    assert_int_not_equal(worker_pid(worker), pid);
    b->worker = worker;
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
    worker_pool_free(pool);
}

static void the_worker_inherits_the_lock_and_what_it_starts_does_not(void **state)
{
    struct bench *b = *state;
    char *path = ist_printf("%s/lock", b->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    struct worker_options options = {.lock_fd = fd};
    start(b, &options);
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
    close(fd);
    int other = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1); // held by the worker
    worker_free(b->worker);
    b->worker = NULL;
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
    ist_free(path);
}

static void its_environment_is_an_allow_list(void **state)
{
    struct bench *b = *state;
    static const char *const hidden[] = {"ISTHMUS_TEST_PASSWORD", "SOMETHING_ELSE", "AWS_SECRET_ACCESS_KEY",
                                         "AWS_SESSION_TOKEN"};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
        setenv(hidden[i], "hush-hush", 1);
    setenv("HTTPS_PROXY", "http://somebody:hush-hush@192.0.2.1:3128", 1);
    setenv("AWS_REGION", "eu-test-1", 1);
    start(b, NULL);
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
    char path[64], text[65536];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)worker_pid(b->worker));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    assert_non_null(memmem(text, n, "AWS_REGION=eu-test-1", 20));
    assert_null(memmem(text, n, "hush-hush", 9));
    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
        unsetenv(hidden[i]);
    unsetenv("HTTPS_PROXY");
    unsetenv("AWS_REGION");
}

static void keys_reach_the_plugin_over_the_wire(void **state)
{
    struct bench *b = *state;
    const char *build = getenv("BUILD");
    char *path = ist_printf("%s/tests/torture/bad/bad-environment.so", build ? build : ".");
    char name[] = "bad-environment";
    struct plugin_info plugin = {.name = name, .path = path};
    struct worker_event event;
    ist_error err = {0};
    setenv("AWS_SECRET_ACCESS_KEY", "hush-hush", 1);
    setenv("ISTHMUS_TEST_PASSWORD", "hush-hush", 1); // an input's business
    if (worker_start(&plugin, NULL, &b->worker, &err) != 0)
        fail_msg("%s", err.text);
    ask(b, IST_OP_OBSERVE);
    if (next_of(b, WORKER_OBSERVED, &event, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(ist_json_str_or(event.body, "value.host", ""), "hush-hush");
    assert_false(ist_json_bool(event.body, "value.process", 1));
    assert_false(ist_json_bool(event.body, "value.other", 1));
    worker_event_free(&event);
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("ISTHMUS_TEST_PASSWORD");
    ist_free(path);
}

// ---- going wrong

static void a_crash_is_named(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    go_wrong(b, "crash", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_loss(b, "crashed: segmentation fault (SIGSEGV)");
}

static void junk_on_the_wire_is_named(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    go_wrong(b, "junk", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_loss(b, "a frame of 2047 MiB: at most 16");
}

static void a_closed_wire_is_named(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    go_wrong(b, "close", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_loss(b, "its worker ");
}

static void a_flood_of_log_is_ended(void **state)
{
    struct bench *b = *state;
    // No more than a busy machine, in a sanitizer's hands, has time for.
    const struct worker_options options = {.lock_fd = -1, .talk_max = 200};
    start(b, &options);
    go_wrong(b, "flood", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_loss(b, "flooded");
}

static void one_that_repeats_itself_floods_however_slowly(void **state)
{
    struct bench *b = *state;
    const struct worker_options options = {.lock_fd = -1, .talk_max = 1u << 30};
    start(b, &options);
    go_wrong(b, "flood", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_loss(b, "flooded: the same line 5000 times within a minute");
}

static void a_flood_of_stray_output_is_ended(void **state)
{
    struct bench *b = *state;
    const struct worker_options options = {.lock_fd = -1, .talk_max = 200};
    start(b, &options);
    go_wrong(b, "stderr", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_loss(b, "flooded");
}

static void one_that_eats_memory_ends_itself(void **state)
{
    struct bench *b = *state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); // a sanitizer's shadow memory leaves no limit to set
#endif
    struct worker_options options = {.lock_fd = -1, .memory_max = (size_t)512 << 20};
    start(b, &options);
    go_wrong(b, "memory", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_loss(b, "crashed: Aborted (SIGABRT)");
}

static int processes_of_group(pid_t group)
{
    DIR *proc = opendir("/proc");
    int n = 0;
    for (struct dirent *entry; (entry = readdir(proc));) {
        char path[300], state_letter;
        int pid, ppid, pgrp;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!file)
            continue;
        if (fscanf(file, "%d (%*[^)]) %c %d %d", &pid, &state_letter, &ppid, &pgrp) == 4 && pgrp == group &&
            state_letter != 'Z')
            n++;
        fclose(file);
    }
    closedir(proc);
    return n;
}

static void what_it_forked_ends_with_it(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    go_wrong(b, "fork", "observe");
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
    pid_t group = worker_pid(b->worker);
    assert_int_equal(processes_of_group(group), 2);
    worker_free(b->worker);
    b->worker = NULL;
    for (int i = 0; i < 100 && processes_of_group(group); i++)
        usleep(10000);
    assert_int_equal(processes_of_group(group), 0);
}

static void one_that_hangs_is_killed_when_it_is_let_go(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    go_wrong(b, "hang", "observe");
    ask(b, IST_OP_OBSERVE);
    usleep(50000);
    pid_t group = worker_pid(b->worker);
    int64_t began = now_ms();
    worker_free(b->worker);
    b->worker = NULL;
    assert_true(now_ms() - began < 4500);
    assert_int_equal(processes_of_group(group), 0);
}

static void a_hanging_one_is_killed_by_name(void **state)
{
    struct bench *b = *state;
    start(b, NULL);
    go_wrong(b, "hang", "observe");
    ask(b, IST_OP_OBSERVE);
    worker_kill(b->worker);
    expect_loss(b, "was killed (SIGKILL)");
}

static void a_worker_that_reads_nothing_does_not_hold_the_core(void **state)
{
    struct bench *b = *state;
    ist_error err = {0};
    start(b, NULL);
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
    kill(worker_pid(b->worker), SIGSTOP);
    char *text = ist_malloc((4u << 20) + 1);
    memset(text, 'x', 4u << 20);
    text[4u << 20] = '\0';
    json_object_set_new(b->inputs, "content", json_string(text));
    ist_free(text);
    struct worker_request request = {.operation = IST_OP_OBSERVE, .inputs = b->inputs};
    int64_t began = now_ms();
    assert_int_equal(worker_ask(b->worker, &request, &err), IST_ERR_TIMEOUT);
    assert_true(now_ms() - began < 60000);
    assert_string_equal(err.where, "test-file");
}

static void an_unknown_plugin_has_a_near_name(void **state)
{
    struct bench *b = *state;
    ist_error err = {0};
    assert_null(catalog_find(b->catalog, "test-fiel", &err));
    assert_int_equal(err.code, IST_ERR_NOT_FOUND);
    assert_string_equal(err.hint, "did you mean `test-file`?");
    assert_null(catalog_find(b->catalog, "../plugins/test-file/.libs/test-file", &err));
}

static void the_cache_is_read_until_the_file_changes(void **state)
{
    struct bench *b = *state;
    char *cache = ist_printf("%s/plugins.json", b->dir);
    ist_error err;
    struct stat st;
    struct catalog *c = catalog_new(NULL, 0, cache);
    assert_non_null(catalog_find(c, "test-file", &err));
    catalog_free(c);
    assert_int_equal(stat(cache, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    setenv("ISTHMUS_WORKER", "/nonexistent", 1); // what is cached needs no worker
    c = catalog_new(NULL, 0, cache);
    const struct plugin_info *info = catalog_find(c, "test-file", &err);
    assert_non_null(info);
    assert_int_equal(info->input_count, b->plugin->input_count);
    assert_string_equal(info->build, b->plugin->build);
    catalog_free(c);
    // Broken, it is made anew.
    FILE *file = fopen(cache, "w");
    fputs("{\"version\": 1, \"plugins\": 3}", file);
    fclose(file);
    c = catalog_new(NULL, 0, cache);
    assert_null(catalog_find(c, "test-file", &err));
    assert_non_null(strstr(err.text, "/nonexistent"));
    catalog_free(c);
    unsetenv("ISTHMUS_WORKER");
    ist_free(cache);
}

// The generation that the next status tells of.
static int64_t told_generation(struct bench *b)
{
    struct worker_event event;
    ist_error err = {0};
    if (next_of(b, WORKER_STATUS, &event, &err) < 0)
        fail_msg("%s", err.text);
    int64_t generation = json_integer_value(ist_json_at(event.body, "value.clusters.folder.generation"));
    worker_event_free(&event);
    return generation;
}

static void a_watch_tells_its_status_and_takes_new_inputs(void **state)
{
    struct bench *b = *state;
    ist_error err = {0};
    assert_int_equal(b->plugin->flags, IST_PLUGIN_RECONFIGURES);
    start(b, NULL);
    ask(b, IST_OP_WATCH);
    assert_int_equal(told_generation(b), 1);
    json_object_set_new(b->inputs, "content", json_string("b"));
    assert_int_equal(worker_renew(b->worker, b->inputs, &err), 0);
    assert_int_equal(told_generation(b), 2);
    json_object_set_new(b->inputs, "content", json_string("c"));
    assert_int_equal(worker_renew(b->worker, b->inputs, &err), 0);
    assert_int_equal(told_generation(b), 3);
    worker_cancel(b->worker);
    expect_result(b, IST_OK);
}

static void new_inputs_that_the_plugin_refuses_end_the_watch(void **state)
{
    struct bench *b = *state;
    ist_error err = {0};
    start(b, NULL);
    ask(b, IST_OP_WATCH);
    assert_int_equal(told_generation(b), 1);
    json_object_set_new(b->inputs, "count", json_integer(-1));
    assert_int_equal(worker_renew(b->worker, b->inputs, &err), 0);
    expect_result(b, IST_ERR_INPUT);
}

static void new_inputs_outside_of_a_watch_are_let_go(void **state)
{
    struct bench *b = *state;
    ist_error err = {0};
    start(b, NULL);
    assert_int_equal(worker_renew(b->worker, b->inputs, &err), 0);
    ask(b, IST_OP_OBSERVE);
    expect_result(b, IST_OK);
    assert_int_equal(worker_renew(b->worker, b->inputs, &err), 0);
    ask(b, IST_OP_WATCH);
    assert_int_equal(told_generation(b), 1);
    worker_cancel(b->worker);
    expect_result(b, IST_OK);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_catalog_knows_its_tables),
        CASE(one_worker_does_one_operation_after_another),
        CASE(a_plan_is_of_what_its_observe_was_given),
        CASE(an_intent_waits_for_its_answer),
        CASE(its_descriptor_tells_of_every_event_that_is_left),
        CASE(a_cancel_ends_a_wait_and_not_the_next_operation),
        CASE(a_command_for_people_prints),
        CASE(large_inputs_cross_whole),
        CASE(inputs_over_the_limit_are_refused_before_they_are_sent),
        CASE(the_pool_keeps_a_worker_and_drops_a_dead_one),
        CASE(the_worker_inherits_the_lock_and_what_it_starts_does_not),
        CASE(its_environment_is_an_allow_list),
        CASE(keys_reach_the_plugin_over_the_wire),
        CASE(a_crash_is_named),
        CASE(junk_on_the_wire_is_named),
        CASE(a_closed_wire_is_named),
        CASE(a_flood_of_log_is_ended),
        CASE(one_that_repeats_itself_floods_however_slowly),
        CASE(a_flood_of_stray_output_is_ended),
        CASE(one_that_eats_memory_ends_itself),
        CASE(what_it_forked_ends_with_it),
        CASE(one_that_hangs_is_killed_when_it_is_let_go),
        CASE(a_hanging_one_is_killed_by_name),
        CASE(a_worker_that_reads_nothing_does_not_hold_the_core),
        CASE(a_watch_tells_its_status_and_takes_new_inputs),
        CASE(new_inputs_that_the_plugin_refuses_end_the_watch),
        CASE(new_inputs_outside_of_a_watch_are_let_go),
        CASE(an_unknown_plugin_has_a_near_name),
        CASE(the_cache_is_read_until_the_file_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
