// Creating, replacing and applying one object.
#include "rest.h"
#include "ssa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool is(const struct kube_call *call, const char *kind)
{
    return strcmp(call->resource->kind->kind, kind) == 0;
}

static struct kube_writer writer_of(const struct kube_call *call, char **version)
{
    *version = call->api_version ? lab_strdup(call->api_version)
                                 : kube_api_version(kube_preferred(call->cluster, call->resource->kind));
    return (struct kube_writer){.kind = call->resource->kind->kind,
                                .api_version = *version,
                                .manager = call->manager && *call->manager ? call->manager : "unknown",
                                .subresource = call->sub ? call->sub : "",
                                .force = call->force};
}

static void drop_nulls(json_t *value)
{
    const char *name;
    json_t *child;
    void *tmp;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach_safe(value, tmp, name, child)
        {
            if (json_is_null(child))
                json_object_del(value, name);
            else
                drop_nulls(child);
        }
    }
    json_array_foreach(value, i, child) drop_nulls(child);
}

// ---- what a create sets ----

static char *new_uid(void)
{
    unsigned char r[16];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        abort();
    r[6] = (unsigned char)((r[6] & 15) | 0x40);
    r[8] = (unsigned char)((r[8] & 63) | 0x80);
    return lab_format("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1],
                      r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14],
                      r[15]);
}

// The alphabet that generated names are drawn from (no vowels, nothing that looks like another).
static char *generated(const char *prefix)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    unsigned char random[5];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    char suffix[6] = "";
    for (size_t i = 0; i < 5; i++)
        suffix[i] = alphabet[random[i] % (sizeof alphabet - 1)];
    return lab_format("%s%s", prefix, suffix);
}

static json_t *initial_status(const struct kube_kind *kind)
{
    if (strcmp(kind->kind, "Pod") == 0)
        return json_pack("{ss ss}", "phase", "Pending", "qosClass", "BestEffort");
    if (strcmp(kind->kind, "Namespace") == 0)
        return json_pack("{ss}", "phase", "Active");
    if (strcmp(kind->kind, "Service") == 0)
        return json_pack("{s{}}", "loadBalancer");
    if (strcmp(kind->kind, "Node") == 0 || strstr(kind->kind, "Definition"))
        return NULL; // kept as sent
    return strcmp(kind->served[0].group, "apps") == 0 || strcmp(kind->kind, "ReplicationController") == 0
               ? json_pack("{si}", "replicas", 0)
               : json_object();
}

static bool service_ip_taken(struct kube_resource *services, const char *ip)
{
    for (size_t i = 0; i < services->count; i++)
        if (strcmp(kube_text(services->items[i].object, "spec.clusterIP"), ip) == 0)
            return true;
    return false;
}

// clusterIP again, and where the Service has a second family its address there. The lab's first is always IPv4.
static void set_cluster_ips(const struct lab_cluster *cluster, json_t *spec)
{
    const char *first = kube_text(spec, "clusterIP");
    json_t *list = json_pack("[s]", first);
    if (strcmp(first, "None") != 0 && json_array_size(json_object_get(spec, "ipFamilies")) == 2) {
        char *second = kube_ipv6_of(cluster, first, true);
        json_array_append_new(list, json_string(second));
        free(second);
    }
    json_object_set_new(spec, "clusterIPs", list);
}

