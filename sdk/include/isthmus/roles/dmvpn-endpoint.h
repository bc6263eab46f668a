// Role dmvpn-endpoint, version 1: what everything that can join a DMVPN takes and gives: a Cisco router, a Linux host.
// A plugin that says `role = "dmvpn-endpoint"` has at least these inputs and outputs, of these types; a pipeline
// that uses only them changes `plugin:` and nothing else. Inputs are the walk-through's dmvpn_conf.yaml, unchanged,
// and what it cannot know. isthmus/dmvpn.h has what such a plugin does with them in every case.
//
// The rows stand here once, for the plugins' own tables and for the loader's comparison:
//     static const ist_field inputs[] = {
//         IST_DMVPN_ENDPOINT_INPUTS(IST_REQUIRED, IST_REQUIRED, "ec2-user"),
//         {"archive_path", "string", ...}, // its own
//     };
#ifndef ISTHMUS_ROLES_DMVPN_ENDPOINT_H
#define ISTHMUS_ROLES_DMVPN_ENDPOINT_H

#include <isthmus/plugin.h>

#define IST_ROLE_DMVPN_ENDPOINT         "dmvpn-endpoint"
#define IST_ROLE_DMVPN_ENDPOINT_VERSION 1u

// clang-format off
#define IST_DMVPN_ROW_(name, type, def, flags, doc) {name, type, def, flags, "0.1.0", doc}

