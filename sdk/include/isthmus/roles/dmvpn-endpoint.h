// Role dmvpn-endpoint, version 1: what every router that can join a DMVPN takes and gives. A plugin that says
// `role = "dmvpn-endpoint"` has at least these inputs and outputs, of these types; a pipeline that uses only
// them changes `plugin:` and nothing else. Inputs are the walk-through's dmvpn_conf.yaml, unchanged, and more.
#ifndef ISTHMUS_ROLES_DMVPN_ENDPOINT_H
#define ISTHMUS_ROLES_DMVPN_ENDPOINT_H

#include <isthmus/plugin.h>

#define IST_ROLE_DMVPN_ENDPOINT         "dmvpn-endpoint"
#define IST_ROLE_DMVPN_ENDPOINT_VERSION 1u

// {name, type} pairs, NULL at the end.
__attribute__((unused)) static const char *const ist_role_dmvpn_endpoint_inputs[][2] = {
    {"InstanceType", "string"},
    {"InboundSSH", "cidr"},
    {"ike_keyring_peer.ip_range.start", "ipv4"},
    {"ike_keyring_peer.ip_range.end", "ipv4"},
    {"ike_keyring_peer.pre-shared-key", "secret"},
    {"ike_profile.remote_peer_ip", "ipv4"},
    {"DmvpnIp", "ipv4"},
    {"DmvpnNetmask", "ipv4"},
    {"nhrp.key", "secret"},
    {"nhrp.HubTunnelIP", "ipv4"},
    {"ospf.processId", "int"},
    {"ospf.authKey", "secret"},
    {"ospf.tunnelNetwork", "ipv4"},
    {"ospf.tunnelWildcard", "ipv4"},
    {"ospf.vpcArea", "int"},
    {"ospf.tunnelArea", "int"},
    {NULL, NULL},
};

__attribute__((unused)) static const char *const ist_role_dmvpn_endpoint_outputs[][2] = {
    {"tunnel_address", "ipv4"},   // on Tunnel0: "10.250.0.9"
    {"nbma_address", "ipv4"},     // what the hub sees: the Elastic IP
    {"next_hop", "next-hop"},     // where the VPC sends on-premises traffic: {kind: "eni", id: "eni-..."}
    {"security_group", "string"}, // of the router's interfaces
    {NULL, NULL},
};

#endif
