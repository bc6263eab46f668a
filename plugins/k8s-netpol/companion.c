// Companions: what a stretched policy means of one other cluster, as objects. See companion.h for the rules.
#include "companion.h"

#include "flat.h"
#include "table.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_set.h>

#include <ctype.h>
#include <string.h>

#define ANNOTATION_POLICY "isthmus.dev/policy"
#define NAME_MAX_LEN      253u
#define SHARD_ADDRESSES   500u
#define V4_BITS           96u // where an IPv4 address begins

static uint32_t hash_text(uint32_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text));
}

// ---- names ----

// A cluster's name as a part of an object's: lower case letters, digits, '-' and '.'; with a hash where that changed it,
// so that two clusters never share one.
static char *name_part(const char *cluster)
{
    char *part = ist_strdup(cluster);
    int changed = 0;
    for (char *at = part; *at; at++) {
        char was = *at;
        *at = (char)tolower((unsigned char)was);
        if (!isalnum((unsigned char)*at) && *at != '-')
            *at = '-';
        changed |= *at != was;
    }
    if (!changed)
        return part;
    char *text = ist_printf("%s%08x", part, hash_text(HASH_START, cluster));
    ist_free(part);
    return text;
}

char *companion_name(const struct policy *policy, const char *remote, uint32_t shard)
{
    char *part = name_part(remote), number[16] = "";
    if (shard)
        snprintf(number, sizeof(number), "-%x", shard);
    char *name = ist_printf("%s-isthmus-%s%s", policy->name->text, part, number);
    ist_free(part);
    if (strlen(name) <= NAME_MAX_LEN)
        return name;
    char *cut = ist_printf("%.*s-%08x", (int)NAME_MAX_LEN - 9, name, hash_text(HASH_START, name));
    ist_free(name);
    return cut;
}

const char *companion_of(const json_t *object)
{
    return json_string_value(json_object_get(ist_json_at(object, "metadata.annotations"), ANNOTATION_POLICY));
}

// ---- objects ----

struct making {
    const struct policy *policy;
    const char *remote;
    const struct flats *flats;
    uint32_t limit;
    json_t *objects;
};

struct range {
    size_t from, to;
};

static json_t *rule_of(const struct flat *flat, struct range range)
{
    json_t *ports = flat_ports(flat), *rule = json_object();
    json_object_set_new(rule, flat->direction == RULE_INGRESS ? "from" : "to",
                        ip_blocks(flat->addresses.items + range.from, range.to - range.from));
    if (ports)
        json_object_set_new(rule, "ports", ports);
    return rule;
}

static json_t *spec_of(const struct making *making, const struct range *ranges)
{
    json_t *selector = NULL, *spec = json_object(), *types = json_array();
    const char *text = making->policy->pod_selector_text;
    if (ist_json_parse(text, strlen(text), "podSelector", &selector, NULL) != IST_OK)
        selector = json_object();
    json_object_set_new(spec, "podSelector", selector);
    json_object_set_new(spec, "policyTypes", types);
    for (uint8_t direction = RULE_INGRESS; direction <= RULE_EGRESS; direction++) {
        json_t *rules = json_array();
        for (size_t i = 0; i < making->flats->count; i++)
            if (making->flats->items[i].direction == direction && ranges[i].from < ranges[i].to)
                json_array_append_new(rules, rule_of(&making->flats->items[i], ranges[i]));
        if (json_array_size(rules)) {
            json_array_append_new(types, json_string(direction == RULE_INGRESS ? "Ingress" : "Egress"));
            json_object_set(spec, direction == RULE_INGRESS ? "ingress" : "egress", rules);
        }
        json_decref(rules);
    }
    return spec;
}

static void make_object(struct making *making, const struct range *ranges, uint32_t shard)
{
    const struct policy *policy = making->policy;
    char *name = companion_name(policy, making->remote, shard);
    json_t *object =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}, s:{s:s}}, s:o}", "apiVersion", "networking.k8s.io/v1",
                  "kind", "NetworkPolicy", "metadata", "name", name, "namespace", policy->ns->text, "labels",
                  IST_LABEL_SOURCE_CLUSTER, making->remote, "annotations", ANNOTATION_POLICY,
                  policy->name->text, "spec", spec_of(making, ranges));
    if (policy->uid && *policy->uid)
        json_object_set_new(json_object_get(object, "metadata"), "ownerReferences",
                            json_pack("[{s:s, s:s, s:s, s:s}]", "apiVersion", "networking.k8s.io/v1", "kind",
                                      "NetworkPolicy", "name", policy->name->text, "uid", policy->uid));
    json_array_append_new(making->objects, object);
    ist_free(name);
}

// ---- shards ----

static uint32_t shard_number(const struct ip *prefix, unsigned depth)
{
    uint32_t number = 1;
    if (!depth)
        return 0;
    if (!ip_is_v4(prefix) || depth < V4_BITS)
        return hash_bytes(hash_bytes(HASH_START, prefix, sizeof(*prefix)), &depth, sizeof(depth));
    for (unsigned bit = V4_BITS; bit < depth; bit++) // a one, then the bits: no two prefixes share a number
        number = number << 1 | ((uint32_t)prefix->bytes[bit / 8] >> (7 - bit % 8) & 1u);
    return number;
}

// Objects for the addresses in `ranges`, which are those under the first `depth` bits of `prefix`: one when they are few
// enough, else for each half. So an address that comes or goes concerns its own shard, and its neighbour when that
// gets too full or empty enough.
static void make_shards(struct making *making, const struct range *ranges, struct ip prefix, unsigned depth)
{
    size_t total = 0, count = making->flats->count;
    for (size_t i = 0; i < count; i++)
        total += ranges[i].to - ranges[i].from;
    if (total <= making->limit || depth >= 127) {
        if (total)
            make_object(making, ranges, shard_number(&prefix, depth));
        return;
    }
    struct range *low = ist_calloc(2 * count, sizeof(*low)), *high = low + count;
    struct ip middle = prefix;
    middle.bytes[depth / 8] |= (uint8_t)(0x80u >> (depth % 8));
    for (size_t i = 0; i < count; i++) {
        size_t at = ip_set_from(&making->flats->items[i].addresses, ranges[i].from, ranges[i].to, &middle);
        low[i] = (struct range){ranges[i].from, at};
        high[i] = (struct range){at, ranges[i].to};
    }
    make_shards(making, low, prefix, depth + 1);
    make_shards(making, high, middle, depth + 1);
    ist_free(low);
}

json_t *companions_make(const struct world *world, const struct policy *policy, size_t remote,
                        const struct companion_options *options, json_t *notes)
{
    static const struct companion_options none = {0};
    struct flats flats = {0};
    struct making making = {.policy = policy,
                            .remote = world_cluster(world, remote)->name->text,
                            .flats = &flats,
                            .limit = SHARD_ADDRESSES,
                            .objects = json_array()};
    options = options ? options : &none;
    if (options->shard_peers)
        making.limit = options->shard_peers;
    for (uint32_t i = 0; i < policy->rule_count; i++)
        flats_add(&flats, world, policy, &policy->rules[i], remote, 0, options, notes);
    flats_add_vips(&flats, options);
    struct range *ranges = ist_calloc(flats.count + 1, sizeof(*ranges));
    for (size_t i = 0; i < flats.count; i++)
        ranges[i].to = flats.items[i].addresses.count;
    make_shards(&making, ranges, (struct ip){{0}}, 0);
    ist_free(ranges);
    flats_free(&flats);
    return making.objects;
}
