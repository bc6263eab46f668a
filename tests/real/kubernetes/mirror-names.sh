#!/usr/bin/env bash
# k8s-svcmirror where names meet, between three real API servers: the same service in two sources, a target that has
# its own, suffixes, namespaces that are called differently, other mirrors' services; and both families.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
KIND=${KIND:-modern}
start_cluster east "$KIND"
start_cluster north "$KIND"
start_cluster west "$KIND"

of() { CLUSTER=$1 kubectl "${@:2}"; }
west() { of west -n "${NS:-shop}" "$@"; }
# service CLUSTER NAME SPEC [LABELS]; slice CLUSTER NAME FAMILY PORTS ADDRESSES...
service() {
    echo "{apiVersion: v1, kind: Service, metadata: {name: $2, namespace: shop, labels: {${4:-}}}, spec: {$3}}" |
        of "$1" apply -f - >/dev/null
}
slice() {
    local cluster=$1 name=$2 family=$3 ports=$4 list='' a
    shift 4
    for a in "$@"; do list="$list{addresses: ['$a'], conditions: {ready: true}},"; done
    echo "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: $name-$family, namespace: shop, labels: {kubernetes.io/service-name: $name}}, addressType: IP$family, ports: [$ports], endpoints: [${list%,}]}" |
        of "$cluster" apply --server-side --force-conflicts -f - >/dev/null
}
inputs() { # inputs EXTRA
    local configs='' c
    for c in east north west; do configs="$configs,\"$c\":\"$TMP/$c/kubeconfig\""; done
    echo "{\"clusters\":[{\"name\":\"east\",\"services\":[{\"namespace\":\"shop\",\"targets\":[\"west\"]}]},
{\"name\":\"north\",\"services\":[{\"namespace\":\"shop\",\"targets\":[\"west\"]}]},{\"name\":\"west\",\"services\":[]}],
\"kubeconfigs\":{${configs#,}},\"create_namespaces\":true,
\"pod_cidrs\":{\"east\":[\"10.0.0.0/16\",\"fd00:1::/48\"],\"north\":[\"10.8.0.0/16\"]}$1}" >"$TMP/in.json"
}
mirror() { plugin k8s-svcmirror "$TMP/state" "$TMP/in.json" "$@"; }
is() { test "$1" = "$2" || { echo "found: $1"; return 1; }; }
ports() { west get service "$1" -o jsonpath='{range .spec.ports[*]}{.name}:{.port} {end}'; }
# slices NAME [SOURCE]: "ADDRESS... port:number ..." a line each, sorted
slices() {
    west get endpointslices -l "kubernetes.io/service-name=$1${2:+,isthmus.dev/source-cluster=$2}" \
        -o jsonpath='{range .items[*]}{.endpoints[*].addresses[0]}{range .ports[*]} {.name}:{.port}{end}{"\n"}{end}' | sort
}
lines() { printf '%s\n' "$@"; }
nothing() { mirror observe plan && mirror observe plan | tail -1 | grep -q '"changes":\[\]'; }

for c in east north; do of $c create namespace shop >/dev/null; done
WEB="{name: web, port: 80, protocol: TCP}"
service east web "ports: [$WEB, {name: metrics, port: 9100, protocol: TCP}]"
slice east web v4 "$WEB, {name: metrics, port: 9100, protocol: TCP}" 10.0.1.1
sleep 1.1 # creation times are whole seconds
service north web "ports: [{name: web, port: 80, protocol: TCP}, {name: admin, port: 9000, protocol: TCP}]"
slice north web v4 "{name: web, port: 8080, protocol: TCP}, {name: admin, port: 9000, protocol: TCP}" 10.8.1.1
service east odd "ports: [{name: main, port: 80, protocol: TCP}]"
slice east odd v4 "{name: main, port: 80, protocol: TCP}" 10.0.2.1
sleep 1.1
service north odd "ports: [{name: main, port: 81, protocol: TCP}]"
slice north odd v4 "{name: main, port: 81, protocol: TCP}" 10.8.2.1
service east dual "ports: [$WEB], ipFamilies: [IPv4], ipFamilyPolicy: PreferDualStack"
slice east dual v4 "$WEB" 10.0.3.1 172.31.0.1
slice east dual v6 "$WEB" fd00:1::1 fd00:2::1
# Everything that a Service may have, and pods in every state behind it.
service east full "type: LoadBalancer, selector: {a: b}, externalIPs: [192.0.2.4], loadBalancerIP: 192.0.2.5,
 loadBalancerSourceRanges: [10.0.0.0/8], externalTrafficPolicy: Local, $([ "$KIND" = classic ] || echo 'internalTrafficPolicy: Local, loadBalancerClass: a/b, allocateLoadBalancerNodePorts: true,')
 healthCheckNodePort: 30999, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, publishNotReadyAddresses: true,
 ports: [{name: web, port: 80, protocol: TCP, appProtocol: http, nodePort: 30080}]"
PODS="{addresses: [10.0.6.1], conditions: {ready: true, serving: true, terminating: false}, hostname: pod-1, nodeName: node-1, zone: z},
 {addresses: [10.0.6.2], conditions: {ready: false, serving: true, terminating: true}, targetRef: {kind: Pod, name: p}},
 {addresses: [10.0.6.3], conditions: {ready: false, serving: false, terminating: false}}"
echo "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: full-pods, namespace: shop, labels: {kubernetes.io/service-name: full}}, addressType: IPv4, ports: [$WEB], endpoints: [$PODS]}" |
    of east apply -f - >/dev/null
service east linkerd "ports: [$WEB]" "mirror.linkerd.io/mirrored-service: 'true'"
service east imported "ports: [$WEB]" "multicluster.kubernetes.io/service-name: x"
service east other "ports: [$WEB]" "isthmus.dev/owner: another.step"
service east globalnet "ports: [$WEB]" "submariner.io/exportedServiceRef: x"
# Whole, a Service with labels and annotations: marked CLUSTER NAME LABELS ANNOTATIONS
marked() {
    echo "{apiVersion: v1, kind: Service, metadata: {name: $2, namespace: shop, labels: {$3}, annotations: {$4}}, spec: {ports: [$WEB]}}" |
        of "$1" apply --server-side --force-conflicts -f - >/dev/null
}
marked east gateway "" "mirror.linkerd.io/remote-svc-fq-name: x.y.svc.cluster.local"
echo "{apiVersion: v1, kind: Service, metadata: {name: derived, namespace: shop, ownerReferences: [{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, name: x, uid: 5e0dc0de-0000-4000-8000-000000000001}]}, spec: {ports: [$WEB]}}" |
    of east apply -f - >/dev/null
# And endpoints of theirs behind a Service that is a user's own.
echo "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-lighthouse, namespace: shop, labels: {kubernetes.io/service-name: web, endpointslice.kubernetes.io/managed-by: lighthouse-agent.submariner.io}}, addressType: IPv4, ports: [$WEB], endpoints: [{addresses: [10.0.99.1]}]}" |
    of east apply -f - >/dev/null

# ---- several sources, one name
inputs ''
ok "apply" mirror observe plan apply
ok "the ports of two sources are one list" is "$(ports web)" "web:80 metrics:9100 admin:9000 "
ok "slices are of one source each, and each port goes to endpoints that have it" \
    is "$(slices web)" "$(lines '10.0.1.1 web:80 metrics:9100' '10.8.1.1 web:8080 admin:9000')"
ok "of the east" is "$(slices web east)" '10.0.1.1 web:80 metrics:9100'
ok "a port used differently is the older's" is "$(ports odd)" "main:80 "
ok "and goes to its endpoints alone" is "$(slices odd)" "10.0.2.1 main:80"
ok "plan" mirror observe plan
says '81/TCP in north, but 80/TCP in east' "says where it differs"
says '1 IPv6 address of Service shop/dual gets no traffic in west' "and which addresses the target has no family for"
ok "both families, and no address outside the pod CIDRs" is "$(slices dual)" "$(lines '10.0.3.1 web:80' 'fd00:1::1 web:80')"
others() { ! west get services -o name | grep -E '/(linkerd|imported|other|globalnet|gateway|derived)$'; }
ok "what other mirrors made is nobody's source" others
ok "nothing is left to do" nothing

# ---- what crosses of a Service and of pods, and what does not
spec() { west get service full -o json | sed -n '/"spec"/,/^    }/p' | tr -d ' \n' | sed -E 's/"(clusterIPs?|ipFamil[a-zA-Z]*)":(\[[^]]*\]|"[^"]*"),//g; s/,"status".*//'; }
wanted_spec() {
    local spec
    spec=$(spec)
    echo "$spec"
    case $spec in *nodePort* | *external* | *loadBalancer* | *oadBalancer* | *healthCheck* | *Local* | *selector*) return 1 ;; esac
    case $spec in *'"appProtocol":"http"'*'"publishNotReadyAddresses":true'*'"sessionAffinity":"ClientIP"'*'"timeoutSeconds":60'*'"type":"ClusterIP"'*) ;; *) return 1 ;; esac
}
ok "of a LoadBalancer no more crosses than means something elsewhere" wanted_spec
pods() { west get endpointslices -l kubernetes.io/service-name=full -o jsonpath='{range .items[*].endpoints[*]}{.addresses[0]} {.conditions.ready}/{.conditions.serving}/{.conditions.terminating} {.hostname}{.nodeName}{.zone}{.targetRef}{"\n"}{end}'; }
ok "pods with their states and host names" \
    is "$(pods)" "$(lines '10.0.6.1 true/true/false pod-1' '10.0.6.2 false/true/true ' '10.0.6.3 false/false/false ')"
