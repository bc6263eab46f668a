#!/usr/bin/env bash
# Faults of every kind at the calls that a whole run makes: what was hit recovers by itself, or fails with a message
# that names the very call (service, and method and path, or the action; on the router the line); either way a second
# apply ends with the same objects as an undisturbed run.
# FAULTS says how many are tried (10, drawn with SEED; "all": every call with every effect, which takes hours: with
# PART=I/N one N-th of them, each N-th from the I-th on).
. "$(dirname "$0")/lib.sh"
command -v jq >/dev/null || skip_all "jq is missing"
FAULTS=${FAULTS:-10}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED FAULTS=$FAULTS"

start_lab
isthmus apply stars --yes >"$TMP/out" 2>&1
pass_or_fail $? "an undisturbed apply"
lab snapshot >"$TMP/whole"
# Every distinct call of that run: service and action.
lab log --output jsonl | jq -r 'select(.action and .method != "ASKS") | "\(.service) \(.action)"' | sort -u >"$TMP/calls"
ok "has its calls in the journal" test -s "$TMP/calls"
ok "destroy" isthmus destroy stars --yes

effects=(status delay cut-before cut-after throttle stale expired-token)
if [ "$FAULTS" = all ]; then
    while read -r service action; do
        for effect in "${effects[@]}"; do echo "$service $effect $action"; done
    done <"$TMP/calls" | awk -v part="${PART:-1/1}" 'BEGIN { split(part, p, "/") } NR % p[2] == p[1] % p[2]' >"$TMP/tries"
    echo "# $(wc -l <"$TMP/tries") of them in part ${PART:-1/1}"
else
    mapfile -t calls <"$TMP/calls"
    for _ in $(seq "$FAULTS"); do
        read -r service action <<<"${calls[RANDOM % ${#calls[@]}]}"
        echo "$service ${effects[RANDOM % ${#effects[@]}]} $action"
    done >"$TMP/tries"
fi

# The call that the rule hit, as a message has to name it: the first of its kind since line FROM of the journal.
names_it() { # names_it FROM SERVICE ACTION
    local phrase=$3
    [ "$2" = router ] || phrase=$(lab log --output jsonl | tail -n "+$1" | jq -rn --arg service "$2" --arg action "$3" '
        first(inputs | select(.service == $service and .action == $action)) |
        if .service == "aws" and .path == "/" then "\(.action | sub(":"; " ")) in "
        elif .service == "aws" then "EKS \(.method) \(.path) in "
        elif .service == "ccp" then "CCP \(.method) \(.path):"
        else "kubernetes \(.service | ltrimstr("kube/")): \(.method) \(.path):" end')
    echo "the call is: $phrase" >>"$TMP/out"
    [ -n "$phrase" ] && grep '^error:' "$TMP/out" | grep -qF -- "$phrase"
}

# shellcheck disable=SC2001
literally() { sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$1"; } # in a regular expression
while read -r service effect action; do
    lab faults clear >/dev/null
    lab faults add "service=^$service\$" "action=^$(literally "$action")\$" "effect=$effect" times=1 >/dev/null
    from=$(($(lab log --output jsonl | wc -l) + 1))
    isthmus apply stars --yes --allow-deferred >"$TMP/out" 2>&1
    status=$?
    lab faults clear >/dev/null
    # Either it came through, or it says where it was hit.
    [ $status = 0 ] || names_it "$from" "$service" "$action"
    pass_or_fail $? "$effect at $service $action: recovers, or names the call"
    [ $status = 0 ] || ok "$effect at $service $action: the next apply comes through" isthmus apply stars --yes --allow-deferred
    # Nobody can tell an answer of yesterday from one of today: what it hid has to be seen by the next plan.
    if [ "$effect" = stale ] && ! isthmus plan stars --detailed-exitcode >"$TMP/out" 2>&1; then
        ok "$effect at $service $action: apply makes what the next plan saw" isthmus apply stars --yes --allow-deferred
    fi
    same() { lab snapshot >"$TMP/now" && diff "$TMP/whole" "$TMP/now"; }
    ok "$effect at $service $action: nothing lost, nothing twice" same
    ok "$effect at $service $action: destroy" isthmus destroy stars --yes
done <"$TMP/tries"
finish
