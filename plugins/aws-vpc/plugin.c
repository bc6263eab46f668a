// aws-vpc: finds the VPC that a cluster lives in, or makes one.
#include "operations.h"

#include <isthmus/check.h>

#include <stddef.h>

#define ROW(name, type, def, flags, doc)                                                                     \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    ROW("name_prefix", "string", NULL, 0,
        "Text that the VPC's Name tag contains; a Name that equals it, or begins with it, goes first."),
    ROW("id", "string", NULL, 0, "Id of the VPC, instead of or beside the other ways to find it."),
    ROW("tags", "map(string)", "{}", 0,
        "Tags that the VPC has; given to what is made where `create` is set."),
    ROW("region", "string", NULL, IST_FORCES_REPLACE,
        "AWS region; without it, the one AWS's own tools would use."),
    ROW("profile", "string", NULL, 0, "Profile in AWS's shared files whose credentials are used."),
    ROW("worker_group_name", "string", "worker group", 0,
        "Text in the name of the nodes' security group; without such a group, those of the nodes' interfaces "
        "are taken."),
    ROW("create", "bool", "false", 0, "Make a VPC instead of looking for one: one CloudFormation stack."),
    ROW("name", "string", NULL, IST_FORCES_REPLACE, "Name of what is made; needed with `create`."),
    ROW("cidr", "cidr", NULL, IST_FORCES_REPLACE, "Addresses of the VPC that is made."),
    ROW("public_cidrs", "list(cidr)", "[]", 0,
        "Public subnets that are made, spread over the availability zones."),
    ROW("private_cidrs", "list(cidr)", "[]", 0,
        "Private subnets that are made, each with a route table of its own."),
    ROW("timeout", "duration", "20m", 0, "How long AWS may take to make or delete it."),
};

static const ist_field outputs[] = {
    ROW("vpc_id", "string", NULL, 0, "Id of the VPC."),
    ROW("cidr", "cidr", NULL, 0, "Addresses of the VPC."),
    ROW("public_subnets", "list(object)", NULL, 0,
        "Subnets whose default route leads to an internet gateway, by name."),
    ROW("public_subnets[].id", "string", NULL, 0, "Id of the subnet."),
    ROW("public_subnets[].cidr", "cidr", NULL, 0, "Addresses of the subnet."),
    ROW("public_subnets[].az", "string", NULL, 0, "Availability zone."),
    ROW("public_subnets[].name", "string", NULL, 0, "Name tag, or nothing."),
    ROW("private_subnets", "list(object)", NULL, 0, "The other subnets, by name."),
    ROW("private_subnets[].id", "string", NULL, 0, "Id of the subnet."),
    ROW("private_subnets[].cidr", "cidr", NULL, 0, "Addresses of the subnet."),
    ROW("private_subnets[].az", "string", NULL, 0, "Availability zone."),
    ROW("private_subnets[].name", "string", NULL, 0, "Name tag, or nothing."),
    ROW("public_route_tables", "list(string)", NULL, 0, "Route tables of the public subnets."),
    ROW("private_route_tables", "list(string)", NULL, 0,
        "Route tables of the private subnets, in the subnets' order, each once."),
    ROW("region", "string", NULL, 0, "AWS region of the VPC."),
    ROW("worker_security_groups", "list(string)", NULL, 0,
        "Security groups of the cluster's nodes, and of its pods where they have others."),
};

static const char *const permissions[] = {
    "ec2:DescribeVpcs",
    "ec2:DescribeSubnets",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    // With `create`:
    "ec2:DescribeAvailabilityZones",
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackResources",
    "cloudformation:ListStackResources",
    "cloudformation:GetTemplate",
    "cloudformation:ContinueUpdateRollback",
    "ec2:DeleteTags",
    "ec2:CreateVpc",
    "ec2:DeleteVpc",
    "ec2:ModifyVpcAttribute",
    "ec2:CreateSubnet",
    "ec2:DeleteSubnet",
    "ec2:ModifySubnetAttribute",
    "ec2:CreateInternetGateway",
    "ec2:DeleteInternetGateway",
    "ec2:AttachInternetGateway",
    "ec2:DetachInternetGateway",
    "ec2:DescribeInternetGateways",
    "ec2:AllocateAddress",
    "ec2:ReleaseAddress",
    "ec2:DescribeAddresses",
    "ec2:CreateNatGateway",
    "ec2:DeleteNatGateway",
    "ec2:DescribeNatGateways",
    "ec2:CreateRouteTable",
    "ec2:DeleteRouteTable",
    "ec2:CreateRoute",
    "ec2:ReplaceRoute",
    "ec2:DeleteRoute",
    "ec2:AssociateRouteTable",
    "ec2:ReplaceRouteTableAssociation",
    "ec2:DisassociateRouteTable",
    "ec2:CreateTags",
    NULL,
};

IST_CHECKED_PLAN(checked_plan, vpc_check, vpc_plan)

IST_PLUGIN(.name = "aws-vpc", .version = "0.1.0",
           .doc = "The VPC of a cluster: found by name, id or tags, or made", IST_INPUTS(inputs),
           IST_OUTPUTS(outputs), .observe = vpc_observe, .plan = checked_plan, .apply = vpc_apply,
           .destroy = vpc_destroy, .verify = vpc_verify, .permissions = permissions, .check = vpc_check);
