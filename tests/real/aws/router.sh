#!/usr/bin/env bash
# The router's stack against a second AWS: made, kept, bent by hand, mended, removed and made again at once. In a network
# of its own, where the router's Elastic IP leads nowhere: what is configured over SSH is not part of this.
# shellcheck disable=SC1091
[ -n "${IN_OWN_NETWORK:-}" ] || {
    unshare -n true 2>/dev/null || { echo "1..0 # SKIP no network of its own may be made here"; exit 0; }
    IN_OWN_NETWORK=1 exec unshare -n -- bash "$0"
}
. "$(dirname "$0")/fake-lib.sh"
command -v jq >/dev/null && command -v aws >/dev/null && command -v curl >/dev/null && command -v ip >/dev/null &&
    command -v ssh-keygen >/dev/null || skip_all "jq, curl, ip, ssh-keygen or aws is missing"
ip link set lo up || skip_all "loopback cannot be used"
start_fake

VPC=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
subnet() { aws ec2 create-subnet --vpc-id "$VPC" --cidr-block "$1" --availability-zone us-west-2a --query Subnet.SubnetId --output text; }
PUBLIC=$(subnet 10.0.106.0/24)
PRIVATE=$(subnet 10.0.109.0/24)
AMI=$(aws ec2 register-image --name Cisco-C8K-17.09.01a --root-device-name /dev/xvda --architecture x86_64 --query ImageId --output text)
ssh-keygen -q -t rsa -b 2048 -N '' -f "$TMP/key"
aws ec2 import-key-pair --key-name my-key --public-key-material "fileb://$TMP/key.pub" >/dev/null
cat >"$TMP/in.yaml" <<END
InstanceType: c5.large
InboundSSH: 198.51.100.0/24
ike_keyring_peer:
  ip_range: {start: 0.0.0.0, end: 0.0.0.0}
  pre-shared-key: abcdefghijklmn012345
