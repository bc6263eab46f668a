#!/usr/bin/env bash
# aws-vpc and aws-routes against a second AWS: made, found, mended, removed, and through faults.
. "$(dirname "$0")/fake-lib.sh"
command -v jq >/dev/null && command -v aws >/dev/null && command -v curl >/dev/null || skip_all "jq, curl or aws is missing"
start_fake

count_vpcs() { aws ec2 describe-vpcs --query 'length(Vpcs)' --output text; }
before=$(count_vpcs)
# How many there are of each; but for gateways, their addresses and interfaces: moto's CloudFormation deletes none.
world() {
    aws ec2 describe-subnets --query 'length(Subnets)'
    aws ec2 describe-route-tables --query 'length(RouteTables)'
    aws ec2 describe-security-groups --query 'length(SecurityGroups)'
    aws ec2 describe-managed-prefix-lists --query 'length(PrefixLists)'
    aws cloudformation describe-stacks --query 'length(Stacks)'
}
world >"$TMP/world"

cat >"$TMP/made.yaml" <<END
create: true
name: made
cidr: 10.0.0.0/16
public_cidrs: [10.0.1.0/24, 10.0.2.0/24]
private_cidrs: [10.0.11.0/24, 10.0.12.0/24]
tags: {team: network}
timeout: 60s
END

# ---- aws-vpc: make ----
ok "plan of a VPC to be made tells of one stack" changes 1 aws-vpc "$TMP/made.yaml" "$TMP/vpc.state"
ok "and calls nothing that writes" test "$(calls 'Create.*|Delete.*')" = 0
ok "apply makes it" run aws-vpc apply "$TMP/made.yaml" "$TMP/vpc.state"
VPC=$(jq -r .outputs.vpc_id "$TMP/json")
# Moto's CloudFormation knows no associations of route tables: what the stack asks for in vain is made by hand.
table_of() {
    aws cloudformation describe-stack-resource --stack-name made-vpc --logical-resource-id "$1" --query StackResourceDetail.PhysicalResourceId --output text
}
associate() {
    for pair in Public1:PublicTable Public2:PublicTable Private1:PrivateTable1 Private2:PrivateTable2; do
        aws ec2 associate-route-table --subnet-id "$(table_of "${pair%:*}")" --route-table-id "$(table_of "${pair#*:}")" --query AssociationId --output text
    done
}
# Nor does it delete route tables.
disassociate() {
    local table id
    for table in PublicTable PrivateTable1 PrivateTable2 "$@"; do
        for id in $(aws ec2 describe-route-tables --route-table-ids "$(table_of "$table")" --query 'RouteTables[0].Associations[].RouteTableAssociationId' --output text); do
            aws ec2 disassociate-route-table --association-id "$id"
        done
        aws ec2 delete-route-table --route-table-id "$(table_of "$table")"
    done
} >/dev/null
associate >"$TMP/associations"
ok "aws sees its subnets" test "$(aws ec2 describe-subnets --filters "Name=vpc-id,Values=$VPC" --query 'length(Subnets)' --output text)" = 4
ok "two private tables lead to the NAT gateway" test "$(aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$VPC" \
    --query 'length(RouteTables[].Routes[?NatGatewayId][])' --output text)" = 2
ok "a second plan is empty" changes 0 aws-vpc "$TMP/made.yaml" "$TMP/vpc.state"
jq -r '.outputs.private_route_tables | join(" ")' "$TMP/json" >"$TMP/tables"
ok "verify passes" run aws-vpc verify "$TMP/made.yaml" "$TMP/vpc.state"
sed 's/^private_cidrs.*/private_cidrs: [10.0.11.0\/24]/' "$TMP/made.yaml" >"$TMP/other.yaml"
one_update() {
    run aws-vpc plan "$TMP/other.yaml" "$TMP/vpc.state" && jq -e '.changes | length == 1 and .[0].action == "update"' "$TMP/json"
}
ok "a subnet less is planned as an update" one_update
sed 's/10.0.1.0/10.9.1.0/' "$TMP/made.yaml" >"$TMP/outside.yaml"
ok "a subnet outside of the VPC is refused" refuses "is not within the VPC's 10.0.0.0/16" aws-vpc plan "$TMP/outside.yaml" "$TMP/vpc.state"
cp "$TMP/made.yaml" "$TMP/stranger.yaml"
ok "a stack of that name that is somebody else's is refused" refuses "did not make" aws-vpc plan "$TMP/stranger.yaml" "$TMP/none.state"

