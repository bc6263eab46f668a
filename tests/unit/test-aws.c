// The AWS client's calls: the Query protocol, REST, errors, retries.
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

static void a_page_that_is_good_xml_is_no_empty_list(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    f->world.body = "<html xmlns=\"http://www.w3.org/1999/xhtml\"><body>Please log in</body></html>";
    assert_int_equal(describe(f), IST_ERR_REMOTE);
    assert_non_null(strstr(f->err.text, "none of AWS's but <html>"));
    assert_non_null(strstr(f->err.hint, "proxy"));
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
    f->world.body =
        "<DescribeVpcsResponse><vpcSet><item><vpcId>v</vpcId></item></vpcSet><nextToken>again</nextToken>"
        "</DescribeVpcsResponse>";
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

static void an_error_names_what_the_call_was_about(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(
        &f->world, 1, 400,
        "<Response><Errors><Error><Code>InvalidParameterValue</Code><Message>m</Message></Error></Errors>"
        "</Response>");
    assert_int_equal(write_call(f, NULL), IST_ERR_REMOTE);
    assert_string_equal(f->err.where, "EC2 CreateNetworkInterface subnet-1 in eu-west-1");
}

static void what_ec2_has_no_room_for_is_not_asked_for_again(void **state)
{
    struct fixture *f = *state;
    open_client(f);
    fail_with(&f->world, 1, 500,
              "<Response><Errors><Error><Code>InsufficientInstanceCapacity</Code><Message>m</Message></Error>"
              "</Errors></Response>");
    assert_int_equal(write_call(f, "token"), IST_ERR_LIMIT);
    assert_int_equal(f->world.calls, 1);
}

static void the_services_hints_are_kept(void **state)
{
    static const struct {
        const char *header;
        int64_t at_least;
    } cases[] = {{"Retry-After: 1\r\n", 1000}, {"x-amz-retry-after: 700\r\n", 700}};
    struct fixture *f = *state;
    open_client(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fail_with(&f->world, 1, 503, throttled);
        f->world.failure_headers = cases[i].header;
        const int64_t from = fake_now_ms();
        assert_int_equal(describe(f), IST_OK);
        assert_true(fake_now_ms() - from >= cases[i].at_least);
    }
}

static void what_would_pass_the_deadline_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    open_called(f);
    fail_with(&f->world, 9, 503, throttled);
    f->world.failure_headers = "Retry-After: 3000\r\n";
    assert_int_equal(describe(f), IST_ERR_LIMIT);
    assert_non_null(strstr(f->err.text, "RequestLimitExceeded"));
    assert_int_equal(f->world.calls, 1);
    assert_true(fake_now_ms() < f->call.deadline);
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
    // EC2 has one word for all that it cannot validate.
    fail_with(
        &f->world, 1, 401,
        "<Response><Errors><Error><Code>AuthFailure</Code><Message>m</Message></Error></Errors></Response>");
    f->world.failure_headers = "Date: Wed, 01 Jan 2031 12:00:00 GMT\r\n";
    assert_int_equal(describe(f), IST_OK);
    assert_true(strncmp(f->world.date, "20310101T12", 11) == 0);
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
    assert_string_equal(f->err.where, "EKS GET /clusters/aws in eu-west-1");
    assert_non_null(strstr(f->err.hint, "proxy"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(parameters_are_numbered_as_the_service_wants),
        CASE(requests_are_signed_for_service_and_region),
        CASE(answers_become_trees),
        CASE(answers_that_are_no_xml_are_errors),
        CASE(a_page_that_is_good_xml_is_no_empty_list),
        CASE(xml_that_nests_without_end_is_refused),
        CASE(pages_are_followed_and_a_page_that_repeats_is_an_error),
        CASE(a_typed_error_names_call_code_and_request),
        CASE(errors_have_classes),
        CASE(an_error_names_what_the_call_was_about),
        CASE(what_ec2_has_no_room_for_is_not_asked_for_again),
        CASE(the_services_hints_are_kept),
        CASE(what_would_pass_the_deadline_is_not_waited_for),
        CASE(throttling_is_waited_out_even_for_writes),
        CASE(a_read_is_repeated_after_server_errors_and_lost_answers),
        CASE(a_write_is_repeated_only_when_it_has_a_token),
        CASE(html_from_a_proxy_is_quoted_as_text),
        CASE(a_wrong_clock_is_corrected_from_the_answer),
        CASE(rest_speaks_json_both_ways),
    };
    return cmocka_run_group_tests_name("aws", tests, NULL, NULL);
}
