// A daemon that begins lists everything of a kind at once, its own and what is not: one list instead of two, of one
// moment, from which the watch goes on. What is its own can be compared only when every cluster was listed: until then
// it is kept, as text, as long as that is not much. Else it is listed by itself once that is so.
#include "internal.h"
#include "reconciler.h"

#include <string.h>

#define ASIDE_MAX (8u << 20) // of all kinds of a cluster
#define AT_ONCE   256        // so many are compared before all else has its turn

void rec_aside_begin(struct rec_feed *feed, int whole)
{
    rec_aside_drop(feed);
    feed->whole = whole != 0;
}

void rec_aside_drop(struct rec_feed *feed)
{
    ist_buf_free(&feed->aside);
    feed->aside_at = 0;
    feed->whole = feed->spilled = 0;
}

// An item behind this, without what is in from .. to.
struct head {
    uint32_t len; // which is below the maximum of a buffer
    uint32_t binary;
};

static void keep(struct rec_feed *feed, const struct rec_item *item, size_t from, size_t to)
{
    const struct rec_cluster *cluster = feed->cluster;
    size_t held = 0, kept = item->len - (to - from);
    struct head head = {.len = (uint32_t)kept, .binary = item->binary};
    for (size_t i = 0; i < cluster->run->kinds; i++)
        held += cluster->feeds[i].aside.len;
    if (feed->spilled || held + kept + sizeof head > ASIDE_MAX) {
        ist_buf_free(&feed->aside);
        feed->spilled = 1;
        return;
    }
    ist_buf_add(&feed->aside, &head, sizeof head);
    ist_buf_add(&feed->aside, item->bytes, from);
    ist_buf_add(&feed->aside, item->bytes + to, item->len - to);
}

// Without the label's name, and without an escape that may stand for part of it, it is not.
static int may_be_own(const struct rec_item *item)
{
    return memmem(item->bytes, item->len, IST_LABEL_OWNER, strlen(IST_LABEL_OWNER)) ||
           (!item->binary && memchr(item->bytes, '\\', item->len));
}

// The owner it says: by length, borrowed. 0: that cannot be told without reading all of it.
static int find_owner(const struct rec_item *item, const char **owner, size_t *len, size_t *from, size_t *to)
{
    if (item->binary)
        return kube_proto_find_label(item->bytes, item->len, IST_LABEL_OWNER, owner, len);
    return kube_find_label(item->bytes, item->len, IST_LABEL_OWNER, owner, len, from, to);
}

int rec_aside_put(struct rec_feed *feed, const struct rec_item *item)
{
    const char *owner = feed->cluster->run->owner, *said = NULL;
    size_t said_len = 0, from = 0, to = 0;
    int own = 0;
    if (!may_be_own(item))
        return 0;
    if (find_owner(item, &said, &said_len, &from, &to)) {
        own = said && said_len == strlen(owner) && !memcmp(said, owner, said_len);
    } else {
        json_t *object = NULL;
        if (item->binary || ist_json_parse(item->bytes, item->len, "", &object, NULL) != IST_OK)
            return 0; // whoever reads it says so
        own = rec_is_own(feed->cluster->run, object);
        json_decref(object);
    }
    if (own)
        keep(feed, item, from, to);
    return own;
}

int rec_aside_has(const struct rec_feed *feed)
{
    return feed->whole && !feed->spilled;
}

int32_t rec_aside_take(struct rec_feed *feed, int *more, ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t n = 0; rc == IST_OK && n < AT_ONCE && feed->aside_at < feed->aside.len; n++) {
        struct head head;
        memcpy(&head, feed->aside.data + feed->aside_at, sizeof head);
        struct rec_item item = {.bytes = feed->aside.data + feed->aside_at + sizeof head,
                                .len = head.len,
                                .binary = (uint8_t)head.binary};
        rc = rec_feed_compare(feed, &item, err);
        feed->aside_at += sizeof head + head.len;
    }
    *more = feed->aside_at < feed->aside.len;
    return rc;
}
