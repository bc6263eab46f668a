// Route tables, routes and associations.
#include "ec2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *associate(json_t *table, const char *subnet)
{
    char *id = lab_id("rtbassoc-", 17);
    json_t *association = json_pack("{ss ss sb ss* s{ss}}", "routeTableAssociationId", id, "routeTableId",
                                    aws_text(table, "routeTableId"), "main", subnet == NULL, "subnetId",
                                    subnet, "associationState", "state", "associated");
    json_array_append_new(json_object_get(table, "associationSet"), association);
    free(id);
    return association;
}

static json_t *add_table(struct aws_call *c, const char *vpc)
{
    return aws_add(c, "route-table",
                   json_pack("{ss s[{ss ss ss ss}] s[] s[]}", "vpcId", vpc, "routeSet",
                             "destinationCidrBlock", aws_text(aws_get(c, "vpc", vpc), "cidrBlock"),
                             "gatewayId", "local", "state", "active", "origin", "CreateRouteTable",
                             "associationSet", "propagatingVgwSet"));
}

json_t *ec2_main_table(struct aws_call *c, const char *vpc)
{
    json_t *table = add_table(c, vpc);
    if (table) {
        json_object_set_new(table, "_main", json_true());
        associate(table, NULL);
    }
    return table;
}

json_t *ec2_table_of_subnet(const struct aws_call *c, const json_t *subnet)
{
    const char *key;
    json_t *table, *main_table = NULL, *association;
    size_t i;
    json_object_foreach(aws_all(c, "route-table"), key, table)
    {
        json_array_foreach(json_object_get(table, "associationSet"), i, association)
        {
            if (aws_is(association, "subnetId", aws_text(subnet, "subnetId")))
                return table;
            if (json_is_true(json_object_get(association, "main")) &&
                aws_is(table, "vpcId", aws_text(subnet, "vpcId")))
                main_table = table;
        }
    }
    return main_table;
}

// Is what a route points at still there and able to forward?
static bool target_alive(const struct aws_call *c, const json_t *route)
{
    const char *gateway = aws_text(route, "gatewayId"), *nat = aws_text(route, "natGatewayId"),
               *eni = aws_text(route, "networkInterfaceId");
    if (!strcmp(gateway, "local"))
        return true;
    if (*gateway)
        return json_array_size(json_object_get(aws_get(c, "internet-gateway", gateway), "attachmentSet")) > 0;
    if (*nat)
        return aws_get(c, "natgateway", nat) && !ec2_state_gone(aws_get(c, "natgateway", nat));
    const json_t *attachment = json_object_get(aws_get(c, "network-interface", eni), "attachment");
    const json_t *instance = aws_get(c, "instance", aws_text(attachment, "instanceId"));
    int code = instance ? ec2_instance_code(instance) : EC2_RUNNING;
    return attachment && (code == EC2_RUNNING || code == EC2_PENDING);
}

// A route whose target is gone is a black hole.
json_t *ec2_route_table_view(struct aws_call *c, const json_t *object)
{
    json_t *view = json_copy((json_t *)(uintptr_t)object), *routes = json_array(), *route;
    size_t i;
    json_array_foreach(json_object_get(object, "routeSet"), i, route)
    {
        json_t *shown = json_copy(route);
        json_t *eni = aws_get(c, "network-interface", aws_text(route, "networkInterfaceId"));
        const char *instance = aws_text(json_object_get(eni, "attachment"), "instanceId");
        json_object_set_new(shown, "state", json_string(target_alive(c, route) ? "active" : "blackhole"));
        if (*instance) {
            json_object_set_new(shown, "instanceId", json_string(instance));
            json_object_set_new(shown, "instanceOwnerId", json_string(AWS_ACCOUNT));
        }
        json_array_append_new(routes, shown);
    }
    json_object_set_new(view, "routeSet", routes);
    return view;
}

static json_t *create_table(struct aws_call *c)
{
    json_t *vpc = aws_find_arg(c, "vpc", "VpcId");
    json_t *table = vpc ? add_table(c, aws_text(vpc, "vpcId")) : NULL;
    return table ? json_pack("{sO}", "routeTable", table) : NULL;
}

static json_t *describe_tables(struct aws_call *c)
{
    return aws_describe(c, "route-table");
}