// spoke: the flags of what a spoke with OSPF cannot do without; vpc: of what a launch in a VPC cannot do without. Both
// are IST_REQUIRED for a plugin that does nothing else, and 0 for one that does; that one asks for them itself
// (ist_dmvpn_check). user: whom SSH logs in as, unless told.
#define IST_DMVPN_ENDPOINT_INPUTS(spoke, vpc, user)                                                                  \
    /* dmvpn_conf.yaml */                                                                                            \
    IST_DMVPN_ROW_("InstanceType", "string", "c4.large", 0, "EC2 instance type of the endpoint."),                   \
    IST_DMVPN_ROW_("InboundSSH", "cidr", "0.0.0.0/0", 0, "From where SSH to the endpoint is allowed."),              \
    IST_DMVPN_ROW_("ike_keyring_peer", "object", NULL, IST_REQUIRED, "Whom the pre-shared key is for."),             \
    IST_DMVPN_ROW_("ike_keyring_peer.ip_range", "object", "{}", 0, "Addresses of the peers."),                       \
    IST_DMVPN_ROW_("ike_keyring_peer.ip_range.start", "ipv4", "0.0.0.0", 0, "Address."),                             \
    IST_DMVPN_ROW_("ike_keyring_peer.ip_range.end", "ipv4", "0.0.0.0", 0,                                            \
                   "Mask (0.0.0.0 with start 0.0.0.0 means any peer), in spite of its name."),                       \
    IST_DMVPN_ROW_("ike_keyring_peer.pre-shared-key", "secret", NULL, IST_REQUIRED | IST_SECRET,                     \
                   "Pre-shared key of the DMVPN."),                                                                  \
    IST_DMVPN_ROW_("ike_profile", "object", NULL, (spoke), "The hub, as IKEv2 sees it."),                            \
    IST_DMVPN_ROW_("ike_profile.remote_peer_ip", "ipv4", NULL, (spoke),                                              \
                   "Address at which the hub is reached (NBMA)."),                                                   \
    IST_DMVPN_ROW_("ike_profile.remote_identities", "list(string)", "[]", 0,                                         \
                   "Identities of the hub (the first) and of other spokes, where they are not their addresses: an "  \
                   "address, a name (hub.example.net) or a user's (hub@example.net)."),                              \
    IST_DMVPN_ROW_("ike_profile.local_identity", "string", NULL, 0,                                                  \
                   "What this endpoint calls itself, as those; without it the outside interface's private address."),\
    IST_DMVPN_ROW_("DmvpnIp", "ipv4", NULL, IST_REQUIRED, "Tunnel address of this endpoint."),                       \
    IST_DMVPN_ROW_("DmvpnNetmask", "ipv4", NULL, IST_REQUIRED, "Mask of the tunnel network."),                       \
    IST_DMVPN_ROW_("nhrp", "object", NULL, IST_REQUIRED, "NHRP."),                                                   \
    IST_DMVPN_ROW_("nhrp.key", "secret", NULL, IST_REQUIRED | IST_SECRET,                                            \
                   "Authentication string, 8 characters at most."),                                                  \
    IST_DMVPN_ROW_("nhrp.HubTunnelIP", "ipv4", NULL, IST_REQUIRED,                                                   \
                   "Tunnel address of the hub; of a hub, its own."),                                                 \
    IST_DMVPN_ROW_("nhrp.network_id", "int", "100", 0, "Network id, and the key of the GRE tunnel."),                \
    IST_DMVPN_ROW_("nhrp.shortcut", "bool", "true", 0,                                                               \
                   "A spoke takes shortcuts to other spokes when the hub redirects; a hub redirects."),              \
    IST_DMVPN_ROW_("ospf", "object", NULL, (spoke), "OSPF."),                                                        \
    IST_DMVPN_ROW_("ospf.processId", "int", NULL, (spoke), "Process number."),                                       \
    IST_DMVPN_ROW_("ospf.authKey", "secret", NULL, IST_SECRET, "Key; in effect only where `authentication` is set."),\
    IST_DMVPN_ROW_("ospf.tunnelNetwork", "ipv4", NULL, (spoke), "Network of the tunnel."),                           \
    IST_DMVPN_ROW_("ospf.tunnelWildcard", "ipv4", NULL, (spoke), "Its wildcard mask."),                              \
    IST_DMVPN_ROW_("ospf.vpcArea", "int", NULL, (spoke), "Area of the networks behind the endpoint."),               \
    IST_DMVPN_ROW_("ospf.tunnelArea", "int", NULL, (spoke), "Area of the tunnel."),                                  \
    /* what it cannot know */                                                                                        \
    IST_DMVPN_ROW_("ospf.authentication", "enum(none|simple|md5)", "none", 0,                                        \
                   "How neighbours prove themselves; both ends alike."),                                             \
    IST_DMVPN_ROW_("ospf.hello_interval", "int", "10", 0,                                                            \
                   "Seconds between hellos over the tunnel; a neighbour is gone after four. Both ends alike."),      \
    IST_DMVPN_ROW_("ospf.filter", "bool", "true", 0,                                                                 \
                   "Redistribute the endpoint's own static routes only, by a route-map."),                           \
    IST_DMVPN_ROW_("mode", "enum(spoke|hub)", "spoke", 0, "What the endpoint is in the DMVPN."),                     \
    IST_DMVPN_ROW_("where", "enum(vpc|existing|render)", "vpc", 0,                                                   \
                   "Launched in the VPC, a machine that is there already (`ssh.host`), or only shown."),             \
    IST_DMVPN_ROW_("hubs", "list(object)", "[]", 0,                                                                  \
                   "More hubs beside the one of nhrp.HubTunnelIP and ike_profile.remote_peer_ip."),                  \
    IST_DMVPN_ROW_("hubs[].tunnel_address", "ipv4", NULL, IST_REQUIRED, "Its tunnel address."),                      \
    IST_DMVPN_ROW_("hubs[].address", "ipv4", NULL, IST_REQUIRED, "Address at which it is reached (NBMA)."),          \
    IST_DMVPN_ROW_("hubs[].identity", "string", NULL, 0, "Its IKE identity, where that is another."),                \
    IST_DMVPN_ROW_("announce", "list(cidr)", "[]", 0,                                                                \
                   "Networks behind the endpoint that the others learn of; without it the private subnets."),        \
    IST_DMVPN_ROW_("routing", "enum(ospf|static)", "ospf", 0,                                                        \
                   "How the way to the others is known: learned, or `static_routes`."),                              \
    IST_DMVPN_ROW_("static_routes", "list(object)", "[]", 0,                                                         \
                   "For `routing: static`; without it a spoke reaches onPremCidr and onPremPodCidr by the hub."),    \
    IST_DMVPN_ROW_("static_routes[].network", "cidr", NULL, IST_REQUIRED, "Where to."),                              \
    IST_DMVPN_ROW_("static_routes[].via", "ipv4", NULL, IST_REQUIRED, "Tunnel address of the endpoint before it."),  \
    IST_DMVPN_ROW_("onPremCidr", "cidr", NULL, (spoke), "Nodes on premises: let in, and a route for them expected."),\
    IST_DMVPN_ROW_("onPremPodCidr", "cidr", NULL, 0,                                                                 \
                   "Pods on premises: let in, and a route for them expected; without it they are in onPremCidr."),   \
    /* where it runs */                                                                                              \
    IST_DMVPN_ROW_("name", "string", NULL, (vpc), "Prefix of what is made."),                                        \
    IST_DMVPN_ROW_("region", "string", NULL, IST_FORCES_REPLACE,                                                     \
                   "AWS region; without it, the one AWS's own tools would use."),                                    \
    IST_DMVPN_ROW_("profile", "string", NULL, 0, "Profile in AWS's shared files whose credentials are used."),       \
    IST_DMVPN_ROW_("vpc_id", "string", NULL, (vpc) | IST_FORCES_REPLACE, "VPC of the endpoint."),                    \
    IST_DMVPN_ROW_("vpc_cidr", "cidr", NULL, 0,                                                                      \
                   "Addresses of the VPC, where they are known beforehand: the tunnel and what is on premises are "  \
                   "apart from them."),                                                                              \
    IST_DMVPN_ROW_("public_subnet", "object", NULL, (vpc), "Subnet of the outside interface."),                      \
    IST_DMVPN_ROW_("public_subnet.id", "string", NULL, IST_REQUIRED, "Id of the subnet."),                           \
    IST_DMVPN_ROW_("public_subnet.cidr", "cidr", NULL, IST_REQUIRED, "Addresses of the subnet."),                    \
    IST_DMVPN_ROW_("public_subnet.az", "string", NULL, IST_ELSEWHERE, "Availability zone."),                         \
    IST_DMVPN_ROW_("public_subnet.name", "string", NULL, IST_ELSEWHERE, "Name tag."),                                \
    IST_DMVPN_ROW_("private_subnets", "list(object)", NULL, (vpc),                                                   \
                   "Subnets behind the endpoint; the inside interface is in the first."),                            \
    IST_DMVPN_ROW_("private_subnets[].id", "string", NULL, IST_REQUIRED, "Id of the subnet."),                       \
    IST_DMVPN_ROW_("private_subnets[].cidr", "cidr", NULL, IST_REQUIRED, "Addresses of the subnet."),                \
    IST_DMVPN_ROW_("private_subnets[].az", "string", NULL, IST_ELSEWHERE, "Availability zone."),                     \
    IST_DMVPN_ROW_("private_subnets[].name", "string", NULL, IST_ELSEWHERE, "Name tag."),                            \
    IST_DMVPN_ROW_("public_address", "ipv4", NULL, IST_FORCES_REPLACE,                                               \
                   "Of the outside interface; in a VPC host .10 without it."),                                       \
    IST_DMVPN_ROW_("private_address", "ipv4", NULL, IST_FORCES_REPLACE,                                              \
                   "Of the inside interface; in a VPC host .10 without it."),                                        \
    IST_DMVPN_ROW_("outside_interface", "string", NULL, 0,                                                           \
                   "Interface on which tunnels start; without it the one of public_address, or its own."),          \
    IST_DMVPN_ROW_("inside_interface", "string", NULL, 0,                                                            \
                   "Interface of the networks behind; without it the one of private_address, or the only other."),   \
    IST_DMVPN_ROW_("inside_network", "cidr", NULL, 0,                                                                \
                   "Its network, where no machine tells it: `where: render`, or an address by DHCP."),               \
    IST_DMVPN_ROW_("inside_gateway", "ipv4", NULL, 0,                                                                \
                   "Router behind the inside interface to what is announced; without it host 1 of that network."),   \
    IST_DMVPN_ROW_("nbma_address", "ipv4", NULL, 0,                                                                  \
                   "What the others see of a machine that is there, where NAT makes it another than its own."),      \
    IST_DMVPN_ROW_("ami", "string", NULL, 0, "Image of the endpoint; without it the newest that `image` names."),    \
    IST_DMVPN_ROW_("tags", "map(string)", "{}", 0, "Tags of the stack and all in it."),                              \
    IST_DMVPN_ROW_("ssh_key", "string", NULL, (vpc), "EC2 key pair of the endpoint's user."),                        \
    IST_DMVPN_ROW_("ssh", "object", "{}", 0, "How the endpoint is reached for configuration."),                      \
    IST_DMVPN_ROW_("ssh.host", "string", NULL, 0, "Name or address of a machine that is there already."),            \
    IST_DMVPN_ROW_("ssh.user", "string", user, 0, "User."),                                                          \
    IST_DMVPN_ROW_("ssh.port", "int", "22", 0, "Port."),                                                             \
    IST_DMVPN_ROW_("ssh.private_key", "path", NULL, 0,                                                               \
                   "Private key of the key pair; without it the SSH agent is asked."),                               \
    IST_DMVPN_ROW_("ssh.passphrase", "secret", NULL, IST_SECRET, "Passphrase of the private key."),                  \
    IST_DMVPN_ROW_("ssh.known_hosts", "path", NULL, 0,                                                               \
                   "known_hosts file; without it the key that a launched machine shows first is kept in state."),    \
    IST_DMVPN_ROW_("ssh.timeout", "duration", "15m", 0, "How long a launched machine may take until it answers."),   \
    IST_DMVPN_ROW_("revert_minutes", "int", "5", 0,                                                                  \
                   "A change that is not confirmed in so many minutes reverts by itself."),                          \
    IST_DMVPN_ROW_("settle", "duration", "90s", 0, "How long `verify` gives the tunnel to come up.")

