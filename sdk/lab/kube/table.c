#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct column {
    const char *name;
    const char *type;
    const char *format;
    int priority;                          // above 0: only with -o wide
    json_t *(*cell)(const json_t *object); // new reference
    const char *path;                      // of a number, where there is no cell
};

static json_t *name_cell(const json_t *o)
{
    return json_string(kube_name(o));
}

static time_t moment(const char *text)
{
    struct tm tm = {0};
    return strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) ? timegm(&tm) : 0;
}

static json_t *age_cell(const json_t *o)
{
    time_t made = moment(kube_text(o, "metadata.creationTimestamp"));
    long long s = made ? (long long)(time(NULL) - made) : 0;
    if (s < 0)
        s = 0;
    return s < 120      ? json_sprintf("%llds", s)
           : s < 7200   ? json_sprintf("%lldm", s / 60)
           : s < 172800 ? json_sprintf("%lldh", s / 3600)
                        : json_sprintf("%lldd", s / 86400);
}

static json_t *text_or_none(const char *text)
{
    return json_string(*text ? text : "<none>");
}

static json_t *created_cell(const json_t *o)
{
    return json_string(kube_text(o, "metadata.creationTimestamp"));
}

static json_t *phase_cell(const json_t *o)
{
    return json_string(kube_path(o, "metadata.deletionTimestamp") ? "Terminating"
                                                                  : kube_text(o, "status.phase"));
}

static json_t *pod_ready_cell(const json_t *o)
{
    size_t i, ready = 0;
    const json_t *status;
    json_array_foreach(kube_path(o, "status.containerStatuses"), i, status) ready +=
        json_is_true(json_object_get(status, "ready"));
    return json_sprintf("%zu/%zu", ready, json_array_size(kube_path(o, "spec.containers")));
}

static json_t *pod_status_cell(const json_t *o)
{
    const char *phase = kube_text(o, "status.phase");
    if (kube_path(o, "metadata.deletionTimestamp"))
        return json_string("Terminating");
    return json_string(strcmp(phase, "Succeeded") == 0                                   ? "Completed"
                       : strcmp(phase, "Pending") == 0 && *kube_text(o, "spec.nodeName") ? "ContainerCreating"
                                                                                         : phase);
}

static json_t *zero_cell(const json_t *o)
{
    (void)o;
    return json_string("0");
}

static json_t *pod_ip_cell(const json_t *o)
{
    return text_or_none(kube_text(o, "status.podIP"));
}

static json_t *node_name_cell(const json_t *o)
{
    return text_or_none(kube_text(o, "spec.nodeName"));
}

static json_t *service_type_cell(const json_t *o)
{
    return json_string(kube_text(o, "spec.type"));
}

static json_t *cluster_ip_cell(const json_t *o)
{
    return text_or_none(kube_text(o, "spec.clusterIP"));
}

static json_t *external_ip_cell(const json_t *o)
{
    const json_t *first = json_array_get(kube_path(o, "status.loadBalancer.ingress"), 0);
    const char *host = kube_text(first, "hostname"), *ip = kube_text(first, "ip"),
               *type = kube_text(o, "spec.type");
    if (strcmp(type, "ExternalName") == 0)
        return json_string(kube_text(o, "spec.externalName"));
    if (strcmp(type, "LoadBalancer") == 0)
        return json_string(*host ? host : *ip ? ip : "<pending>");
    return json_string("<none>");
}

static json_t *service_ports_cell(const json_t *o)
{
    char text[512] = "";
    size_t i, n = 0;
    const json_t *port;
    json_array_foreach(kube_path(o, "spec.ports"), i, port)
    {
        long long node = json_integer_value(json_object_get(port, "nodePort"));
        char with_node[16] = "";
        if (node)
            snprintf(with_node, sizeof with_node, ":%lld", node);
        int more = snprintf(text + n, sizeof text - n, "%s%lld%s/%s", i ? "," : "",
                            (long long)json_integer_value(json_object_get(port, "port")), with_node,
                            kube_text(port, "protocol"));
        n += more > 0 && n + (size_t)more < sizeof text ? (size_t)more : 0;
    }
    return text_or_none(text);
}

static json_t *joined_map(const json_t *map)
{
    char *text = lab_strdup("");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        char *longer = lab_format("%s%s%s=%s", text, *text ? "," : "", key, json_string_value(value));
        free(text);
        text = longer;
    }
    json_t *cell = text_or_none(text);
    free(text);
    return cell;
}

