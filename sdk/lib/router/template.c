// The template of a router's stack, and its day-0 user data.
#include "internal.h"

#include <isthmus/alloc.h>

#include <openssl/evp.h>
#include <string.h>

static json_t *ref(const char *name)
{
    return json_pack("{ss}", "Ref", name);
}

static json_t *attribute(const char *of, const char *name)
{
    return json_pack("{s[ss]}", "Fn::GetAtt", of, name);
}

static void add(json_t *resources, const char *logical, const char *type, json_t *properties)
{
    json_object_set_new(resources, logical, json_pack("{ss so}", "Type", type, "Properties", properties));
}

static json_t *rule(const char *protocol, int port, const char *cidr, const char *why)
{
    json_t *r = json_pack("{ss ss ss}", "IpProtocol", protocol, "CidrIp", cidr, "Description", why);
    if (port) {
        json_object_set_new(r, "FromPort", json_integer(port));
        json_object_set_new(r, "ToPort", json_integer(port));
    }
    return r;
}

json_t *router_vm_rules(const ist_router_vm *vm)
{
    json_t *rules = json_array();
    json_array_append_new(rules, rule("50", 0, "0.0.0.0/0", "ESP"));
    json_array_append_new(rules, rule("udp", 500, "0.0.0.0/0", "IKE"));
    json_array_append_new(rules, rule("udp", 4500, "0.0.0.0/0", "IKE and ESP behind NAT"));
    for (const char *const *cidr = vm->inside; cidr && *cidr; cidr++)
        json_array_append_new(rules, rule("-1", 0, *cidr, "inside"));
    if (vm->inbound_ssh && *vm->inbound_ssh)
        json_array_append_new(rules, rule("tcp", 22, vm->inbound_ssh, "SSH"));
    return rules;
}

static void add_interface(json_t *resources, const char *logical, const char *subnet, const char *address,
                          int check, const char *description)
{
    add(resources, logical, "AWS::EC2::NetworkInterface",
        json_pack("{ss ss s[o] sb ss}", "SubnetId", subnet, "PrivateIpAddress", address, "GroupSet",
                  attribute("Group", "GroupId"), "SourceDestCheck", check, "Description", description));
}

static char *base64(const char *text)
{
    size_t len = strlen(text);
    char *out = ist_malloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
    return out;
}

static void add_instance(json_t *resources, const ist_router_vm *vm)
{
    char *data =
        vm->user_data_base64 ? ist_strdup(vm->user_data_base64) : base64(vm->user_data ? vm->user_data : "");
    json_t *nics = json_pack("[{ss so}{ss so}]", "DeviceIndex", "0", "NetworkInterfaceId", ref("Outside"),
                             "DeviceIndex", "1", "NetworkInterfaceId", ref("Inside"));
    add(resources, "Router", "AWS::EC2::Instance",
        json_pack("{ss ss ss so ss s[{ss ss}]}", "ImageId", vm->ami, "InstanceType", vm->instance_type,
                  "KeyName", vm->key_name, "NetworkInterfaces", nics, "UserData", data, "Tags", "Key", "Name",
                  "Value", vm->name ? vm->name : vm->stack));
    ist_free(data);
}

char *ist_router_vm_template(const ist_router_vm *vm)
{
    json_t *resources = json_object(), *outputs = json_object();
    static const char *const plain[][2] = {{"OutsideEni", "Outside"},
                                           {"InsideEni", "Inside"},
                                           {"InstanceId", "Router"},
                                           {"PublicIp", "Address"}};
    add(resources, "Group", "AWS::EC2::SecurityGroup",
        json_pack("{ss ss so}", "GroupDescription", "DMVPN router", "VpcId", vm->vpc_id,
                  "SecurityGroupIngress", router_vm_rules(vm)));
    add_interface(resources, "Outside", vm->public_subnet, vm->public_address, 1, "DMVPN router, outside");
    add_interface(resources, "Inside", vm->private_subnet, vm->private_address, 0, "DMVPN router, inside");
    add_instance(resources, vm);
    add(resources, "Address", "AWS::EC2::EIP", json_pack("{ss}", "Domain", "vpc"));
    add(resources, "Association", "AWS::EC2::EIPAssociation",
        json_pack("{so so}", "AllocationId", attribute("Address", "AllocationId"), "NetworkInterfaceId",
                  ref("Outside")));
    // An address is associated with an interface that belongs to an instance, never with a lone one.
    json_object_set_new(json_object_get(resources, "Association"), "DependsOn", json_string("Router"));
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        json_object_set_new(outputs, plain[i][0], json_pack("{so}", "Value", ref(plain[i][1])));
    json_object_set_new(outputs, "SecurityGroup", json_pack("{so}", "Value", attribute("Group", "GroupId")));
    json_t *whole = json_pack("{ss ss so so}", "AWSTemplateFormatVersion", "2010-09-09", "Description",
                              vm->description ? vm->description : "A DMVPN router, made by Isthmus",
                              "Resources", resources, "Outputs", outputs);
    char *text = ist_json_text(whole);
    json_decref(whole);
    return text;
}

char *ist_router_vm_ios_user_data(const char *const *lines, int form)
{
    ist_buf text = {.max = 16384}; // EC2's own limit
    if (form == 2)
        ist_buf_puts(&text, "Section: IOS configuration\n");
    for (int i = 0; lines[i]; i++) {
        if (form == 2)
            ist_buf_printf(&text, "%s\n", lines[i]);
        else
            ist_buf_printf(&text, "ios-config-%04d=\"%s\"\n", i + 1, lines[i]);
    }
    return ist_buf_take(&text);
}
