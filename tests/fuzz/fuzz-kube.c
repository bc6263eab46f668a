// What users and clusters hand to the Kubernetes side, as any bytes: kubeconfigs, manifests, and what the Stars
// application's management-ui answers. The first byte says which.
#include "../../plugins/k8s-apply/apply.h"
#include "../../plugins/k8s-probe/probe.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_kubeconfig(const char *text)
{
    ist_env env = {0};
    ist_kube *kube = NULL;
    char *lines = ist_printf("%s\n", text); // a line end makes it text and not a path
    ist_kube_options options = {.size = sizeof options, .kubeconfig = lines};
    if (ist_kube_new(&env, &options, &kube, NULL) == IST_OK)
        ist_kube_free(kube);
    ist_free(lines);
}

static void read_manifests(const char *text)
{
    ist_env env = {0};
    json_t *wanted = NULL;
    json_t *inputs = json_pack("{s:{s:s}, s:[{s:s%}]}", "kubeconfigs", "x", "x", "manifests", "inline", text,
                               strlen(text));
    if (inputs && manifests_load(&env, inputs, &wanted, NULL) == IST_OK)
        for (size_t i = 0; i + 1 < json_array_size(wanted) && i < 8; i++) {
            const json_t *a = json_object_get(json_array_get(wanted, i), "object");
            const json_t *b = json_object_get(json_array_get(wanted, i + 1), "object");
            json_decref(ist_manifest_compare(a, b));
            json_decref(ist_manifest_by_hand(a, b));
        }
    json_decref(wanted);
    json_decref(inputs);
}

static void read_picture(const char *text, size_t size)
{
    json_t *responses = NULL;
    if (ist_json_parse(text, size, "responses", &responses, NULL) != IST_OK)
        return;
    json_t *picture = picture_read(responses, responses), *expect = json_pack("[s]", "client -> frontend");
    json_t *results = picture_judge(picture, expect, "management-ui");
    char *path = picture_path(picture);
    ist_free(path);
    json_decref(results);
    json_decref(expect);
    json_decref(picture);
    json_decref(responses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 65536)
        return 0;
    char *text = ist_strndup((const char *)data + 1, size - 1);
    if (data[0] % 3 == 0)
        read_kubeconfig(text);
    else if (data[0] % 3 == 1)
        read_manifests(text);
    else
        read_picture(text, strlen(text));
    ist_free(text);
    return 0;
}
