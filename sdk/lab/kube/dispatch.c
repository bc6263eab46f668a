// Who answers which request of an API server.
#include "patch.h"
#include "protobuf.h"
#include "server.h"
#include "strict.h"
#include "yaml.h"

#include "../aws/aws.h"

#include <stdlib.h>
#include <string.h>

// ---- who sends it ----

// The user's name, malloc'd; NULL: nobody this cluster knows.
static char *authenticated(struct lab *lab, const struct lab_cluster *cluster, const struct lab_request *http)
{
    const char *header = lab_header(http, "Authorization");
    if (http->client_cert_cn)
        return lab_strdup(http->client_cert_cn);
    if (!header || strncmp(header, "Bearer ", 7) != 0 || !cluster->eks)
        return NULL;
    const char *arn = lab_aws_token_arn(lab, cluster->name, header + 7);
    return arn ? lab_strdup(arn) : NULL;
}

static bool open_to_all(const char *path)
{
    return strcmp(path, "/version") == 0 || strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0 ||
           strcmp(path, "/readyz") == 0;
}

// ---- bodies ----

static void refuse(struct lab_reply *reply, json_t *error)
{
    lab_reply_json(reply, kube_status_code(error), error);
}

// The body as JSON, or as YAML where that is what was sent. NULL with *error.
static json_t *body_of(const struct kube_request *rq, json_t **error)
{
    json_error_t where;
    json_t *body = json_loadb(rq->http->body, rq->http->body_len, JSON_DECODE_ANY, &where);
    const char *type = lab_header(rq->http, "Content-Type");
    if (!body && type && strstr(type, "yaml")) {
        char *why = NULL;
        json_t *documents = kube_yaml(rq->http->body, rq->http->body_len, &why);
        body = json_array_size(documents) == 1 ? json_incref(json_array_get(documents, 0)) : NULL;
        json_decref(documents);
        free(why);
    }
    if (!body && type && strstr(type, "protobuf"))
        body = kube_protobuf(rq->http->body, rq->http->body_len);
    if (!body && type && strstr(type, "protobuf"))
        *error = kube_status(415, "UnsupportedMediaType", NULL, "the lab takes JSON and YAML, not %s", type);
    else if (!body)
        *error = kube_status(
            400, "BadRequest", NULL,
            "the object provided is unrecognized (must be of type %s): couldn't get version/kind; json "
            "parse error: %s",
            rq->resource->kind->kind, where.text);
    return body;
}

// An object sent must be of the kind, version, name and namespace that the path says.
static bool fits(const struct kube_request *rq, json_t *object, json_t **error)
{
    const char *version = kube_text(object, "apiVersion"), *kind = kube_text(object, "kind");
    const char *name = kube_name(object), *ns = kube_ns(object);
    char *wanted = kube_api_version(rq->served);
    if (!json_is_object(object) || !*kind)
        *error = kube_status(400, "BadRequest", NULL, "Object 'Kind' is missing in the object sent");
    else if (strcmp(kind, rq->resource->kind->kind) != 0 || strcmp(version, wanted) != 0)
        *error = kube_status(
            400, "BadRequest", NULL,
            "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered for version "
            "\"%s\"",
            kind, version, rq->resource->kind->kind, kind, version);
    else if (*rq->name && *name && strcmp(name, rq->name) != 0)
        *error = kube_status(400, "BadRequest", NULL,
                             "the name of the object (%s) does not match the name on the URL (%s)", name,
                             rq->name);
    else if (*ns && strcmp(ns, rq->ns) != 0)
        *error = kube_status(
            400, "BadRequest", NULL,
            "the namespace of the provided object does not match the namespace sent on the request");
    else
        kube_convert_in(rq->cluster, rq->resource->kind, rq->served, object);
    free(wanted);
    return !*error;
}

