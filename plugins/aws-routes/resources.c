#include "routes.h"

#include <string.h>

char *route_resource(const char *table, const char *cidr)
{
    return ist_printf("route %s %s", table, cidr);
}

char *ingress_resource(const char *group, const char *cidr)
{
    return ist_printf("ingress %s %s", group, cidr);
}

static int is_among(const struct step *s, const json_t *holders, const char *resource,
                    char *(*name)(const char *, const char *))
{
    json_t *holder, *cidr;
    size_t i, k;
    json_array_foreach((json_t *)holders, i, holder)
    {
        json_array_foreach(s->cidrs, k, cidr)
        {
            char *wanted = name(json_string_value(holder), json_string_value(cidr));
            const int same = strcmp(wanted, resource) == 0;
            ist_free(wanted);
            if (same)
                return 1;
        }
    }
    return 0;
}

int resource_is_wanted(const struct step *s, const char *resource)
{
    return is_among(s, json_object_get(s->inputs, "route_tables"), resource, route_resource) ||
           is_among(s, json_object_get(s->inputs, "security_groups"), resource, ingress_resource);
}
