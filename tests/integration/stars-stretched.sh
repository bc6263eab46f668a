#!/usr/bin/env bash
# The Stars policies as they were written for one cluster, annotated `isthmus.dev/clusters: "*"` and nothing else changed,
# give the same picture over two: by the lab's own evaluation of who reaches whom. Without the annotation they do not.
. "$(dirname "$0")/lib.sh"
start_lab
CONF=$TMP/conf
cp -r "$SRC/conf.d" "$CONF"

# As of "Calico Stars Demo on AWS": the client's namespace carries its role, the policies select by namespace.
sed -i '0,/name: client/s//name: client\n  labels: {role: client}/' "$CONF/stars/manifests/client.yaml"
policy() { # policy NAMESPACE NAME ANNOTATIONS SPEC
    printf -- '---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: %s, namespace: %s, annotations: {%s}},\n spec: %s}\n' \
        "$2" "$1" "$3" "$4"
}
# Each cluster gets the policies of its own namespaces.
deal() { # deal ANNOTATIONS
    local ns ui='[{from: [{namespaceSelector: {matchLabels: {role: management-ui}}}]}]'
    for ns in stars client; do
        {
            policy $ns default-deny "$1" '{podSelector: {matchLabels: {}}, policyTypes: [Ingress]}'
            policy $ns allow-ui "$1" "{podSelector: {matchLabels: {}}, policyTypes: [Ingress], ingress: $ui}"
        } >"$CONF/stars/manifests/$ns-policies.yaml"
    done
    {
        policy stars backend-policy "$1" '{podSelector: {matchLabels: {role: backend}}, policyTypes: [Ingress],
  ingress: [{from: [{podSelector: {matchLabels: {role: frontend}}}], ports: [{protocol: TCP, port: 6379}]}]}'
        policy stars frontend-policy "$1" '{podSelector: {matchLabels: {role: frontend}}, policyTypes: [Ingress],
  ingress: [{from: [{namespaceSelector: {matchLabels: {role: client}}}], ports: [{protocol: TCP, port: 80}]}]}'
    } >>"$CONF/stars/manifests/stars-policies.yaml"
}
# The pipeline with those in the place of the walk-through's, and none in the file.
awk '
    /default-deny.yaml, clusters: \[ccp\]/ { sub(/default-deny.yaml, clusters: \[ccp\], namespace: stars/, "stars-policies.yaml, clusters: [ccp]") }
    /default-deny.yaml, clusters: \[aws\]/ { sub(/default-deny.yaml, clusters: \[aws\], namespace: client/, "client-policies.yaml, clusters: [aws]") }
    /backend-policy.yaml|allow-ui-client.yaml/ { next }
    /^      federation:/ { federation = 1 }
    federation && /^          policies:/ { skip = 1; next }
    /^      picture:/ { skip = 0 }
    !skip { print }
' "$SRC/conf.d/stars.yaml" >"$CONF/stars.yaml"

deal 'isthmus.dev/clusters: "*"'
ok "annotated: apply" isthmus apply stars --yes
ok "gives the same picture" isthmus verify stars
says "client -> frontend -> backend" "as in one cluster"
exits 0 "and a second plan is empty" isthmus plan stars --detailed-exitcode

# ---- the original goes while nothing watches ----
ccp() { kubectl --kubeconfig "$TMP/lab/ccp.kubeconfig" -n stars "$@"; }
if command -v kubectl >/dev/null; then
    companion() { ccp get networkpolicy frontend-policy-isthmus-aws -o name; }
    ok "the companion of frontend-policy stands beside it" companion
    ok "the original goes" ccp delete networkpolicy frontend-policy
    gone() { ! companion; }
    ok "and its companion with it, though nobody is there" eventually gone
fi

# ---- it is the annotation that does it ----
deal ""
exits 3 "without the annotation: apply" isthmus apply stars --yes
says "would now delete NetworkPolicy" "does not take away the companions, which no plan had shown"
exits 2 "the next plan shows it" isthmus plan stars --detailed-exitcode
ok "and is made" isthmus apply stars --yes
ok "and the picture is not the one cluster's" verify_names "closed, and should be open"
shows() { grep -F -- "$1" "$TMP/verify" | grep -qF -- "$2"; }
ok "client does not reach frontend" shows "client -> frontend" "closed, and should be open"
ok "nor does management-ui what is in the other cluster" shows "management-ui -> frontend" "closed"

# ---- who reaches whom is told before, and guarded ----
sed -i 's/^          debounce: .*//; /^      federation:/,/^      picture:/s/^          pod_cidrs:/          guard: no-new-paths\n          pod_cidrs:/' "$CONF/stars.yaml"
deal 'isthmus.dev/clusters: "*"'
exits 3 "annotated again: apply stops at the guard" isthmus apply stars --yes
ok "plan" isthmus plan stars
told() { grep -q 'reachability: aws:client/client[^ ]* => ccp:stars/frontend[^ ]* : TCP 80 (before: No Connections)' "$TMP/plan"; }
cp "$TMP/out" "$TMP/plan"
says "apply will refuse this: guard: no-new-paths" "tells that it is not let through"
ok "and who would reach whom" told
exits 1 "apply refuses new paths" isthmus apply stars --yes
says "would be new" "and says so"
ok "nothing was written" bash -c "! kubectl --kubeconfig '$TMP/lab/ccp.kubeconfig' -n stars get networkpolicy frontend-policy-isthmus-aws"
finish
