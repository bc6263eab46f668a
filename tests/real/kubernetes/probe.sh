#!/usr/bin/env bash
# k8s-probe between two real API servers of different ages. There is no kubelet: a loop plays one, which gives pods
# addresses and ends clients with what a pod would have said.
. "$(dirname "$0")/lib.sh"
start_cluster classic classic
start_cluster modern modern

field() { printf '%s' "$1" | python3 -c 'import json,sys
d=json.load(sys.stdin)
for p in d["items"]:
    e={v["name"]: v.get("value","") for v in p["spec"]["containers"][0].get("env",[])}
    print(p["metadata"]["name"], p.get("status",{}).get("phase","Pending"), "client" if "ISTHMUS_PROBE_TARGETS" in e else "listener", *e.get("ISTHMUS_PROBE_TARGETS","").split())'; }
command -v python3 >/dev/null || skip_all "python3 plays the kubelet and is not installed"

address() { [ "$1" = classic ] && echo "192.168.0.$2" || echo "10.0.109.$2"; }
patch() { kubectl -n default patch pod "$1" --subresource=status --type=merge -p "$2" >/dev/null; }
kubelet() { # kubelet WHAT-THE-LISTENER-OF-MODERN-SEES
    local name phase role targets target message end=$((SECONDS + 40))
    while [ $SECONDS -lt $end ] && [ ! -e "$TMP/enough" ]; do
        for CLUSTER in classic modern; do
            while read -r name phase role targets; do
                [ -n "$name" ] || continue
                if [ "$role" = listener ] && [ "$phase" = Pending ]; then
                    patch "$name" '{"status":{"phase":"Running","podIP":"'"$(address $CLUSTER 1)"'"}}'
                elif [ "$role" = client ] && [ "$phase" = Pending ]; then
                    message=
                    for target in $targets; do
                        case $target in
                        tcp-*) message="$message${target%%=*} ok source=$([ "$CLUSTER" = classic ] && echo "$1" || address modern 2)\\n" ;;
                        *) message="$message${target%%=*} ok\\n" ;;
                        esac
                    done
                    patch "$name" '{"status":{"phase":"Succeeded","podIP":"'"$(address $CLUSTER 2)"'","containerStatuses":[{"name":"client","image":"x","imageID":"x","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0,"message":"'"$message"'"}}}]}}'
                fi
            done < <(field "$(kubectl -n default get pods -l isthmus.dev/probe -o json 2>/dev/null || echo '{"items":[]}')")
        done
        sleep 0.2
    done
}
printf '{"kubeconfigs":{"classic":"%s","modern":"%s"}}' "$TMP/classic/kubeconfig" "$TMP/modern/kubeconfig" >"$TMP/in.json"
verify() {
    rm -f "$TMP/enough"
    kubelet "$1" 2>>"$TMP/kubelet" &
    local kubelet=$!
    plugin k8s-probe "$TMP/state" "$TMP/in.json" observe plan verify >"$TMP/out" 2>&1
    local status=$?
    touch "$TMP/enough"
    wait $kubelet
    return $status
}
none() {
    for CLUSTER in classic modern; do
        [ -z "$(kubectl -n default get pods -l isthmus.dev/probe -o name)" ] || return 1
    done
}

verify 192.168.0.2
pass_or_fail $? "verify between Kubernetes 1.20 and today's"
says '"evidence":"modern saw the pod'"'"'s own address 192.168.0.2","name":"source classic -> modern","result":"pass"' "the source address is the pod's own"
says '"name":"ping modern -> classic","result":"pass"' "and ping works the other way"
ok "no pod is left" none

verify 10.1.0.20
pass_or_fail $? "verify with a translated address"
says '"name":"source classic -> modern","result":"fail"' "fails"
says "the pod has 192.168.0.2 and modern saw 10.1.0.20" "with both addresses"
says "natOutgoing" "and the settings to look at"
ok "no pod is left then either" none
finish
