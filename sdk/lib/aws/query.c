// The Query protocol: a form in, XML out. EC2 numbers lists as Name.1, the other services as Name.member.1.
#include "internal.h"

#include <string.h>

struct version {
    const char *service, *version;
};

static const char *version_of(const char *service)
{
    static const struct version versions[] = {
        {"ec2", "2016-11-15"},
        {"iam", "2010-05-08"},
        {"sts", "2011-06-15"},
        {"cloudformation", "2010-05-15"},
        {"elasticloadbalancing", "2012-06-01"},
        {"autoscaling", "2011-01-01"},
    };
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (strcmp(versions[i].service, service) == 0)
            return versions[i].version;
    return NULL;
}

// Adds `value` under `name` to the flat form.
static void flatten(json_t *form, const char *name, const json_t *value, int is_ec2, int depth)
{
    const char *key;
    json_t *child;
    size_t i;
    if (depth > IST_JSON_MAX_DEPTH)
        return;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        json_object_foreach((json_t *)value, key, child)
        {
            char *path = ist_printf("%s.%s", name, key);
            flatten(form, path, child, is_ec2, depth + 1);
            ist_free(path);
        }
        break;
    case JSON_ARRAY:
        json_array_foreach((json_t *)value, i, child)
        {
            char *path = ist_printf(is_ec2 ? "%s.%zu" : "%s.member.%zu", name, i + 1);
            flatten(form, path, child, is_ec2, depth + 1);
            ist_free(path);
        }
        break;
    case JSON_INTEGER: {
        char text[32];
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        json_object_set_new(form, name, json_string(text));
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        json_object_set_new(form, name, json_string(json_is_true(value) ? "true" : "false"));
        break;
    case JSON_STRING:
        json_object_set(form, name, (json_t *)value);
        break;
    default:
        break; // null: not sent; no call takes a real
    }
}

static char *form_of(const char *service, const char *action, const char *version, const json_t *params)
{
    json_t *form = json_pack("{s:s, s:s}", "Action", action, "Version", version);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)params, key, value)
    {
        flatten(form, key, value, strcmp(service, "ec2") == 0, 0);
    }
    char *text = ist_form_encode(form);
    json_decref(form);
    return text;
}

static int starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

// Logins change nothing that anybody could see.
static int is_read(const char *action)
{
    return starts_with(action, "Describe") || starts_with(action, "Get") || starts_with(action, "List") ||
           starts_with(action, "AssumeRole");
}

const char *aws_resource_of(const json_t *params)
{
    // The first of these that it has.
    static const char *const names[] = {"RouteTableId",
                                        "GroupId",
                                        "NetworkInterfaceId",
                                        "InstanceId",
                                        "AllocationId",
                                        "AssociationId",
                                        "AttachmentId",
                                        "SubnetId",
                                        "NatGatewayId",
                                        "InternetGatewayId",
                                        "VpcId",
                                        "PrefixListId",
                                        "ImageId",
                                        "GroupName",
                                        "KeyName",
                                        "StackName",
                                        "RoleArn",
                                        "RoleName",
                                        "LoadBalancerName",
                                        "SecurityGroupRuleId",
                                        "Name"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *value = json_object_get(params, names[i]);
        const char *text = json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
        if (text != NULL && *text != '\0')
            return text;
    }
    return NULL;
}

// <XResponse><XResult>...</XResult><ResponseMetadata/></XResponse>: the result alone is of interest.
static json_t *strip_result(json_t *tree, const char *action)
{
    char *name = ist_printf("%sResult", action);
    json_t *result = json_object_get(tree, name);
    ist_free(name);
    if (result == NULL) {
        if (json_is_object(tree))
            return tree;
        json_decref(tree);
        return json_object();
    }
    result = json_is_object(result) ? json_incref(result) : json_object();
    json_decref(tree);
    return result;
}

int32_t aws_query_as(ist_aws *aws, const char *service, const char *action, const json_t *params,
                     const struct aws_credentials *as, int anonymous, json_t **answer, ist_error *err)
{
    const char *version = version_of(service);
    if (version == NULL)
        return ist_fail(err, IST_ERR_INTERNAL, service, "is not a service with the Query protocol");
    char *body = form_of(service, action, version, params);
    const struct aws_call call = {
        .service = service,
        .action = action,
        .resource = aws_resource_of(params),
        .method = "POST",
        .path = "/",
        .body = body,
        .body_len = strlen(body),
        .content_type = "application/x-www-form-urlencoded; charset=utf-8",
        .read = is_read(action),
        .repeatable = is_read(action) || json_object_get(params, "ClientToken") != NULL ||
                      json_object_get(params, "ClientRequestToken") != NULL,
        .secret = starts_with(action, "AssumeRole"),
        .as = as,
        .anonymous = anonymous,
    };
    ist_http_response response = {0};
    json_t *tree = NULL;
    int32_t rc = aws_send(aws, &call, &response, err);
    if (rc == IST_OK) {
        char where[sizeof(err->where)];
        aws_where(aws, &call, where, sizeof(where));
        rc = aws_xml_parse(response.body, response.body_len, 1, where, &tree, err);
    }
    if (rc == IST_OK) {
        tree = strip_result(tree, action);
        if (answer != NULL)
            *answer = tree;
        else
            json_decref(tree);
    }
    ist_http_response_free(&response);
    ist_free_secret(body);
    return rc;
}

int32_t ist_aws_query(ist_aws *aws, const char *service, const char *action, const json_t *params,
                      json_t **answer, ist_error *err)
{
    return aws_query_as(aws, service, action, params, NULL, 0, answer, err);
}

const char *ist_aws_tag(const json_t *resource, const char *key)
{
    json_t *tags = json_object_get(resource, "tagSet");
    if (tags == NULL)
        tags = json_object_get(resource, "Tags");
    if (json_is_object(tags)) // REST: {"key": "value"}
        return json_string_value(json_object_get(tags, key));
    size_t i;
    json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        const char *name = ist_json_str(tag, "key");
        if (name == NULL)
            name = ist_json_str(tag, "Key");
        if (name != NULL && strcmp(name, key) == 0) {
            const char *value = ist_json_str(tag, "value");
            return value != NULL ? value : ist_json_str(tag, "Value");
        }
    }
    return NULL;
}
