// What somebody changed by hand on a stack's resources. A change set does not see it (it compares templates), so it
// is looked for, and mended, piece by piece.
#include "internal.h"

#include <isthmus/alloc.h>
#include <isthmus/stack.h>

#include <stdbool.h>
#include <string.h>

#define WAIT_STOPPED_MS (5 * 60 * 1000)
#define STATE_POLL_MS   3000

void router_vm_note(json_t *drift, const char *field, const char *before, const char *after, json_t *mend)
{
    json_array_append_new(
        drift, json_pack("{ss ss ss so}", "field", field, "before", before, "after", after, "mend", mend));
}

// Something of the stack that does not exist any more: no call of EC2 brings it back under its id. What the template does
// not have (it was left out of a rollback) is no part of the stack, and is made by the next change set.
static void lose(json_t *seen, const char *logical, const char *id, const char *why)
{
    const json_t *template = ist_json_at(seen, "template.Resources");
    if (json_object_size(template) > 0 && !json_object_get(template, logical))
        return;
    json_array_append_new(json_object_get(seen, "lost"),
                          json_pack("{ss ss ss}", "logical", logical, "id", id, "why", why));
}

static const char *id_of(const json_t *seen, const char *key)
{
    return ist_json_str_or(seen, key, "");
}

// ---- tags ----

// Those that the stack puts on all it makes. What others add is theirs.
static void tags(const json_t *seen, const json_t *resource, const char *logical, const char *id,
                 json_t *drift)
{
    const char *key;
    json_t *value;
    json_object_foreach(ist_json_at(seen, "stack.tags"), key, value)
    {
        const char *is = ist_aws_tag(resource, key), *wanted = json_string_value(value);
        if (is && strcmp(is, wanted) == 0)
            continue;
        char *field = ist_printf("%s.Tags.%s", logical, key);
        router_vm_note(drift, field, is ? is : "none", wanted,
                       json_pack("{ss s{s[s] s[{ss ss}]}}", "action", "CreateTags", "params", "ResourceId",
                                 id, "Tag", "Key", key, "Value", wanted));
        ist_free(field);
    }
}

// ---- the security group ----

static int32_t group_drift(ist_aws *aws, const ist_router_vm *vm, json_t *seen, json_t *drift, ist_error *err)
{
    const char *id = id_of(seen, "security_group");
    json_t *params = json_pack("{s[{ss s[s]}]}", "Filter", "Name", "group-id", "Value", id), *groups = NULL;
    int32_t rc =
        ist_aws_query_all(aws, "ec2", "DescribeSecurityGroups", params, "securityGroupInfo", &groups, err);
    json_decref(params);
    if (rc != IST_OK)
        return rc;
    const json_t *group = json_array_get(groups, 0),
                 *declared = ist_json_at(seen, "template.Resources.Group.Properties");
    // Against what the stack declares, not against what is wanted next: that is for the change set.
    json_t *ingress = json_object_get(declared, "SecurityGroupIngress")
                          ? json_incref(json_object_get(declared, "SecurityGroupIngress"))
                          : router_vm_rules(vm);
    if (group) {
        router_vm_group_drift(group, ingress, json_object_get(declared, "SecurityGroupEgress"), drift);
        tags(seen, group, "Group", id, drift);
    } else {
        lose(seen, "Group", id, "deleted");
    }
    json_decref(ingress);
    json_decref(groups);
    return IST_OK;
}

// ---- the interfaces ----

static json_t *modify(const json_t *eni, const char *key, json_t *value)
{
    return json_pack("{ss s{ss so}}", "action", "ModifyNetworkInterfaceAttribute", "params",
                     "NetworkInterfaceId", ist_json_str_or(eni, "networkInterfaceId", ""), key, value);
}

static void source_check(const json_t *eni, const char *which, const char *wanted, json_t *drift)
{
    const char *is = ist_json_str_or(eni, "sourceDestCheck", wanted);
    if (strcmp(is, wanted) == 0)
        return;
    char *field = ist_printf("%s.SourceDestCheck", which);
    router_vm_note(drift, field, is, wanted,
                   modify(eni, "SourceDestCheck", json_pack("{ss}", "Value", wanted)));
    ist_free(field);
}

// It is in this group and in no other: a second one opens what the first holds closed.
static void groups_of(const json_t *eni, const char *which, const char *group, json_t *drift)
{
    json_t *one, *all = json_object_get(eni, "groupSet");
    size_t i;
    ist_buf list = {.max = 4096};
    bool same = json_array_size(all) == 1;
    json_array_foreach(all, i, one)
    {
        const char *id = ist_json_str_or(one, "groupId", "");
        ist_buf_printf(&list, "%s%s", i ? ", " : "", id);
        same = same && strcmp(id, group) == 0;
    }
    char *is = ist_buf_take(&list), *field = ist_printf("%s.GroupSet", which);
    if (!same && all)
        router_vm_note(drift, field, *is ? is : "none", group,
                       modify(eni, "SecurityGroupId", json_pack("[s]", group)));
    ist_free(is);
    ist_free(field);
}