static json_t *selector_cell(const json_t *o)
{
    const json_t *selector = kube_path(o, "spec.selector"),
                 *labels = json_object_get(selector, "matchLabels");
    return joined_map(labels                                                          ? labels
                      : json_is_object(json_object_get(selector, "matchExpressions")) ? NULL
                                                                                      : selector);
}

static json_t *pod_selector_cell(const json_t *o)
{
    return joined_map(kube_path(o, "spec.podSelector.matchLabels"));
}

static json_t *replicas_ready_cell(const json_t *o)
{
    return json_sprintf("%lld/%lld", (long long)json_integer_value(kube_path(o, "status.readyReplicas")),
                        (long long)json_integer_value(kube_path(o, "spec.replicas")));
}

static json_t *data_cell(const json_t *o)
{
    return json_integer((json_int_t)json_object_size(json_object_get(o, "data")) +
                        (json_int_t)json_object_size(json_object_get(o, "binaryData")));
}

static json_t *type_cell(const json_t *o)
{
    return json_string(kube_text(o, "type"));
}

static json_t *node_status_cell(const json_t *o)
{
    size_t i;
    const json_t *c;
    json_array_foreach(kube_path(o, "status.conditions"), i,
                       c) if (strcmp(kube_text(c, "type"), "Ready") ==
                              0) return json_string(strcmp(kube_text(c, "status"), "True") == 0 ? "Ready"
                                                                                                : "NotReady");
    return json_string("Unknown");
}

static json_t *node_version_cell(const json_t *o)
{
    return json_string(kube_text(o, "status.nodeInfo.kubeletVersion"));
}

static json_t *endpoints_cell(const json_t *o)
{
    size_t i, k;
    const json_t *subset, *address;
    char text[256] = "";
    size_t n = 0, total = 0;
    json_array_foreach(json_object_get(o, "subsets"), i, subset)
        json_array_foreach(json_object_get(subset, "addresses"), k, address)
    {
        long long port =
            json_integer_value(json_object_get(json_array_get(json_object_get(subset, "ports"), 0), "port"));
        if (total++ < 3) {
            int more = snprintf(text + n, sizeof text - n, "%s%s:%lld", n ? "," : "",
                                kube_text(address, "ip"), port);
            n += more > 0 && n + (size_t)more < sizeof text ? (size_t)more : 0;
        }
    }
    return total > 3 ? json_sprintf("%s + %zu more...", text, total - 3) : text_or_none(text);
}

static json_t *slice_type_cell(const json_t *o)
{
    return json_string(kube_text(o, "addressType"));
}

static json_t *slice_ports_cell(const json_t *o)
{
    char text[256] = "";
    size_t i, n = 0;
    const json_t *port;
    json_array_foreach(json_object_get(o, "ports"), i, port)
    {
        int more = snprintf(text + n, sizeof text - n, "%s%lld", i ? "," : "",
                            (long long)json_integer_value(json_object_get(port, "port")));
        n += more > 0 && n + (size_t)more < sizeof text ? (size_t)more : 0;
    }
    return json_string(*text ? text : "<unset>");
}

static json_t *slice_endpoints_cell(const json_t *o)
{
    char text[256] = "";
    size_t i, n = 0;
    const json_t *endpoint;
    json_array_foreach(json_object_get(o, "endpoints"), i, endpoint)
    {
        const char *address = json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
        if (i >= 3 || !address)
            continue;
        int more = snprintf(text + n, sizeof text - n, "%s%s", n ? "," : "", address);
        n += more > 0 && n + (size_t)more < sizeof text ? (size_t)more : 0;
    }
    return i > 3 ? json_sprintf("%s + %zu more...", text, i - 3) : json_string(*text ? text : "<unset>");
}

#define CELL(name, type, format, priority, cell)                                                             \
    {                                                                                                        \
        name, type, format, priority, cell, NULL                                                             \
    }
#define NAME              CELL("Name", "string", "name", 0, name_cell)
#define AGE               CELL("Age", "string", "", 0, age_cell)
#define TEXT(name, cell)  CELL(name, "string", "", 0, cell)
#define WIDE(name, cell)  CELL(name, "string", "", 1, cell)
#define COUNT(name, cell) CELL(name, "integer", "", 0, cell)
#define NUMBER(name, path)                                                                                   \
    {                                                                                                        \
        name, "integer", "", 0, NULL, path                                                                   \
    }
#define END CELL(NULL, NULL, NULL, 0, NULL)

static const struct column generic[] = {NAME, AGE, END};
static const struct column definitions[] = {NAME, CELL("Created At", "date", "", 0, created_cell), END};

