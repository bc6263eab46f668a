// What is wrong with the inputs, before any cluster is asked: a rule that a server would refuse, or that would let in
// somebody else than it says.
#include "check.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_check.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *inside(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A path below `path`; the caller's (ist_free).
static char *inside(const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *tail = ist_vprintf(format, args), *whole = ist_printf("%s%s", path, tail);
    va_end(args);
    ist_free(tail);
    return whole;
}

// Is the value at `path` of this shape? One that is absent, null or not known yet is.
enum shape { SHAPE_MAP, SHAPE_LIST, SHAPE_TEXT };

static int has_shape(ist_checking *c, const char *path, enum shape shape)
{
    static const char *const names[] = {"a map", "a list", "text"};
    const json_t *value = ist_checking_at(c, path);
    if (!value || json_is_null(value) || (shape == SHAPE_MAP && json_is_object(value)) ||
        (shape == SHAPE_LIST && json_is_array(value)) || (shape == SHAPE_TEXT && json_is_string(value)))
        return 1;
    ist_wrong(c, path, "expected %s", names[shape]);
    return 0;
}

// The keys of a map: what is not understood could be what was meant to keep somebody out.
static void check_keys(ist_checking *c, const char *path, const char *what, const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)ist_checking_at(c, path), key, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            ist_wrong(c, path, "unknown key `%s` of %s", key, what);
    }
}

// ---- selectors

static void check_values(ist_checking *c, const char *path, const char *key)
{
    const json_t *values = json_object_get(ist_checking_at(c, path), "values"), *one;
    size_t i;
    json_array_foreach(values, i, one)
    {
        ist_check_label_value(c, path, key, json_string_value(one));
        if (!json_is_string(one) && !json_is_null(one))
            ist_wrong(c, path, "`values`: expected text, as in \"80\"");
    }
}

static void check_expression(ist_checking *c, const char *path)
{
    static const char *const keys[] = {"key", "operator", "values", NULL};
    if (!has_shape(c, path, SHAPE_MAP) || !json_is_object(ist_checking_at(c, path)))
        return;
    check_keys(c, path, "an expression", keys);
    const char *operator= ist_json_str(ist_checking_at(c, path), "operator");
    size_t values = json_array_size(json_object_get(ist_checking_at(c, path), "values"));
    const char *key = ist_json_str(ist_checking_at(c, path), "key");
    if (!key)
        ist_wrong(c, path, "`key` is missing");
    else if (ist_check_label_key(c, path, key))
        check_values(c, path, key);
    const int of_list = operator&&(!strcmp(operator, "In") || !strcmp(operator, "NotIn"));
    const int alone = operator&&(!strcmp(operator, "Exists") || !strcmp(operator, "DoesNotExist"));
    if (!of_list && !alone)
        ist_wrong(c, path, "`operator`: expected In, NotIn, Exists or DoesNotExist, found %s",
                  operator ? operator : "nothing");
    else if (of_list ? !values : values)
        ist_wrong(c, path, "%s takes %s `values`", operator, of_list ? "at least one of" : "no");
}

static void check_selector(ist_checking *c, const char *path)
{
    static const char *const keys[] = {"matchLabels", "matchExpressions", NULL};
    if (!has_shape(c, path, SHAPE_MAP) || !ist_checking_at(c, path))
        return;
    check_keys(c, path, "a selector", keys);
    char *labels = inside(path, ".matchLabels"), *list = inside(path, ".matchExpressions");
    const char *key;
    json_t *value;
    if (has_shape(c, labels, SHAPE_MAP))
        json_object_foreach((json_t *)(uintptr_t)ist_checking_at(c, labels), key, value)
        {
            ist_check_label_key(c, labels, key);
            ist_check_label_value(c, labels, key, json_string_value(value));
            if (!json_is_string(value))
                ist_wrong(c, labels, "`%s`: expected text, as in \"80\"", key);
        }
    if (has_shape(c, list, SHAPE_LIST)) {
        for (size_t i = 0; i < json_array_size(ist_checking_at(c, list)); i++) {
            char *one = inside(list, "[%zu]", i);
            check_expression(c, one);
            ist_free(one);
        }
    }
    ist_free(labels);
    ist_free(list);
}

// ---- peers

