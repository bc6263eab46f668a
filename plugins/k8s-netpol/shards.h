// Rules of addresses as NetworkPolicies of at most so many of them.
#ifndef NETPOL_SHARDS_H
#define NETPOL_SHARDS_H

#include "ipset.h"

#include <isthmus/json.h>

#define SHARD_ADDRESSES 500u // in one object, unless said otherwise

struct shard_rule {
    uint8_t direction;              // RULE_...
    json_t *ports;                  // as in a NetworkPolicy; NULL: all. Owned
    const struct ip_set *addresses; // sealed; borrowed
};

struct sharding {
    const json_t *selector; // podSelector of each; borrowed
    const struct shard_rule *rules;
    size_t count;
    uint32_t limit;
    // Called for each object: its spec (stolen), and its number: 0 for one that holds all.
    void (*make)(void *arg, json_t *spec, uint32_t number);
    void *arg;
};

// Divides by address ranges (halves of halves, as deep as needed), so that an address that comes or goes concerns its own
// object alone, and its neighbour when that gets too full or empty enough. None without addresses.
void shards_make(const struct sharding *sharding);
// "<base><separator><number>" (the base alone for 0), cut to 253 characters with a hash where it is longer. ist_free.
char *shard_name(const char *base, const char *separator, uint32_t number);

#endif
