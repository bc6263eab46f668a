// What is wrong with the inputs, before any cluster is asked.
#include "check.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_check.h>

#include <stdio.h>
#include <string.h>

static const char *at(char *path, size_t size, size_t i, const char *key)
{
    snprintf(path, size, "manifests[%zu].%s", i, key);
    return path;
}

static void check_source(ist_checking *c, size_t i)
{
    static const char *const keys[] = {"file", "url", "inline"};
    const char *values[3], *url = NULL;
    char path[80], entry[64];
    size_t given = 0;
    for (size_t k = 0; k < 3; k++) {
        values[k] = ist_checking_text(c, at(path, sizeof path, i, keys[k]));
        given += values[k] || !ist_is_known(c, path);
    }
    snprintf(entry, sizeof entry, "manifests[%zu]", i);
    if (given != 1)
        ist_wrong(c, entry, "needs exactly one of file, url and inline");
    ist_manifest manifest = {.size = sizeof manifest, .file = values[0], .text = values[2]};
    const char *from = values[0] ? "file" : values[2] ? "inline" : "url";
    if (given == 1 && values[1]) {
        url = values[1];
        manifest.file = json_string_value(json_object_get(ist_checking_at(c, "replace"), url));
    }
    if (given == 1 && (manifest.file || manifest.text))
        ist_check_manifest(c, at(path, sizeof path, i, from), &manifest);
    else if (url && strncmp(url, "http://", 7) == 0 &&
             !ist_checking_text(c, at(path, sizeof path, i, "sha256")))
        ist_unwise_hint(c, at(path, sizeof path, i, "url"), "https://..., or its `sha256`",
                        "over http anybody on the way can put other objects into the clusters");
}

static void check_digest(ist_checking *c, const char *path)
{
    const char *text = ist_checking_text(c, path);
    if (text && (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64))
        ist_wrong(c, path, "is no SHA-256: 64 hexadecimal digits");
}

static void check_replaced(ist_checking *c)
{
    const json_t *manifests = ist_checking_at(c, "manifests");
    const char *url;
    json_t *file;
    json_object_foreach((json_t *)ist_checking_at(c, "replace"), url, file)
    {
        int found = !ist_is_known(c, "manifests");
        for (size_t i = 0; i < json_array_size(manifests) && !found; i++)
            found = strcmp(ist_json_str_or(json_array_get(manifests, i), "url", ""), url) == 0;
        char *path = ist_printf("replace['%s']", url);
        if (!found)
            ist_unwise(c, path, "has no effect: no entry of `manifests` has this URL");
        ist_free(path);
    }
}

int32_t apply_check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    char path[80];
    ist_check_kubeconfigs(c, "kubeconfigs");
    ist_check_clusters(c, "clusters");
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "manifests")); i++) {
        snprintf(path, sizeof path, "manifests[%zu]", i);
        if (!json_is_object(ist_checking_at(c, path))) // not known yet
            continue;
        check_source(c, i);
        check_digest(c, at(path, sizeof path, i, "sha256"));
        ist_check_clusters(c, at(path, sizeof path, i, "clusters"));
        ist_check_dns_label(c, at(path, sizeof path, i, "namespace"));
    }
    check_replaced(c);
    return ist_checking_end(c);
}
