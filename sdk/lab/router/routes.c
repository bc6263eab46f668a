// The routing tables of the two routers: connected, static, and what OSPF brings once the tunnel is up.
#include "device.h"

#include <stdlib.h>
#include <string.h>

static int class_prefix(uint32_t network)
{
    return network >> 31 == 0 ? 8 : network >> 30 == 2 ? 16 : 24;
}

struct table {
    struct route *routes;
    size_t count, room;
};

static void add(struct table *table, uint32_t network, int prefix, const char *code, int distance,
                uint32_t via, const char *interface)
{
    if (table->count == table->room)
        return;
    struct route *route = &table->routes[table->count++];
    *route = (struct route){
        .network = network & lab_mask(prefix), .prefix = prefix, .distance = distance, .via = via};
    snprintf(route->code, sizeof route->code, "%s", code);
    snprintf(route->interface, sizeof route->interface, "%s", interface);
}

static bool connected(const struct router *router, uint32_t address, char *interface, size_t size)
{
    const struct line *line;
    for (size_t i = 0; (line = config_find(router->running, "interface", i)); i++) {
        const char *name = line->text + strlen("interface ");
        uint32_t own;
        int prefix;
        if (router_interface_address(router, name, &own, &prefix) &&
            ((own ^ address) & lab_mask(prefix)) == 0) {
            snprintf(interface, size, "%s", name);
            return true;
        }
    }
    return false;
}

// ---- static routes ----

struct hop {               // of a static route
    uint32_t network, via; // `via` 0: the interface alone
    int prefix, distance;
    char interface[32]; // "" where only an address is given
};

// ip route NETWORK MASK [INTERFACE] [ADDRESS|dhcp] [DISTANCE], in any of the forms that rules.c lets in.
static bool parse_static(const struct router *router, const char *text, struct hop *hop)
{
    char net[20], mask[20], words[3][32] = {"", "", ""};
    uint32_t m, own;
    int prefix;
    if (sscanf(text, "ip route %19s %19s %31s %31s %31s", net, mask, words[0], words[1], words[2]) < 3 ||
        !lab_parse_ip(net, &hop->network) || !lab_parse_ip(mask, &m))
        return false;
    hop->prefix = __builtin_popcount(m);
    hop->via = 0;
    hop->distance = 1;
    hop->interface[0] = 0;
    for (size_t i = 0; i < 3 && *words[i]; i++) {
        if (lab_parse_ip(words[i], &own))
            hop->via = own;
        else if (strspn(words[i], "0123456789") == strlen(words[i]))
            hop->distance = (int)strtol(words[i], NULL, 10);
        else if (strcmp(words[i], "dhcp") != 0)
            snprintf(hop->interface, sizeof hop->interface, "%s", words[i]);
        else if (router_interface_address(router, hop->interface, &own, &prefix))
            hop->via = (own & lab_mask(prefix)) + 1;
    }
    return hop->distance < 255; // which is never believed
}

// The interface that a static route leads to; false while it has none, so that it is not in the table. An address that
// is on no interface's network is looked up in the table, and a default route does not count there.
static bool resolved(const struct router *router, const struct table *table, struct hop *hop)
{
    uint32_t own;
    int prefix, found = 0;
    if (*hop->interface)
        return !strncmp(hop->interface, "Null", 4) ||
               router_interface_address(router, hop->interface, &own, &prefix);
    if (connected(router, hop->via, hop->interface, sizeof hop->interface))
        return true;
    for (size_t i = 0; i < table->count; i++) {
        const struct route *r = &table->routes[i];
        if (r->prefix > found && ((r->network ^ hop->via) & lab_mask(r->prefix)) == 0) {
            found = r->prefix;
            snprintf(hop->interface, sizeof hop->interface, "%s", r->interface);
        }
    }
    return found > 0;
}

static void add_static(const struct router *router, struct table *table)
{
    const struct line *line;
    struct hop hop;
    for (size_t i = 0; (line = config_find(router->running, "ip route", i)); i++) {
        if (!parse_static(router, line->text, &hop))
            continue;
        const bool named = *hop.interface;
        if (!resolved(router, table, &hop) || table->count == table->room)
            continue;
        add(table, hop.network, hop.prefix, hop.prefix ? "S" : "S*", hop.distance, hop.via, hop.interface);
        table->routes[table->count - 1].named = named;
    }
}

