// Kubeconfigs: several files merged as kubectl merges them (the first to say a thing wins), a context picked,
// and what it names resolved to PEM text and tokens.
#include "internal.h"
#include <isthmus/yaml.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_CONFIG (1u << 20)

void kube_login_free(struct kube_login *login)
{
    if (!login)
        return;
    ist_free(login->server);
    ist_free_secret(login->proxy); // it may hold a password
    ist_free(login->tls_server_name);
    ist_free(login->ns);
    ist_free(login->ca_pem);
    ist_free(login->cert_pem);
    ist_free_secret(login->key_pem);
    ist_free_secret(login->token);
    ist_free(login->token_file);
    ist_free(login->username);
    ist_free_secret(login->password);
    ist_free(login->exec_dir);
    json_decref(login->exec);
    json_decref(login->files);
    *login = (struct kube_login){0};
}

// ---- files that change ----

static uint64_t stamp_of(uint64_t before, const char *path)
{
    struct stat at = {0};
    if (stat(path, &at) != 0)
        at = (struct stat){0};
    const uint64_t said[] = {before,
                             (uint64_t)at.st_dev,
                             (uint64_t)at.st_ino,
                             (uint64_t)at.st_size,
                             (uint64_t)at.st_mtim.tv_sec,
                             (uint64_t)at.st_mtim.tv_nsec};
    uint64_t stamp = 14695981039346656037u; // FNV-1a, by words
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        stamp = (stamp ^ said[i]) * 1099511628211u;
        stamp ^= stamp >> 29;
    }
    return stamp;
}

// Before it is read: what is written meanwhile is seen later.
static void note_file(struct kube_login *login, const char *path)
{
    if (!login->files)
        login->files = json_array();
    json_array_append_new(login->files, json_string(path));
    login->stamp = stamp_of(login->stamp, path);
}

int kube_login_changed(const struct kube_login *login)
{
    uint64_t stamp = 0;
    size_t i;
    const json_t *path;
    json_array_foreach(login->files, i, path) stamp =
        stamp_of(stamp, json_is_string(path) ? json_string_value(path) : "");
    return stamp != login->stamp;
}

static int same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int kube_login_equal(const struct kube_login *a, const struct kube_login *b)
{
    return same(a->server, b->server) && same(a->proxy, b->proxy) &&
           same(a->tls_server_name, b->tls_server_name) && same(a->ns, b->ns) && same(a->ca_pem, b->ca_pem) &&
           same(a->cert_pem, b->cert_pem) && same(a->key_pem, b->key_pem) && same(a->token, b->token) &&
           same(a->token_file, b->token_file) && same(a->username, b->username) &&
           same(a->password, b->password) && same(a->exec_dir, b->exec_dir) && a->insecure == b->insecure &&
           (a->exec == b->exec || json_equal(a->exec, b->exec));
}

// A certificate and the key of another one (its files are being replaced) would only be refused. What cannot be read as
// such is for others to judge.
static int is_pair(const char *cert_pem, const char *key_pem)
{
    BIO *cert_text = BIO_new_mem_buf(cert_pem, -1), *key_text = BIO_new_mem_buf(key_pem, -1);
    X509 *cert = PEM_read_bio_X509(cert_text, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_text, NULL, NULL, (void *)(uintptr_t) "");
    int pair = !cert || !key || X509_check_private_key(cert, key) == 1;
    EVP_PKEY_free(key);
    X509_free(cert);
    BIO_free(key_text);
    BIO_free(cert_text);
    ERR_clear_error();
    return pair;
}

// ---- documents ----

// The folder of a path; "." for inline text.
static char *folder_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash)
        return ist_strdup(".");
    return slash == path ? ist_strdup("/") : ist_strndup(path, (size_t)(slash - path));
}

static char *path_in(const char *folder, const char *path)
{
    return path[0] == '/' || strcmp(folder, ".") == 0 ? ist_strdup(path) : ist_printf("%s/%s", folder, path);
}

// Adds the entries of one document's list ("clusters") to name -> {entry, folder}, unless the name is there.
static void merge_list(json_t *into, const json_t *document, const char *list, const char *inner,
                       const char *folder)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(document, list), i, entry)
    {
        const char *name = ist_json_str(entry, "name");
        json_t *body = json_object_get(entry, inner);
        if (!name || json_object_get(into, name))
            continue;
        json_object_set_new(into, name, json_pack("{s:s, s:O?}", "folder", folder, "body", body));
    }
}

