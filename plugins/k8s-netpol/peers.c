// Which addresses a peer of another cluster stands for.
#include "peers.h"

#include <isthmus/alloc.h>

#include <string.h>

int32_t view_read(const ist_cluster *cluster, struct view *view, ist_error *err)
{
    *view = (struct view){.cluster = cluster};
    int32_t rc = ist_kube_list(cluster->kube, "v1", "Pod", NULL, NULL, NULL, &view->pods, NULL, err);
    if (rc == IST_OK)
        rc = ist_kube_list(cluster->kube, "v1", "Namespace", NULL, NULL, NULL, &view->namespaces, NULL, err);
    if (rc == IST_OK)
        rc = ist_kube_list(cluster->kube, "v1", "Service", NULL, NULL, NULL, &view->services, NULL, err);
    return rc;
}

void view_free(struct view *view)
{
    json_decref(view->pods);
    json_decref(view->namespaces);
    json_decref(view->services);
    *view = (struct view){0};
}

// ---- selectors ----

static int among(const json_t *values, const char *value)
{
    size_t i;
    json_t *one;
    json_array_foreach(values, i, one)
    {
        if (value && !strcmp(json_string_value(one), value))
            return 1;
    }
    return 0;
}

// NotIn and DoesNotExist are true for a label that is missing.
static int expression_holds(const json_t *expression, const json_t *labels)
{
    const char *relation = ist_json_str_or(expression, "operator", "");
    const char *value = json_string_value(json_object_get(labels, ist_json_str_or(expression, "key", "")));
    const json_t *values = json_object_get(expression, "values");
    if (!strcmp(relation, "In"))
        return among(values, value);
    if (!strcmp(relation, "NotIn"))
        return !among(values, value);
    if (!strcmp(relation, "Exists"))
        return value != NULL;
    if (!strcmp(relation, "DoesNotExist"))
        return value == NULL;
    return 0;
}

int selector_matches(const json_t *selector, const json_t *labels)
{
    const char *key;
    json_t *wanted, *expression;
    size_t i;
    json_object_foreach(json_object_get(selector, "matchLabels"), key, wanted)
    {
        const char *has = json_string_value(json_object_get(labels, key));
        if (!has || strcmp(has, json_string_value(wanted)) != 0)
            return 0;
    }
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, expression)
    {
        if (!expression_holds(expression, labels))
            return 0;
    }
    return 1;
}

// ---- peers ----

static json_t *by_name(const json_t *list, const char *ns, const char *name)
{
    size_t i;
    json_t *object;
    json_array_foreach(list, i, object)
    {
        if (!strcmp(ist_json_str_or(object, "metadata.name", ""), name) &&
            (!ns || !strcmp(ist_json_str_or(object, "metadata.namespace", ""), ns)))
            return object;
    }
    return NULL;
}

// The labels of a namespace, with the one that names it where the server does not write it. New reference.
static json_t *namespace_labels(const struct view *view, const char *name)
{
    const json_t *found = ist_json_at(by_name(view->namespaces, NULL, name), "metadata.labels");
    json_t *labels = found ? json_copy((json_t *)(uintptr_t)found) : json_object();
    json_object_set_new(labels, "kubernetes.io/metadata.name", json_string(name));
    return labels;
}

static int namespace_fits(const struct view *view, const json_t *peer, const char *own, const char *name)
{
    const char *wanted = ist_json_str(peer, "namespace");
    const json_t *selector = json_object_get(peer, "namespaceSelector");
    if (wanted)
        return !strcmp(wanted, name);
    if (!json_is_object(selector))
        return !strcmp(own, name);
    json_t *labels = namespace_labels(view, name);
    int fits = selector_matches(selector, labels);
    json_decref(labels);
    return fits;
}

// What chooses the pods: the peer's podSelector, or the selector of the service it names. New reference; NULL
// when the service is not there (yet): it stands for nobody.
static json_t *pod_selector(const struct view *view, const json_t *peer, const char *own, json_t *notes)
{
    const char *service = ist_json_str(peer, "service");
    const char *ns = ist_json_str_or(peer, "namespace", own);
    json_t *selector = json_object_get(peer, "podSelector");
    if (!service)
        return json_is_object(selector) ? json_incref(selector) : json_object();
    const json_t *labels = ist_json_at(by_name(view->services, ns, service), "spec.selector");
    if (json_object_size(labels))
        return json_pack("{s:O}", "matchLabels", labels);
    char *note = ist_printf("no Service %s/%s with a selector in %s: as a peer it stands for nobody", ns,
                            service, view->cluster->name);
    json_array_append_new(notes, json_string(note));
    ist_free(note);
    return NULL;
}

// A completed pod keeps its address in status after another pod has got it; one on the node's network has the
// node's.
static int has_own_address(const json_t *pod)
{
    const char *phase = ist_json_str_or(pod, "status.phase", "");
    return strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0 &&
           !ist_json_bool(pod, "spec.hostNetwork", 0);
}

static void add_address(const struct view *view, const json_t *pod, const char *address, json_t *addresses,
                        json_t *notes)
{
    if (!address || !*address)
        return;
    if (ist_cluster_has_pod(view->cluster, address)) {
        char *cidr = ist_printf("%s/32", address);
        json_object_set_new(addresses, cidr, json_true());
        ist_free(cidr);
        return;
    }
    char *note = ist_printf("pod %s/%s of %s is left out: %s lies in none of its pod CIDRs",
                            ist_json_str_or(pod, "metadata.namespace", ""),
                            ist_json_str_or(pod, "metadata.name", ""), view->cluster->name, address);
    json_array_append_new(notes, json_string(note));
    ist_free(note);
}

void peer_addresses(const struct view *view, const json_t *peer, const char *own_namespace, json_t *addresses,
                    json_t *notes)
{
    json_t *selector = pod_selector(view, peer, own_namespace, notes), *pod, *ip;
    size_t i, j;
    json_array_foreach(view->pods, i, pod)
    {
        if (!selector || !has_own_address(pod) ||
            !namespace_fits(view, peer, own_namespace, ist_json_str_or(pod, "metadata.namespace", "")) ||
            !selector_matches(selector, ist_json_at(pod, "metadata.labels")))
            continue;
        const json_t *ips = ist_json_at(pod, "status.podIPs");
        json_array_foreach(ips, j, ip) add_address(view, pod, ist_json_str(ip, "ip"), addresses, notes);
        if (!json_array_size(ips))
            add_address(view, pod, ist_json_str(pod, "status.podIP"), addresses, notes);
    }
    json_decref(selector);
}
