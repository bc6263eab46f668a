// The Kubernetes client as a program, for shell tests against real control planes. Prints JSON; on an error
// its text on stderr as "CODE: where: text (hint)" and exit status 1.
//
//   kube-tool KUBECONFIG uid | version | kind API KIND | get API KIND NS NAME | list API KIND [NS [SELECTOR]]
//     | apply FILE | force FILE | dry FILE | create FILE | delete API KIND NS NAME [UID] | rollout FILE | raw
//     PATH
// An empty NS is none.
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <isthmus/kube.h>
#include <isthmus/yaml.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ist_env env = {0};

static const char *none_if_empty(const char *text)
{
    return text && *text ? text : NULL;
}

static void print_json(const json_t *json)
{
    char *text = ist_json_text(json);
    puts(text);
    ist_free(text);
}

static json_t *read_object(const char *path)
{
    static char text[1 << 20];
    FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
    json_t *object = NULL;
    ist_error err;
    if (!file || ist_yaml_parse(text, fread(text, 1, sizeof text, file), path, &object, &err) != IST_OK) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    if (file != stdin)
        fclose(file);
    return object;
}

static int32_t run_file(ist_kube *kube, const char *verb, const char *path, json_t **answer, ist_error *err)
{
    json_t *object = read_object(path);
    int32_t rc = IST_ERR_INPUT;
    if (!strcmp(verb, "apply") || !strcmp(verb, "force"))
        rc = ist_kube_apply(kube, object, !strcmp(verb, "force"), answer, err);
    else if (!strcmp(verb, "dry"))
        rc = ist_kube_apply_dry(kube, object, answer, err);
    else if (!strcmp(verb, "create"))
        rc = ist_kube_create(kube, object, answer, err);
    else if (!strcmp(verb, "rollout"))
        rc = ist_kube_rollout(kube, object, err);
    json_decref(object);
    return rc;
}

static int32_t run(ist_kube *kube, const char *verb, char **a, int n, json_t **answer, ist_error *err)
{
    if (!strcmp(verb, "uid")) {
        const char *uid;
        int32_t rc = ist_kube_uid(kube, &uid, err);
        *answer = rc == IST_OK ? json_string(uid) : NULL;
        return rc;
    }
    if (!strcmp(verb, "version")) {
        int major = 0, minor = 0;
        int32_t rc = ist_kube_version(kube, &major, &minor, err);
        *answer = json_pack("[i,i]", major, minor);
        return rc;
    }
    if (!strcmp(verb, "kind") && n == 2) {
        ist_kube_kind kind = {0};
        int32_t rc = ist_kube_kind_of(kube, a[0], a[1], &kind, err);
        *answer = rc == IST_OK
                      ? json_pack("{s:s, s:b}", "resource", kind.resource, "namespaced", kind.namespaced)
                      : NULL;
        return rc;
    }
    if (!strcmp(verb, "get") && n == 4)
        return ist_kube_get(kube, a[0], a[1], none_if_empty(a[2]), a[3], answer, err);
    if (!strcmp(verb, "list") && n >= 2)
        return ist_kube_list(kube, a[0], a[1], n > 2 ? none_if_empty(a[2]) : NULL, n > 3 ? a[3] : NULL, NULL,
                             answer, NULL, err);
    if (!strcmp(verb, "delete") && n >= 4)
        return ist_kube_delete(kube, a[0], a[1], none_if_empty(a[2]), a[3], n > 4 ? a[4] : NULL, NULL, err);
    if (!strcmp(verb, "raw") && n == 1) {
        int status = 0;
        return ist_kube_raw(kube, "GET", a[0], NULL, &status, answer, err);
    }
    return n == 1 ? run_file(kube, verb, a[0], answer, err)
                  : ist_fail(err, IST_ERR_INPUT, verb, "see the top of this file");
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    ist_kube_options options = {.size = sizeof options, .name = "real", .kubeconfig = argv[1]};
    ist_kube *kube = NULL;
    ist_error err = {0};
    json_t *answer = NULL;
    int32_t rc = ist_kube_new(&env, &options, &kube, &err);
    if (rc == IST_OK)
        rc = run(kube, argv[2], argv + 3, argc - 3, &answer, &err);
    if (rc == IST_OK && answer)
        print_json(answer);
    if (rc != IST_OK)
        fprintf(stderr, "%s: %s: %s%s%s%s\n", ist_code_name(rc), err.where, err.text, err.hint[0] ? " (" : "",
                err.hint, err.hint[0] ? ")" : "");
    json_decref(answer);
    ist_kube_free(kube);
    return rc != IST_OK;
}
