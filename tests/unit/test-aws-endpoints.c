// Where the AWS client finds a service, by whom and through what it gets there, and the tokens that are such addresses.
#include "aws-world.h"
#include "eks-token.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <isthmus/kube.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

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

static void the_profile_can_set_endpoints_too(void **state)
{
    struct fixture *f = *state;
    char text[512];
    const char *url = httpd_url(f->server);
    unsetenv("AWS_ENDPOINT_URL");
    snprintf(
        text, sizeof(text),
        "[default]\nservices = here\nendpoint_url = %s/all\nregion = us-west-2\n[services other]\nec2 =\n"
        "  endpoint_url = http://127.0.0.1:1\n[services here]\n# c\nEC2 =\n\n  endpoint_url = %s/own ; c\n"
        "  x\nelastic_load_balancing =\n\tendpoint_url=%s/elb\n  = y\nsts = z\n  endpoint_url = "
        "http://127.0.0.1:1\n",
        url, url, url);
    write_file(f, "config", "AWS_CONFIG_FILE", text);
    open_client(f);
    static const char *const paths[][3] = {{"ec2", "DescribeVpcs", "/own/"},
                                           {"elasticloadbalancing", "DescribeLoadBalancers", "/elb/"},
                                           {"sts", "GetCallerIdentity", "/all/"}};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        (void)ist_aws_query(f->aws, paths[i][0], paths[i][1], NULL, NULL, &f->err);
        assert_string_equal(f->world.target, paths[i][2]);
    }
    setenv("AWS_ENDPOINT_URL", url, 1); // before the file, whatever the file says
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(f->world.target, "/");
}

static char *presigned(struct fixture *f, const char *region, const char *service)
{
    char *url = NULL;
    const ist_aws_options options = {
        .size = sizeof(options), .region = region, .access_key = "AKID", .secret_key = "s"};
    close_client(f);
    assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_OK);
    assert_int_equal(ist_aws_presign(f->aws, service, "GET", "/", NULL, NULL, 60, &url, &f->err), IST_OK);
    return url;
}

static void every_partition_has_its_own_names(void **state)
{
    static const char *const cases[][4] = {
        {"eu-west-1", "sts", "https://sts.eu-west-1.amazonaws.com/", "%2Feu-west-1%2Fsts%2F"},
        {"us-east-1", "sts", "https://sts.us-east-1.amazonaws.com/", "%2Fus-east-1%2Fsts%2F"},
        {"eu-west-1", "iam", "https://iam.amazonaws.com/", "%2Fus-east-1%2Fiam%2F"},
        {"cn-northwest-1", "sts", "https://sts.cn-northwest-1.amazonaws.com.cn/",
         "%2Fcn-northwest-1%2Fsts%2F"},
        {"cn-northwest-1", "iam", "https://iam.cn-north-1.amazonaws.com.cn/", "%2Fcn-north-1%2Fiam%2F"},
        {"us-gov-east-1", "ec2", "https://ec2.us-gov-east-1.amazonaws.com/", "%2Fus-gov-east-1%2Fec2%2F"},
        {"us-gov-east-1", "iam", "https://iam.us-gov.amazonaws.com/", "%2Fus-gov-west-1%2Fiam%2F"},
        {"us-iso-west-1", "iam", "https://iam.us-iso-east-1.c2s.ic.gov/", "%2Fus-iso-east-1%2Fiam%2F"},
        {"us-isob-east-1", "sts", "https://sts.us-isob-east-1.sc2s.sgov.gov/", "%2Fus-isob-east-1%2Fsts%2F"},
        {"us-isof-east-1", "sts", "https://sts.us-isof-east-1.csp.hci.ic.gov/", "%2Fus-isof-east-1%2Fsts%2F"},
        {"eu-isoe-west-1", "eks", "https://eks.eu-isoe-west-1.cloud.adc-e.uk/", "%2Feu-isoe-west-1%2Feks%2F"},
        {"eusc-de-east-1", "ec2", "https://ec2.eusc-de-east-1.amazonaws.eu/", "%2Feusc-de-east-1%2Fec2%2F"}};
    struct fixture *f = *state;
    unsetenv("AWS_ENDPOINT_URL");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *url = presigned(f, cases[i][0], cases[i][1]);
        assert_memory_equal(url, cases[i][2], strlen(cases[i][2]));
        assert_non_null(strstr(url, cases[i][3]));
        ist_free_secret(url);
    }
}

