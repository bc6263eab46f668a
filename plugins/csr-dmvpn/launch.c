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

int32_t csr_open(struct csr *c, const ist_host *host, ist_call *call, ist_error *err)
{
    *c = (struct csr){.env = {host, call}};
    c->inputs = ist_inputs(&c->env);
    c->recorded = ist_recorded(&c->env);
    ist_dmvpn_register_secrets(&c->env, c->inputs);
    return ist_dmvpn_vm_new(&c->env, &kind, c->inputs, c->recorded, &c->vm, err);
}

void csr_close(struct csr *c)
{
    ist_dmvpn_vm_free(c->vm);
    json_decref(c->inputs);
    json_decref(c->recorded);
}
