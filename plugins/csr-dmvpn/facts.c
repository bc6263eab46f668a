// What the configuration depends on beside the inputs: which interfaces are outside and inside, and what is behind the
// inside one. A router that was launched has them by order; one that was there before tells them; for `render` the
// inputs say all.
#include "csr.h"

#include <string.h>

static void keep(char *to, size_t room, const char *text)
{
    size_t len = strnlen(text, room - 1);
    memcpy(to, text, len);
    to[len] = '\0';
}

static void tenth_host(const char *cidr, char text[16])
{
    ist_net4 net;
    text[0] = '\0';
    if (ist_net4_parse(cidr, &net, NULL) == IST_OK && net.prefix <= 28)
        ist_ipv4_text(net.address + 10, text);
}

static uint32_t mask_of(uint8_t prefix)
{
    return prefix ? 0xffffffffu << (32 - prefix) : 0;
}

bool csr_is_inside(const struct csr_facts *facts, const char *cidr)
{
    ist_net4 net;
    return ist_net4_parse(cidr, &net, NULL) == IST_OK && facts->inside_network.prefix &&
           net.prefix >= facts->inside_network.prefix &&
           ist_net4_contains(facts->inside_network, net.address);
}

// The router behind the inside interface: given, or host 1 of its network as a VPC has it.
static int32_t find_gateway(const json_t *inputs, struct csr_facts *f, ist_error *err)
{
    json_t *announced = ist_dmvpn_announced(inputs), *one;
    const char *given = ist_json_str(inputs, "inside_gateway"), *needed = NULL;
    char first[16];
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(announced, i, one)
    {
        if (!csr_is_inside(f, json_string_value(one)))
            needed = json_string_value(one);
    }
    ist_ipv4_text((f->inside_network.address & mask_of(f->inside_network.prefix)) + 1, first);
    if (needed && given)
        keep(f->gateway, sizeof f->gateway, given);
    else if (needed && f->inside_network.prefix && strcmp(first, f->inside_address) != 0)
        keep(f->gateway, sizeof f->gateway, first);
    else if (needed)
        rc = ist_fail(
            err, IST_ERR_INPUT, "inside_gateway",
            "%s is announced and lies behind interface %s, and which router leads there is not known", needed,
            f->inside);
    json_decref(announced);
    return rc;
}

int32_t csr_facts_given(const json_t *inputs, struct csr_facts *facts, ist_error *err)
{
    const char *subnet = ist_json_str(inputs, "private_subnets[0].cidr"),
               *network = ist_json_str(inputs, "inside_network"),
               *own = ist_json_str(inputs, "private_address");
    struct csr_facts f = {.sets_inside = subnet != NULL};
    keep(f.outside, sizeof f.outside, ist_json_str_or(inputs, "outside_interface", "GigabitEthernet1"));
    keep(f.inside, sizeof f.inside, ist_json_str_or(inputs, "inside_interface", "GigabitEthernet2"));
    keep(f.outside_address, sizeof f.outside_address, ist_json_str_or(inputs, "public_address", ""));
    if (subnet)
        tenth_host(subnet, f.inside_address);
    if (own)
        keep(f.inside_address, sizeof f.inside_address, own);
    if (!subnet && !network)
        return ist_fail(err, IST_ERR_INPUT, "inside_network",
                        "is missing: `where: render` asks no router, so that all has to be said");
    int32_t rc = ist_net4_parse(subnet ? subnet : network, &f.inside_network, err);
    if (rc == IST_OK)
        rc = find_gateway(inputs, &f, err);
    if (rc == IST_OK)
        *facts = f;
    return rc;
}

// ---- found on the router ----

// Interfaces that lead somewhere by themselves.
static bool leads_out(const char *name)
{
    static const char *const types[] = {"GigabitEthernet", "TenGigabitEthernet", "FastEthernet",
                                        "Ethernet",        "Port-channel",       "Vlan",
                                        "TwentyFiveGigE",  "HundredGigE",        "FortyGigabitEthernet"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strncmp(name, types[i], strlen(types[i])) == 0)
            return true;
    }
    return false;
}

