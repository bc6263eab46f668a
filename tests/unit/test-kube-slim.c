// managedFields cut out of the text of objects and watch events; everything else stays what it says.
#include "kube/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void is(const char *text, const char *wanted)
{
    json_t *json = NULL;
    ist_error err = {0};
    assert_int_equal(kube_parse_slim(text, strlen(text), "test", &json, &err), IST_OK);
    char *said = ist_json_text(json);
    assert_string_equal(said, wanted);
    ist_free(said);
    json_decref(json);
}

static void cuts_wherever_it_stands(void **state)
{
    (void)state;
    is("{\"metadata\":{\"name\":\"a\",\"managedFields\":[{\"f\":[1,{}]}]},\"spec\":1}",
       "{\"metadata\":{\"name\":\"a\"},\"spec\":1}");
    is("{\"metadata\":{\"managedFields\":[],\"name\":\"a\"}}", "{\"metadata\":{\"name\":\"a\"}}");
    is("{\"metadata\":{\"managedFields\":[{\"x\":\"]}\\\"\"}]}}", "{\"metadata\":{}}");
    is("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"managedFields\":[1]}}}",
       "{\"object\":{\"metadata\":{\"name\":\"a\"}},\"type\":\"ADDED\"}");
}

static void leaves_what_only_looks_like_it(void **state)
{
    (void)state;
    is("{\"metadata\":{\"name\":\"a\"},\"managedFields\":[1]}",
       "{\"managedFields\":[1],\"metadata\":{\"name\":\"a\"}}");
    is("{\"metadata\":{\"annotations\":{\"x\":\"{\\\"managedFields\\\":[1]}\",\"managedFields\":\"y\"}}}",
       "{\"metadata\":{\"annotations\":{\"managedFields\":\"y\",\"x\":\"{\\\"managedFields\\\":[1]}\"}}}");
    is("{\"spec\":{\"template\":{\"spec\":{\"metadata\":{\"managedFields\":[1]}}}}}",
       "{\"spec\":{\"template\":{\"spec\":{\"metadata\":{\"managedFields\":[1]}}}}}");
    is("[\"managedFields\",[1]]", "[\"managedFields\",[1]]");
}

static void broken_text_is_an_error_wherever_it_breaks(void **state)
{
    (void)state;
    const char *text =
        "{\"metadata\":{\"name\":\"a\",\"managedFields\":[{\"f\":\"v\"}]},\"spec\":{\"a\":\"b\"}}";
    for (size_t len = 0; len < strlen(text); len++) {
        json_t *json = NULL;
        ist_error err = {0};
        char *part = ist_strndup(text, len); // of just that size, for memcheck
        assert_int_not_equal(kube_parse_slim(part, len, "test", &json, &err), IST_OK);
        ist_free(part);
    }
}

// Whatever it passes up is read by the general reader, so that both say the same of everything.
static void says_what_the_general_reader_says(void **state)
{
    static const char *const texts[] = {
        "{}",
        " {\"a\" : [ 1 , -2, 0, 17 ] , \"b\":{ } } \n",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"b\":\"\\u00e9\",\"c\":\"\xc3\xa9\"}",
        "{\"\\u0061\":1,\"\xc3\xa9\":2}",
        "{\"a\":1.5,\"b\":1e3,\"c\":99999999999999999,\"d\":999999999999999999,\"e\":9999999999999999999}",
        "{\"a\":true,\"b\":false,\"c\":null,\"d\":[],\"e\":\"\"}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":tru}",
        "{\"a\":1,}",
        "{\"a\":[1,]}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1} x",
        "{\"metadata\":{\"managedFields\":[1],}}",
        "{\"metadata\":{\"managedFields\":[1]x}}",
        "{\"a\":[1}",
        "[1]",
        "\"a\"",
        "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *ours = NULL, *general = NULL;
        ist_error err = {0};
        int32_t rc = kube_parse_slim(texts[i], strlen(texts[i]), "test", &ours, &err);
        assert_int_equal(rc, ist_json_parse(texts[i], strlen(texts[i]), "test", &general, &err));
        assert_true((!ours && !general) || json_equal(ours, general));
        json_decref(ours);
        json_decref(general);
    }
    json_t *json = NULL;
    assert_int_not_equal(kube_parse_slim("{}\0", 3, "test", &json, NULL), IST_OK);
}

