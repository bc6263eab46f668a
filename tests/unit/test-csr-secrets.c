// What csr-dmvpn keeps of secrets that a router shows as hash or cipher text: no endless difference, and a change by
// hand is seen all the same.
#include "csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char wanted[] = "username operator privilege 15 secret \001operator-pw\001\n"
                             "enable secret \001enable-pw\001\n"
                             "crypto ikev2 keyring K\n peer A\n  pre-shared-key \001topsecret\001\n";

static ist_ios_config *parse(const char *text)
{
    ist_ios_config *config = NULL;
    assert_int_equal(ist_ios_config_parse(text, strlen(text), &config, NULL), IST_OK);
    return config;
}

// What the three secrets look like on the router. The caller's.
static char *shown(const char *user, const char *enable, const char *key)
{
    return ist_printf("username operator privilege 15 secret %s\nenable secret %s\n"
                      "crypto ikev2 keyring K\n peer A\n  pre-shared-key %s\n",
                      user, enable, key);
}

// How many commands lie between the two, sections' heads and ends not counted.
static size_t differences(const char *running, const char *want, json_t *records)
{
    ist_ios_config *a = parse(running), *b = parse(want);
    ist_ios_diff_options o = {.size = sizeof o, .same_secret = csr_same_secret, .arg = records};
    ist_ios_diff diff;
    assert_int_equal(ist_ios_config_diff(a, b, &o, &diff, NULL), IST_OK);
    json_t *commands = csr_commands(&diff);
    size_t count = json_array_size(commands);
    json_decref(commands);
    ist_ios_diff_free(&diff);
    ist_ios_config_free(a);
    ist_ios_config_free(b);
    return count;
}

static json_t *records_of(const char *running, const char *want)
{
    ist_ios_config *a = parse(running), *b = parse(want);
    json_t *records = csr_secret_records(a, b, 10); // as many rounds as matter here
    ist_ios_config_free(a);
    ist_ios_config_free(b);
    return records;
}

static void what_was_sent_once_is_known_in_every_encoding(void **state)
{
    static const char *const encodings[][3] = {
        {"9 $9$abcdefghijklmn$0123456789", "9 $9$mnopqrstuvwxyz$9876543210", "6 IGIF_ZGTRJ^XMLQSBPH"},
        {"8 $8$abcdefghijklmn$0123456789", "8 $8$mnopqrstuvwxyz$9876543210", "6 AAAAAAAAAAAAAAAAAA"},
        {"5 $1$abcd$0123456789", "5 $1$efgh$9876543210", "6 BBBBBBBBBBBBBBBBBB"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        char *running = shown(encodings[i][0], encodings[i][1], encodings[i][2]);
        json_t *none = json_object(), *records = records_of(running, wanted);
        assert_int_equal(differences(running, wanted, none), 3); // never sent: nothing is taken on trust
        assert_int_equal(json_object_size(records), 3);
        assert_int_equal(differences(running, wanted, records), 0);
        json_decref(records);
        json_decref(none);
        ist_free(running);
    }
}

static void a_change_at_either_end_is_seen(void **state)
{
    (void)state;
    char *running = shown("9 $9$one", "8 $8$two", "6 three");
    json_t *records = records_of(running, wanted);
    char *typed = shown("9 $9$one", "8 $8$two", "6 another"); // by hand, on the router
    assert_int_equal(differences(typed, wanted, records), 1);
    const char other[] = "enable secret \001new-pw\001\n"; // in the inputs
    assert_int_equal(differences(running, other, records), 1);
    json_decref(records);
    ist_free(typed);
    ist_free(running);
}

static void a_record_that_cannot_be_right_is_none(void **state)
{
    static const json_int_t rounds[] = {0, -1, 11, 10000001, INT64_MAX};
    (void)state;
    char *running = shown("9 $9$one", "8 $8$two", "6 three");
    json_t *records = records_of(running, wanted), *one;
    const char *line;
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        json_object_foreach(records, line, one) json_object_set_new(one, "rounds", json_integer(rounds[i]));
        assert_int_equal(differences(running, wanted, records), 3);
    }
    json_decref(records);
    ist_free(running);
}

static void records_hold_no_secret_and_differ_each_time(void **state)
{
    (void)state;
    char *running = shown("9 $9$one", "8 $8$two", "6 three");
    json_t *first = records_of(running, wanted), *second = records_of(running, wanted);
    char *text = ist_json_text(first);
    static const char *const secrets[] = {"operator-pw", "enable-pw", "topsecret", "three"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        assert_null(strstr(text, secrets[i]));
    assert_false(json_equal(first, second)); // a salt of its own
    ist_free(text);
    json_decref(first);
    json_decref(second);
    ist_free(running);
}

static void clear_secrets_need_no_record(void **state)
{
    (void)state;
    const char *clear = "crypto ikev2 keyring K\n peer A\n  pre-shared-key topsecret\n";
    json_t *records =
        records_of(clear, "crypto ikev2 keyring K\n peer A\n  pre-shared-key \001topsecret\001\n");
    assert_int_equal(json_object_size(records), 0);
    json_decref(records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_once_is_known_in_every_encoding),
        cmocka_unit_test(a_change_at_either_end_is_seen),
        cmocka_unit_test(a_record_that_cannot_be_right_is_none),
        cmocka_unit_test(records_hold_no_secret_and_differ_each_time),
        cmocka_unit_test(clear_secrets_need_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
