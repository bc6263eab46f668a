#include "aws-world.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static const char assumed[] =
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>"
    "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>"
    "<SessionToken>role-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>";
static const char web_identity[] =
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
    "<AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>web-secret</SecretAccessKey>"
    "<SessionToken>web-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
static const char machine_keys[] =
    "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIAMACHINE\",\"SecretAccessKey\":\"machine-secret\","
    "\"Token\":\"machine-token\",\"Expiration\":\"2099-01-01T00:00:00Z\"}";

// An answer with nothing in it, in the name of the action that was asked for.
static char *nothing_of(const char *form)
{
    char action[64] = "", *text = malloc(512);
    (void)sscanf(form, "Action=%63[A-Za-z]", action);
    assert_non_null(text);
    snprintf(text, 512,
             "<?xml version=\"1.0\"?><%sResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"
             "<requestId>r</requestId><vpcSet/></%sResponse>",
             action, action);
    return text;
}

static const char sso_keys[] =
    "{\"roleCredentials\":{\"accessKeyId\":\"ASIASSO\",\"secretAccessKey\":\"sso-secret\","
    "\"sessionToken\":\"sso-token\",\"expiration\":4070908800000}}";

static void play_metadata(struct world *w, const struct httpd_request *rq, struct httpd_reply *reply)
{
    char token[64] = "";
    w->metadata_calls++;
    if (w->metadata_status != 0) {
        reply->status = w->metadata_status;
        return;
    }
    httpd_header(rq, "X-aws-ec2-metadata-token", token, sizeof(token));
    if (strcmp(rq->target, "/latest/api/token") == 0 && strcmp(rq->method, "PUT") == 0) {
        reply->body = strdup("imds-token");
    } else if (strcmp(token, "imds-token") != 0) {
        reply->status = 401;
    } else if (strcmp(rq->target, "/latest/meta-data/iam/security-credentials/") == 0) {
        reply->body = strdup("node-role");
    } else if (strcmp(rq->target, "/latest/meta-data/iam/security-credentials/node-role") == 0) {
        reply->body = strdup(machine_keys);
    } else if (strcmp(rq->target, "/latest/meta-data/placement/region") == 0) {
        reply->body = strdup("eu-central-1");
    } else {
        reply->status = 404;
    }
}

// What a session was signed in with is good for one renewal, and brings the next.
static void play_oidc(struct world *w, const struct httpd_request *rq, struct httpd_reply *reply)
{
    snprintf(w->renewal, sizeof(w->renewal), "%s", rq->body);
    w->renewals++;
    reply->status = w->no_renewal ? 400 : 200;
    reply->body =
        strdup(w->no_renewal ? "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid refresh token\"}"
                             : "{\"accessToken\":\"renewed\",\"expiresIn\":28800,\"refreshToken\":\"next\","
                               "\"tokenType\":\"Bearer\"}");
}

static void play_sts(struct world *w, struct httpd_reply *reply)
{
    const char *role = strstr(w->form, "RoleArn=");
    const size_t have = strlen(w->roles);
    if (role != NULL)
        snprintf(w->roles + have, sizeof(w->roles) - have, "%.*s ", (int)strcspn(role + 8, "&"), role + 8);
    reply->body = strdup(strstr(w->form, "WithWebIdentity") != NULL ? web_identity : assumed);
}

