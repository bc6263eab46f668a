#include "stars.h"

#include "../net/net.h"
#include "../net/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Calico's build of star-collect asks these three; the letters are the nodes of its picture.
static const char *const resources[][2] = {{"B", "http://backend.stars:6379/status"},
                                           {"C", "http://client.client:9000/status"},
                                           {"F", "http://frontend.stars:80/status"}};

static const json_t *container_of(const json_t *pod, const char *program)
{
    size_t i;
    const json_t *container;
    json_array_foreach(kube_path(pod, "spec.containers"), i,
                       container) if (strstr(kube_text(container, "image"), program)) return container;
    return NULL;
}

// The value of "--name=value" among a container's command and arguments, or NULL.
static const char *option(const json_t *container, const char *flag)
{
    static const char *const lists[] = {"command", "args"};
    for (size_t l = 0; l < 2; l++) {
        size_t i;
        const json_t *word;
        json_array_foreach(json_object_get(container, lists[l]), i, word)
        {
            const char *text = json_string_value(word);
            if (text && strncmp(text, flag, strlen(flag)) == 0)
                return text + strlen(flag);
        }
    }
    return NULL;
}

// Tries a URL from a pod; *there: the pod at its end (borrowed), *home: its cluster. The path is malloc'd.
static bool try_url(struct lab_cluster *cluster, const json_t *pod, const char *url, const json_t **there,
                    struct lab_cluster **home, char **path)
{
    static const char scheme[] = "http://";
    struct lab_answer answer = {0};
    struct lab_flow flow = {.from = cluster, .proto = NET_TCP, .port = 80};
    const char *host = strncmp(url, scheme, sizeof scheme - 1) == 0 ? url + sizeof scheme - 1 : url;
    size_t len = strcspn(host, ":/");
    const char *rest = host + len;
    char *name = lab_format("%.*s", (int)len, host), *end = NULL;
    if (*rest == ':') {
        flow.port = (int)strtol(rest + 1, &end, 10);
        rest = end;
    }
    lab_parse_ip(kube_text(pod, "status.podIP"), &flow.src);
    if (lab_net_resolve(cluster, kube_ns(pod), name, &flow.dst, answer.why, sizeof answer.why))
        lab_net_reach(cluster->lab, &flow, &answer);
    if (!answer.reachable)
        lab_log(cluster->lab, "kube/%s: %s/%s cannot reach %s: %s", cluster->name, kube_ns(pod),
                kube_name(pod), url, answer.why);
    else
        *there = lab_net_pod_at(cluster->lab, answer.delivered, home);
    *path = lab_strdup(*rest ? rest : "/");
    free(name);
    return answer.reachable;
}

static json_t *probe_status(struct lab_cluster *cluster, const json_t *pod, const json_t *container)
{
    const char *urls = option(container, "--urls=");
    json_t *targets = json_array();
    while (urls && *urls) {
        size_t len = strcspn(urls, ",");
        char *url = lab_format("%.*s", (int)len, urls), *path = NULL;
        const json_t *there;
        struct lab_cluster *home;
        bool reached = try_url(cluster, pod, url, &there, &home, &path);
        json_array_append_new(targets, json_pack("{ss sb}", "url", url, "reachable", reached));
        free(path);
        free(url);
        urls += len + (urls[len] == ',');
    }
    return json_pack("{s{so}}", "status", "targets", targets);
}

static json_t *collect_responses(struct lab_cluster *cluster, const json_t *pod)
{
    json_t *responses = json_object();
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
        const char *url = resources[i][1];
        const json_t *there = NULL;
        struct lab_cluster *home = NULL;
        char *path = NULL;
        json_t *answer = try_url(cluster, pod, url, &there, &home, &path) && there
                             ? kube_stars_answer(home, there, path)
                             : NULL;
        // What could not be fetched is null, as in the program's cache.
        json_object_set_new(responses, resources[i][0],
                            answer ? json_pack("{ss si so}", "url", url, "statusCode", 200, "json", answer)
                                   : json_null());
        free(path);
    }
    return json_pack("{so}", "responses", responses);
}

static json_t *collect_resources(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        json_array_append_new(list, json_pack("{ss ss}", "id", resources[i][0], "url", resources[i][1]));
    return json_pack("{so}", "resources", list);
}

json_t *kube_stars_answer(struct lab_cluster *cluster, const json_t *pod, const char *path)
{
    const json_t *probe = container_of(pod, "star-probe"), *collect = container_of(pod, "star-collect");
    if (probe && strcmp(path, "/status") == 0)
        return probe_status(cluster, pod, probe);
    if (collect && strcmp(path, "/responses") == 0)
        return collect_responses(cluster, pod);
    if (collect && strcmp(path, "/resources") == 0)
        return collect_resources();
    return NULL;
}
