// Configurations as trees, and the commands from one to another; the pure parts of the IOS session.
#include <isthmus/alloc.h>
#include <isthmus/ios.h>
#include <isthmus/ios_config.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ist_ios_config *parse(const char *text)
{
    ist_ios_config *config = NULL;
    assert_int_equal(ist_ios_config_parse(text, strlen(text), &config, NULL), IST_OK);
    return config;
}

// All commands of a difference, one a line.
static char *commands(const char *running, const char *wanted, const ist_ios_diff_options *options, int shown)
{
    ist_ios_config *a = parse(running), *b = parse(wanted);
    ist_ios_diff diff;
    ist_buf text = {.max = 0};
    assert_int_equal(ist_ios_config_diff(a, b, options, &diff, NULL), IST_OK);
    for (size_t i = 0; i < diff.count; i++)
        ist_buf_printf(&text, "%s\n", shown ? diff.steps[i].shown : diff.steps[i].text);
    ist_ios_diff_free(&diff);
    ist_ios_config_free(a);
    ist_ios_config_free(b);
    return ist_buf_take(&text);
}

static void expect(const char *running, const char *wanted, const ist_ios_diff_options *options,
                   const char *lines)
{
    char *text = commands(running, wanted, options, 0);
    assert_string_equal(text, lines);
    ist_free(text);
}

static void lines_get_one_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"int tu0", "interface Tunnel0"},
        {"int Tunnel 0", "interface Tunnel0"},
        {"interface gi1", "interface GigabitEthernet1"},
        {" tunnel  source  Gi1", "tunnel source GigabitEthernet1"},
        {"ip addr 10.0.0.1 255.0.0.0", "ip address 10.0.0.1 255.0.0.0"},
        {"no shut\r", "no shutdown"},
        {"passive-interface Gi2", "passive-interface GigabitEthernet2"},
        {"interface", "interface"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *text = ist_ios_normalise(pairs[i][0]);
        assert_string_equal(text, pairs[i][1]);
        ist_free(text);
    }
}

static void a_running_configuration_is_read_without_its_noise(void **state)
{
    (void)state;
    ist_ios_config *c = parse("Building configuration...\n\nCurrent configuration : 99 bytes\n!\n"
                              "! Last configuration change at 1\nversion 17.9\nhostname r1\n"
                              "banner motd ^C\ninterface Tunnel9\n^C\n"
                              "interface Tunnel0\n ip address 10.0.0.1 255.255.255.0\n!\nend\n");
    assert_true(ist_ios_config_has(
        c, (const char *[]){"interface Tunnel0", "ip address 10.0.0.1 255.255.255.0", NULL}));
    assert_false(ist_ios_config_has(c, (const char *[]){"interface Tunnel9", NULL}));
    assert_false(ist_ios_config_has(c, (const char *[]){"end", NULL}));
    assert_string_equal(ist_ios_config_value(c, NULL, "hostname"), "r1");
    assert_string_equal(ist_ios_config_value(c, "interface Tunnel0", "ip address"), "10.0.0.1 255.255.255.0");
    ist_ios_config_free(c);
}

static void nothing_is_sent_when_nothing_differs(void **state)
{
    (void)state;
    expect("interface Tunnel0\n ip mtu 1400\n no ip redirects\n",
           "int tu 0\n no ip redirects\n ip mtu 1400\n", NULL, "");
}

static void missing_lines_are_added_in_the_wanted_order(void **state)
{
    (void)state;
    expect("interface Tunnel0\n ip mtu 1400\n",
           "interface Tunnel0\n ip mtu 1400\n tunnel key 100\n ip nhrp shortcut\n", NULL,
           "interface Tunnel0\ntunnel key 100\nip nhrp shortcut\nexit\n");
    expect("", "crypto ikev2 keyring K\n peer A\n  address 1.2.3.4\nhostname x\n", NULL,
           "crypto ikev2 keyring K\npeer A\naddress 1.2.3.4\nexit\nexit\nhostname x\n");
}

static void a_setting_replaces_and_the_rest_accumulates(void **state)
{
    (void)state;
    expect("interface Tunnel0\n ip address 10.0.0.1 255.0.0.0\n ip nhrp nhs 10.0.0.9\n",
           "interface Tunnel0\n ip address 10.0.0.2 255.0.0.0\n ip nhrp nhs 10.0.0.8\n", NULL,
           "interface Tunnel0\nip address 10.0.0.2 255.0.0.0\nip nhrp nhs 10.0.0.8\nexit\n");
}

