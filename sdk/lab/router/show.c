// The show commands, as IOS XE 17 prints them, from the configuration and the state of the tunnel.
#include "device.h"

#include <stdlib.h>
#include <string.h>

const char *const lab_shows[] = {
    "running-config",
    "running-config all",
    "running-config interface <interface>",
    "startup-config",
    "archive",
    "archive config rollback timer",
    "configuration lock",
    "dmvpn",
    "dmvpn detail",
    "crypto ikev2 sa",
    "crypto ikev2 sa detailed",
    "crypto ipsec sa",
    "ip ospf neighbor",
    "ip route",
    "ip route ospf",
    "ip nhrp nhs",
    "ip nhrp nhs detail",
    "interfaces",
    "ip interface",
    "ip interface brief",
    "ipv6 interface",
    "inventory",
    "privilege",
    "memory statistics",
    "lldp",
    "cdp",
    "ip ssh",
    "version",
    "platform hardware throughput level",
    "users",
    "clock",
};
const size_t lab_show_count = sizeof lab_shows / sizeof *lab_shows;

struct peer {
    enum stage stage;
    struct router *other;
    uint32_t own_source, own_tunnel, other_tunnel, other_nbma;
    char why[160];
    int64_t age;       // seconds
    bool encapsulated; // behind NAT: UDP 4500
};

static void look_at_peer(struct router *router, struct peer *peer)
{
    struct lab *lab = router->lab;
    struct router *hub = router_hub(lab), *spoke = router_spoke(lab);
    int prefix;
    memset(peer, 0, sizeof *peer);
    peer->stage = tunnel_stage(lab, true, peer->why, sizeof peer->why);
    peer->other = router == hub ? spoke : hub;
    router_interface_address(router, "GigabitEthernet1", &peer->own_source, &prefix);
    router_interface_address(router, "Tunnel0", &peer->own_tunnel, &prefix);
    if (peer->other) {
        router_interface_address(peer->other, "Tunnel0", &peer->other_tunnel, &prefix);
        peer->other_nbma = peer->other->address;
    }
    if (spoke && spoke->fits_since_ms)
        peer->age = (lab_mono_ms() - spoke->fits_since_ms) / 1000;
    peer->encapsulated = spoke && spoke->outside != spoke->address;
}

