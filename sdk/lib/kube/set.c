// A set of objects that one step keeps in a cluster: whose they are, what is missing, and making it so.
#include <isthmus/alloc.h>
#include <isthmus/kube_manifest.h>

#include "internal.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define LABEL_MAX     63
#define GONE_POLL_MS  150
#define UNMARKED_PAGE 200
#define NOBODYS       "!" IST_LABEL_OWNER ",!" IST_LABEL_STEP // a label selector

char *ist_kube_owner(const ist_env *env)
{
    const char *step = env && env->host ? env->host->step(env->call) : "alone";
    char *label = ist_strdup(step);
    int exact = strlen(label) <= LABEL_MAX;
    for (char *c = label; *c; c++) {
        if (*c == '/')
            *c = '.';
        else if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_' && *c != '.') {
            *c = '-';
            exact = 0;
        }
    }
    if (exact)
        return label;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)step, strlen(step), digest);
    char *hashed = ist_printf("%.40s-%02x%02x%02x%02x%02x", label, digest[0], digest[1], digest[2], digest[3],
                              digest[4]);
    ist_free(label);
    return hashed;
}

// The child map of that name, made when it is not there. Borrowed.
static json_t *child_map(json_t *object, const char *key)
{
    json_t *child = json_object_get(object, key);
    if (!json_is_object(child)) {
        child = json_object();
        json_object_set_new(object, key, child);
    }
    return child;
}

void ist_kube_own(json_t *object, const char *owner)
{
    json_t *labels = child_map(child_map(object, "metadata"), "labels");
    json_object_set_new(labels, IST_LABEL_MANAGED_BY, json_string("isthmus"));
    json_object_set_new(labels, IST_LABEL_OWNER, json_string(owner));
}

static const char *label_of(const json_t *object, const char *label)
{
    return json_string_value(json_object_get(ist_json_at(object, "metadata.labels"), label));
}

int ist_kube_is_ours(const json_t *object)
{
    return label_of(object, IST_LABEL_OWNER) != NULL;
}

// "Service stars/frontend", "Namespace stars". The caller's.
static char *name_of(const json_t *object)
{
    const char *ns = ist_json_str(object, "metadata.namespace");
    return ist_printf("%s %s%s%s", ist_json_str_or(object, "kind", "?"), ns ? ns : "", ns ? "/" : "",
                      ist_json_str_or(object, "metadata.name", "?"));
}

// Every object of one kind that carries `owner`, by name_of(), into *live.
static int32_t list_owned(ist_kube *kube, const ist_kube_kind_name *kind, const char *owner, json_t *live,
                          ist_error *err)
{
    char *selector = ist_printf(IST_LABEL_OWNER "=%s", owner);
    json_t *items = NULL, *item;
    size_t i;
    int32_t rc = ist_kube_list(kube, kind->api, kind->kind, NULL, selector, NULL, &items, NULL, err);
    ist_free(selector);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(items, i, item)
    {
        // Items of a list do not repeat what they are.
        json_object_set_new(item, "kind", json_string(kind->kind));
        json_object_set_new(item, "apiVersion", json_string(kind->api));
        char *name = name_of(item);
        json_object_set(live, name, item);
        ist_free(name);
    }
    json_decref(items);
    return IST_OK;
}

// Everything that carries `owner`. A kind that this cluster does not serve holds nothing.
static int32_t list_all_owned(ist_kube *kube, const ist_kube_kind_name *kinds, const char *owner,
                              json_t *live, ist_error *err)
{
    for (const ist_kube_kind_name *kind = kinds; kind->kind; kind++) {
        ist_error why;
        int32_t rc = list_owned(kube, kind, owner, live, &why);
        if (rc == IST_OK || rc == IST_ERR_NOT_FOUND)
            continue;
        if (err)
            *err = why;
        return rc;
    }
    return IST_OK;
}

