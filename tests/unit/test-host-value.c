// Values, and one operation run in this process: what a plugin reads, makes and tells.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fakehost.h"
#include "host/value.h"

#include <stdlib.h>
#include <string.h>

static json_t *there_and_back(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct value_pool *pool = value_pool_new();
    json_t *back = value_to_json(value_from_json(pool, json));
    value_pool_free(pool);
    assert_true(json_equal(json, back));
    json_decref(json);
    return back;
}

static void every_kind_comes_back(void **state)
{
    (void)state;
    const char *const texts[] = {"null",
                                 "true",
                                 "false",
                                 "-9223372036854775808",
                                 "0.5",
                                 "\"\"",
                                 "\"a\\u0000b\"",
                                 "[]",
                                 "{}",
                                 "[1,[2,{\"a\":[null]}]]",
                                 "{\"z\":1,\"a\":2,\"$ref\":\"x\",\"$b64\":\"y\"}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        json_decref(there_and_back(texts[i]));
}

static void only_bytes_that_are_not_utf8_are_bytes(void **state)
{
    (void)state;
    const ist_host *h = runner_host();
    struct value_pool *pool = value_pool_new();
    json_t *json = json_pack("[{s:s}{s:s}{s:s}{s:s,s:i}]", "$b64", "/wD+", "$b64", "aGVsbG8=", "$b64", "/wD",
                             "$b64", "/wD+", "more", 1);
    ist_value *list = value_from_json(pool, json);
    size_t len;
    assert_int_equal(h->kind(h->at(list, 0)), IST_BYTES);
    assert_memory_equal(h->get_bytes(h->at(list, 0), &len), "\xff\x00\xfe", 3);
    assert_int_equal(len, 3);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(h->kind(h->at(list, i)), IST_MAP);
    json_t *back = value_to_json(list);
    assert_true(json_equal(json, back));
    json_decref(back);
    json_decref(json);
    value_pool_free(pool);
}

static void utf8_is_judged_by_rfc_3629(void **state)
{
    (void)state;
    assert_true(value_is_utf8("\xf0\x9f\x8c\x8d \xc3\xa9", 7));
    assert_false(value_is_utf8("\xc0\xaf", 2));         // overlong
    assert_false(value_is_utf8("\xed\xa0\x80", 3));     // a surrogate
    assert_false(value_is_utf8("\xf4\x90\x80\x80", 4)); // over U+10FFFF
    assert_false(value_is_utf8("\xe2\x82", 2));         // cut
    json_t *text = value_text("a\xff\xe2\x82", 0);
    assert_string_equal(json_string_value(text), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(text);
}

static void a_wrong_kind_reads_as_nothing(void **state)
{
    (void)state;
    const ist_host *h = runner_host();
    struct value_pool *pool = value_pool_new();
    ist_value *s = value_new_bytes(pool, "7", 1);
    assert_int_equal(h->get_int(s), 0);
    assert_int_equal(h->count(s), 0);
    assert_null(h->at(s, 0));
    assert_null(h->get(s, "x"));
    assert_null(h->key_at(s, 0));
    assert_int_equal(h->kind(NULL), IST_NULL);
    assert_null(h->get_bytes(NULL, NULL));
    value_pool_free(pool);
}

static void a_large_map_keeps_order_and_replaces(void **state)
{
    (void)state;
    const ist_host *h = runner_host();
    struct value_pool *pool = value_pool_new();
    ist_value *map = value_new(pool, IST_MAP);
    char key[16];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof(key), "k%d", i);
            ist_value *v = value_new(pool, IST_INT);
            value_set_int(v, i + round);
            h->put(map, key, v);
        }
    assert_int_equal(h->count(map), 1000);
    assert_string_equal(h->key_at(map, 999), "k999");
    assert_int_equal(h->get_int(h->get(map, "k500")), 501);
    assert_null(h->get(map, "k1000"));
    value_pool_free(pool);
}

static void a_child_of_two_parents_is_copied_and_a_ring_is_none(void **state)
{
    (void)state;
    const ist_host *h = runner_host();
    struct value_pool *pool = value_pool_new();
    ist_value *a = value_new(pool, IST_LIST), *b = value_new(pool, IST_LIST);
    ist_value *item = value_new_bytes(pool, "x", 1);
    h->add(a, item);
    h->add(b, item);
    assert_ptr_not_equal(h->at(a, 0), h->at(b, 0));
    h->add(a, a);
    json_t *json = value_to_json(a);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, "[\"x\",[\"x\"]]");
    free(text);
    json_decref(json);
    h->release(b);
    value_pool_free(pool);
}

