// Broken configurations by the thousand, in this process, so that the sanitizers see every one: the Stars
// pipeline and one that uses every kind of input, cut off at each byte and with bytes changed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config_fixture.h"

#include <isthmus/alloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char every_kind[] =
    "isthmus: {jobs: 3, grace: 5s, plugins: [x]}\n"
    "vars: &v\n  sites: [a, b]\n  psk: \"hunter22\"\n  deep: {a: [1, {b: \"${env.HOME}\"}]}\n"
    "x-base: &base {<<: {mode: slow}, count: 3}\n"
    "pipelines:\n  p:\n    vars: {own: 1}\n    steps:\n"
    "      n:\n        plugin: net\n        for_each: ${var.sites}\n        timeout: 1h\n"
    "        with: {<<: *base, name: \"${each.key}-${var.own}\", extra: [10.1.0.0/16], on: true}\n"
    "      r:\n        plugin: router\n        when: ${env.NOPE:-true}\n        prevent_destroy: true\n"
    "        with:\n          - {DmvpnIp: 10.0.0.1, nhrp: {key: abc, HubTunnelIP: 10.0.0.2}}\n"
    "          - ssh: {port: '2222'}\n            subnets: ${steps.n[a].routes}\n"
    "      a:\n        plugin: app\n        needs: [r, n]\n        with:\n          clusters:\n"
    "            - name: |\n                text\n              services: [{namespace: x}]\n"
    "          pods: {one: {image: !!str i, port: 0x50}}\n          kubeconfigs: {x: \"a ${steps.n[b].token} "
    "b\"}\n"
    "          next_hop: {kind: eni, id: eni-1}\n";

static void write_bytes(struct fixture *f, const char *text, size_t len)
{
    char *path = ist_printf("%s/conf.yaml", f->dir);
    FILE *to = fopen(path, "we");
    assert_non_null(to);
    assert_int_equal(fwrite(text, 1, len, to), len);
    fclose(to);
    ist_free(path);
}

// Loads what is there; whatever happens, it is said and nothing else.
static void load(struct fixture *f)
{
    int rc = fixture_reload(f, NULL, 0);
    if (rc)
        assert_true(diags_errors(f->diags) > 0);
    else
        assert_int_equal(diags_errors(f->diags), 0);
}

static void cut_at_each_byte(struct fixture *f, const char *text, size_t len)
{
    for (size_t i = 0; i <= len; i++) {
        write_bytes(f, text, i);
        load(f);
    }
}

static void the_pipeline_that_uses_everything_is_right_to_begin_with(void **state)
{
    struct fixture *f = *state;
    unsetenv("NOPE");
    fixture_load(f, every_kind);
    // "2222" in quotes is the one mistake in it.
    assert_int_equal(diags_errors(f->diags), 1);
    assert_true(fixture_said(f, 0, 0, "`ssh.port`: expected an integer"));
}

static void cut_off_anywhere_it_is_refused_or_whole(void **state)
{
    cut_at_each_byte(*state, every_kind, sizeof(every_kind) - 1);
}

static void with_any_byte_changed_it_is_refused_or_whole(void **state)
{
    static const char bytes[] = {'\0', '\t', ' ', '\n', '"', '{', ']',    ':',
                                 '$',  '&',  '*', '!',  '-', '#', '\xff', '9'};
    char *copy = ist_strdup(every_kind);
    for (size_t i = 0; i < sizeof(every_kind) - 1; i++) {
        char was = copy[i];
        for (size_t b = i % 4; b < sizeof(bytes); b += 4) {
            copy[i] = bytes[b];
            write_bytes(*state, copy, sizeof(every_kind) - 1);
            load(*state);
        }
        copy[i] = was;
    }
    ist_free(copy);
}

// The shipped pipeline, its includes named from where they are.
static char *stars(void)
{
    const char *src = getenv("SRC");
    char *path = ist_printf("%s/conf.d/stars.yaml", src ? src : "."), *line = NULL;
    FILE *in = fopen(path, "re");
    size_t room = 0;
    ist_buf out = {0};
    ist_free(path);
    if (!in)
        return NULL;
    while (getline(&line, &room, in) >= 0) {
        char *include = strstr(line, "!include ");
        if (include)
            ist_buf_printf(&out, "%.*s!include %s/conf.d/%s", (int)(include - line), line, src ? src : ".",
                           include + strlen("!include "));
        else
            ist_buf_puts(&out, line);
    }
    free(line);
    fclose(in);
    return ist_buf_take(&out);
}

static void the_stars_pipeline_cut_off_anywhere_is_refused_or_whole(void **state)
{
    char *text = stars();
    assert_non_null(text);
    assert_true(strlen(text) > 1000);
    cut_at_each_byte(*state, text, strlen(text));
    ist_free(text);
}

static int set_up(void **state)
{
    *state = fixture_new();
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_pipeline_that_uses_everything_is_right_to_begin_with),
        T(cut_off_anywhere_it_is_refused_or_whole),
        T(with_any_byte_changed_it_is_refused_or_whole),
        T(the_stars_pipeline_cut_off_anywhere_is_refused_or_whole),
    };
    return cmocka_run_group_tests_name("broken configuration", tests, NULL, NULL);
}
