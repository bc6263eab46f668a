// Instances: launched and described. One from a router's image boots the lab's router.
#include "ec2.h"
#include "../router/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOOT_MS = 200, MAX_USER_DATA = 16384 };

json_t *ec2_instance_state(int code)
{
    const char *name = code == EC2_PENDING         ? "pending"
                       : code == EC2_RUNNING       ? "running"
                       : code == EC2_SHUTTING_DOWN ? "shutting-down"
                       : code == EC2_TERMINATED    ? "terminated"
                       : code == EC2_STOPPING      ? "stopping"
                                                   : "stopped";
    return json_pack("{siss}", "code", code, "name", name);
}

int ec2_instance_code(const json_t *instance)
{
    return (int)json_integer_value(json_object_get(json_object_get(instance, "instanceState"), "code"));
}

void ec2_instance_set(json_t *instance, int code)
{
    json_object_set_new(instance, "instanceState", ec2_instance_state(code));
}

bool ec2_instance_gone(const json_t *object)
{
    return ec2_instance_code(object) == EC2_TERMINATED || ec2_instance_code(object) == EC2_SHUTTING_DOWN;
}

bool ec2_is_router(const struct aws_call *c, const json_t *instance)
{
    return json_is_true(json_object_get(aws_get(c, "image", aws_text(instance, "imageId")), "_router"));
}

bool ec2_is_linux(const struct aws_call *c, const json_t *instance)
{
    return !strncmp(aws_text(aws_get(c, "image", aws_text(instance, "imageId")), "name"), "debian-", 7);
}

// The interface of an instance at a device index; NULL: none.
json_t *ec2_device(const struct aws_call *c, const char *instance, int index)
{
    const char *key;
    json_t *eni;
    json_object_foreach(aws_all(c, "network-interface"), key, eni)
    {
        json_t *attachment = json_object_get(eni, "attachment");
        if (attachment && aws_is(attachment, "instanceId", instance) &&
            json_integer_value(json_object_get(attachment, "deviceIndex")) == index)
            return eni;
    }
    return NULL;
}

json_t *ec2_instance_view(struct aws_call *c, const json_t *object)
{
    json_t *view = json_copy((json_t *)(uintptr_t)object), *set = json_array(), *primary = NULL;
    for (int i = 0; i < 15; i++) {
        json_t *eni = ec2_device(c, aws_text(object, "instanceId"), i);
        if (!eni)
            continue;
        json_t *shown = ec2_eni_view(c, eni);
        primary = primary ? primary : shown;
        json_array_append_new(set, shown);
    }
    json_object_set_new(view, "networkInterfaceSet", set);
    if (primary) {
        json_object_set(view, "groupSet", json_object_get(primary, "groupSet"));
        json_object_set(view, "sourceDestCheck", json_object_get(primary, "sourceDestCheck"));
        const char *ip = aws_text(json_object_get(primary, "association"), "publicIp");
        if (*ip)
            json_object_set_new(view, "ipAddress", json_string(ip));
    } else {
        json_object_del(view, "privateIpAddress"); // a terminated instance has none
        json_object_del(view, "subnetId");
        json_object_del(view, "vpcId");
    }
    return view;
}

// ---- launching ----

static uint32_t address_of(const json_t *eni)
{
    uint32_t address = 0;
    lab_parse_ip(aws_text(eni, "privateIpAddress"), &address);
    return address;
}

static void boot(struct lab *lab, void *arg)
{
    struct aws_call c = aws_self(lab);
    json_t *instance = aws_get(&c, "instance", arg);
    if (instance && ec2_instance_code(instance) == EC2_PENDING) {
        ec2_instance_set(instance, EC2_RUNNING);
        if (ec2_is_router(&c, instance)) {
            const json_t *key = aws_first(&c, "key-pair", "keyName", aws_text(instance, "keyName"));
            const json_t *outside = ec2_device(&c, arg, 0), *inside = ec2_device(&c, arg, 1);
            const json_t *address =
                outside ? ec2_address_of_eni(&c, aws_text(outside, "networkInterfaceId")) : NULL;
            char *user_data = lab_unbase64(aws_text(instance, "_userData"), NULL);
            uint32_t ip;
            lab_router_boot(lab, arg, user_data ? user_data : "", aws_text(key, "_publicKey"),
                            address_of(outside), address_of(inside), ec2_is_linux(&c, instance));
            if (address && lab_parse_ip(aws_text(address, "publicIp"), &ip))
                lab_router_address(lab, arg, ip);
            free(user_data);
        }
    }
    free(arg);
}

