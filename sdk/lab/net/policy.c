#include "policy.h"

#include "../kube/selector.h"
#include "../lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *at(const json_t *object, const char *a, const char *b)
{
    return json_object_get(json_object_get(object, a), b);
}

static const char *text(const json_t *value)
{
    return json_is_string(value) ? json_string_value(value) : "";
}

static const char *ns_of(const json_t *object)
{
    return text(at(object, "metadata", "namespace"));
}

static const char *protocol_name(int proto)
{
    return proto == NET_TCP ? "TCP" : proto == NET_UDP ? "UDP" : proto == NET_SCTP ? "SCTP" : "ICMP";
}

// ---- what a policy is about ----

static bool has_type(const json_t *policy, const char *type)
{
    const json_t *types = at(policy, "spec", "policyTypes"), *item;
    size_t i;
    if (!json_array_size(types)) // unset: Ingress, and Egress if there are egress rules
        return strcmp(type, "Ingress") == 0 || json_array_size(at(policy, "spec", "egress")) > 0;
    json_array_foreach(types, i, item) if (strcmp(text(item), type) == 0) return true;
    return false;
}

static bool selects(const json_t *policy, const json_t *pod)
{
    const json_t *selector = at(policy, "spec", "podSelector");
    return strcmp(ns_of(policy), ns_of(pod)) == 0 &&
           (!selector || kube_selector_match(selector, at(pod, "metadata", "labels")));
}

// ---- peers ----

static bool in_cidr(const char *cidr, uint32_t address)
{
    uint32_t network;
    int prefix;
    return lab_parse_cidr(cidr, &network, &prefix) &&
           (address & lab_mask(prefix)) == (network & lab_mask(prefix));
}

static bool block_matches(const json_t *block, uint32_t address)
{
    size_t i;
    const json_t *except;
    if (!address || !in_cidr(text(json_object_get(block, "cidr")), address))
        return false;
    json_array_foreach(json_object_get(block, "except"), i,
                       except) if (in_cidr(text(except), address)) return false;
    return true;
}

static bool host_pod(const json_t *pod)
{
    return json_is_true(at(pod, "spec", "hostNetwork"));
}

static bool peer_matches(const json_t *peer, const json_t *policy, const struct net_end *end)
{
    const json_t *block = json_object_get(peer, "ipBlock"), *pods = json_object_get(peer, "podSelector");
    const json_t *spaces = json_object_get(peer, "namespaceSelector");
    if (block)
        return block_matches(block, end->address);
    if (!end->pod || host_pod(end->pod)) // a pod of the host's network has no identity of its own
        return false;
    if (spaces ? !kube_selector_match(spaces, end->ns_labels) : strcmp(ns_of(policy), ns_of(end->pod)) != 0)
        return false;
    return !pods || kube_selector_match(pods, at(end->pod, "metadata", "labels"));
}

// ---- ports ----

static bool named_port_is(const json_t *pod, const char *name, const char *protocol, int number)
{
    size_t i, k;
    const json_t *container, *port;
    json_array_foreach(at(pod, "spec", "containers"), i, container)
        json_array_foreach(json_object_get(container, "ports"), k, port)
    {
        const char *own = text(json_object_get(port, "protocol"));
        if (strcmp(text(json_object_get(port, "name")), name) == 0 &&
            strcmp(*own ? own : "TCP", protocol) == 0)
            return json_integer_value(json_object_get(port, "containerPort")) == number;
    }
    return false;
}

static bool port_matches(const json_t *item, const struct net_connection *c, bool by_block)
{
    const char *protocol = text(json_object_get(item, "protocol"));
    const json_t *port = json_object_get(item, "port"), *end = json_object_get(item, "endPort");
    if (strcmp(*protocol ? protocol : "TCP", protocol_name(c->proto)) != 0)
        return false;
    if (!port)
        return true;
    if (json_is_string(port))
        return !(by_block && c->vpc_cni) &&
               named_port_is(c->dst.pod, text(port), protocol_name(c->proto), c->port);
    json_int_t first = json_integer_value(port),
               last = json_is_integer(end) ? json_integer_value(end) : first;
    return c->port >= first && c->port <= last;
}

static bool rule_allows(const json_t *rule, const json_t *policy, bool ingress,
                        const struct net_connection *c)
{
    const json_t *peers = json_object_get(rule, ingress ? "from" : "to"),
                 *ports = json_object_get(rule, "ports"), *item;
    const struct net_end *other = ingress ? &c->src : &c->dst;
    size_t i, k;
    // No peers mean everybody; no ports mean all, of all protocols.
    for (i = 0; i < json_array_size(peers) || (i == 0 && !json_array_size(peers)); i++) {
        const json_t *peer = json_array_get(peers, i);
        if (peer && !peer_matches(peer, policy, other))
            continue;
        if (!json_array_size(ports))
            return true;
        json_array_foreach(ports, k,
                           item) if (port_matches(item, c, json_object_get(peer, "ipBlock"))) return true;
    }
    return false;
}

bool net_policy_allows(const json_t *policies, bool ingress, const struct net_connection *c, char *why,
                       size_t size)
{
    const struct net_end *subject = ingress ? &c->dst : &c->src;
    const char *type = ingress ? "Ingress" : "Egress";
    const json_t *policy, *rule;
    char names[160] = "";
    size_t i, k, n = 0;
    bool isolated = false;
    if (!subject->pod || host_pod(subject->pod))
        return true;
    json_array_foreach(policies, i, policy)
    {
        if (!has_type(policy, type) || !selects(policy, subject->pod))
            continue;
        json_array_foreach(at(policy, "spec", ingress ? "ingress" : "egress"), k,
                           rule) if (rule_allows(rule, policy, ingress, c)) return true;
        int more = snprintf(names + n, sizeof names - n, "%s%s/%s", isolated ? ", " : "", ns_of(policy),
                            text(at(policy, "metadata", "name")));
        n += more > 0 && n + (size_t)more < sizeof names ? (size_t)more : 0;
        isolated = true;
    }
    if (isolated) {
        char *address = lab_ip(ingress ? c->src.address : c->dst.address);
        snprintf(why, size, "%s of pod %s/%s is isolated by NetworkPolicy %s, and none allows %s %s port %d",
                 type, ns_of(subject->pod), text(at(subject->pod, "metadata", "name")), names, address,
                 protocol_name(c->proto), c->port);
        free(address);
    }
    return !isolated;
}
