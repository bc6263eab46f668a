// Has a workload rolled out? The rules are `kubectl rollout status`'s; what holds it up is read from its
// pods.
#include "internal.h"

#include <string.h>

// Between two looks: soon at first, for pods whose image is there, and twice as long each time.
#define FIRST_LOOK_MS 150
#define LAST_LOOK_MS  1200

static int64_t replicas_of(const json_t *object)
{
    return ist_json_int(object, "spec.replicas", 1);
}

static const json_t *condition(const json_t *object, const char *type)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(ist_json_at(object, "status.conditions"), i,
                       entry) if (strcmp(ist_json_str_or(entry, "type", ""), type) == 0) return entry;
    return NULL;
}

static int condition_is(const json_t *object, const char *type, const char *status)
{
    return strcmp(ist_json_str_or(condition(object, type), "status", ""), status) == 0;
}

// Each says whether it is done, and if not how far it is.
struct look {
    int ready;
    int failed; // for good: the controller has given up
    ist_buf *text;
};

static void look_deployment(const json_t *object, struct look *look)
{
    int64_t want = replicas_of(object), updated = ist_json_int(object, "status.updatedReplicas", 0);
    int64_t all = ist_json_int(object, "status.replicas", 0);
    int64_t available = ist_json_int(object, "status.availableReplicas", 0);
    const json_t *progress = condition(object, "Progressing");
    if (strcmp(ist_json_str_or(progress, "reason", ""), "ProgressDeadlineExceeded") == 0) {
        look->failed = 1;
        ist_buf_printf(look->text, "progress deadline exceeded");
    } else if (updated < want) {
        ist_buf_printf(look->text, "%lld of %lld updated", (long long)updated, (long long)want);
    } else if (all > updated) {
        ist_buf_printf(look->text, "%lld old replicas still there", (long long)(all - updated));
    } else if (all > want) { // kubectl calls it done: it looks at updates alone
        ist_buf_printf(look->text, "%lld replicas too many still there", (long long)(all - want));
    } else if (available < updated) {
        ist_buf_printf(look->text, "%lld of %lld available", (long long)available, (long long)updated);
    } else {
        look->ready = 1;
    }
}

static void look_daemon_set(const json_t *object, struct look *look)
{
    int64_t want = ist_json_int(object, "status.desiredNumberScheduled", 0);
    int64_t updated = ist_json_int(object, "status.updatedNumberScheduled", 0);
    int64_t available = ist_json_int(object, "status.numberAvailable", 0);
    if (strcmp(ist_json_str_or(object, "spec.updateStrategy.type", ""), "OnDelete") == 0)
        updated = want; // new pods come when somebody deletes the old ones
    look->ready = updated >= want && available >= want;
    if (!look->ready)
        ist_buf_printf(look->text, "%lld of %lld updated, %lld available", (long long)updated,
                       (long long)want, (long long)available);
}

static void look_stateful_set(const json_t *object, struct look *look)
{
    int64_t want = replicas_of(object), ready = ist_json_int(object, "status.readyReplicas", 0);
    int64_t updated = ist_json_int(object, "status.updatedReplicas", 0);
    int64_t partition = ist_json_int(object, "spec.updateStrategy.rollingUpdate.partition", 0);
    if (strcmp(ist_json_str_or(object, "spec.updateStrategy.type", ""), "OnDelete") == 0 ||
        strcmp(ist_json_str_or(object, "status.updateRevision", "a"),
               ist_json_str_or(object, "status.currentRevision", "b")) == 0)
        updated = want; // nothing to update, or only by hand
    int64_t all = ist_json_int(object, "status.replicas", ready);
    look->ready = ready >= want && updated >= want - partition && all <= want;
    if (!look->ready && all > want)
        ist_buf_printf(look->text, "%lld replicas too many still there", (long long)(all - want));
    else if (!look->ready)
        ist_buf_printf(look->text, "%lld of %lld ready, %lld updated", (long long)ready, (long long)want,
                       (long long)updated);
}

static void look_replicas(const json_t *object, struct look *look)
{
    int64_t want = replicas_of(object), ready = ist_json_int(object, "status.readyReplicas", 0);
    look->ready = ready >= want && ist_json_int(object, "status.replicas", 0) == want;
    if (!look->ready)
        ist_buf_printf(look->text, "%lld of %lld ready", (long long)ready, (long long)want);
}

static void look_job(const json_t *object, struct look *look)
{
    look->ready = condition_is(object, "Complete", "True");
    look->failed = condition_is(object, "Failed", "True");
    if (look->failed)
        ist_buf_printf(look->text, "failed: %s", ist_json_str_or(condition(object, "Failed"), "message", ""));
    else if (!look->ready)
        ist_buf_printf(look->text, "%lld of %lld completed",
                       (long long)ist_json_int(object, "status.succeeded", 0),
                       (long long)ist_json_int(object, "spec.completions", 1));
}

