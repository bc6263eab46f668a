// What EC2 offers in a region.
#include "internal.h"

#include <string.h>

static int is_offered(const json_t *offers, const char *type)
{
    const json_t *offer;
    size_t i;
    json_array_foreach(offers, i, offer)
    {
        if (strcmp(ist_json_str_or(offer, "instanceType", ""), type) == 0)
            return 1;
    }
    return 0;
}

int32_t ist_aws_check_instance_types(ist_aws *aws, const json_t *types, const char *where, ist_error *err)
{
    json_t *params = json_pack("{s:s, s:[{s:s, s:O}]}", "LocationType", "region", "Filter", "Name",
                               "instance-type", "Value", types),
           *offers = NULL, *type;
    size_t i;
    int32_t rc = params != NULL ? ist_aws_query_all(aws, "ec2", "DescribeInstanceTypeOfferings", params,
                                                    "instanceTypeOfferingSet", &offers, err)
                                : ist_fail(err, IST_ERR_INTERNAL, where, "instance types are a list");
    json_array_foreach((json_t *)types, i, type)
    {
        if (rc != IST_OK || is_offered(offers, json_string_value(type)))
            continue;
        rc = ist_fail(err, IST_ERR_INPUT, where, "EC2 has no instance type %s in %s", json_string_value(type),
                      aws->region);
        ist_hint(err, "see `aws ec2 describe-instance-type-offerings` there");
    }
    json_decref(offers);
    json_decref(params);
    return rc;
}
