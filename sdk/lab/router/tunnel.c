// Does the tunnel between the spoke and the hub come up? Held together line by line from the two running
// configurations, in the order in which the protocols themselves would stumble: interface, IKEv2, IPsec,
// NHRP, OSPF. The first piece that does not fit is named.
#include "device.h"

#include "../aws/aws.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// Settling after everything fits: SAs first, then the registration, then the adjacency.
#define IKE_MS  150
#define NHRP_MS 300
#define OSPF_MS 600

struct end {
    struct router *router;
    const char *name;
    const struct line *tunnel, *ipsec, *ike, *transform;
    uint32_t address, source;
    int prefix;
};

struct why {
    char *text;
    size_t size;
};

static bool no(const struct why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool no(const struct why *why, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (why->size)
        vsnprintf(why->text, why->size, format, ap);
    va_end(ap);
    return false;
}

static const struct line *named(const struct line *root, const char *kind, const char *name)
{
    char *head = lab_format("%s %s", kind, name);
    const struct line *line = config_find(root, head, 0);
    free(head);
    return line;
}

static const char *value_or(const struct line *section, const char *prefix, const char *otherwise)
{
    const char *value = config_value(section, prefix);
    return value ? value : otherwise;
}

bool router_interface_address(const struct router *router, const char *name, uint32_t *address, int *prefix)
{
    const struct line *line = router_interface(router, name);
    const char *value = config_value(line, "ip address");
    char ip[20], mask[20];
    uint32_t m;
    if (!line || !value || config_has(line, "shutdown"))
        return false;
    *prefix = 24; // what the lab's DHCP hands out
    if (!strcmp(value, "dhcp")) {
        *address = !strcmp(name, "GigabitEthernet1") ? router->outside : router->inside;
        return *address != 0;
    }
    if (sscanf(value, "%19s %19s", ip, mask) != 2 || !lab_parse_ip(ip, address) || !lab_parse_ip(mask, &m))
        return false;
    *prefix = __builtin_popcount(m);
    return true;
}

// ---- an end by itself ----

static bool load_crypto(struct end *end, const struct why *why)
{
    const struct line *root = end->router->running;
    const char *protection = config_value(end->tunnel, "tunnel protection ipsec profile");
    const char *name;
    if (!protection)
        return no(why, "%s: Tunnel0 has no tunnel protection ipsec profile", end->name);
    char *profile = lab_format("%.*s", (int)strcspn(protection, " "), protection);
    end->ipsec = named(root, "crypto ipsec profile", profile);
    free(profile);
    if (!end->ipsec)
        return no(why, "%s: the IPsec profile of Tunnel0 does not exist", end->name);
    name = config_value(end->ipsec, "set transform-set");
    end->transform = name ? named(root, "crypto ipsec transform-set", name) : NULL;
    if (!end->transform)
        return no(why, "%s: the IPsec profile has no transform-set", end->name);
    name = config_value(end->ipsec, "set ikev2-profile");
    end->ike = name ? named(root, "crypto ikev2 profile", name) : NULL;
    if (!end->ike)
        return no(why, "%s: the IPsec profile has no IKEv2 profile", end->name);
    return true;
}

static bool load_end(struct end *end, const struct why *why)
{
    const char *source;
    int prefix;
    end->tunnel = router_interface(end->router, "Tunnel0");
    if (!end->tunnel)
        return no(why, "%s: interface Tunnel0 is not configured", end->name);
    if (config_has(end->tunnel, "shutdown"))
        return no(why, "%s: interface Tunnel0 is shut down", end->name);
    if (!router_interface_address(end->router, "Tunnel0", &end->address, &end->prefix))
        return no(why, "%s: interface Tunnel0 has no address", end->name);
    source = config_value(end->tunnel, "tunnel source");
    if (!source || !router_interface_address(end->router, source, &end->source, &prefix))
        return no(why, "%s: the tunnel source %s is down or has no address", end->name, source ? source : "");
    if (strcmp(value_or(end->tunnel, "tunnel mode", ""), "gre multipoint") != 0)
        return no(why, "%s: tunnel mode is not gre multipoint", end->name);
    return load_crypto(end, why);
}

// ---- IKEv2 ----

static bool covers(uint32_t address, const char *text)
{
    char ip[20], mask[20] = "255.255.255.255";
    uint32_t a, m;
    if (!text || sscanf(text, "%19s %19s", ip, mask) < 1 || !lab_parse_ip(ip, &a) || !lab_parse_ip(mask, &m))
        return false;
    return (address & m) == (a & m);
}

// What an end calls itself: of the type "fqdn" or "email" by a name, else by its address.
struct identity {
    const char *type, *name;
    uint32_t address;
};

static struct identity identity_of(const struct end *end)
{
    struct identity id = {"fqdn", config_value(end->ike, "identity local fqdn"), end->source};
    const char *address = config_value(end->ike, "identity local address");
    if (!id.name)
        id = (struct identity){"email", config_value(end->ike, "identity local email"), end->source};
    if (address)
        lab_parse_ip(address, &id.address);
    return id;
}

// "NAME", or "domain END" for every name that ends so.
static bool covers_name(const char *name, const char *wanted)
{
    if (strncmp(wanted, "domain ", 7) != 0)
        return strcmp(name, wanted) == 0;
    size_t a = strlen(name), b = strlen(wanted + 7);
    return a >= b && strcmp(name + a - b, wanted + 7) == 0;
}

// Does `profile` take a peer that calls itself so?
static bool takes_identity(const struct line *profile, const struct identity *id)
{
    const struct line *line;
    const char *head = "match identity remote";
    for (size_t i = 0; (line = config_find(profile, head, i)); i++) {
        const char *rest = line->text + strlen(head) + 1, *value = strchr(rest, ' ');
        size_t len = value ? (size_t)(value - rest) : strlen(rest);
        if (!strcmp(rest, "any"))
            return true;
        if (value && (id->name ? strlen(id->type) == len && !strncmp(rest, id->type, len) &&
                                     covers_name(id->name, value + 1)
                               : !strncmp(rest, "address ", 8) && covers(id->address, value + 1)))
            return true;
    }
    return false;
}

static bool identities(const struct end *from, const struct end *to, const struct why *why)
{
    const struct identity id = identity_of(from);
    if (takes_identity(to->ike, &id))
        return true;
    char *shown = id.name ? lab_strdup(id.name) : lab_ip(id.address);
    no(why, "IKEv2: the %s's profile matches no remote identity %s, which is what the %s calls itself",
       to->name, shown, from->name);
    free(shown);
    return false;
}

static const char *pre_shared(const struct end *end, uint32_t peer)
{
    const char *name = config_value(end->ike, "keyring local");
    const struct line *keyring = name ? named(end->router->running, "crypto ikev2 keyring", name) : NULL,
                      *line;
    for (size_t i = 0; (line = config_find(keyring, "peer", i)); i++) {
        if (covers(peer, config_value(line, "address")))
            return config_value(line, "pre-shared-key");
    }
    return NULL;
}

static bool share(const char *a, const char *b)
{
    char *copy = lab_strdup(a), *save = NULL;
    bool found = false;
    for (char *w = strtok_r(copy, " ", &save); w && !found; w = strtok_r(NULL, " ", &save)) {
        const char *hit = b;
        size_t len = strlen(w);
        while (!found && (hit = strstr(hit, w))) {
            found = (hit == b || hit[-1] == ' ') && (hit[len] == 0 || hit[len] == ' ');
            hit += len;
        }
    }
    free(copy);
    return found;
}

static const struct line *proposal_of(const struct end *end)
{
    const struct line *policy;
    for (size_t i = 0; (policy = config_find(end->router->running, "crypto ikev2 policy", i)); i++) {
        const char *name = config_value(policy, "proposal");
        if (name)
            return named(end->router->running, "crypto ikev2 proposal", name);
    }
    return NULL;
}

static bool proposals(const struct end *a, const struct end *b, const struct why *why)
{
    static const char *const parts[] = {"encryption", "prf", "integrity", "group"};
    const struct line *mine = proposal_of(a), *theirs = proposal_of(b);
    if (!mine || !theirs)
        return no(why, "IKEv2: the %s has no policy with a proposal", mine ? b->name : a->name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *x = config_value(mine, parts[i]), *y = config_value(theirs, parts[i]);
        if ((x || y) && (!x || !y || !share(x, y)))
            return no(why, "IKEv2: the proposals share no %s (%s: %s; %s: %s)", parts[i], a->name,
                      x ? x : "none", b->name, y ? y : "none");
    }
    return true;
}

// IKE and ESP in UDP, from the other end, past the access lists of the interface that the tunnel stands on.
static bool arrives(const struct end *to, const struct end *from, const struct why *why)
{
    static const int ports[] = {500, 4500};
    const char *source = config_value(to->tunnel, "tunnel source");
    for (size_t i = 0; i < 2; i++) {
        struct acl_packet p = {
            .protocol = "udp", .src = from->router->address, .dst = to->source, .port = ports[i]};
        if (!router_acl_permits(to->router, source, "in", &p, why->text, why->size))
            return false;
    }
    return true;
}

// Hellos, which come out of the tunnel.
static bool hears(const struct end *to, const struct end *from, const struct why *why)
{
    struct acl_packet p = {.protocol = "ospf", .src = from->address, .dst = 0xe0000005};
    return router_acl_permits(to->router, "Tunnel0", "in", &p, why->text, why->size);
}

static bool ike_fits(const struct end *spoke, const struct end *hub, const struct why *why)
{
    if (!arrives(spoke, hub, why) || !arrives(hub, spoke, why))
        return false;
    if (!proposals(spoke, hub, why) || !identities(spoke, hub, why) || !identities(hub, spoke, why))
        return false;
    const char *mine = pre_shared(spoke, hub->router->address);
    const char *theirs = pre_shared(hub, spoke->router->address);
    if (!mine || !theirs)
        return no(why, "IKEv2: the %s's keyring has no peer for the other end",
                  mine ? hub->name : spoke->name);
    if (strcmp(mine, theirs) != 0)
        return no(why, "IKEv2: the pre-shared keys differ");
    static const char *const ways[] = {"authentication local", "authentication remote"};
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(value_or(spoke->ike, ways[i], ""), "pre-share") != 0 ||
            strcmp(value_or(hub->ike, ways[i], ""), "pre-share") != 0)
            return no(why, "IKEv2: %s pre-share is missing", ways[i]);
    }
    return true;
}

