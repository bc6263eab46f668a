// What the files of the router VM share.
#ifndef IST_ROUTER_INTERNAL_H
#define IST_ROUTER_INTERNAL_H

#include <isthmus/router_vm.h>

// The ingress rules of its security group, as the template has them. New reference.
json_t *router_vm_rules(const ist_router_vm *vm);
// Adds "drift" to what was seen: see ist_router_vm_observe().
int32_t router_vm_drift(ist_aws *aws, const ist_router_vm *vm, json_t *seen, ist_error *err);

#endif