static json_t *delete_table(struct aws_call *c)
{
    json_t *table = aws_find_arg(c, "route-table", "RouteTableId");
    if (!table)
        return NULL;
    if (json_array_size(json_object_get(table, "associationSet")))
        return ec2_dependency(c, "routeTable", aws_str(c, "RouteTableId"));
    aws_remove(c, "route-table", aws_str(c, "RouteTableId"));
    return aws_true();
}

// ---- routes ----

// What a call's route is for: a network, or a managed prefix list.
struct destination {
    const char *member; // of a route
    char *value;        // malloc'd; NULL after aws_fail()
};

static struct destination destination_of(struct aws_call *c)
{
    const char *list = aws_str(c, "DestinationPrefixListId");
    if (list)
        return (struct destination){"destinationPrefixListId",
                                    aws_find(c, "prefix-list", list) ? lab_strdup(list) : NULL};
    const char *wanted = aws_need(c, "DestinationCidrBlock");
    return (struct destination){"destinationCidrBlock", wanted ? ec2_cidr(c, wanted) : NULL};
}

static json_t *route_to(const json_t *table, const struct destination *to, size_t *at)
{
    json_t *route;
    json_array_foreach(json_object_get(table, "routeSet"), (*at), route)
    {
        if (aws_is(route, to->member, to->value))
            return route;
    }
    return NULL;
}

static size_t weight_of_routes(const struct aws_call *c, const json_t *table)
{
    json_t *route;
    size_t i, sum = 0;
    json_array_foreach(json_object_get(table, "routeSet"), i, route)
    {
        sum += ec2_weight(c, aws_text(route, "destinationPrefixListId"));
    }
    return sum;
}

// A new route to the call's target, or NULL after aws_fail().
static json_t *target_route(struct aws_call *c, const struct destination *to, const json_t *table)
{
    static const struct {
        const char *parameter, *type, *member;
    } targets[] = {{"GatewayId", "internet-gateway", "gatewayId"},
                   {"NatGatewayId", "natgateway", "natGatewayId"},
                   {"NetworkInterfaceId", "network-interface", "networkInterfaceId"}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const char *id = aws_str(c, targets[i].parameter);
        if (!id)
            continue;
        json_t *target = aws_find(c, targets[i].type, id);
        if (!target)
            return NULL;
        const json_t *place = i == 0 ? json_array_get(json_object_get(target, "attachmentSet"), 0) : target;
        if (!aws_is(place, "vpcId", aws_text(table, "vpcId")))
            return aws_fail(c, 400, "InvalidParameterValue",
                            "route table %s and %s %s belong to different networks",
                            aws_text(table, "routeTableId"), targets[i].type, id);
        return json_pack("{ssssssss}", to->member, to->value, targets[i].member, id, "state", "active",
                         "origin", "CreateRoute");
    }
    return aws_fail(c, 400, "MissingParameter", "The request must contain a route target");
}

static json_t *put_route(struct aws_call *c, bool replace)
{
    json_t *table = aws_find_arg(c, "route-table", "RouteTableId"), *answer = NULL;
    const struct destination to = table ? destination_of(c) : (struct destination){NULL, NULL};
    size_t at;
    if (!to.value)
        return NULL;
    json_t *old = route_to(table, &to, &at), *routes = json_object_get(table, "routeSet");
    json_t *route = target_route(c, &to, table);
    if (!route) {
        // said already
    } else if (old && !replace) {
        aws_fail(c, 400, "RouteAlreadyExists", "The route identified by %s already exists.", to.value);
    } else if (!old && replace) {
        aws_fail(c, 400, "InvalidParameterValue",
                 "There is no route defined for '%s' in the route table. Use CreateRoute instead.", to.value);
    } else if (!old &&
               weight_of_routes(c, table) + ec2_weight(c, aws_text(route, "destinationPrefixListId")) >
                   aws_quota(c, "L-93826ACB")) {
        aws_fail(c, 400, "RouteLimitExceeded", "The maximum number of routes has been reached.");
    } else {
        if (old)
            json_array_set(routes, at, route);
        else
            json_array_append(routes, route);
        answer = aws_true();
    }
    json_decref(route);
    free(to.value);
    return answer;
}

static json_t *create_route(struct aws_call *c)
{
    return put_route(c, false);
}

static json_t *replace_route(struct aws_call *c)
{
    return put_route(c, true);
}