// ---- IPsec and GRE ----

static const char *transform_words(const struct line *transform)
{
    const char *name = transform->text + strlen("crypto ipsec transform-set ");
    return name + strcspn(name, " ");
}

static bool ipsec_fits(const struct end *spoke, const struct end *hub, const struct why *why)
{
    if (!spoke->transform || !hub->transform)
        return no(why, "IPsec: the %s has no transform set", spoke->transform ? hub->name : spoke->name);
    if (strcmp(transform_words(spoke->transform), transform_words(hub->transform)) != 0)
        return no(why, "IPsec: the transform sets differ (%s;%s)", transform_words(spoke->transform),
                  transform_words(hub->transform));
    const char *a = value_or(spoke->transform, "mode", "tunnel"),
               *b = value_or(hub->transform, "mode", "tunnel");
    if (strcmp(a, b) != 0)
        return no(why, "IPsec: mode %s on the spoke, mode %s on the hub", a, b);
    a = value_or(spoke->tunnel, "tunnel key", "none");
    b = value_or(hub->tunnel, "tunnel key", "none");
    if (strcmp(a, b) != 0)
        return no(why, "GRE: tunnel key %s on the spoke, %s on the hub", a, b);
    return true;
}

// ---- NHRP ----

// The hub's NBMA address as the spoke has it, and whether multicast goes there.
static bool next_hop_server(const struct end *spoke, uint32_t hub_tunnel, uint32_t *nbma, bool *multicast)
{
    const struct line *line;
    char nhs[20], address[20], last[20];
    uint32_t tunnel;
    for (size_t i = 0; (line = config_find(spoke->tunnel, "ip nhrp nhs", i)); i++) {
        int n = sscanf(line->text, "ip nhrp nhs %19s nbma %19s %19s", nhs, address, last);
        if (n < 1 || !lab_parse_ip(nhs, &tunnel) || tunnel != hub_tunnel)
            continue;
        if (n >= 2) {
            *multicast = n == 3;
            return lab_parse_ip(address, nbma);
        }
        char *map = lab_format("ip nhrp map %s", nhs);
        const char *mapped = config_value(spoke->tunnel, map);
        free(map);
        if (!mapped || !lab_parse_ip(mapped, nbma))
            return false;
        char *cast = lab_format("ip nhrp map multicast %s", mapped);
        *multicast = config_has(spoke->tunnel, cast);
        free(cast);
        return true;
    }
    return false;
}

