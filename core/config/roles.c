// The outputs that each role promises.
#include "config/internal.h"

#include <isthmus/roles/dmvpn-endpoint.h>

#include <string.h>

const ist_field *role_outputs(const char *role)
{
    (void)ist_role_dmvpn_endpoint_inputs; // the loader's matter
    if (strcmp(role, IST_ROLE_DMVPN_ENDPOINT) == 0)
        return ist_role_dmvpn_endpoint_outputs;
    return NULL;
}