static void in_owned_sections_what_is_not_wanted_goes(void **state)
{
    (void)state;
    const char *const owned[] = {"interface Tunnel0", "route-map ISTHMUS*", NULL}, *const keep[] = {
                                                                                       "description", NULL};
    ist_ios_diff_options o = {.size = sizeof o, .owned = owned, .keep = keep};
    expect("interface Tunnel0\n description by hand\n ip nhrp nhs 10.0.0.9\n no ip redirects\n"
           "interface Tunnel1\n ip mtu 1300\nroute-map ISTHMUS-OLD permit 10\n match tag 1\n",
           "interface Tunnel0\n ip nhrp nhs 10.0.0.8\n", &o,
           "interface Tunnel0\nno ip nhrp nhs 10.0.0.9\nip redirects\nip nhrp nhs 10.0.0.8\nexit\n"
           "no route-map ISTHMUS-OLD permit 10\n");
}

// What a run before has made under other names, in all directions of a renaming.
static const char first[] = "crypto ikev2 proposal A\n group 19\n"
                            "crypto ikev2 policy A\n proposal A\n"
                            "crypto ikev2 keyring A\n peer P\n  address 0.0.0.0 0.0.0.0\n"
                            "crypto ikev2 profile A\n keyring local A\n"
                            "crypto ipsec transform-set A esp-gcm 256\n mode transport\n"
                            "crypto ipsec profile A\n set transform-set A\n set ikev2-profile A\n"
                            "interface Tunnel0\n ip address 10.0.0.9 255.255.255.0\n tunnel key 1\n"
                            " tunnel protection ipsec profile A\n"
                            "router ospf 10\n router-id 10.0.0.9\n"
                            "ip prefix-list A seq 5 permit 10.1.0.0/24\n";

// The same with every A as B, and other numbers where asked for. The caller's.
static char *renamed(const char *text, char from, char to)
{
    char *copy = ist_strdup(text);
    for (char *p = copy; *p; p++) {
        bool word = p > copy && p[-1] == ' ' && (p[1] == 0 || p[1] == ' ' || p[1] == '\n');
        if (*p == from && word)
            *p = to;
    }
    return copy;
}

static void what_another_run_named_otherwise_goes(void **state)
{
    (void)state;
    const char *const old[] = {"crypto ikev2 proposal A",
                               "crypto ikev2 policy A",
                               "crypto ikev2 keyring A",
                               "crypto ikev2 profile A",
                               "crypto ipsec transform-set A esp-gcm 256",
                               "crypto ipsec profile A",
                               "interface Tunnel0",
                               "router ospf 10",
                               "ip prefix-list A seq 5 permit 10.1.0.0/24",
                               NULL};
    ist_ios_diff_options o = {.size = sizeof o, .owned = old};
    char *wanted = renamed(first, 'A', 'B');
    char *text = commands(first, wanted, &o, 0);
    // What refers to them was changed before, and what they refer to goes after them.
    const char *gone =
        strstr(text, "no ip prefix-list A seq 5 permit 10.1.0.0/24\nno crypto ipsec profile A\n"
                     "no crypto ipsec transform-set A\nno crypto ikev2 profile A\n"
                     "no crypto ikev2 keyring A\nno crypto ikev2 policy A\n"
                     "no crypto ikev2 proposal A\n");
    assert_non_null(gone);
    assert_true(strstr(text, "tunnel protection ipsec profile B") < gone);
    assert_null(strstr(text, "no interface"));
    assert_null(strstr(text, "no router"));
    ist_free(text);
    // Without the record they are somebody else's.
    text = commands(first, wanted, NULL, 0);
    assert_null(strstr(text, "\nno "));
    ist_free(text);
    ist_free(wanted);
}

