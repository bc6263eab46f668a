#!/usr/bin/env bash
# k8s-svcmirror and k8s-netpol between real API servers: EndpointSlices where they are served, Endpoints where not.
. "$(dirname "$0")/lib.sh"
start_cluster east modern
start_cluster west legacy

east() { CLUSTER=east kubectl "$@"; }
west() { CLUSTER=west kubectl "$@"; }

# A service with one pod and its slice in the east; the slice by hand, so that no controller's pace matters.
cat >"$TMP/app.yaml" <<'X'
kind: List
apiVersion: v1
items:
- {kind: Namespace, apiVersion: v1, metadata: {name: shop}}
- {kind: Service, apiVersion: v1, metadata: {name: front, namespace: shop}, spec: {ports: [{port: 80, protocol: TCP}]}}
- kind: EndpointSlice
  apiVersion: discovery.k8s.io/v1
  metadata: {name: front-a, namespace: shop, labels: {kubernetes.io/service-name: front}}
  addressType: IPv4
  ports: [{port: 80, protocol: TCP}]
  endpoints: [{addresses: [10.0.1.7], conditions: {ready: true}}, {addresses: [172.31.0.9], conditions: {ready: true}}]
- {kind: Pod, apiVersion: v1, metadata: {name: f1, namespace: shop, labels: {app: front}}, spec: {nodeName: n1, containers: [{name: c, image: x}]}}
X
ok "a service in the east" east apply -f "$TMP/app.yaml"
ok "with a pod" east -n shop patch pod f1 --subresource=status --type=merge \
    -p '{"status":{"phase":"Running","podIP":"10.0.1.7","podIPs":[{"ip":"10.0.1.7"}]}}'
west create namespace stranger >/dev/null

configs="\"kubeconfigs\":{\"east\":\"$TMP/east/kubeconfig\",\"west\":\"$TMP/west/kubeconfig\"},\"pod_cidrs\":{\"east\":[\"10.0.0.0/16\"]}"
echo "{\"clusters\":[{\"name\":\"east\",\"services\":[{\"namespace\":\"shop\"}]},{\"name\":\"west\",\"services\":[]}],$configs,\"create_namespaces\":true}" >"$TMP/mirror.json"
echo "{$configs,\"policies\":[{\"name\":\"p\",\"cluster\":\"west\",\"namespace\":\"shop\",\"podSelector\":{},\"ingress\":[{\"from\":[{\"cluster\":\"east\",\"namespace\":\"shop\",\"podSelector\":{\"matchLabels\":{\"app\":\"front\"}}}],\"ports\":[{\"port\":80}]}]}]}" >"$TMP/policy.json"
mirror() { plugin k8s-svcmirror "$TMP/mirror.state" "$TMP/mirror.json" "$@"; }
policy() { plugin k8s-netpol "$TMP/policy.state" "$TMP/policy.json" "$@"; }
nothing() { "$@" observe plan | tail -1 | grep -q '"changes":\[\]'; }

# ---- services ----
ok "mirror" mirror observe plan apply
ok "leaves nothing to do" nothing mirror
addresses() { test "$(west -n shop get endpoints front -o jsonpath='{.subsets[*].addresses[*].ip}')" = 10.0.1.7; }
ok "the west has its pod's address, and none outside the pod CIDRs" addresses
ok "an address that moves" east -n shop patch endpointslice front-a --type=json \
    -p '[{"op":"replace","path":"/endpoints/0/addresses/0","value":"10.0.1.8"}]'
ok "is seen" mirror observe plan
says 10.0.1.8 "by its address"
ok "and followed" mirror observe plan apply
moved() { test "$(west -n shop get endpoints front -o jsonpath='{.subsets[*].addresses[*].ip}')" = 10.0.1.8; }
ok "to the other cluster" moved
west -n shop create service clusterip taken --tcp=80 >/dev/null
east -n shop create service clusterip taken --tcp=80 >/dev/null
ok "a name that is taken" mirror observe plan apply
untouched() { test -z "$(west -n shop get service taken -o jsonpath='{.metadata.labels.isthmus\.dev/owner}')"; }
ok "is left alone" untouched

# ---- policies ----
ok "a policy whose peer is in the east" policy observe plan apply
ok "leaves nothing to do" nothing policy
block() { test "$(west -n shop get networkpolicy p -o jsonpath='{.spec.ingress[*].from[*].ipBlock.cidr}')" = "$1"; }
ok "names the pod's address" block 10.0.1.7/32
east -n shop patch pod f1 --subresource=status --type=merge -p '{"status":{"phase":"Succeeded"}}' >/dev/null
ok "a pod that has completed" policy observe plan apply
ok "is let in no more" block ""
closed() { test "$(west -n shop get networkpolicy p -o jsonpath='{.spec.policyTypes[*]}{.spec.ingress}')" = Ingress; }
ok "and nobody else instead" closed

# ---- and away ----
ok "policies go" policy observe destroy
west -n shop delete service taken >/dev/null
ok "mirrored services go" mirror observe destroy
left() { ! west get namespace shop && west get namespace stranger; }
ok "with the namespace that was made for them, and nothing of others" left
finish
