// EKS: REST JSON: who serves which path; clusters as they are read, and their add-ons.
#include "eks.h"
#include "../kube/kube.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *eks_cluster(struct aws_call *c, const char *name)
{
    json_t *cluster = aws_get(c, "cluster", name);
    return cluster ? cluster
                   : aws_fail(c, 404, "ResourceNotFoundException", "No cluster found for name: %s.", name);
}

// Without the lab's own members.
json_t *eks_shown(const json_t *object)
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

bool eks_made_before(struct aws_call *c, const struct eks_parts *p, const json_t *object, const char *what,
                     bool *refused)
{
    const char *token = aws_text(p->body, "clientRequestToken");
    *refused = false;
    if (!object)
        return false;
    if (*token && aws_is(object, "_token", token))
        return true;
    *refused = true;
    aws_fail(c, 409, "ResourceInUseException", "%s already exists", what);
    return false;
}

static json_t *list_clusters(struct aws_call *c, const struct eks_parts *p)
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

static json_t *describe_cluster(struct aws_call *c, const struct eks_parts *p)
{
    json_t *cluster = eks_cluster(c, p->cluster);
    return cluster ? json_pack("{so}", "cluster", eks_shown(cluster)) : NULL;
}

// ---- add-ons ----

static json_t *addons_of(struct aws_call *c, const struct eks_parts *p)
{
    return json_object_get(eks_cluster(c, p->cluster), "_addons");
}

static json_t *list_addons(struct aws_call *c, const struct eks_parts *p)
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

static json_t *find_addon(struct aws_call *c, const struct eks_parts *p)
{
    json_t *addon = json_object_get(addons_of(c, p), p->item);
    if (!addon && !c->status)
        aws_fail(c, 404, "ResourceNotFoundException", "No addon: %s found in cluster: %s", p->item,
                 p->cluster);
    return addon;
}

static json_t *describe_addon(struct aws_call *c, const struct eks_parts *p)
{
    json_t *addon = find_addon(c, p);
    return addon ? json_pack("{so}", "addon", eks_shown(addon)) : NULL;
}

// configurationValues is a JSON string, and the service judges it. *why (malloc'd): what runs by it is otherwise by
// somebody's hand, which `resolve` does not let it pass over.
static bool take_configuration(struct aws_call *c, json_t *addon, const json_t *body, char **why)
{
    json_t *value = json_object_get(body, "configurationValues");
    if (!value)
        value = json_object_get(addon, "configurationValues");
    json_t *parsed = json_is_string(value) ? json_loads(json_string_value(value), 0, NULL) : NULL;
    bool good = !value || json_is_object(parsed) || (json_is_string(value) && !*json_string_value(value));
    struct lab_cluster *api = lab_kube_find(c->lab, aws_text(addon, "clusterName"));
    if (good && api && aws_is(addon, "addonName", "vpc-cni")) // EKS manages what runs by it
        *why = lab_kube_configure_cni(api, parsed, aws_text(body, "resolveConflicts"));
    if (good && value && !*why)
        json_object_set(addon, "configurationValues", value);
    json_decref(parsed);
    if (!good)
        aws_fail(c, 400, "InvalidParameterException",
                 "ConfigurationValue provided in request is not supported");
    return good;
}

// The words are the service's own.
#define CONFLICT                                                                                             \
    "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts: %s"

static void fails_to_be_made(json_t *addon, const char *why)
{
    json_object_set_new(addon, "status", json_string("CREATE_FAILED"));
    json_object_set_new(addon, "health",
                        json_pack("{s[{ss so}]}", "issues", "code", "ConfigurationConflict", "message",
                                  json_sprintf(CONFLICT, why)));
}

static json_t *create_addon(struct aws_call *c, const struct eks_parts *p)
{
    json_t *addons = addons_of(c, p);
    const char *name = aws_text(p->body, "addonName");
    if (!addons)
        return NULL;
    bool refused;
    if (eks_made_before(c, p, json_object_get(addons, name), "Addon", &refused))
        return json_pack("{so}", "addon", eks_shown(json_object_get(addons, name)));
    if (refused)
        return NULL;
    char *arn = lab_format("arn:aws:eks:" AWS_REGION ":" AWS_ACCOUNT ":addon/%s/%s", p->cluster, name);
    json_t *addon = json_pack("{ss ss ss ss ss s{s[]} s{} si}", "addonName", name, "clusterName", p->cluster,
                              "status", "ACTIVE", "addonVersion", "v1.16.4-eksbuild.2", "addonArn", arn,
                              "health", "issues", "tags", "createdAt", (int)time(NULL));
    free(arn);
    char *why = NULL;
    if (!take_configuration(c, addon, p->body, &why)) {
        json_decref(addon);
        return NULL;
    }
    if (why)
        fails_to_be_made(addon, why);
    free(why);
    if (json_object_get(p->body, "serviceAccountRoleArn"))
        json_object_set(addon, "serviceAccountRoleArn", json_object_get(p->body, "serviceAccountRoleArn"));
    json_object_set_new(addon, "_token", json_string(aws_text(p->body, "clientRequestToken")));
    if (json_object_get(p->body, "tags"))
        json_object_set(addon, "tags", json_object_get(p->body, "tags"));
    json_object_set_new(addons, name, addon);
    return json_pack("{so}", "addon", eks_shown(addon));
}

