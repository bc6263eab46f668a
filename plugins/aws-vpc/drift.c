#include "drift.h"

#include "stack.h"

#include <string.h>

void drift_free(struct drift *d)
{
    json_decref(d->subnets);
    json_decref(d->mends);
    *d = (struct drift){0};
}

// ---- what there is ----

struct world {
    ist_aws *aws;
    const json_t *template;
    json_t *resources; // object: logical name -> id
    json_t *subnets;   // object: id -> true
    json_t *tables;    // object: id -> as EC2 tells of it
    struct drift *drift;
};

static int32_t read_resources(ist_aws *aws, const char *stack_id, json_t **list, ist_error *err)
{
    json_t *params = json_pack("{s:s}", "StackName", stack_id);
    const int32_t rc = ist_aws_query_all(aws, "cloudformation", "ListStackResources", params,
                                         "StackResourceSummaries", list, err);
    json_decref(params);
    return rc;
}

static json_t *by_id(const json_t *items, const char *key)
{
    json_t *map = json_object(), *item;
    size_t i;
    json_array_foreach((json_t *)items, i, item)
    {
        json_object_set(map, ist_json_str_or(item, key, ""), item);
    }
    return map;
}

static void world_free(struct world *w)
{
    json_decref(w->resources);
    json_decref(w->subnets);
    json_decref(w->tables);
}

static int32_t world_read(ist_aws *aws, const char *stack_id, const struct network *n, struct world *w,
                          ist_error *err)
{
    json_t *list = NULL, *item;
    size_t i;
    const int32_t rc = read_resources(aws, stack_id, &list, err);
    w->resources = json_object();
    json_array_foreach(list, i, item)
    {
        json_object_set(w->resources, ist_json_str_or(item, "LogicalResourceId", ""),
                        json_object_get(item, "PhysicalResourceId"));
    }
    w->subnets = by_id(n->public_subnets, "id");
    json_t *private = by_id(n->private_subnets, "id");
    json_object_update(w->subnets, private);
    w->tables = by_id(n->tables, "routeTableId");
    json_decref(private);
    json_decref(list);
    return rc;
}

// The id of what a property refers to ("Properties.RouteTableId"), "" when it is not known. Borrowed.
static const char *id_of(const struct world *w, const json_t *resource, const char *property)
{
    char *path = ist_printf("Properties.%s.Ref", property);
    const char *logical = ist_json_str_or(resource, path, "");
    const char *id = json_string_value(json_object_get(w->resources, logical));
    ist_free(path);
    return id != NULL ? id : "";
}

// ---- what is not as the stack made it ----

static int is(const json_t *object, const char *key, const char *text)
{
    return strcmp(ist_json_str_or(object, key, ""), text) == 0;
}

// Steals params.
static void note(struct world *w, const char *logical, const char *before, const char *after,
                 const char *action, json_t *params)
{
    json_array_append_new(w->drift->mends,
                          json_pack("{s:s, s:s, s:s, s:s, s:o}", "logical", logical, "before", before,
                                    "after", after, "action", action, "params", params));
}

static void look_at_subnet(struct world *w, const char *logical)
{
    json_t *id = json_object_get(w->resources, logical);
    if (id != NULL && json_object_get(w->subnets, json_string_value(id)) == NULL)
        json_object_set(w->drift->subnets, logical, id);
}

// The table of a private subnet comes and goes with it.
static int goes_with_subnet(const struct world *w, const char *table)
{
    static const char of_private[] = "PrivateTable";
    if (strncmp(table, of_private, sizeof(of_private) - 1) != 0)
        return 0;
    char *subnet = ist_printf("Private%s", table + sizeof(of_private) - 1);
    const int gone = json_object_get(w->drift->subnets, subnet) != NULL;
    ist_free(subnet);
    return gone;
}

static int32_t look_at_table(struct world *w, const char *logical, ist_error *err)
{
    const char *id = json_string_value(json_object_get(w->resources, logical));
    if (id == NULL || json_object_get(w->tables, id) != NULL || goes_with_subnet(w, logical))
        return IST_OK;
    ist_fail(err, IST_ERR_CONFLICT, id,
             "was deleted: it is %s of the stack, and CloudFormation does not make it again", logical);
    ist_hint(
        err,
        "take its subnets out of the configuration, apply, put them back and apply: they get another one");
    return IST_ERR_CONFLICT;
}

static const char *target_of(const json_t *route)
{
    static const char *const keys[] = {"gatewayId",        "natGatewayId",           "networkInterfaceId",
                                       "transitGatewayId", "vpcPeeringConnectionId", "instanceId"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *target = ist_json_str_or(route, keys[i], "");
        if (*target != '\0')
            return target;
    }
    return "something else";
}

