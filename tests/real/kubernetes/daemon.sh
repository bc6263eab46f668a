# shellcheck shell=bash disable=SC2154 # TMP and others: of lib.sh, which comes first
# A daemon (k8s-svcmirror from east to west), what it did, and faults to be made. Sourced by tests of this folder.
LOAD=$BUILD/tests/bench/kube-load
SLICES=/apis/discovery.k8s.io/v1
QUESTION='cluster east: stopped: is another cluster than before'
PID_one='' PID_two=''
[ -x "$LOAD" ] || skip_all "tests/bench/kube-load is not built here"

kubectl_of() { CLUSTER=$1 kubectl "${@:2}"; }

# within SECONDS "says what" cmd...: it comes true in time
within() {
    local end=$((SECONDS + ($1 < 120 ? 120 : $1))) name=$2
    shift 2
    while ! "$@" >"$TMP/out" 2>&1; do
        [ $SECONDS -lt $end ] || {
            { echo "not in time; the daemon's last words:"; grep -hv '"type":"status"' "$TMP/one.log" "$TMP/two.log" 2>/dev/null | tail -n 8 | cut -c1-400; } >>"$TMP/out"
            pass_or_fail 1 "$name"
            return 1
        }
        sleep 0.1
    done
    pass_or_fail 0 "$name"
}

# ---- daemons
inputs() { # inputs NAME "MORE": the west is written to with kubeconfig.NAME; EAST_CONFIG, WEST_CONFIG: with that
    cat >"$TMP/$1.json" <<END
{"clusters": [{"name": "east", "services": [{"namespace": "app"}, {"namespace": "many"}]}, {"name": "west", "services": []}],
 "kubeconfigs": {"east": "${EAST_CONFIG:-$TMP/east/kubeconfig}", "west": "${WEST_CONFIG:-$TMP/west/kubeconfig.$1}"},
 "pod_cidrs": {"east": ["10.0.0.0/8"]}, $2}
END
}
daemon() { # daemon NAME: in the background, its log in $TMP/NAME.log
    PLUGIN_TOOL_TELL=1 "$PLUGIN_TOOL" k8s-svcmirror "$TMP/$1.state" "$TMP/$1.json" watch >>"$TMP/$1.log" 2>&1 &
    eval "PID_$1=$!"
    disown
}
pid_of() { eval "echo \$PID_$1"; }
signal() { kill -"$2" "$(pid_of "$1")"; }
ended() { ! kill -0 "$(pid_of "$1")" 2>/dev/null; }
stop() {
    signal "$1" TERM
    within 10 "daemon $1 ends when told" ended "$1"
    : >"$TMP/$1.log"
}
crash() {
    signal "$1" KILL
    while ! ended "$1"; do sleep 0.05; done
    : >"$TMP/$1.log"
}
logs() { grep -q -- "$2" "$TMP/$1.log"; }
stop_all() {
    local name
    for name in one two; do
        [ -z "$(pid_of $name)" ] || kill -KILL "$(pid_of $name)" 2>/dev/null
    done
    stop_clusters
}
trap stop_all EXIT

