// The configuration of a spoke or a hub, as the walk-through has it and put right as the inputs say.
#include "csr.h"

#include <string.h>

#define S "\001" // around a secret (IST_IOS_SECRET)

struct net_words {
    char address[16], mask[16], wildcard[16];
};

static void words_of(ist_net4 net, struct net_words *w)
{
    const uint32_t mask = net.prefix ? 0xffffffffu << (32 - net.prefix) : 0;
    ist_ipv4_text(net.address & mask, w->address);
    ist_ipv4_text(mask, w->mask);
    ist_ipv4_text(~mask, w->wildcard);
}

static bool read_net(const char *cidr, struct net_words *w)
{
    ist_net4 net;
    if (ist_net4_parse(cidr, &net, NULL) != IST_OK)
        return false;
    words_of(net, w);
    return true;
}

static void add_route(json_t *lines, const char *cidr, const char *device, const char *via)
{
    struct net_words w;
    if (!read_net(cidr, &w))
        return;
    char *line = ist_printf("ip route %s %s %s%s", w.address, w.mask, device, via);
    json_array_append_new(lines, json_string(line));
    ist_free(line);
}

json_t *csr_static_routes(const json_t *inputs, const ist_dmvpn_machine *machine)
{
    json_t *announced = ist_dmvpn_announced(inputs), *routes = ist_dmvpn_static_routes(inputs), *one,
           *lines = json_array();
    size_t i;
    json_array_foreach(announced, i, one)
    {
        if (!ist_dmvpn_is_inside(machine, json_string_value(one)))
            add_route(lines, json_string_value(one), "", machine->gateway);
    }
    // With its interface, so that the route goes when the tunnel goes.
    json_array_foreach(routes, i, one)
    {
        add_route(lines, ist_json_str_or(one, "network", ""), "Tunnel0 ", ist_json_str_or(one, "via", ""));
    }
    json_decref(announced);
    json_decref(routes);
    return lines;
}

static const char *identity_type(const char *identity)
{
    const char *type = ist_dmvpn_identity_type(identity);
    return type ? type : "address";
}

// Whom the profile takes: the hubs by their identities, and who else is listed. A hub that is told of nobody takes
// whoever has the key.
static void remote_identities(ist_buf *b, const json_t *in)
{
    json_t *hubs = ist_dmvpn_hubs(in), *listed = ist_json_at(in, "ike_profile.remote_identities"), *one,
           *all = json_object();
    const char *name;
    size_t i;
    json_array_foreach(listed, i, one) json_object_set_new(all, json_string_value(one), json_null());
    json_array_foreach(hubs, i, one)
        json_object_set_new(all, ist_json_str_or(one, "identity", ""), json_null());
    if (ist_dmvpn_is_hub(in) && json_array_size(listed) == 0)
        ist_buf_puts(b, " match identity remote any\n");
    else
        json_object_foreach(all, name, one)
            ist_buf_printf(b, " match identity remote %s %s%s\n", identity_type(name), name,
                           strcmp(identity_type(name), "address") == 0 ? " 255.255.255.255" : "");
    json_decref(hubs);
    json_decref(all);
}

static void crypto(ist_buf *b, const json_t *in)
{
    ist_buf_puts(b, "crypto ikev2 proposal ISTHMUS\n encryption aes-gcm-256\n prf sha512\n group 19\n"
                    "crypto ikev2 policy ISTHMUS\n match fvrf any\n proposal ISTHMUS\n");
    ist_buf_printf(
        b, "crypto ikev2 keyring ISTHMUS\n peer DMVPN\n  address %s %s\n  pre-shared-key " S "%s" S "\n",
        ist_json_str_or(in, "ike_keyring_peer.ip_range.start", "0.0.0.0"),
        ist_json_str_or(in, "ike_keyring_peer.ip_range.end", "0.0.0.0"),
        ist_json_str_or(in, "ike_keyring_peer.pre-shared-key", ""));
    ist_buf_puts(b, "crypto ikev2 profile ISTHMUS\n match fvrf any\n");
    remote_identities(b, in);
    const char *own = ist_json_str_or(in, "ike_profile.local_identity", "");
    if (*own)
        ist_buf_printf(b, " identity local %s %s\n", identity_type(own), own);
    ist_buf_puts(b,
                 " authentication remote pre-share\n authentication local pre-share\n keyring local ISTHMUS\n"
                 " dpd 40 5 on-demand\n"
                 "crypto ipsec security-association replay window-size 1024\n"
                 "crypto ipsec transform-set ISTHMUS esp-gcm 256\n mode transport\n"
                 "crypto ipsec profile ISTHMUS\n set transform-set ISTHMUS\n set ikev2-profile ISTHMUS\n");
}

