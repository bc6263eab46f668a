// Clusters and providers: finding them, waiting for them.
#include "ccp.h"

#include <isthmus/yaml.h>

#include <regex.h>
#include <string.h>

#define POLL_FIRST_MS 2000
#define POLL_MAX_MS   15000
#define SHOWS_MS      60000 // so soon a cluster that is to be deleted says so

static int has_text(const json_t *object, const char *key, const char *text)
{
    const char *value = ist_json_str(object, key);
    return value != NULL && text != NULL && strcmp(value, text) == 0;
}

// A list as it comes: bare, or wrapped.
static json_t *list_of(json_t *answer)
{
    if (json_is_array(answer))
        return answer;
    json_t *items = json_object_get(answer, "items");
    return items != NULL ? items : json_object_get(answer, "clusters");
}

int32_t ccp_find(struct ccp *ccp, const char *id, const char *name, const char *type, json_t **cluster,
                 ist_error *err)
{
    json_t *answer = NULL, *item, *found = NULL;
    size_t i;
    const int32_t rc = ccp_call(ccp, "GET", "/v3/clusters/", NULL, &answer, err);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(list_of(answer), i, item)
    {
        if (type != NULL && !has_text(item, "type", type))
            continue;
        if (has_text(item, "id", id)) {
            found = item;
            break;
        }
        if (found == NULL && has_text(item, "name", name))
            found = item;
    }
    if (found != NULL)
        *cluster = json_incref(found);
    json_decref(answer);
    return found != NULL ? IST_OK : IST_ERR_NOT_FOUND;
}

// ---- providers ----

static void add_name(ist_buf *names, const json_t *provider)
{
    ist_buf_printf(names, "%s%s", names->len > 0 ? ", " : "", ist_json_str_or(provider, "name", "?"));
}

// What of a provider's name is meant: the expression, or all of a name where one is called just so.
struct meant {
    const char *pattern;
    regex_t expression;
    int whole;
};

static int fits(const struct meant *m, const json_t *provider)
{
    const char *name = ist_json_str_or(provider, "name", "");
    return m->whole ? strcmp(name, m->pattern) == 0 : regexec(&m->expression, name, 0, NULL, 0) == 0;
}

static int32_t pick_provider(const json_t *providers, const struct meant *wanted, char **id, ist_error *err)
{
    ist_buf all = {0}, matching = {0};
    const json_t *match = NULL;
    json_t *provider;
    size_t i, matches = 0;
    json_array_foreach((json_t *)providers, i, provider)
    {
        add_name(&all, provider);
        if (fits(wanted, provider)) {
            add_name(&matching, provider);
            match = provider;
            matches++;
        }
    }
    int32_t rc = IST_OK;
    const char *found = ist_json_str(match, "id");
    if (matches == 0) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "CCP providers", "none is called like \"%s\"; there are: %s",
                      wanted->pattern, all.len > 0 ? all.data : "none");
    } else if (matches > 1) {
        rc = ist_fail(err, IST_ERR_INPUT, "CCP providers", "\"%s\" matches %zu of them: %s", wanted->pattern,
                      matches, matching.data);
        ist_hint(err, "narrow the input `provider`, such as ^name$");
    } else if (found == NULL) {
        rc = ist_fail(err, IST_ERR_REMOTE, "CCP providers", "%s has no id", matching.data);
    } else {
        *id = ist_strdup(found);
    }
    ist_buf_free(&all);
    ist_buf_free(&matching);
    return rc;
}

// All of them. New reference, an array.
static int32_t list_providers(struct ccp *ccp, json_t **providers, ist_error *err)
{
    json_t *answer = NULL;
    const int32_t rc = ccp_call(ccp, "GET", "/v3/providers", NULL, &answer, err);
    if (rc == IST_OK)
        *providers = json_incref(json_is_array(answer) ? answer : json_object_get(answer, "items"));
    json_decref(answer);
    return rc;
}

