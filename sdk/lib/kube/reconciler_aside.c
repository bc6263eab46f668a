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

static void keep(struct rec_feed *feed, const char *text, size_t len, size_t from, size_t to)
{
    const struct rec_cluster *cluster = feed->cluster;
    size_t held = 0, kept = len - (to - from);
    for (size_t i = 0; i < cluster->run->kinds; i++)
        held += cluster->feeds[i].aside.len;
    if (feed->spilled || held + kept + sizeof kept > ASIDE_MAX) {
        ist_buf_free(&feed->aside);
        feed->spilled = 1;
        return;
    }
    ist_buf_add(&feed->aside, &kept, sizeof kept); // which is below the maximum of a buffer
    ist_buf_add(&feed->aside, text, from);
    ist_buf_add(&feed->aside, text + to, len - to);
}

// Without the label's name, and without an escape that may stand for part of it, it is not.
static int may_be_own(const char *text, size_t len)
{
    return memmem(text, len, IST_LABEL_OWNER, strlen(IST_LABEL_OWNER)) || memchr(text, '\\', len);
}

int rec_aside_put(struct rec_feed *feed, const char *text, size_t len)
{
    const char *owner = feed->cluster->run->owner, *said = NULL;
    size_t said_len = 0, from = 0, to = 0;
    int own = 0;
    if (!may_be_own(text, len))
        return 0;
    if (kube_find_label(text, len, IST_LABEL_OWNER, &said, &said_len, &from, &to)) {
        own = said && said_len == strlen(owner) && !memcmp(said, owner, said_len);
    } else {
        json_t *item = NULL;
        if (ist_json_parse(text, len, "", &item, NULL) != IST_OK)
            return 0; // whoever reads it says so
        own = rec_is_own(feed->cluster->run, item);
        json_decref(item);
    }
    if (own)
        keep(feed, text, len, from, to);
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
        size_t len;
        memcpy(&len, feed->aside.data + feed->aside_at, sizeof len);
        rc = rec_feed_compare(feed, feed->aside.data + feed->aside_at + sizeof len, len, err);
        feed->aside_at += sizeof len + len;
    }
    *more = feed->aside_at < feed->aside.len;
    return rc;
}
