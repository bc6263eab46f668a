// Subnets, route tables and the workers' security groups of a VPC.
#include "vpc.h"

#include <isthmus/schema.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void network_free(struct network *n)
{
    json_decref(n->vpc);
    json_decref(n->public_subnets);
    json_decref(n->private_subnets);
    json_decref(n->public_tables);
    json_decref(n->private_tables);
    json_decref(n->tables);
    json_decref(n->worker_groups);
    json_decref(n->pod_subnets);
    *n = (struct network){0};
}

static int32_t list_of_vpc(ist_aws *aws, const char *action, const char *list, const char *vpc_id,
                           json_t **items, ist_error *err)
{
    json_t *filter = network_filter("vpc-id", vpc_id);
    const int32_t rc = ist_aws_query_all(aws, "ec2", action, filter, list, items, err);
    json_decref(filter);
    return rc;
}

// ---- subnets and their tables ----

// The tables by the subnets that are associated with them, and the VPC's main one under "". New reference.
static json_t *tables_by_subnet(const json_t *tables)
{
    json_t *by_subnet = json_object(), *table, *association;
    size_t i, k;
    json_array_foreach((json_t *)tables, i, table)
    {
        json_array_foreach(json_object_get(table, "associationSet"), k, association)
        {
            const char *subnet = json_string_value(json_object_get(association, "subnetId"));
            if (subnet != NULL && *subnet != '\0')
                json_object_set(by_subnet, subnet, table);
            else if (strcmp(ist_json_str_or(association, "main", ""), "true") == 0)
                json_object_set(by_subnet, "", table);
        }
    }
    return by_subnet;
}

// A public subnet is one whose default route leads to an internet gateway.
static int is_public(const json_t *table)
{
    json_t *route;
    size_t i;
    json_array_foreach(json_object_get(table, "routeSet"), i, route)
    {
        if (strcmp(ist_json_str_or(route, "destinationCidrBlock", ""), "0.0.0.0/0") == 0 &&
            strncmp(ist_json_str_or(route, "gatewayId", ""), "igw-", 4) == 0)
            return 1;
    }
    return 0;
}

struct item {
    json_t *subnet; // {id, cidr, az, name}
    const json_t *table;
    ist_net4 net;
};

static int by_name_then_address(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    const int names =
        strverscmp(ist_json_str_or(x->subnet, "name", ""), ist_json_str_or(y->subnet, "name", ""));
    if (names != 0)
        return names;
    return (x->net.address > y->net.address) - (x->net.address < y->net.address);
}

static void sort_out(struct network *n, const json_t *subnets)
{
    const size_t count = json_array_size(subnets);
    struct item *items = ist_calloc(count + 1, sizeof(*items));
    json_t *tables = tables_by_subnet(n->tables);
    for (size_t i = 0; i < count; i++) {
        const json_t *subnet = json_array_get(subnets, i);
        const char *name = ist_aws_tag(subnet, "Name"), *id = ist_json_str_or(subnet, "subnetId", "");
        const char *cidr = ist_json_str_or(subnet, "cidrBlock", "");
        items[i].subnet =
            json_pack("{s:s, s:s, s:s, s:s}", "id", id, "cidr", cidr, "az",
                      ist_json_str_or(subnet, "availabilityZone", ""), "name", name != NULL ? name : "");
        items[i].table = json_object_get(tables, id);
        if (items[i].table == NULL)
            items[i].table = json_object_get(tables, "");
        (void)ist_net4_parse(cidr, &items[i].net, NULL);
    }
    qsort(items, count, sizeof(*items), by_name_then_address);
    for (size_t i = 0; i < count; i++) {
        const int public = is_public(items[i].table);
        const char *table = ist_json_str(items[i].table, "routeTableId");
        if (table != NULL)
            ist_json_add(public ? n->public_tables : n->private_tables, table);
        json_array_append_new(public ? n->public_subnets : n->private_subnets, items[i].subnet);
    }
    json_decref(tables);
    ist_free(items);
}

// ---- the workers' groups ----

