// What the daemon knows: lists and watches go into the world, and what changes there touches the policies concerned.
#include "model.h"

#include "pipeline.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <string.h>

// ---- entries ----

struct entry_key {
    size_t cluster;
    const char *key;
};

static int same_entry(const void *record, const void *key)
{
    const struct entry *entry = record;
    const struct entry_key *wanted = key;
    return entry->cluster == wanted->cluster && strcmp(entry->key, wanted->key) == 0;
}

struct entry *model_entry(struct model *model, size_t cluster, const char *key, int make)
{
    struct entry_key wanted = {cluster, key};
    uint32_t hash = hash_bytes(hash_bytes(HASH_START, &cluster, sizeof(cluster)), key, strlen(key));
    struct entry *entry = table_find(&model->by_key, hash, same_entry, &wanted);
    if (entry || !make)
        return entry;
    entry = ist_calloc(1, sizeof(*entry));
    entry->key = ist_strdup(key);
    entry->cluster = cluster;
    entry->hash = hash;
    entry->next = model->entries;
    model->entries = entry;
    table_add(&model->by_key, hash, entry);
    return entry;
}

static void free_entry(struct model *model, struct entry *entry)
{
    moves_forget(model, entry);
    if (entry->document)
        policy_free(world_names(model->world), (struct policy *)(uintptr_t)entry->policy);
    json_decref(entry->document);
    ip_set_free(&entry->said);
    ip_set_free(&entry->there);
    ist_free(entry->kept);
    ist_free(entry->key);
    ist_free(entry);
}

void model_remove_entry(struct model *model, struct entry *entry)
{
    struct entry **link = &model->entries;
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    table_remove(&model->by_key, entry->hash, entry);
    model->waiting -= entry->withheld_since != 0;
    free_entry(model, entry);
}

void model_touch(struct model *model, const struct entry *entry, int64_t within_ms)
{
    ist_reconciler_touch(model->run, entry->cluster, entry->key, within_ms);
}

void model_touch_all(struct model *model)
{
    for (struct entry *entry = model->entries; entry; entry = entry->next)
        model_touch(model, entry, 0);
}

static int is_stretched(const struct policy *policy)
{
    return policy && !policy->generated && (policy->all_clusters || policy->clusters_count);
}

// ---- what the world tells ----

static void on_policy(void *arg, const struct policy *before, const struct policy *after)
{
    struct model *model = arg;
    const struct policy *either = after ? after : before;
    char *key = ist_printf("%s/%s", either->ns->text, either->name->text);
    struct entry *entry = model_entry(model, either->cluster, key, is_stretched(after));
    if (entry) {
        entry->policy = is_stretched(after) ? after : NULL;
        moves_policy(model, entry);
        model_touch(model, entry, 0);
    }
    ist_free(key);
}

static void on_pod(void *arg, const struct pod *before, const struct pod *after)
{
    moves_pod(arg, before, after);
}

static void on_namespace(void *arg, const struct namespace *ns)
{
    struct model *model = arg;
    (void)ns; // a namespace is labelled rarely, and any selector may read it
    for (struct entry *entry = model->entries; entry; entry = entry->next)
        moves_policy(model, entry);
    model_touch_all(model);
}

static void on_service(void *arg, const struct namespace *ns, const struct name *name)
{
    struct model *model = arg;
    (void)ns;
    (void)name;
    for (struct entry *entry = model->entries; entry; entry = entry->next)
        if (entry->services)
            model_touch(model, entry, 0);
}

void model_watch(struct model *model)
{
    struct world_watcher watcher = {model, on_pod, on_namespace, on_policy, on_service};
    world_watch(model->world, &watcher);
}

// ---- opening ----

static int has_services(const struct policy *policy)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        for (uint32_t k = 0; k < policy->rules[i].peer_count; k++)
            if (policy->rules[i].peers[k].service)
                return 1;
    return 0;
}

static int32_t check_peers(const struct model *model, const struct policy *policy, const char *name,
                           ist_error *err)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        for (uint32_t k = 0; k < policy->rules[i].peer_count; k++) {
            const struct name *cluster = policy->rules[i].peers[k].cluster;
            if (cluster && world_find_cluster(model->world, cluster->text) == SIZE_MAX)
                return ist_fail(err, IST_ERR_INPUT, name,
                                "a peer names the cluster %s, which has no kubeconfig here", cluster->text);
        }
    return IST_OK;
}

