#!/usr/bin/env bash
# Taking away: what Isthmus did not make stays; a step that left the pipeline goes; a cluster that cannot be reached
# stops destroy, unless the user lets go of it. And without the router, nothing of it works.
. "$(dirname "$0")/lib.sh"
command -v kubectl >/dev/null || skip_all "kubectl is not installed"
start_lab
cp -r "$SRC/conf.d" "$TMP/conf"
CONF=$TMP/conf
onprem() { kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_CCP" "$@"; }

# ---- without the router ----
awk '/^      router:/ { skip = 1 } /^      pods:/ { skip = 0 } !skip' "$SRC/conf.d/stars.yaml" |
    sed 's/needs: \[routes\]/needs: [eks]/' >"$TMP/conf/stars.yaml"
ok "a pipeline without the router applies" isthmus apply stars --yes
exits 1 "but does not verify" isthmus verify stars
says "no router" "and says what is missing"

# ---- the whole, and a step less ----
cp "$SRC/conf.d/stars.yaml" "$TMP/conf/stars.yaml"
ok "with the router" isthmus apply stars --yes --allow-deferred
ok "it verifies" isthmus verify stars
onprem create namespace stranger >/dev/null
onprem -n stars create configmap stranger --from-literal=a=b >/dev/null
awk '/^      federation:/ { skip = 1 } /^      picture:/ { skip = 0 } !skip' "$SRC/conf.d/stars.yaml" |
    sed 's/needs: \[federation\]/needs: [policies]/' >"$TMP/conf/stars.yaml"
exits 2 "a step that left the pipeline is planned" isthmus plan stars --detailed-exitcode
says "federation" "to be destroyed"
ok "and goes" isthmus apply stars --yes
no_policy() { ! onprem -n stars get networkpolicy frontend-policy; }
ok "with what it made" no_policy
exits 1 "the picture is another one" isthmus verify stars
cp "$SRC/conf.d/stars.yaml" "$TMP/conf/stars.yaml"
ok "and back again" isthmus apply stars --yes

# ---- prying eyes ----
secrets='abcdefghijklmn012345|DEADBEEF0123456789|keykey00'
isthmus plan stars >/dev/null 2>&1 &
seen=0
for _ in $(seq 40); do
    for pid in $(pgrep -f isthmus-worker); do
        cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null | tr '\0' '\n' | grep -qE "$secrets" && seen=1
    done
    sleep 0.02
done
wait
pass_or_fail $seen "no secret is in a worker's arguments or environment"
if command -v aws >/dev/null; then
    aws cloudformation get-template --stack-name aws-csr >"$TMP/template" 2>&1
    aws ec2 describe-instances --query 'Reservations[].Instances[].InstanceId' --output text | tr '\t' '\n' |
        while read -r id; do
            aws ec2 describe-instance-attribute --instance-id "$id" --attribute userData --query UserData.Value --output text | base64 -d
        done >"$TMP/userdata" 2>/dev/null
    clean() { ! grep -aE "$secrets" "$TMP/template" "$TMP/userdata" && test -s "$TMP/template"; }
    ok "nor in the stack's template or the user data" clean
fi

# ---- one cluster out of reach ----
lab faults add service='^kube/ccp$' effect=cut-before times=1000000 >/dev/null
exits 3 "destroy stops at a cluster that cannot be reached" isthmus destroy stars --yes
says "ccp" "and names it"
forget=()
for step in federation policies services app; do forget+=(--forget "$step"); done
ok "and goes on past it when told" isthmus destroy stars --yes "${forget[@]}"
lab faults clear >/dev/null
ok "what is not Isthmus's is still there" onprem -n stars get configmap stranger
ok "state holds nothing more" sh -c "! '$ISTHMUS' -C '$CONF' state list stars | grep -q ."
finish
