// isthmus/dmvpn_machine.h as a third vendor's plugin has it: which interface of a machine is which.
#include <isthmus/alloc.h>
#include <isthmus/dmvpn_machine.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const ist_dmvpn_kind named = {
    .size = sizeof named, .word = "switch", .outside = "port1", .inside = "port2"};
static const ist_dmvpn_kind unnamed = {.size = sizeof unnamed, .word = "box", .names_address = 1};

static const ist_dmvpn_interface told[] = {
    {"lo", "127.0.0.1", 8, 0},       {"port1", "198.51.100.9", 24, 1},
    {"port2", "10.0.109.10", 24, 1}, {"port2", "10.0.109.11", 24, 1}, // a second address of the same
    {"bridge", "172.17.0.1", 16, 0},
};
#define TOLD (sizeof told / sizeof *told)

// Inputs as JSON with ' for ". New reference.
static json_t *inputs(const char *text)
{
    char *copy = ist_strdup(text);
    json_t *json = NULL;
    for (char *p = copy; (p = strchr(p, '\''));)
        *p = '"';
    assert_int_equal(ist_json_parse(copy, strlen(copy), "inputs", &json, NULL), IST_OK);
    ist_free(copy);
    return json;
}

static int32_t given(const char *text, const ist_dmvpn_kind *kind, ist_dmvpn_machine *machine, ist_error *err)
{
    json_t *in = inputs(text);
    int32_t rc = ist_dmvpn_machine_given(in, kind, machine, err);
    json_decref(in);
    return rc;
}

static int32_t found(const char *text, const ist_dmvpn_kind *kind, const char *outside,
                     ist_dmvpn_machine *machine, ist_error *err)
{
    json_t *in = inputs(text);
    int32_t rc = ist_dmvpn_machine_found(in, kind, told, TOLD, outside, machine, err);
    json_decref(in);
    return rc;
}

#define SUBNETS                                                                                              \
    "'public_subnet':{'cidr':'10.0.106.0/24'},'private_subnets':[{'cidr':'10.0.109.0/24'},"                  \
    "{'cidr':'10.0.110.0/24'}]"

static void inputs_of_a_vpc_are_enough(void **state)
{
    (void)state;
    ist_dmvpn_machine m;
    assert_int_equal(given("{" SUBNETS "}", &named, &m, NULL), IST_OK);
    assert_string_equal(m.outside, "port1");
    assert_string_equal(m.inside, "port2");
    assert_string_equal(m.outside_address, "10.0.106.10");
    assert_string_equal(m.inside_address, "10.0.109.10");
    assert_int_equal(m.inside_network.prefix, 24);
    assert_string_equal(m.gateway, "10.0.109.1"); // 10.0.110.0/24 lies behind it
    assert_int_equal(given("{" SUBNETS ",'private_address':'10.0.109.77','inside_gateway':'10.0.109.5'}",
                           &named, &m, NULL),
                     IST_OK);
    assert_string_equal(m.inside_address, "10.0.109.77");
    assert_string_equal(m.gateway, "10.0.109.5");
}

