#include "vpc.h"

#include <string.h>

json_t *network_filter(const char *name, const char *value)
{
    return json_pack("{s:[{s:s, s:[s]}]}", "Filter", "Name", name, "Value", value);
}

static const char *name_of(const json_t *vpc)
{
    const char *name = ist_aws_tag(vpc, "Name");
    return name != NULL ? name : "";
}

static int has_tags(const json_t *vpc, const json_t *tags)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)tags, key, value)
    {
        const char *found = ist_aws_tag(vpc, key);
        if (found == NULL || strcmp(found, json_is_string(value) ? json_string_value(value) : "") != 0)
            return 0;
    }
    return 1;
}

// How well a VPC fits: 0 not at all, higher is better.
static int fit(const json_t *vpc, const json_t *inputs)
{
    const char *id = ist_json_str_or(inputs, "id", ""), *prefix = ist_json_str_or(inputs, "name_prefix", "");
    const json_t *tags = json_object_get(inputs, "tags");
    if (*id != '\0' && strcmp(id, ist_json_str_or(vpc, "vpcId", "")) != 0)
        return 0;
    if (json_object_size(tags) > 0 && !has_tags(vpc, tags))
        return 0;
    if (*prefix == '\0')
        return 1;
    if (strcmp(name_of(vpc), prefix) == 0)
        return 3;
    const char *found = strstr(name_of(vpc), prefix);
    return found == NULL ? 0 : found == name_of(vpc) ? 2 : 1;
}

static void add_line(ist_buf *list, const json_t *vpc)
{
    ist_buf_printf(list, "%s%s (%s, %s)", list->len > 0 ? ", " : "", ist_json_str_or(vpc, "vpcId", "?"),
                   *name_of(vpc) != '\0' ? name_of(vpc) : "no name", ist_json_str_or(vpc, "cidrBlock", "?"));
}

static int32_t pick(const json_t *vpcs, const json_t *inputs, const char *region, json_t **vpc,
                    ist_error *err)
{
    ist_buf all = {0}, fitting = {0};
    json_t *item, *best = NULL;
    int best_fit = 0, count = 0;
    size_t i;
    json_array_foreach((json_t *)vpcs, i, item)
    {
        const int how = fit(item, inputs);
        add_line(&all, item);
        if (how > best_fit) {
            best_fit = how;
            best = item;
            count = 0;
            ist_buf_free(&fitting);
            fitting = (ist_buf){0};
        }
        if (how == best_fit && how > 0) {
            add_line(&fitting, item);
            count++;
        }
    }
    int32_t rc = IST_OK;
    if (count == 0) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "VPC", "none in %s fits; there are: %s", region,
                      all.len > 0 ? all.data : "none");
    } else if (count > 1) {
        rc = ist_fail(err, IST_ERR_INPUT, "VPC", "%d in %s fit: %s", count, region, fitting.data);
        ist_hint(err, "give the input `id`, or `tags` that only one has");
    } else {
        *vpc = json_incref(best);
    }
    ist_buf_free(&all);
    ist_buf_free(&fitting);
    return rc;
}

int32_t network_find_vpc(ist_aws *aws, const json_t *inputs, json_t **vpc, ist_error *err)
{
    json_t *vpcs = NULL;
    int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeVpcs", NULL, "vpcSet", &vpcs, err);
    if (rc == IST_OK)
        rc = pick(vpcs, inputs, ist_aws_region(aws), vpc, err);
    json_decref(vpcs);
    return rc;
}
