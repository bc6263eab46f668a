#!/usr/bin/env bash
# Faults of every kind at the calls that a whole run makes: what was hit recovers by itself, or fails with a message
# that names the call; either way a second apply ends with the same objects as an undisturbed run.
# FAULTS says how many are tried (10, drawn with SEED; "all": every call with every effect).
. "$(dirname "$0")/lib.sh"
FAULTS=${FAULTS:-10}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED FAULTS=$FAULTS"

start_lab
isthmus apply stars --yes >"$TMP/out" 2>&1
pass_or_fail $? "an undisturbed apply"
lab snapshot >"$TMP/whole"
# Every distinct call of that run: service and action.
lab log --output jsonl | sed -n 's/.*"service": *"\([^"]*\)".*"action": *"\([^"]*\)".*/\1 \2/p; s/.*"action": *"\([^"]*\)".*"service": *"\([^"]*\)".*/\2 \1/p' |
    sort -u >"$TMP/calls"
ok "has its calls in the journal" test -s "$TMP/calls"
ok "destroy" isthmus destroy stars --yes

effects=(status delay cut-before cut-after throttle stale expired-token)
if [ "$FAULTS" = all ]; then
    while read -r service action; do
        for effect in "${effects[@]}"; do echo "$service $effect $action"; done
    done <"$TMP/calls" >"$TMP/tries"
else
    mapfile -t calls <"$TMP/calls"
    for _ in $(seq "$FAULTS"); do
        read -r service action <<<"${calls[RANDOM % ${#calls[@]}]}"
        echo "$service ${effects[RANDOM % ${#effects[@]}]} $action"
    done >"$TMP/tries"
fi

while read -r service effect action; do
    lab faults clear >/dev/null
    lab faults add "service=^$service\$" "action=^$action\$" "effect=$effect" times=1 >/dev/null
    isthmus apply stars --yes --allow-deferred >"$TMP/out" 2>&1
    status=$?
    lab faults clear >/dev/null
    # Either it came through, or it says where it was hit.
    word=${action#*:}
    if [ $status = 0 ] || grep -qiE -- "${word%% *}|${word##* }" "$TMP/out"; then
        pass_or_fail 0 "$effect at $service $action: recovers, or names the call"
    else
        pass_or_fail 1 "$effect at $service $action: recovers, or names the call"
    fi
    [ $status = 0 ] || ok "$effect at $service $action: the next apply comes through" isthmus apply stars --yes --allow-deferred
    same() { lab snapshot >"$TMP/now" && diff "$TMP/whole" "$TMP/now"; }
    ok "$effect at $service $action: nothing lost, nothing twice" same
    ok "$effect at $service $action: destroy" isthmus destroy stars --yes
done <"$TMP/tries"
finish