static void what_nobody_says_is_named(void **state)
{
    (void)state;
    const struct {
        const char *in;
        const ist_dmvpn_kind *kind;
        const char *missing;
    } all[] = {
        {"{}", &named, "private_address"},
        {"{'private_address':'10.0.109.10'}", &named, "inside_network"},
        {"{" SUBNETS "}", &unnamed, "outside_interface"},
        {"{" SUBNETS ",'outside_interface':'wan'}", &unnamed, "inside_interface"},
        {"{'outside_interface':'wan','inside_interface':'lan','private_address':'10.0.109.10'}", &unnamed,
         "public_address"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ist_dmvpn_machine m = {.outside = "untouched"};
        ist_error err = {0};
        assert_int_equal(given(all[i].in, all[i].kind, &m, &err), IST_ERR_INPUT);
        assert_string_equal(err.where, all[i].missing);
        assert_non_null(strstr(err.text, all[i].kind->word));
        assert_string_equal(m.outside, "untouched");
    }
}

static void a_machine_tells_its_interfaces(void **state)
{
    (void)state;
    ist_dmvpn_machine m;
    assert_int_equal(found("{'announce':['10.0.109.0/25']}", &named, NULL, &m, NULL), IST_OK);
    assert_string_equal(m.outside_address, "198.51.100.9");
    assert_string_equal(m.inside_address, "10.0.109.10"); // its first
    assert_string_equal(m.gateway, "");
    assert_int_equal(ist_dmvpn_is_inside(&m, "10.0.109.128/25"), 1);
    assert_int_equal(ist_dmvpn_is_inside(&m, "10.0.0.0/16"), 0);
    assert_int_equal(found("{'private_address':'10.0.109.11'}", &unnamed, "port1", &m, NULL), IST_OK);
    assert_string_equal(m.inside_address, "10.0.109.11");
    // By name also one that leads nowhere by itself.
    assert_int_equal(found("{'inside_interface':'bridge'}", &unnamed, "port1", &m, NULL), IST_OK);
    assert_int_equal(m.inside_network.prefix, 16);
}

static void what_it_leaves_open_is_asked_for(void **state)
{
    (void)state;
    const struct {
        const char *in;
        const ist_dmvpn_kind *kind;
        const char *where, *text;
    } all[] = {
        {"{}", &unnamed, "outside_interface", "none is it for certain"},
        {"{'outside_interface':'port9'}", &named, "outside_interface", "port9 with an address is not there"},
        {"{'public_address':'192.0.2.1'}", &named, "outside_interface", "192.0.2.1"},
        {"{'inside_interface':'port9'}", &named, "inside_interface", "none is it; the switch has lo"},
        {"{'outside_interface':'bridge'}", &named, "inside_interface", "more than one could be it"},
        {"{'announce':['10.7.0.0/16'],'inside_interface':'bridge'}", &named, "inside_gateway", "10.7.0.0/16"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ist_dmvpn_machine m;
        ist_error err = {0};
        assert_int_equal(found(all[i].in, all[i].kind, NULL, &m, &err), IST_ERR_INPUT);
        assert_string_equal(err.where, all[i].where);
        assert_non_null(strstr(err.text, all[i].text));
    }
}

static void a_network_by_dhcp_is_what_the_inputs_say(void **state)
{
    (void)state;
    const ist_dmvpn_interface silent[] = {{"port1", "198.51.100.9", 0, 1}, {"port2", "10.0.109.10", 0, 1}};
    ist_dmvpn_machine m;
    ist_error err = {0};
    json_t *none = inputs("{}"), *said = inputs("{'inside_network':'10.0.109.0/24'}");
    assert_int_equal(ist_dmvpn_machine_found(none, &named, silent, 2, NULL, &m, &err), IST_ERR_INPUT);
    assert_string_equal(err.where, "inside_network");
    assert_int_equal(ist_dmvpn_machine_found(said, &named, silent, 2, NULL, &m, NULL), IST_OK);
    assert_int_equal(m.inside_network.prefix, 24);
    assert_int_equal(ist_dmvpn_machine_found(none, &named, silent, 0, NULL, &m, &err), IST_ERR_INPUT);
    json_decref(none);
    json_decref(said);
}

static void why_it_was_not_seen_goes_from_observe_to_plan(void **state)
{
    (void)state;
    ist_error why = {.code = IST_ERR_NETWORK,
                     .where = "198.51.100.9",
                     .text = "refused",
                     .hint = "is it up?"},
              err = {0};
    json_t *unseen = ist_dmvpn_unseen(&why);
    assert_int_equal(ist_dmvpn_why_unseen(unseen, &named, &err), IST_ERR_NETWORK);
    assert_string_equal(err.where, "switch");
    assert_string_equal(err.text, "its configuration cannot be read: refused");
    assert_string_equal(err.hint, "is it up?");
    json_decref(unseen);
    // An input that does not fit is said at its place.
    why = (ist_error){.code = IST_ERR_INPUT, .where = "inside_interface", .text = "none is it"};
    unseen = ist_dmvpn_unseen(&why);
    assert_int_equal(ist_dmvpn_why_unseen(unseen, &named, &err), IST_ERR_INPUT);
    assert_string_equal(err.where, "inside_interface");
    json_decref(unseen);
    assert_int_equal(ist_dmvpn_why_unseen(NULL, &named, &err), IST_ERR_NETWORK);
    // Words that are no text do not travel, and that is said.
    memcpy(why.text, "\xff\xfe", 3);
    unseen = ist_dmvpn_unseen(&why);
    assert_string_equal(ist_json_str(unseen, "unknown"), "what it answers is no text");
    json_decref(unseen);
}

static void what_was_seen_goes_from_observe_to_plan(void **state)
{
    (void)state;
    ist_dmvpn_machine m, again;
    assert_int_equal(found("{}", &named, NULL, &m, NULL), IST_OK);
    json_t *observed = ist_dmvpn_machine_observed(&m);
    ist_dmvpn_machine_recall(&again, observed);
    assert_string_equal(again.outside, "port1");
    assert_string_equal(again.inside_address, "10.0.109.10");
    json_decref(observed);
    ist_dmvpn_machine_recall(&again, NULL);
    assert_string_equal(again.outside_address, "");
}

static void an_identity_tells_its_type(void **state)
{
    (void)state;
    const struct {
        const char *identity, *type;
    } all[] = {{"192.0.2.1", "address"},
               {"hub.example.net", "fqdn"},
               {"hub", "fqdn"},
               {"hub-1@example.net", "email"},
               {"10.0.0.256", NULL},
               {"10.0.0", NULL},
               {"", NULL},
               {"@example.net", NULL},
               {"hub@", NULL},
               {"a@b@c.net", NULL},
               {".example.net", NULL},
               {"hub..net", NULL},
               {"two words", NULL},
               {"line\nbreak", NULL},
               {"CN=hub,O=example", NULL},
               {"%any", NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *type = ist_dmvpn_identity_type(all[i].identity);
        if (!all[i].type)
            assert_null(type);
        else
            assert_string_equal(type, all[i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_of_a_vpc_are_enough),
        cmocka_unit_test(what_nobody_says_is_named),
        cmocka_unit_test(a_machine_tells_its_interfaces),
        cmocka_unit_test(what_it_leaves_open_is_asked_for),
        cmocka_unit_test(a_network_by_dhcp_is_what_the_inputs_say),
        cmocka_unit_test(why_it_was_not_seen_goes_from_observe_to_plan),
        cmocka_unit_test(an_identity_tells_its_type),
        cmocka_unit_test(what_was_seen_goes_from_observe_to_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
