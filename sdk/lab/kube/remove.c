// Deleting one object: preconditions, finalizers, grace; and the controllers' short way to write.
#include "rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool protected_namespace(const char *name)
{
    return strcmp(name, "default") == 0 || strcmp(name, "kube-system") == 0 ||
           strcmp(name, "kube-public") == 0;
}

// A precondition that does not hold; the words name the kind, not the resource.
static json_t *precondition_fails(const struct kube_call *call, const char *what, const char *wanted,
                                  const char *is, const char *how)
{
    const char *kind = call->resource->kind->kind;
    json_t *details = kube_details(call->resource, call->name);
    json_object_set_new(details, "kind", json_string(kind));
    return kube_status(
        409, "Conflict", details,
        "Operation cannot be fulfilled on %s \"%s\": the %s in the precondition (%s) does not match the %s "
        "in record (%s). The object might have been %s",
        kind, call->name, what, wanted, what, is, how);
}

static json_t *refused(const struct kube_call *call, const json_t *live, const json_t *options)
{
    const char *uid = kube_text(options, "preconditions.uid"), *is_uid = kube_text(live, "metadata.uid");
    const char *rv = kube_text(options, "preconditions.resourceVersion"),
               *is_rv = kube_text(live, "metadata.resourceVersion");
    if (*uid && strcmp(uid, is_uid) != 0)
        return precondition_fails(call, "UID", uid, is_uid, "deleted and then recreated");
    if (*rv && strcmp(rv, is_rv) != 0)
        return precondition_fails(call, "ResourceVersion", rv, is_rv, "modified");
    if (strcmp(call->resource->kind->kind, "Namespace") == 0 && protected_namespace(call->name))
        return kube_status(403, "Forbidden", kube_details(call->resource, call->name),
                           "namespaces \"%s\" is forbidden: this namespace may not be deleted", call->name);
    return NULL;
}

