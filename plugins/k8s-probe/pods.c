// The probe pods: a listener a cluster, which answers with the address it saw, and a client a cluster, which tries all
// its targets once and leaves what came of it in its termination message. Nothing is executed in them from outside.
#include "probe.h"

#include <string.h>

#define LOOK_MS   250
#define REMOVE_MS 30000

// Client: ISTHMUS_PROBE_TARGETS="name=tcp:ADDRESS:PORT name2=icmp:ADDRESS". agnhost's netexec answers /clientip with
// the peer's "ADDRESS:PORT". Two more tries each: routes and conntrack may need a moment after a pod has started.
static const char client_script[] =
    "for t in $ISTHMUS_PROBE_TARGETS; do\n"
    "  name=${t%%=*}; what=${t#*=}; at=${what#*:}; result='fail no answer'\n"
    "  for try in 1 2 3; do\n"
    "    case $what in\n"
    "    tcp:*) if seen=$(wget -q -T 4 -O - \"http://$at/clientip\" 2>/tmp/why); then\n"
    "        result=\"ok source=${seen%:*}\"; break; else result=\"fail $(head -n 1 /tmp/why)\"; fi ;;\n"
    "    icmp:*) if ping -c 3 -w 6 \"$at\" >/tmp/why 2>&1; then result=ok; break\n"
    "      else result=\"fail $(grep -m 1 -E 'loss|bad|denied|permitted' /tmp/why)\"; fi ;;\n"
    "    esac\n"
    "    sleep 1\n"
    "  done\n"
    "  echo \"$name $result\" >>/dev/termination-log\n"
    "done\n";

char *target_name(const char *what, size_t to)
{
    return ist_printf("%s-%zu", what, to);
}

// A name that a pod can have, the same in every run: what a killed one left is found by it.
static char *pod_name(const struct probe *probe, size_t cluster, const char *role)
{
    char *name =
        ist_printf("isthmus-probe-%s-%s-%s", probe->owner, probe->clusters->items[cluster].name, role);
    for (char *c = name; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
        else if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')))
            *c = '-';
    }
    return name;
}

// steals env and command
static json_t *pod_of(const struct probe *probe, size_t cluster, const char *role, json_t *command,
                      json_t *env)
{
    char *name = pod_name(probe, cluster, role);
    json_t *container =
        json_pack("{s:s, s:s, s:o, s:o, s:{s:{s:s, s:s}}}", "name", role, "image", probe->image, "command",
                  command, "env", env, "resources", "requests", "cpu", "10m", "memory", "16Mi");
    // It ends by itself should nobody be left to remove it.
    json_t *spec =
        json_pack("{s:s, s:b, s:b, s:i, s:i, s:[o]}", "restartPolicy", "Never",
                  "automountServiceAccountToken", 0, "enableServiceLinks", 0, "terminationGracePeriodSeconds",
                  1, "activeDeadlineSeconds", 600, "containers", container);
    json_t *pod =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}}, s:o}", "apiVersion", "v1", "kind", "Pod",
                  "metadata", "name", name, "namespace", probe->ns, "labels", IST_LABEL_MANAGED_BY, "isthmus",
                  PROBE_LABEL, probe->owner, "isthmus.dev/probe-role", role, "spec", spec);
    ist_free(name);
    return pod;
}

static json_t *listener_of(const struct probe *probe, size_t cluster)
{
    char *port = ist_printf("%d", probe->port), *option = ist_printf("--http-port=%d", probe->port);
    json_t *pod = pod_of(probe, cluster, "listener",
                         json_pack("[s, s, s, s]", "/agnhost", "netexec", option, "--udp-port=-1"),
                         json_pack("[{s:s, s:s}]", "name", "ISTHMUS_PROBE_LISTEN", "value", port));
    ist_free(port);
    ist_free(option);
    return pod;
}

