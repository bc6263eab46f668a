// What the files of the lab's EKS share.
#ifndef LAB_AWS_EKS_H
#define LAB_AWS_EKS_H

#include "inner.h"

// A request taken apart: /clusters/CLUSTER/KIND/ITEM/VERB, or /tags/CLUSTER with an ARN for a cluster.
struct eks_parts {
    char *cluster, *kind, *item, *verb;
    const struct lab_request *rq;
    json_t *body;
};

typedef json_t *eks_fn(struct aws_call *c, const struct eks_parts *p);

// A cluster of the store, or NULL after ResourceNotFoundException. Borrowed.
json_t *eks_cluster(struct aws_call *c, const char *name);
// Without the lab's own members ("_..."). New reference.
json_t *eks_shown(const json_t *object);
// {"update": ...} of a kind, under way. New reference.
json_t *eks_update(const char *type);
// What was made before with the same clientRequestToken. *refused: it exists, and was made by another request.
bool eks_made_before(struct aws_call *c, const struct eks_parts *p, const json_t *object, const char *what,
                     bool *refused);

// ---- eks_create.c: clusters; eks_nodes.c: node groups; eks_access.c: access entries, tags ----
eks_fn eks_create_cluster, eks_delete_cluster, eks_update_config, eks_update_version;
eks_fn eks_list_groups, eks_describe_group, eks_create_group, eks_delete_group, eks_scale_group,
    eks_group_version;
eks_fn eks_create_entry, eks_describe_entry, eks_delete_entry, eks_list_policies, eks_add_policy, eks_tag;

#endif
