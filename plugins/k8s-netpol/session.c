// Options, clusters, the world.
#include "session.h"
#include "pipeline.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_clusters.h>

#include <string.h>

#define PIECE ((size_t)64 << 10)

// ---- options

static void add_cluster(struct session *session, const char *name)
{
    size_t at = world_add_cluster(session->world, name);
    session->cnis = ist_realloc(session->cnis, at + 1, sizeof(*session->cnis));
    session->cnis[at] = (struct cni){0};
}

static const json_t *value_at(const struct session *session, const char *name, size_t i)
{
    const json_t *value = json_object_get(session->args, name);
    if (json_is_array(value))
        return json_array_get(value, i);
    return i ? NULL : value;
}

int session_has(const struct session *session, const char *name)
{
    return value_at(session, name, 0) != NULL;
}

const char *session_option(const struct session *session, const char *name)
{
    const char *last = NULL;
    for (size_t i = 0; value_at(session, name, i); i++)
        last = json_string_value(value_at(session, name, i));
    return last;
}

// NAME=VALUE taken apart: *name is the caller's. NULL where there is no '='.
static const char *pair(const char *text, char **name)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return NULL;
    *name = ist_strndup(text, (size_t)(equals - text));
    return equals + 1;
}

// One value of an option that is NAME=VALUE.
typedef int32_t pair_fn(struct session *session, const char *name, const char *value, ist_error *err);

static int32_t each_pair(struct session *session, const char *option, pair_fn *fn, ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t i = 0; rc == IST_OK && value_at(session, option, i); i++) {
        const char *text = json_string_value(value_at(session, option, i));
        char *name = NULL;
        const char *value = pair(text, &name);
        rc = value ? fn(session, name, value, err)
                   : ist_fail(err, IST_ERR_INPUT, option, "expected NAME=VALUE, found \"%s\"", text);
        ist_free(name);
    }
    return rc;
}

static int32_t known_cluster(const struct session *session, const char *option, const char *name,
                             size_t *cluster, ist_error *err)
{
    *cluster = world_find_cluster(session->world, name);
    return *cluster == SIZE_MAX ? ist_fail(err, IST_ERR_INPUT, option, "there is no --cluster %s", name)
                                : IST_OK;
}

static int32_t declare(struct session *session, const char *name, const char *source, ist_error *err)
{
    (void)source;
    if (world_find_cluster(session->world, name) != SIZE_MAX || strpbrk(name, ":/#, "))
        return ist_fail(err, IST_ERR_INPUT, "--cluster",
                        strpbrk(name, ":/#, ")
                            ? "the name \"%s\" holds one of the characters : / # , or a blank"
                            : "%s is given twice",
                        name);
    add_cluster(session, name);
    return IST_OK;
}

static int32_t pod_cidr(struct session *session, const char *name, const char *value, ist_error *err)
{
    size_t cluster;
    struct net net;
    if (net_parse(value, &net))
        return ist_fail(err, IST_ERR_INPUT, "--pod-cidr", "expected a CIDR such as 10.1.0.0/16, found \"%s\"",
                        value);
    int32_t rc = known_cluster(session, "--pod-cidr", name, &cluster, err);
    if (rc == IST_OK)
        world_add_pod_net(session->world, cluster, net);
    return rc;
}

static int32_t map_namespace(struct session *session, const char *name, const char *common, ist_error *err)
{
    const char *slash = strchr(name, '/');
    size_t cluster;
    if (!slash || !slash[1])
        return ist_fail(err, IST_ERR_INPUT, "--namespace", "expected NAME/NS=COMMON, found \"%s=%s\"", name,
                        common);
    char *own = ist_strndup(name, (size_t)(slash - name));
    int32_t rc = known_cluster(session, "--namespace", own, &cluster, err);
    if (rc == IST_OK)
        world_map_namespace(session->world, cluster, slash + 1, common);
    ist_free(own);
    return rc;
}

static int32_t read_one(struct session *session, const char *name, const char *source, ist_error *err)
{
    return source_read(&session->sources, world_find_cluster(session->world, name), source, err);
}

static int32_t read_given(struct session *session, ist_error *err)
{
    int32_t rc = each_pair(session, "--cluster", declare, err);
    if (rc == IST_OK)
        rc = each_pair(session, "--pod-cidr", pod_cidr, err);
    if (rc == IST_OK)
        rc = each_pair(session, "--namespace", map_namespace, err);
    return rc == IST_OK ? each_pair(session, "--cluster", read_one, err) : rc;
}

// ---- the clusters of a step

static void map_from_inputs(struct session *session, const json_t *map)
{
    const char *common, *cluster;
    json_t *names, *name;
    json_object_foreach((json_t *)(uintptr_t)map, common, names) json_object_foreach(names, cluster, name)
    {
        const size_t at = world_find_cluster(session->world, cluster);
        if (at != SIZE_MAX && json_is_string(name))
            world_map_namespace(session->world, at, json_string_value(name), common);
    }
}

static int32_t put_own(struct session *session, const json_t *policy, ist_error *err)
{
    const size_t cluster = world_find_cluster(session->world, ist_json_str_or(policy, "cluster", ""));
    json_t *object = pipeline_document(policy);
    int32_t rc = cluster == SIZE_MAX ? ist_fail(err, IST_ERR_INPUT, ist_json_str_or(policy, "name", "?"),
                                                "is for no cluster of the step")
                                     : world_put(session->world, cluster, object, WORLD_EXTENDED, err);
    json_decref(object);
    return rc;
}

