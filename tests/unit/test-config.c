// Configuration: merging, includes, references, what goes into state, and the order of steps.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config_fixture.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int set_up(void **state)
{
    *state = fixture_new();
    unsetenv("ISTHMUS_NOT_SET");
    setenv("ISTHMUS_TEST_WORD", "word", 1);
    setenv("ISTHMUS_TEST_NUMBER", "7", 1);
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

#define STEPS "pipelines:\n  p:\n    steps:\n"

static void holds(char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("%s\n  does not hold %s", text, part);
    ist_free(text);
}

static void lacks(char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("%s\n  holds %s", text, part);
    ist_free(text);
}

static void later_files_override_maps_merge_scalars_and_lists_replace(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "10.yaml",
                  STEPS "      n: {plugin: net, with: {name: a, count: 1, extra: [10.1.0.0/16]}}\n");
    fixture_write(f, "20.yml", STEPS "      n: {with: {count: 2, extra: [10.2.0.0/16]}}\n");
    assert_int_equal(fixture_reload(f, NULL, 0), 0);
    holds(fixture_inputs(f, "n"), "\"count\":2,\"extra\":[\"10.2.0.0/16\"]");
    holds(fixture_inputs(f, "n"), "\"name\":\"a\"");
}

static void a_list_of_maps_is_merged_in_order_and_across_files(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "r.txt", "---\nDmvpnIp: 10.0.0.1\nnhrp: {key: abc45678, HubTunnelIP: <the hub>}\n");
    fixture_write(f, "zz.yaml", STEPS "      r: {with: {ssh: {user: admin}}}\n");
    assert_int_equal(fixture_load(f, STEPS
                                  "      r:\n        plugin: router\n        with:\n"
                                  "          - !include r.txt\n          - nhrp: {HubTunnelIP: 10.0.0.9}\n"),
                     0);
    char *text = fixture_inputs(f, "r");
    assert_string_equal(text, "{\"DmvpnIp\":\"10.0.0.1\",\"nhrp\":{\"HubTunnelIP\":\"10.0.0.9\",\"key\":"
                              "\"abc45678\"},\"ssh\":{\"port\":22,\"user\":\"admin\"}}");
    ist_free(text);
}

static void set_wins_over_files_and_reaches_into_lists(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "conf.yaml",
                  "vars: {x: one}\n" STEPS
                  "      a: {plugin: app, with: {clusters: [{name: k}, {name: l}]}}\n"
                  "      n: {plugin: net, with: {name: \"${var.x}${var.fresh:-}\"}}\n");
    const char *sets[] = {"x=two", "pipelines.p.steps.n.with.count=5",
                          "pipelines.p.steps.a.with.clusters[1].name=m", "vars.fresh=1"};
    assert_int_equal(fixture_reload(f, sets, 4), 0);
    holds(fixture_inputs(f, "n"), "\"count\":5");
    holds(fixture_inputs(f, "n"), "\"name\":\"two1\"");
    holds(fixture_inputs(f, "a"), "[{\"name\":\"k\"},{\"name\":\"m\"}]");
}

static void set_wins_over_a_pipelines_own_variable_and_knows_what_there_is(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "conf.yaml",
                  "vars: {x: one}\npipelines:\n  p:\n    vars: {x: own}\n    steps:\n"
                  "      n: {plugin: net, with: {name: \"${var.x}\"}}\n");
    const char *sets[] = {"x=two"}, *unknown[] = {"vars.y=1", "y=1", "pipelines.q.steps.n.with.name=x",
                                                  "pipelines.p.steps.m.with.name=x"};
    assert_int_equal(fixture_reload(f, sets, 1), 0);
    holds(fixture_inputs(f, "n"), "\"name\":\"two\"");
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
        assert_int_equal(fixture_reload(f, &unknown[i], 1), -1);
    const char *fresh[] = {"pipelines.p.steps.m={plugin: net, with: {name: z}}"};
    assert_int_equal(fixture_reload(f, fresh, 1), 0);
    holds(fixture_inputs(f, "m"), "\"name\":\"z\"");
}

