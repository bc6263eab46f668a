// Reading and setting fields of objects by their paths.
#include "cluster.h"

#include <string.h>
#include <time.h>

const json_t *kube_path(const json_t *object, const char *path)
{
    while (object && *path) {
        size_t len = strcspn(path, ".");
        object = json_object_getn(object, path, len);
        path += len + (path[len] == '.');
    }
    return object;
}

const char *kube_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(kube_path(object, path));
    return text ? text : "";
}

static json_t *parent_of(json_t *object, const char **path, bool make)
{
    const char *dot;
    while (object && (dot = strchr(*path, '.'))) {
        json_t *child = json_object_getn(object, *path, (size_t)(dot - *path));
        if (!json_is_object(child) && make) {
            child = json_object();
            json_object_setn_new(object, *path, (size_t)(dot - *path), child);
        }
        object = child;
        *path = dot + 1;
    }
    return object;
}

void kube_set(json_t *object, const char *path, json_t *value)
{
    json_t *parent = parent_of(object, &path, true);
    json_object_set_new(parent, path, value);
}

void kube_unset(json_t *object, const char *path)
{
    json_t *parent = parent_of(object, &path, false);
    if (parent)
        json_object_del(parent, path);
}

char *kube_now(void)
{
    char text[32];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return lab_strdup(text);
}

char *kube_ipv6_of(const struct lab_cluster *cluster, const char *ipv4, bool of_service)
{
    uint32_t address = 0;
    lab_parse_ip(ipv4, &address);
    return lab_format("fd00:%x:%x::%x:%x", cluster->host, of_service ? 2 : 1, address >> 16,
                      address & 0xffff);
}
