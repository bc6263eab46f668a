// Lists in protobuf, item by item while they arrive. The answer is a message of four bytes and an envelope:
// "k8s\0" {1: type {1: apiVersion, 2: kind}, 2: the list itself, 3: encoding, 4: content type}, the list
// {1: metadata, 2: item, 2: item, ...}. Source: pkg/runtime/generated.proto of k8s.io/apimachinery, "Unknown".
#include "proto.h"

#define ITEM_MAX (8u << 20)

enum { ENVELOPE, LIST, BEHIND };
enum { TYPE = 1, RAW = 2 };                              // members of the envelope
enum { METADATA = 1, ITEM = 2 };                         // members of a list
#define KEY(number) ((unsigned char)((number) << 3 | 2)) // of bytes

static const char magic[] = {'k', '8', 's', '\0'};

int kube_proto_is(const char *bytes, size_t len)
{
    return len >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

// ---- members ----

// The key and length of a member of bytes. 1: it is `*len` bytes from `*at`; 0: not all of the head is there; -1: it is
// another kind of member.
static int take_head(const char *bytes, size_t room, size_t *at, unsigned char *key, size_t *len)
{
    uint64_t sum = 0;
    size_t i = *at;
    if (i >= room)
        return 0;
    *key = (unsigned char)bytes[i++];
    if ((*key & 0x87) != 2)
        return -1;
    for (unsigned shift = 0; i < room; shift += 7) {
        unsigned char c = (unsigned char)bytes[i++];
        if (shift > 28)
            return -1;
        sum |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *at = i;
            *len = (size_t)sum;
            return 1;
        }
    }
    return 0;
}

static int32_t broken(const char *where, ist_error *err)
{
    return ist_fail(err, IST_ERR_REMOTE, where, "a list in protobuf that is none");
}

static int32_t too_large(const char *where, ist_error *err)
{
    return ist_fail(err, IST_ERR_LIMIT, where, "an object is larger than %u bytes", ITEM_MAX);
}

// ---- the list ----

static int32_t take_member(struct kube_proto_page *page, unsigned char key, const char *bytes, size_t len,
                           kube_page_item *take, void *arg, const char *where, ist_error *err)
{
    if (key == KEY(ITEM))
        return take(arg, bytes, len, err);
    if (key != KEY(METADATA))
        return IST_OK;
    json_decref(page->metadata);
    page->metadata = NULL;
    return kube_proto_read(kube_proto_list_meta, bytes, len, NULL, where, &page->metadata, err);
}

// Whole members, as far as they are there.
static int32_t feed_list(struct kube_proto_page *page, const char *bytes, size_t room, size_t *at,
                         kube_page_item *take, void *arg, const char *where, ist_error *err)
{
    int32_t rc = IST_OK;
    while (rc == IST_OK && page->left) {
        size_t from = *at, next = from, len;
        unsigned char key;
        int head = take_head(bytes, room, &next, &key, &len);
        if (head == 0)
            return IST_OK;
        if (head < 0 || next - from + len > page->left)
            return broken(where, err);
        if (len > ITEM_MAX)
            return too_large(where, err);
        if (len > room - next)
            return IST_OK;
        rc = take_member(page, key, bytes + next, len, take, arg, where, err);
        *at = next + len;
        page->left -= *at - from;
    }
    if (!page->left)
        page->stage = BEHIND;
    return rc;
}

static int32_t feed_envelope(struct kube_proto_page *page, const char *bytes, size_t room, size_t *at,
                             const char *where, ist_error *err)
{
    size_t next = sizeof magic, len = 0;
    unsigned char key = 0;
    while (key != KEY(RAW)) {
        int head = take_head(bytes, room, &next, &key, &len);
        if (head < 0 || len > ITEM_MAX * 64u)
            return broken(where, err);
        if (head == 0 || (key != KEY(RAW) && len > room - next))
            return IST_OK;
        if (key != KEY(RAW))
            next += len;
    }
    page->stage = LIST;
    page->left = len;
    *at = next;
    return IST_OK;
}

int32_t kube_proto_feed(struct kube_proto_page *page, const char *bytes, size_t len, size_t *used,
                        kube_page_item *take, void *arg, const char *where, ist_error *err)
{
    int32_t rc = IST_OK;
    *used = 0;
    if (page->stage == ENVELOPE)
        rc = feed_envelope(page, bytes, len, used, where, err);
    if (rc == IST_OK && page->stage == LIST)
        rc = feed_list(page, bytes, len, used, take, arg, where, err);
    if (rc == IST_OK && page->stage == BEHIND)
        *used = len;
    return rc;
}

int32_t kube_proto_end(struct kube_proto_page *page, const char *where, json_t **envelope, ist_error *err)
{
    int32_t rc = IST_OK;
    if (page->stage != BEHIND)
        rc = ist_fail(err, IST_ERR_REMOTE, where, "the list ends in the middle");
    else if (!ist_json_str(page->metadata, "resourceVersion"))
        rc = ist_fail(err, IST_ERR_REMOTE, where, "the answer is no list");
    else
        *envelope = json_pack("{s:O}", "metadata", page->metadata);
    kube_proto_reset(page);
    return rc;
}

void kube_proto_reset(struct kube_proto_page *page)
{
    json_decref(page->metadata);
    *page = (struct kube_proto_page){0};
}

// ---- a Status ----

json_t *kube_proto_answer(const char *bytes, size_t len)
{
    struct kube_proto_page page = {0};
    size_t at = 0;
    json_t *status = NULL;
    if (!kube_proto_is(bytes, len) || feed_envelope(&page, bytes, len, &at, "", NULL) != IST_OK ||
        page.stage != LIST || page.left > len - at)
        return NULL;
    return kube_proto_read(kube_proto_status, bytes + at, page.left, NULL, "", &status, NULL) == IST_OK
               ? status
               : NULL;
}
