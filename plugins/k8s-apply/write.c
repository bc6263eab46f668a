// Carrying the actions out: a journal entry a cluster and batch (the names are ours, so that the objects are
// found again by name and mark), then in order; and waiting for rollouts.
#include "apply.h"

#include <string.h>

#define LOOK_MS    700
#define GONE_MS    500
#define TIMEOUT_MS 300000

// ---- the record ----

static json_t *find_id(json_t *list, const json_t *id)
{
    size_t i;
    json_t *other;
    json_array_foreach(list, i, other) if (id_same(other, id)) return other;
    return NULL;
}

// What the journal says of a cluster: what was recorded before, and every object of this step. New reference.
static json_t *batch_of(const struct work *work, const ist_cluster *cluster, const json_t *actions)
{
    json_t *objects = json_array();
    size_t i;
    const json_t *entry, *action;
    json_array_foreach(work->wanted, i, entry)
    {
        if (strcmp(ist_json_str_or(entry, "cluster", ""), cluster->name) != 0)
            continue;
        json_t *id = id_of(cluster->name, json_object_get(entry, "object"));
        const json_t *before = find_id((json_t *)(uintptr_t)recorded_in(work, cluster->name), id);
        json_object_update_missing(id, (json_t *)(uintptr_t)before);
        json_array_append_new(objects, id);
    }
    json_array_foreach(actions, i, action) // who was there before us stays when we go
    {
        json_t *id =
            strcmp(ist_json_str_or(action, "action", ""), "adopt") == 0 ? find_id(objects, action) : NULL;
        if (id)
            json_object_set_new(id, "adopted", json_true());
    }
    json_array_foreach(recorded_in(work, cluster->name), i, entry) if (!find_id(objects, entry))
        json_array_append(objects, (json_t *)(uintptr_t)entry);
    return objects;
}

static json_t *data_of(const ist_cluster *cluster, json_t *objects)
{
    return json_pack("{s:s, s:s, s:O}", "cluster", cluster->name, "uid", cluster->uid, "objects", objects);
}

// ---- one action ----

int32_t wait_gone(struct work *work, ist_cluster *cluster, const json_t *id, ist_error *err)
{
    char *text = id_text(id);
    int32_t rc;
    for (;;) {
        json_t *live = NULL;
        ist_error fault = {0};
        rc = live_of(work, id, &live, &fault);
        const char *uid = ist_json_str(id, "uid"), *now = ist_json_str(live, "metadata.uid");
        int other = rc == IST_OK && uid && now && strcmp(uid, now) != 0;
        size_t finalizers = json_array_size(ist_json_at(live, "metadata.finalizers"));
        json_decref(live);
        if (rc == IST_ERR_NOT_FOUND || other) {
            rc = IST_OK;
            break;
        }
        if (rc != IST_OK) {
            if (err)
                *err = fault;
            break;
        }
        ist_progress(&work->env, "%s: being deleted%s", text,
                     finalizers ? ", its finalizers are not done" : "");
        rc = ist_sleep_ms(&work->env, GONE_MS);
        if (rc != IST_OK) {
            ist_fail(err, rc, text, "was deleted in %s and is still there", cluster->name);
            break;
        }
    }
    ist_free(text);
    return rc;
}

// A kind whose definition was applied a moment ago is served a little later.
static int32_t wait_served(struct work *work, const ist_cluster *cluster, const json_t *id, ist_error *err)
{
    ist_kube_kind kind;
    int32_t rc;
    for (int i = 0; i < 20; i++) {
        rc = ist_kube_kind_of(cluster->kube, ist_json_str(id, "apiVersion"), ist_json_str(id, "kind"), &kind,
                              err);
        if (rc != IST_ERR_NOT_FOUND || ist_sleep_ms(&work->env, GONE_MS) != IST_OK)
            return rc;
    }
    return rc;
}

static int32_t clear_way(struct work *work, ist_cluster *cluster, const json_t *action, ist_error *err)
{
    const char *what = ist_json_str_or(action, "action", "");
    if (strcmp(what, "replace") == 0) {
        int32_t rc = ist_kube_delete(cluster->kube, ist_json_str(action, "apiVersion"),
                                     ist_json_str(action, "kind"), ist_json_str(action, "namespace"),
                                     ist_json_str(action, "name"), ist_json_str(action, "uid"), NULL, err);
        return rc == IST_OK ? wait_gone(work, cluster, action, err) : rc;
    }
    if (strcmp(what, "create") == 0 && ist_json_str(action, "reason")) // a corpse
        return wait_gone(work, cluster, action, err);
    return IST_OK;
}

