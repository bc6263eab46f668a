#!/usr/bin/env bash
# aws-eks against a second AWS: a cluster and its nodes made, kept, mended, removed, made again at once, and through
# faults. The fake's EKS runs no Kubernetes: its endpoint is that of a cluster of the lab.
. "$(dirname "$0")/fake-lib.sh"
command -v jq >/dev/null && command -v aws >/dev/null && command -v curl >/dev/null || skip_all "jq, curl or aws is missing"
[ -n "${ISTHMUS_AWS_FAKE:-}" ] || skip_all "ISTHMUS_AWS_FAKE is not set"
start_lab

# ---- the lab's part: a Kubernetes of the same name ----
cat >"$TMP/vpc.yaml" <<END
create: true
name: own
cidr: 10.0.0.0/16
public_cidrs: [10.0.1.0/24, 10.0.2.0/24]
private_cidrs: [10.0.11.0/24, 10.0.12.0/24]
END
ok "the lab has a VPC" run aws-vpc apply "$TMP/vpc.yaml" "$TMP/lab-vpc.state"
eks() { # eks SUBNETS
    cat <<END
create: true
name: own
cluster_role: AWSServiceRoleForAmazonEKS
subnets: $1
tags: {team: network}
node_groups:
  - {name: workers, role: k8s-node-instance-role, count: 2}
onPremCidr: 10.1.0.0/16
END
}
eks "$(jq -c '[.outputs.private_subnets[].id]' "$TMP/json")" | sed '/^onPrem/d; s/^create.*/&\nenable_snat: true/' >"$TMP/lab-eks.yaml"
ok "and a cluster" run aws-eks apply "$TMP/lab-eks.yaml" "$TMP/lab-eks.state"
SERVER=$(jq -r .outputs.endpoint "$TMP/json")
CA=$(aws eks describe-cluster --name own --query cluster.certificateAuthority.data --output text)
KEY=$AWS_ACCESS_KEY_ID SECRET=$AWS_SECRET_ACCESS_KEY

# ---- the second AWS, which knows the lab's key, since tokens for Kubernetes are signed with it ----
start_fake
fake /_fake/config "$(jq -n --arg key "$KEY" --arg secret "$SECRET" --arg server "$SERVER" --arg ca "$CA" \
    '{keys: {($key): $secret}, eks_endpoint: $server, eks_ca: $ca, eks_seconds: 1}')" >/dev/null
export AWS_ACCESS_KEY_ID=$KEY AWS_SECRET_ACCESS_KEY=$SECRET AWS_ENDPOINT_URL_STS=https://sts.us-west-2.amazonaws.com
# Moto has no add-ons, and says so with a page where EKS says that there is no such add-on.
NO_ADDONS='{"action": "GET /clusters/own/addons/.*", "code": "ResourceNotFoundException", "status": 404, "times": 9999}'
fault() { fake /_fake/config "{\"faults\": [$NO_ADDONS${1:+, $1}]}" >/dev/null; }
fault ""
for role in AWSServiceRoleForAmazonEKS k8s-node-instance-role; do
    aws iam create-role --role-name $role --assume-role-policy-document '{}' >/dev/null
done
VPC=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
subnet() { aws ec2 create-subnet --vpc-id "$VPC" --cidr-block "$1" --availability-zone "$2" --query Subnet.SubnetId --output text; }
eks "[$(subnet 10.0.11.0/24 us-west-2a), $(subnet 10.0.12.0/24 us-west-2b)]" >"$TMP/eks.yaml"
S=$TMP/eks.state
there() { aws eks describe-cluster --name own --query cluster.status --output text 2>/dev/null; }
nodes_are() { [ "$(aws eks describe-nodegroup --cluster-name own --nodegroup-name workers --query nodegroup.scalingConfig.desiredSize --output text)" = "$1" ]; }

ok "plan tells of cluster, node group and SNAT" changes 3 aws-eks "$TMP/eks.yaml" "$S"
ok "and calls nothing that writes" test "$(calls '(POST|DELETE) /clusters.*')" = 0
ok "apply waits until it is ACTIVE" run aws-eks apply "$TMP/eks.yaml" "$S"
ok "aws sees it" test "$(there)" = ACTIVE
ok "with its nodes" nodes_are 2
ok "a second plan is empty" changes 0 aws-eks "$TMP/eks.yaml" "$S"
ok "verify passes" run aws-eks verify "$TMP/eks.yaml" "$S"
aws eks delete-nodegroup --cluster-name own --nodegroup-name workers >/dev/null
one_create() { changes 1 aws-eks "$TMP/eks.yaml" "$S" && jq -e '.changes[0] | .action == "create" and .resource == "node group workers"' "$TMP/json"; }
ok "a node group that was deleted is the only change" one_create
ok "and is made again" run aws-eks apply "$TMP/eks.yaml" "$S"
ok "exactly" changes 0 aws-eks "$TMP/eks.yaml" "$S"

# ---- faults ----
made=$(calls 'POST /clusters')
ok "destroy" run aws-eks destroy "$TMP/eks.yaml" "$S"
ok "leaves no cluster" test -z "$(there)"
fault '{"action": "POST /clusters", "drop": true, "times": 1}, {"action": "GET /clusters/own", "code": "ThrottlingException", "status": 429, "times": 2},
    {"action": "POST /clusters/own/node-groups", "raw": "<html>proxy</html>", "status": 502, "times": 1}'
ok "apply at once after it comes through a dropped connection, throttling and a proxy" run aws-eks apply "$TMP/eks.yaml" "$S"
fault ""
ok "asking twice for the cluster" test $(($(calls 'POST /clusters') - made)) = 2
ok "of which there is one" test "$(aws eks list-clusters --query 'length(clusters)' --output text)" = 1
ok "with nothing left to do" changes 0 aws-eks "$TMP/eks.yaml" "$S"
aws eks delete-nodegroup --cluster-name own --nodegroup-name workers >/dev/null
fault '{"action": "POST /clusters/own/node-groups", "code": "AccessDeniedException", "status": 403, "times": 9}'
ok "a refusal names the code" refuses "AccessDeniedException" aws-eks apply "$TMP/eks.yaml" "$S"
ok "and the call" grep -q "EKS POST /clusters/own/node-groups in us-west-2" "$TMP/ran"
fault ""
ok "and is made good by the next run" run aws-eks apply "$TMP/eks.yaml" "$S"
ok "no secret is told" sh -c "! grep -F -e '$SECRET' '$TMP/ran.all'"

# ---- and away ----
ok "destroy again" run aws-eks destroy "$TMP/eks.yaml" "$S"
ok "leaves no cluster" test -z "$(there)"
ok "a second destroy finds nothing to do" run aws-eks destroy "$TMP/eks.yaml" "$S"
finish
