#!/usr/bin/env bash
# Addresses of pods that change in two clusters under policies that stretch between them, on two real API servers:
# does it keep up, and how long is an address let in after its pod has lost it. PODS in each cluster, RATE changes a
# second for SPELL seconds, POLICIES (a namespace each).
# shellcheck source=../real/kubernetes/lib.sh
. "$(dirname "$0")/../real/kubernetes/lib.sh"
# shellcheck source=load/lib.sh
. "$(dirname "$0")/load/lib.sh"
PODS=${PODS:-5000} RATE=${RATE:-200} SPELL=${SPELL:-20} POLICIES=${POLICIES:-100}
COMPANIONS=/apis/networking.k8s.io/v1/networkpolicies

pair
"$LOAD" seed-pods "$TMP/east/kubeconfig" 0 "$POLICIES" "$PODS" || exit 1
"$LOAD" seed-pods "$TMP/west/kubeconfig" 1 "$POLICIES" "$PODS" || exit 1
cat >"$TMP/inputs.yaml" <<END
kubeconfigs: {east: $TMP/east/kubeconfig, west: $TMP/west/kubeconfig}
pod_cidrs: {east: [10.0.0.0/10], west: [10.64.0.0/10]}
END
from=$(us)
daemon k8s-netpol
"$LOAD" memory "$DAEMON" >"$TMP/memory" &
memory=$!
for cluster in east west; do # each policy has its companion beside it
    to=$("$LOAD" until "$TMP/$cluster/kubeconfig" $COMPANIONS "$POLICIES" 300) ||
        die "the daemon does not write: $(tail -n 3 "$TMP/daemon.log")"
done
first=$(((to - from) / 1000))
"$LOAD" churn-pods "$TMP/east/kubeconfig" "$TMP/west/kubeconfig" "$POLICIES" "$PODS" "$RATE" "$SPELL" >"$TMP/churn" || exit 1
kill $memory
wait $memory
read -r _ pss _ rss _ <"$TMP/memory"
stop_daemon
lag() { awk -v w="$1" -v c="$2" '$1 == w { print $c }' "$TMP/churn"; }
result policy-churn "$(lag withdrawn 5)" 20000 1 "ms p99 of a withdrawal"
sed 's/^/  /' "$TMP/churn"
echo "  $((PODS * 2)) pods, $POLICIES policies: first sync $first ms; pss $pss KiB, rss $rss KiB"
