// What an API server says in protobuf, of any bytes: a list, an object of each kind, a refusal. What is skimmed of an object
// says what reading it says.
#include "../../sdk/lib/kube/proto.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *api, *kind;
} kinds[] = {{"v1", "Namespace"},
             {"v1", "Service"},
             {"v1", "Endpoints"},
             {"v1", "Pod"},
             {"discovery.k8s.io/v1", "EndpointSlice"},
             {"networking.k8s.io/v1", "NetworkPolicy"}};

static void read_object(size_t i, const char *bytes, size_t len)
{
    const struct kube_proto_field *fields = kube_proto_fields(kinds[i].api, kinds[i].kind, 1);
    json_t *object = NULL, *head = NULL, *json_head = NULL;
    uint64_t digest = 0, json_digest = 0;
    const char *value;
    size_t value_len;
    (void)kube_proto_find_label(bytes, len, "app", &value, &value_len);
    int read = kube_proto_read(fields, bytes, len, NULL, "input", &object, NULL) == IST_OK;
    if (kube_proto_skim(fields, bytes, len, kinds[i].api, kinds[i].kind, &head, &digest)) {
        char *text = read ? ist_json_text(object) : NULL; // the status is not skimmed
        if (text && (kube_skim(text, strlen(text), kinds[i].api, kinds[i].kind, &json_head, &json_digest) &&
                     digest != json_digest))
            abort();
        ist_free(text);
    }
    json_decref(object);
    json_decref(head);
    json_decref(json_head);
}

static int32_t take(void *arg, const char *bytes, size_t len, ist_error *err)
{
    (void)err;
    read_object(*(const size_t *)arg, bytes, len);
    return IST_OK;
}

static void read_list(size_t i, const char *bytes, size_t len)
{
    struct kube_proto_page page = {0};
    json_t *envelope = NULL;
    size_t used = 0;
    if (kube_proto_is(bytes, len))
        (void)kube_proto_feed(&page, bytes, len, &used, take, &i, "input", NULL);
    if (kube_proto_end(&page, "input", &envelope, NULL) == IST_OK)
        json_decref(envelope);
    json_decref(kube_proto_answer(bytes, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1; // the first picks the kind
    size_t i = data[0] % (sizeof kinds / sizeof *kinds);
    read_object(i, bytes, size - 1);
    read_list(i, bytes, size - 1);
    return 0;
}
