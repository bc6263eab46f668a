// An API server with a memory, as small as the reconciler's tests allow.
#include "kube-store.h"
#include "eks-token.h"

#include <isthmus/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOLD_MS 1200 // a watch without events is held for so long

static const char *const kinds[][2] = {{"namespaces", "Namespace"},
                                       {"configmaps", "ConfigMap"},
                                       {"secrets", "Secret"},
                                       {"limitranges", "LimitRange"},
                                       {"leases", "Lease"}};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static const char *kind_of(const char *resource)
{
    for (size_t i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i][0], resource))
            return kinds[i][1];
    return NULL;
}

struct target {
    char resource[32], ns[128], name[256], query[4096];
};

// ---- what is there ----

static char *id_of(const char *resource, const char *ns, const char *name)
{
    char *id = malloc(512);
    snprintf(id, 512, "%s/%s/%s", resource, ns ? ns : "", name);
    return id;
}

static void record(struct kube_store *store, const char *type, const char *resource, json_t *object)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)++store->version);
    json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(text));
    json_array_append_new(store->events,
                          json_pack("{s:I, s:s, s:s, s:o}", "version", store->version, "type", type,
                                    "resource", resource, "object", json_deep_copy(object)));
    pthread_cond_broadcast(&store->moved);
}

static void save(struct kube_store *store, const struct target *at, json_t *object, const char *manager)
{
    char *id = id_of(at->resource, at->ns, at->name), uid[64];
    json_t *before = json_object_get(store->objects, id), *metadata = json_object_get(object, "metadata"),
           *managers;
    int there = before != NULL;
    if (!metadata)
        json_object_set_new(object, "metadata", metadata = json_object());
    json_object_set_new(object, "kind", json_string(kind_of(at->resource)));
    json_object_set_new(metadata, "name", json_string(at->name));
    if (*at->ns)
        json_object_set_new(metadata, "namespace", json_string(at->ns));
    snprintf(uid, sizeof uid, "uid-%lld", (long long)store->version + 1);
    json_object_set_new(metadata, "uid",
                        there ? json_incref(json_object_get(json_object_get(before, "metadata"), "uid"))
                              : json_string(uid));
    managers = there ? json_incref(json_object_get(json_object_get(before, "metadata"), "managedFields"))
                     : json_array();
    int known = 0;
    for (size_t i = 0; i < json_array_size(managers); i++)
        known |= !strcmp(ist_json_str_or(json_array_get(managers, i), "manager", ""), manager);
    if (!known)
        json_array_append_new(managers, json_pack("{s:s, s:s}", "manager", manager, "operation", "Apply"));
    json_object_set_new(metadata, "managedFields", managers);
    json_object_set(store->objects, id, object);
    record(store, there ? "MODIFIED" : "ADDED", at->resource, object);
    free(id);
}

static void take_away(struct kube_store *store, const char *id, const char *resource)
{
    json_t *object = json_incref(json_object_get(store->objects, id));
    json_object_del(store->objects, id);
    record(store, "DELETED", resource, object);
    json_decref(object);
}

// ---- reading requests ----

static void unescape(const char *from, char *to, size_t room)
{
    size_t n = 0;
    for (; *from && n + 1 < room; from++) {
        char hex[3] = {0};
        if (*from == '%' && from[1] && from[2]) {
            memcpy(hex, from + 1, 2);
            to[n++] = (char)strtol(hex, NULL, 16);
            from += 2;
        } else {
            to[n++] = *from;
        }
    }
    to[n] = '\0';
}

static int parse(const char *text, struct target *at)
{
    char path[8300], *parts[12] = {0}, *rest = path, *query;
    size_t n = 0;
    memset(at, 0, sizeof *at);
    snprintf(path, sizeof path, "%s", text);
    if ((query = strchr(path, '?'))) {
        *query = '\0';
        unescape(query + 1, at->query, sizeof at->query);
    }
    for (char *part; n < 12 && (part = strsep(&rest, "/"));)
        if (*part)
            parts[n++] = part;
    size_t i = n > 0 && !strcmp(parts[0], "api") ? 2 : 3;
    if (i < n && !strcmp(parts[i], "namespaces") && n > i + 2) {
        snprintf(at->ns, sizeof at->ns, "%s", parts[i + 1]);
        i += 2;
    }
    if (i < n)
        snprintf(at->resource, sizeof at->resource, "%s", parts[i]);
    if (i + 1 < n)
        snprintf(at->name, sizeof at->name, "%s", parts[i + 1]);
    return i < n && kind_of(parts[i]) != NULL;
}