static void anchors_aliases_and_merge_keys_work(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, "x-base: &base {count: 3, mode: slow}\n" STEPS
                                     "      n: {plugin: net, with: {<<: *base, name: a, mode: fast}}\n"),
                     0);
    holds(fixture_inputs(f, "n"), "\"count\":3");
    holds(fixture_inputs(f, "n"), "\"mode\":\"fast\"");
}

static void includes_that_include_each_other_show_the_chain(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "a.txt", "x: !include b.txt\n");
    fixture_write(f, "b.txt", "y:\n  z: !include a.txt\n");
    assert_int_equal(fixture_load(f, "vars: !include a.txt\n"), -1);
    assert_true(fixture_said(f, 2, 6, "a.txt -> "));
    assert_true(fixture_said(f, 2, 6, "b.txt -> "));
}

static void an_include_error_has_the_place_in_the_included_file(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "n.txt", "name: a\n# a comment\ncuont: 3\n");
    assert_int_equal(fixture_load(f, STEPS "      n: {plugin: net, with: !include n.txt}\n"), -1);
    assert_true(fixture_said(f, 3, 1, "unknown key `cuont` of plugin net, did you mean `count`?"));
}

static void includes_stop_at_sixteen_levels(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        char name[32], text[64];
        snprintf(name, sizeof(name), "i%d.txt", i);
        snprintf(text, sizeof(text), "x: !include i%d.txt\n", i + 1);
        fixture_write(f, name, text);
    }
    assert_int_equal(fixture_load(f, "vars: !include i0.txt\n"), -1);
    assert_true(fixture_said(f, 0, 0, "files are included over 16 levels deep"));
}

static void includes_must_not_multiply(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        char name[32];
        ist_buf text = {0};
        for (int k = 0; k < 10; k++)
            ist_buf_printf(&text, "- !include m%d.txt\n", i + 1);
        snprintf(name, sizeof(name), "m%d.txt", i);
        fixture_write(f, name, text.data);
        ist_buf_free(&text);
    }
    fixture_write(f, "m5.txt", "leaf\n");
    assert_int_equal(fixture_load(f, "vars: {x: !include m0.txt}\n"), -1);
    assert_true(fixture_said(f, 0, 0, "over 1,000 files are included"));
}

static void a_reference_alone_keeps_its_type_and_text_is_typed_by_the_field(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, "vars: {list: [a, b], n: 5}\n" STEPS
                                     "      n:\n        plugin: net\n        with:\n"
                                     "          name: ${env.ISTHMUS_TEST_WORD}-${var.n}\n"
                                     "          count: ${env.ISTHMUS_TEST_NUMBER}\n"
                                     "          on: ${env.ISTHMUS_NOT_SET:-false}\n"
                                     "          hosts: ${var.list}\n"
                                     "          note: $${var.list} costs $5\n"),
                     0);
    char *text = fixture_inputs(f, "n");
    assert_string_equal(
        text, "{\"cidr\":\"10.0.0.0/16\",\"count\":7,\"hosts\":[\"a\",\"b\"],\"mode\":\"fast\",\"name\":"
              "\"word-5\",\"note\":\"${var.list} costs $5\",\"on\":false,\"wait\":300000}");
    ist_free(text);
}

static void defaults_may_hold_references(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, "vars: {home: here}\n" STEPS "      n: {plugin: net, with: {name: "
                                     "\"${env.ISTHMUS_NOT_SET:-${var.home}/${env.ISTHMUS_TEST_WORD}}\"}}\n"),
                     0);
    holds(fixture_inputs(f, "n"), "\"name\":\"here/word\"");
}

static void text_is_what_was_written_not_the_number(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        fixture_load(f, STEPS "      n: {plugin: net, with: {name: 0123, hosts: [1.10, 1e3]}}\n"), 0);
    holds(fixture_inputs(f, "n"), "\"hosts\":[\"1.10\",\"1e3\"]");
    holds(fixture_inputs(f, "n"), "\"name\":\"0123\"");
}

