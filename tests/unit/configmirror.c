// A plugin for tests of the reconciler: ConfigMaps labelled mirror=yes of each cluster are mirrored into all the
// others as NAME.CLUSTER, each with a Secret of that name that the mirrored ConfigMap owns.
#include <isthmus/alloc.h>
#include <isthmus/kube_reconciler.h>

#include <string.h>

enum { NAMESPACE, CONFIG, SECRET };

static const char *const server_set[] = {"type", NULL}; // of a Secret
static const ist_reconciler_kind kinds[] = {
    {"v1", "Namespace", 0, NULL, NULL},
    {"v1", "ConfigMap", IST_KIND_WRITTEN, NULL, NULL},
    {"v1", "Secret", IST_KIND_WRITTEN, server_set, NULL},
    // What an older server would have in place of Secrets.
    {"v1", "LimitRange", IST_KIND_WRITTEN | IST_KIND_FALLBACK, NULL, NULL},
    {NULL, NULL, 0, NULL, NULL}};

struct model {
    ist_reconciler *run;
    const ist_clusters *clusters;
    json_t *seen;     // cluster -> "ns/name" -> data
    json_t *expired;  // cluster -> true
    json_t *standing; // cluster -> key of what is there -> true
    int64_t within_ms;
    size_t written;
    char *ask;     // the name of a ConfigMap of the first cluster that is asked for by itself, or NULL
    json_t *heard; // names that were answered
};

static int32_t model_open(ist_reconciler *run, const json_t *inputs, const ist_clusters *clusters,
                          void **model, ist_error *err)
{
    if (ist_json_int(inputs, "within_ms", 0) < 0)
        return ist_fail(err, IST_ERR_INPUT, "within_ms", "nothing can come before it is asked for");
    struct model *made = ist_calloc(1, sizeof *made);
    made->run = run;
    made->clusters = clusters;
    made->seen = json_object();
    made->expired = json_object();
    made->standing = json_object();
    made->within_ms = ist_json_int(inputs, "within_ms", 0);
    for (size_t i = 0; i < clusters->count; i++) {
        json_object_set_new(made->seen, clusters->items[i].name, json_object());
        json_object_set_new(made->standing, clusters->items[i].name, json_object());
    }
    made->ask = ist_json_str(inputs, "ask") ? ist_strdup(ist_json_str(inputs, "ask")) : NULL;
    made->heard = json_array();
    ist_reconciler_grace(run, ist_json_int(inputs, "grace_ms", -1));
    *model = made;
    return IST_OK;
}

static void model_close(void *arg)
{
    struct model *model = arg;
    json_decref(model->seen);
    json_decref(model->expired);
    json_decref(model->standing);
    json_decref(model->heard);
    ist_free(model->ask);
    ist_free(model);
}

static void touch_others(const struct model *model, size_t cluster, const char *key)
{
    for (size_t i = 0; i < model->clusters->count; i++)
        if (i != cluster)
            ist_reconciler_touch(model->run, i, key, model->within_ms);
}

static void see(void *arg, size_t cluster, size_t kind, const json_t *object, int gone)
{
    const struct model *model = arg;
    if (kind != CONFIG)
        return;
    const json_t *labels = ist_json_at(object, "metadata.labels");
    const char *mirror = json_string_value(json_object_get(labels, "mirror"));
    json_t *of = json_object_get(model->seen, model->clusters->items[cluster].name);
    char *key = ist_printf("%s/%s", ist_json_str_or(object, "metadata.namespace", ""),
                           ist_json_str_or(object, "metadata.name", ""));
    int before = json_object_get(of, key) != NULL;
    if (gone || !mirror || strcmp(mirror, "yes") != 0 || ist_kube_is_ours(object))
        json_object_del(of, key);
    else
        json_object_set(of, key,
                        json_object_get(object, "data") ? json_object_get(object, "data") : json_null());
    if (before || json_object_get(of, key))
        touch_others(model, cluster, key);
    ist_free(key);
}

static void hear(void *arg, size_t cluster, const json_t *object, const ist_error *err)
{
    const struct model *model = arg;
    (void)cluster;
    json_array_append_new(model->heard,
                          json_string(object ? ist_json_str_or(object, "metadata.name", "") : err->text));
}

static void ask(const struct model *model)
{
    char *path = ist_printf("/api/v1/namespaces/shop/configmaps/%s", model->ask);
    ist_reconciler_read(model->run, 0, path, hear);
    ist_free(path);
}

static void state(void *arg, size_t cluster, uint32_t state)
{
    const struct model *model = arg;
    const char *name = model->clusters->items[cluster].name, *key;
    json_t *data;
    if (state == IST_CLUSTER_EXPIRED)
        json_object_set_new(model->expired, name, json_true());
    else if (state == IST_CLUSTER_SYNCED)
        json_object_del(model->expired, name);
    if (state == IST_CLUSTER_SYNCED && cluster == 0 && model->ask)
        ask(model);
    json_object_foreach(json_object_get(model->seen, name), key, data) touch_others(model, cluster, key);
    for (size_t i = 0; i < model->clusters->count; i++)
        json_object_foreach(json_object_get(model->standing, model->clusters->items[i].name), key, data)
            ist_reconciler_touch(model->run, i, key, model->within_ms);
}