static const struct {
    const char *kind;
    struct column columns[10];
} tables[] = {
    {"Pod",
     {NAME, TEXT("Ready", pod_ready_cell), TEXT("Status", pod_status_cell), TEXT("Restarts", zero_cell), AGE,
      WIDE("IP", pod_ip_cell), WIDE("Node", node_name_cell), END}},
    {"Service",
     {NAME, TEXT("Type", service_type_cell), TEXT("Cluster-IP", cluster_ip_cell),
      TEXT("External-IP", external_ip_cell), TEXT("Port(s)", service_ports_cell), AGE,
      WIDE("Selector", selector_cell), END}},
    {"Namespace", {NAME, TEXT("Status", phase_cell), AGE, END}},
    {"Node", {NAME, TEXT("Status", node_status_cell), AGE, TEXT("Version", node_version_cell), END}},
    {"Deployment",
     {NAME, TEXT("Ready", replicas_ready_cell), NUMBER("Up-to-date", "status.updatedReplicas"),
      NUMBER("Available", "status.availableReplicas"), AGE, WIDE("Selector", selector_cell), END}},
    {"StatefulSet", {NAME, TEXT("Ready", replicas_ready_cell), AGE, END}},
    {"ReplicaSet",
     {NAME, NUMBER("Desired", "spec.replicas"), NUMBER("Current", "status.replicas"),
      NUMBER("Ready", "status.readyReplicas"), AGE, WIDE("Selector", selector_cell), END}},
    {"ReplicationController",
     {NAME, NUMBER("Desired", "spec.replicas"), NUMBER("Current", "status.replicas"),
      NUMBER("Ready", "status.readyReplicas"), AGE, WIDE("Selector", selector_cell), END}},
    {"DaemonSet",
     {NAME, NUMBER("Desired", "status.desiredNumberScheduled"),
      NUMBER("Current", "status.currentNumberScheduled"), NUMBER("Ready", "status.numberReady"),
      NUMBER("Up-to-date", "status.updatedNumberScheduled"), NUMBER("Available", "status.numberAvailable"),
      AGE, END}},
    {"ConfigMap", {NAME, COUNT("Data", data_cell), AGE, END}},
    {"Secret", {NAME, TEXT("Type", type_cell), COUNT("Data", data_cell), AGE, END}},
    {"Endpoints", {NAME, TEXT("Endpoints", endpoints_cell), AGE, END}},
    {"EndpointSlice",
     {NAME, TEXT("AddressType", slice_type_cell), TEXT("Ports", slice_ports_cell),
      TEXT("Endpoints", slice_endpoints_cell), AGE, END}},
    {"NetworkPolicy", {NAME, TEXT("Pod-Selector", pod_selector_cell), AGE, END}},
};

static const struct column *columns_of(const struct kube_kind *kind)
{
    if (strcmp(kind->kind, "CustomResourceDefinition") == 0)
        return definitions;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (strcmp(tables[i].kind, kind->kind) == 0)
            return tables[i].columns;
    return generic;
}

static json_t *row(const struct column *columns, const json_t *object, const char *include)
{
    json_t *cells = json_array(), *line;
    for (const struct column *c = columns; c->name; c++)
        json_array_append_new(cells, c->cell ? c->cell(object)
                                             : json_integer(json_integer_value(kube_path(object, c->path))));
    if (strcmp(include, "Object") == 0)
        line = json_pack("{so sO}", "cells", cells, "object", object);
    else if (strcmp(include, "None") == 0)
        line = json_pack("{so}", "cells", cells);
    else
        line = json_pack("{so s{ss ss sO}}", "cells", cells, "object", "kind", "PartialObjectMetadata",
                         "apiVersion", "meta.k8s.io/v1", "metadata", json_object_get(object, "metadata"));
    return line;
}

json_t *kube_table(const struct kube_kind *kind, const json_t *objects, bool with_columns,
                   const char *include)
{
    const struct column *columns = columns_of(kind);
    json_t *definitions_list = json_array(), *rows = json_array();
    size_t i;
    const json_t *object;
    for (const struct column *c = columns; c->name && with_columns; c++)
        json_array_append_new(definitions_list,
                              json_pack("{ss ss ss ss si}", "name", c->name, "type", c->type, "format",
                                        c->format, "description", "", "priority", c->priority));
    json_array_foreach(objects, i, object) json_array_append_new(rows, row(columns, object, include));
    return json_pack("{ss ss s{} so so}", "kind", "Table", "apiVersion", "meta.k8s.io/v1", "metadata",
                     "columnDefinitions", definitions_list, "rows", rows);
}
