// Companions: what a stretched policy means of one other cluster, as objects. See companion.h for the rules.
#include "companion.h"

#include "flat.h"
#include "shards.h"
#include "table.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_set.h>

#include <ctype.h>
#include <string.h>

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
    char *part = name_part(remote), *base = ist_printf("%s-isthmus-%s", policy->name->text, part);
    char *name = shard_name(base, "-", shard);
    ist_free(base);
    ist_free(part);
    return name;
}

const char *companion_of(const json_t *object)
{
    return json_string_value(
        json_object_get(ist_json_at(object, "metadata.annotations"), ANNOTATION_ORIGINAL));
}

// ---- objects ----

struct making {
    const struct policy *policy;
    const char *remote;
    json_t *objects;
};

static void make_object(void *arg, json_t *spec, uint32_t shard)
{
    struct making *making = arg;
    const struct policy *policy = making->policy;
    char *name = companion_name(policy, making->remote, shard);
    json_t *object =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}, s:{s:s}}, s:o}", "apiVersion", "networking.k8s.io/v1",
                  "kind", "NetworkPolicy", "metadata", "name", name, "namespace", policy->ns->text, "labels",
                  IST_LABEL_SOURCE_CLUSTER, making->remote, "annotations", ANNOTATION_ORIGINAL,
                  policy->name->text, "spec", spec);
    if (policy->uid && *policy->uid)
        json_object_set_new(json_object_get(object, "metadata"), "ownerReferences",
                            json_pack("[{s:s, s:s, s:s, s:s}]", "apiVersion", "networking.k8s.io/v1", "kind",
                                      "NetworkPolicy", "name", policy->name->text, "uid", policy->uid));
    json_array_append_new(making->objects, object);
    ist_free(name);
}

static void make_shards(struct making *making, const struct flats *flats, uint32_t limit)
{
    const char *text = making->policy->pod_selector_text;
    json_t *selector = NULL;
    if (!flats->count)
        return;
    if (ist_json_parse(text, strlen(text), "podSelector", &selector, NULL) != IST_OK)
        selector = json_object();
    struct shard_rule *rules = ist_calloc(flats->count, sizeof(*rules));
    for (size_t i = 0; i < flats->count; i++)
        rules[i] = (struct shard_rule){flats->items[i].direction, flat_ports(&flats->items[i]),
                                       &flats->items[i].addresses};
    shards_make(&(struct sharding){selector, rules, flats->count, limit, make_object, making});
    for (size_t i = 0; i < flats->count; i++)
        json_decref(rules[i].ports);
    ist_free(rules);
    json_decref(selector);
}

// A ClusterIP may lead to several clusters, the policy's own among them: all that the policy and its companions allow
// there counts.
static void add_vips(struct flats *flats, const struct world *world, const struct policy *policy,
                     size_t remote, const struct companion_options *options)
{
    struct flats others = {0};
    if (!options->vip_count)
        return;
    for (size_t cluster = 0; cluster < world_cluster_count(world); cluster++) {
        if (cluster != policy->cluster &&
            (cluster == remote || !options->written || !options->written[cluster]))
            continue;
        for (uint32_t i = 0; i < policy->rule_count; i++)
            if (policy->rules[i].direction == RULE_EGRESS)
                flats_add(&others, world, policy, &policy->rules[i], cluster, 0, options, NULL);
    }
    flats_add_vips(flats, &others, options);
    flats_free(&others);
}

// Of one companion; what other policies say of the same address counts there too.
// Source: https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy-configure.html, considerations
#define VPC_PORTS 24u // combinations of port and protocol for one address

static void note_ports(const struct flats *flats, const struct policy *policy, json_t *notes)
{
    for (size_t i = 0; i < flats->count; i++) {
        const struct flat *flat = &flats->items[i];
        uint32_t sum = 0;
        for (size_t k = 0; k < flats->count; k++)
            if (flats->items[k].direction == flat->direction &&
                ip_set_has(&flats->items[k].addresses, &flat->addresses.items[0]))
                sum += flats->items[k].port_count;
        if (sum <= VPC_PORTS)
            continue;
        note_once(notes,
                  ist_printf("policy %s/%s: %u ports for one address: the VPC CNI's agent takes %u and may "
                             "leave out the rest (a range with endPort counts as one)",
                             policy->ns->text, policy->name->text, sum, VPC_PORTS));
        return;
    }
}

json_t *companions_make(const struct world *world, const struct policy *policy, size_t remote,
                        const struct companion_options *options, json_t *notes)
{
    static const struct companion_options none = {0};
    struct flats flats = {0};
    struct making making = {policy, world_cluster(world, remote)->name->text, json_array()};
    options = options ? options : &none;
    for (uint32_t i = 0; i < policy->rule_count; i++)
        flats_add(&flats, world, policy, &policy->rules[i], remote, 0, options, notes);
    add_vips(&flats, world, policy, remote, options);
    if (options->is_vpc)
        note_ports(&flats, policy, notes);
    for (size_t i = 0; options->addresses && i < flats.count; i++)
        ip_set_add_all(options->addresses, flats.items[i].addresses.items, flats.items[i].addresses.count);
    make_shards(&making, &flats, options->shard_peers ? options->shard_peers : SHARD_ADDRESSES);
    flats_free(&flats);
    return making.objects;
}
