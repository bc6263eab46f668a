#!/usr/bin/env bash
# The lab's API server beside a real one: the same requests, the same answers. What passes only against our own lab is
# not known to be right; here the lab itself is held to the real thing.
. "$(dirname "$0")/lib.sh"
[ -x "$BUILD/sdk/lab/isthmus-lab" ] || skip_all "the lab is not built here"
start_cluster modern modern
start_lab --kube-version 1.34

on() { timeout 60 "$KUBEBUILDER_ASSETS/kubectl" --cache-dir "$TMP/cache.$1" --kubeconfig "$2" "${@:3}" 2>&1; }
# What differs from server to server: ids, times, versions, allocated addresses, which fields one allocates.
plain() {
    sed -E -e 's/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/UID/g' -e 's/"?(resourceVersion|creationTimestamp|time|generation)"?: .*/\1: X/' \
        -e 's/10\.96\.[0-9.]+/ADDRESS/g' -e 's/too old resource version: .*/too old/' -e '/generation: X/d' |
        grep -v '^Warning: .*deprecated'
}
# alike "what" kubectl-words...: both servers answer the same
alike() {
    local what=$1 real ours
    shift
    on real "$TMP/modern/kubeconfig" "$@" >"$TMP/real.raw" </dev/null
    real=$?
    on lab "$TMP/lab/ccp.kubeconfig" "$@" >"$TMP/lab.raw" </dev/null
    ours=$?
    plain <"$TMP/real.raw" >"$TMP/real.out"
    plain <"$TMP/lab.raw" >"$TMP/lab.out"
    diff "$TMP/real.out" "$TMP/lab.out" >"$TMP/out"
    pass_or_fail $(($? != 0 || real != ours)) "$what"
}
file() { cat >"$TMP/$1"; }
yaml() { alike "$1: the object" get "${@:2}" -o yaml --show-managed-fields; }

file cm.yaml <<'EOF'
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: t, labels: {a: b}, annotations: {x/y: z}}
data: {a: "1", b: "2"}
EOF
sed 's/"1"/"9"/' "$TMP/cm.yaml" >"$TMP/cm9.yaml"
sed 's/, b: "2"//; s/, annotations: {x\/y: z}//' "$TMP/cm9.yaml" >"$TMP/less.yaml"
sed 's/^data:/dta:/' "$TMP/cm.yaml" >"$TMP/typo.yaml"
file svc.yaml <<'EOF'
apiVersion: v1
kind: Service
metadata: {name: s, namespace: t}
spec: {selector: {a: b}, ports: [{port: 80, name: web, protocol: TCP}, {port: 81, name: dns, protocol: UDP}]}
EOF
file port.yaml <<'EOF'
apiVersion: v1
kind: Service
metadata: {name: s, namespace: t}
spec: {ports: [{port: 90, name: other, protocol: TCP}]}
EOF
file slice.yaml <<'EOF'
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e, namespace: t, labels: {kubernetes.io/service-name: s, endpointslice.kubernetes.io/managed-by: test}}
addressType: IPv4
endpoints: [{addresses: [10.1.1.1], conditions: {ready: true}}]
ports: [{port: 80, name: web, protocol: TCP}]
EOF
sed 's/10.1.1.1/10.1.1.2/' "$TMP/slice.yaml" >"$TMP/slice2.yaml"
file netpol.yaml <<'EOF'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: t}
spec: {podSelector: {matchLabels: {a: b}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]}
EOF

alike "a namespace" create namespace t # in protobuf, by kubectls of today
alike "the same again" create namespace t
alike "a secret" create secret generic k -n t --from-literal=p=q
alike "server-side apply" apply --server-side --field-manager one -f "$TMP/cm.yaml"
yaml "applied" configmap c -n t
alike "another's change is a conflict" apply --server-side --field-manager two -f "$TMP/cm9.yaml"
alike "force" apply --server-side --field-manager two --force-conflicts -f "$TMP/cm9.yaml"
yaml "forced" configmap c -n t
alike "giving fields up" apply --server-side --field-manager two -f "$TMP/less.yaml"
yaml "less" configmap c -n t
alike "a field that no kind has" apply --server-side --field-manager two -f "$TMP/typo.yaml"
alike "a merge patch" patch configmap c -n t --type=merge --field-manager hand -p '{"data":{"b":null,"n":"1"}}'
alike "a JSON patch" patch configmap c -n t --type=json --field-manager hand -p '[{"op":"add","path":"/data/j","value":"1"}]'
alike "a JSON patch that does not fit" patch configmap c -n t --type=json -p '[{"op":"remove","path":"/data/none"}]'
yaml "patched" configmap c -n t
alike "client-side apply" apply -f "$TMP/svc.yaml"
alike "again" apply -f "$TMP/svc.yaml"
alike "moved to server-side apply" apply --server-side --force-conflicts -f "$TMP/svc.yaml"
alike "another's port in the same list" apply --server-side --field-manager two -f "$TMP/port.yaml"
alike "whose ports are whose" get service s -n t -o 'jsonpath={.spec.ports}'
alike "a slice" apply --server-side --field-manager one -f "$TMP/slice.yaml"
alike "its endpoints are one value" apply --server-side --field-manager two -f "$TMP/slice2.yaml"
yaml "slice" endpointslice e -n t
alike "a policy" apply --server-side --field-manager one -f "$TMP/netpol.yaml"
yaml "policy" networkpolicy p -n t
alike "a selector" get configmaps -n t -l 'a in (b,c),!d' -o name
alike "a field selector" get configmaps -n t --field-selector metadata.name=c -o name
alike "one that is unknown" get configmaps -n t --field-selector spec.x=c -o name
alike "what is not there" get configmap none -n t
alike "a dry run" delete configmap c -n t --dry-run=server
alike "deletes nothing" get configmap c -n t -o name
alike "a finalizer" patch configmap c -n t --type=merge -p '{"metadata":{"finalizers":["x.y/z"]}}'
alike "holds" delete configmap c -n t --wait=false
alike "until it goes" patch configmap c -n t --type=merge -p '{"metadata":{"finalizers":null}}'
alike "the object" get configmap c -n t -o name
alike "a namespace goes with all in it" delete namespace t --timeout=20s
finish
