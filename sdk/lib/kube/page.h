// A list answer that is taken apart while it arrives: one item after the other, never the page as a whole.
// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#collections
#ifndef IST_KUBE_PAGE_H
#define IST_KUBE_PAGE_H

#include "internal.h"

// Zero-initialise. Grows to the size of the largest item.
struct kube_page {
    ist_buf item;     // the item under way
    ist_buf envelope; // everything but the items: kind, metadata
    char key[8];      // the last string at depth 1, as far as it fits: the key of what follows
    size_t key_len;
    int depth;
    char in_string, escaped, in_items, started, done;
};

// One item, as it came; borrowed. Anything but IST_OK ends the page with it.
typedef int32_t kube_page_item(void *arg, const char *text, size_t len, ist_error *err);

// Takes the bytes that arrived next. IST_ERR_LIMIT: an item or the rest is too large to be true.
int32_t kube_page_feed(struct kube_page *page, const char *bytes, size_t len, kube_page_item *take, void *arg,
                       const char *where, ist_error *err);
// The answer has ended: everything but the items (new reference), or an error when it is not whole.
int32_t kube_page_end(struct kube_page *page, const char *where, json_t **envelope, ist_error *err);
void kube_page_reset(struct kube_page *page);

#endif
