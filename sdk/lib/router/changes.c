// Is a change set what the plan said? What lies between two templates is compared with what CloudFormation says that it
// would do. It lists more than that only where a reference may get another value; that is not held against it.
#include "stack_internal.h"

#include <isthmus/alloc.h>

#include <string.h>

int32_t ist_stack_replaces(const char *type, const char *property)
{
    static const char *const fixed[][2] = {{"AWS::EC2::Instance", "ImageId"},
                                           {"AWS::EC2::Instance", "KeyName"},
                                           {"AWS::EC2::Instance", "SubnetId"},
                                           {"AWS::EC2::Instance", "NetworkInterfaces"},
                                           {"AWS::EC2::NetworkInterface", "SubnetId"},
                                           {"AWS::EC2::NetworkInterface", "PrivateIpAddress"},
                                           {"AWS::EC2::SecurityGroup", "GroupDescription"},
                                           {"AWS::EC2::SecurityGroup", "GroupName"},
                                           {"AWS::EC2::SecurityGroup", "VpcId"},
                                           {"AWS::EC2::EIP", "Domain"},
                                           {"AWS::EC2::EIPAssociation", "AllocationId"},
                                           {"AWS::EC2::EIPAssociation", "NetworkInterfaceId"}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(fixed[i][0], type) == 0 && strcmp(fixed[i][1], property) == 0)
            return 1;
    }
    return 0;
}

static const json_t *resource_of(const json_t *template, const char *logical)
{
    return json_object_get(json_object_get(template, "Resources"), logical);
}

// Is a resource replaced when it becomes what another template says?
static bool is_replaced(const json_t *before, const json_t *after)
{
    const char *type = ist_json_str_or(after, "Type", ""), *name;
    json_t *value, *was = json_object_get(before, "Properties"), *is = json_object_get(after, "Properties");
    bool found = false;
    json_object_foreach(is, name, value) found =
        found || (!json_equal(json_object_get(was, name), value) && ist_stack_replaces(type, name));
    json_object_foreach(was, name, value) found =
        found || (!json_object_get(is, name) && ist_stack_replaces(type, name));
    return found;
}

// "Add", "Modify", "Remove", or NULL: nothing.
static const char *expected(const json_t *before, const json_t *after, const char *logical)
{
    const json_t *was = resource_of(before, logical), *is = resource_of(after, logical);
    if (!was || !is)
        return is ? "Add" : was ? "Remove" : NULL;
    // In which order things are made is no change.
    return json_equal(json_object_get(was, "Properties"), json_object_get(is, "Properties")) ? NULL
                                                                                             : "Modify";
}

static bool only_tags(const json_t *change)
{
    const json_t *scope = json_object_get(change, "Scope");
    return json_array_size(scope) == 1 && strcmp(json_string_value(json_array_get(scope, 0)), "Tags") == 0;
}

// Is it listed for nothing but a reference to something that changes?
static bool only_references(const json_t *change)
{
    json_t *detail, *details = json_object_get(change, "Details");
    size_t i;
    bool all = json_array_size(details) > 0;
    json_array_foreach(details, i, detail)
    {
        const char *source = ist_json_str_or(detail, "ChangeSource", "");
        all = all && (strcmp(source, "ResourceReference") == 0 || strcmp(source, "ResourceAttribute") == 0);
    }
    return all;
}

static bool fits(const json_t *change, const json_t *before, const json_t *after, bool tags)
{
    const char *logical = ist_json_str_or(change, "LogicalResourceId", ""),
               *action = ist_json_str_or(change, "Action", ""), *wanted = expected(before, after, logical);
    if (strcmp(action, "Modify") != 0)
        return wanted && strcmp(wanted, action) == 0;
    if (!wanted)
        return (tags && only_tags(change)) || only_references(change);
    return strcmp(wanted, "Modify") == 0 &&
           (strcmp(ist_json_str_or(change, "Replacement", ""), "True") != 0 || only_references(change) ||
            is_replaced(resource_of(before, logical), resource_of(after, logical)));
}

static const json_t *listed(const json_t *set, const char *logical)
{
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(set, "Changes"), i, one)
    {
        const json_t *change = json_object_get(one, "ResourceChange");
        if (strcmp(ist_json_str_or(change, "LogicalResourceId", ""), logical) == 0)
            return change;
    }
    return NULL;
}

static int32_t check_missing(const json_t *set, const json_t *before, const json_t *after, const json_t *of,
                             ist_error *err)
{
    json_t *resource;
    const char *logical;
    json_object_foreach(json_object_get(of, "Resources"), logical, resource)
    {
        const char *wanted = expected(before, after, logical);
        if (wanted && !listed(set, logical))
            return ist_fail(err, IST_ERR_CONFLICT, logical,
                            "the plan is to %s it, and the change set would not", wanted);
    }
    return IST_OK;
}

int32_t stack_check_changes(const json_t *set, const json_t *before, const json_t *after, bool tags,
                            ist_error *err)
{
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(set, "Changes"), i, one)
    {
        const json_t *change = json_object_get(one, "ResourceChange");
        const char *replacement = ist_json_str_or(change, "Replacement", "");
        if (change && !fits(change, before, after, tags))
            return ist_fail(err, IST_ERR_CONFLICT, ist_json_str_or(change, "LogicalResourceId", "?"),
                            "the change set would %s it%s, which the plan does not say",
                            ist_json_str_or(change, "Action", "change"),
                            strcmp(replacement, "True") == 0 ? " by a replacement" : "");
    }
    int32_t rc = check_missing(set, before, after, after, err);
    return rc == IST_OK ? check_missing(set, before, after, before, err) : rc;
}
