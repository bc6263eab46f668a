// What plan refuses before anything is changed: networks that overlap, and quotas that would be passed.
#include "routes.h"

#include <isthmus/schema.h>

#include <string.h>

// AWS's defaults; an account may have more, so that only what passes them is told of.
#define ROUTES_PER_TABLE 500
#define RULES_PER_GROUP  60

// The VPC's own addresses: the local route of any of its tables.
static int is_local(const json_t *route)
{
    return strcmp(ist_json_str_or(route, "gatewayId", ""), "local") == 0;
}

static int32_t check_against_vpc(const struct step *s, const char *cidr, ist_net4 net, ist_error *err)
{
    json_t *table, *route;
    size_t i, k;
    json_array_foreach(s->tables, i, table)
    {
        json_array_foreach(json_object_get(table, "routeSet"), k, route)
        {
            ist_net4 other;
            const char *destination = ist_json_str_or(route, "destinationCidrBlock", "");
            if (!is_local(route) || ist_net4_parse(destination, &other, NULL) != IST_OK ||
                !ist_net4_overlap(net, other))
                continue;
            ist_fail(err, IST_ERR_INPUT, "onPremCidr",
                     "%s overlaps with the VPC's own %s: nothing could be routed between them", cidr,
                     destination);
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

static size_t rules_of(const json_t *group)
{
    json_t *permission;
    size_t i, count = 0;
    json_array_foreach(json_object_get(group, "ipPermissions"), i, permission)
    {
        count += json_array_size(json_object_get(permission, "ipRanges")) +
                 json_array_size(json_object_get(permission, "ipv6Ranges")) +
                 json_array_size(json_object_get(permission, "prefixListIds")) +
                 json_array_size(json_object_get(permission, "groups"));
    }
    return count;
}

static void warn(const struct step *s, const char *id, const char *what, size_t have, size_t more,
                 size_t quota)
{
    if (more > 0 && have + more > quota)
        ist_log(&s->env, IST_LOG_WARN, "%s will have %zu %s: AWS allows %zu unless the quota was raised", id,
                have + more, what, quota);
}

int32_t check_quotas(struct step *s, ist_error *err)
{
    json_t *item, *cidr;
    size_t i, k;
    (void)err;
    json_array_foreach(s->tables, i, item)
    {
        const char *id = ist_json_str_or(item, "routeTableId", "");
        size_t missing = 0;
        json_array_foreach(s->cidrs, k, cidr)
        {
            missing += route_find(s->tables, id, json_string_value(cidr)) == NULL;
        }
        warn(s, id, "routes", json_array_size(json_object_get(item, "routeSet")), missing, ROUTES_PER_TABLE);
    }
    json_array_foreach(s->groups, i, item)
    {
        const char *id = ist_json_str_or(item, "groupId", "");
        size_t missing = 0;
        json_array_foreach(s->cidrs, k, cidr)
        {
            missing += !ingress_find(s->groups, id, json_string_value(cidr));
        }
        warn(s, id, "rules", rules_of(item), missing, RULES_PER_GROUP);
    }
    return IST_OK;
}
