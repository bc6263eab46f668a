// Does the tunnel work? Each fact by itself, from the router's own words.
#include "csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct facts {
    json_t *nhs, *ike, *ipsec, *ospf, *routes;
};

struct check {
    const char *name;
    bool good;
    char *evidence; // owned
};

#define CHECKS 6

static void free_facts(struct facts *f)
{
    json_decref(f->nhs);
    json_decref(f->ike);
    json_decref(f->ipsec);
    json_decref(f->ospf);
    json_decref(f->routes);
    memset(f, 0, sizeof *f);
}

static int32_t ask(struct device *d, const char *command,
                   int32_t (*parse)(const char *, json_t **, ist_error *), json_t **out, ist_error *err)
{
    char *text = NULL;
    int32_t rc = ist_ios_show(d->ios, command, &text, err);
    if (rc == IST_OK)
        rc = parse(text, out, err);
    ist_free(text);
    return rc;
}

static int32_t read_facts(struct device *d, struct facts *f, ist_error *err)
{
    free_facts(f);
    int32_t rc = ask(d, "show ip nhrp nhs", ist_ios_show_nhs, &f->nhs, err);
    if (rc == IST_OK)
        rc = ask(d, "show crypto ikev2 sa", ist_ios_show_ikev2_sa, &f->ike, err);
    if (rc == IST_OK)
        rc = ask(d, "show crypto ipsec sa", ist_ios_show_ipsec_sa, &f->ipsec, err);
    if (rc == IST_OK)
        rc = ask(d, "show ip ospf neighbor", ist_ios_show_ospf_neighbor, &f->ospf, err);
    if (rc == IST_OK)
        rc = ask(d, "show ip route ospf", ist_ios_show_route, &f->routes, err);
    return rc;
}

static const json_t *find(const json_t *rows, const char *key, const char *value)
{
    json_t *row;
    size_t i;
    json_array_foreach((json_t *)rows, i, row)
    {
        if (strcmp(ist_json_str_or(row, key, ""), value) == 0)
            return row;
    }
    return NULL;
}

static struct check check_nhs(const struct facts *f, const char *hub)
{
    const json_t *row = find(f->nhs, "nhs", hub);
    const char *flags = ist_json_str_or(row, "flags", "");
    struct check c = {"next hop server answers", strchr(flags, 'R') && strchr(flags, 'E'), NULL};
    c.evidence = row ? ist_printf("NHS %s is %s%s", hub, flags,
                                  c.good ? ""
                                         : " (RE is wanted: it does not reply; the "
                                           "NHRP authentication may differ)")
                     : ist_printf("NHS %s is not configured on Tunnel0", hub);
    return c;
}

static struct check check_ike(const struct facts *f, const char *peer)
{
    const json_t *row = find(f->ike, "remote", peer);
    const char *status = ist_json_str_or(row, "status", "");
    struct check c = {"IKEv2 SA is ready", strcmp(status, "READY") == 0, NULL};
    c.evidence =
        row ? ist_printf("%s with %s, %s, PRF %s, group %s", status, peer,
                         ist_json_str_or(row, "encryption", "?"), ist_json_str_or(row, "prf", "?"),
                         ist_json_str_or(row, "group", "?"))
            : ist_printf("none with %s: pre-shared key, proposal or identities differ, or UDP 500 and 4500 "
                         "do not get through",
                         peer);
    return c;
}

static struct check check_ipsec(const struct facts *f, const char *peer)
{
    const json_t *row = find(f->ipsec, "peer", peer);
    long long out = ist_json_int(row, "encaps", 0), in = ist_json_int(row, "decaps", 0);
    const char *settings = ist_json_str_or(row, "settings[0]", "");
    bool transport = strncmp(settings, "Transport", 9) == 0;
    struct check c = {"IPsec carries packets both ways", row && transport && out > 0 && in > 0, NULL};
    c.evidence = row ? ist_printf("%lld encapsulated, %lld decapsulated, {%s}%s", out, in, settings,
                                  transport ? "" : ": transport mode is wanted")
                     : ist_printf("no IPsec SA with %s", peer);
    return c;
}