static void allocate_service(const struct kube_call *call, json_t *object)
{
    json_t *spec = json_object_get(object, "spec"), *port;
    struct lab_cluster *cluster = call->cluster;
    const char *type = kube_text(spec, "type");
    size_t i;
    if (strcmp(type, "ExternalName") == 0)
        return;
    if (!*kube_text(spec, "clusterIP")) {
        uint32_t network = 0;
        int prefix = 16;
        lab_parse_cidr(cluster->service_cidr, &network, &prefix);
        uint32_t size = ~lab_mask(prefix);
        char *ip = NULL;
        uint32_t next = cluster->next_service;
        do {
            free(ip);
            next = next + 1 >= size ? 1 : next + 1;
            ip = lab_ip(network + next);
        } while (service_ip_taken(call->resource, ip));
        if (!call->dry_run)
            cluster->next_service = next;
        json_object_set_new(spec, "clusterIP", json_string(ip));
        free(ip);
    }
    set_cluster_ips(cluster, spec);
    if (strcmp(type, "NodePort") != 0 && strcmp(type, "LoadBalancer") != 0)
        return;
    json_array_foreach(json_object_get(spec, "ports"), i, port)
    {
        if (json_integer_value(json_object_get(port, "nodePort")))
            continue;
        json_object_set_new(port, "nodePort", json_integer(30000 + cluster->next_node_port % 2768));
        if (!call->dry_run)
            cluster->next_node_port++;
    }
}

static json_t *established(const struct kube_kind *kind, const json_t *object)
{
    (void)kind;
    char *now = kube_now();
    const json_t *names = kube_path(object, "spec.names"), *versions = kube_path(object, "spec.versions"),
                 *version;
    json_t *stored = json_array();
    size_t i;
    json_array_foreach(versions, i, version) if (json_is_true(json_object_get(version, "storage")))
        json_array_append(stored, json_object_get(version, "name"));
    json_t *status =
        json_pack("{s[{ss ss ss ss ss}{ss ss ss ss ss}] sO so}", "conditions", "type", "NamesAccepted",
                  "status", "True", "reason", "NoConflicts", "message", "no conflicts found",
                  "lastTransitionTime", now, "type", "Established", "status", "True", "reason",
                  "InitialNamesAccepted", "message", "the initial names have been accepted",
                  "lastTransitionTime", now, "acceptedNames", names, "storedVersions", stored);
    free(now);
    return status;
}

static void set_metadata(const struct kube_call *call, json_t *object)
{
    json_t *metadata = json_object_get(object, "metadata");
    char *uid = new_uid(), *now = kube_now();
    const char *server_set[] = {"resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds",
                                "generation",      "selfLink",          "managedFields"};
    if (!metadata) {
        metadata = json_object();
        json_object_set_new(object, "metadata", metadata);
    }
    for (size_t i = 0; i < sizeof server_set / sizeof *server_set; i++)
        json_object_del(metadata, server_set[i]);
    if (!*kube_text(metadata, "name") && *kube_text(metadata, "generateName")) {
        char *name = generated(kube_text(metadata, "generateName"));
        json_object_set_new(metadata, "name", json_string(name));
        free(name);
    }
    if (call->resource->kind->namespaced)
        json_object_set_new(metadata, "namespace", json_string(call->ns));
    else
        json_object_del(metadata, "namespace");
    json_object_set_new(metadata, "uid", json_string(uid));
    json_object_set_new(metadata, "creationTimestamp", json_string(now));
    if (call->resource->kind->flags & KUBE_GENERATION)
        json_object_set_new(metadata, "generation", json_integer(1));
    free(uid);
    free(now);
}

// May something be created in this namespace?
static json_t *namespace_refuses(const struct kube_call *call)
{
    struct kube_resource *namespaces = kube_resource(call->cluster, "namespaces");
    const json_t *ns = *call->ns ? kube_find(namespaces, call->ns) : NULL;
    if (!call->resource->kind->namespaced)
        return NULL;
    if (!ns)
        return kube_status_not_found(namespaces, call->ns);
    if (!kube_path(ns, "metadata.deletionTimestamp"))
        return NULL;
    json_t *details = kube_details(call->resource, call->name);
    json_object_set_new(details, "causes",
                        json_pack("[{ss so ss}]", "reason", "NamespaceTerminating", "message",
                                  json_sprintf("namespace %s is being terminated", call->ns), "field",
                                  "metadata.namespace"));
    return kube_status(
        403, "Forbidden", details,
        "%s \"%s\" is forbidden: unable to create new content in namespace %s because it is being "
        "terminated",
        call->resource->kind->plural, call->name, call->ns);
}

