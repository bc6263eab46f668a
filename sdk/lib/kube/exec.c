// Credentials from an exec entry (client.authentication.k8s.io). The EKS helpers are not run: their token is
// minted in process. Any other helper is run without a shell, with its own process group and a deadline.
// Source:
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
#include "internal.h"
#include <isthmus/aws.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_MS  60000
#define HELPER_MAX (256u << 10)

extern char **environ;

void kube_credential_free(struct kube_credential *credential)
{
    ist_free_secret(credential->token);
    ist_free(credential->cert_pem);
    ist_free_secret(credential->key_pem);
    *credential = (struct kube_credential){0};
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *exec_env(const json_t *exec, const char *name)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(exec, "env"), i, entry)
    {
        const char *key = ist_json_str(entry, "name");
        if (key && strcmp(key, name) == 0)
            return ist_json_str(entry, "value");
    }
    return NULL;
}

// The value of "-x VALUE", "--long VALUE" or "--long=VALUE"; advances *i over the value.
static const char *option(const json_t *args, size_t *i, const char *small, const char *large)
{
    const char *word = json_string_value(json_array_get(args, *i));
    size_t len = strlen(large);
    if (!word)
        return NULL;
    if (strncmp(word, large, len) == 0 && word[len] == '=')
        return word + len + 1;
    if (strcmp(word, large) == 0 || (small && strcmp(word, small) == 0)) {
        const char *value = json_string_value(json_array_get(args, *i + 1));
        *i += value != NULL;
        return value;
    }
    return NULL;
}

int kube_exec_eks(const json_t *exec, struct kube_eks *eks)
{
    const char *command = ist_json_str(exec, "command");
    if (!command)
        return 0;
    int iam = strcmp(base_name(command), "aws-iam-authenticator") == 0 ||
              strcmp(base_name(command), "heptio-authenticator-aws") == 0;
    int cli = strcmp(base_name(command), "aws") == 0;
    int asks = 0; // "token", "eks get-token": another word is another program's business
    struct kube_eks made = {.profile = exec_env(exec, "AWS_PROFILE"), .region = exec_env(exec, "AWS_REGION")};
    if (!made.region)
        made.region = exec_env(exec, "AWS_DEFAULT_REGION");
    const json_t *args = json_object_get(exec, "args");
    for (size_t i = 0; (iam || cli) && i < json_array_size(args); i++) {
        const char *word = json_string_value(json_array_get(args, i)), *value;
        if (word && strcmp(word, iam ? "token" : "get-token") == 0)
            asks = 1;
        else if ((value = option(args, &i, iam ? "-i" : NULL, iam ? "--cluster-id" : "--cluster-name")))
            made.cluster = value;
        else if ((value = option(args, &i, iam ? "-r" : NULL, iam ? "--role" : "--role-arn")))
            made.role = value;
        else if ((value = option(args, &i, NULL, "--region")))
            made.region = value;
        else if ((value = option(args, &i, NULL, "--profile")))
            made.profile = value;
    }
    if (!asks || !made.cluster)
        return 0;
    *eks = made;
    return 1;
}

// https://ID.gr7.eu-west-1.eks.amazonaws.com says its region itself. The caller's, or NULL.
static char *region_of(const char *server)
{
    const char *end = strstr(server, ".eks.amazonaws.com");
    if (!end)
        return NULL;
    const char *start = end;
    while (start > server && start[-1] != '.' && start[-1] != '/')
        start--;
    return start < end ? ist_strndup(start, (size_t)(end - start)) : NULL;
}

static int32_t mint(const ist_env *env, const struct kube_login *login, const struct kube_eks *eks,
                    struct kube_credential *credential, ist_error *err)
{
    char *region = eks->region ? ist_strdup(eks->region) : region_of(login->server);
    ist_aws_options options = {
        .size = sizeof options, .region = region, .profile = eks->profile, .role_arn = eks->role};
    ist_aws *aws = NULL;
    int32_t rc = ist_aws_new(env, &options, &aws, err);
    if (rc == IST_OK)
        rc = ist_aws_eks_token(aws, eks->cluster, &credential->token, &credential->expires_ms, err);
    ist_aws_free(aws);
    ist_free(region);
    return rc;
}

// ---- a helper program ----

static const char not_there[] = "install it, or use a kubeconfig with a token or certificate";

struct helper {
    char **argv, **envp;
    size_t env_owned; // how many of envp's last entries are ours
    char *path;
    pid_t pid;
    int out, err; // what we read
};