static void a_new_number_takes_the_old_ones_place(void **state)
{
    (void)state;
    const char *const old[] = {"interface Tunnel0", "interface Tunnel7", "router ospf 10", "router ospf 20",
                               NULL};
    ist_ios_diff_options o = {.size = sizeof o, .owned = old};
    const char *a =
        "interface Tunnel0\n ip address 10.0.0.9 255.255.255.0\nrouter ospf 10\n router-id 10.0.0.9\n";
    const char *b =
        "interface Tunnel7\n ip address 10.0.0.9 255.255.255.0\nrouter ospf 20\n router-id 10.0.0.9\n";
    // One address and one router-id: the old ones go first.
    expect(a, b, &o,
           "no router ospf 10\nno interface Tunnel0\n"
           "interface Tunnel7\nip address 10.0.0.9 255.255.255.0\nexit\n"
           "router ospf 20\nrouter-id 10.0.0.9\nexit\n");
    expect(b, a, &o,
           "no router ospf 20\nno interface Tunnel7\n"
           "interface Tunnel0\nip address 10.0.0.9 255.255.255.0\nexit\n"
           "router ospf 10\nrouter-id 10.0.0.9\nexit\n");
    expect("router ospf 10\n router-id 10.0.0.9\nrouter ospf 20\n router-id 10.0.0.8\n",
           "router ospf 20\n router-id 10.0.0.9\n", &o,
           "no router ospf 10\nrouter ospf 20\nrouter-id 10.0.0.9\nexit\n");
    expect(a, "", &o, "no router ospf 10\nno interface Tunnel0\n");
}

static void what_stops_a_tunnel_of_ours_goes(void **state)
{
    (void)state;
    const char *const owned[] = {"interface Tunnel0", "router ospf 10", NULL};
    ist_ios_diff_options o = {.size = sizeof o, .owned = owned};
    const char *wanted =
        "interface Tunnel0\n ip address 10.0.0.9 255.255.255.0\n ip mtu 1400\n"
        " tunnel protection ipsec profile A\n no shutdown\nrouter ospf 10\n router-id 10.0.0.9\n";
    expect("interface GigabitEthernet1\n ip access-group 150 in\n ip mtu 1200\n"
           "interface Tunnel0\n ip address 10.0.0.9 255.255.255.0\n ip access-group 150 in\n ip mtu 1200\n"
           " tunnel protection ipsec profile B\n shutdown\n"
           "router ospf 10\n router-id 10.0.0.9\n passive-interface default\n",
           wanted, &o,
           "interface Tunnel0\nno ip access-group 150 in\nip mtu 1400\ntunnel protection ipsec profile A\n"
           "no shutdown\nexit\nrouter ospf 10\nno passive-interface default\nexit\n");
    // A VRF takes the addresses with it, when it comes and when it goes.
    expect("interface Tunnel0\n vrf forwarding V\n ip address 10.0.0.9 255.255.255.0\n ip mtu 1400\n"
           " tunnel protection ipsec profile A\nrouter ospf 10\n router-id 10.0.0.9\n",
           wanted, &o, "interface Tunnel0\nno vrf forwarding V\nip address 10.0.0.9 255.255.255.0\nexit\n");
}

// IOS takes none of these over what stands: it goes directly before.
static void what_a_line_cannot_replace_goes_before_it(void **state)
{
    (void)state;
    const char *const owned[] = {"interface Tunnel0", "router ospf 10", "ip prefix-list A *", "route-map A *",
                                 NULL};
    ist_ios_diff_options o = {.size = sizeof o, .owned = owned};
    expect("ip prefix-list A seq 5 permit 10.1.0.0/24\nip prefix-list A seq 10 permit 10.2.0.0/24\n"
           "ip prefix-list B seq 5 permit 10.2.0.0/24\n",
           "ip prefix-list A seq 5 permit 10.2.0.0/24\n", &o,
           "no ip prefix-list A seq 5 permit 10.1.0.0/24\nno ip prefix-list A seq 10 permit 10.2.0.0/24\n"
           "ip prefix-list A seq 5 permit 10.2.0.0/24\n");
    expect("route-map A deny 10\nroute-map A permit 20\n",
           "route-map A permit 10\n match ip address prefix-list A\n", &o,
           "no route-map A deny 10\nroute-map A permit 10\nmatch ip address prefix-list A\nexit\n"
           "no route-map A permit 20\n");
    expect("route-map A permit 10\n match tag 1\n", "route-map A permit 10\n match tag 2\n", &o,
           "route-map A permit 10\nno match tag 1\nmatch tag 2\nexit\n");
    expect(
        "interface Tunnel0\n ip ospf message-digest-key 1 md5 7 02050D480809\n",
        "interface Tunnel0\n ip ospf message-digest-key 1 md5 \001other\001\n", &o,
        "interface Tunnel0\nno ip ospf message-digest-key 1\nip ospf message-digest-key 1 md5 other\nexit\n");
    expect(
        "interface Tunnel0\n ip ospf message-digest-key 2 md5 cisco\n",
        "interface Tunnel0\n ip ospf message-digest-key 1 md5 \001cisco\001\n", &o,
        "interface Tunnel0\nno ip ospf message-digest-key 2\nip ospf message-digest-key 1 md5 cisco\nexit\n");
}

