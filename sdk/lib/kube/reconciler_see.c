// What lists and watches bring: shown to the model when it is somebody else's, compared when it is our own.
#include "reconciler.h"

#include <string.h>

struct brought {
    struct rec_feed *feed;
    struct rec_cluster *cluster;
    json_t *object;
    const char *ns, *name, *uid;
    uint64_t version;
    uint64_t digest; // is known to be what is wanted, by this; 0: that is to be seen
    int listing;
    int unmarked; // it is ours, and its label is gone
};

static void show(const struct brought *b, int gone)
{
    ist_reconciler *run = b->cluster->run;
    rec_stale(run);
    run->plugin->see(run->model, b->cluster->index, b->feed->kind, b->object, gone);
}

// The model's object with this record is not there any more, and all that is left is the record.
static void show_gone(struct rec_cluster *cluster, const struct rec_object *record)
{
    ist_reconciler *run = cluster->run;
    const ist_reconciler_kind *kind = &run->plugin->kinds[record->kind];
    const char *ns = rec_object_ns(record);
    json_t *object =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s*}}", "apiVersion", kind->api, "kind", kind->kind, "metadata",
                  "name", rec_object_name(record), "uid", record->uid, "namespace", *ns ? ns : NULL);
    rec_stale(run);
    run->plugin->see(run->model, cluster->index, record->kind, object, 1);
    json_decref(object);
}

static void due_now(struct rec_cluster *cluster, struct rec_key *key)
{
    int64_t now = ist_now_ms(&cluster->run->env);
    if (!key->since)
        key->since = now;
    if (key->job)
        key->touched = 1;
    else if (key->due > now)
        rec_key_due(cluster, key, now);
}

// As due_now(), for what somebody else did to an object that was as it should be. Who holds the Lease is no rival.
static void due_for_rival(struct rec_cluster *cluster, struct rec_key *key)
{
    if (rec_stands_by(cluster)) {
        due_now(cluster, key);
        return;
    }
    int64_t now = ist_now_ms(&cluster->run->env), at = rec_key_rival(cluster, key, now);
    if (!key->since)
        key->since = now;
    if (key->job)
        key->contested = 1;
    else if (key->due > at)
        rec_key_due(cluster, key, at);
}

// An object of ours went, was taken over or lost its label: its key is decided again.
static void let_go(struct rec_cluster *cluster, struct rec_object *record)
{
    struct rec_key *key = record->key;
    if (key && cluster->run->settled && cluster->run->watching && record->digest)
        due_for_rival(cluster, key);
    else if (key && cluster->run->settled)
        due_now(cluster, key);
    rec_remove(cluster, record);
}

// ---- somebody else's ----

static void take_other(const struct brought *b)
{
    struct rec_object *record = rec_find(b->cluster, b->feed->kind, b->ns, b->name);
    if (record && record->own) {
        if (rec_version_older(b->version, record->version))
            return;
        let_go(b->cluster, record);
        record = NULL;
    }
    if (record && strcmp(record->uid, b->uid) != 0) {
        show_gone(b->cluster, record);
        rec_set_uid(record, b->uid);
        record->version = 0;
    }
    if (!record)
        record = rec_add(b->cluster, b->feed->kind, b->ns, b->name, b->uid);
    record->round = b->feed->round;
    if (b->listing ? record->version == b->version : rec_version_older(b->version, record->version))
        return;
    record->version = b->version;
    record->mixed = 0;
    record->isthmus = ist_kube_is_ours(b->object) != 0;
    show(b, 0);
}

// ---- our own ----

static struct rec_key *key_of(const struct brought *b)
{
    ist_reconciler *run = b->cluster->run;
    char *text = run->plugin->key_of(run->model, b->cluster->index, b->feed->kind, b->object);
    int orphan = text == NULL;
    if (orphan)
        text = ist_printf("\001%zu %s/%s", b->feed->kind, b->ns, b->name);
    struct rec_key *key = rec_key(b->cluster, text, 1);
    key->orphan = (uint8_t)orphan;
    ist_free(text);
    return key;
}

static void remember_fields(const struct brought *b, json_t *fields)
{
    char *id = ist_printf("%zu/%zu/%s/%s", b->cluster->index, b->feed->kind, b->ns, b->name);
    json_object_set_new(b->cluster->run->fields, id, fields);
    ist_free(id);
}

