// A request taken apart: what it addresses, what it does, who sends it.
#include "server.h"

#include "../aws/aws.h"

#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static char *decoded(const char *text, size_t len)
{
    char *out = lab_calloc(1, len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && i + 2 < len + 0 && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            out[n++] = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    return out;
}

// The next segment of a path, decoded; "" at its end.
static char *segment(const char **path)
{
    while (**path == '/')
        (*path)++;
    size_t len = strcspn(*path, "/");
    char *text = decoded(*path, len);
    *path += len;
    return text;
}

static void parse_resource(struct kube_request *rq, const char *path)
{
    char *word = segment(&path);
    if (strcmp(word, "namespaces") == 0) {
        char *ns = segment(&path), *next = segment(&path);
        bool own = !*next || strcmp(next, "status") == 0 || strcmp(next, "finalize") == 0;
        if (own && !*rq->group) {
            // A namespace itself.
            rq->plural = word;
            rq->name = ns;
            rq->sub = next;
            return;
        }
        free(word);
        rq->ns = ns;
        word = next;
    }
    rq->plural = word;
    rq->name = segment(&path);
    rq->sub = segment(&path);
    rq->rest = lab_strdup(path);
}

struct kube_request *kube_request_parse(struct lab_cluster *cluster, const struct lab_request *http)
{
    struct kube_request *rq = lab_calloc(1, sizeof *rq);
    const char *path = http->path;
    rq->cluster = cluster;
    rq->http = http;
    bool core = strncmp(path, "/api/", 5) == 0, groups = strncmp(path, "/apis/", 6) == 0;
    if (core || groups) {
        path += core ? 5 : 6;
        rq->group = core ? lab_strdup("") : segment(&path);
        rq->version = segment(&path);
        rq->resource_path = *rq->version && *path == '/' && path[1];
        if (rq->resource_path)
            parse_resource(rq, path);
    }
    char **all[] = {&rq->group, &rq->version, &rq->ns, &rq->plural, &rq->name, &rq->sub, &rq->rest};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!*all[i])
            *all[i] = lab_strdup("");
    if (rq->resource_path)
        rq->resource = kube_resource_served(cluster, rq->group, rq->version, rq->plural);
    for (size_t v = 0; rq->resource && v < 3; v++) {
        const struct kube_served *served = &rq->resource->kind->served[v];
        if (kube_served_now(cluster, served) && strcmp(served->group, rq->group) == 0 &&
            strcmp(served->version, rq->version) == 0)
            rq->served = served;
    }
    return rq;
}

void kube_request_free(struct kube_request *rq)
{
    if (!rq)
        return;
    free(rq->group);
    free(rq->version);
    free(rq->ns);
    free(rq->plural);
    free(rq->name);
    free(rq->sub);
    free(rq->rest);
    free(rq);
}

char *kube_query(const struct kube_request *rq, const char *name)
{
    char *value = lab_query_get(rq->http, name);
    return value ? value : lab_strdup("");
}

bool kube_query_true(const struct kube_request *rq, const char *name)
{
    char *value = kube_query(rq, name);
    bool yes = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    free(value);
    return yes;
}

const char *kube_accept(const struct kube_request *rq)
{
    const char *accept = lab_header(rq->http, "Accept");
    return accept ? accept : "";
}

static const char *verb_of(const struct kube_request *rq)
{
    const char *method = rq->http->method, *type = lab_header(rq->http, "Content-Type");
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return *rq->name ? "get" : kube_query_true(rq, "watch") ? "watch" : "list";
    if (strcmp(method, "POST") == 0)
        return "create";
    if (strcmp(method, "PUT") == 0)
        return "update";
    if (strcmp(method, "PATCH") == 0)
        return type && strstr(type, "apply-patch") ? "apply" : "patch";
    return *rq->name ? "delete" : "deletecollection";
}

void kube_identify(struct lab *lab, void *self, struct lab_request *http)
{
    (void)lab;
    struct kube_request *rq = kube_request_parse(self, http);
    char *dry = kube_query(rq, "dryRun");
    bool reads = strcmp(http->method, "GET") == 0 || strcmp(http->method, "HEAD") == 0;
    bool asks = rq->resource && (rq->resource->kind->flags & KUBE_VIRTUAL) && strstr(rq->plural, "review");
    if (!rq->resource_path)
        http->action = lab_strdup("discovery");
    else
        http->action = lab_format("%s %s%s%s", verb_of(rq), rq->plural, *rq->sub ? "/" : "", rq->sub);
    http->write = !reads && !*dry && !asks;
    free(dry);
    kube_request_free(rq);
}

void kube_refuse(struct lab *lab, void *self, struct lab_request *http, struct lab_reply *reply,
                 const struct lab_fault *fault)
{
    (void)lab;
    (void)self;
    (void)http;
    bool throttle = strcmp(fault->effect, "throttle") == 0,
         expired = strcmp(fault->effect, "expired-token") == 0, denied = strcmp(fault->effect, "deny") == 0;
    int status = fault->status ? fault->status : throttle ? 429 : expired ? 401 : denied ? 403 : 500;
    const char *reason = fault->code     ? fault->code
                         : status == 429 ? "TooManyRequests"
                         : status == 401 ? "Unauthorized"
                         : status == 403 ? "Forbidden"
                         : status == 404 ? "NotFound"
                         : status == 409 ? "Conflict"
                         : status == 410 ? "Expired"
                         : status == 503 ? "ServiceUnavailable"
                         : status == 504 ? "Timeout"
                                         : "InternalError";
    if (status == 429)
        reply->headers = json_pack("{ss}", "Retry-After", "1");
    lab_reply_json(reply, status, kube_status(status, reason, NULL, "a fault rule of the lab: %s", reason));
}