// Seconds that a pod gets to stop; everything else none.
static json_int_t grace_of(const struct kube_call *call, const json_t *live, const json_t *options)
{
    const json_t *asked = json_object_get(options, "gracePeriodSeconds");
    const char *phase = kube_text(live, "status.phase");
    if (strcmp(call->resource->kind->kind, "Pod") != 0 || !*kube_text(live, "spec.nodeName") ||
        strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
        return 0;
    return json_is_integer(asked) ? json_integer_value(asked)
                                  : json_integer_value(kube_path(live, "spec.terminationGracePeriodSeconds"));
}

static void add_finalizer(json_t *metadata, const char *name)
{
    json_t *list = json_copy(json_object_get(metadata, "finalizers")), *item;
    size_t i;
    bool there = false;
    if (!list)
        list = json_array();
    json_array_foreach(list, i, item) there = there || strcmp(json_string_value(item), name) == 0;
    if (!there)
        json_array_append_new(list, json_string(name));
    json_object_set_new(metadata, "finalizers", list);
}

// The object on its way out.
static json_t *marked(const struct kube_call *call, const json_t *live, const json_t *options,
                      json_int_t grace)
{
    json_t *object = json_copy((json_t *)live), *metadata = json_copy(json_object_get(live, "metadata"));
    const char *policy = kube_text(options, "propagationPolicy");
    bool going = json_object_get(metadata, "deletionTimestamp") != NULL;
    json_object_set_new(object, "metadata", metadata);
    if (strcmp(policy, "Orphan") == 0 || json_is_true(json_object_get(options, "orphanDependents")))
        add_finalizer(metadata, "orphan");
    else if (strcmp(policy, "Foreground") == 0)
        add_finalizer(metadata, "foregroundDeletion");
    if (!going) {
        char text[32];
        time_t when = time(NULL) + (time_t)grace;
        struct tm tm;
        gmtime_r(&when, &tm);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        json_object_set_new(metadata, "deletionTimestamp", json_string(text));
        if (call->resource->kind->flags & KUBE_GENERATION)
            json_object_set_new(
                metadata, "generation",
                json_integer(json_integer_value(json_object_get(metadata, "generation")) + 1));
    }
    json_int_t before = json_integer_value(json_object_get(metadata, "deletionGracePeriodSeconds"));
    if (strcmp(call->resource->kind->kind, "Namespace") == 0) {
        json_t *status = json_copy(json_object_get(live, "status"));
        if (!status)
            status = json_object();
        json_object_set_new(status, "phase", json_string("Terminating"));
        json_object_set_new(object, "status", status);
    } else if (!going || grace < before) {
        json_object_set_new(metadata, "deletionGracePeriodSeconds", json_integer(grace));
    }
    return object;
}

json_t *kube_remove(const struct kube_call *call, const json_t *options, bool *at_once, json_t **error)
{
    char *key = kube_key(call->ns, call->name);
    const json_t *found = kube_find(call->resource, key);
    json_t *result = NULL;
    *error = found ? refused(call, found, options) : kube_status_not_found(call->resource, call->name);
    if (!*error) {
        json_t *live = json_incref((json_t *)found);
        json_int_t grace = grace_of(call, live, options);
        json_t *object = marked(call, live, options, grace);
        bool stays = json_array_size(kube_path(object, "metadata.finalizers")) || grace > 0 ||
                     (strcmp(call->resource->kind->kind, "Namespace") == 0 &&
                      json_array_size(kube_path(object, "spec.finalizers")));
        *at_once = !stays;
        result = json_incref(object);
        if (!call->dry_run && stays && !json_equal(object, live))
            kube_commit(call->cluster, call->resource, key, json_incref(object));
        else if (!call->dry_run && !stays)
            kube_commit(call->cluster, call->resource, key, NULL);
        json_decref(object);
        json_decref(live);
    }
    free(key);
    return result;
}

// ---- for controllers ----

static struct kube_call own_call(struct lab_cluster *cluster, struct kube_resource *resource,
                                 const json_t *object)
{
    return (struct kube_call){.cluster = cluster,
                              .resource = resource,
                              .ns = kube_ns(object),
                              .name = kube_name(object),
                              .sub = "",
                              .manager = "kube-controller-manager"};
}

// Takes note of a refusal that a controller could not foresee.
static void refusal(struct lab_cluster *cluster, json_t *error)
{
    if (error)
        lab_log(cluster->lab, "kube/%s: controller: %s", cluster->name, kube_text(error, "message"));
    json_decref(error);
}

bool kube_put_status(struct lab_cluster *cluster, const char *plural, const json_t *live, json_t *status)
{
    struct kube_resource *resource = kube_resource(cluster, plural);
    json_t *object = json_copy((json_t *)live), *error = NULL, *done;
    json_object_set_new(object, "status", status);
    struct kube_call call = own_call(cluster, resource, live);
    call.sub = resource->kind->flags & KUBE_STATUS ? "status" : "";
    json_t *kept = json_incref((json_t *)live); // the call borrows its names from it
    done = kube_replace(&call, object, &error);
    json_decref(kept);
    json_decref(done);
    refusal(cluster, error);
    return done != NULL;
}

bool kube_put(struct lab_cluster *cluster, const char *plural, json_t *object)
{
    json_t *error = NULL, *kept = json_incref(object), *done;
    struct kube_call call = own_call(cluster, kube_resource(cluster, plural), object);
    done = kube_replace(&call, object, &error);
    json_decref(kept);
    json_decref(done);
    refusal(cluster, error);
    return done != NULL;
}

json_t *kube_make(struct lab_cluster *cluster, const char *plural, json_t *object)
{
    struct kube_resource *resource = kube_resource(cluster, plural);
    char *ns = lab_strdup(kube_ns(object)), *name = lab_strdup(kube_name(object));
    char *version = kube_api_version(kube_preferred(cluster, resource->kind));
    json_t *error = NULL, *done;
    json_object_set_new(object, "apiVersion", json_string(version));
    json_object_set_new(object, "kind", json_string(resource->kind->kind));
    struct kube_call call = own_call(cluster, resource, object);
    call.ns = ns;
    call.name = name;
    done = kube_create(&call, object, &error);
    refusal(cluster, error);
    free(version);
    free(ns);
    free(name);
    return done;
}

void kube_kill(struct lab_cluster *cluster, const char *plural, const json_t *object, bool now)
{
    json_t *kept = json_incref((json_t *)object), *error = NULL;
    json_t *options = now ? json_pack("{si}", "gracePeriodSeconds", 0) : json_object();
    bool at_once;
    struct kube_call call = own_call(cluster, kube_resource(cluster, plural), kept);
    json_decref(kube_remove(&call, options, &at_once, &error));
    if (error && kube_status_code(error) == 404) {
        json_decref(error);
        error = NULL;
    }
    refusal(cluster, error);
    json_decref(options);
    json_decref(kept);
}
