// Deployments, ReplicaSets, ReplicationControllers and StatefulSets. Keys: "plural\nnamespace/name".
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

static const char me[] = "workloads";

static const char *plural_of(const char *kind)
{
    static const char *const kinds[][2] = {{"Deployment", "deployments"},
                                           {"ReplicaSet", "replicasets"},
                                           {"ReplicationController", "replicationcontrollers"},
                                           {"StatefulSet", "statefulsets"}};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(kinds[i][0], kind) == 0)
            return kinds[i][1];
    return NULL;
}

static void queue(struct lab_cluster *cluster, const char *kind, const char *ns, const char *name)
{
    const char *plural = plural_of(kind);
    if (!plural)
        return;
    char *key = lab_format("%s\n%s/%s", plural, ns, name);
    kube_queue(cluster, me, key);
    free(key);
}

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    const json_t *owner = kube_controller_of(event->object);
    const char *ns = kube_ns(event->object);
    if (!event->deleted)
        queue(cluster, event->resource->kind->kind, ns, kube_name(event->object));
    if (owner)
        queue(cluster, kube_text(owner, "kind"), ns, kube_text(owner, "name"));
}

static json_int_t number(const json_t *object, const char *path)
{
    return json_integer_value(kube_path(object, path));
}

// ---- ReplicaSet, ReplicationController, StatefulSet: pods ----

static void make_pod(struct lab_cluster *cluster, const json_t *owner, const char *name)
{
    json_t *template = json_deep_copy(kube_path(owner, "spec.template"));
    json_t *metadata = json_incref(json_object_get(template, "metadata"));
    if (!metadata)
        metadata = json_object();
    json_object_set_new(metadata, "namespace", json_string(kube_ns(owner)));
    if (name)
        json_object_set_new(metadata, "name", json_string(name));
    else
        json_object_set_new(metadata, "generateName", json_sprintf("%s-", kube_name(owner)));
    json_object_set_new(metadata, "ownerReferences", json_pack("[o]", kube_owner_reference(owner, true)));
    json_t *pod = json_pack("{so sO}", "metadata", metadata, "spec", json_object_get(template, "spec"));
    json_decref(kube_make(cluster, "pods", pod));
    json_decref(template);
}

static void make_pods(struct lab_cluster *cluster, const json_t *owner, const char *plural, json_t *active,
                      json_int_t wanted)
{
    json_int_t have = (json_int_t)json_array_size(active);
    bool numbered = strcmp(plural, "statefulsets") == 0;
    for (json_int_t i = 0; numbered ? i < wanted : have + i < wanted; i++) {
        char *name = numbered ? lab_format("%s-%lld", kube_name(owner), (long long)i) : NULL;
        char *key = name ? kube_key(kube_ns(owner), name) : NULL;
        if (!key || !kube_object_at(cluster, "pods", key))
            make_pod(cluster, owner, name);
        free(key);
        free(name);
    }
    // Too many: those that are not ready yet go first, then the youngest names.
    for (int pass = 0; pass < 2 && have > wanted; pass++)
        for (size_t i = json_array_size(active); i-- > 0 && have > wanted;) {
            const json_t *pod = json_array_get(active, i);
            if (kube_going(pod) || (pass == 0 && kube_pod_ready(pod)))
                continue;
            kube_kill(cluster, "pods", pod, false);
            json_array_remove(active, i);
            have--;
        }
}

static void sync_set(struct lab_cluster *cluster, const char *plural, const json_t *owner)
{
    json_t *pods = kube_pods_of(cluster, owner), *active = json_array(), *pod, *status;
    json_int_t wanted = number(owner, "spec.replicas"), ready = 0, labelled = 0;
    bool stateful = strcmp(plural, "statefulsets") == 0;
    size_t i;
    json_array_foreach(pods, i, pod) if (!kube_going(pod)) json_array_append(active, pod);
    labelled = (json_int_t)json_array_size(active);
    json_array_foreach(active, i, pod) ready += kube_pod_ready(pod);
    if (!kube_going(owner))
        make_pods(cluster, owner, plural, active, wanted);
    status = json_pack("{sI sI}", "replicas", labelled, "observedGeneration",
                       number(owner, "metadata.generation"));
    if (!stateful && labelled)
        json_object_set_new(status, "fullyLabeledReplicas", json_integer(labelled));
    if (ready) {
        json_object_set_new(status, "readyReplicas", json_integer(ready));
        json_object_set_new(status, "availableReplicas", json_integer(ready));
    }
    if (stateful) {
        json_object_set_new(status, "currentReplicas", json_integer(labelled));
        json_object_set_new(status, "updatedReplicas", json_integer(labelled));
    }
    kube_put_status(cluster, plural, owner, status);
    json_decref(active);
    json_decref(pods);
}

// ---- Deployment: ReplicaSets ----

// A short name of a pod template, the same for the same template.
static char *template_hash(const json_t *template)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    char *text = json_dumps(template, JSON_COMPACT | JSON_SORT_KEYS), hash[11] = "";
    uint64_t h = 14695981039346656037u;
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    for (size_t i = 0; i < 10; i++, h /= sizeof alphabet - 1)
        hash[i] = alphabet[h % (sizeof alphabet - 1)];
    free(text);
    return lab_strdup(hash);
}

