// What the other modules of the lab may ask of its AWS, and tell it.
#ifndef LAB_AWS_H
#define LAB_AWS_H

#include "../lab.h"

// The container platform's order: a VPC named like the cluster (tags Name=<name>-vpc, subnets
// "<name>-public-subnet1".."3", "<name>-private-subnet1".."3", tables "<name>-private-route-table1".."3" and
// "<name>-public-route-table", internet and NAT gateway), a worker security group whose name contains
// "worker group", worker instances with an ENI each in the private subnets, and the EKS cluster, whose API
// server is lab_kube_create()'s. `spec` is the body that CCP was sent (borrowed). Takes `lab`'s own
// configured time to become ACTIVE. Returns 0, or -1 with *why (malloc'd).
int lab_aws_create_cluster(struct lab *lab, const json_t *spec, char **why);
void lab_aws_delete_cluster(struct lab *lab, const char *name);
const char *lab_aws_cluster_status(struct lab *lab,
                                   const char *name); // "CREATING" "ACTIVE" "FAILED" "DELETING", NULL: none

// Is this bearer token (k8s-aws-v1....) a valid presigned GetCallerIdentity of one of the lab's keys for
// `cluster`? Returns the caller's ARN (borrowed) or NULL.
const char *lab_aws_token_arn(struct lab *lab, const char *cluster, const char *token);

// Does a packet from a pod or node of the VPC (`src`, host order) towards `dst` outside of it reach the
// router's private interface (routes of the source's subnet, the ENI's source/dest check, its security
// groups), and the other way, does one that the router sends from `src` outside to `dst` inside arrive
// (security groups of the ENI that holds `dst`)? `proto` is 1 (ICMP), 6, 17; `port` 0 for ICMP. False with
// the missing piece named in why.
bool lab_aws_path_out(struct lab *lab, uint32_t src, uint32_t dst, int proto, int port, char *why,
                      size_t size);
bool lab_aws_path_in(struct lab *lab, uint32_t src, uint32_t dst, int proto, int port, char *why,
                     size_t size);
// Do the group and addressing of the router's public interface let the DMVPN through (Elastic IP, UDP
// 500/4500, ESP, a default route to the internet gateway)?
bool lab_aws_path_tunnel(struct lab *lab, char *why, size_t size);
// Is `address` the source a pod keeps towards `dst`? No: the node's address that replaces it (SNAT of the VPC
// CNI, by AWS_VPC_K8S_CNI_EXTERNALSNAT and ..._EXCLUDE_SNAT_CIDRS of the cluster's aws-node DaemonSet).
uint32_t lab_aws_snat(struct lab *lab, const char *cluster, uint32_t address, uint32_t dst);
// Is the VPC CNI of a cluster a managed add-on, whose own configuration counts and not the DaemonSet's?
bool lab_aws_cni_is_addon(struct lab *lab, const char *cluster);
// A free address of the private subnets for a new pod, and back again.
uint32_t lab_aws_pod_address(struct lab *lab, const char *cluster, const char *node);
void lab_aws_pod_release(struct lab *lab, uint32_t address);

#endif
