#include "operations.h"
#include "stack.h"
#include "vpc.h"

#include <string.h>

struct step {
    ist_env env;
    json_t *inputs, *recorded;
    ist_aws *aws;
    struct network network;
    int found;
};

static const char *input(const struct step *s, const char *path)
{
    const char *text = ist_json_str(s->inputs, path);
    return text != NULL && *text != '\0' ? text : NULL;
}

static int creates(const struct step *s)
{
    return ist_json_bool(s->inputs, "create", 0);
}

static int32_t begin(struct step *s, const ist_host *host, ist_call *call, ist_error *err)
{
    *s = (struct step){.env = {host, call}};
    s->inputs = ist_inputs(&s->env);
    s->recorded = ist_recorded(&s->env);
    const ist_aws_options options = {
        .size = sizeof(options), .region = input(s, "region"), .profile = input(s, "profile")};
    return ist_aws_new(&s->env, &options, &s->aws, err);
}

static int32_t end(struct step *s, int32_t rc, const ist_error *err)
{
    if (rc != IST_OK)
        ist_report(&s->env, err);
    network_free(&s->network);
    ist_aws_free(s->aws);
    json_decref(s->inputs);
    json_decref(s->recorded);
    return rc;
}

// Fills s->network. IST_ERR_NOT_FOUND with the reason.
static int32_t find(struct step *s, ist_error *err)
{
    json_t *vpc = NULL;
    const int32_t rc = creates(s) ? stack_find_vpc(s->aws, s->inputs, s->recorded, &vpc, err)
                                  : network_find_vpc(s->aws, s->inputs, &vpc, err);
    if (rc != IST_OK)
        return rc;
    network_free(&s->network);
    s->found = 0;
    const int32_t read = network_read(s->aws, s->inputs, vpc, &s->network, err);
    s->found = read == IST_OK;
    return read;
}

// What observe found, for plan, which comes next and need not ask for the same again. The tables whole only where they
// are looked at one by one. New reference.
static json_t *told_of(const struct step *s)
{
    const struct network *n = &s->network;
    return json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O*}", "vpc", n->vpc, "public_subnets",
                     n->public_subnets, "private_subnets", n->private_subnets, "public_route_tables",
                     n->public_tables, "private_route_tables", n->private_tables, "worker_security_groups",
                     n->worker_groups, "pod_subnets", n->pod_subnets, "tables",
                     creates(s) ? n->tables : NULL);
}

static int was_found(struct step *s)
{
    json_t *observed = ist_observed(&s->env);
    struct network *n = &s->network;
    s->found =
        json_unpack(observed, "{s:O, s:O, s:O, s:O, s:O, s:O, s:O, s?O}", "vpc", &n->vpc, "public_subnets",
                    &n->public_subnets, "private_subnets", &n->private_subnets, "public_route_tables",
                    &n->public_tables, "private_route_tables", &n->private_tables, "worker_security_groups",
                    &n->worker_groups, "pod_subnets", &n->pod_subnets, "tables", &n->tables) == 0 &&
        (n->tables != NULL || !creates(s));
    if (!s->found)
        network_free(n); // what was unpacked before the first that is missing
    json_decref(observed);
    return s->found;
}

static void set_outputs(const struct step *s)
{
    const struct network *n = &s->network;
    ist_set_output(&s->env, "region", json_string(ist_aws_region(s->aws)));
    if (!s->found)
        return;
    ist_set_output(&s->env, "vpc_id", json_string(ist_json_str_or(n->vpc, "vpcId", "")));
    ist_set_output(&s->env, "cidr", json_string(ist_json_str_or(n->vpc, "cidrBlock", "")));
    ist_set_output(&s->env, "public_subnets", json_incref(n->public_subnets));
    ist_set_output(&s->env, "private_subnets", json_incref(n->private_subnets));
    ist_set_output(&s->env, "public_route_tables", json_incref(n->public_tables));
    ist_set_output(&s->env, "private_route_tables", json_incref(n->private_tables));
    ist_set_output(&s->env, "worker_security_groups", json_incref(n->worker_groups));
}

int32_t vpc_observe(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = find(&s, &err);
    if (rc == IST_ERR_NOT_FOUND) // plan says what is missing; a destroy must get past it
        rc = IST_OK;
    if (rc == IST_OK) {
        ist_set_observed(&s.env, s.found ? told_of(&s) : json_pack("{s:n}", "vpc"));
        set_outputs(&s);
    }
    return end(&s, rc, &err);
}

