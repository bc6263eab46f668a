// What of the user's environment goes where.
#include "host/environment.h"

#include <isthmus/alloc.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static bool starts(const char *entry, const char *const *with)
{
    for (size_t i = 0; with[i]; i++)
        if (!strncmp(entry, with[i], strlen(with[i])))
            return true;
    return false;
}

// What a plugin may know of the user's environment.
static bool passes(const char *entry)
{
    static const char *const allowed[] = {"HOME=",
                                          "PATH=",
                                          "USER=",
                                          "LOGNAME=",
                                          "LANG=",
                                          "LANGUAGE=",
                                          "TZ=",
                                          "TMPDIR=",
                                          "KUBECONFIG=",
                                          "SSH_AUTH_SOCK=",
                                          "SSL_CERT_FILE=",
                                          "SSL_CERT_DIR=",
                                          "CURL_CA_BUNDLE=",
                                          "http_proxy=",
                                          "https_proxy=",
                                          "no_proxy=",
                                          "all_proxy=",
                                          "HTTP_PROXY=",
                                          "HTTPS_PROXY=",
                                          "NO_PROXY=",
                                          "ALL_PROXY=",
                                          "LD_LIBRARY_PATH=",
                                          "ASAN_OPTIONS=",
                                          "LSAN_OPTIONS=",
                                          "UBSAN_OPTIONS=",
                                          "ASAN_SYMBOLIZER_PATH=",
                                          "AWS_",
                                          "LC_",
                                          "XDG_",
                                          "KUBERNETES_",
                                          "ISTHMUS_",
                                          NULL};
    return starts(entry, allowed);
}

// By its name, or because it is a URL with a password. Rather too much than too little: what is taken for one
// by mistake (AWS_WEB_IDENTITY_TOKEN_FILE) only takes the other way.
static bool is_secret(const char *entry)
{
    static const char *const words[] = {"PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY", "PSK", NULL};
    const char *equals = strchr(entry, '=');
    if (!equals)
        return false;
    for (size_t i = 0; words[i]; i++) {
        const char *at = strcasestr(entry, words[i]);
        if (at && at < equals)
            return true;
    }
    const char *host = strstr(equals, "://");
    const size_t authority = host ? strcspn(host + 3, "/?#") : 0;
    return host && memchr(host + 3, '@', authority) && memchr(host + 3, ':', authority);
}

void environment_hide(void)
{
    size_t count = 0;
    while (environ && environ[count])
        count++;
    char **secrets = ist_calloc(count + 1, sizeof(*secrets));
    for (size_t i = 0, n = 0; i < count; i++)
        if (is_secret(environ[i]))
            secrets[n++] = environ[i];
    for (size_t i = 0; secrets[i]; i++) {
        char *equals = strchr(secrets[i], '=');
        char *name = ist_strndup(secrets[i], (size_t)(equals - secrets[i]));
        char *value = ist_strdup(equals + 1);
        explicit_bzero(equals + 1, strlen(equals + 1));
        setenv(name, value, 1); // a copy on the heap, which nobody is shown
        ist_free(name);
        ist_free_secret(value);
    }
    ist_free(secrets);
}

char **environment_allowed(void)
{
    size_t count = 0, n = 0;
    while (environ[count])
        count++;
    char **list = ist_calloc(count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        if (passes(environ[i]) && !is_secret(environ[i]))
            list[n++] = environ[i];
    return list;
}

json_t *environment_secrets(void)
{
    json_t *secrets = json_object();
    for (char **entry = environ; *entry; entry++) {
        // Isthmus's own are for the configuration: they travel as inputs, to the step that names them.
        if (!passes(*entry) || !is_secret(*entry) || !strncmp(*entry, "ISTHMUS_", 8))
            continue;
        const char *equals = strchr(*entry, '=');
        char *name = ist_strndup(*entry, (size_t)(equals - *entry));
        json_t *value =
            json_string(equals + 1); // NULL when it is not UTF-8: no secret of AWS is anything else
        if (value && !json_object_get(secrets, name)) // getenv() takes the first of two
            json_object_set_new(secrets, name, value);
        else
            json_decref(value);
        ist_free(name);
    }
    return secrets;
}