void handler(void *arg, const struct httpd_request *rq, struct httpd_reply *reply)
{
    struct world *w = arg;
    snprintf(w->method, sizeof(w->method), "%s", rq->method);
    if (strncmp(rq->target, "/latest/", 8) == 0) {
        play_metadata(w, rq, reply);
        return;
    }
    w->auth[0] = w->token[0] = '\0';
    httpd_header(rq, "Authorization", w->auth, sizeof(w->auth));
    httpd_header(rq, "X-Amz-Security-Token", w->token, sizeof(w->token));
    httpd_header(rq, "X-Amz-Date", w->date, sizeof(w->date));
    httpd_header(rq, "Host", w->host, sizeof(w->host));
    snprintf(w->target, sizeof(w->target), "%s", rq->target);
    if (strcmp(rq->method, "CONNECT") == 0) {
        reply->status = 403;
        return;
    }
    if (strcmp(rq->target, "/container") == 0) {
        w->fetches++;
        if (w->no_keys)
            reply->status = 404;
        else
            reply->body = strdup(w->machine_keys != NULL ? w->machine_keys : machine_keys);
        return;
    }
    if (strcmp(rq->target, "/token") == 0) {
        play_oidc(w, rq, reply);
        return;
    }
    if (strncmp(rq->target, "/federation/credentials", 23) == 0) {
        httpd_header(rq, "x-amz-sso_bearer_token", w->bearer, sizeof(w->bearer));
        reply->status = w->no_keys ? 401 : 200;
        reply->headers = w->no_keys ? "x-amzn-ErrorType: UnauthorizedException\r\n" : NULL;
        reply->body = strdup(w->no_keys ? "{\"message\":\"Session token not found or invalid\"}" : sso_keys);
        return;
    }
    snprintf(w->form, sizeof(w->form), "%s", rq->body);
    if (strstr(rq->body, "Action=AssumeRole") != NULL) {
        play_sts(w, reply);
        return;
    }
    w->calls++;
    if (w->failures > 0) {
        w->failures--;
        reply->status = w->failure_status;
        reply->headers = w->failure_headers;
        if (w->failure == NULL)
            reply->cut_after = 0;
        else
            reply->body = strdup(w->failure);
        return;
    }
    reply->body = w->body != NULL ? strdup(w->body) : nothing_of(rq->body);
}

static void clear_environment(void)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_CA_BUNDLE",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_EC2",
                                        "AWS_ENDPOINT_URL_IAM",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_ENDPOINT_URL_EKS",
                                        "AWS_CONFIG_FILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                        "AWS_METADATA_SERVICE_TIMEOUT",
                                        "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
                                        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                                        "AWS_USE_FIPS_ENDPOINT",
                                        "AWS_USE_DUALSTACK_ENDPOINT",
                                        "http_proxy",
                                        "https_proxy",
                                        "all_proxy",
                                        "no_proxy",
                                        "HTTPS_PROXY",
                                        "ALL_PROXY",
                                        "NO_PROXY"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->server = httpd_start(handler, &f->world, 0);
    snprintf(f->dir, sizeof(f->dir), "/tmp/isthmus-aws-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    clear_environment();
    setenv("HOME", f->dir, 1);
    setenv("AWS_ENDPOINT_URL", httpd_url(f->server), 1);
    *state = f;
    return 0;
}

void remove_file(const struct fixture *f, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    unlink(path);
}

int teardown(void **state)
{
    struct fixture *f = *state;
    ist_aws_free(f->aws);
    httpd_stop(f->server);
    remove_file(f, "config");
    remove_file(f, "credentials");
    remove_file(f, "token");
    rmdir(f->dir);
    free(f);
    return 0;
}

void write_file(const struct fixture *f, const char *name, const char *variable, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    if (variable != NULL)
        setenv(variable, path, 1);
}

void open_client(struct fixture *f)
{
    const ist_aws_options options = {.size = sizeof(options),
                                     .region = "eu-west-1",
                                     .access_key = "AKIDEXAMPLE",
                                     .secret_key = "secretexample"};
    assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_OK);
}

void open_from_chain(struct fixture *f)
{
    const ist_aws_options options = {.size = sizeof(options), .region = "eu-west-1"};
    assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_OK);
}

void serve_container(const struct fixture *f)
{
    char url[128];
    snprintf(url, sizeof(url), "%s/container", httpd_url(f->server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
}

int32_t describe(struct fixture *f)
{
    json_t *answer = NULL;
    const int32_t rc = ist_aws_query(f->aws, "ec2", "DescribeVpcs", NULL, &answer, &f->err);
    json_decref(answer);
    return rc;
}

void open_called(struct fixture *f)
{
    const ist_env env = fake_env(&f->call);
    const ist_aws_options options = {.size = sizeof(options), .region = "eu-west-1"};
    assert_int_equal(ist_aws_new(&env, &options, &f->aws, &f->err), IST_OK);
}

void close_client(struct fixture *f)
{
    ist_aws_free(f->aws);
    f->aws = NULL;
}

void fail_with(struct world *w, int times, int status, const char *body)
{
    w->failures = times;
    w->failure_status = status;
    w->failure = body;
    w->calls = 0;
}
