// The Status objects of refusals.
#include "rest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *status_text(int code, const char *reason, json_t *details, const char *message)
{
    json_t *status = json_pack("{ss ss s{} ss ss ss si}", "kind", "Status", "apiVersion", "v1", "metadata",
                               "status", "Failure", "message", message, "reason", reason, "code", code);
    if (details)
        json_object_set_new(status, "details", details);
    return status;
}

json_t *kube_status(int code, const char *reason, json_t *details, const char *format, ...)
{
    char message[2048];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    return status_text(code, reason, details, message);
}

static const char *group_of(const struct kube_resource *resource)
{
    return resource->kind->served[0].group;
}

json_t *kube_details(const struct kube_resource *resource, const char *name)
{
    json_t *details = json_pack("{ss}", "kind", resource->kind->plural);
    if (*name)
        json_object_set_new(details, "name", json_string(name));
    if (*group_of(resource))
        json_object_set_new(details, "group", json_string(group_of(resource)));
    return details;
}

// "deployments.apps", as messages name a resource.
static char *qualified(const char *word, const struct kube_resource *resource)
{
    return *group_of(resource) ? lab_format("%s.%s", word, group_of(resource)) : lab_strdup(word);
}

json_t *kube_status_not_found(const struct kube_resource *resource, const char *name)
{
    char *plural = qualified(resource->kind->plural, resource);
    json_t *status =
        kube_status(404, "NotFound", kube_details(resource, name), "%s \"%s\" not found", plural, name);
    free(plural);
    return status;
}

json_t *kube_status_exists(const struct kube_resource *resource, const char *name)
{
    char *plural = qualified(resource->kind->plural, resource);
    json_t *status = kube_status(409, "AlreadyExists", kube_details(resource, name),
                                 "%s \"%s\" already exists", plural, name);
    free(plural);
    return status;
}

json_t *kube_status_conflict(const struct kube_resource *resource, const char *name, const char *message)
{
    char *plural = qualified(resource->kind->plural, resource);
    json_t *status = kube_status(409, "Conflict", kube_details(resource, name),
                                 "Operation cannot be fulfilled on %s \"%s\": %s", plural, name, message);
    free(plural);
    return status;
}

json_t *kube_status_invalid(const struct kube_resource *resource, const char *name, json_t *causes)
{
    char *kind = qualified(resource->kind->kind, resource), *list = lab_strdup("");
    json_t *details = kube_details(resource, name), *cause;
    size_t i;
    json_array_foreach(causes, i, cause)
    {
        char *longer = lab_format("%s%s%s: %s", list, i ? ", " : "", kube_text(cause, "field"),
                                  kube_text(cause, "message"));
        free(list);
        list = longer;
    }
    bool several = json_array_size(causes) > 1;
    char *message =
        lab_format("%s \"%s\" is invalid: %s%s%s", kind, name, several ? "[" : "", list, several ? "]" : "");
    json_object_set_new(details, "kind", json_string(resource->kind->kind));
    json_object_set_new(details, "causes", causes);
    json_t *status = status_text(422, "Invalid", details, message);
    free(message);
    free(list);
    free(kind);
    return status;
}

json_t *kube_status_option(const char *options, const char *field, const char *reason, const char *message)
{
    json_t *details = json_pack("{ss ss s[{ss ss ss}]}", "group", "meta.k8s.io", "kind", options, "causes",
                                "reason", reason, "message", message, "field", field);
    return kube_status(422, "Invalid", details, "%s.meta.k8s.io \"\" is invalid: %s: %s", options, field,
                       message);
}

int kube_status_code(const json_t *status)
{
    return (int)json_integer_value(json_object_get(status, "code"));
}

void kube_cause(json_t *causes, const char *reason, const char *field, const char *format, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    json_array_append_new(causes,
                          json_pack("{ss ss ss}", "reason", reason, "message", message, "field", field));
}
