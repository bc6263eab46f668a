// What people put by hand into the lists of an object that a manifest keeps. Server-side apply merges such lists by the
// keys of their entries and leaves standing what another manager put there, or refuses because of it (a port whose
// number somebody changed is another entry, of the same name). What kubectl put there is taken away; what controllers
// and injectors did is theirs.
// Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy (managedFields, FieldsV1)
#include "internal.h"

#include <isthmus/kube_manifest.h>

#include <string.h>

#define MENDER     "isthmus-mend" // not our applies' manager: what it set is let go of by the next mending
#define MEND_TRIES 5

enum who { BY_HAND, OURS, OTHERS };

static enum who who_of(const json_t *entry)
{
    const char *manager = ist_json_str_or(entry, "manager", "");
    if (ist_json_str(entry, "subresource")) // kubectl scale
        return OTHERS;
    if (strcmp(manager, "kubectl") == 0 || strncmp(manager, "kubectl-", 8) == 0 ||
        strcmp(manager, MENDER) == 0)
        return BY_HAND;
    return strcmp(manager, "isthmus") == 0 && strcmp(ist_json_str_or(entry, "operation", ""), "Apply") == 0
               ? OURS
               : OTHERS;
}

// ---- who has what ----

// Everybody's fields at one place of an object: array of {who, fields}, the fields as FieldsV1 has them.
static json_t *owners_of(const json_t *live)
{
    json_t *owners = json_array();
    size_t i;
    const json_t *entry;
    json_array_foreach(ist_json_at(live, "metadata.managedFields"), i, entry) json_array_append_new(
        owners, json_pack("{s:i, s:O*}", "who", who_of(entry), "fields", json_object_get(entry, "fieldsV1")));
    return owners;
}

// The same one step further down: "f:ports", "k:{...}". New reference.
static json_t *below(const json_t *owners, const char *step)
{
    json_t *deeper = json_array();
    size_t i;
    const json_t *owner;
    json_array_foreach(owners, i, owner)
    {
        json_t *fields = json_object_get(json_object_get(owner, "fields"), step);
        if (fields)
            json_array_append_new(
                deeper, json_pack("{s:O, s:O}", "who", json_object_get(owner, "who"), "fields", fields));
    }
    return deeper;
}

static json_t *below_field(const json_t *owners, const char *name)
{
    char *step = ist_printf("f:%s", name);
    json_t *deeper = below(owners, step);
    ist_free(step);
    return deeper;
}

// The keys of a list's entries that anybody has: {"k:{...}": {port: 80, protocol: "TCP"}}; empty for a list that is
// one value, or a set. New reference.
static json_t *keys_of(const json_t *owners)
{
    json_t *keys = json_object();
    size_t i;
    const json_t *owner;
    const char *step;
    json_t *fields;
    json_array_foreach(owners, i, owner) json_object_foreach(json_object_get(owner, "fields"), step, fields)
    {
        json_t *key = strncmp(step, "k:", 2) == 0 ? json_loads(step + 2, 0, NULL) : NULL;
        if (json_is_object(key))
            json_object_set(keys, step, key);
        json_decref(key);
    }
    return keys;
}

// Has this entry of a list the key? What a manifest leaves to the server's defaults fits any.
static int has_key(const json_t *entry, const json_t *key, int from_manifest)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)key, name, value)
    {
        const json_t *own = json_object_get(entry, name);
        if (!(own ? json_equal(own, value) : from_manifest))
            return 0;
    }
    return json_is_object(entry);
}

static const json_t *with_key(const json_t *list, const json_t *key, int from_manifest)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i, entry)
    {
        if (key && has_key(entry, key, from_manifest))
            return entry;
    }
    return NULL;
}

// Did a person put the entry there, and does nobody but us have it as well?
static int is_by_hand(const json_t *owners)
{
    size_t i;
    const json_t *owner;
    int hand = 0;
    json_array_foreach(owners, i, owner)
    {
        json_int_t who = ist_json_int(owner, "who", OTHERS);
        const json_t *fields = json_object_get(owner, "fields");
        if (who == OTHERS)
            return 0;
        hand |= who == BY_HAND && (json_object_get(fields, ".") || !json_object_size(fields));
    }
    return hand;
}