// What is announced and is no network of an interface, which `network` statements announce.
static void filter(ist_buf *b, const json_t *in, const ist_dmvpn_machine *machine)
{
    json_t *announced = ist_dmvpn_announced(in), *one;
    size_t i, n = 0;
    json_array_foreach(announced, i, one)
    {
        if (!ist_dmvpn_is_inside(machine, json_string_value(one)))
            ist_buf_printf(b, "ip prefix-list ISTHMUS-VPC seq %zu permit %s\n", 5 * ++n,
                           json_string_value(one));
    }
    // IOS takes a list that is not there for one that permits all.
    ist_buf_puts(b, n ? "route-map ISTHMUS-VPC permit 10\n match ip address prefix-list ISTHMUS-VPC\n"
                      : "route-map ISTHMUS-VPC deny 10\n");
    json_decref(announced);
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

static void nhrp(ist_buf *b, const json_t *in)
{
    json_t *hubs = ist_dmvpn_hubs(in), *hub;
    size_t i;
    ist_buf_printf(b, " ip nhrp authentication " S "%s" S "\n", ist_json_str_or(in, "nhrp.key", ""));
    if (ist_dmvpn_is_hub(in))
        ist_buf_puts(b, " ip nhrp map multicast dynamic\n");
    ist_buf_printf(b, " ip nhrp network-id %lld\n", (long long)ist_json_int(in, "nhrp.network_id", 100));
    json_array_foreach(hubs, i, hub)
    {
        ist_buf_printf(b, " ip nhrp nhs %s nbma %s multicast\n", ist_json_str_or(hub, "tunnel_address", ""),
                       ist_json_str_or(hub, "address", ""));
    }
    if (ist_json_bool(in, "nhrp.shortcut", 1))
        ist_buf_puts(b, ist_dmvpn_is_hub(in) ? " ip nhrp redirect\n" : " ip nhrp shortcut\n");
    json_decref(hubs);
}

static void tunnel(ist_buf *b, const json_t *in, const ist_dmvpn_machine *machine)
{
    ist_buf_printf(b, "interface Tunnel0\n ip address %s %s\n no ip redirects\n ip mtu 1400\n",
                   ist_json_str_or(in, "DmvpnIp", ""), ist_json_str_or(in, "DmvpnNetmask", ""));
    nhrp(b, in);
    ist_buf_puts(b, " ip tcp adjust-mss 1360\n");
    if (!ist_dmvpn_is_static(in)) {
        ospf_key(b, in);
        ist_buf_printf(b, " ip ospf network point-to-multipoint\n ip ospf hello-interval %lld\n",
                       (long long)ist_json_int(in, "ospf.hello_interval", 10));
    }
    ist_buf_printf(b,
                   " tunnel source %s\n tunnel mode gre multipoint\n tunnel key %lld\n"
                   " tunnel protection ipsec profile ISTHMUS\n no shutdown\n",
                   machine->outside, (long long)ist_json_int(in, "nhrp.network_id", 100));
}

// Is something of the inside interface's own network announced?
static bool announces_inside(const json_t *in, const ist_dmvpn_machine *machine)
{
    json_t *announced = ist_dmvpn_announced(in), *one;
    bool found = false;
    size_t i;
    json_array_foreach(announced, i, one)
    {
        found = found || ist_dmvpn_is_inside(machine, json_string_value(one));
    }
    json_decref(announced);
    return found;
}

static void ospf(ist_buf *b, const json_t *in, const ist_dmvpn_machine *machine)
{
    struct net_words inside;
    if (ist_json_bool(in, "ospf.filter", 1))
        filter(b, in, machine);
    tunnel(b, in, machine);
    ist_buf_printf(b, "router ospf %lld\n router-id %s\n redistribute static subnets%s\n",
                   (long long)ist_json_int(in, "ospf.processId", 10), ist_json_str_or(in, "DmvpnIp", ""),
                   ist_json_bool(in, "ospf.filter", 1) ? " route-map ISTHMUS-VPC" : "");
    ist_buf_printf(b, " network %s %s area %lld\n", ist_json_str_or(in, "ospf.tunnelNetwork", ""),
                   ist_json_str_or(in, "ospf.tunnelWildcard", ""),
                   (long long)ist_json_int(in, "ospf.tunnelArea", 0));
    words_of(machine->inside_network, &inside);
    if (announces_inside(in, machine))
        ist_buf_printf(b, " network %s %s area %lld\n", inside.address, inside.wildcard,
                       (long long)ist_json_int(in, "ospf.vpcArea", 0));
}

char *csr_desired(const json_t *in, const ist_dmvpn_machine *machine, bool archive)
{
    struct net_words inside;
    // The inside interface of a router in a VPC is ours to set up.
    const bool sets_inside =
        strcmp(ist_dmvpn_where(in), "existing") != 0 && ist_json_str(in, "private_subnets[0].cidr");
    ist_buf b = {.max = 65536};
    json_t *routes = csr_static_routes(in, machine), *line;
    size_t i;
    if (archive)
        ist_buf_printf(&b, "archive\n path %s\n", ist_json_str_or(in, "archive_path", "bootflash:isthmus"));
    crypto(&b, in);
    words_of(machine->inside_network, &inside);
    // Not by DHCP: its default route would compete with the outside one.
    if (sets_inside)
        ist_buf_printf(&b, "interface %s\n ip address %s %s\n no shutdown\n", machine->inside,
                       machine->inside_address, inside.mask);
    if (ist_dmvpn_is_static(in))
        tunnel(&b, in, machine);
    else
        ospf(&b, in, machine);
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
    static const char *const shared[] = {"archive", "crypto ipsec security-association", NULL};
    if (strncmp(line, "interface ", 10) == 0)
        return strncmp(line, "interface Tunnel0", 17) != 0;
    for (size_t i = 0; shared[i]; i++) {
        if (strncmp(line, shared[i], strlen(shared[i])) == 0)
            return true;
    }
    return false;
}

json_t *csr_sections(const json_t *in, const ist_dmvpn_machine *machine)
{
    json_t *sections = json_array();
    char *text = csr_desired(in, machine, false);
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n");
        if (len && *p != ' ' && !is_shared(p))
            json_array_append_new(sections, json_stringn(p, len));
        p += len + (p[len] == '\n');
    }
    ist_free_secret(text);
    return sections;
}
