// The picture of the Stars application: what its management-ui has collected of who reaches whom.
//
// star-collect serves GET /responses: {"responses": {ID: {url, statusCode, json} or null}} where json is what the
// probe of that resource answered, {"status": {"targets": [{url, reachable}]}}, and GET /resources: {"resources":
// [{id, url}]}. A null is a resource that management-ui itself does not reach.
// Source: mesosphere/star, src/collect/http, at the versions behind calico/star-collect:v0.1.0.
#include "probe.h"

#include <string.h>

#define LOOK_MS 1000

// "http://frontend.stars:80/status" is "frontend". The caller's.
static char *host_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return ist_strndup(host, strcspn(host, ".:/"));
}

// ---- reading ----

static void add_node(json_t *picture, const char *name, int seen)
{
    json_t *all = json_object_get(picture, "seen"), *nodes = json_object_get(picture, "nodes");
    if (!json_object_get(all, name))
        json_array_append_new(nodes, json_string(name));
    if (seen || !json_object_get(all, name))
        json_object_set_new(all, name, json_boolean(seen));
}

static void add_edges(json_t *picture, const char *from, const json_t *response)
{
    size_t i;
    const json_t *target;
    json_array_foreach(ist_json_at(response, "json.status.targets"), i, target)
    {
        char *to = host_of(ist_json_str_or(target, "url", ""));
        if (*to && strcmp(to, from) != 0) { // the backend probes itself too
            char *edge = ist_printf("%s -> %s", from, to);
            json_object_set_new(json_object_get(picture, "edges"), edge,
                                json_boolean(ist_json_bool(target, "reachable", 0)));
            ist_free(edge);
        }
        ist_free(to);
    }
}

// What a resource is called: by its URL, wherever that stands; else by its id. The caller's.
static char *name_of(const char *id, const json_t *response, const json_t *resources)
{
    const char *url = ist_json_str(response, "url");
    size_t i;
    const json_t *resource;
    json_array_foreach(json_object_get(resources, "resources"), i,
                       resource) if (!url && strcmp(ist_json_str_or(resource, "id", ""), id) == 0) url =
        ist_json_str(resource, "url");
    return url ? host_of(url) : ist_strdup(id);
}

json_t *picture_read(const json_t *responses, const json_t *resources)
{
    json_t *picture = json_pack("{s:[], s:{}, s:{}}", "nodes", "seen", "edges"), *response;
    const char *id;
    json_object_foreach(json_object_get(responses, "responses"), id, response)
    {
        char *name = name_of(id, response, resources);
        add_node(picture, name, json_is_object(response));
        add_edges(picture, name, response);
        ist_free(name);
    }
    return picture;
}

// ---- judging ----

// "a -> b" with one space on either side. The caller's; NULL when it is no edge.
static char *edge_of(const char *text)
{
    const char *arrow = text ? strstr(text, "->") : NULL;
    if (!arrow)
        return NULL;
    size_t len = (size_t)(arrow - text);
    while (len && text[len - 1] == ' ')
        len--;
    const char *to = arrow + 2 + strspn(arrow + 2, " ");
    return ist_printf("%.*s -> %.*s", (int)len, text, (int)strcspn(to, " "), to);
}

static void add_result(json_t *results, const char *name, int ok, const char *evidence)
{
    json_array_append_new(results,
                          json_pack("{s:s, s:b, s:s}", "name", name, "ok", ok, "evidence", evidence));
}

static json_t *expected_of(const json_t *expect)
{
    json_t *edges = json_object();
    size_t i;
    const json_t *text;
    json_array_foreach(expect, i, text)
    {
        char *edge = edge_of(json_string_value(text));
        if (edge)
            json_object_set_new(edges, edge, json_true());
        ist_free(edge);
    }
    return edges;
}

static void judge_edge(json_t *results, const char *edge, const json_t *reachable, int wanted)
{
    int open = json_is_true(reachable);
    const char *evidence = !reachable       ? "nobody tries this way: is the probe of the first one running?"
                           : open && wanted ? "open"
                           : !open && !wanted ? "closed, as it should be"
                           : open             ? "open, and should be closed"
                                              : "closed, and should be open";
    add_result(results, edge, reachable && open == wanted, evidence);
}

json_t *picture_judge(const json_t *picture, const json_t *expect, const char *ui)
{
    json_t *results = json_array(), *wanted = expected_of(expect), *value;
    const json_t *edges = json_object_get(picture, "edges");
    const char *name;
    json_object_foreach(json_object_get(picture, "seen"), name, value)
    {
        char *edge = ist_printf("%s -> %s", ui, name);
        add_result(results, edge, json_is_true(value),
                   json_is_true(value) ? "open" : "closed, and should be open");
        ist_free(edge);
    }
    json_object_foreach(wanted, name, value) judge_edge(results, name, json_object_get(edges, name), 1);
    json_object_foreach((json_t *)(uintptr_t)edges, name, value) if (!json_object_get(wanted, name))
        judge_edge(results, name, value, 0);
    json_decref(wanted);
    return results;
}

// The longest way on from `node` along open edges, appended to `path`; how many steps it has.
static size_t walk(const json_t *picture, const char *node, json_t *visited, char **path)
{
    const json_t *edges = json_object_get(picture, "edges"), *nodes = json_object_get(picture, "nodes");
    size_t i, best = 0;
    const json_t *next;
    *path = ist_strdup(node);
    if (json_object_size(visited) > 12) // longer ways than any picture has
        return 0;
    json_object_set_new(visited, node, json_true());
    json_array_foreach(nodes, i, next)
    {
        const char *name = json_string_value(next);
        char *edge = ist_printf("%s -> %s", node, name), *rest = NULL;
        if (json_is_true(json_object_get(edges, edge)) && !json_object_get(visited, name)) {
            size_t steps = 1 + walk(picture, name, visited, &rest);
            if (steps > best) {
                ist_free(*path);
                *path = ist_printf("%s -> %s", node, rest);
                best = steps;
            }
        }
        ist_free(rest);
        ist_free(edge);
    }
    json_object_del(visited, node);
    return best;
}