static void over_64_levels_there_is_no_json(void **state)
{
    (void)state;
    const ist_host *h = runner_host();
    struct value_pool *pool = value_pool_new();
    ist_value *root = value_new(pool, IST_LIST), *at = root;
    for (int i = 0; i < 70; i++) {
        ist_value *child = value_new(pool, IST_LIST);
        h->add(at, child);
        at = child;
    }
    assert_null(value_to_json(root));
    value_pool_free(pool);
}

// ---- a plugin of one resource, whose id the "server" chooses

static int32_t observe(const ist_host *h, ist_call *call)
{
    const ist_value *record = h->get(h->recorded(call), "thing");
    h->set_observed(call, h->get(record, "data"));
    return IST_OK;
}

static int32_t plan(const ist_host *h, ist_call *call)
{
    if (h->kind(h->observed(call)) == IST_NULL) {
        h->change(call, IST_CREATE, "thing", NULL);
        h->change_field(call, "thing", "password", h->new_bytes(call, "hush-hush", 9), NULL, 1);
        h->change_field(call, "thing", "name", NULL, h->get(h->inputs(call), "name"), 0);
    }
    return IST_OK;
}

static int32_t apply(const ist_host *h, ist_call *call)
{
    char token[65];
    int32_t rc = h->intent(call, "thing", NULL, token);
    if (rc != IST_OK) {
        (h->fail)(call, rc, "thing", "no journal", NULL);
        return rc;
    }
    ist_value *data = h->new_map(call);
    h->put(data, "id", h->new_bytes(call, token, 8));
    h->outcome(call, "thing", data);
    h->set_output(call, "id", h->new_bytes(call, token, 8));
    h->set_output(call, "key", h->new_bytes(call, "hush-hush", 9));
    return IST_OK;
}

static int32_t destroy(const ist_host *h, ist_call *call)
{
    if (h->count(h->recorded(call)))
        h->outcome(call, "thing", NULL);
    return IST_OK;
}

static int32_t wrong(const ist_host *h, ist_call *call)
{
    const char *how = h->get_bytes(h->get(h->inputs(call), "name"), NULL);
    char token[65];
    if (!strcmp(how, "intent"))
        h->intent(call, "thing", NULL, token);
    if (!strcmp(how, "output"))
        h->set_output(call, "nowhere", h->new_null(call));
    if (!strcmp(how, "check"))
        h->check(call, "x", 9, "");
    if (!strcmp(how, "code"))
        return 7;
    if (!strcmp(how, "silent"))
        return IST_ERR_DENIED;
    if (!strcmp(how, "sleep"))
        return h->sleep_until(call, h->now_ms(call) + 60000);
    if (!strcmp(how, "text"))
        h->check(call, "caf\xe9", IST_WARN, "\xff");
    return IST_OK;
}

static const ist_field inputs[] = {{"name", "string", NULL, IST_REQUIRED, "1.0.0", "The name."},
                                   {"size.count", "int", "3", 0, "1.0.0", "How many."}};
static const ist_field outputs[] = {{"id", "string", NULL, 0, "1.0.0", "The id."},
                                    {"key", "secret", NULL, IST_SECRET, "1.0.0", "The key."}};
static const ist_plugin thing = {.magic = IST_MAGIC,
                                 .major = IST_ABI_MAJOR,
                                 .minor = IST_ABI_MINOR,
                                 .size = sizeof(ist_plugin),
                                 .name = "thing",
                                 .version = "1.0.0",
                                 .build = "",
                                 .doc = "A thing.",
                                 .inputs = inputs,
                                 .input_count = 2,
                                 .field_size = sizeof(ist_field),
                                 .outputs = outputs,
                                 .output_count = 2,
                                 .observe = observe,
                                 .plan = plan,
                                 .apply = apply,
                                 .destroy = destroy,
                                 .verify = wrong};

