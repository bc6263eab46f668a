// What EC2 offers in a region.
#include "internal.h"

#include <isthmus/alloc.h>

#include <stdbool.h>
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

// Where it is offered, for a person. The caller's.
static char *zones_of(const json_t *offers, const char *zone, bool *offered)
{
    const json_t *offer;
    ist_buf text = {.max = 1024};
    size_t i;
    *offered = false;
    json_array_foreach(offers, i, offer)
    {
        const char *location = ist_json_str_or(offer, "location", "?");
        *offered = *offered || zone == NULL || strcmp(location, zone) == 0;
        ist_buf_printf(&text, "%s%s", i > 0 ? ", " : "", location);
    }
    return ist_buf_take(&text);
}

int32_t ist_aws_check_instance_type(ist_aws *aws, const char *type, const char *zone, const char *where,
                                    ist_error *err)
{
    json_t *params = json_pack("{s:s, s:[{s:s, s:[s]}]}", "LocationType", "availability-zone", "Filter",
                               "Name", "instance-type", "Value", type),
           *offers = NULL;
    bool offered = false;
    int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeInstanceTypeOfferings", params,
                                   "instanceTypeOfferingSet", &offers, err);
    char *zones = zones_of(offers, zone, &offered);
    if (rc == IST_OK && json_array_size(offers) == 0)
        rc = ist_fail(err, IST_ERR_INPUT, where, "EC2 has no instance type %s in %s", type, aws->region);
    else if (rc == IST_OK && !offered)
        rc = ist_fail(err, IST_ERR_INPUT, where, "EC2 has instance type %s in %s, not in %s", type, zones,
                      zone);
    if (rc == IST_ERR_INPUT)
        ist_hint(err, "see `aws ec2 describe-instance-type-offerings --location-type availability-zone`");
    ist_free(zones);
    json_decref(offers);
    json_decref(params);
    return rc;
}
