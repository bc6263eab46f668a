// Render: no secret leaves in any form, plans read as documented, and a terminal is redrawn in place.
#include "render/render.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct screen {
    char *out, *err;
    size_t out_len, err_len;
    struct render_options options;
    struct render *render;
};

static void screen_open(struct screen *screen, enum render_format format, bool terminal)
{
    memset(screen, 0, sizeof(*screen));
    screen->options = (struct render_options){.format = format,
                                              .terminal = terminal,
                                              .out = open_memstream(&screen->out, &screen->out_len),
                                              .err = open_memstream(&screen->err, &screen->err_len)};
    screen->render = render_new(&screen->options);
}

static void screen_read(struct screen *screen)
{
    render_finish(screen->render);
}

static void screen_close(struct screen *screen)
{
    render_free(screen->render);
    fclose(screen->options.out);
    fclose(screen->options.err);
    free(screen->out);
    free(screen->err);
}

static void secret(struct screen *screen, const char *value)
{
    render_secret(screen->render, value, strlen(value));
}

static void assert_redacted(struct screen *screen, const char *text)
{
    char *clean = render_redact(screen->render, text);
    if (strcmp(clean, text) == 0)
        fail_msg("left as it is: %s", text);
    ist_free(clean);
}

static void a_secret_is_found_in_every_form(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    secret(&screen, "p\"a<s>s & w\u00f6rd/\\'1+");
    assert_redacted(&screen, "raw: p\"a<s>s & w\u00f6rd/\\'1+!");
    assert_redacted(&screen, "{\"k\":\"p\\\"a<s>s & w\u00f6rd/\\\\'1+\"}");
    assert_redacted(&screen, "{\"k\":\"p\\\"a<s>s & w\\u00F6rd/\\\\'1+\"}");
    assert_redacted(&screen, "<k>p&quot;a&lt;s&gt;s &amp; w\u00f6rd/\\&apos;1+</k>");
    assert_redacted(&screen, "<k>p&quot;a&lt;s&gt;s &amp; w\u00f6rd/\\&#39;1+</k>");
    assert_redacted(&screen, "?k=p%22a%3Cs%3Es%20%26%20w%C3%B6rd%2F%5C%271%2B&x");
    assert_redacted(&screen, "?k=p%22a%3cs%3es%20%26%20w%c3%b6rd%2f%5c%271%2b&x");
    assert_redacted(&screen, "k=p%22a%3Cs%3Es+%26+w%C3%B6rd%2F%5C%271%2B");
    screen_close(&screen);
}

static void base64_hides_nothing_at_any_alignment(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    const char *value = "cisco123?>~";
    secret(&screen, value);
    for (int before = 0; before < 7; before++) {
        char plain[64];
        unsigned char coded[128];
        snprintf(plain, sizeof(plain), "%.*s%s:tail", before, "abcdefg", value);
        EVP_EncodeBlock(coded, (unsigned char *)plain, (int)strlen(plain));
        assert_redacted(&screen, (char *)coded);
        for (unsigned char *c = coded; *c; c++)
            *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
        assert_redacted(&screen, (char *)coded);
    }
    char *clean = render_redact(screen.render, "nothing here, not even cisco12");
    assert_string_equal(clean, "nothing here, not even cisco12");
    ist_free(clean);
    screen_close(&screen);
}

static void a_key_of_many_lines_is_found_line_by_line(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    secret(&screen, "apiVersion: v1\nclient-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt\n");
    assert_redacted(&screen, "key LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt");
    char *clean = render_redact(screen.render, "apiVersion: v1 is fine");
    assert_string_equal(clean, "apiVersion: v1 is fine");
    ist_free(clean);
    screen_close(&screen);
}

static void the_longest_secret_wins_and_short_ones_are_ignored(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    secret(&screen, "abc");
    secret(&screen, "password");
    secret(&screen, "password-long");
    char *clean = render_redact(screen.render, "abc password-longer password");
    assert_string_equal(clean, "abc (secret)er (secret)");
    ist_free(clean);
    screen_close(&screen);
}

static void numbers_keys_and_nested_strings_are_redacted(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_JSONL, false);
    secret(&screen, "20261122");
    render_event(screen.render,
                 json_pack("{s:s, s:[i, {s:s}]}", "event", "x", "list", 20261122, "20261122", "v"));
    screen_read(&screen);
    assert_null(strstr(screen.out, "20261122\""));
    assert_null(strstr(screen.out, "[20261122"));
    assert_non_null(strstr(screen.out, "\"time\":\""));
    screen_close(&screen);
}

