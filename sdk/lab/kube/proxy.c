// services/proxy and pods/proxy: what the program in a pod would answer. The API server itself is on every cluster's
// node network, so no policy is asked.
#include "ctl.h"
#include "probe.h"
#include "server.h"
#include "stars.h"

#include <stdlib.h>
#include <string.h>

static void refuse(struct lab_reply *reply, json_t *error)
{
    lab_reply_json(reply, kube_status_code(error), error);
}

// "[scheme:]NAME[:PORT]" in its parts, malloc'd.
static void parts(const char *text, char **name, char **port)
{
    const char *first = strchr(text, ':'), *last = strrchr(text, ':');
    bool scheme = first && (strncmp(text, "http:", 5) == 0 || strncmp(text, "https:", 6) == 0);
    const char *start = scheme ? first + 1 : text;
    bool has_port = last && last >= start;
    *name = has_port ? lab_format("%.*s", (int)(last - start), start) : lab_strdup(start);
    *port = lab_strdup(has_port ? last + 1 : "");
}

static bool is_port(const json_t *port, const char *wanted)
{
    return !*wanted || strcmp(kube_text(port, "name"), wanted) == 0 ||
           json_integer_value(json_object_get(port, "port")) == strtol(wanted, NULL, 10);
}

// The first ready pod behind a service's port, and the port there.
static const json_t *behind(struct lab_cluster *cluster, const json_t *service, const char *wanted, int *port)
{
    size_t i, k, n;
    const json_t *service_port = NULL, *item, *subset, *address;
    json_array_foreach(kube_path(service, "spec.ports"), i, item) if (!service_port && is_port(item, wanted))
        service_port = item;
    const json_t *endpoints = lab_kube_get(cluster, "endpoints", kube_ns(service), kube_name(service));
    json_array_foreach(json_object_get(endpoints, "subsets"), i, subset) json_array_foreach(
        json_object_get(subset, "ports"), k,
        item) if (service_port && strcmp(kube_text(item, "name"), kube_text(service_port, "name")) == 0)
        json_array_foreach(json_object_get(subset, "addresses"), n, address)
    {
        *port = (int)json_integer_value(json_object_get(item, "port"));
        const char *target = kube_text(address, "targetRef.name");
        const json_t *pod = lab_kube_get(cluster, "pods", kube_ns(service), target);
        if (pod)
            return pod;
    }
    return NULL;
}

static int first_port(const json_t *pod)
{
    const json_t *container = json_array_get(kube_path(pod, "spec.containers"), 0);
    return (int)json_integer_value(
        json_object_get(json_array_get(json_object_get(container, "ports"), 0), "containerPort"));
}

static void answer(const struct kube_request *rq, struct lab_reply *reply, const json_t *pod, int port)
{
    const char *path = *rq->rest ? rq->rest : "/";
    json_t *body = NULL;
    if (!kube_pod_listens(pod, port))
        refuse(reply,
               kube_status(503, "ServiceUnavailable", NULL,
                           "error trying to reach service: dial tcp %s:%d: connect: connection refused",
                           kube_text(pod, "status.podIP"), port));
    else if ((body = kube_stars_answer(rq->cluster, pod, path)))
        lab_reply_json(reply, 200, body);
    else
        lab_reply_text(reply, 404, "text/plain", lab_strdup("not found\n"));
}

void kube_proxy(const struct kube_request *rq, struct lab_reply *reply)
{
    char *name, *port_text;
    int port = 0;
    bool service = strcmp(rq->plural, "services") == 0;
    parts(rq->name, &name, &port_text);
    const json_t *object = lab_kube_get(rq->cluster, rq->plural, rq->ns, name);
    if (!object) {
        refuse(reply, kube_status_not_found(rq->resource, name));
    } else if (service) {
        const json_t *pod = behind(rq->cluster, object, port_text, &port);
        if (pod)
            answer(rq, reply, pod, port);
        else
            refuse(reply, kube_status(503, "ServiceUnavailable", NULL,
                                      "no endpoints available for service \"%s\"", name));
    } else {
        answer(rq, reply, object, *port_text ? (int)strtol(port_text, NULL, 10) : first_port(object));
    }
    free(name);
    free(port_text);
}
