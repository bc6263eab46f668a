// A client, and one call of it: signed, sent, judged, and sent again where its class allows.
#include "internal.h"
#include "sigv4.h"

#include <isthmus/retry.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *copy(const char *text)
{
    return text != NULL && *text != '\0' ? ist_strdup(text) : NULL;
}

static void copy_options(ist_aws_options *to, const ist_aws_options *from)
{
    ist_aws_options given = {0};
    if (from != NULL)
        memcpy(&given, from, from->size < sizeof(given) ? from->size : sizeof(given));
    *to = (ist_aws_options){
        .size = sizeof(*to),
        .region = copy(given.region),
        .profile = copy(given.profile),
        .role_arn = copy(given.role_arn),
        .access_key = copy(given.access_key),
        .secret_key = copy(given.secret_key),
        .session_token = copy(given.session_token),
        .endpoint = copy(given.endpoint),
        .ca_file = copy(given.ca_file),
    };
}

// Where nothing says it, an instance of EC2 works in its own region, as with most of AWS's tools. The caller's.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html and the command line's own guide
static int32_t find_region(ist_aws *aws, char **found, ist_error *err)
{
    const char *region = aws->options.region;
    if (region == NULL)
        region = aws_env(aws, "AWS_REGION");
    if (region == NULL)
        region = aws_env(aws, "AWS_DEFAULT_REGION");
    if (region == NULL)
        region = aws_profile_setting(aws, aws_profile_name(aws), "region");
    if (region != NULL)
        *found = ist_strdup(region);
    const int32_t rc = region == NULL ? aws_region_of_instance(aws, found, err) : IST_OK;
    if (rc == IST_OK && !aws_is_region(*found))
        return ist_fail(err, IST_ERR_INPUT, "AWS", "\"%.60s\" is no region", *found);
    if (rc == IST_ERR_NOT_FOUND || rc == IST_ERR_NETWORK) {
        ist_fail(err, IST_ERR_INPUT, "AWS", "no region is given");
        ist_hint(err, "set the input `region`, AWS_REGION, or a region in the profile");
        return IST_ERR_INPUT;
    }
    return rc;
}

