// The wire: frames that come whole, in pieces, cut, oversized, deep, and as junk.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/wire.h"

#include <isthmus/alloc.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
    int ours, theirs;
    struct wire_reader *reader;
};

static int set_up(void **state)
{
    static struct pair pair;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    pair = (struct pair){fds[0], fds[1], wire_reader_new(fds[0])};
    *state = &pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *p = *state;
    wire_reader_free(p->reader);
    close(p->ours);
    if (p->theirs >= 0)
        close(p->theirs);
    return 0;
}

static void send_frame(struct pair *p, const char *text, size_t claimed)
{
    unsigned char head[4] = {(unsigned char)(claimed >> 24), (unsigned char)(claimed >> 16),
                             (unsigned char)(claimed >> 8), (unsigned char)claimed};
    assert_int_equal(send(p->theirs, head, 4, 0), 4);
    assert_int_equal(send(p->theirs, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void expect_broken(struct pair *p, const char *text)
{
    json_t *message;
    ist_error err = {0};
    assert_int_equal(wire_read(p->reader, &message, &err), -1);
    if (!strstr(err.text, text))
        fail_msg("expected \"%s\" in \"%s\"", text, err.text);
}

static void what_is_sent_is_read(void **state)
{
    struct pair *p = *state;
    json_t *message;
    assert_int_equal(wire_read(p->reader, &message, NULL), 0);
    for (int i = 0; i < 3; i++) {
        json_t *sent = json_pack("{s:s,s:i,s:s}", "type", "log", "level", i, "text", "caf\xc3\xa9");
        assert_int_equal(wire_send(p->theirs, sent, 1000, NULL), 0);
        json_decref(sent);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wire_read(p->reader, &message, NULL), 1);
        assert_int_equal(json_integer_value(json_object_get(message, "level")), i);
        json_decref(message);
    }
    assert_int_equal(wire_read(p->reader, &message, NULL), 0);
}

static void a_frame_byte_by_byte_is_one_frame(void **state)
{
    struct pair *p = *state;
    json_t *message;
    const char frame[] = "\0\0\0\x0e{\"type\":\"log\"}";
    for (size_t i = 0; i < sizeof(frame) - 1; i++) {
        assert_int_equal(wire_read(p->reader, &message, NULL), 0);
        assert_int_equal(send(p->theirs, frame + i, 1, 0), 1);
    }
    assert_int_equal(wire_read(p->reader, &message, NULL), 1);
    json_decref(message);
}

static void *send_large(void *arg)
{
    const struct pair *p = arg;
    size_t len = (size_t)15 << 20;
    char *text = ist_malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    json_t *message = json_pack("{s:s,s:s}", "type", "observed", "value", text);
    ist_free(text);
    int rc = wire_send(p->theirs, message, 10000, NULL);
    json_decref(message);
    return (void *)(intptr_t)rc;
}

static void fifteen_megabytes_pass_and_seventeen_are_not_sent(void **state)
{
    struct pair *p = *state;
    pthread_t thread;
    void *rc;
    json_t *message = NULL;
    assert_int_equal(pthread_create(&thread, NULL, send_large, p), 0);
    for (int i = 0; i < 100000 && !message; i++)
        if (wire_read(p->reader, &message, NULL) == 0)
            usleep(100);
    pthread_join(thread, &rc);
    assert_null(rc);
    assert_int_equal(json_string_length(json_object_get(message, "value")), (size_t)15 << 20);
    json_decref(message);
    char *text = ist_calloc(1, ((size_t)17 << 20) + 1);
    memset(text, 'x', (size_t)17 << 20);
    message = json_pack("{s:s,s:s}", "type", "observed", "value", text);
    ist_free(text);
    assert_int_equal(wire_send(p->theirs, message, 1000, NULL), IST_ERR_LIMIT);
    json_decref(message);
    assert_int_equal(wire_read(p->reader, &message, NULL), 0); // not a byte of it
}

static void a_length_over_the_limit_breaks_it(void **state)
{
    struct pair *p = *state;
    send_frame(p, "", (16u << 20) + 1);
    expect_broken(p, "a frame of 16 MiB: at most 16");
    expect_broken(p, "a frame of 16 MiB"); // and stays so
}

static void junk_breaks_it(void **state)
{
    struct pair *p = *state;
    send_frame(p, "this is no JSON", 15);
    expect_broken(p, "not valid JSON");
}

static void what_is_no_message_breaks_it(void **state)
{
    struct pair *p = *state;
    const char *const texts[] = {"[]", "3", "{}", "{\"type\":3}", "null"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        send_frame(p, texts[i], strlen(texts[i]));
        expect_broken(p, "a frame that is no message");
    }
    send_frame(p, "{\"type\":\"a\",\"type\":\"b\"}", 23);
    expect_broken(p, "duplicate");
    send_frame(p, "", 0);
    expect_broken(p, "not valid JSON");
}

static void over_64_levels_break_it(void **state)
{
    struct pair *p = *state;
    char text[1024] = "{\"type\":\"observed\",\"value\":";
    size_t n = strlen(text);
    for (int i = 0; i < 70; i++)
        text[n++] = '[';
    for (int i = 0; i < 70; i++)
        text[n++] = ']';
    text[n++] = '}';
    text[n] = '\0';
    send_frame(p, text, n);
    expect_broken(p, "nested over 64 levels");
}

static void bytes_that_are_not_utf8_break_it(void **state)
{
    struct pair *p = *state;
    send_frame(p, "{\"type\":\"\xff\xfe\"}", 13);
    expect_broken(p, "not valid JSON");
}

static void an_end_is_told_from_a_cut(void **state)
{
    struct pair *p = *state;
    send_frame(p, "{\"type\":", 100);
    close(p->theirs);
    p->theirs = -1;
    expect_broken(p, "ended in the middle of a frame");
    json_t *message;
    ist_error err = {0};
    assert_int_equal(wire_read(p->reader, &message, &err), -1);
    assert_int_equal(err.code, IST_ERR_NOT_FOUND);
}

static void one_who_reads_nothing_is_given_up(void **state)
{
    struct pair *p = *state;
    ist_error err = {0};
    char *text = ist_calloc(1, ((size_t)4 << 20) + 1);
    memset(text, 'x', (size_t)4 << 20);
    json_t *message = json_pack("{s:s,s:s}", "type", "op", "inputs", text);
    ist_free(text);
    assert_int_equal(wire_send(p->theirs, message, 100, &err), IST_ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "reads nothing for 100 ms"));
    json_decref(message);
}

static void a_closed_wire_cannot_be_written_and_kills_nobody(void **state)
{
    struct pair *p = *state;
    shutdown(p->ours, SHUT_RDWR);
    json_t *message = json_pack("{s:s}", "type", "cancel");
    assert_int_equal(wire_send(p->theirs, message, 100, NULL), IST_ERR_NETWORK);
    json_decref(message);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_sent_is_read),
        CASE(a_frame_byte_by_byte_is_one_frame),
        CASE(fifteen_megabytes_pass_and_seventeen_are_not_sent),
        CASE(a_length_over_the_limit_breaks_it),
        CASE(junk_breaks_it),
        CASE(what_is_no_message_breaks_it),
        CASE(over_64_levels_break_it),
        CASE(bytes_that_are_not_utf8_break_it),
        CASE(an_end_is_told_from_a_cut),
        CASE(one_who_reads_nothing_is_given_up),
        CASE(a_closed_wire_cannot_be_written_and_kills_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
