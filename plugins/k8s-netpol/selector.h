// Label selectors, compiled: terms over interned names.
#ifndef NETPOL_SELECTOR_H
#define NETPOL_SELECTOR_H

#include "names.h"

#define SELECT_IN         1u // the label is there with one of the values (matchLabels: with that one)
#define SELECT_NOT_IN     2u // the label is missing, or has another value
#define SELECT_EXISTS     3u
#define SELECT_NOT_EXISTS 4u
#define SELECT_NEVER      5u // an operator that is not known: chooses nothing, and is told when it is compiled

struct select_term {
    uint32_t operator; // SELECT_...
    uint32_t value_count;
    const struct name *key;
    const struct name **values; // owned
};

// All terms hold. Without terms: everything.
struct selector {
    uint32_t count;
    struct select_term *terms;
};

// Compiles {matchLabels, matchExpressions}; NULL or {} chooses everything. 0, or -1 when a part is not understood: it
// then chooses nothing (a policy that is not understood must never let more in).
int selector_compile(struct names *names, const json_t *json, struct selector *selector);
void selector_free(struct names *names, struct selector *selector);
int selector_match(const struct selector *selector, const struct labels *labels); // 1 or 0
int selector_is_all(const struct selector *selector);                             // no terms at all

#endif
