#!/usr/bin/env bash
# The daemon is killed at random moments while everything changes, KILLS times (20), between real API servers: what is there
# in the end is what an uninterrupted one would have left. And one that is not killed holds as much memory after
# CHURN_SECONDS (40) of changes as before.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"
KILLS=${KILLS:-20} CHURN_SECONDS=${CHURN_SECONDS:-40}
RANDOM=${SEED:-$RANDOM}

start_cluster east modern
start_cluster west modern
for cluster in east west; do kubectl_of $cluster create namespace app >/dev/null; done
cat >"$TMP/one.json" <<END
{"clusters": [{"name": "east", "services": [{"namespace": "app"}]}, {"name": "west", "services": []}],
 "kubeconfigs": {"east": "$TMP/east/kubeconfig", "west": "$TMP/west/kubeconfig"}, "pod_cidrs": {"east": ["10.0.0.0/8"]}}
END
CHURN=
churn() { # until told to stop: services come, move, are renamed and go
    local n=0 from
    while [ ! -e "$TMP/enough" ]; do
        n=$((n + 1)) from=$((RANDOM % 12 * 20 + 1))
        case $((RANDOM % 4)) in
        0) few $from $((from + 9)) ;;
        *) many $from $((from + 19)) $((n % 200 + 1)) ;;
        esac
    done 2>/dev/null
}
begin_churn() {
    rm -f "$TMP/enough"
    churn &
    CHURN=$!
}
end_churn() {
    touch "$TMP/enough"
    wait "$CHURN"
}
# A daemon that was killed cannot give its Lease back, and the next would wait ten seconds for it each time.
free_lease() { kubectl_of west -n kube-system delete leases --all >/dev/null 2>&1; }
sooner() { sleep "$((RANDOM % 2)).$((RANDOM % 1000))"; }
writing() { logs one 'cluster west: holds the lease'; }
alive() { kill -0 "$PID_one"; }

many 1 120
begin_churn
writers=0
for ((kill = 0; kill < KILLS; kill++)); do
    free_lease
    daemon one
    if [ $((kill % 3)) != 0 ]; then # else: wherever it is
        for _ in $(seq 300); do writing && break; sleep 0.05; done
    fi
    sooner
    ! writing || writers=$((writers + 1))
    crash one
done
end_churn
most() { echo "$writers of $KILLS were writing when they were killed" && [ "$writers" -ge $((KILLS / 2)) ]; }
ok "killed $KILLS times, mostly while it wrote" most
free_lease
daemon one
within 90 "the next one leaves what an uninterrupted one would have left: nothing missing, nothing twice, nothing surplus" mirrored
owned() { # every slice belongs to the Service that is there
    kubectl_of west -n app get services -o 'jsonpath={range .items[*]}{.metadata.uid}{"\n"}{end}' | sort >"$TMP/uids"
    kubectl_of west -n app get endpointslices -o 'jsonpath={range .items[*]}{.metadata.ownerReferences[0].uid}{"\n"}{end}' | sort -u |
        comm -13 "$TMP/uids" - >"$TMP/strays"
    [ -s "$TMP/uids" ] && [ ! -s "$TMP/strays" ]
}
ok "and every slice is of the Service that is there" owned
one_each() { [ -z "$(kubectl_of west -n kube-system get leases -o name | sort | uniq -d)" ] && [ "$(kubectl_of west -n kube-system get leases -o name | grep -c isthmus)" = 1 ]; }
ok "one Lease" one_each

# ---- memory
rss() { awk '/^VmRSS/ {print $2}' "/proc/$PID_one/status"; }
begin_churn
sleep $((CHURN_SECONDS / 4))
first=$(rss)
sleep $((CHURN_SECONDS * 3 / 4))
last=$(rss)
end_churn
flat() { echo "$first kB, then $last kB" && [ "$last" -le $((first + first / 8 + 1024)) ]; }
ok "after ${CHURN_SECONDS} s of changes it holds as much memory as at the beginning" flat
within 60 "and all is as it should be" mirrored
ok "in the same daemon" alive
stop one
finish
