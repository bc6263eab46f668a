// Pods that no policy of a world can tell apart.
#ifndef NETPOL_CLASSES_H
#define NETPOL_CLASSES_H

#include "world.h"

struct class
{
    const struct pod *pod; // one of them stands for all
    const struct namespace *ns;
    uint32_t size;
    uint32_t next_in_namespace; // UINT32_MAX: the last
};

struct class_pod {
    const struct pod *pod;
    uint32_t class;
};

// The pods that blocks of a rule mean by their address.
struct block_set {
    const struct rule *rule;
    uint32_t *pods; // indexes into classes.pods
    uint32_t count;
};

struct classes {
    struct class *items;
    struct class_pod *pods;
    struct block_set *blocks;
    uint32_t count, pod_count, block_count;
};

struct classes *classes_new(const struct world *world);
void classes_free(struct classes *classes);
// NULL: the rule's blocks mean no pod.
const struct block_set *classes_block(const struct classes *classes, const struct rule *rule);

// Do the blocks of one peer cover an address of this pod?
int within_block(const struct peer *peer, const struct ip *ip); // of a block, and in none of its exceptions
int block_covers(const struct peer *peer, const struct pod *pod);

#endif
