// Where the AWS client gets its credentials, its endpoints and its proxies from.
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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

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

static void a_source_with_keys_of_its_own_ends_the_chain(void **state)
{
    struct fixture *f = *state;
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[profile base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=x\nrole_arn=arn:base\n"
               "source_profile=top\n[profile top]\nrole_arn=arn:top\nsource_profile=base\n");
    setenv("AWS_PROFILE", "top", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(f->world.roles, "arn%3Atop ");
}

static void a_chain_of_profiles_may_begin_in_the_environment_or_the_machine(void **state)
{
    static const char *const sources[] = {"Environment", "EcsContainer"};
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof(url), "%s/container", httpd_url(f->server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "[profile mid]\nrole_arn=arn:mid\ncredential_source=%s\n"
                 "[profile top]\nrole_arn=arn:top\nsource_profile=mid\n",
                 sources[i]);
        write_file(f, "config", "AWS_CONFIG_FILE", text);
        const ist_aws_options options = {.size = sizeof(options), .region = "eu-west-1", .profile = "top"};
        f->world.roles[0] = '\0';
        assert_int_equal(ist_aws_new(NULL, &options, &f->aws, &f->err), IST_OK);
        assert_int_equal(describe(f), IST_OK);
        assert_string_equal(f->world.roles, "arn%3Amid arn%3Atop ");
        close_client(f);
    }
    assert_int_equal(f->world.fetches, 1);
}

static void profiles_that_say_too_much_or_too_little_are_errors(void **state)
{
    static const char *const cases[][2] = {
        {"role_arn=arn:a\nsource_profile=b\ncredential_source=Environment\n", "has both"},
        {"role_arn=arn:a\n", "neither source_profile nor credential_source"},
        {"role_arn=arn:a\nsource_profile=nobody\n", "nobody has no credentials"},
        {"role_arn=arn:a\ncredential_source=Moon\n", "credential_source Moon is not known"},
        {"role_arn=arn:a\nsource_profile=b\nmfa_serial=arn:mfa\n", "second factor"},
        {"aws_access_key_id=AKID\n", "one key without the other"},
        {"sso_session=corp\n", "SSO session corp, and sso_region is not set"},
        {"sso_start_url=https://x\nsso_region=x.evil/\nsso_account_id=1\nsso_role_name=r\n", "is no region"},
        {"sso_start_url=https://x\nsso_region=us-east-1\nsso_account_id=1\nsso_role_name=r\n",
         "nobody has done that here"}};
    struct fixture *f = *state;
    setenv("AWS_PROFILE", "a", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "[profile a]\n%s", cases[i][0]);
        write_file(f, "config", "AWS_CONFIG_FILE", text);
        open_from_chain(f);
        assert_int_not_equal(describe(f), IST_OK);
        assert_non_null(strstr(f->err.text, cases[i][1]));
        close_client(f);
    }
    assert_int_equal(f->world.calls, 0);
}

// As `aws sso login` leaves it for a session that is called "corp": its file is named by SHA-1 of that.
static void sign_in(const struct fixture *f, const char *until)
{
    static const char *const folders[] = {".aws", ".aws/sso", ".aws/sso/cache"};
    char text[256], path[256];
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, folders[i]);
        (void)mkdir(path, 0700);
    }
    snprintf(text, sizeof(text),
             "{\"startUrl\":\"https://corp\",\"accessToken\":\"signed-in\",\"expiresAt\":\"%s\"}", until);
    write_file(f, ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json", NULL, text);
}

static void sign_out(const struct fixture *f)
{
    static const char *const folders[] = {".aws/sso/cache", ".aws/sso", ".aws"};
    char path[256];
    remove_file(f, ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json");
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, folders[i]);
        rmdir(path);
    }
}

