#!/usr/bin/env bash
# aws-eks makes a cluster by EKS's own API, in a VPC that aws-vpc made: for people without a container platform.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin-lib.sh"
command -v kubectl >/dev/null && command -v aws >/dev/null && command -v jq >/dev/null || skip_all "kubectl, aws or jq is missing"
start_lab
serve_aws
lab snapshot >"$TMP/before"

plan() { # plan NAME CHANGES: "create cluster own, update SNAT setting"
    run "$1" plan && [ "$(jq -r '[.changes[] | "\(.action) \(.resource)"] | join(", ")' "$TMP/json")" = "$2" ] && return
    echo "expected: $2"
    return 1
}
calls() { lab log --output jsonl | jq -r --arg call "$1" 'select(.action == $call and .status == 200) | .action' | wc -l; }

cat >"$TMP/aws-vpc.yaml" <<END
create: true
name: own
cidr: 10.0.0.0/16
public_cidrs: [10.0.1.0/24, 10.0.2.0/24]
private_cidrs: [10.0.11.0/24, 10.0.12.0/24]
END
ok "a VPC of our own" run aws-vpc apply
subnets=$(jq -c '[.outputs.private_subnets[].id]' "$TMP/json")
public=$(jq -c '[.outputs.public_subnets[].id]' "$TMP/json")
cat >"$TMP/extra.yaml" <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: kube-system}
data: {a: "1"}
END
inputs() { # inputs COUNT PUBLIC-CIDRS
    cat <<END
create: true
name: own
cluster_role: AWSServiceRoleForAmazonEKS
subnets: $subnets
public_access_cidrs: $2
tags: {team: network}
access_entries:
  - {principal: k8s-ccp-user, policy: AmazonEKSClusterAdminPolicy}
node_groups:
  - {name: workers, role: k8s-node-instance-role, count: $1, max: 5}
addons:
  - {name: coredns}
kubeconf_file: $TMP/own.kubeconfig
apply_manifests: [$TMP/extra.yaml]
END
}
inputs 2 '[198.51.100.0/24]' >"$TMP/aws-eks.yaml"
all="create cluster own, create access entry arn:aws:iam::123456789012:role/k8s-ccp-user, create node group workers, create add-on coredns, create kubeconfig file, create SNAT setting, create ConfigMap kube-system/extra"

# ---- what is refused before anything is made ----
sed 's/AWSServiceRoleForAmazonEKS/no-such-role/' "$TMP/aws-eks.yaml" >"$TMP/wrong.yaml" && mv "$TMP/aws-eks.yaml" "$TMP/right.yaml"
mv "$TMP/wrong.yaml" "$TMP/aws-eks.yaml"
ok "a role that is not there is refused in plan" refuses "no-such-role" aws-eks plan
sed '/^subnets/d' "$TMP/right.yaml" >"$TMP/aws-eks.yaml"
ok "so is a cluster without subnets" refuses "two or more" aws-eks plan
sed 's/count: 2/count: 2, instance_types: [t3.medium, c9.large]/' "$TMP/right.yaml" >"$TMP/aws-eks.yaml"
ok "so is an instance type that EC2 does not have" refuses "EC2 has no instance type c9.large in us-west-2" aws-eks plan
sed "s/count: 2/count: 2, subnets: $public/" "$TMP/right.yaml" >"$TMP/aws-eks.yaml"
ok "so are nodes in public subnets, whose pods would be cut off without SNAT" refuses "nodes in $(jq -r '.[0]' <<<"$public") get public addresses" aws-eks plan
echo "exclude_snat_cidrs: [10.1.0.0/16]" >>"$TMP/aws-eks.yaml"
ok "which they are not where prefixes are left out" run aws-eks plan
cat >"$TMP/old.yaml" <<END
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: felixconfigurations.crd.projectcalico.org}
spec: {group: crd.projectcalico.org, version: v1, scope: Cluster, names: {plural: felixconfigurations, kind: FelixConfiguration}}
END
sed "s#^apply_manifests.*#apply_manifests: [$TMP/old.yaml]#" "$TMP/right.yaml" >"$TMP/aws-eks.yaml"
ok "so is a manifest that such a Kubernetes will not serve" refuses "does not serve CustomResourceDefinition of apiextensions.k8s.io/v1beta1 since 1.22" aws-eks plan
ok "in apply too, before anything is made" refuses "since 1.22" aws-eks apply
sed "s#^apply_manifests.*#apply_manifests: [http://127.0.0.1:9/gone.yaml]#" "$TMP/right.yaml" >"$TMP/aws-eks.yaml"
ok "so is one that cannot be had" refuses "manifest_overrides" aws-eks apply
ok "of which nothing came" test "$(lab log --output jsonl | jq -r 'select(.write and (.action | startswith("eks:"))) | .action' | wc -l)" = 0
sed 's/namespace: kube-system/namespace: nowhere/' "$TMP/extra.yaml" >"$TMP/lost.yaml"
sed "s#^apply_manifests.*#apply_manifests: [$TMP/lost.yaml]#" "$TMP/right.yaml" >"$TMP/aws-eks.yaml"
ok "so is a namespace that no new cluster has" refuses "there is no namespace nowhere" aws-eks plan
cp "$TMP/right.yaml" "$TMP/aws-eks.yaml"

