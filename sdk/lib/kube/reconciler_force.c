// What a server-side apply leaves standing in an object of ours: entries that somebody else put into a list of it, and
// fields that only he has. Or the apply is refused because of them (two ports of one name). A merge patch takes them
// away, which says every list whole and null for what nobody wants.
#include "reconciler.h"

#include <string.h>

static int is_empty(const json_t *value)
{
    return json_is_null(value) || (json_is_object(value) && !json_object_size(value)) ||
           (json_is_array(value) && !json_array_size(value));
}

static json_t *merged(const json_t *wanted, const json_t *live, const char *const *server_set,
                      int may_hold_more)
{
    json_t *patch = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
    {
        int more = may_hold_more || !strcmp(key, "metadata");
        if (json_is_object(value))
            json_object_set_new(patch, key, merged(value, json_object_get(live, key), server_set, more));
        else
            json_object_set(patch, key, value);
    }
    json_object_foreach((json_t *)(uintptr_t)(may_hold_more ? NULL : live), key, value)
    {
        if (!json_object_get(wanted, key) && !is_empty(value) && !kube_is_server_set(server_set, key, value))
            json_object_set_new(patch, key, json_null());
    }
    return patch;
}

static void drop(json_t *patch, const json_t *wanted, const char *map, const char *key)
{
    json_t *part = json_object_get(patch, map);
    if (json_object_get(json_object_get(wanted, map), key))
        return;
    if (!part)
        json_object_set_new(patch, map, part = json_object());
    json_object_set_new(part, key, json_null());
}

// What only Isthmus writes, and what it carried over from a source that has it no more (IST_ANNOTATION_CARRIED).
static void drop_ours(json_t *patch, const json_t *wanted, const json_t *live)
{
    const char *carried =
        json_string_value(json_object_get(json_object_get(live, "annotations"), IST_ANNOTATION_CARRIED));
    char *copy = ist_strdup(carried ? carried : ""), *rest = copy, *part, *key;
    for (const struct kube_ours *ours = kube_ours_alone; ours->map; ours++)
        if (json_object_get(json_object_get(live, ours->map), ours->key))
            drop(patch, wanted, ours->map, ours->key);
    while ((part = strsep(&rest, ";"))) {
        const char *map = strsep(&part, "=");
        int is_map = !strcmp(map, "labels") || !strcmp(map, "annotations"); // or somebody edited it
        while (is_map && (key = strsep(&part, ",")))
            drop(patch, wanted, map, key);
    }
    ist_free(copy);
}

json_t *rec_force(const json_t *wanted, const json_t *live, const char *const *server_set)
{
    json_t *patch = json_object(), *value;
    const char *key;
    // At the top only what is wanted counts, as in ist_kube_diff().
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
    {
        if (json_is_object(value))
            json_object_set_new(
                patch, key, merged(value, json_object_get(live, key), server_set, !strcmp(key, "metadata")));
        else
            json_object_set(patch, key, value);
    }
    drop_ours(json_object_get(patch, "metadata"), json_object_get(wanted, "metadata"),
              json_object_get(live, "metadata"));
    return patch;
}
