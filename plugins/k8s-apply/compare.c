// What is to do in the clusters: each object is compared with what a dry run of its apply answers.
#include "apply.h"

#include <string.h>

// ---- one object ----

static json_t *action_new(const char *what, const json_t *id, const json_t *live, const char *reason,
                          json_t *fields)
{
    json_t *action =
        json_pack("{s:s, s:s*, s:s*, s:o}", "action", what, "uid", ist_json_str(live, "metadata.uid"),
                  "reason", reason, "fields", fields ? fields : json_array());
    json_object_update(action, (json_t *)(uintptr_t)id);
    return action;
}

static int32_t conflict(const struct work *work, const char *text, enum whose owner, const json_t *recorded,
                        const json_t *live, ist_error *err)
{
    const char *step = ist_manifest_step(live);
    if (owner == WHOSE_OTHER_STEP) {
        ist_fail(err, IST_ERR_CONFLICT, text, "step %s of Isthmus keeps this object", step);
        ist_hint(err,
                 "an object has one keeper: take it out of one of the two steps; if %s has another name now, "
                 "`isthmus state mv PIPELINE %s %s`",
                 step, step, work->owner);
    } else if (ist_json_str(recorded, "uid")) {
        ist_fail(
            err, IST_ERR_CONFLICT, text,
            "exists and was not made by Isthmus: the one that this step made had the uid %s, this one has %s",
            ist_json_str(recorded, "uid"), ist_json_str_or(live, "metadata.uid", "none"));
        ist_hint(err,
                 "delete it, or take it over with `adopt: true`; it is then left where it is by destroy");
    } else {
        ist_fail(err, IST_ERR_CONFLICT, text, "exists and was not made by Isthmus");
        ist_hint(err, "`adopt: true` takes it over; it is then left where it is by destroy");
    }
    return IST_ERR_CONFLICT;
}

// Are all labels and annotations of a manifest's namespace there already? Then it serves as it is.
static int namespace_serves(const json_t *wanted, const json_t *live)
{
    static const char *const maps[] = {"metadata.labels", "metadata.annotations"};
    for (size_t i = 0; i < 2; i++) {
        const char *key;
        json_t *value;
        json_object_foreach(ist_json_at(wanted, maps[i]), key, value)
        {
            if (strcmp(key, IST_LABEL_STEP) == 0 || strcmp(key, IST_LABEL_MANAGED_BY) == 0)
                continue;
            if (!json_equal(value, json_object_get(ist_json_at(live, maps[i]), key)))
                return 0;
        }
    }
    return 1;
}

// The dry run of an object that is there. Fields that cannot be changed in place make it a replacement.
static int32_t compare_live(const ist_cluster *cluster, const json_t *object, const json_t *id,
                            const json_t *live, const char *verb, json_t *actions, ist_error *err)
{
    json_t *fields = NULL;
    int by_hand = 0;
    ist_error fault = {0};
    int32_t rc = ist_manifest_dry(cluster->kube, object, live, &fields, &by_hand, &fault);
    if (rc == IST_OK && json_array_size(fields)) {
        json_t *action = action_new(verb, id, live, NULL, fields);
        if (by_hand)
            json_object_set_new(action, "mend", json_true());
        json_array_append_new(actions, action);
        return IST_OK;
    }
    if (rc == IST_OK) {
        json_decref(fields);
        return IST_OK;
    }
    if (rc == IST_ERR_REMOTE && strstr(fault.text, "immutable") && strcmp(verb, "update") == 0) {
        json_array_append_new(actions, action_new("replace", id, live, fault.text, NULL));
        return IST_OK;
    }
    if (err)
        *err = fault;
    return rc;
}

// An object that is not there yet: the dry run tells early what the server would refuse.
static int32_t compare_missing(struct work *work, const ist_cluster *cluster, const json_t *object,
                               const json_t *id, const char *from, json_t *actions, ist_error *err)
{
    const char *ns = ist_json_str(id, "namespace");
    ist_error fault = {0};
    ist_kube_kind kind;
    // A kind that a CustomResourceDefinition of this step brings cannot be tried yet.
    int coming = ist_kube_kind_of(cluster->kube, ist_json_str(id, "apiVersion"), ist_json_str(id, "kind"),
                                  &kind, NULL) != IST_OK;
    int32_t rc = coming ? IST_OK : ist_kube_apply_dry(cluster->kube, object, NULL, &fault);
    if (rc == IST_ERR_NOT_FOUND && ns) {
        json_t *home = json_pack("{s:s, s:s, s:s, s:s}", "cluster", cluster->name, "apiVersion", "v1", "kind",
                                 "Namespace", "name", ns);
        int comes = wanted_of(work, home) != NULL;
        json_decref(home);
        if (!comes) {
            // Not found, and no wrong input: a step before this one may be about to make it again.
            ist_fail(err, IST_ERR_NOT_FOUND, from, "namespace %s does not exist in %s", ns, cluster->name);
            ist_hint(err, "put it in a manifest, or set create_namespaces");
            return IST_ERR_NOT_FOUND;
        }
        rc = IST_OK;
    }
    if (rc != IST_OK) {
        if (err)
            *err = fault;
        return rc;
    }
    json_array_append_new(actions, action_new("create", id, NULL, NULL, ist_manifest_outline(object)));
    return IST_OK;
}

