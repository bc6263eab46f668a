#include "operations.h"
#include "routes.h"

#include <isthmus/schema.h>

#include <string.h>

// The record stays in the host's hands: of a thousand resources little is asked.
static const ist_value *recorded(const struct step *s)
{
    return s->env.host->recorded(s->env.call);
}

static const ist_value *record_of(const struct step *s, const char *resource)
{
    return s->env.host->get(recorded(s), resource);
}

static const char *text_of(const struct step *s, const ist_value *map, const char *key)
{
    const char *text = s->env.host->get_bytes(s->env.host->get(map, key), NULL);
    return text != NULL ? text : "";
}

int step_is_recorded(const struct step *s, const char *resource)
{
    return record_of(s, resource) != NULL;
}

int step_is_unsettled(const struct step *s, const char *resource)
{
    return strcmp(text_of(s, record_of(s, resource), "status"), "intent") == 0;
}

const char *step_recorded_eni(const struct step *s, const char *resource)
{
    return text_of(s, s->env.host->get(record_of(s, resource), "data"), "eni");
}

// Nodes, pods and whatever else is named, in one spelling.
static void add_cidr(json_t *cidrs, const json_t *value)
{
    json_t *normal = NULL;
    if (!json_is_string(value) || json_string_length(value) == 0)
        return;
    if (ist_type_normalise("cidr", value, &normal, NULL) == IST_OK)
        ist_json_add(cidrs, json_string_value(normal));
    else
        ist_json_add(cidrs, json_string_value(value)); // the check says what is wrong with it
    json_decref(normal);
}

static json_t *cidrs_of(const json_t *inputs)
{
    json_t *cidrs = json_array(), *more;
    size_t i;
    add_cidr(cidrs, json_object_get(inputs, "onPremCidr"));
    add_cidr(cidrs, json_object_get(inputs, "onPremPodCidr"));
    json_array_foreach(json_object_get(inputs, "extra_cidrs"), i, more)
    {
        add_cidr(cidrs, more);
    }
    return cidrs;
}

static int32_t begin(struct step *s, const ist_host *host, ist_call *call, ist_error *err)
{
    *s = (struct step){.env = {host, call}};
    s->inputs = ist_inputs(&s->env);
    s->cidrs = cidrs_of(s->inputs);
    const char *region = ist_json_str(s->inputs, "region"), *profile = ist_json_str(s->inputs, "profile");
    const ist_aws_options options = {.size = sizeof(options), .region = region, .profile = profile};
    return ist_aws_new(&s->env, &options, &s->aws, err);
}

static int32_t end(struct step *s, int32_t rc, const ist_error *err)
{
    if (rc != IST_OK)
        ist_report(&s->env, err);
    ist_aws_free(s->aws);
    json_decref(s->tables);
    json_decref(s->groups);
    json_decref(s->cidrs);
    json_decref(s->wanted);
    json_decref(s->quotas);
    ist_free(s->eni);
    json_decref(s->inputs);
    return rc;
}

// ---- reading ----

// Ids of the inputs, and of what state recorded of this kind. New reference.
static json_t *ids_of(const struct step *s, const char *input, const char *kind)
{
    json_t *ids = json_array(), *id;
    size_t i;
    json_array_foreach(json_object_get(s->inputs, input), i, id)
    {
        if (json_is_string(id))
            ist_json_add(ids, json_string_value(id));
    }
    for (i = 0; i < s->env.host->count(recorded(s)); i++) {
        char *holder = resource_holder(s->env.host->key_at(recorded(s), i), kind);
        if (holder != NULL)
            ist_json_add(ids, holder);
        ist_free(holder);
    }
    return ids;
}

// One call for all of them, by a filter: an id that is gone is then missing, and no error.
static int32_t describe(struct step *s, const char *action, const char *filter, const json_t *ids,
                        const char *list, json_t **items, ist_error *err)
{
    json_t *all = json_array(), *found = NULL;
    int32_t rc = IST_OK;
    for (size_t from = 0; from < json_array_size(ids) && rc == IST_OK; from += 200) { // a filter's limit
        json_t *some = json_array();
        for (size_t i = from; i < json_array_size(ids) && i < from + 200; i++)
            json_array_append(some, json_array_get(ids, i));
        json_t *params = json_pack("{s:[{s:s, s:o}]}", "Filter", "Name", filter, "Value", some);
        rc = ist_aws_query_all(s->aws, "ec2", action, params, list, &found, err);
        if (rc == IST_OK)
            json_array_extend(all, found);
        json_decref(found);
        found = NULL;
        json_decref(params);
    }
    if (rc == IST_OK) {
        json_decref(*items);
        *items = all;
    } else {
        json_decref(all);
    }
    return rc;
}

