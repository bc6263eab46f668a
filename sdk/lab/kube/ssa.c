#include "ssa.h"

#include "cluster.h"
#include "schema.h"

#include <stdlib.h>
#include <string.h>

// ---- walking values ----

// The element that names an item of a list: by keys, or by value. Malloc'd; NULL when it has no identity.
static char *item_element(const struct kube_field *field, const json_t *item)
{
    json_t *keys = field->merge == KUBE_SET ? json_incref((json_t *)item) : kube_item_keys(field, item);
    char *text = keys ? json_dumps(keys, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    char *element = text ? lab_format("%c:%s", field->merge == KUBE_SET ? 'v' : 'k', text) : NULL;
    free(text);
    json_decref(keys);
    return element;
}

static json_t *item_named(const struct kube_field *field, const json_t *list, const char *element,
                          size_t *index)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        char *name = item_element(field, item);
        bool same = name && strcmp(name, element) == 0;
        free(name);
        if (same) {
            if (index)
                *index = i;
            return item;
        }
    }
    return NULL;
}

// Items that are one value though their list is merged: OwnerReference is an atomic struct.
static bool whole_items(const struct kube_field *schema)
{
    return schema->merge == KUBE_SET || strcmp(schema->path, "metadata.ownerReferences") == 0;
}

struct walk {
    const char *kind;
    json_t *set;
    bool inner; // name maps and lists themselves too ("."), as an update's record does
};

// Structs that are always written out are never "added"; everything else that appears is.
static bool is_struct(const char *field)
{
    static const char *const always[] = {"",
                                         "metadata",
                                         "spec",
                                         "status",
                                         "spec.template",
                                         "spec.template.metadata",
                                         "spec.template.spec",
                                         "spec.strategy",
                                         "spec.updateStrategy",
                                         "status.loadBalancer"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (strcmp(field, always[i]) == 0)
            return true;
    return false;
}

static void all_fields(const struct walk *w, const char *field, const char *path, const json_t *value);

static void all_items(const struct walk *w, const struct kube_field *schema, const char *field,
                      const char *path, const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        char *element = item_element(schema, item);
        if (!element)
            continue;
        char *deeper = kube_fields_join(path, element);
        kube_fields_add(w->set, deeper);
        if (!whole_items(schema))
            all_fields(w, field, deeper, item);
        free(deeper);
        free(element);
    }
}

// Adds all leaves of a value (and its inner nodes, if asked for).
static void all_fields(const struct walk *w, const char *field, const char *path, const json_t *value)
{
    const struct kube_field *schema = kube_schema(w->kind, field);
    enum kube_merge merge = kube_merge_of(schema, value);
    const char *name;
    json_t *child;
    if (merge == KUBE_ATOMIC ||
        (json_is_object(value) ? !json_object_size(value) : !json_array_size(value))) {
        kube_fields_add(w->set, path);
        return;
    }
    if (w->inner && !is_struct(field))
        kube_fields_add(w->set, path);
    if (merge != KUBE_GRANULAR) {
        all_items(w, schema, field, path, value);
        return;
    }
    json_object_foreach((json_t *)value, name, child)
    {
        char *deeper_field = kube_field_join(field, name), *element = lab_format("f:%s", name);
        char *deeper = kube_fields_join(path, element);
        all_fields(w, deeper_field, deeper, child);
        free(deeper);
        free(element);
        free(deeper_field);
    }
}

// ---- comparing ----

struct difference {
    const char *kind;
    json_t *added, *modified, *removed;
};

static void compare(const struct difference *d, const char *field, const char *path, const json_t *a,
                    const json_t *b);

static void compare_items(const struct difference *d, const struct kube_field *schema, const char *field,
                          const char *path, const json_t *a, const json_t *b)
{
    const struct walk added = {d->kind, d->added, true}, removed = {d->kind, d->removed, true};
    size_t i;
    const json_t *item;
    json_array_foreach(b, i, item)
    {
        char *element = item_element(schema, item);
        const json_t *old = element ? item_named(schema, a, element, NULL) : NULL;
        char *deeper = kube_fields_join(path, element ? element : "");
        if (!old) {
            kube_fields_add(d->added, deeper);
            if (!whole_items(schema))
                all_fields(&added, field, deeper, item);
        } else if (!whole_items(schema)) {
            compare(d, field, deeper, old, item);
        } else if (!json_equal(old, item)) {
            kube_fields_add(d->modified, deeper);
        }
        free(deeper);
        free(element);
    }
    json_array_foreach(a, i, item)
    {
        char *element = item_element(schema, item);
        if (element && !item_named(schema, b, element, NULL)) {
            char *deeper = kube_fields_join(path, element);
            kube_fields_add(d->removed, deeper);
            if (!whole_items(schema))
                all_fields(&removed, field, deeper, item);
            free(deeper);
        }
        free(element);
    }
}