static void who_has_signed_in_by_sso_is_let_in(void **state)
{
    struct fixture *f = *state;
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp\n"
               "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Net Admin\n"
               "[profile top]\nrole_arn = arn:top\nsource_profile = dev\n");
    setenv("AWS_PROFILE", "dev", 1);
    sign_in(f, "2098-01-01T00:00:00Z");
    open_called(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=ASIASSO/"));
    assert_string_equal(f->world.bearer, "signed-in");
    assert_non_null(strstr(f->call.debug, "AWS credentials from profile dev, SSO role Net Admin"));
    assert_non_null(strstr(f->call.secrets, "signed-in\n"));
    close_client(f);
    setenv("AWS_PROFILE", "top", 1);
    open_called(f);
    assert_int_equal(describe(f), IST_OK);
    assert_string_equal(f->world.roles, "arn%3Atop ");
    close_client(f);
    setenv("AWS_PROFILE", "dev", 1);
    f->world.no_keys = 1;
    open_called(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_non_null(strstr(f->err.text, "the session has ended"));
    assert_non_null(strstr(f->err.hint, "aws sso login --profile dev"));
    close_client(f);
    f->world.bearer[0] = '\0';
    sign_in(f, "2020-01-01T00:00:00Z");
    open_called(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_non_null(strstr(f->err.text, "the session has ended"));
    assert_string_equal(f->world.bearer, ""); // nobody was asked
    sign_out(f);
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
    close_client(f);
    unsetenv("AWS_ROLE_ARN");
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_non_null(strstr(f->err.text, "AWS_ROLE_ARN is not"));
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

static void which_source_was_used_is_told_and_its_keys_never(void **state)
{
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof(url), "%s/container", httpd_url(f->server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    open_called(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->call.debug, "AWS credentials from container"));
    assert_null(strstr(f->call.debug, "machine-secret"));
    assert_non_null(strstr(f->call.secrets, "machine-secret\n"));
    assert_non_null(strstr(f->call.secrets, "machine-token\n"));
    close_client(f);
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[profile base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=x\n"
               "[profile top]\nrole_arn=arn:top\nsource_profile=base\n");
    setenv("AWS_PROFILE", "top", 1);
    open_called(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->call.debug, "AWS credentials from profile base, role arn:top"));
}

// The machine's keys end with the year 2098: the clock is put so many seconds before that.
static void set_left(struct fixture *f, int64_t seconds)
{
    struct tm end = {.tm_year = 199, .tm_mday = 1};
    f->call.ahead_ms = ((int64_t)timegm(&end) - (int64_t)time(NULL) - seconds) * 1000;
}

static void keys_are_renewed_before_they_end(void **state)
{
    struct fixture *f = *state;
    char url[128], *token = NULL;
    int64_t expires = 0;
    snprintf(url, sizeof(url), "%s/container", httpd_url(f->server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    open_called(f);
    assert_int_equal(describe(f), IST_OK);
    set_left(f, 600);
    assert_int_equal(describe(f), IST_OK);
    assert_int_equal(f->world.fetches, 1); // good for some time yet
    assert_int_equal(ist_aws_eks_token(f->aws, "aws", &token, &expires, &f->err), IST_OK);
    ist_free_secret(token);
    const int64_t left = expires - ((int64_t)time(NULL) * 1000 + f->call.ahead_ms);
    assert_true(left > 0 && left <= 601000); // a token ends with the keys that signed it
    set_left(f, 240);
    assert_int_equal(describe(f), IST_OK);
    assert_int_equal(f->world.fetches, 2);
    f->world.no_keys = 1;
    assert_int_equal(describe(f), IST_OK); // what there is serves to its end
    assert_true(f->world.fetches > 2);
    set_left(f, -1);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_non_null(strstr(f->err.text, "404"));
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
        CASE(the_environment_is_asked_first),
        CASE(profiles_have_keys_regions_and_comments),
        CASE(a_profile_assumes_its_role_through_source_profiles),
        CASE(source_profiles_in_a_circle_are_an_error),
        CASE(who_has_signed_in_by_sso_is_let_in),
        CASE(a_program_hands_out_keys),
        CASE(a_program_that_fails_is_named_with_what_it_said),
        CASE(a_web_identity_is_exchanged_unsigned),
        CASE(a_container_hands_out_keys),
        CASE(an_instance_hands_out_keys_by_its_second_protocol),
        CASE(a_source_with_keys_of_its_own_ends_the_chain),
        CASE(a_chain_of_profiles_may_begin_in_the_environment_or_the_machine),
        CASE(profiles_that_say_too_much_or_too_little_are_errors),
        CASE(which_source_was_used_is_told_and_its_keys_never),
        CASE(keys_are_renewed_before_they_end),
        CASE(nothing_found_says_where_it_looked),
        CASE(refused_keys_are_fetched_anew_once),
        CASE(endpoints_can_be_set_for_each_service),
        CASE(the_profile_can_set_endpoints_too),
        CASE(every_partition_has_its_own_names),
        CASE(configured_endpoints_can_be_ignored),
        CASE(an_authority_can_be_named),
        CASE(a_proxy_is_asked_but_where_there_shall_be_none),
        CASE(a_proxy_that_lets_nobody_through_is_told_of_at_once),
        CASE(the_machines_own_services_are_asked_without_a_proxy),
        CASE(a_cluster_that_refuses_tells_what_time_it_is),
        CASE(a_region_that_is_none_is_refused),
        CASE(an_eks_token_is_a_presigned_call_that_names_the_cluster),
    };
    return cmocka_run_group_tests_name("aws-credentials", tests, NULL, NULL);
}
