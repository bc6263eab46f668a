// What a manifest would change: an object is compared with what a dry run of its apply answers, so that a field that the
// server fills in by itself never makes a difference.
#include <isthmus/alloc.h>
#include <isthmus/kube_manifest.h>

#include <string.h>

// What the server counts and stamps, and what kubectl leaves for itself.
static int is_stamped(const char *path)
{
    static const char *const stamped[] = {
        "status",
        "metadata.managedFields",
        "metadata.resourceVersion",
        "metadata.generation",
        "metadata.creationTimestamp",
        "metadata.uid",
        "metadata.selfLink",
        "metadata.annotations.'kubectl.kubernetes.io/last-applied-configuration'",
        "metadata.annotations.'deployment.kubernetes.io/revision'",
    };
    for (size_t i = 0; i < sizeof stamped / sizeof *stamped; i++)
        if (strcmp(path, stamped[i]) == 0)
            return 1;
    return 0;
}

static void compare(const char *path, const json_t *live, const json_t *after, json_t *fields);

static char *child_path(const char *path, const char *key)
{
    int plain = strpbrk(key, "./'") == NULL;
    return ist_printf("%s%s%s%s%s", path, *path ? "." : "", plain ? "" : "'", key, plain ? "" : "'");
}

static void compare_maps(const char *path, const json_t *live, const json_t *after, json_t *fields)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)live, key, value)
    {
        char *child = child_path(path, key);
        compare(child, value, json_object_get(after, key), fields);
        ist_free(child);
    }
    json_object_foreach((json_t *)(uintptr_t)after, key, value)
    {
        if (json_object_get(live, key))
            continue;
        char *child = child_path(path, key);
        compare(child, NULL, value, fields);
        ist_free(child);
    }
}

static void add_field(const char *path, const json_t *before, const json_t *after, json_t *fields)
{
    json_t *field = json_pack("{s:s, s:O*, s:O*}", "field", path, "before", before, "after", after);
    json_array_append_new(fields, field);
}

// Where a list only lost entries, or only got some, those are told and not the list. 0: it is not so.
static int compare_entries(const char *path, const json_t *live, const json_t *after, json_t *fields)
{
    int goes = json_array_size(live) > json_array_size(after);
    const json_t *longer = goes ? live : after, *shorter = goes ? after : live, *entry;
    json_t *found = json_array();
    size_t i, same = 0;
    json_array_foreach(longer, i, entry)
    {
        if (json_equal(entry, json_array_get(shorter, same))) {
            same++;
            continue;
        }
        char *child = ist_printf("%s[%zu]", path, i);
        add_field(child, goes ? entry : NULL, goes ? NULL : entry, found);
        ist_free(child);
    }
    int is_so = same > 0 && same == json_array_size(shorter);
    if (is_so)
        json_array_extend(fields, found);
    json_decref(found);
    return is_so;
}

static void compare(const char *path, const json_t *live, const json_t *after, json_t *fields)
{
    if (is_stamped(path) || json_equal(live, after))
        return;
    // A map that comes or goes whole is told key by key too; an empty one has no keys to tell.
    int maps = (json_is_object(live) && json_is_object(after)) || (!live && json_object_size(after)) ||
               (!after && json_object_size(live));
    if (maps) {
        compare_maps(path, live, after, fields);
    } else if (json_is_array(live) && json_array_size(live) == json_array_size(after)) {
        for (size_t i = 0; i < json_array_size(live); i++) {
            char *child = ist_printf("%s[%zu]", path, i);
            compare(child, json_array_get(live, i), json_array_get(after, i), fields);
            ist_free(child);
        }
    } else if (!json_is_array(live) || !json_is_array(after) || !compare_entries(path, live, after, fields)) {
        add_field(path, live, after, fields);
    }
}

// Of what a Secret holds only that it changes leaves this file: what is planned is written down.
static void hide_values(json_t *fields)
{
    size_t i;
    json_t *field;
    json_array_foreach(fields, i, field)
    {
        const char *path = ist_json_str_or(field, "field", "");
        if (strncmp(path, "data", 4) != 0 && strncmp(path, "stringData", 10) != 0)
            continue;
        json_object_del(field, "before");
        json_object_del(field, "after");
        json_object_set_new(field, "secret", json_true());
    }
}

json_t *ist_manifest_compare(const json_t *live, const json_t *after)
{
    json_t *fields = json_array();
    compare("", live, after, fields);
    if (strcmp(ist_json_str_or(after, "kind", ""), "Secret") == 0)
        hide_values(fields);
    return fields;
}

// ---- a new object ----

enum { MAX_OUTLINE = 10 };

static void outline(const json_t *object, const char *path, json_t *fields)
{
    const json_t *value = ist_json_at(object, path);
    if (value && !json_is_null(value) && json_array_size(fields) < MAX_OUTLINE)
        add_field(path, NULL, value, fields);
}

json_t *ist_manifest_outline(const json_t *object)
{
    // Of workloads, Services and NetworkPolicies alike; what a kind lacks is not there.
    static const char *const paths[] = {"spec.replicas",    "spec.schedule",    "spec.type",
                                        "spec.clusterIP",   "spec.podSelector", "spec.policyTypes",
                                        "spec.hostNetwork", "roleRef"};
    static const char *const pods[] = {"spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec"};
    static const char *const parts[] = {"image", "ports"};
    json_t *fields = json_array();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        outline(object, paths[i], fields);
    for (size_t i = 0; i < sizeof pods / sizeof *pods; i++) {
        char *containers = ist_printf("%s.containers", pods[i]);
        for (size_t n = json_array_size(ist_json_at(object, containers)), k = 0; k < n; k++)
            for (size_t part = 0; part < 2; part++) {
                char *path = ist_printf("%s[%zu].%s", containers, k, parts[part]);
                outline(object, path, fields);
                ist_free(path);
            }
        ist_free(containers);
    }
    for (size_t n = json_array_size(ist_json_at(object, "spec.ports")), k = 0; k < n; k++) {
        char *path = ist_printf("spec.ports[%zu]", k);
        outline(object, path, fields);
        ist_free(path);
    }
    return fields;
}

// ---- telling ----

void ist_manifest_report(const ist_env *env, const char *resource, const json_t *fields)
{
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field)
    {
        const char *path = ist_json_str_or(field, "field", "");
        json_t *after = json_object_get(field, "after");
        if (json_object_get(field, "secret"))
            ist_change_secret(env, resource, path);
        else // NULL would read as "known after apply": a field that goes away is null
            ist_change_field(env, resource, path, json_incref(json_object_get(field, "before")),
                             after ? json_incref(after) : json_null());
    }
}
