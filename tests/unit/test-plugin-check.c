// What plugins say of their inputs before anything runs: the helpers of isthmus/check.h, what the host makes of problems,
// and that no plugin says anything of what is not known yet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fakehost.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <isthmus/kube_check.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The check under test, called by the plugin below.
static void (*asked)(ist_checking *c);

static int32_t check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    asked(c);
    return ist_checking_end(c);
}

static int32_t nothing(const ist_host *host, ist_call *call)
{
    (void)host;
    (void)call;
    return IST_OK;
}

IST_CHECKED_PLAN(checked_plan, check, nothing)

static const ist_field rows[] = {{"x", "any", NULL, 0, "0.1.0", "Anything."}};
static const ist_plugin plugin = {.magic = IST_MAGIC,
                                  .major = IST_ABI_MAJOR,
                                  .minor = IST_ABI_MINOR,
                                  .size = sizeof(ist_plugin),
                                  .name = "checked",
                                  .version = "0.1.0",
                                  .build = "",
                                  .doc = "Of the tests.",
                                  .inputs = rows,
                                  .input_count = 1,
                                  .field_size = sizeof(ist_field),
                                  .command_size = sizeof(ist_command),
                                  .observe = nothing,
                                  .plan = checked_plan,
                                  .apply = nothing,
                                  .destroy = nothing,
                                  .check = check};

static int set_up(void **state)
{
    *state = fakehost_new(&plugin);
    return 0;
}

static int tear_down(void **state)
{
    fakehost_free(*state);
    return 0;
}

static void give(struct fakehost *host, const char *json, void (*what)(ist_checking *c))
{
    json_decref(host->inputs);
    host->inputs = json_loads(json, 0, NULL);
    assert_non_null(host->inputs);
    asked = what;
}

// "path: text" of the i-th problem is as expected; NULL: there is none.
static void told(const struct fakehost *host, size_t i, const char *path, const char *text)
{
    const json_t *one = json_array_get(host->solo->report.problems, i);
    if (!path) {
        assert_null(one);
        return;
    }
    assert_non_null(one);
    assert_string_equal(ist_json_str_or(one, "path", ""), path);
    if (!strstr(ist_json_str_or(one, "text", ""), text))
        fail_msg("%s: expected \"%s\", found \"%s\"", path, text, ist_json_str_or(one, "text", ""));
}

// ---- the helpers

static void basics(ist_checking *c)
{
    ist_check_range(c, "low", 1, 10);
    ist_check_range(c, "high", 1, 10);
    ist_check_range(c, "edge", 1, 10);
    ist_check_range(c, "absent", 1, 10);
    ist_check_line(c, "line");
    ist_check_line(c, "tab");
    ist_check_line(c, "fine");
    ist_check_file(c, "folder", "the folder");
    ist_check_file(c, "gone", "the file");
    ist_check_file(c, "there", "the file");
}

static void numbers_lines_and_files_are_checked(void **state)
{
    struct fakehost *host = *state;
    give(host,
         "{\"low\": 0, \"high\": 11, \"edge\": 10, \"line\": \"a\\nb\", \"tab\": \"ab\\tc\", \"fine\": \"a b "
         "\\u00e9\","
         " \"folder\": \"/\", \"gone\": \"/nonexistent/x\", \"there\": \"/proc/self/status\"}",
         basics);
    assert_int_equal(fakehost_run(host, IST_OP_CHECK), IST_ERR_INPUT);
    told(host, 0, "low", "expected a number from 1 to 10, found 0");
    told(host, 1, "high", "found 11");
    told(host, 2, "line", "the end of a line at character 2");
    told(host, 3, "tab", "a control character at character 3");
    told(host, 4, "folder", "the folder / cannot be read: it is a folder");
    told(host, 5, "gone", "the file /nonexistent/x cannot be read: No such file");
    told(host, 6, NULL, NULL);
}

static void masks(ist_checking *c)
{
    static const char *const paths[] = {"a", "b", "c", "d", "e"};
    int prefix = -1;
    for (size_t i = 0; i < 5; i++)
        ist_check_mask(c, paths[i], i > 2, &prefix);
    assert_int_equal(prefix, 8); // ones of the wildcard's complement, of the last good one
}

static void masks_are_checked(void **state)
{
    struct fakehost *host = *state;
    give(host,
         "{\"a\": \"255.255.255.0\", \"b\": \"255.0.255.0\", \"c\": \"0.0.0.255\", \"d\": \"0.255.255.255\", "
         "\"e\": \"255.255.255.0\"}",
         masks);
    assert_int_equal(fakehost_run(host, IST_OP_CHECK), IST_ERR_INPUT);
    told(host, 0, "b", "255.0.255.0 is no mask");
    told(host, 1, "c", "0.0.0.255 is no mask");
    told(host, 2, "e", "255.255.255.0 is no wildcard mask");
    told(host, 3, NULL, NULL);
}

