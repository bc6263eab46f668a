// What the container platform makes in AWS for a cluster: its VPC, its workers, its EKS cluster; and its end.
#include "inner.h"
#include "../kube/kube.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DELETE_STEP_MS = 100, DELETE_TRIES = 30, SUBNETS = 3 };

#define SERVICE_CIDR "172.20.0.0/16"

// A cluster in the making: what has been made is written down, in order.
struct making {
    struct lab *lab;
    const char *name;
    const json_t *spec;
    json_t *made;                                                              // ids
    char *why;                                                                 // the first failure
    const char *vpc, *igw, *nat, *public_table, *worker_group, *control_group; // borrowed from `made`
    const char *public_subnets[SUBNETS], *private_subnets[SUBNETS];
    json_t *nodes;
};

static const char *word(const json_t *object, const char *path)
{
    struct aws_call c = {.p = object};
    const char *text = aws_str(&c, path);
    return text ? text : "";
}

// One call; its answer's id at `path` is noted. Returns it (borrowed), NULL once anything has failed.
static const char *make(struct making *m, const char *action, json_t *p, const char *path)
{
    if (m->why) {
        json_decref(p);
        return NULL;
    }
    json_t *answer = aws_do(m->lab, action, p, &m->why);
    const char *id = NULL;
    if (answer && path) {
        json_array_append_new(m->made, json_string(word(answer, path)));
        id = json_string_value(json_array_get(m->made, json_array_size(m->made) - 1));
    }
    json_decref(answer);
    return id;
}

static json_t *tagged(const struct making *m, json_t *p, const char *type, const char *suffix)
{
    char *name = lab_format("%s-%s", m->name, suffix),
         *owned = lab_format("kubernetes.io/cluster/%s", m->name);
    json_object_set_new(p, "TagSpecification",
                        json_pack("[{sss[{ssss}{ssss}]}]", "ResourceType", type, "Tag", "Key", "Name",
                                  "Value", name, "Key", owned, "Value", "owned"));
    free(name);
    free(owned);
    return p;
}

static const char *make_table(struct making *m, const char *suffix)
{
    return make(m, "CreateRouteTable", tagged(m, json_pack("{ss*}", "VpcId", m->vpc), "route-table", suffix),
                "routeTable.routeTableId");
}

static void make_subnets(struct making *m, const char *kind, const char **ids)
{
    char *path = lab_format("vpc_sizing.%s_subnets", kind);
    struct aws_call c = {.p = m->spec};
    const json_t *cidrs = aws_list(&c, path);
    free(path);
    for (size_t i = 0; i < SUBNETS && i < json_array_size(cidrs); i++) {
        char *suffix = lab_format("%s-subnet%zu", kind, i + 1),
             *zone = lab_format(AWS_REGION "%c", (char)('a' + i));
        const char *cidr = json_string_value(json_array_get(cidrs, i));
        ids[i] = make(
            m, "CreateSubnet",
            tagged(m, json_pack("{ss* ss* ss}", "VpcId", m->vpc, "CidrBlock", cidr, "AvailabilityZone", zone),
                   "subnet", suffix),
            "subnet.subnetId");
        free(suffix);
        free(zone);
    }
}

static void make_network(struct making *m)
{
    m->vpc = make(m, "CreateVpc",
                  tagged(m, json_pack("{ss}", "CidrBlock", word(m->spec, "vpc_sizing.subnet")), "vpc", "vpc"),
                  "vpc.vpcId");
    make(m, "ModifyVpcAttribute",
         json_pack("{ss* s{ss}}", "VpcId", m->vpc, "EnableDnsHostnames", "Value", "true"), NULL);
    m->igw =
        make(m, "CreateInternetGateway", tagged(m, json_object(), "internet-gateway", "internet-gateway"),
             "internetGateway.internetGatewayId");
    make(m, "AttachInternetGateway", json_pack("{ss* ss*}", "VpcId", m->vpc, "InternetGatewayId", m->igw),
         NULL);
    make_subnets(m, "public", m->public_subnets);
    make_subnets(m, "private", m->private_subnets);
    m->public_table = make_table(m, "public-route-table");
    make(m, "CreateRoute",
         json_pack("{ss* ss ss*}", "RouteTableId", m->public_table, "DestinationCidrBlock", "0.0.0.0/0",
                   "GatewayId", m->igw),
         NULL);
    for (size_t i = 0; i < SUBNETS && m->public_subnets[i]; i++) {
        make(m, "AssociateRouteTable",
             json_pack("{ss* ss*}", "RouteTableId", m->public_table, "SubnetId", m->public_subnets[i]), NULL);
        make(m, "ModifySubnetAttribute",
             json_pack("{ss* s{ss}}", "SubnetId", m->public_subnets[i], "MapPublicIpOnLaunch", "Value",
                       "true"),
             NULL);
    }
}

