// Load balancers, which controllers make for Services outside of the cluster.
#include "internal.h"

#include <string.h>

#define FIRST_POLL_MS 500
#define LAST_POLL_MS  5000

// Services of type LoadBalancer. New reference.
static int32_t balancers(ist_kube *kube, json_t **found, ist_error *err)
{
    json_t *services = NULL, *service, *list = json_array();
    size_t i;
    const int32_t rc = ist_kube_list(kube, "v1", "Service", NULL, NULL, NULL, &services, NULL, err);
    json_array_foreach(services, i, service)
    {
        if (strcmp(ist_json_str_or(service, "spec.type", ""), "LoadBalancer") == 0)
            json_array_append(list, service);
    }
    json_decref(services);
    if (rc == IST_OK)
        *found = list;
    else
        json_decref(list);
    return rc;
}

static int32_t remove_one(ist_kube *kube, const json_t *service, ist_error *err)
{
    const char *ns = ist_json_str_or(service, "metadata.namespace", ""),
               *name = ist_json_str_or(service, "metadata.name", "");
    if (ist_json_str(service, "metadata.deletionTimestamp") != NULL)
        return IST_OK;
    ist_progress(&kube->env, "load balancer of Service %s/%s: removing it", ns, name);
    return ist_kube_delete(kube, "v1", "Service", ns, name, ist_json_str(service, "metadata.uid"), NULL, err);
}

static int32_t still_there(const json_t *left, int32_t code, ist_error *err)
{
    const json_t *first = json_array_get(left, 0);
    const json_t *finalizer = json_array_get(ist_json_at(first, "metadata.finalizers"), 0);
    ist_fail(err, code, "load balancers", "%zu still there, first of Service %s/%s, which %s%s",
             json_array_size(left), ist_json_str_or(first, "metadata.namespace", "?"),
             ist_json_str_or(first, "metadata.name", "?"),
             finalizer != NULL ? "waits for " : "is not deleted",
             finalizer != NULL && json_is_string(finalizer) ? json_string_value(finalizer) : "");
    ist_hint(err, "see `kubectl describe service` there for what its controller says");
    return code;
}

int32_t ist_kube_drain(ist_kube *kube, int64_t timeout_ms, size_t *found, ist_error *err)
{
    const int64_t until = ist_now_ms(&kube->env) + timeout_ms;
    int64_t pause = FIRST_POLL_MS;
    *found = 0;
    for (;;) {
        json_t *left = NULL, *service;
        size_t i;
        int32_t rc = balancers(kube, &left, err);
        if (json_array_size(left) > *found)
            *found = json_array_size(left);
        json_array_foreach(left, i, service)
        {
            if (rc == IST_OK)
                rc = remove_one(kube, service, err);
        }
        const int done = rc != IST_OK || json_array_size(left) == 0;
        if (!done && ist_now_ms(&kube->env) >= until)
            rc = still_there(left, IST_ERR_TIMEOUT, err);
        else if (!done && (rc = ist_sleep_ms(&kube->env, pause)) != IST_OK)
            still_there(left, rc, err);
        pause = pause * 3 / 2 < LAST_POLL_MS ? pause * 3 / 2 : LAST_POLL_MS;
        json_decref(left);
        if (done || rc != IST_OK)
            return rc;
    }
}
