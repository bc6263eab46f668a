// The state: records, the journal and its tokens, migration, the lock, and what happens when the disk is
// full, the file is damaged or the program dies in between.
#include "state/sqlite.h"

#include <fcntl.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    strncpy(folder, "/tmp/isthmus-state-XXXXXX", sizeof(folder) - 1);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/deep/er/state.db", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", folder, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

static struct store *open_it(void)
{
    struct store *store = NULL;
    ist_error err = {0};
    if (store_open(path, &store, &err) != IST_OK)
        fail_msg("store_open: %s: %s", err.where, err.text);
    return store;
}

static void put(struct store *store, const char *step, const char *status)
{
    ist_error err = {0};
    json_t *record =
        json_pack("{s:s, s:s, s:[s]}", "plugin", "test-file", "status", status, "needs", "first");
    if (store_step_put(store, "p", step, record, &err) != IST_OK)
        fail_msg("store_step_put: %s", err.text);
    json_decref(record);
}

static json_t *get(struct store *store, const char *step)
{
    json_t *record = NULL;
    assert_int_equal(store_step_get(store, "p", step, &record, NULL), IST_OK);
    return record;
}

static void intent(struct store *store, const char *resource, char token[65])
{
    json_t *data = json_pack("{s:s}", "want", resource);
    assert_int_equal(store_intent(store, "p", "first", resource, data, token, NULL), IST_OK);
    json_decref(data);
}

static void outcome(struct store *store, const char *resource, const char *id)
{
    json_t *data = id ? json_pack("{s:s}", "id", id) : NULL;
    assert_int_equal(store_outcome(store, "p", "first", resource, data, NULL), IST_OK);
    json_decref(data);
}

static void a_new_state_is_private_and_has_a_key(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    struct stat file, dir;
    char up[160];
    snprintf(up, sizeof(up), "%s/deep", folder);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_int_equal(stat(up, &dir), 0);
    assert_int_equal(dir.st_mode & 0777, 0700);
    unsigned char key[32];
    memcpy(key, store_key(store), 32);
    store_close(store);
    store = open_it();
    assert_memory_equal(key, store_key(store), 32);
    store_close(store);
}

static void records_come_back_in_the_order_they_were_made(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    int64_t before = store_serial(store);
    put(store, "zebra", "applied");
    put(store, "ant", "applying");
    put(store, "zebra", "applying");
    assert_int_equal(store_serial(store), before + 3);
    json_t *records = NULL;
    assert_int_equal(store_steps(store, "p", &records, NULL), IST_OK);
    assert_int_equal(json_array_size(records), 2);
    assert_string_equal(ist_json_str(records, "[0].step"), "zebra");
    assert_string_equal(ist_json_str(records, "[0].status"), "applying");
    json_decref(records);
    json_t *none = get(store, "absent");
    assert_null(none);
    store_close(store);
}

static void an_open_intent_keeps_its_token_and_a_completed_one_gets_another(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    char one[65], again[65], two[65], other[65];
    put(store, "first", "applying");
    intent(store, "vpc", one);
    intent(store, "vpc", again);
    assert_int_equal(strlen(one), 64);
    assert_string_equal(one, again);
    intent(store, "subnet", other);
    assert_string_not_equal(one, other);
    outcome(store, "vpc", "vpc-1");
    intent(store, "vpc", two);
    assert_string_not_equal(one, two);
    json_t *record = get(store, "first");
    assert_string_equal(ist_json_str(record, "resources.vpc.status"), "intent");
    assert_string_equal(ist_json_str(record, "resources.vpc.previous.id"), "vpc-1");
    json_decref(record);
    outcome(store, "vpc", "vpc-2");
    record = get(store, "first");
    assert_string_equal(ist_json_str(record, "resources.vpc.data.id"), "vpc-2");
    assert_null(ist_json_at(record, "resources.vpc.previous"));
    json_decref(record);
    store_close(store);
}

static void a_step_that_comes_back_gets_new_tokens(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    char one[65], two[65], three[65], four[65];
    put(store, "first", "applying");
    intent(store, "vpc", one);
    outcome(store, "vpc", "vpc-1");
    outcome(store, "vpc", NULL);
    assert_int_equal(store_step_remove(store, "p", "first", NULL), IST_OK);
    put(store, "first", "applying");
    intent(store, "vpc", two);
    assert_string_not_equal(one, two);
    // An open intent that was let go of (--forget) is not taken up again either.
    assert_int_equal(store_step_remove(store, "p", "first", NULL), IST_OK);
    intent(store, "vpc", three);
    assert_string_not_equal(two, three);
    outcome(store, "vpc", "x");
    outcome(store, "vpc", "x");
    outcome(store, "vpc", NULL);
    intent(store, "vpc", four);
    assert_string_not_equal(three, four);
    store_close(store);
}

