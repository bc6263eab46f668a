// Credentials from the machine: a container's credential service, or the instance metadata service (version 2
// only: its first version answers anybody who can make the machine send a GET).
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// A session that goes straight to a link-local address: no proxy, and quickly nothing.
static int32_t open_local(ist_aws *aws, ist_http **http, ist_error *err)
{
    const ist_http_options options = {
        .size = sizeof(options), .proxy = "", .connect_ms = 1000, .request_ms = 5000, .max_body = 1u << 20};
    return ist_http_new(&aws->env, &options, http, err);
}

static int32_t local_call(ist_http *http, const char *method, const char *url, const char *header,
                          const char *label, ist_http_response *response, ist_error *err)
{
    const char *const headers[] = {header, NULL};
    const ist_http_request request = {.size = sizeof(request),
                                      .method = method,
                                      .url = url,
                                      .headers = header != NULL ? headers : NULL,
                                      .read = 1,
                                      .tries = 2,
                                      .label = label,
                                      .secret = 1};
    return ist_http_send(http, &request, response, err);
}

static int32_t parse_credentials(const ist_http_response *response, const char *where, const char *source,
                                 struct aws_credentials *c, ist_error *err)
{
    json_t *answer = NULL;
    int32_t rc = ist_json_parse(response->body, response->body_len, where, &answer, err);
    if (rc == IST_OK)
        rc = aws_credentials_from_json(answer, where, ist_strdup(source), c, err);
    json_decref(answer);
    return rc;
}

// AWS's tools send these keys' token over plain HTTP to the machine itself and to AWS's own addresses only.
static int is_allowed_uri(const char *uri)
{
    static const char *const allowed[] = {"http://127.",           "http://localhost",
                                          "http://[::1]",          "http://169.254.170.2",
                                          "http://169.254.170.23", "http://[fd00:ec2::23]"};
    if (strncmp(uri, "https://", 8) == 0)
        return 1;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        const size_t len = strlen(allowed[i]);
        if (strncmp(uri, allowed[i], len) == 0 && (uri[len - 1] == '.' || strchr(":/", uri[len]) != NULL))
            return 1;
    }
    return 0;
}

