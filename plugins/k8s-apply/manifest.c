// From the `manifests` of a step to objects: read, split, checked against what each cluster serves, put in
// order.
#include "apply.h"
#include <isthmus/file.h>
#include <isthmus/yaml.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MANIFEST (8u << 20)

// ---- reading ----

static int32_t read_file(const char *path, ist_buf *text, ist_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        return ist_fail(err, IST_ERR_INPUT, path, "%s", fd < 0 ? strerror(saved) : "not a file");
    }
    char chunk[16384];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0 && ist_buf_add(text, chunk, (size_t)got) != IST_OK)
            break;
    close(fd);
    if (got > 0)
        return ist_fail(err, IST_ERR_LIMIT, path, "larger than %u bytes", MAX_MANIFEST);
    return got == 0 ? IST_OK : ist_fail(err, IST_ERR_INPUT, path, "%s", strerror(errno));
}

static int32_t read_url(const ist_env *env, const char *url, ist_buf *text, ist_error *err)
{
    ist_http *http = NULL;
    ist_http_options options = {.size = sizeof options, .max_body = MAX_MANIFEST};
    ist_http_request request = {.size = sizeof request, .method = "GET", .url = url, .read = 1, .follow = 1};
    ist_http_response response = {0};
    int32_t rc = ist_http_new(env, &options, &http, err);
    if (rc == IST_OK)
        rc = ist_http_send(http, &request, &response, err);
    if (rc == IST_OK && response.status != 200) {
        rc = ist_fail(err, response.status == 404 ? IST_ERR_NOT_FOUND : IST_ERR_REMOTE, url, "HTTP status %d",
                      response.status);
        ist_hint(err, "where the manifest has moved, name a file for this URL under `replace`");
    }
    if (rc == IST_OK && ist_buf_add(text, response.body, response.body_len) != IST_OK)
        rc = ist_fail(err, IST_ERR_LIMIT, url, "larger than %u bytes", MAX_MANIFEST);
    ist_http_response_free(&response);
    ist_http_free(http);
    return rc;
}

static int32_t check_digest(const ist_buf *text, const char *expected, const char *from, ist_error *err)
{
    char found[65];
    ist_sha256_text(text->data ? text->data : "", text->len, found);
    if (!expected || strcasecmp(expected, found) == 0)
        return IST_OK;
    return ist_fail(err, IST_ERR_INPUT, from, "its SHA-256 is %s, not %.80s", found, expected);
}

// The text of one entry, and what to call it in messages (*from, the caller's).
static int32_t read_entry(const ist_env *env, const json_t *inputs, const json_t *entry, ist_buf *text,
                          char **from, ist_error *err)
{
    const char *file = ist_json_str(entry, "file"), *url = ist_json_str(entry, "url");
    const char *inline_text = ist_json_str(entry, "inline");
    if (!!file + !!url + !!inline_text != 1)
        return ist_fail(err, IST_ERR_INPUT, "manifests", "each needs exactly one of file, url and inline");
    const char *instead =
        url ? json_string_value(json_object_get(json_object_get(inputs, "replace"), url)) : NULL;
    int32_t rc;
    *from = ist_strdup(instead ? instead : file ? file : url ? url : "inline");
    if (instead)
        ist_log(env, IST_LOG_INFO, "%s is replaced by %s", url, instead);
    if (inline_text)
        rc = ist_buf_puts(text, inline_text) == IST_OK
                 ? IST_OK
                 : ist_fail(err, IST_ERR_LIMIT, *from, "larger than %u bytes", MAX_MANIFEST);
    else
        rc = url && !instead ? read_url(env, url, text, err) : read_file(instead ? instead : file, text, err);
    return rc == IST_OK && url && !instead ? check_digest(text, ist_json_str(entry, "sha256"), *from, err)
                                           : rc;
}

// ---- splitting ----

static int32_t check_object(const json_t *object, const char *from, ist_error *err)
{
    if (!ist_json_str(object, "apiVersion") || !ist_json_str(object, "kind"))
        return ist_fail(err, IST_ERR_INPUT, from,
                        "a document without apiVersion and kind is no Kubernetes object");
    if (ist_json_str(object, "metadata.name"))
        return IST_OK;
    return ist_fail(err, IST_ERR_INPUT, from, "a %s without metadata.name%s", ist_json_str(object, "kind"),
                    ist_json_str(object, "metadata.generateName") ? ": generateName cannot be applied twice"
                                                                  : "");
}

// What a server writes and `kubectl get -o yaml` leaves in a manifest.
static void strip(json_t *object)
{
    static const char *const stamped[] = {"uid",      "resourceVersion", "creationTimestamp", "generation",
                                          "selfLink", "managedFields",   "deletionTimestamp"};
    json_t *metadata = json_object_get(object, "metadata");
    for (size_t i = 0; i < sizeof stamped / sizeof *stamped; i++)
        json_object_del(metadata, stamped[i]);
    json_object_del(object, "status");
}

