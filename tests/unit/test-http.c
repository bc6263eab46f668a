// The HTTP session against a server that misbehaves in every way a test can ask for.
#include "fake-call.h"
#include "httpd.h"

#include <isthmus/alloc.h>
#include <isthmus/http.h>
#include <isthmus/retry.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static ist_env env_of(struct fake_call *fake, uint32_t operation, int64_t within_ms)
{
    memset(fake, 0, sizeof(*fake));
    fake->operation = operation;
    fake->deadline = fake_now_ms() + within_ms;
    fake->wants_trace = 1;
    assert_int_equal(pipe(fake->cancel), 0);
    return fake_env(fake);
}

static void env_end(struct fake_call *fake)
{
    close(fake->cancel[0]);
    close(fake->cancel[1]);
}

static void *cancel_soon(void *arg)
{
    struct fake_call *fake = arg;
    usleep(200000);
    __atomic_store_n(&fake->stop, 1, __ATOMIC_SEQ_CST);
    if (write(fake->cancel[1], "x", 1) != 1)
        abort();
    return NULL;
}

// ---- the server ----

struct world {
    int busy_left;       // so many 503s before an answer
    int posts;           // how many POSTs arrived
    char last_body[256]; // of the last POST
    char last_method[16];
    char auth[128];
};

static void handler(void *arg, const struct httpd_request *rq, struct httpd_reply *reply)
{
    struct world *w = arg;
    snprintf(w->last_method, sizeof(w->last_method), "%s", rq->method);
    httpd_header(rq, "Authorization", w->auth, sizeof(w->auth));
    if (strcmp(rq->method, "POST") == 0) {
        w->posts++;
        snprintf(w->last_body, sizeof(w->last_body), "%s", rq->body);
    }
    if (strncmp(rq->target, "/ok", 3) == 0) {
        reply->body = strdup("hello");
        reply->headers = "X-Two: a\r\nX-Two: b\r\nSet-Cookie: CXAccessToken=minted-cookie\r\n";
    } else if (strcmp(rq->target, "/busy") == 0 && w->busy_left > 0) {
        w->busy_left--;
        reply->status = 503;
        reply->headers = "Retry-After: 1\r\n";
    } else if (strcmp(rq->target, "/cut-once") == 0 && w->busy_left > 0) {
        w->busy_left--;
        reply->body = strdup("0123456789");
        reply->cut_after = 45; // inside the body
    } else if (strcmp(rq->target, "/drop") == 0) {
        reply->cut_after = 0;
    } else if (strcmp(rq->target, "/slow") == 0) {
        reply->delay_ms = 5000;
    } else if (strcmp(rq->target, "/big") == 0) {
        reply->body_len = 300000;
        reply->body = calloc(1, reply->body_len);
    } else if (strcmp(rq->target, "/clusters") == 0) {
        reply->status = 301;
        reply->headers = "Location: /ok/\r\n";
    } else if (strcmp(rq->target, "/away") == 0) {
        reply->status = 302;
        reply->headers = "Location: http://127.0.0.2:9/\r\n";
    } else if (strcmp(rq->target, "/loop") == 0) {
        reply->status = 302;
        reply->headers = "Location: /loop\r\n";
    } else if (strcmp(rq->target, "/second-dies") == 0 && rq->on_connection > 1) {
        reply->cut_after = 0;
    } else {
        reply->body = strdup("fine");
    }
}