static void paths_are_meant_beside_their_file(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, STEPS
                                  "      n: {plugin: net, with: {name: a, file: x/y, files: {a: /abs, u: "
                                  "\"https://h/x\"}}}\n"),
                     0);
    char *expected =
        ist_printf("\"file\":\"%s/x/y\",\"files\":{\"a\":\"/abs\",\"u\":\"https://h/x\"}", f->dir);
    holds(fixture_inputs(f, "n"), expected);
    ist_free(expected);
}

static void files_and_commands_give_their_text(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "psk", "hunter22\n");
    assert_int_equal(fixture_load(f, STEPS "      n: {plugin: net, with: {name: \"${file.psk}\", note: "
                                           "\"${cmd.printf '%s %s' one 'two three'}\"}}\n"),
                     0);
    holds(fixture_inputs(f, "n"), "\"name\":\"hunter22\",\"note\":\"one two three\"");
}

static void a_failing_command_says_so_and_never_runs_at_validate(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, STEPS "      n: {plugin: net, with: {name: \"${cmd.false}\"}}\n"), 0);
    char *text = fixture_inputs(f, "n");
    assert_string_equal(text, "failed");
    ist_free(text);
    assert_true(fixture_said(f, 4, 37, "`false` ended with exit status 1"));
}

static void outputs_are_unknown_until_they_are_known(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, STEPS
                                  "      n: {plugin: net, with: {name: a}}\n"
                                  "      m: {plugin: net, with: {name: \"${steps.n.routes[1]}\", count: "
                                  "\"${steps.n.size}\"}}\n"),
                     0);
    struct output_source outputs = fixture_outputs(f);
    struct resolved resolved = {0};
    assert_int_equal(step_resolve(f->pipeline, fixture_step(f, "m"), &outputs, f->diags, &resolved), 0);
    assert_null(resolved.inputs);
    assert_int_equal(resolved.unknown_count, 2);
    assert_non_null(json_object_get(json_object_get(resolved.public_inputs, "count"), "$unknown"));
    resolved_free(&resolved);
    json_object_set_new(f->outputs, "n", json_pack("{s:[s,s], s:i}", "routes", "r0", "r1", "size", 9));
    holds(fixture_inputs(f, "m"), "\"count\":9,\"mode\":\"fast\",\"name\":\"r1\"");
}

static void what_an_output_lacks_is_an_error_when_it_is_known(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f,
                                  STEPS "      n: {plugin: net, with: {name: a}}\n"
                                        "      m: {plugin: net, with: {name: \"${steps.n.routes[1]}\"}}\n"),
                     0);
    json_object_set_new(f->outputs, "n", json_pack("{s:[s]}", "routes", "r0"));
    char *text = fixture_inputs(f, "m");
    assert_string_equal(text, "failed");
    ist_free(text);
    assert_true(fixture_said(f, 5, 37, "has nothing there"));
}

// ---- secrets

static const char secret_conf[] =
    "vars: {psk: hunter22}\n" STEPS
    "      n: {plugin: net, with: {name: a, kubeconfig: \"${env.ISTHMUS_TEST_WORD}: "
    "{}\\n\"}}\n"
    "      r: {plugin: router, with: {DmvpnIp: 10.0.0.1, nhrp: {key: literal8, "
    "HubTunnelIP: 10.0.0.9}}}\n"
    "      v: {plugin: router, with: {DmvpnIp: 10.0.0.1, nhrp: {key: \"${var.psk}\", "
    "HubTunnelIP: 10.0.0.9}}}\n"
    "      a: {plugin: app, with: {clusters: [], kubeconfigs: {x: "
    "\"${steps.n.token}\", y: /etc/kube}}}\n";

