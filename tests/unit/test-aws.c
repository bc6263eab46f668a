// The AWS client against a server that plays EC2, STS, EKS and the metadata services, and misbehaves.
#include "httpd.h"

#include <isthmus/alloc.h>
#include <isthmus/aws.h>
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

struct world {
    int failures;        // so many calls fail first
    const char *failure; // body of those; NULL: the connection is cut
    int failure_status;
    const char *failure_headers;
    const char *body; // of everything else that is EC2's
    int calls;
    char form[8192]; // of the last call
    char auth[1024], token[256], date[64], host[128], target[8192];
    char roles[512]; // assumed, in order
};

struct fixture {
    struct httpd *server;
    struct world world;
    char dir[64];
    ist_aws *aws;
    ist_error err;
};

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
static const char empty_vpcs[] = "<?xml version=\"1.0\"?><DescribeVpcsResponse "
                                 "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>"
                                 "<vpcSet/></DescribeVpcsResponse>";

static void play_metadata(const struct httpd_request *rq, struct httpd_reply *reply)
{
    char token[64] = "";
    httpd_header(rq, "X-aws-ec2-metadata-token", token, sizeof(token));
    if (strcmp(rq->target, "/latest/api/token") == 0 && strcmp(rq->method, "PUT") == 0) {
        reply->body = strdup("imds-token");
    } else if (strcmp(token, "imds-token") != 0) {
        reply->status = 401;
    } else if (strcmp(rq->target, "/latest/meta-data/iam/security-credentials/") == 0) {
        reply->body = strdup("node-role");
    } else if (strcmp(rq->target, "/latest/meta-data/iam/security-credentials/node-role") == 0) {
        reply->body = strdup(machine_keys);
    } else {
        reply->status = 404;
    }
}

static void play_sts(struct world *w, struct httpd_reply *reply)
{
    const char *role = strstr(w->form, "RoleArn=");
    const size_t have = strlen(w->roles);
    if (role != NULL)
        snprintf(w->roles + have, sizeof(w->roles) - have, "%.*s ", (int)strcspn(role + 8, "&"), role + 8);
    reply->body = strdup(strstr(w->form, "WithWebIdentity") != NULL ? web_identity : assumed);
}

static void handler(void *arg, const struct httpd_request *rq, struct httpd_reply *reply)
{
    struct world *w = arg;
    if (strncmp(rq->target, "/latest/", 8) == 0) {
        play_metadata(rq, reply);
        return;
    }
    w->auth[0] = w->token[0] = '\0';
    httpd_header(rq, "Authorization", w->auth, sizeof(w->auth));
    httpd_header(rq, "X-Amz-Security-Token", w->token, sizeof(w->token));
    httpd_header(rq, "X-Amz-Date", w->date, sizeof(w->date));
    httpd_header(rq, "Host", w->host, sizeof(w->host));
    snprintf(w->target, sizeof(w->target), "%s", rq->target);
    if (strcmp(rq->target, "/container") == 0) {
        reply->body = strdup(machine_keys);
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
    reply->body = strdup(w->body != NULL ? w->body : empty_vpcs);
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
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

static int setup(void **state)
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

static void remove_file(const struct fixture *f, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    unlink(path);
}

static int teardown(void **state)
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

static void write_file(const struct fixture *f, const char *name, const char *variable, const char *text)
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

static void open_client(struct fixture *f)
{
    const ist_aws_options options = {.size = sizeof(options),
                                     .region = "eu-west-1",
                                     .access_key = "AKIDEXAMPLE",
                                     .secret_key = "secretexample"};
    assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_OK);
}

static void open_from_chain(struct fixture *f)
{
    const ist_aws_options options = {.size = sizeof(options), .region = "eu-west-1"};
    assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_OK);
}

static int32_t describe(struct fixture *f)
{
    json_t *answer = NULL;
    const int32_t rc = ist_aws_query(f->aws, "ec2", "DescribeVpcs", NULL, &answer, &f->err);
    json_decref(answer);
    return rc;
}

// ---- the Query protocol ----

