// Which namespace of one cluster is the same as which of another.
#include <isthmus/alloc.h>
#include <isthmus/kube_namespaces.h>

#include <string.h>

struct ist_namespaces {
    const ist_clusters *clusters;
    json_t *names;    // common name -> {cluster: name there}, as given
    json_t **commons; // of each cluster: name there -> common name, only where they differ
};

static int32_t add_one(ist_namespaces *ns, const char *common, const char *cluster, const json_t *name,
                       ist_error *err)
{
    const ist_cluster *found = ist_clusters_find(ns->clusters, cluster);
    if (!found)
        return ist_fail(err, IST_ERR_INPUT, "namespaces", "%s: there is no cluster %s", common, cluster);
    if (!json_is_string(name) || !json_string_length(name))
        return ist_fail(err, IST_ERR_INPUT, "namespaces", "%s: no name in %s", common, cluster);
    json_t *commons = ns->commons[found - ns->clusters->items];
    const char *taken = json_string_value(json_object_get(commons, json_string_value(name)));
    if (taken)
        return ist_fail(err, IST_ERR_INPUT, "namespaces", "%s of %s is both %s and %s",
                        json_string_value(name), cluster, taken, common);
    json_object_set_new(commons, json_string_value(name), json_string(common));
    return IST_OK;
}

int32_t ist_namespaces_new(const json_t *map, const ist_clusters *clusters, ist_namespaces **namespaces,
                           ist_error *err)
{
    ist_namespaces *ns = ist_calloc(1, sizeof(*ns));
    const char *common, *cluster;
    json_t *names, *name;
    int32_t rc = IST_OK;
    ns->clusters = clusters;
    ns->names = map ? json_deep_copy(map) : json_object();
    ns->commons = ist_calloc(clusters->count, sizeof(*ns->commons));
    for (size_t i = 0; i < clusters->count; i++)
        ns->commons[i] = json_object();
    json_object_foreach(ns->names, common, names)
    {
        json_object_foreach(names, cluster, name)
        {
            if (rc == IST_OK)
                rc = add_one(ns, common, cluster, name, err);
        }
    }
    if (rc == IST_OK)
        *namespaces = ns;
    else
        ist_namespaces_free(ns);
    return rc;
}

void ist_namespaces_free(ist_namespaces *ns)
{
    if (!ns)
        return;
    for (size_t i = 0; i < ns->clusters->count; i++)
        json_decref(ns->commons[i]);
    ist_free(ns->commons);
    json_decref(ns->names);
    ist_free(ns);
}

// What a common name is called in a cluster, where the map says it.
static const char *mapped(const ist_namespaces *ns, const char *common, size_t cluster)
{
    const json_t *names = json_object_get(ns->names, common);
    return json_string_value(json_object_get(names, ns->clusters->items[cluster].name));
}

const char *ist_namespaces_in(const ist_namespaces *ns, size_t from, const char *name, size_t to)
{
    if (from == to || !json_object_size(ns->names))
        return name;
    const char *common = json_string_value(json_object_get(ns->commons[from], name));
    if (!common && mapped(ns, name, from)) // that common name is another namespace in `from`
        return NULL;
    if (!common)
        common = name;
    const char *there = mapped(ns, common, to);
    if (there)
        return there;
    // A name that the map gives to another namespace of `to` is not this one.
    return json_object_get(ns->commons[to], common) ? NULL : common;
}