static void helper_free(struct helper *helper)
{
    for (size_t i = 0; helper->argv && helper->argv[i]; i++)
        ist_free(helper->argv[i]);
    for (size_t i = 0; helper->envp && helper->envp[i]; i++)
        ist_free_secret(helper->envp[i]);
    ist_free(helper->argv);
    ist_free(helper->envp);
    ist_free(helper->path);
    if (helper->out >= 0)
        close(helper->out);
    if (helper->err >= 0)
        close(helper->err);
}

// How a helper logs in itself: the only program to which Isthmus hands these on, as kubectl does.
static const char *const keys[] = {"AWS_ACCESS_KEY_ID",
                                   "AWS_SECRET_ACCESS_KEY",
                                   "AWS_SESSION_TOKEN",
                                   "AWS_SHARED_CREDENTIALS_FILE",
                                   "AWS_WEB_IDENTITY_TOKEN_FILE",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                   "HTTPS_PROXY",
                                   "https_proxy"};
#define KEYS (sizeof keys / sizeof *keys)

// Adds the keys that the environment of this process does not have, from envp[n] on.
static void add_keys(const ist_env *env, char **envp, size_t n)
{
    for (size_t i = 0; i < KEYS; i++) {
        const char *value = getenv(keys[i]) ? NULL : ist_environment(env, keys[i]);
        if (value)
            envp[n++] = ist_printf("%s=%s", keys[i], value); // behind the kubeconfig's own, which win
    }
}

static void helper_arguments(const ist_env *env, struct helper *helper, const struct kube_login *login)
{
    const json_t *args = json_object_get(login->exec, "args"), *extra = json_object_get(login->exec, "env");
    const char *command = ist_json_str(login->exec, "command");
    helper->path = strchr(command, '/') && command[0] != '/' ? ist_printf("%s/%s", login->exec_dir, command)
                                                             : ist_strdup(command);
    size_t count = json_array_size(args), n = 0;
    helper->argv = ist_calloc(count + 2, sizeof *helper->argv);
    helper->argv[n++] = ist_strdup(command);
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(args, i));
        helper->argv[n++] = ist_strdup(word ? word : "");
    }
    size_t have = 0;
    while (environ[have])
        have++;
    helper->envp = ist_calloc(have + json_array_size(extra) + KEYS + 2, sizeof *helper->envp);
    n = 0;
    for (size_t i = 0; i < json_array_size(extra); i++) { // first: getenv() takes the first of two
        const json_t *entry = json_array_get(extra, i);
        helper->envp[n++] =
            ist_printf("%s=%s", ist_json_str_or(entry, "name", "_"), ist_json_str_or(entry, "value", ""));
    }
    helper->envp[n++] =
        ist_printf("KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
                   "\"spec\":{\"interactive\":false}}",
                   ist_json_str_or(login->exec, "apiVersion", "client.authentication.k8s.io/v1"));
    for (size_t i = 0; i < have; i++) {
        const char *equals = strchr(environ[i], '=');
        size_t len = equals ? (size_t)(equals - environ[i]) + 1 : strlen(environ[i]);
        int shadowed = 0;
        for (size_t k = 0; k <= json_array_size(extra); k++)
            shadowed |= strncmp(helper->envp[k], environ[i], len) == 0;
        if (!shadowed)
            helper->envp[n++] = ist_strdup(environ[i]);
    }
    add_keys(env, helper->envp, n);
}

