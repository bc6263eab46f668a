// Credentials as they are written down.
#include "internal.h"

#include <string.h>
#include <time.h>

void aws_credentials_free(struct aws_credentials *c)
{
    ist_free(c->access_key);
    ist_free_secret(c->secret_key);
    ist_free_secret(c->session_token);
    ist_free(c->source);
    *c = (struct aws_credentials){0};
}

static char *copy(const char *text)
{
    return text != NULL ? ist_strdup(text) : NULL;
}

void aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from)
{
    *to = (struct aws_credentials){copy(from->access_key), copy(from->secret_key), copy(from->session_token),
                                   from->expires_ms, copy(from->source)};
}

int64_t aws_parse_time(const char *text)
{
    struct tm at = {0};
    const char *end = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &at) : NULL;
    return end != NULL ? (int64_t)timegm(&at) * 1000 : 0;
}

int32_t aws_credentials_from_json(const json_t *answer, const char *where, char *source,
                                  struct aws_credentials *c, ist_error *err)
{
    const char *access = ist_json_str(answer, "AccessKeyId");
    const char *secret = ist_json_str(answer, "SecretAccessKey");
    const char *token = ist_json_str(answer, "SessionToken");
    if (token == NULL)
        token = ist_json_str(answer, "Token");
    if (access == NULL || secret == NULL) {
        const char *message = ist_json_str_or(answer, "Message", "no keys in the answer");
        ist_free(source);
        return ist_fail(err, IST_ERR_DENIED, where, "%s", message);
    }
    *c = (struct aws_credentials){ist_strdup(access), ist_strdup(secret), copy(token),
                                  aws_parse_time(ist_json_str(answer, "Expiration")), source};
    return IST_OK;
}