struct candidate {
    const char *name, *address;
    size_t count;
};

// The interface of that name, of that address, or any but `other`; each may be NULL.
static struct candidate find_interface(const json_t *brief, const char *name, const char *address,
                                       const char *other)
{
    struct candidate found = {NULL, NULL, 0};
    json_t *row;
    size_t i;
    uint32_t ignored;
    json_array_foreach((json_t *)brief, i, row)
    {
        const char *own = ist_json_str_or(row, "interface", ""), *at = ist_json_str_or(row, "address", "");
        if ((name ? strcmp(own, name) != 0 : !leads_out(own)) || (other && strcmp(own, other) == 0) ||
            (address && strcmp(at, address) != 0) || ist_ipv4_parse(at, &ignored) != IST_OK)
            continue;
        found.count++;
        if (!found.name) {
            found.name = own;
            found.address = at;
        }
    }
    return found;
}

static char *names_of(const json_t *brief)
{
    ist_buf b = {.max = 4096};
    json_t *row;
    size_t i;
    json_array_foreach((json_t *)brief, i, row)
        ist_buf_printf(&b, "%s%s (%s)", i ? ", " : "", ist_json_str_or(row, "interface", "?"),
                       ist_json_str_or(row, "address", "?"));
    return ist_buf_take(&b);
}

// Its network: as configured, or as the inputs say where DHCP gave it.
static int32_t find_network(const json_t *inputs, const ist_ios_config *running, struct csr_facts *f,
                            ist_error *err)
{
    const char *given = ist_json_str(inputs, "inside_network");
    char *section = ist_printf("interface %s", f->inside), *mask_text = NULL;
    const char *value = ist_ios_config_value(running, section, "ip address");
    uint32_t address, mask;
    int32_t rc = IST_OK;
    ist_free(section);
    if (value && strchr(value, ' '))
        mask_text = ist_strndup(strchr(value, ' ') + 1, strcspn(strchr(value, ' ') + 1, " "));
    if (mask_text && ist_ipv4_parse(f->inside_address, &address) == IST_OK &&
        ist_ipv4_parse(mask_text, &mask) == IST_OK)
        f->inside_network = (ist_net4){address & mask, (uint8_t)__builtin_popcount(mask)};
    else if (given)
        rc = ist_net4_parse(given, &f->inside_network, err);
    else
        rc = ist_fail(err, IST_ERR_INPUT, "inside_network",
                      "is missing: interface %s has its address by DHCP and does not tell its network",
                      f->inside);
    ist_free(mask_text);
    return rc;
}

int32_t csr_facts_found(const json_t *inputs, const ist_ios_config *running, const json_t *brief,
                        struct csr_facts *facts, ist_error *err)
{
    const char *address = ist_json_str(inputs, "public_address"),
               *name = ist_json_str(inputs, "outside_interface");
    char *there = names_of(brief);
    struct csr_facts f = {.sets_inside = false};
    int32_t rc = IST_OK;
    if (!name && !address)
        name = "GigabitEthernet1";
    struct candidate out = find_interface(brief, name, address, NULL), in = {NULL, NULL, 0};
    if (out.name)
        in = find_interface(brief, ist_json_str(inputs, "inside_interface"),
                            ist_json_str(inputs, "private_address"), out.name);
    if (!out.name)
        rc = ist_fail(err, IST_ERR_INPUT, "outside_interface",
                      "%s with an address is not there; the router has %s", name ? name : address, there);
    else if (in.count != 1)
        rc = ist_fail(err, IST_ERR_INPUT, "inside_interface", "%s it; the router has %s",
                      in.count ? "more than one could be" : "none is", there);
    else {
        keep(f.outside, sizeof f.outside, out.name);
        keep(f.outside_address, sizeof f.outside_address, out.address);
        keep(f.inside, sizeof f.inside, in.name);
        keep(f.inside_address, sizeof f.inside_address, in.address);
        rc = find_network(inputs, running, &f, err);
    }
    if (rc == IST_OK)
        rc = find_gateway(inputs, &f, err);
    if (rc == IST_OK)
        *facts = f;
    ist_free(there);
    return rc;
}
