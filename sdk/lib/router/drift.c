// What somebody changed by hand on a stack's resources. A change set does not see it (it compares templates), so it
// is looked for, and mended, piece by piece.
#include "internal.h"

#include <isthmus/alloc.h>

#include <stdbool.h>
#include <string.h>

static void note(json_t *drift, const char *field, const char *before, const char *after, json_t *mend)
{
    json_array_append_new(
        drift, json_pack("{ss ss ss so}", "field", field, "before", before, "after", after, "mend", mend));
}

// ---- the security group ----

static bool has_cidr(const json_t *permission, const char *cidr)
{
    json_t *range;
    size_t i;
    json_array_foreach(json_object_get(permission, "ipRanges"), i, range)
    {
        if (strcmp(ist_json_str_or(range, "cidrIp", ""), cidr) == 0)
            return true;
    }
    return false;
}

static bool same_ports(const json_t *permission, const json_t *rule)
{
    char from[24];
    int64_t port = ist_json_int(rule, "FromPort", 0);
    const char *shown = ist_json_str_or(permission, "fromPort", "");
    if (!port)
        return true;
    char *text = ist_printf("%lld", (long long)port);
    size_t n = strnlen(text, sizeof from - 1);
    memcpy(from, text, n);
    from[n] = 0;
    ist_free(text);
    return strcmp(shown, from) == 0;
}

static bool is_allowed(const json_t *permissions, const json_t *rule)
{
    json_t *p;
    size_t i;
    json_array_foreach((json_t *)permissions, i, p)
    {
        if (strcmp(ist_json_str_or(p, "ipProtocol", ""), ist_json_str_or(rule, "IpProtocol", "")) == 0 &&
            same_ports(p, rule) && has_cidr(p, ist_json_str_or(rule, "CidrIp", "")))
            return true;
    }
    return false;
}

static json_t *authorize(const char *group, const json_t *rule)
{
    json_t *permission =
        json_pack("{sO s[{sO sO}]}", "IpProtocol", json_object_get(rule, "IpProtocol"), "IpRanges", "CidrIp",
                  json_object_get(rule, "CidrIp"), "Description", json_object_get(rule, "Description"));
    if (json_object_get(rule, "FromPort")) {
        json_object_set(permission, "FromPort", json_object_get(rule, "FromPort"));
        json_object_set(permission, "ToPort", json_object_get(rule, "ToPort"));
    }
    return json_pack("{ss s{ss s[o]}}", "action", "AuthorizeSecurityGroupIngress", "params", "GroupId", group,
                     "IpPermissions", permission);
}

static int32_t group_drift(ist_aws *aws, const ist_router_vm *vm, const char *group, json_t *drift,
                           ist_error *err)
{
    json_t *params = json_pack("{s[s]}", "GroupId", group), *groups = NULL, *rule, *rules;
    size_t i;
    int32_t rc =
        ist_aws_query_all(aws, "ec2", "DescribeSecurityGroups", params, "securityGroupInfo", &groups, err);
    json_decref(params);
    if (rc != IST_OK)
        return rc;
    const json_t *allowed = json_object_get(json_array_get(groups, 0), "ipPermissions");
    rules = router_vm_rules(vm);
    json_array_foreach(rules, i, rule)
    {
        if (is_allowed(allowed, rule))
            continue;
        char *field = ist_printf("Group: %s from %s", ist_json_str_or(rule, "Description", "?"),
                                 ist_json_str_or(rule, "CidrIp", "?"));
        note(drift, field, "closed", "open", authorize(group, rule));
        ist_free(field);
    }
    json_decref(rules);
    json_decref(groups);
    return IST_OK;
}

// ---- the interfaces and the address ----

static void source_check(const json_t *eni, const char *which, const char *wanted, json_t *drift)
{
    const char *is = ist_json_str_or(eni, "sourceDestCheck", wanted),
               *id = ist_json_str_or(eni, "networkInterfaceId", "");
    if (strcmp(is, wanted) == 0)
        return;
    char *field = ist_printf("%s.SourceDestCheck", which);
    note(drift, field, is, wanted,
         json_pack("{ss s{ss s{ss}}}", "action", "ModifyNetworkInterfaceAttribute", "params",
                   "NetworkInterfaceId", id, "SourceDestCheck", "Value", wanted));
    ist_free(field);
}