static bool nhrp_fits(const struct end *spoke, const struct end *hub, bool *multicast, const struct why *why)
{
    uint32_t nbma = 0;
    if (!config_value(spoke->tunnel, "ip nhrp network-id") ||
        !config_value(hub->tunnel, "ip nhrp network-id"))
        return no(why, "NHRP: Tunnel0 has no ip nhrp network-id");
    if (!next_hop_server(spoke, hub->address, &nbma, multicast))
        return no(why, "NHRP: the spoke has no NHS with the hub's tunnel address and an NBMA address");
    if (nbma != hub->router->address)
        return no(why, "NHRP: the NBMA address of the NHS is not the hub's");
    if (strcmp(value_or(spoke->tunnel, "ip nhrp authentication", ""),
               value_or(hub->tunnel, "ip nhrp authentication", "")) != 0)
        return no(why, "NHRP: the authentication strings differ");
    if ((spoke->address ^ hub->address) >> (32 - hub->prefix))
        return no(why, "NHRP: the tunnel addresses are not in one network");
    return true;
}

// ---- OSPF ----

static const char *area_of(const struct router *router, uint32_t address)
{
    const struct line *process = config_find(router->running, "router ospf", 0), *line;
    char net[20], wild[20];
    uint32_t n, w;
    for (size_t i = 0; (line = config_find(process, "network", i)); i++) {
        if (sscanf(line->text, "network %19s %19s", net, wild) == 2 && lab_parse_ip(net, &n) &&
            lab_parse_ip(wild, &w) && ((n ^ address) & ~w) == 0)
            return strstr(line->text, "area ") + 5;
    }
    return NULL;
}

