// What the AWS client makes of answers, files and machines that are not as they should be, and what it then says: enough,
// and nothing that is secret.
#include "aws-world.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static void says(const struct fixture *f, const char *text)
{
    if (strstr(f->err.text, text) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", f->err.text, text);
}

// A program of the user's that prints what `body` says; its profile is "made".
static void write_helper(const struct fixture *f, const char *body)
{
    char text[4096], path[128];
    snprintf(path, sizeof(path), "%s/helper", f->dir);
    snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", body);
    write_file(f, "helper", NULL, text);
    assert_int_equal(chmod(path, 0700), 0);
    snprintf(text, sizeof(text), "[profile made]\ncredential_process = %s\n", path);
    write_file(f, "config", "AWS_CONFIG_FILE", text);
    setenv("AWS_PROFILE", "made", 1);
}

// ---- where credentials come from ----

static void a_profile_that_is_not_there_is_not_replaced_by_the_machine(void **state)
{
    struct fixture *f = *state;
    serve_container(f);
    setenv("AWS_PROFILE", "misspelt", 1);
    write_file(f, "config", "AWS_CONFIG_FILE", "[profile dev]\nregion = eu-west-1\n");
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    says(f, "profile misspelt, which AWS_PROFILE names, does not exist");
    assert_int_equal(f->world.fetches, 0);
    close_client(f);
    setenv("AWS_PROFILE", "dev", 1); // this one is, and says nothing of keys
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
}

static void files_that_were_written_anew_are_read_again(void **state)
{
    struct fixture *f = *state;
    write_file(f, "credentials", "AWS_SHARED_CREDENTIALS_FILE",
               "[default]\naws_access_key_id = AKIDOLD\naws_secret_access_key = x\naws_session_token = t\n");
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=AKIDOLD/"));
    write_file(f, "credentials", NULL,
               "[default]\naws_access_key_id = AKIDNEW\naws_secret_access_key = x\naws_session_token = t\n");
    fail_with(&f->world, 1, 403,
              "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>m</Message></Error></ErrorResponse>");
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=AKIDNEW/"));
}

static void files_may_begin_with_a_mark_and_their_names_with_a_tilde(void **state)
{
    struct fixture *f = *state;
    write_file(f, "credentials", NULL,
               "\xef\xbb\xbf[default]\naws_access_key_id = AKIDMARK\naws_secret_access_key = x\n");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "~/credentials", 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->world.auth, "Credential=AKIDMARK/"));
}

static void the_end_of_keys_is_a_time_in_any_zone_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    char body[512], until[32], *token = NULL;
    const time_t there = time(NULL) + 600 - 9000; // in ten minutes, where it is two and a half hours earlier
    struct tm at;
    int64_t expires = 0;
    assert_non_null(gmtime_r(&there, &at));
    strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%S", &at);
    snprintf(body, sizeof(body),
             "echo '{\"Version\": 1, \"AccessKeyId\": \"ASIAMADE\", \"SecretAccessKey\": \"s\", "
             "\"Expiration\": \"%s.5-02:30\"}'",
             until);
    write_helper(f, body);
    open_from_chain(f);
    assert_int_equal(ist_aws_eks_token(f->aws, "aws", &token, &expires, &f->err), IST_OK);
    ist_free_secret(token);
    assert_true(expires <= ((int64_t)time(NULL) + 600) * 1000);
    close_client(f);
    static const char *const wrong[] = {"\"tomorrow\"", "\"2100-01-01T00:00:00+x\"",
                                        "\"2100-01-01T00:00:00Zulu\"", "4102444800", "\"\""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(
            body, sizeof(body),
            "echo '{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": \"s\", \"Expiration\": %s}'",
            wrong[i]);
        write_helper(f, body);
        open_from_chain(f);
        assert_int_equal(describe(f), IST_ERR_DENIED);
        says(f, "the Expiration of its keys is no time");
        close_client(f);
    }
    remove_file(f, "helper");
}