static struct check check_ospf(const struct facts *f)
{
    const json_t *row = find(f->ospf, "interface", "Tunnel0");
    const char *state = ist_json_str_or(row, "state", "");
    struct check c = {"OSPF neighbour is full", strcmp(state, "FULL") == 0, NULL};
    c.evidence =
        row ? ist_printf("%s over Tunnel0 is %s", ist_json_str_or(row, "id", "?"), state)
            : ist_strdup("none over Tunnel0: area, timers, network type, MTU or authentication differ, or "
                         "hellos do not arrive");
    return c;
}

// A route that covers the prefix and is no default route.
static struct check check_route(const struct facts *f, const char *name, const char *cidr)
{
    json_t *row;
    const json_t *found = NULL;
    ist_net4 wanted, net;
    size_t i;
    bool parsed = ist_net4_parse(cidr, &wanted, NULL) == IST_OK;
    json_array_foreach(f->routes, i, row)
    {
        if (parsed && ist_net4_parse(ist_json_str_or(row, "prefix", ""), &net, NULL) == IST_OK &&
            net.prefix > 0 && net.prefix <= wanted.prefix && ist_net4_contains(net, wanted.address) &&
            strcmp(ist_json_str_or(row, "interface", ""), "Tunnel0") == 0)
            found = row;
    }
    struct check c = {name, found != NULL, NULL};
    c.evidence =
        found ? ist_printf("%s %s via %s", ist_json_str_or(found, "code", "O"),
                           ist_json_str_or(found, "prefix", "?"), ist_json_str_or(found, "via", "?"))
              : ist_printf("%s is in no route that OSPF learned over Tunnel0: the hub does not announce it",
                           cidr);
    return c;
}

static bool judge(const struct csr *c, const struct facts *f, struct check *checks)
{
    const char *peer = ist_json_str_or(c->inputs, "ike_profile.remote_peer_ip", "");
    bool all = true;
    checks[0] = check_ike(f, peer);
    checks[1] = check_ipsec(f, peer);
    checks[2] = check_nhs(f, ist_json_str_or(c->inputs, "nhrp.HubTunnelIP", ""));
    checks[3] = check_ospf(f);
    checks[4] =
        check_route(f, "route to the nodes on premises", ist_json_str_or(c->inputs, "onPremCidr", ""));
    // Without a network of their own the pods are in the nodes'.
    const char *pods = ist_json_str(c->inputs, "onPremPodCidr");
    if (pods)
        checks[5] = check_route(f, "route to the pods on premises", pods);
    for (size_t i = 0; i < CHECKS; i++)
        all = all && (!checks[i].name || checks[i].good);
    return all;
}

static void free_checks(struct check *checks)
{
    for (size_t i = 0; i < CHECKS; i++) {
        ist_free(checks[i].evidence);
        checks[i].evidence = NULL;
    }
}

// Looks until all is well, or for as long as it may take.
static int32_t watch_tunnel(struct csr *c, struct device *d, struct check *checks, ist_error *err)
{
    int64_t until = ist_now_ms(&c->env) + ist_json_int(c->inputs, "settle", 90000);
    struct facts facts = {0};
    for (;;) {
        int32_t rc = read_facts(d, &facts, err);
        if (rc != IST_OK) {
            free_facts(&facts);
            return rc;
        }
        free_checks(checks);
        if (judge(c, &facts, checks) || ist_now_ms(&c->env) >= until)
            break;
        for (size_t i = 0; i < CHECKS; i++) {
            if (checks[i].name && !checks[i].good) {
                ist_progress(&c->env, "tunnel: %s? %s", checks[i].name, checks[i].evidence);
                break;
            }
        }
        rc = ist_sleep_ms(&c->env, 500);
        if (rc != IST_OK) {
            free_facts(&facts);
            return ist_fail(err, rc, "router", "waiting for the tunnel was %s", ist_code_name(rc));
        }
    }
    free_facts(&facts);
    return IST_OK;
}