static long number_in(const char *query, const char *key, long otherwise)
{
    const char *at = strstr(query, key);
    return at ? strtol(at + strlen(key), NULL, 10) : otherwise;
}

static int matches(const json_t *object, const char *query)
{
    const char *selector = strstr(query, "labelSelector=isthmus.dev/owner");
    const char *owner = json_string_value(
        json_object_get(json_object_get(json_object_get(object, "metadata"), "labels"), "isthmus.dev/owner"));
    if (!selector)
        return 1;
    selector += strlen("labelSelector=isthmus.dev/owner");
    int negated = *selector == '!';
    selector += negated ? 2 : 1;
    size_t len = strcspn(selector, "&");
    int equal = owner && strlen(owner) == len && !strncmp(owner, selector, len);
    return negated ? !equal : equal;
}

// ---- answers ----

static void say(struct httpd_reply *reply, int status, json_t *body)
{
    free(reply->body);
    reply->status = status;
    reply->body = json_dumps(body, JSON_COMPACT);
    json_decref(body);
}

static void refuse(struct httpd_reply *reply, int status, const char *reason, const char *message)
{
    say(reply, status,
        json_pack("{s:s, s:s, s:i, s:s, s:s}", "kind", "Status", "status", "Failure", "code", status,
                  "reason", reason, "message", message));
}

static void list(struct kube_store *store, const struct target *at, struct httpd_reply *reply)
{
    json_t *items = json_array(), *object, *metadata;
    const char *id;
    char version[32], more[32] = "";
    long limit = number_in(at->query, "limit=", 0), skip = number_in(at->query, "continue=", 0), index = 0;
    store->lists += strcmp(at->resource, "leases") != 0;
    json_object_foreach(store->objects, id, object)
    {
        if (strncmp(id, at->resource, strlen(at->resource)) != 0 || json_object_get(store->hidden, id) ||
            !matches(object, at->query))
            continue;
        if (index++ < skip)
            continue;
        if (limit && (long)json_array_size(items) == limit) {
            snprintf(more, sizeof more, "%ld", skip + limit);
            break;
        }
        json_t *item = json_deep_copy(object); // items do not say what they are
        json_object_del(item, "kind");
        json_object_del(item, "apiVersion");
        json_array_append_new(items, item);
    }
    snprintf(version, sizeof version, "%lld", (long long)store->version);
    metadata = json_pack("{s:s, s:s}", "resourceVersion", version, "continue", more);
    say(reply, 200,
        json_pack("{s:s, s:s, s:o, s:o}", "kind", "List", "apiVersion", "v1", "metadata", metadata, "items",
                  items));
}

static void add_ms(struct timespec *t, long ms)
{
    t->tv_nsec += ms % 1000 * 1000000;
    t->tv_sec += ms / 1000 + t->tv_nsec / 1000000000;
    t->tv_nsec %= 1000000000;
}