static void a_short_secret_does_not_spoil_other_inputs(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    secret(&screen, "admin");
    secret(&screen, "long-password");
    json_t *inputs = json_pack("{s:s, s:s}", "username", "admin", "url", "https://x:long-password@y");
    json_t *kept = render_redact_inputs(screen.render, inputs),
           *shown = render_redact_json(screen.render, inputs);
    assert_string_equal(ist_json_str(kept, "username"), "admin");
    assert_string_equal(ist_json_str(kept, "url"), "https://x:(secret)@y");
    assert_string_equal(ist_json_str(shown, "username"), "(secret)");
    json_decref(inputs);
    json_decref(kept);
    json_decref(shown);
    screen_close(&screen);
}

static json_t *plan_event(void)
{
    return json_loads(
        "{\"event\":\"plan\",\"step\":\"routes\",\"plugin\":\"aws-routes\",\"kind\":\"change\",\"changes\":["
        "{\"action\":\"create\",\"resource\":\"route rtb-1 10.1.0.0/16\",\"fields\":["
        "{\"resource\":\"r\",\"field\":\"target\",\"after\":\"eni-1\"},{\"field\":\"id\"}]},"
        "{\"action\":\"update\",\"resource\":\"route rtb-2\",\"reason\":\"drift\",\"fields\":["
        "{\"field\":\"target\",\"before\":\"eni-1\",\"after\":\"eni-2\"},"
        "{\"field\":\"key\",\"secret\":true}]},"
        "{\"action\":\"replace\",\"resource\":\"a\"},{\"action\":\"delete\",\"resource\":\"b\"}]}",
        0, NULL);
}

static void a_plan_reads_as_documented(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    render_event(screen.render, plan_event());
    screen_read(&screen);
    assert_string_equal(screen.out, "routes (aws-routes)\n"
                                    "  +   create  route rtb-1 10.1.0.0/16\n"
                                    "      target: \"eni-1\"\n"
                                    "      id: (known after apply)\n"
                                    "  ~   update  route rtb-2  (drift)\n"
                                    "      target: \"eni-1\" -> \"eni-2\"\n"
                                    "      key: (secret) changes\n"
                                    "  -/+ replace a\n"
                                    "  -   delete  b\n");
    screen_close(&screen);
}

static void json_is_one_document(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_JSON, false);
    render_event(screen.render, plan_event());
    render_event(screen.render, json_pack("{s:s, s:s}", "event", "progress", "step", "x"));
    render_event(screen.render, json_pack("{s:s, s:i}", "event", "summary", "exit", 0));
    screen_read(&screen);
    json_t *all = json_loads(screen.out, 0, NULL);
    assert_non_null(all);
    assert_string_equal(ist_json_str(all, "plan[0].changes[1].fields[0].after"), "eni-2");
    assert_int_equal(ist_json_int(all, "summary.exit", 9), 0);
    json_decref(all);
    screen_close(&screen);
}

static void what_others_wrote_cannot_move_the_cursor(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    render_event(screen.render,
                 json_pack("{s:s, s:s, s:s, s:s}", "event", "log", "level", "warn", "step", "s", "text",
                           "\033[2Jgone\r\a \xc2\x9b"
                           "2J"));
    screen_read(&screen);
    assert_null(strchr(screen.err, '\033'));
    assert_null(strchr(screen.err, '\r'));
    assert_null(strstr(screen.err, "\xc2\x9b"));
    screen_close(&screen);
}

static void a_terminal_shows_what_each_step_waits_for(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, true);
    render_event(screen.render,
                 json_pack("{s:s, s:s, s:i}", "event", "pass", "text", "applying stars", "steps", 3));
    render_event(screen.render,
                 json_pack("{s:s, s:s, s:s}", "event", "step-start", "step", "eks", "operation", "apply"));
    render_event(screen.render, json_pack("{s:s, s:s, s:s}", "event", "progress", "step", "eks", "text",
                                          "cluster: CREATING"));
    render_tick(screen.render);
    fflush(screen.options.err);
    assert_non_null(strstr(screen.err, "applying stars  0s  0 of 3 steps"));
    assert_non_null(strstr(screen.err, "cluster: CREATING"));
    render_line(screen.render, "a line");
    screen_read(&screen);
    assert_non_null(strstr(screen.err, "\033[2A\033[J"));
    assert_string_equal(screen.out, "a line\n");
    screen_close(&screen);
}

