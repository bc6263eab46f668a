#!/usr/bin/env bash
# ccp, aws-eks, aws-vpc and aws-routes one by one against the lab: what they do, mend, refuse and leave alone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin-lib.sh"
command -v kubectl >/dev/null && command -v aws >/dev/null && command -v jq >/dev/null || skip_all "kubectl, aws or jq is missing"
start_lab
serve_aws

plan() { # plan NAME ACTIONS: the actions of the changes, in order: "create create"
    run "$1" plan && [ "$(jq -r '[.changes[].action] | join(" ")' "$TMP/json")" = "$2" ] && return
    echo "expected: $2"
    return 1
}
writes() { lab log --output jsonl | jq -s '[.[] | select(.write)] | length'; }

cat >"$TMP/ccp.yaml" <<END
url: $ISTHMUS_CCP_URL
username: $ISTHMUS_CCP_USERNAME
password: $ISTHMUS_CCP_PASSWORD
ca_file: $ISTHMUS_LAB_CA
provider: myAwsProv
name: aws
subnet:
  cidr: 10.0.0.0/16
  publicCidrs: [10.0.106.0/24, 10.0.107.0/24, 10.0.108.0/24]
  privateCidrs: [10.0.109.0/24, 10.0.110.0/24, 10.0.111.0/24]
role_arn_name: k8s-ccp-user
ssh_keys: [my-key]
END
ok "ccp: plan orders one cluster" plan ccp create
lab faults add service='^ccp$' action='^ccp:CreateCluster$' effect=cut-after >/dev/null
ok "ccp: apply waits until it is READY, though the answer to its order is lost" run ccp apply
ok "ccp: with progress" grep -q "EKS cluster aws: CREATING" "$TMP/err"
lab faults clear >/dev/null
ok "ccp: there is one" test "$(aws eks list-clusters --query 'length(clusters)' --output text)" = 1
ok "ccp: a second plan is empty" plan ccp ""
told() { timeout 100 "$ISTHMUS" -v plugin run -i "$TMP/aws-eks.yaml" aws-eks observe >"$TMP/told" 2>&1; grep "AWS credentials from environment" "$TMP/told" && ! grep -F "$AWS_SECRET_ACCESS_KEY" "$TMP/told"; }
printf 'name: aws\nrole_arn_name: k8s-ccp-user\n' >"$TMP/aws-eks.yaml"
ok "aws-eks: -v says where the credentials are from, and not what they are" told
ok "ccp: verify" run ccp verify

# ---- aws-eks ----
cat >"$TMP/extra.yaml" <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: kube-system}
data: {a: "1"}
END
base() {
    cat <<END
name: aws
role_arn_name: k8s-ccp-user
kubeconf_file: $TMP/cfg/aws.yaml
apply_manifests: [https://gone.invalid/calico.yaml, $TMP/extra.yaml]
manifest_overrides: {https://gone.invalid/calico.yaml: $SRC/conf.d/stars/calico.yaml}
END
}
k() { kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_AWS" "$@"; }
snat() { k get ds -n kube-system aws-node -o jsonpath="{.spec.template.spec.containers[0].env[?(@.name=='$1')].value}"; }
base >"$TMP/aws-eks.yaml"

{
    base
    echo "adopt: false"
} >"$TMP/aws-eks.yaml"
cat >"$TMP/extra.yaml" <<END
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: old.example.com}
END
before=$(writes)
ok "aws-eks: a kind that is not served is refused in plan" refuses "does not serve CustomResourceDefinition of apiextensions.k8s.io/v1beta1" aws-eks plan
ok "aws-eks: and in apply" refuses "does not serve" aws-eks apply
ok "aws-eks: before anything was changed" test "$(writes)" = "$before"
cat >"$TMP/extra.yaml" <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: kube-system}
data: {a: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: extra, namespace: kube-system}
spec: {selector: {app: extra}, ports: [{port: 80}]}
END
sed 's/^data.*/data: {a: "2"}/' "$TMP/extra.yaml" | head -4 >"$TMP/again.yaml"
: >"$TMP/empty.yaml"
of() { printf 'name: aws\nrole_arn_name: k8s-ccp-user\napply_manifests: [%s]\n' "$1" >"$TMP/aws-eks.yaml"; }
cat >"$TMP/lost.yaml" <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: first, namespace: default}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: lost, namespace: nowhere}
END
of "$TMP/lost.yaml"
ok "aws-eks: a namespace that is nowhere is refused in plan" refuses "ConfigMap nowhere/lost: there is no namespace nowhere, neither in cluster aws nor in the manifests" aws-eks plan
ok "aws-eks: and in apply" refuses "there is no namespace nowhere" aws-eks apply
cat >"$TMP/lost.yaml" <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad, namespace: default}
spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: x, image: y}]}}}
END
ok "aws-eks: so is what the server would not take" refuses "does not match template" aws-eks plan
ok "aws-eks: and in apply" refuses "does not match template" aws-eks apply
ok "aws-eks: before anything was changed, too" test "$(writes)" = "$before"
of "$TMP/extra.yaml, $TMP/again.yaml"
ok "aws-eks: an object that two manifests hold is refused" refuses "ConfigMap kube-system/extra stands twice: here, and in $TMP/extra.yaml" aws-eks plan
of "$TMP/empty.yaml"
ok "aws-eks: so is a manifest that holds none" refuses "this manifest holds no object" aws-eks plan
base | sed 's/^manifest_overrides.*//; s#https://gone.invalid/#http://127.0.0.1:1/#' >"$TMP/aws-eks.yaml"
ok "aws-eks: a manifest that cannot be had says where another can be named" refuses "manifest_overrides" aws-eks plan
base >"$TMP/aws-eks.yaml"
k create configmap extra -n kube-system --from-literal=b=2 >/dev/null
ok "aws-eks: an object that is somebody else's is refused" refuses "ConfigMap kube-system/extra" aws-eks plan
k delete configmap extra -n kube-system >/dev/null
only_creates() { run aws-eks plan && jq -e '[.changes[].action] | unique == ["create"] and length > 5' "$TMP/json"; }
ok "aws-eks: plan only creates" only_creates
ok "aws-eks: apply" run aws-eks apply
ok "aws-eks: SNAT is off" test "$(snat AWS_VPC_K8S_CNI_EXTERNALSNAT)" = true
ok "aws-eks: the kubeconfig is its owner's only" test "$(stat -c %a "$TMP/cfg/aws.yaml")" = 600
if old_aws; then
    skip "aws-eks: and kubectl gets in with it" "this aws asks AWS's own STS"
else
    ok "aws-eks: and kubectl gets in with it" kubectl --kubeconfig "$TMP/cfg/aws.yaml" get configmap -n kube-system extra