void ec2_instance_boot(struct aws_call *c, json_t *instance)
{
    ec2_instance_set(instance, EC2_PENDING);
    lab_after(c->lab, BOOT_MS, boot, lab_strdup(aws_text(instance, "instanceId")));
}

// One interface of a launch: an existing one, or a new one. NULL after aws_fail().
static json_t *launch_eni(struct aws_call *c, const json_t *specification)
{
    const char *id = aws_text(specification, "NetworkInterfaceId");
    if (*id) {
        json_t *eni = aws_find(c, "network-interface", id);
        if (eni && json_object_get(eni, "attachment"))
            return aws_fail(c, 400, "InvalidNetworkInterface.InUse", "Interface: [%s] in use.", id);
        return eni;
    }
    const char *subnet = aws_text(specification, "SubnetId");
    if (!*subnet)
        return aws_fail(c, 400, "MissingInput",
                        "No subnets found for the default VPC. Please specify a subnet.");
    const json_t *groups = json_object_get(specification, "SecurityGroupId");
    return ec2_add_eni(c, subnet, aws_text(specification, "PrivateIpAddress"), groups,
                       aws_text(specification, "Description"));
}

// The call's interfaces as a list of specifications (new), whichever way it spells them.
static json_t *specifications(const struct aws_call *c)
{
    const json_t *list = aws_list(c, "NetworkInterface");
    if (list)
        return json_deep_copy(list);
    json_t *one = json_pack("{ss ss* ss*}", "DeviceIndex", "0", "SubnetId", aws_str(c, "SubnetId"),
                            "PrivateIpAddress", aws_str(c, "PrivateIpAddress"));
    if (aws_list(c, "SecurityGroupId"))
        json_object_set_new(one, "SecurityGroupId", json_deep_copy(aws_list(c, "SecurityGroupId")));
    return json_pack("[o]", one);
}

// What a launch may be refused for before anything exists.
static bool launch_valid(struct aws_call *c, const json_t *list)
{
    const char *image = aws_need(c, "ImageId"), *key = aws_str(c, "KeyName"), *zone = NULL;
    size_t i;
    json_t *specification;
    if (!image || !aws_find(c, "image", image))
        return false;
    if (key && !aws_first(c, "key-pair", "keyName", key)) {
        aws_fail(c, 400, "InvalidKeyPair.NotFound", "The key pair '%s' does not exist", key);
        return false;
    }
    if (aws_str(c, "InstanceType") && !ec2_needs_type(c, aws_str(c, "InstanceType")))
        return false;
    char *user_data = lab_unbase64(aws_str(c, "UserData") ? aws_str(c, "UserData") : "", NULL);
    bool too_long = user_data && strlen(user_data) > MAX_USER_DATA;
    if (!user_data || too_long)
        aws_fail(c, 400, user_data ? "InvalidParameterValue" : "InvalidUserData.Malformed",
                 user_data ? "User data is limited to 16384 bytes" : "Invalid BASE64 encoding of user data.");
    free(user_data);
    json_array_foreach(list, i, specification)
    {
        const json_t *eni = aws_get(c, "network-interface", aws_text(specification, "NetworkInterfaceId"));
        const char *its = ec2_zone(c, eni ? aws_text(eni, "subnetId") : aws_text(specification, "SubnetId"));
        if (zone && strcmp(zone, its) != 0)
            aws_fail(c, 400, "InvalidParameterCombination",
                     "You may not specify interfaces in different zones");
        zone = its;
    }
    if (!c->status && zone && aws_str(c, "InstanceType"))
        ec2_needs_type_in(c, aws_str(c, "InstanceType"), zone);
    return !c->status;
}

