// frr-dmvpn, from the inside: whole files out of inputs, held to files that were used with real packets; what it reads
// of a host; and that a plan shows no key.
#include "frr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char common[] =
    "'ike_keyring_peer':{'ip_range':{'start':'0.0.0.0','end':'0.0.0.0'},'pre-shared-key':'"
    "abcdefghijklmn012345'},"
    "'DmvpnNetmask':'255.255.255.0','nhrp':{'key':'keykey00','HubTunnelIP':'10.250.0.1'},";
static const char spoke[] =
    "'mode':'spoke','where':'render','ike_profile':{'remote_peer_ip':'203.0.113.2'},'DmvpnIp':'10.250.0.9',"
    "'ospf':{'processId':10,'authKey':'keykey00','authentication':'md5','tunnelNetwork':'10.250.0.0',"
    "'tunnelWildcard':'0.0.0.255','vpcArea':2,'tunnelArea':0},'outside_interface':'wan','inside_interface':'"
    "lan',"
    "'public_address':'198.51.100.9','private_address':'10.0.109.10','inside_network':'10.0.109.0/24',"
    "'announce':['10.0.109.0/24','10.0.110.0/24'],'onPremCidr':'10.1.0.0/16','onPremPodCidr':'192.168.0.0/"
    "16'";
static const char hub[] = "'mode':'hub','where':'render','DmvpnIp':'10.250.0.1',"
                          "'ospf':{'processId':10,'tunnelNetwork':'10.250.0.0','tunnelWildcard':'0.0.0.255','"
                          "vpcArea':1,'tunnelArea':0},"
                          "'outside_interface':'wan','inside_interface':'lan','public_address':'203.0.113.2',"
                          "'private_address':'192.168.0.1',"
                          "'inside_network':'192.168.0.0/16','announce':['192.168.0.0/16']";
static const char fixed[] =
    "'mode':'spoke','where':'render','routing':'static','ike_profile':{'remote_peer_ip':'203.0.113.2',"
    "'local_identity':'10.9.9.9','remote_identities':['10.8.8.8']},'DmvpnIp':'10.250.0.9',"
    "'hubs':[{'tunnel_address':'10.250.0.2','address':'203.0.113.6'}],"
    "'outside_interface':'wan','inside_interface':'lan','public_address':'198.51.100.9','private_address':'"
    "10.0.109.10',"
    "'inside_network':'10.0.109.0/24','onPremCidr':'10.1.0.0/16','onPremPodCidr':'192.168.0.0/16'";

// Inputs as JSON with ' for ". New reference.
static json_t *inputs(const char *own)
{
    char *text = ist_printf("{%s%s}", common, own);
    json_t *json = NULL;
    for (char *p = text; (p = strchr(p, '\''));)
        *p = '"';
    assert_int_equal(ist_json_parse(text, strlen(text), "inputs", &json, NULL), IST_OK);
    ist_free(text);
    return json;
}

static void put(json_t *in, const char *key, const char *json)
{
    json_error_t error;
    json_t *value = json_loads(json, JSON_DECODE_ANY, &error);
    assert_non_null(value);
    json_object_set_new(in, key, value);
}

// ---- whole files ----

