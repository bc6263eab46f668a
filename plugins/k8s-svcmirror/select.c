// Which services of a cluster are mirrored.
#include "mirror.h"

#include <isthmus/alloc.h>

#include <regex.h>
#include <string.h>

// Labels of those who mirror services too: what they wrote is nobody's source, or two would mirror each
// other.
static const char *const mirrored_by_others[] = {
    IST_LABEL_OWNER,
    "mirror.linkerd.io/mirrored-service",
    "submariner.io/originCluster",
    "multicluster.kubernetes.io/service-imported-from-cluster",
    "multicluster.kubernetes.io/derived-service",
    NULL,
};

static int written_by_a_mirror(const json_t *service)
{
    const json_t *labels = ist_json_at(service, "metadata.labels");
    const json_t *annotations = ist_json_at(service, "metadata.annotations");
    for (const char *const *mark = mirrored_by_others; *mark; mark++)
        if (json_object_get(labels, *mark) || json_object_get(annotations, *mark))
            return 1;
    return 0;
}

static int matches(const char *name, const char *pattern)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return 0; // the type `regex` of the input has refused it already
    int found = regexec(&regex, name, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static int name_chosen(const char *name, const json_t *patterns)
{
    size_t i;
    json_t *pattern;
    json_array_foreach(patterns, i, pattern)
    {
        if (matches(name, json_string_value(pattern)))
            return 1;
    }
    return json_array_size(patterns) == 0;
}

static int chosen(const json_t *service, const json_t *rules)
{
    const char *ns = ist_json_str_or(service, "metadata.namespace", "");
    const char *name = ist_json_str_or(service, "metadata.name", "");
    size_t i;
    json_t *rule;
    json_array_foreach(rules, i, rule)
    {
        const char *wanted = ist_json_str(rule, "namespace");
        if (wanted ? strcmp(wanted, ns) != 0
                   : !strcmp(ns, "kube-system") || (!strcmp(ns, "default") && !strcmp(name, "kubernetes")))
            continue;
        if (name_chosen(name, json_object_get(rule, "nameMatches")))
            return 1;
    }
    return 0;
}

// The namespaces to list: those of the rules, or one NULL for all. New array; null stands for all.
static json_t *namespaces_of(const json_t *rules)
{
    json_t *names = json_object(), *rule;
    size_t i;
    json_array_foreach(rules, i, rule)
    {
        const char *ns = ist_json_str(rule, "namespace");
        if (!ns) {
            json_decref(names);
            return json_pack("[n]");
        }
        json_object_set_new(names, ns, json_true());
    }
    json_t *list = json_array();
    const char *ns;
    json_t *unused;
    json_object_foreach(names, ns, unused) json_array_append_new(list, json_string(ns));
    json_decref(names);
    return list;
}

void source_file(json_t *by_service, const char *service, json_t *object)
{
    char *key = ist_printf("%s/%s", ist_json_str_or(object, "metadata.namespace", ""), service);
    json_t *list = json_object_get(by_service, key);
    if (!list) {
        list = json_array();
        json_object_set_new(by_service, key, list);
    }
    json_array_append(list, object);
    ist_free(key);
}

// Lists a kind and files what there is by service: by the label, or (Endpoints) by its own name.
static int32_t list_into(const ist_cluster *cluster, const char *api, const char *kind, const char *ns,
                         const char *service_path, json_t *by_service, ist_error *err)
{
    json_t *items = NULL, *object;
    size_t i;
    int32_t rc = ist_kube_list(cluster->kube, api, kind, ns, NULL, NULL, &items, NULL, err);
    json_array_foreach(items, i, object)
    {
        if (ist_json_str(object, service_path) && !ist_kube_is_ours(object))
            source_file(by_service, ist_json_str(object, service_path), object);
    }
    json_decref(items);
    return rc;
}

static int32_t read_namespace(const ist_cluster *cluster, const char *ns, const json_t *rules,
                              struct source *source, json_t *notes, ist_error *err)
{
    json_t *services = NULL, *service;
    size_t i;
    int32_t rc = ist_kube_list(cluster->kube, "v1", "Service", ns, NULL, NULL, &services, NULL, err);
    json_array_foreach(services, i, service)
    {
        if (!chosen(service, rules) || written_by_a_mirror(service))
            continue;
        if (!strcmp(ist_json_str_or(service, "spec.type", "ClusterIP"), "ExternalName")) {
            char *note = ist_printf("Service %s/%s of %s is not mirrored: an ExternalName has no endpoints",
                                    ist_json_str_or(service, "metadata.namespace", ""),
                                    ist_json_str_or(service, "metadata.name", ""), cluster->name);
            json_array_append_new(notes, json_string(note));
            ist_free(note);
            continue;
        }
        json_array_append(source->services, service);
    }
    json_decref(services);
    if (rc != IST_OK)
        return rc;
    rc = list_into(cluster, "discovery.k8s.io/v1", "EndpointSlice", ns,
                   "metadata.labels.'kubernetes.io/service-name'", source->slices, err);
    if (rc == IST_ERR_NOT_FOUND)
        rc = list_into(cluster, "v1", "Endpoints", ns, "metadata.name", source->endpoints, err);
    return rc;
}

void source_init(struct source *source, const ist_cluster *cluster)
{
    *source = (struct source){
        .cluster = cluster, .services = json_array(), .slices = json_object(), .endpoints = json_object()};
}

int32_t source_read(const ist_cluster *cluster, const json_t *rules, struct source *source, json_t *notes,
                    ist_error *err)
{
    source_init(source, cluster);
    json_t *namespaces = namespaces_of(rules), *ns;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach(namespaces, i, ns)
    {
        if (rc == IST_OK)
            rc = read_namespace(cluster, json_string_value(ns), rules, source, notes, err);
    }
    json_decref(namespaces);
    return rc;
}

void source_free(struct source *source)
{
    json_decref(source->services);
    json_decref(source->slices);
    json_decref(source->endpoints);
    *source = (struct source){0};
}