// Whatever is left in `live` is wanted no more. Deletions run against the order of kinds.
static void delete_rest(const ist_kube_kind_name *kinds, const json_t *live, json_t *actions)
{
    size_t count = 0;
    while (kinds[count].kind)
        count++;
    const char *name;
    json_t *object;
    while (count-- > 0) {
        json_object_foreach((json_t *)(uintptr_t)live, name, object)
        {
            if (strcmp(ist_json_str_or(object, "kind", ""), kinds[count].kind) != 0)
                continue;
            json_t *identity =
                json_pack("{s:s, s:s, s:{s:s, s:s*}}", "apiVersion", kinds[count].api, "kind",
                          kinds[count].kind, "metadata", "name", ist_json_str_or(object, "metadata.name", ""),
                          "namespace", ist_json_str(object, "metadata.namespace"));
            json_array_append_new(actions, json_pack("{s:o, s:s*}", "object", identity, "uid",
                                                     ist_json_str(object, "metadata.uid")));
        }
    }
}

void ist_kube_set_report(const ist_env *env, const char *cluster, const json_t *actions)
{
    size_t i, j;
    json_t *action, *field;
    json_array_foreach(actions, i, action)
    {
        char *name = name_of(json_object_get(action, "object"));
        char *resource = ist_printf("%s in %s", name, cluster);
        const char *what = ist_json_str_or(action, "action", "");
        ist_change(env,
                   !strcmp(what, "create")   ? IST_CREATE
                   : !strcmp(what, "update") ? IST_UPDATE
                                             : IST_DELETE,
                   resource, NULL);
        json_array_foreach(json_object_get(action, "fields"), j, field)
        {
            ist_change_field(env, resource, ist_json_str_or(field, "field", ""),
                             json_incref(json_object_get(field, "before")),
                             json_incref(json_object_get(field, "after")));
        }
        ist_free(resource);
        ist_free(name);
    }
}

// What every namespace gets by itself.
static int is_everywhere(const json_t *object)
{
    static const char *const names[] = {"kube-root-ca.crt", "openshift-service-ca.crt"};
    const char *name = ist_json_str_or(object, "metadata.name", "");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(name, names[i]))
            return 1;
    return !strcmp(ist_json_str_or(object, "type", ""), "kubernetes.io/service-account-token");
}

// Does a namespace hold anything but what every namespace has? 1, 0, or an error below zero.
static int32_t namespace_in_use(ist_kube *kube, const char *ns, ist_error *err)
{
    static const ist_kube_kind_name looked_at[] = {{"v1", "Pod", NULL},
                                                   {"v1", "Service", NULL},
                                                   {"apps/v1", "Deployment", NULL},
                                                   {"networking.k8s.io/v1", "NetworkPolicy", NULL},
                                                   {"apps/v1", "StatefulSet", NULL},
                                                   {"apps/v1", "DaemonSet", NULL},
                                                   {"batch/v1", "Job", NULL},
                                                   {"v1", "PersistentVolumeClaim", NULL},
                                                   {"v1", "ConfigMap", NULL},
                                                   {"v1", "Secret", NULL},
                                                   {NULL, NULL, NULL}};
    for (const ist_kube_kind_name *kind = looked_at; kind->kind; kind++) {
        json_t *items = NULL, *item;
        size_t i, count = 0;
        int32_t rc = ist_kube_list(kube, kind->api, kind->kind, ns, NULL, NULL, &items, NULL, err);
        json_array_foreach(items, i, item) count += !is_everywhere(item);
        json_decref(items);
        if (rc != IST_OK && rc != IST_ERR_NOT_FOUND)
            return rc;
        if (count)
            return 1;
    }
    return 0;
}

int32_t ist_kube_wait_gone(ist_kube *kube, const char *api, const char *kind, const char *ns,
                           const char *name, ist_error *err)
{
    for (;;) {
        json_t *object = NULL;
        ist_error why;
        int32_t rc = ist_kube_get(kube, api, kind, ns, name, &object, &why);
        json_decref(object);
        if (rc == IST_ERR_NOT_FOUND)
            return IST_OK;
        if (rc != IST_OK) {
            if (err)
                *err = why;
            return rc;
        }
        ist_progress(&kube->env, "%s %s in %s: terminating", kind, name, ist_kube_name(kube));
        rc = ist_sleep_ms(&kube->env, GONE_POLL_MS);
        if (rc != IST_OK)
            return ist_fail(err, rc, name, "%s %s is still there", kind, name);
    }
}

