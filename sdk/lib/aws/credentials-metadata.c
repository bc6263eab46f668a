// Credentials from the machine: a container's credential service, or the instance metadata service (version 2
// only: its first version answers anybody who can make the machine send a GET).
#include "internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// How long this machine is waited for, and how often.
struct patience {
    int64_t connect_ms, request_ms;
    int tries;
};

static const struct patience usual = {1000, 5000, 2};

// A session that goes straight to a link-local address: no proxy, and quickly nothing.
static int32_t open_local(ist_aws *aws, const struct patience *patience, ist_http **http, ist_error *err)
{
    const ist_http_options options = {.size = sizeof(options),
                                      .proxy = "",
                                      .connect_ms = patience->connect_ms,
                                      .request_ms = patience->request_ms,
                                      .max_body = 1u << 20};
    return ist_http_new(&aws->env, &options, http, err);
}

static int32_t local_call(ist_http *http, int tries, const char *method, const char *url, const char *header,
                          const char *label, ist_http_response *response, ist_error *err)
{
    const char *const headers[] = {header, NULL};
    const ist_http_request request = {.size = sizeof(request),
                                      .method = method,
                                      .url = url,
                                      .headers = header != NULL ? headers : NULL,
                                      .read = 1,
                                      .tries = tries,
                                      .label = label,
                                      .secret = 1};
    return ist_http_send(http, &request, response, err);
}

static int32_t parse_credentials(const ist_http_response *response, const char *where, const char *source,
                                 struct aws_credentials *c, ist_error *err)
{
    json_t *answer = NULL;
    int32_t rc = aws_secret_json(response->body, response->body_len, where, &answer, err);
    if (rc == IST_OK)
        rc = aws_credentials_from_json(answer, where, ist_strdup(source), c, err);
    json_decref(answer);
    return rc;
}

// AWS's tools send these keys' token over plain HTTP to the machine itself and to AWS's own addresses only.
static int is_own_host(const char *host)
{
    static const char *const own[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                      "[fd00:ec2::23]"};
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127)
        return 1;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strcasecmp(host, own[i]) == 0)
            return 1;
    return 0;
}

// By what curl makes of it: http://127.0.0.1@elsewhere/ is elsewhere.
static int is_allowed_uri(const char *uri)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL;
    const int good = curl_url_set(url, CURLUPART_URL, uri, 0) == CURLUE_OK &&
                     curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                     curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                     (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_own_host(host)));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    return good;
}

