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

char *resource_holder(const char *resource, const char *kind)
{
    const size_t len = strlen(kind);
    if (strncmp(resource, kind, len) != 0 || resource[len] != ' ')
        return NULL;
    const char *holder = resource + len + 1;
    return ist_strndup(holder, strcspn(holder, " "));
}

static void add_all(struct step *s, const char *input, char *(*name)(const char *, const char *))
{
    json_t *holder, *cidr;
    size_t i, k;
    json_array_foreach(json_object_get(s->inputs, input), i, holder)
    {
        json_array_foreach(s->cidrs, k, cidr)
        {
            char *resource = name(json_string_value(holder), json_string_value(cidr));
            json_object_set_new(s->wanted, resource, json_true());
            ist_free(resource);
        }
    }
}

int resource_is_wanted(struct step *s, const char *resource)
{
    if (s->wanted == NULL) {
        s->wanted = json_object();
        add_all(s, "route_tables", route_resource);
        add_all(s, "security_groups", ingress_resource);
    }
    return json_object_get(s->wanted, resource) != NULL;
}
