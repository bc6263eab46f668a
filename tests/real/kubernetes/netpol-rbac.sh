#!/usr/bin/env bash
# k8s-netpol with exactly the roles that `isthmus plugin show k8s-netpol --rbac` prints: all six operations work; with
# each verb taken away in turn an error names the verb, the resource and the cluster, and what was written stays.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
DAEMON=
start_cluster east classic
start_cluster west modern

east() { CLUSTER=east kubectl "$@"; }
west() { CLUSTER=west kubectl "$@"; }
stop_everything() {
    [ -z "$DAEMON" ] || kill -KILL "$DAEMON" 2>/dev/null
    stop_clusters
}
trap stop_everything EXIT
within() { # within SECONDS (two minutes at least: a busy machine takes its time) "says what" cmd...
    local end=$((SECONDS + ($1 < 120 ? 120 : $1))) name=$2
    shift 2
    while ! "$@" >"$TMP/out" 2>&1; do
        [ $SECONDS -lt $end ] || {
            grep -v '"type":"status"' "$TMP/log" | tail -n 5 | cut -c1-400 >>"$TMP/out"
            pass_or_fail 1 "$name"
            return
        }
        sleep 0.1
    done
    pass_or_fail 0 "$name"
}

token=$(openssl rand -hex 16)
echo "$token,narrow,narrow" >>"$TMP/east/pki/tokens.csv"
sed "s/token: [0-9a-f]*/token: $token/" "$TMP/east/kubeconfig" >"$TMP/east/narrow"
restart_api east
# Definitions of what is only read where it is served.
crd() { # crd GROUP VERSION KIND PLURAL SCOPE
    east apply -f - >/dev/null <<X
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $4.$1}
spec: {group: $1, scope: $5, names: {kind: $3, plural: $4}, versions: [{name: $2, served: true, storage: true,
  schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}
X
    echo "$1/$4 list $5" >>"$TMP/read"
}
crd crd.projectcalico.org v1 IPPool ippools Cluster
crd crd.projectcalico.org v1 NetworkPolicy networkpolicies Namespaced
crd crd.projectcalico.org v1 GlobalNetworkPolicy globalnetworkpolicies Cluster
crd cilium.io v2 CiliumNetworkPolicy ciliumnetworkpolicies Namespaced
crd cilium.io v2 CiliumClusterwideNetworkPolicy ciliumclusterwidenetworkpolicies Cluster
crd crd.antrea.io v1beta1 ClusterNetworkPolicy clusternetworkpolicies Cluster

"$ISTHMUS" plugin show k8s-netpol --rbac >"$TMP/all.yaml"
# roles [VERB GROUP/RESOURCE...]: those, without that verb for these
roles() {
    awk -v v="${1:-}" -v of=" ${*:2} " '
        /^- apiGroups:/ { list = "groups"; group = ""; resource = "" }
        /^  resources:/ { list = "resources" }
        /^  verbs:/ { list = "verbs" }
        /^  - / && list == "groups" { group = $2; gsub("\"", "", group) }
        /^  - / && list == "resources" { resource = $2 }
        v != "" && /^  - / && list == "verbs" && index(of, " " group "/" resource " ") && $2 == v { $0 = "  - none" }
        1' "$TMP/all.yaml" >"$TMP/roles.yaml"
    east apply -f "$TMP/roles.yaml" >/dev/null
}
roles
east create clusterrolebinding narrow-s --clusterrole isthmus-k8s-netpol-source --user narrow >/dev/null
east create clusterrolebinding narrow-t --clusterrole isthmus-k8s-netpol-target --user narrow >/dev/null
east -n kube-system create rolebinding narrow-s --role isthmus-k8s-netpol-source --user narrow >/dev/null
east -n kube-system create rolebinding narrow-t --role isthmus-k8s-netpol-target --user narrow >/dev/null

for cluster in east west; do CLUSTER=$cluster kubectl create namespace shop >/dev/null; done
pod() { # pod NAME ADDRESS [APP [CLUSTER]]
    CLUSTER=${4:-west} kubectl apply -f - >/dev/null <<X
{apiVersion: v1, kind: Pod, metadata: {name: $1, namespace: shop, labels: {app: ${3:-web}}},
 spec: {nodeName: n1, automountServiceAccountToken: false, containers: [{name: c, image: x}]}}
X
    CLUSTER=${4:-west} kubectl -n shop patch pod "$1" --subresource=status --type=merge \
        -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$2\",\"podIPs\":[{\"ip\":\"$2\"}]}}" >/dev/null
}
drop() { west -n shop delete pod "$1" --grace-period=0 --force >/dev/null 2>&1; }
policy() { # policy NAME APP: stretched; who has that label may come in
    east apply -f - >/dev/null <<X
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: $1, namespace: shop, annotations: {isthmus.dev/clusters: "*"}},
 spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: $2}}}]}]}}
X
}
for _ in $(seq 100); do east -n shop get serviceaccount default >/dev/null 2>&1 && break; sleep 0.1; done
pod api 10.1.0.4 api east
pod web1 10.2.0.4
pod db 10.2.0.77 db
policy front web
cat >"$TMP/in.json" <<X
{"kubeconfigs": {"east": "$TMP/east/narrow", "west": "$TMP/west/kubeconfig"}, "guard": "off", "debounce": 100,
 "pod_cidrs": {"east": ["10.1.0.0/16"], "west": ["10.2.0.0/16"]}}
