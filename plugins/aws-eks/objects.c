// Objects of the manifests in the cluster: told apart by a label, compared by a dry run of the same server-side apply that
// makes them so, freed of what a person put into their lists, removed by what was recorded.
#include "eks.h"

#include <string.h>

static const char *ns_of(const json_t *object)
{
    return ist_json_str(object, "metadata.namespace");
}

// "DaemonSet kube-system/calico-node". The caller's.
static char *title_of(const json_t *object)
{
    const char *ns = ns_of(object);
    return ist_printf("%s %s%s%s", ist_json_str_or(object, "kind", "?"), ns != NULL ? ns : "",
                      ns != NULL ? "/" : "", ist_json_str_or(object, "metadata.name", "?"));
}

// The object with our mark. New reference.
static json_t *marked(const json_t *object, const char *owner)
{
    json_t *copy = json_deep_copy(object);
    ist_manifest_mark(copy, owner);
    return copy;
}

// {apiVersion, kind, namespace, name}: what the journal keeps. New reference.
static json_t *identity(const json_t *object)
{
    return json_pack("{s:s, s:s, s:s*, s:s}", "apiVersion", ist_json_str_or(object, "apiVersion", ""), "kind",
                     ist_json_str_or(object, "kind", ""), "namespace", ns_of(object), "name",
                     ist_json_str_or(object, "metadata.name", ""));
}

static int same_text(const json_t *a, const char *key_a, const json_t *b, const char *key_b)
{
    return strcmp(ist_json_str_or(a, key_a, ""), ist_json_str_or(b, key_b, "")) == 0;
}

static int is_identity_of(const json_t *id, const json_t *object)
{
    return same_text(id, "kind", object, "kind") && same_text(id, "name", object, "metadata.name") &&
           same_text(id, "namespace", object, "metadata.namespace") &&
           same_text(id, "apiVersion", object, "apiVersion");
}

static const json_t *recorded_list(const struct step *s)
{
    return json_object_get(step_record(s, RESOURCE_MANIFESTS), "objects");
}

static int is_wanted(const json_t *wanted, const json_t *id)
{
    json_t *entry;
    size_t i;
    json_array_foreach((json_t *)wanted, i, entry)
    {
        if (is_identity_of(id, json_object_get(entry, "object")))
            return 1;
    }
    return 0;
}

static int32_t live_of(struct step *s, const json_t *object, json_t **live, ist_error *err)
{
    return ist_kube_get(s->kube, ist_json_str_or(object, "apiVersion", ""),
                        ist_json_str_or(object, "kind", ""), ns_of(object),
                        ist_json_str_or(object, "metadata.name", ""), live, err);
}

// ---- comparing ----

// How one object stands.
struct state {
    json_t *live;   // NULL: not there
    json_t *fields; // what an apply would change of it; NULL when it is not there
    int ours;       // it carries our mark
    int by_hand;    // its lists hold what a person put there, which an apply would leave
};

static void state_free(struct state *state)
{
    json_decref(state->live);
    json_decref(state->fields);
    *state = (struct state){0};
}

static int32_t look(struct step *s, const char *owner, const json_t *object, struct state *state,
                    ist_error *err)
{
    json_t *live = NULL, *fields = NULL;
    int by_hand = 0;
    ist_error failed = {0};
    // A cluster that is still to be made holds nothing.
    int32_t rc = s->kube != NULL ? live_of(s, object, &live, &failed) : IST_ERR_NOT_FOUND;
    *state = (struct state){0};
    if (rc == IST_ERR_NOT_FOUND) // or its kind is not served yet
        return IST_OK;
    if (rc == IST_OK) {
        json_t *with_mark = marked(object, owner);
        rc = ist_manifest_dry(s->kube, with_mark, live, &fields, &by_hand, &failed);
        json_decref(with_mark);
    }
    if (rc != IST_OK) {
        json_decref(live);
        if (err != NULL)
            *err = failed;
        return rc;
    }
    const char *mark = ist_manifest_step(live);
    *state = (struct state){live, fields, mark != NULL && strcmp(mark, owner) == 0, by_hand};
    return IST_OK;
}

static int32_t refuse_foreign(const json_t *object, const struct state *state, ist_error *err)
{
    char *title = title_of(object);
    const char *mark = ist_manifest_step(state->live);
    const int32_t rc =
        ist_fail(err, IST_ERR_CONFLICT, title, "exists, and %s%s",
                 mark != NULL ? "belongs to step " : "Isthmus did not make it", mark != NULL ? mark : "");
    ist_hint(err, "remove it, or set `adopt: true` to take it over");
    ist_free(title);
    return rc;
}

// ---- what is not there yet ----

