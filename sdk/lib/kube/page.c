// List answers taken apart item by item while they arrive.
#include "page.h"

#include "internal.h"

#include <string.h>

#define ITEM_MAX     (8u << 20)
#define ENVELOPE_MAX (1u << 20)
#define KEEP_ROOM    (256u << 10)

void kube_page_reset(struct kube_page *page)
{
    ist_buf_free(&page->item);
    ist_buf_free(&page->envelope);
    *page = (struct kube_page){.item.max = ITEM_MAX, .envelope.max = ENVELOPE_MAX};
}

static int32_t too_large(const char *where, ist_error *err)
{
    return ist_fail(err, IST_ERR_LIMIT, where, "an object or the head of the list is larger than %u bytes",
                    ITEM_MAX);
}

static int32_t item_whole(struct kube_page *page, kube_page_item *take, void *arg, ist_error *err)
{
    int32_t rc = take(arg, page->item.data, page->item.len, err);
    page->item.len = 0;
    if (page->item.room > KEEP_ROOM)
        ist_buf_free(&page->item);
    return rc;
}

// Where the bytes up to here belong: into the item under way, into the envelope, or (commas between items)
// nowhere.
static int32_t keep(struct kube_page *page, int item, const char *bytes, size_t len)
{
    return len ? ist_buf_add(item ? &page->item : &page->envelope, bytes, len) : IST_OK;
}

// The last part of an item: where it is all of it, it need not be put together.
static int32_t item_ends(struct kube_page *page, const char *bytes, size_t len, kube_page_item *take,
                         void *arg, const char *where, ist_error *err)
{
    if (page->item.len == 0 && len <= ITEM_MAX)
        return take(arg, bytes, len, err);
    return keep(page, 1, bytes, len) == IST_OK ? item_whole(page, take, arg, err) : too_large(where, err);
}

// A character outside of strings. Returns 1 when it ends an item.
static int structure(struct kube_page *page, char c)
{
    if (c == '{' || c == '[') {
        if (c == '[' && page->depth == 1 && page->key_len == 5 && memcmp(page->key, "items", 5) == 0)
            page->in_items = 1;
        page->depth++;
        page->started = 1;
    } else if (c == '}' || c == ']') {
        page->depth--;
        if (page->in_items && page->depth == 2 && c == '}')
            return 1;
        if (page->in_items && page->depth == 1)
            page->in_items = 0;
        page->done = page->started && page->depth <= 0;
    } else if (c == '"') {
        page->in_string = 1;
        if (page->depth == 1)
            page->key_len = 0;
    }
    return 0;
}

static void in_string(struct kube_page *page, char c)
{
    if (page->escaped)
        page->escaped = 0;
    else if (c == '\\')
        page->escaped = 1;
    else if (c == '"')
        page->in_string = 0;
    else if (page->depth == 1) {
        if (page->key_len < sizeof page->key)
            page->key[page->key_len] = c;
        page->key_len++; // too long is no key that matters
    }
}

// To the next character of an item that may end it, or to the end.
static size_t skip_inside(struct kube_page *page, const char *bytes, size_t len, size_t i)
{
    int depth = page->depth;
    for (; i < len; i++) {
        if (page->in_string) {
            if (page->escaped)
                page->escaped = 0, i++;
            if (i < len)
                i = (size_t)(kube_string_stop(bytes + i, bytes + len) - bytes);
            if (i == len)
                break;
            page->escaped = bytes[i] == '\\';
            page->in_string = page->escaped;
            continue;
        }
        char c = bytes[i];
        if (c == '"')
            page->in_string = 1;
        else if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']') {
            if (depth == 3)
                break;
            depth--;
        }
    }
    page->depth = depth;
    return i;
}

int32_t kube_page_feed(struct kube_page *page, const char *bytes, size_t len, kube_page_item *take, void *arg,
                       const char *where, ist_error *err)
{
    size_t from = 0; // bytes before were kept
    if (page->item.max == 0)
        kube_page_reset(page);
    for (size_t i = 0; i < len; i++) {
        if (page->in_items && page->depth > 2) // nearly all of it
            i = skip_inside(page, bytes, len, i);
        if (i == len)
            break;
        if (page->in_string) {
            in_string(page, bytes[i]);
            continue;
        }
        int between = page->in_items && page->depth == 2, was = page->in_items && page->depth > 2;
        int ends = structure(page, bytes[i]);
        int now = page->in_items && page->depth > 2;
        if (between && !now && page->in_items) { // commas and spaces
            from = i + 1;
        } else if (between && !page->in_items) { // the closing bracket
            from = i;
        } else if (between) { // an item begins
            from = i;
        } else if (!was && page->in_items) { // the opening bracket
            if (keep(page, 0, bytes + from, i + 1 - from) != IST_OK)
                return too_large(where, err);
            from = i + 1;
        } else if (ends) {
            int32_t rc = item_ends(page, bytes + from, i + 1 - from, take, arg, where, err);
            from = i + 1;
            if (rc != IST_OK)
                return rc;
        }
    }
    int inside = page->in_items && page->depth > 2;
    if (page->in_items && page->depth == 2)
        return IST_OK;
    return keep(page, inside, bytes + from, len - from) == IST_OK ? IST_OK : too_large(where, err);
}

int32_t kube_page_end(struct kube_page *page, const char *where, json_t **envelope, ist_error *err)
{
    json_t *head = NULL;
    int32_t rc = IST_OK;
    if (!page->done)
        rc = ist_fail(err, IST_ERR_REMOTE, where, "the list ends in the middle");
    if (rc == IST_OK)
        rc = ist_json_parse(page->envelope.data, page->envelope.len, where, &head, err);
    if (rc == IST_OK && !ist_json_str(head, "metadata.resourceVersion")) {
        json_decref(head);
        rc = ist_fail(err, IST_ERR_REMOTE, where, "the answer is no list");
    }
    kube_page_reset(page);
    if (rc == IST_OK)
        *envelope = head;
    return rc;
}