static int32_t read_clusters(struct session *session, const json_t *inputs, const ist_clusters *clusters,
                             ist_error *err)
{
    int32_t rc = IST_OK;
    size_t i;
    json_t *policy;
    for (size_t c = 0; c < clusters->count; c++) {
        add_cluster(session, clusters->items[c].name);
        for (size_t n = 0; n < clusters->items[c].pod_cidr_count; n++) {
            struct net net = {.prefix = clusters->items[c].pod_cidrs[n].prefix};
            memcpy(net.base.bytes, clusters->items[c].pod_cidrs[n].address, sizeof(net.base.bytes));
            world_add_pod_net(session->world, c, net);
        }
    }
    map_from_inputs(session, json_object_get(inputs, "namespaces"));
    for (size_t c = 0; c < clusters->count && rc == IST_OK; c++)
        rc = source_cluster(&session->sources, c, clusters->items[c].kube, err);
    json_array_foreach(json_object_get(inputs, "policies"), i, policy)
    {
        if (rc == IST_OK)
            rc = put_own(session, policy, err);
        json_array_append(session->given, policy);
    }
    return rc;
}

static int32_t read_step(struct session *session, ist_error *err)
{
    json_t *inputs = ist_inputs(&session->env), *recorded = ist_recorded(&session->env);
    ist_clusters *clusters = NULL;
    int32_t rc;
    if (!json_object_size(json_object_get(inputs, "kubeconfigs"))) {
        rc = ist_fail(err, IST_ERR_INPUT, "isthmus policy", "there is no cluster");
        ist_hint(err,
                 "--cluster NAME=SOURCE, once for each, or -C DIR and a pipeline with a step of k8s-netpol");
    } else {
        rc = ist_clusters_open(&session->env, inputs, recorded, &clusters, err);
    }
    if (rc == IST_OK && clusters)
        rc = read_clusters(session, inputs, clusters, err);
    ist_clusters_free(clusters);
    json_decref(recorded);
    json_decref(inputs);
    return rc;
}

// ---- all of it

static void keep_policy(struct session *session, size_t cluster, const json_t *object)
{
    if (strncmp(ist_json_str_or(object, "apiVersion", "networking.k8s.io/v1"), "networking.k8s.io/", 18) != 0)
        return;
    while (json_array_size(session->policies) <= cluster)
        json_array_append_new(session->policies, json_array());
    json_array_append(json_array_get(session->policies, cluster), (json_t *)(uintptr_t)object);
}

static void see(void *arg, size_t cluster, const json_t *object)
{
    struct session *session = arg;
    const char *kind = ist_json_str_or(object, "kind", "");
    if (!strcmp(kind, "NetworkPolicy"))
        keep_policy(session, cluster, object);
    else if (!strcmp(kind, "DaemonSet"))
        cni_see(&session->cnis[cluster], object, 0);
    else if (!strcmp(kind, "Service"))
        mirrored_service(session->mirrored, cluster, object, 0);
    else if (!strcmp(kind, "EndpointSlice"))
        mirrored_slice(session->mirrored, cluster, object, 0);
}

static int32_t session_open(struct session *session, const ist_host *host, ist_call *call,
                            const ist_value *args, uint32_t flags, ist_error *err)
{
    size_t i;
    json_t *warning;
    *session = (struct session){.env = {host, call},
                                .world = world_new(),
                                .warnings = json_array(),
                                .policies = json_array(),
                                .given = json_array(),
                                .mirrored = mirrored_new(),
                                .cnis = ist_calloc(1, sizeof(struct cni))};
    session->args = ist_json(&session->env, args);
    session->mode = session_has(session, "--federate")     ? REACH_FEDERATED
                    : session_has(session, "--as-written") ? REACH_PLAIN
                                                           : REACH_ANNOTATED;
    session->sources =
        (struct sources){.env = &session->env, .world = session->world, .warnings = session->warnings};
    if (flags & SESSION_WRITES) {
        session->sources.seen = see;
        session->sources.arg = session;
        session->sources.deep = 1;
    }
    int32_t rc = session_has(session, "--cluster") ? read_given(session, err) : read_step(session, err);
    for (size_t c = 0; rc == IST_OK && c < world_cluster_count(session->world); c++)
        sources_warn(&session->sources, c);
    json_array_foreach(session->warnings, i, warning)
        ist_log(&session->env, IST_LOG_WARN, "%s", json_string_value(warning));
    return rc;
}

static void session_close(struct session *session)
{
    world_free(session->world);
    json_decref(session->warnings);
    json_decref(session->policies);
    json_decref(session->given);
    mirrored_free(session->mirrored);
    ist_free(session->cnis);
    json_decref(session->args);
}

int32_t session_command(const ist_host *host, ist_call *call, const ist_value *args, uint32_t flags,
                        int32_t (*run)(const struct session *session, ist_error *err))
{
    struct session session;
    ist_error err = {0};
    int32_t rc = session_open(&session, host, call, args, flags, &err);
    if (rc == IST_OK)
        rc = run(&session, &err);
    session_close(&session);
    return rc == IST_OK ? rc : ist_report(&(ist_env){host, call}, &err);
}

// ---- telling

char *session_name(const struct session *session, size_t cluster, const struct workload *workload)
{
    const int several = world_cluster_count(session->world) > 1;
    return ist_printf("%s%s%s/%s[%s]", several ? world_cluster(session->world, cluster)->name->text : "",
                      several ? ":" : "", workload->ns->text, workload->name->text, workload->kind->text);
}

void print_end(struct printer *printer)
{
    if (printer->text.len && printer->env->host)
        printer->env->host->print(printer->env->call, printer->text.data);
    ist_buf_free(&printer->text);
}

void print_text(struct printer *printer, const char *text)
{
    ist_buf_puts(&printer->text, text);
    if (printer->text.len >= PIECE)
        print_end(printer);
}

void print_format(struct printer *printer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    print_text(printer, text);
    ist_free(text);
}
