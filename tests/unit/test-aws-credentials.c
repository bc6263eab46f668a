// Where the AWS client gets its credentials from.
#include "aws-world.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

#define CACHED ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"

// As `aws sso login` leaves it for a session that is called "corp": its file is named by SHA-1 of that.
static void sign_in(const struct fixture *f, const char *until, const char *more)
{
    static const char *const folders[] = {".aws", ".aws/sso", ".aws/sso/cache"};
    char text[512], path[256];
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, folders[i]);
        (void)mkdir(path, 0700);
    }
    snprintf(text, sizeof(text),
             "{\"startUrl\":\"https://corp\",\"accessToken\":\"signed-in\",\"expiresAt\":\"%s\"%s}", until,
             more);
    write_file(f, CACHED, NULL, text);
}

static void sign_out(const struct fixture *f)
{
    static const char *const folders[] = {".aws/sso/cache", ".aws/sso", ".aws"};
    char path[256];
    remove_file(f, CACHED);
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
    sign_in(f, "2098-01-01T00:00:00Z", "");
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
    sign_in(f, "2020-01-01T00:00:00Z", "");
    open_called(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_non_null(strstr(f->err.text, "the session has ended"));
    assert_string_equal(f->world.bearer, ""); // nobody was asked
    sign_out(f);
}

// What renews a token, as the same command leaves it; the second one's registration has ended.
#define RENEWABLE                                                                                            \
    ",\"clientId\":\"id\",\"clientSecret\":\"client-secret\",\"refreshToken\":\"first\","                    \
    "\"registrationExpiresAt\":"
#define REGISTERED RENEWABLE "\"2098-01-01T00:00:00Z\""
#define LAPSED     RENEWABLE "\"2020-01-01T00:00:00Z\""

// A token that is good for so many seconds more.
static void sign_in_for(const struct fixture *f, int seconds, const char *more)
{
    char until[32];
    const time_t end = time(NULL) + seconds;
    struct tm at;
    assert_non_null(gmtime_r(&end, &at));
    strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &at);
    sign_in(f, until, more);
}

// The SSO session of a new client: which token it comes with, and how often one was renewed for it.
static int32_t comes_with(struct fixture *f, const char *token, int renewals)
{
    f->world.bearer[0] = '\0';
    f->world.renewals = 0;
    open_called(f);
    const int32_t rc = describe(f);
    close_client(f);
    assert_string_equal(f->world.bearer, token);
    assert_int_equal(f->world.renewals, renewals);
    return rc;
}