static void a_step_goes_round(void **state)
{
    (void)state;
    struct fakehost *host = fakehost_new(&thing);
    fakehost_inputs(host, json_pack("{s:s}", "name", "n"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(host->inputs, "size"), "count")), 3);
    assert_int_equal(fakehost_changes(host), 1);
    assert_true(fakehost_hides(host, "hush-hush"));
    assert_int_equal(fakehost_converge(host), IST_OK);
    assert_null(json_object_get(host->solo->outputs, "key"));
    assert_non_null(json_object_get(host->solo->report.outputs, "key"));
    char *first = strdup(json_string_value(json_object_get(host->solo->outputs, "id")));
    assert_int_equal(fakehost_changes(host), 0);
    assert_int_equal(fakehost_run(host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(json_object_size(host->solo->recorded), 0);
    // The generation has moved on: no server takes the second creation for the first.
    assert_int_equal(fakehost_converge(host), IST_OK);
    assert_string_not_equal(first, json_string_value(json_object_get(host->solo->outputs, "id")));
    free(first);
    fakehost_free(host);
}

static void an_open_intent_keeps_its_token(void **state)
{
    (void)state;
    struct fakehost *host = fakehost_new(&thing);
    char first[65], second[65];
    solo_journal(host->solo, json_pack("{s:s,s:s}", "type", "intent", "resource", "thing"), first);
    solo_journal(host->solo, json_pack("{s:s,s:s}", "type", "intent", "resource", "thing"), second);
    assert_string_equal(first, second);
    assert_int_equal(strlen(first), 64);
    fakehost_free(host);
}

static void a_journal_that_fails_reaches_the_plugin(void **state)
{
    (void)state;
    struct fakehost *host = fakehost_new(&thing);
    host->solo->journal_fails = IST_ERR_LIMIT;
    assert_int_equal(fakehost_converge(host), IST_ERR_LIMIT);
    assert_string_equal(host->solo->report.error.text, "no journal");
    fakehost_free(host);
}

static void misuse_of_the_host_fails_the_operation(void **state)
{
    (void)state;
    const struct {
        const char *how;
        int32_t code;
        const char *text;
    } cases[] = {{"intent", IST_ERR_READ_ONLY, "only apply and destroy write to the journal"},
                 {"output", IST_ERR_INTERNAL, "output \"nowhere\" is not in the plugin's table"},
                 {"check", IST_ERR_INTERNAL, "a check ends as pass, fail, warn or skip"},
                 {"code", IST_ERR_INTERNAL, "returned 7, which is no result"},
                 {"silent", IST_ERR_DENIED, "failed (denied) and gave no reason"}};
    struct fakehost *host = fakehost_new(&thing);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fakehost_inputs(host, json_pack("{s:s}", "name", cases[i].how));
        assert_int_equal(fakehost_run(host, IST_OP_VERIFY), cases[i].code);
        assert_string_equal(host->solo->report.error.text, cases[i].text);
    }
    assert_int_equal(fakehost_run(host, IST_OP_WATCH), IST_ERR_INPUT);
    assert_string_equal(host->solo->report.error.text, "the plugin has no such operation");
    fakehost_free(host);
}

static void text_that_is_not_utf8_arrives_marked(void **state)
{
    (void)state;
    struct fakehost *host = fakehost_new(&thing);
    fakehost_inputs(host, json_pack("{s:s}", "name", "text"));
    assert_int_equal(fakehost_run(host, IST_OP_VERIFY), IST_OK);
    const json_t *check = json_array_get(host->solo->report.checks, 0);
    assert_string_equal(json_string_value(json_object_get(check, "name")), "caf\xef\xbf\xbd");
    fakehost_free(host);
}

static void cancel_ends_a_wait(void **state)
{
    (void)state;
    struct fakehost *host = fakehost_new(&thing);
    fakehost_inputs(host, json_pack("{s:s}", "name", "sleep"));
    cancel_now(&host->cancel);
    assert_int_equal(fakehost_run(host, IST_OP_VERIFY), IST_ERR_CANCELLED);
    cancel_reset(&host->cancel);
    fakehost_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(only_bytes_that_are_not_utf8_are_bytes),
        cmocka_unit_test(utf8_is_judged_by_rfc_3629),
        cmocka_unit_test(a_wrong_kind_reads_as_nothing),
        cmocka_unit_test(a_large_map_keeps_order_and_replaces),
        cmocka_unit_test(a_child_of_two_parents_is_copied_and_a_ring_is_none),
        cmocka_unit_test(over_64_levels_there_is_no_json),
        cmocka_unit_test(a_step_goes_round),
        cmocka_unit_test(an_open_intent_keeps_its_token),
        cmocka_unit_test(a_journal_that_fails_reaches_the_plugin),
        cmocka_unit_test(misuse_of_the_host_fails_the_operation),
        cmocka_unit_test(text_that_is_not_utf8_arrives_marked),
        cmocka_unit_test(cancel_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
