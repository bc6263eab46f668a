// Clusters that Cilium's ClusterMesh joins: no ipBlock matches pods that Cilium knows, so that nothing is written for them.
#include "model.h"

#include "snat.h"

#include <isthmus/alloc.h>

#include <string.h>

#define CONFIG_PATH "/api/v1/namespaces/kube-system/configmaps/cilium-config"
#define USERS_PATH  "/api/v1/namespaces/kube-system/configmaps/clustermesh-remote-users"
#define SERVER_PATH "/apis/apps/v1/namespaces/kube-system/deployments/clustermesh-apiserver"

#define RETRY_MS 10000 // after an answer that was none
#define AGAIN_MS 60000 // a mesh may be made at any time

// In one reading, where nothing else waits meanwhile.
static int32_t read_members(const struct model *model, json_t **members, ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t i = 0; i < model->clusters->count && rc == IST_OK; i++)
        if (cni_is_cilium(&model->facts[i].cni) && ist_reconciler_state(model->run, i) == IST_CLUSTER_SYNCED)
            rc = snat_read_mesh(model->clusters->items[i].kube, &members[i], err);
    return rc;
}

int32_t model_refuse_mesh(struct model *model, ist_error *err)
{
    size_t count = model->clusters->count;
    json_t **members = ist_calloc(count + 1, sizeof(*members));
    int32_t rc = read_members(model, members, err);
    for (size_t i = 0; i < count && rc == IST_OK; i++)
        for (size_t k = i + 1; k < count && rc == IST_OK; k++) {
            if (!snat_mesh_joined(members[i], members[k]))
                continue;
            rc = ist_fail(err, IST_ERR_CONFLICT, "Cilium ClusterMesh",
                          "%s and %s are in one: no ipBlock matches pods that Cilium knows",
                          model->clusters->items[i].name, model->clusters->items[k].name);
            ist_hint(err, "in a mesh Cilium's own policies select pods of both clusters by their labels");
        }
    for (size_t i = 0; i < count; i++)
        json_decref(members[i]);
    ist_free(members);
    return rc;
}

// ---- what a daemon knows ----

// `member` is stolen.
static void learn(struct model *model, size_t cluster, json_t *member)
{
    struct mesh *mesh = &model->facts[cluster].mesh;
    const int same = mesh->member == member || (mesh->member && member && json_equal(mesh->member, member));
    const int news = !mesh->known || !same;
    json_decref(mesh->member);
    ist_free(mesh->fault);
    mesh->member = member;
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

static void on_users(void *arg, size_t cluster, const json_t *object, const ist_error *err)
{
    struct model *model = arg;
    struct mesh *mesh = &model->facts[cluster].mesh;
    struct snat_facts read = {.cilium = mesh->config, .mesh = 1, .mesh_users = (json_t *)(uintptr_t)object};
    mesh->config = NULL;
    if (object || err->code == IST_ERR_NOT_FOUND)
        learn(model, cluster, snat_mesh_member(&read));
    else
        fail(model, cluster, err);
    json_decref(read.cilium);
}

static void on_server(void *arg, size_t cluster, const json_t *object, const ist_error *err)
{
    struct model *model = arg;
    struct mesh *mesh = &model->facts[cluster].mesh;
    if (object) {
        ist_reconciler_read(model->run, cluster, USERS_PATH, on_users);
        return;
    }
    json_decref(mesh->config);
    mesh->config = NULL;
    if (err->code == IST_ERR_NOT_FOUND)
        learn(model, cluster, NULL);
    else
        fail(model, cluster, err);
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

// What a cluster says of its mesh, borrowed, as far as is known. 0: that is not known yet, and it was asked.
static int member_of(struct model *model, size_t cluster, const json_t **member)
{
    struct cluster_facts *facts = &model->facts[cluster];
    struct mesh *mesh = &facts->mesh;
    *member = NULL;
    if (!cni_is_cilium(&facts->cni))
        return 1;
    if (!mesh->asking && ist_reconciler_state(model->run, cluster) == IST_CLUSTER_SYNCED &&
        ist_now_ms(ist_reconciler_env(model->run)) >= mesh->next_at) {
        mesh->asking = 1;
        ist_reconciler_read(model->run, cluster, CONFIG_PATH, on_config);
    }
    *member = mesh->member;
    return mesh->known;
}

int model_meshed(struct model *model, size_t a, size_t b)
{
    const json_t *left, *right;
    int known_left = member_of(model, a, &left), known_right = member_of(model, b, &right);
    if ((known_left && !left) || (known_right && !right))
        return 0;
    return known_left && known_right ? snat_mesh_joined(left, right) : -1;
}

const char *model_mesh_fault(const struct model *model, size_t a, size_t b)
{
    const struct mesh *left = &model->facts[a].mesh, *right = &model->facts[b].mesh;
    return !left->known && left->fault ? left->fault : !right->known ? right->fault : NULL;
}

void mesh_unknown(struct model *model, size_t cluster)
{
    struct mesh *mesh = &model->facts[cluster].mesh;
    json_decref(mesh->member);
    mesh->member = NULL;
    mesh->known = 0;
    mesh->next_at = 0;
}

void mesh_soon(struct model *model, size_t cluster)
{
    model->facts[cluster].mesh.next_at = 0;
}

void mesh_tick(struct model *model, size_t cluster)
{
    const json_t *member;
    if (model->watching)
        member_of(model, cluster, &member);
}

void mesh_free(struct mesh *mesh)
{
    json_decref(mesh->member);
    ist_free(mesh->fault);
    json_decref(mesh->config);
}