struct fixture {
    struct httpd *server;
    struct world world;
    ist_http *http;
    ist_http_response response;
    ist_error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->server = httpd_start(handler, &f->world, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    ist_http_response_free(&f->response);
    ist_http_free(f->http);
    httpd_stop(f->server);
    free(f);
    return 0;
}

static void open_session(struct fixture *f, const ist_env *env, size_t max_body)
{
    const ist_http_options options = {.size = sizeof(options), .max_body = max_body};
    assert_int_equal(ist_http_new(env, &options, &f->http, &f->err), IST_OK);
}

static int32_t ask(struct fixture *f, ist_http_request request, const char *path)
{
    char url[256];
    snprintf(url, sizeof(url), "%s%s", httpd_url(f->server), path);
    request.size = sizeof(request);
    request.url = url;
    if (request.method == NULL)
        request.method = "GET";
    ist_http_response_free(&f->response);
    return ist_http_send(f->http, &request, &f->response, &f->err);
}

static void answers_are_read_with_their_headers(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    assert_int_equal(ask(f, (ist_http_request){0}, "/ok"), IST_OK);
    assert_int_equal(f->response.status, 200);
    assert_string_equal(f->response.body, "hello");
    assert_string_equal(ist_http_header(&f->response, "x-two"), "a, b");
    assert_null(ist_http_header(&f->response, "absent"));
}

static void a_busy_server_is_asked_again_after_what_it_says(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    f->world.busy_left = 1;
    const int64_t began = fake_now_ms();
    assert_int_equal(ask(f, (ist_http_request){0}, "/busy"), IST_OK);
    assert_int_equal(f->response.status, 200);
    assert_true(fake_now_ms() - began >= 1000);
    assert_int_equal(httpd_count(f->server), 2);
}

static void a_busy_answer_is_handed_back_when_tries_are_used_up(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    f->world.busy_left = 100;
    assert_int_equal(ask(f, (ist_http_request){.tries = 2}, "/busy"), IST_OK);
    assert_int_equal(f->response.status, 503);
    assert_int_equal(httpd_count(f->server), 2);
}

static void a_read_cut_mid_body_is_sent_again(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    f->world.busy_left = 1;
    assert_int_equal(ask(f, (ist_http_request){0}, "/cut-once"), IST_OK);
    assert_string_equal(f->response.body, "fine");
}

static void a_write_whose_answer_is_lost_is_sent_once(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    const ist_http_request post = {.method = "POST", .body = "a=b", .body_len = 3};
    assert_int_equal(ask(f, post, "/drop"), IST_ERR_NETWORK);
    assert_int_equal(f->world.posts, 1);
    assert_non_null(strstr(f->err.text, "not known"));
    assert_int_equal(f->response.status, 0); // untouched
}

static void a_dead_kept_connection_does_not_repeat_a_write(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    assert_int_equal(ask(f, (ist_http_request){0}, "/ok"), IST_OK);
    const ist_http_request post = {.method = "POST", .body = "a=b", .body_len = 3};
    assert_int_equal(ask(f, post, "/second-dies"), IST_OK); // on a connection of its own
    assert_int_equal(f->world.posts, 1);
}

static void an_idempotent_write_is_sent_again(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    f->world.busy_left = 1;
    const ist_http_request post = {.method = "POST", .body = "a=b", .body_len = 3, .idempotent = 1};
    assert_int_equal(ask(f, post, "/cut-once"), IST_OK);
    assert_int_equal(f->world.posts, 2);
}

static void nobody_listening_is_a_network_error_that_names_the_call(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    ist_http_request get = {.size = sizeof(get), .method = "GET", .tries = 2};
    get.url = "http://user:pw@127.0.0.1:1/x?token=abc";
    assert_int_equal(ist_http_send(f->http, &get, &f->response, &f->err), IST_ERR_NETWORK);
    assert_string_equal(f->err.where, "GET http://127.0.0.1:1/x");
}

static void a_slow_answer_ends_at_the_requests_limit(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    assert_int_equal(ask(f, (ist_http_request){.request_ms = 200, .tries = 1}, "/slow"), IST_ERR_NETWORK);
    assert_non_null(strstr(f->err.text, "200 ms"));
}

static void the_operations_deadline_cuts_a_slow_answer(void **state)
{
    struct fixture *f = *state;
    struct fake_call fake;
    const ist_env env = env_of(&fake, IST_OP_APPLY, 300);
    open_session(f, &env, 0);
    const int64_t began = fake_now_ms();
    assert_int_equal(ask(f, (ist_http_request){0}, "/slow"), IST_ERR_TIMEOUT);
    assert_true(fake_now_ms() - began < 2000);
    env_end(&fake);
}

static void cancel_ends_a_wait_at_once(void **state)
{
    struct fixture *f = *state;
    struct fake_call fake;
    pthread_t thread;
    const ist_env env = env_of(&fake, IST_OP_APPLY, 60000);
    open_session(f, &env, 0);
    const int64_t began = fake_now_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &fake), 0);
    assert_int_equal(ask(f, (ist_http_request){0}, "/slow"), IST_ERR_CANCELLED);
    pthread_join(thread, NULL);
    assert_true(fake_now_ms() - began < 1000);
    env_end(&fake);
}

static void cancel_ends_a_back_off_too(void **state)
{
    struct fixture *f = *state;
    struct fake_call fake;
    pthread_t thread;
    const ist_env env = env_of(&fake, IST_OP_APPLY, 60000);
    open_session(f, &env, 0);
    f->world.busy_left = 100;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &fake), 0);
    assert_int_equal(ask(f, (ist_http_request){0}, "/busy"), IST_ERR_CANCELLED);
    pthread_join(thread, NULL);
    env_end(&fake);
}

