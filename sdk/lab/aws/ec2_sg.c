// Security groups and their rules. A rule is an object of its own; a group's permissions are derived from
// them.
#include "ec2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *ec2_first_group(const struct aws_call *c, const char *vpc, const char *name)
{
    const char *key;
    json_t *group;
    json_object_foreach(aws_all(c, "security-group"), key, group)
    {
        if (aws_is(group, "vpcId", vpc) && aws_is(group, "groupName", name))
            return group;
    }
    return NULL;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    return x == y || (x && y && json_equal(x, y));
}

static bool same_rule(const json_t *a, const json_t *b)
{
    return same(a, b, "groupId") && same(a, b, "isEgress") && same(a, b, "ipProtocol") &&
           same(a, b, "fromPort") && same(a, b, "toPort") && same(a, b, "cidrIpv4") &&
           same(a, b, "cidrIpv6") && same(a, b, "prefixListId") && same(a, b, "referencedGroupInfo");
}

// ---- what Describe shows ----

// The permission (protocol and ports) of a list that this rule belongs to; made when there is none.
static json_t *permission_for(json_t *list, const json_t *rule)
{
    size_t i;
    json_t *permission;
    json_array_foreach(list, i, permission)
    {
        if (same(permission, rule, "ipProtocol") && same(permission, rule, "fromPort") &&
            same(permission, rule, "toPort"))
            return permission;
    }
    permission = json_pack("{s[]s[]s[]s[]}", "groups", "ipRanges", "ipv6Ranges", "prefixListIds");
    json_object_set(permission, "ipProtocol", json_object_get(rule, "ipProtocol"));
    if (!aws_is(rule, "ipProtocol", "-1")) {
        json_object_set(permission, "fromPort", json_object_get(rule, "fromPort"));
        json_object_set(permission, "toPort", json_object_get(rule, "toPort"));
    }
    json_array_append_new(list, permission);
    return permission;
}

static void show_rule(json_t *list, const json_t *rule)
{
    static const char *const kinds[][3] = {{"cidrIpv4", "ipRanges", "cidrIp"},
                                           {"cidrIpv6", "ipv6Ranges", "cidrIpv6"},
                                           {"prefixListId", "prefixListIds", "prefixListId"}};
    json_t *permission = permission_for(list, rule), *shown = json_object(), *description;
    const char *set = "groups";
    for (size_t i = 0; i < 3; i++) {
        if (json_object_get(rule, kinds[i][0])) {
            set = kinds[i][1];
            json_object_set(shown, kinds[i][2], json_object_get(rule, kinds[i][0]));
        }
    }
    json_object_update(shown, json_object_get(rule, "referencedGroupInfo"));
    if ((description = json_object_get(rule, "description")))
        json_object_set(shown, "description", description);
    json_array_append_new(json_object_get(permission, set), shown);
}

json_t *ec2_group_view(struct aws_call *c, const json_t *object)
{
    json_t *view = json_copy((json_t *)(uintptr_t)object), *in = json_array(), *out = json_array(), *rule;
    const char *key;
    json_object_foreach(aws_all(c, "security-group-rule"), key, rule)
    {
        if (same(rule, object, "groupId"))
            show_rule(json_is_true(json_object_get(rule, "isEgress")) ? out : in, rule);
    }
    json_object_set_new(view, "ipPermissions", in);
    json_object_set_new(view, "ipPermissionsEgress", out);
    return view;
}

// ---- groups ----

json_t *ec2_add_group(struct aws_call *c, const char *vpc, const char *name, const char *description)
{
    json_t *group =
        aws_add(c, "security-group",
                json_pack("{ssssss}", "groupName", name, "groupDescription", description, "vpcId", vpc));
    if (!group)
        return NULL;
    const char *id = aws_text(group, "groupId");
    char *arn = lab_format("arn:aws:ec2:" AWS_REGION ":" AWS_ACCOUNT ":security-group/%s", id);
    json_object_set_new(group, "securityGroupArn", json_string(arn));
    free(arn);
    struct aws_call inner = *c; // the group's tags are not its rules'
    inner.p = NULL;
    aws_add(&inner, "security-group-rule",
            json_pack("{ss ss sb ss si si ss}", "groupId", id, "groupOwnerId", AWS_ACCOUNT, "isEgress", 1,
                      "ipProtocol", "-1", "fromPort", -1, "toPort", -1, "cidrIpv4", "0.0.0.0/0"));
    if (!strcmp(name, "default"))
        aws_add(&inner, "security-group-rule",
                json_pack("{ss ss sb ss si si s{ssss}}", "groupId", id, "groupOwnerId", AWS_ACCOUNT,
                          "isEgress", 0, "ipProtocol", "-1", "fromPort", -1, "toPort", -1,
                          "referencedGroupInfo", "groupId", id, "userId", AWS_ACCOUNT));
    return group;
}