# ---- made ----
ok "plan tells all that is made" plan aws-eks "$all"
ok "and makes none of it" test "$(calls eks:CreateCluster)" = 0
ok "apply makes it" run aws-eks apply
ok "one cluster" test "$(calls eks:CreateCluster)" = 1
ok "a second plan is empty" plan aws-eks ""
ok "verify passes" run aws-eks verify
ok "aws sees the cluster" test "$(aws eks describe-cluster --name own --query cluster.status --output text)" = ACTIVE
ok "with its tag" test "$(aws eks describe-cluster --name own --query cluster.tags.team --output text)" = network
ok "aws sees the node group" test "$(aws eks describe-nodegroup --cluster-name own --nodegroup-name workers --query nodegroup.status --output text)" = ACTIVE
ok "kubectl sees two nodes" test "$(kubectl --kubeconfig "$TMP/own.kubeconfig" get nodes -o name | wc -l)" = 2
ok "source NAT is off" test "$(kubectl --kubeconfig "$TMP/own.kubeconfig" get ds -n kube-system aws-node \
    -o jsonpath="{.spec.template.spec.containers[0].env[?(@.name=='AWS_VPC_K8S_CNI_EXTERNALSNAT')].value}")" = true

# ---- changed, by the file and by hand ----
inputs 3 '[198.51.100.0/24, 203.0.113.0/24]' >"$TMP/aws-eks.yaml"
ok "a changed count and access are updates" plan aws-eks "update cluster own, update node group workers"
lab faults add service='^aws$' action='^eks:DescribeNodegroup$' effect=answer skip=2 "body=$(aws eks describe-nodegroup --cluster-name own --nodegroup-name workers |
    jq -c '.nodegroup |= (.status = "CREATE_FAILED" | .health = {issues: [{code: "AsgInstanceLaunchFailures", message: "no capacity in us-west-2a"}]})')" >/dev/null
