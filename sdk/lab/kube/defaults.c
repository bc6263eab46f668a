// The fields that an API server fills in by itself.
#include "rest.h"

#include <stdlib.h>
#include <string.h>

static void set_default(json_t *object, const char *name, json_t *value)
{
    if (!object || (json_object_get(object, name) && !json_is_null(json_object_get(object, name))))
        json_decref(value);
    else
        json_object_set_new(object, name, value);
}

static void each(const json_t *list, void (*fn)(json_t *))
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) if (json_is_object(item)) fn(item);
}

static void protocol(json_t *port)
{
    set_default(port, "protocol", json_string("TCP"));
}

static void container(json_t *c)
{
    const char *image = kube_text(c, "image"), *slash = strrchr(image, '/'),
               *tag = strchr(slash ? slash : image, ':');
    bool latest = !tag || strcmp(tag, ":latest") == 0;
    set_default(c, "imagePullPolicy", json_string(latest ? "Always" : "IfNotPresent"));
    set_default(c, "terminationMessagePath", json_string("/dev/termination-log"));
    set_default(c, "terminationMessagePolicy", json_string("File"));
    set_default(c, "resources", json_object());
    each(json_object_get(c, "ports"), protocol);
    size_t i;
    json_t *env;
    json_array_foreach(json_object_get(c, "env"), i, env)
    {
        json_t *ref = json_object_get(json_object_get(env, "valueFrom"), "fieldRef");
        set_default(ref, "apiVersion", json_string("v1"));
    }
}

static void pod_spec(json_t *spec)
{
    if (!json_is_object(spec))
        return;
    set_default(spec, "restartPolicy", json_string("Always"));
    set_default(spec, "terminationGracePeriodSeconds", json_integer(30));
    set_default(spec, "dnsPolicy", json_string("ClusterFirst"));
    set_default(spec, "securityContext", json_object());
    set_default(spec, "schedulerName", json_string("default-scheduler"));
    const char *account = kube_text(spec, "serviceAccountName");
    if (*account)
        set_default(spec, "serviceAccount", json_string(account));
    each(json_object_get(spec, "containers"), container);
    each(json_object_get(spec, "initContainers"), container);
    if (json_is_true(json_object_get(spec, "hostNetwork"))) {
        size_t i, k;
        json_t *c, *port;
        json_array_foreach(json_object_get(spec, "containers"), i, c)
            json_array_foreach(json_object_get(c, "ports"), k, port)
                set_default(port, "hostPort", json_incref(json_object_get(port, "containerPort")));
    }
}

// As many families as the policy asks for and the cluster has; those that are there stay in front.
static void families(const struct lab_cluster *cluster, json_t *spec)
{
    static const char *const all[] = {"IPv4", "IPv6"};
    set_default(spec, "ipFamilyPolicy", json_string("SingleStack"));
    set_default(spec, "ipFamilies", json_pack("[s]", "IPv4"));
    json_t *list = json_object_get(spec, "ipFamilies");
    bool dual = cluster->dual_stack && strcmp(kube_text(spec, "ipFamilyPolicy"), "SingleStack") != 0;
    if (dual && json_array_size(list) == 1) {
        const char *first = json_string_value(json_array_get(list, 0));
        json_object_set_new(
            spec, "ipFamilies",
            json_pack("[ss]", first ? first : "IPv4", all[!first || strcmp(first, all[0]) == 0]));
    }
}

static void service(const struct lab_cluster *cluster, json_t *object)
{
    json_t *spec = json_object_get(object, "spec"), *port;
    size_t i;
    set_default(spec, "type", json_string("ClusterIP"));
    set_default(spec, "sessionAffinity", json_string("None"));
    const char *type = kube_text(spec, "type");
    json_array_foreach(json_object_get(spec, "ports"), i, port)
    {
        protocol(port);
        set_default(port, "targetPort", json_incref(json_object_get(port, "port")));
    }
    if (strcmp(type, "ExternalName") == 0)
        return;
    set_default(spec, "internalTrafficPolicy", json_string("Cluster"));
    if (strcmp(type, "ClusterIP") != 0)
        set_default(spec, "externalTrafficPolicy", json_string("Cluster"));
    if (strcmp(type, "LoadBalancer") == 0)
        set_default(spec, "allocateLoadBalancerNodePorts", json_true());
    families(cluster, spec);
}

