// Does the tunnel work? Each fact by itself, from FRR's and strongSwan's own words; and when not, which key or proposal
// is the one that differs.
#include "frr.h"

#include <string.h>

#define CHECKS 6
#define ENOUGH 0x7fffffff

static const char facts_script[] =
    "export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
    "tell() { printf '@%s %s\\n' \"$1\" \"$(base64 -w0)\"; }\n"
    "[ \"$(id -u)\" = 0 ] || { echo 'not root' >&2; exit 77; }\n"
    "swanctl --list-sas --raw 2>/dev/null | tell sas\n"
    "vtysh -c 'show ip nhrp cache json' 2>/dev/null | tell cache\n"
    "vtysh -c 'show ip ospf neighbor json' 2>/dev/null | tell neighbors\n"
    "vtysh -c 'show ip route json' 2>/dev/null | tell routes\n"
    "journalctl -q -u strongswan.service --since -90s -o cat 2>/dev/null | tail -200 | tell charon\n"
    "refused() { journalctl -q -u frr.service --since -$1s -o cat 2>/dev/null | grep -i 'authentication "
    "failure' | tail -3; }\n"
    "refused 15 | tell refused\n"
    "refused 150 | tell refused_before\n";

struct facts {
    json_t *sas, *cache, *neighbors, *routes;
    char *charon;
    char *refused, *refused_before; // what nhrpd said of keys: just now, and since its longest pause
    long long hello_ms;             // between two of OSPF's
};

struct check {
    const char *name;
    uint32_t result;
    char *evidence; // owned
};

static void free_facts(struct facts *f)
{
    json_decref(f->sas);
    json_decref(f->cache);
    json_decref(f->neighbors);
    json_decref(f->routes);
    ist_free(f->charon);
    ist_free(f->refused);
    ist_free(f->refused_before);
    memset(f, 0, sizeof *f);
}

// ---- reading ----

static json_t *json_of(const char *text)
{
    json_t *json = NULL;
    ist_json_parse(text, strlen(text), "vtysh", &json, NULL);
    return json ? json : json_object();
}

static void take(struct facts *f, const char *name, char *text)
{
    if (strcmp(name, "sas") == 0) {
        json_decref(f->sas);
        f->sas = NULL;
        if (frr_parse_sas(text, &f->sas, NULL) != IST_OK)
            f->sas = json_array(); // charon does not answer: none
    } else if (strcmp(name, "cache") == 0 || strcmp(name, "neighbors") == 0 || strcmp(name, "routes") == 0) {
        json_t **to = name[0] == 'c' ? &f->cache : name[0] == 'n' ? &f->neighbors : &f->routes;
        json_decref(*to);
        *to = json_of(text);
    } else if (strcmp(name, "charon") == 0 || strncmp(name, "refused", 7) == 0) {
        char **to = name[0] == 'c' ? &f->charon : name[7] ? &f->refused_before : &f->refused;
        ist_free(*to);
        *to = ist_strdup(text);
    }
}

static int32_t read_facts(struct frr *f, struct host *h, struct facts *facts, ist_error *err)
{
    ist_ssh_result r = {0};
    char *next = NULL;
    free_facts(facts);
    facts->hello_ms = 1000 * ist_json_int(f->inputs, "ospf.hello_interval", 10);
    int32_t rc = frr_run(f, h, facts_script, "asking FRR and strongSwan", 180000, &r, err);
    if (rc != IST_OK)
        return rc;
    for (char *line = r.out; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *space = strchr(line, ' ');
        if (line[0] != '@' || !space)
            continue;
        *space = '\0';
        char *text = frr_decode(space + 1, NULL);
        take(facts, line + 1, text);
        ist_free(text);
    }
    ist_ssh_result_free(&r);
    return IST_OK;
}

// ---- what differs ----

