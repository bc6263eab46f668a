// The configuration of a spoke, as the walk-through has it and put right as the inputs say.
#include "csr.h"

#include <string.h>

#define S "\001" // around a secret (IST_IOS_SECRET)

struct subnet {
    char address[16], mask[16], wildcard[16], gateway[16];
};

static bool read_subnet(const json_t *subnet, struct subnet *s)
{
    ist_net4 net;
    if (ist_net4_parse(ist_json_str_or(subnet, "cidr", ""), &net, NULL) != IST_OK)
        return false;
    uint32_t mask = net.prefix ? 0xffffffffu << (32 - net.prefix) : 0;
    ist_ipv4_text(net.address & mask, s->address);
    ist_ipv4_text(mask, s->mask);
    ist_ipv4_text(~mask, s->wildcard);
    ist_ipv4_text((net.address & mask) + 1, s->gateway);
    return true;
}

json_t *csr_static_routes(const json_t *inputs)
{
    json_t *subnets = json_object_get(inputs, "private_subnets"), *subnet, *lines = json_array();
    struct subnet first, s;
    size_t i;
    bool good = read_subnet(json_array_get(subnets, 0), &first);
    json_array_foreach(subnets, i, subnet)
    {
        if (!good || !i || !read_subnet(subnet, &s))
            continue;
        char *line = ist_printf("ip route %s %s %s", s.address, s.mask, first.gateway);
        json_array_append_new(lines, json_string(line));
        ist_free(line);
    }
    return lines;
}

static void crypto(ist_buf *b, const json_t *in)
{
    json_t *identity, *others = ist_json_at(in, "ike_profile.remote_identities");
    size_t i;
    ist_buf_puts(b, "crypto ikev2 proposal ISTHMUS\n encryption aes-gcm-256\n prf sha512\n group 19\n"
                    "crypto ikev2 policy ISTHMUS\n match fvrf any\n proposal ISTHMUS\n");
    ist_buf_printf(
        b, "crypto ikev2 keyring ISTHMUS\n peer DMVPN\n  address %s %s\n  pre-shared-key " S "%s" S "\n",
        ist_json_str_or(in, "ike_keyring_peer.ip_range.start", "0.0.0.0"),
        ist_json_str_or(in, "ike_keyring_peer.ip_range.end", "0.0.0.0"),
        ist_json_str_or(in, "ike_keyring_peer.pre-shared-key", ""));
    ist_buf_puts(b, "crypto ikev2 profile ISTHMUS\n match fvrf any\n");
    if (json_array_size(others) == 0)
        ist_buf_printf(b, " match identity remote address %s 255.255.255.255\n",
                       ist_json_str_or(in, "ike_profile.remote_peer_ip", ""));
    json_array_foreach(others, i, identity)
    {
        ist_buf_printf(b, " match identity remote address %s 255.255.255.255\n", json_string_value(identity));
    }
    if (*ist_json_str_or(in, "ike_profile.local_identity", ""))
        ist_buf_printf(b, " identity local address %s\n", ist_json_str(in, "ike_profile.local_identity"));
    ist_buf_puts(b,
                 " authentication remote pre-share\n authentication local pre-share\n keyring local ISTHMUS\n"
                 " dpd 40 5 on-demand\n"
                 "crypto ipsec security-association replay window-size 1024\n"
                 "crypto ipsec transform-set ISTHMUS esp-gcm 256\n mode transport\n"
                 "crypto ipsec profile ISTHMUS\n set transform-set ISTHMUS\n set ikev2-profile ISTHMUS\n");
}

static void filter(ist_buf *b, const json_t *in)
{
    json_t *subnets = json_object_get(in, "private_subnets"), *subnet;
    size_t i;
    if (!ist_json_bool(in, "ospf.filter", 1))
        return;
    json_array_foreach(subnets, i, subnet)
    {
        if (i)
            ist_buf_printf(b, "ip prefix-list ISTHMUS-VPC seq %zu permit %s\n", 5 * i,
                           ist_json_str_or(subnet, "cidr", ""));
    }
    ist_buf_puts(b, "route-map ISTHMUS-VPC permit 10\n match ip address prefix-list ISTHMUS-VPC\n");
}