// What is skimmed has the digest that its document has, when it is cut to what a writer says.
static void skims_to_the_digest_of_what_was_written(void **state)
{
    (void)state;
    static const char item[] =
        "{\"metadata\":{\"name\":\"s\",\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"7\","
        "\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"managedFields\":[{\"manager\":\"x\"}]},"
        "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":true}},{}],"
        "\"ports\":[{\"port\":80,\"name\":\"\"}],\"x\":null,\"status\":{\"y\":[1,-2]}}";
    static const char wanted[] =
        "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\",\"x\":null,"
        "\"ports\":[{\"name\":\"\",\"port\":80}],"
        "\"endpoints\":[{\"conditions\":{\"ready\":true},\"addresses\":[\"10.0.0.1\"]},{}],"
        "\"metadata\":{\"namespace\":\"n\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"name\":\"s\"}}";
    json_t *head = NULL, *object = json_loads(wanted, 0, NULL);
    uint64_t digest = 0;
    assert_true(kube_skim(item, strlen(item), "discovery.k8s.io/v1", "EndpointSlice", &head, &digest));
    assert_true(digest == kube_digest(object));
    assert_string_equal(ist_json_str(head, "metadata.uid"), "u");
    assert_string_equal(ist_json_str(head, "kind"), "EndpointSlice");
    assert_null(json_object_get(head, "endpoints"));
    json_decref(head);
    // Any other word in it, and it is another digest.
    for (size_t i = 0; i < strlen(item); i++) {
        char changed[sizeof item];
        memcpy(changed, item, sizeof item);
        if (changed[i] < '0' || changed[i] > '9' || strstr(item + i, "managedFields") ||
            strstr(item + i, "\"status") == NULL)
            continue;
        changed[i] = changed[i] == '5' ? '6' : '5';
        assert_true(
            kube_skim(changed, strlen(changed), "discovery.k8s.io/v1", "EndpointSlice", &head, &digest));
        assert_true(digest != kube_digest(object));
        json_decref(head);
    }
    json_decref(object);
    for (size_t len = 0; len < strlen(item); len++) {
        char *part = ist_strndup(item, len);
        assert_false(kube_skim(part, len, "v1", "X", &head, &digest));
        ist_free(part);
    }
}

// Members that nobody looks at are passed over, whatever they hold, and never in metadata, where names are anybody's.
static void leaves_out_what_is_not_read(void **state)
{
    static const char *const unread[] = {"zone", "hints", "env", NULL};
    static const char text[] =
        "{\"metadata\":{\"name\":\"a\",\"labels\":{\"zone\":\"b\"}},\"hints\":\"]}\\\"\","
        "\"items\":[{\"zone\":1,\"env\":[{\"x\":\"]\\\"}\"}],\"x\":2},{\"env\":{\"zone\":{}}}],\"zone\":"
        "null}";
    (void)state;
    json_t *json = NULL;
    assert_int_equal(kube_parse_without(text, strlen(text), unread, "test", &json, NULL), IST_OK);
    char *said = ist_json_text(json);
    assert_string_equal(
        said, "{\"items\":[{\"x\":2},{}],\"metadata\":{\"labels\":{\"zone\":\"b\"},\"name\":\"a\"}}");
    ist_free(said);
    json_decref(json);
    for (size_t len = 0; len < strlen(text); len++) {
        char *part = ist_strndup(text, len);
        assert_int_not_equal(kube_parse_without(part, len, unread, "test", &json, NULL), IST_OK);
        ist_free(part);
    }
}

static void depths_are_limited(void **state)
{
    (void)state;
    char text[1000] = "{\"a\":";
    json_t *json = NULL;
    for (int i = 0; i < 70; i++)
        strncat(text, "[", sizeof text - strlen(text) - 1);
    for (int i = 0; i < 70; i++)
        strncat(text, "]", sizeof text - strlen(text) - 1);
    strncat(text, "}", sizeof text - strlen(text) - 1);
    assert_int_equal(kube_parse_slim(text, strlen(text), "test", &json, NULL), IST_ERR_LIMIT);
}