// Answers as soon as there is something: the client comes again from there.
static void watch(struct kube_store *store, const struct target *at, struct httpd_reply *reply)
{
    json_int_t from = number_in(at->query, "resourceVersion=", 0);
    struct timespec until;
    char *text = calloc(1, 1);
    size_t len = 0, i;
    json_t *event;
    store->watches++;
    if (!strcmp(at->resource, "configmaps"))
        store->watched = from;
    if (from < store->compacted) {
        free(text);
        refuse(reply, 410, "Expired", "too old resource version");
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    add_ms(&until, HOLD_MS);
    for (int timed_out = 0; !len && !timed_out && !store->stopped && !store->down;) {
        json_array_foreach(store->events, i, event)
        {
            const json_t *metadata = ist_json_at(event, "object.metadata");
            char *id = id_of(at->resource, ist_json_str_or(metadata, "namespace", ""),
                             ist_json_str_or(metadata, "name", ""));
            int hidden = json_object_get(store->hidden, id) != NULL;
            free(id);
            if (ist_json_int(event, "version", 0) <= from || hidden ||
                strcmp(ist_json_str_or(event, "resource", ""), at->resource) != 0)
                continue;
            json_t *line = json_pack("{s:s, s:O}", "type", ist_json_str(event, "type"), "object",
                                     json_object_get(event, "object"));
            char *dumped = json_dumps(line, JSON_COMPACT);
            text = realloc(text, len + strlen(dumped) + 2);
            len += (size_t)snprintf(text + len, strlen(dumped) + 2, "%s\n", dumped);
            free(dumped);
            json_decref(line);
        }
        if (!len)
            timed_out = pthread_cond_timedwait(&store->moved, &store->lock, &until) != 0;
    }
    free(reply->body);
    reply->status = 200;
    reply->body = text;
}

static int has_other_manager(const json_t *object)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(ist_json_at(object, "metadata.managedFields"), i, entry)
    {
        if (strcmp(ist_json_str_or(entry, "manager", ""), "isthmus") != 0)
            return 1;
    }
    return 0;
}

static void count_write(struct kube_store *store, const struct target *at, int *counter)
{
    if (!strcmp(at->resource, "leases"))
        return;
    ++*counter;
    snprintf(store->last_write, sizeof store->last_write, "%.30s %.100s", at->resource, at->name);
}

static __attribute__((nonnull)) void apply(struct kube_store *store, const struct target *at,
                                           const char *body, struct httpd_reply *reply)
{
    char *id = id_of(at->resource, at->ns, at->name);
    json_t *wanted = json_loads(body, 0, NULL), *before = json_object_get(store->objects, id);
    const char *uid = ist_json_str(wanted, "metadata.uid");
    if (uid && (!before || strcmp(uid, ist_json_str_or(before, "metadata.uid", "")) != 0)) {
        refuse(reply, 409, "Conflict",
               before ? "Precondition failed: UID in precondition" : "uid mismatch: UID");
    } else if (before && has_other_manager(before) && !strstr(at->query, "force=true") &&
               strstr(body, "\"data\"")) {
        refuse(reply, 409, "Conflict", "Apply failed with 1 conflict: conflict with \"kubectl\"");
    } else {
        json_t *merged = before ? json_deep_copy(before) : json_object(), *same;
        json_object_update_recursive(merged, wanted);
        if (!ist_json_at(wanted, "metadata.labels") && before) // nothing of ours any more
            json_object_del(json_object_get(merged, "metadata"), "labels");
        same = before ? json_incref(before) : NULL;
        if (same && json_equal(merged, same)) {
            store->unchanged++;
        } else {
            count_write(store, at, same ? &store->updates : &store->creates);
            save(store, at, merged, "isthmus");
        }
        say(reply, same ? 200 : 201, json_incref(json_object_get(store->objects, id)));
        json_decref(same);
        json_decref(merged);
    }
    json_decref(wanted);
    free(id);
}

static void put_lease(struct kube_store *store, struct target *at, const char *body,
                      struct httpd_reply *reply)
{
    json_t *wanted = json_loads(body, 0, NULL);
    snprintf(at->name, sizeof at->name, "%s", ist_json_str_or(wanted, "metadata.name", ""));
    char *id = id_of(at->resource, at->ns, at->name);
    const json_t *before = json_object_get(store->objects, id);
    const char *version = ist_json_str(wanted, "metadata.resourceVersion");
    if (before && (!version || strcmp(version, ist_json_str_or(before, "metadata.resourceVersion", "")) != 0))
        refuse(reply, 409, "Conflict", "the object has been modified");
    else {
        save(store, at, wanted, "isthmus");
        say(reply, 200, json_incref(json_object_get(store->objects, id)));
    }
    json_decref(wanted);
    free(id);
}