static void what_a_program_complains_of_names_no_keys(void **state)
{
    static const struct {
        const char *complaint, *shown;
    } cases[] = {
        {"vault is sealed, see https://vault.example/help",
         "vault is sealed, see https://vault.example/help"},
        {"cannot renew AKIAIOSFODNN7EXAMPLE: denied", "cannot renew ***: denied"},
        {"got {\"SecretAccessKey\": \"hunter2\", \"SessionToken\":\"abc\"}",
         "got {\"SecretAccessKey\": \"***\", \"SessionToken\":\"***\"}"},
        {"aws_session_token=abc/d== x", "aws_session_token=***== x"},
        {"no use of wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY here", "no use of *** here"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[512], whole[512];
        snprintf(body, sizeof(body), "echo '%s' >&2; exit 1", cases[i].complaint);
        snprintf(whole, sizeof(whole), "(exit 1): %s", cases[i].shown);
        write_helper(f, body);
        open_from_chain(f);
        assert_int_equal(describe(f), IST_ERR_DENIED);
        assert_string_equal(
            strstr(f->err.text, "(exit 1): ") != NULL ? strstr(f->err.text, "(exit 1): ") : "", whole);
        close_client(f);
    }
    remove_file(f, "helper");
}

static void a_broken_answer_with_keys_is_not_quoted(void **state)
{
    struct fixture *f = *state;
    serve_container(f);
    f->world.machine_keys = "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": hunter2";
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_string_equal(f->err.text, "the answer is no JSON object");
    close_client(f);
    f->world.machine_keys = "[\"hunter2\"]";
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_string_equal(f->err.text, "the answer is no JSON object");
}

static void the_containers_token_goes_to_its_own_machine_alone(void **state)
{
    static const char *const elsewhere[] = {"http://127.0.0.1@192.0.2.1/",
                                            "http://localhost:80@192.0.2.1/",
                                            "http://127.example.invalid/",
                                            "http://localhost.example.invalid/",
                                            "ftp://127.0.0.1/",
                                            "nonsense://",
                                            "http://169.254.170.200/"};
    struct fixture *f = *state;
    char path[128];
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", elsewhere[i], 1);
        open_from_chain(f);
        assert_int_equal(describe(f), IST_ERR_INPUT);
        says(f, "neither HTTPS nor local");
        close_client(f);
    }
    serve_container(f);
    snprintf(path, sizeof(path), "%s/nothing", f->dir);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    says(f, "authorization token cannot be read");
    assert_string_equal(f->err.where, path);
    assert_int_equal(f->world.fetches, 0);
}

// ---- the instance ----

static void the_instance_is_asked_as_often_as_is_said(void **state)
{
    struct fixture *f = *state;
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", httpd_url(f->server), 1);
    f->world.metadata_status = 503;
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1", 1);
    open_called(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_int_equal(f->world.metadata_calls, 1);
    assert_non_null(strstr(f->call.debug, "no instance metadata: status 503 for a token"));
    close_client(f);
    f->world.metadata_calls = 0;
    unsetenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS");
    write_file(f, "config", "AWS_CONFIG_FILE", "[default]\nmetadata_service_num_attempts = 3\n");
    open_from_chain(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_int_equal(f->world.metadata_calls, 3);
    close_client(f);
    static const char *const wrong[] = {"soon", "0", "-1", "1s", "nan", "1e9"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("AWS_METADATA_SERVICE_TIMEOUT", wrong[i], 1);
        open_from_chain(f);
        assert_int_equal(describe(f), IST_ERR_INPUT);
        says(f, "AWS_METADATA_SERVICE_TIMEOUT is a number above 0");
        close_client(f);
    }
}

// It takes connections and says nothing, as the service does where a container is a hop too far away.
static void an_instance_that_does_not_answer_is_given_up_in_time(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    char url[64];
    const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(silent, 8), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&at, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, 1);
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "0.2", 1);
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1", 1);
    const int64_t from = fake_now_ms();
    open_called(f);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    says(f, "none found");
    assert_true(fake_now_ms() - from >= 200);
    assert_non_null(strstr(f->call.warnings, "within 200 ms"));
    assert_non_null(strstr(f->call.warnings, "hop limit"));
    close(silent);
}

// ---- answers ----

static void an_error_under_a_good_status_is_no_empty_list(void **state)
{
    static const char *const errors[] = {
        "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
        "<Response><Errors><Error><Code>InternalError</Code></Error></Errors></Response>"};
    struct fixture *f = *state;
    open_client(f);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        f->world.body = errors[i];
        assert_int_equal(describe(f), IST_ERR_REMOTE);
        says(f, "none of AWS's");
    }
}

static void nothing_is_no_answer_to_a_question(void **state)
{
    static const char *const wrong[][2] = {{"", "the answer is empty"},
                                           {"[]", "no JSON object"},
                                           {"\"ok\"", "no JSON object"},
                                           {"null", "no JSON object"}};
    struct fixture *f = *state;
    json_t *answer = NULL;
    open_client(f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        f->world.body = wrong[i][0];
        assert_int_equal(ist_aws_rest(f->aws, "eks", "GET", "/clusters", NULL, &answer, &f->err),
                         IST_ERR_REMOTE);
        says(f, wrong[i][1]);
        assert_non_null(strstr(f->err.hint, "proxy"));
    }
    f->world.body = "";
    assert_int_equal(ist_aws_rest(f->aws, "eks", "DELETE", "/clusters/a", NULL, &answer, &f->err), IST_OK);
    assert_int_equal(json_object_size(answer), 0);
    json_decref(answer);
}

