// Quotas, before anything is changed: routes in a table, rules in a group, and rules times groups at an interface. What an
// account may have is asked of Service Quotas, once it would have more than every account may.
#include "routes.h"

#include <string.h>

struct quota {
    const char *code, *name; // as Service Quotas has them, of service "vpc"
    size_t least,
        by_default; // what every account has; what a new one has: "Amazon VPC quotas" in its user guide
};

static const struct quota routes_per_table = {"L-93826ACB", "Routes per route table", 50, 500};
static const struct quota rules_per_group = {"L-0EA8095F", "Inbound or outbound rules per security group", 60,
                                             60};

// How far AWS raises them at the most.
#define ROUTES_AT_MOST     1000
#define RULES_TIMES_GROUPS 1000

struct held { // what a table or group will hold
    const char *id, *what;
    const struct quota *quota;
    size_t have, missing;
};

static size_t held_count(const struct held *h)
{
    return h->missing > 0 ? h->have + h->missing : 0; // nothing is added: nothing is said
}

// What the account has of it, asked once; 0: it is not told, for whatever reason.
static size_t applied(struct step *s, const struct quota *quota)
{
    if (s->quotas == NULL)
        s->quotas = json_object();
    if (json_object_get(s->quotas, quota->code) == NULL) {
        json_t *params = json_pack("{s:s, s:s}", "ServiceCode", "vpc", "QuotaCode", quota->code);
        json_t *answer = NULL;
        const int32_t rc = ist_aws_json(s->aws, "servicequotas", "ServiceQuotasV20190624.GetServiceQuota",
                                        params, &answer, NULL);
        const json_t *value = ist_json_at(answer, "Quota.Value");
        json_object_set_new(s->quotas, quota->code,
                            rc == IST_OK && json_is_number(value)
                                ? json_integer((json_int_t)json_number_value(value))
                                : json_null());
        json_decref(answer);
        json_decref(params);
    }
    const json_int_t value = json_integer_value(json_object_get(s->quotas, quota->code));
    return value > 0 ? (size_t)value : 0;
}

static int32_t refuse_quota(const struct held *h, size_t allowed, ist_error *err)
{
    ist_fail(err, IST_ERR_LIMIT, h->id, "would have %zu %s, and the quota \"%s\" of this account is %zu",
             held_count(h), h->what, h->quota->name, allowed);
    ist_hint(err,
             "name fewer, wider networks on premises, or ask AWS for more: aws service-quotas "
             "request-service-quota-increase --service-code vpc --quota-code %s --desired-value %zu",
             h->quota->code, held_count(h));
    return IST_ERR_LIMIT;
}

// What the account has not, and what AWS raises for nobody, is refused; where it is not known what the account has,
// what is more than the default is warned of.
static int32_t judge(struct step *s, const struct held *h, size_t most, const char *why, ist_error *err)
{
    if (held_count(h) > most) {
        ist_fail(err, IST_ERR_LIMIT, h->id, "would have %zu %s, and %zu are the most that AWS allows%s",
                 held_count(h), h->what, most, why);
        ist_hint(err, "name fewer, wider networks on premises, or take out what is not needed any more");
        return IST_ERR_LIMIT;
    }
    const size_t allowed = held_count(h) > h->quota->least ? applied(s, h->quota) : 0;
    if (allowed > 0 && held_count(h) > allowed)
        return refuse_quota(h, allowed, err);
    if (allowed == 0 && held_count(h) > h->quota->by_default)
        ist_log(&s->env, IST_LOG_WARN,
                "%s will have %zu %s: AWS allows %zu unless the quota \"%s\" was raised, which is not known "
                "without leave for servicequotas:GetServiceQuota",
                h->id, held_count(h), h->what, h->quota->by_default, h->quota->name);
    return IST_OK;
}

static int32_t check_tables_quota(struct step *s, ist_error *err)
{
    const char *id;
    json_t *table, *cidr;
    size_t k;
    int32_t rc = IST_OK;
    json_object_foreach(s->tables, id, table)
    {
        struct held held = {id, "routes", &routes_per_table, (size_t)ist_json_int(table, "count", 0), 0};
        json_array_foreach(s->cidrs, k, cidr)
        {
            held.missing += route_target(s->tables, id, json_string_value(cidr)) == NULL;
        }
        if (rc == IST_OK)
            rc = judge(s, &held, ROUTES_AT_MOST, "", err);
    }
    return rc;
}

static struct held rules_of(const struct step *s, const char *id, const json_t *group)
{
    struct held held = {id, "rules", &rules_per_group, (size_t)ist_json_int(group, "count", 0), 0};
    json_t *cidr;
    size_t k;
    json_array_foreach(s->cidrs, k, cidr)
    {
        held.missing += !ingress_find(s->groups, id, json_string_value(cidr));
    }
    return held;
}

// The most groups that one interface with this group has.
static size_t groups_beside(const json_t *interfaces, const char *id)
{
    json_t *interface, *group;
    size_t i, k, most = 1;
    json_array_foreach((json_t *)interfaces, i, interface)
    {
        const json_t *groups = json_object_get(interface, "groupSet");
        json_array_foreach((json_t *)groups, k, group)
        {
            if (strcmp(ist_json_str_or(group, "groupId", ""), id) == 0 && json_array_size(groups) > most)
                most = json_array_size(groups);
        }
    }
    return most;
}

static int32_t read_interfaces(struct step *s, const json_t *ids, json_t **interfaces, ist_error *err)
{
    json_t *params = json_pack("{s:[{s:s, s:O}]}", "Filter", "Name", "group-id", "Value", ids);
    const int32_t rc = ist_aws_query_all(s->aws, "ec2", "DescribeNetworkInterfaces", params,
                                         "networkInterfaceSet", interfaces, err);
    json_decref(params);
    return rc;
}

// Rules in a group times groups at an interface are 1000 at the most, whatever quotas were raised.
static int32_t check_groups_quota(struct step *s, ist_error *err)
{
    const char *id;
    json_t *group, *full = json_array(), *interfaces = NULL;
    int32_t rc = IST_OK;
    json_object_foreach(s->groups, id, group)
    {
        const struct held held = rules_of(s, id, group);
        if (held_count(&held) > rules_per_group.by_default && json_array_size(full) < 200) // a filter's limit
            json_array_append_new(full, json_string(id));
    }
    if (json_array_size(full) > 0)
        rc = read_interfaces(s, full, &interfaces, err);
    json_object_foreach(s->groups, id, group)
    {
        const struct held held = rules_of(s, id, group);
        const size_t beside = groups_beside(interfaces, id);
        char *why = beside > 1 ? ist_printf(" where an interface has %zu groups", beside) : ist_strdup("");
        if (rc == IST_OK)
            rc = judge(s, &held, RULES_TIMES_GROUPS / beside, why, err);
        ist_free(why);
    }
    json_decref(interfaces);
    json_decref(full);
    return rc;
}

int32_t check_quotas(struct step *s, ist_error *err)
{
    const int32_t rc = check_tables_quota(s, err);
    return rc == IST_OK ? check_groups_quota(s, err) : rc;
}
