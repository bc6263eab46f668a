#!/usr/bin/env bash
# The least that each plugin may do in AWS: it begins with nothing allowed, and what a refusal names is allowed from then
# on. What has been allowed when all is done is what `isthmus plugin show NAME --iam-policy` prints: nothing more, and
# nothing less; and so each action's refusal has named it.
# shellcheck disable=SC1091
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
. "$(dirname "$0")/plugin-lib.sh"
. "$(dirname "$0")/router-lib.sh"
command -v jq >/dev/null && command -v aws >/dev/null || skip_all "jq or aws is missing"
start_lab
serve_aws

policy() { "$ISTHMUS" plugin show "$1" --iam-policy | jq -r '.Statement[].Action[]' | sort; }
begin() { # begin NAME: nothing is allowed
    policy "$1" >"$TMP/policy"
    : >"$TMP/allowed"
}
# What takes away is refused in its turn only: what failed to be made has to be taken back.
TAKES_AWAY=':(Delete|Release|Detach|Disassociate|Terminate|Revoke)'
# What the lab refuses, as it writes it: EC2:, IAM:, STS:, SSM: and CloudFormation:, alone or within another service's call.
denied() {
    sort "$TMP/allowed" | comm -13 - "$TMP/policy" | grep -E "$1" | grep -vE "$2" |
        sed 's/^ec2:/EC2:/; s/^iam:/IAM:/; s/^sts:/STS:/; s/^ssm:/SSM:/; s/^cloudformation:/CloudFormation:/; s/^eks:/(eks|EKS):/' | paste -sd'|'
}
# named: the action that the last refusal tells of
named() {
    sed -nE "s/.*(not authorized to perform: |API: |missing permissions for ')([a-z0-9]+:[A-Za-z]+).*/\2/p" "$TMP/ran" | head -1
}
# walk WHAT WHICH BUT command...: the command, from refusal to refusal, until it comes through
walk() {
    local which=$1 but=$2 pattern action from status rounds=0
    shift 2
    while [ $((rounds += 1)) -lt 60 ]; do
        pattern=$(denied "$which" "$but")
        lab faults clear
        [ -z "$pattern" ] || lab faults add service='^aws$' effect=deny times=0 "action=^([A-Za-z]+/)?($pattern)\$"
        from=$(wc -l <"$TMP/lab/journal.jsonl")
        "$@"
        status=$?
        tail -n "+$((from + 1))" "$TMP/lab/journal.jsonl" >>"$TMP/called"
        [ $status != 0 ] || break
        action=$(named)
        [ -n "$action" ] && ! grep -qx -- "$action" "$TMP/allowed" && grep -qx -- "$action" "$TMP/policy" || {
            echo "the refusal names ${action:-nothing}, which is allowed or not in the policy"
            return 1
        }
        echo "$action" >>"$TMP/allowed"
    done
    lab faults clear
    [ $rounds -lt 60 ]
}
makes() { walk . "$TAKES_AWAY" "$@"; }
takes_away() { walk . '^$' "$@"; }
router_run() { # a router plugin's, with what it said where named looks
    csr "$@"
    local status=$?
    cat "$TMP/$1.json" "$TMP/$1.err" >"$TMP/ran"
    return $status
}
# whole NAME [EXCEPT...]: all of the policy has been asked for, except for what these lines tell
whole() {
    local name=$1 left
    shift
    left=$(sort -u "$TMP/allowed" | comm -13 - "$TMP/policy" | grep -vxF -e "" "${@/#/-e}")
    [ -z "$left" ] || echo "$name: never asked for: $left"
    [ -z "$left" ]
}

# ---- aws-vpc ----
cat >"$TMP/aws-vpc.yaml" <<END
create: true
name: own
cidr: 10.77.0.0/16
public_cidrs: [10.77.1.0/24, 10.77.2.0/24]
private_cidrs: [10.77.11.0/24, 10.77.12.0/24]
END
begin aws-vpc
ok "aws-vpc: plan asks for one permission after another" makes run aws-vpc plan
ok "aws-vpc: so does apply" makes run aws-vpc apply
jq -c .outputs "$TMP/json" >"$TMP/vpc"
ok "aws-vpc: and verify" makes run aws-vpc verify
cp "$TMP/allowed" "$TMP/vpc.allowed"

