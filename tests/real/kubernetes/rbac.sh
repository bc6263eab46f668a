#!/usr/bin/env bash
# With the least roles that the plugin prints the daemon works; with each verb of the target's taken away in turn it
# says which, and goes on by itself once it has it back. On an API server with RBAC.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

start_cluster east modern
start_cluster west classic
add_user west one narrow
restart_api west
kubectl_of east create namespace app >/dev/null
inputs one '"create_namespaces":true'

"$ISTHMUS" plugin show k8s-svcmirror --rbac >"$TMP/roles" || exit 1
# roles [RESOURCE VERB]: the target's, without that verb
roles() {
    awk -v r="${1:-}" -v v="${2:-}" '
        /^[-a-zA-Z ]*[a-zA-Z]+:/ { list = $NF; sub(":", "", list) }
        list == "resources" && /^  - / { resource = $2 }
        !(list == "verbs" && resource == r && $2 == v && /^  - /)' "$TMP/roles" >"$TMP/narrow"
    kubectl_of west apply -f "$TMP/narrow" >/dev/null
}
roles
kubectl_of west create clusterrolebinding mirror --clusterrole=isthmus-k8s-svcmirror-target --user=one >/dev/null
kubectl_of west -n kube-system create rolebinding mirror --role=isthmus-k8s-svcmirror-target --user=one >/dev/null

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
refused() { grep -qE "cannot $2 resource .*$1|$1 .*forbidden.*the verb $2" "$TMP/one.log"; }
# lacks RESOURCE VERB [TRIGGER...]: without that verb
lacks() {
    local resource=$1 verb=$2
    shift 2
    roles "$resource" "$verb"
    daemon one
    [ $# = 0 ] || {
        within 20 "the daemon is up without $verb $resource" logs one 'cluster west: holds the lease'
        "$@"
    }
    within 20 "without $verb $resource: the error says so" refused "$resource" "$verb"
    roles
}
affinity() { kubectl_of east -n app patch service base --type=merge -p '{"spec":{"sessionAffinity":"ClientIP"}}' >/dev/null; }
has_affinity() { [ "$(kubectl_of west -n app get service base -o 'jsonpath={.spec.sessionAffinity}')" = ClientIP ]; }

for resource in namespaces services endpointslices; do
    for verb in list watch; do
        lacks $resource $verb
        stop one
    done
done
for verb in get update; do
    lacks leases $verb
    stop one
done
lacks services patch affinity
within 40 "given back: it goes on by itself" has_affinity
stop one
lacks services create put fresh 10.0.0.4
within 40 "given back: the service is made" is fresh 10.0.0.4
stop one
lacks endpointslices patch put base 10.0.0.5
within 40 "given back: the slice is written" is base 10.0.0.5
stop one
lacks endpointslices delete drop fresh
within 40 "given back: the slice is taken away" gone fresh
stop one
finish
