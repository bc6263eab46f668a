// Which interface of a machine is outside, which inside, and what is behind: of the inputs alone, or of what it tells.
#include <isthmus/alloc.h>
#include <isthmus/dmvpn_machine.h>

#include <isthmus/schema.h>

#include <stdbool.h>
#include <string.h>

static void keep(char *to, size_t room, const char *text)
{
    size_t len = strnlen(text, room - 1);
    memcpy(to, text, len);
    to[len] = '\0';
}

// Host .10, as ist_router_vm gives it to an interface in a VPC.
static void tenth_host(const char *cidr, char text[16])
{
    ist_net4 net; // none is in NULL
    if (ist_net4_parse(cidr, &net, NULL) == IST_OK && net.prefix <= 28)
        ist_ipv4_text(net.address + 10, text);
}

static uint32_t mask_of(uint8_t prefix)
{
    return prefix ? 0xffffffffu << (32 - prefix) : 0;
}

int ist_dmvpn_is_inside(const ist_dmvpn_machine *m, const char *cidr)
{
    ist_net4 net;
    return ist_net4_parse(cidr, &net, NULL) == IST_OK && m->inside_network.prefix &&
           net.prefix >= m->inside_network.prefix && ist_net4_contains(m->inside_network, net.address);
}

// The router behind the inside interface: given, or host 1 of its network as a VPC has it.
static int32_t find_gateway(const json_t *inputs, ist_dmvpn_machine *m, ist_error *err)
{
    json_t *announced = ist_dmvpn_announced(inputs), *one;
    const char *given = ist_json_str(inputs, "inside_gateway"), *needed = NULL;
    char first[16];
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(announced, i, one)
    {
        if (!ist_dmvpn_is_inside(m, json_string_value(one)))
            needed = json_string_value(one);
    }
    ist_ipv4_text((m->inside_network.address & mask_of(m->inside_network.prefix)) + 1, first);
    if (needed && given)
        keep(m->gateway, sizeof m->gateway, given);
    else if (needed && m->inside_network.prefix && strcmp(first, m->inside_address) != 0)
        keep(m->gateway, sizeof m->gateway, first);
    else if (needed)
        rc = ist_fail(
            err, IST_ERR_INPUT, "inside_gateway",
            "%s is announced and lies behind interface %s, and which router leads there is not known", needed,
            m->inside);
    json_decref(announced);
    return rc;
}

// ---- of the inputs alone ----

// What has to be said where no machine is asked: an input, or what it is taken from in a VPC.
struct need {
    const char *path, *instead;
    bool is_needed;
};

#define NEEDS 5
static void needs_of(const ist_dmvpn_kind *kind, struct need needs[NEEDS])
{
    const struct need all[NEEDS] = {
        {"outside_interface", NULL, !kind->outside},
        {"public_address", "public_subnet.cidr", kind->names_address},
        {"inside_interface", NULL, !kind->inside},
        {"private_address", "private_subnets[0].cidr", true},
        {"inside_network", "private_subnets[0].cidr", true},
    };
    memcpy(needs, all, sizeof all);
}

static const char said_by_nobody[] = "is missing: `where: render` asks no %s, so that all has to be said";
static const char as_in_a_vpc[] = "or give `public_subnet` and `private_subnets`, as for a launch in a VPC";

void ist_dmvpn_check_machine(ist_checking *c, const ist_dmvpn_kind *kind)
{
    const json_t *inputs = ist_checking_inputs(c);
    struct need needs[NEEDS];
    ist_net4 inside, gateway;
    needs_of(kind, needs);
    for (size_t i = 0; strcmp(ist_dmvpn_where(inputs), "render") == 0 && i < NEEDS; i++) {
        const struct need *n = &needs[i];
        if (n->is_needed && ist_is_known(c, "where") && ist_is_known(c, n->path) &&
            !ist_checking_at(c, n->path) &&
            (!n->instead || (ist_is_known(c, n->instead) && !ist_checking_at(c, n->instead))))
            ist_wrong_hint(c, n->path, n->instead ? as_in_a_vpc : NULL, said_by_nobody, kind->word);
    }
    ist_check_line(c, "outside_interface");
    ist_check_line(c, "inside_interface");
    ist_check_unicast(c, "nbma_address");
    ist_check_unicast(c, "inside_gateway");
    ist_check_hosts_net(c, "inside_network");
    if (ist_checking_net(c, "inside_network", &inside) && ist_checking_net(c, "inside_gateway", &gateway) &&
        !ist_net4_contains(inside, gateway.address))
        ist_wrong(c, "inside_gateway", "%s is no host of the network behind (`inside_network`)",
                  ist_checking_text(c, "inside_gateway"));
}

int32_t ist_dmvpn_machine_given(const json_t *inputs, const ist_dmvpn_kind *kind, ist_dmvpn_machine *machine,
                                ist_error *err)
{
    const char *outside = ist_json_str(inputs, "outside_interface"),
               *inside = ist_json_str(inputs, "inside_interface"),
               *public_net = ist_json_str(inputs, "public_subnet.cidr"),
               *private_net = ist_json_str(inputs, "private_subnets[0].cidr");
    ist_dmvpn_machine m = {.gateway = ""};
    struct need needs[NEEDS];
    needs_of(kind, needs);
    for (size_t i = 0; i < NEEDS; i++) {
        if (!needs[i].is_needed || ist_json_str(inputs, needs[i].path) ||
            (needs[i].instead && ist_json_str(inputs, needs[i].instead)))
            continue;
        int32_t rc = ist_fail(err, IST_ERR_INPUT, needs[i].path, said_by_nobody, kind->word);
        ist_hint(err, "%s", needs[i].instead ? as_in_a_vpc : "");
        return rc;
    }
    keep(m.outside, sizeof m.outside, outside ? outside : kind->outside);
    keep(m.inside, sizeof m.inside, inside ? inside : kind->inside);
    tenth_host(public_net, m.outside_address);
    tenth_host(private_net, m.inside_address);
    if (ist_json_str(inputs, "public_address"))
        keep(m.outside_address, sizeof m.outside_address, ist_json_str(inputs, "public_address"));
    if (ist_json_str(inputs, "private_address"))
        keep(m.inside_address, sizeof m.inside_address, ist_json_str(inputs, "private_address"));
    int32_t rc = ist_net4_parse(private_net ? private_net : ist_json_str(inputs, "inside_network"),
                                &m.inside_network, err);
    if (rc == IST_OK)
        rc = find_gateway(inputs, &m, err);
    if (rc == IST_OK)
        *machine = m;
    return rc;
}