static void secrets_leave_as_references(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, secret_conf), 0);
    json_object_set_new(f->outputs, "n", json_pack("{s:s}", "token", "minted-token"));
    holds(fixture_public(f, "n"), "\"kubeconfig\":{\"$text\":\"${env.ISTHMUS_TEST_WORD}: {}\\n\"}");
    holds(fixture_public(f, "r"), "\"key\":{\"$config\":\"pipelines.p.steps.r.with.nhrp.key\"}");
    holds(fixture_public(f, "v"), "\"key\":{\"$config\":\"vars.psk\"}");
    holds(fixture_public(f, "a"), "\"x\":{\"$ref\":\"steps.n.token\"},\"y\":\"/etc/kube\"");
    lacks(fixture_public(f, "r"), "literal8");
    lacks(fixture_public(f, "v"), "hunter22");
    lacks(fixture_public(f, "a"), "minted");
}

static void secrets_are_told_to_whoever_redacts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, secret_conf), 0);
    struct resolved resolved = {0};
    assert_int_equal(step_resolve(f->pipeline, fixture_step(f, "r"), NULL, f->diags, &resolved), 0);
    assert_int_equal(resolved.secret_count, 1);
    assert_string_equal(resolved.secrets[0], "literal8");
    resolved_free(&resolved);
}

static void the_record_is_read_back_to_the_same_inputs(void **state)
{
    struct fixture *f = *state;
    static const char *const steps[] = {"n", "r", "v", "a"};
    assert_int_equal(fixture_load(f, secret_conf), 0);
    json_object_set_new(f->outputs, "n", json_pack("{s:s}", "token", "minted-token"));
    struct output_source outputs = fixture_outputs(f);
    for (size_t i = 0; i < 4; i++) {
        struct resolved one = {0}, back = {0};
        const struct step *step = fixture_step(f, steps[i]);
        assert_int_equal(step_resolve(f->pipeline, step, &outputs, f->diags, &one), 0);
        assert_int_equal(inputs_from_record(f->pipeline, one.public_inputs, &outputs, f->diags, &back), 0);
        assert_true(json_equal(one.inputs, back.inputs));
        resolved_free(&one);
        resolved_free(&back);
    }
}

static void a_secret_gone_from_the_configuration_is_left_out_with_a_warning(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, STEPS "      n: {plugin: net, with: {name: a}}\n"), 0);
    json_t *record = json_pack("{s:s, s:{s:{s:s}}}", "DmvpnIp", "10.0.0.1", "nhrp", "key", "$config",
                               "pipelines.p.steps.r.with.nhrp.key");
    struct resolved back = {0};
    assert_int_equal(inputs_from_record(f->pipeline, record, NULL, f->diags, &back), 0);
    char *text = ist_json_text(back.inputs);
    assert_string_equal(text, "{\"DmvpnIp\":\"10.0.0.1\",\"nhrp\":{}}");
    assert_true(fixture_said(f, 0, 0, "is not in the configuration any more"));
    ist_free(text);
    json_decref(record);
    resolved_free(&back);
}

static void a_pipelines_own_variables_and_joined_texts_are_read_back_too(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        fixture_load(
            f, "pipelines:\n  p:\n    vars: {psk: hunter22}\n    steps:\n"
               "      n: {plugin: net, with: {name: a}}\n"
               "      r: {plugin: router, with: {DmvpnIp: 10.0.0.1, nhrp: {HubTunnelIP: 10.0.0.9, key: "
               "\"${var.psk}\"}}}\n"
               "      m: {plugin: net, with: {name: b, kubeconfig: \"${var.psk}: ${steps.n.token}\\n\"}}\n"),
        0);
    json_object_set_new(f->outputs, "n", json_pack("{s:s}", "token", "minted-token"));
    struct output_source outputs = fixture_outputs(f);
    holds(fixture_public(f, "r"), "{\"$config\":\"pipelines.p.vars.psk\"}");
    holds(fixture_public(f, "m"), "{\"$text\":\"${var.psk}: ${steps.n.token}\\n\"}");
    struct resolved back = {0};
    json_t *record = json_pack("{s:{s:s}, s:{s:s}}", "a", "$config", "pipelines.p.vars.psk", "b", "$text",
                               "${var.psk}: ${steps.n.token}");
    // The step that minted it is not in the pipeline any more; the outputs still are known.
    assert_int_equal(inputs_from_record(f->pipeline, record, &outputs, f->diags, &back), 0);
    char *text = ist_json_text(back.inputs);
    assert_string_equal(text, "{\"a\":\"hunter22\",\"b\":\"hunter22: minted-token\"}");
    ist_free(text);
    resolved_free(&back);
    json_decref(record);
    record = json_pack("{s:{s:s}, s:{s:s}}", "a", "$text", "x${var.gone}", "b", "$ref", "steps.gone.id");
    assert_int_equal(inputs_from_record(f->pipeline, record, &outputs, f->diags, &back), 0);
    assert_null(back.inputs); // not all is known
    assert_string_equal(back.unknown[0], "steps.gone.id");
    assert_true(fixture_said(f, 0, 0, "vars.gone is not in the configuration any more"));
    resolved_free(&back);
    json_decref(record);
}

