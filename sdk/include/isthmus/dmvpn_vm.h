// isthmus/dmvpn_vm.h: an endpoint of the role dmvpn-endpoint that is launched in a VPC (`where: vpc`), whatever runs on
// it: the role's inputs as a router VM (isthmus/router_vm.h), how it stands, what would change, and until it is ready.
// What is configured on it over SSH is the plugin's own.
#ifndef ISTHMUS_DMVPN_VM_H
#define ISTHMUS_DMVPN_VM_H

#include <isthmus/dmvpn.h>
#include <isthmus/router_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

// Resources in the record. The plugin's own two are forgotten with the instance that they were about.
#define IST_DMVPN_STACK  "stack"  // data {id, name, region, token}
#define IST_DMVPN_ROUTER "router" // data {host_key, ...}: whom to talk to; the plugin's
#define IST_DMVPN_CONFIG "config" // what stands on it; the plugin's

// The plugin's own rows beside the role's: which image. pattern: a default of `image`; owner: of `image_owner`.
#define IST_DMVPN_IMAGE_INPUTS(pattern, owner)                                                               \
    {"image", "string", pattern, 0, "0.1.0", "Name pattern of the image; the newest that fits is taken."},   \
        {"image_owner", "string",                                                                            \
         owner,         0,                                                                                   \
         "0.1.0",       "Whose image: an account, `self`, `amazon` or `aws-marketplace`."},                  \
    {                                                                                                        \
        "image_parameter", "string", NULL, 0, "0.1.0",                                                       \
            "Parameter of Systems Manager that holds the image's id, instead of `ami` and `image`."          \
    }

// What its calls need of IAM: the plugin's `permissions`, without the NULL.
#define IST_DMVPN_VM_PERMISSIONS                                                                             \
    "cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:DeleteChangeSet",  \
        "cloudformation:ExecuteChangeSet", "cloudformation:ContinueUpdateRollback",                          \
        "cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents",                               \
        "cloudformation:DescribeStackResources", "cloudformation:GetTemplate", "cloudformation:DeleteStack", \
        "ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeKeyPairs",                   \
        "ssm:GetParameter", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", \
        "ec2:DescribeSecurityGroups", "ec2:DescribeAddresses", "ec2:RunInstances", "ec2:StartInstances",     \
        "ec2:StopInstances", "ec2:ModifyInstanceAttribute", "ec2:TerminateInstances", "ec2:CreateTags",      \
        "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute",   \
        "ec2:AttachNetworkInterface", "ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup",                  \
        "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress",                               \
        "ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress", "ec2:AllocateAddress",          \
        "ec2:ReleaseAddress", "ec2:AssociateAddress", "ec2:DisassociateAddress"

typedef struct ist_dmvpn_vm_kind {
    uint32_t size;
    const char *suffix; // of the stack's name: "-csr"
    // User data of the first boot (bootstrap, no secret) for an image of this name; the caller's (ist_free).
    char *(*user_data)(const json_t *inputs, const char *image_name);
    const char *image_hint; // where no image fits; may be NULL
} ist_dmvpn_vm_kind;

typedef struct ist_dmvpn_vm ist_dmvpn_vm;

// inputs, recorded: borrowed, and kept until _free; `recorded` is changed along with the record. kind: constant.
IST_EXPORT int32_t ist_dmvpn_vm_new(const ist_env *env, const ist_dmvpn_vm_kind *kind, const json_t *inputs,
                                    json_t *recorded, ist_dmvpn_vm **vm, ist_error *err);
IST_EXPORT void ist_dmvpn_vm_free(ist_dmvpn_vm *vm); // NULL is fine

// Looks, by reading calls alone. Before it, or _recall, the vm tells nothing.
IST_EXPORT int32_t ist_dmvpn_vm_prepare(ist_dmvpn_vm *vm, ist_error *err);
// The same from what observe handed on: {state, ami, vm, ...}, without a call. For plan, not for launch.
IST_EXPORT json_t *ist_dmvpn_vm_observed(const ist_dmvpn_vm *vm); // {state, ami, vm}; new reference
IST_EXPORT void ist_dmvpn_vm_recall(ist_dmvpn_vm *vm, const json_t *observed);

// "absent"; "busy" (something is under way) "stuck" (it never worked) "halfway" (an update failed, and its rollback);
// then, of a stack that was made: "lost" (something of it is gone) "replaced" (its instance is to be another one)
// "stopped" "drifted" (changed by hand) "differs" (from its template) "ready"
IST_EXPORT const char *ist_dmvpn_vm_state(const ist_dmvpn_vm *vm);
IST_EXPORT int ist_dmvpn_vm_runs(const ist_dmvpn_vm *vm); // it can be talked to
IST_EXPORT int
ist_dmvpn_vm_comes_fresh(const ist_dmvpn_vm *vm); // there will be another instance, from its image
// Of ist_router_vm_observe, null without a stack; borrowed until the next _prepare, as all of these.
IST_EXPORT const json_t *ist_dmvpn_vm_seen(const ist_dmvpn_vm *vm);
IST_EXPORT const char *ist_dmvpn_vm_stack(const ist_dmvpn_vm *vm);   // name of the stack
IST_EXPORT const char *ist_dmvpn_vm_address(const ist_dmvpn_vm *vm); // Elastic IP; NULL: none is known
IST_EXPORT const char *
ist_dmvpn_vm_outside(const ist_dmvpn_vm *vm); // private address of the outside interface
IST_EXPORT const char *ist_dmvpn_vm_inside(const ist_dmvpn_vm *vm); // of the inside interface

// A machine that was configured once and cannot be read (code: why) is no update: what it would be, nobody can say. Only
// where the way to it is about to be mended, or its configuration never was completed, is apply what helps: 1. vm may be
// NULL: of one that was there before nothing can be done.
IST_EXPORT int ist_dmvpn_vm_apply_would_help(const ist_dmvpn_vm *vm, int64_t code);

// A stack of our name that the record does not know is somebody else's: IST_ERR_CONFLICT.
IST_EXPORT int32_t ist_dmvpn_vm_check_ownership(const ist_dmvpn_vm *vm, ist_error *err);
// The changes of the resource "stack": of one that is "absent" or "stuck", and of one that was made.
IST_EXPORT int32_t ist_dmvpn_vm_plan_creation(ist_dmvpn_vm *vm, ist_error *err);
IST_EXPORT int32_t ist_dmvpn_vm_plan(ist_dmvpn_vm *vm, ist_error *err);
// The role's outputs that it tells. machine: the stack's too; what of it is gone will have another value and stays
// unknown.
IST_EXPORT void ist_dmvpn_vm_set_outputs(const ist_dmvpn_vm *vm, int machine);

IST_EXPORT int32_t ist_dmvpn_vm_launch(ist_dmvpn_vm *vm, ist_error *err); // until it is "ready"
IST_EXPORT int32_t ist_dmvpn_vm_remove(ist_dmvpn_vm *vm,
                                       ist_error *err); // and all three resources of the record

#ifdef __cplusplus
}
#endif
#endif
