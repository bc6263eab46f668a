// isthmus/router_vm.h: a router as a virtual machine in a VPC, the same for every endpoint plugin: one
// CloudFormation stack with two network interfaces, a security group, the instance and an Elastic IP, changed
// through change sets only. No routes, no rules of other groups, and no secret: user data is bootstrap,
// written once, so that a later change of configuration never restarts the machine.
#ifndef ISTHMUS_ROUTER_VM_H
#define ISTHMUS_ROUTER_VM_H

#include <isthmus/aws.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_router_vm {
    uint32_t size;
    const char *stack; // "<prefix>-csr"
    const char *description;
    const char *vpc_id;
    const char *public_subnet;  // id, of the outside interface
    const char *private_subnet; // id, of the inside interface (source/dest check off)
    const char *public_address; // of the outside interface, inside its subnet
    const char *private_address;
    const char *ami;
    const char *instance_type;
    const char *key_name;         // an EC2 key pair
    const char *inbound_ssh;      // CIDR
    const char *const *inside;    // CIDRs from which everything is allowed, NULL-terminated
    const char *user_data;        // clear text
    const json_t *tags;           // object, put on the stack (which puts them on all it makes); may be NULL
    const char *user_data_base64; // instead of user_data, where a machine keeps what it was launched with
    const char *name;             // the instance's tag Name; NULL: the stack's name
} ist_router_vm;

// The template (JSON, as CreateChangeSet takes it); the caller's (ist_free).
IST_EXPORT char *ist_router_vm_template(const ist_router_vm *vm);

// What exists, by Describe and Get calls only: null without a stack, else {stack: {name, id, status, reason, tags,
// token?}, template: object (empty where it is not JSON, thus not ours), instance: {id, state, type, ami, key, tagSet?},
// drift: [{field, before, after, ...}] (changed by hand on the resources; no change set would find it): rules of the
// group, interfaces, address, size and tags, a piece each; lost: [{logical, id, why}] (of the stack, and gone);
// outside_eni, inside_eni, security_group, public_ip, instance_id}. `stack_id` (may be NULL) is asked for instead of
// the name: a deleted stack of the same name is then not mistaken for it.
IST_EXPORT int32_t ist_router_vm_observe(ist_aws *aws, const ist_router_vm *vm, const char *stack_id,
                                         json_t **seen, ist_error *err);
// What a change set would change, without a call: differs: [{field, before, after}] in `seen` (of observe; null is
// left alone), `vm` against its template and tags; and replaces (an array of logical names) where changes would make
// new ones, and thus a new instance.
IST_EXPORT int32_t ist_router_vm_compare(const ist_router_vm *vm, json_t *seen, ist_error *err);
// What EC2 or CloudFormation would refuse half way, by reads alone: addresses that somebody holds (IST_ERR_CONFLICT names
// the holder and the next free one; the stack's own are free), subnets of another VPC or of two zones, an instance type
// that the zone has not, a key pair that is not there, a template that is too long.
IST_EXPORT int32_t ist_router_vm_check(ist_aws *aws, const ist_router_vm *vm, const json_t *seen,
                                       ist_error *err);
// Creates or updates the stack by a change set and waits until it is complete. `token` (ClientToken, 64 hex)
// makes it safe to call again after a kill: a change set or stack of that token is taken up where it stands.
// A stack that is stuck (ROLLBACK_COMPLETE, REVIEW_IN_PROGRESS without change set, *_FAILED) and holds our
// tag is removed and made anew when it never worked; an update that rolled back is an error with the first
// failed resource and its reason. *stack_id is the caller's.
// The change set is compared with what lies between the template in `seen` (of observe) and `vm`.
IST_EXPORT int32_t ist_router_vm_apply(const ist_env *env, ist_aws *aws, const ist_router_vm *vm,
                                       const json_t *seen, const char *token, char **stack_id,
                                       ist_error *err);
// Takes out of the stack, by a change set of its own, what is `lost` and what `replaces` names, with all that stands on
// it: ist_router_vm_apply() then makes it anew, while interfaces and Elastic IP stay wherever they can. (In one step
// CloudFormation would make the new instance before the old one has let go of the interfaces.)
IST_EXPORT int32_t ist_router_vm_release(const ist_env *env, ist_aws *aws, const ist_router_vm *vm,
                                         const json_t *seen, const char *token, ist_error *err);
// Puts right what `drift` of an observation lists; each piece is a call of its own and may be repeated. A change of size
// leaves the instance stopped.
IST_EXPORT int32_t ist_router_vm_mend(const ist_env *env, ist_aws *aws, const json_t *seen, ist_error *err);
// Deletes the stack and waits until it is gone; one that is gone already is success.
IST_EXPORT int32_t ist_router_vm_destroy(const ist_env *env, ist_aws *aws, const char *stack_id,
                                         ist_error *err);

// Day-0 user data of IOS-XE. lines: configuration, NULL-terminated, no secrets. form 1: ios-config-N="line"
// (CSR 1000v); form 2: "Section: IOS configuration" and plain lines (Catalyst 8000V). The caller's.
IST_EXPORT char *ist_router_vm_ios_user_data(const char *const *lines, int form);

#ifdef __cplusplus
}
#endif
#endif
