// What lists bring, item by item, in JSON or in protobuf, which servers write in a third of the time where they know the
// kind.
#include "internal.h"
#include "reconciler.h"

static const ist_reconciler_kind *kind_of(const struct rec_feed *feed)
{
    return &feed->cluster->run->plugin->kinds[feed->kind];
}

static const struct kube_proto_field *fields_of(const ist_reconciler_kind *kind)
{
    return kube_proto_fields(kind->api, kind->kind, kind->flags & IST_KIND_BRIEF);
}

// A server that knows no protobuf of it answers in JSON.
const char *rec_list_accept(const struct rec_feed *feed)
{
    return !feed->as_json && fields_of(kind_of(feed)) ? "Accept: " KUBE_PROTO_TYPE ", application/json"
                                                      : REC_ACCEPT_JSON;
}

static int skim(const struct rec_feed *feed, const struct rec_item *item, json_t **head, uint64_t *digest)
{
    const ist_reconciler_kind *kind = kind_of(feed);
    return item->binary
               ? kube_proto_skim(fields_of(kind), item->bytes, item->len, kind->api, kind->kind, head, digest)
               : kube_skim(item->bytes, item->len, kind->api, kind->kind, head, digest);
}

static int32_t see_item(struct rec_feed *feed, const struct rec_item *item, const char *const *unread,
                        ist_error *err)
{
    const ist_reconciler_kind *kind = kind_of(feed);
    json_t *object = NULL;
    int32_t rc = item->binary ? kube_proto_read(fields_of(kind), item->bytes, item->len, unread, kind->kind,
                                                &object, err)
                              : kube_parse_without(item->bytes, item->len, unread, kind->kind, &object, err);
    if (rc == IST_OK)
        rec_see(feed, object, 0, 1);
    json_decref(object);
    return rc;
}

int32_t rec_feed_compare(struct rec_feed *feed, const struct rec_item *item, ist_error *err)
{
    const ist_reconciler_kind *kind = kind_of(feed);
    json_t *head = NULL;
    uint64_t digest;
    if (kind->flags & IST_KIND_BY_METADATA && !kind->server_set && skim(feed, item, &head, &digest)) {
        int known = rec_see_known(feed, head, digest);
        json_decref(head);
        if (known)
            return IST_OK;
    }
    return see_item(feed, item, NULL, err);
}

static int32_t take_item(void *arg, const char *text, size_t len, ist_error *err)
{
    struct rec_feed *feed = arg;
    struct rec_item item = {.bytes = text, .len = len, .binary = feed->binary};
    feed->items++;
    if (feed->stage == REC_OURS)
        return rec_feed_compare(feed, &item, err);
    if (feed->whole && rec_aside_put(feed, &item))
        return IST_OK;
    return see_item(feed, &item, kind_of(feed)->unread, err);
}

// What of these bytes can be taken by now; what is broken in protobuf is asked for in JSON the next time.
int32_t rec_list_feed(struct rec_feed *feed, const char *bytes, size_t len, size_t *used, ist_error *err)
{
    const char *where = kind_of(feed)->kind;
    feed->binary = feed->proto.stage || (fields_of(kind_of(feed)) && kube_proto_is(bytes, len));
    *used = len;
    if (!feed->binary)
        return kube_page_feed(&feed->page, bytes, len, take_item, feed, where, err);
    int32_t rc = kube_proto_feed(&feed->proto, bytes, len, used, take_item, feed, where, err);
    feed->as_json |= rc == IST_ERR_REMOTE;
    return rc;
}

int32_t rec_list_end(struct rec_feed *feed, json_t **head, ist_error *err)
{
    const char *where = kind_of(feed)->kind;
    return feed->binary ? kube_proto_end(&feed->proto, where, head, err)
                        : kube_page_end(&feed->page, where, head, err);
}

void rec_list_reset(struct rec_feed *feed)
{
    kube_page_reset(&feed->page);
    kube_proto_reset(&feed->proto);
}
