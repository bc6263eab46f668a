#!/usr/bin/env bash
# Reachability between the lab's two clusters is derived: each piece that is undone changes what a probe pod reports,
# and the lab names it.
. "$(dirname "$0")/lib.sh"
command -v kubectl >/dev/null || skip_all "kubectl is not installed"
command -v aws >/dev/null || skip_all "the aws command is not installed"
start_lab
serve_aws
isthmus apply stars --yes >"$TMP/out" 2>&1
pass_or_fail $? "a pipeline makes the way between the clusters"

on() { timeout 30 kubectl --kubeconfig "$TMP/lab/$1.kubeconfig" "${@:2}"; }
ec2() { timeout 30 aws ec2 --output text "$@"; }
for cluster in ccp aws; do
    on $cluster apply -f - >/dev/null <<EOF
apiVersion: v1
kind: Pod
metadata: {name: listener, namespace: default}
spec: {containers: [{name: l, image: busybox, env: [{name: ISTHMUS_PROBE_LISTEN, value: "18080"}]}]}
EOF
    on $cluster wait --for=condition=Ready pod/listener --timeout=10s >/dev/null
done
address() { on "$1" get pod "$2" -n default -o 'jsonpath={.status.podIP}'; }

# probe FROM TO: a client pod's termination message and the lab's reasons, in $TMP/out; its address in $OWN.
probe() {
    on "$1" delete pod client -n default --ignore-not-found --wait >/dev/null
    on "$1" apply -f - >/dev/null <<EOF
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec:
  restartPolicy: Never
  containers:
  - {name: c, image: busybox, env: [{name: ISTHMUS_PROBE_TARGETS, value: "t=tcp:$(address "$2" listener):18080"}]}
EOF
    within 10 succeeded on "$1" -n default
    OWN=$(address "$1" client)
    on "$1" get pod client -n default -o 'jsonpath={.status.containerStatuses[0].state.terminated.message}{.metadata.annotations}' >"$TMP/out"
}
# undone "what" "reason" FROM TO cmd... -- cmd...: undo, see it named, put it back, see it gone
undone() {
    local what=$1 reason=$2 from=$3 to=$4 undo=()
    shift 4
    while [ "$1" != -- ]; do
        undo+=("$1")
        shift
    done
    shift
    "${undo[@]}" >"$TMP/out" 2>&1 || echo "# $what: $(tail -1 "$TMP/out")"
    probe "$from" "$to"
    says "t fail timeout" "$what: $from no longer reaches $to"
    says "$reason" "and the lab names it"
    "$@" >"$TMP/out" 2>&1 || echo "# $what, back: $(tail -1 "$TMP/out")"
    ok "once it is back, the listener sees the pod's own address" eventually sees_own "$from" "$to"
}
# A tunnel takes its time to come up.
sees_own() {
    probe "$1" "$2"
    grep -qF "t ok source=$OWN" "$TMP/out"
}

probe aws ccp
says "t ok source=$OWN" "a pod in EKS reaches one on premises, with its own address"
probe ccp aws
says "t ok source=$OWN" "and the other way round"

table=$(ec2 describe-route-tables --filters Name=tag:Name,Values='aws-private-route-table*' --query 'RouteTables[].RouteTableId')
eni=$(ec2 describe-route-tables --filters Name=tag:Name,Values='aws-private-route-table1' \
    --query "RouteTables[0].Routes[?DestinationCidrBlock=='192.168.0.0/16'].NetworkInterfaceId")
group=$(ec2 describe-security-groups --filters Name=group-name,Values='*worker group*' --query 'SecurityGroups[0].GroupId')
no_routes() { for t in $table; do ec2 delete-route --route-table-id "$t" --destination-cidr-block 192.168.0.0/16; done; }
routes() { for t in $table; do ec2 create-route --route-table-id "$t" --destination-cidr-block 192.168.0.0/16 --network-interface-id "$eni"; done; }
rule="IpProtocol=-1,IpRanges=[{CidrIp=192.168.0.0/16}]"

undone "the routes to the pods on premises" "VPC: " aws ccp no_routes -- routes
undone "the same routes, for answers" "for the answers" ccp aws no_routes -- routes
undone "the workers' ingress rule" "VPC: " ccp aws ec2 revoke-security-group-ingress --group-id "$group" --ip-permissions "$rule" \
    -- ec2 authorize-security-group-ingress --group-id "$group" --ip-permissions "$rule"
undone "forwarding by the router's interface" "source/dest" aws ccp ec2 modify-network-interface-attribute --network-interface-id "$eni" --source-dest-check \
    -- ec2 modify-network-interface-attribute --network-interface-id "$eni" --no-source-dest-check
