// The lab's API server where it is pure: selectors, patches, field managers.
#include "kube/cluster.h"
#include "kube/patch.h"
#include "kube/selector.h"
#include "kube/ssa.h"
#include "kube/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *doc(const char *yaml)
{
    char *why = NULL;
    json_t *documents = kube_yaml(yaml, strlen(yaml), &why);
    if (json_array_size(documents) != 1)
        fail_msg("%s: %s", yaml, why ? why : "not one document");
    json_t *first = json_incref(json_array_get(documents, 0));
    json_decref(documents);
    return first;
}

// Are two values the same? Shows both when they are not; releases both.
static void same(json_t *have, json_t *want)
{
    char *a = json_dumps(have, JSON_SORT_KEYS | JSON_ENCODE_ANY),
         *b = json_dumps(want, JSON_SORT_KEYS | JSON_ENCODE_ANY);
    assert_non_null(a);
    assert_string_equal(a, b);
    free(a);
    free(b);
    json_decref(have);
    json_decref(want);
}

// ---- selectors ----

static void a_label_selector_in_text_chooses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *labels;
        bool match;
    } cases[] = {
        {"a=b", "{a: b}", true},
        {"a==b", "{a: c}", false},
        {"a!=b", "{}", true},
        {"a!=b", "{a: b}", false},
        {"a in (b, c)", "{a: c}", true},
        {"a in (b,c)", "{}", false},
        {"a notin (b)", "{}", true},
        {"a notin (b)", "{a: b}", false},
        {"a", "{a: ''}", true},
        {"!a", "{a: x}", false},
        {"!a", "{}", true},
        {"x.y/z=1,b", "{x.y/z: '1', b: q}", true},
        {"x.y/z=1,b", "{x.y/z: '1'}", false},
        {"a=", "{a: ''}", true},
        {"", "{a: b}", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *why = NULL;
        json_t *expressions = kube_selector_parse(cases[i].text, &why), *labels = doc(cases[i].labels);
        assert_non_null(expressions);
        if (kube_expressions_match(expressions, labels) != cases[i].match)
            fail_msg("%s on %s", cases[i].text, cases[i].labels);
        json_decref(expressions);
        json_decref(labels);
    }
}

static void text_that_is_no_selector_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"a in",      "a in (b", "=b",   "a b",  "!",
                                        "a notin b", "a>",      "!a=b", "a=b c"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *why = NULL;
        json_t *expressions = kube_selector_parse(texts[i], &why);
        if (expressions)
            fail_msg("\"%s\" was taken", texts[i]);
        assert_non_null(why);
        free(why);
    }
}

static void a_missing_selector_matches_nothing_and_an_empty_one_everything(void **state)
{
    (void)state;
    json_t *labels = doc("{a: b}"), *empty = json_object();
    assert_false(kube_selector_match(NULL, labels));
    assert_true(kube_selector_match(empty, labels));
    assert_false(kube_map_match(empty, labels)); // a Service without selector
    json_decref(labels);
    json_decref(empty);
}

// ---- patches ----

static void a_merge_patch_replaces_lists_and_removes_by_null(void **state)
{
    (void)state;
    json_t *object = doc("{a: {b: 1, c: 2}, l: [1, 2]}"), *patch = doc("{a: {b: null, d: 3}, l: [3]}");
    same(kube_patch_merge(object, patch), doc("{a: {c: 2, d: 3}, l: [3]}"));
    json_decref(object);
    json_decref(patch);
}

static void a_strategic_patch_merges_containers_by_name_and_variables_too(void **state)
{
    (void)state;
    char *why = NULL;
    json_t *object =
        doc("{spec: {containers: [{name: a, image: x, env: [{name: E, value: '1'}, {name: F, value: '2'}]}, "
            "{name: b, image: y}]}}");
    json_t *patch =
        doc("{spec: {containers: [{name: a, env: [{name: E, value: '9'}, {name: F, $patch: delete}]}, "
            "{name: c, image: z}]}}");
    same(kube_patch_strategic("Pod", object, patch, &why),
         doc("{spec: {containers: [{name: a, image: x, env: [{name: E, value: '9'}]}, {name: b, image: y}, "
             "{name: c, "
             "image: z}]}}"));
    json_decref(patch);
    patch = doc("{spec: {$setElementOrder/containers: [{name: b}, {name: a}]}}");
    json_t *result = kube_patch_strategic("Pod", object, patch, &why);
    assert_string_equal(kube_text(json_array_get(kube_path(result, "spec.containers"), 0), "name"), "b");
    json_decref(result);
    json_decref(patch);
    patch = doc("{spec: {containers: [{image: z}]}}");
    assert_null(kube_patch_strategic("Pod", object, patch, &why));
    assert_non_null(strstr(why, "merge key: name"));
    free(why);
    json_decref(patch);
    json_decref(object);
}