// The last thing that went wrong in charon's log and has not gone right since; NULL: nothing tells.
static const char *ike_cause(const char *log)
{
    static const struct {
        const char *said, *means;
    } all[] = {
        {"established between", NULL},
        {"AUTHENTICATION_FAILED",
         "the pre-shared key (`ike_keyring_peer.pre-shared-key`) differs from the other end's"},
        {"MAC mismatched",
         "the pre-shared key (`ike_keyring_peer.pre-shared-key`) differs from the other end's"},
        {"N(AUTH_FAILED)",
         "the pre-shared key (`ike_keyring_peer.pre-shared-key`) differs from the other end's"},
        {"NO_PROPOSAL_CHOSEN",
         "the proposal differs: AES-GCM-256, PRF SHA-512, group 19 are wanted on both ends"},
        {"N(NO_PROP)", "the proposal differs: AES-GCM-256, PRF SHA-512, group 19 are wanted on both ends"},
        {"no matching peer config",
         "the identities differ (`ike_profile.local_identity`, `remote_identities`)"},
        {"TS_UNACCEPT", "the other end wants to protect something else than GRE between the two addresses"},
        {"peer not responding", "nothing answers: UDP 500 and 4500 do not get through, or nobody listens"},
    };
    const char *cause = NULL;
    for (const char *line = log ? log : ""; *line;) {
        size_t len = strcspn(line, "\n");
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            if (memmem(line, len, all[i].said, strlen(all[i].said)))
                cause = all[i].means;
        }
        line += len + (line[len] == '\n');
    }
    return cause;
}

// An SA with this peer that works; NULL peer: with anybody. The best one: a child that carries both ways goes first.
static const json_t *find_sa(const struct facts *f, const char *peer, const json_t **child)
{
    json_t *sa, *one;
    const json_t *found = NULL;
    size_t i, k;
    long long best = -1;
    *child = NULL;
    json_array_foreach(f->sas, i, sa)
    {
        if (strcmp(ist_json_str_or(sa, "state", ""), "ESTABLISHED") != 0 ||
            (peer && strcmp(ist_json_str_or(sa, "remote", ""), peer) != 0))
            continue;
        if (!found)
            found = sa;
        json_array_foreach(json_object_get(sa, "children"), k, one)
        {
            long long moved =
                ist_json_int(one, "packets_in", 0) > 0 ? ist_json_int(one, "packets_out", 0) : 0;
            if (strcmp(ist_json_str_or(one, "state", ""), "INSTALLED") == 0 && moved > best) {
                best = moved;
                found = sa;
                *child = one;
            }
        }
    }
    return found;
}

static struct check check_ike(const struct facts *f, const char *peer, bool hub)
{
    const json_t *child, *sa = find_sa(f, peer, &child);
    const char *cause = ike_cause(f->charon);
    struct check c = {IST_DMVPN_CHECK_IKE, sa ? IST_PASS : IST_FAIL, NULL};
    if (sa)
        c.evidence = ist_printf("ESTABLISHED with %s, %s", ist_json_str_or(sa, "remote", "?"),
                                ist_json_str_or(sa, "encryption", "?"));
    else if (cause)
        c.evidence = ist_printf("none%s%s: %s", peer ? " with " : "", peer ? peer : "", cause);
    else if (hub)
        c = (struct check){c.name, IST_SKIP, ist_strdup("no spoke has come yet")};
    else
        c.evidence = ist_printf("none with %s: it is being tried", peer ? peer : "?");
    return c;
}

static struct check check_ipsec(const struct facts *f, const char *peer, bool hub)
{
    const json_t *child, *sa = find_sa(f, peer, &child);
    long long in = ist_json_int(child, "packets_in", 0), out = ist_json_int(child, "packets_out", 0);
    const char *mode = ist_json_str_or(child, "mode", "");
    bool good = child && in > 0 && out > 0 && strcmp(mode, "TRANSPORT") == 0;
    struct check c = {IST_DMVPN_CHECK_IPSEC, good ? IST_PASS : IST_FAIL, NULL};
    if (child)
        c.evidence = ist_printf("%lld out, %lld in, %s%s%s", out, in, mode,
                                ist_json_bool(child, "encap", 0) ? " in UDP" : "",
                                strcmp(mode, "TRANSPORT") ? ": transport mode is wanted" : "");
    else if (hub && !sa && !ike_cause(f->charon))
        c = (struct check){c.name, IST_SKIP, ist_strdup("no spoke has come yet")};
    else
        c.evidence = ist_printf("no IPsec SA%s%s", peer ? " with " : "", peer ? peer : "");
    return c;
}

