# shellcheck shell=bash
# conf.d/examples/hybrid.yaml from nothing and back, in any AWS: what aws-pipelines.sh does in the lab and
# tests/real/aws/pipelines.sh in another AWS is this, with the same file. Sourced after lib.sh; before it is called:
#   write_calls          prints the calls that write which this AWS has seen, one a line: "eks:CreateCluster"
#   lose_each            each of the calls in $TMP/made loses its answer once, after it has acted
#   lost_each            which of them did, one a line
#   type_line LINE...    typed into the router's configuration by hand
command -v jq >/dev/null && command -v aws >/dev/null || skip_all "jq or aws is missing"
CONF=$SRC/conf.d/examples
export ISTHMUS_CFG=$TMP ISTHMUS_ADMIN_CIDR=198.51.100.0/24 ISTHMUS_DMVPN_KEY=abcdefghijklmn012345 ISTHMUS_NHRP_KEY=keykey00
pipeline() { # pipeline OP [OPTION...]
    isthmus "$1" hybrid --set vars.cluster_role=AWSServiceRoleForAmazonEKS --set vars.node_role=k8s-node-instance-role "${@:2}"
}

# Everything of every kind that a pipeline can make, or leave, a line each; of what ends slowly only what is alive.
inventory() {
    of() { # of SERVICE COMMAND QUERY
        aws "$1" "$2" --query "$3" --output json 2>"$TMP/inventory.err" | jq -c --arg kind "$1 $2" '.[]? | [$kind, .]' || cat "$TMP/inventory.err"
    }
    of ec2 describe-vpcs 'Vpcs[].[VpcId,Tags]'
    of ec2 describe-subnets 'Subnets[].[SubnetId,Tags]'
    of ec2 describe-route-tables 'RouteTables[].[RouteTableId,Associations[].[SubnetId],Routes[].[DestinationCidrBlock,NetworkInterfaceId,NatGatewayId,GatewayId]]'
    of ec2 describe-internet-gateways 'InternetGateways[].[InternetGatewayId,Attachments]'
    of ec2 describe-nat-gateways "NatGateways[?State!='deleted'].[NatGatewayId]"
    of ec2 describe-addresses 'Addresses[].[AllocationId,AssociationId]'
    of ec2 describe-network-interfaces 'NetworkInterfaces[].[NetworkInterfaceId,Description]'
    of ec2 describe-security-groups 'SecurityGroups[].[GroupId,GroupName,IpPermissions,IpPermissionsEgress]'
    of ec2 describe-instances "Reservations[].Instances[?State.Name!='terminated'][].[InstanceId]"
    of ec2 describe-key-pairs 'KeyPairs[].[KeyName]'
    of ec2 describe-tags "Tags[?ResourceType!='instance' && ResourceType!='natgateway'].[ResourceId,Key,Value]" # both are told of for an hour
    of iam list-roles 'Roles[].[RoleName]'
    of cloudformation list-stacks "StackSummaries[?StackStatus!='DELETE_COMPLETE'].[StackName,StackStatus]"
    of eks list-clusters 'clusters[].[@]'
    aws eks list-nodegroups --cluster-name hybrid --query 'nodegroups[].["eks list-nodegroups",@]' --output json 2>/dev/null | jq -c '.[]' || true
}
# How many of each kind; what others have is in both.
kinds() { inventory | jq -r '.[0]' | sort | uniq -c; }
is_as_before() { inventory | sort >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }
as_many() { kinds >"$TMP/now" && diff "$TMP/kinds" "$TMP/now"; }
number() { aws ec2 "$1" --query "length($2)" --output text; }
VPC_ID() { aws ec2 describe-vpcs --filters Name=cidr,Values=10.0.0.0/16 --query 'Vpcs[0].VpcId' --output text; }
in_vpc() { aws ec2 "$1" --filters "Name=vpc-id,Values=$(VPC_ID)" "${@:2}" --output text; }

