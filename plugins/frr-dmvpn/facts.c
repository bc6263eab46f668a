// What of the machine the configuration depends on: which interface is outside, which inside.
#include "frr.h"

#include <stdio.h>
#include <string.h>

static void keep(char *to, size_t room, const char *text)
{
    size_t len = strnlen(text, room - 1);
    memcpy(to, text, len);
    to[len] = '\0';
}

bool frr_is_inside(const frr_facts *facts, const char *cidr)
{
    ist_net4 net;
    return ist_net4_parse(cidr, &net, NULL) == IST_OK && net.prefix >= facts->inside_network.prefix &&
           ist_net4_contains(facts->inside_network, net.address);
}

// The router behind the inside interface: given, or host 1 of its network as a VPC has it.
static int32_t find_gateway(const json_t *inputs, frr_facts *facts, ist_error *err)
{
    json_t *announced = ist_dmvpn_announced(inputs), *one;
    const char *given = ist_json_str(inputs, "inside_gateway"), *needed = NULL;
    char first[16];
    size_t i;
    uint32_t mask = facts->inside_network.prefix ? 0xffffffffu << (32 - facts->inside_network.prefix) : 0;
    json_array_foreach(announced, i, one)
    {
        if (!frr_is_inside(facts, json_string_value(one)))
            needed = json_string_value(one);
    }
    ist_ipv4_text((facts->inside_network.address & mask) + 1, first);
    int32_t rc = IST_OK;
    if (!needed) {
        facts->gateway[0] = '\0';
    } else if (given) {
        keep(facts->gateway, sizeof facts->gateway, given);
    } else if (strcmp(first, facts->inside_address) != 0) {
        keep(facts->gateway, sizeof facts->gateway, first);
    } else {
        rc = ist_fail(
            err, IST_ERR_INPUT, "inside_gateway",
            "%s is announced and lies behind interface %s, and which router leads there is not known", needed,
            facts->inside);
    }
    json_decref(announced);
    return rc;
}

int32_t frr_facts_given(const json_t *inputs, frr_facts *facts, ist_error *err)
{
    const char *outside = ist_json_str(inputs, "outside_interface"),
               *inside = ist_json_str(inputs, "inside_interface");
    const char *from = ist_json_str(inputs, "public_address"), *own = ist_json_str(inputs, "private_address");
    const char *network = ist_json_str(inputs, "inside_network");
    const struct {
        const char *name, *value;
    } needed[] = {{"outside_interface", outside},
                  {"public_address", from},
                  {"inside_interface", inside},
                  {"private_address", own},
                  {"inside_network", network}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (!needed[i].value)
            return ist_fail(err, IST_ERR_INPUT, needed[i].name,
                            "is missing: `where: render` asks no machine, so that all has to be said");
    }
    frr_facts f = {{0}, {0}, {0}, {0}, {0, 0}, {0}};
    keep(f.outside, sizeof f.outside, outside);
    keep(f.inside, sizeof f.inside, inside);
    keep(f.outside_address, sizeof f.outside_address, from);
    keep(f.inside_address, sizeof f.inside_address, own);
    int32_t rc = ist_net4_parse(network, &f.inside_network, err);
    if (rc == IST_OK)
        rc = find_gateway(inputs, &f, err);
    if (rc == IST_OK)
        *facts = f;
    return rc;
}

// ---- found on the machine ----

struct candidate {
    const char *name, *address;
    unsigned prefix;
};

// The first IPv4 address of an interface that packets of others could come in by. `name` NULL: any but `other`.
static struct candidate find_interface(const json_t *addresses, const char *name, const char *address,
                                       const char *other, size_t *count)
{
    struct candidate found = {NULL, NULL, 0};
    json_t *link, *info;
    size_t i, k;
    json_array_foreach((json_t *)addresses, i, link)
    {
        const char *ifname = ist_json_str_or(link, "ifname", "");
        const char *type = ist_json_str_or(link, "link_type", "");
        bool skip = strcmp(type, "ether") != 0 || (other && strcmp(ifname, other) == 0) ||
                    (name && strcmp(ifname, name) != 0) || strncmp(ifname, "docker", 6) == 0 ||
                    strncmp(ifname, "veth", 4) == 0 || strncmp(ifname, "cni", 3) == 0;
        bool counted = false;
        json_array_foreach(json_object_get(link, "addr_info"), k, info)
        {
            const char *local = ist_json_str_or(info, "local", "");
            if (skip || strcmp(ist_json_str_or(info, "family", ""), "inet") != 0 ||
                (address && strcmp(local, address) != 0))
                continue;
            if (!counted) {
                counted = true;
                ++*count;
            }
            if (!found.name)
                found = (struct candidate){ifname, local, (unsigned)ist_json_int(info, "prefixlen", 32)};
        }
    }
    return found;
}

static char *names_of(const json_t *addresses)
{
    ist_buf b = {.max = 4096};
    json_t *link;
    size_t i;
    json_array_foreach((json_t *)addresses, i, link)
    {
        const char *address = ist_json_str(link, "addr_info[0].local");
        if (address)
            ist_buf_printf(&b, "%s%s (%s)", b.len ? ", " : "", ist_json_str_or(link, "ifname", "?"), address);
    }
    return ist_buf_take(&b);
}

static const char *default_interface(const json_t *routes)
{
    json_t *route;
    size_t i;
    json_array_foreach((json_t *)routes, i, route)
    {
        if (strcmp(ist_json_str_or(route, "dst", ""), "default") == 0)
            return ist_json_str(route, "dev");
    }
    return NULL;
}

int32_t frr_facts_found(const json_t *inputs, const json_t *addresses, const json_t *routes, frr_facts *facts,
                        ist_error *err)
{
    const char *name = ist_json_str(inputs, "outside_interface"),
               *address = ist_json_str(inputs, "public_address");
    frr_facts f = {{0}, {0}, {0}, {0}, {0, 0}, {0}};
    size_t outsides = 0, insides = 0;
    char *there = names_of(addresses);
    int32_t rc = IST_OK;
    if (!name && !address)
        name = default_interface(routes);
    struct candidate out = {NULL, NULL, 0}, in = {NULL, NULL, 0};
    if (name || address)
        out = find_interface(addresses, name, address, NULL, &outsides);
    if (out.name)
        in = find_interface(addresses, ist_json_str(inputs, "inside_interface"),
                            ist_json_str(inputs, "private_address"), out.name, &insides);
    if (!out.name)
        rc = ist_fail(err, IST_ERR_INPUT, "outside_interface", "none is it for certain; the host has %s",
                      there);
    else if (insides != 1)
        rc = ist_fail(err, IST_ERR_INPUT, "inside_interface", "%s it; the host has %s",
                      insides ? "more than one could be" : "none is", there);
    if (rc == IST_OK && out.name && in.name) {
        keep(f.outside, sizeof f.outside, out.name);
        keep(f.outside_address, sizeof f.outside_address, out.address);
        keep(f.inside, sizeof f.inside, in.name);
        keep(f.inside_address, sizeof f.inside_address, in.address);
        ist_ipv4_parse(in.address, &f.inside_network.address);
        f.inside_network.prefix = (uint8_t)(in.prefix <= 32 ? in.prefix : 32);
        uint32_t mask = f.inside_network.prefix ? 0xffffffffu << (32 - f.inside_network.prefix) : 0;
        f.inside_network.address &= mask;
        rc = find_gateway(inputs, &f, err);
    }
    if (rc == IST_OK)
        *facts = f;
    ist_free(there);
    return rc;
}
