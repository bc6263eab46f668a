// The REST side of a cluster: one request taken apart, and who answers which.
#ifndef LAB_KUBE_SERVER_H
#define LAB_KUBE_SERVER_H

#include "rest.h"

struct kube_request {
    struct lab_cluster *cluster;
    const struct lab_request *http;
    char *group, *version, *ns, *plural, *name, *sub,
        *rest;                      // "" when absent, decoded; `rest`: what follows /proxy
    bool resource_path;             // below /api/v1/ or /apis/G/V/
    struct kube_resource *resource; // NULL: no such
    const struct kube_served *served;
};

struct kube_request *kube_request_parse(struct lab_cluster *cluster, const struct lab_request *http);
void kube_request_free(struct kube_request *rq);
char *kube_query(const struct kube_request *rq, const char *name); // "" when absent, malloc'd
bool kube_query_true(const struct kube_request *rq, const char *name);
const char *kube_accept(const struct kube_request *rq); // borrowed, never NULL

void kube_identify(struct lab *lab, void *cluster, struct lab_request *http);
void kube_act(struct lab *lab, void *cluster, struct lab_request *http, struct lab_reply *reply);
void kube_refuse(struct lab *lab, void *cluster, struct lab_request *http, struct lab_reply *reply,
                 const struct lab_fault *fault);

// Discovery, version, health, OpenAPI (discovery.c). False: no such path.
bool kube_discovery(struct lab_cluster *cluster, const char *path, struct lab_reply *reply);
// GET of a collection (list.c, watch.c) and of one object's forms.
void kube_list_reply(const struct kube_request *rq, struct lab_reply *reply);
void kube_watch_reply(const struct kube_request *rq, struct lab_reply *reply);
json_t *kube_shown(const struct kube_request *rq,
                   const json_t *object); // as the request's Accept asks; new reference
// The resourceVersion that a read sees: today's, or an older one under a "stale" fault.
uint64_t kube_view(const struct kube_request *rq);
// Selectors of a query; false with *error. Both are new references, or NULL for everything.
bool kube_selectors(const struct kube_request *rq, json_t **labels, json_t **fields, json_t **error);

// pods/proxy and services/proxy (proxy.c)
void kube_proxy(const struct kube_request *rq, struct lab_reply *reply);

#endif