fi
ok "aws-eks: a second plan is empty" plan aws-eks ""
ok "aws-eks: verify" run aws-eks verify
k set env ds/aws-node -n kube-system AWS_VPC_K8S_CNI_EXTERNALSNAT=false >/dev/null
ok "aws-eks: SNAT that was switched on again is the only change" plan aws-eks update
verify_fails() { ! run aws-eks verify && jq -e '[.checks[] | select(.result == "fail").name] == ["pods keep their addresses (SNAT)"]' "$TMP/json"; }
ok "aws-eks: and what verify names" verify_fails
k patch configmap extra -n kube-system --type merge -p '{"data":{"a":"drift"}}' >/dev/null
k patch service extra -n kube-system --type json -p '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]' >/dev/null
ok "aws-eks: and two changed objects the others" plan aws-eks "update update update"
ok "aws-eks: apply mends them" run aws-eks apply
ok "aws-eks: exactly" plan aws-eks ""
ok "aws-eks: the service has its own port alone" test "$(k get service extra -n kube-system -o jsonpath='{.spec.ports[*].port}')" = 80
{
    base
    echo "exclude_snat_cidrs: [192.168.0.0/16, 10.1.0.0/16]"
} >"$TMP/aws-eks.yaml"
ok "aws-eks: SNAT by prefix instead" run aws-eks apply
ok "aws-eks: sets the prefixes" test "$(snat AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS)" = 10.1.0.0/16,192.168.0.0/16
ok "aws-eks: and restores what was before" test "$(snat AWS_VPC_K8S_CNI_EXTERNALSNAT)" = false
ok "aws-eks: a second plan is empty then" plan aws-eks ""
base | sed 's#, .*extra.yaml##' >"$TMP/aws-eks.yaml"
ok "aws-eks: a manifest asked for no more is removed" run aws-eks apply
gone() { [ -z "$(k get configmap,service -n kube-system extra --ignore-not-found -o name)" ]; }
ok "aws-eks: and nothing else" gone
ok "aws-eks: a second plan is empty again" plan aws-eks ""

# ---- aws-eks: the VPC CNI as a managed add-on ----
ok "aws-eks: destroy" run aws-eks destroy
ok "aws-eks: restores SNAT" test "$(snat AWS_VPC_K8S_CNI_EXTERNALSNAT)" = false
ok "aws-eks: removes the kubeconfig" test ! -e "$TMP/cfg/aws.yaml"
# ---- aws-eks: what the file does not say, and the VPC CNI's own enforcement of policies ----
own() {
    cat <<END
name: aws
role_arn_name: k8s-ccp-user
onPremCidr: 10.1.0.0/16
onPremPodCidr: 192.168.0.0/16
network_policy: vpc-cni
END
}
evidence() { jq -r --arg name "$1" '.checks[] | select(.name == $name) | "\(.result): \(.evidence)"' "$TMP/json"; }
enforced_is() {
    run aws-eks verify
    [[ $(evidence "network policies are enforced") == $1 ]]
}
own >"$TMP/aws-eks.yaml"
IMAGE=$(k get ds -n kube-system aws-node -o jsonpath='{.spec.template.spec.containers[0].image}')
k set image -n kube-system ds/aws-node aws-node="${IMAGE%:*}:v1.5.7" >/dev/null
old_cni() { run aws-eks plan && jq -e '.changes[0].fields[0].field == "AWS_VPC_K8S_CNI_EXTERNALSNAT"' "$TMP/json"; }
ok "aws-eks: a VPC CNI that cannot leave prefixes out gets SNAT off altogether" old_cni
printf 'name: aws\nrole_arn_name: k8s-ccp-user\nexclude_snat_cidrs: [10.1.0.0/16]\n' >"$TMP/aws-eks.yaml"
ok "aws-eks: and is refused where prefixes are asked for" refuses "(${IMAGE%:*}:v1.5.7) cannot leave prefixes out" aws-eks plan
ok "aws-eks: in apply too" refuses "cannot leave prefixes out" aws-eks apply
own >"$TMP/aws-eks.yaml"
k set image -n kube-system ds/aws-node aws-node="$IMAGE" >/dev/null
ok "aws-eks: nobody enforces policies" enforced_is "fail: the agent of the VPC CNI is not switched on"
ok "aws-eks: the networks on premises are given, and how is not said" plan aws-eks "create create"
ok "aws-eks: apply" run aws-eks apply
ok "aws-eks: SNAT is off towards them only" test "$(snat AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS) $(snat AWS_VPC_K8S_CNI_EXTERNALSNAT)" = "10.1.0.0/16,192.168.0.0/16 false"
ok "aws-eks: policies are enforced, on every node" enforced_is "pass: by aws-eks-nodeagent, ready on each of 2 nodes"
ok "aws-eks: a second plan is empty with it" plan aws-eks ""
k patch configmap amazon-vpc-cni -n kube-system --type merge -p '{"data":{"enable-network-policy-controller":"false"}}' >/dev/null
ok "aws-eks: half of it switched off is the only change" plan aws-eks update
ok "aws-eks: and not enforced" enforced_is "fail: the agent of the VPC CNI is not switched on"
ok "aws-eks: apply mends it" run aws-eks apply
lab faults add service='^kube/aws$' action='patch daemonsets' effect=status status=403 >/dev/null
k patch configmap amazon-vpc-cni -n kube-system --type merge -p '{"data":{"enable-network-policy-controller":"false"}}' >/dev/null
ok "aws-eks: a refusal names the call" refuses "PATCH /apis/apps/v1/namespaces/kube-system/daemonsets/aws-node" aws-eks apply
lab faults clear >/dev/null
ok "aws-eks: and the next run goes on" run aws-eks apply
sed -i 's/^network_policy.*//' "$TMP/aws-eks.yaml"
ok "aws-eks: asked for no more it is switched off" plan aws-eks delete
ok "aws-eks: by apply" run aws-eks apply
ok "aws-eks: and verify warns that nobody enforces" enforced_is "warn: nobody enforces them*"
own >"$TMP/aws-eks.yaml"
ok "aws-eks: on again" run aws-eks apply
ok "aws-eks: destroy" run aws-eks destroy
ok "aws-eks: restores both" test "$(snat AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS)$(k get configmap -n kube-system amazon-vpc-cni -o jsonpath='{.data.enable-network-policy-controller}')" = false