int aws_is_region(const char *text)
{
    const size_t len = strlen(text);
    return len > 0 && len < 40 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int32_t ist_aws_new(const ist_env *env, const ist_aws_options *options, ist_aws **aws, ist_error *err)
{
    ist_aws *made = ist_calloc(1, sizeof(*made));
    if (env != NULL)
        made->env = *env;
    copy_options(&made->options, options);
    int32_t rc = find_region(made, &made->region, err);
    if (rc == IST_OK) {
        const char *bundle =
            made->options.ca_file != NULL ? made->options.ca_file : aws_env(made, "AWS_CA_BUNDLE");
        if (bundle == NULL)
            bundle = aws_profile_setting(made, aws_profile_name(made), "ca_bundle");
        const ist_http_options http = {.size = sizeof(http), .ca_file = bundle, .max_body = 16u << 20};
        rc = ist_http_new(env, &http, &made->http, err);
    }
    if (rc == IST_OK)
        *aws = made;
    else
        ist_aws_free(made);
    return rc;
}

void ist_aws_free(ist_aws *aws)
{
    if (aws == NULL)
        return;
    ist_aws_options *o = &aws->options;
    ist_free((char *)o->region);
    ist_free((char *)o->profile);
    ist_free((char *)o->role_arn);
    ist_free((char *)o->access_key);
    ist_free_secret((char *)o->secret_key);
    ist_free_secret((char *)o->session_token);
    ist_free((char *)o->endpoint);
    ist_free((char *)o->ca_file);
    ist_free(aws->region);
    ist_http_free(aws->http);
    json_decref(aws->profiles);
    aws_credentials_free(&aws->credentials);
    ist_free(aws);
}

const char *ist_aws_region(const ist_aws *aws)
{
    return aws->region;
}

const char *ist_aws_error_code(const ist_aws *aws)
{
    return aws->error_code;
}

// ---- one exchange ----

struct lines {
    char *owned[8];
    const char *list[9];
    int count;
};

static void add_line(struct lines *l, char *line) // takes it
{
    l->owned[l->count] = line;
    l->list[l->count++] = line;
    l->list[l->count] = NULL;
}

static void free_lines(struct lines *l)
{
    for (int i = 0; i < l->count; i++)
        ist_free_secret(l->owned[i]);
}

static void add_signature(ist_aws *aws, const struct aws_call *call, const struct aws_endpoint *endpoint,
                          const char *path, const struct aws_credentials *c, struct lines *lines)
{
    const struct sigv4 who = {.access_key = c->access_key,
                              .secret_key = c->secret_key,
                              .session_token = c->session_token,
                              .region = endpoint->signing_region,
                              .service = call->service,
                              .time = (ist_clock_ms(&aws->env) + aws->skew_ms) / 1000,
                              .normalize = 1};
    const struct sigv4_request request = {.method = call->method,
                                          .path = path,
                                          .query = call->query,
                                          .headers = lines->list,
                                          .body = call->body,
                                          .body_len = call->body_len};
    struct sigv4_result signature;
    sigv4_sign(&who, &request, &signature);
    add_line(lines, ist_printf("X-Amz-Date: %s", signature.date));
    if (c->session_token != NULL)
        add_line(lines, ist_printf("X-Amz-Security-Token: %s", c->session_token));
    add_line(lines, ist_printf("Authorization: %s", signature.authorization));
    sigv4_result_free(&signature);
}

static int32_t exchange(ist_aws *aws, const struct aws_call *call, const char *where,
                        ist_http_response *response, ist_error *err)
{
    struct aws_endpoint endpoint;
    int32_t rc = aws_endpoint(aws, call->service, call->region, &endpoint, err);
    const struct aws_credentials *c = call->as;
    if (rc == IST_OK && c == NULL && !call->anonymous)
        rc = aws_credentials(aws, &c, err);
    if (rc != IST_OK) {
        aws->http->fate = HTTP_HOPELESS; // fetching credentials has its own retries
        return rc;
    }
    char *path = ist_printf("%s%s", endpoint.path, call->path);
    char *url = ist_printf("%s%s%s%s", endpoint.url, path, call->query != NULL ? "?" : "",
                           call->query != NULL ? call->query : "");
    struct lines lines = {0};
    add_line(&lines, ist_printf("Host: %s", endpoint.host));
    if (call->content_type != NULL)
        add_line(&lines, ist_printf("Content-Type: %s", call->content_type));
    if (call->target != NULL)
        add_line(&lines, ist_printf("X-Amz-Target: %s", call->target));
    if (call->header != NULL)
        add_line(&lines, ist_strdup(call->header));
    if (c != NULL)
        add_signature(aws, call, &endpoint, path, c, &lines);
    const ist_http_request request = {.size = sizeof(request),
                                      .method = call->method,
                                      .url = url,
                                      .headers = lines.list,
                                      .body = call->body,
                                      .body_len = call->body_len,
                                      .read = call->read,
                                      .idempotent = call->repeatable,
                                      .secret = call->secret};
    rc = http_check_read_only(&aws->env, &request, where, err);
    if (rc == IST_OK)
        rc = http_exchange(aws->http, &request, where, response, err);
    else
        aws->http->fate = HTTP_HOPELESS;
    free_lines(&lines);
    ist_free(url);
    ist_free(path);
    return rc;
}

// ---- judging ----

int aws_correct_clock(ist_aws *aws, const char *date)
{
    const time_t server = date != NULL ? curl_getdate(date, NULL) : -1;
    if (server == -1)
        return 0;
    const int64_t skew = (int64_t)server * 1000 - ist_clock_ms(&aws->env);
    const int64_t change = skew - aws->skew_ms;
    if (change > -120000 && change < 120000)
        return 0;
    aws->skew_ms = skew;
    ist_log(&aws->env, IST_LOG_WARN, "this machine's clock is off by %lld s from AWS's: signing with AWS's",
            (long long)(skew / 1000));
    return 1;
}

struct attempts {
    ist_backoff backoff;
    int renewed, clock_set;
};

// Drops credentials that were refused, once; 1 when others may be had.
static int renew(ist_aws *aws, const struct aws_call *call, struct attempts *a)
{
    if (a->renewed++ > 0 || call->as != NULL || call->anonymous)
        return 0;
    aws_credentials_drop(aws);
    return 1;
}

// How long the service says to wait, in milliseconds; 0: it does not. Newer ones say it in a header of AWS's own.
static int64_t wait_hint(const ist_env *env, const ist_http_response *response)
{
    const char *text = ist_http_header(response, "x-amz-retry-after");
    const long ms = text != NULL ? strtol(text, NULL, 10) : 0;
    return ms > 0 && ms < 86400000 ? ms : http_retry_after(env, response);
}

// What to do about an answer that is not 2xx: 1 try again (after the waits it needs), 0 give up.
static int try_again(ist_aws *aws, const struct aws_call *call, const ist_http_response *response,
                     const struct aws_fault *fault, struct attempts *a)
{
    switch (aws_fault_class(response->status, fault->code)) {
    case AWS_EXPIRED:
        return renew(aws, call, a);
    case AWS_SKEWED:
        if (a->clock_set++ == 0 && aws_correct_clock(aws, ist_http_header(response, "date")))
            return 1;
        // EC2 says the same of a clock that is wrong and of a session that has ended.
        return strcmp(fault->code, "RequestExpired") == 0 && renew(aws, call, a);
    case AWS_TRANSIENT:
        if (!call->repeatable)
            return 0;
        break;
    case AWS_THROTTLED:
        break;
    case AWS_FINAL:
        return 0;
    }
    return ist_backoff_wait(&aws->env, &a->backoff, wait_hint(&aws->env, response)) == IST_OK;
}

static int32_t refuse(ist_aws *aws, const struct aws_call *call, const ist_http_response *response,
                      const struct aws_fault *fault, const char *where, ist_error *err)
{
    snprintf(aws->error_code, sizeof(aws->error_code), "%s", fault->code);
    const int32_t rc = aws_fault_fail(fault, response->status, where, err);
    // A server error after a write says nothing about whether it was done.
    if (!call->repeatable && aws_fault_class(response->status, fault->code) == AWS_TRANSIENT) {
        if (err != NULL)
            err->code = IST_ERR_NETWORK;
        return IST_ERR_NETWORK;
    }
    return rc;
}

void aws_where(const ist_aws *aws, const struct aws_call *call, char *where, size_t size)
{
    snprintf(where, size, "%s %s%s%.80s in %s", aws_service_title(call->service), call->action,
             call->resource != NULL ? " " : "", call->resource != NULL ? call->resource : "",
             call->region != NULL ? call->region : aws->region);
}

int32_t aws_send(ist_aws *aws, const struct aws_call *call, ist_http_response *response, ist_error *err)
{
    char where[sizeof(err->where)];
    aws_where(aws, call, where, sizeof(where));
    struct attempts a = {.backoff = {.tries = 8, .base_ms = 250, .cap_ms = 15000}};
    for (;;) {
        ist_http_response answer = {0};
        ist_error failed = {0};
        aws->http->fate = HTTP_HOPELESS; // credentials may fail before anything is sent
        const int32_t rc = exchange(aws, call, where, &answer, &failed);
        if (rc == IST_OK && answer.status >= 200 && answer.status < 300) {
            aws->error_code[0] = '\0';
            *response = answer;
            return IST_OK;
        }
        if (rc == IST_OK) {
            struct aws_fault fault;
            aws_fault_read(&answer, &fault);
            const int again = try_again(aws, call, &answer, &fault, &a);
            const int32_t refused = again ? IST_OK : refuse(aws, call, &answer, &fault, where, err);
            ist_http_response_free(&answer);
            if (!again)
                return refused;
            continue;
        }
        aws->error_code[0] = '\0';
        const int may = aws->http->fate == HTTP_UNSENT || (aws->http->fate == HTTP_LOST && call->repeatable);
        const int32_t waited =
            may && rc != IST_ERR_TIMEOUT ? ist_backoff_wait(&aws->env, &a.backoff, 0) : IST_ERR_LIMIT;
        if (waited == IST_OK)
            continue;
        if (waited == IST_ERR_CANCELLED)
            return ist_fail(err, waited, where, "cancelled while waiting to try again");
        if (err != NULL)
            *err = failed;
        return rc;
    }
}