# ---- aws-vpc: find ----
for how in "name_prefix: made" "id: $VPC" "tags: {team: network}"; do
    echo "$how" >"$TMP/find.yaml"
    found_it() { run aws-vpc plan "$TMP/find.yaml" "$TMP/find.state" && jq -e --arg id "$VPC" '.outputs.vpc_id == $id' "$TMP/json"; }
    ok "finds it by ${how%%:*}" found_it
done
SECOND=$(aws ec2 create-vpc --cidr-block 10.20.0.0/16 --tag-specifications 'ResourceType=vpc,Tags=[{Key=Name,Value=made-too}]' --query Vpc.VpcId --output text)
echo "name_prefix: made" >"$TMP/find.yaml"
ok "two that fit are listed" refuses "$SECOND" aws-vpc plan "$TMP/find.yaml" "$TMP/find.state"
echo "name_prefix: made-vpc" >"$TMP/find.yaml"
ok "a name that equals goes before the rest" changes 0 aws-vpc "$TMP/find.yaml" "$TMP/find.state"
echo "name_prefix: absent" >"$TMP/find.yaml"
ok "one that is not there is said with what is" refuses "$SECOND" aws-vpc plan "$TMP/find.yaml" "$TMP/find.state"

fault() { fake /_fake/config "{\"faults\": [$1]}" >/dev/null; }