// `protocol` is half of the key of a list of ports and has a default, but servers before 1.21 refuse an apply without it.
static void name_protocols(json_t *ports)
{
    size_t i;
    json_t *port;
    json_array_foreach(ports, i, port) if (json_is_object(port) && !json_object_get(port, "protocol"))
        json_object_set_new(port, "protocol", json_string("TCP"));
}

static void complete_ports(json_t *object)
{
    static const char *const pods[] = {"spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec"};
    static const char *const lists[] = {"containers", "initContainers"};
    if (is_kind(object, "Service"))
        name_protocols(ist_json_at(object, "spec.ports"));
    for (size_t i = 0; i < sizeof pods / sizeof *pods; i++)
        for (size_t k = 0; k < 2; k++) {
            size_t n;
            json_t *container;
            json_array_foreach(json_object_get(ist_json_at(object, pods[i]), lists[k]), n, container)
                name_protocols(json_object_get(container, "ports"));
        }
}

// What a Secret holds is redacted from now on, as it stands and as base64.
static void hide(const ist_env *env, const json_t *object)
{
    static const char *const maps[] = {"data", "stringData"};
    const char *key;
    json_t *value;
    for (size_t i = 0; i < 2 && is_kind(object, "Secret"); i++)
        json_object_foreach(json_object_get(object, maps[i]), key, value)
            ist_secret(env, json_string_value(value));
}

struct target {
    const ist_env *env;
    const json_t *clusters; // names
    const char *from, *ns;
    json_t *wanted;
};

static int32_t add_object(const struct target *target, const json_t *object, ist_error *err)
{
    size_t i;
    const json_t *item, *cluster;
    const json_t *items = json_object_get(object, "items");
    const char *kind = ist_json_str_or(object, "kind", "");
    size_t len = strlen(kind);
    if (json_is_array(items) && len >= 4 && strcmp(kind + len - 4, "List") == 0) {
        int32_t rc = IST_OK;
        json_array_foreach(items, i, item) if (rc == IST_OK) // a list in a list is no object
            rc = json_is_array(json_object_get(item, "items"))
                     ? ist_fail(err, IST_ERR_INPUT, target->from, "a list inside a list")
                     : add_object(target, item, err);
        return rc;
    }
    int32_t rc = check_object(object, target->from, err);
    if (rc != IST_OK)
        return rc;
    hide(target->env, object);
    json_array_foreach(target->clusters, i, cluster)
    {
        json_t *copy = json_deep_copy(object);
        strip(copy);
        complete_ports(copy);
        json_array_append_new(target->wanted, json_pack("{s:O, s:s, s:s*, s:o}", "cluster", cluster, "from",
                                                        target->from, "ns", target->ns, "object", copy));
    }
    return IST_OK;
}

static int32_t split(const struct target *target, const ist_buf *text, ist_error *err)
{
    json_t *documents = NULL;
    int32_t rc = ist_yaml_parse_all(text->data ? text->data : "", text->len, target->from, &documents, err);
    for (size_t i = 0; rc == IST_OK && i < json_array_size(documents); i++)
        rc = add_object(target, json_array_get(documents, i), err);
    json_decref(documents);
    return rc;
}

// Where an entry goes: its own clusters, the step's, or all. New reference.
static int32_t clusters_of(const json_t *inputs, const json_t *entry, json_t **clusters, ist_error *err)
{
    const json_t *all = json_object_get(inputs, "kubeconfigs");
    json_t *names = json_object_get(entry, "clusters");
    if (json_array_size(names) == 0)
        names = json_object_get(inputs, "clusters");
    if (json_array_size(names) == 0) {
        const char *name;
        json_t *value;
        names = json_array();
        json_object_foreach((json_t *)(uintptr_t)all, name, value)
            json_array_append_new(names, json_string(name));
    } else {
        json_incref(names);
    }
    size_t i;
    const json_t *name;
    json_array_foreach(names, i, name)
    {
        if (json_string_value(name) && json_object_get(all, json_string_value(name)))
            continue;
        ist_fail(err, IST_ERR_INPUT, "manifests", "no kubeconfig for cluster \"%.60s\"",
                 json_string_value(name) ? json_string_value(name) : "?");
        ist_hint(err, "name it under `kubeconfigs`");
        json_decref(names);
        return IST_ERR_INPUT;
    }
    *clusters = names;
    return IST_OK;
}

