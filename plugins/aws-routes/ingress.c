// Rules that let the networks on premises in. A rule has no token either: group, protocol and network are its key.
#include "routes.h"

#include <string.h>

#define DESCRIPTION "On-premises network, by Isthmus"

static const json_t *group_of(const json_t *groups, const char *id)
{
    json_t *group;
    size_t i;
    json_array_foreach((json_t *)groups, i, group)
    {
        if (strcmp(ist_json_str_or(group, "groupId", ""), id) == 0)
            return group;
    }
    return NULL;
}

// EC2 merges the rules of one protocol into one permission with several ranges.
int ingress_find(const json_t *groups, const char *group, const char *cidr)
{
    json_t *permission, *range;
    size_t i, k;
    json_array_foreach(json_object_get(group_of(groups, group), "ipPermissions"), i, permission)
    {
        if (strcmp(ist_json_str_or(permission, "ipProtocol", ""), "-1") != 0)
            continue;
        json_array_foreach(json_object_get(permission, "ipRanges"), k, range)
        {
            if (strcmp(ist_json_str_or(range, "cidrIp", ""), cidr) == 0)
                return 1;
        }
    }
    return 0;
}

int32_t ingress_plan(struct step *s, const char *group, const char *cidr, ist_error *err)
{
    char *resource = ingress_resource(group, cidr);
    const json_t *record = step_record(s, resource);
    int32_t rc = IST_OK;
    if (group_of(s->groups, group) == NULL) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "security_groups", "there is no group %s", group);
    } else if (!ingress_find(s->groups, group, cidr)) {
        ist_change(&s->env, IST_CREATE, resource,
                   record != NULL && !step_is_unsettled(s, resource) ? "it was removed" : NULL);
        ist_change_field(&s->env, resource, "protocols", NULL, json_string("all"));
        ist_change_field(&s->env, resource, "from", NULL, json_string(cidr));
    } else if (step_is_unsettled(s, resource)) {
        ist_change(&s->env, IST_CREATE, resource, "an earlier run was interrupted here");
    }
    ist_free(resource);
    return rc;
}

// New reference.
static json_t *rule(const char *group, const char *cidr, int with_description)
{
    json_t *range = json_pack("{s:s}", "CidrIp", cidr);
    if (with_description)
        json_object_set_new(range, "Description", json_string(DESCRIPTION));
    return json_pack("{s:s, s:[{s:s, s:[o]}]}", "GroupId", group, "IpPermissions", "IpProtocol", "-1",
                     "IpRanges", range);
}

// The rule is there twice never: a second call is refused as a duplicate, which is what was wanted.
static int32_t change_rule(struct step *s, const char *action, const char *settled_by, const json_t *params,
                           ist_error *err)
{
    ist_error failed = {0};
    int32_t rc = IST_OK;
    for (int tries = 0; tries < 4; tries++) {
        rc = ist_aws_query(s->aws, "ec2", action, params, NULL, &failed);
        if (rc != IST_OK && strcmp(ist_aws_error_code(s->aws), settled_by) == 0)
            rc = IST_OK;
        if (rc != IST_ERR_NETWORK || ist_sleep_ms(&s->env, 300) != IST_OK)
            break;
    }
    if (rc != IST_OK && err != NULL)
        *err = failed;
    return rc;
}

int32_t ingress_apply(struct step *s, const char *group, const char *cidr, ist_error *err)
{
    char *resource = ingress_resource(group, cidr), token[65];
    const int there = ingress_find(s->groups, group, cidr);
    int32_t rc = IST_OK;
    // One that was there before us stays the property of whoever made it.
    if (!there || step_is_unsettled(s, resource)) {
        json_t *data = json_pack("{s:s, s:s, s:s}", "kind", "ingress", "group", group, "cidr", cidr);
        json_t *params = rule(group, cidr, 1);
        rc = ist_intent(&s->env, resource, json_incref(data), token, err);
        if (rc == IST_OK && !there)
            rc = change_rule(s, "AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", params, err);
        if (rc == IST_OK)
            rc = ist_outcome(&s->env, resource, json_incref(data), err);
        json_decref(params);
        json_decref(data);
    }
    ist_free(resource);
    return rc;
}

int32_t ingress_remove(struct step *s, const char *resource, const json_t *record, ist_error *err)
{
    const char *group = ist_json_str_or(record, "group", ""), *cidr = ist_json_str_or(record, "cidr", "");
    int32_t rc = IST_OK;
    if (ingress_find(s->groups, group, cidr)) {
        json_t *params = rule(group, cidr, 0);
        rc = change_rule(s, "RevokeSecurityGroupIngress", "InvalidPermission.NotFound", params, err);
        json_decref(params);
    }
    return rc == IST_OK ? ist_outcome(&s->env, resource, NULL, err) : rc;
}

int32_t ingress_verify(struct step *s, const char *group, const char *cidr)
{
    char *resource = ingress_resource(group, cidr);
    const int there = ingress_find(s->groups, group, cidr);
    ist_check(&s->env, resource, there ? IST_PASS : IST_FAIL, "%s",
              there ? "all protocols are let in" : "there is no such rule");
    ist_free(resource);
    return IST_OK;
}
