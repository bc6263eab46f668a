// EKS: REST JSON. Clusters come from the container platform; here they are read, and add-ons are managed.
#include "inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *cluster_of(struct aws_call *c, const char *name)
{
    json_t *cluster = aws_get(c, "cluster", name);
    return cluster ? cluster
                   : aws_fail(c, 404, "ResourceNotFoundException", "No cluster found for name: %s.", name);
}

// Without the lab's own members.
static json_t *shown(const json_t *object)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object), *value;
    const char *key;
    void *next;
    json_object_foreach_safe(copy, next, key, value)
    {
        if (*key == '_')
            json_object_del(copy, key);
    }
    return copy;
}

struct parts {
    char *cluster, *kind, *item, *verb;
    const struct lab_request *rq;
    json_t *body;
};

static json_t *list_clusters(struct aws_call *c, const struct parts *p)
{
    json_t *names = json_array(), *cluster;
    const char *name;
    (void)p;
    json_object_foreach(aws_all(c, "cluster"), name, cluster) json_array_append_new(names, json_string(name));
    char *limit = lab_query_get(p->rq, "maxResults"), *token = lab_query_get(p->rq, "nextToken");
    json_t *answer = aws_page(c, "clusters", names, limit, token);
    free(limit);
    free(token);
    return answer;
}

static json_t *describe_cluster(struct aws_call *c, const struct parts *p)
{
    json_t *cluster = cluster_of(c, p->cluster);
    return cluster ? json_pack("{so}", "cluster", shown(cluster)) : NULL;
}

static json_t *list_nodegroups(struct aws_call *c, const struct parts *p)
{
    return cluster_of(c, p->cluster) ? json_pack("{s[]}", "nodegroups")
                                     : NULL; // the platform's workers are its own
}

static json_t *describe_nodegroup(struct aws_call *c, const struct parts *p)
{
    return cluster_of(c, p->cluster)
               ? aws_fail(c, 404, "ResourceNotFoundException", "No node group found for name: %s.", p->item)
               : NULL;
}

// ---- add-ons ----

static json_t *addons_of(struct aws_call *c, const struct parts *p)
{
    return json_object_get(cluster_of(c, p->cluster), "_addons");
}

static json_t *list_addons(struct aws_call *c, const struct parts *p)
{
    json_t *addons = addons_of(c, p), *names = json_array(), *addon;
    const char *name;
    if (c->status) {
        json_decref(names);
        return NULL;
    }
    json_object_foreach(addons, name, addon) json_array_append_new(names, json_string(name));
    return json_pack("{so}", "addons", names);
}

static json_t *find_addon(struct aws_call *c, const struct parts *p)
{
    json_t *addon = json_object_get(addons_of(c, p), p->item);
    if (!addon && !c->status)
        aws_fail(c, 404, "ResourceNotFoundException", "No addon: %s found in cluster: %s", p->item,
                 p->cluster);
    return addon;
}

static json_t *describe_addon(struct aws_call *c, const struct parts *p)
{
    json_t *addon = find_addon(c, p);
    return addon ? json_pack("{so}", "addon", shown(addon)) : NULL;
}

// configurationValues is a JSON string, and the service judges it.
static bool take_configuration(struct aws_call *c, json_t *addon, const json_t *body)
{
    json_t *value = json_object_get(body, "configurationValues");
    if (!value)
        return true;
    json_t *parsed = json_is_string(value) ? json_loads(json_string_value(value), 0, NULL) : NULL;
    bool good = json_is_object(parsed) || (json_is_string(value) && !*json_string_value(value));
    json_decref(parsed);
    if (good)
        json_object_set(addon, "configurationValues", value);
    else
        aws_fail(c, 400, "InvalidParameterException",
                 "ConfigurationValue provided in request is not supported");
    return good;
}

static json_t *create_addon(struct aws_call *c, const struct parts *p)
{
    json_t *addons = addons_of(c, p);
    const char *name = aws_text(p->body, "addonName");
    if (!addons)
        return NULL;
    if (json_object_get(addons, name))
        return aws_fail(c, 409, "ResourceInUseException", "Addon already exists: %s", name);
    char *arn = lab_format("arn:aws:eks:" AWS_REGION ":" AWS_ACCOUNT ":addon/%s/%s", p->cluster, name);
    json_t *addon = json_pack("{ss ss ss ss ss s{s[]} s{} si}", "addonName", name, "clusterName", p->cluster,
                              "status", "ACTIVE", "addonVersion", "v1.16.4-eksbuild.2", "addonArn", arn,
                              "health", "issues", "tags", "createdAt", (int)time(NULL));
    free(arn);
    if (!take_configuration(c, addon, p->body)) {
        json_decref(addon);
        return NULL;
    }
    json_object_set_new(addons, name, addon);
    return json_pack("{so}", "addon", shown(addon));
}