static void parameters_are_numbered_as_the_service_wants(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    json_t *params = json_pack("{s:[{s:s,s:[s,s]}], s:b, s:i}", "Filter", "Name", "tag:Name", "Value", "a b",
                               "c", "DryRun", 0, "MaxResults", 5);
    json_t *answer = NULL;
    assert_int_equal(ist_aws_query(f->aws, "ec2", "DescribeVpcs", params, &answer, &f->err), IST_OK);
    assert_string_equal(f->world.form, "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=tag%3AName&"
                                       "Filter.1.Value.1=a%20b&Filter.1.Value.2=c&DryRun=false&MaxResults=5");
    assert_int_equal(json_array_size(json_object_get(answer, "vpcSet")), 0);
    json_decref(answer);
    json_decref(params);
    params = json_pack("{s:[{s:s,s:s}]}", "Parameters", "ParameterKey", "k", "ParameterValue", "v");
    f->world.body =
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>x</StackName></member>"
        "</Stacks></DescribeStacksResult></DescribeStacksResponse>";
    assert_int_equal(ist_aws_query(f->aws, "cloudformation", "DescribeStacks", params, &answer, &f->err),
                     IST_OK);
    assert_non_null(strstr(f->world.form, "Parameters.member.1.ParameterKey=k"));
    assert_string_equal(ist_json_str(answer, "Stacks[0].StackName"), "x");
    json_decref(answer);
    json_decref(params);
}

static void requests_are_signed_for_service_and_region(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert_non_null(
        strstr(f->world.auth, "/eu-west-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date"));
    json_t *roles = NULL;
    assert_int_equal(ist_aws_query_all(f->aws, "iam", "ListRoles", NULL, "Roles", &roles, &f->err), IST_OK);
    assert_non_null(strstr(f->world.auth, "/us-east-1/iam/aws4_request")); // a global service has one region
    json_decref(roles);
}

static void answers_become_trees(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    f->world.body =
        "<x:DescribeVpcsResponse xmlns:x=\"urn:y\"><vpcSet><item><vpcId>vpc-1</vpcId><tagSet><item>"
        "<key>Name</key><value>a &amp; b</value></item></tagSet><unknown><deep>1</deep></unknown></item>"
        "<item><vpcId>vpc-2</vpcId><tagSet/></item></vpcSet></x:DescribeVpcsResponse>";
    json_t *vpcs = NULL;
    assert_int_equal(ist_aws_query_all(f->aws, "ec2", "DescribeVpcs", NULL, "vpcSet", &vpcs, &f->err),
                     IST_OK);
    assert_int_equal(json_array_size(vpcs), 2);
    assert_string_equal(ist_aws_tag(json_array_get(vpcs, 0), "Name"), "a & b");
    assert_null(ist_aws_tag(json_array_get(vpcs, 1), "Name"));
    json_decref(vpcs);
}

static void answers_that_are_no_xml_are_errors(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "",
        "not xml",
        "<html><body>proxy</html>",
        "<a><b></a>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<a>&undefined;</a>",
    };
    open_client(f);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        f->world.body = bad[i];
        assert_int_equal(describe(f), IST_ERR_REMOTE);
        assert_string_equal(f->err.where, "EC2 DescribeVpcs in eu-west-1");
    }
}

static void xml_that_nests_without_end_is_refused(void **state)
{
    struct fixture *f = *state;
    ist_buf deep = {0};
    for (int i = 0; i < 5000; i++)
        ist_buf_puts(&deep, "<a>");
    for (int i = 0; i < 5000; i++)
        ist_buf_puts(&deep, "</a>");
    open_client(f);
    f->world.body = deep.data;
    assert_int_equal(describe(f), IST_ERR_REMOTE);
    assert_non_null(strstr(f->err.text, "deeply"));
    ist_buf_free(&deep);
}