int32_t manifests_load(const ist_env *env, const json_t *inputs, json_t **wanted, ist_error *err)
{
    json_t *made = json_array();
    size_t i;
    const json_t *entry;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(inputs, "manifests"), i, entry)
    {
        ist_buf text = {.max = MAX_MANIFEST};
        char *from = NULL;
        json_t *clusters = NULL;
        rc = clusters_of(inputs, entry, &clusters, err);
        if (rc == IST_OK)
            rc = read_entry(env, inputs, entry, &text, &from, err);
        struct target target = {.env = env,
                                .clusters = clusters,
                                .from = from,
                                .ns = ist_json_str(entry, "namespace"),
                                .wanted = made};
        if (rc == IST_OK)
            rc = split(&target, &text, err);
        ist_free_secret(ist_buf_take(&text));
        ist_free(from);
        json_decref(clusters);
        if (rc != IST_OK)
            break;
    }
    if (rc == IST_OK)
        *wanted = made;
    else
        json_decref(made);
    return rc;
}

// ---- resolving ----

// Is this kind one that a CustomResourceDefinition among the manifests is about to bring? 1 or 0; *namespaced
// too.
static int is_coming(const struct work *work, const char *cluster, const json_t *object, int *namespaced)
{
    size_t i;
    const json_t *entry;
    const char *api = ist_json_str_or(object, "apiVersion", "");
    json_array_foreach(work->wanted, i, entry)
    {
        const json_t *crd = json_object_get(entry, "object");
        const char *group = ist_json_str_or(crd, "spec.group", "");
        size_t len = strlen(group);
        if (is_kind(crd, "CustomResourceDefinition") &&
            !strcmp(ist_json_str_or(entry, "cluster", ""), cluster) &&
            is_kind(object, ist_json_str_or(crd, "spec.names.kind", "")) && strncmp(api, group, len) == 0 &&
            api[len] == '/') {
            *namespaced = strcmp(ist_json_str_or(crd, "spec.scope", ""), "Namespaced") == 0;
            return 1;
        }
    }
    return 0;
}

static void add_labels(json_t *object, const char *owner)
{
    json_t *metadata = json_object_get(object, "metadata");
    json_t *labels = json_object_get(metadata, "labels");
    if (!json_is_object(labels))
        json_object_set_new(metadata, "labels", labels = json_object());
    json_object_set_new(labels, IST_LABEL_MANAGED_BY, json_string("isthmus"));
    json_object_set_new(labels, LABEL_STEP, json_string(owner));
}

static int32_t resolve_namespace(const json_t *entry, json_t *object, int namespaced, ist_error *err)
{
    const char *given = ist_json_str(entry, "ns"), *own = ist_json_str(object, "metadata.namespace");
    json_t *metadata = json_object_get(object, "metadata");
    if (!namespaced) {
        json_object_del(metadata, "namespace");
        return IST_OK;
    }
    if (own && given && strcmp(own, given) != 0)
        return ist_fail(err, IST_ERR_INPUT, ist_json_str_or(entry, "from", "manifests"),
                        "%s %s is in namespace %s, and `namespace` says %s", ist_json_str(object, "kind"),
                        ist_json_str(object, "metadata.name"), own, given);
    if (!own)
        json_object_set_new(metadata, "namespace", json_string(given ? given : "default"));
    return IST_OK;
}

static int32_t resolve_one(struct work *work, const json_t *entry, ist_error *err)
{
    const char *name = ist_json_str_or(entry, "cluster", "");
    const ist_cluster *cluster = ist_clusters_find(work->clusters, name);
    json_t *object = json_object_get(entry, "object");
    ist_kube_kind kind = {0};
    ist_error fault = {0};
    int namespaced = 0;
    int32_t rc = ist_kube_kind_of(cluster->kube, ist_json_str(object, "apiVersion"),
                                  ist_json_str(object, "kind"), &kind, &fault);
    if (rc == IST_OK)
        namespaced = kind.namespaced;
    else if (rc == IST_ERR_NOT_FOUND && is_coming(work, name, object, &namespaced))
        rc = IST_OK;
    if (rc != IST_OK) {
        if (rc == IST_ERR_NOT_FOUND) { // which manifest asks for it is what the user must know
            ist_fail(err, IST_ERR_INPUT, ist_json_str_or(entry, "from", "manifests"), "%s %s: %s",
                     ist_json_str(object, "kind"), ist_json_str(object, "metadata.name"), fault.text);
            if (fault.hint[0])
                ist_hint(err, "%s", fault.hint);
            return IST_ERR_INPUT;
        }
        if (err)
            *err = fault;
        return rc;
    }
    add_labels(object, work->owner);
    return resolve_namespace(entry, object, namespaced, err);
}

