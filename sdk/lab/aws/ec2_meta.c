// Regions, zones, and tags on anything.
#include "ec2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *regions(struct aws_call *c)
{
    static const char *const names[] = {"us-east-1", "us-east-2",    "us-west-1",
                                        "us-west-2", "eu-central-1", "eu-west-1"};
    json_t *all = json_array(), *wanted;
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        char *endpoint = lab_format("ec2.%s.amazonaws.com", names[i]);
        json_array_append_new(all, json_pack("{ssssss}", "regionName", names[i], "regionEndpoint", endpoint,
                                             "optInStatus", "opt-in-not-required"));
        free(endpoint);
    }
    json_t *chosen = json_array();
    json_array_foreach(aws_list(c, "RegionName"), i, wanted)
    {
        size_t j;
        json_t *region, *found = NULL;
        json_array_foreach(all, j, region) found =
            aws_is(region, "regionName", json_string_value(wanted)) ? region : found;
        if (!found) {
            aws_fail(c, 400, "InvalidParameterValue", "Invalid region provided: %s",
                     json_string_value(wanted));
            break;
        }
        json_array_append(chosen, found);
    }
    json_t *answer =
        c->status ? NULL : json_pack("{sO}", "regionInfo", aws_list(c, "RegionName") ? chosen : all);
    json_decref(all);
    json_decref(chosen);
    return answer;
}

static json_t *zones(struct aws_call *c)
{
    json_t *all = json_array();
    (void)c;
    for (int letter = 'a'; letter <= 'd'; letter++) {
        char *name = lab_format(AWS_REGION "%c", letter), *id = lab_format("usw2-az%d", letter - 'a' + 1);
        json_array_append_new(all, json_pack("{ss ss ss ss ss ss s[]}", "zoneName", name, "zoneId", id,
                                             "zoneState", "available", "regionName", AWS_REGION, "zoneType",
                                             "availability-zone", "optInStatus", "opt-in-not-required",
                                             "messageSet"));
        free(name);
        free(id);
    }
    return json_pack("{so}", "availabilityZoneInfo", all);
}

// Any object by its id, whatever it is.
static json_t *any(const struct aws_call *c, const char *id, const struct aws_type **type)
{
    for (const struct aws_type *t = aws_types; t->name; t++) {
        json_t *object = aws_get(c, t->name, id);
        if (object) {
            *type = t;
            return object;
        }
    }
    return NULL;
}

static void set_tag(json_t *object, const char *key, const char *value)
{
    json_t *tags = json_object_get(object, "tagSet"), *tag;
    size_t i;
    json_array_foreach(tags, i, tag)
    {
        if (aws_is(tag, "key", key)) {
            json_object_set_new(tag, "value", json_string(value));
            return;
        }
    }
    json_array_append_new(tags, json_pack("{ssss}", "key", key, "value", value));
}

static void remove_tag(json_t *object, const json_t *wanted)
{
    json_t *tags = json_object_get(object, "tagSet"), *tag;
    size_t i;
    json_array_foreach(tags, i, tag)
    {
        const char *value = json_string_value(json_object_get(wanted, "Value"));
        if (aws_is(tag, "key", aws_text(wanted, "Key")) && (!value || aws_is(tag, "value", value))) {
            json_array_remove(tags, i);
            return;
        }
    }
}

static json_t *change_tags(struct aws_call *c, bool remove)
{
    size_t i, j;
    json_t *id, *tag;
    const struct aws_type *type;
    if (!aws_list(c, "ResourceId"))
        return aws_fail(c, 400, "MissingParameter", "The request must contain the parameter resourceIdSet");
    json_array_foreach(aws_list(c, "ResourceId"), i, id)
    {
        if (!any(c, json_string_value(id), &type) && !remove)
            return aws_fail(c, 400, "InvalidID", "The ID '%s' is not valid", json_string_value(id));
    }
    json_array_foreach(aws_list(c, "Tag"), j, tag)
    {
        if (!strncmp(aws_text(tag, "Key"), "aws:", 4))
            return aws_fail(c, 400, "InvalidParameterValue",
                            "Value ( %s ) for parameter key is invalid. Tag keys starting "
                            "with 'aws:' are reserved for internal use",
                            aws_text(tag, "Key"));
    }
    json_array_foreach(aws_list(c, "ResourceId"), i, id)
    {
        json_t *object = any(c, json_string_value(id), &type);
        json_array_foreach(aws_list(c, "Tag"), j, tag)
        {
            if (remove && object)
                remove_tag(object, tag);
            else if (object)
                set_tag(object, aws_text(tag, "Key"), aws_text(tag, "Value"));
        }
    }
    return aws_true();
}

static json_t *create_tags(struct aws_call *c)
{
    return change_tags(c, false);
}

static json_t *delete_tags(struct aws_call *c)
{
    return change_tags(c, true);
}

static bool wanted_tag(const struct aws_call *c, const json_t *shown)
{
    static const char *const names[][2] = {
        {"resource-id", "resourceId"}, {"resource-type", "resourceType"}, {"key", "key"}, {"value", "value"}};
    size_t i, j;
    json_t *filter, *value;
    json_array_foreach(aws_list(c, "Filter"), i, filter)
    {
        bool good = false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            json_array_foreach(json_object_get(filter, "Value"), j, value) good =
                good ||
                (aws_is(filter, "Name", names[k][0]) && aws_is(shown, names[k][1], json_string_value(value)));
        }
        if (!good)
            return false;
    }
    return true;
}

static json_t *describe_tags(struct aws_call *c)
{
    json_t *all = json_array(), *object, *tag;
    for (const struct aws_type *t = aws_types; t->name; t++) {
        const char *id;
        size_t i;
        json_object_foreach(aws_all(c, t->name), id, object)
        {
            json_array_foreach(json_object_get(object, "tagSet"), i, tag)
            {
                json_t *shown = json_pack("{ssss}", "resourceId", id, "resourceType", t->name);
                json_object_update(shown, tag);
                if (wanted_tag(c, shown))
                    json_array_append(all, shown);
                json_decref(shown);
            }
        }
    }
    return aws_page(c, "tagSet", all, aws_str(c, "MaxResults"), aws_str(c, "NextToken"));
}

const struct aws_action aws_meta_actions[] = {
    {"DescribeRegions", regions, false},    {"DescribeAvailabilityZones", zones, false},
    {"CreateTags", create_tags, true},      {"DeleteTags", delete_tags, true},
    {"DescribeTags", describe_tags, false}, {NULL, NULL, false}};