static void pages_are_followed_and_a_page_that_repeats_is_an_error(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    f->world.body = "<R><vpcSet><item><vpcId>v</vpcId></item></vpcSet><nextToken>again</nextToken></R>";
    json_t *items = NULL;
    assert_int_equal(ist_aws_query_all(f->aws, "ec2", "DescribeVpcs", NULL, "vpcSet", &items, &f->err),
                     IST_ERR_LIMIT);
    assert_null(items);
    assert_int_equal(f->world.calls, 2);
    assert_non_null(strstr(f->world.form, "NextToken=again"));
}

// ---- errors and retries ----

static const char throttled[] = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow down"
                                "</Message></Error></Errors><RequestID>r-1</RequestID></Response>";
static const char internal[] =
    "<Response><Errors><Error><Code>InternalError</Code><Message>oops</Message></Error>"
    "</Errors><RequestID>r-2</RequestID></Response>";

static void fail_with(struct world *w, int times, int status, const char *body)
{
    w->failures = times;
    w->failure_status = status;
    w->failure = body;
    w->calls = 0;
}

static int32_t write_call(struct fixture *f, const char *token)
{
    json_t *params = json_pack("{s:s, s:s*}", "SubnetId", "subnet-1", "ClientToken", token);
    json_t *answer = NULL;
    const int32_t rc = ist_aws_query(f->aws, "ec2", "CreateNetworkInterface", params, &answer, &f->err);
    json_decref(params);
    json_decref(answer);
    return rc;
}

static void a_typed_error_names_call_code_and_request(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 1, 400,
              "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no "
              "vpc</Message></Error></Errors>"
              "<RequestID>req-9</RequestID></Response>");
    assert_int_equal(describe(f), IST_ERR_NOT_FOUND);
    assert_string_equal(f->err.where, "EC2 DescribeVpcs in eu-west-1");
    assert_string_equal(f->err.text, "InvalidVpcID.NotFound: no vpc (request req-9)");
    assert_string_equal(ist_aws_error_code(f->aws), "InvalidVpcID.NotFound");
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(ist_aws_error_code(f->aws), "");
}

static void errors_have_classes(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *code;
        int32_t rc;
    } cases[] = {{"UnauthorizedOperation", IST_ERR_DENIED},         {"OptInRequired", IST_ERR_DENIED},
                 {"InvalidPermission.Duplicate", IST_ERR_CONFLICT}, {"RouteAlreadyExists", IST_ERR_CONFLICT},
                 {"DependencyViolation", IST_ERR_CONFLICT},         {"RouteLimitExceeded", IST_ERR_LIMIT},
                 {"InvalidParameterValue", IST_ERR_REMOTE},         {"NoSuchEntity", IST_ERR_NOT_FOUND}};
    open_client(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[256];
        snprintf(body, sizeof(body),
                 "<ErrorResponse><Error><Code>%s</Code><Message>m</Message></Error>"
                 "</ErrorResponse>",
                 cases[i].code);
        fail_with(&f->world, 1, 400, body);
        assert_int_equal(write_call(f, NULL), cases[i].rc);
        assert_string_equal(ist_aws_error_code(f->aws), cases[i].code);
    }
}

static void throttling_is_waited_out_even_for_writes(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 3, 503, throttled);
    assert_int_equal(write_call(f, NULL), IST_OK);
    assert_int_equal(f->world.calls, 4);
}

static void a_read_is_repeated_after_server_errors_and_lost_answers(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 2, 500, internal);
    assert_int_equal(describe(f), IST_OK);
    fail_with(&f->world, 2, 200, NULL);
    assert_int_equal(describe(f), IST_OK);
    assert_int_equal(f->world.calls, 3);
}

static void a_write_is_repeated_only_when_it_has_a_token(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 1, 200, NULL);
    assert_int_equal(write_call(f, NULL), IST_ERR_NETWORK);
    assert_int_equal(f->world.calls, 1);
    fail_with(&f->world, 1, 500, internal);
    assert_int_equal(write_call(f, NULL), IST_ERR_NETWORK); // it may have been done
    assert_int_equal(f->world.calls, 1);
    fail_with(&f->world, 1, 200, NULL);
    assert_int_equal(write_call(f, "token"), IST_OK);
    assert_int_equal(f->world.calls, 2);
}