// What leads from a to b. NULL: not there.
static void compare(const struct difference *d, const char *field, const char *path, const json_t *a,
                    const json_t *b)
{
    const struct walk added = {d->kind, d->added, true}, removed = {d->kind, d->removed, true};
    const struct kube_field *schema = kube_schema(d->kind, field);
    const char *name;
    json_t *child;
    if (!a || !b) {
        all_fields(a ? &removed : &added, field, path, a ? a : b);
        return;
    }
    if (json_equal(a, b))
        return;
    enum kube_merge merge = kube_merge_of(schema, b);
    if (merge == KUBE_ATOMIC || merge != kube_merge_of(schema, a)) {
        kube_fields_add(d->modified, path);
        return;
    }
    if (merge != KUBE_GRANULAR) {
        compare_items(d, schema, field, path, a, b);
        return;
    }
    json_t *names = json_copy((json_t *)a);
    json_object_update_missing(names, (json_t *)b);
    json_object_foreach(names, name, child)
    {
        char *deeper_field = kube_field_join(field, name), *element = lab_format("f:%s", name);
        char *deeper = kube_fields_join(path, element);
        compare(d, deeper_field, deeper, json_object_get(a, name), json_object_get(b, name));
        free(deeper);
        free(element);
        free(deeper_field);
    }
    json_decref(names);
}

// ---- merging and pruning ----

static json_t *merge_value(const char *kind, const char *field, const json_t *live, const json_t *applied);

static json_t *merge_items(const char *kind, const struct kube_field *schema, const char *field,
                           const json_t *live, const json_t *applied)
{
    json_t *result = json_copy((json_t *)live);
    size_t i, at;
    json_t *item;
    json_array_foreach(applied, i, item)
    {
        char *element = item_element(schema, item);
        json_t *old = element ? item_named(schema, result, element, &at) : NULL;
        if (!old)
            json_array_append_new(result, json_deep_copy(item));
        else if (whole_items(schema))
            json_array_set_new(result, at, json_deep_copy(item));
        else
            json_array_set_new(result, at, merge_value(kind, field, old, item));
        free(element);
    }
    return result;
}

static json_t *merge_value(const char *kind, const char *field, const json_t *live, const json_t *applied)
{
    const struct kube_field *schema = kube_schema(kind, field);
    enum kube_merge merge = kube_merge_of(schema, applied);
    const char *name;
    json_t *child;
    if (!live || merge == KUBE_ATOMIC || merge != kube_merge_of(schema, live))
        return json_deep_copy(applied);
    if (merge != KUBE_GRANULAR)
        return merge_items(kind, schema, field, live, applied);
    json_t *result = json_copy((json_t *)live);
    json_object_foreach((json_t *)applied, name, child)
    {
        char *deeper = kube_field_join(field, name);
        json_object_set_new(result, name, merge_value(kind, deeper, json_object_get(live, name), child));
        free(deeper);
    }
    return result;
}

// Removes what `path` names. Children are copied on the way: `value` shares with the live object.
static void remove_path(const char *kind, json_t *value, const char *field, const char *path)
{
    size_t len = strcspn(path, "\n"), at = 0;
    bool last = !path[len];
    char *element = lab_format("%.*s", (int)len, path);
    const struct kube_field *schema = kube_schema(kind, field);
    if (json_is_object(value) && strncmp(element, "f:", 2) == 0) {
        json_t *child = json_object_get(value, element + 2);
        char *deeper = kube_field_join(field, element + 2);
        if (last) {
            json_object_del(value, element + 2);
        } else if (child) {
            child = json_copy(child);
            remove_path(kind, child, deeper, path + len + 1);
            bool empty = json_is_object(child) ? !json_object_size(child) : !json_array_size(child);
            if (empty && !is_struct(deeper))
                json_object_del(value, element + 2);
            else
                json_object_set(value, element + 2, child);
            json_decref(child);
        }
        free(deeper);
    } else if (json_is_array(value) && schema && item_named(schema, value, element, &at)) {
        if (last) {
            json_array_remove(value, at);
        } else {
            json_t *child = json_copy(json_array_get(value, at));
            remove_path(kind, child, field, path + len + 1);
            json_array_set_new(value, at, child);
        }
    }
    free(element);
}

void kube_fields_remove(const char *kind, json_t *object, const char *path)
{
    remove_path(kind, object, "", path);
}

// Does any manager, the writer by what he sent now, own what `path` names or something in it?
static bool somebody_owns_below(const json_t *managers, const char *path)
{
    size_t i, len = strlen(path);
    const json_t *manager;
    json_array_foreach(managers, i, manager)
    {
        const char *owned;
        json_t *value;
        json_object_foreach(json_object_get(manager, "set"), owned,
                            value) if (strncmp(owned, path, len) == 0 &&
                                       (!owned[len] || owned[len] == '\n')) return true;
    }
    return false;
}

