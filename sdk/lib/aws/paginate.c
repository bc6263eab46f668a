// Whole lists out of pages: EC2 and CloudFormation by NextToken, IAM by Marker.
#include "internal.h"

#include <string.h>

#define MAX_PAGES 10000
#define MAX_ITEMS 500000u

// The token of the page after this one and the parameter that carries it, or NULL at the end. Borrowed.
static const char *next_token(const json_t *answer, const char **parameter)
{
    static const char *const names[][2] = {{"nextToken", "NextToken"},
                                           {"NextToken", "NextToken"},
                                           {"Marker", "Marker"},
                                           {"NextMarker", "Marker"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *token = ist_json_str(answer, names[i][0]);
        if (token != NULL && *token != '\0') {
            *parameter = names[i][1];
            return token;
        }
    }
    return NULL;
}

int32_t ist_aws_query_all(ist_aws *aws, const char *service, const char *action, const json_t *params,
                          const char *list, json_t **items, ist_error *err)
{
    json_t *all = json_array(), *page_params = params != NULL ? json_copy((json_t *)params) : json_object();
    // A token of before: where it comes again, the pages go round in a circle (Brent's algorithm).
    char *mark = NULL;
    int32_t rc = IST_OK;
    for (int page = 0;; page++) {
        json_t *answer = NULL;
        rc = ist_aws_query(aws, service, action, page_params, &answer, err);
        if (rc != IST_OK)
            break;
        json_t *found = json_object_get(answer, list);
        if (json_is_array(found))
            json_array_extend(all, found);
        const char *parameter = NULL, *token = next_token(answer, &parameter);
        const int stuck = token != NULL && mark != NULL && strcmp(mark, token) == 0;
        if (token != NULL && (page & (page + 1)) == 0) { // 1, 2, 4, 8 ... pages
            ist_free(mark);
            mark = ist_strdup(token);
        }
        if (token != NULL)
            json_object_set_new(page_params, parameter, json_string(token));
        json_decref(answer);
        if (token == NULL)
            break;
        if (stuck || page + 1 >= MAX_PAGES || json_array_size(all) > MAX_ITEMS) {
            rc = ist_fail(err, IST_ERR_LIMIT, action,
                          stuck ? "the same pages come again" : "the list does not end");
            break;
        }
    }
    json_decref(page_params);
    ist_free(mark);
    if (rc == IST_OK)
        *items = all;
    else
        json_decref(all);
    return rc;
}
