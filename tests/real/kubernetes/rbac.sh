#!/usr/bin/env bash
# With the least roles that the plugin prints the daemon works; with each verb taken away in turn it says which, of what,
# and in which cluster, and goes on by itself once it has it back. On API servers with RBAC: a source, a target that
# serves EndpointSlices, and one that does not.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

start_cluster east classic
start_cluster west classic
start_cluster old legacy
"$ISTHMUS" plugin show k8s-svcmirror --rbac >"$TMP/roles" || exit 1
# roles CLUSTER [VERB RESOURCE...]: those that are printed, without that verb for these
roles() {
    awk -v v="${2:-}" -v of=" ${*:3} " '
        /^[-a-zA-Z ]*[a-zA-Z]+:/ { list = $NF; sub(":", "", list) }
        list == "resources" && /^  - / { resource = $2 }
        v != "" && list == "verbs" && /^  - / && index(of, " " resource " ") && $2 == v { $0 = "  - none" }
        1' "$TMP/roles" >"$TMP/narrow"
    kubectl_of "$1" apply -f "$TMP/narrow" >/dev/null
}
for cluster in east west old; do
    role=target
    [ $cluster != east ] || role=source
    add_user $cluster one narrow
    restart_api $cluster
    roles $cluster
    kubectl_of $cluster create clusterrolebinding mirror --clusterrole=isthmus-k8s-svcmirror-$role --user=one >/dev/null
    [ $role = source ] ||
        kubectl_of $cluster -n kube-system create rolebinding mirror --role=isthmus-k8s-svcmirror-target --user=one >/dev/null
done
kubectl_of east create namespace app >/dev/null
inputs_of() { # inputs_of TARGET: from the east there, with more namespaces than there are
    EAST_CONFIG=$TMP/east/kubeconfig.one WEST_CONFIG=$TMP/$1/kubeconfig.one inputs one '"create_namespaces":true'
    sed -i "s/\"west\"/\"$1\"/g; s/{\"namespace\": \"many\"}/{}/" "$TMP/one.json"
}
inputs_of west

put base 10.0.0.1
put away 10.0.0.2
daemon one
within 30 "with the least roles services are mirrored, namespaces made" is base 10.0.0.1
within 10 "each of them" is away 10.0.0.2
put base 10.0.0.3
within 10 "changes are followed" is base 10.0.0.3
drop away
within 10 "deletions too" gone away
complaints() { grep -c 'cannot .* resource' "$TMP/one.log"; }
exits 1 "and nothing is missed" complaints
stop one

# RBAC says "cannot VERB resource"; of a creation by apply it says no verb, and the daemon does.
refused() { # refused CLUSTER VERB RESOURCE
    grep -E "cannot $2 resource .*$3|$3[ .].*forbidden.*the verb [a-z ]*$2" "$TMP/one.log" | grep -q "$1"
}
# lacks CLUSTER VERB RESOURCE [TRIGGER...]: without that verb
lacks() {
    roles "$1" "$2" "$3"
    daemon one
    [ $# = 3 ] || {
        within 20 "the daemon is up without $2 $3" logs one "cluster $1: holds the lease"
        "${@:4}"
    }
    within 20 "$1 without $2 $3: the error says so" refused "$1" "$2" "$3"
    roles "$1"
}
# lack_all CLUSTER RESOURCE...: without list, then without watch, of each of these
lack_all() {
    local verb what
    for verb in list watch; do
        roles "$1" $verb "${@:2}"
        daemon one
        for what in "${@:2}"; do
            within 30 "$1 without $verb $what: the error says so" refused "$1" $verb "$what"
        done
        roles "$1"
        within 60 "given back: it goes on by itself" logs one "cluster $1: synced"
        stop one
    done
}
affinity() { kubectl_of east -n app patch service base --type=merge -p '{"spec":{"sessionAffinity":"ClientIP"}}' >/dev/null; }
has_affinity() { [ "$(kubectl_of west -n app get service base -o 'jsonpath={.spec.sessionAffinity}')" = ClientIP ]; }
fill() { # fill NAMESPACE: a new one, with a service in it
    kubectl_of east create namespace "$1" >/dev/null
    kubectl_of east -n "$1" create service clusterip here --tcp 80:80 >/dev/null
}
filled() { kubectl_of west -n "$1" get service here -o name; }
no_lease() { kubectl_of west -n kube-system delete lease isthmus-step >/dev/null; }

# ---- the source
lack_all east namespaces services endpointslices
lacks east get namespaces
within 60 "given back: it goes on by itself" logs one 'cluster east: synced'
stop one

# ---- the target
lack_all west namespaces services endpointslices
lacks west get namespaces
within 60 "given back: it goes on by itself" logs one 'cluster west: holds the lease'
stop one
for verb in get update; do
    lacks west $verb leases
    stop one
done
no_lease
lacks west create leases
within 60 "given back: it takes it" logs one 'cluster west: holds the lease'
stop one
lacks west patch services affinity
within 40 "given back: it goes on by itself" has_affinity
stop one
lacks west create services put fresh 10.0.0.4
within 40 "given back: the service is made" is fresh 10.0.0.4
stop one
lacks west patch endpointslices put base 10.0.0.5
within 40 "given back: the slice is written" is base 10.0.0.5
stop one
lacks west create endpointslices put second 10.0.0.6
within 40 "given back: the slice is made" is second 10.0.0.6
stop one
lacks west delete endpointslices drop fresh
within 40 "given back: the slice is taken away" gone fresh
stop one
lacks west delete services drop second
within 40 "given back: the service is taken away" gone second
stop one
for verb in create patch; do
    lacks west $verb namespaces fill "by-$verb"
    within 40 "given back: the namespace is made, and what is in it" filled "by-$verb"
    stop one
done
remains() { plugin k8s-svcmirror "$TMP/one.state" "$TMP/one.json" observe destroy && kubectl_of west -n kube-system get lease isthmus-step -o name; }
roles west delete leases
ok "destroy without delete leases leaves it" remains
says 'in west is left' "and says so"
says 'cannot delete resource \"leases' "and why"
roles west
removed() { plugin k8s-svcmirror "$TMP/one.state" "$TMP/one.json" observe destroy && ! kubectl_of west -n kube-system get lease isthmus-step; }
ok "given back: it goes too" removed

# ---- a target without EndpointSlices
inputs_of old
is_old() { [ "$(kubectl_of old -n app get endpoints "$1" -o 'jsonpath={.subsets[*].addresses[*].ip}')" = "$2" ]; }
gone_old() { [ -z "$(kubectl_of old -n app get endpoints "$1" --ignore-not-found -o name)" ]; }
lack_all old endpoints
lacks old create endpoints put other 10.0.0.7
within 40 "given back: they are made" is_old other 10.0.0.7
stop one
lacks old patch endpoints put base 10.0.0.8
within 40 "given back: they are written" is_old base 10.0.0.8
stop one
lacks old delete endpoints drop other
within 40 "given back: they are taken away" gone_old other
stop one

# ---- a source without EndpointSlices
kubectl_of old delete clusterrolebinding mirror >/dev/null
kubectl_of old create clusterrolebinding mirror --clusterrole=isthmus-k8s-svcmirror-source --user=one >/dev/null
EAST_CONFIG=$TMP/old/kubeconfig.one WEST_CONFIG=$TMP/west/kubeconfig.one inputs one '"create_namespaces":true'
sed -i 's/"east"/"old"/g' "$TMP/one.json"
lack_all old endpoints
finish