whose() { west get endpointslices -l kubernetes.io/service-name=full -o jsonpath='{.items[*].metadata.labels.endpointslice\.kubernetes\.io/managed-by} {.items[*].metadata.labels.isthmus\.dev/source-cluster} {.items[*].metadata.ownerReferences[*].uid}'; }
ok "a slice says whose it is, and goes with its Service" is "$(whose)" "isthmus.dev east $(west get service full -o jsonpath='{.metadata.uid}')"
of east -n shop delete service full >/dev/null

# ---- labels and annotations: those that are listed, as long as the source has them
inputs ',"labels":["team"],"annotations":["example.org/note"]'
marked east told "team: a, tier: b" "example.org/note: 'n', other: o"
ok "labels and annotations: apply" mirror observe plan apply
carried() { is "$(west get service told -o jsonpath='{.metadata.labels.team} {.metadata.labels.tier}{.metadata.annotations.example\.org/note} {.metadata.annotations.other}')" "$1"; }
ok "those that are listed are there" carried "a n "
ok "with them: nothing is left to do" nothing
marked east told "tier: b" "other: o"
ok "the source has them no more: apply" mirror observe plan apply
ok "and neither has the target" carried "  "
of east -n shop delete service told >/dev/null

# ---- somebody else's endpoints behind a mirrored service
slice west web v4 "$WEB" 10.20.9.9
mirror observe plan apply >"$TMP/out" 2>&1
says 'Service shop/web sends traffic to addresses that are not mirrored ones as well: 1 EndpointSlice stands behind it that this step did not make (web-v4)' "another's slice behind ours is told"
stays() { west get endpointslice web-v4; }
ok "and left alone" stays
west delete endpointslice web-v4 >/dev/null
# one of ours that was put behind another Service is put back
west label endpointslice -l kubernetes.io/service-name=web,isthmus.dev/source-cluster=east kubernetes.io/service-name=odd --overwrite >/dev/null
ok "a slice of ours behind another service: apply" mirror observe plan apply
ok "it is where it belongs" is "$(slices web east)" '10.0.1.1 web:80 metrics:9100'
ok "and nothing else" is "$(slices odd)" "10.0.2.1 main:80"
inputs ''