# ---- aws-routes ----
of_vpc() { jq -rc "$1" "$TMP/vpc"; }
ec2 CreateNetworkInterface "SubnetId=$(of_vpc .private_subnets[0].id)" >/dev/null && ENI=$(value networkInterfaceId)
ec2 CreateSecurityGroup "VpcId=$(of_vpc .vpc_id)" GroupName=workers GroupDescription=workers >/dev/null && GROUP=$(value groupId)
TABLE=$(of_vpc .private_route_tables[0])
cat >"$TMP/aws-routes.yaml" <<END
vpc_id: $(of_vpc .vpc_id)
route_tables: [$TABLE]
security_groups: [$GROUP]
next_hop: {kind: ip, id: $(ec2 DescribeNetworkInterfaces "NetworkInterfaceId.1=$ENI" >/dev/null && value privateIpAddress)}
onPremCidr: 10.1.0.0/16
END
begin aws-routes
ok "aws-routes: plan" makes run aws-routes plan
ok "aws-routes: apply" makes run aws-routes apply
NAT=$(ec2 DescribeNatGateways >/dev/null && value natGatewayId)
ec2 ReplaceRoute "RouteTableId=$TABLE" DestinationCidrBlock=10.1.0.0/16 "NatGatewayId=$NAT" >/dev/null
ok "aws-routes: what was bent is mended" makes run aws-routes apply
verify_routes() { run aws-routes verify || grep -q '"result": "fail"' "$TMP/json"; } # no router holds the interface
ok "aws-routes: verify" makes verify_routes
ok "aws-routes: destroy" takes_away run aws-routes destroy
# It is asked where a rule that is there is said not to be, because somebody has written it in another form; of lists,
# where a route or a rule names one, and of quotas, where there would be many: which without them is a warning.
ok "aws-routes: nothing more than that is in the policy" whole aws-routes ec2:DescribeSecurityGroupRules \
    ec2:DescribeManagedPrefixLists ec2:GetManagedPrefixListEntries servicequotas:GetServiceQuota
ec2 DeleteNetworkInterface "NetworkInterfaceId=$ENI" >/dev/null
ec2 DeleteSecurityGroup "GroupId=$GROUP" >/dev/null

# ---- aws-eks ----
eks() { # eks COUNT CIDRS VERSION
    cat <<END
create: true
name: own
version: "$3"
role_arn_name: k8s-ccp-user
cluster_role: AWSServiceRoleForAmazonEKS
subnets: $(of_vpc '[.private_subnets[].id]')
public_access_cidrs: $2
tags: {team: network}
access_entries:
  - {principal: k8s-ccp-user, policy: AmazonEKSClusterAdminPolicy}
node_groups:
  - {name: workers, role: k8s-node-instance-role, count: $1, max: 5, instance_types: [t3.medium]}
addons:
  - {name: vpc-cni}
END
}
eks 1 '[198.51.100.0/24]' 1.29 >"$TMP/aws-eks.yaml"
begin aws-eks
ok "aws-eks: plan" makes run aws-eks plan
ok "aws-eks: apply" makes run aws-eks apply
ok "aws-eks: verify" makes run aws-eks verify
eks 2 '[198.51.100.0/24, 203.0.113.0/24]' 1.30 | sed 's/team: network/team: cloud/; s/ClusterAdminPolicy/ViewPolicy/' >"$TMP/aws-eks.yaml"
ok "aws-eks: another count, version, access, policy and tag" takes_away run aws-eks apply
ok "aws-eks: destroy" takes_away run aws-eks destroy
# One that is there already, from CCP or anybody: less than making one, and nothing else.
cp "$TMP/allowed" "$TMP/make.allowed"
cat >"$TMP/ccp.yaml" <<END
url: $ISTHMUS_CCP_URL
username: $ISTHMUS_CCP_USERNAME
password: $ISTHMUS_CCP_PASSWORD
ca_file: $ISTHMUS_LAB_CA
provider: myAwsProv
name: aws
subnet: {cidr: 10.88.0.0/16, publicCidrs: [10.88.1.0/24, 10.88.2.0/24, 10.88.3.0/24], privateCidrs: [10.88.11.0/24, 10.88.12.0/24, 10.88.13.0/24]}
role_arn_name: k8s-ccp-user
ssh_keys: [my-key]
END
adopted() { # adopted NETWORKS
    cat <<END
name: aws
role_arn_name: k8s-ccp-user
network_policy: vpc-cni
$1
END
}
ok "aws-eks: a cluster that the container platform made" run ccp apply
aws eks create-addon --cluster-name aws --addon-name vpc-cni >/dev/null
addon_is_active() { [ "$(aws eks describe-addon --cluster-name aws --addon-name vpc-cni --query addon.status --output text)" = ACTIVE ]; }
eventually addon_is_active
rm -f "$TMP/aws-eks.state"
adopted "onPremCidr: 10.1.0.0/16" >"$TMP/aws-eks.yaml"
: >"$TMP/allowed"
ok "aws-eks: adopted: plan" makes run aws-eks plan
ok "aws-eks: adopted: apply, by the add-on" makes run aws-eks apply
ok "aws-eks: adopted: verify" makes run aws-eks verify
adopted "enable_snat: false" >"$TMP/aws-eks.yaml"
ok "aws-eks: adopted: another way about SNAT" makes run aws-eks apply
ok "aws-eks: adopted: destroy" takes_away run aws-eks destroy
sort -u "$TMP/allowed" >"$TMP/adopt.allowed"
ok "aws-eks: adopting asks for nothing that makes or takes away" sh -c "! grep -E ':(Create|Delete|Pass|Tag|Associate)' '$TMP/adopt.allowed'"
adopts() { printf '%s\n' ec2:DescribeVpcs eks:DescribeAddon eks:DescribeCluster eks:DescribeUpdate eks:UpdateAddon iam:ListRoles sts:AssumeRole | diff - "$TMP/adopt.allowed"; }
ok "aws-eks: adopting takes exactly these" adopts
ok "aws-eks: the platform's cluster is as good as ever" run ccp destroy
sort -u "$TMP/make.allowed" "$TMP/adopt.allowed" >"$TMP/allowed"
# By the two it tells what keeps a cluster from going, where something does.
ok "aws-eks: nothing more than that is in the policy" whole aws-eks ec2:DescribeNetworkInterfaces ec2:DescribeSecurityGroups