// As a patch and not with the apply, which would take the mark away the next time.
static int32_t mark_adopted(const ist_cluster *cluster, const json_t *action, ist_error *err)
{
    if (strcmp(ist_json_str_or(action, "action", ""), "adopt") != 0)
        return IST_OK;
    json_t *patch = json_pack("{s:{s:{s:s}}}", "metadata", "annotations", ANNOTATION_ADOPTED, "true");
    int32_t rc =
        ist_kube_patch(cluster->kube, ist_json_str(action, "apiVersion"), ist_json_str(action, "kind"),
                       ist_json_str(action, "namespace"), ist_json_str(action, "name"),
                       "application/merge-patch+json", patch, NULL, err);
    json_decref(patch);
    return rc;
}

// Somebody may have made an object of that name since it was looked for: theirs stays theirs.
static int32_t check_free(struct work *work, const json_t *action, ist_error *err)
{
    json_t *live = NULL;
    if (strcmp(ist_json_str_or(action, "action", ""), "create") != 0)
        return IST_OK;
    int32_t rc = live_of(work, action, &live, err);
    const char *step = ist_manifest_step(live);
    int ours = step && strcmp(step, work->owner) == 0;
    json_decref(live);
    if (rc == IST_ERR_NOT_FOUND || (rc == IST_OK && ours))
        return IST_OK;
    if (rc != IST_OK)
        return rc;
    char *text = id_text(action);
    rc = ist_fail(err, IST_ERR_CONFLICT, text, "was made by somebody else meanwhile");
    ist_free(text);
    return rc;
}

static int32_t do_action(struct work *work, ist_cluster *cluster, const json_t *action, json_t *objects,
                         ist_error *err)
{
    if (strcmp(ist_json_str_or(action, "action", ""), "delete") == 0)
        return remove_one(work, cluster, action, err);
    const json_t *entry = wanted_of(work, action);
    char *text = id_text(action);
    json_t *applied = NULL;
    int32_t rc = IST_OK;
    if (!entry)
        rc = ist_fail(err, IST_AGAIN, text, "the manifests have changed since they were planned");
    if (rc == IST_OK)
        rc = wait_served(work, cluster, action, err);
    if (rc == IST_OK)
        rc = clear_way(work, cluster, action, err);
    if (rc == IST_OK)
        rc = check_free(work, action, err);
    if (rc == IST_OK)
        rc = mark_adopted(cluster, action, err);
    if (rc == IST_OK && ist_json_bool(action, "mend", 0))
        rc = ist_manifest_mend(cluster->kube, json_object_get(entry, "object"), err);
    if (rc == IST_OK) {
        ist_progress(&work->env, "%s: %s", text, ist_json_str_or(action, "action", ""));
        rc = ist_kube_apply(cluster->kube, json_object_get(entry, "object"), 1, &applied, err);
    }
    json_t *id = rc == IST_OK ? find_id(objects, action) : NULL;
    if (id && ist_json_str(applied, "metadata.uid"))
        json_object_set(id, "uid", ist_json_at(applied, "metadata.uid"));
    json_decref(applied);
    ist_free(text);
    return rc;
}

static void forget(json_t *objects, const json_t *action)
{
    size_t i;
    const json_t *id;
    json_array_foreach(objects, i, id) if (id_same(id, action))
    {
        json_array_remove(objects, i);
        return;
    }
}

static int32_t write_cluster(struct work *work, ist_cluster *cluster, const json_t *actions, ist_error *err)
{
    json_t *objects = batch_of(work, cluster, actions);
    char token[65], *resource = resource_of(cluster->name);
    size_t i;
    const json_t *action;
    int32_t rc = ist_intent(&work->env, resource, data_of(cluster, objects), token, err);
    json_array_foreach(actions, i, action)
    {
        if (rc != IST_OK)
            break;
        if (strcmp(ist_json_str_or(action, "cluster", ""), cluster->name) != 0)
            continue;
        rc = do_action(work, cluster, action, objects, err);
        if (rc == IST_OK && strcmp(ist_json_str_or(action, "action", ""), "delete") == 0)
            forget(objects, action);
    }
    if (rc == IST_OK)
        rc = ist_outcome(&work->env, resource, json_array_size(objects) ? data_of(cluster, objects) : NULL,
                         err);
    ist_free(resource);
    json_decref(objects);
    return rc;
}

