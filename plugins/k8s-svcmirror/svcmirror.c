// k8s-svcmirror: the services of each cluster under the same names in the others.
#include "mirror.h"

#include <isthmus/alloc.h>

#include <string.h>

static const ist_field input_table[] = {
    {"clusters", "list(object)", NULL, IST_REQUIRED, "0.1",
     "The clusters, and which services of each are mirrored"},
    {"clusters[].name", "string", NULL, IST_REQUIRED, "0.1", "Name of the cluster in messages and labels"},
    {"clusters[].kubeconfig", "kubeconfig", NULL, IST_SECRET, "0.1", "Path or text; `kubeconfigs` wins"},
    {"clusters[].services", "list(object)", "[]", 0, "0.1",
     "Which services; none: the cluster is a target only"},
    {"clusters[].services[].namespace", "string", NULL, 0, "0.1",
     "Of this namespace; without it, of all but the system's"},
    {"clusters[].services[].nameMatches", "list(regex)", "[]", 0, "0.1", "Whose name matches one of these"},
    {"kubeconfigs", "map(kubeconfig)", "{}", IST_SECRET, "0.1", "Kubeconfigs by cluster name"},
    {"pod_cidrs", "map(list(network))", "{}", 0, "0.1", "Each cluster's pod addresses; others are not mirrored"},
    {"create_namespaces", "bool", "false", 0, "0.1", "Make a namespace that a target lacks"},
};

static const ist_field output_table[] = {
    {"services", "list(string)", NULL, 0, "0.1", "What is mirrored: namespace/name of its cluster"},
};

static const char *const service_defaults[] = {"clusterIP",  "clusterIPs",
                                               "ipFamilies", "ipFamilyPolicy",
                                               "type",       "sessionAffinity",
                                               "targetPort", "internalTrafficPolicy",
                                               "nodePort",   "sessionAffinityConfig",
                                               NULL};
static const char *const namespace_defaults[] = {"finalizers", NULL};

static const ist_kube_kind_name written[] = {
    {"v1", "Namespace", namespace_defaults},
    {"v1", "Service", service_defaults},
    {"discovery.k8s.io/v1", "EndpointSlice", NULL},
    {"v1", "Endpoints", NULL},
    {NULL, NULL, NULL},
};

static const ist_kube_kind_name watched[] = {
    {"v1", "Namespace", NULL},
    {"v1", "Service", NULL},
    {"discovery.k8s.io/v1", "EndpointSlice", NULL},
    {NULL, NULL, NULL},
};

// The rules of one cluster, NULL when it is not in the list. Borrowed.
static const json_t *rules_of(const json_t *given, const char *cluster)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(given, "clusters"), i, entry)
    {
        if (!strcmp(ist_json_str_or(entry, "name", ""), cluster))
            return json_object_get(entry, "services");
    }
    return NULL;
}

// "namespace/name" -> object. New reference.
static json_t *by_name(const json_t *objects)
{
    json_t *index = json_object(), *object;
    size_t i;
    json_array_foreach(objects, i, object)
    {
        char *name = ist_printf("%s/%s", ist_json_str_or(object, "metadata.namespace", ""),
                                ist_json_str_or(object, "metadata.name", ""));
        json_object_set(index, name, object);
        ist_free(name);
    }
    return index;
}

static int32_t mirror_to(const ist_cluster *target, const struct source *sources, size_t count,
                         int create_namespaces, json_t *wanted, json_t *notes, ist_error *err)
{
    ist_kube_kind slice;
    json_t *namespaces = NULL, *services = NULL, *list = json_array(), *names = json_object();
    int32_t rc = ist_kube_kind_of(target->kube, "discovery.k8s.io/v1", "EndpointSlice", &slice, err);
    struct mirror_options options = {.create_namespaces = create_namespaces, .slices = rc == IST_OK};
    if (rc == IST_OK || rc == IST_ERR_NOT_FOUND)
        rc = ist_kube_list(target->kube, "v1", "Namespace", NULL, NULL, NULL, &namespaces, NULL, err);
    if (rc == IST_OK)
        rc = ist_kube_list(target->kube, "v1", "Service", NULL, IST_LABEL_OWNER, NULL, &services, NULL, err);
    options.namespaces = namespaces;
    json_t *owners = by_name(services);
    options.services = owners;
    for (size_t i = 0; i < count && rc == IST_OK; i++)
        if (sources[i].cluster != target)
            mirror_into(&sources[i], &options, list, names, notes);
    json_object_set_new(wanted, target->name, list);
    json_decref(namespaces);
    json_decref(services);
    json_decref(owners);
    json_decref(names);
    return rc;
}

static json_t *mirrored_names(const struct source *sources, size_t count)
{
    json_t *names = json_array(), *service;
    size_t i;
    for (size_t s = 0; s < count; s++) {
        json_array_foreach(sources[s].services, i, service)
        {
            char *name = ist_printf("%s/%s of %s", ist_json_str_or(service, "metadata.namespace", ""),
                                    ist_json_str_or(service, "metadata.name", ""), sources[s].cluster->name);
            json_array_append_new(names, json_string(name));
            ist_free(name);
        }
    }
    return names;
}

static int32_t generate(const ist_env *env, const json_t *given, const ist_clusters *clusters, json_t *wanted,
                        json_t *notes, json_t *outputs, ist_error *err)
{
    (void)env;
    struct source *sources = ist_calloc(clusters->count, sizeof(*sources));
    int create = ist_json_bool(given, "create_namespaces", 0);
    int32_t rc = IST_OK;
    for (size_t i = 0; i < clusters->count && rc == IST_OK; i++) {
        const ist_cluster *cluster = &clusters->items[i];
        rc = source_read(cluster, rules_of(given, cluster->name), &sources[i], notes, err);
    }
    for (size_t i = 0; i < clusters->count && rc == IST_OK; i++)
        rc = mirror_to(&clusters->items[i], sources, clusters->count, create, wanted, notes, err);
    if (rc == IST_OK)
        json_object_set_new(outputs, "services", mirrored_names(sources, clusters->count));
    for (size_t i = 0; i < clusters->count; i++)
        source_free(&sources[i]);
    ist_free(sources);
    return rc;
}

static const ist_keeper keeper = {.what = "mirrored services",
                                  .kinds = written,
                                  .watched = watched,
                                  .generate = generate,
                                  .finish = mirror_finish};

IST_KEEPER_OPERATION(observe, keeper)
IST_KEEPER_OPERATION(plan, keeper)
IST_KEEPER_OPERATION(apply, keeper)
IST_KEEPER_OPERATION(destroy, keeper)
IST_KEEPER_OPERATION(verify, keeper)
IST_KEEPER_OPERATION(watch, keeper)

IST_PLUGIN(.name = "k8s-svcmirror", .version = "0.1.0",
           .doc = "Mirrors the services of each cluster into the others, with the addresses of their pods",
           IST_INPUTS(input_table), IST_OUTPUTS(output_table), .observe = observe, .plan = plan,
           .apply = apply, .destroy = destroy, .verify = verify, .watch = watch);