// Refuses, or takes out, fields that the kind does not have, as the request's fieldValidation says.
static bool known_fields(const struct kube_request *rq, json_t *object, bool apply, json_t **error)
{
    const char *kind = rq->resource->kind->kind;
    json_t *unknown = rq->resource->custom ? NULL : kube_strip_unknown(kind, object), *pair;
    size_t i, n = json_array_size(unknown);
    char *validation = kube_query(rq, "fieldValidation"), *list = lab_strdup("");
    json_array_foreach(unknown, i, pair)
    {
        const char *path = json_string_value(json_array_get(pair, apply ? 0 : 1));
        char *longer =
            apply ? lab_format("%s%s%s: field not declared in schema", list, n > 1 ? "\n  " : "", path)
                  : lab_format("%s%sunknown field \"%s\"", list, i ? ", " : "", path);
        free(list);
        list = longer;
    }
    if (n && apply) {
        *error = kube_status(
            500, "", NULL, "failed to create typed patch object (%s/%s; %s/%s, Kind=%s): %s%s",
            kube_ns(object), kube_name(object), rq->group, rq->version, kind, n > 1 ? "errors:" : "", list);
        json_object_del(*error, "reason");
    } else if (n && strcmp(validation, "Strict") == 0) {
        *error = kube_status(400, "BadRequest", NULL,
                             "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                             kind, rq->version, kind, list);
    }
    json_decref(unknown);
    free(validation);
    free(list);
    return !*error;
}

struct context {
    struct kube_call call;
    char *manager, *version;
};

static struct context context_of(const struct kube_request *rq)
{
    struct context c = {.manager = kube_query(rq, "fieldManager"), .version = kube_api_version(rq->served)};
    char *dry = kube_query(rq, "dryRun"), *force = kube_query(rq, "force");
    const char *agent = lab_header(rq->http, "User-Agent");
    if (!*c.manager && agent) {
        free(c.manager);
        c.manager = lab_format("%.*s", (int)strcspn(agent, "/"), agent);
    }
    c.call = (struct kube_call){.cluster = rq->cluster,
                                .resource = rq->resource,
                                .api_version = c.version,
                                .ns = rq->resource->kind->namespaced ? rq->ns : "",
                                .name = rq->name,
                                .sub = rq->sub,
                                .manager = c.manager,
                                .dry_run = *dry != 0,
                                .force = strcmp(force, "true") == 0};
    free(dry);
    free(force);
    return c;
}

static void context_free(struct context *c)
{
    free(c->manager);
    free(c->version);
}

static const json_t *live_of(const struct kube_request *rq)
{
    char *key = kube_key(rq->resource->kind->namespaced ? rq->ns : "", rq->name);
    const json_t *live = kube_find(rq->resource, key);
    free(key);
    return live;
}

static void reply_object(const struct kube_request *rq, struct lab_reply *reply, int status, json_t *object,
                         json_t *error)
{
    if (!object) {
        refuse(reply, error);
        return;
    }
    lab_reply_json(reply, status, kube_shown(rq, object));
    json_decref(object);
}

// ---- verbs ----

static json_t *scale_of(const json_t *object)
{
    const json_t *selector = kube_path(object, "spec.selector"),
                 *labels = json_object_get(selector, "matchLabels");
    char *text = lab_strdup("");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(labels ? labels : selector), key, value) if (json_is_string(value))
    {
        char *longer = lab_format("%s%s%s=%s", text, *text ? "," : "", key, json_string_value(value));
        free(text);
        text = longer;
    }
    json_t *scale = json_pack("{ss ss s{ss ss ss ss} s{sI} s{sI ss}}", "kind", "Scale", "apiVersion",
                              "autoscaling/v1", "metadata", "name", kube_name(object), "namespace",
                              kube_ns(object), "uid", kube_text(object, "metadata.uid"), "resourceVersion",
                              kube_text(object, "metadata.resourceVersion"), "spec", "replicas",
                              json_integer_value(kube_path(object, "spec.replicas")), "status", "replicas",
                              json_integer_value(kube_path(object, "status.replicas")), "selector", text);
    free(text);
    return scale;
}

static void get_one(const struct kube_request *rq, struct lab_reply *reply)
{
    const json_t *found = NULL;
    json_t *older = NULL;
    if (rq->http->stale && (older = kube_items_at(rq->cluster, rq->resource, kube_view(rq)))) {
        size_t i;
        json_t *item;
        json_array_foreach(older, i,
                           item) if (strcmp(kube_name(item), rq->name) == 0 &&
                                     strcmp(kube_ns(item), rq->resource->kind->namespaced ? rq->ns : "") == 0)
            found = item;
    } else {
        found = live_of(rq);
    }
    if (!found)
        refuse(reply, kube_status_not_found(rq->resource, rq->name));
    else if (strcmp(rq->sub, "scale") == 0)
        lab_reply_json(reply, 200, scale_of(found));
    else
        lab_reply_json(reply, 200, kube_shown(rq, found));
    json_decref(older);
}

