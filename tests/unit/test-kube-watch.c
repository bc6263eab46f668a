// Watches against an API server that ends, cuts and garbles them.
#include "kube-fake.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KINDS "{\"resources\":[{\"name\":\"pods\",\"kind\":\"Pod\",\"namespaced\":true}]}"
#define POD(name, version)                                                                                   \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" POD(name, version) "}\n"
#define LIST(version, items)       "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define WATCH                      "GET /api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds="

static const ist_env env = {0};

// Collects events as "A:a D:b S E:network " until `until` stands in them (or for two seconds).
static void collect(ist_kube_watch *watch, char *text, size_t room, const char *until)
{
    int64_t end = ist_now_ms(&env) + 4000;
    while (!strstr(text, until) && ist_now_ms(&env) < end) {
        ist_kube_event event;
        ist_error err = {0};
        int32_t rc = ist_kube_watch_next(watch, &event, &err);
        size_t used = strlen(text);
        if (rc == IST_AGAIN)
            ist_kube_watch_wait(&env, &watch, 1, 500, NULL);
        else if (rc != IST_OK)
            snprintf(text + used, room - used, "E:%s ", ist_code_name(rc));
        else if (event.type == 'S')
            snprintf(text + used, room - used, "S ");
        else
            snprintf(text + used, room - used, "%c:%s ", event.type,
                     ist_json_str(event.object, "metadata.name"));
    }
}

struct watching {
    struct fake_api api;
    ist_kube *kube;
    ist_kube_watch *watch;
    char text[2048]; // what collect() wrote
};

static void begin(struct watching *w, const struct rule *rules, size_t count)
{
    memset(w, 0, sizeof *w);
    fake_api_start(&w->api, rules, count, "{token: t}");
    w->kube = fake_client(&w->api, &env);
    assert_int_equal(ist_kube_watch_new(w->kube, "v1", "Pod", NULL, NULL, &w->watch, NULL), IST_OK);
}

static void end(struct watching *w)
{
    ist_kube_watch_free(w->watch);
    ist_kube_free(w->kube);
    fake_api_stop(&w->api);
}

static void run(const struct rule *rules, size_t count, const char *until, const char *expected)
{
    struct watching w;
    begin(&w, rules, count);
    collect(w.watch, w.text, sizeof w.text, until);
    assert_string_equal(w.text, expected);
    end(&w);
}

#define RUN(until, expected) run(rules, sizeof rules / sizeof *rules, until, expected)