// Stores what passed; the result is a new reference to it.
static json_t *store(const struct kube_call *call, json_t *object)
{
    json_t *result = json_incref(object);
    if (call->dry_run) {
        json_decref(object);
        return result;
    }
    char *key = kube_key(kube_ns(object), kube_name(object));
    kube_commit(call->cluster, call->resource, key, object);
    free(key);
    return result;
}

static json_t *check(const struct kube_call *call, const json_t *object, const json_t *live)
{
    json_t *causes = json_array();
    kube_validate(call->resource->kind, object, live, causes);
    if (json_array_size(causes))
        return kube_status_invalid(call->resource, kube_name(object), causes);
    json_decref(causes);
    return NULL;
}

static json_t *create_prepared(const struct kube_call *call, json_t *object, json_t **error)
{
    const struct kube_kind *kind = call->resource->kind;
    char *key = kube_key(kube_ns(object), kube_name(object));
    const json_t *there = *kube_name(object) ? kube_find(call->resource, key) : NULL;
    free(key);
    if (there)
        *error = kube_status_exists(call->resource, kube_name(object));
    else
        *error = check(call, object, NULL);
    if (!*error)
        *error = namespace_refuses(call);
    if (*error) {
        json_decref(object);
        return NULL;
    }
    if (kind->flags & KUBE_STATUS) {
        json_t *status = call->resource->custom ? NULL : initial_status(kind);
        if (status)
            json_object_set_new(object, "status", status);
        else if (call->resource->custom)
            json_object_del(object, "status");
    }
    if (is(call, "CustomResourceDefinition"))
        json_object_set_new(object, "status", established(kind, object));
    return object;
}

json_t *kube_create(const struct kube_call *call, json_t *object, json_t **error)
{
    char *version;
    struct kube_writer writer = writer_of(call, &version);
    json_t *nothing = json_object();
    drop_nulls(object);
    set_metadata(call, object);
    kube_defaults(call->cluster, call->resource->kind, object);
    object = create_prepared(call, object, error);
    if (object) {
        json_t *status = json_incref(json_object_get(object, "status"));
        if (call->resource->kind->flags & KUBE_STATUS)
            json_object_del(object, "status"); // nobody owns what the server set
        kube_record_update(&writer, nothing, object);
        if (status)
            json_object_set(object, "status", status);
        json_decref(status);
        if (is(call, "Service"))
            allocate_service(call, object); // and what is allocated neither
        object = store(call, object);
    }
    json_decref(nothing);
    free(version);
    return object;
}

// ---- updates ----

