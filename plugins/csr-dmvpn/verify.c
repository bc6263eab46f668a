// Does the tunnel work? Each fact by itself, from the router's own words.
#include "csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct facts {
    json_t *nhs, *ike, *ipsec, *ospf, *routes, *peers;
};

struct check {
    const char *name; // NULL: not asked for
    uint32_t result;
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
    json_decref(f->peers);
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

static int32_t read_facts(const struct csr *c, struct device *d, struct facts *f, ist_error *err)
{
    const bool fixed = ist_dmvpn_is_static(c->inputs), hub = ist_dmvpn_is_hub(c->inputs);
    free_facts(f);
    int32_t rc = ask(d, "show ip nhrp nhs", ist_ios_show_nhs, &f->nhs, err);
    if (rc == IST_OK && hub)
        rc = ask(d, "show dmvpn", ist_ios_show_dmvpn, &f->peers, err);
    if (rc == IST_OK)
        rc = ask(d, "show crypto ikev2 sa", ist_ios_show_ikev2_sa, &f->ike, err);
    if (rc == IST_OK)
        rc = ask(d, "show crypto ipsec sa", ist_ios_show_ipsec_sa, &f->ipsec, err);
    if (rc == IST_OK && !fixed)
        rc = ask(d, "show ip ospf neighbor", ist_ios_show_ospf_neighbor, &f->ospf, err);
    if (rc == IST_OK)
        rc = ask(d, fixed ? "show ip route" : "show ip route ospf", ist_ios_show_route, &f->routes, err);
    return rc;
}

// The row whose `key` is `value` (NULL: any), one whose `good` is `best` before others.
static const json_t *find(const json_t *rows, const char *key, const char *value, const char *good,
                          const char *best)
{
    json_t *row;
    const json_t *found = NULL;
    size_t i;
    json_array_foreach((json_t *)rows, i, row)
    {
        if (value && strcmp(ist_json_str_or(row, key, ""), value) != 0)
            continue;
        if (!found || strcmp(ist_json_str_or(row, good, ""), best) == 0)
            found = row;
    }
    return found;
}

static struct check check_nhs(const struct facts *f, const json_t *hub)
{
    const char *tunnel = ist_json_str_or(hub, "tunnel_address", "");
    const json_t *row = find(f->nhs, "nhs", tunnel, "flags", "RE");
    const char *flags = ist_json_str_or(row, "flags", "");
    const bool good = strchr(flags, 'R') && strchr(flags, 'E');
    struct check c = {IST_DMVPN_CHECK_NHS, good ? IST_PASS : IST_FAIL, NULL};
    c.evidence = row ? ist_printf("NHS %s is %s%s", tunnel, flags,
                                  good ? ""
                                       : " (RE is wanted: it does not reply; the "
                                         "NHRP authentication may differ)")
                     : ist_printf("NHS %s is not configured on Tunnel0", tunnel);
    return c;
}

// `hub` NULL: with anybody, for a hub of ours.
static struct check check_ike(const struct facts *f, const json_t *hub)
{
    const char *peer = hub ? ist_json_str_or(hub, "address", "") : NULL;
    const json_t *row = find(f->ike, "remote", peer, "status", "READY");
    const char *status = ist_json_str_or(row, "status", "");
    struct check c = {IST_DMVPN_CHECK_IKE, strcmp(status, "READY") == 0 ? IST_PASS : IST_FAIL, NULL};
    if (row)
        c.evidence = ist_printf("%s with %s, %s, PRF %s, group %s", status,
                                ist_json_str_or(row, "remote", "?"), ist_json_str_or(row, "encryption", "?"),
                                ist_json_str_or(row, "prf", "?"), ist_json_str_or(row, "group", "?"));
    else if (peer)
        c.evidence =
            ist_printf("none with %s: pre-shared key, proposal or identities differ, or UDP 500 and 4500 "
                       "do not get through",
                       peer);
    else
        c = (struct check){c.name, IST_SKIP, ist_strdup("no spoke has come yet")};
    return c;
}

static struct check check_ipsec(const struct facts *f, const json_t *hub)
{
    const char *peer = hub ? ist_json_str_or(hub, "address", "") : NULL;
    json_t *one;
    const json_t *row = NULL;
    size_t i;
    // After a rekey, or with several spokes, there is more than one: that which carries most. Not somebody else's, of
    // another interface.
    json_array_foreach(f->ipsec, i, one)
    {
        if (strcmp(ist_json_str_or(one, "interface", ""), "Tunnel0") == 0 &&
            (!peer || strcmp(ist_json_str_or(one, "peer", ""), peer) == 0) &&
            (!row || ist_json_int(one, "decaps", 0) > ist_json_int(row, "decaps", 0)))
            row = one;
    }
    long long out = ist_json_int(row, "encaps", 0), in = ist_json_int(row, "decaps", 0);
    const char *settings = ist_json_str_or(row, "settings[0]", "");
    bool transport = strncmp(settings, "Transport", 9) == 0;
    struct check c = {IST_DMVPN_CHECK_IPSEC, row && transport && out > 0 && in > 0 ? IST_PASS : IST_FAIL,
                      NULL};
    if (row)
        c.evidence = ist_printf("%lld encapsulated, %lld decapsulated, {%s}%s", out, in, settings,
                                transport ? "" : ": transport mode is wanted");
    else if (peer)
        c.evidence = ist_printf("no IPsec SA with %s", peer);
    else
        c = (struct check){c.name, IST_SKIP, ist_strdup("no spoke has come yet")};
    return c;
}

static struct check check_registered(const struct facts *f)
{
    json_t *row;
    size_t i, n = 0;
    json_array_foreach(f->peers, i, row)
    {
        n += strcmp(ist_json_str_or(row, "state", ""), "UP") == 0 &&
             strcmp(ist_json_str_or(row, "interface", "Tunnel0"), "Tunnel0") == 0;
    }
    // Who gets as far as IKE and no further is stopped by NHRP.
    const bool stopped = !n && find(f->ike, "status", "READY", "status", "READY");
    return (struct check){
        IST_DMVPN_CHECK_NHS,
        n         ? IST_PASS
        : stopped ? IST_WARN
                  : IST_SKIP,
        ist_printf("%zu spokes are registered%s", n,
                   stopped ? ", though IKEv2 is up with one: the NHRP authentication may differ" : "")};
}

static struct check check_ospf(const struct facts *f, bool lonely)
{
    const json_t *row = find(f->ospf, "interface", "Tunnel0", "state", "FULL");
    const char *state = ist_json_str_or(row, "state", "");
    struct check c = {IST_DMVPN_CHECK_OSPF, strcmp(state, "FULL") == 0 ? IST_PASS : IST_FAIL, NULL};
    if (row)
        c.evidence = ist_printf("%s over Tunnel0 is %s", ist_json_str_or(row, "id", "?"), state);
    else if (lonely)
        c = (struct check){c.name, IST_SKIP, ist_strdup("no spoke has come yet")};
    else
        c.evidence =
            ist_strdup("none over Tunnel0: area, timers, network type, MTU or authentication differ, or "
                       "hellos do not arrive");
    return c;
}

// A route that covers the prefix and is no default route.
static struct check check_route(const struct csr *c, const struct facts *f, const char *name,
                                const char *cidr)
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
    struct check check = {name, found ? IST_PASS : IST_FAIL, NULL};
    if (found)
        check.evidence =
            ist_printf("%s %s via %s", ist_json_str_or(found, "code", "O"),
                       ist_json_str_or(found, "prefix", "?"), ist_json_str_or(found, "via", "?"));
    else if (ist_dmvpn_is_static(c->inputs))
        check.evidence = ist_printf("%s is in no route over Tunnel0: see `static_routes`", cidr);
    else
        check.evidence = ist_printf(
            "%s is in no route that OSPF learned over Tunnel0: the hub does not announce it", cidr);
    return check;
}