read -r assoc alloc outside <<<"$(aws ec2 describe-addresses --filters Name=domain,Values=vpc --output text \
    --query "Addresses[?Tags[?Key=='aws:cloudformation:stack-name']].[AssociationId,AllocationId,NetworkInterfaceId]" | head -1)"
if [ -n "${assoc:-}" ] && [ "$assoc" != None ]; then
    undone "the router's Elastic IP" "tunnel: " aws ccp ec2 disassociate-address --association-id "$assoc" \
        -- ec2 associate-address --allocation-id "$alloc" --network-interface-id "$outside"
fi
# The router's table: the longest prefix wins, then the least administrative distance.
router=$(ec2 describe-addresses --query "Addresses[?NetworkInterfaceId=='$outside'].PublicIp|[0]")
router() {
    printf '%s\n' 'configure terminal' "$@" end exit | timeout 30 ssh -tt -o BatchMode=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i "$ISTHMUS_ROUTER_KEY" -p "$ISTHMUS_ROUTER_PORT" "ec2-user@$router"
}
null0() { router "$1ip route $2 Null0"; }
undone "the way to the pods, by a route to nowhere" "192.168.0.0/16 by Null0" aws ccp null0 "" "192.168.0.0 255.255.0.0" \
    -- null0 "no " "192.168.0.0 255.255.0.0"
listener=$(address aws listener)
undone "the way to one pod in the VPC, by a narrower one" "$listener/32 by Null0" ccp aws null0 "" "$listener 255.255.255.255" \
    -- null0 "no " "$listener 255.255.255.255"
null0 "" "192.168.0.0 255.255.128.0" >"$TMP/out" 2>&1
ok "with a route to nowhere for half of the pods verify fails and names the line" \
    verify_names "ip route 192.168.0.0 255.255.128.0 Null0"
null0 "no " "192.168.0.0 255.255.128.0" >"$TMP/out" 2>&1

undone "an egress policy" "Egress of pod default/client" ccp aws on ccp apply -f - -- on ccp delete networkpolicy no-way-out -n default <<EOF
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: no-way-out, namespace: default}
spec: {podSelector: {}, policyTypes: [Egress]}
EOF

# ---- addresses ----
eni_has() { ec2 describe-network-interfaces --filters "Name=addresses.private-ip-address,Values=$1" --query 'length(NetworkInterfaces)'; }
probe aws ccp
ok "a pod that has completed still tells its address" test -n "$OWN"
ok "which its node's interface gave back" test "$(eni_has "$OWN")" = 0
ok "unlike a running one's" test "$(eni_has "$(address aws listener)")" = 1
lab set ccp snat=on
exits 1 "SNAT on premises is the lack of a pool" on ccp get ippools.crd.projectcalico.org cloud-pods
probe ccp aws
says "t ok source=10.1.0." "without the pool that covers the cloud's pods, Calico lets pods go out with their node's address"
lab set ccp snat=off
probe ccp aws
says "t ok source=$OWN" "with it, with their own"
lab set aws snat=on
ok "SNAT in EKS is a variable of the VPC CNI" test \
    "$(on aws get ds -n kube-system aws-node -o 'jsonpath={..env[?(@.name=="AWS_VPC_K8S_CNI_EXTERNALSNAT")].value}')" = false
probe aws ccp
grep -q "t ok source=10.0" "$TMP/out" && ! grep -qF "source=$OWN" "$TMP/out"
pass_or_fail $? "with the VPC CNI's SNAT on, pods go out with their node's address"
on aws -n kube-system set env daemonset/aws-node -c aws-node AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS=192.168.0.0/16 >/dev/null
probe aws ccp
says "t ok source=$OWN" "unless the other pods are spared by name"

lab set aws snat=off
lab set ccp snat=hidden
on ccp get ippools.crd.projectcalico.org cloud-pods -o name >"$TMP/pool"
probe ccp aws
says "t ok source=10.1.0." "SNAT by rules of the nodes shows in the source"
ok "and in no object" test -s "$TMP/pool"
lab set ccp snat=off
exits 1 "a switch that is none is refused" lab set ccp snat=maybe

# ---- who enforces ----
on aws apply -f - >/dev/null <<EOF
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: default}
spec: {podSelector: {}}
EOF
probe ccp aws
says "Ingress of pod default/listener is isolated by NetworkPolicy default/nobody" "a policy in EKS holds by the Calico that was applied"
on aws delete daemonset calico-node -n kube-system >/dev/null
on aws wait --for=delete daemonset/calico-node -n kube-system --timeout=5s >/dev/null 2>&1
probe ccp aws
says "t ok" "and no longer without it"
finish
