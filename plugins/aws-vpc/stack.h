// A VPC that is made: one CloudFormation stack, which comes and goes as a whole.
#ifndef AWS_VPC_STACK_H
#define AWS_VPC_STACK_H

#include "vpc.h"

// The VPC of the stack that state recorded or the inputs name. IST_ERR_NOT_FOUND: no such stack, or none yet.
int32_t stack_find_vpc(ist_aws *aws, const json_t *inputs, const json_t *recorded, json_t **vpc,
                       ist_error *err);
// What apply will do; *action is 0, IST_CREATE, IST_UPDATE or IST_REPLACE. `network` is NULL when there is none.
int32_t stack_plan(const ist_env *env, ist_aws *aws, const json_t *inputs, const json_t *recorded,
                   const struct network *network, uint32_t *action, ist_error *err);
// Makes it so; `recorded` learns of it too.
int32_t stack_apply(const ist_env *env, ist_aws *aws, const json_t *inputs, json_t *recorded,
                    const struct network *network, ist_error *err);
int32_t stack_destroy(const ist_env *env, ist_aws *aws, const json_t *inputs, const json_t *recorded,
                      ist_error *err);
// In a template, of a subnet that was deleted by hand, whose CidrBlock is "" then: the addresses that it had.
#define STACK_GONE "Gone"
// The template, with the zones that new subnets are spread over (array of strings). before: the one that the stack has,
// whose subnets stay what they are, and where one that is gone goes back to its zone; NULL: a new stack. New reference.
json_t *stack_template(const json_t *inputs, const json_t *zones, const json_t *before);
int stack_needs_zones(const json_t *inputs,
                      const json_t *before); // is there a subnet that the stack has not yet?

#endif
