#!/usr/bin/env bash
# The walk-through from nothing to the picture and back: plan writes nothing, apply does it, a second plan is empty,
# destroy leaves the lab as it was, and apply right after makes everything anew.
. "$(dirname "$0")/lib.sh"
start_lab

lab snapshot >"$TMP/before"
ok "validate" isthmus validate stars
ok "the first plan" isthmus plan stars
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
# The walk-through's own, in raw, percent and base64 form, in whatever is left on the disk.
leaks() {
    local secret form found=0
    for secret in abcdefghijklmn012345 DEADBEEF0123456789 keykey00 'abcd123!'; do
        for form in "$secret" "$(printf %s "$secret" | sed 's/!/%21/g')" "$(printf %s "$secret" | base64 -w0 | cut -c1-$((${#secret} * 4 / 3 - 2)))"; do
            if grep -raqF -- "$form" "$ISTHMUS_STATE"* 2>/dev/null; then
                echo "state holds $secret as $form"
                found=1
            fi
        done
    done
    return $found
}
ok "no secret is in the state" leaks
isthmus apply stars --yes --trace --output jsonl >"$TMP/trace" 2>&1
isthmus plan stars --trace -o "$TMP/plan" >>"$TMP/trace" 2>&1
trace_clean() { ! grep -aE 'abcdefghijklmn012345|DEADBEEF0123456789|keykey00|abcd123!|abcd123%21' "$TMP/trace" "$TMP/plan"; }
ok "nor in traces, events or plan files" trace_clean

# ---- and away ----
ok "destroy" isthmus destroy stars --yes
gone() { lab snapshot >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }
ok "leaves the lab as it was" gone
ok "apply right after makes everything anew" isthmus apply stars --yes
same_again() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
ok "with the same objects" same_again
ok "which verify" isthmus verify stars
finish
