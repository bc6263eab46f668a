// One cluster: its session and credentials, one exchange with it, and errors in the server's words.
#include "internal.h"

#include "../plugin/helper.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define RENEW_LEAST_MS 5000
#define RENEW_MOST_MS  60000
#define TOKEN_FILE_MS  60000 // kubelets rewrite projected tokens; client-go reads them again every minute

// Where the host of `url` begins, and how long host and port are.
static const char *authority_of(const char *url, size_t *len)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    *len = strcspn(host, "/");
    return host;
}

// "host:port" of the server. The caller's.
static char *address_of(const char *url)
{
    size_t len;
    const char *host = authority_of(url, &len);
    const char *bracket = memchr(host, ']', len); // of an IPv6 address
    const char *after = bracket ? bracket : host;
    int has_port = memchr(after, ':', len - (size_t)(after - host)) != NULL;
    return ist_printf("%.*s%s", (int)len, host,
                      has_port                        ? ""
                      : strncmp(url, "http:", 5) == 0 ? ":80"
                                                      : ":443");
}

// What requests are made of: the server, or with tls-server-name a URL of that name, which is then verified.
static char *base_url(const struct kube_login *login)
{
    size_t len;
    const char *host = authority_of(login->server, &len);
    if (!login->tls_server_name)
        return ist_strdup(login->server);
    return ist_printf("%.*s%s%s", (int)(host - login->server), login->server, login->tls_server_name,
                      host + len);
}

int32_t ist_kube_new(const ist_env *env, const ist_kube_options *options, ist_kube **kube, ist_error *err)
{
    struct kube_login login;
    int32_t rc = kube_login_load(env, options->kubeconfig, options->context, &login, err);
    if (rc != IST_OK)
        return rc;
    ist_kube *made = ist_calloc(1, sizeof *made);
    if (env)
        made->env = *env;
    made->name = ist_strdup(options->name ? options->name : options->context ? options->context : "cluster");
    made->manager = ist_strdup(options->manager ? options->manager : "isthmus");
    made->login = login;
    made->base = base_url(&login);
    made->kinds = json_object();
    made->fetched = json_object();
    *kube = made;
    return IST_OK;
}

void ist_kube_free(ist_kube *kube)
{
    if (!kube)
        return;
    ist_http_free(kube->http);
    helper_stop(kube->helper);
    ist_aws_free(kube->aws);
    kube_login_free(&kube->login);
    ist_free_secret(kube->authorization);
    json_decref(kube->kinds);
    json_decref(kube->fetched);
    ist_free(kube->base);
    ist_free(kube->name);
    ist_free(kube->manager);
    ist_free(kube->uid);
    ist_free(kube);
}

const char *ist_kube_name(const ist_kube *kube)
{
    return kube->name;
}

const char *ist_kube_server(const ist_kube *kube)
{
    return kube->login.server;
}

// ---- credentials ----

static int32_t open_session(ist_kube *kube, const char *cert_pem, const char *key_pem, ist_error *err)
{
    char *address = kube->login.tls_server_name ? address_of(kube->login.server) : NULL;
    ist_http_options options = {.size = sizeof options,
                                .connect_to = address,
                                .ca_pem = kube->login.ca_pem,
                                .client_cert_pem = cert_pem,
                                .client_key_pem = key_pem,
                                .proxy = kube->login.proxy,
                                .insecure = kube->login.insecure};
    ist_http *session = NULL;
    int32_t rc = ist_http_new(&kube->env, &options, &session, err);
    ist_free(address);
    if (rc != IST_OK)
        return rc;
    if (kube->detach)
        kube->detach(kube->detach_arg);
    ist_http_free(kube->http);
    kube->http = session;
    return IST_OK;
}

static void set_authorization(ist_kube *kube, const char *scheme, const char *value)
{
    ist_free_secret(kube->authorization);
    kube->authorization = ist_printf("Authorization: %s %s", scheme, value);
}

static int32_t use_token_file(ist_kube *kube, ist_error *err)
{
    char *token = NULL;
    int32_t rc = kube_read_file(kube->login.token_file, 64u << 10, &token, NULL, err);
    if (rc != IST_OK)
        return rc;
    token[strcspn(token, "\r\n")] = '\0';
    ist_secret(&kube->env, token);
    set_authorization(kube, "Bearer", token);
    kube->expires_ms = ist_clock_ms(&kube->env) + TOKEN_FILE_MS;
    ist_free_secret(token);
    return IST_OK;
}

