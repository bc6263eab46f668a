// The router's stack without AWS: the rules of its group against what the template declares, and a change set against
// the plan.
#include "internal.h"
#include "stack_internal.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

// What drift.c does with a piece, with the field and the call alone. Here so that rules.c is tested by itself.
void router_vm_note(json_t *drift, const char *field, const char *before, const char *after, json_t *mend)
{
    char *action = ist_strdup(ist_json_str_or(mend, "action", ""));
    json_array_append_new(drift, json_pack("{ss ss ss ss so}", "field", field, "before", before, "after",
                                           after, "action", action, "mend", mend));
    ist_free(action);
}

static const char declared[] =
    "[{\"IpProtocol\": \"50\", \"CidrIp\": \"0.0.0.0/0\", \"Description\": \"ESP\"},"
    "{\"IpProtocol\": \"udp\", \"FromPort\": 500, \"ToPort\": 500, \"CidrIp\": "
    "\"0.0.0.0/0\", \"Description\": \"IKE\"},"
    "{\"IpProtocol\": \"-1\", \"CidrIp\": \"10.0.9.7/24\"}]";
static const char all_out[] = "[{\"ipProtocol\": \"-1\", \"ipRanges\": [{\"cidrIp\": \"0.0.0.0/0\"}]}]";

// The drift of a group with these ipPermissions and ipPermissionsEgress. New reference.
static json_t *drift_of(const char *in, const char *out)
{
    json_t *group = json_pack("{ss so so}", "groupId", "sg-1", "ipPermissions", parse(in),
                              "ipPermissionsEgress", parse(out)),
           *ingress = parse(declared), *drift = json_array();
    router_vm_group_drift(group, ingress, NULL, drift);
    json_decref(group);
    json_decref(ingress);
    return drift;
}

#define SAME                                                                                                 \
    "{\"ipProtocol\": \"50\", \"ipRanges\": [{\"cidrIp\": \"0.0.0.0/0\"}]},"                                 \
    "{\"ipProtocol\": \"17\", \"fromPort\": \"500\", \"toPort\": \"500\", \"ipRanges\": [{\"cidrIp\": "      \
    "\"0.0.0.0/0\"}]},{\"ipProtocol\": \"-1\", \"groups\": \"\", \"ipRanges\": [{\"cidrIp\": "               \
    "\"10.0.9.0/24\"}"

static void what_is_declared_is_no_drift(void **state)
{
    (void)state;
    json_t *drift = drift_of("[" SAME "]}]", all_out);
    assert_int_equal(json_array_size(drift), 0);
    json_decref(drift);
    // Some VPCs let everything out over IPv6 too.
    drift = drift_of("[" SAME "]}]", "[{\"ipProtocol\": \"-1\", \"ipRanges\": [{\"cidrIp\": \"0.0.0.0/0\"}], "
                                     "\"ipv6Ranges\": [{\"cidrIpv6\": \"::/0\"}]}]");
    assert_int_equal(json_array_size(drift), 0);
    json_decref(drift);
}

static const char *field(const json_t *drift, size_t i, const char *key)
{
    return ist_json_str_or(json_array_get(drift, i), key, "");
}

static void each_rule_too_much_is_a_piece_of_its_own(void **state)
{
    (void)state;
    // One permission of EC2 holds several: a peer each.
    json_t *drift = drift_of("[" SAME ", {\"cidrIp\": \"192.0.2.0/24\"}], \"ipv6Ranges\": [{\"cidrIpv6\": "
                             "\"2001:db8::/32\", \"description\": \"six\"}]},{\"ipProtocol\": \"tcp\", "
                             "\"fromPort\": \"80\", \"toPort\": \"90\", \"groups\": [{\"groupId\": \"sg-2\", "
                             "\"userId\": \"123\"}], \"prefixListIds\": [{\"prefixListId\": \"pl-1\"}]}]",
                             all_out);
    assert_int_equal(json_array_size(drift), 4);
    assert_string_equal(field(drift, 0, "field"), "Group: everything from 192.0.2.0/24");
    assert_string_equal(field(drift, 1, "field"), "Group: everything from 2001:db8::/32 (six)");
    assert_string_equal(field(drift, 2, "field"), "Group: tcp 80-90 from sg-2");
    assert_string_equal(field(drift, 3, "field"), "Group: tcp 80-90 from pl-1");
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(field(drift, i, "action"), "RevokeSecurityGroupIngress");
        assert_string_equal(field(drift, i, "after"), "closed");
    }
    const json_t *permission = ist_json_at(json_array_get(drift, 2), "mend.params.IpPermissions[0]");
    assert_string_equal(ist_json_str_or(permission, "UserIdGroupPairs[0].GroupId", ""), "sg-2");
    assert_string_equal(ist_json_str_or(permission, "UserIdGroupPairs[0].UserId", ""), "123");
    assert_int_equal(ist_json_int(permission, "FromPort", 0), 80);
    json_decref(drift);
}

