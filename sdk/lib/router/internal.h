// What the files of the router VM share.
#ifndef IST_ROUTER_INTERNAL_H
#define IST_ROUTER_INTERNAL_H

#include <isthmus/router_vm.h>

// The ingress rules of its security group, as the template has them. New reference.
json_t *router_vm_rules(const ist_router_vm *vm);

// drift.c: adds "drift" and "lost" to what was seen: see ist_router_vm_observe().
int32_t router_vm_drift(ist_aws *aws, const ist_router_vm *vm, json_t *seen, ist_error *err);
// One piece of it. mend (stolen): {action, params} of a call of EC2 that puts it right.
void router_vm_note(json_t *drift, const char *field, const char *before, const char *after, json_t *mend);
// rules.c: what differs between a group (DescribeSecurityGroups' member) and what the template declares (its
// SecurityGroupIngress and SecurityGroupEgress; NULL: none).
void router_vm_group_drift(const json_t *group, const json_t *ingress, const json_t *egress, json_t *drift);

#endif
