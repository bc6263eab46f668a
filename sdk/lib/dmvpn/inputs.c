// What the role's inputs may be, and what is put right about the walk-through's.
#include <isthmus/alloc.h>
#include <isthmus/dmvpn.h>

#include <isthmus/schema.h>
#include <isthmus/ssh.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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
        const unsigned char at = (unsigned char)text[i];
        if (at <= ' ' || at >= 0x7f || at == '?') {
            ist_wrong(c, path, "holds a %s, which no router's configuration can take",
                      at == ' '   ? "space"
                      : at == '?' ? "question mark (IOS shows its help for it)"
                      : at > 0x7f ? "character that is not ASCII"
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

// Where a hub is reached lies outside the tunnel that leads to it.
static void check_outside(ist_checking *c, const char *path)
{
    uint32_t address, own, mask;
    ist_check_unicast(c, path);
    if (ipv4_at(c, path, &address) && ipv4_at(c, "DmvpnIp", &own) && ipv4_at(c, "DmvpnNetmask", &mask) &&
        mask && !((address ^ own) & mask))
        ist_wrong_hint(c, path, "the hub's public or routed address is meant",
                       "%s is an address of the tunnel itself, which is reached through the tunnel only",
                       ist_checking_text(c, path));
}

// What an endpoint calls itself in IKE.
static void check_identity(ist_checking *c, const char *path)
{
    const char *text = ist_checking_text(c, path), *type = text ? ist_dmvpn_identity_type(text) : NULL;
    if (text && !type)
        ist_wrong_hint(
            c, path, "a distinguished name (`CN=...`) would be a certificate's, and here is a pre-shared key",
            "%s is no IKE identity: neither an address, nor a name (hub.example.net), nor a user's "
            "(hub@example.net)",
            *text ? text : "\"\"");
    else if (type && strcmp(type, "address") == 0)
        ist_check_unicast(c, path);
}

static void check_addresses(ist_checking *c)
{
    static const char *const unicast[] = {"DmvpnIp", "public_address", "private_address", "nhrp.HubTunnelIP"};
    char path[64];
    for (size_t i = 0; i < sizeof unicast / sizeof *unicast; i++)
        ist_check_unicast(c, unicast[i]);
    check_outside(c, "ike_profile.remote_peer_ip");
    check_identity(c, "ike_profile.local_identity");
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "ike_profile.remote_identities")); i++) {
        snprintf(path, sizeof path, "ike_profile.remote_identities[%zu]", i);
        check_identity(c, path);
    }
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "hubs")); i++) {
        snprintf(path, sizeof path, "hubs[%zu].tunnel_address", i);
        ist_check_unicast(c, path);
        snprintf(path, sizeof path, "hubs[%zu].identity", i);
        check_identity(c, path);
        snprintf(path, sizeof path, "hubs[%zu].address", i);
        check_outside(c, path);
    }
}

static void check_tunnel(ist_checking *c)
{
    const bool is_hub = ist_dmvpn_is_hub(ist_checking_inputs(c));
    const char *own_text = ist_checking_text(c, "DmvpnIp"),
               *hub_text = ist_checking_text(c, "nhrp.HubTunnelIP");
    uint32_t own, mask, hub;
    const bool has_mask = ist_check_mask(c, "DmvpnNetmask", 0, NULL) && ipv4_at(c, "DmvpnNetmask", &mask);
    const bool has_own = ipv4_at(c, "DmvpnIp", &own), has_hub = ipv4_at(c, "nhrp.HubTunnelIP", &hub);
    if (has_mask && !mask)
        ist_wrong(c, "DmvpnNetmask", "0.0.0.0: every address would be in the tunnel");
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
    ist_check_range(c, "ospf.hello_interval", 1, 65535 / 4);
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

// The tunnel's own network; 0 where it is not known.
static int tunnel_of(const ist_checking *c, ist_net4 *tunnel)
{
    uint32_t own, mask;
    if (!ipv4_at(c, "DmvpnIp", &own) || !ipv4_at(c, "DmvpnNetmask", &mask) || !mask)
        return 0;
    *tunnel = (ist_net4){own & mask, (uint8_t)__builtin_popcount(mask)};
    return 1;
}

// It is neither on one side of it nor on the other.
static void check_beside_tunnel(ist_checking *c, const char *path)
{
    ist_net4 tunnel;
    if (tunnel_of(c, &tunnel))
        (void)ist_check_apart_from(c, tunnel, "tunnel", "the network of the tunnel (`DmvpnIp`)", path);
}

// A network of the VPC: its own, or that of a subnet.
static void check_inside(ist_checking *c, const char *path)
{
    static const char *const remote[] = {"onPremCidr", "onPremPodCidr"};
    check_beside_tunnel(c, path);
    for (size_t r = 0; r < 2; r++)
        ist_check_apart(c, path, remote[r],
                        "nothing could be routed between networks on both sides of the tunnel");
}

// One that lies within the VPC's network is checked with it.
static void check_subnet(ist_checking *c, const char *path)
{
    ist_net4 vpc, net;
    if (!ist_checking_net(c, "vpc_cidr", &vpc) || !ist_checking_net(c, path, &net) ||
        !ist_net4_contains(vpc, net.address))
        check_inside(c, path);
}

// The networks behind the endpoint, and what is named by a hub or a subnet, are on this side of the tunnel.
static void check_networks(ist_checking *c)
{
    static const char *const shown[] = {"vpc_cidr", "onPremCidr", "onPremPodCidr"};
    ist_net4 tunnel;
    for (size_t i = 0; i < 3; i++)
        ist_checking_shows(c, shown[i]);
    if (tunnel_of(c, &tunnel))
        ist_checking_shows_net(c, tunnel, "tunnel");
    if (ist_check_on_prem(c, "pods and nodes on premises have networks of their own"))
        check_beside_tunnel(c, "onPremCidr");
    check_beside_tunnel(c, "onPremPodCidr");
    ist_check_hosts_net(c, "onPremCidr");
    ist_check_hosts_net(c, "onPremPodCidr");
    ist_check_vpc(c, "vpc_cidr");
    check_inside(c, "vpc_cidr");
    check_subnet(c, "public_subnet.cidr");
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "private_subnets")); i++) {
        char path[64];
        snprintf(path, sizeof path, "private_subnets[%zu].cidr", i);
        check_subnet(c, path);
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
    ist_error err = {0};
    if (!file || !ist_is_known(c, "ssh.passphrase") ||
        ist_ssh_key_check(file, ist_checking_text(c, "ssh.passphrase"), &err) == IST_OK)
        return;
    char *hint = pair && !err.hint[0]
                     ? ist_printf("set `ssh.private_key` to the private key of the EC2 key pair %s", pair)
                     : ist_strdup(err.hint);
    ist_wrong_hint(c, "ssh.private_key", *hint ? hint : NULL, "%s", err.text);
    ist_free(hint);
}

