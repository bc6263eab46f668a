// What is wrong with the inputs, before any cluster is asked.
#include "check.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_check.h>

#include <stdio.h>
#include <string.h>

// "FROM -> TO", one word on either side: the words, which are the caller's. 0 when it is none.
static int read_way(const char *text, char **from, char **to)
{
    const char *arrow = strstr(text, "->");
    if (!arrow)
        return 0;
    size_t len = (size_t)(arrow - text), start = strspn(text, " ");
    while (len > start && text[len - 1] == ' ')
        len--;
    const char *rest = arrow + 2 + strspn(arrow + 2, " ");
    size_t rest_len = strlen(rest);
    while (rest_len && rest[rest_len - 1] == ' ')
        rest_len--;
    if (len <= start || !rest_len)
        return 0;
    char *one = ist_strndup(text + start, len - start), *other = ist_strndup(rest, rest_len);
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    int good = strspn(one, letters) == strlen(one) && strspn(other, letters) == strlen(other);
    if (good) {
        *from = one;
        *to = other;
        return 1;
    }
    ist_free(one);
    ist_free(other);
    return 0;
}

static void check_end(ist_checking *c, const char *path, const char *cluster)
{
    if (!ist_checking_has(c, "kubeconfigs", cluster))
        ist_wrong_hint(c, path, "name it under `kubeconfigs`", "there is no kubeconfig for a cluster \"%s\"",
                       cluster);
}

static void check_ways(ist_checking *c, const char *list, int of_clusters)
{
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, list)); i++) {
        char path[64], *from = NULL, *to = NULL;
        snprintf(path, sizeof path, "%s[%zu]", list, i);
        const char *text = ist_checking_text(c, path);
        if (!text)
            continue;
        if (!read_way(text, &from, &to)) {
            ist_wrong(c, path, "\"%s\": expected \"FROM -> TO\"", text);
            continue;
        }
        if (of_clusters) {
            check_end(c, path, from);
            check_end(c, path, to);
        }
        if (strcmp(from, to) == 0)
            ist_wrong(c, path, "\"%s\" leads from %s to itself", text, from);
        ist_free(from);
        ist_free(to);
    }
}

int32_t probe_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    ist_check_kubeconfigs(c, "kubeconfigs");
    ist_check_clusters(c, "clusters");
    check_ways(c, "pairs", 1);
    ist_check_dns_label(c, "namespace");
    ist_check_range(c, "port", 1, 65535);
    ist_check_names(c, "image");
    ist_check_duration(c, "timeout");
    ist_check_cluster(c, "picture.cluster");
    ist_check_dns_label(c, "picture.namespace");
    ist_check_dns_label(c, "picture.service");
    ist_check_range(c, "picture.port", 1, 65535);
    check_ways(c, "picture.expect", 0);
    return ist_checking_end(c);
}