static void print_age(FILE *out, int64_t seconds)
{
    fprintf(out, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
}

static void print_ip(FILE *out, const char *format, uint32_t address)
{
    char *text = lab_ip(address);
    for (const char *p = format; *p; p++) {
        if (*p == '@')
            fputs(text, out);
        else
            fputc(*p, out);
    }
    free(text);
}

// ---- configuration ----

static void running(struct router *router, FILE *out)
{
    char *text = config_text(router->running, CONFIG_SHOWN);
    fprintf(out,
            "Building configuration...\n\nCurrent configuration : %zu bytes\n!\n"
            "! Last configuration change at 10:00:00 UTC Mon Jan 1 2024 by ec2-user\n!\nversion "
            "17.9\n%s!\nend\n\n",
            strlen(text) + 120, text);
    free(text);
}

static void running_interface(struct router *router, const char *name, FILE *out)
{
    const struct line *line = router_interface(router, name);
    fprintf(out, "Building configuration...\n\nCurrent configuration : %d bytes\n!\n", 100);
    for (size_t i = 0; line && i < line->count; i++)
        fprintf(out, "%s%s%s\n", i ? " " : line->text, i ? "" : "\n ", line->child[i]->text);
    fputs("end\n\n", out);
}

static void lock(struct router *router, FILE *out)
{
    // Who is in configuration mode holds the lock only where that mode is exclusive.
    const struct session *holder = NULL;
    for (const struct session *s = router->sessions; s; s = s->next) {
        if (s->mode && config_has(router->running, "configuration mode exclusive auto"))
            holder = s;
    }
    fprintf(out,
            "Parser Configure Lock\n---------------------\nOwner PID         : %d\nUser              : %s\n"
            "TTY               : %d\nType              : %s\nState             : %s\nClass             : %s\n"
            "Count             : %d\nPending Requests  : 0\nUser debug info   : %s\n",
            holder ? 3 : -1, holder ? holder->user : "unknown", holder ? (int)holder->vty + 2 : -1,
            holder ? "EXCLUSIVE" : "NO LOCK", holder ? "LOCKED" : "FREE", holder ? "EXPOSED" : "unknown",
            holder ? 1 : 0, holder ? "configure terminal" : "");
}

// ---- DMVPN ----

static const char *nhrp_state(enum stage stage)
{
    return stage >= STAGE_OSPF ? "UP" : stage >= STAGE_NHRP ? "NHRP" : "IKE";
}

static void dmvpn_rows(struct router *router, const struct peer *peer, bool detail, FILE *out)
{
    bool hub = router->id[0] == 'h', up = peer->stage >= STAGE_OSPF;
    fprintf(out, " # Ent  Peer NBMA Addr Peer Tunnel Add State  UpDn Tm Attrb%s\n",
            detail ? "    Target Network" : "");
    fprintf(out, " ----- --------------- --------------- ----- -------- -----%s\n",
            detail ? " -----------------" : "");
    if (hub && !up)
        return;
    char *nbma = lab_ip(peer->other_nbma), *tunnel = lab_ip(peer->other_tunnel);
    fprintf(out, "     1 %-15s %15s %5s ", nbma, tunnel, nhrp_state(peer->stage));
    if (up)
        print_age(out, peer->age);
    else
        fputs("   never", out);
    fprintf(out, " %5s", hub ? (peer->encapsulated ? "DN" : "D") : "S");
    if (detail)
        fprintf(out, " %15s/32", tunnel);
    fputs("\n\n", out);
    free(nbma);
    free(tunnel);
}

static void nhs_row(struct router *router, const struct peer *peer, FILE *out)
{
    const struct line *line;
    char nhs[20], nbma[20];
    for (size_t i = 0; (line = config_find(router_interface(router, "Tunnel0"), "ip nhrp nhs", i)); i++) {
        int n = sscanf(line->text, "ip nhrp nhs %19s nbma %19s", nhs, nbma);
        if (n >= 1)
            fprintf(out, "%s %s%s%s priority = 0 cluster = 0\n", nhs,
                    peer->stage >= STAGE_OSPF ? " RE" : "  E", n == 2 ? " NBMA Address: " : "",
                    n == 2 ? nbma : "");
    }
}

static void dmvpn(struct router *router, bool detail, FILE *out)
{
    struct peer peer;
    bool hub = router->id[0] == 'h';
    look_at_peer(router, &peer);
    fputs("Legend: Attrb --> S - Static, D - Dynamic, I - Incomplete\n"
          "        N - NATed, L - Local, X - No Socket\n"
          "        T1 - Route Installed, T2 - Nexthop-override, B - BGP\n"
          "        C - CTS Capable, I2 - Temporary\n"
          "        # Ent --> Number of NHRP entries with same NBMA peer\n"
          "        NHS Status: E --> Expecting Replies, R --> Responding, W --> Waiting\n"
          "        UpDn Time --> Up or Down Time for a Tunnel\n"
          "==========================================================================\n\n",
          out);
    if (!router_interface(router, "Tunnel0"))
        return;
    if (!detail) {
        fprintf(out, "Interface: Tunnel0, IPv4 NHRP Details \nType:%s, NHRP Peers:1, \n\n",
                hub ? "Hub" : "Spoke");
        dmvpn_rows(router, &peer, false, out);
        return;
    }
    print_ip(out, "Interface Tunnel0 is up/up, Addr. is @, VRF \"\" \n", peer.own_tunnel);
    print_ip(out, "   Tunnel Src./Dest. addr: @/Multipoint, Tunnel VRF \"\"\n", peer.own_source);
    fputs("   Protocol/Transport: \"multi-GRE/IP\", Protect \"profile\" \n   Interface State Control: "
          "Disabled\n"
          "   nhrp event-publisher : Disabled\n\nIPv4 NHS:\n",
          out);
    nhs_row(router, &peer, out);
    fprintf(out, "Type:%s, Total NBMA Peers (v4/v6): 1\n\n", hub ? "Hub" : "Spoke");
    dmvpn_rows(router, &peer, true, out);
}

static void nhs(struct router *router, FILE *out)
{
    struct peer peer;
    look_at_peer(router, &peer);
    fputs("Legend: E=Expecting replies, R=Responding, W=Waiting, D=Dynamic\nTunnel0:\n", out);
    nhs_row(router, &peer, out);
    fputs("\n", out);
}

// ---- crypto ----

static void ikev2(struct router *router, bool detail, FILE *out)
{
    struct peer peer;
    look_at_peer(router, &peer);
    fputs(" IPv4 Crypto IKEv2  SA \n\n", out);
    if (peer.stage <= STAGE_IKE)
        return;
    char *own = lab_ip(peer.own_source), *other = lab_ip(peer.other_nbma);
    int port = peer.encapsulated ? 4500 : 500;
    char *local = lab_format("%s/%d", own, port), *remote = lab_format("%s/%d", other, port);
    fprintf(out,
            "Tunnel-id Local                 Remote                fvrf/ivrf            Status \n"
            "1         %-21s %-21s none/none            READY  \n"
            "      Encr: AES-GCM, keysize: 256, PRF: SHA512, Hash: None, DH Grp:19, Auth sign: PSK, Auth "
            "verify: PSK\n"
            "      Life/Active Time: 86400/%lld sec\n",
            local, remote, (long long)peer.age);
    if (detail)
        fprintf(out,
                "      CE id: 1001, Session-id: 1\n      Status Description: Negotiation done\n"
                "      Local spi: 409A5870608E1C87       Remote spi: 20858C98BE7EE1A9\n"
                "      Local id: %s\n      Remote id: %s\n      NAT-T is %sdetected  %s\n",
                own, other, peer.encapsulated ? "" : "not ", peer.encapsulated ? "inside" : "");
    fputs("\n IPv6 Crypto IKEv2  SA \n\n", out);
    free(own);
    free(other);
    free(local);
    free(remote);
}

static void ipsec_sas(const struct peer *peer, const char *direction, const char *spi, FILE *out)
{
    fprintf(
        out,
        "     %s esp sas:\n      spi: %s(2882343476)\n        transform: esp-gcm 256 ,\n"
        "        in use settings ={Transport%s, }\n"
        "        conn id: 2001, flow_id: CSR:1, sibling_flags FFFFFFFF80000008, crypto map: Tunnel0-head-0\n"
        "        sa timing: remaining key lifetime (k/sec): (4607999/%lld)\n        IV size: 8 bytes\n"
        "        replay detection support: Y  replay window size: 1024\n        Status: ACTIVE(ACTIVE)\n\n"
        "     %s ah sas:\n\n     %s pcp sas:\n\n",
        direction, spi, peer->encapsulated ? " UDP-Encaps" : "", (long long)(3600 - peer->age % 3600),
        direction, direction);
}

static void ipsec(struct router *router, FILE *out)
{
    struct peer peer;
    look_at_peer(router, &peer);
    if (peer.stage <= STAGE_IPSEC)
        return;
    char *own = lab_ip(peer.own_source), *other = lab_ip(peer.other_nbma);
    // Registrations and hellos count both ways; without an answer nothing is decapsulated.
    long long sent = 10 + peer.age * 2, received = peer.stage >= STAGE_OSPF ? sent - 1 : 0;
    fprintf(out,
            "\ninterface: Tunnel0\n    Crypto map tag: Tunnel0-head-0, local addr %s\n\n   protected vrf: "
            "(none)\n"
            "   local  ident (addr/mask/prot/port): (%s/255.255.255.255/47/0)\n"
            "   remote ident (addr/mask/prot/port): (%s/255.255.255.255/47/0)\n   current_peer %s port %d\n"
            "     PERMIT, flags={origin_is_acl,}\n"
            "    #pkts encaps: %lld, #pkts encrypt: %lld, #pkts digest: %lld\n"
            "    #pkts decaps: %lld, #pkts decrypt: %lld, #pkts verify: %lld\n"
            "    #pkts compressed: 0, #pkts decompressed: 0\n"
            "    #pkts not compressed: 0, #pkts compr. failed: 0\n"
            "    #pkts not decompressed: 0, #pkts decompress failed: 0\n"
            "    #send errors 0, #recv errors 0\n\n"
            "     local crypto endpt.: %s, remote crypto endpt.: %s\n"
            "     plaintext mtu 1442, path mtu 1500, ip mtu 1500, ip mtu idb GigabitEthernet1\n"
            "     current outbound spi: 0x1234ABCD(305441741)\n     PFS (Y/N): N, DH group: none\n\n",
            own, own, other, other, peer.encapsulated ? 4500 : 500, sent, sent, sent, received, received,
            received, own, other);
    ipsec_sas(&peer, "inbound", "0xABCD1234", out);
    ipsec_sas(&peer, "outbound", "0x1234ABCD", out);
    free(own);
    free(other);
}

// ---- OSPF and routes ----

static void neighbor(struct router *router, FILE *out)
{
    struct peer peer;
    look_at_peer(router, &peer);
    fputs("\nNeighbor ID     Pri   State           Dead Time   Address         Interface\n", out);
    if (peer.stage != STAGE_UP)
        return;
    const char *id = config_value(config_find(peer.other->running, "router ospf", 0), "router-id");
    char *address = lab_ip(peer.other_tunnel);
    fprintf(out, "%-15s   0   FULL/  -        00:00:%02d    %-15s Tunnel0\n", id ? id : address,
            39 - (int)(peer.age % 10), address);
    free(address);
}

static int class_prefix(uint32_t network)
{
    return network >> 31 == 0 ? 8 : network >> 30 == 2 ? 16 : 24;
}

static int order(const void *a, const void *b)
{
    const struct route *x = a, *y = b;
    if (x->network != y->network)
        return x->network < y->network ? -1 : 1;
    return x->prefix - y->prefix;
}

static bool wanted(const struct route *route, bool ospf)
{
    return !ospf || *route->code == 'O';
}

// The heading over the subnets of one classful network.
static void heading(const struct route *routes, size_t count, uint32_t major, int bits, bool ospf, FILE *out)
{
    size_t subnets = 0, masks = 0;
    bool seen[33] = {false};
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        if (r->prefix <= bits || (r->network ^ major) >> (32 - bits) || !wanted(r, ospf))
            continue;
        subnets++;
        masks += !seen[r->prefix];
        seen[r->prefix] = true;
    }
    char *net = lab_ip(major);
    fprintf(out, "      %s/%d is variably subnetted, %zu subnets, %zu masks\n", net, bits, subnets,
            masks ? masks : 1);
    free(net);
}

