// A VPC as EC2 tells of it, and which of its parts play which role.
#ifndef AWS_VPC_H
#define AWS_VPC_H

#include <isthmus/alloc.h>
#include <isthmus/aws.h>
#include <isthmus/env.h>
#include <isthmus/json.h>

// What was found. All owned.
struct network {
    json_t *vpc; // as EC2's vpcSet item
    json_t *
        public_subnets; // array of {id, cidr, az, name}, in the order of their names, then of their addresses
    json_t *private_subnets;
    json_t *public_tables; // array of table ids, in the order of the subnets, each once
    json_t *private_tables;
    json_t *tables;        // all of the VPC, as EC2's routeTableSet
    json_t *worker_groups; // array of group ids
    json_t *pod_subnets;   // array of subnet ids in which pods have interfaces of their own
};
void network_free(struct network *network);

// The one VPC that the inputs name: by `id`, by `tags`, or by a Name that contains `name_prefix` (one that
// equals it, or is the only one to begin with it, goes before the rest). IST_ERR_NOT_FOUND with what there
// is; IST_ERR_INPUT when several fit, with a list of them. New reference.
int32_t network_find_vpc(ist_aws *aws, const json_t *inputs, json_t **vpc, ist_error *err);
// Everything else of that VPC. Takes the reference to vpc, also on failure.
int32_t network_read(ist_aws *aws, const json_t *inputs, json_t *vpc, struct network *network,
                     ist_error *err);

// {"Filter": [{"Name": name, "Value": [value]}]}. New reference.
json_t *network_filter(const char *name, const char *value);

#endif