static int32_t helper_start(struct helper *helper, ist_error *err)
{
    int out[2] = {-1, -1}, fault[2] = {-1, -1};
    if (pipe2(out, O_CLOEXEC) != 0)
        return ist_fail(err, IST_ERR_INTERNAL, helper->path, "pipe: %s", strerror(errno));
    if (pipe2(fault, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return ist_fail(err, IST_ERR_INTERNAL, helper->path, "pipe: %s", strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, fault[1], 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3); // no lock, no socket of ours
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int rc = posix_spawnp(&helper->pid, helper->path, &actions, &attributes, helper->argv, helper->envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(out[1]);
    close(fault[1]);
    helper->out = out[0];
    helper->err = fault[0];
    if (rc != 0) {
        helper->pid = 0;
        ist_fail(err, IST_ERR_DENIED, helper->path,
                 "the credential helper of the kubeconfig cannot be started: %s", strerror(rc));
        ist_hint(err, "%s", not_there);
        return IST_ERR_DENIED;
    }
    return IST_OK;
}

// Reads one pipe's next bytes; 0 at its end.
static int drain(int *fd, ist_buf *buf)
{
    char chunk[4096];
    ssize_t got = read(*fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (got > 0 && ist_buf_add(buf, chunk, (size_t)got) == IST_OK)
        return 1;
    close(*fd);
    *fd = -1;
    return 0;
}

static int32_t helper_collect(const ist_env *env, struct helper *helper, ist_buf *out, ist_buf *fault,
                              ist_error *err)
{
    int64_t until = ist_now_ms(env) + HELPER_MS;
    while (helper->out >= 0) {
        int64_t left = until - ist_now_ms(env);
        // stderr is looked at in between: only its first bytes matter, and a full pipe must not block the
        // helper
        int32_t rc =
            left > 0 ? ist_wait_fd(env, helper->out, POLLIN, left < 200 ? left : 200) : IST_ERR_TIMEOUT;
        struct pollfd more = {.fd = helper->err, .events = POLLIN};
        while (helper->err >= 0 && poll(&more, 1, 0) > 0 && drain(&helper->err, fault))
            more.fd = helper->err;
        if (rc == IST_OK)
            drain(&helper->out, out);
        else if (rc != IST_AGAIN)
            return ist_fail(err, rc, helper->path, "the credential helper did not answer within %d s",
                            HELPER_MS / 1000);
    }
    return IST_OK;
}

static int32_t helper_end(struct helper *helper, int32_t rc, const ist_buf *fault, ist_error *err)
{
    int status = 0;
    if (rc != IST_OK)
        kill(-helper->pid, SIGKILL);
    while (waitpid(helper->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc != IST_OK || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return rc;
    size_t line = fault->data ? strcspn(fault->data, "\r\n") : 0;
    ist_fail(err, IST_ERR_DENIED, helper->path, "the credential helper failed (%s %d): %.*s",
             WIFEXITED(status) ? "exit" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), (int)(line < 300 ? line : 300),
             fault->data ? fault->data : "");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) // a shell's, and a fork's, word for "not found"
        ist_hint(err, "%s", not_there);
    return IST_ERR_DENIED;
}

static int32_t read_credential(const ist_env *env, const char *text, size_t len, const char *path,
                               struct kube_credential *credential, ist_error *err)
{
    json_t *answer = NULL;
    ist_error parse = {0};
    if (ist_json_parse(text, len, path, &answer, &parse) != IST_OK) // not its text: it holds the token
        return ist_fail(err, IST_ERR_REMOTE, path, "the credential helper did not print an ExecCredential");
    const char *token = ist_json_str(answer, "status.token");
    const char *cert = ist_json_str(answer, "status.clientCertificateData");
    const char *key = ist_json_str(answer, "status.clientKeyData");
    const char *expires = ist_json_str(answer, "status.expirationTimestamp");
    ist_secret(env, token);
    ist_secret(env, key);
    credential->token = token ? ist_strdup(token) : NULL;
    credential->cert_pem = cert && key ? ist_strdup(cert) : NULL;
    credential->key_pem = cert && key ? ist_strdup(key) : NULL;
    credential->expires_ms = expires && kube_time_ms(expires) > 0 ? kube_time_ms(expires) : 0;
    json_decref(answer);
    if (!credential->token && !credential->cert_pem)
        return ist_fail(err, IST_ERR_DENIED, path,
                        "the credential helper's answer holds neither token nor certificate");
    return IST_OK;
}

int32_t kube_exec(const ist_env *env, const struct kube_login *login, struct kube_credential *credential,
                  ist_error *err)
{
    struct kube_eks eks;
    struct kube_credential made = {0};
    int32_t rc;
    if (kube_exec_eks(login->exec, &eks)) {
        rc = mint(env, login, &eks, &made, err);
        if (rc == IST_OK)
            *credential = made;
        return rc;
    }
    if (!ist_json_str(login->exec, "command"))
        return ist_fail(err, IST_ERR_INPUT, "kubeconfig", "the exec entry names no command");
    struct helper helper = {.out = -1, .err = -1};
    ist_buf out = {.max = HELPER_MAX}, fault = {.max = HELPER_MAX};
    helper_arguments(env, &helper, login);
    rc = helper_start(&helper, err);
    if (rc == IST_OK)
        rc = helper_end(&helper, helper_collect(env, &helper, &out, &fault, err), &fault, err);
    if (rc == IST_OK)
        rc = read_credential(env, out.data ? out.data : "", out.len, helper.path, &made, err);
    helper_free(&helper);
    ist_free_secret(ist_buf_take(&out));
    ist_free_secret(ist_buf_take(&fault));
    if (rc != IST_OK)
        kube_credential_free(&made);
    else
        *credential = made;
    return rc;
}