static void html_from_a_proxy_is_quoted_as_text(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 1, 403, "<html><head><title>Blocked</title></head><body>by policy</body></html>");
    assert_int_equal(describe(f), IST_ERR_REMOTE);
    assert_non_null(strstr(f->err.text, "HTTP 403"));
    assert_non_null(strstr(f->err.text, "Blocked"));
}

static void a_wrong_clock_is_corrected_from_the_answer(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 1, 403,
              "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>expired</Message></Error>"
              "</ErrorResponse>");
    f->world.failure_headers = "Date: Tue, 01 Jan 2030 12:00:00 GMT\r\n";
    assert_int_equal(describe(f), IST_OK);
    assert_true(strncmp(f->world.date, "20300101T12", 11) == 0);
    // When the clocks agree, it is the key that is wrong.
    f->world.failure_headers = NULL;
    fail_with(&f->world, 1, 403,
              "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>key</Message></Error>"
              "</ErrorResponse>");
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_int_equal(f->world.calls, 1);
}

static void rest_speaks_json_both_ways(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    f->world.body = "{\"cluster\":{\"status\":\"ACTIVE\"}}";
    json_t *answer = NULL;
    assert_int_equal(ist_aws_rest(f->aws, "eks", "GET", "/clusters/aws?x=1", NULL, &answer, &f->err), IST_OK);
    assert_string_equal(f->world.target, "/clusters/aws?x=1");
    assert_string_equal(ist_json_str(answer, "cluster.status"), "ACTIVE");
    json_decref(answer);
    fail_with(&f->world, 1, 404, "{\"message\":\"No cluster found for name: aws.\"}");
    f->world.failure_headers =
        "x-amzn-ErrorType: ResourceNotFoundException:http://x\r\nx-amzn-RequestId: q\r\n";
    assert_int_equal(ist_aws_rest(f->aws, "eks", "GET", "/clusters/aws", NULL, &answer, &f->err),
                     IST_ERR_NOT_FOUND);
    assert_string_equal(f->err.text,
                        "ResourceNotFoundException: No cluster found for name: aws. (request q)");
    f->world.failure_headers = NULL;
    f->world.body = "<html>";
    assert_int_equal(ist_aws_rest(f->aws, "eks", "GET", "/clusters/aws", NULL, &answer, &f->err),
                     IST_ERR_REMOTE);
}

// ---- the chain ----

