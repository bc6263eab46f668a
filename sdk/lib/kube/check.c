// Checks of inputs that plugins of Kubernetes have in common.
#include <isthmus/alloc.h>
#include <isthmus/kube_check.h>

#include "internal.h"

#include <string.h>
#include <unistd.h>

static char *path_of(const char *map, const char *key)
{
    return strpbrk(key, ".[]") ? ist_printf("%s['%s']", map, key) : ist_printf("%s.%s", map, key);
}

int ist_checking_has(const ist_checking *c, const char *path, const char *key)
{
    const json_t *map = ist_checking_at(c, path);
    char *inner = path_of(path, key);
    int has = json_object_get(map, key) || !ist_is_known(c, inner) || (!map && !ist_is_known(c, path));
    ist_free(inner);
    return has;
}

// As kubectl reads KUBECONFIG: of several files, those that are there.
static int is_one_there(const char *paths)
{
    int found = 0;
    for (size_t len; *paths && !found; paths += len + (paths[len] == ':')) {
        len = strcspn(paths, ":");
        char *one = ist_strndup(paths, len);
        found = len && access(one, R_OK) == 0;
        ist_free(one);
    }
    return found;
}

int ist_check_kubeconfig_text(ist_checking *c, const char *path, const char *text)
{
    struct kube_login login = {0};
    ist_error err = {0};
    if (!text || !*text || *text == '{' || strchr(text, '\n'))
        return 1;
    if (!strchr(text, ':') && !ist_check_file_text(c, path, text, "the kubeconfig"))
        return 0;
    if (strchr(text, ':') && !is_one_there(text)) {
        ist_wrong(c, path, "none of the kubeconfigs %s can be read", text);
        return 0;
    }
    const int32_t rc = kube_login_load(ist_checking_env(c), text, NULL, &login, &err);
    if (rc != IST_OK)
        ist_wrong_hint(c, path, err.hint[0] ? err.hint : NULL, "the kubeconfig %s cannot be used: %s%s%s",
                       text, strcmp(err.where, text) == 0 ? "" : err.where,
                       strcmp(err.where, text) == 0 ? "" : ": ", err.text);
    kube_login_free(&login);
    return rc == IST_OK;
}

int ist_check_kubeconfig(ist_checking *c, const char *path)
{
    return ist_check_kubeconfig_text(c, path, ist_checking_text(c, path));
}

int ist_check_kubeconfigs(ist_checking *c, const char *path)
{
    const json_t *map = ist_checking_at(c, path);
    const char *name;
    json_t *value;
    int good = 1;
    if (map && !json_object_size(map) && ist_is_known(c, path)) {
        ist_wrong(c, path, "names no cluster");
        return 0;
    }
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        char *inner = path_of(path, name);
        good &= ist_check_kubeconfig_text(c, inner, json_string_value(value));
        ist_free(inner);
    }
    return good;
}

static int check_name(ist_checking *c, const char *path, const char *name)
{
    if (!name || ist_checking_has(c, "kubeconfigs", name))
        return 1;
    ist_wrong_hint(c, path, "name it under `kubeconfigs`", "there is no kubeconfig for a cluster \"%s\"",
                   name);
    return 0;
}

int ist_check_cluster(ist_checking *c, const char *path)
{
    return check_name(c, path, ist_checking_text(c, path));
}

int ist_check_clusters(ist_checking *c, const char *path)
{
    const json_t *names = ist_checking_at(c, path);
    int good = 1;
    for (size_t i = 0; i < json_array_size(names); i++) {
        char *inner = ist_printf("%s[%zu]", path, i);
        const char *name = ist_checking_text(c, inner);
        good &= ist_check_cluster(c, inner);
        for (size_t k = 0; name && k < i; k++) {
            const char *before = json_string_value(json_array_get(names, k));
            if (!before || strcmp(before, name) != 0)
                continue;
            ist_wrong(c, inner, "names the cluster \"%s\" twice", name);
            good = 0;
            break;
        }
        ist_free(inner);
    }
    return good;
}

int ist_check_cluster_keys(ist_checking *c, const char *path)
{
    const char *name;
    json_t *value;
    int good = 1;
    json_object_foreach((json_t *)(uintptr_t)ist_checking_at(c, path), name, value)
    {
        char *inner = path_of(path, name);
        good &= check_name(c, inner, name);
        ist_free(inner);
    }
    return good;
}

void ist_check_namespaces(ist_checking *c)
{
    const char *common, *cluster;
    json_t *there, *name;
    json_object_foreach((json_t *)(uintptr_t)ist_checking_at(c, "namespaces"), common, there)
    {
        char *outer = path_of("namespaces", common);
        ist_check_dns_label_text(c, outer, common);
        json_object_foreach(there, cluster, name)
        {
            char *inner = path_of(outer, cluster);
            check_name(c, inner, cluster);
            ist_check_dns_label_text(c, inner, json_string_value(name));
            ist_free(inner);
        }
        ist_free(outer);
    }
}

