// Which kinds a cluster serves, under which groups and versions, by its version.
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

#define WORKLOAD (KUBE_STATUS | KUBE_SCALE | KUBE_GENERATION)
#define RBAC                                                                                                 \
    {                                                                                                        \
        {"rbac.authorization.k8s.io", "v1", 8, 0},                                                           \
        {                                                                                                    \
            "rbac.authorization.k8s.io", "v1beta1", 6, 22                                                    \
        }                                                                                                    \
    }

// Since and until: the API deprecation guide of kubernetes.io.
const struct kube_kind kube_kinds[] = {
    {"bindings", "binding", "Binding", "", "", true, KUBE_VIRTUAL, {{"", "v1", 0, 0}}},
    {"configmaps", "configmap", "ConfigMap", "cm", "", true, 0, {{"", "v1", 0, 0}}},
    {"endpoints", "endpoints", "Endpoints", "ep", "", true, 0, {{"", "v1", 0, 0}}},
    {"events", "event", "Event", "ev", "", true, 0, {{"", "v1", 0, 0}, {"events.k8s.io", "v1", 19, 0}}},
    {"limitranges", "limitrange", "LimitRange", "limits", "", true, 0, {{"", "v1", 0, 0}}},
    {"namespaces", "namespace", "Namespace", "ns", "", false, KUBE_STATUS, {{"", "v1", 0, 0}}},
    {"nodes", "node", "Node", "no", "", false, KUBE_STATUS, {{"", "v1", 0, 0}}},
    {"persistentvolumeclaims",
     "persistentvolumeclaim",
     "PersistentVolumeClaim",
     "pvc",
     "",
     true,
     KUBE_STATUS,
     {{"", "v1", 0, 0}}},
    {"pods", "pod", "Pod", "po", "all", true, KUBE_STATUS | KUBE_PROXY, {{"", "v1", 0, 0}}},
    {"replicationcontrollers",
     "replicationcontroller",
     "ReplicationController",
     "rc",
     "all",
     true,
     WORKLOAD,
     {{"", "v1", 0, 0}}},
    {"resourcequotas", "resourcequota", "ResourceQuota", "quota", "", true, KUBE_STATUS, {{"", "v1", 0, 0}}},
    {"secrets", "secret", "Secret", "", "", true, 0, {{"", "v1", 0, 0}}},
    {"serviceaccounts", "serviceaccount", "ServiceAccount", "sa", "", true, 0, {{"", "v1", 0, 0}}},
    {"services", "service", "Service", "svc", "all", true, KUBE_STATUS | KUBE_PROXY, {{"", "v1", 0, 0}}},
    {"daemonsets",
     "daemonset",
     "DaemonSet",
     "ds",
     "all",
     true,
     KUBE_STATUS | KUBE_GENERATION,
     {{"apps", "v1", 9, 0}, {"extensions", "v1beta1", 1, 16}}},
    {"deployments",
     "deployment",
     "Deployment",
     "deploy",
     "all",
     true,
     WORKLOAD,
     {{"apps", "v1", 9, 0}, {"extensions", "v1beta1", 1, 16}}},
    {"replicasets",
     "replicaset",
     "ReplicaSet",
     "rs",
     "all",
     true,
     WORKLOAD,
     {{"apps", "v1", 9, 0}, {"extensions", "v1beta1", 1, 16}}},
    {"statefulsets", "statefulset", "StatefulSet", "sts", "all", true, WORKLOAD, {{"apps", "v1", 9, 0}}},
    {"endpointslices",
     "endpointslice",
     "EndpointSlice",
     "",
     "",
     true,
     KUBE_GENERATION,
     {{"discovery.k8s.io", "v1", 21, 0}, {"discovery.k8s.io", "v1beta1", 17, 25}}},
    {"networkpolicies",
     "networkpolicy",
     "NetworkPolicy",
     "netpol",
     "",
     true,
     KUBE_GENERATION,
     {{"networking.k8s.io", "v1", 7, 0}, {"extensions", "v1beta1", 3, 16}}},
    {"ingresses",
     "ingress",
     "Ingress",
     "ing",
     "",
     true,
     KUBE_STATUS | KUBE_GENERATION,
     {{"networking.k8s.io", "v1", 19, 0},
      {"networking.k8s.io", "v1beta1", 14, 22},
      {"extensions", "v1beta1", 1, 22}}},
    {"poddisruptionbudgets",
     "poddisruptionbudget",
     "PodDisruptionBudget",
     "pdb",
     "",
     true,
     KUBE_STATUS | KUBE_GENERATION,
     {{"policy", "v1", 21, 0}, {"policy", "v1beta1", 5, 25}}},
    {"clusterroles", "clusterrole", "ClusterRole", "", "", false, 0, RBAC},
    {"clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", "", "", false, 0, RBAC},
    {"roles", "role", "Role", "", "", true, 0, RBAC},
    {"rolebindings", "rolebinding", "RoleBinding", "", "", true, 0, RBAC},
    {"leases",
     "lease",
     "Lease",
     "",
     "",
     true,
     0,
     {{"coordination.k8s.io", "v1", 14, 0}, {"coordination.k8s.io", "v1beta1", 14, 22}}},
    {"customresourcedefinitions",
     "customresourcedefinition",
     "CustomResourceDefinition",
     "crd crds",
     "api-extensions",
     false,
     KUBE_STATUS | KUBE_GENERATION,
     {{"apiextensions.k8s.io", "v1", 16, 0}, {"apiextensions.k8s.io", "v1beta1", 7, 22}}},
    {"selfsubjectreviews",
     "selfsubjectreview",
     "SelfSubjectReview",
     "",
     "",
     false,
     KUBE_VIRTUAL,
     {{"authentication.k8s.io", "v1", 28, 0}}},
    {"selfsubjectaccessreviews",
     "selfsubjectaccessreview",
     "SelfSubjectAccessReview",
     "",
     "",
     false,
     KUBE_VIRTUAL,
     {{"authorization.k8s.io", "v1", 6, 0}}},
    {.plural = NULL},
};

