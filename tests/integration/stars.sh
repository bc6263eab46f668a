#!/usr/bin/env bash
# The walk-through from nothing to the picture and back: plan writes nothing, apply does it, a second plan is empty,
# destroy leaves the lab as it was, and apply right after makes everything anew.
# shellcheck disable=SC2016
. "$(dirname "$0")/lib.sh"
command -v jq >/dev/null && command -v aws >/dev/null && command -v kubectl >/dev/null || skip_all "jq, aws or kubectl is missing"
start_lab
serve_aws

lab snapshot >"$TMP/before"
ok "validate" isthmus validate stars
ok "the first plan" isthmus plan stars
for said in "cluster (ccp)" "eks (aws-eks): deferred: cluster is created first. " "vpc (aws-vpc): deferred" "router (csr-dmvpn): deferred" \
    "routes (aws-routes): deferred: vpc is deferred. " "pods (k8s-probe): nothing to plan, works in verify" \
    "app (k8s-apply): deferred: routes is deferred. " "services (k8s-svcmirror): deferred: app is deferred. " \
    "policies (k8s-apply): deferred: services is deferred. " "federation (k8s-netpol): deferred: policies is deferred. " \
    "picture (k8s-probe): nothing to plan, works in verify"; do
    says "$said" "tells of ${said%%:*}"
done
no_writes() { [ "$(writes)" = 0 ]; }
ok "has written nothing" no_writes
ok "apply" isthmus apply stars --yes
lab snapshot >"$TMP/applied"
before=$(writes)
exits 0 "a second plan is empty" isthmus plan stars --detailed-exitcode
nothing_more() { [ "$(writes)" = "$before" ]; }
ok "and has written nothing" nothing_more
ok "verify" isthmus verify stars
says "client -> frontend -> backend" "shows the picture"
ok "a second apply" isthmus apply stars --yes
unchanged() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
ok "changes nothing" unchanged

# ---- what its scripts look for in AWS, and what it types, by the commands of people ----
by_name() { aws ec2 "$1" --filters "Name=tag:Name,Values=$2" --query "$3" --output text; }
ok "aws sees the role that the file names" eval 'aws iam list-roles --query "Roles[].Arn" --output text | grep -q k8s-ccp-user'
ok "the cluster" test "$(aws eks describe-cluster --name aws --query cluster.status --output text)" = ACTIVE
VPC=$(by_name describe-vpcs '*aws*' 'Vpcs[].VpcId')
ok "one VPC by its name" eval '[[ $VPC == vpc-* && $VPC != *[[:space:]]* ]]'
ok "its subnets by theirs" test "$(by_name describe-subnets '*public-subnet1,*private-subnet1,*private-subnet2,*private-subnet3' 'length(Subnets)')" = 4
ok "the stack of the router" test "$(aws cloudformation describe-stacks --stack-name aws-csr --query 'Stacks[0].StackStatus' --output text)" = CREATE_COMPLETE
eni() { aws ec2 describe-network-interfaces --filters "Name=private-ip-address,Values=$1" --query "NetworkInterfaces[0].$2" --output text; }
ok "its interfaces, at .10 of the first subnets, of which the private one forwards" test "$(eni 10.0.106.10 SourceDestCheck) $(eni 10.0.109.10 SourceDestCheck)" = "True False"
ok "the Elastic IP" test "$(aws ec2 describe-addresses --query "Addresses[?NetworkInterfaceId=='$(eni 10.0.106.10 NetworkInterfaceId)']|length(@)" --output text)" = 1
leads() { by_name describe-route-tables '*private-route-table*' "length(RouteTables[].Routes[?DestinationCidrBlock=='$1' && NetworkInterfaceId=='$(eni 10.0.109.10 NetworkInterfaceId)'][])"; }
ok "three private tables that lead both networks to it" test "$(leads 10.1.0.0/16) $(leads 192.168.0.0/16)" = "3 3"
lets_in() { aws ec2 describe-security-groups --filters "Name=group-name,Values=*worker group*" --query "length(SecurityGroups[].IpPermissions[?IpProtocol=='-1'].IpRanges[][?CidrIp=='$1'][])" --output text; }
ok "and the workers' group that lets both in" test "$(lets_in 10.1.0.0/16) $(lets_in 192.168.0.0/16)" = "1 1"
export KUBECONFIG=$ISTHMUS_CFG/ccp-kubeconfig.yaml:$ISTHMUS_CFG/aws-kubeconfig.yaml
contexts() { [ "$(kubectl config get-contexts -o name | sort | paste -sd' ')" = "aws ccp" ]; }
ok "kubectl has the contexts aws and ccp" contexts
ok "ccp has the Services of stars, and those of the other cluster" kubectl --context ccp get svc -n stars frontend backend
ok "the client's too" kubectl --context ccp get svc -n client client
if old_aws; then
    skip "and management-ui an address in aws" "this aws asks AWS's own STS"
else
    ui() { kubectl get svc management-ui -n management-ui --context aws -o wide && [ -n "$(kubectl get svc management-ui -n management-ui --context aws -o jsonpath='{.status.loadBalancer.ingress[0].hostname}')" ]; }
    ok "and management-ui an address in aws" ui
fi
unset KUBECONFIG

# ---- secrets ----
# The walk-through's own and the lab's, in raw, percent and base64 form, in whatever is left on the disk or said.
secret_forms >"$TMP/forms"
no_secret_in() { ! grep -raF -f "$TMP/forms" -- "$@"; }
ok "no secret is in the state" no_secret_in "$ISTHMUS_STATE"*
isthmus apply stars --yes --trace --output jsonl >"$TMP/trace" 2>&1
isthmus plan stars --trace -o "$TMP/plan" >>"$TMP/trace" 2>&1
ok "nor in traces, events or plan files" no_secret_in "$TMP/trace" "$TMP/plan"

# ---- and away ----
ok "destroy" isthmus destroy stars --yes
gone() { lab snapshot >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }
ok "leaves the lab as it was" gone
# Each call that makes or changes something acts, and its answer is lost, once: whatever was called above, so that none
# is forgotten.
ours() { lab log --output jsonl | jq -r "select(.write and .method != \"ASKS\" and (.status $1)) | \"\(.service) \(.action)\"" | grep -v '^router ' | sort -u; }
ours '>= 200 and .status < 300' >"$TMP/made"
while read -r service action; do
    lab faults add "service=^$service\$" "action=^$action\$" effect=cut-after calls=writes
done <"$TMP/made" >"$TMP/faults"
ok "apply right after makes everything anew, though each call that writes loses an answer" isthmus apply stars --yes
same_again() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
ok "with the same objects" same_again
ok "which verify, by probes whose making loses its answer too" isthmus verify stars
ok "each of those that makes something did" eval 'ours "== 0" >"$TMP/lost"; ! grep -vxF -f "$TMP/lost" "$TMP/made" | grep -viE "delete|patch|revoke"'
lab faults clear >"$TMP/faults"
finish
