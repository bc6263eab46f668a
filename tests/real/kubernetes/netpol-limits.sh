#!/usr/bin/env bash
# What k8s-netpol refuses between real API servers: pod addresses that could be either cluster's, a Cilium ClusterMesh, and
# with the guard, policies of kinds that it does not judge, each installed by its real definition. Nothing is written then.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
start_cluster east classic
start_cluster west classic

east() { CLUSTER=east kubectl "$@"; }
west() { CLUSTER=west kubectl "$@"; }
pod() { # pod CLUSTER NAME ADDRESS
    CLUSTER=$1 kubectl apply -f - >/dev/null <<X
{apiVersion: v1, kind: Pod, metadata: {name: $2, namespace: shop, labels: {app: $2}},
 spec: {nodeName: n1, automountServiceAccountToken: false, containers: [{name: c, image: x}]}}
X
    CLUSTER=$1 kubectl -n shop patch pod "$2" --subresource=status --type=merge \
        -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$3\",\"podIPs\":[{\"ip\":\"$3\"}]}}" >/dev/null
}
for cluster in east west; do
    CLUSTER=$cluster kubectl create namespace shop >/dev/null
    for _ in $(seq 100); do CLUSTER=$cluster kubectl -n shop get serviceaccount default >/dev/null 2>&1 && break; sleep 0.1; done
done
pod east api 10.1.0.4
pod west web 10.2.0.4
east apply -f - >/dev/null <<'X'
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: front, namespace: shop, annotations: {isthmus.dev/clusters: "*"}},
 spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}
X
inputs() { # inputs WEST-CIDR GUARD [MORE]
    echo "{\"kubeconfigs\": {\"east\": \"$TMP/east/kubeconfig\", \"west\": \"$TMP/west/kubeconfig\"}, \"guard\": \"$2\",
 \"pod_cidrs\": {\"east\": [\"10.1.0.0/16\"], \"west\": [\"$1\"]}${3:-}}" >"$TMP/in.json"
}
once() { plugin k8s-netpol "$TMP/state" "$TMP/in.json" "$@"; }
nothing() { [ -z "$(east -n shop get networkpolicies -o name | grep isthmus)" ]; }

# ---- addresses that could be either's
inputs 10.1.128.0/17 off
once observe plan >"$TMP/out" 2>&1
says "overlap" "pod CIDRs that overlap: plan says so"
exits 1 "apply refuses" once observe plan apply
says "10.1.128.0/17 overlaps with 10.1.0.0/16" "and names them"
exits 1 "a daemon does not begin" once watch
says "10.1.0.0/16 of east and 10.1.128.0/17 of west overlap" "for the same reason"
ok "nothing is written" nothing

# ---- one mesh
mesh() { # mesh CLUSTER ID
    CLUSTER=$1 kubectl apply -f - >/dev/null <<X
kind: List
apiVersion: v1
items:
- {kind: ConfigMap, apiVersion: v1, metadata: {name: cilium-config, namespace: kube-system}, data: {cluster-name: $1, cluster-id: "$2"}}
- kind: DaemonSet
  apiVersion: apps/v1
  metadata: {name: cilium, namespace: kube-system}
  spec: {selector: {matchLabels: {k: cilium}}, template: {metadata: {labels: {k: cilium}}, spec: {containers: [{name: c, image: x}]}}}
- kind: Deployment
  apiVersion: apps/v1
  metadata: {name: clustermesh-apiserver, namespace: kube-system}
  spec: {selector: {matchLabels: {k: mesh}}, template: {metadata: {labels: {k: mesh}}, spec: {containers: [{name: c, image: x}]}}}
X
}
inputs 10.2.0.0/16 off
mesh east 1
mesh west 2
exits 1 "two clusters of one Cilium ClusterMesh: apply refuses" once observe plan apply
says "no ipBlock matches pods that Cilium knows" "and says why"
ok "nothing is written" nothing
PLUGIN_TOOL_TELL=1 "$PLUGIN_TOOL" k8s-netpol "$TMP/daemon.state" "$TMP/in.json" watch >"$TMP/daemon.log" 2>&1 &
daemon=$!
ok "a daemon that nobody applied before says so too" within 60 grep -q "it is in one Cilium ClusterMesh with" "$TMP/daemon.log"
kill "$daemon"
wait "$daemon"
ok "and writes nothing" nothing
west -n kube-system delete deployment clustermesh-apiserver >/dev/null
west -n kube-system delete daemonset cilium >/dev/null
ok "without the mesh it is done" once observe plan apply
written() { [ "$(east -n shop get networkpolicy front-isthmus-west -o 'jsonpath={.spec.ingress[*].from[*].ipBlock.cidr}')" = 10.2.0.4/32 ]; }
ok "and written" written
ok "destroy" once observe destroy