// The owner may not be listed yet: until it is, what the live object says of it counts. A digest taken so differs
// from the one of the decision when the owner turns out to be another.
static void resolve_by(json_t *wanted, const json_t *live)
{
    size_t i, k;
    json_t *mine, *its;
    json_array_foreach(ist_json_at(wanted, "metadata.ownerReferences"), i, mine)
        json_array_foreach(ist_json_at(live, "metadata.ownerReferences"), k, its)
    {
        if (!strcmp(ist_json_str_or(mine, "uid", "-"), "") &&
            !strcmp(ist_json_str_or(mine, "name", ""), ist_json_str_or(its, "name", "")) &&
            !strcmp(ist_json_str_or(mine, "kind", ""), ist_json_str_or(its, "kind", "")))
            json_object_set(mine, "uid", json_object_get(its, "uid"));
    }
}

// Is what should be there in any case there, and to stay?
static int is_present(struct rec_cluster *cluster, const struct rec_want *want)
{
    const json_t *metadata = json_object_get(want->object, "metadata");
    const struct rec_object *record =
        rec_find(cluster, want->kind, json_string_value(json_object_get(metadata, "namespace")),
                 json_string_value(json_object_get(metadata, "name")));
    return record && *record->uid && !record->busy && !record->deleting && !record->unmarked &&
           !record->mixed;
}

// How many objects of the key there are when all that was said is there, and nothing else is to be done; 0: that is not so
// simple.
static uint16_t said_by(struct rec_cluster *cluster, const struct ist_wanted *wanted)
{
    size_t count = 0;
    if (wanted->again || wanted->keep || wanted->keep_all || wanted->notes || wanted->count > UINT16_MAX)
        return 0;
    for (size_t i = 0; i < wanted->count; i++) {
        if (!(wanted->items[i].flags & IST_WANT_IF_ABSENT))
            count++;
        else if (!is_present(cluster, &wanted->items[i]))
            return 0;
    }
    return (uint16_t)count;
}

// What else is wanted with it need not be asked for again. The digest of the whole: an owner's uid is known by now.
static void expect(struct rec_cluster *cluster, const struct ist_wanted *wanted)
{
    const ist_reconciler_kind *kinds = cluster->run->plugin->kinds;
    for (size_t i = 0; i < wanted->count; i++) {
        const struct rec_want *want = &wanted->items[i];
        if (want->kind < REC_KINDS && kinds[want->kind].flags & IST_KIND_BY_METADATA &&
            !(want->flags & IST_WANT_IF_ABSENT) && rec_resolve(cluster, want->object))
            rec_expect(&cluster->expected, rec_digest(want->object));
    }
}

// Of what is only made, and then left as it is, the mark alone is ours to say.
static void compare_mark(const struct brought *b)
{
    ist_reconciler *run = b->cluster->run;
    json_t *mark = rec_mark(run, b->feed->kind, b->ns, b->name);
    if (!run->watching)
        remember_fields(b, ist_kube_diff(mark, b->object, NULL));
    json_decref(mark);
}

// Is it as the model wants it? Its digest then stands for what it agrees with.
static void compare(const struct brought *b, struct rec_object *record)
{
    ist_reconciler *run = b->cluster->run;
    if (b->digest) {
        record->digest = b->digest;
        return;
    }
    const struct ist_wanted *wanted = rec_want(b->cluster, record->key);
    if (!b->cluster->compared && !record->key->said)
        expect(b->cluster, wanted);
    const struct rec_want *want = rec_want_find(wanted, b->feed->kind, b->ns, b->name);
    int resolved = !want || rec_resolve(b->cluster, want->object);
    uint64_t agreed = record->digest;
    record->digest = 0;
    if (record->unmarked && (!want || want->flags & IST_WANT_IF_ABSENT)) {
        compare_mark(b);
    } else if (want && want->flags & IST_WANT_IF_ABSENT) {
        record->digest = 1;
    } else if (want) {
        if (!resolved)
            resolve_by(want->object, b->object);
        const char *const *server_set = run->plugin->kinds[b->feed->kind].server_set;
        if (!kube_differs(want->object, b->object, server_set))
            record->digest = rec_digest(want->object);
        else if (!run->watching)
            remember_fields(b, ist_kube_diff(want->object, b->object, server_set));
    }
    record->key->said = record->unmarked ? 0 : said_by(b->cluster, wanted);
    if (!resolved)
        rec_stale(run);
    if (record->digest || record->deleting)
        return;
    // What was as it is still wanted, and is so no more, somebody else changed.
    if (agreed && run->watching && resolved && want && agreed == rec_digest(want->object))
        due_for_rival(b->cluster, record->key);
    else
        due_now(b->cluster, record->key);
}

