// Packets through the VPC: derived from routes, interfaces, source/dest checks, security groups and NAT, as
// they are.
#include "ec2.h"
#include "../kube/kube.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no(char *why, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool no(char *why, size_t size, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, size, format, ap);
    va_end(ap);
    return false;
}

static bool in_cidr(const char *cidr, uint32_t address)
{
    uint32_t network;
    int prefix;
    return lab_parse_cidr(cidr, &network, &prefix) &&
           (address & lab_mask(prefix)) == (network & lab_mask(prefix));
}

static json_t *subnet_of(const struct aws_call *c, uint32_t address)
{
    const char *key;
    json_t *subnet;
    json_object_foreach(aws_all(c, "subnet"), key, subnet)
    {
        if (in_cidr(aws_text(subnet, "cidrBlock"), address))
            return subnet;
    }
    return NULL;
}

// A name for messages: the Name tag, or the id.
static const char *called(const json_t *object, const char *id)
{
    const char *name = aws_tag(object, "Name");
    return name ? name : aws_text(object, id);
}

// The route of a table with the longest prefix towards dst; borrowed, NULL: none.
static const json_t *best_route(const json_t *table, uint32_t dst)
{
    size_t i;
    json_t *route, *best = NULL;
    int longest = -1, prefix;
    uint32_t network;
    json_array_foreach(json_object_get(table, "routeSet"), i, route)
    {
        if (lab_parse_cidr(aws_text(route, "destinationCidrBlock"), &network, &prefix) && prefix > longest &&
            (dst & lab_mask(prefix)) == network) {
            longest = prefix;
            best = route;
        }
    }
    return best;
}

// The launched router's interface at a device index; borrowed.
static json_t *router_eni(struct aws_call *c, int index)
{
    const char *key;
    json_t *eni;
    json_object_foreach(aws_all(c, "network-interface"), key, eni)
    {
        json_t *attachment = json_object_get(eni, "attachment");
        const json_t *instance = aws_get(c, "instance", aws_text(attachment, "instanceId"));
        if (instance && ec2_is_router(c, instance) && !ec2_instance_gone(instance) &&
            json_integer_value(json_object_get(attachment, "deviceIndex")) == index)
            return eni;
    }
    return NULL;
}

struct packet {
    uint32_t peer; // the other end, as the interface sees it
    const char *protocol;
    int port; // 0 for ICMP and bare IP protocols
};

static bool rule_fits(struct aws_call *c, const json_t *rule, const struct packet *p)
{
    const char *protocol = aws_text(rule, "ipProtocol");
    if (strcmp(protocol, "-1") != 0) {
        if (strcmp(protocol, p->protocol) != 0)
            return false;
        json_int_t low = json_integer_value(json_object_get(rule, "fromPort")),
                   high = json_integer_value(json_object_get(rule, "toPort"));
        bool ports = !strcmp(protocol, "tcp") || !strcmp(protocol, "udp");
        if (ports && (p->port < low || p->port > high))
            return false;
    }
    if (in_cidr(aws_text(rule, "cidrIpv4"), p->peer))
        return true;
    const char *group = aws_text(json_object_get(rule, "referencedGroupInfo"), "groupId");
    json_t *eni = *group ? aws_eni_of(c, p->peer) : NULL, *id;
    size_t i;
    json_array_foreach(json_object_get(eni, "_groups"), i, id)
    {
        if (!strcmp(json_string_value(id), group))
            return true;
    }
    return false;
}

// Do the groups of an interface let a packet in (or out)?
static bool groups_pass(struct aws_call *c, const json_t *eni, bool egress, const struct packet *p)
{
    const char *key;
    json_t *rule, *id;
    size_t i;
    json_object_foreach(aws_all(c, "security-group-rule"), key, rule)
    {
        if (json_is_true(json_object_get(rule, "isEgress")) != egress || !rule_fits(c, rule, p))
            continue;
        json_array_foreach(json_object_get(eni, "_groups"), i, id)
        {
            if (aws_is(rule, "groupId", json_string_value(id)))
                return true;
        }
    }
    return false;
}

static struct packet packet_of(uint32_t peer, int proto, int port)
{
    return (struct packet){.peer = peer,
                           .protocol = proto == 1   ? "icmp"
                                       : proto == 6 ? "tcp"
                                                    : "udp",
                           .port = port};
}

