// Objects and lists in protobuf say what the same ones say in JSON.
#include "kube/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

// ---- writing messages ----

static void put_varint(ist_buf *to, uint64_t value)
{
    for (; value > 0x7f; value >>= 7) {
        char c = (char)((value & 0x7f) | 0x80);
        ist_buf_add(to, &c, 1);
    }
    char c = (char)value;
    ist_buf_add(to, &c, 1);
}

static void put_int(ist_buf *to, uint32_t number, int64_t value)
{
    put_varint(to, number << 3);
    put_varint(to, (uint64_t)value);
}

static void put_bytes(ist_buf *to, uint32_t number, const void *bytes, size_t len)
{
    put_varint(to, number << 3 | 2);
    put_varint(to, len);
    ist_buf_add(to, bytes, len);
}

static void put_text(ist_buf *to, uint32_t number, const char *text)
{
    put_bytes(to, number, text, strlen(text));
}

static void put_message(ist_buf *to, uint32_t number, ist_buf *message) // which is freed
{
    put_bytes(to, number, message->data ? message->data : "", message->len);
    ist_buf_free(message);
}

static void put_entry(ist_buf *to, uint32_t number, const char *key, const char *value)
{
    ist_buf entry = {0};
    put_text(&entry, 1, key);
    put_text(&entry, 2, value);
    put_message(to, number, &entry);
}

static void put_metadata(ist_buf *to, const char *name)
{
    ist_buf metadata = {0}, time = {0}, owner = {0}, managed = {0};
    put_text(&metadata, 1, name);
    put_text(&metadata, 2, ""); // an empty one is left out
    put_text(&metadata, 3, "n");
    put_text(&metadata, 4, "");
    put_text(&metadata, 5, "u");
    put_text(&metadata, 6, "7");
    put_int(&metadata, 7, 0);
    put_int(&time, 1, 1767323045);
    put_message(&metadata, 8, &time);
    put_entry(&metadata, 11, "a", "1");
    put_entry(&metadata, 11, "isthmus.dev/owner", "me");
    put_entry(&metadata, 12, "zone", "");
    put_text(&owner, 1, "Service");
    put_text(&owner, 3, "s");
    put_text(&owner, 4, "w");
    put_text(&owner, 5, "v1");
    put_int(&owner, 6, 1);
    put_int(&owner, 7, 0);
    put_message(&metadata, 13, &owner);
    put_text(&managed, 1, "isthmus");
    put_message(&metadata, 17, &managed);
    put_message(to, 1, &metadata);
}

#define METADATA                                                                                             \
    "{\"annotations\":{\"zone\":\"\"},\"creationTimestamp\":\"2026-01-02T03:04:05Z\","                       \
    "\"labels\":{\"a\":\"1\",\"isthmus.dev/owner\":\"me\"},\"name\":\"s\",\"namespace\":\"n\","              \
    "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"blockOwnerDeletion\":false,\"controller\":true,"          \
    "\"kind\":\"Service\",\"name\":\"s\",\"uid\":\"w\"}],\"resourceVersion\":\"7\",\"uid\":\"u\"}"

static void put_endpoint(ist_buf *to, const char *address, int ready, const char *zone)
{
    ist_buf endpoint = {0}, conditions = {0};
    put_text(&endpoint, 1, address);
    put_int(&conditions, 1, ready);
    put_message(&endpoint, 2, &conditions);
    if (zone)
        put_text(&endpoint, 7, zone);
    put_message(to, 2, &endpoint);
}

static void put_slice(ist_buf *to)
{
    ist_buf port = {0};
    put_metadata(to, "s");
    put_endpoint(to, "10.0.0.1", 1, NULL);
    put_endpoint(to, "10.0.0.2", 0, "");
    put_text(&port, 1, "");
    put_int(&port, 3, 80);
    put_int(&port, 99, 5); // of a newer version
    put_message(to, 3, &port);
    put_text(to, 4, "IPv4");
    put_text(to, 77, "newer");
}

