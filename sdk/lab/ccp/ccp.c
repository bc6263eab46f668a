// The lab's container platform: logins of both API versions, providers, clusters.
#include "../aws/aws.h"
#include "../kube/kube.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define USERNAME "admin"
#define PASSWORD "abcd123!" // the walk-through's

enum { SESSION_SECONDS = 1800 };

struct lab_ccp {
    json_t *sessions;  // token -> when it ends
    json_t *providers; // array
    json_t *clusters;  // array of EKS orders: the body as it was sent, with id and status
    char *onprem_id, *onprem_provider;
};

static char *uuid(void)
{
    char *hex = lab_id("", 32);
    char *text = lab_format("%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 13, hex + 17, hex + 20);
    free(hex);
    return text;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void say(struct lab_reply *reply, int status, const char *text)
{
    lab_reply_text(reply, status, "text/plain", lab_strdup(text));
}

// ---- logins ----

// A field of a login: of the JSON body or of the form.
static char *field(const struct lab_request *rq, const char *name)
{
    json_t *body = json_loadb(rq->body, rq->body_len, 0, NULL);
    const char *text = json_string_value(json_object_get(body, name));
    struct lab_request form = {.query = rq->body};
    char *value = text ? lab_strdup(text) : body ? NULL : lab_query_get(&form, name);
    json_decref(body);
    return value;
}

static void login(struct lab *lab, const struct lab_request *rq, struct lab_reply *reply, bool v3)
{
    char *user = field(rq, "username"), *password = field(rq, "password");
    bool good = user && password && !strcmp(user, USERNAME) && !strcmp(password, PASSWORD);
    if (good) {
        char *token = lab_id("", 64),
             *cookie = lab_format("CXAccessToken=%s; Path=/; Secure; HttpOnly", token);
        json_object_set_new(lab->ccp->sessions, token,
                            json_integer((json_int_t)time(NULL) + SESSION_SECONDS));
        reply->headers =
            v3 ? json_pack("{ss}", "X-Auth-Token", token) : json_pack("{ss}", "Set-Cookie", cookie);
        free(token);
        free(cookie);
    }
    // Version 3 says a bad login by leaving the token out.
    if (good || v3)
        lab_reply_json(reply, 200, json_object());
    else
        say(reply, 401, "Invalid username or password");
    free(user);
    free(password);
}

// The token that a request carries: the header, or version 2's cookie. Malloc'd, NULL: none.
static char *token_of(const struct lab_request *rq)
{
    const char *header = lab_header(rq, "X-Auth-Token"), *cookie = lab_header(rq, "Cookie");
    const char *at = cookie ? strstr(cookie, "CXAccessToken=") : NULL;
    if (header)
        return lab_strdup(header);
    at = at ? at + strlen("CXAccessToken=") : NULL;
    return at ? lab_format("%.*s", (int)strcspn(at, "; "), at) : NULL;
}

static bool logged_in(struct lab *lab, const struct lab_request *rq)
{
    char *token = token_of(rq);
    json_t *ends = token ? json_object_get(lab->ccp->sessions, token) : NULL;
    free(token);
    return ends && json_integer_value(ends) > (json_int_t)time(NULL);
}

// ---- clusters ----

// An EKS kubeconfig runs aws-iam-authenticator; the platform writes it so.
static char *eks_kubeconfig(struct lab *lab, const char *name, const char *role)
{
    struct lab_cluster *cluster = lab_kube_find(lab, name);
    const char *ca = lab_tls_ca_pem(lab);
    if (!cluster)
        return NULL;
    char *data = lab_base64(ca, strlen(ca));
    char *text = lab_format("apiVersion: v1\n"
                            "clusters:\n"
                            "- cluster:\n"
                            "    server: %s\n"
                            "    certificate-authority-data: %s\n"
                            "  name: kubernetes\n"
                            "contexts:\n"
                            "- context:\n"
                            "    cluster: kubernetes\n"
                            "    user: aws\n"
                            "  name: aws\n"
                            "current-context: aws\n"
                            "kind: Config\n"
                            "preferences: {}\n"
                            "users:\n"
                            "- name: aws\n"
                            "  user:\n"
                            "    exec:\n"
                            "      apiVersion: client.authentication.k8s.io/v1alpha1\n"
                            "      command: aws-iam-authenticator\n"
                            "      args:\n"
                            "      - token\n"
                            "      - -i\n"
                            "      - %s\n"
                            "      - -r\n"
                            "      - %s\n",
                            lab_kube_url(cluster), data, name, role);
    free(data);
    return text;
}

// What AWS says by now goes into the platform's own words; a cluster that is gone there goes here.
static void refresh(struct lab *lab)
{
    static const char *const words[][2] = {
        {"CREATING", "CREATING"}, {"ACTIVE", "READY"}, {"FAILED", "ERROR"}, {"DELETING", "DELETING"}};
    json_t *clusters = lab->ccp->clusters, *cluster;
    size_t i;
    json_array_foreach(clusters, i, cluster)
    {
        const char *name = text_of(cluster, "name"), *status = lab_aws_cluster_status(lab, name);
        if (!status) {
            json_array_remove(clusters, i--);
            continue;
        }
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            if (!strcmp(status, words[k][0]))
                json_object_set_new(cluster, "status", json_string(words[k][1]));
        }
        char *kubeconfig =
            strcmp(status, "ACTIVE") ? NULL : eks_kubeconfig(lab, name, text_of(cluster, "access_role_arn"));
        json_object_set_new(cluster, "kubeconfig", json_string(kubeconfig ? kubeconfig : ""));
        free(kubeconfig);
    }
}

// The tenant cluster on premises; new, NULL when there is none.
static json_t *onprem(struct lab *lab)
{
    struct lab_cluster *cluster = lab_kube_find(lab, "ccp");
    char *kubeconfig = cluster ? lab_kube_admin_kubeconfig(cluster) : NULL;
    json_t *shown =
        cluster ? json_pack("{ss ss ss ss ss ss ss}", "id", lab->ccp->onprem_id, "name", "ccp", "type",
                            "vsphere", "provider", lab->ccp->onprem_provider, "status", "READY",
                            "kubernetes_version", lab->kube_version, "kubeconfig", kubeconfig)
                : NULL;
    free(kubeconfig);
    return shown;
}

static json_t *find(struct lab *lab, const char *id, size_t *at)
{
    json_t *cluster;
    json_array_foreach(lab->ccp->clusters, (*at), cluster)
    {
        if (!strcmp(text_of(cluster, "id"), id))
            return cluster;
    }
    return NULL;
}

static void list_clusters(struct lab *lab, struct lab_reply *reply)
{
    json_t *all = json_copy(lab->ccp->clusters), *own = onprem(lab);
    if (own)
        json_array_append_new(all, own);
    lab_reply_json(reply, 200, all);
}

static bool provider_known(struct lab *lab, const char *id)
{
    size_t i;
    json_t *provider;
    json_array_foreach(lab->ccp->providers, i, provider)
    {
        if (!strcmp(text_of(provider, "id"), id))
            return true;
    }
    return false;
}

static void create_cluster(struct lab *lab, const struct lab_request *rq, struct lab_reply *reply)
{
    json_t *body = json_loadb(rq->body, rq->body_len, 0, NULL);
    char *why = NULL, *id = uuid();
    if (!json_is_object(body)) {
        say(reply, 400, "The body is not a JSON object");
    } else if (strcmp(text_of(body, "type"), "eks") != 0) {
        say(reply, 400, "type: only eks clusters can be ordered");
    } else if (!provider_known(lab, text_of(body, "provider"))) {
        say(reply, 400, "provider: there is no provider of that id");
    } else if (lab_aws_create_cluster(lab, body, &why) != 0) {
        say(reply, 400, why ? why : "The cluster cannot be created");
    } else {
        json_t *cluster = json_deep_copy(body);
        json_object_set_new(cluster, "id", json_string(id));
        json_object_set_new(cluster, "status", json_string("CREATING"));
        json_object_set_new(cluster, "kubeconfig", json_string(""));
        json_array_append_new(lab->ccp->clusters, cluster);
        lab_reply_json(reply, 201, json_incref(cluster));
    }
    json_decref(body);
    free(why);
    free(id);
}

static void one_cluster(struct lab *lab, const struct lab_request *rq, const char *id,
                        struct lab_reply *reply)
{
    size_t at;
    json_t *cluster = find(lab, id, &at);
    bool own = !strcmp(id, lab->ccp->onprem_id);
    if (!cluster && !own) {
        say(reply, 404, "Cluster not found");
    } else if (!strcmp(rq->method, "GET")) {
        lab_reply_json(reply, 200, own ? onprem(lab) : json_incref(cluster));
    } else if (own) {
        say(reply, 403, "The tenant cluster is not changed through this API");
    } else if (!strcmp(rq->method, "PATCH")) {
        json_t *body = json_loadb(rq->body, rq->body_len, 0, NULL);
        if (json_is_object(body)) {
            json_object_update_existing(cluster, body);
            lab_reply_json(reply, 200, json_incref(cluster));
        } else {
            say(reply, 400, "The body is not a JSON object");
        }
        json_decref(body);
    } else if (!strcmp(rq->method, "DELETE")) {
        lab_aws_delete_cluster(lab, text_of(cluster, "name"));
        say(reply, 202, "");
    } else {
        say(reply, 405, "Method not allowed");
    }
}

// ---- version 2: the tenant cluster ----

static void v2_clusters(struct lab *lab, const char *rest, struct lab_reply *reply)
{
    json_t *own = onprem(lab);
    char *env = lab_format("%s/env", lab->ccp->onprem_id);
    json_t *shown = own ? json_pack("{ss ss ss ss}", "uuid", lab->ccp->onprem_id, "name", "ccp", "state",
                                    "READY", "kubernetes_version", lab->kube_version)
                        : NULL;
    if (!*rest)
        lab_reply_json(reply, 200, shown ? json_pack("[O]", shown) : json_array());
    else if (shown && (!strcmp(rest, "ccp") || !strcmp(rest, lab->ccp->onprem_id)))
        lab_reply_json(reply, 200, json_incref(shown));
    else if (own && !strcmp(rest, env))
        lab_reply_text(reply, 200, "text/plain", lab_strdup(text_of(own, "kubeconfig")));
    else
        say(reply, 404, "Cluster not found");
    free(env);
    json_decref(own);
    json_decref(shown);
}

// ---- the listener's hands ----

// The path without a trailing slash; malloc'd.
static char *bare(const char *path)
{
    size_t len = strlen(path);
    return lab_format("%.*s", (int)(len > 1 && path[len - 1] == '/' ? len - 1 : len), path);
}

// Is `path` at or below `root`? Then *rest is what follows it.
static bool below(const char *path, const char *root, const char **rest)
{
    size_t len = strlen(root);
    if (strncmp(path, root, len) != 0 || (path[len] && path[len] != '/'))
        return false;
    *rest = path + len + (path[len] == '/');
    return true;
}

static void identify(struct lab *lab, void *self, struct lab_request *rq)
{
    (void)lab, (void)self;
    char *path = bare(rq->path);
    const char *rest;
    bool get = !strcmp(rq->method, "GET");
    const char *what = "-";
    if (!strcmp(path, "/2/system/login") || !strcmp(path, "/v3/system/login"))
        what = "Login";
    else if (below(path, "/v3/providers", &rest))
        what = get ? "ListProviders" : "-";
    else if (below(path, "/v3/clusters", &rest) && !*rest)
        what = get ? "ListClusters" : "CreateCluster";
    else if (below(path, "/v3/clusters", &rest))
        what = get ? "GetCluster" : !strcmp(rq->method, "DELETE") ? "DeleteCluster" : "UpdateCluster";
    else if (below(path, "/2/clusters", &rest))
        what = strstr(rest, "/env") ? "GetClusterEnv" : *rest ? "GetCluster" : "ListClusters";
    rq->action = lab_format("ccp:%s", what);
    rq->write = !get && strcmp(what, "Login") != 0;
    free(path);
}

static void act(struct lab *lab, void *self, struct lab_request *rq, struct lab_reply *reply)
{
    char *path = bare(rq->path);
    const char *rest;
    bool post = !strcmp(rq->method, "POST"), get = !strcmp(rq->method, "GET");
    (void)self;
    if (post && !strcmp(path, "/2/system/login")) {
        login(lab, rq, reply, false);
    } else if (post && !strcmp(path, "/v3/system/login")) {
        login(lab, rq, reply, true);
    } else if (!logged_in(lab, rq)) {
        say(reply, 401, "Unauthorized");
    } else if (get && !strcmp(path, "/v3/providers")) {
        lab_reply_json(reply, 200, json_incref(lab->ccp->providers));
    } else if (below(path, "/v3/clusters", &rest)) {
        refresh(lab);
        if (rq->path[strlen(rq->path) - 1] !=
            '/') { // the platform's paths end in a slash; it sends one there
            char *with = lab_format("%s/", path);
            reply->headers = json_pack("{ss}", "Location", with);
            say(reply, get ? 301 : 308, "");
            free(with);
        } else if (*rest) {
            one_cluster(lab, rq, rest, reply);
        } else if (get) {
            list_clusters(lab, reply);
        } else if (post) {
            create_cluster(lab, rq, reply);
        } else {
            say(reply, 405, "Method not allowed");
        }
    } else if (get && below(path, "/2/clusters", &rest)) {
        v2_clusters(lab, rest, reply);
    } else {
        say(reply, 404, "Not found");
    }
    free(path);
}

static void refuse(struct lab *lab, void *self, struct lab_request *rq, struct lab_reply *reply,
                   const struct lab_fault *fault)
{
    (void)self;
    if (!strcmp(fault->effect, "expired-token")) {
        char *token = token_of(rq);
        if (token)
            json_object_del(lab->ccp->sessions, token); // it stays ended
        free(token);
        say(reply, 401, "Unauthorized");
    } else if (!strcmp(fault->effect, "throttle")) {
        say(reply, fault->status ? fault->status : 429, "Too many requests");
    } else {
        say(reply, fault->status ? fault->status : 500, fault->code ? fault->code : "Internal server error");
    }
}

static json_t *snapshot(struct lab *lab)
{
    json_t *out = json_object(), *cluster;
    size_t i;
    refresh(lab);
    json_array_foreach(lab->ccp->clusters, i, cluster)
    {
        json_t *shown = json_deep_copy(cluster);
        json_object_del(shown, "id");
        json_object_del(shown, "provider");
        json_object_del(shown, "kubeconfig");
        json_object_set_new(out, text_of(cluster, "name"), shown);
    }
    return out;
}

int lab_ccp_start(struct lab *lab)
{
    static const struct lab_service service = {
        .name = "ccp", .identify = identify, .act = act, .refuse = refuse};
    struct lab_ccp *ccp = lab->ccp = lab_calloc(1, sizeof *ccp);
    char *provider = uuid();
    ccp->sessions = json_object();
    ccp->clusters = json_array();
    ccp->onprem_id = uuid();
    ccp->onprem_provider = uuid();
    ccp->providers = json_pack(
        "[{ss ss ss ss ss si ss sb}{ss ss ss ss ss si ss sb}]", "id", ccp->onprem_provider, "type", "vsphere",
        "name", "vsphere", "description", "on premises", "address", "10.1.0.5", "port", 443, "username",
        "administrator", "insecure_skip_verify", 1, "id", provider, "type", "aws", "name", "myAwsProv",
        "description", "", "address", "", "port", 0, "username", "", "insecure_skip_verify", 0);
    free(provider);
    int port = lab_http_listen(lab, &service, 2, 0);
    if (port < 0)
        return -1;
    char *url = lab_format("https://127.%u.0.2:%d", lab->slot, port);
    lab_export(lab, "ISTHMUS_CCP_URL", url);
    lab_export(lab, "ISTHMUS_CCP_USERNAME", USERNAME);
    lab_export(lab, "ISTHMUS_CCP_PASSWORD", PASSWORD);
    lab_snapshot_register(lab, "ccp", snapshot);
    free(url);
    return 0;
}