static int32_t compare_entry(struct work *work, const json_t *entry, json_t *actions, ist_error *err)
{
    const json_t *object = json_object_get(entry, "object");
    const ist_cluster *cluster = ist_clusters_find(work->clusters, ist_json_str(entry, "cluster"));
    json_t *id = id_of(cluster->name, object), *live = NULL;
    char *text = id_text(id);
    ist_error fault = {0};
    int32_t rc = live_of(work, id, &live, &fault);
    const json_t *recorded = recorded_of(work, id);
    enum whose owner = rc == IST_OK ? whose(work, recorded, live) : WHOSE_FOREIGN;
    if (rc == IST_OK && ist_json_str(live, "metadata.deletionTimestamp")) {
        json_array_append_new(actions,
                              action_new("create", id, NULL, "the one that is there is being deleted",
                                         ist_manifest_outline(object)));
    } else if (rc == IST_OK && owner == WHOSE_OURS) {
        rc = compare_live(cluster, object, id, live, "update", actions, err);
    } else if (rc == IST_OK && is_kind(id, "Namespace") && namespace_serves(object, live)) {
        rc = IST_OK;
    } else if (rc == IST_OK && (owner == WHOSE_OTHER_STEP || !ist_json_bool(work->inputs, "adopt", 0))) {
        rc = conflict(work, text, owner, recorded, live, err);
    } else if (rc == IST_OK) {
        rc = compare_live(cluster, object, id, live, "adopt", actions, err);
    } else if (rc == IST_ERR_NOT_FOUND) {
        rc = compare_missing(work, cluster, object, id, ist_json_str_or(entry, "from", "manifests"), actions,
                             err);
    } else if (err) {
        *err = fault;
    }
    json_decref(live);
    json_decref(id);
    ist_free(text);
    return rc;
}

// ---- all of them ----

// What this step made and no manifest asks for any more.
static int32_t compare_recorded(struct work *work, const ist_cluster *cluster, json_t *actions,
                                ist_error *err)
{
    const json_t *recorded = recorded_in(work, cluster->name);
    for (size_t i = json_array_size(recorded); i-- > 0;) { // against the order of making
        const json_t *id = json_array_get(recorded, i);
        json_t *live = NULL;
        if (wanted_of(work, id))
            continue;
        ist_error fault = {0};
        int32_t rc = live_of(work, id, &live, &fault);
        if (rc == IST_OK && whose(work, id, live) == WHOSE_OURS)
            json_array_append_new(actions, action_new("delete", id, live, "in no manifest any more", NULL));
        json_decref(live);
        if (rc != IST_OK && rc != IST_ERR_NOT_FOUND) {
            if (err)
                *err = fault;
            return rc;
        }
    }
    return IST_OK;
}

// Objects in a cluster that is not among the inputs any more would be forgotten: that is for the user to say.
static int32_t compare_forgotten(const struct work *work, ist_error *err)
{
    const char *resource;
    json_t *record;
    json_object_foreach(work->recorded, resource, record)
    {
        const char *name = ist_json_str(record, "data.cluster");
        size_t count = json_array_size(ist_json_at(record, "data.objects"));
        if (!name || !count || ist_clusters_find(work->clusters, name))
            continue;
        ist_fail(err, IST_ERR_QUESTION, name,
                 "%zu objects of this step are there, and `kubeconfigs` has no such cluster", count);
        ist_hint(err, "leave its kubeconfig and name other `clusters`, or let go of them with --forget");
        return IST_ERR_QUESTION;
    }
    return IST_OK;
}

int32_t compare_all(struct work *work, json_t **actions, ist_error *err)
{
    json_t *made = json_array();
    int32_t rc = compare_forgotten(work, err);
    for (size_t i = 0; rc == IST_OK && i < json_array_size(work->wanted); i++)
        rc = compare_entry(work, json_array_get(work->wanted, i), made, err);
    for (size_t i = 0; rc == IST_OK && i < work->clusters->count; i++)
        rc = compare_recorded(work, &work->clusters->items[i], made, err);
    if (rc == IST_OK)
        *actions = made;
    else
        json_decref(made);
    return rc;
}

static uint32_t change_of(const char *action)
{
    if (strcmp(action, "create") == 0)
        return IST_CREATE;
    if (strcmp(action, "delete") == 0)
        return IST_DELETE;
    return strcmp(action, "replace") == 0 ? IST_REPLACE : IST_UPDATE;
}

void compare_report(const ist_env *env, const json_t *actions)
{
    size_t i;
    const json_t *action;
    json_array_foreach(actions, i, action)
    {
        char *name = id_text(action);
        const char *what = ist_json_str_or(action, "action", "");
        ist_change(env, change_of(what), name,
                   strcmp(what, "adopt") == 0 ? "adopted" : ist_json_str(action, "reason"));
        ist_manifest_report(env, name, json_object_get(action, "fields"));
        ist_free(name);
    }
}
