#!/bin/bash
# The lab's Kubernetes API servers, as kubectl and curl see them.
. "$(dirname "$0")/lib.sh"
command -v kubectl >/dev/null || skip_all "kubectl is not here"
command -v curl >/dev/null || skip_all "curl is not here"
export ISTHMUS_LAB_KUBE_HISTORY=400
start_lab
export KUBECONFIG=$TMP/lab/ccp.kubeconfig

k() { timeout 30 kubectl --request-timeout=20s "$@"; }
field() { k get "$1" "$2" -n "${4:-t}" -o "jsonpath=$3"; }
is() { # is VALUE cmd...: the command prints exactly that
    local want=$1 got
    shift
    got=$("$@")
    [ "$got" = "$want" ] || { echo "expected \"$want\", got \"$got\""; return 1; }
}
# The API with the admin's certificate and without kubectl's habits.
base64 -d <<<"$(sed -n 's/.*client-certificate-data: //p' "$KUBECONFIG")" >"$TMP/cert.pem"
base64 -d <<<"$(sed -n 's/.*client-key-data: //p' "$KUBECONFIG")" >"$TMP/key.pem"
URL=$(sed -n 's/.*server: //p' "$KUBECONFIG")
api() { curl -s --max-time 20 --cacert "$TMP/lab/ca.crt" --cert "$TMP/cert.pem" --key "$TMP/key.pem" "$URL$1" "${@:2}"; }

cat >"$TMP/web.yaml" <<EOF
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: t}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:1", ports: [{name: http, containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: t}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
EOF

# ---- objects and their makers ----
ok "kubectl finds ready nodes" k wait --for=condition=Ready nodes --all --timeout=5s
ok "a namespace is created" k create namespace t
exits 1 "and not created twice" k create namespace t
says "AlreadyExists" "with the server's reason"
ok "kubectl apply makes a deployment and a service" k apply -f "$TMP/web.yaml"
k apply -f "$TMP/web.yaml" >"$TMP/out"
is 2 grep -c unchanged "$TMP/out" >/dev/null
pass_or_fail $? "a second apply changes nothing"
ok "kubectl rollout status waits for its pods" k rollout status -n t deployment/web --timeout=10s
ok "kubectl wait sees it available" k wait -n t --for=condition=Available deployment/web --timeout=5s
ok "its pods have two addresses" is 2 sh -c "kubectl get pods -n t -l app=web -o jsonpath='{range .items[*]}{.status.podIP}{\"\\n\"}{end}' | grep -c ^192.168"
ok "the service has both as endpoints, by the port's name" eventually is "8080 2" sh -c \
    "kubectl get endpoints web -n t -o jsonpath='{.subsets[0].ports[0].port} {.subsets[0].addresses[*].ip}' | awk '{print \$1, NF - 1}'"
ok "and an EndpointSlice of the controller's" is "endpointslice-controller.k8s.io" \
    k get endpointslices -n t -l kubernetes.io/service-name=web -o 'jsonpath={.items[0].metadata.labels.endpointslice\.kubernetes\.io/managed-by}'
ok "scale goes through the subresource" k scale -n t deployment/web --replicas=3
ok "and pods follow" k rollout status -n t deployment/web --timeout=10s
ok "a new image rolls the pods" k set image -n t deployment/web web=nginx:2
ok "until all are of the new template" k rollout status -n t deployment/web --timeout=10s
ok "and none of the old is left" eventually is "nginx:2 nginx:2 nginx:2" k get pods -n t -l app=web \
    --field-selector=status.phase=Running -o 'jsonpath={.items[*].spec.containers[0].image}'
exits 1 "a selector cannot be changed" k patch deployment web -n t --type=merge -p '{"spec":{"selector":{"matchLabels":{"app":"x"}}}}'
says "field is immutable" "and the refusal says so"

