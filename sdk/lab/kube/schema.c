#include "schema.h"

#include "../lab.h"

#include <stdlib.h>
#include <string.h>

#define CONTAINER(list)                                                                                      \
    {"Pod", "spec." list, KUBE_MAP_LIST, true, {"name"}, NULL},                                              \
        {"Pod", "spec." list ".env", KUBE_MAP_LIST, true, {"name"}, NULL},                                   \
        {"Pod", "spec." list ".ports", KUBE_MAP_LIST, true, {"containerPort", "protocol"}, "TCP"},           \
        {"Pod", "spec." list ".volumeMounts", KUBE_MAP_LIST, true, {"mountPath"}, NULL},                     \
        {"Pod", "spec." list ".volumeDevices", KUBE_MAP_LIST, true, {"devicePath"}, NULL},                   \
        {"Pod", "spec." list ".resources.claims", KUBE_MAP_LIST, false, {"name"}, NULL},                     \
        {"Pod", "spec." list ".env.valueFrom.fieldRef", KUBE_ATOMIC, false, {NULL}, NULL},                   \
        {"Pod", "spec." list ".env.valueFrom.resourceFieldRef", KUBE_ATOMIC, false, {NULL}, NULL},           \
        {"Pod", "spec." list ".env.valueFrom.secretKeyRef", KUBE_ATOMIC, false, {NULL}, NULL},               \
    {                                                                                                        \
        "Pod", "spec." list ".env.valueFrom.configMapKeyRef", KUBE_ATOMIC, false, {NULL}, NULL               \
    }

#define WHOLE(kind, path)                                                                                    \
    {                                                                                                        \
        kind, path, KUBE_ATOMIC, false, {NULL}, NULL                                                         \
    }
#define KEYED(kind, path, key)                                                                               \
    {                                                                                                        \
        kind, path, KUBE_MAP_LIST, true, {key}, NULL                                                         \
    }

static const struct kube_field fields[] = {
    {"*", "metadata.ownerReferences", KUBE_MAP_LIST, true, {"uid"}, NULL},
    {"*", "metadata.finalizers", KUBE_SET, true, {NULL}, NULL},
    {"*", "status.conditions", KUBE_MAP_LIST, true, {"type"}, NULL},
    CONTAINER("containers"),
    CONTAINER("initContainers"),
    CONTAINER("ephemeralContainers"),
    KEYED("Pod", "spec.volumes", "name"),
    KEYED("Pod", "spec.imagePullSecrets", "name"),
    KEYED("Pod", "spec.hostAliases", "ip"),
    KEYED("Pod", "spec.schedulingGates", "name"),
    KEYED("Pod", "spec.resourceClaims", "name"),
    {"Pod",
     "spec.topologySpreadConstraints",
     KUBE_MAP_LIST,
     true,
     {"topologyKey", "whenUnsatisfiable"},
     NULL},
    WHOLE("Pod", "spec.nodeSelector"),
    WHOLE("Pod", "spec.topologySpreadConstraints.labelSelector"),
    KEYED("Pod", "status.podIPs", "ip"),
    {"Service", "spec.ports", KUBE_MAP_LIST, true, {"port", "protocol"}, "TCP"},
    WHOLE("Service", "spec.selector"),
    WHOLE("ReplicationController", "spec.selector"),
    WHOLE("Deployment", "spec.selector"),
    WHOLE("ReplicaSet", "spec.selector"),
    WHOLE("DaemonSet", "spec.selector"),
    WHOLE("StatefulSet", "spec.selector"),
    WHOLE("NetworkPolicy", "spec.podSelector"),
    WHOLE("PodDisruptionBudget", "spec.selector"),
    WHOLE("ClusterRoleBinding", "roleRef"),
    WHOLE("RoleBinding", "roleRef"),
    WHOLE("ClusterRole", "aggregationRule"),
    KEYED("Node", "status.addresses", "type"),
    {"Node", "spec.podCIDRs", KUBE_SET, true, {NULL}, NULL},
    KEYED("ServiceAccount", "secrets", "name"),
    {"CustomResourceDefinition", "spec.names.categories", KUBE_ATOMIC, false, {NULL}, NULL},
};

// The path inside a pod template as a path of a Pod, or NULL.
static const char *in_template(const char *kind, const char *path)
{
    static const char *const workloads[] = {"Deployment",  "ReplicaSet", "DaemonSet",
                                            "StatefulSet", "Job",        "ReplicationController"};
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(kind, workloads[i]) == 0 && strncmp(path, "spec.template.", 14) == 0)
            return path + 14;
    return NULL;
}

const struct kube_field *kube_schema(const char *kind, const char *path)
{
    const char *inner = in_template(kind, path);
    if (inner)
        return kube_schema("Pod", inner);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].path, path) == 0 &&
            (*fields[i].kind == '*' || strcmp(fields[i].kind, kind) == 0))
            return &fields[i];
    return NULL;
}

enum kube_merge kube_merge_of(const struct kube_field *field, const json_t *value)
{
    if (json_is_object(value))
        return field && field->merge == KUBE_ATOMIC ? KUBE_ATOMIC : KUBE_GRANULAR;
    if (json_is_array(value) && field)
        return field->merge;
    return KUBE_ATOMIC;
}

json_t *kube_item_keys(const struct kube_field *field, const json_t *item)
{
    json_t *keys = json_object();
    for (size_t i = 0; i < 3 && field->keys[i]; i++) {
        json_t *value = json_object_get(item, field->keys[i]);
        bool last = i == 2 || !field->keys[i + 1];
        if (value)
            json_object_set(keys, field->keys[i], value);
        else if (last && field->default_last)
            json_object_set_new(keys, field->keys[i], json_string(field->default_last));
        else {
            json_decref(keys);
            return NULL;
        }
    }
    return keys;
}

int kube_item_find(const struct kube_field *field, const json_t *list, const json_t *keys)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        json_t *found = kube_item_keys(field, item);
        bool same = found && json_equal(found, keys);
        json_decref(found);
        if (same)
            return (int)i;
    }
    return -1;
}

char *kube_field_join(const char *path, const char *name)
{
    return *path ? lab_format("%s.%s", path, name) : lab_strdup(name);
}
