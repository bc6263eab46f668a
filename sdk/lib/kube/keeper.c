// Objects that are derived from what is in several clusters: read, compare, write, watch, take away.
#include <isthmus/alloc.h>
#include <isthmus/kube_keeper.h>

#include <string.h>

#define DEBOUNCE_MS 200
#define RESYNC_MS   300000

// One reading of the world: which clusters, and what is to do in each.
struct reading {
    ist_clusters *clusters;
    char *owner;
    json_t *inputs;
    json_t *todo;  // object: cluster -> {uid, actions, refused}
    json_t *notes; // array of strings
    json_t *outputs;
};

static void reading_free(struct reading *reading)
{
    ist_clusters_free(reading->clusters);
    ist_free(reading->owner);
    json_decref(reading->inputs);
    json_decref(reading->todo);
    json_decref(reading->notes);
    json_decref(reading->outputs);
}

static int32_t reading_open(const ist_env *env, struct reading *reading, ist_error *err)
{
    json_t *recorded = ist_recorded(env);
    *reading = (struct reading){.owner = ist_kube_owner(env),
                                .inputs = ist_inputs(env),
                                .todo = json_object(),
                                .notes = json_array(),
                                .outputs = json_object()};
    int32_t rc = ist_clusters_open(env, reading->inputs, recorded, &reading->clusters, err);
    json_decref(recorded);
    return rc;
}

static int32_t compare_cluster(struct reading *reading, const ist_keeper *keeper, const ist_cluster *cluster,
                               json_t *wanted, ist_error *err)
{
    json_t *actions = NULL, *refused = NULL, *object;
    size_t i;
    json_array_foreach(wanted, i, object) ist_kube_own(object, reading->owner);
    int32_t rc =
        ist_kube_set_compare(cluster->kube, reading->owner, wanted, keeper->kinds, &actions, &refused, err);
    if (rc == IST_OK)
        json_object_set_new(
            reading->todo, cluster->name,
            json_pack("{s:s, s:o, s:o}", "uid", cluster->uid, "actions", actions, "refused", refused));
    return rc;
}

// Works out what is to do in every cluster, from what is there now.
static int32_t reading_take(const ist_env *env, struct reading *reading, const ist_keeper *keeper,
                            ist_error *err)
{
    json_t *wanted = json_object();
    json_array_clear(reading->notes);
    json_object_clear(reading->todo);
    int32_t rc = keeper->generate(env, reading->inputs, reading->clusters, wanted, reading->notes,
                                  reading->outputs, err);
    for (size_t i = 0; i < reading->clusters->count && rc == IST_OK; i++) {
        const ist_cluster *cluster = &reading->clusters->items[i];
        rc = compare_cluster(reading, keeper, cluster, json_object_get(wanted, cluster->name), err);
    }
    json_decref(wanted);
    return rc;
}

static void tell_notes(const ist_env *env, const json_t *todo, const json_t *notes)
{
    const char *cluster;
    json_t *part, *note;
    size_t i;
    json_array_foreach(notes, i, note) ist_log(env, IST_LOG_WARN, "%s", json_string_value(note));
    json_object_foreach((json_t *)(uintptr_t)todo, cluster, part)
    {
        json_array_foreach(json_object_get(part, "refused"), i, note)
            ist_log(env, IST_LOG_WARN, "%s in %s is left alone: %s", ist_json_str_or(note, "object", "?"),
                    cluster, ist_json_str_or(note, "reason", "?"));
    }
}

// They follow from what was read alone, so that observe, plan and apply all know them.
static void set_outputs(const ist_env *env, const json_t *outputs)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)outputs, name, value)
        ist_set_output(env, name, json_incref(value));
}

int32_t ist_keeper_observe(const ist_env *env, const ist_keeper *keeper)
{
    struct reading reading;
    ist_error err;
    int32_t rc = reading_open(env, &reading, &err);
    if (rc == IST_OK)
        rc = reading_take(env, &reading, keeper, &err);
    if (rc == IST_OK)
        ist_set_observed(env, json_pack("{s:O, s:O, s:O}", "clusters", reading.todo, "notes", reading.notes,
                                        "outputs", reading.outputs));
    set_outputs(env, rc == IST_OK ? reading.outputs : NULL);
    reading_free(&reading);
    return rc == IST_OK ? rc : ist_report(env, &err);
}

