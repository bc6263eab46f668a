// A model: opened with the inputs, and what it tells of itself.
#include "model.h"

#include <isthmus/alloc.h>

#include <ctype.h>
#include <string.h>

// A cluster's name is the value of a label, and with suffixes a part of Services' names.
static int32_t check_name(const char *name, int is_suffix, ist_error *err)
{
    size_t len = strlen(name);
    int fits = len && len <= 63 && isalnum((unsigned char)name[0]) && isalnum((unsigned char)name[len - 1]);
    for (size_t i = 0; i < len && fits; i++)
        fits = isalnum((unsigned char)name[i]) || strchr("-_.", name[i]) != NULL;
    if (!fits)
        return ist_fail(err, IST_ERR_INPUT, "clusters",
                        "\"%s\" is no name that a label can hold: letters, digits, '-', '_', '.', at most 63",
                        name);
    for (size_t i = 0; i < len && is_suffix; i++)
        if (isupper((unsigned char)name[i]) || name[i] == '_' || name[i] == '.')
            return ist_fail(err, IST_ERR_INPUT, "clusters",
                            "\"%s\" cannot end the name of a Service: small letters, digits and '-' only",
                            name);
    return IST_OK;
}

static int same_name_of(const char *text)
{
    return !strcmp(text, "merged") ? SAME_MERGED : !strcmp(text, "suffix") ? SAME_SUFFIX : SAME_LOCAL;
}

static int32_t open_clusters(struct model *m, ist_error *err)
{
    int32_t rc = IST_OK;
    if (m->clusters->count > CLUSTERS_MAX)
        return ist_fail(err, IST_ERR_LIMIT, "clusters", "%zu clusters: at most %d", m->clusters->count,
                        CLUSTERS_MAX);
    for (size_t i = 0; i < m->clusters->count && rc == IST_OK; i++) {
        rc = check_name(m->clusters->items[i].name, m->same_name == SAME_SUFFIX, err);
        if (rc == IST_OK)
            rc = selection_new(m->inputs, m->clusters, i, &m->items[i].selection, err);
    }
    return rc;
}

int32_t model_open(ist_reconciler *run, const json_t *inputs, const ist_clusters *clusters, void **model,
                   ist_error *err)
{
    struct model *m = ist_calloc(1, sizeof(*m));
    m->run = run;
    m->clusters = clusters;
    m->inputs = json_deep_copy(inputs);
    m->items = ist_calloc(clusters->count, sizeof(*m->items));
    m->same_name = same_name_of(ist_json_str_or(inputs, "same_name", "local"));
    m->create_namespaces = ist_json_bool(inputs, "create_namespaces", 0);
    m->removes_expired = !strcmp(ist_json_str_or(inputs, "after_grace", "not-ready"), "removed");
    int32_t rc = open_clusters(m, err);
    if (rc == IST_OK)
        rc = ist_namespaces_new(json_object_get(inputs, "namespaces"), clusters, &m->namespaces, err);
    if (rc != IST_OK) {
        model_close(m);
        return rc;
    }
    ist_reconciler_grace(run, ist_json_int(inputs, "grace", 300000));
    *model = m;
    return IST_OK;
}

void model_close(void *model)
{
    struct model *m = model;
    if (!m)
        return;
    for (size_t i = 0; i < m->clusters->count; i++) {
        selection_free(m->items[i].selection);
        records_free(&m->items[i].records, &m->pool);
    }
    ist_free(m->items);
    ist_namespaces_free(m->namespaces);
    pool_free(&m->pool);
    json_decref(m->inputs);
    ist_free(m);
}

// ---- what it tells ----

struct naming {
    json_t *names;
    const char *cluster;
};

static void add_name(void *arg, struct entry *entry)
{
    const struct naming *naming = arg;
    const struct service *service = (const struct service *)entry;
    if (!service->targets || service->flags & SERVICE_EXTERNAL)
        return;
    char *name = ist_printf("%s/%s of %s", service->place->name, service->name, naming->cluster);
    json_array_append_new(naming->names, json_string(name));
    ist_free(name);
}

void model_outputs(void *model, json_t *outputs)
{
    struct model *m = model;
    json_t *names = json_array(), *sorted = NULL;
    for (size_t i = 0; i < m->clusters->count; i++) {
        struct naming naming = {names, m->clusters->items[i].name};
        table_each(&m->items[i].records.services, add_name, &naming);
    }
    if (ist_type_normalise("set(string)", names, &sorted, NULL) == IST_OK) // the same order each time
        json_object_set_new(outputs, "services", sorted);
    json_decref(names);
}

void model_status(void *model, size_t cluster, json_t *status)
{
    struct model *m = model;
    const struct records *records = &m->items[cluster].records;
    json_object_set_new(status, "services", json_integer((json_int_t)records->chosen));
    json_object_set_new(status, "endpoints", json_integer((json_int_t)records->endpoints));
    ist_reconciler_metric(m->run, cluster, "mirror_source_services",
                          "Services of this cluster that are mirrored", 0, (double)records->chosen);
    ist_reconciler_metric(m->run, cluster, "mirror_source_endpoints", "Endpoints of those services", 0,
                          (double)records->endpoints);
}

int32_t model_verify(void *model, const ist_env *env, ist_error *err)
{
    struct model *m = model;
    (void)err;
    for (size_t i = 0; i < m->clusters->count; i++) {
        const ist_cluster *cluster = &m->clusters->items[i];
        if (!m->items[i].records.chosen)
            continue;
        ist_check(env, cluster->name, cluster->pod_cidr_count ? IST_PASS : IST_WARN,
                  cluster->pod_cidr_count
                      ? "%llu endpoints, all within its pod CIDRs"
                      : "%llu endpoints; pod_cidrs does not say which addresses are its pods'",
                  (unsigned long long)m->items[i].records.endpoints);
    }
    return IST_OK;
}
