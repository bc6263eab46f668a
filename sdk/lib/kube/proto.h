// Kubernetes objects in protobuf: a third of the bytes of JSON, and of the work of the server that writes them. Read into
// the JSON that the same server would have written, but for managedFields and members that the tables do not know.
// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
#ifndef IST_KUBE_PROTO_H
#define IST_KUBE_PROTO_H

#include "page.h"

#define KUBE_PROTO_TYPE "application/vnd.kubernetes.protobuf"

enum kube_proto_type {
    KUBE_PROTO_STRING,
    KUBE_PROTO_BOOL,
    KUBE_PROTO_INT,
    KUBE_PROTO_MESSAGE,
    KUBE_PROTO_TIME,          // a string, or null
    KUBE_PROTO_INT_OR_STRING, // either
    KUBE_PROTO_STRINGS,       // a map of strings
};

#define KUBE_PROTO_LABELS 11u // of the metadata of an object, which is its first member

// How a member is written. Else one that is empty, 0 or false is left out of the JSON.
#define KUBE_PROTO_GIVEN    1u // a pointer in Go: written as it came, also when it is empty
#define KUBE_PROTO_REPEATED 2u
#define KUBE_PROTO_ALWAYS   4u // of REPEATED: null where there is none

struct kube_proto_field {
    uint32_t number;
    uint16_t type, flags;
    const char *name;
    const struct kube_proto_field *of; // of MESSAGE: its fields, in the order of numbers, ended by {0}
};

// What is read of an object of that kind: all of it, or, where `brief` says that this will do, what IST_KIND_BRIEF says.
// NULL: it can be had as JSON only. Static.
const struct kube_proto_field *kube_proto_fields(const char *api, const char *kind, int brief);
extern const struct kube_proto_field kube_proto_list_meta[], kube_proto_status[];

// One message. `unread` (NULL: none) are names of members that are passed over outside of metadata.
// IST_ERR_REMOTE: it is none. *json is a new reference.
int32_t kube_proto_read(const struct kube_proto_field *fields, const char *bytes, size_t len,
                        const char *const *unread, const char *where, json_t **json, ist_error *err);
// As kube_skim(), of an object.
int kube_proto_skim(const struct kube_proto_field *fields, const char *bytes, size_t len, const char *api,
                    const char *kind, json_t **head, uint64_t *digest);
// A label of an object: *value is in the bytes, not ended; NULL: it has none. 0: these bytes are no object.
int kube_proto_find_label(const char *bytes, size_t len, const char *label, const char **value,
                          size_t *value_len);

// A list that is taken apart while it arrives. Zero-initialise.
struct kube_proto_page {
    int stage;   // in the envelope, in the list, behind it
    size_t left; // bytes of the list that did not come yet
    json_t *metadata;
};
#define KUBE_PROTO_MAGIC 4u // bytes that tell what an answer is
// Does an answer that begins like this come in protobuf?
int kube_proto_is(const char *bytes, size_t len);
// Takes whole items of what arrived: *used bytes, the others are to be shown again with those that follow.
int32_t kube_proto_feed(struct kube_proto_page *page, const char *bytes, size_t len, size_t *used,
                        kube_page_item *take, void *arg, const char *where, ist_error *err);
// As kube_page_end(): the envelope, of which there is `metadata`.
int32_t kube_proto_end(struct kube_proto_page *page, const char *where, json_t **envelope, ist_error *err);
void kube_proto_reset(struct kube_proto_page *page);
// The Status of a whole answer that came in protobuf. New reference; NULL: it is none.
json_t *kube_proto_answer(const char *bytes, size_t len);

#endif
