// The parsers of IOS show commands: every one over every file of the collected router outputs, and the facts of
// each command's own files against what their collectors expect. ISTHMUS_TEST_DATA names the folder above `ios`.
#include <isthmus/alloc.h>
#include <isthmus/ios_config.h>
#include <isthmus/ios_show.h>

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef int32_t parser(const char *, json_t **, ist_error *);

static parser *const parsers[] = {ist_ios_show_dmvpn,    ist_ios_show_nhs,   ist_ios_show_ikev2_sa,
                                  ist_ios_show_ipsec_sa, ist_ios_show_route, ist_ios_show_ospf_neighbor,
                                  ist_ios_show_version,  ist_ios_show_users, ist_ios_show_interfaces};

static char *slurp(const char *path)
{
    char chunk[65536];
    ist_buf buf = {.max = 0};
    FILE *in = fopen(path, "re");
    if (!in)
        return NULL;
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, in)) > 0;)
        ist_buf_add(&buf, chunk, n);
    fclose(in);
    return ist_buf_take(&buf);
}

static char *data(const char *path)
{
    const char *root = getenv("ISTHMUS_TEST_DATA");
    char *whole = ist_printf("%s/ios/%s", root ? root : "/nowhere", path);
    char *text = slurp(whole);
    ist_free(whole);
    return text;
}

// Before anything is allocated: a skipped case leaves by a jump.
static void needs_data(void)
{
    if (!getenv("ISTHMUS_TEST_DATA"))
        skip();
}

// The parsed output of a file below ios/, or the case is skipped.
static json_t *parsed(parser *parse, const char *path)
{
    json_t *out = NULL;
    char *text = data(path);
    if (!text)
        skip();
    assert_int_equal(parse(text, &out, NULL), IST_OK);
    assert_non_null(out);
    ist_free(text);
    return out;
}

static json_t *expected(const char *path)
{
    char *text = data(path);
    if (!text)
        skip();
    json_t *json = json_loads(text, 0, NULL);
    ist_free(text);
    assert_non_null(json);
    return json;
}

static const char *str(const json_t *row, const char *key)
{
    const char *value = json_string_value(json_object_get(row, key));
    return value ? value : "";
}

static const json_t *row_with(const json_t *rows, const char *key, const char *value, const char *key2,
                              const char *value2)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (!strcmp(str(row, key), value) && (!key2 || !strcmp(str(row, key2), value2)))
            return row;
    }
    return NULL;
}

// ---- every parser over every file ----

static size_t files;

static int feed(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (type != FTW_F)
        return 0;
    char *text = slurp(path);
    if (!text)
        return 0;
    files++;
    for (size_t i = 0; i < sizeof parsers / sizeof *parsers; i++) {
        json_t *out = NULL;
        if (parsers[i](text, &out, NULL) != IST_OK || !out) {
            print_error("%s: parser %zu gives nothing\n", path, i);
            return 1;
        }
        json_decref(out);
    }
    ist_ios_config *config = NULL;
    if (ist_ios_config_parse(text, strlen(text), &config, NULL) != IST_OK)
        return 1;
    ist_ios_diff diff;
    ist_ios_config_diff(config, config, NULL, &diff, NULL);
    // A configuration differs from itself in nothing but secrets whose hashes cannot be compared.
    bool device = strstr(path, "show_running") && !strstr(path, ".yml") && !strstr(path, ".json");
    for (size_t i = 0; device && i < diff.count; i++) {
        if (diff.steps[i].kind == IST_IOS_ADD && !strstr(diff.steps[i].shown, "<secret>")) {
            print_error("%s: differs from itself in: %s\n", path, diff.steps[i].shown);
            return 1;
        }
    }
    ist_ios_diff_free(&diff);
    ist_ios_config_free(config);
    ist_free(text);
    return 0;
}

static void every_parser_lives_with_every_file(void **state)
{
    (void)state;
    const char *root = getenv("ISTHMUS_TEST_DATA");
    if (!root)
        skip();
    char *folder = ist_printf("%s/ios", root);
    files = 0;
    assert_int_equal(nftw(folder, feed, 16, FTW_PHYS), 0);
    assert_true(files > 200);
    ist_free(folder);
}

// ---- facts ----

