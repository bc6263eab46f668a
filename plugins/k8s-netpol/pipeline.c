// A policy of the pipeline file as a NetworkPolicy of its cluster.
#include "pipeline.h"

#include "flat.h"
#include "shards.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_manifest.h>

#include <string.h>

json_t *pipeline_document(const json_t *given)
{
    json_t *selector = json_object_get(given, "podSelector"), *spec = json_object();
    json_object_set_new(spec, "podSelector",
                        json_is_object(selector) ? json_deep_copy(selector) : json_object());
    json_object_set_new(spec, "policyTypes", ist_manifest_policy_types(given));
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
    uint8_t direction;
    uint8_t everybody;     // its rule has no peers at all
    json_t *ports, *peers; // ports NULL: all
    struct ip_set addresses;
};

struct parts {
    struct part *items;
    size_t count;
    size_t first; // of the rule that is being read
};

// Of the rule that is being read. Consumes `ports`.
static struct part *part_with(struct parts *parts, uint8_t direction, json_t *ports)
{
    for (size_t i = parts->first; i < parts->count; i++)
        if (ports ? json_equal(ports, parts->items[i].ports) : !parts->items[i].ports) {
            json_decref(ports);
            return &parts->items[i];
        }
    parts->items = ist_realloc(parts->items, parts->count + 1, sizeof(*parts->items));
    parts->items[parts->count] = (struct part){.direction = direction, .ports = ports, .peers = json_array()};
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

#define RANGE_MAX 64 // ports of a range that are written one by one

// endPort came with Kubernetes 1.22; an older server refuses the whole policy. Consumes `ports`, and gives it back or
// another list. Of a range too long for that the first port alone is left: less than was meant, never more.
static json_t *without_ranges(json_t *ports, const struct companion_options *options,
                              const struct policy *policy, json_t *notes)
{
    json_t *list = json_array(), *port;
    size_t i;
    if (!options->lacks_ranges || !ports) {
        json_decref(list);
        return ports;
    }
    json_array_foreach(ports, i, port)
    {
        json_int_t from = json_integer_value(json_object_get(port, "port"));
        const json_t *end = json_object_get(port, "endPort");
        json_int_t to = json_is_integer(end) ? json_integer_value(end) : from;
        if (to - from >= RANGE_MAX) {
            note_once(
                notes,
                ist_printf("policy %s/%s: the API server knows no ranges of ports, and %lld-%lld are too "
                           "many to be written one by one: only %lld is let in",
                           policy->ns->text, policy->name->text, (long long)from, (long long)to,
                           (long long)from));
            to = from;
        }
        for (json_int_t number = from; number <= to; number++) {
            json_t *one = json_copy(port);
            json_object_del(one, "endPort");
            if (to > from)
                json_object_set_new(one, "port", json_integer(number));
            json_array_append_new(list, one);
        }
    }
    json_decref(ports);
    return list;
}

static void add_remote(struct parts *parts, const struct flats *flats,
                       const struct companion_options *options, const struct policy *policy, json_t *notes)
{
    for (size_t i = 0; i < flats->count; i++) {
        json_t *ports = without_ranges(flat_ports(&flats->items[i]), options, policy, notes);
        struct part *part = part_with(parts, flats->items[i].direction, ports);
        ip_set_add_all(&part->addresses, flats->items[i].addresses.items, flats->items[i].addresses.count);
    }
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
                     struct parts *parts, json_t *notes)
{
    const json_t *peers = json_object_get(given, rule->direction == RULE_INGRESS ? "from" : "to"), *peer;
    struct flats flats = {0};
    size_t i;
    for (size_t cluster = 0; cluster < world_cluster_count(world); cluster++)
        if (!absent || !absent[cluster])
            flats_add(&flats, world, policy, rule, cluster, 1, options, notes);
    parts->first = parts->count;
    struct part *copied =
        part_with(parts, rule->direction, without_ranges(ports_of(given), options, policy, notes));
    copied->everybody = rule->from_all;
    json_array_foreach(peers, i, peer) if (!json_object_get(peer, "cluster"))
        json_array_append(copied->peers, (json_t *)(uintptr_t)peer);
    add_remote(parts, &flats, options, policy, notes);
    note_services(world, policy, rule, notes);
    flats_free(&flats);
}

// ClusterIPs that lead to what the rules allow elsewhere, and to nothing that they do not allow.
static void add_vips(struct parts *parts, const struct world *world, const struct policy *policy,
                     const uint8_t *absent, const struct companion_options *options)
{
    struct flats flats = {0}, others = {0};
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        if (rule->direction != RULE_EGRESS)
            continue;
        for (size_t cluster = 0; cluster < world_cluster_count(world); cluster++)
            if (!absent || !absent[cluster])
                flats_add(&flats, world, policy, rule, cluster, 1, options, NULL);
        flats_add(&others, world, policy, rule, policy->cluster, 0, options, NULL);
    }
    size_t count = flats.count;
    flats_add_vips(&flats, &others, options);
    for (size_t i = count; i < flats.count; i++) {
        parts->first = parts->count;
        struct part *part = part_with(parts, RULE_EGRESS, flat_ports(&flats.items[i]));
        ip_set_add_all(&part->addresses, flats.items[i].addresses.items, flats.items[i].addresses.count);
    }
    flats_free(&flats);
    flats_free(&others);
}