static void look_pod(const json_t *object, struct look *look)
{
    const char *phase = ist_json_str_or(object, "status.phase", "Pending");
    look->ready = condition_is(object, "Ready", "True") || strcmp(phase, "Succeeded") == 0;
    look->failed = strcmp(phase, "Failed") == 0;
    if (!look->ready)
        ist_buf_printf(look->text, "%s", phase);
}

static void look_phase(const json_t *object, struct look *look)
{
    const char *phase = ist_json_str_or(object, "status.phase", "Active");
    look->ready = strcmp(phase, "Active") == 0;
    if (!look->ready)
        ist_buf_printf(look->text, "%s", phase);
}

static void look_crd(const json_t *object, struct look *look)
{
    look->ready = condition_is(object, "Established", "True");
    if (!look->ready)
        ist_buf_puts(look->text, "not established yet");
}

static const struct kind_rule {
    const char *kind;
    void (*look)(const json_t *object, struct look *look);
    int observed; // status is of an older spec until observedGeneration has caught up
    int pods;     // its pods tell why it waits
} rules[] = {
    {"Deployment", look_deployment, 1, 1},
    {"DaemonSet", look_daemon_set, 1, 1},
    {"StatefulSet", look_stateful_set, 1, 1},
    {"ReplicaSet", look_replicas, 1, 1},
    {"ReplicationController", look_replicas, 1, 1},
    {"Job", look_job, 0, 1},
    {"Pod", look_pod, 0, 0},
    {"Namespace", look_phase, 0, 0},
    {"CustomResourceDefinition", look_crd, 0, 0},
};

static const struct kind_rule *rule_of(const json_t *object)
{
    const char *kind = ist_json_str_or(object, "kind", "");
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].kind, kind) == 0)
            return &rules[i];
    return NULL;
}

// Why a container does not run: "ImagePullBackOff: ...". `kind` is "init container" or "container".
static int container_reason(const json_t *pod, const char *list, ist_buf *text)
{
    size_t i;
    const json_t *status;
    json_array_foreach(ist_json_at(pod, list), i, status)
    {
        const json_t *waiting = ist_json_at(status, "state.waiting");
        const json_t *ended = ist_json_at(status, "state.terminated");
        if (!waiting && ended && ist_json_int(ended, "exitCode", 0) != 0)
            waiting = ended;
        const char *reason = ist_json_str(waiting, "reason");
        if (!reason || strcmp(reason, "ContainerCreating") == 0 || strcmp(reason, "PodInitializing") == 0)
            continue;
        ist_buf_printf(text, "; pod %s, container %s: %s", ist_json_str_or(pod, "metadata.name", "?"),
                       ist_json_str_or(status, "name", "?"), reason);
        const char *message = ist_json_str(waiting, "message");
        if (message && *message)
            ist_buf_printf(text, ": %.300s", message);
        return 1;
    }
    return 0;
}

static int pod_reason(const json_t *pod, ist_buf *text)
{
    if (container_reason(pod, "status.initContainerStatuses", text) ||
        container_reason(pod, "status.containerStatuses", text))
        return 1;
    const json_t *scheduled = condition(pod, "PodScheduled");
    if (strcmp(ist_json_str_or(scheduled, "status", "True"), "False") != 0)
        return 0;
    ist_buf_printf(text, "; pod %s: %s: %.300s", ist_json_str_or(pod, "metadata.name", "?"),
                   ist_json_str_or(scheduled, "reason", "not scheduled"),
                   ist_json_str_or(scheduled, "message", ""));
    return 1;
}

// matchLabels (or the plain map of a ReplicationController) as a label selector; expressions are left out,
// which only makes the look wider. The caller's, NULL when there is none.
static char *selector_of(const json_t *object)
{
    json_t *labels = ist_json_at(object, "spec.selector.matchLabels");
    if (!labels && strcmp(ist_json_str_or(object, "kind", ""), "ReplicationController") == 0)
        labels = ist_json_at(object, "spec.selector");
    if (json_object_size(labels) == 0)
        return NULL;
    ist_buf buf = {.max = 4096};
    const char *key;
    json_t *value;
    json_object_foreach(labels, key, value) if (json_is_string(value) &&
                                                ist_buf_printf(&buf, "%s%s=%s", buf.len ? "," : "", key,
                                                               json_string_value(value)) != IST_OK) break;
    return ist_buf_take(&buf);
}

