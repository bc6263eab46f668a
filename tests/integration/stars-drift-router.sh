#!/usr/bin/env bash
# What somebody does by hand to the router's machine, seen from the whole pipeline: the plan shows exactly that, in the
# router's step; apply mends exactly that, and nothing behind the router changes. csr-drift.sh has it piece by piece.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/drift-lib.sh"

instance() {
    ec2 describe-instances --filters Name=tag:Name,Values=aws-csr Name=instance-state-name,Values=running,stopped \
        --query 'Reservations[0].Instances[0].InstanceId'
}
eni() { ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, $1']|[0].NetworkInterfaceId"; }
OUTSIDE=$(eni outside) INSIDE=$(eni inside)
GROUP=$(ec2 describe-network-interfaces --network-interface-ids "$OUTSIDE" --query 'NetworkInterfaces[0].Groups[0].GroupId')
# The plan speaks of one step, the router's.
only_router() { isthmus plan stars >"$TMP/plan" && [ "$(grep -oE '^[a-z]+ \(' "$TMP/plan")" = "router (" ]; }

drift "a rule that nobody declared" 'Group: tcp 8080-8090 from 203.0.113.0/24 (by-hand): "open" -> "closed"' "tcp 8080-8090" \
    ec2 authorize-security-group-ingress --group-id "$GROUP" --ip-permissions "IpProtocol=tcp,FromPort=8080,ToPort=8090,IpRanges=[{CidrIp=203.0.113.0/24,Description=by-hand}]"
state_is() { ec2 wait "instance-$1" --instance-ids "$2"; }
halt() { ec2 stop-instances --instance-ids "$1" && state_is stopped "$1"; }
drift "the router is stopped" "its instance is stopped: it is started" "its instance is stopped" halt "$(instance)"
GONE=$(instance) ADDRESS=$(ec2 describe-addresses --query 'Addresses[0].PublicIp')
finish_it() { ec2 terminate-instances --instance-ids "$GONE" && state_is terminated "$GONE"; }
ok "the router is terminated" finish_it
ok "verify fails and names it" verify_names "Router $GONE is terminated"
ok "the plan speaks of the router's step alone" only_router
ok "which it names" grep -q "Router $GONE is terminated" "$TMP/plan"
ok "apply makes another without a question" isthmus apply stars --yes
same() { [ "$(eni outside) $(eni inside)" = "$OUTSIDE $INSIDE" ] && [ "$(ec2 describe-addresses --query 'Addresses[0].PublicIp')" = "$ADDRESS" ] && [ "$(instance)" != "$GONE" ]; }
ok "with the interfaces and the Elastic IP of the first" same
exits 0 "nothing is left" isthmus plan stars --detailed-exitcode
ok "and the whole picture holds" isthmus verify stars
finish
