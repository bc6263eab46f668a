// A call of AWS: its parameters, its errors, its idempotency token, and calls that the lab makes itself.
#include "inner.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *aws_fail(struct aws_call *c, int status, const char *code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(c->message, sizeof c->message, format, ap);
    va_end(ap);
    snprintf(c->code, sizeof c->code, "%s", code);
    c->status = status;
    return NULL;
}

struct aws_call aws_self(struct lab *lab)
{
    return (struct aws_call){.lab = lab,
                             .aws = lab->aws,
                             .store = lab->aws->store,
                             .action = "",
                             .arn = "arn:aws:iam::" AWS_ACCOUNT ":role/k8s-ccp-platform",
                             .user_id = "AROALABPLATFORM"};
}

const struct aws_action *aws_find_action(const struct aws_service *service, const char *name)
{
    for (const struct aws_action *const *table = service->tables; *table; table++) {
        for (const struct aws_action *action = *table; action->name; action++) {
            if (!strcmp(action->name, name))
                return action;
        }
    }
    return NULL;
}

json_t *aws_do(struct lab *lab, const char *action, json_t *parameters, char **why)
{
    const struct aws_action *found = aws_find_action(&aws_ec2, action);
    struct aws_call c = aws_self(lab);
    c.action = action;
    c.p = parameters;
    json_t *answer = found ? found->fn(&c) : aws_fail(&c, 400, "InvalidAction", "%s", action);
    if (!answer && why)
        *why = lab_format("%s: %s", c.code, c.message);
    if (!answer && !why)
        lab_log(lab, "aws: %s: %s: %s", action, c.code, c.message);
    json_decref(parameters);
    return answer;
}

const json_t *aws_arg(const struct aws_call *c, const char *path)
{
    const json_t *at = c->p;
    while (at && *path) {
        char part[64];
        size_t len = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)len, path);
        at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10)) : json_object_get(at, part);
        path += len + (path[len] == '.');
    }
    return at;
}

const char *aws_str(const struct aws_call *c, const char *path)
{
    return json_string_value(aws_arg(c, path));
}

const char *aws_need(struct aws_call *c, const char *path)
{
    const char *value = aws_str(c, path);
    if (!value || !*value) {
        aws_fail(c, 400, "MissingParameter", "The request must contain the parameter %s", path);
        return NULL;
    }
    return value;
}

bool aws_bool(const struct aws_call *c, const char *path, bool otherwise)
{
    const char *value = aws_str(c, path);
    return value ? !strcmp(value, "true") || !strcmp(value, "True") : otherwise;
}

const json_t *aws_list(const struct aws_call *c, const char *path)
{
    const json_t *list = aws_arg(c, path);
    return json_is_array(list) ? list : NULL; // jansson's array functions take NULL for an empty list
}

// ---- idempotency ----

static char *digest_of(const struct aws_call *c)
{
    unsigned char digest[32];
    char *text = json_dumps(c->p, JSON_COMPACT | JSON_SORT_KEYS);
    SHA256((const unsigned char *)text, strlen(text), digest);
    free(text);
    return lab_base64(digest, sizeof digest);
}

static char *token_key(const struct aws_call *c)
{
    const char *token = aws_str(c, "ClientToken");
    return token && *token ? lab_format("%s/%s", c->action, token) : NULL;
}

json_t *aws_token_used(struct aws_call *c, bool *done)
{
    char *key = token_key(c);
    json_t *earlier = key ? json_object_get(c->aws->client_tokens, key) : NULL, *answer = NULL;
    *done = false;
    if (earlier) {
        char *digest = digest_of(c);
        *done = true;
        if (!strcmp(digest, json_string_value(json_object_get(earlier, "digest"))))
            answer = json_incref(json_object_get(earlier, "answer"));
        else
            aws_fail(c, 400, "IdempotentParameterMismatch",
                     "Arguments on this idempotent request are inconsistent with arguments used in previous "
                     "request(s).");
        free(digest);
    }
    free(key);
    return answer;
}

json_t *aws_token_done(struct aws_call *c, json_t *answer)
{
    char *key = token_key(c);
    if (key && answer) {
        char *digest = digest_of(c);
        json_object_set_new(c->aws->client_tokens, key,
                            json_pack("{sssO}", "digest", digest, "answer", answer));
        free(digest);
    }
    free(key);
    return answer;
}

json_t *aws_true(void)
{
    return json_pack("{sb}", "return", 1);
}
