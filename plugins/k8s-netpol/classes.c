// The partition: by namespace, by the labels and values that selectors speak of, by the named ports that rules speak of,
// and then, block by block, by address.
#include "classes.h"
#include "table.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

// ---- which labels matter

struct term_key {
    const struct name *key, *value; // value NULL: the key is spoken of
};

struct spoken {
    struct table terms; // of struct term_key
    int named_ports;
};

static int same_term(const void *record, const void *key)
{
    const struct term_key *a = record, *b = key;
    return a->key == b->key && a->value == b->value;
}

static uint32_t term_hash(const struct term_key *term)
{
    return hash_pointer(hash_pointer(HASH_START, term->key), term->value);
}

static int is_spoken(const struct spoken *spoken, const struct name *key, const struct name *value)
{
    const struct term_key term = {key, value};
    return table_find(&spoken->terms, term_hash(&term), same_term, &term) != NULL;
}

static void speak(struct spoken *spoken, const struct name *key, const struct name *value)
{
    if (is_spoken(spoken, key, value))
        return;
    struct term_key *term = ist_malloc(sizeof(*term));
    *term = (struct term_key){key, value};
    table_add(&spoken->terms, term_hash(term), term);
}

static void speak_selector(struct spoken *spoken, const struct selector *selector)
{
    for (uint32_t i = 0; i < selector->count; i++) {
        speak(spoken, selector->terms[i].key, NULL);
        for (uint32_t j = 0; j < selector->terms[i].value_count; j++)
            speak(spoken, selector->terms[i].key, selector->terms[i].values[j]);
    }
}

static void speak_policy(struct spoken *spoken, const struct policy *policy)
{
    speak_selector(spoken, &policy->pods);
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        for (uint32_t j = 0; j < policy->rules[i].peer_count; j++)
            speak_selector(spoken, &policy->rules[i].peers[j].pods);
        for (uint32_t j = 0; j < policy->rules[i].port_count; j++)
            spoken->named_ports |= policy->rules[i].ports[j].name != NULL;
    }
}

static void collect_spoken(const struct world *world, struct spoken *spoken)
{
    for (size_t c = 0; c < world_cluster_count(world); c++)
        for (const struct namespace *ns = world_cluster(world, c)->namespaces; ns; ns = ns->next) {
            for (const struct policy *policy = ns->policies; policy; policy = policy->next)
                speak_policy(spoken, policy);
            for (const struct service *service = ns->services; service; service = service->next)
                speak_selector(spoken, &service->selector);
        }
}

static void spoken_free(struct spoken *spoken)
{
    for (size_t i = 0; i < spoken->terms.room; i++)
        ist_free(spoken->terms.slots[i].record);
    table_free(&spoken->terms);
}

// ---- the first partition

// A group's labels as far as they matter; a value that nobody speaks of stands as NULL.
struct kind_of_pod {
    uint32_t hash, class, count;
    const struct namespace *ns;
    const struct named_ports *ports;
    uint8_t afar, host;
    struct label labels[];
};

static int same_kind(const void *record, const void *key)
{
    const struct kind_of_pod *a = record, *b = key;
    return a->ns == b->ns && a->ports == b->ports && a->afar == b->afar && a->host == b->host &&
           a->count == b->count && !memcmp(a->labels, b->labels, a->count * sizeof(*a->labels));
}

static struct kind_of_pod *kind_new(const struct spoken *spoken, const struct group *group)
{
    struct kind_of_pod *kind = ist_malloc(sizeof(*kind) + group->labels->count * sizeof(struct label));
    *kind = (struct kind_of_pod){.ns = group->ns, .ports = spoken->named_ports ? group->ports : NULL};
    for (uint32_t i = 0; i < group->labels->count; i++) {
        const struct label *label = &group->labels->items[i];
        if (is_spoken(spoken, label->key, NULL))
            kind->labels[kind->count++] =
                (struct label){label->key, is_spoken(spoken, label->key, label->value) ? label->value : NULL};
    }
    return kind;
}

static uint32_t add_class(struct classes *classes, const struct pod *pod)
{
    if ((classes->count & (classes->count - 1)) == 0)
        classes->items =
            ist_realloc(classes->items, classes->count ? classes->count * 2u : 1u, sizeof(struct class));
    classes->items[classes->count] =
        (struct class){.pod = pod, .ns = pod->group->ns, .next_in_namespace = UINT32_MAX};
    return classes->count++;
}

