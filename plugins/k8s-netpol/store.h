// The inside of a world, for the files that make it.
#ifndef NETPOL_STORE_H
#define NETPOL_STORE_H

#include "table.h"
#include "world.h"

struct mapped { // one line of the namespace map
    const struct name *ns, *common;
    struct mapped *next;
};

struct cluster_store {
    struct cluster public; // first: world_cluster() hands it out
    struct table namespaces, groups, pods;
    struct mapped *map;
    struct namespace *last;
};

struct world {
    struct names *names;
    struct table workloads;
    struct cluster_store **clusters;
    size_t cluster_count;
    struct world_watcher watcher;
    const struct name *metadata_name; // "kubernetes.io/metadata.name"
};

// The namespace of that name, made when it is not there.
struct namespace *store_namespace(struct world *world, size_t cluster, const char *name);
struct namespace *store_find_namespace(const struct world *world, size_t cluster,
                                       const char *name); // or NULL
// Lets go of one that was never declared, or is not any more, and that nothing is in.
void store_tidy_namespace(struct world *world, struct namespace *ns);
void store_label_namespace(struct world *world, struct namespace *ns, const json_t *labels);
// A pod record without a group; strings are copied.
struct pod *store_pod_new(const char *name);
// Puts a pod into the group of (ns, labels, ports), whose references are consumed; replaces one of that name.
void store_pod(struct world *world, struct namespace *ns, const struct labels *labels,
               const struct named_ports *ports, struct pod *pod);
struct pod *store_find_pod(const struct world *world, const struct namespace *ns, const char *name);
void store_remove_pod(struct world *world, struct namespace *ns, const char *name);
// A reference the caller drops.
const struct workload *store_workload(struct world *world, const char *ns, const char *name,
                                      const char *kind);
void store_drop_workload(struct world *world, const struct workload *workload);
void store_policy(struct world *world, struct namespace *ns, struct policy *policy); // consumed
void store_remove_policy(struct world *world, struct namespace *ns, const char *name);
void store_service(struct world *world, struct namespace *ns, struct service *service); // consumed
void store_remove_service(struct world *world, struct namespace *ns, const char *name);

#endif