static void print_route(const struct route *route, bool indented, int64_t age, FILE *out)
{
    char *net = lab_ip(route->network), *via = lab_ip(route->via);
    fprintf(out, "%-5s%s %s/%d ", route->code, indented ? "   " : "", net, route->prefix);
    if (!route->via) {
        fprintf(out, "is directly connected, %s\n", route->interface);
    } else if (*route->code == 'S') {
        fprintf(out, "[%d/0] via %s%s%s\n", route->distance, via, route->named ? ", " : "",
                route->named ? route->interface : "");
    } else {
        fprintf(out, "[110/%d] via %s, ", strstr(route->code, "E2") ? 20 : 1001, via);
        print_age(out, age);
        fprintf(out, ", %s\n", route->interface);
    }
    free(net);
    free(via);
}

static void ip_route(struct router *router, bool ospf, FILE *out)
{
    struct route routes[ROUTES_MAX];
    struct peer peer;
    size_t count = router_routes(router, routes);
    uint32_t last_major = 1, gateway = 0;
    look_at_peer(router, &peer);
    qsort(routes, count, sizeof *routes, order);
    fputs("Codes: L - local, C - connected, S - static, R - RIP, M - mobile, B - BGP\n"
          "       D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area \n"
          "       N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2\n"
          "       E1 - OSPF external type 1, E2 - OSPF external type 2, m - OMP\n"
          "       n - NAT, Ni - NAT inside, No - NAT outside, Nd - NAT DIA\n"
          "       i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2\n"
          "       ia - IS-IS inter area, * - candidate default, U - per-user static route\n"
          "       H - NHRP, G - NHRP registered, g - NHRP registration summary\n"
          "       o - ODR, P - periodic downloaded static route, l - LISP\n"
          "       a - application route\n"
          "       + - replicated route, % - next hop override, p - overrides from PfR\n\n",
          out);
    for (size_t i = 0; i < count; i++) {
        if (!routes[i].prefix)
            gateway = routes[i].via;
    }
    if (gateway)
        print_ip(out, "Gateway of last resort is @ to network 0.0.0.0\n\n", gateway);
    else
        fputs("Gateway of last resort is not set\n\n", out);
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        int bits = class_prefix(r->network);
        uint32_t major = r->network & (0xffffffffu << (32 - bits));
        bool indented = r->prefix > bits;
        if (!wanted(r, ospf))
            continue;
        if (indented && major != last_major)
            heading(routes, count, major, bits, ospf, out);
        if (indented)
            last_major = major;
        print_route(r, indented, peer.age, out);
    }
}