// A hub for which the pre-shared key is not would never prove itself with it.
static void check_within_keyring(ist_checking *c, const char *path)
{
    uint32_t hub, start, mask;
    if (!ipv4_at(c, path, &hub) || !ipv4_at(c, "ike_keyring_peer.ip_range.start", &start) ||
        !ipv4_at(c, "ike_keyring_peer.ip_range.end", &mask) || !((hub ^ start) & mask))
        return;
    ist_wrong_hint(c, path, "0.0.0.0 with mask 0.0.0.0 means any peer; one range has to hold every hub",
                   "hub %s is outside of the peers that the pre-shared key is for: %s with mask %s "
                   "(`ike_keyring_peer.ip_range`)",
                   ist_checking_text(c, path), ist_checking_text(c, "ike_keyring_peer.ip_range.start"),
                   ist_checking_text(c, "ike_keyring_peer.ip_range.end"));
}

static void check_keyring(ist_checking *c)
{
    const char *end = ist_checking_text(c, "ike_keyring_peer.ip_range.end");
    uint32_t mask;
    check_word(c, "ike_keyring_peer.pre-shared-key", 127, "IKEv2");
    if (end && (ist_ipv4_parse(end, &mask) != IST_OK || (~mask & (~mask + 1)) != 0)) {
        ist_wrong_hint(
            c, "ike_keyring_peer.ip_range.end",
            "in spite of its name it is the mask that belongs to `start`: 0.0.0.0 with 0.0.0.0 means any",
            "%s is no mask", end);
        return;
    }
    if (!ist_dmvpn_is_hub(ist_checking_inputs(c)) && ist_is_known(c, "mode"))
        check_within_keyring(c, "ike_profile.remote_peer_ip");
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "hubs")); i++) {
        char path[64];
        snprintf(path, sizeof path, "hubs[%zu].address", i);
        check_within_keyring(c, path);
    }
}

void ist_dmvpn_check(ist_checking *c)
{
    static const char *const names[] = {"name",    "ssh.user", "ssh.host", "ssh_key",
                                        "profile", "vpc_id",   "ami"};
    check_needed(c);
    check_keyring(c);
    check_word(c, "nhrp.key", 8, "NHRP");
    check_addresses(c);
    check_tunnel(c);
    check_ospf(c);
    check_networks(c);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ist_check_names(c, names[i]);
    ist_check_sources(c, "InboundSSH");
    ist_check_tags(c, "tags");
    if (ist_is_known(c, "where") && strcmp(ist_dmvpn_where(ist_checking_inputs(c)), "vpc") == 0)
        ist_check_stack_name(c, "name", 63 - strlen("-csr")); // it is the router's name as well
    ist_check_length(c, "ssh_key", 255, "the name of a key pair");
    ist_check_region(c, "region");
    ist_check_instance_types(c, "InstanceType");
    ist_check_aws_id(c, "vpc_id", "vpc-");
    ist_check_aws_id(c, "public_subnet.id", "subnet-");
    ist_check_aws_id(c, "ami", "ami-");
    ist_check_duration(c, "ssh.timeout");
    ist_check_duration(c, "settle");
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
    const bool vpc = strcmp(ist_dmvpn_where(inputs), "vpc") == 0;
    if (!ist_dmvpn_is_hub(inputs) && ist_json_bool(inputs, "nhrp.shortcut", 1))
        ist_log(env, IST_LOG_INFO,
                "`ip nhrp shortcut` is set, so that the hub's redirects have an effect "
                "(`nhrp.shortcut: false` leaves it out)");
    if (vpc && strcmp(ist_json_str_or(inputs, "InboundSSH", ""), "0.0.0.0/0") == 0)
        ist_log(env, IST_LOG_WARN,
                "SSH to the endpoint is open to everybody (`InboundSSH: 0.0.0.0/0`): the network from which "
                "it is configured is enough");
    if (!ist_dmvpn_is_static(inputs) && ist_json_bool(inputs, "ospf.filter", 1))
        ist_log(env, IST_LOG_INFO,
                "only the static routes of what is announced are redistributed, by a route-map "
                "(`ospf.filter: false` redistributes all)");
    if (!*ist_json_str_or(inputs, "ike_profile.local_identity", ""))
        ist_log(env, IST_LOG_INFO,
                "behind %s the others see UDP 4500 from another address, and the private one as IKE identity "
                "(`ike_profile.local_identity` sets another)",
                vpc ? "the Elastic IP" : "NAT");
    ist_log(env, IST_LOG_INFO, "the masks of the subnets are their own, not /24");
}