// One deletion. A namespace that others use stays; one that goes is waited for, since nothing can be made in it
// before its finalizer has run.
static int32_t delete_one(ist_kube *kube, const json_t *action, ist_error *err)
{
    const json_t *object = json_object_get(action, "object");
    const char *api = ist_json_str(object, "apiVersion"), *kind = ist_json_str(object, "kind");
    const char *ns = ist_json_str(object, "metadata.namespace"),
               *name = ist_json_str(object, "metadata.name");
    const char *uid = ist_json_str(action, "uid");
    if (strcmp(kind, "Namespace") != 0)
        return ist_kube_delete(kube, api, kind, ns, name, uid, NULL, err);
    ist_error why;
    int32_t used = namespace_in_use(kube, name, &why);
    if (used == IST_ERR_DENIED) { // nobody deletes what he may not see
        ist_log(&kube->env, IST_LOG_WARN,
                "Namespace %s in %s is left: whether it is empty cannot be seen: %s", name,
                ist_kube_name(kube), why.text);
        return IST_OK;
    }
    if (used < 0 && err)
        *err = why;
    if (used)
        return used < 0 ? used : IST_OK;
    int32_t rc = ist_kube_delete(kube, api, kind, ns, name, uid, NULL, err);
    return rc == IST_OK ? ist_kube_wait_gone(kube, api, kind, ns, name, err) : rc;
}

// One page of what carries no mark of Isthmus: the objects that are ours all the same go into *live.
static int32_t take_unmarked(ist_kube *kube, const ist_kube_kind_name *kind, const char *path, char **more,
                             kube_set_ours *ours, const void *arg, json_t *live, ist_error *err)
{
    char *query = kube_list_query(NOBODYS, NULL, UNMARKED_PAGE, *more),
         *full = ist_printf("%s%s", path, query);
    struct kube_request request = {.method = "GET", .path = full, .read = 1};
    json_t *answer = NULL, *item;
    size_t i;
    int32_t rc = kube_call(kube, &request, &answer, err);
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        if (!ours(arg, ist_json_str(item, "metadata.uid")))
            continue;
        json_object_set_new(item, "kind", json_string(kind->kind));
        json_object_set_new(item, "apiVersion", json_string(kind->api));
        char *name = name_of(item);
        json_object_set(live, name, item);
        ist_free(name);
    }
    const char *next = ist_json_str(answer, "metadata.continue");
    char *token = next && *next ? ist_strdup(next) : NULL;
    ist_free(*more);
    *more = token;
    json_decref(answer);
    ist_free(full);
    ist_free(query);
    return rc;
}

// What is ours and lost its label, page by page: it is looked for among all that is nobody's.
static int32_t list_unmarked(ist_kube *kube, const ist_kube_kind_name *kinds, kube_set_ours *ours,
                             const void *arg, json_t *live, ist_error *err)
{
    int32_t rc = IST_OK;
    for (const ist_kube_kind_name *kind = kinds; kind->kind && rc == IST_OK; kind++) {
        char *path = NULL, *more = NULL;
        ist_error why = {0};
        rc = kube_path(kube, kind->api, kind->kind, NULL, NULL, &path, &why);
        if (rc == IST_OK)
            do
                rc = take_unmarked(kube, kind, path, &more, ours, arg, live, &why);
            while (rc == IST_OK && more);
        ist_free(more);
        ist_free(path);
        if (rc == IST_ERR_NOT_FOUND) // it is not served
            rc = IST_OK;
        else if (rc != IST_OK && err)
            *err = why;
    }
    return rc;
}

int32_t ist_kube_set_delete(ist_kube *kube, const char *owner, const ist_kube_kind_name *kinds,
                            ist_error *err)
{
    return kube_set_delete(kube, owner, kinds, NULL, NULL, err);
}

int32_t kube_set_delete(ist_kube *kube, const char *owner, const ist_kube_kind_name *kinds,
                        kube_set_ours *ours, const void *arg, ist_error *err)
{
    json_t *live = json_object(), *actions = json_array(), *action;
    size_t i;
    int32_t rc = list_all_owned(kube, kinds, owner, live, err);
    if (rc == IST_OK && ours)
        rc = list_unmarked(kube, kinds, ours, arg, live, err);
    if (rc == IST_OK)
        delete_rest(kinds, live, actions);
    json_array_foreach(actions, i, action)
    {
        if (rc == IST_OK)
            rc = delete_one(kube, action, err);
    }
    json_decref(live);
    json_decref(actions);
    return rc;
}