const char *router_ospf_area(const struct router *router, uint32_t address)
{
    return area_of(router, address);
}

static const char *ospf_authentication(const struct end *end, const char *area)
{
    const char *own = config_value(end->tunnel, "ip ospf authentication");
    if (own)
        return *own ? own : "simple";
    const struct line *process = config_find(end->router->running, "router ospf", 0);
    char *prefix = lab_format("area %s authentication", area);
    const char *whole = config_value(process, prefix);
    free(prefix);
    return whole ? (*whole ? whole : "simple") : "null";
}

static bool ospf_keys(const struct end *spoke, const struct end *hub, const char *area, const struct why *why)
{
    const char *a = ospf_authentication(spoke, area), *b = ospf_authentication(hub, area);
    if (strcmp(a, b) != 0)
        return no(why, "OSPF: authentication %s on the spoke, %s on the hub", a, b);
    if (!strcmp(a, "null"))
        return true;
    const char *key = !strcmp(a, "simple") ? "ip ospf authentication-key" : "ip ospf message-digest-key";
    if (strcmp(value_or(spoke->tunnel, key, ""), value_or(hub->tunnel, key, "")) != 0)
        return no(why, "OSPF: the authentication keys differ");
    return true;
}

static bool ospf_fits(const struct end *spoke, const struct end *hub, bool multicast, const struct why *why)
{
    static const struct {
        const char *line, *otherwise, *say;
    } same[] = {{"ip ospf network", "point-to-point", "network type"},
                {"ip ospf hello-interval", "30", "hello-interval"},
                {"ip ospf dead-interval", "", "dead-interval"},
                {"ip mtu", "1476", "ip mtu"}};
    const char *mine = area_of(spoke->router, spoke->address), *theirs = area_of(hub->router, hub->address);
    if (!hears(spoke, hub, why) || !hears(hub, spoke, why))
        return false;
    if (!multicast)
        return no(why, "OSPF: hellos do not reach the hub: no multicast towards the NHS");
    if (!mine || !theirs)
        return no(why, "OSPF: no network statement covers Tunnel0 of the %s", mine ? hub->name : spoke->name);
    if (strcmp(mine, theirs) != 0)
        return no(why, "OSPF: Tunnel0 is in area %s on the spoke, %s on the hub", mine, theirs);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *a = value_or(spoke->tunnel, same[i].line, same[i].otherwise);
        const char *b = value_or(hub->tunnel, same[i].line, same[i].otherwise);
        if (strcmp(a, b) != 0)
            return no(why, "OSPF: %s %s on the spoke, %s on the hub", same[i].say, a, b);
    }
    return ospf_keys(spoke, hub, mine, why);
}