static void add_connected(const struct router *router, struct table *table)
{
    const struct line *line;
    uint32_t address;
    int prefix;
    for (size_t i = 0; (line = config_find(router->running, "interface", i)); i++) {
        const char *name = line->text + strlen("interface ");
        if (!router_interface_address(router, name, &address, &prefix))
            continue;
        add(table, address, prefix, "C", 0, 0, name);
        add(table, address, 32, "L", 0, 0, name);
        if (!strcmp(name, "GigabitEthernet1")) // of DHCP, whose routes are the last to be believed
            add(table, 0, 0, "S*", 254, (address & lab_mask(prefix)) + 1, name);
    }
}

// Among OSPF's own routes to one prefix: within the area, from another one, from outside.
static int ospf_rank(const char *code)
{
    return strstr(code, "E2") ? 2 : strstr(code, "IA") ? 1 : 0;
}

static bool better(const struct route *a, const struct route *b)
{
    return a->distance != b->distance ? a->distance < b->distance : ospf_rank(a->code) < ospf_rank(b->code);
}

// Of the routes to one prefix only those of the least administrative distance are in the table; equal ones all are.
static void keep_best(struct table *table)
{
    size_t kept = 0;
    bool loses[ROUTES_MAX] = {false};
    for (size_t i = 0; i < table->count; i++) {
        for (size_t k = 0; k < table->count && !loses[i]; k++) {
            const struct route *r = &table->routes[i], *other = &table->routes[k];
            loses[i] = r->network == other->network && r->prefix == other->prefix && better(other, r);
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        if (!loses[i])
            table->routes[kept++] = table->routes[i];
    }
    table->count = kept;
}

// ---- what a router announces ----

static bool prefix_list_permits(const struct line *root, const char *name, uint32_t network, int prefix)
{
    char *head = lab_format("ip prefix-list %s", name), action[8], cidr[24];
    const struct line *line;
    bool permits = false;
    for (size_t i = 0; (line = config_find(root, head, i)); i++) {
        int seq, least = 0;
        uint32_t listed;
        int bits;
        if (sscanf(line->text + strlen(head), " seq %d %7s %23s", &seq, action, cidr) != 3 ||
            !lab_parse_cidr(cidr, &listed, &bits))
            continue;
        const char *le = strstr(line->text, " le ");
        least = le ? (int)strtol(le + 4, NULL, 10) : bits;
        if (((listed ^ network) & lab_mask(bits)) == 0 && prefix >= bits && prefix <= least) {
            permits = !strcmp(action, "permit");
            break;
        }
    }
    free(head);
    return permits;
}

static bool route_map_permits(const struct line *root, const char *name, uint32_t network, int prefix)
{
    char *head = lab_format("route-map %s", name);
    const struct line *line;
    bool permits = false;
    for (size_t i = 0; (line = config_find(root, head, i)); i++) {
        const char *list = config_value(line, "match ip address prefix-list");
        if (!list || prefix_list_permits(root, list, network, prefix)) {
            permits = !strncmp(line->text + strlen(head), " permit", 7);
            break;
        }
    }
    free(head);
    return permits;
}

static bool redistributed(const struct line *root, const char *rule, uint32_t network, int prefix)
{
    const char *map = strstr(rule, "route-map ");
    if (!strstr(rule, "subnets") && prefix != class_prefix(network))
        return false;
    return !map || route_map_permits(root, map + strlen("route-map "), network, prefix);
}

static void announced(const struct router *from, uint32_t tunnel, const char *tunnel_area,
                      struct table *table)
{
    const struct line *line, *process = config_find(from->running, "router ospf", 0);
    const char *rule = config_value(process, "redistribute static");
    struct route routes[ROUTES_MAX];
    struct table own = {.routes = routes, .room = ROUTES_MAX};
    uint32_t address;
    int prefix;
    add(table, tunnel, 32, "O", 110, tunnel, "Tunnel0");
    for (size_t i = 0; (line = config_find(from->running, "interface", i)); i++) {
        const char *name = line->text + strlen("interface "), *area;
        if (!router_interface_address(from, name, &address, &prefix) || !strncmp(name, "Tunnel", 6))
            continue;
        area = router_ospf_area(from, address);
        if (area)
            add(table, address, prefix, !strcmp(area, tunnel_area) ? "O" : "O IA", 110, tunnel, "Tunnel0");
    }
    // Redistributed is what is in its table, a route to Null0 too.
    add_connected(from, &own);
    add_static(from, &own);
    keep_best(&own);
    for (size_t i = 0; rule && i < own.count; i++) {
        if (!strcmp(routes[i].code, "S") &&
            redistributed(from->running, rule, routes[i].network, routes[i].prefix))
            add(table, routes[i].network, routes[i].prefix, "O E2", 110, tunnel, "Tunnel0");
    }
}

size_t router_routes(struct router *router, struct route routes[ROUTES_MAX])
{
    struct table table = {.routes = routes, .room = ROUTES_MAX};
    struct lab *lab = router->lab;
    struct router *hub = router_hub(lab), *other = router == hub ? router_spoke(lab) : hub;
    uint32_t own, tunnel;
    int prefix;
    char why[8];
    add_connected(router, &table);
    if (other && tunnel_stage(lab, true, why, sizeof why) == STAGE_UP &&
        router_interface_address(router, "Tunnel0", &own, &prefix) &&
        router_interface_address(other, "Tunnel0", &tunnel, &prefix))
        announced(other, tunnel, router_ospf_area(router, own), &table);
    add_static(router, &table);
    keep_best(&table);
    return table.count;
}

// Where `router` sends `dst`, by the longest prefix, as text in `where` (NETWORK/PREFIX by INTERFACE); true if every
// such packet leaves through `interface`: of several equal routes each gets a share.
static bool leaves_by(struct router *router, uint32_t dst, const char *interface, char *where, size_t size)
{
    struct route routes[ROUTES_MAX];
    size_t count = router_routes(router, routes);
    const struct route *found = NULL;
    snprintf(where, size, "none at all");
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        bool shares = found && r->prefix == found->prefix && strcmp(r->interface, interface) != 0;
        if (((r->network ^ dst) & lab_mask(r->prefix)) == 0 &&
            (!found || r->prefix > found->prefix || shares))
            found = r;
    }
    if (found) {
        char *network = lab_ip(found->network);
        snprintf(where, size, "%s/%d by %s", network, found->prefix, found->interface);
        free(network);
    }
    return found && !strcmp(found->interface, interface);
}