static bool passes(struct aws_call *c, const json_t *eni, bool egress, const struct packet *p, char *why,
                   size_t size)
{
    if (groups_pass(c, eni, egress, p))
        return true;
    const json_t *group =
        aws_get(c, "security-group", json_string_value(json_array_get(json_object_get(eni, "_groups"), 0)));
    char *peer = lab_ip(p->peer);
    no(why, size, "security group %s of %s does not allow %s%s%.0d %s %s", aws_text(group, "groupName"),
       aws_text(eni, "networkInterfaceId"), p->protocol, p->port ? " port " : "", p->port,
       egress ? "to" : "from", peer);
    if (p->port)
        no(why, size, "security group %s of %s does not allow %s port %d %s %s", aws_text(group, "groupName"),
           aws_text(eni, "networkInterfaceId"), p->protocol, p->port, egress ? "to" : "from", peer);
    free(peer);
    return false;
}

// The table that sends `dst` from this subnet to the router's private interface.
static bool routed_to_router(struct aws_call *c, const json_t *subnet, uint32_t dst, const json_t *inside,
                             char *why, size_t size)
{
    const json_t *table = ec2_table_of_subnet(c, subnet), *route = best_route(table, dst);
    const char *id = aws_text(inside, "networkInterfaceId");
    char *ip = lab_ip(dst);
    bool good = route && aws_is(route, "networkInterfaceId", id);
    if (!good)
        no(why, size, "route table %s of subnet %s has no route for %s to the router's private interface",
           called(table, "routeTableId"), called(subnet, "subnetId"), ip);
    free(ip);
    return good;
}

bool lab_aws_path_out(struct lab *lab, uint32_t src, uint32_t dst, int proto, int port, char *why,
                      size_t size)
{
    struct aws_call c = aws_self(lab);
    const json_t *from = aws_eni_of(&c, src), *subnet = subnet_of(&c, src), *inside = router_eni(&c, 1);
    struct packet leaving = packet_of(dst, proto, port), entering = packet_of(src, proto, port);
    if (!from || !subnet)
        return no(why, size, "no interface of the VPC holds the source address");
    if (!inside)
        return no(why, size, "no router with a private interface runs in the VPC");
    if (!routed_to_router(&c, subnet, dst, inside, why, size) || !passes(&c, from, true, &leaving, why, size))
        return false;
    if (json_is_true(json_object_get(inside, "sourceDestCheck")))
        return no(why, size, "the source/dest check of the router's private interface %s is on",
                  aws_text(inside, "networkInterfaceId"));
    return passes(&c, inside, false, &entering, why, size);
}

bool lab_aws_path_in(struct lab *lab, uint32_t src, uint32_t dst, int proto, int port, char *why, size_t size)
{
    struct aws_call c = aws_self(lab);
    const json_t *to = aws_eni_of(&c, dst), *inside = router_eni(&c, 1);
    struct packet leaving = packet_of(dst, proto, port), entering = packet_of(src, proto, port);
    if (!inside)
        return no(why, size, "no router with a private interface runs in the VPC");
    if (!to)
        return no(why, size, "no interface of the VPC holds the destination address");
    if (json_is_true(json_object_get(inside, "sourceDestCheck")))
        return no(why, size, "the source/dest check of the router's private interface %s is on",
                  aws_text(inside, "networkInterfaceId"));
    return passes(&c, inside, true, &leaving, why, size) && passes(&c, to, false, &entering, why, size);
}

bool lab_aws_path_tunnel(struct lab *lab, char *why, size_t size)
{
    struct aws_call c = aws_self(lab);
    const json_t *outside = router_eni(&c, 0);
    const json_t *instance =
        aws_get(&c, "instance", aws_text(json_object_get(outside, "attachment"), "instanceId"));
    if (!outside || ec2_instance_code(instance) != EC2_RUNNING)
        return no(why, size, "no router runs in the VPC");
    const char *id = aws_text(outside, "networkInterfaceId");
    const json_t *subnet = aws_get(&c, "subnet", aws_text(outside, "subnetId"));
    const json_t *table = ec2_table_of_subnet(&c, subnet);
    uint32_t hub = 0;
    lab_parse_ip(LAB_HUB_ADDRESS, &hub);
    const json_t *route = best_route(table, hub);
    const char *gateway = aws_text(route, "gatewayId");
    if (!ec2_address_of_eni(&c, id))
        return no(why, size, "the router's public interface %s has no Elastic IP", id);
    if (strncmp(gateway, "igw-", 4) != 0 ||
        !json_array_size(json_object_get(aws_get(&c, "internet-gateway", gateway), "attachmentSet")))
        return no(why, size,
                  "route table %s of the router's public subnet has no route to an internet gateway",
                  called(table, "routeTableId"));
    // Behind an Elastic IP the tunnel is ESP in UDP 4500; the exchange begins on UDP 500. The router answers
    // from the same ports and keeps what it began itself open, so its own egress decides, and ingress for the
    // hub's part.
    for (int i = 0; i < 2; i++) {
        struct packet p = {.peer = hub, .protocol = "udp", .port = i ? 4500 : 500};
        if (!passes(&c, outside, true, &p, why, size) || !passes(&c, outside, false, &p, why, size))
            return false;
    }
    return true;
}