# ---- aws-eks: a cluster in states that the lab does not have ----
says() { # says TIMES FILTER: EKS describes the cluster so
    lab faults add service='^aws$' action='^eks:DescribeCluster$' effect=answer times="$1" \
        "body=$(aws eks describe-cluster --name aws | jq -c "$2")" >/dev/null
}
with() { # with LINE...: of the inputs
    printf 'name: aws\nrole_arn_name: k8s-ccp-user\n' >"$TMP/aws-eks.yaml"
    printf '%s\n' "$@" >>"$TMP/aws-eks.yaml"
}
says 0 '.cluster.computeConfig = {enabled: true}'
with "enable_snat: false"
ok "aws-eks: Auto Mode is told where SNAT was to be set" refuses "EKS Auto Mode ignores the settings of the VPC CNI" aws-eks plan
ok "aws-eks: and what to set instead" grep -q snatPolicy "$TMP/ran"
ok "aws-eks: in apply too, where plan could not look into it" refuses "EKS Auto Mode ignores the settings of the VPC CNI" aws-eks apply
with "enable_snat: true" "network_policy: vpc-cni"
ok "aws-eks: and where policies were" refuses "set \`networkPolicy\` in the NodeClass" aws-eks plan
with "enable_snat: true"
ok "aws-eks: which is all that it minds" plan aws-eks ""
ok "aws-eks: there nobody enforces policies until the controller does" enforced_is "warn: nobody enforces them: enable-network-policy-controller is not \"true\" in ConfigMap kube-system/amazon-vpc-cni, as EKS Auto Mode wants it"
k patch configmap amazon-vpc-cni -n kube-system --type merge -p '{"data":{"enable-network-policy-controller":"true"}}' >/dev/null
ok "aws-eks: and then its nodes do" enforced_is "pass: by the nodes of EKS Auto Mode"
k patch configmap amazon-vpc-cni -n kube-system --type merge -p '{"data":{"enable-network-policy-controller":"false"}}' >/dev/null
lab faults clear >/dev/null
with "exclude_snat_cidrs: [10.1.0.0/16]" "kubeconf_file: $TMP/cfg/aws.yaml"
says 2 '.cluster.status = "FAILED" | .cluster.health = {issues: [{code: "Other", message: "no subnet has room"}]}'
ok "aws-eks: one that failed says why" refuses "cluster aws is FAILED: no subnet has room" aws-eks plan
lab faults clear >/dev/null
says 2 'del(.cluster.endpoint, .cluster.certificateAuthority) | .cluster.status = "CREATING"'
under_way() { run aws-eks plan && jq -e '[.changes[].resource] == ["cluster aws", "kubeconfig file", "SNAT setting"]' "$TMP/json"; }
ok "aws-eks: one that somebody is making is planned for" under_way
lab faults clear >/dev/null
says 4 'del(.cluster.endpoint, .cluster.certificateAuthority) | .cluster.status = "CREATING"'
ok "aws-eks: and waited for" run aws-eks apply
ok "aws-eks: with progress" grep -q "cluster aws: CREATING" "$TMP/err"
lab faults clear >/dev/null
ok "aws-eks: nothing is left to do" plan aws-eks ""
ok "aws-eks: and nothing stays" run aws-eks destroy
lab faults add service='^aws$' action='^eks:DescribeCluster$' effect=answer 'body=<html><body>Log in first</body></html>' >/dev/null
ok "aws-eks: a proxy's page is named with the call" refuses "EKS GET /clusters/aws in us-west-2" aws-eks plan
lab faults clear >/dev/null
lab faults add service='^kube/aws$' action='^list nodes$' effect=answer times=0 \
    "body=$(k get --raw /api/v1/nodes | jq -c '.items[0].status.addresses += [{type: "ExternalIP", address: "203.0.113.7"}]')" >/dev/null
with "enable_snat: false"
ok "aws-eks: nodes with public addresses are not cut off" refuses "has the public address 203.0.113.7" aws-eks plan
not_cut() { refuses "has the public address 203.0.113.7" aws-eks apply && [ "$(snat AWS_VPC_K8S_CNI_EXTERNALSNAT)" = false ]; }
ok "aws-eks: nor by apply, where plan could not look into it" not_cut
with "exclude_snat_cidrs: [10.1.0.0/16]"
ok "aws-eks: which prefixes do not do" plan aws-eks create
lab faults clear >/dev/null
base | sed 's#, .*extra.yaml##' >"$TMP/aws-eks.yaml"

ADDON_ROLE=arn:aws:iam::123456789012:role/k8s-node-instance-role
aws eks create-addon --cluster-name aws --addon-name vpc-cni --service-account-role-arn "$ADDON_ROLE" --configuration-values '{"env":{"WARM_IP_TARGET":"3"}}' >/dev/null
active() { [ "$(aws eks describe-addon --cluster-name aws --addon-name vpc-cni --query addon.status --output text)" = ACTIVE ]; }
eventually active
values() { aws eks describe-addon --cluster-name aws --addon-name vpc-cni --query addon.configurationValues --output text; }
lab faults add service='^aws$' action='^eks:UpdateAddon$' effect=cut-after >/dev/null
ok "aws-eks: apply where the VPC CNI is an add-on, though the answer is lost" run aws-eks apply
lab faults clear >/dev/null
ok "aws-eks: by one update" test "$(aws eks list-updates --name aws --addon-name vpc-cni --query 'length(updateIds)' --output text)" = 1
ok "aws-eks: sets SNAT there, and keeps the rest" test "$(values | jq -c .env)" = '{"AWS_VPC_K8S_CNI_EXTERNALSNAT":"true","WARM_IP_TARGET":"3"}'
ok "aws-eks: a second plan is empty with it" plan aws-eks ""
k set env ds/aws-node -n kube-system AWS_VPC_K8S_CNI_EXTERNALSNAT=false >/dev/null
ok "aws-eks: what somebody set beside the add-on, which keeps it, is the only change" plan aws-eks update
beside() { ! run aws-eks verify && [ "$(evidence "pods keep their addresses (SNAT)")" = "fail: AWS_VPC_K8S_CNI_EXTERNALSNAT is false on the DaemonSet, and not in the add-on's configuration" ]; }
ok "aws-eks: and verify tells of it" beside
ok "aws-eks: apply mends it there" run aws-eks apply
ok "aws-eks: exactly, beside the add-on" plan aws-eks ""
ok "aws-eks: destroy with it" run aws-eks destroy
ok "aws-eks: restores the add-on" test "$(values | jq -c .env.WARM_IP_TARGET)" = '"3"'
own >"$TMP/aws-eks.yaml"
ok "aws-eks: policies by the add-on" run aws-eks apply
ok "aws-eks: are asked for in its configuration, beside the rest" test "$(values | jq -c '[.enableNetworkPolicy, .env.WARM_IP_TARGET]')" = '["true","3"]'
ok "aws-eks: and enforced on every node" enforced_is "pass: by aws-eks-nodeagent, ready on each of 2 nodes"
ok "aws-eks: a second plan is empty with them" plan aws-eks ""
aws eks update-addon --cluster-name aws --addon-name vpc-cni --resolve-conflicts PRESERVE --service-account-role-arn "$ADDON_ROLE" --configuration-values \
    "$(values | jq -c '.enableNetworkPolicy = "false"')" >/dev/null
eventually active
ok "aws-eks: switched off in the add-on is the only change" plan aws-eks update
ok "aws-eks: which apply mends" run aws-eks apply
ok "aws-eks: exactly, in the add-on too" plan aws-eks ""
k patch ds -n kube-system aws-node -p '{"spec":{"template":{"spec":{"containers":[{"name":"aws-eks-nodeagent","args":["--enable-network-policy=false"]}]}}}}' >/dev/null
ok "aws-eks: an agent that somebody switched off beside the add-on is the only change" plan aws-eks update
ok "aws-eks: which apply mends there" run aws-eks apply
ok "aws-eks: and is enforced again" enforced_is "pass: by aws-eks-nodeagent, ready on each of 2 nodes"
k set env ds/aws-node -c aws-node -n kube-system AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS=10.9.0.0/16 >/dev/null
ok "aws-eks: prefixes that somebody set beside the add-on are the only change" plan aws-eks update
ok "aws-eks: which apply mends too" run aws-eks apply
ok "aws-eks: exactly so" test "$(snat AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS)" = 10.1.0.0/16,192.168.0.0/16
ok "aws-eks: destroy with the add-on's policies" run aws-eks destroy
ok "aws-eks: leaves them off, and the rest" test "$(values | jq -c '[.enableNetworkPolicy, .env.WARM_IP_TARGET]')" = '["false","3"]'
left() { k get ds,configmap -n kube-system -o yaml | grep -e EXCLUDE_SNAT -e 'policy.*true'; }
none_left() { ! left; }
ok "aws-eks: and nothing of ours where the add-on leaves what others set" none_left
ok "aws-eks: with the role that the add-on had" test "$(aws eks describe-addon --cluster-name aws --addon-name vpc-cni --query addon.serviceAccountRoleArn --output text)" = "$ADDON_ROLE"
# Killed while EKS carries an update out, which shows the configuration before it until the end.
mkdir "$TMP/killed"
cat >"$TMP/killed/one.yaml" <<END
pipelines:
  one:
    steps:
      eks:
        plugin: aws-eks
        with: {name: aws, role_arn_name: k8s-ccp-user, onPremCidr: 10.1.0.0/16}