bool kube_served_now(const struct lab_cluster *cluster, const struct kube_served *served)
{
    return served->version && cluster->minor >= served->since &&
           (!served->until || cluster->minor < served->until);
}

const struct kube_served *kube_preferred(const struct lab_cluster *cluster, const struct kube_kind *kind)
{
    for (size_t i = 0; i < sizeof kind->served / sizeof *kind->served; i++)
        if (kube_served_now(cluster, &kind->served[i]))
            return &kind->served[i];
    return NULL;
}

char *kube_api_version(const struct kube_served *served)
{
    return *served->group ? lab_format("%s/%s", served->group, served->version) : lab_strdup(served->version);
}

static struct kube_resource *add(struct lab_cluster *cluster, const struct kube_kind *kind, bool custom)
{
    if (cluster->resource_count == KUBE_MAX_RESOURCES)
        return NULL;
    struct kube_resource *resource = lab_calloc(1, sizeof *resource);
    resource->kind = kind;
    resource->custom = custom;
    cluster->resources[cluster->resource_count++] = resource;
    return resource;
}

void kube_resources_init(struct lab_cluster *cluster)
{
    for (const struct kube_kind *kind = kube_kinds; kind->plural; kind++)
        if (kube_preferred(cluster, kind))
            add(cluster, kind, false);
}

static void custom_kind_free(const struct kube_kind *kind)
{
    union {
        const void *borrowed;
        void *owned;
    } p;
    const char *texts[] = {kind->plural,
                           kind->singular,
                           kind->kind,
                           kind->short_names,
                           kind->categories,
                           kind->served[0].group,
                           kind->served[0].version,
                           kind->served[1].version,
                           kind->served[2].version};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        p.borrowed = texts[i];
        free(p.owned);
    }
    p.borrowed = kind;
    free(p.owned);
}

void kube_resources_free(struct lab_cluster *cluster)
{
    for (size_t i = 0; i < cluster->resource_count; i++) {
        if (cluster->resources[i]->custom)
            custom_kind_free(cluster->resources[i]->kind);
        free(cluster->resources[i]->items);
        free(cluster->resources[i]);
    }
    cluster->resource_count = 0;
}

static char *joined(const json_t *list)
{
    char *text = lab_strdup("");
    size_t i;
    const json_t *word;
    json_array_foreach(list, i, word)
    {
        char *longer = lab_format("%s%s%s", text, *text ? " " : "", json_string_value(word));
        free(text);
        text = longer;
    }
    return text;
}

