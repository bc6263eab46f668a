// Finding a role by what people call it.
#include "internal.h"

#include <string.h>

static int is_named(const json_t *role, const char *name)
{
    return strcmp(ist_json_str_or(role, "RoleName", ""), name) == 0 ||
           strcmp(ist_json_str_or(role, "Arn", ""), name) == 0;
}

int32_t ist_aws_find_role(ist_aws *aws, const char *name, char **arn, ist_error *err)
{
    json_t *roles = NULL, *role;
    const json_t *exact = NULL, *part = NULL;
    size_t i, parts = 0;
    ist_buf names = {0};
    int32_t rc = ist_aws_query_all(aws, "iam", "ListRoles", NULL, "Roles", &roles, err);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(roles, i, role)
    {
        if (is_named(role, name))
            exact = role;
        if (strstr(ist_json_str_or(role, "Arn", ""), name) == NULL)
            continue;
        part = role;
        parts++;
        ist_buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", ist_json_str_or(role, "RoleName", "?"));
    }
    const json_t *found = exact != NULL ? exact : parts == 1 ? part : NULL;
    if (found != NULL)
        *arn = ist_strdup(ist_json_str_or(found, "Arn", ""));
    else if (parts > 1)
        rc = ist_fail(err, IST_ERR_INPUT, "IAM ListRoles", "\"%s\" is part of several roles: %s", name,
                      names.data);
    else
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "IAM ListRoles", "this AWS account has no role called \"%s\"",
                      name);
    ist_buf_free(&names);
    json_decref(roles);
    return rc;
}