static void renaming_moves_resources_edges_and_tokens(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    char one[65], two[65];
    put(store, "first", "applied");
    put(store, "second", "applied");
    intent(store, "vpc", one);
    ist_error err = {0};
    assert_int_equal(store_step_rename(store, "p", "first", "second", &err), IST_ERR_CONFLICT);
    assert_int_equal(store_step_rename(store, "p", "none", "x", &err), IST_ERR_NOT_FOUND);
    assert_int_equal(store_step_rename(store, "p", "first", "net", &err), IST_OK);
    json_t *record = get(store, "net");
    assert_string_equal(ist_json_str(record, "resources.vpc.token"), one);
    json_decref(record);
    record = get(store, "second");
    assert_string_equal(ist_json_str(record, "needs[0]"), "net");
    json_decref(record);
    assert_int_equal(store_intent(store, "p", "net", "vpc", NULL, two, NULL), IST_OK);
    assert_string_equal(one, two);
    store_close(store);
}

static void history_is_newest_first(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    int64_t a, b, serial = store_serial(store);
    assert_int_equal(store_run_begin(store, "p", "apply", &a, NULL), IST_OK);
    assert_int_equal(store_run_begin(store, "p", "destroy", &b, NULL), IST_OK);
    json_t *summary = json_pack("{s:i}", "changed", 3), *runs = NULL;
    assert_int_equal(store_run_end(store, a, summary, NULL), IST_OK);
    json_decref(summary);
    assert_int_equal(store_runs(store, &runs, NULL), IST_OK);
    assert_string_equal(ist_json_str(runs, "[0].command"), "destroy");
    assert_true(json_is_null(ist_json_at(runs, "[0].summary")));
    assert_int_equal(ist_json_int(runs, "[1].summary.changed", 0), 3);
    assert_int_equal(store_serial(store), serial);
    json_decref(runs);
    store_close(store);
}

// Schema 1 had no column `previous`, the last one of resources.
static void an_export_of_an_older_schema_imports(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    char token[65];
    put(store, "first", "applied");
    intent(store, "vpc", token);
    json_t *all = NULL, *back = NULL, *row;
    size_t i;
    assert_int_equal(store_export(store, &all, NULL), IST_OK);
    store_close(store);
    json_t *old = json_deep_copy(all);
    json_object_set_new(old, "schema", json_integer(1));
    json_array_foreach(json_object_get(old, "resources"), i, row) json_array_remove(row, 8);
    snprintf(path, sizeof(path), "%s/older.db", folder);
    store = open_it();
    ist_error err = {0};
    json_object_set_new(all, "schema", json_integer(STORE_SCHEMA + 1));
    assert_int_equal(store_import(store, all, &err), IST_ERR_INPUT);
    assert_non_null(strstr(err.text, "newer"));
    assert_int_equal(store_import(store, old, &err), IST_OK);
    assert_int_equal(store_export(store, &back, NULL), IST_OK);
    assert_true(json_equal(json_object_get(all, "resources"), json_object_get(back, "resources")));
    assert_int_equal(json_array_size(json_object_get(back, "resources")), 1);
    json_decref(all);
    json_decref(old);
    json_decref(back);
    store_close(store);
}

static void an_export_imports_into_an_empty_state_only(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    char one[65], two[65];
    put(store, "first", "applied");
    intent(store, "vpc", one);
    json_t *all = NULL, *back = NULL;
    assert_int_equal(store_export(store, &all, NULL), IST_OK);
    ist_error err = {0};
    assert_int_equal(store_import(store, all, &err), IST_ERR_CONFLICT);
    store_close(store);
    snprintf(path, sizeof(path), "%s/other.db", folder);
    store = open_it();
    json_t *bad = json_deep_copy(all);
    json_array_append_new(json_array_get(json_object_get(bad, "steps"), 0), json_integer(1));
    assert_int_equal(store_import(store, bad, &err), IST_ERR_INPUT);
    assert_int_equal(store_import(store, NULL, &err), IST_ERR_INPUT);
    json_decref(bad);
    assert_int_equal(store_import(store, all, &err), IST_OK);
    intent(store, "vpc", two);
    assert_string_equal(one, two);
    assert_int_equal(store_export(store, &back, NULL), IST_OK);
    assert_true(json_equal(json_object_get(all, "resources"), json_object_get(back, "resources")) ||
                json_array_size(json_object_get(back, "resources")) == 1);
    json_decref(all);
    json_decref(back);
    store_close(store);
}

