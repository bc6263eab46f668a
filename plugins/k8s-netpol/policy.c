// A policy of the pipeline file as a NetworkPolicy of its cluster.
#include "policy.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

static const struct view *view_of(const struct view *views, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(views[i].cluster->name, name))
            return &views[i];
    return NULL;
}

static int by_net(const void *a, const void *b)
{
    ist_net4 left = {0}, right = {0};
    ist_net4_parse(*(const char *const *)a, &left, NULL);
    ist_net4_parse(*(const char *const *)b, &right, NULL);
    return left.address < right.address ? -1 : left.address > right.address;
}

// The addresses as ipBlock peers, in the order of numbers: what did not change is not written.
static void append_blocks(json_t *peers, const json_t *addresses)
{
    size_t count = 0;
    const char **cidrs = ist_calloc(json_object_size(addresses), sizeof(*cidrs)), *cidr;
    json_t *unused;
    json_object_foreach((json_t *)(uintptr_t)addresses, cidr, unused) cidrs[count++] = cidr;
    if (count)
        qsort(cidrs, count, sizeof(*cidrs), by_net);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(peers, json_pack("{s:{s:s}}", "ipBlock", "cidr", cidrs[i]));
    ist_free(cidrs);
}

// Ports with what a server would fill in, so that nothing of it looks like a difference.
static json_t *ports_of(const json_t *rule)
{
    json_t *ports = json_array(), *port;
    size_t i;
    json_array_foreach(json_object_get(rule, "ports"), i, port)
    {
        json_t *copy = json_copy(port);
        if (!json_object_get(copy, "protocol"))
            json_object_set_new(copy, "protocol", json_string("TCP"));
        json_array_append_new(ports, copy);
    }
    return ports;
}

// One rule, or NULL when it had peers and they stand for nobody.
static int32_t generate_rule(const json_t *policy, const json_t *rule, const char *direction,
                             const struct view *views, size_t count, json_t **generated, json_t *notes,
                             ist_error *err)
{
    const json_t *given = json_object_get(rule, direction);
    json_t *peers = json_array(), *addresses = json_object(), *peer;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(given, i, peer)
    {
        const char *cluster = ist_json_str(peer, "cluster");
        const struct view *view = cluster ? view_of(views, count, cluster) : NULL;
        if (!cluster)
            json_array_append(peers, peer);
        else if (view)
            peer_addresses(view, peer, ist_json_str_or(policy, "namespace", ""), addresses, notes);
        else
            rc = ist_fail(err, IST_ERR_INPUT, ist_json_str_or(policy, "name", "?"),
                          "a peer names the cluster %s, which has no kubeconfig here", cluster);
    }
    append_blocks(peers, addresses);
    json_decref(addresses);
    *generated = NULL;
    if (rc == IST_OK && (json_array_size(peers) || !json_array_size(given))) {
        *generated = json_object();
        json_t *ports = ports_of(rule);
        if (json_array_size(peers))
            json_object_set(*generated, direction, peers);
        if (json_array_size(ports))
            json_object_set(*generated, "ports", ports);
        json_decref(ports);
    }
    json_decref(peers);
    return rc;
}

static int32_t generate_rules(const json_t *policy, const char *type, const char *direction,
                              const struct view *views, size_t count, json_t *spec, json_t *notes,
                              ist_error *err)
{
    json_t *rules = json_array(), *rule;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(policy, type), i, rule)
    {
        json_t *generated = NULL;
        if (rc == IST_OK)
            rc = generate_rule(policy, rule, direction, views, count, &generated, notes, err);
        if (generated)
            json_array_append_new(rules, generated);
    }
    if (rc == IST_OK && json_array_size(rules))
        json_object_set(spec, type, rules);
    json_decref(rules);
    return rc;
}

// Unset, they are Ingress, and Egress as well where there are egress rules.
static json_t *types_of(const json_t *policy)
{
    json_t *types = json_object_get(policy, "policyTypes");
    if (json_array_size(types))
        return json_incref(types);
    types = json_pack("[s]", "Ingress");
    if (json_array_size(json_object_get(policy, "egress")))
        json_array_append_new(types, json_string("Egress"));
    return types;
}

int32_t policy_generate(const json_t *policy, const struct view *views, size_t count, json_t **object,
                        json_t *notes, ist_error *err)
{
    json_t *selector = json_object_get(policy, "podSelector"), *spec = json_object();
    json_object_set_new(spec, "podSelector",
                        json_is_object(selector) ? json_deep_copy(selector) : json_object());
    json_object_set_new(spec, "policyTypes", types_of(policy));
    int32_t rc = generate_rules(policy, "ingress", "from", views, count, spec, notes, err);
    if (rc == IST_OK)
        rc = generate_rules(policy, "egress", "to", views, count, spec, notes, err);
    if (rc == IST_OK)
        *object = json_pack("{s:s, s:s, s:{s:s, s:s}, s:O}", "apiVersion", "networking.k8s.io/v1", "kind",
                            "NetworkPolicy", "metadata", "name", ist_json_str_or(policy, "name", ""),
                            "namespace", ist_json_str_or(policy, "namespace", ""), "spec", spec);
    json_decref(spec);
    return rc;
}