static const json_t *route_of(const json_t *table, const char *network)
{
    json_t *route;
    size_t i;
    json_array_foreach(json_object_get(table, "routeSet"), i, route)
    {
        if (is(route, "destinationCidrBlock", network))
            return route;
    }
    return NULL;
}

// 1: a gateway that a route of the stack is to lead to is no more, or leads nowhere. Asked only of routes that are not
// as they should be.
static int32_t is_gateway_gone(ist_aws *aws, const char *id, int nat, int *gone, ist_error *err)
{
    json_t *params = json_pack("{s:[{s:s, s:[s]}]}", "Filter", "Name",
                               nat ? "nat-gateway-id" : "internet-gateway-id", "Value", id);
    json_t *found = NULL;
    const int32_t rc =
        nat ? ist_aws_query_all(aws, "ec2", "DescribeNatGateways", params, "natGatewaySet", &found, err)
            : ist_aws_query_all(aws, "ec2", "DescribeInternetGateways", params, "internetGatewaySet", &found,
                                err);
    const json_t *gateway = json_array_get(found, 0);
    const char *state = ist_json_str_or(gateway, "state", "");
    if (rc == IST_OK)
        *gone = gateway == NULL || (nat ? strncmp(state, "delet", 5) == 0 || strcmp(state, "failed") == 0
                                        : json_array_size(json_object_get(gateway, "attachmentSet")) == 0);
    json_decref(found);
    json_decref(params);
    return rc;
}

static int32_t refuse_gone(const char *gateway, const char *logical, ist_error *err)
{
    ist_fail(err, IST_ERR_CONFLICT, gateway,
             "is gone: %s of the stack leads to it, and CloudFormation does not make it again", logical);
    ist_hint(err, "destroy and apply make the VPC anew");
    return IST_ERR_CONFLICT;
}

static int32_t look_at_route(struct world *w, const char *logical, const json_t *resource, ist_error *err)
{
    const char *table = id_of(w, resource, "RouteTableId");
    const char *network = ist_json_str_or(resource, "Properties.DestinationCidrBlock", "");
    const char *by = json_object_get(json_object_get(resource, "Properties"), "NatGatewayId") != NULL
                         ? "NatGatewayId"
                         : "GatewayId";
    const char *wanted = id_of(w, resource, by);
    const json_t *there = json_object_get(w->tables, table), *route = route_of(there, network);
    if (there == NULL || *wanted == '\0')
        return IST_OK; // it comes with its table
    const char *target = route != NULL ? target_of(route) : "nothing";
    const int as_made = strcmp(target, wanted) == 0;
    int gone = 0;
    if (as_made && !is(route, "state", "blackhole"))
        return IST_OK;
    const int32_t rc = is_gateway_gone(w->aws, wanted, strcmp(by, "NatGatewayId") == 0, &gone, err);
    if (rc != IST_OK)
        return rc;
    if (gone || as_made)
        return refuse_gone(wanted, logical, err);
    note(w, logical, target, wanted, route != NULL ? "ReplaceRoute" : "CreateRoute",
         json_pack("{s:s, s:s, s:s}", "RouteTableId", table, "DestinationCidrBlock", network, by, wanted));
    return IST_OK;
}

// The association of a subnet: in which table, and as what. Borrowed; NULL: the VPC's main table counts.
static const json_t *association_of(const struct world *w, const char *subnet, const char **table)
{
    const char *id;
    json_t *there, *association;
    size_t i;
    json_object_foreach(w->tables, id, there)
    {
        json_array_foreach(json_object_get(there, "associationSet"), i, association)
        {
            if (is(association, "subnetId", subnet)) {
                *table = id;
                return association;
            }
        }
    }
    return NULL;
}

static void look_at_association(struct world *w, const char *logical, const json_t *resource)
{
    const char *subnet = id_of(w, resource, "SubnetId"), *wanted = id_of(w, resource, "RouteTableId");
    const char *table = "the main table";
    if (json_object_get(w->subnets, subnet) == NULL || json_object_get(w->tables, wanted) == NULL)
        return;
    const json_t *there = association_of(w, subnet, &table);
    if (strcmp(table, wanted) == 0)
        return;
    if (there == NULL)
        note(w, logical, table, wanted, "AssociateRouteTable",
             json_pack("{s:s, s:s}", "SubnetId", subnet, "RouteTableId", wanted));
    else
        note(w, logical, table, wanted, "ReplaceRouteTableAssociation",
             json_pack("{s:s, s:s}", "AssociationId", ist_json_str_or(there, "routeTableAssociationId", ""),
                       "RouteTableId", wanted));
}