END
OLD=$(aws eks describe-addon --cluster-name aws --addon-name vpc-cni | jq -c .)
addon_updates() { aws eks list-updates --name aws --addon-name vpc-cni --query 'length(updateIds)' --output text; }
posts() { lab log --output jsonl | grep -c '"eks:UpdateAddon"'; }
update_is_followed() { lab log --output jsonl | tail -n "+$FROM" | grep -q eks:DescribeUpdate; }
known=$(addon_updates)
asked=$(posts)
FROM=$(($(lab log --output jsonl | wc -l) + 1))
lab faults add service='^aws$' action='^eks:DescribeUpdate$' effect=answer times=0 'body={"update":{"id":"x","status":"InProgress","errors":[]}}' >/dev/null
"$ISTHMUS" -C "$TMP/killed" apply --yes >"$TMP/out" 2>&1 &
killed=$!
eventually update_is_followed
kill -9 $killed
wait $killed 2>/dev/null
lab faults clear >/dev/null
k set env ds/aws-node -c aws-node -n kube-system AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS- >/dev/null
lab faults add service='^aws$' action='^eks:DescribeAddon$' effect=answer times=0 "body=$OLD" >/dev/null
ok "aws-eks: a run that was killed in the middle of an update goes on" timeout 100 "$ISTHMUS" -C "$TMP/killed" apply --yes
lab faults clear >/dev/null
ok "aws-eks: asking for the same once more" test "$(($(posts) - asked))" = 2
ok "aws-eks: which makes no second update" test "$(($(addon_updates) - known))" = 1
ok "aws-eks: and leaves nothing to do" timeout 100 "$ISTHMUS" -C "$TMP/killed" plan --detailed-exitcode
ok "aws-eks: and goes" timeout 100 "$ISTHMUS" -C "$TMP/killed" destroy --yes

# ---- aws-vpc ----
# Killed while its first call is under way, which acts only after destroy has looked for what there is.
mkdir "$TMP/begun"
cat >"$TMP/begun/one.yaml" <<END
pipelines:
  one:
    steps:
      vpc:
        plugin: aws-vpc
        with: {create: true, name: begun, cidr: 10.7.0.0/16, public_cidrs: [10.7.1.0/24, 10.7.2.0/24], private_cidrs: [10.7.3.0/24, 10.7.4.0/24]}
END
lab faults add action='^CloudFormation:CreateChangeSet$' effect=delay delay=1500 >/dev/null
"$ISTHMUS" -C "$TMP/begun" apply --yes >"$TMP/out" 2>&1 &
killed=$!
under_way() { lab faults list | grep -q '"hits": 1'; }
eventually under_way
kill -9 $killed
wait $killed 2>/dev/null
lab faults clear >/dev/null
begun() { aws cloudformation list-stacks --query "StackSummaries[?StackName=='begun-vpc'].StackStatus" --output text; }
ok "aws-vpc: killed while its stack is begun, it is destroyed at once" env ISTHMUS_POLL_MS=1000 timeout 100 "$ISTHMUS" -C "$TMP/begun" destroy --yes
was_begun() { [ -n "$(begun)" ]; }
eventually was_begun
ok "aws-vpc: and no stack comes afterwards" test "$(begun)" = DELETE_COMPLETE

echo "name_prefix: aws" >"$TMP/aws-vpc.yaml"
ok "aws-vpc: finds what the platform made" plan aws-vpc ""
VPC=$(jq -r .outputs.vpc_id "$TMP/json")
TABLES=$(jq -c .outputs.private_route_tables "$TMP/json")
PUBLIC=$(jq -r '.outputs.public_subnets[0].id' "$TMP/json")
GROUPS_=$(jq -c .outputs.worker_security_groups "$TMP/json")
ok "aws-vpc: three of each kind, and the workers' group" jq -e '.outputs | (.public_subnets | length == 3) and (.private_subnets | length == 3) and
    (.private_route_tables | length == 3) and (.worker_security_groups | length == 1) and .private_subnets[0].cidr == "10.0.109.0/24"' "$TMP/json"
