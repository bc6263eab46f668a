#!/usr/bin/env bash
# Plain NetworkPolicies that stretch between two real API servers. No network plugin is there: what is checked is the
# policies that are written, when, and what becomes of them while nobody watches.
. "$(dirname "$0")/lib.sh"
start_cluster east classic
start_cluster west modern

east() { CLUSTER=east kubectl "$@"; }
west() { CLUSTER=west kubectl "$@"; }
DAEMON=

within() { # within SECONDS (two minutes at least: a busy machine takes its time) "says what" cmd...
    local end=$((SECONDS + ($1 < 120 ? 120 : $1))) name=$2
    shift 2
    while ! "$@" >"$TMP/out" 2>&1; do
        [ $SECONDS -lt $end ] || {
            { echo "not in time; the daemon's last words:"; tail -n 5 "$TMP/watch.log"; } >>"$TMP/out" 2>/dev/null
            pass_or_fail 1 "$name"
            return
        }
        sleep 0.05
    done
    pass_or_fail 0 "$name"
}
daemon() {
    "$PLUGIN_TOOL" k8s-netpol "$TMP/watch.state" "$TMP/in.json" watch >>"$TMP/watch.log" 2>&1 &
    DAEMON=$!
    disown
}
end_all() {
    [ -z "$DAEMON" ] || kill -KILL "$DAEMON" 2>/dev/null
    stop_clusters
}
trap end_all EXIT

pod() { # pod CLUSTER NAME APP ADDRESS [NUMBER of port http]
    CLUSTER=$1 kubectl apply -f - >/dev/null <<X
{apiVersion: v1, kind: Pod, metadata: {name: $2, namespace: shop, labels: {app: $3}}, spec: {nodeName: n1,
 containers: [{name: c, image: x, ports: [{name: http, containerPort: ${5:-8080}, protocol: TCP}]}]}}
X
    CLUSTER=$1 kubectl -n shop patch pod "$2" --subresource=status --type=merge \
        -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$4\",\"podIPs\":[{\"ip\":\"$4\"}]}}" >/dev/null
}
drop() { CLUSTER=$1 kubectl -n shop delete pod "$2" --grace-period=0 --force >/dev/null 2>&1; }
policy() { # policy NAME SPEC
    east apply -f - >/dev/null <<X
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: $1, namespace: shop, labels: {tool: argo},
 annotations: {isthmus.dev/clusters: "*", other: tool}}, spec: $2}
X
}
of() { east -n shop get networkpolicy "$1" -o "jsonpath=$2"; }
lets_in() { [ "$(of "$1-isthmus-west" '{.spec.ingress[*].from[*].ipBlock.cidr}')" = "$2" ]; }
absent() { ! east -n shop get networkpolicy "$1" >/dev/null 2>&1; }
version() { of "$1" '{.metadata.resourceVersion}'; }

for cluster in east west; do CLUSTER=$cluster kubectl create namespace shop >/dev/null; done
east label namespace shop team=blue >/dev/null
west label namespace shop team=red >/dev/null
west create namespace quiet >/dev/null
west label namespace quiet team=blue >/dev/null
# A service account is what a classic pod waits for.
CLUSTER=east
for _ in $(seq 100); do east -n shop get serviceaccount default >/dev/null 2>&1 && break; sleep 0.1; done
pod west web1 web 10.2.0.4
pod west web2 web 10.2.0.5 9090
pod west db db 10.2.0.9
policy front '{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress],
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{protocol: TCP, port: 80}]},
            {from: [{podSelector: {matchLabels: {app: nobody}}}]}],
  egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{protocol: TCP, port: http}]}]}'
policy blue '{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}'
east -n shop create -f - >/dev/null <<X
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: local}, spec: {podSelector: {},
 policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}}
X
more='"debounce": 100, "keep_for": "4s"'
cat >"$TMP/in.json" <<X
{"kubeconfigs": {"east": "$TMP/east/kubeconfig", "west": "$TMP/west/kubeconfig"}, "pod_cidrs": {"east": ["10.1.0.0/16"],
 "west": ["10.2.0.0/16"]}, $more}
X
once() { plugin k8s-netpol "$TMP/state" "$TMP/in.json" "$@"; }
nothing() { once observe plan | tail -1 | grep -q '"changes":\[\]'; }

# ---- once ----
ok "plan" once observe plan
says front-isthmus-west "tells of the companion"
ok "apply" once observe plan apply
ok "leaves nothing to do" nothing
ok "the companion lets in the other cluster's pods, neighbours joined" lets_in front 10.2.0.4/31
egress() {
    [ "$(of front-isthmus-west '{range .spec.egress[*]}{.ports[*].port}:{.to[*].ipBlock.cidr} {end}')" = "8080:10.2.0.4/32 9090:10.2.0.5/32 " ]
}
ok "a named egress port is a rule for each number" egress
owner() {
    [ "$(of front-isthmus-west '{.metadata.ownerReferences[0].uid}')" = "$(of front '{.metadata.uid}')" ] &&
        [ -z "$(of front-isthmus-west '{.metadata.labels.tool}{.metadata.annotations.other}')" ]
}
ok "it belongs to the original, and has none of its labels and annotations" owner
ok "a namespaceSelector reads the other cluster's labels" absent blue-isthmus-west
ok "and a policy without the annotation is not stretched" absent local-isthmus-west
before=$(version front-isthmus-west)
ok "a second apply" once observe plan apply
same() { [ "$(version front-isthmus-west)" = "$before" ]; }
ok "writes nothing" same
ok "verify" once observe verify
says "SNAT" "looks at SNAT"

