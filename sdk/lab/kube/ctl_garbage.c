// Garbage collection by ownerReferences: background, foreground, orphan. Keys: "resource\nnamespace/name" of an
// object to look at, "uid" of an owner that went.
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

static const char me[] = "garbage";

// notes.uids: {uid: place}; notes.dependents: {uid of an owner: {place: true}}. A place is "resource\nkey".
static json_t *index_of(struct lab_cluster *cluster, const char *name)
{
    json_t *index = json_object_get(cluster->notes, name);
    if (!index) {
        index = json_object();
        json_object_set_new(cluster->notes, name, index);
    }
    return index;
}

static const json_t *at_place(struct lab_cluster *cluster, const char *place, struct kube_resource **resource)
{
    const char *newline = strchr(place, '\n');
    char *id = lab_format("%.*s", (int)(newline - place), place);
    *resource = kube_resource_by_id(cluster, id);
    free(id);
    return *resource ? kube_find(*resource, newline + 1) : NULL;
}

static bool has_finalizer(const json_t *object, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(kube_path(object, "metadata.finalizers"), i,
                       item) if (strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    char *id = kube_resource_id(event->resource), *place = lab_format("%s\n%s", id, event->key);
    const char *uid = kube_text(event->object, "metadata.uid");
    const json_t *owners = kube_path(event->object, "metadata.ownerReferences"), *owner;
    json_t *uids = index_of(cluster, "uids"), *dependents = index_of(cluster, "dependents");
    size_t i;
    json_array_foreach(owners, i, owner)
    {
        const char *owner_uid = kube_text(owner, "uid");
        json_t *set = json_object_get(dependents, owner_uid);
        if (!set) {
            set = json_object();
            json_object_set_new(dependents, owner_uid, set);
        }
        if (event->deleted)
            json_object_del(set, place);
        else
            json_object_set_new(set, place, json_true());
    }
    if (event->deleted) {
        json_object_del(uids, uid);
        if (json_object_size(json_object_get(dependents, uid)))
            kube_queue(cluster, me, uid);
        else
            json_object_del(dependents, uid);
    } else {
        json_object_set_new(uids, uid, json_string(place));
        if (json_array_size(owners) ||
            (kube_going(event->object) &&
             (has_finalizer(event->object, "orphan") || has_finalizer(event->object, "foregroundDeletion"))))
            kube_queue(cluster, me, place);
    }
    free(id);
    free(place);
}

static void remove_at(struct lab_cluster *cluster, struct kube_resource *resource, const json_t *object,
                      const char *policy)
{
    json_t *kept = json_incref((json_t *)object), *error = NULL;
    json_t *options = json_pack("{ss s{ss}}", "propagationPolicy", policy, "preconditions", "uid",
                                kube_text(object, "metadata.uid"));
    bool at_once;
    struct kube_call call = {
        .cluster = cluster, .resource = resource, .ns = kube_ns(kept), .name = kube_name(kept), .sub = ""};
    if (!kube_going(object))
        json_decref(kube_remove(&call, options, &at_once, &error));
    json_decref(error);
    json_decref(options);
    json_decref(kept);
}

static void put(struct lab_cluster *cluster, struct kube_resource *resource, json_t *object)
{
    json_t *kept = json_incref(object), *error = NULL;
    struct kube_call call = {.cluster = cluster,
                             .resource = resource,
                             .ns = kube_ns(kept),
                             .name = kube_name(kept),
                             .sub = "",
                             .manager = "kube-controller-manager"};
    json_decref(kube_replace(&call, object, &error));
    json_decref(error);
    json_decref(kept);
}

static void drop_finalizer(struct lab_cluster *cluster, struct kube_resource *resource, const json_t *object,
                           const char *name)
{
    json_t *copy = json_deep_copy(object), *list = (json_t *)kube_path(copy, "metadata.finalizers"), *item;
    size_t i;
    json_array_foreach(list, i, item) if (strcmp(json_string_value(item), name) == 0)
        json_array_remove(list, i--);
    put(cluster, resource, copy);
}

// The object without the references whose uid is `uid`.
static void disown(struct lab_cluster *cluster, struct kube_resource *resource, const json_t *object,
                   const char *uid)
{
    json_t *copy = json_deep_copy(object), *list = (json_t *)kube_path(copy, "metadata.ownerReferences"),
           *owner;
    size_t i;
    json_array_foreach(list, i, owner) if (strcmp(kube_text(owner, "uid"), uid) == 0)
        json_array_remove(list, i--);
    if (!json_array_size(list))
        kube_unset(copy, "metadata.ownerReferences");
    put(cluster, resource, copy);
}

// An object whose owners are all gone goes too; one that has others left forgets the dead.
static void look_at(struct lab_cluster *cluster, struct kube_resource *resource, const json_t *object)
{
    const json_t *owners = kube_path(object, "metadata.ownerReferences"), *owner,
                 *uids = index_of(cluster, "uids");
    const char *dead = NULL;
    size_t i, alive = 0;
    json_array_foreach(owners, i, owner)
    {
        if (json_object_get(uids, kube_text(owner, "uid")))
            alive++;
        else
            dead = kube_text(owner, "uid");
    }
    if (dead && !alive)
        remove_at(cluster, resource, object, "Background");
    else if (dead)
        disown(cluster, resource, object, dead);
}

static void finalizers(struct lab_cluster *cluster, struct kube_resource *resource, const json_t *object,
                       const char *place)
{
    const char *uid = kube_text(object, "metadata.uid"), *dependent;
    json_t *set = json_copy(json_object_get(index_of(cluster, "dependents"), uid)), *value;
    bool orphan = has_finalizer(object, "orphan");
    size_t left = 0;
    json_t *kept = json_incref((json_t *)object);
    json_object_foreach(set, dependent, value)
    {
        struct kube_resource *r;
        const json_t *other = at_place(cluster, dependent, &r);
        if (!other)
            continue;
        if (orphan) {
            disown(cluster, r, other, uid);
        } else {
            remove_at(cluster, r, other, "Foreground");
            left += at_place(cluster, dependent, &r) != NULL;
        }
    }
    json_decref(set);
    if (left)
        kube_queue_after(cluster, 50, me, place);
    else
        drop_finalizer(cluster, resource, kept, orphan ? "orphan" : "foregroundDeletion");
    json_decref(kept);
}

static void sync(struct lab_cluster *cluster, const char *key)
{
    struct kube_resource *resource;
    if (!strchr(key, '\n')) {
        const char *place;
        json_t *value, *dependents = index_of(cluster, "dependents"),
                       *set = json_copy(json_object_get(dependents, key));
        json_object_foreach(set, place, value)
        {
            const json_t *object = at_place(cluster, place, &resource);
            if (object)
                look_at(cluster, resource, object);
        }
        json_decref(set);
        return;
    }
    const json_t *object = at_place(cluster, key, &resource);
    if (object && kube_going(object) &&
        (has_finalizer(object, "orphan") || has_finalizer(object, "foregroundDeletion")))
        finalizers(cluster, resource, object, key);
    else if (object && !kube_going(object))
        look_at(cluster, resource, object);
}

const struct kube_controller kube_garbage = {me, note, sync};
