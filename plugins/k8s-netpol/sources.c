// Reading manifests and clusters into a world.
#include "sources.h"
#include "cni.h"
#include "documents.h"

#include <isthmus/alloc.h>
#include <isthmus/file.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE  ((size_t)512 << 20)
#define MAX_DEPTH 16
#define PAGE      500

struct reading {
    struct sources *sources;
    size_t cluster;
    const char *where;
};

static void warn(struct sources *sources, char *text)
{
    if (sources->warnings)
        json_array_append_new(sources->warnings, json_string(text));
    ist_free(text);
}

// ---- objects

static void notice(const struct reading *r, const json_t *object)
{
    const char *api = ist_json_str_or(object, "apiVersion", ""), *kind = ist_json_str_or(object, "kind", "");
    struct sources *sources = r->sources;
    if (policy_unmodelled(api, kind))
        warn(sources, ist_printf("%s: %s %s is not modelled: what it allows or denies is not in the answer",
                                 world_cluster(sources->world, r->cluster)->name->text, kind,
                                 ist_json_str_or(object, "metadata.name", "")));
    if (sources->seen)
        sources->seen(sources->arg, r->cluster, object);
}

static int32_t put(void *arg, const json_t *object, ist_error *err)
{
    const struct reading *r = arg;
    ist_error own = {0};
    int32_t rc = world_put(r->sources->world, r->cluster, object, r->sources->flags, &own);
    if (rc != IST_OK)
        return ist_fail(err, rc, r->where, "%s %s", own.where, own.text);
    notice(r, object);
    r->sources->objects++;
    return IST_OK;
}

int32_t source_text(struct sources *sources, size_t cluster, const char *text, size_t len, const char *name,
                    ist_error *err)
{
    struct reading r = {sources, cluster, name};
    return documents_each(text, len, name, put, &r, err);
}

// ---- files

static int32_t read_file(struct sources *sources, size_t cluster, const char *path, ist_error *err)
{
    char *text = NULL;
    size_t len = 0;
    int32_t rc = ist_file_read(path, MAX_FILE, &text, &len, err);
    if (rc == IST_OK)
        rc = source_text(sources, cluster, text, len, path, err);
    ist_free(text);
    return rc;
}

static int is_manifest(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static int32_t read_folder(struct sources *sources, size_t cluster, const char *folder, int depth,
                           ist_error *err)
{
    struct dirent **entries = NULL;
    int32_t rc = IST_OK;
    int count = depth < MAX_DEPTH ? scandir(folder, &entries, NULL, alphasort) : -1;
    if (count < 0)
        return ist_fail(err, IST_ERR_INPUT, folder, "%s",
                        depth < MAX_DEPTH ? strerror(errno) : "folders within folders, too deep");
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char *path = ist_printf("%s/%s", folder, name);
        struct stat st;
        if (rc == IST_OK && name[0] != '.' && stat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode))
                rc = read_folder(sources, cluster, path, depth + 1, err);
            else if (S_ISREG(st.st_mode) && is_manifest(name))
                rc = read_file(sources, cluster, path, err);
        }
        ist_free(path);
        free(entries[i]); // scandir's own
    }
    free(entries);
    return rc;
}

