// Sets of addresses, and the fewest ipBlocks that cover exactly those.
#ifndef NETPOL_IPSET_H
#define NETPOL_IPSET_H

#include "address.h"

#include <isthmus/json.h>

struct ip_set { // zero-initialise
    struct ip *items;
    size_t count, room;
};
void ip_set_add(struct ip_set *set, const struct ip *ip); // in any order; sealed afterwards
void ip_set_reserve(struct ip_set *set, size_t room);     // for so many in all
void ip_set_add_all(struct ip_set *set, const struct ip *ips, size_t count);
void ip_set_seal(struct ip_set *set); // sorts, each once
// Sorts, and adds those that stand in it more than once to `doubles` (sealed).
void ip_set_doubles(struct ip_set *set, struct ip_set *doubles);
void ip_set_free(struct ip_set *set);
// Of a sealed set; where `ip` is or would be.
int ip_set_has(const struct ip_set *set, const struct ip *ip);
size_t ip_set_from(const struct ip_set *set, size_t from, size_t to, const struct ip *ip);

// [{ipBlock: {cidr}}] of `count` sorted addresses. New reference.
json_t *ip_blocks(const struct ip *ips, size_t count);
// Adds the addresses of one block; nothing where there are more than 65536 of them.
void ip_set_add_net(struct ip_set *set, const struct net *net);

#endif
