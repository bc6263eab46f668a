// FRR's configuration: nhrpd, ospfd and static routes. After FRR's own manual (nhrpd, ospfd) and what was measured: the
// tunnel address is a /32, for nhrpd keeps its cache empty under a wider one; `network` of OSPF still matches it.
#include "frr.h"

#include <string.h>

#define HEAD "! Made by Isthmus (frr-dmvpn). Whole: an edit by hand is found and taken back.\n"

static void net_text(const json_t *in, const char *address, const char *wildcard, char text[19])
{
    ist_net4 net = {0, 32};
    uint32_t wild = 0;
    ist_ipv4_parse(ist_json_str_or(in, address, "0.0.0.0"), &net.address);
    ist_ipv4_parse(ist_json_str_or(in, wildcard, "0.0.0.0"), &wild);
    net.address &= ~wild;
    for (net.prefix = 32; wild & 1; wild >>= 1)
        net.prefix--;
    ist_net4_text(net, text);
}

static void nhrp(ist_buf *b, const json_t *in)
{
    json_t *hubs = ist_dmvpn_hubs(in), *hub;
    size_t i;
    ist_buf_printf(b, " ip nhrp network-id %lld\n ip nhrp authentication %s\n ip nhrp holdtime 60\n",
                   (long long)ist_json_int(in, "nhrp.network_id", 100), ist_json_str_or(in, "nhrp.key", ""));
    json_array_foreach(hubs, i, hub)
    {
        const char *address = ist_json_str_or(hub, "address", "");
        ist_buf_printf(b, " ip nhrp nhs %s nbma %s\n ip nhrp map multicast %s\n",
                       ist_json_str_or(hub, "tunnel_address", ""), address, address);
    }
    if (ist_dmvpn_is_hub(in))
        ist_buf_puts(b, " ip nhrp map multicast dynamic\n");
    ist_buf_puts(b, " ip nhrp registration no-unique\n");
    if (ist_json_bool(in, "nhrp.shortcut", 1))
        ist_buf_puts(b, ist_dmvpn_is_hub(in) ? " ip nhrp redirect\n" : " ip nhrp shortcut\n");
    json_decref(hubs);
}

static void ospf_of_tunnel(ist_buf *b, const json_t *in)
{
    const char *way = ist_json_str_or(in, "ospf.authentication", "none");
    const char *key = ist_json_str_or(in, "ospf.authKey", "");
    long long hello = ist_json_int(in, "ospf.hello_interval", 10);
    ist_buf_printf(
        b,
        " ip ospf network point-to-multipoint\n ip ospf hello-interval %lld\n ip ospf dead-interval %lld\n",
        hello, 4 * hello);
    if (strcmp(way, "simple") == 0)
        ist_buf_printf(b, " ip ospf authentication\n ip ospf authentication-key %s\n", key);
    else if (strcmp(way, "md5") == 0)
        ist_buf_printf(b, " ip ospf authentication message-digest\n ip ospf message-digest-key 1 md5 %s\n",
                       key);
}

// Announced networks that are not the inside interface's own are reached by the router behind it.
static void static_routes(ist_buf *b, const json_t *in, const ist_dmvpn_machine *machine)
{
    json_t *announced = ist_dmvpn_announced(in), *routes = ist_dmvpn_static_routes(in), *one;
    size_t i;
    json_array_foreach(announced, i, one)
    {
        if (!ist_dmvpn_is_inside(machine, json_string_value(one)))
            ist_buf_printf(b, "ip route %s %s\n", json_string_value(one), machine->gateway);
    }
    json_array_foreach(routes, i, one)
    {
        ist_buf_printf(b, "ip route %s %s " FRR_TUNNEL " onlink\n", ist_json_str_or(one, "network", ""),
                       ist_json_str_or(one, "via", ""));
    }
    ist_buf_puts(b, "!\n");
    json_decref(announced);
    json_decref(routes);
}

static void filter(ist_buf *b, const json_t *in)
{
    json_t *announced = ist_dmvpn_announced(in), *one;
    size_t i;
    json_array_foreach(announced, i, one)
    {
        ist_buf_printf(b, "ip prefix-list ISTHMUS seq %zu permit %s\n", 5 * (i + 1), json_string_value(one));
    }
    ist_buf_puts(b, "!\nroute-map ISTHMUS permit 10\n match ip address prefix-list ISTHMUS\nexit\n!\n");
    json_decref(announced);
}

static void ospf(ist_buf *b, const json_t *in, const ist_dmvpn_machine *machine)
{
    char tunnel[19], inside[19];
    bool filtered = ist_json_bool(in, "ospf.filter", 1);
    net_text(in, "ospf.tunnelNetwork", "ospf.tunnelWildcard", tunnel);
    ist_net4_text(machine->inside_network, inside);
    if (filtered)
        filter(b, in);
    // What a new neighbour changes in our own announcement is told 1.5 s after the last one and not 5: a route comes that
    // much sooner after a start. Nothing that others agree on: they take one a second (RFC 2328, MinLSArrival).
    ist_buf_printf(b,
                   "router ospf\n ospf router-id %s\n timers throttle lsa all 1500\n redistribute static%s\n",
                   ist_json_str_or(in, "DmvpnIp", ""), filtered ? " route-map ISTHMUS" : "");
    ist_buf_printf(b, " network %s area %lld\n network %s area %lld\nexit\n!\n", tunnel,
                   (long long)ist_json_int(in, "ospf.tunnelArea", 0), inside,
                   (long long)ist_json_int(in, "ospf.vpcArea", 0));
}

char *frr_conf(const json_t *in, const ist_dmvpn_machine *machine)
{
    ist_buf b = {.max = 65536};
    bool with_ospf = !ist_dmvpn_is_static(in);
    ist_buf_puts(&b, HEAD
                 "frr defaults traditional\nlog syslog informational\nservice integrated-vtysh-config\n!\n"
                 "nhrp nflog-group 1\nnhrp multicast-nflog-group 2\n!\n");
    static_routes(&b, in, machine);
    ist_buf_puts(&b, "interface " FRR_TUNNEL "\n description DMVPN\n");
    nhrp(&b, in);
    if (with_ospf)
        ospf_of_tunnel(&b, in);
    ist_buf_printf(&b, " tunnel source %s\nexit\n!\n", machine->outside);
    if (with_ospf) {
        ist_buf_printf(&b, "interface %s\n ip ospf passive\nexit\n!\n", machine->inside);
        ospf(&b, in, machine);
    }
    return ist_buf_take(&b);
}
