// What of the role's inputs this plugin takes, and what it says about them.
#include "csr.h"

#include <string.h>

// What the tables leave open because not every place needs it.
static void check_place(ist_checking *c)
{
    const json_t *inputs = ist_checking_inputs(c);
    const bool render = strcmp(ist_dmvpn_where(inputs), "render") == 0;
    if (!ist_is_known(c, "where") || !ist_is_known(c, "private_subnets") ||
        !ist_is_known(c, "inside_network"))
        return;
    if (render && !ist_checking_at(c, "private_subnets") && !ist_checking_at(c, "inside_network"))
        ist_wrong_hint(c, "inside_network", "or give `private_subnets`, as for a launch in a VPC",
                       "is missing: `where: render` asks no router, so that all has to be said");
    if (render && ist_checking_at(c, "inside_network") && !ist_checking_at(c, "private_address") &&
        ist_is_known(c, "private_address"))
        ist_wrong(c, "private_address",
                  "is missing: `where: render` asks no router, so that all has to be said");
}

int32_t csr_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    const json_t *subnets = ist_checking_at(c, "private_subnets");
    size_t count = json_array_size(subnets);
    ist_dmvpn_register_secrets(ist_checking_env(c), ist_checking_inputs(c));
    ist_dmvpn_check(c);
    check_place(c);
    ist_check_line(c, "outside_interface");
    ist_check_line(c, "inside_interface");
    ist_check_names(c, "archive_path");
    ist_check_names(c, "image");
    ist_check_names(c, "image_owner");
    ist_check_names(c, "image_parameter");
    if (json_is_array(subnets) && (count < 1 || count > 16))
        ist_wrong(c, "private_subnets", "%zu of them: 1 to 16 are possible", count);
    return ist_checking_end(c);
}

void csr_tell(const ist_env *env, const json_t *inputs)
{
    const bool vpc = strcmp(ist_dmvpn_where(inputs), "vpc") == 0;
    ist_dmvpn_tell(env, inputs);
    if (vpc && strcmp(ist_json_str_or(inputs, "InboundSSH", ""), "0.0.0.0/0") == 0)
        ist_log(
            env, IST_LOG_WARN,
            "SSH to the router is open to everybody (`InboundSSH: 0.0.0.0/0`): the network from which it is "
            "configured is enough");
    if (!ist_dmvpn_is_static(inputs) && ist_json_bool(inputs, "ospf.filter", 1))
        ist_log(env, IST_LOG_INFO,
                "only the static routes of what is announced are redistributed, by a route-map "
                "(`ospf.filter: false` redistributes all)");
    if (!*ist_json_str_or(inputs, "ike_profile.local_identity", ""))
        ist_log(env, IST_LOG_INFO,
                "behind %s the others see UDP 4500 from another address, and the private one as IKE identity "
                "(`ike_profile.local_identity` sets another)",
                vpc ? "the Elastic IP" : "NAT");
    ist_log(env, IST_LOG_INFO, "the masks of the subnets are their own, not /24");
}