static void check_throughput(struct csr *c, struct device *d)
{
    char *text = NULL;
    if (ist_ios_show(d->ios, "show platform hardware throughput level", &text, NULL) != IST_OK)
        return; // not every platform has one
    const char *line = text + strspn(text, "\n ");
    // An unlicensed CSR 1000v forwards 100 kb/s, a Catalyst 8000V 10 Mb/s at least.
    const char *level = strstr(line, " is ");
    long long kbits = -1;
    for (const char *p = level ? level + 4 : ""; *p >= '0' && *p <= '9' && kbits < 1000000000000; p++)
        kbits = (kbits < 0 ? 0 : kbits) * 10 + (*p - '0');
    ist_check(&c->env, "throughput licence", kbits >= 0 && kbits <= 1000 ? IST_WARN : IST_PASS, "%.*s",
              (int)strcspn(line, "\n"), line);
    ist_free(text);
}

static void check_settled(struct csr *c, struct device *d)
{
    int minutes = 0;
    if (ist_ios_pending(d->ios, &minutes, NULL) == IST_OK)
        ist_check(&c->env, "no unconfirmed change", minutes ? IST_FAIL : IST_PASS, "%s",
                  minutes ? "a change is pending and will revert" : "none is pending");
}

// Lines on the interfaces that the tunnel stands on which are the platform's or the operator's, and may stop it. Nobody
// removes them from here; they are named.
static bool tell_obstacles(struct csr *c, struct device *d)
{
    static const char *const interfaces[] = {"interface GigabitEthernet1", "interface GigabitEthernet2"};
    static const char *const lines[] = {"ip access-group", "shutdown", "crypto map", "ip policy route-map"};
    bool found = false;
    for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++) {
        for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
            const char *rest = ist_ios_config_value(d->running, interfaces[i], lines[k]);
            if (!rest)
                continue;
            found = true;
            ist_check(&c->env, "nothing on the router is in the way", IST_FAIL, "%s: %s%s%s", interfaces[i],
                      lines[k], *rest ? " " : "", rest);
        }
    }
    return found;
}

// Does a static route of somebody else's come before the way to `cidr`? One that is narrower does, and one of the same
// width unless its distance is behind OSPF's; not one that leads into the tunnel itself.
static bool overrides(const struct csr *c, const char *line, const char *cidr)
{
    char network[20], mask[20], rest[3][40] = {"", "", ""};
    const char *hub = ist_json_str_or(c->inputs, "nhrp.HubTunnelIP", "");
    uint32_t address, bits;
    ist_net4 net;
    if (sscanf(line, "ip route %19s %19s %39s %39s %39s", network, mask, rest[0], rest[1], rest[2]) < 3 ||
        ist_net4_parse(cidr, &net, NULL) != IST_OK || ist_ipv4_parse(network, &address) != IST_OK ||
        ist_ipv4_parse(mask, &bits) != IST_OK)
        return false;
    int width = __builtin_popcount(bits);
    long distance = 1;
    for (size_t i = 1; i < 3; i++) {
        if (*rest[i] && strspn(rest[i], "0123456789") == strlen(rest[i]))
            distance = strtol(rest[i], NULL, 10);
    }
    return ist_net4_contains(net, address) && strncmp(rest[0], "Tunnel", 6) != 0 &&
           strcmp(rest[0], hub) != 0 &&
           (width > (int)net.prefix ? distance < 255 : width == (int)net.prefix && distance <= 110);
}

// Static routes that others configured and that take packets from the way: named, not removed.
static bool tell_routes(struct csr *c, struct device *d)
{
    json_t *cidrs = json_pack("[s, s]", ist_json_str_or(c->inputs, "onPremCidr", ""),
                              ist_json_str_or(c->inputs, "onPremPodCidr", "")),
           *own = csr_static_routes(c->inputs), *item;
    char *text = ist_ios_config_text(d->running, 1), *save = NULL;
    bool found = false;
    size_t i;
    json_array_foreach(json_object_get(c->inputs, "private_subnets"), i, item)
    {
        json_array_append_new(cidrs, json_string(ist_json_str_or(item, "cidr", "")));
    }
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        bool mine = false;
        json_array_foreach(own, i, item)
        {
            mine = mine || strcmp(line, json_string_value(item)) == 0;
        }
        json_array_foreach(cidrs, i, item)
        {
            if (mine || !overrides(c, line, json_string_value(item)))
                continue;
            found = true;
            ist_check(&c->env, "nothing on the router is in the way", IST_FAIL,
                      "%s: it comes before the route to %s", line, json_string_value(item));
            break;
        }
    }
    ist_free(text);
    json_decref(cidrs);
    json_decref(own);
    return found;
}

