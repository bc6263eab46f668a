// Patches other than apply: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch. Pure
// functions: each returns the patched object (new reference, sharing nothing that is changed later with
// `object`), or NULL with *why (malloc'd).
#ifndef LAB_KUBE_PATCH_H
#define LAB_KUBE_PATCH_H

#include <jansson.h>

json_t *kube_patch_json(const json_t *object, const json_t *operations, char **why);
json_t *kube_patch_merge(const json_t *object, const json_t *patch);
json_t *kube_patch_strategic(const char *kind, const json_t *object, const json_t *patch, char **why);

#endif