// An option alone is what `no redistribute` with one takes, and what a new line does not name stays.
static void redistribution_is_said_anew(void **state)
{
    (void)state;
    const char *const owned[] = {"router ospf 10", NULL};
    ist_ios_diff_options o = {.size = sizeof o, .owned = owned};
    expect("router ospf 10\n redistribute static subnets route-map A\n redistribute connected subnets\n"
           " redistribute eigrp 7 metric 1 subnets\n",
           "router ospf 10\n redistribute static subnets\n", &o,
           "router ospf 10\nno redistribute connected\nno redistribute eigrp 7\nno redistribute static\n"
           "redistribute static subnets\nexit\n");
}

static void defaults_are_known(void **state)
{
    (void)state;
    const char *wanted = "interface Tunnel0\n no ip redirects\n ip nhrp holdtime 600\n no shutdown\n";
    expect("interface Tunnel0\n no ip redirects\n", wanted, NULL, "");
    expect("interface Tunnel0\n shutdown\n", wanted, NULL,
           "interface Tunnel0\nno ip redirects\nno shutdown\nexit\n");
    expect("interface Tunnel0\n no ip redirects\n ip nhrp holdtime 300\n", wanted, NULL,
           "interface Tunnel0\nip nhrp holdtime 600\nexit\n");
}

static void a_transform_set_of_the_same_name_is_changed_in_place(void **state)
{
    (void)state;
    expect("crypto ipsec transform-set T esp-aes 256 esp-sha-hmac\n mode transport\n",
           "crypto ipsec transform-set T esp-gcm 256\n mode transport\n", NULL,
           "crypto ipsec transform-set T esp-gcm 256\nexit\n");
}

static int32_t knows(void *arg, const ist_ios_shown_secret *s)
{
    assert_string_equal(s->line, "crypto ikev2 keyring K / peer A / pre-shared-key <secret>");
    assert_int_equal(s->type, 6);
    return *(int *)arg;
}

static void secrets_are_compared_by_meaning(void **state)
{
    (void)state;
    int known = 1;
    ist_ios_diff_options o = {.size = sizeof o, .same_secret = knows, .arg = &known};
    const char *wanted = "crypto ikev2 keyring K\n peer A\n  pre-shared-key \001cisco\001\n";
    const char *sent = "crypto ikev2 keyring K\npeer A\npre-shared-key cisco\nexit\nexit\n";
    expect("crypto ikev2 keyring K\n peer A\n  pre-shared-key cisco\n", wanted, NULL, "");
    expect("crypto ikev2 keyring K\n peer A\n  pre-shared-key Cisco\n", wanted, NULL, sent);
    expect("interface Tunnel0\n ip ospf authentication-key 7 02050D480809\n",
           "interface Tunnel0\n ip ospf authentication-key \001cisco\001\n", NULL, "");
    expect("crypto ikev2 keyring K\n peer A\n  pre-shared-key 6 SaltedAndEncrypted\n", wanted, &o, "");
    known = 0;
    expect("crypto ikev2 keyring K\n peer A\n  pre-shared-key 6 SaltedAndEncrypted\n", wanted, &o, sent);
}

static void what_is_shown_holds_no_secret(void **state)
{
    (void)state;
    char *text = commands("interface Tunnel0\n ip nhrp authentication 0ldkey\n",
                          "crypto ikev2 keyring K\n peer A\n  pre-shared-key \001topsecret\001\n"
                          "interface Tunnel0\n ip nhrp authentication \001keykey00\001\n",
                          NULL, 1);
    assert_null(strstr(text, "topsecret"));
    assert_null(strstr(text, "keykey00"));
    assert_non_null(strstr(text, "pre-shared-key <secret>"));
    ist_free(text);
}

