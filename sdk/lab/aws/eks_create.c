// Clusters that are made by EKS's own API, and their end.
#include "eks.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *strings(const json_t *body, const char *path)
{
    struct aws_call c = {.p = body};
    const json_t *list = aws_list(&c, path);
    return list ? json_deep_copy(list) : json_array();
}

// Two or more, of one VPC and of different zones; its id (borrowed), or NULL after a failure.
static const char *vpc_of(struct aws_call *c, const json_t *subnets)
{
    const char *vpc = NULL, *zone = "";
    bool several = false;
    size_t i;
    json_t *id;
    json_array_foreach(subnets, i, id)
    {
        const json_t *subnet = aws_get(c, "subnet", json_string_value(id));
        if (!subnet || (vpc && strcmp(vpc, aws_text(subnet, "vpcId")) != 0)) {
            aws_fail(c, 400, "InvalidParameterException",
                     "The subnet ID '%s' does not exist, or is of another VPC", json_string_value(id));
            return NULL;
        }
        several |= *zone && strcmp(zone, aws_text(subnet, "availabilityZone")) != 0;
        vpc = aws_text(subnet, "vpcId");
        zone = aws_text(subnet, "availabilityZone");
    }
    if (!several) {
        aws_fail(c, 400, "InvalidParameterException",
                 "Subnets specified must be in at least two different AZs");
        return NULL;
    }
    return vpc;
}

// The group that EKS makes for a cluster: its interfaces and its nodes talk freely. The caller's id, NULL after a failure.
static char *cluster_group(struct aws_call *c, const char *name, const char *vpc)
{
    char *title = lab_format("eks-cluster-sg-%s", name), *why = NULL, *id = NULL;
    json_t *made =
        aws_do(c->lab, "CreateSecurityGroup",
               json_pack("{ss ss ss}", "GroupName", title, "GroupDescription",
                         "EKS created security group applied to ENI that is attached to EKS Control Plane",
                         "VpcId", vpc),
               &why);
    if (made) {
        id = lab_strdup(aws_text(made, "groupId"));
        json_decref(aws_do(c->lab, "AuthorizeSecurityGroupIngress",
                           json_pack("{ss s[{ss s[{ss}]}]}", "GroupId", id, "IpPermissions", "IpProtocol",
                                     "-1", "UserIdGroupPairs", "GroupId", id),
                           NULL));
    } else {
        aws_fail(c, 400, "InvalidRequestException", "%s", why ? why : "the cluster's group cannot be made");
    }
    json_decref(made);
    free(why);
    free(title);
    return id;
}

static json_t *network_of(struct aws_call *c, const struct eks_parts *p, const char *name)
{
    struct aws_call body = {.p = p->body};
    json_t *subnets = strings(p->body, "resourcesVpcConfig.subnetIds");
    const char *vpc = vpc_of(c, subnets);
    char *group = vpc ? cluster_group(c, name, vpc) : NULL;
    if (!group) {
        json_decref(subnets);
        return NULL;
    }
    json_t *cidrs = strings(p->body, "resourcesVpcConfig.publicAccessCidrs");
    if (!json_array_size(cidrs))
        json_array_append_new(cidrs, json_string("0.0.0.0/0"));
    const json_t *public = aws_arg(&body, "resourcesVpcConfig.endpointPublicAccess");
    const json_t *private = aws_arg(&body, "resourcesVpcConfig.endpointPrivateAccess");
    json_t *network = json_pack("{so so so ss ss sb sb}", "subnetIds", subnets, "publicAccessCidrs", cidrs,
                                "securityGroupIds", strings(p->body, "resourcesVpcConfig.securityGroupIds"),
                                "vpcId", vpc, "clusterSecurityGroupId", group, "endpointPublicAccess",
                                !json_is_false(public), "endpointPrivateAccess", json_is_true(private));
    free(group);
    return network;
}