static void show_leaves_secrets_out_and_tells_origins(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, secret_conf), 0);
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_int_equal(config_show(f->config, NULL, true, to), 0);
    fclose(to);
    assert_null(strstr(text, "hunter22"));
    assert_null(strstr(text, "literal8"));
    assert_non_null(strstr(text, "conf.yaml:1"));
    free(text);
}

static void the_source_line_of_a_secret_is_not_shown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, STEPS
                                  "      r: {plugin: router, with: {DmvpnIp: 10.0.0.1, nhrp: {HubTunnelIP: "
                                  "10.0.0.9, key: [hunter22]}}}\n"),
                     -1);
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    diags_print(f->diags, to, false);
    fclose(to);
    assert_null(strstr(text, "hunter22"));
    free(text);
}

static void secrets_that_everybody_can_read_are_warned_of(void **state)
{
    struct fixture *f = *state;
    char *path = ist_printf("%s/conf.yaml", f->dir);
    assert_int_equal(fixture_load(f, secret_conf), 0);
    chmod(path, 0644);
    chmod(f->dir, 0755);
    pipeline_advise(f->pipeline, f->diags);
    assert_true(fixture_said(f, 0, 0, "secrets stand here in clear"));
    const char *allow = "isthmus.clear_secrets=allow";
    assert_int_equal(fixture_reload(f, &allow, 1), 0);
    pipeline_advise(f->pipeline, f->diags);
    assert_int_equal(diags_count(f->diags), 0);
    chmod(f->dir, 0700);
    assert_int_equal(fixture_reload(f, NULL, 0), 0);
    pipeline_advise(f->pipeline, f->diags);
    assert_int_equal(diags_count(f->diags), 0);
    ist_free(path);
}

// ---- steps

static void for_each_makes_a_step_for_each_item(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        fixture_load(
            f, "vars: {sites: {eu: {cidr: 10.1.0.0/16}, us: {cidr: 10.2.0.0/16}}}\n" STEPS
               "      n: {plugin: net, for_each: \"${var.sites}\", with: {name: \"n-${each.key}\", cidr: "
               "\"${each.value.cidr}\"}}\n"
               "      one: {plugin: net, with: {name: \"${steps.n[us].id}\"}}\n"
               "      all: {plugin: net, with: {name: x, note: \"${steps.n.id}\"}}\n"),
        0);
    assert_int_equal(f->pipeline->count, 4);
    holds(fixture_inputs(f, "n[us]"), "\"cidr\":\"10.2.0.0/16\"");
    holds(fixture_inputs(f, "n[eu]"), "\"name\":\"n-eu\"");
    assert_int_equal(fixture_step(f, "one")->needs_count, 1);
    assert_string_equal(fixture_step(f, "one")->needs[0], "n[us]");
    assert_int_equal(fixture_step(f, "all")->needs_count, 2);
    json_object_set_new(f->outputs, "n[eu]", json_pack("{s:s}", "id", "i-eu"));
    json_object_set_new(f->outputs, "n[us]", json_pack("{s:s}", "id", "i-us"));
    holds(fixture_inputs(f, "all"), "\"note\":{\"eu\":\"i-eu\",\"us\":\"i-us\"}");
}