# ---- the target has one itself
of east -n shop delete service odd >/dev/null
of north -n shop delete service odd >/dev/null
service west own "ports: [{name: http, port: 80, protocol: TCP}]"
slice west own v4 "{name: http, port: 80, protocol: TCP}" 10.20.0.1
of west -n shop get service own -o yaml >"$TMP/own"
service east own "ports: [$WEB, {name: metrics, port: 9100, protocol: TCP}]"
slice east own v4 "{name: web, port: 8080, protocol: TCP}, {name: metrics, port: 9100, protocol: TCP}" 10.0.4.1
ok "a target's own Service: apply" mirror observe plan apply
ok "it is left alone" is "$(slices own)" "10.20.0.1 http:80"
inputs ',"same_name":"merged"'
ok "merged: apply" mirror observe plan apply
ok "slices stand beside its own, under its ports" is "$(slices own)" "$(lines '10.0.4.1 http:8080' '10.20.0.1 http:80')"
untouched() { of west -n shop get service own -o yaml | diff - "$TMP/own"; }
ok "which is untouched" untouched
owner() { is "$(west get endpointslices -l kubernetes.io/service-name=own,isthmus.dev/owner -o jsonpath='{.items[0].metadata.ownerReferences[0].uid}')" "$(west get service own -o jsonpath='{.metadata.uid}')"; }
ok "and owns them" owner
ok "merged: nothing is left to do" nothing
of east -n shop delete service own >/dev/null
ok "the source goes: apply" mirror observe plan apply
ok "its slices go, and no other" is "$(slices own)" "10.20.0.1 http:80"

