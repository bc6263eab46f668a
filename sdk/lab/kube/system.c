// What a cluster has in kube-system from the start: its CNI.
#include "ctl.h"
#include "ssa.h"

#include <stdlib.h>
#include <string.h>

#define CLOUD_POOL "cloud-pods"

static void make(struct lab_cluster *cluster, const char *plural, json_t *object)
{
    json_decref(kube_make(cluster, plural, object));
}

// New reference.
static json_t *daemons_of(const char *name, json_t *containers)
{
    return json_pack("{ss ss s{ss ss s{ss}} s{s{s{ss}} s{s{s{ss}} s{sb ss ss s[{ss}] so}}}}", "apiVersion",
                     "apps/v1", "kind", "DaemonSet", "metadata", "name", name, "namespace", "kube-system",
                     "labels", "k8s-app", name, "spec", "selector", "matchLabels", "k8s-app", name,
                     "template", "metadata", "labels", "k8s-app", name, "spec", "hostNetwork", true,
                     "priorityClassName", "system-node-critical", "serviceAccountName", name, "tolerations",
                     "operator", "Exists", "containers", containers);
}

static void make_account(struct lab_cluster *cluster, const char *name)
{
    make(cluster, "serviceaccounts",
         json_pack("{s{ss ss}}", "metadata", "name", name, "namespace", "kube-system"));
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

// The variables of its container, by the add-on's configuration (NULL: the defaults). New reference.
static json_t *variables_of(const json_t *values)
{
    json_t *wanted = json_object_get(values, "env"), *all = json_object(), *value, *list = json_array();
    const char *name;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        json_object_set_new(all, pairs[i][0], json_string(pairs[i][1]));
    json_object_update(all, wanted);
    json_object_foreach(all, name, value)
        json_array_append_new(list, json_pack("{ss sO}", "name", name, "value", value));
    json_decref(all);
    return list;
}

static bool enforces(const json_t *values)
{
    return strcmp(kube_text(values, "enableNetworkPolicy"), "true") == 0;
}

static json_t *cni_daemons(const json_t *values)
{
    json_t *node =
        json_pack("{ss ss s[{si ss ss}] so}", "name", "aws-node", "image",
                  "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.18.1", "ports",
                  "containerPort", 61678, "name", "metrics", "protocol", "TCP", "env", variables_of(values));
    json_t *agent =
        json_pack("{ss ss so}", "name", "aws-eks-nodeagent", "image",
                  "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon/aws-network-policy-agent:v1.1.1",
                  "args", agent_arguments(enforces(values)));
    return daemons_of("aws-node", json_pack("[oo]", node, agent));
}

static json_t *cni_settings(const json_t *values)
{
    return json_pack("{ss ss s{ss ss} s{ss}}", "apiVersion", "v1", "kind", "ConfigMap", "metadata", "name",
                     "amazon-vpc-cni", "namespace", "kube-system", "data", "enable-network-policy-controller",
                     enforces(values) ? "true" : "false");
}

// ---- EKS applies: what others own is taken from them, left to them, or a refusal ----

// Without the fields that others have set otherwise.
static void leave_theirs(const struct kube_call *call, const json_t *live, json_t *applied)
{
    const struct kube_writer writer = {.kind = kube_text(applied, "kind"),
                                       .api_version = kube_text(applied, "apiVersion"),
                                       .manager = call->manager,
                                       .subresource = ""};
    json_t *conflicts = NULL, *kept = json_incref((json_t *)live), *conflict;
    size_t i;
    json_decref(kube_apply(&writer, kept, applied, &conflicts));
    json_array_foreach(conflicts, i, conflict)
        kube_fields_remove(writer.kind, applied, kube_text(conflict, "field"));
    json_decref(conflicts);
    json_decref(kept);
}

// Takes the object. What is in the way (malloc'd), or NULL.
static char *eks_applies(struct lab_cluster *cluster, const char *plural, json_t *applied,
                         const char *resolve, bool dry_run)
{
    const struct kube_call call = {.cluster = cluster,
                                   .resource = kube_resource(cluster, plural),
                                   .ns = kube_ns(applied),
                                   .name = kube_name(applied),
                                   .sub = "",
                                   .manager = "eks",
                                   .dry_run = dry_run,
                                   .force = strcmp(resolve, "OVERWRITE") == 0};
    char *key = lab_format("%s/%s", call.ns, call.name), *why = NULL;
    const json_t *live = kube_object_at(cluster, plural, key);
    json_t *error = NULL;
    if (live && strcmp(resolve, "PRESERVE") == 0)
        leave_theirs(&call, live, applied);
    json_decref(kube_apply_object(&call, applied, &error));
    if (error)
        why = lab_format("%s %s - %s", kube_text(applied, "kind"), call.name, kube_text(error, "message"));
    json_decref(error);
    json_decref(applied);
    free(key);
    return why;
}

char *lab_kube_configure_cni(struct lab_cluster *cluster, const json_t *values, const char *resolve)
{
    char *why = NULL;
    for (int pass = 0; pass < 2 && !why; pass++) { // all of it or nothing
        why = eks_applies(cluster, "daemonsets", cni_daemons(values), resolve, pass == 0);
        if (!why)
            why = eks_applies(cluster, "configmaps", cni_settings(values), resolve, pass == 0);
    }
    return why;
}

// The VPC CNI as a new EKS cluster has it: source NAT on, network policies off.
static void amazon_vpc_cni(struct lab_cluster *cluster)
{
    make_account(cluster, "aws-node");
    free(lab_kube_configure_cni(cluster, NULL, "OVERWRITE"));
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
    make_account(cluster, "calico-node");
    make(cluster, "daemonsets",
         daemons_of("calico-node",
                    json_pack("[{ss ss}]", "name", "calico-node", "image", "docker.io/calico/node:v3.27.3")));
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