static void a_session_of_sso_is_renewed_in_time(void **state)
{
    struct fixture *f = *state;
    char path[256];
    json_t *kept = NULL;
    struct stat st;
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp\n"
               "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = r\n");
    setenv("AWS_PROFILE", "dev", 1);
    sign_in_for(f, 3600, REGISTERED);
    assert_int_equal(comes_with(f, "signed-in", 0), IST_OK); // it holds long enough
    sign_in_for(f, 600, REGISTERED);
    f->call.secrets[0] = '\0';
    assert_int_equal(comes_with(f, "renewed", 1), IST_OK);
    assert_string_equal(f->world.renewal,
                        "{\"clientId\":\"id\",\"clientSecret\":\"client-secret\",\"grantType\":"
                        "\"refresh_token\",\"refreshToken\":\"first\"}");
    static const char *const secrets[] = {"first\n", "client-secret\n", "next\n", "renewed\n"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        assert_non_null(strstr(f->call.secrets, secrets[i]));
    snprintf(path, sizeof(path), "%s/%s", f->dir, CACHED);
    kept = json_load_file(path, 0, NULL);
    assert_string_equal(ist_json_str_or(kept, "accessToken", ""), "renewed");
    assert_string_equal(ist_json_str_or(kept, "refreshToken", ""), "next");
    assert_string_equal(ist_json_str_or(kept, "startUrl", ""), "https://corp"); // as it was
    json_decref(kept);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(comes_with(f, "renewed", 0), IST_OK);
    sign_in_for(f, -10, REGISTERED); // it is not too late as long as the registration holds
    assert_int_equal(comes_with(f, "renewed", 1), IST_OK);
    sign_in_for(f, 600, LAPSED);
    assert_int_equal(comes_with(f, "signed-in", 0), IST_OK);
    f->world.no_renewal = 1; // what there is goes as far as it goes
    sign_in_for(f, 600, REGISTERED);
    assert_int_equal(comes_with(f, "signed-in", 1), IST_OK);
    sign_in_for(f, -10, REGISTERED);
    assert_int_equal(comes_with(f, "", 1), IST_ERR_DENIED);
    assert_non_null(strstr(f->err.text, "the session has ended"));
    assert_non_null(strstr(f->err.hint, "aws sso login --profile dev"));
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

static void the_profile_says_where_the_instances_service_is(void **state)
{
    struct fixture *f = *state;
    char text[256];
    unsetenv("AWS_EC2_METADATA_DISABLED");
    snprintf(text, sizeof(text),
             "[default]\nec2_metadata_service_endpoint = %s/\nec2_metadata_service_endpoint_mode = IPv6\n",
             httpd_url(f->server));
    write_file(f, "config", "AWS_CONFIG_FILE", text); // the address goes before the kind of one
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=ASIAMACHINE/"));
    close_client(f);
    write_file(f, "config", "AWS_CONFIG_FILE", "");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv5", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_INPUT);
    assert_non_null(strstr(f->err.text, "IPv4 or IPv6, not \"IPv5\""));
}

// In a network of its own, where it reaches nobody.
static void by_ipv6_the_instances_service_has_another_address(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6", 1);
    f->call.wants_trace = 1;
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNET) != 0)
            _exit(77);
        open_called(f);
        const int32_t rc = describe(f);
        _exit(rc == IST_ERR_DENIED &&
                      strstr(f->call.trace, "> PUT http://[fd00:ec2::254]/latest/api/token") != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); // not allowed to
    assert_int_equal(status, 0);
}

static void an_instance_works_in_its_own_region_where_none_is_given(void **state)
{
    struct fixture *f = *state;
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", httpd_url(f->server), 1);
    assert_int_equal(ist_aws_new(NULL, NULL, &f->aws, &f->err), IST_OK);
    assert_string_equal(ist_aws_region(f->aws), "eu-central-1");
    close_client(f);
    setenv("AWS_DEFAULT_REGION", "us-west-2", 1);
    assert_int_equal(ist_aws_new(NULL, NULL, &f->aws, &f->err), IST_OK);
    assert_string_equal(ist_aws_region(f->aws), "us-west-2");
    close_client(f);
    unsetenv("AWS_DEFAULT_REGION");
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    assert_int_equal(ist_aws_new(NULL, NULL, &f->aws, &f->err), IST_ERR_INPUT);
    assert_non_null(strstr(f->err.text, "no region is given"));
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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_environment_is_asked_first),
        CASE(profiles_have_keys_regions_and_comments),
        CASE(a_profile_assumes_its_role_through_source_profiles),
        CASE(source_profiles_in_a_circle_are_an_error),
        CASE(who_has_signed_in_by_sso_is_let_in),
        CASE(a_session_of_sso_is_renewed_in_time),
        CASE(a_program_hands_out_keys),
        CASE(a_program_that_fails_is_named_with_what_it_said),
        CASE(a_web_identity_is_exchanged_unsigned),
        CASE(a_container_hands_out_keys),
        CASE(an_instance_hands_out_keys_by_its_second_protocol),
        CASE(the_profile_says_where_the_instances_service_is),
        CASE(by_ipv6_the_instances_service_has_another_address),
        CASE(an_instance_works_in_its_own_region_where_none_is_given),
        CASE(a_source_with_keys_of_its_own_ends_the_chain),
        CASE(a_chain_of_profiles_may_begin_in_the_environment_or_the_machine),
        CASE(profiles_that_say_too_much_or_too_little_are_errors),
        CASE(which_source_was_used_is_told_and_its_keys_never),
        CASE(keys_are_renewed_before_they_end),
        CASE(nothing_found_says_where_it_looked),
        CASE(refused_keys_are_fetched_anew_once),
    };
    return cmocka_run_group_tests_name("aws-credentials", tests, NULL, NULL);
}