ike_profile: {remote_peer_ip: 198.51.100.7}
DmvpnIp: 10.250.0.9
DmvpnNetmask: 255.255.255.0
nhrp: {key: keykey00, HubTunnelIP: 10.250.0.1}
ospf: {processId: 10, tunnelNetwork: 10.250.0.0, tunnelWildcard: 0.0.0.255, vpcArea: 2, tunnelArea: 0}
name: aws
vpc_id: $VPC
public_subnet: {id: $PUBLIC, cidr: 10.0.106.0/24}
private_subnets: [{id: $PRIVATE, cidr: 10.0.109.0/24}]
ami: $AMI
ssh_key: my-key
ssh: {private_key: $TMP/key, timeout: 1s}
onPremCidr: 10.1.0.0/16
onPremPodCidr: 192.168.0.0/16
settle: 1s
END
S=$TMP/router.state
csr() { run csr-dmvpn "$1" "$TMP/in.yaml" "$S"; }
# The stack comes, and then nobody answers on SSH: that is where it ends here.
makes_stack() { ! csr apply && ! grep -q -e "stack aws-csr.*FAILED" "$TMP/ran" && [ "$(status)" = "$1" ]; }
status() { aws cloudformation describe-stacks --stack-name aws-csr --query 'Stacks[0].StackStatus' --output text 2>/dev/null; }
about_stack() { csr plan >/dev/null && jq -c '[.changes[] | select(.resource | test("stack")) | "\(.action) \([.fields[]?.field] | join(","))"]' "$TMP/json"; }
outside() { aws ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, outside']|[0].$1" --output text; }
one_of_each() {
    [ "$(aws ec2 describe-instances --filters Name=instance-state-name,Values=pending,running --query 'length(Reservations[])' --output text) \
$(aws ec2 describe-addresses --query 'length(Addresses)' --output text) \
$(aws ec2 describe-network-interfaces --query "length(NetworkInterfaces[?starts_with(Description,'DMVPN router')])" --output text)" = "1 1 2" ]
}

# What would be refused half way is told in plan, by this EC2's words too.
bad() { sed "$2" "$TMP/in.yaml" >"$TMP/bad.yaml" && refuses "$1" csr-dmvpn plan "$TMP/bad.yaml" "$S"; }
FAR=$(aws ec2 create-subnet --vpc-id "$VPC" --cidr-block 10.0.200.0/24 --availability-zone us-west-2d --query Subnet.SubnetId --output text)
ok "a key pair that is not there" bad "EC2 has no key pair nobody in us-west-2" 's/^ssh_key: .*/ssh_key: nobody/'
ok "subnets of two zones" bad "one instance cannot be in both" "s#^public_subnet: .*#public_subnet: {id: $FAR, cidr: 10.0.200.0/24}#"
ok "an instance type that the zone has not" bad "EC2 has instance type c4.large in us-west-2a, us-west-2b, us-west-2c, not in us-west-2d" \
    "s#^public_subnet: .*#public_subnet: {id: $FAR, cidr: 10.0.200.0/24}#; s#^private_subnets: .*#private_subnets: [{id: $FAR, cidr: 10.0.200.0/24}]#; s#^InstanceType: .*#&\npublic_address: 10.0.200.11#; s/c5.large/c4.large/"
ENI=$(aws ec2 create-network-interface --subnet-id "$PUBLIC" --private-ip-address 10.0.106.10 --description "a pod" --query NetworkInterface.NetworkInterfaceId --output text)
ok "an address that somebody holds, with the holder and a free one" bad "10.0.106.10 is taken by $ENI (a pod)" ''
aws ec2 delete-network-interface --network-interface-id "$ENI"
ok "an image that is not there" bad "ami-0123456789abcdef0" 's/^ami: .*/ami: ami-0123456789abcdef0/'
ok "plan tells of the stack" csr plan
ok "and calls nothing that writes" test "$(calls 'Create.*|Delete.*|Execute.*|Run.*|Allocate.*')" = "$(calls 'CreateVpc|CreateSubnet|(Create|Delete)NetworkInterface')"
# Of what CloudFormation would do, a thing is not in the plan.
fake /_fake/config '{"faults": [{"action": "DescribeChangeSet", "status": 200, "times": 1, "raw": "<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus><Changes><member><ResourceChange><Action>Add</Action><LogicalResourceId>Stranger</LogicalResourceId></ResourceChange></member></Changes></DescribeChangeSetResult></DescribeChangeSetResponse>"}]}' >/dev/null
surprised() { refuses "Stranger: the change set would Add it" csr-dmvpn apply "$TMP/in.yaml" "$S" && [ "$(calls DeleteChangeSet) $(calls ExecuteChangeSet)" = "1 0" ]; }
ok "a change set that is not the plan is deleted and nothing is made" surprised
fake /_fake/config '{"faults": []}' >/dev/null
# On AWS the next apply takes up a stack under review; here another change set of its name is another stack.
ok "destroy removes the stack that is under review" csr destroy
ok "and none is left" test -z "$(aws cloudformation describe-stacks --query 'Stacks[].StackName' --output text)"
ok "apply makes it" makes_stack CREATE_COMPLETE
ok "one of each" one_of_each
ok "and then says that SSH is not to be had" grep -qi "ssh" "$TMP/ran"
ok "no change to it is planned then" test "$(about_stack)" = "[]"
ok "nor is one made by the next apply" makes_stack CREATE_COMPLETE
ok "one of each" one_of_each
ok "no secret is in its template" sh -c "! aws cloudformation get-template --stack-name aws-csr | grep -e abcdefghijklmn012345 -e keykey00"
aws ec2 disassociate-address --association-id "$(outside Association.AssociationId)"
bent() { about_stack | grep -q update; }
ok "an address that was taken off is a change" bent
ok "which the next apply mends" makes_stack CREATE_COMPLETE
ok "exactly" test "$(about_stack)" = "[]"
ok "one of each" one_of_each
ok "destroy" csr destroy
ok "leaves no stack" sh -c "case \$(aws cloudformation describe-stacks --stack-name aws-csr 2>/dev/null) in '') true ;; *) false ;; esac"
fake /_fake/config '{"faults": [{"action": "CreateChangeSet", "drop": true, "times": 1}, {"action": "DescribeStacks", "code": "Throttling", "status": 400, "times": 2},
    {"action": "ExecuteChangeSet", "raw": "<html>proxy</html>", "status": 502, "times": 1}]}' >/dev/null
ok "apply at once after it makes a fresh one, through faults" makes_stack CREATE_COMPLETE
ok "one of each" one_of_each
ok "destroy again" csr destroy
none() { [ "$(aws ec2 describe-addresses --query 'length(Addresses)' --output text)" = 0 ] && ! one_of_each; }
ok "nothing is left" none
finish