static void check_net(ist_checking *c, const char *path)
{
    const char *text = ist_checking_text(c, path);
    ist_net net;
    ist_error err;
    if (has_shape(c, path, SHAPE_TEXT) && text && ist_net_parse(text, &net, &err) != IST_OK)
        ist_wrong(c, path, "\"%s\": %s", text, err.text);
}

static void check_block(ist_checking *c, const char *path)
{
    static const char *const keys[] = {"cidr", "except", NULL};
    char *cidr = inside(path, ".cidr"), *except = inside(path, ".except");
    if (has_shape(c, path, SHAPE_MAP) && ist_checking_at(c, path)) {
        check_keys(c, path, "an ipBlock", keys);
        if (!ist_checking_at(c, cidr) && ist_is_known(c, cidr))
            ist_wrong(c, path, "`cidr` is missing");
        check_net(c, cidr);
        for (size_t i = 0;
             has_shape(c, except, SHAPE_LIST) && i < json_array_size(ist_checking_at(c, except)); i++) {
            char *one = inside(except, "[%zu]", i);
            check_net(c, one);
            ist_free(one);
        }
    }
    ist_free(cidr);
    ist_free(except);
}

static void check_peer(ist_checking *c, const char *path)
{
    static const char *const keys[] = {"ipBlock", "podSelector", "namespaceSelector", "cluster", "namespace",
                                       "service", NULL};
    const json_t *peer = ist_checking_at(c, path);
    if (!has_shape(c, path, SHAPE_MAP) || !json_is_object(peer))
        return;
    check_keys(c, path, "a peer", keys);
    if (!json_object_size(peer) && ist_is_known(c, path))
        ist_wrong(c, path, "an empty peer stands for nobody");
    char *block = inside(path, ".ipBlock"), *pods = inside(path, ".podSelector"),
         *namespaces = inside(path, ".namespaceSelector"), *cluster = inside(path, ".cluster"),
         *ns = inside(path, ".namespace");
    if (json_object_get(peer, "ipBlock") && json_object_size(peer) > 1)
        ist_wrong(c, path, "an ipBlock stands alone in its peer");
    check_block(c, block);
    check_selector(c, pods);
    check_selector(c, namespaces);
    if (has_shape(c, cluster, SHAPE_TEXT))
        ist_check_cluster(c, cluster);
    if (has_shape(c, ns, SHAPE_TEXT))
        ist_check_dns_label(c, ns);
    if (!json_object_get(peer, "cluster") && ist_is_known(c, cluster) &&
        (json_object_get(peer, "namespace") || json_object_get(peer, "service")))
        ist_wrong(
            c, path,
            "`namespace` and `service` belong to a peer with `cluster`; in the policy's own cluster it is "
            "namespaceSelector and podSelector");
    char *const all[] = {block, pods, namespaces, cluster, ns};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        ist_free(all[i]);
}

// ---- ports

