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
    IN("outside_interface", "string", NULL, 0,
       "Interface on which tunnels start; without it the one of public_address, or GigabitEthernet1."),
    IN("inside_interface", "string", NULL, 0,
       "Interface of the networks behind; without it the one of private_address, or the only other."),
    IN("inside_network", "cidr", NULL, 0,
       "Its network, where no router tells it: for `where: render`, and where it has its address by DHCP."),
    IN("inside_gateway", "ipv4", NULL, 0,
       "Router behind the inside interface to what is announced; without it host 1 of that network."),
    IN("nbma_address", "ipv4", NULL, 0,
       "What the others see of a router that was there before, where NAT makes it another than its own."),
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
static int32_t render(const ist_host *host, ist_call *call, const ist_value *args)
{
    struct csr c;
    ist_error err = {0};
    ist_ios_config *config = NULL;
    (void)args;
    int32_t rc = csr_check(host, call);
    if (rc != IST_OK)
        return rc;
    rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK && c.place == CSR_EXISTING)
        rc = csr_facts_given(c.inputs, &c.facts, &err);
    if (rc == IST_OK) {
        char *text = csr_desired(c.inputs, &c.facts, true);
        rc = ist_ios_config_parse(text, strlen(text), &config, &err);
        ist_free_secret(text);
    }
    if (rc == IST_OK) {
        char *text = ist_ios_config_text(config, 1);
        host->print(call, text);
        ist_free(text);
    }
    ist_ios_config_free(config);
    if (rc != IST_OK)
        ist_report(&c.env, &err);
    csr_close(&c);
    return rc;
}

static const ist_command commands[] = {
    {"dmvpn", "render", "Prints the configuration that an endpoint would get, without its secrets", NULL, 0,
     sizeof(ist_option), render},
};

IST_CHECKED_PLAN(checked_plan, csr_check, csr_plan)

IST_PLUGIN(.name = "csr-dmvpn", .version = "0.1.0",
           .doc = "A Cisco router with IOS-XE, in the VPC or elsewhere, as spoke or hub of a DMVPN",
           .role = IST_ROLE_DMVPN_ENDPOINT, .role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION,
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), IST_COMMANDS(commands), .observe = csr_observe,
           .plan = checked_plan, .apply = csr_apply, .destroy = csr_destroy, .verify = csr_verify,
           .permissions = permissions, .check = csr_check);
