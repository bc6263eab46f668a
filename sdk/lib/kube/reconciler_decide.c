// A key: what is wanted under it against what is there, in the order of carrying it out.
#include "reconciler.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void rec_key_note(struct rec_key *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    if (!key->notes)
        key->notes = json_array();
    json_array_append_new(key->notes, json_string(text));
    ist_free(text);
}

void rec_job_free(struct rec_job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->count; i++) {
        json_decref(job->actions[i].object);
        ist_free(job->actions[i].ns);
        ist_free(job->actions[i].name);
        ist_free(job->actions[i].uid);
    }
    ist_free(job->actions);
    ist_free(job);
}

static void add(struct rec_job *job, enum rec_op op, size_t kind, const char *ns, const char *name,
                const char *uid, const struct rec_want *want)
{
    job->actions = ist_realloc(job->actions, job->count + 1, sizeof *job->actions);
    job->actions[job->count++] = (struct rec_action){.op = op,
                                                     .kind = kind,
                                                     .object = want ? json_incref(want->object) : NULL,
                                                     .ns = ist_strdup(ns),
                                                     .name = ist_strdup(name),
                                                     .uid = uid ? ist_strdup(uid) : NULL,
                                                     .if_absent = want && want->flags & IST_WANT_IF_ABSENT};
}

// Was it planned? Without a plan everything is, and what follows on a step on the way.
static int planned(const struct rec_job *job, const struct rec_want *want, const char *verb, size_t kind,
                   const char *ns, const char *name)
{
    ist_reconciler *run = job->cluster->run;
    if (!run->planned || job->key->follows)
        return 1;
    char *id = ist_printf("%s %s %s%s%s", verb, run->plugin->kinds[kind].kind, ns, *ns ? "/" : "", name);
    const char *seen =
        json_string_value(json_object_get(json_object_get(run->planned, job->cluster->item->name), id));
    char *digest = rec_digest_text(want ? want->object : NULL);
    int found = seen && !strcmp(seen, digest);
    ist_free(digest);
    ist_free(id);
    run->unplanned += !found;
    return found;
}

static void refuse(struct rec_cluster *cluster, struct rec_key *key, const struct rec_object *record)
{
    const char *ns = rec_object_ns(record);
    rec_key_note(key, "%s %s%s%s is left alone: %s", cluster->run->plugin->kinds[record->kind].kind, ns,
                 *ns ? "/" : "", rec_object_name(record),
                 record->isthmus ? "another step of Isthmus keeps it" : "it exists and is not Isthmus's");
}

// Another key has this object, and goes on wanting it.
static int is_clash(struct rec_job *job, const struct rec_object *record)
{
    struct rec_cluster *cluster = job->cluster;
    const char *ns = rec_object_ns(record), *name = rec_object_name(record);
    const struct rec_key *other = record->key;
    if (!other || other == job->key || !rec_wants(cluster, other, record->kind, ns, name))
        return 0;
    rec_clash(job, other->text, record->kind, ns, name);
    return 1;
}

void rec_clash(struct rec_job *job, const char *other, size_t kind, const char *ns, const char *name)
{
    struct rec_cluster *cluster = job->cluster;
    const char *what = cluster->run->plugin->kinds[kind].kind;
    rec_key_note(job->key, "%s %s%s%s is wanted twice, for %s and for %s: the first keeps it", what, ns,
                 *ns ? "/" : "", name, other, job->key->text);
    if (!cluster->clash.code)
        ist_fail(&cluster->clash, IST_ERR_CONFLICT, cluster->item->name,
                 "%s %s%s%s is wanted twice, for %s and for %s", what, ns, *ns ? "/" : "", name, other,
                 job->key->text);
    job->failed = 1;
}

static void decide_one(struct rec_job *job, const struct rec_want *want, const char *ns, const char *name)
{
    struct rec_cluster *cluster = job->cluster;
    struct rec_object *record = rec_find(cluster, want->kind, ns, name);
    if (!cluster->serves[want->kind]) {
        rec_key_note(job->key, "the cluster does not serve %s %s",
                     cluster->run->plugin->kinds[want->kind].api,
                     cluster->run->plugin->kinds[want->kind].kind);
        return;
    }
    if (record && !record->own) {
        if (record->mixed)
            add(job, REC_WITHDRAW, want->kind, ns, name, record->uid, NULL);
        if (!(want->flags & IST_WANT_IF_ABSENT))
            refuse(cluster, job->key, record);
        return;
    }
    if (record && want->flags & IST_WANT_IF_ABSENT && record->busy && !*record->uid &&
        record->key != job->key) {
        job->waits = 1; // two keys want one Namespace: the second begins once it is there
        return;
    }
    if (record && record->unmarked && want->flags & IST_WANT_IF_ABSENT)
        return; // its own key puts the mark back, once for all that want it
    if (record && !(want->flags & IST_WANT_IF_ABSENT) && is_clash(job, record))
        return;
    if (record) {
        record->kept = 1;
        if (!(want->flags & IST_WANT_IF_ABSENT)) // which many may want
            rec_set_key(cluster, record, job->key);
    }
    if (record && (record->deleting || want->flags & IST_WANT_IF_ABSENT))
        return; // its going is told by the watch
    // What cannot be resolved yet is by the time it is sent, if the owner is ours to make.
    if (!rec_resolve(cluster, want->object) && rec_owner_taken(cluster, want->object)) {
        rec_key_note(job->key, "%s %s%s%s waits: the name of its owner is taken",
                     cluster->run->plugin->kinds[want->kind].kind, ns, *ns ? "/" : "", name);
        return;
    }
    if (record && record->digest == rec_digest(want->object))
        return;
    if (planned(job, want, record ? "update" : "create", want->kind, ns, name))
        add(job, record ? REC_UPDATE : REC_CREATE, want->kind, ns, name, record ? record->uid : NULL, want);
}

