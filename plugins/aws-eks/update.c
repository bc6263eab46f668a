// Changes that EKS carries out in its own time: asked for by one call, followed by its id.
#include "eks.h"

#include <isthmus/crypto.h>

#include <string.h>

#define POLL_MS   2000
#define UPDATE_OF "update of " // and what: its name in the journal

// *ended: EKS said so.
static int32_t wait_update(struct step *s, const char *what, const char *id, const char *query, int *ended,
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
        *ended = rc == IST_OK && !waiting;
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

// A token of the update's own: the same while it is not known to have ended, and another as soon as anything else is
// asked for. An answer that is lost, or a run that is killed, so never makes two updates of one.
static int32_t begin_update(struct step *s, const char *resource, const char *path, const json_t *body,
                            char token[65], ist_error *err)
{
    char intent[65];
    json_t *data = json_pack("{s:s}", "cluster", ist_json_str_or(s->inputs, "name", ""));
    const int32_t rc = ist_intent(&s->env, resource, data, intent, err);
    if (rc != IST_OK)
        return rc;
    char *text = ist_json_text(body), *all = ist_printf("%s %s %s", intent, path, text);
    ist_sha256_text(all, strlen(all), token);
    ist_free(all);
    ist_free(text);
    return IST_OK;
}

int32_t update_send(struct step *s, const char *what, const char *path, const json_t *body, const char *query,
                    ist_error *err)
{
    json_t *answer = NULL, *request = json_copy((json_t *)body);
    char token[65], *resource = ist_printf(UPDATE_OF "%s", what);
    int ended = 0;
    int32_t rc = begin_update(s, resource, path, body, token, err);
    if (rc == IST_OK) {
        json_object_set_new(request, "clientRequestToken", json_string(token));
        rc = ist_aws_rest(s->aws, "eks", "POST", path, request, &answer, err);
        ended = rc == IST_OK;
    }
    if (rc == IST_OK && ist_json_str(answer, "update.id") != NULL)
        rc = wait_update(s, what, ist_json_str(answer, "update.id"), query, &ended, err);
    if (ended) { // by this token EKS would answer with the one that failed for ever
        ist_error failed = {0};
        const int32_t noted = ist_outcome(&s->env, resource, NULL, &failed);
        if (rc == IST_OK && noted != IST_OK && err != NULL)
            *err = failed;
        rc = rc == IST_OK ? noted : rc;
    }
    json_decref(answer);
    json_decref(request);
    ist_free(resource);
    return rc;
}

int32_t update_forget(struct step *s, ist_error *err)
{
    const char *resource;
    json_t *record;
    int32_t rc = IST_OK;
    json_object_foreach(s->recorded, resource, record)
    {
        if (rc == IST_OK && strncmp(resource, UPDATE_OF, strlen(UPDATE_OF)) == 0)
            rc = ist_outcome(&s->env, resource, NULL, err);
    }
    return rc;
}
