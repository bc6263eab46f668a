// What is wrong with the inputs, before AWS or the cluster is asked.
#include "operations.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_check.h>

#include <stdio.h>
#include <string.h>

static int is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

// The walk-through's: gone upstream, and of an API that no Kubernetes from 1.22 on serves.
static int is_calico_v13(const char *url)
{
    return strstr(url, "amazon-vpc-cni-k8s") != NULL && strstr(url, "/v1.3/calico.yaml") != NULL;
}

static void check_url(ist_checking *c, const char *path, const char *url)
{
    if (is_calico_v13(url))
        ist_unwise_hint(
            c, path, "name a newer one, as a file, under `manifest_overrides`",
            "this manifest is gone upstream, and no Kubernetes from 1.22 on serves what it defines");
    else if (strncmp(url, "http://", 7) == 0)
        ist_unwise(c, path, "over http anybody on the way can put other objects into the cluster");
}

static void check_manifests(ist_checking *c)
{
    const json_t *names = ist_checking_at(c, "apply_manifests"),
                 *overrides = ist_checking_at(c, "manifest_overrides");
    for (size_t i = 0; i < json_array_size(names); i++) {
        char path[64];
        const char *name = json_string_value(json_array_get(names, i));
        snprintf(path, sizeof(path), "apply_manifests[%zu]", i);
        if (name == NULL || json_object_get(overrides, name) != NULL ||
            !ist_is_known(c, "manifest_overrides"))
            continue;
        if (is_url(name))
            check_url(c, path, name);
        else
            ist_check_manifest(c, path, &(ist_manifest){.size = sizeof(ist_manifest), .file = name}, NULL);
    }
}

static int is_named(const json_t *names, const char *name)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *one = json_string_value(json_array_get(names, i));
        if (one == NULL || strcmp(one, name) == 0)
            return 1; // one that is not known yet may be it
    }
    return 0;
}

static void check_overrides(ist_checking *c)
{
    const json_t *names = ist_checking_at(c, "apply_manifests");
    const char *name;
    json_t *file;
    json_object_foreach((json_t *)ist_checking_at(c, "manifest_overrides"), name, file)
    {
        char *path = ist_printf("manifest_overrides['%s']", name);
        const char *text = json_string_value(file);
        if (!is_named(names, name) && ist_is_known(c, "apply_manifests"))
            ist_unwise(c, path, "has no effect: `apply_manifests` does not name it");
        if (text != NULL)
            ist_check_manifest(c, path, &(ist_manifest){.size = sizeof(ist_manifest), .file = text}, NULL);
        ist_free(path);
    }
}

static const char *in_group(char path[64], size_t i, const char *key)
{
    snprintf(path, 64, "node_groups[%zu].%s", i, key);
    return path;
}

static void check_group_name(ist_checking *c, const char *path)
{
    const char *name = ist_checking_text(c, path);
    const size_t len = name ? strlen(name) : 0;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (len && (len > 63 || strchr("-_", name[0]) || strspn(name, letters) < len))
        ist_wrong(
            c, path,
            "\"%s\" is no name of a node group: 1 to 63 letters, digits, - and _, with a letter or a digit "
            "first",
            name);
}

static void check_group(ist_checking *c, size_t i)
{
    static const char *const names[] = {"name", "role", "subnets", "ami_type"};
    static const char *const counts[] = {"min", "count", "max"}; // each at least the one before
    char path[64], before[64];
    const char *capacity = ist_checking_text(c, in_group(path, i, "capacity_type"));
    if (capacity && strcmp(capacity, "ON_DEMAND") != 0 && strcmp(capacity, "SPOT") != 0)
        ist_wrong(c, path, "expected ON_DEMAND or SPOT, found \"%s\"", capacity);
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
        ist_check_names(c, in_group(path, i, names[k]));
    check_group_name(c, in_group(path, i, "name"));
    ist_check_iam(c, in_group(path, i, "role"), 0);
    ist_check_aws_id(c, in_group(path, i, "subnets"), "subnet-");
    ist_check_instance_types(c, in_group(path, i, "instance_types"));
    ist_check_range(c, in_group(path, i, "disk_size"), 1, 16384); // GiB of a gp3 volume
    for (size_t k = 0; k < 3; k++) {
        const int in_range = ist_check_range(c, in_group(path, i, counts[k]), k == 2, 450); // EKS's quota
        const json_t *value = ist_checking_at(c, path);
        for (size_t j = 0; j < k && in_range && json_is_integer(value); j++) {
            const json_t *lower = ist_checking_at(c, in_group(before, i, counts[j]));
            if (json_is_integer(lower) && json_integer_value(lower) > json_integer_value(value))
                ist_wrong(c, path, "is below `%s`", counts[j]);
        }
    }
}

