// Who has which address, and which address has a name.
#include "net.h"

#include "../kube/cluster.h"
#include "../kube/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *pod_in(struct lab_cluster *cluster, const char *address, bool of_host)
{
    struct kube_resource *pods = kube_resource(cluster, "pods");
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        if (strcmp(kube_text(pod, "status.podIP"), address) == 0 && !kube_pod_over(pod) &&
            json_is_true(kube_path(pod, "spec.hostNetwork")) == of_host)
            return pod;
    }
    return NULL;
}

const json_t *lab_net_pod_at(struct lab *lab, uint32_t address, struct lab_cluster **owner)
{
    char *text = lab_ip(address);
    const json_t *pod = NULL;
    for (int of_host = 0; of_host < 2 && !pod; of_host++)
        for (struct lab_cluster *c = lab->kube->clusters; c && !pod; c = c->next) {
            if (c->deleted)
                continue;
            pod = pod_in(c, text, of_host);
            *owner = c;
        }
    free(text);
    return pod;
}

// The first ready address behind a headless Service.
static bool headless(struct lab_cluster *cluster, const json_t *service, uint32_t *address)
{
    json_t *slices = lab_kube_list(cluster, "endpointslices", kube_ns(service)), *slice, *endpoint;
    size_t i, k;
    bool found = false;
    json_array_foreach(slices, i, slice)
    {
        const json_t *labels = kube_path(slice, "metadata.labels");
        const char *of = json_string_value(json_object_get(labels, "kubernetes.io/service-name"));
        if (!of || strcmp(of, kube_name(service)) != 0)
            continue;
        json_array_foreach(json_object_get(slice, "endpoints"), k,
                           endpoint) if (!found && !json_is_false(kube_path(endpoint, "conditions.ready")))
            found = lab_parse_ip(json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0)),
                                 address);
    }
    json_decref(slices);
    return found;
}

bool lab_net_resolve(struct lab_cluster *cluster, const char *ns, const char *host, uint32_t *address,
                     char *why, size_t size)
{
    size_t len = strcspn(host, ".");
    const char *rest = host + len + (host[len] == '.');
    size_t ns_len = strcspn(rest, ".");
    const char *suffix = rest + ns_len;
    if (lab_parse_ip(host, address))
        return true;
    char *name = lab_format("%.*s", (int)len, host),
         *space = *rest ? lab_format("%.*s", (int)ns_len, rest) : lab_strdup(ns);
    bool ours = !*suffix || strcmp(suffix, ".svc") == 0 || strcmp(suffix, ".svc.cluster.local") == 0;
    const json_t *service = ours ? lab_kube_get(cluster, "services", space, name) : NULL;
    const char *ip = kube_text(service, "spec.clusterIP");
    bool found = service &&
                 (strcmp(ip, "None") == 0 ? headless(cluster, service, address) : lab_parse_ip(ip, address));
    if (!found)
        snprintf(why, size,
                 service ? "Service %s/%s in cluster %s has no address"
                         : "no Service %s/%s in cluster %s: the name does not resolve",
                 space, name, cluster->name);
    free(name);
    free(space);
    return found;
}
