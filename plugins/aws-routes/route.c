// Routes to the networks on premises. A route has no id and its call no token: table and network are its key.
#include "routes.h"

#include <string.h>

static const json_t *find_item(const json_t *list, const char *key, const char *id)
{
    json_t *item;
    size_t i;
    json_array_foreach((json_t *)list, i, item)
    {
        if (strcmp(ist_json_str_or(item, key, ""), id) == 0)
            return item;
    }
    return NULL;
}

const json_t *route_find(const json_t *tables, const char *table, const char *cidr)
{
    const json_t *found = find_item(tables, "routeTableId", table);
    return find_item(json_object_get(found, "routeSet"), "destinationCidrBlock", cidr);
}

const char *route_target(const json_t *route)
{
    static const char *const keys[] = {"networkInterfaceId", "gatewayId",       "natGatewayId",
                                       "transitGatewayId",   "instanceId",      "vpcPeeringConnectionId",
                                       "localGatewayId",     "carrierGatewayId"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *target = ist_json_str(route, keys[i]);
        if (target != NULL && *target != '\0')
            return target;
    }
    return "";
}

// ---- the next hop ----

// An address is looked up among the VPC's interfaces: AWS routes to interfaces, not to addresses.
static int32_t interface_of_address(struct step *s, const char *address, char **eni, ist_error *err)
{
    json_t *params =
        json_pack("{s:[{s:s, s:[s]}, {s:s, s:[s]}]}", "Filter", "Name", "addresses.private-ip-address",
                  "Value", address, "Name", "vpc-id", "Value", ist_json_str_or(s->inputs, "vpc_id", ""));
    json_t *found = NULL;
    int32_t rc = ist_aws_query_all(s->aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet",
                                   &found, err);
    json_decref(params);
    const char *id = ist_json_str(json_array_get(found, 0), "networkInterfaceId");
    if (rc == IST_OK && id == NULL)
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "next_hop", "no interface in %s has the address %s",
                      ist_json_str_or(s->inputs, "vpc_id", "the VPC"), address);
    if (rc == IST_OK)
        *eni = ist_strdup(id);
    json_decref(found);
    return rc;
}

static int32_t find_interface(struct step *s, char **eni, ist_error *err)
{
    const char *kind = ist_json_str_or(s->inputs, "next_hop.kind", "");
    const char *id = ist_json_str_or(s->inputs, "next_hop.id", "");
    if (strcmp(kind, "ip") == 0)
        return interface_of_address(s, id, eni, err);
    if (strcmp(kind, "eni") != 0 || *id == '\0')
        return ist_fail(err, IST_ERR_INPUT, "next_hop",
                        "is neither {kind: eni, id: eni-...} nor {kind: ip, id: address}");
    *eni = ist_strdup(id);
    return IST_OK;
}

// Asked once: it is the same for all routes.
int32_t route_interface(struct step *s, char **eni, ist_error *err)
{
    const int32_t rc = s->eni != NULL ? IST_OK : find_interface(s, &s->eni, err);
    if (rc == IST_OK)
        *eni = ist_strdup(s->eni);
    return rc;
}

// ---- plan ----

static int leads_to(const json_t *route, const char *eni)
{
    return eni != NULL && strcmp(route_target(route), eni) == 0;
}

static int is_ours(const struct step *s, const char *resource, const json_t *route)
{
    const char *eni = ist_json_str(step_record(s, resource), "eni");
    return leads_to(route, eni);
}

// What stands in the way of a route: somebody else's to another target.
static int32_t refuse_foreign(const char *table, const char *cidr, const json_t *route, ist_error *err)
{
    ist_fail(err, IST_ERR_CONFLICT, table, "has a route for %s to %s, which Isthmus did not make", cidr,
             route_target(route));
    ist_hint(err, "remove it, or set `adopt: true` to take it over");
    return IST_ERR_CONFLICT;
}

static int is_live(const json_t *route)
{
    return strcmp(ist_json_str_or(route, "state", "active"), "blackhole") != 0;
}

int32_t route_plan(struct step *s, const char *table, const char *cidr, ist_error *err)
{
    char *resource = route_resource(table, cidr), *eni = NULL;
    const json_t *route = route_find(s->tables, table, cidr), *record = step_record(s, resource);
    int32_t rc = route_interface(s, &eni, err);
    if (rc != IST_OK) {
        // as it is
    } else if (route == NULL) {
        ist_change(&s->env, IST_CREATE, resource,
                   record != NULL && !step_is_unsettled(s, resource) ? "it was removed" : NULL);
        ist_change_field(&s->env, resource, "target", NULL, json_string(eni));
    } else if (leads_to(route, eni)) {
        if (step_is_unsettled(s, resource))
            ist_change(&s->env, IST_CREATE, resource, "an earlier run was interrupted here");
    } else if (record == NULL && is_live(route) && !ist_json_bool(s->inputs, "adopt", 0)) {
        rc = refuse_foreign(table, cidr, route, err);
    } else {
        ist_change(&s->env, IST_UPDATE, resource, NULL);
        ist_change_field(&s->env, resource, "target", json_string(route_target(route)), json_string(eni));
    }
    ist_free(resource);
    ist_free(eni);
    return rc;
}

// ---- apply ----

// Reads one table again; the answer of a call that was lost shows here.
static int32_t look_again(struct step *s, const char *table, const char *cidr, char **target, ist_error *err)
{
    json_t *params = json_pack("{s:[s]}", "RouteTableId", table), *tables = NULL;
    const int32_t rc =
        ist_aws_query_all(s->aws, "ec2", "DescribeRouteTables", params, "routeTableSet", &tables, err);
    json_decref(params);
    if (rc == IST_OK) {
        const json_t *route = route_find(tables, table, cidr);
        *target = route != NULL ? ist_strdup(route_target(route)) : NULL;
    }
    json_decref(tables);
    return rc;
}

