// What plan refuses before anything is changed: networks that overlap; and what it warns of.
#include "routes.h"

#include <isthmus/schema.h>

#include <string.h>

static void hint_picture(const char *a, ist_net4 x, const char *b, ist_net4 y, ist_error *err)
{
    char *picture = ist_net_picture((ist_net_bar[]){{a, x}, {b, y}}, 2);
    ist_hint(err, "%s", picture);
    ist_free(picture);
}

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
            hint_picture("VPC", other, "on premises", net, err);
            return IST_ERR_INPUT;
        }
    }
    return IST_OK;
}

static int32_t check_pair(const char *a, const char *b, ist_net4 x, ist_net4 y, ist_error *err)
{
    if (!ist_net4_overlap(x, y))
        return IST_OK;
    ist_fail(err, IST_ERR_INPUT, "onPremCidr",
             "%s and %s overlap: name the wider one only, or keep them apart", a, b);
    hint_picture("on premises", x, "on premises", y, err);
    return IST_ERR_INPUT;
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

static void warn_of_routes(struct step *s, const char *id, const json_t *routes, const char *eni)
{
    const char *network;
    json_t *target, *cidr;
    size_t k;
    json_object_foreach((json_t *)routes, network, target)
    {
        json_array_foreach(s->cidrs, k, cidr)
        {
            const char *to = json_string_value(target), *wide = json_string_value(cidr);
            if (strcmp(network, wide) != 0 && strcmp(to, eni) != 0 && net_is_within(network, wide))
                ist_log(&s->env, IST_LOG_WARN,
                        "%s leads %s, a part of %s, to %s: what goes there does not go by %s", id, network,
                        wide, to, eni);
        }
    }
}

void check_narrower(struct step *s, const char *eni)
{
    const char *id;
    json_t *table;
    json_object_foreach(s->tables, id, table)
    {
        warn_of_lists(s, id, table, eni);
        warn_of_routes(s, id, json_object_get(table, "routes"), eni);
        warn_of_routes(s, id, json_object_get(table, "announced"), eni);
    }
}
