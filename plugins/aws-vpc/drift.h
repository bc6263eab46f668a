// What somebody took away by hand from a stack that stands, or bent. CloudFormation compares templates and does not see
// it: what can be put back where it was is (routes, associations), a subnet is made anew by an update that gives it
// another logical name, and of the rest is said what to do.
#ifndef AWS_VPC_DRIFT_H
#define AWS_VPC_DRIFT_H

#include "vpc.h"

struct drift {
    json_t *subnets; // object: logical name -> id of those that are gone; owned
    json_t *mends;   // array of {logical, before, after, action, params}: one call of EC2 each; owned
};
void drift_free(struct drift *drift);

// template: of the stack, as CloudFormation has it. IST_ERR_CONFLICT: something is gone that nothing brings back.
int32_t drift_find(ist_aws *aws, const char *stack_id, const json_t *template, const struct network *network,
                   struct drift *drift, ist_error *err);
// The template in which the subnets that are gone have no addresses any more (but STACK_GONE): what is made of it names
// them anew. New reference.
json_t *drift_standing(const struct drift *drift, const json_t *template);
// Makes the calls; what is lost on the way shows when the network is read again, which is the caller's.
int32_t drift_mend(ist_aws *aws, const struct drift *drift, ist_error *err);

// Before a stack is deleted: associations that were put back are none of its own, and would keep its tables. What fails
// here is left to CloudFormation to tell.
void drift_release(ist_aws *aws, const char *stack_id);

#endif