// What no update may change, and what the addressed (sub)resource does not reach, is taken from the live
// object.
static void keep_from_live(const struct kube_call *call, const json_t *live, json_t *object)
{
    static const char *const kept[] = {"uid",
                                       "creationTimestamp",
                                       "namespace",
                                       "name",
                                       "generateName",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "generation",
                                       "resourceVersion"};
    json_t *metadata = json_object_get(object, "metadata");
    const json_t *old = json_object_get(live, "metadata");
    bool status = strcmp(call->sub, "status") == 0;
    const char *name;
    json_t *value;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_object_del(metadata, kept[i]);
        if (json_object_get(old, kept[i]))
            json_object_set(metadata, kept[i], json_object_get(old, kept[i]));
    }
    json_object_set(object, "apiVersion", json_object_get(live, "apiVersion"));
    json_object_set(object, "kind", json_object_get(live, "kind"));
    if (status) {
        void *tmp;
        json_object_foreach_safe(object, tmp, name,
                                 value) if (strcmp(name, "status") != 0 && strcmp(name, "metadata") != 0)
            json_object_del(object, name);
        json_object_foreach((json_t *)live, name,
                            value) if (strcmp(name, "status") != 0 && strcmp(name, "metadata") != 0)
            json_object_set(object, name, value);
    } else if (call->resource->kind->flags & KUBE_STATUS) {
        if (json_object_get(live, "status"))
            json_object_set(object, "status", json_object_get(live, "status"));
        else
            json_object_del(object, "status");
    }
    if (is(call, "Namespace") && strcmp(call->sub, "finalize") != 0 && json_object_get(live, "spec"))
        json_object_set(object, "spec", json_object_get(live, "spec"));
    if (is(call, "Service")) {
        // What only another type has goes with it, unless the client asks for it anew.
        bool plain = !strcmp(kube_text(object, "spec.type"), "ClusterIP");
        if (plain && json_equal(kube_path(object, "spec.externalTrafficPolicy"),
                                kube_path(live, "spec.externalTrafficPolicy")))
            json_object_del(json_object_get(object, "spec"), "externalTrafficPolicy");
        // A client that leaves clusterIP or a node port out keeps what was allocated.
        const json_t *ip = kube_path(live, "spec.clusterIP");
        if (ip && !*kube_text(object, "spec.clusterIP") &&
            strcmp(kube_text(object, "spec.type"), "ExternalName") != 0)
            kube_set(object, "spec.clusterIP", json_incref((json_t *)ip));
        size_t i;
        json_t *port;
        json_array_foreach(kube_path(object, "spec.ports"), i, port)
        {
            const json_t *was = json_array_get(kube_path(live, "spec.ports"), i);
            if (!json_object_get(port, "nodePort") && json_object_get(was, "nodePort") &&
                json_equal(json_object_get(port, "port"), json_object_get(was, "port")) && !plain)
                json_object_set(port, "nodePort", json_object_get(was, "nodePort"));
            if (plain && json_equal(json_object_get(port, "nodePort"), json_object_get(was, "nodePort")))
                json_object_del(port, "nodePort");
        }
    }
}

static bool content_changed(const json_t *live, const json_t *object)
{
    const char *name;
    json_t *value, *all = json_copy((json_t *)object);
    bool changed = false;
    json_object_update_missing(all, (json_t *)live);
    json_object_foreach(all, name, value)
    {
        if (strcmp(name, "metadata") == 0 || strcmp(name, "status") == 0)
            continue;
        const json_t *a = json_object_get(live, name), *b = json_object_get(object, name);
        changed = changed || !a || !b || !json_equal(a, b);
    }
    json_decref(all);
    return changed;
}

static bool finished(const json_t *object)
{
    return kube_path(object, "metadata.deletionTimestamp") &&
           !json_array_size(kube_path(object, "metadata.finalizers")) &&
           (strcmp(kube_text(object, "kind"), "Namespace") != 0 ||
            !json_array_size(kube_path(object, "spec.finalizers"))) &&
           (strcmp(kube_text(object, "kind"), "Pod") != 0 ||
            json_integer_value(kube_path(object, "metadata.deletionGracePeriodSeconds")) == 0);
}

// The rest of every update: defaults, checks, generation, the record, the store.
static json_t *finish_update(const struct kube_call *call, const json_t *live, json_t *object, bool record,
                             json_t **error)
{
    keep_from_live(call, live, object);
    kube_defaults(call->cluster, call->resource->kind, object);
    if (is(call, "Service"))
        allocate_service(call, object);
    if (is(call, "CustomResourceDefinition") && strcmp(call->sub, "status") != 0)
        json_object_set_new(object, "status", established(NULL, object));
    *error = check(call, object, live);
    if (*error) {
        json_decref(object);
        return NULL;
    }
    if (record) {
        char *version;
        struct kube_writer writer = writer_of(call, &version);
        kube_record_update(&writer, live, object);
        free(version);
    }
    bool same =
        kube_same_but_managers(live, object) &&
        json_equal(kube_path(live, "metadata.managedFields"), kube_path(object, "metadata.managedFields"));
    if (same) {
        json_decref(object);
        return json_incref((json_t *)live);
    }
    if ((call->resource->kind->flags & KUBE_GENERATION) && content_changed(live, object))
        kube_set(object, "metadata.generation",
                 json_integer(json_integer_value(kube_path(live, "metadata.generation")) + 1));
    if (!finished(object) || call->dry_run)
        return store(call, object);
    json_t *result = json_incref(object);
    char *key = kube_key(call->ns, call->name);
    kube_commit(call->cluster, call->resource, key, object);
    kube_commit(call->cluster, call->resource, key, NULL);
    free(key);
    return result;
}