static void a_call_in_json_names_what_it_is_about(void **state)
{
    struct fixture *f = *state;
    json_t *body = json_pack("{s:s}", "Name", "/aws/ami"), *answer = NULL;
    open_client(f);
    fail_with(&f->world, 1, 400, "{\"__type\":\"ParameterNotFound\",\"message\":\"\"}");
    assert_int_equal(ist_aws_json(f->aws, "ssm", "AmazonSSM.GetParameter", body, &answer, &f->err),
                     IST_ERR_NOT_FOUND);
    assert_string_equal(f->err.where, "SSM GetParameter /aws/ami in eu-west-1");
    json_decref(body);
}

static void of_several_errors_the_first_is_told(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 1, 400,
              "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>a</Message></Error>"
              "<Error><Code>Other</Code></Error></Errors><RequestID>r</RequestID></Response>");
    assert_int_equal(describe(f), IST_ERR_NOT_FOUND);
    assert_string_equal(f->err.text, "InvalidVpcID.NotFound: a (request r)");
}

// Three pages that follow one another for ever.
static void play_circle(void *arg, const struct httpd_request *rq, struct httpd_reply *reply)
{
    char text[512];
    const char *given = strstr(rq->body, "NextToken=");
    int *calls = arg;
    const long last = given != NULL ? strtol(given + strlen("NextToken="), NULL, 10) : 0;
    (*calls)++;
    snprintf(text, sizeof(text),
             "<DescribeVpcsResponse><vpcSet><item><vpcId>v</vpcId></item></vpcSet><nextToken>%ld</nextToken>"
             "</DescribeVpcsResponse>",
             last % 3 + 1);
    reply->body = strdup(text);
}

static void pages_that_go_round_in_a_circle_are_left(void **state)
{
    struct fixture *f = *state;
    int calls = 0;
    json_t *items = NULL;
    struct httpd *circle = httpd_start(play_circle, &calls, 0);
    setenv("AWS_ENDPOINT_URL", httpd_url(circle), 1);
    open_client(f);
    assert_int_equal(ist_aws_query_all(f->aws, "ec2", "DescribeVpcs", NULL, "vpcSet", &items, &f->err),
                     IST_ERR_LIMIT);
    says(f, "the same pages come again");
    close_client(f);
    httpd_stop(circle);
    assert_null(items);
    assert_in_range(calls, 4, 10);
}

static void a_page_for_an_error_points_at_whoever_is_between(void **state)
{
    static const int statuses[] = {302, 403, 407, 418};
    struct fixture *f = *state;
    open_client(f);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        fail_with(&f->world, 1, statuses[i], "<html><body>Please log in</body></html>");
        f->world.failure_headers = "Location: http://192.0.2.1/login\r\n";
        assert_int_equal(describe(f), IST_ERR_REMOTE);
        says(f, "Please log in");
        assert_non_null(strstr(f->err.hint, "a proxy"));
        assert_int_equal(f->world.calls, 1);
    }
    fail_with(&f->world, 1, 403, ""); // nor is there a colon with nothing behind it
    assert_int_equal(describe(f), IST_ERR_REMOTE);
    assert_string_equal(f->err.text, "HTTP 403");
}

static void no_error_holds_part_of_a_secret(void **state)
{
    struct fixture *f = *state;
    ist_buf body = {0};
    open_client(f);
    ist_buf_puts(&body,
                 "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we "
                 "calculated does not match.\n\nThe Canonical String for this request should have been\n"
                 "'POST\n/\n\nx-amz-security-token:");
    for (int i = 0; i < 100; i++)
        ist_buf_puts(&body, "IQoJb3JpZ2lu");
    ist_buf_puts(&body, "'</Message></Error></ErrorResponse>");
    fail_with(&f->world, 1, 403, body.data);
    assert_int_equal(describe(f), IST_ERR_DENIED);
    assert_string_equal(f->err.text,
                        "SignatureDoesNotMatch: The request signature we calculated does not match.");
    ist_buf_free(&body);
    // What there is no room for ends between words: of half a secret nobody knows that it is one.
    ist_buf_puts(&body, "<ErrorResponse><Error><Code>ValidationError</Code><Message>");
    for (int i = 0; i < 100; i++)
        ist_buf_puts(&body, "word ");
    for (int i = 0; i < 100; i++)
        ist_buf_puts(&body, "IQoJb3JpZ2lu");
    ist_buf_puts(&body, "</Message></Error></ErrorResponse>");
    fail_with(&f->world, 1, 400, body.data);
    assert_int_equal(describe(f), IST_ERR_REMOTE);
    says(f, "word word");
    assert_null(strstr(f->err.text, "IQoJ"));
    ist_buf_free(&body);
}