static void make_private_side(struct making *m)
{
    const char *address =
        make(m, "AllocateAddress", tagged(m, json_pack("{ss}", "Domain", "vpc"), "elastic-ip", "nat"),
             "allocationId");
    m->nat = make(m, "CreateNatGateway",
                  tagged(m, json_pack("{ss* ss*}", "SubnetId", m->public_subnets[0], "AllocationId", address),
                         "natgateway", "nat-gateway"),
                  "natGateway.natGatewayId");
    for (size_t i = 0; i < SUBNETS && m->private_subnets[i]; i++) {
        char *suffix = lab_format("private-route-table%zu", i + 1);
        const char *table = make_table(m, suffix);
        make(m, "CreateRoute",
             json_pack("{ss* ss ss*}", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0",
                       "NatGatewayId", m->nat),
             NULL);
        make(m, "AssociateRouteTable",
             json_pack("{ss* ss*}", "RouteTableId", table, "SubnetId", m->private_subnets[i]), NULL);
        free(suffix);
    }
}

static const char *make_group(struct making *m, const char *suffix, const char *description)
{
    char *name = lab_format("%s-%s", m->name, suffix);
    const char *id = make(
        m, "CreateSecurityGroup",
        tagged(m,
               json_pack("{ss ss ss*}", "GroupName", name, "GroupDescription", description, "VpcId", m->vpc),
               "security-group", suffix),
        "groupId");
    free(name);
    return id;
}

static void allow(struct making *m, const char *to, const char *from, const char *protocol, int low, int high)
{
    char *first = lab_format("%d", low), *last = lab_format("%d", high);
    make(m, "AuthorizeSecurityGroupIngress",
         json_pack("{ss* s[{ss ss ss s[{ss*}]}]}", "GroupId", to, "IpPermissions", "IpProtocol", protocol,
                   "FromPort", first, "ToPort", last, "UserIdGroupPairs", "GroupId", from),
         NULL);
    free(first);
    free(last);
}

static void make_groups(struct making *m)
{
    m->control_group =
        make_group(m, "control plane security group", "Cluster communication with worker nodes");
    m->worker_group = make_group(m, "worker group", "Security group for all nodes in the cluster");
    allow(m, m->worker_group, m->worker_group, "-1", -1, -1);
    allow(m, m->worker_group, m->control_group, "tcp", 1025, 65535);
    allow(m, m->control_group, m->worker_group, "tcp", 443, 443);
}

const char *aws_node_image(struct lab *lab)
{
    struct aws_call c = aws_self(lab);
    const char *key, *found = "";
    json_t *image;
    json_object_foreach(aws_all(&c, "image"), key, image)
    {
        if (aws_is(image, "imageOwnerAlias", "amazon"))
            found = key;
    }
    return found;
}

static const char *worker_image(const struct making *m)
{
    const char *wanted = word(m->spec, "ami");
    return *wanted ? wanted : aws_node_image(m->lab);
}

static void make_workers(struct making *m)
{
    json_int_t count = json_integer_value(json_object_get(m->spec, "worker_count"));
    const char *type = word(m->spec, "instance_type"), *key = word(m->spec, "ssh_keys.0");
    struct aws_call c = aws_self(m->lab);
    json_int_t subnets = 0;
    while (subnets < SUBNETS && m->private_subnets[subnets])
        subnets++;
    for (json_int_t i = 0; subnets > 0 && i < (count > 0 ? count : 2) && !m->why; i++) {
        char *suffix = lab_format("worker-%d", (int)i + 1);
        json_t *p = json_pack("{ss ss ss s[s] ss}", "ImageId", worker_image(m), "InstanceType",
                              *type ? type : "m5.large", "MaxCount", "1", "SecurityGroupId", m->worker_group,
                              "SubnetId", m->private_subnets[i % subnets]);
        if (*key)
            json_object_set_new(p, "KeyName", json_string(key));
        const char *id =
            make(m, "RunInstances", tagged(m, p, "instance", suffix), "instancesSet.0.instanceId");
        free(suffix);
        const json_t *instance = id ? aws_get(&c, "instance", id) : NULL;
        if (instance)
            json_array_append_new(m->nodes,
                                  json_pack("{sOsO}", "name", json_object_get(instance, "privateDnsName"),
                                            "address", json_object_get(instance, "privateIpAddress")));
    }
}

