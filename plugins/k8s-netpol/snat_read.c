// Reads what snat.c judges. What a cluster does not have is no error; what may not be read is.
#include "snat.h"

#include <isthmus/alloc.h>

#include <string.h>

// NULL when it is not there.
static int32_t get(ist_kube *kube, const char *api, const char *kind, const char *name, json_t **object,
                   ist_error *err)
{
    if (*object)
        return IST_OK;
    int32_t rc = ist_kube_get(kube, api, kind, "kube-system", name, object, err);
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

static int32_t read_sets(ist_kube *kube, struct snat_facts *facts, ist_error *err)
{
    json_t *sets = NULL, *set;
    size_t i;
    int32_t rc = ist_kube_list(kube, "apps/v1", "DaemonSet", NULL, NULL, NULL, &sets, NULL, err);
    json_array_foreach(sets, i, set)
    {
        const char *name = ist_json_str_or(set, "metadata.name", "");
        cni_see(&facts->cni, set, 0);
        if (strcmp(name, "aws-node") == 0 && !facts->aws_node)
            facts->aws_node = json_incref(set);
        else if (strncmp(name, "kube-flannel", 12) == 0 && !facts->flannel)
            facts->flannel = json_incref(set);
        else if (strcmp(name, "ip-masq-agent") == 0 && !facts->masq_agent_set)
            facts->masq_agent_set = json_incref(set);
    }
    json_decref(sets);
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

static int32_t read_pools(ist_kube *kube, struct snat_facts *facts, ist_error *err)
{
    static const char *const apis[] = {"crd.projectcalico.org/v1", "projectcalico.org/v3"};
    int32_t rc = IST_ERR_NOT_FOUND;
    for (size_t i = 0; i < 2 && rc == IST_ERR_NOT_FOUND; i++) {
        ist_kube_kind kind;
        rc = ist_kube_kind_of(kube, apis[i], "IPPool", &kind, err);
        if (rc != IST_OK)
            continue;
        rc = ist_kube_list(kube, apis[i], "IPPool", NULL, NULL, NULL, &facts->pools, NULL, err);
        facts->pools_api = apis[i];
    }
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

static int32_t read_mesh(ist_kube *kube, struct snat_facts *facts, ist_error *err)
{
    json_t *server = NULL;
    int32_t rc = get(kube, "apps/v1", "Deployment", "clustermesh-apiserver", &server, err);
    facts->mesh = server != NULL;
    json_decref(server);
    if (rc == IST_OK && facts->mesh)
        rc = get(kube, "v1", "ConfigMap", "clustermesh-remote-users", &facts->mesh_users, err);
    return rc;
}

int32_t snat_read_mesh(ist_kube *kube, json_t **member, ist_error *err)
{
    struct snat_facts read = {0};
    int32_t rc = get(kube, "v1", "ConfigMap", "cilium-config", &read.cilium, err);
    if (rc == IST_OK && read.cilium)
        rc = read_mesh(kube, &read, err);
    if (rc == IST_OK)
        *member = snat_mesh_member(&read);
    snat_free(&read);
    return rc;
}

int32_t snat_read(ist_kube *kube, struct snat_facts *facts, ist_error *err)
{
    struct snat_facts read = {0};
    int32_t rc = read_sets(kube, &read, err);
    if (rc == IST_OK)
        rc = read_pools(kube, &read, err);
    if (rc == IST_OK)
        rc = get(kube, "v1", "ConfigMap", "ip-masq-agent", &read.masq_agent, err);
    if (rc == IST_OK)
        rc = get(kube, "v1", "ConfigMap", "kube-proxy", &read.kube_proxy, err);
    if (rc == IST_OK) // as EKS calls it
        rc = get(kube, "v1", "ConfigMap", "kube-proxy-config", &read.kube_proxy, err);
    if (rc == IST_OK && cni_is_cilium(&read.cni))
        rc = get(kube, "v1", "ConfigMap", "cilium-config", &read.cilium, err);
    if (rc == IST_OK && read.cilium)
        rc = read_mesh(kube, &read, err);
    read.read = 1;
    if (rc == IST_OK)
        *facts = read;
    else
        snat_free(&read);
    return rc;
}

void snat_free(struct snat_facts *facts)
{
    json_decref(facts->aws_node);
    json_decref(facts->flannel);
    json_decref(facts->pools);
    json_decref(facts->masq_agent);
    json_decref(facts->masq_agent_set);
    json_decref(facts->kube_proxy);
    json_decref(facts->cilium);
    json_decref(facts->mesh_users);
    *facts = (struct snat_facts){0};
}