char *picture_path(const json_t *picture)
{
    char *longest = ist_strdup("no way is open");
    size_t i, best = 0;
    const json_t *node;
    json_array_foreach(json_object_get(picture, "nodes"), i, node)
    {
        json_t *visited = json_object();
        char *path = NULL;
        size_t steps = walk(picture, json_string_value(node), visited, &path);
        if (steps > best) {
            ist_free(longest);
            longest = ist_strdup(path);
            best = steps;
        }
        ist_free(path);
        json_decref(visited);
    }
    return longest;
}

// ---- asking ----

struct ui {
    ist_kube *kube;
    const char *ns, *service;
    int64_t port;
};

static int32_t ask(const struct ui *ui, const char *what, json_t **answer, ist_error *err)
{
    char *path = ist_printf("/api/v1/namespaces/%s/services/http:%s:%lld/proxy/%s", ui->ns, ui->service,
                            (long long)ui->port, what);
    char *where = ist_printf("management-ui %s/%s in %s", ui->ns, ui->service, ist_kube_name(ui->kube));
    int status = 0;
    json_t *got = NULL;
    int32_t rc = ist_kube_raw(ui->kube, "GET", path, NULL, &status, &got, err);
    if (rc == IST_OK && (status != 200 || !json_is_object(got))) {
        const char *text =
            json_is_string(got) ? json_string_value(got) : ist_json_str_or(got, "message", "no JSON");
        rc = ist_fail(err, IST_ERR_REMOTE, where, "%d %.300s", status, text);
    }
    if (rc == IST_OK)
        *answer = json_incref(got);
    json_decref(got);
    ist_free(path);
    ist_free(where);
    return rc;
}

static int32_t find_ui(const json_t *given, const ist_clusters *clusters, struct ui *ui, ist_error *err)
{
    const ist_cluster *cluster = ist_clusters_find(clusters, ist_json_str(given, "cluster"));
    if (!cluster)
        return ist_fail(err, IST_ERR_INPUT, "picture.cluster", "no kubeconfig for cluster \"%s\"",
                        ist_json_str_or(given, "cluster", ""));
    *ui = (struct ui){.kube = cluster->kube,
                      .ns = ist_json_str_or(given, "namespace", "management-ui"),
                      .service = ist_json_str_or(given, "service", "management-ui"),
                      .port = ist_json_int(given, "port", 0)};
    if (ui->port > 0)
        return IST_OK;
    json_t *service = NULL;
    int32_t rc = ist_kube_get(ui->kube, "v1", "Service", ui->ns, ui->service, &service, err);
    ui->port = rc == IST_OK ? ist_json_int(service, "spec.ports[0].port", 80) : 0;
    json_decref(service);
    return rc;
}

static int32_t look(const struct ui *ui, const json_t *expect, json_t **picture, json_t **results,
                    ist_error *err)
{
    json_t *responses = NULL, *resources = NULL;
    int32_t rc = ask(ui, "responses", &responses, err);
    if (rc != IST_OK)
        return rc;
    ask(ui, "resources", &resources, NULL); // only for names of what does not answer
    json_decref(*picture);
    json_decref(*results);
    *picture = picture_read(responses, resources);
    *results = picture_judge(*picture, expect, "management-ui");
    json_decref(responses);
    json_decref(resources);
    return IST_OK;
}

static int all_ok(const json_t *results)
{
    size_t i;
    const json_t *result;
    json_array_foreach(results, i, result) if (!ist_json_bool(result, "ok", 0)) return 0;
    return json_array_size(results) > 0;
}

int32_t picture_verify(const ist_env *env, const json_t *inputs, const ist_clusters *clusters, ist_error *err)
{
    const json_t *given = json_object_get(inputs, "picture"), *expect = json_object_get(given, "expect"),
                 *result;
    json_t *picture = NULL, *results = NULL;
    int64_t until = ist_now_ms(env) + duration_of(given, "settle", 20000);
    struct ui ui = {0};
    ist_error fault = {0};
    int32_t rc = find_ui(given, clusters, &ui, err);
    if (rc != IST_OK)
        return rc;
    for (;;) { // the probes try every few seconds: what was changed a moment ago is not in their answers yet
        rc = look(&ui, expect, &picture, &results, &fault);
        if ((rc == IST_OK && all_ok(results)) || rc == IST_ERR_CANCELLED || ist_now_ms(env) >= until)
            break;
        ist_progress(env, "the picture: %s", rc == IST_OK ? "not yet as expected" : fault.text);
        if (ist_sleep_ms(env, LOOK_MS) != IST_OK)
            break;
    }
    if (rc == IST_ERR_REMOTE || rc == IST_ERR_NOT_FOUND) {
        ist_check(env, "picture", IST_FAIL, "%s: %s", fault.where, fault.text);
        rc = IST_OK;
    } else if (rc == IST_OK) {
        size_t i;
        json_array_foreach(results, i, result)
            ist_check(env, ist_json_str(result, "name"), ist_json_bool(result, "ok", 0) ? IST_PASS : IST_FAIL,
                      "%s", ist_json_str_or(result, "evidence", ""));
        char *path = picture_path(picture);
        ist_check(env, "picture", all_ok(results) ? IST_PASS : IST_FAIL, "%s", path);
        ist_free(path);
    } else if (err) {
        *err = fault;
    }
    json_decref(picture);
    json_decref(results);
    return rc;
}
