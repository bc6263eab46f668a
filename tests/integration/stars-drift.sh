#!/usr/bin/env bash
# What somebody changes by hand is found, exactly that, and mended, exactly that; and whatever single piece is
# missing, verify fails and names it.
. "$(dirname "$0")/lib.sh"
command -v kubectl >/dev/null || skip_all "kubectl is not installed"
command -v aws >/dev/null || skip_all "the aws command is not installed"
start_lab
isthmus apply stars --yes >"$TMP/out" 2>&1
pass_or_fail $? "apply"
lab snapshot >"$TMP/applied"

k() { kubectl --kubeconfig "$1" "${@:2}"; }
onprem() { k "$ISTHMUS_KUBECONFIG_CCP" "$@"; }
cloud() { k "$ISTHMUS_KUBECONFIG_AWS" "$@"; }
ec2() { aws ec2 --output text "$@"; }

# drift "what" "text that the plan shows" "text that verify shows, or -" command...
drift() {
    local what=$1 shown=$2 verified=$3
    shift 3
    "$@" >"$TMP/out" 2>&1 || {
        pass_or_fail 1 "$what: the change itself"
        return
    }
    if [ "$verified" != - ]; then
        exits 1 "$what: verify fails" isthmus verify stars
        says "$verified" "$what: and names it"
    fi
    exits 2 "$what: plan sees it" isthmus plan stars --detailed-exitcode
    says "$shown" "$what: and names it"
    ok "$what: apply mends it" isthmus apply stars --yes --allow-deferred
    mended() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
    ok "$what: and nothing else" mended
    exits 0 "$what: nothing is left" isthmus plan stars --detailed-exitcode
}

table=$(ec2 describe-route-tables --filters Name=tag:Name,Values='aws-private-route-table1' --query 'RouteTables[0].RouteTableId')
group=$(ec2 describe-security-groups --filters Name=group-name,Values='*worker group*' --query 'SecurityGroups[0].GroupId')
eni=$(ec2 describe-route-tables --route-table-ids "$table" --query "RouteTables[0].Routes[?DestinationCidrBlock=='10.1.0.0/16'].NetworkInterfaceId")

drift "a route is deleted" "192.168.0.0/16" "192.168.0.0/16" \
    ec2 delete-route --route-table-id "$table" --destination-cidr-block 192.168.0.0/16
drift "the workers' rule is revoked" "192.168.0.0/16" "security group" \
    ec2 revoke-security-group-ingress --group-id "$group" --ip-permissions "IpProtocol=-1,IpRanges=[{CidrIp=192.168.0.0/16}]"
drift "the source/dest check is on again" "SourceDestCheck" "source/dest" \
    ec2 modify-network-interface-attribute --network-interface-id "$eni" --source-dest-check
drift "SNAT is on again" "EXTERNALSNAT" "SNAT" \
    cloud -n kube-system set env daemonset/aws-node -c aws-node AWS_VPC_K8S_CNI_EXTERNALSNAT=false
router() { ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    -i "$ISTHMUS_ROUTER_KEY" -p "$ISTHMUS_ROUTER_PORT" "ec2-user@$ISTHMUS_ROUTER_ADDRESS" 2>&1 || true; }
router_line() { printf 'configure terminal\n%s\n%s\nend\nexit\n' "$1" "$2" | router; }
drift "a line of the router is gone" "tunnel key" "tunnel" router_line "interface Tunnel0" "no tunnel key 100"
drift "a slice is edited" "EndpointSlice" - \
    cloud -n stars patch endpointslice "$(cloud -n stars get endpointslice -o name | head -1 | cut -d/ -f2)" \
    --type=json -p '[{"op":"replace","path":"/endpoints/0/addresses/0","value":"192.168.99.99"}]'
drift "a policy is deleted" "frontend-policy" "client -> frontend" onprem -n stars delete networkpolicy frontend-policy
drift "a mirrored service is deleted" "frontend" - cloud -n stars delete service frontend
drift "a deployment is scaled" "backend" - onprem -n stars scale deployment backend --replicas=0
finish
