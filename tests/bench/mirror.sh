#!/usr/bin/env bash
# Mirroring between two real API servers (KIND=modern or classic): the first sync, a restart with nothing to do,
# changes at a rate, memory; each beside the same requests sent raw, in the same run. SERVICES, ADDRESSES (of one),
# RATE (changes a second) for SPELL seconds, and BIG (services of the measure of memory; 0: without it).
# shellcheck source=../real/kubernetes/lib.sh
. "$(dirname "$0")/../real/kubernetes/lib.sh"
# shellcheck source=load/lib.sh
. "$(dirname "$0")/load/lib.sh"
SERVICES=${SERVICES:-2000} ADDRESSES=${ADDRESSES:-10} RATE=${RATE:-100} SPELL=${SPELL:-20} BIG=${BIG:-10000}
SLICES=/apis/discovery.k8s.io/v1/endpointslices
EAST=$TMP/east/kubeconfig WEST=$TMP/west/kubeconfig

inputs() { # inputs NAMESPACE...: what is mirrored
    local list
    list=$(printf '{namespace: %s}, ' "$@")
    cat >"$TMP/inputs.yaml" <<END
clusters:
  - {name: east, services: [${list%, }]}
  - {name: west, services: []}
kubeconfigs: {east: $EAST, west: $WEST}
pod_cidrs: {east: [10.0.0.0/8]}
create_namespaces: true
END
}
least() { # least NUMBER NUMBER-OR-NOTHING
    [ -n "$2" ] && [ "$2" -le "$1" ] && echo "$2" || echo "$1"
}
mirrored() { # mirrored COUNT: the west has so many slices; when
    "$LOAD" until "$WEST" $SLICES "$1" 600 || die "the daemon does not mirror: $(tail -3 "$TMP/daemon.log")"
}
# Everything that is mirrored of one namespace, sent again raw into another; "MILLISECONDS REQUESTS".
raw() {
    kubectl_of west create namespace "$1" >/dev/null
    "$LOAD" send "$WEST" "$TMP/taken" "$1" 16 || exit 1
}
take() {
    "$LOAD" take "$WEST" "$TMP/taken" "/api/v1/namespaces/$1/services" v1 Service \
        "/apis/discovery.k8s.io/v1/namespaces/$1/endpointslices" discovery.k8s.io/v1 EndpointSlice >/dev/null || exit 1
}
# The same once more by kubectl, as a person would; milliseconds.
applied() {
    kubectl_of west create namespace "$1" >/dev/null
    kubectl_of west -n bench get services,endpointslices -o json | jq -c '.items[] |= (
        .metadata = {name: .metadata.name, labels: (.metadata.labels | with_entries(select(.key | startswith("kubernetes.io/"))))}
        | del(.status, .spec.clusterIP, .spec.clusterIPs))' >"$TMP/applied.json"
    local from
    from=$(us)
    kubectl_of west -n "$1" apply --server-side -f "$TMP/applied.json" >/dev/null || exit 1
    echo $((($(us) - from) / 1000))
}
lists() { # lists QUERY: of both clusters, side by side; "MILLISECONDS REQUESTS"
    local c
    for c in "$EAST" "$WEST"; do
        echo "$c" "/api/v1/namespaces$1" "$c" "/api/v1/services$1" "$c" "$SLICES$1"
    done | xargs "$LOAD" list
}
# The fastest of three, page by page or whole from the server's memory, whichever it answers sooner.
raw_lists() {
    for _ in 1 2 3; do
        lists ""
        lists "?resourceVersion=0"
    done | sort -n | awk 'NR == 1 { print $1 }'
}

# A round before it counts: what the servers do once for each kind.
pair
seed_services east warm 200 "$ADDRESSES"
inputs warm
daemon k8s-svcmirror
mirrored 200 >/dev/null
stop_daemon
take warm
raw warm-raw >/dev/null
raw_lists >/dev/null

# ---- the first sync: everything is read, and written once; the faster of two, of ours and of the floor
ours='' floor=''
for round in bench more; do
    seed_services east $round "$SERVICES" "$ADDRESSES"
    have=$("$LOAD" count "$WEST" $SLICES)
    inputs warm bench $round
    before=$(writes west)
    from=$(us)
    daemon k8s-svcmirror
    to=$(mirrored $((have + SERVICES)))
    took=$(((to - from) / 1000))
    ours=$(least $took "$ours")
    sleep 1
    sent=$(($(writes west) - before))
    stop_daemon
    take $round
    read=$(raw_lists)
    read -r sending requests <<<"$(raw raw-$round)"
    floor=$(least $((read + sending)) "$floor")
    echo "  $SERVICES services of $ADDRESSES endpoints, $BENCH_KIND: $sent writes in $took ms; raw $requests in $sending ms"
done
result mirror-first "$ours" "$floor" 1.2 ms
result mirror-kubectl "$ours" "$(applied applied)" 1 ms

# What came of the second goes again: what follows has the load of the first.
inputs warm bench
daemon k8s-svcmirror
while [ "$("$LOAD" count "$WEST" "${SLICES/endpoint/namespaces/more/endpoint}")" != 0 ]; do sleep 0.5; done
stop_daemon

# ---- again: nothing to do; the best of three, as of the lists
before=$(writes west)
ours=
for _ in 1 2 3; do
    [ -z "$ours" ] || stop_daemon
    from=$(us)
    daemon k8s-svcmirror
    logged "cluster west: compared" 120 || die "the daemon does not come up: $(tail -3 "$TMP/daemon.log")"
    took=$((($(us) - from) / 1000))
    ours=$(least $took "$ours")
done
floor=$(raw_lists)
sleep 2
result mirror-again "$ours" "$floor" 1.5 ms
echo "  $(($(writes west) - before)) writes"

# ---- changes; their floor is writes to the target alone, in the same seconds
"$LOAD" memory "$DAEMON" >"$TMP/memory" &
memory=$!
seed_services west bare 500 "$ADDRESSES"
"$LOAD" churn "$EAST" "$WEST" "$RATE" "$SPELL" bench "$SERVICES" "$ADDRESSES" bare 500 "$ADDRESSES" >"$TMP/churn" || exit 1
# A server that is too busy ends its slowest watches, these too.
[ "$(grep -c ' unseen 0 ' "$TMP/churn")" = 2 ] || die "not all changes were seen: $(cat "$TMP/churn")"
p99() { sed -n "s/^$1 .* p99 \([0-9.]*\) .*/\1/p" "$TMP/churn"; }
result mirror-change "$(p99 seen)" "$(p99 'bare seen')" 2 "ms p99"
sed 's/^/  /' "$TMP/churn"
kill $memory
wait $memory
read -r _ pss _ rss _ <"$TMP/memory"
echo "  memory: pss $pss KiB, rss $rss KiB"
stop_daemon
[ "$BIG" != 0 ] || exit 0

# ---- memory
big=$((BIG - SERVICES - 200))
have=$("$LOAD" count "$WEST" $SLICES)
seed_services east big $big "$ADDRESSES"
inputs warm bench big
daemon k8s-svcmirror
"$LOAD" memory "$DAEMON" >"$TMP/memory" &
memory=$!
mirrored $((have + big)) >/dev/null
sleep 3
kill $memory
wait $memory
read -r _ pss _ rss _ last <"$TMP/memory"
result mirror-memory "$pss" 65536 1 KiB
echo "  $BIG services of $ADDRESSES endpoints: at most pss $pss KiB, rss $rss KiB; at rest $last KiB"