# ---- field managers ----
cat >"$TMP/cm.yaml" <<EOF
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: t}
data: {a: "1", b: "2"}
EOF
ok "server-side apply creates" k apply --server-side --field-manager=one -f "$TMP/cm.yaml"
rv=$(field cm c '{.metadata.resourceVersion}')
ok "and again" k apply --server-side --field-manager=one -f "$TMP/cm.yaml"
ok "without a new resourceVersion" is "$rv" field cm c '{.metadata.resourceVersion}'
sed 's/"1"/"9"/' "$TMP/cm.yaml" >"$TMP/cm9.yaml"
exits 1 "another manager's change is a conflict" k apply --server-side --field-manager=two -f "$TMP/cm9.yaml"
says 'conflict with "one": .data.a' "that names manager and field"
ok "force takes the field over" k apply --server-side --field-manager=two --force-conflicts -f "$TMP/cm9.yaml"
sed 's/, b: "2"//' "$TMP/cm9.yaml" >"$TMP/less.yaml"
ok "a manager that leaves a field out gives it up" k apply --server-side --field-manager=two -f "$TMP/less.yaml"
ok "it stays while the other one owns it" is 2 field cm c '{.data.b}'
sed 's/^data: .*/data: {a: "9"}/' "$TMP/cm.yaml" >"$TMP/last.yaml"
ok "and goes with its last owner" k apply --server-side --field-manager=one -f "$TMP/last.yaml"
ok "from the object" is "" field cm c '{.data.b}'
calls=$(writes)
k apply --server-side --dry-run=server --field-manager=three --force-conflicts -f "$TMP/cm.yaml" >/dev/null
is "$calls" writes >"$TMP/out"
pass_or_fail $? "a dry run is no write in the journal"
ok "and changes nothing" is 9 field cm c '{.data.a}'
exits 22 "a stale resourceVersion is a conflict" api /api/v1/namespaces/t/configmaps/c -f -X PUT -H 'Content-Type: application/json' \
    -d '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","resourceVersion":"1"}}'

# ---- lists and watches ----
ok "kubectl lists in pages" is 5 sh -c "kubectl get serviceaccounts -A --chunk-size=2 -o name | grep -c /default"
page() { api "/api/v1/serviceaccounts?limit=2&$1" | sed -n 's/.*"continue": *"\([^"]*\)".*/\1/p'; }
token=$(page "")
k create serviceaccount late -n default >/dev/null
ok "later pages are of the first page's moment" is 0 sh -c "$(declare -f api); TMP=$TMP URL=$URL; api '/api/v1/serviceaccounts?continue=$token' | grep -c '\"late\"'"
ok "selectors choose" is "default late" k get sa -n default -o 'jsonpath={.items[*].metadata.name}' -l 'nope notin (a,b),!other'
exits 1 "an unknown field selector is refused" k get sa -n default --field-selector=spec.x=y
k create configmap there-before -n t >/dev/null
timeout 120 kubectl get configmaps -n t -w -o name >"$TMP/watched" 2>/dev/null &
watching=$!
eventually grep -q configmap/there-before "$TMP/watched" # from here on it misses nothing
k create configmap seen -n t >/dev/null
k label configmap seen -n t x=y >/dev/null
k delete configmap seen -n t >/dev/null
ok "a watch sees an object come, change and go" eventually is 3 grep -c configmap/seen "$TMP/watched"
kill "$watching"
api "/api/v1/configmaps?watch=1&timeoutSeconds=1&allowWatchBookmarks=true" >"$TMP/out"
says '"type":"BOOKMARK"' "a watch that ends says how far it came"
for i in $(seq 220); do
    printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: n%s, namespace: t, labels: {churn: "yes"}}\n' "$i"
done | k create -f - >/dev/null
k delete configmaps -n t -l churn=yes --wait=false >/dev/null
api "/api/v1/configmaps?watch=1&timeoutSeconds=1&resourceVersion=1" >"$TMP/out"
says '"code":410' "a watch from before what is remembered ends with 410"
api "/api/v1/serviceaccounts?continue=$token" >"$TMP/out"
says '"reason":"Expired"' "and so do the pages"