# ---- aws-routes ----
read -r -a tables <"$TMP/tables"
SUBNET=$(aws ec2 describe-subnets --filters "Name=cidr-block,Values=10.0.11.0/24" --query 'Subnets[0].SubnetId' --output text)
ENI=$(aws ec2 create-network-interface --subnet-id "$SUBNET" --private-ip-address 10.0.11.10 --query NetworkInterface.NetworkInterfaceId --output text)
OTHER=$(aws ec2 create-network-interface --subnet-id "$SUBNET" --private-ip-address 10.0.11.11 --query NetworkInterface.NetworkInterfaceId --output text)
GROUP=$(aws ec2 create-security-group --vpc-id "$VPC" --group-name "made worker group" --description workers --query GroupId --output text)
cat >"$TMP/routes.yaml" <<END
vpc_id: $VPC
route_tables: [${tables[0]}, ${tables[1]}]
next_hop: {kind: eni, id: $ENI}
onPremCidr: 10.1.0.0/16
onPremPodCidr: 192.168.0.0/16
END
# Moto mixes the rules of a group up as soon as it has described two of them: here each group has one.
{
    sed '/onPremPodCidr/d' "$TMP/routes.yaml"
    echo "security_groups: [$GROUP]"
} >"$TMP/fewer.yaml"
S=$TMP/routes.state
routes_to() { aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$VPC" --query "length(RouteTables[].Routes[?NetworkInterfaceId=='$1'][])" --output text; }
rules() { aws ec2 describe-security-groups --group-ids "$GROUP" --query "length(SecurityGroups[0].IpPermissions[?IpProtocol=='-1'].IpRanges[])" --output text; }

ok "plan tells of four routes" changes 4 aws-routes "$TMP/routes.yaml" "$S"
ok "apply makes them" run aws-routes apply "$TMP/routes.yaml" "$S"
ok "four routes lead to the interface" test "$(routes_to "$ENI")" = 4
ok "a second plan is empty" changes 0 aws-routes "$TMP/routes.yaml" "$S"
aws ec2 delete-route --route-table-id "${tables[0]}" --destination-cidr-block 10.1.0.0/16
ok "a route that was deleted is the only change" changes 1 aws-routes "$TMP/routes.yaml" "$S"
ok "and is mended" run aws-routes apply "$TMP/routes.yaml" "$S"
aws ec2 replace-route --route-table-id "${tables[0]}" --destination-cidr-block 10.1.0.0/16 --network-interface-id "$OTHER"
bent() { run aws-routes plan "$TMP/routes.yaml" "$S" && jq -e '.changes | length == 1 and .[0].action == "update"' "$TMP/json"; }
ok "a route that was bent is planned as an update" bent
ok "and is mended" run aws-routes apply "$TMP/routes.yaml" "$S"
ok "nothing is there twice" test "$(routes_to "$ENI") $(rules)" = "4 0"
sed 's/^onPremCidr.*/onPremCidr: 10.0.64.0\/18/' "$TMP/routes.yaml" >"$TMP/overlap.yaml"
ok "a network that overlaps with the VPC is refused" refuses "overlaps with the VPC" aws-routes plan "$TMP/overlap.yaml" "$S"
ok "a network asked for no more is removed" run aws-routes apply "$TMP/fewer.yaml" "$S"
ok "and a group that is asked for now lets in" test "$(routes_to "$ENI") $(rules)" = "2 1"
ok "a second plan is empty again" changes 0 aws-routes "$TMP/fewer.yaml" "$S"
RULE=$(aws ec2 describe-security-group-rules --filters "Name=group-id,Values=$GROUP" --query "SecurityGroupRules[?CidrIpv4=='10.1.0.0/16'].SecurityGroupRuleId" --output text)
aws ec2 revoke-security-group-ingress --group-id "$GROUP" --security-group-rule-ids "$RULE" >/dev/null
ok "a rule that was revoked is the only change" changes 1 aws-routes "$TMP/fewer.yaml" "$S"
ok "and is mended" run aws-routes apply "$TMP/fewer.yaml" "$S"
ok "once" test "$(rules)" = 1
sed "s/kind: eni, id: .*/kind: ip, id: 10.0.11.10}/" "$TMP/fewer.yaml" >"$TMP/address.yaml"
ok "a next hop by address is the same interface" changes 0 aws-routes "$TMP/address.yaml" "$S"
TWIN=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
TWIN_SUBNET=$(aws ec2 create-subnet --vpc-id "$TWIN" --cidr-block 10.0.11.0/24 --query Subnet.SubnetId --output text)
TWIN_ENI=$(aws ec2 create-network-interface --subnet-id "$TWIN_SUBNET" --private-ip-address 10.0.11.10 --query NetworkInterface.NetworkInterfaceId --output text)
ok "one that another VPC has too is looked for in its own" changes 0 aws-routes "$TMP/address.yaml" "$S"
sed -i '/^vpc_id/d' "$TMP/address.yaml"
ok "and where none is named both are listed" refuses "$TWIN_ENI in $TWIN" aws-routes plan "$TMP/address.yaml" "$S"
aws ec2 delete-network-interface --network-interface-id "$TWIN_ENI"
aws ec2 delete-subnet --subnet-id "$TWIN_SUBNET"
aws ec2 delete-vpc --vpc-id "$TWIN"

sed "s/kind: eni, id: .*/kind: eni, id: eni-0123456789abcdef0}/" "$TMP/fewer.yaml" >"$TMP/absent.yaml"
ok "a next hop that does not exist is refused in plan" refuses "there is no interface eni-0123456789abcdef0" aws-routes plan "$TMP/absent.yaml" "$S"

# ---- prefix lists: they stand for the networks in them ----
list_of() { # list_of NAME CIDR...
    local entries=()
    for cidr in "${@:2}"; do entries+=("Cidr=$cidr,Description=net"); done # moto loses an entry of one member
    aws ec2 create-managed-prefix-list --prefix-list-name "$1" --max-entries 70 --address-family IPv4 --entries "${entries[@]}" --query PrefixList.PrefixListId --output text
}
# A table that goes with its route: moto deletes none that names a list.
LISTED=$(aws ec2 create-route-table --vpc-id "$VPC" --query RouteTable.RouteTableId --output text)
LIST=$(list_of onprem 10.1.0.0/16 172.16.0.0/12)
cat >"$TMP/lists.yaml" <<END
vpc_id: $VPC
route_tables: [$LISTED]
security_groups: [$GROUP]
next_hop: {kind: eni, id: $ENI}
onPremCidr: 172.16.0.0/12
END
aws ec2 authorize-security-group-ingress --group-id "$GROUP" --ip-permissions "IpProtocol=-1,PrefixListIds=[{PrefixListId=$LIST}]" >"$TMP/out"
L=$TMP/lists.state
ok "a rule by a prefix list lets its networks in" changes 1 aws-routes "$TMP/lists.yaml" "$L"
sed -i 's#^onPremCidr.*#onPremCidr: 172.20.0.0/16#' "$TMP/lists.yaml"
ok "and a part of one" changes 1 aws-routes "$TMP/lists.yaml" "$L"
ok "apply makes the route alone" run aws-routes apply "$TMP/lists.yaml" "$L"
ok "no rule beside the list's" test "$(rules)" = 1
run aws-routes verify "$TMP/lists.yaml" "$L" >"$TMP/out"
ok "verify names the list" grep -q "by the rule for $LIST" "$TMP/ran"
ok "destroy leaves it" run aws-routes destroy "$TMP/lists.yaml" "$L"
held() { aws ec2 describe-security-groups --group-ids "$GROUP" --query "length(SecurityGroups[0].IpPermissions[].PrefixListIds[])" --output text; }
ok "where it was" test "$(held)" = 1
cp "$TMP/lists.yaml" "$TMP/listed.yaml"
fault '{"action": "DescribeManagedPrefixLists", "code": "UnauthorizedOperation", "status": 403, "times": 9}'
ok "where lists may not be read, only what names networks counts" changes 2 aws-routes "$TMP/listed.yaml" "$L"
ok "with a warning" grep -q "what prefix lists in routes and rules stand for is not known" "$TMP/ran"
fault ""
aws ec2 revoke-security-group-ingress --group-id "$GROUP" --ip-permissions "IpProtocol=-1,PrefixListIds=[{PrefixListId=$LIST}]" >"$TMP/out"
aws ec2 delete-route-table --route-table-id "$LISTED"
aws ec2 delete-managed-prefix-list --prefix-list-id "$LIST" >"$TMP/out"

# ---- faults ----
for rule in '"code": "RequestLimitExceeded", "status": 503, "times": 2' '"drop": true, "times": 2' '"raw": "<html>proxy</html>", "status": 502, "times": 2'; do
    aws ec2 delete-route --route-table-id "${tables[0]}" --destination-cidr-block 10.1.0.0/16
    fault "{\"action\": \"CreateRoute|DescribeRouteTables\", $rule}"
    ok "comes through: $rule" run aws-routes apply "$TMP/fewer.yaml" "$S"
    fault ""
    ok "with one route: $rule" test "$(routes_to "$ENI")" = 2
done
aws ec2 delete-route --route-table-id "${tables[0]}" --destination-cidr-block 10.1.0.0/16
fault '{"action": "CreateRoute", "code": "UnauthorizedOperation", "status": 403, "times": 9}'
ok "a refusal names the call and the code" refuses "UnauthorizedOperation" aws-routes apply "$TMP/fewer.yaml" "$S"
ok "and the call" grep -qE "EC2 CreateRoute rtb-[0-9a-f]+ in us-west-2" "$TMP/ran"
fault ""
ok "and is made good by the next run" run aws-routes apply "$TMP/fewer.yaml" "$S"
AWS_SECRET_ACCESS_KEY=wrong-secret run aws-routes plan "$TMP/fewer.yaml" "$S" >/dev/null && status=1 || status=0
pass_or_fail $status "a wrong secret is refused"
ok "and says what to check" grep -q "SignatureDoesNotMatch" "$TMP/ran"
ok "no secret is told" sh -c "! grep -e wrong-secret -e secretexample '$TMP/ran.all'"

# ---- and away ----
aws ec2 create-route --route-table-id "${tables[1]}" --destination-cidr-block 172.20.0.0/16 --network-interface-id "$ENI" >/dev/null
ok "destroy" run aws-routes destroy "$TMP/fewer.yaml" "$S"
ok "leaves what it did not make" test "$(routes_to "$ENI") $(rules)" = "1 0"
ok "a second destroy finds nothing to do" run aws-routes destroy "$TMP/fewer.yaml" "$S"
aws ec2 delete-route --route-table-id "${tables[1]}" --destination-cidr-block 172.20.0.0/16
aws ec2 delete-network-interface --network-interface-id "$ENI"
aws ec2 delete-network-interface --network-interface-id "$OTHER"
aws ec2 delete-security-group --group-id "$GROUP"
aws ec2 delete-vpc --vpc-id "$SECOND"
disassociate
ok "destroy of the VPC" run aws-vpc destroy "$TMP/made.yaml" "$TMP/vpc.state"
ok "leaves as many as there were" test "$(count_vpcs)" = "$before"
ok "apply right after makes a new one" run aws-vpc apply "$TMP/made.yaml" "$TMP/vpc.state"
fresh() { [ "$(jq -r .outputs.vpc_id "$TMP/json")" != "$VPC" ]; }
ok "and not the old one again" fresh
associate >"$TMP/associations"
disassociate
ok "destroy again" run aws-vpc destroy "$TMP/made.yaml" "$TMP/vpc.state"

# ---- one that is made, changed by hand, and in place ----
ok "made once more" run aws-vpc apply "$TMP/made.yaml" "$TMP/vpc.state"
VPC=$(jq -r .outputs.vpc_id "$TMP/json")
associate >"$TMP/associations"
aws ec2 delete-route --route-table-id "$(table_of PrivateTable1)" --destination-cidr-block 0.0.0.0/0
aws ec2 disassociate-route-table --association-id "$(head -1 "$TMP/associations")"
told() { run aws-vpc plan "$TMP/made.yaml" "$TMP/vpc.state" && jq -re '[.changes[0].fields[].field] | sort | join(" ")' "$TMP/json" >"$TMP/told"; }
ok "what is gone by hand is told" told
ok "one by one" test "$(cat "$TMP/told")" = "PrivateDefault1 Public1Association"
ok "and put back" run aws-vpc apply "$TMP/made.yaml" "$TMP/vpc.state"
ok "whole" changes 0 aws-vpc "$TMP/made.yaml" "$TMP/vpc.state"
gone_is_told() {
    local nat
    nat=$(table_of Nat)
    aws ec2 delete-route --route-table-id "$(table_of PrivateTable1)" --destination-cidr-block 0.0.0.0/0
    aws ec2 delete-nat-gateway --nat-gateway-id "$nat" >"$TMP/out"
    refuses "$nat: is gone: PrivateDefault1 of the stack leads to it" aws-vpc plan "$TMP/made.yaml" "$TMP/vpc.state"
}
sed -i 's#^private_cidrs.*#private_cidrs: [10.0.11.0/24, 10.0.12.0/24, 10.0.13.0/24]#' "$TMP/made.yaml"
ok "a subnet more is made in place" run aws-vpc apply "$TMP/made.yaml" "$TMP/vpc.state"
subnets() { aws ec2 describe-subnets --filters "Name=vpc-id,Values=$VPC" --query 'length(Subnets)' --output text; }
ok "in the same VPC" test "$(jq -r .outputs.vpc_id "$TMP/json") $(subnets)" = "$VPC 5"
# Of a new subnet moto's CloudFormation makes no association either. (Of what it changes, as tags, it forgets the ids: an
# update of tags is for the lab alone.)
ok "with the table that it has to have" run aws-vpc apply "$TMP/made.yaml" "$TMP/vpc.state"
ok "then nothing is left to do" changes 0 aws-vpc "$TMP/made.yaml" "$TMP/vpc.state"
ok "a gateway that is gone with its route is told in plan" gone_is_told
disassociate PrivateTable3
ok "and destroy takes away what was made and changed" run aws-vpc destroy "$TMP/made.yaml" "$TMP/vpc.state"
world >"$TMP/world.after"
ok "nothing is left" diff "$TMP/world" "$TMP/world.after"
finish