// As AWS's own rules have it: FIPS, dual-stack, both.
static void fips_and_dual_stack_endpoints_have_their_own_names(void **state)
{
    static const char *const cases[][5] = {
        {"eu-west-1", "ec2", "ec2-fips.eu-west-1.amazonaws.com", "ec2.eu-west-1.api.aws",
         "ec2-fips.eu-west-1.api.aws"},
        {"eu-west-1", "eks", "fips.eks.eu-west-1.amazonaws.com", "eks.eu-west-1.api.aws",
         "eks-fips.eu-west-1.api.aws"},
        {"us-east-2", "sso", "portal.sso-fips.us-east-2.amazonaws.com", "portal.sso.us-east-2.api.aws",
         "portal.sso-fips.us-east-2.api.aws"},
        {"us-east-2", "sso-oidc", "oidc-fips.us-east-2.amazonaws.com", "oidc.us-east-2.api.aws",
         "oidc-fips.us-east-2.api.aws"},
        {"us-east-2", "iam", "iam-fips.amazonaws.com", "iam.global.api.aws", "iam-fips.global.api.aws"},
        {"us-gov-east-1", "iam", "iam.us-gov.amazonaws.com", "iam.us-gov.api.aws", "iam.us-gov.api.aws"},
        {"us-gov-east-1", "sts", "sts.us-gov-east-1.amazonaws.com", "sts.us-gov-east-1.api.aws",
         "sts-fips.us-gov-east-1.api.aws"},
        {"us-gov-west-1", "eks", "eks.us-gov-west-1.amazonaws.com", "eks.us-gov-west-1.api.aws",
         "eks-fips.us-gov-west-1.api.aws"},
        {"cn-north-1", "iam", "iam-fips.cn-north-1.amazonaws.com.cn",
         "iam.global.api.amazonwebservices.com.cn", "iam-fips.global.api.amazonwebservices.com.cn"},
        {"cn-north-1", "eks", "eks-fips.cn-north-1.amazonaws.com.cn",
         "eks.cn-north-1.api.amazonwebservices.com.cn", "eks-fips.cn-north-1.api.amazonwebservices.com.cn"},
        {"eusc-de-east-1", "cloudformation", "cloudformation-fips.eusc-de-east-1.amazonaws.eu",
         "cloudformation.eusc-de-east-1.api.amazonwebservices.eu",
         "cloudformation-fips.eusc-de-east-1.api.amazonwebservices.eu"},
        {"us-iso-west-1", "ssm", "ssm-fips.us-iso-west-1.c2s.ic.gov", "ssm.us-iso-west-1.api.aws.ic.gov",
         "ssm-fips.us-iso-west-1.api.aws.ic.gov"}};
    struct fixture *f = *state;
    unsetenv("AWS_ENDPOINT_URL");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int kind = 1; kind <= 3; kind++) {
            char wanted[256];
            setenv("AWS_USE_FIPS_ENDPOINT", (kind & 1) != 0 ? "true" : "false", 1);
            setenv("AWS_USE_DUALSTACK_ENDPOINT", (kind & 2) != 0 ? "TRUE" : "false", 1);
            char *url = presigned(f, cases[i][0], cases[i][1]);
            snprintf(wanted, sizeof(wanted), "https://%s/?", cases[i][1 + kind]);
            assert_int_equal(strncmp(url, wanted, strlen(wanted)), 0);
            ist_free_secret(url);
        }
}

static void an_endpoint_of_ones_own_is_no_fips_endpoint(void **state)
{
    struct fixture *f = *state;
    write_file(f, "config", "AWS_CONFIG_FILE", "[default]\nuse_fips_endpoint = true\n");
    open_client(f);
    assert_int_equal(describe(f), IST_ERR_INPUT); // which AWS_ENDPOINT_URL names
    assert_non_null(strstr(f->err.text, "set for EC2, and FIPS endpoints of AWS's own are asked for"));
    assert_int_equal(f->world.calls, 0);
    setenv("AWS_USE_FIPS_ENDPOINT", "false", 1); // before the file
    assert_int_equal(describe(f), IST_OK);
}

static void configured_endpoints_can_be_ignored(void **state)
{
    struct fixture *f = *state;
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[default]\nendpoint_url = http://127.0.0.1:1\nignore_configured_endpoint_urls = true\n");
    char *url = presigned(f, "eu-west-1", "sts");
    assert_memory_equal(url, "https://sts.eu-west-1.amazonaws.com/", 36);
    ist_free_secret(url);
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false", 1);
    url = presigned(f, "eu-west-1", "sts");
    assert_memory_equal(url, "http://127.0.0.1", 16);
    ist_free_secret(url);
}

// ---- trust and proxies ----