# ---- deletion ----
cat >"$TMP/owned.yaml" <<EOF
apiVersion: v1
kind: ConfigMap
metadata: {name: owner, namespace: t, finalizers: [lab.test/hold]}
EOF
k apply -f "$TMP/owned.yaml" >/dev/null
uid=$(field cm owner '{.metadata.uid}')
k apply -f - >/dev/null <<EOF
apiVersion: v1
kind: ConfigMap
metadata: {name: owned, namespace: t, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: $uid}]}
EOF
k delete configmap owner -n t --wait=false >/dev/null
ok "a finalizer holds what is deleted" k get configmap owner -n t
k patch configmap owner -n t --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
ok "until it is taken off" eventually sh -c '! kubectl get configmap owner -n t 2>/dev/null'
ok "what it owned goes after it" eventually sh -c '! kubectl get configmap owned -n t 2>/dev/null'
exits 1 "a precondition that fails deletes nothing" k delete --raw "/api/v1/namespaces/t/configmaps/c" -f - <<<'{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"x"}}'
ok "as asked" k get configmap c -n t
ok "orphans stay" k delete deployment web -n t --cascade=orphan
ok "with their pods" k get replicaset -n t -l app=web
k apply -f - >/dev/null <<EOF
apiVersion: v1
kind: Service
metadata: {name: far, namespace: t}
spec: {ports: [{port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: far, namespace: t}
subsets: [{addresses: [{ip: 10.9.9.9}], ports: [{port: 8080}]}]
EOF
ok "Endpoints written by hand are mirrored into a slice" eventually is 10.9.9.9 \
    k get endpointslices -n t -l endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io -o 'jsonpath={.items[*].endpoints[*].addresses[0]}'
k label endpoints far -n t endpointslice.kubernetes.io/skip-mirror=true >/dev/null
ok "and no longer when they are marked" eventually is "" \
    k get endpointslices -n t -l endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io -o 'jsonpath={.items[*].metadata.name}'
ok "a namespace goes with all that is in it" k delete namespace t --timeout=15s
exits 1 "and is gone" k get namespace t
exits 1 "the first namespaces stay" k delete namespace kube-system

# ---- kinds by version, custom kinds, who may ask ----
exits 1 "extensions/v1beta1 is gone" k apply -f - <<<'apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: x}
'
says 'no matches for kind "Deployment" in version "extensions/v1beta1"' "and kubectl says so"
k apply -f - >/dev/null <<EOF
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: moons.lab.test}
spec:
  group: lab.test
  scope: Namespaced
  names: {plural: moons, kind: Moon, shortNames: [mn]}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
EOF
ok "a definition is established" k wait --for=condition=Established crd/moons.lab.test --timeout=5s
ok "and its kind served" k apply -f - <<<'apiVersion: lab.test/v1
kind: Moon
metadata: {name: io}
spec: {of: Jupiter}'
ok "by its short name too" k get mn io
ok "nobody without a certificate is let in" is 401 curl -s -o /dev/null -w '%{http_code}' --cacert "$TMP/lab/ca.crt" "$URL/api/v1/pods"
k apply -f - >/dev/null <<EOF
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: writer, namespace: default}
spec: {holderIdentity: one, leaseDurationSeconds: 15, renewTime: "2026-01-01T00:00:00.000000Z"}
EOF
k get lease writer -n default -o json >"$TMP/lease.json"
sed -i 's/T00:00:00.000000Z/T00:00:01.000000Z/' "$TMP/lease.json"
ok "a lease is renewed by its version" k replace -f "$TMP/lease.json"
sed -i 's/"one"/"two"/' "$TMP/lease.json"
exits 1 "but not by one who saw an older one" k replace -f "$TMP/lease.json"
says "the object has been modified" "and the refusal says so"
lab set ccp dual-stack=on
k apply -f - >/dev/null <<EOF
---
{apiVersion: v1, kind: Service, metadata: {name: two, namespace: default}, spec: {ipFamilyPolicy: PreferDualStack, selector: {app: two}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: two, namespace: default, labels: {app: two}}, spec: {containers: [{name: c, image: nginx}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: host, namespace: default, labels: {app: host}}, spec: {hostNetwork: true, containers: [{name: c, image: nginx}]}}
EOF
k wait --for=condition=Ready pod/two pod/host -n default --timeout=5s >/dev/null
families() { k get endpointslices -n default -l kubernetes.io/service-name=two -o 'jsonpath={range .items[*]}{.addressType}={.endpoints[*].addresses[*]}{"\n"}{end}' | sort | paste -sd' '; }
ips=$(field pod two '{.status.podIPs[*].ip}' default)
ok "in a dual-stack cluster a pod has an address of each family" test "$(wc -w <<<"$ips")" = 2
ok "and a Service slices of each" eventually is "IPv4=${ips% *} IPv6=${ips#* }" families
ok "and addresses of each" is 2 sh -c "kubectl get service two -n default -o 'jsonpath={.spec.clusterIPs[*]}' | wc -w"
ok "a pod on the host's network has its node's address" is "$(field pod host '{.status.hostIP}' default)" field pod host '{.status.podIP}' default
lab set ccp dual-stack=off
exits 1 "an address that is none is refused" k apply -f - <<<'apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s}
addressType: IPv4
endpoints: [{addresses: [ten]}]'
exits 1 "and a CIDR with a wrong exception" k apply -f - <<<'apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}'

# ---- faults ----
lab faults add effect=status status=503 service=kube/ccp action='get namespaces' >/dev/null
exits 1 "a fault rule refuses a call" k get namespace default
says "ServiceUnavailable" "in the server's own form"
ok "once" k get namespace default
k create configmap old -n default >/dev/null
lab faults add effect=stale service=kube/ccp action='get configmaps' >/dev/null
exits 1 "a stale read does not see the last write" k get configmap old -n default
ok "the next one does" k get configmap old -n default
finish
