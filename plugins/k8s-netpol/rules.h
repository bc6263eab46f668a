// A NetworkPolicy as a record: compiled selectors, ports and blocks.
#ifndef NETPOL_RULES_H
#define NETPOL_RULES_H

#include "address.h"
#include "conn.h"
#include "selector.h"

// Which clusters a policy is stretched to: "*" or names with commas. Without it: its own alone.
#define ANNOTATION_CLUSTERS "isthmus.dev/clusters"
// On a companion: the name of its original.
#define ANNOTATION_ORIGINAL "isthmus.dev/policy"

#define RULE_INGRESS 1u
#define RULE_EGRESS  2u

struct peer {
    uint8_t is_block;
    uint8_t any_namespace; // no namespaceSelector was written: 0: the policy's own namespace; 1: one was
    // A block: pods of other clusters and the outside world by their address; never pods of the policy's own cluster.
    struct net block;
    struct net *except;
    uint32_t except_count;
    // A selector.
    struct selector namespaces, pods;
    // Only in policies of a pipeline file: one cluster alone, a namespace by name, the pods of a Service. NULL: not said.
    const struct name *cluster, *ns, *service;
};

struct rule_port {
    const struct name *name; // NULL: numbers
    uint16_t from, to;       // 0 and 0: every port of the protocol
    uint8_t protocol;
};

struct rule {
    uint8_t direction; // RULE_INGRESS or RULE_EGRESS
    uint8_t from_all;  // no peers, or an empty list of them: everybody
    uint8_t all_ports; // no ports, or an empty list of them
    uint32_t index;    // in its list of the document, from 0
    uint32_t peer_count, port_count;
    struct peer *peers;
    struct rule_port *ports;
};

struct policy {
    size_t cluster; // of the world
    const struct name *ns, *name;
    char *uid;               // "" where there is none (a manifest)
    char *pod_selector_text; // compact JSON, as it was written
    struct selector pods;
    uint8_t types;        // RULE_... that it isolates: the effective policyTypes
    uint8_t all_clusters; // annotated "*"
    uint8_t generated;    // written by this program: a companion, never an original
    uint8_t odd;          // a part was not understood: such a part admits nobody
    uint32_t clusters_count, rule_count;
    const struct name **clusters; // names in the annotation; they need not exist
    struct rule *rules;
    struct policy *next; // of its namespace; the world's
};

// Compiles an object (metadata and spec as in networking.k8s.io/v1). `extended`: peers may have `cluster`, `namespace`
// and `service`. NULL with *err when it cannot be one at all (no name, no spec).
struct policy *policy_compile(struct names *names, size_t cluster, const json_t *object, int extended,
                              ist_error *err);
void policy_free(struct names *names, struct policy *policy);
// Is it annotated for the cluster of that name? (Its own is no question of the annotation.)
int policy_names_cluster(const struct policy *policy, const char *cluster);

#endif
