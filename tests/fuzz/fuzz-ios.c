// What a router prints, as any bytes: every show parser, the configuration tree and its difference from itself and
// from a wanted one, the terminal's stream, known_hosts files.
#include <isthmus/alloc.h>
#include <isthmus/ios_config.h>
#include <isthmus/ios_show.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_shows(const char *text)
{
    static int32_t (*const parsers[])(const char *, json_t **, ist_error *) = {
        ist_ios_show_dmvpn,    ist_ios_show_nhs,   ist_ios_show_ikev2_sa,
        ist_ios_show_ipsec_sa, ist_ios_show_route, ist_ios_show_ospf_neighbor,
        ist_ios_show_version,  ist_ios_show_users, ist_ios_show_interfaces};
    for (size_t i = 0; i < sizeof parsers / sizeof *parsers; i++) {
        json_t *out = NULL;
        parsers[i](text, &out, NULL);
        json_decref(out);
    }
}

static void compare(const ist_ios_config *a, const ist_ios_config *b)
{
    static const char *const owned[] = {"interface Tunnel0", "route-map ISTHMUS*", NULL};
    ist_ios_diff_options o = {.size = sizeof o, .owned = owned};
    ist_ios_diff diff;
    if (ist_ios_config_diff(a, b, &o, &diff, NULL) == IST_OK)
        ist_ios_diff_free(&diff);
}

static void parse_config(const char *text, size_t size)
{
    static const char wanted_text[] =
        "interface Tunnel0\n ip nhrp authentication \001k\001\n no shutdown\nhostname x\n";
    ist_ios_config *config = NULL, *wanted = NULL;
    if (ist_ios_config_parse(text, size, &config, NULL) != IST_OK ||
        ist_ios_config_parse(wanted_text, sizeof wanted_text - 1, &wanted, NULL) != IST_OK)
        goto out;
    compare(config, config);
    compare(config, wanted);
    compare(wanted, config);
    ist_free(ist_ios_config_text(config, 1));
out:
    ist_ios_config_free(config);
    ist_ios_config_free(wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char host[32], clear[64];
    size_t len = 0;
    ist_ssh_host_key key;
    if (size > 1u << 16)
        return 0;
    char *text = ist_strndup((const char *)data, size);
    parse_shows(text);
    parse_config(text, strlen(text));
    ist_ios_prompt(text, strlen(text), NULL, host, sizeof host);
    ist_ios_prompt(text, strlen(text), "router", host, sizeof host);
    ist_ios_error_in(text, &len);
    ist_ios_type7_decode(text, clear, sizeof clear);
    ist_ssh_fingerprint(text, &key, NULL);
    memset(&key, 0, sizeof key);
    ist_ssh_known(text, "192.0.2.1", 22, &key);
    ist_free(text);
    return 0;
}