static char *container_token(const ist_aws *aws)
{
    const char *file = aws_env(aws, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = aws_env(aws, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *text = file != NULL ? aws_read_file(file) : token != NULL ? ist_strdup(token) : NULL;
    if (text != NULL)
        text[strcspn(text, "\r\n")] = '\0';
    return text;
}

int32_t aws_from_container(ist_aws *aws, struct aws_credentials *c, ist_error *err)
{
    static const char where[] = "container credentials";
    const char *relative = aws_env(aws, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_env(aws, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL)
        return IST_ERR_NOT_FOUND;
    char *url = relative != NULL ? ist_printf("http://169.254.170.2%s", relative) : ist_strdup(full);
    char *token = container_token(aws), *header = NULL;
    ist_http *http = NULL;
    ist_http_response response = {0};
    int32_t rc;
    if (!is_allowed_uri(url)) {
        rc = ist_fail(err, IST_ERR_INPUT, where,
                      "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither HTTPS nor local");
        goto out;
    }
    ist_secret(&aws->env, token);
    if (token != NULL)
        header = ist_printf("Authorization: %s", token);
    rc = open_local(aws, &http, err);
    if (rc == IST_OK)
        rc = local_call(http, "GET", url, header, where, &response, err);
    if (rc == IST_OK && response.status != 200)
        rc = ist_fail(err, IST_ERR_DENIED, where, "answered with status %d", response.status);
    if (rc == IST_OK)
        rc = parse_credentials(&response, where, "container", c, err);
out:
    ist_http_response_free(&response);
    ist_http_free(http);
    ist_free_secret(header);
    ist_free_secret(token);
    ist_free(url);
    return rc;
}

// One GET below /latest/meta-data/iam/security-credentials/.
static int32_t instance_get(ist_http *http, const char *base, const char *role, const char *header,
                            ist_http_response *response, ist_error *err)
{
    char *url = ist_printf("%s/latest/meta-data/iam/security-credentials/%s", base, role);
    const int32_t rc = local_call(http, "GET", url, header, "instance metadata", response, err);
    ist_free(url);
    return rc;
}

static int32_t instance_with_token(ist_http *http, const char *base, const char *token,
                                   struct aws_credentials *c, ist_error *err)
{
    char *header = ist_printf("X-aws-ec2-metadata-token: %s", token);
    char *role = NULL, *source = NULL;
    ist_http_response response = {0};
    int32_t rc = instance_get(http, base, "", header, &response, err);
    if (rc == IST_OK && response.status != 200)
        rc = IST_ERR_NOT_FOUND; // an instance without a role
    if (rc != IST_OK)
        goto out;
    response.body[strcspn(response.body, "\r\n")] = '\0';
    role = ist_url_encode(response.body, 0);
    source = ist_printf("instance role %s", response.body);
    ist_http_response_free(&response);
    rc = instance_get(http, base, role, header, &response, err);
    if (rc == IST_OK && response.status != 200)
        rc = ist_fail(err, IST_ERR_DENIED, "instance metadata", "status %d for the keys of %s",
                      response.status, source);
    if (rc == IST_OK)
        rc = parse_credentials(&response, "instance metadata", source, c, err);
out:
    ist_http_response_free(&response);
    ist_free_secret(header);
    ist_free(role);
    ist_free(source);
    return rc;
}

// A setting of the environment or, after it, of the profile.
static const char *setting(ist_aws *aws, const char *variable, const char *key)
{
    const char *said = aws_env(aws, variable);
    return said != NULL ? said : aws_profile_setting(aws, aws_profile_name(aws), key);
}

// Where the service is, without a slash at the end; the caller's. An address that is named goes before the kind of one.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
static int32_t instance_root(ist_aws *aws, char **root, ist_error *err)
{
    const char *named = setting(aws, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    const char *mode =
        setting(aws, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    const int v6 = mode != NULL && strcasecmp(mode, "ipv6") == 0;
    if (named == NULL && mode != NULL && !v6 && strcasecmp(mode, "ipv4") != 0)
        return ist_fail(err, IST_ERR_INPUT, "instance metadata",
                        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is IPv4 or IPv6, not \"%.40s\"", mode);
    *root = ist_strdup(named != NULL ? named : v6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254");
    for (size_t len = strlen(*root); len > 0 && (*root)[len - 1] == '/'; len--)
        (*root)[len - 1] = '\0';
    return IST_OK;
}

// A session of the second protocol, what opens it, and where; all the caller's. IST_ERR_NOT_FOUND: this is no instance,
// or the service is hidden from it.
struct instance {
    ist_http *http;
    char *root, *token;
};

static void instance_close(struct instance *instance)
{
    ist_http_free(instance->http);
    ist_free(instance->root);
    ist_free_secret(instance->token);
}

static int32_t instance_open(ist_aws *aws, struct instance *instance, ist_error *err)
{
    const char *disabled = aws_env(aws, "AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return IST_ERR_NOT_FOUND;
    ist_http_response response = {0};
    int32_t rc = instance_root(aws, &instance->root, err);
    if (rc == IST_OK)
        rc = open_local(aws, &instance->http, err);
    if (rc != IST_OK)
        return rc;
    char *url = ist_printf("%s/latest/api/token", instance->root);
    rc = local_call(instance->http, "PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 21600",
                    "instance metadata", &response, NULL);
    if (rc != IST_OK || response.status != 200 || response.body == NULL)
        rc = rc == IST_ERR_CANCELLED || rc == IST_ERR_TIMEOUT
                 ? ist_fail(err, rc, "instance metadata", "%s", ist_code_name(rc))
                 : IST_ERR_NOT_FOUND;
    if (rc == IST_OK) {
        response.body[strcspn(response.body, "\r\n")] = '\0';
        ist_secret(&aws->env, response.body);
        instance->token = ist_strdup(response.body);
    }
    ist_http_response_free(&response);
    ist_free(url);
    return rc;
}

int32_t aws_from_instance(ist_aws *aws, struct aws_credentials *c, ist_error *err)
{
    struct instance instance = {0};
    int32_t rc = instance_open(aws, &instance, err);
    if (rc == IST_OK)
        rc = instance_with_token(instance.http, instance.root, instance.token, c, err);
    instance_close(&instance);
    return rc;
}

int32_t aws_region_of_instance(ist_aws *aws, char **region, ist_error *err)
{
    struct instance instance = {0};
    ist_http_response response = {0};
    int32_t rc = instance_open(aws, &instance, err);
    if (rc == IST_OK) {
        char *url = ist_printf("%s/latest/meta-data/placement/region", instance.root),
             *header = ist_printf("X-aws-ec2-metadata-token: %s", instance.token);
        rc = local_call(instance.http, "GET", url, header, "instance metadata", &response, err);
        ist_free(url);
        ist_free_secret(header);
    }
    if (rc == IST_OK && (response.status != 200 || response.body == NULL))
        rc = IST_ERR_NOT_FOUND;
    if (rc == IST_OK) {
        response.body[strcspn(response.body, "\r\n")] = '\0';
        *region = ist_strdup(response.body);
    }
    ist_http_response_free(&response);
    instance_close(&instance);
    return rc;
}
