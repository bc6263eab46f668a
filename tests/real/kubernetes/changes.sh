#!/usr/bin/env bash
# What becomes of services while the daemon mirrors them: namespaces deleted with all in them and made again, services
# made again under their name within milliseconds, thousands of endpoints, headless and back, two families; a target that
# is upgraded under it. Between real API servers; north is of the age before EndpointSlices.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

start_cluster east modern
start_cluster west modern
start_cluster north legacy
for cluster in east west north; do kubectl_of $cluster create namespace app >/dev/null; done
cat >"$TMP/one.json" <<END
{"clusters": [{"name": "east", "services": [{"namespace": "app"}]}, {"name": "west", "services": []}, {"name": "north", "services": []}],
 "kubeconfigs": {"east": "$TMP/east/kubeconfig", "west": "$TMP/west/kubeconfig", "north": "$TMP/north/kubeconfig"},
 "pod_cidrs": {"east": ["10.0.0.0/8", "fd00:1::/48"]}, "grace": 600000}
END
in_endpoints() { # in_endpoints NAME ADDRESSES: the north has the service with just these, in Endpoints
    [ "$(kubectl_of north -n app get endpoints "$1" -o 'jsonpath={.subsets[*].addresses[*].ip}')" = "$2" ]
}
alive() { kill -0 "$(pid_of one)"; }
uid() { kubectl_of west -n app get service "$1" -o 'jsonpath={.metadata.uid}'; }
field() { kubectl_of west -n app get service "$1" -o "jsonpath=$2"; }

many 1 30
daemon one
within 60 "two targets of different ages: mirrored" mirrored
within 30 "in the older one as Endpoints" in_endpoints s-7 10.1.0.8

# ---- gone and there again at once
for n in 1 2 3; do # with other addresses each time
    few 1 10
    many 1 10 $((n + 10))
done
within 60 "services deleted and made again at once, three times: what was made last is there" mirrored
within 30 "in the older one too" in_endpoints s-7 10.13.0.8
for n in 11 12 13; do # under another name
    few $n $n
    put "renamed-$n" "10.0.9.$n"
done
within 30 "renamed ones are there under their new names alone" mirrored

# ---- a target's namespace goes with all that is ours in it, and comes back
kubectl_of west delete namespace app --wait=false >/dev/null
emptied() { ! kubectl_of west get namespace app; }
within 60 "the target's namespace is deleted" emptied
put during 10.0.0.50
kubectl_of west create namespace app >/dev/null
within 60 "made again: all is there again" mirrored
kubectl_of west delete namespace app --wait=false >/dev/null
for _ in $(seq 300); do kubectl_of west create namespace app >/dev/null 2>&1 && break; sleep 0.1; done
within 60 "gone and back in one breath, likewise" mirrored

# ---- the source's namespace likewise
kubectl_of east delete namespace app --wait=false >/dev/null
for _ in $(seq 300); do kubectl_of east create namespace app >/dev/null 2>&1 && break; sleep 0.1; done
many 15 25 20
within 60 "the source's namespace, deleted and made again with some of it: those, and no others" mirrored
old_gone() { ! kubectl_of north -n app get service s-7; }
within 30 "in the older one too" old_gone

# ---- headless and back
flip() { # flip MORE: another one under its name
    kubectl_of east -n app delete service flip --ignore-not-found >/dev/null
    echo "{kind: Service, apiVersion: v1, metadata: {name: flip, namespace: app}, spec: {$1 ports: [{name: http, port: 80, protocol: TCP}]}}" |
        kubectl_of east apply --server-side --force-conflicts -f - >/dev/null
}
headless() { [ "$(field flip '{.spec.clusterIP}')" = None ]; }
addressed() { field flip '{.spec.clusterIP}' | grep -q '^[0-9]'; }
put flip 10.0.0.60
within 30 "a service with an address" addressed
before=$(uid flip)
flip 'clusterIP: None,'
within 30 "becomes headless" headless
made_anew() { [ "$(uid flip)" != "$before" ]; }
ok "by being made anew" made_anew
within 30 "with its endpoints" is flip 10.0.0.60
for n in 1 2; do
    flip ''
    flip 'clusterIP: None,'
done
flip ''
within 30 "and back, the last word counts" addressed
within 30 "with its endpoints" is flip 10.0.0.60