// CreateRoute, or ReplaceRoute where there is one. Both end in the same route however often they are made, so
// a lost answer is followed by a look and, if need be, by the call again.
static int32_t set_route(struct step *s, const char *table, const char *cidr, const char *eni, int exists,
                         ist_error *err)
{
    json_t *params = json_pack("{s:s, s:s, s:s}", "RouteTableId", table, "DestinationCidrBlock", cidr,
                               "NetworkInterfaceId", eni);
    int32_t rc = IST_ERR_NETWORK;
    for (int tries = 0; tries < 4 && rc == IST_ERR_NETWORK; tries++) {
        rc = ist_aws_query(s->aws, "ec2", exists ? "ReplaceRoute" : "CreateRoute", params, NULL, err);
        const int duplicate = strcmp(ist_aws_error_code(s->aws), "RouteAlreadyExists") == 0;
        if (rc != IST_ERR_NETWORK && !duplicate)
            break;
        char *target = NULL;
        ist_error failed = {0};
        const int32_t looked = look_again(s, table, cidr, &target, &failed);
        const int same = looked == IST_OK && target != NULL && strcmp(target, eni) == 0;
        exists = looked == IST_OK && target != NULL;
        ist_free(target);
        if (same) {
            rc = IST_OK;
        } else if (looked != IST_OK) {
            if (err != NULL)
                *err = failed;
            rc = looked;
            break;
        } else if (duplicate) {
            rc = ist_fail(err, IST_ERR_CONFLICT, table, "a route for %s to another target appeared meanwhile",
                          cidr);
        } else if (ist_sleep_ms(&s->env, 300) != IST_OK) {
            rc = ist_fail(err, IST_ERR_CANCELLED, table, "stopped before the route for %s was made", cidr);
        }
    }
    json_decref(params);
    return rc;
}

static json_t *record_data(const char *table, const char *cidr, const char *eni, const char *before)
{
    json_t *data =
        json_pack("{s:s, s:s, s:s, s:s}", "kind", "route", "table", table, "cidr", cidr, "eni", eni);
    if (before != NULL)
        json_object_set_new(data, "before", json_string(before));
    return data;
}

int32_t route_apply(struct step *s, const char *table, const char *cidr, ist_error *err)
{
    char *resource = route_resource(table, cidr), *eni = NULL, token[65];
    const json_t *route = route_find(s->tables, table, cidr), *record = step_record(s, resource);
    int32_t rc = route_interface(s, &eni, err);
    const int same = rc == IST_OK && route != NULL && leads_to(route, eni);
    if (rc != IST_OK)
        goto out;
    // One that was right before us stays the property of whoever made it.
    if (same && (record == NULL || (!step_is_unsettled(s, resource) && is_ours(s, resource, route))))
        goto out;
    if (!same && route != NULL && record == NULL && is_live(route) && !ist_json_bool(s->inputs, "adopt", 0)) {
        rc = refuse_foreign(table, cidr, route, err);
        goto out;
    }
    rc = ist_intent(&s->env, resource, record_data(table, cidr, eni, NULL), token, err);
    if (rc == IST_OK && !same)
        rc = set_route(s, table, cidr, eni, route != NULL, err);
    if (rc == IST_OK)
        rc = ist_outcome(&s->env, resource, record_data(table, cidr, eni, NULL), err);
out:
    ist_free(resource);
    ist_free(eni);
    return rc;
}

int32_t route_remove(struct step *s, const char *resource, const json_t *record, ist_error *err)
{
    const char *table = ist_json_str_or(record, "table", ""), *cidr = ist_json_str_or(record, "cidr", "");
    const json_t *route = route_find(s->tables, table, cidr);
    int32_t rc = IST_OK;
    if (route != NULL && (is_ours(s, resource, route) || !is_live(route))) {
        json_t *params = json_pack("{s:s, s:s}", "RouteTableId", table, "DestinationCidrBlock", cidr);
        ist_error failed = {0};
        for (int tries = 0; tries < 4; tries++) { // deleting twice is deleting
            rc = ist_aws_query(s->aws, "ec2", "DeleteRoute", params, NULL, &failed);
            if (rc != IST_ERR_NETWORK || ist_sleep_ms(&s->env, 300) != IST_OK)
                break;
        }
        if (rc == IST_ERR_NOT_FOUND)
            rc = IST_OK;
        if (rc != IST_OK && err != NULL)
            *err = failed;
        json_decref(params);
    } else if (route != NULL) {
        ist_log(&s->env, IST_LOG_WARN, "%s now leads to %s, which Isthmus did not set: it stays", resource,
                route_target(route));
    }
    return rc == IST_OK ? ist_outcome(&s->env, resource, NULL, err) : rc;
}

// ---- verify ----

int32_t route_verify(struct step *s, const char *table, const char *cidr)
{
    char *resource = route_resource(table, cidr), *eni = NULL;
    const json_t *route = route_find(s->tables, table, cidr);
    ist_error failed = {0};
    const int32_t rc = route_interface(s, &eni, &failed);
    if (rc != IST_OK)
        ist_check(&s->env, resource, IST_FAIL, "%s", failed.text);
    else if (route == NULL)
        ist_check(&s->env, resource, IST_FAIL, "there is no such route");
    else
        ist_check(&s->env, resource, leads_to(route, eni) && is_live(route) ? IST_PASS : IST_FAIL,
                  "to %s, %s", route_target(route), ist_json_str_or(route, "state", "active"));
    ist_free(resource);
    ist_free(eni);
    return IST_OK;
}