ok "aws-vpc: verify" run aws-vpc verify
SECOND=$(aws ec2 create-vpc --cidr-block 10.99.0.0/16 --tag-specifications 'ResourceType=vpc,Tags=[{Key=Name,Value=aws-other}]' --query Vpc.VpcId --output text)
ok "aws-vpc: two that fit are listed" refuses "$SECOND" aws-vpc plan
aws ec2 delete-vpc --vpc-id "$SECOND"
# One that is made: changed in place where CloudFormation can, and refused where what is in it would stand in the way.
made() { # made PUBLIC PRIVATE TEAM [CIDR]
    printf 'create: true\nname: made\ncidr: %s\npublic_cidrs: [%s]\nprivate_cidrs: [%s]\ntags: {team: %s}\n' "${4:-10.50.0.0/16}" "$1" "$2" "$3"
}
cp "$TMP/aws-vpc.yaml" "$TMP/found.yaml"
cp "$TMP/aws-vpc.state" "$TMP/found.state"
rm "$TMP/aws-vpc.state"
made 10.50.1.0/24 10.50.11.0/24,10.50.12.0/24 network >"$TMP/aws-vpc.yaml"
struck() { lab faults list | jq -e 'length > 0 and all(.[]; .hits == (.times | tonumber))' && lab faults clear; }
lose_change_sets() { # their answers, once each
    local action
    for action in CreateChangeSet ExecuteChangeSet; do
        lab faults add service='^aws$' action="^CloudFormation:$action\$" effect=cut-after times=1 >/dev/null
    done
}
lose_change_sets
ok "aws-vpc: one is made, though answers are lost" run aws-vpc apply
ok "aws-vpc: two of them" struck
ok "aws-vpc: and it is one" test "$(aws ec2 describe-vpcs --filters Name=cidr,Values=10.50.0.0/16 --query 'length(Vpcs)' --output text)" = 1
MADE=$(jq -r .outputs.vpc_id "$TMP/json")
ok "aws-vpc: a second plan is empty" plan aws-vpc ""
aws ec2 create-subnet --vpc-id "$MADE" --cidr-block 10.50.99.0/24 --query Subnet.SubnetId --output text >"$TMP/stranger"
ok "aws-vpc: a subnet that somebody else puts into it is no difference" plan aws-vpc ""
aws ec2 delete-subnet --subnet-id "$(cat "$TMP/stranger")"
subnet_of() { aws ec2 describe-subnets --filters "Name=vpc-id,Values=$MADE" "Name=cidr-block,Values=$1" --query 'Subnets[0].SubnetId' --output text; }
KEPT=$(subnet_of 10.50.12.0/24)
made 10.50.1.0/24 10.50.12.0/24,10.50.13.0/24 cloud >"$TMP/aws-vpc.yaml"
ok "aws-vpc: another subnet, one less and another tag are one update" plan aws-vpc update
told() { jq -re '[.changes[0].fields[] | select(.field == "tags" or .field == "Private1" or .field == "Private3") | "\(.before) \(.after)"] | join("; ")' "$TMP/json"; }
ok "aws-vpc: told one by one" test "$(told)" = '{"team":"network"} {"team":"cloud"}; null Subnet 10.50.13.0/24; Subnet 10.50.11.0/24 null'
lose_change_sets
ok "aws-vpc: made in place, though answers are lost" run aws-vpc apply
ok "aws-vpc: as they were" struck
ok "aws-vpc: with the VPC, and the subnet that stays" test "$(jq -r .outputs.vpc_id "$TMP/json") $(subnet_of 10.50.12.0/24)" = "$MADE $KEPT"
ok "aws-vpc: which has the new tag" test "$(aws ec2 describe-subnets --subnet-ids "$KEPT" --query "Subnets[0].Tags[?Key=='team'].Value" --output text)" = cloud
ok "aws-vpc: and the others are gone and there" test "$(subnet_of 10.50.11.0/24) $(subnet_of 10.50.13.0/24 | cut -c1-7)" = "None subnet-"
ok "aws-vpc: then the plan is empty" plan aws-vpc ""
# What somebody changes by hand in it, which CloudFormation does not see.
of_stack() { aws cloudformation describe-stack-resource --stack-name made-vpc --logical-resource-id "$1" --query StackResourceDetail.PhysicalResourceId --output text; }
table_of() { aws ec2 describe-route-tables --filters "Name=association.subnet-id,Values=$1" --query "RouteTables[0].$2" --output text; }
fields() { jq -r '[.changes[0].fields[].field] | join(" ")' "$TMP/json"; }
PRIVATE=$(of_stack PrivateTable2)
IGW=$(of_stack InternetGateway)
aws ec2 delete-route --route-table-id "$PRIVATE" --destination-cidr-block 0.0.0.0/0
aws ec2 replace-route --route-table-id "$(of_stack PublicTable)" --destination-cidr-block 0.0.0.0/0 --nat-gateway-id "$(of_stack Nat)"
aws ec2 disassociate-route-table --association-id "$(table_of "$KEPT" "Associations[0].RouteTableAssociationId")"
THIRD=$(subnet_of 10.50.13.0/24)
aws ec2 replace-route-table-association --association-id "$(table_of "$THIRD" "Associations[0].RouteTableAssociationId")" --route-table-id "$PRIVATE" >"$TMP/out"
ok "aws-vpc: routes and associations changed by hand are one update" plan aws-vpc update
ok "aws-vpc: told one by one" test "$(fields | tr ' ' '\n' | sort | paste -sd' ')" = "Private2Association Private3Association PrivateDefault2 PublicDefault"
lab faults add service='^aws$' action='^EC2:(AssociateRouteTable|CreateRoute|ReplaceRoute|ReplaceRouteTableAssociation)$' effect=cut-after times=4 >/dev/null
ok "aws-vpc: put back, though the answers are lost" run aws-vpc apply
ok "aws-vpc: all of them" struck
ok "aws-vpc: with one table a subnet, and its gateway" test "$(table_of "$KEPT" RouteTableId) $(table_of "$THIRD" RouteTableId) $(aws ec2 describe-route-tables \
    --route-table-ids "$(of_stack PublicTable)" --query "RouteTables[0].Routes[?DestinationCidrBlock=='0.0.0.0/0'].GatewayId" --output text)" = "$PRIVATE $(of_stack PrivateTable3) $IGW"
ok "aws-vpc: and then nothing is left to do" plan aws-vpc ""
aws ec2 delete-subnet --subnet-id "$THIRD"
ok "aws-vpc: a subnet deleted by hand is an update" plan aws-vpc update
ok "aws-vpc: that says so" jq -e --arg id "$THIRD" '.changes[0].reason == "deleted by hand: Private3 (\($id))"' "$TMP/json"
ok "aws-vpc: and made again by the stack" run aws-vpc apply
ok "aws-vpc: with a table of its own that leads out, beside the one that stays" test "$(table_of "$(subnet_of 10.50.13.0/24)" "Routes[?NatGatewayId].NatGatewayId|[0]") $(subnet_of 10.50.12.0/24)" = "$(of_stack Nat) $KEPT"
ok "aws-vpc: then the plan is empty once more" plan aws-vpc ""
BUSY=$(aws ec2 create-network-interface --subnet-id "$KEPT" --description "somebody's" --query NetworkInterface.NetworkInterfaceId --output text)
made 10.51.1.0/24 10.51.12.0/24 cloud 10.51.0.0/16 >"$TMP/aws-vpc.yaml"
ok "aws-vpc: other addresses are refused while it is in use" refuses "is in use: interface $BUSY (somebody's)" aws-vpc plan
aws ec2 delete-network-interface --network-interface-id "$BUSY"
ok "aws-vpc: and a replacement when it is not" plan aws-vpc replace
made 10.50.1.0/24 10.50.12.0/24,10.50.13.0/24 cloud >"$TMP/aws-vpc.yaml"
aws ec2 disassociate-route-table --association-id "$(table_of "$KEPT" "Associations[0].RouteTableAssociationId")"
aws ec2 delete-route-table --route-table-id "$PRIVATE"
ok "aws-vpc: a table deleted by hand is told, and what to do" refuses "$PRIVATE: was deleted: it is PrivateTable2 of the stack" aws-vpc plan
made 10.50.1.0/24 10.50.13.0/24 cloud >"$TMP/aws-vpc.yaml"
ok "aws-vpc: destroy" run aws-vpc destroy
ok "aws-vpc: takes it away" test "$(aws ec2 describe-vpcs --filters "Name=vpc-id,Values=$MADE" --query 'length(Vpcs)' --output text)" = 0
made 10.50.1.0/24 "$(seq -s, -f '10.50.%.0f.0/24' 2 99)" network >"$TMP/aws-vpc.yaml"
before=$(writes)
ok "aws-vpc: more subnets than fit into a template are refused in plan" refuses "and CloudFormation takes 51200" aws-vpc plan
ok "aws-vpc: before anything is made" test "$(writes)" = "$before"
made 10.50.1.0/24 10.50.11.0/24,10.50.12.0/24,10.50.13.0/24,10.50.14.0/24,10.50.15.0/24 network >"$TMP/aws-vpc.yaml"
ok "aws-vpc: and apply at once makes another" run aws-vpc apply
ok "aws-vpc: a new one" test "$(jq -r .outputs.vpc_id "$TMP/json")" != "$MADE"
MADE=$(jq -r .outputs.vpc_id "$TMP/json")
zones() { jq -r '[.outputs.private_subnets | sort_by(.cidr)[].az[-1:]] | join("")' "$TMP/json"; }
ok "aws-vpc: over the zones" test "$(zones)" = abcda
for cidr in 10.50.11.0/24 10.50.13.0/24; do aws ec2 delete-subnet --subnet-id "$(subnet_of $cidr)"; done
ok "aws-vpc: two subnets deleted by hand are made again" run aws-vpc apply
ok "aws-vpc: where they were" test "$(zones)" = abcda
made 10.50.1.0/24 10.50.11.0/24,10.50.12.0/24,10.50.14.0/24,10.50.15.0/24 network >"$TMP/aws-vpc.yaml"
ok "aws-vpc: one less" run aws-vpc apply
made 10.50.1.0/24 10.50.11.0/24,10.50.12.0/24,10.50.14.0/24,10.50.15.0/24,10.50.16.0/24 network >"$TMP/aws-vpc.yaml"
ok "aws-vpc: and another one" run aws-vpc apply
ok "aws-vpc: goes where there is none" test "$(zones)" = abdac
aws ec2 delete-route --route-table-id "$(table_of "$(subnet_of 10.50.12.0/24)" RouteTableId)" --destination-cidr-block 0.0.0.0/0
NAT=$(of_stack Nat)
aws ec2 delete-nat-gateway --nat-gateway-id "$NAT" >/dev/null
ok "aws-vpc: a gateway that is gone with its route is told in plan" refuses "$NAT: is gone: PrivateDefault2 of the stack leads to it" aws-vpc plan
ok "aws-vpc: that goes too" run aws-vpc destroy
mv "$TMP/found.yaml" "$TMP/aws-vpc.yaml"
mv "$TMP/found.state" "$TMP/aws-vpc.state"