static json_t *create_group(struct aws_call *c)
{
    const char *name = aws_need(c, "GroupName"), *description = name ? aws_need(c, "GroupDescription") : NULL;
    json_t *vpc = description ? aws_find_arg(c, "vpc", "VpcId") : NULL;
    if (!vpc)
        return NULL;
    const char *id = aws_text(vpc, "vpcId");
    if (!strncmp(name, "sg-", 3) || strlen(name) > 255)
        return aws_fail(c, 400, "InvalidParameterValue", "Value (%s) for parameter GroupName is invalid.",
                        name);
    if (!strcmp(name, "default"))
        return aws_fail(c, 400, "InvalidParameterValue", "Cannot use reserved security group name: default");
    if (ec2_first_group(c, id, name))
        return aws_fail(c, 400, "InvalidGroup.Duplicate",
                        "The security group '%s' already exists for VPC '%s'", name, id);
    json_t *group = ec2_add_group(c, id, name, description);
    return group ? json_pack("{sbsssOss}", "return", 1, "groupId", aws_text(group, "groupId"), "tagSet",
                             json_object_get(group, "tagSet"), "securityGroupArn",
                             aws_text(group, "securityGroupArn"))
                 : NULL;
}

static json_t *describe_groups(struct aws_call *c)
{
    const json_t *names = aws_list(c, "GroupName");
    if (!names)
        return aws_describe(c, "security-group");
    return aws_fail(c, 400, "InvalidParameterValue",
                    "Group names only work in a default VPC, which there is none of");
}

static bool group_in_use(const struct aws_call *c, const json_t *group)
{
    const char *key, *id = aws_text(group, "groupId");
    json_t *other, *used;
    size_t i;
    json_object_foreach(aws_all(c, "network-interface"), key, other)
    {
        json_array_foreach(json_object_get(other, "_groups"), i, used)
        {
            if (!strcmp(json_string_value(used), id))
                return true;
        }
    }
    json_object_foreach(aws_all(c, "security-group-rule"), key, other)
    {
        if (!aws_is(other, "groupId", id) &&
            aws_is(json_object_get(other, "referencedGroupInfo"), "groupId", id))
            return true;
    }
    return false;
}

static json_t *delete_group(struct aws_call *c)
{
    json_t *group = aws_find_arg(c, "security-group", "GroupId"), *rule;
    const char *key;
    void *next;
    if (!group)
        return NULL;
    char *id = lab_strdup(aws_text(group, "groupId"));
    json_t *answer = NULL;
    if (aws_is(group, "groupName", "default")) {
        aws_fail(c, 400, "CannotDelete",
                 "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", id);
    } else if (group_in_use(c, group)) {
        aws_fail(c, 400, "DependencyViolation", "resource %s has a dependent object", id);
    } else {
        json_object_foreach_safe(aws_all(c, "security-group-rule"), next, key, rule)
        {
            if (aws_is(rule, "groupId", id))
                aws_remove(c, "security-group-rule", key);
        }
        aws_remove(c, "security-group", id);
        answer = json_pack("{sbss}", "return", 1, "groupId", id);
    }
    free(id);
    return answer;
}

// ---- rules ----

struct rule_base {
    const char *group;
    bool egress;
};

static const char *protocol_name(const char *text)
{
    static const char *const names[][2] = {
        {"6", "tcp"}, {"17", "udp"}, {"1", "icmp"}, {"58", "icmpv6"}, {"all", "-1"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(text, names[i][0]))
            return names[i][1];
    }
    return text;
}

// A rule without its peer; NULL after aws_fail().
static json_t *bare_rule(struct aws_call *c, const struct rule_base *base, const json_t *from)
{
    const char *protocol = protocol_name(aws_text(from, "IpProtocol"));
    const char *first = json_string_value(json_object_get(from, "FromPort")),
               *last = json_string_value(json_object_get(from, "ToPort"));
    bool ports = !strcmp(protocol, "tcp") || !strcmp(protocol, "udp") || !strcmp(protocol, "icmp");
    if (!*protocol)
        return aws_fail(c, 400, "MissingParameter", "The request must contain the parameter ipProtocol");
    if (ports && (!first || !last))
        return aws_fail(c, 400, "InvalidParameterValue",
                        "Invalid value 'Must specify both from and to ports with TCP/UDP.'"
                        " for portRange.");
    long low = ports ? strtol(first, NULL, 10) : -1, high = ports ? strtol(last, NULL, 10) : -1;
    if (ports && strcmp(protocol, "icmp") != 0 && (low < 0 || high > 65535 || low > high))
        return aws_fail(c, 400, "InvalidParameterValue", "Invalid port range: %ld-%ld", low, high);
    return json_pack("{ssss sb ss sI sI}", "groupId", base->group, "groupOwnerId", AWS_ACCOUNT, "isEgress",
                     (int)base->egress, "ipProtocol", protocol, "fromPort", (json_int_t)low, "toPort",
                     (json_int_t)high);
}