# ---- kinds of policy that are not judged
definition() { # definition GROUP VERSION KIND PLURAL SCOPE
    echo "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: $4.$1, annotations: {api-approved.kubernetes.io: \"unapproved, a test\"}},
 spec: {group: $1, scope: $5, names: {kind: $3, plural: $4}, versions: [{name: $2, served: true, storage: true,
  schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}" | west apply -f - >/dev/null
    west wait --for condition=Established --timeout=30s "crd/$4.$1" >/dev/null
}
# ---- SNAT is found, and what to write
inputs 10.2.0.0/16 off
set_of() { # set_of CLUSTER NAME CONTAINER-FIELDS
    "$1" apply -f - >/dev/null <<X
kind: DaemonSet
apiVersion: apps/v1
metadata: {name: $2, namespace: kube-system}
spec: {selector: {matchLabels: {k: $2}}, template: {metadata: {labels: {k: $2}}, spec: {containers: [{name: $2, image: x$3}]}}}
X
}
finds() { # finds pass|fail FROM TO: what verify says of SNAT
    once observe verify | python3 -c '
import json, sys
said = [json.loads(line) for line in sys.stdin if line.startswith("{")]
for check in said[-1]["checks"]:
    if check["name"] == "no SNAT %s -> %s" % tuple(sys.argv[1:]):
        print(check["result"], check["evidence"], sep="\n")' "$2" "$3" >"$TMP/out"
    [ "$(head -1 "$TMP/out")" = "$1" ]
}
east -n kube-system delete daemonset cilium >/dev/null
set_of east aws-node ''
set_of west calico-node ''
definition crd.projectcalico.org v1 IPPool ippools Cluster
pools() { west apply -f "$1" >/dev/null; }
echo '{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: default-ipv4}, spec: {cidr: 10.2.0.0/16, natOutgoing: true}}' >"$TMP/pool.yaml"
ok "Calico's pool" within 30 pools "$TMP/pool.yaml"
ok "the VPC CNI as it comes translates" finds fail east west
says "AWS_VPC_K8S_CNI_EXTERNALSNAT" "by its environment"
ok "and so does Calico without a pool for the other's pods" finds fail west east
sed '1,/^apiVersion/{/^apiVersion/!d}' "$TMP/out" >"$TMP/add.yaml"
ok "the IPPool that is told is one" within 30 pools "$TMP/add.yaml"
ok "with it pods keep their address" finds pass west east
set_of east aws-node ', env: [{name: AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS, value: 10.2.0.0/16}]'
ok "and so they do where the VPC CNI spares the other's pods" finds pass east west
east -n kube-system delete daemonset aws-node >/dev/null
west -n kube-system delete daemonset calico-node >/dev/null

inputs 10.2.0.0/16 no-new-paths
exits 1 "the guard: a new path is refused" once observe plan apply
says "guard: no-new-paths" "as such"
# A policy of the file that opens to the world outside, or opens by going.
front() { east -n shop annotate networkpolicy front "isthmus.dev/clusters$1" >/dev/null; }
file() { inputs 10.2.0.0/16 no-new-paths ", \"policies\": [{\"name\": \"out\", \"cluster\": \"$1\", \"namespace\": \"shop\", \"policyTypes\": [\"Ingress\"]$2}]"; }
front -
file east ', "ingress": [{"from": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.0/25"]}}], "ports": [{"port": 443}]}]'
once observe plan >"$TMP/out" 2>&1
says "203.0.113.128 (outside) => east:shop/api[Pod] : TCP 443 (before: No Connections)" "a path from outside: plan tells of it"
exits 1 "and the guard refuses it" once observe plan apply
says "1 paths would be new, first 203.0.113.128 (outside) => east:shop/api[Pod] : TCP 443" "as such"
file west ""
ok "a policy that closes is let through" once observe plan apply
inputs 10.2.0.0/16 no-new-paths
exits 1 "and its going is not" once observe plan apply
says "192.0.2.1 (outside) => west:shop/web[Pod] : All Connections (before: No Connections)" "which would open again"
west -n shop delete networkpolicy out >/dev/null
front '=*'
while read -r group version kind plural scope; do
    definition "$group" "$version" "$kind" "$plural" "$scope"
    object="{apiVersion: $group/$version, kind: $kind, metadata: {name: theirs}}"
    for _ in $(seq 50); do echo "$object" | west -n shop apply -f - >/dev/null 2>&1 && break; sleep 0.1; done
    exits 1 "the guard: $kind of $group is refused" once observe plan apply
    says "policies of kinds that are not judged here, $kind" "by its name"
    timeout 60 "$ISTHMUS" policy map --cluster "west=$TMP/west/kubeconfig" >"$TMP/out" 2>&1
    says "$kind" "and the map warns of it"
    echo "$object" | west -n shop delete -f - >/dev/null 2>&1
done <<'X'
crd.projectcalico.org v1 GlobalNetworkPolicy globalnetworkpolicies Cluster
cilium.io v2 CiliumNetworkPolicy ciliumnetworkpolicies Namespaced
policy.networking.k8s.io v1alpha1 AdminNetworkPolicy adminnetworkpolicies Cluster
X
nothing_left() { ! once observe plan apply | grep -q 'not judged'; }
ok "when they are gone, nobody speaks of them" nothing_left
ok "nothing was written all the while" nothing
finish
