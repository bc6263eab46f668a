// Taking away what this step made, and nothing else: by name, mark and uid, against the order of making.
#include "apply.h"

#include <string.h>

// Gives an adopted object back: our labels go, it stays.
static int32_t release(const ist_cluster *cluster, const json_t *id, ist_error *err)
{
    json_t *patch = json_pack("{s:{s:{s:n, s:n}, s:{s:n}}}", "metadata", "labels", IST_LABEL_MANAGED_BY,
                              IST_LABEL_STEP, "annotations", ANNOTATION_ADOPTED);
    int32_t rc = ist_kube_patch(cluster->kube, ist_json_str(id, "apiVersion"), ist_json_str(id, "kind"),
                                ist_json_str(id, "namespace"), ist_json_str(id, "name"),
                                "application/merge-patch+json", patch, NULL, err);
    json_decref(patch);
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

// The first object in a namespace that nobody's controller made and that is not in every namespace: "Service
// x". NULL when there is none. The caller's.
static int32_t stranger_in(const ist_cluster *cluster, const char *ns, char **stranger, ist_error *err)
{
    static const char *const kinds[][2] = {{"v1", "Pod"},
                                           {"v1", "Service"},
                                           {"v1", "ReplicationController"},
                                           {"apps/v1", "Deployment"},
                                           {"apps/v1", "StatefulSet"},
                                           {"apps/v1", "DaemonSet"},
                                           {"apps/v1", "ReplicaSet"},
                                           {"batch/v1", "Job"},
                                           {"networking.k8s.io/v1", "NetworkPolicy"},
                                           {"networking.k8s.io/v1", "Ingress"},
                                           {"v1", "PersistentVolumeClaim"},
                                           {"v1", "ConfigMap"},
                                           {"v1", "Secret"}};
    *stranger = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !*stranger; i++) {
        json_t *items = NULL;
        size_t k;
        const json_t *item;
        int32_t rc =
            ist_kube_list(cluster->kube, kinds[i][0], kinds[i][1], ns, NULL, NULL, &items, NULL, err);
        if (rc != IST_OK && rc != IST_ERR_NOT_FOUND)
            return rc;
        json_array_foreach(items, k, item)
        {
            const char *name = ist_json_str_or(item, "metadata.name", "");
            if (json_array_size(ist_json_at(item, "metadata.ownerReferences")) ||
                ist_json_str(item, "metadata.deletionTimestamp") || strcmp(name, "kube-root-ca.crt") == 0 ||
                strcmp(ist_json_str_or(item, "type", ""), "kubernetes.io/service-account-token") == 0)
                continue;
            *stranger = ist_printf("%s %s", kinds[i][1], name);
            break;
        }
        json_decref(items);
    }
    return IST_OK;
}

int32_t remove_one(struct work *work, ist_cluster *cluster, const json_t *id, ist_error *err)
{
    char *text = id_text(id), *stranger = NULL;
    json_t *live = NULL;
    ist_error fault = {0};
    int32_t rc = live_of(work, id, &live, &fault);
    const char *uid = ist_json_str(live, "metadata.uid");
    int ours = rc == IST_OK && whose(work, id, live) == WHOSE_OURS;
    if (rc == IST_ERR_NOT_FOUND || (rc == IST_OK && !ours)) { // gone, or somebody else's by now
        if (rc == IST_OK) // one that was there before us and served as it was is not worth a warning
            ist_log(&work->env, ist_json_str(id, "uid") ? IST_LOG_WARN : IST_LOG_INFO,
                    "%s is not the one that this step made: it stays", text);
        rc = IST_OK;
        goto out;
    }
    if (rc == IST_OK && is_kind(id, "Namespace"))
        rc = stranger_in(cluster, ist_json_str(id, "name"), &stranger, &fault);
    if (rc != IST_OK) {
        if (err)
            *err = fault;
        goto out;
    }
    if (stranger)
        ist_log(&work->env, IST_LOG_WARN, "%s stays: it holds %s, which this step did not make", text,
                stranger);
    if (stranger || ist_json_bool(recorded_of(work, id), "adopted", 0) ||
        json_object_get(ist_json_at(live, "metadata.annotations"), ANNOTATION_ADOPTED)) {
        rc = release(cluster, id, err);
        goto out;
    }
    ist_progress(&work->env, "%s: delete", text);
    rc = ist_kube_delete(cluster->kube, ist_json_str(id, "apiVersion"), ist_json_str(id, "kind"),
                         ist_json_str(id, "namespace"), ist_json_str(id, "name"), uid, NULL, &fault);
    if (rc == IST_ERR_CONFLICT) // between our look and our delete it was made anew by another
        rc = IST_OK;
    else if (rc != IST_OK && err)
        *err = fault;
    else if (rc == IST_OK && !is_kind(id, "Namespace")) { // what comes after may need it to be gone
        json_t *exact = json_deep_copy(id);
        json_object_set(exact, "uid", ist_json_at(live, "metadata.uid"));
        rc = wait_gone(work, cluster, exact, err);
        json_decref(exact);
    }
out:
    json_decref(live);
    ist_free(stranger);
    ist_free(text);
    return rc;
}