static void groups_of(const json_t *eni, const char *which, const char *group, json_t *drift)
{
    json_t *one, *all = json_object_get(eni, "groupSet");
    size_t i;
    bool found = false;
    json_array_foreach(all, i, one)
    {
        found = found || strcmp(ist_json_str_or(one, "groupId", ""), group) == 0;
    }
    if (found || !all)
        return;
    char *field = ist_printf("%s.GroupSet", which);
    note(drift, field, ist_json_str_or(json_array_get(all, 0), "groupId", "none"), group,
         json_pack("{ss s{ss s[s]}}", "action", "ModifyNetworkInterfaceAttribute", "params",
                   "NetworkInterfaceId", ist_json_str_or(eni, "networkInterfaceId", ""), "SecurityGroupId",
                   group));
    ist_free(field);
}

static int32_t interface_drift(ist_aws *aws, const json_t *seen, json_t *drift, ist_error *err)
{
    const char *outside = ist_json_str_or(seen, "outside_eni", ""),
               *inside = ist_json_str_or(seen, "inside_eni", "");
    const char *group = ist_json_str_or(seen, "security_group", "");
    json_t *params = json_pack("{s[ss]}", "NetworkInterfaceId", outside, inside), *enis = NULL, *eni;
    size_t i;
    int32_t rc =
        ist_aws_query_all(aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet", &enis, err);
    json_decref(params);
    json_array_foreach(enis, i, eni)
    {
        bool is_inside = strcmp(ist_json_str_or(eni, "networkInterfaceId", ""), inside) == 0;
        source_check(eni, is_inside ? "Inside" : "Outside", is_inside ? "false" : "true", drift);
        groups_of(eni, is_inside ? "Inside" : "Outside", group, drift);
    }
    json_decref(enis);
    return rc;
}

static int32_t address_drift(ist_aws *aws, const json_t *seen, json_t *drift, ist_error *err)
{
    const char *public_ip = ist_json_str_or(seen, "public_ip", ""),
               *outside = ist_json_str_or(seen, "outside_eni", "");
    json_t *params = json_pack("{s[{ss s[s]}]}", "Filter", "Name", "public-ip", "Value", public_ip),
           *all = NULL;
    int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeAddresses", params, "addressesSet", &all, err);
    json_decref(params);
    const json_t *address = json_array_get(all, 0);
    const char *holder = ist_json_str_or(address, "networkInterfaceId", "nothing");
    const char *allocation = ist_json_str(address, "allocationId");
    if (rc == IST_OK && allocation && strcmp(holder, outside) != 0)
        note(drift, "Association", holder, outside,
             json_pack("{ss s{ss ss sb}}", "action", "AssociateAddress", "params", "AllocationId", allocation,
                       "NetworkInterfaceId", outside, "AllowReassociation", 1));
    json_decref(all);
    return rc;
}

int32_t router_vm_drift(ist_aws *aws, const ist_router_vm *vm, json_t *seen, ist_error *err)
{
    json_t *drift = json_array();
    const char *group = ist_json_str(seen, "security_group");
    const char *status = ist_json_str_or(seen, "stack.status", "");
    // What a creation that rolled back lists is gone already.
    bool stands = strcmp(status, "CREATE_COMPLETE") == 0 || strncmp(status, "UPDATE_", 7) == 0;
    bool complete = stands && group && ist_json_str(seen, "outside_eni") &&
                    ist_json_str(seen, "inside_eni") && ist_json_str(seen, "public_ip");
    int32_t rc = IST_OK;
    if (complete)
        rc = group_drift(aws, vm, group, drift, err);
    if (rc == IST_OK && complete)
        rc = interface_drift(aws, seen, drift, err);
    if (rc == IST_OK && complete)
        rc = address_drift(aws, seen, drift, err);
    json_object_set_new(seen, "drift", drift);
    return rc;
}

int32_t ist_router_vm_mend(ist_aws *aws, const json_t *seen, ist_error *err)
{
    json_t *one;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(seen, "drift"), i, one)
    {
        ist_error failed = {0};
        const json_t *mend = json_object_get(one, "mend");
        if (rc != IST_OK)
            break;
        rc = ist_aws_query(aws, "ec2", ist_json_str_or(mend, "action", ""), json_object_get(mend, "params"),
                           NULL, &failed);
        // Of a run before, whose answer was lost.
        if (rc != IST_OK && strcmp(ist_aws_error_code(aws), "InvalidPermission.Duplicate") == 0)
            rc = IST_OK;
        if (rc != IST_OK && err)
            *err = failed;
    }
    return rc;
}