static void take_own(const struct brought *b)
{
    ist_reconciler *run = b->cluster->run;
    struct rec_object *record = rec_find(b->cluster, b->feed->kind, b->ns, b->name);
    if (record && !record->own && rec_version_older(b->version, record->version))
        return;
    if (record && record->mixed && !strcmp(record->uid, b->uid)) { // the label is coming off again
        record->version = b->version;
        return;
    }
    if (record && !record->own) { // it got our label
        show_gone(b->cluster, record);
        rec_remove(b->cluster, record);
        record = NULL;
    }
    if (!run->settled || b->feed->stage < REC_OURS)
        return; // the listing of what is ours brings it
    if (record) {
        record->round = b->feed->round;
        if (rec_version_older(b->version, record->version) ||
            (record->version == b->version && record->digest))
            return;
    }
    struct rec_key *key = key_of(b);
    if (!record) {
        record = rec_add(b->cluster, b->feed->kind, b->ns, b->name, b->uid);
        record->own = 1;
        record->round = b->feed->round;
    }
    const json_t *metadata = json_object_get(b->object, "metadata");
    rec_set_uid(record, b->uid);
    record->version = b->version;
    record->unmarked = b->unmarked != 0;
    record->source = rec_intern(run, json_string_value(json_object_get(json_object_get(metadata, "labels"),
                                                                       IST_LABEL_SOURCE_CLUSTER)));
    record->deleting = json_object_get(metadata, "deletionTimestamp") != NULL;
    if (record->key && record->key != key) // which may miss it
        due_now(b->cluster, record->key);
    rec_set_key(b->cluster, record, key);
    compare(b, record);
}

// ---- gone ----

static void take_gone(const struct brought *b)
{
    struct rec_object *record = rec_find(b->cluster, b->feed->kind, b->ns, b->name);
    if (!record || (*record->uid && *b->uid && strcmp(record->uid, b->uid) != 0))
        return; // of an earlier object of that name
    if (record->own) {
        let_go(b->cluster, record);
        return;
    }
    show(b, 1);
    rec_remove(b->cluster, record);
}

// Somebody took our label off: made by this step before, or known as ours in this run. Or it carries the name that this
// step had before it got another one (`state mv`): then only what was made tells.
static int is_ours_unmarked(const struct brought *b)
{
    if (!(b->cluster->run->plugin->kinds[b->feed->kind].flags & IST_KIND_WRITTEN))
        return 0;
    if (!rec_is_unmarked(b->object))
        return !ist_manifest_step(b->object) && rec_made_has(&b->cluster->made, b->uid);
    const struct rec_object *record = rec_find(b->cluster, b->feed->kind, b->ns, b->name);
    return (record && record->own && *record->uid && !strcmp(record->uid, b->uid)) ||
           rec_made_has(&b->cluster->made, b->uid);
}

static void keep_for_later(struct rec_feed *feed, json_t *object)
{
    if (!feed->unmarked)
        feed->unmarked = json_array();
    json_array_append(feed->unmarked, object);
}

void rec_see_unmarked(struct rec_feed *feed)
{
    size_t i;
    json_t *object;
    json_array_foreach(feed->unmarked, i, object) rec_see(feed, object, 0, 0);
    json_decref(feed->unmarked);
    feed->unmarked = NULL;
}

// ---- while a write is under way ----

// The last that came of an object while it was written. The answer tells whether that was before or after.
struct rec_held {
    struct rec_held *next;
    struct rec_feed *feed;
    json_t *object;
    int gone;
};

