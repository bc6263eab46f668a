# shellcheck shell=bash disable=SC2154 # TMP, BUILD, ISTHMUS: of tests/real/kubernetes/lib.sh, which comes first
# Two control planes, the daemon between them, and what kube-load says, for measurements.
LOAD=$BUILD/tests/bench/kube-load
BENCH_KIND=${KIND:-modern}
export XDG_CACHE_HOME=$TMP/cache # of this one build's plugins, not of all that were ever loaded here

die() {
    echo "$*" >&2
    exit 1
}
us() { echo "${EPOCHREALTIME/./}"; } # the time of day in microseconds

# Two control planes without their controllers, which have nothing to do here but take time from both sides.
pair() {
    local name
    for name in east west; do
        start_cluster $name "$BENCH_KIND"
        kill "$(cat "$TMP/$name/kcm.pid")"
        rm "$TMP/$name/kcm.pid"
    done
}
kubectl_of() { CLUSTER=$1 kubectl "${@:2}"; }
seed_services() { "$LOAD" seed-services "$TMP/$1/kubeconfig" "${@:2}" || exit 1; }

# Requests of a cluster that changed something, but for leases, as its API server counts them.
writes() {
    kubectl_of "$1" get --raw /metrics | awk '/^apiserver_request_total/ && !/resource="leases"/ &&
        /verb="(APPLY|PATCH|POST|PUT|DELETE)"/ { n += $NF } END { print n + 0 }'
}

# daemon PLUGIN NAMESPACE-OF-STATE: `watch` of the plugin with $TMP/inputs.yaml, in the background
daemon() {
    : >"$TMP/daemon.log" # not what the one before has said
    "$ISTHMUS" plugin run --inputs "$TMP/inputs.yaml" --state "$TMP/state.$1" "$1" watch >"$TMP/daemon.log" 2>&1 &
    DAEMON=$!
}
stop_daemon() {
    kill -TERM "$DAEMON" 2>/dev/null
    wait "$DAEMON" 2>/dev/null
    DAEMON=
}
logged() { # logged "text" SECONDS: the daemon has said so; told at once, without taking from it by asking
    grep -q -m1 -- "$1" < <(exec timeout "$2" tail -n +1 -F --pid="$DAEMON" "$TMP/daemon.log" 2>/dev/null)
}
stop_bench() {
    [ -z "${DAEMON:-}" ] || kill -TERM "$DAEMON" 2>/dev/null
    stop_clusters
}
trap stop_bench EXIT

# result NAME OURS FLOOR AIM UNIT: a line a measurement
result() {
    awk -v n="$1" -v o="$2" -v f="$3" -v a="$4" -v u="$5" 'BEGIN {
        printf "%s ratio %s (%s %s, %s %s) aim %s\n", n, (f > 0 ? sprintf("%.2f", o / f) : "-"), o, u, f, u, a }'
}