static void the_environment_is_asked_first(void **state)
{
    struct fixture *f = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    setenv("AWS_SESSION_TOKEN", "env-token", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=AKIDENV/"));
    assert_string_equal(f->world.token, "env-token");
}

static void profiles_have_keys_regions_and_comments(void **state)
{
    struct fixture *f = *state;
    write_file(
        f, "credentials", "AWS_SHARED_CREDENTIALS_FILE",
        "# c\n[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key=x\n\n"
        "[ dev ]\r\naws_access_key_id=AKIDDEV ; comment\r\naws_secret_access_key = a#b\r\ns3 =\r\n  k = v\r\n"
        "junk\n=\n[unclosed\n");
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[profile dev]\nregion = ap-south-1\n[sso-session x]\nregion=no\n");
    setenv("AWS_PROFILE", "dev", 1);
    assert_int_equal(ist_aws_new(NULL, NULL, &f->aws, &f->err), IST_OK);
    assert_string_equal(ist_aws_region(f->aws), "ap-south-1");
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=AKIDDEV/"));
}

static void a_profile_assumes_its_role_through_source_profiles(void **state)
{
    struct fixture *f = *state;
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[profile base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=x\n"
               "[profile mid]\nrole_arn=arn:mid\nsource_profile=base\nexternal_id=ext\n"
               "[profile top]\nrole_arn=arn:top\nsource_profile=mid\n");
    setenv("AWS_PROFILE", "top", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(f->world.roles, "arn%3Amid arn%3Atop ");
    assert_non_null(strstr(f->world.auth, "Credential=ASIAROLE/"));
    assert_string_equal(f->world.token, "role-token");
}

static void source_profiles_in_a_circle_are_an_error(void **state)
{
    struct fixture *f = *state;
    write_file(
        f, "config", "AWS_CONFIG_FILE",
        "[profile a]\nrole_arn=arn:a\nsource_profile=b\n[profile b]\nrole_arn=arn:b\nsource_profile=a\n");
    setenv("AWS_PROFILE", "a", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_INPUT);
    assert_non_null(strstr(f->err.text, "circle"));
    assert_int_equal(f->world.calls, 0);
}

// A helper of the user's that prints what `body` says; its profile is "made".
static void write_helper(const struct fixture *f, const char *body)
{
    char text[4096], command[1024], path[128];
    snprintf(path, sizeof(path), "%s/my helper", f->dir);
    snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", body);
    write_file(f, "my helper", NULL, text);
    assert_int_equal(chmod(path, 0700), 0);
    snprintf(command, sizeof(command), "[profile made]\ncredential_process = '%s' --for \"a b\" it\\'s\n",
             path);
    write_file(f, "config", "AWS_CONFIG_FILE", command);
    setenv("AWS_PROFILE", "made", 1);
}

static void a_program_hands_out_keys(void **state)
{
    struct fixture *f = *state;
    write_helper(f, "[ \"$#,$1,$2,$3\" = \"3,--for,a b,it's\" ] || exit 9\n"
                    "echo noise >&2\n"
                    "echo '{\"Version\": 1, \"AccessKeyId\": \"ASIAMADE\", \"SecretAccessKey\": \"s\", "
                    "\"SessionToken\": \"made-token\", \"Expiration\": \"2100-01-01T00:00:00Z\"}'");
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=ASIAMADE/"));
    assert_string_equal(f->world.token, "made-token");
    remove_file(f, "my helper");
}

static void a_program_that_fails_is_named_with_what_it_said(void **state)
{
    static const struct {
        const char *body, *says;
    } cases[] = {
        {"echo 'vault is sealed' >&2; exit 3", "(exit 3): vault is sealed"},
        {"kill -9 $$", "(signal 9)"},
        {"echo AKIDNOJSON", "it did not print JSON"},
        {"echo '{\"Version\": 2, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\"}'", "not of Version 1"},
        {"echo '{\"Version\": 1}'", "no keys in the answer"},
        {"head -c 600000 /dev/zero", "printed more than 256 KiB"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        write_helper(f, cases[i].body);
        open_from_chain(f);
        assert_int_equal(describe(f), IST_ERR_DENIED);
        assert_non_null(strstr(f->err.text, cases[i].says));
        assert_null(strstr(f->err.text, "AKIDNOJSON"));
        ist_aws_free(f->aws);
        f->aws = NULL;
    }
    remove_file(f, "my helper");
    write_file(f, "config", "AWS_CONFIG_FILE", "[profile made]\ncredential_process = 'unclosed\n");
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_INPUT);
    assert_int_equal(f->world.calls, 0);
}

static void a_web_identity_is_exchanged_unsigned(void **state)
{
    struct fixture *f = *state;
    write_file(f, "token", "AWS_WEB_IDENTITY_TOKEN_FILE", "jwt.jwt.jwt\n");
    setenv("AWS_ROLE_ARN", "arn:web", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=ASIAWEB/"));
}

static void a_container_hands_out_keys(void **state)
{
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof(url), "%s/container", httpd_url(f->server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=ASIAMACHINE/"));
    ist_aws_free(f->aws);
    f->aws = NULL;
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/keys", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_INPUT); // not to anybody on the network in clear
}

static void an_instance_hands_out_keys_by_its_second_protocol(void **state)
{
    struct fixture *f = *state;
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", httpd_url(f->server), 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=ASIAMACHINE/"));
    assert_string_equal(f->world.token, "machine-token");
}

static void nothing_found_says_where_it_looked(void **state)
{
    struct fixture *f = *state;
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_non_null(strstr(f->err.hint, "AWS_ACCESS_KEY_ID"));
    assert_int_equal(f->world.calls, 0);
}

static void refused_keys_are_fetched_anew_once(void **state)
{
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof(url), "%s/container", httpd_url(f->server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    open_from_chain(f);
    const char *expired = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>m</Message></Error>"
                          "</ErrorResponse>";
    fail_with(&f->world, 1, 403, expired);
    assert_int_equal(describe(f), IST_OK);
    fail_with(&f->world, 100, 403, expired);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_int_equal(f->world.calls, 2);
}

// ---- endpoints and tokens ----

static void endpoints_can_be_set_for_each_service(void **state)
{
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof(url), "%s/base/", httpd_url(f->server));
    setenv("AWS_ENDPOINT_URL_EC2", url, 1);
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
    open_client(f);
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(f->world.target, "/base/");
}

static void a_region_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    const ist_aws_options options = {.size = sizeof(options), .region = "x.evil.example/"};
    assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_ERR_INPUT);
    assert_int_equal(ist_aws_new(NULL, NULL, &f->aws, &f->err), IST_ERR_INPUT);
    assert_null(f->aws);
}

