#!/usr/bin/env bash
# k8s-probe: its plan is empty, and whatever happens to it, no pod of it stays behind. What it finds is the business of
# stars.sh and stars-drift-*.sh: two labs know nothing of each other.
. "$(dirname "$0")/lib.sh"
command -v kubectl >/dev/null || skip_all "kubectl is not installed"
start_lab
"$ISTHMUS" lab up --dir "$TMP/other" >/dev/null || skip_all "no second lab"
end() {
    "$ISTHMUS" lab down --dir "$TMP/other" >/dev/null 2>&1
    cleanup
}
trap end EXIT
A=$TMP/lab/ccp.kubeconfig B=$TMP/other/ccp.kubeconfig
printf 'kubeconfigs: {a: "%s", b: "%s"}\n' "$A" "$B" >"$TMP/in.yaml"
probe() { timeout 60 "$ISTHMUS" plugin run k8s-probe "$@" --inputs "$TMP/in.yaml"; }
pods() { kubectl --kubeconfig "$A" get pods -A -l isthmus.dev/probe -o name && kubectl --kubeconfig "$B" get pods -A -l isthmus.dev/probe -o name; }
none() { [ -z "$(pods)" ]; }
some() {
    for _ in $(seq 600); do
        [ -z "$(pods)" ] || return 0
        sleep 0.1
    done
    return 1
}
finished() { # within a minute
    for _ in $(seq 300); do
        none && return 0
        sleep 0.2
    done
    pods
    return 1
}

ok "its plan" probe plan
writes_nothing() { [ "$(writes)" = 0 ]; }
ok "is empty, and writes nothing" writes_nothing
ok "verify" probe verify
says "tcp a -> b" "tells each way"
ok "its pods are gone" none

# ---- interrupted: pods that never start keep it waiting ----
slow() { # every word of one cluster about pods takes its time
    "$ISTHMUS" lab faults --dir "$TMP/other" add service=kube action=.*pods.* effect=delay delay=3000 times=0 >/dev/null
}
slow
"$ISTHMUS" plugin run k8s-probe verify --inputs "$TMP/in.yaml" >"$TMP/first" 2>&1 &
runner=$!
ok "it is under way" some
kill -INT $runner
wait $runner
"$ISTHMUS" lab faults --dir "$TMP/other" clear >/dev/null
ok "interrupted, it takes its pods along" finished

# ---- killed ----
slow
"$ISTHMUS" plugin run k8s-probe verify --in-process --inputs "$TMP/in.yaml" >"$TMP/first" 2>&1 &
runner=$!
ok "it is under way again" some
kill -KILL $runner
wait $runner 2>/dev/null
"$ISTHMUS" lab faults --dir "$TMP/other" clear >/dev/null
ok "killed, it leaves pods" some
ok "the next run" probe verify
ok "takes them along" none
finish