// The targets of a cluster's client; NULL when no pair begins there. The caller's.
static char *targets_of(const struct probe *probe, size_t cluster)
{
    ist_buf targets = {0};
    size_t i;
    const json_t *pair;
    json_array_foreach(probe->pairs, i, pair)
    {
        size_t to = (size_t)json_integer_value(json_array_get(pair, 1));
        const char *address = ist_json_str_or(json_array_get(probe->listeners, to), "status.podIP", "");
        if ((size_t)json_integer_value(json_array_get(pair, 0)) != cluster)
            continue;
        char *ping = target_name("ping", to), *tcp = target_name("tcp", to);
        if (probe->checks & CHECK_PING)
            ist_buf_printf(&targets, "%s%s=icmp:%s", targets.len ? " " : "", ping, address);
        if (probe->checks & (CHECK_TCP | CHECK_SOURCE))
            ist_buf_printf(&targets, "%s%s=tcp:%s:%d", targets.len ? " " : "", tcp, address, probe->port);
        ist_free(ping);
        ist_free(tcp);
    }
    return targets.len ? ist_buf_take(&targets) : NULL;
}

static json_t *client_of(const struct probe *probe, size_t cluster, const char *targets)
{
    return pod_of(probe, cluster, "client", json_pack("[s, s, s]", "sh", "-c", client_script),
                  json_pack("[{s:s, s:s}]", "name", "ISTHMUS_PROBE_TARGETS", "value", targets));
}

// ---- removing ----

// Deletes every pod of this step in one cluster and waits until none is left.
static int32_t sweep(const struct probe *probe, ist_kube *kube, const ist_env *env, ist_error *err)
{
    char *selector = ist_printf(PROBE_LABEL "=%s", probe->owner);
    int64_t until = ist_now_ms(env) + REMOVE_MS;
    int32_t rc;
    for (size_t left = 1; left > 0;) {
        json_t *pods = NULL;
        size_t i;
        const json_t *pod;
        rc = ist_kube_list(kube, "v1", "Pod", probe->ns, selector, NULL, &pods, NULL, err);
        left = rc == IST_OK ? json_array_size(pods) : 0;
        json_array_foreach(pods, i, pod) if (rc == IST_OK && !ist_json_str(pod, "metadata.deletionTimestamp"))
            rc = ist_kube_delete(kube, "v1", "Pod", probe->ns, ist_json_str(pod, "metadata.name"),
                                 ist_json_str(pod, "metadata.uid"), NULL, err);
        json_decref(pods);
        if (rc == IST_ERR_CONFLICT) // made anew between list and delete: the next round sees it
            rc = IST_OK;
        if (rc == IST_OK && left && ist_now_ms(env) > until)
            rc = ist_fail(err, IST_ERR_TIMEOUT, ist_kube_name(kube), "%zu probe pods are still there", left);
        if (rc == IST_OK && left)
            rc = ist_sleep_ms(env, LOOK_MS);
        if (rc != IST_OK)
            break;
    }
    ist_free(selector);
    return rc;
}

void pods_remove(struct probe *probe)
{
    for (size_t i = 0; i < probe->clusters->count; i++) {
        const ist_cluster *cluster = &probe->clusters->items[i];
        ist_error err = {0};
        int32_t rc = sweep(probe, cluster->kube, &probe->env, &err);
        if (rc == IST_ERR_CANCELLED || rc == IST_ERR_TIMEOUT) {
            // The operation is over, the pods are not: once more, outside of its deadline.
            ist_env outside = {0};
            const json_t *kubeconfig =
                json_object_get(json_object_get(probe->inputs, "kubeconfigs"), cluster->name);
            ist_kube_options options = {
                .size = sizeof options, .name = cluster->name, .kubeconfig = json_string_value(kubeconfig)};
            ist_kube *kube = NULL;
            rc = ist_kube_new(&outside, &options, &kube, &err);
            if (rc == IST_OK)
                rc = sweep(probe, kube, &outside, &err);
            ist_kube_free(kube);
        }
        if (rc != IST_OK)
            ist_log(&probe->env, IST_LOG_WARN,
                    "probe pods may be left in %s (they end by themselves, the next run removes them): %s",
                    cluster->name, err.text);
    }
}

// ---- running ----