static size_t count_cache(const struct facts *f, const char *type, const char *address)
{
    json_t *row;
    size_t i, n = 0;
    json_array_foreach(json_object_get(f->cache, "table"), i, row)
    {
        n += strcmp(ist_json_str_or(row, "type", ""), type) == 0 && ist_json_bool(row, "timeout", 0) &&
             (!address || strcmp(ist_json_str_or(row, "protocol", ""), address) == 0);
    }
    return n;
}

static struct check check_nhrp(const struct facts *f, const char *tunnel, bool hub)
{
    static const char wrong[] = "the NHRP key (`nhrp.key`) differs from the other end's";
    size_t n = hub ? count_cache(f, "dynamic", NULL) : count_cache(f, "nhs", tunnel);
    // Who is registered was not refused lately, and who is not asks again after 2, 4, 8 ... 64 s: between two attempts
    // nothing new is said.
    const char *said = n ? f->refused : f->refused_before;
    bool refused = said && *said;
    struct check c = {IST_DMVPN_CHECK_NHS, n && !refused ? IST_PASS : IST_FAIL, NULL};
    if (refused)
        c.evidence = ist_printf("%s: %.*s", wrong, (int)strcspn(said, "\n"), said);
    else if (hub)
        c = (struct check){c.name, n ? IST_PASS : IST_SKIP, ist_printf("%zu spokes are registered", n)};
    else
        c.evidence = ist_printf(n ? "registered with %s" : "%s does not answer the registration", tunnel);
    return c;
}

// The shortest time since a neighbour's last hello, over the tunnel; ENOUGH without a full one.
static long long since_hello(const struct facts *f, const char **state, size_t *full)
{
    json_t *list, *row;
    const char *who;
    size_t i;
    long long best = ENOUGH;
    json_object_foreach(json_object_get(f->neighbors, "neighbors"), who, list)
    {
        json_array_foreach(list, i, row)
        {
            if (strncmp(ist_json_str_or(row, "ifaceName", ""), FRR_TUNNEL, strlen(FRR_TUNNEL)) != 0)
                continue;
            *state = ist_json_str_or(row, "converged", "?");
            if (strcmp(*state, "Full") != 0)
                continue;
            ++*full;
            long long since = 4 * f->hello_ms - ist_json_int(row, "routerDeadIntervalTimerDueMsec", 0);
            if (since < best)
                best = since;
        }
    }
    return best;
}

static struct check check_ospf(const struct facts *f, bool hub, bool nhrp)
{
    const char *state = NULL;
    size_t full = 0;
    long long since = since_hello(f, &state, &full);
    struct check c = {IST_DMVPN_CHECK_OSPF, full && since < f->hello_ms * 2 ? IST_PASS : IST_FAIL, NULL};
    if (c.result == IST_PASS)
        c.evidence = ist_printf("%zu over " FRR_TUNNEL, full);
    else if (full)
        c.evidence = ist_printf(
            "full, and no hello that holds has come for %lld s: the OSPF key (`ospf.authentication`, "
            "`ospf.authKey`) differs from the other end's, or its hellos do not arrive",
            since / 1000);
    else if (state)
        c.evidence = ist_printf("it stays %s: the MTU of the two ends may differ", state);
    else if (hub && !nhrp)
        c = (struct check){c.name, IST_SKIP, ist_strdup("no spoke has come yet")};
    else if (nhrp)
        c.evidence = ist_strdup(
            "none, though NHRP works: the OSPF key (`ospf.authentication`, `ospf.authKey`) differs from "
            "the other end's, or area, timers or network type do");
    else
        c.evidence = ist_strdup("none over " FRR_TUNNEL ": NHRP comes first");
    return c;
}

