// Which instance types there are: the families that EC2 has had in years, in every size.
#include "ec2.h"

#include <stdlib.h>
#include <string.h>

static const char *const families[] = {
    "t2",  "t3",  "t3a", "t4g", "m4",  "m5",  "m5a",  "m5n", "m6a",  "m6g", "m6i", "m7a",   "m7g", "m7i",
    "c3",  "c4",  "c5",  "c5a", "c5n", "c6a", "c6g",  "c6i", "c6in", "c7a", "c7g", "c7i",   "r4",  "r5",
    "r5a", "r6g", "r6i", "r7i", "i3",  "i4i", "g4dn", "g5",  "p3",   "p4d", "d3",  "x2idn", "m1"};
static const char *const sizes[] = {"nano",    "micro",   "small",   "medium",   "large",    "xlarge",
                                    "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "metal"};

bool ec2_is_type(const char *type)
{
    const size_t len = strcspn(type, ".");
    bool family = false, size = false;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        family = family || (strlen(families[i]) == len && !strncmp(families[i], type, len));
    for (size_t i = 0; type[len] == '.' && i < sizeof sizes / sizeof *sizes; i++)
        size = size || !strcmp(sizes[i], type + len + 1);
    return family && size;
}

bool ec2_needs_type(struct aws_call *c, const char *type)
{
    if (ec2_is_type(type))
        return true;
    aws_fail(c, 400, "InvalidParameterValue", "Invalid value '%s' for InstanceType.", type);
    return false;
}

// The region's last zone came late: it has nothing older than the fifth generation.
static bool is_in(const char *type, const char *zone)
{
    static const char *const old[] = {"t2", "m1", "m4", "c3", "c4", "r4", "i3", "p3", "d3"};
    const size_t len = strcspn(type, ".");
    bool there = true;
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        there = there && (strlen(old[i]) != len || strncmp(old[i], type, len) != 0);
    return there || strcmp(zone, AWS_REGION "d") != 0;
}

bool ec2_needs_type_in(struct aws_call *c, const char *type, const char *zone)
{
    if (is_in(type, zone))
        return true;
    aws_fail(c, 400, "Unsupported",
             "Your requested instance type (%s) is not supported in your requested Availability Zone (%s). "
             "Please retry your request by not specifying an Availability Zone or choosing " AWS_REGION
             "a, " AWS_REGION "b, " AWS_REGION "c.",
             type, zone);
    return false;
}

static void offer(json_t *set, const char *type, bool zones)
{
    for (int letter = 'a'; letter <= (zones ? 'd' : 'a'); letter++) {
        char *zone = lab_format(AWS_REGION "%c", letter);
        if (!zones || is_in(type, zone))
            json_array_append_new(set, json_pack("{ss ss ss}", "instanceType", type, "locationType",
                                                 zones ? "availability-zone" : "region", "location",
                                                 zones ? zone : AWS_REGION));
        free(zone);
    }
}

// Those that the filter names, else all.
static json_t *offerings(struct aws_call *c)
{
    json_t *set = json_array(), *filter, *value;
    const char *by = aws_str(c, "LocationType");
    size_t i, k;
    bool chosen = false, zones = by && !strcmp(by, "availability-zone");
    json_array_foreach(aws_list(c, "Filter"), i, filter)
    {
        chosen = chosen || aws_is(filter, "Name", "instance-type");
        json_array_foreach(json_object_get(filter, "Value"), k, value)
        {
            if (aws_is(filter, "Name", "instance-type") && ec2_is_type(json_string_value(value)))
                offer(set, json_string_value(value), zones);
        }
    }
    for (i = 0; !chosen && i < sizeof families / sizeof *families; i++) {
        for (k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            char *type = lab_format("%s.%s", families[i], sizes[k]);
            offer(set, type, zones);
            free(type);
        }
    }
    return json_pack("{so}", "instanceTypeOfferingSet", set);
}

const struct aws_action aws_type_actions[] = {{"DescribeInstanceTypeOfferings", offerings, false},
                                              {NULL, NULL, false}};
