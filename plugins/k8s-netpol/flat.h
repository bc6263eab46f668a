// A rule of a policy as what it lets in from one other cluster: ports and addresses. What a companion and a policy of
// the pipeline file are both written from.
#ifndef NETPOL_FLAT_H
#define NETPOL_FLAT_H

#include "companion.h"
#include "ipset.h"

struct flat {
    uint8_t direction; // RULE_...
    uint8_t all_ports;
    uint32_t rule; // index in its list of the document
    uint32_t port_count;
    struct rule_port *ports; // owned; the names in it are borrowed from the policy
    struct ip_set addresses; // sealed, never empty
};

struct flats { // zero-initialise
    struct flat *items;
    size_t count;
};

// Adds what `rule` means in the cluster `remote`. `named_only`: of its peers those count that name a cluster (which has
// to be that one), else all selector peers. Notes as of companions_make().
void flats_add(struct flats *flats, const struct world *world, const struct policy *policy,
               const struct rule *rule, size_t remote, int named_only,
               const struct companion_options *options, json_t *notes);
// Adds the ClusterIPs that lead to what the flats allow, and to nothing else but what `others` do.
void flats_add_vips(struct flats *flats, const struct flats *others, const struct companion_options *options);
void flats_free(struct flats *flats);

// The `ports` of a NetworkPolicy's rule; NULL for all of them. New reference.
json_t *flat_ports(const struct flat *flat);
// Adds a note that is not there yet. Consumes the text.
void note_once(json_t *notes, char *text);

#endif
