// The tables of csr-dmvpn: the role's, and a Cisco router's own.
#include "csr.h"
#include <isthmus/roles/dmvpn-endpoint.h>

#define IN(name, type, def, flags, doc)                                                                      \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    IST_DMVPN_ENDPOINT_INPUTS(IST_REQUIRED, IST_REQUIRED, "ec2-user"),
    IST_DMVPN_IMAGE_INPUTS("cisco_CSR-*-BYOL-*", "aws-marketplace"),
    IN("archive_path", "string", "bootflash:isthmus", 0,
       "Where the router keeps what it may revert to, unless set."),
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

IST_CHECKED_PLAN(checked_plan, csr_check, csr_plan)

IST_PLUGIN(.name = "csr-dmvpn", .version = "0.1.0", .doc = "A Cisco router in the VPC as a spoke of a DMVPN",
           .role = IST_ROLE_DMVPN_ENDPOINT, .role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION,
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), .observe = csr_observe, .plan = checked_plan,
           .apply = csr_apply, .destroy = csr_destroy, .verify = csr_verify, .permissions = permissions,
           .check = csr_check);
