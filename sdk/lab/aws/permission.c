// What a caller may do: everything, but for what a rule denies.
#include "inner.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "EC2:CreateRoute" as policies write it; malloc'd.
static char *policy_name(const char *action)
{
    const char *slash = strrchr(action, '/');
    char *name = lab_strdup(slash ? slash + 1 : action);
    for (char *p = name; *p && *p != ':'; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

void aws_deny(struct aws_call *c, const char *action)
{
    char *name = policy_name(action);
    bool eks = !strncmp(action, "eks:", 4) || !strncmp(action, "EKS/", 4),
         ssm = !strncmp(action, "SSM:", 4) || !strncmp(action, "ServiceQuotas:", 14);
    const char *user = "arn:aws:iam::" AWS_ACCOUNT ":user/operator";
    if (!strncmp(action, "EC2:", 4))
        aws_fail(
            c, 403, "UnauthorizedOperation",
            "You are not authorized to perform this operation. User: %s is not authorized to perform: %s "
            "because no identity-based policy allows the %s action",
            user, name, name);
    else
        aws_fail(c, eks || !ssm ? 403 : 400, eks || ssm ? "AccessDeniedException" : "AccessDenied",
                 "User: %s is not authorized to perform: %s because no identity-based policy allows the %s "
                 "action",
                 user, name, name);
    free(name);
}

const struct lab_fault *aws_asks(struct lab *lab, const char *by, const char *action)
{
    char *name = lab_format("%s/%s", by, action);
    const struct lab_fault *fault = lab_fault_take(lab, "aws", name);
    const bool refused = fault && (!strcmp(fault->effect, "status") || !strcmp(fault->effect, "deny"));
    lab_journal_add(lab, "aws", "ASKS", "-", name, refused ? 403 : 200, false);
    free(name);
    return refused ? fault : NULL;
}

bool aws_may(struct aws_call *c, const char *by, const char *action)
{
    if (!aws_asks(c->lab, by, action))
        return true;
    char *name = lab_format("%s/%s", by, action);
    aws_deny(c, name);
    free(name);
    return false;
}