static struct kube_kind *custom_kind(const json_t *definition)
{
    struct kube_kind *kind = lab_calloc(1, sizeof *kind);
    const json_t *versions = kube_path(definition, "spec.versions"), *version;
    const char *singular = kube_text(definition, "spec.names.singular");
    size_t i, n = 0;
    kind->plural = lab_strdup(kube_text(definition, "spec.names.plural"));
    kind->kind = lab_strdup(kube_text(definition, "spec.names.kind"));
    kind->singular = lab_strdup(*singular ? singular : kind->kind);
    if (!*singular)
        for (char *p = (char *)kind->singular; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    kind->short_names = joined(kube_path(definition, "spec.names.shortNames"));
    kind->categories = joined(kube_path(definition, "spec.names.categories"));
    kind->namespaced = strcmp(kube_text(definition, "spec.scope"), "Namespaced") == 0;
    kind->flags = KUBE_GENERATION;
    json_array_foreach(versions, i, version)
    {
        if (n == 3 || !json_is_true(json_object_get(version, "served")))
            continue;
        if (kube_path(version, "subresources.status") || kube_path(definition, "spec.subresources.status"))
            kind->flags |= KUBE_STATUS;
        if (!n)
            kind->served[0].group = lab_strdup(kube_text(definition, "spec.group"));
        else
            kind->served[n].group = kind->served[0].group;
        kind->served[n++].version = lab_strdup(kube_text(version, "name"));
    }
    return kind;
}

void kube_resources_define(struct lab_cluster *cluster, const json_t *definition, bool gone)
{
    const char *plural = kube_text(definition, "spec.names.plural"),
               *group = kube_text(definition, "spec.group");
    struct kube_resource *resource = NULL;
    for (size_t i = 0; i < cluster->resource_count; i++) {
        struct kube_resource *r = cluster->resources[i];
        if (r->custom && strcmp(r->kind->plural, plural) == 0 && r->kind->served[0].group &&
            strcmp(r->kind->served[0].group, group) == 0)
            resource = r;
    }
    if (gone) {
        if (resource)
            resource->gone = true;
        return;
    }
    struct kube_kind *kind = custom_kind(definition);
    if (!kind->served[0].version) {
        custom_kind_free(kind);
    } else if (resource) {
        custom_kind_free(resource->kind);
        resource->kind = kind;
        resource->gone = false;
    } else if (!add(cluster, kind, true)) {
        custom_kind_free(kind);
    }
}

struct kube_resource *kube_resource(struct lab_cluster *cluster, const char *plural)
{
    for (size_t i = 0; i < cluster->resource_count; i++)
        if (!cluster->resources[i]->gone && strcmp(cluster->resources[i]->kind->plural, plural) == 0)
            return cluster->resources[i];
    return NULL;
}

char *kube_resource_id(const struct kube_resource *resource)
{
    const struct kube_kind *kind = resource->kind;
    return resource->custom ? lab_format("%s.%s", kind->plural, kind->served[0].group)
                            : lab_strdup(kind->plural);
}

struct kube_resource *kube_resource_by_id(struct lab_cluster *cluster, const char *id)
{
    struct kube_resource *found = NULL;
    for (size_t i = 0; i < cluster->resource_count && !found; i++) {
        char *own = kube_resource_id(cluster->resources[i]);
        if (!cluster->resources[i]->gone && strcmp(own, id) == 0)
            found = cluster->resources[i];
        free(own);
    }
    return found;
}

struct kube_resource *kube_resource_served(struct lab_cluster *cluster, const char *group,
                                           const char *version, const char *plural)
{
    for (size_t i = 0; i < cluster->resource_count; i++) {
        const struct kube_kind *kind = cluster->resources[i]->kind;
        if (cluster->resources[i]->gone || strcmp(kind->plural, plural) != 0)
            continue;
        for (size_t v = 0; v < sizeof kind->served / sizeof *kind->served; v++)
            if (kube_served_now(cluster, &kind->served[v]) && strcmp(kind->served[v].group, group) == 0 &&
                strcmp(kind->served[v].version, version) == 0)
                return cluster->resources[i];
    }
    return NULL;
}

struct kube_resource *kube_resource_by_kind(struct lab_cluster *cluster, const char *api_version,
                                            const char *kind)
{
    const char *slash = strchr(api_version, '/');
    size_t group_len = slash ? (size_t)(slash - api_version) : 0;
    for (size_t i = 0; i < cluster->resource_count; i++) {
        const struct kube_kind *k = cluster->resources[i]->kind;
        if (cluster->resources[i]->gone || strcmp(k->kind, kind) != 0)
            continue;
        for (size_t v = 0; v < sizeof k->served / sizeof *k->served; v++)
            if (kube_served_now(cluster, &k->served[v]) && strlen(k->served[v].group) == group_len &&
                strncmp(k->served[v].group, api_version, group_len) == 0)
                return cluster->resources[i];
    }
    return NULL;
}
