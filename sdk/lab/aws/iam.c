// IAM: the roles that are there from the start.
#include "inner.h"

#include <stdlib.h>
#include <string.h>

#define TRUST_ACCOUNT                                                                                        \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam:" \
    ":" AWS_ACCOUNT ":root\"},\"Action\":\"sts:AssumeRole\"}]}"
#define TRUST_SERVICE(name)                                                                                  \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"" name    \
    ".amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}"

static const struct {
    const char *name, *id, *trust, *description;
} roles[] = {
    {"AWSServiceRoleForAmazonEKS", "AROALABEKSSERVICE0001", TRUST_SERVICE("eks"),
     "Amazon EKS manages clusters"},
    {"k8s-ccp-user", "AROALABK8SCCPUSER0001", TRUST_ACCOUNT, "Access to clusters of the container platform"},
    {"k8s-node-instance-role", "AROALABNODEINSTANCE01", TRUST_SERVICE("ec2"), "Worker nodes"},
};

void aws_iam_start(struct lab *lab)
{
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        char *arn = lab_format("arn:aws:iam::" AWS_ACCOUNT ":role/%s", roles[i].name),
             *trust = aws_encode(roles[i].trust);
        json_object_set_new(all, roles[i].name,
                            json_pack("{ss ss ss ss ss ss ss si}", "Path", "/", "RoleName", roles[i].name,
                                      "RoleId", roles[i].id, "Arn", arn, "CreateDate", "2024-01-15T09:30:00Z",
                                      "AssumeRolePolicyDocument", trust, "Description", roles[i].description,
                                      "MaxSessionDuration", 3600));
        free(arn);
        free(trust);
    }
    json_object_set_new(lab->aws->store, "role", all);
}

static json_t *list_roles(struct aws_call *c)
{
    json_t *found = json_array(), *role;
    const char *name, *prefix = aws_str(c, "PathPrefix");
    json_object_foreach(aws_all(c, "role"), name, role)
    {
        if (!prefix || !strncmp(aws_text(role, "Path"), prefix, strlen(prefix)))
            json_array_append(found, role);
    }
    json_t *answer = aws_page(c, "Roles", found, aws_str(c, "MaxItems"), aws_str(c, "Marker"));
    if (!answer)
        return NULL;
    json_t *next = json_object_get(answer, "nextToken");
    json_object_set_new(answer, "IsTruncated", json_boolean(next != NULL));
    if (next)
        json_object_set(answer, "Marker", next);
    json_object_del(answer, "nextToken");
    return answer;
}

static json_t *get_role(struct aws_call *c)
{
    const char *name = aws_need(c, "RoleName");
    if (!name)
        return NULL;
    json_t *role = aws_get(c, "role", name);
    return role ? json_pack("{sO}", "Role", role)
                : aws_fail(c, 404, "NoSuchEntity", "The role with name %s cannot be found.", name);
}

static const struct aws_action actions[] = {
    {"ListRoles", list_roles, false}, {"GetRole", get_role, false}, {NULL, NULL, false}};
static const struct aws_action *const tables[] = {actions, NULL};
const struct aws_service aws_iam = {.name = "iam",
                                    .label = "IAM",
                                    .xmlns = "https://iam.amazonaws.com/doc/2010-05-08/",
                                    .item = "member",
                                    .tables = tables};
