// Clusters that Cilium's ClusterMesh joins: no ipBlock matches pods that Cilium knows, so that nothing is written for them.
#include "model.h"

#include "snat.h"

#include <isthmus/alloc.h>

#include <string.h>

#define CONFIG_PATH "/api/v1/namespaces/kube-system/configmaps/cilium-config"
#define SERVER_PATH "/apis/apps/v1/namespaces/kube-system/deployments/clustermesh-apiserver"

#define RETRY_MS 10000 // after an answer that was none
#define AGAIN_MS 60000 // a mesh may be made at any time

static int joined(const char *left, const char *right)
{
    return left && right && strcmp(left, right) != 0; // ids are unique within one mesh
}

// In one reading, where nothing else waits meanwhile.
static int32_t read_ids(const struct model *model, char **ids, ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t i = 0; i < model->clusters->count && rc == IST_OK; i++)
        if (cni_is_cilium(&model->facts[i].cni) && ist_reconciler_state(model->run, i) == IST_CLUSTER_SYNCED)
            rc = snat_read_mesh(model->clusters->items[i].kube, &ids[i], err);
    return rc;
}

int32_t model_refuse_mesh(struct model *model, ist_error *err)
{
    size_t count = model->clusters->count;
    char **ids = ist_calloc(count + 1, sizeof(*ids));
    int32_t rc = read_ids(model, ids, err);
    for (size_t i = 0; i < count && rc == IST_OK; i++)
        for (size_t k = i + 1; k < count && rc == IST_OK; k++) {
            if (!joined(ids[i], ids[k]))
                continue;
            rc = ist_fail(err, IST_ERR_CONFLICT, "Cilium ClusterMesh",
                          "%s and %s are in one: no ipBlock matches pods that Cilium knows",
                          model->clusters->items[i].name, model->clusters->items[k].name);
            ist_hint(err, "in a mesh Cilium's own policies select pods of both clusters by their labels");
        }
    for (size_t i = 0; i < count; i++)
        ist_free(ids[i]);
    ist_free(ids);
    return rc;
}

// ---- what a daemon knows ----

static void learn(struct model *model, size_t cluster, const char *id)
{
    struct mesh *mesh = &model->facts[cluster].mesh;
    int news = !mesh->known || !mesh->id != !id || (id && strcmp(mesh->id, id) != 0);
    char *kept = id ? ist_strdup(id) : NULL;
    ist_free(mesh->id);
    ist_free(mesh->fault);
    mesh->id = kept;
    mesh->fault = NULL;
    mesh->known = 1;
    mesh->asking = 0;
    mesh->next_at = ist_now_ms(ist_reconciler_env(model->run)) + AGAIN_MS;
    if (news)
        model_touch_all(model);
}

// What was known before still counts.
static void fail(struct model *model, size_t cluster, const ist_error *err)
{
    struct mesh *mesh = &model->facts[cluster].mesh;
    char *fault = ist_printf("%s: %s", err->where, err->text);
    int news = !mesh->known && (!mesh->fault || strcmp(mesh->fault, fault) != 0);
    ist_free(mesh->fault);
    mesh->fault = fault;
    mesh->asking = 0;
    mesh->next_at = ist_now_ms(ist_reconciler_env(model->run)) + RETRY_MS;
    if (!news)
        return;
    ist_log(ist_reconciler_env(model->run), IST_LOG_WARN,
            "whether %s is in a Cilium ClusterMesh cannot be seen: %s", model->clusters->items[cluster].name,
            fault);
    model_touch_all(model);
}

static void on_server(void *arg, size_t cluster, const json_t *object, const ist_error *err)
{
    struct model *model = arg;
    struct mesh *mesh = &model->facts[cluster].mesh;
    struct snat_facts read = {.cilium = mesh->config, .mesh = object != NULL};
    mesh->config = NULL;
    if (object || err->code == IST_ERR_NOT_FOUND)
        learn(model, cluster, snat_mesh_id(&read));
    else
        fail(model, cluster, err);
    json_decref(read.cilium);
}

static void on_config(void *arg, size_t cluster, const json_t *object, const ist_error *err)
{
    struct model *model = arg;
    struct mesh *mesh = &model->facts[cluster].mesh;
    if (object) {
        json_decref(mesh->config);
        mesh->config = json_deep_copy(object);
        ist_reconciler_read(model->run, cluster, SERVER_PATH, on_server);
    } else if (err->code == IST_ERR_NOT_FOUND) {
        learn(model, cluster, NULL);
    } else {
        fail(model, cluster, err);
    }
}

// The id of a cluster in its mesh, as far as is known. 0: that is not known yet, and it was asked.
static int id_of(struct model *model, size_t cluster, const char **id)
{
    struct cluster_facts *facts = &model->facts[cluster];
    struct mesh *mesh = &facts->mesh;
    *id = NULL;
    if (!cni_is_cilium(&facts->cni))
        return 1;
    if (!mesh->asking && ist_reconciler_state(model->run, cluster) == IST_CLUSTER_SYNCED &&
        ist_now_ms(ist_reconciler_env(model->run)) >= mesh->next_at) {
        mesh->asking = 1;
        ist_reconciler_read(model->run, cluster, CONFIG_PATH, on_config);
    }
    *id = mesh->id;
    return mesh->known;
}

int model_meshed(struct model *model, size_t a, size_t b)
{
    const char *left, *right;
    int known_left = id_of(model, a, &left), known_right = id_of(model, b, &right);
    if ((known_left && !left) || (known_right && !right))
        return 0;
    return known_left && known_right ? joined(left, right) : -1;
}

const char *model_mesh_fault(const struct model *model, size_t a, size_t b)
{
    const struct mesh *left = &model->facts[a].mesh, *right = &model->facts[b].mesh;
    return !left->known && left->fault ? left->fault : !right->known ? right->fault : NULL;
}

void mesh_unknown(struct model *model, size_t cluster)
{
    struct mesh *mesh = &model->facts[cluster].mesh;
    ist_free(mesh->id);
    mesh->id = NULL;
    mesh->known = 0;
    mesh->next_at = 0;
}

void mesh_soon(struct model *model, size_t cluster)
{
    model->facts[cluster].mesh.next_at = 0;
}

void mesh_tick(struct model *model, size_t cluster)
{
    const char *id;
    if (model->watching)
        id_of(model, cluster, &id);
}

void mesh_free(struct mesh *mesh)
{
    ist_free(mesh->id);
    ist_free(mesh->fault);
    json_decref(mesh->config);
}