static int32_t merge_text(json_t *merged, const char *text, size_t len, const char *path, ist_error *err)
{
    json_t *document = NULL;
    int32_t rc = ist_yaml_parse(text, len, path ? path : "kubeconfig", &document, err);
    if (rc != IST_OK)
        return rc;
    if (!json_is_object(document)) {
        json_decref(document);
        return ist_fail(err, IST_ERR_INPUT, path ? path : "kubeconfig",
                        "not a kubeconfig: expected a mapping");
    }
    char *folder = folder_of(path);
    merge_list(json_object_get(merged, "clusters"), document, "clusters", "cluster", folder);
    merge_list(json_object_get(merged, "users"), document, "users", "user", folder);
    merge_list(json_object_get(merged, "contexts"), document, "contexts", "context", folder);
    const char *current = ist_json_str(document, "current-context");
    if (current && *current && !json_object_get(merged, "current"))
        json_object_set_new(merged, "current", json_string(current));
    ist_free(folder);
    json_decref(document);
    return IST_OK;
}

static int32_t merge_files(json_t *merged, const char *paths, struct kube_login *login, ist_error *err)
{
    int found = 0;
    ist_error missing = {0};
    for (const char *at = paths; at;) {
        const char *colon = strchr(at, ':');
        char *path = colon ? ist_strndup(at, (size_t)(colon - at)) : ist_strdup(at);
        at = colon ? colon + 1 : NULL;
        char *text = NULL;
        size_t len = 0;
        ist_error fault = {0};
        note_file(login, path);
        int32_t rc = *path ? kube_read_file(path, MAX_CONFIG, &text, &len, &fault) : IST_ERR_NOT_FOUND;
        if (rc == IST_OK)
            rc = merge_text(merged, text, len, path, &fault);
        found += rc == IST_OK;
        if (rc == IST_ERR_NOT_FOUND && *path && !missing.code)
            missing = fault;
        ist_free_secret(text);
        ist_free(path);
        if (rc != IST_OK && rc != IST_ERR_NOT_FOUND) { // kubectl too passes over files that are not there
            if (err)
                *err = fault;
            return rc;
        }
    }
    if (!found) {
        ist_fail(err, IST_ERR_NOT_FOUND, missing.where[0] ? missing.where : "kubeconfig", "%s",
                 missing.text[0] ? missing.text : "no path is given");
        return IST_ERR_NOT_FOUND;
    }
    return IST_OK;
}

// Decodes "client-key-data"; bytes after the padding or anything that is not base64 are errors.
static int32_t decode(const char *base64, const char *field, char **text, ist_error *err)
{
    size_t len = 0;
    unsigned char *in = ist_malloc(strlen(base64) + 1), *out = ist_malloc(strlen(base64) + 4);
    for (const char *at = base64; *at; at++) // folded YAML leaves line ends in it
        if (!strchr(" \t\r\n", *at))
            in[len++] = (unsigned char)*at;
    int got = len % 4 == 0 && len < 2 * MAX_CONFIG ? EVP_DecodeBlock(out, in, (int)len) : -1;
    for (size_t end = len; got > 0 && end > 0 && in[end - 1] == '='; end--)
        got--;
    ist_free(in);
    if (got < 0) {
        ist_free(out);
        return ist_fail(err, IST_ERR_INPUT, "kubeconfig", "%s is not base64", field);
    }
    out[got] = '\0';
    *text = (char *)out;
    return IST_OK;
}

// PEM from "<field>-data", or from the file that "<field>" names.
static int32_t take_pem(const json_t *body, const char *field, const char *folder, char **text,
                        struct kube_login *login, ist_error *err)
{
    char *data_field = ist_printf("%s-data", field);
    const char *data = json_string_value(json_object_get(body, data_field));
    const char *path = json_string_value(json_object_get(body, field));
    int32_t rc = IST_OK;
    if (data && *data) {
        rc = decode(data, data_field, text, err);
    } else if (path && *path) {
        char *full = path_in(folder, path);
        note_file(login, full);
        rc = kube_read_file(full, MAX_CONFIG, text, NULL, err);
        ist_free(full);
    }
    ist_free(data_field);
    return rc;
}

static char *take(const json_t *body, const char *field)
{
    const char *text = json_string_value(json_object_get(body, field));
    return text && *text ? ist_strdup(text) : NULL;
}

static int32_t take_cluster(const json_t *entry, const char *name, struct kube_login *login, ist_error *err)
{
    const json_t *body = json_object_get(entry, "body");
    const char *folder = ist_json_str_or(entry, "folder", ".");
    login->server = take(body, "server");
    if (!login->server ||
        (strncmp(login->server, "https://", 8) != 0 && strncmp(login->server, "http://", 7) != 0))
        return ist_fail(err, IST_ERR_INPUT, "kubeconfig", "cluster \"%s\" has no server URL", name);
    size_t len = strlen(login->server);
    while (len && login->server[len - 1] == '/')
        login->server[--len] = '\0';
    login->proxy = take(body, "proxy-url");
    login->tls_server_name = take(body, "tls-server-name");
    login->insecure = json_is_true(json_object_get(body, "insecure-skip-tls-verify"));
    return take_pem(body, "certificate-authority", folder, &login->ca_pem, login, err);
}