int32_t ist_keeper_plan(const ist_env *env, const ist_keeper *keeper)
{
    json_t *observed = ist_observed(env), *clusters = json_object_get(observed, "clusters"), *part;
    const char *cluster;
    (void)keeper;
    tell_notes(env, clusters, json_object_get(observed, "notes"));
    json_object_foreach(clusters, cluster, part)
        ist_kube_set_report(env, cluster, json_object_get(part, "actions"));
    set_outputs(env, json_object_get(observed, "outputs"));
    json_decref(observed);
    return IST_OK;
}

// One cluster's actions, inside one intent: the objects' names are ours, so that one is enough for the batch.
static int32_t apply_cluster(const ist_env *env, const ist_keeper *keeper, const ist_cluster *cluster,
                             const json_t *actions, ist_error *err)
{
    char token[65], *resource = ist_printf("%s in %s", keeper->what, cluster->name);
    int32_t rc = ist_intent(
        env, resource, json_pack("{s:s, s:s}", "cluster", cluster->name, "uid", cluster->uid), token, err);
    if (rc == IST_OK) {
        ist_progress(env, "%s: %zu to write", resource, json_array_size(actions));
        rc = ist_kube_set_apply(cluster->kube, actions, keeper->finish, NULL, err);
    }
    if (rc == IST_OK)
        rc = ist_outcome(env, resource,
                         json_pack("{s:s, s:s}", "cluster", cluster->name, "uid", cluster->uid), err);
    ist_free(resource);
    return rc;
}

int32_t ist_keeper_apply(const ist_env *env, const ist_keeper *keeper)
{
    struct reading reading;
    ist_error err;
    json_t *observed = ist_observed(env), *part;
    const char *name;
    int32_t rc = reading_open(env, &reading, &err);
    json_object_foreach(json_object_get(observed, "clusters"), name, part)
    {
        const ist_cluster *cluster = rc == IST_OK ? ist_clusters_find(reading.clusters, name) : NULL;
        if (cluster)
            rc = apply_cluster(env, keeper, cluster, json_object_get(part, "actions"), &err);
    }
    if (rc == IST_OK)
        set_outputs(env, json_object_get(observed, "outputs"));
    reading_free(&reading);
    json_decref(observed);
    return rc == IST_OK ? rc : ist_report(env, &err);
}

// Empties one cluster of what this step keeps there.
static int32_t destroy_in(const ist_env *env, const ist_keeper *keeper, const char *resource,
                          const char *cluster, ist_error *err)
{
    json_t *inputs = ist_inputs(env), *recorded = ist_recorded(env);
    ist_clusters *clusters = NULL;
    char *owner = ist_kube_owner(env);
    ist_progress(env, "taking away %s", resource);
    int32_t rc = ist_clusters_open_one(env, inputs, cluster, recorded, &clusters, err);
    if (rc == IST_OK)
        rc = ist_kube_set_delete(clusters->items[0].kube, owner, keeper->kinds, err);
    if (rc == IST_OK)
        rc = ist_outcome(env, resource, NULL, err);
    ist_clusters_free(clusters);
    ist_free(owner);
    json_decref(inputs);
    json_decref(recorded);
    return rc;
}

// A cluster that cannot be reached does not keep the others from being emptied; the first failure is reported.
int32_t ist_keeper_destroy(const ist_env *env, const ist_keeper *keeper)
{
    json_t *recorded = ist_recorded(env), *record;
    const char *resource;
    ist_error first = {0};
    json_object_foreach(recorded, resource, record)
    {
        ist_error err = {0};
        if (first.code == IST_ERR_CANCELLED)
            break;
        if (destroy_in(env, keeper, resource, ist_json_str_or(record, "data.cluster", ""), &err) == IST_OK)
            continue;
        if (first.code != IST_OK)
            ist_log(env, IST_LOG_WARN, "%s: %s", err.where, err.text);
        else
            first = err;
    }
    json_decref(recorded);
    return first.code == IST_OK ? IST_OK : ist_report(env, &first);
}