static bool over_tunnel(struct lab *lab, struct router *router, const char *name, uint32_t dst, char *why,
                        size_t size)
{
    char where[64];
    if (!router) {
        snprintf(why, size, "no router is launched");
        return false;
    }
    if (tunnel_stage(lab, true, why, size) != STAGE_UP)
        return false;
    // Transit, both ways, is what an access list on the tunnel sees; addresses beyond `dst` are not known here.
    struct acl_packet there = {.protocol = "ip", .dst = dst}, back = {.protocol = "ip", .src = dst};
    if (leaves_by(router, dst, "Tunnel0", where, sizeof where))
        return router_acl_permits(router, "Tunnel0", "out", &there, why, size) &&
               router_acl_permits(router, "Tunnel0", "in", &back, why, size);
    char *address = lab_ip(dst);
    snprintf(why, size, "the %s has no route to %s over the tunnel (%s)", name, address, where);
    free(address);
    return false;
}

static bool into_its_network(struct router *router, const char *name, uint32_t dst, char *why, size_t size)
{
    char where[64];
    if (router && leaves_by(router, dst, "GigabitEthernet2", where, sizeof where))
        return true;
    char *address = lab_ip(dst);
    snprintf(why, size, "the %s has no route to %s in its own network (%s)", name, address,
             router ? where : "no router is launched");
    free(address);
    return false;
}

bool lab_router_spoke_routes(struct lab *lab, uint32_t dst, char *why, size_t size)
{
    return over_tunnel(lab, router_spoke(lab), "spoke", dst, why, size);
}

bool lab_router_hub_routes(struct lab *lab, uint32_t dst, char *why, size_t size)
{
    return over_tunnel(lab, router_hub(lab), "hub", dst, why, size);
}

bool lab_router_spoke_delivers(struct lab *lab, uint32_t dst, char *why, size_t size)
{
    return into_its_network(router_spoke(lab), "spoke", dst, why, size);
}

bool lab_router_hub_delivers(struct lab *lab, uint32_t dst, char *why, size_t size)
{
    return into_its_network(router_hub(lab), "hub", dst, why, size);
}