static void dmvpn_peers_agree_with(const char *name, size_t count)
{
    needs_data();
    char *path = ist_printf("show_dmvpn/genie/ShowDmvpn/%s_output.txt", name);
    json_t *rows = parsed(ist_ios_show_dmvpn, path);
    ist_free(path);
    path = ist_printf("show_dmvpn/genie/ShowDmvpn/%s_expected.json", name);
    json_t *want = expected(path), *one, *ent, *peer, *tunnel, *attr;
    ist_free(path);
    const char *interface, *e, *nbma, *address, *attribute;
    size_t seen = 0;
    json_object_foreach(json_object_get(want, "interfaces"), interface, one)
        json_object_foreach(json_object_get(one, "ent"), e, ent)
            json_object_foreach(json_object_get(ent, "peers"), nbma, peer)
                json_object_foreach(json_object_get(peer, "tunnel_addr"), address, tunnel)
                    json_object_foreach(json_object_get(tunnel, "attrb"), attribute, attr)
    {
        const json_t *row = NULL;
        for (size_t i = 0; i < json_array_size(rows) && !row; i++) {
            const json_t *r = json_array_get(rows, i);
            if (!strcmp(str(r, "tunnel"), address) && !strcmp(str(r, "attributes"), attribute) &&
                !strcmp(str(r, "interface"), interface))
                row = r;
        }
        assert_non_null(row);
        assert_string_equal(str(row, "nbma"), nbma);
        assert_string_equal(str(row, "state"), str(attr, "state"));
        assert_string_equal(str(row, "updown"), str(attr, "time"));
        assert_string_equal(str(row, "type"), str(one, "type"));
        seen++;
    }
    assert_int_equal(seen, count);
    assert_int_equal(json_array_size(rows), count);
    json_decref(rows);
    json_decref(want);
}

static void dmvpn_of_two_tunnels(void **state)
{
    (void)state;
    dmvpn_peers_agree_with("golden_output1", 6);
}

static void dmvpn_of_an_unknown_peer(void **state)
{
    (void)state;
    dmvpn_peers_agree_with("golden_output2", 1);
}

static void dmvpn_with_addresses_on_two_lines(void **state)
{
    (void)state;
    json_t *rows = parsed(ist_ios_show_dmvpn, "show_dmvpn/genie/ShowDmvpn/golden_output3_output.txt");
    assert_int_equal(json_array_size(rows), 2);
    const json_t *row = row_with(rows, "tunnel", "192.3.1.123", NULL, NULL);
    assert_string_equal(str(row, "nbma"), "2001:DB8:1202::123");
    assert_string_equal(str(row, "state"), "UP");
    json_decref(rows);
}

static void dmvpn_detail_tells_the_nhs(void **state)
{
    (void)state;
    static const char text[] =
        "Interface Tunnel0 is up/up, Addr. is 10.250.0.9, VRF \"\" \n"
        "   Tunnel Src./Dest. addr: 10.0.106.10/Multipoint, Tunnel VRF \"\"\n\n"
        "IPv4 NHS:\n10.250.0.1  RE NBMA Address: 198.51.100.1 priority = 0 cluster = 0\n"
        "Type:Spoke, Total NBMA Peers (v4/v6): 1\n\n"
        "# Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb    Target Network\n"
        "    1 198.51.100.1         10.250.0.1    UP 00:01:02    S       10.250.0.1/32\n";
    json_t *nhs = NULL, *peers = NULL;
    assert_int_equal(ist_ios_show_nhs(text, &nhs, NULL), IST_OK);
    assert_int_equal(ist_ios_show_dmvpn(text, &peers, NULL), IST_OK);
    assert_int_equal(json_array_size(nhs), 1);
    assert_string_equal(str(json_array_get(nhs, 0), "flags"), "RE");
    assert_string_equal(str(json_array_get(nhs, 0), "nbma"), "198.51.100.1");
    assert_int_equal(json_array_size(peers), 1);
    assert_string_equal(str(json_array_get(peers, 0), "state"), "UP");
    assert_string_equal(str(json_array_get(peers, 0), "type"), "Spoke");
    json_decref(nhs);
    json_decref(peers);
}