static json_t *delete_route(struct aws_call *c)
{
    json_t *table = aws_find_arg(c, "route-table", "RouteTableId");
    const struct destination to = table ? destination_of(c) : (struct destination){NULL, NULL};
    size_t at;
    if (!to.value)
        return NULL;
    json_t *route = route_to(table, &to, &at), *answer = NULL;
    if (!route)
        aws_fail(c, 400, "InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s",
                 to.value, aws_text(table, "routeTableId"));
    else if (aws_is(route, "gatewayId", "local"))
        aws_fail(c, 400, "InvalidParameterValue", "cannot remove local route %s in route table %s", to.value,
                 aws_text(table, "routeTableId"));
    else if (json_array_remove(json_object_get(table, "routeSet"), at) == 0)
        answer = aws_true();
    free(to.value);
    return answer;
}

// ---- associations ----

static json_t *find_association(struct aws_call *c, const char *id, json_t **table, size_t *at)
{
    const char *key;
    json_t *association;
    json_object_foreach(aws_all(c, "route-table"), key, *table)
    {
        json_array_foreach(json_object_get(*table, "associationSet"), (*at), association)
        {
            if (aws_is(association, "routeTableAssociationId", id))
                return association;
        }
    }
    return aws_fail(c, 400, "InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id);
}

static json_t *associated(const json_t *association)
{
    return json_pack("{sss{ss}}", "associationId", aws_text(association, "routeTableAssociationId"),
                     "associationState", "state", "associated");
}

static json_t *associate_table(struct aws_call *c)
{
    json_t *table = aws_find_arg(c, "route-table", "RouteTableId");
    json_t *subnet = table ? aws_find_arg(c, "subnet", "SubnetId") : NULL, *association;
    size_t i;
    if (!subnet)
        return NULL;
    json_t *now = ec2_table_of_subnet(c, subnet);
    json_array_foreach(json_object_get(now, "associationSet"), i, association)
    {
        if (!aws_is(association, "subnetId", aws_text(subnet, "subnetId")))
            continue;
        if (now == table)
            return associated(association);
        return aws_fail(c, 400, "Resource.AlreadyAssociated",
                        "the specified association for route table %s conflicts with an existing association",
                        aws_text(table, "routeTableId"));
    }
    return associated(associate(table, aws_text(subnet, "subnetId")));
}

static json_t *disassociate_table(struct aws_call *c)
{
    json_t *table;
    size_t at;
    const char *id = aws_need(c, "AssociationId");
    json_t *association = id ? find_association(c, id, &table, &at) : NULL;
    if (!association)
        return NULL;
    if (json_is_true(json_object_get(association, "main")))
        return aws_fail(c, 400, "InvalidParameterValue",
                        "cannot disassociate the main route table association %s", id);
    json_array_remove(json_object_get(table, "associationSet"), at);
    return aws_true();
}

static json_t *replace_association(struct aws_call *c)
{
    json_t *old = NULL;
    size_t at = 0;
    const char *id = aws_need(c, "AssociationId");
    json_t *association = id ? find_association(c, id, &old, &at) : NULL;
    json_t *table = association ? aws_find_arg(c, "route-table", "RouteTableId") : NULL;
    if (!table)
        return NULL;
    bool is_main = json_is_true(json_object_get(association, "main"));
    char *subnet = is_main ? NULL : lab_strdup(aws_text(association, "subnetId"));
    json_array_remove(json_object_get(old, "associationSet"), at);
    if (is_main)
        json_object_del(old, "_main");
    json_t *fresh = associate(table, subnet);
    if (is_main)
        json_object_set_new(table, "_main", json_true());
    free(subnet);
    json_t *answer = associated(fresh);
    json_object_set(answer, "newAssociationId", json_object_get(answer, "associationId"));
    json_object_del(answer, "associationId");
    return answer;
}

const struct aws_action aws_route_actions[] = {{"CreateRouteTable", create_table, true},
                                               {"DescribeRouteTables", describe_tables, false},
                                               {"DeleteRouteTable", delete_table, true},
                                               {"CreateRoute", create_route, true},
                                               {"ReplaceRoute", replace_route, true},
                                               {"DeleteRoute", delete_route, true},
                                               {"AssociateRouteTable", associate_table, true},
                                               {"DisassociateRouteTable", disassociate_table, true},
                                               {"ReplaceRouteTableAssociation", replace_association, true},
                                               {NULL, NULL, false}};