static int32_t take_user(const json_t *entry, const char *name, struct kube_login *login, ist_error *err)
{
    const json_t *body = json_object_get(entry, "body");
    const char *folder = ist_json_str_or(entry, "folder", ".");
    login->token = take(body, "token");
    char *token_file = take(body, "tokenFile");
    if (token_file)
        login->token_file = path_in(folder, token_file);
    ist_free(token_file);
    login->username = take(body, "username");
    login->password = take(body, "password");
    login->exec = json_incref(json_object_get(body, "exec"));
    login->exec_dir = ist_strdup(folder);
    if (json_object_get(body, "auth-provider")) {
        ist_fail(err, IST_ERR_INPUT, "kubeconfig",
                 "user \"%s\" uses auth-provider, which Kubernetes removed in 1.26", name);
        ist_hint(err, "replace it with an exec entry");
        return IST_ERR_INPUT;
    }
    int32_t rc = take_pem(body, "client-certificate", folder, &login->cert_pem, login, err);
    return rc == IST_OK ? take_pem(body, "client-key", folder, &login->key_pem, login, err) : rc;
}

// Which names a map has, for "not among ..." messages.
static char *names_of(const json_t *map)
{
    ist_buf buf = {.max = 512};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)map, name, value) // a full buffer only shortens the hint
        if (ist_buf_printf(&buf, "%s%s", buf.len ? ", " : "", name) != IST_OK) break;
    return ist_buf_take(&buf);
}

static int32_t pick(const json_t *merged, const char *list, const char *what, const char *name,
                    const json_t **entry, ist_error *err)
{
    const json_t *map = json_object_get(merged, list);
    *entry = name ? json_object_get(map, name) : NULL;
    if (*entry)
        return IST_OK;
    char *names = names_of(map);
    ist_fail(err, IST_ERR_INPUT, "kubeconfig", name ? "no %s named \"%s\"" : "names no %s%s", what,
             name ? name : "");
    ist_hint(err, "it has: %s", *names ? names : "none");
    ist_free(names);
    return IST_ERR_INPUT;
}

static int32_t resolve(const json_t *merged, const char *context, struct kube_login *login, ist_error *err)
{
    const json_t *entry = NULL, *cluster = NULL, *user = NULL;
    const json_t *contexts = json_object_get(merged, "contexts");
    if (!context)
        context = ist_json_str(merged, "current");
    if (!context &&
        json_object_size(contexts) == 1) // one context and no current-context can mean but one thing
        context = json_object_iter_key(json_object_iter((json_t *)contexts));
    int32_t rc = pick(merged, "contexts", "context", context, &entry, err);
    if (rc != IST_OK)
        return rc;
    const json_t *body = json_object_get(entry, "body");
    const char *cluster_name = ist_json_str(body, "cluster"), *user_name = ist_json_str(body, "user");
    login->ns = take(body, "namespace");
    rc = pick(merged, "clusters", "cluster", cluster_name, &cluster, err);
    if (rc == IST_OK)
        rc = take_cluster(cluster, cluster_name, login, err);
    if (rc != IST_OK || !user_name || !*user_name) // no user: anonymous
        return rc;
    rc = pick(merged, "users", "user", user_name, &user, err);
    return rc == IST_OK ? take_user(user, user_name, login, err) : rc;
}

int32_t kube_login_load(const ist_env *env, const char *kubeconfig, const char *context,
                        struct kube_login *login, ist_error *err)
{
    if (!kubeconfig || !*kubeconfig)
        return ist_fail(err, IST_ERR_INPUT, "kubeconfig", "none is given");
    struct kube_login made = {0};
    json_t *merged = json_pack("{s:{}, s:{}, s:{}}", "clusters", "users", "contexts");
    int inline_text = kubeconfig[0] == '{' || strchr(kubeconfig, '\n') != NULL;
    int32_t rc = inline_text ? merge_text(merged, kubeconfig, strlen(kubeconfig), NULL, err)
                             : merge_files(merged, kubeconfig, &made, err);
    if (rc == IST_OK)
        rc = resolve(merged, context, &made, err);
    json_decref(merged);
    ist_secret(env, made.key_pem);
    ist_secret(env, made.token);
    ist_secret(env, made.password);
    if (rc == IST_OK && !made.cert_pem != !made.key_pem)
        rc = ist_fail(err, IST_ERR_INPUT, "kubeconfig",
                      "client-certificate and client-key belong together: one is missing");
    if (rc == IST_OK && made.cert_pem && !is_pair(made.cert_pem, made.key_pem))
        rc = ist_fail(err, IST_ERR_INPUT, "kubeconfig", "client-key is not the key of client-certificate");
    if (rc != IST_OK) {
        kube_login_free(&made);
        return rc;
    }
    *login = made;
    return IST_OK;
}