static void name_parts(json_t *instance, const struct aws_call *c, const json_t *eni, const json_t *image)
{
    static const char *const copied[] = {"privateIpAddress", "privateDnsName", "subnetId", "vpcId"};
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
        json_object_set(instance, copied[i], json_object_get(eni, copied[i]));
    json_object_set_new(instance, "placement",
                        json_pack("{sOss}", "availabilityZone", json_object_get(eni, "availabilityZone"),
                                  "tenancy", "default"));
    if (json_object_get(image, "productCodes"))
        json_object_set(instance, "productCodes", json_object_get(image, "productCodes"));
    if (aws_str(c, "ClientToken"))
        json_object_set_new(instance, "clientToken", json_string(aws_str(c, "ClientToken")));
    if (aws_str(c, "KeyName"))
        json_object_set_new(instance, "keyName", json_string(aws_str(c, "KeyName")));
    if (aws_str(c, "UserData"))
        json_object_set_new(instance, "_userData", json_string(aws_str(c, "UserData")));
}

// One instance with the interfaces of `list`: borrowed, or NULL after aws_fail().
static json_t *launch(struct aws_call *c, const json_t *list, const char *reservation)
{
    json_t *enis = json_array(), *specification, *eni, *instance = NULL;
    const json_t *image = aws_get(c, "image", aws_str(c, "ImageId"));
    size_t i;
    json_array_foreach(list, i, specification)
    {
        eni = launch_eni(c, specification);
        if (eni)
            json_array_append(enis, eni);
    }
    if (!c->status) {
        char *now = lab_now();
        const char *type = aws_str(c, "InstanceType");
        json_t *object = json_pack(
            "{ss ss ss so si ss s{ss} ss ss ss ss ss ss}", "imageId", aws_str(c, "ImageId"), "reservationId",
            reservation, "instanceType", type ? type : "m1.small", "instanceState",
            ec2_instance_state(EC2_PENDING), "amiLaunchIndex", 0, "launchTime", now, "monitoring", "state",
            "disabled", "architecture", "x86_64", "rootDeviceType", "ebs", "rootDeviceName", "/dev/xvda",
            "virtualizationType", "hvm", "hypervisor", "xen", "dnsName", "");
        free(now);
        name_parts(object, c, json_array_get(enis, 0), image);
        instance = aws_add(c, "instance", object);
    }
    json_array_foreach(list, i, specification)
    {
        eni = json_array_get(enis, i);
        bool given = *aws_text(specification, "NetworkInterfaceId");
        const char *flag = aws_text(specification, "DeleteOnTermination"),
                   *id = aws_text(instance, "instanceId");
        if (instance)
            ec2_attach_eni(eni, id, (int)strtol(aws_text(specification, "DeviceIndex"), NULL, 10),
                           *flag ? !strcmp(flag, "true") : !given);
        else if (eni && !given)
            ec2_drop_eni(c, aws_text(eni, "networkInterfaceId"));
    }
    if (instance)
        ec2_instance_boot(c, instance);
    json_decref(enis);
    return instance;
}

static json_t *reservation_of(struct aws_call *c, const char *id)
{
    const char *key;
    json_t *instance, *set = json_array();
    json_object_foreach(aws_all(c, "instance"), key, instance)
    {
        if (aws_is(instance, "reservationId", id))
            json_array_append_new(set, ec2_instance_view(c, instance));
    }
    return json_pack("{ss ss s[] so}", "reservationId", id, "ownerId", AWS_ACCOUNT, "groupSet",
                     "instancesSet", set);
}

static json_t *run_instances(struct aws_call *c)
{
    bool done;
    json_t *earlier = aws_token_used(c, &done);
    if (done) { // the instance as it is by now, terminated ones too
        json_t *answer = earlier ? reservation_of(c, aws_text(earlier, "reservationId")) : NULL;
        json_decref(earlier);
        return answer;
    }
    json_t *list = specifications(c);
    const char *max = aws_str(c, "MaxCount");
    long count = max ? strtol(max, NULL, 10) : 1;
    char *id = lab_id("r-", 17);
    if (count < 1 || count > 20)
        aws_fail(c, 400, "InvalidParameterValue", "Value (%s) for parameter maxCount is invalid.", max);
    for (long i = 0; i < count && !c->status; i++) {
        if (launch_valid(c, list))
            launch(c, list, id);
    }
    json_t *answer = c->status ? NULL : reservation_of(c, id);
    if (answer)
        json_decref(aws_token_done(c, json_pack("{ss}", "reservationId", id)));
    json_decref(list);
    free(id);
    return answer;
}