static void an_eks_token_is_a_presigned_call_that_names_the_cluster(void **state)
{
    struct fixture *f = *state;
    char *token = NULL;
    int64_t expires = 0;
    unsetenv("AWS_ENDPOINT_URL");
    open_client(f);
    assert_int_equal(ist_aws_eks_token(f->aws, "aws", &token, &expires, &f->err), IST_OK);
    assert_true(strncmp(token, "k8s-aws-v1.aHR0cHM6Ly9zdHMuZXUtd2VzdC0xLmFtYXpvbmF3cy5jb20vP", 50) == 0);
    assert_null(strpbrk(token, "+/="));
    const int64_t left = expires - (int64_t)time(NULL) * 1000;
    assert_true(left > 13 * 60000 && left <= 14 * 60000 + 1000);
    ist_free(token);
    json_t *headers = json_pack("{s:s}", "x-k8s-aws-id", "aws");
    char *url = NULL;
    assert_int_equal(ist_aws_presign(f->aws, "sts", "GET", "/", NULL, headers, 60, &url, &f->err), IST_OK);
    assert_non_null(strstr(url, "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id"));
    assert_non_null(strstr(url, "X-Amz-Expires=60"));
    ist_free_secret(url);
    json_decref(headers);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(parameters_are_numbered_as_the_service_wants),
        CASE(requests_are_signed_for_service_and_region),
        CASE(answers_become_trees),
        CASE(answers_that_are_no_xml_are_errors),
        CASE(xml_that_nests_without_end_is_refused),
        CASE(pages_are_followed_and_a_page_that_repeats_is_an_error),
        CASE(a_typed_error_names_call_code_and_request),
        CASE(errors_have_classes),
        CASE(throttling_is_waited_out_even_for_writes),
        CASE(a_read_is_repeated_after_server_errors_and_lost_answers),
        CASE(a_write_is_repeated_only_when_it_has_a_token),
        CASE(html_from_a_proxy_is_quoted_as_text),
        CASE(a_wrong_clock_is_corrected_from_the_answer),
        CASE(rest_speaks_json_both_ways),
        CASE(the_environment_is_asked_first),
        CASE(profiles_have_keys_regions_and_comments),
        CASE(a_profile_assumes_its_role_through_source_profiles),
        CASE(source_profiles_in_a_circle_are_an_error),
        CASE(a_program_hands_out_keys),
        CASE(a_program_that_fails_is_named_with_what_it_said),
        CASE(a_web_identity_is_exchanged_unsigned),
        CASE(a_container_hands_out_keys),
        CASE(an_instance_hands_out_keys_by_its_second_protocol),
        CASE(nothing_found_says_where_it_looked),
        CASE(refused_keys_are_fetched_anew_once),
        CASE(endpoints_can_be_set_for_each_service),
        CASE(a_region_that_is_none_is_refused),
        CASE(an_eks_token_is_a_presigned_call_that_names_the_cluster),
    };
    return cmocka_run_group_tests_name("aws", tests, NULL, NULL);
}