static void names(ist_checking *c)
{
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "x")); i++) {
        char path[32];
        snprintf(path, sizeof(path), "x[%zu]", i);
        // One mark for each rule that the name fits.
        ist_unwise(c, path, "%d%d", ist_check_dns_label(c, path), ist_check_dns_name(c, path));
    }
}

static void names_are_those_that_kubernetes_takes(void **state)
{
    struct fakehost *host = *state;
    static const char *const expected[] = {"11", "00", "00", "01", "00", "00", "11", "00", "01"};
    give(host,
         "{\"x\": [\"web\", \"Web\", \"a_b\", \"a.b\", \"-a\", \"a-\", \"0\", \"a..b\", "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}",
         names);
    assert_int_equal(fakehost_run(host, IST_OP_CHECK), IST_ERR_INPUT);
    size_t i, found = 0;
    const json_t *one;
    json_array_foreach(host->solo->report.problems, i, one)
    {
        if (strcmp(ist_json_str_or(one, "level", ""), "warning") != 0)
            continue;
        assert_string_equal(ist_json_str_or(one, "text", ""), expected[found]);
        found++;
    }
    assert_int_equal(found, sizeof(expected) / sizeof(*expected));
}

static void subnets(ist_checking *c)
{
    static const char *const lists[] = {"public", "private"};
    ist_check_subnets(c, "vpc", lists, 2);
    ist_check_apart(c, "vpc", "remote", "both sides");
}

static void networks_fit_and_keep_apart(void **state)
{
    struct fakehost *host = *state;
    give(host,
         "{\"vpc\": \"10.0.0.0/16\", \"public\": [\"10.0.1.0/24\", \"10.1.0.0/24\"], "
         "\"private\": [\"10.0.1.128/25\", \"10.0.0.0/15\", \"10.0.2.0/29\"], \"remote\": \"10.0.128.0/17\"}",
         subnets);
    assert_int_equal(fakehost_run(host, IST_OP_CHECK), IST_ERR_INPUT);
    told(host, 0, "public[1]", "10.1.0.0/24 is not within the VPC's 10.0.0.0/16 (`vpc`)");
    told(host, 1, "private[0]", "10.0.1.128/25 overlaps with 10.0.1.0/24 of `public[0]`");
    told(host, 2, "private[1]", "is not within");
    told(host, 3, "private[1]", "AWS takes subnets from /16 to /28");
    told(host, 4, "private[2]", "AWS takes subnets from /16 to /28");
    told(host, 5, "remote", "10.0.128.0/17 overlaps with 10.0.0.0/16 of `vpc`: both sides");
    told(host, 6, NULL, NULL);
}

// ---- what is not known

static void clusters(ist_checking *c)
{
    assert_int_equal(ist_is_known(c, "kubeconfigs"), 0);
    assert_int_equal(ist_is_known(c, "kubeconfigs.aws"), 0);
    assert_int_equal(ist_is_known(c, "kubeconfigs.aws.deep"), 0);
    assert_int_equal(ist_is_known(c, "kubeconfigs.awsome"), 1);
    assert_int_equal(ist_is_known(c, "kube"), 1);
    assert_int_equal(ist_is_known(c, "list[1]"), 0);
    assert_int_equal(ist_is_known(c, "list[10]"), 1);
    assert_int_equal(ist_is_known(c, "list[0]"), 1);
    assert_true(ist_checking_has(c, "kubeconfigs", "aws"));
    assert_true(ist_checking_has(c, "kubeconfigs", "ccp"));
    ist_check_kubeconfigs(c, "kubeconfigs");
    ist_check_clusters(c, "list");
}

static void what_is_not_known_is_passed_over(void **state)
{
    struct fakehost *host = *state;
    json_t *unknown = json_pack("[s,s]", "kubeconfigs.aws", "list[1]");
    give(host, "{\"kubeconfigs\": {\"ccp\": \"{}\"}, \"list\": [\"aws\", null, \"ccp\", \"other\"]}",
         clusters);
    host->solo->unknown = unknown;
    assert_int_equal(fakehost_run(host, IST_OP_CHECK), IST_ERR_INPUT);
    host->solo->unknown = NULL;
    told(host, 0, "list[3]", "there is no kubeconfig for a cluster \"other\"");
    told(host, 1, NULL, NULL);
    json_decref(unknown);
}

// ---- what the host makes of it

static void three_problems(ist_checking *c)
{
    ist_unwise(c, "x", "is odd");
    ist_wrong(c, "x", "is wrong");
    ist_wrong_hint(c, "y", "leave it out", "is worse");
}

static void two_warnings(ist_checking *c)
{
    ist_unwise(c, "x", "is odd");
    ist_unwise_hint(c, "", "do better", "all of it is");
}