// A route in use that covers the prefix, is no default route and leads into the tunnel.
static struct check check_route(const struct facts *f, const char *name, const char *cidr)
{
    const char *prefix, *found = NULL;
    json_t *list, *row;
    ist_net4 wanted, net;
    size_t i;
    bool parsed = cidr && ist_net4_parse(cidr, &wanted, NULL) == IST_OK;
    json_object_foreach(f->routes, prefix, list)
    {
        if (!parsed || ist_net4_parse(prefix, &net, NULL) != IST_OK || net.prefix == 0 ||
            net.prefix > wanted.prefix || !ist_net4_contains(net, wanted.address))
            continue;
        json_array_foreach(list, i, row)
        {
            if (ist_json_bool(row, "selected", 0) &&
                strcmp(ist_json_str_or(row, "nexthops[0].interfaceName", ""), FRR_TUNNEL) == 0)
                found = prefix;
        }
    }
    struct check c = {name, found ? IST_PASS : IST_FAIL, NULL};
    if (!cidr)
        c = (struct check){name, IST_SKIP, ist_strdup("not asked for")};
    else
        c.evidence =
            found ? ist_printf("%s by " FRR_TUNNEL, found)
                  : ist_printf("%s is in no route over " FRR_TUNNEL ": the hub does not announce it", cidr);
    return c;
}

static void free_checks(struct check *checks)
{
    for (size_t i = 0; i < CHECKS; i++) {
        ist_free(checks[i].evidence);
        checks[i].evidence = NULL;
    }
}

// Several hubs: what holds with one of them holds; that another fails is a warning.
static struct check best_of(const struct facts *f, const json_t *hubs, int which)
{
    json_t *hub;
    size_t i;
    struct check best = {NULL, IST_FAIL, NULL};
    bool failed = false;
    json_array_foreach((json_t *)hubs, i, hub)
    {
        const char *address = ist_json_str_or(hub, "address", ""),
                   *tunnel = ist_json_str_or(hub, "tunnel_address", "");
        struct check c = which == 0   ? check_ike(f, address, false)
                         : which == 1 ? check_ipsec(f, address, false)
                                      : check_nhrp(f, tunnel, false);
        failed = failed || c.result == IST_FAIL;
        if (!best.name || (best.result == IST_FAIL && c.result == IST_PASS)) {
            ist_free(best.evidence);
            best = c;
        } else {
            ist_free(c.evidence);
        }
    }
    if (failed && best.result == IST_PASS)
        best.result = IST_WARN;
    return best;
}

static bool judge(const struct frr *f, const struct facts *facts, struct check *checks)
{
    json_t *hubs = ist_dmvpn_hubs(f->inputs);
    bool hub = ist_dmvpn_is_hub(f->inputs), all = true;
    if (hub) {
        checks[0] = check_ike(facts, NULL, true);
        checks[1] = check_ipsec(facts, NULL, true);
        checks[2] = check_nhrp(facts, NULL, true);
    } else {
        for (int i = 0; i < 3; i++)
            checks[i] = best_of(facts, hubs, i);
    }
    bool nhrp = checks[2].result == IST_PASS || checks[2].result == IST_WARN;
    if (ist_dmvpn_is_static(f->inputs))
        checks[3] = (struct check){IST_DMVPN_CHECK_OSPF, IST_SKIP, ist_strdup("routes are static")};
    else
        checks[3] = check_ospf(facts, hub, nhrp);
    checks[4] = check_route(facts, IST_DMVPN_CHECK_NODES, frr_input(f, "onPremCidr"));
    checks[5] = check_route(facts, IST_DMVPN_CHECK_PODS, frr_input(f, "onPremPodCidr"));
    for (size_t i = 0; i < CHECKS; i++)
        all = all && checks[i].result != IST_FAIL;
    json_decref(hubs);
    return all;
}

// Looks until all is well, or for as long as it may take. A neighbour is full for four hellos after its last hello, and an SA
// stands until it is asked: that all is well counts only after a hello has come that this run waited for.
static int32_t watch_tunnel(struct frr *f, struct host *h, struct check *checks, ist_error *err)
{
    int64_t begun = ist_now_ms(&f->env), until = begun + ist_json_int(f->inputs, "settle", 90000);
    struct facts facts = {0};
    int32_t rc;
    for (;;) {
        const char *state = NULL;
        size_t full = 0;
        if ((rc = read_facts(f, h, &facts, err)) != IST_OK)
            break;
        free_checks(checks);
        bool good = judge(f, &facts, checks);
        bool fresh =
            checks[3].result != IST_PASS || since_hello(&facts, &state, &full) <= ist_now_ms(&f->env) - begun;
        if ((good && fresh) || ist_now_ms(&f->env) >= until)
            break;
        for (size_t i = 0; i < CHECKS; i++) {
            if (checks[i].result == IST_FAIL) {
                ist_progress(&f->env, "tunnel: %s? %s", checks[i].name, checks[i].evidence);
                break;
            }
        }
        if ((rc = ist_sleep_ms(&f->env, 1000)) != IST_OK) {
            ist_fail(err, rc, f->address, "waiting for the tunnel was %s", ist_code_name(rc));
            break;
        }
    }
    free_facts(&facts);
    return rc;
}

