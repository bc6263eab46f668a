#!/usr/bin/env bash
# The container platform: both logins, providers, a cluster from order to deletion.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
start_lab --eks-seconds 1

lab snapshot >"$TMP/before"
no_token() { ! ccp_login wrong; }
ok "version 3 shows a bad login by the missing token" no_token
CCP_TOKEN=none
ok "a call without a session is 401" ccp_is 401 GET /v3/clusters/
ok "version 3 logs in with a form" ccp_login
json_login() {
    curl -sS --cacert "$ISTHMUS_LAB_CA" -D - -o /dev/null -H 'Content-Type: application/json' \
        --data-binary '{"username":"admin","password":"abcd123!"}' "$ISTHMUS_CCP_URL/v3/system/login" | grep -qi '^x-auth-token: ..'
}
ok "and with JSON" json_login
v2() {
    curl -sS --cacert "$ISTHMUS_LAB_CA" -c "$TMP/cookies" -o /dev/null -w '%{http_code}' --data-urlencode username=admin \
        --data-urlencode "password=$1" "$ISTHMUS_CCP_URL/2/system/login/"
}
v2_good() { [ "$(v2 'abcd123!')" = 200 ] && grep -q CXAccessToken "$TMP/cookies"; }
ok "version 2 sets its cookie" v2_good
v2_clusters() { curl -sS --cacert "$ISTHMUS_LAB_CA" -b "$TMP/cookies" "$ISTHMUS_CCP_URL/2/clusters" | grep -q '"name":"ccp"'; }
ok "with which the tenant cluster is listed" v2_clusters
v2_env() {
    uuid=$(curl -sS --cacert "$ISTHMUS_LAB_CA" -b "$TMP/cookies" "$ISTHMUS_CCP_URL/2/clusters/ccp" | sed 's/.*"uuid":"\([^"]*\)".*/\1/')
    curl -sS --cacert "$ISTHMUS_LAB_CA" -b "$TMP/cookies" "$ISTHMUS_CCP_URL/2/clusters/$uuid/env" >"$TMP/ccp.yaml"
    kubectl --kubeconfig "$TMP/ccp.yaml" get nodes
}
ok "and its kubeconfig works" v2_env
v2_bad() { [ "$(v2 wrong)" = 401 ]; }
ok "version 2 refuses a bad password" v2_bad
aws_provider() { [ -n "$(provider)" ]; }
ok "the AWS provider is there" aws_provider
ok "a cluster without a slash is redirected" ccp_is 301 GET /v3/clusters
ok "an order with an unknown role is refused" ccp_is 400 POST /v3/clusters/ "{\"provider\":\"$(provider)\",\"type\":\"eks\",\"name\":\"x\",\"access_role_arn\":\"arn:none\",\"vpc_sizing\":{\"subnet\":\"10.0.0.0/16\",\"public_subnets\":[\"10.0.1.0/24\"],\"private_subnets\":[\"10.0.2.0/24\",\"10.0.3.0/24\"]}}"
ok "so is one whose subnets overlap" ccp_is 400 POST /v3/clusters/ "{\"provider\":\"$(provider)\",\"type\":\"eks\",\"name\":\"x\",\"access_role_arn\":\"$ROLE\",\"vpc_sizing\":{\"subnet\":\"10.0.0.0/16\",\"public_subnets\":[\"10.0.1.0/24\"],\"private_subnets\":[\"10.0.1.0/25\",\"10.0.3.0/24\"]}}"
ok "and one that is no JSON" ccp_is 400 POST /v3/clusters/ 'type: eks'
nothing_made() { lab snapshot >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }
ok "a refused order leaves nothing" nothing_made
ok "the walk-through's order is taken" order
creating() { grep -q '"status":"CREATING"' "$TMP/order"; }
ok "its cluster is being made" creating
twice() { ! order; }
first=$CLUSTER
ok "a second of the name is refused" twice
CLUSTER=$first
ok "it becomes READY" eventually ready
kubeconfig() { ccp GET "/v3/clusters/$CLUSTER/" | grep -q 'client.authentication.k8s.io/v1alpha1.*aws-iam-authenticator.*token.*-i.*aws.*-r.*k8s-ccp-user'; }
ok "its kubeconfig mints tokens for the access role" kubeconfig
admin() { kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_AWS" get nodes -o name | grep -c node/ip-10-0- | grep -qx 2; }
ok "it has two nodes in the private subnets" admin
session_ends() { lab faults add service=ccp effect=expired-token && ccp_is 401 GET /v3/clusters/ && ccp_is 401 GET /v3/clusters/ && ccp_login && ccp_is 200 GET /v3/clusters/; }
ok "a session that ended needs a new login" session_ends
ok "the tenant cluster is not deleted" ccp_is 404 DELETE /v3/clusters/none/
# ---- somebody else's interface in its VPC ----
ec2 DescribeSubnets Filter.1.Name=tag:Name Filter.1.Value.1=aws-private-subnet2 >/dev/null
ec2 CreateNetworkInterface "SubnetId=$(value subnetId)" >/dev/null
ENI=$(value networkInterfaceId)
ok "a cluster whose VPC somebody uses is deleted" ccp_is 202 DELETE "/v3/clusters/$CLUSTER/"
stuck() { ccp GET "/v3/clusters/$CLUSTER/" | grep -q '"status":"ERROR"'; }
ok "which does not work" eventually stuck
still_there() { ec2 DescribeNetworkInterfaces "NetworkInterfaceId.1=$ENI"; }
ok "and leaves what is not its own" still_there
ok "without that" ec2 DeleteNetworkInterface "NetworkInterfaceId=$ENI"
ok "the cluster is deleted" ccp_is 202 DELETE "/v3/clusters/$CLUSTER/"
gone() { ccp_is 404 GET "/v3/clusters/$CLUSTER/"; }
ok "and gone after a while" eventually gone
ok "the lab is as before" nothing_made
finish
