#!/usr/bin/env bash
# k8s-svcmirror with exactly the roles that `isthmus plugin show k8s-svcmirror --rbac` prints, a source's in one cluster
# and a target's in the other: it does all its work, and a source that it may no longer read is never an empty one.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
DAEMON=

east() { CLUSTER=east kubectl "$@"; }
west() { CLUSTER=west kubectl "$@"; }
stop_everything() {
    [ -z "$DAEMON" ] || kill "$DAEMON" 2>/dev/null
    stop_clusters
}
trap stop_everything EXIT

# A user `mirror` with a certificate of the cluster's own CA, and nothing else.
user() { # user CLUSTER
    local pki=$TMP/$1/pki
    openssl req -newkey rsa:2048 -nodes -keyout "$pki/mirror.key" -out "$pki/mirror.csr" -subj /CN=mirror 2>/dev/null
    openssl x509 -req -in "$pki/mirror.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 2 \
        -out "$pki/mirror.crt" 2>/dev/null
    sed "s#user: {token: [^}]*}#user: {client-certificate: $pki/mirror.crt, client-key: $pki/mirror.key}#" \
        "$TMP/$1/kubeconfig" >"$TMP/$1/mirror.kubeconfig"
}
start_cluster east classic
start_cluster west classic
disown -a
user east
user west
"$ISTHMUS" plugin show k8s-svcmirror --rbac >"$TMP/roles.yaml"
# roles CLUSTER ROLE: those of that role, bound to the user
roles() {
    CLUSTER=$1 kubectl apply -f "$TMP/roles.yaml" >/dev/null &&
        CLUSTER=$1 kubectl create clusterrolebinding mirror --clusterrole "isthmus-k8s-svcmirror-$2" --user mirror >/dev/null
}
ok "the roles of a source" roles east source
ok "the roles of a target" roles west target
lease() { west -n kube-system create rolebinding mirror --role isthmus-k8s-svcmirror-target --user mirror; }
ok "and of its Lease" lease
read_only() { ! "$ISTHMUS" plugin show k8s-svcmirror --rbac | awk '/^---/ {source = 0} /-source$/ {source = 1} source' | grep -qE 'create|patch|update|delete'; }
ok "a source is only read" read_only

cat <<'END' | east apply -f - >/dev/null
kind: List
apiVersion: v1
items:
- {kind: Namespace, apiVersion: v1, metadata: {name: shop}}
- {kind: Service, apiVersion: v1, metadata: {name: web, namespace: shop}, spec: {ports: [{port: 80, protocol: TCP}]}}
- {kind: Service, apiVersion: v1, metadata: {name: dns, namespace: kube-system}, spec: {ports: [{port: 53, protocol: UDP}]}}
- kind: EndpointSlice
  apiVersion: discovery.k8s.io/v1
  metadata: {name: web-a, namespace: shop, labels: {kubernetes.io/service-name: web}}
  addressType: IPv4
  ports: [{port: 80, protocol: TCP}]
  endpoints: [{addresses: [10.0.1.7], conditions: {ready: true}}]
END
cat >"$TMP/in.json" <<END
{"clusters":[{"name":"east","services":[{}]},{"name":"west","services":[]}],"create_namespaces":true,
"kubeconfigs":{"east":"$TMP/east/mirror.kubeconfig","west":"$TMP/west/mirror.kubeconfig"},"pod_cidrs":{"east":["10.0.0.0/16"]}}
END
mirror() { plugin k8s-svcmirror "$TMP/state" "$TMP/in.json" "$@"; }
addresses() { west -n shop get endpointslices -l kubernetes.io/service-name=web -o jsonpath='{.items[*].endpoints[*].addresses[0]}'; }
has() { test "$(addresses)" = "$1"; }
within() { # within SECONDS (two minutes at least: a busy machine takes its time) cmd...
    local end=$((SECONDS + ($1 < 120 ? 120 : $1)))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
move() {
    east -n shop patch endpointslice web-a --type=json -p "[{\"op\":\"replace\",\"path\":\"/endpoints/0/addresses/0\",\"value\":\"$1\"}]" >/dev/null
}
start_daemon() {
    PLUGIN_TOOL_TELL=1 "$PLUGIN_TOOL" k8s-svcmirror "$TMP/state" "$TMP/in.json" watch >"$TMP/log" 2>&1 &
    DAEMON=$!
}
stop_daemon() {
    kill "$DAEMON"
    wait "$DAEMON" 2>/dev/null
    DAEMON=
}

ok "with them: apply" mirror observe plan apply
ok "mirrors" has 10.0.1.7
of_all() { west get services -A -l isthmus.dev/owner -o name >"$TMP/out" && test "$(cat "$TMP/out")" = service/web; }
ok "of all namespaces neither the API server nor what is the system's" of_all
ok "verify" mirror observe verify
start_daemon
ok "the daemon takes the Lease" within 20 west -n kube-system get lease isthmus-step
move 10.0.1.8
ok "and follows what moves" within 20 has 10.0.1.8
east -n shop delete service web >/dev/null
gone() { ! west -n shop get service web; }
ok "and takes away what goes" within 20 gone
stop_daemon
echo '{kind: Service, apiVersion: v1, metadata: {name: web, namespace: shop}, spec: {ports: [{port: 80, protocol: TCP}]}}' | east apply -f - >/dev/null
ok "again" mirror observe plan apply
ok "destroy" mirror observe destroy
says "Namespace shop in west is left" "leaves the namespace, whose contents these roles do not let it see"
nothing() { ! west -n shop get service web; }
ok "and nothing in it" within 20 nothing

# ---- a source that may not be read is not taken for an empty one (rbac.sh has the target's verbs)
ok "and once more" mirror observe plan apply
for resource in namespaces services endpointslices; do
    east get clusterrole isthmus-k8s-svcmirror-source -o json >"$TMP/role.json"
    awk -v resource="\"$resource\"" '/"resources"/ {mine = 0} index($0, resource) {mine = 1}
        !(mine && /"list"/)' "$TMP/role.json" | east replace -f - >/dev/null
    refused() { ! mirror observe plan apply >"$TMP/refusal" 2>&1 && cat "$TMP/refusal" && grep -q "cannot list resource .*$resource" "$TMP/refusal"; }
    ok "without list of $resource in the source an apply says so" within 10 refused
    still() { west -n shop get service web && has 10.0.1.8; }
    ok "and what was mirrored stays" still
    east replace -f "$TMP/roles.yaml" >/dev/null 2>&1
    within 10 mirror observe plan apply
done
finish
