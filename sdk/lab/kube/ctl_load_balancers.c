// Services of type LoadBalancer: on EKS each gets a host name after a moment. Keys: "namespace/name".
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

enum { READY_MS = 150 };

static const char me[] = "load balancers";

static void note(struct lab_cluster *cluster, const struct kube_event *event)
{
    if (cluster->eks && kube_is(event, "Service") && !event->deleted)
        kube_queue_after(cluster, READY_MS, me, event->key);
}

// "a<31 digits of the uid>-<number>.REGION.elb.amazonaws.com", as the classic load balancers are named.
static char *host_name(struct lab_cluster *cluster, const json_t *service)
{
    const char *uid = kube_text(service, "metadata.uid"),
               *region = kube_text(cluster->lab->env, "AWS_DEFAULT_REGION");
    char name[33] = "a";
    size_t n = 1;
    uint32_t number = 0;
    for (; *uid && n < 32; uid++)
        if (*uid != '-') {
            name[n++] = *uid;
            number = number * 31 + (unsigned char)*uid;
        }
    if (!*region)
        region = kube_text(cluster->lab->env, "AWS_REGION");
    return lab_format("%s-%u.%s.elb.amazonaws.com", name, number, *region ? region : "us-west-2");
}

static void sync(struct lab_cluster *cluster, const char *key)
{
    const json_t *service = kube_object_at(cluster, "services", key);
    bool wanted = strcmp(kube_text(service, "spec.type"), "LoadBalancer") == 0;
    bool has = json_array_size(kube_path(service, "status.loadBalancer.ingress")) > 0;
    if (!service || wanted == has || kube_going(service))
        return;
    char *host = host_name(cluster, service);
    json_t *status = wanted ? json_pack("{s{s[{ss}]}}", "loadBalancer", "ingress", "hostname", host)
                            : json_pack("{s{}}", "loadBalancer");
    kube_put_status(cluster, "services", service, status);
    free(host);
}

const struct kube_controller kube_load_balancers = {me, note, sync};
