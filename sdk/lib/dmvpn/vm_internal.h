// What the files of an endpoint launched in a VPC share.
#ifndef IST_DMVPN_VM_INTERNAL_H
#define IST_DMVPN_VM_INTERNAL_H

#include <isthmus/alloc.h>
#include <isthmus/dmvpn_vm.h>
#include <isthmus/json.h>
#include <isthmus/schema.h>
#include <isthmus/stack.h>

#include <stdbool.h>

#define VM_INSIDE_MAX 18 // networks from which everything is let in

struct ist_dmvpn_vm {
    ist_env own_env;
    const ist_env *env; // &own_env
    const ist_dmvpn_vm_kind *kind;
    const json_t *inputs;
    json_t *recorded; // borrowed
    ist_aws *aws;
    json_t *seen; // of ist_router_vm_observe, null without a stack
    // What `vm` points to.
    ist_router_vm vm;
    json_t *network; // {public_address, private_address}
    const char *inside[VM_INSIDE_MAX];
    char *stack, *name, *user_data, *ami, *user_data_base64;
    char *keep;      // the image with which the instance that was let go of is made anew; NULL: none
    bool image_gone; // the one that the instance runs cannot be had any more
    char *product;   // code of the image in the AWS Marketplace, "" without one; NULL: it was not looked for
};

const char *vm_input(const ist_dmvpn_vm *c, const char *path);        // NULL when absent or empty
const json_t *vm_record(const ist_dmvpn_vm *c, const char *resource); // its data, NULL when there is none
bool vm_is_unsettled(const ist_dmvpn_vm *c, const char *resource);    // an intent without outcome
// What would be refused half way, where a machine is to be made anew, elsewhere, or of another size: by reads alone.
int32_t vm_check_launch(const ist_dmvpn_vm *c, ist_error *err);
bool vm_is_lost(const ist_dmvpn_vm *c,
                const char *logical); // is a piece of the stack gone, or to be another one?

#endif