static json_t *new_set(struct lab_cluster *cluster, const json_t *deployment, const char *hash,
                       json_int_t revision)
{
    json_t *template = json_deep_copy(kube_path(deployment, "spec.template"));
    json_t *selector = json_deep_copy(kube_path(deployment, "spec.selector")), *labels;
    kube_set(template, "metadata.labels.pod-template-hash", json_string(hash));
    kube_set(selector, "matchLabels.pod-template-hash", json_string(hash));
    labels = (json_t *)kube_path(template, "metadata.labels");
    return kube_make(cluster, "replicasets",
                     json_pack("{s{so ss sO s{so} s[o]} s{si so so}}", "metadata", "name",
                               json_sprintf("%s-%s", kube_name(deployment), hash), "namespace",
                               kube_ns(deployment), "labels", labels, "annotations",
                               "deployment.kubernetes.io/revision", json_sprintf("%lld", (long long)revision),
                               "ownerReferences", kube_owner_reference(deployment, true), "spec", "replicas",
                               0, "selector", selector, "template", template));
}

static void scale(struct lab_cluster *cluster, const json_t *set, json_int_t replicas)
{
    if (number(set, "spec.replicas") == replicas)
        return;
    json_t *copy = json_deep_copy(set);
    kube_set(copy, "spec.replicas", json_integer(replicas));
    kube_put(cluster, "replicasets", copy);
}

// The ReplicaSets of a deployment: new array of new references.
static json_t *sets_of(struct lab_cluster *cluster, const json_t *deployment)
{
    json_t *all = lab_kube_list(cluster, "replicasets", kube_ns(deployment)), *mine = json_array(), *set;
    size_t i;
    json_array_foreach(all, i, set) if (kube_owned_by(set, deployment)) json_array_append(mine, set);
    json_decref(all);
    return mine;
}

static json_int_t sum(const json_t *sets, const char *path)
{
    json_int_t n = 0;
    size_t i;
    const json_t *set;
    json_array_foreach(sets, i, set) n += number(set, path);
    return n;
}

static void deployment_status(struct lab_cluster *cluster, const json_t *deployment, const json_t *sets,
                              const json_t *current)
{
    json_int_t wanted = number(deployment, "spec.replicas"), total = sum(sets, "status.replicas");
    json_int_t ready = sum(sets, "status.readyReplicas"), updated = number(current, "status.replicas");
    bool done = updated >= wanted && total == updated && ready >= wanted;
    const json_t *old = kube_path(deployment, "status.conditions");
    json_t *conditions = json_array();
    json_array_append_new(
        conditions,
        kube_condition("Available", ready >= wanted,
                       ready >= wanted ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable", old));
    json_array_append_new(
        conditions,
        kube_condition("Progressing", true, done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated", old));
    json_t *status = json_pack("{sI so}", "observedGeneration", number(deployment, "metadata.generation"),
                               "conditions", conditions);
    const struct {
        const char *name;
        json_int_t value;
    } counts[] = {{"replicas", total},
                  {"updatedReplicas", updated},
                  {"readyReplicas", ready},
                  {"availableReplicas", ready},
                  {"unavailableReplicas", wanted > ready ? wanted - ready : 0}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].value)
            json_object_set_new(status, counts[i].name, json_integer(counts[i].value));
    kube_put_status(cluster, "deployments", deployment, status);
}

static void sync_deployment(struct lab_cluster *cluster, const json_t *deployment)
{
    if (kube_going(deployment))
        return;
    char *hash = template_hash(kube_path(deployment, "spec.template"));
    json_t *sets = sets_of(cluster, deployment), *set, *current = NULL;
    json_int_t wanted = number(deployment, "spec.replicas"), revision = 0;
    bool recreate = strcmp(kube_text(deployment, "spec.strategy.type"), "Recreate") == 0;
    size_t i;
    json_array_foreach(sets, i, set)
    {
        const char *text = json_string_value(
            json_object_get(kube_path(set, "metadata.annotations"), "deployment.kubernetes.io/revision"));
        json_int_t n = text ? strtoll(text, NULL, 10) : 0;
        revision = n > revision ? n : revision;
        if (strcmp(kube_text(kube_path(set, "spec.selector.matchLabels"), "pod-template-hash"), hash) == 0)
            current = json_incref(set);
    }
    if (!current)
        current = new_set(cluster, deployment, hash, revision + 1);
    bool ready = number(current, "status.readyReplicas") >= wanted;
    bool old_gone = sum(sets, "status.replicas") == number(current, "status.replicas");
    if (current && (!recreate || old_gone))
        scale(cluster, current, wanted);
    json_array_foreach(sets, i, set) if (strcmp(kube_name(set), kube_name(current)) != 0 &&
                                         (ready || recreate)) scale(cluster, set, 0);
    json_decref(sets);
    sets = sets_of(cluster, deployment);
    deployment_status(cluster, deployment, sets, current);
    json_decref(sets);
    json_decref(current);
    free(hash);
}

static void sync(struct lab_cluster *cluster, const char *key)
{
    const char *newline = strchr(key, '\n');
    char *plural = lab_format("%.*s", (int)(newline - key), key);
    json_t *object = json_incref((json_t *)kube_object_at(cluster, plural, newline + 1));
    if (object && strcmp(plural, "deployments") == 0)
        sync_deployment(cluster, object);
    else if (object)
        sync_set(cluster, plural, object);
    json_decref(object);
    free(plural);
}

const struct kube_controller kube_workloads = {me, note, sync};