static int is_port_name(const char *name)
{
    size_t len = strlen(name);
    int letter = 0;
    for (size_t i = 0; i < len; i++)
        letter |= name[i] >= 'a' && name[i] <= 'z';
    return len && len <= 15 && letter && name[0] != '-' && name[len - 1] != '-' && !strstr(name, "--") &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void check_port(ist_checking *c, const char *path)
{
    static const char *const keys[] = {"protocol", "port", "endPort", NULL};
    const json_t *entry = ist_checking_at(c, path);
    if (!has_shape(c, path, SHAPE_MAP) || !json_is_object(entry))
        return;
    check_keys(c, path, "a port", keys);
    char *protocol = inside(path, ".protocol"), *port = inside(path, ".port"),
         *end = inside(path, ".endPort");
    const char *name = ist_checking_text(c, protocol);
    const json_t *number = ist_checking_at(c, port), *last = ist_checking_at(c, end);
    if (has_shape(c, protocol, SHAPE_TEXT) && name && strcmp(name, "TCP") != 0 && strcmp(name, "UDP") != 0 &&
        strcmp(name, "SCTP") != 0)
        ist_wrong(c, protocol, "\"%s\" is no protocol of a NetworkPolicy: TCP, UDP or SCTP", name);
    if (json_is_string(number) ? !is_port_name(json_string_value(number))
                               : number && !json_is_null(number) && !json_is_integer(number))
        ist_wrong(c, port, "is neither a number nor the name of a port");
    ist_check_range(c, port, 1, 65535);
    ist_check_range(c, end, 1, 65535);
    if (last && !json_is_null(last) && ist_is_known(c, port) && !json_is_integer(number))
        ist_wrong(c, end, "needs a `port` that is a number");
    else if (json_is_integer(last) && json_is_integer(number) &&
             json_integer_value(last) < json_integer_value(number))
        ist_wrong(c, end, "is below `port`");
    ist_free(protocol);
    ist_free(port);
    ist_free(end);
}

// ---- rules

typedef void each_fn(ist_checking *c, const char *path);

static void each_of(ist_checking *c, const char *path, each_fn *check)
{
    for (size_t i = 0; has_shape(c, path, SHAPE_LIST) && i < json_array_size(ist_checking_at(c, path)); i++) {
        char *one = inside(path, "[%zu]", i);
        check(c, one);
        ist_free(one);
    }
}

static void check_rule(ist_checking *c, const char *path, const char *peers)
{
    const char *const keys[] = {peers, "ports", NULL};
    if (!has_shape(c, path, SHAPE_MAP) || !json_is_object(ist_checking_at(c, path)))
        return;
    check_keys(c, path, "a rule", keys);
    char *who = inside(path, ".%s", peers), *ports = inside(path, ".ports");
    each_of(c, who, check_peer);
    each_of(c, ports, check_port);
    ist_free(who);
    ist_free(ports);
}

static void check_ingress(ist_checking *c, const char *path)
{
    check_rule(c, path, "from");
}

static void check_egress(ist_checking *c, const char *path)
{
    check_rule(c, path, "to");
}

static void check_policy(ist_checking *c, const char *path)
{
    char *name = inside(path, ".name"), *cluster = inside(path, ".cluster"), *ns = inside(path, ".namespace"),
         *pods = inside(path, ".podSelector"), *ingress = inside(path, ".ingress"),
         *egress = inside(path, ".egress");
    ist_check_dns_name(c, name);
    ist_check_cluster(c, cluster);
    ist_check_dns_label(c, ns);
    check_selector(c, pods);
    each_of(c, ingress, check_ingress);
    each_of(c, egress, check_egress);
    char *const all[] = {name, cluster, ns, pods, ingress, egress};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        ist_free(all[i]);
}

// In a cluster and a namespace a name stands for one policy.
static void check_twice(ist_checking *c)
{
    static const char *const keys[] = {"cluster", "namespace", "name"};
    const json_t *policies = ist_checking_at(c, "policies"), *policy, *other;
    size_t i;
    json_array_foreach(policies, i, policy)
    {
        for (size_t k = 0; k < i; k++) {
            size_t same = 0;
            other = json_array_get(policies, k);
            for (size_t key = 0; key < 3; key++)
                same += ist_json_str(policy, keys[key]) &&
                        strcmp(ist_json_str(policy, keys[key]), ist_json_str_or(other, keys[key], "")) == 0;
            if (same < 3)
                continue;
            char *path = inside("policies", "[%zu].name", i);
            ist_wrong(c, path, "a policy %s/%s of %s stands here already: `policies[%zu]`",
                      ist_json_str(policy, "namespace"), ist_json_str(policy, "name"),
                      ist_json_str(policy, "cluster"), k);
            ist_free(path);
            break;
        }
    }
}

// `keep_for`: a duration, or `forever`.
static void check_keep(ist_checking *c)
{
    const char *text = ist_checking_text(c, "keep_for");
    json_t *normal = NULL;
    if (text && strcmp(text, "forever") != 0 &&
        ist_type_normalise("duration", ist_checking_at(c, "keep_for"), &normal, NULL) != IST_OK)
        ist_wrong(c, "keep_for", "expected a duration such as 15m, or forever");
    json_decref(normal);
}

int32_t netpol_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    ist_check_kubeconfigs(c, "kubeconfigs");
    ist_check_cluster_keys(c, "pod_cidrs");
    ist_check_pod_cidrs(c, "pod_cidrs");
    ist_check_namespaces(c);
    each_of(c, "policies", check_policy);
    check_twice(c);
    check_keep(c);
    ist_check_clusters(c, "keep_forever");
    ist_check_dns_label(c, "lease_namespace");
    return ist_checking_end(c);
}