static void ikev2_agrees_with(const char *output, const char *expectation)
{
    json_t *rows = parsed(ist_ios_show_ikev2_sa, output), *want = expected(expectation), *one;
    const char *id;
    json_object_foreach(json_object_get(want, "tunnel_id"), id, one)
    {
        const json_t *row = row_with(rows, "id", id, NULL, NULL);
        assert_non_null(row);
        assert_int_equal(strcasecmp(str(row, "status"), str(one, "status")), 0);
        assert_int_equal(strcasecmp(str(row, "encryption"), str(one, "encryption")), 0);
        assert_int_equal(strcasecmp(str(row, "prf"), str(one, "prf")), 0);
        assert_string_equal(str(row, "fvrf"), str(one, "fvrf"));
        assert_string_equal(str(row, "ivrf"), str(one, "ivrf"));
        char *local = ist_printf("%s/%d", str(row, "local"),
                                 (int)json_integer_value(json_object_get(row, "local_port")));
        char *remote = ist_printf("%s/%d", str(row, "remote"),
                                  (int)json_integer_value(json_object_get(row, "remote_port")));
        // Their parser leaves the port out for IPv6.
        size_t whole = strlen(str(one, "local"));
        assert_true(strchr(str(one, "local"), '/') == NULL || whole == strlen(local));
        assert_memory_equal(local, str(one, "local"), whole);
        assert_memory_equal(remote, str(one, "remote"), strlen(str(one, "remote")));
        if (json_object_get(one, "remote_id"))
            assert_string_equal(str(row, "remote_id"), str(one, "remote_id"));
        ist_free(local);
        ist_free(remote);
    }
    assert_int_equal(json_array_size(rows), json_object_size(json_object_get(want, "tunnel_id")));
    json_decref(rows);
    json_decref(want);
}

static void ikev2_sa(void **state)
{
    (void)state;
    ikev2_agrees_with("show_crypto_ikev2_sa/genie/ShowCryptoIkev2SaLocal/golden_output_output.txt",
                      "show_crypto_ikev2_sa/genie/ShowCryptoIkev2SaLocal/golden_output_expected.json");
}

static void ikev2_sa_detail(void **state)
{
    needs_data();
    (void)state;
    static const char *const names[] = {"golden_output",  "golden_output2", "golden_output3",
                                        "golden_output5", "golden_output6", "golden_output7"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *a =
            ist_printf("show_crypto_ikev2_sa_detail/genie/ShowCryptoIkev2SaDetail/%s_output.txt", names[i]);
        char *b = ist_printf("show_crypto_ikev2_sa_detail/genie/ShowCryptoIkev2SaDetail/%s_expected.json",
                             names[i]);
        ikev2_agrees_with(a, b);
        ist_free(a);
        ist_free(b);
    }
}

static void ipsec_counters_and_settings(void **state)
{
    (void)state;
    json_t *rows = parsed(ist_ios_show_ipsec_sa, "show_crypto_ipsec_sa/ntc/show_crypto_ipsec_sa_detail/"
                                                 "cisco_ios_show_crypto_ipsec_sa_detail.raw");
    const json_t *row = row_with(rows, "interface", "Tunnel1", NULL, NULL);
    assert_non_null(row);
    assert_string_equal(str(row, "peer"), "2.2.2.2");
    assert_int_equal(json_integer_value(json_object_get(row, "port")), 4500);
    assert_int_equal(json_integer_value(json_object_get(row, "protocol")), 47);
    assert_int_equal(json_integer_value(json_object_get(row, "encaps")), 4981028);
    assert_int_equal(json_integer_value(json_object_get(row, "decaps")), 4112421);
    assert_int_equal(json_integer_value(json_object_get(row, "inbound_esp")), 1);
    assert_int_equal(json_integer_value(json_object_get(row, "outbound_esp")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "settings"), 0)),
                        "Transport UDP-Encaps");
    assert_int_equal(
        json_integer_value(json_object_get(row_with(rows, "interface", "Tunnel2", NULL, NULL), "encaps")),
        13133657);
    json_decref(rows);
}

// Before anything is allocated: a skipped case does not come back.
static void need_data(void)
{
    if (!getenv("ISTHMUS_TEST_DATA"))
        skip();
}

static bool ends_alike(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    return n > 0 && m > 0 && a[n - 1] == b[m - 1];
}