X
sed 's/"guard": "off"/"guard": "no-new-paths"/' "$TMP/in.json" >"$TMP/guarded.json"
INPUTS=$TMP/in.json
once() { plugin k8s-netpol "$TMP/state" "$INPUTS" "$@"; }
daemon() {
    : >"$TMP/log"
    PLUGIN_TOOL_TELL=1 "$PLUGIN_TOOL" k8s-netpol "$TMP/watch.state" "$TMP/in.json" watch >"$TMP/log" 2>&1 &
    DAEMON=$!
    disown
}
end() {
    kill -TERM "$DAEMON"
    for _ in $(seq 100); do kill -0 "$DAEMON" 2>/dev/null || break; sleep 0.1; done
    kill -0 "$DAEMON" 2>/dev/null && return 1
    DAEMON=
}
logs() { grep -qE -- "$1" "$TMP/log"; }
lets_in() { [ "$(east -n shop get networkpolicy "$1-isthmus-west" -o 'jsonpath={.spec.ingress[*].from[*].ipBlock.cidr}')" = "$2" ]; }
absent() { ! east -n shop get networkpolicy "$1-isthmus-west" >/dev/null 2>&1; }

# ---- all of it, with what is printed
ok "plan and apply" once observe plan apply
ok "write the companion" lets_in front 10.2.0.4/32
ok "verify, which reads what translates addresses" once observe verify
INPUTS=$TMP/guarded.json
policy second db
once observe plan apply >"$TMP/out" 2>&1
says "guard: no-new-paths" "the guard, which reads policies of other kinds, says its word"
east -n shop delete networkpolicy second >/dev/null
INPUTS=$TMP/in.json
daemon
pod web2 10.2.0.5
within 30 "the daemon follows" lets_in front 10.2.0.4/31
drop web2
within 20 "both ways" lets_in front 10.2.0.4/32
exits 1 "and nothing is missed" logs 'cannot |forbidden'
ok "it ends" end
ok "destroy" once observe destroy
ok "leaves nothing" absent front
ok "once more" once observe plan apply

# ---- without: the daemon
# An API server says "cannot VERB resource"; of a creation by apply it says no verb, and the daemon does.
names() { grep -qE "cannot $2 resource .*$1|$1 .*forbidden.*the verb $2|the verb [a-z or]*$2" "$TMP/log" && grep -q east "$TMP/log"; }
lacks() { # lacks VERB GROUP/RESOURCE [TRIGGER...]
    roles "$1" "$2"
    daemon
    [ $# = 2 ] || {
        within 30 "the daemon is up without $1 $2" logs 'cluster east: holds the lease'
        "${@:3}"
    }
    within 30 "without $1 $2: the error says so" names "${2#*/}" "$1"
    roles
}
kinds=(/namespaces /pods /services networking.k8s.io/networkpolicies discovery.k8s.io/endpointslices apps/daemonsets)
for verb in list watch; do
    roles $verb "${kinds[@]}"
    daemon
    for what in "${kinds[@]}"; do
        within 30 "without $verb ${what#*/}: the error says so" names "${what#*/}" $verb
    done
    roles
    within 60 "given back: it goes on by itself" logs 'cluster east: synced'
    ok "and nothing was taken away meanwhile" lets_in front 10.2.0.4/32
    ok "it ends" end
done
lacks get /namespaces
ok "it ends" end
for verb in get update; do
    lacks $verb coordination.k8s.io/leases
    ok "it ends" end
done
lacks patch networking.k8s.io/networkpolicies pod web2 10.2.0.5
within 60 "given back: it goes on by itself" lets_in front 10.2.0.4/31
ok "it ends" end
lacks create networking.k8s.io/networkpolicies policy third web
within 60 "given back: the companion is made" lets_in third 10.2.0.4/31
ok "it ends" end
unstretch() { east -n shop annotate networkpolicy third isthmus.dev/clusters- >/dev/null; }
lacks delete networking.k8s.io/networkpolicies unstretch
within 60 "given back: it is taken away" absent third
ok "it ends" end

# ---- without: verify and the guard, which read what a daemon does not
refusal() { # refusal RESOURCE VERB OPERATION...: fails and names it; or verify tells of it in its checks
    once observe "${@:3}"
    [ "$(once observe "${@:3}" | grep -cE "cannot $2 resource .*$1")" != 0 ]
}
for what in crd.projectcalico.org/ippools apps/deployments /configmaps; do
    resource=${what#*/}
    verb=get
    [ "$resource" != ippools ] || verb=list
    [ "$resource" != deployments ] || east apply -f - >/dev/null <<'X'
kind: List
apiVersion: v1
items:
- {kind: ConfigMap, apiVersion: v1, metadata: {name: cilium-config, namespace: kube-system}, data: {cluster-name: east}}
- kind: DaemonSet
  apiVersion: apps/v1
  metadata: {name: cilium, namespace: kube-system}
  spec: {selector: {matchLabels: {k: cilium}}, template: {metadata: {labels: {k: cilium}}, spec: {containers: [{name: c, image: x}]}}}
X
    roles $verb "$what"
    ok "verify without $verb $resource: says so" refusal "$resource" $verb verify
    roles
done
INPUTS=$TMP/guarded.json
policy second db # what would be new: the guard has something to judge
for what in crd.projectcalico.org/networkpolicies crd.projectcalico.org/globalnetworkpolicies cilium.io/ciliumnetworkpolicies \
    cilium.io/ciliumclusterwidenetworkpolicies crd.antrea.io/clusternetworkpolicies; do
    roles list "$what"
    exits 1 "the guard without list ${what#*/}: refuses" once observe plan apply
    says "cannot list resource \\\"${what#*/}\\\"" "and says why"
    roles
done
INPUTS=$TMP/in.json
ok "destroy" once observe destroy
finish