static void a_strategic_patch_replaces_what_has_no_merge_key(void **state)
{
    (void)state;
    char *why = NULL;
    json_t *object = doc("{spec: {ingress: [{a: 1}, {b: 2}]}}"), *patch = doc("{spec: {ingress: [{c: 3}]}}");
    same(kube_patch_strategic("NetworkPolicy", object, patch, &why), doc("{spec: {ingress: [{c: 3}]}}"));
    json_decref(object);
    json_decref(patch);
}

static void a_json_patch_works_or_changes_nothing(void **state)
{
    (void)state;
    char *why = NULL;
    json_t *object = doc("{a: {x/y: 1}, l: [1, 2]}"), *patch;
    patch = doc("[{op: test, path: /l/0, value: 1}, {op: add, path: /l/-, value: 3}, {op: remove, path: "
                "/l/0}, {op: replace, "
                "path: /a/x~1y, value: 2}, {op: copy, from: /a, path: /b}, {op: move, from: /l, path: /m}]");
    same(kube_patch_json(object, patch, &why), doc("{a: {x/y: 2}, b: {x/y: 2}, m: [2, 3]}"));
    json_decref(patch);
    static const char *const wrong[] = {"[{op: test, path: /l/0, value: 9}]", "[{op: remove, path: /none}]",
                                        "[{op: replace, path: /l/7, value: 1}]", "[{op: jump, path: /a}]",
                                        "{op: add}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        patch = doc(wrong[i]);
        if (kube_patch_json(object, patch, &why))
            fail_msg("%s was taken", wrong[i]);
        free(why);
        json_decref(patch);
    }
    same(object, doc("{a: {x/y: 1}, l: [1, 2]}"));
}

// ---- field managers ----

static struct kube_writer writer(const char *kind, const char *manager, bool force)
{
    return (struct kube_writer){
        .kind = kind, .api_version = "v1", .manager = manager, .subresource = "", .force = force};
}

// `live` after `yaml` was applied; live is released. NULL on conflicts, whose number is in *conflicts.
static json_t *applied(json_t *live, const struct kube_writer *w, const char *yaml, size_t *conflicts)
{
    json_t *object = doc(yaml), *list = NULL, *result = kube_apply(w, live, object, &list);
    *conflicts = json_array_size(list);
    json_decref(list);
    json_decref(object);
    if (result)
        json_decref(live);
    return result;
}

static void field_sets_go_to_fields_v1_and_back(void **state)
{
    (void)state;
    json_t *v1 = doc("{'f:data': {'.': {}, 'f:a': {}}, 'f:spec': {'f:ports': {'k:{\"port\":80}': {'.': {}, "
                     "'f:name': {}}}}, "
                     "'f:x': {}}");
    json_t *set = kube_fields_of_v1(v1);
    assert_int_equal(json_object_size(set), 5);
    same(kube_fields_to_v1(set), v1);
    json_decref(set);
}

static void two_appliers_conflict_only_where_they_differ(void **state)
{
    (void)state;
    struct kube_writer one = writer("ConfigMap", "one", false), two = writer("ConfigMap", "two", false);
    size_t n;
    json_t *live = applied(json_object(), &one, "{metadata: {name: c}, data: {a: '1', b: '1'}}", &n);
    live =
        applied(live, &two, "{metadata: {name: c}, data: {a: '1', c: '1'}}", &n); // the same value is shared
    assert_non_null(live);
    assert_null(applied(live, &two, "{metadata: {name: c}, data: {a: '2', b: '2'}}", &n));
    assert_int_equal(n, 2);
    two.force = true;
    live = applied(live, &two, "{metadata: {name: c}, data: {a: '2'}}", &n);
    same(json_incref(json_object_get(live, "data")), doc("{a: '2', b: '1'}")); // c went, b is one's
    one.force = true;
    live = applied(live, &one, "{metadata: {name: c}}", &n);
    same(json_incref(json_object_get(live, "data")), doc("{a: '2'}"));
    json_decref(live);
}

