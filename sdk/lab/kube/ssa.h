// Server-side apply and the bookkeeping of field managers (metadata.managedFields, FieldsV1). Pure functions.
//
// Field sets are objects {path: true}; a path is FieldsV1's elements ("f:spec", "k:{...}", "v:...") joined
// with '\n'.
#ifndef LAB_KUBE_SSA_H
#define LAB_KUBE_SSA_H

#include <jansson.h>
#include <stdbool.h>

struct kube_writer {
    const char *kind;
    const char *api_version; // of the request
    const char *manager;     // fieldManager
    const char *subresource; // "" for none
    bool force;
};

// An object as it is after `applied` (borrowed; what the manager sent) was applied to `live` (borrowed, {} to
// create), with its managedFields. New reference; NULL on conflicts, which are then in *conflicts (new
// reference):
// [{manager, subresource, apiVersion, field}]. Nothing changed: the result equals `live`.
json_t *kube_apply(const struct kube_writer *writer, const json_t *live, const json_t *applied,
                   json_t **conflicts);

// Writes into `object` (being made) the managedFields after an update, create or patch that led from `live`
// ({} for none) to it. What somebody set in managedFields himself is taken over first.
void kube_record_update(const struct kube_writer *writer, const json_t *live, json_t *object);

// Are two objects the same but for managedFields and resourceVersion?
bool kube_same_but_managers(const json_t *a, const json_t *b);

// ---- field sets (fieldset.c) ----

void kube_fields_add(json_t *set, const char *path);           // "" is left out
char *kube_fields_join(const char *path, const char *element); // malloc'd
json_t *kube_fields_of_v1(const json_t *fields_v1);            // new reference
json_t *kube_fields_to_v1(const json_t *set);                  // new reference
// Removes what a path names from an object (a deep copy of one's own) of this kind (ssa.c).
void kube_fields_remove(const char *kind, json_t *object, const char *path);

#endif