// Version 1, as the first migration alone leaves it.
static void make_version_1(void)
{
    struct store *store = open_it();
    put(store, "first", "applied");
    assert_int_equal(
        sql_run(store, "ALTER TABLE resources DROP COLUMN previous; PRAGMA user_version = 1", "", NULL),
        IST_OK);
    store_close(store);
}

static void an_older_schema_is_migrated_after_a_backup(void **unused)
{
    (void)unused;
    make_version_1();
    char token[65], backup[160];
    struct store *store = open_it();
    intent(store, "vpc", token);
    json_t *record = get(store, "first");
    assert_string_equal(ist_json_str(record, "status"), "applied");
    json_decref(record);
    store_close(store);
    snprintf(backup, sizeof(backup), "%s.schema-1.backup", path);
    struct stat st;
    assert_int_equal(stat(backup, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_size > 0);
}

static void a_newer_schema_and_a_strange_database_are_refused(void **unused)
{
    (void)unused;
    struct store *store = open_it(), *none = NULL;
    assert_int_equal(sql_run(store, "PRAGMA user_version = 99", "", NULL), IST_OK);
    store_close(store);
    ist_error err = {0};
    assert_int_equal(store_open(path, &none, &err), IST_ERR_INPUT);
    assert_non_null(strstr(err.text, "newer"));
    assert_null(none);
    snprintf(path, sizeof(path), "%s/strange.db", folder);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE songs(name)", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(store_open(path, &none, &err), IST_ERR_INPUT);
    assert_non_null(strstr(err.text, "not the state of Isthmus"));
}

static void a_damaged_file_is_refused_with_a_hint(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "step-%d", i);
        put(store, name, "applied");
    }
    sql_run(store, "PRAGMA wal_checkpoint(TRUNCATE)", "", NULL);
    store_close(store);
    int fd = open(path, O_RDWR);
    char junk[4096];
    memset(junk, 0x5a, sizeof(junk));
    for (off_t at = 8192; at < 8192 + 5 * 4096; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
    close(fd);
    ist_error err = {0};
    struct store *none = NULL;
    assert_int_equal(store_open(path, &none, &err), IST_ERR_INPUT);
    assert_non_null(strstr(err.hint, "backup"));
    fd = open(path, O_RDWR | O_TRUNC);
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    assert_int_equal(store_open(path, &none, &err), IST_ERR_INPUT);
    assert_null(none);
}