static const json_t *live_of(const struct kube_call *call)
{
    char *key = kube_key(call->ns, call->name);
    const json_t *live = kube_find(call->resource, key);
    free(key);
    return live;
}

// Refuses an update that was made from another version of the object, or from another object of the name.
static json_t *precondition(const struct kube_call *call, const json_t *live, const json_t *object)
{
    const char *rv = kube_text(object, "metadata.resourceVersion"), *uid = kube_text(object, "metadata.uid");
    if (*uid && strcmp(uid, kube_text(live, "metadata.uid")) != 0) {
        char *message = lab_format("Precondition failed: UID in precondition: %s, UID in object meta: %s",
                                   uid, kube_text(live, "metadata.uid"));
        json_t *status = kube_status_conflict(call->resource, call->name, message);
        free(message);
        return status;
    }
    if (*rv && strcmp(rv, kube_text(live, "metadata.resourceVersion")) != 0)
        return kube_status_conflict(call->resource, call->name,
                                    "the object has been modified; please apply your changes "
                                    "to the latest version and try again");
    return NULL;
}

json_t *kube_replace(const struct kube_call *call, json_t *given, json_t **error)
{
    const json_t *live = live_of(call);
    *error = live ? precondition(call, live, given) : kube_status_not_found(call->resource, call->name);
    if (*error) {
        json_decref(given);
        return NULL;
    }
    json_t *object = json_deep_copy(given), *kept = json_incref((json_t *)live);
    json_decref(given);
    drop_nulls(object);
    if (!json_object_get(object, "metadata"))
        json_object_set_new(object, "metadata", json_object());
    json_t *result = finish_update(call, kept, object, true, error);
    json_decref(kept);
    return result;
}

// ---- apply ----

// ".spec.template.spec.containers[name=\"a\"].image" of a field set's path.
static char *readable(const char *path)
{
    char *text = lab_strdup("");
    while (*path) {
        size_t len = strcspn(path, "\n");
        char *element = lab_format("%.*s", (int)len, path), *longer;
        if (strncmp(element, "k:", 2) == 0) {
            json_t *keys = json_loads(element + 2, 0, NULL), *value;
            const char *name;
            char *list = lab_strdup("");
            json_object_foreach(keys, name, value)
            {
                char *dumped = json_dumps(value, JSON_ENCODE_ANY),
                     *more = lab_format("%s%s%s=%s", list, *list ? "," : "", name, dumped);
                free(dumped);
                free(list);
                list = more;
            }
            longer = lab_format("%s[%s]", text, list);
            free(list);
            json_decref(keys);
        } else if (strncmp(element, "v:", 2) == 0) {
            longer = lab_format("%s[=%s]", text, element + 2);
        } else {
            longer = lab_format("%s.%s", text, element + 2);
        }
        free(text);
        free(element);
        text = longer;
        path += len + (path[len] == '\n');
    }
    return text;
}

