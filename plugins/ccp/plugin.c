// ccp: an EKS cluster by way of the Cisco Container Platform, and the kubeconfigs of its tenant clusters.
#include "desired.h"
#include "operations.h"

#include <isthmus/check.h>

#include <stddef.h>

#define IN(name, type, def, flags, doc)                                                                      \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }
#define ELSEWHERE(name, type, doc)                                                                           \
    {                                                                                                        \
        name, type, NULL, IST_ELSEWHERE, "0.1.0", doc                                                        \
    }

static const ist_field inputs[] = {
    IN("url", "url", NULL, IST_REQUIRED, "Address of the container platform, such as https://10.20.0.5."),
    IN("username", "string", "admin", 0, "Who logs in to the platform."),
    IN("password", "secret", NULL, IST_REQUIRED | IST_SECRET, "Password of that user."),
    IN("ca_file", "path", NULL, 0,
       "PEM file with the authority of the platform's certificate; without it, the system's."),
    IN("insecure", "bool", "false", 0,
       "Do not verify the platform's certificate; a warning is given each time."),
    IN("plain_http", "bool", "false", 0, "Let `url` be http://, where nobody else can listen."),
    IN("provider", "regex", NULL, IST_REQUIRED,
       "Name of the platform's AWS provider, or an expression that fits one only."),
    IN("name", "string", NULL, IST_REQUIRED | IST_FORCES_REPLACE,
       "Name of the EKS cluster, in the platform and in AWS."),
    IN("region", "string", NULL, IST_FORCES_REPLACE,
       "AWS region of the cluster; without it, the one AWS's own tools would use."),
    IN("profile", "string", NULL, 0, "Profile in AWS's shared files whose credentials look up the role."),
    IN("subnet", "object", NULL, IST_REQUIRED, "The network that is made for the cluster."),
    IN("subnet.cidr", "cidr", NULL, IST_REQUIRED | IST_FORCES_REPLACE, "Addresses of the VPC."),
    IN("subnet.publicCidrs", "list(cidr)", NULL, IST_REQUIRED | IST_FORCES_REPLACE,
       "Public subnets, one for each availability zone."),
    IN("subnet.privateCidrs", "list(cidr)", NULL, IST_REQUIRED | IST_FORCES_REPLACE,
       "Private subnets, in which the nodes run."),
    IN("role_arn_name", "string", NULL, IST_REQUIRED | IST_FORCES_REPLACE,
       "Name of the IAM role that may use the cluster, or a part of its ARN that no other has."),
    IN("aws_role_arn", "string", NULL, IST_FORCES_REPLACE,
       "ARN of that role, for people who may not list the account's roles."),
    IN("ssh_keys", "list(string)", NULL, IST_FORCES_REPLACE, "EC2 key pairs of the nodes; without it none."),
    IN("instance_type", "string", NULL, IST_FORCES_REPLACE,
       "EC2 instance type of the nodes; without it " DESIRED_TYPE ", or what a cluster has that is there."),
    IN("worker_count", "int", NULL, 0, "How many nodes; without it 2, or as many as there are."),
    IN("ami", "string", NULL, IST_FORCES_REPLACE,
       "Image of the nodes; without it, the newest of Amazon's for EKS."),
    IN("timeout", "duration", "40m", 0, "How long the platform may take to make or delete the cluster."),
    IN("on_prem_cluster", "string", NULL, 0, "Tenant cluster on premises whose kubeconfig is looked up too."),
    IN("on_prem_kubeconf_file", "path", NULL, IST_WRITTEN,
       "File to which that kubeconfig is written for people, readable by its owner only."),
    IN("on_prem_clusters", "map(object)", "{}", 0,
       "Tenant clusters on premises, by name, whose kubeconfigs are looked up."),
    IN("on_prem_clusters{}.kubeconf_file", "path", NULL, IST_WRITTEN,
       "File to which that kubeconfig is written for people, readable by its owner only."),
    ELSEWHERE("kubeconf_file", "path", "Used by aws-eks."),
    ELSEWHERE("apply_manifests", "list(string)", "Used by aws-eks."),
    ELSEWHERE("enable_snat", "bool", "Used by aws-eks."),
};

static const ist_field outputs[] = {
    IN("name", "string", NULL, 0, "Name of the cluster."),
    IN("id", "string", NULL, 0, "The platform's id of the cluster."),
    IN("region", "string", NULL, 0, "AWS region of the cluster."),
    IN("status", "string", NULL, 0, "What the platform says of the cluster: READY."),
    IN("kubeconfig", "kubeconfig", NULL, IST_SECRET,
       "Kubeconfig of the cluster, as the platform hands it out."),
    IN("vpc_cidr", "cidr", NULL, 0, "Addresses of the VPC."),
    IN("private_cidrs", "list(cidr)", NULL, 0, "The private subnets."),
    IN("public_cidrs", "list(cidr)", NULL, 0, "The public subnets."),
    IN("on_prem_kubeconfig", "kubeconfig", NULL, IST_SECRET, "Kubeconfig of `on_prem_cluster`."),
    IN("on_prem_kubeconfigs", "map(kubeconfig)", NULL, IST_SECRET, "Those of `on_prem_clusters`, by name."),
};

static const char *const permissions[] = {"iam:ListRoles", "ec2:DescribeImages",
                                          "ec2:DescribeInstanceTypeOfferings",
                                          "sts:AssumeRole", // to look for load balancers before the end
                                          NULL};

IST_CHECKED_PLAN(checked_plan, ccp_check, ccp_plan)

IST_PLUGIN(.name = "ccp", .version = "0.1.0", .doc = "An EKS cluster by way of the Cisco Container Platform",
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), .observe = ccp_observe, .plan = checked_plan,
           .apply = ccp_apply, .destroy = ccp_destroy, .verify = ccp_verify, .permissions = permissions,
           .check = ccp_check);
