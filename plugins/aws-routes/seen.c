// What EC2 told of tables and groups, in short: it crosses the wire from observe to plan, and is asked a thousand
// times over; so it is kept by id and by network, and what nobody asks for is left out.
#include "routes.h"

#include <isthmus/schema.h>

#include <string.h>

static const char *target_of(const json_t *route)
{
    static const char *const keys[] = {"networkInterfaceId", "gatewayId",        "natGatewayId",
                                       "transitGatewayId",   "instanceId",       "vpcPeeringConnectionId",
                                       "localGatewayId",     "carrierGatewayId", "coreNetworkArn"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *target = ist_json_str(route, keys[i]);
        if (target != NULL && *target != '\0')
            return target;
    }
    return "";
}

static int is(const json_t *object, const char *key, const char *text)
{
    return strcmp(ist_json_str_or(object, key, ""), text) == 0;
}

// Each of EC2's list, as `reader` makes it, by its id. New reference.
static json_t *by_id(const json_t *list, const char *id, json_t *(*reader)(const json_t *))
{
    json_t *seen = json_object(), *item;
    size_t i;
    json_array_foreach((json_t *)list, i, item)
    {
        json_object_set_new(seen, ist_json_str_or(item, id, ""), reader(item));
    }
    return seen;
}

static json_t *table_seen(const json_t *table)
{
    json_t *routes = json_object(), *local = json_array(), *dead = json_object(), *lists = json_object(),
           *announced = json_object(), *route;
    json_int_t count = 0;
    size_t i;
    json_array_foreach(json_object_get(table, "routeSet"), i, route)
    {
        const char *cidr = ist_json_str(route, "destinationCidrBlock");
        // What a gateway announces has a quota of its own, as has IPv6; and a route of the same network goes before it.
        const int propagated = is(route, "origin", "EnableVgwRoutePropagation");
        count += !propagated && json_object_get(route, "destinationIpv6CidrBlock") == NULL;
        const char *list = ist_json_str(route, "destinationPrefixListId");
        if (list != NULL)
            json_object_set_new(lists, list, json_string(target_of(route)));
        if (cidr == NULL)
            continue;
        if (propagated) {
            json_object_set_new(announced, cidr, json_string(target_of(route)));
            continue;
        }
        if (is(route, "gatewayId", "local"))
            json_array_append_new(local, json_string(cidr));
        if (is(route, "state", "blackhole"))
            json_object_set_new(dead, cidr, json_true());
        json_object_set_new(routes, cidr, json_string(target_of(route)));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:I}", "routes", routes, "local", local, "dead", dead,
                     "lists", lists, "announced", announced, "vpc", ist_json_str_or(table, "vpcId", ""),
                     "count", count);
}

json_t *tables_seen(const json_t *route_table_set)
{
    return by_id(route_table_set, "routeTableId", table_seen);
}

const char *route_target(const json_t *tables, const char *table, const char *cidr)
{
    const json_t *routes = json_object_get(json_object_get(tables, table), "routes");
    return json_string_value(json_object_get(routes, cidr));
}

const char *route_announced(const json_t *tables, const char *table, const char *cidr)
{
    const json_t *announced = json_object_get(json_object_get(tables, table), "announced");
    return json_string_value(json_object_get(announced, cidr));
}

const char *route_by_list(const json_t *tables, const char *table, const char *cidr, const char **target)
{
    const json_t *by = json_object_get(json_object_get(json_object_get(tables, table), "by_list"), cidr);
    const char *to = json_string_value(json_array_get(by, 1));
    if (by != NULL)
        *target = to != NULL ? to : "";
    return json_string_value(json_array_get(by, 0));
}

int route_is_live(const json_t *tables, const char *table, const char *cidr)
{
    const json_t *dead = json_object_get(json_object_get(tables, table), "dead");
    return json_object_get(dead, cidr) == NULL;
}

// ---- groups

static json_t *group_seen(const json_t *group)
{
    json_t *all = json_object(), *lists = json_object(), *permission, *range, *list;
    size_t i, k, count = 0;
    json_array_foreach(json_object_get(group, "ipPermissions"), i, permission)
    {
        const json_t *ranges = json_object_get(permission, "ipRanges");
        // Rules for IPv6 have a quota of their own; one that names a list or a group counts in both.
        count += json_array_size(ranges) + json_array_size(json_object_get(permission, "prefixListIds")) +
                 json_array_size(json_object_get(permission, "groups"));
        const int of_all = is(permission, "ipProtocol", "-1");
        json_array_foreach(json_object_get(permission, "prefixListIds"), k, list)
        {
            const char *id = ist_json_str_or(list, "prefixListId", "");
            if (of_all || json_object_get(lists, id) == NULL)
                json_object_set_new(lists, id, json_boolean(of_all));
        }
        // EC2 merges the rules of one protocol into one permission with several ranges.
        if (!of_all)
            continue;
        json_array_foreach((json_t *)ranges, k, range)
        {
            const char *description = ist_json_str(range, "description");
            json_object_set_new(all, ist_json_str_or(range, "cidrIp", ""),
                                description != NULL ? json_string(description) : json_null());
        }
    }
    return json_pack("{s:o, s:o, s:I}", "all", all, "lists", lists, "count", (json_int_t)count);
}

json_t *groups_seen(const json_t *security_group_info)
{
    return by_id(security_group_info, "groupId", group_seen);
}

const json_t *ingress_range(const json_t *groups, const char *group, const char *cidr)
{
    return json_object_get(json_object_get(json_object_get(groups, group), "all"), cidr);
}

int net_is_within(const char *inner, const char *outer)
{
    ist_net4 in, out;
    return ist_net4_parse(inner, &in, NULL) == IST_OK && ist_net4_parse(outer, &out, NULL) == IST_OK &&
           out.prefix <= in.prefix && ist_net4_contains(out, in.address);
}

const char *ingress_wider(const json_t *groups, const char *group, const char *cidr)
{
    const char *other;
    json_t *range;
    json_object_foreach(json_object_get(json_object_get(groups, group), "all"), other, range)
    {
        if (strcmp(other, cidr) != 0 && net_is_within(cidr, other))
            return other;
    }
    return list_holding(json_object_get(groups, group), cidr);
}