static void a_trace_ends_between_words(void **state)
{
    struct fixture *f = *state;
    ist_buf body = {0};
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    f->call.wants_trace = 1;
    open_called(f);
    ist_buf_puts(&body, "<DescribeVpcsResponse><vpcSet>");
    for (int i = 0; i < 100; i++)
        ist_buf_puts(&body, "<item>filled</item>");
    for (int i = 0; i < 100; i++)
        ist_buf_puts(&body, "IQoJb3JpZ2lu");
    ist_buf_puts(&body, "</vpcSet></DescribeVpcsResponse>");
    f->world.body = body.data;
    assert_int_equal(describe(f), IST_OK);
    assert_non_null(strstr(f->call.trace, "<item>filled</item>"));
    assert_null(strstr(f->call.trace, "IQoJ"));
    ist_buf_free(&body);
}

// ---- the way ----

static void an_endpoint_with_a_password_is_refused_and_not_quoted(void **state)
{
    struct fixture *f = *state;
    setenv("AWS_ENDPOINT_URL", "https://somebody:hunter2@ec2.example/", 1);
    open_client(f);
    assert_int_equal(describe(f), IST_ERR_INPUT);
    says(f, "has no place in an endpoint");
    assert_null(strstr(f->err.text, "hunter2"));
    assert_null(strstr(f->err.where, "hunter2"));
}

// A proxy with a password is told of by the host alone: it serves the scheme that its variable names.
static void a_proxy_with_a_password_serves_its_own_scheme(void **state)
{
    struct fixture *f = *state;
    char secret[128];
    snprintf(secret, sizeof(secret), "http://me:hunter2@%s", httpd_url(f->server) + strlen("http://"));
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    f->call.hidden[0] = "https_proxy";
    f->call.hidden[1] = "http://me:hunter2@127.0.0.1:1";
    open_called(f);
    assert_int_equal(describe(f), IST_OK); // of http, and not through it
    assert_string_equal(f->world.target, "/");
    close_client(f);
    f->call.hidden[1] = secret;
    unsetenv("AWS_ENDPOINT_URL");
    open_called(f);
    assert_int_equal(describe(f), IST_ERR_NETWORK);
    assert_string_equal(f->world.target, "ec2.eu-west-1.amazonaws.com:443");
    assert_null(strstr(f->err.text, "hunter2"));
    assert_non_null(strstr(f->call.secrets, "hunter2"));
    close_client(f);
    static const char *const names[] = {"http_proxy", "ALL_PROXY"};
    setenv("AWS_ENDPOINT_URL", "http://ec2.example.invalid", 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        f->call.hidden[0] = names[i];
        f->world.target[0] = '\0';
        open_called(f);
        assert_int_equal(describe(f), IST_OK);
        assert_string_equal(f->world.target, "http://ec2.example.invalid/");
        close_client(f);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_profile_that_is_not_there_is_not_replaced_by_the_machine),
        CASE(files_that_were_written_anew_are_read_again),
        CASE(files_may_begin_with_a_mark_and_their_names_with_a_tilde),
        CASE(the_end_of_keys_is_a_time_in_any_zone_and_nothing_else),
        CASE(what_a_program_complains_of_names_no_keys),
        CASE(a_broken_answer_with_keys_is_not_quoted),
        CASE(the_containers_token_goes_to_its_own_machine_alone),
        CASE(the_instance_is_asked_as_often_as_is_said),
        CASE(an_instance_that_does_not_answer_is_given_up_in_time),
        CASE(an_error_under_a_good_status_is_no_empty_list),
        CASE(nothing_is_no_answer_to_a_question),
        CASE(a_call_in_json_names_what_it_is_about),
        CASE(of_several_errors_the_first_is_told),
        CASE(pages_that_go_round_in_a_circle_are_left),
        CASE(a_page_for_an_error_points_at_whoever_is_between),
        CASE(no_error_holds_part_of_a_secret),
        CASE(a_trace_ends_between_words),
        CASE(an_endpoint_with_a_password_is_refused_and_not_quoted),
        CASE(a_proxy_with_a_password_serves_its_own_scheme),
    };
    return cmocka_run_group_tests_name("aws-adverse", tests, NULL, NULL);
}