static void use_password(ist_kube *kube)
{
    char *pair = ist_printf("%s:%s", kube->login.username, kube->login.password ? kube->login.password : "");
    size_t len = strlen(pair);
    unsigned char *coded = ist_malloc(len / 3 * 4 + 8);
    EVP_EncodeBlock(coded, (const unsigned char *)pair, (int)len);
    ist_secret(&kube->env, (const char *)coded);
    set_authorization(kube, "Basic", (const char *)coded);
    ist_free_secret((char *)coded);
    ist_free_secret(pair);
}

static int32_t use_exec(ist_kube *kube, int wait, ist_error *err)
{
    struct kube_credential credential = {0};
    struct kube_eks eks;
    int32_t rc = IST_OK;
    if (wait) {
        rc = kube_exec(&kube->env, &kube->login, &kube->aws, &credential, err);
    } else if (kube_exec_eks(kube->login.exec, &eks)) {
        rc = kube_eks_soon(kube, &eks, &credential, err);
    } else {
        if (!kube->helper)
            rc = kube_exec_start(&kube->env, &kube->login, &kube->helper, err);
        if (rc == IST_OK)
            rc = kube_exec_step(&kube->env, &kube->login, &kube->helper, &credential, err);
    }
    if (rc != IST_OK)
        return rc;
    if (credential.token)
        set_authorization(kube, "Bearer", credential.token);
    if (credential.cert_pem)
        rc = open_session(kube, credential.cert_pem, credential.key_pem, err);
    kube->expires_ms = credential.expires_ms;
    if (kube->expires_ms && kube->expires_ms <= ist_clock_ms(&kube->env)) { // by another clock than ours
        ist_log(&kube->env, IST_LOG_WARN,
                "cluster %s: its new credentials say that they have ended: clocks differ", kube->name);
        kube->expires_ms = 0; // until they are refused
    }
    kube_credential_free(&credential);
    return rc;
}

// They are made anew while they still hold: a minute before, or a tenth of their time; to make them takes time too.
static int64_t renewal(const ist_kube *kube, int64_t now)
{
    int64_t life = kube->expires_ms - now, ahead = life / 10;
    if (!kube->expires_ms)
        return 0;
    ahead = ahead < RENEW_LEAST_MS ? RENEW_LEAST_MS : ahead > RENEW_MOST_MS ? RENEW_MOST_MS : ahead;
    return kube->expires_ms - (ahead < life / 2 ? ahead : life / 2);
}

static int32_t connect_with(ist_kube *kube, int again, int wait, ist_error *err)
{
    const struct kube_login *login = &kube->login;
    int32_t rc = IST_OK;
    ist_error why = {0};
    if (!kube->http)
        rc = open_session(kube, login->cert_pem, login->key_pem, err);
    if (again) { // whoever signed what was refused may have other keys by now
        kube->ready = 0;
        kube_eks_anew(kube);
    }
    const int64_t now = ist_clock_ms(&kube->env);
    const int good = kube->ready && (!kube->expires_ms || now < kube->expires_ms);
    if (rc != IST_OK || (good && (!kube->renew_ms || now < kube->renew_ms)))
        return rc;
    // The order is client-go's: a token wins over a password, an explicit one over a helper's.
    if (login->token_file)
        rc = use_token_file(kube, &why);
    else if (login->token)
        set_authorization(kube, "Bearer", login->token);
    else if (login->username)
        use_password(kube);
    else if (login->exec)
        rc = use_exec(kube, wait, &why);
    if (rc == IST_AGAIN)
        return good ? IST_OK : IST_AGAIN; // what there is still holds
    if (rc != IST_OK && good) {
        ist_log(&kube->env, IST_LOG_WARN, "cluster %s: its credentials are not renewed yet: %s", kube->name,
                why.text);
        kube->renew_ms = now + RENEW_LEAST_MS;
        return IST_OK;
    }
    if (rc != IST_OK && err)
        *err = why;
    kube->ready = rc == IST_OK;
    kube->minted += rc == IST_OK;
    kube->renew_ms = renewal(kube, ist_clock_ms(&kube->env));
    return rc;
}