static void check_principals(ist_checking *c, const char *list, const char *key)
{
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, list)); i++) {
        char *path = ist_printf("%s[%zu].%s", list, i, key);
        ist_check_iam(c, path, 0);
        ist_free(path);
    }
}

// What only counts where the cluster is made, and what that needs.
static void check_create(ist_checking *c)
{
    static const char *const only[] = {"cluster_role", "version", "access_entries", "node_groups", "addons"};
    const int creates = ist_json_bool(ist_checking_inputs(c), "create", 0);
    for (size_t i = 0; i < sizeof(only) / sizeof(*only) && !creates && ist_is_known(c, "create"); i++) {
        const json_t *value = ist_checking_at(c, only[i]);
        if (value != NULL && !(json_is_array(value) && json_array_size(value) == 0))
            ist_unwise(c, only[i], "has no effect without `create: true`");
    }
    if (!creates)
        return;
    if (ist_is_known(c, "cluster_role") && ist_checking_text(c, "cluster_role") == NULL)
        ist_wrong(c, "cluster_role", "is needed where `create` is set");
    if (ist_is_known(c, "subnets") && json_array_size(ist_checking_at(c, "subnets")) < 2)
        ist_wrong(c, "subnets",
                  "EKS needs two or more, in different availability zones, where `create` is set");
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "node_groups")); i++) {
        check_group(c, i);
    }
    check_principals(c, "access_entries", "principal");
    check_principals(c, "addons", "role");
    if (!ist_json_bool(ist_checking_inputs(c), "public_access", 1) && ist_is_known(c, "private_access") &&
        !ist_json_bool(ist_checking_inputs(c), "private_access", 0))
        ist_wrong(c, "public_access",
                  "is off, and so is `private_access`: nobody could reach the API server");
}

int32_t eks_check(const ist_host *host, ist_call *call)
{
    static const char *const names[] = {"profile",         "role_arn_name",  "role_arn",
                                        "version",         "cluster_role",   "subnets",
                                        "security_groups", "apply_manifests"};
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    ist_check_eks_name(c, "name");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ist_check_names(c, names[i]);
    ist_check_region(c, "region");
    ist_check_iam(c, "role_arn", 1);
    ist_check_iam(c, "role_arn_name", 0);
    ist_check_iam(c, "cluster_role", 0);
    ist_check_aws_id(c, "subnets", "subnet-");
    ist_check_aws_id(c, "security_groups", "sg-");
    ist_check_sources(c, "public_access_cidrs");
    ist_check_sources(c, "exclude_snat_cidrs");
    ist_check_on_prem(c, "pods and nodes on premises have networks of their own");
    ist_check_tags(c, "tags");
    ist_check_duration(c, "timeout");
    const char *engine = ist_checking_text(c, "network_policy");
    if (engine != NULL && strcmp(engine, "vpc-cni") != 0)
        ist_wrong(c, "network_policy",
                  "\"%s\": only `vpc-cni` is known; what a manifest installs needs no word here", engine);
    ist_check_hosts_net(c, "onPremCidr");
    ist_check_hosts_net(c, "onPremPodCidr");
    check_create(c);
    check_manifests(c);
    check_overrides(c);
    return ist_checking_end(c);
}
