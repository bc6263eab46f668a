// k8s-probe: what the picture shows, and what termination messages say.
#include "probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

// star-collect's answer: each of the three as it sees the others; a null is one that management-ui does not reach.
static const char stars[] = "{\"responses\":{"
                            "\"C\":{\"url\":\"http://client.client:9000/"
                            "status\",\"statusCode\":200,\"json\":{\"status\":{\"targets\":["
                            "{\"url\":\"http://frontend.stars:80/status\",\"reachable\":true},"
                            "{\"url\":\"http://backend.stars:6379/status\",\"reachable\":false}]}}},"
                            "\"F\":{\"url\":\"http://frontend.stars:80/"
                            "status\",\"statusCode\":200,\"json\":{\"status\":{\"targets\":["
                            "{\"url\":\"http://frontend.stars:80/status\",\"reachable\":false},"
                            "{\"url\":\"http://backend.stars:6379/status\",\"reachable\":true},"
                            "{\"url\":\"http://client.client:9000/status\",\"reachable\":false}]}}},"
                            "\"B\":null}}";
static const char resources[] =
    "{\"resources\":[{\"id\":\"B\",\"url\":\"http://backend.stars:6379/status\"}]}";

static json_t *read_stars(void)
{
    json_t *responses = json_loads(stars, 0, NULL), *names = json_loads(resources, 0, NULL);
    json_t *picture = picture_read(responses, names);
    json_decref(responses);
    json_decref(names);
    return picture;
}

static int ok_of(const json_t *results, const char *name)
{
    size_t i;
    const json_t *result;
    json_array_foreach(results, i, result) if (strcmp(ist_json_str(result, "name"), name) ==
                                               0) return ist_json_bool(result, "ok", -1);
    return -1;
}

static void the_picture_is_read_by_urls(void **state)
{
    (void)state;
    json_t *picture = read_stars();
    assert_int_equal(json_array_size(json_object_get(picture, "nodes")), 3);
    assert_true(json_is_true(ist_json_at(picture, "seen.client")));
    assert_true(json_is_false(ist_json_at(picture, "seen.backend")));
    assert_true(json_is_true(json_object_get(json_object_get(picture, "edges"), "frontend -> backend")));
    assert_null(json_object_get(json_object_get(picture, "edges"), "frontend -> frontend"));
    char *path = picture_path(picture);
    assert_string_equal(path, "client -> frontend -> backend");
    ist_free(path);
    json_decref(picture);
}

static void what_is_expected_must_be_open_and_all_else_closed(void **state)
{
    (void)state;
    json_t *picture = read_stars(), *expect = json_pack("[s, s]", "client -> frontend", "frontend->backend");
    json_t *results = picture_judge(picture, expect, "management-ui");
    assert_int_equal(ok_of(results, "client -> frontend"), 1);
    assert_int_equal(ok_of(results, "frontend -> backend"), 1);
    assert_int_equal(ok_of(results, "client -> backend"), 1); // closed, as it should be
    assert_int_equal(ok_of(results, "management-ui -> client"), 1);
    assert_int_equal(ok_of(results, "management-ui -> backend"), 0);
    json_decref(results);
    json_decref(expect);
    expect = json_pack("[s, s]", "client -> backend", "backend -> client");
    results = picture_judge(picture, expect, "management-ui");
    assert_int_equal(ok_of(results, "client -> backend"), 0);  // closed
    assert_int_equal(ok_of(results, "backend -> client"), 0);  // nobody tries it
    assert_int_equal(ok_of(results, "client -> frontend"), 0); // open, and not expected
    assert_int_equal(ok_of(results, "frontend -> backend"), 0);
    json_decref(results);
    json_decref(expect);
    json_decref(picture);
}

static void a_circle_has_an_end(void **state)
{
    (void)state;
    json_t *picture = json_pack("{s:[s, s, s], s:{}, s:{s:b, s:b, s:b}}", "nodes", "a", "b", "c", "seen",
                                "edges", "a -> b", 1, "b -> c", 1, "c -> a", 1);
    char *path = picture_path(picture);
    assert_int_equal(strlen(path), strlen("a -> b -> c"));
    ist_free(path);
    json_decref(picture);
}