static int32_t add_given(struct model *model, const json_t *given, ist_error *err)
{
    const char *name = ist_json_str_or(given, "name", "?"), *in = ist_json_str_or(given, "cluster", "");
    size_t cluster = world_find_cluster(model->world, in);
    if (cluster == SIZE_MAX)
        return ist_fail(err, IST_ERR_INPUT, name, "is for the cluster %s, which has no kubeconfig here", in);
    json_t *document = pipeline_document(given);
    struct policy *policy = policy_compile(world_names(model->world), cluster, document, 1, err);
    int32_t rc = policy ? check_peers(model, policy, name, err) : IST_ERR_INPUT;
    const json_t *selector = json_object_get(given, "podSelector");
    char *key = ist_printf("%s/%s of the pipeline", ist_json_str_or(given, "namespace", ""), name);
    // A `from` that is no list would be read as none: everybody.
    if (rc == IST_OK && (policy->odd || (selector && !json_is_object(selector) && !json_is_null(selector))))
        rc = ist_fail(err, IST_ERR_INPUT, name,
                      "is not shaped as a NetworkPolicy: ingress, egress, from, to and ports are lists, "
                      "selectors are maps");
    if (rc == IST_OK && model_entry(model, cluster, key, 0))
        rc = ist_fail(err, IST_ERR_INPUT, name, "stands twice among the policies of %s", in);
    if (rc == IST_OK) {
        struct entry *entry = model_entry(model, cluster, key, 1);
        entry->policy = policy;
        entry->document = document;
        entry->services = (uint8_t)has_services(policy);
    } else {
        if (policy)
            policy_free(world_names(model->world), policy);
        json_decref(document);
    }
    ist_free(key);
    return rc;
}

static void map_namespaces(struct model *model)
{
    const char *common, *cluster;
    json_t *there, *name;
    json_object_foreach(json_object_get(model->inputs, "namespaces"), common, there)
        json_object_foreach(there, cluster, name) world_map_namespace(
            model->world, world_find_cluster(model->world, cluster), json_string_value(name), common);
}

static int64_t duration_of(const json_t *value, int64_t otherwise)
{
    json_t *normal = NULL;
    int64_t ms = otherwise;
    if (json_is_integer(value))
        return json_integer_value(value);
    if (value && ist_type_normalise("duration", value, &normal, NULL) == IST_OK)
        ms = json_integer_value(normal);
    json_decref(normal);
    return ms;
}

static int32_t read_durations(struct model *model, ist_error *err)
{
    const json_t *keep = json_object_get(model->inputs, "keep_for");
    const char *text = json_string_value(keep);
    model->debounce_ms = duration_of(json_object_get(model->inputs, "debounce"), 500);
    model->keep_ms = text && strcmp(text, "forever") == 0 ? -1 : duration_of(keep, keep ? -2 : 900000);
    if (model->keep_ms == -2)
        return ist_fail(err, IST_ERR_INPUT, "keep_for", "expected a duration such as 15m, or forever");
    size_t i;
    const json_t *name;
    json_array_foreach(
        json_object_get(model->inputs, "keep_forever"), i,
        name) if (!ist_clusters_find(model->clusters,
                                     json_string_value(name))) return ist_fail(err, IST_ERR_INPUT,
                                                                               "keep_forever",
                                                                               "there is no cluster %s here",
                                                                               json_string_value(name));
    ist_reconciler_grace(model->run, model->keep_ms);
    return IST_OK;
}

static void add_clusters(struct model *model)
{
    for (size_t i = 0; i < model->clusters->count; i++) {
        const ist_cluster *cluster = &model->clusters->items[i];
        world_add_cluster(model->world, cluster->name);
        for (size_t k = 0; k < cluster->pod_cidr_count; k++) {
            struct net net = {.prefix = cluster->pod_cidrs[k].prefix};
            memcpy(net.base.bytes, cluster->pod_cidrs[k].address, sizeof(net.base.bytes));
            world_add_pod_net(model->world, i, net);
        }
    }
}

