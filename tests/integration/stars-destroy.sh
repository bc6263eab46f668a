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
ok "but does not verify, and says what is missing" verify_names "no router"

# ---- the whole, and a step less ----
cp "$SRC/conf.d/stars.yaml" "$TMP/conf/stars.yaml"
# What /proc shows, all the while, of the core, the workers, what they start, and the lab.
watched_apply() {
    local core pid status
    "$ISTHMUS" -C "$CONF" apply stars --yes --allow-deferred >"$TMP/applied" 2>&1 &
    core=$!
    while kill -0 $core 2>/dev/null; do
        for pid in $(pgrep -P $core) $(pgrep -P "$(pgrep -d, -P $core)" 2>/dev/null); do
            tr '\0' '\n' <"/proc/$pid/cmdline"
            tr '\0' '\n' <"/proc/$pid/environ"
            # Once it has a worker, the core itself has long put its own away.
            tr '\0' '\n' <"/proc/$core/cmdline"
            tr '\0' '\n' <"/proc/$core/environ"
        done >>"$TMP/shown" 2>/dev/null
        sleep 0.02
    done
    wait $core
    status=$?
    for pid in $(pgrep -f -- "$TMP/lab"); do tr '\0' '\n' <"/proc/$pid/environ"; done >>"$TMP/shown" 2>/dev/null
    cat "$TMP/applied"
    return $status
}
ok "with the router" watched_apply
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
ok "the picture is another one" verify_names "fail  client -> frontend"
cp "$SRC/conf.d/stars.yaml" "$TMP/conf/stars.yaml"
ok "and back again" isthmus apply stars --yes

# ---- prying eyes ----
secret_forms >"$TMP/forms"
seen() { grep -q "^isthmus-worker" "$TMP/shown" && grep -q "^AWS_REGION=\|^AWS_DEFAULT_REGION=" "$TMP/shown"; }
ok "the workers' arguments and environments were looked at" seen
unseen() { ! grep -aF -f "$TMP/forms" "$TMP/shown"; }
ok "no key, password or token is in them, the core's or the lab's" unseen
if command -v aws >/dev/null; then
    aws cloudformation get-template --stack-name aws-csr >"$TMP/template" 2>&1
    aws ec2 describe-instances --query 'Reservations[].Instances[].InstanceId' --output text | tr '\t' '\n' |
        while read -r id; do
            aws ec2 describe-instance-attribute --instance-id "$id" --attribute userData --query UserData.Value --output text | base64 -d
        done >"$TMP/userdata" 2>/dev/null
    clean() { ! grep -aF -f "$TMP/forms" "$TMP/template" "$TMP/userdata" && test -s "$TMP/template"; }
    ok "nor in the stack's template or the user data" clean
fi

# ---- one cluster out of reach ----
# The command that the last output tells to type, as it stands there.
told() { sed -n 's/^ *hint: .*: \(isthmus .*\)$/\1/p' "$TMP/out" | tail -1; }
typed() { # in a shell of its own, where `isthmus` is the one that was built
    (PATH=$BUILD/core:$PATH timeout 300 bash -c "$1")
}
lab faults add service='^kube/ccp$' effect=cut-before times=1000000 >/dev/null
exits 3 "destroy stops at a cluster that cannot be reached" isthmus destroy stars --yes
says "error: federation: ccp: " "and names it"
says "(app, services, policies, federation have something there)" "and all that is there"
COMMAND=$(told)
ok "with one command that goes on: $COMMAND" test "$COMMAND" = "isthmus -C $CONF destroy stars --yes --forget ccp"
exits 1 "a name that nothing has is none to forget" isthmus destroy stars --yes --forget cpp
ok "that command, as it stands, takes the rest away" typed "$COMMAND"
lab faults clear >/dev/null
ok "what is not Isthmus's is still there" onprem -n stars get configmap stranger
ok "so is what was let go of" onprem -n stars get deployment frontend
ok "state holds nothing more" sh -c "! '$ISTHMUS' -C '$CONF' state list stars | grep -q ."
onprem delete namespace stars client management-ui >/dev/null

# ---- the other cluster out of reach: what gives the way to it is not, and what is in the first one goes ----
ok "all of it again" isthmus apply stars --yes
lab faults add service='^kube/aws$' effect=cut-before times=1000000 >/dev/null
exits 3 "destroy stops at the EKS cluster that cannot be reached" isthmus destroy stars --yes
says "error: federation: aws: " "and names it"
COMMAND=$(told)
ok "with one command that lets go of that cluster alone: $COMMAND" \
    test "$COMMAND" = "isthmus -C $CONF destroy stars --yes --forget aws"
recorded() { "$ISTHMUS" -C "$CONF" state list stars | grep -qE "^stars +$1 +.* $2 resource"; }
ok "until then state keeps what is in it" recorded policies 2
ok "that command, as it stands, takes the rest away" typed "$COMMAND"
says "policies: objects in aws: forgotten, what is there stays: NetworkPolicy client/" "and lists what it lets go of"
nothing_here() { ! onprem get namespace -o name | grep -xE 'namespace/(stars|client|management-ui)'; }
ok "in the cluster that could be reached nothing is left" nothing_here
ok "in the state neither" sh -c "! '$ISTHMUS' -C '$CONF' state list stars | grep -q ."
lab faults clear >/dev/null

# ---- the container platform too, which alone knows the way to the cluster ----
ok "all of it once more" isthmus apply stars --yes
lab faults add service='^ccp$' effect=cut-before times=1000000 >/dev/null
lab faults add service='^kube/ccp$' effect=cut-before times=1000000 >/dev/null
exits 1 "nobody tells the way to the clusters" isthmus destroy stars --yes
COMMAND=$(told)
ok "the command lets go of the platform's step and that cluster: $COMMAND" \
    test "$COMMAND" = "isthmus -C $CONF destroy stars --yes --forget ccp --forget cluster"
# Killed in the middle of it, with a Lease in its hand, and typed again.
setsid "$ISTHMUS" -C "$CONF" destroy stars --yes --forget ccp --forget cluster >"$TMP/killed" 2>&1 &
CORE=$!
under_way() { ended $CORE || grep -q "services: taking away" "$TMP/killed"; }
eventually under_way
WORKERS=$(pgrep -P $CORE)
# shellcheck disable=SC2086
kill -KILL $CORE $WORKERS 2>/dev/null
wait $CORE 2>/dev/null
ok "killed and typed again, it goes on past that too" typed "$COMMAND"
cp "$TMP/out" "$TMP/again"
waited() { grep -h "waits for it to end" "$TMP/again"; }
ok "nobody waits for the Lease of a process that is gone" eval '! waited'
ok "it lets go of what is in the one cluster" grep -h "app: objects in ccp: forgotten" "$TMP/killed" "$TMP/again"
no_stars_there() { ! kubectl --kubeconfig "$TMP/lab/aws.kubeconfig" get namespace client management-ui --no-headers 2>/dev/null | grep -q .; }
ok "and not of what is in the other" no_stars_there
lab faults clear >/dev/null
ok "and leaves nothing in the state" sh -c "! '$ISTHMUS' -C '$CONF' state list stars | grep -q ."
finish