static char *rendered(const json_t *in)
{
    ist_dmvpn_machine machine;
    frr_files files;
    ist_error err = {0};
    ist_buf b = {.max = 1u << 20};
    if (ist_dmvpn_machine_given(in, &frr_kind, &machine, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
    frr_generate(in, &machine, &files);
    for (size_t i = 0; i < files.count; i++)
        ist_buf_printf(&b, "##### %s %s %04o\n%s", files.at[i].path, files.at[i].owner, files.at[i].mode,
                       files.at[i].text);
    frr_files_free(&files);
    return ist_buf_take(&b);
}

static char *read_text(const char *path)
{
    ist_buf b = {.max = 1u << 20};
    char chunk[4096];
    size_t n;
    FILE *in = fopen(path, "re");
    if (!in)
        fail_msg("%s is missing", path);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        ist_buf_add(&b, chunk, n);
    fclose(in);
    return ist_buf_take(&b);
}

// GOLDEN=1 in the environment writes them anew, for a look at what differs.
static void is_as_kept(const char *name, const char *own)
{
    const char *src = getenv("SRC");
    json_t *in = inputs(own);
    char *text = rendered(in), *path = ist_printf("%s/tests/unit/frr-dmvpn/%s.txt", src ? src : ".", name);
    if (getenv("GOLDEN")) {
        FILE *out = fopen(path, "we");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
    }
    char *kept = read_text(path);
    assert_string_equal(text, kept);
    ist_free(kept);
    ist_free(path);
    ist_free(text);
    json_decref(in);
}

static void a_spoke_gets_these_files(void **state)
{
    (void)state;
    is_as_kept("spoke", spoke);
}

static void a_hub_gets_these_files(void **state)
{
    (void)state;
    is_as_kept("hub", hub);
}

static void static_routes_two_hubs_and_identities_get_these_files(void **state)
{
    (void)state;
    is_as_kept("static", fixed);
}

static const char *at(const char *text, const char *what)
{
    const char *found = strstr(text, what);
    if (!found)
        fail_msg("%s is missing", what);
    return found;
}

// What the real packets taught, each from a failure.
static void nothing_leaves_in_clear_text_by_construction(void **state)
{
    (void)state;
    json_t *in = inputs(spoke);
    char *text = rendered(in);
    at(text, "-A ISTHMUS-OUT -p gre -m policy --dir out --pol none -j DROP");
    at(text, "-A ISTHMUS-IN -p gre -m policy --dir in --pol none -j DROP");
    at(text, "-A ISTHMUS-FWD -o wan -j DROP");
    assert_true(at(text, "Requires=isthmus-dmvpn-firewall.service") < at(text, "WantedBy=multi-user.target"));
    assert_true(at(text, "ip link add name $I") < at(text, "net.ipv4.ip_forward=1"));
    at(text, "Before=network-pre.target");
    assert_null(strstr(text, "net.ipv4.ip_forward = 1")); // no sysctl.d turns it on before the filter stands
    assert_null(strstr(text, "tunnel protection"));       // Debian's strongSwan has no patch for it
    ist_free(text);
    json_decref(in);
}

static void keys_are_in_files_of_mode_0600_or_of_frr_alone(void **state)
{
    (void)state;
    json_t *in = inputs(spoke);
    ist_dmvpn_machine machine;
    frr_files files;
    assert_int_equal(ist_dmvpn_machine_given(in, &frr_kind, &machine, NULL), IST_OK);
    frr_generate(in, &machine, &files);
    for (size_t i = 0; i < files.count; i++) {
        if (strstr(files.at[i].text, "abcdefghijklmn012345"))
            assert_int_equal(files.at[i].mode, 0600);
        else if (strstr(files.at[i].text, "keykey00"))
            assert_int_equal(files.at[i].mode, 0640);
    }
    frr_files_free(&files);
    json_decref(in);
}

static void a_key_is_quoted(void **state)
{
    (void)state;
    json_t *in = inputs(spoke);
    put(json_object_get(in, "ike_keyring_peer"), "pre-shared-key", "\"a\\\"b\\\\c#}\"");
    char *text = frr_swanctl_secrets(in);
    at(text, "secret = \"a\\\"b\\\\c#}\"\n");
    ist_free_secret(text);
    json_decref(in);
}

// ---- what a host tells ----

static const char addresses[] = "[{'ifname':'lo','link_type':'loopback','addr_info':[{'family':'inet','local'"
                                ":'127.0.0.1','prefixlen':8}]},"
                                "{'ifname':'wan','link_type':'ether','addr_info':[{'family':'inet','local':'"
                                "198.51.100.9','prefixlen':28},"
                                "{'family':'inet6','local':'fe80::1','prefixlen':64}]},"
                                "{'ifname':'lan','link_type':'ether','addr_info':[{'family':'inet','local':'"
                                "10.0.109.10','prefixlen':24}]},"
                                "{'ifname':'docker0','link_type':'ether','addr_info':[{'family':'inet','"
                                "local':'172.17.0.1','prefixlen':16}]}]";
static const char routes[] = "[{'dst':'default','gateway':'198.51.100.1','dev':'wan'}]";

static json_t *data(const char *text)
{
    char *copy = ist_strdup(text);
    for (char *p = copy; (p = strchr(p, '\''));)
        *p = '"';
    json_t *json = json_loads(copy, 0, NULL);
    assert_non_null(json);
    ist_free(copy);
    return json;
}

static int32_t found(json_t *in, const char *links, const char *ways, ist_dmvpn_machine *machine,
                     ist_error *err)
{
    json_t *a = data(links), *r = data(ways);
    int32_t rc = frr_machine_found(in, a, r, machine, err);
    json_decref(a);
    json_decref(r);
    return rc;
}

static void a_host_tells_which_interface_is_which(void **state)
{
    (void)state;
    json_t *in = inputs("'announce':['10.0.109.0/24','10.0.110.0/24']");
    ist_dmvpn_machine machine;
    assert_int_equal(found(in, addresses, routes, &machine, NULL), IST_OK);
    assert_string_equal(machine.outside, "wan");
    assert_string_equal(machine.outside_address, "198.51.100.9");
    assert_string_equal(machine.inside, "lan");
    assert_int_equal(machine.inside_network.prefix, 24);
    assert_string_equal(machine.gateway, "10.0.109.1");
    json_decref(in);
}

static void what_a_host_leaves_open_is_asked_for(void **state)
{
    (void)state;
    ist_dmvpn_machine machine;
    ist_error err = {0};
    json_t *in = inputs("'announce':['10.0.109.0/24']");
    assert_int_equal(found(in, addresses, "[]", &machine, &err), IST_ERR_INPUT);
    assert_string_equal(err.where, "outside_interface");
    put(in, "outside_interface", "\"lan\""); // wan is the only other then
    assert_int_equal(found(in, addresses, "[]", &machine, &err), IST_OK);
    put(in, "inside_interface", "\"eth7\"");
    assert_int_equal(found(in, addresses, routes, &machine, &err), IST_ERR_INPUT);
    assert_string_equal(err.where, "inside_interface");
    assert_non_null(strstr(err.text, "lan (10.0.109.10)"));
    json_decref(in);
}

static void identities_may_be_names(void **state)
{
    (void)state;
    json_t *in = inputs("'ike_profile':{'remote_peer_ip':'203.0.113.2','local_identity':'spoke.example.net',"
                        "'remote_identities':['hub@example.net']}");
    const ist_dmvpn_machine machine = {.outside_address = "198.51.100.9"};
    char *text = frr_swanctl(in, &machine);
    assert_non_null(strstr(text, "id = spoke.example.net\n"));
    assert_non_null(strstr(text, "remote_addrs = 203.0.113.2\n"));
    assert_non_null(strstr(text, "id = hub@example.net\n"));
    ist_free_secret(text);
    json_decref(in);
}

// ---- what differs ----

static char *base64(const char *text)
{
    static const char a[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text);
    const unsigned char *p = (const unsigned char *)text;
    ist_buf b = {.max = 1u << 20};
    for (size_t i = 0; i < len; i += 3) {
        unsigned v =
            (unsigned)p[i] << 16 | (i + 1 < len ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);
        char four[4] = {a[v >> 18], a[v >> 12 & 63], i + 1 < len ? a[v >> 6 & 63] : '=',
                        i + 2 < len ? a[v & 63] : '='};
        ist_buf_add(&b, four, 4);
    }
    return ist_buf_take(&b);
}

// A host on which all is as it is to be. New reference.
static json_t *sound(const frr_files *files)
{
    static const char *const units[] = {"isthmus-dmvpn-firewall.service", "isthmus-dmvpn.service",
                                        "strongswan.service", "frr.service"};
    json_t *seen = json_pack("{s{} s{} s[] ss ss ss}", "files", "units", "missing", "tunnel",
                             "7: dmvpn0    inet 10.250.0.9/32 scope global dmvpn0", "filter", "stands",
                             "forwarding", "1");
    for (size_t i = 0; i < files->count; i++) {
        char *text = base64(files->at[i].text), *mode = ist_printf("%o", files->at[i].mode);
        json_object_set_new(
            json_object_get(seen, "files"), files->at[i].path,
            json_pack("{ss ss ss}", "mode", mode, "owner", files->at[i].owner, "base64", text));
        ist_free(text);
        ist_free(mode);
    }
    for (size_t i = 0; i < 4; i++)
        json_object_set_new(json_object_get(seen, "units"), units[i],
                            json_pack("{ss ss}", "enabled", "enabled", "active", "active"));
    return seen;
}

static void a_sound_host_differs_in_nothing_and_each_edit_is_seen(void **state)
{
    (void)state;
    struct frr f = {.inputs = inputs(spoke)};
    ist_dmvpn_machine machine;
    frr_files files;
    assert_int_equal(ist_dmvpn_machine_given(f.inputs, &frr_kind, &machine, NULL), IST_OK);
    frr_generate(f.inputs, &machine, &files);
    json_t *seen = sound(&files), *none = frr_differences(&f, seen, &files);
    assert_int_equal(json_array_size(none), 0);
    json_decref(none);
    for (size_t i = 0; i < files.count; i++) {
        json_t *one = json_deep_copy(seen),
               *file = json_object_get(json_object_get(one, "files"), files.at[i].path);
        json_object_set_new(file, "base64", json_string("Zm9yZWlnbgo="));
        json_t *list = frr_differences(&f, one, &files);
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(ist_json_str(json_array_get(list, 0), "resource"), files.at[i].path);
        json_decref(list);
        json_decref(one);
    }
    static const char *const keys[] = {"tunnel", "filter", "forwarding"};
    for (size_t i = 0; i < 3; i++) {
        json_t *one = json_deep_copy(seen);
        json_object_set_new(one, keys[i], json_string(""));
        json_t *list = frr_differences(&f, one, &files);
        assert_int_equal(json_array_size(list), 1);
        assert_non_null(ist_json_str(json_array_get(list, 0), "then"));
        json_decref(list);
        json_decref(one);
    }
    json_decref(seen);
    frr_files_free(&files);
    json_decref(f.inputs);
}

static void a_plan_shows_no_key_of_either_side(void **state)
{
    (void)state;
    struct frr f = {.inputs = inputs(spoke)}, old = {.inputs = inputs(spoke)};
    ist_dmvpn_machine machine;
    frr_files files, before;
    assert_int_equal(ist_dmvpn_machine_given(f.inputs, &frr_kind, &machine, NULL), IST_OK);
    put(json_object_get(old.inputs, "ike_keyring_peer"), "pre-shared-key", "\"theirPSK\"");
    put(json_object_get(old.inputs, "nhrp"), "key", "\"theirNHR\"");
    put(json_object_get(old.inputs, "ospf"), "authKey", "\"theirOSP\"");
    frr_generate(f.inputs, &machine, &files);
    frr_generate(old.inputs, &machine, &before);
    json_t *seen = sound(&before), *list = frr_differences(&f, seen, &files);
    assert_int_equal(json_array_size(list), 2);
    char *text = ist_json_text(list);
    static const char *const keys[] = {"abcdefghijklmn012345", "keykey00", "theirPSK", "theirNHR",
                                       "theirOSP"};
    for (size_t i = 0; i < 5; i++)
        assert_null(strstr(text, keys[i]));
    assert_non_null(strstr(text, "<secret>"));
    ist_free(text);
    json_decref(list);
    json_decref(seen);
    frr_files_free(&files);
    frr_files_free(&before);
    json_decref(f.inputs);
    json_decref(old.inputs);
}

// ---- swanctl ----

static const char sas[] =
    "list-sa event {isthmus-hub-1 {uniqueid=1 version=2 state=ESTABLISHED local-host=198.51.100.9 "
    "local-port=500 "
    "remote-host=203.0.113.2 remote-port=500 remote-id=203.0.113.2 initiator=yes encr-alg=AES_GCM_16 "
    "child-sas "
    "{isthmus-hub-1-3 {name=isthmus-hub-1 uniqueid=3 reqid=1 state=INSTALLED mode=TRANSPORT protocol=ESP "
    "encap=yes "
    "bytes-in=980 packets-in=10 bytes-out=904 packets-out=9 local-ts=[198.51.100.9/32[gre]] "
    "remote-ts=[203.0.113.2/32[gre] 0.0.0.0/0]}}}}\nlist-sas reply {}\n";

static void sas_are_read(void **state)
{
    (void)state;
    json_t *list = NULL;
    ist_error err = {0};
    if (frr_parse_sas(sas, &list, &err) != IST_OK)
        fail_msg("%s", err.text);
    assert_int_equal(json_array_size(list), 1);
    const json_t *sa = json_array_get(list, 0);
    assert_string_equal(ist_json_str(sa, "remote"), "203.0.113.2");
    assert_int_equal(ist_json_int(sa, "children[0].packets_in", 0), 10);
    assert_int_equal(ist_json_bool(sa, "children[0].encap", 0), 1);
    json_decref(list);
    assert_int_equal(frr_parse_sas("list-sas reply {}\n", &list, NULL), IST_OK);
    json_decref(list);
}

static void what_breaks_off_is_no_answer(void **state)
{
    (void)state;
    json_t *list = NULL;
    size_t whole = strlen(sas) - strlen("list-sas reply {}\n");
    for (size_t len = 0; len < whole; len++) {
        char *text = ist_strndup(sas, len);
        assert_int_equal(frr_parse_sas(text, &list, NULL), IST_ERR_REMOTE);
        ist_free(text);
    }
    char deep[256];
    memset(deep, '{', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(frr_parse_sas(deep, &list, NULL), IST_ERR_REMOTE);
    for (unsigned seed = 1; seed < 3000; seed++) { // and nothing of any shape ends the process
        char *text = ist_strdup(sas);
        text[(seed * 2654435761u >> 8) % strlen(text)] = "{}[]= \n\001"[seed % 8];
        if (frr_parse_sas(text, &list, NULL) == IST_OK)
            json_decref(list);
        ist_free(text);
    }
}

static void base64_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "ab", "abc", "abcd", "\001\177zz"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *coded = base64(texts[i]);
        size_t len;
        char *text = frr_decode(coded, &len);
        assert_string_equal(text, texts[i]);
        assert_int_equal(len, strlen(texts[i]));
        ist_free(text);
        ist_free(coded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spoke_gets_these_files),
        cmocka_unit_test(a_hub_gets_these_files),
        cmocka_unit_test(static_routes_two_hubs_and_identities_get_these_files),
        cmocka_unit_test(nothing_leaves_in_clear_text_by_construction),
        cmocka_unit_test(keys_are_in_files_of_mode_0600_or_of_frr_alone),
        cmocka_unit_test(a_key_is_quoted),
        cmocka_unit_test(a_host_tells_which_interface_is_which),
        cmocka_unit_test(identities_may_be_names),
        cmocka_unit_test(what_a_host_leaves_open_is_asked_for),
        cmocka_unit_test(a_sound_host_differs_in_nothing_and_each_edit_is_seen),
        cmocka_unit_test(a_plan_shows_no_key_of_either_side),
        cmocka_unit_test(sas_are_read),
        cmocka_unit_test(what_breaks_off_is_no_answer),
        cmocka_unit_test(base64_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