// ---- the EKS cluster ----

// The cluster is there: its API server answers from now on.
static void becomes_active(struct lab *lab, void *arg)
{
    struct aws_call c = aws_self(lab);
    json_t *cluster = aws_get(&c, "cluster", arg);
    if (cluster && aws_is(cluster, "status", "CREATING")) {
        const char *ca = lab_tls_ca_pem(lab);
        struct lab_cluster *api =
            lab_kube_create(lab, &(struct lab_cluster_spec){.name = arg,
                                                            .version = lab->kube_version,
                                                            .service_cidr = SERVICE_CIDR,
                                                            .nodes = json_object_get(cluster, "_nodes"),
                                                            .eks = true});
        json_object_set_new(cluster, "status", json_string(api ? "ACTIVE" : "FAILED"));
        if (api) {
            char *data = lab_base64(ca, strlen(ca));
            json_object_set_new(cluster, "endpoint", json_string(lab_kube_url(api)));
            json_object_set_new(cluster, "certificateAuthority", json_pack("{ss}", "data", data));
            free(data);
        }
    }
    free(arg);
}

void aws_cluster_begin(struct lab *lab, const char *name)
{
    lab_after(lab, lab->eks_ms, becomes_active, lab_strdup(name));
}

static void add_cluster(struct making *m)
{
    char *arn = lab_format("arn:aws:eks:" AWS_REGION ":" AWS_ACCOUNT ":cluster/%s", m->name);
    json_t *subnets = json_array();
    for (size_t i = 0; i < SUBNETS && m->private_subnets[i]; i++)
        json_array_append_new(subnets, json_string(m->private_subnets[i]));
    json_t *cluster =
        json_pack("{ss ss si ss ss ss s{so s[s] ss sb sb s[s]} s{ss ss} s{} ss s{} so so}", "name", m->name,
                  "arn", arn, "createdAt", (int)time(NULL), "version", m->lab->kube_version, "status",
                  "CREATING", "roleArn", "arn:aws:iam::" AWS_ACCOUNT ":role/AWSServiceRoleForAmazonEKS",
                  "resourcesVpcConfig", "subnetIds", subnets, "securityGroupIds", m->control_group, "vpcId",
                  m->vpc, "endpointPublicAccess", 1, "endpointPrivateAccess", 0, "publicAccessCidrs",
                  "0.0.0.0/0", "kubernetesNetworkConfig", "serviceIpv4Cidr", SERVICE_CIDR, "ipFamily", "ipv4",
                  "tags", "_accessRole", word(m->spec, "access_role_arn"), "_addons", "_made",
                  json_incref(m->made), "_nodes", json_incref(m->nodes));
    free(arn);
    json_object_set_new(json_object_get(m->lab->aws->store, "cluster"), m->name, cluster);
    aws_cluster_begin(m->lab, m->name);
}

static char *order_wrong(const struct making *m)
{
    struct aws_call c = {.p = m->spec}, all = aws_self(m->lab);
    const char *role = word(m->spec, "access_role_arn"), *region = word(m->spec, "region");
    if (!*m->name)
        return lab_strdup("a cluster needs a name");
    if (aws_get(&all, "cluster", m->name))
        return lab_format("an EKS cluster named %s exists already", m->name);
    if (*region && strcmp(region, AWS_REGION) != 0)
        return lab_format("region %s is not one of this account (" AWS_REGION ")", region);
    if (json_array_size(aws_list(&c, "vpc_sizing.private_subnets")) < 2 ||
        json_array_size(aws_list(&c, "vpc_sizing.public_subnets")) < 1)
        return lab_strdup("vpc_sizing needs public_subnets and at least two private_subnets");
    if (!aws_first(&all, "role", "Arn", role))
        return lab_format("access_role_arn %s does not exist", role);
    return NULL;
}

static const struct {
    const char *prefix, *action, *parameter;
    bool list;
} removals[] = {{"i-", "TerminateInstances", "InstanceId", true},
                {"nat-", "DeleteNatGateway", "NatGatewayId", false},
                {"eipalloc-", "ReleaseAddress", "AllocationId", false},
                {"sg-", "DeleteSecurityGroup", "GroupId", false},
                {"subnet-", "DeleteSubnet", "SubnetId", false},
                {"rtb-", "DeleteRouteTable", "RouteTableId", false},
                {"igw-", "DeleteInternetGateway", "InternetGatewayId", false},
                {"vpc-", "DeleteVpc", "VpcId", false}};

