// The rules of the router's security group, one by one: what the stack declares is there, and nothing else is. A rule
// is compared as {protocol, ports, peer}; its description is no part of what it allows.
#include "internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How an answer of EC2 and a permission that is sent to it spell one kind of peer.
static const struct peer_kind {
    const char *list, *member; // of DescribeSecurityGroups
    const char *sent, *key;    // of IpPermissions
} kinds[] = {{"ipRanges", "cidrIp", "IpRanges", "CidrIp"},
             {"ipv6Ranges", "cidrIpv6", "Ipv6Ranges", "CidrIpv6"},
             {"groups", "groupId", "UserIdGroupPairs", "GroupId"},
             {"prefixListIds", "prefixListId", "PrefixListIds", "PrefixListId"}};

// ---- one form ----

static const char *protocol_of(const char *text)
{
    static const char *const names[][2] = {{"6", "tcp"},  {"17", "udp"}, {"1", "icmp"}, {"58", "icmpv6"},
                                           {"all", "-1"}, {"esp", "50"}, {"ah", "51"},  {"ESP", "50"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i][0]) == 0)
            return names[i][1];
    }
    return text;
}

// A port as number or text; -1 where a protocol has none.
static int port_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text ? (int)strtol(text, NULL, 10) : value ? (int)json_integer_value(value) : -1;
}

// EC2 clears the host's bits of what it is given. text: 32 bytes; left alone when `cidr` is none.
static const char *network_of(const char *cidr, char text[32])
{
    const char *slash = strchr(cidr, '/');
    char *address = ist_printf("%.*s", (int)(slash ? slash - cidr : 0), cidr), shown[16];
    long prefix = slash ? strtol(slash + 1, NULL, 10) : -1;
    uint32_t ip = 0;
    bool good = ist_ipv4_parse(address, &ip) == IST_OK && prefix >= 0 && prefix <= 32;
    ist_free(address);
    if (!good)
        return cidr;
    ist_ipv4_text(prefix ? ip & (0xffffffffu << (32 - prefix)) : 0, shown);
    (void)snprintf(text, 32, "%s/%ld", shown, prefix);
    return text;
}

static json_t *one_rule(const char *protocol, const json_t *from, const json_t *to,
                        const struct peer_kind *kind, const char *peer)
{
    char network[32];
    const char *name = protocol_of(protocol);
    bool ports = strcmp(name, "tcp") == 0 || strcmp(name, "udp") == 0 || strncmp(name, "icmp", 4) == 0;
    if (strcmp(kind->sent, "IpRanges") == 0)
        peer = network_of(peer, network);
    return json_pack("{ss si si ss ss}", "protocol", name, "from", ports ? port_of(from) : -1, "to",
                     ports ? port_of(to) : -1, "kind", kind->sent, "peer", peer);
}

// Adds the rules of ipPermissions or ipPermissionsEgress, a peer each.
static json_t *live_rules(const json_t *permissions)
{
    json_t *rules = json_array(), *permission, *peer;
    size_t i, k;
    json_array_foreach((json_t *)permissions, i, permission)
    {
        for (size_t n = 0; n < sizeof kinds / sizeof *kinds; n++) {
            json_array_foreach(json_object_get(permission, kinds[n].list), k, peer)
            {
                json_t *rule =
                    one_rule(ist_json_str_or(permission, "ipProtocol", ""),
                             json_object_get(permission, "fromPort"), json_object_get(permission, "toPort"),
                             &kinds[n], ist_json_str_or(peer, kinds[n].member, ""));
                json_object_set_new(rule, "why", json_string(ist_json_str_or(peer, "description", "")));
                if (json_object_get(peer, "userId"))
                    json_object_set(rule, "owner", json_object_get(peer, "userId"));
                json_array_append_new(rules, rule);
            }
        }
    }
    return rules;
}

// The same of a template's SecurityGroupIngress or SecurityGroupEgress.
static json_t *declared_rules(const json_t *declared)
{
    json_t *rules = json_array(), *one;
    size_t i;
    json_array_foreach((json_t *)declared, i, one)
    {
        json_t *rule =
            one_rule(ist_json_str_or(one, "IpProtocol", ""), json_object_get(one, "FromPort"),
                     json_object_get(one, "ToPort"), &kinds[0], ist_json_str_or(one, "CidrIp", ""));
        json_object_set_new(rule, "why", json_string(ist_json_str_or(one, "Description", "")));
        json_array_append_new(rules, rule);
    }
    return rules;
}

static bool same_rule(const json_t *a, const json_t *b)
{
    static const char *const parts[] = {"protocol", "from", "to", "kind", "peer"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!json_equal(json_object_get(a, parts[i]), json_object_get(b, parts[i])))
            return false;
    }
    return true;
}