// Does one of the manifests bring this namespace?
static int is_brought(const json_t *wanted, const char *ns)
{
    json_t *entry;
    size_t i;
    json_array_foreach((json_t *)wanted, i, entry)
    {
        const json_t *object = json_object_get(entry, "object");
        if (strcmp(ist_json_str_or(object, "kind", ""), "Namespace") == 0 &&
            strcmp(ist_json_str_or(object, "metadata.name", ""), ns) == 0)
            return 1;
    }
    return 0;
}

static int32_t refuse_nowhere(const struct step *s, const json_t *entry, ist_error *err)
{
    const json_t *object = json_object_get(entry, "object");
    char *title = title_of(object);
    const int32_t rc = ist_fail(err, IST_ERR_INPUT, ist_json_str_or(entry, "from", "manifests"),
                                "%s: there is no namespace %s, neither in cluster %s nor in the manifests",
                                title, ns_of(object), ist_json_str_or(s->inputs, "name", "?"));
    ist_hint(err, "make it, or name a manifest with it in `apply_manifests`");
    ist_free(title);
    return rc;
}

// Of a cluster that is still to be made, or an object of a kind that a definition is about to bring: its namespace.
static int32_t check_namespace(struct step *s, const json_t *wanted, const json_t *entry, ist_error *err)
{
    static const char *const always[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    const char *ns = ns_of(json_object_get(entry, "object"));
    json_t *live = NULL;
    if (ns == NULL || is_brought(wanted, ns))
        return IST_OK;
    for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
        if (strcmp(ns, always[i]) == 0)
            return IST_OK;
    ist_error failed = {0};
    int32_t rc = s->kube != NULL ? ist_kube_get(s->kube, "v1", "Namespace", NULL, ns, &live, &failed)
                                 : IST_ERR_NOT_FOUND;
    json_decref(live);
    if (rc == IST_ERR_NOT_FOUND)
        return refuse_nowhere(s, entry, err);
    if (rc == IST_ERR_DENIED) // who may not look into namespaces may still write in this one
        return IST_OK;
    if (rc != IST_OK && err != NULL)
        *err = failed;
    return rc;
}

// A dry run tells what the server would refuse while nothing is changed yet.
static int32_t check_missing(struct step *s, const char *owner, const json_t *wanted, const json_t *entry,
                             ist_error *err)
{
    const json_t *object = json_object_get(entry, "object");
    const char *ns = ns_of(object);
    ist_kube_kind kind;
    if (s->kube == NULL || ist_kube_kind_of(s->kube, ist_json_str_or(object, "apiVersion", ""),
                                            ist_json_str_or(object, "kind", ""), &kind, NULL) != IST_OK)
        return check_namespace(s, wanted, entry, err);
    json_t *with_mark = marked(object, owner);
    ist_error failed = {0};
    int32_t rc = ist_kube_apply_dry(s->kube, with_mark, NULL, &failed);
    json_decref(with_mark);
    if (rc == IST_ERR_NOT_FOUND && ns != NULL)
        return is_brought(wanted, ns) ? IST_OK : refuse_nowhere(s, entry, err);
    if (rc == IST_OK)
        return IST_OK;
    if (failed.hint[0] == '\0')
        ist_hint(&failed, "it stands in %s", ist_json_str_or(entry, "from", "a manifest"));
    if (err != NULL)
        *err = failed;
    return rc;
}

int32_t objects_check(struct step *s, const json_t *wanted, ist_error *err)
{
    char *owner = ist_kube_owner(&s->env);
    json_t *entry;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach((json_t *)wanted, i, entry)
    {
        json_t *live = NULL;
        ist_error failed = {0};
        if (rc != IST_OK)
            break;
        rc = s->kube != NULL ? live_of(s, json_object_get(entry, "object"), &live, &failed)
                             : IST_ERR_NOT_FOUND;
        json_decref(live);
        if (rc == IST_ERR_NOT_FOUND)
            rc = check_missing(s, owner, wanted, entry, err);
        else if (rc != IST_OK && err != NULL)
            *err = failed;
    }
    ist_free(owner);
    return rc;
}

// ---- plan ----

static int32_t plan_object(struct step *s, const char *owner, const json_t *wanted, const json_t *entry,
                           ist_error *err)
{
    const json_t *object = json_object_get(entry, "object");
    struct state state;
    int32_t rc = look(s, owner, object, &state, err);
    if (rc == IST_OK && state.live == NULL)
        rc = check_missing(s, owner, wanted, entry, err);
    if (rc != IST_OK)
        return rc;
    char *title = title_of(object);
    if (state.live == NULL) {
        json_t *fields = ist_manifest_outline(object);
        ist_change(&s->env, IST_CREATE, title, NULL);
        ist_manifest_report(&s->env, title, fields);
        json_decref(fields);
    } else if (!state.ours &&
               (ist_manifest_step(state.live) != NULL || !ist_json_bool(s->inputs, "adopt", 0))) {
        rc = refuse_foreign(object, &state, err);
    } else if (json_array_size(state.fields) > 0) {
        ist_change(&s->env, IST_UPDATE, title, state.ours ? NULL : "taken over");
        ist_manifest_report(&s->env, title, state.fields);
    }
    ist_free(title);
    state_free(&state);
    return rc;
}

int32_t objects_plan(struct step *s, const json_t *wanted, ist_error *err)
{
    char *owner = ist_kube_owner(&s->env);
    json_t *entry, *id;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach((json_t *)wanted, i, entry)
    {
        if (rc == IST_OK)
            rc = plan_object(s, owner, wanted, entry, err);
    }
    json_array_foreach((json_t *)recorded_list(s), i, id)
    {
        if (rc != IST_OK || is_wanted(wanted, id))
            continue;
        char *title = ist_printf("%s %s", ist_json_str_or(id, "kind", "?"), ist_json_str_or(id, "name", "?"));
        ist_change(&s->env, IST_DELETE, title, "in no manifest any more");
        ist_free(title);
    }
    if (rc == IST_OK && step_is_unsettled(s, RESOURCE_MANIFESTS))
        ist_change(&s->env, IST_CREATE, RESOURCE_MANIFESTS, "an earlier run was interrupted here");
    ist_free(owner);
    return rc;
}

// ---- apply ----

// Waits a little for a kind whose definition was applied a moment ago.
static int32_t wait_served(struct step *s, const json_t *object, ist_error *err)
{
    int32_t rc = IST_ERR_NOT_FOUND;
    for (int tries = 0; tries < 40 && rc == IST_ERR_NOT_FOUND; tries++) {
        ist_kube_kind kind;
        rc = ist_kube_kind_of(s->kube, ist_json_str_or(object, "apiVersion", ""),
                              ist_json_str_or(object, "kind", ""), &kind, err);
        if (rc == IST_ERR_NOT_FOUND && ist_sleep_ms(&s->env, 250) != IST_OK)
            return ist_fail(err, IST_ERR_CANCELLED, "manifests",
                            "stopped while waiting for a kind to be served");
    }
    return rc;
}

static int32_t apply_object(struct step *s, const char *owner, const json_t *object, ist_error *err)
{
    struct state state = {0};
    json_t *applied = NULL;
    int32_t rc = wait_served(s, object, err);
    if (rc == IST_OK)
        rc = look(s, owner, object, &state, err);
    if (rc == IST_OK && state.live != NULL && !state.ours &&
        (ist_manifest_step(state.live) != NULL || !ist_json_bool(s->inputs, "adopt", 0)))
        rc = refuse_foreign(object, &state, err);
    if (rc == IST_OK && (state.live == NULL || json_array_size(state.fields) > 0)) {
        char *title = title_of(object);
        json_t *with_mark = marked(object, owner);
        ist_progress(&s->env, "%s", title);
        rc = state.by_hand ? ist_manifest_mend(s->kube, with_mark, err) : IST_OK;
        if (rc == IST_OK)
            rc = ist_kube_apply(s->kube, with_mark, 1, &applied, err);
        json_decref(with_mark);
        ist_free(title);
    }
    json_decref(applied);
    state_free(&state);
    return rc;
}

static int32_t delete_object(struct step *s, const char *owner, const json_t *id, ist_error *err)
{
    const char *api = ist_json_str_or(id, "apiVersion", ""), *kind = ist_json_str_or(id, "kind", "");
    const char *ns = ist_json_str(id, "namespace"), *name = ist_json_str_or(id, "name", "");
    json_t *live = NULL;
    ist_error failed = {0};
    int32_t rc = ist_kube_get(s->kube, api, kind, ns, name, &live, &failed);
    if (rc == IST_ERR_NOT_FOUND)
        return IST_OK;
    const char *mark = rc == IST_OK ? ist_manifest_step(live) : NULL;
    if (rc == IST_OK && mark != NULL && strcmp(mark, owner) == 0)
        rc = ist_kube_delete(s->kube, api, kind, ns, name, ist_json_str(live, "metadata.uid"), NULL, &failed);
    else if (rc == IST_OK)
        ist_log(&s->env, IST_LOG_WARN, "%s %s carries the mark of this step no more: it stays", kind, name);
    json_decref(live);
    if (rc == IST_OK && mark != NULL)
        rc = ist_kube_wait_gone(s->kube, api, kind, ns, name, &failed);
    if (rc != IST_OK && err != NULL)
        *err = failed;
    return rc;
}

// What is wanted, and what was recorded and is still to be removed. New reference.
static json_t *all_identities(const struct step *s, const json_t *wanted)
{
    json_t *ids = json_array(), *entry, *id;
    size_t i;
    json_array_foreach((json_t *)wanted, i, entry)
    {
        json_array_append_new(ids, identity(json_object_get(entry, "object")));
    }
    json_array_foreach((json_t *)recorded_list(s), i, id)
    {
        if (!is_wanted(wanted, id))
            json_array_append(ids, id);
    }
    return ids;
}

static int32_t remove_unwanted(struct step *s, const char *owner, const json_t *wanted, ist_error *err)
{
    const json_t *recorded = recorded_list(s);
    int32_t rc = IST_OK;
    for (size_t i = json_array_size(recorded); i-- > 0 && rc == IST_OK;)
        if (!is_wanted(wanted, json_array_get(recorded, i)))
            rc = delete_object(s, owner, json_array_get(recorded, i), err);
    return rc;
}

static int32_t wait_all(struct step *s, const json_t *wanted, ist_error *err)
{
    json_t *entry;
    size_t i;
    int32_t rc = IST_OK;
    json_array_foreach((json_t *)wanted, i, entry)
    {
        if (rc == IST_OK)
            rc = ist_kube_rollout(s->kube, json_object_get(entry, "object"), err);
    }
    return rc;
}

// With the name of the cluster, by which `destroy --forget` lets go of what is in it.
static json_t *record_data(const struct step *s, json_t *ids)
{
    return json_pack("{s:s, s:O}", "cluster", ist_json_str_or(s->inputs, "name", ""), "objects", ids);
}

int32_t objects_apply(struct step *s, const json_t *wanted, ist_error *err)
{
    json_t *ids = all_identities(s, wanted), *entry;
    size_t i;
    char token[65], *owner = NULL;
    int32_t rc = IST_OK;
    if (json_array_size(ids) == 0)
        goto out;
    owner = ist_kube_owner(&s->env);
    // Names are ours to choose: one intent for all, and the mark finds them again.
    rc = ist_intent(&s->env, RESOURCE_MANIFESTS, record_data(s, ids), token, err);
    json_array_foreach((json_t *)wanted, i, entry)
    {
        if (rc == IST_OK)
            rc = apply_object(s, owner, json_object_get(entry, "object"), err);
    }
    if (rc == IST_OK)
        rc = remove_unwanted(s, owner, wanted, err);
    if (rc == IST_OK) {
        json_decref(ids);
        ids = json_array();
        json_array_foreach((json_t *)wanted, i, entry)
        {
            json_array_append_new(ids, identity(json_object_get(entry, "object")));
        }
        rc = ist_outcome(&s->env, RESOURCE_MANIFESTS, json_array_size(ids) > 0 ? record_data(s, ids) : NULL,
                         err);
    }
    if (rc == IST_OK)
        rc = wait_all(s, wanted, err);
out:
    ist_free(owner);
    json_decref(ids);
    return rc;
}

int32_t objects_destroy(struct step *s, ist_error *err)
{
    if (step_record(s, RESOURCE_MANIFESTS) == NULL)
        return IST_OK;
    char *owner = ist_kube_owner(&s->env);
    int32_t rc = remove_unwanted(s, owner, NULL, err);
    if (rc == IST_OK)
        rc = ist_outcome(&s->env, RESOURCE_MANIFESTS, NULL, err);
    ist_free(owner);
    return rc;
}

// ---- verify ----

int32_t objects_verify(struct step *s, const json_t *wanted, ist_error *err)
{
    json_t *entry;
    size_t i;
    json_array_foreach((json_t *)wanted, i, entry)
    {
        const json_t *object = json_object_get(entry, "object");
        char *title = title_of(object), *text = NULL;
        int ready = 0;
        ist_error failed = {0};
        const int32_t rc = ist_kube_rollout_look(s->kube, object, &ready, &text, &failed);
        if (rc == IST_OK || rc == IST_ERR_NOT_FOUND || rc == IST_ERR_REMOTE)
            ist_check(&s->env, title, rc == IST_OK && ready ? IST_PASS : IST_FAIL, "%s",
                      rc != IST_OK   ? failed.text
                      : ready        ? "in place"
                      : text != NULL ? text
                                     : "not ready");
        ist_free(text);
        ist_free(title);
        if (rc != IST_OK && rc != IST_ERR_NOT_FOUND && rc != IST_ERR_REMOTE) {
            if (err != NULL)
                *err = failed;
            return rc;
        }
    }
    return IST_OK;
}