static void ospf_agrees_with(const char *name)
{
    need_data();
    needs_data();
    char *a = ist_printf("show_ip_ospf_neighbor/genie/ShowIpOspfNeighbor/%s_output.txt", name);
    char *b = ist_printf("show_ip_ospf_neighbor/genie/ShowIpOspfNeighbor/%s_expected.json", name);
    json_t *rows = parsed(ist_ios_show_ospf_neighbor, a), *want = expected(b), *one, *n;
    const char *interface, *id;
    size_t seen = 0;
    json_object_foreach(json_object_get(want, "interfaces"), interface, one)
        json_object_foreach(json_object_get(one, "neighbors"), id, n)
    {
        const json_t *row = row_with(rows, "interface", interface, "id", id);
        assert_non_null(row);
        char *state = ist_printf("%s/%s", str(row, "state"), str(row, "role"));
        const char *wanted = str(n, "state");
        // "FULL/  -" there, whatever the blanks.
        assert_int_equal(strncmp(state, wanted, strcspn(wanted, "/")), 0);
        assert_true(ends_alike(state, wanted));
        assert_string_equal(str(row, "address"), str(n, "address"));
        assert_string_equal(str(row, "dead"), str(n, "dead_time"));
        ist_free(state);
        seen++;
    }
    assert_true(seen > 0);
    assert_int_equal(json_array_size(rows), seen);
    json_decref(rows);
    json_decref(want);
    ist_free(a);
    ist_free(b);
}

static void ospf_neighbors(void **state)
{
    (void)state;
    ospf_agrees_with("golden_output");
    ospf_agrees_with("golden_output2");
    ospf_agrees_with("golden_output3");
}

static void routes_of_genie(const char *name, const char *vrf)
{
    need_data();
    needs_data();
    char *a = ist_printf("show_ip_route/genie/ShowIpRouteDistributor/%s_output.txt", name);
    char *b = ist_printf("show_ip_route/genie/ShowIpRouteDistributor/%s_expected.json", name);
    json_t *rows = parsed(ist_ios_show_route, a), *want = expected(b), *one;
    const char *prefix;
    json_t *routes = json_object_get(
        json_object_get(json_object_get(json_object_get(json_object_get(want, "vrf"), vrf), "address_family"),
                        "ipv4"),
        "routes");
    assert_true(json_object_size(routes) > 0);
    json_object_foreach(routes, prefix, one)
    {
        const json_t *row = row_with(rows, "prefix", prefix, NULL, NULL), *hops, *hop;
        const char *index;
        if (!row)
            print_error("%s: no route %s\n", name, prefix);
        assert_non_null(row);
        hops = json_object_get(json_object_get(one, "next_hop"), "next_hop_list");
        json_object_foreach((json_t *)hops, index, hop)
        {
            assert_non_null(row_with(rows, "prefix", prefix, "via", str(hop, "next_hop")));
        }
    }
    json_decref(rows);
    json_decref(want);
    ist_free(a);
    ist_free(b);
}

static void routes(void **state)
{
    (void)state;
    routes_of_genie("golden_output1", "default");
    routes_of_genie("golden_output2", "VRF1");
    json_t *rows = parsed(ist_ios_show_route, "show_ip_route/ntc/show_ip_route/cisco_ios_show_ip_route.raw");
    const json_t *row = row_with(rows, "prefix", "10.63.184.0/23", "via", "10.62.3.29");
    assert_non_null(row);
    assert_string_equal(str(row, "code"), "O E2");
    assert_string_equal(str(row, "interface"), "TenGigabitEthernet1/16");
    row = row_with(rows, "prefix", "172.20.1.1/32", NULL, NULL); // the length is in the heading
    assert_string_equal(str(row, "code"), "O");
    assert_non_null(row_with(rows, "prefix", "1.1.1.1/32", "via", "192.168.0.1"));
    assert_string_equal(str(row_with(rows, "prefix", "0.0.0.0/0", NULL, NULL), "code"), "O*E2");
    assert_string_equal(str(row_with(rows, "prefix", "195.0.0.0/24", NULL, NULL), "code"), "O IA");
    json_decref(rows);
}

static void version_of_a_catalyst_8000v(void **state)
{
    (void)state;
    json_t *v =
        parsed(ist_ios_show_version, "show_version/genie/ShowVersion/golden_output_c8000v_output.txt");
    assert_string_equal(str(v, "platform"), "C8000V");
    assert_true(strlen(str(v, "version")) > 3);
    assert_true(strlen(str(v, "hostname")) > 0);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_parser_lives_with_every_file),
        cmocka_unit_test(dmvpn_of_two_tunnels),
        cmocka_unit_test(dmvpn_of_an_unknown_peer),
        cmocka_unit_test(dmvpn_with_addresses_on_two_lines),
        cmocka_unit_test(dmvpn_detail_tells_the_nhs),
        cmocka_unit_test(ikev2_sa),
        cmocka_unit_test(ikev2_sa_detail),
        cmocka_unit_test(ipsec_counters_and_settings),
        cmocka_unit_test(ospf_neighbors),
        cmocka_unit_test(routes),
        cmocka_unit_test(version_of_a_catalyst_8000v),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