static int contains(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

// The container platform calls it "... worker group". A description is none to go by: it may tell of whom a group lets in.
static void groups_by_name(const json_t *groups, const char *part, json_t *found)
{
    json_t *group;
    size_t i;
    json_array_foreach((json_t *)groups, i, group)
    {
        if (contains(ist_json_str(group, "groupName"), part) || contains(ist_aws_tag(group, "Name"), part))
            ist_json_add(found, ist_json_str_or(group, "groupId", ""));
    }
}

static int is_cluster_node(const json_t *instance)
{
    json_t *tag;
    size_t i;
    json_array_foreach(json_object_get(instance, "tagSet"), i, tag)
    {
        const char *key = ist_json_str_or(tag, "key", "");
        if (strncmp(key, "kubernetes.io/cluster/", 22) == 0 || strcmp(key, "eks:cluster-name") == 0)
            return 1;
    }
    return 0;
}

static void groups_of_interface(const json_t *interface, json_t *found)
{
    json_t *group;
    size_t i;
    json_array_foreach(json_object_get(interface, "groupSet"), i, group)
    {
        ist_json_add(found, ist_json_str_or(group, "groupId", ""));
    }
}

static void groups_of_instance(const json_t *instance, json_t *found)
{
    json_t *interface;
    size_t i;
    json_array_foreach(json_object_get(instance, "networkInterfaceSet"), i, interface)
    {
        groups_of_interface(interface, found);
    }
}

// Without a name to go by: what the interfaces of instances tagged as a cluster's nodes have.
static int32_t groups_by_nodes(ist_aws *aws, const char *vpc_id, json_t *found, ist_error *err)
{
    json_t *reservations = NULL, *reservation, *instance;
    size_t i, k;
    const int32_t rc = list_of_vpc(aws, "DescribeInstances", "reservationSet", vpc_id, &reservations, err);
    json_array_foreach(reservations, i, reservation)
    {
        json_array_foreach(json_object_get(reservation, "instancesSet"), k, instance)
        {
            if (is_cluster_node(instance))
                groups_of_instance(instance, found);
        }
    }
    json_decref(reservations);
    return rc;
}

static void groups_by_cluster(const json_t *groups, json_t *found)
{
    json_t *group;
    size_t i;
    json_array_foreach((json_t *)groups, i, group)
    {
        if (ist_aws_tag(group, "aws:eks:cluster-name") != NULL)
            ist_json_add(found, ist_json_str_or(group, "groupId", ""));
    }
}

// Interfaces of pods alone: the VPC CNI's further ones on a node ("aws-K8S-i-..."), which custom networking (ENIConfig)
// gives other groups and subnets, 100.64.0.0/10 among them; trunk and branch interfaces ("aws-k8s-branch-eni"), whose
// groups a SecurityGroupPolicy names. What has leaked and belongs to no node any more is left out.
static int32_t read_pods(ist_aws *aws, const char *vpc_id, json_t *groups, json_t *subnets, ist_error *err)
{
    json_t *params = json_pack("{s:[{s:s, s:[s]}, {s:s, s:[s, s]}]}", "Filter", "Name", "vpc-id", "Value",
                               vpc_id, "Name", "description", "Value", "aws-K8S-*", "aws-k8s-*");
    json_t *interfaces = NULL, *interface;
    size_t i;
    const int32_t rc = ist_aws_query_all(aws, "ec2", "DescribeNetworkInterfaces", params,
                                         "networkInterfaceSet", &interfaces, err);
    json_array_foreach(interfaces, i, interface)
    {
        if (strcmp(ist_json_str_or(interface, "status", ""), "available") == 0)
            continue;
        groups_of_interface(interface, groups);
        ist_json_add(subnets, ist_json_str_or(interface, "subnetId", ""));
    }
    json_decref(interfaces);
    json_decref(params);
    return rc;
}

static int32_t find_groups(ist_aws *aws, const json_t *inputs, const char *vpc_id, json_t *found,
                           ist_error *err)
{
    json_t *groups = NULL;
    int32_t rc = list_of_vpc(aws, "DescribeSecurityGroups", "securityGroupInfo", vpc_id, &groups, err);
    if (rc != IST_OK)
        return rc;
    groups_by_name(groups, ist_json_str_or(inputs, "worker_group_name", "worker group"), found);
    if (json_array_size(found) == 0)
        rc = groups_by_nodes(aws, vpc_id, found, err);
    if (rc == IST_OK && json_array_size(found) == 0)
        groups_by_cluster(groups, found);
    json_decref(groups);
    return rc;
}

int32_t network_read(ist_aws *aws, const json_t *inputs, json_t *vpc, struct network *network, ist_error *err)
{
    struct network n = {
        .vpc = vpc,
        .public_subnets = json_array(),
        .private_subnets = json_array(),
        .public_tables = json_array(),
        .private_tables = json_array(),
        .worker_groups = json_array(),
        .pod_subnets = json_array(),
    };
    const char *id = ist_json_str_or(vpc, "vpcId", "");
    json_t *subnets = NULL;
    int32_t rc = list_of_vpc(aws, "DescribeSubnets", "subnetSet", id, &subnets, err);
    if (rc == IST_OK)
        rc = list_of_vpc(aws, "DescribeRouteTables", "routeTableSet", id, &n.tables, err);
    if (rc == IST_OK)
        rc = find_groups(aws, inputs, id, n.worker_groups, err);
    if (rc == IST_OK) // after the nodes' own: where these differ, they are followed
        rc = read_pods(aws, id, n.worker_groups, n.pod_subnets, err);
    if (rc == IST_OK) {
        sort_out(&n, subnets);
        *network = n;
    } else {
        network_free(&n);
    }
    json_decref(subnets);
    return rc;
}