// A role that is left out is taken away: EKS promises nothing else, and so a client must not count on more.
static json_t *update_addon(struct aws_call *c, const struct eks_parts *p)
{
    json_t *addon = find_addon(c, p), *role = json_object_get(p->body, "serviceAccountRoleArn");
    char *why = NULL;
    if (!addon || !take_configuration(c, addon, p->body, &why))
        return NULL;
    if (role && !why)
        json_object_set(addon, "serviceAccountRoleArn", role);
    else if (!why)
        json_object_del(addon, "serviceAccountRoleArn");
    char *text = why ? lab_format(CONFLICT, why) : NULL;
    json_t *answer = eks_update(c, p, "AddonUpdate", p->item, "ConfigurationConflict", text);
    free(text);
    free(why);
    return answer;
}

static json_t *delete_addon(struct aws_call *c, const struct eks_parts *p)
{
    json_t *addon = find_addon(c, p);
    if (!addon)
        return NULL;
    json_t *answer = json_pack("{so}", "addon", eks_shown(addon));
    json_object_set_new(json_object_get(answer, "addon"), "status", json_string("DELETING"));
    json_object_del(addons_of(c, p), p->item);
    return answer;
}

// ---- routes: the parts of a path that must be there ----

static const struct {
    const char *method, *root, *kind, *verb;
    int depth; // how many parts follow the root
    const char *action;
    eks_fn *fn;
    bool write;
} routes[] = {
    {"GET", "clusters", NULL, NULL, 0, "ListClusters", list_clusters, false},
    {"POST", "clusters", NULL, NULL, 0, "CreateCluster", eks_create_cluster, true},
    {"GET", "clusters", NULL, NULL, 1, "DescribeCluster", describe_cluster, false},
    {"DELETE", "clusters", NULL, NULL, 1, "DeleteCluster", eks_delete_cluster, true},
    {"POST", "clusters", "update-config", NULL, 2, "UpdateClusterConfig", eks_update_config, true},
    {"POST", "clusters", "updates", NULL, 2, "UpdateClusterVersion", eks_update_version, true},
    {"GET", "clusters", "updates", NULL, 2, "ListUpdates", eks_list_updates, false},
    {"GET", "clusters", "updates", NULL, 3, "DescribeUpdate", eks_describe_update, false},
    {"GET", "clusters", "node-groups", NULL, 2, "ListNodegroups", eks_list_groups, false},
    {"POST", "clusters", "node-groups", NULL, 2, "CreateNodegroup", eks_create_group, true},
    {"GET", "clusters", "node-groups", NULL, 3, "DescribeNodegroup", eks_describe_group, false},
    {"DELETE", "clusters", "node-groups", NULL, 3, "DeleteNodegroup", eks_delete_group, true},
    {"POST", "clusters", "node-groups", "update-config", 4, "UpdateNodegroupConfig", eks_scale_group, true},
    {"POST", "clusters", "node-groups", "update-version", 4, "UpdateNodegroupVersion", eks_group_version,
     true},
    {"POST", "clusters", "access-entries", NULL, 2, "CreateAccessEntry", eks_create_entry, true},
    {"GET", "clusters", "access-entries", NULL, 3, "DescribeAccessEntry", eks_describe_entry, false},
    {"DELETE", "clusters", "access-entries", NULL, 3, "DeleteAccessEntry", eks_delete_entry, true},
    {"GET", "clusters", "access-entries", "access-policies", 4, "ListAssociatedAccessPolicies",
     eks_list_policies, false},
    {"POST", "clusters", "access-entries", "access-policies", 4, "AssociateAccessPolicy", eks_add_policy,
     true},
    {"DELETE", "clusters", "access-entries", "access-policies", 5, "DisassociateAccessPolicy",
     eks_remove_policy, true},
    {"GET", "clusters", "addons", NULL, 2, "ListAddons", list_addons, false},
    {"POST", "clusters", "addons", NULL, 2, "CreateAddon", create_addon, true},
    {"GET", "clusters", "addons", NULL, 3, "DescribeAddon", describe_addon, false},
    {"DELETE", "clusters", "addons", NULL, 3, "DeleteAddon", delete_addon, true},
    {"POST", "clusters", "addons", "update", 4, "UpdateAddon", update_addon, true},
    {"POST", "tags", NULL, NULL, 1, "TagResource", eks_tag, true},
};
enum { ROUTES = sizeof routes / sizeof *routes };

