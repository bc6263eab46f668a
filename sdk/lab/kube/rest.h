// What a Kubernetes API server does with one object: the registry's rules, shared by the REST requests and by
// the controllers. Errors are Status objects as the server would send them.
#ifndef LAB_KUBE_REST_H
#define LAB_KUBE_REST_H

#include "cluster.h"

// ---- Status (status.c): all return a new reference ----

json_t *kube_status(int code, const char *reason, json_t *details, const char *format, ...)
    __attribute__((format(printf, 4, 5))); // details stolen, may be NULL
json_t *kube_status_not_found(const struct kube_resource *resource, const char *name);
json_t *kube_status_exists(const struct kube_resource *resource, const char *name);
json_t *kube_status_conflict(const struct kube_resource *resource, const char *name, const char *message);
// `causes`: array of {field, reason, message}, stolen.
json_t *kube_status_invalid(const struct kube_resource *resource, const char *name, json_t *causes);
// An option of the request itself that is wrong: `options` is "PatchOptions" or "ListOptions".
json_t *kube_status_option(const char *options, const char *field, const char *reason, const char *message);
json_t *kube_details(const struct kube_resource *resource, const char *name); // {name, group, kind}
int kube_status_code(const json_t *status);

// ---- defaults and validation ----

void kube_defaults(const struct lab_cluster *cluster, const struct kube_kind *kind, json_t *object);
// Appends causes. `live` NULL: a create.
void kube_validate(const struct kube_kind *kind, const json_t *object, const json_t *live, json_t *causes);
void kube_cause(json_t *causes, const char *reason, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// ---- versions of one kind (convert.c) ----

// In place, from the form of `served` to the one that is kept.
void kube_convert_in(const struct lab_cluster *cluster, const struct kube_kind *kind,
                     const struct kube_served *served, json_t *object);
// New reference in the form of `served`.
json_t *kube_convert_out(const struct lab_cluster *cluster, const struct kube_kind *kind,
                         const struct kube_served *served, const json_t *object);

// ---- operations (write.c, remove.c) ----

struct kube_call {
    struct lab_cluster *cluster;
    struct kube_resource *resource;
    const char *api_version; // of the request, for managedFields; NULL: the preferred one
    const char *ns;          // "" for cluster scope
    const char *name;        // "" while a create generates it
    const char *sub;         // "", "status", "scale"
    const char *manager;
    bool dry_run;
    bool force; // of an apply
};

// Each returns a new reference to the object as kept now (as it would be, for a dry run), or NULL with
// *error.
json_t *kube_create(const struct kube_call *call, json_t *object, json_t **error); // object stolen
json_t *kube_replace(const struct kube_call *call, json_t *object,
                     json_t **error); // object stolen; what it was made
                                      // from is its resourceVersion's, if any
json_t *kube_apply_object(const struct kube_call *call, json_t *applied, json_t **error); // applied borrowed
// `options`: DeleteOptions or NULL, borrowed. *at_once: it is gone (or going as far as a client can see).
json_t *kube_remove(const struct kube_call *call, const json_t *options, bool *at_once, json_t **error);

// For controllers: the same without ceremony, on stored objects. False when the server would refuse.
bool kube_put_status(struct lab_cluster *cluster, const char *plural, const json_t *live,
                     json_t *status); // steals
json_t *kube_make(struct lab_cluster *cluster, const char *plural,
                  json_t *object); // steals; new reference or NULL
bool kube_put(struct lab_cluster *cluster, const char *plural, json_t *object); // steals
void kube_kill(struct lab_cluster *cluster, const char *plural, const json_t *object, bool now);

#endif