int32_t drift_find(ist_aws *aws, const char *stack_id, const json_t *template, const struct network *network,
                   struct drift *drift, ist_error *err)
{
    struct world w = {.aws = aws, .template = template, .drift = drift};
    const json_t *resources = json_object_get(template, "Resources");
    const char *logical;
    json_t *resource;
    *drift = (struct drift){.subnets = json_object(), .mends = json_array()};
    int32_t rc = world_read(aws, stack_id, network, &w, err);
    if (rc == IST_OK) {
        json_object_foreach((json_t *)resources, logical, resource)
        {
            if (is(resource, "Type", "AWS::EC2::Subnet"))
                look_at_subnet(&w, logical);
        }
    }
    json_object_foreach((json_t *)resources, logical, resource)
    {
        if (rc != IST_OK)
            break;
        if (is(resource, "Type", "AWS::EC2::RouteTable"))
            rc = look_at_table(&w, logical, err);
        else if (is(resource, "Type", "AWS::EC2::Route"))
            rc = look_at_route(&w, logical, resource, err);
        else if (is(resource, "Type", "AWS::EC2::SubnetRouteTableAssociation"))
            look_at_association(&w, logical, resource);
    }
    world_free(&w);
    return rc;
}

// ---- putting back ----

json_t *drift_standing(const struct drift *drift, const json_t *template)
{
    json_t *standing = json_deep_copy(template), *id;
    const char *logical;
    json_object_foreach(drift->subnets, logical, id)
    {
        json_t *subnet = json_object_get(json_object_get(standing, "Resources"), logical);
        json_t *properties = json_object_get(subnet, "Properties");
        json_object_set(subnet, STACK_GONE, json_object_get(properties, "CidrBlock"));
        json_object_set_new(properties, "CidrBlock", json_string(""));
    }
    return standing;
}

int32_t drift_mend(ist_aws *aws, const struct drift *drift, ist_error *err)
{
    json_t *mend;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(drift->mends, i, mend)
    {
        ist_error failed = {0};
        const int32_t sent = ist_aws_query(aws, "ec2", ist_json_str_or(mend, "action", ""),
                                           json_object_get(mend, "params"), NULL, &failed);
        if (sent != IST_OK && rc == IST_OK) {
            rc = sent;
            if (err != NULL)
                *err = failed;
        }
    }
    return rc;
}

// ---- before the stack goes ----

static json_t *ids_of_type(const json_t *list, const char *type)
{
    json_t *ids = json_array(), *item;
    size_t i;
    json_array_foreach((json_t *)list, i, item)
    {
        if (is(item, "ResourceType", type) && json_object_get(item, "PhysicalResourceId") != NULL)
            json_array_append(ids, json_object_get(item, "PhysicalResourceId"));
    }
    return ids;
}

static void release_table(ist_aws *aws, const json_t *table, const json_t *subnets, const json_t *own)
{
    json_t *association;
    size_t i;
    json_array_foreach(json_object_get(table, "associationSet"), i, association)
    {
        const char *id = ist_json_str_or(association, "routeTableAssociationId", "");
        if (ist_json_has(own, id) || !ist_json_has(subnets, ist_json_str_or(association, "subnetId", "")))
            continue;
        json_t *params = json_pack("{s:s}", "AssociationId", id);
        (void)ist_aws_query(aws, "ec2", "DisassociateRouteTable", params, NULL, NULL);
        json_decref(params);
    }
}

void drift_release(ist_aws *aws, const char *stack_id)
{
    json_t *list = NULL, *found = NULL, *table;
    size_t i;
    if (read_resources(aws, stack_id, &list, NULL) != IST_OK)
        return;
    json_t *tables = ids_of_type(list, "AWS::EC2::RouteTable"),
           *subnets = ids_of_type(list, "AWS::EC2::Subnet");
    json_t *own = ids_of_type(list, "AWS::EC2::SubnetRouteTableAssociation");
    json_t *params = json_pack("{s:[{s:s, s:O}]}", "Filter", "Name", "route-table-id", "Value", tables);
    if (json_array_size(tables) > 0)
        (void)ist_aws_query_all(aws, "ec2", "DescribeRouteTables", params, "routeTableSet", &found, NULL);
    json_array_foreach(found, i, table)
    {
        release_table(aws, table, subnets, own);
    }
    json_decref(params);
    json_decref(own);
    json_decref(subnets);
    json_decref(tables);
    json_decref(found);
    json_decref(list);
}