int32_t ist_keeper_verify(const ist_env *env, const ist_keeper *keeper)
{
    json_t *observed = ist_observed(env), *part;
    const char *cluster;
    json_object_foreach(json_object_get(observed, "clusters"), cluster, part)
    {
        size_t actions = json_array_size(json_object_get(part, "actions"));
        size_t refused = json_array_size(json_object_get(part, "refused"));
        char *name = ist_printf("%s in %s", keeper->what, cluster);
        if (actions) {
            json_t *object = ist_json_at(part, "actions[0].object");
            ist_check(env, name, IST_FAIL, "%zu to write, first %s %s", actions,
                      ist_json_str_or(object, "kind", "?"), ist_json_str_or(object, "metadata.name", "?"));
        } else {
            ist_check(env, name, refused ? IST_WARN : IST_PASS, "as they should be%s",
                      refused ? "; a name that is taken was left alone" : "");
        }
        ist_free(name);
    }
    json_decref(observed);
    return IST_OK;
}

// ---- watch ----

struct watches {
    ist_kube_watch **items;
    size_t count;
};

static void watches_free(struct watches *watches)
{
    for (size_t i = 0; i < watches->count; i++)
        ist_kube_watch_free(watches->items[i]);
    ist_free(watches->items);
}

static int32_t watches_open(const ist_clusters *clusters, const ist_keeper *keeper, struct watches *watches,
                            ist_error *err)
{
    size_t kinds = 0;
    while (keeper->watched[kinds].kind)
        kinds++;
    watches->items = ist_calloc(clusters->count * kinds, sizeof(*watches->items));
    for (size_t i = 0; i < clusters->count; i++) {
        for (size_t k = 0; k < kinds; k++) {
            int32_t rc =
                ist_kube_watch_new(clusters->items[i].kube, keeper->watched[k].api, keeper->watched[k].kind,
                                   NULL, NULL, &watches->items[watches->count], err);
            if (rc == IST_ERR_NOT_FOUND) // a kind that this cluster does not serve cannot change either
                continue;
            if (rc != IST_OK)
                return rc;
            watches->count++;
        }
    }
    return IST_OK;
}

// Takes all events that have arrived; 1 when there was any.
static int drain(const ist_env *env, const struct watches *watches)
{
    int any = 0;
    for (size_t i = 0; i < watches->count; i++) {
        ist_kube_event event;
        ist_error err;
        int32_t rc;
        while ((rc = ist_kube_watch_next(watches->items[i], &event, &err)) == IST_OK)
            any = 1;
        if (rc != IST_AGAIN)
            ist_log(env, IST_LOG_WARN, "%s: %s", err.where, err.text);
    }
    return any;
}

// Reads everything again and writes what differs. A failure is told and tried again at the next event or
// resync.
static void keep(const ist_env *env, struct reading *reading, const ist_keeper *keeper)
{
    ist_error err;
    int32_t rc = reading_take(env, reading, keeper, &err);
    for (size_t i = 0; i < reading->clusters->count && rc == IST_OK; i++) {
        const ist_cluster *cluster = &reading->clusters->items[i];
        const json_t *actions = json_object_get(json_object_get(reading->todo, cluster->name), "actions");
        if (!json_array_size(actions))
            continue;
        rc = ist_kube_set_apply(cluster->kube, actions, keeper->finish, NULL, &err);
        if (rc == IST_OK)
            ist_log(env, IST_LOG_INFO, "%s in %s: %zu written", keeper->what, cluster->name,
                    json_array_size(actions));
    }
    if (rc != IST_OK && rc != IST_ERR_CANCELLED)
        ist_log(env, IST_LOG_WARN, "%s: %s", err.where, err.text);
}

int32_t ist_keeper_watch(const ist_env *env, const ist_keeper *keeper)
{
    struct reading reading;
    struct watches watches = {0};
    ist_error err;
    int32_t rc = reading_open(env, &reading, &err);
    if (rc == IST_OK)
        rc = watches_open(reading.clusters, keeper, &watches, &err);
    int64_t last = 0;
    while (rc == IST_OK && !env->host->cancelled(env->call)) {
        int32_t waited = ist_kube_watch_wait(env, watches.items, watches.count, RESYNC_MS, &err);
        if (waited == IST_ERR_CANCELLED)
            break;
        int due = last == 0 || ist_now_ms(env) - last >= RESYNC_MS;
        if (!drain(env, &watches) && !due)
            continue;
        // What changes together is written together.
        if (ist_sleep_ms(env, DEBOUNCE_MS) == IST_ERR_CANCELLED)
            break;
        drain(env, &watches);
        keep(env, &reading, keeper);
        last = ist_now_ms(env);
    }
    watches_free(&watches);
    reading_free(&reading);
    return rc == IST_OK ? rc : ist_report(env, &err);
}