# ---- aws-vpc, the end ----
policy aws-vpc >"$TMP/policy"
cp "$TMP/vpc.allowed" "$TMP/allowed"
sed -i 's#10.77.12.0/24#10.77.13.0/24#' "$TMP/aws-vpc.yaml"
ok "aws-vpc: another subnet" makes run aws-vpc apply
association() { aws ec2 describe-route-tables --filters "Name=association.subnet-id,Values=$1" --query "RouteTables[0].Associations[?SubnetId=='$1'].RouteTableAssociationId" --output text; }
change() { # what its stack does not have as it should
    aws ec2 delete-route --route-table-id "$TABLE" --destination-cidr-block 0.0.0.0/0
    aws ec2 replace-route --route-table-id "$(of_vpc .public_route_tables[0])" --destination-cidr-block 0.0.0.0/0 --nat-gateway-id "$NAT"
    aws ec2 disassociate-route-table --association-id "$(association "$(of_vpc .private_subnets[0].id)")"
    aws ec2 replace-route-table-association --association-id "$(association "$(of_vpc .public_subnets[0].id)")" --route-table-id "$TABLE"
}
ok "aws-vpc: routes and tables of subnets changed by hand" change
ok "aws-vpc: are put back" makes run aws-vpc apply
ok "aws-vpc: destroy" takes_away run aws-vpc destroy
# Of a change set that could not be made, or is not what was planned; that it stays is nobody's failure. Of an update that
# could not be taken back; and of a tag that is asked for no more.
ok "aws-vpc: nothing more than that is in the policy" whole aws-vpc cloudformation:DeleteChangeSet cloudformation:ContinueUpdateRollback ec2:DeleteTags

