// Objects of at most so many addresses.
#include "shards.h"

#include "rules.h"
#include "table.h"

#include <isthmus/alloc.h>

#include <string.h>

#define NAME_MAX_LEN 253u
#define V4_BITS      96u // where an IPv4 address begins

struct range {
    size_t from, to;
};

char *shard_name(const char *base, const char *separator, uint32_t number)
{
    char *name = number ? ist_printf("%s%s%x", base, separator, number) : ist_strdup(base);
    if (strlen(name) <= NAME_MAX_LEN)
        return name;
    char *cut =
        ist_printf("%.*s-%08x", (int)NAME_MAX_LEN - 9, name, hash_bytes(HASH_START, name, strlen(name)));
    ist_free(name);
    return cut;
}

static json_t *rule_of(const struct shard_rule *rule, struct range range)
{
    json_t *object = json_object();
    json_object_set_new(object, rule->direction == RULE_INGRESS ? "from" : "to",
                        ip_blocks(rule->addresses->items + range.from, range.to - range.from));
    if (rule->ports)
        json_object_set(object, "ports", rule->ports);
    return object;
}

static json_t *spec_of(const struct sharding *sharding, const struct range *ranges)
{
    json_t *spec = json_object(), *types = json_array();
    json_object_set_new(spec, "podSelector", json_deep_copy(sharding->selector));
    json_object_set_new(spec, "policyTypes", types);
    for (uint8_t direction = RULE_INGRESS; direction <= RULE_EGRESS; direction++) {
        json_t *rules = json_array();
        for (size_t i = 0; i < sharding->count; i++)
            if (sharding->rules[i].direction == direction && ranges[i].from < ranges[i].to)
                json_array_append_new(rules, rule_of(&sharding->rules[i], ranges[i]));
        if (json_array_size(rules)) {
            json_array_append_new(types, json_string(direction == RULE_INGRESS ? "Ingress" : "Egress"));
            json_object_set(spec, direction == RULE_INGRESS ? "ingress" : "egress", rules);
        }
        json_decref(rules);
    }
    return spec;
}

static uint32_t number_of(const struct ip *prefix, unsigned depth)
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

// For the addresses in `ranges`, which are those under the first `depth` bits of `prefix`.
static void divide(const struct sharding *sharding, const struct range *ranges, struct ip prefix,
                   unsigned depth)
{
    size_t total = 0, count = sharding->count;
    for (size_t i = 0; i < count; i++)
        total += ranges[i].to - ranges[i].from;
    if (total <= sharding->limit || depth >= 127) {
        if (total)
            sharding->make(sharding->arg, spec_of(sharding, ranges), number_of(&prefix, depth));
        return;
    }
    struct range *low = ist_calloc(2 * count, sizeof(*low)), *high = low + count;
    struct ip middle = prefix;
    middle.bytes[depth / 8] |= (uint8_t)(0x80u >> (depth % 8));
    for (size_t i = 0; i < count; i++) {
        size_t at = ip_set_from(sharding->rules[i].addresses, ranges[i].from, ranges[i].to, &middle);
        low[i] = (struct range){ranges[i].from, at};
        high[i] = (struct range){at, ranges[i].to};
    }
    divide(sharding, low, prefix, depth + 1);
    divide(sharding, high, middle, depth + 1);
    ist_free(low);
}

void shards_make(const struct sharding *sharding)
{
    struct range *ranges = ist_calloc(sharding->count + 1, sizeof(*ranges));
    for (size_t i = 0; i < sharding->count; i++)
        ranges[i].to = sharding->rules[i].addresses->count;
    divide(sharding, ranges, (struct ip){{0}}, 0);
    ist_free(ranges);
}