static void junk_is_no_picture(void **state)
{
    (void)state;
    static const char *const junk[] = {
        "{}", "{\"responses\":7}", "{\"responses\":{\"A\":7}}",
        "{\"responses\":{\"A\":{\"json\":{\"status\":{\"targets\":[7,{\"url\":7}]}}}}}"};
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
        json_t *responses = json_loads(junk[i], 0, NULL), *picture = picture_read(responses, NULL);
        assert_int_equal(json_object_size(json_object_get(picture, "edges")), 0);
        char *path = picture_path(picture);
        assert_string_equal(path, "no way is open");
        ist_free(path);
        json_decref(picture);
        json_decref(responses);
    }
}

// ---- termination messages ----

static char told[4096];

static void tell(ist_call *call, const char *name, uint32_t result, const char *evidence)
{
    (void)call;
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s %s: %s\n",
             result == IST_PASS   ? "pass"
             : result == IST_SKIP ? "skip"
                                  : "fail",
             name, evidence);
}

static const char *judged(const char *message, const char *cause)
{
    static const ist_host host = {.size = sizeof(ist_host), .check = tell};
    ist_cluster clusters[2] = {{.name = (char *)(uintptr_t) "ccp"}, {.name = (char *)(uintptr_t) "aws"}};
    ist_clusters both = {.items = clusters, .count = 2};
    struct probe probe = {.env = {&host, (ist_call *)(uintptr_t)told},
                          .port = 8080,
                          .checks = CHECK_PING | CHECK_TCP | CHECK_SOURCE,
                          .clusters = &both,
                          .pairs = json_pack("[[i, i]]", 0, 1),
                          .listeners = json_pack("[n, {s:{s:s}}]", "status", "podIP", "10.0.109.101")};
    json_t *client = json_pack("{s:{s:{s:s*}}, s:{s:s, s:[{s:{s:{s:s}}}]}}", "metadata", "annotations",
                               "lab.isthmus.dev/why-tcp-1", cause, "status", "podIP", "192.168.0.2",
                               "containerStatuses", "state", "terminated", "message", message);
    probe.clients = json_pack("[o, n]", client);
    told[0] = '\0';
    judge(&probe);
    json_decref(probe.pairs);
    json_decref(probe.listeners);
    json_decref(probe.clients);
    return told;
}

static void what_went_well_is_told_with_its_addresses(void **state)
{
    (void)state;
    assert_string_equal(judged("ping-1 ok source=192.168.0.2\ntcp-1 ok source=192.168.0.2\n", NULL),
                        "pass ping ccp -> aws: 192.168.0.2 -> 10.0.109.101\n"
                        "pass tcp ccp -> aws: 192.168.0.2 -> 10.0.109.101:8080\n"
                        "pass source ccp -> aws: aws saw the pod's own address 192.168.0.2\n");
}

static void what_failed_is_told_with_its_cause(void **state)
{
    (void)state;
    assert_string_equal(
        judged("ping-1 ok\ntcp-1 fail timeout", "VPC: no route to 192.168.0.0/16"),
        "pass ping ccp -> aws: 192.168.0.2 -> 10.0.109.101\n"
        "fail tcp ccp -> aws: 192.168.0.2 -> 10.0.109.101: timeout: VPC: no route to 192.168.0.0/16\n"
        "skip source ccp -> aws: nothing arrived that could have shown it\n");
}

static void silence_is_a_failure(void **state)
{
    (void)state;
    const char *text = judged("", NULL);
    assert_non_null(strstr(text, "fail ping"));
    assert_non_null(strstr(text, "fail tcp"));
    assert_non_null(strstr(text, "said nothing of it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_read_by_urls),
        cmocka_unit_test(what_is_expected_must_be_open_and_all_else_closed),
        cmocka_unit_test(a_circle_has_an_end),
        cmocka_unit_test(junk_is_no_picture),
        cmocka_unit_test(what_went_well_is_told_with_its_addresses),
        cmocka_unit_test(what_failed_is_told_with_its_cause),
        cmocka_unit_test(silence_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