# Pods with other groups than the nodes': on interfaces that the VPC CNI made by an ENIConfig, one of them in a public subnet.
PODS=$(aws ec2 create-security-group --vpc-id "$VPC" --group-name pods --description pods --query GroupId --output text)
NODE=$(aws ec2 describe-instances --filters "Name=vpc-id,Values=$VPC" --query 'Reservations[0].Instances[0].InstanceId' --output text)
POD_ENI=$(aws ec2 create-network-interface --subnet-id "$PUBLIC" --groups "$PODS" --description "aws-K8S-$NODE" --query NetworkInterface.NetworkInterfaceId --output text)
ok "aws-vpc: an interface of pods that no node has is left out" plan aws-vpc ""
aws ec2 create-security-group --vpc-id "$VPC" --group-name bastion --description "Access from the bastion to the worker group" >"$TMP/out"
ok "aws-vpc: and so is a group that only tells of the workers'" plan aws-vpc ""
ok "aws-vpc: with its group" test "$(jq -c .outputs.worker_security_groups "$TMP/json")" = "$GROUPS_"
ATTACHED=$(aws ec2 attach-network-interface --network-interface-id "$POD_ENI" --instance-id "$NODE" --device-index 5 --query AttachmentId --output text)
ok "aws-vpc: the groups of pods' own interfaces are followed" plan aws-vpc ""
ok "aws-vpc: beside the workers' group" jq -e --arg pods "$PODS" '.outputs.worker_security_groups | length == 2 and .[1] == $pods' "$TMP/json"
ok "aws-vpc: a public subnet that holds pods is told of" grep -q "pods have interfaces in the public subnet $PUBLIC" "$TMP/err"
aws ec2 detach-network-interface --attachment-id "$ATTACHED" >/dev/null
aws ec2 delete-network-interface --network-interface-id "$POD_ENI"
aws ec2 delete-security-group --group-id "$PODS" >/dev/null
aws ec2 delete-security-group --group-id "$(aws ec2 describe-security-groups --filters Name=group-name,Values=bastion --query 'SecurityGroups[0].GroupId' --output text)" >/dev/null

# ---- aws-routes ----
SUBNET=$(aws ec2 describe-subnets --filters Name=tag:Name,Values=aws-private-subnet1 --query 'Subnets[0].SubnetId' --output text)
ENI=$(aws ec2 create-network-interface --subnet-id "$SUBNET" --private-ip-address 10.0.109.10 --query NetworkInterface.NetworkInterfaceId --output text)
cat >"$TMP/aws-routes.yaml" <<END
vpc_id: $VPC
route_tables: $TABLES
security_groups: $GROUPS_
next_hop: {kind: eni, id: $ENI}
onPremCidr: 10.1.0.0/16
onPremPodCidr: 192.168.0.0/16
END
TABLE=$(jq -rn "$TABLES[0]")
GROUP=$(jq -rn "${GROUPS_}[0]")
aws ec2 authorize-security-group-ingress --group-id "$GROUP" --protocol=-1 --cidr 10.1.0.0/16 >/dev/null
ok "aws-routes: a rule that is there is recognised" plan aws-routes "create create create create create create create"
lab faults add service='^aws$' action=EC2:CreateRoute effect=status status=403 code=UnauthorizedOperation >/dev/null
ok "aws-routes: a refusal names the call" refuses "EC2 CreateRoute rtb-" aws-routes apply
ok "aws-routes: and the next run goes on" run aws-routes apply
ok "aws-routes: a second plan is empty" plan aws-routes ""
aws ec2 delete-route --route-table-id "$TABLE" --destination-cidr-block 10.1.0.0/16
ok "aws-routes: a deleted route is the only change" plan aws-routes create
NAT=$(aws ec2 describe-nat-gateways --query 'NatGateways[0].NatGatewayId' --output text)
aws ec2 create-route --route-table-id "$TABLE" --destination-cidr-block 10.1.0.0/16 --nat-gateway-id "$NAT" >/dev/null
ok "aws-routes: a bent one is an update" plan aws-routes update
ok "aws-routes: mended" run aws-routes apply
ok "aws-routes: exactly" plan aws-routes ""
sed -i 's#^onPremPodCidr.*#onPremPodCidr: 10.0.0.0/8#' "$TMP/aws-routes.yaml"
ok "aws-routes: networks that overlap are refused" refuses "overlap" aws-routes plan
sed -i 's#^onPremPodCidr.*#onPremPodCidr: 192.168.0.0/16#' "$TMP/aws-routes.yaml"
for effect in cut-before cut-after throttle stale; do
    aws ec2 delete-route --route-table-id "$TABLE" --destination-cidr-block 10.1.0.0/16
    lab faults add service='^aws$' action=EC2:CreateRoute effect=$effect >/dev/null
    ok "aws-routes: $effect at CreateRoute" run aws-routes apply
    lab faults clear >/dev/null
    ok "aws-routes: $effect leaves one route" plan aws-routes ""