// "\"isthmus\" with subresource \"status\" using v1", as a conflict names a manager.
static char *manager_words(const json_t *conflict)
{
    const char *sub = kube_text(conflict, "subresource");
    bool update = strcmp(kube_text(conflict, "operation"), "Update") == 0;
    return lab_format("\"%s\"%s%s%s%s%s", kube_text(conflict, "manager"), *sub ? " with subresource \"" : "",
                      sub, *sub ? "\"" : "", update ? " using " : "",
                      update ? kube_text(conflict, "apiVersion") : "");
}

static json_t *conflict_status(const json_t *conflicts)
{
    json_t *causes = json_array();
    char *list = lab_strdup(""), *last = lab_strdup("");
    size_t i, n = json_array_size(conflicts);
    const json_t *conflict;
    json_array_foreach(conflicts, i, conflict)
    {
        char *field = readable(kube_text(conflict, "field")), *who = manager_words(conflict), *longer;
        json_array_append_new(causes, json_pack("{ss so ss}", "reason", "FieldManagerConflict", "message",
                                                json_sprintf("conflict with %s", who), "field", field));
        if (n == 1)
            longer = lab_format("conflict with %s: %s", who, field);
        else if (strcmp(last, who) == 0)
            longer = lab_format("%s\n- %s", list, field);
        else
            longer = lab_format("%s%sconflicts with %s:\n- %s", list, i ? "\n" : "", who, field);
        free(list);
        free(last);
        free(field);
        list = longer;
        last = who;
    }
    json_t *status = kube_status(409, "Conflict", json_pack("{so}", "causes", causes),
                                 "Apply failed with %zu conflict%s: %s", n, n == 1 ? "" : "s", list);
    free(last);
    free(list);
    return status;
}

static json_t *apply_create(const struct kube_call *call, const struct kube_writer *writer, json_t *applied,
                            json_t **error)
{
    json_t *nothing = json_object(), *conflicts = NULL, *object;
    object = kube_apply(writer, nothing, applied, &conflicts);
    json_decref(nothing);
    json_t *managed = json_incref((json_t *)kube_path(object, "metadata.managedFields"));
    json_t *own = json_deep_copy(object);
    json_decref(object);
    set_metadata(call, own);
    kube_defaults(call->cluster, call->resource->kind, own);
    own = create_prepared(call, own, error);
    if (own) {
        if (managed)
            kube_set(own, "metadata.managedFields", json_incref(managed));
        if (is(call, "Service"))
            allocate_service(call, own);
        own = store(call, own);
    }
    json_decref(managed);
    return own;
}

json_t *kube_apply_object(const struct kube_call *call, json_t *given, json_t **error)
{
    const json_t *live = live_of(call);
    json_t *applied = json_deep_copy(given), *conflicts = NULL, *result = NULL;
    char *version;
    struct kube_writer writer = writer_of(call, &version);
    drop_nulls(applied);
    if ((call->resource->kind->flags & KUBE_STATUS) && strcmp(call->sub, "status") != 0)
        json_object_del(applied, "status");
    const json_t *managed = kube_path(applied, "metadata.managedFields");
    if (json_array_size(managed)) {
        *error = kube_status(400, "BadRequest", NULL, "metadata.managedFields must be nil");
    } else if (live && (*error = precondition(call, live, applied))) {
    } else if (!live && *call->sub) {
        *error = kube_status_not_found(call->resource, call->name);
    } else if (!live && *kube_text(applied, "metadata.uid")) {
        *error = kube_status_conflict(call->resource, call->name, "uid mismatch: the object does not exist");
    } else if (!live) {
        result = apply_create(call, &writer, applied, error);
    } else {
        json_t *kept = json_incref((json_t *)live), *merged = kube_apply(&writer, kept, applied, &conflicts);
        if (merged) {
            json_t *own = json_deep_copy(merged);
            json_decref(merged);
            result = finish_update(call, kept, own, false, error);
        } else {
            *error = conflict_status(conflicts);
        }
        json_decref(kept);
    }
    json_decref(conflicts);
    json_decref(applied);
    free(version);
    return result;
}