static void workload(const char *kind, json_t *object)
{
    json_t *spec = json_object_get(object, "spec"), *template = json_object_get(spec, "template");
    json_t *labels = (json_t *)kube_path(template, "metadata.labels");
    if (!spec)
        return;
    pod_spec(json_object_get(template, "spec"));
    if (template)
        set_default(template, "metadata", json_object());
    if (strcmp(kind, "DaemonSet") != 0)
        set_default(spec, "replicas", json_integer(1));
    if (strcmp(kind, "ReplicationController") == 0) {
        if (json_object_size(labels)) {
            set_default(spec, "selector", json_copy(labels));
            if (!json_object_size(kube_path(object, "metadata.labels")))
                kube_set(object, "metadata.labels", json_copy(labels));
        }
    } else if (strcmp(kind, "Deployment") == 0) {
        set_default(spec, "strategy", json_object());
        json_t *strategy = json_object_get(spec, "strategy");
        set_default(strategy, "type", json_string("RollingUpdate"));
        if (strcmp(kube_text(strategy, "type"), "RollingUpdate") == 0) {
            set_default(strategy, "rollingUpdate", json_object());
            set_default(json_object_get(strategy, "rollingUpdate"), "maxSurge", json_string("25%"));
            set_default(json_object_get(strategy, "rollingUpdate"), "maxUnavailable", json_string("25%"));
        }
        set_default(spec, "revisionHistoryLimit", json_integer(10));
        set_default(spec, "progressDeadlineSeconds", json_integer(600));
    } else if (strcmp(kind, "DaemonSet") == 0) {
        set_default(spec, "updateStrategy",
                    json_pack("{ss s{si si}}", "type", "RollingUpdate", "rollingUpdate", "maxSurge", 0,
                              "maxUnavailable", 1));
        set_default(spec, "revisionHistoryLimit", json_integer(10));
    } else if (strcmp(kind, "StatefulSet") == 0) {
        set_default(spec, "podManagementPolicy", json_string("OrderedReady"));
        set_default(spec, "updateStrategy",
                    json_pack("{ss s{si}}", "type", "RollingUpdate", "rollingUpdate", "partition", 0));
        set_default(spec, "revisionHistoryLimit", json_integer(10));
    }
}

static void network_policy(json_t *object)
{
    json_t *spec = json_object_get(object, "spec"), *rule, *types = json_pack("[s]", "Ingress");
    size_t i;
    json_array_foreach(json_object_get(spec, "ingress"), i, rule)
        each(json_object_get(rule, "ports"), protocol);
    json_array_foreach(json_object_get(spec, "egress"), i, rule)
        each(json_object_get(rule, "ports"), protocol);
    if (json_array_size(json_object_get(spec, "egress")))
        json_array_append_new(types, json_string("Egress"));
    set_default(spec, "policyTypes", types);
    set_default(spec, "podSelector", json_object());
}

static void slice_port(json_t *port)
{
    set_default(port, "name", json_string(""));
    protocol(port);
}

static void endpoint(json_t *e)
{
    set_default(e, "conditions", json_object());
}

static void subset(json_t *s)
{
    each(json_object_get(s, "ports"), protocol);
}

static void secret(json_t *object)
{
    const char *key;
    json_t *value, *text = json_object_get(object, "stringData");
    set_default(object, "type", json_string("Opaque"));
    if (!json_is_object(text))
        return;
    set_default(object, "data", json_object());
    json_object_foreach(text, key, value)
    {
        const char *plain = json_string_value(value);
        char *encoded = lab_base64(plain ? plain : "", plain ? strlen(plain) : 0);
        json_object_set_new(json_object_get(object, "data"), key, json_string(encoded));
        free(encoded);
    }
    json_object_del(object, "stringData");
}

static void name_space(const struct lab_cluster *cluster, json_t *object)
{
    set_default(object, "spec", json_object());
    if (!json_object_get(json_object_get(object, "metadata"), "deletionTimestamp"))
        set_default(json_object_get(object, "spec"), "finalizers", json_pack("[s]", "kubernetes"));
    if (cluster->minor < 21)
        return;
    json_t *metadata = json_object_get(object, "metadata");
    set_default(metadata, "labels", json_object());
    json_object_set_new(json_object_get(metadata, "labels"), "kubernetes.io/metadata.name",
                        json_string(kube_name(object)));
}

static void definition(json_t *object)
{
    json_t *spec = json_object_get(object, "spec"), *names = json_object_get(spec, "names");
    char *list = lab_format("%sList", kube_text(names, "kind"));
    set_default(names, "listKind", json_string(list));
    set_default(spec, "conversion", json_pack("{ss}", "strategy", "None"));
    free(list);
    const char *kind = kube_text(names, "kind");
    char *singular = lab_strdup(kind);
    for (char *p = singular; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    set_default(names, "singular", json_string(singular));
    free(singular);
}

void kube_defaults(const struct lab_cluster *cluster, const struct kube_kind *kind, json_t *object)
{
    const char *name = kind->kind;
    if (strcmp(name, "Pod") == 0) {
        json_t *spec = json_object_get(object, "spec");
        pod_spec(spec);
        set_default(spec, "enableServiceLinks", json_true());
        set_default(spec, "serviceAccountName", json_string("default"));
        set_default(spec, "serviceAccount", json_string(kube_text(spec, "serviceAccountName")));
    } else if (strcmp(name, "Service") == 0) {
        service(cluster, object);
    } else if (strcmp(name, "NetworkPolicy") == 0) {
        network_policy(object);
    } else if (strcmp(name, "EndpointSlice") == 0) {
        each(json_object_get(object, "ports"), slice_port);
        each(json_object_get(object, "endpoints"), endpoint);
    } else if (strcmp(name, "Endpoints") == 0) {
        each(json_object_get(object, "subsets"), subset);
    } else if (strcmp(name, "Secret") == 0) {
        secret(object);
    } else if (strcmp(name, "Namespace") == 0) {
        name_space(cluster, object);
    } else if (strcmp(name, "CustomResourceDefinition") == 0) {
        definition(object);
    } else if (kind->served[0].group &&
               (strcmp(kind->served[0].group, "apps") == 0 || strcmp(name, "ReplicationController") == 0)) {
        workload(name, object);
    }
}