// Kinds that only answer: a review of who asks and what he may.
static void virtual_reply(const struct kube_request *rq, struct lab_reply *reply, const char *user)
{
    json_t *error = NULL, *body = body_of(rq, &error);
    if (!body) {
        refuse(reply, error);
        return;
    }
    if (strcmp(rq->plural, "selfsubjectreviews") == 0)
        json_object_set_new(
            body, "status",
            json_pack("{s{ss s[s]}}", "userInfo", "username", user, "groups", "system:authenticated"));
    else
        json_object_set_new(body, "status", json_pack("{sb}", "allowed", true));
    lab_reply_json(reply, 201, body);
}

// pods/binding and pods/eviction.
static void pod_action(const struct kube_request *rq, struct lab_reply *reply)
{
    struct context c = context_of(rq);
    json_t *error = NULL, *done = NULL, *body = body_of(rq, &error);
    const json_t *live = live_of(rq);
    bool at_once;
    if (!live) {
        error = kube_status_not_found(rq->resource, rq->name);
    } else if (body && strcmp(rq->sub, "eviction") == 0) {
        c.call.sub = "";
        done = kube_remove(&c.call, json_object_get(body, "deleteOptions"), &at_once, &error);
    } else if (body) {
        json_t *pod = json_deep_copy(live);
        kube_set(pod, "spec.nodeName", json_string(kube_text(body, "target.name")));
        c.call.sub = "";
        done = kube_replace(&c.call, pod, &error);
    }
    if (done)
        lab_reply_json(reply, 201,
                       json_pack("{ss ss s{} ss si}", "kind", "Status", "apiVersion", "v1", "metadata",
                                 "status", "Success", "code", 201));
    else
        refuse(reply, error);
    json_decref(done);
    json_decref(body);
    context_free(&c);
}

static void create(const struct kube_request *rq, struct lab_reply *reply)
{
    json_t *error = NULL, *body = body_of(rq, &error), *object = NULL;
    if (body && fits(rq, body, &error) && known_fields(rq, body, false, &error)) {
        struct context c = context_of(rq);
        char *name = lab_strdup(kube_name(body));
        c.call.name = name;
        object = kube_create(&c.call, json_incref(body), &error);
        free(name);
        context_free(&c);
    }
    json_decref(body);
    reply_object(rq, reply, 201, object, error);
}

static void update_scale(const struct kube_request *rq, struct lab_reply *reply, const json_t *scale)
{
    struct context c = context_of(rq);
    json_t *error = NULL, *object = json_deep_copy(live_of(rq));
    c.call.sub = "";
    kube_set(object, "spec.replicas", json_incref((json_t *)kube_path(scale, "spec.replicas")));
    if (*kube_text(scale, "metadata.resourceVersion"))
        kube_set(object, "metadata.resourceVersion",
                 json_string(kube_text(scale, "metadata.resourceVersion")));
    object = kube_replace(&c.call, object, &error);
    if (object)
        lab_reply_json(reply, 200, scale_of(object));
    else
        refuse(reply, error);
    json_decref(object);
    context_free(&c);
}

static void update(const struct kube_request *rq, struct lab_reply *reply)
{
    json_t *error = NULL, *body = body_of(rq, &error), *object = NULL;
    if (body && strcmp(rq->sub, "scale") == 0 && live_of(rq)) {
        update_scale(rq, reply, body);
        json_decref(body);
        return;
    }
    if (body && fits(rq, body, &error) && known_fields(rq, body, false, &error)) {
        struct context c = context_of(rq);
        if (rq->resource->custom && !*kube_text(body, "metadata.resourceVersion")) {
            json_t *causes = json_array();
            kube_cause(causes, "FieldValueInvalid", "metadata.resourceVersion",
                       "Invalid value: 0x0: must be specified for an update");
            error = kube_status_invalid(rq->resource, rq->name, causes);
        } else {
            object = kube_replace(&c.call, json_incref(body), &error);
        }
        context_free(&c);
    }
    json_decref(body);
    reply_object(rq, reply, 200, object, error);
}