static struct rec_held **find_held(struct rec_cluster *cluster, size_t kind, const char *ns, const char *name)
{
    struct rec_held **at = &cluster->held;
    for (; *at; at = &(*at)->next) {
        const json_t *metadata = json_object_get((*at)->object, "metadata");
        if ((*at)->feed->kind == kind && !strcmp(ist_json_str_or(metadata, "namespace", ""), ns) &&
            !strcmp(ist_json_str_or(metadata, "name", ""), name))
            break;
    }
    return at;
}

static void hold(const struct brought *b, int gone)
{
    struct rec_held **at = find_held(b->cluster, b->feed->kind, b->ns, b->name), *held = *at;
    if (!held)
        *at = held = ist_calloc(1, sizeof *held);
    json_decref(held->object);
    held->feed = b->feed;
    held->object = json_incref(b->object);
    held->gone = gone;
}

static struct rec_held *take_held(struct rec_held **at)
{
    struct rec_held *held = *at;
    *at = held->next;
    return held;
}

static void held_free(struct rec_held *held)
{
    json_decref(held->object);
    ist_free(held);
}

void rec_see_held(struct rec_cluster *cluster, size_t kind, const char *ns, const char *name)
{
    struct rec_held **at = find_held(cluster, kind, ns, name);
    if (!*at)
        return;
    struct rec_held *held = take_held(at);
    rec_see(held->feed, held->object, held->gone, 0);
    held_free(held);
}

void rec_held_free(struct rec_cluster *cluster)
{
    while (cluster->held)
        held_free(take_held(&cluster->held));
}

static void see(struct rec_feed *feed, json_t *object, int gone, int listing, uint64_t digest)
{
    json_t *metadata = json_object_get(object, "metadata");
    const ist_reconciler_kind *kind = &feed->cluster->run->plugin->kinds[feed->kind];
    struct brought b = {
        .feed = feed, .cluster = feed->cluster, .object = object, .listing = listing, .digest = digest};
    b.ns = json_string_value(json_object_get(metadata, "namespace"));
    b.name = json_string_value(json_object_get(metadata, "name"));
    b.uid = json_string_value(json_object_get(metadata, "uid"));
    b.version = rec_version(json_string_value(json_object_get(metadata, "resourceVersion")));
    b.ns = b.ns ? b.ns : "";
    b.uid = b.uid ? b.uid : "";
    if (!b.name)
        return;
    kube_slim(object);
    if (listing) { // items do not repeat what they are
        json_object_set_new(object, "apiVersion", json_string(kind->api));
        json_object_set_new(object, "kind", json_string(kind->kind));
    }
    int own = rec_is_own(feed->cluster->run, object);
    const struct rec_object *record = rec_find(feed->cluster, feed->kind, b.ns, b.name);
    b.unmarked = !own && !gone && is_ours_unmarked(&b);
    if (b.unmarked && listing && feed->stage == REC_OTHERS)
        keep_for_later(feed, object); // it is compared when what is ours is
    else if (listing && own != (feed->stage == REC_OURS))
        return; // it changed hands between two pages: the watch tells
    else if (record && record->busy)
        hold(&b, gone);
    else if (gone)
        take_gone(&b);
    else if (own || b.unmarked)
        take_own(&b);
    else
        take_other(&b);
}

void rec_see(struct rec_feed *feed, json_t *object, int gone, int listing)
{
    see(feed, object, gone, listing, 0);
}

int rec_see_known(struct rec_feed *feed, json_t *head, uint64_t digest)
{
    if (!rec_is_expected(&feed->cluster->expected, digest))
        return 0;
    see(feed, head, 0, 1, digest);
    return 1;
}

void rec_sweep(struct rec_feed *feed, int own)
{
    struct rec_table *table = &feed->cluster->table;
    struct rec_object **missing = NULL;
    size_t count = 0, room = 0;
    for (size_t i = 0; i < table->room; i++) {
        struct rec_object *record = table->slots[i];
        if (!record || record->kind != feed->kind || record->own != own || record->round == feed->round ||
            record->busy || record->mixed)
            continue;
        if (count == room) {
            room = room ? 2 * room : 16;
            missing = ist_realloc(missing, room, sizeof *missing);
        }
        missing[count++] = record;
    }
    for (size_t i = 0; i < count; i++) {
        if (own) {
            let_go(feed->cluster, missing[i]);
        } else {
            show_gone(feed->cluster, missing[i]);
            rec_remove(feed->cluster, missing[i]);
        }
    }
    ist_free(missing);
}