rule_for() { # rule_for GROUP CIDR
    aws ec2 describe-security-group-rules --filters "Name=group-id,Values=$1" --query "SecurityGroupRules[?CidrIpv4=='$2' && !IsEgress].SecurityGroupRuleId" --output text
}
# What somebody does by hand, one of each step's.
by_hand() {
    local table group eni
    eni=$(in_vpc describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, inside']|[0].NetworkInterfaceId")
    table=$(in_vpc describe-route-tables --query "RouteTables[?Routes[?NetworkInterfaceId=='$eni']]|[0].RouteTableId")
    group=$(aws eks describe-cluster --name hybrid --query cluster.resourcesVpcConfig.clusterSecurityGroupId --output text)
    aws ec2 delete-route --route-table-id "$table" --destination-cidr-block 192.168.0.0/16 &&
        aws ec2 revoke-security-group-ingress --group-id "$group" --security-group-rule-ids "$(rule_for "$group" 10.1.0.0/16)" &&
        aws ec2 delete-route --route-table-id "$table" --destination-cidr-block 0.0.0.0/0 &&
        aws eks delete-nodegroup --cluster-name hybrid --nodegroup-name workers &&
        aws ec2 disassociate-address --association-id "$(in_vpc describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, outside']|[0].Association.AssociationId")"
}

cycle() {
    inventory | sort >"$TMP/before"
    write_calls | sort >"$TMP/calls.before"
    ok "validate" pipeline validate
    ok "the first plan" pipeline plan
    says "vpc (aws-vpc)" "tells of the VPC"
    says "eks (aws-eks): deferred" "and what waits for it"
    ok "and calls nothing that writes" eval 'write_calls | sort | diff "$TMP/calls.before" -'
    ok "apply" pipeline apply --yes
    kinds >"$TMP/kinds"
    write_calls | sort | uniq | grep -vxF -f "$TMP/calls.before" >"$TMP/made"
    ok "aws sees one cluster" test "$(aws eks list-clusters --query 'clusters' --output text)" = hybrid
    ok "ACTIVE" test "$(aws eks describe-cluster --name hybrid --query cluster.status --output text)" = ACTIVE
    ok "with its nodes" test "$(aws eks describe-nodegroup --cluster-name hybrid --nodegroup-name workers --query nodegroup.scalingConfig.desiredSize --output text)" = 2
    ok "two stacks" test "$(aws cloudformation list-stacks --query "StackSummaries[?StackStatus=='CREATE_COMPLETE'].StackName|sort(@)" --output text | tr '\t' ' ')" = "hybrid-csr hybrid-vpc"
    ok "four routes to the router" test "$(in_vpc describe-route-tables --query "length(RouteTables[].Routes[?NetworkInterfaceId][])")" = 4
    write_calls | sort >"$TMP/calls.now"
    exits 0 "a second plan is empty" pipeline plan --detailed-exitcode
    ok "a second apply has nothing to do" pipeline apply --yes
    ok "and neither has written" eval 'write_calls | sort | diff "$TMP/calls.now" -'
    ok "verify" pipeline verify

    ok "somebody's hand in each step" by_hand
    exits 2 "plan sees it" pipeline plan --detailed-exitcode
    for told in "PrivateDefault" "node group workers" "Association" "192.168.0.0/16" "10.1.0.0/16"; do says "$told" "and names $told"; done
    ok "apply mends it" pipeline apply --yes --allow-deferred
    exits 0 "then nothing is left to do" pipeline plan --detailed-exitcode
    ok "nothing is there twice" as_many

    ok "destroy" pipeline destroy --yes
    ok "leaves nothing" is_as_before
    ok "a second destroy finds nothing" pipeline destroy --yes

    lose_each
    ok "apply at once, and each call that made something loses its answer once" pipeline apply --yes
    ok "each did" eval 'lost_each | sort -u | diff "$TMP/made" -'
    exits 0 "nothing is left to do" pipeline plan --detailed-exitcode
    ok "nothing is there twice" as_many
    ok "verify" pipeline verify
    ok "destroy again" pipeline destroy --yes
    ok "leaves nothing" is_as_before
}