# ---- csr-dmvpn ----
ok "a VPC for the router" make_vpc
begin csr-dmvpn
AMI=$(aws ec2 describe-images --filters 'Name=name,Values=Cisco-C8K-*' --query 'Images[0].ImageId' --output text)
aws ssm put-parameter --name /router/image --type String --value "$AMI" >"$TMP/out"
echo "image_parameter: /router/image" >>"$TMP/in.yaml"
ok "csr-dmvpn: its image by a parameter" makes router_run plan
sed -i '/^image_parameter/d' "$TMP/in.yaml"
ok "csr-dmvpn: plan" makes router_run plan
ok "csr-dmvpn: apply" makes router_run apply
ok "csr-dmvpn: verify" makes router_run verify
has_stopped() { [ "$(aws ec2 describe-instances --instance-ids "$1" --query 'Reservations[0].Instances[0].State.Name' --output text)" = stopped ]; }
bend() { # what stack and instance do not have as they should
    local id inside group
    id=$(tr -d ' ",' <"$TMP/rec.json" | sed -n 's/^instance_id://p' | head -1)
    inside=$(aws ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, inside']|[0].Attachment.AttachmentId" --output text)
    group=$(aws ec2 describe-security-groups --filters Name=description,Values='DMVPN router' --query 'SecurityGroups[0].GroupId' --output text)
    aws ec2 detach-network-interface --attachment-id "$inside"
    aws ec2 stop-instances --instance-ids "$id" && eventually has_stopped "$id"
    aws ec2 authorize-security-group-ingress --group-id "$group" --ip-permissions 'IpProtocol=47,IpRanges=[{CidrIp=0.0.0.0/0}]'
    aws ec2 authorize-security-group-egress --group-id "$group" --ip-permissions 'IpProtocol=47,IpRanges=[{CidrIp=10.0.0.0/8}]'
    aws ec2 revoke-security-group-egress --group-id "$group" --ip-permissions 'IpProtocol=-1,IpRanges=[{CidrIp=0.0.0.0/0}]'
}
ok "csr-dmvpn: it is stopped, without an interface, and with a rule more" bend
ok "csr-dmvpn: which is mended" takes_away router_run apply
sed -i 's/^InstanceType: .*/InstanceType: t3.medium/' "$TMP/in.yaml"
ok "csr-dmvpn: another size" takes_away router_run apply
ok "csr-dmvpn: destroy" takes_away router_run destroy
# The first as with aws-vpc; the second gets out of UPDATE_ROLLBACK_FAILED, which csr-stack.sh does.
ok "csr-dmvpn: nothing more than that is in the policy" whole csr-dmvpn cloudformation:DeleteChangeSet cloudformation:ContinueUpdateRollback

# A Linux host is launched by the same code.
same_policy() { diff <(policy csr-dmvpn) <(policy frr-dmvpn); }
ok "frr-dmvpn: takes the same" same_policy

# ---- ccp ----
begin ccp
ok "ccp: plan" makes run ccp plan
ok "ccp: apply" makes run ccp apply
ok "ccp: verify" makes run ccp verify
ok "ccp: destroy" takes_away run ccp destroy
# Without it the load balancers are not looked for before the end, which is a warning.
ok "ccp: nothing more than that is in the policy" whole ccp sts:AssumeRole

# ---- all others ----
walked_all() {
    local folder name left=
    for folder in "$SRC"/plugins/*/; do
        name=$(basename "$folder")
        case $name in aws-vpc | aws-routes | aws-eks | csr-dmvpn | frr-dmvpn | ccp) continue ;; esac
        ! "$ISTHMUS" plugin show "$name" --iam-policy >/dev/null 2>&1 || left+=" $name"
    done
    echo "not walked through:$left"
    [ -z "$left" ]
}
ok "no other plugin has a policy" walked_all

# ---- what makes something ----
# The answer to each is lost once in a test, after the lab has acted: a new one needs such a test first.
cat >"$TMP/lost" <<'END'
CloudFormation:CreateChangeSet csr-stack.sh aws-eks-create.sh
CloudFormation:ExecuteChangeSet csr-stack.sh aws-eks-create.sh
EC2:AssociateRouteTable aws-plugins.sh
EC2:AttachNetworkInterface csr-stack.sh
EC2:AuthorizeSecurityGroupEgress csr-stack.sh
EC2:AuthorizeSecurityGroupIngress csr-stack.sh aws-scale.sh
EC2:CreateRoute aws-plugins.sh
EC2:StartInstances csr-stack.sh
eks:AssociateAccessPolicy aws-eks-create.sh
eks:CreateAccessEntry aws-eks-create.sh
eks:CreateAddon aws-eks-create.sh
eks:CreateCluster aws-eks-create.sh
eks:CreateNodegroup aws-eks-create.sh
END
loses() { # loses ACTION TEST...: each of these speaks of the action, and of answers that are lost
    local test
    for test in "${@:2}"; do
        grep -q cut-after "$SRC/tests/integration/$test" && grep -qw "${1#*:}" "$SRC/tests/integration/$test" || { echo "$test: loses no answer of $1"; return 1; }
    done
}
all_lose() {
    while read -r -a line; do loses "${line[@]}" || return 1; done <"$TMP/lost"
}
ok "each of these tests loses it" all_lose
no_other() {
    jq -r 'select(.service == "aws" and .method != "ASKS" and .status == 200) | .action' "$TMP/called" |
        grep -E ':(Allocate|Associate|Attach|Authorize|Create|Execute|Import|Put|Request|Run|Start)' | sort -u >"$TMP/makes"
    cut -d' ' -f1 "$TMP/lost" | sort | diff - "$TMP/makes"
}
ok "what makes something is what the tests lose answers of" no_other
finish