#define SLICE                                                                                                \
    "{\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":true}" \
    "},"                                                                                                     \
    "{\"addresses\":[\"10.0.0.2\"],\"conditions\":{\"ready\":false},\"zone\":\"\"}],"                        \
    "\"metadata\":" METADATA ",\"ports\":[{\"name\":\"\",\"port\":80}]}"

static const struct kube_proto_field *slice_fields(void)
{
    return kube_proto_fields("discovery.k8s.io/v1", "EndpointSlice", 0);
}

static void reads(const char *api, const char *kind, const ist_buf *bytes, const char *const *unread,
                  const char *wanted)
{
    json_t *json = NULL;
    ist_error err = {0};
    assert_int_equal(kube_proto_read(kube_proto_fields(api, kind, 1), bytes->data ? bytes->data : "",
                                     bytes->len, unread, kind, &json, &err),
                     IST_OK);
    char *said = ist_json_text(json);
    assert_string_equal(said, wanted);
    ist_free(said);
    json_decref(json);
}

// ---- objects ----

static void an_object_says_what_it_says_in_json(void **state)
{
    ist_buf slice = {0};
    (void)state;
    put_slice(&slice);
    reads("discovery.k8s.io/v1", "EndpointSlice", &slice, NULL, SLICE);
    static const char *const unread[] = {"zone", "ports", "endpoints", NULL}; // but in metadata it is read
    reads("discovery.k8s.io/v1", "EndpointSlice", &slice, unread,
          "{\"addressType\":\"IPv4\",\"metadata\":" METADATA "}");
    ist_buf_free(&slice);
    reads("discovery.k8s.io/v1", "EndpointSlice", &slice, NULL, "{\"endpoints\":null,\"ports\":null}");
}

static void numbers_or_names_are_either(void **state)
{
    (void)state;
    static const char *const wanted[] = {"-5", "\"web\"", "0"};
    for (int i = 0; i < 3; i++) {
        ist_buf service = {0}, spec = {0}, port = {0}, target = {0};
        put_int(&target, 1, i == 1);
        put_int(&target, 2, i == 0 ? -5 : 0);
        put_text(&target, 3, i == 1 ? "web" : "");
        put_int(&port, 3, 80);
        put_message(&port, 4, &target);
        put_message(&spec, 1, &port);
        put_entry(&spec, 2, "app", "a");
        put_int(&spec, 13, i == 1);
        put_int(&spec, 20, 0);
        put_message(&service, 2, &spec);
        char *text = ist_printf("{\"spec\":{\"allocateLoadBalancerNodePorts\":false,\"ports\":[{\"port\":80,"
                                "\"targetPort\":%s}],%s\"selector\":{\"app\":\"a\"}}}",
                                wanted[i], i == 1 ? "\"publishNotReadyAddresses\":true," : "");
        reads("v1", "Service", &service, NULL, text);
        ist_free(text);
        ist_buf_free(&service);
    }
}

static void what_is_no_utf8_spoils_nothing(void **state)
{
    (void)state;
    ist_buf object = {0}, metadata = {0};
    put_text(&metadata, 1, "caf\xc3\xa9");
    put_text(&metadata, 3, "a\xff");
    put_bytes(&metadata, 5, "b\0c", 3);
    put_message(&object, 1, &metadata);
    reads("v1", "Namespace", &object, NULL,
          "{\"metadata\":{\"name\":\"caf\xc3\xa9\",\"namespace\":\"a\xef\xbf\xbd\",\"uid\":\"b\xef\xbf\xbd"
          "c\"}}");
    ist_buf_free(&object);
}

static void half_a_table_is_for_who_asked_for_half(void **state)
{
    (void)state;
    assert_null(kube_proto_fields("v1", "Pod", 0));
    assert_non_null(kube_proto_fields("v1", "Pod", 1));
    assert_non_null(kube_proto_fields("v1", "Service", 0));
    assert_null(kube_proto_fields("v1", "ConfigMap", 1));
    assert_null(kube_proto_fields("discovery.k8s.io/v1beta1", "EndpointSlice", 1));
}

static void a_zero_time_is_null(void **state)
{
    (void)state;
    ist_buf object = {0}, metadata = {0}, time = {0};
    put_message(&metadata, 8, &time);
    put_message(&object, 1, &metadata);
    reads("v1", "Namespace", &object, NULL, "{\"metadata\":{\"creationTimestamp\":null}}");
    ist_buf_free(&object);
}

static void what_is_broken_is_an_error_wherever_it_breaks(void **state)
{
    (void)state;
    ist_buf slice = {0};
    put_slice(&slice);
    size_t whole = 0;
    for (size_t len = 0; len < slice.len; len++) { // between members it is a shorter object
        char *part = ist_malloc(len + 1);
        json_t *json = NULL;
        memcpy(part, slice.data, len);
        part = ist_realloc(part, len ? len : 1, 1); // of just that size, for memcheck
        if (kube_proto_read(slice_fields(), part, len, NULL, "test", &json, NULL) == IST_OK)
            whole++;
        json_decref(json);
        ist_free(part);
    }
    assert_int_equal(whole, 6); // empty, and behind each member but the last
    ist_buf_free(&slice);

    ist_buf wrong = {0}, deep = {0};
    json_t *json = NULL;
    put_int(&wrong, 1, 3); // metadata is no number
    assert_int_equal(kube_proto_read(slice_fields(), wrong.data, wrong.len, NULL, "test", &json, NULL),
                     IST_ERR_REMOTE);
    ist_buf_free(&wrong);
    put_text(&deep, 4, "x");
    memset(deep.data, 0xff, deep.len);
    assert_int_equal(kube_proto_read(slice_fields(), deep.data, deep.len, NULL, "test", &json, NULL),
                     IST_ERR_REMOTE);
    ist_buf_free(&deep);
}

// ---- skimming ----

static void skims_to_the_digest_of_the_json(void **state)
{
    (void)state;
    ist_buf slice = {0};
    json_t *head = NULL, *json_head = NULL;
    uint64_t digest = 0, json_digest = 1;
    put_slice(&slice);
    assert_true(kube_proto_skim(slice_fields(), slice.data, slice.len, "discovery.k8s.io/v1", "EndpointSlice",
                                &head, &digest));
    assert_true(
        kube_skim(SLICE, strlen(SLICE), "discovery.k8s.io/v1", "EndpointSlice", &json_head, &json_digest));
    assert_true(digest == json_digest);
    assert_true(json_equal(head, json_head));
    json_decref(head);
    json_decref(json_head);
    ist_buf_free(&slice);
}

static void null_lists_have_their_digest_too(void **state)
{
    static const char text[] = "{\"metadata\":{\"name\":\"a\"},\"endpoints\":null,\"ports\":null,"
                               "\"addressType\":\"IPv4\"}";
    (void)state;
    ist_buf slice = {0}, metadata = {0};
    json_t *head = NULL, *json_head = NULL;
    uint64_t digest = 0, json_digest = 1;
    put_text(&metadata, 1, "a");
    put_message(&slice, 1, &metadata);
    put_text(&slice, 4, "IPv4");
    assert_true(kube_proto_skim(slice_fields(), slice.data, slice.len, "v1", "X", &head, &digest));
    assert_true(kube_skim(text, strlen(text), "v1", "X", &json_head, &json_digest));
    assert_true(digest == json_digest);
    json_decref(head);
    json_decref(json_head);
    ist_buf_free(&slice);
}

static void what_no_server_writes_is_not_skimmed(void **state)
{
    (void)state;
    json_t *head = NULL;
    uint64_t digest;
    ist_buf twice = {0}, metadata = {0}, disorder = {0};
    put_message(&twice, 1, &metadata);
    put_text(&twice, 4, "IPv4");
    put_text(&twice, 4, "IPv6");
    assert_false(kube_proto_skim(slice_fields(), twice.data, twice.len, "v1", "X", &head, &digest));
    put_message(&disorder, 1, &metadata);
    put_text(&disorder, 4, "IPv4");
    put_endpoint(&disorder, "10.0.0.1", 1, NULL);
    assert_false(kube_proto_skim(slice_fields(), disorder.data, disorder.len, "v1", "X", &head, &digest));
    assert_false(kube_proto_skim(slice_fields(), "", 0, "v1", "X", &head, &digest));
    ist_buf_free(&twice);
    ist_buf_free(&disorder);
}

static void a_label_is_found(void **state)
{
    (void)state;
    ist_buf slice = {0};
    const char *value = "x";
    size_t len = 1;
    put_slice(&slice);
    assert_true(kube_proto_find_label(slice.data, slice.len, "isthmus.dev/owner", &value, &len));
    assert_int_equal(len, 2);
    assert_memory_equal(value, "me", 2);
    assert_true(kube_proto_find_label(slice.data, slice.len, "zone", &value, &len)); // an annotation
    assert_null(value);
    assert_false(kube_proto_find_label("", 0, "zone", &value, &len));
    assert_false(kube_proto_find_label(slice.data, 20, "zone", &value, &len));
    ist_buf_free(&slice);
}

// ---- lists ----

static void put_list(ist_buf *to, int items)
{
    ist_buf type = {0}, list = {0}, metadata = {0};
    ist_buf_add(to, "k8s\0", 4);
    put_text(&type, 1, "discovery.k8s.io/v1");
    put_text(&type, 2, "EndpointSliceList");
    put_message(to, 1, &type);
    put_text(&metadata, 1, "");
    put_text(&metadata, 2, "17");
    put_text(&metadata, 3, "more");
    put_message(&list, 1, &metadata);
    for (int i = 0; i < items; i++) {
        ist_buf slice = {0};
        put_slice(&slice);
        put_message(&list, 2, &slice);
    }
    put_message(to, 2, &list);
    put_text(to, 3, "");
    put_text(to, 4, "");
}

static int32_t count(void *arg, const char *bytes, size_t len, ist_error *err)
{
    json_t *json = NULL;
    assert_int_equal(kube_proto_read(slice_fields(), bytes, len, NULL, "test", &json, err), IST_OK);
    json_decref(json);
    ++*(int *)arg;
    return IST_OK;
}

// Shows `step` bytes more each time, as a stream does. Ends with what the page says of itself.
static int32_t feed(const ist_buf *list, size_t size, size_t step, int *items, json_t **envelope)
{
    struct kube_proto_page page = {0};
    size_t done = 0;
    *items = 0;
    for (size_t shown = 0; shown < size;) {
        size_t used = 0;
        shown = shown + step < size ? shown + step : size;
        char *bytes = ist_malloc(shown - done + 1);
        memcpy(bytes, list->data + done, shown - done);
        int32_t rc = kube_proto_feed(&page, bytes, shown - done, &used, count, items, "test", NULL);
        ist_free(bytes);
        if (rc != IST_OK) {
            kube_proto_reset(&page);
            return rc;
        }
        done += used;
    }
    return kube_proto_end(&page, "test", envelope, NULL);
}

static void a_list_comes_in_parts_of_any_size(void **state)
{
    (void)state;
    ist_buf list = {0};
    put_list(&list, 3);
    assert_true(kube_proto_is(list.data, KUBE_PROTO_MAGIC));
    assert_false(kube_proto_is("{\"a\"", KUBE_PROTO_MAGIC));
    for (size_t step = 1; step <= list.len; step++) {
        json_t *envelope = NULL;
        int items;
        assert_int_equal(feed(&list, list.len, step, &items, &envelope), IST_OK);
        assert_int_equal(items, 3);
        assert_string_equal(ist_json_str(envelope, "metadata.resourceVersion"), "17");
        assert_string_equal(ist_json_str(envelope, "metadata.continue"), "more");
        json_decref(envelope);
    }
    ist_buf_free(&list);
}

static void half_a_list_is_none(void **state)
{
    (void)state;
    ist_buf list = {0};
    put_list(&list, 2);
    size_t tail = 4; // the empty encoding and content type
    for (size_t size = 0; size < list.len - tail; size++) {
        json_t *envelope = NULL;
        int items;
        assert_int_equal(feed(&list, size, 50, &items, &envelope), IST_ERR_REMOTE);
        assert_null(envelope);
    }
    ist_buf_free(&list);
}

static void a_list_that_is_none_is_an_error(void **state)
{
    (void)state;
    ist_buf list = {0};
    json_t *envelope = NULL;
    int items;
    put_list(&list, 1);
    for (size_t i = 4; i < 60; i++) { // whatever changes, it is read or refused
        char was = list.data[i];
        list.data[i] = (char)0xff;
        if (feed(&list, list.len, 16, &items, &envelope) == IST_OK)
            json_decref(envelope);
        list.data[i] = was;
    }
    ist_buf_free(&list);
    ist_buf_add(&list, "k8s\0\x0a\x00\x12\xff\xff\xff\xff\x7f", 12);
    assert_int_equal(feed(&list, list.len, 16, &items, &envelope), IST_ERR_REMOTE);
    ist_buf_free(&list);
}

static void a_refusal_is_read(void **state)
{
    (void)state;
    ist_buf answer = {0}, type = {0}, status = {0}, details = {0};
    ist_buf_add(&answer, "k8s\0", 4);
    put_text(&type, 1, "v1");
    put_text(&type, 2, "Status");
    put_message(&answer, 1, &type);
    put_text(&status, 2, "Failure");
    put_text(&status, 3, "too old");
    put_text(&status, 4, "Expired");
    put_int(&details, 5, 1);
    put_message(&status, 5, &details);
    put_int(&status, 6, 410);
    put_message(&answer, 2, &status);
    json_t *json = kube_proto_answer(answer.data, answer.len);
    assert_string_equal(ist_json_str(json, "message"), "too old");
    assert_int_equal(ist_json_int(json, "code", 0), 410);
    assert_int_equal(ist_json_int(json, "details.retryAfterSeconds", 0), 1);
    json_decref(json);
    assert_null(kube_proto_answer(answer.data, answer.len - 1));
    assert_null(kube_proto_answer("{}", 2));
    ist_buf_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_says_what_it_says_in_json),
        cmocka_unit_test(numbers_or_names_are_either),
        cmocka_unit_test(what_is_no_utf8_spoils_nothing),
        cmocka_unit_test(half_a_table_is_for_who_asked_for_half),
        cmocka_unit_test(a_zero_time_is_null),
        cmocka_unit_test(what_is_broken_is_an_error_wherever_it_breaks),
        cmocka_unit_test(skims_to_the_digest_of_the_json),
        cmocka_unit_test(null_lists_have_their_digest_too),
        cmocka_unit_test(what_no_server_writes_is_not_skimmed),
        cmocka_unit_test(a_label_is_found),
        cmocka_unit_test(a_list_comes_in_parts_of_any_size),
        cmocka_unit_test(half_a_list_is_none),
        cmocka_unit_test(a_list_that_is_none_is_an_error),
        cmocka_unit_test(a_refusal_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