static void when_false_takes_a_step_out(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f,
                                  "vars: {probe: false}\n" STEPS "      n: {plugin: net, with: {name: a}}\n"
                                  "      x: {plugin: net, when: \"${var.probe}\", with: {name: b}}\n"
                                  "      y: {plugin: net, needs: [x, n], with: {name: c}}\n"),
                     0);
    assert_int_equal(f->pipeline->count, 2);
    assert_int_equal(fixture_step(f, "y")->needs_count, 1);
}

static void steps_stand_behind_what_they_need_else_in_the_order_of_the_file(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, STEPS "      d: {plugin: net, needs: [b], with: {name: d}}\n"
                                           "      a: {plugin: net, with: {name: a}}\n"
                                           "      b: {plugin: net, with: {name: \"${steps.c.id}\"}}\n"
                                           "      c: {plugin: net, with: {name: c}}\n"),
                     0);
    char order[64] = "";
    for (size_t i = 0; i < f->pipeline->count; i++)
        strncat(order, f->pipeline->steps[i].name, sizeof(order) - strlen(order) - 1);
    assert_string_equal(order, "cbda");
}

static void an_output_beyond_the_role_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f, STEPS
                                  "      r: {plugin: router, with: {DmvpnIp: 10.0.0.1, nhrp: {HubTunnelIP: "
                                  "10.0.0.9}}}\n"
                                  "      n: {plugin: net, with: {name: \"${steps.r.serial}\"}}\n"),
                     -1);
    assert_true(fixture_said(f, 5, 37, "is not one of the role dmvpn-endpoint"));
}

static void a_key_without_effect_in_any_step_is_warned_of(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "both.txt", "DmvpnIp: 10.0.0.1\n");
    assert_int_equal(fixture_load(f, STEPS "      n: {plugin: net, with: [!include both.txt, {name: a}]}\n"),
                     0);
    assert_true(fixture_said(f, 1, 1, "`DmvpnIp` has no effect in this pipeline"));
    assert_int_equal(fixture_load(f, STEPS
                                  "      n: {plugin: net, with: [!include both.txt, {name: a}]}\n"
                                  "      r: {plugin: router, with: [!include both.txt, {nhrp: {HubTunnelIP: "
                                  "10.0.0.9}}]}\n"),
                     0);
    assert_int_equal(diags_count(f->diags), 0);
    // Overridden where it would count: somebody has seen to it.
    assert_int_equal(fixture_load(f, STEPS
                                  "      n: {plugin: net, with: [!include both.txt, {name: a}]}\n"
                                  "      r: {plugin: router, with: [!include both.txt, {DmvpnIp: 10.0.0.2, "
                                  "nhrp: {HubTunnelIP: 10.0.0.9}}]}\n"),
                     0);
    assert_int_equal(diags_count(f->diags), 0);
}

static void optional_objects_are_left_out_or_whole(void **state)
{
    struct fixture *f = *state;
    const char *head =
        STEPS "      r: {plugin: router, with: {DmvpnIp: 10.0.0.1, nhrp: {HubTunnelIP: 10.0.0.9}";
    char *without = ist_printf("%s}}\n", head), *half = ist_printf("%s, tls: {depth: 2}}}\n", head);
    assert_int_equal(fixture_load(f, without), 0);
    lacks(fixture_inputs(f, "r"), "tls");
    assert_int_equal(fixture_load(f, half), -1);
    assert_true(fixture_said(f, 0, 0, "`tls.cert` of plugin router is missing"));
    ist_free(without);
    ist_free(half);
}

static void all_errors_come_at_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_load(f,
                                  "vras: {}\n" STEPS "      n: {plugin: net, with: {nam: a, count: x}}\n"
                                  "      m: {plugin: nett}\n"
                                  "      o: {plugin: net, needs: [z], with: {name: \"${steps.n.idd}\"}}\n"),
                     -1);
    assert_true(fixture_said(f, 1, 1, "unknown key `vras`, did you mean `vars`?"));
    assert_true(fixture_said(f, 0, 0, "unknown key `nam`"));
    assert_true(fixture_said(f, 0, 0, "`name` of plugin net is missing"));
    assert_true(fixture_said(f, 0, 0, "`count`: expected an integer"));
    assert_true(fixture_said(f, 0, 0, "unknown plugin `nett`"));
    assert_true(fixture_said(f, 0, 0, "unknown step `z`"));
    assert_true(fixture_said(f, 0, 0, "no output `idd`, did you mean `id`?"));
}

