// What addresses that are no pod's may reach and be reached from: asked before and after a change, so that a path to or
// from the world outside is no less new than one between pods. Rules tell addresses apart only where a block begins or
// ends: one address of each stretch between stands for all of it.
#ifndef NETPOL_OUTSIDE_H
#define NETPOL_OUTSIDE_H

#include "ipset.h"
#include "world.h"

struct outside { // zero-initialise
    const struct world *world;
    json_t *places; // array by cluster: object of namespace -> true
    int any;        // there are some
    struct ip_set samples;
};

// The pods of a namespace are asked about.
void outside_add(struct outside *outside, size_t cluster, const char *ns);
// Takes the samples of the policies that are there now. outside_ready(): after the last.
void outside_gather(struct outside *outside);
void outside_ready(struct outside *outside);
void outside_free(struct outside *outside);

// What was asked: a direction of a group of pods, and a sample.
struct outside_path {
    const struct group *group;
    const struct ip *sample;
    uint8_t direction;
    conn ports;
};
// In the same order each time. `tell` may be NULL; the number of paths.
size_t outside_each(const struct outside *outside, struct conns *conns,
                    void (*tell)(void *arg, size_t index, const struct outside_path *path), void *arg);

#endif
