#!/usr/bin/env bash
# Two clusters with 10,000 pods under policies that stretch between them, and 200 pods a second that change their
# address: in the end every companion lets in the pods that there are, and no address that one of them has lost.
# PODS in each cluster, RATE changes a second for SPELL seconds, POLICIES (a namespace each). How fast: BENCH=policy-churn.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"
PODS=${PODS:-5000} RATE=${RATE:-200} SPELL=${SPELL:-20} POLICIES=${POLICIES:-100}

start_cluster east modern
start_cluster west modern
for cluster in east west; do # without controllers, which have nothing to do here but take time
    kill "$(cat "$TMP/$cluster/kcm.pid")"
    rm "$TMP/$cluster/kcm.pid"
done
seed() {
    "$LOAD" seed-pods "$TMP/east/kubeconfig" 0 "$POLICIES" "$PODS" &
    "$LOAD" seed-pods "$TMP/west/kubeconfig" 1 "$POLICIES" "$PODS" && wait $!
}
ok "$((PODS * 2)) pods with addresses, $POLICIES policies" seed
cat >"$TMP/one.json" <<END
{"kubeconfigs": {"east": "$TMP/east/kubeconfig", "west": "$TMP/west/kubeconfig"},
 "pod_cidrs": {"east": ["10.0.0.0/10"], "west": ["10.64.0.0/10"]}}
END
policy_daemon() {
    PLUGIN_TOOL_TELL=1 "$PLUGIN_TOOL" k8s-netpol "$TMP/one.state" "$TMP/one.json" watch >>"$TMP/one.log" 2>&1 &
    PID_one=$!
    disown
}
alive() { kill -0 "$PID_one"; }

# "NAMESPACE ADDRESS" of the pods of one cluster in the namespaces whose policy is in the other one (seed.c).
pods_of() { # pods_of CLUSTER REMAINDER
    kubectl_of "$1" get pods -A -o 'jsonpath={range .items[*]}{.metadata.namespace} {.status.podIPs[*].ip}{"\n"}{end}' |
        awk -v r="$2" 'substr($1, 2) % 2 == r {for (i = 2; i <= NF; i++) print $1, $i}'
}
let_in() { # let_in CLUSTER: the same of what its companions let in, every block address by address
    kubectl_of "$1" get networkpolicies -A -l isthmus.dev/owner \
        -o 'jsonpath={range .items[*]}{.metadata.namespace} {.spec.ingress[*].from[*].ipBlock.cidr}{"\n"}{end}' |
        awk '{
            for (i = 2; i <= NF; i++) {
                split($i, part, "[./]")
                from = part[3] * 256 + part[4]
                for (n = 0; n < 2 ^ (32 - part[5]); n++)
                    print $1, part[1] "." part[2] "." int((from + n) / 256) "." (from + n) % 256
            }
        }'
}
exact() {
    { pods_of west 0 && pods_of east 1; } | sort >"$TMP/live"
    { let_in east && let_in west; } | sort >"$TMP/let"
    [ -s "$TMP/live" ] || return 1
    diff "$TMP/live" "$TMP/let" >"$TMP/differ" && return
    head -n 5 "$TMP/differ"
    return 1
}
policy_daemon
within 300 "all of them are let in, and nobody else" exact
ok "$RATE of them a second change their address" \
    "$LOAD" churn-pods "$TMP/east/kubeconfig" "$TMP/west/kubeconfig" "$POLICIES" "$PODS" "$RATE" "$SPELL"
within 120 "what is let in is what there is: no address is missing, none is left of those that were lost" exact
moved() { [ "$(awk '{split($2, part, "."); n += part[2] % 64 >= 32} END {print n + 0}' "$TMP/live")" -ge $((RATE * 2)) ]; }
ok "among them those that came with the changes" moved
kubectl_of west -n p0 delete pods --all --force --grace-period=0 >/dev/null 2>&1
kubectl_of east -n p1 delete pods --all --force --grace-period=0 >/dev/null 2>&1
within 120 "pods that go: so do their addresses" exact
none() { ! grep -qE '^p[01] ' "$TMP/let" && ! kubectl_of east -n p0 get networkpolicies -o name | grep isthmus; }
ok "and a companion that has nobody to let in" none
ok "it is the same daemon" alive
stop one
finish
