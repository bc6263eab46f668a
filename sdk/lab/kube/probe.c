#include "probe.h"

#include "ctl.h"

#include "../net/net.h"
#include "../net/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char targets_name[] = "ISTHMUS_PROBE_TARGETS", listen_name[] = "ISTHMUS_PROBE_LISTEN";

// The value of an environment variable of any container, or NULL.
static const char *env_of(const json_t *pod, const char *name)
{
    size_t i, k;
    const json_t *container, *entry;
    json_array_foreach(kube_path(pod, "spec.containers"), i, container) json_array_foreach(
        json_object_get(container, "env"), k,
        entry) if (strcmp(kube_text(entry, "name"), name) == 0) return kube_text(entry, "value");
    return NULL;
}

// ---- listening ----

static bool flag_is(const json_t *words, const char *flag, int port)
{
    size_t i, len = strlen(flag);
    const json_t *word;
    json_array_foreach(words, i, word)
    {
        const char *text = json_string_value(word);
        if (text && strncmp(text, flag, len) == 0 && strtol(text + len, NULL, 10) == port)
            return true;
    }
    return false;
}

static bool container_listens(const json_t *container, int port)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(container, "ports"), i,
                       entry) if (json_integer_value(json_object_get(entry, "containerPort")) == port &&
                                  (!*kube_text(entry, "protocol") ||
                                   strcmp(kube_text(entry, "protocol"), "TCP") == 0)) return true;
    return flag_is(json_object_get(container, "command"), "--http-port=", port) ||
           flag_is(json_object_get(container, "args"), "--http-port=", port);
}

bool kube_pod_listens(const json_t *pod, int port)
{
    const char *listen = env_of(pod, listen_name);
    size_t i;
    const json_t *container;
    if (strcmp(kube_text(pod, "status.phase"), "Running") != 0 || kube_going(pod))
        return false;
    if (listen && strtol(listen, NULL, 10) == port)
        return true;
    json_array_foreach(kube_path(pod, "spec.containers"), i,
                       container) if (container_listens(container, port)) return true;
    return false;
}

// ---- trying ----

bool kube_probe_is_client(const json_t *pod)
{
    return env_of(pod, targets_name) != NULL && strcmp(kube_text(pod, "spec.restartPolicy"), "Always") != 0;
}

struct target {
    char *name, *host;
    int proto, port;
};

// "name=tcp:HOST:PORT", "name=udp:HOST:PORT" or "name=icmp:HOST"; false if it is none.
static bool parse_target(const char *word, size_t len, struct target *target)
{
    char *text = lab_format("%.*s", (int)len, word), *eq = strchr(text, '='),
         *colon = eq ? strchr(eq, ':') : NULL;
    bool ok = false;
    if (colon) {
        *eq = *colon = 0;
        char *port = strrchr(colon + 1, ':');
        target->proto = strcmp(eq + 1, "tcp") == 0   ? NET_TCP
                        : strcmp(eq + 1, "udp") == 0 ? NET_UDP
                                                     : NET_ICMP;
        ok = target->proto != NET_ICMP ? port != NULL : strcmp(eq + 1, "icmp") == 0;
        if (ok && port)
            *port = 0;
        target->port = ok && port ? (int)strtol(port + 1, NULL, 10) : 0;
        target->name = lab_strdup(text);
        target->host = lab_strdup(colon + 1);
    }
    free(text);
    return ok;
}

static void note_why(json_t *annotations, const char *name, const char *why)
{
    char *key = lab_format("lab.isthmus.dev/why-%s", name);
    for (char *p = strchr(key, '/') + 1; *p; p++) // what a label's name may hold
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("-_.", *p)))
            *p = '-';
    json_object_set_new(annotations, key, json_string(why));
    free(key);
}

static char *try_target(struct lab_cluster *cluster, const json_t *pod, const struct target *target,
                        json_t *annotations)
{
    struct lab_answer answer = {0};
    struct lab_flow flow = {.from = cluster, .proto = target->proto, .port = target->port};
    const char *reason = "timeout";
    lab_parse_ip(kube_text(pod, "status.podIP"), &flow.src);
    if (lab_net_resolve(cluster, kube_ns(pod), target->host, &flow.dst, answer.why, sizeof answer.why)) {
        lab_net_reach(cluster->lab, &flow, &answer);
        reason = answer.refused ? "refused" : "timeout";
    } else {
        reason = "unresolved";
    }
    if (answer.reachable) {
        char *seen = lab_ip(answer.seen);
        char *line = lab_format("%s ok source=%s\n", target->name, target->proto == NET_ICMP ? "-" : seen);
        free(seen);
        return line;
    }
    note_why(annotations, target->name, answer.why);
    lab_log(cluster->lab, "kube/%s: probe %s/%s %s: %s: %s", cluster->name, kube_ns(pod), kube_name(pod),
            target->name, reason, answer.why);
    return lab_format("%s fail %s\n", target->name, reason);
}

char *kube_probe_run(struct lab_cluster *cluster, const json_t *pod, json_t *annotations)
{
    const char *words = env_of(pod, targets_name);
    char *message = lab_strdup("");
    while (words && *words) {
        size_t len = strcspn(words, " \t\n");
        struct target target = {0};
        if (len && parse_target(words, len, &target)) {
            char *line = try_target(cluster, pod, &target, annotations),
                 *longer = lab_format("%s%s", message, line);
            free(line);
            free(message);
            message = longer;
        }
        free(target.name);
        free(target.host);
        words += len + (words[len] != 0);
    }
    return message;
}