// The caller's, NULL: there is none.
static int32_t container_token(const ist_aws *aws, char **found, ist_error *err)
{
    const char *file = aws_env(aws, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = aws_env(aws, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *text = file != NULL ? aws_read_file(file) : token != NULL ? ist_strdup(token) : NULL;
    if (file != NULL && text == NULL)
        return ist_fail(err, IST_ERR_DENIED, file, "the container's authorization token cannot be read");
    if (text != NULL)
        text[strcspn(text, "\r\n")] = '\0';
    *found = text;
    return IST_OK;
}

int32_t aws_from_container(ist_aws *aws, struct aws_credentials *c, ist_error *err)
{
    static const char where[] = "container credentials";
    const char *relative = aws_env(aws, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_env(aws, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL)
        return IST_ERR_NOT_FOUND;
    char *url = relative != NULL ? ist_printf("http://169.254.170.2%s", relative) : ist_strdup(full);
    char *token = NULL, *header = NULL;
    ist_http *http = NULL;
    ist_http_response response = {0};
    int32_t rc;
    if (!is_allowed_uri(url)) {
        rc = ist_fail(err, IST_ERR_INPUT, where,
                      "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither HTTPS nor local");
        goto out;
    }
    rc = container_token(aws, &token, err);
    if (rc != IST_OK)
        goto out;
    ist_secret(&aws->env, token);
    if (token != NULL)
        header = ist_printf("Authorization: %s", token);
    rc = open_local(aws, &usual, &http, err);
    if (rc == IST_OK)
        rc = local_call(http, usual.tries, "GET", url, header, where, &response, err);
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

// A session of the second protocol, what opens it, and where; all the caller's. IST_ERR_NOT_FOUND: this is no instance,
// or the service is hidden from it.
struct instance {
    ist_http *http;
    char *root, *token;
    struct patience patience;
};

// One GET of what the service knows.
static int32_t instance_get(const struct instance *instance, const char *path, const char *name,
                            ist_http_response *response, ist_error *err)
{
    char *url = ist_printf("%s/latest/meta-data/%s%s", instance->root, path, name),
         *header = ist_printf("X-aws-ec2-metadata-token: %s", instance->token);
    const int32_t rc = local_call(instance->http, instance->patience.tries, "GET", url, header,
                                  "instance metadata", response, err);
    ist_free_secret(header);
    ist_free(url);
    return rc;
}

static int32_t instance_keys(const struct instance *instance, struct aws_credentials *c, ist_error *err)
{
    static const char keys[] = "iam/security-credentials/";
    char *role = NULL, *source = NULL;
    ist_http_response response = {0};
    int32_t rc = instance_get(instance, keys, "", &response, err);
    if (rc == IST_OK && response.status == 404)
        rc = IST_ERR_NOT_FOUND; // an instance without a role
    else if (rc == IST_OK && response.status != 200)
        rc = ist_fail(err, IST_ERR_DENIED, "instance metadata", "status %d for the instance's role",
                      response.status);
    if (rc != IST_OK)
        goto out;
    response.body[strcspn(response.body, "\r\n")] = '\0';
    role = ist_url_encode(response.body, 0);
    source = ist_printf("instance role %s", response.body);
    ist_http_response_free(&response);
    rc = instance_get(instance, keys, role, &response, err);
    if (rc == IST_OK && response.status != 200)
        rc = ist_fail(err, IST_ERR_DENIED, "instance metadata", "status %d for the keys of %s",
                      response.status, source);
    if (rc == IST_OK)
        rc = parse_credentials(&response, "instance metadata", source, c, err);
out:
    ist_http_response_free(&response);
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

// A positive number that the environment or the profile may set; *number stays where neither does.
static int32_t positive(ist_aws *aws, const char *variable, const char *key, double most, double *number,
                        ist_error *err)
{
    const char *text = setting(aws, variable, key);
    char *end = NULL;
    const double value = text != NULL ? strtod(text, &end) : *number;
    if (text != NULL && (end == text || *end != '\0' || !(value > 0) || value > most))
        return ist_fail(err, IST_ERR_INPUT, "instance metadata",
                        "%s is a number above 0 and up to %.0f, not \"%.40s\"", variable, most, text);
    *number = value;
    return IST_OK;
}

// Whoever says how long (in seconds) says it of a whole request.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
static int32_t instance_patience(ist_aws *aws, struct patience *patience, ist_error *err)
{
    double seconds = 0, tries = usual.tries;
    int32_t rc =
        positive(aws, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", 3600, &seconds, err);
    if (rc == IST_OK)
        rc = positive(aws, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts", 100, &tries,
                      err);
    if (rc != IST_OK)
        return rc;
    *patience = usual;
    if (seconds > 0)
        patience->connect_ms = patience->request_ms = seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
    patience->tries = tries < 1 ? 1 : (int)tries;
    return IST_OK;
}

// What is told of a service that gave no token.
static void tell_hidden(const ist_aws *aws, const struct instance *instance, const char *why)
{
    if (instance->http->fate == HTTP_LOST)
        ist_log(&aws->env, IST_LOG_WARN,
                "the instance metadata service took a request and did not answer (%s): in a container it "
                "does not where the instance's hop limit is 1",
                why);
    else
        ist_log(&aws->env, IST_LOG_DEBUG, "no instance metadata: %s", why);
}

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
    ist_error failed = {0};
    int32_t rc = instance_root(aws, &instance->root, err);
    if (rc == IST_OK)
        rc = instance_patience(aws, &instance->patience, err);
    if (rc == IST_OK)
        rc = open_local(aws, &instance->patience, &instance->http, err);
    if (rc != IST_OK)
        return rc;
    char *url = ist_printf("%s/latest/api/token", instance->root);
    rc = local_call(instance->http, instance->patience.tries, "PUT", url,
                    "X-aws-ec2-metadata-token-ttl-seconds: 21600", "instance metadata", &response, &failed);
    if (rc == IST_OK && response.status != 200)
        ist_fail(&failed, IST_ERR_DENIED, "instance metadata", "status %d for a token", response.status);
    if (rc != IST_OK || response.status != 200)
        tell_hidden(aws, instance, failed.text);
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
        rc = instance_keys(&instance, c, err);
    instance_close(&instance);
    return rc;
}

int32_t aws_region_of_instance(ist_aws *aws, char **region, ist_error *err)
{
    struct instance instance = {0};
    ist_http_response response = {0};
    int32_t rc = instance_open(aws, &instance, err);
    if (rc == IST_OK)
        rc = instance_get(&instance, "placement/region", "", &response, err);
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
