// What of the role's inputs this plugin takes.
#include "csr.h"

int32_t csr_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    const json_t *subnets = ist_checking_at(c, "private_subnets");
    size_t count = json_array_size(subnets);
    ist_dmvpn_register_secrets(ist_checking_env(c), ist_checking_inputs(c));
    ist_dmvpn_check(c);
    ist_dmvpn_check_machine(c, &csr_kind);
    ist_check_names(c, "archive_path");
    ist_check_names(c, "image");
    ist_check_names(c, "image_owner");
    ist_check_names(c, "image_parameter");
    if (json_is_array(subnets) && (count < 1 || count > 16))
        ist_wrong(c, "private_subnets", "%zu of them: 1 to 16 are possible", count);
    return ist_checking_end(c);
}