static int32_t read_input(struct sources *sources, size_t cluster, ist_error *err)
{
    ist_buf text = {.max = MAX_FILE};
    char piece[65536];
    ssize_t got;
    int32_t rc = IST_OK;
    while (rc == IST_OK && (got = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        rc = got < 0 ? ist_fail(err, IST_ERR_INPUT, "standard input", "%s", strerror(errno))
                     : ist_buf_add(&text, piece, (size_t)got);
        if (rc == IST_ERR_LIMIT)
            ist_fail(err, rc, "standard input", "over the limit of 512 MiB");
    }
    if (rc == IST_OK && !text.len)
        rc = ist_fail(err, IST_ERR_INPUT, "standard input", "is empty");
    if (rc == IST_OK)
        rc = source_text(sources, cluster, text.data, text.len, "standard input", err);
    ist_buf_free(&text);
    return rc;
}

// ---- clusters

static void name_kind(json_t *object, const char *api, const char *kind)
{
    json_object_set_new(object, "apiVersion", json_string(api));
    json_object_set_new(object, "kind", json_string(kind));
}

// One run through the pages of a kind. *expired: the list changed too long ago to go on; it has to be read again.
static int32_t read_pages(const struct reading *r, ist_kube *kube, const ist_kube_kind *kind, int limit,
                          int *expired, ist_error *err)
{
    const char *prefix = strchr(kind->api, '/') ? "/apis" : "/api";
    char *more = NULL;
    int32_t rc;
    do {
        char *path = ist_printf("%s/%s/%s?limit=%d%s%s", prefix, kind->api, kind->resource, limit,
                                more ? "&continue=" : "", more ? more : "");
        json_t *answer = NULL, *item;
        int status = 0;
        size_t i;
        rc = ist_kube_raw(kube, "GET", path, NULL, &status, &answer, err);
        *expired = rc == IST_OK && status == 410 && more;
        if (rc == IST_OK && (status < 200 || status > 299))
            rc = ist_fail(err, status == 403 || status == 401 ? IST_ERR_DENIED : IST_ERR_REMOTE, path, "%s",
                          ist_json_str_or(answer, "message", "the answer is no list"));
        ist_free(path);
        ist_free(more);
        more = NULL;
        json_array_foreach(rc == IST_OK ? json_object_get(answer, "items") : NULL, i, item)
        {
            name_kind(item, kind->api, kind->kind);
            if (rc == IST_OK)
                rc = put((void *)(uintptr_t)r, item, err);
        }
        const char *next = rc == IST_OK ? ist_json_str(answer, "metadata.continue") : NULL;
        more = next && *next ? ist_strdup(next) : NULL;
        json_decref(answer);
    } while (rc == IST_OK && more);
    return rc;
}

static int32_t read_kind(const struct reading *r, ist_kube *kube, const char *api, const char *name,
                         ist_error *err)
{
    ist_kube_kind kind;
    int32_t rc = ist_kube_kind_of(kube, api, name, &kind, err);
    int expired = 0;
    if (rc == IST_OK)
        rc = read_pages(r, kube, &kind, PAGE, &expired, err);
    return expired ? read_pages(r, kube, &kind, 0, &expired, err) : rc;
}

// What tells how policies are to be written there. Whoever may not read it is told what that leaves open.
static void read_deep(const struct reading *r, ist_kube *kube)
{
    static const char *const kinds[][2] = {{"apps/v1", "DaemonSet"},
                                           {"discovery.k8s.io/v1", "EndpointSlice"}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        ist_error err = {0};
        int32_t rc = read_kind(r, kube, kinds[i][0], kinds[i][1], &err);
        if (rc != IST_OK && rc != IST_ERR_NOT_FOUND)
            warn(r->sources,
                 ist_printf("%s: %ss cannot be read (%s): what its network plugin needs otherwise "
                            "is not known",
                            r->where, kinds[i][1], err.text));
    }
}

int32_t source_cluster(struct sources *sources, size_t cluster, ist_kube *kube, ist_error *err)
{
    static const char *const kinds[][2] = {
        {"v1", "Namespace"}, {"v1", "Service"}, {"networking.k8s.io/v1", "NetworkPolicy"}, {"v1", "Pod"}};
    const char *name = world_cluster(sources->world, cluster)->name->text;
    const struct reading r = {sources, cluster, name};
    int32_t rc = IST_OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && rc == IST_OK; i++)
        rc = read_kind(&r, kube, kinds[i][0], kinds[i][1], err);
    // Only for the names of workloads: who may not read them sees ReplicaSets.
    if (rc == IST_OK)
        read_kind(&r, kube, "apps/v1", "Deployment", NULL);
    if (rc == IST_OK && sources->deep)
        read_deep(&r, kube);
    if (rc == IST_OK)
        world_settle(sources->world, cluster, 1);
    json_t *found = NULL;
    // Whoever may not read these kinds still gets a map, and is told what it does not say.
    if (rc == IST_OK && policy_unmodelled_list(kube, &found, NULL) != IST_OK)
        warn(sources, ist_printf("%s: whether there are policies of other kinds cannot be read", name));
    size_t i;
    json_t *one;
    json_array_foreach(found, i, one)
        warn(sources, ist_printf("%s: %s is not modelled: what it allows or denies is not in the answer",
                                 name, json_string_value(one)));
    json_decref(found);
    return rc;
}