static void free_checks(struct check *checks)
{
    for (size_t i = 0; i < CHECKS; i++) {
        ist_free(checks[i].evidence);
        checks[i].evidence = NULL;
    }
}

// Several hubs: what holds with one of them holds; that another fails is a warning.
static struct check of_hubs(const struct facts *f, const json_t *hubs,
                            struct check (*check)(const struct facts *, const json_t *))
{
    json_t *hub;
    size_t i, good = 0;
    struct check best = {NULL, IST_FAIL, NULL}, bad = {NULL, IST_FAIL, NULL};
    json_array_foreach((json_t *)hubs, i, hub)
    {
        struct check one = check(f, hub), *to = one.result == IST_PASS ? &best : &bad;
        good += one.result == IST_PASS;
        if (to->name)
            ist_free(one.evidence);
        else
            *to = one;
    }
    if (!best.name)
        return bad;
    if (bad.name) {
        char *both = ist_printf("%zu of %zu hubs: %s; but %s", good, json_array_size(hubs), best.evidence,
                                bad.evidence);
        ist_free(best.evidence);
        ist_free(bad.evidence);
        best.evidence = both;
        best.result = IST_WARN;
    }
    return best;
}

static bool judge(const struct csr *c, const struct facts *f, struct check *checks)
{
    const char *nodes = csr_input(c, "onPremCidr"), *pods = csr_input(c, "onPremPodCidr");
    const bool hub = ist_dmvpn_is_hub(c->inputs);
    json_t *hubs = ist_dmvpn_hubs(c->inputs);
    bool all = true;
    checks[0] = hub ? check_ike(f, NULL) : of_hubs(f, hubs, check_ike);
    checks[1] = hub ? check_ipsec(f, NULL) : of_hubs(f, hubs, check_ipsec);
    checks[2] = hub ? check_registered(f) : of_hubs(f, hubs, check_nhs);
    bool lonely = hub && checks[2].result != IST_PASS;
    if (lonely && checks[1].result == IST_FAIL)
        checks[1].result = IST_SKIP;
    if (!ist_dmvpn_is_static(c->inputs))
        checks[3] = check_ospf(f, lonely);
    if (nodes && !hub)
        checks[4] = check_route(c, f, IST_DMVPN_CHECK_NODES, nodes);
    // Without a network of their own the pods are in the nodes'.
    if (pods && !hub)
        checks[5] = check_route(c, f, IST_DMVPN_CHECK_PODS, pods);
    for (size_t i = 0; i < CHECKS; i++)
        all = all && (!checks[i].name || checks[i].result != IST_FAIL);
    json_decref(hubs);
    return all;
}

