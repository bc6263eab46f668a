// Credentials from an exec entry (client.authentication.k8s.io). The EKS helpers are not run: their token is
// minted in process. Any other helper is run without a shell, with its own process group and a deadline.
// Source:
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
#include "../plugin/helper.h"
#include "internal.h"
#include <isthmus/aws.h>

#include <string.h>

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

// https://ID.gr7.eu-west-1.eks.amazonaws.com (.com.cn, ...) says its region itself, and so does one with IPv6 addresses,
// https://ID.eks-cluster.eu-west-1.api.aws. The caller's, or NULL.
static char *region_of(const char *server)
{
    static const char dual[] = ".eks-cluster.";
    const char *end = strstr(server, ".eks."), *start = strstr(server, dual);
    if (start) {
        start += strlen(dual);
        end = start + strcspn(start, "./:");
    } else if (end) {
        for (start = end; start > server && start[-1] != '.' && start[-1] != '/';)
            start--;
    }
    return start && start < end ? ist_strndup(start, (size_t)(end - start)) : NULL;
}

int32_t kube_eks_client(const ist_env *env, const struct kube_login *login, const struct kube_eks *eks,
                        ist_aws **aws, ist_error *err)
{
    char *region = eks->region ? ist_strdup(eks->region) : region_of(login->server);
    ist_aws_options options = {
        .size = sizeof options, .region = region, .profile = eks->profile, .role_arn = eks->role};
    int32_t rc = ist_aws_new(env, &options, aws, err);
    ist_free(region);
    return rc;
}

// The token is signed here; only who signs it may have to be asked for (a role, the instance's metadata), and what came of
// that is good for many tokens.
static int32_t mint(const ist_env *env, const struct kube_login *login, const struct kube_eks *eks,
                    ist_aws **kept, struct kube_credential *credential, ist_error *err)
{
    ist_aws *aws = kept ? *kept : NULL;
    int32_t rc = aws ? IST_OK : kube_eks_client(env, login, eks, &aws, err);
    if (rc == IST_OK)
        rc = ist_aws_eks_token(aws, eks->cluster, &credential->token, &credential->expires_ms, err);
    if (kept)
        *kept = aws;
    else
        ist_aws_free(aws);
    return rc;
}

// ---- a helper program ----

static const char *text_of(const json_t *item)
{
    const char *text = json_string_value(item);
    return text ? text : "";
}

// "credentials/get" of an exec entry is a file beside its kubeconfig, "get" one of PATH. The caller's.
static char *program_of(const struct kube_login *login, const char *command)
{
    return strchr(command, '/') && command[0] != '/' ? ist_printf("%s/%s", login->exec_dir, command)
                                                     : ist_strdup(command);
}

int32_t kube_exec_start(const ist_env *env, const struct kube_login *login, struct helper_process **process,
                        ist_error *err)
{
    const json_t *args = json_object_get(login->exec, "args"), *own = json_object_get(login->exec, "env");
    const char *command = ist_json_str(login->exec, "command");
    size_t words = 0, variables = 0, i;
    const json_t *item;
    if (!command)
        return ist_fail(err, IST_ERR_INPUT, "kubeconfig", "the exec entry names no command");
    const char **argv = ist_calloc(json_array_size(args) + 2, sizeof *argv);
    char **vars = ist_calloc(json_array_size(own) + 2, sizeof *vars), *path = program_of(login, command);
    argv[words++] = command;
    json_array_foreach(args, i, item) argv[words++] = text_of(item);
    json_array_foreach(own, i, item) vars[variables++] =
        ist_printf("%s=%s", ist_json_str_or(item, "name", "_"), ist_json_str_or(item, "value", ""));
    vars[variables++] =
        ist_printf("KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
                   "\"spec\":{\"interactive\":false}}",
                   ist_json_str_or(login->exec, "apiVersion", "client.authentication.k8s.io/v1"));
    const struct helper helper = {.what = "the credential helper of the kubeconfig",
                                  .path = path,
                                  .argv = argv,
                                  .variables = (const char *const *)vars,
                                  .hint = "install it, or use a kubeconfig with a token or certificate"};
    int32_t rc = helper_start(env, &helper, process, err);
    for (i = 0; i < variables; i++)
        ist_free_secret(vars[i]);
    ist_free(vars);
    ist_free(argv);
    ist_free(path);
    return rc;
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

int32_t kube_exec_step(const ist_env *env, const struct kube_login *login, struct helper_process **process,
                       struct kube_credential *credential, ist_error *err)
{
    char *out = NULL;
    size_t len = 0;
    int32_t rc = helper_step(env, *process, &out, &len, err);
    if (rc == IST_AGAIN)
        return rc;
    helper_stop(*process);
    *process = NULL;
    struct kube_credential made = {0};
    char *path = program_of(login, ist_json_str_or(login->exec, "command", ""));
    if (rc == IST_OK)
        rc = read_credential(env, out, len, path, &made, err);
    ist_free_secret(out);
    ist_free(path);
    if (rc != IST_OK)
        kube_credential_free(&made);
    else
        *credential = made;
    return rc;
}

int32_t kube_exec(const ist_env *env, const struct kube_login *login, ist_aws **aws,
                  struct kube_credential *credential, ist_error *err)
{
    struct kube_eks eks;
    struct kube_credential made = {0};
    struct helper_process *process = NULL;
    int32_t rc;
    if (kube_exec_eks(login->exec, &eks)) {
        rc = mint(env, login, &eks, aws, &made, err);
        if (rc == IST_OK)
            *credential = made;
        return rc;
    }
    rc = kube_exec_start(env, login, &process, err);
    while (rc == IST_OK && (rc = kube_exec_step(env, login, &process, credential, err)) == IST_AGAIN)
        rc = helper_wait(env, process, err);
    helper_stop(process);
    return rc;
}
