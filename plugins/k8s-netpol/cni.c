// Which network plugin a cluster runs, by the DaemonSets that install it.
#include "cni.h"

#include <isthmus/alloc.h>

#include <string.h>

#define VPC 0 // its row

// `engine` NULL: addresses only, no policies.
static const struct {
    const char *daemonset, *engine;
} plugins[] = {
    {"aws-node", NULL}, // has an agent of its own for policies, off unless asked for
    {"calico-node", "Calico"},
    {"cilium", "Cilium"},
    {"anetd", "Cilium"}, // GKE Dataplane V2
    {"canal", "Calico"},
    {"antrea-agent", "Antrea"},
    {"weave-net", "Weave Net"},
    {"kube-router", "kube-router"},
    {"ovnkube-node", "OVN-Kubernetes"},
    {"kube-ovn-cni", "Kube-OVN"},
    {"azure-npm", "Azure NPM"},
    {"kube-flannel-ds", NULL},
    {"kube-flannel", NULL},
    {"azure-cni", NULL},
};
#define PLUGINS (sizeof(plugins) / sizeof(*plugins))

static int agent_of(const json_t *daemonset)
{
    size_t i, k;
    const json_t *container, *arg;
    json_array_foreach(ist_json_at(daemonset, "spec.template.spec.containers"), i, container)
    {
        if (strcmp(ist_json_str_or(container, "name", ""), "aws-eks-nodeagent") != 0)
            continue;
        json_array_foreach(json_object_get(container, "args"), k, arg)
        {
            const char *text = json_string_value(arg);
            if (text && strcmp(text, "--enable-network-policy=true") == 0)
                return 1;
        }
    }
    return 0;
}

void cni_see(struct cni *cni, const json_t *daemonset, int gone)
{
    const char *name = ist_json_str_or(daemonset, "metadata.name", "");
    for (size_t i = 0; i < PLUGINS; i++) {
        if (strcmp(name, plugins[i].daemonset) != 0)
            continue;
        if (gone)
            cni->seen &= ~(1u << i);
        else
            cni->seen |= 1u << i;
        if (i == VPC)
            cni->agent = !gone && agent_of(daemonset) ? 1 : 0;
    }
}

const char *cni_engine(const struct cni *cni)
{
    // Calico and Cilium may run beside aws-node, which then only gives out addresses; its agent is off there.
    for (size_t i = 0; i < PLUGINS; i++)
        if (cni->seen & (1u << i) && plugins[i].engine)
            return plugins[i].engine;
    if (cni->agent)
        return "VPC CNI";
    return cni->seen ? "nothing" : NULL;
}

int cni_is_vpc(const struct cni *cni)
{
    const char *engine = cni_engine(cni);
    return engine && strcmp(engine, "VPC CNI") == 0;
}

int cni_is_cilium(const struct cni *cni)
{
    const char *engine = cni_engine(cni);
    return engine && strcmp(engine, "Cilium") == 0;
}

// ---- policies of other kinds ----

// A group may be served in several versions: the newest that is served is listed.
static const struct {
    const char *group, *kind, *versions[4];
} unmodelled[] = {
    {"crd.projectcalico.org", "NetworkPolicy", {"v1"}},
    {"crd.projectcalico.org", "GlobalNetworkPolicy", {"v1"}},
    {"projectcalico.org", "NetworkPolicy", {NULL}}, // the same objects by Calico's own API server
    {"projectcalico.org", "GlobalNetworkPolicy", {NULL}},
    {"cilium.io", "CiliumNetworkPolicy", {"v2"}},
    {"cilium.io", "CiliumClusterwideNetworkPolicy", {"v2"}},
    {"policy.networking.k8s.io", "AdminNetworkPolicy", {"v1alpha1"}},
    {"policy.networking.k8s.io", "BaselineAdminNetworkPolicy", {"v1alpha1"}},
    {"policy.networking.k8s.io", "ClusterNetworkPolicy", {"v1", "v1beta1", "v1alpha2"}},
    {"networking.k8s.aws", "ClusterNetworkPolicy", {"v1alpha1"}},
    {"networking.k8s.aws", "ApplicationNetworkPolicy", {"v1alpha1"}},
    {"crd.antrea.io", "NetworkPolicy", {"v1beta1"}},
    {"crd.antrea.io", "ClusterNetworkPolicy", {"v1beta1"}},
};
#define UNMODELLED (sizeof(unmodelled) / sizeof(*unmodelled))

int policy_unmodelled(const char *api, const char *kind)
{
    for (size_t i = 0; i < UNMODELLED; i++) {
        size_t len = strlen(unmodelled[i].group);
        if (strcmp(kind, unmodelled[i].kind) == 0 && strncmp(api, unmodelled[i].group, len) == 0 &&
            api[len] == '/')
            return 1;
    }
    return 0;
}

static int32_t list_row(ist_kube *kube, size_t row, const char *version, json_t *found, ist_error *err)
{
    ist_kube_kind kind;
    json_t *items = NULL;
    size_t i;
    const json_t *item;
    char *api = ist_printf("%s/%s", unmodelled[row].group, version);
    int32_t rc = ist_kube_kind_of(kube, api, unmodelled[row].kind, &kind, err);
    if (rc == IST_OK)
        rc = ist_kube_list(kube, api, unmodelled[row].kind, NULL, NULL, NULL, &items, NULL, err);
    json_array_foreach(items, i, item)
    {
        const char *ns = ist_json_str(item, "metadata.namespace");
        char *text = ist_printf("%s %s%s%s", unmodelled[row].kind, ns ? ns : "", ns ? "/" : "",
                                ist_json_str_or(item, "metadata.name", "?"));
        json_array_append_new(found, json_string(text));
        ist_free(text);
    }
    json_decref(items);
    ist_free(api);
    return rc;
}

int32_t policy_unmodelled_list(ist_kube *kube, json_t **found, ist_error *err)
{
    json_t *list = json_array();
    int32_t rc = IST_OK;
    for (size_t row = 0; row < UNMODELLED && rc == IST_OK; row++) {
        for (size_t v = 0; v < 4 && unmodelled[row].versions[v]; v++) {
            rc = list_row(kube, row, unmodelled[row].versions[v], list, err);
            if (rc != IST_ERR_NOT_FOUND)
                break;
        }
        if (rc == IST_ERR_NOT_FOUND)
            rc = IST_OK;
    }
    if (rc == IST_OK)
        *found = json_incref(list);
    json_decref(list);
    return rc;
}
