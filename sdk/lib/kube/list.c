// Reading: one object, and whole lists page by page.
// Source:
// https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define PAGE 500

char *kube_list_query(const char *label_selector, const char *field_selector, int limit, const char *more)
{
    char *labels = label_selector && *label_selector ? ist_url_encode(label_selector, 0) : NULL;
    char *fields = field_selector && *field_selector ? ist_url_encode(field_selector, 0) : NULL;
    char *next = more && *more ? ist_url_encode(more, 0) : NULL;
    char size[24] = "";
    if (limit > 0)
        snprintf(size, sizeof size, "&limit=%d", limit);
    char *query = ist_printf("%s%s%s%s%s%s%s", size, labels ? "&labelSelector=" : "", labels ? labels : "",
                             fields ? "&fieldSelector=" : "", fields ? fields : "", next ? "&continue=" : "",
                             next ? next : "");
    if (*query)
        query[0] = '?';
    ist_free(labels);
    ist_free(fields);
    ist_free(next);
    return query;
}

void kube_slim(json_t *object)
{
    json_object_del(json_object_get(object, "metadata"), "managedFields");
}

int32_t ist_kube_get(ist_kube *kube, const char *api, const char *kind, const char *ns, const char *name,
                     json_t **object, ist_error *err)
{
    char *path = NULL;
    int32_t rc = kube_path(kube, api, kind, ns, name, &path, err);
    if (rc != IST_OK)
        return rc;
    struct kube_request request = {.method = "GET", .path = path, .read = 1};
    rc = kube_call(kube, &request, object, err);
    ist_free(path);
    return rc;
}

// Items of a list carry neither apiVersion nor kind: each gets its own, so that it can be handed on as an
// object.
static void take_items(json_t *items, json_t *answer, const char *api, const char *kind)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        if (!json_object_get(item, "kind"))
            json_object_set_new(item, "kind", json_string(kind));
        if (!json_object_get(item, "apiVersion"))
            json_object_set_new(item, "apiVersion", json_string(api));
        json_array_append(items, item);
    }
}

// One run through all pages. *expired: the continue token was refused (410), items are a half list.
static int32_t list_pages(ist_kube *kube, const char *path, const char *labels, const char *fields, int limit,
                          const char *api, const char *kind, json_t *items, char **version, int *expired,
                          ist_error *err)
{
    char *more = NULL;
    int32_t rc;
    do {
        char *query = kube_list_query(labels, fields, limit, more), *full = ist_printf("%s%s", path, query);
        struct kube_request request = {.method = "GET", .path = full, .read = 1};
        json_t *answer = NULL;
        int status = 0;
        rc = kube_exchange(kube, &request, &status, &answer, err);
        *expired = rc == IST_OK && status == 410 && more;
        if (rc == IST_OK && (status < 200 || status > 299))
            rc = kube_status_error(kube, &request, status, answer, err);
        if (rc == IST_OK && !json_is_array(json_object_get(answer, "items")) &&
            !json_is_null(json_object_get(answer, "items")))
            rc = ist_fail(err, IST_ERR_REMOTE, path, "the answer is no list");
        ist_free(full);
        ist_free(query);
        ist_free(more);
        const char *next = rc == IST_OK ? ist_json_str(answer, "metadata.continue") : NULL;
        more = next && *next ? ist_strdup(next) : NULL;
        if (rc == IST_OK)
            take_items(items, answer, api, kind);
        if (rc == IST_OK && version) {
            ist_free(*version);
            *version = ist_strdup(ist_json_str_or(answer, "metadata.resourceVersion", ""));
        }
        json_decref(answer);
    } while (rc == IST_OK && more);
    return rc;
}

int32_t ist_kube_list(ist_kube *kube, const char *api, const char *kind, const char *ns,
                      const char *label_selector, const char *field_selector, json_t **items,
                      char **resource_version, ist_error *err)
{
    char *path = NULL, *version = NULL;
    int32_t rc = kube_path(kube, api, kind, ns, NULL, &path, err);
    if (rc != IST_OK)
        return rc;
    json_t *all = NULL;
    int limit = PAGE, expired = 0;
    for (int tries = 0; tries < 4; tries++) {
        json_decref(all);
        all = json_array();
        rc = list_pages(kube, path, label_selector, field_selector, limit, api, kind, all, &version, &expired,
                        err);
        if (expired)
            limit = 0; // once more, whole
        else if (rc == IST_ERR_LIMIT && limit > 5)
            limit /= 10; // objects of a megabyte each: fewer at once
        else
            break;
    }
    ist_free(path);
    if (rc != IST_OK) {
        json_decref(all);
        ist_free(version);
        return rc;
    }
    *items = all;
    if (resource_version)
        *resource_version = version;
    else
        ist_free(version);
    return IST_OK;
}