static bool is_among(const json_t *rule, const json_t *rules)
{
    json_t *other;
    size_t i;
    json_array_foreach((json_t *)rules, i, other)
    {
        if (same_rule(rule, other))
            return true;
    }
    return false;
}

// ---- telling and mending ----

// "udp 4500 from 0.0.0.0/0 (IKE and ESP behind NAT)". The caller's.
static char *shown(const json_t *rule, bool egress)
{
    const char *protocol = ist_json_str_or(rule, "protocol", ""), *why = ist_json_str_or(rule, "why", "");
    int from = (int)ist_json_int(rule, "from", -1), to = (int)ist_json_int(rule, "to", -1);
    char *ports = from < 0     ? ist_strdup("")
                  : from == to ? ist_printf(" %d", from)
                               : ist_printf(" %d-%d", from, to);
    char *text = ist_printf("Group: %s%s %s %s%s%s%s",
                            strcmp(protocol, "-1") == 0   ? "everything"
                            : strcmp(protocol, "50") == 0 ? "esp"
                                                          : protocol,
                            ports, egress ? "to" : "from", ist_json_str_or(rule, "peer", ""),
                            *why ? " (" : "", why, *why ? ")" : "");
    ist_free(ports);
    return text;
}

// The call that opens or closes exactly this rule.
static json_t *mend(const char *group, const json_t *rule, bool egress, bool open)
{
    const char *kind = ist_json_str_or(rule, "kind", ""), *key = "CidrIp";
    for (size_t n = 0; n < sizeof kinds / sizeof *kinds; n++)
        key = strcmp(kinds[n].sent, kind) == 0 ? kinds[n].key : key;
    json_t *peer = json_pack("{sO}", key, json_object_get(rule, "peer"));
    if (open && *ist_json_str_or(rule, "why", ""))
        json_object_set(peer, "Description", json_object_get(rule, "why"));
    if (json_object_get(rule, "owner"))
        json_object_set(peer, "UserId", json_object_get(rule, "owner"));
    json_t *permission = json_pack("{sO s[o]}", "IpProtocol", json_object_get(rule, "protocol"), kind, peer);
    if (ist_json_int(rule, "from", -1) >= 0 ||
        strncmp(ist_json_str_or(rule, "protocol", ""), "icmp", 4) == 0) {
        json_object_set(permission, "FromPort", json_object_get(rule, "from"));
        json_object_set(permission, "ToPort", json_object_get(rule, "to"));
    }
    char *action =
        ist_printf("%sSecurityGroup%s", open ? "Authorize" : "Revoke", egress ? "Egress" : "Ingress");
    json_t *call = json_pack("{ss s{ss s[o]}}", "action", action, "params", "GroupId", group, "IpPermissions",
                             permission);
    ist_free(action);
    return call;
}

static void compare(const char *group, const json_t *declared, const json_t *live, bool egress, json_t *drift)
{
    json_t *rule;
    size_t i;
    json_array_foreach((json_t *)declared, i, rule)
    {
        if (is_among(rule, live))
            continue;
        char *field = shown(rule, egress);
        router_vm_note(drift, field, "closed", "open", mend(group, rule, egress, true));
        ist_free(field);
    }
    json_array_foreach((json_t *)live, i, rule)
    {
        if (is_among(rule, declared))
            continue;
        char *field = shown(rule, egress);
        router_vm_note(drift, field, "open", "closed", mend(group, rule, egress, false));
        ist_free(field);
    }
}

void router_vm_group_drift(const json_t *group, const json_t *ingress, const json_t *egress, json_t *drift)
{
    const char *id = ist_json_str_or(group, "groupId", "");
    // What a group is born with, where the template says nothing: everything may leave; ::/0 too, in some VPCs.
    json_t *all = json_pack("[{ss ss}]", "IpProtocol", "-1", "CidrIp", "0.0.0.0/0");
    json_t *declared = declared_rules(ingress), *live = live_rules(json_object_get(group, "ipPermissions"));
    compare(id, declared, live, false, drift);
    json_decref(declared);
    json_decref(live);
    declared = declared_rules(json_array_size(egress) ? egress : all);
    live = live_rules(json_object_get(group, "ipPermissionsEgress"));
    if (!json_array_size(egress)) {
        for (size_t i = json_array_size(live); i-- > 0;) {
            const json_t *rule = json_array_get(live, i);
            if (strcmp(ist_json_str_or(rule, "protocol", ""), "-1") == 0 &&
                strcmp(ist_json_str_or(rule, "peer", ""), "::/0") == 0)
                json_array_remove(live, i);
        }
    }
    compare(id, declared, live, true, drift);
    json_decref(declared);
    json_decref(live);
    json_decref(all);
}