// Routes go into the private tables: pods elsewhere would not be led on premises.
static void warn_of_public_pods(const struct step *s)
{
    json_t *subnet, *pods;
    size_t i, k;
    json_array_foreach(s->network.public_subnets, i, subnet)
    {
        json_array_foreach(s->network.pod_subnets, k, pods)
        {
            if (strcmp(ist_json_str_or(subnet, "id", ""), json_string_value(pods)) == 0)
                ist_log(&s->env, IST_LOG_WARN,
                        "pods have interfaces in the public subnet %s (%s), whose table is none of "
                        "`private_route_tables`: what leads on premises does not lead from there",
                        ist_json_str_or(subnet, "id", ""), ist_json_str_or(subnet, "cidr", ""));
        }
    }
}

int32_t vpc_plan(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    uint32_t action = 0;
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK && !was_found(&s)) { // why it is not found is said here
        rc = find(&s, &err);
        if (rc == IST_ERR_NOT_FOUND && creates(&s))
            rc = IST_OK;
    }
    if (rc == IST_OK && creates(&s))
        rc = stack_plan(&s.env, s.aws, s.inputs, s.recorded, s.found ? &s.network : NULL, &action, &err);
    if (rc == IST_OK && s.found)
        warn_of_public_pods(&s);
    if (rc == IST_OK && json_array_size(s.network.worker_groups) == 0 && s.found && !creates(&s))
        ist_log(&s.env, IST_LOG_WARN, "no security group of workers is found in %s: set `worker_group_name`",
                ist_json_str_or(s.network.vpc, "vpcId", "?"));
    if (rc == IST_OK) {
        if (action == IST_CREATE || action == IST_REPLACE)
            s.found = 0; // what follows is known after apply
        set_outputs(&s);
    }
    return end(&s, rc, &err);
}

int32_t vpc_apply(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK && creates(&s)) {
        rc = find(&s, &err);
        if (rc == IST_ERR_NOT_FOUND)
            rc = IST_OK;
        if (rc == IST_OK)
            rc = stack_apply(&s.env, s.aws, s.inputs, s.recorded, s.found ? &s.network : NULL, &err);
    }
    if (rc == IST_OK)
        rc = find(&s, &err);
    if (rc == IST_OK)
        set_outputs(&s);
    return end(&s, rc, &err);
}

int32_t vpc_destroy(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = stack_destroy(&s.env, s.aws, s.inputs, s.recorded, &err);
    return end(&s, rc, &err);
}

// ---- verify ----

static const char *default_target(const json_t *tables, const char *table_id)
{
    json_t *table, *route;
    size_t i, k;
    json_array_foreach((json_t *)tables, i, table)
    {
        if (strcmp(ist_json_str_or(table, "routeTableId", ""), table_id) != 0)
            continue;
        json_array_foreach(json_object_get(table, "routeSet"), k, route)
        {
            if (strcmp(ist_json_str_or(route, "destinationCidrBlock", ""), "0.0.0.0/0") == 0)
                return ist_json_str_or(route, "natGatewayId",
                                       ist_json_str_or(route, "gatewayId", "another target"));
        }
    }
    return NULL;
}

int32_t vpc_verify(const ist_host *host, ist_call *call)
{
    struct step s;
    ist_error err = {0};
    int32_t rc = begin(&s, host, call, &err);
    if (rc == IST_OK)
        rc = find(&s, &err);
    if (rc == IST_ERR_NOT_FOUND) {
        ist_check(&s.env, "VPC exists", IST_FAIL, "%s", err.text);
        return end(&s, IST_OK, &err);
    }
    if (rc != IST_OK)
        return end(&s, rc, &err);
    const struct network *n = &s.network;
    ist_check(&s.env, "VPC exists", IST_PASS, "%s, %s", ist_json_str_or(n->vpc, "vpcId", "?"),
              ist_json_str_or(n->vpc, "cidrBlock", "?"));
    ist_check(&s.env, "subnets of both kinds exist",
              json_array_size(n->public_subnets) > 0 && json_array_size(n->private_subnets) > 0 ? IST_PASS
                                                                                                : IST_FAIL,
              "%zu public, %zu private", json_array_size(n->public_subnets),
              json_array_size(n->private_subnets));
    json_t *table;
    size_t i;
    json_array_foreach(n->private_tables, i, table)
    {
        const char *target = default_target(n->tables, json_string_value(table));
        char *name = ist_printf("private route table %s leads out", json_string_value(table));
        // Without SNAT on the nodes it is this gateway that gives pods their way out.
        ist_check(&s.env, name, target != NULL ? IST_PASS : IST_WARN, "0.0.0.0/0 by %s",
                  target != NULL ? target : "nothing");
        ist_free(name);
    }
    return end(&s, IST_OK, &err);
}
