# shellcheck shell=bash
# Real control planes for tests. Sourced after nothing; brings tests/integration/lib.sh.
#   start_cluster NAME KIND   $TMP/NAME/kubeconfig of a running one (classic, legacy, modern)
#   road NAME raw|http        $TMP/NAME/kubeconfig.raw (.http) leads there over a bad road, see bad-road.py
#   way NAME raw|http LINE... what happens on it from now on
. "$(dirname "${BASH_SOURCE[0]}")/../../integration/lib.sh"
KUBE_TOOL=$BUILD/tests/real/kubernetes/kube-tool
PLUGIN_TOOL=$BUILD/tests/real/kubernetes/plugin-tool
export BUILD
[ -n "${KUBEBUILDER_ASSETS:-}" ] || skip_all "KUBEBUILDER_ASSETS is not set: no control planes here"
[ -n "${ISTHMUS_K8S_START:-}" ] || skip_all "ISTHMUS_K8S_START is not set: nothing starts a control plane here"
export KUBEBUILDER_ASSETS
# Forty ports that no other test of this machine has, of whatever build: their file is locked as long as this test, or a
# server of it, lives. And nobody else listens on them.
PORT_LOCKS=/tmp/isthmus-ports
unused() { # unused PORT: nor one of the 39 after it
    awk -v from="$1" 'BEGIN {for (i = 0; i < 40; i++) ours[sprintf("%04X", from + i)]}
        {sub(".*:", "", $2); if ($4 == "0A" && $2 in ours) taken = 1} END {exit taken}' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
take_ports() {
    local slot
    [ -d "$PORT_LOCKS" ] || mkdir -m 1777 "$PORT_LOCKS" 2>/dev/null
    until slot=$((RANDOM % 150)) PORT=$((21000 + slot * 40)) && { exec 9>>"$PORT_LOCKS/$slot"; } 2>/dev/null && flock -n 9 && unused $PORT; do
        sleep 0.01
    done
}
if [ -n "${ISTHMUS_TEST_PORT:-}" ]; then PORT=$ISTHMUS_TEST_PORT; else take_ports; fi

stop_clusters() {
    local pid
    for pid in $(cat "$TMP"/*/*.pid "$TMP"/*/*.road 2>/dev/null); do
        kill -9 "$pid" 2>/dev/null # one whose etcd went first would wait for it for ever
    done
    cleanup
}
trap stop_clusters EXIT

start_cluster() {
    PORT=$((PORT + 5))
    (cd "$TMP" && timeout 120 bash "$ISTHMUS_K8S_START" "$1" "$PORT" "$2") >"$TMP/out" 2>&1 || {
        echo "Bail out! the $2 control plane does not start: $(tail -1 "$TMP/out")"
        exit 1
    }
    eval "PORT_$1=$PORT"
}

# Another test may have had a server of another version at the same port: what kubectl remembers of one is its test's own.
export KUBECACHEDIR=$TMP/kubectl-cache
kube() { timeout 60 "$KUBE_TOOL" "$TMP/$CLUSTER/kubeconfig" "$@"; }
kubectl() { timeout 60 "$KUBEBUILDER_ASSETS/kubectl" --kubeconfig "$TMP/$CLUSTER/kubeconfig" "$@"; }
plugin() { timeout 120 "$PLUGIN_TOOL" "$@"; }

# restart_api NAME [ARGUMENT...]: starts the API server of a cluster again with the arguments that it had, and more.
restart_api() {
    local pid args
    pid=$(cat "$TMP/$1/api.pid")
    mapfile -d '' -t args <"/proc/$pid/cmdline"
    args+=("${@:2}")
    disown "$pid" 2>/dev/null
    kill -9 "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    (cd "$TMP/$1" && exec "${args[@]}" >>api.log 2>&1) &
    echo $! >"$TMP/$1/api.pid"
    disown
    CLUSTER=$1
    for _ in $(seq 150); do kubectl get --raw /readyz >/dev/null 2>&1 && return 0; sleep 0.2; done
    return 1
}

road() {
    command -v python3 >/dev/null || skip_all "python3 plays the bad road and is not installed"
    local far
    eval "far=\$PORT_$1"
    PORT=$((PORT + 5))
    : >"$TMP/$1/$2.log"
    python3 "$(dirname "${BASH_SOURCE[0]}")/bad-road.py" "$2" "$PORT" "$far" "$TMP/$1/pki" "$TMP/$1/$2.way" \
        "$TMP/$1/$2.log" >"$TMP/$1/$2.ready" 2>"$TMP/$1/$2.err" &
    echo $! >"$TMP/$1/$2.road"
    disown
    for _ in $(seq 200); do [ -s "$TMP/$1/$2.ready" ] && break; sleep 0.1; done
    sed "s#127.0.0.1:$far#127.0.0.1:$PORT#" "$TMP/$1/kubeconfig" >"$TMP/$1/kubeconfig.$2"
}
way() {
    local file=$TMP/$1/$2.way
    shift 2
    printf '%s\n' "$@" >"$file.new"
    mv "$file.new" "$file"
}