// A label without the rest, and what may be left out of the text: what is left says the same.
static void a_label_is_found_without_reading_all(void **state)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"{\"metadata\":{\"name\":\"a\",\"managedFields\":[{\"f\":[1,{}]}],\"labels\":{\"w\":\"\",\"x\":"
         "\"y\"}},\"spec\":{\"a\":[\"]}\"]}}",
         "y"},
        {"{ \"spec\" : 1, \"metadata\" : { \"managedFields\" : [ ], \"labels\" : { \"x\" : \"\" } } }", ""},
        {"{\"spec\":null,\"metadata\":{\"name\":\"a\",\"labels\":{}},\"labels\":{\"x\":\"y\"},"
         "\"managedFields\":[1]}",
         NULL},
        {"{\"a\":true,\"metadata\":{\"annotations\":{\"x\":\"y\",\"m\":\"{\\\"labels\\\":{\\\"x\\\":1}}\"}}}",
         NULL},
        {"{\"metadata\":{}}", NULL},
        {"{\"metadata\":{\"annotations\":{\"labels\":{\"x\":\"y\"}},\"labels\":{\"xx\":\"z\"}}}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text, *value = "unset";
        size_t from = 9, to = 0, n = 0, len = strlen(text);
        json_t *all = NULL;
        assert_int_equal(kube_find_label(text, len, "x", &value, &n, &from, &to), 1);
        assert_int_equal(value != NULL, cases[i].value != NULL);
        assert_true(!value || (n == strlen(cases[i].value) && !memcmp(value, cases[i].value, n)));
        assert_int_equal(kube_parse_slim(text, len, "test", &all, NULL), IST_OK);
        char *wanted = ist_json_text(all), *left = ist_printf("%.*s%s", (int)from, text, text + to);
        assert_true(from <= to && to < len);
        is(left, wanted);
        for (size_t part = 0; part < len; part++) {
            char *cut = ist_strndup(text, part); // of just that size, for memcheck
            assert_int_equal(kube_find_label(cut, part, "x", &value, &n, &from, &to), 0);
            ist_free(cut);
        }
        ist_free(wanted);
        ist_free(left);
        json_decref(all);
    }
}

static void what_is_no_plain_item_is_passed_up(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "{\"spec\":1}",
                                        "{\"metadata\":1}",
                                        "{\"metadata\":{},\"metadata\":{}}",
                                        "{\"metadata\":{}} x",
                                        "{\"metadata\":{\"labels\":null}}",
                                        "{\"metadata\":{\"labels\":{\"x\":1}}}",
                                        "{\"metadata\":{\"labels\":{\"x\":\"\\u0061\"}}}",
                                        "{\"metadata\":{\"l\\u0061bels\":{}}}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *value;
        size_t n, from, to;
        assert_int_equal(kube_find_label(texts[i], strlen(texts[i]), "x", &value, &n, &from, &to), 0);
    }
}

// Wherever it stands among others, and at every distance from the end.
static void the_end_of_a_string_is_found(void **state)
{
    char text[40];
    (void)state;
    for (size_t len = 0; len < sizeof text; len++)
        for (size_t at = 0; at <= len; at++) {
            for (size_t i = 0; i < len; i++)
                text[i] = (char)(i % 3 ? '!' : '#' + 0x80 * (i % 2)); // neighbours of a quote
            if (at < len)
                text[at] = at % 2 ? '"' : '\\';
            assert_ptr_equal(kube_string_stop(text, text + len), text + at);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_wherever_it_stands),
        cmocka_unit_test(a_label_is_found_without_reading_all),
        cmocka_unit_test(what_is_no_plain_item_is_passed_up),
        cmocka_unit_test(the_end_of_a_string_is_found),
        cmocka_unit_test(leaves_what_only_looks_like_it),
        cmocka_unit_test(says_what_the_general_reader_says),
        cmocka_unit_test(skims_to_the_digest_of_what_was_written),
        cmocka_unit_test(leaves_out_what_is_not_read),
        cmocka_unit_test(depths_are_limited),
        cmocka_unit_test(broken_text_is_an_error_wherever_it_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
