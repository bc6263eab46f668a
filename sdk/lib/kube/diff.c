// How an object that is there differs from the one that is wanted.
#include <isthmus/alloc.h>
#include <isthmus/kube_set.h>

#include "internal.h"

#include <string.h>

struct diff {
    json_t *fields; // NULL: only whether there are any is asked
    int differs;
    const char *const *server_set;
};

static void add_field(struct diff *diff, const char *path, const json_t *before, const json_t *after)
{
    diff->differs = 1;
    if (!diff->fields)
        return;
    json_t *field = json_object();
    json_object_set_new(field, "field", json_string(path));
    if (before)
        json_object_set(field, "before", (json_t *)(uintptr_t)before);
    json_object_set_new(field, "after", after ? json_incref((json_t *)(uintptr_t)after) : json_null());
    json_array_append_new(diff->fields, field);
}

// "spec.ports" where paths are told. The caller's.
static char *child_path(const struct diff *diff, const char *path, const char *key)
{
    return diff->fields ? ist_printf("%s%s%s", path, *path ? "." : "", key) : NULL;
}

static int is_empty(const json_t *value)
{
    return json_is_null(value) || (json_is_object(value) && !json_object_size(value)) ||
           (json_is_array(value) && !json_array_size(value)) ||
           (json_is_string(value) && !json_string_length(value));
}

int kube_is_server_set(const char *const *server_set, const char *key, const json_t *value)
{
    size_t len = strlen(key);
    for (const char *const *name = server_set; name && *name; name++) {
        if (strncmp(*name, key, len) != 0)
            continue;
        const char *rest = *name + len, *text = json_string_value(value);
        if (*rest == '\0' || (*rest == '=' && text && !strcmp(rest + 1, text)))
            return 1;
    }
    return 0;
}

static void compare(struct diff *diff, const char *path, const json_t *wanted, const json_t *live,
                    int may_hold_more);

static void compare_maps(struct diff *diff, const char *path, const json_t *wanted, const json_t *live,
                         int may_hold_more)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
    {
        char *child = child_path(diff, path, key);
        compare(diff, child, value, json_object_get(live, key), may_hold_more || !strcmp(key, "metadata"));
        ist_free(child);
    }
    if (may_hold_more)
        return;
    json_object_foreach((json_t *)(uintptr_t)live, key, value)
    {
        if (json_object_get(wanted, key) || is_empty(value) ||
            kube_is_server_set(diff->server_set, key, value))
            continue;
        char *child = child_path(diff, path, key);
        add_field(diff, child, value, NULL);
        ist_free(child);
    }
}

static void compare_lists(struct diff *diff, const char *path, const json_t *wanted, const json_t *live,
                          int may_hold_more)
{
    if (json_array_size(wanted) != json_array_size(live)) {
        add_field(diff, path, live, wanted);
        return;
    }
    for (size_t i = 0; i < json_array_size(wanted) && (diff->fields || !diff->differs); i++) {
        char *child = diff->fields ? ist_printf("%s[%zu]", path, i) : NULL;
        compare(diff, child, json_array_get(wanted, i), json_array_get(live, i), may_hold_more);
        ist_free(child);
    }
}

static void compare(struct diff *diff, const char *path, const json_t *wanted, const json_t *live,
                    int may_hold_more)
{
    if (json_is_object(wanted) && json_is_object(live))
        compare_maps(diff, path, wanted, live, may_hold_more);
    else if (json_is_array(wanted) && json_is_array(live))
        compare_lists(diff, path, wanted, live, may_hold_more);
    else if (!(live ? json_equal(wanted, live) : is_empty(wanted)) && !(is_empty(wanted) && is_empty(live)))
        add_field(diff, path, live, wanted);
}

const struct kube_ours kube_ours_alone[] = {
    {"labels", IST_LABEL_SOURCE_CLUSTER}, {"annotations", IST_ANNOTATION_CARRIED}, {NULL, NULL}};

// What nobody else writes is left over when it is not wanted any more.
static void compare_ours(struct diff *diff, const json_t *wanted, const json_t *live)
{
    for (const struct kube_ours *ours = kube_ours_alone; ours->map; ours++) {
        const json_t *value = json_object_get(json_object_get(live, ours->map), ours->key);
        if (!value || json_object_get(json_object_get(wanted, ours->map), ours->key))
            continue;
        char *path = diff->fields ? ist_printf("metadata.%s.%s", ours->map, ours->key) : NULL;
        add_field(diff, path, value, NULL);
        ist_free(path);
    }
}

static void compare_objects(struct diff *diff, const json_t *wanted, const json_t *live)
{
    const char *key;
    json_t *value;
    if (json_object_get(wanted, "metadata"))
        compare_ours(diff, json_object_get(wanted, "metadata"), json_object_get(live, "metadata"));
    // At the top only what is wanted counts, and of the rest all but what the server keeps for itself.
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
    {
        compare(diff, key, value, json_object_get(live, key), !strcmp(key, "metadata"));
    }
}

json_t *ist_kube_diff(const json_t *wanted, const json_t *live, const char *const *server_set)
{
    struct diff diff = {.fields = json_array(), .server_set = server_set};
    compare_objects(&diff, wanted, live);
    return diff.fields;
}

int kube_differs(const json_t *wanted, const json_t *live, const char *const *server_set)
{
    struct diff diff = {.server_set = server_set};
    compare_objects(&diff, wanted, live);
    return diff.differs;
}