int32_t model_open(ist_reconciler *run, const json_t *inputs, const ist_clusters *clusters, void **opened,
                   ist_error *err)
{
    struct model *model = ist_calloc(1, sizeof(*model));
    model->run = run;
    model->watching = ist_operation_of(ist_reconciler_env(run)) == IST_OP_WATCH;
    model->clusters = clusters;
    model->inputs = json_deep_copy(inputs);
    model->world = world_new();
    model->mirrored = mirrored_new();
    model->facts = ist_calloc(clusters->count + 1, sizeof(*model->facts));
    add_clusters(model);
    model_watch(model);
    int32_t rc = ist_namespaces_new(json_object_get(inputs, "namespaces"), clusters, &model->namespaces, err);
    if (rc == IST_OK) {
        map_namespaces(model);
        rc = read_durations(model, err);
    }
    size_t i;
    const json_t *given;
    json_array_foreach(json_object_get(inputs, "policies"), i, given)
    {
        if (rc == IST_OK)
            rc = add_given(model, given, err);
    }
    if (rc == IST_OK)
        *opened = model;
    else
        model_close(model);
    return rc;
}

void model_close(void *opened)
{
    struct model *model = opened;
    if (!model)
        return;
    world_watch(model->world, NULL);
    while (model->entries) {
        struct entry *entry = model->entries;
        model->entries = entry->next;
        free_entry(model, entry);
    }
    for (size_t i = 0; i < model->addresses.room; i++) {
        struct shown *shown = model->addresses.slots[i].record;
        if (shown) {
            ist_free(shown->pods);
            ist_free(shown);
        }
    }
    table_free(&model->addresses);
    table_free(&model->by_key);
    mirrored_free(model->mirrored);
    world_free(model->world);
    ist_namespaces_free(model->namespaces);
    for (size_t i = 0; model->facts && i < model->clusters->count; i++)
        mesh_free(&model->facts[i].mesh);
    ist_free(model->facts);
    json_decref(model->inputs);
    ist_free(model);
}

// ---- seeing ----

static void touch_cluster(struct model *model, size_t cluster)
{
    for (struct entry *entry = model->entries; entry; entry = entry->next)
        if (entry->cluster == cluster)
            model_touch(model, entry, 0);
}

static void see_daemonset(struct model *model, size_t cluster, const json_t *object, int gone)
{
    struct cni *cni = &model->facts[cluster].cni, before = *cni;
    cni_see(cni, object, gone);
    if (cni_is_vpc(cni) != cni_is_vpc(&before))
        touch_cluster(model, cluster);
    if (cni_is_cilium(cni) != cni_is_cilium(&before)) { // it may be in a mesh, with any of the others
        mesh_unknown(model, cluster);
        model_touch_all(model);
    }
}

void model_see(void *opened, size_t cluster, size_t kind, const json_t *object, int gone)
{
    struct model *model = opened;
    int behind = 0;
    if (kind == KIND_DAEMONSET) {
        see_daemonset(model, cluster, object, gone);
        return;
    }
    if (kind == KIND_SLICE)
        behind = mirrored_slice(model->mirrored, cluster, object, gone);
    if (kind == KIND_SERVICE)
        behind = mirrored_service(model->mirrored, cluster, object, gone);
    if (behind && cni_is_vpc(&model->facts[cluster].cni))
        touch_cluster(model, cluster);
    if (kind == KIND_SLICE)
        return;
    // What is no object of its kind (a policy of an odd shape) is as if it were not there: it lets nobody in.
    if (gone || world_put(model->world, cluster, object, 0, NULL) != IST_OK)
        world_remove(model->world, cluster, object);
}

void model_state(void *opened, size_t cluster, uint32_t state)
{
    struct model *model = opened;
    uint32_t before = model->facts[cluster].state;
    model->facts[cluster].state = state;
    model->facts[cluster].listed |= state == IST_CLUSTER_SYNCED;
    mesh_soon(model, cluster);
    // Pods that came and went while it did not count were passed over: what they leave behind is withdrawn first.
    if (state == IST_CLUSTER_SYNCED && before != IST_CLUSTER_LOST)
        for (struct entry *entry = model->entries; entry; entry = entry->next)
            moves_policy(model, entry);
    model_touch_all(model); // any policy may speak of it
}
