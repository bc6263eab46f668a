// What the role's inputs may be, and what is put right about the walk-through's.
#include <isthmus/alloc.h>
#include <isthmus/dmvpn.h>

#include <isthmus/schema.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// A secret becomes one word of a command line: it may neither end the line nor begin another word.
static void check_word(ist_checking *c, const char *path, size_t most, const char *why)
{
    const json_t *value = ist_checking_at(c, path);
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (!text)
        return;
    if (!len)
        ist_wrong(c, path, "is empty");
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f || text[i] == '?') {
            ist_wrong(c, path, "holds a %s, which no router's configuration can take",
                      text[i] == ' '   ? "space"
                      : text[i] == '?' ? "question mark (IOS shows its help for it)"
                                       : "control character");
            return;
        }
    }
    if (len > most)
        ist_wrong(c, path, "has %zu characters, %s takes %zu at most", len, why, most);
}

static bool ipv4_at(const ist_checking *c, const char *path, uint32_t *address)
{
    const char *text = ist_checking_text(c, path);
    return text && ist_ipv4_parse(text, address) == IST_OK;
}

// A host of the tunnel network, neither its first nor its last address; /31 has no such addresses (RFC 3021).
static void check_host(ist_checking *c, const char *path, uint32_t address, uint32_t mask)
{
    const char *text = ist_checking_text(c, path);
    if (~mask <= 1)
        return;
    if (!(address & ~mask))
        ist_wrong(c, path, "%s is the address of the tunnel network itself", text);
    else if ((address & ~mask) == ~mask)
        ist_wrong(c, path, "%s is the broadcast address of the tunnel network", text);
}

static void check_tunnel(ist_checking *c)
{
    const bool is_hub = ist_dmvpn_is_hub(ist_checking_inputs(c));
    const char *own_text = ist_checking_text(c, "DmvpnIp"),
               *hub_text = ist_checking_text(c, "nhrp.HubTunnelIP");
    uint32_t own, mask, hub;
    const bool has_mask = ist_check_mask(c, "DmvpnNetmask", 0, NULL) && ipv4_at(c, "DmvpnNetmask", &mask);
    const bool has_own = ipv4_at(c, "DmvpnIp", &own), has_hub = ipv4_at(c, "nhrp.HubTunnelIP", &hub);
    if (has_mask && has_own)
        check_host(c, "DmvpnIp", own, mask);
    if (!has_own || !has_hub || !ist_is_known(c, "mode"))
        return;
    if (is_hub && own != hub)
        ist_wrong(c, "nhrp.HubTunnelIP", "%s is not the tunnel address %s of this hub itself", hub_text,
                  own_text);
    if (!is_hub && own == hub)
        ist_wrong(c, "DmvpnIp",
                  "%s is the hub's tunnel address (`nhrp.HubTunnelIP`): each endpoint has its own", own_text);
    if (has_mask && (own ^ hub) & mask)
        ist_wrong(c, "nhrp.HubTunnelIP", "%s is not another host of the tunnel network of %s", hub_text,
                  own_text);
    else if (has_mask && own != hub)
        check_host(c, "nhrp.HubTunnelIP", hub, mask);
}

static void check_ospf(ist_checking *c)
{
    uint32_t own, net, wild;
    if (!ist_is_known(c, "routing") || ist_dmvpn_is_static(ist_checking_inputs(c)))
        return;
    ist_check_range(c, "ospf.processId", 1, 65535);
    ist_check_range(c, "ospf.vpcArea", 0, 0xffffffffLL);
    ist_check_range(c, "ospf.tunnelArea", 0, 0xffffffffLL);
    if (ist_check_mask(c, "ospf.tunnelWildcard", 1, NULL) && ipv4_at(c, "ospf.tunnelWildcard", &wild) &&
        ipv4_at(c, "ospf.tunnelNetwork", &net) && ipv4_at(c, "DmvpnIp", &own) && (net ^ own) & ~wild)
        ist_wrong(c, "ospf.tunnelNetwork", "%s with wildcard %s does not cover the tunnel address %s",
                  ist_checking_text(c, "ospf.tunnelNetwork"), ist_checking_text(c, "ospf.tunnelWildcard"),
                  ist_checking_text(c, "DmvpnIp"));
    const char *way = ist_checking_text(c, "ospf.authentication");
    if (!way || strcmp(way, "none") == 0)
        return;
    if (!ist_checking_text(c, "ospf.authKey") && ist_is_known(c, "ospf.authKey"))
        ist_wrong(c, "ospf.authKey", "is missing: `ospf.authentication: %s` needs it", way);
    if (strcmp(way, "simple") == 0)
        check_word(c, "ospf.authKey", 8, "simple authentication");
    else
        check_word(c, "ospf.authKey", 16, "md5 authentication");
}

