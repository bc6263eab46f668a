// What is wrong with the inputs, before any cluster is asked.
#include "check.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_check.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN 128

static const char *at(char path[PATH_MAX_LEN], const char *format, ...) __attribute__((format(printf, 2, 3)));

static const char *at(char path[PATH_MAX_LEN], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(path, PATH_MAX_LEN, format, args);
    va_end(args);
    return path;
}

static int is_cluster(const ist_checking *c, const char *name)
{
    const json_t *clusters = ist_checking_at(c, "clusters");
    for (size_t i = 0; i < json_array_size(clusters); i++) {
        const char *one = ist_json_str(json_array_get(clusters, i), "name");
        if (!one || strcmp(one, name) == 0)
            return 1; // one that is not known yet may be it
    }
    return 0;
}

static void check_is_cluster(ist_checking *c, const char *path, const char *name)
{
    if (name && !is_cluster(c, name))
        ist_wrong(c, path, "there is no cluster \"%s\" under `clusters`", name);
}

static void check_keys(ist_checking *c, const char *map)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)ist_checking_at(c, map), name, value)
    {
        char path[PATH_MAX_LEN];
        check_is_cluster(c, at(path, strpbrk(name, ".[]") ? "%s['%s']" : "%s.%s", map, name), name);
    }
}

// The walk-through's own file has such a path.
static void check_kubeconfig(ist_checking *c, size_t i, const char *name)
{
    char path[PATH_MAX_LEN];
    const char *text = ist_checking_text(c, at(path, "clusters[%zu].kubeconfig", i));
    const int instead = name && ist_checking_has(c, "kubeconfigs", name);
    const int is_path = text && *text != '{' && !strchr(text, '\n');
    if (!text && !instead && name && ist_is_known(c, path))
        ist_wrong_hint(c, at(path, "clusters[%zu]", i), "give `kubeconfig`, or name it under `kubeconfigs`",
                       "cluster \"%s\" has no kubeconfig", name);
    if (text && is_path && instead)
        ist_unwise(c, path, "%s is not read%s: `kubeconfigs` has one for \"%s\"", text,
                   strstr(text, "/cfg//cfg/") ? " (and has /cfg/ twice)" : "", name);
    else if (text && !instead)
        ist_check_kubeconfig(c, path);
}

static void check_labels(ist_checking *c, const char *path)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)ist_checking_at(c, path), key, value)
    {
        ist_check_label_key(c, path, key);
        ist_check_label_value(c, path, key, json_string_value(value));
    }
}

// Keys of labels or annotations that go with a Service.
static void check_carried(ist_checking *c, const char *list)
{
    char path[PATH_MAX_LEN];
    if (!ist_check_names(c, list))
        return;
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, list)); i++) {
        const char *key = ist_checking_text(c, at(path, "%s[%zu]", list, i));
        if (key)
            ist_check_label_key(c, path, key);
        if (key && !strncmp(key, "isthmus.dev/", strlen("isthmus.dev/")))
            ist_wrong(c, path, "\"%s\" is Isthmus's own: it says whose a copy is", key);
    }
}

// With `same_name: suffix` a cluster's name ends names of Services.
static void check_suffix(ist_checking *c, size_t i, const char *name)
{
    const char *same_name = ist_checking_text(c, "same_name");
    char path[PATH_MAX_LEN];
    if (name && same_name && !strcmp(same_name, "suffix") &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
        ist_wrong(c, at(path, "clusters[%zu].name", i),
                  "\"%s\" cannot end the name of a Service, as `same_name: suffix` has it: small letters, "
                  "digits and "
                  "'-' only",
                  name);
}

// The cluster that the services are of may be named among others; alone, they would go nowhere.
static void check_target(ist_checking *c, const char *path, const char *cluster, int alone)
{
    const char *target = ist_checking_text(c, path);
    check_is_cluster(c, path, target);
    if (alone && target && cluster && !strcmp(target, cluster))
        ist_wrong(c, path, "the services are of \"%s\" itself: they are mirrored to others", cluster);
}

static void check_services(ist_checking *c, size_t i, const char *cluster)
{
    char list[PATH_MAX_LEN], path[PATH_MAX_LEN];
    at(list, "clusters[%zu].services", i);
    for (size_t k = 0; k < json_array_size(ist_checking_at(c, list)); k++) {
        ist_check_dns_label(c, at(path, "%s[%zu].namespace", list, k));
        check_labels(c, at(path, "%s[%zu].labels", list, k));
        at(path, "%s[%zu].targets", list, k);
        const size_t count = json_array_size(ist_checking_at(c, path));
        for (size_t t = 0; t < count; t++)
            check_target(c, at(path, "%s[%zu].targets[%zu]", list, k, t), cluster, count == 1);
    }
}

// As `namespaces` is shared by several plugins, but the clusters are those of `clusters` here.
static void check_namespaces(ist_checking *c)
{
    const char *common, *cluster;
    json_t *there, *name;
    json_object_foreach((json_t *)ist_checking_at(c, "namespaces"), common, there)
    {
        char path[PATH_MAX_LEN];
        ist_check_dns_label_text(c, at(path, "namespaces.%s", common), common);
        json_object_foreach(there, cluster, name)
        {
            at(path, "namespaces.%s.%s", common, cluster);
            check_is_cluster(c, path, cluster);
            ist_check_dns_label_text(c, path, json_string_value(name));
        }
    }
}

int32_t mirror_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    const json_t *clusters = ist_checking_at(c, "clusters");
    char path[PATH_MAX_LEN];
    for (size_t i = 0; i < json_array_size(clusters); i++) {
        const char *name = ist_checking_text(c, at(path, "clusters[%zu].name", i));
        ist_check_cluster_name(c, path);
        for (size_t k = 0; k < i && name; k++) {
            if (strcmp(ist_json_str_or(json_array_get(clusters, k), "name", ""), name) != 0)
                continue;
            ist_wrong(c, path, "the cluster \"%s\" is there twice", name);
            break;
        }
        check_kubeconfig(c, i, name);
        check_services(c, i, name);
        check_suffix(c, i, name);
    }
    if (json_is_array(clusters) && json_array_size(clusters) == 0)
        ist_wrong(c, "clusters", "names no cluster");
    else if (json_array_size(clusters) == 1 && ist_is_known(c, "clusters"))
        ist_unwise(c, "clusters", "names one cluster alone: there is none that its services could go to");
    ist_check_pod_cidrs(c, "pod_cidrs");
    check_carried(c, "labels");
    check_carried(c, "annotations");
    if (ist_is_known(c, "clusters")) {
        check_keys(c, "kubeconfigs");
        check_keys(c, "pod_cidrs");
    }
    if (ist_checking_at(c, "kubeconfigs") && json_object_size(ist_checking_at(c, "kubeconfigs")))
        ist_check_kubeconfigs(c, "kubeconfigs");
    check_namespaces(c);
    ist_check_dns_label(c, "lease_namespace");
    return ist_checking_end(c);
}