static void what_is_missing_is_opened_again(void **state)
{
    (void)state;
    json_t *drift = drift_of("[]", "[]");
    assert_int_equal(json_array_size(drift), 4);
    assert_string_equal(field(drift, 0, "field"), "Group: esp from 0.0.0.0/0 (ESP)");
    assert_string_equal(field(drift, 0, "action"), "AuthorizeSecurityGroupIngress");
    assert_string_equal(field(drift, 3, "field"), "Group: everything to 0.0.0.0/0");
    assert_string_equal(field(drift, 3, "action"), "AuthorizeSecurityGroupEgress");
    json_decref(drift);
}

// ---- change sets ----

static int32_t check(const char *changes, const char *before, const char *after, bool tags, ist_error *err)
{
    json_t *set = json_pack("{so}", "Changes", parse(changes)), *was = parse(before), *is = parse(after);
    int32_t rc = stack_check_changes(set, was, is, tags, err);
    json_decref(set);
    json_decref(was);
    json_decref(is);
    return rc;
}

#define ROUTER(type)                                                                                         \
    "{\"Resources\": {\"Router\": {\"Type\": \"AWS::EC2::Instance\", \"Properties\": {\"InstanceType\": "    \
    "\"" type "\"}}}}"
#define CHANGE(action, logical, more)                                                                        \
    "{\"ResourceChange\": {\"Action\": \"" action "\", \"LogicalResourceId\": \"" logical "\"" more "}}"

static void a_change_set_that_is_the_plan_is_executed(void **state)
{
    ist_error err = {0};
    (void)state;
    assert_int_equal(check("[" CHANGE("Add", "Router", "") "]", "{}", ROUTER("a"), false, &err), IST_OK);
    assert_int_equal(check("[" CHANGE("Modify", "Router", ", \"Replacement\": \"False\"") "]", ROUTER("a"),
                           ROUTER("b"), false, &err),
                     IST_OK);
    assert_int_equal(check("[" CHANGE("Remove", "Router", "") "]", ROUTER("a"), "{}", false, &err), IST_OK);
    assert_int_equal(check("[]", ROUTER("a"), ROUTER("a"), false, &err), IST_OK);
    // What is listed for a reference, or for tags that change, is no surprise.
    const char *reference =
        "[" CHANGE("Modify", "Router", ", \"Details\": [{\"ChangeSource\": \"ResourceReference\"}]") "]";
    assert_int_equal(check(reference, ROUTER("a"), ROUTER("a"), false, &err), IST_OK);
    const char *tags = "[" CHANGE("Modify", "Router", ", \"Scope\": [\"Tags\"]") "]";
    assert_int_equal(check(tags, ROUTER("a"), ROUTER("a"), true, &err), IST_OK);
    assert_int_equal(check(tags, ROUTER("a"), ROUTER("a"), false, &err), IST_ERR_CONFLICT);
}

static void another_one_is_refused(void **state)
{
    static const struct {
        const char *changes, *before, *after, *where;
    } cases[] = {
        {"[" CHANGE("Modify", "Router", ", \"Replacement\": \"True\"") "]", ROUTER("a"), ROUTER("b"),
         "Router"},
        {"[" CHANGE("Modify", "Router", "") "," CHANGE("Modify", "Other", "") "]", ROUTER("a"), ROUTER("b"),
         "Other"},
        {"[" CHANGE("Remove", "Router", "") "]", ROUTER("a"), ROUTER("b"), "Router"},
        {"[" CHANGE("Add", "Other", "") "]", ROUTER("a"), ROUTER("a"), "Other"},
        {"[]", ROUTER("a"), ROUTER("b"), "Router"},
        {"[]", "{}", ROUTER("b"), "Router"},
        {"[]", ROUTER("a"), "{}", "Router"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ist_error err = {0};
        assert_int_equal(check(cases[i].changes, cases[i].before, cases[i].after, false, &err),
                         IST_ERR_CONFLICT);
        assert_string_equal(err.where, cases[i].where);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_declared_is_no_drift),
        cmocka_unit_test(each_rule_too_much_is_a_piece_of_its_own),
        cmocka_unit_test(what_is_missing_is_opened_again),
        cmocka_unit_test(a_change_set_that_is_the_plan_is_executed),
        cmocka_unit_test(another_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
