// Routes to the networks on premises. A route has no id and its call no token: table and network are its key.
#include "routes.h"

#include <string.h>

// ---- the next hop ----

static int32_t refuse_several(const char *address, const json_t *found, ist_error *err)
{
    ist_buf list = {0};
    json_t *interface;
    size_t i;
    json_array_foreach((json_t *)found, i, interface)
    {
        ist_buf_printf(&list, "%s%s in %s", i > 0 ? ", " : "",
                       ist_json_str_or(interface, "networkInterfaceId", "?"),
                       ist_json_str_or(interface, "vpcId", "?"));
    }
    ist_fail(err, IST_ERR_INPUT, "next_hop", "%zu interfaces have the address %s: %s", json_array_size(found),
             address, list.data);
    ist_hint(err, "give the input `vpc_id`, or name the interface: {kind: eni, id: eni-...}");
    ist_buf_free(&list);
    return IST_ERR_INPUT;
}

// One that was recorded and is asked for no more may be anywhere.
static int is_asked_for(const struct step *s, const char *table)
{
    return ist_json_has(json_object_get(s->inputs, "route_tables"), table);
}

// AWS takes no route from a table of one VPC to an interface of another.
static int32_t check_same_vpc(const struct step *s, const char *eni, const char *in, ist_error *err)
{
    const char *id;
    json_t *table;
    json_object_foreach(s->tables, id, table)
    {
        const char *vpc = ist_json_str_or(table, "vpc", "");
        if (*in != '\0' && *vpc != '\0' && strcmp(vpc, in) != 0 && is_asked_for(s, id))
            return ist_fail(err, IST_ERR_INPUT, "next_hop", "%s is in %s, and the table %s in %s", eni, in,
                            id, vpc);
    }
    return IST_OK;
}

// An address is looked up among the VPC's interfaces: AWS routes to interfaces, not to addresses.
static int32_t interface_of_address(struct step *s, const char *address, char **eni, ist_error *err)
{
    const char *vpc = ist_json_str_or(s->inputs, "vpc_id", "");
    json_t *filters = json_pack("[{s:s, s:[s]}]", "Name", "addresses.private-ip-address", "Value", address),
           *found = NULL;
    if (*vpc != '\0') // else in all: where several have the address, which one is meant is asked
        json_array_append_new(filters, json_pack("{s:s, s:[s]}", "Name", "vpc-id", "Value", vpc));
    json_t *params = json_pack("{s:o}", "Filter", filters);
    int32_t rc = ist_aws_query_all(s->aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet",
                                   &found, err);
    json_decref(params);
    const char *id = ist_json_str(json_array_get(found, 0), "networkInterfaceId");
    if (rc == IST_OK && id == NULL)
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "next_hop", "no interface in %s has the address %s",
                      *vpc != '\0' ? vpc : "any VPC", address);
    if (rc == IST_OK && json_array_size(found) > 1)
        rc = refuse_several(address, found, err);
    if (rc == IST_OK)
        rc = check_same_vpc(s, id, ist_json_str_or(json_array_get(found, 0), "vpcId", ""), err);
    if (rc == IST_OK)
        *eni = ist_strdup(id);
    json_decref(found);
    return rc;
}

// It has to be there, and in the VPC, before anything is changed. One that was made a moment ago may not show at once.
static int32_t known_interface(struct step *s, const char *id, char **eni, ist_error *err)
{
    const char *vpc = ist_json_str_or(s->inputs, "vpc_id", "");
    json_t *params = json_pack("{s:[{s:s, s:[s]}]}", "Filter", "Name", "network-interface-id", "Value", id);
    json_t *found = NULL;
    int32_t rc = IST_OK;
    for (int tries = 0; tries < 3 && rc == IST_OK && json_array_size(found) == 0; tries++) {
        json_decref(found);
        found = NULL;
        if (tries > 0 && ist_sleep_ms(&s->env, 500) != IST_OK)
            rc = ist_fail(err, IST_ERR_CANCELLED, "next_hop", "stopped while %s was looked for", id);
        else
            rc = ist_aws_query_all(s->aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet",
                                   &found, err);
    }
    json_decref(params);
    const char *in = ist_json_str_or(json_array_get(found, 0), "vpcId", "");
    if (rc == IST_OK && json_array_size(found) == 0)
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "next_hop", "there is no interface %s", id);
    else if (rc == IST_OK && *vpc != '\0' && strcmp(in, vpc) != 0)
        rc = ist_fail(err, IST_ERR_INPUT, "next_hop", "%s is in %s, and not in %s", id, in, vpc);
    if (rc == IST_OK)
        rc = check_same_vpc(s, id, in, err);
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
    return known_interface(s, id, eni, err);
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

static int leads_to(const char *target, const char *eni)
{
    return eni != NULL && target != NULL && strcmp(target, eni) == 0;
}

static int is_ours(const struct step *s, const char *resource, const char *target)
{
    return leads_to(target, step_recorded_eni(s, resource));
}

// What stands in the way of a route: somebody else's to another target.
static int32_t refuse_foreign(const char *table, const char *cidr, const char *target, ist_error *err)
{
    ist_fail(err, IST_ERR_CONFLICT, table, "has a route for %s to %s, which Isthmus did not make", cidr,
             target);
    ist_hint(err, "remove it, or set `adopt: true` to take it over");
    return IST_ERR_CONFLICT;
}

