// What is left in a network and keeps it from going: interfaces and security groups.
#include "internal.h"

#include <string.h>

#define TOLD 5 // more is no help

static json_t *described(ist_aws *aws, const char *action, const char *set, const char *filter,
                         const char *value)
{
    json_t *params = json_pack("{s:[{s:s, s:[s]}]}", "Filter", "Name", filter, "Value", value), *found = NULL;
    if (ist_aws_query_all(aws, "ec2", action, params, set, &found, NULL) != IST_OK)
        found = NULL; // what is known is told
    json_decref(params);
    return found;
}

static void tell(ist_buf *text, size_t *told, const char *kind, const char *id, const char *what)
{
    if (++*told <= TOLD)
        ist_buf_printf(text, "%s%s %s (%s)", *told > 1 ? ", " : "", kind, id, what);
}

char *ist_aws_blockers(ist_aws *aws, const char *eni_filter, const char *eni_value, const char *group_filter,
                       const char *group_value)
{
    json_t *enis = described(aws, "DescribeNetworkInterfaces", "networkInterfaceSet", eni_filter, eni_value),
           *groups = described(aws, "DescribeSecurityGroups", "securityGroupInfo", group_filter, group_value),
           *item;
    ist_buf text = {0};
    size_t i, told = 0;
    json_array_foreach(enis, i, item)
    {
        const char *what = ist_json_str_or(item, "description", "");
        tell(&text, &told, "interface", ist_json_str_or(item, "networkInterfaceId", "?"),
             *what != '\0' ? what : ist_json_str_or(item, "status", "?"));
    }
    json_array_foreach(groups, i, item)
    {
        const char *name = ist_json_str_or(item, "groupName", "?");
        if (strcmp(name, "default") != 0) // goes with the VPC
            tell(&text, &told, "group", ist_json_str_or(item, "groupId", "?"), name);
    }
    if (told > TOLD)
        ist_buf_printf(&text, " and %zu more", told - TOLD);
    json_decref(enis);
    json_decref(groups);
    return told > 0 ? ist_buf_take(&text) : NULL;
}
