// A reconciler out of a test.
#include "fake-reconciler.h"

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