done
# A wider rule does for a narrower one; nothing is duplicated, and nothing widened.
allow() { aws ec2 authorize-security-group-ingress --group-id "$GROUP" --protocol=-1 --cidr "$1" >/dev/null; }
forbid() { aws ec2 revoke-security-group-ingress --group-id "$GROUP" --protocol=-1 --cidr "$1" >/dev/null; }
forbid 192.168.0.0/16
allow 192.168.0.0/17
ok "aws-routes: a rule for a part of a network is not enough" plan aws-routes create
allow 192.0.0.0/8
ok "aws-routes: one for a wider network is" plan aws-routes ""
by_wider() { run aws-routes verify || true; grep -q "all protocols are let in, by the rule for 192.0.0.0/8" "$TMP/json"; }
ok "aws-routes: as verify says" by_wider
ok "aws-routes: apply makes none beside it" run aws-routes apply
ok "aws-routes: indeed" test "$(aws ec2 describe-security-groups --group-ids "$GROUP" --query "length(SecurityGroups[0].IpPermissions[].IpRanges[?CidrIp=='192.168.0.0/16'][])" --output text)" = 0
forbid 192.0.0.0/8
forbid 192.168.0.0/17
ok "aws-routes: without it there is one to make" run aws-routes apply
# What goes another way all the same.
aws ec2 create-route --route-table-id "$TABLE" --destination-cidr-block 10.1.7.0/24 --nat-gateway-id "$NAT" >/dev/null
ok "aws-routes: a part of a network that another route leads elsewhere" plan aws-routes ""
ok "aws-routes: is warned of" grep -q "$TABLE leads 10.1.7.0/24, a part of 10.1.0.0/16, to $NAT" "$TMP/err"
aws ec2 delete-route --route-table-id "$TABLE" --destination-cidr-block 10.1.7.0/24
# A call that was refused made nothing: the rule that somebody else adds then is theirs.
forbid 192.168.0.0/16
lab faults add service='^aws$' action=EC2:AuthorizeSecurityGroupIngress effect=deny >/dev/null
ok "aws-routes: a rule that may not be made" refuses "EC2 AuthorizeSecurityGroupIngress" aws-routes apply
lab faults clear >/dev/null
allow 192.168.0.0/16
cp "$TMP/aws-routes.state" "$TMP/kept.state"
ok "aws-routes: and that somebody else makes then is none to make" plan aws-routes ""
ok "aws-routes: nor one of ours" run aws-routes destroy
theirs() { aws ec2 describe-security-groups --group-ids "$GROUP" --query "SecurityGroups[0].IpPermissions[?IpProtocol=='-1'].IpRanges[].CidrIp" --output text | tr '\t' ' '; }
ok "aws-routes: it stays" test "$(theirs)" = "10.1.0.0/16 192.168.0.0/16"
forbid 192.168.0.0/16
lab faults add service='^aws$' action=EC2:AuthorizeSecurityGroupIngress effect=cut-after >/dev/null
lab faults add service='^aws$' action=EC2:AuthorizeSecurityGroupIngress effect=deny times=9 >/dev/null
ok "aws-routes: one whose making was not told of" refuses "EC2 AuthorizeSecurityGroupIngress" aws-routes apply
lab faults clear >/dev/null
ok "aws-routes: is ours" plan aws-routes create
ok "aws-routes: and settled by the next run" run aws-routes apply
ok "aws-routes: then nothing is left to do" plan aws-routes ""
PEER=$(aws ec2 describe-security-groups --filters "Name=vpc-id,Values=$VPC" Name=group-name,Values=default --query 'SecurityGroups[0].GroupId' --output text)
# What others let in, in other ways, is neither recognised nor touched.
others() {
    aws ec2 "$1-security-group-ingress" --group-id "$GROUP" --ip-permissions IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges='[{CidrIp=192.168.0.0/16,Description=web}]' \
        "IpProtocol=-1,UserIdGroupPairs=[{GroupId=$PEER}]" 'IpProtocol=-1,Ipv6Ranges=[{CidrIpv6=fd00::/8}]' >"$TMP/out"
}
others authorize
forbid 192.168.0.0/16
ok "aws-routes: rules of one protocol, for a group and for IPv6 do not stand for ours" plan aws-routes create
ok "aws-routes: which is made beside them" run aws-routes apply
ok "aws-routes: once" plan aws-routes ""
kinds() { aws ec2 describe-security-groups --group-ids "$GROUP" --query "SecurityGroups[0].IpPermissions[] | [length([?IpProtocol=='tcp'].IpRanges[]), length([].UserIdGroupPairs[?GroupId=='$PEER'][]), length([].Ipv6Ranges[])]" --output text | tr '\t' ' '; }
ok "aws-routes: and they stay" test "$(kinds)" = "1 1 1"
others revoke
# Quotas: what the account has not, or AWS raises for nobody, is refused before anything is changed; what may have been
# raised is warned of.
cp "$TMP/aws-routes.yaml" "$TMP/few.yaml"
many_cidrs() { { cat "$TMP/few.yaml"; echo "extra_cidrs: [$(seq -s, -f "$1" "$2")]"; } >"$TMP/aws-routes.yaml"; }
many_cidrs '172.16.%.0f.0/24' 70
before=$(writes)
ok "aws-routes: more rules than the account may have are refused in plan" refuses "and the quota \"Inbound or outbound rules per security group\" of this account is 60" aws-routes plan
ok "aws-routes: which says how to ask for more" grep -q -- "--service-code vpc --quota-code L-0EA8095F --desired-value 7[0-9]" "$TMP/ran"
ok "aws-routes: before anything is changed" test "$(writes)" = "$before"
warned() { run aws-routes plan && grep -q "$GROUP will have [0-9]* rules: AWS allows 60 unless the quota \"Inbound or outbound rules per security group\" was raised" "$TMP/err"; }
lab faults add service='^aws$' action='^ServiceQuotas:GetServiceQuota$' effect=deny times=0 >/dev/null
ok "aws-routes: where that may not be asked, more than a group has by default are warned of" warned
lab faults clear >/dev/null
aws service-quotas request-service-quota-increase --service-code vpc --quota-code L-0EA8095F --desired-value 100 >"$TMP/out"
enough() { run aws-routes plan && ! grep -q " rules" "$TMP/err"; }
ok "aws-routes: where it was raised, nothing is said" enough
before=$(writes)
seq -f '172.16.%.0f.0/24' 0 255 >"$TMP/cidrs"
for i in 17 18 19 20; do seq -f "172.$i.%.0f.0/24" 0 255; done >>"$TMP/cidrs"
{ cat "$TMP/few.yaml"; echo "extra_cidrs: [$(paste -sd, "$TMP/cidrs")]"; } >"$TMP/aws-routes.yaml"
ok "aws-routes: more than AWS allows anybody are refused in plan" refuses "are the most that AWS allows" aws-routes plan
ok "aws-routes: before anything is changed" test "$(writes)" = "$before"
cp "$TMP/few.yaml" "$TMP/aws-routes.yaml"
sed -i 's/^next_hop.*/next_hop: {kind: ip, id: 10.0.109.10}/; /^vpc_id/d' "$TMP/aws-routes.yaml"
ok "aws-routes: a next hop by address is found without its VPC" plan aws-routes ""
sed 's/^next_hop.*/next_hop: {kind: eni, id: eni-0123456789abcdef0}/' "$TMP/few.yaml" >"$TMP/aws-routes.yaml"
ok "aws-routes: a next hop that does not exist is refused in plan" refuses "there is no interface eni-0123456789abcdef0" aws-routes plan
sed "s/^vpc_id.*/vpc_id: vpc-0123456789abcdef0/" "$TMP/few.yaml" >"$TMP/aws-routes.yaml"
ok "aws-routes: and one that is in another VPC" refuses "$ENI is in $VPC, and not in vpc-0123456789abcdef0" aws-routes plan
BESIDE=$(aws ec2 create-vpc --cidr-block 10.77.0.0/16 --query Vpc.VpcId --output text)
sed "s/^vpc_id.*//; s/^route_tables.*/route_tables: [$(aws ec2 describe-route-tables --filters Name=vpc-id,Values="$BESIDE" --query 'RouteTables[0].RouteTableId' --output text)]/" "$TMP/few.yaml" >"$TMP/aws-routes.yaml"
mv "$TMP/aws-routes.state" "$TMP/few.state"
ok "aws-routes: and a table of another VPC" refuses "$ENI is in $VPC, and the table" aws-routes plan
# What a gateway announces: a route of our own would go before it.
answer() { # answer TABLE ROUTES: EC2 tells so of a table
    lab faults add service='^aws$' action="^EC2:DescribeRouteTables$" effect=answer times=0 \
        "body=<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>$1</routeTableId><routeSet>$2</routeSet></item></routeTableSet></DescribeRouteTablesResponse>" >/dev/null
}
announced() { echo "<item><destinationCidrBlock>$1</destinationCidrBlock><gatewayId>vgw-0123456789abcdef0</gatewayId><state>active</state><origin>EnableVgwRoutePropagation</origin></item>"; }
own() { echo "<item><destinationCidrBlock>$1</destinationCidrBlock><networkInterfaceId>$2</networkInterfaceId><state>${3:-active}</state><origin>CreateRoute</origin></item>"; }
one() { printf 'route_tables: [%s]\nnext_hop: {kind: eni, id: %s}\nonPremCidr: 10.1.0.0/16\n' "$1" "$ENI" >"$TMP/aws-routes.yaml"; }
one "$TABLE"
before=$(writes)
answer "$TABLE" "$(announced 10.1.0.0/16)"
ok "aws-routes: what a gateway announces is refused" refuses "has a route for 10.1.0.0/16 to vgw-0123456789abcdef0, which that gateway announces" aws-routes plan
ok "aws-routes: by apply too" refuses "which that gateway announces" aws-routes apply
ok "aws-routes: before anything is changed" test "$(writes)" = "$before"
echo "adopt: true" >>"$TMP/aws-routes.yaml"
ok "aws-routes: unless it is to be gone before" plan aws-routes create
lab faults clear >/dev/null
one "$TABLE"
answer "$TABLE" "$(own 10.1.0.0/16 "$ENI")$(announced 10.1.0.0/16)$(announced 10.1.8.0/24)"
ok "aws-routes: a route that goes before it already is one" plan aws-routes ""
ok "aws-routes: a part that a gateway announces is warned of" grep -q "$TABLE leads 10.1.8.0/24, a part of 10.1.0.0/16, to vgw-0123456789abcdef0" "$TMP/err"
lab faults clear >/dev/null
# A route by a managed prefix list, which stands for the networks in it.
new_list() { # new_list NAME MAX CIDR...
    aws ec2 create-managed-prefix-list --prefix-list-name "$1" --max-entries "$2" --address-family IPv4 \
        --entries $(printf 'Cidr=%s ' "${@:3}") --query PrefixList.PrefixListId --output text
}
LIST=$(new_list onprem 2 10.1.0.0/16 10.2.0.0/16)
LARGE=$(new_list large 497 172.31.0.0/24)
LISTED=$(aws ec2 create-route-table --vpc-id "$VPC" --query RouteTable.RouteTableId --output text)
aws ec2 create-route --route-table-id "$LISTED" --destination-prefix-list-id "$LIST" --network-interface-id "$ENI" >"$TMP/out"
one "$LISTED"
ok "aws-routes: a route by a prefix list is one" plan aws-routes ""
ok "aws-routes: beside which apply makes none" run aws-routes apply
by_list() { run aws-routes verify || true; grep -q "to $ENI, by a prefix list" "$TMP/json"; }
ok "aws-routes: as verify says with it" by_list
aws ec2 replace-route --route-table-id "$LISTED" --destination-prefix-list-id "$LIST" --nat-gateway-id "$NAT"
ok "aws-routes: one that leads elsewhere is no hindrance" plan aws-routes create
ok "aws-routes: which is said" grep -q "$LISTED leads 10.1.0.0/16 to $NAT by the prefix list $LIST" "$TMP/err"
sed -i 's#^onPremCidr.*#onPremCidr: 10.2.0.0/15#' "$TMP/aws-routes.yaml"
ok "aws-routes: a part of a network that a list leads elsewhere" plan aws-routes create
ok "aws-routes: is warned of too" grep -q "$LISTED leads 10.2.0.0/16, a part of 10.2.0.0/15, to $NAT by the prefix list" "$TMP/err"
aws ec2 create-route --route-table-id "$LISTED" --destination-prefix-list-id "$LARGE" --nat-gateway-id "$NAT" >"$TMP/out"
ok "aws-routes: a list counts for the quota with all that it may hold" refuses "$LISTED: would have 501 routes, and the quota \"Routes per route table\" of this account is 500" aws-routes plan
full() { ! aws ec2 create-route --route-table-id "$LISTED" --destination-cidr-block 10.2.0.0/15 --nat-gateway-id "$NAT" >"$TMP/out" 2>&1 && grep -q RouteLimitExceeded "$TMP/out"; }
ok "aws-routes: as EC2 does" full
for list in "$LIST" "$LARGE"; do aws ec2 delete-route --route-table-id "$LISTED" --destination-prefix-list-id "$list"; done
aws ec2 delete-route-table --route-table-id "$LISTED"
for list in "$LIST" "$LARGE"; do aws ec2 delete-managed-prefix-list --prefix-list-id "$list" >"$TMP/out"; done
aws ec2 delete-vpc --vpc-id "$BESIDE"
mv "$TMP/few.state" "$TMP/aws-routes.state"
cp "$TMP/few.yaml" "$TMP/aws-routes.yaml"
ok "aws-routes: destroy" run aws-routes destroy
rules() { aws ec2 describe-security-groups --group-ids "$GROUP" --query "SecurityGroups[0].IpPermissions[?IpProtocol=='-1'].IpRanges[].CidrIp" --output text; }
ok "aws-routes: leaves the rule that was there before" test "$(rules)" = 10.1.0.0/16
aws ec2 revoke-security-group-ingress --group-id "$GROUP" --protocol=-1 --cidr 10.1.0.0/16 >/dev/null
aws ec2 delete-network-interface --network-interface-id "$ENI"

