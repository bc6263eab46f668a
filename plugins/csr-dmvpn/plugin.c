// The tables of csr-dmvpn: the walk-through's dmvpn_conf.yaml byte for byte, and what it cannot know.
#include "csr.h"
#include <isthmus/roles/dmvpn-endpoint.h>

#define IN(name, type, def, flags, doc)                                                                      \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    IN("InstanceType", "string", "c4.large", 0, "EC2 instance type of the router."),
    IN("InboundSSH", "cidr", "0.0.0.0/0", 0, "From where SSH to the router is allowed."),
    IN("ike_keyring_peer", "object", NULL, IST_REQUIRED, "Whom the pre-shared key is for."),
    IN("ike_keyring_peer.ip_range", "object", "{}", 0, "Addresses of the peers."),
    IN("ike_keyring_peer.ip_range.start", "ipv4", "0.0.0.0", 0, "Address."),
    IN("ike_keyring_peer.ip_range.end", "ipv4", "0.0.0.0", 0,
       "Mask (0.0.0.0 with start 0.0.0.0 means any peer), in spite of its name."),
    IN("ike_keyring_peer.pre-shared-key", "secret", NULL, IST_REQUIRED | IST_SECRET,
       "Pre-shared key of the DMVPN."),
    IN("ike_profile", "object", NULL, IST_REQUIRED, "The hub, as IKEv2 sees it."),
    IN("ike_profile.remote_peer_ip", "ipv4", NULL, IST_REQUIRED,
       "Address at which the hub is reached (NBMA)."),
    IN("ike_profile.remote_identities", "list(ipv4)", "[]", 0,
       "Identities of the hub and of other spokes, where they are not remote_peer_ip (a hub behind NAT)."),
    IN("ike_profile.local_identity", "ipv4", NULL, 0,
       "What this router calls itself; without it the outside interface's private address."),
    IN("DmvpnIp", "ipv4", NULL, IST_REQUIRED, "Tunnel address of this router."),
    IN("DmvpnNetmask", "ipv4", NULL, IST_REQUIRED, "Mask of the tunnel network."),
    IN("nhrp", "object", NULL, IST_REQUIRED, "NHRP."),
    IN("nhrp.key", "secret", NULL, IST_REQUIRED | IST_SECRET, "Authentication string, 8 characters at most."),
    IN("nhrp.HubTunnelIP", "ipv4", NULL, IST_REQUIRED, "Tunnel address of the hub."),
    IN("nhrp.network_id", "int", "100", 0, "Network id, and the key of the GRE tunnel."),
    IN("nhrp.shortcut", "bool", "true", 0, "Take shortcuts to other spokes when the hub redirects."),
    IN("ospf", "object", NULL, IST_REQUIRED, "OSPF."),
    IN("ospf.processId", "int", NULL, IST_REQUIRED, "Process number."),
    IN("ospf.authKey", "secret", NULL, IST_SECRET, "Key; in effect only where `authentication` is set."),
    IN("ospf.tunnelNetwork", "ipv4", NULL, IST_REQUIRED, "Network of the tunnel."),
    IN("ospf.tunnelWildcard", "ipv4", NULL, IST_REQUIRED, "Its wildcard mask."),
    IN("ospf.vpcArea", "int", NULL, IST_REQUIRED, "Area of the VPC's subnets."),
    IN("ospf.tunnelArea", "int", NULL, IST_REQUIRED, "Area of the tunnel."),
    IN("ospf.authentication", "enum(none|simple|md5)", "none", 0,
       "How neighbours prove themselves; both ends alike."),
    IN("ospf.filter", "bool", "true", 0, "Redistribute the VPC's own static routes only, by a route-map."),
    IN("name", "string", NULL, IST_REQUIRED, "Prefix of what is made: the stack is `<name>-csr`."),
    IN("region", "string", NULL, IST_FORCES_REPLACE,
       "AWS region; without it, the one AWS's own tools would use."),
    IN("profile", "string", NULL, 0, "Profile in AWS's shared files whose credentials are used."),
    IN("vpc_id", "string", NULL, IST_REQUIRED | IST_FORCES_REPLACE, "VPC of the router."),
    IN("public_subnet", "object", NULL, IST_REQUIRED, "Subnet of the outside interface."),
    IN("public_subnet.id", "string", NULL, IST_REQUIRED, "Id of the subnet."),
    IN("public_subnet.cidr", "cidr", NULL, IST_REQUIRED, "Addresses of the subnet."),
    IN("public_subnet.az", "string", NULL, IST_ELSEWHERE, "Availability zone."),
    IN("public_subnet.name", "string", NULL, IST_ELSEWHERE, "Name tag."),
    IN("private_subnets", "list(object)", NULL, IST_REQUIRED,
       "Subnets behind the router; the inside interface is in the first."),
    IN("private_subnets[].id", "string", NULL, IST_REQUIRED, "Id of the subnet."),
    IN("private_subnets[].cidr", "cidr", NULL, IST_REQUIRED, "Addresses of the subnet."),
    IN("private_subnets[].az", "string", NULL, IST_ELSEWHERE, "Availability zone."),
    IN("private_subnets[].name", "string", NULL, IST_ELSEWHERE, "Name tag."),
    IN("public_address", "ipv4", NULL, IST_FORCES_REPLACE, "Of the outside interface; host .10 without it."),
    IN("private_address", "ipv4", NULL, IST_FORCES_REPLACE, "Of the inside interface; host .10 without it."),
    IN("ami", "string", NULL, 0, "Image of the router; without it the newest that `image` names."),
    IN("image", "string", "cisco_CSR-*-BYOL-*", 0, "Name pattern of the image in the AWS Marketplace."),
    IN("tags", "map(string)", "{}", 0, "Tags of the stack and all in it."),
    IN("ssh_key", "string", NULL, IST_REQUIRED, "EC2 key pair of the router's user."),
    IN("ssh", "object", "{}", 0, "How the router is reached for configuration."),
    IN("ssh.user", "string", "ec2-user", 0, "User."),
    IN("ssh.port", "int", "22", 0, "Port."),
    IN("ssh.private_key", "path", NULL, 0, "Private key of the key pair; without it the SSH agent is asked."),
    IN("ssh.passphrase", "secret", NULL, IST_SECRET, "Passphrase of the private key."),
    IN("ssh.known_hosts", "path", NULL, 0,
       "known_hosts file; without it the key that the launched router shows first is kept in state."),
    IN("ssh.timeout", "duration", "15m", 0, "How long a launched router may take until it answers."),
    IN("revert_minutes", "int", "5", 0,
       "A change that is not confirmed in so many minutes reverts by itself."),
    IN("archive_path", "string", "bootflash:isthmus", 0,
       "Where the router keeps what it may revert to, unless set."),
    IN("onPremCidr", "cidr", NULL, IST_REQUIRED, "Nodes on premises: let in, and a route for them expected."),
    IN("onPremPodCidr", "cidr", NULL, IST_REQUIRED,
       "Pods on premises: let in, and a route for them expected."),
    IN("settle", "duration", "90s", 0, "How long `verify` gives the tunnel to come up."),
};

