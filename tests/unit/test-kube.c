// The Kubernetes client against an API server that misbehaves.
#include "kube-fake.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define KINDS                                                                                                \
    "{\"resources\":[{\"name\":\"pods\",\"kind\":\"Pod\",\"namespaced\":true},"                              \
    "{\"name\":\"pods/status\",\"kind\":\"Pod\",\"namespaced\":true},"                                       \
    "{\"name\":\"services\",\"kind\":\"Service\",\"namespaced\":true},"                                      \
    "{\"name\":\"namespaces\",\"kind\":\"Namespace\",\"namespaced\":false}]}"
#define APPS       "{\"resources\":[{\"name\":\"deployments\",\"kind\":\"Deployment\",\"namespaced\":true}]}"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\"}}"

static json_t *service(const char *label)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s*}}}", "apiVersion", "v1", "kind", "Service", "metadata",
                     "name", "s", "namespace", "n", "labels", label ? label : "x", "y");
}

#define START(api, user)                                                                                     \
    struct fake_api api;                                                                                     \
    fake_api_start(&api, rules, sizeof rules / sizeof *rules, user)

static void pages_are_followed_to_the_last(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/namespaces/n/pods?limit=500&labelSelector=a%3Db&continue=p%2B2", 200,
         "{\"metadata\":{\"resourceVersion\":\"8\"},\"items\":[" ITEM("b") "]}", 0, 0},
        {"GET /api/v1/namespaces/n/pods?limit=500&labelSelector=a%3Db", 200,
         "{\"metadata\":{\"continue\":\"p+2\",\"resourceVersion\":\"7\"},\"items\":[" ITEM("a") "]}", 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: secret-token}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *items = NULL;
    char *version = NULL;
    assert_int_equal(ist_kube_list(kube, "v1", "Pod", "n", "a=b", NULL, &items, &version, NULL), IST_OK);
    assert_int_equal(json_array_size(items), 2);
    assert_string_equal(version, "8");
    assert_string_equal(ist_json_str(json_array_get(items, 1), "kind"), "Pod");
    assert_int_equal(fake_api_saw(&api, "Bearer secret-token"), 3);
    ist_free(version);
    json_decref(items);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void a_page_that_expired_makes_the_list_start_over_whole(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/pods?limit=500&continue=", 410, "{\"code\":410,\"message\":\"too old\"}", 0, 0},
        {"GET /api/v1/pods?limit=500", 200, "{\"metadata\":{\"continue\":\"2\"},\"items\":[" ITEM("a") "]}",
         0, 0},
        {"GET /api/v1/pods", 200, "{\"metadata\":{},\"items\":[" ITEM("a") "," ITEM("b") "]}", 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *items = NULL;
    assert_int_equal(ist_kube_list(kube, "v1", "Pod", NULL, NULL, NULL, &items, NULL, NULL), IST_OK);
    assert_int_equal(json_array_size(items), 2); // not three: the first page is not kept
    json_decref(items);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void answer_version(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
    (void)arg;
    (void)request;
    reply->body = strdup("{\"major\":\"1\",\"minor\":\"30\"}");
}

static int32_t version_over_tls(const struct httpd *httpd, const char *server, const char *name)
{
    json_t *config =
        json_pack("{s:s, s:[{s:s, s:{s:s}}], s:[{s:s, s:{s:s, s:s*, s:s}}], s:[]}", "current-context", "x",
                  "contexts", "name", "x", "context", "cluster", "x", "clusters", "name", "x", "cluster",
                  "server", server, "tls-server-name", name, "certificate-authority", "ca.pem", "users");
    char *text = json_dumps(config, 0);
    FILE *file = fopen("ca.pem", "we");
    fputs(httpd_ca(httpd), file);
    fclose(file);
    ist_kube_options options = {.size = sizeof options, .kubeconfig = text};
    ist_kube *kube = NULL;
    ist_error err = {0};
    int major, minor;
    assert_int_equal(ist_kube_new(&(ist_env){0}, &options, &kube, &err), IST_OK);
    int32_t rc = ist_kube_version(kube, &major, &minor, &err);
    ist_kube_free(kube);
    free(text);
    json_decref(config);
    return rc;
}

static void the_certificate_is_verified_for_the_name_that_is_given(void **state)
{
    (void)state;
    char dir[] = "/tmp/isthmus-kube-XXXXXX", back[4096], server[80];
    assert_non_null(getcwd(back, sizeof back));
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    struct httpd *httpd = httpd_start(answer_version, NULL, 1); // its certificate is for 127.0.0.1
    snprintf(server, sizeof server, "https://localhost%s", strrchr(httpd_url(httpd), ':'));
    assert_int_equal(version_over_tls(httpd, httpd_url(httpd), NULL), IST_OK);
    assert_int_equal(version_over_tls(httpd, server, NULL), IST_ERR_NETWORK);
    assert_int_equal(version_over_tls(httpd, server, "127.0.0.1"), IST_OK);
    assert_int_equal(version_over_tls(httpd, httpd_url(httpd), "somebody.else"), IST_ERR_NETWORK);
    httpd_stop(httpd);
    unlink("ca.pem");
    assert_int_equal(chdir(back), 0);
    rmdir(dir);
}

static void a_page_that_is_too_large_is_asked_for_in_smaller_ones(void **state)
{
    (void)state;
    size_t room = (17u << 20) + 256;
    char *large = malloc(room);
    int head = snprintf(large, room, "{\"metadata\":{},\"items\":[" ITEM("a") "],\"x\":\"");
    memset(large + head, 'x', 17u << 20);
    snprintf(large + head + (17u << 20), room - (size_t)head - (17u << 20), "\"}");
    const struct rule rules[] = {
        {"GET /api/v1/pods?limit=500", 200, large, 0, 0},
        {"GET /api/v1/pods?limit=50", 200, "{\"metadata\":{},\"items\":[" ITEM("a") "," ITEM("b") "]}", 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *items = NULL;
    assert_int_equal(ist_kube_list(kube, "v1", "Pod", NULL, NULL, NULL, &items, NULL, NULL), IST_OK);
    assert_int_equal(json_array_size(items), 2);
    json_decref(items);
    ist_kube_free(kube);
    fake_api_stop(&api);
    free(large);
}

static void a_page_that_fails_yields_no_half_list(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/pods?limit=500&continue=", 403,
         "{\"message\":\"pods is forbidden: User x cannot list\"}", 0, 0},
        {"GET /api/v1/pods?limit=500", 200, "{\"metadata\":{\"continue\":\"2\"},\"items\":[" ITEM("a") "]}",
         0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *items = NULL;
    ist_error err = {0};
    assert_int_equal(ist_kube_list(kube, "v1", "Pod", NULL, NULL, NULL, &items, NULL, &err), IST_ERR_DENIED);
    assert_null(items);
    assert_non_null(strstr(err.text, "cannot list"));
    assert_string_equal(err.where, "kubernetes fake: GET /api/v1/pods");
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void an_expired_token_is_made_anew_once(void **state)
{
    (void)state;
    char dir[] = "/tmp/isthmus-kube-XXXXXX", path[80], user[256];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/helper", dir);
    FILE *file = fopen(path, "we");
    fprintf(file, "#!/bin/sh\necho x >>%s/n; echo '{\"status\":{\"token\":\"token-'$(wc -l <%s/n)'\"}}'\n",
            dir, dir);
    fclose(file);
    chmod(path, 0700);
    snprintf(user, sizeof user, "{exec: {apiVersion: client.authentication.k8s.io/v1, command: %s}}", path);
    static const struct rule rules[] = {
        {"GET /version", 200, "{\"major\":\"1\",\"minor\":\"27+\"}", 1, 0},
        {"GET /api/v1/namespaces/kube-system", 401, "{\"message\":\"Unauthorized\"}", 1, 0},
        {"GET /api/v1/namespaces/kube-system", 200, "{\"metadata\":{\"uid\":\"u-1\"}}", 0, 0},
    };
    START(api, user);
    struct fake_call call = {.operation = IST_OP_PLAN};
    ist_env env = fake_env(&call);
    ist_kube *kube = fake_client(&api, &env);
    int major = 0, minor = 0;
    const char *uid = NULL;
    assert_int_equal(ist_kube_version(kube, &major, &minor, NULL), IST_OK);
    assert_int_equal(minor, 27);
    assert_int_equal(ist_kube_uid(kube, &uid, NULL), IST_OK);
    assert_string_equal(uid, "u-1");
    assert_int_equal(fake_api_saw(&api, "Bearer token-1"), 2);
    assert_int_equal(fake_api_saw(&api, "Bearer token-2"), 1);
    assert_non_null(strstr(call.secrets, "token-2"));
    ist_kube_free(kube);
    fake_api_stop(&api);
    unlink(path);
    snprintf(path, sizeof path, "%s/n", dir);
    unlink(path);
    rmdir(dir);
}

static void a_write_that_lost_a_race_is_sent_again(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"PATCH /api/v1/namespaces/n/services/s?fieldManager=isthmus", 409,
         "{\"reason\":\"Conflict\",\"message\":\"the object has been modified\"}", 2, 0},
        {"PATCH /api/v1/namespaces/n/services/s?fieldManager=isthmus", 200, "{\"metadata\":{\"uid\":\"u\"}}",
         0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *object = service(NULL), *applied = NULL;
    assert_int_equal(ist_kube_apply(kube, object, 1, &applied, NULL), IST_OK);
    assert_string_equal(ist_json_str(applied, "metadata.uid"), "u");
    assert_int_equal(api.used[0], 2);
    assert_int_equal(fake_api_saw(&api, "&force=true"), 3);
    json_decref(applied);
    json_decref(object);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void a_field_of_another_manager_is_a_conflict_at_once(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"PATCH ", 409,
         "{\"message\":\"Apply failed with 1 conflict: conflict with \\\"helm\\\": .spec.type\","
         "\"details\":{\"causes\":[{\"reason\":\"FieldManagerConflict\"}]}}",
         0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *object = service(NULL);
    ist_error err = {0};
    assert_int_equal(ist_kube_apply(kube, object, 0, NULL, &err), IST_ERR_CONFLICT);
    assert_non_null(strstr(err.text, "helm"));
    assert_int_equal(api.used[0], 1);
    json_decref(object);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void what_is_gone_already_is_deleted(void **state)
{
    (void)state;
    static const struct rule rules[] = {{"GET /api/v1", 200, KINDS, 0, 0}};
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    ist_error err = {0};
    assert_int_equal(ist_kube_delete(kube, "v1", "Pod", "n", "p", "uid-1", "77", &err), IST_OK);
    assert_int_equal(err.code, 0);
    assert_int_equal(fake_api_saw(&api, "\"preconditions\":{\"resourceVersion\":\"77\",\"uid\":\"uid-1\"}"),
                     1);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void a_busy_server_is_asked_again(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/namespaces/n/pods/p", 429, "{\"message\":\"too many requests\"}", 1, 0},
        {"GET /api/v1/namespaces/n/pods/p", 503, "{\"message\":\"starting\"}", 1, 0},
        {"GET /api/v1/namespaces/n/pods/p", 200, "{\"metadata\":{\"name\":\"p\"}}", 1, 10}, // cut
        {"GET /api/v1/namespaces/n/pods/p", 200, "{\"metadata\":{\"name\":\"p\"}}", 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *pod = NULL;
    assert_int_equal(ist_kube_get(kube, "v1", "Pod", "n", "p", &pod, NULL), IST_OK);
    assert_string_equal(ist_json_str(pod, "metadata.name"), "p");
    json_decref(pod);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void reading_operations_refuse_writes(void **state)
{
    (void)state;
    static const struct rule rules[] = {{"PATCH ", 200, "{}", 0, 0},
                                        {"DELETE ", 200, "{}", 0, 0},
                                        {"POST ", 200, "{}", 0, 0},
                                        {"GET /api/v1", 200, KINDS, 0, 0}};
    static const uint32_t operations[] = {IST_OP_OBSERVE, IST_OP_PLAN, IST_OP_VERIFY};
    START(api, "{token: t}");
    for (size_t i = 0; i < 3; i++) {
        struct fake_call call = {.operation = operations[i]};
        ist_env env = fake_env(&call);
        ist_kube *kube = fake_client(&api, &env);
        json_t *object = service(NULL);
        assert_int_equal(ist_kube_apply(kube, object, 1, NULL, NULL), IST_ERR_READ_ONLY);
        assert_int_equal(ist_kube_create(kube, object, NULL, NULL), IST_ERR_READ_ONLY);
        assert_int_equal(ist_kube_delete(kube, "v1", "Service", "n", "s", NULL, NULL, NULL),
                         IST_ERR_READ_ONLY);
        assert_int_equal(ist_kube_patch(kube, "v1", "Service", "n", "s", "application/merge-patch+json",
                                        object, NULL, NULL),
                         IST_ERR_READ_ONLY);
        assert_int_equal(ist_kube_raw(kube, "POST", "/api/v1/namespaces", object, NULL, NULL, NULL),
                         IST_ERR_READ_ONLY);
        assert_int_equal(ist_kube_apply_dry(kube, object, NULL, NULL), IST_OK);
        json_decref(object);
        ist_kube_free(kube);
    }
    assert_int_equal(fake_api_saw(&api, "DELETE "), 0);
    assert_int_equal(fake_api_saw(&api, "POST "), 0);
    assert_int_equal(fake_api_saw(&api, "PATCH "), fake_api_saw(&api, "dryRun=All"));
    fake_api_stop(&api);
}

static void verify_writes_what_carries_the_probe_label(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"PATCH ", 200, "{}", 0, 0},
        {"DELETE ", 200, "{}", 0, 0},
        {"GET /api/v1/namespaces/n/services/mine", 200,
         "{\"metadata\":{\"labels\":{\"isthmus.dev/probe\":\"x\"}}}", 0, 0},
        {"GET /api/v1/namespaces/n/services/theirs", 200, "{\"metadata\":{\"labels\":{}}}", 0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
    };
    START(api, "{token: t}");
    struct fake_call call = {.operation = IST_OP_VERIFY};
    ist_env env = fake_env(&call);
    ist_kube *kube = fake_client(&api, &env);
    json_t *object = service("isthmus.dev/probe");
    assert_int_equal(ist_kube_apply(kube, object, 1, NULL, NULL), IST_OK);
    assert_int_equal(ist_kube_delete(kube, "v1", "Service", "n", "mine", NULL, NULL, NULL), IST_OK);
    assert_int_equal(ist_kube_delete(kube, "v1", "Service", "n", "theirs", NULL, NULL, NULL),
                     IST_ERR_READ_ONLY);
    assert_int_equal(fake_api_saw(&api, "DELETE "), 1);
    json_decref(object);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void a_kind_that_is_gone_is_refused_with_the_version_that_has_it(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /apis/apps/v1", 200, APPS, 0, 0},
        {"GET /apis/extensions/v1beta1", 404, "404 page not found", 0, 0},
        {"GET /apis/example.com/v1", 200, APPS, 0, 0},
        {"GET /apis", 200,
         "{\"groups\":[{\"versions\":[{\"groupVersion\":\"example.com/v1\"}]},"
         "{\"versions\":[{\"groupVersion\":\"apps/v1\"}]}]}",
         0, 0},
        {"GET /api/v1", 200, KINDS, 0, 0},
        {"GET /version", 200, "{\"major\":\"1\",\"minor\":\"29\"}", 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    ist_kube_kind kind;
    ist_error err = {0};
    assert_int_equal(ist_kube_kind_of(kube, "extensions/v1beta1", "Deployment", &kind, &err),
                     IST_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "Kubernetes 1.29"));
    assert_string_equal(err.hint,
                        "it serves Deployment as apps/v1"); // not the namesake in somebody's own group
    assert_int_equal(ist_kube_kind_of(kube, "apps/v1", "Deployment", &kind, &err), IST_OK);
    assert_string_equal(kind.resource, "deployments");
    assert_int_equal(kind.namespaced, 1);
    assert_int_equal(ist_kube_kind_of(kube, "../../etc", "Pod", &kind, &err), IST_ERR_INPUT);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void a_kind_that_comes_later_is_found(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /apis/apps/v1", 404, "", 1, 0},
        {"GET /apis/apps/v1", 200, APPS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    ist_kube_kind kind;
    assert_int_equal(ist_kube_kind_of(kube, "apps/v1", "Deployment", &kind, NULL), IST_ERR_NOT_FOUND);
    usleep(2100000); // the answer is kept for two seconds
    assert_int_equal(ist_kube_kind_of(kube, "apps/v1", "Deployment", &kind, NULL), IST_OK);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

// ---- rollouts ----

static const struct rollout {
    const char *path, *api, *kind, *live;
    int ready;
    const char *says;
} rollouts[] = {
    {"/apis/apps/v1/namespaces/n/deployments/x", "apps/v1", "Deployment",
     "{\"metadata\":{\"generation\":2},\"spec\":{\"replicas\":2},\"status\":{\"observedGeneration\":1}}", 0,
     "not seen"},
    {"/apis/apps/v1/namespaces/n/deployments/x", "apps/v1", "Deployment",
     "{\"metadata\":{\"generation\":2},\"spec\":{\"replicas\":2},\"status\":{\"observedGeneration\":2,"
     "\"updatedReplicas\":1}}",
     0, "1 of 2 updated"},
    {"/apis/apps/v1/namespaces/n/deployments/x", "apps/v1", "Deployment",
     "{\"metadata\":{\"generation\":2},\"spec\":{\"replicas\":2},\"status\":{\"observedGeneration\":2,"
     "\"updatedReplicas\":2,\"replicas\":3,\"availableReplicas\":3}}",
     0, "old replicas"},
    {"/apis/apps/v1/namespaces/n/deployments/x", "apps/v1", "Deployment",
     "{\"metadata\":{\"generation\":2},\"spec\":{\"replicas\":2},\"status\":{\"observedGeneration\":2,"
     "\"updatedReplicas\":2,\"replicas\":2,\"availableReplicas\":2}}",
     1, ""},
    {"/apis/apps/v1/namespaces/n/deployments/x", "apps/v1", "Deployment",
     "{\"metadata\":{\"generation\":2},\"spec\":{\"replicas\":1},\"status\":{\"observedGeneration\":2,"
     "\"updatedReplicas\":3,\"replicas\":3,\"availableReplicas\":3}}",
     0, "2 replicas too many"},
    {"/apis/apps/v1/namespaces/n/daemonsets/x", "apps/v1", "DaemonSet",
     "{\"metadata\":{\"generation\":1},\"status\":{\"observedGeneration\":1,\"desiredNumberScheduled\":3,"
     "\"updatedNumberScheduled\":3,\"numberAvailable\":2}}",
     0, "2 available"},
    {"/apis/apps/v1/namespaces/n/statefulsets/x", "apps/v1", "StatefulSet",
     "{\"metadata\":{\"generation\":1},\"spec\":{\"replicas\":1},\"status\":{\"observedGeneration\":1,"
     "\"readyReplicas\":1,\"updatedReplicas\":1}}",
     1, ""},
    {"/apis/apps/v1/namespaces/n/statefulsets/x", "apps/v1", "StatefulSet",
     "{\"metadata\":{\"generation\":1},\"spec\":{\"replicas\":1},\"status\":{\"observedGeneration\":1,"
     "\"readyReplicas\":2,\"replicas\":2,\"updatedReplicas\":2}}",
     0, "1 replicas too many"},
    {"/api/v1/namespaces/n/replicationcontrollers/x", "v1", "ReplicationController",
     "{\"metadata\":{\"generation\":1,\"namespace\":\"n\"},\"spec\":{\"replicas\":1,\"selector\":{\"a\":"
     "\"b\"}},\"status\":"
     "{\"observedGeneration\":1,\"replicas\":1}}",
     0, "0 of 1 ready; pod p, container c: ImagePullBackOff: no such image"},
    {"/api/v1/namespaces/x", "v1", "Namespace", "{\"status\":{\"phase\":\"Terminating\"}}", 0, "Terminating"},
};

static const struct rule around_rollouts[] = {
    {"GET /api/v1/namespaces/n/pods?limit=500&labelSelector=a%3Db", 200,
     "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"p\"},\"status\":{\"containerStatuses\":[{"
     "\"name\":\"c\","
     "\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"no such image\"}}}]}}]}",
     0, 0},
    {"GET /apis/apps/v1", 200,
     "{\"resources\":[{\"name\":\"deployments\",\"kind\":\"Deployment\",\"namespaced\":true},{"
     "\"name\":"
     "\"daemonsets\",\"kind\":\"DaemonSet\",\"namespaced\":true},{\"name\":\"statefulsets\",\"kind\":"
     "\"StatefulSet\",\"namespaced\":true}]}",
     0, 0},
    {"GET /api/v1", 200,
     "{\"resources\":[{\"name\":\"pods\",\"kind\":\"Pod\",\"namespaced\":true},{\"name\":"
     "\"replicationcontrollers\",\"kind\":\"ReplicationController\",\"namespaced\":true},{\"name\":"
     "\"namespaces\",\"kind\":\"Namespace\",\"namespaced\":false}]}",
     0, 0},
};

static void judge(const struct rollout *rollout)
{
    char get[160], *body;
    json_t *live = json_loads(rollout->live, 0, NULL);
    json_object_set_new(live, "kind",
                        json_string(rollout->kind)); // the server says what it is: the rules go by kind
    body = ist_json_text(live);
    snprintf(get, sizeof get, "GET %s", rollout->path);
    struct rule rules[4] = {{get, 200, body, 0, 0}};
    memcpy(rules + 1, around_rollouts, sizeof around_rollouts);
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *object = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", rollout->api, "kind", rollout->kind,
                               "metadata", "name", "x", "namespace", "n");
    int ready = -1;
    char *text = NULL;
    assert_int_equal(ist_kube_rollout_look(kube, object, &ready, &text, NULL), IST_OK);
    assert_int_equal(ready, rollout->ready);
    if (!strstr(text, rollout->says))
        fail_msg("%s with %s says: %s", rollout->kind, rollout->live, text);
    ist_free(text);
    ist_free(body);
    json_decref(live);
    json_decref(object);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void rollouts_are_judged_as_kubectl_judges_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rollouts / sizeof *rollouts; i++)
        judge(&rollouts[i]);
}

static void a_deployment_that_gave_up_is_an_error(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /apis/apps/v1/namespaces/n/deployments/x", 200,
         "{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"x\",\"namespace\":\"n\",\"generation\":1},"
         "\"spec\":{\"replicas\":1},"
         "\"status\":{\"observedGeneration\":1,\"conditions\":[{\"type\":\"Progressing\",\"status\":"
         "\"False\",\"reason\":"
         "\"ProgressDeadlineExceeded\"}]}}",
         0, 0},
        {"GET /apis/apps/v1", 200, APPS, 0, 0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *object = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "apps/v1", "kind", "Deployment",
                               "metadata", "name", "x", "namespace", "n");
    ist_error err = {0};
    assert_int_equal(ist_kube_rollout(kube, object, &err), IST_ERR_REMOTE);
    assert_string_equal(err.where, "Deployment n/x in fake");
    json_decref(object);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

static void pods_that_end_are_told_but_not_those_of_a_dead_node(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"GET /api/v1/namespaces/n/pods?limit=500&labelSelector=a%3Db", 200,
         "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"stays\"}},{\"metadata\":{\"name\":\"dead\","
         "\"deletionTimestamp\":\"2020-01-01T00:00:00Z\"}},{\"metadata\":{\"name\":\"ends\","
         "\"deletionTimestamp\":\"2100-01-01T00:00:00Z\"}}]}",
         1, 0},
        {"GET /api/v1/namespaces/n/pods?limit=500&labelSelector=a%3Db", 200,
         "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"stays\"}},{\"metadata\":{\"name\":\"dead\","
         "\"deletionTimestamp\":\"2020-01-01T00:00:00Z\"}}]}",
         0, 0},
        {"GET /api/v1", 200, "{\"resources\":[{\"name\":\"pods\",\"kind\":\"Pod\",\"namespaced\":true}]}", 0,
         0},
    };
    START(api, "{token: t}");
    ist_kube *kube = fake_client(&api, &(ist_env){0});
    json_t *object =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:{s:s}}}}", "apiVersion", "apps/v1", "kind", "Deployment",
                  "metadata", "name", "x", "namespace", "n", "spec", "selector", "matchLabels", "a", "b");
    char *text = NULL;
    assert_int_equal(ist_kube_rollout_leftover(kube, object, &text, NULL), IST_OK);
    assert_string_equal(text, "1 pod of it still ending, first ends");
    ist_free(text);
    assert_int_equal(ist_kube_rollout_leftover(kube, object, &text, NULL), IST_OK);
    assert_null(text);
    json_decref(object);
    ist_kube_free(kube);
    fake_api_stop(&api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_that_end_are_told_but_not_those_of_a_dead_node),
        cmocka_unit_test(pages_are_followed_to_the_last),
        cmocka_unit_test(a_page_that_expired_makes_the_list_start_over_whole),
        cmocka_unit_test(the_certificate_is_verified_for_the_name_that_is_given),
        cmocka_unit_test(a_page_that_is_too_large_is_asked_for_in_smaller_ones),
        cmocka_unit_test(a_page_that_fails_yields_no_half_list),
        cmocka_unit_test(an_expired_token_is_made_anew_once),
        cmocka_unit_test(a_write_that_lost_a_race_is_sent_again),
        cmocka_unit_test(a_field_of_another_manager_is_a_conflict_at_once),
        cmocka_unit_test(what_is_gone_already_is_deleted),
        cmocka_unit_test(a_busy_server_is_asked_again),
        cmocka_unit_test(reading_operations_refuse_writes),
        cmocka_unit_test(verify_writes_what_carries_the_probe_label),
        cmocka_unit_test(a_kind_that_is_gone_is_refused_with_the_version_that_has_it),
        cmocka_unit_test(a_kind_that_comes_later_is_found),
        cmocka_unit_test(rollouts_are_judged_as_kubectl_judges_them),
        cmocka_unit_test(a_deployment_that_gave_up_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
