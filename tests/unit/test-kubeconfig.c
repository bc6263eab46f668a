// Kubeconfigs and exec credentials.
#include "kube/internal.h"
#include "eks-token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define CONTEXT "contexts: [{name: x, context: {cluster: c, user: u, namespace: n}}]\ncurrent-context: x\n"

static char dir[64];

static char *write_file(const char *name, const char *text, mode_t mode)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/isthmus-kubeconfig-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const files[] = {"a", "b", "ca", "helper", "count"};
    char path[160];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static int32_t load(const char *kubeconfig, struct kube_login *login, ist_error *err)
{
    *err = (ist_error){0};
    return kube_login_load(NULL, kubeconfig, NULL, login, err);
}

static void of_several_files_the_first_to_say_a_thing_wins(void **state)
{
    (void)state;
    char paths[400], *a, *b;
    a = strdup(write_file("a", "current-context: two\nusers: [{name: u, user: {token: first}}]\n", 0600));
    b = strdup(
        write_file("b",
                   "current-context: one\nusers: [{name: u, user: {token: second}}]\n"
                   "clusters: [{name: c, cluster: {server: 'https://c/'}}]\n"
                   "contexts: [{name: one, context: {}}, {name: two, context: {cluster: c, user: u}}]\n",
                   0600));
    snprintf(paths, sizeof paths, "%s/absent:%s:%s", dir, a, b); // kubectl passes over absent ones as well
    struct kube_login login;
    ist_error err;
    assert_int_equal(load(paths, &login, &err), IST_OK);
    assert_string_equal(login.token, "first");
    assert_string_equal(login.server, "https://c");
    kube_login_free(&login);
    free(a);
    free(b);
}

static void files_it_names_are_relative_to_it(void **state)
{
    (void)state;
    write_file("ca", "PEM", 0600);
    const char *path =
        write_file("a",
                   CONTEXT "clusters: [{name: c, cluster: {server: 'https://c', certificate-authority: "
                           "ca}}]\nusers: [{name: u, user: {}}]\n",
                   0600);
    struct kube_login login;
    ist_error err;
    assert_int_equal(load(path, &login, &err), IST_OK);
    assert_string_equal(login.ca_pem, "PEM");
    assert_string_equal(login.ns, "n");
    kube_login_free(&login);
}

static void inline_data_may_be_folded(void **state)
{
    (void)state;
    struct kube_login login;
    ist_error err;
    const char *text =
        CONTEXT "clusters:\n- name: c\n  cluster:\n    server: https://c\n"
                "    certificate-authority-data: |\n      aGVs\n      bG8=\nusers: [{name: u, user: {}}]\n";
    assert_int_equal(load(text, &login, &err), IST_OK);
    assert_string_equal(login.ca_pem, "hello");
    kube_login_free(&login);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[]\n", "expected a mapping"},
        {"current-context: y\n" CONTEXT, "line"}, // a duplicate key
        {"contexts: [{name: a, context: {}}, {name: b, context: {}}]\n", "names no context"},
        {CONTEXT "clusters: []\n", "no cluster named \"c\""},
        {CONTEXT "clusters: [{name: c, cluster: {}}]\n", "no server URL"},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'ftp://c'}}]\n", "no server URL"},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://c'}}]\n", "no user named \"u\""},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://c', certificate-authority-data: '!'}}]\n"
                 "users: [{name: u, user: {}}]\n",
         "not base64"},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://c'}}]\n"
                 "users: [{name: u, user: {client-certificate-data: aGVsbG8=}}]\n",
         "belong together"},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://c'}}]\n"
                 "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n",
         "auth-provider"},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://c', certificate-authority: /nowhere}}]\n"
                 "users: [{name: u, user: {}}]\n",
         "No such file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kube_login login = {.server = (char *)(uintptr_t)1};
        ist_error err;
        assert_int_not_equal(load(cases[i].text, &login, &err), IST_OK);
        if (i != 1 && !strstr(err.text, cases[i].says))
            fail_msg("case %zu says: %s", i, err.text);
        assert_true(err.text[0]);
        assert_ptr_equal(login.server, (char *)(uintptr_t)1); // untouched on failure
    }
}

