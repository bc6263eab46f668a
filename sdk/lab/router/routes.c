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

static void add(struct table *table, uint32_t network, int prefix, const char *code, uint32_t via,
                const char *interface)
{
    if (table->count == table->room)
        return;
    struct route *route = &table->routes[table->count++];
    *route = (struct route){.network = network & lab_mask(prefix), .prefix = prefix, .via = via};
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

static bool parse_static(const char *text, uint32_t *network, int *prefix, uint32_t *via)
{
    char net[20], mask[20], hop[40];
    uint32_t m;
    if (sscanf(text, "ip route %19s %19s %39s", net, mask, hop) != 3 || !lab_parse_ip(net, network) ||
        !lab_parse_ip(mask, &m) || !lab_parse_ip(hop, via))
        return false;
    *prefix = __builtin_popcount(m);
    return true;
}

static void add_own(const struct router *router, struct table *table)
{
    const struct line *line;
    uint32_t address, via;
    int prefix;
    char interface[32];
    for (size_t i = 0; (line = config_find(router->running, "interface", i)); i++) {
        const char *name = line->text + strlen("interface ");
        if (!router_interface_address(router, name, &address, &prefix))
            continue;
        add(table, address, prefix, "C", 0, name);
        add(table, address, 32, "L", 0, name);
        if (!strcmp(name, "GigabitEthernet1"))
            add(table, 0, 0, "S*", (address & lab_mask(prefix)) + 1, name); // of DHCP
    }
    for (size_t i = 0; (line = config_find(router->running, "ip route", i)); i++) {
        if (parse_static(line->text, &address, &prefix, &via) &&
            connected(router, via, interface, sizeof interface))
            add(table, address, prefix, prefix ? "S" : "S*", via, interface);
    }
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
    uint32_t address, via;
    int prefix;
    add(table, tunnel, 32, "O", tunnel, "Tunnel0");
    for (size_t i = 0; (line = config_find(from->running, "interface", i)); i++) {
        const char *name = line->text + strlen("interface "), *area;
        if (!router_interface_address(from, name, &address, &prefix) || !strncmp(name, "Tunnel", 6))
            continue;
        area = router_ospf_area(from, address);
        if (area)
            add(table, address, prefix, !strcmp(area, tunnel_area) ? "O" : "O IA", tunnel, "Tunnel0");
    }
    for (size_t i = 0; rule && (line = config_find(from->running, "ip route", i)); i++) {
        if (parse_static(line->text, &address, &prefix, &via) && prefix &&
            redistributed(from->running, rule, address, prefix))
            add(table, address, prefix, "O E2", tunnel, "Tunnel0");
    }
}

size_t router_routes(struct router *router, struct route *routes, size_t room)
{
    struct table table = {.routes = routes, .room = room};
    struct lab *lab = router->lab;
    struct router *hub = router_hub(lab), *other = router == hub ? router_spoke(lab) : hub;
    uint32_t own, tunnel;
    int prefix;
    char why[8];
    add_own(router, &table);
    if (other && tunnel_stage(lab, true, why, sizeof why) == STAGE_UP &&
        router_interface_address(router, "Tunnel0", &own, &prefix) &&
        router_interface_address(other, "Tunnel0", &tunnel, &prefix))
        announced(other, tunnel, router_ospf_area(router, own), &table);
    return table.count;
}

// Codes by administrative distance: connected and local, static, OSPF.
static int distance(const char *code)
{
    return *code == 'C' || *code == 'L' ? 0 : *code == 'S' ? 1 : 110;
}

static const struct route *best(const struct route *routes, size_t count, uint32_t dst)
{
    const struct route *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        if ((r->network ^ dst) & lab_mask(r->prefix))
            continue;
        if (!found || r->prefix > found->prefix ||
            (r->prefix == found->prefix && distance(r->code) < distance(found->code)))
            found = r;
    }
    return found;
}

static bool over_tunnel(struct lab *lab, struct router *router, const char *name, uint32_t dst, char *why,
                        size_t size)
{
    struct route routes[128];
    if (!router) {
        snprintf(why, size, "no router is launched");
        return false;
    }
    if (tunnel_stage(lab, true, why, size) != STAGE_UP)
        return false;
    const struct route *route = best(routes, router_routes(router, routes, 128), dst);
    // Transit, both ways, is what an access list on the tunnel sees; addresses beyond `dst` are not known here.
    struct acl_packet there = {.protocol = "ip", .dst = dst}, back = {.protocol = "ip", .src = dst};
    if (route && !strcmp(route->interface, "Tunnel0"))
        return router_acl_permits(router, "Tunnel0", "out", &there, why, size) &&
               router_acl_permits(router, "Tunnel0", "in", &back, why, size);
    char *address = lab_ip(dst);
    snprintf(why, size, "the %s has no route to %s over the tunnel (%s)", name, address,
             route ? route->interface : "none at all");
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