int32_t kube_connect(ist_kube *kube, int again, ist_error *err)
{
    return connect_with(kube, again, 1, err);
}

int32_t kube_connect_soon(ist_kube *kube, int again, ist_error *err)
{
    return connect_with(kube, again, 0, err);
}

// ---- exchanges ----

// "kubernetes aws: PATCH /api/v1/namespaces/x": without the query, which may hold a long continue token.
static void where_of(const ist_kube *kube, const struct kube_request *request, char *where, size_t room)
{
    ist_buf buf = {.max = room - 1};
    size_t len = strcspn(request->path, "?");
    if (ist_buf_printf(&buf, "kubernetes %.40s: %s %.*s", kube->name, request->method,
                       (int)(len < 120 ? len : 120), request->path) != IST_OK)
        ist_buf_puts(&buf, kube->name);
    memcpy(where, buf.data ? buf.data : "", buf.len);
    where[buf.len] = '\0';
    ist_buf_free(&buf);
}

static int may_send(const ist_kube *kube, const struct kube_request *request)
{
    uint32_t operation = ist_operation_of(&kube->env);
    if (request->read || operation == 0)
        return 1;
    return operation == IST_OP_VERIFY ? request->probe : ist_may_write(&kube->env);
}

static int32_t send_once(ist_kube *kube, const struct kube_request *request, const char *text,
                         const char *label, ist_http_response *response, ist_error *err)
{
    char *url = ist_printf("%s%s", kube->base, request->path);
    char *type =
        ist_printf("Content-Type: %s", request->content_type ? request->content_type : "application/json");
    const char *headers[4] = {"Accept: application/json"};
    size_t n = 1;
    if (kube->authorization)
        headers[n++] = kube->authorization;
    if (text)
        headers[n++] = type;
    ist_http_request sent = {.size = sizeof sent,
                             .method = request->method,
                             .url = url,
                             .headers = headers,
                             .body = text,
                             .body_len = text ? strlen(text) : 0,
                             .read = request->read || request->probe,
                             .idempotent = request->idempotent,
                             .label = label};
    int32_t rc = ist_http_send(kube->http, &sent, response, err);
    ist_free(url);
    ist_free(type);
    return rc;
}

static int32_t parse_answer(const struct kube_request *request, const ist_http_response *response,
                            const char *where, json_t **answer, ist_error *err)
{
    *answer = NULL;
    if (response->body_len == 0)
        return IST_OK;
    json_t *json = NULL;
    ist_error fault = {0};
    int32_t rc = ist_json_parse(response->body, response->body_len, where, &json, &fault);
    // Proxies and admission answer errors as plain text; a raw read may be anything.
    if (rc != IST_OK && (request->raw || response->status >= 300))
        json = json_stringn_nocheck(
            response->body, response->body_len < 4096 || request->raw ? response->body_len : (size_t)4096);
    else if (rc != IST_OK) {
        if (err)
            *err = fault;
        return rc;
    }
    *answer = json;
    return IST_OK;
}

int32_t kube_exchange(ist_kube *kube, const struct kube_request *request, int *status, json_t **answer,
                      ist_error *err)
{
    char where[192];
    where_of(kube, request, where, sizeof where);
    if (!may_send(kube, request))
        return ist_fail(err, IST_ERR_READ_ONLY, where, "refused: this operation only reads");
    int32_t rc = kube->before ? kube->before(kube->before_arg, err) : IST_OK;
    if (rc != IST_OK)
        return rc;
    char *text = request->body ? ist_json_text(request->body) : NULL;
    ist_http_response response = {0};
    rc = kube_connect(kube, 0, err);
    if (rc == IST_OK)
        rc = send_once(kube, request, text, where, &response, err);
    int renewable = kube->login.exec || kube->login.token_file;
    if (rc == IST_OK && response.status == 401 &&
        renewable) { // expired meanwhile, revoked, or signed by a wrong clock
        kube_eks_clock(kube, ist_http_header(&response, "date"));
        ist_http_response_free(&response);
        rc = kube_connect(kube, 1, err);
        if (rc == IST_OK)
            rc = send_once(kube, request, text, where, &response, err);
    }
    json_t *json = NULL;
    if (rc == IST_OK)
        rc = parse_answer(request, &response, where, &json, err);
    if (rc == IST_OK) {
        *status = response.status;
        *answer = json;
    }
    ist_http_response_free(&response);
    ist_free(text);
    return rc;
}

