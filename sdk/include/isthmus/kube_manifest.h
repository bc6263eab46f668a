// isthmus/kube_manifest.h: manifests as users write them: read from a file, a URL or a text, taken apart into objects,
// put in order, and compared with what is in a cluster by a dry run of their apply.
#ifndef ISTHMUS_KUBE_MANIFEST_H
#define ISTHMUS_KUBE_MANIFEST_H

#include <isthmus/kube_set.h>

#ifdef __cplusplus
extern "C" {
#endif

// The mark of an object that a step keeps for a user's manifest; its value is ist_kube_owner(). Not IST_LABEL_OWNER: a
// Service that a manifest declares is as good a source for mirroring as any other.
#define IST_LABEL_STEP "isthmus.dev/step"

// ---- reading ----

// One manifest. Strings are borrowed.
typedef struct ist_manifest {
    uint32_t size;
    const char *file, *url, *text; // exactly one of them
    const char *sha256;            // 64 hex digits that its bytes must have; NULL: any
} ist_manifest;

// Its objects: array (new reference), in the order of its documents, lists taken apart. Each has apiVersion, kind and
// metadata.name; what a server stamps (status, uid, managedFields, ...) is gone; a port without protocol has TCP, which
// servers before 1.21 do not fill in for an apply; what a Secret holds is registered to be redacted.
// IST_ERR_INPUT where it is no manifest, IST_ERR_LIMIT over 8 MiB; IST_ERR_NOT_FOUND, IST_ERR_REMOTE, IST_ERR_NETWORK
// where it cannot be had; the place is the file, the URL, or "inline".
IST_EXPORT int32_t ist_manifest_read(const ist_env *env, const ist_manifest *manifest, json_t **objects,
                                     ist_error *err);

// Is `object` of the kind, in a version, that `definition` (a CustomResourceDefinition or anything else) brings?
// *namespaced (may be NULL) is set when it is.
IST_EXPORT int ist_manifest_defines(const json_t *definition, const json_t *object, int *namespaced);

// The directions in which a NetworkPolicy isolates, as its `policyTypes` (array, new reference): those that `spec` names,
// and where it names none, Ingress, with Egress as well where it has egress rules, as a server fills in.
IST_EXPORT json_t *ist_manifest_policy_types(const json_t *spec);

// The order of applying: namespaces, then definitions of kinds, then what others name, then the rest as it came.
// `entries`: array of {object, ...}, borrowed. New array of the same entries.
IST_EXPORT json_t *ist_manifest_in_order(const json_t *entries);

// ---- whose ----

// Writes the labels of a step's object.
IST_EXPORT void ist_manifest_mark(json_t *object, const char *owner);
// The step whose mark an object carries; borrowed, NULL: none.
IST_EXPORT const char *ist_manifest_step(const json_t *object);

// ---- comparing ----

// What would change from `live` to `after` (what a dry run answered), without what a server counts and stamps and what
// kubectl leaves for itself: array of {field, before?, after?, secret?}, empty when nothing does. No `before`: comes;
// no `after`: goes; `secret`: changes, and its values are not told (what a Secret holds). New reference.
IST_EXPORT json_t *ist_manifest_compare(const json_t *live, const json_t *after);
// What applying `wanted` to `live` would change: the answer of a dry run, less the entries that a person put by hand into
// its lists (*by_hand is 1 where there are any), fields as of ist_manifest_compare() (new reference). By hand means: with
// kubectl (its manager is kubectl or kubectl-...; not through a subresource), into a list that the manifest writes or
// into a list in one of that list's entries, and nobody else has the entry too. What other managers put there
// (controllers, injectors) is theirs and no difference, nor is a field of which the manifest says nothing.
IST_EXPORT int32_t ist_manifest_dry(ist_kube *kube, const json_t *wanted, const json_t *live, json_t **fields,
                                    int *by_hand, ist_error *err);
// Takes those entries away, before an apply that would leave them, or be refused because of them.
IST_EXPORT int32_t ist_manifest_mend(ist_kube *kube, const json_t *wanted, ist_error *err);
// What `live` (with its managedFields) is without such entries; a list that loses one has those that it lacks. NULL: it
// has none. New reference.
IST_EXPORT json_t *ist_manifest_by_hand(const json_t *wanted, const json_t *live);
// A new object in at most ten such fields: how many, of what image, on which ports, for whom. What is free text and may
// hold anything (data, environment, arguments, annotations) is never among them. New reference.
IST_EXPORT json_t *ist_manifest_outline(const json_t *object);
// Tells such fields of a resource whose change was just told.
IST_EXPORT void ist_manifest_report(const ist_env *env, const char *resource, const json_t *fields);

#ifdef __cplusplus
}
#endif
#endif
