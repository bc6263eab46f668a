// A session: what its user trusts and how it presents itself, applied to every curl handle it makes.
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#ifndef IST_VERSION
#define IST_VERSION "0.1.0"
#endif

static char *copy(const char *text)
{
    return text != NULL ? ist_strdup(text) : NULL;
}

static void copy_options(ist_http_options *to, const ist_http_options *from)
{
    ist_http_options given = {0};
    if (from != NULL)
        memcpy(&given, from, from->size < sizeof(given) ? from->size : sizeof(given));
    *to = given;
    to->size = sizeof(*to);
    to->ca_file = copy(given.ca_file);
    to->ca_pem = copy(given.ca_pem);
    to->client_cert_pem = copy(given.client_cert_pem);
    to->client_key_pem = copy(given.client_key_pem);
    to->proxy = copy(given.proxy);
    to->pinned_key = copy(given.pinned_key);
    to->connect_to = copy(given.connect_to);
    to->user_agent = copy(given.user_agent != NULL ? given.user_agent : "isthmus/" IST_VERSION);
    if (to->connect_ms <= 0)
        to->connect_ms = 10000;
    if (to->request_ms <= 0)
        to->request_ms = 60000;
    if (to->max_body == 0)
        to->max_body = 64u << 20;
}

// A proxy's URL that holds a password is in no environment that libcurl could look into itself. Its names in libcurl's
// order, ended by NULL; NULL: there is none, or libcurl finds it. The caller's.
static char *secret_proxy(const ist_env *env, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (getenv(*names) != NULL)
            return NULL;
        const char *url = ist_environment(env, *names);
        if (url != NULL) {
            ist_secret(env, url);
            return ist_strdup(url);
        }
    }
    return NULL;
}

static void find_secret_proxies(ist_http *session)
{
    // HTTP_PROXY is none of them: a CGI program's caller could set it.
    static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL},
                             *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    session->https_proxy = secret_proxy(&session->env, https);
    session->http_proxy = secret_proxy(&session->env, http);
}

int32_t ist_http_new(const ist_env *env, const ist_http_options *options, ist_http **session, ist_error *err)
{
    if (options != NULL && options->ca_file != NULL && options->ca_pem == NULL &&
        access(options->ca_file, R_OK) != 0) {
        const int32_t rc = ist_fail(err, IST_ERR_INPUT, options->ca_file, "this CA file cannot be read");
        ist_hint(err, "name a readable PEM bundle, or leave it out to trust the system's authorities");
        return rc;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ist_fail(err, IST_ERR_INTERNAL, "libcurl", "cannot be initialised");
    ist_http *made = ist_calloc(1, sizeof(*made));
    if (env != NULL)
        made->env = *env;
    copy_options(&made->options, options);
    if (made->options.proxy == NULL)
        find_secret_proxies(made);
    if (made->options.connect_to != NULL) {
        char *entry = ist_printf("::%s", made->options.connect_to); // whatever host and port the URL has
        made->connect_to = curl_slist_append(NULL, entry);
        ist_free(entry);
    }
    made->multi = curl_multi_init();
    if (made->multi == NULL) {
        ist_http_free(made);
        return ist_fail(err, IST_ERR_INTERNAL, "libcurl", "cannot make a session");
    }
    if (made->options.insecure)
        ist_log(&made->env, IST_LOG_WARN, "the server's certificate is not verified, as `insecure` asks");
    *session = made;
    return IST_OK;
}

void ist_http_free(ist_http *session)
{
    if (session == NULL)
        return;
    http_hub_free(session->hub);
    curl_multi_cleanup(session->multi);
    ist_http_options *o = &session->options;
    ist_free((char *)o->ca_file);
    ist_free((char *)o->ca_pem);
    ist_free((char *)o->client_cert_pem);
    ist_free_secret((char *)o->client_key_pem);
    ist_free((char *)o->proxy);
    ist_free_secret(session->https_proxy);
    ist_free_secret(session->http_proxy);
    ist_free((char *)o->pinned_key);
    ist_free((char *)o->user_agent);
    ist_free((char *)o->connect_to);
    curl_slist_free_all(session->connect_to);
    ist_free(session);
    curl_global_cleanup();
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {.data = (char *)pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
    curl_easy_setopt(easy, option, &blob);
}

static void set_trust(CURL *easy, const ist_http_options *o)
{
    if (o->ca_pem != NULL || o->ca_file != NULL) {
        // Only what was named: the system's authorities are no fallback.
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        if (o->ca_pem != NULL)
            set_blob(easy, CURLOPT_CAINFO_BLOB, o->ca_pem);
        else
            curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file);
    }
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
    if (o->pinned_key != NULL)
        curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, o->pinned_key);
    if (o->client_cert_pem != NULL && o->client_key_pem != NULL) {
        curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
        curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
        set_blob(easy, CURLOPT_SSLCERT_BLOB, o->client_cert_pem);
        set_blob(easy, CURLOPT_SSLKEY_BLOB, o->client_key_pem);
    }
}

CURL *http_easy(const ist_http *session, const char *url)
{
    const ist_http_options *o = &session->options;
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        abort(); // out of memory, as everywhere
    curl_easy_setopt(easy, CURLOPT_URL, url);
    // Not CURLOPT_NOSIGNAL: with it curl leaves SIGPIPE on, and a TLS write to a closed connection kills.
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); // a signed path must arrive as it was signed
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, o->user_agent);
    const char *proxy = o->proxy;
    if (proxy == NULL)
        proxy = strncasecmp(url, "https:", 6) == 0 ? session->https_proxy : session->http_proxy;
    if (proxy != NULL)
        curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
    if (session->connect_to != NULL)
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, session->connect_to);
    set_trust(easy, o);
    return easy;
}