# ---- two families
cat <<'X' | kubectl_of east apply --server-side -f - >/dev/null
{kind: List, apiVersion: v1, items: [
 {kind: Service, apiVersion: v1, metadata: {name: dual, namespace: app}, spec: {ipFamilyPolicy: PreferDualStack, ports: [{name: http, port: 80, protocol: TCP}]}},
 {kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, addressType: IPv4, metadata: {name: dual-4, namespace: app, labels: {kubernetes.io/service-name: dual}},
  ports: [{name: http, port: 80, protocol: TCP}], endpoints: [{addresses: [10.0.0.70], conditions: {ready: true}}]},
 {kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, addressType: IPv6, metadata: {name: dual-6, namespace: app, labels: {kubernetes.io/service-name: dual}},
  ports: [{name: http, port: 80, protocol: TCP}], endpoints: [{addresses: ["fd00:1::70"], conditions: {ready: true}}]}]}
X
families() {
    [ "$(kubectl_of west -n app get endpointslices -l kubernetes.io/service-name=dual -o 'jsonpath={range .items[*]}{.addressType} {.endpoints[*].addresses[*]}{"\n"}{end}' | sort)" = "$1" ]
}
within 30 "a service of two families: a slice of each" families "IPv4 10.0.0.70
IPv6 fd00:1::70"
kubectl_of east -n app delete endpointslice dual-4 >/dev/null
within 30 "one of them goes" families "IPv6 fd00:1::70"

# ---- thousands of endpoints
{
    echo '{kind: List, apiVersion: v1, items: [{kind: Service, apiVersion: v1, metadata: {name: crowd, namespace: app}, spec: {ports: [{name: http, port: 80, protocol: TCP}]}}'
    for ((n = 0; n < 50; n++)); do
        printf ',{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, addressType: IPv4, metadata: {name: crowd-%d, namespace: app, labels: {kubernetes.io/service-name: crowd}},
 ports: [{name: http, port: 80, protocol: TCP}], endpoints: [' $n
        for ((i = 1; i <= 100; i++)); do printf '{addresses: [10.8.%d.%d], conditions: {ready: true}},' $n $i; done
        echo ']}'
    done
    echo ']}'
} >"$TMP/crowd.yaml"
kubectl_of east apply --server-side -f "$TMP/crowd.yaml" >/dev/null
crowd() { kubectl_of "$1" -n app get endpointslices -l kubernetes.io/service-name=crowd -o 'jsonpath={range .items[*].endpoints[*]}{.addresses[0]}{"\n"}{end}' | sort; }
whole() { [ "$(crowd west | wc -l)" = "${1:-5000}" ] && [ "$(crowd west)" = "$(crowd east)" ]; }
within 60 "5,000 endpoints of one service, each once" whole
older() { [ "$(kubectl_of north -n app get endpoints crowd -o 'jsonpath={range .subsets[*].addresses[*]}{.ip}{"\n"}{end}' | sort -u | wc -l)" -ge 1000 ]; }
within 30 "in the older one, as many as Endpoints should hold" older
kubectl_of east -n app delete endpointslice crowd-7 crowd-31 >/dev/null
within 30 "200 of them go" whole 4800
few_written() { [ "$(kubectl_of west -n app get endpointslices -l kubernetes.io/service-name=crowd -o name | wc -l)" -le 60 ]; }
ok "and the slices are not left in crumbs" few_written

# ---- the older one is upgraded under it
kubectl_of north apply -f "$(dirname "$ISTHMUS_K8S_START")/endpointslice-v1-crd.yaml" >/dev/null
kill "$(cat "$TMP/north/kcm.pid")"
restart_api north --runtime-config=discovery.k8s.io/v1beta1=false
slices_in_north() {
    [ "$(kubectl_of north -n app get endpointslices.v1.discovery.k8s.io -l "kubernetes.io/service-name=$1" -o 'jsonpath={.items[*].endpoints[*].addresses[*]}')" = "$2" ]
}
within 180 "upgraded: its endpoints are in EndpointSlices now" slices_in_north s-15 10.20.0.16
none_left() { [ -z "$(kubectl_of north -n app get endpoints -l isthmus.dev/owner -o name)" ]; }
within 60 "and none of ours in Endpoints" none_left
put later 10.0.0.80
within 30 "changes are followed there" slices_in_north later 10.0.0.80
within 30 "and elsewhere" is later 10.0.0.80
ok "by the same daemon" alive
stop one
finish