static void an_authority_can_be_named(void **state)
{
    struct fixture *f = *state;
    struct httpd *tls = httpd_start(handler, &f->world, 1);
    setenv("AWS_ENDPOINT_URL", httpd_url(tls), 1);
    open_client(f);
    assert_int_equal(describe(f), IST_ERR_NETWORK);
    assert_non_null(strstr(f->err.text, "TLS"));
    close_client(f);
    write_file(f, "token", "AWS_CA_BUNDLE", httpd_ca(tls));
    open_client(f);
    assert_int_equal(describe(f), IST_OK);
    close_client(f);
    char text[256];
    snprintf(text, sizeof(text), "[default]\nca_bundle = %s\n", getenv("AWS_CA_BUNDLE"));
    unsetenv("AWS_CA_BUNDLE");
    write_file(f, "config", "AWS_CONFIG_FILE", text);
    open_client(f);
    assert_int_equal(describe(f), IST_OK);
    close_client(f);
    httpd_stop(tls);
    setenv("AWS_CA_BUNDLE", "/nonexistent/ca.pem", 1);
    const ist_aws_options options = {.size = sizeof(options), .region = "eu-west-1"};
    assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_ERR_INPUT);
    assert_string_equal(f->err.where, "/nonexistent/ca.pem");
}

static void a_proxy_is_asked_but_where_there_shall_be_none(void **state)
{
    struct fixture *f = *state;
    setenv("http_proxy", httpd_url(f->server), 1);
    setenv("AWS_ENDPOINT_URL", "http://ec2.example.invalid", 1);
    open_client(f);
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(f->world.target, "http://ec2.example.invalid/");
    close_client(f);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("NO_PROXY", "127.0.0.1", 1);
    setenv("AWS_ENDPOINT_URL", httpd_url(f->server), 1);
    open_client(f);
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(f->world.target, "/");
}

static void a_proxy_that_lets_nobody_through_is_told_of_at_once(void **state)
{
    struct fixture *f = *state;
    setenv("HTTPS_PROXY", httpd_url(f->server), 1);
    unsetenv("AWS_ENDPOINT_URL");
    open_client(f);
    assert_int_equal(describe(f), IST_ERR_NETWORK);
    assert_string_equal(f->world.method, "CONNECT");
    assert_string_equal(f->world.target, "ec2.eu-west-1.amazonaws.com:443");
    assert_non_null(strstr(f->err.text, "the proxy refused"));
    assert_int_equal(httpd_count(f->server), 1);
}

static void the_machines_own_services_are_asked_without_a_proxy(void **state)
{
    struct fixture *f = *state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("NO_PROXY", "ec2.example.invalid", 1);
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", httpd_url(f->server), 1);
    unsetenv("AWS_ENDPOINT_URL");
    char *url = NULL;
    open_from_chain(f);
    assert_int_equal(ist_aws_presign(f->aws, "sts", "GET", "/", NULL, NULL, 60, &url, &f->err), IST_OK);
    assert_non_null(strstr(url, "ASIAMACHINE"));
    ist_free_secret(url);
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

static void a_cluster_that_refuses_tells_what_time_it_is(void **state)
{
    struct fixture *f = *state;
    char config[1024];
    snprintf(
        config, sizeof(config),
        "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"c\",\"user\":"
        "\"c\"}}],"
        "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"%s\"}}],\"users\":[{\"name\":\"c\",\"user\":"
        "{\"exec\":{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"command\":\"aws\",\"args\":"
        "[\"eks\",\"get-token\",\"--cluster-name\",\"c\",\"--region\",\"eu-west-1\"]}}}]}",
        httpd_url(f->server));
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    const ist_kube_options options = {.size = sizeof(options), .name = "c", .kubeconfig = config};
    ist_kube *kube = NULL;
    int major = 0, minor = 0;
    assert_int_equal(ist_kube_new(NULL, &options, &kube, &f->err), IST_OK);
    f->world.body = "{\"major\":\"1\",\"minor\":\"29\"}";
    fail_with(&f->world, 1, 401, "{}");
    f->world.failure_headers = "Date: Tue, 01 Jan 2030 12:00:00 GMT\r\n";
    assert_int_equal(ist_kube_version(kube, &major, &minor, &f->err), IST_OK);
    assert_int_equal(f->world.calls, 2);
    char *url = eks_token_url(f->world.auth);
    assert_non_null(strstr(url, "X-Amz-Date=20300101T12"));
    free(url);
    ist_kube_free(kube);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(endpoints_can_be_set_for_each_service),
        CASE(the_profile_can_set_endpoints_too),
        CASE(every_partition_has_its_own_names),
        CASE(fips_and_dual_stack_endpoints_have_their_own_names),
        CASE(an_endpoint_of_ones_own_is_no_fips_endpoint),
        CASE(configured_endpoints_can_be_ignored),
        CASE(an_authority_can_be_named),
        CASE(a_proxy_is_asked_but_where_there_shall_be_none),
        CASE(a_proxy_that_lets_nobody_through_is_told_of_at_once),
        CASE(the_machines_own_services_are_asked_without_a_proxy),
        CASE(a_cluster_that_refuses_tells_what_time_it_is),
        CASE(a_region_that_is_none_is_refused),
        CASE(an_eks_token_is_a_presigned_call_that_names_the_cluster),
    };
    return cmocka_run_group_tests_name("aws-endpoints", tests, NULL, NULL);
}