static int kept(const struct ist_wanted *wanted, const struct rec_object *record)
{
    size_t i;
    const json_t *source;
    if (wanted->keep_all)
        return 1;
    json_array_foreach(wanted->keep, i, source)
    {
        if (record->source && !strcmp(json_string_value(source), record->source))
            return 1;
    }
    return 0;
}

static void delete_rest(struct rec_job *job, const struct ist_wanted *wanted)
{
    const ist_reconciler *run = job->cluster->run;
    for (size_t kind = run->kinds; kind-- > 0;)
        for (struct rec_object *record = job->key->objects; record; record = record->next) {
            const char *ns = rec_object_ns(record), *name = rec_object_name(record);
            if (record->kind != kind || record->kept || record->deleting || kept(wanted, record) ||
                !strcmp(run->plugin->kinds[kind].kind, "Namespace"))
                continue;
            if (planned(job, NULL, "delete", kind, ns, name))
                add(job, REC_DELETE, kind, ns, name, record->uid, NULL);
        }
}

// A Namespace of ours that lost its mark gets it back, whether or not anything wants it now.
static void mark_rest(struct rec_job *job)
{
    const ist_reconciler *run = job->cluster->run;
    for (struct rec_object *record = job->key->objects; record; record = record->next) {
        const char *ns = rec_object_ns(record), *name = rec_object_name(record);
        if (!record->unmarked || record->deleting ||
            strcmp(run->plugin->kinds[record->kind].kind, "Namespace") != 0)
            continue;
        struct rec_want want = {.object = rec_mark(run, record->kind, ns, name), .flags = IST_WANT_IF_ABSENT};
        if (planned(job, &want, "update", record->kind, ns, name))
            add(job, REC_UPDATE, record->kind, ns, name, record->uid, &want);
        json_decref(want.object);
    }
}

static int by_order(const void *a, const void *b)
{
    const struct rec_action *x = a, *y = b;
    int x_last = x->op == REC_DELETE, y_last = y->op == REC_DELETE;
    if (x_last != y_last)
        return x_last - y_last;
    if (x->kind != y->kind)
        return (x->kind < y->kind) == !x_last ? -1 : 1;
    int order = strcmp(x->ns, y->ns);
    return order ? order : strcmp(x->name, y->name);
}

int rec_is_settled(const struct rec_key *key)
{
    size_t count = 0;
    for (const struct rec_object *record = key->objects; record; record = record->next, count++)
        if (!record->digest || record->deleting)
            return 0;
    return key->said && key->said == count && !key->notes;
}

struct rec_job *rec_decide(struct rec_cluster *cluster, struct rec_key *key)
{
    json_decref(key->notes);
    key->notes = NULL;
    const struct ist_wanted *wanted = rec_want(cluster, key);
    struct rec_job *job = ist_calloc(1, sizeof *job);
    job->cluster = cluster;
    job->key = key;
    job->again = wanted->again;
    key->notes = json_incref(wanted->notes);
    rec_key_note_rival(key);
    for (struct rec_object *record = key->objects; record; record = record->next)
        record->kept = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        const json_t *metadata = json_object_get(wanted->items[i].object, "metadata");
        const char *ns = json_string_value(json_object_get(metadata, "namespace"));
        const char *name = json_string_value(json_object_get(metadata, "name"));
        if (wanted->items[i].kind == REC_KINDS || !name)
            rec_key_note(key, "a wanted object is of no kind of the table, or without a name");
        else
            decide_one(job, &wanted->items[i], ns ? ns : "", name);
    }
    delete_rest(job, wanted);
    mark_rest(job);
    rec_stale(cluster->run); // the actions hold the objects from here on, and change them
    if (job->count > 1)
        qsort(job->actions, job->count, sizeof *job->actions, by_order);
    return job;
}