static bool is_wrong(struct aws_call *c, const char *name, const char *role, const char *version)
{
    if (!*name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(name))
        aws_fail(c, 400, "InvalidParameterException", "The cluster name '%s' is not valid", name);
    else if (!aws_first(c, "role", "Arn", role))
        aws_fail(c, 400, "InvalidParameterException", "The role %s does not exist", role);
    else if (*version && !strchr(version, '.'))
        aws_fail(c, 400, "InvalidParameterException", "unsupported Kubernetes version");
    return c->status != 0;
}

json_t *eks_create_cluster(struct aws_call *c, const struct eks_parts *p)
{
    const char *name = aws_text(p->body, "name"), *role = aws_text(p->body, "roleArn"),
               *version = aws_text(p->body, "version");
    bool refused;
    json_t *cluster = aws_get(c, "cluster", name);
    if (eks_made_before(c, p, cluster, "Cluster", &refused))
        return json_pack("{so}", "cluster", eks_shown(cluster));
    if (refused || is_wrong(c, name, role, version))
        return NULL;
    json_t *network = network_of(c, p, name), *tags = json_object_get(p->body, "tags");
    if (!network)
        return NULL;
    char *arn = lab_format("arn:aws:eks:" AWS_REGION ":" AWS_ACCOUNT ":cluster/%s", name);
    cluster = json_pack("{ss ss si ss ss ss so s{ss ss} sO? ss s{} s[s] s[] s{} s{} ss}", "name", name, "arn",
                        arn, "createdAt", (int)time(NULL), "version",
                        *version ? version : c->lab->kube_version, "status", "CREATING", "roleArn", role,
                        "resourcesVpcConfig", network, "kubernetesNetworkConfig", "serviceIpv4Cidr",
                        "172.20.0.0/16", "ipFamily", "ipv4", "tags", tags ? tags : json_null(), "_accessRole",
                        c->arn, "_addons", "_made", aws_text(network, "clusterSecurityGroupId"), "_nodes",
                        "_groups", "_entries", "_token", aws_text(p->body, "clientRequestToken"));
    free(arn);
    json_object_set_new(aws_all(c, "cluster"), name, cluster);
    aws_cluster_begin(c->lab, name);
    return json_pack("{so}", "cluster", eks_shown(cluster));
}

json_t *eks_delete_cluster(struct aws_call *c, const struct eks_parts *p)
{
    json_t *cluster = eks_cluster(c, p->cluster);
    if (!cluster)
        return NULL;
    if (json_object_size(json_object_get(cluster, "_groups")))
        return aws_fail(c, 409, "ResourceInUseException", "Cluster has nodegroups attached");
    if (aws_is(cluster, "status", "CREATING"))
        return aws_fail(c, 409, "ResourceInUseException", "Cluster is being created");
    lab_aws_delete_cluster(c->lab, p->cluster);
    return json_pack("{so}", "cluster", eks_shown(cluster));
}

json_t *eks_update_config(struct aws_call *c, const struct eks_parts *p)
{
    static const char *const names[] = {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"};
    json_t *cluster = eks_cluster(c, p->cluster), *wanted = json_object_get(p->body, "resourcesVpcConfig");
    if (!cluster)
        return NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *value = json_object_get(wanted, names[i]);
        if (value)
            json_object_set(json_object_get(cluster, "resourcesVpcConfig"), names[i], value);
    }
    return eks_update(c, p, "EndpointAccessUpdate", "", NULL, NULL);
}

json_t *eks_update_version(struct aws_call *c, const struct eks_parts *p)
{
    json_t *cluster = eks_cluster(c, p->cluster);
    const char *version = aws_text(p->body, "version");
    if (!cluster)
        return NULL;
    if (strtol(strchr(version, '.') ? strchr(version, '.') + 1 : "0", NULL, 10) !=
        strtol(strchr(aws_text(cluster, "version"), '.') + 1, NULL, 10) + 1)
        return aws_fail(c, 400, "InvalidParameterException",
                        "Unsupported Kubernetes minor version update from %s to %s",
                        aws_text(cluster, "version"), version);
    json_object_set_new(cluster, "version", json_string(version));
    return eks_update(c, p, "VersionUpdate", "", NULL, NULL);
}