// ---- SNAT of the VPC CNI ----

static const json_t *cni_addon(struct lab *lab, const char *cluster_name)
{
    struct aws_call c = aws_self(lab);
    return json_object_get(json_object_get(aws_get(&c, "cluster", cluster_name), "_addons"), "vpc-cni");
}

bool lab_aws_cni_is_addon(struct lab *lab, const char *cluster_name)
{
    return cni_addon(lab, cluster_name) != NULL;
}

// A variable of the aws-node DaemonSet: of the managed add-on when there is one, which overwrites patches.
static const char *cni_variable(struct lab *lab, const char *cluster_name, const char *name, json_t **keep)
{
    const json_t *addon = cni_addon(lab, cluster_name);
    if (addon) {
        json_t *values = *keep = json_loads(aws_text(addon, "configurationValues"), 0, NULL);
        return aws_text(json_object_get(values, "env"), name);
    }
    struct lab_cluster *cluster = lab_kube_find(lab, cluster_name);
    const json_t *set = cluster ? lab_kube_get(cluster, "daemonsets", "kube-system", "aws-node") : NULL;
    const json_t *pod = json_object_get(json_object_get(json_object_get(set, "spec"), "template"), "spec");
    json_t *container, *variable;
    size_t i, j;
    json_array_foreach(json_object_get(pod, "containers"), i, container)
    {
        json_array_foreach(json_object_get(container, "env"), j, variable)
        {
            if (aws_is(container, "name", "aws-node") && aws_is(variable, "name", name))
                return aws_text(variable, "value");
        }
    }
    return "";
}

static bool excluded(const char *list, uint32_t dst)
{
    char *copy = lab_strdup(list), *rest = copy, *cidr;
    bool found = false;
    while ((cidr = strsep(&rest, ", ")))
        found = found || in_cidr(cidr, dst);
    free(copy);
    return found;
}

uint32_t lab_aws_snat(struct lab *lab, const char *cluster, uint32_t address, uint32_t dst)
{
    struct aws_call c = aws_self(lab);
    const json_t *eni = aws_eni_of(&c, address), *vpc = aws_get(&c, "vpc", aws_text(eni, "vpcId"));
    json_t *keep = NULL;
    uint32_t node = address;
    // Traffic inside the VPC is never translated.
    if (!eni || in_cidr(aws_text(vpc, "cidrBlock"), dst))
        return address;
    bool external = !strcmp(cni_variable(lab, cluster, "AWS_VPC_K8S_CNI_EXTERNALSNAT", &keep), "true");
    json_decref(keep);
    keep = NULL;
    bool spared = excluded(cni_variable(lab, cluster, "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS", &keep), dst);
    json_decref(keep);
    if (!external && !spared)
        lab_parse_ip(aws_text(eni, "privateIpAddress"), &node);
    return node;
}

// ---- addresses of pods ----

// A pod's address is a secondary one of its node's interface, as the VPC CNI does it.
uint32_t lab_aws_pod_address(struct lab *lab, const char *cluster, const char *node)
{
    struct aws_call c = aws_self(lab);
    json_t *eni = aws_first(&c, "network-interface", "privateDnsName", node);
    const json_t *subnet = aws_get(&c, "subnet", aws_text(eni, "subnetId"));
    char *text = NULL;
    uint32_t address = 0;
    if (!subnet || !aws_take_address(&c, subnet, NULL, &text)) {
        lab_log(lab, "no address for a pod of %s on %s: %s", cluster, node ? node : "?", c.message);
        return 0;
    }
    json_array_append_new(json_object_get(eni, "privateIpAddressesSet"),
                          json_pack("{sssb}", "privateIpAddress", text, "primary", 0));
    lab_parse_ip(text, &address);
    free(text);
    return address;
}

void lab_aws_pod_release(struct lab *lab, uint32_t address)
{
    struct aws_call c = aws_self(lab);
    json_t *eni = aws_eni_of(&c, address), *set = json_object_get(eni, "privateIpAddressesSet"), *held;
    char *text = lab_ip(address);
    size_t i;
    json_array_foreach(set, i, held)
    {
        if (aws_is(held, "privateIpAddress", text) && !json_is_true(json_object_get(held, "primary"))) {
            json_array_remove(set, i);
            json_object_set_new(lab->aws->cooling, text, json_integer(lab_mono_ms()));
            break;
        }
    }
    free(text);
}