// A server that takes connections and says nothing: the second stream waits for the first one's connection, and nobody
// but us looks at its time.
static void a_stream_that_waits_for_a_connection_ends_at_its_limit(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    const ist_http_options options = {.size = sizeof(options), .connect_ms = 600000};
    assert_int_equal(ist_http_new(NULL, &options, &f->http, &f->err), IST_OK);
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", ntohs(at.sin_port));
    ist_http_request get = {.size = sizeof(get), .method = "GET", .url = url};
    ist_http_stream *streams[2] = {0};
    assert_int_equal(ist_http_stream_open(f->http, &get, &streams[0], &f->err), IST_OK);
    get.request_ms = 200;
    assert_int_equal(ist_http_stream_open(f->http, &get, &streams[1], &f->err), IST_OK);
    const char *bytes;
    size_t len;
    int ended = 0;
    int32_t rc = IST_OK;
    for (const int64_t end = fake_now_ms() + 20000; !ended && fake_now_ms() < end;) {
        (void)ist_http_stream_wait(NULL, streams, 2, 1000, &f->err);
        rc = ist_http_stream_read(streams[1], &bytes, &len, &ended, &f->err);
    }
    assert_true(ended);
    assert_int_equal(rc, IST_ERR_NETWORK);
    assert_int_equal(ist_http_stream_read(streams[0], &bytes, &len, &ended, &f->err), IST_OK);
    assert_false(ended);
    ist_http_stream_close(streams[1]);
    ist_http_stream_close(streams[0]);
    close(fd);
}

static void an_answer_over_the_cap_is_refused(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 100000);
    assert_int_equal(ask(f, (ist_http_request){0}, "/big"), IST_ERR_LIMIT);
    assert_int_equal(httpd_count(f->server), 1);
}

static void redirects_keep_method_and_body_on_the_same_server(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    const ist_http_request post = {.method = "POST", .body = "x=1", .body_len = 3, .follow = 1};
    assert_int_equal(ask(f, post, "/clusters"), IST_OK);
    assert_int_equal(f->response.status, 200);
    assert_string_equal(f->world.last_method, "POST");
    assert_string_equal(f->world.last_body, "x=1");
}

static void a_redirect_is_handed_back_unless_asked_to_follow(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    assert_int_equal(ask(f, (ist_http_request){0}, "/clusters"), IST_OK);
    assert_int_equal(f->response.status, 301);
}

static void redirects_to_another_server_are_refused(void **state)
{
    struct fixture *f = *state;
    open_session(f, NULL, 0);
    assert_int_equal(ask(f, (ist_http_request){.follow = 1}, "/away"), IST_ERR_REMOTE);
    assert_int_equal(ask(f, (ist_http_request){.follow = 1}, "/loop"), IST_ERR_REMOTE);
}

static void observe_plan_and_verify_refuse_writes(void **state)
{
    struct fixture *f = *state;
    static const uint32_t ops[] = {IST_OP_OBSERVE, IST_OP_PLAN, IST_OP_VERIFY};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        struct fake_call fake;
        const ist_env env = env_of(&fake, ops[i], 10000);
        ist_http_free(f->http);
        open_session(f, &env, 0);
        assert_int_equal(ask(f, (ist_http_request){.method = "POST"}, "/ok"), IST_ERR_READ_ONLY);
        assert_int_equal(ask(f, (ist_http_request){.method = "DELETE"}, "/ok"), IST_ERR_READ_ONLY);
        // Not even a GET unless its caller says that it only reads.
        assert_int_equal(ask(f, (ist_http_request){0}, "/ok"), IST_ERR_READ_ONLY);
        assert_int_equal(ask(f, (ist_http_request){.method = "POST", .read = 1}, "/ok"), IST_OK);
        env_end(&fake);
    }
    assert_int_equal(f->world.posts, 3);
}

static void traces_show_the_call_and_nothing_that_authenticates(void **state)
{
    struct fixture *f = *state;
    struct fake_call fake;
    const ist_env env = env_of(&fake, IST_OP_APPLY, 10000);
    open_session(f, &env, 0);
    static const char *const headers[] = {"Authorization: Bearer top-secret", "X-Auth-Token: hidden-token",
                                          "X-Shown: yes", NULL};
    const ist_http_request login = {
        .method = "POST", .headers = headers, .body = "password=in-the-body", .body_len = 20, .secret = 1};
    assert_int_equal(ask(f, login, "/ok?X-Amz-Signature=f00&Action=X&password=pw1"), IST_OK);
    assert_string_equal(f->world.auth, "Bearer top-secret");
    assert_non_null(strstr(fake.trace, "> POST http://127.0.0.1"));
    assert_non_null(strstr(fake.trace, "X-Shown: yes"));
    assert_non_null(strstr(fake.trace, "X-Amz-Signature=***&Action=X&password=***"));
    static const char *const hidden[] = {"top-secret", "hidden-token", "in-the-body", "minted-cookie",
                                         "f00",        "pw1",          "hello"};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        assert_null(strstr(fake.trace, hidden[i]));
    env_end(&fake);
}

