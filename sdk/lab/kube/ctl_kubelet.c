// Scheduler, kubelets and CNI in one: pods get a node, an address, run, and stop. Keys: "namespace/name".
#include "ctl.h"
#include "probe.h"

#include "../aws/aws.h"

#include <stdlib.h>
#include <string.h>

enum { START_MS = 120, STOP_MS = 80, PROBE_MS = 150, RETRY_MS = 500 };

static const char me[] = "kubelet";

// notes.pods: {uid: {"due": ms, "what": "start"}, ...}: what is to happen to a pod, and when.
static json_t *pod_notes(struct lab_cluster *cluster)
{
    json_t *notes = json_object_get(cluster->notes, "pods");
    if (!notes) {
        notes = json_object();
        json_object_set_new(cluster->notes, "pods", notes);
    }
    return notes;
}

// Has a pod waited `delay` for `what`? The first time it is asked, the wait begins.
static bool waited(struct lab_cluster *cluster, const json_t *pod, const char *key, const char *what,
                   int64_t delay)
{
    const char *uid = kube_text(pod, "metadata.uid");
    json_t *notes = pod_notes(cluster), *wait = json_object_get(notes, uid);
    if (!wait || strcmp(kube_text(wait, "what"), what) != 0) {
        json_object_set_new(notes, uid,
                            json_pack("{sI ss}", "due", (json_int_t)lab_mono_ms() + delay, "what", what));
        kube_queue_after(cluster, delay, me, key);
        return false;
    }
    return lab_mono_ms() >= json_integer_value(json_object_get(wait, "due"));
}

// A pod that is over holds no address any more, whatever its status still says.
static bool holds(const json_t *pod)
{
    return pod && !json_is_true(kube_path(pod, "spec.hostNetwork")) && *kube_text(pod, "status.podIP") &&
           !kube_pod_over(pod);
}

static void release(struct lab_cluster *cluster, const json_t *pod)
{
    uint32_t address;
    if (cluster->eks && holds(pod) && lab_parse_ip(kube_text(pod, "status.podIP"), &address))
        lab_aws_pod_release(cluster->lab, address);
}

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    if (!kube_is(event, "Pod"))
        return;
    kube_queue(cluster, me, event->key);
    if (event->deleted)
        json_object_del(pod_notes(cluster), kube_text(event->object, "metadata.uid"));
    if (event->deleted)
        release(cluster, event->object);
    else if (!holds(event->object))
        release(cluster, event->before);
}

void kube_release_addresses(struct lab_cluster *cluster)
{
    struct kube_resource *pods = kube_resource(cluster, "pods");
    for (size_t i = 0; i < pods->count; i++)
        release(cluster, pods->items[i].object);
}

// ---- scheduling ----

static bool worker(const struct lab_cluster *cluster, const json_t *node)
{
    return cluster->eks || !strstr(kube_name(node), "master");
}

// The node with the fewest pods, the first by name among equals.
static const char *pick_node(struct lab_cluster *cluster)
{
    struct kube_resource *nodes = kube_resource(cluster, "nodes"), *pods = kube_resource(cluster, "pods");
    const char *best = NULL;
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < nodes->count; i++) {
        size_t n = 0;
        if (!worker(cluster, nodes->items[i].object))
            continue;
        for (size_t k = 0; k < pods->count; k++)
            n += strcmp(kube_text(pods->items[k].object, "spec.nodeName"), nodes->items[i].key) == 0;
        if (n < fewest) {
            fewest = n;
            best = nodes->items[i].key;
        }
    }
    return best;
}

static void schedule(struct lab_cluster *cluster, const json_t *pod)
{
    const char *node = pick_node(cluster);
    if (!node)
        return;
    json_t *copy = json_deep_copy(pod);
    kube_set(copy, "spec.nodeName", json_string(node));
    kube_put(cluster, "pods", copy);
}

// ---- running ----

static const char *node_address(const json_t *node)
{
    size_t i;
    const json_t *address;
    json_array_foreach(kube_path(node, "status.addresses"), i,
                       address) if (strcmp(kube_text(address, "type"), "InternalIP") ==
                                    0) return kube_text(address, "address");
    return "";
}

static bool address_taken(struct lab_cluster *cluster, const char *address)
{
    struct kube_resource *pods = kube_resource(cluster, "pods");
    for (size_t i = 0; i < pods->count; i++)
        if (strcmp(kube_text(pods->items[i].object, "status.podIP"), address) == 0 &&
            holds(pods->items[i].object))
            return true;
    return false;
}

// A pod's new address, malloc'd; NULL: none is free.
static char *new_address(struct lab_cluster *cluster, const json_t *pod)
{
    uint32_t network, size, n;
    int prefix;
    if (cluster->eks) {
        uint32_t address = lab_aws_pod_address(cluster->lab, cluster->name, kube_text(pod, "spec.nodeName"));
        return address ? lab_ip(address) : NULL;
    }
    if (!lab_parse_cidr(cluster->pod_cidr, &network, &prefix))
        return NULL;
    // Onwards through the network, so that an address is not handed out again soon.
    size = ~lab_mask(prefix);
    for (n = 0; n < size; n++) {
        cluster->next_pod = cluster->next_pod + 1 >= size ? 1 : cluster->next_pod + 1;
        uint32_t last = (network + cluster->next_pod) & 255;
        char *text = lab_ip(network + cluster->next_pod);
        if (last && last != 255 && !address_taken(cluster, text))
            return text;
        free(text);
    }
    return NULL;
}

