// Do the subnets fit into the VPC and keep apart from each other? The platform finds out after minutes.
#include "desired.h"

#include <isthmus/schema.h>

static int32_t check_one(const json_t *cidrs, size_t i, const char *input, ist_net4 vpc, const char *vpc_text,
                         ist_net4 *net, ist_error *err)
{
    const char *text = json_string_value(json_array_get(cidrs, i));
    if (text == NULL || ist_net4_parse(text, net, NULL) != IST_OK)
        return ist_fail(err, IST_ERR_INPUT, input, "item %zu is no CIDR", i + 1);
    if (net->prefix < vpc.prefix || !ist_net4_contains(vpc, net->address))
        return ist_fail(err, IST_ERR_INPUT, input, "%s is not within the VPC's %s (subnet.cidr)", text,
                        vpc_text);
    if (net->prefix < 16 || net->prefix > 28)
        return ist_fail(err, IST_ERR_INPUT, input, "%s: AWS takes subnets from /16 to /28", text);
    return IST_OK;
}

int32_t desired_check_networks(const json_t *inputs, ist_error *err)
{
    static const char *const lists[] = {"subnet.publicCidrs", "subnet.privateCidrs"};
    ist_net4 seen[64], vpc = {0};
    size_t count = 0;
    const char *vpc_text = ist_json_str_or(inputs, "subnet.cidr", "");
    if (ist_net4_parse(vpc_text, &vpc, NULL) != IST_OK)
        return ist_fail(err, IST_ERR_INPUT, "subnet.cidr", "\"%s\" is no CIDR", vpc_text);
    for (size_t l = 0; l < 2; l++) {
        const json_t *cidrs = ist_json_at(inputs, lists[l]);
        for (size_t i = 0; i < json_array_size(cidrs); i++) {
            ist_net4 net = {0};
            const int32_t rc = check_one(cidrs, i, lists[l], vpc, vpc_text, &net, err);
            if (rc != IST_OK)
                return rc;
            for (size_t other = 0; other < count; other++) {
                char text[19];
                ist_net4_text(seen[other], text);
                if (ist_net4_overlap(seen[other], net))
                    return ist_fail(err, IST_ERR_INPUT, lists[l], "%s overlaps with %s",
                                    json_string_value(json_array_get(cidrs, i)), text);
            }
            if (count == sizeof(seen) / sizeof(seen[0]))
                return ist_fail(err, IST_ERR_LIMIT, lists[l], "more than %zu subnets", count);
            seen[count++] = net;
        }
    }
    return IST_OK;
}
