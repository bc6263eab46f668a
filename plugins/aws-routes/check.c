// What plan refuses before anything is changed: networks that overlap, and quotas that would be passed; and what it warns of.
#include "routes.h"

#include <isthmus/schema.h>

#include <string.h>

// AWS's defaults, and how far it raises them at the most: "Amazon VPC quotas" in its user guide.
#define ROUTES_PER_TABLE   500
#define ROUTES_AT_MOST     1000
#define RULES_PER_GROUP    60
#define RULES_TIMES_GROUPS 1000

// The VPC's own addresses are the local routes of any of its tables.
static int32_t check_against_vpc(const struct step *s, const char *cidr, ist_net4 net, ist_error *err)
{
    const char *id;
    json_t *table, *local;
    size_t i;
    json_object_foreach(s->tables, id, table)
    {
        json_array_foreach(json_object_get(table, "local"), i, local)
        {
            ist_net4 other;
            if (ist_net4_parse(json_string_value(local), &other, NULL) != IST_OK ||
                !ist_net4_overlap(net, other))
                continue;
            ist_fail(err, IST_ERR_INPUT, "onPremCidr",
                     "%s overlaps with the VPC's own %s: nothing could be routed between them", cidr,
                     json_string_value(local));
            char *picture = ist_net_picture((ist_net_bar[]){{"VPC", other}, {"on premises", net}}, 2);
            ist_hint(err, "%s", picture);
            ist_free(picture);
            return IST_ERR_INPUT;
        }
    }
    return IST_OK;
}

static int32_t check_pair(const char *a, const char *b, ist_net4 x, ist_net4 y, ist_error *err)
{
    if (!ist_net4_overlap(x, y))
        return IST_OK;
    return ist_fail(err, IST_ERR_INPUT, "onPremCidr",
                    "%s and %s overlap: name the wider one only, or keep them apart", a, b);
}

int32_t check_networks(struct step *s, ist_error *err)
{
    const size_t count = json_array_size(s->cidrs);
    int32_t rc = IST_OK;
    for (size_t i = 0; i < count && rc == IST_OK; i++) {
        const char *cidr = json_string_value(json_array_get(s->cidrs, i));
        ist_net4 net, other;
        rc = ist_net4_parse(cidr, &net, err);
        if (rc == IST_OK)
            rc = check_against_vpc(s, cidr, net, err);
        for (size_t k = 0; k < i && rc == IST_OK; k++) {
            const char *earlier = json_string_value(json_array_get(s->cidrs, k));
            if (ist_net4_parse(earlier, &other, NULL) == IST_OK)
                rc = check_pair(earlier, cidr, other, net, err);
        }
    }
    return rc;
}

// ---- quotas ----

struct held { // what a table or group will hold
    const char *id, *what, *quota;
    size_t have, missing;
};

static size_t held_count(const struct held *h)
{
    return h->missing > 0 ? h->have + h->missing : 0; // nothing is added: nothing is said
}

// The default may have been raised for this account, which only it can tell: a warning. What AWS raises for nobody
// is refused.
static int32_t judge(const struct step *s, const struct held *h, size_t by_default, size_t most,
                     const char *why, ist_error *err)
{
    if (held_count(h) > most) {
        ist_fail(err, IST_ERR_LIMIT, h->id, "would have %zu %s, and %zu are the most that AWS allows%s",
                 held_count(h), h->what, most, why);
        ist_hint(err, "name fewer, wider networks on premises, or take out what is not needed any more");
        return IST_ERR_LIMIT;
    }
    if (held_count(h) > by_default)
        ist_log(&s->env, IST_LOG_WARN,
                "%s will have %zu %s: AWS allows %zu unless the quota \"%s\" was raised", h->id,
                held_count(h), h->what, by_default, h->quota);
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
        struct held held = {id, "routes", "Routes per route table", (size_t)ist_json_int(table, "count", 0),
                            0};
        json_array_foreach(s->cidrs, k, cidr)
        {
            held.missing += route_target(s->tables, id, json_string_value(cidr)) == NULL;
        }
        if (rc == IST_OK)
            rc = judge(s, &held, ROUTES_PER_TABLE, ROUTES_AT_MOST, "", err);
    }
    return rc;
}

static struct held rules_of(const struct step *s, const char *id, const json_t *group)
{
    struct held held = {id, "rules", "Inbound or outbound rules per security group",
                        (size_t)ist_json_int(group, "count", 0), 0};
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
        if (held_count(&held) > RULES_PER_GROUP && json_array_size(full) < 200) // a filter's limit
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
            rc = judge(s, &held, RULES_PER_GROUP, RULES_TIMES_GROUPS / beside, why, err);
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

// ---- what goes another way all the same ----

static void warn_of_lists(struct step *s, const char *id, const json_t *table, const char *eni)
{
    const char *network;
    json_t *by, *cidr;
    size_t k;
    json_object_foreach(json_object_get(table, "by_list"), network, by)
    {
        const char *list = json_string_value(json_array_get(by, 0)),
                   *to = json_string_value(json_array_get(by, 1));
        json_array_foreach(s->cidrs, k, cidr)
        {
            const char *wide = json_string_value(cidr);
            if (to == NULL || strcmp(to, eni) == 0 || !net_is_within(network, wide))
                continue;
            if (strcmp(network, wide) == 0)
                ist_log(&s->env, IST_LOG_WARN,
                        "%s leads %s to %s by the prefix list %s: the route to %s goes before it", id, wide,
                        to, list, eni);
            else
                ist_log(&s->env, IST_LOG_WARN,
                        "%s leads %s, a part of %s, to %s by the prefix list %s: what goes there does not go "
                        "by %s",
                        id, network, wide, to, list, eni);
        }
    }
}

void check_narrower(struct step *s, const char *eni)
{
    const char *id, *network;
    json_t *table, *target, *cidr;
    size_t k;
    json_object_foreach(s->tables, id, table)
    {
        warn_of_lists(s, id, table, eni);
        json_object_foreach(json_object_get(table, "routes"), network, target)
        {
            json_array_foreach(s->cidrs, k, cidr)
            {
                const char *to = json_string_value(target), *wide = json_string_value(cidr);
                if (strcmp(network, wide) != 0 && strcmp(to, eni) != 0 && net_is_within(network, wide))
                    ist_log(&s->env, IST_LOG_WARN,
                            "%s leads %s, a part of %s, to %s: what goes there does not go by %s", id,
                            network, wide, to, eni);
            }
        }
    }
}
