// Which services of a cluster are mirrored, and whither.
#include "selection.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_set.h>

#include <regex.h>
#include <string.h>

struct rule {
    const char *ns; // NULL: all but the system's
    regex_t *names; // NULL: every name
    size_t count;
    const json_t *labels;  // label -> value; NULL: any
    char *annotation;      // its key; NULL: any
    const char *annotated; // its value, within `annotation`; NULL: any value
    uint64_t targets;
};

struct selection {
    struct rule *rules;
    size_t count;
};

// ---- the rules ----

static int32_t read_targets(struct rule *rule, const json_t *given, const ist_clusters *clusters,
                            size_t index, ist_error *err)
{
    const json_t *names = json_object_get(given, "targets");
    size_t i;
    json_t *name;
    for (size_t t = 0; t < clusters->count && !json_array_size(names); t++)
        rule->targets |= (uint64_t)1 << t;
    json_array_foreach(names, i, name)
    {
        const ist_cluster *target = ist_clusters_find(clusters, json_string_value(name));
        if (!target)
            return ist_fail(err, IST_ERR_INPUT, clusters->items[index].name,
                            "targets: there is no cluster %s", json_string_value(name));
        rule->targets |= (uint64_t)1 << (target - clusters->items);
    }
    rule->targets &= ~((uint64_t)1 << index);
    return IST_OK;
}

static int32_t read_names(struct rule *rule, const json_t *patterns, ist_error *err)
{
    size_t i;
    json_t *pattern;
    if (json_array_size(patterns))
        rule->names = ist_calloc(json_array_size(patterns), sizeof(*rule->names));
    json_array_foreach(patterns, i, pattern)
    {
        if (regcomp(&rule->names[i], json_string_value(pattern), REG_EXTENDED | REG_NOSUB) != 0)
            return ist_fail(err, IST_ERR_INPUT, "nameMatches", "%s is no regular expression",
                            json_string_value(pattern));
        rule->count++;
    }
    return IST_OK;
}

static int32_t read_rule(struct rule *rule, const json_t *given, const ist_clusters *clusters, size_t index,
                         ist_error *err)
{
    rule->ns = ist_json_str(given, "namespace");
    const json_t *labels = json_object_get(given, "labels");
    rule->labels = json_object_size(labels) ? labels : NULL;
    const char *annotation = ist_json_str(given, "annotation");
    if (annotation) {
        rule->annotation = ist_strdup(annotation);
        char *equals = strchr(rule->annotation, '=');
        if (equals) {
            *equals = 0;
            rule->annotated = equals + 1;
        }
    }
    int32_t rc = read_names(rule, json_object_get(given, "nameMatches"), err);
    return rc == IST_OK ? read_targets(rule, given, clusters, index, err) : rc;
}

static const json_t *rules_of(const json_t *inputs, const char *cluster)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(inputs, "clusters"), i, entry)
    {
        if (!strcmp(ist_json_str_or(entry, "name", ""), cluster))
            return json_object_get(entry, "services");
    }
    return NULL;
}

int32_t selection_new(const json_t *inputs, const ist_clusters *clusters, size_t index,
                      struct selection **selection, ist_error *err)
{
    const json_t *rules = rules_of(inputs, clusters->items[index].name);
    struct selection *made = ist_calloc(1, sizeof(*made));
    size_t i;
    json_t *rule;
    int32_t rc = IST_OK;
    made->rules = ist_calloc(json_array_size(rules) + 1, sizeof(*made->rules));
    json_array_foreach(rules, i, rule)
    {
        if (rc == IST_OK) {
            rc = read_rule(&made->rules[i], rule, clusters, index, err);
            made->count = i + 1;
        }
    }
    if (rc == IST_OK)
        *selection = made;
    else
        selection_free(made);
    return rc;
}

void selection_free(struct selection *selection)
{
    if (!selection)
        return;
    for (size_t i = 0; i < selection->count; i++) {
        struct rule *rule = &selection->rules[i];
        for (size_t j = 0; j < rule->count; j++)
            regfree(&rule->names[j]);
        ist_free(rule->names);
        ist_free(rule->annotation);
    }
    ist_free(selection->rules);
    ist_free(selection);
}

// ---- what they choose ----

static int is_namespace_of(const struct rule *rule, const char *ns)
{
    return rule->ns ? !strcmp(rule->ns, ns) : strcmp(ns, "kube-system") != 0;
}

