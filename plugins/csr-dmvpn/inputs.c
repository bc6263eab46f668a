// What of the role's inputs this plugin takes, and what it says about them.
#include "csr.h"

#include <string.h>

// Rows of the role that this plugin does not act on are refused: silence would be a lie.
static void check_taken(ist_checking *c)
{
    const json_t *inputs = ist_checking_inputs(c);
    const struct {
        const char *path;
        bool wrong;
    } rows[] = {{"where", strcmp(ist_dmvpn_where(inputs), "vpc") != 0},
                {"mode", ist_dmvpn_is_hub(inputs)},
                {"routing", ist_dmvpn_is_static(inputs)},
                {"hubs", json_array_size(json_object_get(inputs, "hubs")) > 0},
                {"announce", json_array_size(json_object_get(inputs, "announce")) > 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].wrong)
            ist_wrong_hint(
                c, rows[i].path,
                "it launches a spoke in a VPC that announces the private subnets to one hub by OSPF",
                "csr-dmvpn does not do this yet");
    }
}

int32_t csr_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    const json_t *subnets = ist_checking_at(c, "private_subnets");
    size_t count = json_array_size(subnets);
    ist_dmvpn_register_secrets(ist_checking_env(c), ist_checking_inputs(c));
    check_taken(c);
    ist_dmvpn_check(c);
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
    ist_dmvpn_tell(env, inputs);
    if (strcmp(ist_json_str_or(inputs, "InboundSSH", ""), "0.0.0.0/0") == 0)
        ist_log(
            env, IST_LOG_WARN,
            "SSH to the router is open to everybody (`InboundSSH: 0.0.0.0/0`): the network from which it is "
            "configured is enough");
    if (ist_json_bool(inputs, "ospf.filter", 1))
        ist_log(env, IST_LOG_INFO,
                "only the VPC's own static routes are redistributed, by a route-map "
                "(`ospf.filter: false` redistributes all)");
    if (!*ist_json_str_or(inputs, "ike_profile.local_identity", ""))
        ist_log(env, IST_LOG_INFO,
                "behind the Elastic IP the hub sees UDP 4500 from another address, and the private "
                "one as IKE identity (`ike_profile.local_identity` sets another)");
    ist_log(env, IST_LOG_INFO, "the masks of the subnets are their own, not /24");
}