static void plan_fails_with_the_first_and_counts_the_others(void **state)
{
    struct fakehost *host = *state;
    give(host, "{}", three_problems);
    assert_int_equal(fakehost_run(host, IST_OP_PLAN), IST_ERR_INPUT);
    assert_string_equal(host->solo->report.error.where, "x");
    assert_string_equal(host->solo->report.error.text, "is wrong");
    assert_non_null(strstr(host->solo->report.error.hint, "and 1 more"));
    told(host, 2, "y", "is worse");
    give(host, "{}", two_warnings);
    assert_int_equal(fakehost_run(host, IST_OP_PLAN), IST_OK);
    assert_int_equal(fakehost_run(host, IST_OP_CHECK), IST_OK);
    told(host, 0, "x", "is odd");
    told(host, 1, "", "all of it is");
}

static void reach_out(ist_checking *c)
{
    ist_manifest manifest = {.size = sizeof(manifest), .url = "https://192.0.2.1/x.yaml"};
    assert_false(ist_check_manifest(c, "url", &manifest, NULL));
    assert_false(ist_may_write(ist_checking_env(c)));
}

static void check_reaches_nothing(void **state)
{
    struct fakehost *host = *state;
    give(host, "{}", reach_out);
    assert_int_equal(fakehost_run(host, IST_OP_CHECK), IST_ERR_INPUT);
    told(host, 0, "url", "refused: check reaches nothing");
}

// ---- every plugin

static void no_plugin_speaks_of_what_it_does_not_know(void **state)
{
    static const char *const plugins[] = {"ccp",        "aws-eks",   "aws-vpc",   "aws-routes",
                                          "csr-dmvpn",  "k8s-apply", "k8s-probe", "k8s-svcmirror",
                                          "k8s-netpol", "frr-dmvpn"};
    (void)state;
    for (size_t i = 0; i < sizeof(plugins) / sizeof(*plugins); i++) {
        struct fakehost *host = fakehost_load(plugins[i]);
        assert_non_null(host);
        assert_non_null(host->plugin->check);
        json_t *unknown = json_array();
        for (uint32_t k = 0; k < host->plugin->input_count; k++)
            if (!strpbrk(host->plugin->inputs[k].name, ".[{"))
                json_array_append_new(unknown, json_string(host->plugin->inputs[k].name));
        json_decref(host->inputs);
        host->inputs = json_object();
        host->solo->unknown = unknown;
        int32_t code = fakehost_run(host, IST_OP_CHECK);
        size_t problems = json_array_size(host->solo->report.problems);
        if (code != IST_OK || problems)
            print_error("%s: %s\n", plugins[i],
                        ist_json_str_or(json_array_get(host->solo->report.problems, 0), "text",
                                        host->solo->report.error.text));
        assert_int_equal(code, IST_OK);
        assert_int_equal(problems, 0);
        host->solo->unknown = NULL;
        fakehost_free(host);
        json_decref(unknown);
    }
}

// Inputs of any shape at all, which a reference to a whole may bring: no plugin's check falls over them.
static void no_plugin_falls_over_odd_shapes(void **state)
{
    static const char *const plugins[] = {"ccp",        "aws-eks",   "aws-vpc",   "aws-routes",
                                          "csr-dmvpn",  "k8s-apply", "k8s-probe", "k8s-svcmirror",
                                          "k8s-netpol", "frr-dmvpn"};
    static const char *const shapes[] = {
        "null",          "7",    "\"x\"",         "[]",        "{}",
        "[null, 7, []]", "[{}]", "{\"a\": null}", "[[\"x\"]]", "{\"a\": [{\"b\": 1}]}"};
    (void)state;
    for (size_t i = 0; i < sizeof(plugins) / sizeof(*plugins); i++) {
        struct fakehost *host = fakehost_load(plugins[i]);
        assert_non_null(host);
        for (size_t s = 0; s < sizeof(shapes) / sizeof(*shapes); s++) {
            json_decref(host->inputs);
            host->inputs = json_object();
            for (uint32_t k = 0; k < host->plugin->input_count; k++)
                if (!strpbrk(host->plugin->inputs[k].name, ".[{"))
                    json_object_set_new(host->inputs, host->plugin->inputs[k].name,
                                        json_loads(shapes[s], JSON_DECODE_ANY, NULL));
            int32_t code = fakehost_run(host, IST_OP_CHECK);
            assert_true(code == IST_OK || code == IST_ERR_INPUT);
        }
        fakehost_free(host);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(numbers_lines_and_files_are_checked),
        CASE(masks_are_checked),
        CASE(names_are_those_that_kubernetes_takes),
        CASE(networks_fit_and_keep_apart),
        CASE(what_is_not_known_is_passed_over),
        CASE(plan_fails_with_the_first_and_counts_the_others),
        CASE(check_reaches_nothing),
        cmocka_unit_test(no_plugin_speaks_of_what_it_does_not_know),
        cmocka_unit_test(no_plugin_falls_over_odd_shapes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