// What the table leaves open, because not every endpoint needs it.
static void check_needed(ist_checking *c)
{
    const json_t *inputs = ist_checking_inputs(c);
    const bool hub = ist_dmvpn_is_hub(inputs), ospf = !ist_dmvpn_is_static(inputs);
    const bool vpc = strcmp(ist_dmvpn_where(inputs), "vpc") == 0;
    const bool existing = strcmp(ist_dmvpn_where(inputs), "existing") == 0;
    const struct {
        const char *path;
        bool needed;
        const char *by;
    } rows[] = {{"ike_profile.remote_peer_ip", !hub, "a spoke"},
                {"ospf.processId", ospf, "OSPF"},
                {"ospf.tunnelNetwork", ospf, "OSPF"},
                {"ospf.tunnelWildcard", ospf, "OSPF"},
                {"ospf.vpcArea", ospf, "OSPF"},
                {"ospf.tunnelArea", ospf, "OSPF"},
                {"name", vpc, "a launch in a VPC"},
                {"vpc_id", vpc, "a launch in a VPC"},
                {"public_subnet", vpc, "a launch in a VPC"},
                {"private_subnets", vpc, "a launch in a VPC"},
                {"ssh_key", vpc, "a launch in a VPC"},
                {"ssh.host", existing, "`where: existing`"}};
    if (!ist_is_known(c, "mode") || !ist_is_known(c, "routing") || !ist_is_known(c, "where"))
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].needed && !ist_checking_at(c, rows[i].path) && ist_is_known(c, rows[i].path))
            ist_wrong(c, rows[i].path, "is missing: %s needs it", rows[i].by);
    }
}

// The networks behind the endpoint, and what is named by a hub or a subnet, are on this side of the tunnel.
static void check_networks(ist_checking *c)
{
    static const char *const remote[] = {"onPremCidr", "onPremPodCidr"};
    const char *why = "nothing could be routed between networks on both sides of the tunnel";
    for (size_t r = 0; r < 2; r++) {
        ist_check_apart(c, "public_subnet.cidr", remote[r], why);
        for (size_t i = 0; i < json_array_size(ist_checking_at(c, "private_subnets")); i++) {
            char path[64];
            snprintf(path, sizeof path, "private_subnets[%zu].cidr", i);
            ist_check_apart(c, path, remote[r], why);
        }
    }
}

static void check_advice(ist_checking *c)
{
    const char *end = ist_checking_text(c, "ike_keyring_peer.ip_range.end");
    const char *way = ist_checking_text(c, "ospf.authentication"),
               *key = ist_checking_text(c, "ospf.authKey");
    if (key && *key && way && strcmp(way, "none") == 0)
        ist_unwise_hint(
            c, "ospf.authKey", "`ospf.authentication: simple` or `md5` turns it on, on both ends",
            "the key is given, but authentication was never turned on with it, on the hub neither: it "
            "stays off and the key is not sent");
    if (end && strcmp(end, "0.0.0.0") == 0)
        ist_unwise(c, "ike_keyring_peer.ip_range",
                   "the pre-shared key is for any peer: whoever has it can be the hub");
}

static void check_private_key(ist_checking *c)
{
    const char *file = ist_checking_text(c, "ssh.private_key"), *pair = ist_checking_text(c, "ssh_key");
    if (!file || access(file, R_OK) == 0)
        return;
    char *hint =
        pair ? ist_printf("set `ssh.private_key` to the private key of the EC2 key pair %s", pair) : NULL;
    ist_wrong_hint(c, "ssh.private_key", hint, "private key %s: %s", file, strerror(errno));
    ist_free(hint);
}

void ist_dmvpn_check(ist_checking *c)
{
    static const char *const lines[] = {"name", "ssh.user", "ssh.host", "ssh_key", "InstanceType"};
    check_needed(c);
    check_word(c, "ike_keyring_peer.pre-shared-key", 127, "IKEv2");
    const char *end = ist_checking_text(c, "ike_keyring_peer.ip_range.end");
    uint32_t mask;
    if (end && (ist_ipv4_parse(end, &mask) != IST_OK || (~mask & (~mask + 1)) != 0))
        ist_wrong_hint(
            c, "ike_keyring_peer.ip_range.end",
            "in spite of its name it is the mask that belongs to `start`: 0.0.0.0 with 0.0.0.0 means any",
            "%s is no mask", end);
    check_word(c, "nhrp.key", 8, "NHRP");
    check_tunnel(c);
    check_ospf(c);
    check_networks(c);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ist_check_line(c, lines[i]);
    ist_check_range(c, "revert_minutes", 1, 120);
    ist_check_range(c, "ssh.port", 1, 65535);
    ist_check_range(c, "nhrp.network_id", 1, 0xffffffffLL);
    if (ist_is_known(c, "where") && strcmp(ist_dmvpn_where(ist_checking_inputs(c)), "render") != 0) {
        check_private_key(c);
        ist_check_file(c, "ssh.known_hosts", "the known_hosts file");
    }
    check_advice(c);
}

void ist_dmvpn_register_secrets(const ist_env *env, const json_t *inputs)
{
    static const char *const paths[] = {"ike_keyring_peer.pre-shared-key", "nhrp.key", "ospf.authKey",
                                        "ssh.passphrase"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        ist_secret(env, ist_json_str(inputs, paths[i]));
}

void ist_dmvpn_tell(const ist_env *env, const json_t *inputs)
{
    if (!ist_dmvpn_is_hub(inputs) && ist_json_bool(inputs, "nhrp.shortcut", 1))
        ist_log(env, IST_LOG_INFO,
                "`ip nhrp shortcut` is set, so that the hub's redirects have an effect "
                "(`nhrp.shortcut: false` leaves it out)");
}