# The target's own goes, and comes back: a Service of ours stands for it meanwhile.
service east own "ports: [$WEB]"
slice east own v4 "{name: web, port: 8080, protocol: TCP}" 10.0.4.1
ok "the source is there again: apply" mirror observe plan apply
west delete service own >/dev/null
west delete endpointslice own-v4 >/dev/null
ok "the target's own goes: apply" mirror observe plan apply
ok "ours has its name" is "$(ports own)$(slices own)" "web:80 10.0.4.1 web:8080"
ok "its own gone: nothing is left to do" nothing
west delete service own >/dev/null
of west apply -f "$TMP/own" >/dev/null
slice west own v4 "{name: http, port: 80, protocol: TCP}" 10.20.0.1
of west -n shop get service own -o yaml >"$TMP/own"
ok "its own is back: apply" mirror observe plan apply
ok "and ours beside it" is "$(ports own)$(slices own)" "http:80 $(lines '10.0.4.1 http:8080' '10.20.0.1 http:80')"
of east -n shop delete service own >/dev/null
ok "and away again: apply" mirror observe plan apply

# ---- suffixes
inputs ',"same_name":"suffix"'
ok "suffix: apply" mirror observe plan apply
ok "each has its own" is "$(ports web-east)$(ports web-north)" "web:80 metrics:9100 web:80 admin:9000 "
plain() { ! west get service web; }
ok "and the one of both is gone" plain
ok "suffix: nothing is left to do" nothing

# ---- a namespace that is called differently
inputs ',"namespaces":{"shop":{"west":"shop-prod"}}'
ok "mapped: apply" mirror observe plan apply
NS=shop-prod
ok "what is of shop is of shop-prod there" is "$(slices web)" "$(lines '10.0.1.1 web:80 metrics:9100' '10.8.1.1 web:8080 admin:9000')"
NS=shop
moved() { ! west get service web-east; }
ok "and no longer of shop" moved

# ---- each to each: three clusters with a service of one name, and one of their own
mesh() { # mesh EXTRA
    local c list='' configs=''
    for c in east north west; do
        list="$list,{\"name\":\"$c\",\"services\":[{\"namespace\":\"mesh$([ $c = west ] && echo -w)\"}]}"
        configs="$configs,\"$c\":\"$TMP/$c/kubeconfig\""
    done
    echo "{\"clusters\":[${list#,}],\"kubeconfigs\":{${configs#,}},\"namespaces\":{\"mesh\":{\"west\":\"mesh-w\"}}$1}" >"$TMP/in.json"
}
behind() { # behind CLUSTER: "SERVICE=ADDRESS ..." sorted
    of "$1" -n "$(home "$1")" get endpointslices -o jsonpath='{range .items[*]}{.metadata.labels.kubernetes\.io/service-name}={.endpoints[*].addresses[0]}{"\n"}{end}' | grep -v '=$' | sort | tr '\n' ' '
}
home() { if [ "$1" = west ]; then echo mesh-w; else echo mesh; fi; }
net=1
for c in east north west; do
    for s in all only-$c; do
        echo "{apiVersion: v1, kind: Service, metadata: {name: $s, namespace: mesh}, spec: {ports: [$WEB]}}"
        echo ---
        echo "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: $s-1, namespace: mesh, labels: {kubernetes.io/service-name: $s}}, addressType: IPv4, ports: [$WEB], endpoints: [{addresses: [10.$net.0.${#s}]}]}"
        echo ---
    done | sed "s/namespace: mesh/namespace: $(home $c)/" >"$TMP/mesh.yaml"
    of $c create namespace "$(home $c)" >/dev/null
    of $c apply -f "$TMP/mesh.yaml" >/dev/null
    net=$((net + 1))