static json_t *container_statuses(const json_t *pod, const char *now)
{
    json_t *list = json_array();
    size_t i;
    const json_t *c;
    json_array_foreach(kube_path(pod, "spec.containers"), i, c) json_array_append_new(
        list,
        json_pack("{ss ss so so sb sb si s{s{ss}}}", "name", kube_text(c, "name"), "image",
                  kube_text(c, "image"), "imageID", json_sprintf("lab/%s", kube_text(c, "image")),
                  "containerID",
                  json_sprintf("lab://%s/%s", kube_text(pod, "metadata.uid"), kube_text(c, "name")), "ready",
                  true, "started", true, "restartCount", 0, "state", "running", "startedAt", now));
    return list;
}

static void start(struct lab_cluster *cluster, const json_t *pod, const char *key, const json_t *node)
{
    static const char *const conditions[] = {"Initialized", "Ready", "ContainersReady", "PodScheduled"};
    bool host = json_is_true(kube_path(pod, "spec.hostNetwork"));
    char *address = host ? lab_strdup(node_address(node)) : new_address(cluster, pod), *now = kube_now();
    if (!address) {
        kube_queue_after(cluster, RETRY_MS, me, key);
        free(now);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        json_array_append_new(list, kube_condition(conditions[i], true, NULL, NULL));
    json_t *addresses = json_pack("[{ss}]", "ip", address);
    if (cluster->dual_stack && !host) {
        char *other = kube_ipv6_of(cluster, address, false);
        json_array_append_new(addresses, json_pack("{ss}", "ip", other));
        free(other);
    }
    json_t *status = json_pack("{ss so ss s[{ss}] ss so ss so ss}", "phase", "Running", "conditions", list,
                               "hostIP", node_address(node), "hostIPs", "ip", node_address(node), "podIP",
                               address, "podIPs", addresses, "startTime", now, "containerStatuses",
                               container_statuses(pod, now), "qosClass", "BestEffort");
    uint32_t number;
    if (!kube_put_status(cluster, "pods", pod, status) && cluster->eks && !host &&
        lab_parse_ip(address, &number))
        lab_aws_pod_release(cluster->lab, number);
    free(address);
    free(now);
}

// ---- completing ----

static void complete(struct lab_cluster *cluster, const json_t *pod)
{
    json_t *annotations = json_object(), *status, *list, *item, *annotated;
    char *message = kube_probe_run(cluster, pod, annotations), *now = kube_now();
    size_t i;
    if (json_object_size(annotations)) {
        annotated = json_deep_copy(pod);
        json_t *old = (json_t *)kube_path(annotated, "metadata.annotations");
        if (old)
            json_object_update(old, annotations);
        else
            kube_set(annotated, "metadata.annotations", json_incref(annotations));
        kube_put(cluster, "pods", annotated);
        char *key = kube_key(kube_ns(pod), kube_name(pod));
        pod = kube_object_at(cluster, "pods", key);
        free(key);
    }
    status = json_deep_copy(json_object_get(pod, "status"));
    json_object_set_new(status, "phase", json_string("Succeeded"));
    list = json_object_get(status, "containerStatuses");
    json_array_foreach(list, i, item)
    {
        const char *started = kube_text(item, "state.running.startedAt");
        json_t *ended = json_pack("{s{si ss ss ss ss}}", "terminated", "exitCode", 0, "reason", "Completed",
                                  "message", message, "startedAt", started, "finishedAt", now);
        json_object_set_new(item, "state", ended);
        json_object_set_new(item, "ready", json_false());
        json_object_set_new(item, "started", json_false());
    }
    json_t *conditions = json_array(), *old = json_object_get(status, "conditions");
    json_array_append_new(conditions, kube_condition("Initialized", true, "PodCompleted", old));
    json_array_append_new(conditions, kube_condition("Ready", false, "PodCompleted", old));
    json_array_append_new(conditions, kube_condition("ContainersReady", false, "PodCompleted", old));
    json_array_append_new(conditions, kube_condition("PodScheduled", true, NULL, old));
    json_object_set_new(status, "conditions", conditions);
    kube_put_status(cluster, "pods", pod, status);
    json_decref(annotations);
    free(message);
    free(now);
}

static void step(struct lab_cluster *cluster, const char *key, const json_t *pod)
{
    const json_t *node = kube_object_at(cluster, "nodes", kube_text(pod, "spec.nodeName"));
    const char *phase = kube_text(pod, "status.phase");
    if (kube_going(pod)) {
        if (!*kube_text(pod, "spec.nodeName") || waited(cluster, pod, key, "stop", STOP_MS))
            kube_kill(cluster, "pods", pod, true);
    } else if (!*kube_text(pod, "spec.nodeName")) {
        schedule(cluster, pod);
    } else if (!node) {
        return; // a node of nobody's: its pods are whoever's made them
    } else if (strcmp(phase, "Pending") == 0 && !*kube_text(pod, "status.podIP")) {
        if (waited(cluster, pod, key, "start", START_MS))
            start(cluster, pod, key, node);
    } else if (strcmp(phase, "Running") == 0 && kube_probe_is_client(pod)) {
        if (waited(cluster, pod, key, "probe", PROBE_MS))
            complete(cluster, pod);
    }
}

static void sync(struct lab_cluster *cluster, const char *key)
{
    json_t *pod = json_incref((json_t *)kube_object_at(cluster, "pods", key));
    if (pod)
        step(cluster, key, pod);
    json_decref(pod);
}

const struct kube_controller kube_kubelet = {me, note, sync};
