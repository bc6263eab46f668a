// Presigned URLs, and the bearer token of an EKS cluster, which is one of them in disguise.
#include "internal.h"
#include "sigv4.h"

#include <openssl/evp.h>
#include <string.h>

// An EKS API server accepts a token for 15 minutes from its X-Amz-Date, whatever X-Amz-Expires says.
#define TOKEN_GOOD_MS (14 * 60 * 1000)

int32_t ist_aws_presign(ist_aws *aws, const char *service, const char *method, const char *path,
                        const json_t *query, const json_t *headers, int seconds, char **url, ist_error *err)
{
    struct aws_endpoint endpoint;
    const struct aws_credentials *c = NULL;
    int32_t rc = aws_endpoint(aws, service, NULL, &endpoint, err);
    if (rc == IST_OK)
        rc = aws_credentials(aws, &c, err);
    if (rc != IST_OK)
        return rc;
    const size_t count = json_object_size(headers);
    char **lines = ist_calloc(count + 2, sizeof(*lines));
    size_t used = 0;
    const char *name;
    json_t *value;
    lines[used++] = ist_printf("Host: %s", endpoint.host);
    json_object_foreach((json_t *)headers, name, value)
    {
        lines[used++] = ist_printf("%s: %s", name, json_is_string(value) ? json_string_value(value) : "");
    }
    char *form = query != NULL ? ist_form_encode(query) : ist_strdup("");
    char *whole_path = ist_printf("%s%s", endpoint.path, path);
    const struct sigv4 who = {.access_key = c->access_key,
                              .secret_key = c->secret_key,
                              .session_token = c->session_token,
                              .region = endpoint.signing_region,
                              .service = service,
                              .time = (ist_clock_ms(&aws->env) + aws->skew_ms) / 1000,
                              .normalize = 1};
    const struct sigv4_request request = {
        .method = method, .path = whole_path, .query = form, .headers = (const char *const *)lines};
    struct sigv4_result signed_url;
    sigv4_presign(&who, &request, seconds, &signed_url);
    *url = ist_printf("%s%s?%s", endpoint.url, whole_path, signed_url.query);
    sigv4_result_free(&signed_url);
    ist_free(whole_path);
    ist_free(form);
    for (size_t i = 0; i < used; i++)
        ist_free(lines[i]);
    ist_free(lines);
    return IST_OK;
}

// Base64 with '-' and '_' and without padding (RFC 4648 5). The caller's.
static char *base64url(const char *text)
{
    const size_t len = strlen(text);
    char *out = ist_malloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
    for (char *c = out; *c != '\0'; c++) {
        if (*c == '+')
            *c = '-';
        else if (*c == '/')
            *c = '_';
        else if (*c == '=')
            *c = '\0';
    }
    return out;
}

int32_t ist_aws_eks_token(ist_aws *aws, const char *cluster, char **token, int64_t *expires_ms,
                          ist_error *err)
{
    json_t *query = json_pack("{s:s, s:s}", "Action", "GetCallerIdentity", "Version", "2011-06-15");
    json_t *headers = json_pack("{s:s}", "x-k8s-aws-id", cluster);
    char *url = NULL;
    const int64_t now = ist_clock_ms(&aws->env);
    const int32_t rc = headers != NULL
                           ? ist_aws_presign(aws, "sts", "GET", "/", query, headers, 60, &url, err)
                           : ist_fail(err, IST_ERR_INPUT, "EKS token", "the cluster's name is not text");
    if (rc == IST_OK && url != NULL) {
        char *encoded = base64url(url);
        *token = ist_printf("k8s-aws-v1.%s", encoded);
        // Nor does it outlive the credentials that signed it.
        const int64_t keys_until = aws->credentials.expires_ms - aws->skew_ms;
        *expires_ms = now + TOKEN_GOOD_MS;
        if (aws->credentials.expires_ms != 0 && keys_until < *expires_ms)
            *expires_ms = keys_until;
        ist_secret(&aws->env, *token);
        ist_free_secret(encoded);
    }
    ist_free_secret(url);
    json_decref(query);
    json_decref(headers);
    return rc;
}