// The class of one pod; `kind` is the caller's and is kept where it is new.
static uint32_t class_of(struct classes *classes, struct table *kinds, const struct world *world,
                         const struct kind_of_pod *group_kind, const struct pod *pod)
{
    const size_t size = sizeof(*group_kind) + group_kind->count * sizeof(struct label);
    struct kind_of_pod *kind = ist_malloc(size);
    memcpy(kind, group_kind, size);
    kind->afar = (uint8_t)pod_is_known_afar(world, pod);
    kind->host = (pod->flags & POD_HOST_NETWORK) != 0;
    kind->hash = hash_pointer(hash_pointer(HASH_START, kind->ns), kind->ports);
    kind->hash = hash_bytes(kind->hash, &kind->afar, 1);
    kind->hash = hash_bytes(kind->hash, kind->labels, kind->count * sizeof(*kind->labels));
    struct kind_of_pod *known = table_find(kinds, kind->hash, same_kind, kind);
    if (known) {
        ist_free(kind);
    } else {
        known = kind;
        known->class = add_class(classes, pod);
        table_add(kinds, known->hash, known);
    }
    classes->items[known->class].size++;
    return known->class;
}

static void first_partition(const struct world *world, struct classes *classes)
{
    struct spoken spoken = {0};
    struct table kinds = {0};
    size_t room = 0;
    collect_spoken(world, &spoken);
    for (size_t c = 0; c < world_cluster_count(world); c++)
        room += world_cluster(world, c)->pod_count;
    classes->pods = ist_calloc(room + 1, sizeof(*classes->pods));
    for (size_t c = 0; c < world_cluster_count(world); c++)
        for (const struct namespace *ns = world_cluster(world, c)->namespaces; ns; ns = ns->next)
            for (const struct group *group = ns->groups; group; group = group->next) {
                struct kind_of_pod *kind = kind_new(&spoken, group);
                for (const struct pod *pod = group->pods; pod; pod = pod->next)
                    classes->pods[classes->pod_count++] =
                        (struct class_pod){pod, class_of(classes, &kinds, world, kind, pod)};
                ist_free(kind);
            }
    for (size_t i = 0; i < kinds.room; i++)
        ist_free(kinds.slots[i].record);
    table_free(&kinds);
    spoken_free(&spoken);
}

// ---- by address

struct placed {
    struct ip ip;
    uint32_t pod;
};

struct by_address {
    struct placed *items; // sorted
    uint32_t count;
};

static int by_ip(const void *a, const void *b)
{
    return ip_compare(&((const struct placed *)a)->ip, &((const struct placed *)b)->ip);
}

static struct by_address sort_addresses(const struct classes *classes)
{
    struct by_address all = {0};
    size_t room = 0;
    for (uint32_t i = 0; i < classes->pod_count; i++)
        room += classes->pods[i].pod->address_count;
    all.items = ist_calloc(room + 1, sizeof(*all.items));
    for (uint32_t i = 0; i < classes->pod_count; i++)
        for (uint8_t j = 0; j < classes->pods[i].pod->address_count; j++)
            all.items[all.count++] = (struct placed){classes->pods[i].pod->addresses[j], i};
    if (all.count)
        qsort(all.items, all.count, sizeof(*all.items), by_ip);
    return all;
}

