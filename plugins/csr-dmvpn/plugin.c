// The tables of csr-dmvpn: the role's, and a Cisco router's own.
#include "csr.h"
#include <isthmus/roles/dmvpn-endpoint.h>

#define IN(name, type, def, flags, doc)                                                                      \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    IST_DMVPN_ENDPOINT_INPUTS(IST_REQUIRED, IST_REQUIRED, "ec2-user"),
    IN("image", "string", "cisco_CSR-*-BYOL-*", 0,
       "Name pattern of the image; the newest that fits is taken."),
    IN("image_owner", "string", "aws-marketplace", 0,
       "Whose image: an account, `self`, `amazon` or `aws-marketplace`."),
    IN("image_parameter", "string", NULL, 0,
       "Parameter of Systems Manager that holds the image's id, instead of `ami` and `image`."),
    IN("archive_path", "string", "bootflash:isthmus", 0,
       "Where the router keeps what it may revert to, unless set."),
};

#define OUT(name, type, doc)                                                                                 \
    {                                                                                                        \
        name, type, NULL, 0, "0.1.0", doc                                                                    \
    }

static const ist_field outputs[] = {
    IST_DMVPN_ENDPOINT_OUTPUTS,
    OUT("instance_id", "string", "The router's instance."),
    OUT("ssh_host_key", "string", "Fingerprint of the router's host key."),
};

static const char *const permissions[] = {
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:ContinueUpdateRollback",
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackResources",
    "cloudformation:GetTemplate",
    "cloudformation:DeleteStack",
    "ec2:DescribeImages",
    "ssm:GetParameter",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeAddresses",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:ModifyInstanceAttribute",
    "ec2:TerminateInstances",
    "ec2:CreateTags",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:ModifyNetworkInterfaceAttribute",
    "ec2:AttachNetworkInterface",
    "ec2:CreateSecurityGroup",
    "ec2:DeleteSecurityGroup",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:AllocateAddress",
    "ec2:ReleaseAddress",
    "ec2:AssociateAddress",
    "ec2:DisassociateAddress",
    NULL,
};

IST_CHECKED_PLAN(checked_plan, csr_check, csr_plan)

IST_PLUGIN(.name = "csr-dmvpn", .version = "0.1.0", .doc = "A Cisco router in the VPC as a spoke of a DMVPN",
           .role = IST_ROLE_DMVPN_ENDPOINT, .role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION,
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), .observe = csr_observe, .plan = checked_plan,
           .apply = csr_apply, .destroy = csr_destroy, .verify = csr_verify, .permissions = permissions,
           .check = csr_check);