static void eks_helpers_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *exec, *cluster, *role, *region;
    } cases[] = {
        {"{\"command\":\"aws-iam-authenticator\",\"args\":[\"token\",\"-i\",\"aws\",\"-r\",\"arn:x\"]}",
         "aws", "arn:x", NULL},
        {"{\"command\":\"/usr/bin/aws-iam-authenticator\",\"args\":[\"token\",\"--cluster-id=aws\"]}", "aws",
         NULL, NULL},
        {"{\"command\":\"aws\",\"args\":[\"--region\",\"eu-west-1\",\"eks\",\"get-token\",\"--cluster-name\","
         "\"aws\","
         "\"--role-arn\",\"arn:y\"]}",
         "aws", "arn:y", "eu-west-1"},
        {"{\"command\":\"aws\",\"args\":[\"eks\",\"get-token\",\"--cluster-name\",\"b\"],\"env\":[{\"name\":"
         "\"AWS_REGION\","
         "\"value\":\"us-east-2\"}]}",
         "b", NULL, "us-east-2"},
        {"{\"command\":\"aws\",\"args\":[\"sts\",\"get-caller-identity\"]}", NULL, NULL, NULL},
        {"{\"command\":\"aws-iam-authenticator\",\"args\":[\"verify\",\"-i\",\"aws\"]}", NULL, NULL, NULL},
        {"{\"command\":\"aws-iam-authenticator\",\"args\":[\"token\",\"-i\"]}", NULL, NULL, NULL},
        {"{\"command\":\"gke-gcloud-auth-plugin\"}", NULL, NULL, NULL},
        {"{}", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kube_eks eks = {0};
        json_t *exec = json_loads(cases[i].exec, 0, NULL);
        assert_int_equal(kube_exec_eks(exec, &eks), cases[i].cluster != NULL);
        if (cases[i].cluster)
            assert_string_equal(eks.cluster, cases[i].cluster);
        if (cases[i].role)
            assert_string_equal(eks.role, cases[i].role);
        if (cases[i].region)
            assert_string_equal(eks.region, cases[i].region);
        json_decref(exec);
    }
}

static struct kube_login helper_login(const char *script, const char *arg)
{
    write_file("helper", script, 0700);
    struct kube_login login = {.server = strdup("https://c"), .exec_dir = strdup(dir)};
    login.exec = json_pack("{s:s, s:[s], s:[{s:s, s:s}]}", "command", "./helper", "args", arg, "env", "name",
                           "WHAT", "value", "secret-token");
    return login;
}

static void helper_login_free(struct kube_login *login)
{
    free(login->server);
    free(login->exec_dir);
    json_decref(login->exec);
}

static void a_helper_runs_without_a_shell(void **state)
{
    (void)state;
    struct kube_login login = helper_login(
        "#!/bin/sh\n[ \"$1\" = '$(id); a b' ] || exit 3\n[ -n \"$KUBERNETES_EXEC_INFO\" ] || exit 4\n"
        "[ ! -e /proc/self/fd/9 ] || exit 5\n"
        "echo '{\"status\":{\"token\":\"'$WHAT'\",\"expirationTimestamp\":\"2030-01-02T03:04:05Z\"}}'\n",
        "$(id); a b");
    struct kube_credential credential = {0};
    ist_error err = {0};
    assert_int_equal(dup2(1, 9), 9); // what is open here is closed there: the state's lock is among it
    int32_t rc = kube_exec(&(ist_env){0}, &login, NULL, &credential, &err);
    close(9);
    assert_int_equal(rc, IST_OK);
    assert_string_equal(credential.token, "secret-token");
    assert_int_equal(credential.expires_ms, 1893553445000);
    kube_credential_free(&credential);
    helper_login_free(&login);
}

static void a_helper_that_fails_is_quoted(void **state)
{
    (void)state;
    struct kube_login login = helper_login("#!/bin/sh\necho not logged in >&2\necho more >&2\nexit 7\n", "");
    struct kube_credential credential = {0};
    ist_error err = {0};
    assert_int_equal(kube_exec(&(ist_env){0}, &login, NULL, &credential, &err), IST_ERR_DENIED);
    assert_non_null(strstr(err.text, "exit 7): not logged in"));
    assert_null(credential.token);
    helper_login_free(&login);
}

