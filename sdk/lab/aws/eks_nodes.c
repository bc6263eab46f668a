// Managed node groups: instances of the cluster's group, and the nodes that they become.
#include "eks.h"
#include "ec2.h"
#include "../kube/kube.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { END_MS = 100 };

static json_t *groups_of(struct aws_call *c, const char *cluster)
{
    json_t *found = eks_cluster(c, cluster), *groups = json_object_get(found, "_groups");
    if (found && !groups) { // the container platform's cluster: its workers are its own
        groups = json_object();
        json_object_set_new(found, "_groups", groups);
    }
    return groups;
}

static json_t *find_group(struct aws_call *c, const struct eks_parts *p)
{
    json_t *group = json_object_get(groups_of(c, p->cluster), p->item);
    if (!group && !c->status)
        aws_fail(c, 404, "ResourceNotFoundException", "No node group found for name: %s.", p->item);
    return group;
}

// ---- instances ----

static void start_node(struct lab *lab, const json_t *cluster, json_t *group)
{
    json_t *instances = json_object_get(group, "_instances"), *subnets = json_object_get(group, "subnets");
    json_t *types = json_object_get(group, "instanceTypes");
    const char *type = json_string_value(json_array_get(types, 0));
    const char *subnet =
        json_string_value(json_array_get(subnets, json_array_size(instances) % json_array_size(subnets)));
    char *name = lab_format("%s-%s-Node", aws_text(cluster, "name"), aws_text(group, "nodegroupName"));
    json_t *p = json_pack("{ss ss ss s[s] ss s[{ss s[{ssss}]}]}", "ImageId", aws_node_image(lab),
                          "InstanceType", type ? type : "t3.medium", "MaxCount", "1", "SecurityGroupId",
                          aws_text(json_object_get(cluster, "resourcesVpcConfig"), "clusterSecurityGroupId"),
                          "SubnetId", subnet, "TagSpecification", "ResourceType", "instance", "Tag", "Key",
                          "Name", "Value", name);
    lab->aws->in_setup = true;
    json_t *made = aws_do(lab, "RunInstances", p, NULL);
    lab->aws->in_setup = false;
    struct aws_call c = {.p = made};
    const char *id = aws_str(&c, "instancesSet.0.instanceId"),
               *dns = aws_str(&c, "instancesSet.0.privateDnsName");
    struct lab_cluster *api = lab_kube_find(lab, aws_text(cluster, "name"));
    if (id && dns && api) {
        lab_kube_add_node(api, dns, aws_str(&c, "instancesSet.0.privateIpAddress"));
        json_array_append_new(instances, json_pack("{ss ss}", "id", id, "node", dns));
    }
    json_decref(made);
    free(name);
}

static void stop_node(struct lab *lab, const json_t *cluster, json_t *group)
{
    json_t *instances = json_object_get(group, "_instances");
    const size_t last = json_array_size(instances) - 1;
    const json_t *instance = json_array_get(instances, last);
    struct lab_cluster *api = lab_kube_find(lab, aws_text(cluster, "name"));
    if (api)
        lab_kube_remove_node(api, aws_text(instance, "node"));
    json_decref(
        aws_do(lab, "TerminateInstances", json_pack("{s[s]}", "InstanceId", aws_text(instance, "id")), NULL));
    json_array_remove(instances, last);
}

static void scale(struct lab *lab, const json_t *cluster, json_t *group, size_t wanted)
{
    const json_t *instances = json_object_get(group, "_instances");
    for (size_t n = json_array_size(instances); n < wanted; n++)
        start_node(lab, cluster, group);
    while (json_array_size(instances) > wanted)
        stop_node(lab, cluster, group);
}

static size_t desired(const json_t *group)
{
    return (size_t)json_integer_value(
        json_object_get(json_object_get(group, "scalingConfig"), "desiredSize"));
}

// ---- what takes its time ----

struct later {
    char *cluster, *group;
};

static struct later *later_of(const struct eks_parts *p, const char *group)
{
    struct later *later = lab_calloc(1, sizeof *later);
    later->cluster = lab_strdup(p->cluster);
    later->group = lab_strdup(group);
    return later;
}

static json_t *later_group(struct lab *lab, const struct later *later, json_t **cluster)
{
    struct aws_call c = aws_self(lab);
    *cluster = aws_get(&c, "cluster", later->cluster);
    return json_object_get(json_object_get(*cluster, "_groups"), later->group);
}

static void later_free(struct later *later)
{
    free(later->cluster);
    free(later->group);
    free(later);
}

static void becomes_active(struct lab *lab, void *arg)
{
    json_t *cluster, *group = later_group(lab, arg, &cluster);
    if (group && aws_is(group, "status", "CREATING")) {
        scale(lab, cluster, group, desired(group));
        json_object_set_new(group, "status", json_string("ACTIVE"));
    }
    later_free(arg);
}

static void ends(struct lab *lab, void *arg)
{
    const struct later *later = arg;
    json_t *cluster;
    if (later_group(lab, later, &cluster))
        json_object_del(json_object_get(cluster, "_groups"), later->group);
    later_free(arg);
}

// ---- the calls ----

