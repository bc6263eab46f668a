// Clusters that Cilium's ClusterMesh joins: no ipBlock matches pods that Cilium knows, so that nothing is written for them.
#include "model.h"

#include "snat.h"

#include <isthmus/alloc.h>

#include <string.h>

// The id of a cluster in its mesh; NULL: it is in none. Two small requests, once, and only to what runs Cilium.
static int32_t id_of(struct model *model, size_t cluster, const char **id, ist_error *err)
{
    struct cluster_facts *facts = &model->facts[cluster];
    int32_t rc = IST_OK;
    if (cni_is_cilium(&facts->cni) && !facts->mesh_read &&
        ist_reconciler_state(model->run, cluster) == IST_CLUSTER_SYNCED) {
        facts->mesh_read = 1;
        ist_free(facts->mesh_id);
        facts->mesh_id = NULL;
        rc = snat_read_mesh(model->clusters->items[cluster].kube, &facts->mesh_id, err);
    }
    *id = cni_is_cilium(&facts->cni) ? facts->mesh_id : NULL;
    return rc;
}

static int32_t meshed(struct model *model, size_t a, size_t b, int *both, ist_error *err)
{
    const char *left = NULL, *right = NULL;
    int32_t rc = id_of(model, a, &left, err);
    if (rc == IST_OK && left)
        rc = id_of(model, b, &right, err);
    *both = right && strcmp(left, right) != 0; // ids are unique within one mesh
    return rc;
}

int32_t model_refuse_mesh(struct model *model, ist_error *err)
{
    int both = 0;
    for (size_t i = 0; i < model->clusters->count; i++)
        for (size_t k = i + 1; k < model->clusters->count; k++) {
            int32_t rc = meshed(model, i, k, &both, err);
            if (rc == IST_OK && !both)
                continue;
            if (rc == IST_OK) {
                rc = ist_fail(err, IST_ERR_CONFLICT, "Cilium ClusterMesh",
                              "%s and %s are in one: no ipBlock matches pods that Cilium knows",
                              model->clusters->items[i].name, model->clusters->items[k].name);
                ist_hint(err, "in a mesh Cilium's own policies select pods of both clusters by their labels");
            }
            return rc;
        }
    return IST_OK;
}

int model_meshed(struct model *model, size_t a, size_t b)
{
    ist_error err = {0};
    int both = 0;
    if (meshed(model, a, b, &both, &err) != IST_OK)
        ist_log(ist_reconciler_env(model->run), IST_LOG_WARN,
                "whether %s and %s are in a Cilium ClusterMesh cannot be seen: %s: %s",
                model->clusters->items[a].name, model->clusters->items[b].name, err.where, err.text);
    return both;
}