// Namespaces after all else: which are left is decided when what we put into them is gone.
static int32_t remove_pass(struct work *work, ist_cluster *cluster, const json_t *objects, int namespaces,
                           ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t i = json_array_size(objects); rc == IST_OK && i-- > 0;) {
        const json_t *id = json_array_get(objects, i);
        if (is_kind(id, "Namespace") == namespaces)
            rc = remove_one(work, cluster, id, err);
    }
    return rc;
}

// Namespaces that were deleted must be gone when we say so: an apply that follows would find the corpse.
static int32_t wait_namespaces(struct work *work, ist_cluster *cluster, const json_t *objects, ist_error *err)
{
    int32_t rc = IST_OK;
    size_t i;
    const json_t *id;
    json_array_foreach(objects, i, id)
    {
        json_t *live = NULL;
        if (rc != IST_OK || !is_kind(id, "Namespace"))
            continue;
        if (live_of(work, id, &live, NULL) == IST_OK && ist_json_str(live, "metadata.deletionTimestamp"))
            rc = wait_gone(work, cluster, id, err);
        json_decref(live);
    }
    return rc;
}

static int32_t remove_in(struct work *work, ist_cluster *cluster, const json_t *objects, ist_error *err)
{
    char *resource = resource_of(cluster->name);
    int32_t rc = remove_pass(work, cluster, objects, 0, err);
    if (rc == IST_OK)
        rc = remove_pass(work, cluster, objects, 1, err);
    if (rc == IST_OK)
        rc = wait_namespaces(work, cluster, objects, err);
    if (rc == IST_OK)
        rc = ist_outcome(&work->env, resource, NULL, err);
    ist_free(resource);
    return rc;
}

// Connects to this one cluster, for as long as it takes to empty it.
static int32_t remove_cluster(struct work *work, const char *name, const json_t *objects, ist_error *err)
{
    int32_t rc = ist_clusters_open_one(&work->env, work->inputs, name, work->recorded, &work->clusters, err);
    if (work->clusters) // there exactly when it was opened
        rc = remove_in(work, &work->clusters->items[0], objects, err);
    ist_clusters_free(work->clusters);
    work->clusters = NULL;
    return rc;
}

int32_t remove_recorded(struct work *work, ist_error *err)
{
    ist_error first = {0};
    const char *resource;
    json_t *record;
    json_object_foreach(work->recorded, resource, record)
    {
        const char *name = ist_json_str(record, "data.cluster");
        ist_error fault = {0};
        int32_t rc = name && first.code != IST_ERR_CANCELLED
                         ? remove_cluster(work, name, ist_json_at(record, "data.objects"), &fault)
                         : IST_OK;
        if (rc == IST_OK)
            continue;
        ist_log(&work->env, IST_LOG_WARN, "not removed from %s: %s", name, fault.text);
        ist_clusters_failed(&first, name, &fault);
    }
    if (first.code != IST_OK && err)
        *err = first;
    return first.code;
}