static int32_t read_kubeconfig(struct sources *sources, size_t cluster, const char *path, const char *context,
                               ist_error *err)
{
    const ist_kube_options options = {.size = sizeof(options),
                                      .name = world_cluster(sources->world, cluster)->name->text,
                                      .kubeconfig = path,
                                      .context = context};
    ist_kube *kube = NULL;
    int32_t rc = ist_kube_new(sources->env, &options, &kube, err);
    if (rc == IST_OK)
        rc = source_cluster(sources, cluster, kube, err);
    ist_kube_free(kube);
    return rc;
}

// ---- which of them

struct look {
    int config, objects;
};

static int32_t look_at(void *arg, const json_t *object, ist_error *err)
{
    struct look *look = arg;
    (void)err;
    look->config =
        !strcmp(ist_json_str_or(object, "kind", ""), "Config") || json_object_get(object, "clusters");
    look->objects++;
    return IST_AGAIN; // the first one tells
}

static int is_kubeconfig(const char *path)
{
    char *text = NULL;
    size_t len = 0;
    struct look look = {0};
    if (ist_file_read(path, (size_t)1 << 20, &text, &len, NULL) != IST_OK)
        return 0; // larger than any kubeconfig
    documents_each(text, len, path, look_at, &look, NULL);
    ist_free_secret(text);
    return look.config;
}

static int32_t read_any(struct sources *sources, size_t cluster, const char *source, ist_error *err)
{
    struct stat st;
    if (!strcmp(source, "-"))
        return read_input(sources, cluster, err);
    if (stat(source, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return read_folder(sources, cluster, source, 0, err);
        return is_kubeconfig(source) ? read_kubeconfig(sources, cluster, source, NULL, err)
                                     : read_file(sources, cluster, source, err);
    }
    const char *hash = strrchr(source, '#');
    if (!hash)
        return ist_fail(err, IST_ERR_INPUT, source, "there is no such folder or file");
    char *path = ist_strndup(source, (size_t)(hash - source));
    int32_t rc = read_kubeconfig(sources, cluster, path, hash[1] ? hash + 1 : NULL, err);
    ist_free(path);
    return rc;
}

int32_t source_read(struct sources *sources, size_t cluster, const char *source, ist_error *err)
{
    const size_t before = sources->objects;
    int32_t rc = read_any(sources, cluster, source, err);
    if (rc == IST_OK && sources->objects == before)
        rc = ist_fail(err, IST_ERR_INPUT, source, "holds no Kubernetes object");
    if (rc == IST_OK)
        world_settle(sources->world, cluster, 0);
    return rc;
}

// ---- afterwards

void sources_warn(struct sources *sources, size_t index)
{
    const struct cluster *cluster = world_cluster(sources->world, index);
    size_t on_nodes = 0;
    for (const struct namespace *ns = cluster->namespaces; ns; ns = ns->next) {
        for (const struct policy *policy = ns->policies; policy; policy = policy->next)
            if (policy->odd)
                warn(sources,
                     ist_printf(
                         "%s: NetworkPolicy %s/%s holds a part that is not understood, which is taken to "
                         "admit nobody",
                         cluster->name->text, policy->ns->text, policy->name->text));
        for (const struct group *group = ns->groups; group; group = group->next)
            for (const struct pod *pod = group->pods; pod; pod = pod->next)
                on_nodes += (pod->flags & POD_HOST_NETWORK) != 0;
    }
    if (on_nodes && cluster->policy_count)
        warn(sources,
             ist_printf(
                 "%s: %zu pods are on their node's network, where policies hold only as the network plugin "
                 "pleases; they are shown as if they held, and are no peers for other clusters",
                 cluster->name->text, on_nodes));
}