// After success, the expression is to be freed and *providers released.
static int32_t mean(struct ccp *ccp, const char *pattern, struct meant *m, json_t **providers, ist_error *err)
{
    json_t *provider;
    size_t i;
    *m = (struct meant){.pattern = pattern};
    if (regcomp(&m->expression, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return ist_fail(err, IST_ERR_INPUT, "provider", "\"%s\" is no regular expression", pattern);
    const int32_t rc = list_providers(ccp, providers, err);
    json_array_foreach(*providers, i, provider) m->whole = m->whole || has_text(provider, "name", pattern);
    if (rc != IST_OK)
        regfree(&m->expression);
    return rc;
}

int32_t ccp_other_provider(struct ccp *ccp, const char *pattern, const char *id, char **other, ist_error *err)
{
    struct meant wanted;
    json_t *providers = NULL, *provider;
    size_t i;
    const int32_t rc = mean(ccp, pattern, &wanted, &providers, err);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(providers, i, provider)
    {
        if (*other == NULL && has_text(provider, "id", id) && !fits(&wanted, provider))
            *other = ist_strdup(ist_json_str_or(provider, "name", ""));
    }
    regfree(&wanted.expression);
    json_decref(providers);
    return rc;
}

int32_t ccp_provider(struct ccp *ccp, const char *pattern, char **id, ist_error *err)
{
    struct meant wanted;
    json_t *providers = NULL;
    int32_t rc = mean(ccp, pattern, &wanted, &providers, err);
    if (rc != IST_OK)
        return rc;
    rc = pick_provider(providers, &wanted, id, err);
    regfree(&wanted.expression);
    json_decref(providers);
    return rc;
}

// ---- kubeconfigs ----

void ccp_hide_kubeconfig(const ist_env *env, const char *kubeconfig)
{
    static const char *const keys[] = {"client-key-data", "token", "password"};
    json_t *tree = NULL, *user;
    size_t i;
    ist_secret(env, kubeconfig);
    if (ist_yaml_parse(kubeconfig, strlen(kubeconfig), "kubeconfig", &tree, NULL) != IST_OK)
        return;
    json_array_foreach(json_object_get(tree, "users"), i, user)
    {
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            ist_secret(env, json_string_value(json_object_get(json_object_get(user, "user"), keys[k])));
    }
    json_decref(tree);
}

// Version 2 lists clusters with a uuid and hands out the kubeconfig as text.
static int32_t kubeconfig_v2(struct ccp *ccp, const char *name, char **kubeconfig, ist_error *err)
{
    json_t *answer = NULL, *item;
    char *uuid = NULL;
    size_t i;
    int32_t rc = ccp_call(ccp, "GET", "/2/clusters", NULL, &answer, err);
    if (rc != IST_OK && rc != IST_ERR_NOT_FOUND)
        return rc;
    json_array_foreach(list_of(answer), i, item)
    {
        if (has_text(item, "name", name) && uuid == NULL && ist_json_str(item, "uuid") != NULL)
            uuid = ist_url_encode(ist_json_str(item, "uuid"), 0);
    }
    json_decref(answer);
    if (uuid == NULL)
        return ist_fail(err, IST_ERR_NOT_FOUND, "on_prem_cluster", "the platform has no cluster called %s",
                        name);
    char *path = ist_printf("/2/clusters/%s/env", uuid);
    rc = ccp_text(ccp, path, kubeconfig, err);
    ist_free(path);
    ist_free(uuid);
    return rc;
}

int32_t ccp_kubeconfig(struct ccp *ccp, const char *name, char **kubeconfig, ist_error *err)
{
    json_t *cluster = NULL;
    int32_t rc = ccp_find(ccp, NULL, name, "vsphere", &cluster, err);
    const char *text = ist_json_str(cluster, "kubeconfig");
    if (rc == IST_OK && text != NULL && *text != '\0')
        *kubeconfig = ist_strdup(text);
    else if (rc == IST_OK || rc == IST_ERR_NOT_FOUND)
        rc = kubeconfig_v2(ccp, name, kubeconfig, err);
    json_decref(cluster);
    if (rc == IST_OK)
        ccp_hide_kubeconfig(&ccp->env, *kubeconfig);
    return rc;
}

// ---- waiting ----

int ccp_is_passing(const char *status)
{
    static const char *const ends[] = {"ING", "IN_PROGRESS"};
    static const char *const settled[] = {"WARNING", "MISSING"}; // that end so, and pass by nobody's doing
    const size_t len = strlen(status);
    int passing = 0;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const size_t n = strlen(ends[i]);
        passing = passing || (len > n && strcmp(status + len - n, ends[i]) == 0);
    }
    for (size_t i = 0; i < sizeof(settled) / sizeof(settled[0]); i++)
        passing = passing && strcmp(status, settled[i]) != 0;
    return passing;
}

static char *path_of(const char *id)
{
    char *encoded = ist_url_encode(id, 0);
    char *path = ist_printf("/v3/clusters/%s/", encoded);
    ist_free(encoded);
    return path;
}

// One look and, unless it is over, one wait. IST_AGAIN: look again.
static int32_t look(struct ccp *ccp, const char *path, const char *name, const char *also_passing,
                    int64_t *pause, int64_t until, json_t **cluster, ist_error *err)
{
    json_t *now = NULL;
    int32_t rc = ccp_call(ccp, "GET", path, NULL, &now, err);
    if (rc == IST_OK) {
        json_decref(*cluster);
        *cluster = now;
    }
    const char *status = ist_json_str_or(now, "status", "?");
    const int passing = rc == IST_ERR_NETWORK ||
                        (rc == IST_OK && (ccp_is_passing(status) || strcmp(status, also_passing) == 0));
    if (!passing)
        return rc;
    // A platform that does not answer may be back before the time is up: only then is that an error.
    if (ist_now_ms(&ccp->env) >= until)
        return rc != IST_OK ? rc : ist_fail(err, IST_ERR_TIMEOUT, name, "still %s", status);
    const char *shown = rc == IST_OK ? status : "the platform does not answer";
    ist_progress(&ccp->env, "EKS cluster %s: %s", name, shown);
    rc = ist_sleep_ms(&ccp->env, *pause);
    *pause = *pause * 3 / 2 < POLL_MAX_MS ? *pause * 3 / 2 : POLL_MAX_MS;
    return rc == IST_OK ? IST_AGAIN
                        : ist_fail(err, rc, name, "%s while waiting: %s", ist_code_name(rc), shown);
}

static int32_t not_ready(const json_t *cluster, const char *name, ist_error *err)
{
    ist_fail(err, IST_ERR_REMOTE, name, "the platform reports the cluster as %s",
             ist_json_str_or(cluster, "status", "without a status"));
    ist_hint(err, "its own log says why; the next apply deletes it, and orders it anew");
    return IST_ERR_REMOTE;
}

int32_t ccp_wait_ready(struct ccp *ccp, const char *id, const char *name, int64_t timeout_ms,
                       json_t **cluster, ist_error *err)
{
    char *path = path_of(id);
    json_t *last = NULL;
    int64_t pause = ist_poll_ms(&ccp->env, POLL_FIRST_MS);
    const int64_t until = ist_now_ms(&ccp->env) + timeout_ms;
    int32_t rc = IST_AGAIN;
    while (rc == IST_AGAIN)
        rc = look(ccp, path, name, "", &pause, until, &last, err);
    if (rc == IST_OK && !has_text(last, "status", "READY"))
        rc = not_ready(last, name, err);
    if (rc == IST_OK)
        *cluster = json_incref(last);
    json_decref(last);
    ist_free(path);
    return rc;
}

static int32_t not_gone(const json_t *cluster, const char *name, ist_error *err)
{
    ist_fail(err, IST_ERR_REMOTE, name, "was to be deleted and is %s",
             ist_json_str_or(cluster, "status", "?"));
    ist_hint(err, "see what still uses its VPC in AWS (load balancers, interfaces), then destroy again");
    return IST_ERR_REMOTE;
}

int32_t ccp_wait_gone(struct ccp *ccp, const char *id, const char *name, int64_t timeout_ms, ist_error *err)
{
    char *path = path_of(id);
    json_t *last = NULL;
    int64_t pause = ist_poll_ms(&ccp->env, POLL_FIRST_MS);
    const int64_t from = ist_now_ms(&ccp->env);
    ist_error failed = {0};
    int32_t rc = IST_AGAIN;
    while (rc == IST_AGAIN) // what was asked a moment ago may not show yet
        rc = look(ccp, path, name, ist_now_ms(&ccp->env) - from < SHOWS_MS ? "READY" : "", &pause,
                  from + timeout_ms, &last, &failed);
    if (rc == IST_ERR_NOT_FOUND)
        rc = IST_OK;
    else if (rc == IST_OK)
        rc = not_gone(last, name, err);
    else if (err != NULL)
        *err = failed;
    json_decref(last);
    ist_free(path);
    return rc;
}
