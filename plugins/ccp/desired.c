#include "desired.h"

#include <isthmus/schema.h>

#include <stdlib.h>
#include <string.h>

const char *desired_type(const json_t *inputs)
{
    const char *given = ist_json_str_or(inputs, "instance_type", "");
    return *given != '\0' ? given : DESIRED_TYPE;
}

json_t *desired_body(const json_t *inputs, const char *region, const char *provider, const char *role_arn,
                     const char *ami)
{
    const json_t *subnet = json_object_get(inputs, "subnet");
    json_t *keys = json_object_get(inputs, "ssh_keys");
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:{s:O?, s:O?, s:O?}}", "name",
                  ist_json_str_or(inputs, "name", ""), "type", "eks", "region", region, "provider", provider,
                  "access_role_arn", role_arn, "instance_type", desired_type(inputs), "worker_count",
                  (json_int_t)ist_json_int(inputs, "worker_count", DESIRED_WORKERS), "vpc_sizing", "subnet",
                  json_object_get(subnet, "cidr"), "public_subnets", json_object_get(subnet, "publicCidrs"),
                  "private_subnets", json_object_get(subnet, "privateCidrs"));
    json_object_set_new(body, "ssh_keys", keys != NULL ? json_incref(keys) : json_array());
    if (ami != NULL)
        json_object_set_new(body, "ami", json_string(ami));
    return body;
}

// One setting: where it is in the inputs and in the platform's answer, and what makes two values the same.
struct setting {
    const char *input, *field, *type;
    int replace;
};

static const struct setting settings[] = {
    {"subnet.cidr", "vpc_sizing.subnet", "cidr", 1},
    {"subnet.publicCidrs", "vpc_sizing.public_subnets", "set(cidr)", 1},
    {"subnet.privateCidrs", "vpc_sizing.private_subnets", "set(cidr)", 1},
    {"instance_type", "instance_type", "string", 1},
    {"ami", "ami", "string", 1},
    {"ssh_keys", "ssh_keys", "set(string)", 1},
    {"worker_count", "worker_count", "int", 0},
};

static int is_empty(const json_t *value)
{
    return value == NULL || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0);
}

static void add_difference(json_t *to, const char *field, json_t *before, json_t *after, int replace)
{
    json_array_append_new(to, json_pack("{s:s, s:O, s:O, s:b}", "field", field, "before", before, "after",
                                        after, "replace", replace));
}

static void compare_region(json_t *to, const char *region, const json_t *cluster)
{
    json_t *found = json_object_get(cluster, "region");
    if (is_empty(found) || strcmp(json_string_value(found), region) == 0)
        return;
    json_t *wanted = json_string(region);
    add_difference(to, "region", found, wanted, 1);
    json_decref(wanted);
}

json_t *desired_differences(const json_t *inputs, const char *region, const json_t *cluster)
{
    json_t *differences = json_array();
    compare_region(differences, region, cluster);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const struct setting *s = &settings[i];
        json_t *wanted = ist_json_at(inputs, s->input), *found = ist_json_at(cluster, s->field);
        if (!is_empty(wanted) && !is_empty(found) && !ist_type_equal(s->type, wanted, found))
            add_difference(differences, s->field, found, wanted, s->replace);
    }
    return differences;
}

char *desired_differences_text(const json_t *differences)
{
    ist_buf text = {0};
    json_t *d;
    size_t i;
    json_array_foreach((json_t *)differences, i, d)
    {
        char *before = json_dumps(json_object_get(d, "before"), JSON_ENCODE_ANY | JSON_COMPACT);
        char *after = json_dumps(json_object_get(d, "after"), JSON_ENCODE_ANY | JSON_COMPACT);
        ist_buf_printf(&text, "%s%s is %s and should be %s", i > 0 ? "; " : "", ist_json_str(d, "field"),
                       before != NULL ? before : "?", after != NULL ? after : "?");
        free(before);
        free(after);
    }
    return ist_buf_take(&text);
}

// ---- what AWS knows ----

int32_t desired_ami(const ist_env *env, ist_aws *aws, char **ami, ist_error *err)
{
    json_t *images = NULL, *image;
    const json_t *newest = NULL;
    size_t i;
    json_t *params = json_pack("{s:[s], s:[{s:s, s:[s]}, {s:s, s:[s]}]}", "Owner", "amazon", "Filter", "Name",
                               "name", "Value", "amazon-eks-node-*", "Name", "state", "Value", "available");
    const int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeImages", params, "imagesSet", &images, err);
    json_decref(params);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(images, i, image)
    {
        if (newest == NULL || strcmp(ist_json_str_or(image, "creationDate", ""),
                                     ist_json_str_or(newest, "creationDate", "")) > 0)
            newest = image;
    }
    const char *id = ist_json_str(newest, "imageId");
    if (id != NULL)
        *ami = ist_strdup(id);
    else
        ist_log(env, IST_LOG_WARN, "no image for EKS nodes is to be seen in %s: the platform chooses one",
                ist_aws_region(aws));
    json_decref(images);
    return IST_OK;
}
