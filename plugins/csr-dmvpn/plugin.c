// The tables of csr-dmvpn: the role's, and a Cisco router's own.
#include "csr.h"
#include <isthmus/roles/dmvpn-endpoint.h>

#include <string.h>

#define IN(name, type, def, flags, doc)                                                                      \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    IST_DMVPN_ENDPOINT_INPUTS(0, 0, "ec2-user"),
    IST_DMVPN_IMAGE_INPUTS("cisco_CSR-*-BYOL-*", "aws-marketplace"),
    IN("archive_path", "string", "bootflash:isthmus", 0,
       "Where the router keeps what it may revert to, unless set."),
    IN("ssh.password", "secret", NULL, IST_SECRET, "Password of the user, beside or instead of a key."),
    IN("ssh.enable_secret", "secret", NULL, IST_SECRET,
       "Enable secret, for a user of less than privilege 15."),
};

#define OUT(name, type, doc)                                                                                 \
    {                                                                                                        \
        name, type, NULL, 0, "0.1.0", doc                                                                    \
    }

static const ist_field outputs[] = {
    IST_DMVPN_ENDPOINT_OUTPUTS,
    OUT("instance_id", "string", "The router's instance."),
    OUT("ssh_host_key", "string", "Fingerprint of the router's host key."),
};

static const char *const permissions[] = {
    IST_DMVPN_VM_PERMISSIONS,
    NULL,
};

// What `where: render` is for: a change board reads what would be typed, with no secret in it.
static int32_t text_of(const json_t *in, const ist_dmvpn_machine *machine, char **text, ist_error *err)
{
    ist_ios_config *config = NULL;
    char *desired = csr_desired(in, machine, true);
    int32_t rc = ist_ios_config_parse(desired, strlen(desired), &config, err);
    if (rc == IST_OK)
        *text = ist_ios_config_text(config, 1);
    ist_ios_config_free(config);
    ist_free_secret(desired);
    return rc;
}

static int32_t render(const ist_host *host, ist_call *call, const ist_value *args)
{
    (void)args;
    return ist_dmvpn_render(host, call, csr_check, &csr_kind, text_of);
}

static const ist_command commands[] = {IST_DMVPN_RENDER_COMMAND(render)};

IST_CHECKED_PLAN(checked_plan, csr_check, csr_plan)

IST_PLUGIN(.name = "csr-dmvpn", .version = "0.1.0",
           .doc = "A Cisco router with IOS-XE, in the VPC or elsewhere, as spoke or hub of a DMVPN",
           .role = IST_ROLE_DMVPN_ENDPOINT, .role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION,
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), IST_COMMANDS(commands), .observe = csr_observe,
           .plan = checked_plan, .apply = csr_apply, .destroy = csr_destroy, .verify = csr_verify,
           .permissions = permissions, .check = csr_check);
