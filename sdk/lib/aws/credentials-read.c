// Credentials as they are written down.
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
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

// "Z", "+02:00" or "-0330": seconds ahead of UTC. 0: it is something else.
static int read_zone(const char *text, int *ahead)
{
    int hours = 0, minutes = 0, used = 0;
    *ahead = 0;
    if (strcasecmp(text, "Z") == 0 || *text == '\0')
        return 1;
    if ((*text != '+' && *text != '-') ||
        (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
         sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) ||
        text[1 + used] != '\0' || hours < 0 || minutes < 0)
        return 0;
    *ahead = (*text == '-' ? -60 : 60) * (hours * 60 + minutes);
    return 1;
}

int64_t aws_parse_time(const char *text)
{
    struct tm at = {0};
    int ahead;
    const char *end = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &at) : NULL;
    if (end != NULL && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    return end != NULL && read_zone(end, &ahead) ? ((int64_t)timegm(&at) - ahead) * 1000 : 0;
}

int32_t aws_secret_json(const char *text, size_t len, const char *where, json_t **answer, ist_error *err)
{
    if (ist_json_parse(text, len, where, answer, NULL) != IST_OK || !json_is_object(*answer))
        return ist_fail(err, IST_ERR_DENIED, where, "the answer is no JSON object");
    return IST_OK;
}

int32_t aws_credentials_from_json(const json_t *answer, const char *where, char *source,
                                  struct aws_credentials *c, ist_error *err)
{
    const char *access = ist_json_str(answer, "AccessKeyId");
    const char *secret = ist_json_str(answer, "SecretAccessKey");
    const char *token = ist_json_str(answer, "SessionToken");
    if (token == NULL)
        token = ist_json_str(answer, "Token");
    const json_t *until = json_object_get(answer, "Expiration");
    const int64_t expires = aws_parse_time(json_string_value(until));
    if (access == NULL || secret == NULL) {
        const char *message = ist_json_str_or(answer, "Message", "no keys in the answer");
        ist_free(source);
        return ist_fail(err, IST_ERR_DENIED, where, "%s", message);
    }
    if (until != NULL && !json_is_null(until) && expires == 0) { // not to be taken for keys that never end
        ist_free(source);
        return ist_fail(err, IST_ERR_DENIED, where, "the Expiration of its keys is no time");
    }
    *c = (struct aws_credentials){ist_strdup(access), ist_strdup(secret), copy(token), expires, source};
    return IST_OK;
}
