// What Kubernetes' published types say about lists and maps: which lists are merged item by item and by what
// keys, which maps are one value. From the x-kubernetes-list-type, -list-map-keys and -map-type marks of its
// OpenAPI, and the patchMergeKey tags (the first key; what was never tagged is replaced by a strategic merge
// patch).
#ifndef LAB_KUBE_SCHEMA_H
#define LAB_KUBE_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

enum kube_merge {
    KUBE_GRANULAR, // maps: field by field. The default for maps
    KUBE_ATOMIC,   // one value. The default for lists
    KUBE_MAP_LIST, // by keys
    KUBE_SET,      // a list of scalars, each once
};

struct kube_field {
    const char *kind; // "*": any
    const char *path; // field names joined with '.', lists without index
    enum kube_merge merge;
    bool strategic;           // a strategic merge patch merges it too
    const char *keys[3];      // of KUBE_MAP_LIST
    const char *default_last; // the value of the last key where it is absent
};

// The row for a field, or NULL for the defaults. Pod templates of workloads are looked up as Pods.
const struct kube_field *kube_schema(const char *kind, const char *path);
// How `value` at that field merges.
enum kube_merge kube_merge_of(const struct kube_field *field, const json_t *value);
// The keys of an item as a canonical object {"containerPort": 80, "protocol": "TCP"}; new reference, NULL if
// one is missing and has no default.
json_t *kube_item_keys(const struct kube_field *field, const json_t *item);
// The index of the item with these keys, or -1.
int kube_item_find(const struct kube_field *field, const json_t *list, const json_t *keys);
char *kube_field_join(const char *path, const char *name); // malloc'd

#endif