static int32_t refuse_twice(const struct work *work, ist_error *err)
{
    json_t *seen = json_object();
    size_t i;
    const json_t *entry;
    int32_t rc = IST_OK;
    json_array_foreach(work->wanted, i, entry)
    {
        json_t *id = id_of(ist_json_str(entry, "cluster"), json_object_get(entry, "object"));
        char *text = id_text(id);
        const char *before = json_string_value(json_object_get(seen, text));
        if (before && rc == IST_OK)
            rc = ist_fail(err, IST_ERR_INPUT, ist_json_str_or(entry, "from", "manifests"),
                          "%s stands in %s too", text, before);
        json_object_set(seen, text, json_object_get(entry, "from"));
        ist_free(text);
        json_decref(id);
    }
    json_decref(seen);
    return rc;
}

// Adds the Namespace of an object where no manifest does: one that is missing, or that this step made before.
static int32_t want_namespace(struct work *work, const json_t *object, const char *cluster, json_t *added,
                              ist_error *err)
{
    const char *ns = ist_json_str(object, "metadata.namespace");
    if (!ns)
        return IST_OK;
    json_t *wanted =
        json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name", ns);
    json_t *id = id_of(cluster, wanted), *live = NULL;
    size_t i;
    const json_t *entry;
    int there = wanted_of(work, id) != NULL;
    json_array_foreach(added, i, entry)
    {
        json_t *other = id_of(ist_json_str(entry, "cluster"), json_object_get(entry, "object"));
        there |= id_same(id, other);
        json_decref(other);
    }
    int32_t rc = there ? IST_OK : live_of(work, id, &live, err);
    if (!there &&
        (rc == IST_ERR_NOT_FOUND || (rc == IST_OK && step_of(live) && !strcmp(step_of(live), work->owner)))) {
        add_labels(wanted, work->owner);
        json_array_append_new(added, json_pack("{s:s, s:s, s:O}", "cluster", cluster, "from",
                                               "create_namespaces", "object", wanted));
        rc = IST_OK;
    }
    json_decref(live);
    json_decref(wanted);
    json_decref(id);
    return rc;
}

// Namespaces first, then the kinds that others are of, then what is bound to by name; the rest as it was
// given.
static size_t rank_of(const json_t *object)
{
    static const char *const ranks[][8] = {
        {"Namespace"},
        {"CustomResourceDefinition"},
        {"ServiceAccount", "ClusterRole", "Role", "ConfigMap", "Secret", "StorageClass", "PriorityClass"},
        {"ClusterRoleBinding", "RoleBinding", "PersistentVolume", "PersistentVolumeClaim", "Service"},
    };
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        for (size_t k = 0; k < 8 && ranks[i][k]; k++)
            if (is_kind(object, ranks[i][k]))
                return i;
    return sizeof ranks / sizeof *ranks;
}

static void sort(struct work *work, const json_t *added)
{
    json_t *sorted = json_array();
    size_t i;
    json_t *entry;
    json_array_extend(sorted, (json_t *)(uintptr_t)added);
    for (size_t rank = 0; rank <= 4; rank++)
        json_array_foreach(work->wanted, i, entry) if (rank_of(json_object_get(entry, "object")) == rank)
            json_array_append(sorted, entry);
    json_decref(work->wanted);
    work->wanted = sorted;
}

// All that is wrong with the manifests at once: the first with its place and hint, the others behind it.
static int32_t resolve_all(struct work *work, ist_error *err)
{
    ist_error first = {0};
    ist_buf rest = {.max = 600};
    size_t i;
    const json_t *entry;
    json_array_foreach(work->wanted, i, entry)
    {
        ist_error fault = {0};
        int32_t rc = resolve_one(work, entry, &fault);
        if (rc == IST_OK)
            continue;
        if (rc != IST_ERR_INPUT || !first.code)
            first = fault;
        else if (ist_buf_printf(&rest, "; %s%s%s%s", fault.text, fault.hint[0] ? " (" : "", fault.hint,
                                fault.hint[0] ? ")" : "") != IST_OK)
            continue;            // there are enough of them to begin with
        if (rc != IST_ERR_INPUT) // the cluster, not a manifest
            break;
    }
    char *others = ist_buf_take(&rest);
    if (first.code == IST_ERR_INPUT && *others) {
        ist_fail(err, first.code, first.where, "%s%s", first.text, others);
        if (first.hint[0])
            ist_hint(err, "%s", first.hint);
    } else if (first.code && err) {
        *err = first;
    }
    ist_free(others);
    return first.code;
}

int32_t manifests_resolve(struct work *work, ist_error *err)
{
    int32_t rc = resolve_all(work, err);
    json_t *added = json_array();
    size_t i;
    const json_t *entry;
    if (rc == IST_OK)
        rc = refuse_twice(work, err);
    if (rc == IST_OK && ist_json_bool(work->inputs, "create_namespaces", 0))
        json_array_foreach(work->wanted, i, entry) if (rc == IST_OK) rc = want_namespace(
            work, json_object_get(entry, "object"), ist_json_str(entry, "cluster"), added, err);
    if (rc == IST_OK)
        sort(work, added);
    json_decref(added);
    return rc;
}
