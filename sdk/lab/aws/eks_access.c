// Who may use a cluster (access entries and their policies), and the tags of what EKS keeps.
#include "eks.h"

#include <string.h>

static json_t *entries_of(struct aws_call *c, const char *name)
{
    json_t *cluster = eks_cluster(c, name), *entries = json_object_get(cluster, "_entries");
    if (cluster && !entries) {
        entries = json_object();
        json_object_set_new(cluster, "_entries", entries);
    }
    return entries;
}

static json_t *find_entry(struct aws_call *c, const struct eks_parts *p)
{
    json_t *entry = json_object_get(entries_of(c, p->cluster), p->item);
    if (!entry && !c->status)
        aws_fail(
            c, 404, "ResourceNotFoundException",
            "The specified principalArn could not be found. You can view your available access entries with "
            "'list-access-entries'.");
    return entry;
}

json_t *eks_create_entry(struct aws_call *c, const struct eks_parts *p)
{
    json_t *entries = entries_of(c, p->cluster), *tags = json_object_get(p->body, "tags");
    const char *principal = aws_text(p->body, "principalArn");
    bool refused;
    if (!entries)
        return NULL;
    if (eks_made_before(c, p, json_object_get(entries, principal), "The specified access entry resource",
                        &refused))
        return json_pack("{so}", "accessEntry", eks_shown(json_object_get(entries, principal)));
    if (refused)
        return NULL;
    if (!aws_first(c, "role", "Arn", principal) && !strstr(principal, ":user/"))
        return aws_fail(c, 400, "InvalidParameterException",
                        "The specified principalArn is invalid: invalid principal.");
    json_t *entry = json_pack("{ss ss ss sO? ss s[] ss}", "clusterName", p->cluster, "principalArn",
                              principal, "type", "STANDARD", "tags", tags ? tags : json_null(), "username",
                              principal, "_policies", "_token", aws_text(p->body, "clientRequestToken"));
    json_object_set_new(entries, principal, entry);
    return json_pack("{so}", "accessEntry", eks_shown(entry));
}

json_t *eks_describe_entry(struct aws_call *c, const struct eks_parts *p)
{
    json_t *entry = find_entry(c, p);
    return entry ? json_pack("{so}", "accessEntry", eks_shown(entry)) : NULL;
}

json_t *eks_delete_entry(struct aws_call *c, const struct eks_parts *p)
{
    if (!find_entry(c, p))
        return NULL;
    json_object_del(entries_of(c, p->cluster), p->item);
    return json_object();
}

json_t *eks_list_policies(struct aws_call *c, const struct eks_parts *p)
{
    json_t *entry = find_entry(c, p);
    return entry ? json_pack("{ss ss sO}", "clusterName", p->cluster, "principalArn", p->item,
                             "associatedAccessPolicies", json_object_get(entry, "_policies"))
                 : NULL;
}

json_t *eks_add_policy(struct aws_call *c, const struct eks_parts *p)
{
    json_t *entry = find_entry(c, p), *policies = json_object_get(entry, "_policies"), *policy;
    const char *arn = aws_text(p->body, "policyArn");
    size_t i;
    if (!entry)
        return NULL;
    if (!strstr(arn, ":cluster-access-policy/"))
        return aws_fail(c, 400, "InvalidParameterException", "The policyArn parameter format is not valid");
    json_array_foreach(policies, i, policy)
    {
        if (aws_is(policy, "policyArn", arn))
            json_array_remove(policies, i--);
    }
    policy = json_pack("{ss sO?}", "policyArn", arn, "accessScope", json_object_get(p->body, "accessScope"));
    json_array_append_new(policies, policy);
    return json_pack("{ss ss sO}", "clusterName", p->cluster, "principalArn", p->item,
                     "associatedAccessPolicy", policy);
}

json_t *eks_remove_policy(struct aws_call *c, const struct eks_parts *p)
{
    json_t *entry = find_entry(c, p), *policies = json_object_get(entry, "_policies"), *policy;
    size_t i;
    if (!entry)
        return NULL;
    json_array_foreach(policies, i, policy)
    {
        if (aws_is(policy, "policyArn", p->last)) {
            json_array_remove(policies, i);
            return json_object();
        }
    }
    return aws_fail(c, 404, "ResourceNotFoundException",
                    "The specified policyArn is not associated with the access entry.");
}

// The object that an ARN names: cluster/NAME, nodegroup/NAME/GROUP/..., addon/NAME/ADDON/...
static json_t *tagged(struct aws_call *c, const char *arn)
{
    char kind[32] = "", cluster[128] = "", item[128] = "";
    const char *rest = strstr(arn, AWS_ACCOUNT ":");
    if (!rest || sscanf(rest + strlen(AWS_ACCOUNT ":"), "%31[^/]/%127[^/]/%127[^/]", kind, cluster, item) < 2)
        return NULL;
    json_t *found = aws_get(c, "cluster", cluster);
    if (!strcmp(kind, "nodegroup"))
        return json_object_get(json_object_get(found, "_groups"), item);
    if (!strcmp(kind, "addon"))
        return json_object_get(json_object_get(found, "_addons"), item);
    return found;
}

json_t *eks_tag(struct aws_call *c, const struct eks_parts *p)
{
    json_t *object = tagged(c, p->cluster), *tags = json_object_get(object, "tags");
    if (!object)
        return aws_fail(c, 404, "NotFoundException", "Resource %s was not found", p->cluster);
    if (!json_is_object(tags)) {
        tags = json_object();
        json_object_set_new(object, "tags", tags);
    }
    json_object_update(tags, json_object_get(p->body, "tags"));
    return json_object();
}
