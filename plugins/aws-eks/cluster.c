// The cluster as EKS describes it, the way into it, and the outputs.
#include "eks.h"

#include <isthmus/yaml.h>

#include <stdlib.h>
#include <string.h>

static char *cluster_path(const struct step *s)
{
    char *name = ist_url_encode(ist_json_str_or(s->inputs, "name", ""), 0);
    char *path = ist_printf("/clusters/%s", name);
    ist_free(name);
    return path;
}

// The form for people: kubectl runs the aws command for a token, Isthmus mints it itself. One context, named
// like the cluster.
static char *make_kubeconfig(const struct step *s)
{
    const char *name = ist_json_str_or(s->inputs, "name", "");
    const char *role = s->role, *profile = step_input(s, "profile");
    json_t *args = json_pack("[s, s, s, s, s, s]", "eks", "get-token", "--cluster-name", name, "--region",
                             ist_aws_region(s->aws));
    if (role != NULL) {
        json_array_append_new(args, json_string("--role-arn"));
        json_array_append_new(args, json_string(role));
    }
    json_t *exec = json_pack("{s:s, s:s, s:o}", "apiVersion", "client.authentication.k8s.io/v1beta1",
                             "command", "aws", "args", args);
    if (profile != NULL)
        json_object_set_new(exec, "env", json_pack("[{s:s, s:s}]", "name", "AWS_PROFILE", "value", profile));
    json_t *config = json_pack(
        "{s:s, s:s, s:s, s:[{s:s, s:{s:s, s:s*}}], s:[{s:s, s:{s:s, s:s}}], s:[{s:s, s:{s:o}}]}",
        "apiVersion", "v1", "kind", "Config", "current-context", name, "clusters", "name", name, "cluster",
        "server", ist_json_str_or(s->cluster, "endpoint", ""), "certificate-authority-data",
        ist_json_str(s->cluster, "certificateAuthority.data"), "contexts", "name", name, "context", "cluster",
        name, "user", name, "users", "name", name, "user", "exec", exec);
    char *text = ist_yaml_text(config);
    json_decref(config);
    return text;
}

static int is_active(const struct step *s)
{
    const char *status = ist_json_str_or(s->cluster, "status", "");
    return strcmp(status, "ACTIVE") == 0 || strcmp(status, "UPDATING") == 0;
}

// A cluster that the container platform made lets in the role that it was ordered with, and nobody else.
static int32_t find_role(struct step *s, ist_error *err)
{
    if (step_input(s, "role_arn") != NULL)
        s->role = ist_strdup(step_input(s, "role_arn"));
    else if (step_input(s, "role_arn_name") != NULL)
        return ist_aws_find_role(s->aws, step_input(s, "role_arn_name"), &s->role, err);
    return IST_OK;
}

int32_t cluster_open(struct step *s, ist_error *err)
{
    char *path = cluster_path(s);
    json_t *answer = NULL;
    ist_error failed = {0};
    int32_t rc = ist_aws_rest(s->aws, "eks", "GET", path, NULL, &answer, &failed);
    ist_free(path);
    if (rc == IST_ERR_NOT_FOUND)
        return IST_OK;
    if (rc != IST_OK) {
        if (err != NULL)
            *err = failed;
        return rc;
    }
    s->cluster = json_incref(json_object_get(answer, "cluster"));
    json_decref(answer);
    if (!is_active(s))
        return IST_OK;
    rc = find_role(s, err);
    if (rc != IST_OK)
        return rc;
    s->kubeconfig = make_kubeconfig(s);
    const ist_kube_options options = {
        .size = sizeof(options), .name = ist_json_str(s->inputs, "name"), .kubeconfig = s->kubeconfig};
    return ist_kube_new(&s->env, &options, &s->kube, err);
}

