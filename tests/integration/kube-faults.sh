#!/usr/bin/env bash
# k8s-apply alone against one cluster of the lab, with a fault at each call that it makes: it recovers, or fails with
# a message that names the call; the next run comes through; nothing is lost, and destroy leaves nothing.
# FAULTS says how many are tried (8, drawn with SEED; "all": every call with every effect).
. "$(dirname "$0")/lib.sh"
TOOL=$BUILD/tests/real/kubernetes/plugin-tool
[ -x "$TOOL" ] || skip_all "plugin-tool is not built"
FAULTS=${FAULTS:-8}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED FAULTS=$FAULTS"
start_lab

cat >"$TMP/app.yaml" <<'X'
{kind: Namespace, apiVersion: v1, metadata: {name: shop}}
---
{kind: Service, apiVersion: v1, metadata: {name: front, namespace: shop}, spec: {ports: [{port: 80}], selector: {app: front}}}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: front, namespace: shop}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec: {containers: [{name: c, image: nginx}]}
X
printf '{"kubeconfigs":{"x":"%s"},"manifests":[{"file":"%s"}],"timeout":"20s"}' \
    "$TMP/lab/ccp.kubeconfig" "$TMP/app.yaml" >"$TMP/in.json"
step() { timeout 60 "$TOOL" k8s-apply "$TMP/state" "$TMP/in.json" "$@"; }
converge() { step observe plan apply; }

lab snapshot >"$TMP/before"
ok "undisturbed" converge
lab snapshot >"$TMP/whole"
ok "and away again" step destroy
gone() { lab snapshot >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }
ok "leaves nothing" gone
lab log --output jsonl >"$TMP/log"
python3 - "$TMP/log" >"$TMP/calls" <<'X' 2>/dev/null || sed -n 's/.*"service": *"\([^"]*\)".*"action": *"\([^"]*\)".*/\1\t\2/p' "$TMP/log" | sort -u >"$TMP/calls"
import json, sys
calls = {(c["service"], c["action"]) for c in map(json.loads, open(sys.argv[1])) if c.get("action")}
print("\n".join("\t".join(c) for c in sorted(calls)))
X
ok "its calls are in the journal" test -s "$TMP/calls"

# ---- what people put by hand into lists ----
# shellcheck source=SCRIPTDIR/hands-lib.sh
. "$SRC/tests/integration/hands-lib.sh"
kubectl() { command kubectl --kubeconfig "$TMP/lab/ccp.kubeconfig" "$@"; }
hand_step() {
    printf '{"kubeconfigs":{"x":"%s"},"manifests":[{"file":"%s"}]}' "$TMP/lab/ccp.kubeconfig" "$TMP/hands.yaml" >"$TMP/hands.json"
    timeout 60 "$TOOL" k8s-apply "$TMP/hands" "$TMP/hands.json" "$@"
}
hands() {
    hands_services NodePort
    hands_workloads
    ok "Services and a Deployment, for people to change" hand_step observe plan apply
    hands_on_services
    hands_on_workloads
    # Their mending fails half-way: the next run makes it whole.
    hand_specs >"$TMP/specs"
    kubectl -n hands patch svc one --type=json -p '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]' >/dev/null
    hand_step observe plan >/dev/null
    lab faults add "action=^patch services\$" effect=cut-after skip=3 times=1 >/dev/null
    hand_step observe plan apply >"$TMP/out" 2>&1 || grep -q '"where":"kubernetes x: ' "$TMP/out"
    pass_or_fail $? "an answer that is lost over a mending: recovers, or names the call"
    lab faults clear >/dev/null
    ok "the next run comes through" hand_step observe plan apply
    ok "and leaves what the manifest says" hands_mended
    ok "they go again" hand_step destroy
    ok "and leave nothing" gone
}
if command -v kubectl >/dev/null; then hands; else echo "# kubectl is not installed: nobody's hand is in it"; fi

effects=(status delay cut-before cut-after throttle stale)
mapfile -t calls <"$TMP/calls"
tries=()
if [ "$FAULTS" = all ]; then
    for call in "${calls[@]}"; do for effect in "${effects[@]}"; do tries+=("$effect"$'\t'"$call"); done; done
else
    for _ in $(seq "$FAULTS"); do
        tries+=("${effects[RANDOM % ${#effects[@]}]}"$'\t'"${calls[RANDOM % ${#calls[@]}]}")
    done
fi

for try in "${tries[@]}"; do
    IFS=$'\t' read -r effect service action <<<"$try"
    lab faults clear >/dev/null
    lab faults add "service=^$service\$" "action=^$action\$" "effect=$effect" times=1 >/dev/null
    converge >"$TMP/first" 2>&1
    status=$?
    lab faults clear >/dev/null
    cp "$TMP/first" "$TMP/out"
    [ $status = 0 ] || grep -q '"where":"kubernetes x: ' "$TMP/first"
    pass_or_fail $? "$effect at $service $action: recovers, or names the call"
    [ $status = 0 ] || ok "$effect at $service $action: the next run comes through" converge
    same() { lab snapshot >"$TMP/now" && diff "$TMP/whole" "$TMP/now"; }
    ok "$effect at $service $action: nothing lost, nothing twice" same
    lab faults add "service=^$service\$" "action=^$action\$" "effect=$effect" times=1 >/dev/null
    step destroy >"$TMP/out" 2>&1 || step destroy >"$TMP/out" 2>&1
    lab faults clear >/dev/null
    ok "$effect at $service $action: destroy leaves nothing" gone
done
finish