lose() { # lose CALL...: the answer to each, once
    local call
    for call in "$@"; do
        lab faults add service='^aws$' action="^eks:$call$" effect=cut-after >/dev/null
    done
}
lose UpdateClusterConfig
ok "a node group that fails says why" refuses "node group workers: it is CREATE_FAILED: no capacity in us-west-2a" aws-eks apply
lab faults clear >/dev/null
lose UpdateNodegroupConfig
ok "which apply makes, though the answers are lost" run aws-eks apply
lab faults clear >/dev/null
lost() { lab log --output jsonl | jq -r 'select(.service == "aws") | "\(.action) \(.status == 0)"' | grep "^eks:Update.*Config" | sort | uniq -c | xargs; }
ok "each update whose answer is lost is asked for once more" test "$(lost)" = "1 eks:UpdateClusterConfig false 1 eks:UpdateClusterConfig true 1 eks:UpdateNodegroupConfig false 1 eks:UpdateNodegroupConfig true"
updates() { aws eks list-updates --name own "$@" --query 'length(updateIds)' --output text; }
ok "which makes one of each" test "$(updates) $(updates --nodegroup-name workers)" = "1 1"
ok "three nodes" test "$(kubectl --kubeconfig "$TMP/own.kubeconfig" get nodes -o name | wc -l)" = 3
ok "and nothing more to do" plan aws-eks ""
aws eks update-nodegroup-config --cluster-name own --nodegroup-name workers --scaling-config desiredSize=1 >/dev/null
ok "a group that somebody scaled is drift" plan aws-eks "update node group workers"
ok "which is mended" run aws-eks apply
aws eks delete-addon --cluster-name own --addon-name coredns >/dev/null
ok "an add-on that somebody deleted is made again" plan aws-eks "create add-on coredns"
ok "by apply" run aws-eks apply
sed -i 's/name: workers/name: others/' "$TMP/aws-eks.yaml"
ok "another group replaces the one before" plan aws-eks "create node group others, delete node group workers"
ok "new nodes before the old ones go" run aws-eks apply
ok "nothing more to do then" plan aws-eks ""
sed -i 's/^cluster_role.*/cluster_role: k8s-node-instance-role/' "$TMP/aws-eks.yaml"
ok "what cannot be changed is refused with both values" refuses "k8s-node-instance-role" aws-eks plan
inputs 3 '[198.51.100.0/24, 203.0.113.0/24]' | sed 's/name: workers/name: others/' >"$TMP/aws-eks.yaml"
cp "$TMP/aws-eks.yaml" "$TMP/kept.yaml"
HAS=$(aws eks describe-cluster --name own --query cluster.version --output text)
version() { sed "s/^create: true/create: true\nversion: \"1.$((${HAS#1.} + $1))\"/" "$TMP/kept.yaml" >"$TMP/aws-eks.yaml"; }
version 2
ok "two versions at once are refused in plan" refuses "set \`version\` to 1.$((${HAS#1.} + 1)) first" aws-eks plan
version -1
ok "so is one back" refuses "takes none back to an earlier version" aws-eks plan
version 1
ok "the next one is an update" plan aws-eks "update cluster own, update node group others"
cp "$TMP/kept.yaml" "$TMP/aws-eks.yaml"

sed -i 's/team: network/team: cloud/' "$TMP/aws-eks.yaml"
sed -i "s/^create: true/create: true\nversion: \"1.$((${HAS#1.} + 1))\"/" "$TMP/aws-eks.yaml"
cp "$TMP/aws-eks.yaml" "$TMP/kept.yaml"
from=$(updates)
lose UpdateClusterVersion UpdateNodegroupVersion TagResource
ok "with another tag it is made, though the answers are lost" run aws-eks apply
lab faults clear >/dev/null
ok "by one update of each" test "$(($(updates) - from)) $(updates --nodegroup-name others)" = "1 1"
ok "and nothing is left to do" plan aws-eks ""

# ---- who may do less has less ----
USER=arn:aws:iam::123456789012:role/k8s-ccp-user
policies() { aws eks list-associated-access-policies --cluster-name own --principal-arn "$USER" --query 'associatedAccessPolicies[].policyArn' --output text | sed 's#[^ \t]*/##g' | xargs; }
aws eks associate-access-policy --cluster-name own --principal-arn "$USER" --access-scope type=cluster \
    --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy >/dev/null
ok "a policy that somebody else gave is no difference" plan aws-eks ""
sed -i 's/AmazonEKSClusterAdminPolicy/AmazonEKSViewPolicy/' "$TMP/aws-eks.yaml"
ok "another policy is an update" plan aws-eks "update access entry $USER"
lab faults add service='^aws$' action='^eks:DisassociateAccessPolicy$' effect=deny >/dev/null
ok "a refusal to take the one before names the call" refuses "EKS DELETE /clusters/own/access-entries/" aws-eks apply
lab faults clear >/dev/null
ok "which is still to be done then" plan aws-eks "update access entry $USER"
ok "apply gives the one and takes the other" run aws-eks apply
ok "leaving others'" test "$(policies)" = "AmazonEKSEditPolicy AmazonEKSViewPolicy"
ok "with nothing left to do" plan aws-eks ""
sed -i 's/, policy: AmazonEKSViewPolicy//' "$TMP/aws-eks.yaml"
ok "none at all is an update" plan aws-eks "update access entry $USER"
ok "which takes it" run aws-eks apply
ok "and leaves others'" test "$(policies)" = AmazonEKSEditPolicy
ok "and then is none" plan aws-eks ""
cp "$TMP/kept.yaml" "$TMP/aws-eks.yaml"
ok "it is given again" run aws-eks apply

