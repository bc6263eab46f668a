// What the files of the lab's EKS share.
#ifndef LAB_AWS_EKS_H
#define LAB_AWS_EKS_H

#include "inner.h"

// A request taken apart: /clusters/CLUSTER/KIND/ITEM/VERB/LAST, or /tags/CLUSTER with an ARN for a cluster.
struct eks_parts {
    char *cluster, *kind, *item, *verb, *last;
    const struct lab_request *rq;
    json_t *body;
};

typedef json_t *eks_fn(struct aws_call *c, const struct eks_parts *p);

// A cluster of the store, or NULL after ResourceNotFoundException. Borrowed.
json_t *eks_cluster(struct aws_call *c, const char *name);
// Without the lab's own members ("_..."). New reference.
json_t *eks_shown(const json_t *object);
// {"update": ...} of a kind and what it is of ("" for the cluster), kept under the request's token; `why` (may be NULL)
// makes it one that fails, with that code and text. New reference.
json_t *eks_update(struct aws_call *c, const struct eks_parts *p, const char *type, const char *of,
                   const char *code, const char *why);
// The update that the same clientRequestToken asked for before: answered again, and nothing is done. NULL: none, or a
// refusal of a token that asked for something else.
json_t *eks_updated_before(struct aws_call *c, const struct eks_parts *p);
// What was made before with the same clientRequestToken. *refused: it exists, and was made by another request.
bool eks_made_before(struct aws_call *c, const struct eks_parts *p, const json_t *object, const char *what,
                     bool *refused);

// ---- eks_update.c: the updates that a cluster has seen ----
eks_fn eks_list_updates, eks_describe_update;

// ---- eks_create.c: clusters; eks_nodes.c: node groups; eks_access.c: access entries, tags ----
eks_fn eks_create_cluster, eks_delete_cluster, eks_update_config, eks_update_version;
eks_fn eks_list_groups, eks_describe_group, eks_create_group, eks_delete_group, eks_scale_group,
    eks_group_version;
eks_fn eks_create_entry, eks_describe_entry, eks_delete_entry, eks_list_policies, eks_add_policy,
    eks_remove_policy, eks_tag;

#endif