# ---- ccp: changes and the end ----
sed -i 's/^name: .*/&\nworker_count: 3/' "$TMP/ccp.yaml"
ok "ccp: another number of workers is an update" plan ccp update
sed -i 's/^worker_count.*//; s#10.0.111.0/24#10.0.112.0/24#' "$TMP/ccp.yaml"
ok "ccp: another subnet is a replacement" plan ccp replace
sed -i 's#10.0.112.0/24#10.0.111.0/24#' "$TMP/ccp.yaml"
cp "$TMP/ccp.state" "$TMP/kept"
rm "$TMP/ccp.state"
ok "ccp: without a record it is adopted" plan ccp ""
ok "ccp: and not destroyed" run ccp destroy
ok "ccp: it is there" plan ccp ""
cp "$TMP/kept" "$TMP/ccp.state"
k create service loadbalancer front --tcp=80 >/dev/null
k patch service front --type merge -p '{"metadata":{"finalizers":["service.kubernetes.io/load-balancer-cleanup"]}}' >/dev/null
cp "$TMP/ccp.yaml" "$TMP/patient.yaml"
echo "timeout: 1s" >>"$TMP/ccp.yaml"
ok "ccp: a load balancer that does not go keeps its cluster, and is named" refuses "Service default/front, which waits for service.kubernetes.io/load-balancer-cleanup" ccp destroy
ok "ccp: which is still there" test "$(aws eks describe-cluster --name aws --query cluster.status --output text)" = ACTIVE
cp "$TMP/patient.yaml" "$TMP/ccp.yaml"
k patch service front --type merge -p '{"metadata":{"finalizers":[]}}' >/dev/null
ok "ccp: destroy" run ccp destroy
ok "ccp: nothing is left in AWS" test "$(aws ec2 describe-vpcs --query "length(Vpcs[?IsDefault==\`false\`])" --output text)" = 0
finish
