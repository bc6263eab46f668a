// Manifests as any bytes, read as those of two clusters, and everything that is computed from them: reachability in each
// mode, and companions.
#include "../../plugins/k8s-netpol/companion.h"
#include "../../plugins/k8s-netpol/reach.h"
#include "../../plugins/k8s-netpol/sources.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compute(const struct world *world, uint32_t mode)
{
    struct reach *reach = reach_compute(world, mode);
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count; j++) {
            conn again = CONN_NONE;
            const char *text = conns_text(reach_conns(reach), row[j]);
            // What is written can be read, and means the same.
            if (conns_parse(reach_conns(reach), text, &again) || again != row[j])
                abort();
        }
    }
    ist_free(row);
    reach_free(reach);
}

static void companions(const struct world *world)
{
    const struct companion_options options = {.is_vpc = 1, .shard_peers = 3};
    for (size_t c = 0; c < world_cluster_count(world); c++)
        for (const struct namespace *ns = world_cluster(world, c)->namespaces; ns; ns = ns->next)
            for (const struct policy *policy = ns->policies; policy; policy = policy->next) {
                json_t *notes = json_array(), *made = companions_make(world, policy, !c, &options, notes),
                       *shard, *rule;
                size_t i, k;
                json_array_foreach(made, i, shard)
                {
                    // An empty list of peers would mean everybody.
                    json_array_foreach(ist_json_at(shard, "spec.ingress"), k, rule)
                    {
                        if (!json_array_size(json_object_get(rule, "from")))
                            abort();
                    }
                    json_array_foreach(ist_json_at(shard, "spec.egress"), k, rule)
                    {
                        if (!json_array_size(json_object_get(rule, "to")))
                            abort();
                    }
                }
                json_decref(made);
                json_decref(notes);
            }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 16384)
        return 0;
    char *text = ist_strndup((const char *)data, size);
    struct world *world = world_new();
    struct sources sources = {.world = world, .warnings = json_array(), .flags = WORLD_EXTENDED};
    static const char *const names[] = {"a", "b"};
    for (size_t c = 0; c < 2; c++) {
        world_add_cluster(world, names[c]);
        source_text(&sources, c, text, strlen(text), "fuzz", NULL);
    }
    world_settle(world, 1, 0);
    for (uint32_t mode = REACH_ANNOTATED; mode <= REACH_PLAIN; mode++)
        compute(world, mode);
    companions(world);
    sources_warn(&sources, 0);
    json_decref(sources.warnings);
    world_free(world);
    ist_free(text);
    return 0;
}