done
only="only-east=10.1.0.9 only-north=10.2.0.10 only-west=10.3.0.9 "
mesh ''
ok "each to each: apply" mirror observe plan apply
ok "namespaces map both ways, and a name that all have is each one's own" \
    is "$(behind east)/$(behind north)/$(behind west)" "all=10.1.0.3 $only/all=10.2.0.3 $only/all=10.3.0.3 $only"
ok "each to each: nothing is left to do" nothing
mirror observe plan >"$TMP/out" 2>&1
says 'mesh/all of east is left alone: it was not made by this step; mesh-w/all of west is not mirrored there' "each that is not mirrored is told"
mesh ',"same_name":"merged"'
ok "each to each, merged: apply" mirror observe plan apply
every="all=10.1.0.3 all=10.2.0.3 all=10.3.0.3 $only"
ok "all have the endpoints of all" is "$(behind east)/$(behind north)/$(behind west)" "$every/$every/$every"
ok "each to each, merged: nothing is left to do" nothing

# ---- a cluster that does not answer holds nobody up, and what it has elsewhere stays
dead() { sed -i "s#\"north\":\"[^\"]*\"#\"north\":\"$1\"#" "$TMP/in.json"; }
sed 's#127.0.0.1:[0-9]*#127.0.0.1:1#' "$TMP/north/kubeconfig" >"$TMP/nobody"
dead "$TMP/nobody"
of east -n mesh create service clusterip later --tcp=80 >/dev/null
of west -n mesh-w delete service only-west >/dev/null
mirror observe plan apply >"$TMP/out" 2>&1
says 'cluster north cannot be read' "a cluster that does not answer is told"
written() { of west -n mesh-w get service later && ! of east -n mesh get service only-west; }
ok "what others have goes on" written
ok "what it has in the others stays" is "$(behind east)" "all=10.1.0.3 all=10.2.0.3 all=10.3.0.3 only-east=10.1.0.9 only-north=10.2.0.10 "

# ---- two names for one cluster: a question, and nothing is taken away for it
dead "$TMP/west/kubeconfig"
mirror observe plan apply >"$TMP/out" 2>&1
says 'is another cluster than before' "another cluster behind a name is told"
ok "and what the first one has in the others stays" is "$(behind east)" "all=10.1.0.3 all=10.2.0.3 all=10.3.0.3 only-east=10.1.0.9 only-north=10.2.0.10 "
dead "$TMP/north/kubeconfig"
sed "s#{\"name\":\"west\"#{\"name\":\"twin\",\"services\":[{\"namespace\":\"mesh\"}]},&#; s#\"west\":\"/#\"twin\":\"$TMP/north/kubeconfig\",&#" "$TMP/in.json" >"$TMP/twin.json"
mirror_twin() { plugin k8s-svcmirror "$TMP/state" "$TMP/twin.json" observe plan apply; }
mirror_twin >"$TMP/out" 2>&1
says 'is the same cluster as north' "two names for one cluster are told"
ok "and nothing goes for it" is "$(behind east)" "all=10.1.0.3 all=10.2.0.3 all=10.3.0.3 only-east=10.1.0.9 only-north=10.2.0.10 "

# ---- a cluster that is not named any more
sed -i 's/,{"name":"west"[^}]*}\]}//; s/"namespaces":{[^}]*}},//; s/,"west":"[^"]*"//' "$TMP/in.json"
ok "without the west: plan" mirror observe plan
says 'mirrored services stay in west' "what stays in it is told"
mesh ',"same_name":"merged"'

ok "destroy" mirror observe destroy
left() { is "$(of west get services,endpointslices -A -l isthmus.dev/owner=step -o name)" "" && untouched; }
ok "leaves nothing but what was there" left
finish