static int is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int ist_check_pod_cidrs(ist_checking *c, const char *path)
{
    const json_t *map = ist_checking_at(c, path);
    const char *one, *other;
    json_t *mine, *theirs;
    int good = 1;
    json_object_foreach((json_t *)(uintptr_t)map, one, mine)
    {
        char *outer = path_of(path, one);
        for (size_t i = 0; i < json_array_size(mine); i++) {
            char *item = ist_printf("%s[%zu]", outer, i);
            good &= ist_check_hosts_net(c, item);
            for (size_t k = 0; k < i; k++) {
                char *before = ist_printf("%s[%zu]", outer, k);
                good &= ist_check_apart(c, before, item, "");
                ist_free(before);
            }
            ist_free(item);
        }
        json_object_foreach((json_t *)(uintptr_t)map, other, theirs)
        {
            if (strcmp(other, one) == 0)
                break; // the rest comes the other way about
            char *inner = path_of(path, other);
            for (size_t n = 0; n < json_array_size(mine) * json_array_size(theirs); n++) {
                char *a = ist_printf("%s[%zu]", inner, n % json_array_size(theirs));
                char *b = ist_printf("%s[%zu]", outer, n / json_array_size(theirs));
                good &= ist_check_apart(c, a, b, "pods of two clusters have addresses of their own");
                ist_free(a);
                ist_free(b);
            }
            ist_free(inner);
        }
        ist_free(outer);
    }
    return good;
}

// Labels of DNS with dots between them.
static int is_dns_name(const char *name)
{
    size_t len = strlen(name);
    int good = len && len <= 253;
    for (const char *at = name; good && at;) {
        size_t part = strcspn(at, ".");
        good = part && at[0] != '-' && at[part - 1] != '-' &&
               strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-") == part;
        at = at[part] ? at + part + 1 : NULL;
    }
    return good;
}

// What a label's value, and the name in its key, is made of.
static int is_label_word(const char *word)
{
    size_t len = strlen(word);
    int good = len && len <= 63 && is_alnum(word[0]) && is_alnum(word[len - 1]);
    for (size_t i = 0; good && i < len; i++)
        good = is_alnum(word[i]) || strchr("-_.", word[i]) != NULL;
    return good;
}

int ist_check_cluster_name(ist_checking *c, const char *path)
{
    const char *name = ist_checking_text(c, path);
    int good = name && is_label_word(name);
    if (name && !good)
        ist_wrong(c, path,
                  "\"%s\" cannot be the value of a label: at most 63 letters, digits, -, _ and ., with a "
                  "letter or a "
                  "digit first and last",
                  name);
    return !name || good;
}

int ist_check_label_key(ist_checking *c, const char *path, const char *key)
{
    const char *slash = strchr(key, '/');
    char *prefix = ist_strndup(key, slash ? (size_t)(slash - key) : 0);
    int good = is_label_word(slash ? slash + 1 : key) && (!slash || is_dns_name(prefix));
    ist_free(prefix);
    if (!good)
        ist_wrong(
            c, path,
            "\"%s\" is no key of a label or an annotation: at most 63 letters, digits, -, _ and ., with a "
            "letter or a digit first and last, and perhaps a DNS name and / before it",
            key);
    return good;
}

int ist_check_label_value(ist_checking *c, const char *path, const char *key, const char *value)
{
    if (!value || !*value || is_label_word(value))
        return 1;
    ist_wrong(c, path,
              "`%s`: \"%s\" cannot be the value of a label: at most 63 letters, digits, -, _ and ., with a "
              "letter or a digit first and last",
              key, value);
    return 0;
}

int ist_check_dns_name(ist_checking *c, const char *path)
{
    const char *name = ist_checking_text(c, path);
    int good = name && is_dns_name(name);
    if (name && !good)
        ist_wrong(c, path,
                  "\"%s\" is no name that Kubernetes takes: at most 253 of a-z, 0-9, - and ., with a letter "
                  "or a digit "
                  "at both ends",
                  name);
    return !name || good;
}

int ist_check_manifest(ist_checking *c, const char *path, const ist_manifest *manifest, json_t **objects)
{
    json_t *made = NULL, *problems = json_array(), *problem;
    ist_error err = {0};
    const int32_t rc = kube_manifest_examine(ist_checking_env(c), manifest, &made, problems, &err);
    size_t i;
    json_array_foreach(problems, i, problem) ist_wrong(c, path, "%s", json_string_value(problem));
    if (rc != IST_OK)
        ist_wrong_hint(c, path, err.hint, "%s: %s", err.where, err.text);
    const int good = rc == IST_OK && json_array_size(problems) == 0;
    if (objects)
        *objects = json_incref(made);
    json_decref(made);
    json_decref(problems);
    return good;
}
