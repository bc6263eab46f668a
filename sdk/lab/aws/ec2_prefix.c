// Managed prefix lists: routes and rules may name one instead of a network.
#include "ec2.h"

#include <stdlib.h>
#include <string.h>

static json_t *create_list(struct aws_call *c)
{
    const char *name = aws_need(c, "PrefixListName"), *most = name ? aws_need(c, "MaxEntries") : NULL;
    const char *family = most ? aws_need(c, "AddressFamily") : NULL;
    json_t *entries = json_array(), *entry;
    size_t i;
    if (!family || (strcmp(family, "IPv4") != 0 && strcmp(family, "IPv6") != 0)) {
        json_decref(entries);
        return c->status ? NULL
                         : aws_fail(c, 400, "InvalidParameterValue", "Invalid AddressFamily: %s", family);
    }
    json_array_foreach(aws_list(c, "Entry"), i, entry)
    {
        const char *text = aws_text(entry, "Description");
        char *cidr = !strcmp(family, "IPv4") ? ec2_cidr(c, aws_text(entry, "Cidr"))
                                             : lab_strdup(aws_text(entry, "Cidr"));
        if (cidr)
            json_array_append_new(entries,
                                  json_pack("{ss ss*}", "cidr", cidr, "description", *text ? text : NULL));
        free(cidr);
    }
    if (!c->status && json_array_size(entries) > strtoul(most, NULL, 10))
        aws_fail(c, 400, "PrefixListMaxEntriesExceeded", "You have reached the maximum of %s entries", most);
    json_t *list =
        c->status
            ? NULL
            : aws_add(c, "prefix-list",
                      json_pack("{ss ss ss si si ss sO}", "addressFamily", family, "state", "create-complete",
                                "prefixListName", name, "maxEntries", (int)strtoul(most, NULL, 10), "version",
                                1, "ownerId", AWS_ACCOUNT, "_entries", entries));
    json_decref(entries);
    return list ? json_pack("{sO}", "prefixList", list) : NULL;
}

static json_t *describe_lists(struct aws_call *c)
{
    return aws_describe(c, "prefix-list");
}

static json_t *get_entries(struct aws_call *c)
{
    const json_t *list = aws_find_arg(c, "prefix-list", "PrefixListId");
    return list ? json_pack("{sO}", "entrySet", json_object_get(list, "_entries")) : NULL;
}

static bool in_use(const struct aws_call *c, const char *id)
{
    const char *key;
    json_t *holder, *route;
    size_t i;
    json_object_foreach(aws_all(c, "security-group-rule"), key, holder)
    {
        if (aws_is(holder, "prefixListId", id))
            return true;
    }
    json_object_foreach(aws_all(c, "route-table"), key, holder)
    {
        json_array_foreach(json_object_get(holder, "routeSet"), i, route)
        {
            if (aws_is(route, "destinationPrefixListId", id))
                return true;
        }
    }
    return false;
}

static json_t *delete_list(struct aws_call *c)
{
    json_t *list = aws_find_arg(c, "prefix-list", "PrefixListId");
    const char *id = aws_str(c, "PrefixListId");
    if (!list)
        return NULL;
    if (in_use(c, id))
        return ec2_dependency(c, "prefixList", id);
    json_t *answer = json_pack("{sO}", "prefixList", list);
    aws_remove(c, "prefix-list", id);
    return answer;
}

size_t ec2_weight(const struct aws_call *c, const char *prefix_list)
{
    const json_t *list = *prefix_list ? aws_get(c, "prefix-list", prefix_list) : NULL;
    return list ? (size_t)json_integer_value(json_object_get(list, "maxEntries")) : 1;
}

const struct aws_action aws_prefix_actions[] = {{"CreateManagedPrefixList", create_list, true},
                                                {"DescribeManagedPrefixLists", describe_lists, false},
                                                {"GetManagedPrefixListEntries", get_entries, false},
                                                {"DeleteManagedPrefixList", delete_list, true},
                                                {NULL, NULL, false}};