// ---- objects ----

struct making {
    const json_t *document;
    json_t *objects;
};

// The policy itself: peers that were copied, and the addresses unless they stand in objects of their own.
static json_t *main_object(const json_t *document, const struct parts *parts, int with_addresses)
{
    json_t *object = json_deep_copy(document), *spec = json_object_get(object, "spec");
    for (uint8_t direction = RULE_INGRESS; direction <= RULE_EGRESS; direction++) {
        json_t *rules = json_array();
        for (size_t i = 0; i < parts->count; i++) {
            const struct part *part = &parts->items[i];
            json_t *peers = json_copy(part->peers), *rule = json_object();
            json_t *blocks = ip_blocks(part->addresses.items, with_addresses ? part->addresses.count : 0);
            json_array_extend(peers, blocks);
            if (json_array_size(peers))
                json_object_set(rule, direction == RULE_INGRESS ? "from" : "to", peers);
            if (part->ports)
                json_object_set(rule, "ports", part->ports);
            // Only a list that is left out or empty means everybody.
            if (part->direction == direction && (json_array_size(peers) || part->everybody))
                json_array_append(rules, rule);
            json_decref(rule);
            json_decref(blocks);
            json_decref(peers);
        }
        json_object_del(spec, direction == RULE_INGRESS ? "ingress" : "egress");
        if (json_array_size(rules))
            json_object_set(spec, direction == RULE_INGRESS ? "ingress" : "egress", rules);
        json_decref(rules);
    }
    return object;
}

static void make_shard(void *arg, json_t *spec, uint32_t number)
{
    const struct making *making = arg;
    const char *of = ist_json_str_or(making->document, "metadata.name", "");
    char *name = shard_name(of, "-isthmus.", number);
    json_array_append_new(making->objects,
                          json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:o}", "apiVersion",
                                    "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata", "name", name,
                                    "namespace", ist_json_str_or(making->document, "metadata.namespace", ""),
                                    "annotations", ANNOTATION_PIPELINE, of, "spec", spec));
    ist_free(name);
}

static void make_shards(struct making *making, const struct parts *parts, uint32_t limit)
{
    struct shard_rule *rules = ist_calloc(parts->count, sizeof(*rules));
    for (size_t i = 0; i < parts->count; i++)
        rules[i] =
            (struct shard_rule){parts->items[i].direction, parts->items[i].ports, &parts->items[i].addresses};
    shards_make(&(struct sharding){ist_json_at(making->document, "spec.podSelector"), rules, parts->count,
                                   limit, make_shard, making});
    ist_free(rules);
}

json_t *pipeline_make(const struct world *world, const struct policy *policy, const json_t *document,
                      const uint8_t *absent, const struct companion_options *options, json_t *notes)
{
    static const struct companion_options none = {0};
    struct making making = {document, json_array()};
    struct parts parts = {0};
    size_t addresses = 0;
    options = options ? options : &none;
    uint32_t limit = options->shard_peers ? options->shard_peers : SHARD_ADDRESSES;
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        const json_t *given = ist_json_at(
            document, policy->rules[i].direction == RULE_INGRESS ? "spec.ingress" : "spec.egress");
        add_rule(world, policy, &policy->rules[i], json_array_get(given, policy->rules[i].index), absent,
                 options, &parts, notes);
    }
    if (options->vip_count)
        add_vips(&parts, world, policy, absent, options);
    for (size_t i = 0; i < parts.count; i++) {
        ip_set_seal(&parts.items[i].addresses);
        addresses += parts.items[i].addresses.count;
        if (options->addresses)
            ip_set_add_all(options->addresses, parts.items[i].addresses.items,
                           parts.items[i].addresses.count);
    }
    json_array_append_new(making.objects, main_object(document, &parts, addresses <= limit));
    if (addresses > limit)
        make_shards(&making, &parts, limit);
    for (size_t i = 0; i < parts.count; i++) {
        json_decref(parts.items[i].ports);
        json_decref(parts.items[i].peers);
        ip_set_free(&parts.items[i].addresses);
    }
    ist_free(parts.items);
    return making.objects;
}
