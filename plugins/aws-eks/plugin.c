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
    ROW("kubeconf_file", "path", NULL, IST_WRITTEN,
        "File to which the kubeconfig is written for people, readable by its owner only."),
    ROW("enable_snat", "bool", NULL, 0,
        "Leave source NAT of the nodes as it is; `false`: it is switched off, for which private subnets need "
        "a "
        "NAT gateway; without it, as `onPremCidr` says."),
    ROW("exclude_snat_cidrs", "set(cidr)", "[]", 0,
        "Switch source NAT off towards these prefixes only (VPC CNI 1.6 and later), instead of altogether."),
    ROW("onPremCidr", "cidr", NULL, 0,
        "Network of the nodes on premises. With it, and neither `enable_snat` nor `exclude_snat_cidrs`, "
        "source NAT is "
        "switched off towards the networks on premises only, where the VPC CNI can do that (1.6 and later)."),
    ROW("onPremPodCidr", "cidr", NULL, 0, "Network of the pods on premises; see `onPremCidr`."),
    ROW("network_policy", "string", NULL, 0,
        "`vpc-cni`: network policies are enforced by the VPC CNI's own agent (1.14 and later); without it, "
        "by what a "
        "manifest installs, if anything."),
    ROW("apply_manifests", "list(string)", "[]", 0, "Manifests to apply, as URLs or files."),
    ROW("manifest_overrides", "map(path)", "{}", 0,
        "Files that take the place of manifests, by the URL or file as `apply_manifests` has it."),
    ROW("adopt", "bool", "false", 0, "Take over objects of the manifests that are there already."),
    ROW("timeout", "duration", "15m", 0,
        "How long each may take: a rollout, an update, the cluster or a node group in the making."),
    ROW("create", "bool", "false", 0,
        "Make the cluster with EKS's own API, for those without a container platform; one that is there is "
        "taken as it "
        "is, if it agrees."),
    ROW("version", "string", NULL, 0, "Version of Kubernetes of what is made; a later one upgrades it."),
    ROW("cluster_role", "string", NULL, 0,
        "IAM role of the control plane, by ARN, name or a part of it; needed with `create`."),
    ROW("subnets", "list(string)", "[]", 0,
        "Subnets of the control plane's interfaces, and of the nodes; two or more, needed with `create`."),
    ROW("security_groups", "list(string)", "[]", 0,
        "Further security groups of the control plane's interfaces."),
    ROW("public_access", "bool", "true", 0, "The API server can be reached from the internet."),
    ROW("private_access", "bool", "false", 0, "The API server can be reached from within the VPC."),
    ROW("public_access_cidrs", "set(cidr)", "[]", 0,
        "From where on the internet; without it, from anywhere."),
    ROW("tags", "map(string)", "{}", 0, "Tags of all that is made."),
    ROW("access_entries", "list(object)", "[]", 0,
        "Who may use the cluster that is made, besides its maker."),
    ROW("access_entries[].principal", "string", NULL, IST_REQUIRED,
        "IAM role or user, by ARN, name or a part of it."),
    ROW("access_entries[].policy", "string", NULL, 0,
        "Access policy over the whole cluster, such as AmazonEKSClusterAdminPolicy."),
    ROW("node_groups", "list(object)", "[]", 0, "Managed node groups of the cluster that is made."),
    ROW("node_groups[].name", "string", NULL, IST_REQUIRED, "Name of the group."),
    ROW("node_groups[].role", "string", NULL, IST_REQUIRED,
        "IAM role of the nodes, by ARN, name or a part of it."),
    ROW("node_groups[].subnets", "list(string)", NULL, 0, "Subnets of the nodes; without it, the cluster's."),
    ROW("node_groups[].instance_types", "list(string)", NULL, 0,
        "EC2 instance types; EKS's default is t3.medium."),
    ROW("node_groups[].count", "int", NULL, 0, "How many nodes; 2 without it."),
    ROW("node_groups[].min", "int", NULL, 0, "The fewest that an autoscaler may leave; without it, `count`."),
    ROW("node_groups[].max", "int", NULL, 0, "The most that an autoscaler may start; without it, `count`."),
    ROW("node_groups[].disk_size", "int", NULL, 0, "GiB of each node's disk."),
    ROW("node_groups[].ami_type", "string", NULL, 0, "Kind of image, such as AL2023_x86_64_STANDARD."),
    ROW("node_groups[].capacity_type", "string", NULL, 0, "ON_DEMAND or SPOT."),
    ROW("addons", "list(object)", "[]", 0, "Add-ons that EKS manages in the cluster that is made."),
    ROW("addons[].name", "string", NULL, IST_REQUIRED, "Name of the add-on, such as vpc-cni or coredns."),
    ROW("addons[].version", "string", NULL, 0, "Its version; without it, EKS's default for this Kubernetes."),
    ROW("addons[].role", "string", NULL, 0, "IAM role of its service account, by ARN, name or a part of it."),
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
    "eks:DescribeCluster", "eks:DescribeAddon", "eks:UpdateAddon", "eks:DescribeUpdate", "iam:ListRoles",
    "sts:AssumeRole", "ec2:DescribeVpcs", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
    // With `create`:
    "eks:CreateCluster", "eks:DeleteCluster", "eks:UpdateClusterConfig", "eks:UpdateClusterVersion",
    "eks:CreateNodegroup", "eks:DescribeNodegroup", "eks:DeleteNodegroup", "eks:UpdateNodegroupConfig",
    "eks:UpdateNodegroupVersion", "eks:CreateAddon", "eks:DeleteAddon", "eks:CreateAccessEntry",
    "eks:DescribeAccessEntry", "eks:DeleteAccessEntry", "eks:ListAssociatedAccessPolicies",
    "eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy", "eks:TagResource", "ec2:DescribeSubnets",
    "iam:PassRole if iam:PassedToService=eks.amazonaws.com", "ec2:DescribeInstanceTypeOfferings",
    // EKS looks for its own role for node groups, and makes it before the first of an account, in the caller's name.
    "iam:GetRole",
    "iam:CreateServiceLinkedRole if iam:AWSServiceName=eks.amazonaws.com,eks-nodegroup.amazonaws.com", NULL};

IST_CHECKED_PLAN(checked_plan, eks_check, eks_plan)

IST_PLUGIN(.name = "aws-eks", .version = "0.1.0",
           .doc = "Prepares an EKS cluster: kubeconfig, source NAT, manifests", IST_INPUTS(inputs),
           IST_OUTPUTS(outputs), .observe = eks_observe, .plan = checked_plan, .apply = eks_apply,
           .destroy = eks_destroy, .verify = eks_verify, .permissions = permissions, .check = eks_check);