static int32_t over_tls(struct fixture *f, const struct httpd *server, const ist_http_options *options)
{
    ist_http_free(f->http);
    f->http = NULL;
    assert_int_equal(ist_http_new(NULL, options, &f->http, &f->err), IST_OK);
    char url[128];
    snprintf(url, sizeof(url), "%s/ok", httpd_url(server));
    const ist_http_request get = {.size = sizeof(get), .method = "GET", .url = url, .tries = 2};
    ist_http_response_free(&f->response);
    return ist_http_send(f->http, &get, &f->response, &f->err);
}

static void tls_is_verified(void **state)
{
    struct fixture *f = *state;
    struct world world = {0};
    struct httpd *server = httpd_start(handler, &world, 1);
    assert_int_equal(over_tls(f, server, NULL), IST_ERR_NETWORK);
    assert_non_null(strstr(f->err.text, "TLS"));
    assert_true(f->err.hint[0] != '\0');
    assert_int_equal(httpd_count(server), 0);
    ist_http_options options = {.size = sizeof(options), .ca_pem = httpd_ca(server)};
    assert_int_equal(over_tls(f, server, &options), IST_OK);
    options.pinned_key = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_int_equal(over_tls(f, server, &options), IST_ERR_NETWORK);
    options = (ist_http_options){.size = sizeof(options), .insecure = 1};
    assert_int_equal(over_tls(f, server, &options), IST_OK);
    httpd_stop(server);
}

static void a_missing_ca_file_is_said_before_any_call(void **state)
{
    struct fixture *f = *state;
    const ist_http_options options = {.size = sizeof(options), .ca_file = "/nowhere/ca.pem"};
    assert_int_equal(ist_http_new(NULL, &options, &f->http, &f->err), IST_ERR_INPUT);
    assert_string_equal(f->err.where, "/nowhere/ca.pem");
    assert_null(f->http);
}

static void urls_and_forms_are_encoded_as_rfc_3986_says(void **state)
{
    (void)state;
    char *text = ist_url_encode("a b/ü~+*", 0);
    assert_string_equal(text, "a%20b%2F%C3%BC~%2B%2A");
    ist_free(text);
    text = ist_url_encode("/x y/", 1);
    assert_string_equal(text, "/x%20y/");
    ist_free(text);
    json_t *form = json_pack("{s:s,s:s}", "username", "admin", "password", "a&b=c");
    text = ist_form_encode(form);
    assert_string_equal(text, "username=admin&password=a%26b%3Dc");
    ist_free(text);
    json_decref(form);
}

static void back_off_is_jittered_doubles_and_ends(void **state)
{
    (void)state;
    int64_t largest = 0;
    for (int round = 0; round < 200; round++) {
        ist_backoff backoff = {.base_ms = 100, .cap_ms = 350, .tries = 5};
        static const int64_t ceiling[] = {100, 200, 350, 350};
        for (int i = 0; i < 4; i++) {
            const int64_t wait = ist_backoff_next(&backoff);
            assert_true(wait >= 0 && wait <= ceiling[i]);
            largest = wait > largest ? wait : largest;
        }
        assert_int_equal(ist_backoff_next(&backoff), -1);
    }
    assert_true(largest > 200); // it does spread: 800 draws all below would be a broken generator
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(answers_are_read_with_their_headers),
        CASE(a_busy_server_is_asked_again_after_what_it_says),
        CASE(a_busy_answer_is_handed_back_when_tries_are_used_up),
        CASE(a_read_cut_mid_body_is_sent_again),
        CASE(a_write_whose_answer_is_lost_is_sent_once),
        CASE(a_dead_kept_connection_does_not_repeat_a_write),
        CASE(an_idempotent_write_is_sent_again),
        CASE(nobody_listening_is_a_network_error_that_names_the_call),
        CASE(a_slow_answer_ends_at_the_requests_limit),
        CASE(the_operations_deadline_cuts_a_slow_answer),
        CASE(cancel_ends_a_wait_at_once),
        CASE(cancel_ends_a_back_off_too),
        CASE(a_stream_that_waits_for_a_connection_ends_at_its_limit),
        CASE(an_answer_over_the_cap_is_refused),
        CASE(redirects_keep_method_and_body_on_the_same_server),
        CASE(a_redirect_is_handed_back_unless_asked_to_follow),
        CASE(redirects_to_another_server_are_refused),
        CASE(observe_plan_and_verify_refuse_writes),
        CASE(traces_show_the_call_and_nothing_that_authenticates),
        CASE(tls_is_verified),
        CASE(a_missing_ca_file_is_said_before_any_call),
        cmocka_unit_test(urls_and_forms_are_encoded_as_rfc_3986_says),
        cmocka_unit_test(back_off_is_jittered_doubles_and_ends),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
