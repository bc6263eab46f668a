// Rules that let the networks on premises in. A rule has no token either: group, protocol and network are its
// key.
#include "routes.h"

#include <string.h>

#define DESCRIPTION "On-premises network, by Isthmus"
#define NOT_FOUND   "InvalidPermission.NotFound"
#define DUPLICATE   "InvalidPermission.Duplicate"

int ingress_find(const json_t *groups, const char *group, const char *cidr)
{
    return ingress_range(groups, group, cidr) != NULL || ingress_wider(groups, group, cidr) != NULL;
}

// Of a call whose answer is not known: did it make the rule that is there? EC2 keeps the description.
static int is_made(const struct step *s, const char *group, const char *cidr)
{
    const char *description = json_string_value(ingress_range(s->groups, group, cidr));
    return description != NULL && strcmp(description, DESCRIPTION) == 0;
}

int32_t ingress_plan(struct step *s, const char *group, const char *cidr, ist_error *err)
{
    char *resource = ingress_resource(group, cidr);
    const int recorded = step_is_recorded(s, resource);
    int32_t rc = IST_OK;
    if (json_object_get(s->groups, group) == NULL) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "security_groups", "there is no group %s", group);
    } else if (!ingress_find(s->groups, group, cidr)) {
        ist_change(&s->env, IST_CREATE, resource,
                   recorded && !step_is_unsettled(s, resource) ? "it was removed" : NULL);
        ist_change_field(&s->env, resource, "protocols", NULL, json_string("all"));
        ist_change_field(&s->env, resource, "from", NULL, json_string(cidr));
    } else if (step_is_unsettled(s, resource) && is_made(s, group, cidr)) {
        ist_change(&s->env, IST_CREATE, resource, "an earlier run was interrupted here");
    }
    ist_free(resource);
    return rc;
}

// description may be NULL. New reference.
static json_t *range(const char *cidr, const char *description)
{
    return json_pack("{s:s, s:s*}", "CidrIp", cidr, "Description", description);
}