// Why the tunnel may not work: what of the configuration differs, line by line.
static void explain(struct csr *c, struct device *d, bool told_routes)
{
    size_t told = told_routes;
    for (size_t i = 0; i < d->diff.count && told < 10; i++) {
        const ist_ios_step *step = &d->diff.steps[i];
        if (step->kind == IST_IOS_ENTER || step->kind == IST_IOS_EXIT)
            continue;
        told++;
        ist_check(&c->env, "the configuration is as it was made", IST_FAIL, "%s is %s", step->path,
                  step->kind == IST_IOS_REMOVE ? "to be sent, for what is there too much"
                  : step->before               ? "something else"
                                               : "missing");
    }
    if (!tell_obstacles(c, d) && !told)
        ist_check(&c->env, "nothing on the router is in the way", IST_PASS,
                  "its configuration is as it was made");
}

// Interfaces, address, security group, size and tags are as they were made.
static void check_machine(struct csr *c)
{
    json_t *one, *drift = json_object_get(ist_dmvpn_vm_seen(c->vm), "drift"),
                 *lost = json_object_get(ist_dmvpn_vm_seen(c->vm), "lost");
    size_t i;
    if (json_array_size(drift) + json_array_size(lost) == 0)
        ist_check(&c->env, "interfaces and security group", IST_PASS, "as they were made");
    json_array_foreach(lost, i, one)
    {
        ist_check(&c->env, "interfaces and security group", IST_FAIL, "%s %s is %s",
                  ist_json_str_or(one, "logical", "?"), ist_json_str_or(one, "id", "?"),
                  ist_json_str_or(one, "why", "gone"));
    }
    json_array_foreach(drift, i, one)
    {
        ist_check(&c->env, "interfaces and security group", IST_FAIL, "%s is %s, not %s",
                  ist_json_str_or(one, "field", "?"), ist_json_str_or(one, "before", "?"),
                  ist_json_str_or(one, "after", "?"));
    }
}

int32_t csr_verify(const ist_host *host, ist_call *call)
{
    struct csr c;
    struct device d = {0};
    struct check checks[CHECKS] = {{0}};
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK)
        rc = ist_dmvpn_vm_prepare(c.vm, &err);
    if (rc == IST_OK) {
        bool up = ist_dmvpn_vm_runs(c.vm);
        const json_t *seen = ist_dmvpn_vm_seen(c.vm);
        ist_check(&c.env, "router runs", up ? IST_PASS : IST_FAIL, "stack %s: %s, instance %s: %s",
                  ist_dmvpn_vm_stack(c.vm), ist_json_str_or(seen, "stack.status", "absent"),
                  ist_json_str_or(seen, "instance.id", "none"),
                  ist_json_str_or(seen, "instance.state", ist_dmvpn_vm_state(c.vm)));
        check_machine(&c);
        if (up) {
            rc = csr_connect(&c, false, &d, NULL, &err);
            ist_check(&c.env, "router answers over SSH", rc == IST_OK ? IST_PASS : IST_FAIL, "%s",
                      rc == IST_OK ? ist_ios_hostname(d.ios) : err.text);
            if (rc == IST_OK)
                rc = watch_tunnel(&c, &d, checks, &err);
            else
                rc = IST_OK; // said as a failed check
        }
    }
    for (size_t i = 0; rc == IST_OK && i < CHECKS; i++) {
        if (checks[i].name)
            ist_check(&c.env, checks[i].name, checks[i].good ? IST_PASS : IST_FAIL, "%s", checks[i].evidence);
    }
    bool good = true;
    for (size_t i = 0; i < CHECKS; i++)
        good = good && (!checks[i].name || checks[i].good);
    if (rc == IST_OK && d.ios) {
        bool compared = csr_compare(&c, &d, NULL) == IST_OK, told = compared && tell_routes(&c, &d);
        if (compared && !good)
            explain(&c, &d, told);
        check_settled(&c, &d);
        check_throughput(&c, &d);
    }
    free_checks(checks);
    csr_hang_up(&d);
    if (rc != IST_OK)
        ist_report(&c.env, &err);
    csr_close(&c);
    return rc;
}
