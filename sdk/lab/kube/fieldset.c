// Sets of fields, and FieldsV1 as managedFields has them.
#include "ssa.h"

#include "../lab.h"

#include <stdlib.h>
#include <string.h>

void kube_fields_add(json_t *set, const char *path)
{
    if (*path)
        json_object_set_new(set, path, json_true());
}

char *kube_fields_join(const char *path, const char *element)
{
    return *path ? lab_format("%s\n%s", path, element) : lab_strdup(element);
}

static void from_v1(const json_t *node, const char *path, json_t *set)
{
    const char *name;
    json_t *child;
    if (json_object_size(node) == 0)
        kube_fields_add(set, path);
    json_object_foreach((json_t *)node, name, child)
    {
        if (strcmp(name, ".") == 0) {
            kube_fields_add(set, path);
        } else {
            char *deeper = kube_fields_join(path, name);
            from_v1(child, deeper, set);
            free(deeper);
        }
    }
}

json_t *kube_fields_of_v1(const json_t *fields_v1)
{
    json_t *set = json_object();
    if (json_object_size(fields_v1))
        from_v1(fields_v1, "", set);
    return set;
}

static void add_v1(json_t *node, const char *path)
{
    while (*path) {
        size_t len = strcspn(path, "\n");
        json_t *child = json_object_getn(node, path, len);
        if (!child) {
            // A node that was a leaf until now is itself a member: say so with ".".
            child = json_object();
            json_object_setn_new(node, path, len, child);
        }
        node = child;
        path += len + (path[len] == '\n');
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *kube_fields_to_v1(const json_t *set)
{
    size_t n = json_object_size(set), i = 0;
    const char **paths = lab_calloc(n, sizeof *paths), *path;
    json_t *value, *root = json_object();
    json_object_foreach((json_t *)set, path, value) paths[i++] = path;
    qsort(paths, n, sizeof *paths, by_text);
    for (i = 0; i < n; i++) {
        size_t len = strlen(paths[i]);
        add_v1(root, paths[i]);
        // Sorted: a path's descendants follow somewhere after it; it is inner if any other starts with it.
        for (size_t k = i + 1; k < n && strncmp(paths[k], paths[i], len) == 0; k++)
            if (paths[k][len] == '\n') {
                char *dot = lab_format("%s\n.", paths[i]);
                add_v1(root, dot);
                free(dot);
                break;
            }
    }
    free(paths);
    return root;
}