static void applying_the_same_again_changes_nothing(void **state)
{
    (void)state;
    struct kube_writer w = writer("Service", "one", false);
    static const char yaml[] =
        "{metadata: {name: s, labels: {a: b}}, spec: {ports: [{port: 80}, {port: 81, protocol: UDP}]}}";
    size_t n;
    json_t *live = applied(json_object(), &w, yaml, &n), *before = json_incref(live);
    json_t *after = applied(live, &w, yaml, &n);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void items_of_a_keyed_list_have_owners_of_their_own(void **state)
{
    (void)state;
    struct kube_writer one = writer("Service", "one", false), two = writer("Service", "two", false);
    size_t n;
    json_t *live = applied(json_object(), &one, "{spec: {ports: [{port: 80, name: a}]}}", &n);
    live = applied(live, &two, "{spec: {ports: [{port: 90, name: b}]}}", &n);
    assert_int_equal(json_array_size(kube_path(live, "spec.ports")), 2);
    live = applied(live, &one, "{spec: {}}", &n);
    same(json_incref((json_t *)kube_path(live, "spec.ports")), doc("[{port: 90, name: b}]"));
    json_decref(live);
}

static void atomic_lists_belong_to_one(void **state)
{
    (void)state;
    struct kube_writer one = writer("NetworkPolicy", "one", false),
                       two = writer("NetworkPolicy", "two", false);
    size_t n;
    json_t *live = applied(json_object(), &one,
                           "{spec: {podSelector: {}, ingress: [{from: []}], policyTypes: [Ingress]}}", &n);
    assert_null(applied(live, &two, "{spec: {ingress: [{ports: []}]}}", &n));
    assert_int_equal(n, 1);
    json_decref(live);
}

static void an_edit_takes_the_field_from_its_applier(void **state)
{
    (void)state;
    struct kube_writer one = writer("ConfigMap", "one", false),
                       hand = writer("ConfigMap", "kubectl-edit", false);
    size_t n;
    json_t *live = applied(json_object(), &one, "{metadata: {name: c}, data: {a: '1'}}", &n),
           *edited = json_deep_copy(live);
    kube_set(edited, "data.a", json_string("2"));
    kube_record_update(&hand, live, edited);
    json_decref(live);
    const json_t *managers = kube_path(edited, "metadata.managedFields");
    assert_int_equal(json_array_size(managers), 1);
    assert_string_equal(kube_text(json_array_get(managers, 0), "operation"), "Update");
    assert_null(applied(edited, &one, "{metadata: {name: c}, data: {a: '1'}}", &n));
    assert_int_equal(n, 1);
    one.force = true;
    edited = applied(edited, &one, "{metadata: {name: c}, data: {a: '1'}}", &n);
    assert_string_equal(kube_text(edited, "data.a"), "1");
    json_decref(edited);
}

// What kubectl does when it moves from client-side to server-side apply: it takes over "." members too.
static void a_manager_that_owned_a_map_itself_keeps_what_is_in_it(void **state)
{
    (void)state;
    struct kube_writer w = writer("Service", "kubectl", true);
    size_t n;
    json_t *live = doc("{metadata: {name: s, managedFields: [{manager: kubectl, operation: Apply, "
                       "apiVersion: v1, fieldsType: "
                       "FieldsV1, fieldsV1: {'f:spec': {'f:ports': {'.': {}, "
                       "'k:{\"port\":80,\"protocol\":\"TCP\"}': {'.': {}, "
                       "'f:port': {}}}}}}]}, spec: {ports: [{port: 80, protocol: TCP}]}}");
    live = applied(live, &w, "{metadata: {name: s}, spec: {ports: [{port: 80, protocol: TCP}]}}", &n);
    assert_int_equal(json_array_size(kube_path(live, "spec.ports")), 1);
    json_decref(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_selector_in_text_chooses),
        cmocka_unit_test(text_that_is_no_selector_is_refused),
        cmocka_unit_test(a_missing_selector_matches_nothing_and_an_empty_one_everything),
        cmocka_unit_test(a_merge_patch_replaces_lists_and_removes_by_null),
        cmocka_unit_test(a_strategic_patch_merges_containers_by_name_and_variables_too),
        cmocka_unit_test(a_strategic_patch_replaces_what_has_no_merge_key),
        cmocka_unit_test(a_json_patch_works_or_changes_nothing),
        cmocka_unit_test(field_sets_go_to_fields_v1_and_back),
        cmocka_unit_test(two_appliers_conflict_only_where_they_differ),
        cmocka_unit_test(applying_the_same_again_changes_nothing),
        cmocka_unit_test(items_of_a_keyed_list_have_owners_of_their_own),
        cmocka_unit_test(atomic_lists_belong_to_one),
        cmocka_unit_test(an_edit_takes_the_field_from_its_applier),
        cmocka_unit_test(a_manager_that_owned_a_map_itself_keeps_what_is_in_it),
    };
    return cmocka_run_group_tests_name("lab kube", tests, NULL, NULL);
}
