// What of the role's inputs this plugin takes, and what it says about them.
#include "csr.h"

#include <string.h>

// Rows of the role that this plugin does not act on are refused: silence would be a lie.
static int32_t check_taken(const json_t *inputs, ist_error *err)
{
    const char *path = strcmp(ist_dmvpn_where(inputs), "vpc") != 0                ? "where"
                       : ist_dmvpn_is_hub(inputs)                                 ? "mode"
                       : ist_dmvpn_is_static(inputs)                              ? "routing"
                       : json_array_size(json_object_get(inputs, "hubs")) > 0     ? "hubs"
                       : json_array_size(json_object_get(inputs, "announce")) > 0 ? "announce"
                                                                                  : NULL;
    if (!path)
        return IST_OK;
    int32_t rc = ist_fail(err, IST_ERR_INPUT, path, "csr-dmvpn does not do this yet");
    ist_hint(err, "it launches a spoke in a VPC that announces the private subnets to one hub by OSPF");
    return rc;
}

int32_t csr_check(const json_t *inputs, ist_error *err)
{
    int32_t rc = check_taken(inputs, err);
    if (rc == IST_OK)
        rc = ist_dmvpn_check(inputs, err);
    size_t subnets = json_array_size(json_object_get(inputs, "private_subnets"));
    if (rc == IST_OK && (subnets < 1 || subnets > 16))
        rc = ist_fail(err, IST_ERR_INPUT, "private_subnets", "%zu of them: 1 to 16 are possible", subnets);
    return rc;
}

void csr_tell(const ist_env *env, const json_t *inputs)
{
    ist_dmvpn_tell(env, inputs);
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