// ---- both ends ----

static enum stage raw_stage(struct lab *lab, const struct why *why)
{
    struct end spoke = {.router = router_spoke(lab), .name = "spoke"};
    struct end hub = {.router = router_hub(lab), .name = "hub"};
    bool multicast = false;
    if (!spoke.router) {
        no(why, "no router is launched");
        return STAGE_CONFIG;
    }
    if (spoke.router->off) {
        no(why, "spoke: its instance is stopped");
        return STAGE_CONFIG;
    }
    if (!spoke.router->address) {
        no(why, "spoke: no public address");
        return STAGE_CONFIG;
    }
    if (!load_end(&spoke, why) || !load_end(&hub, why))
        return STAGE_CONFIG;
    if (!ike_fits(&spoke, &hub, why))
        return STAGE_IKE;
    if (!ipsec_fits(&spoke, &hub, why))
        return STAGE_IPSEC;
    if (!nhrp_fits(&spoke, &hub, &multicast, why))
        return STAGE_NHRP;
    return ospf_fits(&spoke, &hub, multicast, why) ? STAGE_UP : STAGE_OSPF;
}

bool lab_router_tunnel_up(struct lab *lab, char *text, size_t size)
{
    return raw_stage(lab, &(struct why){text, size}) == STAGE_UP;
}

// The way between the two, which is not the routers' own doing; absent in a lab without its cloud.
extern bool lab_aws_path_tunnel(struct lab *, char *, size_t) __attribute__((weak));

enum stage tunnel_stage(struct lab *lab, bool settled, char *text, size_t size)
{
    enum stage stage = raw_stage(lab, &(struct why){text, size});
    const struct router *spoke = router_spoke(lab);
    if (stage > STAGE_CONFIG && lab_aws_path_tunnel && !lab_aws_path_tunnel(lab, text, size))
        return STAGE_IKE;
    if (!settled || !spoke || stage <= STAGE_IKE)
        return stage;
    int64_t age = spoke->fits_since_ms ? lab_mono_ms() - spoke->fits_since_ms : 0;
    enum stage reached = age < IKE_MS    ? STAGE_IKE
                         : age < NHRP_MS ? STAGE_NHRP
                         : age < OSPF_MS ? STAGE_OSPF
                                         : STAGE_UP;
    if (reached < stage)
        no(&(struct why){text, size}, "the tunnel is still coming up");
    return reached < stage ? reached : stage;
}

void router_changed(struct router *router)
{
    struct router *spoke = router_spoke(router->lab);
    struct why none = {NULL, 0};
    router->config_serial++;
    if (spoke) {
        bool up = raw_stage(router->lab, &none) >= STAGE_IPSEC;
        if (!up)
            spoke->fits_since_ms = 0;
        else if (!spoke->fits_since_ms)
            spoke->fits_since_ms = lab_mono_ms();
    }
    // Sessions whose section is gone are back at the top.
    for (struct session *s = router->sessions; s; s = s->next) {
        if (s->mode && !config_contains(router->running, s->at)) {
            s->at = router->running;
            s->mode = "config";
        }
    }
    pthread_cond_broadcast(&router->lab->changed);
}