#define IST_DMVPN_ENDPOINT_OUTPUTS                                                                                   \
    IST_DMVPN_ROW_("tunnel_address", "ipv4", NULL, 0, "Address on the tunnel."),                                     \
    IST_DMVPN_ROW_("nbma_address", "ipv4", NULL, 0, "What the others see: the Elastic IP, or the outside address."), \
    IST_DMVPN_ROW_("next_hop", "next-hop", NULL, 0,                                                                  \
                   "Where on-premises traffic is sent: the inside interface, {kind: eni|ip, id}."),                  \
    IST_DMVPN_ROW_("security_group", "string", NULL, 0, "Of the endpoint's interfaces; empty outside a VPC.")
// clang-format on

// The names of the checks that verify makes of a tunnel, the same for every endpoint.
#define IST_DMVPN_CHECK_IKE   "IKEv2 SA is ready"
#define IST_DMVPN_CHECK_IPSEC "IPsec carries packets both ways"
#define IST_DMVPN_CHECK_NHS   "next hop server answers"
#define IST_DMVPN_CHECK_OSPF  "OSPF neighbour is full"
#define IST_DMVPN_CHECK_NODES "route to the nodes on premises"
#define IST_DMVPN_CHECK_PODS  "route to the pods on premises"

// The role as the loader compares it: names and types. Ended by a row without a name.
__attribute__((unused)) static const ist_field ist_role_dmvpn_endpoint_inputs[] = {
    IST_DMVPN_ENDPOINT_INPUTS(0, 0, NULL),
    {NULL, NULL, NULL, 0, NULL, NULL},
};
__attribute__((unused)) static const ist_field ist_role_dmvpn_endpoint_outputs[] = {
    IST_DMVPN_ENDPOINT_OUTPUTS,
    {NULL, NULL, NULL, 0, NULL, NULL},
};

#endif