static void type_7_is_read(void **state)
{
    (void)state;
    char clear[64];
    assert_int_equal(ist_ios_type7_decode("02050D480809", clear, sizeof clear), IST_OK);
    assert_string_equal(clear, "cisco");
    assert_int_equal(ist_ios_type7_decode("99050D480809", clear, sizeof clear), IST_ERR_INPUT);
    assert_int_equal(ist_ios_type7_decode("DEADBEEF0123456789", clear, sizeof clear), IST_ERR_INPUT);
    assert_int_equal(ist_ios_type7_decode("", clear, sizeof clear), IST_ERR_INPUT);
}

// ---- the stream ----

static int prompt(const char *text, const char *known)
{
    char host[64];
    return ist_ios_prompt(text, strlen(text), known, host, sizeof host);
}

static void prompts_are_told_from_output(void **state)
{
    (void)state;
    assert_int_equal(prompt("text\nrouter#", NULL), '#');
    assert_int_equal(prompt("router>", NULL), '>');
    assert_int_equal(prompt("a\r\nrouter(config-if)#", "router"), 'c');
    assert_int_equal(prompt("spoke-router-in-the-(config)#", "spoke-router-in-the-cloud"), 'c');
    assert_int_equal(prompt("spoke-router-in-the-cloud#", "spoke-router-in-the-cloud"), '#');
    assert_int_equal(prompt("other#", "router"), 0);
    assert_int_equal(prompt("router# show", "router"), 0);
    assert_int_equal(prompt("  # of entries #", NULL), 0);
    assert_int_equal(prompt("", NULL), 0);
    assert_int_equal(prompt("#", NULL), 0);
}

static void log_lines_are_no_errors_and_errors_are_found(void **state)
{
    (void)state;
    size_t len = 0;
    assert_null(ist_ios_error_in("*Nov 22 10:00:00.1: %SYS-5-CONFIG_I: Configured from console\n", &len));
    assert_null(ist_ios_error_in("% OSPF: Warning: The password/key will be truncated\n", &len));
    assert_null(
        ist_ios_error_in("% OSPF: Reload or use \"clear ip ospf process\" command, for this to take effect\n"
                         "% Interface Tunnel0 IPv4 disabled and address(es) removed due to disabling VRF V\n",
                         &len));
    assert_non_null(ist_ios_error_in("%Insertion failed - seq # exists: 5 permit 10.0.0.0/8\n", &len));
    assert_non_null(ist_ios_error_in("OSPF: Key 1 already exists\n", &len));
    const char *error =
        ist_ios_error_in("  ip addres\n      ^\n% Invalid input detected at '^' marker.\n\n", &len);
    assert_non_null(error);
    assert_memory_equal(error, "% Invalid input", 15);
    assert_non_null(ist_ios_error_in("Bad mask /12 for address 1.2.3.4\n", &len));
    assert_non_null(ist_ios_error_in("% 10.0.0.0 overlaps with Tunnel1\n", &len));
    assert_non_null(ist_ios_error_in("Command authorization failed.\n", &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_get_one_form),
        cmocka_unit_test(a_running_configuration_is_read_without_its_noise),
        cmocka_unit_test(nothing_is_sent_when_nothing_differs),
        cmocka_unit_test(missing_lines_are_added_in_the_wanted_order),
        cmocka_unit_test(a_setting_replaces_and_the_rest_accumulates),
        cmocka_unit_test(in_owned_sections_what_is_not_wanted_goes),
        cmocka_unit_test(what_another_run_named_otherwise_goes),
        cmocka_unit_test(a_new_number_takes_the_old_ones_place),
        cmocka_unit_test(what_stops_a_tunnel_of_ours_goes),
        cmocka_unit_test(what_a_line_cannot_replace_goes_before_it),
        cmocka_unit_test(redistribution_is_said_anew),
        cmocka_unit_test(defaults_are_known),
        cmocka_unit_test(a_transform_set_of_the_same_name_is_changed_in_place),
        cmocka_unit_test(secrets_are_compared_by_meaning),
        cmocka_unit_test(what_is_shown_holds_no_secret),
        cmocka_unit_test(type_7_is_read),
        cmocka_unit_test(prompts_are_told_from_output),
        cmocka_unit_test(log_lines_are_no_errors_and_errors_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
