// Naming objects: in records, in messages, and finding one by its name.
#include "apply.h"

#include <string.h>

json_t *id_of(const char *cluster, const json_t *object)
{
    return json_pack("{s:s, s:s, s:s, s:s*, s:s}", "cluster", cluster, "apiVersion",
                     ist_json_str_or(object, "apiVersion", ""), "kind", ist_json_str_or(object, "kind", ""),
                     "namespace", ist_json_str(object, "metadata.namespace"), "name",
                     ist_json_str_or(object, "metadata.name", ""));
}

char *id_text(const json_t *id)
{
    const char *ns = ist_json_str(id, "namespace");
    return ist_printf("%s %s%s%s in %s", ist_json_str_or(id, "kind", "?"), ns ? ns : "", ns ? "/" : "",
                      ist_json_str_or(id, "name", "?"), ist_json_str_or(id, "cluster", "?"));
}

// The group of "apps/v1"; a kind that moved to another version of it is still the same object.
static int same_group(const char *a, const char *b)
{
    const char *slash_a = strchr(a, '/'), *slash_b = strchr(b, '/');
    size_t len_a = slash_a ? (size_t)(slash_a - a) : 0, len_b = slash_b ? (size_t)(slash_b - b) : 0;
    return len_a == len_b && strncmp(a, b, len_a) == 0;
}

int id_same(const json_t *a, const json_t *b)
{
    static const char *const parts[] = {"cluster", "kind", "namespace", "name"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(ist_json_str_or(a, parts[i], ""), ist_json_str_or(b, parts[i], "")) != 0)
            return 0;
    return same_group(ist_json_str_or(a, "apiVersion", ""), ist_json_str_or(b, "apiVersion", ""));
}

const json_t *wanted_of(const struct work *work, const json_t *id)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(work->wanted, i, entry)
    {
        json_t *other = id_of(ist_json_str(entry, "cluster"), json_object_get(entry, "object"));
        int same = id_same(id, other);
        json_decref(other);
        if (same)
            return entry;
    }
    return NULL;
}

char *resource_of(const char *cluster)
{
    return ist_printf("objects in %s", cluster);
}

const json_t *recorded_in(const struct work *work, const char *cluster)
{
    char *resource = resource_of(cluster);
    const json_t *objects = ist_json_at(json_object_get(work->recorded, resource), "data.objects");
    ist_free(resource);
    return objects;
}

const json_t *recorded_of(const struct work *work, const json_t *id)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(recorded_in(work, ist_json_str_or(id, "cluster", "")), i, entry)
    {
        if (id_same(entry, id))
            return entry;
    }
    return NULL;
}

// Did we apply it? kubectl leaves another manager, and another operation.
static int is_applied(const json_t *live)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(ist_json_at(live, "metadata.managedFields"), i, entry)
    {
        if (strcmp(ist_json_str_or(entry, "manager", ""), "isthmus") == 0 &&
            strcmp(ist_json_str_or(entry, "operation", ""), "Apply") == 0)
            return 1;
    }
    return 0;
}

enum whose whose(const struct work *work, const json_t *recorded, const json_t *live)
{
    const char *step = ist_manifest_step(live), *uid = ist_json_str(live, "metadata.uid");
    const char *made = ist_json_str(recorded, "uid");
    int same = made && uid && strcmp(made, uid) == 0;
    // What this step made is its own, whatever name it carries: the step may have another one since (`state mv`).
    if (!same && step && strcmp(step, work->owner) != 0)
        return WHOSE_OTHER_STEP;
    if (same || (step && (!made || is_applied(live))))
        return WHOSE_OURS;
    return WHOSE_FOREIGN;
}

int32_t live_of(const struct work *work, const json_t *id, json_t **live, ist_error *err)
{
    const ist_cluster *cluster = ist_clusters_find(work->clusters, ist_json_str(id, "cluster"));
    if (!cluster)
        return ist_fail(err, IST_ERR_INPUT, ist_json_str_or(id, "cluster", "?"),
                        "no kubeconfig for this cluster");
    return ist_kube_get(cluster->kube, ist_json_str(id, "apiVersion"), ist_json_str(id, "kind"),
                        ist_json_str(id, "namespace"), ist_json_str(id, "name"), live, err);
}

int is_kind(const json_t *id_or_object, const char *kind)
{
    return strcmp(ist_json_str_or(id_or_object, "kind", ""), kind) == 0;
}
