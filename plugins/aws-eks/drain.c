// What a cluster has made in the VPC, and what stands in the way of its end. Load balancers are made from within, for
// Services: a cluster that goes before them leaves them behind, and their interfaces keep subnets and groups.
#include "eks.h"

#include <string.h>

#define FIRST_POLL_MS 500
#define LAST_POLL_MS  5000

// Services of type LoadBalancer. New reference.
static int32_t balancers(struct step *s, json_t **found, ist_error *err)
{
    json_t *services = NULL, *service, *list = json_array();
    size_t i;
    const int32_t rc = ist_kube_list(s->kube, "v1", "Service", NULL, NULL, NULL, &services, NULL, err);
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

static int32_t remove_one(struct step *s, const json_t *service, ist_error *err)
{
    const char *ns = ist_json_str_or(service, "metadata.namespace", ""),
               *name = ist_json_str_or(service, "metadata.name", "");
    if (ist_json_str(service, "metadata.deletionTimestamp") != NULL)
        return IST_OK;
    ist_progress(&s->env, "load balancer of Service %s/%s: removing it", ns, name);
    return ist_kube_delete(s->kube, "v1", "Service", ns, name, ist_json_str(service, "metadata.uid"), NULL,
                           err);
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

// Each is deleted, and looked for until its controller has let go of it: its load balancer is gone then.
int32_t drain_services(struct step *s, ist_error *err)
{
    const int64_t until = ist_now_ms(&s->env) + step_timeout(s);
    int64_t pause = FIRST_POLL_MS;
    for (;;) {
        json_t *left = NULL, *service;
        size_t i;
        int32_t rc = balancers(s, &left, err);
        json_array_foreach(left, i, service)
        {
            if (rc == IST_OK)
                rc = remove_one(s, service, err);
        }
        const int done = rc != IST_OK || json_array_size(left) == 0;
        if (!done && ist_now_ms(&s->env) >= until)
            rc = still_there(left, IST_ERR_TIMEOUT, err);
        else if (!done && (rc = ist_sleep_ms(&s->env, pause)) != IST_OK)
            still_there(left, rc, err);
        pause = pause * 3 / 2 < LAST_POLL_MS ? pause * 3 / 2 : LAST_POLL_MS;
        json_decref(left);
        if (done || rc != IST_OK)
            return rc;
    }
}

void drain_tell(struct step *s, ist_error *err)
{
    const char *group = ist_json_str_or(s->cluster, "resourcesVpcConfig.clusterSecurityGroupId", "-");
    char *tag = ist_printf("tag:kubernetes.io/cluster/%s", ist_json_str_or(s->inputs, "name", ""));
    char *found = ist_aws_blockers(s->aws, "group-id", group, tag, "owned");
    char *hint = ist_strdup(err->hint);
    if (found != NULL) // what AWS's own words called for stays
        ist_hint(err, "%s%sstill there of the cluster's: %s", hint, *hint != '\0' ? "; " : "", found);
    ist_free(hint);
    ist_free(found);
    ist_free(tag);
}