static void discovery(const struct kube_store *store, struct httpd_reply *reply)
{
    json_t *resources = json_array();
    for (size_t i = 0; i < KINDS - 1; i++) // Leases are of another group
        if (!store->unserved || strcmp(store->unserved, kinds[i][0]) != 0)
            json_array_append_new(resources, json_pack("{s:s, s:s, s:b}", "name", kinds[i][0], "kind",
                                                       kinds[i][1], "namespaced", i > 0));
    say(reply, 200, json_pack("{s:o}", "resources", resources));
}

static void serve(struct kube_store *store, const struct httpd_request *request, struct httpd_reply *reply)
{
    struct target at;
    int known = parse(request->target, &at);
    char *id = id_of(at.resource, at.ns, at.name);
    json_t *object = json_object_get(store->objects, id);
    int get = !strcmp(request->method, "GET");
    if (!known && get && !strcmp(request->target, "/api/v1"))
        discovery(store, reply);
    else if (known && get && !strcmp(request->target, "/api/v1/namespaces/kube-system"))
        say(reply, 200, json_pack("{s:{s:s, s:s}}", "metadata", "name", "kube-system", "uid", store->uid));
    else if (!known)
        refuse(reply, 404, "NotFound", "nothing here");
    else if (get && strstr(at.query, "watch=1"))
        watch(store, &at, reply);
    else if (get && !*at.name)
        list(store, &at, reply);
    else if (!strcmp(request->method, "PATCH"))
        apply(store, &at, request->body, reply);
    else if (!strcmp(request->method, "POST") || !strcmp(request->method, "PUT"))
        put_lease(store, &at, request->body, reply);
    else if (!object)
        refuse(reply, 404, "NotFound", "not found");
    else if (get)
        say(reply, 200, json_incref(object));
    else if (request->body && strstr(request->body, "\"uid\"") &&
             !strstr(request->body, ist_json_str_or(object, "metadata.uid", "?")))
        refuse(reply, 409, "Conflict", "Precondition failed: UID in precondition");
    else {
        count_write(store, &at, &store->deletes);
        take_away(store, id, at.resource);
        refuse(reply, 200, "", "");
    }
    free(id);
}

static struct store_fault *fault_of(struct kube_store *store, const struct httpd_request *request)
{
    for (size_t i = 0; i < 8; i++) {
        struct store_fault *fault = &store->faults[i];
        if (!fault->times || strcmp(fault->method, request->method) != 0 ||
            !strstr(request->target, fault->contains))
            continue;
        fault->times -= fault->times > 0;
        return fault;
    }
    return NULL;
}

// Was it signed by our clock? Else a refusal says what time it is here.
static int is_of_today(struct kube_store *store, const struct httpd_request *request)
{
    char authorization[2048] = "", wanted[64];
    httpd_header(request, "Authorization", authorization, sizeof authorization);
    char *url = eks_token_url(authorization);
    snprintf(wanted, sizeof wanted, "X-Amz-Date=%sT", store->day);
    int good = url && strstr(url, wanted);
    free(url);
    snprintf(store->headers, sizeof store->headers, "Date: %s\r\n", store->date);
    store->refused += !good;
    return good;
}

static void handle(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
    struct kube_store *store = arg;
    reply->cut_after = -1;
    pthread_mutex_lock(&store->lock);
    const struct store_fault *fault = fault_of(store, request);
    struct store_fault copy = fault ? *fault : (struct store_fault){0};
    if (store->date && !copy.status && !is_of_today(store, request))
        copy = (struct store_fault){.status = 401, .headers = store->headers};
    if (!store->down && !copy.status)
        serve(store, request, reply);
    if (copy.status) {
        reply->status = copy.status;
        reply->headers = copy.headers;
        reply->body = strdup(copy.body ? copy.body : "{}");
    }
    if (copy.hold) {
        int turn = ++store->held;
        while (store->held >= turn && !store->stopped && !store->down)
            pthread_cond_wait(&store->moved, &store->lock);
    }
    if (copy.cut_after)
        reply->cut_after = copy.cut_after < 0 ? 0 : copy.cut_after;
    if (store->down)
        reply->cut_after = 0;
    if (getenv("TEST_STORE_TELL"))
        fprintf(stderr, "%s: %s %.150s -> %d %ld\n", store->uid, request->method, request->target,
                reply->status, reply->cut_after);
    pthread_mutex_unlock(&store->lock);
}