// ---- describing ----

static json_t *describe_instances(struct aws_call *c)
{
    json_t *found = aws_describe(c, "instance"), *set = json_array(), *instance;
    size_t i;
    if (!found) {
        json_decref(set);
        return NULL;
    }
    json_array_foreach(json_object_get(found, "instancesSet"), i, instance) json_array_append_new(
        set, json_pack("{ss ss s[] s[O]}", "reservationId", aws_text(instance, "reservationId"), "ownerId",
                       AWS_ACCOUNT, "groupSet", "instancesSet", instance));
    json_object_del(found, "instancesSet");
    json_object_set_new(found, "reservationSet", set);
    return found;
}

static json_t *describe_status(struct aws_call *c)
{
    json_t *found = aws_describe(c, "instance"), *set = json_array(), *instance;
    size_t i;
    bool all = aws_bool(c, "IncludeAllInstances", false);
    json_array_foreach(json_object_get(found, "instancesSet"), i, instance)
    {
        if (ec2_instance_code(instance) != EC2_RUNNING && !all)
            continue;
        const char *status = ec2_instance_code(instance) == EC2_RUNNING ? "ok" : "not-applicable";
        json_array_append_new(set, json_pack("{sO s{ss} s{ss} sO}", "instanceId",
                                             json_object_get(instance, "instanceId"), "instanceStatus",
                                             "status", status, "systemStatus", "status", status,
                                             "instanceState", json_object_get(instance, "instanceState")));
    }
    json_t *answer = found ? json_pack("{sO}", "instanceStatusSet", set) : NULL;
    json_decref(found);
    json_decref(set);
    return answer;
}

static json_t *describe_attribute(struct aws_call *c)
{
    json_t *instance = aws_find_arg(c, "instance", "InstanceId");
    const char *attribute = instance ? aws_need(c, "Attribute") : NULL;
    if (!attribute)
        return NULL;
    json_t *answer = json_pack("{ss}", "instanceId", aws_text(instance, "instanceId"));
    json_t *view = ec2_instance_view(c, instance);
    json_t *value = json_object_get(view, !strcmp(attribute, "userData") ? "_userData" : attribute);
    if (json_is_array(value))
        json_object_set(answer, attribute, value);
    else if (value)
        json_object_set_new(answer, attribute, json_pack("{sO}", "value", value));
    else
        json_object_set_new(answer, attribute, json_object());
    json_decref(view);
    return answer;
}

static json_t *modify_attribute(struct aws_call *c)
{
    json_t *instance = aws_find_arg(c, "instance", "InstanceId");
    const char *check = aws_str(c, "SourceDestCheck.Value"), *type = aws_str(c, "InstanceType.Value"),
               *data = aws_str(c, "UserData.Value");
    if (!instance)
        return NULL;
    json_t *eni = ec2_device(c, aws_text(instance, "instanceId"), 0);
    if ((data || type) && ec2_instance_code(instance) != EC2_STOPPED)
        return aws_fail(c, 400, "IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.",
                        aws_text(instance, "instanceId"));
    if (type && !ec2_needs_type(c, type))
        return NULL;
    if (check && eni && ec2_device(c, aws_text(instance, "instanceId"), 1))
        return aws_fail(
            c, 400, "InvalidInstanceID",
            "There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the "
            "operation instead.",
            aws_text(instance, "instanceId"));
    if (check && eni)
        json_object_set_new(eni, "sourceDestCheck", json_boolean(!strcmp(check, "true")));
    if (type)
        json_object_set_new(instance, "instanceType", json_string(type));
    if (data)
        json_object_set_new(instance, "_userData", json_string(data));
    return aws_true();
}

const struct aws_action aws_instance_actions[] = {{"RunInstances", run_instances, true},
                                                  {"DescribeInstances", describe_instances, false},
                                                  {"DescribeInstanceStatus", describe_status, false},
                                                  {"DescribeInstanceAttribute", describe_attribute, false},
                                                  {"ModifyInstanceAttribute", modify_attribute, true},
                                                  {NULL, NULL, false}};