// ---- managers: [{entry: {...}, set: {...}}] ----

static bool same_identity(const json_t *entry, const char *manager, const char *operation,
                          const char *api_version, const char *subresource)
{
    return strcmp(kube_text(entry, "manager"), manager) == 0 &&
           strcmp(kube_text(entry, "operation"), operation) == 0 &&
           strcmp(kube_text(entry, "subresource"), subresource) == 0 &&
           (!api_version || strcmp(kube_text(entry, "apiVersion"), api_version) == 0);
}

static json_t *managers_of(const json_t *object)
{
    json_t *managers = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach(kube_path(object, "metadata.managedFields"), i,
                       entry) if (json_object_get(entry, "manager"))
    {
        json_t *bare = json_copy(entry);
        json_object_del(bare, "fieldsV1");
        json_array_append_new(managers, json_pack("{so so}", "entry", bare, "set",
                                                  kube_fields_of_v1(json_object_get(entry, "fieldsV1"))));
    }
    return managers;
}

// The writer's own entry, made when there is none.
static json_t *own_manager(json_t *managers, const struct kube_writer *w, const char *operation)
{
    bool apply = strcmp(operation, "Apply") == 0; // an applier keeps its entry when the version changes
    size_t i;
    json_t *manager;
    json_array_foreach(managers, i, manager) if (same_identity(json_object_get(manager, "entry"), w->manager,
                                                               operation, apply ? NULL : w->api_version,
                                                               w->subresource)) return manager;
    json_t *entry = json_pack("{ss ss ss ss}", "manager", w->manager, "operation", operation, "apiVersion",
                              w->api_version, "fieldsType", "FieldsV1");
    if (*w->subresource)
        json_object_set_new(entry, "subresource", json_string(w->subresource));
    manager = json_pack("{so so}", "entry", entry, "set", json_object());
    json_array_append_new(managers, manager);
    return manager;
}

// The order in which they are listed: who applies first, then by time, then by name.
static int by_order(const void *a, const void *b)
{
    static const char *const keys[] = {"operation", "time", "manager", "apiVersion", "subresource"};
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int order = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !order; i++)
        order = strcmp(kube_text(x, keys[i]), kube_text(y, keys[i]));
    return order;
}

static void write_managers(json_t *object, const json_t *managers)
{
    json_t **entries = lab_calloc(json_array_size(managers), sizeof(json_t *)), *list = json_array();
    size_t i, n = 0;
    const json_t *manager;
    json_array_foreach(managers, i, manager)
    {
        const json_t *set = json_object_get(manager, "set");
        if (!json_object_size(set))
            continue;
        entries[n] = json_copy(json_object_get(manager, "entry"));
        json_object_set_new(entries[n++], "fieldsV1", kube_fields_to_v1(set));
    }
    if (n)
        qsort(entries, n, sizeof *entries, by_order);
    for (i = 0; i < n; i++)
        json_array_append_new(list, entries[i]);
    free(entries);
    json_t *metadata = json_copy(json_object_get(object, "metadata"));
    if (!metadata)
        metadata = json_object();
    if (n)
        json_object_set(metadata, "managedFields", list);
    else
        json_object_del(metadata, "managedFields");
    json_object_set_new(object, "metadata", metadata);
    json_decref(list);
}

static void set_time(json_t *manager)
{
    char *now = kube_now();
    json_object_set_new(json_object_get(manager, "entry"), "time", json_string(now));
    free(now);
}

static void set_remove(json_t *set, const json_t *others)
{
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)others, path, value) json_object_del(set, path);
}

// Server-set and naming fields belong to nobody.
static json_t *without_server_fields(const json_t *object)
{
    static const char *const fields[] = {
        "name",         "namespace",         "creationTimestamp",         "selfLink",
        "uid",          "generation",        "resourceVersion",           "managedFields",
        "generateName", "deletionTimestamp", "deletionGracePeriodSeconds"};
    json_t *bare = json_copy((json_t *)object), *metadata = json_copy(json_object_get(object, "metadata"));
    json_object_del(bare, "apiVersion");
    json_object_del(bare, "kind");
    for (size_t i = 0; metadata && i < sizeof fields / sizeof *fields; i++)
        json_object_del(metadata, fields[i]);
    if (json_object_size(metadata))
        json_object_set(bare, "metadata", metadata);
    else
        json_object_del(bare, "metadata");
    json_decref(metadata);
    return bare;
}

