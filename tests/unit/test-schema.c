// The types of the tables: what each accepts, its normal form, when two values mean the same; networks; YAML.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <isthmus/schema.h>
#include <isthmus/yaml.h>

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static json_t *yaml(const char *text)
{
    json_t *json = NULL;
    ist_error err = {0};
    if (ist_yaml_parse(text, strlen(text), "test", &json, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
    return json;
}

struct accepted {
    const char *type, *value, *normal; // normal as compact JSON
};

static void each_type_has_a_normal_form(void **state)
{
    (void)state;
    static const struct accepted cases[] = {
        {"bool", "true", "true"},
        {"int", "-3", "-3"},
        {"real", "2", "2.0"},
        {"string", "x", "\"x\""},
        {"string", "12", "\"12\""},
        {"string", "''", "\"\""},
        {"text", "\"a\\nb\"", "\"a\\nb\""},
        {"cidr", "0.0.0.0/0", "\"0.0.0.0/0\""},
        {"cidr", "10.1.2.3/32", "\"10.1.2.3/32\""},
        {"ipv4", "255.255.255.0", "\"255.255.255.0\""},
        {"duration", "1h30m", "5400000"},
        {"duration", "250ms", "250"},
        {"duration", "250", "250"},
        {"size", "1KiB", "1024"},
        {"size", "2kB", "2000"},
        {"size", "'100'", "100"},
        {"path", "a/b", "\"a/b\""},
        {"url", "https://h:1/x", "\"https://h:1/x\""},
        {"secret", "12345678", "\"12345678\""},
        {"regex", "^a(b|c)$", "\"^a(b|c)$\""},
        {"kubeconfig", "/x:/y", "\"/x:/y\""},
        {"kubeconfig", "{kind: Config}", "\"{\\\"kind\\\":\\\"Config\\\"}\""},
        {"next-hop", "eni-1", "{\"id\":\"eni-1\",\"kind\":\"eni\"}"},
        {"next-hop", "{kind: ip, id: 10.0.0.1}", "{\"id\":\"10.0.0.1\",\"kind\":\"ip\"}"},
        {"any", "[1, {a: b}]", "[1,{\"a\":\"b\"}]"},
        {"object", "{}", "{}"},
        {"enum(a|bb|c)", "bb", "\"bb\""},
        {"list(int)", "[3, 1, 3]", "[3,1,3]"},
        {"set(cidr)", "[10.2.0.0/16, 10.1.0.0/16, 10.2.0.0/16]", "[\"10.1.0.0/16\",\"10.2.0.0/16\"]"},
        {"map(list(ipv4))", "{b: [10.0.0.1], a: []}", "{\"a\":[],\"b\":[\"10.0.0.1\"]}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *value = yaml(cases[i].value), *normal = NULL, *again = NULL;
        ist_error err = {0};
        if (ist_type_normalise(cases[i].type, value, &normal, &err) != IST_OK)
            fail_msg("%s %s: %s", cases[i].type, cases[i].value, err.text);
        char *text = ist_json_text(normal);
        assert_string_equal(text, cases[i].normal);
        // A normal form is its own: what state recorded is normalised once more.
        assert_int_equal(ist_type_normalise(cases[i].type, normal, &again, NULL), IST_OK);
        assert_true(json_equal(normal, again));
        ist_free(text);
        json_decref(value);
        json_decref(normal);
        json_decref(again);
    }
}

struct refused {
    const char *type, *value, *where, *text;
};

static void what_does_not_fit_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct refused cases[] = {
        {"bool", "yes", "", "expected true or false, found \"yes\""},
        {"int", "1.5", "", "expected an integer, found 1.5"},
        {"string", "1.5", "", "put it in quotes"},
        {"string", "~", "", "expected text, found null"},
        {"cidr", "10.1.0.0/33", "", "prefix length over 32"},
        {"cidr", "10.1.2.0/16", "", "the network is 10.1.0.0/16"},
        {"cidr", "10.1.0.0", "", "no prefix length"},
        {"ipv4", "10.1.0", "", "expected an IPv4 address"},
        {"ipv4", "10.1.0.01", "", "expected an IPv4 address"},
        {"ipv4", "1.2.3.4.5", "", "expected an IPv4 address"},
        {"duration", "5 m", "", "expected a duration"},
        {"duration", "h", "", "expected a duration"},
        {"duration", "-1s", "", "expected a duration"},
        {"duration", "9223372036854775807h", "", "expected a duration"},
        {"size", "1ZiB", "", "expected a size"},
        {"path", "''", "", "it is empty"},
        {"url", "h:1/x", "", "expected a URL"},
        {"url", "https://a b", "", "expected a URL"},
        {"secret", "''", "", "found an empty text"},
        {"regex", "'a('", "", "expected an extended regular expression"},
        {"next-hop", "{kind: ip, id: eni-1}", "", "expected a next hop"},
        {"next-hop", "{kind: eni}", "", "expected a next hop"},
        {"enum(a|b)", "c", "", "expected one of a, b, found \"c\""},
        {"enum(a|b)", "a|b", "", "expected one of a, b"},
        {"list(int)", "[1, x]", "[1]", "expected an integer, found \"x\""},
        {"map(list(cidr))", "{a: [10.0.0.0/8, 3]}", ".a[1]", "expected a CIDR"},
        {"set(string)", "{a: 1}", "", "expected a list, found a map"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *value = yaml(cases[i].value), *normal = NULL;
        ist_error err = {0};
        assert_int_equal(ist_type_normalise(cases[i].type, value, &normal, &err), IST_ERR_INPUT);
        assert_null(normal);
        assert_string_equal(err.where, cases[i].where);
        if (!strstr(err.text, cases[i].text))
            fail_msg("%s %s: %s", cases[i].type, cases[i].value, err.text);
        json_decref(value);
    }
}

static void a_secret_that_does_not_fit_is_never_shown(void **state)
{
    (void)state;
    json_t *value = yaml("[hunter22]"), *normal = NULL;
    ist_error err = {0};
    assert_int_equal(ist_type_normalise("secret", value, &normal, &err), IST_ERR_INPUT);
    assert_null(strstr(err.text, "hunter22"));
    json_decref(value);
}

static void types_are_well_formed_or_not(void **state)
{
    (void)state;
    static const char *const good[] = {"bool", "list(set(cidr))", "map(object)", "enum(a)", "enum(a|b-c)"};
    static const char *const bad[] = {"",         "boolean",         "list",     "list()",
                                      "list(int", "enum()",          "enum(|a)", "enum(a||b)",
                                      "enum(a|)", "set(list(nope))", "int)",     "map(enum(a)"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(ist_type_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        if (ist_type_valid(bad[i]))
            fail_msg("%s is taken for a type", bad[i]);
    assert_false(ist_type_valid(NULL));
    assert_false(ist_type_valid("list(list(list(list(list(list(list(list(list(list(int))))))))))"));
}

static void order_and_spelling_never_make_a_difference(void **state)
{
    (void)state;
    static const char *const same[][3] = {
        {"set(cidr)", "[10.1.0.0/16, 10.2.0.0/16]", "[10.2.0.0/16, 10.1.0.0/16]"},
        {"duration", "60s", "1m"},
        {"size", "1MiB", "1048576"},
        {"next-hop", "eni-1", "{kind: eni, id: eni-1}"},
    };
    for (size_t i = 0; i < COUNT(same); i++) {
        json_t *a = yaml(same[i][1]), *b = yaml(same[i][2]);
        assert_true(ist_type_equal(same[i][0], a, b));
        json_decref(a);
        json_decref(b);
    }
    json_t *a = yaml("[1, 2]"), *b = yaml("[2, 1]");
    assert_false(ist_type_equal("list(int)", a, b));
    json_decref(a);
    json_decref(b);
}

static void networks_overlap_or_do_not(void **state)
{
    (void)state;
    ist_net4 wide, narrow, other, all;
    assert_int_equal(ist_net4_parse("10.0.0.0/8", &wide, NULL), IST_OK);
    assert_int_equal(ist_net4_parse("10.1.2.0/24", &narrow, NULL), IST_OK);
    assert_int_equal(ist_net4_parse("11.0.0.0/8", &other, NULL), IST_OK);
    assert_int_equal(ist_net4_parse("0.0.0.0/0", &all, NULL), IST_OK);
    assert_true(ist_net4_overlap(wide, narrow) && ist_net4_overlap(narrow, wide) &&
                ist_net4_overlap(all, other));
    assert_false(ist_net4_overlap(wide, other));
    assert_true(ist_net4_contains(narrow, 0x0a0102ff));
    assert_false(ist_net4_contains(narrow, 0x0a010300));
    char text[19];
    ist_net4_text(narrow, text);
    assert_string_equal(text, "10.1.2.0/24");
    assert_int_equal(ist_net4_parse("10.1.2.3", &narrow, NULL), IST_OK);
    assert_int_equal(narrow.prefix, 32);
}

static char *drawn(size_t count, const ist_net_bar *named, const char *const *texts)
{
    ist_net_bar bars[40];
    for (size_t i = 0; i < count; i++) {
        bars[i].name = named != NULL ? named[i].name : texts[i];
        assert_int_equal(ist_net4_parse(texts[i], &bars[i].net, NULL), IST_OK);
    }
    return ist_net_picture(bars, count);
}

static void networks_are_drawn_over_the_widest_of_those_that_overlap(void **state)
{
    static const ist_net_bar names[] = {
        {"host", {0, 0}}, {"onPremCidr", {0, 0}}, {"vpc_cidr", {0, 0}}, {"all", {0, 0}}};
    (void)state;
    char *three = drawn(3, names, (const char *[]){"10.0.255.255/32", "10.0.64.0/18", "10.0.0.0/16"});
    assert_string_equal(three, "################################  10.0.0.0/16      vpc_cidr\n"
                               "........########................  10.0.64.0/18     onPremCidr\n"
                               "...............................#  10.0.255.255/32  host");
    char *every =
        drawn(4, names, (const char *[]){"0.0.0.0/32", "10.0.0.0/16", "255.255.255.255/32", "0.0.0.0/0"});
    assert_string_equal(every, "################################  0.0.0.0/0           all\n"
                               "#...............................  0.0.0.0/32          host\n"
                               ".#..............................  10.0.0.0/16         onPremCidr\n"
                               "...............................#  255.255.255.255/32  vpc_cidr");
    char *twice = drawn(2, names, (const char *[]){"10.0.0.0/16", "10.0.0.0/16"});
    assert_string_equal(twice, "################################  10.0.0.0/16  host\n"
                               "################################  10.0.0.0/16  onPremCidr");
    char *one = drawn(1, names, (const char *[]){"10.0.0.0/16"}), *none = drawn(0, names, NULL);
    assert_string_equal(one, "################################  10.0.0.0/16  host");
    assert_string_equal(none, "");
    ist_free(three);
    ist_free(every);
    ist_free(twice);
    ist_free(one);
    ist_free(none);
}

static void networks_that_are_apart_are_drawn_beside_them(void **state)
{
    static const ist_net_bar names[] = {
        {"tunnel", {0, 0}}, {"onPremPodCidr", {0, 0}}, {"onPremCidr", {0, 0}}, {"vpc_cidr", {0, 0}}};
    (void)state;
    char *four =
        drawn(4, names, (const char *[]){"10.250.0.0/24", "192.168.0.0/16", "10.0.64.0/18", "10.0.0.0/16"});
    assert_string_equal(four, "################################ .. ..  10.0.0.0/16     vpc_cidr\n"
                              "........########................ .. ..  10.0.64.0/18    onPremCidr\n"
                              "................................ ## ..  10.250.0.0/24   tunnel\n"
                              "................................ .. ##  192.168.0.0/16  onPremPodCidr");
    char *pairs =
        drawn(4, names, (const char *[]){"10.0.0.0/8", "192.168.0.0/16", "10.128.0.0/9", "192.168.0.0/17"});
    assert_string_equal(pairs, "################ ................  10.0.0.0/8      tunnel\n"
                               "........######## ................  10.128.0.0/9    onPremCidr\n"
                               "................ ################  192.168.0.0/16  onPremPodCidr\n"
                               "................ ########........  192.168.0.0/17  vpc_cidr");
    char *apart = drawn(2, names, (const char *[]){"10.1.0.0/16", "10.0.0.0/16"});
    assert_string_equal(apart, "################ ................  10.0.0.0/16  onPremPodCidr\n"
                               "................ ################  10.1.0.0/16  tunnel");
    ist_free(four);
    ist_free(pairs);
    ist_free(apart);
}

// However many there are: some lines, of one width, and how many are left out.
static void a_picture_of_many_networks_has_an_end(void **state)
{
    const char *texts[40];
    char room[40][19];
    (void)state;
    for (size_t count = 0; count <= 40; count++) {
        size_t lines = 0;
        for (size_t i = 0; i < count; i++) {
            ist_net4_text((ist_net4){i < 20 ? (uint32_t)(i / 2) << 28 : (uint32_t)i << 20, i % 2 ? 24 : 16},
                          room[i]);
            texts[i] = room[i];
        }
        char *picture = drawn(count, NULL, texts), *rest = picture;
        for (char *line = strsep(&rest, "\n"); line != NULL && *line != '\0';
             line = strsep(&rest, "\n"), lines++) {
            const char *name = strrchr(line, ' ');
            assert_true(strncmp(line, "... and ", 8) == 0 || (name - line) <= 70);
        }
        assert_true(lines <= 25 && (count == 0) == (lines == 0));
        ist_free(picture);
    }
}

static void a_table_becomes_a_json_schema(void **state)
{
    (void)state;
    static const ist_field fields[] = {
        {"name", "string", NULL, IST_REQUIRED, "1", "Its name."},
        {"nhrp.key", "secret", NULL, IST_SECRET | IST_REQUIRED, "1", NULL},
        {"clusters", "list(object)", NULL, 0, "1", NULL},
        {"clusters[].name", "string", NULL, IST_REQUIRED, "1", NULL},
        {"pods", "map(object)", NULL, 0, "1", NULL},
        {"pods{}.port", "int", "80", 0, "1", NULL},
        {"mode", "enum(a|b)", "a", 0, "1", NULL},
    };
    json_t *schema = ist_fields_schema(fields, COUNT(fields));
    assert_string_equal(ist_json_str(schema, "properties.name.description"), "Its name.");
    assert_string_equal(ist_json_str(schema, "required[0]"), "name");
    assert_true(ist_json_bool(schema, "properties.nhrp.properties.key.writeOnly", 0));
    assert_string_equal(ist_json_str(schema, "properties.clusters.items.properties.name.type"), "string");
    assert_string_equal(ist_json_str(schema, "properties.clusters.items.required[0]"), "name");
    assert_string_equal(ist_json_str(schema, "properties.pods.additionalProperties.properties.port.type"),
                        "integer");
    assert_string_equal(ist_json_str(schema, "properties.mode.enum[1]"), "b");
    assert_int_equal(ist_json_bool(schema, "additionalProperties", 1), 0);
    json_decref(schema);
}

// ---- YAML

static void yaml_reads_by_the_core_schema(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"yes", "\"yes\""},   {"0777", "777"},      {"0o17", "15"},
        {"1:30", "\"1:30\""}, {"~", "null"},        {"\"1\"", "\"1\""},
        {"1e3", "1000.0"},    {".5", "0.5"},        {".inf", "\".inf\""},
        {"-", "[null]"},      {"!!str 1", "\"1\""}, {"a: &x [1]\nb: *x", "{\"a\":[1],\"b\":[1]}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *json = yaml(cases[i][0]);
        char *text = ist_json_text(json);
        assert_string_equal(text, cases[i][1]);
        ist_free(text);
        json_decref(json);
    }
}

static void yaml_refuses_what_is_not_plain_data(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a: 1\na: 2", "test:2:1"},    {"a: !x 1", "test:1:4"}, {"a: [1", "test:2:1"},
        {"? {a: 1}\n: 2", "test:1:3"}, {"a: *b", "test:1:4"},   {"a: &a [*a]", "test:1:8"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *json = NULL;
        ist_error err = {0};
        assert_int_not_equal(ist_yaml_parse(cases[i][0], strlen(cases[i][0]), "test", &json, &err), IST_OK);
        assert_null(json);
        assert_string_equal(err.where, cases[i][1]);
    }
}

static void yaml_streams_leave_out_empty_documents(void **state)
{
    (void)state;
    static const char text[] = "---\n---\na: 1\n---\n# nothing\n---\nb: 2\n";
    json_t *all = NULL;
    assert_int_equal(ist_yaml_parse_all(text, strlen(text), "test", &all, NULL), IST_OK);
    assert_int_equal(json_array_size(all), 2);
    json_decref(all);
}

static void yaml_text_reads_back_the_same(void **state)
{
    (void)state;
    json_t *json =
        yaml("{a: [1, '2', yes, ~, 1.5, true], b: {c: \"x\\ny\\n\", d: ' #x', e: {}, f: []}, 'g: h': '- i'}");
    char *text = ist_yaml_text(json);
    json_t *back = yaml(text);
    assert_true(json_equal(json, back));
    assert_non_null(strstr(text, "\"yes\"")); // other readers take it for a boolean
    ist_free(text);
    json_decref(json);
    json_decref(back);
}

static void a_list_of_texts_is_a_set(void **state)
{
    (void)state;
    json_t *list = json_pack("[s, i, n]", "a", 1);
    ist_json_add(list, "a");
    assert_int_equal(json_array_size(list), 3);
    ist_json_add(list, "b");
    assert_int_equal(json_array_size(list), 4);
    assert_true(ist_json_has(list, "b"));
    assert_false(ist_json_has(list, ""));
    assert_false(ist_json_has(NULL, "a"));
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_a_normal_form),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_reason),
        cmocka_unit_test(a_secret_that_does_not_fit_is_never_shown),
        cmocka_unit_test(types_are_well_formed_or_not),
        cmocka_unit_test(order_and_spelling_never_make_a_difference),
        cmocka_unit_test(networks_overlap_or_do_not),
        cmocka_unit_test(networks_are_drawn_over_the_widest_of_those_that_overlap),
        cmocka_unit_test(networks_that_are_apart_are_drawn_beside_them),
        cmocka_unit_test(a_picture_of_many_networks_has_an_end),
        cmocka_unit_test(a_table_becomes_a_json_schema),
        cmocka_unit_test(yaml_reads_by_the_core_schema),
        cmocka_unit_test(yaml_refuses_what_is_not_plain_data),
        cmocka_unit_test(yaml_streams_leave_out_empty_documents),
        cmocka_unit_test(yaml_text_reads_back_the_same),
        cmocka_unit_test(a_list_of_texts_is_a_set),
    };
    return cmocka_run_group_tests_name("types and YAML", tests, NULL, NULL);
}