static void add_reason(ist_kube *kube, const json_t *object, ist_buf *text)
{
    char *selector = selector_of(object);
    json_t *pods = NULL;
    size_t i;
    const json_t *pod;
    if (selector && ist_kube_list(kube, "v1", "Pod", ist_json_str(object, "metadata.namespace"), selector,
                                  NULL, &pods, NULL, NULL) == IST_OK)
        json_array_foreach(pods, i, pod) if (pod_reason(pod, text)) break;
    json_decref(pods);
    ist_free(selector);
}

int32_t ist_kube_rollout_look(ist_kube *kube, const json_t *object, int *ready, char **text, ist_error *err)
{
    const struct kind_rule *rule = rule_of(object);
    if (!rule) { // nothing rolls out: it is there, that is all
        *ready = 1;
        *text = ist_strdup("");
        return IST_OK;
    }
    json_t *now = NULL;
    int32_t rc = ist_kube_get(kube, ist_json_str(object, "apiVersion"), rule->kind,
                              ist_json_str(object, "metadata.namespace"),
                              ist_json_str(object, "metadata.name"), &now, err);
    if (rc != IST_OK)
        return rc;
    ist_buf buf = {.max = 2048};
    struct look look = {.text = &buf};
    int64_t generation = ist_json_int(now, "metadata.generation", 0);
    if (rule->observed && ist_json_int(now, "status.observedGeneration", generation ? -1 : 0) < generation)
        ist_buf_puts(&buf, "not seen by its controller yet");
    else
        rule->look(now, &look);
    if (!look.ready && rule->pods)
        add_reason(kube, now, &buf);
    else if (!look.ready)
        pod_reason(now, &buf);
    char *why = ist_buf_take(&buf);
    if (look.failed) {
        char *where = ist_printf("%s %s/%s in %s", rule->kind, ist_json_str_or(now, "metadata.namespace", ""),
                                 ist_json_str_or(now, "metadata.name", ""), kube->name);
        ist_fail(err, IST_ERR_REMOTE, where, "%s", why);
        ist_free(where);
        ist_free(why);
        json_decref(now);
        return IST_ERR_REMOTE;
    }
    *ready = look.ready;
    *text = why;
    json_decref(now);
    return IST_OK;
}

// A pod that should be gone by now is on a node that does not answer: nobody sends it anything, and it may stay for ever.
#define DEAD_NODE_MS 60000

static int is_ending(ist_kube *kube, const json_t *pod)
{
    const char *text = ist_json_str(pod, "metadata.deletionTimestamp");
    int64_t due = text ? kube_time_ms(text) : -1; // when its grace is over
    return text && (due < 0 || ist_clock_ms(&kube->env) < due + DEAD_NODE_MS);
}

int32_t ist_kube_rollout_leftover(ist_kube *kube, const json_t *object, char **text, ist_error *err)
{
    const struct kind_rule *rule = rule_of(object);
    char *selector = rule && rule->pods ? selector_of(object) : NULL;
    json_t *pods = NULL;
    size_t i, count = 0;
    const json_t *pod, *first = NULL;
    *text = NULL;
    if (!selector)
        return IST_OK;
    int32_t rc = ist_kube_list(kube, "v1", "Pod", ist_json_str(object, "metadata.namespace"), selector, NULL,
                               &pods, NULL, err);
    json_array_foreach(pods, i, pod)
    {
        if (is_ending(kube, pod) && count++ == 0)
            first = pod;
    }
    if (first)
        *text = ist_printf("%zu pod%s of it still ending, first %s", count, count == 1 ? "" : "s",
                           ist_json_str_or(first, "metadata.name", "?"));
    json_decref(pods);
    ist_free(selector);
    return rc;
}

int32_t ist_kube_rollout(ist_kube *kube, const json_t *object, ist_error *err)
{
    char *name = ist_printf("%s %s in %s", ist_json_str_or(object, "kind", "object"),
                            ist_json_str_or(object, "metadata.name", ""), kube->name);
    int ready = 0;
    int32_t rc = IST_OK;
    int64_t pause = FIRST_LOOK_MS;
    while (rc == IST_OK && !ready) {
        char *text = NULL;
        rc = ist_kube_rollout_look(kube, object, &ready, &text, err);
        if (rc == IST_OK && !ready) {
            ist_progress(&kube->env, "%s: %s", name, text);
            rc = ist_sleep_ms(&kube->env, pause);
            pause = pause * 2 < LAST_LOOK_MS ? pause * 2 : LAST_LOOK_MS;
            if (rc != IST_OK)
                ist_fail(err, rc, name, "has not rolled out: %s", text);
        }
        ist_free(text);
    }
    ist_free(name);
    return rc;
}
