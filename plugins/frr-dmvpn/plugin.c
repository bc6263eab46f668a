// The tables of frr-dmvpn: the role's, and a Linux host's own; and the command that prints what a host would get.
#include "frr.h"

#include <string.h>

#define IN(name, type, def, flags, doc)                                                                      \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    IST_DMVPN_ENDPOINT_INPUTS(0, 0, "admin"),
    IST_DMVPN_IMAGE_INPUTS("debian-13-amd64-*", "136693071363"),
    IN("outside_interface", "string", NULL, 0,
       "Interface on which tunnels start; without it the one of public_address, or of the default route."),
    IN("inside_interface", "string", NULL, 0,
       "Interface of the networks behind; without it the one of private_address, or the only other."),
    IN("inside_network", "cidr", NULL, 0,
       "Its network, for `where: render` alone: a host tells it by itself."),
    IN("inside_gateway", "ipv4", NULL, 0,
       "Router behind the inside interface to what is announced; without it host 1 of that network."),
    IN("nbma_address", "ipv4", NULL, 0,
       "What the others see, where NAT makes it another than public_address."),
};
static const ist_field outputs[] = {IST_DMVPN_ENDPOINT_OUTPUTS};

static int32_t render(const ist_host *host, ist_call *call, const ist_value *args)
{
    struct frr f;
    ist_error err = {0};
    frr_facts facts;
    frr_files files = {.count = 0};
    (void)args;
    int32_t rc = frr_check(host, call);
    if (rc != IST_OK)
        return rc;
    rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK)
        rc = frr_facts_given(f.inputs, &facts, &err);
    if (rc == IST_OK)
        frr_generate(f.inputs, &facts, &files);
    for (size_t i = 0; i < files.count; i++) {
        const frr_file *file = &files.at[i];
        char *head = ist_printf("##### %s %s %04o\n", file->path, file->owner, file->mode);
        host->print(call, head);
        host->print(call, file->text); // the host takes registered secrets out
        ist_free(head);
    }
    frr_files_free(&files);
    if (rc != IST_OK)
        ist_report(&f.env, &err);
    frr_close(&f);
    return rc;
}

static const ist_command commands[] = {
    {"dmvpn", "render", "Prints the files that a host would get, for `where: render`", NULL, 0,
     sizeof(ist_option), render},
};

static const char *const permissions[] = {IST_DMVPN_VM_PERMISSIONS, NULL};

IST_CHECKED_PLAN(checked_plan, frr_check, frr_plan)
IST_CHECKED_PLAN(checked_apply, frr_check, frr_apply)

IST_PLUGIN(.name = "frr-dmvpn", .version = "0.1.0",
           .doc = "A Linux host with FRR and strongSwan as hub or spoke of a DMVPN",
           .role = IST_ROLE_DMVPN_ENDPOINT, .role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION,
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), IST_COMMANDS(commands), .observe = frr_observe,
           .plan = checked_plan, .apply = checked_apply, .destroy = frr_destroy, .verify = frr_verify,
           .permissions = permissions, .check = frr_check);
