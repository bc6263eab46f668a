// What a cluster has in kube-system from the start: its CNI.
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

#define CLOUD_POOL "cloud-pods"

static void make(struct lab_cluster *cluster, const char *plural, json_t *object)
{
    json_decref(kube_make(cluster, plural, object));
}

static void make_daemons(struct lab_cluster *cluster, const char *name, json_t *containers)
{
    json_decref(kube_make(cluster, "serviceaccounts",
                          json_pack("{s{ss ss}}", "metadata", "name", name, "namespace", "kube-system")));
    make(cluster, "daemonsets",
         json_pack("{s{ss ss s{ss}} s{s{s{ss}} s{s{s{ss}} s{sb ss ss s[{ss}] so}}}}", "metadata", "name",
                   name, "namespace", "kube-system", "labels", "k8s-app", name, "spec", "selector",
                   "matchLabels", "k8s-app", name, "template", "metadata", "labels", "k8s-app", name, "spec",
                   "hostNetwork", true, "priorityClassName", "system-node-critical", "serviceAccountName",
                   name, "tolerations", "operator", "Exists", "containers", containers));
}

static json_t *env(const char *const (*pairs)[2], size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{ss ss}", "name", pairs[i][0], "value", pairs[i][1]));
    return list;
}

static const char *const pairs[][2] = {{"AWS_VPC_CNI_NODE_PORT_SUPPORT", "true"},
                                       {"AWS_VPC_ENI_MTU", "9001"},
                                       {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "false"},
                                       {"AWS_VPC_K8S_CNI_EXTERNALSNAT", "false"},
                                       {"AWS_VPC_K8S_CNI_LOGLEVEL", "DEBUG"},
                                       {"AWS_VPC_K8S_CNI_RANDOMIZESNAT", "prng"},
                                       {"AWS_VPC_K8S_CNI_VETHPREFIX", "eni"},
                                       {"ENABLE_IPv4", "true"},
                                       {"ENABLE_POD_ENI", "false"},
                                       {"ENABLE_PREFIX_DELEGATION", "false"},
                                       {"WARM_ENI_TARGET", "1"}};

// The agent's arguments, with the switch as it shall be; new reference.
static json_t *agent_arguments(bool on)
{
    return json_pack("[ss]", "--enable-ipv6=false",
                     on ? "--enable-network-policy=true" : "--enable-network-policy=false");
}

// The VPC CNI as a new EKS cluster has it: source NAT on, network policies off.
static void amazon_vpc_cni(struct lab_cluster *cluster)
{
    json_t *node =
        json_pack("{ss ss s[{si ss}] so}", "name", "aws-node", "image",
                  "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.18.1", "ports",
                  "containerPort", 61678, "name", "metrics", "env", env(pairs, sizeof pairs / sizeof *pairs));
    json_t *agent =
        json_pack("{ss ss so}", "name", "aws-eks-nodeagent", "image",
                  "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon/aws-network-policy-agent:v1.1.1",
                  "args", agent_arguments(false));
    make(cluster, "configmaps",
         json_pack("{s{ss ss} s{ss}}", "metadata", "name", "amazon-vpc-cni", "namespace", "kube-system",
                   "data", "enable-network-policy-controller", "false"));
    make_daemons(cluster, "aws-node", json_pack("[oo]", node, agent));
}

static json_t *ip_pool(const char *name, const char *cidr, bool disabled)
{
    json_t *spec = json_pack("{ss sb ss si}", "cidr", cidr, "natOutgoing", !disabled, "ipipMode",
                             disabled ? "Never" : "Always", "blockSize", 26);
    if (disabled)
        json_object_set_new(spec, "disabled", json_true());
    return json_pack("{s{ss} so}", "metadata", "name", name, "spec", spec);
}

// A pool that covers the other side's pods is what keeps addresses; without it natOutgoing takes them.
static void calico_snat(struct lab_cluster *cluster, bool on)
{
    const json_t *pool = kube_object_at(cluster, "ippools", CLOUD_POOL);
    if (on && pool)
        kube_kill(cluster, "ippools", pool, true);
    else if (!on && !pool)
        make(cluster, "ippools", ip_pool(CLOUD_POOL, "10.0.0.0/16", true));
}