static uint32_t first_not_below(const struct by_address *all, const struct ip *ip)
{
    uint32_t low = 0, high = all->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (ip_compare(&all->items[middle].ip, ip) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int within_block(const struct peer *peer, const struct ip *ip)
{
    if (!net_contains(&peer->block, ip))
        return 0;
    for (uint32_t i = 0; i < peer->except_count; i++)
        if (net_contains(&peer->except[i], ip))
            return 0;
    return 1;
}

int block_covers(const struct peer *peer, const struct pod *pod)
{
    for (uint8_t i = 0; i < pod->address_count; i++)
        if (within_block(peer, &pod->addresses[i]))
            return 1;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

// The pods outside the policy's own cluster that the blocks of a rule mean; each once.
static void find_blocks(struct classes *classes, const struct by_address *all, const struct policy *policy,
                        const struct rule *rule)
{
    struct block_set set = {.rule = rule};
    for (uint32_t i = 0; i < rule->peer_count; i++) {
        const struct peer *peer = &rule->peers[i];
        struct ip first, last;
        if (!peer->is_block)
            continue;
        net_bounds(&peer->block, &first, &last);
        for (uint32_t at = first_not_below(all, &first);
             at < all->count && ip_compare(&all->items[at].ip, &last) <= 0; at++) {
            const struct class_pod *pod = &classes->pods[all->items[at].pod];
            if (pod->pod->group->ns->cluster == policy->cluster || !within_block(peer, &all->items[at].ip))
                continue;
            if ((set.count & (set.count - 1)) == 0)
                set.pods = ist_realloc(set.pods, set.count ? set.count * 2u : 1u, sizeof(*set.pods));
            set.pods[set.count++] = all->items[at].pod;
        }
    }
    if (!set.count)
        return;
    qsort(set.pods, set.count, sizeof(*set.pods), by_number);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < set.count; i++)
        if (set.pods[i] != set.pods[kept - 1])
            set.pods[kept++] = set.pods[i];
    set.count = kept;
    classes->blocks = ist_realloc(classes->blocks, classes->block_count + 1u, sizeof(*classes->blocks));
    classes->blocks[classes->block_count++] = set;
}

// Every class that lies partly in the set becomes two.
static void split(struct classes *classes, const struct block_set *set, uint32_t *within, uint32_t *moved)
{
    for (uint32_t i = 0; i < set->count; i++)
        within[classes->pods[set->pods[i]].class]++;
    for (uint32_t i = 0; i < set->count; i++) {
        struct class_pod *pod = &classes->pods[set->pods[i]];
        const uint32_t from = pod->class;
        if (within[from] == classes->items[from].size)
            continue;
        if (moved[from] == UINT32_MAX)
            moved[from] = add_class(classes, pod->pod);
        pod->class = moved[from];
        classes->items[moved[from]].size++;
    }
    for (uint32_t i = 0; i < set->count; i++) // only now: the sizes above were those from before
        within[classes->pods[set->pods[i]].class] = 0;
    const uint32_t before = classes->count;
    for (uint32_t from = 0; from < before; from++)
        if (moved[from] != UINT32_MAX) {
            classes->items[from].size -= classes->items[moved[from]].size;
            within[from] = 0;
            moved[from] = UINT32_MAX;
        }
}

// The pod that stands for a class must still be in it.
static void choose_again(struct classes *classes)
{
    for (uint32_t i = 0; i < classes->pod_count; i++)
        classes->items[classes->pods[i].class].pod = classes->pods[i].pod;
}

static void second_partition(const struct world *world, struct classes *classes)
{
    struct by_address all = sort_addresses(classes);
    for (size_t c = 0; c < world_cluster_count(world); c++)
        for (const struct namespace *ns = world_cluster(world, c)->namespaces; ns; ns = ns->next)
            for (const struct policy *policy = ns->policies; policy; policy = policy->next)
                for (uint32_t i = 0; i < policy->rule_count; i++)
                    find_blocks(classes, &all, policy, &policy->rules[i]);
    // There are at most as many classes as pods.
    uint32_t *within = ist_calloc(classes->pod_count + 1u, sizeof(*within));
    uint32_t *moved = ist_calloc(classes->pod_count + 1u, sizeof(*moved));
    memset(moved, 0xff, (classes->pod_count + 1u) * sizeof(*moved));
    for (uint32_t i = 0; i < classes->block_count; i++)
        split(classes, &classes->blocks[i], within, moved);
    ist_free(within);
    ist_free(moved);
    ist_free(all.items);
    choose_again(classes);
}

// ---- all of it

struct classes *classes_new(const struct world *world)
{
    struct classes *classes = ist_calloc(1, sizeof(*classes));
    first_partition(world, classes);
    second_partition(world, classes);
    return classes;
}

void classes_free(struct classes *classes)
{
    if (!classes)
        return;
    for (uint32_t i = 0; i < classes->block_count; i++)
        ist_free(classes->blocks[i].pods);
    ist_free(classes->blocks);
    ist_free(classes->pods);
    ist_free(classes->items);
    ist_free(classes);
}

const struct block_set *classes_block(const struct classes *classes, const struct rule *rule)
{
    for (uint32_t i = 0; i < classes->block_count; i++)
        if (classes->blocks[i].rule == rule)
            return &classes->blocks[i];
    return NULL;
}