// Returns how many parts follow the root, which is the caller's to free.
static int split(char *path, struct eks_parts *p, char **root)
{
    char *rest = path, *part, **into[] = {&p->cluster, &p->kind, &p->item, &p->verb, &p->last};
    int depth = 0;
    strsep(&rest, "/"); // before the first slash
    part = strsep(&rest, "/");
    *root = lab_strdup(part ? part : "");
    while (depth < 5 && (part = strsep(&rest, "/"))) {
        if (*part)
            *into[depth++] = lab_decode(part, strlen(part));
    }
    return depth;
}

static bool is_part(const char *wanted, const char *part)
{
    return !wanted || (part && !strcmp(part, wanted));
}

static int route_of(const struct lab_request *rq, struct eks_parts *p)
{
    char *path = lab_strdup(rq->path), *root;
    int depth = split(path, p, &root), found = -1;
    for (int i = 0; i < ROUTES; i++) {
        if (routes[i].depth == depth && !strcmp(routes[i].method, rq->method) &&
            !strcmp(routes[i].root, root) && is_part(routes[i].kind, p->kind) &&
            is_part(routes[i].verb, p->verb))
            found = i;
    }
    free(root);
    free(path);
    return found;
}

static void free_parts(struct eks_parts *p)
{
    free(p->cluster);
    free(p->kind);
    free(p->item);
    free(p->verb);
    free(p->last);
    json_decref(p->body);
}

bool aws_eks_handles(const char *path)
{
    return !strcmp(path, "/clusters") || !strncmp(path, "/clusters/", 10) || !strncmp(path, "/tags/arn", 9);
}

void aws_eks_identify(struct lab_request *rq)
{
    struct eks_parts p = {0};
    int route = route_of(rq, &p);
    rq->action = lab_format("eks:%s", route >= 0 ? routes[route].action : "-");
    rq->write = route >= 0 && routes[route].write;
    free_parts(&p);
}

// Before the first node group of an account EKS makes its service-linked role, by the caller's permissions; whether it is
// there is always looked up by them. The words are the service's own.
static bool may_link(struct aws_call *c)
{
    static const char role[] = "AWSServiceRoleForAmazonEKSNodegroup";
    if (aws_asks(c->lab, "EKS", "IAM:GetRole")) {
        aws_fail(c, 400, "InvalidRequestException",
                 "Failed to validate if SLR: %s already exists due to missing permissions for 'iam:GetRole'",
                 role);
        return false;
    }
    if (!c->aws->has_node_role && aws_asks(c->lab, "EKS", "IAM:CreateServiceLinkedRole")) {
        aws_fail(c, 400, "InvalidRequestException",
                 "Failed to create service linked role: %s due to missing permissions for "
                 "'iam:CreateServiceLinkedRole'",
                 role);
        return false;
    }
    c->aws->has_node_role = true;
    return true;
}

// A role that is handed to EKS is passed, and what is made with tags is tagged: permissions of their own.
static bool may(struct aws_call *c, const struct eks_parts *p, int route)
{
    static const char *const roles[] = {"roleArn", "nodeRole", "serviceAccountRoleArn"};
    const bool makes = routes[route].write && !strncmp(routes[route].action, "Create", 6);
    if (!strcmp(routes[route].action, "CreateNodegroup") && !may_link(c))
        return false;
    for (size_t i = 0; makes && i < sizeof roles / sizeof *roles; i++) {
        if (*aws_text(p->body, roles[i]) && !aws_may(c, "EKS", "IAM:PassRole"))
            return false;
    }
    return !makes || !json_object_size(json_object_get(p->body, "tags")) ||
           aws_may(c, "EKS", "EKS:TagResource");
}

// Carries an update out, but once for each token. New reference, NULL: refused.
static json_t *update_once(struct aws_call *c, const struct eks_parts *p, int route)
{
    json_t *before = eks_updated_before(c, p);
    return before || c->status ? before : routes[route].fn(c, p);
}

void aws_eks_act(struct aws_call *c, const struct lab_request *rq, struct lab_reply *reply)
{
    struct eks_parts p = {.rq = rq};
    int route = route_of(rq, &p);
    json_t *answer = NULL;
    p.body = rq->body_len ? json_loadb(rq->body, rq->body_len, 0, NULL) : json_object();
    if (route < 0)
        aws_fail(c, 404, "UnknownOperationException", "The lab does not serve %s %s", rq->method, rq->path);
    else if (!json_is_object(p.body))
        aws_fail(c, 400, "SerializationException", "The request body is not a JSON object");
    else if (may(c, &p, route))
        answer =
            !strncmp(routes[route].action, "Update", 6) ? update_once(c, &p, route) : routes[route].fn(c, &p);
    if (answer)
        lab_reply_json(reply, 200, answer);
    else
        aws_json_error(reply, c->status, c->code, c->message);
    free_parts(&p);
}
