#!/usr/bin/env bash
# What somebody changes by hand in AWS or on the router is found, exactly that, and mended, exactly that; and
# whatever single piece is missing, verify fails and names it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/drift-lib.sh"

table=$(ec2 describe-route-tables --filters Name=tag:Name,Values='aws-private-route-table1' --query 'RouteTables[0].RouteTableId')
group=$(ec2 describe-security-groups --filters Name=group-name,Values='*worker group*' --query 'SecurityGroups[0].GroupId')
eni=$(ec2 describe-route-tables --route-table-ids "$table" --query "RouteTables[0].Routes[?DestinationCidrBlock=='10.1.0.0/16'].NetworkInterfaceId")

drift "a route is deleted" "192.168.0.0/16" "192.168.0.0/16" \
    ec2 delete-route --route-table-id "$table" --destination-cidr-block 192.168.0.0/16
drift "the workers' rule is revoked" "192.168.0.0/16" "security group" \
    ec2 revoke-security-group-ingress --group-id "$group" --ip-permissions "IpProtocol=-1,IpRanges=[{CidrIp=192.168.0.0/16}]"
drift "the source/dest check is on again" "SourceDestCheck" "source/dest" \
    ec2 modify-network-interface-attribute --network-interface-id "$eni" --source-dest-check
drift "the kubeconfig is open to others" "0644" - chmod 644 "$ISTHMUS_CFG/aws-kubeconfig.yaml"
ok "it is its owner's alone again" test "$(stat -c %a "$ISTHMUS_CFG/aws-kubeconfig.yaml")" = 600
drift "SNAT is on again towards the pods on premises" "EXCLUDE_SNAT_CIDRS" "SNAT" \
    cloud -n kube-system set env daemonset/aws-node -c aws-node AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS=10.1.0.0/16
drift "SNAT is on again altogether" "EXCLUDE_SNAT_CIDRS" "SNAT" \
    cloud -n kube-system set env daemonset/aws-node -c aws-node AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS-
router() { ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    -i "$ISTHMUS_ROUTER_KEY" -p "$ISTHMUS_ROUTER_PORT" "ec2-user@$ISTHMUS_ROUTER_ADDRESS" 2>&1 || true; }
router_line() { printf 'configure terminal\n%s\n%s\nend\nexit\n' "$1" "$2" | router; }
drift "a line of the router is gone" "tunnel key" "tunnel" router_line "interface Tunnel0" "no tunnel key 100"
finish