#define OUT(name, type, doc)                                                                                 \
    {                                                                                                        \
        name, type, NULL, 0, "0.1.0", doc                                                                    \
    }

static const ist_field outputs[] = {
    OUT("tunnel_address", "ipv4", "Address on Tunnel0."),
    OUT("nbma_address", "ipv4", "What the hub sees: the Elastic IP."),
    OUT("next_hop", "next-hop", "Where the VPC sends on-premises traffic: the inside interface."),
    OUT("security_group", "string", "Of the router's interfaces."),
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
    "cloudformation:GetTemplate",
    "cloudformation:DeleteStack",
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeAddresses",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:TerminateInstances",
    "ec2:CreateTags",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:ModifyNetworkInterfaceAttribute",
    "ec2:CreateSecurityGroup",
    "ec2:DeleteSecurityGroup",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:AllocateAddress",
    "ec2:ReleaseAddress",
    "ec2:AssociateAddress",
    "ec2:DisassociateAddress",
    NULL,
};

static const ist_plugin plugin = {
    .magic = IST_MAGIC,
    .major = IST_ABI_MAJOR,
    .minor = IST_ABI_MINOR,
    .size = sizeof(ist_plugin),
    .name = "csr-dmvpn",
    .version = "0.1.0",
    .build = "",
    .doc = "A Cisco router in the VPC as a spoke of a DMVPN",
    .role = IST_ROLE_DMVPN_ENDPOINT,
    .role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION,
    .inputs = inputs,
    .input_count = sizeof inputs / sizeof *inputs,
    .field_size = sizeof(ist_field),
    .outputs = outputs,
    .output_count = sizeof outputs / sizeof *outputs,
    .observe = csr_observe,
    .plan = csr_plan,
    .apply = csr_apply,
    .destroy = csr_destroy,
    .verify = csr_verify,
    .record_version = 1,
    .permissions = permissions,
};

const ist_plugin *ist_plugin_entry(const ist_host *host)
{
    (void)host;
    (void)ist_role_dmvpn_endpoint_inputs;
    (void)ist_role_dmvpn_endpoint_outputs;
    return &plugin;
}
