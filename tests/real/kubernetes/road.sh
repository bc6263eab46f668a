#!/usr/bin/env bash
# The daemon and API servers that are slow, refuse for a while, reset connections, answer half, or lose their etcd: it
# comes through, loses no change, keeps its lease, and does not hammer whoever asked it to wait.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

start_cluster east modern
start_cluster west classic
for cluster in east west; do
    kubectl_of $cluster create namespace app >/dev/null
    road $cluster raw
    road $cluster http
done
EAST_CONFIG=$TMP/east/kubeconfig.raw WEST_CONFIG=$TMP/west/kubeconfig.raw inputs one '"grace":600000'
EAST_CONFIG=$TMP/east/kubeconfig.http WEST_CONFIG=$TMP/west/kubeconfig.http inputs two '"grace":600000'
alive() { kill -0 "$(pid_of "$1")"; }
lines() { wc -l <"$TMP/$1/http.log"; }
since() { tail -n +$(($2 + 1)) "$TMP/$1/http.log"; } # since CLUSTER LINES
seen_in() { # seen_in CLUSTER PATTERN...: since the lines before
    local cluster=$1 pattern
    shift
    for pattern in "$@"; do since "$cluster" "$before" | grep -q "$pattern" || { echo "no $pattern"; return 1; }; done
}
writes_still() { ! logs "$1" 'no longer the one who writes'; }

# ---- a slow road, and one that breaks
way east raw 'delay 120'
way west raw 'delay 120'
many 1 40
daemon one
within 60 "over a slow road everything arrives" mirrored
way east raw
way west raw
for n in 1 2 3 4 5 6; do
    many $((n * 10)) $((n * 10 + 9)) $((n + 1))
    [ $n -lt 3 ] || few $((n * 10 - 20)) $((n * 10 - 16))
    way east raw "break $n"
    way west raw "break $n"
done
within 60 "connections that are reset again and again, under changes: what is there is what should be" mirrored
ok "and the daemon lives" alive one