# ---- the source
put() { # put NAME ADDRESS: a service with one endpoint
    kubectl_of east apply --server-side --force-conflicts -f - >/dev/null <<END
{"kind": "List", "apiVersion": "v1", "items": [
 {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "$1", "namespace": "app"},
  "spec": {"ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}},
 {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
  "metadata": {"name": "$1-x", "namespace": "app", "labels": {"kubernetes.io/service-name": "$1"}},
  "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
  "endpoints": [{"addresses": ["$2"], "conditions": {"ready": true}}]}]}
END
}
drop() { kubectl_of east -n app delete "service/$1" "endpointslice/$1-x" >/dev/null; }
many() { # many FROM TO [OCTET]: services s-FROM to s-TO in one call, each with one endpoint 10.OCTET.*
    local n list=''
    for ((n = $1; n <= $2; n++)); do
        list="$list{kind: Service, apiVersion: v1, metadata: {name: s-$n, namespace: app}, spec: {ports: [{name: http, port: 80, protocol: TCP}]}},
 {kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, addressType: IPv4,
  metadata: {name: s-$n-x, namespace: app, labels: {kubernetes.io/service-name: s-$n}}, ports: [{name: http, port: 8080, protocol: TCP}],
  endpoints: [{addresses: [10.${3:-1}.$((n / 250)).$((n % 250 + 1))], conditions: {ready: true}}]},"
    done
    echo "{kind: List, apiVersion: v1, items: [${list%,}]}" | kubectl_of east apply --server-side --force-conflicts -f - >/dev/null
}
few() { # few FROM TO: they go
    local n list=''
    for ((n = $1; n <= $2; n++)); do list="$list service/s-$n endpointslice/s-$n-x"; done
    # shellcheck disable=SC2086
    kubectl_of east -n app delete --wait=false $list >/dev/null
}

# ---- the target
is() { # is NAME ADDRESSES: the west has the service with just these
    kubectl_of west -n app get service "$1" >/dev/null &&
        [ "$(kubectl_of west -n app get endpointslices -l "kubernetes.io/service-name=$1" \
            -o 'jsonpath={.items[*].endpoints[*].addresses[*]}')" = "$2" ]
}
gone() {
    [ -z "$(kubectl_of west -n app get service "$1" --ignore-not-found -o name)" ] &&
        [ -z "$(kubectl_of west -n app get endpointslices -l "kubernetes.io/service-name=$1" -o name)" ]
}
# All that is of a cluster's services, a line each: those of its own, or those that we keep there.
services_of() {
    local selector=${2:+-l$2}
    # shellcheck disable=SC2086
    kubectl_of "$1" -n app get services $selector -o 'jsonpath={range .items[*]}service {.metadata.name} {.spec.ports[*].port}{"\n"}{end}'
    # shellcheck disable=SC2086
    kubectl_of "$1" -n app get endpointslices $selector \
        -o 'jsonpath={range .items[*]}slice {.metadata.labels.kubernetes\.io/service-name} {.endpoints[*].addresses[*]}{"\n"}{end}'
}
mirrored() { # the west has what the east has, neither more nor less, and nothing twice
    services_of east | sort >"$TMP/wanted" && services_of west isthmus.dev/owner | sort >"$TMP/there" &&
        [ -s "$TMP/wanted" ] && diff "$TMP/wanted" "$TMP/there"
}
count() { "$LOAD" count "$TMP/west/kubeconfig" "$SLICES/namespaces/$1/endpointslices"; }
has() { [ "$(count "$1")" = "$2" ]; }
at_least() { [ "$(count "$1")" -ge "$2" ]; }

# ---- users, and who wrote what
add_user() { # add_user CLUSTER NAME GROUP: it counts once the API server is started again
    local token
    token=$(openssl rand -hex 16)
    echo "$token,$2,$2,\"$3\"" >>"$TMP/$1/pki/tokens.csv"
    sed "s/token: [0-9a-f]*/token: $token/" "$TMP/$1/kubeconfig" >"$TMP/$1/kubeconfig.$2"
}
audit() { # starts the API server of a cluster again, with an audit log of writes
    cat >"$TMP/audit.yaml" <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, resources: [{group: coordination.k8s.io, resources: [leases]}]}
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
END
    ARGS=(--audit-policy-file="$TMP/audit.yaml" --audit-log-path="$TMP/audit.log" --audit-log-mode=blocking)
    restart_api "$1" "${ARGS[@]}"
    MARK=0
}
mark() { MARK=$(wc -l <"$TMP/audit.log"); }
settled() { # nothing was written for two seconds
    local before
    before=$(wc -l <"$TMP/audit.log")
    sleep 2
    [ "$(wc -l <"$TMP/audit.log")" = "$before" ]
}
# What the daemons wrote since the mark, a line each: "VERB NAMESPACE/NAME", or the user alone.
wrote() {
    tail -n +$((MARK + 1)) "$TMP/audit.log" | grep -E '"username":"(one|two)"' | if [ "${1:-}" = user ]; then
        sed -E 's/.*"username":"([a-z]*)".*/\1/'
    else
        sed -E 's/.*"verb":"([a-z]*)".*"namespace":"([^"]*)","name":"([^"]*)".*/\1 \2\/\3/'
    fi
}
written() { wrote | grep " $1/"; }
wrote_only() { # wrote_only NAME: nothing but that service and its slices, and nothing deleted
    wrote >"$TMP/wrote"
    cat "$TMP/wrote"
    ! grep -q '^delete' "$TMP/wrote" && ! grep -vqF -- "${1:-no such name}" "$TMP/wrote"
}

