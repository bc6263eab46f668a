// A step's common ground, and what a router of the VPC boots with.
#include "csr.h"

#include <string.h>

const char *csr_input(const struct csr *c, const char *path)
{
    const char *text = ist_json_str(c->inputs, path);
    return text && *text ? text : NULL;
}

const json_t *csr_record(const struct csr *c, const char *resource)
{
    return json_object_get(json_object_get(c->recorded, resource), "data");
}

bool csr_is_unsettled(const struct csr *c, const char *resource)
{
    return strcmp(ist_json_str_or(json_object_get(c->recorded, resource), "status", ""), "intent") == 0;
}

// Bootstrap only, written once: no secret, and nothing that a later change would touch.
static char *bootstrap(const json_t *inputs, const char *image_name)
{
    char *host = ist_printf("hostname %s-csr", ist_json_str_or(inputs, "name", "isthmus"));
    char *user = ist_printf("username %s privilege 15", ist_json_str_or(inputs, "ssh.user", "ec2-user"));
    const char *lines[] = {host, user, "ip ssh version 2", NULL};
    char *text = ist_router_vm_ios_user_data(lines, strncmp(image_name, "Cisco-C8K", 9) == 0 ? 2 : 1);
    ist_free(host);
    ist_free(user);
    return text;
}

static const ist_dmvpn_vm_kind kind = {.size = sizeof kind,
                                       .suffix = "-csr",
                                       .user_data = bootstrap,
                                       .image_hint = ": Cisco-C8K-* is the Catalyst 8000V"};

static void register_secrets(const struct csr *c)
{
    static const char *const own[] = {"ssh.password", "ssh.enable_secret"};
    ist_dmvpn_register_secrets(&c->env, c->inputs);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ist_secret(&c->env, ist_json_str(c->inputs, own[i]));
}

// What was made decides where it is destroyed, whatever the inputs say by now.
static enum csr_place place_of(const struct csr *c)
{
    const char *where = ist_dmvpn_where(c->inputs);
    if (ist_operation_of(&c->env) == IST_OP_DESTROY && json_object_size(c->recorded) > 0)
        return ist_json_str(csr_record(c, R_CONFIG), "address") ? CSR_EXISTING : CSR_VPC;
    return strcmp(where, "existing") == 0 ? CSR_EXISTING
           : strcmp(where, "render") == 0 ? CSR_RENDER
                                          : CSR_VPC;
}

static int32_t other_place(const struct csr *c, ist_error *err)
{
    const char *address = ist_json_str(csr_record(c, R_CONFIG), "address");
    int32_t rc =
        address ? ist_fail(err, IST_ERR_CONFLICT, "where", "this endpoint was made on the router %s", address)
                : ist_fail(err, IST_ERR_CONFLICT, "where", "this endpoint was launched in a VPC");
    ist_hint(err, "destroy the step first, or give the other router a step of its own");
    return rc;
}

int32_t csr_open(struct csr *c, const ist_host *host, ist_call *call, ist_error *err)
{
    *c = (struct csr){.env = {host, call}};
    c->inputs = ist_inputs(&c->env);
    c->recorded = ist_recorded(&c->env);
    register_secrets(c);
    c->place = place_of(c);
    if (c->place != CSR_VPC && json_object_get(c->recorded, R_STACK))
        return other_place(c, err);
    if (c->place == CSR_RENDER)
        return ist_dmvpn_machine_given(c->inputs, &csr_kind, &c->machine, err);
    if (c->place == CSR_EXISTING)
        return IST_OK;
    if (ist_json_str(csr_record(c, R_CONFIG), "address"))
        return other_place(c, err);
    // Destroy asks for no input: what was made is in the record.
    int32_t rc = ist_operation_of(&c->env) == IST_OP_DESTROY
                     ? IST_OK
                     : ist_dmvpn_machine_given(c->inputs, &csr_kind, &c->machine, err);
    return rc == IST_OK ? ist_dmvpn_vm_new(&c->env, &kind, c->inputs, c->recorded, &c->vm, err) : rc;
}

void csr_close(struct csr *c)
{
    ist_dmvpn_vm_free(c->vm);
    json_decref(c->inputs);
    json_decref(c->recorded);
}