// The object that a patch makes of the live one; NULL with *error.
static json_t *patched(const struct kube_request *rq, const char *type, const json_t *live,
                       const json_t *body, json_t **error)
{
    json_t *base = kube_convert_out(rq->cluster, rq->resource->kind, rq->served, live), *object = NULL;
    char *why = NULL;
    if (strstr(type, "strategic-merge-patch") && rq->resource->custom) {
        *error = kube_status(
            415, "UnsupportedMediaType", NULL,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
    } else if (strstr(type, "json-patch")) {
        object = kube_patch_json(base, body, &why);
    } else if (strstr(type, "strategic-merge-patch")) {
        object = kube_patch_strategic(rq->resource->kind->kind, base, body, &why);
    } else if (strstr(type, "merge-patch")) {
        object = kube_patch_merge(base, body);
    } else {
        *error = kube_status(415, "UnsupportedMediaType", json_object(), "415: Unsupported Media Type");
    }
    if (why) {
        lab_log(rq->cluster->lab, "kube/%s: patch of %s %s: %s", rq->cluster->name, rq->plural, rq->name,
                why);
        *error = kube_status(422, "Invalid", json_object(),
                             "the server rejected our request due to an error in our request");
    }
    free(why);
    json_decref(base);
    return object;
}

static void patch(const struct kube_request *rq, struct lab_reply *reply)
{
    const char *type = lab_header(rq->http, "Content-Type");
    json_t *error = NULL, *body = body_of(rq, &error), *object = NULL;
    struct context c = context_of(rq);
    const json_t *live = live_of(rq);
    bool apply = type && strstr(type, "apply-patch"), made = apply && !live;
    char *manager = kube_query(rq, "fieldManager");
    if (!body) {
    } else if (apply && !*manager) {
        error = kube_status_option("PatchOptions", "fieldManager", "FieldValueRequired",
                                   "Required value: is required for apply patch");
    } else if (apply) {
        if (fits(rq, body, &error) && known_fields(rq, body, true, &error)) {
            if (!*kube_name(body))
                kube_set(body, "metadata.name", json_string(rq->name));
            object = kube_apply_object(&c.call, body, &error);
        }
    } else if (!live) {
        error = kube_status_not_found(rq->resource, rq->name);
    } else if (strcmp(rq->sub, "scale") == 0) {
        json_t *scale = scale_of(live), *changed = kube_patch_merge(scale, body);
        update_scale(rq, reply, changed);
        json_decref(changed);
        json_decref(scale);
        json_decref(body);
        free(manager);
        context_free(&c);
        return;
    } else if ((object = patched(rq, type ? type : "", live, body, &error))) {
        bool ok = fits(rq, object, &error) && known_fields(rq, object, false, &error);
        object = ok ? kube_replace(&c.call, object, &error) : NULL;
    }
    free(manager);
    json_decref(body);
    context_free(&c);
    reply_object(rq, reply, made ? 201 : 200, object, error);
}

// DeleteOptions from the body, or from the query.
static json_t *delete_options(const struct kube_request *rq)
{
    json_t *options = json_loadb(rq->http->body, rq->http->body_len, 0, NULL);
    char *grace = kube_query(rq, "gracePeriodSeconds"), *policy = kube_query(rq, "propagationPolicy");
    if (!options)
        options = json_object();
    if (*grace)
        json_object_set_new(options, "gracePeriodSeconds", json_integer(strtoll(grace, NULL, 10)));
    if (*policy)
        json_object_set_new(options, "propagationPolicy", json_string(policy));
    free(grace);
    free(policy);
    return options;
}

static void delete_one(const struct kube_request *rq, struct lab_reply *reply)
{
    struct context c = context_of(rq);
    json_t *options = delete_options(rq), *error = NULL, *object;
    bool at_once = false, pod = strcmp(rq->resource->kind->kind, "Pod") == 0;
    c.call.dry_run = c.call.dry_run || json_array_size(json_object_get(options, "dryRun"));
    object = kube_remove(&c.call, options, &at_once, &error);
    if (object && at_once && !pod) {
        json_t *details = kube_details(rq->resource, rq->name);
        json_object_set_new(details, "uid", json_string(kube_text(object, "metadata.uid")));
        lab_reply_json(reply, 200,
                       json_pack("{ss ss s{} ss so}", "kind", "Status", "apiVersion", "v1", "metadata",
                                 "status", "Success", "details", details));
        json_decref(object);
    } else {
        reply_object(rq, reply, 200, object, error);
    }
    json_decref(options);
    context_free(&c);
}

static void delete_collection(const struct kube_request *rq, struct lab_reply *reply)
{
    kube_list_reply(rq, reply); // the answer is the list of what is deleted
    json_t *items = json_object_get(reply->json, "items"), *item, *options = delete_options(rq);
    size_t i;
    if (reply->status == 200)
        json_array_foreach(items, i, item)
        {
            struct context c = context_of(rq);
            json_t *error = NULL;
            bool at_once;
            c.call.ns = kube_ns(item);
            c.call.name = kube_name(item);
            json_decref(kube_remove(&c.call, options, &at_once, &error));
            json_decref(error);
            context_free(&c);
        }
    json_decref(options);
}

static bool known_sub(const struct kube_request *rq)
{
    unsigned flags = rq->resource->kind->flags;
    const char *sub = rq->sub;
    return !*sub || (strcmp(sub, "status") == 0 && (flags & KUBE_STATUS)) ||
           (strcmp(sub, "scale") == 0 && (flags & KUBE_SCALE)) ||
           (strcmp(sub, "proxy") == 0 && (flags & KUBE_PROXY)) ||
           (strcmp(sub, "finalize") == 0 && strcmp(rq->plural, "namespaces") == 0) ||
           (strcmp(rq->plural, "pods") == 0 && (strcmp(sub, "binding") == 0 || strcmp(sub, "eviction") == 0));
}

static void resource_request(const struct kube_request *rq, struct lab_reply *reply, const char *user)
{
    const char *method = rq->http->method;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!rq->resource || !known_sub(rq))
        refuse(reply, kube_status(404, "NotFound", json_object(),
                                  "the server could not find the requested resource"));
    else if (strcmp(rq->sub, "proxy") == 0)
        kube_proxy(rq, reply);
    else if ((rq->resource->kind->flags & KUBE_VIRTUAL) && strcmp(method, "POST") == 0)
        virtual_reply(rq, reply, user);
    else if (reads && *rq->name)
        get_one(rq, reply);
    else if (reads && kube_query_true(rq, "watch"))
        kube_watch_reply(rq, reply);
    else if (reads)
        kube_list_reply(rq, reply);
    else if (strcmp(method, "POST") == 0 &&
             (strcmp(rq->sub, "binding") == 0 || strcmp(rq->sub, "eviction") == 0))
        pod_action(rq, reply);
    else if (strcmp(method, "POST") == 0 && !*rq->name)
        create(rq, reply);
    else if (strcmp(method, "PUT") == 0 && *rq->name)
        update(rq, reply);
    else if (strcmp(method, "PATCH") == 0 && *rq->name)
        patch(rq, reply);
    else if (strcmp(method, "DELETE") == 0 && *rq->name)
        delete_one(rq, reply);
    else if (strcmp(method, "DELETE") == 0)
        delete_collection(rq, reply);
    else
        refuse(reply, kube_status(405, "MethodNotAllowed", json_object(),
                                  "the server does not allow this method on the requested "
                                  "resource"));
}

void kube_act(struct lab *lab, void *self, struct lab_request *http, struct lab_reply *reply)
{
    struct lab_cluster *cluster = self;
    char *user = authenticated(lab, cluster, http);
    if (!user && !open_to_all(http->path)) {
        refuse(reply, kube_status(401, "Unauthorized", NULL, "Unauthorized"));
        return;
    }
    struct kube_request *rq = kube_request_parse(cluster, http);
    if (rq->resource_path)
        resource_request(rq, reply, user ? user : "system:anonymous");
    else if (!kube_discovery(cluster, http->path, reply))
        refuse(reply, kube_status(404, "NotFound", json_object(),
                                  "the server could not find the requested resource"));
    kube_request_free(rq);
    free(user);
}