// A plan follows its observation, and need not ask for the same again.
static int was_read(struct step *s)
{
    json_t *observed = ist_operation_of(&s->env) == IST_OP_PLAN ? ist_observed(&s->env) : NULL;
    json_t *tables = json_object_get(observed, "tables"), *groups = json_object_get(observed, "groups");
    const char *eni = ist_json_str(observed, "eni");
    const int usable = json_is_object(tables) && json_is_object(groups);
    if (usable) {
        s->tables = json_incref(tables);
        s->groups = json_incref(groups);
        s->eni = eni != NULL ? ist_strdup(eni) : NULL;
    }
    json_decref(observed);
    return usable;
}

int32_t step_read(struct step *s, ist_error *err)
{
    if (was_read(s))
        return IST_OK;
    json_t *tables = ids_of(s, "route_tables", "route"), *groups = ids_of(s, "security_groups", "ingress");
    json_t *found = NULL;
    int32_t rc = describe(s, "DescribeRouteTables", "route-table-id", tables, "routeTableSet", &found, err);
    if (rc == IST_OK)
        s->tables = tables_seen(found);
    if (rc == IST_OK)
        rc = describe(s, "DescribeSecurityGroups", "group-id", groups, "securityGroupInfo", &found, err);
    if (rc == IST_OK)
        s->groups = groups_seen(found);
    if (rc == IST_OK)
        rc = lists_read(s, err);
    json_decref(found);
    json_decref(tables);
    json_decref(groups);
    return rc;
}

// ---- over all routes and rules ----

typedef int32_t each_fn(struct step *s, const char *holder, const char *cidr, ist_error *err);

static int32_t each(struct step *s, const char *input, each_fn *fn, ist_error *err)
{
    json_t *holder, *cidr;
    size_t i, k;
    json_array_foreach(json_object_get(s->inputs, input), i, holder)
    {
        json_array_foreach(s->cidrs, k, cidr)
        {
            const int32_t rc = fn(s, json_string_value(holder), json_string_value(cidr), err);
            if (rc != IST_OK)
                return rc;
        }
    }
    return IST_OK;
}

static int32_t remove_one(struct step *s, const char *resource, const json_t *record, ist_error *err)
{
    const char *kind = ist_json_str_or(record, "kind", "");
    return strcmp(kind, "route") == 0 ? route_remove(s, resource, record, err)
                                      : ingress_remove(s, resource, record, err);
}

// Removes what was recorded: all of it, or what the inputs ask for no more.
static int32_t remove_recorded(struct step *s, int all, ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t i = 0; i < s->env.host->count(recorded(s)) && rc == IST_OK; i++) {
        const char *resource = s->env.host->key_at(recorded(s), i);
        if (!all && resource_is_wanted(s, resource))
            continue;
        json_t *data = ist_json(&s->env, s->env.host->get(record_of(s, resource), "data"));
        rc = remove_one(s, resource, data, err);
        json_decref(data);
    }
    return rc;
}

// ---- operations ----

static void set_outputs(const struct step *s)
{
    json_t *routes = json_array(), *table, *cidr;
    size_t i, k;
    json_array_foreach(json_object_get(s->inputs, "route_tables"), i, table)
    {
        json_array_foreach(s->cidrs, k, cidr)
        {
            json_array_append_new(routes,
                                  json_sprintf("%s %s", json_string_value(table), json_string_value(cidr)));
        }
    }
    ist_set_output(&s->env, "routes", routes);
    ist_set_output(&s->env, "cidrs", json_incref(s->cidrs));
}

typedef int32_t work_fn(struct step *s, ist_error *err);

// One operation: its work, over what is there.
static int32_t over(const ist_host *host, ist_call *call, work_fn *work)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = step_read(&s, &err);
    if (rc == IST_OK)
        rc = work(&s, &err);
    return end(&s, rc, &err);
}

static int32_t observe(struct step *s, ist_error *err)
{
    (void)err;
    char *eni = NULL;
    (void)route_interface(s, &eni, NULL); // plan says why it is not known
    ist_set_observed(&s->env,
                     json_pack("{s:O, s:O, s:s*}", "tables", s->tables, "groups", s->groups, "eni", eni));
    ist_free(eni);
    set_outputs(s);
    return IST_OK;
}