static void a_full_disk_refuses_the_change_and_keeps_what_was(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    put(store, "first", "applied");
    store_close(store);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        store = open_it();
        struct rlimit limit = {.rlim_cur = 64 << 10, .rlim_max = 64 << 10};
        setrlimit(RLIMIT_FSIZE, &limit);
        char *big = ist_malloc(100 << 10);
        memset(big, 'x', 100 << 10);
        big[(100 << 10) - 1] = '\0';
        json_t *record = json_pack("{s:s}", "status", big);
        ist_error err = {0};
        int rc = store_step_put(store, "p", "first", record, &err);
        _exit(rc == IST_ERR_LIMIT && strstr(err.hint, "space") ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    store = open_it();
    json_t *record = get(store, "first");
    assert_string_equal(ist_json_str(record, "status"), "applied");
    json_decref(record);
    store_close(store);
}

static void one_holds_the_lock_and_a_dead_holder_does_not(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    int ready[2], end[2];
    assert_int_equal(pipe(ready) | pipe(end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *mine = open_it();
        char c = store_lock(mine, "apply p", NULL) == IST_OK ? 'y' : 'n';
        if (write(ready[1], &c, 1) != 1 || read(end[0], &c, 1) < 0)
            _exit(1);
        _exit(0);
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    ist_error err = {0};
    assert_int_equal(store_lock(store, "apply p", &err), IST_ERR_CONFLICT);
    assert_non_null(strstr(err.text, "apply p"));
    json_t *holder = NULL;
    assert_int_equal(store_lock_holder(store, &holder, NULL), IST_OK);
    assert_int_equal(ist_json_int(holder, "pid", 0), pid);
    assert_true(ist_json_bool(holder, "alive", 0));
    json_decref(holder);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(store_lock(store, "apply p", &err), IST_OK);
    store_unlock(store);
    holder = NULL;
    assert_int_equal(store_lock_holder(store, &holder, NULL), IST_OK);
    assert_null(holder);
    store_close(store);
    close(ready[0]), close(ready[1]), close(end[0]), close(end[1]);
}

static void a_worker_that_lives_on_keeps_the_lock(void **unused)
{
    (void)unused;
    struct store *store = open_it();
    int end[2];
    assert_int_equal(pipe(end), 0);
    pid_t core = fork();
    if (core == 0) {
        struct store *mine = open_it();
        store_lock(mine, "apply p", NULL);
        if (fork() == 0) { // the worker: inherits the descriptor, ends when told
            char c;
            _exit(read(end[0], &c, 1) == 1 ? 0 : 1);
        }
        _exit(0);
    }
    waitpid(core, NULL, 0);
    json_t *holder = NULL;
    assert_int_equal(store_lock_holder(store, &holder, NULL), IST_OK);
    assert_non_null(holder);
    assert_false(ist_json_bool(holder, "alive", 1));
    json_decref(holder);
    assert_int_equal(write(end[1], "e", 1), 1);
    assert_int_equal(store_lock(store, "apply p", NULL), IST_OK);
    store_close(store);
    close(end[0]), close(end[1]);
}

static void several_open_a_new_state_at_once(void **unused)
{
    (void)unused;
    pid_t pids[8];
    for (int i = 0; i < 8; i++) {
        pids[i] = fork();
        if (pids[i])
            continue;
        struct store *store = NULL;
        ist_error err = {0};
        if (store_open(path, &store, &err) != IST_OK) {
            fprintf(stderr, "# store_open: %s: %s\n", err.where, err.text);
            _exit(1);
        }
        char name[16];
        snprintf(name, sizeof(name), "s%d", i);
        json_t *record = json_pack("{s:s}", "status", "applied");
        for (int j = 0; j < 20; j++)
            if (store_step_put(store, "p", name, record, NULL) != IST_OK)
                _exit(2);
        _exit(0);
    }
    for (int i = 0; i < 8; i++) {
        int status;
        waitpid(pids[i], &status, 0);
        assert_int_equal(status, 0);
    }
    struct store *store = open_it();
    json_t *records = NULL;
    assert_int_equal(store_steps(store, "p", &records, NULL), IST_OK);
    assert_int_equal(json_array_size(records), 8);
    assert_int_equal(store_serial(store), 161);
    json_decref(records);
    store_close(store);
}

// The child tells each token after store_intent() returned; after SIGKILL every one told must be there.
static void what_was_told_survives_a_kill(void **unused)
{
    (void)unused;
    srand(7);
    for (int round = 0; round < 30; round++) {
        int told[2];
        assert_int_equal(pipe(told), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct store *store = NULL;
            if (store_open(path, &store, NULL) != IST_OK)
                _exit(1);
            for (int i = 0;; i++) {
                char token[65], name[32];
                snprintf(name, sizeof(name), "r%d-%d", round, i);
                if (store_intent(store, "p", "first", name, NULL, token, NULL) != IST_OK ||
                    write(told[1], token, 64) != 64)
                    _exit(1);
            }
        }
        close(told[1]);
        usleep((useconds_t)(rand() % 15000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        struct store *store = open_it();
        json_t *record = NULL;
        put(store, "first", "applying");
        record = get(store, "first");
        char token[65] = "";
        for (int i = 0; read(told[0], token, 64) == 64; i++) {
            char name[64];
            snprintf(name, sizeof(name), "resources.r%d-%d.token", round, i);
            assert_string_equal(ist_json_str_or(record, name, "missing"), token);
        }
        close(told[0]);
        json_decref(record);
        store_close(store);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_state_is_private_and_has_a_key),
        CASE(records_come_back_in_the_order_they_were_made),
        CASE(an_open_intent_keeps_its_token_and_a_completed_one_gets_another),
        CASE(a_step_that_comes_back_gets_new_tokens),
        CASE(renaming_moves_resources_edges_and_tokens),
        CASE(history_is_newest_first),
        CASE(an_export_imports_into_an_empty_state_only),
        CASE(an_export_of_an_older_schema_imports),
        CASE(an_older_schema_is_migrated_after_a_backup),
        CASE(a_newer_schema_and_a_strange_database_are_refused),
        CASE(a_damaged_file_is_refused_with_a_hint),
        CASE(a_full_disk_refuses_the_change_and_keeps_what_was),
        CASE(one_holds_the_lock_and_a_dead_holder_does_not),
        CASE(a_worker_that_lives_on_keeps_the_lock),
        CASE(several_open_a_new_state_at_once),
        CASE(what_was_told_survives_a_kill),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