# ---- faults
pause_api() { # pause_api CLUSTER [dead]: it stands still, or is not there
    local pid
    pid=$(cat "$TMP/$1/api.pid")
    if [ "${2:-}" = dead ]; then
        mapfile -d '' -t STOPPED <"/proc/$pid/cmdline"
        disown "$pid" 2>/dev/null
        kill -9 "$pid"
    else
        STOPPED=()
        kill -STOP "$pid"
    fi
}
resume_api() {
    if [ ${#STOPPED[@]} -gt 0 ]; then
        (cd "$TMP/$1" && exec "${STOPPED[@]}" >>api.log 2>&1) &
        echo $! >"$TMP/$1/api.pid"
    else
        kill -CONT "$(cat "$TMP/$1/api.pid")"
    fi
}
compact() { # what etcd has of the past goes
    local etcd revision
    eval "etcd=\$((PORT_$1 + 1))"
    revision=$(curl -s "http://127.0.0.1:$etcd/v3/kv/range" -d '{"key":"AA=="}' | sed 's/.*"revision":"\([0-9]*\)".*/\1/')
    curl -s "http://127.0.0.1:$etcd/v3/kv/compaction" -d "{\"revision\":\"$revision\",\"physical\":true}" >/dev/null
}
storm() { # storm NAME TIMES: somebody else takes the slice's endpoints over, again and again
    local slice n
    slice=$(kubectl_of west -n app get endpointslices -l "kubernetes.io/service-name=$1" -o 'jsonpath={.items[0].metadata.name}')
    for ((n = 0; n < $2; n++)); do
        curl -s -o "$TMP/storm" --cacert "$TMP/west/pki/ca.crt" -H "Authorization: Bearer $(cat "$TMP/west/pki/token")" \
            -H "Content-Type: application/merge-patch+json" -X PATCH \
            "https://127.0.0.1:$PORT_west$SLICES/namespaces/app/endpointslices/$slice?fieldManager=storm" \
            -d "{\"endpoints\":[{\"addresses\":[\"10.66.0.$n\"],\"conditions\":{\"ready\":true}}]}"
    done
}
holder() { # holder TIME: somebody else holds the lease, and renewed it at that time by their clock
    curl -sf -o "$TMP/holder" --cacert "$TMP/west/pki/ca.crt" -H "Authorization: Bearer $(cat "$TMP/west/pki/token")" \
        -H "Content-Type: application/merge-patch+json" -X PATCH \
        "https://127.0.0.1:$PORT_west/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/isthmus-step" \
        -d "{\"spec\":{\"holderIdentity\":\"elsewhere\",\"leaseDurationSeconds\":10,\"renewTime\":\"$1\"}}"
}
rebuild() { # another cluster at the same address, with the same credentials
    local etcd
    etcd=$(cat "$TMP/$1/etcd.pid")
    mapfile -d '' -t ETCD <"/proc/$etcd/cmdline"
    pause_api "$1" dead
    disown "$etcd" 2>/dev/null
    kill -9 "$etcd"
    while kill -0 "$etcd" 2>/dev/null; do sleep 0.05; done
    rm -rf "${TMP:?}/$1/data"
    (cd "$TMP/$1" && exec "${ETCD[@]}" >>etcd.log 2>&1) &
    echo $! >"$TMP/$1/etcd.pid"
    resume_api "$1"
}
