// A policy of the pipeline file as a NetworkPolicy of its cluster.
#ifndef NETPOL_POLICY_H
#define NETPOL_POLICY_H

#include "peers.h"

// `policy`: {name, cluster, namespace, podSelector, ingress, egress, policyTypes}; a rule is {from|to,
// ports}; a peer with `cluster` stands for pods of that cluster and becomes their addresses, one without is
// copied. A rule whose peers stand for nobody is left out: an empty list of peers would mean everybody.
// policyTypes is always written, so that a policy left without rules still isolates what it selects. New
// reference.
int32_t policy_generate(const json_t *policy, const struct view *views, size_t count, json_t **object,
                        json_t *notes, ist_error *err);

#endif
