// A policy of the pipeline file as a NetworkPolicy of its cluster.
#include "pipeline.h"

#include "flat.h"

#include <isthmus/alloc.h>

#include <string.h>

// Unset, they are Ingress, and Egress as well where there are egress rules.
static json_t *types_of(const json_t *given)
{
    json_t *types = json_object_get(given, "policyTypes");
    if (json_array_size(types))
        return json_incref(types);
    types = json_pack("[s]", "Ingress");
    if (json_array_size(json_object_get(given, "egress")))
        json_array_append_new(types, json_string("Egress"));
    return types;
}

json_t *pipeline_document(const json_t *given)
{
    json_t *selector = json_object_get(given, "podSelector"), *spec = json_object();
    json_object_set_new(spec, "podSelector",
                        json_is_object(selector) ? json_deep_copy(selector) : json_object());
    json_object_set_new(spec, "policyTypes", types_of(given));
    if (json_object_get(given, "ingress"))
        json_object_set(spec, "ingress", json_object_get(given, "ingress"));
    if (json_object_get(given, "egress"))
        json_object_set(spec, "egress", json_object_get(given, "egress"));
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", "networking.k8s.io/v1", "kind",
                     "NetworkPolicy", "metadata", "name", ist_json_str_or(given, "name", ""), "namespace",
                     ist_json_str_or(given, "namespace", ""), "spec", spec);
}

// ---- rules ----

// One rule that is written: peers that were copied, addresses, and ports that they have in common.
struct part {
    json_t *ports, *peers; // ports NULL: all
    struct ip_set addresses;
};

struct parts {
    struct part *items;
    size_t count;
};

// Consumes `ports`.
static struct part *part_with(struct parts *parts, json_t *ports)
{
    for (size_t i = 0; i < parts->count; i++)
        if (ports ? json_equal(ports, parts->items[i].ports) : !parts->items[i].ports) {
            json_decref(ports);
            return &parts->items[i];
        }
    parts->items = ist_realloc(parts->items, parts->count + 1, sizeof(*parts->items));
    parts->items[parts->count] = (struct part){.ports = ports, .peers = json_array()};
    return &parts->items[parts->count++];
}

// Ports with what a server would fill in, so that nothing of it looks like a difference. NULL: none are named.
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
    if (json_array_size(ports))
        return ports;
    json_decref(ports);
    return NULL;
}

static void add_remote(struct parts *parts, const struct flats *flats)
{
    for (size_t i = 0; i < flats->count; i++) {
        struct part *part = part_with(parts, flat_ports(&flats->items[i]));
        for (size_t k = 0; k < flats->items[i].addresses.count; k++)
            ip_set_add(&part->addresses, &flats->items[i].addresses.items[k]);
    }
}

static void write_parts(struct parts *parts, const char *direction, int everybody, json_t *rules)
{
    for (size_t i = 0; i < parts->count; i++) {
        struct part *part = &parts->items[i];
        ip_set_seal(&part->addresses);
        json_t *blocks = ip_blocks(part->addresses.items, part->addresses.count), *rule = json_object();
        json_array_extend(part->peers, blocks);
        if (json_array_size(part->peers))
            json_object_set(rule, direction, part->peers);
        if (part->ports)
            json_object_set(rule, "ports", part->ports);
        if (json_array_size(part->peers) || everybody)
            json_array_append(rules, rule);
        json_decref(rule);
        json_decref(blocks);
        json_decref(part->ports);
        json_decref(part->peers);
        ip_set_free(&part->addresses);
    }
    ist_free(parts->items);
}

static void note_services(const struct world *world, const struct policy *policy, const struct rule *rule,
                          json_t *notes)
{
    for (uint32_t i = 0; i < rule->peer_count; i++) {
        const struct peer *peer = &rule->peers[i];
        size_t cluster = peer->cluster ? world_find_cluster(world, peer->cluster->text) : SIZE_MAX;
        if (!peer->service || cluster == SIZE_MAX)
            continue;
        const char *name = peer->ns ? peer->ns->text : policy->ns->text;
        const struct namespace *ns = world_find_namespace(world, cluster, name);
        const struct service *service = ns ? world_find_service(ns, peer->service) : NULL;
        if (!service || !service->has_selector)
            note_once(notes,
                      ist_printf("no Service %s/%s with a selector in %s: as a peer it stands for nobody",
                                 name, peer->service->text, peer->cluster->text));
    }
}

static void add_rule(const struct world *world, const struct policy *policy, const struct rule *rule,
                     const json_t *given, const uint8_t *absent, const struct companion_options *options,
                     json_t *rules, json_t *notes)
{
    const char *direction = rule->direction == RULE_INGRESS ? "from" : "to";
    const json_t *peers = json_object_get(given, direction), *peer;
    struct parts parts = {0};
    struct flats flats = {0};
    size_t i;
    for (size_t cluster = 0; cluster < world_cluster_count(world); cluster++)
        if (!absent || !absent[cluster])
            flats_add(&flats, world, policy, rule, cluster, 1, options, notes);
    struct part *copied = part_with(&parts, ports_of(given));
    json_array_foreach(peers, i, peer) if (!json_object_get(peer, "cluster"))
        json_array_append(copied->peers, (json_t *)(uintptr_t)peer);
    add_remote(&parts, &flats);
    note_services(world, policy, rule, notes);
    // Only a list that is left out or empty means everybody.
    write_parts(&parts, direction,
                !peers || json_is_null(peers) || (json_is_array(peers) && !json_array_size(peers)), rules);
    flats_free(&flats);
}

json_t *pipeline_make(const struct world *world, const struct policy *policy, const json_t *document,
                      const uint8_t *absent, const struct companion_options *options, json_t *notes)
{
    static const struct companion_options none = {0};
    json_t *object = json_deep_copy(document), *spec = json_object_get(object, "spec");
    for (uint8_t direction = RULE_INGRESS; direction <= RULE_EGRESS; direction++) {
        const char *name = direction == RULE_INGRESS ? "ingress" : "egress";
        json_t *given = ist_json_at(document, direction == RULE_INGRESS ? "spec.ingress" : "spec.egress");
        json_t *rules = json_array();
        json_object_del(spec, name);
        for (uint32_t i = 0; i < policy->rule_count; i++)
            if (policy->rules[i].direction == direction)
                add_rule(world, policy, &policy->rules[i], json_array_get(given, policy->rules[i].index),
                         absent, options ? options : &none, rules, notes);
        if (json_array_size(rules))
            json_object_set(spec, name, rules);
        json_decref(rules);
    }
    return object;
}