// ---- which of them ----

static void show_index(struct session *session, const char *what, FILE *out)
{
    struct router *router = session->router;
    if (!strncmp(what, "running-config interface ", 25))
        running_interface(router, what + 25, out);
    else if (!strncmp(what, "running-config", 14))
        running(router, out);
    else if (!strcmp(what, "startup-config"))
        fprintf(out, "Using 1 out of 33554432 bytes\n!\n%s!\nend\n\n",
                router->startup ? router->startup : "");
    else if (!strcmp(what, "archive"))
        archive_show(router, out);
    else if (!strcmp(what, "archive config rollback timer"))
        archive_timer_show(router, out);
    else if (!strcmp(what, "configuration lock"))
        lock(router, out);
    else if (!strncmp(what, "dmvpn", 5))
        dmvpn(router, what[5], out);
    else if (!strncmp(what, "crypto ikev2 sa", 15))
        ikev2(router, what[15], out);
    else if (!strcmp(what, "crypto ipsec sa"))
        ipsec(router, out);
    else if (!strcmp(what, "ip ospf neighbor"))
        neighbor(router, out);
    else if (!strncmp(what, "ip route", 8))
        ip_route(router, what[8], out);
    else if (!strncmp(what, "ip nhrp nhs", 11))
        nhs(router, out);
    else if (!strcmp(what, "ip ssh"))
        fputs("SSH Enabled - version 2.0\nAuthentication methods:publickey,keyboard-interactive,password\n",
              out);
    else if (!strncmp(what, "platform", 8))
        fputs("The current throughput level is 1000000 kb/s \n", out);
    else
        show_system(session, what, out);
}

enum match_result show_command(struct session *session, const char *line, FILE *out, size_t *at)
{
    size_t index;
    char *canonical;
    enum match_result result =
        grammar_words(lab_shows, sizeof lab_shows / sizeof *lab_shows, line, &index, &canonical, at);
    if (result == MATCH_OK)
        show_index(session, canonical, out);
    free(canonical);
    return result;
}