// Frees a route table of its subnets, an internet gateway of its VPC, two groups of each other.
static void loosen(struct aws_call *c, const char *id)
{
    json_t *table = aws_get(c, "route-table", id), *association, *rule;
    json_t *gateway = aws_get(c, "internet-gateway", id);
    const char *key;
    void *next;
    size_t i;
    json_array_foreach(json_object_get(table, "associationSet"), i, association)
    {
        if (!aws_get(c, "subnet", aws_text(association, "subnetId")))
            json_array_remove(json_object_get(table, "associationSet"), i--);
    }
    const char *vpc = aws_text(json_array_get(json_object_get(gateway, "attachmentSet"), 0), "vpcId");
    if (*vpc)
        json_decref(aws_do(c->lab, "DetachInternetGateway",
                           json_pack("{ssss}", "InternetGatewayId", id, "VpcId", vpc), NULL));
    json_object_foreach_safe(aws_all(c, "security-group-rule"), next, key, rule)
    {
        if (aws_is(json_object_get(rule, "referencedGroupInfo"), "groupId", id) &&
            aws_get(c, "security-group", id))
            aws_remove(c, "security-group-rule", key);
    }
}

// Deletes what is left of `made`, in AWS's own order; returns how much it could not.
static size_t unmake(struct lab *lab, const json_t *made)
{
    struct aws_call c = aws_self(lab);
    size_t left = 0, i;
    json_t *entry;
    for (size_t k = 0; k < sizeof removals / sizeof *removals; k++) {
        json_array_foreach(made, i, entry)
        {
            const char *id = json_string_value(entry);
            if (strncmp(id, removals[k].prefix, strlen(removals[k].prefix)) != 0)
                continue;
            loosen(&c, id);
            char *why = NULL;
            json_t *p = json_object();
            json_object_set_new(p, removals[k].parameter,
                                removals[k].list ? json_pack("[s]", id) : json_string(id));
            json_decref(aws_do(lab, removals[k].action, p, &why));
            left += why && !strstr(why, "NotFound");
            free(why);
            json_t *instance = aws_get(&c, "instance", id);
            left += instance && aws_is(json_object_get(instance, "instanceState"), "name", "shutting-down");
        }
    }
    return left;
}

int lab_aws_create_cluster(struct lab *lab, const json_t *spec, char **why)
{
    struct making m = {
        .lab = lab, .spec = spec, .name = word(spec, "name"), .made = json_array(), .nodes = json_array()};
    m.why = order_wrong(&m);
    lab->aws->in_setup = true;
    if (!m.why)
        make_network(&m);
    if (!m.why)
        make_private_side(&m);
    if (!m.why)
        make_groups(&m);
    if (!m.why)
        make_workers(&m);
    if (!m.why)
        add_cluster(&m);
    else
        unmake(lab, m.made);
    lab->aws->in_setup = false;
    json_decref(m.made);
    json_decref(m.nodes);
    *why = m.why ? m.why : *why;
    return m.why ? -1 : 0;
}

// ---- the end of a cluster ----

struct ending {
    char *name;
    int tries;
};

static void end_step(struct lab *lab, void *arg)
{
    struct ending *ending = arg;
    struct aws_call c = aws_self(lab);
    json_t *cluster = aws_get(&c, "cluster", ending->name);
    size_t left = cluster ? unmake(lab, json_object_get(cluster, "_made")) : 0;
    if (left && ending->tries++ < DELETE_TRIES) {
        lab_after(lab, DELETE_STEP_MS, end_step, ending);
        return;
    }
    if (left)
        json_object_set_new(cluster, "status", json_string("FAILED")); // something foreign is in the VPC
    else if (cluster)
        aws_remove(&c, "cluster", ending->name);
    free(ending->name);
    free(ending);
}

void lab_aws_delete_cluster(struct lab *lab, const char *name)
{
    struct aws_call c = aws_self(lab);
    json_t *cluster = aws_get(&c, "cluster", name);
    if (!cluster || aws_is(cluster, "status", "DELETING"))
        return;
    if (lab_kube_find(lab, name))
        lab_kube_delete(lab, name);
    json_object_set_new(cluster, "status", json_string("DELETING"));
    struct ending *ending = lab_calloc(1, sizeof *ending);
    ending->name = lab_strdup(name);
    lab_after(lab, DELETE_STEP_MS, end_step, ending);
}

const char *lab_aws_cluster_status(struct lab *lab, const char *name)
{
    struct aws_call c = aws_self(lab);
    const json_t *cluster = aws_get(&c, "cluster", name);
    return cluster ? aws_text(cluster, "status") : NULL;
}