// Calico, whose pools say where pods keep their address: the disabled one covers the cloud's pods.
static void calico(struct lab_cluster *cluster)
{
    static const char *const kinds[][2] = {{"IPPool", "ippool"},
                                           {"GlobalNetworkPolicy", "globalnetworkpolicy"},
                                           {"FelixConfiguration", "felixconfiguration"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *ending = strcmp(kinds[i][0], "GlobalNetworkPolicy") == 0 ? "globalnetworkpolicies" : NULL;
        char *plural = ending ? lab_strdup(ending) : lab_format("%ss", kinds[i][1]);
        make(cluster, "customresourcedefinitions",
             json_pack("{s{so} s{ss ss s{ss ss ss} s[{ss sb sb s{s{ss sb}}}]}}", "metadata", "name",
                       json_sprintf("%s.crd.projectcalico.org", plural), "spec", "group",
                       "crd.projectcalico.org", "scope", "Cluster", "names", "plural", plural, "singular",
                       kinds[i][1], "kind", kinds[i][0], "versions", "name", "v1", "served", true, "storage",
                       true, "schema", "openAPIV3Schema", "type", "object",
                       "x-kubernetes-preserve-unknown-fields", true));
        free(plural);
    }
    make(cluster, "ippools", ip_pool("default-ipv4-ippool", cluster->pod_cidr, false));
    calico_snat(cluster, false);
    make_daemons(cluster, "calico-node",
                 json_pack("[{ss ss}]", "name", "calico-node", "image", "docker.io/calico/node:v3.27.3"));
}

// The variables of the VPC CNI's container, without the one (and without the narrower choice), which is then set.
static void amazon_snat(struct lab_cluster *cluster, bool on)
{
    static const char *const names[] = {"AWS_VPC_K8S_CNI_EXTERNALSNAT", "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS"};
    json_t *daemons = json_deep_copy(kube_object_at(cluster, "daemonsets", "kube-system/aws-node")),
           *container;
    size_t i;
    json_array_foreach(kube_path(daemons, "spec.template.spec.containers"), i, container)
    {
        json_t *variables = json_object_get(container, "env"), *left = json_array(), *variable;
        size_t k;
        if (strcmp(kube_text(container, "name"), "aws-node") == 0) {
            json_array_foreach(variables, k,
                               variable) if (strcmp(kube_text(variable, "name"), names[0]) != 0 &&
                                             strcmp(kube_text(variable, "name"), names[1]) != 0)
                json_array_append(left, variable);
            json_array_append_new(left,
                                  json_pack("{ss ss}", "name", names[0], "value", on ? "false" : "true"));
            json_object_set(container, "env", left);
        }
        json_decref(left);
    }
    if (daemons)
        kube_put(cluster, "daemonsets", daemons);
}

void lab_kube_configure_cni(struct lab_cluster *cluster, const json_t *values)
{
    json_t *daemons = json_deep_copy(kube_object_at(cluster, "daemonsets", "kube-system/aws-node")),
           *settings = json_deep_copy(kube_object_at(cluster, "configmaps", "kube-system/amazon-vpc-cni")),
           *container, *value, *wanted = json_object_get(values, "env");
    bool policies = strcmp(kube_text(values, "enableNetworkPolicy"), "true") == 0;
    const char *name;
    size_t i, k;
    json_array_foreach(kube_path(daemons, "spec.template.spec.containers"), i, container)
    {
        if (strcmp(kube_text(container, "name"), "aws-node") != 0) {
            json_object_set_new(container, "args", agent_arguments(policies));
            continue;
        }
        json_t *variables = json_array();
        for (k = 0; k < sizeof pairs / sizeof *pairs; k++) {
            const char *is = json_string_value(json_object_get(wanted, pairs[k][0]));
            json_array_append_new(variables,
                                  json_pack("{ss ss}", "name", pairs[k][0], "value", is ? is : pairs[k][1]));
        }
        json_object_foreach(wanted, name, value)
        {
            for (k = 0; k < sizeof pairs / sizeof *pairs && strcmp(pairs[k][0], name) != 0; k++)
                ;
            if (k == sizeof pairs / sizeof *pairs)
                json_array_append_new(variables, json_pack("{ss sO}", "name", name, "value", value));
        }
        json_object_set_new(container, "env", variables);
    }
    if (daemons)
        kube_put(cluster, "daemonsets", daemons);
    if (settings) {
        json_object_set_new(json_object_get(settings, "data"), "enable-network-policy-controller",
                            json_string(policies ? "true" : "false"));
        kube_put(cluster, "configmaps", settings);
    }
}

void kube_system_snat(struct lab_cluster *cluster, bool on)
{
    if (cluster->eks)
        amazon_snat(cluster, on);
    else
        calico_snat(cluster, on);
}

void kube_system_objects(struct lab_cluster *cluster)
{
    if (cluster->eks)
        amazon_vpc_cni(cluster);
    else
        calico(cluster);
}
