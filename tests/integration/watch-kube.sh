#!/usr/bin/env bash
# isthmus watch over two clusters of the lab: what status and metrics say of them, new services by SIGHUP, and the Lease:
# when a daemon stands still another one writes, never both.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$TMP/cache
PIDS=()
end() {
    local pid
    for pid in "${PIDS[@]:-}"; do
        [ -n "$pid" ] || continue
        kill -CONT "$pid" 2>/dev/null
        pkill -CONT -P "$pid" 2>/dev/null
        kill -9 "$pid" 2>/dev/null
    done
    "$ISTHMUS" lab down --dir "$TMP/west" >/dev/null 2>&1
    cleanup
}
trap end EXIT
command -v jq >/dev/null || skip_all "there is no jq"
command -v kubectl >/dev/null || skip_all "there is no kubectl"
start_lab
"$ISTHMUS" lab up --dir "$TMP/west" >"$TMP/out" 2>&1 || { echo "Bail out! $(tail -1 "$TMP/out")"; exit 1; }
EAST=$TMP/lab/ccp.kubeconfig WEST=$TMP/west/ccp.kubeconfig

east() { kubectl --kubeconfig "$EAST" "$@"; }
west() { kubectl --kubeconfig "$WEST" "$@"; }
service() { # service NAMESPACE NAME
    printf 'apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {ports: [{port: 80}], selector: {app: x}}\n' \
        "$2" "$1" | east apply -f - >/dev/null
}
conf() { # conf DIR NAMESPACE...: a daemon of its own, with a state of its own
    local dir=$TMP/$1 list
    mkdir -p "$dir"
    list=$(printf '{namespace: %s}, ' "${@:2}")
    printf 'isthmus:\n  state: %s\n' "$TMP/$1.db" >"$dir/isthmus.yaml"
    cat >"$dir/p.yaml" <<END
pipelines:
  p:
    steps:
      mirror:
        plugin: k8s-svcmirror
        with:
          clusters:
            - {name: east, services: [${list%, }]}
            - {name: west, services: []}
          kubeconfigs: {east: $EAST, west: $WEST}
          pod_cidrs: {east: [192.168.0.0/16], west: [10.0.0.0/8]}
END
}
of() { # of DAEMON FILTER VALUE
    timeout 20 "$ISTHMUS" -C "$TMP/$1" status p --output json 2>/dev/null |
        jq -c ".status.watch.steps.mirror | $2" >"$TMP/value"
    cat "$TMP/value"
    [ "$(cat "$TMP/value")" = "$3" ]
}
start() { # start DAEMON
    "$ISTHMUS" -C "$TMP/$1" watch p -v --listen 127.0.0.1:0 >"$TMP/$1.log" 2>&1 &
    PIDS+=($!)
    eventually of "$1" .state '"watching"' >/dev/null
}
holds() { of "$1" .status.clusters.west.holds_lease true; }
lacks() { of "$1" .status.clusters.west.holds_lease false; }
mirrored() { west get service -n "$1" "$2"; }

for each in east west; do
    "$each" create namespace shop >/dev/null
    "$each" create namespace extra >/dev/null
done
service shop front
service extra more
conf one shop
conf two shop
for each in one two; do
    timeout 60 "$ISTHMUS" -C "$TMP/$each" apply p --yes >"$TMP/out" 2>&1 || { echo "Bail out! $(tail -1 "$TMP/out")"; exit 1; }
done

start one
first=${PIDS[0]}
ok "both clusters are read" eventually of one '[.status.clusters[].state]' '["synced","synced"]'
ok "the lease is held" within 30 holds one
worker=$(pgrep -P "$first")
url=$("$ISTHMUS" -C "$TMP/one" status p --output json | jq -r .status.watch.listen)
ok "the metrics page is what Prometheus reads" sh -c \
    "curl -sS '$url/metrics' >'$TMP/page' && awk -f '$SRC/tests/integration/exposition.awk' '$TMP/page'"
ok "with the lag of each cluster" grep -q 'isthmus_cluster_lag_seconds{pipeline="p",step="mirror",cluster="west"} 0' "$TMP/page"
ok "and its alarms" grep -q 'isthmus_alarm{pipeline="p",step="mirror",cluster="west",alarm="cluster_out_of_reach"} 0' "$TMP/page"
ok "/readyz answers" curl -sSf "$url/readyz"
service shop back
ok "a new service is mirrored" within 20 mirrored shop back

conf one shop extra
kill -HUP "$first"
ok "SIGHUP: services of one more namespace are mirrored" within 30 mirrored extra more
ok "by the same worker" [ "$(pgrep -P "$first")" = "$worker" ]
ok "which did not begin anew" of one '[.state,.restarts]' '["watching",0]'

conf two shop extra
start two
ok "another daemon waits for the lease" within 20 lacks two
kill -STOP "$first" "$worker"
begun=$SECONDS
ok "when the first stands still the other takes over" within 30 holds two
took=$((SECONDS - begun))
echo "# after $took s"
ok "within 15 s, and the time to look" [ $took -le 17 ]
service shop late
ok "and writes" within 20 mirrored shop late
kill -CONT "$worker" "$first"
ok "the first sees that it does not hold it any more" within 20 lacks one
ok "the other still does" holds two
second=${PIDS[1]}
kill "$second"
wait "$second"
ok "it gives the lease back as it ends, and the first goes on" within 20 holds one
kill "$first"
wait "$first"
pass_or_fail $? "which ends well too"
PIDS=()
finish
