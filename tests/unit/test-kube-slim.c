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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_wherever_it_stands),
        cmocka_unit_test(leaves_what_only_looks_like_it),
        cmocka_unit_test(broken_text_is_an_error_wherever_it_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
