#include "strict.h"

#include "../lab.h"
#include "schema.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SELECTOR(kind, path)                                                                                 \
    {kind, path, "matchLabels matchExpressions"},                                                            \
    {                                                                                                        \
        kind, path ".matchExpressions", "key operator values"                                                \
    }
#define PEERS(direction, peers)                                                                              \
    {"NetworkPolicy", "spec." direction, "ports " peers},                                                    \
        {"NetworkPolicy", "spec." direction ".ports", "protocol port endPort"},                              \
        {"NetworkPolicy", "spec." direction "." peers, "podSelector namespaceSelector ipBlock"},             \
        {"NetworkPolicy", "spec." direction "." peers ".ipBlock", "cidr except"},                            \
        SELECTOR("NetworkPolicy", "spec." direction "." peers ".podSelector"),                               \
        SELECTOR("NetworkPolicy", "spec." direction "." peers ".namespaceSelector")
#define REFERENCE "kind namespace name uid apiVersion resourceVersion fieldPath"
#define ADDRESS   "ip hostname nodeName targetRef"

// From Kubernetes' published types. What is not here is not looked at.
static const struct {
    const char *kind, *path, *fields;
} known[] = {
    {"*", "metadata",
     "name generateName namespace selfLink uid resourceVersion generation creationTimestamp "
     "deletionTimestamp "
     "deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields clusterName"},
    {"*", "metadata.ownerReferences", "apiVersion kind name uid controller blockOwnerDeletion"},
    {"Service", "", "apiVersion kind metadata spec status"},
    {"Service", "spec",
     "ports selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP "
     "loadBalancerSourceRanges "
     "externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig "
     "ipFamilies "
     "ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy "
     "trafficDistribution"},
    {"Service", "spec.ports", "name protocol appProtocol port targetPort nodePort"},
    {"EndpointSlice", "", "apiVersion kind metadata addressType endpoints ports"},
    {"EndpointSlice", "endpoints",
     "addresses conditions hostname targetRef deprecatedTopology topology nodeName zone hints"},
    {"EndpointSlice", "endpoints.conditions", "ready serving terminating"},
    {"EndpointSlice", "endpoints.targetRef", REFERENCE},
    {"EndpointSlice", "ports", "name protocol port appProtocol"},
    {"Endpoints", "", "apiVersion kind metadata subsets"},
    {"Endpoints", "subsets", "addresses notReadyAddresses ports"},
    {"Endpoints", "subsets.addresses", ADDRESS},
    {"Endpoints", "subsets.notReadyAddresses", ADDRESS},
    {"Endpoints", "subsets.ports", "name port protocol appProtocol"},
    {"NetworkPolicy", "", "apiVersion kind metadata spec status"},
    {"NetworkPolicy", "spec", "podSelector ingress egress policyTypes"},
    SELECTOR("NetworkPolicy", "spec.podSelector"),
    PEERS("ingress", "from"),
    PEERS("egress", "to"),
    {"Namespace", "", "apiVersion kind metadata spec status"},
    {"Namespace", "spec", "finalizers"},
    {"ConfigMap", "", "apiVersion kind metadata data binaryData immutable"},
    {"Secret", "", "apiVersion kind metadata data stringData type immutable"},
    {"Deployment", "", "apiVersion kind metadata spec status"},
    {"Deployment", "spec",
     "replicas selector template strategy minReadySeconds revisionHistoryLimit paused "
     "progressDeadlineSeconds"},
    SELECTOR("Deployment", "spec.selector"),
    {"Deployment", "spec.template", "metadata spec"},
    {"DaemonSet", "", "apiVersion kind metadata spec status"},
    {"DaemonSet", "spec", "selector template updateStrategy minReadySeconds revisionHistoryLimit"},
    SELECTOR("DaemonSet", "spec.selector"),
    {"ReplicationController", "spec", "replicas minReadySeconds selector template"},
    {"Pod", "spec.containers.env", "name value valueFrom"},
    {"Pod", "spec.containers.ports", "name hostPort containerPort protocol hostIP"},
    {"Pod", "spec.containers",
     "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
     "restartPolicyRules "
     "volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath "
     "terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"},
};

static const char *fields_of(const char *kind, const char *field)
{
    static const char template[] = "spec.template.";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((strcmp(known[i].kind, kind) == 0 || *known[i].kind == '*') && strcmp(known[i].path, field) == 0)
            return known[i].fields;
    bool inner = strncmp(field, template, sizeof template - 1) == 0 && strcmp(kind, "Pod") != 0;
    return inner ? fields_of("Pod", field + sizeof template - 1) : NULL;
}

static bool is_word_of(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at++)
        if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' '))
            return true;
    return false;
}

struct place {
    const char *kind;
    const char *field;           // of the schema
    const char *applied, *plain; // so far, in both spellings
};

static void strip(const struct place *at, json_t *value, json_t *found);

static void strip_member(const struct place *at, json_t *object, const char *name, json_t *child,
                         json_t *found)
{
    const char *words = fields_of(at->kind, at->field);
    char *applied = lab_format("%s.%s", at->applied, name), *plain = kube_field_join(at->plain, name);
    char *field = kube_field_join(at->field, name);
    if (words && !is_word_of(words, name)) {
        json_array_append_new(found, json_pack("[ss]", applied, plain));
        json_object_del(object, name);
    } else {
        const struct place deeper = {at->kind, field, applied, plain};
        strip(&deeper, child, found);
    }
    free(field);
    free(plain);
    free(applied);
}

// An item as an apply names it: by its keys, else by its number.
static char *item_name(const struct place *at, const json_t *item, size_t i)
{
    const struct kube_field *schema = kube_schema(at->kind, at->field);
    json_t *keys = schema && schema->merge == KUBE_MAP_LIST ? kube_item_keys(schema, item) : NULL, *value;
    char *list = lab_strdup("");
    const char *name;
    json_object_foreach(keys, name, value)
    {
        char *text = json_dumps(value, JSON_ENCODE_ANY),
             *longer = lab_format("%s%s%s=%s", list, *list ? "," : "", name, text);
        free(text);
        free(list);
        list = longer;
    }
    char *result = keys ? lab_format("%s[%s]", at->applied, list) : lab_format("%s[%zu]", at->applied, i);
    free(list);
    json_decref(keys);
    return result;
}

static void strip(const struct place *at, json_t *value, json_t *found)
{
    const char *name;
    json_t *child;
    void *tmp;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach_safe(value, tmp, name, child) strip_member(at, value, name, child, found);
        return;
    }
    json_array_foreach(value, i, child)
    {
        char *applied = item_name(at, child, i), *plain = lab_format("%s[%zu]", at->plain, i);
        const struct place item = {at->kind, at->field, applied, plain};
        strip(&item, child, found);
        free(plain);
        free(applied);
    }
}

json_t *kube_strip_unknown(const char *kind, json_t *object)
{
    const struct place top = {kind, "", "", ""};
    json_t *found = json_array();
    strip(&top, object, found);
    return found;
}