static void ospf_key(ist_buf *b, const json_t *in)
{
    const char *way = ist_json_str_or(in, "ospf.authentication", "none");
    const char *key = ist_json_str_or(in, "ospf.authKey", "");
    if (strcmp(way, "simple") == 0)
        ist_buf_printf(b, " ip ospf authentication\n ip ospf authentication-key " S "%s" S "\n", key);
    else if (strcmp(way, "md5") == 0)
        ist_buf_printf(
            b, " ip ospf authentication message-digest\n ip ospf message-digest-key 1 md5 " S "%s" S "\n",
            key);
}

static void tunnel(ist_buf *b, const json_t *in)
{
    long long id = ist_json_int(in, "nhrp.network_id", 100);
    ist_buf_printf(b, "interface Tunnel0\n ip address %s %s\n no ip redirects\n ip mtu 1400\n",
                   ist_json_str_or(in, "DmvpnIp", ""), ist_json_str_or(in, "DmvpnNetmask", ""));
    ist_buf_printf(b, " ip nhrp authentication " S "%s" S "\n ip nhrp network-id %lld\n",
                   ist_json_str_or(in, "nhrp.key", ""), id);
    ist_buf_printf(b, " ip nhrp nhs %s nbma %s multicast\n", ist_json_str_or(in, "nhrp.HubTunnelIP", ""),
                   ist_json_str_or(in, "ike_profile.remote_peer_ip", ""));
    if (ist_json_bool(in, "nhrp.shortcut", 1))
        ist_buf_puts(b, " ip nhrp shortcut\n");
    ist_buf_puts(b, " ip tcp adjust-mss 1360\n");
    ospf_key(b, in);
    ist_buf_printf(b,
                   " ip ospf network point-to-multipoint\n ip ospf hello-interval 10\n"
                   " tunnel source GigabitEthernet1\n tunnel mode gre multipoint\n tunnel key %lld\n"
                   " tunnel protection ipsec profile ISTHMUS\n no shutdown\n",
                   id);
}

static void ospf(ist_buf *b, const json_t *in)
{
    struct subnet first;
    ist_buf_printf(b, "router ospf %lld\n router-id %s\n redistribute static subnets%s\n",
                   (long long)ist_json_int(in, "ospf.processId", 10), ist_json_str_or(in, "DmvpnIp", ""),
                   ist_json_bool(in, "ospf.filter", 1) ? " route-map ISTHMUS-VPC" : "");
    ist_buf_printf(b, " network %s %s area %lld\n", ist_json_str_or(in, "ospf.tunnelNetwork", ""),
                   ist_json_str_or(in, "ospf.tunnelWildcard", ""),
                   (long long)ist_json_int(in, "ospf.tunnelArea", 0));
    if (read_subnet(json_array_get(json_object_get(in, "private_subnets"), 0), &first))
        ist_buf_printf(b, " network %s %s area %lld\n", first.address, first.wildcard,
                       (long long)ist_json_int(in, "ospf.vpcArea", 0));
}

char *csr_desired(const json_t *in, const char *inside, bool archive)
{
    struct subnet first;
    ist_buf b = {.max = 65536};
    json_t *routes = csr_static_routes(in), *line;
    size_t i;
    if (archive)
        ist_buf_printf(&b, "archive\n path %s\n", ist_json_str_or(in, "archive_path", "bootflash:isthmus"));
    crypto(&b, in);
    filter(&b, in);
    // Not by DHCP: its default route would compete with the outside one.
    if (read_subnet(json_array_get(json_object_get(in, "private_subnets"), 0), &first))
        ist_buf_printf(&b, "interface GigabitEthernet2\n ip address %s %s\n no shutdown\n", inside,
                       first.mask);
    tunnel(&b, in);
    ospf(&b, in);
    json_array_foreach(routes, i, line)
    {
        ist_buf_printf(&b, "%s\n", json_string_value(line));
    }
    json_decref(routes);
    return ist_buf_take(&b);
}

// Top-level lines that are shared with the platform, of which only what is in them is ours.
static bool is_shared(const char *line)
{
    static const char *const shared[] = {"archive", "interface GigabitEthernet",
                                         "crypto ipsec security-association", NULL};
    for (size_t i = 0; shared[i]; i++) {
        if (strncmp(line, shared[i], strlen(shared[i])) == 0)
            return true;
    }
    return false;
}

json_t *csr_sections(const json_t *in)
{
    json_t *sections = json_array();
    char *text = csr_desired(in, "", false);
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n");
        if (len && *p != ' ' && !is_shared(p))
            json_array_append_new(sections, json_stringn(p, len));
        p += len + (p[len] == '\n');
    }
    ist_free_secret(text);
    return sections;
}