static int32_t code_of(int status)
{
    switch (status) {
    case 401:
    case 403:
        return IST_ERR_DENIED;
    case 404:
        return IST_ERR_NOT_FOUND;
    case 409:
        return IST_ERR_CONFLICT;
    case 413:
    case 429:
        return IST_ERR_LIMIT;
    case 408:
    case 504:
        return IST_ERR_TIMEOUT;
    default:
        return IST_ERR_REMOTE;
    }
}

int32_t kube_status_error(ist_kube *kube, const struct kube_request *request, int status,
                          const json_t *answer, ist_error *err)
{
    char where[192];
    where_of(kube, request, where, sizeof where);
    const char *message =
        json_is_string(answer) ? json_string_value(answer) : ist_json_str(answer, "message");
    int32_t code = code_of(status);
    ist_fail(err, code, where, "%d %.700s", status, message && *message ? message : "without a message");
    if (status == 401)
        ist_hint(err, "the cluster does not accept the credentials of the kubeconfig");
    else if (status == 403)
        ist_hint(err, "grant this user the verb and resource named above");
    return code;
}

int32_t kube_call(ist_kube *kube, const struct kube_request *request, json_t **answer, ist_error *err)
{
    int status = 0;
    json_t *json = NULL;
    int32_t rc = kube_exchange(kube, request, &status, &json, err);
    if (rc == IST_OK && (status < 200 || status > 299))
        rc = kube_status_error(kube, request, status, json, err);
    if (rc != IST_OK || !answer)
        json_decref(json);
    else
        *answer = json;
    return rc;
}

int32_t ist_kube_raw(ist_kube *kube, const char *method, const char *path, const json_t *body, int *status,
                     json_t **answer, ist_error *err)
{
    int read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
               (strcmp(method, "POST") == 0 && strncmp(path, "/apis/authorization.k8s.io/", 27) == 0);
    struct kube_request request = {.method = method,
                                   .path = path,
                                   .body = body,
                                   .read = read,
                                   .idempotent = strcmp(method, "POST") != 0,
                                   .raw = 1};
    json_t *json = NULL;
    int got = 0;
    int32_t rc = kube_exchange(kube, &request, &got, &json, err);
    if (rc != IST_OK)
        return rc;
    if (status)
        *status = got;
    if (answer)
        *answer = json;
    else
        json_decref(json);
    return IST_OK;
}

int32_t ist_kube_uid(ist_kube *kube, const char **uid, ist_error *err)
{
    if (!kube->uid) {
        json_t *ns = NULL;
        struct kube_request request = {.method = "GET", .path = "/api/v1/namespaces/kube-system", .read = 1};
        int32_t rc = kube_call(kube, &request, &ns, err);
        if (rc != IST_OK)
            return rc;
        const char *text = ist_json_str(ns, "metadata.uid");
        kube->uid = text ? ist_strdup(text) : NULL;
        json_decref(ns);
        if (!kube->uid)
            return ist_fail(err, IST_ERR_REMOTE, kube->name, "namespace kube-system has no uid");
    }
    *uid = kube->uid;
    return IST_OK;
}

int32_t ist_kube_version(ist_kube *kube, int *major, int *minor, ist_error *err)
{
    if (kube->major == 0) {
        json_t *version = NULL;
        struct kube_request request = {.method = "GET", .path = "/version", .read = 1};
        int32_t rc = kube_call(kube, &request, &version, err);
        if (rc != IST_OK)
            return rc;
        // EKS says "27+"
        kube->major = (int)strtol(ist_json_str_or(version, "major", "1"), NULL, 10);
        kube->minor = (int)strtol(ist_json_str_or(version, "minor", "0"), NULL, 10);
        json_decref(version);
        if (kube->major <= 0)
            kube->major = 1;
    }
    *major = kube->major;
    *minor = kube->minor;
    return IST_OK;
}