// What a router's line is called is the line itself: it is not said twice.
static void a_field_that_is_its_own_name_is_said_once(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    render_event(screen.render,
                 json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:[{s:s, s:n, s:s}, {s:s, s:s}, {s:s, s:s}, "
                           "{s:s, s:s, s:s}]}]}",
                           "event", "plan", "kind", "changes", "step", "router", "plugin", "csr-dmvpn",
                           "changes", "action", "update", "resource", "config", "fields",                //
                           "field", "interface Tunnel0 / ip mtu 1400", "before", "after", "ip mtu 1400", //
                           "field", "archive", "after", "archive",                                       //
                           "field", "region", "after", "on",                                             //
                           "field", "mtu 1", "before", "2", "after", "1"));
    screen_read(&screen);
    assert_non_null(
        strstr(screen.out, "\n      interface Tunnel0 / ip mtu 1400\n      archive\n      region: "));
    assert_non_null(strstr(screen.out, "\n      mtu 1: \"2\" -> \"1\"\n"));
    screen_close(&screen);
}

static void elsewhere_progress_is_plain_lines(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    render_event(screen.render, json_pack("{s:s, s:s, s:s, s:s}", "event", "progress", "step", "eks",
                                          "operation", "apply", "text", "cluster: CREATING"));
    render_tick(screen.render);
    screen_read(&screen);
    assert_string_equal(screen.err, "eks: cluster: CREATING (0s)\n");
    screen_close(&screen);
}

static void check(struct screen *screen, const char *step, const char *name, const char *result,
                  const char *evidence)
{
    render_event(screen->render, json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "check", "step", step,
                                           "name", name, "result", result, "evidence", evidence));
}

static void checks_come_by_step_and_end_with_who_reaches_whom(void **unused)
{
    (void)unused;
    struct screen screen;
    screen_open(&screen, RENDER_TEXT, false);
    check(&screen, "net", "client -> front", "pass", "open");
    check(&screen, "other", "it runs", "pass", "port 80 -> 8080");
    check(&screen, "net", "front -> client", "fail", "open, and should be closed");
    check(&screen, "net", "picture", "fail", "client -> front -> client");
    render_event(screen.render, json_pack("{s:s, s:s}", "event", "step-end", "step", "net"));
    render_event(screen.render, json_pack("{s:s, s:s}", "event", "summary", "text", "Verified."));
    screen_read(&screen);
    assert_string_equal(screen.out, "net\n"
                                    "  pass  client -> front  open\n"
                                    "  fail  front -> client  open, and should be closed\n"
                                    "  fail  picture          client -> front -> client\n"
                                    "other\n"
                                    "  pass  it runs  port 80 -> 8080\n"
                                    "\nnet\n"
                                    "  from \\ to  client  front\n"
                                    "  client     -       open\n"
                                    "  front      open!   -\n"
                                    "  ! is not as it should be\n"
                                    "picture: client -> front -> client\n"
                                    "\nVerified.\n");
    screen_close(&screen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_found_in_every_form),
        cmocka_unit_test(base64_hides_nothing_at_any_alignment),
        cmocka_unit_test(a_key_of_many_lines_is_found_line_by_line),
        cmocka_unit_test(the_longest_secret_wins_and_short_ones_are_ignored),
        cmocka_unit_test(numbers_keys_and_nested_strings_are_redacted),
        cmocka_unit_test(a_short_secret_does_not_spoil_other_inputs),
        cmocka_unit_test(a_plan_reads_as_documented),
        cmocka_unit_test(json_is_one_document),
        cmocka_unit_test(what_others_wrote_cannot_move_the_cursor),
        cmocka_unit_test(a_terminal_shows_what_each_step_waits_for),
        cmocka_unit_test(a_field_that_is_its_own_name_is_said_once),
        cmocka_unit_test(elsewhere_progress_is_plain_lines),
        cmocka_unit_test(checks_come_by_step_and_end_with_who_reaches_whom),
    };
    return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
