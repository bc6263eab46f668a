#!/usr/bin/env bash
# The walk-through from nothing to the picture and back: plan writes nothing, apply does it, a second plan is empty,
# destroy leaves the lab as it was, and apply right after makes everything anew.
# shellcheck disable=SC2016
. "$(dirname "$0")/lib.sh"
command -v jq >/dev/null || skip_all "jq is missing"
start_lab

lab snapshot >"$TMP/before"
ok "validate" isthmus validate stars
ok "the first plan" isthmus plan stars
for said in "cluster (ccp)" "eks (aws-eks): deferred: cluster is created first. " "vpc (aws-vpc): deferred" "router (csr-dmvpn): deferred" \
    "routes (aws-routes): deferred: vpc is deferred. " "pods (k8s-probe): nothing to plan, works in verify" \
    "app (k8s-apply): deferred: routes is deferred. " "services (k8s-svcmirror): deferred: app is deferred. " \
    "policies (k8s-apply): deferred: services is deferred. " "federation (k8s-netpol): deferred: policies is deferred. " \
    "picture (k8s-probe): nothing to plan, works in verify"; do
    says "$said" "tells of ${said%%:*}"
done
no_writes() { [ "$(writes)" = 0 ]; }
ok "has written nothing" no_writes
ok "apply" isthmus apply stars --yes
lab snapshot >"$TMP/applied"
before=$(writes)
exits 0 "a second plan is empty" isthmus plan stars --detailed-exitcode
nothing_more() { [ "$(writes)" = "$before" ]; }
ok "and has written nothing" nothing_more
ok "verify" isthmus verify stars
says "client -> frontend -> backend" "shows the picture"
ok "a second apply" isthmus apply stars --yes
unchanged() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
ok "changes nothing" unchanged

# ---- secrets ----
# The walk-through's own and the lab's, in raw, percent and base64 form, in whatever is left on the disk or said.
secret_forms >"$TMP/forms"
no_secret_in() { ! grep -raF -f "$TMP/forms" -- "$@"; }
ok "no secret is in the state" no_secret_in "$ISTHMUS_STATE"*
isthmus apply stars --yes --trace --output jsonl >"$TMP/trace" 2>&1
isthmus plan stars --trace -o "$TMP/plan" >>"$TMP/trace" 2>&1
ok "nor in traces, events or plan files" no_secret_in "$TMP/trace" "$TMP/plan"

# ---- and away ----
ok "destroy" isthmus destroy stars --yes
gone() { lab snapshot >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }
ok "leaves the lab as it was" gone
# Each call that makes or changes something acts, and its answer is lost, once: whatever was called above, so that none
# is forgotten.
ours() { lab log --output jsonl | jq -r "select(.write and .method != \"ASKS\" and (.status $1)) | \"\(.service) \(.action)\"" | grep -v '^router ' | sort -u; }
ours '>= 200 and .status < 300' >"$TMP/made"
while read -r service action; do
    lab faults add "service=^$service\$" "action=^$action\$" effect=cut-after calls=writes
done <"$TMP/made" >"$TMP/faults"
ok "apply right after makes everything anew, though each call that writes loses an answer" isthmus apply stars --yes
same_again() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
ok "with the same objects" same_again
ok "which verify, by probes whose making loses its answer too" isthmus verify stars
ok "each of those that makes something did" eval 'ours "== 0" >"$TMP/lost"; ! grep -vxF -f "$TMP/lost" "$TMP/made" | grep -viE "delete|patch|revoke"'
lab faults clear >"$TMP/faults"
finish