static int concerns(const json_t *actions, const ist_cluster *cluster)
{
    size_t i;
    const json_t *action;
    json_array_foreach(
        actions, i, action) if (strcmp(ist_json_str_or(action, "cluster", ""), cluster->name) == 0) return 1;
    return 0;
}

int32_t write_all(struct work *work, const json_t *actions, ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t i = 0; rc == IST_OK && i < work->clusters->count; i++) {
        ist_cluster *cluster = &work->clusters->items[i];
        char *resource = resource_of(cluster->name);
        // An intent that a killed run left is closed even where nothing is left to do.
        const char *status = ist_json_str_or(json_object_get(work->recorded, resource), "status", "");
        ist_free(resource);
        if (concerns(actions, cluster) || strcmp(status, "intent") == 0)
            rc = write_cluster(work, cluster, actions, err);
    }
    return rc;
}

// ---- rollouts ----

// One round over what has not rolled out yet. *waiting counts; *why (the caller's) is what the first one
// waits for.
static int32_t look_round(struct work *work, json_t *done, size_t *waiting, char **why, ist_error *err)
{
    size_t i;
    const json_t *entry;
    *waiting = 0;
    json_array_foreach(work->wanted, i, entry)
    {
        const json_t *object = json_object_get(entry, "object");
        const ist_cluster *cluster = ist_clusters_find(work->clusters, ist_json_str(entry, "cluster"));
        json_t *id = id_of(cluster->name, object);
        char *name = id_text(id), *text = NULL;
        int ready = json_object_get(done, name) != NULL;
        int32_t rc = ready ? IST_OK : ist_kube_rollout_look(cluster->kube, object, &ready, &text, err);
        if (rc == IST_OK && ready && !json_object_get(done, name)) {
            ist_free(text);
            text = NULL;
            rc = ist_kube_rollout_leftover(cluster->kube, object, &text, err);
            ready = text == NULL;
        }
        if (rc == IST_OK && ready)
            json_object_set_new(done, name, json_true());
        if (rc == IST_OK && !ready && (*waiting)++ == 0)
            *why = ist_printf("%s: %s", name, text);
        ist_free(text);
        ist_free(name);
        json_decref(id);
        if (rc != IST_OK)
            return rc;
    }
    return IST_OK;
}

static int64_t timeout_of(const json_t *inputs)
{
    const json_t *given = json_object_get(inputs, "timeout");
    json_t *normal = NULL;
    int64_t ms = json_is_integer(given) ? json_integer_value(given) : TIMEOUT_MS;
    if (json_is_string(given) && ist_type_normalise("duration", given, &normal, NULL) == IST_OK)
        ms = json_integer_value(normal);
    json_decref(normal);
    return ms;
}

int32_t wait_rolled_out(struct work *work, ist_error *err)
{
    json_t *done = json_object();
    int64_t until = ist_now_ms(&work->env) + timeout_of(work->inputs);
    int32_t rc = IST_OK;
    for (;;) {
        size_t waiting = 0;
        char *why = NULL;
        rc = look_round(work, done, &waiting, &why, err);
        if (rc == IST_OK && waiting) {
            ist_progress(&work->env, "%zu of %zu ready; %s", json_array_size(work->wanted) - waiting,
                         json_array_size(work->wanted), why);
            rc = ist_now_ms(&work->env) >= until ? IST_ERR_TIMEOUT : ist_sleep_ms(&work->env, LOOK_MS);
            if (rc != IST_OK)
                ist_fail(err, rc, "rollout", "%s", why);
            if (rc == IST_ERR_TIMEOUT)
                ist_hint(err, "raise `timeout`, or set `wait: false`");
        }
        ist_free(why);
        if (rc != IST_OK || !waiting)
            break;
    }
    json_decref(done);
    return rc;
}