# ---- a policy of somebody else has the name ----
policy taken '{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}'
east -n shop create -f - >/dev/null <<X
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: taken-isthmus-west}, spec: {podSelector: {}}}
X
ok "a name that is taken" once observe plan apply
untouched() { [ -z "$(of taken-isthmus-west '{.metadata.labels}{.spec.ingress}')" ]; }
ok "is left alone" untouched
east -n shop delete networkpolicy taken taken-isthmus-west >/dev/null

# ---- where the VPC CNI judges: before a ClusterIP is translated, and it knows no names of ports
east apply -f - >/dev/null <<X
kind: List
apiVersion: v1
items:
- kind: DaemonSet
  apiVersion: apps/v1
  metadata: {name: aws-node, namespace: kube-system}
  spec: {selector: {matchLabels: {k: aws-node}}, template: {metadata: {labels: {k: aws-node}}, spec: {containers: [
    {name: aws-node, image: x}, {name: aws-eks-nodeagent, image: x, args: ["--enable-network-policy=true"]}]}}}
- {kind: Service, apiVersion: v1, metadata: {name: web, namespace: shop}, spec: {ports: [{name: http, port: 80, protocol: TCP}]}}
- kind: EndpointSlice
  apiVersion: discovery.k8s.io/v1
  metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
  addressType: IPv4
  ports: [{name: http, port: 8080, protocol: TCP}]
  endpoints: [{addresses: [10.2.0.4]}]
X
pod east api1 api 10.1.0.4 8081
policy vpc '{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress],
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{protocol: TCP, port: http}]}],
  egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{protocol: TCP, port: 8080}]}]}'
cluster_ip=$(east -n shop get service web -o 'jsonpath={.spec.clusterIP}')
vpc() { [ "$(of vpc-isthmus-west "{range .spec.$1[*]}{.ports[*].port}:{.$2[*].ipBlock.cidr} {end}")" = "$3" ]; }
ok "the VPC CNI" once observe plan apply
ok "a named ingress port is the number that the selected pods agree on" vpc ingress from "8081:10.2.0.4/31 "
ok "the ClusterIP of a mirrored service stands beside what is allowed behind it" vpc egress to "8080:10.2.0.4/31 80:$cluster_ip/32 "
east -n shop patch endpointslice web-1 --type=merge -p '{"endpoints":[{"addresses":["10.2.0.4"]},{"addresses":["10.2.0.9"]}]}' >/dev/null
pod east api2 api 10.1.0.5 8082
ok "another pod behind it, and another number" once observe plan apply
says "port http is left out: it is 808" "which is told"
ok "the ClusterIP goes" vpc egress to "8080:10.2.0.4/31 "
ok "and so does the port" vpc ingress from ""
east -n shop delete networkpolicy vpc >/dev/null
east -n shop delete pod api1 api2 --grace-period=0 --force >/dev/null 2>&1
east -n kube-system delete daemonset aws-node >/dev/null
ok "without it" once observe plan apply

# ---- the daemon ----
daemon
pod west web3 web 10.2.0.6
within 20 "a pod that comes is let in" lets_in front "10.2.0.4/31 10.2.0.6/32"
drop west web1
within 5 "one that goes is withdrawn" lets_in front "10.2.0.5/32 10.2.0.6/32"
policy second '{podSelector: {matchLabels: {app: cache}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}'
within 10 "a policy that comes is stretched" lets_in second 10.2.0.9/32
drop west web2
pod west db2 db 10.2.0.5
within 10 "an address that moves is let in for its next owner" lets_in second "10.2.0.5/32 10.2.0.9/32"
ok "and was withdrawn from the last one's" lets_in front 10.2.0.6/32
west -n shop patch pod web3 --subresource=status --type=merge -p '{"status":{"phase":"Succeeded"}}' >/dev/null
within 5 "a completed pod is withdrawn, and the companion that has nobody left goes" absent front-isthmus-west
east -n shop annotate networkpolicy second isthmus.dev/clusters- >/dev/null
within 5 "without the annotation there is none" absent second-isthmus-west
east -n shop annotate networkpolicy second 'isthmus.dev/clusters=west' >/dev/null
within 10 "and for a cluster by name there is" lets_in second "10.2.0.5/32 10.2.0.9/32"
east -n shop patch networkpolicy second-isthmus-west --type=json \
    -p '[{"op":"replace","path":"/spec/ingress","value":[{}]}]' >/dev/null
within 10 "what somebody else wrote into ours is put right" lets_in second "10.2.0.5/32 10.2.0.9/32"

# ---- while nobody watches ----
kill -KILL "$DAEMON"
DAEMON=
drop west db
pod west db3 db 10.2.0.8
east -n shop delete networkpolicy front >/dev/null
policy third '{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}'
daemon
within 20 "what was missed while it was away is found" lets_in second "10.2.0.5/32 10.2.0.8/32"
within 10 "both ways" lets_in third "10.2.0.5/32 10.2.0.8/32"
kill -KILL "$DAEMON"
DAEMON=
east -n shop delete networkpolicy second >/dev/null
within 30 "an original that is deleted while nobody watches takes its companion with it" absent second-isthmus-west

# ---- a cluster out of reach ----
daemon
sleep 1
kill -KILL "$(cat "$TMP/west/api.pid")" 2>/dev/null
kept() { lets_in third "10.2.0.5/32 10.2.0.8/32"; }
sleep 2
ok "the addresses of a cluster out of reach stay for keep_for" kept
within 40 "and then they go" absent third-isthmus-west
kill -TERM "$DAEMON"
ended() { ! kill -0 "$DAEMON" 2>/dev/null; }
within 10 "the daemon ends when told" ended
DAEMON=
finish
