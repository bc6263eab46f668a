// What want() says, and digests of it.
#include "internal.h"
#include "reconciler.h"

#include <stdarg.h>
#include <string.h>

void ist_wanted_add(ist_wanted *wanted, json_t *object, uint32_t flags)
{
    if (wanted->count == wanted->room) {
        wanted->room = wanted->room ? 2 * wanted->room : 4;
        wanted->items = ist_realloc(wanted->items, wanted->room, sizeof *wanted->items);
    }
    wanted->items[wanted->count++] = (struct rec_want){.object = object, .flags = flags, .kind = REC_KINDS};
}

void ist_wanted_keep(ist_wanted *wanted, const char *source)
{
    if (!wanted->keep)
        wanted->keep = json_array();
    json_array_append_new(wanted->keep, json_string(source));
}

void ist_wanted_keep_all(ist_wanted *wanted)
{
    wanted->keep_all = 1;
}

void ist_wanted_again(ist_wanted *wanted)
{
    wanted->again = 1;
}

void ist_wanted_note(ist_wanted *wanted, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    if (!wanted->notes)
        wanted->notes = json_array();
    json_array_append_new(wanted->notes, json_string(text));
    ist_free(text);
}

void rec_wanted_free(struct ist_wanted *wanted)
{
    if (!wanted)
        return;
    for (size_t i = 0; i < wanted->count; i++)
        json_decref(wanted->items[i].object);
    ist_free(wanted->items);
    json_decref(wanted->keep);
    json_decref(wanted->notes);
    ist_free(wanted);
}

void rec_stale(ist_reconciler *run)
{
    rec_wanted_free(run->wanted);
    run->wanted = NULL;
    run->wanted_key = NULL;
}

static size_t kind_of(const ist_reconciler *run, const json_t *object)
{
    const char *api = ist_json_str_or(object, "apiVersion", ""), *kind = ist_json_str_or(object, "kind", "");
    for (size_t i = 0; i < run->kinds; i++)
        if (!strcmp(run->plugin->kinds[i].kind, kind) && !strcmp(run->plugin->kinds[i].api, api))
            return i;
    return REC_KINDS;
}

struct ist_wanted *rec_want(struct rec_cluster *cluster, struct rec_key *key)
{
    ist_reconciler *run = cluster->run;
    if (run->wanted && run->wanted_key == key && run->wanted_cluster == cluster)
        return run->wanted;
    rec_stale(run);
    struct ist_wanted *wanted = ist_calloc(1, sizeof *wanted);
    if (!key->orphan)
        run->plugin->want(run->model, cluster->index, key->text, wanted);
    for (size_t i = 0; i < wanted->count; i++) {
        wanted->items[i].kind = kind_of(run, wanted->items[i].object);
        ist_kube_own(wanted->items[i].object, run->owner);
    }
    run->wanted = wanted;
    run->wanted_key = key;
    run->wanted_cluster = cluster;
    return wanted;
}

const struct rec_want *rec_want_find(const struct ist_wanted *wanted, size_t kind, const char *ns,
                                     const char *name)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const json_t *metadata = json_object_get(wanted->items[i].object, "metadata");
        const char *its_ns = json_string_value(json_object_get(metadata, "namespace"));
        const char *its_name = json_string_value(json_object_get(metadata, "name"));
        if (wanted->items[i].kind == kind && its_name && !strcmp(its_name, name) &&
            !strcmp(its_ns ? its_ns : "", ns ? ns : ""))
            return &wanted->items[i];
    }
    return NULL;
}

int rec_wants(struct rec_cluster *cluster, const struct rec_key *key, size_t kind, const char *ns,
              const char *name)
{
    ist_reconciler *run = cluster->run;
    struct ist_wanted *wanted = ist_calloc(1, sizeof *wanted);
    if (!key->orphan)
        run->plugin->want(run->model, cluster->index, key->text, wanted);
    for (size_t i = 0; i < wanted->count; i++)
        wanted->items[i].kind = kind_of(run, wanted->items[i].object);
    int found = rec_want_find(wanted, kind, ns, name) != NULL;
    rec_wanted_free(wanted);
    return found;
}

// ---- ownerReferences ----

// What an ownerReference names: in the namespace, or none. NULL: no such object, or of no kind of the table.
static const struct rec_object *owner_named(struct rec_cluster *cluster, const json_t *object,
                                            const json_t *reference)
{
    const char *ns = json_string_value(json_object_get(json_object_get(object, "metadata"), "namespace"));
    const char *name = json_string_value(json_object_get(reference, "name"));
    size_t kind = kind_of(cluster->run, reference);
    if (kind == REC_KINDS)
        return NULL;
    const struct rec_object *named = rec_find(cluster, kind, ns, name);
    return named ? named : rec_find(cluster, kind, "", name);
}

static const json_t *references(const json_t *object)
{
    return json_object_get(json_object_get(object, "metadata"), "ownerReferences");
}

int rec_resolve(struct rec_cluster *cluster, json_t *object)
{
    json_t *owner;
    size_t i;
    json_array_foreach(references(object), i, owner)
    {
        const char *uid = json_string_value(json_object_get(owner, "uid"));
        if (!uid || *uid)
            continue;
        const struct rec_object *named = owner_named(cluster, object, owner);
        if (!named || !named->own || !*named->uid || named->deleting)
            return 0;
        json_object_set_new(owner, "uid", json_string(named->uid));
    }
    return 1;
}

int rec_owner_taken(struct rec_cluster *cluster, const json_t *object)
{
    const json_t *owner;
    size_t i;
    json_array_foreach(references(object), i, owner)
    {
        const char *uid = json_string_value(json_object_get(owner, "uid"));
        const struct rec_object *named = uid && !*uid ? owner_named(cluster, object, owner) : NULL;
        if (named && !named->own)
            return 1;
    }
    return 0;
}

// ---- digests ----

uint64_t rec_text_digest(const char *text)
{
    return kube_digest_string(text, strlen(text));
}

uint64_t rec_digest(const json_t *object)
{
    uint64_t value = kube_digest(object);
    return value ? value : 1;
}

char *rec_digest_text(const json_t *object)
{
    return ist_printf("%016llx", object ? (unsigned long long)rec_digest(object) : 0ull);
}

int rec_is_own(const ist_reconciler *run, const json_t *object)
{
    const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
    const char *owner = json_string_value(json_object_get(labels, IST_LABEL_OWNER));
    return owner && !strcmp(owner, run->owner);
}