static void first_everything_then_changes(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {WATCH, 200, EVENT("MODIFIED", "a", "11") EVENT("ADDED", "c", "12") EVENT("DELETED", "b", "13"), 0,
         0},
        {"GET /api/v1/pods?limit=500", 200, LIST("10", POD("a", "1") "," POD("b", "2")), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    RUN("D:b", "A:a A:b S A:a A:c D:b ");
}

static void a_watch_goes_on_where_the_bookmark_was(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {WATCH, 200, "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"50\"}}}\n", 1,
         0},
        {WATCH, 200, EVENT("ADDED", "late", "51"), 1, 0},
        {"GET /api/v1/pods?limit=500", 200, LIST("10", ""), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    struct watching w;
    begin(&w, rules, 4);
    collect(w.watch, w.text, sizeof w.text, "A:late");
    assert_string_equal(w.text, "S A:late ");
    assert_int_equal(fake_api_saw(&w.api, "resourceVersion=10\n"), 1);
    assert_int_equal(fake_api_saw(&w.api, "resourceVersion=50\n"), 1);
    assert_int_equal(fake_api_saw(&w.api, "limit=500"), 1); // not listed again
    end(&w);
}

static void after_410_what_went_missing_is_found(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {WATCH, 200,
         "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}}\n", 1,
         0},
        {WATCH, 200, "", 0, 0},
        {"GET /api/v1/pods?limit=500", 200, LIST("10", POD("a", "1") "," POD("b", "2") "," POD("c", "3")), 1,
         0},
        {"GET /api/v1/pods?limit=500", 200, LIST("90", POD("b", "2") "," POD("c", "77") "," POD("d", "80")),
         0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    // a is gone, b is as it was, c changed, d is new: said once each, what is gone first
    RUN("A:d S", "A:a A:b A:c S D:a A:c A:d S ");
}

static void a_half_list_is_seen_by_nobody(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/pods?limit=500&continue=2", 200, LIST("10", POD("b", "2")), 1, 80}, // cut in the middle
        {"GET /api/v1/pods?limit=500&continue=2", 200, LIST("10", POD("b", "2")), 0, 0},
        {"GET /api/v1/pods?limit=500", 200,
         "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"2\"},\"items\":[" POD("a", "1") "]}", 0,
         0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    RUN("S", "E:network A:a A:b S ");
}

static void an_expired_page_starts_the_list_over(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/pods?limit=500&continue=2", 410, "{\"code\":410}", 0, 0},
        {"GET /api/v1/pods?limit=500", 200,
         "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"2\"},\"items\":[" POD("a", "1") "]}", 0,
         0},
        {WATCH, 200, "", 0, 0},
        {"GET /api/v1/pods ", 200, "", 0, 0},
        {"GET /api/v1/pods", 200, LIST("11", POD("a", "1") "," POD("b", "2")), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    RUN("S", "A:a A:b S ");
}

static void garbage_leads_to_a_new_list(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {WATCH, 200, EVENT("ADDED", "b", "11") "{\"type\":\"ADDED\",\"object\":{]}\n", 1, 0},
        {WATCH, 200, "", 0, 0},
        {"GET /api/v1/pods?limit=500", 200, LIST("10", POD("a", "1")), 1, 0},
        {"GET /api/v1/pods?limit=500", 200, LIST("20", POD("a", "1")), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    struct watching w;
    begin(&w, rules, 5);
    collect(w.watch, w.text, sizeof w.text, "D:b S");
    assert_non_null(strstr(w.text, "A:a S A:b E:"));
    assert_non_null(strstr(w.text, "D:b S "));
    end(&w);
}

static void a_line_cut_in_the_middle_is_asked_for_again(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {WATCH, 200, EVENT("ADDED", "b", "11") EVENT("ADDED", "c", "12"), 1, 180}, // c's line never ends
        {WATCH, 200, EVENT("ADDED", "c", "12"), 0, 0},
        {"GET /api/v1/pods?limit=500", 200, LIST("10", ""), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    struct watching w;
    begin(&w, rules, 4);
    collect(w.watch, w.text, sizeof w.text, "A:c");
    assert_non_null(strstr(w.text, "S A:b "));
    assert_non_null(strstr(w.text, "A:c "));
    assert_int_equal(fake_api_saw(&w.api, "limit=500"), 1);
    assert_true(fake_api_saw(&w.api, "resourceVersion=11\n") >= 1);
    end(&w);
}

static void refusals_are_told_and_tried_again(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/pods?limit=500", 403, "{\"message\":\"forbidden\"}", 1, 0},
        {"GET /api/v1/pods?limit=500", 500, "oops", 1, 0},
        {"GET /api/v1/pods?limit=500", 200, LIST("10", POD("a", "1")), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    RUN("S", "E:denied E:remote A:a S ");
}

static void a_dead_cluster_holds_up_no_other(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {WATCH, 200, EVENT("ADDED", "b", "11"), 0, 0},
        {"GET /api/v1/pods?limit=500", 200, LIST("10", POD("a", "1")), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    struct fake_api alive, dead;
    fake_api_start(&alive, rules, 3, "{token: t}");
    fake_api_start(&dead, rules, 3, "{token: t}");
    ist_kube *kubes[] = {fake_client(&alive, &env), fake_client(&dead, &env)};
    ist_kube_watch *watches[2] = {0};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ist_kube_watch_new(kubes[i], "v1", "Pod", NULL, NULL, &watches[i], NULL), IST_OK);
    httpd_stop(dead.httpd);
    int64_t began = ist_now_ms(&env);
    int events = 0, failures = 0;
    while (events < 3 && ist_now_ms(&env) - began < 5000) {
        ist_kube_event event;
        ist_error err = {0};
        ist_kube_watch_wait(&env, watches, 2, 1000, NULL);
        for (size_t i = 0; i < 2; i++)
            for (int32_t rc; (rc = ist_kube_watch_next(watches[i], &event, &err)) != IST_AGAIN;) {
                events += rc == IST_OK && i == 0;
                failures += rc == IST_ERR_NETWORK && i == 1;
                assert_false(rc == IST_OK && i == 1);
            }
    }
    assert_true(events >= 3);
    assert_true(failures >= 1);
    assert_true(ist_now_ms(&env) - began < 3000);
    for (size_t i = 0; i < 2; i++) {
        ist_kube_watch_free(watches[i]);
        ist_kube_free(kubes[i]);
    }
    fake_api_stop(&alive);
    free(dead.kubeconfig);
}

static void what_is_freed_in_the_middle_leaves_nothing(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/pods?limit=500", 200, LIST("10", POD("a", "1")), 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    struct fake_api api;
    fake_api_start(&api, rules, 2, "{token: t}");
    ist_kube *kube = fake_client(&api, &env);
    ist_kube_watch *a = NULL, *b = NULL;
    ist_kube_event event;
    assert_int_equal(ist_kube_watch_new(kube, "v1", "Pod", NULL, NULL, &a, NULL), IST_OK);
    assert_int_equal(ist_kube_watch_new(kube, "v1", "Pod", "n", NULL, &b, NULL), IST_OK);
    ist_kube_watch_next(a, &event, NULL);
    ist_kube_watch_next(b, &event, NULL);
    ist_kube_watch_free(a); // while its list is on its way
    ist_kube_watch_free(b);
    ist_kube_watch_free(NULL);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_everything_then_changes),
        cmocka_unit_test(a_watch_goes_on_where_the_bookmark_was),
        cmocka_unit_test(after_410_what_went_missing_is_found),
        cmocka_unit_test(a_half_list_is_seen_by_nobody),
        cmocka_unit_test(an_expired_page_starts_the_list_over),
        cmocka_unit_test(garbage_leads_to_a_new_list),
        cmocka_unit_test(a_line_cut_in_the_middle_is_asked_for_again),
        cmocka_unit_test(refusals_are_told_and_tried_again),
        cmocka_unit_test(a_dead_cluster_holds_up_no_other),
        cmocka_unit_test(what_is_freed_in_the_middle_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