static char *key_of(void *arg, size_t cluster, size_t kind, const json_t *object)
{
    const struct model *model = arg;
    (void)kind;
    const char *name = ist_json_str_or(object, "metadata.name", "");
    const char *source =
        json_string_value(json_object_get(ist_json_at(object, "metadata.labels"), IST_LABEL_SOURCE_CLUSTER));
    size_t cut = source && strlen(name) > strlen(source) + 1 ? strlen(name) - strlen(source) - 1 : 0;
    if (!cut)
        return NULL;
    char *key = ist_printf("%s/%.*s", ist_json_str_or(object, "metadata.namespace", ""), (int)cut, name);
    json_object_set_new(json_object_get(model->standing, model->clusters->items[cluster].name), key,
                        json_true());
    return key;
}

// Data "as" says what it is called there: so that two can want one name.
static void add(ist_wanted *wanted, const char *key, const char *source, const json_t *data)
{
    int ns = (int)strcspn(key, "/");
    const char *as = ist_json_str(data, "x"), *called = as && !strncmp(as, "as ", 3) ? as + 3 : key + ns + 1;
    char *name = ist_printf("%s.%s", called, source), *space = ist_printf("%.*s", ns, key);
    json_t *config =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "ConfigMap", "metadata",
                  "name", name, "namespace", space, "labels", IST_LABEL_SOURCE_CLUSTER, source);
    if (json_is_object(data))
        json_object_set(config, "data", (json_t *)(uintptr_t)data);
    ist_wanted_add(wanted, config, 0);
    json_t *owners =
        json_pack("[{s:s, s:s, s:s, s:s}]", "apiVersion", "v1", "kind", "ConfigMap", "name", name, "uid", "");
    ist_wanted_add(wanted,
                   json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}, s:o}}", "apiVersion", "v1", "kind", "Secret",
                             "metadata", "name", name, "namespace", space, "labels", IST_LABEL_SOURCE_CLUSTER,
                             source, "ownerReferences", owners),
                   0);
    ist_free(name);
    ist_free(space);
}

static void want(void *arg, size_t cluster, const char *key, ist_wanted *wanted)
{
    const struct model *model = arg;
    for (size_t i = 0; i < model->clusters->count; i++) {
        const char *name = model->clusters->items[i].name;
        uint32_t is = ist_reconciler_state(model->run, i);
        const json_t *data = json_object_get(json_object_get(model->seen, name), key);
        if (i == cluster)
            continue;
        if (is == IST_CLUSTER_UNKNOWN || is == IST_CLUSTER_STOPPED)
            ist_wanted_keep(wanted, name);
        else if (data && !json_object_get(model->expired, name))
            add(wanted, key, name, data);
        else if (data)
            ist_wanted_note(wanted, "%s: %s is out of reach", key, name);
    }
}

static void written(void *arg, size_t cluster, const char *key)
{
    struct model *model = arg;
    (void)cluster;
    (void)key;
    model->written++;
}

static void status(void *arg, size_t cluster, json_t *status)
{
    const struct model *model = arg;
    if (cluster == 0)
        json_object_set_new(status, "heard", json_deep_copy(model->heard));
}

static void outputs(void *arg, json_t *outputs)
{
    const struct model *model = arg;
    size_t count = 0;
    const char *name;
    json_t *of;
    json_object_foreach(model->seen, name, of) count += json_object_size(of);
    json_object_set_new(outputs, "count", json_integer((json_int_t)count));
}

static const ist_reconciler_plugin mirror = {.size = sizeof mirror,
                                             .what = "mirrored configuration",
                                             .kinds = kinds,
                                             .open = model_open,
                                             .close = model_close,
                                             .see = see,
                                             .state = state,
                                             .key_of = key_of,
                                             .want = want,
                                             .written = written,
                                             .outputs = outputs,
                                             .status = status};

IST_RECONCILER_OPERATION(observe, mirror)
IST_RECONCILER_OPERATION(plan, mirror)
IST_RECONCILER_OPERATION(apply, mirror)
IST_RECONCILER_OPERATION(destroy, mirror)
IST_RECONCILER_OPERATION(verify, mirror)
IST_RECONCILER_OPERATION(watch, mirror)

static const ist_field inputs[] = {
    {"kubeconfigs", "map(kubeconfig)", NULL, IST_REQUIRED | IST_SECRET, "0.1", "The clusters by name."},
    {"grace_ms", "int", "-1", 0, "0.1", "How long a cluster that is out of reach counts."},
    {"within_ms", "int", "0", 0, "0.1", "How long a change may wait."},
    {"ask", "string", NULL, 0, "0.1", "A ConfigMap that is asked for by itself."},
    {"lease_namespace", "string", "kube-system", 0, "0.1", "Where the Lease is."},
};
static const ist_field output_table[] = {{"count", "int", NULL, 0, "0.1", "How many are mirrored."}};

IST_PLUGIN(.name = "configmirror", .version = "0.1.0", .doc = "Mirrors ConfigMaps.", IST_INPUTS(inputs),
           IST_OUTPUTS(output_table), .observe = observe, .plan = plan, .apply = apply, .destroy = destroy,
           .verify = verify, .watch = watch);