static int is_name_of(const struct rule *rule, const char *name)
{
    for (size_t i = 0; i < rule->count; i++)
        if (regexec(&rule->names[i], name, 0, NULL, 0) == 0)
            return 1;
    return !rule->names;
}

// The API server's own Service: its endpoints are no pods, and every cluster has one.
static int is_api_server(const char *ns, const char *name)
{
    return !strcmp(ns, "default") && !strcmp(name, "kubernetes");
}

int selection_has_namespace(const struct selection *selection, const char *ns)
{
    for (size_t i = 0; i < selection->count; i++)
        if (is_namespace_of(&selection->rules[i], ns))
            return 1;
    return 0;
}

uint64_t selection_possible(const struct selection *selection, const char *ns, const char *name)
{
    uint64_t targets = 0;
    for (size_t i = 0; i < selection->count && !is_api_server(ns, name); i++) {
        const struct rule *rule = &selection->rules[i];
        if (is_namespace_of(rule, ns) && is_name_of(rule, name))
            targets |= rule->targets;
    }
    return targets;
}

static int has_labels(const json_t *labels, const json_t *wanted)
{
    const char *label;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, label, value)
    {
        const char *found = json_string_value(json_object_get(labels, label));
        if (!found || strcmp(found, json_string_value(value)) != 0)
            return 0;
    }
    return 1;
}

static int has_annotation(const json_t *annotations, const struct rule *rule)
{
    const char *found =
        rule->annotation ? json_string_value(json_object_get(annotations, rule->annotation)) : NULL;
    return !rule->annotation || (found && (!rule->annotated || !strcmp(found, rule->annotated)));
}

uint64_t selection_of(const struct selection *selection, const json_t *service)
{
    const json_t *metadata = json_object_get(service, "metadata");
    const char *ns = ist_json_str_or(metadata, "namespace", ""),
               *name = ist_json_str_or(metadata, "name", "");
    const json_t *labels = json_object_get(metadata, "labels");
    const json_t *annotations = json_object_get(metadata, "annotations");
    uint64_t targets = 0;
    for (size_t i = 0; i < selection->count && !is_api_server(ns, name); i++) {
        const struct rule *rule = &selection->rules[i];
        if (is_namespace_of(rule, ns) && is_name_of(rule, name) && has_labels(labels, rule->labels) &&
            has_annotation(annotations, rule))
            targets |= rule->targets;
    }
    return targets;
}

// ---- what others mirrored ----

// Labels and annotations (those that end in '/' or '-': all that begin so). What a user sets on a source himself
// (mirror.linkerd.io/exported, mirror.linkerd.io/federated, service.cilium.io/global) is none of them.
static const char *const marks[] = {
    IST_LABEL_OWNER,
    "mirror.linkerd.io/mirrored-", // -service, -gateway
    "mirror.linkerd.io/cluster-name",
    "mirror.linkerd.io/remote-", // -svc-fq-name, -resource-version, -gateway-identity
    "mirror.linkerd.io/headless-mirror-",
    "multicluster.kubernetes.io/", // service-name, source-cluster, ... of the MCS API
    "lighthouse.submariner.io/",
    "submariner.io/", // originCluster, exportedServiceRef, ...
};
static const char *const managers[] = {"lighthouse-agent.submariner.io",
                                       "endpointslice-mesh-controller.cilium.io"};

static int is_mark(const char *key)
{
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        size_t len = strlen(marks[i]);
        int is_prefix = marks[i][len - 1] == '/' || marks[i][len - 1] == '-';
        if (is_prefix ? !strncmp(key, marks[i], len) : !strcmp(key, marks[i]))
            return 1;
    }
    return 0;
}

static int has_mark(const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        if (is_mark(key))
            return 1;
    }
    return 0;
}

int is_mirrored(const json_t *object)
{
    const json_t *metadata = json_object_get(object, "metadata"),
                 *labels = json_object_get(metadata, "labels");
    const char *manager =
        json_string_value(json_object_get(labels, "endpointslice.kubernetes.io/managed-by"));
    size_t i;
    json_t *owner;
    for (size_t m = 0; manager && m < sizeof(managers) / sizeof(*managers); m++)
        if (!strcmp(manager, managers[m]))
            return 1;
    json_array_foreach(json_object_get(metadata, "ownerReferences"), i, owner)
    {
        if (!strcmp(ist_json_str_or(owner, "kind", ""), "ServiceImport"))
            return 1;
    }
    return has_mark(labels) || has_mark(json_object_get(metadata, "annotations"));
}