static void describe_rule(json_t *rule, const json_t *from)
{
    const char *text = aws_text(from, "Description");
    if (*text)
        json_object_set_new(rule, "description", json_string(text));
}

// Appends a rule for each peer of one permission; false after aws_fail().
static bool permission_rules(struct aws_call *c, const struct rule_base *base, const json_t *from,
                             json_t *rules)
{
    size_t i, before = json_array_size(rules);
    json_t *peer, *bare = bare_rule(c, base, from), *rule;
    if (!bare)
        return false;
    json_array_foreach(json_object_get(from, "IpRanges"), i, peer)
    {
        char *cidr = ec2_cidr(c, aws_text(peer, "CidrIp"));
        if (!cidr)
            break;
        rule = json_copy(bare);
        json_object_set_new(rule, "cidrIpv4", json_string(cidr));
        describe_rule(rule, peer);
        json_array_append_new(rules, rule);
        free(cidr);
    }
    json_array_foreach(json_object_get(from, "Ipv6Ranges"), i, peer)
    {
        rule = json_copy(bare);
        json_object_set(rule, "cidrIpv6", json_object_get(peer, "CidrIpv6"));
        describe_rule(rule, peer);
        json_array_append_new(rules, rule);
    }
    json_array_foreach(json_object_get(from, "PrefixListIds"), i, peer)
    {
        rule = json_copy(bare);
        json_object_set(rule, "prefixListId", json_object_get(peer, "PrefixListId"));
        describe_rule(rule, peer);
        json_array_append_new(rules, rule);
    }
    const json_t *groups = json_object_get(from, "UserIdGroupPairs");
    json_array_foreach(groups ? groups : json_object_get(from, "Groups"), i, peer)
    {
        if (c->status || !aws_find(c, "security-group", aws_text(peer, "GroupId")))
            break;
        rule = json_copy(bare);
        json_object_set_new(rule, "referencedGroupInfo",
                            json_pack("{ssss}", "groupId", aws_text(peer, "GroupId"), "userId", AWS_ACCOUNT));
        describe_rule(rule, peer);
        json_array_append_new(rules, rule);
    }
    json_decref(bare);
    if (!c->status && json_array_size(rules) == before)
        aws_fail(c, 400, "MissingParameter", "Source or destination of the permission is missing");
    return !c->status;
}

// All rules that a call speaks of, in either of its two spellings; NULL after aws_fail().
static json_t *call_rules(struct aws_call *c, const struct rule_base *base)
{
    json_t *rules = json_array(), *permission;
    const json_t *list = aws_list(c, "IpPermissions");
    size_t i;
    json_array_foreach(list, i, permission)
    {
        if (!permission_rules(c, base, permission, rules))
            break;
    }
    if (!list) {
        json_t *flat = json_pack("{ss* ss* ss*}", "IpProtocol", aws_str(c, "IpProtocol"), "FromPort",
                                 aws_str(c, "FromPort"), "ToPort", aws_str(c, "ToPort"));
        if (aws_str(c, "CidrIp"))
            json_object_set_new(flat, "IpRanges", json_pack("[{ss}]", "CidrIp", aws_str(c, "CidrIp")));
        if (aws_str(c, "SourceSecurityGroupId"))
            json_object_set_new(flat, "Groups",
                                json_pack("[{ss}]", "GroupId", aws_str(c, "SourceSecurityGroupId")));
        permission_rules(c, base, flat, rules);
        json_decref(flat);
    }
    if (!c->status)
        return rules;
    json_decref(rules);
    return NULL;
}

static json_t *stored_rule(const struct aws_call *c, const json_t *rule)
{
    const char *key;
    json_t *other;
    json_object_foreach(aws_all(c, "security-group-rule"), key, other)
    {
        if (same_rule(other, rule))
            return other;
    }
    return NULL;
}

// A prefix list counts with all that it may hold.
static size_t weight_of(const struct aws_call *c, const json_t *rules)
{
    json_t *rule;
    size_t i, sum = 0;
    json_array_foreach((json_t *)(uintptr_t)rules, i, rule)
    {
        sum += ec2_weight(c, aws_text(rule, "prefixListId"));
    }
    return sum;
}

