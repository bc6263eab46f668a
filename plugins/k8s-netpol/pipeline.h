// A policy of the pipeline file as a NetworkPolicy of its cluster.
#ifndef NETPOL_PIPELINE_H
#define NETPOL_PIPELINE_H

#include "companion.h"

// `given`: {name, cluster, namespace, podSelector, ingress, egress, policyTypes}; a rule is {from|to, ports}; a peer with
// `cluster` stands for pods of that cluster (by namespace or namespaceSelector, and podSelector or service), one without is
// copied.

// As a document that policy_compile() takes, extended. New reference.
json_t *pipeline_document(const json_t *given);

// On an object that holds a part of a policy's addresses: the policy's name.
#define ANNOTATION_PIPELINE "isthmus.dev/pipeline-policy"

// What is written, as an array: the policy, and where it has more than `shard_peers` addresses, those in objects of their
// own beside it (shards.h). A rule whose peers stand for nobody is left out, since an empty list of peers would mean everybody;
// policyTypes always stand there, so that a policy left without rules still isolates what it selects. `document`: as of
// pipeline_document(), `policy`: compiled from it. `absent`: by cluster of the world, 1: none of its addresses count
// (NULL: all do). New reference.
json_t *pipeline_make(const struct world *world, const struct policy *policy, const json_t *document,
                      const uint8_t *absent, const struct companion_options *options, json_t *notes);

#endif
