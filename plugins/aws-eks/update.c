// Changes that EKS carries out in its own time: asked for by one call, followed by its id.
#include "eks.h"

#include <isthmus/crypto.h>

#include <string.h>

#define POLL_MS 2000

static int32_t wait_update(struct step *s, const char *what, const char *id, const char *query,
                           ist_error *err)
{
    char *name = ist_url_encode(ist_json_str_or(s->inputs, "name", ""), 0), *encoded = ist_url_encode(id, 0);
    char *path = ist_printf("/clusters/%s/updates/%s%s%s", name, encoded, query != NULL ? "?" : "",
                            query != NULL ? query : "");
    const int64_t until = ist_now_ms(&s->env) + step_timeout(s);
    int32_t rc;
    for (;;) {
        json_t *answer = NULL;
        rc = ist_aws_rest(s->aws, "eks", "GET", path, NULL, &answer, err);
        const char *status = ist_json_str_or(answer, "update.status", "");
        const int waiting = rc == IST_OK && strcmp(status, "InProgress") == 0;
        if (rc == IST_OK && !waiting && strcmp(status, "Successful") != 0)
            rc = ist_fail(err, IST_ERR_REMOTE, what, "its update is %s: %s", status,
                          ist_json_str_or(answer, "update.errors[0].errorMessage", "no reason given"));
        json_decref(answer);
        if (!waiting || rc != IST_OK)
            break;
        ist_progress(&s->env, "%s: it is being changed", what);
        rc = ist_now_ms(&s->env) >= until ? IST_ERR_TIMEOUT : ist_sleep_ms(&s->env, POLL_MS);
        if (rc != IST_OK) {
            ist_fail(err, rc, what, "%s while it was being changed", ist_code_name(rc));
            break;
        }
    }
    ist_free(path);
    ist_free(encoded);
    ist_free(name);
    return rc;
}

int32_t update_send(struct step *s, const char *what, const char *path, const json_t *body, const char *query,
                    ist_error *err)
{
    json_t *answer = NULL, *once = json_copy((json_t *)body);
    char token[33];
    ist_random_hex(16, token);
    json_object_set_new(once, "clientRequestToken", json_string(token));
    int32_t rc = ist_aws_rest(s->aws, "eks", "POST", path, once, &answer, err);
    json_decref(once);
    if (rc == IST_OK && ist_json_str(answer, "update.id") != NULL)
        rc = wait_update(s, what, ist_json_str(answer, "update.id"), query, err);
    json_decref(answer);
    return rc;
}