// Looks until all is well, or for as long as it may take.
static int32_t watch_tunnel(struct csr *c, struct device *d, struct check *checks, ist_error *err)
{
    int64_t until = ist_now_ms(&c->env) + ist_json_int(c->inputs, "settle", 90000);
    struct facts facts = {0};
    int32_t rc;
    while ((rc = read_facts(c, d, &facts, err)) == IST_OK) {
        free_checks(checks);
        if (judge(c, &facts, checks) || ist_now_ms(&c->env) >= until)
            break;
        for (size_t i = 0; i < CHECKS; i++) {
            if (checks[i].name && checks[i].result == IST_FAIL) {
                ist_progress(&c->env, "tunnel: %s? %s", checks[i].name, checks[i].evidence);
                break;
            }
        }
        rc = ist_sleep_ms(&c->env, 500);
        if (rc != IST_OK) {
            ist_fail(err, rc, "router", "waiting for the tunnel was %s", ist_code_name(rc));
            break;
        }
    }
    free_facts(&facts);
    return rc;
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
    char *interfaces[] = {ist_printf("interface %s", c->machine.outside),
                          ist_printf("interface %s", c->machine.inside)};
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
        ist_free(interfaces[i]);
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
    const int own = ist_dmvpn_is_static(c->inputs) ? 1 : 110; // the distance of what is meant to lead there
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
           (width > (int)net.prefix ? distance < 255 : width == (int)net.prefix && distance <= own);
}

// Static routes that others configured and that take packets from the way: named, not removed.
static bool tell_routes(struct csr *c, struct device *d)
{
    json_t *cidrs = json_pack("[s, s]", ist_json_str_or(c->inputs, "onPremCidr", ""),
                              ist_json_str_or(c->inputs, "onPremPodCidr", "")),
           *own = csr_static_routes(c->inputs, &c->machine), *item;
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

// The router's machine, of one that was launched; false: there is nobody to talk to.
static bool check_running(struct csr *c)
{
    bool up = ist_dmvpn_vm_runs(c->vm);
    const json_t *seen = ist_dmvpn_vm_seen(c->vm);
    ist_check(&c->env, "router runs", up ? IST_PASS : IST_FAIL, "stack %s: %s, instance %s: %s",
              ist_dmvpn_vm_stack(c->vm), ist_json_str_or(seen, "stack.status", "absent"),
              ist_json_str_or(seen, "instance.id", "none"),
              ist_json_str_or(seen, "instance.state", ist_dmvpn_vm_state(c->vm)));
    check_machine(c);
    return up;
}

static int32_t check_router(struct csr *c, ist_error *err)
{
    struct device d = {0};
    struct check checks[CHECKS] = {{0}};
    int32_t rc = csr_connect(c, false, &d, NULL, err);
    ist_check(&c->env, "router answers over SSH", rc == IST_OK ? IST_PASS : IST_FAIL, "%s",
              rc == IST_OK ? ist_ios_hostname(d.ios) : err->text);
    if (rc != IST_OK)
        return IST_OK; // said as a failed check
    rc = watch_tunnel(c, &d, checks, err);
    bool good = true;
    for (size_t i = 0; rc == IST_OK && i < CHECKS; i++) {
        good = good && (!checks[i].name || checks[i].result != IST_FAIL);
        if (checks[i].name)
            ist_check(&c->env, checks[i].name, checks[i].result, "%s", checks[i].evidence);
    }
    if (rc == IST_OK) {
        bool compared = csr_compare(c, &d, NULL) == IST_OK, told = compared && tell_routes(c, &d);
        if (compared && !good)
            explain(c, &d, told);
        check_settled(c, &d);
        check_throughput(c, &d);
    }
    free_checks(checks);
    csr_hang_up(&d);
    return rc;
}

int32_t csr_verify(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK && c.place == CSR_RENDER) {
        ist_check(&c.env, "router answers over SSH", IST_SKIP, "`where: render` asks no router");
    } else if (rc == IST_OK) {
        bool up = true;
        if (c.place == CSR_VPC && (rc = ist_dmvpn_vm_prepare(c.vm, &err)) == IST_OK)
            up = check_running(&c);
        if (rc == IST_OK && up)
            rc = check_router(&c, &err);
    }
    if (rc != IST_OK)
        ist_report(&c.env, &err);
    csr_close(&c);
    return rc;
}