# ---- connections whose other end says no more, and is open all the same
for cluster in east west; do
    many 91 95 $((${#cluster} + RANDOM % 90))
    way $cluster raw 'half 1'
    many 96 99 $((${#cluster} + RANDOM % 90))
    within 60 "$cluster: half-closed connections cost no change" mirrored
    way $cluster raw
done
ok "nor the daemon" alive one

# ---- connections that are open and dead
way east raw stall
many 101 110
within 40 "a source that has fallen silent is found out" logs one 'cluster east: out of reach'
way east raw
within 40 "and nothing of it was lost" mirrored
way west raw stall
many 111 120
within 40 "so is a target" logs one 'cluster west: no longer the one who writes'
way west raw
within 60 "and everything is written in the end" mirrored
stop one

# ---- answers that say: not now
daemon two
within 60 "over HTTP/1.1 it holds the lease" logs two 'cluster west: holds the lease'
within 30 "and has nothing to write" mirrored
before=$(lines west)
way west http 'answer 503 3 ^PATCH'
many 121 123 3
# watch_tries CLUSTER LINES "pattern": for seven seconds at least, and until three were seen; TRIES in TOOK seconds
watch_tries() {
    local began=$SECONDS
    tried() { [ $SECONDS -ge $((began + 7)) ] && [ "$(since "$1" "$2" | grep -c "$3")" -ge 3 ]; }
    within 60 "they come, and are tried again" tried "$@"
    TRIES=$(since "$1" "$2" | grep -c "$3") TOOK=$((SECONDS - began + 1))
}
patient() { echo "$TRIES tries in $TOOK s"; [ "$TRIES" -ge 3 ] && [ "$TRIES" -le "$1" ]; }
watch_tries west "$before" '^PATCH .* 503'
way west http
# 3 services, a service and a slice each: every three seconds at most, and twice as many for good measure
ok "writes answered by 503 and Retry-After are not hammered" patient $((6 + 4 * TOOK))
within 30 "and done when they may" mirrored
before=$(lines west)
way west http 'answer 429 1 leases' 'answer 503 1 ^GET .*kube-system'
seen() { since west "$before" | grep -q "$1"; }
within 20 "a renewal of the lease is answered by 429" seen '^PUT .*leases.* 429'
way west http
many 124 125 3
within 30 "it is tried again" seen '^PUT .*leases.* 200'
ok "before its time ran out: it is not given up" writes_still two
within 30 "and changes go on" mirrored
way west http 'answer 500 - ^PATCH'
many 126 130 3
few 1 9
sleep 3
way west http
within 60 "500 with a page of HTML: written when it is over" mirrored
stop two
before=$(lines east)
way east http 'answer 429 6 ^GET .*(services|endpointslices|namespaces)[?]'
daemon two
watch_tries east "$before" '^GET .* 429'
way east http
# Three kinds, every six seconds.
ok "lists answered by 429 and Retry-After are not hammered" patient $((4 + TOOK / 2))
within 60 "and read when they may" logs two 'cluster east: synced'
within 30 "nothing was deleted for what could not be read" mirrored

# ---- protobuf that is none
stop two
before=$(lines east)
way east http 'garble ^GET .*(services|endpointslices)([?](limit|resourceVersion|labelSelector)|$)'
many 1 5 7
daemon two
within 60 "lists whose protobuf is broken are read" mirrored
ok "as they are in JSON" seen_in east 'endpointslices.* garbled' 'endpointslices.* plain'
way east http

# ---- pages that expire: what etcd has of the past goes between two of them
"$LOAD" seed-services "$TMP/west/kubeconfig" paged 1300 1 || exit 1
before=$(lines west)
way west http 'hold [?&]continue=' 'answer 410 - watch=1'
ok "the target's API server restarts, and knows no more of what was watched" restart_api west
within 60 "it is listed anew, in pages" seen '^GET /api/v1/services[?][^ ]*continue=[^ ]* held'
"$KUBE_TOOL" "$TMP/west/kubeconfig.http" list v1 Service paged >"$TMP/listed" 2>&1 &
listing=$!
within 60 "and by somebody else" seen '^GET /api/v1/namespaces/paged/services[?][^ ]*continue=[^ ]* held'
many 131 135 7
kubectl_of west create namespace later >/dev/null # so that the first pages are of the past
compact west
way west http
within 60 "the next page has expired" seen '^GET /api/v1/services[?][^ ]*continue=[^ ]* 410'
within 60 "all is read once more, and what came meanwhile is written" mirrored
complete() { wait "$listing" && [ "$(grep -o '"resourceVersion"' "$TMP/listed" | wc -l)" = 1300 ]; }
ok "who reads a list has all of it, and nothing twice" complete
ok "his page had expired too" seen '^GET /api/v1/namespaces/paged/services[?][^ ]*continue=[^ ]* 410'

# ---- answers that end in the middle
stop two
way east http 'cut ^GET [^ ]*/(services|endpointslices|namespaces)([?](?!watch)|$)' # lists, however they are asked for
from=$(lines east)
daemon two
many 131 135
cut_short() { [ "$(since east "$from" | grep -c ' cut$')" -ge 6 ]; }
within 60 "lists end in the middle, and are tried again" cut_short
kept() { services_of west isthmus.dev/owner | sort | comm -23 "$TMP/there" - | diff /dev/null -; } # nothing of before is missing
ok "lists that end in the middle delete nothing" kept
way east http
within 60 "and are read again" mirrored
way east http 'cut watch=1'
many 136 140
few 131 132
sleep 3
way east http
within 60 "so are watches" mirrored
way west http 'cut ^PATCH'
many 141 145
sleep 2
way west http
within 60 "and writes whose answer was cut off" mirrored

# ---- a lease that cannot be renewed, while all else can be written
way west http 'answer 500 - ^PUT .*leases'
within 40 "a lease that cannot be renewed in time is given up" logs two 'cluster west: no longer the one who writes: it could not be renewed in time'
before=$(lines west)
many 143 145 9
waiting() { tail -n 3 "$TMP/two.log" | grep '"type":"status"' | grep -qE '"lag_events": ?[1-9]'; }
within 40 "status says how many changes wait" waiting
silent() { ! since west "$before" | grep -E '^(PATCH|POST|PUT|DELETE) ' | grep -v leases; }
ok "and not one of them is written" silent
way west http
within 60 "renewed: they are" mirrored

# ---- etcd is gone
lose_etcd() { # lose_etcd CLUSTER: killed, with what it has on disk; then started again
    local etcd
    etcd=$(cat "$TMP/$1/etcd.pid")
    mapfile -d '' -t ETCD <"/proc/$etcd/cmdline"
    disown "$etcd" 2>/dev/null
    kill -9 "$etcd"
}
find_etcd() {
    (cd "$TMP/$1" && exec "${ETCD[@]}" >>etcd.log 2>&1) &
    echo $! >"$TMP/$1/etcd.pid"
    disown
}
for cluster in west east; do
    few $((cluster_n = ${cluster_n:-139} + 2)) $((cluster_n + 1))
    lose_etcd $cluster
    sleep 4
    [ $cluster = east ] || many 146 149
    find_etcd $cluster
    [ $cluster = west ] || within 60 "$cluster: etcd is back" many 146 149
    within 90 "$cluster: with etcd lost and found again all is as it should be" mirrored
    few 146 149
    kill -STOP "$(cat "$TMP/$cluster/etcd.pid")"
    [ $cluster = east ] || many 150 155
    sleep 6
    kill -CONT "$(cat "$TMP/$cluster/etcd.pid")"
    within 90 "$cluster: with an etcd that stood still too" mirrored
done
ok "and it is still the same daemon" alive two
finish
