// JSON: REST as EKS speaks it, and JSON 1.1 with the action in a header, as SSM does.
#include "internal.h"

#include <string.h>

static int32_t refuse_answer(const char *where, const char *what, ist_error *err)
{
    ist_fail(err, IST_ERR_REMOTE, where, "the answer is %s", what);
    ist_hint(err, "a proxy, or another service, may have answered in the place of AWS");
    return IST_ERR_REMOTE;
}

// Sends it and parses what comes back: an object. That of a write may be empty; where something was asked for, nothing is
// no answer.
static int32_t send_json(ist_aws *aws, const struct aws_call *call, json_t **answer, ist_error *err)
{
    ist_http_response response = {0};
    json_t *tree = NULL;
    int32_t rc = aws_send(aws, call, &response, err);
    char where[sizeof(err->where)];
    aws_where(aws, call, where, sizeof(where));
    if (rc == IST_OK && response.body_len == 0 && call->read)
        rc = refuse_answer(where, "empty", err);
    if (rc == IST_OK && response.body_len > 0) {
        rc = ist_json_parse(response.body, response.body_len, where, &tree, err);
        if (rc != IST_OK)
            ist_hint(err, "a proxy, or another service, may have answered in the place of AWS");
        else if (!json_is_object(tree))
            rc = refuse_answer(where, "no JSON object", err);
    }
    if (rc == IST_OK) {
        if (answer != NULL)
            *answer = tree != NULL ? tree : json_object();
        else
            json_decref(tree);
    } else {
        json_decref(tree);
    }
    ist_http_response_free(&response);
    return rc;
}

int32_t ist_aws_rest(ist_aws *aws, const char *service, const char *method, const char *path,
                     const json_t *body, json_t **answer, ist_error *err)
{
    const int read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    char *text = body != NULL ? ist_json_text(body) : NULL;
    const size_t path_len = strcspn(path, "?");
    char *bare = ist_strndup(path, path_len);
    char *action = ist_printf("%s %s", method, bare);
    const struct aws_call call = {
        .service = service,
        .action = action,
        .method = method,
        .path = bare,
        .query = path[path_len] == '?' ? path + path_len + 1 : NULL,
        .body = text,
        .body_len = text != NULL ? strlen(text) : 0,
        .content_type = text != NULL ? "application/json" : NULL,
        .read = read,
        .repeatable = read || strcmp(method, "DELETE") == 0 || strcmp(method, "PUT") == 0 ||
                      json_object_get(body, "clientRequestToken") != NULL ||
                      json_object_get(body, "clientToken") != NULL,
    };
    int32_t rc = send_json(aws, &call, answer, err);
    ist_free(action);
    ist_free(bare);
    ist_free_secret(text);
    return rc;
}

int32_t ist_aws_json(ist_aws *aws, const char *service, const char *target, const json_t *body,
                     json_t **answer, ist_error *err)
{
    static const char *const reads[] = {"Describe", "Get", "List"};
    const char *dot = strrchr(target, '.'), *action = dot != NULL ? dot + 1 : target;
    char *text = body != NULL ? ist_json_text(body) : ist_strdup("{}");
    int read = 0;
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
        read = read || strncmp(action, reads[i], strlen(reads[i])) == 0;
    const struct aws_call call = {.service = service,
                                  .action = action,
                                  .resource = aws_resource_of(body),
                                  .method = "POST",
                                  .path = "/",
                                  .body = text,
                                  .body_len = strlen(text),
                                  .content_type = "application/x-amz-json-1.1",
                                  .target = target,
                                  .read = read,
                                  .repeatable = read};
    const int32_t rc = send_json(aws, &call, answer, err);
    ist_free_secret(text);
    return rc;
}