static int takes_part(const struct probe *probe, size_t cluster, size_t end)
{
    size_t i;
    const json_t *pair;
    json_array_foreach(probe->pairs, i,
                       pair) if ((size_t)json_integer_value(json_array_get(pair, end)) == cluster) return 1;
    return 0;
}

// What a pod waits for, as evidence of why it did not run. The caller's.
static char *why_waiting(ist_kube *kube, const json_t *pod)
{
    char *text = NULL;
    int ready = 0;
    ist_error err = {0};
    if (ist_kube_rollout_look(kube, pod, &ready, &text, &err) != IST_OK)
        return ist_strdup(err.text);
    if (ready) { // running, and that is not enough: a client has to end
        ist_free(text);
        return ist_strdup("running");
    }
    return text;
}

static int has_ended(const json_t *pod)
{
    const char *phase = ist_json_str_or(pod, "status.phase", "");
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

static int is_running(const json_t *pod)
{
    const char *address = ist_json_str(pod, "status.podIP");
    return address && *address && strcmp(ist_json_str_or(pod, "status.phase", ""), "Running") == 0;
}

// Waits until every pod of `pods` (array by cluster, null: none) is as `done` wants it, replacing each by its live form.
static int32_t wait_pods(struct probe *probe, json_t *pods, int (*done)(const json_t *), const char *what,
                         ist_error *err)
{
    int64_t until = ist_now_ms(&probe->env) + probe->timeout_ms;
    for (;;) {
        size_t waiting = 0, first = 0;
        for (size_t i = 0; i < probe->clusters->count; i++) {
            const json_t *pod = json_array_get(pods, i);
            json_t *live = NULL;
            if (json_is_null(pod) || done(pod))
                continue;
            int32_t rc = ist_kube_get(probe->clusters->items[i].kube, "v1", "Pod", probe->ns,
                                      ist_json_str(pod, "metadata.name"), &live, err);
            if (rc != IST_OK)
                return rc;
            if (!done(live) && waiting++ == 0)
                first = i;
            json_array_set_new(pods, i, live);
        }
        if (!waiting)
            return IST_OK;
        const ist_cluster *cluster = &probe->clusters->items[first];
        char *why = why_waiting(cluster->kube, json_array_get(pods, first));
        ist_progress(&probe->env, "probe pod in %s: %s", cluster->name, why);
        int32_t rc = ist_now_ms(&probe->env) > until ? IST_ERR_TIMEOUT : ist_sleep_ms(&probe->env, LOOK_MS);
        if (rc != IST_OK)
            ist_fail(err, rc, cluster->name, "the probe pod has not %s: %s", what, why);
        ist_free(why);
        if (rc != IST_OK)
            return rc;
    }
}

static int32_t make(struct probe *probe, size_t cluster, json_t *pod, json_t *pods, ist_error *err)
{
    json_t *made = NULL;
    int32_t rc = ist_kube_apply(probe->clusters->items[cluster].kube, pod, 1, &made, err);
    json_decref(pod);
    if (rc == IST_OK)
        json_array_set_new(pods, cluster, made);
    return rc;
}

int32_t pods_run(struct probe *probe, ist_error *err)
{
    int32_t rc = IST_OK;
    size_t count = probe->clusters->count;
    probe->listeners = json_array();
    probe->clients = json_array();
    for (size_t i = 0; i < count && rc == IST_OK; i++) {
        json_array_append_new(probe->listeners, json_null());
        json_array_append_new(probe->clients, json_null());
        rc = sweep(probe, probe->clusters->items[i].kube, &probe->env, err);
    }
    for (size_t i = 0; i < count && rc == IST_OK; i++)
        if (takes_part(probe, i, 1))
            rc = make(probe, i, listener_of(probe, i), probe->listeners, err);
    if (rc == IST_OK)
        rc = wait_pods(probe, probe->listeners, is_running, "started", err);
    for (size_t i = 0; i < count && rc == IST_OK; i++) {
        char *targets = targets_of(probe, i);
        if (targets)
            rc = make(probe, i, client_of(probe, i, targets), probe->clients, err);
        ist_free(targets);
    }
    return rc == IST_OK ? wait_pods(probe, probe->clients, has_ended, "ended", err) : rc;
}