// ---- what it should be ----

// wanted: the manifest's part at this place, NULL where it says nothing. `whole`: all that it says is set;
// else only the lists that lose an entry get those that they lack.
struct place {
    const json_t *wanted, *live, *owners;
    int whole, in_list;
};

static json_t *mended(const struct place *place);

// A Service's port keeps the number that it has on the nodes: nobody would be served better by another.
static json_t *with_node_port(const json_t *wanted, const json_t *strays)
{
    json_t *entry = json_deep_copy(wanted);
    size_t i;
    const json_t *stray;
    json_array_foreach(strays, i, stray)
    {
        json_t *number = json_object_get(stray, "nodePort");
        if (number && !json_object_get(entry, "nodePort") &&
            strcmp(ist_json_str_or(stray, "name", ""), ist_json_str_or(entry, "name", "")) == 0)
            json_object_set(entry, "nodePort", number);
    }
    return entry;
}

static void add_missing(const struct place *place, const json_t *keys, const json_t *strays, json_t *list)
{
    size_t i;
    const json_t *wanted;
    const char *step;
    json_t *key;
    json_array_foreach(place->wanted, i, wanted)
    {
        int there = 0;
        json_object_foreach((json_t *)(uintptr_t)keys, step, key) there |=
            has_key(wanted, key, 1) && with_key(place->live, key, 0) != NULL;
        if (!there)
            json_array_insert_new(list, i < json_array_size(list) ? i : json_array_size(list),
                                  with_node_port(wanted, strays));
    }
}

static json_t *mended_list(const struct place *place)
{
    json_t *keys = keys_of(place->owners), *list = json_array(), *strays = json_array(), *key;
    size_t i;
    const json_t *live;
    const char *step;
    if (!json_object_size(keys)) {
        json_decref(list);
        list = json_deep_copy(place->whole && place->wanted ? place->wanted : place->live);
        goto out;
    }
    json_array_foreach(place->live, i, live)
    {
        const json_t *wanted = NULL;
        json_t *owners = NULL;
        json_object_foreach(keys, step, key)
        {
            if (owners || !has_key(live, key, 0))
                continue;
            owners = below(place->owners, step);
            wanted = with_key(place->wanted, key, 1);
        }
        if (!wanted && is_by_hand(owners))
            json_array_append(strays, (json_t *)(uintptr_t)live);
        else
            json_array_append_new(list, mended(&(struct place){wanted, live, owners, place->whole, 1}));
        json_decref(owners);
    }
    if (place->whole || json_array_size(strays))
        add_missing(place, keys, strays, list);
out:
    json_decref(strays);
    json_decref(keys);
    return list;
}

static json_t *mended_map(const struct place *place)
{
    json_t *map = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)place->live, name, value)
    {
        const json_t *wanted = json_object_get(place->wanted, name);
        // Of what the manifest does not speak only a list in an entry of a list is looked at: a container's variables.
        if (!wanted && !(place->in_list && place->wanted && json_is_array(value))) {
            json_object_set_new(map, name, json_deep_copy(value));
            continue;
        }
        json_t *owners = below_field(place->owners, name);
        json_t *then = mended(&(struct place){wanted, value, owners, place->whole, place->in_list});
        if (wanted || json_array_size(then) || !json_array_size(value))
            json_object_set(map, name, then);
        json_decref(then);
        json_decref(owners);
    }
    json_object_foreach((json_t *)(uintptr_t)(place->whole ? place->wanted : NULL), name, value)
    {
        if (!json_object_get(place->live, name))
            json_object_set_new(map, name, json_deep_copy(value));
    }
    return map;
}

static json_t *mended(const struct place *place)
{
    if (json_is_object(place->live) && (!place->wanted || json_is_object(place->wanted)))
        return mended_map(place);
    if (json_is_array(place->live) && (!place->wanted || json_is_array(place->wanted)))
        return mended_list(place);
    return json_deep_copy(place->whole && place->wanted ? place->wanted : place->live);
}