// Takes the ranges. New reference.
static json_t *rules(const char *group, json_t *ranges)
{
    return json_pack("{s:s, s:[{s:s, s:o}]}", "GroupId", group, "IpPermissions", "IpProtocol", "-1",
                     "IpRanges", ranges);
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

static int32_t allow_one(struct step *s, const char *group, const char *cidr, ist_error *err)
{
    json_t *params = rules(group, json_pack("[o]", range(cidr, DESCRIPTION)));
    const int32_t rc = change_rule(s, "AuthorizeSecurityGroupIngress", DUPLICATE, params, err);
    json_decref(params);
    return rc;
}

// One call for all; where one of them is there already EC2 makes none, and each is asked for by itself.
static int32_t allow(struct step *s, const char *group, const json_t *cidrs, ist_error *err)
{
    json_t *ranges = json_array(), *cidr;
    size_t i;
    json_array_foreach((json_t *)cidrs, i, cidr)
    {
        json_array_append_new(ranges, range(json_string_value(cidr), DESCRIPTION));
    }
    json_t *params = rules(group, ranges);
    int32_t rc = json_array_size(cidrs) > 0
                     ? change_rule(s, "AuthorizeSecurityGroupIngress", DUPLICATE, params, err)
                     : IST_OK;
    const int some = json_array_size(cidrs) > 1 && strcmp(ist_aws_error_code(s->aws), DUPLICATE) == 0;
    json_array_foreach((json_t *)cidrs, i, cidr)
    {
        if (rc == IST_OK && some)
            rc = allow_one(s, group, json_string_value(cidr), err);
    }
    json_decref(params);
    return rc;
}

static json_t *record_data(const char *group, const char *cidr)
{
    return json_pack("{s:s, s:s, s:s}", "kind", "ingress", "group", group, "cidr", cidr);
}

// What is to be recorded of a network: an intent before, an outcome after.
static int32_t note(struct step *s, const char *group, const char *cidr, int after, ist_error *err)
{
    char *resource = ingress_resource(group, cidr), token[65];
    const int32_t rc = after ? ist_outcome(&s->env, resource, record_data(group, cidr), err)
                             : ist_intent(&s->env, resource, record_data(group, cidr), token, err);
    ist_free(resource);
    return rc;
}

int32_t ingress_apply(struct step *s, const char *group, ist_error *err)
{
    json_t *missing = json_array(), *noted = json_array(), *cidr;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(s->cidrs, i, cidr)
    {
        const char *text = json_string_value(cidr);
        char *resource = ingress_resource(group, text);
        const int there = ingress_find(s->groups, group, text);
        const int unsettled = step_is_unsettled(s, resource);
        // One that was there before us stays the property of whoever made it.
        if (rc == IST_OK && there && unsettled && !is_made(s, group, text)) {
            rc = ist_outcome(&s->env, resource, NULL, err);
        } else if (rc == IST_OK && (!there || unsettled)) {
            json_array_append(noted, cidr);
            rc = note(s, group, text, 0, err);
        }
        if (!there)
            json_array_append(missing, cidr);
        ist_free(resource);
    }
    if (rc == IST_OK)
        rc = allow(s, group, missing, err);
    json_array_foreach(noted, i, cidr)
    {
        if (rc == IST_OK)
            rc = note(s, group, json_string_value(cidr), 1, err);
    }
    json_decref(missing);
    json_decref(noted);
    return rc;
}

// By the rule's own id: where a rule that is there is said not to be, because it was written in another form.
static int32_t revoke_by_id(struct step *s, const char *group, const char *cidr, ist_error *err)
{
    json_t *params = json_pack("{s:[{s:s, s:[s]}]}", "Filter", "Name", "group-id", "Value", group);
    json_t *rules = NULL, *item;
    size_t i;
    int32_t rc = ist_aws_query_all(s->aws, "ec2", "DescribeSecurityGroupRules", params,
                                   "securityGroupRuleSet", &rules, err);
    json_decref(params);
    json_array_foreach(rules, i, item)
    {
        if (rc != IST_OK || strcmp(ist_json_str_or(item, "cidrIpv4", ""), cidr) != 0 ||
            strcmp(ist_json_str_or(item, "ipProtocol", ""), "-1") != 0 ||
            strcmp(ist_json_str_or(item, "isEgress", ""), "true") == 0)
            continue;
        params = json_pack("{s:s, s:[s]}", "GroupId", group, "SecurityGroupRuleId",
                           ist_json_str_or(item, "securityGroupRuleId", ""));
        rc = change_rule(s, "RevokeSecurityGroupIngress", NOT_FOUND, params, err);
        json_decref(params);
    }
    json_decref(rules);
    return rc;
}

int32_t ingress_remove(struct step *s, const char *resource, const json_t *record, ist_error *err)
{
    const char *group = ist_json_str_or(record, "group", ""), *cidr = ist_json_str_or(record, "cidr", "");
    const json_t *found = ingress_range(s->groups, group, cidr);
    int32_t rc = IST_OK;
    if (found != NULL && (!step_is_unsettled(s, resource) || is_made(s, group, cidr))) {
        json_t *params = rules(group, json_pack("[o]", range(cidr, json_string_value(found))));
        rc = change_rule(s, "RevokeSecurityGroupIngress", NOT_FOUND, params, err);
        if (rc == IST_OK && strcmp(ist_aws_error_code(s->aws), NOT_FOUND) == 0)
            rc = revoke_by_id(s, group, cidr, err);
        json_decref(params);
    }
    return rc == IST_OK ? ist_outcome(&s->env, resource, NULL, err) : rc;
}

int32_t ingress_verify(struct step *s, const char *group, const char *cidr)
{
    char *resource = ingress_resource(group, cidr);
    const char *wider = ingress_wider(s->groups, group, cidr);
    if (ingress_range(s->groups, group, cidr) == NULL && wider != NULL)
        ist_check(&s->env, resource, IST_PASS, "all protocols are let in, by the rule for %s", wider);
    else if (wider != NULL || ingress_find(s->groups, group, cidr))
        ist_check(&s->env, resource, IST_PASS, "all protocols are let in");
    else
        ist_check(&s->env, resource, IST_FAIL, "there is no such rule");
    ist_free(resource);
    return IST_OK;
}