json_t *eks_list_groups(struct aws_call *c, const struct eks_parts *p)
{
    json_t *groups = groups_of(c, p->cluster), *names = json_array(), *group;
    const char *name;
    json_object_foreach(groups, name, group) json_array_append_new(names, json_string(name));
    if (groups)
        return json_pack("{so}", "nodegroups", names);
    json_decref(names);
    return NULL;
}

json_t *eks_describe_group(struct aws_call *c, const struct eks_parts *p)
{
    json_t *group = find_group(c, p);
    return group ? json_pack("{so}", "nodegroup", eks_shown(group)) : NULL;
}

static bool is_wrong(struct aws_call *c, const struct eks_parts *p, const json_t *cluster)
{
    const char *name = aws_text(p->body, "nodegroupName"), *role = aws_text(p->body, "nodeRole");
    const json_t *subnets = json_object_get(p->body, "subnets"), *subnet, *type;
    size_t i;
    if (!aws_is(cluster, "status", "ACTIVE"))
        aws_fail(c, 409, "ResourceInUseException", "Cluster is not in ACTIVE status");
    else if (!*name)
        aws_fail(c, 400, "InvalidParameterException", "The node group needs a name");
    else if (!aws_first(c, "role", "Arn", role))
        aws_fail(c, 400, "InvalidParameterException", "The role %s does not exist", role);
    else if (!json_array_size(subnets))
        aws_fail(c, 400, "InvalidParameterException", "Subnets are required");
    json_array_foreach(subnets, i, subnet)
    {
        if (!c->status && !aws_get(c, "subnet", json_string_value(subnet)))
            aws_fail(c, 400, "InvalidParameterException", "The subnet ID '%s' does not exist",
                     json_string_value(subnet));
    }
    json_array_foreach(json_object_get(p->body, "instanceTypes"), i, type)
    {
        if (!c->status && !ec2_is_type(json_string_value(type)))
            aws_fail(c, 400, "InvalidParameterException", "The instance type %s is not valid",
                     json_string_value(type));
    }
    return c->status != 0;
}

json_t *eks_create_group(struct aws_call *c, const struct eks_parts *p)
{
    json_t *groups = groups_of(c, p->cluster), *value;
    const char *name = aws_text(p->body, "nodegroupName"), *key;
    bool refused;
    if (!groups)
        return NULL;
    if (eks_made_before(c, p, json_object_get(groups, name), "NodeGroup", &refused))
        return json_pack("{so}", "nodegroup", eks_shown(json_object_get(groups, name)));
    if (refused || is_wrong(c, p, eks_cluster(c, p->cluster)))
        return NULL;
    char *arn = lab_format("arn:aws:eks:" AWS_REGION ":" AWS_ACCOUNT ":nodegroup/%s/%s/1", p->cluster, name);
    json_t *group =
        json_pack("{ss ss ss ss si ss s[s] ss si s{s[]} s[]}", "nodegroupName", name, "nodegroupArn", arn,
                  "clusterName", p->cluster, "status", "CREATING", "createdAt", (int)time(NULL), "version",
                  aws_text(eks_cluster(c, p->cluster), "version"), "instanceTypes", "t3.medium",
                  "capacityType", "ON_DEMAND", "diskSize", 20, "health", "issues", "_instances");
    free(arn);
    json_object_foreach(p->body, key, value)
    {
        if (strcmp(key, "clientRequestToken") != 0)
            json_object_set(group, key, value);
    }
    json_object_set_new(group, "_token", json_string(aws_text(p->body, "clientRequestToken")));
    json_object_set_new(groups, name, group);
    lab_after(c->lab, c->lab->eks_ms, becomes_active, later_of(p, name));
    return json_pack("{so}", "nodegroup", eks_shown(group));
}

json_t *eks_delete_group(struct aws_call *c, const struct eks_parts *p)
{
    json_t *group = find_group(c, p);
    if (!group)
        return NULL;
    if (!aws_is(group, "status", "DELETING")) {
        json_object_set_new(group, "status", json_string("DELETING"));
        scale(c->lab, eks_cluster(c, p->cluster), group, 0);
        lab_after(c->lab, END_MS, ends, later_of(p, p->item));
    }
    return json_pack("{so}", "nodegroup", eks_shown(group));
}

json_t *eks_scale_group(struct aws_call *c, const struct eks_parts *p)
{
    json_t *group = find_group(c, p), *wanted = json_object_get(p->body, "scalingConfig");
    if (!group)
        return NULL;
    if (wanted) {
        json_object_update(json_object_get(group, "scalingConfig"), wanted);
        scale(c->lab, eks_cluster(c, p->cluster), group, desired(group));
    }
    return eks_update(c, p, "ConfigUpdate", p->item, NULL, NULL);
}

json_t *eks_group_version(struct aws_call *c, const struct eks_parts *p)
{
    json_t *group = find_group(c, p), *cluster = group ? eks_cluster(c, p->cluster) : NULL;
    if (!group)
        return NULL;
    json_object_set(group, "version", json_object_get(cluster, "version"));
    return eks_update(c, p, "VersionUpdate", p->item, NULL, NULL);
}