// ---- of what it tells ----

// The interface of that name, of that address, or any but `other`; each may be NULL. *count: how many could be it.
static const ist_dmvpn_interface *find_interface(const ist_dmvpn_interface *list, size_t n, const char *name,
                                                 const char *address, const char *other, size_t *count)
{
    const ist_dmvpn_interface *found = NULL, *last = NULL;
    uint32_t ignored;
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        const ist_dmvpn_interface *one = &list[i];
        if ((name ? strcmp(one->name, name) != 0 : !one->leads_out) ||
            (other && strcmp(one->name, other) == 0) || (address && strcmp(one->address, address) != 0) ||
            ist_ipv4_parse(one->address, &ignored) != IST_OK)
            continue;
        *count += !last || strcmp(last->name, one->name) != 0;
        last = one;
        found = found ? found : one;
    }
    return found;
}

static char *names_of(const ist_dmvpn_interface *list, size_t count)
{
    ist_buf b = {.max = 4096};
    ist_buf_puts(&b, count ? "" : "none with an address");
    for (size_t i = 0; i < count; i++)
        ist_buf_printf(&b, "%s%s (%s)", i ? ", " : "", list[i].name, list[i].address);
    return ist_buf_take(&b);
}

// Its own, or, where a machine does not tell it (DHCP gave it), the one that the inputs say.
static int32_t find_network(const json_t *inputs, const ist_dmvpn_interface *in, ist_dmvpn_machine *m,
                            ist_error *err)
{
    const char *given = ist_json_str(inputs, "inside_network");
    uint32_t address = 0;
    if (in->prefix && ist_ipv4_parse(in->address, &address) == IST_OK)
        m->inside_network = (ist_net4){address & mask_of(in->prefix), in->prefix};
    else if (given)
        return ist_net4_parse(given, &m->inside_network, err);
    else
        return ist_fail(err, IST_ERR_INPUT, "inside_network",
                        "is missing: interface %s has its address by DHCP and does not tell its network",
                        in->name);
    return IST_OK;
}

int32_t ist_dmvpn_machine_found(const json_t *inputs, const ist_dmvpn_kind *kind,
                                const ist_dmvpn_interface *list, size_t count, const char *outside,
                                ist_dmvpn_machine *machine, ist_error *err)
{
    const char *name = ist_json_str(inputs, "outside_interface"),
               *address = ist_json_str(inputs, "public_address");
    char *there = names_of(list, count);
    const ist_dmvpn_interface *out = NULL, *in = NULL;
    size_t outsides = 0, insides = 0;
    ist_dmvpn_machine m = {.gateway = ""};
    int32_t rc = IST_OK;
    if (!name && !address)
        name = outside ? outside : kind->outside;
    if (name || address)
        out = find_interface(list, count, name, address, NULL, &outsides);
    if (out)
        in = find_interface(list, count, ist_json_str(inputs, "inside_interface"),
                            ist_json_str(inputs, "private_address"), out->name, &insides);
    if (!out && (name || address))
        rc = ist_fail(err, IST_ERR_INPUT, "outside_interface",
                      "%s with an address is not there; the %s has %s", name ? name : address, kind->word,
                      there);
    else if (!out)
        rc = ist_fail(err, IST_ERR_INPUT, "outside_interface", "none is it for certain; the %s has %s",
                      kind->word, there);
    else if (!in || insides != 1)
        rc = ist_fail(err, IST_ERR_INPUT, "inside_interface", "%s it; the %s has %s",
                      insides ? "more than one could be" : "none is", kind->word, there);
    ist_free(there);
    if (rc != IST_OK || !out || !in)
        return rc;
    keep(m.outside, sizeof m.outside, out->name);
    keep(m.outside_address, sizeof m.outside_address, out->address);
    keep(m.inside, sizeof m.inside, in->name);
    keep(m.inside_address, sizeof m.inside_address, in->address);
    rc = find_network(inputs, in, &m, err);
    if (rc == IST_OK)
        rc = find_gateway(inputs, &m, err);
    if (rc == IST_OK)
        *machine = m;
    return rc;
}

// ---- from observe to plan ----

json_t *ist_dmvpn_machine_observed(const ist_dmvpn_machine *m)
{
    return json_pack("{ss ss ss ss}", "outside", m->outside, "inside", m->inside, "outside_address",
                     m->outside_address, "inside_address", m->inside_address);
}

void ist_dmvpn_machine_recall(ist_dmvpn_machine *m, const json_t *observed)
{
    *m = (ist_dmvpn_machine){.gateway = ""};
    keep(m->outside, sizeof m->outside, ist_json_str_or(observed, "outside", ""));
    keep(m->inside, sizeof m->inside, ist_json_str_or(observed, "inside", ""));
    keep(m->outside_address, sizeof m->outside_address, ist_json_str_or(observed, "outside_address", ""));
    keep(m->inside_address, sizeof m->inside_address, ist_json_str_or(observed, "inside_address", ""));
}