static void the_digest_knows_configuration_includes_and_environment(void **state)
{
    struct fixture *f = *state;
    static const unsigned char key[32] = "a key of thirty-two bytes, or so";
    static const char conf[] =
        STEPS "      n: {plugin: net, with: [!include n.txt, {note: \"${env.ISTHMUS_TEST_WORD}\"}]}\n";
    char one[65], same[65], other[65];
    fixture_write(f, "n.txt", "name: a\n");
    assert_int_equal(fixture_load(f, conf), 0);
    config_digest(f->config, "p", key, one);
    assert_int_equal(fixture_load(f, conf), 0);
    config_digest(f->config, "p", key, same);
    assert_string_equal(one, same);
    setenv("ISTHMUS_TEST_WORD", "another", 1);
    config_digest(f->config, "p", key, other);
    assert_string_not_equal(one, other);
    setenv("ISTHMUS_TEST_WORD", "word", 1);
    fixture_write(f, "n.txt", "name: b\n");
    assert_int_equal(fixture_load(f, conf), 0);
    config_digest(f->config, "p", key, other);
    assert_string_not_equal(one, other);
}

static void the_nearest_word_is_found_and_far_ones_are_not(void **state)
{
    (void)state;
    static const char *const words[] = {"nhrp", "ospf", "DmvpnIp", "remote_peer_ip"};
    assert_string_equal(nearest("nhpr", words, 4), "nhrp");
    assert_string_equal(nearest("remote_per_ip", words, 4), "remote_peer_ip");
    assert_null(nearest("x", words, 4));
    assert_null(nearest("colour", words, 4));
    assert_null(nearest("", words, 4));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(later_files_override_maps_merge_scalars_and_lists_replace),
        T(a_list_of_maps_is_merged_in_order_and_across_files),
        T(set_wins_over_files_and_reaches_into_lists),
        T(set_wins_over_a_pipelines_own_variable_and_knows_what_there_is),
        T(anchors_aliases_and_merge_keys_work),
        T(includes_that_include_each_other_show_the_chain),
        T(an_include_error_has_the_place_in_the_included_file),
        T(includes_stop_at_sixteen_levels),
        T(includes_must_not_multiply),
        T(a_reference_alone_keeps_its_type_and_text_is_typed_by_the_field),
        T(defaults_may_hold_references),
        T(text_is_what_was_written_not_the_number),
        T(paths_are_meant_beside_their_file),
        T(files_and_commands_give_their_text),
        T(a_failing_command_says_so_and_never_runs_at_validate),
        T(outputs_are_unknown_until_they_are_known),
        T(what_an_output_lacks_is_an_error_when_it_is_known),
        T(secrets_leave_as_references),
        T(secrets_are_told_to_whoever_redacts),
        T(the_record_is_read_back_to_the_same_inputs),
        T(a_secret_gone_from_the_configuration_is_left_out_with_a_warning),
        T(a_pipelines_own_variables_and_joined_texts_are_read_back_too),
        T(show_leaves_secrets_out_and_tells_origins),
        T(the_source_line_of_a_secret_is_not_shown),
        T(secrets_that_everybody_can_read_are_warned_of),
        T(for_each_makes_a_step_for_each_item),
        T(when_false_takes_a_step_out),
        T(steps_stand_behind_what_they_need_else_in_the_order_of_the_file),
        T(an_output_beyond_the_role_is_refused),
        T(a_key_without_effect_in_any_step_is_warned_of),
        T(optional_objects_are_left_out_or_whole),
        T(all_errors_come_at_once),
        T(the_digest_knows_configuration_includes_and_environment),
        T(the_nearest_word_is_found_and_far_ones_are_not),
    };
    return cmocka_run_group_tests_name("configuration", tests, NULL, NULL);
}