static void what_a_helper_prints_is_in_no_error(void **state)
{
    (void)state;
    struct kube_login login = helper_login("#!/bin/sh\necho $WHAT\n", "");
    struct kube_credential credential = {0};
    ist_error err = {0};
    assert_int_not_equal(kube_exec(&(ist_env){0}, &login, NULL, &credential, &err), IST_OK);
    assert_null(strstr(err.text, "secret-token"));
    assert_null(strstr(err.where, "secret-token"));
    helper_login_free(&login);
}

static void a_helper_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct kube_login login = helper_login("", "");
    json_object_set_new(login.exec, "command", json_string("isthmus-no-such-helper"));
    struct kube_credential credential = {0};
    ist_error err = {0};
    assert_int_equal(kube_exec(&(ist_env){0}, &login, NULL, &credential, &err), IST_ERR_DENIED);
    assert_string_equal(err.where, "isthmus-no-such-helper");
    assert_true(err.hint[0]);
    helper_login_free(&login);
}

// Whoever made the kubeconfig: the token is for the region in which the cluster is.
static void the_address_of_a_cluster_says_its_region(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://A1.gr7.eu-west-1.eks.amazonaws.com", "https://sts.eu-west-1.amazonaws.com/"},
        {"https://a1.sk1.cn-north-1.eks.amazonaws.com.cn", "https://sts.cn-north-1.amazonaws.com.cn/"},
        {"https://A1.eks-cluster.us-west-2.api.aws:443", "https://sts.us-west-2.amazonaws.com/"},
        {"https://10.0.0.1:6443", "https://sts.us-east-1.amazonaws.com/"}};
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    setenv("AWS_REGION", "us-east-1", 1);
    unsetenv("AWS_ENDPOINT_URL");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kube_login login = {.server = strdup(cases[i][0])};
        login.exec =
            json_pack("{s:s, s:[s, s, s]}", "command", "aws-iam-authenticator", "args", "token", "-i", "aws");
        struct kube_credential credential = {0};
        ist_error err = {0};
        assert_int_equal(kube_exec(&(ist_env){0}, &login, NULL, &credential, &err), IST_OK);
        char *bearer = ist_printf("Bearer %s", credential.token), *url = eks_token_url(bearer);
        assert_non_null(url);
        assert_int_equal(strncmp(url, cases[i][1], strlen(cases[i][1])), 0);
        free(url);
        ist_free(bearer);
        kube_credential_free(&credential);
        free(login.server);
        json_decref(login.exec);
    }
    unsetenv("AWS_REGION");
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
}

static void times_are_read(void **state)
{
    (void)state;
    assert_int_equal(kube_time_ms("1970-01-01T00:00:01Z"), 1000);
    assert_int_equal(kube_time_ms("2030-01-02T03:04:05.678Z"), 1893553445000);
    assert_int_equal(kube_time_ms("1970-01-01T02:00:00+02:00"), 0);
    assert_int_equal(kube_time_ms("1969-12-31T22:00:00-02:00"), 0);
    assert_int_equal(kube_time_ms("tomorrow"), -1);
    assert_int_equal(kube_time_ms("2030-01-02T03:04:05"), -1);
    assert_int_equal(kube_time_ms(NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_several_files_the_first_to_say_a_thing_wins),
        cmocka_unit_test(files_it_names_are_relative_to_it),
        cmocka_unit_test(inline_data_may_be_folded),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(eks_helpers_are_recognised),
        cmocka_unit_test(a_helper_runs_without_a_shell),
        cmocka_unit_test(a_helper_that_fails_is_quoted),
        cmocka_unit_test(what_a_helper_prints_is_in_no_error),
        cmocka_unit_test(a_helper_that_is_not_there_is_named),
        cmocka_unit_test(the_address_of_a_cluster_says_its_region),
        cmocka_unit_test(times_are_read),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
