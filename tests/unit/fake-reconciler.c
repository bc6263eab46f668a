// A reconciler out of a test.
#include "fake-reconciler.h"

#include <isthmus/alloc.h>

#include <stdio.h>
#include <string.h>

void fake_reconciler_init(struct ist_reconciler *run)
{
    *run = (struct ist_reconciler){.touched = json_object(), .uids = json_object()};
    for (size_t i = 0; i < FAKE_CLUSTERS; i++)
        run->state[i] = IST_CLUSTER_SYNCED;
}

void fake_reconciler_free(struct ist_reconciler *run)
{
    json_decref(run->touched);
    json_decref(run->uids);
}

static void name_uid(char text[256], size_t cluster, size_t kind, const char *ns, const char *name)
{
    snprintf(text, 256, "%zu %zu %s/%s", cluster, kind, ns ? ns : "", name);
}

void fake_uid(struct ist_reconciler *run, size_t cluster, size_t kind, const char *ns, const char *name,
              const char *uid)
{
    char text[256];
    name_uid(text, cluster, kind, ns, name);
    if (uid)
        json_object_set_new(run->uids, text, json_string(uid));
    else
        json_object_del(run->uids, text);
}

int fake_touched(const struct ist_reconciler *run, size_t cluster, const char *key)
{
    char text[256];
    snprintf(text, sizeof(text), "%zu %s", cluster, key);
    return json_object_get(run->touched, text) != NULL;
}

void fake_wanted_clear(struct ist_wanted *wanted)
{
    json_decref(wanted->objects);
    json_decref(wanted->if_absent);
    json_decref(wanted->keep);
    json_decref(wanted->notes);
    *wanted = (struct ist_wanted){
        .objects = json_array(), .if_absent = json_array(), .keep = json_array(), .notes = json_array()};
}

json_t *fake_wanted_at(const struct ist_wanted *wanted, const char *kind, size_t i)
{
    size_t j;
    json_t *object;
    json_array_foreach(wanted->objects, j, object)
    {
        if (!strcmp(ist_json_str_or(object, "kind", ""), kind) && i-- == 0)
            return object;
    }
    return NULL;
}

int fake_noted(const struct ist_wanted *wanted, const char *part)
{
    size_t i;
    json_t *note;
    json_array_foreach(wanted->notes, i, note)
    {
        if (strstr(json_string_value(note), part))
            return 1;
    }
    return 0;
}

// ---- what models call ----

void ist_reconciler_touch(ist_reconciler *run, size_t cluster, const char *key, int64_t within_ms)
{
    char text[256];
    snprintf(text, sizeof(text), "%zu %s", cluster, key);
    json_object_set_new(run->touched, text, json_integer(within_ms));
}

void ist_reconciler_grace(ist_reconciler *run, int64_t ms)
{
    run->grace = ms;
}

uint32_t ist_reconciler_state(const ist_reconciler *run, size_t cluster)
{
    return run->state[cluster];
}

int ist_reconciler_serves(const ist_reconciler *run, size_t cluster, size_t kind)
{
    return !run->lacks[cluster][kind];
}

const ist_env *ist_reconciler_env(const ist_reconciler *run)
{
    static const ist_env none = {NULL, NULL};
    (void)run;
    return &none;
}

const char *ist_reconciler_uid(const ist_reconciler *run, size_t cluster, size_t kind, const char *ns,
                               const char *name)
{
    char text[256];
    name_uid(text, cluster, kind, ns, name);
    return json_string_value(json_object_get(run->uids, text));
}

void ist_reconciler_metric(ist_reconciler *run, size_t cluster, const char *name, const char *help,
                           int counter, double value)
{
    (void)run, (void)cluster, (void)name, (void)help, (void)counter, (void)value;
}

void ist_wanted_add(ist_wanted *wanted, json_t *object, uint32_t flags)
{
    json_array_append_new(wanted->objects, object);
    json_array_append_new(wanted->if_absent, json_boolean(flags & IST_WANT_IF_ABSENT));
}

void ist_wanted_keep(ist_wanted *wanted, const char *source)
{
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
    json_array_append_new(wanted->notes, json_string(text));
    ist_free(text);
}