// ---- for tests ----

void store_start(struct kube_store *store, const char *uid)
{
    memset(store, 0, sizeof *store);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->moved, NULL);
    store->objects = json_object();
    store->events = json_array();
    store->hidden = json_object();
    snprintf(store->uid, sizeof store->uid, "%s", uid);
    store->httpd = httpd_start(handle, store, 0);
    httpd_side_by_side(store->httpd);
    store->kubeconfig = malloc(512);
    snprintf(store->kubeconfig, 512,
             "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
             "contexts: [{name: x, context: {cluster: x, user: x}}]\n"
             "clusters: [{name: x, cluster: {server: \"%s\"}}]\nusers: [{name: x, user: {}}]\n",
             httpd_url(store->httpd));
    store_put(store, "namespaces", "", "shop", NULL, NULL);
}

void store_stop(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->stopped = 1;
    pthread_cond_broadcast(&store->moved);
    pthread_mutex_unlock(&store->lock);
    httpd_stop(store->httpd);
    json_decref(store->objects);
    json_decref(store->events);
    json_decref(store->hidden);
    free(store->kubeconfig);
}

void store_put(struct kube_store *store, const char *resource, const char *ns, const char *name,
               const char *labels, const char *data)
{
    struct target at = {0};
    json_t *object = json_pack("{s:s, s:{s:o*}, s:o*}", "apiVersion", "v1", "metadata", "labels",
                               labels ? json_loads(labels, 0, NULL) : NULL, "data",
                               data ? json_pack("{s:s}", "x", data) : NULL);
    snprintf(at.resource, sizeof at.resource, "%s", resource);
    snprintf(at.ns, sizeof at.ns, "%s", ns);
    snprintf(at.name, sizeof at.name, "%s", name);
    pthread_mutex_lock(&store->lock);
    save(store, &at, object, "kubectl");
    pthread_mutex_unlock(&store->lock);
    json_decref(object);
}

void store_delete(struct kube_store *store, const char *resource, const char *ns, const char *name)
{
    char *id = id_of(resource, ns, name);
    pthread_mutex_lock(&store->lock);
    if (json_object_get(store->objects, id))
        take_away(store, id, resource);
    pthread_mutex_unlock(&store->lock);
    free(id);
}

json_t *store_get(struct kube_store *store, const char *resource, const char *ns, const char *name)
{
    char *id = id_of(resource, ns, name);
    pthread_mutex_lock(&store->lock);
    json_t *object = json_object_get(store->objects, id);
    object = object ? json_deep_copy(object) : NULL;
    pthread_mutex_unlock(&store->lock);
    free(id);
    return object;
}

int store_count(struct kube_store *store, const char *resource)
{
    const char *id;
    json_t *object;
    int count = 0;
    pthread_mutex_lock(&store->lock);
    json_object_foreach(store->objects, id, object) count +=
        !strncmp(id, resource, strlen(resource)) &&
        json_object_get(ist_json_at(object, "metadata.labels"), "isthmus.dev/owner") != NULL;
    pthread_mutex_unlock(&store->lock);
    return count;
}

int store_writes(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    int count = store->creates + store->updates + store->deletes + store->unchanged;
    pthread_mutex_unlock(&store->lock);
    return count;
}

void store_fail(struct kube_store *store, struct store_fault fault)
{
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < 8; i++)
        if (!store->faults[i].times) {
            store->faults[i] = fault;
            break;
        }
    pthread_mutex_unlock(&store->lock);
}

void store_compact(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->compacted = store->version;
    json_array_clear(store->events);
    pthread_mutex_unlock(&store->lock);
}

void store_release(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->held = 0;
    pthread_cond_broadcast(&store->moved);
    pthread_mutex_unlock(&store->lock);
}

void store_set_down(struct kube_store *store, int down)
{
    pthread_mutex_lock(&store->lock);
    store->down = down;
    pthread_cond_broadcast(&store->moved);
    pthread_mutex_unlock(&store->lock);
}