static size_t count_rules(const struct aws_call *c, const struct rule_base *base)
{
    const char *key;
    json_t *rule;
    size_t count = 0;
    json_object_foreach(aws_all(c, "security-group-rule"), key, rule)
    {
        if (aws_is(rule, "groupId", base->group) &&
            json_is_true(json_object_get(rule, "isEgress")) == base->egress)
            count += ec2_weight(c, aws_text(rule, "prefixListId"));
    }
    return count;
}

static json_t *authorize(struct aws_call *c, bool egress)
{
    json_t *group = aws_find_arg(c, "security-group", "GroupId"), *rule, *set;
    struct rule_base base = {.group = aws_text(group, "groupId"), .egress = egress};
    json_t *rules = group ? call_rules(c, &base) : NULL;
    size_t i;
    if (!rules)
        return NULL;
    json_array_foreach(rules, i, rule)
    {
        const char *cidr = aws_text(rule, "cidrIpv4"), *protocol = aws_text(rule, "ipProtocol");
        if (stored_rule(c, rule))
            aws_fail(c, 400, "InvalidPermission.Duplicate",
                     "the specified rule \"peer: %s, %s, ALLOW\" already exists",
                     *cidr ? cidr : aws_text(json_object_get(rule, "referencedGroupInfo"), "groupId"),
                     strcmp(protocol, "-1") ? protocol : "ALL");
    }
    if (!c->status && count_rules(c, &base) + weight_of(c, rules) > aws_quota(c, "L-0EA8095F"))
        aws_fail(c, 400, "RulesPerSecurityGroupLimitExceeded",
                 "The maximum number of rules per security group has been reached.");
    if (c->status) {
        json_decref(rules);
        return NULL;
    }
    set = json_array();
    json_array_foreach(rules, i, rule)
    {
        json_t *added = aws_add(c, "security-group-rule", json_incref(rule));
        if (added)
            json_array_append(set, added);
    }
    json_decref(rules);
    if (c->status) {
        json_decref(set);
        return NULL;
    }
    return json_pack("{sbso}", "return", 1, "securityGroupRuleSet", set);
}

static json_t *authorize_ingress(struct aws_call *c)
{
    return authorize(c, false);
}

static json_t *authorize_egress(struct aws_call *c)
{
    return authorize(c, true);
}

// The ids of the rules to revoke: named, or found by what they say. NULL after aws_fail().
static json_t *rules_to_revoke(struct aws_call *c, const struct rule_base *base)
{
    const json_t *named = aws_list(c, "SecurityGroupRuleId");
    json_t *ids = json_array(), *entry;
    json_t *rules = named ? NULL : call_rules(c, base);
    size_t i;
    json_array_foreach(named, i, entry)
    {
        json_t *rule = aws_find(c, "security-group-rule", json_string_value(entry));
        if (rule && aws_is(rule, "groupId", base->group))
            json_array_append(ids, entry);
    }
    json_array_foreach(rules, i, entry)
    {
        json_t *rule = stored_rule(c, entry);
        if (rule)
            json_array_append(ids, json_object_get(rule, "securityGroupRuleId"));
        else
            aws_fail(c, 400, "InvalidPermission.NotFound",
                     "The specified rule does not exist in this security group.");
    }
    json_decref(rules);
    if (!c->status)
        return ids;
    json_decref(ids);
    return NULL;
}

static json_t *revoke(struct aws_call *c, bool egress)
{
    json_t *group = aws_find_arg(c, "security-group", "GroupId"), *id;
    struct rule_base base = {.group = aws_text(group, "groupId"), .egress = egress};
    json_t *ids = group ? rules_to_revoke(c, &base) : NULL;
    size_t i;
    if (!ids)
        return NULL;
    json_array_foreach(ids, i, id) aws_remove(c, "security-group-rule", json_string_value(id));
    json_decref(ids);
    return aws_true();
}

static json_t *revoke_ingress(struct aws_call *c)
{
    return revoke(c, false);
}

static json_t *revoke_egress(struct aws_call *c)
{
    return revoke(c, true);
}

static json_t *describe_rules(struct aws_call *c)
{
    return aws_describe(c, "security-group-rule");
}

const struct aws_action aws_sg_actions[] = {{"CreateSecurityGroup", create_group, true},
                                            {"DescribeSecurityGroups", describe_groups, false},
                                            {"DeleteSecurityGroup", delete_group, true},
                                            {"AuthorizeSecurityGroupIngress", authorize_ingress, true},
                                            {"AuthorizeSecurityGroupEgress", authorize_egress, true},
                                            {"RevokeSecurityGroupIngress", revoke_ingress, true},
                                            {"RevokeSecurityGroupEgress", revoke_egress, true},
                                            {"DescribeSecurityGroupRules", describe_rules, false},
                                            {NULL, NULL, false}};
