// aws-eks: what an EKS cluster needs before pods of other clusters can reach its own.
#include "operations.h"

#include <isthmus/check.h>

#include <stddef.h>

#define ROW(name, type, def, flags, doc)                                                                     \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }
#define ELSEWHERE(name, type)                                                                                \
    {                                                                                                        \
        name, type, NULL, IST_ELSEWHERE, "0.1.0", "Used by ccp."                                             \
    }

static const ist_field inputs[] = {
    ROW("name", "string", NULL, IST_REQUIRED | IST_FORCES_REPLACE, "Name of the EKS cluster."),
    ROW("region", "string", NULL, IST_FORCES_REPLACE,
        "AWS region; without it, the one AWS's own tools would use."),
    ROW("profile", "string", NULL, 0,
        "Profile in AWS's shared files whose credentials are used, also in the kubeconfig."),
    ROW("role_arn_name", "string", NULL, 0,
        "Name of the IAM role by which the cluster is used: of a cluster that the container platform made, "
        "the one it was ordered with."),
    ROW("role_arn", "string", NULL, 0,
        "The same role by its ARN, which needs no look-up; without either, the caller's own identity is "
        "used."),
    ROW("kubeconf_file", "path", NULL, 0,
        "File to which the kubeconfig is written for people, readable by its owner only."),
    ROW("enable_snat", "bool", "false", 0,
        "Leave source NAT of the nodes as it is; else it is switched off, for which private subnets need a "
        "NAT gateway."),
    ROW("exclude_snat_cidrs", "set(cidr)", "[]", 0,
        "Switch source NAT off towards these prefixes only (VPC CNI 1.6 and later), instead of altogether."),
    ROW("apply_manifests", "list(string)", "[]", 0, "Manifests to apply, as URLs or files."),
    ROW("manifest_overrides", "map(path)", "{}", 0,
        "Files that take the place of manifests, by the URL or file as `apply_manifests` has it."),
    ROW("adopt", "bool", "false", 0, "Take over objects of the manifests that are there already."),
    ROW("timeout", "duration", "15m", 0, "How long a rollout or an update of an add-on may take."),
    ELSEWHERE("subnet", "object"),
    ELSEWHERE("subnet.cidr", "cidr"),
    ELSEWHERE("subnet.publicCidrs", "list(cidr)"),
    ELSEWHERE("subnet.privateCidrs", "list(cidr)"),
    ELSEWHERE("ssh_keys", "list(string)"),
    ELSEWHERE("instance_type", "string"),
    ELSEWHERE("worker_count", "int"),
    ELSEWHERE("ami", "string"),
};

static const ist_field outputs[] = {
    ROW("name", "string", NULL, 0, "Name of the cluster."),
    ROW("region", "string", NULL, 0, "AWS region of the cluster."),
    ROW("kubeconfig", "kubeconfig", NULL, IST_SECRET,
        "Kubeconfig that gets its tokens from AWS; Isthmus mints them itself."),
    ROW("endpoint", "url", NULL, 0, "Address of the API server."),
    ROW("version", "string", NULL, 0, "Version of Kubernetes."),
    ROW("cluster_security_group", "string", NULL, 0, "Security group that EKS made for the cluster."),
    ROW("vpc_id", "string", NULL, 0, "VPC of the cluster."),
    ROW("pod_cidrs", "list(cidr)", NULL, 0, "Addresses that pods have: with the VPC CNI, the VPC's."),
    ROW("nodes", "list(string)", NULL, 0, "Names of the nodes."),
};

static const char *const permissions[] = {
    "eks:DescribeCluster", "eks:DescribeAddon", "eks:UpdateAddon",  "eks:DescribeUpdate",
    "iam:ListRoles",       "sts:AssumeRole",    "ec2:DescribeVpcs", NULL};

IST_CHECKED_PLAN(checked_plan, eks_check, eks_plan)

IST_PLUGIN(.name = "aws-eks", .version = "0.1.0",
           .doc = "Prepares an EKS cluster: kubeconfig, source NAT, manifests", IST_INPUTS(inputs),
           IST_OUTPUTS(outputs), .observe = eks_observe, .plan = checked_plan, .apply = eks_apply,
           .destroy = eks_destroy, .verify = eks_verify, .permissions = permissions, .check = eks_check);
