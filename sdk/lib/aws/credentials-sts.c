// Credentials that STS hands out for a role.
#include "internal.h"

#include <string.h>

static int32_t take_answer(json_t *answer, const char *where, char *source, struct aws_credentials *c,
                           ist_error *err)
{
    const int32_t rc =
        aws_credentials_from_json(json_object_get(answer, "Credentials"), where, source, c, err);
    json_decref(answer);
    return rc;
}

int32_t aws_assume_role(ist_aws *aws, const struct aws_credentials *base, const char *role_arn,
                        const char *session, const char *external_id, int seconds, struct aws_credentials *c,
                        ist_error *err)
{
    json_t *answer = NULL;
    json_t *params = json_pack("{s:s, s:s, s:s*}", "RoleArn", role_arn, "RoleSessionName",
                               session != NULL ? session : "isthmus", "ExternalId", external_id);
    if (seconds > 0)
        json_object_set_new(params, "DurationSeconds", json_integer(seconds));
    const int32_t rc = aws_query_as(aws, "sts", "AssumeRole", params, base, 0, &answer, err);
    json_decref(params);
    if (rc != IST_OK)
        return rc;
    return take_answer(answer, "STS AssumeRole", ist_printf("%s, role %s", base->source, role_arn), c, err);
}

int32_t aws_from_web_identity(ist_aws *aws, const char *token_file, const char *role_arn, const char *session,
                              struct aws_credentials *c, ist_error *err)
{
    char *token = aws_read_file(token_file);
    if (token == NULL)
        return ist_fail(err, IST_ERR_DENIED, token_file, "the web identity token cannot be read");
    size_t len = strlen(token);
    while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r'))
        token[--len] = '\0';
    ist_secret(&aws->env, token);
    json_t *answer = NULL;
    json_t *params = json_pack("{s:s, s:s, s:s}", "RoleArn", role_arn, "RoleSessionName",
                               session != NULL ? session : "isthmus", "WebIdentityToken", token);
    ist_free_secret(token);
    if (params == NULL)
        return ist_fail(err, IST_ERR_DENIED, token_file, "the web identity token is not text");
    const int32_t rc = aws_query_as(aws, "sts", "AssumeRoleWithWebIdentity", params, NULL, 1, &answer, err);
    json_decref(params);
    if (rc != IST_OK)
        return rc;
    return take_answer(answer, "STS AssumeRoleWithWebIdentity", ist_printf("web identity, role %s", role_arn),
                       c, err);
}