int32_t routes_observe(const ist_host *host, ist_call *call)
{
    return over(host, call, observe);
}

static int32_t check_tables(const struct step *s, ist_error *err)
{
    json_t *id;
    size_t i;
    json_array_foreach(json_object_get(s->inputs, "route_tables"), i, id)
    {
        if (json_object_get(s->tables, json_string_value(id)) == NULL)
            return ist_fail(err, IST_ERR_NOT_FOUND, "route_tables", "there is no table %s",
                            json_string_value(id));
    }
    return IST_OK;
}

static void plan_removals(struct step *s)
{
    for (size_t i = 0; i < s->env.host->count(recorded(s)); i++) {
        const char *resource = s->env.host->key_at(recorded(s), i);
        if (!resource_is_wanted(s, resource))
            ist_change(&s->env, IST_DELETE, resource, "asked for no more");
    }
}

static int32_t plan(struct step *s, ist_error *err)
{
    int32_t rc = check_tables(s, err);
    if (rc == IST_OK)
        rc = check_networks(s, err);
    if (rc == IST_OK)
        rc = check_quotas(s, err);
    if (rc == IST_OK)
        rc = each(s, "route_tables", route_plan, err);
    if (rc == IST_OK)
        rc = each(s, "security_groups", ingress_plan, err);
    if (rc == IST_OK) {
        if (s->eni != NULL)
            check_narrower(s, s->eni);
        plan_removals(s);
        set_outputs(s);
    }
    return rc;
}

int32_t routes_plan(const ist_host *host, ist_call *call)
{
    return over(host, call, plan);
}

static int32_t each_group(struct step *s, ist_error *err)
{
    json_t *group;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(s->inputs, "security_groups"), i, group)
    {
        if (rc == IST_OK)
            rc = ingress_apply(s, json_string_value(group), err);
    }
    return rc;
}

static int32_t apply(struct step *s, ist_error *err)
{
    int32_t rc = each(s, "route_tables", route_apply, err);
    if (rc == IST_OK)
        rc = each_group(s, err);
    if (rc == IST_OK)
        rc = remove_recorded(s, 0, err);
    if (rc == IST_OK)
        set_outputs(s);
    return rc;
}

int32_t routes_apply(const ist_host *host, ist_call *call)
{
    return over(host, call, apply);
}

static int32_t destroy(struct step *s, ist_error *err)
{
    return remove_recorded(s, 1, err);
}

int32_t routes_destroy(const ist_host *host, ist_call *call)
{
    return over(host, call, destroy);
}

static int32_t verify_route(struct step *s, const char *table, const char *cidr, ist_error *err)
{
    (void)err;
    return route_verify(s, table, cidr);
}

static int32_t verify_rule(struct step *s, const char *group, const char *cidr, ist_error *err)
{
    (void)err;
    return ingress_verify(s, group, cidr);
}

// A router forwards what is not for itself only where AWS does not check for that.
static int32_t verify_next_hop(struct step *s, ist_error *err)
{
    char *eni = NULL;
    json_t *params, *found = NULL;
    int32_t rc = route_interface(s, &eni, err);
    if (rc == IST_OK) {
        params = json_pack("{s:[{s:s, s:[s]}]}", "Filter", "Name", "network-interface-id", "Value", eni);
        rc = ist_aws_query_all(s->aws, "ec2", "DescribeNetworkInterfaces", params, "networkInterfaceSet",
                               &found, err);
        json_decref(params);
    }
    const json_t *interface = json_array_get(found, 0);
    if (rc == IST_OK && interface == NULL)
        ist_check(&s->env, "next hop exists", IST_FAIL, "there is no interface %s", eni);
    else if (rc == IST_OK)
        ist_check(&s->env, "next hop forwards",
                  strcmp(ist_json_str_or(interface, "sourceDestCheck", ""), "false") == 0 ? IST_PASS
                                                                                          : IST_FAIL,
                  "source/dest check of %s is %s", eni,
                  strcmp(ist_json_str_or(interface, "sourceDestCheck", ""), "false") == 0 ? "off" : "on");
    json_decref(found);
    ist_free(eni);
    return rc;
}

static int32_t verify(struct step *s, ist_error *err)
{
    int32_t rc = each(s, "route_tables", verify_route, err);
    if (rc == IST_OK)
        rc = each(s, "security_groups", verify_rule, err);
    return rc == IST_OK ? verify_next_hop(s, err) : rc;
}

int32_t routes_verify(const ist_host *host, ist_call *call)
{
    return over(host, call, verify);
}