bool kube_same_but_managers(const json_t *a, const json_t *b)
{
    json_t *copies[2] = {json_copy((json_t *)a), json_copy((json_t *)b)};
    for (int i = 0; i < 2; i++) {
        json_t *metadata = json_copy(json_object_get(copies[i], "metadata"));
        json_object_del(metadata, "managedFields");
        json_object_del(metadata, "resourceVersion");
        json_object_set_new(copies[i], "metadata", metadata);
    }
    bool same = json_equal(copies[0], copies[1]);
    json_decref(copies[0]);
    json_decref(copies[1]);
    return same;
}

static struct difference difference_of(const char *kind, const json_t *a, const json_t *b)
{
    struct difference d = {kind, json_object(), json_object(), json_object()};
    json_t *from = without_server_fields(a), *to = without_server_fields(b);
    compare(&d, "", "", from, to);
    json_decref(from);
    json_decref(to);
    return d;
}

static size_t difference_size(const struct difference *d)
{
    return json_object_size(d->added) + json_object_size(d->modified) + json_object_size(d->removed);
}

static void difference_free(struct difference *d)
{
    json_decref(d->added);
    json_decref(d->modified);
    json_decref(d->removed);
}

// Takes changed fields from all other managers; with `conflicts`, lists them there instead of what was
// modified.
static void settle(json_t *managers, const json_t *mine, const struct difference *d, json_t *conflicts)
{
    size_t i;
    json_t *manager;
    json_array_foreach(managers, i, manager)
    {
        json_t *set = json_object_get(manager, "set"), *value;
        const char *path;
        if (manager == mine)
            continue;
        json_object_foreach(set, path, value)
        {
            if (conflicts && (json_object_get(d->added, path) || json_object_get(d->modified, path))) {
                json_t *conflict = json_copy(json_object_get(manager, "entry"));
                json_object_set_new(conflict, "field", json_string(path));
                json_array_append_new(conflicts, conflict);
            }
        }
        if (!conflicts) {
            set_remove(set, d->added);
            set_remove(set, d->modified);
            set_remove(set, d->removed);
        }
    }
}

// Removes what the writer applied last time, not now, and what nobody else owns.
static json_t *prune(const struct kube_writer *w, json_t *merged, const json_t *managers, const json_t *last)
{
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)last, path, value) if (!somebody_owns_below(managers, path))
        remove_path(w->kind, merged, "", path);
    return merged;
}

json_t *kube_apply(const struct kube_writer *w, const json_t *live, const json_t *applied, json_t **conflicts)
{
    json_t *managers = managers_of(live), *mine = own_manager(managers, w, "Apply");
    json_t *last = json_incref(json_object_get(mine, "set")), *set = json_object();
    json_t *bare = without_server_fields(applied), *list = json_array(), *result;
    const struct walk leaves = {w->kind, set, false};
    all_fields(&leaves, "", "", bare);
    json_object_set_new(mine, "set", set);
    json_object_set_new(json_object_get(mine, "entry"), "apiVersion", json_string(w->api_version));

    json_t *named = json_copy((json_t *)applied), *metadata = json_copy(json_object_get(applied, "metadata"));
    json_object_del(metadata, "managedFields");
    json_object_del(metadata, "resourceVersion");
    json_object_set_new(named, "metadata", metadata);
    result = prune(w, merge_value(w->kind, "", live, named), managers, last);
    json_decref(named);

    struct difference d = difference_of(w->kind, live, result);
    if (!w->force)
        settle(managers, mine, &d, list);
    if (json_array_size(list)) {
        *conflicts = json_incref(list);
        json_decref(result);
        result = NULL;
    } else {
        settle(managers, mine, &d, NULL);
        if (difference_size(&d)) // who only begins to share a field changes nothing, and gets no time
            set_time(mine);
        write_managers(result, managers);
    }
    difference_free(&d);
    json_decref(list);
    json_decref(bare);
    json_decref(last);
    json_decref(managers);
    return result;
}

void kube_record_update(const struct kube_writer *w, const json_t *live, json_t *object)
{
    const json_t *given = kube_path(object, "metadata.managedFields");
    json_t *managers = managers_of(json_is_array(given) ? object : live);
    struct difference d = difference_of(w->kind, live, object);
    const char *path;
    json_t *value;
    if (difference_size(&d)) {
        json_t *mine = own_manager(managers, w, "Update"), *set = json_object_get(mine, "set");
        json_t *before = json_copy(set);
        settle(managers, mine, &d, NULL);
        set_remove(set, d.removed);
        json_object_foreach(d.added, path, value) kube_fields_add(set, path);
        json_object_foreach(d.modified, path, value) kube_fields_add(set, path);
        if (!json_equal(before, set) || !kube_path(mine, "entry.time"))
            set_time(mine);
        json_decref(before);
    }
    write_managers(object, managers);
    difference_free(&d);
    json_decref(managers);
}
