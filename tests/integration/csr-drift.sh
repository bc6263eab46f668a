#!/usr/bin/env bash
# csr-dmvpn alone against the lab: what somebody changes by hand on the router's machine, or takes away. The plan shows
# exactly that, apply mends exactly that.
# shellcheck disable=SC1091
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
. "$(dirname "$0")/router-lib.sh"
command -v aws >/dev/null || skip_all "the aws command is not installed"
start_lab
serve_aws
ok "there is a VPC with the walk-through's subnets" make_vpc
sed -i 's/^settle: .*/settle: 3s\ntags: {team: network}/' "$TMP/in.yaml"
sed 's/^settle: .*/settle: 100ms/' "$TMP/in.yaml" >"$TMP/soon.yaml"
ok "apply launches and configures the router" csr apply
ok "the second plan is empty" changes 0
lab snapshot >"$TMP/applied"
aws_ec2() { aws ec2 --output text "$@"; }
shows() { grep -qF -- "$1" "$TMP/plan.json" || { cat "$TMP/plan.json"; return 1; }; }
output() { tr -d ' ",' <"$TMP/rec.json" | sed -n "s/^$1://p" | head -1; }
same_world() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
# drift N "what" "evidence" command...: verify and plan name it, in N fields; apply mends it and nothing else
drift() {
    local count=$1 what=$2 evidence=$3 fields
    shift 3
    "$@" >"$TMP/out" 2>&1 || {
        pass_or_fail 1 "$what: the change itself"
        return
    }
    IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
    ok "$what: verify names it" check_is fail "interfaces and security group" "$evidence"
    ok "$what: plan shows it" csr plan
    ok "$what: and what it was" shows "$evidence"
    fields=$(grep -c '"field"' "$TMP/plan.json")
    ok "$what: and nothing else" [ "$fields" = "$count" ]
    ok "$what: apply mends it" csr apply
    ok "$what: and nothing else" same_world
    ok "$what: the plan is empty again" changes 0
}
GROUP=$(output security_group) INSIDE=$(output id | grep eni)
OUTSIDE=$(aws_ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, outside']|[0].NetworkInterfaceId")
eni() { aws_ec2 describe-network-interfaces --network-interface-ids "$1" --query "NetworkInterfaces[0].$2"; }
allow() { aws_ec2 "authorize-security-group-$1" --group-id "$GROUP" --ip-permissions "$2"; }
forbid() { aws_ec2 "revoke-security-group-$1" --group-id "$GROUP" --ip-permissions "$2"; }

# ---- rules, one by one ----
drift 1 "a rule that nobody declared" "Group: tcp 8080-8090 from 203.0.113.0/24 (by hand)" \
    allow ingress "IpProtocol=tcp,FromPort=8080,ToPort=8090,IpRanges=[{CidrIp=203.0.113.0/24,Description=by hand}]"
drift 1 "one that names a group" "Group: everything from $GROUP" allow ingress "IpProtocol=-1,UserIdGroupPairs=[{GroupId=$GROUP}]"
drift 1 "one of the other family" "Group: tcp 22 from ::/0" allow ingress "IpProtocol=tcp,FromPort=22,ToPort=22,Ipv6Ranges=[{CidrIpv6=::/0}]"
wider() {
    forbid ingress "IpProtocol=udp,FromPort=500,ToPort=500,IpRanges=[{CidrIp=0.0.0.0/0}]" &&
        allow ingress "IpProtocol=udp,FromPort=1,ToPort=65535,IpRanges=[{CidrIp=0.0.0.0/0}]"
}
drift 2 "a declared rule was made wider" "Group: udp 1-65535 from 0.0.0.0/0" wider
twice() { allow ingress "IpProtocol=icmp,FromPort=-1,ToPort=-1,IpRanges=[{CidrIp=192.0.2.0/24}]" && allow ingress "IpProtocol=47,IpRanges=[{CidrIp=192.0.2.0/24}]"; }
drift 2 "ICMP and a bare protocol" "Group: 47 from 192.0.2.0/24" twice
drift 1 "nothing may leave" "Group: everything to 0.0.0.0/0" forbid egress "IpProtocol=-1,IpRanges=[{CidrIp=0.0.0.0/0}]"
drift 1 "a rule for what leaves" "Group: tcp 25 to 198.51.100.7/32" allow egress "IpProtocol=tcp,FromPort=25,ToPort=25,IpRanges=[{CidrIp=198.51.100.7/32}]"
drift 1 "no SSH any more" "Group: tcp 22 from 0.0.0.0/0 (SSH)" forbid ingress "IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=0.0.0.0/0}]"

# ---- interfaces, address, tags ----
OTHER=$(aws_ec2 create-security-group --group-name by-hand --description "by hand" --vpc-id "$VPC" --query GroupId)
lab snapshot >"$TMP/applied"
drift 1 "a second group on an interface" "Outside.GroupSet" aws_ec2 modify-network-interface-attribute --network-interface-id "$OUTSIDE" --groups "$GROUP" "$OTHER"
drift 1 "another group on an interface" "Inside.GroupSet" aws_ec2 modify-network-interface-attribute --network-interface-id "$INSIDE" --groups "$OTHER"
drift 1 "source/dest check on the inside" "Inside.SourceDestCheck" aws_ec2 modify-network-interface-attribute --network-interface-id "$INSIDE" --source-dest-check
drift 1 "no source/dest check on the outside" "Outside.SourceDestCheck" aws_ec2 modify-network-interface-attribute --network-interface-id "$OUTSIDE" --no-source-dest-check
detach() { aws_ec2 detach-network-interface --attachment-id "$(eni "$INSIDE" Attachment.AttachmentId)"; }
drift 1 "the inside interface is detached" "Inside.Attachment" detach
away() { aws_ec2 disassociate-address --association-id "$(eni "$OUTSIDE" Association.AssociationId)"; }
drift 1 "the Elastic IP is taken away" "Association" away
moved() { away && aws_ec2 associate-address --allocation-id "$(aws_ec2 describe-addresses --query 'Addresses[0].AllocationId')" --network-interface-id "$INSIDE"; }
drift 1 "the Elastic IP is somewhere else" "Association" moved
untag() { aws_ec2 delete-tags --resources "$OUTSIDE" --tags Key=team; }
drift 1 "a tag of the stack is gone" "Outside.Tags.team" untag
retag() { aws_ec2 create-tags --resources "$(output instance_id)" --tags Key=team,Value=sales; }
drift 1 "a tag of the stack has another value" "Router.Tags.team" retag
extra() { aws_ec2 create-tags --resources "$(output instance_id)" "$GROUP" --tags Key=cost,Value=42 && changes 0; }
ok "tags that others add are theirs" extra
aws_ec2 delete-tags --resources "$(output instance_id)" "$GROUP" --tags Key=cost >/dev/null

# ---- the instance ----
halt() { aws_ec2 stop-instances --instance-ids "$(output instance_id)" && becomes stopped "$(output instance_id)"; }
start() { aws_ec2 start-instances --instance-ids "$(output instance_id)" && becomes running "$(output instance_id)"; }
kill_it() { aws_ec2 terminate-instances --instance-ids "$(output instance_id)" && becomes terminated "$(output instance_id)"; }
resize() { halt && aws_ec2 modify-instance-attribute --instance-id "$(output instance_id)" --instance-type Value=t3.medium && start; }
drift 1 "another size" "Router.InstanceType" resize
data() { halt && aws_ec2 modify-instance-attribute --instance-id "$(output instance_id)" --attribute userData --value "$(printf 'hostname other' | base64)" && start; }
ok "other user data" data
# shellcheck disable=SC2016 # evaluated later
ok "is no difference" eval 'csr apply; changes 0'
ok "the router is stopped" halt
IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
ok "verify names it" check_is fail "router runs" stopped
ok "plan: one change" changes 1
ok "that it is started" shows "its instance is stopped: it is started"
ok "apply starts it" csr apply
ok "and it works as before" csr verify
ok "nothing else has changed" same_world
kept() { [ "$(output security_group) $(output id | grep eni) $(output nbma_address)" = "$GROUP $INSIDE $ADDRESS" ]; }
ADDRESS=$(output nbma_address)
GONE=$(output instance_id)
ok "the router is terminated" kill_it
IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
ok "verify names it" check_is fail "interfaces and security group" "Router $GONE is terminated"
ok "plan shows it" csr plan
ok "and which it was" shows "Router $GONE is terminated"
knows() { shows "\"$INSIDE\"" && shows "\"$ADDRESS\"" && ! grep -q "\"instance_id\": \"$GONE\"" "$TMP/plan.json"; }
ok "what stays is known beforehand" knows
ok "apply launches another" csr apply
ok "with the interfaces and the Elastic IP of the first" kept
ok "which works" csr verify
ok "the plan is empty again" changes 0
lose_address() { away && aws_ec2 release-address --allocation-id "$(aws_ec2 describe-addresses --query 'Addresses[0].AllocationId')"; }
GONE=$(output instance_id)
ok "the Elastic IP is released" lose_address
ok "plan shows that" csr plan
ok "and which it was" shows "Address $ADDRESS is released"
ok "apply gets another" csr apply
ok "the router is the same" [ "$(output instance_id)" = "$GONE" ]
ok "and works" csr verify
lose_interface() { kill_it && aws_ec2 delete-network-interface --network-interface-id "$INSIDE"; }
ok "router and inside interface are gone" lose_interface
ok "plan shows both" csr plan
ok "the interface too" shows "Inside $INSIDE is deleted"
ok "apply makes them anew" csr apply
ok "and they work" csr verify
ok "the plan is empty again" changes 0
lose_all() { kill_it && away; aws_ec2 release-address --allocation-id "$(aws_ec2 describe-addresses --query 'Addresses[0].AllocationId')"
    INSIDE=$(output id | grep eni)
    aws_ec2 delete-network-interface --network-interface-id "$INSIDE" && aws_ec2 delete-network-interface --network-interface-id "$OUTSIDE" &&
        aws_ec2 delete-security-group --group-id "$GROUP"; }
ok "all that the stack made is gone" lose_all
ok "apply makes it anew" csr apply
ok "and it works" csr verify
ok "destroy removes it" csr destroy
finish