// Its files, units and filter are as they are to be.
static int32_t check_host(struct frr *f, struct host *h, ist_error *err)
{
    json_t *seen = NULL, *differences = NULL;
    ist_dmvpn_machine machine;
    frr_files files = {.count = 0};
    int32_t rc = frr_look(f, h, &seen, err);
    if (rc == IST_OK)
        rc = frr_machine_found(f->inputs, json_object_get(seen, "addresses"), json_object_get(seen, "routes"),
                               &machine, err);
    if (rc == IST_OK) {
        frr_generate(f->inputs, &machine, &files);
        differences = frr_differences(f, seen, &files);
        size_t n = json_array_size(differences);
        ist_check(&f->env, "host is as configured", n ? IST_FAIL : IST_PASS, "%s%s",
                  n ? ist_json_str_or(json_array_get(differences, 0), "resource", "?")
                    : "files, services, packet filter",
                  n ? " is not" : "");
        bool pending = *ist_json_str_or(seen, "pending", "");
        ist_check(&f->env, "no unconfirmed change", pending ? IST_FAIL : IST_PASS, "%s",
                  pending ? "a change is pending and will revert" : "none is pending");
    }
    frr_files_free(&files);
    json_decref(seen);
    json_decref(differences);
    return rc;
}

static int32_t verify_host(struct frr *f, struct host *h, ist_error *err)
{
    struct check checks[CHECKS] = {{0}};
    int32_t rc = check_host(f, h, err);
    if (rc == IST_OK)
        rc = watch_tunnel(f, h, checks, err);
    for (size_t i = 0; rc == IST_OK && i < CHECKS; i++)
        ist_check(&f->env, checks[i].name, checks[i].result, "%s", checks[i].evidence);
    free_checks(checks);
    return rc;
}

static int32_t check_machine(struct frr *f, ist_error *err)
{
    int32_t rc = frr_find_machine(f, NULL, err);
    if (rc != IST_OK)
        return rc;
    const json_t *seen = ist_dmvpn_vm_seen(f->vm);
    bool up = ist_dmvpn_vm_runs(f->vm);
    ist_check(&f->env, "host runs", up ? IST_PASS : IST_FAIL, "stack %s: %s, instance %s: %s",
              ist_dmvpn_vm_stack(f->vm), ist_json_str_or(seen, "stack.status", "absent"),
              ist_json_str_or(seen, "instance.id", "none"),
              ist_json_str_or(seen, "instance.state", ist_dmvpn_vm_state(f->vm)));
    if (!up)
        f->address = NULL;
    return IST_OK;
}

int32_t frr_verify(const ist_host *host, ist_call *call)
{
    struct frr f;
    struct host h = {0};
    ist_error err = {0};
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK && f.vm)
        rc = check_machine(&f, &err);
    if (rc == IST_OK && !f.existing && !f.vm) {
        ist_check(&f.env, "endpoint answers over SSH", IST_SKIP, "`where: %s` makes none",
                  ist_dmvpn_where(f.inputs));
    } else if (rc == IST_OK && f.address) {
        int32_t reached = frr_connect(&f, &h, &err);
        ist_check(&f.env, "endpoint answers over SSH", reached == IST_OK ? IST_PASS : IST_FAIL, "%s",
                  reached == IST_OK ? ist_ssh_peer(h.ssh) : err.text);
        if (reached == IST_OK)
            rc = verify_host(&f, &h, &err);
    }
    frr_hang_up(&h);
    if (rc != IST_OK)
        ist_report(&f.env, &err);
    frr_close(&f);
    return rc;
}
