// What this step made, recorded by uid: a label is easily taken off by hand, a uid is an object's own for ever. So an
// object that lost our mark is still ours, and the missing mark is drift; one of the same name with another uid is
// somebody else's. State holds eight bytes of each uid in hexadecimal, in order, as one text: 10,000 services with
// their slices are some 300 KB. What a watch made since is known by its label, and while the watch runs by its record.
#include "reconciler.h"

#include <isthmus/kube_manifest.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 16

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

void rec_made_read(struct rec_made *made, const char *text)
{
    size_t count = text ? strlen(text) / DIGITS : 0;
    made->items = count ? ist_calloc(count, sizeof *made->items) : NULL;
    made->count = 0;
    for (size_t i = 0; i < count; i++) {
        char digits[DIGITS + 1] = "", *end;
        memcpy(digits, text + i * DIGITS, DIGITS);
        made->items[made->count] = strtoull(digits, &end, 16);
        made->count += *end == '\0';
    }
    if (made->count > 1) // our own text is in order; somebody's edited one need not be
        qsort(made->items, made->count, sizeof *made->items, by_value);
}

void rec_made_free(struct rec_made *made)
{
    ist_free(made->items);
    *made = (struct rec_made){0};
}

int rec_made_has(const struct rec_made *made, const char *uid)
{
    if (!made->count || !uid || !*uid)
        return 0;
    uint64_t digest = rec_text_digest(uid);
    return bsearch(&digest, made->items, made->count, sizeof digest, by_value) != NULL;
}

char *rec_made_text(const struct rec_cluster *cluster)
{
    uint64_t *items = ist_calloc(cluster->table.count + 1, sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < cluster->table.room; i++) {
        const struct rec_object *record = cluster->table.slots[i];
        if (record && record->own && *record->uid && count < cluster->table.count)
            items[count++] = rec_text_digest(record->uid);
    }
    if (count > 1)
        qsort(items, count, sizeof *items, by_value);
    char *text = ist_malloc(count * DIGITS + 1);
    for (size_t i = 0; i < count; i++)
        snprintf(text + i * DIGITS, DIGITS + 1, "%016" PRIx64, items[i]);
    text[count * DIGITS] = '\0';
    ist_free(items);
    return text;
}

const char *rec_made_recorded(const json_t *recorded, const char *cluster)
{
    const char *resource;
    json_t *record;
    json_object_foreach((json_t *)(uintptr_t)recorded, resource, record)
    {
        if (!strcmp(ist_json_str_or(record, "data.cluster", ""), cluster))
            return ist_json_str(record, "data.made");
    }
    return NULL;
}

int rec_is_unmarked(const json_t *object)
{
    const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
    return !json_object_get(labels, IST_LABEL_OWNER) && !json_object_get(labels, IST_LABEL_STEP);
}

json_t *rec_mark(const ist_reconciler *run, size_t kind, const char *ns, const char *name)
{
    json_t *object =
        json_pack("{s:s, s:s, s:{s:s, s:s*}}", "apiVersion", run->plugin->kinds[kind].api, "kind",
                  run->plugin->kinds[kind].kind, "metadata", "name", name, "namespace", *ns ? ns : NULL);
    ist_kube_own(object, run->owner);
    return object;
}