// NULL when nobody put anything into its lists.
static json_t *mended_object(const json_t *wanted, const json_t *live, int whole)
{
    json_t *owners = owners_of(live), *then = mended(&(struct place){wanted, live, owners, 0, 0});
    if (json_equal(then, live)) {
        json_decref(then);
        then = NULL;
    } else if (whole) {
        json_decref(then);
        then = mended(&(struct place){wanted, live, owners, 1, 0});
    }
    json_decref(owners);
    return then;
}

json_t *ist_manifest_by_hand(const json_t *wanted, const json_t *live)
{
    return mended_object(wanted, live, 0);
}

// ---- in a cluster ----

// A merge patch, which replaces lists: of this very object, as it was read, else 409.
static int32_t send(ist_kube *kube, const json_t *then, int dry, json_t **answer, ist_error *err)
{
    char *path = NULL;
    int32_t rc =
        kube_path(kube, ist_json_str(then, "apiVersion"), ist_json_str(then, "kind"),
                  ist_json_str(then, "metadata.namespace"), ist_json_str(then, "metadata.name"), &path, err);
    if (rc != IST_OK)
        return rc;
    json_t *patch = json_copy((json_t *)(uintptr_t)then);
    json_t *metadata = json_copy(json_object_get(then, "metadata"));
    json_object_del(metadata, "managedFields");
    if (dry) // a controller counts on meanwhile
        json_object_del(metadata, "resourceVersion");
    json_object_set_new(patch, "metadata", metadata);
    json_object_del(patch, "status");
    char *full = ist_printf("%s?fieldManager=" MENDER "%s", path, dry ? "&dryRun=All" : "");
    struct kube_request request = {.method = "PATCH",
                                   .path = full,
                                   .body = patch,
                                   .content_type = "application/merge-patch+json",
                                   .read = dry,
                                   .idempotent = 1};
    rc = kube_call(kube, &request, answer, err);
    ist_free(full);
    json_decref(patch);
    ist_free(path);
    return rc;
}

int32_t ist_manifest_dry(ist_kube *kube, const json_t *wanted, const json_t *live, json_t **fields,
                         int *by_hand, ist_error *err)
{
    json_t *after = NULL, *then = NULL;
    ist_error fault = {0};
    int32_t rc = ist_kube_apply_dry(kube, wanted, &after, &fault);
    *by_hand = 0;
    if (rc == IST_OK) {
        then = mended_object(wanted, after, 0);
        *by_hand = then != NULL;
        *fields = ist_manifest_compare(live, then ? then : after);
    } else if (rc == IST_ERR_REMOTE && (then = mended_object(wanted, live, 1)) != NULL &&
               send(kube, then, 1, &after, NULL) == IST_OK) { // refused because of what somebody put there
        rc = IST_OK;
        *by_hand = 1;
        *fields = ist_manifest_compare(live, after);
    } else if (err) {
        *err = fault;
    }
    json_decref(then);
    json_decref(after);
    return rc;
}

int32_t ist_manifest_mend(ist_kube *kube, const json_t *wanted, ist_error *err)
{
    int32_t rc = IST_ERR_CONFLICT;
    for (int i = 0; i < MEND_TRIES && rc == IST_ERR_CONFLICT; i++) {
        json_t *live = NULL, *then = NULL;
        rc = ist_kube_get(kube, ist_json_str(wanted, "apiVersion"), ist_json_str(wanted, "kind"),
                          ist_json_str(wanted, "metadata.namespace"), ist_json_str(wanted, "metadata.name"),
                          &live, err);
        if (rc == IST_OK)
            then = mended_object(wanted, live, 0);
        if (then)
            rc = send(kube, then, 0, NULL, err);
        if (rc == IST_ERR_CONFLICT && ist_sleep_ms(&kube->env, 20 << i) != IST_OK)
            i = MEND_TRIES;
        json_decref(then);
        json_decref(live);
    }
    return rc;
}
