// REST JSON: what EKS speaks.
#include "internal.h"

#include <string.h>

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
    ist_http_response response = {0};
    json_t *tree = NULL;
    int32_t rc = aws_send(aws, &call, &response, err);
    if (rc == IST_OK && response.body_len > 0)
        rc = ist_json_parse(response.body, response.body_len, action, &tree, err);
    if (rc == IST_OK) {
        if (answer != NULL)
            *answer = tree != NULL ? tree : json_object();
        else
            json_decref(tree);
    }
    ist_http_response_free(&response);
    ist_free(action);
    ist_free(bare);
    ist_free_secret(text);
    return rc;
}
