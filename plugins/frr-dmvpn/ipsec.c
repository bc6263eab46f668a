// strongSwan's configuration: swanctl.conf(5), strongswan.conf(5). What both ends must agree on is the walk-through's:
// AES-GCM-256, PRF SHA-512, group 19 (ecp256), transport mode around GRE.
#include "frr.h"

#include <string.h>

#define HEAD    "# Made by Isthmus (frr-dmvpn). Whole: an edit by hand is found and taken back.\n"
#define IKE     "aes256gcm16-prfsha512-ecp256"
#define ESP     "aes256gcm16"
#define FOREVER "    keyingtries = 0\n"

// "..." as the file has it.
static void quoted(ist_buf *b, const char *text)
{
    ist_buf_puts(b, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            ist_buf_puts(b, "\\");
        ist_buf_add(b, text, 1);
    }
    ist_buf_puts(b, "\"");
}

static void head(ist_buf *b, const char *name, const json_t *in, const ist_dmvpn_machine *machine,
                 const char *remote, const char *identity, unsigned asked_s)
{
    const char *own = ist_json_str(in, "ike_profile.local_identity");
    ist_buf_printf(
        b, "  %s {\n    version = 2\n    local_addrs = %s\n    remote_addrs = %s\n    proposals = " IKE "\n",
        name, machine->outside_address, remote);
    ist_buf_printf(b, "    mobike = no\n    dpd_delay = %us\n    unique = replace\n", asked_s);
    ist_buf_printf(b,
                   "    local {\n      auth = psk\n      id = %s\n    }\n    remote {\n      auth = psk\n    "
                   "  id = %s\n    }\n",
                   own && *own ? own : machine->outside_address, identity);
}

static void child(ist_buf *b, const char *name, const char *remote, const char *then)
{
    ist_buf_printf(b,
                   "    children {\n      %s {\n        mode = transport\n        esp_proposals = " ESP "\n"
                   "        local_ts = dynamic[gre]\n        remote_ts = %s[gre]\n        rekey_time = 1h\n%s"
                   "      }\n    }\n  }\n",
                   name, remote, then);
}

// Whom the pre-shared key is for: any, or a network.
static char *peers(const json_t *in)
{
    ist_net4 net = {0, 0};
    uint32_t mask = 0;
    char text[19];
    ist_ipv4_parse(ist_json_str_or(in, "ike_keyring_peer.ip_range.start", "0.0.0.0"), &net.address);
    ist_ipv4_parse(ist_json_str_or(in, "ike_keyring_peer.ip_range.end", "0.0.0.0"), &mask);
    if (!mask)
        return ist_strdup("%any");
    net.address &= mask;
    for (; mask; mask <<= 1)
        net.prefix++;
    ist_net4_text(net, text);
    return ist_strdup(text);
}

char *frr_swanctl(const json_t *in, const ist_dmvpn_machine *machine)
{
    ist_buf b = {.max = 65536};
    json_t *hubs = ist_dmvpn_hubs(in), *hub;
    char *any = peers(in);
    bool is_hub = ist_dmvpn_is_hub(in);
    size_t i;
    ist_buf_puts(&b, HEAD "connections {\n");
    json_array_foreach(hubs, i, hub)
    {
        char *name = ist_printf("isthmus-hub-%zu", i + 1);
        head(&b, name, in, machine, ist_json_str_or(hub, "address", ""), ist_json_str_or(hub, "identity", ""),
             5);
        ist_buf_puts(&b, FOREVER);
        // Up from the start, up again when it ends, and what is sent meanwhile waits for it.
        char *then =
            ist_printf("        dpd_action = restart\n        close_action = start\n"
                       "        start_action = trap|start\n        updown = " FRR_REGISTER " %s %s\n",
                       ist_json_str_or(hub, "tunnel_address", ""), ist_json_str_or(hub, "address", ""));
        child(&b, name, "dynamic", then);
        ist_free(then);
        ist_free(name);
    }
    // On a hub whoever comes; on a spoke the other spokes, by a trap for GRE to any address (shortcuts).
    if (is_hub || ist_json_bool(in, "nhrp.shortcut", 1)) {
        head(&b, "isthmus-spokes", in, machine, any, "%any", 10);
        child(&b, "isthmus-spokes", is_hub ? "dynamic" : "0.0.0.0/0",
              is_hub ? "        dpd_action = clear\n        start_action = none\n"
                     : "        dpd_action = clear\n        start_action = trap\n");
    }
    ist_buf_puts(&b, "}\n");
    ist_free(any);
    json_decref(hubs);
    return ist_buf_take(&b);
}

char *frr_swanctl_secrets(const json_t *in)
{
    ist_buf b = {.max = 4096};
    ist_buf_puts(&b, HEAD "secrets {\n  ike-isthmus {\n    secret = ");
    quoted(&b, ist_json_str_or(in, "ike_keyring_peer.pre-shared-key", ""));
    ist_buf_puts(&b, "\n  }\n}\n");
    return ist_buf_take(&b);
}