# ---- one that is there already ----
mv "$TMP/aws-eks.state" "$TMP/kept.state"
ok "a cluster that is there and agrees is taken as it is" plan aws-eks ""
mv "$TMP/kept.state" "$TMP/aws-eks.state"

# ---- and taken away: load balancers first, which leave interfaces behind when their cluster is gone ----
own() { kubectl --kubeconfig "$TMP/own.kubeconfig" "$@"; }
own create service loadbalancer front --tcp=80 >/dev/null
own create service clusterip back --tcp=80 >/dev/null
own patch service front --type merge -p '{"metadata":{"finalizers":["service.kubernetes.io/load-balancer-cleanup"]}}' >/dev/null
sed 's/^create: true/create: true\ntimeout: 1s/' "$TMP/aws-eks.yaml" >"$TMP/patient.yaml"
cp "$TMP/aws-eks.yaml" "$TMP/kept.yaml" && cp "$TMP/patient.yaml" "$TMP/aws-eks.yaml"
ok "a load balancer that does not go is named with what it waits for" refuses "Service default/front, which waits for service.kubernetes.io/load-balancer-cleanup" aws-eks destroy
ok "and the cluster is still there" aws eks describe-cluster --name own
cp "$TMP/kept.yaml" "$TMP/aws-eks.yaml"
own patch service front --type merge -p '{"metadata":{"finalizers":[]}}' >/dev/null
ENI=$(aws ec2 create-network-interface --subnet-id "$(jq -r '.[0]' <<<"$subnets")" --description "ELB front" --query NetworkInterface.NetworkInterfaceId --output text)
group=$(aws eks describe-cluster --name own --query cluster.resourcesVpcConfig.clusterSecurityGroupId --output text)
LEFT=$(aws ec2 create-network-interface --subnet-id "$(jq -r '.[0]' <<<"$subnets")" --groups "$group" --description "pod" --query NetworkInterface.NetworkInterfaceId --output text)
lab faults add service='^aws$' action='^eks:DeleteCluster$' effect=status status=409 code=ResourceInUseException >/dev/null
ok "a cluster that cannot go names what still uses its group" refuses "still there of the cluster's: interface $LEFT (pod)" aws-eks destroy
lab faults clear >/dev/null
aws ec2 delete-network-interface --network-interface-id "$LEFT"
ok "destroy" run aws-eks destroy
ok "the cluster is gone" sh -c '! aws eks describe-cluster --name own 2>/dev/null'
ok "a VPC that something is left in stays, and says what it is" refuses "interface $ENI (ELB front)" aws-vpc destroy
aws ec2 delete-network-interface --network-interface-id "$ENI"
ok "destroy of the VPC" run aws-vpc destroy
lab snapshot >"$TMP/after"
ok "the lab is as before" diff "$TMP/before" "$TMP/after"

# ---- what is lost on the way: a creating call that acted, and whose answer never came ----
for call in CreateChangeSet ExecuteChangeSet; do
    lab faults add service=aws action="^CloudFormation:$call$" effect=cut-after >/dev/null
done
ok "the VPC again, though the answers to both of its calls are lost" run aws-vpc apply
lab faults clear >/dev/null
ok "of which there is one" test "$(aws ec2 describe-vpcs --query "length(Vpcs[?IsDefault==\`false\`])" --output text)" = 1
subnets=$(jq -c '[.outputs.private_subnets[].id]' "$TMP/json")
inputs 2 '[198.51.100.0/24]' >"$TMP/aws-eks.yaml"
for call in CreateCluster CreateAccessEntry AssociateAccessPolicy CreateNodegroup CreateAddon; do
    lab faults add service=aws action="^eks:$call$" effect=cut-after >/dev/null
done
ok "each creating call loses its answer once, and all is made" run aws-eks apply
ok "each was lost" test "$(lab log --output jsonl | jq -r 'select(.status == 0 and .service == "aws") | .action' | grep -cE '^eks:(Create|Associate)')" = 5
ok "one cluster" test "$(aws eks list-clusters --query 'length(clusters)' --output text)" = 1
ok "nothing is left to do" plan aws-eks ""
lab faults clear >/dev/null
ok "destroy and apply at once" run aws-eks destroy
ok "make a fresh one" run aws-eks apply
ok "with nothing left to do" plan aws-eks ""
ok "and it goes" run aws-eks destroy
ok "with its VPC" run aws-vpc destroy
finish