int32_t cluster_check(const struct step *s, ist_error *err)
{
    const char *name = ist_json_str_or(s->inputs, "name", "");
    if (s->cluster == NULL) {
        ist_fail(err, IST_ERR_NOT_FOUND, "EKS", "there is no cluster %s in %s", name, ist_aws_region(s->aws));
        ist_hint(err, "this step works on a cluster that is there: another step, such as `ccp`, makes it");
        return IST_ERR_NOT_FOUND;
    }
    const char *why = ist_json_str_or(s->cluster, "health.issues[0].message", "");
    if (!is_active(s))
        return ist_fail(err, IST_ERR_REMOTE, "EKS", "cluster %s is %s%s%s", name,
                        ist_json_str_or(s->cluster, "status", "without a status"), *why != '\0' ? ": " : "",
                        why);
    return IST_OK;
}

int cluster_is_coming(const struct step *s)
{
    const char *status = ist_json_str_or(s->cluster, "status", "");
    return strcmp(status, "CREATING") == 0 || strcmp(status, "PENDING") == 0;
}

// ---- outputs ----

static void set_text(const struct step *s, const char *output, const char *text)
{
    if (text != NULL && *text != '\0')
        ist_set_output(&s->env, output, json_string(text));
}

// With the VPC CNI pods have addresses of the VPC, also of the blocks that were added to it later.
static int32_t set_pod_cidrs(const struct step *s, const char *vpc, ist_error *err)
{
    json_t *params = json_pack("{s:[s]}", "VpcId", vpc), *answer = NULL, *block, *cidrs = json_array();
    size_t i;
    const int32_t rc = ist_aws_query(s->aws, "ec2", "DescribeVpcs", params, &answer, err);
    json_decref(params);
    json_array_foreach(ist_json_at(answer, "vpcSet[0].cidrBlockAssociationSet"), i, block)
    {
        if (strcmp(ist_json_str_or(block, "cidrBlockState.state", ""), "associated") == 0)
            json_array_append(cidrs, json_object_get(block, "cidrBlock"));
    }
    if (rc == IST_OK && json_array_size(cidrs) == 0 && ist_json_str(answer, "vpcSet[0].cidrBlock") != NULL)
        json_array_append(cidrs, ist_json_at(answer, "vpcSet[0].cidrBlock"));
    if (rc == IST_OK && json_array_size(cidrs) > 0)
        ist_set_output(&s->env, "pod_cidrs", json_incref(cidrs));
    json_decref(cidrs);
    json_decref(answer);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int32_t set_nodes(const struct step *s, ist_error *err)
{
    json_t *nodes = NULL, *node, *names = json_array();
    size_t i;
    const int32_t rc = ist_kube_list(s->kube, "v1", "Node", NULL, NULL, NULL, &nodes, NULL, err);
    const size_t count = json_array_size(nodes);
    const char **sorted = ist_calloc(count + 1, sizeof(*sorted));
    json_array_foreach(nodes, i, node)
    {
        sorted[i] = ist_json_str_or(node, "metadata.name", "");
    }
    qsort(sorted, count, sizeof(*sorted), by_text);
    for (i = 0; i < count; i++)
        json_array_append_new(names, json_string(sorted[i]));
    if (rc == IST_OK)
        ist_set_output(&s->env, "nodes", json_incref(names));
    json_decref(names);
    json_decref(nodes);
    ist_free(sorted);
    return rc;
}

int32_t cluster_outputs(struct step *s, ist_error *err)
{
    const char *vpc = ist_json_str(s->cluster, "resourcesVpcConfig.vpcId");
    set_text(s, "name", ist_json_str(s->inputs, "name"));
    set_text(s, "region", ist_aws_region(s->aws));
    set_text(s, "endpoint", ist_json_str(s->cluster, "endpoint"));
    set_text(s, "version", ist_json_str(s->cluster, "version"));
    set_text(s, "vpc_id", vpc);
    set_text(s, "cluster_security_group",
             ist_json_str(s->cluster, "resourcesVpcConfig.clusterSecurityGroupId"));
    set_text(s, "kubeconfig", s->kubeconfig);
    int32_t rc = vpc != NULL ? set_pod_cidrs(s, vpc, err) : IST_OK;
    if (rc == IST_OK && s->kube != NULL)
        rc = set_nodes(s, err);
    return rc;
}
