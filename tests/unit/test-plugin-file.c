// The file-backed plugin that the engine's tests stand on: each of its operations, and what an interruption
// leaves behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fakehost.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct fakehost *host;
    char *dir; // does not exist before the first apply
};

static int set_up(void **state)
{
    struct world *w = ist_calloc(1, sizeof(*w));
    w->host = fakehost_load("test-file");
    if (!w->host)
        return -1;
    w->dir = ist_printf("%s/files", w->host->run_dir);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    fakehost_free(w->host);
    ist_free(w->dir);
    ist_free(w);
    return 0;
}

static int files_in(const char *dir)
{
    DIR *folder = opendir(dir);
    int n = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        n += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return n;
}

static void inputs(struct world *w, int count, const char *content)
{
    fakehost_inputs(w->host, json_pack("{s:s,s:i,s:s}", "dir", w->dir, "count", count, "content", content));
}

static const char *action(const struct world *w, size_t i)
{
    return ist_json_str(json_array_get(w->host->solo->report.changes, i), "action");
}

static void it_makes_what_is_wanted_and_then_nothing(void **state)
{
    struct world *w = *state;
    inputs(w, 3, "a");
    assert_int_equal(fakehost_changes(w->host), 3);
    assert_int_equal(files_in(w->dir), 0);
    assert_null(json_object_get(w->host->solo->report.outputs, "id")); // not known before it is made
    assert_string_equal(ist_json_str(w->host->solo->report.outputs, "content"), "a");
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    assert_int_equal(files_in(w->dir), 3);
    const char *id = ist_json_str(w->host->solo->outputs, "id");
    assert_int_equal(strlen(id), 32);
    assert_null(json_object_get(w->host->solo->outputs, "minted"));
    assert_int_equal(fakehost_changes(w->host), 0);
    // observe regains the outputs, the secret one too, and plan knows them all
    assert_string_equal(ist_json_str(w->host->solo->report.outputs, "id"), id);
    assert_non_null(ist_json_str(w->host->solo->report.outputs, "minted"));
}

static void it_updates_replaces_and_deletes(void **state)
{
    struct world *w = *state;
    inputs(w, 2, "a");
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    inputs(w, 1, "b");
    assert_int_equal(fakehost_changes(w->host), 2);
    assert_string_equal(action(w, 0), "delete");
    assert_string_equal(action(w, 1), "update");
    char *id = ist_strdup(ist_json_str(w->host->solo->report.outputs, "id"));
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    assert_string_equal(ist_json_str(w->host->solo->outputs, "id"), id);
    assert_int_equal(files_in(w->dir), 1);
    json_object_set_new(w->host->inputs, "kind", json_string("other"));
    assert_int_equal(fakehost_changes(w->host), 1);
    assert_string_equal(action(w, 0), "replace");
    assert_null(json_object_get(w->host->solo->report.outputs, "id"));
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    assert_string_not_equal(ist_json_str(w->host->solo->outputs, "id"), id);
    assert_int_equal(files_in(w->dir), 1);
    assert_int_equal(fakehost_changes(w->host), 0);
    ist_free(id);
}

static void it_sees_drift_and_mends_it(void **state)
{
    struct world *w = *state;
    inputs(w, 2, "a");
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    unlink(ist_json_str(w->host->solo->outputs, "path"));
    assert_int_equal(fakehost_run(w->host, IST_OP_VERIFY), IST_OK);
    assert_string_equal(ist_json_str(json_array_get(w->host->solo->report.checks, 0), "result"), "fail");
    assert_string_equal(ist_json_str(json_array_get(w->host->solo->report.checks, 1), "result"), "pass");
    assert_int_equal(fakehost_changes(w->host), 1);
    assert_string_equal(action(w, 0), "create");
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    assert_int_equal(fakehost_changes(w->host), 0);
}

static void an_interrupted_creation_is_found_by_its_token(void **state)
{
    struct world *w = *state;
    inputs(w, 2, "a");
    json_object_set_new(w->host->inputs, "fail_at", json_integer(1));
    assert_int_equal(fakehost_converge(w->host), IST_ERR_REMOTE);
    assert_int_equal(files_in(w->dir), 1);
    // As if killed between the creation and its outcome: the file is there, the record says intent.
    json_t *record = json_object_get(w->host->solo->recorded, "file[0]");
    json_object_set_new(record, "status", json_string("intent"));
    json_object_del(json_object_get(record, "data"), "id");
    json_object_del(w->host->solo->generations, "file[0]");
    json_object_set_new(w->host->inputs, "fail_at", json_integer(-1));
    assert_int_equal(fakehost_changes(w->host), 2);
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    assert_int_equal(files_in(w->dir), 2); // nothing twice
    assert_int_equal(fakehost_changes(w->host), 0);
}

static void destroy_removes_what_is_recorded_and_nothing_else(void **state)
{
    struct world *w = *state;
    inputs(w, 2, "a");
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    char *foreign = ist_printf("%s/foreign", w->dir);
    FILE *file = fopen(foreign, "w");
    assert_non_null(file);
    fclose(file);
    inputs(w, 7, "z"); // today's configuration does not matter
    assert_int_equal(fakehost_run(w->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(files_in(w->dir), 1);
    assert_int_equal(access(foreign, F_OK), 0);
    assert_int_equal(json_object_size(w->host->solo->recorded), 0);
    assert_int_equal(fakehost_run(w->host, IST_OP_DESTROY), IST_OK);
    ist_free(foreign);
}

static void its_secret_is_written_and_never_told(void **state)
{
    struct world *w = *state;
    inputs(w, 1, "a");
    json_object_set_new(w->host->inputs, "secret", json_string("open sesame"));
    assert_int_equal(fakehost_changes(w->host), 1);
    assert_true(fakehost_hides(w->host, "open sesame"));
    assert_int_equal(fakehost_converge(w->host), IST_OK);
    assert_true(fakehost_hides(w->host, "open sesame"));
    json_object_set_new(w->host->inputs, "secret", json_string("open barley"));
    assert_int_equal(fakehost_changes(w->host), 1);
    assert_string_equal(action(w, 0), "update");
    assert_true(fakehost_hides(w->host, "open"));
}

static void a_cancel_ends_its_wait_between_two_files(void **state)
{
    struct world *w = *state;
    inputs(w, 2, "a");
    json_object_set_new(w->host->inputs, "delay_ms", json_integer(60000));
    assert_int_equal(fakehost_changes(w->host), 2);
    cancel_now(&w->host->cancel);
    assert_int_equal(fakehost_run(w->host, IST_OP_APPLY), IST_ERR_CANCELLED);
    assert_int_equal(files_in(w->dir), 0);
}

static void bad_inputs_are_refused(void **state)
{
    struct world *w = *state;
    inputs(w, -2, "a");
    assert_int_equal(fakehost_run(w->host, IST_OP_OBSERVE), IST_ERR_INPUT);
    assert_string_equal(w->host->solo->report.error.text, "expected 0 to 10000");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(it_makes_what_is_wanted_and_then_nothing),
        CASE(it_updates_replaces_and_deletes),
        CASE(it_sees_drift_and_mends_it),
        CASE(an_interrupted_creation_is_found_by_its_token),
        CASE(destroy_removes_what_is_recorded_and_nothing_else),
        CASE(its_secret_is_written_and_never_told),
        CASE(a_cancel_ends_its_wait_between_two_files),
        CASE(bad_inputs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
