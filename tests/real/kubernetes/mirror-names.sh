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
service east linkerd "ports: [$WEB]" "mirror.linkerd.io/mirrored-service: 'true'"
service east imported "ports: [$WEB]" "multicluster.kubernetes.io/service-name: x"
service east other "ports: [$WEB]" "isthmus.dev/owner: another.step"

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
ok "both families, and no address outside the pod CIDRs" is "$(slices dual)" "$(lines '10.0.3.1 web:80' 'fd00:1::1 web:80')"
others() { ! west get service linkerd && ! west get service imported && ! west get service other; }
ok "what other mirrors made is nobody's source" others
ok "nothing is left to do" nothing

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

ok "destroy" mirror observe destroy
left() { is "$(of west get services,endpointslices -A -l isthmus.dev/owner=step -o name)" "" && untouched; }
ok "leaves nothing but what was there" left
finish