// A gateway announces it: a route of its own would take what goes there now.
static int32_t refuse_announced(const char *table, const char *cidr, const char *by, ist_error *err)
{
    ist_fail(err, IST_ERR_CONFLICT, table, "has a route for %s to %s, which that gateway announces", cidr,
             by);
    ist_hint(err, "turn its propagation off, or set `adopt: true` for a route that goes before it");
    return IST_ERR_CONFLICT;
}

// A prefix list may lead exactly this network there already, which is as good as a route of its own.
static int is_led_by_list(const struct step *s, const char *table, const char *cidr, const char *eni)
{
    const char *target = NULL;
    return route_by_list(s->tables, table, cidr, &target) != NULL && leads_to(target, eni);
}

int32_t route_plan(struct step *s, const char *table, const char *cidr, ist_error *err)
{
    char *resource = route_resource(table, cidr), *eni = NULL;
    const char *target = route_target(s->tables, table, cidr);
    const char *announced = route_announced(s->tables, table, cidr);
    const int recorded = step_is_recorded(s, resource);
    int32_t rc = route_interface(s, &eni, err);
    if (rc != IST_OK) {
        // as it is
    } else if (target == NULL && !recorded && is_led_by_list(s, table, cidr, eni)) {
        // nothing is missing, and nothing is ours
    } else if (target == NULL && announced != NULL && !recorded && !ist_json_bool(s->inputs, "adopt", 0)) {
        rc = refuse_announced(table, cidr, announced, err);
    } else if (target == NULL) {
        ist_change(&s->env, IST_CREATE, resource,
                   recorded && !step_is_unsettled(s, resource) ? "it was removed" : NULL);
        ist_change_field(&s->env, resource, "target", NULL, json_string(eni));
    } else if (leads_to(target, eni)) {
        if (step_is_unsettled(s, resource))
            ist_change(&s->env, IST_CREATE, resource, "an earlier run was interrupted here");
    } else if (!recorded && route_is_live(s->tables, table, cidr) && !ist_json_bool(s->inputs, "adopt", 0)) {
        rc = refuse_foreign(table, cidr, target, err);
    } else if (recorded && !route_is_live(s->tables, table, cidr)) {
        // Its router was deleted: nothing goes that way any more, and nothing is taken from anybody.
        ist_change(&s->env, IST_CREATE, resource, "what it led to is gone");
        ist_change_field(&s->env, resource, "target", json_string(target), json_string(eni));
    } else {
        ist_change(&s->env, IST_UPDATE, resource, NULL);
        ist_change_field(&s->env, resource, "target", json_string(target), json_string(eni));
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
        json_t *seen = tables_seen(tables);
        const char *there = route_target(seen, table, cidr);
        *target = there != NULL ? ist_strdup(there) : NULL;
        json_decref(seen);
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
    const char *target = route_target(s->tables, table, cidr);
    const char *announced = route_announced(s->tables, table, cidr);
    const int recorded = step_is_recorded(s, resource);
    int32_t rc = route_interface(s, &eni, err);
    const int same = rc == IST_OK && target != NULL && leads_to(target, eni);
    if (rc != IST_OK)
        goto out;
    if (target == NULL && !recorded && is_led_by_list(s, table, cidr, eni))
        goto out;
    if (target == NULL && announced != NULL && !recorded && !ist_json_bool(s->inputs, "adopt", 0)) {
        rc = refuse_announced(table, cidr, announced, err);
        goto out;
    }
    // One that was right before us stays the property of whoever made it.
    if (same && (!recorded || (!step_is_unsettled(s, resource) && is_ours(s, resource, target))))
        goto out;
    if (!same && target != NULL && !recorded && route_is_live(s->tables, table, cidr) &&
        !ist_json_bool(s->inputs, "adopt", 0)) {
        rc = refuse_foreign(table, cidr, target, err);
        goto out;
    }
    rc = ist_intent(&s->env, resource, record_data(table, cidr, eni, NULL), token, err);
    if (rc == IST_OK && !same)
        rc = set_route(s, table, cidr, eni, target != NULL, err);
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
    const char *target = route_target(s->tables, table, cidr);
    int32_t rc = IST_OK;
    // A black hole that tells of no target is what is left of ours; one that leads elsewhere is somebody else's.
    if (target != NULL &&
        (is_ours(s, resource, target) || (*target == '\0' && !route_is_live(s->tables, table, cidr)))) {
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
    } else if (target != NULL) {
        ist_log(&s->env, IST_LOG_WARN, "%s now leads to %s, which Isthmus did not set: it stays", resource,
                target);
    }
    return rc == IST_OK ? ist_outcome(&s->env, resource, NULL, err) : rc;
}

// ---- verify ----

int32_t route_verify(struct step *s, const char *table, const char *cidr)
{
    char *resource = route_resource(table, cidr), *eni = NULL;
    const char *target = route_target(s->tables, table, cidr);
    const int live = route_is_live(s->tables, table, cidr);
    ist_error failed = {0};
    const int32_t rc = route_interface(s, &eni, &failed);
    if (rc != IST_OK)
        ist_check(&s->env, resource, IST_FAIL, "%s", failed.text);
    else if (target == NULL && is_led_by_list(s, table, cidr, eni))
        ist_check(&s->env, resource, IST_PASS, "to %s, by a prefix list", eni);
    else if (target == NULL)
        ist_check(&s->env, resource, IST_FAIL, "there is no such route");
    else
        ist_check(&s->env, resource, leads_to(target, eni) && live ? IST_PASS : IST_FAIL, "to %s, %s", target,
                  live ? "active" : "blackhole");
    ist_free(resource);
    ist_free(eni);
    return IST_OK;
}