static json_t *update_addon(struct aws_call *c, const struct parts *p)
{
    json_t *addon = find_addon(c, p);
    if (!addon || !take_configuration(c, addon, p->body))
        return NULL;
    char *id = lab_id("", 32);
    json_t *answer = json_pack("{s{ss ss ss si s[] s[]}}", "update", "id", id, "status", "InProgress", "type",
                               "AddonUpdate", "createdAt", (int)time(NULL), "params", "errors");
    free(id);
    return answer;
}

static json_t *delete_addon(struct aws_call *c, const struct parts *p)
{
    json_t *addon = find_addon(c, p);
    if (!addon)
        return NULL;
    json_t *answer = json_pack("{so}", "addon", shown(addon));
    json_object_set_new(json_object_get(answer, "addon"), "status", json_string("DELETING"));
    json_object_del(addons_of(c, p), p->item);
    return answer;
}

static json_t *describe_update(struct aws_call *c, const struct parts *p)
{
    return cluster_of(c, p->cluster) ? json_pack("{s{ss ss ss s[]}}", "update", "id", p->item, "status",
                                                 "Successful", "type", "AddonUpdate", "errors")
                                     : NULL;
}

// ---- routes: the parts of a path that must be there ----

static const struct {
    const char *method, *kind;
    int depth; // how many parts follow /clusters
    const char *action;
    json_t *(*fn)(struct aws_call *, const struct parts *);
    bool write;
} routes[] = {{"GET", NULL, 0, "ListClusters", list_clusters, false},
              {"GET", NULL, 1, "DescribeCluster", describe_cluster, false},
              {"GET", "node-groups", 2, "ListNodegroups", list_nodegroups, false},
              {"GET", "node-groups", 3, "DescribeNodegroup", describe_nodegroup, false},
              {"GET", "addons", 2, "ListAddons", list_addons, false},
              {"POST", "addons", 2, "CreateAddon", create_addon, true},
              {"GET", "addons", 3, "DescribeAddon", describe_addon, false},
              {"DELETE", "addons", 3, "DeleteAddon", delete_addon, true},
              {"POST", "addons", 4, "UpdateAddon", update_addon, true},
              {"GET", "updates", 3, "DescribeUpdate", describe_update, false}};
enum { ROUTES = sizeof routes / sizeof *routes };

static int split(char *path, struct parts *p)
{
    char *rest = path, *part, **into[] = {&p->cluster, &p->kind, &p->item, &p->verb};
    int depth = 0;
    strsep(&rest, "/"); // before the first slash
    strsep(&rest, "/"); // "clusters"
    while (depth < 4 && (part = strsep(&rest, "/"))) {
        if (*part)
            *into[depth++] = lab_decode(part, strlen(part));
    }
    return depth;
}

static int route_of(const struct lab_request *rq, struct parts *p)
{
    char *path = lab_strdup(rq->path);
    int depth = split(path, p), found = -1;
    free(path);
    for (int i = 0; i < ROUTES; i++) {
        if (routes[i].depth == depth && !strcmp(routes[i].method, rq->method) &&
            (!routes[i].kind || (p->kind && !strcmp(p->kind, routes[i].kind))))
            found = i;
    }
    return found;
}

static void free_parts(struct parts *p)
{
    free(p->cluster);
    free(p->kind);
    free(p->item);
    free(p->verb);
    json_decref(p->body);
}

bool aws_eks_handles(const char *path)
{
    return !strcmp(path, "/clusters") || !strncmp(path, "/clusters/", 10);
}

void aws_eks_identify(struct lab_request *rq)
{
    struct parts p = {0};
    int route = route_of(rq, &p);
    rq->action = lab_format("eks:%s", route >= 0 ? routes[route].action : "-");
    rq->write = route >= 0 && routes[route].write;
    free_parts(&p);
}

void aws_eks_act(struct aws_call *c, const struct lab_request *rq, struct lab_reply *reply)
{
    struct parts p = {.rq = rq};
    int route = route_of(rq, &p);
    json_t *answer = NULL;
    p.body = rq->body_len ? json_loadb(rq->body, rq->body_len, 0, NULL) : json_object();
    if (route < 0)
        aws_fail(c, 404, "UnknownOperationException", "The lab does not serve %s %s", rq->method, rq->path);
    else if (!json_is_object(p.body))
        aws_fail(c, 400, "SerializationException", "The request body is not a JSON object");
    else
        answer = routes[route].fn(c, &p);
    if (answer)
        lab_reply_json(reply, 200, answer);
    else
        aws_json_error(reply, c->status, c->code, c->message);
    free_parts(&p);
}