static void attachment(const json_t *seen, const json_t *eni, const char *which, const char *device,
                       json_t *drift)
{
    const char *instance = id_of(seen, "instance_id"),
               *is = ist_json_str_or(eni, "attachment.instanceId", "none");
    const char *state = ist_json_str_or(seen, "instance.state", "");
    // Nothing is attached to an instance that is gone.
    if (strcmp(is, instance) == 0 || !*instance || strcmp(state, "terminated") == 0 ||
        strcmp(state, "shutting-down") == 0)
        return;
    char *field = ist_printf("%s.Attachment", which);
    router_vm_note(drift, field, is, instance,
                   json_pack("{ss s{ss ss ss}}", "action", "AttachNetworkInterface", "params",
                             "NetworkInterfaceId", ist_json_str_or(eni, "networkInterfaceId", ""),
                             "InstanceId", instance, "DeviceIndex", device));
    ist_free(field);
}

static int32_t interface_drift(ist_aws *aws, json_t *seen, json_t *drift, ist_error *err)
{
    static const struct {
        const char *logical, *key, *check, *device;
    } both[] = {{"Outside", "outside_eni", "true", "0"}, {"Inside", "inside_eni", "false", "1"}};
    // By a filter: an id that does not exist is an error elsewhere.
    json_t *params = json_pack("{s[{ss s[ss]}]}", "Filter", "Name", "network-interface-id", "Value",
                               id_of(seen, "outside_eni"), id_of(seen, "inside_eni")),
           *enis = NULL, *eni;
    size_t i;
    int32_t rc =
        ist_aws_query_all(aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet", &enis, err);
    json_decref(params);
    for (size_t n = 0; rc == IST_OK && n < 2; n++) {
        const char *id = id_of(seen, both[n].key), *which = both[n].logical;
        const json_t *found = NULL;
        json_array_foreach(enis, i, eni)
        {
            if (strcmp(ist_json_str_or(eni, "networkInterfaceId", ""), id) == 0)
                found = eni;
        }
        if (!found) {
            lose(seen, which, id, "deleted");
            continue;
        }
        source_check(found, which, both[n].check, drift);
        groups_of(found, which, id_of(seen, "security_group"), drift);
        attachment(seen, found, which, both[n].device, drift);
        tags(seen, found, which, id, drift);
    }
    json_decref(enis);
    return rc;
}

// ---- the Elastic IP ----

static int32_t address_drift(ist_aws *aws, json_t *seen, json_t *drift, ist_error *err)
{
    const char *public_ip = id_of(seen, "public_ip"), *outside = id_of(seen, "outside_eni");
    json_t *params = json_pack("{s[{ss s[s]}]}", "Filter", "Name", "public-ip", "Value", public_ip),
           *all = NULL;
    int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeAddresses", params, "addressesSet", &all, err);
    json_decref(params);
    const json_t *address = json_array_get(all, 0);
    const char *holder = ist_json_str_or(address, "networkInterfaceId", "nothing");
    const char *allocation = ist_json_str_or(address, "allocationId", "");
    if (rc == IST_OK && !address)
        lose(seen, "Address", public_ip, "released");
    // A stack that has let go of the interface has nothing to associate it with: that is for a change set.
    if (rc == IST_OK && address && *outside && strcmp(holder, outside) != 0)
        router_vm_note(drift, "Association", *holder ? holder : "nothing", outside,
                       json_pack("{ss s{ss ss sb}}", "action", "AssociateAddress", "params", "AllocationId",
                                 allocation, "NetworkInterfaceId", outside, "AllowReassociation", 1));
    if (rc == IST_OK && address)
        tags(seen, address, "Address", allocation, drift);
    json_decref(all);
    return rc;
}

// ---- the instance ----

// User data is never looked at: it acts at the first boot only.
static void instance_drift(json_t *seen, json_t *drift)
{
    const json_t *instance = json_object_get(seen, "instance");
    const char *id = ist_json_str_or(instance, "id", ""), *state = ist_json_str_or(instance, "state", "");
    const char *is = ist_json_str_or(instance, "type", ""),
               *wanted = ist_json_str_or(seen, "template.Resources.Router.Properties.InstanceType", "");
    if (strcmp(state, "terminated") == 0 || strcmp(state, "shutting-down") == 0) {
        lose(seen, "Router", id, state);
        return;
    }
    if (!instance)
        return;
    if (*is && *wanted && strcmp(is, wanted) != 0) {
        json_t *mend = json_pack("{ss ss s{ss s{ss}}}", "action", "ModifyInstanceAttribute", "stop", id,
                                 "params", "InstanceId", id, "InstanceType", "Value", wanted);
        router_vm_note(drift, "Router.InstanceType", is, wanted, mend);
    }
    tags(seen, instance, "Router", id, drift);
}

// Was it made, and is nothing under way?
static bool stack_stands(const char *status)
{
    return strcmp(status, "CREATE_COMPLETE") == 0 || strcmp(status, "UPDATE_COMPLETE") == 0 ||
           strcmp(status, "UPDATE_ROLLBACK_COMPLETE") == 0 || strcmp(status, "UPDATE_ROLLBACK_FAILED") == 0;
}

int32_t router_vm_drift(ist_aws *aws, const ist_router_vm *vm, json_t *seen, ist_error *err)
{
    json_t *drift = json_array();
    const char *status = ist_json_str_or(seen, "stack.status", "");
    // What a creation that rolled back lists is gone already.
    const bool stands = stack_stands(status);
    int32_t rc = IST_OK;
    json_object_set_new(seen, "lost", json_array());
    if (stands && *id_of(seen, "security_group"))
        rc = group_drift(aws, vm, seen, drift, err);
    if (rc == IST_OK && stands && *id_of(seen, "outside_eni") && *id_of(seen, "inside_eni"))
        rc = interface_drift(aws, seen, drift, err);
    if (rc == IST_OK && stands && *id_of(seen, "public_ip"))
        rc = address_drift(aws, seen, drift, err);
    if (rc == IST_OK && stands)
        instance_drift(seen, drift);
    json_object_set_new(seen, "drift", drift);
    return rc;
}

// ---- mending ----

// What can be changed on a stopped instance only: stops it, and leaves it so.
static int32_t stop(const ist_env *env, ist_aws *aws, const char *id, ist_error *err)
{
    json_t *params = json_pack("{s[s]}", "InstanceId", id);
    int64_t until = ist_now_ms(env) + WAIT_STOPPED_MS;
    int32_t rc = ist_aws_query(aws, "ec2", "StopInstances", params, NULL, err);
    if (rc == IST_ERR_NETWORK)
        rc = IST_OK; // whether a lost call was done shows at once
    while (rc == IST_OK) {
        json_t *answer = NULL;
        rc = ist_aws_query(aws, "ec2", "DescribeInstances", params, &answer, err);
        char *state = ist_strdup(
            ist_json_str_or(answer, "reservationSet[0].instancesSet[0].instanceState.name", "unknown"));
        bool done = rc != IST_OK || strcmp(state, "stopped") == 0;
        json_decref(answer);
        if (!done)
            ist_progress(env, "instance %s: %s", id, state);
        if (!done && ist_now_ms(env) > until)
            rc = ist_fail(err, IST_ERR_TIMEOUT, id, "the instance is still %s", state);
        ist_free(state);
        if (done || rc != IST_OK)
            break;
        if ((rc = ist_sleep_ms(env, ist_poll_ms(env, STATE_POLL_MS))) != IST_OK)
            ist_fail(err, rc, id, "waiting for the instance was %s", ist_code_name(rc));
    }
    json_decref(params);
    return rc;
}

// Was it done by a run before, whose answer was lost?
static bool is_done_already(const char *code)
{
    return strcmp(code, "InvalidPermission.Duplicate") == 0 ||
           strcmp(code, "InvalidPermission.NotFound") == 0;
}

int32_t ist_router_vm_mend(const ist_env *env, ist_aws *aws, const json_t *seen, ist_error *err)
{
    json_t *one;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(seen, "drift"), i, one)
    {
        ist_error failed = {0};
        const json_t *mend = json_object_get(one, "mend");
        const char *first = ist_json_str(mend, "stop");
        if (rc == IST_OK && first)
            rc = stop(env, aws, first, &failed);
        if (rc == IST_OK) {
            rc = ist_aws_query(aws, "ec2", ist_json_str_or(mend, "action", ""),
                               json_object_get(mend, "params"), NULL, &failed);
            // A lost answer: what is still to be done shows when the caller looks again.
            if (rc == IST_ERR_NETWORK || (rc != IST_OK && is_done_already(ist_aws_error_code(aws))))
                rc = IST_OK;
        }
        if (rc != IST_OK) {
            if (err)
                *err = failed;
            break;
        }
    }
    return rc;
}
