// Which setting of a cluster translates its pods' addresses. Only what can be read; the rest is named to look at.
// Source: https://docs.aws.amazon.com/eks/latest/userguide/external-snat.html and Calico's IPPool reference.
#include "probe.h"

#include <string.h>

// The environment of container aws-node. The caller's, NULL when this is no VPC CNI.
static char *vpc_cni(ist_kube *kube)
{
    json_t *set = NULL;
    if (ist_kube_get(kube, "apps/v1", "DaemonSet", "kube-system", "aws-node", &set, NULL) != IST_OK)
        return NULL;
    const char *external = "not set", *excluded = "not set";
    size_t i, k;
    const json_t *container, *entry;
    json_array_foreach(ist_json_at(set, "spec.template.spec.containers"), i, container)
        json_array_foreach(json_object_get(container, "env"), k, entry)
    {
        const char *name = ist_json_str_or(entry, "name", "");
        if (strcmp(name, "AWS_VPC_K8S_CNI_EXTERNALSNAT") == 0)
            external = ist_json_str_or(entry, "value", "\"\"");
        else if (strcmp(name, "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS") == 0)
            excluded = ist_json_str_or(entry, "value", "\"\"");
    }
    char *text = ist_printf("in DaemonSet kube-system/aws-node AWS_VPC_K8S_CNI_EXTERNALSNAT is %s and "
                            "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS is %s",
                            external, excluded);
    json_decref(set);
    return text;
}

// Calico's pools that masquerade. The caller's, NULL without Calico.
static char *calico(ist_kube *kube)
{
    json_t *pools = NULL;
    if (ist_kube_list(kube, "crd.projectcalico.org/v1", "IPPool", NULL, NULL, NULL, &pools, NULL, NULL) !=
        IST_OK)
        return NULL;
    ist_buf text = {.max = 1024};
    size_t i;
    const json_t *pool;
    json_array_foreach(pools, i, pool) if (ist_json_bool(pool, "spec.natOutgoing", 0) &&
                                           !ist_json_bool(pool, "spec.disabled", 0))
        ist_buf_printf(&text, "%s%s (%s)", text.len ? ", " : "Calico masquerades from IPPool ",
                       ist_json_str_or(pool, "metadata.name", "?"), ist_json_str_or(pool, "spec.cidr", "?"));
    if (text.len)
        ist_buf_puts(&text,
                     " to all destinations that no IPPool covers: add a disabled pool for the remote pods");
    json_decref(pools);
    return text.len ? ist_buf_take(&text) : NULL;
}

char *snat_settings(ist_kube *kube)
{
    char *text = vpc_cni(kube);
    if (!text)
        text = calico(kube);
    return text ? text
                : ist_strdup("look at masquerading of the CNI (natOutgoing of Calico's IPPools, Cilium's "
                             "ipv4NativeRoutingCIDR, ip-masq-agent) and at NAT on the routers");
}
